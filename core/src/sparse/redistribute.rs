//! How many weights each layer grows back when an update shares them out anew (Dettmers and Zettlemoyer 2019).
//!
//! Shares become whole numbers whose sum is exactly what was removed, within what each layer can hold; without that the
//! number of weights would drift from update to update.

use crate::argsort::{argsort, descending};
use crate::names::named_enum;

named_enum! {
    /// How the weights that an update removed are shared among layers when they grow back (Dettmers and Zettlemoyer 2019).
    pub enum Redistribution ("redistribution") {
        /// Each layer grows what it lost.
        None = "none",
        /// By the mean momentum magnitude of a layer's active weights.
        Momentum = "momentum",
        /// By their mean magnitude.
        Magnitude = "magnitude",
        /// By their number.
        Nonzeros = "nonzeros",
    }
}

/// A layer's claim on regrowth, from its active weights and their momentum before the update.
pub fn claim(rule: Redistribution, values: &[f32], momentum: &[f32]) -> f64 {
    let mean = |v: &[f32]| v.iter().map(|x| f64::from(x.abs())).sum::<f64>() / v.len().max(1) as f64;
    match rule {
        Redistribution::None => 0.0,
        Redistribution::Momentum => mean(momentum),
        Redistribution::Magnitude => mean(values),
        Redistribution::Nonzeros => values.len() as f64,
    }
}

/// Shares `total` out in proportion to `claims`, none above its `room`; what does not fit goes to the others. Claims that are
/// negative or not numbers count as zero; where no claim is left, room itself is the claim. Rounding goes to the largest remainders,
/// ties to the earlier place. Gives `min(total, all room)` in all.
pub fn apportion(claims: &[f64], room: &[usize], total: usize) -> Vec<usize> {
    let mut out = vec![0usize; room.len()];
    let mut left = total.min(room.iter().sum());
    while left > 0 {
        let open: Vec<usize> = (0..room.len()).filter(|&i| out[i] < room[i]).collect();
        let claim = |i: usize| claims.get(i).copied().filter(|c| c.is_finite() && *c > 0.0).unwrap_or(0.0);
        let sum: f64 = open.iter().map(|&i| claim(i)).sum();
        let all: f64 = open.iter().map(|&i| (room[i] - out[i]) as f64).sum();
        let quota = |i: usize| {
            let share = if sum > 0.0 { claim(i) / sum } else { (room[i] - out[i]) as f64 / all };
            share * left as f64
        };
        let quotas: Vec<f64> = open.iter().map(|&i| quota(i)).collect();
        let mut given = 0;
        for (&i, quota) in open.iter().zip(&quotas) {
            let whole = (*quota as usize).min(room[i] - out[i]).min(left - given);
            out[i] += whole;
            given += whole;
        }
        // Once nobody reached the end of its room, only remainders are left; else the rest is shared out again.
        let filled = open.iter().zip(&quotas).any(|(&i, quota)| out[i] == room[i] && *quota >= 1.0);
        if !filled || given == 0 {
            let takers: Vec<usize> =
                (0..open.len()).filter(|&k| out[open[k]] < room[open[k]] && (sum <= 0.0 || claim(open[k]) > 0.0)).collect();
            let most_owed_first = argsort(takers.iter().map(|&k| descending(quotas[k].fract())));
            for k in most_owed_first.into_iter().map(|place| takers[place as usize]) {
                if given == left {
                    break;
                }
                out[open[k]] += 1;
                given += 1;
            }
        }
        left -= given;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_cases_by_hand() {
        assert_eq!(apportion(&[1.0, 1.0, 2.0], &[10, 10, 10], 8), [2, 2, 4]);
        assert_eq!(apportion(&[1.0, 1.0, 1.0], &[10, 10, 10], 8), [3, 3, 2], "remainders, the earlier first");
        assert_eq!(apportion(&[1.0, 1.0, 2.0], &[10, 10, 1], 8), [4, 3, 1], "what does not fit goes to the others");
        assert_eq!(apportion(&[0.0, f64::NAN, -1.0], &[1, 1, 2], 2), [1, 0, 1], "room is the claim where there is no other");
        assert_eq!(apportion(&[0.0, 1.0], &[5, 2], 4), [2, 2], "those without a claim take what is left over");
        assert_eq!(apportion(&[1.0], &[3], 9), [3]);
        assert_eq!(apportion(&[], &[], 4), [0usize; 0]);
    }

    #[test]
    fn claims_are_means_or_counts() {
        let (values, momentum) = ([1.0, -3.0], [0.5, 0.0]);
        let of = |rule| claim(rule, &values, &momentum);
        assert_eq!([of(Redistribution::Magnitude), of(Redistribution::Momentum), of(Redistribution::Nonzeros)], [2.0, 0.25, 2.0]);
        assert_eq!(claim(Redistribution::Magnitude, &[], &[]), 0.0);
    }

    proptest! {
        #[test]
        fn the_sum_is_exact_and_nothing_overflows(
            places in prop::collection::vec((prop_oneof![Just(0.0), Just(f64::INFINITY), 0.0..5.0f64], 0usize..30), 0..12),
            total in 0usize..200,
        ) {
            let (claims, room): (Vec<f64>, Vec<usize>) = places.into_iter().unzip();
            let out = apportion(&claims, &room, total);
            prop_assert_eq!(out.iter().sum::<usize>(), total.min(room.iter().sum()));
            prop_assert!(out.iter().zip(&room).all(|(o, r)| o <= r));
        }
    }
}
