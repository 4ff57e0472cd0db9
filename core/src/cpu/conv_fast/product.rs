//! Output tiles as products of weights with a packed block: register-tiled for dense weights, row by row for sparse ones.

use std::cell::RefCell;

use pulp::{Simd, WithSimd};

use super::lattice::{Lattice, Tile};
use super::{Index, Shared, Tiling};
use crate::platform::{parallel_for, threads};

/// What is computed: `out (+)= weights * source` over a lattice.
pub struct Product<'a> {
    /// Geometry.
    pub lattice: &'a Lattice,
    /// Activation read.
    pub source: &'a [f32],
    /// Add to the output instead of overwriting it.
    pub accumulate: bool,
}

/// Distances between dense weights of neighbouring output rows and source channels.
#[derive(Clone, Copy)]
pub struct Strides {
    /// Between output channels.
    pub row: usize,
    /// Between source channels.
    pub channel: usize,
}

/// Output channels of a dense register tile; the widest tile that 32 registers hold beside two vectors of input.
const TALL: usize = 8;
/// The same for 16 registers.
const SHORT: usize = 4;
/// Vectors of a dense register tile.
const DENSE_VECTORS: usize = 2;
/// Vectors that a sparse row accumulates at once.
const SPARSE_VECTORS: usize = 8;
/// Floats of the largest tile of any kernel: lanes * vectors * rows.
const STAGE: usize = 16 * TALL * DENSE_VECTORS;

/// Weights prepared for a tiling.
pub struct Weights {
    tiling: Tiling,
    rows: usize,
    kind: Kind,
}

enum Kind {
    /// `[block][row tile][channel of the block][tap][row of the tile]`, rows beyond the last zero.
    Dense { values: Vec<f32>, tall: bool, offsets: Vec<u32> },
    /// Entries by (block, row): where they read in the packed block, and their value.
    Sparse { starts: Vec<usize>, entries: Vec<(u32, f32)> },
}

impl Weights {
    /// Prepares weights: `rows` output channels.
    pub fn new(lattice: &Lattice, rows: usize, index: Index<'_>, values: &[f32], strides: Strides) -> Self {
        let tiling = Tiling::new(lattice);
        let kind = match index {
            Index::Dense => {
                let tall = pulp::Arch::new().dispatch(RegisterCount) >= 32;
                let offset = |i: usize| i / tiling.taps.len() * tiling.channel + tiling.taps[i % tiling.taps.len()];
                let offsets = (0..tiling.channels * tiling.taps.len()).map(|i| offset(i) as u32).collect();
                Kind::Dense { values: pack_dense(lattice, &tiling, rows, values, strides, tall), tall, offsets }
            }
            Index::Sparse(csr) => {
                let mut grouped = super::sampled::Grouped::new(lattice, &tiling, csr, rows);
                let entries = std::mem::take(&mut grouped.entries);
                let entries = entries.into_iter().map(|(offset, position)| (offset, values[position as usize])).collect();
                Kind::Sparse { starts: grouped.starts, entries }
            }
        };
        Self { tiling, rows, kind }
    }
}

/// Asks how many vector registers there are.
struct RegisterCount;

impl WithSimd for RegisterCount {
    type Output = usize;
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::REGISTER_COUNT
    }
}

fn pack_dense(lattice: &Lattice, tiling: &Tiling, rows: usize, values: &[f32], strides: Strides, tall: bool) -> Vec<f32> {
    let (height, taps) = (if tall { TALL } else { SHORT }, lattice.taps.len());
    let tiles = rows.div_ceil(height);
    let mut packed = vec![0.0; tiles * height * lattice.source.c * taps];
    let shared = Shared::new(&mut packed);
    parallel_for(tiles, |tile| {
        for block in 0..tiling.blocks(lattice) {
            let channels = tiling.block(lattice, block);
            let start = height * taps * (channels.start * tiles + tile * channels.len());
            // SAFETY: each (block, tile) has its own part.
            let to = unsafe { shared.part(start, height * taps * channels.len()) };
            let mut to = to.chunks_exact_mut(height);
            for channel in channels {
                for tap in &lattice.taps {
                    let Some(to) = to.next() else { return };
                    for (row, to) in (tile * height..rows).zip(to) {
                        *to = values[row * strides.row + channel * strides.channel + tap.number];
                    }
                }
            }
        }
    });
    packed
}

/// A cache line of floats: blocks start on one, so that vectors never straddle two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

thread_local! {
    static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Lends this thread's scratch of at least `len` floats, aligned to cache lines, contents arbitrary.
pub fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|lines| {
        if lines.len() < len.div_ceil(16) {
            lines.resize(len.div_ceil(16), Line([0.0; 16]));
        }
        // SAFETY: a `Line` is 16 floats without padding, so the lines are that many initialised floats in a row.
        work(unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * 16) })
    })
}

