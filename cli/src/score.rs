//! `score`: scoring runs whose scores go to a file, or somebody else's scores in the form of ours.

mod sheet;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use sparring_core::ExperimentConfig;
use sparring_core::data::DatasetName;
use sparring_core::hardness::ScoreName;
use sparring_core::net::zoo::{Model, Stem};
use sparring_core::train::scoring::{Extra, SCORING_EPOCHS, scoring_config};

use crate::args::{DeviceFlag, Usage, validate};
use crate::console::stop_on_interrupt;
use crate::output::{Outputs, is_file};
use crate::{data, rundir, score_file, source};

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
    own: data::OwnImages,
    #[command(flatten)]
    network: ScoringNetwork,
    /// Epochs of its training: scores are taken after them
    #[arg(long, default_value_t = SCORING_EPOCHS)]
    epochs: u32,
    /// Scoring runs, with seeds SEED, SEED+1, ...; each score is the mean over them
    #[arg(long, default_value_t = 1, value_name = "R")]
    runs: u32,
    /// Seed of weights, data order and augmentation
    #[arg(long, default_value_t = 15)]
    seed: u64,
    /// Leave out what takes long: grand (a backward pass over every sample), forgetting (an evaluation of all samples after every epoch)
    #[arg(long, value_delimiter = ',', value_name = "SCORE")]
    skip: Vec<ScoreName>,
    /// Take these scores instead of making any: .npy (one dimension), .csv with a header, or .safetensors
    #[arg(long, value_name = "FILE", conflicts_with_all = ["epochs", "runs", "seed", "skip", "model", "width", "stem", "micro_batch", "recompute"])]
    from: Option<PathBuf>,
    /// Column of --from, a table, that holds the score; without it the one of its name
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, requires = "from")]
    column: String,
    /// What the scores of --from are, where the file does not say; also what --sheet ranks by
    #[arg(long, default_value = "el2n")]
    score: ScoreName,
    /// Where to write the scores; a table of them, for other programs, goes beside it with the ending .csv
    #[arg(long, value_name = "F.safetensors", default_value = "scores.safetensors")]
    out: PathBuf,
    /// Also write a page of the hardest and easiest training images of every class
    #[arg(long, value_name = "FILE.html")]
    sheet: Option<PathBuf>,
    /// Where to compute
    #[arg(long, default_value = "auto")]
    device: DeviceFlag,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The network of a scoring run, and what fits its memory: those of an experiment give the scores that the experiment makes.
#[derive(clap::Args)]
pub struct ScoringNetwork {
    /// The scoring network
    #[arg(long, default_value = "resnet20")]
    model: Model,
    /// Factor on its hidden numbers of channels
    #[arg(long, default_value_t = 1.0)]
    width: f32,
    /// How a ResNet begins: auto, small or large
    #[arg(long, default_value = "auto")]
    stem: Stem,
    /// Samples that pass through it at once, 0 for the whole batch
    #[arg(long, default_value_t = 0)]
    micro_batch: usize,
    /// Compute activations again in the backward pass: less memory, more time, the same numbers
    #[arg(long)]
    recompute: bool,
}

impl ScoringNetwork {
    /// An experiment with this network.
    pub fn apply(&self, config: ExperimentConfig) -> ExperimentConfig {
        let Self { model, width, stem, micro_batch, recompute } = *self;
        ExperimentConfig { model, width, stem, micro_batch, recompute, ..config }
    }
}

