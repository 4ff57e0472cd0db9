//! Which inactive weights a topology update brings to life.
//!
//! Growth never touches a kept position and always gives as many as asked for, so the number of weights cannot drift.

use super::csr::check_positions;
use super::prune::largest;
use crate::error::{Error, Result};
use crate::rng::Stream;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Growth<'a> {
    /// Uniform among the inactive.
    Random,
    /// Largest magnitude of the dense gradient (RigL, Evci et al. 2020), one value a position of the tensor.
    Gradient(&'a [f32]),
    /// Largest magnitude of the dense momentum; exists in `Masked` semantics only.
    Momentum(&'a [f32]),
}

/// `count` sorted positions of 0..n outside `kept` (sorted). `stream` is drawn from by `Random` only.
///
/// # Errors
/// `Shape` where `kept` is unsorted or outside, fewer than `count` positions are free, or a dense tensor has another length.
pub fn grow(rule: Growth, kept: &[u32], n: usize, count: usize, stream: &mut Stream) -> Result<Vec<u32>> {
    check_positions(kept, n)?;
    let free = n - kept.len();
    if count > free {
        return Err(shape_error("inactive weights", format!("at least {count}"), free));
    }
    match rule {
        Growth::Random => {
            // The r-th free position is r plus the number of kept positions before it.
            let mut passed = 0;
            Ok(stream
                .choose(free, count)
                .into_iter()
                .map(|rank| {
                    while passed < kept.len() && kept[passed] <= rank + passed as u32 {
                        passed += 1;
                    }
                    rank + passed as u32
                })
                .collect())
        }
        Growth::Gradient(scores) | Growth::Momentum(scores) => {
            if scores.len() != n {
                return Err(shape_error("dense scores", n, scores.len()));
            }
            let mut next = kept.iter().peekable();
            let inactive = (0..n as u32).filter(|p| next.next_if_eq(&p).is_none()).collect();
            let mut grown = largest(inactive, count, |p| scores[p].abs());
            grown.sort_unstable();
            Ok(grown)
        }
    }
}

fn shape_error(tensor: &str, expected: impl ToString, found: impl ToString) -> Error {
    Error::Shape { op: "growth", tensor: tensor.to_owned(), expected: expected.to_string(), found: found.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::rng::Purpose;
    use proptest::prelude::*;

    fn stream(seed: u64) -> Stream {
        Stream::new(seed, Purpose::Test, 0, 0)
    }

    #[test]
    fn largest_scores_win_and_kept_positions_are_left_alone() {
        let scores = [9.0, -3.0, 0.1, 2.0, -8.0];
        assert_eq!(grow(Growth::Gradient(&scores), &[0, 4], 5, 2, &mut stream(0)).unwrap(), [1, 3]);
        assert_eq!(grow(Growth::Momentum(&scores), &[], 5, 2, &mut stream(0)).unwrap(), [0, 4]);
    }

    #[test]
    fn too_many_is_an_error() {
        assert!(grow(Growth::Random, &[0, 1], 3, 2, &mut stream(0)).is_err());
        assert!(grow(Growth::Gradient(&[0.0; 2]), &[], 3, 1, &mut stream(0)).is_err());
        assert!(grow(Growth::Random, &[3], 3, 0, &mut stream(0)).is_err());
    }

    #[test]
    fn random_growth_is_uniform_over_the_free() {
        let kept = [0, 1, 5, 9];
        let mut hits = [0u32; 10];
        for seed in 0..3000 {
            for p in grow(Growth::Random, &kept, 10, 2, &mut stream(seed)).unwrap() {
                hits[p as usize] += 1;
            }
        }
        // 1000 expected on each of six, standard deviation 26.
        assert!(
            hits.iter().enumerate().all(|(p, h)| if kept.contains(&(p as u32)) { *h == 0 } else { (820..=1180).contains(h) }),
            "{hits:?}"
        );
    }

    proptest! {
        #[test]
        fn grown_are_sorted_distinct_and_free(active in prop::collection::vec(any::<bool>(), 1..200), share in 0.0..=1.0f64, seed in any::<u64>()) {
            let kept: Vec<u32> = (0..active.len() as u32).filter(|p| active[*p as usize]).collect();
            let count = ((active.len() - kept.len()) as f64 * share) as usize;
            let scores: Vec<f32> = (0..active.len()).map(|i| ((i * 7919) % 31) as f32).collect();
            for rule in [Growth::Random, Growth::Gradient(&scores)] {
                let grown = grow(rule, &kept, active.len(), count, &mut stream(seed)).unwrap();
                prop_assert_eq!(grown.len(), count);
                prop_assert!(grown.windows(2).all(|w| w[0] < w[1]));
                prop_assert!(grown.iter().all(|p| !active[*p as usize]));
            }
        }
    }
}
