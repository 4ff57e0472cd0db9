//! `eval --corruptions`: a checkpoint on 19 kinds at 5 severities, made here or read from a published CIFAR-C archive.
//!
//! Mean corruption error is the plain mean of the errors, as is usual for CIFAR-C; ImageNet-C divides by AlexNet's first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sparring_core::corrupt::{Corruption, Severity, corrupt_samples};
use sparring_core::data::limit::Limited;
use sparring_core::data::{Dataset, Images};
use sparring_core::events::Score;
use sparring_figures::number;

use super::right;
use crate::npy::Npy;

/// The largest file of an archive: CIFAR-C's are 154 MB, Tiny ImageNet's size is 615 MB.
const MAX_BYTES: usize = 1 << 30;

/// Where the corrupted images come from.
pub enum CorruptedFrom<'a> {
    /// Made from the test set with this seed.
    Made(u64),
    /// A folder or a `.tar` of `NAME.npy` and `labels.npy`; only this severity, where one is asked for.
    Archive(&'a Path, Option<Severity>),
}

/// What every kind at every severity gave.
pub struct Grid(Vec<(Corruption, Vec<(Severity, Score)>)>);

impl Grid {
    /// Evaluates every cell, on the chosen test images: of an archive with others, on as many chosen alike.
    pub fn run(
        data: &Dataset,
        origin: &CorruptedFrom<'_>,
        (chosen, limit): (&Limited, usize),
        said: impl Fn(&str),
        mut evaluate: impl FnMut(&Images) -> Result<Score>,
    ) -> Result<Self> {
        let mut grid = Vec::new();
        let labels = match origin {
            CorruptedFrom::Made(_) => Vec::new(),
            CorruptedFrom::Archive(path, _) => {
                open(path, "labels")?.with_context(|| format!("{} has no labels.npy", path.display()))?.labels("labels.npy")?
            }
        };
        for kind in Corruption::ALL.iter().copied() {
            let mut scores = Vec::new();
            let archived = match origin {
                CorruptedFrom::Made(_) => None,
                CorruptedFrom::Archive(path, _) => match open(path, &kind.file_stem())? {
                    None => {
                        said(&format!("{} has no {}.npy; that kind is left out", path.display(), kind.file_stem()));
                        continue;
                    }
                    npy => npy,
                },
            };
            for severity in Severity::ALL {
                let images = match (origin, &archived) {
                    (CorruptedFrom::Made(seed), _) => {
                        let bytes = corrupt_samples(&data.test.bytes, data.extent, &chosen.samples, kind, severity, *seed)?;
                        let labels = chosen.samples.iter().map(|i| data.test.labels[*i as usize]).collect();
                        Images { bytes: bytes.into(), labels }
                    }
                    (CorruptedFrom::Archive(_, Some(only)), _) if *only != severity => continue,
                    (CorruptedFrom::Archive(_, only), Some(npy)) => cut(kind, npy, &labels, data, (severity, only.is_some()), limit)?,
                    (_, None) => continue,
                };
                scores.push((severity, evaluate(&images)?));
            }
            let errors: Vec<String> = scores.iter().map(|(_, score)| number::percent(error(score), 2)).collect();
            said(&format!("{:<18} error {}", kind.name(), errors.join("  ")));
            grid.push((kind, scores));
        }
        if grid.is_empty() {
            bail!("no corruption's file was found");
        }
        Ok(Self(grid))
    }

    /// Those of the first `count` kinds that are there.
    fn of(&self, count: usize) -> impl Iterator<Item = &Vec<(Severity, Score)>> {
        self.0.iter().filter(move |(kind, _)| (*kind as usize) < count).map(|(_, scores)| scores)
    }
    /// Mean error over these and their severities; none where none is there.
    fn mean(&self, count: usize) -> Option<f64> {
        mean(self.of(count).flatten())
    }
    /// Images of a cell.
    pub fn samples(&self) -> usize {
        self.0.iter().flat_map(|(_, scores)| scores).map(|(_, score)| score.samples).max().unwrap_or(0)
    }
    /// The means in words, and over how many kinds they are.
    pub fn words(&self) -> String {
        let part = |count: usize, what: &str| {
            let there = self.of(count).count();
            let over = if there == count { format!("all {count}") } else { format!("{there} of {count}") };
            format!("{} over {over} {what}", self.mean(count).map_or_else(|| "-".into(), |mean| number::percent(mean, 2)))
        };
        let (standard, all) = (part(Corruption::STANDARD, "standard kinds"), part(Corruption::ALL.len(), "kinds"));
        format!("mean corruption error (plain mean, not normalised): {standard}, {all}")
    }

    /// Errors for people: a row a kind, under this header.
    pub const HEADER: [&str; 7] = ["error", "1", "2", "3", "4", "5", "mean"];

