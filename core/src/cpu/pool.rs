//! The twins of `ops::pool`. A channel is one task; inner loops run over the lanes of a position.

use super::activation::{Activation, ActivationMut};
use super::lent::Lent;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{AvgPool, AvgPoolGrad, MaxPool, MaxPoolGrad, PoolShape, Shape, StepParams};

/// Starts of the runs of lanes in one window that lie inside the input, in row-major order.
fn window(shape: &PoolShape, oy: usize, ox: usize) -> impl Iterator<Item = usize> + '_ {
    let inside = |o: usize, k: usize, extent: usize| (o * shape.stride + k).checked_sub(shape.pad).filter(|&i| i < extent);
    (0..shape.kh).filter_map(move |ky| inside(oy, ky, shape.input.h)).flat_map(move |iy| {
        (0..shape.kw).filter_map(move |kx| inside(ox, kx, shape.input.w)).map(move |ix| (iy * shape.input.w + ix) * shape.input.n)
    })
}

/// Calls `run(out_start, oy, ox)` for every output position of a channel.
fn outputs(shape: &PoolShape, mut run: impl FnMut(usize, usize, usize)) {
    for oy in 0..shape.output.h {
        for ox in 0..shape.output.w {
            run((oy * shape.output.w + ox) * shape.output.n, oy, ox);
        }
    }
}

/// Lets `task` write the channels of an activation, which hold what stands there only where `task` `reads` it.
fn each_channel<T: Real>(of: ActivationMut<'_, T>, extent: Shape, reads: bool, task: impl Fn(usize, &mut [T]) + Sync + Send) {
    of.first(extent.len()).chunks(extent.plane(), |c, channel| channel.with_whole(reads, |channel| task(c, channel)));
}

/// Whether `value` takes the place of `best`: larger, or the first NaN (as PyTorch, a NaN wins).
fn wins<T: Real>(value: T, best: T) -> bool {
    let nan = |v: T| v.partial_cmp(&v).is_none();
    value > best || (nan(value) && !nan(best))
}

/// `y = max over the window`; 0 where a window lies wholly in the padding.
fn max_pool<T: Real>(shape: &PoolShape, x: Activation<'_, T>, y: ActivationMut<'_, T>) {
    let (n, plane_in) = (shape.input.n, shape.input.plane());
    each_channel(y, shape.output, false, |c, y| {
        let x = &*x.part(c * plane_in, plane_in).whole();
        outputs(shape, |o, oy, ox| {
            let y = &mut y[o..o + n];
            let mut taps = window(shape, oy, ox);
            match taps.next() {
                Some(i) => y.copy_from_slice(&x[i..i + n]),
                None => y.fill(T::ZERO),
            }
            for i in taps {
                for (y, &x) in y.iter_mut().zip(&x[i..i + n]) {
                    if wins(x, *y) {
                        *y = x;
                    }
                }
            }
        });
    });
}

/// The gradient goes to the first maximum of each window.
fn max_pool_grad<T: Real>(shape: &PoolShape, x: Activation<'_, T>, dy: Activation<'_, T>, accumulate: bool, dx: ActivationMut<'_, T>) {
    let (n, plane_in, plane_out) = (shape.input.n, shape.input.plane(), shape.output.plane());
    each_channel(dx, shape.input, accumulate, |c, dx| {
        if !accumulate {
            dx.fill(T::ZERO);
        }
        let (x, dy) = (&*x.part(c * plane_in, plane_in).whole(), &*dy.part(c * plane_out, plane_out).whole());
        let mut best = vec![T::ZERO; n];
        let mut place = vec![0; n];
        outputs(shape, |o, oy, ox| {
            let mut taps = window(shape, oy, ox);
            let Some(first) = taps.next() else { return };
            best.copy_from_slice(&x[first..first + n]);
            place.fill(first);
            for i in taps {
                for ((best, place), &x) in best.iter_mut().zip(&mut place).zip(&x[i..i + n]) {
                    if wins(x, *best) {
                        (*best, *place) = (x, i);
                    }
                }
            }
            for (lane, (&place, &dy)) in place.iter().zip(&dy[o..o + n]).enumerate() {
                dx[place + lane] += dy;
            }
        });
    });
}

/// `y = mean over the window`, padding included.
fn avg_pool<T: Real>(shape: &PoolShape, x: Activation<'_, T>, y: ActivationMut<'_, T>) {
    let (n, plane_in) = (shape.input.n, shape.input.plane());
    let weight = T::ONE / T::from_f64((shape.kh * shape.kw) as f64);
    each_channel(y, shape.output, false, |c, y| {
        let x = &*x.part(c * plane_in, plane_in).whole();
        outputs(shape, |o, oy, ox| {
            let y = &mut y[o..o + n];
            y.fill(T::ZERO);
            for i in window(shape, oy, ox) {
                for (y, &x) in y.iter_mut().zip(&x[i..i + n]) {
                    *y += x;
                }
            }
            for y in y {
                *y *= weight;
            }
        });
    });
}

/// Gradient of [`avg_pool`].
fn avg_pool_grad<T: Real>(shape: &PoolShape, dy: Activation<'_, T>, accumulate: bool, dx: ActivationMut<'_, T>) {
    let (n, plane_out) = (shape.input.n, shape.output.plane());
    let weight = T::ONE / T::from_f64((shape.kh * shape.kw) as f64);
    each_channel(dx, shape.input, accumulate, |c, dx| {
        if !accumulate {
            dx.fill(T::ZERO);
        }
        let dy = &*dy.part(c * plane_out, plane_out).whole();
        outputs(shape, |o, oy, ox| {
            for i in window(shape, oy, ox) {
                for (dx, &dy) in dx[i..i + n].iter_mut().zip(&dy[o..o + n]) {
                    *dx += weight * dy;
                }
            }
        });
    });
}

impl<T: Real> Run<T> for MaxPool {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        max_pool(&self.shape, lent.activation("x")?, lent.activation_mut("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for MaxPoolGrad {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        max_pool_grad(&self.shape, lent.activation("x")?, lent.activation("dy")?, self.accumulate, lent.activation_mut("dx")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for AvgPool {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        avg_pool(&self.shape, lent.activation("x")?, lent.activation_mut("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for AvgPoolGrad {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        avg_pool_grad(&self.shape, lent.activation("dy")?, self.accumulate, lent.activation_mut("dx")?);
        Ok(())
    }
}
