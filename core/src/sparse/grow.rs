//! Which inactive weights a topology update brings to life.
//!
//! Growth never touches a kept position and always gives as many as asked for, so the number of weights cannot drift.

use super::PositionSet;
use super::csr::check_positions;
use super::prune::largest;
use super::redistribute::apportion;
use crate::error::{Error, Result};
use crate::names::named_enum;
use crate::rng::Stream;

named_enum! {
    /// Which weights a topology update brings to life.
    pub enum Grow ("grow rule") {
        /// Uniform among the inactive.
        Random = "random",
        /// Uniform among those that were never active; once there are none left, among the other inactive.
        RandomUnfired = "random-unfired",
        /// The largest dense gradients.
        Gradient = "gradient",
        /// The largest dense momentum; `masked` only.
        Momentum = "momentum",
        /// Output neurons by their mean momentum, then the largest momentum in each; `masked` only.
        MomentumNeuron = "momentum-neuron",
    }
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Growth<'a> {
    /// Uniform among the inactive.
    Random,
    /// Uniform among the inactive that never were active; where they do not suffice, among the others too.
    RandomUnfired(&'a PositionSet),
    /// Largest magnitude of the dense gradient (RigL, Evci et al. 2020), one value a position of the tensor.
    Gradient(&'a [f32]),
    /// Largest magnitude of the dense momentum; exists in `Masked` semantics only.
    Momentum(&'a [f32]),
    /// Output neurons get shares by their mean momentum magnitude, and each grows its largest (Dettmers and Zettlemoyer 2019).
    MomentumNeuron {
        /// The dense momentum.
        momentum: &'a [f32],
        /// Weights of one output neuron: they are contiguous.
        row: usize,
    },
}

/// `count` sorted positions of 0..n outside `kept` (sorted). `stream` is drawn from by `Random` only.
///
/// # Errors
/// `Shape` where `kept` is unsorted or outside, fewer than `count` positions are free, or a dense tensor has another length.
pub fn choose(rule: Growth, kept: &[u32], n: usize, count: usize, stream: &mut Stream) -> Result<Vec<u32>> {
    check_positions(kept, n)?;
    let free = n - kept.len();
    if count > free {
        return Err(shape_error("inactive weights", format!("at least {count}"), free));
    }
    let dense = |scores: &[f32]| if scores.len() == n { Ok(()) } else { Err(shape_error("dense scores", n, scores.len())) };
    match rule {
        Growth::Random => Ok(random(kept, free, count, stream)),
        Growth::RandomUnfired(ever) => {
            // Fired positions count as kept while the unfired are drawn from.
            let mut fired = kept.to_vec();
            fired.extend(inactive(kept, n).filter(|p| ever.contains(*p)));
            fired.sort_unstable();
            let unfired = n - fired.len();
            let mut grown = random(&fired, unfired, count.min(unfired), stream);
            if grown.len() < count {
                let mut taken = [kept, &grown].concat();
                taken.sort_unstable();
                grown.extend(random(&taken, n - taken.len(), count - grown.len(), stream));
                grown.sort_unstable();
            }
            Ok(grown)
        }
        Growth::Gradient(scores) | Growth::Momentum(scores) => {
            dense(scores)?;
            let mut grown = largest(inactive(kept, n).collect(), count, scores);
            grown.sort_unstable();
            Ok(grown)
        }
        Growth::MomentumNeuron { momentum, row } => {
            dense(momentum)?;
            if row == 0 || !n.is_multiple_of(row) {
                return Err(shape_error("weights of a neuron", format!("a divisor of {n}"), row));
            }
            let mut free = vec![Vec::new(); n / row];
            inactive(kept, n).for_each(|p| free[p as usize / row].push(p));
            let shares: Vec<f64> = momentum.chunks_exact(row).map(|m| m.iter().map(|v| f64::from(v.abs())).sum()).collect();
            let room: Vec<usize> = free.iter().map(Vec::len).collect();
            let counts = apportion(&shares, &room, count);
            let grown = free.into_iter().zip(counts).flat_map(|(free, count)| largest(free, count, momentum));
            let mut grown: Vec<u32> = grown.collect();
            grown.sort_unstable();
            Ok(grown)
        }
    }
}

/// Positions of 0..n that are not kept, increasing.
fn inactive(kept: &[u32], n: usize) -> impl Iterator<Item = u32> {
    let mut next = kept.iter().peekable();
    (0..n as u32).filter(move |p| next.next_if_eq(&p).is_none())
}

/// `count` of the `free` positions outside `kept`, increasing. The r-th free position is r plus the number of kept ones before it.
fn random(kept: &[u32], free: usize, count: usize, stream: &mut Stream) -> Vec<u32> {
    let mut passed = 0;
    let place = |rank: u32| {
        while passed < kept.len() && kept[passed] <= rank + passed as u32 {
            passed += 1;
        }
        rank + passed as u32
    };
    stream.choose(free, count).into_iter().map(place).collect()
}

fn shape_error(tensor: &str, expected: impl ToString, found: impl ToString) -> Error {
    Error::shape("growth", tensor.to_owned(), expected.to_string(), found.to_string())
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
        assert_eq!(choose(Growth::Gradient(&scores), &[0, 4], 5, 2, &mut stream(0)).unwrap(), [1, 3]);
        assert_eq!(choose(Growth::Momentum(&scores), &[], 5, 2, &mut stream(0)).unwrap(), [0, 4]);
    }

    #[test]
    fn the_never_active_come_first() {
        // 0 and 1 are kept, 2 and 3 were active once, 4 and 5 never.
        let ever = PositionSet::of(6, &[0, 1, 2, 3]);
        for seed in 0..20 {
            let grown = |count| choose(Growth::RandomUnfired(&ever), &[0, 1], 6, count, &mut stream(seed)).unwrap();
            assert!(grown(1)[0] >= 4);
            assert_eq!(grown(2), [4, 5]);
            assert_eq!(grown(3)[1..], [4, 5]);
            assert_eq!(grown(4), [2, 3, 4, 5]);
        }
    }

    #[test]
    fn neurons_grow_by_their_momentum() {
        // Mean momentum 3, 1 and 0: of four, three come in the first neuron and one in the second.
        let momentum = [-6.0, 2.0, 3.0, 1.0, 0.5, -2.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0];
        let rule = Growth::MomentumNeuron { momentum: &momentum, row: 4 };
        assert_eq!(choose(rule, &[], 12, 4, &mut stream(0)).unwrap(), [0, 1, 2, 5]);
        // A full neuron gives its share to the others.
        assert_eq!(choose(rule, &[0, 1, 2, 3], 12, 2, &mut stream(0)).unwrap(), [5, 6]);
        assert!(choose(Growth::MomentumNeuron { momentum: &momentum, row: 5 }, &[], 12, 1, &mut stream(0)).is_err());
    }

    #[test]
    fn too_many_is_an_error() {
        assert!(choose(Growth::Random, &[0, 1], 3, 2, &mut stream(0)).is_err());
        assert!(choose(Growth::Gradient(&[0.0; 2]), &[], 3, 1, &mut stream(0)).is_err());
        assert!(choose(Growth::Random, &[3], 3, 0, &mut stream(0)).is_err());
    }

    #[test]
    fn random_growth_is_uniform_over_the_free() {
        let kept = [0, 1, 5, 9];
        let mut hits = [0u32; 10];
        for seed in 0..3000 {
            for p in choose(Growth::Random, &kept, 10, 2, &mut stream(seed)).unwrap() {
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
            let mut ever = PositionSet::of(active.len(), &kept);
            ever.mark(&(0..active.len() as u32).filter(|p| p % 3 == 0).collect::<Vec<_>>());
            let neuron = Growth::MomentumNeuron { momentum: &scores, row: if active.len().is_multiple_of(4) { 4 } else { 1 } };
            for rule in [Growth::Random, Growth::RandomUnfired(&ever), Growth::Gradient(&scores), neuron] {
                let grown = choose(rule, &kept, active.len(), count, &mut stream(seed)).unwrap();
                prop_assert_eq!(grown.len(), count);
                prop_assert!(grown.windows(2).all(|w| w[0] < w[1]));
                prop_assert!(grown.iter().all(|p| !active[*p as usize]));
            }
        }
    }
}
