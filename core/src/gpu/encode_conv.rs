//! Convolutions: tile shapes, parity classes of strided gradients, and slices of the weight gradient's long sum.

use super::encode_norm::sum_partials;
use super::launch::{Launch, flag, read, read_or_nothing, scratch_out, write};
use crate::ops::{ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, SparseTopology, Weight};

/// Workgroups that fill a large GPU.
const ENOUGH_GROUPS: usize = 512;
/// The most scratch a weight gradient's slices may take, in words (16 MiB).
const MOST_SCRATCH: usize = 4 << 20;
/// The least vec4s a thread of the sparse weight gradient should add up before the tree.
const LEAST_ROUNDS: usize = 16;
/// What all channels of a slice of the sparse weight gradient may take, in bytes: part of a second-level cache.
const CACHE_BYTES: usize = 1 << 20;
/// Threads of the sparse kernels.
const SPARSE_THREADS: usize = 64;

pub fn shape_constants(s: &ConvShape) -> Vec<(&'static str, f64)> {
    vec![
        ("C_IN", s.c_in as f64),
        ("H_IN", s.h_in as f64),
        ("W_IN", s.w_in as f64),
        ("C_OUT", s.c_out as f64),
        ("H_OUT", s.h_out as f64),
        ("W_OUT", s.w_out as f64),
        ("KH", s.kh as f64),
        ("KW", s.kw as f64),
        ("STRIDE", s.stride as f64),
        ("PAD", s.pad as f64),
        ("N4", (s.n / 4) as f64),
    ]
}

/// Thread rows of a matrix-product tile (8 outputs each) for `m` output rows.
fn tile_rows(m: usize) -> usize {
    match m {
        0..=16 => 2,
        17..=32 => 4,
        _ => 8,
    }
}

/// Workgroups of `shared/gemm.wgsl` for `m` rows and `columns` vec4s.
fn gemm_groups(rows: usize, m: usize, columns: usize) -> usize {
    m.div_ceil(8 * rows) * columns.div_ceil(256 / rows)
}

/// Columns a thread of `shared/sparse_rows.wgsl` holds: as many as still give enough workgroups.
fn sparse_columns(rows: usize, columns: usize) -> usize {
    let fills = |k: usize| columns >= k * SPARSE_THREADS && rows * columns.div_ceil(k * SPARSE_THREADS) >= ENOUGH_GROUPS / 2;
    [8, 4, 2].into_iter().find(|&k| fills(k)).unwrap_or(1)
}

pub fn forward(o: &ConvForward) -> Vec<Launch> {
    let s = &o.shape;
    let columns = s.output().plane() / 4;
    let mut constants = shape_constants(s);
    constants.push(("HAS_BIAS", flag(o.bias.is_some())));
    let x = read("x", o.x, s.input().len());
    let bias = read_or_nothing("bias", o.bias, s.c_out);
    let y = write("y", o.y, s.output().len());
    vec![match o.weight {
        Weight::Dense { values } => {
            let rows = tile_rows(s.c_out);
            constants.push(("ROWS", rows as f64));
            Launch {
                op: "ConvForward",
                shader: "conv_forward",
                constants,
                bindings: vec![x, read("weight", values, s.weights()), bias, y],
                groups: gemm_groups(rows, s.c_out, columns),
                cost: s.weights() as f64 * columns as f64 * 4.0,
            }
        }
        Weight::Sparse { values, topology: t } => {
            let per_thread = sparse_columns(s.c_out, columns);
            constants.push(("COLUMNS", per_thread as f64));
            Launch {
                op: "ConvForward",
                shader: "sparse_conv_forward",
                constants,
                bindings: vec![
                    x,
                    read("weight", values, t.nnz),
                    read("row_ptr", t.row_ptr, s.c_out + 1),
                    read("index", t.index, t.nnz),
                    bias,
                    y,
                ],
                groups: s.c_out * columns.div_ceil(per_thread * SPARSE_THREADS),
                cost: sparse_cost(t.nnz, columns),
            }
        }
    }]
}

/// Multiply-adds, weighed by three since each needs its own load.
fn sparse_cost(nnz: usize, columns: usize) -> f64 {
    12.0 * nnz as f64 * columns as f64
}

