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

/// Calls `run(start, len)` for the valid part of each run of lanes in a piece and `pad(start, len)` for the rest.
#[inline(always)]
fn valid_runs(n: usize, n_valid: usize, len: usize, mut run: impl FnMut(usize, usize), mut pad: impl FnMut(usize, usize)) {
    if n_valid >= n {
        return run(0, len);
    }
    for start in (0..len).step_by(n.max(1)) {
        run(start, n_valid);
        pad(start + n_valid, n - n_valid);
    }
}

/// Sums of two per-element terms over each piece, then over each channel.
fn channel_sums(shape: Shape, piece: impl Fn(usize, usize, usize) -> [f64; 2] + Sync + Send) -> Vec<[f64; 2]> {
    let pieces = Pieces::new(shape);
    let parts = parallel::map(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        pulp::Arch::new().dispatch(|| piece(c, start, len))
    });
    let add = |[a, b]: [f64; 2], [c, d]: &[f64; 2]| [a + c, b + d];
    parts.chunks(pieces.per_channel().max(1)).map(|parts| parts.iter().fold([0.0; 2], add)).collect()
}

/// Accumulators of [`pair_sums`]: enough independent lanes for any vector width.
const LANES: usize = 16;

/// `[sum a, sum b]` where `term(i)` gives the i-th `(a, b)`.
#[inline(always)]
fn pair_sums<T: Real>(len: usize, term: impl Fn(usize) -> (T, T)) -> [f64; 2] {
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    for block in 0..len / LANES {
        for lane in 0..LANES {
            let (a, b) = term(block * LANES + lane);
            first[lane] += a.to_f64();
            second[lane] += b.to_f64();
        }
    }
    let mut sums = [first.iter().sum::<f64>(), second.iter().sum::<f64>()];
    for i in len / LANES * LANES..len {
        let (a, b) = term(i);
        sums[0] += a.to_f64();
        sums[1] += b.to_f64();
    }
    sums
}

/// Batch statistics into `saved`, and a step of the running ones. Padded lanes of `x` are zero and so add nothing.
pub fn stats<T: Real>(shape: Shape, n_valid: usize, x: &[T], saved: &mut [T], running: &mut [T], momentum: T, eps: T) {
    let sums = channel_sums(shape, |_, start, len| {
        let x = &x[start..start + len];
        let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
        let (blocks, rest) = x.as_chunks::<LANES>();
        for block in blocks {
            for lane in 0..LANES {
                let value = block[lane].to_f64();
                first[lane] += value;
                second[lane] += value * value;
            }
        }
        let square = |value: &T| value.to_f64() * value.to_f64();
        [
            first.iter().sum::<f64>() + rest.iter().map(|value| value.to_f64()).sum::<f64>(),
            second.iter().sum::<f64>() + rest.iter().map(square).sum::<f64>(),
        ]
    });
    let count = (shape.h * shape.w * n_valid.min(shape.n)).max(1) as f64;
    for (c, [sum, squares]) in sums.into_iter().enumerate() {
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

/// `y = relu(gamma * xhat + beta + residual)`, zero beyond the valid lanes.
pub fn apply<T: Real>(norm: Norm<'_, T>, x: &[T], residual: Option<&[T]>, relu: bool, y: &mut [T]) {
    let Norm { shape, n_valid, .. } = norm;
    let pieces = Pieces::new(shape);
    let y = Shared::new(y);
    parallel_for(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let Channel { mean, inv_std, gamma, beta } = norm.channel(c);
        let scale = gamma * inv_std;
        let (x, residual) = (&x[start..start + len], residual.map(|r| &r[start..start + len]));
        // SAFETY: pieces are disjoint.
        let y = unsafe { y.part(start, len) };
        let floor = |value: T| if relu && value < T::ZERO { T::ZERO } else { value };
        pulp::Arch::new().dispatch(|| {
            let y = std::cell::RefCell::new(y);
            valid_runs(
                shape.n,
                n_valid,
                len,
                |start, len| {
                    let (y, x) = (&mut y.borrow_mut()[start..start + len], &x[start..start + len]);
                    match residual {
                        None => {
                            for (y, &x) in y.iter_mut().zip(x) {
                                *y = floor((x - mean) * scale + beta);
                            }
                        }
                        Some(residual) => {
                            for ((y, &x), &r) in y.iter_mut().zip(x).zip(&residual[start..start + len]) {
                                *y = floor((x - mean) * scale + beta + r);
                            }
                        }
                    }
                },
                |start, len| y.borrow_mut()[start..start + len].fill(T::ZERO),
            );
        });
    });
}

/// The gradient before ReLU.
#[inline(always)]
fn before_relu<T: Real>(y: T, dy: T) -> T {
    if y <= T::ZERO { T::ZERO } else { dy }
}

/// `daffine = [sum dpre * xhat, sum dpre]`. Padded lanes of `dy` are zero and so add nothing.
///
/// `y` is the forward output where ReLU followed.
pub fn reduce_grad<T: Real>(norm: Norm<'_, T>, dy: &[T], y: Option<&[T]>, x: &[T], daffine: &mut [T]) {
    let shape = norm.shape;
    let sums = channel_sums(shape, |c, start, len| {
        let Channel { mean, .. } = norm.channel(c);
        let (dy, x) = (&dy[start..][..len], &x[start..][..len]);
        match y.map(|y| &y[start..][..len]) {
            None => pair_sums(len, |i| (dy[i] * (x[i] - mean), dy[i])),
            Some(y) => pair_sums(len, |i| {
                let dpre = before_relu(y[i], dy[i]);
                (dpre * (x[i] - mean), dpre)
            }),
        }
    });
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
    /// Gradient of the residual, and whether to add to it.
    pub dresidual: Option<(&'a mut [T], bool)>,
}

/// Gradient of the input and of the residual.
pub fn input_grad<T: Real>(args: InputGrad<'_, T>) {
    let InputGrad { norm, dy, y, x, daffine, dx, dresidual } = args;
    let Norm { shape, n_valid, .. } = norm;
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
                for ((dx, &dpre), &x) in dx[from..from + size].iter_mut().zip(&*dpre).zip(&x[from..from + size]) {
                    *dx = scale * dpre - shift - slope * (x - mean);
                }
                from += size;
            }
            if n_valid < shape.n {
                for run in dx.chunks_mut(shape.n) {
                    run[n_valid..].fill(T::ZERO);
                }
            }
        });
    });
}

/// Floats of `dpre` held at a time: `dx` may be `dy`, and every reader of `dpre` must see it before `dx` is written.
const BLOCK: usize = 256;
