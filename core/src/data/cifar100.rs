//! CIFAR-100 from its binary archive, or from another of the same form with fewer images.
//!
//! A record is the coarse label, the fine label, and the planes of CIFAR-10. Coarse labels are groups of fine ones, so the
//! images are kept once and either labelling is read from them; an archive in which they are not is refused.

use std::io::Read;
use std::ops::RangeInclusive;

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use super::IMAGE_BYTES;
use super::{Dataset, Images, Normalization, Transforms, Validation, archive};
use crate::error::{Error, Result};

/// Published MD5 of `cifar-100-binary.tar.gz`.
pub const ARCHIVE_MD5: &str = "03b5dce01913d631647c71ecec9e9cb8";
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
    /// Names of the fine (0) or the coarse labels (1).
    Names(usize),
}

fn entry(path: &str) -> Option<(Entry, RangeInclusive<u64>)> {
    let records = |file: usize| (Entry::Records(file), RECORD_BYTES as u64..=MOST[file] * RECORD_BYTES as u64);
    let names = |labels: usize| (Entry::Names(labels), 1..=1 << 16);
    match path {
        "cifar-100-binary/train.bin" => Some(records(0)),
        "cifar-100-binary/test.bin" => Some(records(1)),
        "cifar-100-binary/fine_label_names.txt" => Some(names(0)),
        "cifar-100-binary/coarse_label_names.txt" => Some(names(1)),
        _ => None,
    }
}

/// Reads `cifar-100-binary.tar.gz` or an archive of its form: the dataset by its fine labels, and the coarse ones.
///
/// # Errors
/// `Format` naming `file`, the entry at fault, what was expected and what was found.
pub fn from_archive(file: &str, reader: impl Read) -> Result<(Dataset, Groups)> {
    let total = (MOST[0] + MOST[1]) * RECORD_BYTES as u64 + (4 << 20);
    let mut images: [Option<Images>; 2] = [None, None];
    let mut names: [Option<Vec<String>>; 2] = [None, None];
    let mut groups: [Option<u8>; FINE] = [None; FINE];
    archive::visit_tar(file, GzDecoder::new(reader), WHAT, total, entry, |name, entry, bytes| {
        let twice = || Error::format(name, "this entry once", "it a second time");
        match entry {
            Entry::Records(which) => {
                let read = records(name, bytes, &mut groups)?;
                if images[which].replace(read).is_some() {
                    return Err(twice());
                }
            }
            Entry::Names(which) => {
                if names[which].replace(label_names(name, bytes, [FINE, COARSE][which])?).is_some() {
                    return Err(twice());
                }
            }
        }
        Ok(())
    })?;
    let missing =
        |entry: &str| Error::format(file, format!("{WHAT}: train.bin, test.bin and both files of label names"), format!("no {entry}"));
    let ([train, test], [fine, coarse]) = (images, names);
    let (mean, std) = Normalization::Cifar100.mean_std();
    let dataset = Dataset {
        name: "cifar100".into(),
        classes: fine.ok_or_else(|| missing("fine_label_names.txt"))?,
        extent: (3, 32, 32),
        mean,
        std,
        augmentation: Transforms { flip: true, rotate: true },
        validation: Validation::LastTenth,
        train: train.ok_or_else(|| missing("train.bin"))?,
        test: test.ok_or_else(|| missing("test.bin"))?,
    };
    // A fine label without an image has no known group, and needs none.
    let of = groups.iter().map(|group| u16::from(group.unwrap_or(0))).collect();
    Ok((dataset, Groups { classes: coarse.ok_or_else(|| missing("coarse_label_names.txt"))?, of }))
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
        let group = groups[usize::from(fine)].get_or_insert(coarse);
        if *group != coarse {
            return Err(Error::format(format!("{name}: image {i} of fine label {fine}"), format!("coarse label {group}"), coarse));
        }
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
    fn wrong_archives_say_what_is_wrong() {
        let spoilt = |i: usize, bytes: Vec<u8>| {
            let mut all = parts();
            all[i].1 = bytes;
            error(&all)
        };
        for (i, name) in ["train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"].iter().enumerate() {
            let mut all = parts();
            all.remove(i);
            assert!(error(&all).ends_with(&format!("found no {name}")), "{name}");
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
