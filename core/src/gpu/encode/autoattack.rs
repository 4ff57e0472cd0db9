//! AutoAttack's ops: a workgroup a lane, so that norms and decisions need no second dispatch; a thread a lane for losses.

use super::super::launch::{Launch, flag};
use super::{Encode, Operands};
use crate::error::Result;
use crate::ops::autoattack::Ball;
use crate::ops::{ApgdKeep, ApgdStep, FabKeep, FabStep, LaneLoss, Shape, SquareKeep, SquareStep};

fn ball(ball: Ball) -> [(&'static str, f64); 2] {
    [("l2", flag(ball.l2)), ("eps", ball.eps.into())]
}

/// A workgroup a lane; `passes` over the pixels is what it costs.
fn each_lane(shader: &'static str, s: Shape, passes: usize, operands: &Operands) -> Launch {
    Launch::new(shader, operands.all(), s.n, (passes * s.len()) as f64).with([("n", s.n as f64)])
}

fn rows(s: Shape) -> [(&'static str, f64); 1] {
    [("rows", (s.c * s.h * s.w) as f64)]
}

impl Encode for LaneLoss {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let (classes, n) = (self.classes, self.n);
        let launch = Launch::new("lane_loss", operands.all(), n.div_ceil(64), (8 * classes * n) as f64);
        Ok(vec![launch.with([("kind", f64::from(self.kind.code())), ("classes", classes as f64), ("n", n as f64)])])
    }
}

impl Encode for ApgdStep {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![each_lane("apgd_step", self.shape, 8, operands).with(ball(self.ball)).with(rows(self.shape))])
    }
}

impl Encode for ApgdKeep {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![each_lane("apgd_keep", self.shape, 5, operands).with(rows(self.shape))])
    }
}

impl Encode for FabStep {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let launch = each_lane("fab_step", self.shape, 200, operands);
        Ok(vec![launch.with([("l2", flag(self.l2))]).with(rows(self.shape))])
    }
}

impl Encode for FabKeep {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let launch = each_lane("fab_keep", self.shape, 5, operands);
        Ok(vec![launch.with([("l2", flag(self.l2))]).with(rows(self.shape))])
    }
}

impl Encode for SquareStep {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = self.shape;
        let extent = [("channels", s.c as f64), ("h", s.h as f64), ("w", s.w as f64)];
        Ok(vec![each_lane("square_step", s, 8, operands).with(ball(self.ball)).with(extent)])
    }
}

impl Encode for SquareKeep {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![each_lane("square_keep", self.shape, 3, operands).with(rows(self.shape))])
    }
}
