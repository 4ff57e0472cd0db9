//! `race` and `train`: a session's events to the terminal and into a run folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;
use sparring_core::config::{LearnerConfig, Method};
use sparring_core::formats::{self, safetensors};
use sparring_core::{ExperimentConfig, Session};

use crate::args::{ExperimentArgs, Usage, validate};
use crate::console::{Console, Live, open_device, stop_on_interrupt};
use crate::history::History;
use crate::rundir::{self, Place, RunDir};
use crate::{clock, report, source, table};

/// Flags of `race` and `train`.
#[derive(clap::Args)]
pub struct RaceArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
    /// Folder of the run [default: runs/MODEL-DATASET-HASH]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Overwrite a finished run of the same configuration
    #[arg(long)]
    again: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Several learners side by side.
pub fn race(args: RaceArgs) -> Result<()> {
    let config = args.experiment.resolve(ExperimentConfig::default())?;
    run(&args, config)
}

/// One learner, without a control unless one is asked for.
pub fn train(args: RaceArgs) -> Result<()> {
    let learner = LearnerConfig::new(Method::Set, 0.2);
    let config = args.experiment.resolve(ExperimentConfig { learners: vec![learner], control: false, ..Default::default() })?;
    if config.learners.len() != 1 {
        return Err(Usage(format!("train takes one learner, found {}; race takes several", config.learners.len())).into());
    }
    run(&args, config)
}

fn run(args: &RaceArgs, mut config: ExperimentConfig) -> Result<()> {
    validate(&config)?;
    let console = Console::new(args.json);
    let settings = config
        .non_defaults()?
        .into_iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    let settings = settings.collect::<Vec<_>>().join(" ");
    console.say(format_args!("settings  {}", if settings.is_empty() { "all at their defaults" } else { &settings }));
    let mut place = choose_place(console, args, &config)?;
    let stop = stop_on_interrupt()?;
    let asked = config.dataset;
    let dataset = source::images(console, &mut config)?;
    if config.dataset != asked {
        place = choose_place(console, args, &config)?;
    }
    let scores = source::scores(console, &config, &dataset, &stop)?;
    let device = open_device(console, config.device)?;
    let info = device.info();
    let mut run = RunDir::create(&place.path, &config)?;
    let start = Instant::now();
    let mut history = History::default();
    let mut live = Live::new(console);
    let normalization = config.dataset.normalization().to_string();
    let session = pollster::block_on(async {
        let mut session = Session::new(config.clone(), dataset, scores.map(Arc::new), device).await?;
        while !session.finished() && !stop.load(Ordering::Relaxed) {
            for event in session.advance().await? {
                live.event(&event);
                history.push(&event);
                run.event(&event)?;
            }
        }
        anyhow::Ok(session)
    });
    live.close();
    let session = session.context("training")?;
    let stopped = !session.finished();
    if stopped {
        history.summary = Some(session.summary());
    }
    let files = write_weights(&run, &session, &history, &config, &normalization)?;
    let mut summary = rundir::summary(&config, &history, &info, start.elapsed().as_secs_f64(), stopped)?;
    summary["weights"] = json!(files);
    run.finish(&summary, &report::render(&config, &history, &summary))?;
    conclude(console, &history, &mut summary, &place.path, start)?;
    if stopped {
        bail!("stopped by Ctrl-C after {}; what there was is in {}", clock::duration(start.elapsed().as_secs_f64()), place.path.display());
    }
    if history.learners.iter().all(|l| l.failed.is_some()) {
        bail!("every learner failed; the reasons are above and in {}", place.path.display());
    }
    Ok(())
}

/// The run's folder; says it, and what was there.
fn choose_place(console: Console, args: &RaceArgs, config: &ExperimentConfig) -> Result<Place> {
    let place = rundir::place(args.out.as_deref(), config, args.again)?;
    if let Some(finished) = &place.finished {
        let what = if finished == &place.path { "overwritten" } else { "kept; --again overwrites it" };
        console.say(format_args!("finished  {} is a finished run of this configuration ({what})", finished.display()));
    }
    console.say(format_args!("output    {}", place.path.display()));
    Ok(place)
}

fn write_weights(
    run: &RunDir,
    session: &Session,
    history: &History,
    config: &ExperimentConfig,
    normalization: &str,
) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for (i, learner) in history.learners.iter().enumerate() {
        let mut state = pollster::block_on(session.state(i)).with_context(|| format!("reading the weights of {}", learner.info.name))?;
        for (key, value) in [
            (formats::FORMAT, formats::CHECKPOINT_FORMAT.to_owned()),
            (formats::MODEL, config.model.to_string()),
            (formats::WIDTH, config.width.to_string()),
            (formats::STEM, config.stem.to_string()),
            (formats::NORMALIZATION, normalization.to_owned()),
            ("dataset", config.dataset.to_string()),
            ("learner", learner.info.learner.clone()),
            ("subset", learner.info.subset.clone()),
            ("config_hash", config.hash()?),
        ] {
            state.metadata.insert(key.to_owned(), value);
        }
        files.push(run.weights(&learner.info.name, &safetensors::write(&state)?)?);
    }
    Ok(files)
}

/// The table, the verdict and, last, the path.
fn conclude(console: Console, history: &History, summary: &mut serde_json::Value, path: &Path, start: Instant) -> Result<()> {
    console.say("");
    console.say(table::render(&History::HEADER, &history.rows()));
    for learner in &history.learners {
        if let Some(reason) = &learner.failed {
            console.say(format_args!("{} failed: {reason}", learner.info.name));
        }
    }
    if let Some(summary) = &history.summary {
        console.say(&summary.verdict);
    }
    summary["run"] = json!(path);
    console.result(summary);
    console.say(format_args!("took      {}", clock::duration(start.elapsed().as_secs_f64())));
    console.say(format_args!("output    {}", path.display()));
    Ok(())
}
