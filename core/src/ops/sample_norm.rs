//! Squared norms of the loss gradient, one a sample: what GraNd (Paul, Ganguli and Dziugaite 2021) is the root of.
//!
//! A sample's gradient of one weight is formed in registers, squared and added up, so that nothing of samples times weights
//! ever exists. Lanes are samples, so one launch a layer serves the whole batch.

use super::contract::{Check, Contract, Slot};
use super::{BufferId, ConvShape, Shape, SparseTopology};

/// Rows of a buffer of sums: a layer's parameters are cut into so many runs, and each run adds to a row of its own, so that
/// sums need no atomics and have one order. A sample's sum is over its column.
pub const NORM_ROWS: usize = 256;

/// `sums[row, n] += sum over the row's weights of (sum over oy,ox of dy[co,oy,ox,n] x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n])^2`.
///
/// Weights are numbered as their values are stored; with `bias`, the biases follow them (with x = 1). Where
/// a topology is given only its values count. Row r has the numbers `r*span..(r+1)*span`, where `span` = ceil(count / [`NORM_ROWS`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvSampleNorm {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Input of the forward convolution.
    pub x: BufferId,
    /// Gradient of the output, not divided by the batch.
    pub dy: BufferId,
    /// Which weights; `None`: all of them.
    pub topology: Option<SparseTopology>,
    /// Whether the layer has a bias.
    pub bias: bool,
    /// `[NORM_ROWS][n]`, added to.
    pub sums: BufferId,
}

/// `sums[row, n] += sum over the row's channels of (sum over h,w of dpre xhat)^2 + (sum over h,w of dpre)^2`, with `dpre` and
/// `xhat` as in [`super::BatchNormReduceGrad`] in eval mode. Row r has the channels `r*span..(r+1)*span`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormSampleNorm {
    /// Extent.
    pub shape: Shape,
    /// Gradient of `y`, not divided by the batch.
    pub dy: BufferId,
    /// The forward output, where ReLU followed.
    pub y: Option<BufferId>,
    /// The forward input.
    pub x: BufferId,
    /// `[2][C]` running mean and variance.
    pub stats: BufferId,
    /// Added to the variance.
    pub eps: f32,
    /// `[NORM_ROWS][n]`, added to.
    pub sums: BufferId,
}

impl Contract for ConvSampleNorm {
    fn check(&self) -> Check {
        self.shape.check_weights(self.topology.as_ref())
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let s = self.shape;
        let mut slots =
            vec![Slot::read("x", &mut self.x, s.input().len()).activation(), Slot::read("dy", &mut self.dy, s.output().len()).activation()];
        slots.extend(self.topology.iter_mut().flat_map(|t| t.slots(&s)));
        slots.push(Slot::write("sums", &mut self.sums, NORM_ROWS * s.n));
        slots
    }
}

impl Contract for BatchNormSampleNorm {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, pair) = (self.shape.len(), 2 * self.shape.c);
        vec![
            Slot::read("dy", &mut self.dy, len).activation(),
            Slot::read("y", self.y.as_mut(), len).activation(),
            Slot::read("x", &mut self.x, len).activation(),
            Slot::read("stats", &mut self.stats, pair),
            Slot::write("sums", &mut self.sums, NORM_ROWS * self.shape.n),
        ]
    }
}
