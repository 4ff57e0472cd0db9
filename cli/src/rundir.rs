//! A run's folder: complete configuration, every event, checkpoint, summary, weights, report, and event files for TensorBoard where asked.
//!
//! Each file is written beside its place, synced and renamed, so a folder never holds half a file; a `summary.json` that does
//! not say `stopped` marks a finished run. Events are appended; a checkpoint knows how many of them belong to it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sparring_core::events::Event;
use sparring_core::record::History;
use sparring_core::train::checkpoint::differences;
use sparring_core::{DeviceInfo, ExperimentConfig};

use crate::clock;
use crate::config_file::read_config;
use crate::output::missing;
pub use crate::output::write;

/// The configuration of a run.
pub const CONFIG: &str = "config.toml";
/// Its numbers.
pub const SUMMARY: &str = "summary.json";
/// Its events, a line each.
pub const METRICS: &str = "metrics.jsonl";
/// What a person reads.
pub const REPORT: &str = "report.html";
/// The folder of its event files.
pub const TENSORBOARD: &str = "tensorboard";
/// Where a stopped run goes on from.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
const LOCK: &str = ".lock";
const LOCK_TRIES: usize = 3;
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// What a folder holds of a run.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// No run.
    Nothing,
    /// A run that has not come to its end.
    Unfinished,
    /// A finished run, with its summary.
    Finished(Value),
}

/// The folder of a run: `--out`, else `runs/MODEL-METHODS-HASH`.
pub fn path(out: Option<&Path>, config: &ExperimentConfig) -> Result<PathBuf> {
    if let Some(path) = out {
        return Ok(path.to_owned());
    }
    let mut methods: Vec<String> = Vec::new();
    for learner in &config.learners {
        let method = learner.method.to_string();
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    let methods = if methods.len() > 3 { "race".to_owned() } else { methods.join("-") };
    Ok(Path::new("runs").join(format!("{}-{methods}-{}", config.model, config.hash()?)))
}

/// The folder of the run that a file of weights belongs to, if it lies in one.
pub fn run_of(weights: &Path) -> Option<&Path> {
    let folder = weights.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.join(CONFIG).is_file().then_some(folder)
}

/// What stands in a folder where a run of this configuration is to go; `again` replaces whatever run it is.
///
/// # Errors
/// Where it holds a run of another configuration (unless `again`), something that cannot be read, or no run but other files.
pub fn find(path: &Path, config: &ExperimentConfig, again: bool) -> Result<Found> {
    let file = path.join(CONFIG);
    if !file.exists() {
        let entries = fs::read_dir(path).map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect());
        let entries: Vec<String> = entries.unwrap_or_default();
        return match entries.iter().find(|name| !name.starts_with('.')) {
            None => Ok(Found::Nothing),
            Some(name) => bail!("{} holds '{name}' and no run ({CONFIG}); choose another --out", path.display()),
        };
    }
    if again {
        return Ok(Found::Unfinished);
    }
    let (saved, now) = (read_config(&file)?.canonical_json()?, config.canonical_json()?);
    if saved != now {
        let list: Vec<String> = differences(&saved, &now).iter().map(ToString::to_string).collect();
        bail!("{} holds another run: {}; choose another --out, or --again to replace it", path.display(), list.join(", "));
    }
    match read_summary(path)? {
        Some(summary) if !is_stopped(&summary) => Ok(Found::Finished(summary)),
        _ => Ok(Found::Unfinished),
    }
}

