//! `eval`: loss and accuracy of a checkpoint on a test set, in eval mode, without augmentation.

mod corruptions;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;
use sparring_core::Device;
use sparring_core::data::DatasetName;
use sparring_core::data::batch::HostBatch;
use sparring_core::data::{Dataset, Images};
use sparring_core::events::Score;
use sparring_core::formats::StateDict;
use sparring_core::net::Io;
use sparring_core::net::NetConfig;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::{Graph, Net};
use sparring_core::ops::OptimizerName;
use sparring_core::train::tally::Tally;
use sparring_figures::number;

use crate::args::{DeviceFlag, Usage};
use crate::console::{Console, open_device};
use crate::{data, import, rundir, source};
use corruptions::{CorruptedFrom, Grid};

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
    own: data::OwnImages,
    /// Only the first N test images
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Also under 19 corruptions at 5 severities
    #[arg(long)]
    corruptions: bool,
    /// The same from a published archive: the folder or .tar of CIFAR-10-C or CIFAR-100-C
    #[arg(long, value_name = "DIR_OR_TAR")]
    cifar_c: Option<PathBuf>,
    /// Seed of the corruptions made here
    #[arg(long, default_value_t = 15)]
    seed: u64,
    /// Write the errors under corruptions, a line a kind and severity
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Where to compute
    #[arg(long, default_value = "auto")]
    device: DeviceFlag,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Loads, evaluates, prints.
pub fn eval(args: &EvalArgs) -> Result<()> {
    let console = Console::new(args.json);
    let corrupted = args.corruptions || args.cifar_c.is_some();
    if args.csv.is_some() && !corrupted {
        return Err(Usage("--csv is for errors under corruptions: add --corruptions or --cifar-c".into()).into());
    }
    let (mut state, architecture, normalization) = import::read_checkpoint(&args.checkpoint)?;
    let mut device = open_device(console, args.device.into())?;
    let data = source::exactly(console, args.data, args.difficulty, &args.own)?;
    let classes = import::classes(architecture, data.extent, &state)?;
    if classes != data.classes.len() {
        bail!("{} has {classes} classes, but {} has {}", args.checkpoint.display(), data.name, data.classes.len());
    }
    let graph = import::graph(architecture, normalization, classes, data.extent)?;
    import::check(&graph, &mut state).with_context(|| format!("{} is no {}", args.checkpoint.display(), architecture.model))?;
    let model = architecture.model;
    let start = Instant::now();
    let samples = args.limit.unwrap_or(usize::MAX).min(data.test.len());
    let mut evaluator = Evaluator::new(&mut device, graph, &state, &data, samples)?;
    let score = pollster::block_on(evaluator.run(&data, &data.test, samples))?;
    let seconds = start.elapsed().as_secs_f64();
    console.say(format_args!(
        "{model} ({normalization} normalisation) on {}: {} right of {}, accuracy {}, loss {:.4}, in {}",
        data.name,
        right(&score),
        score.samples,
        number::percent(score.accuracy, 2),
        score.loss,
        number::duration(seconds)
    ));
    let grid = if corrupted {
        let origin = args.cifar_c.as_deref().map_or(CorruptedFrom::Made(args.seed), CorruptedFrom::Archive);
        let say = |line: &str| console.say(line);
        let grid = Grid::run(&data, &origin, samples, say, |images| {
            let count = images.len().min(samples);
            Ok(pollster::block_on(evaluator.run(&data, images, count))?)
        })?;
        let (standard, all) = grid.means();
        console.say(grid.table());
        console.say(format_args!(
            "mean corruption error (plain mean, not normalised): {} over the standard kinds, {} over all; clean error {}",
            number::percent(standard, 2),
            number::percent(all, 2),
            number::percent(1.0 - score.accuracy, 2)
        ));
        if let Some(path) = &args.csv {
            rundir::write(path, grid.csv().as_bytes())?;
            console.say(format_args!("output    {}", path.display()));
        }
        Some(grid.json())
    } else {
        None
    };
    console.result(&json!({
        "corruptions": grid,
        "checkpoint": args.checkpoint,
        "model": model,
        "normalization": normalization,
        "data": args.data,
        "clean_accuracy": score.accuracy,
        "correct": right(&score),
        "samples": score.samples,
        "loss": score.loss,
        "seconds": seconds,
        "device": device.info(),
        "commit": env!("SPARRING_COMMIT"),
    }));
    Ok(())
}

/// Right answers.
fn right(score: &Score) -> usize {
    (score.accuracy * score.samples as f64).round() as usize
}

/// A network in eval mode, planned once for any number of test sets of one extent.
struct Evaluator<'a> {
    device: &'a mut Device,
    io: Io,
    net: Net,
    batch: HostBatch,
}

impl<'a> Evaluator<'a> {
    /// For at most `samples` images at a time.
    fn new(device: &'a mut Device, graph: Graph, state: &StateDict, data: &Dataset, samples: usize) -> Result<Self> {
        let io = Io::new(device, data.extent, BATCH, samples)?;
        let placements = import::placements(&graph, state);
        let net = Net::plan(
            device,
            &mut Scratch::default(),
            io,
            state,
            NetConfig { graph, n: BATCH, placements, training: OptimizerName::Sgd.into() },
        )?;
        Ok(Self { device, io, net, batch: HostBatch::default() })
    }

    /// The first `samples` images through the network.
    async fn run(&mut self, data: &Dataset, images: &Images, samples: usize) -> Result<Score, sparring_core::Error> {
        let Self { device, io, net, batch } = self;
        let all: Vec<u32> = (0..samples as u32).collect();
        let whole = (0, f64::INFINITY);
        io.each_batch(device, batch, (data, images), (&all, BATCH, BATCH), whole, |device, step, _| net.eval_step(device, step)).await?;
        let records = io.records(device, samples).await?;
        let mut tally = Tally::default();
        records.iter().zip(&images.labels).for_each(|(record, label)| tally.add_sample(record, *label, true));
        Ok(tally.score())
    }
}
