//! `eval`: loss and accuracy of a checkpoint on a test set, in eval mode, without augmentation.

mod corruptions;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;
use sparring_core::Device;
use sparring_core::corrupt::Severity;
use sparring_core::data::DatasetName;
use sparring_core::data::batch::HostBatch;
use sparring_core::data::limit::Limited;
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
use crate::console::{Stopped, open_device, stop_on_interrupt, stopping};
use crate::output::Outputs;
use crate::{data, import, rundir, source};
use corruptions::{CorruptedFrom, Grid};

/// Samples of a batch.
const BATCH: usize = 100;
/// Samples after which a signal is seen to.
const SLICE: usize = 5 * BATCH;

/// Flags of `eval`.
#[derive(clap::Args)]
pub struct EvalArgs {
    /// A checkpoint that race, train or import wrote, or the folder of a run of one learner, for its best weights
    #[arg(long, value_name = "F.safetensors", value_parser = rundir::checkpoint)]
    checkpoint: PathBuf,
    /// Test set, as --dataset of race names it
    #[arg(long)]
    data: DatasetName,
    /// Difficulty of the built-in set, 0 to 1
    #[arg(long, default_value_t = 0.5)]
    difficulty: f32,
    #[command(flatten)]
    own: data::OwnImages,
    /// Only N test images (0 = all): of CIFAR the first, of others as many of every class, always the same ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// Also under 19 corruptions at 5 severities
    #[arg(long)]
    corruptions: bool,
    /// The same from a published archive: the folder or .tar of CIFAR-10-C or CIFAR-100-C
    #[arg(long, value_name = "DIR_OR_TAR")]
    cifar_c: Option<PathBuf>,
    /// Only this severity; of files with one severity, which it is
    #[arg(long, value_name = "1-5", requires = "cifar_c", value_parser = severity)]
    severity: Option<Severity>,
    /// Seed of the corruptions made here
    #[arg(long, default_value_t = 15)]
    seed: u64,
    /// Write the errors under corruptions, a line a kind and severity (- for standard output)
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
    let cifar_c = args.cifar_c.as_deref();
    let console = Outputs::new(args.json)
        .checkpoint(&args.checkpoint, rundir::run_of(&args.checkpoint))
        .input("--cifar-c", cifar_c.filter(|path| path.is_file()))
        .folder("--cifar-c", cifar_c, &["npy"])
        .images(&args.own.folder)
        .output("--csv", args.csv.as_deref())
        .check()?;
    let corrupted = args.corruptions || args.cifar_c.is_some();
    if args.csv.is_some() && !corrupted {
        return Err(Usage("--csv is for errors under corruptions: add --corruptions or --cifar-c".into()).into());
    }
    let (mut state, architecture, normalization) = import::read_checkpoint(&args.checkpoint)?;
    stop_on_interrupt()?;
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
    let chosen = Limited::test(&data, args.limit)?;
    console.tell(format_args!("images    {chosen}"));
    let mut evaluator = Evaluator::new(&mut device, graph, &state, &data)?;
    let score = pollster::block_on(evaluator.run(&data, &data.test, &chosen.samples))?;
    let seconds = start.elapsed().as_secs_f64();
    console.tell(format_args!(
        "{model} ({normalization} normalisation) on {}: {} right of {}, accuracy {}, loss {:.4}, in {}",
        data.name,
        right(&score),
        score.samples,
        number::percent(score.accuracy, 2),
        score.loss,
        number::duration(seconds)
    ));
    let grid = if corrupted {
        let origin = cifar_c.map_or(CorruptedFrom::Made(args.seed), |path| CorruptedFrom::Archive(path, args.severity));
        let say = |line: &str| console.say(line);
        let grid = Grid::run(&data, &origin, (&chosen, args.limit), say, |images| {
            let all: Vec<u32> = (0..images.len() as u32).collect();
            pollster::block_on(evaluator.run(&data, images, &all))
        })?;
        console.table(&Grid::HEADER, &grid.rows());
        console.tell(format_args!("{}; clean error {}", grid.words(), number::percent(1.0 - score.accuracy, 2)));
        if grid.samples() != score.samples {
            console.message(format_args!(
                "warning   the corrupted images are {} a severity and the clean ones {}: the errors are not of the same images",
                grid.samples(),
                score.samples
            ));
        }
        if let Some(path) = &args.csv {
            rundir::write(path, grid.csv().as_bytes())?;
            console.tell(format_args!("output    {}", path.display()));
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
        "sample": source::sample(&chosen),
        "loss": score.loss,
        "seconds": seconds,
        "device": device.info(),
        "commit": env!("SPARRING_COMMIT"),
    }));
    Ok(())
}

/// One of five.
fn severity(text: &str) -> Result<Severity, String> {
    text.parse()
        .map_err(|_| ())
        .and_then(|number: u8| Severity::new(number).map_err(|_| ()))
        .map_err(|()| format!("expected 1 to 5, found '{text}'"))
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
    fn new(device: &'a mut Device, graph: Graph, state: &StateDict, data: &Dataset) -> Result<Self> {
        let io = Io::new(device, data.extent, BATCH, SLICE)?;
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

    /// These of the images through the network, unless a signal comes.
    async fn run(&mut self, data: &Dataset, images: &Images, samples: &[u32]) -> Result<Score> {
        let Self { device, io, net, batch } = self;
        let (whole, mut tally) = ((0, f64::INFINITY), Tally::default());
        for samples in samples.chunks(SLICE) {
            if stopping() {
                bail!(Stopped("stopped; an evaluation leaves nothing half-done".into()));
            }
            let queue = (samples, BATCH, BATCH);
            io.each_batch(device, batch, (data, images), queue, whole, |device, step, _| net.eval_step(device, step)).await?;
            let records = io.records(device, samples.len()).await?;
            records.iter().zip(samples).for_each(|(record, i)| tally.add_sample(record, images.labels[*i as usize], true));
        }
        Ok(tally.score())
    }
}
