//! What a device can do at best, measured by its own means: the roof under which all other ops run.

use super::BufferId;
use super::contract::{Check, Contract, Slot, require};

/// `y = x` after `rounds` multiply-adds `v * 0.5 + 0.25` of every element on its own. Without rounds it moves memory and nothing else;
/// with thousands it is arithmetic and nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// Elements, a multiple of 4.
    pub len: usize,
    /// Multiply-adds of each.
    pub rounds: u32,
    /// Read.
    pub x: BufferId,
    /// Written.
    pub y: BufferId,
}

impl Contract for Probe {
    fn check(&self) -> Check {
        require(self.len.is_multiple_of(4) && u32::try_from(self.len).is_ok(), "x", "a multiple of 4 that u32 holds", self.len)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![Slot::read("x", &mut self.x, self.len), Slot::write("y", &mut self.y, self.len)]
    }
}
