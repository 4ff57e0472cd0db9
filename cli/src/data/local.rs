//! Images that a person brings: a folder of class folders with pictures, and a folder of IDX files as MNIST comes.
//!
//! Nothing in such a folder is taken for granted: what gives no image is left out and reported by reason, with its first names.
//! Decoded pictures are kept in the store; names, sizes and times of change tell whether the folder is still the same.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, anyhow, bail};
use sparring_core::data::DatasetName;
use sparring_core::data::packed::Origin;
use sparring_core::data::pictures::{self, Damaged, Fault, Fit, Item, MAX_FILE};
use sparring_core::data::{Dataset, Images, Skipped, Transforms, Validation, idx, sha256};
use sparring_core::rng::{Purpose, Stream};

use super::store::{Store, Stored, read_file};
use super::{Pace, say};

/// Seed of the permutation whose every tenth picture is for testing, where a folder does not say.
const TEST_SEED: u64 = 10;
/// The most bytes of all images.
const MAX_BYTES: usize = 16 << 30;
/// The largest IDX file, compressed or not.
const MAX_IDX: u64 = (1 << 30) + 16;
/// Part of the fingerprint: changes when the same pictures give other images.
const FORM: u32 = 2;
/// What the pictures to train on lie in, in any case.
const TRAIN: [&str; 2] = ["train", "training"];
/// What those to test on lie in, in any case; where there are several, the first that has class folders.
const HELD_OUT: [&str; 7] = ["test", "testing", "val", "valid", "validation", "dev", "eval"];

/// MNIST's four files; between their words are hyphens or points.
const MNIST: [&str; 4] = ["train-images@idx3", "train-labels@idx1", "t10k-images@idx3", "t10k-labels@idx1"];
/// Where they lie within a folder: in it, or as torchvision puts them into its `root`.
const MNIST_WITHIN: [&str; 3] = ["", "raw", "MNIST/raw"];

/// The dataset of a folder with MNIST's four files (plain or .gz). It is read in less than a second and kept nowhere else.
pub fn mnist(root: &Path) -> Result<Dataset> {
    let find = |folder: &Path, stem: &str| {
        let names = ["-ubyte", "-ubyte.gz"].into_iter().flat_map(|end| ["-", "."].map(|dash| stem.replacen('@', dash, 1) + end));
        names.map(|name| folder.join(name)).find(|path| path.is_file())
    };
    let within = |at: &&&str| MNIST.iter().any(|stem| find(&root.join(at), stem).is_some());
    let folder = MNIST_WITHIN.iter().find(within).map_or_else(|| root.to_owned(), |at| root.join(at));
    let read = |stem: &str| -> Result<(String, Vec<u8>)> {
        let path = find(&folder, stem).ok_or_else(|| {
            let name = stem.replacen('@', "-", 1);
            anyhow!(
                "{}: expected {name}-ubyte or {name}-ubyte.gz, found neither; MNIST's four files belong there or into MNIST/raw below it, or \
                 say where they are with --folder",
                folder.display()
            )
        })?;
        Ok((path.display().to_string(), read_file(&path, MAX_IDX)?))
    };
    let files = [read(MNIST[0])?, read(MNIST[1])?, read(MNIST[2])?, read(MNIST[3])?];
    let named = |i: usize| (files[i].0.as_str(), files[i].1.as_slice());
    Ok(idx::dataset([named(0), named(1)], [named(2), named(3)])?)
}

/// Name in the store of a folder's pictures at this size.
fn stored_name(folder: &Path, side: usize) -> Result<String> {
    let whole = folder.canonicalize().with_context(|| {
        format!("{}: the folder of pictures; they belong there as CLASS/PICTURE.png, or say where they are with --folder", folder.display())
    })?;
    let sum = sha256(format!("{}\n{side}", whole.display()).as_bytes());
    Ok(format!("folder-{}", sum.get(..12).unwrap_or(&sum)))
}

