//! Sums over samples, and the means that become scores: of training steps, and of every evaluation.

use crate::events::Score;
use crate::net::SampleRecord;

/// Sums over samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    loss: f64,
    correct: f64,
    count: f64,
}

impl Tally {
    /// Adds what a read-back of `totals` has grown by.
    pub fn add_difference(&mut self, now: &[f32], before: &[f32]) {
        let grown = |i: usize| f64::from(now[i]) - f64::from(before[i]);
        self.loss += grown(0);
        self.correct += grown(1);
        self.count += grown(2);
    }
    /// Adds one sample; only an answer that `may_be_right` counts.
    pub fn add_sample(&mut self, record: &SampleRecord, label: u16, may_be_right: bool) {
        let correct = record.predicted == label && may_be_right;
        self.loss += f64::from(record.loss);
        self.correct += f64::from(u8::from(correct));
        self.count += 1.0;
    }
    /// Means.
    pub fn score(&self) -> Score {
        let n = self.count.max(1.0);
        Score { loss: self.loss / n, accuracy: self.correct / n, samples: self.count as usize }
    }
}
