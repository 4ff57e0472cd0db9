//! `runs export`: a run or a study as one file that the page opens, a run's weights in half the space, or its events for TensorBoard.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sparring_core::config::ExperimentConfig;
use sparring_core::formats::safetensors;
use sparring_core::hardness::Scores;
use sparring_core::record::run_file::{self, RunFile};
use sparring_figures::number;

use super::{KEPT, Run, find};
use crate::args::Usage;
use crate::console::Console;
use crate::output::{Outputs, no_stream, try_folder};
use crate::{rundir, source, sweep, tensorboard};

/// Beside exported weights: the scores of their images.
const SCORES: &str = "scores.safetensors";

/// Flags of `runs export`.
#[derive(clap::Args)]
pub(super) struct ExportArgs {
    /// Its folder, its name, or an unambiguous part of its name
    run: String,
    /// The file to write (- for standard output); with --tensorboard a folder [default there: tensorboard in the run's own]
    #[arg(long, value_name = "FILE.json|DIR", required_unless_present_any = ["tensorboard", "weights"])]
    out: Option<PathBuf>,
    /// What it is called in the page [default: the folder's name]
    #[arg(long, value_name = "TEXT", conflicts_with = "tensorboard", requires = "out")]
    name: Option<String>,
    /// Another seed of it, for the bands of its curves in the page; of that one its evaluations are written, not every step. Repeatable
    #[arg(long, value_name = "RUN", conflicts_with = "tensorboard", requires = "out")]
    beside: Vec<String>,
    /// Also write its learners' weights after the last epoch into this folder, as bfloat16: half as large as the run's own files; and the
    /// scores that its subset was drawn by, where a scoring run of this machine made them
    #[arg(long, value_name = "DIR", conflicts_with = "tensorboard")]
    weights: Option<PathBuf>,
    /// Write event files for TensorBoard, made of what the run has recorded; those that it has already stay
    #[arg(long)]
    tensorboard: bool,
}

/// Writes what is asked for of a run or a study.
pub(super) fn export(args: &ExportArgs, folder: &Path, json: bool) -> Result<()> {
    let ExportArgs { run, out, name, beside, weights, tensorboard } = args;
    let others = beside.iter().map(|other| find(folder, other)).collect::<Result<Vec<_>>>()?;
    let outputs = others.iter().fold(Outputs::new(json), |outputs, other| outputs.folder("--beside", Some(&other.path), KEPT));
    let found = find(folder, run);
    if let (Err(_), Some(study), Some(out), false) = (&found, sweep::find(folder, run), out, tensorboard) {
        if weights.is_some() {
            bail!(Usage(format!("the study {} has no weights; --weights is for one of its runs", study.display())));
        }
        if !beside.is_empty() {
            bail!(Usage(format!("the study {} has all of its seeds; --beside is for a run", study.display())));
        }
        let console = outputs.folder("the study", Some(&study), KEPT).output("--out", Some(out)).check()?;
        return export_study(console, &study, out, name.as_deref());
    }
    let run = found?;
    if *tensorboard {
        return export_tensorboard(outputs.check()?, &run, out.as_deref());
    }
    no_stream("--weights", weights.as_deref())?;
    let files = weights.as_deref().map_or(Ok(Vec::new()), |to| weight_files(&run, to))?;
    let outputs = outputs.folder("the run", Some(&run.path), KEPT).output("--out", out.as_deref());
    let console = files.iter().fold(outputs, |outputs, (to, _)| outputs.output("--weights", Some(to))).check()?;
    export_run(console, (&run, &others), out.as_deref(), name.as_deref(), &files)
}

