//! The plan of a study: every run, known by the hash of its configuration, and what has to be there before it.
//!
//! Whatever runs a study, on this machine or on a cluster, works from this list: each entry runs by itself (`--only HASH`) once those that
//! it depends on are finished. Dense parents and scores that several runs need are entries of their own, so that no two make one at once.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Result;
use sparring_core::ExperimentConfig;
use sparring_core::config::{Adversarial, Scenario};
use sparring_core::device::info::DeviceChoice;
use sparring_core::record::Metric;
use sparring_core::train::parent::{needed, parent_config};
use toml::Table;

use super::axis::complete;
use super::study::Study;
use crate::args::{Usage, validate};
use crate::config_file;
use crate::{rundir, source};

/// A study has at most this many combinations.
const MOST_RUNS: usize = 100_000;

/// What an entry of the plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A run of the study.
    Run,
    /// A dense network that methods of other runs start from.
    Parent,
    /// The hardness scores that other runs choose their samples by.
    Scores,
}

/// An entry of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRun {
    /// What it is.
    pub kind: Kind,
    /// What it is known by: the hash of its configuration; of scores with `scores-` before it and their name behind it.
    pub hash: String,
    /// Its configuration; of scores that of a run which needs them.
    pub config: ExperimentConfig,
    /// Its folder; of scores the file that they are kept in.
    pub folder: PathBuf,
    /// The hashes of what has to be finished first. Those stand before it in the plan.
    pub depends_on: Vec<String>,
    /// Of a run of the study the index of its value on each axis; else empty.
    pub combination: Vec<usize>,
}

/// A plan, and its places by hash.
#[derive(Default)]
struct Plan {
    runs: Vec<PlannedRun>,
    places: HashMap<String, usize>,
}

/// Every run of a study, each after what it depends on. The order follows from the study alone.
///
/// # Errors
/// `Usage` where the study has no run, a run twice, an exclusion that excludes nothing, or a combination that is no experiment.
pub fn plan(study: &Study, device: Option<DeviceChoice>) -> Result<Vec<PlannedRun>> {
    let wrong = |why: String| anyhow::Error::from(Usage(format!("the study {}: {why}", study.path.display())));
    let combinations = combinations(study).map_err(wrong)?;
    let mut plan = Plan::default();
    let mut bases: HashMap<Option<Scenario>, Table> = HashMap::new();
    for combination in combinations {
        let refused = |why: String| {
            wrong(format!(
                "the combination {} is refused: {why}; change a value, or leave it out with [[exclude]]",
                study.words(&combination)
            ))
        };
        let (scenario, given) = study.given(&combination).map_err(refused)?;
        let base = match bases.entry(scenario) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(complete(&study.stands_on(scenario)).map_err(refused)?),
        };
        let mut config = config_file::over(base.clone(), &given).map_err(refused)?;
        if let Some(device) = device {
            config.device = device;
        }
        validate(&config).map_err(|e| refused(e.to_string().trim_start_matches("configuration: ").to_owned()))?;
        plan.add(config, &combination).map_err(|e| match e {
            Refused::Twice(other) => {
                let same = study.words(&plan.runs[other].combination);
                let hint = if study.axes.iter().any(super::axis::Axis::is_densities) {
                    "; a density changes only learners that name none and are not dense"
                } else {
                    ""
                };
                wrong(format!(
                    "{} and {} are one and the same run{hint}; leave one of them out with [[exclude]], or take the value away that changes nothing",
                    same,
                    study.words(&combination)
                ))
            }
            Refused::Other(error) => error,
        })?;
    }
    Ok(plan.runs)
}

