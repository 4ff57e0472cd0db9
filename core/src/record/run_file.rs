//! A run in one file: its card and its events, small enough to ship, to share and to replay.
//!
//! The program writes it from a run's folder, the page from a race of its own, and both read it here; without one reader a recorded
//! run, a kept one and a dropped file would each be believed by rules of their own.

use serde::{Deserialize, Serialize};

use super::history::History;
use crate::config::ExperimentConfig;
use crate::device::info::DeviceInfo;
use crate::events::{Evaluation, Event, LearnerSummary, Robust, Score};

/// Version of the file's form; a change of it or of the events is a new version.
pub const RUN_FILE_VERSION: u32 = 1;
/// Files beyond this are not read: a run of this program is a hundredth of it.
pub const MOST_BYTES: usize = 32 << 20;
/// Reports of progress that are kept: of all learners together, ...
const REPORTS: usize = 600;
/// ... and of one at least and at most, beside one an epoch.
const REPORTS_OF_ONE: (usize, usize) = (60, 300);

/// A run: everything that a result must carry, and what was reported. The fields before `events` are those of `summary.json` in a run's
/// folder, so that one reader serves both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// [`RUN_FILE_VERSION`].
    #[serde(default)]
    pub sparring_run: u32,
    /// What a person calls it.
    #[serde(default)]
    pub name: String,
    /// The complete configuration.
    pub config: ExperimentConfig,
    /// Its hash.
    pub config_hash: String,
    /// Where it ran.
    pub device: DeviceInfo,
    /// Version of the program.
    pub version: String,
    /// Its commit; empty where it is not known.
    #[serde(default)]
    pub commit: String,
    /// Operating system, or browser.
    pub system: String,
    /// When it ended or was stopped, UTC, `2026-05-04T13:02:01Z`.
    pub date: String,
    /// Seconds it took.
    pub seconds: f64,
    /// What was reported, thinned as [`thin`] does.
    #[serde(default)]
    pub events: Vec<Event>,
}

/// Why a file is not taken for a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Something else.
    #[error("it is no run: expected a run file (.json) or the files summary.json and metrics.jsonl of a run's folder, found {0}")]
    NotARun(String),
    /// Of another version.
    #[error("it has format {found}, and format {read} is read here; open it with the version of Sparring that wrote it")]
    Version {
        /// Its version.
        found: u32,
        /// The one that is read.
        read: u32,
    },
    /// Of a later program: it names what is not known here.
    #[error("a newer version of Sparring wrote it: {0} is not known to this one; update the program, or reload the page")]
    Newer(String),
    /// Not what was written.
    #[error("it is damaged ({0}); export it again where it came from")]
    Damaged(String),
    /// Larger than any run.
    #[error("it has {found} bytes, and a run has at most {MOST_BYTES}")]
    TooLarge {
        /// Its size.
        found: usize,
    },
}

/// What is read first: whether the rest can be.
#[derive(Deserialize)]
struct Stamp {
    #[serde(default)]
    sparring_run: Option<u32>,
}

impl Stamp {
    fn check(&self) -> Result<(), Unreadable> {
        match self.sparring_run {
            None => Err(another_kind()),
            Some(RUN_FILE_VERSION) => Ok(()),
            Some(found) => Err(Unreadable::Version { found, read: RUN_FILE_VERSION }),
        }
    }
}

pub(super) fn damaged(what: impl std::fmt::Display) -> Unreadable {
    Unreadable::Damaged(what.to_string())
}

/// Most characters of what a parser says that are worth a person's time.
const MOST_WORDS: usize = 160;

/// What a file that is JSON and no run of this version is. A name that is not known is one that a later version has: of a damaged file the
/// names would hardly be whole words.
pub(super) fn misread(whose: &str, error: &serde_json::Error) -> Unreadable {
    let text = error.to_string();
    let quoted = |kind: &str| text.strip_prefix(kind).and_then(|rest| rest.split('`').next());
    let variant = quoted("unknown variant `").map(|name| format!("'{name}'"));
    let field = || quoted("unknown field `").map(|name| format!("the setting '{name}'"));
    // As `Error::unknown_name` words it: "unknown method 'x'; valid: ..."
    let name = || text.strip_prefix("unknown ").and_then(|rest| rest.split_once("; valid:")).map(|(name, _)| format!("the {name}"));
    match variant.or_else(field).or_else(name) {
        Some(name) => Unreadable::Newer(format!("{whose}{name}")),
        None if text.len() > MOST_WORDS => damaged(format_args!("{whose}{}...", text.chars().take(MOST_WORDS).collect::<String>())),
        None => damaged(format_args!("{whose}{text}")),
    }
}

