//! Element-wise operations: decoding and augmenting a batch of bytes, normalising, ReLU, sums, the option-A shortcut, filling.
//!
//! Each is bound by memory traffic; they exist on their own only where no neighbour could fuse them.

use super::contract::{Check, Contract, Slot, check_len, require};
use super::{BufferId, Shape};

/// Decode a batch of byte images to 0..=1 and augment: crop with zero padding, flip, then rotate (nearest, zero fill).
///
/// `bytes`: u32 words, 4 pixels each little-endian, image after image, each `[c][h][w]`, without gaps.
/// `augmentation`: f32 `[n][8]` per image: source column offset, source row offset, flip (0/1), cos, sin, 0, 0, 0.
/// Output pixel (x, y): let `u = x - (w-1)/2, v = y - (h-1)/2`, `sx = round_half_even(cos*u + sin*v + (w-1)/2)`,
/// `sy = round_half_even(-sin*u + cos*v + (h-1)/2)`; outside the image: 0; then `sx = w-1-sx` if flipped; then the source
/// is (sx + column offset, sy + row offset) (offsets are in -pad..=pad), outside: 0. Lanes >= n_valid: 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Extent of `out`.
    pub shape: Shape,
    /// Packed bytes, u32.
    pub bytes: BufferId,
    /// Per-image parameters, f32 `[n][8]`.
    pub augmentation: BufferId,
    /// `[c,h,w,n]` in 0..=1.
    pub out: BufferId,
}

/// `y = (x - mean[c]) / std[c]` on real lanes, 0 beyond. At most 4 channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalize {
    /// Extent.
    pub shape: Shape,
    /// Input.
    pub x: BufferId,
    /// Output; may be `x`.
    pub y: BufferId,
    /// Mean by channel.
    pub mean: [f32; 4],
    /// 1 / standard deviation by channel.
    pub inv_std: [f32; 4],
}

/// `y = max(x, 0)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relu {
    /// Number of floats.
    pub len: usize,
    /// Input.
    pub x: BufferId,
    /// Output; may be `x`.
    pub y: BufferId,
}

/// `dx (+)= y > 0 ? dy : 0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReluGrad {
    /// Number of floats.
    pub len: usize,
    /// Gradient of the output.
    pub dy: BufferId,
    /// The forward output.
    pub y: BufferId,
    /// Gradient of the input; may be `dy` where `accumulate` is false.
    pub dx: BufferId,
    /// Add instead of overwrite.
    pub accumulate: bool,
}

/// `y += x`: a residual sum that nothing could take up, or gradients of several batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Add {
    /// Number of floats.
    pub len: usize,
    /// What is added.
    pub x: BufferId,
    /// Added to.
    pub y: BufferId,
}

/// The parameter-free shortcut of CIFAR ResNets: `y[c + pad_channels, oy, ox] = x[c, oy*stride, ox*stride]`, other channels 0,
/// where `pad_channels = (c_out - c_in) / 2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShortcutA {
    /// Extent of `x`.
    pub input: Shape,
    /// Extent of `y`; h = ceil(input.h / stride).
    pub output: Shape,
    /// Subsampling step.
    pub stride: usize,
    /// Input.
    pub x: BufferId,
    /// Output, all of it written.
    pub y: BufferId,
}

/// Gradient of [`ShortcutA`]: `dx[c, iy, ix] (+)= dy[c + pad_channels, iy/stride, ix/stride]` where stride divides iy and ix, else (+)= 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShortcutAGrad {
    /// Extent of `dx`.
    pub input: Shape,
    /// Extent of `dy`.
    pub output: Shape,
    /// Subsampling step.
    pub stride: usize,
    /// Gradient of the output.
    pub dy: BufferId,
    /// Gradient of the input.
    pub dx: BufferId,
    /// Add instead of overwrite.
    pub accumulate: bool,
}

/// Set every word of an f32 buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// Number of floats.
    pub len: usize,
    /// The buffer.
    pub buffer: BufferId,
    /// The value.
    pub value: f32,
}

impl Contract for Augment {
    fn check(&self) -> Check {
        self.shape.check("out")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![
            Slot::index("bytes", &mut self.bytes, self.shape.len() / 4),
            Slot::read("augmentation", &mut self.augmentation, self.shape.n * 8),
            Slot::write("out", &mut self.out, self.shape.len()),
        ]
    }
}

impl Contract for Normalize {
    fn check(&self) -> Check {
        self.shape.check("x")?;
        require(self.shape.c <= 4, "x", "at most 4 channels", self.shape)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![Slot::read("x", &mut self.x, self.shape.len()), Slot::write("y", &mut self.y, self.shape.len()).over("x")]
    }
}

impl Contract for Relu {
    fn check(&self) -> Check {
        check_len("x", self.len)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![Slot::read("x", &mut self.x, self.len).activation(), Slot::write("y", &mut self.y, self.len).activation().over("x")]
    }
}

impl Contract for ReluGrad {
    fn check(&self) -> Check {
        check_len("dy", self.len)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let dx = Slot::write("dx", &mut self.dx, self.len).activation().adding(self.accumulate);
        vec![
            Slot::read("dy", &mut self.dy, self.len).activation(),
            Slot::read("y", &mut self.y, self.len).activation(),
            if self.accumulate { dx } else { dx.over("dy") },
        ]
    }
}

impl Contract for Add {
    fn check(&self) -> Check {
        check_len("x", self.len)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![Slot::read("x", &mut self.x, self.len).activation(), Slot::update("y", &mut self.y, self.len).activation()]
    }
}

/// Whether `output` is `input` subsampled, with no fewer channels.
fn check_shortcut(input: Shape, output: Shape, stride: usize) -> Check {
    input.check("input")?;
    output.check("output")?;
    let fits = stride > 0
        && output.h == input.h.div_ceil(stride)
        && output.w == input.w.div_ceil(stride)
        && output.c >= input.c
        && output.n == input.n;
    require(fits, "output", "the input subsampled, with no fewer channels", (input, output, stride))
}

impl Contract for ShortcutA {
    fn check(&self) -> Check {
        check_shortcut(self.input, self.output, self.stride)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![Slot::read("x", &mut self.x, self.input.len()).activation(), Slot::write("y", &mut self.y, self.output.len()).activation()]
    }
}

impl Contract for ShortcutAGrad {
    fn check(&self) -> Check {
        check_shortcut(self.input, self.output, self.stride)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![
            Slot::read("dy", &mut self.dy, self.output.len()).activation(),
            Slot::write("dx", &mut self.dx, self.input.len()).activation().adding(self.accumulate),
        ]
    }
}

impl Contract for Fill {
    fn check(&self) -> Check {
        check_len("buffer", self.len)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![Slot::write("buffer", &mut self.buffer, self.len)]
    }
}
