//! One description of an experiment: flags, TOML file, link and form are all this struct.
//!
//! Links and command lines carry what differs from the defaults; run directories carry everything. The hash is over the
//! complete configuration and the format version, so a changed default never reuses an old run.

use serde::{Deserialize, Serialize};

use crate::attack::Norm;
use crate::corrupt::{CorruptionSet, Severities};
use crate::data::DatasetName;
use crate::device::info::DeviceChoice;
use crate::error::{Error, Result};
use crate::hardness::Subset;
use crate::names::named_enum;
use crate::net::zoo::{Architecture, Input, Model, Stem};
use crate::net::{Graph, Training};
use crate::ops::{OptimizerName, Precision};

/// Version of the configuration format; part of the hash and of links.
pub const FORMAT_VERSION: u32 = 1;

mod attacks;
mod learner;
pub mod settings;
pub use learner::{Allocation, Dynamics, LearnerConfig, Method, Recipe, Semantics, Start};
mod preset;
pub use preset::Preset;
mod reads;
mod scenario;
pub use scenario::{Scale, Scenario};

named_enum! {
    /// How the share of replaced weights falls from update to update.
    pub enum DeathSchedule ("death-rate schedule") {
        /// Half a cosine, to 0.001.
        Cosine = "cosine",
        /// A straight line, to 0.
        Linear = "linear",
    }
}
named_enum! {
    /// Learning-rate schedule.
    pub enum LrSchedule ("learning-rate schedule") {
        /// A tenth at 1/2 and again at 3/4 of the epochs.
        Step = "step",
        /// Cosine to a hundredth.
        Cosine = "cosine",
        /// Never changes.
        Constant = "constant",
    }
}

named_enum! {
    /// Whether training is adversarial, and in which norm.
    pub enum Adversarial ("norm") {
        /// Clean training.
        None = "none",
        /// Bounded by the largest change of a pixel.
        Linf = "linf",
        /// Bounded by the Euclidean length of the change.
        L2 = "l2",
    }
}

impl Adversarial {
    /// The norm, where there is one.
    pub fn norm(self) -> Option<Norm> {
        match self {
            Self::None => None,
            Self::Linf => Some(Norm::Linf),
            Self::L2 => Some(Norm::L2),
        }
    }
}

/// Fields that came after the first hashes were written, at their default, where they are what was always done: they do not enter
/// the hash, so runs from before keep theirs.
const LATER_FIELDS: [&str; 5] =
    [",\"classifier_bias\":false", ",\"projections\":false", ",\"column\":\"\"", ",\"label_smoothing\":0.0", ",\"precision\":\"f32\""];

