//! One corner of the ring: its network, its place in the epochs, and its topology updates.
//!
//! A learner knows nothing of the others; the session decides whose turn it is.

mod saved;
mod trained;

use std::collections::VecDeque;
use std::sync::Arc;

use super::corner::Corner;
use super::parent::training_flops;
use super::placing::{Places, place};
use super::schedule;
use super::tally::Tally;
use super::workspace::{Ring, Workspace, add_gradients};
use crate::argsort::{argsort, ascending};
use crate::attack::Programs;
use crate::config::{ExperimentConfig, LearnerConfig, Start};
use crate::data::batch::order;
use crate::error::{Error, Result};
use crate::events::{Evaluation, Event, LayerDensity, LearnerInfo, LearnerSummary};
use crate::formats::StateDict;
use crate::hardness::Subset;
use crate::net::{Graph, Net, NetConfig};
use crate::ops::{OptimizerName, StepParams, TOTAL_WORDS};
use crate::sparse::PositionSet;

/// How many recent slices the step time is the median of.
const RECENT: usize = 15;

/// What a learner does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Training steps.
    Train,
    /// Evaluation: which part of it ([`super::session::Session`] has the list), and from which sample on.
    Evaluate(usize, usize),
    /// Through, or failed.
    Done,
}

/// An evaluation under way: scores so far, which samples of the clean part before were right, and the answers to those that are watched.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// What is done.
    pub scores: Evaluation,
    /// By sample.
    pub right: Vec<bool>,
    /// By watched sample.
    pub answers: Vec<u16>,
}

/// A learner.
pub struct Learner {
    /// How its weights live.
    pub config: LearnerConfig,
    /// Display name.
    pub name: String,
    /// What it trains on.
    pub subset: Subset,
    /// Whether it is the random control of another.
    pub control: bool,
    /// Its network.
    pub net: Net,
    /// Its programs on the attack's pixels, in an adversarial run.
    pub(super) under_attack: Option<Programs>,
    /// What it does next.
    pub next: Next,
    /// The latest evaluation.
    pub latest: Evaluation,
    /// The one under way.
    pub(super) pending: Pending,
    /// Why it stopped early, if it did.
    pub failed: Option<String>,
    /// Epochs completed.
    pub epoch: u32,
    /// Steps done in the epoch under way.
    pub step: usize,
    /// Training FLOPs so far, those of its dense parent included.
    pub flops: f64,
    /// Those of its dense parent, where they are known; 0 without one.
    pub(super) parent_flops: f64,
    /// Seconds of training so far, without evaluation.
    pub seconds: f64,
    /// What a person should know of how it starts.
    pub notes: Vec<String>,
    indices: Arc<Vec<u32>>,
    order: Vec<u32>,
    pub(super) total_steps: u64,
    /// Topology updates so far.
    pub(super) updates: u32,
    /// Positions ever active, one set a weight tensor.
    pub(super) explored: Vec<PositionSet>,
    /// Positions active at the start.
    pub(super) first: Vec<PositionSet>,
    /// Positions active before the latest update.
    pub(super) previous: Vec<PositionSet>,
    totals: [f32; TOTAL_WORDS],
    recent_ms: VecDeque<f64>,
    /// Its kernels have not run as they are: the next slice compiles them and touches its memory, and says nothing of what a step takes.
    pub(super) cold: bool,
}

