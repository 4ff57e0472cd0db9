//! One batch on the host: packed bytes, labels and augmentation parameters, as the op `Augment` wants them.
//!
//! Order and augmentation come from streams named by (seed, epoch, sample), so they are the same on every device, for every
//! learner, and after a resume.

use super::{Dataset, Images, Transforms};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// Floats of one image's augmentation parameters: column offset, row offset, flip, cos, sin, three zeros.
pub const PARAM_WORDS: usize = 8;
/// Parameters that leave an image as it is: evaluation, and lanes beyond the last image.
pub const IDENTITY: [f32; PARAM_WORDS] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
/// Zero padding of the random crop, pixels a side.
pub const CROP_PADDING: u32 = 4;
/// Largest rotation either way, degrees (CIFAR-100 only).
pub const MAX_ROTATION: f32 = 15.0;

/// The samples of an epoch in training order. Batches are its chunks; the last one is partial and kept.
pub fn order(seed: u64, epoch: u64, indices: &[u32]) -> Vec<u32> {
    let mut order = indices.to_vec();
    Stream::new(seed, Purpose::DataOrder, epoch, 0).shuffle(&mut order);
    order
}

/// What is drawn for a training image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Augmentation {
    /// The experiment's seed.
    pub seed: u64,
    /// The epoch under way.
    pub epoch: u64,
    /// What the dataset allows beyond the random crop.
    pub transforms: Transforms,
}

impl Augmentation {
    /// Parameters of one sample (its index into the training file): crop offsets uniform in -4..=4, flip with probability 1/2
    /// and rotation uniform in -15..15 degrees where the dataset allows them.
    pub fn params(&self, sample: u32) -> [f32; PARAM_WORDS] {
        let mut stream = Stream::new(self.seed, Purpose::Augmentation, self.epoch, u64::from(sample));
        let mut offset = || stream.below(2 * CROP_PADDING + 1) as f32 - CROP_PADDING as f32;
        let (column, row) = (offset(), offset());
        // Drawn in any case, so that what one dataset does without does not shift the others' numbers.
        let flip = f32::from(u8::from(stream.below(2) == 1 && self.transforms.flip));
        let (sin, cos) =
            if self.transforms.rotate { libm::sincosf((stream.uniform() * 2.0 - 1.0) * MAX_ROTATION.to_radians()) } else { (0.0, 1.0) };
        [column, row, flip, cos, sin, 0.0, 0.0, 0.0]
    }
}

/// A batch ready to be uploaded. Reused from step to step: filling allocates only when it grows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostBatch {
    /// u32 words, 4 pixels each little-endian, image after image, each `[c][h][w]`; `lanes` images.
    pub words: Vec<u32>,
    /// Labels, `lanes` of them; 0 beyond the last image.
    pub labels: Vec<u32>,
    /// `[lanes][PARAM_WORDS]`.
    pub params: Vec<f32>,
    /// Number of real images.
    pub n_valid: usize,
}

