//! What a network takes on a device, and the two ways to take less: activations computed twice, and a batch in parts.
//!
//! A batch in parts sums every gradient in a buffer of its own; after the last part one update consumes the sums.

use super::{Attacked, Moments, Net, Updates};
use crate::config::{ExperimentConfig, OptimizerName};
use crate::device::{Device, Program};
use crate::error::{Error, Result};
use crate::net::scratch::Scratch;
use crate::net::tape::{Sink, Target};
use crate::ops::{Add, BufferId, Fill, Op, StepParams};

/// How a network is trained: an optimiser alone, or with what saves memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// The optimiser.
    pub optimizer: OptimizerName,
    /// Compute activations again in the backward pass instead of keeping them.
    pub recompute: bool,
    /// Sum the gradients of several parts of a batch before each update.
    pub in_parts: bool,
    /// The attack whose adversarial pixels are trained on.
    pub attack: Option<Attacked>,
}

impl From<OptimizerName> for Training {
    fn from(optimizer: OptimizerName) -> Self {
        Self { optimizer, recompute: false, in_parts: false, attack: None }
    }
}

impl From<&ExperimentConfig> for Training {
    fn from(config: &ExperimentConfig) -> Self {
        let in_parts = config.samples_a_pass() < config.batch_size;
        Self { optimizer: config.optimizer, recompute: config.recompute, in_parts, attack: None }
    }
}

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
        let index: usize = self.weights.iter().map(super::WeightSlot::index_words).sum();
        let running: usize = self.running.iter().map(|(_, _, c)| 2 * c).sum();
        let bytes = |words: usize| 4 * words as u64;
        Memory { weights: bytes(values + index + running), moments: bytes(moments), scratch: bytes(scratch.words()) }
    }

    /// One part of a training step, on what is in the batch buffers; the `last` part updates the weights. Adam's corrections are
    /// filled in here. `step.batch` says how many samples all parts have together.
    ///
    /// # Errors
    /// `Validation` where there is more than one part and the network was not planned for that; what the device says.
    pub fn train_part(&mut self, device: &mut Device, step: &StepParams, last: bool) -> Result<()> {
        if !last && self.update.is_none() {
            return Err(Error::validation("a network planned for whole batches was given a part of one"));
        }
        self.steps += u64::from(last);
        let t = self.steps as f64;
        let correction = |beta: f32| (1.0 - libm::pow(f64::from(beta), t)) as f32;
        let step = StepParams { correction1: correction(step.momentum), correction2: correction(step.beta2), ..*step };
        device.run(&self.train, &step)?;
        match &self.update {
            Some(update) if last => device.run(update, &step),
            _ => Ok(()),
        }
    }
}

/// Gradients that are added to their sums.
pub(super) struct Sums<'a>(pub Updates<'a>);

impl Sums<'_> {
    /// The program that consumes the sums and empties them.
    pub fn update(&mut self, device: &mut Device) -> Result<Program> {
        let Updates { slots, biases, affines, .. } = &self.0;
        let weights = (0..slots.len()).map(Target::Weight);
        let all: Vec<Target> = weights.chain((0..biases.len()).map(Target::Bias)).chain((0..affines.len()).map(Target::Affine)).collect();
        let mut ops = Vec::new();
        for target in all {
            let (_, len, moments, _) = self.0.of(target);
            if let Some(buffer) = moments.sum.filter(|_| len > 0) {
                self.0.done(target, buffer, &mut ops);
                ops.push(Op::Fill(Fill { len, buffer, value: 0.0 }));
            }
        }
        device.compile("update", &ops)
    }
}

impl Sink for Sums<'_> {
    fn dense(&self, index: usize) -> bool {
        self.0.dense(index)
    }
    fn buffer(&mut self, target: Target) -> Option<BufferId> {
        self.0.buffer(target)
    }
    fn done(&mut self, target: Target, grad: BufferId, ops: &mut Vec<Op>) {
        let (_, len, moments, _) = self.0.of(target);
        if let Some(y) = moments.sum.filter(|_| len > 0) {
            ops.push(Op::Add(Add { len, x: grad, y }));
        }
    }
}
