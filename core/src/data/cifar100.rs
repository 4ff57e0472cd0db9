//! CIFAR-100 from its archives, packed or not, or from others of the same forms with fewer images.
//!
//! A record is the coarse label, the fine label, and the planes of CIFAR-10. Coarse labels are groups of fine ones, so the
//! images are kept once and either labelling is read from them; an archive in which they are not is refused.

use std::io::Read;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::IMAGE_BYTES;
use super::archive::{self, ReadFile};
use super::python::Pickled;
use super::{Dataset, Images, Normalization, Transforms, Validation};
use crate::error::{Error, Result};

/// Published MD5 of `cifar-100-binary.tar.gz`.
pub const ARCHIVE_MD5: &str = "03b5dce01913d631647c71ecec9e9cb8";
/// Published MD5 of `cifar-100-python.tar.gz`.
pub const PYTHON_MD5: &str = "eb9058c3a382ffc7106e4002c42a8d85";
/// Folders that an archive of it unpacks to.
pub const FOLDERS: [&str; 2] = ["cifar-100-binary", "cifar-100-python"];
/// Bytes of one record: two labels and the image.
pub const RECORD_BYTES: usize = 2 + IMAGE_BYTES;

const FINE: usize = 100;
const COARSE: usize = 20;
/// Images of the official training and test file, and the most that any archive may have.
const MOST: [u64; 2] = [50_000, 10_000];
const WHAT: &str = "CIFAR-100";

/// Classes that are groups of a dataset's classes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// Names of the groups.
    pub classes: Vec<String>,
    /// The group of each class.
    pub of: Vec<u16>,
}

impl Groups {
    /// Whether these can be the groups of so many classes.
    pub fn fits(&self, classes: usize) -> bool {
        self.of.len() == classes && self.of.iter().all(|group| usize::from(*group) < self.classes.len())
    }

    /// The dataset labelled by groups, under another name; pixels are shared where they were. It must fit.
    pub fn relabel(&self, dataset: Dataset, name: &str) -> Dataset {
        let relabel = |images: Images| Images {
            labels: images.labels.iter().map(|label| self.of.get(usize::from(*label)).copied().unwrap_or_default()).collect(),
            ..images
        };
        Dataset { name: name.into(), classes: self.classes.clone(), train: relabel(dataset.train), test: relabel(dataset.test), ..dataset }
    }
}

/// A file inside the archive that matters.
#[derive(Clone, Copy)]
enum Entry {
    /// Records of the training (0) or the test file (1).
    Records(usize),
    /// The same as Python pickles it.
    Pickled(usize),
    /// Names of the fine (0) or the coarse labels (1).
    Names(usize),
    /// Both, as Python pickles them.
    Meta,
}

/// Every file that matters, in both forms.
const PATHS: [&str; 7] = [
    "cifar-100-binary/train.bin",
    "cifar-100-binary/test.bin",
    "cifar-100-binary/fine_label_names.txt",
    "cifar-100-binary/coarse_label_names.txt",
    "cifar-100-python/train",
    "cifar-100-python/test",
    "cifar-100-python/meta",
];

fn entry(path: &str) -> Option<(Entry, RangeInclusive<u64>)> {
    let records = |file: usize| (Entry::Records(file), RECORD_BYTES as u64..=MOST[file] * RECORD_BYTES as u64);
    let names = |labels: usize| (Entry::Names(labels), 1..=1 << 16);
    let pickled = |file: usize| (Entry::Pickled(file), 1..=largest_pickle(file));
    match PATHS.iter().position(|known| *known == path)? {
        at @ 0..2 => Some(records(at)),
        at @ 2..4 => Some(names(at - 2)),
        at @ 4..6 => Some(pickled(at - 4)),
        _ => Some((Entry::Meta, 1..=1 << 16)),
    }
}

/// Names of files and labels beside the pixels; old protocols write half of all bytes as two.
fn largest_pickle(file: usize) -> u64 {
    2 * MOST[file] * RECORD_BYTES as u64 + (8 << 20)
}

