//! `runs`: what stands in a folder of runs, one of them in full, several side by side.
//!
//! For lists only `config.toml` and `summary.json` of each are read, and as plain values: hundreds are listed at once, also those of
//! other versions. What cannot be read is named and passed over.

mod export;

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};
use sparring_core::ExperimentConfig;
use sparring_core::config::settings::{Differing, csv_cell, differing, plain};
use sparring_core::events::LearnerSummary;
use sparring_core::record::Metric;
use sparring_figures::number;

use crate::args::Usage;
use crate::console::{Console, describe};
use crate::output::Outputs;
use crate::results::Measure;
use crate::{clock, config_file, results, rundir, series, sweep};

/// Flags of `runs`.
#[derive(clap::Args)]
pub struct RunsArgs {
    #[command(subcommand)]
    command: RunsCommand,
    /// The folder of runs, or of a study
    #[arg(long = "in", value_name = "DIR", default_value = "runs", global = true)]
    folder: PathBuf,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum RunsCommand {
    /// Every run of the folder, newest first
    List {
        /// Also write a table with a row a learner (- for standard output)
        #[arg(long, value_name = "FILE.csv")]
        csv: Option<PathBuf>,
    },
    /// One run: its settings, results and files
    Show {
        /// Its folder, its name, or an unambiguous part of its name
        run: String,
    },
    /// Several runs: in which settings they differ, and their results side by side
    Compare {
        /// Folders, names, or unambiguous parts of names
        #[arg(required = true, num_args = 2..)]
        runs: Vec<String>,
        /// Also write a table with a row a learner
        #[arg(long, value_name = "FILE.csv")]
        csv: Option<PathBuf>,
    },
    /// Write a run, or a study, as one small file that the page opens; a run's weights in half the space; or a run as event files for
    /// TensorBoard
    Export(export::ExportArgs),
}

/// What a run's folder has, which is not to be written over.
const KEPT: &[&str] = &["toml", "json", "jsonl", "html", "safetensors"];

/// A run's folder as far as it can be read.
struct Run {
    name: String,
    path: PathBuf,
    /// finished, failed, stopped or running.
    state: &'static str,
    config: Map<String, Value>,
    /// Null where none was written yet.
    summary: Value,
    date: String,
}

/// Runs a `runs` subcommand.
pub fn runs(args: &RunsArgs) -> Result<()> {
    let outputs = || Outputs::new(args.json);
    let within = |run: &'static str, csv: Option<&Path>| outputs().folder(run, Some(&args.folder), KEPT).output("--csv", csv).check();
    match &args.command {
        RunsCommand::List { csv } => list(within("--in", csv.as_deref())?, &args.folder, csv.as_deref()),
        RunsCommand::Show { run } => show(outputs().check()?, &find(&args.folder, run)?),
        RunsCommand::Compare { runs, csv } => {
            let console = within("--in", csv.as_deref())?;
            let runs = runs.iter().map(|name| find(&args.folder, name)).collect::<Result<Vec<_>>>()?;
            compare(console, &runs, csv.as_deref())
        }
        RunsCommand::Export(what) => export::export(what, &args.folder, args.json),
    }
}

impl Run {
    fn read(path: &Path) -> Result<Self> {
        let file = path.join(rundir::CONFIG);
        let text = fs::read_to_string(&file).with_context(|| format!("no {}", rundir::CONFIG))?;
        let damaged = |e: toml::de::Error| anyhow!("{} is damaged{}", rundir::CONFIG, config_file::fault(&e, &text));
        let config = toml::from_str(&text).map_err(damaged)?;
        let summary = rundir::read_summary(path)?.unwrap_or_default();
        let state = match () {
            () if rundir::is_running(path) => "running",
            () if rundir::is_stopped(&summary) => "stopped",
            () if results::all_failed(&summary) => "failed",
            () => "finished",
        };
        let written = || fs::metadata(&file).and_then(|m| m.modified()).map(clock::utc).unwrap_or_default();
        let date = summary["date"].as_str().map_or_else(written, str::to_owned);
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        Ok(Self { name, path: path.to_owned(), state, config, summary, date })
    }
    /// A setting for people.
    fn setting(&self, field: &str) -> String {
        self.config.get(field).map_or_else(|| "-".into(), plain)
    }
    /// Epochs that every learner has completed.
    fn epochs_done(&self) -> Option<u64> {
        let all = self.config.get("epochs").and_then(Value::as_u64);
        self.summary["epochs_done"].as_u64().or(if self.state == "finished" { all } else { None })
    }
    /// What its learners are judged by, and the accuracies of those that are no controls, in per cent. Dashes where nothing was evaluated
    /// yet, or by a version that wrote it otherwise.
    fn judged(&self) -> (&'static str, String) {
        let read = |l: &Value| serde_json::from_value::<LearnerSummary>(l.clone()).ok();
        let learners: Vec<LearnerSummary> = results::learners(&self.summary).iter().filter_map(read).collect();
        let metric = match serde_json::from_value::<ExperimentConfig>(Value::Object(self.config.clone())) {
            Ok(config) => Metric::deciding(&config, None, learners.iter().any(|l| l.scores.test_hard.is_some())),
            Err(_) => Metric::hardest(learners.iter().map(|l| &l.scores)),
        };
        let of = |l: &LearnerSummary| metric.score(&l.scores).map_or_else(|| "-".into(), |s| number::fixed(100.0 * s.accuracy, 2));
        let all: Vec<String> = learners.iter().filter(|l| !l.control).map(of).collect();
        if all.iter().all(|a| a == "-") { ("-", "-".into()) } else { (metric.name(), all.join(" / ")) }
    }
    /// The settings that differ from the defaults.
    fn settings<'a>(&'a self, defaults: &Map<String, Value>) -> Map<String, Value> {
        let differs = |(field, value): &(&'a String, &'a Value)| defaults.get(*field) != Some(value);
        self.config.iter().filter(differs).map(|(field, value)| (field.clone(), value.clone())).collect()
    }
    fn json(&self, defaults: &Map<String, Value>) -> Value {
        json!({
            "run": self.name, "path": self.path, "state": self.state, "date": self.date, "epochs_done": self.epochs_done(),
            "config": self.config, "settings": self.settings(defaults), "learners": results::learners(&self.summary),
            "best": self.summary["best"], "summary": self.summary,
        })
    }
}

