//! The twins of `ops::batchnorm`, each one pass over its tensors.
//!
//! Sums run over fixed pieces of a channel: short runs in the values' own type, from there on in float64. Statistics are taken about one
//! of the channel's values, which makes the one-pass variance safe.

use super::lent::Lent;
use super::pieces::Pieces;
use super::reduce::sum_partials;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{BatchNormApply, BatchNormInputGrad, BatchNormReduceGrad, BatchNormStats, Gate, NormOnLoad, Shape, StepParams};
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

impl<T: Real> Channel<T> {
    /// What BatchNorm makes of a value, before a residual and ReLU. Every kernel that needs it computes it here, so that a sign which is
    /// found again is the sign that was.
    #[inline(always)]
    fn normalized(self, x: T) -> T {
        (x - self.mean) * (self.gamma * self.inv_std) + self.beta
    }
}

/// Statistics and affine parameters as a kernel reads them.
#[derive(Clone, Copy)]
pub struct Norm<'a, T> {
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

impl<'a, T: Real> Norm<'a, T> {
    /// An op's, over the extent of its input; the affine parameters where it binds them.
    fn of(shape: Shape, (eval, eps): (bool, f32), lent: &Lent<'a, T>, step: &StepParams) -> Result<Self> {
        let (stats, affine) = (lent.read("stats")?, lent.read_some("affine")?);
        Ok(Self { shape, n_valid: step.n_valid as usize, stats, eval, eps: T::from_f32(eps), affine })
    }
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

/// [`BatchNormApply`] without a residual, as whoever loads an activation applies it.
#[derive(Clone, Copy)]
pub struct OnLoad<'a, T> {
    norm: Norm<'a, T>,
    relu: bool,
}

impl<'a, T: Real> OnLoad<'a, T> {
    /// What an op asks for, if it does, over its input's extent.
    pub fn of(op: Option<NormOnLoad>, shape: Shape, lent: &Lent<'a, T>, step: &StepParams) -> Result<Option<Self>> {
        let Some(NormOnLoad { eval, eps, relu, .. }) = op else { return Ok(None) };
        Ok(Some(Self { norm: Norm::of(shape, (eval, eps), lent, step)?, relu }))
    }
    /// Some whole runs of lanes of a channel, normalised; zero beyond the valid lanes.
    pub fn copy(&self, channel: usize, x: &[T], y: &mut [T]) {
        let constants = self.norm.channel(channel);
        pulp::Arch::new().dispatch(|| {
            if self.relu {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = floor(constants.normalized(x)));
            } else {
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = constants.normalized(x));
            }
        });
        clear_padding(self.norm.shape.n, self.norm.n_valid, y);
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

/// Independent accumulators of a sum: enough for two of the widest vectors.
const LANES: usize = 32;
/// Values that are added up in their own type before the sum goes on in float64.
const RUN: usize = 32 * LANES;

/// The lanes of a run's two sums, in float64.
fn flush<T: Real>(totals: &mut [f64; 2], sums: [[T; LANES]; 2]) {
    for (total, sums) in totals.iter_mut().zip(sums) {
        *total += sums.into_iter().map(T::to_f64).sum::<f64>();
    }
}

/// Sum and sum of squares of the distances from `pivot`, a value of the channel: so close to the mean that squares of float32 are safe.
#[inline(always)]
fn moments<T: Real>(x: &[T], pivot: T) -> [f64; 2] {
    let mut totals = [0.0; 2];
    for run in x.chunks(RUN) {
        let mut sums = [[T::ZERO; LANES]; 2];
        let (blocks, rest) = run.as_chunks::<LANES>();
        for block in blocks {
            for lane in 0..LANES {
                let distance = block[lane] - pivot;
                sums[0][lane] += distance;
                sums[1][lane] += distance * distance;
            }
        }
        for (lane, &value) in rest.iter().enumerate() {
            let distance = value - pivot;
            sums[0][lane] += distance;
            sums[1][lane] += distance * distance;
        }
        flush(&mut totals, sums);
    }
    if totals[1].is_finite() { totals } else { moments_of_huge(x, pivot) }
}

/// The same of values whose squares overflow in their own type.
#[cold]
fn moments_of_huge<T: Real>(x: &[T], pivot: T) -> [f64; 2] {
    x.iter().map(|value| value.to_f64() - pivot.to_f64()).fold([0.0; 2], |[sum, squares], d| [sum + d, squares + d * d])
}

