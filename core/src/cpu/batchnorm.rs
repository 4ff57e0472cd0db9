//! The twins of `ops::batchnorm`, each one pass over its tensors.
//!
//! Sums run in float64 over fixed pieces of a channel: that costs nothing beside the memory traffic, and makes the
//! one-pass variance safe and the result independent of the number of threads.

use crate::ops::Shape;

use super::parallel::{self, Pieces, Shared};
use super::real::Real;
use crate::platform::parallel_for;

/// A channel's constants: mean, 1/std, gamma, beta.
#[derive(Clone, Copy)]
struct Channel<T> {
    mean: T,
    inv_std: T,
    gamma: T,
    beta: T,
}

/// Statistics and affine parameters as a kernel reads them.
#[derive(Clone, Copy)]
pub struct Norm<'a, T> {
    /// Extent.
    pub shape: Shape,
    /// Real lanes.
    pub n_valid: usize,
    /// `[2][C]` mean, then 1/std (train) or variance (eval).
    pub stats: &'a [T],
    /// Running statistics.
    pub eval: bool,
    /// Added to the running variance.
    pub eps: T,
    /// `[2][C]` gamma, beta; absent where only the statistics matter.
    pub affine: Option<&'a [T]>,
}

impl<T: Real> Norm<'_, T> {
    fn channel(&self, c: usize) -> Channel<T> {
        let second = self.stats[self.shape.c + c];
        Channel {
            mean: self.stats[c],
            inv_std: if self.eval { T::ONE / (second + self.eps).sqrt() } else { second },
            gamma: self.affine.map_or(T::ONE, |a| a[c]),
            beta: self.affine.map_or(T::ZERO, |a| a[self.shape.c + c]),
        }
    }
    fn count(&self) -> usize {
        self.shape.h * self.shape.w * self.n_valid.min(self.shape.n)
    }
}

/// Zeroes the lanes beyond the valid ones.
fn clear_padding<T: Real>(n: usize, n_valid: usize, values: &mut [T]) {
    if n_valid < n {
        for run in values.chunks_exact_mut(n) {
            run[n_valid..].fill(T::ZERO);
        }
    }
}

/// Adds the sums of a channel's pieces, in order.
fn channel_sums(pieces: Pieces, parts: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let add = |[a, b]: [f64; 2], [c, d]: &[f64; 2]| [a + c, b + d];
    parts.chunks(pieces.per_channel().max(1)).map(|parts| parts.iter().fold([0.0; 2], add)).collect()
}

/// Independent accumulators of a sum: enough for any vector width.
const LANES: usize = 16;

/// Sum and sum of squares.
#[inline(always)]
fn moments<T: Real>(x: &[T]) -> [f64; 2] {
    let (mut sum, mut squares) = ([0.0; LANES], [0.0; LANES]);
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            let value = block[lane].to_f64();
            sum[lane] += value;
            squares[lane] += value * value;
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        sum[lane] += value.to_f64();
        squares[lane] += value.to_f64() * value.to_f64();
    }
    [sum.iter().sum(), squares.iter().sum()]
}

/// Batch statistics into `saved`, and a step of the running ones. Padded lanes of `x` are zero and so add nothing.
pub fn stats<T: Real>(shape: Shape, n_valid: usize, x: &[T], saved: &mut [T], running: &mut [T], momentum: T, eps: T) {
    let pieces = Pieces::new(shape);
    let parts = parallel::map(pieces.count(), |i| {
        let (_, start, len) = pieces.get(i);
        pulp::Arch::new().dispatch(|| moments(&x[start..start + len]))
    });
    let count = (shape.h * shape.w * n_valid.min(shape.n)).max(1) as f64;
    for (c, [sum, squares]) in channel_sums(pieces, &parts).into_iter().enumerate() {
        let mean = sum / count;
        // Rounding may take a variance of zero below zero; a NaN stays one.
        let variance = squares / count - mean * mean;
        let variance = if variance < 0.0 { 0.0 } else { variance };
        saved[c] = T::from_f64(mean);
        saved[shape.c + c] = T::from_f64(1.0 / (variance + eps.to_f64()).sqrt());
        let unbiased = variance * count / (count - 1.0).max(1.0);
        let step = |old: T, new: f64| (T::ONE - momentum) * old + momentum * T::from_f64(new);
        running[c] = step(running[c], mean);
        running[shape.c + c] = step(running[shape.c + c], unbiased);
    }
}

