//! Convolutions: tile shapes, parity classes of strided gradients, and slices of the weight gradient's long sum.

use super::super::launch::{Binding, Launch, flag};
use super::reduce::sum_partials;
use super::tiles::Tiled;
use super::{ENOUGH_GROUPS, Encode, Operands, geometry, kernel_args};
use crate::device::info::Kernel;
use crate::error::Result;
use crate::ops::{ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, NormOnLoad, Op, SparseTopology, Weight};

/// The most scratch a weight gradient's slices may take, in words (16 MiB).
const MOST_SCRATCH: usize = 4 << 20;
/// The least vec4s a thread of the sparse weight gradient should add up before the tree.
const LEAST_ROUNDS: usize = 16;
/// What all channels of a slice of the sparse weight gradient may take, in bytes: part of a second-level cache.
const CACHE_BYTES: usize = 1 << 20;
/// The least tiles that a workgroup of the tiled weight gradient should add up before its lanes' sums are added.
const LEAST_TILES: usize = 4;
/// Threads of the sparse kernels.
const SPARSE_THREADS: usize = 64;

pub fn shape_of(s: &ConvShape) -> [(&'static str, f64); 8] {
    geometry(s.input(), s.output(), s.pad)
}

/// What a stage asks for that imports `norm_on_load`.
fn norm_of(norm: Option<NormOnLoad>) -> [(&'static str, f64); 4] {
    let (eval, eps, relu) = norm.map_or((false, 0.0, false), |norm| (norm.eval, norm.eps, norm.relu));
    [("NORM", flag(norm.is_some())), ("eval", flag(eval)), ("eps", eps.into()), ("RELU", flag(relu))]
}

/// The kernels that can make an op, the one that does unless it is known better first; none where there is no choice.
///
/// Small dense tiles load more for a product, and are more workgroups: they are one where large tiles would not fill a large GPU.
pub fn choices(op: &Op) -> Vec<Kernel> {
    let dense = |rows: usize, columns: usize| {
        let large = Block::of(Kernel::Dense8x2, rows);
        let few = columns >= large.columns() && large.groups(rows, columns) < ENOUGH_GROUPS / 2;
        if few { vec![Kernel::Dense8x2, Kernel::Dense4x2, Kernel::Dense4x1] } else { Vec::new() }
    };
    match op {
        Op::ConvForward(ConvForward { shape: s, weight: Weight::Dense { .. }, .. }) => dense(s.c_out, s.output().plane() / 4),
        Op::ConvInputGrad(ConvInputGrad { shape: s, weight: Weight::Dense { .. }, .. }) => {
            dense(s.c_in, s.h_in.div_ceil(s.stride) * s.w_in.div_ceil(s.stride) * s.n / 4)
        }
        _ => {
            let suits = |kernel: &Kernel| Tiled::of(op, *kernel).is_some_and(|tiled| tiled.suits());
            let tiled: Vec<_> = [Kernel::Tiles8, Kernel::Tiles16].into_iter().filter(suits).collect();
            if tiled.is_empty() { tiled } else { [vec![Kernel::Rows], tiled].concat() }
        }
    }
}

/// Whether a kernel is among those that make an op of this kind.
pub fn makes(kernel: Kernel, op: &Op) -> bool {
    match op {
        Op::ConvForward(ConvForward { weight, .. }) | Op::ConvInputGrad(ConvInputGrad { weight, .. }) => {
            kernel.dense() == weight.topology().is_none()
        }
        Op::ConvWeightGrad(ConvWeightGrad { topology, .. }) => !kernel.dense() && topology.is_some(),
        _ => false,
    }
}

/// What a workgroup of `shared/gemm.wgsl` makes.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Rows of threads.
    rows: usize,
    /// Rows of a thread.
    tall: usize,
    /// Vec4s of a thread.
    wide: usize,
}

impl Block {
    /// The tile of a product of `m` rows: few rows get wide tiles.
    fn of(kernel: Kernel, m: usize) -> Self {
        let (tall, wide) = match kernel {
            Kernel::Dense4x2 => (4, 2),
            Kernel::Dense4x1 => (4, 1),
            _ => (8, 2),
        };
        let rows = match m.div_ceil(tall) {
            0..=2 => 2,
            3..=4 => 4,
            _ => 8,
        };
        Self { rows, tall, wide }
    }
    /// Vec4s of a row.
    fn columns(&self) -> usize {
        self.wide * 128 / self.rows
    }
    /// How many make `m` rows and `columns` vec4s.
    fn groups(&self, m: usize, columns: usize) -> usize {
        m.div_ceil(self.tall * self.rows) * columns.div_ceil(self.columns())
    }
    /// What a stage asks for that imports `gemm`.
    fn constants(&self) -> [(&'static str, f64); 3] {
        [("ROWS", self.rows as f64), ("TALL", self.tall as f64), ("WIDE", self.wide as f64)]
    }
}

/// Columns a thread of `shared/sparse_rows.wgsl` holds: as many as still give enough workgroups.
fn sparse_columns(rows: usize, columns: usize) -> usize {
    let fills = |k: usize| columns >= k * SPARSE_THREADS && rows * columns.div_ceil(k * SPARSE_THREADS) >= ENOUGH_GROUPS / 2;
    [8, 4, 2].into_iter().find(|&k| fills(k)).unwrap_or(1)
}

/// Multiply-adds, weighed by three since each needs its own load.
fn sparse_cost(nnz: usize, columns: usize) -> f64 {
    12.0 * nnz as f64 * columns as f64
}

/// A product whose input is staged.
fn tiled(shader: &'static str, bindings: Vec<Binding>, tiled: &Tiled, cost: f64) -> Launch {
    Launch::new(shader, bindings, tiled.tiles() * tiled.groups(), cost).with(tiled.constants())
}

impl Encode for ConvForward {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = &self.shape;
        let columns = s.output().plane() / 4;
        let launch = match self.weight.topology() {
            None => {
                let block = Block::of(operands.kernel, s.c_out);
                let bindings = operands.bind(["x", "weight", "bias", "stats", "affine", "y"])?;
                let cost = s.weights() as f64 * columns as f64 * 4.0;
                let launch = Launch::new("conv_forward", bindings, block.groups(s.c_out, columns), cost);
                launch.with(block.constants()).with(kernel_args((s.kh, s.kw), s.stride))
            }
            Some(t) => {
                let bindings = operands.bind(["x", "weight", "row_ptr", "index", "bias", "stats", "affine", "y"])?;
                let cost = sparse_cost(t.nnz, columns);
                match Tiled::of(&Op::ConvForward(*self), operands.kernel) {
                    Some(tiles) => tiled("sparse_conv_forward_tiled", bindings, &tiles, cost),
                    None => {
                        let per_thread = sparse_columns(s.c_out, columns);
                        let groups = s.c_out * columns.div_ceil(per_thread * SPARSE_THREADS);
                        let launch = Launch::new("sparse_conv_forward", bindings, groups, cost).with([("COLUMNS", per_thread as f64)]);
                        launch.with(kernel_args((s.kh, s.kw), s.stride))
                    }
                }
            }
        };
        let launch = launch.with(shape_of(s)).with(norm_of(self.norm));
        Ok(vec![launch.with([("has_bias", flag(self.bias.is_some()))])])
    }
}

impl Encode for ConvInputGrad {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = &self.shape;
        let accumulate = [("accumulate", flag(self.accumulate))];
        if let Some(t) = self.weight.topology() {
            let classes = s.stride * s.stride;
            let columns = s.h_in.div_ceil(s.stride) * s.w_in.div_ceil(s.stride) * s.n / 4;
            let bindings = operands.bind(["dy", "weight", "t_row_ptr", "t_index", "t_value", "dx"])?;
            if let Some(tiles) = Tiled::of(&Op::ConvInputGrad(*self), operands.kernel) {
                let launch = tiled("sparse_conv_input_grad_tiled", bindings, &tiles, sparse_cost(t.nnz, columns));
                return Ok(vec![launch.with(shape_of(s)).with(accumulate)]);
            }
            let per_thread = sparse_columns(s.c_in * classes, columns);
            let groups = s.c_in * classes * columns.div_ceil(per_thread * SPARSE_THREADS);
            let launch = Launch::new("sparse_conv_input_grad", bindings, groups, sparse_cost(t.nnz, columns));
            let kernel = [("kh", s.kh as f64), ("kw", s.kw as f64), ("STRIDE", s.stride as f64)];
            return Ok(vec![launch.with(shape_of(s)).with(kernel).with(accumulate).with([("COLUMNS", per_thread as f64)])]);
        }
        let block = Block::of(operands.kernel, s.c_in);
        let mut launches = Vec::new();
        for (class_y, class_x) in (0..s.stride.min(s.h_in)).flat_map(|y| (0..s.stride.min(s.w_in)).map(move |x| (y, x))) {
            let (class_h, class_w) = ((s.h_in - class_y).div_ceil(s.stride), (s.w_in - class_x).div_ceil(s.stride));
            let [first_y, first_x] = [class_y, class_x].map(|class| (class + s.pad) % s.stride);
            let [taps_y, taps_x] = [(s.kh, first_y), (s.kw, first_x)].map(|(taps, first)| taps.saturating_sub(first).div_ceil(s.stride));
            let columns = class_h * class_w * s.n / 4;
            let cost = (s.c_out * s.c_in * taps_y * taps_x) as f64 * columns as f64 * 4.0;
            let bindings = operands.bind(["dy", "weight", "dx"])?;
            let launch = Launch::new("conv_input_grad", bindings, block.groups(s.c_in, columns), cost);
            let class = [
                ("class_y", class_y),
                ("class_x", class_x),
                ("first_y", first_y),
                ("first_x", first_x),
                ("taps_y", taps_y),
                ("taps_x", taps_x),
                ("class_h", class_h),
                ("class_w", class_w),
            ];
            let launch = launch.with(class.map(|(name, value)| (name, value as f64))).with(accumulate).with(block.constants());
            launches.push(launch.with(shape_of(s)).with(kernel_args((s.kh, s.kw), s.stride)));
        }
        Ok(launches)
    }
}

