//! The twins of `ops::batchnorm`, each one pass over its tensors.
//!
//! Sums run in float64 over fixed pieces of a channel, which also makes the one-pass variance safe.

use super::lent::Lent;
use super::pieces::Pieces;
use super::reduce::sum_partials;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{BatchNormApply, BatchNormInputGrad, BatchNormReduceGrad, BatchNormStats, Shape, StepParams};
use crate::platform::parallel::{self, Shared};
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
struct Norm<'a, T> {
    /// Extent.
    shape: Shape,
    /// Real lanes.
    n_valid: usize,
    /// `[2][C]` mean, then 1/std (train) or variance (eval).
    stats: &'a [T],
    /// Running statistics.
    eval: bool,
    /// Added to the running variance.
    eps: T,
    /// `[2][C]` gamma, beta; absent where only the statistics matter.
    affine: Option<&'a [T]>,
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

/// Sum and sum of squares of each piece. Padded lanes of `x` are zero and so add nothing.
fn batchnorm_stats<T: Real>(shape: Shape, x: &[T]) -> Vec<[f64; 2]> {
    let pieces = Pieces::new(shape);
    parallel::map(pieces.count(), |i| {
        let (_, start, len) = pieces.get(i);
        pulp::Arch::new().dispatch(|| moments(&x[start..start + len]))
    })
}

/// Batch statistics into `saved`, and a step of the running ones.
fn batchnorm_finish<T: Real>(op: &BatchNormStats, n_valid: usize, partials: &[[f64; 2]], saved: &mut [T], running: &mut [T]) {
    let (shape, momentum, eps) = (op.shape, T::from_f32(op.momentum), T::from_f32(op.eps));
    let count = (shape.h * shape.w * n_valid.min(shape.n)).max(1) as f64;
    for (c, [sum, squares]) in sum_partials(Pieces::new(shape), partials).into_iter().enumerate() {
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
fn batchnorm_apply<T: Real>(norm: Norm<'_, T>, x: &[T], residual: Option<&[T]>, relu: bool, y: &mut [T]) {
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

/// `[sum dpre * (x - mean), sum dpre]` of each piece. Padded lanes of `dy` are zero and so add nothing.
///
/// `y` is the forward output where ReLU followed.
fn batchnorm_reduce_grad<T: Real>(norm: Norm<'_, T>, dy: &[T], y: Option<&[T]>, x: &[T]) -> Vec<[f64; 2]> {
    let pieces = Pieces::new(norm.shape);
    parallel::map(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let Channel { mean, .. } = norm.channel(c);
        let (dy, x, y) = (&dy[start..][..len], &x[start..][..len], y.map(|y| &y[start..][..len]));
        pulp::Arch::new().dispatch(|| match y {
            None => gradient_sums::<T, false>(dy, dy, x, mean),
            Some(y) => gradient_sums::<T, true>(dy, y, x, mean),
        })
    })
}

/// Operands of [`batchnorm_input_grad`].
struct InputGrad<'a, T> {
    /// Statistics and affine parameters.
    norm: Norm<'a, T>,
    /// Gradient of `y`; `None` where it stands in `dx`.
    dy: Option<&'a [T]>,
    /// Forward output, where ReLU followed.
    y: Option<&'a [T]>,
    /// Forward input.
    x: &'a [T],
    /// `[2][C]` of [`BatchNormReduceGrad`] (train only).
    daffine: Option<&'a [T]>,
    /// Gradient of `x`.
    dx: &'a mut [T],
    /// Add to `dx` instead of overwriting it.
    accumulate: bool,
    /// Gradient of the residual, and whether to add to it.
    dresidual: Option<(&'a mut [T], bool)>,
}

/// Gradient of the input and of the residual.
fn batchnorm_input_grad<T: Real>(args: InputGrad<'_, T>) {
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

impl<T: Real> Run<T> for BatchNormStats {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let partials = batchnorm_stats(self.shape, lent.read("x")?);
        batchnorm_finish(self, step.n_valid as usize, &partials, lent.write("saved")?, lent.write("running")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for BatchNormApply {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let norm = Norm {
            shape: self.shape,
            n_valid: step.n_valid as usize,
            stats: lent.read("stats")?,
            eval: self.eval,
            eps: T::from_f32(self.eps),
            affine: Some(lent.read("affine")?),
        };
        batchnorm_apply(norm, lent.read("x")?, lent.read_some("residual")?, self.relu, lent.write("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for BatchNormReduceGrad {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let norm = Norm {
            shape: self.shape,
            n_valid: step.n_valid as usize,
            stats: lent.read("stats")?,
            eval: self.eval,
            eps: T::from_f32(self.eps),
            affine: None,
        };
        let partials = batchnorm_reduce_grad(norm, lent.read("dy")?, lent.read_some("y")?, lent.read("x")?);
        let daffine = lent.write("daffine")?;
        for (c, [centred, plain]) in sum_partials(Pieces::new(self.shape), &partials).into_iter().enumerate() {
            daffine[c] = T::from_f64(centred * norm.channel(c).inv_std.to_f64());
            daffine[self.shape.c + c] = T::from_f64(plain);
        }
        Ok(())
    }
}

impl<T: Real> Run<T> for BatchNormInputGrad {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let norm = Norm {
            shape: self.shape,
            n_valid: step.n_valid as usize,
            stats: lent.read("stats")?,
            eval: self.eval,
            eps: T::from_f32(self.eps),
            affine: Some(lent.read("affine")?),
        };
        let accumulate_residual = self.dresidual.is_some_and(|(_, accumulate)| accumulate);
        batchnorm_input_grad(InputGrad {
            norm,
            dy: lent.read_some("dy")?,
            y: lent.read_some("y")?,
            x: lent.read("x")?,
            daffine: lent.read_some("daffine")?,
            dx: lent.write("dx")?,
            accumulate: self.accumulate,
            dresidual: lent.write_some("dresidual")?.map(|d| (d, accumulate_residual)),
        });
        Ok(())
    }
}