/// The default settings, through the same text form as a run's own, so that floats compare.
fn defaults() -> Result<Map<String, Value>> {
    let text = toml::to_string(&ExperimentConfig::default()).context("the defaults as TOML")?;
    toml::from_str(&text).context("the defaults as TOML")
}

/// A folder that could not be read, and why.
type Skipped = (PathBuf, String);

/// Every run of a folder, or of a study, newest first, and what could not be read.
fn read_all(folder: &Path) -> Result<(Vec<Run>, Vec<Skipped>)> {
    let (mut runs, mut skipped) = (Vec::new(), Vec::new());
    let places = match rundir::runs_of_study(folder).ok().flatten() {
        Some(runs) => runs,
        None => {
            let entries =
                fs::read_dir(folder).with_context(|| format!("reading {}; --in names another folder of runs", folder.display()))?;
            entries.flatten().map(|e| e.path()).collect()
        }
    };
    for path in places.into_iter().filter(|path| path.is_dir()) {
        match Run::read(&path) {
            Ok(run) => runs.push(run),
            Err(why) => {
                let why = refuse_series(&path).err().unwrap_or(why);
                skipped.push((path, format!("{why:#}")));
            }
        }
    }
    runs.sort_by(|a, b| b.date.cmp(&a.date).then_with(|| a.name.cmp(&b.name)));
    skipped.sort();
    Ok((runs, skipped))
}

/// A run by its folder, its name, or a part of its name that no other has.
fn find(folder: &Path, name: &str) -> Result<Run> {
    for path in [PathBuf::from(name), folder.join(name)] {
        if path.is_dir() && !name.is_empty() {
            refuse_series(&path)?;
            return Run::read(&path).with_context(|| path.display().to_string());
        }
    }
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}; --in names another folder of runs", folder.display()))?;
    let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|n| n.contains(name));
    names.sort();
    match names.as_slice() {
        [one] => Run::read(&folder.join(one)).with_context(|| one.clone()),
        [] => {
            for series in series::listed(folder).iter().filter(|series| series.name.contains(name)) {
                refuse_series(&series::beside(folder).join(&series.name))?;
            }
            for study in sweep::listed(folder).iter().filter(|study| study.name.contains(name)) {
                refuse_series(&sweep::beside(folder).join(&study.name))?;
            }
            bail!("no run in {} has '{name}' in its name; runs list shows them", folder.display())
        }
        several => bail!("'{name}' could be {}; give more of the name", several.join(", ")),
    }
}

/// A series, as a study, stands beside the runs and is listed with them, but has nothing of a run.
fn refuse_series(path: &Path) -> Result<()> {
    let is_run = path.join(rundir::CONFIG).exists();
    let summary = if is_run { None } else { rundir::read_summary(path).ok().flatten() };
    summary.and_then(|summary| rundir::series(path, &summary)).map_or(Ok(()), |series| Err(Usage(series).into()))
}

