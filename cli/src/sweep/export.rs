//! A study as one file that the page opens.

use std::path::{Path, PathBuf};

use anyhow::Result;
use sparring_core::record::StudyFile;
use sparring_core::record::study_file::{STUDY_FILE_VERSION, StudyLearner, StudyRun};

use super::collected::{self, Place, STUDY};
use super::conditions::Conditions;
use super::listed::{Listed, beside, listed};
use super::plan::Kind;
use super::study::Study;
use super::{Planned, collect};
use crate::args::Usage;

/// A page draws no more.
const MOST_RUNS: usize = 2000;

/// The folder of a study: the one that is named, or the one of the studies beside these runs whose name has this in it; `None` where there is none,
/// or several.
pub fn find(runs: &Path, name: &str) -> Option<PathBuf> {
    let studies = beside(runs);
    let is = |folder: &Path| collect::stamp(folder).is_ok_and(|stamp| stamp.is_some_and(|stamp| stamp.study_hash.is_some()));
    if let Some(folder) = [PathBuf::from(name), studies.join(name)].into_iter().find(|folder| !name.is_empty() && is(folder)) {
        return Some(folder);
    }
    let named: Vec<Listed> = listed(runs).into_iter().filter(|study| study.name.contains(name)).collect();
    let [only] = named.as_slice() else { return None };
    Some(studies.join(&only.name))
}

/// The study of a folder; what it is called there and what it says is as it was collected.
///
/// # Errors
/// Where the folder is none of a study, or its table cannot be read.
pub fn of_folder(folder: &Path, name: Option<&str>) -> Result<StudyFile> {
    let stamp = collect::stamp(folder)?.unwrap_or_default();
    let planned = Planned::new(Study::read(&folder.join(STUDY))?, None, Some(folder.to_owned()))?;
    planned.file(name.unwrap_or(&stamp.study), &stamp.verdict)
}

/// A study from its table.
pub fn file(place: &Place, name: &str, verdict: &str) -> Result<StudyFile> {
    let Place { study, plan, measure, .. } = place;
    let runs = || plan.iter().enumerate().filter(|(_, run)| run.kind == Kind::Run);
    let count = runs().count();
    if count > MOST_RUNS {
        let most = MOST_RUNS;
        return Err(Usage(format!(
            "a study of {count} runs is more than the page shows, which is {most}; its table is in {}",
            collected::TABLE
        ))
        .into());
    }
    let conditions = Conditions::new(study, plan);
    let first = &plan[runs().next().map_or(0, |(index, _)| index)].config;
    let mut all = runs()
        .map(|(_, run)| {
            let condition = conditions.of(run).unwrap_or_default();
            Ok(StudyRun { condition, settings: StudyFile::settings(first, &run.config)?, learners: Vec::new() })
        })
        .collect::<Result<Vec<_>>>()?;
    let place_of: Vec<usize> = runs().map(|(index, _)| index).collect();
    for (run, row) in collected::rows(place)? {
        let Ok(at) = place_of.binary_search(&run) else { continue };
        let (name, control) = (row.learner, row.control);
        all[at].learners.push(StudyLearner {
            name,
            control,
            density: row.density,
            flops: row.flops,
            value: row.value,
            samples: row.samples,
        });
    }
    let words =
        |places: &Vec<usize>| conditions.axes.iter().zip(places).map(|(axis, place)| study.axes[*axis].words[*place].clone()).collect();
    Ok(StudyFile {
        sparring_study: STUDY_FILE_VERSION,
        name: name.to_owned(),
        question: study.question.clone(),
        verdict: verdict.to_owned(),
        measure: *measure,
        axes: conditions.axes.iter().map(|axis| study.axes[*axis].field.clone()).collect(),
        conditions: conditions.places.iter().map(words).collect(),
        config: first.clone(),
        runs: all,
        version: env!("CARGO_PKG_VERSION").into(),
    })
}