/// Computes the product: tiles in parallel, and groups of rows too where tiles are few.
pub fn run(product: &Product<'_>, weights: &Weights, out: &Shared<'_, f32>) {
    let (tiling, lattice) = (&weights.tiling, product.lattice);
    let tiles = tiling.tiles(lattice);
    let groups = weights.rows.div_ceil(TALL);
    let parts = (4 * threads()).div_ceil(tiles.max(1)).clamp(1, groups);
    parallel_for(tiles * parts, |i| {
        let part = i % parts;
        let first = part * groups / parts * TALL;
        let rows = first..((part + 1) * groups / parts * TALL).min(weights.rows);
        let tile = tiling.tile(lattice, i / parts);
        with_scratch(tiling.scratch(), |block| {
            pulp::Arch::new().dispatch(TileTask { product, weights, out, tile, rows, block });
        });
    });
}

/// One tile for some output channels.
struct TileTask<'a> {
    product: &'a Product<'a>,
    weights: &'a Weights,
    out: &'a Shared<'a, f32>,
    tile: Tile,
    rows: std::ops::Range<usize>,
    block: &'a mut [f32],
}

impl WithSimd for TileTask<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { product, weights, out, tile, rows, block } = self;
        let (lattice, tiling) = (product.lattice, &weights.tiling);
        for b in 0..tiling.blocks(lattice) {
            let channels = tiling.block(lattice, b);
            tiling.pack(lattice, tile, channels.clone(), product.source, block);
            let place = Place { lattice, tile, below: tiling.below, out, add: product.accumulate || b > 0, block };
            match &weights.kind {
                Kind::Dense { values, tall, offsets } => {
                    let taps = lattice.taps.len();
                    let height = if *tall { TALL } else { SHORT };
                    let tiles = weights.rows.div_ceil(height);
                    let offsets = &offsets[..channels.len() * taps];
                    for first in rows.clone().step_by(height) {
                        let start = height * taps * (channels.start * tiles + first / height * channels.len());
                        let values = &values[start..][..height * offsets.len()];
                        let rows = first..(first + height).min(weights.rows);
                        if *tall {
                            dense_rows::<S, TALL>(simd, &place, rows, values, offsets);
                        } else {
                            dense_rows::<S, SHORT>(simd, &place, rows, values, offsets);
                        }
                    }
                }
                Kind::Sparse { starts, entries } => {
                    for row in rows.clone() {
                        let at = b * weights.rows + row;
                        sparse_row(simd, &place, row, &entries[starts[at]..starts[at + 1]]);
                    }
                }
            }
        }
    }
}

/// A packed tile and where its results go.
struct Place<'a> {
    lattice: &'a Lattice,
    tile: Tile,
    below: usize,
    out: &'a Shared<'a, f32>,
    add: bool,
    block: &'a [f32],
}

impl Place<'_> {
    /// Runs `kernel(source, out, row distance, add)` for `vectors * lanes` columns from `col` of a tile's row, straight
    /// into the output where those are contiguous and wanted, else by way of a stage on the stack.
    #[inline(always)]
    fn emit<const HEIGHT: usize>(
        &self,
        rows: std::ops::Range<usize>,
        (y, col, width): (usize, usize, usize),
        kernel: impl Fn(*const f32, *mut f32, usize, bool),
    ) {
        let Self { lattice, tile, out, block, .. } = self;
        let (n, plane) = (lattice.out.n, lattice.out.plane());
        let source = block[y * self.below + col..].as_ptr();
        let end = (col + width).min(tile.cols * n);
        let at = |row: usize, col: usize| row * plane + lattice.out_at(tile.y + y, tile.x + col / n) + col % n;
        if lattice.out_step == 1 && end == col + width && rows.len() == HEIGHT {
            return kernel(source, out.pointer(at(rows.start, col)), plane, self.add);
        }
        let mut stage = [0.0; STAGE];
        kernel(source, stage.as_mut_ptr(), width, false);
        for (row, stage) in rows.zip(stage.chunks_exact(width)) {
            let mut from = col;
            while from < end {
                let to = if lattice.out_step == 1 { end } else { (from / n + 1) * n }.min(end);
                // SAFETY: this task alone writes this tile of these rows.
                let out = unsafe { out.part(at(row, from), to - from) };
                let stage = &stage[from - col..to - col];
                if self.add {
                    out.iter_mut().zip(stage).for_each(|(out, &value)| *out += value);
                } else {
                    out.copy_from_slice(stage);
                }
                from = to;
            }
        }
    }
    /// Calls `chunk(y, col, vectors)` over the tile's rows, `most` vectors at a time and then fewer.
    #[inline(always)]
    fn chunks(&self, lanes: usize, most: usize, mut chunk: impl FnMut(usize, usize, usize)) {
        let cols = self.tile.cols * self.lattice.out.n;
        for y in 0..self.tile.rows {
            let mut col = 0;
            while col < cols {
                let vectors = (cols - col).div_ceil(lanes).next_power_of_two().min(most);
                chunk(y, col, vectors);
                col += vectors * lanes;
            }
        }
    }
}

