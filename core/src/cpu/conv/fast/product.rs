//! Output rows as products of weights with a packed block: register-tiled for dense weights, row by row for sparse ones.

#![expect(clippy::needless_range_loop, reason = "register tiles: constant bounds, several arrays by one index")]

use pulp::{Simd, WithSimd};

use super::lattice::{Lattice, Segment};
use super::scratch::{load, with_scratch, with_staging};
use super::structure::{Places, SPARSE_VECTORS};
use super::{Shared, Source, Structure, Tiling, add_bias};
use crate::cpu::activation::{ActivationMut, SharedActivation, round};
use crate::platform::{parallel_for, threads};

/// What is computed: `out (+)= weights * source` over a lattice.
pub struct Product<'a> {
    /// Geometry.
    pub lattice: &'a Lattice,
    /// Output channels.
    pub rows: usize,
    /// Activation read.
    pub source: Source<'a, f32>,
    /// Add to the output instead of overwriting it.
    pub accumulate: bool,
    /// Added to the output, not where it accumulates.
    pub bias: Option<Bias<'a>>,
}

/// What is added to the valid lanes of each output channel.
#[derive(Clone, Copy)]
pub struct Bias<'a> {
    /// One an output channel.
    pub values: &'a [f32],
    /// Lanes that get it.
    pub n_valid: usize,
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
/// Floats of the widest sparse tile: 16 lanes.
const SPARSE_WIDTH: usize = 16 * SPARSE_VECTORS;
/// Floats of the largest tile of any kernel: lanes * vectors * rows.
const STAGE: usize = 16 * TALL * DENSE_VECTORS;

/// Weights as the products take them.
struct Weights<'a> {
    tiling: &'a Tiling,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// `[block][row tile][channel of the block][tap][row of the tile]`, rows beyond the last zero; and, for each turn,
    /// where each (channel of a block, tap) reads.
    Dense { values: &'a [f32], offsets: Vec<Vec<u32>> },
    /// Values in the structure's order.
    Sparse { structure: &'a Structure, values: &'a [f32] },
}

/// The product with all weights.
pub fn dense(product: &Product<'_>, weight: &[f32], strides: Strides, out: &SharedActivation<'_, f32>) {
    let (lattice, tiling) = (product.lattice, Tiling::new(product.lattice));
    let height = pulp::Arch::new().dispatch(Height);
    with_staging(product.rows.div_ceil(height) * height * lattice.source.c * lattice.taps.len(), |packed| {
        pack_dense(lattice, &tiling, product.rows, weight, strides, height, packed);
        let offsets = (0..tiling.ring).map(|turn| tiling.offsets(turn)).collect();
        run(product, &Weights { tiling: &tiling, kind: Kind::Dense { values: packed, offsets } }, out);
    });
}

/// The product with the weights of a structure.
pub fn sparse(product: &Product<'_>, weight: &[f32], structure: &Structure, out: &SharedActivation<'_, f32>) {
    with_staging(structure.positions.len(), |values| {
        for (value, &position) in values.iter_mut().zip(&structure.positions) {
            *value = weight[position as usize];
        }
        run(product, &Weights { tiling: &structure.tiling, kind: Kind::Sparse { structure, values } }, out);
    });
}

/// Output channels of the dense register tile.
#[inline(always)]
fn height<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { TALL } else { SHORT }
}

/// Asks for it.
struct Height;

impl WithSimd for Height {
    type Output = usize;
    fn with_simd<S: Simd>(self, _: S) -> usize {
        height::<S>()
    }
}

/// Packs dense weights as [`Kind::Dense`] has them.
fn pack_dense(lattice: &Lattice, tiling: &Tiling, rows: usize, values: &[f32], strides: Strides, height: usize, packed: &mut [f32]) {
    let (tiles, taps) = (rows.div_ceil(height), lattice.taps.len());
    let shared = Shared::new(packed);
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
                    for (row, to) in (tile * height..(tile + 1) * height).zip(to) {
                        *to = if row < rows { values[row * strides.row + channel * strides.channel + tap.number] } else { 0.0 };
                    }
                }
            }
        }
    });
}