/// The summary in a folder, where there is one.
pub fn read_summary(path: &Path) -> Result<Option<Value>> {
    let file = path.join(SUMMARY);
    match fs::read(&file) {
        Ok(bytes) => {
            Ok(Some(serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged; --again runs it again", file.display()))?))
        }
        // Under a file there is no summary either; that nothing can be written there is found in its own words.
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e).with_context(|| format!("reading {}", file.display())),
    }
}

/// What `--checkpoint` names: a file, or a run's folder, which stands for the best weights of its one learner.
///
/// # Errors
/// Where the folder is no run, has several learners, or is damaged.
pub fn checkpoint(text: &str) -> Result<PathBuf, NoCheckpoint> {
    best_weights(Path::new(text), |_| true)
}

/// What `--parent` names: a file, or a run's folder, which stands for the best weights of its dense learner.
///
/// # Errors
/// As [`checkpoint`].
pub fn parent(text: &str) -> Result<PathBuf, NoCheckpoint> {
    best_weights(Path::new(text), |file| file == "dense.best.safetensors")
}

/// Why a folder stands for no weights.
#[derive(Debug)]
pub struct NoCheckpoint {
    why: String,
    /// Whether that is a fault of a file, and not of what was asked.
    pub damaged: bool,
}

impl std::fmt::Display for NoCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for NoCheckpoint {}

fn best_weights(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf, NoCheckpoint> {
    let refuse = |why: String| Err(NoCheckpoint { why, damaged: false });
    if path.as_os_str().is_empty() {
        return refuse("expected a file of weights or the folder of a run, found no name".to_owned());
    }
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let folder = path.display();
    let summary = match read_summary(path) {
        Ok(Some(summary)) => summary,
        Ok(None) => return refuse(format!("the folder {folder} is no run that has written weights: it has no {SUMMARY}")),
        Err(error) => return Err(NoCheckpoint { why: format!("{error:#}"), damaged: true }),
    };
    if let Some(series) = series(path, &summary) {
        return refuse(series);
    }
    let files = summary["best_weights"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let all: Vec<&str> = files.filter(|f| f.ends_with(".best.safetensors") && !f.ends_with("-on-random.best.safetensors")).collect();
    let best: Vec<&str> = all.iter().copied().filter(|file| wanted(file)).collect();
    match (best.as_slice(), all.as_slice()) {
        ([one], _) => Ok(path.join(one)),
        ([], []) => refuse(format!("the run {folder} has no best weights yet; name a .safetensors file")),
        ([], others) => refuse(format!("the run {folder} has no dense learner; it has {}", others.join(", "))),
        (several, _) => refuse(format!("the run {folder} has several learners; name one: {}", several.join(", "))),
    }
}

/// Runs of a series or a study that are named where one of them has to be chosen.
const NAMED: usize = 20;

/// That a folder is a series or a study and no run, and which runs it has; `None` of any other.
pub fn series(path: &Path, summary: &Value) -> Option<String> {
    let what = if summary["study_hash"].is_string() { "study" } else { "series" };
    let runs = summary["runs"].as_array().filter(|_| what == "study" || summary["series_hash"].is_string())?;
    let named: Vec<&str> = runs.iter().filter_map(|run| run["run"].as_str()).take(NAMED).collect();
    let more = runs.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more; sparring runs list --in {} lists all", path.display()) } else { String::new() };
    let path = path.display();
    Some(format!("{path} is a {what}, which has no weights or events of its own; name one of its runs: {}{more}", named.join(", ")))
}

/// The folders of the runs of a study, where this is the folder of one; found from here, or from where the study's folder lies.
pub fn runs_of_study(path: &Path) -> Result<Option<Vec<PathBuf>>> {
    if path.join(CONFIG).exists() {
        return Ok(None);
    }
    let Some(summary) = read_summary(path)?.filter(|summary| summary["study_hash"].is_string()) else { return Ok(None) };
    let root = path.canonicalize().ok().and_then(|path| Some(path.parent()?.parent()?.to_owned()));
    let place = |run: &Value| {
        let run = PathBuf::from(run["run"].as_str()?);
        let from_there = root.as_ref().map(|root| root.join(&run)).filter(|there| !run.exists() && there.exists());
        Some(from_there.unwrap_or(run))
    };
    Ok(Some(summary["runs"].as_array().into_iter().flatten().filter_map(place).collect()))
}

/// The events that a run's folder has. A last line that was cut off is left out.
///
/// # Errors
/// Where another line is no event.
pub fn events(path: &Path) -> Result<Vec<Event>> {
    let file = path.join(METRICS);
    let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let text = std::str::from_utf8(&bytes[..whole]).with_context(|| format!("{} is damaged; --again starts over", file.display()))?;
    let read =
        |(number, line)| Event::from_line(line).with_context(|| format!("{}, line {}; --again starts over", file.display(), number + 1));
    text.lines().enumerate().map(read).collect()
}

/// Whether a summary is of a run that has not come to its end.
pub fn is_stopped(summary: &Value) -> bool {
    summary["stopped"].as_bool() != Some(false)
}

/// Whether a process is at work in a folder now.
pub fn is_running(path: &Path) -> bool {
    File::open(path.join(LOCK)).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// What a checkpoint must know of its folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Bytes of `metrics.jsonl` that belong to it.
    pub metrics: u64,
    /// Bytes of each learner's event file that belong to it; none where none are written.
    #[serde(default)]
    pub tensorboard: Vec<u64>,
    /// Seconds the run had taken.
    pub seconds: f64,
}

/// A run's folder, locked for this process.
pub struct RunDir {
    path: PathBuf,
    metrics: Option<BufWriter<File>>,
    /// Bytes of `metrics.jsonl`.
    length: u64,
    /// Folders that were made for it.
    made: Vec<PathBuf>,
    /// The lock goes with it, also when the process is killed.
    _lock: File,
}

impl RunDir {
    /// Makes the folder where it is missing, and locks it.
    ///
    /// # Errors
    /// Where another process is at work in it.
    pub fn open(path: &Path) -> Result<Self> {
        let made = missing(path);
        fs::create_dir_all(path).with_context(|| format!("making the run folder {}", path.display()))?;
        let file = path.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
        let mut lock = lock.with_context(|| format!("opening {}", file.display()))?;
        // Whoever lists runs holds the lock for an instant.
        let mut tries = (0..LOCK_TRIES).map(|_| lock.try_lock().inspect_err(|_| std::thread::sleep(LOCK_WAIT)));
        match tries.find(|result| !matches!(result, Err(TryLockError::WouldBlock))) {
            // Some shared file systems know no locks; there whoever starts runs sees to it that no two are in one folder.
            Some(_) => {}
            None => {
                let who = fs::read_to_string(&file).unwrap_or_default();
                let who = if who.trim().is_empty() { String::new() } else { format!(" (process {})", who.trim()) };
                bail!("another process{who} is training into {}; wait for it, or choose another --out", path.display());
            }
        }
        // Whose lock it is helps a person; the lock itself does not depend on it.
        let _ = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        Ok(Self { path: path.to_owned(), metrics: None, length: 0, made, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The checkpoint, where there is one.
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>> {
        let file = self.file(CHECKPOINT);
        match fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("reading {}", file.display())),
        }
    }

    /// Begins a run: removes what an earlier one left, writes the configuration, opens the events.
    pub fn begin(&mut self, config: &ExperimentConfig) -> Result<()> {
        let mut old = vec![SUMMARY.to_owned(), CHECKPOINT.to_owned(), METRICS.to_owned(), REPORT.to_owned()];
        let weights = read_summary(&self.path).ok().flatten();
        let weights = weights.iter().flat_map(|s| [&s["weights"], &s["best_weights"]]).filter_map(Value::as_array).flatten();
        // Only names, so that no summary can reach beyond its folder.
        old.extend(weights.filter_map(Value::as_str).filter(|name| !name.contains(['/', '\\'])).map(str::to_owned));
        for name in old {
            let file = self.file(&name);
            match fs::remove_file(&file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(e).with_context(|| format!("removing the old {}", file.display()));
                }
                _ => {}
            }
        }
        let folder = self.file(TENSORBOARD);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing the old {}", folder.display()))?;
        }
        self.write(CONFIG, toml::to_string_pretty(config).context("the configuration as TOML")?.as_bytes())?;
        let file = self.file(METRICS);
        self.metrics = Some(BufWriter::new(File::create(&file).with_context(|| format!("writing {}", file.display()))?));
        Ok(())
    }

    /// Goes on with a run: cuts the events back to those of its checkpoint and gives them.
    ///
    /// # Errors
    /// Where there are fewer.
    pub fn go_on(&mut self, note: &Note) -> Result<Vec<Event>> {
        let file = self.file(METRICS);
        let reading = || format!("reading {}", file.display());
        let mut metrics = OpenOptions::new().write(true).open(&file).with_context(reading)?;
        let found = metrics.metadata().with_context(reading)?.len();
        if found < note.metrics {
            bail!("{}: expected the {} bytes of the checkpoint, found {found}; --again starts over", file.display(), note.metrics);
        }
        metrics.set_len(note.metrics).and_then(|()| metrics.seek(SeekFrom::End(0))).with_context(reading)?;
        self.length = note.metrics;
        self.metrics = Some(BufWriter::new(metrics));
        events(&self.path)
    }

    /// Appends an event to `metrics.jsonl`.
    pub fn event(&mut self, event: &Event) -> Result<()> {
        let mut line = event.to_line().context("an event as JSON")?;
        line.push('\n');
        self.length += line.len() as u64;
        let Some(metrics) = &mut self.metrics else { return Ok(()) };
        metrics.write_all(line.as_bytes()).context("writing metrics.jsonl")?;
        if matches!(event, Event::EpochEnd { .. }) {
            metrics.flush().context("writing metrics.jsonl")?;
        }
        Ok(())
    }

    /// Makes the events last; gives how many bytes they are.
    pub fn sync(&mut self) -> Result<u64> {
        if let Some(metrics) = &mut self.metrics {
            metrics.flush().and_then(|()| metrics.get_ref().sync_data()).context("writing metrics.jsonl")?;
        }
        Ok(self.length)
    }

    /// Writes a checkpoint (its events must have been synced), and the summary as it stands.
    pub fn save(&self, checkpoint: &[u8], summary: &Value) -> Result<()> {
        self.write(CHECKPOINT, checkpoint)?;
        self.write(SUMMARY, format!("{summary:#}\n").as_bytes())
    }

    /// Writes a learner's weights; gives the file's name.
    pub fn weights(&self, learner: &str, suffix: &str, bytes: &[u8]) -> Result<String> {
        let name = format!("{}{suffix}.safetensors", file_name(learner));
        self.write(&name, bytes)?;
        Ok(name)
    }

    /// Writes the report, and the summary last. A finished run needs its checkpoint no more.
    pub fn finish(mut self, summary: &Value, report: &str) -> Result<()> {
        self.sync()?;
        self.write(REPORT, report.as_bytes())?;
        self.write(SUMMARY, format!("{summary:#}\n").as_bytes())?;
        if !is_stopped(summary) {
            let _ = fs::remove_file(self.file(CHECKPOINT));
        }
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write(&self.file(name), bytes)
    }
}

impl Drop for RunDir {
    /// Of a run that was refused before it began, no folder stays.
    fn drop(&mut self) {
        let only_lock = |entries: fs::ReadDir| entries.flatten().all(|entry| entry.file_name() == LOCK);
        if self.metrics.is_none() && fs::read_dir(&self.path).is_ok_and(only_lock) {
            let _ = fs::remove_file(self.file(LOCK));
            for made in &self.made {
                // One that another run lies in by now stays.
                let _ = fs::remove_dir(made);
            }
        }
    }
}

/// A learner's name as a file name: `set@0.2 on random` becomes `set@0.2-on-random`.
pub fn file_name(learner: &str) -> String {
    learner.chars().map(|c| if c.is_ascii_alphanumeric() || "@.+-_".contains(c) { c } else { '-' }).collect()
}

/// Everything a result file must carry, and the results.
pub fn summary(config: &ExperimentConfig, history: &History, device: &DeviceInfo, seconds: f64, stopped: bool) -> Result<Value> {
    Ok(json!({
        "config": config,
        "config_hash": config.hash()?,
        "stopped": stopped,
        "summary": history.summary,
        "judged_by": history.deciding(),
        "epochs_done": history.epochs_done(),
        "learners": history.tracks.iter().map(|track| &track.info).collect::<Vec<_>>(),
        "warnings": history.warnings().collect::<Vec<_>>(),
        "seconds": seconds,
        "device": device,
        "device_bytes": history.device_bytes,
        "version": env!("CARGO_PKG_VERSION"),
        "commit": env!("SPARRING_COMMIT"),
        "system": clock::system(),
        "date": clock::now(),
    }))
}

#[cfg(test)]
mod tests;
