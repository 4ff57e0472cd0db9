//! The twins of `ops::optim`: element by element, in the order of operations that PyTorch uses.

use super::lent::Lent;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{AdamUpdate, SgdUpdate, StepParams};
use crate::platform::parallel::{self, CHUNK, Shared};
use crate::platform::parallel_for;

/// SGD with momentum, Nesterov or not. `reset` masks the momentum too.
fn sgd_update<T: Real>(step: &StepParams, values: &mut [T], grad: &[T], momentum: &mut [T], mask: Option<&[T]>, reset: bool) {
    let (lr, decay, keep) = (T::from_f32(step.lr), T::from_f32(step.weight_decay), T::from_f32(step.momentum));
    let nesterov = step.nesterov != 0;
    let momentum = Shared::new(momentum);
    parallel::chunks_mut(values, CHUNK, |i, values| {
        let (start, len) = (i * CHUNK, values.len());
        // SAFETY: the parts follow the chunks, which are disjoint.
        let momentum = unsafe { momentum.part(start, len) };
        for ((v, m), &g) in values.iter_mut().zip(&mut *momentum).zip(&grad[start..start + len]) {
            let g = g + decay * *v;
            *m = keep * *m + g;
            *v = *v - lr * if nesterov { g + keep * *m } else { *m };
        }
        apply_mask(mask, start, values);
        if reset {
            apply_mask(mask, start, momentum);
        }
    });
}

/// Adam.
fn adam_update<T: Real>(step: &StepParams, values: &mut [T], grad: &[T], moments: [&mut [T]; 2], mask: Option<&[T]>) {
    let [lr, decay, beta1, beta2, eps, correction1, correction2] =
        [step.lr, step.weight_decay, step.momentum, step.beta2, step.epsilon, step.correction1, step.correction2].map(T::from_f32);
    let count = values.len();
    let [first, second] = moments.map(Shared::new);
    let values = Shared::new(values);
    parallel_for(count.div_ceil(CHUNK), |i| {
        let (start, len) = (i * CHUNK, CHUNK.min(count - i * CHUNK));
        // SAFETY: chunks of different `i` are disjoint, in three different slices.
        let (values, first, second) = unsafe { (values.part(start, len), first.part(start, len), second.part(start, len)) };
        for (((v, m), s), &g) in values.iter_mut().zip(first).zip(second).zip(&grad[start..start + len]) {
            let g = g + decay * *v;
            *m = beta1 * *m + (T::ONE - beta1) * g;
            *s = beta2 * *s + (T::ONE - beta2) * g * g;
            *v = *v - lr * (*m / correction1) / ((*s / correction2).sqrt() + eps);
        }
        apply_mask(mask, start, values);
    });
}

fn apply_mask<T: Real>(mask: Option<&[T]>, start: usize, values: &mut [T]) {
    if let Some(mask) = mask {
        values.iter_mut().zip(&mask[start..]).for_each(|(v, &m)| *v *= m);
    }
}

impl<T: Real> Run<T> for SgdUpdate {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        sgd_update(step, lent.write("values")?, lent.read("grad")?, lent.write("momentum")?, lent.read_some("mask")?, self.momentum_reset);
        Ok(())
    }
}

impl<T: Real> Run<T> for AdamUpdate {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        adam_update(
            step,
            lent.write("values")?,
            lent.read("grad")?,
            [lent.write("first")?, lent.write("second")?],
            lent.read_some("mask")?,
        );
        Ok(())
    }
}