/// A complete experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExperimentConfig {
    /// Format version ([`FORMAT_VERSION`]).
    pub version: u32,
    /// Images.
    pub dataset: DatasetName,
    /// Difficulty of the built-in set, 0 (trivial) to 1 (hopeless).
    pub difficulty: f32,
    /// Where the images of `mnist` and `folder` lie; empty for their place in the data folder.
    pub folder: String,
    /// Side in pixels that the pictures of `folder` are brought to.
    pub image_size: usize,
    /// Uniform random fraction of the training split, the same for every seed; `subset` is a part of it.
    pub p_data: f64,
    /// Part of the training split.
    pub subset: Subset,
    /// Also train every learner on a random subset of the same size, where the subset is chosen by hardness.
    pub control: bool,
    /// Select the subset (and its control) with as many samples of every class.
    pub balanced: bool,
    /// File of hardness scores to use. Empty: those that ship with the program or were made before, else they are made.
    pub scores: String,
    /// Column of that file, a table, that holds the score. Empty: the one that is named as the score.
    pub column: String,
    /// Bins of equal size that the test set is cut into by the same score; accuracy is reported in each (0: none).
    pub bins: usize,
    /// Keep only this many training samples after selection (0 = all); for quick looks and small devices.
    pub limit_train: usize,
    /// Evaluate on only this many test samples (0 = all).
    pub limit_test: usize,
    /// What the training and validation images are corrupted by, each by one kind of the set; the test set is evaluated clean and so.
    pub corruption: CorruptionSet,
    /// How strongly: one severity, or one drawn for each image.
    pub severity: Severities,
    /// Network.
    pub model: Model,
    /// Factor on its hidden numbers of channels.
    pub width: f32,
    /// How a ResNet begins.
    pub stem: Stem,
    /// A bias in the classifier of ResNet18, 34 and 50.
    pub classifier_bias: bool,
    /// Shortcuts of ResNet-20 to 56 by projection (option B).
    pub projections: bool,
    /// Who is in the ring.
    pub learners: Vec<LearnerConfig>,
    /// Seed of weights, masks, data order and augmentation; shared by the learners.
    pub seed: u64,
    /// Passes over the subset.
    pub epochs: u32,
    /// Samples a step.
    pub batch_size: usize,
    /// Samples that pass through the network at once (0 = the whole batch): less memory, and the same numbers within rounding but
    /// for BatchNorm, which takes its statistics over these samples.
    pub micro_batch: usize,
    /// Compute activations again in the backward pass instead of keeping them: less memory, more time, the same numbers. Not part
    /// of the hash.
    pub recompute: bool,
    /// How activations are stored inside a step, in training and in the evaluations of a run ([`Graph::dtype`] says which). Scores of hardness
    /// are always made in f32, and a program that opens the weights later computes in f32.
    pub precision: Precision,
    /// Optimiser.
    pub optimizer: OptimizerName,
    /// Learning rate at the start.
    pub lr: f32,
    /// Its schedule.
    pub lr_schedule: LrSchedule,
    /// SGD momentum.
    pub momentum: f32,
    /// Nesterov momentum.
    pub nesterov: bool,
    /// L2 on all parameters.
    pub weight_decay: f32,
    /// Share of each training target that is spread evenly over all classes.
    pub label_smoothing: f32,
    /// Random crop and flip (CIFAR-100 also rotation).
    pub augment: bool,
    /// Epochs between topology updates.
    pub update_frequency: u32,
    /// Share of a layer's weights replaced at the first update.
    pub death_rate: f64,
    /// How it falls.
    pub death_schedule: DeathSchedule,
    /// Share of the epochs after which gradual pruning (gmp) has reached its density.
    pub gmp_end: f64,
    /// Draw every position of a random mask on its own, as the paper's code does, so that counts vary; otherwise they are exact.
    pub bernoulli: bool,
    /// Checkpoint of the trained dense network that omp, lth and pre-erk start from. Empty: it is trained first, or found among
    /// finished runs.
    pub parent: String,
    /// Masked semantics: momentum of inactive weights is zeroed.
    pub momentum_reset: bool,
    /// Adversarial training and evaluation: each training batch is replaced by what PGD makes of it, and every evaluation also
    /// attacks.
    pub norm: Adversarial,
    /// Radius of the attack on training batches, in pixel values of 0 to 1. What stands here is complete by itself; who reads a
    /// configuration in parts takes what is left out from its norm ([`Self::complete_attacks`]).
    pub train_eps: f32,
    /// Number of its steps.
    pub train_step: u32,
    /// Length of a step.
    pub train_gamma: f32,
    /// Whether it starts at random.
    pub train_randinit: bool,
    /// Radius of the attack of evaluations.
    pub test_eps: f32,
    /// Number of its steps.
    pub test_step: u32,
    /// Length of a step.
    pub test_gamma: f32,
    /// Whether it starts at random.
    pub test_randinit: bool,
    /// Where to compute. Not part of the hash.
    pub device: DeviceChoice,
}

impl Default for ExperimentConfig {
    fn default() -> Self {
        Self {
            version: FORMAT_VERSION,
            dataset: DatasetName::Cifar10,
            difficulty: 0.5,
            folder: String::new(),
            image_size: 32,
            p_data: 1.0,
            subset: Subset::el2n_hard(0.5),
            control: true,
            balanced: false,
            scores: String::new(),
            column: String::new(),
            bins: 5,
            limit_train: 0,
            limit_test: 0,
            corruption: CorruptionSet::NONE,
            severity: Severities::Mixed,
            model: Model::ResNet20,
            width: 1.0,
            stem: Stem::Auto,
            classifier_bias: false,
            projections: false,
            learners: vec![LearnerConfig::DENSE, LearnerConfig::new(Method::Set, 0.2)],
            seed: 15,
            epochs: 20,
            batch_size: 128,
            micro_batch: 0,
            recompute: false,
            precision: Precision::F32,
            optimizer: OptimizerName::Sgd,
            lr: 0.1,
            lr_schedule: LrSchedule::Step,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            label_smoothing: 0.0,
            augment: true,
            update_frequency: 2,
            death_rate: 0.2,
            death_schedule: DeathSchedule::Cosine,
            gmp_end: 0.7,
            bernoulli: false,
            parent: String::new(),
            momentum_reset: false,
            norm: Adversarial::None,
            train_eps: 8.0 / 255.0,
            train_step: 10,
            train_gamma: 2.0 / 255.0,
            train_randinit: true,
            test_eps: 8.0 / 255.0,
            test_step: 20,
            test_gamma: 2.0 / 255.0,
            test_randinit: true,
            device: DeviceChoice::Auto,
        }
    }
}

