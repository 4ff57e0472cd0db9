//! A dataset in chunks, for the page: packing, the manifest, and a reader that grows as verified chunks arrive.
//!
//! Training need not wait for the last byte: an experiment says which images it reads, and of the dataset, which has its full size from the
//! beginning, the others are absent. So every image has the same number whatever is here, and the same experiment gives the same numbers.
//! Every chunk is checked against the manifest's SHA-256, so a cut or stale download is noticed before it trains.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Dataset, Images, Reads, Split, Transforms, Validation};
use crate::argsort::{argsort, ascending};
use crate::error::{Error, Result};

/// Version of the chunk format.
pub const VERSION: u32 = 1;
/// Images of a chunk by default; 3 MB for CIFAR-10. Of the first ones of a dataset little more is fetched than they are.
pub const DEFAULT_CHUNK: usize = 1_000;
/// A manifest that asks for more bytes than this is refused before anything is allocated.
const MAX_BYTES: u64 = 1 << 30;

/// One chunk: `count` records, each the label's byte, then the image `[c][h][w]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// File name beside the manifest.
    pub file: String,
    /// Where it belongs.
    pub split: Split,
    /// Index of its first image in that file.
    pub start: usize,
    /// Number of images.
    pub count: usize,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl Chunk {
    /// Whether it has any of these images.
    fn has(&self, reads: &Reads) -> bool {
        let samples = if self.split == Split::Train { &reads.train } else { &reads.test };
        let next = samples.partition_point(|sample| (*sample as usize) < self.start);
        samples.get(next).is_some_and(|sample| (*sample as usize) < self.start + self.count)
    }
}

/// `manifest.json`: what the dataset is, and its chunks in the order they are best fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// Name of the dataset.
    pub name: String,
    /// Class names, by label.
    pub classes: Vec<String>,
    /// Channels, height, width.
    pub extent: (usize, usize, usize),
    /// Normalisation mean by channel.
    pub mean: [f32; 4],
    /// Normalisation standard deviation by channel.
    pub std: [f32; 4],
    /// What augmentation may do.
    #[serde(default)]
    pub augmentation: Transforms,
    /// Which part of the training file validates.
    #[serde(default)]
    pub validation: Validation,
    /// Images of the training file.
    pub train: usize,
    /// Images of the test file.
    pub test: usize,
    /// The chunks.
    pub chunks: Vec<Chunk>,
}

impl Manifest {
    /// Bytes of all chunks.
    pub fn total_bytes(&self) -> u64 {
        self.chunks.iter().map(|c| c.bytes).sum()
    }

    /// Reads and checks `manifest.json`.
    ///
    /// # Errors
    /// `Format` where it is no manifest of this version, or its chunks do not make up its dataset.
    pub fn parse(file: &str, json: &[u8]) -> Result<Self> {
        // As text: the page then holds one JSON reader, not one for bytes beside it.
        let text = std::str::from_utf8(json).map_err(|e| Error::format(file, "a dataset manifest", e))?;
        let manifest: Self = serde_json::from_str(text).map_err(|e| Error::format(file, "a dataset manifest", e))?;
        manifest.check(file)?;
        Ok(manifest)
    }

