//! Weight gradients as dot products of a gradient's tile with a packed block, several weights at once.
//!
//! Tiles are dealt to a number of parts that depends on the shape alone; parts are added in order, so the result does
//! not depend on the number of threads.

use pulp::{Simd, WithSimd};

use super::lattice::{Lattice, Tile};
use super::product::{load, with_scratch};
use super::{Shared, Tiling, chunks_mut};
use crate::cpu::conv::Csr;
use crate::platform::parallel_for;

/// A sparse weight's entries by (channel block, row): where they read in a packed block, and their position.
pub struct Grouped {
    /// `[blocks * rows + 1]`.
    pub starts: Vec<usize>,
    /// (offset, position).
    pub entries: Vec<(u32, u32)>,
}

impl Grouped {
    /// Sorts the entries that the lattice's taps reach into groups.
    pub fn new(lattice: &Lattice, tiling: &Tiling, csr: Csr<'_>, rows: usize) -> Self {
        let blocks = tiling.blocks(lattice);
        let (mut starts, mut entries) = (Vec::with_capacity(blocks * rows + 1), Vec::with_capacity(csr.len()));
        starts.push(0);
        for block in 0..blocks {
            let channels = tiling.block(lattice, block);
            for row in 0..rows {
                for entry in csr.row(row).filter(|entry| channels.contains(&entry.channel)) {
                    if let Some(tap) = lattice.tap_of[entry.ky * lattice.kw + entry.kx] {
                        let offset = (entry.channel - channels.start) * tiling.channel + tiling.taps[tap];
                        entries.push((offset as u32, entry.position as u32));
                    }
                }
                starts.push(entries.len());
            }
        }
        Self { starts, entries }
    }
}

/// Floats that all parts together may hold.
const PARTIALS: usize = 1 << 20;
/// Parts at most.
const PARTS: usize = 16;

fn parts(tiles: usize, weights: usize) -> usize {
    (PARTIALS / weights.max(1)).clamp(1, PARTS).min(tiles)
}

/// Runs `task(part, tiles, partial)`s and adds their partial gradients in order.
fn in_parts(tiles: usize, tasks: usize, dw: &mut [f32], task: impl Fn(usize, std::ops::Range<usize>, &Shared<'_, f32>, usize) + Sync + Send) {
    let (len, parts) = (dw.len(), parts(tiles, dw.len()));
    let mut partials = vec![0.0; len * parts];
    let shared = Shared::new(&mut partials);
    parallel_for(parts * tasks, |i| {
        let part = i / tasks;
        task(i % tasks, part * tiles / parts..(part + 1) * tiles / parts, &shared, part * len);
    });
    chunks_mut(dw, super::super::parallel::CHUNK, |i, dw| {
        dw.fill(0.0);
        let start = i * super::super::parallel::CHUNK;
        for part in 0..parts {
            let from = &partials[part * len + start..][..dw.len()];
            dw.iter_mut().zip(from).for_each(|(dw, &from)| *dw += from);
        }
    });
}

/// Floats of a tile's row in a packed gradient.
fn pitch(tiling: &Tiling, n: usize) -> usize {
    (tiling.cols * n).next_multiple_of(16)
}

/// Packs a gradient's tile as `[row of the tile][pitch]`, zero beyond its columns.
fn pack_gradient(lattice: &Lattice, tile: Tile, pitch: usize, dy: &[f32], to: &mut [f32]) {
    let len = tile.cols * lattice.out.n;
    for (y, to) in to.chunks_exact_mut(pitch).take(tile.rows).enumerate() {
        to[..len].copy_from_slice(&dy[lattice.out_at(tile.y + y, tile.x)..][..len]);
        to[len..].fill(0.0);
    }
}

/// `dw` at the entries of `csr`, in the order of their values.
pub fn sparse(lattice: &Lattice, x: &[f32], dy: &[f32], csr: Csr<'_>, rows: usize, dw: &mut [f32]) {
    let tiling = Tiling::new(lattice);
    let grouped = Grouped::new(lattice, &tiling, csr, rows);
    let blocks = tiling.blocks(lattice);
    in_parts(tiling.tiles(lattice), blocks, dw, |block, tiles, partials, start| {
        let pitch = pitch(&tiling, lattice.out.n);
        with_scratch(tiling.scratch() + tiling.rows * pitch, |scratch| {
            let (gradient, packed) = scratch.split_at_mut(tiling.rows * pitch);
            for tile in tiles.map(|i| tiling.tile(lattice, i)) {
                tiling.pack(lattice, tile, tiling.block(lattice, block), x, packed);
                for row in 0..rows {
                    let at = block * rows + row;
                    let entries = &grouped.entries[grouped.starts[at]..grouped.starts[at + 1]];
                    if entries.is_empty() {
                        continue;
                    }
                    pack_gradient(lattice, tile, pitch, &dy[row * lattice.out.plane()..], gradient);
                    let view = View { gradient, packed, pitch, below: tiling.below, rows: tile.rows, len: tile.cols * lattice.out.n };
                    pulp::Arch::new().dispatch(SparseRow { view, entries, partials, start });
                }
            }
        });
    });
}

/// A tile of the gradient and the packed input that belongs to it.
#[derive(Clone, Copy)]
struct View<'a> {
    gradient: &'a [f32],
    packed: &'a [f32],
    pitch: usize,
    below: usize,
    rows: usize,
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
        let Self { view, entries, partials, start } = self;
        let (groups, rest) = entries.as_chunks::<8>();
        let add = |position: u32, sum: f32| {
            // SAFETY: positions of one part belong to one task.
            if let [slot] = unsafe { partials.part(start + position as usize, 1) } {
                *slot += sum;
            }
        };
        for group in groups {
            let sums = dots::<S, 1, 8>(simd, view, 0, group.map(|(offset, _)| offset as usize));
            group.iter().zip(sums[0]).for_each(|(&(_, position), sum)| add(position, sum));
        }
        let (pairs, single) = rest.as_chunks::<2>();
        for pair in pairs {
            let sums = dots::<S, 1, 2>(simd, view, 0, pair.map(|(offset, _)| offset as usize));
            pair.iter().zip(sums[0]).for_each(|(&(_, position), sum)| add(position, sum));
        }
        for &(offset, position) in single {
            add(position, dots::<S, 1, 1>(simd, view, 0, [offset as usize])[0][0]);
        }
    }
}

