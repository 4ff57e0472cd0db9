//! Where each weight reads: output positions `q` of one residue class, inputs at `q * step + offset`.
//!
//! The forward convolution has one class. The gradient with respect to the input has one class for each residue of the
//! position by the stride, each with its own taps, so that no product with a zero between strides is ever computed.

use pulp::{Simd, WithSimd};

use super::Source;
use super::scratch::with_line;
use crate::cpu::activation::Activation;
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
        let range = |offset: fn(&Tap) -> isize| [taps.iter().map(offset).min().unwrap_or(0), taps.iter().map(offset).max().unwrap_or(0)];
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

/// How a lattice is cut: strips of columns, blocks of source channels, and the layout of a packed block
/// `[tile of lanes][channel][ring of rows][phase][column][lane of the tile]`, where a phase holds the columns of one residue by the step.
///
/// A tile has all lanes, or [`TILE`] of them: then the columns around a few positions lie side by side, and those of many channels stay
/// in the L1 cache. That is for sparse products, which load an input for every product.
///
/// A strip is worked through row by row, or some rows at a time; the ring holds the source rows that these read, so each source
/// row is packed once. Where a tap reads therefore depends on the row's turn: its first source row modulo the ring.
#[derive(Debug)]
pub struct Tiling {
    /// Columns of a strip.
    pub cols: usize,
    /// Channels of a block.
    pub channels: usize,
    /// Rows of positions that are worked on at once.
    pub rows: usize,
    /// Rows of the ring, which is also the number of turns.
    pub ring: usize,
    phases: usize,
    /// Floats of one phase of one packed row.
    width: usize,
    /// Floats of a packed channel of a tile.
    pub channel: usize,
    /// Lanes of a tile.
    pub lanes: usize,
    /// Tiles of lanes.
    pub tiles: usize,
    /// Ring row and offset of each tap within a channel, in the first turn.
    taps: Vec<(usize, usize)>,
}

/// Some rows of one strip.
#[derive(Clone, Debug)]
pub struct Segment {
    /// First column.
    pub x: usize,
    /// Columns.
    pub cols: usize,
    /// Rows.
    pub rows: std::ops::Range<usize>,
}

/// Floats of a packed block: 5/8 of a megabyte, so that it stays in an L2 cache of one beside the weights.
const BLOCK: usize = 160 * 1024;

/// Floats of a common L1 cache.
const L1: usize = 8 * 1024;

/// Floats that a kernel may read beyond a block.
pub const SLACK: usize = 256;

/// Floats of a strip's row: more where the channels leave room, so that its borders weigh less; never far fewer.
const WIDEST: usize = 2048;
const NARROWEST: usize = 128;

/// Rows of positions that are worked on at once, at most.
pub const MOST_ROWS: usize = 8;

/// Lanes of a tile: two cache lines, since output is written a tile's column at a time.
const TILE: usize = 32;

/// Rows of a segment at least: each packs a ring of its own.
const SHORTEST: usize = 8;

