//! A network's programs on the pixels of an attack.
//!
//! They are compiled with the others, over the same buffers, so that a topology update never leaves an attack behind.

use super::{Lists, Net, compile};
use crate::attack::{AttackIo, PgdConfig};
use crate::device::{Device, Program};
use crate::error::{Error, Result};
use crate::net::scratch::Scratch;
use crate::net::tape::{Io, Mode, Tape};
use crate::ops::{Add, BufferId, Fill, Op, SAMPLE_WORDS, StepParams, TOTAL_WORDS};

/// That a network is trained on the adversarial pixels of an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attacked {
    /// The attack's buffers.
    pub io: AttackIo,
    /// Steps of the attack on each training batch.
    pub iterations: u32,
}

impl From<(AttackIo, PgdConfig)> for Attacked {
    fn from((io, config): (AttackIo, PgdConfig)) -> Self {
        Self { io, iterations: config.iterations }
    }
}

/// The programs.
pub(super) struct Attack {
    /// Gradient in train mode: batch statistics, running ones move.
    train: Program,
    /// Gradient in eval mode: nothing moves.
    eval: Program,
    /// Evaluation of the adversarial pixels.
    evaluate: Program,
}

impl Net {
    /// Where training takes its batch from.
    pub(super) fn train_io(&self) -> Io {
        self.optimizer.attack.map_or(self.io, |attacked| self.attacked_io(&attacked.io))
    }

    fn attacked_io(&self, attack: &AttackIo) -> Io {
        Io { pixels: Some(attack.adversarial.buffer()), ..self.io }
    }

    /// Compiles the programs on an attack's pixels, where the network has an attack.
    pub(super) fn compile_attack(&self, device: &mut Device, scratch: &mut Scratch) -> Result<Option<Attack>> {
        let Some(Attacked { io, .. }) = self.optimizer.attack else { return Ok(None) };
        let on = (self.attacked_io(&io), self.n);
        let mut gradient = |mode| self.gradient_of_pixels(device, scratch, on, mode, io.grad);
        let (train, eval) = (gradient(Mode::Train)?, gradient(Mode::Eval)?);
        let evaluate = self.on_pixels(device, scratch, "evaluate attacked", &io, Mode::Eval, |tape, _| {
            tape.loss(false, self.io.samples, self.io.totals);
            Ok(())
        })?;
        Ok(Some(Attack { train, eval, evaluate }))
    }

    /// A program on an attack's adversarial pixels: the forward pass, then what `write` adds to it. It must be compiled again after
    /// a topology update that moves buffers.
    ///
    /// # Errors
    /// What `write` and the device say.
    pub fn on_pixels(
        &self,
        device: &mut Device,
        scratch: &mut Scratch,
        label: &str,
        attack: &AttackIo,
        mode: Mode,
        write: impl FnOnce(&mut Tape, usize) -> Result<()>,
    ) -> Result<Program> {
        self.on_batch(device, scratch, label, (self.attacked_io(attack), self.n), mode, write)
    }

    /// The same on any batch buffers and their number of lanes.
    fn on_batch(
        &self,
        device: &mut Device,
        scratch: &mut Scratch,
        label: &str,
        (io, n): (Io, usize),
        mode: Mode,
        write: impl FnOnce(&mut Tape, usize) -> Result<()>,
    ) -> Result<Program> {
        let lists = Lists::new(&self.weights, &self.biases, &self.affines, &self.running);
        let bound = lists.bound(io);
        let mut tape = Tape::new(&self.graph, &bound, n, mode).recomputing(self.optimizer.recompute);
        tape.forward();
        write(&mut tape, n)?;
        compile(device, scratch, label, tape)
    }

    /// A program that writes the gradient of the mean loss with respect to the pixels of `io` into `grad`, and nothing else.
    ///
    /// # Errors
    /// What the device says.
    pub(crate) fn gradient_of_pixels(
        &self,
        device: &mut Device,
        scratch: &mut Scratch,
        on: (Io, usize),
        mode: Mode,
        grad: BufferId,
    ) -> Result<Program> {
        self.on_batch(device, scratch, "attack gradient", on, mode, |tape, n| {
            // The attack's own records and totals are nobody's.
            let (samples, totals) = (tape.scratch(n * SAMPLE_WORDS), tape.scratch(TOTAL_WORDS));
            tape.loss(true, samples, totals);
            tape.backward_to_pixels(grad)
        })
    }

    /// A program that writes the logits in eval mode, `[classes][lanes]`, into `out`, and nothing else.
    ///
    /// # Errors
    /// What the device says.
    pub(crate) fn logits_program(&self, device: &mut Device, scratch: &mut Scratch, on: (Io, usize), out: BufferId) -> Result<Program> {
        self.on_batch(device, scratch, "logits", on, Mode::Eval, |tape, n| {
            let (len, logits) = (self.graph.classes * n, tape.logits());
            tape.push(Op::Fill(Fill { len, buffer: out, value: 0.0 }));
            tape.push(Op::Add(Add { len, x: logits, y: out }));
            Ok(())
        })
    }

    fn attack(&self) -> Result<&Attack> {
        self.attack.as_ref().ok_or_else(|| Error::validation("an attack on a network that was planned without one"))
    }

    /// The program that writes the gradient of the mean loss with respect to the adversarial pixels.
    ///
    /// # Errors
    /// `Validation` where the network was planned without an attack.
    pub fn attack_gradient(&self, train_mode: bool) -> Result<&Program> {
        let Attack { train, eval, .. } = self.attack()?;
        Ok(if train_mode { train } else { eval })
    }

    /// [`Net::eval_step`] on the adversarial pixels.
    ///
    /// # Errors
    /// As [`Net::attack_gradient`]; what the device says.
    pub fn eval_attacked(&self, device: &mut Device, step: &StepParams) -> Result<()> {
        device.run(&self.attack()?.evaluate, step)
    }
}
