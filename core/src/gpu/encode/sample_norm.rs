//! Squared gradient norms by sample: a thread holds four samples and one row of the sums.

use super::super::launch::{Binding, Launch, flag};
use super::conv::shape_of;
use super::{Encode, Operands, kernel_shape};
use crate::error::Result;
use crate::ops::{BatchNormSampleNorm, ConvSampleNorm, NORM_ROWS};

const THREADS: usize = 64;

fn groups(n: usize) -> usize {
    (NORM_ROWS * n / 4).div_ceil(THREADS)
}

impl Encode for ConvSampleNorm {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = &self.shape;
        let count = s.values(self.topology.as_ref());
        if count == 0 && !self.bias {
            return Ok(Vec::new());
        }
        // With no value left there is nothing to walk by; the dense permutation then numbers no weights.
        let sparse = self.topology.is_some() && count > 0;
        let unbound = |tensor| Binding { tensor, source: super::Source::Nothing, words: 0, activation: false, write: false };
        let (index, row) = if sparse { (operands.get("index")?, operands.get("row")?) } else { (unbound("index"), unbound("row")) };
        let x = operands.get("x")?;
        let bindings = vec![if count == 0 { x.left_out() } else { x }, operands.get("dy")?, index, row, operands.get("sums")?];
        let cost = (count + s.c_out) as f64 * s.output().plane() as f64;
        let launch = Launch::new("conv_sample_norm", bindings, groups(s.n), cost);
        Ok(vec![launch.with(shape_of(s)).with(kernel_shape((s.kh, s.kw), s.stride)).with([
            ("sparse", flag(sparse)),
            ("empty", flag(count == 0)),
            ("bias", flag(self.bias)),
            ("rows", NORM_ROWS as f64),
        ])])
    }
}

impl Encode for BatchNormSampleNorm {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = self.shape;
        let launch = Launch::new("batchnorm_sample_norm", operands.all(), groups(s.n), 3.0 * s.len() as f64);
        Ok(vec![launch.with([
            ("channels", s.c as f64),
            ("pixels", (s.h * s.w) as f64),
            ("N4", (s.n / 4) as f64),
            ("rows", NORM_ROWS as f64),
            ("eval", 1.0),
            ("eps", self.eps.into()),
            ("RELU", flag(self.y.is_some())),
        ])])
    }
}
