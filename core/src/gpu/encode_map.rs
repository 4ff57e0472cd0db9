//! Element-wise ops, pooling, shortcuts, the loss and the optimisers: one thread an element (or vec4 of the batch).

use super::launch::{Launch, flag, nothing, read, read_or_nothing, read_unless, write};
use crate::ops::{
    AdamUpdate, Add, Augment, AvgPool, AvgPoolGrad, Fill, MaxPool, MaxPoolGrad, Normalize, PoolShape, Relu, ReluGrad, SgdUpdate, Shape,
    ShortcutA, ShortcutAGrad, SoftmaxCrossEntropy,
};

/// Threads of a workgroup in all of these but the loss.
const THREADS: usize = 256;

fn map(op: &'static str, shader: &'static str, threads: usize, cost: usize) -> Launch {
    Launch { op, shader, constants: Vec::new(), bindings: Vec::new(), groups: threads.div_ceil(THREADS), cost: cost as f64 }
}

/// Constants of a shader that imports `conv_shape` without being a convolution.
fn geometry(input: Shape, output: Shape, kh: usize, kw: usize, stride: usize, pad: usize) -> Vec<(&'static str, f64)> {
    vec![
        ("C_IN", input.c as f64),
        ("H_IN", input.h as f64),
        ("W_IN", input.w as f64),
        ("C_OUT", output.c as f64),
        ("H_OUT", output.h as f64),
        ("W_OUT", output.w as f64),
        ("KH", kh as f64),
        ("KW", kw as f64),
        ("STRIDE", stride as f64),
        ("PAD", pad as f64),
        ("N4", (input.n / 4) as f64),
    ]
}

fn pool_geometry(s: &PoolShape) -> Vec<(&'static str, f64)> {
    geometry(s.input, s.output, s.kh, s.kw, s.stride, s.pad)
}

pub fn augment(o: &Augment) -> Vec<Launch> {
    let s = o.shape;
    let mut l = map("Augment", "augment", s.len() / 4, 4 * s.len());
    l.constants = vec![("C", s.c as f64), ("H", s.h as f64), ("W", s.w as f64), ("N4", (s.n / 4) as f64)];
    l.bindings = vec![read("bytes", o.bytes, s.len() / 4), read("params", o.params, 8 * s.n), write("out", o.out, s.len())];
    vec![l]
}

pub fn normalize(o: &Normalize) -> Vec<Launch> {
    let s = o.shape;
    let mut l = map("Normalize", "normalize", s.len() / 4, 2 * s.len());
    l.constants = vec![
        ("CHANNELS", s.c as f64),
        ("PLANE", (s.plane() / 4) as f64),
        ("N4", (s.n / 4) as f64),
        ("IN_PLACE", flag(o.x == o.y)),
        ("MEAN0", o.mean[0].into()),
        ("MEAN1", o.mean[1].into()),
        ("MEAN2", o.mean[2].into()),
        ("MEAN3", o.mean[3].into()),
        ("INV_STD0", o.inv_std[0].into()),
        ("INV_STD1", o.inv_std[1].into()),
        ("INV_STD2", o.inv_std[2].into()),
        ("INV_STD3", o.inv_std[3].into()),
    ];
    l.bindings = vec![read_unless("x", o.x, o.y, s.len()), write("y", o.y, s.len())];
    vec![l]
}

pub fn add(o: &Add) -> Vec<Launch> {
    let mut l = map("Add", "add", o.len, 3 * o.len);
    l.bindings = vec![read("x", o.x, o.len), write("y", o.y, o.len)];
    vec![l]
}

pub fn relu(o: &Relu) -> Vec<Launch> {
    let mut l = map("Relu", "relu", o.len, 2 * o.len);
    l.constants = vec![("IN_PLACE", flag(o.x == o.y))];
    l.bindings = vec![read_unless("x", o.x, o.y, o.len), write("y", o.y, o.len)];
    vec![l]
}

pub fn relu_grad(o: &ReluGrad) -> Vec<Launch> {
    let mut l = map("ReluGrad", "relu_grad", o.len, 3 * o.len);
    l.constants = vec![("IN_PLACE", flag(o.dy == o.dx)), ("ACCUMULATE", flag(o.accumulate))];
    l.bindings = vec![read_unless("dy", o.dy, o.dx, o.len), read("y", o.y, o.len), write("dx", o.dx, o.len)];
    vec![l]
}

pub fn fill(o: &Fill) -> Vec<Launch> {
    let mut l = map("Fill", "fill", o.len, o.len);
    l.constants = vec![("VALUE", o.value.into())];
    l.bindings = vec![write("buffer", o.buffer, o.len)];
    vec![l]
}