impl Learner {
    /// Plans a learner. `initial` is the dense state that scratch starts from, `parent` the trained one of methods
    /// that start from it.
    ///
    /// # Errors
    /// What the plan says; `Config` where the density cannot be allocated, or a parent is needed and missing.
    pub async fn new(ring: &mut Ring<'_>, corner: Corner, graph: Graph, initial: &StateDict, parent: Option<&StateDict>) -> Result<Self> {
        let start = corner.config.recipe().start;
        let (weights, masked_by) = match (start, parent) {
            (Start::Scratch, _) => (initial, initial),
            (Start::Trained, Some(parent)) => (parent, parent),
            (Start::Rewound, Some(parent)) => (initial, parent),
            (Start::Trained | Start::Rewound, None) => {
                let learner = corner.name();
                return Err(Error::config(format!(
                    "learner '{learner}' starts from a trained dense network, and none is at hand for the subset '{}'",
                    corner.subset
                )));
            }
        };
        let Places { placements, mut notes } = place(ring, &corner, &graph, masked_by).await?;
        let parent_flops = parent_flops(ring, &corner, &graph, parent);
        if parent_flops.is_none() {
            let (learner, file) = (corner.name(), &ring.config.parent);
            notes.push(format!("{learner}: {file} does not say what its training took, so its FLOPs are not counted"));
        }
        Self::planned(ring, corner, graph, weights, Places { placements, notes }, parent_flops.unwrap_or(0.0))
    }

    /// A learner before its first step, with these weights at these places.
    fn planned(ring: &mut Ring, corner: Corner, graph: Graph, weights: &StateDict, places: Places, parent_flops: f64) -> Result<Self> {
        let Places { placements, notes } = places;
        let work = &mut *ring.work;
        let (n, training) = (work.lanes, work.training(ring.config));
        let net = Net::plan(&mut work.device, &mut work.scratch, work.io, weights, NetConfig { graph, n, placements, training })?;
        let sets: Vec<PositionSet> = net.weights.iter().map(|w| w.active_set()).collect();
        let order = order(ring.config.seed, 0, &corner.indices);
        let mut learner = Self {
            name: corner.name(),
            config: corner.config,
            subset: corner.subset,
            control: corner.control,
            net,
            under_attack: None,
            next: Next::Train,
            latest: Evaluation::default(),
            pending: Pending::default(),
            failed: None,
            epoch: 0,
            step: 0,
            flops: parent_flops,
            parent_flops,
            seconds: 0.0,
            notes,
            indices: corner.indices,
            order,
            total_steps: 0,
            updates: 0,
            explored: sets.clone(),
            first: sets.clone(),
            previous: sets,
            totals: [0.0; TOTAL_WORDS],
            recent_ms: VecDeque::new(),
            cold: true,
        };
        learner.prepare_attack(work)?;
        Ok(learner)
    }

    /// Compiles its programs on the attack's pixels where there are none, or its buffers have moved since.
    ///
    /// # Errors
    /// What the device says.
    pub(super) fn prepare_attack(&mut self, work: &mut Workspace) -> Result<()> {
        let Some(adversary) = &work.adversary else { return Ok(()) };
        if !self.under_attack.as_ref().is_some_and(|programs| programs.fit(&self.net)) {
            self.under_attack = Some(Programs::new(&mut work.device, &mut work.scratch, &self.net, &adversary.io)?);
        }
        Ok(())
    }

    /// FLOPs of a training step over `batch` images, those of an attack on them included.
    pub fn flops_per_step(&self, batch: usize, work: &Workspace) -> u64 {
        let attack = work.adversary.as_ref().map_or(0, |adversary| adversary.training_flops(self.net.active_macs(), batch));
        attack + self.net.flops_per_step(batch)
    }

    /// Samples of its largest step.
    pub fn full_step(&self, batch: usize) -> usize {
        batch.min(self.indices.len())
    }

    /// As the summary has it.
    pub fn summary(&self, config: &ExperimentConfig, work: &Workspace) -> LearnerSummary {
        let info = self.info(config.batch_size, work);
        LearnerSummary {
            name: info.name,
            subset: info.subset,
            control: self.control,
            density: info.density,
            active_parameters: info.active_parameters,
            flops_per_step: info.flops_per_step,
            flops: self.flops,
            ms_per_step: self.ms_per_step(),
            scores: self.latest.clone(),
            failed: self.failed.clone(),
        }
    }

