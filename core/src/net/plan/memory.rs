//! What a network takes on a device.

use super::{Moments, Net, WeightSlot};
use crate::net::scratch::Scratch;

/// Device bytes of a planned network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Weights, biases and BatchNorm's tensors, with masks and sparse indices.
    pub weights: u64,
    /// Momentum and Adam's moments, and sums of gradients.
    pub moments: u64,
    /// Activations and gradients inside a step: the whole pool, which all networks of a session share.
    pub scratch: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.moments + self.scratch
    }
}

impl Net {
    /// What this network takes on its device, together with the pool it works in. The batch itself is not counted.
    pub fn memory(&self, scratch: &Scratch) -> Memory {
        let mut words = [0; 2];
        let mut count = |values: usize, moments: &Moments, copies: usize| {
            words[0] += values * copies;
            words[1] += values * moments.buffers().count();
        };
        for slot in &self.weights {
            count(slot.words(), &slot.moments, 1 + usize::from(slot.mask.is_some()));
        }
        for slot in self.biases.iter().chain(&self.affines) {
            count(slot.words * slot.names.len(), &slot.moments, 1);
        }
        let [values, moments] = words;
        let index: usize = self.weights.iter().map(WeightSlot::index_words).sum();
        let running: usize = self.running.iter().map(|(_, _, c)| 2 * c).sum();
        let bytes = |words: usize| 4 * words as u64;
        Memory { weights: bytes(values + index + running), moments: bytes(moments), scratch: scratch.bytes() as u64 }
    }
}
