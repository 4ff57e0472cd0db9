//! Optimisers: one thread a value.

use super::super::launch::{Launch, flag};
use super::{Encode, Operands, groups_of};
use crate::error::Result;
use crate::ops::{AdamUpdate, SgdUpdate};

impl Encode for SgdUpdate {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let launch = Launch::new("sgd_update", operands.all(), groups_of(self.len), (5 * self.len) as f64);
        Ok(vec![launch.with([("has_mask", flag(self.mask.is_some())), ("momentum_reset", flag(self.momentum_reset))])])
    }
}

impl Encode for AdamUpdate {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let launch = Launch::new("adam_update", operands.all(), groups_of(self.len), (7 * self.len) as f64);
        Ok(vec![launch.with([("has_mask", flag(self.mask.is_some()))])])
    }
}
