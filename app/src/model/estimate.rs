//! What a race will take before it starts: memory and time, from the network's own shapes and the work that is to be done.
//!
//! Memory counts weights with gradient and momentum, and the activations of a step, which learners share. Time is the work, arithmetic and
//! bytes moved, at the speed that this device was measured at, else at a guess for its kind, and says which.

use sparring_core::config::{ExperimentConfig, LearnerConfig};
use sparring_core::data::DatasetName;
use sparring_core::error::Result;
use sparring_core::net::Graph;
use sparring_core::net::graph::{Node, WEIGHT_BYTES};
use sparring_core::net::zoo::Input;
use sparring_core::train::parent::needed;
use sparring_core::train::placing::expected_densities;
use sparring_figures::number;

use crate::model::mask::images;

/// An estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Device bytes.
    pub bytes: f64,
    /// Training of all learners over all epochs, and of the dense parents that some start from.
    pub work: Work,
}

/// What is to be computed, and what is to be moved for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// FLOPs.
    pub flops: f64,
    /// Bytes of activations, gradients and weights.
    pub moved: f64,
}

impl Work {
    /// So many times as much.
    pub fn times(self, factor: f64) -> Self {
        Self { flops: self.flops * factor, moved: self.moved * factor }
    }
}

/// How much of either a device does in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// FLOPs.
    pub flops: f64,
    /// Bytes.
    pub moved: f64,
}

impl Speed {
    /// What a kind of device does at the least, where nothing was measured.
    pub fn guess(backend: &str, software: bool) -> Self {
        let (flops, moved) = match backend {
            "cpu" => (3e9, 6e9),
            _ if software => (2e9, 8e9),
            _ => (250e9, 30e9),
        };
        Self { flops, moved }
    }
    /// Seconds of some work.
    pub fn seconds(&self, work: Work) -> f64 {
        work.flops / self.flops + work.moved / self.moved
    }
    /// What explains these seconds of some work each: both speeds, where they differ enough to tell them apart, else the guess, made slower or
    /// faster. `None` where nothing was measured.
    pub fn measured(steps: &[(Work, f64)], guess: Self) -> Option<Self> {
        let steps: Vec<_> = steps.iter().filter(|(work, seconds)| *seconds > 0.0 && guess.seconds(*work) > 0.0).collect();
        if steps.is_empty() {
            return None;
        }
        // Least squares of relative errors: seconds = flops x a + moved x b.
        let sum = |of: &dyn Fn(f64, f64) -> f64| steps.iter().map(|(w, t)| of(w.flops / t, w.moved / t)).sum::<f64>();
        let (ff, fm, mm, f, m) = (sum(&|f, _| f * f), sum(&|f, m| f * m), sum(&|_, m| m * m), sum(&|f, _| f), sum(&|_, m| m));
        let determinant = ff * mm - fm * fm;
        let (a, b) = ((f * mm - m * fm) / determinant, (m * ff - f * fm) / determinant);
        let slower = steps.iter().map(|(work, seconds)| seconds / guess.seconds(*work)).sum::<f64>() / steps.len() as f64;
        let scaled = Self { flops: guess.flops / slower, moved: guess.moved / slower };
        let both = Self { flops: 1.0 / a, moved: 1.0 / b };
        // Times that hang on neither (dispatches, noise) would explain themselves by speeds that no device has.
        let likely = |found: f64, scaled: f64| (0.1..10.0).contains(&(found / scaled));
        let told_apart = determinant > 0.01 * ff * mm && likely(both.flops, scaled.flops) && likely(both.moved, scaled.moved);
        Some(if told_apart { both } else { scaled })
    }
}

/// Passes over the network for each image: forward and back; each step of an attack is a forward and the way back to the image.
fn passes(config: &ExperimentConfig) -> f64 {
    3.0 + config.train_attack().map_or(0.0, |a| 2.0 * f64::from(a.iterations))
}

/// The network of a configuration, where its images are known; an error where it does not take them.
fn graph(config: &ExperimentConfig) -> Option<Result<Graph>> {
    let (extent, classes) = images(config.dataset)?;
    Some(config.graph(Input { extent, classes, mean: [0.0; 4], std: [1.0; 4] }))
}
fn network(config: &ExperimentConfig) -> Option<Graph> {
    graph(config)?.ok()
}

/// Why the network does not take these images; `None` where it does, as far as is known.
pub fn misfit(config: &ExperimentConfig) -> Option<String> {
    graph(config)?.err().map(|error| error.to_string())
}