/// Trains, scores, writes.
pub fn score(args: &ScoreArgs) -> Result<()> {
    let table_path = args.out.with_extension("csv");
    if table_path == args.out {
        return Err(
            Usage(format!("--out {}: scores go to a .safetensors file; their .csv is written beside it", args.out.display())).into()
        );
    }
    if args.runs == 0 || args.runs > 100 {
        return Err(Usage(format!("--runs must be 1 to 100, found {}", args.runs)).into());
    }
    if let Some(cheap) = args.skip.iter().find(|s| !matches!(s, ScoreName::Grand | ScoreName::Forgetting)) {
        return Err(Usage(format!("--skip {cheap}: only grand and forgetting cost anything to speak of")).into());
    }
    // A device or a pipe has nothing beside it.
    let table_path = is_file(&args.out)?.then_some(table_path);
    let base = ExperimentConfig {
        dataset: args.dataset,
        difficulty: args.difficulty,
        folder: args.own.folder.clone(),
        image_size: args.own.image_size,
        seed: args.seed,
        device: args.device.into(),
        ..Default::default()
    };
    let base = args.network.apply(base);
    let console = Outputs::new(args.json)
        .input("--from", args.from.as_deref())
        .images(&args.own.folder)
        .file("--out", Some(&args.out))?
        .file("the table beside --out", table_path.as_deref())?
        .output("--sheet", args.sheet.as_deref())
        .check()?;
    let config = scoring_config(&base, args.epochs);
    validate(&config)?;
    stop_on_interrupt()?;
    let dataset = Arc::new(source::exactly(console, args.dataset, args.difficulty, &args.own)?);
    let scores = match &args.from {
        Some(path) => score_file::read(path, args.score, &args.column, &dataset)?,
        None => {
            let wanted = |score| !args.skip.contains(&score);
            let extra = Extra { grand: wanted(ScoreName::Grand), forgetting: wanted(ScoreName::Forgetting) };
            source::run(console, config, &dataset, extra, args.runs, None)?
        }
    };
    let sheet = match &args.sheet {
        Some(path) => Some((path, sheet::render(&scores, args.score, &dataset)?)),
        None => None,
    };
    let card: Value = serde_json::from_str(&scores.card).unwrap_or(Value::Null);
    rundir::write(&args.out, &scores.to_bytes()?)?;
    if let Some(path) = &table_path {
        rundir::write(path, score_file::to_csv(&scores, &dataset, card["config_hash"].as_str().unwrap_or("")).as_bytes())?;
    }
    if let Some((path, page)) = &sheet {
        rundir::write(path, page.as_bytes())?;
    }

    let header = ["score", "harder is", "mean train", "mean test", "lowest", "highest"];
    let rows: Vec<Vec<String>> = scores
        .columns
        .iter()
        .map(|c| {
            let direction = if c.score.sign() > 0.0 { "higher" } else { "lower" };
            let (low, high) = range(&c.train);
            let mean_of = |values: &[f32]| mean(values).map_or_else(|| "-".into(), number);
            vec![c.score.to_string(), direction.into(), mean_of(&c.train), mean_of(&c.test), number(low), number(high)]
        })
        .collect();
    console.table(&header, &rows);
    let beside = table_path.as_ref().map_or_else(String::new, |path| format!(", {}", path.display()));
    console.tell(format_args!("output    {}{beside}", args.out.display()));
    if let Some((path, _)) = sheet {
        console.tell(format_args!("sheet     {}", path.display()));
    }
    let means = |pick: fn(&sparring_core::hardness::Column) -> &Vec<f32>| -> serde_json::Map<String, Value> {
        scores.columns.iter().map(|c| (c.score.to_string(), json!(mean(pick(c))))).collect()
    };
    console.result(&json!({ "out": args.out, "csv": table_path, "sheet": args.sheet,
        "scores": scores.columns.iter().map(|c| c.score.name()).collect::<Vec<_>>(),
        "train": dataset.train.len(), "test": dataset.test.len(), "mean_train": means(|c| &c.train), "mean_test": means(|c| &c.test),
        "card": card }));
    Ok(())
}

/// The mean of the finite values; none where there are none.
fn mean(values: &[f32]) -> Option<f64> {
    let finite: Vec<f64> = values.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).collect();
    (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / finite.len() as f64)
}

/// Lowest and highest.
pub fn range(values: &[f32]) -> (f64, f64) {
    let all = || values.iter().map(|v| f64::from(*v));
    (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
}

/// A score for people; the lowest and the highest of none are a dash.
pub fn number(value: f64) -> String {
    if value.is_finite() || value == f64::INFINITY { format!("{value:.4}") } else { "-".into() }
}