/// Reads `cifar-100-binary.tar.gz`, `cifar-100-python.tar.gz` or an archive of either form, compressed or not: the dataset by its
/// fine labels, and the coarse ones.
///
/// # Errors
/// `Format` naming `file`, the entry at fault, what was expected and what was found.
pub fn from_archive(file: &str, reader: impl Read) -> Result<(Dataset, Groups)> {
    let total = largest_pickle(0) + largest_pickle(1) + (4 << 20);
    let mut parts = Parts::default();
    let reader = archive::decompressed(file, reader)?;
    let inside = archive::visit_tar(file, reader, WHAT, total, entry, |name, entry, bytes| parts.add(name, entry, bytes))?;
    parts.finish(file, &inside)
}

/// Reads what an archive unpacks to.
///
/// # Errors
/// As [`from_archive`], and what `read` says.
pub fn from_folder(folder: &str, read: ReadFile<'_>) -> Result<(Dataset, Groups)> {
    let mut parts = Parts::default();
    let paths = PATHS.iter().map(|path| (*path).to_owned());
    archive::visit_folder(folder, paths, read, entry, |name, entry, bytes| parts.add(name, entry, bytes))?;
    parts.finish(folder, &archive::Inside::default())
}

/// Files as they arrive, in any order.
struct Parts {
    images: [Option<Images>; 2],
    names: [Option<Vec<String>>; 2],
    groups: [Option<u8>; FINE],
    /// Whether any file was Python's.
    python: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self { images: [None, None], names: [None, None], groups: [None; FINE], python: false }
    }
}

impl Parts {
    fn add(&mut self, name: &str, entry: Entry, bytes: &[u8]) -> Result<()> {
        let twice = || Error::format(name, "this entry once", "it a second time");
        let Self { images, names, groups, python } = self;
        let mut put = |which: usize, found: Vec<String>| if names[which].replace(found).is_some() { Err(twice()) } else { Ok(()) };
        match entry {
            Entry::Records(which) | Entry::Pickled(which) => {
                let pickled = matches!(entry, Entry::Pickled(_));
                *python |= pickled;
                let read = if pickled { pickled_images(name, bytes, groups)? } else { records(name, bytes, groups)? };
                if images[which].replace(read).is_some() { Err(twice()) } else { Ok(()) }
            }
            Entry::Names(which) => put(which, label_names(name, bytes, [FINE, COARSE][which])?),
            Entry::Meta => {
                *python = true;
                let file = Pickled::read(name, bytes)?;
                put(0, file.names("fine_label_names", FINE)?)?;
                put(1, file.names("coarse_label_names", COARSE)?)
            }
        }
    }

    fn finish(self, file: &str, inside: &archive::Inside) -> Result<(Dataset, Groups)> {
        let nothing = self.images.iter().all(Option::is_none) && self.names.iter().all(Option::is_none);
        let Self { images: [train, test], names: [fine, coarse], groups, python } = self;
        let missing = |binary: &str, pickled: &str| {
            let (python_form, binary_form) = ("train, test and meta", "train.bin, test.bin and both files of label names");
            let [binary_folder, python_folder] = FOLDERS;
            let expected = match (nothing, python) {
                (true, _) => format!("{python_form} in {python_folder}, or {binary_form} in {binary_folder}"),
                (false, true) => python_form.to_owned(),
                (false, false) => binary_form.to_owned(),
            };
            let absent = match (nothing, python) {
                (true, _) => "such file",
                (false, true) => pickled,
                (false, false) => binary,
            };
            Error::format(file, format!("{WHAT}: {expected}"), inside.without(absent))
        };
        let (mean, std) = Normalization::Cifar100.mean_std();
        let dataset = Dataset {
            name: "cifar100".into(),
            classes: fine.ok_or_else(|| missing("fine_label_names.txt", "meta"))?,
            extent: (3, 32, 32),
            mean,
            std,
            augmentation: Transforms { flip: true, rotate: true },
            validation: Validation::LastTenth,
            train: train.ok_or_else(|| missing("train.bin", "train"))?,
            test: test.ok_or_else(|| missing("test.bin", "test"))?,
        };
        // A fine label without an image has no known group, and needs none.
        let of = groups.iter().map(|group| u16::from(group.unwrap_or(0))).collect();
        Ok((dataset, Groups { classes: coarse.ok_or_else(|| missing("coarse_label_names.txt", "meta"))?, of }))
    }
}

/// The group of a fine label, which all its images must have.
fn grouped(groups: &mut [Option<u8>; FINE], fine: u8, coarse: u8, at: impl Fn() -> String) -> Result<()> {
    let group = groups[usize::from(fine)].get_or_insert(coarse);
    if *group == coarse { Ok(()) } else { Err(Error::format(at(), format!("coarse label {group}"), coarse)) }
}

