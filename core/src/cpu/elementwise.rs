//! The twins of `ops::elementwise`: bound by memory traffic, so each is one pass split over threads.

use super::lent::Lent;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{Add, Augment, Fill, Normalize, Relu, ReluGrad, Shape, ShortcutA, ShortcutAGrad, StepParams};
use crate::platform::parallel::{self, CHUNK};

/// Decodes and augments a batch of bytes; see [`Augment`]. Coordinates are computed in f32 on every device.
fn augment<T: Real>(op: &Augment, n_valid: usize, bytes: &[u32], augmentation: &[T], out: &mut [T]) {
    let Shape { c: channels, h, w, n } = op.shape;
    let (half_w, half_h) = ((w as f32 - 1.0) / 2.0, (h as f32 - 1.0) / 2.0);
    let levels: Vec<T> = (0..256).map(|b| T::from_f64(f64::from(b)) / T::from_f64(255.0)).collect();
    parallel::chunks_mut(&mut out[..op.shape.len()], w * n, |row, out| {
        let (c, y) = (row / h, row % h);
        let v = y as f32 - half_h;
        for (i, out) in out.iter_mut().enumerate() {
            let (x, lane) = (i / n, i % n);
            *out = T::ZERO;
            if lane >= n_valid {
                continue;
            }
            let p = &augmentation[lane * 8..lane * 8 + 5];
            let (cos, sin) = (p[3].to_f32(), p[4].to_f32());
            let u = x as f32 - half_w;
            let sx = (cos * u + sin * v + half_w).round_ties_even() as i64;
            let sy = (-sin * u + cos * v + half_h).round_ties_even() as i64;
            if sx < 0 || sy < 0 || sx >= w as i64 || sy >= h as i64 {
                continue;
            }
            let sx = if p[2] != T::ZERO { w as i64 - 1 - sx } else { sx };
            let (sx, sy) = (sx.saturating_add(p[0].to_f32() as i64), sy.saturating_add(p[1].to_f32() as i64));
            if sx < 0 || sy < 0 || sx >= w as i64 || sy >= h as i64 {
                continue;
            }
            let at = ((lane * channels + c) * h + sy as usize) * w + sx as usize;
            *out = levels[(bytes[at / 4] >> (8 * (at % 4)) & 255) as usize];
        }
    });
}

/// `y = (x - mean) * inv_std` on the valid lanes; in place without `x`.
fn normalize<T: Real>(op: &Normalize, n_valid: usize, x: Option<&[T]>, y: &mut [T]) {
    let (n, plane) = (op.shape.n, op.shape.plane());
    parallel::chunks_mut(&mut y[..op.shape.len()], plane, |c, y| {
        let (mean, scale) = (T::from_f32(op.mean[c]), T::from_f32(op.inv_std[c]));
        if let Some(x) = x {
            y.copy_from_slice(&x[c * plane..][..plane]);
        }
        for run in y.chunks_mut(n) {
            let (valid, padding) = run.split_at_mut(n_valid.min(n));
            for y in valid {
                *y = (*y - mean) * scale;
            }
            padding.fill(T::ZERO);
        }
    });
}

/// `y += x`.
fn add<T: Real>(x: &[T], y: &mut [T]) {
    parallel::chunks_mut(y, CHUNK, |i, y| y.iter_mut().zip(&x[i * CHUNK..]).for_each(|(y, &x)| *y += x));
}

/// `y = max(x, 0)`, a NaN stays; in place without `x`.
fn relu<T: Real>(x: Option<&[T]>, y: &mut [T]) {
    let floor = |value: T| if value < T::ZERO { T::ZERO } else { value };
    parallel::chunks_mut(y, CHUNK, |i, y| match x {
        Some(x) => y.iter_mut().zip(&x[i * CHUNK..]).for_each(|(y, &x)| *y = floor(x)),
        None => y.iter_mut().for_each(|y| *y = floor(*y)),
    });
}

/// `dx (+)= y > 0 ? dy : 0`; in place without `dy`.
fn relu_grad<T: Real>(dy: Option<&[T]>, y: &[T], accumulate: bool, dx: &mut [T]) {
    let gate = |y: T, dy: T| if y > T::ZERO { dy } else { T::ZERO };
    parallel::chunks_mut(dx, CHUNK, |i, dx| {
        let y = &y[i * CHUNK..];
        match dy {
            Some(dy) if accumulate => {
                dx.iter_mut().zip(y).zip(&dy[i * CHUNK..]).for_each(|((dx, &y), &dy)| *dx += gate(y, dy));
            }
            Some(dy) => dx.iter_mut().zip(y).zip(&dy[i * CHUNK..]).for_each(|((dx, &y), &dy)| *dx = gate(y, dy)),
            None => dx.iter_mut().zip(y).for_each(|(dx, &y)| *dx = gate(y, *dx)),
        }
    });
}

/// Subsample and pad with zero channels.
fn shortcut_a<T: Real>(op: &ShortcutA, x: &[T], y: &mut [T]) {
    let (input, output) = (op.input, op.output);
    let (n, pad) = (input.n, (output.c - input.c) / 2);
    parallel::chunks_mut(&mut y[..output.len()], output.plane(), |c, y| {
        let Some(source) = c.checked_sub(pad).filter(|&c| c < input.c) else { return y.fill(T::ZERO) };
        let x = &x[source * input.plane()..][..input.plane()];
        for (position, y) in y.chunks_mut(n).enumerate() {
            let (oy, ox) = (position / output.w, position % output.w);
            y.copy_from_slice(&x[(oy * input.w + ox) * op.stride * n..][..n]);
        }
    });
}

/// Gradient of [`shortcut_a`].
fn shortcut_a_grad<T: Real>(op: &ShortcutAGrad, dy: &[T], dx: &mut [T]) {
    let (input, output) = (op.input, op.output);
    let (n, pad) = (input.n, (output.c - input.c) / 2);
    parallel::chunks_mut(&mut dx[..input.len()], input.plane(), |c, dx| {
        if !op.accumulate {
            dx.fill(T::ZERO);
        }
        let dy = &dy[(c + pad) * output.plane()..][..output.plane()];
        for (position, dy) in dy.chunks(n).enumerate() {
            let (oy, ox) = (position / output.w, position % output.w);
            let dx = &mut dx[(oy * input.w + ox) * op.stride * n..][..n];
            dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy);
        }
    });
}

/// Sets every float.
fn fill<T: Real>(value: T, buffer: &mut [T]) {
    parallel::chunks_mut(buffer, CHUNK, |_, part| part.fill(value));
}

impl<T: Real> Run<T> for Augment {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        augment(self, step.n_valid as usize, lent.index("bytes")?, lent.read("augmentation")?, lent.write("out")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for Normalize {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        normalize(self, step.n_valid as usize, lent.read_some("x")?, lent.write("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for Add {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        add(lent.read("x")?, lent.write("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for Relu {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        relu(lent.read_some("x")?, lent.write("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for ReluGrad {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        relu_grad(lent.read_some("dy")?, lent.read("y")?, self.accumulate, lent.write("dx")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for ShortcutA {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        shortcut_a(self, lent.read("x")?, lent.write("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for ShortcutAGrad {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        shortcut_a_grad(self, lent.read("dy")?, lent.write("dx")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for Fill {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        fill(T::from_f32(self.value), lent.write("buffer")?);
        Ok(())
    }
}