/// The text of a file that is not too large.
fn text(bytes: &[u8]) -> Result<&str, Unreadable> {
    if bytes.len() > MOST_BYTES {
        return Err(Unreadable::TooLarge { found: bytes.len() });
    }
    std::str::from_utf8(bytes).map_err(|_| Unreadable::NotARun("bytes that are no text".into()))
}

/// The text of a file that is JSON.
pub(super) fn json(bytes: &[u8]) -> Result<&str, Unreadable> {
    let text = text(bytes)?.trim_start();
    if text.starts_with(['{', '[']) { Ok(text) } else { Err(Unreadable::NotARun("text in another form".into())) }
}

/// What the stamps of all runs in the file are read as.
fn stamps<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|e| if e.is_data() { another_kind() } else { damaged(e) })
}

fn another_kind() -> Unreadable {
    Unreadable::NotARun("JSON of another kind".into())
}

/// Several runs as one file's text.
///
/// # Errors
/// As [`RunFile::to_json`].
pub fn all_to_json<'a>(runs: impl Iterator<Item = &'a RunFile>) -> Result<String, serde_json::Error> {
    Ok(format!("[{}]", runs.map(RunFile::to_json).collect::<Result<Vec<_>, _>>()?.join(",\n")))
}

impl RunFile {
    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Where it is something else, too large, of another version or damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = json(bytes)?;
        if text.starts_with('[') {
            return Err(another_kind());
        }
        stamps::<Stamp>(text)?.check()?;
        let run: Self = serde_json::from_str(text).map_err(|e| misread("", &e))?;
        run.check()?;
        Ok(run)
    }

    /// Reads a file of one run or of a list of them, as [`all_to_json`] writes it.
    ///
    /// # Errors
    /// As [`Self::read`], for the first that cannot be read.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, Unreadable> {
        let text = json(bytes)?;
        if !text.starts_with('[') {
            return Ok(vec![Self::read(bytes)?]);
        }
        let stamps = stamps::<Vec<Stamp>>(text)?;
        if stamps.is_empty() {
            return Err(another_kind());
        }
        stamps.iter().try_for_each(Stamp::check)?;
        let runs: Vec<Self> = serde_json::from_str(text).map_err(|e| misread("", &e))?;
        runs.iter().try_for_each(Self::check)?;
        Ok(runs)
    }

    /// Reads a run's folder: its `summary.json` and its `metrics.jsonl`. A last line that was cut off is left out.
    ///
    /// # Errors
    /// As [`Self::read`]; `Damaged` says which file and line.
    pub fn of_folder(name: &str, summary: &[u8], metrics: &[u8]) -> Result<Self, Unreadable> {
        let mut run: Self = serde_json::from_str(text(summary)?).map_err(|e| misread("summary.json: ", &e))?;
        let text = text(metrics)?;
        let mut events = Vec::new();
        for (number, line) in text.split_inclusive('\n').enumerate() {
            match Event::from_line(line) {
                Ok(event) => events.push(event),
                Err(_) if !line.ends_with('\n') => {}
                Err(e) => return Err(misread(&format!("metrics.jsonl, line {}: ", number + 1), &e)),
            }
        }
        (run.sparring_run, run.name, run.events) = (RUN_FILE_VERSION, name.to_owned(), thin(events));
        run.check()?;
        Ok(run)
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that can be provoked: a run is plain data.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Epochs that the slowest learner has completed, and whether all of it is there.
    pub fn extent(&self) -> (u32, bool) {
        let history = History::of(&self.events);
        (history.epochs_done(), history.summary.is_some())
    }

    fn check(&self) -> Result<(), Unreadable> {
        self.config.validate().map_err(damaged)?;
        match self.events.first() {
            Some(Event::Started { learners, .. }) if !learners.is_empty() => {
                self.events.iter().enumerate().try_for_each(|(place, event)| check_event(place, event, learners.len()))
            }
            Some(_) => Err(damaged("it does not begin with a start")),
            None => Err(damaged("nothing was reported")),
        }
    }
}

