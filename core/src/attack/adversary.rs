//! The attacks of an adversarial run: one to train on, one to evaluate with.
//!
//! Training attacks the network in train mode, so its running statistics move once a step of the attack, as the paper's code does;
//! evaluation attacks it in eval mode and moves nothing.

use super::{AttackIo, Pgd, PgdConfig};
use crate::device::{Device, Program};
use crate::error::Result;
use crate::net::Io;
use crate::net::Net;
use crate::net::scratch::Scratch;
use crate::net::tape::Mode;
use crate::ops::{BufferId, Shape, StepParams};

/// Streams of evaluation are apart from those of every epoch.
const EVALUATION: u64 = 1 << 32;

/// What a network under attack runs, over its buffers as they were at one build.
pub struct Programs {
    build: u64,
    /// Gradient in train mode: batch statistics, running ones move.
    train: Program,
    /// Gradient in eval mode: nothing moves.
    eval: Program,
    evaluate: Program,
}

impl Programs {
    /// Compiles them over an attack's pixels.
    ///
    /// # Errors
    /// What the device says.
    pub fn new(device: &mut Device, scratch: &mut Scratch, net: &Net, io: &AttackIo) -> Result<Self> {
        let pixels = io.adversarial.buffer();
        let mut gradient = |mode| net.gradient_of_pixels(device, scratch, net.pixels_io(pixels), mode, io.grad);
        let (train, eval) = (gradient(Mode::Train)?, gradient(Mode::Eval)?);
        let evaluate = net.on_pixels(device, scratch, "evaluate attacked", (pixels, net.n), Mode::Eval, |tape, _| {
            tape.loss(false, net.io().samples, net.io().totals);
            Ok(())
        })?;
        Ok(Self { build: net.build(), train, eval, evaluate })
    }
    /// Whether they are still over the network's buffers: a topology update may have moved them.
    pub fn fit(&self, net: &Net) -> bool {
        self.build == net.build()
    }
    /// Writes the gradient of the mean loss with respect to the adversarial pixels, in eval mode.
    pub fn gradient(&self) -> &Program {
        &self.eval
    }
    /// The same in train mode, in which running statistics move.
    pub fn train_gradient(&self) -> &Program {
        &self.train
    }
    /// Evaluates the adversarial pixels, as [`Net::eval_step`] does the batch.
    pub fn evaluate(&self) -> &Program {
        &self.evaluate
    }
}

/// Both attacks, and their buffers.
pub struct Adversary {
    /// The buffers.
    pub io: AttackIo,
    train: Pgd,
    test: Pgd,
    seed: u64,
}

impl Adversary {
    /// Plans the attacks on training batches and on those of evaluations, of `n` images of this extent.
    ///
    /// # Errors
    /// `Config` for ranges; what the device says.
    pub fn new(
        device: &mut Device,
        batch: &Io,
        (c, h, w): (usize, usize, usize),
        n: usize,
        (train, test): (PgdConfig, PgdConfig),
        seed: u64,
    ) -> Result<Self> {
        let io = AttackIo::new(device, Shape { c, h, w, n })?;
        Ok(Self { io, train: Pgd::new(device, batch, io, train)?, test: Pgd::new(device, batch, io, test)?, seed })
    }

    /// The pixels that networks are trained on.
    pub fn pixels(&self) -> BufferId {
        self.io.adversarial.buffer()
    }

    /// FLOPs of the attack on a training batch, for a network of so many multiply-accumulates an image: a forward pass and a gradient of
    /// its input for each step.
    pub fn training_flops(&self, macs: u64, batch: usize) -> u64 {
        2 * batch as u64 * 2 * u64::from(self.train.config.iterations) * macs
    }

    /// Makes the batch in the io buffers adversarial, with the network in train mode.
    ///
    /// # Errors
    /// What the device says.
    pub fn attack_training(&self, device: &mut Device, programs: &Programs, step: &StepParams, samples: &[u32], epoch: u32) -> Result<()> {
        self.train.decode(device, step)?;
        self.train.attack(device, programs.train_gradient(), step, samples, (self.seed, u64::from(epoch)))
    }

    /// Attacks the batch in the io buffers, with the network in eval mode, and evaluates what comes out. `samples` name the streams.
    ///
    /// # Errors
    /// What the device says.
    pub fn evaluate(&self, device: &mut Device, programs: &Programs, step: &StepParams, samples: &[u32]) -> Result<()> {
        self.test.decode(device, step)?;
        self.test.attack(device, programs.gradient(), step, samples, (self.seed, EVALUATION))?;
        device.run(programs.evaluate(), step)
    }
}
