//! Which images of a file a limit leaves.
//!
//! Folders list one class after the other, so their first images are of one class and an accuracy over them says nothing. A limit
//! draws as many of every class, always the same ones, and of more the larger limit keeps the smaller one's.

use std::fmt;

use super::{Dataset, DatasetName};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// Seed of what is drawn: a limit leaves the same images whatever the experiment's seed.
const SEED: u64 = 10;

/// How the images were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// All there are.
    All,
    /// The first ones: of CIFAR's files, which come mixed, and whose first test images published results are about.
    First,
    /// As many of every class as there are, drawn.
    Balanced,
}

impl How {
    /// One word, for files.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::First => "first",
            Self::Balanced => "balanced",
        }
    }
}

/// The images that are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Their indices, increasing.
    pub samples: Vec<u32>,
    /// How they were chosen.
    pub how: How,
    /// Of how many.
    pub of: usize,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, of) = (self.samples.len(), self.of);
        match self.how {
            How::All => write!(f, "all {of} test images"),
            How::First => write!(f, "the first {count} of {of} test images"),
            How::Balanced => write!(f, "{count} of {of} test images, as many of every class, always the same ones"),
        }
    }
}

impl Limited {
    /// The test images that a limit leaves; 0 is no limit.
    ///
    /// # Errors
    /// `Config` where there are no test images.
    pub fn test(data: &Dataset, limit: usize) -> Result<Self> {
        let count = data.test.len();
        if count == 0 {
            return Err(Error::config(format!("the dataset '{}' has no test images: there is nothing to evaluate on", data.name)));
        }
        Ok(Self::of(data, &data.test.labels, (0..count as u32).collect(), limit))
    }

    /// What a limit leaves of `among`, samples of a file of `data` with these labels; 0 is no limit.
    pub fn of(data: &Dataset, labels: &[u16], among: Vec<u32>, limit: usize) -> Self {
        let of = among.len();
        if limit == 0 || limit >= of {
            return Self { samples: among, how: How::All, of };
        }
        if is_cifar(data) {
            return Self { samples: among[..limit].to_vec(), how: How::First, of };
        }
        Self { samples: balanced(labels, among, limit), how: How::Balanced, of }
    }
}

fn is_cifar(data: &Dataset) -> bool {
    match data.name.parse() {
        Ok(DatasetName::Cifar10 | DatasetName::Cifar100 | DatasetName::Cifar100Coarse) => true,
        Ok(DatasetName::TinyImageNet | DatasetName::Mnist | DatasetName::Folder | DatasetName::BuiltIn | DatasetName::BuiltInGrey)
        | Err(_) => false,
    }
}

/// `count` of `among`, from every class as many as it has, but no more than needed; drawn with a fixed seed.
pub fn balanced(labels: &[u16], mut among: Vec<u32>, count: usize) -> Vec<u32> {
    Stream::new(SEED, Purpose::Subset, 6, 0).shuffle(&mut among);
    let label = |sample: u32| labels.get(sample as usize).copied().unwrap_or_default();
    let mut seen: Vec<u32> = Vec::new();
    // The first of every class, then the second of every class, ...
    let mut ranked: Vec<(u32, u32)> = Vec::with_capacity(among.len());
    for (place, sample) in (0..).zip(&among) {
        let class = usize::from(label(*sample));
        seen.resize(seen.len().max(class + 1), 0);
        ranked.push((seen[class], place));
        seen[class] += 1;
    }
    let order = crate::argsort::argsort(ranked.iter().map(|(rank, place)| u64::from(*rank) << 32 | u64::from(*place)));
    let mut out: Vec<u32> = order.iter().take(count).map(|place| among[*place as usize]).collect();
    out.sort_unstable();
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::data::{Images, builtin};

    fn named(name: &str, labels: Vec<u16>) -> Dataset {
        let mut data = builtin::builtin(0.0, 1, 1, 1);
        data.name = name.into();
        data.test = Images { bytes: vec![0; labels.len() * 3072].into(), labels };
        data
    }

    fn counts(data: &Dataset, samples: &[u32], classes: u16) -> Vec<usize> {
        (0..classes).map(|class| samples.iter().filter(|i| data.test.labels[**i as usize] == class).count()).collect()
    }

    #[test]
    fn a_limit_takes_as_many_of_every_class_and_always_the_same() {
        // In the order of the classes, as a folder has them; class 2 has three images only.
        let labels: Vec<u16> = (0..200).map(|i| i / 100).chain([2; 3]).collect();
        let data = named("folder", labels);
        let limited = Limited::test(&data, 12).unwrap();
        assert_eq!(counts(&data, &limited.samples, 3).iter().sum::<usize>(), 12);
        assert_eq!(counts(&data, &Limited::test(&data, 9).unwrap().samples, 3), [3, 3, 3]);
        assert_eq!(counts(&data, &Limited::test(&data, 23).unwrap().samples, 3), [10, 10, 3]);
        assert_eq!(limited, Limited::test(&data, 12).unwrap());
        assert!(limited.samples.is_sorted() && limited.samples.iter().any(|i| *i > 20), "not the first ones of a class");
        let more = Limited::test(&data, 60).unwrap().samples;
        assert!(limited.samples.iter().all(|i| more.contains(i)), "a larger limit keeps what a smaller one has");
        assert_eq!(
            (limited.how, limited.to_string().as_str()),
            (How::Balanced, "12 of 203 test images, as many of every class, always the same ones")
        );
    }

    #[test]
    fn no_limit_is_everything_and_cifar_keeps_its_first_images() {
        let labels: Vec<u16> = (0..50).map(|i| i / 5).collect();
        for name in ["cifar10", "cifar100", "cifar100-coarse"] {
            let limited = Limited::test(&named(name, labels.clone()), 7).unwrap();
            assert_eq!(
                (limited.samples.clone(), limited.to_string().as_str()),
                ((0..7).collect(), "the first 7 of 50 test images"),
                "{name}"
            );
        }
        for name in ["cifar10", "mnist", "tinyimagenet", "folder", "builtin"] {
            for limit in [0, 50, 51] {
                let limited = Limited::test(&named(name, labels.clone()), limit).unwrap();
                assert_eq!(
                    (limited.samples.len(), limited.how, limited.to_string().as_str()),
                    (50, How::All, "all 50 test images"),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn no_test_images_are_an_error() {
        let message = Limited::test(&named("mnist", Vec::new()), 0).unwrap_err().to_string();
        assert!(message.contains("'mnist' has no test images"), "{message}");
    }
}
