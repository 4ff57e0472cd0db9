//! Which kernels make a sparse product, and the tiles of the staged ones (`shaders/shared/sparse_tiles.wgsl`).
//!
//! A kernel that stages its input loads a word from memory once for all its rows and taps, the one that does not, once for each product; what a
//! device gains by it only the device can say (`gpu/tuning.rs`).

use crate::device::info::SparseKernel;
use crate::ops::{ConvForward, ConvInputGrad, ConvShape, Op};

impl SparseKernel {
    /// Rows of a workgroup that stages its input.
    pub(super) fn tall(self) -> Option<usize> {
        match self {
            Self::Rows => None,
            Self::Tiles8 => Some(8),
            Self::Tiles16 => Some(16),
        }
    }
}

/// Vec4s that a workgroup can stage: 16 KiB.
const STAGED: usize = 1024;

/// Pixels down and across, and vec4s of the batch: 128 in all, one a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    h: usize,
    w: usize,
    n: usize,
}

const TILES: [Tile; 4] = [Tile { h: 4, w: 8, n: 4 }, Tile { h: 4, w: 4, n: 8 }, Tile { h: 8, w: 8, n: 2 }, Tile { h: 8, w: 16, n: 1 }];

impl Tile {
    /// The tile that leaves fewest threads idle on an output of these pixels; `None` where the input cannot be staged.
    pub fn of(s: &ConvShape, (height, width): (usize, usize)) -> Option<Self> {
        let fits = |tile: &Self| tile.staged(s) <= STAGED;
        let count = |tile: &Self| tile.count(height, width, s.n / 4);
        TILES.into_iter().filter(fits).min_by_key(count).filter(|_| s.stride == 1)
    }
    /// How many cover an output.
    pub fn count(&self, height: usize, width: usize, n4: usize) -> usize {
        height.div_ceil(self.h) * width.div_ceil(self.w) * n4.div_ceil(self.n)
    }
    /// Whether most threads have something to do on an output.
    pub fn suits(&self, height: usize, width: usize, n4: usize) -> bool {
        128 * self.count(height, width, n4) <= 2 * height * width * n4
    }
    /// Vec4s of one channel that it reads.
    fn staged(&self, s: &ConvShape) -> usize {
        (self.h + s.kh - 1) * (self.w + s.kw - 1) * self.n
    }
    /// What a stage asks for that imports `sparse_tiles`.
    pub fn constants(&self, rows: usize) -> [(&'static str, f64); 4] {
        [("ROWS", rows as f64), ("TILE_H", self.h as f64), ("TILE_W", self.w as f64), ("TILE_N", self.n as f64)]
    }
}

/// Bytes that a dispatch stages in workgroup memory, all workgroups together; `None` where the kernel stages nothing.
pub fn staged_bytes(op: &Op, kernel: SparseKernel) -> Option<f64> {
    let (s, weight, channels, rows, written) = match op {
        Op::ConvForward(ConvForward { shape, weight, .. }) => (shape, weight, shape.c_in, shape.c_out, shape.output()),
        Op::ConvInputGrad(ConvInputGrad { shape, weight, .. }) => (shape, weight, shape.c_out, shape.c_in, shape.input()),
        _ => return None,
    };
    weight.topology()?;
    let (tall, tile) = kernel.tall().zip(Tile::of(s, (written.h, written.w)))?;
    let groups = tile.count(written.h, written.w, s.n / 4) * rows.div_ceil(tall);
    Some((16 * groups * channels * tile.staged(s)) as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::gpu::encode::encode;
    use crate::ops::{BufferId, ConvForward, Op, Shape, SparseTopology, Weight};

    /// Bytes that workgroups load from caches for a multiply-add, the values and their index included.
    fn loaded(s: &ConvShape, density: f64, kernel: SparseKernel) -> f64 {
        let nnz = (density * s.weights() as f64) as usize;
        let id = BufferId(0);
        let topology = SparseTopology { row_ptr: id, index: id, t_row_ptr: id, t_index: id, t_value: id, row: id, nnz };
        let weight = Weight::Sparse { values: id, topology };
        let op = Op::ConvForward(ConvForward { shape: *s, x: BufferId(1), norm: None, weight, bias: None, y: BufferId(2) });
        let launch = encode(&op, kernel).unwrap().remove(0);
        let products = nnz as f64 * s.output().plane() as f64;
        let of_weights = |columns: f64| 8.0 * nnz as f64 * s.output().plane() as f64 / 4.0 / columns;
        let bytes = match kernel.tall() {
            None => {
                let columns = launch.numbers.iter().find(|(name, _)| *name == "COLUMNS").unwrap().1;
                4.0 * products + of_weights(64.0 * columns)
            }
            Some(tall) => {
                let tiles = Tile::of(s, (s.h_out, s.w_out)).unwrap().count(s.h_out, s.w_out, s.n / 4);
                assert_eq!(launch.groups, tiles * s.c_out.div_ceil(tall));
                staged_bytes(&op, kernel).unwrap() + of_weights(128.0)
            }
        };
        bytes / products
    }

    #[test]
    fn a_staged_product_loads_a_third_of_what_one_does_that_is_not() {
        // The layers of ResNet-20 and ResNet18 that have one.
        for (c, h) in [(16, 32), (32, 16), (64, 8), (64, 32), (128, 16), (256, 8), (512, 4)] {
            let s = ConvShape::new(Shape { c, h, w: h, n: 128 }, c, 3, 1, 1).unwrap();
            let [rows, tiles] = [SparseKernel::Rows, SparseKernel::Tiles16].map(|kernel| loaded(&s, 0.1, kernel));
            assert!((4.0..4.1).contains(&rows) && tiles <= rows / 3.0, "{c}x{h}x{h}: {rows} and {tiles} bytes");
            assert!(loaded(&s, 0.05, SparseKernel::Tiles16) <= rows / 2.0, "{c}x{h}x{h}");
        }
    }
}