    /// Checks that the chunks make up the dataset, exactly and within bounds.
    fn check(&self, file: &str) -> Result<()> {
        if self.version != VERSION {
            return Err(Error::format(file, format!("version {VERSION}"), self.version));
        }
        let (c, h, w) = self.extent;
        let image = [c, h, w].iter().try_fold(1u64, |product, side| product.checked_mul(*side as u64)).unwrap_or(u64::MAX);
        let images = (self.train as u64).saturating_add(self.test as u64);
        if image == 0 || images.saturating_mul(image.saturating_add(1)) > MAX_BYTES {
            return Err(Error::format(file, format!("1 to {MAX_BYTES} bytes"), format!("{images} images of {c}x{h}x{w}")));
        }
        let mut ends = [0usize; 2];
        // No dataset has 2^32 images: the test set's chunks come after those of the training set.
        let place = |chunk: &Chunk| (chunk.start as u64).saturating_add(u64::from(chunk.split == Split::Test) << 32);
        for at in argsort(self.chunks.iter().map(place)) {
            let chunk = &self.chunks[at as usize];
            let end = &mut ends[usize::from(chunk.split == Split::Test)];
            let name = format!("{file}: chunk {}", chunk.file);
            if chunk.start != *end || chunk.count == 0 || chunk.count as u64 > images {
                return Err(Error::format(name, format!("images from {end} on"), format!("{} from {}", chunk.count, chunk.start)));
            }
            *end += chunk.count;
            if chunk.bytes != chunk.count as u64 * (image + 1) {
                return Err(Error::format(name, format!("{} bytes", chunk.count as u64 * (image + 1)), chunk.bytes));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if chunk.file.is_empty() || chunk.file.starts_with('.') || !chunk.file.chars().all(plain) {
                return Err(Error::format(name, "a plain file name", &chunk.file));
            }
        }
        if ends != [self.train, self.test] {
            return Err(Error::format(
                file,
                format!("chunks of {} + {} images", self.train, self.test),
                format!("{} + {}", ends[0], ends[1]),
            ));
        }
        Ok(())
    }
}

/// Cuts a dataset into chunks of `per_chunk` images: the manifest, and each chunk's bytes in its order.
///
/// Test chunks are spread evenly among the training chunks, the first of them first: evaluation needs some early.
///
/// # Errors
/// `Config` where `per_chunk` is 0 or labels do not fit a byte.
pub fn pack(data: &Dataset, per_chunk: usize) -> Result<(Manifest, Vec<Vec<u8>>)> {
    if per_chunk == 0 || data.classes.len() > 256 {
        return Err(Error::config(format!("cannot pack {} classes in chunks of {per_chunk} images", data.classes.len())));
    }
    let size = data.image_bytes();
    let mut pieces: Vec<(f64, Chunk, Vec<u8>)> = Vec::new();
    for (split, images, text) in [(Split::Test, &data.test, "test"), (Split::Train, &data.train, "train")] {
        let total = images.len().div_ceil(per_chunk);
        for number in 0..total {
            let start = number * per_chunk;
            let count = per_chunk.min(images.len() - start);
            let mut bytes = Vec::with_capacity(count * (size + 1));
            for i in start..start + count {
                bytes.push(images.labels[i] as u8);
                bytes.extend_from_slice(&images.bytes[i * size..(i + 1) * size]);
            }
            let file = format!("{}-{text}-{number:02}.bin", data.name);
            let chunk = Chunk { file, split, start, count, bytes: bytes.len() as u64, sha256: super::sha256(&bytes) };
            pieces.push((number as f64 / total as f64, chunk, bytes));
        }
    }
    let in_turn = argsort(pieces.iter().map(|(at, ..)| ascending(*at)));
    let mut pieces: Vec<_> = pieces.into_iter().map(Some).collect();
    let (chunks, bytes) = in_turn.into_iter().filter_map(|at| pieces[at as usize].take()).map(|(_, chunk, bytes)| (chunk, bytes)).unzip();
    let manifest = Manifest {
        version: VERSION,
        name: data.name.clone(),
        classes: data.classes.clone(),
        extent: data.extent,
        mean: data.mean,
        std: data.std,
        augmentation: data.augmentation,
        validation: data.validation,
        train: data.train.len(),
        test: data.test.len(),
        chunks,
    };
    Ok((manifest, bytes))
}

/// A dataset that arrives chunk by chunk.
#[derive(Clone, Debug)]
pub struct ChunkedDataset {
    manifest: Manifest,
    present: Vec<bool>,
    /// Shared with those who train on it; one that grows meanwhile is copied.
    dataset: Arc<Dataset>,
}

impl ChunkedDataset {
    /// Nothing has arrived yet.
    ///
    /// # Errors
    /// As [`Manifest::parse`].
    pub fn new(manifest: Manifest) -> Result<Self> {
        manifest.check("manifest")?;
        let size = manifest.extent.0 * manifest.extent.1 * manifest.extent.2;
        let dataset = Dataset {
            name: manifest.name.clone(),
            classes: manifest.classes.clone(),
            extent: manifest.extent,
            mean: manifest.mean,
            std: manifest.std,
            augmentation: manifest.augmentation,
            validation: manifest.validation,
            train: Images::absent(manifest.train, size),
            test: Images::absent(manifest.test, size),
        };
        Ok(Self { present: vec![false; manifest.chunks.len()], manifest, dataset: dataset.into() })
    }

