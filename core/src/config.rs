//! One description of an experiment: flags, TOML file, link and form are all this struct.
//!
//! Links and command lines carry what differs from the defaults; run directories carry everything. The hash is over the
//! complete configuration and the format version, so a changed default never reuses an old run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::net::zoo::Model;
use crate::platform::parse_f64;

/// Version of the configuration format; part of the hash and of links.
pub const FORMAT_VERSION: u32 = 1;

/// Defines a C-like enum with one text form used everywhere (flags, files, links, messages).
#[macro_export]
macro_rules! named_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident ($kind:literal) { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        $vis enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant),+ }
        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The text form.
            pub fn name(self) -> &'static str { match self { $(Self::$variant => $text),+ } }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.name()) }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::Error;
            fn from_str(s: &str) -> Result<Self, $crate::Error> {
                Self::ALL.iter().copied().find(|v| v.name().eq_ignore_ascii_case(s)).ok_or_else(|| $crate::Error::UnknownName {
                    kind: $kind,
                    name: s.to_owned(),
                    valid: Self::ALL.iter().map(|v| v.name()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

named_enum! {
    /// Where the images come from.
    pub enum DatasetName ("dataset") {
        /// CIFAR-10, 50,000 + 10,000 colour images of 32x32.
        Cifar10 = "cifar10",
        /// The built-in procedural set: ten classes of 32x32 colour images, made in code.
        BuiltIn = "builtin",
    }
}
named_enum! {
    /// How a learner's weights live.
    pub enum Method ("method") {
        /// All weights.
        Dense = "dense",
        /// A sparse mask that never changes.
        Static = "static",
        /// Prune by sign-wise magnitude, grow at random (Mocanu et al. 2018).
        Set = "set",
        /// Prune by magnitude, grow by gradient (Evci et al. 2020).
        RigL = "rigl",
    }
}
named_enum! {
    /// How density is shared among layers.
    pub enum Allocation ("allocation") {
        /// Erdos-Renyi kernel.
        Erk = "erk",
        /// The same everywhere.
        Uniform = "uniform",
    }
}
named_enum! {
    /// What inactive weights are.
    pub enum Semantics ("semantics") {
        /// Truly sparse: inactive weights and their momentum do not exist.
        Sparse = "sparse",
        /// Dense tensors times a mask, momentum never masked: exactly the paper's code.
        Masked = "masked",
    }
}
named_enum! {
    /// Optimiser.
    pub enum OptimizerName ("optimizer") {
        /// SGD with momentum.
        Sgd = "sgd",
        /// Adam.
        Adam = "adam",
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

/// Which part of the training split a race trains on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subset {
    /// Everything.
    All,
    /// A uniform random fraction.
    Random(f64),
    /// The fraction with the highest EL2N.
    El2nHard(f64),
    /// The fraction with the lowest EL2N.
    El2nEasy(f64),
}

impl Subset {
    /// The fraction of the training split that is kept.
    pub fn fraction(self) -> f64 {
        match self {
            Self::All => 1.0,
            Self::Random(p) | Self::El2nHard(p) | Self::El2nEasy(p) => p,
        }
    }
    /// Whether hardness scores are needed to select it.
    pub fn needs_scores(self) -> bool {
        matches!(self, Self::El2nHard(_) | Self::El2nEasy(_))
    }
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Random(p) => write!(f, "random:{p}"),
            Self::El2nHard(p) => write!(f, "el2n-hard:{p}"),
            Self::El2nEasy(p) => write!(f, "el2n-easy:{p}"),
        }
    }
}

impl FromStr for Subset {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let (name, fraction) = s.split_once(':').map_or((s, None), |(a, b)| (a, Some(b)));
        let fraction = match fraction {
            None => 1.0,
            Some(text) => parse_f64(text).filter(|p| *p > 0.0 && *p <= 1.0).ok_or_else(|| {
                Error::Config(format!("subset '{s}': the part after ':' must be a fraction above 0 and at most 1, found '{text}'"))
            })?,
        };
        match name {
            "all" => Ok(Self::All),
            "random" => Ok(Self::Random(fraction)),
            "el2n-hard" => Ok(Self::El2nHard(fraction)),
            "el2n-easy" => Ok(Self::El2nEasy(fraction)),
            _ => Err(Error::UnknownName { kind: "subset", name: name.to_owned(), valid: "all, random:P, el2n-hard:P, el2n-easy:P".into() }),
        }
    }
}

/// One corner of the ring. Text form: `method[@density][+allocation][+semantics]`, e.g. `set@0.2`, `static@0.1+uniform`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnerConfig {
    /// How its weights live.
    pub method: Method,
    /// Fraction of the weights that exist, in 0..=1. 1 for dense.
    pub density: f64,
    /// How density is shared.
    pub allocation: Allocation,
    /// What inactive weights are.
    pub semantics: Semantics,
}

impl LearnerConfig {
    /// The dense learner.
    pub const DENSE: Self = Self { method: Method::Dense, density: 1.0, allocation: Allocation::Erk, semantics: Semantics::Sparse };
}

impl fmt::Display for LearnerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        if self.method != Method::Dense {
            write!(f, "@{}", self.density)?;
            if self.allocation != Allocation::Erk {
                write!(f, "+{}", self.allocation)?;
            }
            if self.semantics != Semantics::Sparse {
                write!(f, "+{}", self.semantics)?;
            }
        }
        Ok(())
    }
}

