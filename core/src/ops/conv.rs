//! Convolution, dense and sparse, in its three directions; a linear layer is the 1x1 case at H = W = 1.
//!
//! Dense weights are `[c_out][c_in][kh][kw]` as PyTorch has them. Sparse weights are the non-zero values in CSR order over
//! output channels, with a transposed index into the same values. Gradients exist only where values do.

use super::contract::{Check, Contract, Slot, require};
use super::{BufferId, NormOnLoad, Shape};

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
    pub fn new(input: Shape, c_out: usize, k: usize, stride: usize, pad: usize) -> Option<Self> {
        Some(Self {
            c_in: input.c,
            h_in: input.h,
            w_in: input.w,
            c_out,
            h_out: extent(input.h, pad, k, stride)?,
            w_out: extent(input.w, pad, k, stride)?,
            kh: k,
            kw: k,
            stride,
            pad,
            n: input.n,
        })
    }
    /// Extent of the input.
    pub fn input(&self) -> Shape {
        Shape { c: self.c_in, h: self.h_in, w: self.w_in, n: self.n }
    }
    /// Extent of the output.
    pub fn output(&self) -> Shape {
        Shape { c: self.c_out, h: self.h_out, w: self.w_out, n: self.n }
    }
    /// Number of weights of the dense tensor.
    pub fn weights(&self) -> usize {
        self.c_out * self.c_in * self.kh * self.kw
    }
    /// Number of values where only those of a topology exist, if one is given.
    pub fn values(&self, topology: Option<&SparseTopology>) -> usize {
        topology.map_or(self.weights(), |t| t.nnz)
    }
    /// Whether kernels can work on this geometry.
    ///
    /// # Errors
    /// The first mismatch.
    pub fn check(&self) -> Check {
        self.input().check("input")?;
        self.output().check("output")?;
        let kernel = (1..=15).contains(&self.kh) && (1..=15).contains(&self.kw);
        require(kernel, "shape", "a kernel of 1 to 15", self)?;
        let steps = (1..1 << 16).contains(&self.stride) && self.pad < 1 << 16;
        require(steps, "shape", "a stride of at least 1, and stride and padding below 65536", self)?;
        let fits = Some(self.h_out) == extent(self.h_in, self.pad, self.kh, self.stride)
            && Some(self.w_out) == extent(self.w_in, self.pad, self.kw, self.stride);
        require(fits, "shape", "an output of (input + 2 pad - kernel) / stride + 1", self)
    }
    /// Whether kernels can also count its weights.
    pub(super) fn check_weights(&self, topology: Option<&SparseTopology>) -> Check {
        self.check()?;
        let weights = [self.c_out, self.c_in, self.kh, self.kw].into_iter().try_fold(1usize, usize::checked_mul);
        require(weights.is_some_and(|w| u32::try_from(w).is_ok()), "weight", "fewer than 2^32 weights", self)?;
        let Some(topology) = topology else { return Ok(()) };
        require(self.c_in.max(self.c_out) < 1 << 24, "index", "fewer than 2^24 channels", self)?;
        require(topology.nnz <= self.weights(), "index", "no more non-zeros than the dense tensor has weights", topology.nnz)
    }
}

/// Output extent of a window that slides over a padded input; `None` where it does not fit.
pub(super) fn extent(input: usize, pad: usize, k: usize, stride: usize) -> Option<usize> {
    Some((input + 2 * pad).checked_sub(k)?.checked_div(stride)? + 1)
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

impl SparseTopology {
    /// All of its index; each stage binds what it walks by.
    pub(super) fn slots(&mut self, shape: &ConvShape) -> [Slot<'_>; 6] {
        let nnz = self.nnz;
        [
            Slot::index("row_ptr", &mut self.row_ptr, shape.c_out + 1),
            Slot::index("index", &mut self.index, nnz),
            Slot::index("t_row_ptr", &mut self.t_row_ptr, shape.c_in + 1),
            Slot::index("t_index", &mut self.t_index, nnz),
            Slot::index("t_value", &mut self.t_value, nnz),
            Slot::index("row", &mut self.row, nnz),
        ]
    }
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

impl Weight {
    /// The buffer of the values.
    pub fn values(&self) -> BufferId {
        match self {
            Self::Dense { values } | Self::Sparse { values, .. } => *values,
        }
    }
    /// Where the values stand, if not everywhere.
    pub fn topology(&self) -> Option<SparseTopology> {
        match self {
            Self::Dense { .. } => None,
            Self::Sparse { topology, .. } => Some(*topology),
        }
    }
    fn slots(&mut self, shape: &ConvShape) -> Vec<Slot<'_>> {
        match self {
            Self::Dense { values } => vec![Slot::read("weight", values, shape.weights())],
            Self::Sparse { values, topology } => {
                let mut slots = vec![Slot::read("weight", values, topology.nnz)];
                slots.extend(topology.slots(shape));
                slots
            }
        }
    }
}

/// `y[co,oy,ox,n] = bias[co] + sum w[co,ci,ky,kx] x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]`, zero outside the input.
/// With a bias, lanes beyond `n_valid` stay zero. With a [`NormOnLoad`], `x` stands for what it makes of it, outside the input still zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvForward {
    /// Geometry.
    pub shape: ConvShape,
    /// Input.
    pub x: BufferId,
    /// A BatchNorm of the input that is applied as it is loaded.
    pub norm: Option<NormOnLoad>,
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
/// for every weight, or at the non-zeros of a topology only (a sampled product, in CSR order).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvWeightGrad {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Input of the forward convolution.
    pub x: BufferId,
    /// As in the forward convolution.
    pub norm: Option<NormOnLoad>,
    /// Gradient of the output.
    pub dy: BufferId,
    /// Which weights; `None`: all of them.
    pub topology: Option<SparseTopology>,
    /// The gradient, in the order of the weight's values.
    pub dw: BufferId,
}

impl Contract for ConvForward {
    fn check(&self) -> Check {
        self.shape.check_weights(self.weight.topology().as_ref())
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let s = self.shape;
        let mut slots = vec![Slot::read("x", &mut self.x, s.input().len()).activation()];
        slots.extend(self.weight.slots(&s));
        slots.push(Slot::read("bias", self.bias.as_mut(), s.c_out));
        slots.extend(NormOnLoad::slots(&mut self.norm, s.c_in));
        slots.push(Slot::write("y", &mut self.y, s.output().len()).activation());
        slots
    }
}

impl Contract for ConvInputGrad {
    fn check(&self) -> Check {
        self.shape.check_weights(self.weight.topology().as_ref())
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let s = self.shape;
        let mut slots = vec![Slot::read("dy", &mut self.dy, s.output().len()).activation()];
        slots.extend(self.weight.slots(&s));
        slots.push(Slot::write("dx", &mut self.dx, s.input().len()).activation().adding(self.accumulate));
        slots
    }
}

impl Contract for ConvWeightGrad {
    fn check(&self) -> Check {
        self.shape.check_weights(self.topology.as_ref())
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let s = self.shape;
        let values = s.values(self.topology.as_ref());
        let mut slots =
            vec![Slot::read("x", &mut self.x, s.input().len()).activation(), Slot::read("dy", &mut self.dy, s.output().len()).activation()];
        slots.extend(self.topology.iter_mut().flat_map(|t| t.slots(&s)));
        slots.extend(NormOnLoad::slots(&mut self.norm, s.c_in));
        slots.push(Slot::write("dw", &mut self.dw, values));
        slots
    }
}
