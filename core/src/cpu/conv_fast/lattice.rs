//! Where each weight reads: output positions `q` of one residue class, inputs at `q * step + offset`.
//!
//! The forward convolution has one class. The gradient with respect to the input has one class for each residue of the
//! position by the stride, each with its own taps, so that no product with a zero between strides is ever computed.

use crate::ops::{ConvShape, Shape};

/// A tap of the kernel and the input offset that it reads.
#[derive(Clone, Copy, Debug)]
pub struct Tap {
    /// `ky * kw + kx`.
    pub number: usize,
    dy: isize,
    dx: isize,
}

/// One residue class of output positions and the taps that reach it.
#[derive(Debug)]
pub struct Lattice {
    /// Extent read.
    pub source: Shape,
    /// Extent written.
    pub out: Shape,
    /// Taps of the class.
    pub taps: Vec<Tap>,
    /// For each (ky, kx) in order, its place in `taps`.
    pub tap_of: Vec<Option<usize>>,
    /// Columns of the kernel.
    pub kw: usize,
    /// Positions of the class along y and x.
    pub rows: usize,
    /// See `rows`.
    pub cols: usize,
    /// Distance of neighbours of the class in the output.
    pub out_step: usize,
    out_y0: usize,
    out_x0: usize,
    /// Distance in the input of what neighbours read.
    step: usize,
    dy: [isize; 2],
    dx: [isize; 2],
}

impl Lattice {
    fn new(shape: &ConvShape, ends: [Shape; 2], steps: [usize; 2], at: [usize; 2], offset: impl Fn(usize, usize) -> Option<isize>) -> Self {
        let ([source, out], [step, out_step], [out_y0, out_x0]) = (ends, steps, at);
        let (mut taps, mut tap_of) = (vec![], vec![]);
        for ky in 0..shape.kh {
            for kx in 0..shape.kw {
                let tap = offset(ky, out_y0).zip(offset(kx, out_x0));
                tap_of.push(tap.map(|_| taps.len()));
                taps.extend(tap.map(|(dy, dx)| Tap { number: ky * shape.kw + kx, dy, dx }));
            }
        }
        let range = |offset: fn(&Tap) -> isize| {
            [taps.iter().map(offset).min().unwrap_or(0), taps.iter().map(offset).max().unwrap_or(0)]
        };
        let (dy, dx) = (range(|t| t.dy), range(|t| t.dx));
        let positions = |extent: usize, first: usize| extent.saturating_sub(first).div_ceil(out_step);
        let (rows, cols) = (positions(out.h, out_y0), positions(out.w, out_x0));
        Self { source, out, taps, tap_of, kw: shape.kw, rows, cols, out_step, out_y0, out_x0, step, dy, dx }
    }
    /// The forward convolution.
    pub fn forward(shape: &ConvShape) -> Self {
        let offset = |k: usize, _| Some(k as isize - shape.pad as isize);
        Self::new(shape, [shape.input(), shape.output()], [shape.stride, 1], [0, 0], offset)
    }
    /// The gradient with respect to the input, class by class.
    pub fn input_grad(shape: &ConvShape) -> Vec<Self> {
        let s = shape.stride as isize;
        let offset = |k: usize, residue: usize| {
            let distance = (residue + shape.pad) as isize - k as isize;
            (distance % s == 0).then_some(distance / s)
        };
        let class = |i: usize| {
            let at = [i / shape.stride, i % shape.stride];
            Self::new(shape, [shape.output(), shape.input()], [1, shape.stride], at, offset)
        };
        (0..shape.stride * shape.stride).map(class).filter(|class| class.rows * class.cols > 0).collect()
    }
    /// Start in the output, within a channel, of the run of lanes of position (y, x) of the class.
    pub fn out_at(&self, y: usize, x: usize) -> usize {
        ((y * self.out_step + self.out_y0) * self.out.w + x * self.out_step + self.out_x0) * self.out.n
    }
}

/// How a lattice is cut: tiles of positions, blocks of source channels, and the layout of a packed block
/// `[channel][row][phase][column][lane]`, where a phase holds the columns of one residue by the step.
#[derive(Debug)]
pub struct Tiling {
    /// Rows of a tile.
    pub rows: usize,
    /// Columns of a tile.
    pub cols: usize,
    /// Channels of a block.
    pub channels: usize,
    phases: usize,
    /// Floats of one phase of one packed row.
    width: usize,
    /// Floats of a packed channel.
    pub channel: usize,
    /// Floats from what a position reads to what the one below reads.
    pub below: usize,
    used_rows: Vec<bool>,
    used_phases: Vec<bool>,
    /// Offset of each tap within a channel.
    pub taps: Vec<usize>,
}

/// A tile: its first row and column, and its extent.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// First row of positions.
    pub y: usize,
    /// First column of positions.
    pub x: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
}

/// Floats of a packed block: three eighths of a megabyte, so that it stays in a common L2 cache beside the weights.
const BLOCK: usize = 96 * 1024;

/// Floats that a kernel may read beyond a block.
pub const SLACK: usize = 256;

/// Floats of a tile's row, and of a tile, below which growing it still pays.
const TILE_ROW: usize = 256;
const TILE: usize = 1024;

