//! Squared gradient norms by sample. A run of lanes is held in registers over all pixels of a weight, then squared.

use super::conv::{Entry, Index, positions};
use super::parallel;
use super::real::Real;
use crate::ops::{ConvShape, NORM_ROWS, Shape};

/// Lanes that are summed at a time.
const LANES: usize = 16;

/// Operands of [`conv`].
pub struct ConvArgs<'a, T> {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Its input.
    pub x: &'a [T],
    /// Gradient of its output.
    pub dy: &'a [T],
    /// Which weights.
    pub index: Index<'a>,
    /// Whether the biases count too.
    pub bias: bool,
    /// `[NORM_ROWS][n]`.
    pub sums: &'a mut [T],
}

/// `sums[row] += the squared gradients of the row's weights`, lane by lane.
pub fn conv<T: Real>(args: ConvArgs<'_, T>) {
    let ConvArgs { shape, x, dy, index, bias, sums } = args;
    let (n, plane_in, plane_out) = (shape.n, shape.input().plane(), shape.output().plane());
    let weights: Vec<(usize, Entry)> =
        (0..shape.c_out).flat_map(|co| index.row(&shape, co).into_iter().map(move |entry| (co, entry))).collect();
    let count = weights.len() + if bias { shape.c_out } else { 0 };
    let span = count.div_ceil(NORM_ROWS);
    parallel::chunks_mut(&mut sums[..NORM_ROWS * n], n, |row, sums| {
        for i in (row * span).min(count)..((row + 1) * span).min(count) {
            let weight = weights.get(i);
            let co = weight.map_or(i - weights.len().min(i), |(co, _)| *co);
            let dy = &dy[co * plane_out..][..plane_out];
            for (at, sums) in (0..n).step_by(LANES).zip(sums.chunks_mut(LANES)) {
                let mut gradient = [T::ZERO; LANES];
                match weight {
                    Some((_, entry)) => {
                        let x = &x[entry.channel * plane_in..][..plane_in];
                        positions(&shape, entry.ky, entry.kx, |o, i| {
                            let (dy, x) = (&dy[o + at..][..sums.len()], &x[i + at..][..sums.len()]);
                            for ((g, &dy), &x) in gradient.iter_mut().zip(dy).zip(x) {
                                *g += dy * x;
                            }
                        });
                    }
                    None => dy.chunks_exact(n).for_each(|dy| add(&mut gradient, &dy[at..][..sums.len()])),
                }
                add_squares(sums, &gradient);
            }
        }
    });
}

fn add<T: Real>(sums: &mut [T], values: &[T]) {
    sums.iter_mut().zip(values).for_each(|(sum, &v)| *sum += v);
}

fn add_squares<T: Real>(sums: &mut [T], values: &[T]) {
    sums.iter_mut().zip(values).for_each(|(sum, &v)| *sum += v * v);
}

/// Operands of [`batchnorm`].
pub struct BatchNormArgs<'a, T> {
    /// Extent.
    pub shape: Shape,
    /// Gradient of the output.
    pub dy: &'a [T],
    /// The output, where ReLU followed.
    pub y: Option<&'a [T]>,
    /// The input.
    pub x: &'a [T],
    /// Running mean and variance.
    pub stats: &'a [T],
    /// Added to the variance.
    pub eps: T,
    /// `[NORM_ROWS][n]`.
    pub sums: &'a mut [T],
}

/// `sums[row] += the squared gradients of gamma and beta of the row's channels`, lane by lane.
pub fn batchnorm<T: Real>(args: BatchNormArgs<'_, T>) {
    let BatchNormArgs { shape, dy, y, x, stats, eps, sums } = args;
    let (n, plane, span) = (shape.n, shape.plane(), shape.c.div_ceil(NORM_ROWS));
    parallel::chunks_mut(&mut sums[..NORM_ROWS * n], n, |row, sums| {
        let (mut gamma, mut beta) = (vec![T::ZERO; n], vec![T::ZERO; n]);
        for c in (row * span).min(shape.c)..((row + 1) * span).min(shape.c) {
            let (mean, inv_std) = (stats[c], T::ONE / (stats[shape.c + c] + eps).sqrt());
            gamma.fill(T::ZERO);
            beta.fill(T::ZERO);
            for start in (c * plane..(c + 1) * plane).step_by(n) {
                for lane in 0..n {
                    let dead = y.is_some_and(|y| y[start + lane] <= T::ZERO);
                    let d = if dead { T::ZERO } else { dy[start + lane] };
                    gamma[lane] += d * ((x[start + lane] - mean) * inv_std);
                    beta[lane] += d;
                }
            }
            add_squares(sums, &gamma);
            add_squares(sums, &beta);
        }
    });
}