    /// A dataset that is here as a whole, and what [`pack`] says of it.
    pub fn whole(manifest: Manifest, dataset: Dataset) -> Self {
        Self { present: vec![true; manifest.chunks.len()], manifest, dataset: dataset.into() }
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Chunks with some of these images that are still to be fetched, in the manifest's order.
    pub fn missing(&self, reads: &Reads) -> impl Iterator<Item = &Chunk> {
        let chunks = self.manifest.chunks.iter().zip(&self.present);
        chunks.filter(|(chunk, present)| !**present && chunk.has(reads)).map(|(chunk, _)| chunk)
    }

    /// Verified bytes of the chunks with some of these images, and all bytes of such chunks.
    pub fn progress(&self, reads: &Reads) -> (u64, u64) {
        let total = self.manifest.chunks.iter().filter(|chunk| chunk.has(reads)).map(|chunk| chunk.bytes).sum();
        (total - self.missing(reads).map(|chunk| chunk.bytes).sum::<u64>(), total)
    }

    /// Takes a chunk in, after checking its size, SHA-256 and labels. The same chunk twice does no harm.
    ///
    /// # Errors
    /// `Format`; then nothing has changed, and the chunk can be fetched again.
    pub fn accept(&mut self, file: &str, bytes: &[u8]) -> Result<()> {
        let Some((number, chunk)) = self.manifest.chunks.iter().enumerate().find(|(_, c)| c.file == file) else {
            return Err(Error::format(file, "a chunk of the manifest", "a file it does not name"));
        };
        if bytes.len() as u64 != chunk.bytes {
            return Err(Error::format(file, format!("{} bytes", chunk.bytes), format!("{} bytes", bytes.len())));
        }
        let sum = super::sha256(bytes);
        if sum != chunk.sha256 {
            return Err(Error::format(file, format!("SHA-256 {}", chunk.sha256), sum));
        }
        let size = self.dataset.image_bytes();
        let classes = self.dataset.classes.len();
        if let Some(label) = bytes.chunks_exact(size + 1).map(|r| usize::from(r[0])).find(|l| *l >= classes) {
            return Err(Error::format(file, format!("labels below {classes}"), label));
        }
        let dataset = Arc::make_mut(&mut self.dataset);
        let images = match chunk.split {
            Split::Train => &mut dataset.train,
            Split::Test => &mut dataset.test,
        };
        for (i, record) in (chunk.start..).zip(bytes.chunks_exact(size + 1)) {
            images.labels[i] = u16::from(record[0]);
            images.bytes.to_mut()[i * size..(i + 1) * size].copy_from_slice(&record[1..]);
        }
        self.present[number] = true;
        Ok(())
    }

    /// The dataset; images of chunks that have not arrived are not in it ([`super::ABSENT`]).
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// The dataset, if these images are here.
    pub fn holding(&self, reads: &Reads) -> Option<Arc<Dataset>> {
        self.missing(reads).next().is_none().then(|| self.dataset.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::data::builtin::builtin;

    fn packed() -> (Dataset, Manifest, Vec<Vec<u8>>) {
        let data = builtin(0.3, 23, 9, 1);
        let (manifest, chunks) = pack(&data, 5).unwrap();
        let json = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::parse("m", &json).unwrap(), manifest);
        (data, manifest, chunks)
    }

    #[test]
    fn chunks_in_any_order_make_the_dataset() {
        let (data, manifest, chunks) = packed();
        let names: Vec<_> = manifest.chunks.iter().map(|c| c.file.as_str()).collect();
        assert_eq!(
            names,
            ["test-00", "train-00", "train-01", "train-02", "test-01", "train-03", "train-04"].map(|n| format!("builtin-{n}.bin"))
        );
        let all = Reads::all(&data);
        let mut whole = ChunkedDataset::new(manifest.clone()).unwrap();
        assert_eq!(Reads::all(whole.dataset()), all, "its size is known before anything is here");
        for (chunk, bytes) in manifest.chunks.iter().zip(&chunks).rev() {
            assert!(whole.holding(&all).is_none());
            whole.accept(&chunk.file, bytes).unwrap();
        }
        assert_eq!(whole.progress(&all), (32 * 3073, 32 * 3073));
        assert_eq!(*whole.holding(&all).unwrap(), data);
        assert!(ChunkedDataset::whole(manifest, data).holding(&all).is_some());
    }

    #[test]
    fn what_is_read_needs_its_own_chunks_and_the_others_are_absent() {
        let (data, manifest, chunks) = packed();
        let mut part = ChunkedDataset::new(manifest.clone()).unwrap();
        let reads = Reads { train: vec![5, 9, 21], test: vec![6] };
        let missing = |part: &ChunkedDataset| part.missing(&reads).map(|c| (c.split, c.start)).collect::<Vec<_>>();
        assert_eq!(missing(&part), [(Split::Train, 5), (Split::Test, 5), (Split::Train, 20)]);
        assert_eq!(part.progress(&reads), (0, 12 * 3073));
        let before = part.dataset().clone();
        for i in [6, 2, 4] {
            assert!(part.holding(&reads).is_none());
            part.accept(&manifest.chunks[i].file, &chunks[i]).unwrap();
        }
        let here = part.holding(&reads).unwrap();
        assert_eq!((part.progress(&reads), part.progress(&Reads::all(&here))), ((12 * 3073, 12 * 3073), (12 * 3073, 32 * 3073)));
        for sample in 0..23 {
            let expected = data.train.get(sample, 3072).filter(|_| (5..10).contains(&sample) || sample >= 20);
            assert_eq!(here.train.get(sample, 3072), expected, "{sample}");
        }
        assert_eq!((here.test.get(4, 3072), here.test.get(8, 3072)), (None, data.test.get(8, 3072)));
        assert!(here.train.get(23, 3072).is_none());
        reads.check(&here).unwrap();
        let message = Reads { train: vec![9, 10], test: vec![] }.check(&here).unwrap_err().to_string();
        assert!(message.contains("image 10 of the training file of 'builtin' is needed"), "{message}");
        assert_eq!(before.train.get(5, 3072), None, "who had it before has what was here then");
    }

    #[test]
    fn bad_chunks_change_nothing() {
        let (_, manifest, chunks) = packed();
        let mut data = ChunkedDataset::new(manifest.clone()).unwrap();
        let name = &manifest.chunks[1].file;
        assert!(data.accept(name, &chunks[1][1..]).unwrap_err().to_string().contains("expected 15365 bytes, found 15364"));
        let mut flipped = chunks[1].clone();
        flipped[77] ^= 4;
        assert!(data.accept(name, &flipped).unwrap_err().to_string().contains("expected SHA-256"));
        assert!(data.accept("other.bin", &chunks[1]).unwrap_err().to_string().contains("does not name"));
        let all = Reads::all(data.dataset());
        assert_eq!((data.progress(&all).0, data.missing(&all).count()), (0, 7));
        assert!(data.dataset().train.get(0, 3072).is_none());
    }

    #[test]
    fn bad_manifests_are_refused() {
        let (_, good, _) = packed();
        type Spoil = fn(&mut Manifest);
        let cases: [(Spoil, &str); 8] = [
            (|m| m.version = 9, "expected version 1, found 9"),
            (|m| m.extent = (usize::MAX, 3, 3), "images of"),
            (|m| m.train = usize::MAX, "images of"),
            (|m| m.chunks[2].start = 4, "expected images from 5 on"),
            (|m| m.chunks[2].count = usize::MAX, "images from"),
            (|m| m.chunks[2].bytes += 1, "expected 15365 bytes"),
            (|m| m.chunks[2].file = "../x".into(), "plain file name"),
            (|m| m.chunks.truncate(6), "expected chunks of 23 + 9 images"),
        ];
        for (spoil, text) in cases {
            let mut manifest = good.clone();
            spoil(&mut manifest);
            assert!(ChunkedDataset::new(manifest.clone()).is_err());
            let message = Manifest::parse("m", &serde_json::to_vec(&manifest).unwrap()).unwrap_err().to_string();
            assert!(message.contains(text), "{message}");
        }
        assert!(Manifest::parse("m", b"{}").unwrap_err().to_string().starts_with("m: expected a dataset manifest"));
    }
}
