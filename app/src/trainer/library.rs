//! Datasets and scores for a configuration: from memory, from this browser, or from the page's server, in that order.
//!
//! Every chunk is checked against the manifest whatever its source, so a stale or half-written file is only fetched again. Of CIFAR-10 a
//! race waits only for the chunks with images that it reads; a later one goes on from there.

use std::io::Cursor;
use std::sync::Arc;

use sparring_core::config::ExperimentConfig;
use sparring_core::data::DatasetName;
use sparring_core::data::chunks::{self, Chunk, ChunkedDataset, Manifest};
use sparring_core::data::{Dataset, Reads, builtin, cifar};
use sparring_core::error::Error;
use sparring_core::hardness::Scores;
use web_sys::File;

use super::fetch::{self, Missing};
use super::store::Store;
use super::{Halt, Outbox, stream};
use crate::protocol::{Amount, Failure, WayOn};
use crate::words::drop as words;

const MANIFEST: &str = "data/manifest.json";
const KEPT_MANIFEST: &str = "cifar10-manifest.json";

/// What has been loaded, and where from.
#[derive(Default)]
pub struct Library {
    /// As much of it as races have asked for.
    cifar10: Option<ChunkedDataset>,
    /// Those that ship, with their name.
    scores: Option<(&'static str, Arc<Scores>)>,
    built_in: Option<(f32, Arc<Dataset>)>,
    /// By the hash of the scoring run.
    own_scores: Option<(String, Arc<Scores>)>,
    /// The browser would not keep a file; nobody was told yet.
    refused: bool,
}

impl Library {
    /// Whether the images of a configuration come over the line, or from this browser's store.
    pub fn must_fetch(&self, config: &ExperimentConfig) -> bool {
        config.dataset == DatasetName::Cifar10 && self.cifar10_with(&|data| config.reads(data)).is_none()
    }
    /// CIFAR-10, where all that is read of it was loaded.
    fn cifar10_with(&self, reads: &impl Fn(&Dataset) -> Result<Reads, Error>) -> Option<Arc<Dataset>> {
        let data = self.cifar10.as_ref()?;
        data.holding(&reads(data.dataset()).ok()?)
    }
    /// These test images of a configuration, where they can be had without a line or a store: what was loaded, and what code draws.
    pub fn test_at_hand(&mut self, config: &ExperimentConfig, samples: &[u32]) -> Option<Arc<Dataset>> {
        match config.dataset {
            name @ (DatasetName::BuiltIn | DatasetName::BuiltInGrey) => Some(self.drawn(name, config.difficulty)),
            DatasetName::Cifar10 => self.cifar10_with(&tests(samples)),
            _ => None,
        }
    }
    /// Whether the set that code draws was drawn last with this name and difficulty.
    fn is_drawn(&self, name: DatasetName, difficulty: f32) -> bool {
        self.built_in.as_ref().is_some_and(|(drawn, data)| (*drawn, data.name.as_str()) == (difficulty, name.name()))
    }
    fn drawn(&mut self, name: DatasetName, difficulty: f32) -> Arc<Dataset> {
        if let Some((_, data)) = self.built_in.as_ref().filter(|_| self.is_drawn(name, difficulty)) {
            return data.clone();
        }
        let make = if name == DatasetName::BuiltIn { builtin::builtin } else { builtin::builtin_grey };
        let data = Arc::new(make(difficulty, builtin::TRAIN, builtin::TEST, builtin::SEED));
        self.built_in = Some((difficulty, data.clone()));
        data
    }

    /// The images of a configuration.
    pub async fn dataset(&mut self, config: &ExperimentConfig, out: &Outbox) -> Result<Arc<Dataset>, Halt> {
        match config.dataset {
            name @ (DatasetName::BuiltIn | DatasetName::BuiltInGrey) => {
                if !self.is_drawn(name, config.difficulty) {
                    out.loading("Making the built-in set", None).await;
                }
                Ok(self.drawn(name, config.difficulty))
            }
            DatasetName::Cifar10 => self.cifar10(|data| config.reads(data), out).await,
            name => Err(Failure::new(
                "These images are for the native program",
                format!("The page loads CIFAR-10 and the built-in sets. For {name}, run: cargo run --release -- race --dataset {name}"),
                &[WayOn::UseBuiltIn, WayOn::ChangeSettings],
            )
            .into()),
        }
    }

    /// The same from wherever they are.
    pub async fn test_images(&mut self, config: &ExperimentConfig, samples: &[u32], out: &Outbox) -> Result<Arc<Dataset>, Halt> {
        match config.dataset {
            DatasetName::Cifar10 => self.cifar10(tests(samples), out).await,
            _ => self.dataset(config, out).await,
        }
    }