/// [`moments`] of each piece's valid lanes, about its channel's first value.
fn batchnorm_stats<T: Real>(shape: Shape, n_valid: usize, x: &[T]) -> Vec<[f64; 2]> {
    let pieces = Pieces::new(shape);
    parallel::map(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let (piece, pivot) = (&x[start..start + len], pivot(shape, x, c));
        pulp::Arch::new().dispatch(|| {
            if n_valid >= shape.n {
                return moments(piece, pivot);
            }
            piece.chunks_exact(shape.n).fold([0.0; 2], |[sum, squares], run| {
                let [s, q] = moments(&run[..n_valid], pivot);
                [sum + s, squares + q]
            })
        })
    })
}

/// A value of the channel, of a lane that is always valid.
fn pivot<T: Real>(shape: Shape, x: &[T], c: usize) -> T {
    x[c * shape.plane()]
}

/// Batch statistics into `saved`, and a step of the running ones.
fn batchnorm_finish<T: Real>(op: &BatchNormStats, n_valid: usize, (x, partials): (&[T], &[[f64; 2]]), saved: &mut [T], running: &mut [T]) {
    let (shape, momentum, eps) = (op.shape, T::from_f32(op.momentum), T::from_f32(op.eps));
    let count = (shape.h * shape.w * n_valid.min(shape.n)).max(1) as f64;
    for (c, [sum, squares]) in sum_partials(Pieces::new(shape), partials).into_iter().enumerate() {
        let distance = sum / count;
        let mean = pivot(shape, x, c).to_f64() + distance;
        // Rounding may take a variance of zero below zero; a NaN stays one.
        let variance = squares / count - distance * distance;
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
        let x = &x[start..start + len];
        // SAFETY: pieces are disjoint.
        let y = unsafe { y.part(start, len) };
        let Some(residual) = residual else { return OnLoad { norm, relu }.copy(c, x, y) };
        let (constants, residual) = (norm.channel(c), &residual[start..start + len]);
        pulp::Arch::new().dispatch(|| {
            for ((y, &x), &r) in y.iter_mut().zip(x).zip(residual) {
                let pre = constants.normalized(x) + r;
                *y = if relu { floor(pre) } else { pre };
            }
        });
        clear_padding(shape.n, norm.n_valid, y);
    });
}

/// Where the ReLU that followed let through.
#[derive(Clone, Copy)]
enum Passed<'a, T> {
    Everywhere,
    Output(&'a [T]),
    Again,
}

impl<'a, T: Real> Passed<'a, T> {
    fn of(gate: Gate, lent: &Lent<'a, T>) -> Result<Self> {
        Ok(match gate {
            Gate::Open => Self::Everywhere,
            Gate::Output(_) => Self::Output(lent.read("y")?),
            Gate::Again => Self::Again,
        })
    }
    fn part(self, start: usize, len: usize) -> Self {
        match self {
            Self::Output(y) => Self::Output(&y[start..start + len]),
            other => other,
        }
    }
}

/// The gradient before ReLU.
#[inline(always)]
fn before_relu<T: Real>(y: T, dy: T) -> T {
    if y <= T::ZERO { T::ZERO } else { dy }
}

/// `[sum dpre * (x - mean), sum dpre]`, where `dpre(y, x, dy)` is the gradient before ReLU.
#[inline(always)]
fn gradient_sums<T: Real>(dy: &[T], y: &[T], x: &[T], mean: T, dpre: impl Fn(T, T, T) -> T) -> [f64; 2] {
    let mut totals = [0.0; 2];
    for ((dy, y), x) in dy.chunks(RUN).zip(y.chunks(RUN)).zip(x.chunks(RUN)) {
        let mut sums = [[T::ZERO; LANES]; 2];
        let ((dy, dy_rest), (y, y_rest), (x, x_rest)) = (dy.as_chunks::<LANES>(), y.as_chunks::<LANES>(), x.as_chunks::<LANES>());
        for ((dy, y), x) in dy.iter().zip(y).zip(x) {
            for lane in 0..LANES {
                let dpre = dpre(y[lane], x[lane], dy[lane]);
                sums[0][lane] += dpre * (x[lane] - mean);
                sums[1][lane] += dpre;
            }
        }
        for (lane, ((&dy, &y), &x)) in dy_rest.iter().zip(y_rest).zip(x_rest).enumerate() {
            let dpre = dpre(y, x, dy);
            sums[0][lane] += dpre * (x - mean);
            sums[1][lane] += dpre;
        }
        flush(&mut totals, sums);
    }
    totals
}

