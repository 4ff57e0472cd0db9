//! Weight gradients as dot products of a gradient's row with a packed block, several weights at once.
//!
//! Segments are dealt to a number of parts that depends on the shape alone; parts are added in order, so the result does
//! not depend on the number of threads.

#![expect(clippy::needless_range_loop, reason = "register tiles: constant bounds, several arrays by one index")]

use pulp::{Simd, WithSimd};

use super::lattice::{Lattice, Segment};
use super::scratch::{load, with_scratch, with_staging};
use super::structure::Places;
use super::{Shared, Source, Structure, Tiling, chunks_mut};
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

/// Floats that whole vectors of any width fill: of such a length a row can be read where it stands.
const VECTOR: usize = 16;

/// A segment's row of a gradient's channel: where it stands, if whole vectors fill it, else packed, zero beyond its columns.
fn gradient_row<'a>(lattice: &Lattice, segment: &Segment, y: usize, dy: &'a [f32], to: &'a mut [f32]) -> &'a [f32] {
    let len = segment.cols * lattice.out.n;
    let row = &dy[lattice.out_at(y, segment.x)..][..len];
    if len.is_multiple_of(VECTOR) {
        return row;
    }
    let (to_row, rest) = to.split_at_mut(len);
    to_row.copy_from_slice(row);
    rest.fill(0.0);
    to
}

/// `dw` at the entries of a structure, in the order of their values.
pub fn sparse(lattice: &Lattice, x: Source<'_, f32>, dy: &[f32], structure: &Structure, rows: usize, dw: &mut [f32]) {
    let tiling = &structure.tiling;
    let pitch = pitch(tiling, lattice.out.n);
    let dealt = deal(lattice, tiling, dw.len());
    in_parts(dealt, tiling.blocks(lattice), dw, |block, segments, partials, start| {
        with_scratch(tiling.scratch() + pitch, |scratch| {
            let (buffer, packed) = scratch.split_at_mut(pitch);
            for (segment, y) in segments.iter().flat_map(|s| s.rows.clone().map(move |y| (s, y))) {
                tiling.pack(lattice, segment, y, tiling.block(lattice, block), x, packed);
                let turn = tiling.turn(lattice, y);
                for (group, row) in (0..structure.groups).flat_map(|group| (0..rows).map(move |row| (group, row))) {
                    let (range, places) = structure.list(turn, block, group, row);
                    if !range.is_empty() {
                        let gradient = gradient_row(lattice, segment, y, &dy[row * lattice.out.plane()..], buffer);
                        let view = View { gradient, packed, len: segment.cols * lattice.out.n };
                        let positions = &structure.positions[range];
                        pulp::Arch::new().dispatch(SparseRow { view, places, positions, partials, start });
                    }
                }
            }
        });
    });
}

/// Rows of the gradient and the packed input that belongs to them.
#[derive(Clone, Copy)]
struct View<'a> {
    gradient: &'a [f32],
    packed: &'a [f32],
    len: usize,
}

struct SparseRow<'a> {
    view: View<'a>,
    /// Where each entry reads.
    places: Places<'a>,
    /// Where its gradient goes.
    positions: &'a [u32],
    partials: &'a Shared<'a, f32>,
    start: usize,
}

impl WithSimd for SparseRow<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (mut kept, mut positions) = (self.places.kept(), self.positions);
        kept = self.groups::<S, 8>(simd, kept, &mut positions);
        kept = self.groups::<S, 2>(simd, kept, &mut positions);
        self.groups::<S, 1>(simd, kept, &mut positions);
    }
}

impl SparseRow<'_> {
    /// Works through whole groups of so many entries; gives those that are left.
    #[inline(always)]
    fn groups<'a, S: Simd, const TAPS: usize>(&self, simd: S, kept: &'a [u32], positions: &mut &'a [u32]) -> &'a [u32] {
        let (groups, rest) = kept.as_chunks::<TAPS>();
        let (targets, targets_rest) = positions.as_chunks::<TAPS>();
        for (kept, targets) in groups.iter().zip(targets) {
            let mut offsets = [0; TAPS];
            for tap in 0..TAPS {
                offsets[tap] = self.places.offset(kept[tap]) as u32;
            }
            let sums = dots::<S, 1, TAPS>(simd, self.view, 0, offsets);
            for (&position, sum) in targets.iter().zip(sums[0]) {
                // SAFETY: positions of one part belong to one task.
                if let [slot] = unsafe { self.partials.part(self.start + position as usize, 1) } {
                    *slot += sum;
                }
            }
        }
        *positions = targets_rest;
        rest
    }
}

