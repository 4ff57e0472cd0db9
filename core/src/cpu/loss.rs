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

/// Loss, gradient (over the step's divisor) and records; a label that names no class gives a NaN loss, which `totals[3]` counts.
fn softmax_cross_entropy<T: Real>(op: &SoftmaxCrossEntropy, step: &StepParams, logits: &[T], labels: &[u32], out: Outputs<'_, T>) {
    let Outputs { mut dlogits, samples, totals } = out;
    let (classes, n, n_valid) = (op.classes, op.n, step.n_valid as usize);
    if let Some(dlogits) = &mut dlogits {
        dlogits[..classes * n].fill(T::ZERO);
    }
    let weight = T::ONE / T::from_f64(f64::from(step.divisor().max(1)));
    let smoothing = T::from_f32(step.label_smoothing);
    let spread = smoothing / T::from_f64(classes as f64);
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
        let (mut loss, truth) = if label < classes {
            (sum.ln() - (logit(label) - largest), probabilities[label] / sum)
        } else {
            (T::from_f64(f64::NAN), T::ZERO)
        };
        if label < classes && smoothing > T::ZERO {
            // Cross-entropy to the smoothed target: what moves from the label to all classes.
            let mut apart = T::ZERO;
            for class in 0..classes {
                apart += logit(label) - logit(class);
            }
            loss += spread * apart;
        }
        let mut el2n = T::ZERO;
        for (class, &p) in probabilities.iter().enumerate() {
            let truth = if class == label { T::ONE } else { T::ZERO };
            let error = p / sum - truth;
            el2n += error * error;
            if let Some(dlogits) = &mut dlogits {
                dlogits[class * n + lane] = (error + (smoothing * truth - spread)) * weight;
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
        softmax_cross_entropy(self, step, lent.read("logits")?, lent.index("labels")?, out);
        Ok(())
    }
}
