//! What changes over a run: learning rate, death rate, and the target sparsity of gradual pruning.
//!
//! Pure functions of where a run stands, so a resumed run continues exactly where it was. Cosines come from `libm`, so
//! every platform trains with the same bits.

use std::f64::consts::PI;

use crate::config::LrSchedule;

/// The death rate at the end of its cosine.
pub const DEATH_RATE_MIN: f64 = 0.001;

/// What the cosine schedule ends at, as a share of the first learning rate.
pub const COSINE_FLOOR: f64 = 0.01;

/// Half a cosine from `start` (t = 0) to `end` (t = total); `end` beyond.
fn cosine(start: f64, end: f64, t: u64, total: u64) -> f64 {
    if t >= total {
        return end;
    }
    end + (start - end) * (1.0 + libm::cos(PI * t as f64 / total as f64)) / 2.0
}

/// Learning rate of an epoch (from 0). `Step` divides by 10 at `int(epochs / 2)` and at `int(3 epochs / 4)`, never at the
/// start; `Cosine` moves once an epoch and would reach a hundredth after the last.
pub fn learning_rate(schedule: LrSchedule, lr: f64, epoch: u32, epochs: u32) -> f64 {
    match schedule {
        LrSchedule::Constant => lr,
        LrSchedule::Cosine => cosine(lr, lr * COSINE_FLOOR, epoch.into(), epochs.into()),
        LrSchedule::Step => {
            let three_quarters = (u64::from(epochs) * 3 / 4) as u32;
            [epochs / 2, three_quarters].into_iter().filter(|at| epoch >= (*at).max(1)).fold(lr, |lr, _| lr * 0.1)
        }
    }
}

/// Share of a layer's weights that an update replaces: a cosine over all steps, from `rate` to [`DEATH_RATE_MIN`]
/// (or `rate` throughout where it is smaller). `step` is the number of steps done.
pub fn death_rate(rate: f64, step: u64, steps: u64) -> f64 {
    cosine(rate, DEATH_RATE_MIN.min(rate), step, steps)
}

/// The linear alternative: `rate * (1 - step / steps)`.
pub fn death_rate_linear(rate: f64, step: u64, steps: u64) -> f64 {
    if step >= steps { 0.0 } else { rate * (1.0 - step as f64 / steps as f64) }
}

/// Global sparsity after update `k` of `updates` of gradual magnitude pruning (Zhu and Gupta 2017): `s (1 - (1 - k/K)^3)`.
pub fn gradual_sparsity(final_sparsity: f64, k: u32, updates: u32) -> f64 {
    if k >= updates {
        return final_sparsity;
    }
    let left = 1.0 - f64::from(k) / f64::from(updates);
    final_sparsity * (1.0 - left * left * left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_divides_at_a_half_and_three_quarters() {
        let at = |epoch, epochs| learning_rate(LrSchedule::Step, 1.0, epoch, epochs);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(at(9, 20), 1.0) && close(at(10, 20), 0.1) && close(at(14, 20), 0.1) && close(at(15, 20), 0.01));
        assert!(close(at(0, 1), 1.0), "a single epoch trains at the full rate");
        assert!(close(at(u32::MAX - 1, u32::MAX), 0.01));
    }

    #[test]
    fn cosines_start_and_end_where_they_should() {
        assert_eq!(learning_rate(LrSchedule::Cosine, 0.1, 0, 20), 0.1);
        assert_eq!(learning_rate(LrSchedule::Cosine, 0.1, 20, 20), 0.1 * COSINE_FLOOR);
        assert_eq!(learning_rate(LrSchedule::Constant, 0.1, 19, 20), 0.1);
        assert_eq!((death_rate(0.2, 0, 10), death_rate(0.2, 10, 10), death_rate(0.2, 99, 10)), (0.2, DEATH_RATE_MIN, DEATH_RATE_MIN));
        assert_eq!((death_rate(0.0, 0, 10), death_rate(0.0, 10, 10), death_rate(0.2, 0, 0)), (0.0, 0.0, DEATH_RATE_MIN));
        assert_eq!((death_rate_linear(0.2, 0, 10), death_rate_linear(0.2, 5, 10), death_rate_linear(0.2, 10, 10)), (0.2, 0.1, 0.0));
    }

    #[test]
    fn gradual_sparsity_rises_to_its_end() {
        assert_eq!((gradual_sparsity(0.8, 0, 10), gradual_sparsity(0.8, 10, 10), gradual_sparsity(0.8, 0, 0)), (0.0, 0.8, 0.8));
        assert!((1..=10).all(|k| gradual_sparsity(0.8, k, 10) > gradual_sparsity(0.8, k - 1, 10)));
    }
}