    /// For the first event, at this batch size.
    pub fn info(&self, batch: usize, work: &Workspace) -> LearnerInfo {
        let (net, batch) = (&self.net, self.full_step(batch));
        let layers: Vec<LayerDensity> = net
            .weights
            .iter()
            .map(|w| LayerDensity { name: w.info.name.clone(), total: w.info.shape.weights(), active: w.active() })
            .collect();
        let (active, total) = layers.iter().fold((0, 0), |(a, t), l| (a + l.active, t + l.total));
        LearnerInfo {
            name: self.name.clone(),
            learner: self.config.to_string(),
            subset: self.subset.to_string(),
            control: self.control,
            parameters: net.graph.parameters(),
            active_parameters: net.active_parameters(),
            density: active as f64 / total.max(1) as f64,
            dense_macs: net.graph.macs(),
            macs: net.active_macs(),
            flops_per_step: self.flops_per_step(batch, work),
            samples: self.indices.len(),
            batch,
            parent_flops: self.parent_flops,
            weight_bytes: net.weight_bytes(),
            layers,
        }
    }

    /// Steps of an epoch.
    pub fn steps(&self, config: &ExperimentConfig) -> usize {
        self.indices.len().div_ceil(config.batch_size)
    }

    /// Epochs done, with the fraction of the one under way: who is behind gets the next turn.
    pub fn progress(&self, config: &ExperimentConfig) -> f64 {
        f64::from(self.epoch) + self.step as f64 / self.steps(config).max(1) as f64
    }

    /// Median milliseconds a step of recent slices; 0 before one was timed.
    pub fn ms_per_step(&self) -> f64 {
        let by_time = argsort(self.recent_ms.iter().map(|ms| ascending(*ms)));
        by_time.get(by_time.len() / 2).and_then(|place| self.recent_ms.get(*place as usize)).copied().unwrap_or(0.0)
    }

    /// Runs up to `max_steps` training steps or about `budget_ms`, then reads the totals back once.
    ///
    /// # Errors
    /// What the device says. A loss that is not finite ends this learner, not the session.
    pub async fn train_slice(
        &mut self,
        ring: &mut Ring<'_>,
        lr_override: Option<f32>,
        budget_ms: f64,
        max_steps: usize,
        index: usize,
    ) -> Result<Vec<Event>> {
        let config = ring.config;
        let steps = self.steps(config);
        let lr = lr_override.unwrap_or_else(|| self.lr(config));
        let per_step = self.ms_per_step();
        let planned = if per_step > 0.0 { (budget_ms / per_step) as usize } else { 1 };
        let count = planned.clamp(1, max_steps.max(1)).min(steps - self.step);
        let start = web_time::Instant::now();
        let mut done = 0;
        let mut gradients = None;
        // The epoch's running sums travel with the learner, so that where a slice ends changes no number.
        ring.work.device.write_f32(ring.work.io.totals, 0, &self.totals)?;
        while done < count {
            let wanted = self.step + 1 == steps && self.update_due(config) && self.config.needs_gradient();
            let n_valid = self.train_batch(ring, lr, wanted.then_some(&mut gradients)).await?;
            let dense = if wanted { self.net.dense_gradient_flops(&self.changing_layers(), n_valid) } else { 0 };
            self.flops += (self.flops_per_step(n_valid, ring.work) + dense) as f64;
            self.step += 1;
            self.total_steps += 1;
            done += 1;
            // The CPU computes as it is told to; a GPU only queues, and `count` bounds it.
            if start.elapsed().as_secs_f64() * 1e3 > budget_ms {
                break;
            }
        }
        let totals = ring.work.device.read_f32(ring.work.io.totals, 0, TOTAL_WORDS).await?;
        let elapsed = start.elapsed().as_secs_f64();
        self.seconds += elapsed;
        if !std::mem::replace(&mut self.cold, false) {
            if self.recent_ms.len() == RECENT {
                self.recent_ms.pop_front();
            }
            self.recent_ms.push_back(elapsed * 1e3 / done as f64);
        }
        let mut tally = Tally::default();
        tally.add_difference(&totals, &self.totals);
        let score = tally.score();
        self.totals.copy_from_slice(&totals);
        let mut events = vec![Event::Progress {
            learner: index,
            epoch: self.epoch,
            step: self.step,
            steps,
            loss: score.loss,
            accuracy: score.accuracy,
            ms_per_step: self.ms_per_step(),
        }];
        if totals[3] > 0.0 {
            let reason = format!(
                "the loss became NaN or infinite in epoch {}, between steps {} and {}; try a lower learning rate",
                self.epoch + 1,
                self.step - done + 1,
                self.step
            );
            self.failed = Some(reason.clone());
            self.next = Next::Done;
            events.push(Event::LearnerFailed { learner: index, reason });
            return Ok(events);
        }
        if self.step == steps {
            if self.update_due(config) {
                events.extend(self.update_topology(ring, gradients, index).await?);
            }
            let mut tally = Tally::default();
            tally.add_difference(&self.totals, &[0.0; TOTAL_WORDS]);
            self.latest.train = tally.score();
            self.totals = [0.0; TOTAL_WORDS];
            self.next = Next::Evaluate(0, 0);
        }
        Ok(events)
    }