/// Bytes that training on an image moves; recomputation left out.
pub fn bytes_an_image(config: &ExperimentConfig) -> Option<f64> {
    Some(moved_an_image(&network(config)?, config))
}
fn moved_an_image(graph: &Graph, config: &ExperimentConfig) -> f64 {
    graph.training_bytes(config.precision) as f64 * passes(config) / 3.0
}

/// The work of a step over a batch: its FLOPs, and the bytes of its images and weights.
pub fn step(flops: u64, batch: usize, bytes_an_image: f64, weights: u64) -> Work {
    Work { flops: flops as f64, moved: bytes_an_image * batch as f64 + (weights * WEIGHT_BYTES) as f64 }
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
    let shapes: Vec<Vec<usize>> = weights.iter().map(|w| w.extents.clone()).collect();
    let densities = expected_densities(learner, &shapes).ok()?;
    let macs: f64 = weights.iter().zip(&densities).map(|(w, d)| d * w.shape.weights() as f64 * w.positions() as f64).sum();
    Some((macs / graph.macs() as f64, learner.density))
}

/// The work of each learner, in shares of the dense network's; by density alone where the network or its images are not known.
pub fn work(config: &ExperimentConfig) -> Vec<f64> {
    let graph = network(config);
    let of = |learner: &LearnerConfig| graph.as_ref().and_then(|graph| shares(graph, learner)).map_or(learner.density, |(macs, _)| macs);
    config.learners.iter().map(of).collect()
}

/// `None` where the network or its images are not known.
pub fn estimate(config: &ExperimentConfig) -> Option<Estimate> {
    let graph = network(config)?;
    let there = training_images(config.dataset)? * config.p_data;
    let mut samples = there.min(config.subset.count(there.round() as usize) as f64);
    if config.limit_train > 0 {
        samples = samples.min(config.limit_train as f64);
    }
    let racers = config.corners().len() as f64;
    let images = samples * f64::from(config.epochs);
    let (mut bytes, mut work) = (0.0, Work::default());
    let bytes_an_image = moved_an_image(&graph, config);
    let mut train = |times: f64, macs: f64, weights: f64| {
        work.flops += times * macs * 2.0 * passes(config) * graph.macs() as f64 * images;
        let of_weights = weights * graph.parameters() as f64 * WEIGHT_BYTES as f64 / config.batch_size as f64;
        work.moved += times * (bytes_an_image + of_weights) * images;
    };
    // A dense parent, one for each subset, serves all learners that start from it.
    train(needed(config).len() as f64, 1.0, 1.0);
    for learner in &config.learners {
        let (macs, weights) = shares(&graph, learner)?;
        train(racers, macs, weights);
        // Weight, gradient, momentum; a sparse weight also has its place.
        let words = if weights < 1.0 { 4.0 } else { 3.0 };
        bytes += racers * 4.0 * words * weights * graph.parameters() as f64;
    }
    let stored = |(id, n): (usize, &Node)| n.shape.c * n.shape.h * n.shape.w * graph.dtype(id, config.precision).bytes();
    let values: usize = graph.nodes.iter().enumerate().map(stored).sum();
    // The gradient of the largest layers lies beside what was kept for them.
    bytes += 1.1 * values as f64 * config.samples_a_pass() as f64;
    Some(Estimate { bytes, work })
}

/// How many of the epochs, all of which take `seconds`, end within a limit: one at the least.
pub fn epochs_within(limit: f64, epochs: u32, seconds: f64) -> u32 {
    ((limit / seconds * f64::from(epochs)) as u32).clamp(1, epochs.max(1))
}

