//! Every field of an experiment as a flag of the same name, on top of a TOML file, on top of the defaults.
#![allow(rustdoc::broken_intra_doc_links, reason = "help texts with square brackets, not links")]

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use sparring_core::ExperimentConfig;
use sparring_core::config::{Adversarial, Allocation, DeathSchedule, LearnerConfig, LrSchedule, Method, Preset};
use sparring_core::corrupt::{CorruptionSet, Severities};
use sparring_core::data::DatasetName;
use sparring_core::device::info::DeviceChoice;
use sparring_core::error::ErrorKind;
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::{Model, Stem};
use sparring_core::ops::{OptimizerName, Precision};
use sparring_core::sparse::{Grow, Prune, Redistribution};

use crate::config_file;

/// A mistake in what was asked for, not in doing it: exit code 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Where to compute, as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceFlag {
    /// A hardware GPU, else the CPU
    Auto,
    /// Any GPU adapter, also a software one
    Gpu,
    /// The CPU backend
    Cpu,
}

impl From<DeviceFlag> for DeviceChoice {
    fn from(flag: DeviceFlag) -> Self {
        match flag {
            DeviceFlag::Auto => Self::Auto,
            DeviceFlag::Gpu => Self::Gpu,
            DeviceFlag::Cpu => Self::Cpu,
        }
    }
}

/// What `--learners` takes.
fn learners_help() -> String {
    let names = |all: Vec<&'static str>, between: &str| all.join(between);
    let methods: Vec<_> = Method::ALL.iter().map(|m| m.name()).collect();
    let allocations = Allocation::ALL.iter().map(|a| a.name()).collect();
    let prune = Prune::ALL.iter().map(|p| p.name()).collect();
    let grow = Grow::ALL.iter().map(|g| g.name()).collect();
    let redistribute = Redistribution::ALL.iter().filter(|r| **r != Redistribution::None).map(|r| r.name()).collect();
    format!(
        "Who is in the ring, comma separated: METHOD[@DENSITY][+OPTION]... with METHOD {}; options: an allocation ({}), \
         keep-first=LAYERS, masked, prune={}, grow={}, redistribute={} [default: dense,set@0.2]",
        one_of(&methods),
        names(allocations, ", "),
        names(prune, "|"),
        names(grow, "|"),
        names(redistribute, "|")
    )
}

