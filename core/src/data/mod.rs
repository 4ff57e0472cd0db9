//! Images as bytes in host memory: datasets, archives, the built-in set, splits.
//!
//! Nothing here is downloaded by the core; binaries and the page bring bytes, this module checks and decodes them.

use crate::named_enum;

pub mod batch;
pub mod builtin;
pub mod chunks;
pub mod cifar;
mod sheets;

/// Images of one extent and their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// `len * c*h*w` bytes, image after image, each `[c][h][w]`.
    pub bytes: Vec<u8>,
    /// One a image.
    pub labels: Vec<u16>,
}

impl Images {
    /// Room for `len` images of `size` bytes each, all zero.
    pub fn zeroed(len: usize, size: usize) -> Self {
        Self { bytes: vec![0; len * size], labels: vec![0; len] }
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
    /// "cifar10" or "builtin".
    pub name: String,
    /// Class names, by label.
    pub classes: Vec<String>,
    /// Channels, height, width.
    pub extent: (usize, usize, usize),
    /// Normalisation mean by channel (pixels in 0..=1).
    pub mean: [f32; 4],
    /// Normalisation standard deviation by channel.
    pub std: [f32; 4],
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
    }
}

impl Normalization {
    /// (mean, standard deviation) by channel, pixels in 0..=1. The fourth channel is left as it is.
    pub fn mean_std(self) -> ([f32; 4], [f32; 4]) {
        let (m, s) = match self {
            Self::Cifar10 => ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]),
            Self::Cifar100 => ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
            Self::TinyImageNet => ([0.4802, 0.4481, 0.3975], [0.2302, 0.2265, 0.2262]),
            Self::ImageNet => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            Self::BuiltIn => (builtin::MEAN, builtin::STD),
        };
        ([m[0], m[1], m[2], 0.0], [s[0], s[1], s[2], 1.0])
    }
}

/// Indices into the training file: the first part trains, the rest validates (reference: 45,000 and 5,000 for CIFAR).
pub fn train_validation_split(dataset: &Dataset) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let n = dataset.train.labels.len();
    let train = n * 9 / 10;
    (0..train, train..n)
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
        assert_eq!(train_validation_split(&data), (0..90, 90..101));
        data.train = Images::zeroed(50_000, 0);
        assert_eq!(train_validation_split(&data), (0..45_000, 45_000..50_000));
    }

    #[test]
    fn hex_and_sha256() {
        assert_eq!(hex(&[0, 0xab, 9]), "00ab09");
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn normalization_by_name() {
        assert_eq!("ImageNet".parse::<Normalization>().unwrap().mean_std().0, [0.485, 0.456, 0.406, 0.0]);
        assert!("cifar".parse::<Normalization>().unwrap_err().to_string().contains("cifar100"));
    }
}
