//! Squared norms of the loss gradient, one a sample: what GraNd (Paul, Ganguli and Dziugaite 2021) is the root of.
//!
//! A sample's gradient of one weight is formed in registers, squared and added up, so that nothing of samples times weights
//! ever exists. Lanes are samples, so one launch a layer serves the whole batch.

use super::{BufferId, ConvShape, Shape, Weight};

/// Rows of a buffer of sums: a layer's parameters are cut into so many runs, and each run adds to a row of its own, so that
/// sums need no atomics and have one order. A sample's sum is over its column.
pub const NORM_ROWS: usize = 256;

/// `sums[row, n] += sum over the row's weights of (sum over oy,ox of dy[co,oy,ox,n] x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n])^2`.
///
/// Weights are numbered as their values are stored; with `bias`, the biases follow them (with x = 1). Of a sparse weight only
/// the values that exist count. Row r has the numbers `r*span..(r+1)*span`, where `span` = ceil(count / [`NORM_ROWS`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvSampleNorm {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Input of the forward convolution.
    pub x: BufferId,
    /// Gradient of the output, not divided by the batch.
    pub dy: BufferId,
    /// Which weights; the values themselves are not read.
    pub weight: Weight,
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
    /// The forward output (read only where `relu`).
    pub y: BufferId,
    /// The forward input.
    pub x: BufferId,
    /// `[2][C]` running mean and variance.
    pub stats: BufferId,
    /// Added to the variance.
    pub eps: f32,
    /// Whether ReLU followed.
    pub relu: bool,
    /// `[NORM_ROWS][n]`, added to.
    pub sums: BufferId,
}
