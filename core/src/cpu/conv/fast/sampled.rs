//! Weight gradients as dot products of a gradient's row with a packed block. All weights: several at once, their sums in registers. Those of
//! a structure: the gradient's few vectors in registers, a vector of sums a weight in the L2 cache, and the input in the L1 cache.
//!
//! Segments are dealt to a number of parts that depends on the shape alone; parts are added in order, so the result does
//! not depend on the number of threads.

#![expect(clippy::needless_range_loop, reason = "register tiles: constant bounds, several arrays by one index")]

use pulp::{Simd, WithSimd};

use super::lattice::{Lattice, MOST_ROWS, Segment};
use super::scratch::{load, with_scratch, with_staging};
use super::structure::{Places, SPARSE_VECTORS};
use super::{Shared, Source, Structure, Tiling, chunks_mut};
use crate::cpu::activation::Activation;
use crate::platform::parallel::CHUNK;
use crate::platform::parallel_for;

/// Floats that all parts together may hold.
const PARTIALS: usize = 1 << 20;
/// Parts at most.
const PARTS: usize = 16;

/// The segments of a gradient, and how many parts they are dealt to.
fn deal(lattice: &Lattice, tiling: &Tiling, weights: usize) -> (Vec<Segment>, usize) {
    let segments = tiling.segments(lattice, PARTS);
    let parts = (PARTIALS / weights.max(1)).clamp(1, PARTS).min(segments.len());
    (segments, parts)
}

/// Runs `task(i, segments, partial gradients, start of its own)` for each part and `i < tasks`, and adds the parts in order.
fn in_parts(
    (segments, parts): (Vec<Segment>, usize),
    tasks: usize,
    dw: &mut [f32],
    task: impl Fn(usize, &[Segment], &Shared<'_, f32>, usize) + Sync + Send,
) {
    let (len, count) = (dw.len(), segments.len());
    with_staging(len * parts, |partials| {
        partials.fill(0.0);
        let shared = Shared::new(partials);
        parallel_for(parts * tasks, |i| {
            let part = i / tasks;
            task(i % tasks, &segments[part * count / parts..(part + 1) * count / parts], &shared, part * len);
        });
        chunks_mut(dw, CHUNK, |i, dw| {
            dw.fill(0.0);
            for part in 0..parts {
                let from = &partials[part * len + i * CHUNK..][..dw.len()];
                dw.iter_mut().zip(from).for_each(|(dw, &from)| *dw += from);
            }
        });
    });
}

/// Floats of a packed gradient's row.
fn pitch(tiling: &Tiling, n: usize) -> usize {
    // Beside a multiple of a page, so that rows do not fall on the same cache sets.
    ((tiling.cols * n).div_ceil(16) | 1) * 16
}

/// Floats of a vector of any width at most.
const VECTOR: usize = 16;

/// `dw` at the entries of a structure, in the order of their values.
pub fn sparse(lattice: &Lattice, x: Source<'_, f32>, dy: Activation<'_, f32>, structure: &Structure, rows: usize, dw: &mut [f32]) {
    let tiling = &structure.tiling;
    let dealt = deal(lattice, tiling, dw.len());
    in_parts(dealt, tiling.blocks(lattice), dw, |block, segments, partials, start| {
        let entries = structure.block(block);
        let sums = entries.len() * structure.vector;
        let widened = if let Activation::Half(_) = dy { rows * tiling.cols * lattice.out.n } else { 0 };
        with_scratch(tiling.scratch() + sums + widened, |scratch| {
            let (packed, rest) = scratch.split_at_mut(tiling.scratch());
            let (sums, widened) = rest.split_at_mut(sums);
            sums.fill(0.0);
            let task = BlockTask { lattice, structure, block, rows, x, dy, segments, packed, sums, widened, partials, start };
            pulp::Arch::new().dispatch(task);
        });
    });
}

/// A block's gradients over some segments.
struct BlockTask<'a> {
    lattice: &'a Lattice,
    structure: &'a Structure,
    block: usize,
    rows: usize,
    x: Source<'a, f32>,
    dy: Activation<'a, f32>,
    segments: &'a [Segment],
    packed: &'a mut [f32],
    /// A vector for each of the block's entries.
    sums: &'a mut [f32],
    /// Where the gradient is stored in 16 bits: a row of positions of all its channels.
    widened: &'a mut [f32],
    partials: &'a Shared<'a, f32>,
    start: usize,
}