    /// Its rows.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let row = |(kind, scores): &(Corruption, Vec<(Severity, Score)>)| {
            let errors = by_severity(scores).into_iter().chain([mean(scores)]);
            let cells = errors.map(|error| error.map_or_else(|| "-".into(), |error| number::percent(error, 2)));
            std::iter::once(kind.name().to_owned()).chain(cells).collect()
        };
        self.0.iter().map(row).collect()
    }

    /// A line a cell.
    pub fn csv(&self) -> String {
        let mut out = "corruption,severity,samples,correct,error,loss\n".to_owned();
        for (kind, scores) in &self.0 {
            for (severity, score) in scores {
                let Score { loss, samples, .. } = score;
                out += &format!("{},{},{samples},{},{},{loss}\n", kind.file_stem(), severity.number(), right(score), error(score));
            }
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let (standard, all) = (Corruption::STANDARD, Corruption::ALL.len());
        let kinds: BTreeMap<_, Vec<Option<f64>>> = self.0.iter().map(|(kind, scores)| (kind.file_stem(), by_severity(scores))).collect();
        json!({
            "errors": kinds,
            "mean_error_standard": self.mean(standard),
            "mean_error_all": self.mean(all),
            "kinds_standard": self.of(standard).count(),
            "kinds": self.0.len(),
            "samples": self.samples(),
            "normalized": false,
        })
    }
}

/// The error at each severity, where there is one.
fn by_severity(scores: &[(Severity, Score)]) -> Vec<Option<f64>> {
    Severity::ALL.iter().map(|severity| scores.iter().find(|(s, _)| s == severity).map(|(_, score)| error(score))).collect()
}

/// The plain mean of errors; none where there are none.
fn mean<'a>(scores: impl IntoIterator<Item = &'a (Severity, Score)>) -> Option<f64> {
    let errors: Vec<f64> = scores.into_iter().map(|(_, score)| error(score)).collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

fn error(score: &Score) -> f64 {
    1.0 - score.accuracy
}

/// A file of an archive, by its name without `.npy`; `None` where it is not there.
fn open(archive: &Path, name: &str) -> Result<Option<Npy>> {
    let wanted = format!("{name}.npy");
    if archive.is_dir() {
        let path = archive.join(&wanted);
        return match File::open(&path) {
            Ok(file) => Npy::read(&path.display().to_string(), &mut std::io::BufReader::new(file), MAX_BYTES).map(Some),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| path.display().to_string()),
        };
    }
    let shown = archive.display();
    let file = File::open(archive).with_context(|| format!("the archive {shown}"))?;
    let mut tar = tar::Archive::new(file);
    let form = || format!("{shown}: a folder or a .tar of .npy files expected");
    for entry in tar.entries_with_seek().with_context(form)? {
        let mut entry = entry.with_context(form)?;
        if entry.path().with_context(form)?.file_name().is_some_and(|f| f == wanted.as_str()) {
            return Npy::read(&format!("{shown}: {wanted}"), &mut (&mut entry as &mut dyn Read), MAX_BYTES).map(Some);
        }
    }
    Ok(None)
}

/// Images of one severity, channels first, as many as the limit leaves. `(severity, asked)`: whether a person asked for it alone.
fn cut(kind: Corruption, npy: &Npy, labels: &[u16], data: &Dataset, (severity, asked): (Severity, bool), limit: usize) -> Result<Images> {
    let (c, h, w) = data.extent;
    let count = npy.shape.first().copied().unwrap_or(0);
    let name = kind.file_stem();
    if npy.descr != "|u1" || npy.shape != [count, h, w, c] || count == 0 {
        bail!("{name}.npy: bytes of shape (5n, {h}, {w}, {c}) expected, found '{}' of {:?}", npy.descr, npy.shape);
    }
    if labels.len() != count {
        bail!("{name}.npy has {count} images, labels.npy {} labels", labels.len());
    }
    if let Some(label) = labels.iter().find(|l| usize::from(**l) >= data.classes.len()) {
        bail!("labels.npy: label {label}, but {} has {} classes", data.name, data.classes.len());
    }
    // Five severities are of the same images, one after the other, so their labels repeat.
    let five = count.is_multiple_of(5) && labels.chunks_exact(count / 5).all(|part| part == &labels[..count / 5]);
    let (first, each) = match (five, asked) {
        (true, _) => (count / 5 * usize::from(severity.number() - 1), count / 5),
        (false, true) => (0, count),
        (false, false) => bail!(
            "{name}.npy and labels.npy have {count} images whose labels do not repeat five times: they are not five severities of the same \
             images; if they are of one severity, say which with --severity 1 to 5"
        ),
    };
    let labels = &labels[first..first + each];
    let chosen = Limited::of(data, labels, (0..each as u32).collect(), limit).samples;
    let (size, plane) = (c * h * w, h * w);
    let images = chosen.iter().map(|i| &npy.bytes[(first + *i as usize) * size..][..size]);
    let bytes: Vec<u8> = images.flat_map(|image| (0..size).map(move |i| image[i % plane * c + i / plane])).collect();
    Ok(Images { bytes: bytes.into(), labels: chosen.iter().map(|i| labels[*i as usize]).collect() })
}
