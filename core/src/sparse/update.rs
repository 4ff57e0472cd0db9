//! One topology update of one layer: prune, then grow, in either semantics.
//!
//! Rates, order and what survives follow the paper's code: a weight pruned and regrown in the same update keeps its value
//! and moments, any other regrown weight starts at zero.

use super::csr::check_positions;
use super::grow::{Growth, choose};
use super::prune::{PruneRule, keep};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// What an update did, as `LayerChange` reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Removed and not regrown in the same update.
    pub pruned: usize,
    /// New since before the update; as many as `pruned` where the layer keeps its density.
    pub grown: usize,
    /// Removed and regrown in the same update: they keep value and moments.
    pub regrown: usize,
}

/// A sparse layer: sorted positions, and per-weight arrays in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseLayer {
    /// Flat positions, strictly increasing.
    pub positions: Vec<u32>,
    /// The weights.
    pub values: Vec<f32>,
    /// Momentum, or Adam's two moments.
    pub moments: Vec<Vec<f32>>,
}

/// The positions that survive pruning: of `positions` of 0..n with these `values`, about a share of `rate` goes.
///
/// # Errors
/// `Shape` or `Config` where rule, rate and tensors do not fit together.
pub fn prune(rule: PruneRule, rate: f64, positions: &[u32], values: &[f32], n: usize) -> Result<Vec<u32>> {
    check_positions(positions, n)?;
    if values.len() != positions.len() {
        return Err(Error::shape("topology update", "values", positions.len().to_string(), values.len().to_string()));
    }
    let keep = keep(rule, values, rate)?;
    Ok(positions.iter().zip(&keep).filter(|(_, k)| **k).map(|(p, _)| *p).collect())
}

/// The random numbers of a layer's update: `number` counts updates from 1, `layer` is the tensor's place in the network.
pub fn growth_stream(seed: u64, number: u32, layer: usize) -> Stream {
    Stream::new(seed, Purpose::Growth, u64::from(number), layer as u64)
}

/// Grows `count` positions beside the `kept` ones: all positions after the update, sorted, and what changed since `before`.
///
/// # Errors
/// `Shape` where rule and tensors do not fit together, or there is no room for `count`.
pub fn grow(rule: Growth, before: &[u32], kept: Vec<u32>, n: usize, count: usize, stream: &mut Stream) -> Result<(Vec<u32>, Change)> {
    let grown = choose(rule, &kept, n, count, stream)?;
    let regrown = common(&grown, before);
    let change = Change { pruned: before.len() - kept.len() - regrown, grown: count - regrown, regrown };
    let mut next = kept;
    next.extend(grown);
    next.sort_unstable();
    Ok((next, change))
}

impl SparseLayer {
    /// The layer at other (sorted) positions: what stays keeps its value and moments, what is new starts at zero.
    pub fn moved_to(&self, positions: Vec<u32>) -> Self {
        let sources = sources(&positions, &self.positions);
        let carry = |old: &[f32]| sources.iter().map(|s| s.map_or(0.0, |i| old[i])).collect();
        Self { values: carry(&self.values), moments: self.moments.iter().map(|m| carry(m)).collect(), positions }
    }
}

/// For each new position, its index among the old ones, if it was there; both sorted.
pub fn sources(new: &[u32], old: &[u32]) -> Vec<Option<usize>> {
    let mut at = 0;
    new.iter()
        .map(|p| {
            while at < old.len() && old[at] < *p {
                at += 1;
            }
            (old.get(at) == Some(p)).then_some(at)
        })
        .collect()
}

