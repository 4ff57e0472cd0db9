//! An op's buffers as its kernel's slices: what it writes is taken out of the table while it runs, what it reads is borrowed.
//!
//! Names and lengths come from the op's contract, so a kernel gets exactly the words that it may touch.

use super::activation::{Activation, ActivationMut};
use super::made::{Made, Written};
use super::{CpuDevice, Integers, Real, Slot, wrong};
use crate::error::{Error, Result};
use crate::ops::{BufferId, Op};

/// What stands behind one tensor.
enum Tensor<'a, T> {
    /// Read.
    Floats(Activation<'a, T>),
    /// Read.
    Index(IndexBuffer<'a>),
    /// Written; empty once the kernel has it.
    Written(Option<ActivationMut<'a, T>>),
    /// The op goes without, or works in place on the tensor it writes.
    Absent,
}

/// Integers that are read, when they were written, and what was made of them.
#[derive(Clone, Copy)]
pub struct IndexBuffer<'a> {
    /// The integers.
    pub words: &'a [u32],
    /// Changes with every write.
    pub written: Written,
    /// What kernels keep with them.
    pub made: &'a Made,
}

/// The buffers of an op that is running.
pub struct Lent<'a, T> {
    tensors: Vec<(&'static str, Tensor<'a, T>)>,
}

fn unlisted(tensor: &str) -> Error {
    Error::validation(format!("a kernel asks for '{tensor}', which its op does not list that way"))
}

impl<'a, T: Real> Lent<'a, T> {
    fn find(&self, tensor: &str) -> Option<&Tensor<'a, T>> {
        self.tensors.iter().find(|(name, _)| *name == tensor).map(|(_, part)| part)
    }
    /// Floats that are read.
    pub fn read(&self, tensor: &str) -> Result<&'a [T]> {
        self.read_some(tensor)?.ok_or_else(|| unlisted(tensor))
    }
    /// Floats that are read, `None` where the op goes without or works in place.
    pub fn read_some(&self, tensor: &str) -> Result<Option<&'a [T]>> {
        match self.activation_some(tensor)? {
            Some(Activation::Full(values)) => Ok(Some(values)),
            Some(Activation::Half(_)) => Err(unlisted(tensor)),
            None => Ok(None),
        }
    }
    /// An activation that is read.
    pub fn activation(&self, tensor: &str) -> Result<Activation<'a, T>> {
        self.activation_some(tensor)?.ok_or_else(|| unlisted(tensor))
    }
    /// An activation that is read, `None` where the op goes without or works in place.
    pub fn activation_some(&self, tensor: &str) -> Result<Option<Activation<'a, T>>> {
        match self.find(tensor) {
            Some(Tensor::Floats(values)) => Ok(Some(*values)),
            Some(Tensor::Absent) => Ok(None),
            _ => Err(unlisted(tensor)),
        }
    }
    /// Integers that are read.
    pub fn index(&self, tensor: &str) -> Result<&'a [u32]> {
        Ok(self.index_buffer(tensor)?.words)
    }
    /// Integers that are read, with what is kept with them.
    pub fn index_buffer(&self, tensor: &str) -> Result<IndexBuffer<'a>> {
        match self.find(tensor) {
            Some(Tensor::Index(buffer)) => Ok(*buffer),
            _ => Err(unlisted(tensor)),
        }
    }
    /// Floats that are written; each can be taken once.
    pub fn write(&mut self, tensor: &str) -> Result<&'a mut [T]> {
        self.write_some(tensor)?.ok_or_else(|| unlisted(tensor))
    }
    /// Floats that are written, `None` where the op goes without.
    pub fn write_some(&mut self, tensor: &str) -> Result<Option<&'a mut [T]>> {
        match self.activation_mut_some(tensor)? {
            Some(ActivationMut::Full(values)) => Ok(Some(values)),
            Some(ActivationMut::Half(_)) => Err(unlisted(tensor)),
            None => Ok(None),
        }
    }
    /// An activation that is written; each can be taken once.
    pub fn activation_mut(&mut self, tensor: &str) -> Result<ActivationMut<'a, T>> {
        self.activation_mut_some(tensor)?.ok_or_else(|| unlisted(tensor))
    }
    /// An activation that is written, `None` where the op goes without.
    pub fn activation_mut_some(&mut self, tensor: &str) -> Result<Option<ActivationMut<'a, T>>> {
        match self.tensors.iter_mut().find(|(name, _)| *name == tensor) {
            Some((_, Tensor::Written(values))) => Ok(values.take()),
            Some((_, Tensor::Absent)) => Ok(None),
            _ => Err(unlisted(tensor)),
        }
    }
}

impl<T: Real> CpuDevice<T> {
    /// Runs `work` on the buffers of an op, and takes them back whatever comes of it. The op has passed its checks.
    pub(super) fn lend(&mut self, op: &Op, work: impl FnOnce(&mut Lent<'_, T>) -> Result<()>) -> Result<()> {
        let mut copy = *op;
        let slots = copy.slots();
        let mut taken: Vec<(BufferId, Slot<T>)> = Vec::with_capacity(slots.len());
        for id in slots.iter().filter(|slot| slot.written).filter_map(|slot| slot.id.as_deref()) {
            taken.push((*id, self.slots.get_mut(id.0 as usize).map_or(Slot::Empty, std::mem::take)));
        }
        let result = self.bind(&slots, &mut taken).and_then(|mut lent| work(&mut lent));
        for (id, slot) in taken {
            if let Some(place) = self.slots.get_mut(id.0 as usize) {
                *place = slot;
            }
        }
        result
    }

    fn bind<'a>(&'a self, slots: &[crate::ops::Slot<'_>], taken: &'a mut [(BufferId, Slot<T>)]) -> Result<Lent<'a, T>> {
        let over: Vec<_> = slots.iter().filter_map(|slot| Some((slot.over?, *slot.id.as_deref()?))).collect();
        let mut written = taken.iter_mut();
        let mut tensors = Vec::with_capacity(slots.len());
        for slot in slots {
            let part = match slot.id.as_deref() {
                None => Tensor::Absent,
                Some(_) if slot.written => {
                    let Some((id, held)) = written.next() else { return Err(unlisted(slot.tensor)) };
                    let words = if slot.open { held.held().map_or(0, |held| held.words) } else { slot.words };
                    let values = match held {
                        Slot::Real(values) => values.get_mut(..words).map(ActivationMut::Full),
                        Slot::Half(values) => values.get_mut(..words).map(ActivationMut::Half),
                        Slot::Empty | Slot::Index(_) => return Err(unlisted(slot.tensor)),
                    };
                    Tensor::Written(Some(values.ok_or_else(|| wrong(*id, "is too short"))?))
                }
                Some(id) if over.contains(&(slot.tensor, *id)) => Tensor::Absent,
                Some(id) => {
                    let short = || wrong(*id, "is too short");
                    match self.slots.get(id.0 as usize) {
                        Some(Slot::Real(values)) => Tensor::Floats(Activation::Full(values.get(..slot.words).ok_or_else(short)?)),
                        Some(Slot::Half(values)) => Tensor::Floats(Activation::Half(values.get(..slot.words).ok_or_else(short)?)),
                        Some(Slot::Index(Integers { words, written, made })) => {
                            let words = words.get(..slot.words).ok_or_else(short)?;
                            Tensor::Index(IndexBuffer { words, written: *written, made })
                        }
                        Some(Slot::Empty) | None => return Err(wrong(*id, "is not there")),
                    }
                }
            };
            tensors.push((slot.tensor, part));
        }
        Ok(Lent { tensors })
    }
}