impl Tiling {
    /// Cuts a lattice.
    pub fn new(lattice: &Lattice) -> Self {
        let (n, c) = (lattice.source.n, lattice.source.c);
        let cols = TILE_ROW.div_ceil(n).clamp(1, lattice.cols.max(1));
        let mut tiling = Self::with_tile(lattice, 1, cols);
        while tiling.rows < lattice.rows && tiling.rows * cols * n < TILE {
            let taller = Self::with_tile(lattice, tiling.rows + 1, cols);
            if taller.channel * c > BLOCK {
                break;
            }
            tiling = taller;
        }
        tiling.channels = (BLOCK / tiling.channel.max(1)).clamp(1, c);
        tiling
    }
    fn with_tile(lattice: &Lattice, rows: usize, cols: usize) -> Self {
        let (n, step) = (lattice.source.n, lattice.step);
        let extent = |range: [isize; 2]| (range[1] - range[0]) as usize;
        let packed_rows = (rows - 1) * step + extent(lattice.dy) + 1;
        let phases = step.min(extent(lattice.dx) + 1);
        let width = (cols + extent(lattice.dx) / step) * n;
        let place = |tap: &Tap| ((tap.dy - lattice.dy[0]) as usize, (tap.dx - lattice.dx[0]) as usize);
        let (mut used_rows, mut used_phases) = (vec![false; packed_rows], vec![false; phases]);
        let mut taps = vec![];
        for (y, x) in lattice.taps.iter().map(place) {
            (0..rows).for_each(|row| used_rows[y + row * step] = true);
            used_phases[x % step] = true;
            taps.push((y * phases + x % step) * width + x / step * n);
        }
        // An odd number of cache lines, so that channels do not fall on the same cache sets.
        let channel = ((packed_rows * phases * width).div_ceil(16) | 1) * 16;
        let below = step * phases * width;
        Self { rows, cols, channels: 0, phases, width, channel, below, used_rows, used_phases, taps }
    }
    /// Number of tiles.
    pub fn tiles(&self, lattice: &Lattice) -> usize {
        lattice.rows.div_ceil(self.rows) * lattice.cols.div_ceil(self.cols)
    }
    /// The i-th tile.
    pub fn tile(&self, lattice: &Lattice, i: usize) -> Tile {
        let across = lattice.cols.div_ceil(self.cols);
        let (y, x) = (i / across * self.rows, i % across * self.cols);
        Tile { y, x, rows: self.rows.min(lattice.rows - y), cols: self.cols.min(lattice.cols - x) }
    }
    /// Number of channel blocks.
    pub fn blocks(&self, lattice: &Lattice) -> usize {
        lattice.source.c.div_ceil(self.channels)
    }
    /// Channels of a block.
    pub fn block(&self, lattice: &Lattice, block: usize) -> std::ops::Range<usize> {
        let first = block * self.channels;
        first..(first + self.channels).min(lattice.source.c)
    }
    /// Floats of scratch for one block.
    pub fn scratch(&self) -> usize {
        self.channels * self.channel + SLACK
    }
    /// Packs what a tile reads of some channels; everything outside the source becomes zero.
    pub fn pack(&self, lattice: &Lattice, tile: Tile, channels: std::ops::Range<usize>, source: &[f32], to: &mut [f32]) {
        let Shape { h, w, n, .. } = lattice.source;
        let plane = lattice.source.plane();
        let first_row = (tile.y * lattice.step) as isize + lattice.dy[0];
        let first_col = (tile.x * lattice.step) as isize + lattice.dx[0];
        let count = channels.len();
        for (to, channel) in to.chunks_exact_mut(self.channel).zip(channels) {
            let source = &source[channel * plane..][..plane];
            for (row, _) in self.used_rows.iter().enumerate().filter(|(_, used)| **used) {
                let y = first_row + row as isize;
                let line = (y >= 0 && y < h as isize).then(|| &source[y as usize * w * n..][..w * n]);
                for (phase, _) in self.used_phases.iter().enumerate().filter(|(_, used)| **used) {
                    let to = &mut to[(row * self.phases + phase) * self.width..][..self.width];
                    match line {
                        None => to.fill(0.0),
                        Some(line) => pack_line(line, n, first_col + phase as isize, lattice.step, to),
                    }
                }
            }
        }
        to[count * self.channel..][..SLACK].fill(0.0);
    }
}

/// Columns `first, first + step, ...` of a line of runs of `n` lanes, zero outside.
fn pack_line(line: &[f32], n: usize, first: isize, step: usize, to: &mut [f32]) {
    let (cols, w) = (to.len() / n, (line.len() / n) as isize);
    let before = ((-first).max(0) as usize).div_ceil(step).min(cols);
    let end = ((w - first).max(0) as usize).div_ceil(step).clamp(before, cols);
    to[..before * n].fill(0.0);
    to[end * n..].fill(0.0);
    let start = (first + (before * step) as isize) as usize * n;
    if end == before {
    } else if step == 1 {
        to[before * n..end * n].copy_from_slice(&line[start..start + (end - before) * n]);
    } else {
        for (to, from) in to[before * n..end * n].chunks_exact_mut(n).zip(line[start..].chunks(n).step_by(step)) {
            to.copy_from_slice(from);
        }
    }
}