impl WithSimd for BlockTask<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { lattice, structure, block, rows, x, dy, segments, packed, sums, widened, partials, start } = self;
        let tiling = &structure.tiling;
        let entries = structure.block(block);
        let mut rest = [0.0; SPARSE_VECTORS * VECTOR];
        for (segment, y) in segments.iter().flat_map(|s| s.rows.clone().map(move |y| (s, y))) {
            tiling.pack(lattice, segment, y, tiling.block(lattice, block), x, packed);
            let turn = tiling.turn(lattice, y);
            let (plane, at) = (lattice.out.plane(), lattice.out_at(y, segment.x));
            let (dy, plane) = match dy {
                Activation::Full(dy) => (&dy[at..], plane),
                Activation::Half(_) => {
                    let len = segment.cols * lattice.out.n;
                    for (row, to) in (0..rows).zip(widened.chunks_exact_mut(len)) {
                        dy.part(row * plane + at, len).copy(to);
                    }
                    (&*widened, len)
                }
            };
            let line = Line { structure, block, rows, turn, segment, lattice, dy, plane, packed, first: entries.start };
            line.accumulate(simd, &mut rest, sums);
        }
        for (&position, sums) in structure.positions[entries].iter().zip(sums.chunks_exact(S::F32_LANES)) {
            // SAFETY: positions of one part belong to one task; a chunk is a vector.
            if let [slot] = unsafe { partials.part(start + position as usize, 1) } {
                *slot = simd.reduce_sum_f32s(unsafe { load::<S>(sums.as_ptr()) });
            }
        }
    }
}

/// A packed row of positions and the gradient that belongs to it.
struct Line<'a> {
    structure: &'a Structure,
    block: usize,
    rows: usize,
    turn: usize,
    segment: &'a Segment,
    lattice: &'a Lattice,
    /// The gradient from the row's first position on, its channels `plane` floats apart.
    dy: &'a [f32],
    plane: usize,
    packed: &'a [f32],
    /// The block's first entry.
    first: usize,
}

impl Line<'_> {
    /// All rows of each tile, `SPARSE_VECTORS` at a time.
    #[inline(always)]
    fn accumulate<S: Simd>(&self, simd: S, rest: &mut [f32], sums: &mut [f32]) {
        let tiling = &self.structure.tiling;
        let count = (self.segment.cols * tiling.lanes).div_ceil(S::F32_LANES);
        for tile in 0..tiling.tiles {
            let mut from = 0;
            while from < count {
                let at = (tile, from);
                // No more than are left: nothing is read beyond a row that is whole vectors.
                from += match count - from {
                    SPARSE_VECTORS.. => self.columns::<S, SPARSE_VECTORS>(simd, at, rest, sums),
                    _ => self.columns::<S, 1>(simd, at, rest, sums),
                };
            }
        }
    }

    /// All rows at V vectors of a tile, group by group; gives V.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&self, simd: S, (tile, from): (usize, usize), rest: &mut [f32], sums: &mut [f32]) -> usize {
        let source = self.packed[self.structure.tiling.tile(tile) + from * S::F32_LANES..].as_ptr();
        for group in 0..self.structure.groups {
            for channel in 0..self.rows {
                let (range, places) = self.structure.list(self.turn, self.block, group, channel);
                if range.is_empty() {
                    continue;
                }
                let (first, distance, per) = self.gradient::<S, V>(channel, tile, from, rest);
                let mut gradient = [simd.splat_f32s(0.0); V];
                for v in 0..V {
                    // SAFETY: there are this many vectors.
                    gradient[v] = unsafe { load::<S>(first.add(v / per * distance + v % per * S::F32_LANES)) };
                }
                let sums = &mut sums[(range.start - self.first) * S::F32_LANES..(range.end - self.first) * S::F32_LANES];
                // SAFETY: places stay in the packed block, whose slack covers the last vector; there is a vector of sums an entry.
                unsafe { add_products::<S, V>(simd, gradient, places, source, sums.as_mut_ptr()) };
            }
        }
        V
    }

    /// Where V vectors of a channel's gradient stand from one on, the distance of columns, and how many vectors a column has: in the
    /// gradient, but for those that its row does not fill, which are made whole in `rest`.
    #[inline(always)]
    fn gradient<S: Simd, const V: usize>(&self, channel: usize, tile: usize, from: usize, rest: &mut [f32]) -> (*const f32, usize, usize) {
        let (lattice, tiling) = (self.lattice, &self.structure.tiling);
        let row = &self.dy[channel * self.plane..];
        if tiling.tiles > 1 {
            let (n, per) = (lattice.out.n, tiling.lanes / S::F32_LANES);
            return (row[from / per * n + tile * tiling.lanes + from % per * S::F32_LANES..].as_ptr(), n, per);
        }
        // Columns follow one another.
        let row = &row[from * S::F32_LANES..self.segment.cols * tiling.lanes];
        if row.len() >= V * S::F32_LANES {
            return (row.as_ptr(), S::F32_LANES, 1);
        }
        let (filled, beyond) = rest[..V * S::F32_LANES].split_at_mut(row.len());
        filled.copy_from_slice(row);
        beyond.fill(0.0);
        (rest.as_ptr(), S::F32_LANES, 1)
    }
}

