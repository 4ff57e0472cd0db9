//! Values put into a dense tensor and taken out of it: a thread a value.

use super::super::launch::Launch;
use super::{Encode, Operands, groups_of};
use crate::error::Result;
use crate::ops::{ConvShape, Gather, Scatter};

fn each_value(shader: &'static str, s: &ConvShape, nnz: usize, operands: &Operands, tensors: [&'static str; 4]) -> Result<Vec<Launch>> {
    if nnz == 0 {
        return Ok(Vec::new());
    }
    let launch = Launch::new(shader, operands.bind(tensors)?, groups_of(nnz), 4.0 * nnz as f64);
    Ok(vec![launch.with([("c_in", s.c_in as f64), ("kh", s.kh as f64), ("kw", s.kw as f64)])])
}

impl Encode for Scatter {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        each_value("scatter", &self.shape, self.topology.nnz, operands, ["values", "index", "row", "whole"])
    }
}

impl Encode for Gather {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        each_value("gather", &self.shape, self.topology.nnz, operands, ["whole", "index", "row", "values"])
    }
}
