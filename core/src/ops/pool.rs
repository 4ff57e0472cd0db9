//! Max and average pooling; global average pooling is the case where the window is the whole image.
//!
//! Average pooling divides by the whole window (PyTorch's `count_include_pad=True`).

use super::contract::{Check, Contract, Slot, require};
use super::conv::extent;
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

impl PoolShape {
    /// Whether kernels can work on this geometry.
    ///
    /// # Errors
    /// The first mismatch.
    pub fn check(&self) -> Check {
        self.input.check("input")?;
        self.output.check("output")?;
        let limit = 1 << 16;
        let small = self.kh.min(self.kw) > 0 && self.kh.max(self.kw).max(self.stride).max(self.pad) < limit;
        require(small, "shape", "a window of at least 1, and window, stride and padding below 65536", self)?;
        let fits = Some(self.output.h) == extent(self.input.h, self.pad, self.kh, self.stride)
            && Some(self.output.w) == extent(self.input.w, self.pad, self.kw, self.stride)
            && (self.input.c, self.input.n) == (self.output.c, self.output.n);
        require(fits, "shape", "an output of (input + 2 pad - window) / stride + 1 with the input's channels and batch", self)
    }
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

impl Contract for MaxPool {
    fn check(&self) -> Check {
        self.shape.check()
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![
            Slot::read("x", &mut self.x, self.shape.input.len()).activation(),
            Slot::write("y", &mut self.y, self.shape.output.len()).activation(),
        ]
    }
}

impl Contract for MaxPoolGrad {
    fn check(&self) -> Check {
        self.shape.check()
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (input, output) = (self.shape.input.len(), self.shape.output.len());
        vec![
            Slot::read("x", &mut self.x, input).activation(),
            Slot::read("y", &mut self.y, output).activation(),
            Slot::read("dy", &mut self.dy, output).activation(),
            Slot::write("dx", &mut self.dx, input).activation().adding(self.accumulate),
        ]
    }
}

impl Contract for AvgPool {
    fn check(&self) -> Check {
        self.shape.check()
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![
            Slot::read("x", &mut self.x, self.shape.input.len()).activation(),
            Slot::write("y", &mut self.y, self.shape.output.len()).activation(),
        ]
    }
}

impl Contract for AvgPoolGrad {
    fn check(&self) -> Check {
        self.shape.check()
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![
            Slot::read("dy", &mut self.dy, self.shape.output.len()).activation(),
            Slot::write("dx", &mut self.dx, self.shape.input.len()).activation().adding(self.accumulate),
        ]
    }
}
