//! The session: learners in turn, in slices of about 100 ms, as a stream of events.
//!
//! It is pulled, never pushes: pausing is not calling `advance`. Whoever is behind gets the next slice, so all learners
//! stay abreast and their curves grow together.

mod evaluation;
pub mod inspection;
mod resume;
mod samples;
mod steer;
mod trained;

use std::sync::Arc;

use super::checkpoint::{Checkpoint, DataIdentity};
use super::corner::Corner;
use super::learner::{Learner, Next};
use super::parent::Parents;
use super::workspace::{Ring, Workspace};
use crate::config::{Dynamics, ExperimentConfig, LearnerConfig};
use crate::corrupt::Plan;
use crate::data::{Dataset, train_validation_split};
use crate::device::{Device, DeviceInfo};
use crate::error::{Error, Result};
use crate::events::{self, Event, LearnerSummary, Metric, Summary};
use crate::formats::StateDict;
use crate::hardness::{Scores, data_fraction, select};
use crate::net::init;
use crate::net::zoo::Input;
use crate::record::verdict::verdict;
use evaluation::Evaluation;
use steer::Steering;

/// Device work aimed at in one call of `advance`, milliseconds.
const SLICE_MS: f64 = 100.0;

/// A learner at its best.
#[derive(Clone, Debug)]
pub struct Best {
    /// Whether it is the best by validation accuracy, ...
    pub clean: bool,
    /// ... and by robust validation accuracy, which only adversarial runs have.
    pub robust: bool,
    /// Epochs it had completed.
    pub epoch: u32,
    /// The evaluation after them.
    pub scores: events::Evaluation,
    /// Its weights then, as [`Session::state`] gives them.
    pub state: StateDict,
}