/// The learner of an event, where it is of one.
fn whose(event: &Event) -> Option<usize> {
    match event {
        Event::Progress { learner, .. }
        | Event::EpochEnd { learner, .. }
        | Event::Topology { learner, .. }
        | Event::TopologyChanged { learner, .. }
        | Event::LearnerFailed { learner, .. } => Some(*learner),
        Event::Changed { learner, .. } => *learner,
        Event::Started { .. } | Event::SamplesScored { .. } | Event::Warning { .. } | Event::Finished { .. } => None,
    }
}

/// All scores of an evaluation.
fn all_scores(scores: &Evaluation) -> impl Iterator<Item = &Score> {
    let Evaluation { train, validation, test, test_easy, test_hard, by_hardness } = scores;
    let robust = by_hardness
        .robust
        .iter()
        .flat_map(|Robust { train, clean_train, validation, test }| [train, validation, test].into_iter().chain(clean_train));
    let parts = [train, validation, test].into_iter().chain(test_easy).chain(test_hard);
    parts.chain(&by_hardness.bins).chain(&by_hardness.corrupted).chain(robust)
}

/// What no run can have reported: a learner that it has not, and a share beyond 0 to 1.
fn check_event(place: usize, event: &Event, learners: usize) -> Result<(), Unreadable> {
    if let Some(learner) = whose(event).filter(|learner| *learner >= learners) {
        return Err(damaged(format_args!("event {place} is of learner {learner}, and there are {learners}")));
    }
    let accuracy = |of: &Score| ("an accuracy", of.accuracy);
    let shares: Vec<(&str, f64)> = match event {
        Event::Progress { accuracy, .. } => vec![("an accuracy", *accuracy)],
        Event::EpochEnd { scores, .. } => all_scores(scores).map(accuracy).collect(),
        Event::TopologyChanged { death_rate, .. } => vec![("a share that was replaced", *death_rate)],
        Event::Topology { report, .. } => vec![("a density", report.density), ("a share that was explored", report.explored)],
        Event::Finished { summary } => summary
            .learners
            .iter()
            .flat_map(|learner| all_scores(&learner.scores).map(accuracy).chain([("a density", learner.density)]))
            .collect(),
        Event::Started { .. }
        | Event::Changed { .. }
        | Event::SamplesScored { .. }
        | Event::Warning { .. }
        | Event::LearnerFailed { .. } => Vec::new(),
    };
    match shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        Some((what, share)) => Err(damaged(format_args!("event {place} has {what} of {share}; from 0 to 1 is possible"))),
        None => Ok(()),
    }
}

/// What a band over seeds is drawn of: the start, evaluations and the end.
pub fn brief(events: Vec<Event>) -> Vec<Event> {
    let told = |event: &Event| {
        matches!(event, Event::Started { .. } | Event::EpochEnd { .. } | Event::LearnerFailed { .. } | Event::Finished { .. })
    };
    events.into_iter().filter(told).collect()
}

/// Reports of progress that become one.
struct Merged {
    reports: usize,
    /// The weight of the means: steps.
    weight: f64,
    loss: f64,
    accuracy: f64,
    /// Epoch, step, steps, milliseconds of the last.
    last: (u32, usize, usize, f64),
}

impl Merged {
    fn event(self, learner: usize) -> Event {
        let (epoch, step, steps, ms_per_step) = self.last;
        let mean = |sum: f64| sum / self.weight.max(1.0);
        Event::Progress { learner, epoch, step, steps, loss: mean(self.loss), accuracy: mean(self.accuracy), ms_per_step }
    }
}

