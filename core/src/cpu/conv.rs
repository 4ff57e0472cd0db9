//! Convolution in its three directions by plain loops, generic over f32 and f64: the oracle of both backends.
//!
//! Dense and sparse weights run through the same loops over a row's entries, so one oracle checks both; the inner loop
//! is always a contiguous run of lanes.

use crate::error::{Error, Result};
use crate::ops::{ConvShape, Shape};

use super::parallel::{self, Pieces};
use super::real::Real;

/// Index of a sparse weight, its contents checked against a shape by [`Csr::forward`] or [`Csr::transposed`].
#[derive(Clone, Copy)]
pub struct Csr<'a> {
    row_ptr: &'a [u32],
    index: &'a [u32],
    /// Position in the values; `None` where entries are in the values' own order.
    position: Option<&'a [u32]>,
}

fn broken(what: &str) -> Error {
    Error::validation(format!("sparse index: {what} does not fit the convolution"))
}

impl<'a> Csr<'a> {
    fn checked(shape: &ConvShape, rows: usize, channels: usize, row_ptr: &'a [u32], index: &'a [u32]) -> Result<Self> {
        let row_ptr = row_ptr.get(..=rows).ok_or_else(|| broken("row_ptr"))?;
        let ordered = row_ptr.windows(2).all(|pair| pair[0] <= pair[1]);
        if row_ptr[0] != 0 || !ordered || row_ptr[rows] as usize != index.len() {
            return Err(broken("row_ptr"));
        }
        let inside = |&packed: &u32| {
            let (channel, ky, kx) = unpack(packed);
            channel < channels && ky < shape.kh && kx < shape.kw
        };
        if !index.iter().all(inside) {
            return Err(broken("an entry"));
        }
        Ok(Self { row_ptr, index, position: None })
    }
    /// Rows are output channels, entries name input channels.
    ///
    /// # Errors
    /// `Validation` where an entry or a row start lies outside the shape.
    pub fn forward(shape: &ConvShape, row_ptr: &'a [u32], index: &'a [u32]) -> Result<Self> {
        Self::checked(shape, shape.c_out, shape.c_in, row_ptr, index)
    }
    /// Rows are input channels, entries name output channels and their position in the values.
    ///
    /// # Errors
    /// As [`Csr::forward`].
    pub fn transposed(shape: &ConvShape, row_ptr: &'a [u32], index: &'a [u32], position: &'a [u32]) -> Result<Self> {
        let csr = Self::checked(shape, shape.c_in, shape.c_out, row_ptr, index)?;
        if position.len() != index.len() || position.iter().any(|&p| p as usize >= index.len()) {
            return Err(broken("a position"));
        }
        Ok(Self { position: Some(position), ..csr })
    }
    /// Entries of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Entry> + 'a {
        let (csr, start) = (*self, self.row_ptr[row] as usize);
        csr.index[start..csr.row_ptr[row + 1] as usize].iter().enumerate().map(move |(i, &packed)| {
            let (channel, ky, kx) = unpack(packed);
            let place = start + i;
            Entry { channel, ky, kx, position: csr.position.map_or(place, |p| p[place] as usize) }
        })
    }
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.index.len()
    }
}

/// Channel, ky, kx of a packed index.
fn unpack(packed: u32) -> (usize, usize, usize) {
    ((packed >> 8) as usize, (packed >> 4 & 15) as usize, (packed & 15) as usize)
}

/// One weight of a row: the other side's channel, its tap, and where its value stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Input channel (forward rows) or output channel (transposed rows).
    pub channel: usize,
    /// Kernel row.
    pub ky: usize,
    /// Kernel column.
    pub kx: usize,
    /// Position of the value.
    pub position: usize,
}

/// Which weights a layer has: all of them, or those of an index.
#[derive(Clone, Copy)]
pub enum Index<'a> {
    /// `[c_out][c_in][kh][kw]`.
    Dense,
    /// Those listed.
    Sparse(Csr<'a>),
}

impl Index<'_> {
    /// Number of values.
    pub fn len(&self, shape: &ConvShape) -> usize {
        match self {
            Self::Dense => shape.weights(),
            Self::Sparse(csr) => csr.len(),
        }
    }
    /// Entries of an output channel's row.
    pub fn row(&self, shape: &ConvShape, co: usize) -> Vec<Entry> {
        match self {
            Self::Sparse(csr) => csr.row(co).collect(),
            Self::Dense => dense_entries(shape, shape.c_in, |ci| co * shape.c_in + ci),
        }
    }
    /// Entries of an input channel's transposed row.
    fn transposed_row(&self, shape: &ConvShape, ci: usize) -> Vec<Entry> {
        match self {
            Self::Sparse(csr) => csr.row(ci).collect(),
            Self::Dense => dense_entries(shape, shape.c_out, |co| co * shape.c_in + ci),
        }
    }
}

fn dense_entries(shape: &ConvShape, channels: usize, kernel: impl Fn(usize) -> usize) -> Vec<Entry> {
    let (kh, kw) = (shape.kh, shape.kw);
    let mut entries = Vec::with_capacity(channels * kh * kw);
    for channel in 0..channels {
        for ky in 0..kh {
            for kx in 0..kw {
                entries.push(Entry { channel, ky, kx, position: (kernel(channel) * kh + ky) * kw + kx });
            }
        }
    }
    entries
}

/// Operands of [`forward`].
pub struct ForwardArgs<'a, T> {
    /// Geometry.
    pub shape: ConvShape,
    /// Input.
    pub x: &'a [T],
    /// Which weights.
    pub index: Index<'a>,
    /// Their values.
    pub values: &'a [T],
    /// `[c_out]`.
    pub bias: Option<&'a [T]>,
    /// Lanes that get the bias.
    pub n_valid: usize,
    /// Output.
    pub y: &'a mut [T],
}

