//! What an op promises, said once: its buffers ([`Contract::slots`]) and its geometry ([`Contract::check`]).
//!
//! The planner finds live ranges by it, every device binds and checks by it, and what is wrong with an op is worded here. Four lists of
//! the same buffers used to drift apart.

use super::{BufferId, Dtype, Op, Shape, StepParams, with_op};
use crate::error::{Error, Result};

/// One buffer of an op.
#[derive(Debug)]
pub struct Slot<'a> {
    /// Name of the tensor in the op's documentation and in its shader.
    pub tensor: &'static str,
    /// The buffer; `None` where this op goes without.
    pub id: Option<&'a mut BufferId>,
    /// What its words are.
    pub dtype: Dtype,
    /// Whether it is an activation or the gradient of one, whose floats may be stored as [`Dtype::Bf16`]: the buffer says.
    pub activation: bool,
    /// Length; the least length where `open`.
    pub words: usize,
    /// Whether all of a longer buffer belongs to it: the step says where in it the op works.
    pub open: bool,
    /// Whether the op writes it (and perhaps reads it).
    pub written: bool,
    /// Whether what it writes depends on what stood there.
    pub updates: bool,
    /// The tensor that may stand in the same buffer: the op then works in place.
    pub over: Option<&'static str>,
}

impl<'a> Slot<'a> {
    fn new(tensor: &'static str, id: Option<&'a mut BufferId>, dtype: Dtype, words: usize, written: bool) -> Self {
        Self { tensor, id, dtype, activation: false, words, open: false, written, updates: false, over: None }
    }
    /// Floats that are read.
    pub fn read(tensor: &'static str, id: impl Into<Option<&'a mut BufferId>>, words: usize) -> Self {
        Self::new(tensor, id.into(), Dtype::F32, words, false)
    }
    /// What is wrong with this buffer in this place: what is expected of it, if it is not.
    fn refuses(&self, held: Option<Held>) -> Option<String> {
        let (words, noun) = (self.words, self.dtype.noun());
        let fits = |held: &Held| (held.dtype == self.dtype || (self.activation && held.dtype == Dtype::Bf16)) && held.words >= words;
        let Some(held) = held.filter(fits) else { return Some(format!("at least {words} {noun}")) };
        // A kernel writes whole vectors of an activation: behind what does not fill them nothing else may lie.
        let beyond = self.activation && self.written && !words.is_multiple_of(4) && held.words != words;
        beyond.then(|| format!("exactly {words} {noun}, or whole vectors of 4"))
    }
    /// Integers that are read.
    pub fn index(tensor: &'static str, id: impl Into<Option<&'a mut BufferId>>, words: usize) -> Self {
        Self::new(tensor, id.into(), Dtype::U32, words, false)
    }
    /// Floats that are written.
    pub fn write(tensor: &'static str, id: impl Into<Option<&'a mut BufferId>>, words: usize) -> Self {
        Self::new(tensor, id.into(), Dtype::F32, words, true)
    }
    /// Floats that are read and written.
    pub fn update(tensor: &'static str, id: impl Into<Option<&'a mut BufferId>>, words: usize) -> Self {
        Self::write(tensor, id, words).adding(true)
    }
    /// An activation, or the gradient of one.
    pub fn activation(self) -> Self {
        Self { activation: true, ..self }
    }
    /// Whether the op adds to what stands there.
    pub fn adding(self, updates: bool) -> Self {
        Self { updates, ..self }
    }
    /// Written where this tensor is read, if both are given the same buffer.
    pub fn over(self, tensor: &'static str) -> Self {
        Self { over: Some(tensor), ..self }
    }
    /// `words` is the least; all of a longer buffer belongs to it.
    pub fn open(self) -> Self {
        Self { open: true, ..self }
    }
}

/// What is wrong with an op's geometry: the tensor, what it should be, what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The tensor, or `shape` for the whole geometry.
    pub tensor: &'static str,
    /// What the op needs.
    pub expected: String,
    /// What it was given.
    pub found: String,
}

/// What a check says.
pub type Check = Result<(), Mismatch>;

/// A mismatch unless it holds.
pub fn require(holds: bool, tensor: &'static str, expected: &str, found: impl std::fmt::Debug) -> Check {
    if holds { Ok(()) } else { Err(Mismatch { tensor, expected: expected.into(), found: format!("{found:?}") }) }
}

/// What every op implements, once, beside its description.
pub trait Contract {
    /// Its buffers in the order in which its shader binds them; those that only other stages bind come after.
    fn slots(&mut self) -> Vec<Slot<'_>>;
    /// Whether its extents agree with one another and keep to what kernels can index.
    ///
    /// # Errors
    /// The first mismatch.
    fn check(&self) -> Check;
    /// Whether a step's parameters keep within the open slots, the shortest of which has `words`.
    ///
    /// # Errors
    /// The mismatch.
    fn check_step(&self, _step: &StepParams, _words: usize) -> Check {
        Ok(())
    }
}