/// Cuts `places` vec4s into about `wanted` slices of a multiple of `unit`, fewer where partial sums of `len` words would take
/// too much scratch: (slices, vec4s of one).
fn cut(places: usize, unit: usize, wanted: usize, len: usize) -> (usize, usize) {
    let wanted = wanted.min(MOST_SCRATCH / len.max(1)).max(1);
    let span = places.div_ceil(wanted).next_multiple_of(unit);
    (places.div_ceil(span), span)
}

/// Sends a result to scratch and adds its slices, or straight to its tensor where there is only one.
fn sliced(mut first: Launch, out: Binding, slices: usize) -> Vec<Launch> {
    if slices == 1 {
        first.bindings.push(out);
        return vec![first];
    }
    first.bindings.push(Binding::scratch_out(out.tensor, slices * out.words));
    vec![first, sum_partials(out, slices)]
}

impl Encode for ConvWeightGrad {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let (first, slices) = match self.topology {
            None => dense_weight_grad(&self.shape, operands)?,
            Some(t) if t.nnz > 0 => match Tiled::of(&Op::ConvWeightGrad(*self), operands.kernel) {
                Some(tiles) => tiled_weight_grad(&self.shape, t, &tiles, operands)?,
                None => sparse_weight_grad(&self.shape, t, operands)?,
            },
            Some(_) => return Ok(Vec::new()),
        };
        let first = first.with(shape_of(&self.shape)).with(norm_of(self.norm));
        Ok(sliced(first, operands.get("dw")?, slices))
    }
}

