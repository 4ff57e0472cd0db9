//! A network's programs on pixels that somebody else writes: attacks, and looks at single pictures.
//!
//! Who asks for one owns it, and compiles it again when [`Net::build`] has changed.

use super::{Lists, Net, compile};
use crate::device::{Device, Program};
use crate::error::Result;
use crate::net::Io;
use crate::net::scratch::Scratch;
use crate::net::tape::{Mode, Tape};
use crate::ops::{Add, BufferId, Fill, Op, SAMPLE_WORDS, TOTAL_WORDS};

impl Net {
    /// Its batch buffers.
    pub fn io(&self) -> Io {
        self.io
    }

    /// Where training takes its batch from.
    pub(super) fn train_io(&self) -> Io {
        Io { pixels: self.training.pixels.or(self.io.pixels), ..self.io }
    }

    /// Its batch buffers and number of lanes, with these pixels as the input.
    pub fn pixels_io(&self, pixels: BufferId) -> (Io, usize) {
        (Io { pixels: Some(pixels), ..self.io }, self.n)
    }

    /// A program on pixels and their number of lanes: the forward pass, then what `write` adds to it.
    ///
    /// # Errors
    /// What `write` and the device say.
    pub fn on_pixels(
        &self,
        device: &mut Device,
        scratch: &mut Scratch,
        label: &str,
        (pixels, lanes): (BufferId, usize),
        mode: Mode,
        write: impl FnOnce(&mut Tape, usize) -> Result<()>,
    ) -> Result<Program> {
        let (io, _) = self.pixels_io(pixels);
        self.on_batch(device, scratch, label, (io, lanes), mode, write)
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
        let mut tape = self.tape(&bound, n, mode);
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
}