impl Shape {
    /// Whether kernels can work on this extent: nothing empty, whole vectors of lanes, and no more words than they can count.
    ///
    /// # Errors
    /// A mismatch of `tensor`.
    pub fn check(self, tensor: &'static str) -> Check {
        let len = [self.c, self.h, self.w, self.n].into_iter().try_fold(1usize, usize::checked_mul);
        let holds = len.is_some_and(|len| len > 0 && u32::try_from(len).is_ok()) && self.n.is_multiple_of(4);
        require(holds, tensor, "a non-empty extent with n a multiple of 4", self)
    }
}

/// Whether kernels can count this many words.
///
/// # Errors
/// A mismatch of `tensor`.
pub fn check_len(tensor: &'static str, len: usize) -> Check {
    require(u32::try_from(len).is_ok(), tensor, "at most 2^32 - 1 words", len)
}

/// What a device holds under an id: the type of its numbers, and how many there are.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Type.
    pub dtype: Dtype,
    /// How many.
    pub words: usize,
}

impl Held {
    /// Whether these floats of a buffer of 16 bits can be written: two lie in a word.
    ///
    /// # Errors
    /// `Shape` where they begin or end within a pair.
    pub fn check_pairs(self, id: BufferId, offset: usize, len: usize) -> Result<()> {
        if offset.is_multiple_of(2) && (len.is_multiple_of(2) || offset + len == self.words) {
            return Ok(());
        }
        let found = format!("{len} floats from {offset}");
        Err(Error::shape("write", format!("buffer {}", id.0), "whole pairs of floats of 16 bits", found))
    }
}

impl Op {
    /// Its buffers; see [`Contract::slots`].
    pub fn slots(&mut self) -> Vec<Slot<'_>> {
        with_op!(self, op => op.slots())
    }
    /// Calls `f` with every buffer this op reads or writes.
    pub fn visit_buffers(&mut self, f: impl FnMut(&mut BufferId)) {
        self.slots().into_iter().filter_map(|slot| slot.id).for_each(f);
    }
    fn refuse(&self, why: Mismatch) -> Error {
        Error::shape(self.name(), why.tensor, why.expected, why.found)
    }
    /// Checks geometry, and that no buffer is written and read, or written twice, but where the op works in place.
    ///
    /// # Errors
    /// `Shape`, naming the op and the tensor.
    pub fn check(&self) -> Result<()> {
        with_op!(self, op => op.check()).map_err(|why| self.refuse(why))?;
        let mut copy = *self;
        let slots = copy.slots();
        for (i, a) in slots.iter().enumerate() {
            let Some(id) = &a.id else { continue };
            for b in &slots[i + 1..] {
                let allowed = (!a.written && !b.written) || a.over == Some(b.tensor) || b.over == Some(a.tensor);
                if b.id.as_ref() == Some(id) && !allowed {
                    return Err(Error::shape(self.name(), b.tensor, format!("another buffer than {}", a.tensor), "the same"));
                }
            }
        }
        Ok(())
    }
    /// Checks that every buffer exists on a device, has the right type and is long enough.
    ///
    /// # Errors
    /// `Shape`, naming the op and the tensor.
    pub fn check_buffers(&self, held: impl Fn(BufferId) -> Option<Held>) -> Result<()> {
        let mut copy = *self;
        for slot in copy.slots() {
            let Some(id) = slot.id.as_deref() else { continue };
            let held = held(*id);
            let Some(expected) = slot.refuses(held) else { continue };
            let found = held.map_or_else(|| "no buffer".to_owned(), |held| format!("{} {}", held.words, held.dtype.noun()));
            return Err(Error::shape(self.name(), slot.tensor, expected, found));
        }
        Ok(())
    }
    /// Whether the step says where in a buffer the op works.
    pub fn has_open_slot(&self) -> bool {
        let mut copy = *self;
        copy.slots().iter().any(|slot| slot.open)
    }
    /// Checks that a step keeps within buffers in which it says where the op works.
    ///
    /// # Errors
    /// `Shape`, naming the op and the tensor.
    pub fn check_step(&self, step: &StepParams, held: impl Fn(BufferId) -> Option<Held>) -> Result<()> {
        let mut copy = *self;
        let open = copy.slots().into_iter().filter(|slot| slot.open).filter_map(|slot| held(*slot.id?));
        let Some(words) = open.map(|held| held.words).min() else { return Ok(()) };
        with_op!(self, op => op.check_step(step, words)).map_err(|why| self.refuse(why))
    }
}