fn pickled_images(name: &str, bytes: &[u8], groups: &mut [Option<u8>; FINE]) -> Result<Images> {
    let file = Pickled::read(name, bytes)?;
    let pixels = file.pixels()?.into_owned();
    let count = pixels.len() / IMAGE_BYTES;
    let (fine, coarse) = (file.labels("fine_labels", FINE, count)?, file.labels("coarse_labels", COARSE, count)?);
    for (i, (fine, coarse)) in fine.iter().zip(coarse).enumerate() {
        grouped(groups, *fine, coarse, || format!("{name}: image {i} of fine label {fine}"))?;
    }
    if count == 0 {
        return Err(Error::format(name, "images", "none"));
    }
    Ok(Images { bytes: pixels.into(), labels: fine.into_iter().map(u16::from).collect() })
}

fn records(name: &str, bytes: &[u8], groups: &mut [Option<u8>; FINE]) -> Result<Images> {
    if !bytes.len().is_multiple_of(RECORD_BYTES) {
        return Err(Error::format(name, format!("whole records of {RECORD_BYTES} bytes"), format!("{} bytes", bytes.len())));
    }
    let count = bytes.len() / RECORD_BYTES;
    let (mut pixels, mut labels) = (Vec::with_capacity(count * IMAGE_BYTES), Vec::with_capacity(count));
    for (i, record) in bytes.chunks_exact(RECORD_BYTES).enumerate() {
        let (coarse, fine) = (record[0], record[1]);
        if usize::from(coarse) >= COARSE || usize::from(fine) >= FINE {
            let found = format!("{coarse} and {fine}");
            return Err(Error::format(format!("{name}: labels of image {i}"), "a coarse one of 0 to 19 and a fine one of 0 to 99", found));
        }
        grouped(groups, fine, coarse, || format!("{name}: image {i} of fine label {fine}"))?;
        labels.push(u16::from(fine));
        pixels.extend_from_slice(&record[2..]);
    }
    Ok(Images { bytes: pixels.into(), labels })
}

