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
pub mod packed;
#[cfg(feature = "decoders")]
pub mod pictures;
mod python;
mod report;
mod sheets;
#[cfg(feature = "decoders")]
pub mod tinyimagenet;

pub use bytes::{Bytes, Whole};
pub use name::DatasetName;
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

/// Images of one extent and their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// `len * c*h*w` bytes, image after image, each `[c][h][w]`.
    pub bytes: Bytes,
    /// One a image.
    pub labels: Vec<u16>,
}

impl Images {
    /// Room for `len` images of `size` bytes each, all zero.
    pub fn zeroed(len: usize, size: usize) -> Self {
        Self { bytes: vec![0; len * size].into(), labels: vec![0; len] }
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
}

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

named_enum! {
    /// Mean and standard deviation that a network's input is normalised by.
    pub enum Normalization ("normalization") {
        /// CIFAR-10's own.
        Cifar10 = "cifar10",
        /// CIFAR-100's own.
        Cifar100 = "cifar100",
        /// Tiny ImageNet's own.
        TinyImageNet = "tinyimagenet",
        /// ImageNet's, which many published CIFAR networks were trained with.
        ImageNet = "imagenet",
        /// The built-in set's at its default difficulty.
        BuiltIn = "builtin",
        /// The grey built-in set's at its default difficulty.
        BuiltInGrey = "builtin-grey",
        /// MNIST's own.
        Mnist = "mnist",
    }
}

impl DatasetName {
    /// What its images are normalised by. A folder of pictures takes ImageNet's, which holds for photographs in general.
    pub fn normalization(self) -> Normalization {
        match self {
            Self::Cifar10 => Normalization::Cifar10,
            Self::Cifar100 | Self::Cifar100Coarse => Normalization::Cifar100,
            Self::TinyImageNet => Normalization::TinyImageNet,
            Self::Mnist => Normalization::Mnist,
            Self::Folder => Normalization::ImageNet,
            Self::BuiltIn => Normalization::BuiltIn,
            Self::BuiltInGrey => Normalization::BuiltInGrey,
        }
    }
}

impl Normalization {
    /// (mean, standard deviation) by channel, pixels in 0..=1. The fourth channel is left as it is.
    pub fn mean_std(self) -> ([f32; 4], [f32; 4]) {
        let grey = |mean: f32, std: f32| ([mean, 0.0, 0.0, 0.0], [std, 1.0, 1.0, 1.0]);
        let (m, s) = match self {
            Self::Cifar10 => ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]),
            Self::Cifar100 => ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
            Self::TinyImageNet => ([0.4802, 0.4481, 0.3975], [0.2302, 0.2265, 0.2262]),
            Self::ImageNet => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            Self::BuiltIn => (builtin::MEAN, builtin::STD),
            Self::BuiltInGrey => return grey(builtin::GREY_MEAN, builtin::GREY_STD),
            Self::Mnist => return grey(0.1307, 0.3081),
        };
        ([m[0], m[1], m[2], 0.0], [s[0], s[1], s[2], 1.0])
    }
}

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

    #[test]
    fn normalization_by_name() {
        assert_eq!("ImageNet".parse::<Normalization>().unwrap().mean_std().0, [0.485, 0.456, 0.406, 0.0]);
        assert_eq!("mnist".parse::<Normalization>().unwrap().mean_std(), ([0.1307, 0.0, 0.0, 0.0], [0.3081, 1.0, 1.0, 1.0]));
        for name in DatasetName::ALL {
            let (_, std) = name.normalization().mean_std();
            assert!(std.iter().all(|s| *s > 0.0), "{name}");
        }
        assert!("cifar".parse::<Normalization>().unwrap_err().to_string().contains("cifar100"));
    }
}
