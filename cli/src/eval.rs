//! `eval`: loss and accuracy of a checkpoint on a test set, in eval mode, without augmentation.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::json;
use sparring_core::Device;
use sparring_core::config::{DatasetName, OptimizerName};
use sparring_core::data::Dataset;
use sparring_core::data::batch::HostBatch;
use sparring_core::net::plan::allocate_io;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::{Graph, Net, Placement, StateDict};
use sparring_core::ops::{SAMPLE_WORDS, StepParams};

use crate::args::DeviceFlag;
use crate::console::{Console, open_device};
use crate::{clock, data, import, source, table};

/// Samples of a batch.
const BATCH: usize = 100;

/// Flags of `eval`.
#[derive(clap::Args)]
pub struct EvalArgs {
    /// A checkpoint that race, train or import wrote
    #[arg(long, value_name = "F.safetensors")]
    checkpoint: PathBuf,
    /// Test set, as --dataset of race names it
    #[arg(long)]
    data: DatasetName,
    /// Difficulty of the built-in set, 0 to 1
    #[arg(long, default_value_t = 0.5)]
    difficulty: f32,
    #[command(flatten)]
    place: data::Place,
    /// Only the first N test images
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Where to compute
    #[arg(long, default_value = "auto")]
    device: DeviceFlag,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Loss and right answers over a test set.
pub struct Outcome {
    pub loss: f64,
    pub correct: usize,
    pub samples: usize,
}

/// Loads, evaluates, prints.
pub fn eval(args: &EvalArgs) -> Result<()> {
    let console = Console::new(args.json);
    let (mut state, architecture, normalization) = import::read_checkpoint(&args.checkpoint)?;
    let mut device = open_device(console, args.device.into())?;
    let data = source::exactly(console, args.data, args.difficulty, &args.place)?;
    let classes = import::classes(architecture, data.extent, &state)?;
    if classes != data.classes.len() {
        bail!("{} has {classes} classes, but {} has {}", args.checkpoint.display(), data.name, data.classes.len());
    }
    let graph = import::graph(architecture, normalization, classes, data.extent)?;
    import::check(&graph, &mut state)?;
    let model = architecture.model;
    let start = Instant::now();
    let samples = args.limit.unwrap_or(usize::MAX).min(data.test.len());
    let outcome = pollster::block_on(evaluate(&mut device, graph, &state, &data, samples))?;
    let seconds = start.elapsed().as_secs_f64();
    let accuracy = outcome.correct as f64 / outcome.samples.max(1) as f64;
    console.say(format_args!(
        "{model} ({normalization} normalisation) on {}: {} right of {}, accuracy {}, loss {:.4}, in {}",
        data.name,
        outcome.correct,
        outcome.samples,
        table::percent(accuracy),
        outcome.loss,
        clock::duration(seconds)
    ));
    console.result(&json!({
        "checkpoint": args.checkpoint,
        "model": model,
        "normalization": normalization,
        "data": args.data,
        "clean_accuracy": accuracy,
        "correct": outcome.correct,
        "samples": outcome.samples,
        "loss": outcome.loss,
        "seconds": seconds,
        "device": device.info(),
        "commit": env!("SPARRING_COMMIT"),
    }));
    Ok(())
}

/// The first `samples` test images through a network in eval mode.
pub async fn evaluate(device: &mut Device, graph: Graph, state: &StateDict, data: &Dataset, samples: usize) -> Result<Outcome> {
    let io = allocate_io(device, data.extent, BATCH, samples)?;
    let placements = vec![Placement::Dense; graph.weights().len()];
    let net = Net::plan(device, &mut Scratch::default(), io, graph, BATCH, state, placements, OptimizerName::Sgd, false)?;
    let mut batch = HostBatch::default();
    let all: Vec<u32> = (0..samples as u32).collect();
    for (i, chunk) in all.chunks(BATCH).enumerate() {
        batch.fill(data, &data.test, chunk, BATCH, None)?;
        device.write_u32(io.bytes, 0, &batch.words)?;
        device.write_f32(io.augmentation, 0, &batch.params)?;
        device.write_u32(io.labels, 0, &batch.labels)?;
        let step = StepParams { n_valid: batch.n_valid as u32, sample_offset: (i * BATCH) as u32, ..Default::default() };
        net.eval_step(device, &step)?;
        device.sync().await?;
    }
    let records = device.read_f32(io.samples, 0, samples * SAMPLE_WORDS).await?;
    let mut outcome = Outcome { loss: 0.0, correct: 0, samples };
    for (record, label) in records.chunks_exact(SAMPLE_WORDS).zip(&data.test.labels) {
        outcome.loss += f64::from(record[0]) / samples as f64;
        outcome.correct += usize::from(record[3] == f32::from(*label));
    }
    Ok(outcome)
}