    /// What it trains on, by index into the training file.
    pub fn training_samples(&self) -> Arc<Vec<u32>> {
        self.indices.clone()
    }

    /// Learning rate of the epoch under way.
    pub fn lr(&self, config: &ExperimentConfig) -> f32 {
        schedule::learning_rate(config.lr_schedule, f64::from(config.lr), self.epoch, config.epochs) as f32
    }

    /// Moves on to the next epoch after its evaluation.
    pub fn next_epoch(&mut self, config: &ExperimentConfig) {
        self.epoch += 1;
        self.step = 0;
        self.next = if self.epoch == config.epochs { Next::Done } else { Next::Train };
        self.order = order(config.seed, u64::from(self.epoch), &self.indices);
    }

    /// One training step on the next batch, in parts of `samples_a_pass`; returns its number of samples. Where asked, adds up the
    /// dense gradients that a topology update needs, as they are before the step.
    async fn train_batch(&mut self, ring: &mut Ring<'_>, lr: f32, mut dense: Option<&mut Option<Vec<Vec<f32>>>>) -> Result<usize> {
        let config = ring.config;
        let from = self.step * config.batch_size;
        let end = (from + config.batch_size).min(self.order.len());
        let batch = end - from;
        self.prepare_attack(ring.work)?;
        for at in (from..end).step_by(config.samples_a_pass()) {
            let samples = &self.order[at..(at + config.samples_a_pass()).min(end)];
            ring.work.upload(config, ring.data, samples, self.epoch)?;
            let step = StepParams { batch: batch as u32, ..step_params(config, lr, samples.len()) };
            let last = at + samples.len() == end;
            if let (Some(adversary), Some(programs)) = (&ring.work.adversary, &self.under_attack) {
                adversary.attack_training(&mut ring.work.device, programs, &step, samples, self.epoch)?;
            }
            if let Some(sum) = dense.as_deref_mut() {
                add_gradients(sum, self.update_gradients(ring, &step).await?);
            }
            self.net.train_part(&mut ring.work.device, &step, last)?;
        }
        Ok(batch)
    }
}

/// FLOPs that went into the dense parent of who stands in a corner: 0 without one, `None` where they are not known.
fn parent_flops(ring: &Ring, corner: &Corner, graph: &Graph, parent: Option<&StateDict>) -> Option<f64> {
    match corner.config.recipe().start {
        Start::Scratch => Some(0.0),
        Start::Trained | Start::Rewound => training_flops(ring.config, graph, corner.indices.len(), ring.work.adversary.as_ref(), parent),
    }
}

/// The uniforms of a training step.
pub fn step_params(config: &ExperimentConfig, lr: f32, n_valid: usize) -> StepParams {
    StepParams {
        n_valid: n_valid as u32,
        lr,
        momentum: config.momentum,
        weight_decay: config.weight_decay,
        label_smoothing: config.label_smoothing,
        beta2: 0.999,
        epsilon: 1e-8,
        nesterov: u32::from(config.nesterov && config.optimizer == OptimizerName::Sgd),
        ..StepParams::default()
    }
}