pub fn input_grad(o: &ConvInputGrad) -> Vec<Launch> {
    let s = &o.shape;
    let dy = read("dy", o.dy, s.output().len());
    let dx = write("dx", o.dx, s.input().len());
    match o.weight {
        Weight::Dense { values } => {
            let weight = read("weight", values, s.weights());
            let rows = tile_rows(s.c_in);
            let mut launches = Vec::new();
            for class_y in 0..s.stride.min(s.h_in) {
                for class_x in 0..s.stride.min(s.w_in) {
                    let pixels = (s.h_in - class_y).div_ceil(s.stride) * (s.w_in - class_x).div_ceil(s.stride);
                    let columns = pixels * s.n / 4;
                    let mut constants = shape_constants(s);
                    constants.extend([
                        ("ROWS", rows as f64),
                        ("CLASS_Y", class_y as f64),
                        ("CLASS_X", class_x as f64),
                        ("ACCUMULATE", flag(o.accumulate)),
                    ]);
                    launches.push(Launch {
                        op: "ConvInputGrad",
                        shader: "conv_input_grad",
                        constants,
                        bindings: vec![dy, weight, dx],
                        groups: gemm_groups(rows, s.c_in, columns),
                        cost: s.weights() as f64 * columns as f64 * 4.0 / (s.stride * s.stride) as f64,
                    });
                }
            }
            launches
        }
        Weight::Sparse { values, topology: t } => {
            let classes = s.stride * s.stride;
            let columns = s.h_in.div_ceil(s.stride) * s.w_in.div_ceil(s.stride) * s.n / 4;
            let per_thread = sparse_columns(s.c_in * classes, columns);
            let mut constants = shape_constants(s);
            constants.extend([("COLUMNS", per_thread as f64), ("ACCUMULATE", flag(o.accumulate))]);
            vec![Launch {
                op: "ConvInputGrad",
                shader: "sparse_conv_input_grad",
                constants,
                bindings: vec![
                    dy,
                    read("weight", values, t.nnz),
                    read("t_row_ptr", t.t_row_ptr, s.c_in + 1),
                    read("t_index", t.t_index, t.nnz),
                    read("t_value", t.t_value, t.nnz),
                    dx,
                ],
                groups: s.c_in * classes * columns.div_ceil(per_thread * SPARSE_THREADS),
                cost: sparse_cost(t.nnz, columns),
            }]
        }
    }
}

pub fn weight_grad(o: &ConvWeightGrad) -> Vec<Launch> {
    match o.weight {
        Weight::Dense { .. } => dense_weight_grad(o),
        Weight::Sparse { topology, .. } if topology.nnz > 0 => sparse_weight_grad(o, topology),
        Weight::Sparse { .. } => Vec::new(),
    }
}

/// Cuts `places` vec4s into about `wanted` slices of a multiple of `unit`, fewer where partial sums of `len` words would take
/// too much scratch: (slices, vec4s of one).
fn cut(places: usize, unit: usize, wanted: usize, len: usize) -> (usize, usize) {
    let wanted = wanted.min(MOST_SCRATCH / len.max(1)).max(1);
    let span = places.div_ceil(wanted).next_multiple_of(unit);
    (places.div_ceil(span), span)
}

/// Sends a result to scratch and adds its slices, or straight to `dw` where there is only one.
fn sliced(mut first: Launch, o: &ConvWeightGrad, len: usize, slices: usize) -> Vec<Launch> {
    if slices == 1 {
        first.bindings.push(write("dw", o.dw, len));
        return vec![first];
    }
    first.bindings.push(scratch_out(slices * len));
    vec![first, sum_partials("ConvWeightGrad", "dw", o.dw, len, slices)]
}

fn dense_weight_grad(o: &ConvWeightGrad) -> Vec<Launch> {
    let s = &o.shape;
    let rows = tile_rows(s.c_out);
    let depth = if rows == 2 { 2 } else { 4 };
    let taps = s.c_in * s.kh * s.kw;
    let places = s.output().plane() / 4;
    let tiles = s.c_out.div_ceil(8 * rows) * taps.div_ceil(512 / rows);
    let wanted = ENOUGH_GROUPS.div_ceil(tiles).min(places.div_ceil(64));
    let (slices, span) = cut(places, depth, wanted, s.weights());
    let mut constants = shape_constants(s);
    constants.extend([("ROWS", rows as f64), ("DEPTH", depth as f64), ("SPAN", span as f64)]);
    let first = Launch {
        op: "ConvWeightGrad",
        shader: "conv_weight_grad",
        constants,
        bindings: vec![read("x", o.x, s.input().len()), read("dy", o.dy, s.output().len())],
        groups: tiles * slices,
        cost: s.weights() as f64 * places as f64 * 4.0,
    };
    sliced(first, o, s.weights(), slices)
}

fn sparse_weight_grad(o: &ConvWeightGrad, t: SparseTopology) -> Vec<Launch> {
    let s = &o.shape;
    let places = s.output().plane() / 4;
    // All blocks work on one slice before the next, so that the slice of every channel stays in the cache.
    let cached = (CACHE_BYTES / (16 * (s.c_in + s.c_out))).next_multiple_of(SPARSE_THREADS).min(places);
    // Few threads a block where there is little to add up, so that the tree at the end does not cost more than the sum.
    let lanes = [64, 32, 16, 8].into_iter().find(|&lanes| cached >= LEAST_ROUNDS * lanes).unwrap_or(4);
    let groups = t.nnz.div_ceil(8 * SPARSE_THREADS / lanes);
    let wanted = ENOUGH_GROUPS.div_ceil(groups).min(places.div_ceil(8 * lanes)).max(places.div_ceil(cached));
    let (slices, span) = cut(places, lanes, wanted, t.nnz);
    let mut constants = shape_constants(s);
    constants.extend([("LANES", lanes as f64), ("SPAN", span as f64)]);
    let first = Launch {
        op: "ConvWeightGrad",
        shader: "sparse_conv_weight_grad",
        constants,
        bindings: vec![
            read("x", o.x, s.input().len()),
            read("dy", o.dy, s.output().len()),
            read("index", t.index, t.nnz),
            read("row", t.row, t.nnz),
        ],
        groups: groups * slices,
        cost: sparse_cost(t.nnz, places),
    };
    sliced(first, o, t.nnz, slices)
}
