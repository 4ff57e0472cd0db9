//! Convolution, dense and sparse, in its three directions; a linear layer is the 1x1 case at H = W = 1.
//!
//! Dense weights are `[c_out][c_in][kh][kw]` as PyTorch has them. Sparse weights are the non-zero values in CSR order over
//! output channels, with a transposed index into the same values. Gradients exist only where values do.

use super::BufferId;

/// The geometry of a convolution. Output extents are `(h + 2 pad - k) / stride + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Input channels.
    pub c_in: usize,
    /// Input rows.
    pub h_in: usize,
    /// Input columns.
    pub w_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Output rows.
    pub h_out: usize,
    /// Output columns.
    pub w_out: usize,
    /// Kernel rows, at most 15.
    pub kh: usize,
    /// Kernel columns, at most 15.
    pub kw: usize,
    /// Step in both directions, at least 1.
    pub stride: usize,
    /// Zero padding on every side.
    pub pad: usize,
    /// Batch, padded to a multiple of 4.
    pub n: usize,
}

impl ConvShape {
    /// A square-kernel convolution over an input extent; `None` where the kernel does not fit the padded input.
    pub fn new(input: super::Shape, c_out: usize, k: usize, stride: usize, pad: usize) -> Option<Self> {
        let out = |extent: usize| (extent + 2 * pad).checked_sub(k).map(|d| d / stride + 1);
        Some(Self {
            c_in: input.c,
            h_in: input.h,
            w_in: input.w,
            c_out,
            h_out: out(input.h)?,
            w_out: out(input.w)?,
            kh: k,
            kw: k,
            stride,
            pad,
            n: input.n,
        })
    }
    /// Extent of the input.
    pub fn input(&self) -> super::Shape {
        super::Shape { c: self.c_in, h: self.h_in, w: self.w_in, n: self.n }
    }
    /// Extent of the output.
    pub fn output(&self) -> super::Shape {
        super::Shape { c: self.c_out, h: self.h_out, w: self.w_out, n: self.n }
    }
    /// Number of weights of the dense tensor.
    pub fn weights(&self) -> usize {
        self.c_out * self.c_in * self.kh * self.kw
    }
}

/// The index buffers of a sparse weight, all u32. Entries of a row are sorted by (channel, ky, kx).
///
/// A packed index is `channel << 8 | ky << 4 | kx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SparseTopology {
    /// `[c_out + 1]` starts of the rows in `values`.
    pub row_ptr: BufferId,
    /// `[nnz]` packed (input channel, ky, kx) of each value.
    pub index: BufferId,
    /// `[c_in + 1]` starts of the transposed rows.
    pub t_row_ptr: BufferId,
    /// `[nnz]` packed (output channel, ky, kx), transposed order.
    pub t_index: BufferId,
    /// `[nnz]` position in `values`, transposed order.
    pub t_value: BufferId,
    /// `[nnz]` output channel of each value (the row it stands in), for kernels that work value by value.
    pub row: BufferId,
    /// Number of non-zeros.
    pub nnz: usize,
}

/// A convolution's weight on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// `[c_out][c_in][kh][kw]`.
    Dense {
        /// The values.
        values: BufferId,
    },
    /// `[nnz]` in CSR order.
    Sparse {
        /// The values.
        values: BufferId,
        /// Where they stand.
        topology: SparseTopology,
    },
}

/// `y[co,oy,ox,n] = bias[co] + sum w[co,ci,ky,kx] x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]`, zero outside the input.
/// With a bias, lanes beyond `n_valid` stay zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvForward {
    /// Geometry.
    pub shape: ConvShape,
    /// Input.
    pub x: BufferId,
    /// Weight.
    pub weight: Weight,
    /// `[c_out]`, if any.
    pub bias: Option<BufferId>,
    /// Output.
    pub y: BufferId,
}

/// `dx[ci,iy,ix,n] (+)= sum w[co,ci,ky,kx] dy[co,oy,ox,n]` over all taps that read (iy, ix).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvInputGrad {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Gradient of the output.
    pub dy: BufferId,
    /// Weight.
    pub weight: Weight,
    /// Gradient of the input.
    pub dx: BufferId,
    /// Add to `dx` instead of overwriting it.
    pub accumulate: bool,
}

/// `dw[co,ci,ky,kx] = sum over oy,ox,n of dy[co,oy,ox,n] x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]`,
/// for every weight (`weight` dense) or at the non-zeros only (`weight` sparse: a sampled product, in CSR order).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvWeightGrad {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Input of the forward convolution.
    pub x: BufferId,
    /// Gradient of the output.
    pub dy: BufferId,
    /// Which weights; the values themselves are not read.
    pub weight: Weight,
    /// The gradient, as many words as the weight has values.
    pub dw: BufferId,
}

/// `dbias[c] = sum over h,w,n of dy[c,h,w,n]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BiasGrad {
    /// Extent of `dy`.
    pub shape: super::Shape,
    /// Gradient of the output.
    pub dy: BufferId,
    /// `[c]`.
    pub dbias: BufferId,
}
