//! The twin of `ops::loss`: one pass over the lanes, serial, since logits are few.

use super::lent::Lent;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::loss::SAMPLE_WORDS;
use crate::ops::{SoftmaxCrossEntropy, StepParams};

/// What [`softmax_cross_entropy`] writes.
struct Outputs<'a, T> {
    /// `[classes][n]`.
    dlogits: Option<&'a mut [T]>,
    /// The records of this batch, from its first sample on.
    samples: &'a mut [T],
    /// Sums, added to.
    totals: &'a mut [T],
}

/// Loss, gradient (over `divisor`) and records; a label that names no class gives a NaN loss, which `totals[3]` counts.
fn softmax_cross_entropy<T: Real>(
    op: &SoftmaxCrossEntropy,
    n_valid: usize,
    divisor: u32,
    logits: &[T],
    labels: &[u32],
    out: Outputs<'_, T>,
) {
    let Outputs { mut dlogits, samples, totals } = out;
    let (classes, n) = (op.classes, op.n);
    if let Some(dlogits) = &mut dlogits {
        dlogits[..classes * n].fill(T::ZERO);
    }
    let weight = T::ONE / T::from_f64(f64::from(divisor.max(1)));
    let mut probabilities = vec![T::ZERO; classes];
    let (mut losses, mut correct, mut bad) = (T::ZERO, T::ZERO, T::ZERO);
    for (lane, record) in samples.chunks_exact_mut(SAMPLE_WORDS).take(n_valid.min(n)).enumerate() {
        let logit = |class: usize| logits[class * n + lane];
        let mut answer = 0;
        for class in 1..classes {
            if logit(class) > logit(answer) {
                answer = class;
            }
        }
        let (largest, mut sum) = (logit(answer), T::ZERO);
        for (class, p) in probabilities.iter_mut().enumerate() {
            *p = (logit(class) - largest).exp();
            sum += *p;
        }
        let label = labels[lane] as usize;
        let (loss, truth) = if label < classes {
            (sum.ln() - (logit(label) - largest), probabilities[label] / sum)
        } else {
            (T::from_f64(f64::NAN), T::ZERO)
        };
        let mut el2n = T::ZERO;
        for (class, &p) in probabilities.iter().enumerate() {
            let error = p / sum - if class == label { T::ONE } else { T::ZERO };
            el2n += error * error;
            if let Some(dlogits) = &mut dlogits {
                dlogits[class * n + lane] = error * weight;
            }
        }
        record.copy_from_slice(&[loss, el2n, truth, T::from_f64(answer as f64)]);
        if answer == label {
            correct += T::ONE;
        }
        if loss.finite() {
            losses += loss;
        } else {
            bad += T::ONE;
        }
    }
    for (total, part) in totals.iter_mut().zip([losses, correct, T::from_f64(n_valid.min(n) as f64), bad]) {
        *total += part;
    }
}

impl<T: Real> Run<T> for SoftmaxCrossEntropy {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let samples = lent.write("samples")?;
        let samples = &mut samples[step.sample_offset as usize * SAMPLE_WORDS..];
        let out = Outputs { dlogits: lent.write_some("dlogits")?, samples, totals: lent.write("totals")? };
        softmax_cross_entropy(self, step.n_valid as usize, step.divisor(), lent.read("logits")?, lent.index("labels")?, out);
        Ok(())
    }
}
