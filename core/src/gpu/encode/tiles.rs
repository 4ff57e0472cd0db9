//! Sparse products whose input is staged in workgroup memory (`shaders/shared/staged.wgsl`): their tiles, and what they load.
//!
//! A kernel that stages its input loads a word from memory once for all its rows and taps, the one that does not, once for each product; what a
//! device gains by it only the device can say (`gpu/tuning.rs`).

use crate::device::info::Kernel;
use crate::ops::{ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, Op, Shape};

/// Rows of a workgroup that stages its input.
fn rows_of(kernel: Kernel) -> Option<usize> {
    match kernel {
        Kernel::Tiles8 => Some(8),
        Kernel::Tiles16 => Some(16),
        Kernel::Rows | Kernel::Dense8x2 | Kernel::Dense4x2 | Kernel::Dense4x1 => None,
    }
}

/// Vec4s that a workgroup can stage: nearly 16 KiB (`shaders/shared/staged.wgsl`).
const STAGED: usize = 1000;

/// Values of a row that a block of the weight gradient holds at most.
const HELD: usize = 16;

/// Pixels down and across, and vec4s of the batch, of the tensor that is cut into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tile {
    h: usize,
    w: usize,
    n: usize,
}

const fn tile(h: usize, w: usize, n: usize) -> Tile {
    Tile { h, w, n }
}

/// Of what a product writes: a vec4 a thread.
const PRODUCT: [Tile; 4] = [tile(4, 8, 4), tile(4, 4, 8), tile(8, 8, 2), tile(8, 16, 1)];
/// Of the output's gradient, of which the weight gradient's threads of one row take a column each: 8 of them, or 16.
const COLUMNS_8: [Tile; 4] = [tile(4, 8, 1), tile(4, 4, 2), tile(4, 2, 4), tile(2, 4, 2)];
const COLUMNS_16: [Tile; 4] = [tile(4, 16, 1), tile(4, 8, 2), tile(4, 4, 4), tile(2, 4, 4)];

/// A sparse product whose input is staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiled {
    /// Rows of a workgroup.
    rows: usize,
    /// Rows in all.
    all_rows: usize,
    tile: Tile,
    /// Of the tensor that is cut.
    cut: Shape,
    shape: ConvShape,
}