/// Computes the product: segments in parallel, and groups of rows too where segments are few.
fn run(product: &Product<'_>, weights: &Weights<'_>, out: &SharedActivation<'_, f32>) {
    let wanted = 8 * threads();
    let (lattice, tiling) = (product.lattice, weights.tiling);
    let segments = tiling.segments(lattice, wanted);
    let groups = product.rows.div_ceil(TALL);
    let parts = wanted.div_ceil(2 * segments.len().max(1)).clamp(1, groups);
    parallel_for(segments.len() * parts, |i| {
        let part = i % parts;
        let rows = part * groups / parts * TALL..((part + 1) * groups / parts * TALL).min(product.rows);
        let segment = &segments[i / parts];
        let draft = match out {
            SharedActivation::Full(_) => 0,
            SharedActivation::Half(_) => rows.len() * lines(lattice, tiling, segment) * segment.cols * lattice.out.n,
        };
        let (packed, sums) = (tiling.scratch(), rows.len() * SPARSE_WIDTH);
        with_scratch(packed + sums + draft, |scratch| {
            let (block, rest) = scratch.split_at_mut(packed);
            let (sums, draft) = rest.split_at_mut(sums);
            pulp::Arch::new().dispatch(SegmentTask { product, weights, out, segment, rows, block, sums, draft });
        });
    });
}

/// Rows of positions of a segment that are drafted before any is finished: with several blocks all of them, since each adds to what the
/// others left.
fn lines(lattice: &Lattice, tiling: &Tiling, segment: &Segment) -> usize {
    if tiling.blocks(lattice) > 1 { segment.rows.len() } else { 1 }
}

/// One segment for some output channels.
struct SegmentTask<'a> {
    product: &'a Product<'a>,
    weights: &'a Weights<'a>,
    out: &'a SharedActivation<'a, f32>,
    segment: &'a Segment,
    rows: std::ops::Range<usize>,
    block: &'a mut [f32],
    /// `[row][SPARSE_WIDTH]` of the columns in work.
    sums: &'a mut [f32],
    /// Where the output is stored in 16 bits: its floats until they are done, `[row][line][column][lane]`.
    draft: &'a mut [f32],
}

impl WithSimd for SegmentTask<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { product, weights, out, segment, rows, block, sums, draft } = self;
        let (lattice, tiling) = (product.lattice, weights.tiling);
        let mut stage = [0.0; STAGE];
        let blocks = tiling.blocks(lattice);
        let region = Region { lattice, segment, rows: rows.clone(), lines: lines(lattice, tiling, segment) };
        for b in 0..blocks {
            let channels = tiling.block(lattice, b);
            for (i, y) in segment.rows.clone().enumerate() {
                tiling.pack(lattice, segment, y, channels.clone(), product.source, block);
                let line = i % region.lines;
                if product.accumulate && b == 0 {
                    region.begin(line, y, out, draft);
                }
                let drafted;
                let place = match out {
                    SharedActivation::Full(out) => Place::output(lattice, segment, y, out),
                    SharedActivation::Half(_) => {
                        drafted = Shared::new(&mut *draft);
                        region.draft(line, &drafted)
                    }
                };
                let target = Target { tiling, segment, place, add: product.accumulate || b > 0, block };
                let turn = tiling.turn(lattice, y);
                match &weights.kind {
                    Kind::Dense { values, offsets } => {
                        let height = height::<S>();
                        let tiles = product.rows.div_ceil(height);
                        let taps = lattice.taps.len();
                        let offsets = &offsets[turn][..channels.len() * taps];
                        for first in rows.clone().step_by(height) {
                            let start = height * taps * (channels.start * tiles + first / height * channels.len());
                            let values = &values[start..][..height * offsets.len()];
                            let rows = first..(first + height).min(product.rows);
                            if height == TALL {
                                dense_rows::<S, TALL>(simd, &target, rows, values, offsets, &mut stage);
                            } else {
                                dense_rows::<S, SHORT>(simd, &target, rows, values, offsets, &mut stage);
                            }
                        }
                    }
                    Kind::Sparse { structure, values } => {
                        let lists = Lists { structure, values, turn, block: b };
                        sparse_rows(simd, &target, rows.clone(), lists, sums, &mut stage);
                    }
                }
                if b + 1 == blocks {
                    region.finish(line, y, product.bias, out, draft);
                }
            }
        }
    }
}

/// The output of a segment, and the draft of it where it is stored in 16 bits.
struct Region<'a> {
    lattice: &'a Lattice,
    segment: &'a Segment,
    rows: std::ops::Range<usize>,
    lines: usize,
}

