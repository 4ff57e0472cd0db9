//! Which active weights a topology update removes.
//!
//! Ties fall to the earlier position and selection replaces sorting, so a rule gives the same mask on every machine.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::names::named_enum;

named_enum! {
    /// Which weights a topology update removes.
    pub enum Prune ("prune rule") {
        /// The smallest magnitudes.
        Magnitude = "magnitude",
        /// The smallest of the positive weights and the smallest of the negative.
        Set = "set",
        /// The smallest (weight times gradient) squared.
        Taylor = "taylor",
        /// Magnitudes of at most 0.001, however many.
        Threshold = "threshold",
    }
}

/// A rule; rates are shares of the active weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PruneRule<'a> {
    /// Keeps the `int((1 - rate) * n)` largest of the `n` positive weights and likewise of the negative (Mocanu et al. 2018).
    /// Weights of exactly zero belong to neither and go.
    Set,
    /// Drops the `ceil(rate * nnz)` smallest in magnitude.
    Magnitude,
    /// Drops the `ceil(rate * nnz)` smallest `(w * gradient)^2`; one gradient a weight, in the same order.
    Taylor(&'a [f32]),
    /// Keeps magnitudes above this, whatever the rate (paper's code: 0.001).
    Threshold(f64),
}

/// One flag a weight: whether it stays. `values` stand in order of position.
///
/// # Errors
/// `Config` where `rate` is not in 0..=1; `Shape` where gradients and values differ in number.
pub fn keep(rule: PruneRule, values: &[f32], rate: f64) -> Result<Vec<bool>> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(Error::config(format!("the share of weights to prune must be from 0 to 1, found {rate}")));
    }
    let drops = ((rate * values.len() as f64).ceil() as usize).min(values.len());
    Ok(match rule {
        PruneRule::Set => {
            let mut keep = vec![false; values.len()];
            for sign in [1.0f32, -1.0] {
                let side: Vec<u32> = (0..values.len() as u32).filter(|&i| sign * values[i as usize] > 0.0).collect();
                let kept = ((1.0 - rate) * side.len() as f64) as usize;
                for i in largest(side, kept, values) {
                    keep[i as usize] = true;
                }
            }
            keep
        }
        PruneRule::Magnitude => drop_smallest(drops, values),
        PruneRule::Taylor(gradient) => {
            if gradient.len() != values.len() {
                return Err(Error::shape("taylor pruning", "gradient", format!("{} values", values.len()), gradient.len().to_string()));
            }
            // |w g| orders as (w g)^2 does, without underflow.
            let products: Vec<f64> = values.iter().zip(gradient).map(|(w, g)| f64::from(*w) * f64::from(*g)).collect();
            drop_smallest(drops, &products)
        }
        PruneRule::Threshold(threshold) => values.iter().map(|v| f64::from(v.abs()) > threshold).collect(),
    })
}

fn drop_smallest<T: Magnitude>(drops: usize, values: &[T]) -> Vec<bool> {
    let mut keep = vec![false; values.len()];
    for i in largest((0..values.len() as u32).collect(), values.len() - drops, values) {
        keep[i as usize] = true;
    }
    keep
}

/// A number that is compared without its sign, NaN above everything.
pub(super) trait Magnitude: Copy {
    fn compare(self, other: Self) -> Ordering;
}
impl Magnitude for f32 {
    fn compare(self, other: Self) -> Ordering {
        self.abs().total_cmp(&other.abs())
    }
}
impl Magnitude for f64 {
    fn compare(self, other: Self) -> Ordering {
        self.abs().total_cmp(&other.abs())
    }
}

/// The `count` candidates with the largest values in magnitude, in no order; of equals, the later stay.
pub(super) fn largest<T: Magnitude>(mut candidates: Vec<u32>, count: usize, values: &[T]) -> Vec<u32> {
    if count < candidates.len() {
        let order = |a: &u32, b: &u32| values[*b as usize].compare(values[*a as usize]).then(b.cmp(a));
        candidates.select_nth_unstable_by(count, order);
        candidates.truncate(count);
    }
    candidates
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn kept(rule: PruneRule, values: &[f32], rate: f64) -> Vec<usize> {
        keep(rule, values, rate).unwrap().into_iter().enumerate().filter(|(_, k)| *k).map(|(i, _)| i).collect()
    }

    #[test]
    fn small_cases_by_hand() {
        let values = [0.5, -0.1, 0.2, -0.9, 0.0, 0.3];
        assert_eq!(kept(PruneRule::Magnitude, &values, 0.4), [0, 3, 5], "ceil(2.4) = 3 go");
        assert_eq!(kept(PruneRule::Set, &values, 0.4), [0, 3], "int(1.8) of three positives, int(1.2) of two negatives");
    }

    #[test]
    fn taylor_and_threshold_by_hand() {
        let values = [0.5, -0.1, 0.2];
        assert_eq!(kept(PruneRule::Taylor(&[0.1, 10.0, 1.0]), &values, 0.3), [1, 2]);
        assert_eq!(kept(PruneRule::Threshold(0.15), &values, 0.9), [0, 2]);
        assert!(keep(PruneRule::Taylor(&[1.0]), &values, 0.3).is_err());
    }

    #[test]
    fn ties_fall_to_the_earlier_position() {
        assert_eq!(kept(PruneRule::Magnitude, &[1.0; 5], 0.4), [2, 3, 4]);
        assert_eq!(kept(PruneRule::Set, &[-1.0; 5], 0.4), [2, 3, 4]);
    }

    #[test]
    fn odd_rates_are_errors_and_poison_does_not_panic() {
        for rate in [-0.1, 1.5, f64::NAN] {
            assert!(keep(PruneRule::Set, &[1.0], rate).is_err());
        }
        let poisoned = [f32::NAN, f32::INFINITY, -0.0, 1e-40, f32::NEG_INFINITY];
        assert_eq!(kept(PruneRule::Magnitude, &poisoned, 0.4), [0, 1, 4]);
        assert_eq!(kept(PruneRule::Set, &poisoned, 0.0), [1, 3, 4], "NaN and zero have no sign");
    }

    proptest! {
        #[test]
        fn selection_equals_sorting(values in prop::collection::vec(-1.0f32..1.0, 0..200), rate in 0.0..=1.0f64) {
            let mut sorted: Vec<usize> = (0..values.len()).collect();
            sorted.sort_by(|a, b| values[*a].abs().total_cmp(&values[*b].abs()));
            let mut expected = sorted.split_off((rate * values.len() as f64).ceil() as usize);
            expected.sort_unstable();
            prop_assert_eq!(kept(PruneRule::Magnitude, &values, rate), expected);
        }

        #[test]
        fn extremes(values in prop::collection::vec(0.1f32..1.0, 0..50)) {
            for rule in [PruneRule::Set, PruneRule::Magnitude, PruneRule::Taylor(&values)] {
                prop_assert_eq!(kept(rule, &values, 0.0).len(), values.len());
                prop_assert_eq!(kept(rule, &values, 1.0).len(), 0);
            }
        }
    }
}