impl Tiled {
    /// How this kernel makes a sparse product; `None` where it stages nothing or cannot.
    pub fn of(op: &Op, kernel: Kernel) -> Option<Self> {
        let rows = rows_of(kernel)?;
        let (shape, cut, all_rows, tiles) = match op {
            Op::ConvForward(ConvForward { shape: s, weight, .. }) if weight.topology().is_some() => (s, s.output(), s.c_out, PRODUCT),
            Op::ConvInputGrad(ConvInputGrad { shape: s, weight, .. }) if weight.topology().is_some() && s.stride == 1 => {
                (s, s.input(), s.c_in, PRODUCT)
            }
            Op::ConvWeightGrad(ConvWeightGrad { shape: s, topology: Some(_), .. }) => {
                (s, s.output(), s.c_out, if rows == 16 { COLUMNS_8 } else { COLUMNS_16 })
            }
            _ => return None,
        };
        // Taps that are fewer than the stride leave out most of what would be staged.
        let useful = shape.kh.min(shape.kw) >= shape.stride;
        let fits = |tile: &Tile| useful && tile.staged(shape) <= STAGED;
        let covered = |tile: &Tile| (tile.places() * tile.count(cut), tile.staged(shape) * tile.count(cut));
        let tile = tiles.into_iter().filter(fits).min_by_key(covered)?;
        Some(Self { rows, all_rows, tile, cut, shape: *shape })
    }
    /// Whether most threads have something to do.
    pub fn suits(&self) -> bool {
        2 * self.cut.plane() >= 4 * self.tile.places() * self.tiles()
    }
    /// Tiles that cover the tensor.
    pub fn tiles(&self) -> usize {
        self.tile.count(self.cut)
    }
    /// Workgroups that make all rows of a tile.
    pub fn groups(&self) -> usize {
        self.all_rows.div_ceil(self.rows)
    }
    /// What a stage asks for that imports `staged`, and its rows.
    pub fn constants(&self) -> [(&'static str, f64); 7] {
        let (tile, s) = (&self.tile, &self.shape);
        let sizes = [self.rows, tile.h, tile.w, tile.n, s.kh, s.kw, s.stride].map(|size| size as f64);
        let names = ["ROWS", "TILE_H", "TILE_W", "TILE_N", "KH", "KW", "STRIDE"];
        std::array::from_fn(|i| (names[i], sizes[i]))
    }
}

impl Tile {
    /// How many cover a tensor.
    fn count(&self, cut: Shape) -> usize {
        cut.h.div_ceil(self.h) * cut.w.div_ceil(self.w) * (cut.n / 4).div_ceil(self.n)
    }
    /// Vec4s of one.
    fn places(&self) -> usize {
        self.h * self.w * self.n
    }
    /// Vec4s of one channel that it reads.
    fn staged(&self, s: &ConvShape) -> usize {
        ((self.h - 1) * s.stride + s.kh) * ((self.w - 1) * s.stride + s.kw) * self.n
    }
}

/// Bytes that a dispatch loads but for values and places, all workgroups together: what it stages, and of the weight gradient the output's
/// gradient; `None` where the kernel stages nothing.
pub fn staged_bytes(op: &Op, kernel: Kernel) -> Option<f64> {
    let tiled = Tiled::of(op, kernel)?;
    let s = &tiled.shape;
    let staged = tiled.tile.staged(s) as f64;
    let of_a_tile = match op {
        Op::ConvWeightGrad(ConvWeightGrad { topology, .. }) => {
            let blocks = blocks(topology.as_ref()?.nnz as f64 / s.weights() as f64, &tiled);
            let own = (tiled.rows * tiled.tile.places()) as f64;
            // A channel that two blocks share is staged twice.
            (s.c_in as f64 + blocks - 1.0) * staged + blocks * own
        }
        Op::ConvForward(_) => s.c_in as f64 * staged,
        _ => s.c_out as f64 * staged,
    };
    Some(16.0 * (tiled.tiles() * tiled.groups()) as f64 * of_a_tile)
}

/// About how many blocks of channels a weight gradient of random places takes: the fullest row of a workgroup ends a block, at some 0.6 of the
/// channels that a row fills on average.
fn blocks(density: f64, tiled: &Tiled) -> f64 {
    let s = &tiled.shape;
    let full = 0.6 * HELD as f64 / (density * (s.kh * s.kw) as f64);
    let staged = (STAGED / tiled.tile.staged(s)) as f64;
    (s.c_in as f64 / full.min(staged)).max(1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::gpu::encode::encode;
    use crate::ops::{BufferId, ConvForward, Op, Shape, SparseTopology, Weight};

    /// The three products of a layer at a density.
    fn ops(s: &ConvShape, density: f64) -> [Op; 3] {
        let nnz = (density * s.weights() as f64) as usize;
        let [x, y, id, dw] = [1, 2, 0, 3].map(BufferId);
        let topology = SparseTopology { row_ptr: id, index: id, t_row_ptr: id, t_index: id, t_value: id, row: id, nnz };
        let weight = Weight::Sparse { values: id, topology };
        [
            Op::ConvForward(ConvForward { shape: *s, x, norm: None, weight, bias: None, y }),
            Op::ConvInputGrad(ConvInputGrad { shape: *s, dy: y, weight, dx: x, accumulate: false }),
            Op::ConvWeightGrad(ConvWeightGrad { shape: *s, x, norm: None, dy: y, topology: Some(topology), dw }),
        ]
    }

    /// Bytes that workgroups load from caches for a multiply-add, the values and their index included.
    fn loaded(op: &Op, kernel: Kernel) -> f64 {
        let launch = encode(op, kernel).unwrap().remove(0);
        let number = |name| launch.numbers.iter().find(|(n, _)| *n == name).unwrap().1;
        let products = op.flops() as f64 / 2.0;
        // A value and its place, for each column of a workgroup; of the weight gradient once a slice, its sum in the place of the value.
        let of_weights = |columns: f64| 8.0 * products / 4.0 / columns;
        let gradient = matches!(op, Op::ConvWeightGrad(_));
        let Some(tiled) = Tiled::of(op, kernel) else {
            // Of eight values in one row the output's gradient is loaded once.
            return if gradient {
                4.5 + of_weights(number("span")) / products
            } else {
                4.0 + of_weights(64.0 * number("COLUMNS")) / products
            };
        };
        let columns = if gradient { number("tiles") * tiled.tile.places() as f64 } else { 128.0 };
        assert_eq!(launch.groups % tiled.groups(), 0);
        (staged_bytes(op, kernel).unwrap() + of_weights(columns)) / products
    }

    #[test]
    fn a_staged_product_loads_a_third_of_what_one_does_that_is_not() {
        // The layers of ResNet-20 and ResNet18 that have one.
        for (c, h) in [(16, 32), (32, 16), (64, 8), (64, 32), (128, 16), (256, 8), (512, 4)] {
            let s = ConvShape::new(Shape { c, h, w: h, n: 128 }, c, 3, 1, 1).unwrap();
            for op in ops(&s, 0.1) {
                let [rows, tiles] = [Kernel::Rows, Kernel::Tiles16].map(|kernel| loaded(&op, kernel));
                assert!((4.0..4.7).contains(&rows) && tiles <= rows / 3.0, "{} {c}x{h}x{h}: {rows} and {tiles} bytes", op.name());
            }
            for op in ops(&s, 0.05) {
                let [rows, tiles] = [Kernel::Rows, Kernel::Tiles16].map(|kernel| loaded(&op, kernel));
                assert!(tiles <= rows / 2.0, "{} {c}x{h}x{h}: {rows} and {tiles} bytes", op.name());
            }
        }
    }

    #[test]
    fn the_shaders_hold_as_much_as_is_taken() {
        let source = crate::gpu::shaders::source("sparse_conv_weight_grad_tiled", &[]).unwrap().text;
        for (name, value) in [("STAGED", STAGED), ("HELD", HELD)] {
            let (_, said) = source.split_once(&format!("const {name}")).and_then(|(_, rest)| rest.split_once('=')).unwrap();
            let digits: String = said.trim_start().chars().take_while(char::is_ascii_digit).collect();
            assert_eq!(digits.parse::<usize>().unwrap(), value, "{name}");
        }
    }

    #[test]
    fn blocks_of_random_places_are_as_many_as_is_taken() {
        let mut stream = crate::rng::Stream::new(7, crate::rng::Purpose::Test, 0, 0);
        for (density, kernel) in [(0.05, Kernel::Tiles16), (0.1, Kernel::Tiles16), (0.1, Kernel::Tiles8), (0.3, Kernel::Tiles16)] {
            let s = ConvShape::new(Shape { c: 64, h: 32, w: 32, n: 128 }, 64, 3, 1, 1).unwrap();
            let tiled = Tiled::of(&ops(&s, density)[2], kernel).unwrap();
            let most = STAGED / tiled.tile.staged(&s);
            let mut taken = 0;
            for _ in 0..20 {
                let rows: Vec<Vec<usize>> = (0..tiled.rows)
                    .map(|_| (0..9 * s.c_in).filter(|_| f64::from(stream.uniform()) < density).map(|i| i / 9 * 16 + i % 9).collect())
                    .collect();
                // As the shader does it, with 16 places a channel.
                let mut cursors = vec![0; tiled.rows];
                while let Some(first) = rows.iter().zip(&cursors).filter_map(|(row, &at)| row.get(at)).min() {
                    let full = rows.iter().zip(&cursors).filter_map(|(row, &at)| row.get(at + HELD)).min();
                    let stop = full.copied().unwrap_or(usize::MAX).min((first / 16 + most) * 16);
                    for (row, at) in rows.iter().zip(&mut cursors) {
                        *at += row[*at..].iter().take_while(|place| **place < stop).count();
                    }
                    taken += 1;
                }
            }
            let (taken, expected) = (f64::from(taken) / 20.0, blocks(density, &tiled));
            assert!((taken / expected - 1.0).abs() < 0.2, "{density} {kernel}: {taken} blocks, {expected} expected");
        }
    }
}
