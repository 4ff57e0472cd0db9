//! Squared gradient norms by sample. A run of lanes is held in registers over all pixels of a weight, then squared.

use super::activation::Activation;
use super::conv::index::{Entry, Index};
use super::conv::plain::positions;
use super::lent::Lent;
use super::{Real, Run, conv};
use crate::error::Result;
use crate::ops::{BatchNormSampleNorm, ConvSampleNorm, ConvShape, NORM_ROWS, Shape, StepParams};
use crate::platform::parallel;

/// Lanes that are summed at a time.
const LANES: usize = 16;

/// Operands of [`conv_sample_norm`].
struct ConvArgs<'a, T> {
    /// Geometry of the forward convolution.
    shape: ConvShape,
    /// Its input.
    x: &'a [T],
    /// Gradient of its output.
    dy: &'a [T],
    /// Which weights.
    index: Index<'a>,
    /// Whether the biases count too.
    bias: bool,
    /// `[NORM_ROWS][n]`.
    sums: &'a mut [T],
}

/// `sums[row] += the squared gradients of the row's weights`, lane by lane.
fn conv_sample_norm<T: Real>(args: ConvArgs<'_, T>) {
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

/// Operands of [`batchnorm_sample_norm`].
struct BatchNormArgs<'a, T> {
    /// Extent.
    shape: Shape,
    /// Gradient of the output.
    dy: &'a [T],
    /// The output, where ReLU followed.
    y: Option<&'a [T]>,
    /// The input.
    x: &'a [T],
    /// Running mean and variance.
    stats: &'a [T],
    /// Added to the variance.
    eps: T,
    /// `[NORM_ROWS][n]`.
    sums: &'a mut [T],
}

/// `sums[row] += the squared gradients of gamma and beta of the row's channels`, lane by lane.
fn batchnorm_sample_norm<T: Real>(args: BatchNormArgs<'_, T>) {
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

impl<T: Real> Run<T> for ConvSampleNorm {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        let index = match self.topology {
            None => Index::Dense,
            Some(_) => Index::Sparse(conv::rows(&self.shape, lent)?),
        };
        let (x, dy) = (lent.activation("x")?.whole(), lent.activation("dy")?.whole());
        conv_sample_norm(ConvArgs { shape: self.shape, x: &x, dy: &dy, index, bias: self.bias, sums: lent.write("sums")? });
        Ok(())
    }
}

impl<T: Real> Run<T> for BatchNormSampleNorm {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        let (dy, x, y) = (lent.activation("dy")?.whole(), lent.activation("x")?.whole(), lent.activation_some("y")?.map(Activation::whole));
        batchnorm_sample_norm(BatchNormArgs {
            shape: self.shape,
            dy: &dy,
            y: y.as_deref(),
            x: &x,
            stats: lent.read("stats")?,
            eps: T::from_f32(self.eps),
            sums: lent.write("sums")?,
        });
        Ok(())
    }
}
