//! The folder of a study, made from its runs: table, summary, report, figures.
//!
//! Nothing in it is of its own: it is made again from the runs at any time, on any machine that sees them, also while others still train. So
//! it needs no lock, and a run that ends twice counts once.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::collected::{self, Collected, FIGURES, Place, STUDY, TABLE};
use super::plan::{Kind, PlannedRun};
use super::report;
use super::state::Standing;
use crate::output::write_shared;
use crate::{clock, rundir};

/// That a folder is of this study, or of none.
///
/// # Errors
/// Where it is a run's, or another study's.
pub fn check_folder(place: &Place) -> Result<()> {
    let folder = place.folder.display();
    if place.folder.join(rundir::CONFIG).exists() {
        bail!("{folder} is the folder of a run; a study needs another --out");
    }
    let Some(summary) =
        rundir::read_summary(place.folder).with_context(|| format!("{folder} cannot be the study's folder; choose another --out"))?
    else {
        return Ok(());
    };
    match summary["study_hash"].as_str() {
        Some(hash) if hash == place.hash => Ok(()),
        Some(hash) => bail!(
            "{folder} belongs to another study, '{}' ({hash}), and this one is '{}' ({}): other runs, or another measure; choose another --out",
            summary["study"].as_str().unwrap_or("?"),
            place.study.name,
            place.hash
        ),
        None => bail!("{folder} holds no study but a series or a run; choose another --out"),
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
    shared(Path::new(rundir::SUMMARY), &format!("{:#}\n", summary(place, &collected)))?;
    Ok(collected)
}

/// Everything that a program may want to know, complete.
fn summary(place: &Place, collected: &Collected) -> Value {
    let Place { study, plan, measure, hash, .. } = place;
    let Collected { findings, conditions, differences, .. } = collected;
    let values = |axes: &[usize], places: &[usize]| -> Value {
        axes.iter()
            .zip(places)
            .map(|(axis, place)| (study.axes[*axis].field.clone(), json!(study.axes[*axis].words[*place])))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let condition = |condition: usize| values(&conditions.axes, &conditions.places[condition]);
    let every: Vec<usize> = (0..study.axes.len()).collect();
    let run = |(run, standing): (&PlannedRun, &Standing)| {
        json!({ "run": run.folder, "config_hash": run.hash, "state": standing.state, "finished": standing.state == "finished",
            "axes": values(&every, &run.combination), "seconds": standing.seconds })
    };
    let of_kind = |kind: Kind| plan.iter().zip(&collected.standing).filter(move |(run, _)| run.kind == kind).map(run).collect::<Vec<_>>();
    let means = || {
        (0..findings.racers().len()).flat_map(|racer| (0..conditions.places.len()).map(move |condition| (racer, condition))).flat_map(
            |(racer, c)| {
                findings.metrics().filter_map(move |metric| {
                    let mean = findings.mean(metric, racer, &[c])?;
                    Some((racer, c, metric, mean))
                })
            },
        )
    };
    let means: Vec<Value> = means()
        .map(|(racer, c, metric, mean)| {
            json!({ "learner": findings.racers()[racer].name, "control": findings.racers()[racer].control, "condition": condition(c),
                "metric": metric, "values": mean.values, "estimate": mean.estimate })
        })
        .collect();
    let differences: Vec<Value> = differences
        .iter()
        .map(|d| {
            let mut value = json!(d);
            value["condition"] = condition(d.condition);
            value
        })
        .collect();
    let failed = collected.failed.iter().map(|(i, why)| json!({ "run": plan[*i].folder, "config_hash": plan[*i].hash, "reason": why }));
    json!({
        "study": study.name, "study_hash": hash, "question": study.question, "measure": measure,
        "axes": study.axes.iter().map(|axis| json!({ "axis": axis.name, "field": axis.field, "values": axis.words })).collect::<Vec<_>>(),
        "verdict": collected.verdict, "learners": findings.racers(), "means": means, "differences": differences,
        "runs": of_kind(Kind::Run), "parents": of_kind(Kind::Parent), "failed": failed.collect::<Vec<_>>(),
        "stopped": collected.count(plan, "finished").0 < collected.count(plan, "finished").1,
        "seconds": collected.seconds, "devices": collected.devices, "commits": collected.commits,
        "version": env!("CARGO_PKG_VERSION"), "commit": env!("SPARRING_COMMIT"), "system": clock::system(), "date": clock::now(),
    })
}
