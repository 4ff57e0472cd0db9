//! Hard by corruption: the 19 common corruptions of CIFAR-C at five severities, natively and in the page alike.
//!
//! Every image is corrupted by numbers named after (seed, split, index, kind, severity), so a run, its resumption and an exported
//! set agree. Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions", 2019.

mod blur;
mod digital;
mod filters;
mod jpeg;
mod noise;
mod set;
#[cfg(test)]
mod tests;
mod weather;

pub use set::{CorruptionSet, Severities};

use crate::data::{Dataset, Images, Split};
use crate::error::{Error, Result};
use crate::names::named_enum;
use crate::platform::parallel;
use crate::rng::{Purpose, Stream};

named_enum! {
    /// A kind of corruption: the fifteen standard ones, then the four extra ones.
    pub enum Corruption ("corruption") {
        /// Normal noise, added.
        GaussianNoise = "gaussian-noise",
        /// Poisson noise, as of few photons.
        ShotNoise = "shot-noise",
        /// Salt and pepper.
        ImpulseNoise = "impulse-noise",
        /// A lens out of focus: a disk.
        DefocusBlur = "defocus-blur",
        /// Frosted glass: blurred, pixels swapped, blurred.
        GlassBlur = "glass-blur",
        /// The camera moved.
        MotionBlur = "motion-blur",
        /// The camera came nearer: the mean of zooms.
        ZoomBlur = "zoom-blur",
        /// Snow flakes and their paleness.
        Snow = "snow",
        /// Ice crystals on the lens, made by a procedure.
        Frost = "frost",
        /// A diamond-square cloud.
        Fog = "fog",
        /// HSV value raised.
        Brightness = "brightness",
        /// Drawn to the channel's mean.
        Contrast = "contrast",
        /// A random affine map and a smooth displacement.
        ElasticTransform = "elastic-transform",
        /// Fewer pixels.
        Pixelate = "pixelate",
        /// What JPEG loses.
        JpegCompression = "jpeg-compression",
        /// A normal blur (extra).
        GaussianBlur = "gaussian-blur",
        /// HSV saturation changed (extra).
        Saturate = "saturate",
        /// Water or mud on the lens (extra).
        Spatter = "spatter",
        /// Noise in proportion to the pixel (extra).
        SpeckleNoise = "speckle-noise",
    }
}

named_enum! {
    /// Kinds of corruption that are alike.
    pub enum Family ("family of corruptions") {
        /// Values of pixels are off by chance.
        Noise = "noise",
        /// Neighbouring pixels run into each other.
        Blur = "blur",
        /// As if taken outdoors.
        Weather = "weather",
        /// What processing does.
        Digital = "digital",
    }
}

impl Corruption {
    /// How many of [`Self::ALL`], from the first, make up the standard benchmark.
    pub const STANDARD: usize = 15;
    /// What it is like.
    pub fn family(self) -> Family {
        match self {
            Self::GaussianNoise | Self::ShotNoise | Self::ImpulseNoise | Self::SpeckleNoise => Family::Noise,
            Self::DefocusBlur | Self::GlassBlur | Self::MotionBlur | Self::ZoomBlur | Self::GaussianBlur => Family::Blur,
            Self::Snow | Self::Frost | Self::Fog | Self::Brightness | Self::Spatter => Family::Weather,
            Self::Contrast | Self::ElasticTransform | Self::Pixelate | Self::JpegCompression | Self::Saturate => Family::Digital,
        }
    }
    /// Whether it is one of the four beyond the standard benchmark.
    pub fn is_extra(self) -> bool {
        self as usize >= Self::STANDARD
    }
    /// The name of its file in CIFAR-C's archives, without `.npy`.
    pub fn file_stem(self) -> String {
        self.name().replace('-', "_")
    }
}

/// How strong a corruption is, 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Severity(u8);

impl Severity {
    /// All five, in order.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];
    /// The severity of this number.
    ///
    /// # Errors
    /// `Config` where it is not 1 to 5.
    pub fn new(number: u8) -> Result<Self> {
        if (1..=5).contains(&number) { Ok(Self(number)) } else { Err(Error::config(format!("a severity is 1 to 5, found {number}"))) }
    }
    /// 1 to 5.
    pub fn number(self) -> u8 {
        self.0
    }
    /// Its entry in a table of constants.
    fn of<T: Copy>(self, table: [T; 5]) -> T {
        table[usize::from(self.0) - 1]
    }
}

