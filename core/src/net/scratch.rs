//! Memory for what lives only inside a step, shared by every program of every learner.
//!
//! Programs never overlap in time, so one pool of separate buffers serves them all (separate, because a GPU may not bind
//! one buffer for reading and writing in a dispatch). Without it four learners would hold four sets of activations.

use std::collections::HashMap;

use crate::device::Device;
use crate::error::Result;
use crate::ops::{BufferId, Dtype, Op};

/// Buffer ids from here on are virtual: names in a tape that [`Scratch::place`] replaces.
const VIRTUAL: u32 = 1 << 31;

/// Hands out virtual buffers while a tape is written.
#[derive(Debug, Default)]
pub struct Virtual {
    words: Vec<usize>,
}

impl Virtual {
    /// A new virtual f32 buffer of this many words.
    pub fn take(&mut self, words: usize) -> BufferId {
        self.words.push(words);
        BufferId(VIRTUAL + self.words.len() as u32 - 1)
    }
}

/// The pool.
#[derive(Debug, Default)]
pub struct Scratch {
    /// (words, buffer), all of them free between two `place` calls.
    buffers: Vec<(usize, BufferId)>,
}

impl Scratch {
    /// Replaces the virtual buffers of a tape by pooled ones: two share a buffer where their live ranges do not overlap.
    ///
    /// # Errors
    /// What [`Device::alloc`] says.
    pub fn place(&mut self, device: &mut Device, names: &Virtual, ops: &mut [Op]) -> Result<()> {
        let mut last_use = HashMap::new();
        for (i, op) in ops.iter_mut().enumerate() {
            op.visit_buffers(|id| {
                if id.0 >= VIRTUAL {
                    last_use.insert(*id, i);
                }
            });
        }
        let mut free = self.buffers.clone();
        free.sort_unstable();
        let mut placed: HashMap<BufferId, (usize, BufferId)> = HashMap::new();
        for (i, op) in ops.iter_mut().enumerate() {
            let mut failure = None;
            op.visit_buffers(|id| {
                if id.0 < VIRTUAL || failure.is_some() {
                    return;
                }
                let entry = match placed.get(id) {
                    Some(entry) => *entry,
                    None => {
                        let words = names.words[(id.0 - VIRTUAL) as usize];
                        let at = free.partition_point(|(w, _)| *w < words);
                        let entry = match free.get(at) {
                            Some((w, _)) if *w <= words + words / 4 + 1024 => free.remove(at),
                            _ => match device.alloc("scratch", words, Dtype::F32) {
                                Ok(buffer) => {
                                    self.buffers.push((words, buffer));
                                    (words, buffer)
                                }
                                Err(e) => {
                                    failure = Some(e);
                                    return;
                                }
                            },
                        };
                        placed.insert(*id, entry);
                        entry
                    }
                };
                let name = *id;
                *id = entry.1;
                if last_use.get(&name) == Some(&i) {
                    last_use.insert(name, usize::MAX);
                }
            });
            if let Some(e) = failure {
                return Err(e);
            }
            // Released after the whole op was placed, so that no output takes the place of an input.
            let done: Vec<BufferId> = last_use.iter().filter(|(_, at)| **at == usize::MAX).map(|(id, _)| *id).collect();
            for id in done {
                last_use.remove(&id);
                if let Some(entry) = placed.remove(&id) {
                    let at = free.partition_point(|e| *e < entry);
                    free.insert(at, entry);
                }
            }
        }
        Ok(())
    }
    /// Gives the pool back; programs placed in it must not run again.
    pub fn free(self, device: &mut Device) {
        for (_, buffer) in self.buffers {
            device.free(buffer);
        }
    }
    /// Words of the whole pool.
    pub fn words(&self) -> usize {
        self.buffers.iter().map(|(w, _)| w).sum()
    }
}