/// `sums[i][j] = dot(gradient of row i, packed from offsets[j])` over the whole tile; gradients lie `distance` apart.
#[inline(always)]
fn dots<S: Simd, const ROWS: usize, const TAPS: usize>(simd: S, view: View<'_>, distance: usize, offsets: [usize; TAPS]) -> [[f32; TAPS]; ROWS] {
    let View { gradient, packed, pitch, below, rows, len } = view;
    let mut sums = [[simd.splat_f32s(0.0); TAPS]; ROWS];
    for y in 0..rows {
        let (gradient, packed) = (gradient[y * pitch..].as_ptr(), packed[y * below..].as_ptr());
        let mut col = 0;
        while col < len {
            let mut dy = [simd.splat_f32s(0.0); ROWS];
            for row in 0..ROWS {
                // SAFETY: the pitch is a whole number of vectors.
                dy[row] = unsafe { load::<S>(gradient.add(row * distance + col)) };
            }
            for tap in 0..TAPS {
                // SAFETY: offsets stay in the packed block, whose slack covers the last vector.
                let x = unsafe { load::<S>(packed.add(offsets[tap] + col)) };
                for row in 0..ROWS {
                    sums[row][tap] = simd.mul_add_e_f32s(dy[row], x, sums[row][tap]);
                }
            }
            col += S::F32_LANES;
        }
    }
    sums.map(|sums| sums.map(|sum| simd.reduce_sum_f32s(sum)))
}

/// Output channels and taps of a register tile of the dense gradient.
const ROWS: usize = 4;
const TAPS: usize = 6;

/// `dw[row][channel][tap]` for every weight.
pub fn dense(lattice: &Lattice, x: &[f32], dy: &[f32], rows: usize, dw: &mut [f32]) {
    let tiling = Tiling::new(lattice);
    let taps = lattice.taps.len();
    let offsets: Vec<usize> =
        (0..tiling.channels).flat_map(|c| tiling.taps.iter().map(move |tap| (c, tap))).map(|(c, tap)| c * tiling.channel + tap).collect();
    // Row groups as tasks of their own only where tiles and blocks are few: each packs its block again.
    let blocks = tiling.blocks(lattice);
    let groups = rows.div_ceil(ROWS);
    let splits = (PARTS / (blocks * parts(tiling.tiles(lattice), dw.len()))).clamp(1, groups);
    in_parts(tiling.tiles(lattice), blocks * splits, dw, |task, tiles, partials, start| {
        let (block, split) = (task / splits, task % splits);
        let rows = split * groups / splits * ROWS..((split + 1) * groups / splits * ROWS).min(rows);
        let pitch = pitch(&tiling, lattice.out.n);
        // Beside a multiple of a page, so that rows do not fall on the same cache sets.
        let distance = tiling.rows * pitch + 16;
        let channels = tiling.block(lattice, block);
        let offsets = &offsets[..channels.len() * taps];
        with_scratch(tiling.scratch() + rows.len().next_multiple_of(ROWS) * distance, |scratch| {
            let (gradients, packed) = scratch.split_at_mut(rows.len().next_multiple_of(ROWS) * distance);
            gradients.fill(0.0);
            for tile in tiles.map(|i| tiling.tile(lattice, i)) {
                tiling.pack(lattice, tile, channels.clone(), x, packed);
                for (row, gradient) in rows.clone().zip(gradients.chunks_exact_mut(distance)) {
                    pack_gradient(lattice, tile, pitch, &dy[row * lattice.out.plane()..], gradient);
                }
                let view = View { gradient: gradients, packed, pitch, below: tiling.below, rows: tile.rows, len: tile.cols * lattice.out.n };
                let width = lattice.source.c * taps;
                let start = start + rows.start * width + channels.start * taps;
                pulp::Arch::new().dispatch(DenseTile { view, distance, offsets, rows: rows.len(), partials, start, width });
            }
        });
    });
}

struct DenseTile<'a> {
    view: View<'a>,
    distance: usize,
    offsets: &'a [usize],
    rows: usize,
    partials: &'a Shared<'a, f32>,
    start: usize,
    width: usize,
}

impl WithSimd for DenseTile<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { view, distance, offsets, rows, partials, start, width } = self;
        for (i, group) in offsets.chunks(TAPS).enumerate() {
            // A short last group repeats its last weight.
            let padded: [usize; TAPS] = std::array::from_fn(|k| group[k.min(group.len() - 1)]);
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