fn common(a: &[u32], b: &[u32]) -> usize {
    sources(a, b).into_iter().flatten().count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    use crate::sparse::csr::{gather, mask_positions, positions_mask};

    /// Rule, rate, growth; seed, number, layer.
    type Update<'a> = (PruneRule<'a>, f64, Growth<'a>, (u64, u32, usize));
    const SET: Update = (PruneRule::Set, 0.2, Growth::Random, (1, 1, 0));

    /// Prunes, and grows back as many.
    fn update(
        (rule, rate, growth, (seed, number, layer)): Update,
        positions: &[u32],
        values: &[f32],
        n: usize,
    ) -> Result<(Vec<u32>, Change)> {
        let kept = prune(rule, rate, positions, values, n)?;
        let removed = positions.len() - kept.len();
        grow(growth, positions, kept, n, removed, &mut growth_stream(seed, number, layer))
    }
    fn apply(how: Update, layer: &SparseLayer, n: usize) -> (SparseLayer, Change) {
        let (positions, change) = update(how, &layer.positions, &layer.values, n).unwrap();
        (layer.moved_to(positions), change)
    }

    fn layer(positions: Vec<u32>, values: Vec<f32>) -> SparseLayer {
        let moments = vec![values.iter().map(|v| v * 10.0).collect(), values.iter().map(|v| v * v).collect()];
        SparseLayer { positions, values, moments }
    }
    /// A layer of n positions at a density (0 and 1 included), and a rate (0 and 1 included).
    fn cases() -> impl Strategy<Value = (SparseLayer, usize, f64)> {
        let edge = || prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64];
        (1usize..150, edge(), edge()).prop_flat_map(|(n, density, rate)| {
            let active = prop::collection::vec(prop::bool::weighted(density), n);
            let values = prop::collection::vec(prop_oneof![-1.0f32..1.0, Just(0.0)], n);
            (active, values).prop_map(move |(active, values)| {
                let positions: Vec<u32> = (0..n as u32).filter(|p| active[*p as usize]).collect();
                let values = gather(&values, &positions);
                (layer(positions, values), n, rate)
            })
        })
    }

    proptest! {
        #[test]
        fn count_is_kept_and_survivors_keep_everything((layer, n, rate) in cases(), seed in any::<u64>()) {
            let dense: Vec<f32> = (0..n).map(|i| ((i * 31) % 17) as f32 - 8.0).collect();
            for prune in [PruneRule::Set, PruneRule::Magnitude, PruneRule::Threshold(0.3)] {
                for growth in [Growth::Random, Growth::Gradient(&dense)] {
                    let how = (prune, rate, growth, (seed, 1, 0));
                    let (next, change) = apply(how, &layer, n);
                    prop_assert_eq!(next.positions.len(), layer.positions.len());
                    prop_assert!(next.positions.windows(2).all(|w| w[0] < w[1]));
                    prop_assert!(next.positions.iter().all(|p| (*p as usize) < n));
                    let mut new = 0;
                    for (i, p) in next.positions.iter().enumerate() {
                        let (value, moments) = match layer.positions.binary_search(p) {
                            Ok(old) => (layer.values[old], [layer.moments[0][old], layer.moments[1][old]]),
                            Err(_) => { new += 1; (0.0, [0.0, 0.0]) }
                        };
                        prop_assert_eq!(next.values[i], value);
                        prop_assert_eq!([next.moments[0][i], next.moments[1][i]], moments);
                    }
                    prop_assert_eq!(change.grown, new);
                    prop_assert_eq!(change.pruned, new);
                    prop_assert_eq!(apply(how, &layer, n), (next, change), "the same twice");
                }
            }
        }

        /// A masked layer changes by the same positions; its weights are multiplied by the new mask once.
        #[test]
        fn masked_and_sparse_agree((layer, n, rate) in cases(), seed in any::<u64>()) {
            let how = (PruneRule::Set, rate, Growth::Random, (seed, 1, 0));
            let mut weights = vec![0.0; n];
            layer.positions.iter().zip(&layer.values).for_each(|(p, v)| weights[*p as usize] = *v);
            let before = mask_positions(&positions_mask(&layer.positions, n));
            let (masked, change) = update(how, &before, &gather(&weights, &before), n).unwrap();
            weights.iter_mut().zip(positions_mask(&masked, n)).for_each(|(w, m)| *w *= m);
            let (sparse, sparse_change) = apply(how, &layer, n);
            prop_assert_eq!((change, &masked), (sparse_change, &sparse.positions));
            prop_assert_eq!(gather(&weights, &masked), sparse.values);
        }
    }

    #[test]
    fn rate_zero_changes_nothing_and_a_full_layer_regrows_itself() {
        let start = layer(vec![1, 4, 5], vec![0.5, -0.5, 0.1]);
        let (same, change) = apply((PruneRule::Set, 0.0, Growth::Random, (1, 1, 0)), &start, 9);
        assert_eq!((same, change), (start, Change::default()));
        let full = layer(vec![0, 1, 2], vec![0.5, -0.5, 0.1]);
        let (same, change) = apply((PruneRule::Set, 1.0, Growth::Random, (1, 1, 0)), &full, 3);
        assert_eq!((same, change), (full, Change { pruned: 0, grown: 0, regrown: 3 }));
    }

    #[test]
    fn gradient_growth_takes_the_strongest() {
        let start = layer(vec![0, 2], vec![0.9, 0.1]);
        let gradient = [0.0, 1.0, -2.0, 5.0];
        let (next, change) = apply((PruneRule::Magnitude, 0.5, Growth::Gradient(&gradient), (1, 1, 0)), &start, 4);
        assert_eq!((next.positions, next.values), (vec![0, 3], vec![0.9, 0.0]));
        assert_eq!(change, Change { pruned: 1, grown: 1, regrown: 0 });
    }

    #[test]
    fn updates_draw_from_streams_of_their_own() {
        let start = layer((0..50).collect(), (1..=50).map(|i| i as f32).collect());
        let after = |number, layer| apply((PruneRule::Set, 0.2, Growth::Random, (1, number, layer)), &start, 1000).0.positions;
        assert_ne!(after(1, 0), after(2, 0));
        assert_ne!(after(1, 0), after(1, 1));
    }

    #[test]
    fn mismatched_arrays_are_errors() {
        assert!(update(SET, &[0, 1], &[1.0], 4).is_err());
        assert!(update(SET, &[4], &[1.0], 4).is_err());
    }

    #[test]
    fn counts_may_differ_where_weights_are_shared_out_anew() {
        let start = layer(vec![0, 2, 5], vec![0.9, 0.1, -0.4]);
        let kept = prune(PruneRule::Set, 0.2, &start.positions, &start.values, 8).unwrap();
        assert_eq!(kept, [0], "int(0.8 * 2) of two positives, int(0.8) of one negative");
        let (next, change) = grow(Growth::Random, &start.positions, kept, 8, 5, &mut growth_stream(1, 1, 0)).unwrap();
        assert_eq!(next.len(), 6);
        assert_eq!(change.grown, change.pruned + 3);
        let moved = start.moved_to(vec![0, 3]);
        assert_eq!((moved.values, moved.moments[0].clone()), (vec![0.9, 0.0], vec![9.0, 0.0]));
    }
}
