//! Dense parents: the trained networks that OMP, LTH and pre-ERK learners start from.
//!
//! A parent is an ordinary run of one dense learner on the same subset, so it has a configuration, a hash and a run folder like
//! any other, and is found again instead of trained twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::attack::Adversary;
use crate::config::{ExperimentConfig, LearnerConfig};
use crate::formats::{StateDict, TRAINING_FLOPS};
use crate::hardness::Subset;
use crate::net::Graph;
use crate::platform::parse_f64;

/// Trained dense states by the subset (text form) that they were trained on.
pub type Parents = BTreeMap<String, Arc<StateDict>>;

/// The subsets whose dense parents an experiment needs: none unless a learner's method starts from one.
pub fn needed(config: &ExperimentConfig) -> Vec<Subset> {
    if !config.learners.iter().any(|l| l.method.needs_parent()) {
        return Vec::new();
    }
    config.corners().into_iter().map(|(subset, _)| subset).collect()
}

/// The configuration of the parent's run: one dense learner on this subset, everything that only sparse learners read at its default.
pub fn parent_config(config: &ExperimentConfig, subset: Subset) -> ExperimentConfig {
    let defaults = ExperimentConfig::default();
    ExperimentConfig {
        subset,
        control: false,
        learners: vec![LearnerConfig::DENSE],
        update_frequency: defaults.update_frequency,
        death_rate: defaults.death_rate,
        death_schedule: defaults.death_schedule,
        gmp_end: defaults.gmp_end,
        bernoulli: defaults.bernoulli,
        parent: defaults.parent,
        momentum_reset: defaults.momentum_reset,
        ..config.clone()
    }
}

/// Training FLOPs that went into a learner's parent: of one that is trained for the experiment those of its configuration
/// ([`parent_config`]), of a checkpoint that was given what it says itself; `None` where it does not.
pub fn training_flops(
    config: &ExperimentConfig,
    graph: &Graph,
    samples: usize,
    adversary: Option<&Adversary>,
    parent: Option<&StateDict>,
) -> Option<f64> {
    if !config.parent.is_empty() {
        return parent.and_then(said_flops);
    }
    let attack = adversary.map_or(0, |adversary| adversary.training_flops(graph.macs(), 1));
    Some((graph.training_flops() + attack) as f64 * samples as f64 * f64::from(config.epochs))
}

/// Training FLOPs as weights say them themselves, those of their own parent included; `None` where they do not.
pub fn said_flops(state: &StateDict) -> Option<f64> {
    parse_f64(state.metadata.get(TRAINING_FLOPS)?).filter(|flops| flops.is_finite() && *flops >= 0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_parent_is_needed_for_each_subset_and_does_not_depend_on_its_children() {
        let learners = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect();
        let config = ExperimentConfig { learners: learners(&["dense", "lth@0.1"]), ..ExperimentConfig::default() };
        assert_eq!(needed(&config), [Subset::el2n_hard(0.5), Subset::Random(0.5)]);
        assert!(needed(&ExperimentConfig { learners: learners(&["dense", "gmp@0.1"]), ..config.clone() }).is_empty());
        let other = ExperimentConfig { learners: learners(&["omp@0.3"]), death_rate: 0.5, update_frequency: 7, ..config.clone() };
        let parent = parent_config(&config, config.subset);
        assert_eq!(parent, parent_config(&other, other.subset));
        assert!(needed(&parent).is_empty() && parent.validate().is_ok());
        assert_ne!(parent, parent_config(&ExperimentConfig { seed: 16, ..config.clone() }, config.subset));
    }
}