#[inline(always)]
fn dense_rows<S: Simd, const HEIGHT: usize>(simd: S, place: &Place<'_>, rows: std::ops::Range<usize>, values: &[f32], offsets: &[u32]) {
    place.chunks(S::F32_LANES, DENSE_VECTORS, |y, col, vectors| {
        let at = (y, col, vectors * S::F32_LANES);
        // SAFETY: offsets stay in the packed block, whose slack covers the last vectors; the output is this task's tile.
        place.emit::<HEIGHT>(rows.clone(), at, |source, out, distance, add| unsafe {
            match vectors {
                1 => dense_tile::<S, HEIGHT, 1>(simd, values, offsets, source, out, distance, add),
                _ => dense_tile::<S, HEIGHT, DENSE_VECTORS>(simd, values, offsets, source, out, distance, add),
            }
        });
    });
}

#[inline(always)]
fn sparse_row<S: Simd>(simd: S, place: &Place<'_>, row: usize, entries: &[(u32, f32)]) {
    place.chunks(S::F32_LANES, SPARSE_VECTORS, |y, col, vectors| {
        let at = (y, col, vectors * S::F32_LANES);
        // SAFETY: as in `dense_rows`.
        place.emit::<1>(row..row + 1, at, |source, out, _, add| unsafe {
            match vectors {
                1 => sparse_tile::<S, 1>(simd, entries, source, out, add),
                2 => sparse_tile::<S, 2>(simd, entries, source, out, add),
                4 => sparse_tile::<S, 4>(simd, entries, source, out, add),
                _ => sparse_tile::<S, SPARSE_VECTORS>(simd, entries, source, out, add),
            }
        });
    });
}

/// One vector from anywhere.
///
/// # Safety
/// A vector of floats must be readable there.
#[inline(always)]
pub unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: by the caller's promise; a vector of floats may hold any bits.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// `out[i][..] (+)= sum over k of values[k][i] * source[offsets[k]..]`.
///
/// # Safety
/// `source` must be readable for V vectors from each offset, `out` writable for V vectors in HEIGHT rows.
#[inline(always)]
unsafe fn dense_tile<S: Simd, const HEIGHT: usize, const V: usize>(
    simd: S,
    values: &[f32],
    offsets: &[u32],
    source: *const f32,
    out: *mut f32,
    distance: usize,
    add: bool,
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; HEIGHT];
    for (values, &offset) in values.as_chunks::<HEIGHT>().0.iter().zip(offsets) {
        let mut inputs = [simd.splat_f32s(0.0); V];
        for v in 0..V {
            // SAFETY: by the caller's promise.
            inputs[v] = unsafe { load::<S>(source.add(offset as usize + v * S::F32_LANES)) };
        }
        for row in 0..HEIGHT {
            let value = simd.splat_f32s(values[row]);
            for v in 0..V {
                sums[row][v] = simd.mul_add_e_f32s(value, inputs[v], sums[row][v]);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        // SAFETY: by the caller's promise.
        unsafe { store::<S, V>(simd, sums, out.add(row * distance), add) };
    }
}

/// `out[..] (+)= sum over entries of value * source[offset..]`.
///
/// # Safety
/// As [`dense_tile`], for one row.
#[inline(always)]
unsafe fn sparse_tile<S: Simd, const V: usize>(simd: S, entries: &[(u32, f32)], source: *const f32, out: *mut f32, add: bool) {
    let mut sums = [simd.splat_f32s(0.0); V];
    for &(offset, value) in entries {
        let value = simd.splat_f32s(value);
        for v in 0..V {
            // SAFETY: by the caller's promise.
            let input = unsafe { load::<S>(source.add(offset as usize + v * S::F32_LANES)) };
            sums[v] = simd.mul_add_e_f32s(value, input, sums[v]);
        }
    }
    // SAFETY: by the caller's promise.
    unsafe { store::<S, V>(simd, &sums, out, add) };
}

/// # Safety
/// `out` must be writable (and readable, to add) for V vectors.
#[inline(always)]
unsafe fn store<S: Simd, const V: usize>(simd: S, sums: &[S::f32s; V], out: *mut f32, add: bool) {
    for v in 0..V {
        // SAFETY: by the caller's promise.
        unsafe {
            let to = out.add(v * S::F32_LANES);
            let value = if add { simd.add_f32s(sums[v], load::<S>(to)) } else { sums[v] };
            to.cast::<S::f32s>().write_unaligned(value);
        }
    }
}
