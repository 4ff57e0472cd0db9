//! The training step: forward, backward, and each weight's update as soon as its gradient exists; of a whole batch, or of a batch
//! in parts, whose gradients are summed before one update.

use super::{Lists, Moments, Net, VectorSlot, WeightSlot, compile};
use crate::device::{Device, Program};
use crate::error::{Error, Result};
use crate::net::scratch::Scratch;
use crate::net::tape::{Bound, Mode, Sink, Tape, Target};
use crate::ops::{AdamUpdate, Add, BufferId, DenseFrom, Fill, Op, OptimizerName, Precision, SgdUpdate, StepParams};

/// How a network is trained: an optimiser alone, or with what saves memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// The optimiser.
    pub optimizer: OptimizerName,
    /// How activations are stored, in training and in evaluation.
    pub precision: Precision,
    /// Compute activations again in the backward pass instead of keeping them.
    pub recompute: bool,
    /// Sum the gradients of several parts of a batch before each update.
    pub in_parts: bool,
    /// Masked weights: momentum of inactive weights is zeroed.
    pub momentum_reset: bool,
    /// The pixels that are trained on in place of the batch of bytes: those of an attack.
    pub pixels: Option<BufferId>,
}

impl From<OptimizerName> for Training {
    fn from(optimizer: OptimizerName) -> Self {
        Self { optimizer, precision: Precision::F32, recompute: false, in_parts: false, momentum_reset: false, pixels: None }
    }
}

/// The programs of a training step.
pub(super) struct TrainPrograms {
    /// Forward, backward, and the update or the sums of gradients.
    pub step: Program,
    /// What updates the weights where `step` only sums gradients.
    pub update: Option<Program>,
}

impl Net {
    /// From now on its ops are written as for a GPU, wherever its buffers are; for counts on paper, since no program is compiled again.
    pub fn written_for_a_gpu(mut self) -> Self {
        (self.norms_on_load, self.dense_from) = (false, DenseFrom::GPU);
        self
    }

    /// The ops of a training step in order, over the buffers as they are now, for whoever measures each by itself.
    ///
    /// # Errors
    /// What the device says.
    pub fn training_ops(&self, device: &mut Device, scratch: &mut Scratch) -> Result<Vec<Op>> {
        let lists = Lists::new(&self.weights, &self.biases, &self.affines, &self.running);
        let bound = lists.bound(self.train_io());
        let (mut ops, names) = self.write_training(&bound)?.finish();
        scratch.place(device, &names, &mut ops)?;
        Ok(ops)
    }

    fn write_training<'a>(&'a self, bound: &'a Bound<'a>) -> Result<Tape<'a>> {
        let mut tape = self.tape(bound, self.n, Mode::Train);
        tape.forward();
        tape.loss(true, self.io.samples, self.io.totals);
        let Self { weights, biases, affines, training, .. } = self;
        let mut updates = Updates { slots: weights, biases, affines, momentum_reset: training.momentum_reset };
        if training.in_parts {
            tape.backward(&mut Sums(updates))?;
        } else {
            tape.backward(&mut updates)?;
        }
        Ok(tape)
    }

    /// Writes and compiles the training step over the buffers as they are now.
    pub(super) fn compile_training(&self, device: &mut Device, scratch: &mut Scratch) -> Result<TrainPrograms> {
        let lists = Lists::new(&self.weights, &self.biases, &self.affines, &self.running);
        let bound = lists.bound(self.train_io());
        let tape = self.write_training(&bound)?;
        let Self { weights, biases, affines, training, .. } = self;
        let updates = Updates { slots: weights, biases, affines, momentum_reset: training.momentum_reset };
        let update = if training.in_parts { Some(Sums(updates).update(device)?) } else { None };
        Ok(TrainPrograms { step: compile(device, scratch, "train", tape)?, update })
    }

    /// One training step on the batch that is in the io buffers. Adam's corrections are filled in here.
    ///
    /// # Errors
    /// What the device says.
    pub fn train_step(&mut self, device: &mut Device, step: &StepParams) -> Result<()> {
        self.train_part(device, step, true)
    }

    /// One part of a training step, on what is in the batch buffers; the `last` part updates the weights. Adam's corrections are
    /// filled in here. `step.batch` says how many samples all parts have together.
    ///
    /// # Errors
    /// `Validation` where there is more than one part and the network was not planned for that; what the device says.
    pub fn train_part(&mut self, device: &mut Device, step: &StepParams, last: bool) -> Result<()> {
        if !last && self.train.update.is_none() {
            return Err(Error::validation("a network planned for whole batches was given a part of one"));
        }
        self.steps += u64::from(last);
        let t = self.steps as f64;
        let correction = |beta: f32| (1.0 - libm::pow(f64::from(beta), t)) as f32;
        let step = StepParams { correction1: correction(step.momentum), correction2: correction(step.beta2), ..*step };
        device.run(&self.train.step, &step)?;
        match &self.train.update {
            Some(update) if last => device.run(update, &step),
            _ => Ok(()),
        }
    }
}

/// Gradients that are consumed by the optimiser at once.
struct Updates<'a> {
    slots: &'a [WeightSlot],
    biases: &'a [VectorSlot],
    affines: &'a [VectorSlot],
    momentum_reset: bool,
}

impl Updates<'_> {
    /// A tensor's values, their number, its moments and mask.
    fn of(&self, target: Target) -> (BufferId, usize, Moments, Option<BufferId>) {
        match target {
            Target::Weight(i) => {
                let s = &self.slots[i];
                (s.weight.values(), s.words(), s.moments, s.mask)
            }
            Target::Bias(i) => (self.biases[i].values, self.biases[i].words, self.biases[i].moments, None),
            Target::Affine(i) => (self.affines[i].values, 2 * self.affines[i].words, self.affines[i].moments, None),
        }
    }
}

impl Sink for Updates<'_> {
    fn dense(&self, _: usize) -> bool {
        false
    }
    fn buffer(&mut self, _: Target) -> Option<BufferId> {
        None
    }
    fn done(&mut self, target: Target, grad: BufferId, ops: &mut Vec<Op>) {
        let (values, len, Moments { first, second, .. }, mask) = self.of(target);
        if len == 0 {
            return;
        }
        ops.push(match second {
            None => Op::SgdUpdate(SgdUpdate { len, values, grad, momentum: first, mask, momentum_reset: self.momentum_reset }),
            Some(second) => Op::AdamUpdate(AdamUpdate { len, values, grad, first, second, mask }),
        });
    }
}

/// Gradients that are added to their sums.
struct Sums<'a>(Updates<'a>);

impl Sums<'_> {
    /// The program that consumes the sums and empties them.
    fn update(&mut self, device: &mut Device) -> Result<Program> {
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