/// "a, b or c".
fn one_of(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// Defines the flags and how they replace fields, from one list.
macro_rules! experiment_flags {
    ($($(#[$meta:meta])* $field:ident: $type:ty),+ $(,)?) => {
        /// One optional flag a field of the configuration.
        #[derive(Clone, Debug, Default, clap::Args)]
        #[command(next_help_heading = "Experiment")]
        pub struct ExperimentArgs {
            /// Read the configuration from this TOML file first; flags go on top
            #[arg(long, value_name = "FILE.toml")]
            pub config: Option<PathBuf>,
            /// Start from a recipe, flags go on top: paper (200 epochs of SGD on all samples, as the paper trains)
            #[arg(long, value_name = "NAME", conflicts_with = "config")]
            pub preset: Option<Preset>,
            $($(#[$meta])* #[arg(long)] pub $field: Option<$type>,)+
            #[arg(long, alias = "learner", value_delimiter = ',', help = learners_help())]
            pub learners: Vec<LearnerConfig>,
            /// Where to compute [default: auto]
            #[arg(long)]
            pub device: Option<DeviceFlag>,
            #[arg(long, hide = true, value_parser = no_sparsity)]
            sparsity: Option<String>,
        }
        impl ExperimentArgs {
            fn apply(&self, config: &mut ExperimentConfig) {
                // First of all: what is given of an attack is meant in its own norm.
                if let Some(norm) = self.norm.filter(|norm| *norm != config.norm) {
                    *config = std::mem::take(config).attacked_in(norm);
                }
                $(if let Some(value) = &self.$field { config.$field = value.clone(); })+
                if !self.learners.is_empty() {
                    config.learners.clone_from(&self.learners);
                }
                if let Some(device) = self.device {
                    config.device = device.into();
                }
            }
        }
    };
}

experiment_flags! {
    /// Images: cifar10, cifar100, cifar100-coarse, tinyimagenet, mnist, folder, builtin or builtin-grey [default: cifar10]
    dataset: DatasetName,
    /// Difficulty of the built-in set, 0 to 1 [default: 0.5]
    difficulty: f32,
    /// Where the images of mnist or folder lie; where it is empty, their place in the data folder [default: ]
    #[arg(value_name = "DIR")]
    folder: String,
    /// Side in pixels that the pictures of folder are brought to [default: 32]
    image_size: usize,
    /// Uniform random fraction of the training split, the same for every seed [default: 1]
    p_data: f64,
    /// Part of the training split: all, first:N (the first N of it), random:P, SCORE-hard:P, SCORE-easy:P or SCORE-middle:P with SCORE el2n, el2n-norm, grand, forgetting, uncertainty, loss or random [default: el2n-hard:0.5]
    subset: Subset,
    /// Also train every learner on a random subset of the same size [default: true]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    control: bool,
    /// Select the subset (and its control) with as many samples of every class [default: false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    balanced: bool,
    /// Hardness scores to use (.safetensors, .csv or .npy); without it those that ship or were made before, else they are made [default: ]
    #[arg(value_name = "FILE")]
    scores: String,
    /// Column of --scores, a table, that holds the score of the subset; without it the one of its name [default: ]
    #[arg(value_name = "NAME")]
    column: String,
    /// Bins of equal size that the test set is cut into by the same score, 0 for none [default: 5]
    bins: usize,
    /// Keep only this many training samples (0 = all) [default: 0]
    limit_train: usize,
    /// Evaluate on only this many test samples (0 = all): of CIFAR the first, of others as many of every class [default: 0]
    limit_test: usize,
    /// Corrupt training and validation images, each by one kind drawn from: none, standard (15 kinds), all (19), or names as gaussian-noise,fog; the test set is evaluated clean and corrupted [default: none]
    #[arg(value_name = "KINDS")]
    corruption: CorruptionSet,
    /// How strongly: 1 to 5, or mixed, drawn for each image [default: mixed]
    severity: Severities,
    #[arg(help = format!("Network: {} [default: resnet20]", Model::valid_names()))]
    model: Model,
    /// Factor on the network's hidden numbers of channels, 0.01 to 8; rounded to multiples of 4 [default: 1]
    width: f32,
    /// How a ResNet begins: auto (large for images of 64 pixels and up), small (3x3) or large (7x7, stride 2) [default: auto]
    stem: Stem,
    /// A bias in the classifier of resnet18, resnet34 and resnet50, as most published ones have [default: false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    classifier_bias: bool,
    /// Shortcuts of resnet20 to resnet56 by projection (option B) instead of padding (option A) [default: false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    projections: bool,
    /// Seed of weights, masks, data order and augmentation [default: 15]
    seed: u64,
    /// Passes over the subset [default: 20]
    epochs: u32,
    /// Samples a step [default: 128]
    batch_size: usize,
    /// Samples that pass through the network at once, 0 for the whole batch: less memory, the same step but for BatchNorm's statistics [default: 0]
    micro_batch: usize,
    /// Compute activations again in the backward pass instead of keeping them: less memory, more time, the same numbers [default: false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    recompute: bool,
    /// How activations are stored inside a step: f32, or bf16 for half the memory; what has a single pixel (an MLP's layers, logits) stays in f32, and all arithmetic is in f32; scenarios below the paper's scale take bf16 [default: f32]
    precision: Precision,
    /// Optimiser: sgd or adam [default: sgd]
    optimizer: OptimizerName,
    /// Learning rate at the start [default: 0.1]
    lr: f32,
    /// Its schedule: step, cosine or constant [default: step]
    lr_schedule: LrSchedule,
    /// SGD momentum [default: 0.9]
    momentum: f32,
    /// Nesterov momentum [default: true]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    nesterov: bool,
    /// L2 on all parameters [default: 0.0005]
    weight_decay: f32,
    /// Share of each training target that is spread evenly over all classes, as PyTorch's label_smoothing [default: 0]
    label_smoothing: f32,
    /// Random crop and flip [default: true]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    augment: bool,
    /// Epochs between topology updates [default: 2]
    update_frequency: u32,
    /// Share of a layer's weights replaced at the first update [default: 0.2]
    death_rate: f64,
    /// How that share falls: cosine or linear [default: cosine]
    death_schedule: DeathSchedule,
    /// gmp: share of the epochs after which its density is reached [default: 0.7]
    gmp_end: f64,
    /// Draw each position of a random mask by a coin of its own, so that counts vary [default: false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    bernoulli: bool,
    /// Checkpoint of the trained dense network for omp, lth and pre-erk; without one it is found among finished runs or trained first [default: ]
    #[arg(value_name = "FILE")]
    parent: String,
    /// Masked semantics: zero the momentum of inactive weights [default: false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    momentum_reset: bool,
    /// Adversarial training: none, linf or l2; radii and steps of attacks that are not given are those of the norm: 8/255 and 2/255 in linf, 0.5 and 0.1 in l2, where they are Euclidean lengths [default: none]
    norm: Adversarial,
    /// Radius of the attack on training batches, like 8/255; 0.5 in l2 [default: 0.03137255]
    #[arg(value_parser = fraction, value_name = "EPS")]
    train_eps: f32,
    /// Its steps; 0 trains without an attack [default: 10]
    train_step: u32,
    /// Length of a step, like 2/255; 0.1 in l2 [default: 0.007843138]
    #[arg(value_parser = fraction, value_name = "LENGTH")]
    train_gamma: f32,
    /// Whether it starts at random [default: true]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    train_randinit: bool,
    /// Radius of the attack of evaluations, like 8/255; 0.5 in l2 [default: 0.03137255]
    #[arg(value_parser = fraction, value_name = "EPS")]
    test_eps: f32,
    /// Its steps [default: 20]
    test_step: u32,
    /// Length of a step, like 2/255; 0.1 in l2 [default: 0.007843138]
    #[arg(value_parser = fraction, value_name = "LENGTH")]
    test_gamma: f32,
    /// Whether it starts at random [default: true]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    test_randinit: bool,
}

fn no_sparsity(text: &str) -> Result<String, String> {
    Err(config_file::instead_of_sparsity(text))
}

/// A number, or a fraction of two like `8/255`.
pub fn fraction(text: &str) -> Result<f32, String> {
    let number = |part: &str| part.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    let value = match text.split_once('/') {
        None => number(text),
        Some((a, b)) => number(a).zip(number(b)).filter(|(_, b)| *b != 0.0).map(|(a, b)| a / b),
    };
    value.map(|v| v as f32).ok_or_else(|| format!("expected a number like 0.03 or a fraction like 8/255, found '{text}'"))
}

impl ExperimentArgs {
    /// Whether nothing was said but where to compute, and from which seed: how large the experiment is, is then for the command to choose.
    pub fn says_nothing(&self) -> bool {
        let mut said = ExperimentConfig::default();
        self.apply(&mut said);
        let ExperimentConfig { seed, device, .. } = said;
        self.config.is_none() && self.preset.is_none() && said == ExperimentConfig { seed, device, ..ExperimentConfig::default() }
    }

    /// Whether a race keeps the size that is meant for a GPU: no flag or file says another, or a recipe that says its own is asked for.
    pub fn is_full_size(&self) -> bool {
        let Self { config, dataset, p_data, limit_train, model, width, epochs, subset, .. } = self;
        let sized = limit_train.is_some() || epochs.is_some() || p_data.is_some() || model.is_some() || dataset.is_some();
        config.is_none() && !sized && width.is_none() && subset.is_none()
    }

    /// The configuration these flags describe, on top of a file's, on top of `base`. It is not validated yet.
    pub fn resolve(&self, base: ExperimentConfig) -> Result<ExperimentConfig> {
        let mut config = match &self.config {
            Some(path) => config_file::asked(path, base)?.map_err(Usage)?,
            None => base,
        };
        if let Some(preset) = self.preset {
            config = config.preset(preset);
        }
        self.apply(&mut config);
        Ok(config)
    }
}

/// Checks ranges and combinations; a mistake is one of usage.
pub fn validate(config: &ExperimentConfig) -> Result<()> {
    if config.scores.is_empty() && !config.column.is_empty() {
        return Err(Usage(format!("--column {} names a column of --scores, and there is no --scores; name its file", config.column)).into());
    }
    config.validate().and_then(|()| config.check_attacks()).map_err(|e| Usage(e.to_string()).into())
}

/// What the engine refuses because of how it was asked is a mistake of usage; the rest is a failure.
pub fn as_asked(error: sparring_core::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::Config(_) | ErrorKind::UnknownName { .. } => Usage(error.to_string()).into(),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        experiment: ExperimentArgs,
    }

    fn parse(flags: &[&str]) -> Result<ExperimentConfig, String> {
        let flags = Flags::try_parse_from(std::iter::once("t").chain(flags.iter().copied())).map_err(|e| e.to_string())?;
        Ok(flags.experiment.resolve(ExperimentConfig::default()).unwrap())
    }

    #[test]
    fn every_field_is_a_flag_of_the_same_name() {
        use clap::CommandFactory;
        let command = Flags::command();
        let flags: Vec<_> = command.get_arguments().filter_map(|a| a.get_long()).map(str::to_owned).collect();
        let serde_json::Value::Object(fields) = serde_json::to_value(ExperimentConfig::default()).unwrap() else { panic!() };
        for field in fields.keys().filter(|f| *f != "version") {
            assert!(flags.contains(&field.replace('_', "-")), "no flag for {field}");
        }
    }

    #[test]
    fn the_help_names_every_method_and_rule() {
        let help = learners_help();
        let names = |all: Vec<&'static str>| all.into_iter().for_each(|name| assert!(help.contains(name), "{name}"));
        names(Method::ALL.iter().map(|m| m.name()).collect());
        names(Allocation::ALL.iter().map(|m| m.name()).collect());
        names(Prune::ALL.iter().map(|m| m.name()).collect());
        names(Grow::ALL.iter().map(|m| m.name()).collect());
        names(Redistribution::ALL.iter().filter(|r| **r != Redistribution::None).map(|m| m.name()).collect());
    }

    #[test]
    fn defaults_in_the_help_are_the_defaults() {
        use clap::CommandFactory;
        let serde_json::Value::Object(fields) = serde_json::to_value(ExperimentConfig::default()).unwrap() else { panic!() };
        for argument in Flags::command().get_arguments() {
            let Some(value) = argument.get_long().and_then(|long| fields.get(&long.replace('-', "_"))) else { continue };
            let help = argument.get_help().unwrap().to_string();
            let stated = help.split("[default: ").nth(1).unwrap().trim_end_matches(']').to_owned();
            let actual = match value {
                serde_json::Value::String(s) => s.clone(),
                serde_json::Value::Array(items) => items.iter().map(|i| i.as_str().unwrap()).collect::<Vec<_>>().join(","),
                serde_json::Value::Number(n) => format!("{}", n.as_f64().unwrap() as f32),
                other => other.to_string(),
            };
            assert_eq!(stated, actual, "{:?}", argument.get_long());
        }
    }

    #[test]
    fn a_wish_is_anything_but_the_place_and_the_seed() {
        let says_nothing = |flags: &[&str]| {
            let flags = Flags::try_parse_from(std::iter::once("t").chain(flags.iter().copied())).unwrap();
            flags.experiment.says_nothing()
        };
        assert!(says_nothing(&[]) && says_nothing(&["--device", "cpu", "--seed", "3"]));
        for wish in [&["--epochs", "3"][..], &["--preset", "paper"], &["--config", "x.toml"], &["--learners", "dense"]] {
            assert!(!says_nothing(wish), "{wish:?}");
        }
    }

    #[test]
    fn a_race_is_of_full_size_where_nothing_makes_it_smaller() {
        let full = |flags: &[&str]| {
            let flags = Flags::try_parse_from(std::iter::once("t").chain(flags.iter().copied())).unwrap();
            flags.experiment.is_full_size()
        };
        assert!(full(&["--learners", "dense,rigl@0.1"]) && full(&["--preset", "paper"]) && full(&["--seed", "3", "--lr", "0.05"]));
        for smaller in [["--epochs", "2"], ["--limit-train", "100"], ["--model", "tiny"], ["--dataset", "builtin"], ["--config", "c.toml"]]
        {
            assert!(!full(&smaller), "{smaller:?}");
        }
    }

    #[test]
    fn fractions_are_understood() {
        let config = parse(&["--norm", "linf", "--train-eps", "8/255", "--test-gamma", "0.01"]).unwrap();
        assert_eq!((config.norm, config.train_eps, config.test_gamma), (Adversarial::Linf, 8.0 / 255.0, 0.01));
        for wrong in ["8/0", "x", "1/", "nan", "8//255", ""] {
            assert!(fraction(wrong).unwrap_err().contains("like 8/255"), "{wrong}");
        }
    }

    #[test]
    fn a_norm_brings_its_radius_and_step_unless_they_are_given() {
        let lengths = |c: &ExperimentConfig| [c.train_eps, c.train_gamma, c.test_eps, c.test_gamma];
        let config = parse(&["--norm", "l2"]).unwrap();
        assert_eq!(lengths(&config), [0.5, 0.1, 0.5, 0.1]);
        assert!(config.attack_warnings().is_empty());
        // In whatever order they come, and however small.
        let given = parse(&["--test-eps", "8/255", "--norm", "l2", "--train-gamma", "0.05"]).unwrap();
        assert_eq!(lengths(&given), [0.5, 0.05, 8.0 / 255.0, 0.1]);
        assert!(given.attack_warnings().iter().any(|w| w.contains("evaluations is weak") && w.contains("0.5 is usual")));
        assert_eq!(lengths(&parse(&["--norm", "linf"]).unwrap()), lengths(&ExperimentConfig::default()));
        // On a scenario, whose few steps are longer.
        let flags = Flags::try_parse_from(["t", "--norm", "l2"]).unwrap();
        let smoke = ExperimentConfig::default().scenario(sparring_core::config::Scenario::Attack, sparring_core::config::Scale::Smoke);
        assert_eq!(lengths(&flags.experiment.resolve(smoke).unwrap()), [0.5, 0.2, 0.5, 0.2]);
    }

    #[test]
    fn flags_replace_fields() {
        let config = parse(&[
            "--model",
            "tiny",
            "--learners",
            "dense,rigl@0.1+uniform",
            "--lr-schedule",
            "cosine",
            "--control",
            "false",
            "--device",
            "cpu",
        ])
        .unwrap();
        assert_eq!(
            (config.model, config.lr_schedule, config.control, config.device),
            (Model::Tiny, LrSchedule::Cosine, false, DeviceChoice::Cpu)
        );
        assert_eq!(config.learners[1].to_string(), "rigl@0.1+uniform");
        assert_eq!(config.epochs, ExperimentConfig::default().epochs);
        let paper = parse(&["--preset", "paper", "--epochs", "3"]).unwrap();
        assert_eq!((paper.subset, paper.control, paper.epochs), (Subset::All, false, 3));
        assert!(parse(&["--model", "resnet19"]).unwrap_err().contains("valid: tiny, resnet20"));
    }
}