impl ExperimentConfig {
    /// Checks what no type can: ranges and combinations. The message says what to change.
    pub fn validate(&self) -> Result<()> {
        let fail = |text: String| Err(Error::config(text));
        if self.version != FORMAT_VERSION {
            return fail(format!("format version {} is not {FORMAT_VERSION}; write it again with this program", self.version));
        }
        if self.learners.is_empty() || self.learners.len() > 8 {
            return fail(format!("learners: 1 to 8 are possible, found {}", self.learners.len()));
        }
        if self.epochs == 0 {
            return fail("epochs must be at least 1".into());
        }
        if self.batch_size == 0 || self.batch_size > 4096 {
            return fail(format!("batch_size must be 1 to 4096, found {}", self.batch_size));
        }
        if self.update_frequency == 0 {
            return fail("update_frequency must be at least 1 epoch".into());
        }
        if self.bins > 100 {
            return fail(format!("bins must be at most 100, found {}", self.bins));
        }
        if !self.folder.is_empty() && !matches!(self.dataset, DatasetName::Mnist | DatasetName::Folder) {
            return fail(format!("folder is for the datasets mnist and folder, but the dataset is {}", self.dataset));
        }
        if !(8..=512).contains(&self.image_size) || !self.image_size.is_multiple_of(2) {
            return fail(format!("image_size must be even and from 8 to 512 pixels, found {}", self.image_size));
        }
        if i64::try_from(self.seed).is_err() {
            return fail(format!("seed must be below 2^63, which is as far as a configuration file counts, found {}", self.seed));
        }
        // Written so that NaN fails.
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return fail(format!("label_smoothing must be at least 0 and below 1, found {}", self.label_smoothing));
        }
        if !(self.p_data > 0.0 && self.p_data <= 1.0) {
            return fail(format!("p_data must be above 0 and at most 1, found {}", self.p_data));
        }
        for (name, value, low, high) in [
            ("lr", f64::from(self.lr), 0.0, 1e3),
            ("momentum", f64::from(self.momentum), 0.0, 1.0),
            ("weight_decay", f64::from(self.weight_decay), 0.0, 1.0),
            ("death_rate", self.death_rate, 0.0, 1.0),
            ("gmp_end", self.gmp_end, 0.0, 1.0),
            ("difficulty", f64::from(self.difficulty), 0.0, 1.0),
            ("width", f64::from(self.width), 0.01, f64::from(*Architecture::WIDTHS.end())),
        ] {
            if !(low..=high).contains(&value) {
                return fail(format!("{name} must be from {low} to {high}, found {value}"));
            }
        }
        // Also where no norm is chosen: what stands in a configuration is written again, and infinity is no number of JSON's or TOML's.
        for (name, value, _) in self.clone().lengths() {
            if !value.is_finite() {
                return fail(format!("{name} must be a number that float32 holds, found {value}"));
            }
        }
        for attack in [self.train_attack(), self.test_attack()].into_iter().flatten() {
            attack.check()?;
        }
        for (index, learner) in self.learners.iter().enumerate() {
            learner.check()?;
            if self.learners[..index].contains(learner) {
                return fail(format!("learner '{learner}' stands there twice, and would train to the same numbers twice; name it once"));
            }
            if learner.recipe().dynamics == Dynamics::Gradual && self.gradual_updates() == 0 {
                return fail(format!(
                    "learner '{learner}' is pruned every {} epochs until {} of {} epochs, which is never; train longer or update more often",
                    self.update_frequency, self.gmp_end, self.epochs
                ));
            }
        }
        Ok(())
    }

    /// Number of updates of gradual pruning. The last epoch has none: nothing would train what is left.
    pub fn gradual_updates(&self) -> u32 {
        let frequency = self.update_frequency.max(1);
        // A product like 0.7 * 90 may lie a last bit below the whole number that is meant.
        let until = (self.gmp_end * f64::from(self.epochs) + 1e-9) as u32;
        until.min(self.epochs.saturating_sub(1)) / frequency
    }

    /// Number of samples that pass through the network at once.
    pub fn samples_a_pass(&self) -> usize {
        if self.micro_batch == 0 { self.batch_size } else { self.micro_batch.min(self.batch_size) }
    }

    /// Whether some pass of an epoch over so many samples has one sample alone: the rest of the last batch, or of one in parts.
    pub fn has_single_sample(&self, samples: usize) -> bool {
        let (batch, part) = (self.batch_size.max(1), self.samples_a_pass().max(1));
        let alone = |batch: usize| batch > 0 && (part == 1 || batch % part == 1);
        (samples >= batch && alone(batch)) || alone(samples % batch)
    }

    /// How its networks are trained.
    pub fn training(&self) -> Training {
        let in_parts = self.samples_a_pass() < self.batch_size;
        Training {
            precision: self.precision,
            recompute: self.recompute,
            in_parts,
            momentum_reset: self.momentum_reset,
            ..self.optimizer.into()
        }
    }

    /// The subsets that are trained on, and whether each is a control: the one asked for, and a random one of the same size.
    pub fn corners(&self) -> Vec<(Subset, bool)> {
        let mut out = vec![(self.subset, false)];
        if let Subset::Ranked { fraction, .. } = self.subset
            && self.control
        {
            out.push((Subset::Random(fraction), true));
        }
        out
    }

    /// Whether it asks for hardness scores: its subset ranks by one, or it names a file of them. Others are neither made nor needed.
    pub fn asks_for_scores(&self) -> bool {
        self.subset.needs_scores() || !self.scores.is_empty()
    }

    /// The network at its width.
    pub fn architecture(&self) -> Architecture {
        let Self { model, width, stem, classifier_bias, projections, .. } = *self;
        Architecture { model, width, stem, classifier_bias, projections }
    }

    /// The network for this input.
    ///
    /// # Errors
    /// As [`Architecture::graph`].
    pub fn graph(&self, input: Input) -> Result<Graph> {
        self.architecture().graph(input)
    }

    /// The complete configuration as JSON with what does not change the numbers (the device, recomputation) at its default, and without
    /// the fields of `LATER_FIELDS` that are at theirs.
    pub fn canonical_json(&self) -> Result<String> {
        let canonical = Self { device: DeviceChoice::Auto, recompute: false, ..self.clone() };
        let text = serde_json::to_string(&canonical).map_err(|e| Error::config(e.to_string()))?;
        // A quotation mark within a value is escaped, so these are never a part of one.
        Ok(LATER_FIELDS.iter().fold(text, |text, at_default| text.replacen(at_default, "", 1)))
    }

    /// First 12 hex digits of the SHA-256 over [`Self::canonical_json`].
    pub fn hash(&self) -> Result<String> {
        Ok(digest(self.canonical_json()?.as_bytes()))
    }

    /// The fields that differ from the defaults (radii and steps of attacks from those of their norm), as (name, JSON value) pairs in field order.
    pub fn non_defaults(&self) -> Result<Vec<(String, serde_json::Value)>> {
        let defaults = Self { norm: Adversarial::None, ..Self::default().attacked_in(self.norm) }.fields()?;
        Ok(self.fields()?.into_iter().filter(|(k, v)| defaults.get(k) != Some(v)).collect())
    }

    /// Its fields by name. Through text, so that the page needs no second writer that writes trees.
    pub fn fields(&self) -> Result<serde_json::Map<String, serde_json::Value>> {
        let text = serde_json::to_string(self).map_err(|e| Error::config(e.to_string()))?;
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).map_err(|e| Error::config(e.to_string()))
    }
    /// The configuration of these fields. Through text too, instead of a second reader.
    ///
    /// # Errors
    /// `Config` where a field is missing, unknown, or of another kind.
    pub fn of_fields(fields: &serde_json::Map<String, serde_json::Value>) -> Result<Self> {
        let text = serde_json::to_string(fields).map_err(|e| Error::config(e.to_string()))?;
        serde_json::from_str(&text).map_err(|e| {
            // Nobody wrote that text: a place in it says nothing.
            let words = e.to_string();
            Error::config(words.split(" at line ").next().unwrap_or_default())
        })
    }
}

