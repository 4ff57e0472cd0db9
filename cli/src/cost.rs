//! What runs cost, told before they begin: whoever asks for days of work should know before the first of them is over.

use std::sync::Arc;

use sparring_core::attack::PgdConfig;
use sparring_core::config::{Adversarial, LearnerConfig};
use sparring_core::data::Dataset;
use sparring_core::device::info::DeviceChoice;
use sparring_core::hardness::Subset;
use sparring_core::train::parent::needed;
use sparring_core::{Device, Event, ExperimentConfig, Session};
use sparring_figures::number;

use crate::console::{Console, LONG, SHORTER, stopping};
use crate::import;

/// Share of the training file that is trained on; the rest is for validation.
const TRAIN_SHARE: f64 = 0.9;
/// FLOPs that are not worth measuring: two cores of a laptop do them in a quarter of an hour.
const LITTLE: f64 = 5e13;
/// Training steps that are measured, of at most so many images; the first is slower than all others.
const STEPS: usize = 4;
const BATCH: usize = 32;
/// Passes of an image through the network in a training step: forward, and two gradients.
const STEP: f64 = 3.0;

/// Whether a real GPU would compute.
pub fn has_gpu(choice: DeviceChoice) -> bool {
    match choice {
        DeviceChoice::Cpu => false,
        DeviceChoice::Gpu => true,
        DeviceChoice::Auto => pollster::block_on(sparring_core::gpu::adapters()).iter().any(|adapter| !adapter.software),
    }
}

/// Says how long these runs of one series will take, or the one run, where that is long and no GPU computes. `smaller`: what would be
/// shorter beside the usual.
pub fn tell(console: Console, runs: &[&ExperimentConfig], dataset: &Arc<Dataset>, smaller: &str) {
    let Some(first) = runs.first().filter(|first| flops(first, runs, dataset) > LITTLE && !has_gpu(first.device)) else { return };
    // What cannot be measured cannot be run either, and the run says why.
    let Ok(Some(pass)) = pollster::block_on(pass_seconds(first, dataset)) else { return };
    let seconds = pass * total(runs, dataset);
    if seconds > LONG {
        let what = if runs.len() > 1 { format!("the {} runs that are left", runs.len()) } else { "the run".to_owned() };
        let on = "without a GPU, by training steps of the dense network";
        console.say(format_args!(
            "estimate  about {} for {what} {on}; stopped, the same command goes on; shorter {smaller}{SHORTER}",
            number::about(seconds)
        ));
    }
}

/// FLOPs of all of it, were every learner dense; none where there is no such network.
fn flops(first: &ExperimentConfig, runs: &[&ExperimentConfig], dataset: &Dataset) -> f64 {
    let graph = import::graph(first.architecture(), first.dataset.normalization(), dataset.classes.len(), dataset.extent);
    graph.map_or(0.0, |graph| 2.0 * graph.macs() as f64 * total(runs, dataset))
}

fn total(runs: &[&ExperimentConfig], dataset: &Dataset) -> f64 {
    runs.iter().map(|config| work(config, dataset.train.len(), dataset.test.len())).sum()
}

/// Seconds of a pass of one image through the dense network, by training steps; `None` where a signal came before they were done.
pub async fn pass_seconds(config: &ExperimentConfig, dataset: &Arc<Dataset>) -> sparring_core::error::Result<Option<f64>> {
    let (device, _) = Device::open(config.device).await?;
    let batch_size = config.batch_size.min(BATCH);
    let dense = ExperimentConfig {
        learners: vec![LearnerConfig::DENSE],
        control: false,
        subset: Subset::All,
        p_data: 1.0,
        limit_train: STEPS * batch_size,
        batch_size,
        micro_batch: 0,
        scores: String::new(),
        column: String::new(),
        corruption: Default::default(),
        norm: Adversarial::None,
        ..config.clone()
    };
    let mut session = Session::new(dense, Arc::clone(dataset), None, device).await?;
    let mut seconds = None;
    for _ in 0..STEPS {
        if stopping() {
            return Ok(None);
        }
        for event in session.step_once().await? {
            if let Event::Progress { ms_per_step, .. } = event {
                seconds = Some(ms_per_step / 1e3 / (STEP * batch_size as f64));
            }
        }
    }
    Ok(seconds)
}

/// What a run costs, in passes of one image through a learner: what makes estimates comparable between fractions. A dense parent that it may
/// have to train first costs what a learner costs.
pub fn work(config: &ExperimentConfig, train: usize, test: usize) -> f64 {
    let learners = (config.learners.len() * config.corners().len()) as f64;
    own_work(config, train, test) * (learners + needed(config).len() as f64) / learners
}

/// The same without parents.
pub fn own_work(config: &ExperimentConfig, train: usize, test: usize) -> f64 {
    let limited = |n: f64, limit: usize| if limit == 0 { n } else { n.min(limit as f64) };
    let split = TRAIN_SHARE * train as f64;
    let there = split * config.p_data;
    let trained = limited(there.min(config.subset.count(there.round() as usize) as f64), config.limit_train);
    let evaluated = limited(train as f64 - split, config.limit_test) + limited(test as f64, config.limit_test);
    let (training, evaluation) = passes(config);
    let learners = (config.learners.len() * config.corners().len()) as f64;
    f64::from(config.epochs) * learners * (training * trained + evaluation * evaluated)
}

/// Passes of an image that is trained on, and of one that is evaluated.
fn passes(config: &ExperimentConfig) -> (f64, f64) {
    // Each step of an attack adds a forward pass and one gradient, and what it made is evaluated too.
    let steps = |attack: Option<PgdConfig>| attack.map_or(0.0, |attack| 2.0 * f64::from(attack.iterations));
    let attacked = f64::from(u8::from(config.test_attack().is_some()));
    let corrupted = if config.corruption.is_empty() { 0.0 } else { 0.5 };
    (STEP + steps(config.train_attack()), 1.0 + attacked + corrupted + steps(config.test_attack()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_follows_the_samples() {
        let config = ExperimentConfig { control: false, subset: Subset::All, ..Default::default() };
        let of = |p_data: f64, limit_test: usize| work(&ExperimentConfig { p_data, limit_test, ..config.clone() }, 50_000, 10_000);
        // Two learners, 20 epochs: 45,000 training samples three passes each, 15,000 evaluated.
        assert_eq!(of(1.0, 0), 40.0 * (3.0 * 45_000.0 + 15_000.0));
        assert_eq!(of(0.5, 100), 40.0 * (3.0 * 22_500.0 + 200.0));
        let first = ExperimentConfig { subset: Subset::First(5_000), limit_test: 100, ..config.clone() };
        assert_eq!(work(&first, 50_000, 10_000), 40.0 * (3.0 * 5_000.0 + 200.0));
    }
}
