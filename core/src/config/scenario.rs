//! The three questions at three sizes: what is hard, and how much time there is to find out who copes.
//!
//! A scenario is a base like any preset: flags go on top. A series repeats it over seeds and fractions of the data.

use super::{Adversarial, ExperimentConfig, LearnerConfig, Method, Preset};
use crate::corrupt::{CorruptionSet, Severities};
use crate::data::DatasetName;
use crate::hardness::Subset;
use crate::names::named_enum;
use crate::net::zoo::Model;
use crate::ops::Precision;

named_enum! {
    /// What makes the samples hard.
    pub enum Scenario ("scenario") {
        /// Hard by nature: the half of the training samples with the highest EL2N, with a random control.
        Nature = "nature",
        /// Hard by corruption: training and test images are corrupted.
        Corruption = "corruption",
        /// Hard by attack: adversarial training, and evaluation under attack.
        Attack = "attack",
    }
}
named_enum! {
    /// How much time there is.
    pub enum Scale ("scale") {
        /// Minutes on two CPU cores.
        Smoke = "smoke",
        /// Minutes on a laptop's GPU.
        Demo = "demo",
        /// The paper's recipe: days on a fast GPU.
        Paper = "paper",
    }
}

impl Scenario {
    /// Fractions of the training split (`p_data`) that a series of this size goes through.
    pub fn fractions(self, scale: Scale) -> &'static [f64] {
        match (self, scale) {
            (Self::Nature | Self::Corruption, Scale::Smoke) => &[0.1, 0.2],
            (Self::Attack, Scale::Smoke) => &[0.05, 0.1],
            (Self::Nature | Self::Corruption, Scale::Demo) => &[0.2, 1.0],
            (Self::Attack, Scale::Demo) => &[0.1, 0.5],
            (_, Scale::Paper) => &[0.1, 0.25, 0.5, 1.0],
        }
    }
}

impl Scale {
    /// Seeds of a series.
    pub fn seeds(self) -> usize {
        3
    }
}

impl ExperimentConfig {
    /// A scenario at a scale. Its seed and device stay.
    pub fn scenario(self, scenario: Scenario, scale: Scale) -> Self {
        let base = Self { seed: self.seed, device: self.device, ..Self::default() };
        base.size(scenario, scale).harden(scenario, scale)
    }

    /// Images, network, learners and time.
    fn size(self, scenario: Scenario, scale: Scale) -> Self {
        let sparse = |methods: &[Method]| {
            let sparse = methods.iter().map(|method| LearnerConfig::new(*method, 0.2));
            std::iter::once(LearnerConfig::DENSE).chain(sparse).collect()
        };
        let few = || sparse(&[Method::Set, Method::Snip]);
        match scale {
            // Small batches: many steps in little time, so that accuracies leave the ground.
            Scale::Smoke => Self {
                model: Model::Tiny,
                learners: few(),
                limit_test: if scenario == Scenario::Attack { 500 } else { 2000 },
                epochs: if scenario == Scenario::Attack { 5 } else { 6 },
                batch_size: 32,
                precision: Precision::Bf16,
                lr: 0.05,
                update_frequency: 1,
                ..self
            },
            Scale::Demo => Self {
                model: Model::ResNet20,
                width: if scenario == Scenario::Attack { 0.5 } else { 1.0 },
                learners: few(),
                limit_test: if scenario == Scenario::Attack { 1000 } else { 0 },
                epochs: 10,
                precision: Precision::Bf16,
                ..self
            },
            Scale::Paper => {
                let attack = scenario == Scenario::Attack;
                Self {
                    dataset: if attack { DatasetName::Cifar10 } else { DatasetName::Cifar100 },
                    model: if attack { Model::Vgg16 } else { Model::ResNet18 },
                    learners: sparse(&[Method::Set, Method::Snip, Method::Gmp, Method::Omp, Method::Lth]),
                    ..self.preset(Preset::Paper)
                }
            }
        }
    }

