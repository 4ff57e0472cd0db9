//! What a study takes, told before it begins: time, memory, disk. And its work, by which the time that is left is told while it runs.
//!
//! Time is by runs of the study that are finished, else by a few training steps of each of its networks, as if every learner were dense.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use sparring_core::config::LearnerConfig;
use sparring_core::data::Dataset;
use sparring_core::hardness::Subset;
use sparring_core::net::Graph;
use sparring_core::train::scoring::ScorePolicy;
use sparring_core::{Device, ExperimentConfig, Session};

use super::only::images;
use super::plan::{Kind, PlannedRun};
use crate::data::{Wanted, is_here};
use crate::{cost, import};

/// Bytes of a parameter in a file of weights.
const BYTES: f64 = 4.0;
/// Files of weights that a learner leaves: the last, and the best.
const FILES: f64 = 2.0;
/// What a run leaves beside its weights: its report, and its events an epoch and learner.
const REPORT: f64 = 60e3;
const EVENTS: f64 = 2e3;

/// What is known of a plan before it runs.
#[derive(Default)]
pub struct Estimate {
    /// The work of every entry, in a unit that all share; 0 where its images are not here.
    pub work: Vec<f64>,
    /// Seconds of that unit on this machine.
    pub seconds: Option<f64>,
    /// Device bytes of the largest run.
    pub memory: Option<f64>,
    /// Bytes of all run folders.
    pub disk: f64,
    /// Names of datasets that have to be fetched first.
    pub missing: Vec<String>,
}

/// What tells datasets apart.
fn images_of(config: &ExperimentConfig) -> String {
    format!("{} {} {} {}", config.dataset, config.difficulty, config.folder, config.image_size)
}

/// What tells networks apart, by what a step of theirs takes.
fn network_of(config: &ExperimentConfig) -> String {
    format!("{} {:?} {} {} {}", images_of(config), config.architecture(), config.batch_size, config.precision, config.micro_batch)
}

/// Looks at every entry. `over`: seconds of those that are over. `fetch`: datasets that are not here are fetched; else they are named.
///
/// # Errors
/// Where images cannot be had.
pub fn estimate(plan: &[PlannedRun], over: &[f64], fetch: bool) -> Result<Estimate> {
    let mut datasets: HashMap<String, Option<Arc<Dataset>>> = HashMap::new();
    let mut all = Estimate { work: Vec::with_capacity(plan.len()), ..Estimate::default() };
    let mut networks: HashMap<String, (&PlannedRun, Arc<Dataset>, f64)> = HashMap::new();
    // Parameters of each network.
    let mut sizes: HashMap<String, f64> = HashMap::new();
    for run in plan {
        let key = images_of(&run.config);
        if !datasets.contains_key(&key) {
            let here = fetch || is_here(&Wanted::from(&run.config));
            if !here {
                all.missing.push(run.config.dataset.to_string());
            }
            datasets.insert(key.clone(), if here { Some(images(run)?) } else { None });
        }
        let Some(Some(dataset)) = datasets.get(&key) else {
            all.work.push(0.0);
            continue;
        };
        let (train, test) = (dataset.train.len(), dataset.test.len());
        let work = match run.kind {
            Kind::Run | Kind::Parent => cost::own_work(&run.config, train, test),
            Kind::Scores => cost::own_work(&ScorePolicy::of(&run.config).run, train, test),
        };
        all.work.push(work);
        let network = network_of(&run.config);
        let parameters =
            *sizes.entry(network.clone()).or_insert_with(|| graph(&run.config, dataset).map_or(0.0, |g| g.parameters() as f64));
        let macs = networks.entry(network).or_insert_with(|| (run, Arc::clone(dataset), 0.0));
        macs.2 += work;
        if run.kind != Kind::Scores {
            let learners = (run.config.learners.len() * run.config.corners().len()) as f64;
            all.disk += learners * (FILES * BYTES * parameters + EVENTS * f64::from(run.config.epochs)) + REPORT;
        }
    }
    let (mut done, mut took) = (0.0, 0.0);
    for (work, seconds) in all.work.iter().zip(over).filter(|(_, seconds)| **seconds > 0.0) {
        (done, took) = (done + work, took + seconds);
    }
    let mut by_steps = (0.0, 0.0);
    for (run, dataset, work) in networks.values() {
        if done == 0.0 {
            // What cannot be measured cannot be run either, and the run says why.
            let Ok(Some(pass)) = pollster::block_on(cost::pass_seconds(&run.config, dataset)) else { continue };
            by_steps = (by_steps.0 + work, by_steps.1 + pass * work);
        }
        let Ok(bytes) = pollster::block_on(memory(&run.config, dataset)) else { continue };
        all.memory = Some(all.memory.unwrap_or(0.0).max(bytes));
    }
    let (work, seconds) = if done > 0.0 { (done, took) } else { by_steps };
    all.seconds = (work > 0.0).then(|| seconds / work);
    Ok(all)
}

fn graph(config: &ExperimentConfig, dataset: &Dataset) -> Option<Graph> {
    import::graph(config.architecture(), config.dataset.normalization(), dataset.classes.len(), dataset.extent).ok()
}

/// Device bytes of a run, were all its learners dense: those of one, and for each other its weights with their moments.
async fn memory(config: &ExperimentConfig, dataset: &Arc<Dataset>) -> sparring_core::error::Result<f64> {
    let (device, _) = Device::open(config.device).await?;
    let one = ExperimentConfig {
        learners: vec![LearnerConfig::DENSE],
        control: false,
        subset: Subset::All,
        limit_train: config.batch_size,
        scores: String::new(),
        column: String::new(),
        ..config.clone()
    };
    let session = Session::new(one, Arc::clone(dataset), None, device).await?;
    let of_all = session.device().allocated_bytes() as f64;
    let others = (config.learners.len() * config.corners().len()).saturating_sub(1) as f64;
    let weights = match session.introduction() {
        sparring_core::Event::Started { learners, .. } => learners.first().map_or(0.0, |learner| learner.weight_bytes as f64),
        _ => 0.0,
    };
    Ok(of_all + others * weights)
}