/// The same run in fewer words: neighbouring reports of progress become their mean (some 200 a learner are left, and one an epoch at
/// least), everything else stays, with numbers rounded to what they are good for.
pub fn thin(events: Vec<Event>) -> Vec<Event> {
    let learners = events.iter().find_map(|e| if let Event::Started { learners, .. } = e { Some(learners.len()) } else { None });
    let mut count = vec![0usize; learners.unwrap_or(1)];
    for event in &events {
        if let Event::Progress { learner, .. } = event {
            count.iter_mut().skip(*learner).take(1).for_each(|n| *n += 1);
        }
    }
    let most = (REPORTS / count.len().max(1)).clamp(REPORTS_OF_ONE.0, REPORTS_OF_ONE.1);
    let mut open: Vec<Option<Merged>> = count.iter().map(|_| None).collect();
    let mut place = vec![(0u32, 0usize); count.len()];
    let mut out = Vec::new();
    for event in events {
        match event {
            Event::Progress { learner, epoch, step, steps, loss, accuracy, ms_per_step } if learner < count.len() => {
                let (slot, before) = (&mut open[learner], &mut place[learner]);
                let weight = (step - if before.0 == epoch { before.1.min(step) } else { 0 }).max(1) as f64;
                *before = (epoch, step);
                let merged = slot.get_or_insert(Merged { reports: 0, weight: 0.0, loss: 0.0, accuracy: 0.0, last: (0, 0, 0, 0.0) });
                merged.reports += 1;
                merged.weight += weight;
                merged.loss += loss * weight;
                merged.accuracy += accuracy * weight;
                merged.last = (epoch, step, steps, ms_per_step);
                if merged.reports * most >= count[learner] || step == steps {
                    out.extend(slot.take().map(|m| m.event(learner)));
                }
            }
            // What belongs to a learner comes after its progress, what belongs to all after everybody's.
            event => {
                let whose = whose(&event);
                for (learner, slot) in open.iter_mut().enumerate().filter(|(l, _)| whose.is_none_or(|w| w == *l)) {
                    out.extend(slot.take().map(|m| m.event(learner)));
                }
                out.push(event);
            }
        }
    }
    for (learner, slot) in open.into_iter().enumerate() {
        out.extend(slot.map(|m| m.event(learner)));
    }
    out.iter_mut().for_each(round_event);
    out
}

fn round(value: &mut f64, steps: f64) {
    *value = (*value * steps).round() / steps;
}

fn round_score(score: &mut Score) {
    round(&mut score.loss, 1e4);
    round(&mut score.accuracy, 1e5);
}

fn round_scores(scores: &mut Evaluation) {
    let Evaluation { train, validation, test, test_easy, test_hard, by_hardness } = scores;
    let parts = [train, validation, test].into_iter().chain(test_easy).chain(test_hard);
    parts.chain(&mut by_hardness.bins).chain(&mut by_hardness.corrupted).for_each(round_score);
    if let Some(Robust { train, clean_train, validation, test }) = &mut by_hardness.robust {
        [train, validation, test].into_iter().chain(clean_train).for_each(round_score);
    }
}

/// Five decimals of a share, four of a loss, three of milliseconds: no evaluation and no clock says more.
fn round_event(event: &mut Event) {
    match event {
        Event::Progress { loss, accuracy, ms_per_step, .. } => {
            round(loss, 1e4);
            round(accuracy, 1e4);
            round(ms_per_step, 1e3);
        }
        Event::EpochEnd { scores, seconds, .. } => {
            round_scores(scores);
            round(seconds, 1e2);
        }
        Event::TopologyChanged { death_rate, layers, .. } => {
            round(death_rate, 1e5);
            layers.iter_mut().for_each(|layer| round(&mut layer.explored, 1e5));
        }
        Event::Topology { report, .. } => {
            [&mut report.density, &mut report.explored, &mut report.from_first, &mut report.from_previous]
                .into_iter()
                .chain(report.layers.iter_mut().flat_map(|layer| [&mut layer.density, &mut layer.explored]))
                .for_each(|share| round(share, 1e5));
        }
        Event::Finished { summary } => {
            for LearnerSummary { scores, ms_per_step, .. } in &mut summary.learners {
                round_scores(scores);
                round(ms_per_step, 1e3);
            }
        }
        Event::Started { .. }
        | Event::Changed { .. }
        | Event::SamplesScored { .. }
        | Event::Warning { .. }
        | Event::LearnerFailed { .. } => {}
    }
}

#[cfg(test)]
mod tests;