#[inline(always)]
fn floor<T: Real>(value: T) -> T {
    if value < T::ZERO { T::ZERO } else { value }
}

/// `y = relu(gamma * xhat + beta + residual)`, zero beyond the valid lanes.
pub fn apply<T: Real>(norm: Norm<'_, T>, x: &[T], residual: Option<&[T]>, relu: bool, y: &mut [T]) {
    let shape = norm.shape;
    let pieces = Pieces::new(shape);
    let y = Shared::new(y);
    parallel_for(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let Channel { mean, inv_std, gamma, beta } = norm.channel(c);
        let scale = gamma * inv_std;
        let (x, residual) = (&x[start..start + len], residual.map(|r| &r[start..start + len]));
        // SAFETY: pieces are disjoint.
        let y = unsafe { y.part(start, len) };
        pulp::Arch::new().dispatch(|| match (residual, relu) {
            (None, false) => y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - mean) * scale + beta),
            (None, true) => y.iter_mut().zip(x).for_each(|(y, &x)| *y = floor((x - mean) * scale + beta)),
            (Some(r), _) => {
                for ((y, &x), &r) in y.iter_mut().zip(x).zip(r) {
                    let pre = (x - mean) * scale + beta + r;
                    *y = if relu { floor(pre) } else { pre };
                }
            }
        });
        clear_padding(shape.n, norm.n_valid, y);
    });
}

/// The gradient before ReLU.
#[inline(always)]
fn before_relu<T: Real>(y: T, dy: T) -> T {
    if y <= T::ZERO { T::ZERO } else { dy }
}

/// `[sum dpre * (x - mean), sum dpre]`.
#[inline(always)]
fn gradient_sums<T: Real, const RELU: bool>(dy: &[T], y: &[T], x: &[T], mean: T) -> [f64; 2] {
    let (mut centred, mut plain) = ([0.0; LANES], [0.0; LANES]);
    let ((dy, dy_rest), (y, y_rest), (x, x_rest)) = (dy.as_chunks::<LANES>(), y.as_chunks::<LANES>(), x.as_chunks::<LANES>());
    for ((dy, y), x) in dy.iter().zip(y).zip(x) {
        for lane in 0..LANES {
            let dpre = if RELU { before_relu(y[lane], dy[lane]) } else { dy[lane] };
            centred[lane] += (dpre * (x[lane] - mean)).to_f64();
            plain[lane] += dpre.to_f64();
        }
    }
    for (lane, ((&dy, &y), &x)) in dy_rest.iter().zip(y_rest).zip(x_rest).enumerate() {
        let dpre = if RELU { before_relu(y, dy) } else { dy };
        centred[lane] += (dpre * (x - mean)).to_f64();
        plain[lane] += dpre.to_f64();
    }
    [centred.iter().sum(), plain.iter().sum()]
}

/// `daffine = [sum dpre * xhat, sum dpre]`. Padded lanes of `dy` are zero and so add nothing.
///
/// `y` is the forward output where ReLU followed.
pub fn reduce_grad<T: Real>(norm: Norm<'_, T>, dy: &[T], y: Option<&[T]>, x: &[T], daffine: &mut [T]) {
    let shape = norm.shape;
    let pieces = Pieces::new(shape);
    let parts = parallel::map(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let Channel { mean, .. } = norm.channel(c);
        let (dy, x, y) = (&dy[start..][..len], &x[start..][..len], y.map(|y| &y[start..][..len]));
        pulp::Arch::new().dispatch(|| match y {
            None => gradient_sums::<T, false>(dy, dy, x, mean),
            Some(y) => gradient_sums::<T, true>(dy, y, x, mean),
        })
    });
    let sums = channel_sums(pieces, &parts);
    for (c, [centred, plain]) in sums.into_iter().enumerate() {
        daffine[c] = T::from_f64(centred * norm.channel(c).inv_std.to_f64());
        daffine[shape.c + c] = T::from_f64(plain);
    }
}

