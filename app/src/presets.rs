//! Ready-made experiments: what a first visit starts from.

use sparring_core::config::{DatasetName, ExperimentConfig, Subset};
use sparring_core::device::DeviceChoice;
use sparring_core::named_enum;
use sparring_core::net::zoo::Model;

named_enum! {
    /// An experiment with a name.
    pub enum Preset ("preset") {
        /// The hardest half of CIFAR-10, the main question.
        HardByNature = "hard-by-nature",
        /// Minutes on a phone: the built-in set and three small convolutions.
        QuickLook = "quick-look",
    }
}

impl Preset {
    /// What the select says.
    pub fn label(self) -> &'static str {
        match self {
            Self::HardByNature => "Hard by nature",
            Self::QuickLook => "Quick look",
        }
    }
    /// One plain sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::HardByNature => {
                "The hardest half of CIFAR-10 by EL2N, a ResNet-20 with all its weights against one with a fifth of them."
            }
            Self::QuickLook => "Images made in code and three small convolutions: no download, done in minutes even without a GPU.",
        }
    }
    /// The experiment, on the given device.
    pub fn config(self, device: DeviceChoice) -> ExperimentConfig {
        let base = ExperimentConfig { device, ..ExperimentConfig::default() };
        match self {
            Self::HardByNature => base,
            Self::QuickLook => ExperimentConfig {
                dataset: DatasetName::BuiltIn,
                subset: Subset::All,
                control: false,
                limit_train: 2048,
                limit_test: 1024,
                model: Model::Tiny,
                epochs: 10,
                batch_size: 64,
                lr: 0.05,
                ..base
            },
        }
    }
    /// The preset that a configuration is, if it is one.
    pub fn of(config: &ExperimentConfig) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.config(config.device) == *config)
    }
}