/// `sums[i][..] += sum over v of gradient[v] * source[offset of i..][v]`, a vector an entry.
///
/// # Safety
/// `source` must be readable for V vectors from each entry's offset, `sums` writable for a vector an entry.
#[inline(always)]
unsafe fn add_products<S: Simd, const V: usize>(simd: S, gradient: [S::f32s; V], places: Places<'_>, source: *const f32, sums: *mut f32) {
    for (i, &place) in places.kept().iter().enumerate() {
        // SAFETY: by the caller's promise, here and below.
        let (source, at) = unsafe { (source.add(places.offset(place)), sums.add(i * S::F32_LANES)) };
        // Two sums, so that no product waits long for the one before it.
        let mut sums = [unsafe { load::<S>(at) }, simd.splat_f32s(0.0)];
        for v in 0..V {
            let x = unsafe { load::<S>(source.add(v * S::F32_LANES)) };
            sums[v % 2] = simd.mul_add_e_f32s(gradient[v], x, sums[v % 2]);
        }
        let sum = simd.add_f32s(sums[0], sums[1]);
        unsafe { at.cast::<S::f32s>().write_unaligned(sum) };
    }
}

/// Rows of the gradient and the packed input that belongs to them.
#[derive(Clone, Copy)]
struct View<'a> {
    gradient: &'a [f32],
    /// Floats between neighbouring channels of the gradient.
    distance: usize,
    /// Floats between its rows of positions: whole vectors, zero beyond `len`.
    line: usize,
    packed: &'a [f32],
    /// Floats of a row.
    len: usize,
}

/// `sums[i][j] = sum over lines of dot(gradient of row i, packed from the line's offsets[j])`.
#[inline(always)]
fn dots<S: Simd, const ROWS: usize, const TAPS: usize>(simd: S, view: View<'_>, offsets: &[[u32; TAPS]]) -> [[f32; TAPS]; ROWS] {
    let packed = view.packed.as_ptr();
    let mut sums = [[simd.splat_f32s(0.0); TAPS]; ROWS];
    for (line, offsets) in offsets.iter().enumerate() {
        let gradient = view.gradient[line * view.line..].as_ptr();
        let mut col = 0;
        while col < view.len {
            let mut dy = [simd.splat_f32s(0.0); ROWS];
            for row in 0..ROWS {
                // SAFETY: the gradient has these rows, of whole vectors.
                dy[row] = unsafe { load::<S>(gradient.add(row * view.distance + col)) };
            }
            for tap in 0..TAPS {
                // SAFETY: offsets stay in the packed block, whose slack covers the last vector.
                let x = unsafe { load::<S>(packed.add(offsets[tap] as usize + col)) };
                for row in 0..ROWS {
                    sums[row][tap] = simd.mul_add_e_f32s(dy[row], x, sums[row][tap]);
                }
            }
            col += S::F32_LANES;
        }
    }
    let mut totals = [[0.0; TAPS]; ROWS];
    for row in 0..ROWS {
        for tap in 0..TAPS {
            totals[row][tap] = simd.reduce_sum_f32s(sums[row][tap]);
        }
    }
    totals
}