/// What a session's learners are made from.
#[derive(Clone, Copy)]
enum Opening<'a> {
    /// Their beginning, and the dense parents of those that have one.
    Fresh(&'a Parents),
    /// A checkpoint.
    Saved(&'a Checkpoint),
    /// Weights that were trained before, one state a learner.
    Trained(&'a [StateDict]),
}

impl<'a> Opening<'a> {
    /// The device of a checkpoint, where it was this one.
    fn on(self, device: &DeviceInfo) -> Option<&'a DeviceInfo> {
        let Self::Saved(checkpoint) = self else { return None };
        let before = &checkpoint.record.device;
        before.is(device).then_some(before)
    }
}

/// A running experiment.
pub struct Session {
    config: ExperimentConfig,
    data: Arc<Dataset>,
    /// The images as they are trained on: corrupted where the configuration says so, else `data` itself.
    seen: Arc<Dataset>,
    work: Workspace,
    learners: Vec<Learner>,
    /// By learner.
    best: Vec<Vec<Best>>,
    evaluation: Evaluation,
    steering: Steering,
    started: bool,
    finished: bool,
    inspection: Option<inspection::Inspection>,
}

impl Session {
    /// Plans every learner on the device. `scores` are needed where the subset asks for them, and split the test set
    /// wherever they are given. Of `data` only what the experiment reads has to be here ([`ExperimentConfig::reads`]).
    ///
    /// # Errors
    /// `Config` for what cannot be run as written; `Limit` and `OutOfMemory` from the device.
    pub async fn new(config: ExperimentConfig, data: Arc<Dataset>, scores: Option<Arc<Scores>>, device: Device) -> Result<Self> {
        Self::with_parents(config, data, scores, &Parents::new(), device).await
    }

    /// [`Self::new`], with the trained dense networks that some methods start from ([`super::parent::needed`]).
    ///
    /// # Errors
    /// As [`Self::new`]; `Config` where a parent is missing, `Format` where one does not fit the network.
    pub async fn with_parents(
        config: ExperimentConfig,
        data: Arc<Dataset>,
        scores: Option<Arc<Scores>>,
        parents: &Parents,
        device: Device,
    ) -> Result<Self> {
        Self::plan(config, data, scores, device, Opening::Fresh(parents)).await
    }

    /// Plans every learner, as it starts, as it was saved, or as it was trained.
    async fn plan(
        config: ExperimentConfig,
        data: Arc<Dataset>,
        scores: Option<Arc<Scores>>,
        device: Device,
        opening: Opening<'_>,
    ) -> Result<Self> {
        config.validate()?;
        config.check_attacks()?;
        let reads = config.reads(&data)?;
        reads.check(&data)?;
        let (train, validation) = train_validation_split(&data);
        let evaluation = Evaluation::new(&config, &data, &validation, scores.as_deref())?;
        if let Opening::Saved(saved) = opening {
            saved.check_data(&DataIdentity::new(&data, &reads, evaluation.hard.as_deref()))?;
        }
        let corners = corners(&config, &data, &train, scores.as_deref())?;
        let seen = seen(&config, &data, &corners, &evaluation)?;
        let mut work = Workspace::new(device, &config, data.extent, data.train.len().max(data.test.len()))?;
        let goes_on = opening.on(&work.device.info());
        if let Some(before) = goes_on {
            work.device.know(before.kernels.clone());
        }
        let mut learners = learners(&config, &seen, &mut work, corners, opening).await?;
        // What goes on computes as it did, also where nothing was chosen then.
        if goes_on.is_none() && work.device.tune().await? {
            for learner in &mut learners {
                learner.net.compile(&mut work.device, &mut work.scratch)?;
            }
        }
        Ok(Self {
            config,
            data,
            seen,
            work,
            best: vec![Vec::new(); learners.len()],
            learners,
            evaluation,
            steering: Steering::default(),
            started: false,
            finished: false,
            inspection: None,
        })
    }

    /// Does about 100 ms of device work and says what happened. Returns `Finished` once as the last event, then nothing.
    ///
    /// # Errors
    /// What the device says; the session cannot go on after that.
    pub async fn advance(&mut self) -> Result<Vec<Event>> {
        if !self.started {
            return Ok(self.start());
        }
        if self.finished {
            return Ok(Vec::new());
        }
        let behind = |(_, a): &(usize, &Learner), (_, b): &(usize, &Learner)| a.progress(&self.config).total_cmp(&b.progress(&self.config));
        let goes = |l: &Learner| l.next != Next::Done && self.steering.hold.is_none_or(|epochs| l.epoch < epochs);
        let next = self.learners.iter().enumerate().filter(|(_, l)| goes(l)).min_by(behind).map(|(i, _)| i);
        let mut events = std::mem::take(&mut self.steering.changed);
        if let Some(learner) = next {
            events.extend(self.slice(learner, usize::MAX).await?);
        }
        self.finish_if_done(&mut events);
        Ok(events)
    }

    /// Runs exactly one training step of every learner (the page's "step" button); an evaluation that is due comes first.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub async fn step_once(&mut self) -> Result<Vec<Event>> {
        if self.finished {
            return Ok(Vec::new());
        }
        let mut events = if self.started { Vec::new() } else { self.start() };
        events.append(&mut self.steering.changed);
        for i in 0..self.learners.len() {
            while matches!(self.learners[i].next, Next::Evaluate(..)) {
                events.extend(self.slice(i, 1).await?);
            }
            while self.learners[i].next == Next::Train {
                let changes = self.steering.densities.iter().any(|(learner, _)| *learner == i);
                events.extend(self.slice(i, 1).await?);
                if !changes {
                    break;
                }
            }
        }
        self.finish_if_done(&mut events);
        Ok(events)
    }

    /// What is run.
    pub fn config(&self) -> &ExperimentConfig {
        &self.config
    }
    /// The images.
    pub fn dataset(&self) -> &Dataset {
        &self.data
    }
    /// Where it trains.
    pub fn device(&self) -> &Device {
        &self.work.device
    }
    /// True after `Finished`.
    pub fn finished(&self) -> bool {
        self.finished
    }
    /// The weights of a learner, dense (zeros where inactive), with BatchNorm statistics.
    ///
    /// # Errors
    /// What the device says.
    pub async fn state(&self, learner: usize) -> Result<StateDict> {
        match self.learners.get(learner) {
            Some(l) => l.net.state(&self.work.device).await,
            None => Err(Error::config(format!("there is no learner {learner}; there are {}", self.learners.len()))),
        }
    }
    /// Gives the device back, with nothing of this session left on it.
    pub fn into_device(mut self) -> Device {
        for learner in self.learners {
            learner.net.free(&mut self.work.device);
        }
        if let Some(inspection) = self.inspection {
            inspection.free(&mut self.work.device);
        }
        self.work.into_device()
    }
    /// The summary as it stands.
    pub fn summary(&self) -> Summary {
        let learners: Vec<LearnerSummary> = self.learners.iter().map(|l| l.summary(&self.config, &self.work)).collect();
        let verdict = verdict(&self.config, self.judged_by(), &learners);
        Summary { learners, verdict }
    }

    /// What the run is judged by.
    pub fn judged_by(&self) -> Metric {
        Metric::deciding(&self.config, None, self.evaluation.hard.is_some())
    }

    /// `Started`, as the session would say it now: a resumed session does not say it again by itself.
    pub fn introduction(&self) -> Event {
        Event::Started {
            learners: self.learners.iter().map(|l| l.info(self.config.batch_size, &self.work)).collect(),
            device: self.work.device.info(),
            epochs: self.config.epochs,
            config_hash: self.config.hash().unwrap_or_default(),
            device_bytes: self.work.device.allocated_bytes(),
            judged_by: Some(self.judged_by()),
            watched: self.evaluation.watched(&self.data.test.labels),
        }
    }

    fn start(&mut self) -> Vec<Event> {
        self.started = true;
        let mut events = vec![self.introduction()];
        let mut warnings = self.config.attack_warnings();
        if self.evaluation.hard.is_none() {
            let why = if self.evaluation.alike {
                "all of its images have the same hardness score"
            } else if self.config.asks_for_scores() {
                "the hardness scores have none of test images"
            } else {
                "no hardness score is asked for, as by the subset el2n-hard:0.5 or a file of scores"
            };
            warnings.push(format!("test accuracy is not split into easy and hard: {why}"));
        }
        warnings.extend(self.single_values());
        warnings.extend(self.missing_classes());
        warnings.extend(self.updates_that_never_come());
        warnings.extend(self.learners.iter().flat_map(|l| l.notes.iter().cloned()));
        events.extend(warnings.into_iter().map(|message| Event::Warning { message }));
        events
    }

    /// Warns where a subset has no image of a class: nobody who trains on it can come to know it.
    fn missing_classes(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for learner in &self.learners {
            let Some(text) = self.data.missing_classes(&learner.subset.to_string(), &learner.training_samples()) else { continue };
            if !out.contains(&text) {
                out.push(text);
            }
        }
        out
    }

    /// Warns of learners whose topology would change only after their last epoch.
    fn updates_that_never_come(&self) -> Vec<String> {
        let (epochs, first) = (self.config.epochs, self.config.update_frequency);
        let moving = |l: &&LearnerConfig| matches!(l.recipe().dynamics, Dynamics::PruneGrow { .. });
        let still: Vec<String> = self.config.learners.iter().filter(moving).map(ToString::to_string).collect();
        if still.is_empty() || first < epochs {
            return Vec::new();
        }
        let names = still.join(", ");
        vec![format!(
            "{names}: no update of the topology comes within {epochs} epochs (update_frequency {first}); the mask stays as it begins"
        )]
    }

    /// Warns where a training batch, or a part of one, gives a BatchNorm a single value: it normalises to 0, and PyTorch refuses it.
    fn single_values(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for learner in &self.learners {
            let samples = learner.training_samples().len();
            if !self.config.has_single_sample(samples) {
                continue;
            }
            let norms = learner.net.graph.single_value_norms(1);
            let Some(first) = norms.first() else { continue };
            let others = if norms.len() > 1 { format!(" and {} more", norms.len() - 1) } else { String::new() };
            let text = format!(
                "in every epoch one training sample passes alone ({samples} samples, batch_size {}, micro_batch {}): {first}{others} then takes \
                 the variance of a single value, which PyTorch refuses, and gives the same for every image; choose a batch size that leaves \
                 no rest of 1",
                self.config.batch_size, self.config.micro_batch
            );
            if !out.contains(&text) {
                out.push(text);
            }
        }
        out
    }

    fn finish_if_done(&mut self, events: &mut Vec<Event>) {
        if !self.finished && self.learners.iter().all(|l| l.next == Next::Done) {
            self.finished = true;
            events.push(Event::Finished { summary: self.summary() });
        }
    }

    /// The states that are the best so far, the first on ties, each once: by validation accuracy, and in an adversarial run by robust
    /// validation accuracy. None before the first evaluation.
    pub fn best_states(&self, learner: usize) -> &[Best] {
        self.best.get(learner).map_or(&[], Vec::as_slice)
    }

    async fn slice(&mut self, index: usize, max_steps: usize) -> Result<Vec<Event>> {
        match self.learners[index].next {
            Next::Done => Ok(Vec::new()),
            Next::Train => {
                let Self { config, seen, work, learners, steering, .. } = self;
                let mut ring = Ring { config, data: seen, work };
                match steering.density_of(index) {
                    Some(density) => learners[index].change_density(&mut ring, density, index).await,
                    None => learners[index].train_slice(&mut ring, steering.lr, SLICE_MS, max_steps, index).await,
                }
            }
            Next::Evaluate(part, at) => self.evaluate_part(index, part, at).await,
        }
    }
}

