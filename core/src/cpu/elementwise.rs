//! The twins of `ops::elementwise`: bound by memory traffic, so each is one pass split over threads.

use pulp::{Simd, WithSimd};

use super::activation::{Activation, ActivationMut, Room, blocks};
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

/// A chunk of `y += x`.
struct AddChunk<'a, T>(Activation<'a, T>, ActivationMut<'a, T>);

impl<T: Real> WithSimd for AddChunk<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (Self(x, mut y), mut rooms) = (self, [Room::new(), Room::new()]);
        let [for_x, for_y] = &mut rooms;
        for (start, len) in blocks(x.len()) {
            let (x, y) = (x.block(start, len, for_x), y.update(start, len, for_y));
            for (y, &x) in y.floats.iter_mut().zip(x) {
                *y += x;
            }
        }
    }
}

/// `y += x`.
fn add<T: Real>(x: Activation<'_, T>, y: ActivationMut<'_, T>) {
    y.chunks(CHUNK, |i, y| pulp::Arch::new().dispatch(AddChunk(x.part(i * CHUNK, y.len()), y)));
}

/// A chunk of `y = max(x, 0)`; in place without `x`.
struct ReluChunk<'a, T>(Option<Activation<'a, T>>, ActivationMut<'a, T>);

impl<T: Real> WithSimd for ReluChunk<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (Self(x, mut y), mut rooms) = (self, [Room::new(), Room::new()]);
        let [for_x, for_y] = &mut rooms;
        for (start, len) in blocks(y.len()) {
            match x {
                Some(x) => {
                    for (y, &x) in y.overwrite(start, len, for_y).floats.iter_mut().zip(x.block(start, len, for_x)) {
                        *y = if x < T::ZERO { T::ZERO } else { x };
                    }
                }
                None => {
                    for y in y.update(start, len, for_y).floats.iter_mut() {
                        *y = if *y < T::ZERO { T::ZERO } else { *y };
                    }
                }
            }
        }
    }
}

/// `y = max(x, 0)`, a NaN stays; in place without `x`.
fn relu<T: Real>(x: Option<Activation<'_, T>>, y: ActivationMut<'_, T>) {
    y.chunks(CHUNK, |i, y| pulp::Arch::new().dispatch(ReluChunk(x.map(|x| x.part(i * CHUNK, y.len())), y)));
}

/// A chunk of `dx (+)= y > 0 ? dy : 0`; in place without `dy`.
struct ReluGradChunk<'a, T> {
    dy: Option<Activation<'a, T>>,
    y: Activation<'a, T>,
    accumulate: bool,
    dx: ActivationMut<'a, T>,
}

impl<T: Real> WithSimd for ReluGradChunk<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { dy, y, accumulate, mut dx } = self;
        let mut rooms = [Room::new(), Room::new(), Room::new()];
        let [for_dy, for_y, for_dx] = &mut rooms;
        for (start, len) in blocks(y.len()) {
            let (dy, y) = (dy.map(|dy| dy.block(start, len, for_dy)), y.block(start, len, for_y));
            let dx = dx.update(start, len, for_dx);
            match dy {
                Some(dy) => {
                    for ((dx, &y), &dy) in dx.floats.iter_mut().zip(y).zip(dy) {
                        let (gated, before) = (if y > T::ZERO { dy } else { T::ZERO }, *dx);
                        *dx = if accumulate { before + gated } else { gated };
                    }
                }
                None => {
                    for (dx, &y) in dx.floats.iter_mut().zip(y) {
                        *dx = if y > T::ZERO { *dx } else { T::ZERO };
                    }
                }
            }
        }
    }
}

/// `dx (+)= y > 0 ? dy : 0`; in place without `dy`.
fn relu_grad<T: Real>(dy: Option<Activation<'_, T>>, y: Activation<'_, T>, accumulate: bool, dx: ActivationMut<'_, T>) {
    dx.chunks(CHUNK, |i, dx| {
        let (start, len) = (i * CHUNK, dx.len());
        let dy = dy.map(|dy| dy.part(start, len));
        pulp::Arch::new().dispatch(ReluGradChunk { dy, y: y.part(start, len), accumulate, dx });
    });
}

/// Subsample and pad with zero channels.
fn shortcut_a<T: Real>(op: &ShortcutA, x: Activation<'_, T>, y: ActivationMut<'_, T>) {
    let (input, output) = (op.input, op.output);
    let (n, pad) = (input.n, (output.c - input.c) / 2);
    y.first(output.len()).chunks(output.plane(), |c, y| {
        y.with_whole(false, |y| {
            let Some(source) = c.checked_sub(pad).filter(|&c| c < input.c) else { return y.fill(T::ZERO) };
            let x = x.part(source * input.plane(), input.plane());
            for (position, y) in y.chunks_mut(n).enumerate() {
                let (oy, ox) = (position / output.w, position % output.w);
                x.part((oy * input.w + ox) * op.stride * n, n).copy(y);
            }
        });
    });
}

/// Gradient of [`shortcut_a`].
fn shortcut_a_grad<T: Real>(op: &ShortcutAGrad, dy: Activation<'_, T>, dx: ActivationMut<'_, T>) {
    let (input, output) = (op.input, op.output);
    let (n, pad) = (input.n, (output.c - input.c) / 2);
    dx.first(input.len()).chunks(input.plane(), |c, dx| {
        let dy = dy.part((c + pad) * output.plane(), output.plane()).whole();
        dx.with_whole(op.accumulate, |dx| {
            if !op.accumulate {
                dx.fill(T::ZERO);
            }
            for (position, dy) in dy.chunks(n).enumerate() {
                let (oy, ox) = (position / output.w, position % output.w);
                let dx = &mut dx[(oy * input.w + ox) * op.stride * n..][..n];
                dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy);
            }
        });
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
        add(lent.activation("x")?, lent.activation_mut("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for Relu {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        relu(lent.activation_some("x")?, lent.activation_mut("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for ReluGrad {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        relu_grad(lent.activation_some("dy")?, lent.activation("y")?, self.accumulate, lent.activation_mut("dx")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for ShortcutA {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        shortcut_a(self, lent.activation("x")?, lent.activation_mut("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for ShortcutAGrad {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        shortcut_a_grad(self, lent.activation("dy")?, lent.activation_mut("dx")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for Fill {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        fill(T::from_f32(self.value), lent.write("buffer")?);
        Ok(())
    }
}
