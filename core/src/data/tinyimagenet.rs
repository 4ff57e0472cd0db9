//! Tiny ImageNet from its zip archive or the folder that it unpacks to, or from others of the same form with fewer classes or images.
//!
//! Classes are the training folders in the order of their WordNet numbers, images in the order of their names, as the usual
//! folder loaders have them. The archive's `val` folder is the test set; its `test` folder has no labels and is not read.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::archive::Inside;
use super::pictures::{self, Damaged, Fault, Fit, Item};
use super::{Dataset, Normalization, Skipped, Transforms, Validation};
use crate::error::{Error, Result};

/// Published MD5 of `tiny-imagenet-200.zip`.
pub const ARCHIVE_MD5: &str = "90528d7ca1a48142e341f4ef8d21d0de";
/// Side of an image.
pub const SIDE: usize = 64;

const ROOT: &str = "tiny-imagenet-200/";
/// The most classes, training and test images: those of the official archive.
const MOST: (usize, usize, usize) = (200, 100_000, 10_000);
/// The most entries: images, the unlabelled ones too, and a box file a class.
const MAX_ENTRIES: usize = 200_000;
/// The largest picture: 64x64 pixels uncompressed fit ten times.
const MAX_PICTURE: u64 = 128 << 10;
/// The largest list: words.txt is below 3 MB.
const MAX_TEXT: u64 = 8 << 20;

/// The folder that the archive unpacks to.
pub const FOLDER: &str = "tiny-imagenet-200";
/// Gives the content of the file at a place of a list, which is at most so large.
pub type ReadAt<'a> = &'a (dyn Fn(usize, u64) -> Result<Vec<u8>, String> + Sync);

/// An archive in memory or a folder, and what in it matters, by name.
struct Contents<'a> {
    file: &'a str,
    read: ReadAt<'a>,
    /// Training pictures by class: name of the entry, index in the archive.
    train: BTreeMap<String, Vec<(String, usize)>>,
    /// Test pictures by file name: the class whose folder they are in, if any, and the index.
    test: BTreeMap<String, (Option<String>, usize)>,
    texts: HashMap<&'static str, usize>,
    /// What to say where they are not what they should be.
    inside: Inside,
}

/// Reads `tiny-imagenet-200.zip` or an archive of its form. `tick` is told how many of how many pictures are decoded.
///
/// # Errors
/// `Format` naming `file` and what in it is not as it should be; a damaged picture too, where such fail.
pub fn from_zip(file: &str, bytes: &[u8], damaged: Damaged, tick: &dyn Fn(usize, usize)) -> Result<(Dataset, Vec<Skipped>)> {
    let zip = open(file, bytes)?;
    let names = (0..zip.len()).map(|index| zip.name_for_index(index).and_then(std::result::Result::ok).map(|name| name.into_owned()));
    let names: Vec<String> = names.map(Option::unwrap_or_default).collect();
    let names: Vec<&str> = names.iter().map(|name| name.trim_start_matches("./")).collect();
    // Zipped from within the folder, it lies flat.
    let root = if names.iter().any(|name| name.starts_with(ROOT)) { ROOT } else { "" };
    let names: Vec<String> = names.iter().map(|name| name.strip_prefix(root).unwrap_or_default().to_owned()).collect();
    from_files(file, &names, &|index, bound| entry(&zip, index, bound), damaged, tick)
}

