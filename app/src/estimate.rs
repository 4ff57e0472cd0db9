//! What a race will take before it starts: memory and time, from the network's own shapes and the work that is to be done.
//!
//! Memory counts weights with gradient and momentum, and the activations of a step, which learners share. Time is that work at the rate
//! that this device was measured at, else at a guess for its kind, and says which.

use sparring_core::config::{Allocation, ExperimentConfig, LearnerConfig};
use sparring_core::data::DatasetName;
use sparring_core::net::Graph;
use sparring_core::net::graph::Node;
use sparring_core::net::zoo::Input;
use sparring_core::sparse::density::erk;
use sparring_core::train::parent::needed;
use sparring_figures::number;

use crate::mask::images;

/// An estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Device bytes.
    pub bytes: f64,
    /// Training FLOPs of all learners over all epochs, and of the dense parents that some start from.
    pub flops: f64,
}

/// Training images of a dataset, validation left out; `None` where the disk decides.
fn training_images(dataset: DatasetName) -> Option<f64> {
    Some(match dataset {
        DatasetName::Cifar10 | DatasetName::Cifar100 | DatasetName::Cifar100Coarse => 45_000.0,
        DatasetName::TinyImageNet => 90_000.0,
        DatasetName::Mnist => 54_000.0,
        DatasetName::BuiltIn | DatasetName::BuiltInGrey => 9_000.0,
        DatasetName::Folder => return None,
    })
}

/// Multiply-accumulates and weights of a learner, in shares of the dense network's.
fn shares(graph: &Graph, learner: &LearnerConfig) -> Option<(f64, f64)> {
    let weights = graph.weights();
    let even = learner.recipe().allocation == Allocation::Uniform || learner.density >= 1.0;
    let shapes: Vec<Vec<usize>> = weights.iter().map(|w| w.extents.clone()).collect();
    // Allocations by the data are near ERK in what they cost.
    let densities = if even { vec![learner.density; shapes.len()] } else { erk(&shapes, learner.density).ok()? };
    let macs: f64 = weights.iter().zip(&densities).map(|(w, d)| d * w.shape.weights() as f64 * w.positions() as f64).sum();
    Some((macs / graph.macs() as f64, learner.density))
}

/// The work of each learner, in shares of the dense network's; by density alone where the network or its images are not known.
pub fn work(config: &ExperimentConfig) -> Vec<f64> {
    let graph =
        images(config.dataset).and_then(|(extent, classes)| config.graph(Input { extent, classes, mean: [0.0; 4], std: [1.0; 4] }).ok());
    let of = |learner: &LearnerConfig| graph.as_ref().and_then(|graph| shares(graph, learner)).map_or(learner.density, |(macs, _)| macs);
    config.learners.iter().map(of).collect()
}

/// `None` where the network or its images are not known.
pub fn estimate(config: &ExperimentConfig) -> Option<Estimate> {
    let (extent, classes) = images(config.dataset)?;
    let graph = config.graph(Input { extent, classes, mean: [0.0; 4], std: [1.0; 4] }).ok()?;
    let mut samples = training_images(config.dataset)? * config.p_data * config.subset.fraction();
    if config.limit_train > 0 {
        samples = samples.min(config.limit_train as f64);
    }
    // Forward and two gradients; each step of an attack is a forward and one gradient.
    let passes = 3.0 + config.train_attack().map_or(0.0, |a| 2.0 * f64::from(a.iterations));
    let racers = if config.control { 2.0 } else { 1.0 };
    let (mut bytes, mut flops) = (0.0, 0.0);
    let training = 2.0 * passes * graph.macs() as f64 * samples * f64::from(config.epochs);
    // A dense parent, one for each subset, serves all learners that start from it.
    flops += needed(config).len() as f64 * training;
    for learner in &config.learners {
        let (macs, weights) = shares(&graph, learner)?;
        flops += racers * macs * training;
        // Weight, gradient, momentum; a sparse weight also has its place.
        let words = if weights < 1.0 { 4.0 } else { 3.0 };
        bytes += racers * 4.0 * words * weights * graph.parameters() as f64;
    }
    let stored = |(id, n): (usize, &Node)| n.shape.c * n.shape.h * n.shape.w * graph.dtype(id, config.precision).bytes();
    let values: usize = graph.nodes.iter().enumerate().map(stored).sum();
    // The gradient of the largest layers lies beside what was kept for them.
    bytes += 1.1 * values as f64 * config.samples_a_pass() as f64;
    Some(Estimate { bytes, flops })
}

