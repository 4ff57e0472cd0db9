//! Squared gradient norms by sample: a thread holds four samples and one row of the sums.

use super::encode_conv::shape_constants;
use super::launch::{Launch, flag, nothing, read, read_or_nothing, write};
use crate::ops::{BatchNormSampleNorm, ConvSampleNorm, NORM_ROWS, Weight};

const THREADS: usize = 64;

pub fn conv(o: &ConvSampleNorm) -> Vec<Launch> {
    let s = &o.shape;
    let topology = match o.weight {
        Weight::Dense { .. } => None,
        Weight::Sparse { topology, .. } => Some(topology),
    };
    let count = topology.map_or(s.weights(), |t| t.nnz);
    if count == 0 && !o.bias {
        return Vec::new();
    }
    // With no value left there is nothing to bind; the dense permutation then numbers no weights.
    let topology = topology.filter(|t| t.nnz > 0);
    let mut constants = shape_constants(s);
    constants.extend([("SPARSE", flag(topology.is_some())), ("EMPTY", flag(count == 0)), ("BIAS", flag(o.bias))]);
    constants.push(("ROWS", NORM_ROWS as f64));
    let index = |pick: fn(&crate::ops::SparseTopology) -> crate::ops::BufferId| topology.as_ref().map(pick);
    vec![Launch {
        op: "ConvSampleNorm",
        shader: "conv_sample_norm",
        constants,
        bindings: vec![
            if count == 0 { nothing(false) } else { read("x", o.x, s.input().len()) },
            read("dy", o.dy, s.output().len()),
            read_or_nothing("index", index(|t| t.index), count),
            read_or_nothing("row", index(|t| t.row), count),
            write("sums", o.sums, NORM_ROWS * s.n),
        ],
        groups: (NORM_ROWS * s.n / 4).div_ceil(THREADS),
        cost: (count + s.c_out) as f64 * s.output().plane() as f64,
    }]
}

pub fn batchnorm(o: &BatchNormSampleNorm) -> Vec<Launch> {
    let s = o.shape;
    vec![Launch {
        op: "BatchNormSampleNorm",
        shader: "batchnorm_sample_norm",
        constants: vec![
            ("CHANNELS", s.c as f64),
            ("PIXELS", (s.h * s.w) as f64),
            ("N4", (s.n / 4) as f64),
            ("ROWS", NORM_ROWS as f64),
            ("EVAL", 1.0),
            ("EPS", o.eps.into()),
            ("RELU", flag(o.relu)),
        ],
        bindings: vec![
            read("dy", o.dy, s.len()),
            read_or_nothing("y", o.relu.then_some(o.y), s.len()),
            read("x", o.x, s.len()),
            read("stats", o.stats, 2 * s.c),
            write("sums", o.sums, NORM_ROWS * s.n),
        ],
        groups: (NORM_ROWS * s.n / 4).div_ceil(THREADS),
        cost: 3.0 * s.len() as f64,
    }]
}
