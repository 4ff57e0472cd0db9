//! Whole recipes by name: what a paper says in a sentence and a person would otherwise type as ten flags.

use super::{DeathSchedule, ExperimentConfig, LrSchedule};
use crate::hardness::Subset;
use crate::names::named_enum;
use crate::ops::{OptimizerName, Precision};

named_enum! {
    /// A recipe.
    pub enum Preset ("preset") {
        /// The paper's: 200 epochs of SGD with Nesterov momentum on all samples, updates every second epoch.
        Paper = "paper",
    }
}

impl ExperimentConfig {
    /// This configuration with the recipe of a preset; dataset, network, learners, seed and device stay.
    pub fn preset(self, preset: Preset) -> Self {
        match preset {
            Preset::Paper => Self {
                subset: Subset::All,
                control: false,
                limit_train: 0,
                limit_test: 0,
                epochs: 200,
                batch_size: 128,
                precision: Precision::F32,
                optimizer: OptimizerName::Sgd,
                lr: 0.1,
                lr_schedule: LrSchedule::Step,
                momentum: 0.9,
                nesterov: true,
                weight_decay: 5e-4,
                augment: true,
                update_frequency: 2,
                death_rate: 0.2,
                death_schedule: DeathSchedule::Cosine,
                gmp_end: 0.7,
                momentum_reset: false,
                ..self
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::net::zoo::Model;

    #[test]
    fn the_papers_recipe_replaces_the_recipe_and_nothing_else() {
        let base = ExperimentConfig { model: Model::ResNet18, seed: 3, epochs: 7, lr: 9.0, control: true, ..Default::default() };
        let paper = base.clone().preset("paper".parse().unwrap());
        assert_eq!((paper.model, paper.seed, &paper.learners), (Model::ResNet18, 3, &base.learners));
        assert_eq!((paper.epochs, paper.lr, paper.control, paper.subset), (200, 0.1, false, Subset::All));
        paper.validate().unwrap();
        assert!("papers".parse::<Preset>().unwrap_err().to_string().contains("valid: paper"));
    }
}