/// FLOPs a second that a kind of device does at the least, where nothing was measured.
pub fn guess(backend: &str, software: bool) -> f64 {
    match backend {
        "cpu" => 3e9,
        _ if software => 2e9,
        _ => 200e9,
    }
}

/// In words; `rate` in FLOPs a second, and whether it was measured here.
pub fn sentence(estimate: Estimate, rate: f64, measured: bool) -> String {
    format!(
        "About {} of memory, and {} of training: {} {}.",
        number::bytes(estimate.bytes as u64),
        number::flops(estimate.flops),
        number::about(estimate.flops / rate),
        if measured { "at the speed measured here" } else { "by a guess, until this device has been measured" }
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::config::Method;
    use sparring_core::hardness::Subset;
    use sparring_core::net::zoo::Model;

    #[test]
    fn memory_is_near_what_the_engine_measured() {
        // docs/ARCHITECTURE.md: a dense ResNet-20 step at batch 128 holds 214 MB.
        let config = ExperimentConfig { learners: vec![LearnerConfig::DENSE], control: false, ..ExperimentConfig::default() };
        let bytes = estimate(&config).unwrap().bytes;
        assert!((170e6..260e6).contains(&bytes), "{bytes}");
        let smaller = estimate(&ExperimentConfig { micro_batch: 32, ..config }).unwrap().bytes;
        assert!((0.2..0.3).contains(&(smaller / bytes)), "{smaller}");
    }

    #[test]
    fn work_is_the_networks_times_images_and_epochs() {
        let dense = ExperimentConfig {
            learners: vec![LearnerConfig::DENSE],
            control: false,
            subset: Subset::All,
            epochs: 1,
            ..ExperimentConfig::default()
        };
        // ResNet-20: 40.6 million multiply-accumulates an image.
        let flops = estimate(&dense).unwrap().flops;
        assert!((flops / (6.0 * 40.6e6 * 45_000.0) - 1.0).abs() < 0.02, "{flops}");
        let half = ExperimentConfig { subset: Subset::el2n_hard(0.5), control: true, ..dense.clone() };
        assert!((estimate(&half).unwrap().flops / flops - 1.0).abs() < 1e-9, "half the images, twice the learners");
        let uniform = ExperimentConfig { learners: vec!["set@0.1+uniform".parse().unwrap()], ..dense.clone() };
        assert!((estimate(&uniform).unwrap().flops / flops - 0.1).abs() < 1e-9);
        let erk = ExperimentConfig { learners: vec![LearnerConfig::new(Method::Set, 0.1)], ..dense.clone() };
        assert!((0.1..0.5).contains(&(estimate(&erk).unwrap().flops / flops)), "ERK spends more where images are large");
        let ticket = ExperimentConfig { learners: vec!["lth@0.1+uniform-pre".parse().unwrap()], ..dense.clone() };
        let alone = estimate(&uniform).unwrap().flops;
        assert!(estimate(&ticket).unwrap().flops > flops + 0.9 * alone, "its dense parent is trained too");
        let folder = ExperimentConfig { dataset: DatasetName::Folder, model: Model::Tiny, ..dense };
        assert_eq!(estimate(&folder), None);
    }

    #[test]
    fn a_guess_is_called_one() {
        let e = Estimate { bytes: 2e8, flops: 6e12 };
        assert!(sentence(e, 1e11, true).contains("60 s at the speed measured here"));
        assert!(sentence(e, guess("cpu", false), false).contains("33 min by a guess"));
    }
}
