//! Holm's correction: p values of several comparisons at once.
//!
//! Of twenty comparisons without any difference one is expected to look like one. Without a correction over all of them, the larger the
//! study, the more it would find.

use crate::argsort::{argsort, ascending};

/// The adjusted p values, in the order of `p` (Holm 1979). With those of at most 0.05 taken for differences, the probability that one of them
/// is none is 0.05 at most, however the comparisons depend on each other.
///
/// The smallest of m counts m times, the next m - 1 times, and so on; none is smaller than one before it, none larger than 1.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let order = argsort(p.iter().map(|p| ascending(*p))).into_iter().map(|place| place as usize);
    let (mut adjusted, mut before) = (vec![0.0; p.len()], 0.0f64);
    for (rank, place) in order.enumerate() {
        before = before.max((p.len() - rank) as f64 * p[place]).min(1.0);
        adjusted[place] = before;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are(found: &[f64], expected: &[f64]) {
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn adjusted_values_are_those_computed_by_hand() {
        // 4 * 0.005, 3 * 0.01, 2 * 0.03, and 1 * 0.04, which may not be smaller than the one before it.
        are(&holm(&[0.01, 0.04, 0.03, 0.005]), &[0.03, 0.06, 0.06, 0.02]);
        // Ties have one value: 3 * 0.02, then no less.
        are(&holm(&[0.02, 0.02, 0.5]), &[0.06, 0.06, 0.5]);
        are(&holm(&[0.6, 0.7]), &[1.0, 1.0]);
        are(&holm(&[0.03]), &[0.03]);
        are(&holm(&[]), &[]);
    }
}