/// The dataset of a folder of class folders, decoded where the store has it not, or not any more.
///
/// Where `damaged` is given the pictures are read in any case.
pub fn folder(store: &Store, folder: &Path, side: usize, damaged: Option<Damaged>) -> Result<Stored> {
    let name = stored_name(folder, side)?;
    let scan = Scan::of(folder)?;
    if damaged.is_none()
        && let Some(stored) = scan.current(store, &name)
    {
        // As every time: who looks at numbers must know what they are over.
        stored.header.origin.skipped.iter().for_each(|s| say(format_args!("left out: {s}")));
        return Ok(stored);
    }
    let _lock = store.lock();
    say(format_args!("reading {} pictures of {} classes in {}", scan.train.len() + scan.test.len(), scan.classes.len(), folder.display()));
    let unread = AtomicBool::new(false);
    let (dataset, skipped) = scan.decode(folder, side, damaged.unwrap_or(Damaged::Skip), &unread)?;
    skipped.iter().for_each(|s| say(format_args!("left out: {s}")));
    let source = folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).display().to_string();
    // A file that cannot be opened today may be opened tomorrow, and looks the same: then nothing stored is current.
    let fingerprint = if unread.into_inner() { format!("{} but for what could not be opened", scan.fingerprint) } else { scan.fingerprint };
    let origin = Origin { source, fingerprint, skipped };
    store.save(&name, &dataset, None, origin)
}

/// The stored pictures of a folder, if they are there and still the folder's.
pub fn current(store: &Store, folder: &Path, side: usize) -> Result<Option<Stored>> {
    Ok(Scan::of(folder)?.current(store, &stored_name(folder, side)?))
}

/// A picture in a class folder.
struct Found {
    item: Item,
    path: PathBuf,
    /// Name, size and time of change.
    stamp: String,
}

/// What a folder holds, before a picture is read.
struct Scan {
    classes: Vec<String>,
    train: Vec<Found>,
    test: Vec<Found>,
    skipped: Vec<Skipped>,
    fingerprint: String,
}

impl Scan {
    fn of(folder: &Path) -> Result<Self> {
        let mut skipped = Vec::new();
        let split = Split::of(folder, &mut skipped)?;
        let (classes, train, test) = match &split {
            Split::Named { train: train_folder, held_out } => {
                let (classes, train) = class_folders(&folder.join(train_folder), &format!("{train_folder}/"), &mut skipped)?;
                let (test_classes, mut test) = class_folders(&folder.join(held_out), &format!("{held_out}/"), &mut skipped)?;
                // Labels are those of the training classes.
                test.retain_mut(|found| match classes.iter().position(|class| *class == test_classes[usize::from(found.item.label)]) {
                    Some(label) => {
                        found.item.label = label as u16;
                        true
                    }
                    None => {
                        Skipped::add(&mut skipped, &format!("of a class that {train_folder}/ lacks"), &found.item.name);
                        false
                    }
                });
                (classes, train, test)
            }
            Split::Drawn { train } => {
                let (root, prefix) = match train {
                    Some(train) => (folder.join(train), format!("{train}/")),
                    None => (folder.to_owned(), String::new()),
                };
                let (classes, all) = class_folders(&root, &prefix, &mut skipped)?;
                let (chosen, _) = Stream::new(TEST_SEED, Purpose::Subset, 4, 0).split(all.len(), all.len().div_ceil(10));
                let (mut train, mut test) = (Vec::new(), Vec::new());
                for (i, found) in (0u32..).zip(all) {
                    if chosen.binary_search(&i).is_ok() { test.push(found) } else { train.push(found) }
                }
                (classes, train, test)
            }
        };
        if classes.len() < 2 || train.is_empty() || test.is_empty() {
            let left_out: String = skipped.iter().fold(String::new(), |mut text, s| {
                // Writing to a String cannot fail.
                let _ = write!(text, "; left out: {s}");
                text
            });
            bail!(
                "{}: expected class folders with PNG or JPEG pictures (CLASS/PICTURE.png, or train/CLASS/... and test/CLASS/...), \
                 found {} classes with {} training and {} test pictures{left_out}",
                folder.display(),
                classes.len(),
                train.len(),
                test.len()
            );
        }
        let stamps: String = train.iter().chain(&test).flat_map(|found| [found.stamp.as_str(), "\n"]).collect();
        Ok(Self { fingerprint: sha256(format!("{FORM}\n{stamps}").as_bytes()), classes, train, test, skipped })
    }

    fn current(&self, store: &Store, name: &str) -> Option<Stored> {
        let stored = store.load(name).unwrap_or_else(|error| {
            say(format_args!("{error:#}"));
            None
        })?;
        if stored.header.origin.fingerprint == self.fingerprint {
            return Some(stored);
        }
        say(format_args!("the pictures of {} have changed since they were stored", stored.header.origin.source));
        None
    }

