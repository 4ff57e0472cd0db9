//! Images as bytes in host memory: datasets, archives, the built-in set, splits.
//!
//! Nothing here is downloaded by the core; binaries and the page bring bytes, this module checks and decodes them.

/// Images of one extent and their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// `len * c*h*w` bytes, image after image, each `[c][h][w]`.
    pub bytes: Vec<u8>,
    /// One a image.
    pub labels: Vec<u16>,
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
    /// Normalisation mean by channel (pixels in [0,1]).
    pub mean: [f32; 4],
    /// Normalisation standard deviation by channel.
    pub std: [f32; 4],
    /// The training file in its own order; splits index into it.
    pub train: Images,
    /// The test file.
    pub test: Images,
}

/// Indices into the training file: the first part trains, the rest validates (reference: 45,000 and 5,000 for CIFAR).
pub fn train_validation_split(dataset: &Dataset) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let n = dataset.train.labels.len();
    let train = n * 9 / 10;
    (0..train, train..n)
}