    /// What makes the samples hard, in place of what did before: the only place where scenarios differ in kind.
    pub fn harden(self, scenario: Scenario, scale: Scale) -> Self {
        let clear = Self { subset: Subset::All, control: false, corruption: CorruptionSet::NONE, ..self.attacked_in(Adversarial::None) };
        match scenario {
            Scenario::Nature => Self { subset: Subset::el2n_hard(0.5), control: true, ..clear },
            Scenario::Corruption => Self { corruption: CorruptionSet::STANDARD, severity: Severities::Mixed, ..clear },
            Scenario::Attack => Self {
                update_frequency: if scale == Scale::Paper { 4 } else { clear.update_frequency },
                norm: Adversarial::Linf,
                train_step: if scale == Scale::Smoke {
                    3
                } else if scale == Scale::Demo {
                    5
                } else {
                    10
                },
                test_step: if scale == Scale::Smoke {
                    5
                } else if scale == Scale::Demo {
                    10
                } else {
                    20
                },
                // Few steps are longer, so that they can cross the ball.
                train_gamma: if scale == Scale::Paper { 2.0 / 255.0 } else { 4.0 / 255.0 },
                test_gamma: if scale == Scale::Smoke { 4.0 / 255.0 } else { 2.0 / 255.0 },
                ..clear
            },
        }
    }

    /// What makes the samples hard: an attack before a corruption before nature, as runs are judged.
    pub fn hard_by(&self) -> Scenario {
        if self.norm != Adversarial::None {
            Scenario::Attack
        } else if self.corruption.is_empty() {
            Scenario::Nature
        } else {
            Scenario::Corruption
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_scenario_is_valid_at_every_scale_and_keeps_seed_and_device() {
        for &scenario in Scenario::ALL {
            for &scale in Scale::ALL {
                let config = ExperimentConfig { seed: 4, epochs: 99, ..Default::default() }.scenario(scenario, scale);
                config.validate().unwrap();
                assert_eq!(config.hard_by(), scenario);
                for &before in Scenario::ALL {
                    let other = config.clone().harden(before, scale);
                    assert_eq!(other.hard_by(), before, "nothing is left of {scenario}");
                }
                assert_eq!((config.seed, config.control), (4, scenario == Scenario::Nature));
                assert!(config.epochs != 99 && config.learners[0] == LearnerConfig::DENSE && config.learners.len() > 2);
                assert!(scenario.fractions(scale).iter().all(|f| *f > 0.0 && *f <= 1.0));
                assert!(scenario.fractions(scale).is_sorted() && scale.seeds() > 1);
            }
        }
    }

    #[test]
    fn a_scenario_sets_what_it_is_named_after() {
        for (scenario, field) in [(Scenario::Corruption, "corruption"), (Scenario::Attack, "norm")] {
            let set = ExperimentConfig::default().scenario(scenario, Scale::Smoke).non_defaults().unwrap();
            assert!(set.iter().any(|(name, _)| name == field), "{scenario} leaves {field} at its default");
        }
    }

    #[test]
    fn the_paper_scale_is_the_papers_recipe() {
        let config = ExperimentConfig::default().scenario(Scenario::Attack, Scale::Paper);
        assert_eq!((config.model, config.dataset, config.epochs, config.update_frequency), (Model::Vgg16, DatasetName::Cifar10, 200, 4));
        assert_eq!((config.lr, config.batch_size, config.limit_train, config.subset), (0.1, 128, 0, Subset::All));
        let config = ExperimentConfig::default().scenario(Scenario::Nature, Scale::Paper);
        assert_eq!((config.model, config.dataset, config.subset), (Model::ResNet18, DatasetName::Cifar100, Subset::el2n_hard(0.5)));
    }

    #[test]
    fn what_is_trained_for_show_stores_16_bits_and_the_papers_recipe_32() {
        for &scenario in Scenario::ALL {
            let at = |scale| ExperimentConfig::default().scenario(scenario, scale).precision;
            assert_eq!([Scale::Smoke, Scale::Demo, Scale::Paper].map(at), [Precision::Bf16, Precision::Bf16, Precision::F32]);
        }
    }
}
