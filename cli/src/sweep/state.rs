//! What stands in the folder of a planned run, by its `summary.json` alone.
//!
//! A study may have ten thousand folders on a slow disk: each is opened once, and of what it says only what is compared is kept.

use std::io::ErrorKind;

use serde::Deserialize;
use sparring_core::events::Summary;

use super::plan::{Kind, PlannedRun};
use crate::{rundir, source};

/// What is read of a run's summary.
#[derive(Debug, Deserialize)]
pub struct Record {
    config_hash: String,
    stopped: bool,
    /// Null where no learner was evaluated yet.
    summary: Option<Summary>,
    /// What it took.
    #[serde(default)]
    pub seconds: f64,
    /// Where.
    #[serde(default)]
    pub device: Place,
    /// Program that made it.
    #[serde(default)]
    pub commit: String,
}

/// The device, by its name alone.
#[derive(Debug, Default, Deserialize)]
pub struct Place {
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// How far a planned run is.
#[derive(Debug)]
pub enum State {
    /// Nothing is there.
    New,
    /// It was stopped and can go on.
    Stopped,
    /// It came to its end, with these results.
    Finished(Box<Record>, Summary),
    /// It came to its end, but none of its learners did; why.
    Failed(Box<Record>, String),
    /// Something else is there; what.
    Foreign(String),
}

impl State {
    /// In a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Stopped => "stopped",
            Self::Finished(..) => "finished",
            Self::Failed(..) => "failed",
            Self::Foreign(_) => "foreign",
        }
    }
    /// Whether there is nothing to do: trained to the end, well or not.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Finished(..) | Self::Failed(..))
    }
    /// What it took, where it is over.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Finished(record, _) | Self::Failed(record, _) => Some(record),
            Self::New | Self::Stopped | Self::Foreign(_) => None,
        }
    }
}

/// Reads how far a planned run is.
pub fn read(run: &PlannedRun) -> State {
    let file = run.folder.join(rundir::SUMMARY);
    let foreign = |what: String| State::Foreign(format!("{}: {what}", file.display()));
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return if run.folder.join(rundir::CHECKPOINT).exists() { State::Stopped } else { State::New };
        }
        Err(e) => return foreign(e.to_string()),
    };
    let mut record: Record = match serde_json::from_slice(&bytes) {
        Ok(record) => record,
        Err(e) => return foreign(format!("it is damaged ({e}); remove the folder, and the run is made again")),
    };
    if record.config_hash != run.hash {
        return foreign(format!("it is of another configuration, {}; move the folder away, and the run is made again", record.config_hash));
    }
    if record.stopped {
        return State::Stopped;
    }
    let Some(summary) = record.summary.take() else { return foreign("it is finished without results; remove the folder".into()) };
    let reasons: Vec<String> = summary.learners.iter().filter_map(|l| Some(format!("{}: {}", l.name, l.failed.as_ref()?))).collect();
    if !summary.learners.is_empty() && reasons.len() == summary.learners.len() {
        return State::Failed(Box::new(record), reasons.join("; "));
    }
    State::Finished(Box::new(record), summary)
}

/// How far an entry of the plan is, in short.
#[derive(Clone, Debug)]
pub struct Standing {
    /// In a word: new, stopped, finished, failed, foreign.
    pub state: &'static str,
    /// What it took; 0 where it is not over.
    pub seconds: f64,
}

impl Standing {
    /// Of what was read.
    pub fn of(state: &State) -> Self {
        Self { state: state.name(), seconds: state.record().map_or(0.0, |record| record.seconds) }
    }
    /// Reads it.
    pub fn read(run: &PlannedRun) -> Self {
        match run.kind {
            Kind::Run | Kind::Parent => Self::of(&read(run)),
            Kind::Scores => Self { state: if is_there(run) { "finished" } else { "new" }, seconds: 0.0 },
        }
    }
}

/// Whether an entry of the plan is there: a run that is over, or scores that are kept.
pub fn is_there(run: &PlannedRun) -> bool {
    match run.kind {
        Kind::Run | Kind::Parent => read(run).is_over(),
        Kind::Scores => source::scoring(&run.config).ok().flatten().is_some_and(|s| source::has_score(&s.file, s.score)),
    }
}
