//! A run's folder: complete configuration, every event, summary, weights and report.
//!
//! Each file is written beside its place and renamed, so a folder never holds half a file; `summary.json` comes last and
//! marks a finished run.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sparring_core::events::Event;
use sparring_core::{DeviceInfo, ExperimentConfig};

use crate::clock;
use crate::history::History;

/// Where a run goes, and what was there.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// The folder, not made yet.
    pub path: PathBuf,
    /// A finished run of the same configuration.
    pub finished: Option<PathBuf>,
}

/// Chooses the folder: `--out`, else `runs/MODEL-DATASET-HASH`, with `-2`, `-3`, ... where that holds a finished run, unless `again`.
pub fn place(out: Option<&Path>, config: &ExperimentConfig, again: bool) -> Result<Place> {
    let base = match out {
        Some(path) => path.to_owned(),
        None => Path::new("runs").join(format!("{}-{}-{}", config.model, config.dataset, config.hash()?)),
    };
    let done = |path: &Path| path.join("summary.json").exists();
    if !done(&base) {
        return Ok(Place { path: base, finished: None });
    }
    if again {
        return Ok(Place { path: base.clone(), finished: Some(base) });
    }
    let name = base.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut number = 2;
    loop {
        let path = base.with_file_name(format!("{name}-{number}"));
        if !done(&path) {
            return Ok(Place { path, finished: Some(base) });
        }
        number += 1;
    }
}

/// Writes a file beside its place and renames it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = partial(path);
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let result = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    if result.is_err() {
        let _ = fs::remove_file(&partial);
    }
    result.with_context(|| format!("writing {}", path.display()))
}

fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.partial"))
}

/// A run being written.
pub struct RunDir {
    path: PathBuf,
    metrics: BufWriter<File>,
}

impl RunDir {
    /// Makes the folder, writes `config.toml`, and opens the events.
    pub fn create(path: &Path, config: &ExperimentConfig) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("making the run folder {}", path.display()))?;
        // Whatever an earlier run left under names of this one is no longer true.
        for entry in fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if ["summary.json", "metrics.jsonl", "report.html"].contains(&name.as_str()) || name.ends_with(".safetensors") {
                fs::remove_file(entry.path()).with_context(|| format!("removing the old {}", entry.path().display()))?;
            }
        }
        write(&path.join("config.toml"), toml::to_string_pretty(config).context("the configuration as TOML")?.as_bytes())?;
        let metrics = partial(&path.join("metrics.jsonl"));
        let file = File::create(&metrics).with_context(|| format!("writing {}", metrics.display()))?;
        Ok(Self { path: path.to_owned(), metrics: BufWriter::new(file) })
    }
    /// Appends an event to `metrics.jsonl`.
    pub fn event(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_vec(event).context("an event as JSON")?;
        line.push(b'\n');
        self.metrics.write_all(&line).context("writing metrics.jsonl")?;
        if matches!(event, Event::EpochEnd { .. }) {
            self.metrics.flush().context("writing metrics.jsonl")?;
        }
        Ok(())
    }
    /// Writes a learner's weights; gives the file's name.
    pub fn weights(&self, learner: &str, bytes: &[u8]) -> Result<String> {
        let name = format!("{}.safetensors", file_name(learner));
        write(&self.path.join(&name), bytes)?;
        Ok(name)
    }
    /// Writes the report, closes the events, and writes the summary last.
    pub fn finish(mut self, summary: &Value, report: &str) -> Result<()> {
        self.metrics.flush().context("writing metrics.jsonl")?;
        let metrics = self.path.join("metrics.jsonl");
        fs::rename(partial(&metrics), &metrics).with_context(|| format!("writing {}", metrics.display()))?;
        write(&self.path.join("report.html"), report.as_bytes())?;
        write(&self.path.join("summary.json"), format!("{summary:#}\n").as_bytes())
    }
}

/// A learner's name as a file name: `set@0.2 on random` becomes `set@0.2-on-random`.
fn file_name(learner: &str) -> String {
    learner.chars().map(|c| if c.is_ascii_alphanumeric() || "@.+-_".contains(c) { c } else { '-' }).collect()
}

/// Everything a result file must carry, and the results.
pub fn summary(config: &ExperimentConfig, history: &History, device: &DeviceInfo, seconds: f64, stopped: bool) -> Result<Value> {
    Ok(json!({
        "config": config,
        "config_hash": config.hash()?,
        "stopped": stopped,
        "summary": history.summary,
        "learners": history.learners.iter().map(|l| &l.info).collect::<Vec<_>>(),
        "warnings": history.warnings,
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::history::samples;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("sparring-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn device() -> DeviceInfo {
        DeviceInfo { name: "test".into(), backend: "cpu".into(), driver: String::new(), software: false }
    }

    #[test]
    fn a_run_folder_is_complete_and_its_configuration_reads_back() {
        let scratch = Scratch::new("complete");
        let config = ExperimentConfig { epochs: 3, lr: 0.05, ..Default::default() };
        let mut run = RunDir::create(&scratch.0, &config).unwrap();
        let mut history = History::default();
        for event in samples::events(3) {
            run.event(&event).unwrap();
            history.push(&event);
        }
        assert_eq!(run.weights("set@0.2 on random", b"x").unwrap(), "set@0.2-on-random.safetensors");
        run.finish(&summary(&config, &history, &device(), 1.5, false).unwrap(), "<html>").unwrap();
        let mut names: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["config.toml", "metrics.jsonl", "report.html", "set@0.2-on-random.safetensors", "summary.json"]);
        assert_eq!(crate::args::read_config(&scratch.0.join("config.toml")).unwrap(), config);
        let lines = fs::read_to_string(scratch.0.join("metrics.jsonl")).unwrap();
        let events: Vec<Event> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        // Reading a float back may be off in the last digit, so kinds are compared.
        let kinds = |events: &[Event]| events.iter().map(std::mem::discriminant).collect::<Vec<_>>();
        assert_eq!(kinds(&events), kinds(&samples::events(3)));
        assert_eq!(events[0], samples::events(3)[0]);
        let value: Value = serde_json::from_slice(&fs::read(scratch.0.join("summary.json")).unwrap()).unwrap();
        assert_eq!(value["config_hash"], json!(config.hash().unwrap()));
        assert_eq!(value["summary"]["learners"].as_array().unwrap().len(), 4);
        for key in ["commit", "device", "system", "date", "version"] {
            assert!(!value[key].is_null(), "{key}");
        }
    }

    #[test]
    fn a_finished_run_is_kept_unless_again() {
        let scratch = Scratch::new("place");
        let config = ExperimentConfig::default();
        let base = scratch.0.join("run");
        assert_eq!(place(Some(&base), &config, false).unwrap(), Place { path: base.clone(), finished: None });
        write(&base.join("summary.json"), b"{}").unwrap();
        assert_eq!(place(Some(&base), &config, false).unwrap(), Place { path: scratch.0.join("run-2"), finished: Some(base.clone()) });
        write(&scratch.0.join("run-2/summary.json"), b"{}").unwrap();
        assert_eq!(place(Some(&base), &config, false).unwrap().path, scratch.0.join("run-3"));
        assert_eq!(place(Some(&base), &config, true).unwrap().path, base);
        assert_eq!(
            place(None, &config, false).unwrap().path,
            Path::new("runs").join(format!("resnet20-cifar10-{}", config.hash().unwrap()))
        );
        RunDir::create(&base, &config).unwrap();
        assert!(!base.join("summary.json").exists(), "a rerun is not finished until it is");
    }
}