/// Operands of [`input_grad`].
pub struct InputGradArgs<'a, T> {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Gradient of the output.
    pub dy: &'a [T],
    /// Which weights, the transposed index where sparse.
    pub index: Index<'a>,
    /// Their values.
    pub values: &'a [T],
    /// Add instead of overwrite.
    pub accumulate: bool,
    /// Gradient of the input.
    pub dx: &'a mut [T],
}

/// Operands of [`weight_grad`].
pub struct WeightGradArgs<'a, T> {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Input.
    pub x: &'a [T],
    /// Gradient of the output.
    pub dy: &'a [T],
    /// Which weights.
    pub index: Index<'a>,
    /// Gradient of the values.
    pub dw: &'a mut [T],
}

/// For one tap, the output rows and columns whose input lies inside, as `(out, in)` index pairs along one axis.
fn overlap(out: usize, input: usize, stride: usize, pad: usize, k: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..out).filter_map(move |o| {
        let i = (o * stride + k).checked_sub(pad)?;
        (i < input).then_some((o, i))
    })
}

/// Calls `run(out_start, in_start)` for every position that a tap connects, as starts of runs of `n` lanes in a plane.
pub fn positions(shape: &ConvShape, ky: usize, kx: usize, mut run: impl FnMut(usize, usize)) {
    let columns = overlap(shape.w_out, shape.w_in, shape.stride, shape.pad, kx);
    for (oy, iy) in overlap(shape.h_out, shape.h_in, shape.stride, shape.pad, ky) {
        for (ox, ix) in columns.clone() {
            run((oy * shape.w_out + ox) * shape.n, (iy * shape.w_in + ix) * shape.n);
        }
    }
}

fn axpy<T: Real>(a: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// In eight sums, so that no product waits for the sum before it.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [T::ZERO; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| a * b);
    sums.into_iter().chain(rest).sum()
}

/// `y = conv(x, w) (+ bias on the valid lanes)`.
pub fn forward<T: Real>(args: ForwardArgs<'_, T>) {
    let ForwardArgs { shape, x, index, values, bias, n_valid, y } = args;
    let (n, plane_in, plane_out) = (shape.n, shape.input().plane(), shape.output().plane());
    parallel::chunks_mut(&mut y[..shape.output().len()], plane_out, |co, y| {
        y.fill(T::ZERO);
        for entry in index.row(&shape, co) {
            let x = &x[entry.channel * plane_in..][..plane_in];
            positions(&shape, entry.ky, entry.kx, |o, i| axpy(values[entry.position], &x[i..i + n], &mut y[o..o + n]));
        }
        if let Some(bias) = bias {
            add_bias(bias[co], n, n_valid, y);
        }
    });
}

/// Adds a channel's bias to the valid lanes of some of its positions.
pub fn add_bias<T: Real>(bias: T, n: usize, n_valid: usize, y: &mut [T]) {
    for run in y.chunks_mut(n) {
        for y in run.iter_mut().take(n_valid) {
            *y += bias;
        }
    }
}

/// `dx (+)= the transposed convolution of dy`.
pub fn input_grad<T: Real>(args: InputGradArgs<'_, T>) {
    let InputGradArgs { shape, dy, index, values, accumulate, dx } = args;
    let (n, plane_in, plane_out) = (shape.n, shape.input().plane(), shape.output().plane());
    parallel::chunks_mut(&mut dx[..shape.input().len()], plane_in, |ci, dx| {
        if !accumulate {
            dx.fill(T::ZERO);
        }
        for entry in index.transposed_row(&shape, ci) {
            let dy = &dy[entry.channel * plane_out..][..plane_out];
            positions(&shape, entry.ky, entry.kx, |o, i| axpy(values[entry.position], &dy[o..o + n], &mut dx[i..i + n]));
        }
    });
}

/// `dw = sum of dy * x` at every weight that exists.
pub fn weight_grad<T: Real>(args: WeightGradArgs<'_, T>) {
    let WeightGradArgs { shape, x, dy, index, dw } = args;
    let (n, plane_in, plane_out) = (shape.n, shape.input().plane(), shape.output().plane());
    let rows = parallel::map(shape.c_out, |co| {
        let dy = &dy[co * plane_out..][..plane_out];
        let gradient = |entry: Entry| {
            let x = &x[entry.channel * plane_in..][..plane_in];
            let mut sum = T::ZERO;
            positions(&shape, entry.ky, entry.kx, |o, i| {
                sum += dot(&dy[o..o + n], &x[i..i + n]);
            });
            (entry.position, sum)
        };
        index.row(&shape, co).into_iter().map(gradient).collect::<Vec<_>>()
    });
    for (position, sum) in rows.into_iter().flatten() {
        dw[position] = sum;
    }
}

/// `dbias[c] = sum of dy[c]`, in float64 over fixed pieces.
pub fn bias_grad<T: Real>(shape: Shape, dy: &[T], dbias: &mut [T]) {
    let pieces = Pieces::new(shape);
    let sums = parallel::map(pieces.count(), |i| {
        let (_, start, len) = pieces.get(i);
        sum_f64(&dy[start..start + len])
    });
    for (dbias, sums) in dbias.iter_mut().zip(sums.chunks(pieces.per_channel().max(1))) {
        *dbias = T::from_f64(sums.iter().sum());
    }
}

fn sum_f64<T: Real>(values: &[T]) -> f64 {
    let mut lanes = [0.0; 16];
    let (blocks, rest) = values.as_chunks::<16>();
    for block in blocks {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += value.to_f64();
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|value| value.to_f64()).sum::<f64>()
}