/// Why a run is not taken into a plan.
enum Refused {
    /// It is there already.
    Twice(usize),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Refused {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<sparring_core::Error> for Refused {
    fn from(error: sparring_core::Error) -> Self {
        Self::Other(error.into())
    }
}

impl Plan {
    /// Adds a run of the study, after what it needs.
    fn add(&mut self, config: ExperimentConfig, combination: &[usize]) -> Result<(), Refused> {
        let hash = config.hash()?;
        if let Some(place) = self.places.get(&hash) {
            let known = &mut self.runs[*place];
            if known.kind == Kind::Run {
                return Err(Refused::Twice(*place));
            }
            // The parent of an earlier run is a run of the study, too.
            (known.kind, known.combination) = (Kind::Run, combination.to_vec());
            return Ok(());
        }
        let mut depends_on = self.scores(&config)?;
        if config.parent.is_empty() {
            for subset in needed(&config) {
                depends_on.push(self.parent(parent_config(&config, subset))?);
            }
        }
        self.push(PlannedRun {
            kind: Kind::Run,
            hash,
            folder: rundir::path(None, &config)?,
            config,
            depends_on,
            combination: combination.to_vec(),
        });
        Ok(())
    }

    fn parent(&mut self, config: ExperimentConfig) -> Result<String, Refused> {
        let hash = config.hash()?;
        if !self.places.contains_key(&hash) {
            let depends_on = self.scores(&config)?;
            let folder = rundir::path(None, &config)?;
            self.push(PlannedRun { kind: Kind::Parent, hash: hash.clone(), config, folder, depends_on, combination: Vec::new() });
        }
        Ok(hash)
    }

    /// The scores that a run waits for. All those of one scoring network lie in one file, so each set waits for the one before it.
    fn scores(&mut self, config: &ExperimentConfig) -> Result<Vec<String>, Refused> {
        let Some(scoring) = source::scoring(config)? else { return Ok(Vec::new()) };
        let hash = format!("scores-{}-{}", scoring.hash, scoring.score);
        if !self.places.contains_key(&hash) {
            let before = self.runs.iter().filter(|run| run.kind == Kind::Scores && run.folder == scoring.file);
            let depends_on = before.map(|run| run.hash.clone()).collect();
            self.push(PlannedRun {
                kind: Kind::Scores,
                hash: hash.clone(),
                config: config.clone(),
                folder: scoring.file,
                depends_on,
                combination: Vec::new(),
            });
        }
        Ok(vec![hash])
    }

    fn push(&mut self, run: PlannedRun) {
        self.places.insert(run.hash.clone(), self.runs.len());
        self.runs.push(run);
    }
}

/// Every combination that is not excluded: the index of a value on each axis, the last axis changing first.
fn combinations(study: &Study) -> Result<Vec<Vec<usize>>, String> {
    let lengths: Vec<usize> = study.axes.iter().map(|axis| axis.values.len()).collect();
    let all = lengths.iter().try_fold(1usize, |all, length| all.checked_mul(*length).filter(|all| *all <= MOST_RUNS));
    let all = all.ok_or_else(|| {
        let words: Vec<String> = study.axes.iter().map(|axis| format!("{} {}", axis.values.len(), axis.name)).collect();
        format!("its axes make more than {MOST_RUNS} combinations ({}); make it several studies", words.join(" x "))
    })?;
    let combination = |mut index: usize| {
        let mut places = vec![0; lengths.len()];
        for (place, length) in places.iter_mut().zip(&lengths).rev() {
            (*place, index) = (index % length, index / length);
        }
        places
    };
    let mut left: Vec<Vec<usize>> = (0..all).map(combination).collect();
    for exclusion in &study.exclusions {
        let before = left.len();
        left.retain(|combination| !exclusion.has(combination));
        if left.len() == before {
            return Err(format!("[[exclude]] {} excludes nothing that those before it leave; take it out", exclusion.words));
        }
    }
    if left.is_empty() {
        return Err(format!("its exclusions leave none of its {all} combinations; exclude less"));
    }
    Ok(left)
}

/// Whether a run can be evaluated by a measure, as far as its configuration tells.
fn has(config: &ExperimentConfig, measure: Metric) -> bool {
    match measure {
        Metric::Corrupted => !config.corruption.is_empty(),
        Metric::RobustTest | Metric::RobustGap => config.norm != Adversarial::None,
        Metric::HardestBin => config.bins > 0,
        // Scores may ship with the dataset, whatever is trained on.
        Metric::HardHalf | Metric::Test => true,
    }
}

/// What all runs of a plan are judged by.
///
/// # Errors
/// `Usage` where that differs between them and the study does not say it.
pub fn measure(study: &Study, plan: &[PlannedRun]) -> Result<Metric> {
    if let Some(measure) = study.measure {
        let without = plan.iter().find(|run| run.kind == Kind::Run && !has(&run.config, measure));
        return without.map_or(Ok(measure), |run| {
            let (path, words) = (study.path.display(), study.words(&run.combination));
            Err(Usage(format!(
                "the study {path}: with {words} there is no {measure} ({}); choose another measure, or change what is trained on",
                measure.doc()
            ))
            .into())
        });
    }
    let mut all: Vec<Metric> = plan.iter().filter(|r| r.kind == Kind::Run).map(|r| Metric::deciding(&r.config, None, true)).collect();
    all.dedup();
    match all.as_slice() {
        [first, rest @ ..] if rest.iter().all(|metric| metric == first) => Ok(*first),
        all => {
            let mut names: Vec<&str> = all.iter().map(|metric| metric.name()).collect();
            names.sort_unstable();
            names.dedup();
            let path = study.path.display();
            Err(Usage(format!(
                "the study {path}: its runs are judged by different measures ({}); say measure = \"test\", or one of these",
                names.join(", ")
            ))
            .into())
        }
    }
}

/// The hash of a study: of its runs, what it compares them by, and its axes.
pub fn study_hash(study: &Study, measure: Metric, plan: &[PlannedRun]) -> String {
    let mut text = measure.name().to_owned();
    for axis in &study.axes {
        text += &format!("\n{} {}", axis.field, axis.words.join("|"));
    }
    for run in plan.iter().filter(|run| run.kind == Kind::Run) {
        text += &format!("\n{}", run.hash);
    }
    sparring_core::config::digest(text.as_bytes())
}

#[cfg(test)]
mod tests;
