//! `eval --corruptions`: a checkpoint on 19 kinds at 5 severities, made here or read from a published CIFAR-C archive.
//!
//! Mean corruption error is the plain mean of the errors, as is usual for CIFAR-C; ImageNet-C divides by AlexNet's first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sparring_core::corrupt::{Corruption, Severity, corrupt_all};
use sparring_core::data::{Dataset, Images};
use sparring_core::events::Score;
use sparring_figures::number;

use super::right;
use crate::npy::Npy;
use crate::table;

/// The largest file of an archive: CIFAR-C's are 154 MB, Tiny ImageNet's size is 615 MB.
const MAX_BYTES: usize = 1 << 30;

/// Where the corrupted images come from.
pub enum CorruptedFrom<'a> {
    /// Made from the test set with this seed.
    Made(u64),
    /// A folder or a `.tar` of `NAME.npy` and `labels.npy`.
    Archive(&'a Path),
}

/// What every kind at every severity gave.
pub struct Grid(Vec<(Corruption, Vec<Score>)>);

impl Grid {
    /// Evaluates `limit` images of every cell. `evaluate` is told images and how many there are.
    pub fn run(
        data: &Dataset,
        origin: &CorruptedFrom<'_>,
        limit: usize,
        said: impl Fn(&str),
        mut evaluate: impl FnMut(&Images) -> Result<Score>,
    ) -> Result<Self> {
        let mut grid = Vec::new();
        let labels = match origin {
            CorruptedFrom::Made(_) => Vec::new(),
            CorruptedFrom::Archive(path) => {
                open(path, "labels")?.with_context(|| format!("{} has no labels.npy", path.display()))?.labels("labels.npy")?
            }
        };
        for kind in Corruption::ALL.iter().copied() {
            let mut scores = Vec::new();
            let archived = match origin {
                CorruptedFrom::Made(_) => None,
                CorruptedFrom::Archive(path) => match open(path, &kind.file_stem())? {
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
                        let bytes = &data.test.bytes[..limit * data.image_bytes()];
                        let bytes = corrupt_all(bytes, data.extent, kind, severity, *seed)?;
                        Images { bytes: bytes.into(), labels: data.test.labels[..limit].to_vec() }
                    }
                    (_, Some(npy)) => cut(kind, npy, &labels, data, severity, limit)?,
                    (_, None) => continue,
                };
                scores.push(evaluate(&images)?);
            }
            let errors: Vec<String> = scores.iter().map(|o| number::percent(error(o), 2)).collect();
            said(&format!("{:<18} error {}", kind.name(), errors.join("  ")));
            grid.push((kind, scores));
        }
        if grid.is_empty() {
            bail!("no corruption's file was found");
        }
        Ok(Self(grid))
    }

    /// Mean error over the severities and those of the first `count` kinds that are there.
    fn mean(&self, count: usize) -> f64 {
        let errors: Vec<f64> = self.0.iter().filter(|(k, _)| (*k as usize) < count).flat_map(|(_, o)| o.iter().map(error)).collect();
        errors.iter().sum::<f64>() / errors.len().max(1) as f64
    }
    /// Over the fifteen standard kinds, and over all.
    pub fn means(&self) -> (f64, f64) {
        (self.mean(Corruption::STANDARD), self.mean(Corruption::ALL.len()))
    }

    /// Errors for people: a row a kind.
    pub fn table(&self) -> String {
        let row = |(kind, scores): &(Corruption, Vec<Score>)| {
            let errors = scores.iter().map(error);
            let mean = errors.clone().sum::<f64>() / scores.len().max(1) as f64;
            std::iter::once(kind.name().to_owned()).chain(errors.chain([mean]).map(|error| number::percent(error, 2))).collect()
        };
        table::render(&["error", "1", "2", "3", "4", "5", "mean"], &self.0.iter().map(row).collect::<Vec<_>>())
    }

    /// A line a cell.
    pub fn csv(&self) -> String {
        let mut out = "corruption,severity,samples,correct,error,loss\n".to_owned();
        for (kind, scores) in &self.0 {
            for (score, severity) in scores.iter().zip(Severity::ALL) {
                let Score { loss, samples, .. } = score;
                out += &format!("{},{},{samples},{},{},{loss}\n", kind.file_stem(), severity.number(), right(score), error(score));
            }
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let (standard, all) = self.means();
        let kinds: BTreeMap<_, Vec<f64>> = self.0.iter().map(|(k, o)| (k.file_stem(), o.iter().map(error).collect())).collect();
        json!({ "errors": kinds, "mean_error_standard": standard, "mean_error_all": all, "kinds": self.0.len(), "normalized": false })
    }
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

/// The first `limit` images of one severity, channels first.
fn cut(kind: Corruption, npy: &Npy, labels: &[u16], data: &Dataset, severity: Severity, limit: usize) -> Result<Images> {
    let (c, h, w) = data.extent;
    let count = npy.shape.first().copied().unwrap_or(0);
    if npy.descr != "|u1" || npy.shape != [count, h, w, c] || count == 0 || count % 5 != 0 {
        bail!("{}.npy: bytes of shape (5n, {h}, {w}, {c}) expected, found '{}' of {:?}", kind.file_stem(), npy.descr, npy.shape);
    }
    if labels.len() != count {
        bail!("{}.npy has {count} images, labels.npy {} labels", kind.file_stem(), labels.len());
    }
    if let Some(label) = labels.iter().find(|l| usize::from(**l) >= data.classes.len()) {
        bail!("labels.npy: label {label}, but {} has {} classes", data.name, data.classes.len());
    }
    let each = count / 5;
    let first = each * usize::from(severity.number() - 1);
    let last = first + limit.min(each);
    let (size, plane) = (c * h * w, h * w);
    let images = npy.bytes[first * size..last * size].chunks_exact(size);
    let bytes: Vec<u8> = images.flat_map(|image| (0..size).map(move |i| image[i % plane * c + i / plane])).collect();
    Ok(Images { bytes: bytes.into(), labels: labels[first..last].to_vec() })
}
