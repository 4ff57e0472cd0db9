//! BatchNorm: sums over a channel in two stages, and passes of one thread a vec4.

use super::super::launch::{Binding, Launch, flag};
use super::reduce::{channel_sums, plane_of, slices, sum_partials};
use super::{Encode, Operands, groups_of};
use crate::error::Result;
use crate::ops::{BatchNormApply, BatchNormInputGrad, BatchNormReduceGrad, BatchNormStats, Gate};

fn gate_of(gate: Gate) -> [(&'static str, f64); 2] {
    [("RELU", flag(gate.relu())), ("AGAIN", flag(gate == Gate::Again))]
}

impl Encode for BatchNormStats {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = self.shape;
        let partials = 2 * slices(s).0 * s.c;
        let first = channel_sums("batchnorm_stats", s, 2, operands.bind(["x"])?);
        let [x, saved, running] = [operands.get("x")?, operands.get("saved")?, operands.get("running")?];
        let bindings = vec![x, Binding::scratch_in("partials", partials), saved, running];
        let finish = Launch::new("batchnorm_finish", bindings, s.c.div_ceil(64), partials as f64).with([
            ("channels", s.c as f64),
            ("plane", (s.plane() / 4) as f64),
            ("pixels", (s.h * s.w) as f64),
            ("momentum", self.momentum.into()),
            ("eps", self.eps.into()),
        ]);
        Ok(vec![first, finish])
    }
}

impl Encode for BatchNormApply {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = self.shape;
        let launch = Launch::new("batchnorm_apply", operands.all(), groups_of(s.len() / 4), 3.0 * s.len() as f64);
        Ok(vec![launch.with(plane_of(s)).with([
            ("eval", flag(self.eval)),
            ("eps", self.eps.into()),
            ("RELU", flag(self.relu)),
            ("has_residual", flag(self.residual.is_some())),
        ])])
    }
}

impl Encode for BatchNormReduceGrad {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let first = channel_sums("batchnorm_reduce_grad", self.shape, 2, operands.bind(["dy", "y", "x", "stats", "affine"])?);
        let first = first.with(gate_of(self.gate)).with([("eval", flag(self.eval)), ("eps", self.eps.into())]);
        Ok(vec![first, sum_partials(operands.get("daffine")?, slices(self.shape).0)])
    }
}

impl Encode for BatchNormInputGrad {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = self.shape;
        let launch = Launch::new("batchnorm_input_grad", operands.all(), groups_of(s.len() / 4), 4.0 * s.len() as f64);
        Ok(vec![launch.with(plane_of(s)).with(gate_of(self.gate)).with([
            ("pixels", (s.h * s.w) as f64),
            ("eval", flag(self.eval)),
            ("eps", self.eps.into()),
            ("IN_PLACE", flag(operands.in_place())),
            ("HAS_RESIDUAL", flag(self.dresidual.is_some())),
            ("ACCUMULATE", flag(self.accumulate)),
            ("ACCUMULATE_RESIDUAL", flag(self.dresidual.is_some_and(|(_, add)| add))),
        ])])
    }
}