impl Region<'_> {
    /// Floats of a row of the draft.
    fn plane(&self) -> usize {
        self.lines * self.segment.cols * self.lattice.out.n
    }
    /// Where a row of positions is drafted.
    fn draft<'a>(&self, line: usize, floats: &'a Shared<'a, f32>) -> Place<'a> {
        let n = self.lattice.out.n;
        Place { out: floats, first_row: self.rows.start, plane: self.plane(), first: line * self.segment.cols * n, column: n }
    }
    /// Each run of lanes that follow one another in draft and output: its row, its part of the draft, and where it stands in the output.
    #[inline(always)]
    fn runs(&self, line: usize, y: usize) -> impl Iterator<Item = (usize, std::ops::Range<usize>, usize)> {
        let (lattice, x, cols, plane, first) = (self.lattice, self.segment.x, self.segment.cols, self.plane(), self.rows.start);
        let (out, span) = (lattice.out, if lattice.out_step == 1 { cols } else { 1 });
        let of = cols / span;
        (0..self.rows.len() * of).map(move |i| {
            let (row, col) = (i / of, i % of * span);
            let at = row * plane + (line * cols + col) * out.n;
            (first + row, at..at + span * out.n, (first + row) * out.plane() + lattice.out_at(y, x + col))
        })
    }
    /// Takes a row of positions that is added to over into the draft.
    #[inline(always)]
    fn begin(&self, line: usize, y: usize, out: &SharedActivation<'_, f32>, draft: &mut [f32]) {
        if let SharedActivation::Half(_) = out {
            for (_, at, to) in self.runs(line, y) {
                // SAFETY: this task alone writes this segment of these rows, here and below.
                unsafe { out.part(to, at.len()) }.read().copy(&mut draft[at]);
            }
        }
    }
    /// Finishes a row of positions: adds the bias, and stores what was drafted.
    #[inline(always)]
    fn finish(&self, line: usize, y: usize, bias: Option<Bias<'_>>, out: &SharedActivation<'_, f32>, draft: &mut [f32]) {
        if let (SharedActivation::Full(_), None) = (out, bias) {
            return;
        }
        for (row, at, to) in self.runs(line, y) {
            // SAFETY: as above.
            let (floats, stored) = match unsafe { out.part(to, at.len()) } {
                ActivationMut::Full(part) => (part, None),
                ActivationMut::Half(part) => (&mut draft[at], Some(part)),
            };
            if let Some(Bias { values, n_valid }) = bias {
                add_bias(values[row], self.lattice.out.n, n_valid, floats);
            }
            if let Some(part) = stored {
                round(floats, part);
            }
        }
    }
}

/// Where a row of positions goes.
#[derive(Clone, Copy)]
struct Place<'a> {
    out: &'a Shared<'a, f32>,
    /// The output channel that comes first there.
    first_row: usize,
    /// Floats between output channels.
    plane: usize,
    /// Where the row begins in the first of them.
    first: usize,
    /// Floats between columns.
    column: usize,
}

impl<'a> Place<'a> {
    /// In the output itself.
    fn output(lattice: &Lattice, segment: &Segment, y: usize, out: &'a Shared<'a, f32>) -> Self {
        let first = lattice.out_at(y, segment.x);
        Self { out, first_row: 0, plane: lattice.out.plane(), first, column: lattice.out_step * lattice.out.n }
    }
}

/// The entries of a block by (group, row), in one turn.
#[derive(Clone, Copy)]
struct Lists<'a> {
    structure: &'a Structure,
    values: &'a [f32],
    turn: usize,
    block: usize,
}

/// Where some entries read, and their values.
#[derive(Clone, Copy)]
struct Entries<'a> {
    places: Places<'a>,
    values: &'a [f32],
}

impl<'a> Lists<'a> {
    #[inline(always)]
    fn get(&self, group: usize, row: usize) -> Entries<'a> {
        let (range, places) = self.structure.list(self.turn, self.block, group, row);
        Entries { places, values: &self.values[range] }
    }
}

/// A packed row of positions and where its results go.
struct Target<'a> {
    tiling: &'a Tiling,
    segment: &'a Segment,
    place: Place<'a>,
    add: bool,
    block: &'a [f32],
}

/// Where the vectors of a row go: `per` to a column, columns `distance` floats apart.
#[derive(Clone, Copy)]
struct Vectors {
    first: *mut f32,
    distance: usize,
    per: usize,
}

impl Vectors {
    /// Vectors of so many floats, one after the other.
    fn contiguous(first: *mut f32, vector: usize) -> Self {
        Self { first, distance: vector, per: 1 }
    }
    /// Where one of them goes.
    #[inline(always)]
    fn at<S: Simd>(self, v: usize) -> *mut f32 {
        self.first.wrapping_add(v / self.per * self.distance + v % self.per * S::F32_LANES)
    }
}

