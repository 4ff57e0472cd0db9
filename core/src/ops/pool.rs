//! Max and average pooling; global average pooling is the case where the window is the whole image.
//!
//! Average pooling divides by the whole window (PyTorch's `count_include_pad=True`).

use super::{BufferId, Shape};

/// Geometry of a pooling window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Extent of the input.
    pub input: Shape,
    /// Extent of the output.
    pub output: Shape,
    /// Window rows.
    pub kh: usize,
    /// Window columns.
    pub kw: usize,
    /// Step.
    pub stride: usize,
    /// Padding: never wins a maximum, counts as zero in an average.
    pub pad: usize,
}

/// `y = max over the window`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPool {
    /// Geometry.
    pub shape: PoolShape,
    /// Input.
    pub x: BufferId,
    /// Output.
    pub y: BufferId,
}

/// The gradient goes to the first maximum of each window in row-major order. `dx` is gathered, without atomics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPoolGrad {
    /// Geometry.
    pub shape: PoolShape,
    /// The forward input.
    pub x: BufferId,
    /// The forward output.
    pub y: BufferId,
    /// Gradient of the output.
    pub dy: BufferId,
    /// Gradient of the input, overwritten or added to.
    pub dx: BufferId,
    /// Add instead of overwrite.
    pub accumulate: bool,
}

/// `y = mean over the window`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AvgPool {
    /// Geometry.
    pub shape: PoolShape,
    /// Input.
    pub x: BufferId,
    /// Output.
    pub y: BufferId,
}

/// Gradient of [`AvgPool`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AvgPoolGrad {
    /// Geometry.
    pub shape: PoolShape,
    /// Gradient of the output.
    pub dy: BufferId,
    /// Gradient of the input, overwritten or added to.
    pub dx: BufferId,
    /// Add instead of overwrite.
    pub accumulate: bool,
}