fn list(console: Console, folder: &Path, csv: Option<&Path>) -> Result<()> {
    let (runs, skipped) = read_all(folder)?;
    let row = |run: &Run| {
        let done = run.epochs_done().map_or_else(|| "0".into(), |e| e.to_string());
        let (by, accuracies) = run.judged();
        vec![
            run.name.clone(),
            run.state.to_owned(),
            run.setting("model"),
            run.setting("learners"),
            format!("{} {}", run.setting("dataset"), run.setting("subset")),
            format!("{done}/{}", run.setting("epochs")),
            accuracies,
            by.to_owned(),
            run.date.chars().take(10).collect(),
        ]
    };
    let header = ["run", "state", "model", "learners", "data", "epochs", "accuracy %", "judged by", "date"];
    console.table(&header, &runs.iter().map(row).collect::<Vec<_>>());
    let series = series::listed(folder);
    if !series.is_empty() {
        console.tell("series:");
        let row = |s: &series::Listed| {
            vec![
                s.name.clone(),
                format!("{} of {}", s.finished, s.runs),
                s.model.clone(),
                s.learners.clone(),
                s.verdict.clone(),
                s.date.clone(),
            ]
        };
        let header = ["series", "runs", "model", "learners", "verdict", "date"];
        console.table(&header, &series.iter().map(row).collect::<Vec<_>>());
    }
    let studies = sweep::listed(folder);
    if !studies.is_empty() {
        console.tell("studies:");
        let row = |s: &sweep::Listed| {
            vec![s.name.clone(), format!("{} of {}", s.finished, s.runs), s.question.clone(), s.verdict.clone(), s.date.clone()]
        };
        console.table(&["study", "runs", "question", "verdict", "date"], &studies.iter().map(row).collect::<Vec<_>>());
    }
    for (path, why) in &skipped {
        console.named(format_args!("skipped   {}: {why}", path.display()));
    }
    let skipped: Vec<Value> = skipped.iter().map(|(path, why)| json!({ "path": path, "reason": why })).collect();
    let series: Vec<Value> = series.iter().map(series::Listed::json).collect();
    let studies: Vec<Value> = studies.iter().map(sweep::Listed::json).collect();
    let defaults = defaults()?;
    let all: Vec<Value> = runs.iter().map(|run| run.json(&defaults)).collect();
    console.result(&json!({ "runs": all, "series": series, "studies": studies, "skipped": skipped }));
    write_csv(console, csv, &runs.iter().collect::<Vec<_>>(), &[])
}