/// An image with pixels in 0..=1.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Channels: three are red, green and blue; any other number is taken as so many grey planes.
    pub c: usize,
    /// Height.
    pub h: usize,
    /// Width.
    pub w: usize,
    /// `[c][h][w]`.
    pub data: Vec<f32>,
}

impl Picture {
    /// From bytes `[c][h][w]`.
    ///
    /// # Errors
    /// `Shape` where these are not as many bytes, or none.
    pub fn from_bytes((c, h, w): (usize, usize, usize), bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() || bytes.len() != c * h * w {
            let (tensor, expected) = ("image".to_owned(), format!("{c}x{h}x{w} bytes, not none"));
            return Err(Error::shape("corruption", tensor, expected, bytes.len().to_string()));
        }
        Ok(Self { c, h, w, data: bytes.iter().map(|b| f32::from(*b) / 255.0).collect() })
    }
    /// Rounds to the nearest bytes.
    pub fn to_bytes(&self, bytes: &mut [u8]) {
        for (byte, value) in bytes.iter_mut().zip(&self.data) {
            *byte = (value * 255.0 + 0.5) as u8;
        }
    }
    /// Pixels are given for a side of 32; lengths grow with the side.
    fn scale(&self) -> f32 {
        self.h.min(self.w) as f32 / 32.0
    }
    fn planes(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        self.data.chunks_exact_mut(self.h * self.w)
    }
    fn clip(&mut self) {
        self.data.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
    }
}

/// Corrupts an image; the result is within 0..=1. Only the random kinds draw from `stream`.
pub fn corrupt(image: &mut Picture, kind: Corruption, severity: Severity, stream: &mut Stream) {
    match kind {
        Corruption::GaussianNoise => noise::gaussian(image, severity, stream),
        Corruption::ShotNoise => noise::shot(image, severity, stream),
        Corruption::ImpulseNoise => noise::impulse(image, severity, stream),
        Corruption::SpeckleNoise => noise::speckle(image, severity, stream),
        Corruption::GaussianBlur => blur::gaussian(image, severity),
        Corruption::DefocusBlur => blur::defocus(image, severity),
        Corruption::GlassBlur => blur::glass(image, severity, stream),
        Corruption::MotionBlur => blur::motion(image, severity, stream),
        Corruption::ZoomBlur => blur::zoom(image, severity),
        Corruption::Fog => weather::fog(image, severity, stream),
        Corruption::Frost => weather::frost(image, severity, stream),
        Corruption::Snow => weather::snow(image, severity, stream),
        Corruption::Spatter => weather::spatter(image, severity, stream),
        Corruption::Brightness => digital::brightness(image, severity),
        Corruption::Contrast => digital::contrast(image, severity),
        Corruption::Saturate => digital::saturate(image, severity),
        Corruption::Pixelate => digital::pixelate(image, severity),
        Corruption::ElasticTransform => digital::elastic(image, severity, stream),
        Corruption::JpegCompression => jpeg::compress(image, severity.of([80, 65, 58, 50, 40])),
    }
    image.clip();
}

/// The random numbers of one corrupted image, named by the file that it is of among other things.
pub fn stream(seed: u64, split: Split, index: u64, kind: Corruption, severity: Severity) -> Stream {
    let name = ((split as u64) << 32) | ((kind as u64 + 1) << 8) | u64::from(severity.0);
    Stream::new(seed, Purpose::Corruption, name, index)
}

/// Corrupts one image of bytes `[c][h][w]` where it lies.
///
/// # Errors
/// `Shape` as [`Picture::from_bytes`].
pub fn corrupt_bytes(
    bytes: &mut [u8],
    extent: (usize, usize, usize),
    kind: Corruption,
    severity: Severity,
    stream: &mut Stream,
) -> Result<()> {
    let mut image = Picture::from_bytes(extent, bytes)?;
    corrupt(&mut image, kind, severity, stream);
    image.to_bytes(bytes);
    Ok(())
}