    /// `unread` is set where a file could not be opened.
    fn decode(&self, folder: &Path, side: usize, damaged: Damaged, unread: &AtomicBool) -> Result<(Dataset, Vec<Skipped>)> {
        let (count, size) = (self.train.len() + self.test.len(), 3 * side * side);
        if count.saturating_mul(size) > MAX_BYTES {
            bail!("{count} images of {side}x{side} are more than {} GB; choose a smaller --image-size", MAX_BYTES >> 30);
        }
        let mut skipped = self.skipped.clone();
        let pace = Pace::new("decoding", "pictures");
        let mut load = |found: &[Found], before: usize| {
            let items: Vec<Item> = found.iter().map(|f| f.item.clone()).collect();
            let read = |i: usize| {
                read_file(&found[i].path, MAX_FILE).map_err(|e| {
                    unread.store(true, Ordering::Relaxed);
                    Fault::Damaged(format!("{e:#}"))
                })
            };
            pictures::images(&items, read, Fit::Centre(side), damaged, &mut skipped, &|done| pace.at(before + done, count))
        };
        let (mut train, mut test) = (load(&self.train, 0)?, load(&self.test, self.train.len())?);
        let classes = without_empty(&self.classes, &mut train, &mut test, &mut skipped);
        if classes.len() < 2 || train.is_empty() || test.is_empty() {
            let left_out = skipped.iter().map(Skipped::to_string).collect::<Vec<_>>().join("; ");
            bail!("{}: of {count} pictures too few can be read; left out: {left_out}", folder.display());
        }
        let (mean, std) = DatasetName::Folder.normalization().mean_std();
        let dataset = Dataset {
            name: DatasetName::Folder.to_string(),
            classes,
            extent: (3, side, side),
            mean,
            std,
            augmentation: Transforms::default(),
            validation: Validation::RandomTenth,
            train,
            test,
        };
        Ok((dataset, skipped))
    }
}

/// How a folder divides its pictures.
enum Split {
    /// By folders beside each other.
    Named { train: String, held_out: String },
    /// Not: a tenth is drawn, of the folder named so or of all.
    Drawn { train: Option<String> },
}

impl Split {
    /// # Errors
    /// Where a folder is there under two spellings, or what is held out has no class folders.
    fn of(folder: &Path, skipped: &mut Vec<Skipped>) -> Result<Self> {
        let folders: Vec<String> = entries(folder)?.into_iter().filter(|(_, path)| path.is_dir()).map(|(name, _)| name).collect();
        let find = |names: &[&str]| -> Result<Vec<String>> {
            let mut found = Vec::new();
            for name in names {
                let spelt: Vec<&String> = folders.iter().filter(|folder| folder.eq_ignore_ascii_case(name)).collect();
                if let [first, second, ..] = spelt[..] {
                    bail!("{}: {first}/ and {second}/ are both there; keep one of them", folder.display());
                }
                found.extend(spelt.into_iter().cloned());
            }
            Ok(found)
        };
        let classed =
            |name: &str| Ok::<bool, anyhow::Error>(entries(&folder.join(name))?.iter().any(|(name, path)| path.is_dir() && is_class(name)));
        // A folder of pictures with that name is a class of trains.
        let mut train = None;
        for name in find(&TRAIN)? {
            if train.is_none() && classed(&name)? {
                train = Some(name);
            }
        }
        let Some(train) = train else { return Ok(Self::Drawn { train: None }) };
        let known = |name: &str| TRAIN.iter().chain(&HELD_OUT).any(|known| known.eq_ignore_ascii_case(name));
        for name in folders.iter().filter(|name| is_class(name) && !known(name)) {
            let reason = format!("beside {train}/ and under no name of a held-out folder ({})", HELD_OUT.join(", "));
            Skipped::add(skipped, &reason, &format!("{name}/"));
        }
        let (mut held_out, mut flat) = (None, Vec::new());
        for name in find(&HELD_OUT)? {
            if !classed(&name)? {
                Skipped::add(skipped, "a held-out folder without class folders: its pictures have no labels", &format!("{name}/"));
                flat.push(name);
            } else if held_out.is_none() {
                held_out = Some(name);
            } else {
                Skipped::add(skipped, "a further held-out folder", &format!("{name}/"));
            }
        }
        match (held_out, flat.first()) {
            (Some(held_out), _) => Ok(Self::Named { train, held_out }),
            (None, None) => Ok(Self::Drawn { train: Some(train) }),
            (None, Some(flat)) => bail!(
                "{}: {flat}/ has no class folders, so its pictures have no labels to test by; sort them into {flat}/CLASS/, or move {flat}/ away \
                 to have a tenth of {train}/ held out",
                folder.display()
            ),
        }
    }
}