/// Output channels and taps of a register tile of the dense gradient.
const ROWS: usize = 4;
const TAPS: usize = 6;

/// `dw[row][channel][tap]` for every weight.
pub fn dense(lattice: &Lattice, x: Source<'_, f32>, dy: Activation<'_, f32>, rows: usize, dw: &mut [f32]) {
    let tiling = Tiling::for_sums(lattice);
    let taps = lattice.taps.len();
    let turns: Vec<Vec<u32>> = (0..tiling.ring).map(|turn| tiling.offsets(turn)).collect();
    let (segments, parts) = deal(lattice, &tiling, dw.len());
    // Row groups as tasks of their own only where parts and blocks are few: each packs its block again.
    let (blocks, groups) = (tiling.blocks(lattice), rows.div_ceil(ROWS));
    let splits = (PARTS / (blocks * parts)).clamp(1, groups);
    let (line, width) = (pitch(&tiling, lattice.out.n), lattice.source.c * taps);
    let distance = tiling.rows * line;
    in_parts((segments, parts), blocks * splits, dw, |task, segments, partials, start| {
        let (block, split) = (task / splits, task % splits);
        let rows = split * groups / splits * ROWS..((split + 1) * groups / splits * ROWS).min(rows);
        let channels = tiling.block(lattice, block);
        let start = start + rows.start * width + channels.start * taps;
        let gradients = rows.len().next_multiple_of(ROWS) * distance;
        with_scratch(tiling.scratch() + gradients, |scratch| {
            let (gradients, packed) = scratch.split_at_mut(gradients);
            gradients.fill(0.0);
            for (segment, first) in segments.iter().flat_map(|s| s.rows.clone().step_by(tiling.rows).map(move |y| (s, y))) {
                tiling.pack(lattice, segment, first, channels.clone(), x, packed);
                let ys = first..(first + tiling.rows).min(segment.rows.end);
                let len = segment.cols * lattice.out.n;
                for (row, gradients) in rows.clone().zip(gradients.chunks_exact_mut(distance)) {
                    for (y, gradient) in ys.clone().zip(gradients.chunks_exact_mut(line)) {
                        let (gradient, rest) = gradient.split_at_mut(len);
                        dy.part(row * lattice.out.plane() + lattice.out_at(y, segment.x), len).copy(gradient);
                        rest.fill(0.0);
                    }
                }
                let mut offsets = [&[][..]; MOST_ROWS];
                for (offsets, y) in offsets.iter_mut().zip(ys.clone()) {
                    *offsets = &turns[tiling.turn(lattice, y)][..channels.len() * taps];
                }
                let view = View { gradient: gradients, distance, line, packed, len };
                let offsets = &offsets[..ys.len()];
                pulp::Arch::new().dispatch(DenseRows { view, offsets, rows: rows.len(), partials, start, width });
            }
        });
    });
}

struct DenseRows<'a> {
    view: View<'a>,
    /// Where each (channel, tap) reads, by line.
    offsets: &'a [&'a [u32]],
    rows: usize,
    partials: &'a Shared<'a, f32>,
    start: usize,
    width: usize,
}

impl WithSimd for DenseRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { view, offsets, rows, partials, start, width } = self;
        let weights = offsets.first().map_or(0, |offsets| offsets.len());
        for at in (0..weights).step_by(TAPS) {
            let count = TAPS.min(weights - at);
            // A short last group repeats its last weight.
            let mut group = [[0; TAPS]; MOST_ROWS];
            for (group, offsets) in group.iter_mut().zip(offsets) {
                for tap in 0..TAPS {
                    group[tap] = offsets[at + tap.min(count - 1)];
                }
            }
            for first in (0..rows).step_by(ROWS) {
                let view = View { gradient: &view.gradient[first * view.distance..], ..view };
                let sums = dots::<S, ROWS, TAPS>(simd, view, &group[..offsets.len()]);
                for (row, sums) in (first..rows).zip(sums) {
                    // SAFETY: these rows and channels of one part belong to one task.
                    let to = unsafe { partials.part(start + row * width + at, count) };
                    to.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
                }
            }
        }
    }
}
