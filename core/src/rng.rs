//! Random streams named by (seed, purpose, epoch, index).
//!
//! A stream's numbers depend on its name alone, never on what was drawn elsewhere, so data order, augmentation,
//! initial weights and masks are the same on every device and after a resume.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for; part of its name. The numbers are part of the format: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Initial dense weights; index = weight tensor.
    Weights = 1,
    /// Initial masks; index = weight tensor.
    Masks = 2,
    /// Order of the training samples; epoch = epoch.
    DataOrder = 3,
    /// Augmentation; epoch = epoch, index = sample.
    Augmentation = 4,
    /// Random growth; epoch = update number, index = weight tensor.
    Growth = 5,
    /// Parts of a dataset; epoch 0 = random subsets, 1 = their limits, 2 = `p_data`, 3 = validation, 4 = a folder's test images, 5 = random scores,
    /// 6 = limits of files.
    Subset = 6,
    /// The built-in procedural images; index = image.
    BuiltIn = 7,
    /// Tests and benchmarks.
    Test = 8,
    /// Weights of the copy whose connections SNIP scores; index = weight tensor.
    Saliency = 9,
    /// Random starts of attacks; epoch = epoch, or 2^32 + restart of an evaluation, index = sample.
    Attack = 10,
    /// AutoAttack; epoch = part * 2^32 + iteration (of targeted APGD: rank of the target), index = sample.
    AutoAttack = 20,
    /// Corrupted images; epoch = part, kind and severity (0 for what is drawn of these two), index = sample.
    Corruption = 21,
}

/// One named stream (ChaCha8 keyed by the name).
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of this name.
    pub fn new(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> Self {
        let mut key = [0u8; 32];
        for (slot, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch, index]) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }
    /// 32 uniform bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }
    /// Uniform in 0..1, 24 bits.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }
    /// Uniform integer in 0..bound without bias (Lemire's multiply and reject). `bound` must not be zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }
    /// Standard normal (Box-Muller, `libm`, so the bits are the same everywhere).
    pub fn normal(&mut self) -> f32 {
        let u = 1.0 - f64::from(self.uniform());
        let v = f64::from(self.uniform());
        (libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * v)) as f32
    }
    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u32 + 1) as usize;
            items.swap(i, j);
        }
    }
    /// `count` distinct elements of 0..n in increasing order (partial Fisher-Yates).
    pub fn choose(&mut self, n: usize, count: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..n as u32).collect();
        let count = count.min(n);
        for i in 0..count {
            let j = i + self.below((n - i) as u32) as usize;
            all.swap(i, j);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }
    /// 0..n in two parts, both increasing: `count` distinct elements as [`Self::choose`] draws them, and the rest.
    pub fn split(&mut self, n: usize, count: usize) -> (Vec<u32>, Vec<u32>) {
        let chosen = self.choose(n, count);
        let rest = (0..n as u32).filter(|i| chosen.binary_search(i).is_err()).collect();
        (chosen, rest)
    }
}
