//! The folder of a study, made from its runs: table, summary, report, figures.
//!
//! Nothing in it is of its own: it is made again from the runs at any time, on any machine that sees them, also while others still train. So
//! it needs no lock, and a run that ends twice counts once.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::axis::Axis;
use super::collected::{self, Collected, FIGURES, Place, STUDY, TABLE};
use super::plan::{Kind, PlannedRun};
use super::report;
use super::state::Standing;
use crate::output::write_shared;
use crate::{clock, rundir};

/// What is read of a study's summary before anything is done with it.
#[derive(Default, Deserialize)]
pub struct Stamp {
    /// Its name.
    #[serde(default)]
    pub study: String,
    /// What it says.
    #[serde(default)]
    pub verdict: String,
    /// Its hash; `None` of what is no study.
    pub study_hash: Option<String>,
    #[serde(default)]
    runs: Vec<Member>,
}

/// Whether a run was finished when the study was collected.
#[derive(Default, Deserialize)]
struct Member {
    #[serde(default)]
    finished: bool,
}

/// The stamp of a folder's summary; `None` where there is none.
///
/// # Errors
/// Where it cannot be read.
pub fn stamp(folder: &Path) -> Result<Option<Stamp>> {
    let file = folder.join(rundir::SUMMARY);
    match std::fs::read(&file) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", file.display()))?)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e).with_context(|| format!("reading {}", file.display())),
    }
}

/// That a folder is of this study, or of none.
///
/// # Errors
/// Where it is a run's, or another study's.
pub fn check_folder(place: &Place) -> Result<()> {
    let folder = place.folder.display();
    if place.folder.join(rundir::CONFIG).exists() {
        bail!("{folder} is the folder of a run; a study needs another --out");
    }
    let stamp = stamp(place.folder).with_context(|| format!("{folder} cannot be the study's folder; choose another --out"))?;
    match stamp.map(|stamp| (stamp.study, stamp.study_hash)) {
        None => Ok(()),
        Some((_, Some(hash))) if hash == place.hash => Ok(()),
        Some((name, Some(hash))) => bail!(
            "{folder} belongs to another study, '{name}' ({hash}), and this one is '{}' ({}): other runs, or another measure; choose another --out",
            place.study.name,
            place.hash
        ),
        Some((_, None)) => bail!("{folder} holds no study but a series or a run; choose another --out"),
    }
}

/// Reads all that is finished, and writes the study's folder anew.
///
/// # Errors
/// Where the folder cannot be written. What is wrong with a run is told and counted.
pub fn collect(place: &Place) -> Result<Collected> {
    let mut all = None;
    // The table is written while runs are read: however many there are, one of them is in memory.
    write_shared(&place.folder.join(TABLE), |table| {
        all = Some(collected::read(place, table)?);
        Ok(())
    })?;
    let collected = all.context("nothing was collected")?;
    let shared = |name: &Path, text: &str| write_shared(&place.folder.join(name), |file| Ok(file.write_all(text.as_bytes())?));
    shared(Path::new(STUDY), &place.study.text)?;
    for (name, drawing) in report::figures(place, &collected).iter().filter_map(|figure| figure.document()) {
        shared(&Path::new(FIGURES).join(name), &drawing)?;
    }
    shared(Path::new(rundir::REPORT), &report::render(place, &collected))?;
    write_shared(&place.folder.join(rundir::SUMMARY), |file| summary(place, &collected, file))?;
    Ok(collected)
}

/// What is to be said where fewer runs are found than the study's table has: they lie in another folder, or are gone. `None` where all are there.
pub fn lost(place: &Place, standing: &[Standing]) -> Result<Option<String>> {
    let before = stamp(place.folder)?.map_or(0, |stamp| stamp.runs.iter().filter(|run| run.finished).count());
    let is_there = |(run, standing): &(&PlannedRun, &Standing)| run.kind == Kind::Run && standing.state == "finished";
    let there = place.plan.iter().zip(standing).filter(is_there).count();
    if there >= before {
        return Ok(None);
    }
    let runs = std::path::absolute("runs").unwrap_or_else(|_| "runs".into());
    let (folder, runs) = (place.folder.display(), runs.display());
    Ok(Some(format!("{before} runs are in the table of {folder}, and {there} of them are found in {runs}")))
}