impl HostBatch {
    /// Packs `samples` (indices into `images`) into `lanes` lanes, augmented or as they are.
    ///
    /// # Errors
    /// `Shape` where there are more samples than lanes, a sample does not exist or is not here, or an image is not a whole number of words.
    pub fn fill(
        &mut self,
        data: &Dataset,
        images: &Images,
        samples: &[u32],
        lanes: usize,
        augmentation: Option<&Augmentation>,
    ) -> Result<()> {
        let size = data.image_bytes();
        let wrong = |tensor: &str, expected: String, found: String| Error::shape("batch", tensor, expected, found);
        if samples.len() > lanes {
            return Err(wrong("samples", format!("at most {lanes}"), samples.len().to_string()));
        }
        if size == 0 || !size.is_multiple_of(4) {
            return Err(wrong("image", "a multiple of 4 bytes".into(), format!("{size} bytes")));
        }
        self.words.clear();
        self.labels.clear();
        self.params.clear();
        for &sample in samples {
            let Some((bytes, label)) = images.get(sample, size) else {
                let exists = (sample as usize) < images.len();
                let expected = if exists { "that of an image that was loaded".into() } else { format!("below {}", images.len()) };
                return Err(wrong("sample index", expected, sample.to_string()));
            };
            self.words.extend(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            self.labels.push(u32::from(label));
            self.params.extend(augmentation.map_or(IDENTITY, |a| a.params(sample)));
        }
        self.words.resize(lanes * size / 4, 0);
        self.labels.resize(lanes, 0);
        for _ in samples.len()..lanes {
            self.params.extend(IDENTITY);
        }
        self.n_valid = samples.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::data::ABSENT;
    use crate::data::builtin::builtin;

    #[test]
    fn order_is_a_new_permutation_each_epoch() {
        let indices: Vec<u32> = (100..200).collect();
        let (first, second) = (order(1, 0, &indices), order(1, 1, &indices));
        assert_eq!(first, order(1, 0, &indices));
        assert!(first != second && first != indices);
        let mut sorted = second;
        sorted.sort_unstable();
        assert_eq!(sorted, indices);
        assert_eq!(first.chunks(32).map(<[u32]>::len).collect::<Vec<_>>(), [32, 32, 32, 4]);
    }

    #[test]
    fn augmentation_is_uniform_and_named_by_sample() {
        let plain = Augmentation { seed: 3, epoch: 2, transforms: Transforms::default() };
        assert_eq!(plain.params(7), plain.params(7));
        assert_ne!(plain.params(7), Augmentation { epoch: 3, ..plain }.params(7));
        let mut offsets = [[0usize; 9]; 2];
        let mut flips = 0;
        for sample in 0..9000 {
            let p = plain.params(sample);
            offsets[0][(p[0] + 4.0) as usize] += 1;
            offsets[1][(p[1] + 4.0) as usize] += 1;
            flips += p[2] as usize;
            assert_eq!(p[3..], [1.0, 0.0, 0.0, 0.0, 0.0]);
        }
        // 1000 expected of each, standard deviation 30; 4500 flips, standard deviation 47.
        assert!(offsets.iter().flatten().all(|n| (850..1150).contains(n)), "{offsets:?}");
        assert!((4250..4750).contains(&flips), "{flips}");
        // Rotation changes nothing else, and stays within 15 degrees.
        let rotated = Augmentation { transforms: Transforms { rotate: true, flip: true }, ..plain };
        let mut widest = 0f32;
        for sample in 0..2000 {
            let (p, q) = (plain.params(sample), rotated.params(sample));
            assert_eq!(p[..3], q[..3]);
            assert!((q[3] * q[3] + q[4] * q[4] - 1.0).abs() < 1e-6);
            widest = widest.max(q[4].atan2(q[3]).to_degrees().abs());
        }
        assert!(widest > 14.5 && widest <= 15.001, "{widest}");
        // Without flips the crop is the same.
        let upright = Augmentation { transforms: Transforms { flip: false, rotate: false }, ..plain };
        for sample in 0..100 {
            let (p, q) = (plain.params(sample), upright.params(sample));
            assert_eq!((q[..2].to_vec(), q[2]), (p[..2].to_vec(), 0.0));
        }
    }

    #[test]
    fn partial_batch_is_padded_with_nothing() {
        let data = builtin(0.5, 10, 0, 1);
        let mut batch = HostBatch::default();
        batch.fill(&data, &data.train, &[9, 0, 4], 8, None).unwrap();
        assert_eq!((batch.words.len(), batch.labels.len(), batch.params.len(), batch.n_valid), (8 * 768, 8, 64, 3));
        let bytes: Vec<u8> = batch.words.iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(bytes[..3072], data.train.bytes[9 * 3072..]);
        assert_eq!(bytes[2 * 3072..3 * 3072], data.train.bytes[4 * 3072..5 * 3072]);
        assert!(bytes[3 * 3072..].iter().all(|b| *b == 0));
        assert_eq!(batch.labels[..3], [9usize, 0, 4].map(|i| u32::from(data.train.labels[i])));
        assert!(batch.params.chunks_exact(PARAM_WORDS).all(|p| p == IDENTITY));
        let augmentation = Augmentation { seed: 1, epoch: 0, transforms: data.augmentation };
        batch.fill(&data, &data.train, &[5], 4, Some(&augmentation)).unwrap();
        assert_eq!((batch.words.len(), batch.params[..8].to_vec()), (4 * 768, augmentation.params(5).to_vec()));
    }

    #[test]
    fn wrong_samples_are_errors() {
        let data = builtin(0.5, 4, 0, 1);
        let mut batch = HostBatch::default();
        let text = |r: Result<()>| r.unwrap_err().to_string();
        assert_eq!(text(batch.fill(&data, &data.train, &[4], 4, None)), "batch: sample index should be below 4, found 4");
        assert!(text(batch.fill(&data, &data.train, &[0; 5], 4, None)).contains("at most 4"));
        let mut part = data.clone();
        part.train.labels[2] = ABSENT;
        assert!(batch.fill(&part, &part.train, &[1, 3], 4, None).is_ok());
        assert!(text(batch.fill(&part, &part.train, &[1, 2], 4, None)).contains("an image that was loaded, found 2"));
        let odd = Dataset { extent: (1, 3, 3), ..data.clone() };
        assert!(text(batch.fill(&odd, &odd.train, &[0], 4, None)).contains("multiple of 4"));
    }
}