    /// Scores that ship with the project.
    pub async fn shipped_scores(
        &mut self,
        name: &'static str,
        config: &ExperimentConfig,
        data: &Dataset,
        out: &Outbox,
    ) -> Result<Option<Arc<Scores>>, Halt> {
        if let Some((here, scores)) = &self.scores
            && *here == name
        {
            return Ok(Some(scores.clone()));
        }
        out.loading("Fetching the hardness scores", None).await;
        let file = format!("scores/{name}.safetensors");
        match fetch::get(&file, &mut |_| !out.cancelled()).await {
            Ok(bytes) => {
                let scores = Scores::from_bytes(&file, &bytes)?;
                scores.check(data)?;
                let scores = Arc::new(scores);
                self.scores = Some((name, scores.clone()));
                Ok(Some(scores))
            }
            Err(Missing::GivenUp) => Err(Halt::Cancelled),
            // The trainer then scores for itself, if it must.
            Err(Missing::NotThere) => Ok(None),
            // Without scores there are no halves to compare, but all of it and a random part can still be trained on.
            Err(_) if !config.subset.needs_scores() => Ok(None),
            Err(Missing::Broken(words)) => Err(network(&words)),
        }
    }

    /// Takes scores that came with networks, as if this scoring run had been made here.
    pub fn take_scores(&mut self, run: &ExperimentConfig, scores: Scores) -> Result<(), Error> {
        self.own_scores = Some((run.hash()?, Arc::new(scores)));
        Ok(())
    }

    /// The scores of this scoring run, if it was made before in this browser.
    pub async fn kept_scores(&mut self, run: &ExperimentConfig, data: &Dataset) -> Result<Option<Arc<Scores>>, Error> {
        let hash = run.hash()?;
        if let Some((kept, scores)) = &self.own_scores
            && *kept == hash
            && scores.check(data).is_ok()
        {
            return Ok(Some(scores.clone()));
        }
        let Some(bytes) = Store::open().await.read(&scores_name(&hash)).await else { return Ok(None) };
        // What cannot be read (half-written, an older form) is made again.
        let Some(scores) = Scores::from_bytes("kept scores", &bytes).ok().filter(|s| s.check(data).is_ok()) else { return Ok(None) };
        let scores = Arc::new(scores);
        self.own_scores = Some((hash, scores.clone()));
        Ok(Some(scores))
    }

    /// Keeps the scores of a scoring run, in memory and in this browser.
    pub async fn keep_scores(&mut self, run: &ExperimentConfig, scores: Scores) -> Result<Arc<Scores>, Error> {
        let hash = run.hash()?;
        self.refused |= !Store::open().await.write(&scores_name(&hash), &scores.to_bytes()?).await;
        let scores = Arc::new(scores);
        self.own_scores = Some((hash, scores.clone()));
        Ok(scores)
    }

    /// What a person should know of the last files, once.
    pub fn refused(&mut self) -> Option<String> {
        std::mem::take(&mut self.refused).then(|| {
            "This browser keeps no more files: its storage is full or switched off. The race is not touched; what was fetched or made for \
             it will be fetched or made again next time. Free some space to keep it."
                .to_owned()
        })
    }

