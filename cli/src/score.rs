//! `score`: a scoring run whose EL2N scores go to a file.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sparring_core::ExperimentConfig;
use sparring_core::config::DatasetName;
use sparring_core::hardness::scoring::{SCORING_EPOCHS, scoring_config};
use sparring_core::net::zoo::Model;

use crate::args::{DeviceFlag, validate};
use crate::console::{Console, stop_on_interrupt};
use crate::{data, rundir, source, table};

/// Flags of `score`.
#[derive(clap::Args)]
pub struct ScoreArgs {
    /// Images, as --dataset of race names them
    #[arg(long, default_value = "cifar10")]
    dataset: DatasetName,
    /// Difficulty of the built-in set, 0 to 1
    #[arg(long, default_value_t = 0.5)]
    difficulty: f32,
    #[command(flatten)]
    place: data::Place,
    /// The scoring network
    #[arg(long, default_value = "resnet20")]
    model: Model,
    /// Epochs of its training
    #[arg(long, default_value_t = SCORING_EPOCHS)]
    epochs: u32,
    /// Seed of weights, data order and augmentation
    #[arg(long, default_value_t = 15)]
    seed: u64,
    /// Where to write the scores
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
    /// Where to compute
    #[arg(long, default_value = "auto")]
    device: DeviceFlag,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Trains, scores, writes.
pub fn score(args: &ScoreArgs) -> Result<()> {
    let console = Console::new(args.json);
    let base = ExperimentConfig {
        dataset: args.dataset,
        difficulty: args.difficulty,
        folder: args.place.folder.clone(),
        image_size: args.place.image_size,
        model: args.model,
        seed: args.seed,
        device: args.device.into(),
        ..Default::default()
    };
    let config = scoring_config(&base, args.epochs);
    validate(&config)?;
    let stop = stop_on_interrupt()?;
    let dataset = source::exactly(console, args.dataset, args.difficulty, &args.place)?.into();
    let scores = source::run(console, config, &dataset, &stop)?;
    rundir::write(&args.out, &scores.to_bytes()?)?;
    let mean = |v: &[f32]| v.iter().map(|x| f64::from(*x)).sum::<f64>() / v.len().max(1) as f64;
    let (train, test) = (mean(&scores.train), mean(&scores.test));
    let header = ["file", "score", "samples", "mean"];
    let row = |part: &str, n: usize, mean: f64| vec![part.to_owned(), scores.name.clone(), n.to_string(), format!("{mean:.4}")];
    console.say(table::render(&header, &[row("train", scores.train.len(), train), row("test", scores.test.len(), test)]));
    console.say(format_args!("output    {}", args.out.display()));
    let card: Value = serde_json::from_str(&scores.card).context("the run card")?;
    console.result(&json!({ "out": args.out, "score": scores.name, "train": scores.train.len(), "test": scores.test.len(), "mean_train": train, "mean_test": test, "card": card }));
    Ok(())
}