fn label_names(name: &str, bytes: &[u8], count: usize) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes).map_err(|e| Error::format(name, "text", e))?;
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if names.len() == count { Ok(names) } else { Err(Error::format(name, format!("{count} names"), names.len())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::cifar::tests::archive;
    use super::*;
    use crate::data::train_validation_split;

    /// Records with pixel value = fine label, coarse label = fine / 5.
    fn records_of(fine: &[u8]) -> Vec<u8> {
        fine.iter().flat_map(|label| [vec![label / 5, *label], vec![*label; IMAGE_BYTES]].concat()).collect()
    }

    fn parts() -> Vec<(&'static str, Vec<u8>)> {
        let names = |n: usize, word: &str| (0..n).map(|i| format!("{word}{i}\n")).collect::<String>().into_bytes();
        vec![
            ("cifar-100-binary/train.bin", records_of(&[99, 0, 7, 50, 7, 8, 9, 10, 11, 12])),
            ("cifar-100-binary/test.bin", records_of(&[4, 99])),
            ("cifar-100-binary/fine_label_names.txt", names(100, "fine")),
            ("cifar-100-binary/coarse_label_names.txt", names(20, "coarse")),
        ]
    }

    fn error(parts: &[(&str, Vec<u8>)]) -> String {
        from_archive("given.tar.gz", archive(parts).as_slice()).unwrap_err().to_string()
    }

    #[test]
    fn fine_and_coarse_from_one_archive() {
        let (fine, groups) = from_archive("a", archive(&parts()).as_slice()).unwrap();
        assert_eq!(fine.train.labels, [99, 0, 7, 50, 7, 8, 9, 10, 11, 12]);
        assert_eq!((fine.test.bytes[0], fine.test.bytes[IMAGE_BYTES], fine.test.bytes.len()), (4, 99, 2 * IMAGE_BYTES));
        assert_eq!((fine.classes.len(), fine.classes[99].as_str()), (100, "fine99"));
        assert!(fine.augmentation.rotate && fine.augmentation.flip && groups.fits(100));
        assert_eq!(train_validation_split(&fine).1, [9], "the last tenth validates");
        let coarse = groups.relabel(fine.clone(), "cifar100-coarse");
        assert_eq!(coarse.train.labels, [19, 0, 1, 10, 1, 1, 1, 2, 2, 2]);
        assert_eq!((coarse.classes.len(), coarse.test.labels.clone()), (20, vec![0, 19]));
        assert_eq!((coarse.name.as_str(), &coarse.train.bytes), ("cifar100-coarse", &fine.train.bytes));
    }

    #[test]
    fn an_archive_of_other_paths_says_what_is_inside_and_names_both_forms() {
        for prefix in ["data/", "/home/me/", ""] {
            let names: Vec<String> = ["train", "test", "meta"].iter().map(|name| format!("{prefix}{name}")).collect();
            let message = error(&names.iter().map(|name| (name.as_str(), vec![1])).collect::<Vec<_>>());
            for part in ["train, test and meta in cifar-100-python", "train.bin, test.bin", "in cifar-100-binary", "no such file"] {
                assert!(message.contains(part), "{part}: {message}");
            }
            assert!(message.ends_with(&format!("inside are {}", names.join(", "))), "{message}");
        }
    }

    /// The same as Python pickles it.
    fn pickled() -> Vec<(&'static str, Vec<u8>)> {
        let text = |out: &mut Vec<u8>, text: &str| {
            out.extend([b'U', text.len() as u8]);
            out.extend(text.as_bytes());
        };
        let file = |records: Vec<u8>| {
            let mut out = b"\x80\x02}(".to_vec();
            for (key, at) in [("coarse_labels", 0), ("fine_labels", 1)] {
                text(&mut out, key);
                out.extend(b"](");
                records.chunks_exact(RECORD_BYTES).for_each(|record| out.extend([b'K', record[at]]));
                out.push(b'e');
            }
            text(&mut out, "data");
            out.extend(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01");
            let count = records.len() / RECORD_BYTES;
            out.extend([b'K', count as u8, b'M', 0, 0x0c, 0x86]);
            out.extend(b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
            out.extend(((count * IMAGE_BYTES) as u32).to_le_bytes());
            records.chunks_exact(RECORD_BYTES).for_each(|record| out.extend(&record[2..]));
            out.extend(b"tbu.");
            out
        };
        let mut meta = b"\x80\x02}(".to_vec();
        for (key, n, word) in [("fine_label_names", 100, "fine"), ("coarse_label_names", 20, "coarse")] {
            text(&mut meta, key);
            meta.extend(b"](");
            (0..n).for_each(|i| text(&mut meta, &format!("{word}{i}")));
            meta.push(b'e');
        }
        meta.extend(b"u.");
        vec![
            ("cifar-100-python/train", file(parts()[0].1.clone())),
            ("cifar-100-python/test", file(parts()[1].1.clone())),
            ("cifar-100-python/meta", meta),
            ("cifar-100-python/file.txt~", b"not read".to_vec()),
        ]
    }

    #[test]
    fn the_form_for_python_and_folders_are_the_same_dataset() {
        let good = from_archive("a", archive(&parts()).as_slice()).unwrap();
        assert_eq!(from_archive("a", archive(&pickled()).as_slice()).unwrap(), good);
        for entries in [parts(), pickled()] {
            let read = |name: &str, _| {
                Ok(entries.iter().find(|(path, _)| path.rsplit_once('/').unwrap().1 == name).map(|(_, bytes)| bytes.clone()))
            };
            assert_eq!(from_folder("folder", &read).unwrap(), good);
        }
        for (i, name) in ["train", "test", "meta"].iter().enumerate() {
            let mut all = pickled();
            all.remove(i);
            assert!(
                error(&all).contains(&format!("expected CIFAR-100: train, test and meta, found no {name}; inside are cifar-100-python/")),
                "{}",
                error(&all)
            );
        }
        let mut other = pickled();
        let at = other[0].1.windows(3).position(|w| w == [b'(', b'K', 19]).unwrap();
        other[0].1[at + 2] = 20;
        assert!(error(&other).contains("train, 'coarse_labels': label of image 0: expected 0 to 19, found 20"));
        other[0].1[at + 2] = 18;
        assert!(from_archive("a", archive(&other).as_slice()).is_err(), "label 99 of the test file is in another group");
    }

    #[test]
    fn wrong_archives_say_what_is_wrong() {
        let spoilt = |i: usize, bytes: Vec<u8>| {
            let mut all = parts();
            all[i].1 = bytes;
            error(&all)
        };
        for (i, name) in ["train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"].iter().enumerate() {
            let mut all = parts();
            all.remove(i);
            assert!(error(&all).contains(&format!("found no {name}; inside are cifar-100-")), "{name}");
            let mut twice = parts();
            twice.push(twice[i].clone());
            assert!(error(&twice).ends_with("expected this entry once, found it a second time"), "{name}");
        }
        assert!(spoilt(0, records_of(&[1])[1..].to_vec()).contains("train.bin: expected 3074 to 153700000 bytes, found 3073 bytes"));
        assert!(spoilt(1, [records_of(&[1]), vec![0]].concat()).ends_with("expected whole records of 3074 bytes, found 3075 bytes"));
        assert!(spoilt(1, [vec![0, 100], vec![0; IMAGE_BYTES]].concat()).contains("labels of image 0"));
        assert!(spoilt(1, [vec![20, 0], vec![0; IMAGE_BYTES]].concat()).ends_with("found 20 and 0"));
        assert!(
            spoilt(1, [vec![3, 7], vec![0; IMAGE_BYTES]].concat()).ends_with("image 0 of fine label 7: expected coarse label 1, found 3")
        );
        assert!(spoilt(2, b"one\ntwo\n".to_vec()).ends_with("fine_label_names.txt: expected 100 names, found 2"));
        assert!(spoilt(3, vec![0xff; 9]).contains("coarse_label_names.txt: expected text"));
    }

    #[test]
    fn hostile_archives_are_refused_or_ignored() {
        let good = from_archive("a", archive(&parts()).as_slice()).unwrap();
        let mut outside = parts();
        outside.push(("../cifar-100-binary/train.bin", vec![9; 10]));
        outside.push(("/cifar-100-binary/test.bin", vec![9; 10]));
        outside.push(("cifar-100-binary/../train.bin", vec![9; 10]));
        assert_eq!(from_archive("a", archive(&outside).as_slice()).unwrap(), good);
        let bytes = archive(&parts());
        for end in (0..bytes.len()).step_by(101).chain([bytes.len() - 1, bytes.len() - 9]) {
            assert!(from_archive("cut.tar.gz", &bytes[..end]).unwrap_err().to_string().starts_with("cut.tar.gz"), "{end}");
        }
        let mut bomb = vec![("cifar-100-binary/readme", vec![0; 200 << 20])];
        bomb.extend(parts());
        assert!(error(&bomb).contains("which CIFAR-100 never has"));
        let mut large = parts();
        large[1].1 = vec![0; 10_001 * RECORD_BYTES];
        assert!(error(&large).contains("expected 3074 to 30740000 bytes, found 30743074 bytes"));
    }

    #[test]
    fn the_part_at_hand() {
        let shared = std::env::var("SPARRING_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
        let Ok(file) = std::fs::File::open(format!("{shared}/data/cifar-100-binary-entry.tar.gz")) else {
            println!("skipped: not present");
            return;
        };
        let (data, groups) = from_archive("entry", std::io::BufReader::new(file)).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (10_000, 5_000));
        assert_eq!((data.classes[0].as_str(), groups.classes[0].as_str()), ("apple", "aquatic_mammals"));
        // Published: an apple is a fruit or vegetable, a whale an aquatic mammal.
        assert_eq!(groups.classes[usize::from(groups.of[0])], "fruit_and_vegetables");
        let whale = data.classes.iter().position(|c| c == "whale").unwrap();
        assert_eq!(groups.of[whale], 0);
        // Five fine classes to a coarse one, all of them present.
        assert!((0..20).all(|g| groups.of.iter().filter(|of| **of == g).count() == 5));
        // Near the published mean by channel (the whole training file's).
        for c in 0..3 {
            let plane = data.train.bytes.chunks_exact(IMAGE_BYTES).flat_map(|image| &image[c * 1024..(c + 1) * 1024]);
            let mean = plane.map(|b| f64::from(*b)).sum::<f64>() / (data.train.len() * 1024) as f64 / 255.0;
            assert!((mean - f64::from(data.mean[c])).abs() < 0.01, "channel {c}: {mean}");
        }
    }
}
