//! The probe of bandwidth and arithmetic: four vectors a thread.

use super::super::launch::Launch;
use super::{Encode, Operands, groups_of};
use crate::error::Result;
use crate::ops::Probe;

impl Encode for Probe {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let cost = self.len as f64 * f64::from(1 + self.rounds);
        let launch = Launch::new("probe", operands.all(), groups_of(self.len.div_ceil(16)), cost);
        Ok(vec![launch.with([("len4", (self.len / 4) as f64), ("ROUNDS", f64::from(self.rounds))])])
    }
}