/// First 12 hex digits of the SHA-256.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().take(6).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn fields_that_came_later_enter_the_hash_only_where_they_are_set() {
        let own = ExperimentConfig::default();
        let text = own.canonical_json().unwrap();
        assert!(LATER_FIELDS.iter().all(|field| serde_json::to_string(&own).unwrap().contains(field)));
        assert!(LATER_FIELDS.iter().all(|field| !text.contains(field.split('"').nth(1).unwrap())), "{text}");
        assert_eq!(serde_json::from_str::<ExperimentConfig>(&text).unwrap(), own);
        for set in [
            ExperimentConfig { classifier_bias: true, ..own.clone() },
            ExperimentConfig { projections: true, ..own.clone() },
            ExperimentConfig { column: "x".into(), ..own.clone() },
            ExperimentConfig { label_smoothing: 0.1, ..own.clone() },
            ExperimentConfig { precision: Precision::Bf16, ..own.clone() },
        ] {
            assert_ne!(set.hash().unwrap(), own.hash().unwrap());
            assert_eq!(serde_json::from_str::<ExperimentConfig>(&set.canonical_json().unwrap()).unwrap(), set);
        }
        // Text of a person's own that looks like one stays.
        let folder = ExperimentConfig { dataset: DatasetName::Folder, folder: LATER_FIELDS[0].into(), ..own };
        assert_eq!(serde_json::from_str::<ExperimentConfig>(&folder.canonical_json().unwrap()).unwrap(), folder);
    }
}