/// Bytes of a file, or of what lies in a folder.
fn size(path: &Path) -> io::Result<u64> {
    if !path.is_dir() {
        return Ok(path.metadata()?.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

fn show(console: Console, run: &Run) -> Result<()> {
    let defaults = defaults()?;
    let settings = run.settings(&defaults);
    let mut files: Vec<(String, u64)> = fs::read_dir(&run.path)
        .with_context(|| format!("reading {}", run.path.display()))?
        .flatten()
        .filter_map(|e| Some((e.file_name().to_string_lossy().into_owned(), size(&e.path()).ok()?)))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect();
    files.sort();

    let text = settings.iter().map(|(field, value)| format!("{field}={}", plain(value).replace(", ", ","))).collect::<Vec<_>>().join(" ");
    console.tell(format_args!("run       {}", run.path.display()));
    let done = run.epochs_done().unwrap_or(0);
    console.tell(format_args!("state     {}, {done} of {} epochs, {}", run.state, run.setting("epochs"), run.date));
    console.tell(format_args!("settings  {}", if text.is_empty() { "all at their defaults" } else { &text }));
    if let Ok(device) = serde_json::from_value(run.summary["device"].clone()) {
        console.tell(format_args!("device    {}", describe(&device)));
    }
    let rows = results::rows(&run.summary);
    if rows.is_empty() {
        console.tell("results   none yet");
    } else {
        console.tell(format_args!("took      {}", number::duration(run.summary["seconds"].as_f64().unwrap_or(0.0))));
        console.tell("");
        console.table(&results::HEADER, &rows);
    }
    if let Some((header, rows)) = results::best(&run.summary) {
        console.tell("best epochs:");
        console.table(&header, &rows);
    }
    if let Some(verdict) = run.summary["summary"]["verdict"].as_str() {
        console.tell(verdict);
    }
    console.tell("");
    for (name, bytes) in &files {
        console.named(format_args!("{:>9}  {}", number::bytes(*bytes), run.path.join(name).display()));
    }
    let mut value = run.json(&defaults);
    value["files"] = files.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect();
    console.result(&value);
    Ok(())
}

fn compare(console: Console, runs: &[Run], csv: Option<&Path>) -> Result<()> {
    let mut differing = differing(&runs.iter().map(|run| &run.config).collect::<Vec<_>>());
    differing.sort_by_key(|(field, _)| *field);
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let line =
        |first: &str, cell: &dyn Fn(&Run) -> String| std::iter::once(first.to_owned()).chain(runs.iter().map(cell)).collect::<Vec<_>>();
    let shown = |value: &Option<&Value>| value.map_or_else(|| "-".into(), plain);
    let setting = |(field, values): &Differing| std::iter::once((*field).to_owned()).chain(values.iter().map(shown)).collect();
    let settings: Vec<Vec<String>> = differing.iter().map(setting).collect();

    let mut learners: Vec<String> = Vec::new();
    for learner in runs.iter().flat_map(|run| results::learners(&run.summary)) {
        let name = plain(&learner["name"]);
        if !learners.contains(&name) {
            learners.push(name);
        }
    }
    let of = |run: &Run, learner: &str, measure: &Measure| {
        let found = results::learners(&run.summary).iter().find(|l| l["name"].as_str() == Some(learner));
        found.map_or_else(|| "-".into(), |l| measure.show(l))
    };
    let measures = results::measures(runs.iter().flat_map(|run| results::learners(&run.summary)));
    let mut results = vec![line("state", &|run| run.state.to_owned()), line("epochs", &|run| run.epochs_done().unwrap_or(0).to_string())];
    for learner in &learners {
        for measure in &measures {
            let cells = line(&format!("{learner}, {}", measure.label), &|run| of(run, learner, measure));
            if cells[1..].iter().any(|cell| cell != "-") {
                results.push(cells);
            }
        }
    }
    let header = |first| std::iter::once(first).chain(names.iter().copied()).collect::<Vec<_>>();
    if settings.is_empty() {
        console.tell("settings  the same in all of them\n");
    } else {
        console.table(&header("setting"), &settings);
    }
    console.table(&header("result"), &results);
    let defaults = defaults()?;
    console.result(&json!({
        "runs": runs.iter().map(|run| run.json(&defaults)).collect::<Vec<_>>(),
        "differing": differing.iter().map(|(field, values)| ((*field).to_owned(), json!(values))).collect::<Map<_, _>>(),
    }));
    let fields: Vec<&str> = differing.iter().map(|(field, _)| *field).collect();
    write_csv(console, csv, &runs.iter().collect::<Vec<_>>(), &fields)
}

/// A row a learner of each run: results, and the settings `fields` beside those that are always there.
fn write_csv(console: Console, path: Option<&Path>, runs: &[&Run], fields: &[&str]) -> Result<()> {
    const SETTINGS: [&str; 6] = ["dataset", "subset", "model", "seed", "epochs", "batch_size"];
    const RESULTS: [&str; 6] = ["name", "control", "density", "active_parameters", "ms_per_step", "flops"];
    const SCORES: [&str; 5] = ["train", "validation", "test", "test_easy", "test_hard"];
    let Some(path) = path else { return Ok(()) };
    let fields: Vec<&str> = fields.iter().copied().filter(|f| !SETTINGS.contains(f)).collect();
    let mut text = String::new();
    let mut row = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
        let _ = writeln!(text, "{}", cells.join(","));
    };
    let header = ["run", "state", "date", "epochs_done"].into_iter().chain(SETTINGS).chain(fields.iter().copied());
    row(header.chain(RESULTS).chain(SCORES).chain(["failed"]).map(str::to_owned).collect());
    let blank = |value: &Value| if value.is_null() { String::new() } else { plain(value) };
    let result = |learner: &Value, field: &str| match &learner[field] {
        // Nothing was timed.
        ms if field == "ms_per_step" && ms.as_f64() == Some(0.0) => String::new(),
        value => blank(value),
    };
    for run in runs {
        let done = run.epochs_done().map_or_else(String::new, |e| e.to_string());
        let mut first = vec![run.name.clone(), run.state.to_owned(), run.date.clone(), done];
        first.extend(SETTINGS.iter().chain(&fields).map(|field| run.config.get(*field).map_or_else(String::new, blank)));
        for learner in results::learners(&run.summary) {
            let mut cells = first.clone();
            cells.extend(RESULTS.iter().map(|field| result(learner, field)));
            cells.extend(SCORES.iter().map(|score| blank(&learner[*score]["accuracy"])));
            cells.push(blank(&learner["failed"]));
            row(cells);
        }
    }
    rundir::write(path, text.as_bytes())?;
    console.tell(format_args!("output    {}", path.display()));
    Ok(())
}