impl Tiling {
    /// Cuts a lattice, its lanes in one tile.
    pub fn new(lattice: &Lattice) -> Self {
        Self::with_lanes(lattice, lattice.source.n, NARROWEST.div_ceil(lattice.source.n), lattice.source.c, 1)
    }
    /// Cuts a lattice for products of `width` floats at a time, blocks of `most` channels at most. `tiled`: its lanes into tiles, where whole
    /// ones fill them and a tile's row is as wide.
    pub fn for_vectors(lattice: &Lattice, width: usize, tiled: bool, most: usize) -> Self {
        let n = lattice.source.n;
        let lanes = if tiled && n.is_multiple_of(TILE) && lattice.cols * TILE >= width { TILE } else { n };
        Self::with_lanes(lattice, lanes, width.div_ceil(lanes), most, 1)
    }
    /// Cuts a lattice for sums over positions, several rows at a time where they are short: what a sum costs at its end weighs less then.
    pub fn for_sums(lattice: &Lattice) -> Self {
        let one = Self::new(lattice);
        let rows = (WIDEST / (one.cols * lattice.source.n)).clamp(1, lattice.rows.clamp(1, MOST_ROWS));
        Self::with_lanes(lattice, lattice.source.n, one.cols, lattice.source.c, rows)
    }
    /// Strips have no fewer columns than `narrowest`, where the lattice has them.
    fn with_lanes(lattice: &Lattice, lanes: usize, narrowest: usize, most: usize, rows: usize) -> Self {
        let (n, c) = (lattice.source.n, lattice.source.c);
        let columns = |count: usize| count.clamp(1, lattice.cols.max(1));
        let mut tiling = Self::with_columns(lattice, lanes, columns(WIDEST.div_ceil(n)), rows);
        while tiling.tiles * tiling.channel * c > BLOCK && tiling.cols > columns(narrowest) {
            tiling = Self::with_columns(lattice, lanes, tiling.cols - 1, rows);
        }
        let most = (BLOCK / (tiling.tiles * tiling.channel)).min(most).clamp(1, c);
        tiling.channels = c.div_ceil(c.div_ceil(most));
        tiling
    }
    fn with_columns(lattice: &Lattice, lanes: usize, cols: usize, rows: usize) -> Self {
        let step = lattice.step;
        let extent = |range: [isize; 2]| (range[1] - range[0]) as usize;
        let (ring, phases) = (extent(lattice.dy) + 1 + (rows - 1) * step, step.min(extent(lattice.dx) + 1));
        let width = (cols + extent(lattice.dx) / step) * lanes;
        let place = |tap: &Tap| {
            let (row, x) = ((tap.dy - lattice.dy[0]) as usize, (tap.dx - lattice.dx[0]) as usize);
            (row, x % step * width + x / step * lanes)
        };
        // An odd number of cache lines, so that channels do not fall on the same cache sets.
        let channel = ((ring * phases * width).div_ceil(16) | 1) * 16;
        let taps = lattice.taps.iter().map(place).collect();
        Self { cols, channels: 0, rows, ring, phases, width, channel, lanes, tiles: lattice.source.n / lanes, taps }
    }
    /// Number of strips.
    pub fn strips(&self, lattice: &Lattice) -> usize {
        lattice.cols.div_ceil(self.cols)
    }
    /// Cuts every strip into about `count / strips` segments, none too short.
    pub fn segments(&self, lattice: &Lattice, count: usize) -> Vec<Segment> {
        let strips = self.strips(lattice);
        let cuts = count.div_ceil(strips.max(1)).clamp(1, (lattice.rows / SHORTEST).max(1));
        let segment = |i: usize| {
            let (x, cut) = (i / cuts * self.cols, i % cuts);
            let rows = cut * lattice.rows / cuts..(cut + 1) * lattice.rows / cuts;
            Segment { x, cols: self.cols.min(lattice.cols - x), rows }
        };
        (0..strips * cuts).map(segment).collect()
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
    /// The turn of a row of positions.
    pub fn turn(&self, lattice: &Lattice, y: usize) -> usize {
        y * lattice.step % self.ring
    }
    /// The row of a turn that a tap reads, and where in that row.
    pub fn tap(&self, tap: usize) -> (usize, usize) {
        self.taps[tap]
    }
    /// Where a row of a turn begins in a packed channel.
    pub fn row(&self, turn: usize, row: usize) -> usize {
        (turn + row) % self.ring * self.phases * self.width
    }
    /// Where a tap of a block's channel reads, in one turn.
    pub fn offset(&self, turn: usize, channel: usize, tap: usize) -> usize {
        let (row, column) = self.taps[tap];
        channel * self.channel + self.row(turn, row) + column
    }
    /// Channels whose rows, for `width` floats of a tile's columns and the taps' reach beyond, stay in the L1 cache.
    pub fn span(&self, width: usize) -> usize {
        let whole = self.cols * self.lanes;
        let reach = self.width - whole;
        (L1 / (self.ring * self.phases * (width.min(whole) + reach))).clamp(1, self.channels)
    }
    /// Where a tile begins in a packed block.
    pub fn tile(&self, tile: usize) -> usize {
        tile * self.channels * self.channel
    }
    /// Where each (channel of a block, tap) reads, in one turn.
    pub fn offsets(&self, turn: usize) -> Vec<u32> {
        let taps = self.taps.len();
        let offset = |i: usize| self.offset(turn, i / taps, i % taps) as u32;
        (0..self.channels * taps).map(offset).collect()
    }
    /// Floats of scratch for one block.
    pub fn scratch(&self) -> usize {
        self.tile(self.tiles) + SLACK
    }
    /// Packs what the rows from `y` on read of some channels and those before did not; outside the source is zero.
    pub fn pack(
        &self,
        lattice: &Lattice,
        segment: &Segment,
        y: usize,
        channels: std::ops::Range<usize>,
        source: Source<'_, f32>,
        to: &mut [f32],
    ) {
        let Shape { h, w, n, .. } = lattice.source;
        let plane = lattice.source.plane();
        let first_col = (segment.x * lattice.step) as isize + lattice.dx[0];
        let fresh = if y == segment.rows.start { 0 } else { self.ring.saturating_sub(self.rows * lattice.step) };
        for (i, channel) in channels.clone().enumerate() {
            let stored = source.stored.part(channel * plane, plane);
            for row in fresh..self.ring {
                let from = (y * lattice.step + row) as isize + lattice.dy[0];
                let line = (from >= 0 && from < h as isize).then(|| stored.part(from as usize * w * n, w * n));
                let slot = (y * lattice.step + row) % self.ring;
                for phase in 0..self.phases {
                    let at = i * self.channel + (slot * self.phases + phase) * self.width;
                    let columns = Columns::new(self.width / self.lanes, w, first_col + phase as isize, lattice.step);
                    self.pack_line(line, n, &columns, (source, channel), &mut to[at..]);
                }
            }
        }
        to[self.tile(self.tiles - 1) + channels.len() * self.channel..][..SLACK].fill(0.0);
    }
    /// Packs the columns of a line of runs of `n` lanes, the same place in each tile; no line is zero.
    fn pack_line(
        &self,
        line: Option<Activation<'_, f32>>,
        n: usize,
        columns: &Columns,
        (source, channel): (Source<'_, f32>, usize),
        to: &mut [f32],
    ) {
        let (before, end) = if line.is_none() { (self.width, self.width) } else { (columns.before * self.lanes, columns.end * self.lanes) };
        for tile in 0..self.tiles {
            let to = &mut to[self.tile(tile)..][..self.width];
            to[..before].fill(0.0);
            to[end..].fill(0.0);
        }
        let Some(line) = line.filter(|_| before < end) else { return };
        let count = columns.end - columns.before;
        let line = line.part(columns.first * n, ((count - 1) * columns.step + 1) * n);
        let step = columns.step * n;
        if self.tiles == 1 && columns.step == 1 {
            source.copy(channel, line, &mut to[before..end]);
        } else if self.tiles == 1 {
            for (column, to) in to[before..end].chunks_exact_mut(n).enumerate() {
                source.copy(channel, line.part(column * step, n), to);
            }
        } else if let (None, Activation::Full(line)) = (source.norm, line) {
            self.deal(line, n, step, &mut to[before..]);
        } else {
            with_line(line.len(), |loaded| {
                source.copy(channel, line, loaded);
                self.deal(loaded, n, step, &mut to[before..]);
            });
        }
    }
    /// Deals the lanes of columns, `step` floats apart, to the tiles.
    fn deal(&self, line: &[f32], n: usize, step: usize, to: &mut [f32]) {
        pulp::Arch::new().dispatch(Deal { line, n, step, to, tile: self.tile(1) });
    }
}

/// See [`Tiling::deal`].
struct Deal<'a> {
    line: &'a [f32],
    n: usize,
    step: usize,
    to: &'a mut [f32],
    /// Floats between tiles.
    tile: usize,
}

impl WithSimd for Deal<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (column, line) in self.line.chunks(self.step).enumerate() {
            for (i, lanes) in line[..self.n].as_chunks::<TILE>().0.iter().enumerate() {
                self.to[i * self.tile + column * TILE..][..TILE].copy_from_slice(lanes);
            }
        }
    }
}

/// Which columns of a line a packed row holds: `count` of them, every `step`th from one that may lie outside.
struct Columns {
    step: usize,
    /// Packed columns before the first that lies inside, and the end of those that do.
    before: usize,
    end: usize,
    /// Column of the line that is the first inside.
    first: usize,
}

impl Columns {
    fn new(count: usize, w: usize, first: isize, step: usize) -> Self {
        let before = ((-first).max(0) as usize).div_ceil(step).min(count);
        let end = ((w as isize - first).max(0) as usize).div_ceil(step).clamp(before, count);
        Self { step, before, end, first: (first + (before * step) as isize).max(0) as usize }
    }
}