pub fn max_pool(o: &MaxPool) -> Vec<Launch> {
    let (i, y) = (o.shape.input.len(), o.shape.output.len());
    let mut l = map("MaxPool", "max_pool", y / 4, i + y);
    l.constants = pool_geometry(&o.shape);
    l.bindings = vec![read("x", o.x, i), write("y", o.y, y)];
    vec![l]
}

pub fn max_pool_grad(o: &MaxPoolGrad) -> Vec<Launch> {
    let (i, y) = (o.shape.input.len(), o.shape.output.len());
    let mut l = map("MaxPoolGrad", "max_pool_grad", i / 4, 2 * (i + y));
    l.constants = pool_geometry(&o.shape);
    l.constants.push(("ACCUMULATE", flag(o.accumulate)));
    l.bindings = vec![read("x", o.x, i), read("y", o.y, y), read("dy", o.dy, y), write("dx", o.dx, i)];
    vec![l]
}

pub fn avg_pool(o: &AvgPool) -> Vec<Launch> {
    let (i, y) = (o.shape.input.len(), o.shape.output.len());
    let mut l = map("AvgPool", "avg_pool", y / 4, i + y);
    l.constants = pool_geometry(&o.shape);
    l.bindings = vec![read("x", o.x, i), write("y", o.y, y)];
    vec![l]
}

pub fn avg_pool_grad(o: &AvgPoolGrad) -> Vec<Launch> {
    let (i, y) = (o.shape.input.len(), o.shape.output.len());
    let mut l = map("AvgPoolGrad", "avg_pool_grad", i / 4, i + y);
    l.constants = pool_geometry(&o.shape);
    l.constants.push(("ACCUMULATE", flag(o.accumulate)));
    l.bindings = vec![read("dy", o.dy, y), write("dx", o.dx, i)];
    vec![l]
}

pub fn shortcut_a(o: &ShortcutA) -> Vec<Launch> {
    let (i, y) = (o.input.len(), o.output.len());
    let mut l = map("ShortcutA", "shortcut_a", y / 4, i + y);
    l.constants = geometry(o.input, o.output, 1, 1, o.stride, 0);
    l.constants.push(("PAD_CHANNELS", ((o.output.c - o.input.c) / 2) as f64));
    l.bindings = vec![read("x", o.x, i), write("y", o.y, y)];
    vec![l]
}

pub fn shortcut_a_grad(o: &ShortcutAGrad) -> Vec<Launch> {
    let (i, y) = (o.input.len(), o.output.len());
    let mut l = map("ShortcutAGrad", "shortcut_a_grad", i / 4, i + y);
    l.constants = geometry(o.input, o.output, 1, 1, o.stride, 0);
    l.constants.push(("PAD_CHANNELS", ((o.output.c - o.input.c) / 2) as f64));
    l.constants.push(("ACCUMULATE", flag(o.accumulate)));
    l.bindings = vec![read("dy", o.dy, y), write("dx", o.dx, i)];
    vec![l]
}

pub fn softmax_cross_entropy(o: &SoftmaxCrossEntropy) -> Vec<Launch> {
    let len = o.classes * o.n;
    let mut l = map("SoftmaxCrossEntropy", "softmax_cross_entropy", 1, 8 * len);
    l.constants = vec![("CLASSES", o.classes as f64), ("N", o.n as f64), ("HAS_GRAD", flag(o.dlogits.is_some()))];
    l.bindings = vec![
        read("logits", o.logits, len),
        read("labels", o.labels, o.n),
        o.dlogits.map_or(nothing(true), |id| write("dlogits", id, len)),
        write("samples", o.samples, 0),
        write("totals", o.totals, crate::ops::loss::TOTAL_WORDS),
    ];
    vec![l]
}

pub fn sgd(o: &SgdUpdate) -> Vec<Launch> {
    let mut l = map("SgdUpdate", "sgd_update", o.len, 5 * o.len);
    l.constants = vec![("HAS_MASK", flag(o.mask.is_some())), ("MOMENTUM_RESET", flag(o.momentum_reset))];
    l.bindings = vec![
        write("values", o.values, o.len),
        read("grad", o.grad, o.len),
        write("momentum", o.momentum, o.len),
        read_or_nothing("mask", o.mask, o.len),
    ];
    vec![l]
}

pub fn adam(o: &AdamUpdate) -> Vec<Launch> {
    let mut l = map("AdamUpdate", "adam_update", o.len, 7 * o.len);
    l.constants = vec![("HAS_MASK", flag(o.mask.is_some()))];
    l.bindings = vec![
        write("values", o.values, o.len),
        read("grad", o.grad, o.len),
        write("first", o.first, o.len),
        write("second", o.second, o.len),
        read_or_nothing("mask", o.mask, o.len),
    ];
    vec![l]
}
