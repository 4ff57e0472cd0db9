//! The twins of `ops::attack`: plain passes over pixels, split over threads by pixel.

use super::lent::Lent;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{LaneNorm, ProjectL2, Shape, StepL2, StepLinf, StepParams};
use crate::platform::parallel;

/// Pixels (rows of lanes) of one task.
const ROWS: usize = 64;

fn clip<T: Real>(value: T, low: T, high: T) -> T {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

/// Applies `f(x, other values at the same place, lane)` to every element.
fn each<T: Real>(shape: Shape, x: &mut [T], f: impl Fn(usize, usize, T) -> T + Sync + Send) {
    let n = shape.n.max(1);
    parallel::chunks_mut(&mut x[..shape.len()], ROWS * n, |chunk, x| {
        for (i, x) in x.iter_mut().enumerate() {
            *x = f(chunk * ROWS * n + i, i % n, *x);
        }
    });
}

/// `norms[n] = ||x - minus||`, added up pixel after pixel in float64.
fn lane_norm<T: Real>(shape: Shape, x: &[T], minus: Option<&[T]>, norms: &mut [T]) {
    let n = shape.n.max(1);
    let mut sums = vec![0.0f64; n];
    for (row, x) in x[..shape.len()].chunks_exact(n).enumerate() {
        for (lane, (sum, x)) in sums.iter_mut().zip(x).enumerate() {
            let d = minus.map_or(*x, |m| *x - m[row * n + lane]).to_f64();
            *sum += d * d;
        }
    }
    norms.iter_mut().zip(sums).for_each(|(norm, sum)| *norm = T::from_f64(libm::sqrt(sum)));
}

/// See [`StepLinf`].
fn step_linf<T: Real>(op: &StepLinf, x: &mut [T], clean: &[T], grad: &[T]) {
    let (step, eps) = (T::from_f32(op.step), T::from_f32(op.eps));
    each(op.shape, x, |i, _, x| {
        let (g, clean) = (grad[i], clean[i]);
        let sign = if g > T::ZERO {
            T::ONE
        } else if g < T::ZERO {
            -T::ONE
        } else {
            T::ZERO
        };
        clip(clean + clip(x + step * sign - clean, -eps, eps), T::ZERO, T::ONE)
    });
}

/// See [`StepL2`].
fn step_l2<T: Real>(op: &StepL2, x: &mut [T], grad: &[T], norms: &[T]) {
    let (step, least) = (T::from_f32(op.step), T::from_f32(1e-12));
    each(op.shape, x, |i, lane, x| {
        let norm = if norms[lane] > least { norms[lane] } else { least };
        clip(x + step * (grad[i] / norm), T::ZERO, T::ONE)
    });
}

/// See [`ProjectL2`].
fn project_l2<T: Real>(op: &ProjectL2, x: &mut [T], clean: &[T], norms: &[T]) {
    let eps = T::from_f32(op.eps);
    each(op.shape, x, |i, lane, x| {
        let scale = if norms[lane] > eps { eps / norms[lane] } else { T::ONE };
        clip(clean[i] + (x - clean[i]) * scale, T::ZERO, T::ONE)
    });
}

impl<T: Real> Run<T> for LaneNorm {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        lane_norm(self.shape, lent.read("x")?, lent.read_some("minus")?, lent.write("norms")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for StepLinf {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        step_linf(self, lent.write("x")?, lent.read("clean")?, lent.read("grad")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for StepL2 {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        step_l2(self, lent.write("x")?, lent.read("grad")?, lent.read("norms")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for ProjectL2 {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        project_l2(self, lent.write("x")?, lent.read("clean")?, lent.read("norms")?);
        Ok(())
    }
}