/// `sums[i][j] = dot(gradient of row i, packed from offsets[j])`; gradients lie `distance` apart.
#[inline(always)]
fn dots<S: Simd, const ROWS: usize, const TAPS: usize>(
    simd: S,
    view: View<'_>,
    distance: usize,
    offsets: [u32; TAPS],
) -> [[f32; TAPS]; ROWS] {
    let (gradient, packed) = (view.gradient.as_ptr(), view.packed.as_ptr());
    let mut sums = [[simd.splat_f32s(0.0); TAPS]; ROWS];
    let mut col = 0;
    while col < view.len {
        let mut dy = [simd.splat_f32s(0.0); ROWS];
        for row in 0..ROWS {
            // SAFETY: the distance is a whole number of vectors.
            dy[row] = unsafe { load::<S>(gradient.add(row * distance + col)) };
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
pub fn dense(lattice: &Lattice, x: Source<'_, f32>, dy: &[f32], rows: usize, dw: &mut [f32]) {
    let tiling = Tiling::new(lattice);
    let taps = lattice.taps.len();
    let turns: Vec<Vec<u32>> = (0..tiling.ring).map(|turn| tiling.offsets(turn)).collect();
    let (segments, parts) = deal(lattice, &tiling, dw.len());
    // Row groups as tasks of their own only where parts and blocks are few: each packs its block again.
    let (blocks, groups) = (tiling.blocks(lattice), rows.div_ceil(ROWS));
    let splits = (PARTS / (blocks * parts)).clamp(1, groups);
    let (distance, width) = (pitch(&tiling, lattice.out.n), lattice.source.c * taps);
    in_parts((segments, parts), blocks * splits, dw, |task, segments, partials, start| {
        let (block, split) = (task / splits, task % splits);
        let rows = split * groups / splits * ROWS..((split + 1) * groups / splits * ROWS).min(rows);
        let channels = tiling.block(lattice, block);
        let start = start + rows.start * width + channels.start * taps;
        let gradients = rows.len().next_multiple_of(ROWS) * distance;
        with_scratch(tiling.scratch() + gradients, |scratch| {
            let (gradients, packed) = scratch.split_at_mut(gradients);
            gradients.fill(0.0);
            for (segment, y) in segments.iter().flat_map(|s| s.rows.clone().map(move |y| (s, y))) {
                tiling.pack(lattice, segment, y, channels.clone(), x, packed);
                for (row, gradient) in rows.clone().zip(gradients.chunks_exact_mut(distance)) {
                    let (gradient, rest) = gradient.split_at_mut(segment.cols * lattice.out.n);
                    gradient.copy_from_slice(&dy[row * lattice.out.plane() + lattice.out_at(y, segment.x)..][..gradient.len()]);
                    rest.fill(0.0);
                }
                let view = View { gradient: gradients, packed, len: segment.cols * lattice.out.n };
                let offsets = &turns[tiling.turn(lattice, y)][..channels.len() * taps];
                pulp::Arch::new().dispatch(DenseRows { view, distance, offsets, rows: rows.len(), partials, start, width });
            }
        });
    });
}

struct DenseRows<'a> {
    view: View<'a>,
    distance: usize,
    offsets: &'a [u32],
    rows: usize,
    partials: &'a Shared<'a, f32>,
    start: usize,
    width: usize,
}

impl WithSimd for DenseRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { view, distance, offsets, rows, partials, start, width } = self;
        for (i, group) in offsets.chunks(TAPS).enumerate() {
            // A short last group repeats its last weight.
            let mut padded = [group[group.len() - 1]; TAPS];
            padded[..group.len()].copy_from_slice(group);
            for first in (0..rows).step_by(ROWS) {
                let view = View { gradient: &view.gradient[first * distance..], ..view };
                let sums = dots::<S, ROWS, TAPS>(simd, view, distance, padded);
                for (row, sums) in (first..rows).zip(sums) {
                    // SAFETY: these rows and channels of one part belong to one task.
                    let to = unsafe { partials.part(start + row * width + i * TAPS, group.len()) };
                    to.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
                }
            }
        }
    }
}