    /// CIFAR-10 with what is read of it; gets what is not here.
    async fn cifar10(&mut self, reads: impl Fn(&Dataset) -> Result<Reads, Error>, out: &Outbox) -> Result<Arc<Dataset>, Halt> {
        if let Some(data) = &self.cifar10
            && let Some(data) = data.holding(&reads(data.dataset())?)
        {
            return Ok(data);
        }
        out.loading("Looking for CIFAR-10", None).await;
        let store = Store::open().await;
        let manifest = match fetch::get(MANIFEST, &mut |_| !out.cancelled()).await {
            Ok(json) => Manifest::parse(MANIFEST, &json)?,
            Err(Missing::GivenUp) => return Err(Halt::Cancelled),
            Err(why) => match store.read(KEPT_MANIFEST).await {
                Some(json) => Manifest::parse(KEPT_MANIFEST, &json)?,
                None => return Err(no_cifar10(why)),
            },
        };
        // What came for an earlier race stays, unless the server has other chunks by now.
        let data = match self.cifar10.take() {
            Some(data) if *data.manifest() == manifest => data,
            _ => ChunkedDataset::new(manifest)?,
        };
        let data = self.cifar10.insert(data);
        let reads = reads(data.dataset())?;
        let missing: Vec<Chunk> = data.missing(&reads).cloned().collect();
        for chunk in &missing {
            let (done, total) = data.progress(&reads);
            let name = kept_name(chunk);
            if let Some(bytes) = store.read(&name).await
                && data.accept(&chunk.file, &bytes).is_ok()
            {
                out.loading("Reading CIFAR-10 from this browser", Some(Amount::Bytes(data.progress(&reads).0, total))).await;
                if out.cancelled() {
                    return Err(Halt::Cancelled);
                }
                continue;
            }
            let mut here = done;
            let path = format!("data/{}", chunk.file);
            let mut counted = |more| {
                here += more;
                out.loading_now("Fetching CIFAR-10", Amount::Bytes(here, total));
                !out.cancelled()
            };
            match fetch::get(&path, &mut counted).await {
                Ok(bytes) => {
                    data.accept(&chunk.file, &bytes)?;
                    self.refused |= !store.write(&name, &bytes).await;
                }
                Err(Missing::GivenUp) => return Err(Halt::Cancelled),
                Err(why) => return Err(no_cifar10(why)),
            }
        }
        if let Ok(json) = serde_json::to_string(data.manifest()) {
            store.write(KEPT_MANIFEST, json.as_bytes()).await;
        }
        let named: Vec<String> = data.manifest().chunks.iter().map(kept_name).collect();
        for name in store.names().await {
            // Cut in other sizes, or of another server.
            if name.contains("-cifar10-") && name.ends_with(".bin") && !named.contains(&name) {
                store.remove(&name).await;
            }
        }
        Ok(data.dataset().clone())
    }

    /// Checks an official archive (binary or for Python, compressed or not) and keeps it, in memory and in this browser. Returns the counts of its images.
    pub async fn keep_archive(&mut self, file: &File, out: &Outbox) -> Result<(usize, usize), Halt> {
        out.loading("Checking the archive", None).await;
        let name = file.name();
        // No browser decompresses what follows the first piece.
        let whole =
            "a complete gzip-compressed tar archive, or a plain one (one compressed in several pieces has to be decompressed first)";
        let broken = |e| Error::format(&name, whole, stream::words(e));
        let content = stream::content(file, cifar::CIFAR10.largest_content()).await.map_err(broken)?;
        if matches!(content.get(..4), Some([0, 0, 8, 1 | 3])) {
            return Err(Error::format(&name, whole, words::IDX).into());
        }
        let data = cifar::CIFAR10.from_tar(&name, Cursor::new(content))?;
        let (manifest, parts) = chunks::pack(&data, chunks::DEFAULT_CHUNK)?;
        let store = Store::open().await;
        let (mut done, total) = (0, manifest.total_bytes());
        for (chunk, bytes) in manifest.chunks.iter().zip(&parts) {
            self.refused |= !store.write(&kept_name(chunk), bytes).await;
            done += chunk.bytes;
            out.loading("Keeping CIFAR-10 in this browser", Some(Amount::Bytes(done, total))).await;
        }
        if let Ok(json) = serde_json::to_string(&manifest) {
            store.write(KEPT_MANIFEST, json.as_bytes()).await;
        }
        let counts = (data.train.len(), data.test.len());
        self.cifar10 = Some(ChunkedDataset::whole(manifest, data));
        Ok(counts)
    }
}

/// Who reads nothing but these test images.
fn tests(samples: &[u32]) -> impl Fn(&Dataset) -> Result<Reads, Error> {
    let mut test = samples.to_vec();
    test.sort_unstable();
    move |_| Ok(Reads { train: Vec::new(), test: test.clone() })
}

fn scores_name(hash: &str) -> String {
    format!("el2n-{hash}.safetensors")
}

/// A name that changes with the content.
fn kept_name(chunk: &Chunk) -> String {
    format!("{}-{}", chunk.sha256.get(..16).unwrap_or(&chunk.sha256), chunk.file)
}

fn network(words: &str) -> Halt {
    Failure::new(
        "The download broke off",
        format!("{words}. What arrived is kept; trying again goes on from there."),
        &[WayOn::Retry, WayOn::UseBuiltIn],
    )
    .into()
}

fn no_cifar10(why: Missing) -> Halt {
    match why {
        Missing::GivenUp => Halt::Cancelled,
        Missing::Broken(words) => network(&words),
        Missing::NotThere => Failure::new(
            "CIFAR-10 is not here",
            "This server does not carry CIFAR-10, and this browser has no copy. Use the built-in set, or drop the official archive (cifar-10-binary.tar.gz) anywhere on this page.",
            &[WayOn::UseBuiltIn, WayOn::Retry],
        )
        .into(),
    }
}
