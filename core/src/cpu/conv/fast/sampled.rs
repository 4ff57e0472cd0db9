//! Weight gradients as dot products of a gradient's row with a packed block, several weights at once.
//!
//! Segments are dealt to a number of parts that depends on the shape alone; parts are added in order, so the result does
//! not depend on the number of threads.

#![expect(clippy::needless_range_loop, reason = "register tiles: constant bounds, several arrays by one index")]

use pulp::{Simd, WithSimd};

use super::lattice::{Lattice, Segment};
use super::scratch::{load, with_scratch};
use super::{Shared, Tiling, chunks_mut};
use crate::cpu::conv::Csr;
use crate::platform::parallel::CHUNK;
use crate::platform::parallel_for;

/// A sparse weight's entries by (channel block, group of channels within the block, row).
pub struct Grouped {
    /// Groups of a block.
    pub groups: usize,
    /// `[blocks * groups * rows + 1]`.
    pub starts: Vec<usize>,
    /// (channel within the block, tap, position).
    pub entries: Vec<(u32, u32, u32)>,
}

impl Grouped {
    /// Sorts the entries that the lattice's taps reach into groups of `span` channels.
    pub fn new(lattice: &Lattice, tiling: &Tiling, csr: Csr<'_>, rows: usize, span: usize) -> Self {
        let groups = tiling.channels.div_ceil(span);
        let reached = |row: usize| {
            csr.row(row).filter_map(move |entry| {
                let tap = lattice.tap_of[entry.ky * lattice.kw + entry.kx]?;
                let (block, channel) = (entry.channel / tiling.channels, entry.channel % tiling.channels);
                let place = (block * groups + channel / span) * rows + row;
                Some((place, (channel as u32, tap as u32, entry.position as u32)))
            })
        };
        let mut starts = vec![0; tiling.blocks(lattice) * groups * rows + 1];
        for (place, _) in (0..rows).flat_map(reached) {
            starts[place + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let (mut next, mut entries) = (starts.clone(), vec![(0, 0, 0); starts[starts.len() - 1]]);
        for (place, entry) in (0..rows).flat_map(reached) {
            entries[next[place]] = entry;
            next[place] += 1;
        }
        Self { groups, starts, entries }
    }
}

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
    let mut partials = vec![0.0; len * parts];
    let shared = Shared::new(&mut partials);
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
}

/// Floats of a packed gradient's row.
fn pitch(tiling: &Tiling, n: usize) -> usize {
    // Beside a multiple of a page, so that rows do not fall on the same cache sets.
    ((tiling.cols * n).div_ceil(16) | 1) * 16
}

/// Packs a segment's row of a gradient's channel, zero beyond its columns.
fn pack_gradient(lattice: &Lattice, segment: &Segment, y: usize, dy: &[f32], to: &mut [f32]) {
    let (to, rest) = to.split_at_mut(segment.cols * lattice.out.n);
    to.copy_from_slice(&dy[lattice.out_at(y, segment.x)..][..to.len()]);
    rest.fill(0.0);
}

/// `dw` at the entries of `csr`, in the order of their values.
pub fn sparse(lattice: &Lattice, x: &[f32], dy: &[f32], csr: Csr<'_>, rows: usize, dw: &mut [f32]) {
    let tiling = Tiling::new(lattice);
    let Grouped { starts, entries, .. } = Grouped::new(lattice, &tiling, csr, rows, tiling.channels);
    let entry = |turn, (channel, tap, position): (u32, u32, u32)| (tiling.offset(turn, channel as usize, tap as usize) as u32, position);
    let turn = |turn| entries.iter().map(|&e| entry(turn, e)).collect();
    let turns: Vec<Vec<(u32, u32)>> = (0..tiling.ring).map(turn).collect();
    let pitch = pitch(&tiling, lattice.out.n);
    let dealt = deal(lattice, &tiling, dw.len());
    in_parts(dealt, tiling.blocks(lattice), dw, |block, segments, partials, start| {
        with_scratch(tiling.scratch() + pitch, |scratch| {
            let (gradient, packed) = scratch.split_at_mut(pitch);
            for (segment, y) in segments.iter().flat_map(|s| s.rows.clone().map(move |y| (s, y))) {
                tiling.pack(lattice, segment, y, tiling.block(lattice, block), x, packed);
                for row in 0..rows {
                    let at = block * rows + row;
                    let entries = &turns[tiling.turn(lattice, y)][starts[at]..starts[at + 1]];
                    if !entries.is_empty() {
                        pack_gradient(lattice, segment, y, &dy[row * lattice.out.plane()..], gradient);
                        let view = View { gradient, packed, len: segment.cols * lattice.out.n };
                        pulp::Arch::new().dispatch(SparseRow { view, entries, partials, start });
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
    entries: &'a [(u32, u32)],
    partials: &'a Shared<'a, f32>,
    start: usize,
}

impl WithSimd for SparseRow<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (groups, rest) = self.entries.as_chunks::<8>();
        for group in groups {
            self.group(simd, group);
        }
        let (pairs, single) = rest.as_chunks::<2>();
        for pair in pairs {
            self.group(simd, pair);
        }
        for one in single {
            self.group(simd, &[*one]);
        }
    }
}

impl SparseRow<'_> {
    #[inline(always)]
    fn group<S: Simd, const TAPS: usize>(&self, simd: S, group: &[(u32, u32); TAPS]) {
        let sums = dots::<S, 1, TAPS>(simd, self.view, 0, group.map(|(offset, _)| offset));
        for (&(_, position), sum) in group.iter().zip(sums[0]) {
            // SAFETY: positions of one part belong to one task.
            if let [slot] = unsafe { self.partials.part(self.start + position as usize, 1) } {
                *slot += sum;
            }
        }
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
pub fn dense(lattice: &Lattice, x: &[f32], dy: &[f32], rows: usize, dw: &mut [f32]) {
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
                    pack_gradient(lattice, segment, y, &dy[row * lattice.out.plane()..], gradient);
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
