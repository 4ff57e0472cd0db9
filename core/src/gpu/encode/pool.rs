//! Pooling: one thread a vec4 of what is written.

use super::super::launch::{Launch, flag};
use super::{Encode, Operands, geometry, groups_of, kernel_shape};
use crate::error::Result;
use crate::ops::{AvgPool, AvgPoolGrad, MaxPool, MaxPoolGrad, PoolShape};

fn pool(shader: &'static str, s: &PoolShape, written: usize, passes: usize, operands: &Operands) -> Launch {
    let cost = passes * (s.input.len() + s.output.len());
    let launch = Launch::new(shader, operands.all(), groups_of(written / 4), cost as f64);
    launch.with(geometry(s.input, s.output, s.pad)).with(kernel_shape((s.kh, s.kw), s.stride))
}

impl Encode for MaxPool {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![pool("max_pool", &self.shape, self.shape.output.len(), 1, operands)])
    }
}

impl Encode for MaxPoolGrad {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let launch = pool("max_pool_grad", &self.shape, self.shape.input.len(), 2, operands);
        Ok(vec![launch.with([("accumulate", flag(self.accumulate))])])
    }
}

impl Encode for AvgPool {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![pool("avg_pool", &self.shape, self.shape.output.len(), 1, operands)])
    }
}

impl Encode for AvgPoolGrad {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let launch = pool("avg_pool_grad", &self.shape, self.shape.input.len(), 1, operands);
        Ok(vec![launch.with([("accumulate", flag(self.accumulate))])])
    }
}
