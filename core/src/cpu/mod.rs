//! The CPU backend: a function for every stage in `shaders/`, of the same name, one file a family; threads and SIMD where it matters.
//!
//! It is a real backend, not a test double: everything runs where there is no GPU. `CpuDevice<f64>` runs the plain loops
//! in double precision and is the oracle of both backends.

mod activation;
mod aligned;
mod attack;
#[cfg(feature = "autoattack")]
mod autoattack;
mod batchnorm;
mod conv;
mod elementwise;
mod lent;
mod loss;
mod made;
mod optim;
mod pieces;
mod pool;
#[cfg(feature = "probe")]
mod probe;
mod real;
mod reduce;
mod sample_norm;
mod scatter;
#[cfg(test)]
mod tests;

pub use conv::Convolve;
pub use real::Real;

use crate::bf16::Bf16;
use crate::device::info::{DeviceInfo, Kernels};
use crate::error::{Error, Result};
use crate::ops::{BufferId, Contract, Dtype, Held, Op, StepParams, with_op};
use crate::platform;
use aligned::{Aligned, Word};
use lent::Lent;
use made::{Made, Written};

/// How an op is computed here.
trait Run<T>: Contract {
    /// Computes it on its buffers.
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()>;
}

/// One place of the buffer table.
#[derive(Default)]
enum Slot<T> {
    /// Freed, or lent to the op that is running.
    #[default]
    Empty,
    Real(Aligned<T>),
    Half(Aligned<Bf16>),
    Index(Integers),
}

/// A buffer of integers.
struct Integers {
    words: Aligned<u32>,
    written: Written,
    made: Made,
}

impl Integers {
    fn new(words: Aligned<u32>) -> Self {
        Self { words, written: Written::now(), made: Made::default() }
    }
}

impl<T: Word> Slot<T> {
    fn held(&self) -> Option<Held> {
        let (dtype, words) = match self {
            Self::Empty => return None,
            Self::Real(values) => (Dtype::F32, values.len()),
            Self::Half(values) => (Dtype::Bf16, values.len()),
            Self::Index(integers) => (Dtype::U32, integers.words.len()),
        };
        Some(Held { dtype, words })
    }
    /// Bytes, a float of any type counted as 4, and those of what kernels keep with it.
    fn bytes(&self) -> usize {
        let made = if let Self::Index(integers) = self { integers.made.bytes() } else { 0 };
        made + self.held().map_or(0, |held| held.words * held.dtype.bytes())
    }
}

/// Buffers in host memory and the twins that work on them.
pub struct CpuDevice<T> {
    slots: Vec<Slot<T>>,
}

impl<T> Default for CpuDevice<T> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

fn wrong(id: BufferId, why: &str) -> Error {
    Error::validation(format!("buffer {} {why}", id.0))
}

fn range(id: BufferId, offset: usize, words: usize, len: usize) -> Result<std::ops::Range<usize>> {
    match offset.checked_add(words) {
        Some(end) if end <= len => Ok(offset..end),
        _ => Err(Error::shape("copy", format!("buffer {}", id.0), format!("at least {offset} + {words} words"), format!("{len}"))),
    }
}