fn dense_weight_grad(s: &ConvShape, operands: &Operands) -> Result<(Launch, usize)> {
    let rows = Block::of(Kernel::Dense8x2, s.c_out).rows;
    let depth = if rows == 2 { 2 } else { 4 };
    let taps = s.c_in * s.kh * s.kw;
    let places = s.output().plane() / 4;
    let tiles = s.c_out.div_ceil(8 * rows) * taps.div_ceil(512 / rows);
    let wanted = ENOUGH_GROUPS.div_ceil(tiles).min(places.div_ceil(64));
    let (slices, span) = cut(places, depth, wanted, s.weights());
    let cost = s.weights() as f64 * places as f64 * 4.0;
    let launch = Launch::new("conv_weight_grad", operands.bind(["x", "stats", "affine", "dy"])?, tiles * slices, cost);
    let launch = launch.with([("KH", s.kh as f64), ("KW", s.kw as f64), ("stride", s.stride as f64)]);
    Ok((launch.with([("ROWS", rows as f64), ("DEPTH", depth as f64), ("span", span as f64)]), slices))
}

fn sparse_weight_grad(s: &ConvShape, t: SparseTopology, operands: &Operands) -> Result<(Launch, usize)> {
    let places = s.output().plane() / 4;
    // All blocks work on one slice before the next, so that the slice of every channel stays in the cache.
    let cached = (CACHE_BYTES / (16 * (s.c_in + s.c_out))).max(1).next_multiple_of(SPARSE_THREADS).min(places);
    // Few threads a block where there is little to add up, so that the tree at the end does not cost more than the sum.
    let lanes = [64, 32, 16, 8].into_iter().find(|&lanes| cached >= LEAST_ROUNDS * lanes).unwrap_or(4);
    let groups = t.nnz.div_ceil(8 * SPARSE_THREADS / lanes);
    let wanted = ENOUGH_GROUPS.div_ceil(groups).min(places.div_ceil(8 * lanes)).max(places.div_ceil(cached));
    let (slices, span) = cut(places, lanes, wanted, t.nnz);
    let launch = Launch::new(
        "sparse_conv_weight_grad",
        operands.bind(["x", "stats", "affine", "dy", "index", "row"])?,
        groups * slices,
        sparse_cost(t.nnz, places),
    );
    let launch = launch.with(kernel_args((s.kh, s.kw), s.stride));
    Ok((launch.with([("lanes", lanes as f64), ("span", span as f64)]), slices))
}

fn tiled_weight_grad(s: &ConvShape, t: SparseTopology, tiled: &Tiled, operands: &Operands) -> Result<(Launch, usize)> {
    let wanted = ENOUGH_GROUPS.div_ceil(tiled.groups()).min(tiled.tiles().div_ceil(LEAST_TILES));
    let (slices, tiles) = cut(tiled.tiles(), 1, wanted, t.nnz);
    let bindings = operands.bind(["x", "stats", "affine", "dy", "row_ptr", "index"])?;
    let cost = sparse_cost(t.nnz, s.output().plane() / 4);
    let launch = Launch::new("sparse_conv_weight_grad_tiled", bindings, tiled.groups() * slices, cost);
    Ok((launch.with(tiled.constants()).with([("tiles", tiles as f64)]), slices))
}