/// Whether a folder of this name may be a class: notebooks, macOS, version control and Python leave folders that are none.
fn is_class(name: &str) -> bool {
    !name.starts_with('.') && !name.starts_with("__")
}

/// The classes that have an image to train on; labels follow, and test images of others are left out.
fn without_empty(classes: &[String], train: &mut Images, test: &mut Images, skipped: &mut Vec<Skipped>) -> Vec<String> {
    let mut label: Vec<Option<u16>> = vec![None; classes.len()];
    train.labels.iter().for_each(|l| label[usize::from(*l)] = Some(0));
    let mut kept = Vec::new();
    for (class, label) in classes.iter().zip(&mut label) {
        match label {
            Some(label) => {
                *label = kept.len() as u16;
                kept.push(class.clone());
            }
            None => Skipped::add(skipped, "classes without a readable picture to train on", class),
        }
    }
    if kept.len() == classes.len() {
        return kept;
    }
    let size = test.bytes.len() / test.len().max(1);
    let keep: Vec<usize> = (0..test.len()).filter(|i| label[usize::from(test.labels[*i])].is_some()).collect();
    for i in (0..test.len()).filter(|i| label[usize::from(test.labels[*i])].is_none()) {
        Skipped::add(skipped, "of a class without a readable picture to train on", &classes[usize::from(test.labels[i])]);
    }
    let bytes: Vec<u8> = keep.iter().flat_map(|i| test.bytes[i * size..][..size].iter().copied()).collect();
    let relabel = |l: &u16| label[usize::from(*l)].unwrap_or_default();
    *test = Images { bytes: bytes.into(), labels: keep.iter().map(|i| relabel(&test.labels[*i])).collect() };
    train.labels = train.labels.iter().map(relabel).collect();
    kept
}

/// Classes by name, and their pictures by name, in that order.
fn class_folders(root: &Path, prefix: &str, skipped: &mut Vec<Skipped>) -> Result<(Vec<String>, Vec<Found>)> {
    let (mut classes, mut pictures) = (Vec::new(), Vec::new());
    for (name, path) in entries(root)? {
        let shown = format!("{prefix}{name}");
        if !path.is_dir() {
            Skipped::add(skipped, "not in a class folder", &shown);
            continue;
        }
        if !is_class(&name) {
            Skipped::add(skipped, "folders whose name begins with . or __, which are no classes", &shown);
            continue;
        }
        let before = pictures.len();
        let label = u16::try_from(classes.len()).ok().filter(|label| *label < u16::MAX);
        let label = label.with_context(|| format!("{}: more than {} classes", root.display(), u16::MAX))?;
        for (file, path) in entries(&path)? {
            match picture(&path, format!("{shown}/{file}"), label) {
                Ok(found) => pictures.push(found),
                Err(reason) => Skipped::add(skipped, reason, &format!("{shown}/{file}")),
            }
        }
        if pictures.len() == before {
            Skipped::add(skipped, "class folders without pictures", &shown);
        } else {
            classes.push(name);
        }
    }
    Ok((classes, pictures))
}

/// Names and paths of a folder's entries, sorted by name.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let context = || format!("reading the folder {}", folder.display());
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        out.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    out.sort();
    Ok(out)
}

fn picture(path: &Path, name: String, label: u16) -> Result<Found, &'static str> {
    let meta = fs::metadata(path).map_err(|_| "cannot be opened")?;
    let kind = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if meta.is_dir() {
        return Err("a folder inside a class folder");
    }
    if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')) {
        return Err("hidden files, such as macOS puts beside others");
    }
    if !matches!(kind.as_str(), "png" | "jpg" | "jpeg") {
        return Err("not named .png, .jpg or .jpeg");
    }
    if meta.len() == 0 {
        return Err("empty");
    }
    if !meta.is_file() || meta.len() > MAX_FILE {
        return Err("no file of at most 64 MB");
    }
    let changed = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_nanos());
    Ok(Found { stamp: format!("{name}\t{}\t{changed}", meta.len()), item: Item { name, label }, path: path.to_owned() })
}

#[cfg(test)]
mod tests;