/// Operands of [`input_grad`].
pub struct InputGrad<'a, T> {
    /// Statistics and affine parameters.
    pub norm: Norm<'a, T>,
    /// Gradient of `y`; `None` where it stands in `dx`.
    pub dy: Option<&'a [T]>,
    /// Forward output, where ReLU followed.
    pub y: Option<&'a [T]>,
    /// Forward input.
    pub x: &'a [T],
    /// `[2][C]` from [`reduce_grad`] (train only).
    pub daffine: Option<&'a [T]>,
    /// Gradient of `x`.
    pub dx: &'a mut [T],
    /// Add to `dx` instead of overwriting it.
    pub accumulate: bool,
    /// Gradient of the residual, and whether to add to it.
    pub dresidual: Option<(&'a mut [T], bool)>,
}

/// Gradient of the input and of the residual.
pub fn input_grad<T: Real>(args: InputGrad<'_, T>) {
    let InputGrad { norm, dy, y, x, daffine, dx, accumulate, dresidual } = args;
    let shape = norm.shape;
    let count = T::from_f64(norm.count().max(1) as f64);
    let pieces = Pieces::new(shape);
    let dx = Shared::new(dx);
    let dresidual = dresidual.map(|(d, accumulate)| (Shared::new(d), accumulate));
    parallel_for(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let Channel { mean, inv_std, gamma, .. } = norm.channel(c);
        let scale = gamma * inv_std;
        // dx = scale * dpre - shift - slope * (x - mean)
        let (shift, slope) = match daffine {
            None => (T::ZERO, T::ZERO),
            Some(d) => (scale * d[shape.c + c] / count, scale * d[c] / count * inv_std),
        };
        // SAFETY: pieces are disjoint.
        let dx = unsafe { dx.part(start, len) };
        // SAFETY: pieces are disjoint.
        let mut dresidual = dresidual.as_ref().map(|(d, accumulate)| (unsafe { d.part(start, len) }, *accumulate));
        let (x, y) = (&x[start..][..len], y.map(|y| &y[start..][..len]));
        let dy = dy.map(|dy| &dy[start..][..len]);
        pulp::Arch::new().dispatch(|| {
            let mut block = [T::ZERO; BLOCK];
            let mut from = 0;
            while from < len {
                let size = BLOCK.min(len - from);
                let dpre = &mut block[..size];
                let source = dy.map_or(&dx[from..from + size], |dy| &dy[from..from + size]);
                match y {
                    None => dpre.copy_from_slice(source),
                    Some(y) => {
                        for ((dpre, &dy), &y) in dpre.iter_mut().zip(source).zip(&y[from..from + size]) {
                            *dpre = before_relu(y, dy);
                        }
                    }
                }
                if let Some((dresidual, accumulate)) = &mut dresidual {
                    let target = &mut dresidual[from..from + size];
                    if *accumulate {
                        for (d, &dpre) in target.iter_mut().zip(&*dpre) {
                            *d += dpre;
                        }
                    } else {
                        target.copy_from_slice(dpre);
                    }
                }
                let terms = dx[from..from + size].iter_mut().zip(&*dpre).zip(&x[from..from + size]);
                let gradient = |dpre: T, x: T| scale * dpre - shift - slope * (x - mean);
                if accumulate {
                    terms.for_each(|((dx, &dpre), &x)| *dx += gradient(dpre, x));
                } else {
                    terms.for_each(|((dx, &dpre), &x)| *dx = gradient(dpre, x));
                }
                from += size;
            }
        });
        clear_padding(shape.n, norm.n_valid, dx);
    });
}

/// Floats of `dpre` held at a time: `dx` may be `dy`, and every reader of `dpre` must see it before `dx` is written.
const BLOCK: usize = 256;