impl FromStr for LearnerConfig {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let mut parts = s.split('+');
        let head = parts.next().unwrap_or_default();
        let (method, density) = head.split_once('@').map_or((head, None), |(m, d)| (m, Some(d)));
        let method: Method = method.parse()?;
        let mut learner = Self { method, density: 0.2, ..Self::DENSE };
        if method == Method::Dense {
            learner.density = 1.0;
        }
        if let Some(text) = density {
            learner.density = parse_f64(text).filter(|d| (0.0..=1.0).contains(d)).ok_or_else(|| {
                Error::Config(format!("learner '{s}': the density after '@' must be a number from 0 to 1, found '{text}'"))
            })?;
            if method == Method::Dense && learner.density != 1.0 {
                return Err(Error::Config(format!("learner '{s}': dense has density 1; use static, set or rigl for a sparse one")));
            }
        }
        for part in parts {
            if let Ok(allocation) = part.parse() {
                learner.allocation = allocation;
            } else if let Ok(semantics) = part.parse() {
                learner.semantics = semantics;
            } else {
                return Err(Error::UnknownName {
                    kind: "learner option",
                    name: part.to_owned(),
                    valid: "erk, uniform, sparse, masked".into(),
                });
            }
        }
        Ok(learner)
    }
}

macro_rules! serde_as_text {
    ($t:ty) => {
        impl Serialize for $t {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_text!(Subset);
serde_as_text!(LearnerConfig);

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
    /// Part of the training split.
    pub subset: Subset,
    /// Also train every learner on a random subset of the same size.
    pub control: bool,
    /// Keep only this many training samples after selection (0 = all); for quick looks and small devices.
    pub limit_train: usize,
    /// Evaluate on only this many test samples (0 = all).
    pub limit_test: usize,
    /// Network.
    pub model: Model,
    /// Who is in the ring.
    pub learners: Vec<LearnerConfig>,
    /// Seed of weights, masks, data order and augmentation; shared by the learners.
    pub seed: u64,
    /// Passes over the subset.
    pub epochs: u32,
    /// Samples a step.
    pub batch_size: usize,
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
    /// Random crop and flip (CIFAR-100 also rotation).
    pub augment: bool,
    /// Epochs between topology updates.
    pub update_frequency: u32,
    /// Share of a layer's weights replaced at the first update; follows a cosine to 0.001.
    pub death_rate: f64,
    /// Masked semantics: momentum of inactive weights is zeroed.
    pub momentum_reset: bool,
    /// Where to compute. Not part of the hash.
    pub device: DeviceChoice,
}

impl Default for ExperimentConfig {
    fn default() -> Self {
        Self {
            version: FORMAT_VERSION,
            dataset: DatasetName::Cifar10,
            difficulty: 0.5,
            subset: Subset::El2nHard(0.5),
            control: true,
            limit_train: 0,
            limit_test: 0,
            model: Model::ResNet20,
            learners: vec![LearnerConfig::DENSE, LearnerConfig { method: Method::Set, density: 0.2, ..LearnerConfig::DENSE }],
            seed: 15,
            epochs: 20,
            batch_size: 128,
            optimizer: OptimizerName::Sgd,
            lr: 0.1,
            lr_schedule: LrSchedule::Step,
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            augment: true,
            update_frequency: 2,
            death_rate: 0.2,
            momentum_reset: false,
            device: DeviceChoice::Auto,
        }
    }
}

impl ExperimentConfig {
    /// Checks what no type can: ranges and combinations. The message says what to change.
    pub fn validate(&self) -> Result<()> {
        let fail = |text: String| Err(Error::Config(text));
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
        for (name, value, low, high) in [
            ("lr", f64::from(self.lr), 0.0, 1e3),
            ("momentum", f64::from(self.momentum), 0.0, 1.0),
            ("weight_decay", f64::from(self.weight_decay), 0.0, 1.0),
            ("death_rate", self.death_rate, 0.0, 1.0),
            ("difficulty", f64::from(self.difficulty), 0.0, 1.0),
        ] {
            if !(low..=high).contains(&value) {
                return fail(format!("{name} must be from {low} to {high}, found {value}"));
            }
        }
        Ok(())
    }

    /// The complete configuration as JSON with what does not change the numbers (the device) at its default.
    pub fn canonical_json(&self) -> Result<String> {
        let canonical = Self { device: DeviceChoice::Auto, ..self.clone() };
        serde_json::to_string(&canonical).map_err(|e| Error::Config(e.to_string()))
    }

    /// First 12 hex digits of the SHA-256 over [`Self::canonical_json`].
    pub fn hash(&self) -> Result<String> {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(self.canonical_json()?.as_bytes());
        Ok(digest.iter().take(6).map(|b| format!("{b:02x}")).collect())
    }

    /// The fields that differ from the defaults, as (name, JSON value) pairs in field order.
    pub fn non_defaults(&self) -> Result<Vec<(String, serde_json::Value)>> {
        let as_map = |c: &Self| match serde_json::to_value(c) {
            Ok(serde_json::Value::Object(map)) => Ok(map),
            Ok(_) => Err(Error::Config("a configuration is not an object".into())),
            Err(e) => Err(Error::Config(e.to_string())),
        };
        let defaults = as_map(&Self::default())?;
        Ok(as_map(self)?.into_iter().filter(|(k, v)| defaults.get(k) != Some(v)).collect())
    }
}