/// The files of a run's last weights in half the space, one a learner in their order, and of its scores: where each goes, and its bytes.
fn weight_files(run: &Run, to: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let names = run.summary["weights"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // Only names, so that no summary can reach beyond the folders.
    let names = names.filter(|name| !name.contains(['/', '\\']));
    let mut files = names.map(|name| Ok((to.join(name), halved(&run.path.join(name))?))).collect::<Result<Vec<_>>>()?;
    if files.is_empty() {
        bail!("the run in {} has no weights: they are written when it finishes or is stopped", run.path.display());
    }
    files.extend(scores_of(run)?.map(|bytes| (to.join(SCORES), bytes)));
    Ok(files)
}

/// The scores by which its subset was drawn, where they do not ship but were made on this machine: who opens the weights elsewhere has the same
/// images without scoring them again.
fn scores_of(run: &Run) -> Result<Option<Vec<u8>>> {
    let Some(needed) = source::scoring(&run_file(run, None)?.config)? else { return Ok(None) };
    let Ok(bytes) = fs::read(&needed.file) else { return Ok(None) };
    let Scores { mut columns, card, .. } = Scores::from_bytes(&needed.file.display().to_string(), &bytes)?;
    columns.retain(|column| column.score == needed.score);
    Ok(Some(Scores { columns, answers: None, card }.to_bytes()?))
}

/// Writes a run, with its other seeds, and the files of its weights.
fn export_run(
    console: Console,
    (run, others): (&Run, &[Run]),
    out: Option<&Path>,
    name: Option<&str>,
    weights: &[(PathBuf, Vec<u8>)],
) -> Result<()> {
    // Read before anything is written: all of it is there, or nothing.
    let file = out.map(|_| run_file(run, name)).transpose()?;
    let others = file.as_ref().map_or(Ok(Vec::new()), |file| other_seeds(others, file))?;
    let (done, state) = match file.as_ref().map(RunFile::extent) {
        None => (run.epochs_done().unwrap_or(0), run.state),
        Some((done, _)) if run.state == "running" => (done.into(), "running"),
        Some((done, finished)) => (done.into(), if finished { "finished" } else { "stopped" }),
    };
    console.tell(format_args!("run       {} ({state}, {done} of {} epochs)", run.path.display(), run.setting("epochs")));
    let mut result = json!({ "run": run.path, "out": out });
    if let (Some(out), Some(file)) = (out, &file) {
        let text = if others.is_empty() { file.to_json() } else { run_file::all_to_json(std::iter::once(file).chain(&others)) };
        let text = text.context("the run as JSON")?;
        rundir::write(out, text.as_bytes())?;
        console.tell(format_args!("output    {} ({})", out.display(), number::bytes(text.len() as u64)));
        (result["bytes"], result["events"]) = (text.len().into(), file.events.len().into());
    }
    let mut written = Vec::new();
    for (to, bytes) in weights {
        rundir::write(to, bytes)?;
        console.tell(format_args!("output    {} ({})", to.display(), number::bytes(bytes.len() as u64)));
        written.push(json!({ "file": to, "bytes": bytes.len() }));
    }
    result["weights"] = written.into();
    console.result(&result);
    Ok(())
}

/// A run as the page opens it.
fn run_file(run: &Run, name: Option<&str>) -> Result<RunFile> {
    let read = |name: &str| {
        let file = run.path.join(name);
        let needs = || format!("reading {}: a run is exported once its first checkpoint is written", file.display());
        fs::read(&file).with_context(needs)
    };
    let (summary, metrics) = (read(rundir::SUMMARY)?, read(rundir::METRICS)?);
    let file = RunFile::of_folder(name.unwrap_or(&run.name), &summary, &metrics);
    file.with_context(|| format!("the run in {} cannot be exported", run.path.display()))
}

/// The other seeds of a run, in brief.
fn other_seeds(others: &[Run], of: &RunFile) -> Result<Vec<RunFile>> {
    let mut seeds = vec![of.config.seed];
    let mut files = Vec::new();
    for other in others {
        let file = run_file(other, None)?;
        let (seed, path) = (file.config.seed, other.path.display());
        if (ExperimentConfig { seed: of.config.seed, ..file.config.clone() }).hash()? != of.config_hash {
            bail!(Usage(format!("--beside takes other seeds of the same experiment; {path} is of another one")));
        }
        if seeds.contains(&seed) {
            bail!(Usage(format!("--beside takes other seeds of the same experiment; seed {seed} of {path} is there already")));
        }
        if file.extent() != (file.config.epochs, true) {
            bail!(Usage(format!("--beside takes runs that are finished; {path} is not: the same command goes on with it")));
        }
        seeds.push(seed);
        let name = format!("{}, seed {seed}", of.name);
        files.push(RunFile { name, events: run_file::brief(file.events), ..file });
    }
    Ok(files)
}

/// A file of weights in half the space.
fn halved(file: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(safetensors::write_bf16(&safetensors::read(&bytes, &file.display().to_string())?)?)
}

fn export_study(console: Console, study: &Path, out: &Path, name: Option<&str>) -> Result<()> {
    let file = sweep::of_folder(study, name)?;
    let text = file.to_json().context("the study as JSON")?;
    rundir::write(out, text.as_bytes())?;
    let finished = file.runs.iter().filter(|run| !run.learners.is_empty()).count();
    console.tell(format_args!("study     {} ({finished} of {} runs are finished)", study.display(), file.runs.len()));
    console.tell(format_args!("output    {} ({})", out.display(), number::bytes(text.len() as u64)));
    console.result(&json!({ "study": study, "out": out, "bytes": text.len(), "runs": file.runs.len(), "finished": finished }));
    Ok(())
}

fn export_tensorboard(console: Console, run: &Run, out: Option<&Path>) -> Result<()> {
    no_stream("--out", out)?;
    let own = run.path.join(rundir::TENSORBOARD);
    let out = out.unwrap_or(&own);
    // They may have pictures, and be written to now.
    let stay = own.exists() && out.canonicalize().ok() == own.canonicalize().ok();
    let learners = if stay {
        None
    } else {
        try_folder(out)?;
        Some(tensorboard::export(&run.path, out)?)
    };
    console.tell(format_args!("run       {} ({})", run.path.display(), run.state));
    let kept = if stay { " (stays as the run wrote it)" } else { "" };
    console.tell(format_args!("output    {}{kept}", out.display()));
    console.result(&json!({ "run": run.path, "out": out, "learners": learners }));
    Ok(())
}
