//! Memory for what lives only inside a step, shared by every program of every learner.
//!
//! Programs never overlap in time, so one pool of separate buffers serves them all (separate, because a GPU may not bind
//! one buffer for reading and writing in a dispatch). Without it four learners would hold four sets of activations.

use std::collections::{BTreeMap, HashMap};

use crate::argsort::argsort;
use crate::device::Device;
use crate::error::Result;
use crate::ops::{BufferId, Dtype, Op};

/// Buffer ids from here on are virtual: names in a tape that [`Scratch::place`] replaces.
const VIRTUAL: u32 = 1 << 31;

/// Hands out virtual buffers while a tape is written.
#[derive(Debug, Default)]
pub struct Virtual {
    taken: Vec<Kind>,
}

/// Number and type of the floats of a buffer.
type Kind = (usize, Dtype);

impl Virtual {
    /// A new virtual buffer of this many floats of f32.
    pub fn take(&mut self, words: usize) -> BufferId {
        self.take_as(words, Dtype::F32)
    }
    /// A new virtual buffer of this many floats.
    pub fn take_as(&mut self, words: usize, dtype: Dtype) -> BufferId {
        self.taken.push((words, dtype));
        BufferId(VIRTUAL + self.taken.len() as u32 - 1)
    }
}

/// The pool.
#[derive(Debug, Default)]
pub struct Scratch {
    /// All of them free between two `place` calls.
    buffers: Vec<(Kind, BufferId)>,
}

impl Scratch {
    /// Replaces the virtual buffers of a tape by pooled ones: two share a buffer where their live ranges do not overlap.
    ///
    /// Large ones choose first, each the smallest buffer that is large enough and free (Pisarchyk & Lee 2020, greedy by size): what a
    /// large activation leaves then serves the small ones of later layers.
    ///
    /// # Errors
    /// What [`Device::alloc`] says.
    pub fn place(&mut self, device: &mut Device, names: &Virtual, ops: &mut [Op]) -> Result<()> {
        // First and last op that touch each virtual buffer, both inclusive: no output takes the place of an input.
        let mut live: BTreeMap<BufferId, (usize, usize)> = BTreeMap::new();
        for (i, op) in ops.iter_mut().enumerate() {
            op.visit_buffers(|id| {
                if id.0 >= VIRTUAL {
                    live.entry(*id).or_insert((i, i)).1 = i;
                }
            });
        }
        let kind = |id: BufferId| names.taken[(id.0 - VIRTUAL) as usize];
        let wanted: Vec<(BufferId, (usize, usize))> = live.into_iter().collect();
        let largest_first = argsort(wanted.iter().map(|&(id, _)| !(kind(id).0 as u64)));
        let mut taken: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.buffers.len()];
        let mut placed = HashMap::new();
        for (id, (first, last)) in largest_first.into_iter().map(|place| wanted[place as usize]) {
            let free = |at: &usize| taken[*at].iter().all(|&(from, to)| last < from || to < first);
            let (words, dtype) = kind(id);
            let suits = |at: &usize| self.buffers[*at].0.1 == dtype && self.buffers[*at].0.0 >= words;
            let fits = (0..self.buffers.len()).filter(suits).filter(free);
            let at = match fits.min_by_key(|&at| self.buffers[at].0.0) {
                Some(at) => at,
                None => {
                    self.buffers.push((kind(id), device.alloc("scratch", words, dtype)?));
                    taken.push(Vec::new());
                    taken.len() - 1
                }
            };
            taken[at].push((first, last));
            placed.insert(id, self.buffers[at].1);
        }
        for op in ops {
            op.visit_buffers(|id| *id = placed.get(id).copied().unwrap_or(*id));
        }
        Ok(())
    }
    /// Gives the pool back; programs placed in it must not run again.
    pub fn free(self, device: &mut Device) {
        for (_, buffer) in self.buffers {
            device.free(buffer);
        }
    }
    /// Bytes of the whole pool.
    pub fn bytes(&self) -> usize {
        self.buffers.iter().map(|((words, dtype), _)| words * dtype.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::ops::Relu;

    /// A chain of ReLUs over buffers of these sizes; gives what each was placed in.
    fn chain(device: &mut Device, scratch: &mut Scratch, sizes: &[usize]) -> Vec<BufferId> {
        let mut names = Virtual::default();
        let ids: Vec<BufferId> = sizes.iter().map(|&words| names.take(words)).collect();
        let mut ops: Vec<Op> = ids.windows(2).map(|pair| Op::Relu(Relu { len: 1, x: pair[0], y: pair[1] })).collect();
        scratch.place(device, &names, &mut ops).unwrap();
        let mut placed = Vec::new();
        for op in &ops {
            let Op::Relu(o) = op else { unreachable!() };
            assert_ne!(o.x, o.y, "no output in the place of an input");
            placed.extend(placed.is_empty().then_some(o.x));
            assert_eq!(placed.last(), Some(&o.x));
            placed.push(o.y);
        }
        placed
    }

    #[test]
    fn large_buffers_serve_small_tensors_once_they_are_free() {
        let (mut device, mut scratch) = (Device::cpu(), Scratch::default());
        let placed = chain(&mut device, &mut scratch, &[100, 90, 50, 20, 10]);
        assert_eq!(scratch.bytes(), 4 * 190, "two at a time");
        assert_eq!((placed[0], placed[1]), (placed[2], placed[3]));
        // A second program works in the same pool, and only what is larger is new.
        chain(&mut device, &mut scratch, &[10, 95, 90]);
        assert_eq!(scratch.bytes(), 4 * 190);
        chain(&mut device, &mut scratch, &[10, 200, 90]);
        assert_eq!(scratch.bytes(), 4 * 390);
        scratch.free(&mut device);
        assert_eq!(device.allocated_bytes(), 0);
    }
}