/// In words; and whether the speed was measured here.
pub fn sentence(estimate: Estimate, speed: Speed, measured: bool) -> String {
    format!(
        "About {} {}; {} of memory.",
        number::about(speed.seconds(estimate.work)),
        if measured { "at the speed measured here" } else { "by a guess" },
        number::bytes(estimate.bytes as u64),
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
    fn a_slow_device_is_given_the_epochs_that_it_can_do() {
        assert_eq!([30.0, 120.0, 300.0, 5000.0, 0.0].map(|seconds| epochs_within(120.0, 10, seconds)), [10, 10, 4, 1, 10]);
    }

    #[test]
    fn what_was_timed_says_what_a_race_takes() {
        // Twice the work of what was timed, in the same mix, takes twice as long, whatever was guessed.
        let (work, guess) = (Work { flops: 1e9, moved: 1e8 }, Speed::guess("cpu", false));
        let speed = Speed::measured(&[(work, 0.2)], guess).unwrap();
        assert!((speed.seconds(Work { flops: 2e9, moved: 2e8 }) - 0.4).abs() < 1e-9);
    }

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
        let flops = estimate(&dense).unwrap().work.flops;
        assert!((flops / (6.0 * 40.6e6 * 45_000.0) - 1.0).abs() < 0.02, "{flops}");
        let half = ExperimentConfig { subset: Subset::el2n_hard(0.5), control: true, ..dense.clone() };
        assert!((estimate(&half).unwrap().work.flops / flops - 1.0).abs() < 1e-9, "half the images, twice the learners");
        let uniform = ExperimentConfig { learners: vec!["set@0.1+uniform".parse().unwrap()], ..dense.clone() };
        assert!((estimate(&uniform).unwrap().work.flops / flops - 0.1).abs() < 1e-9);
        let erk = ExperimentConfig { learners: vec![LearnerConfig::new(Method::Set, 0.1)], ..dense.clone() };
        assert!((0.1..0.5).contains(&(estimate(&erk).unwrap().work.flops / flops)), "ERK spends more where images are large");
        let ticket = ExperimentConfig { learners: vec!["lth@0.1+uniform-pre".parse().unwrap()], ..dense.clone() };
        let alone = estimate(&uniform).unwrap().work.flops;
        assert!(estimate(&ticket).unwrap().work.flops > flops + 0.9 * alone, "its dense parent is trained too");
        let folder = ExperimentConfig { dataset: DatasetName::Folder, model: Model::Tiny, ..dense };
        assert_eq!(estimate(&folder), None);
    }

    #[test]
    fn a_network_that_does_not_take_the_images_says_so() {
        let of = |model, dataset| misfit(&ExperimentConfig { model, dataset, ..ExperimentConfig::default() });
        let why = of(Model::LeNet5, DatasetName::Cifar10).unwrap();
        assert!(why.contains("takes 28x28 images of one channel, but these have 32x32 and 3"), "{why}");
        assert_eq!(of(Model::LeNet5, DatasetName::BuiltInGrey), None);
        assert_eq!(of(Model::ResNet20, DatasetName::Cifar10), None);
        assert_eq!(of(Model::LeNet5, DatasetName::Folder), None, "only the disk knows");
    }

    #[test]
    fn a_guess_is_called_one() {
        let e = Estimate { bytes: 2e8, work: Work { flops: 6e12, moved: 0.0 } };
        assert!(sentence(e, Speed { flops: 1e11, moved: 1e11 }, true).contains("60 s at the speed measured here"));
        assert!(sentence(e, Speed::guess("cpu", false), false).contains("33 min by a guess"));
    }

    #[test]
    fn what_was_measured_explains_itself_and_foretells_others() {
        let guess = Speed::guess("webgpu", false);
        assert_eq!(Speed::measured(&[], guess), None);
        assert_eq!(Speed::measured(&[(Work { flops: 1e9, moved: 1e8 }, 0.0)], guess), None, "a step that took no time was not measured");
        // One learner says how much slower than the guess the device is, not at what.
        let dense = Work { flops: 31e9, moved: 1.7e9 };
        let one = Speed::measured(&[(dense, 2.0 * guess.seconds(dense))], guess).unwrap();
        assert!((one.seconds(dense) / guess.seconds(dense) - 2.0).abs() < 1e-9);
        // Two that differ say both: a third is foretold.
        let device = Speed { flops: 2e12, moved: 60e9 };
        let [sparse, between] = [0.1, 0.3].map(|share| Work { flops: share * dense.flops, moved: dense.moved });
        let both = Speed::measured(&[(dense, device.seconds(dense)), (sparse, device.seconds(sparse))], guess).unwrap();
        assert!((both.flops / device.flops - 1.0).abs() < 1e-6 && (both.moved / device.moved - 1.0).abs() < 1e-6, "{both:?}");
        assert!((both.seconds(between) / device.seconds(between) - 1.0).abs() < 1e-6);
        // Where steps take the same time whatever is computed, or the sparse one is slower, no two speeds are made up.
        for seconds in [0.999, 1.0, 1.1] {
            let alike = Speed::measured(&[(dense, 1.0), (sparse, seconds)], guess).unwrap();
            assert!((alike.flops / alike.moved / (guess.flops / guess.moved) - 1.0).abs() < 1e-9, "{alike:?}");
            assert!((0.1..10.0).contains(&alike.seconds(between)), "{alike:?}");
        }
    }
}