/// Who trains on what: the subset that was asked for, and its control.
type Sides = Vec<(crate::hardness::Subset, bool, Arc<Vec<u32>>)>;

fn corners(config: &ExperimentConfig, data: &Dataset, train: &[u32], scores: Option<&Scores>) -> Result<Sides> {
    let train = data_fraction(train, config.p_data)?;
    if train.is_empty() {
        return Err(Error::config(format!("the dataset '{}' has no training or no test images", data.name)));
    }
    let labels = config.balanced.then_some(data.train.labels.as_slice());
    let mut corners = Vec::new();
    for (subset, control) in config.corners() {
        let indices = select(subset, &train, labels, scores, config.seed, config.limit_train)?;
        corners.push((subset, control, Arc::new(indices)));
    }
    Ok(corners)
}

/// The images as they are trained on: all that anything is done with, corrupted where the configuration says so.
fn seen(config: &ExperimentConfig, data: &Arc<Dataset>, corners: &Sides, evaluation: &Evaluation) -> Result<Arc<Dataset>> {
    if config.corruption.is_empty() {
        return Ok(data.clone());
    }
    let plan = Plan { kinds: config.corruption, severities: config.severity, seed: config.seed };
    let (validation, test) = evaluation.samples();
    let mut used = validation.to_vec();
    corners.iter().for_each(|(_, _, indices)| used.extend(indices.iter()));
    used.sort_unstable();
    Ok(Arc::new(plan.apply(data, &used, test)?))
}