/// Reads what the archive unpacks to. `paths`: its files, from the folder on, with `/` between; `content` gives them.
///
/// # Errors
/// As [`from_zip`].
pub fn from_files(
    file: &str,
    paths: &[String],
    content: ReadAt<'_>,
    damaged: Damaged,
    tick: &dyn Fn(usize, usize),
) -> Result<(Dataset, Vec<Skipped>)> {
    let mut inside = Inside::default();
    paths.iter().filter(|path| !path.is_empty() && !path.ends_with('/')).for_each(|path| inside.add(path));
    let (train, test, texts) = (BTreeMap::new(), BTreeMap::new(), HashMap::new());
    let mut contents = Contents { file, read: content, train, test, texts, inside };
    paths.iter().enumerate().for_each(|(index, path)| contents.sort(path, index));
    let (names, train, test) = contents.pictures()?;
    let total = train.len() + test.len();
    let mut skipped = Vec::new();
    let mut load = |pictures: &[(Item, usize)], before: usize| {
        let items: Vec<Item> = pictures.iter().map(|(item, _)| item.clone()).collect();
        let read = |i: usize| (contents.read)(pictures[i].1, MAX_PICTURE).map_err(Fault::Damaged);
        pictures::images(&items, read, Fit::Exactly(SIDE), damaged, &mut skipped, &|done| tick(before + done, total))
    };
    let (train, test) = (load(&train, 0)?, load(&test, train.len())?);
    for (images, part) in [(&train, "train"), (&test, "val")] {
        if images.is_empty() {
            return Err(Error::format(file, format!("pictures in {part}/"), "none that can be read"));
        }
    }
    let (mean, std) = Normalization::TinyImageNet.mean_std();
    let dataset = Dataset {
        name: "tinyimagenet".into(),
        classes: names,
        extent: (3, SIDE, SIDE),
        mean,
        std,
        augmentation: Transforms::default(),
        validation: Validation::RandomTenth,
        train,
        test,
    };
    Ok((dataset, skipped))
}

type Zip<'a> = ZipArchive<Cursor<&'a [u8]>>;

fn open<'a>(file: &str, bytes: &'a [u8]) -> Result<Zip<'a>> {
    let broken = |e: zip::result::ZipError| Error::format(file, "a complete zip archive", e);
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if zip.len() > MAX_ENTRIES {
        return Err(Error::format(file, format!("at most {MAX_ENTRIES} entries"), zip.len()));
    }
    if zip.has_duplicate_names() {
        return Err(Error::format(file, "every entry once", "entries of the same name"));
    }
    // Both headers of every entry must agree, and no two may share bytes.
    zip.validate_header_consistency().map_err(broken)?;
    Ok(zip)
}