impl Target<'_> {
    /// Floats of a tile's row.
    fn cols(&self) -> usize {
        self.segment.cols * self.tiling.lanes
    }
    /// Whether columns follow one another there.
    #[inline(always)]
    fn contiguous(&self) -> bool {
        self.tiling.tiles == 1 && self.place.column == self.tiling.lanes
    }
    /// Where a float of a tile's row stands there.
    #[inline(always)]
    fn at(&self, row: usize, tile: usize, col: usize) -> usize {
        let (Place { first_row, plane, first, column, .. }, lanes) = (self.place, self.tiling.lanes);
        (row - first_row) * plane + first + col / lanes * column + tile * lanes + col % lanes
    }
    /// Where a kernel may write `width` floats directly: in place, if each vector has its place there and all are wanted.
    #[inline(always)]
    fn direct(&self, row: usize, tile: usize, col: usize, width: usize, vector: usize) -> Option<Vectors> {
        let lanes = self.tiling.lanes;
        if col + width > self.cols() {
            return None;
        }
        let first = self.place.out.pointer(self.at(row, tile, col));
        if self.contiguous() {
            return Some(Vectors::contiguous(first, vector));
        }
        let whole = lanes.is_multiple_of(vector) && col.is_multiple_of(lanes);
        whole.then(|| Vectors { first, distance: self.place.column, per: lanes / vector })
    }
    /// Moves what a kernel left on a stage, `width` floats for each of some rows, to the output.
    #[inline(never)]
    fn flush(&self, rows: std::ops::Range<usize>, tile: usize, col: usize, width: usize, stage: &[f32]) {
        let (lanes, end) = (self.tiling.lanes, (col + width).min(self.cols()));
        let contiguous = self.contiguous();
        for (row, stage) in rows.zip(stage.chunks_exact(width)) {
            let mut from = col;
            while from < end {
                let to = if contiguous { end } else { ((from / lanes + 1) * lanes).min(end) };
                // SAFETY: this task alone writes this segment of these rows.
                let out = unsafe { self.place.out.part(self.at(row, tile, from), to - from) };
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
}

// No closures in what follows: one that is not inlined would lose the vector instructions.

#[inline(always)]
fn dense_rows<S: Simd, const HEIGHT: usize>(
    simd: S,
    target: &Target<'_>,
    rows: std::ops::Range<usize>,
    values: &[f32],
    offsets: &[u32],
    stage: &mut [f32; STAGE],
) {
    let (cols, plane) = (target.cols(), target.place.plane);
    let mut col = 0;
    while col < cols {
        let width = DENSE_VECTORS * S::F32_LANES;
        let direct = if rows.len() == HEIGHT { target.direct(rows.start, 0, col, width, S::F32_LANES) } else { None };
        let staged = Vectors::contiguous(stage.as_mut_ptr(), S::F32_LANES);
        let (out, distance, add) = direct.map_or((staged, width, false), |out| (out, plane, target.add));
        let source = target.block[col..].as_ptr();
        // SAFETY: offsets stay in the packed block, whose slack covers the last vector; `out` is this task's segment.
        unsafe { dense_tile::<S, HEIGHT, DENSE_VECTORS>(simd, values, offsets, source, out, distance, add) };
        if direct.is_none() {
            target.flush(rows.clone(), 0, col, width, stage);
        }
        col += width;
    }
}

/// All rows of each tile, `SPARSE_VECTORS` at a time.
#[inline(always)]
fn sparse_rows<S: Simd>(
    simd: S,
    target: &Target<'_>,
    rows: std::ops::Range<usize>,
    lists: Lists<'_>,
    sums: &mut [f32],
    stage: &mut [f32; STAGE],
) {
    let cols = target.cols();
    for tile in 0..target.tiling.tiles {
        let mut col = 0;
        while col < cols {
            let at = (tile, col);
            let vectors = match (cols - col).div_ceil(S::F32_LANES) {
                1 => sparse_columns::<S, 1>(simd, target, at, rows.clone(), lists, sums, stage),
                2..=4 => sparse_columns::<S, 4>(simd, target, at, rows.clone(), lists, sums, stage),
                _ => sparse_columns::<S, SPARSE_VECTORS>(simd, target, at, rows.clone(), lists, sums, stage),
            };
            col += vectors * S::F32_LANES;
        }
    }
}

/// All rows at V vectors of a tile; gives V. With several groups one group after the other: its input stays in L1, the sums in L2.
#[inline(always)]
fn sparse_columns<S: Simd, const V: usize>(
    simd: S,
    target: &Target<'_>,
    (tile, col): (usize, usize),
    rows: std::ops::Range<usize>,
    lists: Lists<'_>,
    sums: &mut [f32],
    stage: &mut [f32; STAGE],
) -> usize {
    let width = V * S::F32_LANES;
    let source = target.block[target.tiling.tile(tile) + col..].as_ptr();
    let groups = lists.structure.groups;
    if groups == 1 {
        for row in rows {
            let direct = target.direct(row, tile, col, width, S::F32_LANES);
            let staged = Vectors::contiguous(stage.as_mut_ptr(), S::F32_LANES);
            let (out, add) = direct.map_or((staged, false), |out| (out, target.add));
            // SAFETY: as in `dense_rows`.
            unsafe { sparse_tile::<S, V>(simd, lists.get(0, row), source, out, add) };
            if direct.is_none() {
                target.flush(row..row + 1, tile, col, width, stage);
            }
        }
        return V;
    }
    for group in 0..groups {
        for (row, sums) in rows.clone().zip(sums.chunks_exact_mut(width)) {
            let out = Vectors::contiguous(sums.as_mut_ptr(), S::F32_LANES);
            // SAFETY: as in `dense_rows`; `sums` is as long.
            unsafe { sparse_tile::<S, V>(simd, lists.get(group, row), source, out, group > 0) };
        }
    }
    for (row, sums) in rows.zip(sums.chunks_exact(width)) {
        match target.direct(row, tile, col, width, S::F32_LANES) {
            // SAFETY: the sums are this long, and `out` is this task's segment.
            Some(out) => unsafe { move_vectors::<S, V>(simd, sums.as_ptr(), out, target.add) },
            None => target.flush(row..row + 1, tile, col, width, sums),
        }
    }
    V
}

/// `out[i][..] (+)= sum over k of values[k][i] * source[offsets[k]..]`.
///
/// # Safety
/// `source` must be readable for V vectors from each offset, `out` writable for V vectors in HEIGHT rows, `distance` floats apart.
#[inline(always)]
unsafe fn dense_tile<S: Simd, const HEIGHT: usize, const V: usize>(
    simd: S,
    values: &[f32],
    offsets: &[u32],
    source: *const f32,
    out: Vectors,
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
        unsafe { store::<S, V>(simd, sums, Vectors { first: out.first.add(row * distance), ..out }, add) };
    }
}

/// `out[..] (+)= sum over entries of value * source[offset..]`.
///
/// # Safety
/// `source` must be readable for V vectors from each entry's offset, `out` writable for V vectors.
#[inline(always)]
unsafe fn sparse_tile<S: Simd, const V: usize>(simd: S, entries: Entries<'_>, source: *const f32, out: Vectors, add: bool) {
    let mut sums = [simd.splat_f32s(0.0); V];
    for (&place, &value) in entries.places.kept().iter().zip(entries.values) {
        // SAFETY: by the caller's promise, here and below. One pointer an entry: vectors are at fixed distances from it.
        let source = unsafe { source.add(entries.places.offset(place)) };
        let value = simd.splat_f32s(value);
        for v in 0..V {
            let input = unsafe { load::<S>(source.add(v * S::F32_LANES)) };
            sums[v] = simd.mul_add_e_f32s(value, input, sums[v]);
        }
    }
    // SAFETY: by the caller's promise.
    unsafe { store::<S, V>(simd, &sums, out, add) };
}

/// Moves V vectors that follow one another.
///
/// # Safety
/// `from` must be readable and `out` writable for V vectors.
#[inline(always)]
unsafe fn move_vectors<S: Simd, const V: usize>(simd: S, from: *const f32, out: Vectors, add: bool) {
    let mut sums = [simd.splat_f32s(0.0); V];
    for v in 0..V {
        // SAFETY: by the caller's promise.
        sums[v] = unsafe { load::<S>(from.add(v * S::F32_LANES)) };
    }
    // SAFETY: by the caller's promise.
    unsafe { store::<S, V>(simd, &sums, out, add) };
}

/// # Safety
/// `out` must be writable (and readable, to add) for V vectors.
#[inline(always)]
unsafe fn store<S: Simd, const V: usize>(simd: S, sums: &[S::f32s; V], out: Vectors, add: bool) {
    for v in 0..V {
        // SAFETY: by the caller's promise.
        unsafe {
            let to = out.at::<S>(v);
            let value = if add { simd.add_f32s(sums[v], load::<S>(to)) } else { sums[v] };
            to.cast::<S::f32s>().write_unaligned(value);
        }
    }
}