/// An object of JSON, written field by field, lists with a line an element: a study's are too long to stand in memory once more.
struct Object<'a> {
    out: &'a mut dyn Write,
    fields: usize,
}

impl Object<'_> {
    fn name(&mut self, name: &str) -> Result<()> {
        let before = if self.fields == 0 { "{" } else { "," };
        self.fields += 1;
        Ok(write!(self.out, "{before}\n  \"{name}\": ")?)
    }
    fn field(&mut self, name: &str, value: Value) -> Result<()> {
        self.name(name)?;
        Ok(write!(self.out, "{value}")?)
    }
    fn list(&mut self, name: &str, values: impl Iterator<Item = Value>) -> Result<()> {
        self.name(name)?;
        write!(self.out, "[")?;
        for (i, value) in values.enumerate() {
            write!(self.out, "{}\n    {value}", if i == 0 { "" } else { "," })?;
        }
        Ok(write!(self.out, "]")?)
    }
}

/// Everything that a program may want to know, complete.
fn summary(place: &Place, collected: &Collected, out: &mut dyn Write) -> Result<()> {
    let Place { study, plan, measure, hash, .. } = place;
    let Collected { findings, conditions, .. } = collected;
    let values = |axes: &[usize], places: &[usize]| -> Value {
        let value = |(axis, place): (&usize, &usize)| (study.axes[*axis].field.clone(), json!(study.axes[*axis].words[*place]));
        axes.iter().zip(places).map(value).collect::<serde_json::Map<_, _>>().into()
    };
    let condition = |condition: usize| values(&conditions.axes, &conditions.places[condition]);
    let every: Vec<usize> = (0..study.axes.len()).collect();
    let run = |(run, standing): (&PlannedRun, &Standing)| {
        json!({ "run": run.folder, "config_hash": run.hash, "state": standing.state, "finished": standing.state == "finished",
            "axes": values(&every, &run.combination), "seconds": standing.seconds })
    };
    let of_kind = |kind: Kind| plan.iter().zip(&collected.standing).filter(move |(run, _)| run.kind == kind).map(&run);
    let axis = |axis: &Axis| json!({ "axis": axis.name, "field": axis.field, "values": axis.words });
    let (finished, all) = collected.count(plan, "finished");
    let mut object = Object { out, fields: 0 };
    object.field("study", json!(study.name))?;
    object.field("study_hash", json!(hash))?;
    object.field("question", json!(study.question))?;
    object.field("measure", json!(measure))?;
    object.field("verdict", json!(collected.verdict))?;
    object.list("axes", study.axes.iter().map(axis))?;
    object.field("stopped", json!(finished < all))?;
    object.field("seconds", json!(collected.seconds))?;
    object.field("devices", json!(collected.devices))?;
    object.field("commits", json!(collected.commits))?;
    object.field("version", json!(env!("CARGO_PKG_VERSION")))?;
    object.field("commit", json!(env!("SPARRING_COMMIT")))?;
    object.field("system", json!(clock::system()))?;
    object.field("date", json!(clock::now()))?;
    object.list("learners", findings.racers().iter().map(|racer| json!(racer)))?;
    let differences = collected.differences.iter().map(|difference| {
        let mut value = json!(difference);
        value["condition"] = condition(difference.condition);
        value
    });
    object.list("differences", differences)?;
    let metrics: Vec<_> = findings.metrics().collect();
    let places = (0..findings.racers().len()).flat_map(|racer| conditions.all().into_iter().map(move |condition| (racer, condition)));
    let means = places.flat_map(|(racer, at)| metrics.iter().map(move |metric| (racer, at, *metric))).filter_map(|(racer, at, metric)| {
        let (mean, known) = (findings.mean(metric, racer, &[at])?, &findings.racers()[racer]);
        let (learner, control, condition) = (&known.name, known.control, condition(at));
        Some(json!({ "learner": learner, "control": control, "condition": condition, "metric": metric, "values": mean.values, "estimate": mean.estimate }))
    });
    object.list("means", means)?;
    let failed = |(run, why): &(usize, String)| json!({ "run": plan[*run].folder, "config_hash": plan[*run].hash, "reason": why });
    object.list("failed", collected.failed.iter().map(failed))?;
    object.list("parents", of_kind(Kind::Parent))?;
    object.list("runs", of_kind(Kind::Run))?;
    Ok(writeln!(object.out, "\n}}")?)
}