/// An entry's content, no larger than `bound`, its checksum compared.
fn entry(zip: &Zip<'_>, index: usize, bound: u64) -> Result<Vec<u8>, String> {
    // A clone shares the directory; each reads at its own place.
    let mut zip = zip.clone();
    let mut entry = zip.by_index(index).map_err(|e| e.to_string())?;
    let declared = entry.size();
    if declared > bound {
        return Err(format!("{declared} bytes declared, at most {bound} allowed"));
    }
    let mut bytes = Vec::with_capacity(declared as usize);
    entry.by_ref().take(declared + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 != declared {
        return Err(format!("{declared} bytes declared, {} found", if bytes.len() as u64 > declared { "more" } else { "fewer" }));
    }
    Ok(bytes)
}

impl Contents<'_> {
    /// Only names of exactly these forms count: whatever else an archive holds is neither read nor written anywhere. What macOS puts
    /// beside a picture (`._NAME`) is named like it and none.
    fn sort(&mut self, name: &str, index: usize) {
        let parts: Vec<&str> = name.split('/').collect();
        let picture = |file: &str| file.ends_with(".JPEG") && !file.starts_with('.');
        match parts[..] {
            ["wnids.txt"] => _ = self.texts.insert("wnids.txt", index),
            ["words.txt"] => _ = self.texts.insert("words.txt", index),
            ["val", "val_annotations.txt"] => _ = self.texts.insert("val/val_annotations.txt", index),
            ["train", class, "images", file] if picture(file) => {
                self.train.entry(class.to_owned()).or_default().push((file.to_owned(), index));
            }
            ["val", "images", file] if picture(file) => _ = self.test.insert(file.to_owned(), (None, index)),
            // As many have sorted them, for loaders that read class folders.
            ["val", class, file] | ["val", class, "images", file] if picture(file) => {
                _ = self.test.insert(file.to_owned(), (Some(class.to_owned()), index));
            }
            _ => {}
        }
    }

    /// Class names, training pictures and test pictures, each with its index in the archive.
    #[expect(clippy::type_complexity, reason = "three lists, used once")]
    fn pictures(&self) -> Result<(Vec<String>, Vec<(Item, usize)>, Vec<(Item, usize)>)> {
        let file = self.file;
        let wnids = self.text("wnids.txt")?;
        let mut classes: Vec<&str> = wnids.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        classes.sort_unstable();
        classes.dedup();
        let label: HashMap<&str, u16> = classes.iter().zip(0..).map(|(class, label)| (*class, label)).collect();
        let unlisted = |class: &str| Error::format(format!("{file}: {class}"), "a class of wnids.txt", "one that it does not list");
        let mut train = Vec::new();
        for (class, pictures) in &self.train {
            let label = *label.get(class.as_str()).ok_or_else(|| unlisted(class))?;
            let mut pictures: Vec<_> = pictures.iter().collect();
            pictures.sort_unstable();
            train.extend(pictures.into_iter().map(|(name, index)| (Item { name: format!("{file}: {name}"), label }, *index)));
        }
        let sorted = self.test.values().all(|(class, _)| class.is_some()) && !self.test.is_empty();
        let annotations = if sorted { String::new() } else { self.text("val/val_annotations.txt")? };
        let mut of = HashMap::new();
        for line in annotations.lines() {
            let mut words = line.split('\t');
            if let (Some(picture), Some(class)) = (words.next(), words.next()) {
                of.insert(picture, *label.get(class).ok_or_else(|| unlisted(class))?);
            }
        }
        let mut test = Vec::new();
        for (name, (class, index)) in &self.test {
            let missing = || Error::format(format!("{file}: val/images/{name}"), "a line in val_annotations.txt", "none");
            let label = match class {
                Some(class) => *label.get(class.as_str()).ok_or_else(|| unlisted(class))?,
                None => *of.get(name.as_str()).ok_or_else(missing)?,
            };
            test.push((Item { name: format!("{file}: {name}"), label }, *index));
        }
        let found = (classes.len(), train.len(), test.len());
        if found.0 == 0 || found.0 > MOST.0 || found.1 == 0 || found.1 > MOST.1 || found.2 == 0 || found.2 > MOST.2 {
            let text = |(classes, train, test)| format!("{classes} classes, {train} training and {test} test pictures");
            return Err(Error::format(file, format!("1 to {}", text(MOST)), text(found)));
        }
        Ok((self.class_names(&classes)?, train, test))
    }

    /// The first word for each class; where two classes share it, both carry their WordNet number too.
    fn class_names(&self, classes: &[&str]) -> Result<Vec<String>> {
        let words = self.text("words.txt")?;
        let words: HashMap<&str, &str> = words.lines().filter_map(|line| line.split_once('\t')).collect();
        let names: Vec<&str> =
            classes.iter().map(|class| words.get(class).and_then(|all| all.split(',').next()).map_or(*class, str::trim)).collect();
        let shared = |name: &str| names.iter().filter(|other| **other == name).count() > 1;
        Ok(classes
            .iter()
            .zip(&names)
            .map(|(class, name)| if shared(name) { format!("{name} ({class})") } else { (*name).into() })
            .collect())
    }

    fn text(&self, name: &'static str) -> Result<String> {
        let missing = || Error::format(self.file, format!("Tiny ImageNet: {ROOT}{name}, or {name}"), self.inside.without(name));
        let index = *self.texts.get(name).ok_or_else(missing)?;
        let fail = |e: String| Error::format(format!("{}: {name}", self.file), "a list as text", e);
        String::from_utf8((self.read)(index, MAX_TEXT).map_err(fail)?).map_err(|e| fail(e.to_string()))
    }
}

#[cfg(test)]
mod tests;
