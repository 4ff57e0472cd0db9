//! Steps and projections of attacks: one thread a vec4 of the batch, and a workgroup a vec4 of lanes for norms.

use super::super::launch::{Launch, flag};
use super::{Encode, Operands, groups_of};
use crate::error::Result;
use crate::ops::{LaneNorm, ProjectL2, Shape, StepL2, StepLinf};

fn each_pixel(shader: &'static str, s: Shape, operands: &Operands) -> Launch {
    let cost = 4.0 * s.len() as f64;
    Launch::new(shader, operands.all(), groups_of(s.len() / 4), cost).with([("N4", (s.n / 4) as f64)])
}

impl Encode for LaneNorm {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = self.shape;
        let launch = each_pixel("lane_norm", s, operands);
        let numbers = [("rows", (s.c * s.h * s.w) as f64), ("minus", flag(self.minus.is_some()))];
        Ok(vec![Launch { groups: s.n / 4, ..launch.with(numbers) }])
    }
}

impl Encode for StepLinf {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let launch = each_pixel("step_linf", self.shape, operands);
        Ok(vec![launch.with([("step", self.step.into()), ("eps", self.eps.into())])])
    }
}

impl Encode for StepL2 {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![each_pixel("step_l2", self.shape, operands).with([("step", self.step.into())])])
    }
}

impl Encode for ProjectL2 {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![each_pixel("project_l2", self.shape, operands).with([("eps", self.eps.into())])])
    }
}
