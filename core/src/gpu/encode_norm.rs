//! BatchNorm and the bias gradient: sums over a channel in two stages (slices of the plane, then the slices), so that few
//! channels still fill a GPU and the order of additions never changes.

use super::launch::{Launch, flag, nothing, read, read_or_nothing, read_unless, scratch_in, scratch_out, write};
use crate::ops::{BatchNormApply, BatchNormInputGrad, BatchNormReduceGrad, BatchNormStats, BiasGrad, Shape};

/// Workgroups that fill a large GPU.
const ENOUGH_GROUPS: usize = 512;
/// The least a workgroup of `channel_sums` should add: 4 vec4s a thread.
const LEAST_SPAN: usize = 4 * 256;

/// The slices of a channel's plane: how many, and how many vec4s each.
fn slices(shape: Shape) -> (usize, usize) {
    let plane = shape.plane() / 4;
    let wanted = ENOUGH_GROUPS.div_ceil(shape.c).min(plane.div_ceil(LEAST_SPAN)).max(1);
    let span = plane.div_ceil(wanted);
    (plane.div_ceil(span), span)
}

fn plane_constants(shape: Shape) -> Vec<(&'static str, f64)> {
    vec![("CHANNELS", shape.c as f64), ("PLANE", (shape.plane() / 4) as f64), ("N4", (shape.n / 4) as f64)]
}

fn sums(op: &'static str, shader: &'static str, shape: Shape) -> Launch {
    let (count, span) = slices(shape);
    let mut constants = plane_constants(shape);
    constants.push(("SPAN", span as f64));
    Launch { op, shader, constants, bindings: Vec::new(), groups: shape.c * count, cost: 2.0 * shape.len() as f64 }
}

/// Adds `slices` partial results of `len` words each into `out`.
pub fn sum_partials(op: &'static str, tensor: &'static str, out: crate::ops::BufferId, len: usize, slices: usize) -> Launch {
    Launch {
        op,
        shader: "sum_partials",
        constants: Vec::new(),
        bindings: vec![scratch_in(slices * len), write(tensor, out, len)],
        groups: len.div_ceil(64),
        cost: (slices * len) as f64,
    }
}

pub fn bias_grad(o: &BiasGrad) -> Vec<Launch> {
    let (count, _) = slices(o.shape);
    let mut first = sums("BiasGrad", "bias_grad", o.shape);
    first.bindings = vec![read("dy", o.dy, o.shape.len()), scratch_out(count * o.shape.c)];
    vec![first, sum_partials("BiasGrad", "dbias", o.dbias, o.shape.c, count)]
}

pub fn stats(o: &BatchNormStats) -> Vec<Launch> {
    let s = o.shape;
    let (count, _) = slices(s);
    let mut first = sums("BatchNormStats", "batchnorm_stats", s);
    first.bindings = vec![read("x", o.x, s.len()), scratch_out(2 * count * s.c)];
    let finish = Launch {
        op: "BatchNormStats",
        shader: "batchnorm_finish",
        constants: vec![
            ("CHANNELS", s.c as f64),
            ("PLANE", (s.plane() / 4) as f64),
            ("PIXELS", (s.h * s.w) as f64),
            ("MOMENTUM", o.momentum.into()),
            ("EPS", o.eps.into()),
        ],
        bindings: vec![
            read("x", o.x, s.len()),
            scratch_in(2 * count * s.c),
            write("saved", o.saved, 2 * s.c),
            write("running", o.running, 2 * s.c),
        ],
        groups: s.c.div_ceil(64),
        cost: (2 * count * s.c) as f64,
    };
    vec![first, finish]
}

pub fn apply(o: &BatchNormApply) -> Vec<Launch> {
    let s = o.shape;
    let mut constants = plane_constants(s);
    constants.extend([
        ("EVAL", flag(o.eval)),
        ("EPS", o.eps.into()),
        ("RELU", flag(o.relu)),
        ("HAS_RESIDUAL", flag(o.residual.is_some())),
        ("IN_PLACE", flag(o.x == o.y)),
        ("RESIDUAL_IN_PLACE", flag(o.residual == Some(o.y))),
    ]);
    vec![Launch {
        op: "BatchNormApply",
        shader: "batchnorm_apply",
        constants,
        bindings: vec![
            read_unless("x", o.x, o.y, s.len()),
            read("stats", o.stats, 2 * s.c),
            read("affine", o.affine, 2 * s.c),
            read_or_nothing("residual", o.residual.filter(|&r| r != o.y), s.len()),
            write("y", o.y, s.len()),
        ],
        groups: (s.len() / 4).div_ceil(256),
        cost: 3.0 * s.len() as f64,
    }]
}

pub fn reduce_grad(o: &BatchNormReduceGrad) -> Vec<Launch> {
    let s = o.shape;
    let (count, _) = slices(s);
    let mut first = sums("BatchNormReduceGrad", "batchnorm_reduce_grad", s);
    first.constants.extend([("EVAL", flag(o.eval)), ("EPS", o.eps.into()), ("RELU", flag(o.relu))]);
    first.bindings = vec![
        read("dy", o.dy, s.len()),
        read_or_nothing("y", o.relu.then_some(o.y), s.len()),
        read("x", o.x, s.len()),
        read("stats", o.stats, 2 * s.c),
        scratch_out(2 * count * s.c),
    ];
    vec![first, sum_partials("BatchNormReduceGrad", "daffine", o.daffine, 2 * s.c, count)]
}

pub fn input_grad(o: &BatchNormInputGrad) -> Vec<Launch> {
    let s = o.shape;
    let mut constants = plane_constants(s);
    constants.extend([
        ("PIXELS", (s.h * s.w) as f64),
        ("EVAL", flag(o.eval)),
        ("EPS", o.eps.into()),
        ("RELU", flag(o.relu)),
        ("IN_PLACE", flag(o.dy == o.dx)),
        ("HAS_RESIDUAL", flag(o.dresidual.is_some())),
        ("ACCUMULATE", flag(o.accumulate)),
        ("ACCUMULATE_RESIDUAL", flag(o.dresidual.is_some_and(|(_, add)| add))),
    ]);
    vec![Launch {
        op: "BatchNormInputGrad",
        shader: "batchnorm_input_grad",
        constants,
        bindings: vec![
            read_unless("dy", o.dy, o.dx, s.len()),
            read_or_nothing("y", o.relu.then_some(o.y), s.len()),
            read_or_nothing("x", (!o.eval).then_some(o.x), s.len()),
            read("stats", o.stats, 2 * s.c),
            read("affine", o.affine, 2 * s.c),
            read_or_nothing("daffine", (!o.eval).then_some(o.daffine), 2 * s.c),
            write("dx", o.dx, s.len()),
            o.dresidual.map_or(nothing(true), |(id, _)| write("dresidual", id, s.len())),
        ],
        groups: (s.len() / 4).div_ceil(256),
        cost: 4.0 * s.len() as f64,
    }]
}
