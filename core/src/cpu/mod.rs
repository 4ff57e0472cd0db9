//! The CPU backend: the Rust twin of every kernel, one file a family, threads and SIMD where it matters.
//!
//! It is a real backend, not a test double: everything runs where there is no GPU. `CpuDevice<f64>` runs the plain loops
//! in double precision and is the oracle of both backends.

mod aligned;
mod attack;
#[cfg(feature = "autoattack")]
mod autoattack;
mod batchnorm;
mod conv;
mod conv_fast;
mod elementwise;
mod loss;
mod operands;
mod optim;
pub(crate) mod parallel;
mod pool;
mod real;
mod run;
mod sample_norm;
#[cfg(test)]
mod tests;

pub use real::Real;

use crate::device::DeviceInfo;
use crate::error::{Error, Result};
use crate::ops::{BufferId, Dtype, Op, StepParams};
use crate::platform;
use aligned::{Aligned, Word};

/// One place of the buffer table.
enum Slot<T> {
    /// Freed, or lent to the op that is running.
    Empty,
    Real(Aligned<T>),
    Index(Aligned<u32>),
}

impl<T: Word> Slot<T> {
    fn words(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Real(values) => values.len(),
            Self::Index(values) => values.len(),
        }
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

impl<T: Real> CpuDevice<T> {
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
        }
    }
    /// Bytes of all live buffers, each word counted as 4.
    pub fn allocated_bytes(&self) -> u64 {
        self.slots.iter().map(|slot| 4 * slot.words() as u64).sum()
    }
    /// A zeroed buffer of `words` words, at least one.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn alloc(&mut self, label: &str, words: usize, dtype: Dtype) -> Result<BufferId> {
        let words = words.max(1);
        let slot = match dtype {
            Dtype::F32 => Aligned::zeroed(words).map(Slot::Real),
            Dtype::U32 => Aligned::zeroed(words).map(Slot::Index),
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
            _ => Err(wrong(id, "holds no floats")),
        }
    }
    /// Writes integers at a word offset.
    ///
    /// # Errors
    /// As [`CpuDevice::write_f32`].
    pub fn write_u32(&mut self, id: BufferId, offset: usize, values: &[u32]) -> Result<()> {
        match self.slots.get_mut(id.0 as usize) {
            Some(Slot::Index(buffer)) => {
                let range = range(id, offset, values.len(), buffer.len())?;
                buffer[range].copy_from_slice(values);
                Ok(())
            }
            _ => Err(wrong(id, "holds no integers")),
        }
    }
    /// Reads floats from a word offset, rounded to f32.
    ///
    /// # Errors
    /// As [`CpuDevice::write_f32`].
    pub fn read_f32(&self, id: BufferId, offset: usize, words: usize) -> Result<Vec<f32>> {
        Ok(self.read(id, offset, words)?.iter().map(|value| value.to_f32()).collect())
    }
    /// The floats themselves, in the device's own precision.
    ///
    /// # Errors
    /// As [`CpuDevice::write_f32`].
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
    /// Checks that every op's extents agree and that its buffers exist, have the right type and are long enough.
    ///
    /// # Errors
    /// `Shape`, naming the op and the tensor.
    pub fn check(&self, label: &str, ops: &[Op]) -> Result<()> {
        log::debug!("{label}: {} ops on the CPU", ops.len());
        ops.iter().try_for_each(|op| self.check_op(op))
    }
    fn check_op(&self, op: &Op) -> Result<()> {
        for operand in operands::of(op)? {
            let slot = self.slots.get(operand.id.0 as usize);
            let fits = match (slot, operand.dtype) {
                (Some(Slot::Real(buffer)), Dtype::F32) => buffer.len() >= operand.words,
                (Some(Slot::Index(buffer)), Dtype::U32) => buffer.len() >= operand.words,
                _ => false,
            };
            if !fits {
                let found = match slot {
                    None | Some(Slot::Empty) => "no buffer".to_owned(),
                    Some(slot @ Slot::Real(_)) => format!("{} floats", slot.words()),
                    Some(slot @ Slot::Index(_)) => format!("{} integers", slot.words()),
                };
                let kind = if operand.dtype == Dtype::F32 { "floats" } else { "integers" };
                return Err(Error::shape(operands::name(op), operand.tensor, format!("at least {} {kind}", operand.words), found));
            }
        }
        Ok(())
    }
    /// Computes the ops in order.
    ///
    /// # Errors
    /// As [`CpuDevice::check`]; `Validation` where a sparse index names weights outside its convolution.
    pub fn run(&mut self, ops: &[Op], step: &StepParams) -> Result<()> {
        for op in ops {
            self.check_op(op)?;
            self.run_op(op, step)?;
        }
        Ok(())
    }
    fn real(&self, id: BufferId) -> Result<&[T]> {
        match self.slots.get(id.0 as usize) {
            Some(Slot::Real(values)) => Ok(values),
            _ => Err(wrong(id, "holds no floats")),
        }
    }
    fn index(&self, id: BufferId) -> Result<&[u32]> {
        match self.slots.get(id.0 as usize) {
            Some(Slot::Index(values)) => Ok(values),
            _ => Err(wrong(id, "holds no integers")),
        }
    }
    /// Lends out the buffers that an op writes, and takes them back whatever comes of it.
    fn lend<const K: usize>(&mut self, ids: [BufferId; K], work: impl FnOnce(&Self, [&mut [T]; K]) -> Result<()>) -> Result<()> {
        let mut lent = ids.map(|id| match self.slots.get_mut(id.0 as usize) {
            Some(slot) => std::mem::replace(slot, Slot::Empty),
            None => Slot::Empty,
        });
        let result = work(
            self,
            lent.each_mut().map(|slot| match slot {
                Slot::Real(values) => &mut **values,
                _ => &mut [],
            }),
        );
        for (id, slot) in ids.into_iter().zip(lent) {
            if let Some(place) = self.slots.get_mut(id.0 as usize) {
                *place = slot;
            }
        }
        result
    }
}
