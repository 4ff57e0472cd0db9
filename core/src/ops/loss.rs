//! Softmax cross-entropy with everything that is free once the probabilities are known.
//!
//! Per sample: loss, EL2N, true-class probability and the answer; for the batch: sums that are read back once a slice.

use super::contract::{Check, Contract, Slot, require};
use super::{BufferId, Shape, StepParams};

/// Words of one sample's record in `samples`: loss, squared EL2N, true-class probability, predicted class (as a float).
pub const SAMPLE_WORDS: usize = 4;

/// Words of `totals`: sum of losses, number correct, number of samples, number of non-finite losses.
pub const TOTAL_WORDS: usize = 4;

/// Softmax (shifted by the maximum) cross-entropy over `logits [classes, 1, 1, n]`.
///
/// With `e` the step's [`StepParams::label_smoothing`], the target is `(1 - e) * one_hot + e / classes` (Szegedy et al. 2016,
/// section 7; PyTorch's `label_smoothing`): the loss is the cross-entropy to it, and
/// `dlogits = (softmax - target) / StepParams::divisor`, zero on padded lanes. The predicted class is the first maximum.
/// EL2N is the squared norm of `softmax - one_hot`, smoothed or not. A sample's record goes to `samples[(sample_offset + lane) * 4 ..]`;
/// totals are added to in lane order (a fixed tree), so they can be read once for many steps. A non-finite loss counts in
/// `totals[3]` and is not added to the loss sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftmaxCrossEntropy {
    /// Number of classes.
    pub classes: usize,
    /// Padded batch.
    pub n: usize,
    /// `[classes][n]`.
    pub logits: BufferId,
    /// u32 `[n]`.
    pub labels: BufferId,
    /// `[classes][n]`, written where given.
    pub dlogits: Option<BufferId>,
    /// f32, [`SAMPLE_WORDS`] a sample.
    pub samples: BufferId,
    /// f32 `[`[`TOTAL_WORDS`]`]`, added to.
    pub totals: BufferId,
}

impl Contract for SoftmaxCrossEntropy {
    fn check(&self) -> Check {
        Shape { c: self.classes, h: 1, w: 1, n: self.n }.check("logits")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let len = self.classes * self.n;
        vec![
            Slot::read("logits", &mut self.logits, len),
            Slot::index("labels", &mut self.labels, self.n),
            Slot::write("dlogits", self.dlogits.as_mut(), len),
            Slot::write("samples", &mut self.samples, SAMPLE_WORDS).open(),
            Slot::update("totals", &mut self.totals, TOTAL_WORDS),
        ]
    }
    fn check_step(&self, step: &StepParams, words: usize) -> Check {
        let (first, count) = (step.sample_offset as usize, (step.n_valid as usize).min(self.n));
        let needed = (first + count) * SAMPLE_WORDS;
        require(needed <= words, "samples", &format!("at least {needed} floats for {count} samples from {first}"), words)
    }
}