impl<T: Convolve> CpuDevice<T> {
    /// An empty device.
    pub fn new() -> Self {
        Self::default()
    }
    /// The processor, its threads, and the vector instructions in use.
    pub fn info(&self) -> DeviceInfo {
        let threads = platform::threads();
        let plural = if threads == 1 { "" } else { "s" };
        DeviceInfo {
            name: format!("{}, {threads} thread{plural}", platform::cpu_name()),
            backend: T::BACKEND.into(),
            driver: format!("{:?}", pulp::Arch::new()).split(['(', ' ']).next().unwrap_or_default().to_owned(),
            software: false,
            kernels: Kernels::new(),
        }
    }
    /// Bytes of all live buffers, a float of the device's own type counted as 4, and of what kernels keep with them.
    pub fn allocated_bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.bytes() as u64).sum()
    }
    /// A zeroed buffer of `words` numbers, at least one.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn alloc(&mut self, label: &str, words: usize, dtype: Dtype) -> Result<BufferId> {
        let words = words.max(1);
        let slot = match dtype {
            Dtype::F32 => Aligned::zeroed(words).map(Slot::Real),
            Dtype::Bf16 => Aligned::zeroed(words).map(Slot::Half),
            Dtype::U32 => Aligned::zeroed(words).map(|words| Slot::Index(Integers::new(words))),
        };
        let slot = slot.ok_or_else(|| Error::out_of_memory(format!("{label}, {words} words")))?;
        let free = self.slots.iter().position(|slot| matches!(slot, Slot::Empty));
        let place = free.unwrap_or(self.slots.len());
        match self.slots.get_mut(place) {
            Some(empty) => *empty = slot,
            None => self.slots.push(slot),
        }
        Ok(BufferId(place as u32))
    }
    /// Gives a buffer back.
    pub fn free(&mut self, id: BufferId) {
        if let Some(slot) = self.slots.get_mut(id.0 as usize) {
            *slot = Slot::Empty;
        }
    }
    /// Writes floats at a word offset.
    ///
    /// # Errors
    /// `Validation` where there is no such buffer of floats; `Shape` where they do not fit in.
    pub fn write_f32(&mut self, id: BufferId, offset: usize, values: &[f32]) -> Result<()> {
        match self.slots.get_mut(id.0 as usize) {
            Some(Slot::Real(buffer)) => {
                let range = range(id, offset, values.len(), buffer.len())?;
                buffer[range].iter_mut().zip(values).for_each(|(to, &from)| *to = T::from_f32(from));
                Ok(())
            }
            Some(Slot::Half(buffer)) => {
                let range = range(id, offset, values.len(), buffer.len())?;
                Held { dtype: Dtype::Bf16, words: buffer.len() }.check_pairs(id, offset, values.len())?;
                buffer[range].iter_mut().zip(values).for_each(|(to, &from)| *to = Bf16::from_f32(from));
                Ok(())
            }
            _ => Err(wrong(id, "holds no floats")),
        }
    }
    /// Writes integers at a word offset.
    ///
    /// # Errors
    /// As [`CpuDevice::write_f32`].
    pub fn write_u32(&mut self, id: BufferId, offset: usize, values: &[u32]) -> Result<()> {
        match self.slots.get_mut(id.0 as usize) {
            Some(Slot::Index(integers)) => {
                let range = range(id, offset, values.len(), integers.words.len())?;
                integers.words[range].copy_from_slice(values);
                (integers.written, integers.made) = (Written::now(), Made::default());
                Ok(())
            }
            _ => Err(wrong(id, "holds no integers")),
        }
    }
    /// Reads floats from a word offset, as f32.
    ///
    /// # Errors
    /// As [`CpuDevice::write_f32`].
    pub fn read_f32(&self, id: BufferId, offset: usize, words: usize) -> Result<Vec<f32>> {
        if let Some(Slot::Half(buffer)) = self.slots.get(id.0 as usize) {
            let range = range(id, offset, words, buffer.len())?;
            return Ok(buffer[range].iter().map(|value| value.to_f32()).collect());
        }
        Ok(self.read(id, offset, words)?.iter().map(|value| value.to_f32()).collect())
    }
    /// The floats themselves, in the device's own precision.
    ///
    /// # Errors
    /// As [`CpuDevice::write_f32`], and of floats of 16 bits.
    pub fn read(&self, id: BufferId, offset: usize, words: usize) -> Result<&[T]> {
        let buffer = self.real(id)?;
        Ok(&buffer[range(id, offset, words, buffer.len())?])
    }
    /// Writes floats of the device's own precision at a word offset.
    ///
    /// # Errors
    /// As [`CpuDevice::write_f32`].
    pub fn write(&mut self, id: BufferId, offset: usize, values: &[T]) -> Result<()> {
        match self.slots.get_mut(id.0 as usize) {
            Some(Slot::Real(buffer)) => {
                let range = range(id, offset, values.len(), buffer.len())?;
                buffer[range].copy_from_slice(values);
                Ok(())
            }
            _ => Err(wrong(id, "holds no floats")),
        }
    }
    /// See [`crate::Device`].
    pub fn held(&self, id: BufferId) -> Option<Held> {
        self.slots.get(id.0 as usize)?.held()
    }
    /// Checks that every op's extents agree and that its buffers exist, have the right type and are long enough.
    ///
    /// # Errors
    /// `Shape`, naming the op and the tensor.
    pub fn check(&self, label: &str, ops: &[Op]) -> Result<()> {
        log::debug!("{label}: {} ops on the CPU", ops.len());
        ops.iter().try_for_each(|op| self.check_op(op))
    }
    fn check_op(&self, op: &Op) -> Result<()> {
        op.check()?;
        op.check_buffers(|id| self.held(id))
    }
    /// Computes the ops in order.
    ///
    /// # Errors
    /// As [`CpuDevice::check`]; `Validation` where a sparse index names weights outside its convolution.
    pub fn run(&mut self, ops: &[Op], step: &StepParams) -> Result<()> {
        platform::on_threads(|| {
            for op in ops {
                self.check_op(op)?;
                op.check_step(step, |id| self.held(id))?;
                self.lend(op, |lent| with_op!(op, op => op.run(lent, step)))?;
            }
            Ok(())
        })
    }
    fn real(&self, id: BufferId) -> Result<&[T]> {
        match self.slots.get(id.0 as usize) {
            Some(Slot::Real(values)) => Ok(values),
            _ => Err(wrong(id, "holds no floats")),
        }
    }
}
