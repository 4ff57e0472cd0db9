//! Images as bytes in host memory: datasets, archives, the built-in set, splits.
//!
//! Nothing here is downloaded by the core; binaries and the page bring bytes, this module checks and decodes them.

use serde::{Deserialize, Serialize};

use crate::names::named_enum;
use crate::rng::{Purpose, Stream};

pub mod archive;
pub mod batch;
pub mod builtin;
mod bytes;
pub mod chunks;
pub mod cifar;
pub mod cifar100;
pub mod idx;
pub mod limit;
mod name;
mod normalization;
pub mod packed;
#[cfg(feature = "decoders")]
pub mod pictures;
mod python;
mod reads;
mod report;
mod sheets;
#[cfg(feature = "decoders")]
pub mod tinyimagenet;

pub use bytes::{Bytes, Whole};
pub use name::DatasetName;
pub use normalization::{MeanStd, Normalization};
pub use reads::Reads;
pub use report::Skipped;

/// Bytes of an image of CIFAR: three planes of 32x32.
pub const IMAGE_BYTES: usize = 3 * 32 * 32;

/// Which file of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The training file.
    Train,
    /// The test file.
    Test,
}

/// The label of an image that is not here: a page may have only a part of a dataset. No dataset has so many classes.
pub const ABSENT: u16 = u16::MAX;

/// Images of one extent and their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// `len * c*h*w` bytes, image after image, each `[c][h][w]`.
    pub bytes: Bytes,
    /// One a image; [`ABSENT`] where there is none.
    pub labels: Vec<u16>,
}

impl Images {
    /// Room for `len` images of `size` bytes each, all zero.
    pub fn zeroed(len: usize, size: usize) -> Self {
        Self { bytes: vec![0; len * size].into(), labels: vec![0; len] }
    }
    /// The same room, and none of the images here.
    pub fn absent(len: usize, size: usize) -> Self {
        Self { labels: vec![ABSENT; len], ..Self::zeroed(len, size) }
    }
    /// An image of `size` bytes and its label, where there is such an image and it is here.
    pub fn get(&self, sample: u32, size: usize) -> Option<(&[u8], u16)> {
        let i = sample as usize;
        let label = self.labels.get(i).copied().filter(|label| *label != ABSENT)?;
        Some((self.bytes.get(i * size..(i + 1) * size)?, label))
    }
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }
    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// A dataset: training file, test file, and what a person and a model need to know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// A name of [`DatasetName`].
    pub name: String,
    /// Class names, by label.
    pub classes: Vec<String>,
    /// Channels, height, width.
    pub extent: (usize, usize, usize),
    /// Normalisation mean by channel (pixels in 0..=1).
    pub mean: [f32; 4],
    /// Normalisation standard deviation by channel.
    pub std: [f32; 4],
    /// What augmentation may do beyond the random crop.
    pub augmentation: Transforms,
    /// Which part of the training file validates.
    pub validation: Validation,
    /// The training file in its own order; splits index into it.
    pub train: Images,
    /// The test file.
    pub test: Images,
}

impl Dataset {
    /// Bytes of one image.
    pub fn image_bytes(&self) -> usize {
        self.extent.0 * self.extent.1 * self.extent.2
    }

    /// A sentence on the classes of which these training samples have no image, where there are such: nobody who trains on them can
    /// come to know those. `whose`: what the samples are of.
    pub fn missing_classes(&self, whose: &str, samples: &[u32]) -> Option<String> {
        let mut there = vec![false; self.classes.len()];
        for label in samples.iter().filter_map(|sample| self.train.labels.get(*sample as usize)) {
            if let Some(there) = there.get_mut(usize::from(*label)) {
                *there = true;
            }
        }
        let missing: Vec<&str> = self.classes.iter().zip(&there).filter(|(_, there)| !**there).map(|(name, _)| &**name).collect();
        let named = &missing[..missing.len().min(SHOWN_CLASSES)];
        let others = if missing.len() > named.len() { format!(" and {} more", missing.len() - named.len()) } else { String::new() };
        (!named.is_empty()).then(|| format!("the training samples of {whose} have no image of {}{others}", named.join(", ")))
    }
}

/// Of the classes that samples lack a warning names so many.
const SHOWN_CLASSES: usize = 5;

/// Random changes that leave an image's label true, beyond the random crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transforms {
    /// Horizontal flip. Not for digits: a mirrored digit is another sign, or none.
    pub flip: bool,
    /// Rotation by up to [`batch::MAX_ROTATION`] degrees (reference: CIFAR-100).
    pub rotate: bool,
}

impl Default for Transforms {
    fn default() -> Self {
        Self { flip: true, rotate: false }
    }
}

named_enum! {
    /// Which tenth of the training file validates.
    pub enum Validation ("validation split") {
        /// The last by index (reference: CIFAR).
        LastTenth = "last-tenth",
        /// One drawn at random with a fixed seed, where the file is ordered by class (reference: Tiny ImageNet).
        RandomTenth = "random-tenth",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro takes no attributes of variants but their documentation")]
impl Default for Validation {
    fn default() -> Self {
        Self::LastTenth
    }
}

/// Seed of [`Validation::RandomTenth`] (reference: 10; the stream is ours, not numpy's).
const SPLIT_SEED: u64 = 10;

/// Indices into the training file, increasing: nine tenths to train on, one tenth to validate on (reference: 45,000 and 5,000
/// for CIFAR, 90,000 and 10,000 for Tiny ImageNet).
pub fn train_validation_split(dataset: &Dataset) -> (Vec<u32>, Vec<u32>) {
    let n = dataset.train.len();
    let train = n * 9 / 10;
    match dataset.validation {
        Validation::LastTenth => ((0..train as u32).collect(), (train as u32..n as u32).collect()),
        Validation::RandomTenth => Stream::new(SPLIT_SEED, Purpose::Subset, 3, 0).split(n, train),
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn split_is_nine_tenths() {
        let mut data = builtin::builtin(0.0, 101, 0, 1);
        let ranges = |train: u32, n: u32| ((0..train).collect::<Vec<_>>(), (train..n).collect::<Vec<_>>());
        assert_eq!(train_validation_split(&data), ranges(90, 101));
        data.train = Images::zeroed(50_000, 0);
        assert_eq!(train_validation_split(&data), ranges(45_000, 50_000));
    }

    #[test]
    fn a_random_tenth_is_drawn_once_from_everywhere() {
        let mut data = builtin::builtin(0.0, 1, 0, 1);
        data.train = Images::zeroed(100_000, 0);
        data.validation = Validation::RandomTenth;
        let (train, validation) = train_validation_split(&data);
        assert_eq!((train.len(), validation.len()), (90_000, 10_000));
        assert_eq!((train.clone(), validation.clone()), train_validation_split(&data));
        assert!(train.is_sorted() && validation.is_sorted());
        let mut all = [train, validation.clone()].concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..100_000));
        // 1,000 expected in each tenth of the file, standard deviation 28.
        for tenth in 0..10 {
            let here = validation.iter().filter(|i| **i / 10_000 == tenth).count();
            assert!((850..1150).contains(&here), "{here}");
        }
    }

    #[test]
    fn hex_and_sha256() {
        assert_eq!(hex(&[0, 0xab, 9]), "00ab09");
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
