//! The twin of `ops::probe`: eight vectors at a time, as many as hide a multiply-add's latency.

use super::lent::Lent;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{Probe, StepParams};
use crate::platform::parallel::{self, CHUNK};

/// Elements that are worked on together: eight of the widest vectors.
const TOGETHER: usize = 128;

/// `y = x` after so many multiply-adds.
fn probe<T: Real>(rounds: u32, x: &[T], y: &mut [T]) {
    parallel::chunks_mut(y, CHUNK, |i, y| {
        let x = &x[i * CHUNK..][..y.len()];
        pulp::Arch::new().dispatch(|| {
            let ((blocks, rest), (to, to_rest)) = (x.as_chunks::<TOGETHER>(), y.as_chunks_mut::<TOGETHER>());
            for (to, from) in to.iter_mut().zip(blocks) {
                *to = after(rounds, *from);
            }
            for (to, from) in to_rest.iter_mut().zip(rest) {
                [*to] = after(rounds, [*from]);
            }
        });
    });
}

#[inline(always)]
fn after<T: Real, const N: usize>(rounds: u32, mut values: [T; N]) -> [T; N] {
    let (half, quarter) = (T::from_f32(0.5), T::from_f32(0.25));
    for _ in 0..rounds {
        for value in &mut values {
            *value = value.mul_add(half, quarter);
        }
    }
    values
}

impl<T: Real> Run<T> for Probe {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        probe(self.rounds, lent.read("x")?, lent.write("y")?);
        Ok(())
    }
}