/// Every learner of every corner.
async fn learners(
    config: &ExperimentConfig,
    data: &Dataset,
    work: &mut Workspace,
    corners: Sides,
    opening: Opening<'_>,
) -> Result<Vec<Learner>> {
    let input = Input { extent: data.extent, classes: data.classes.len(), mean: data.mean, std: data.std };
    let graph = config.graph(input)?;
    let start = init::initial_state(&graph, config.seed);
    let mut ring = Ring { config, data, work };
    let mut learners = Vec::new();
    for (subset, control, indices) in corners {
        for &learner in &config.learners {
            let corner = Corner { config: learner, subset, control, indices: indices.clone() };
            learners.push(match opening {
                Opening::Fresh(parents) => {
                    let parent = parents.get(&subset.to_string()).map(Arc::as_ref);
                    Learner::new(&mut ring, corner, graph.clone(), &start, parent).await?
                }
                Opening::Saved(saved) => Learner::restore(&mut ring, corner, graph.clone(), &start, saved, learners.len())?,
                Opening::Trained(states) => {
                    let state = states.get(learners.len()).ok_or_else(|| Error::config(format!("no weights of '{}'", corner.name())))?;
                    Learner::trained(&mut ring, corner, graph.clone(), state)?
                }
            });
        }
    }
    Ok(learners)
}
