//! The images of an experiment, and the hardness scores where its subset or its halves need them.

use anyhow::{Result, bail};
use sparring_core::ExperimentConfig;
use sparring_core::config::DatasetName;
use sparring_core::data::{Dataset, builtin};
use sparring_core::hardness::Scores;

use crate::console::Console;

/// What a session is given.
pub struct Source {
    pub dataset: Dataset,
    pub scores: Option<Scores>,
}

impl Source {
    /// The name of the normalisation that the dataset brings.
    pub fn normalization(&self) -> String {
        self.dataset.name.clone()
    }
}

/// Images and scores for an experiment.
pub fn load(console: Console, config: &ExperimentConfig) -> Result<Source> {
    let dataset = images(console, config.dataset, config.difficulty)?;
    Ok(Source { dataset, scores: None })
}

/// A dataset by name; says where it came from.
pub fn images(console: Console, name: DatasetName, difficulty: f32) -> Result<Dataset> {
    let dataset = match name {
        DatasetName::BuiltIn => builtin::builtin(difficulty, builtin::TRAIN, builtin::TEST, builtin::SEED),
        DatasetName::Cifar10 => bail!("no CIFAR-10 here"),
    };
    console.say(format_args!("data      {}: {} training and {} test images", dataset.name, dataset.train.len(), dataset.test.len()));
    Ok(dataset)
}