/// `[sum dpre * (x - mean), sum dpre]` of each piece. Padded lanes of `dy` are zero and so add nothing.
fn batchnorm_reduce_grad<T: Real>(norm: Norm<'_, T>, dy: &[T], passed: Passed<'_, T>, x: &[T]) -> Vec<[f64; 2]> {
    let pieces = Pieces::new(norm.shape);
    parallel::map(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let constants = norm.channel(c);
        let mean = constants.mean;
        let (dy, x) = (&dy[start..][..len], &x[start..][..len]);
        // Where no output is needed any slice of its length will do.
        pulp::Arch::new().dispatch(|| match passed.part(start, len) {
            Passed::Everywhere => gradient_sums(dy, dy, x, mean, |_, _, dy| dy),
            Passed::Output(y) => gradient_sums(dy, y, x, mean, |y, _, dy| before_relu(y, dy)),
            Passed::Again => gradient_sums(dy, x, x, mean, |_, x, dy| before_relu(constants.normalized(x), dy)),
        })
    })
}

/// Operands of [`batchnorm_input_grad`].
struct InputGrad<'a, T> {
    /// Statistics and affine parameters.
    norm: Norm<'a, T>,
    /// Gradient of `y`; `None` where it stands in `dx`.
    dy: Option<&'a [T]>,
    /// The ReLU that followed.
    passed: Passed<'a, T>,
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
    let InputGrad { norm, dy, passed, x, daffine, dx, accumulate, dresidual } = args;
    let shape = norm.shape;
    let count = T::from_f64(norm.count().max(1) as f64);
    let pieces = Pieces::new(shape);
    let dx = Shared::new(dx);
    let dresidual = dresidual.map(|(d, accumulate)| (Shared::new(d), accumulate));
    parallel_for(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let constants = norm.channel(c);
        let Channel { mean, inv_std, gamma, .. } = constants;
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
        let (x, passed) = (&x[start..][..len], passed.part(start, len));
        let dy = dy.map(|dy| &dy[start..][..len]);
        pulp::Arch::new().dispatch(|| {
            let mut block = [T::ZERO; BLOCK];
            let mut from = 0;
            while from < len {
                let size = BLOCK.min(len - from);
                let dpre = &mut block[..size];
                let source = dy.map_or(&dx[from..from + size], |dy| &dy[from..from + size]);
                match passed {
                    Passed::Everywhere => dpre.copy_from_slice(source),
                    Passed::Output(y) => {
                        for ((dpre, &dy), &y) in dpre.iter_mut().zip(source).zip(&y[from..from + size]) {
                            *dpre = before_relu(y, dy);
                        }
                    }
                    Passed::Again => {
                        for ((dpre, &dy), &x) in dpre.iter_mut().zip(source).zip(&x[from..from + size]) {
                            *dpre = before_relu(constants.normalized(x), dy);
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
        let (x, n_valid) = (lent.read("x")?, step.n_valid as usize);
        let partials = batchnorm_stats(self.shape, n_valid, x);
        batchnorm_finish(self, n_valid, (x, &partials), lent.write("saved")?, lent.write("running")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for BatchNormApply {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let norm = Norm::of(self.shape, (self.eval, self.eps), lent, step)?;
        batchnorm_apply(norm, lent.read("x")?, lent.read_some("residual")?, self.relu, lent.write("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for BatchNormReduceGrad {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let norm = Norm::of(self.shape, (self.eval, self.eps), lent, step)?;
        let partials = batchnorm_reduce_grad(norm, lent.read("dy")?, Passed::of(self.gate, lent)?, lent.read("x")?);
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
        let norm = Norm::of(self.shape, (self.eval, self.eps), lent, step)?;
        let accumulate_residual = self.dresidual.is_some_and(|(_, accumulate)| accumulate);
        batchnorm_input_grad(InputGrad {
            norm,
            dy: lent.read_some("dy")?,
            passed: Passed::of(self.gate, lent)?,
            x: lent.read("x")?,
            daffine: lent.read_some("daffine")?,
            dx: lent.write("dx")?,
            accumulate: self.accumulate,
            dresidual: lent.write_some("dresidual")?.map(|d| (d, accumulate_residual)),
        });
        Ok(())
    }
}