/// What happens to the images of an experiment: each is corrupted by one kind at one severity, drawn by seed and index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The kinds drawn from.
    pub kinds: CorruptionSet,
    /// The severities drawn from.
    pub severities: Severities,
    /// The experiment's seed.
    pub seed: u64,
}

impl Plan {
    /// Kind and severity of an image; `None` where nothing is corrupted.
    pub fn draw(&self, split: Split, index: u32) -> Option<(Corruption, Severity)> {
        let kinds: Vec<Corruption> = self.kinds.iter().collect();
        let mut stream = Stream::new(self.seed, Purpose::Corruption, (split as u64) << 32, u64::from(index));
        let kind = *kinds.get(stream.below(kinds.len().max(1) as u32) as usize)?;
        let severity = match self.severities {
            Severities::Mixed => Severity::ALL[stream.below(5) as usize],
            Severities::One(severity) => severity,
        };
        Some((kind, severity))
    }

    /// A copy of a dataset in which these images, by index and in increasing order, are corrupted.
    ///
    /// # Errors
    /// `Shape` where the images are not of the dataset's extent.
    pub fn apply(&self, data: &Dataset, train: &[u32], test: &[u32]) -> Result<Dataset> {
        let mut out = data.clone();
        self.images(&mut out.train, Split::Train, train, data.extent)?;
        self.images(&mut out.test, Split::Test, test, data.extent)?;
        Ok(out)
    }

    fn images(&self, images: &mut Images, split: Split, which: &[u32], extent: (usize, usize, usize)) -> Result<()> {
        let size = extent.0 * extent.1 * extent.2;
        let wrong = || Error::shape("corruption", "images", format!("of {size} bytes each"), "others");
        let count = images.len();
        if size == 0 || images.bytes.len() != count * size || which.iter().any(|i| *i as usize >= count) {
            return Err(wrong());
        }
        parallel::chunks_mut(images.bytes.to_mut(), size, |i, bytes| {
            if which.binary_search(&(i as u32)).is_ok()
                && let Some((kind, severity)) = self.draw(split, i as u32)
            {
                // The extent was checked above, the only thing that can be wrong.
                let _ = corrupt_bytes(bytes, extent, kind, severity, &mut stream(self.seed, split, i as u64, kind, severity));
            }
        });
        Ok(())
    }
}

/// Test images `[n][c][h][w]` as bytes, all corrupted by one kind at one severity; image `i` by the numbers of index `i`.
///
/// # Errors
/// `Shape` where the bytes are not whole images.
pub fn corrupt_all(bytes: &[u8], extent: (usize, usize, usize), kind: Corruption, severity: Severity, seed: u64) -> Result<Vec<u8>> {
    let count = bytes.len() / (extent.0 * extent.1 * extent.2).max(1);
    corrupt_samples(bytes, extent, &(0..count as u32).collect::<Vec<_>>(), kind, severity, seed)
}

/// These of the test images, by index, each as [`corrupt_all`] leaves it.
///
/// # Errors
/// `Shape` where the bytes are not whole images, or there are fewer.
pub fn corrupt_samples(
    bytes: &[u8],
    extent: (usize, usize, usize),
    samples: &[u32],
    kind: Corruption,
    severity: Severity,
    seed: u64,
) -> Result<Vec<u8>> {
    let size = extent.0 * extent.1 * extent.2;
    let count = bytes.len() / size.max(1);
    if size == 0 || !bytes.len().is_multiple_of(size) || samples.iter().any(|i| *i as usize >= count) {
        let (tensor, expected) = ("images".to_owned(), format!("whole images of {size} bytes"));
        return Err(Error::shape("corruption", tensor, expected, bytes.len().to_string()));
    }
    let mut out: Vec<u8> = Vec::with_capacity(samples.len() * size);
    samples.iter().for_each(|i| out.extend_from_slice(&bytes[*i as usize * size..][..size]));
    parallel::chunks_mut(&mut out, size, |place, image| {
        // The extent was checked above, the only thing that can be wrong.
        let mut stream = stream(seed, Split::Test, u64::from(samples[place]), kind, severity);
        let _ = corrupt_bytes(image, extent, kind, severity, &mut stream);
    });
    Ok(out)
}
