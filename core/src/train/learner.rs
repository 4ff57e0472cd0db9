//! One corner of the ring: its network, its place in the epochs, and its topology updates.
//!
//! A learner knows nothing of the others; the session decides whose turn it is.

use std::collections::VecDeque;
use std::sync::Arc;

use super::schedule;
use crate::config::{ExperimentConfig, LearnerConfig, Method, OptimizerName, Semantics, Subset};
use crate::data::Dataset;
use crate::data::batch::{Augmentation, HostBatch, order};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::events::{Event, LayerChange, LayerDensity, LearnerInfo, Score};
use crate::net::plan::{Net, Placement, Training, WeightState};
use crate::net::scratch::Scratch;
use crate::net::tape::Io;
use crate::net::{Graph, StateDict};
use crate::ops::{StepParams, TOTAL_WORDS};
use crate::sparse::csr::{gather, positions_mask};
use crate::sparse::{EverActive, Growth, PruneRule, SparseLayer, TopologyUpdate, density, mask};

/// How many recent slices the step time is the median of.
const RECENT: usize = 15;

/// What every learner of a session shares.
pub struct Ring<'a> {
    /// The experiment.
    pub config: &'a ExperimentConfig,
    /// The images.
    pub data: &'a Dataset,
    /// Where to compute.
    pub device: &'a mut Device,
    /// Memory inside a step.
    pub scratch: &'a mut Scratch,
    /// Batch buffers.
    pub io: Io,
    /// The batch on the host.
    pub batch: &'a mut HostBatch,
}

/// Sums over samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    loss: f64,
    correct: f64,
    count: f64,
}

impl Tally {
    /// Adds what a read-back of `totals` has grown by.
    pub fn add_difference(&mut self, now: &[f32], before: &[f32]) {
        let grown = |i: usize| f64::from(now[i]) - f64::from(before[i]);
        self.loss += grown(0);
        self.correct += grown(1);
        self.count += grown(2);
    }
    /// Adds one sample.
    pub fn add_sample(&mut self, loss: f32, correct: bool) {
        self.loss += f64::from(loss);
        self.correct += f64::from(u8::from(correct));
        self.count += 1.0;
    }
    /// Means.
    pub fn score(&self) -> Score {
        let n = self.count.max(1.0);
        Score { loss: self.loss / n, accuracy: self.correct / n, samples: self.count as usize }
    }
}

/// What a learner does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Training steps.
    Train,
    /// Evaluation on the validation split, from this sample on.
    Validate(usize),
    /// Evaluation on the test set, from this sample on.
    Test(usize, Score),
    /// Through, or failed.
    Done,
}

/// The latest evaluation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latest {
    /// On the training batches as they were seen.
    pub train: Score,
    /// Validation split.
    pub validation: Score,
    /// Test set.
    pub test: Score,
    /// Its easier half.
    pub test_easy: Option<Score>,
    /// Its harder half.
    pub test_hard: Option<Score>,
}

/// Who stands in a corner, and what it trains on.
pub struct Corner {
    /// How its weights live.
    pub config: LearnerConfig,
    /// The subset, by name.
    pub subset: Subset,
    /// Whether it is the random control of another.
    pub control: bool,
    /// The subset, by index into the training file.
    pub indices: Arc<Vec<u32>>,
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
    /// What it does next.
    pub phase: Phase,
    /// The latest evaluation.
    pub latest: Latest,
    /// Why it stopped early, if it did.
    pub failed: Option<String>,
    /// Epochs completed.
    pub epoch: u32,
    /// Steps done in the epoch under way.
    pub step: usize,
    /// Training FLOPs so far.
    pub flops: f64,
    /// Seconds of training so far, without evaluation.
    pub seconds: f64,
    indices: Arc<Vec<u32>>,
    order: Vec<u32>,
    total_steps: u64,
    updates: u32,
    explored: Vec<EverActive>,
    totals: [f32; TOTAL_WORDS],
    recent_ms: VecDeque<f64>,
}

impl Learner {
    /// Plans a learner at padded batch `n`, from this dense state.
    ///
    /// # Errors
    /// What the plan says; `Config` where the density cannot be allocated.
    pub fn new(ring: &mut Ring, corner: Corner, graph: Graph, n: usize, start: &StateDict) -> Result<Self> {
        let Corner { config, subset, control, indices } = corner;
        let placements = place(&graph, &config, ring.config.seed)?;
        let weights = graph.weights();
        let explored = placements
            .iter()
            .zip(&weights)
            .map(|(p, w)| {
                let mut seen = EverActive::new(w.shape.weights());
                if let Placement::Sparse(positions) | Placement::Masked(positions) = p {
                    seen.mark(positions);
                }
                seen
            })
            .collect();
        let optimizer = Training::from(ring.config);
        let net = Net::plan(ring.device, ring.scratch, ring.io, graph, n, start, placements, optimizer, ring.config.momentum_reset)?;
        let name = if control { format!("{config} on random") } else { config.to_string() };
        let order = order(ring.config.seed, 0, &indices);
        Ok(Self {
            config,
            name,
            subset,
            control,
            net,
            phase: Phase::Train,
            latest: Latest::default(),
            failed: None,
            epoch: 0,
            step: 0,
            flops: 0.0,
            seconds: 0.0,
            indices,
            order,
            total_steps: 0,
            updates: 0,
            explored,
            totals: [0.0; TOTAL_WORDS],
            recent_ms: VecDeque::new(),
        })
    }

    /// For the first event.
    pub fn info(&self, batch: usize) -> LearnerInfo {
        let net = &self.net;
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
            flops_per_step: net.flops_per_step(batch),
            samples: self.indices.len(),
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

    /// Median milliseconds a step of recent slices.
    pub fn ms_per_step(&self) -> f64 {
        let mut recent: Vec<f64> = self.recent_ms.iter().copied().collect();
        recent.sort_by(f64::total_cmp);
        recent.get(recent.len() / 2).copied().unwrap_or(0.0)
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
        ring.device.write_f32(ring.io.totals, 0, &self.totals)?;
        while done < count {
            let wanted = self.step + 1 == steps && self.update_due(config) && self.config.method == Method::RigL;
            let n_valid = self.train_batch(ring, lr, wanted.then_some(&mut gradients)).await?;
            self.flops += self.net.flops_per_step(n_valid) as f64;
            self.step += 1;
            self.total_steps += 1;
            done += 1;
            // The CPU computes as it is told to; a GPU only queues, and `count` bounds it.
            if start.elapsed().as_secs_f64() * 1e3 > budget_ms {
                break;
            }
        }
        let totals = ring.device.read_f32(ring.io.totals, 0, TOTAL_WORDS).await?;
        let elapsed = start.elapsed().as_secs_f64();
        self.seconds += elapsed;
        if self.recent_ms.len() == RECENT {
            self.recent_ms.pop_front();
        }
        self.recent_ms.push_back(elapsed * 1e3 / done as f64);
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
            self.phase = Phase::Done;
            events.push(Event::LearnerFailed { learner: index, reason });
            return Ok(events);
        }
        if self.step == steps {
            if self.update_due(config) {
                events.push(self.update_topology(ring, gradients, index).await?);
            }
            let mut tally = Tally::default();
            tally.add_difference(&self.totals, &[0.0; TOTAL_WORDS]);
            self.latest.train = tally.score();
            self.totals = [0.0; TOTAL_WORDS];
            self.phase = Phase::Validate(0);
        }
        Ok(events)
    }

    /// Learning rate of the epoch under way.
    pub fn lr(&self, config: &ExperimentConfig) -> f32 {
        schedule::learning_rate(config.lr_schedule, f64::from(config.lr), self.epoch, config.epochs) as f32
    }

    /// Moves on to the next epoch after its evaluation.
    pub fn next_epoch(&mut self, config: &ExperimentConfig) {
        self.epoch += 1;
        self.step = 0;
        self.phase = if self.epoch == config.epochs { Phase::Done } else { Phase::Train };
        self.order = order(config.seed, u64::from(self.epoch), &self.indices);
    }

    /// One training step on the next batch, in parts of `samples_a_pass`; returns its number of samples. Where asked, adds up the
    /// dense gradients of the sparse layers on it, as they are before the step.
    async fn train_batch(&mut self, ring: &mut Ring<'_>, lr: f32, mut dense: Option<&mut Option<Vec<Vec<f32>>>>) -> Result<usize> {
        let config = ring.config;
        let from = self.step * config.batch_size;
        let end = (from + config.batch_size).min(self.order.len());
        let batch = end - from;
        for at in (from..end).step_by(config.samples_a_pass()) {
            let n_valid = self.load_batch(ring, at..end)?;
            let step = StepParams { batch: batch as u32, ..step_params(config, lr, n_valid) };
            if let Some(sum) = dense.as_deref_mut() {
                let part = self.net.dense_gradients(ring.device, ring.scratch, &self.sparse_layers(), &step).await?;
                add_gradients(sum, part);
            }
            self.net.train_part(ring.device, &step, at + n_valid == end)?;
        }
        Ok(batch)
    }

    /// Loads what passes at once from the start of `range`, an extent of the epoch's order; returns its number of samples.
    fn load_batch(&self, ring: &mut Ring, range: std::ops::Range<usize>) -> Result<usize> {
        let config = ring.config;
        let samples = &self.order[range.start..(range.start + config.samples_a_pass()).min(range.end)];
        let augmentation = Augmentation { seed: config.seed, epoch: u64::from(self.epoch), rotate: false };
        ring.batch.fill(ring.data, &ring.data.train, samples, self.net.n, config.augment.then_some(&augmentation))?;
        upload(ring.device, &ring.io, ring.batch)?;
        Ok(samples.len())
    }

    fn sparse_layers(&self) -> Vec<usize> {
        let sparse = |i: &usize| match &self.net.weights[*i].placement {
            Placement::Dense => false,
            Placement::Sparse(p) | Placement::Masked(p) => p.len() < self.net.weights[*i].info.shape.weights(),
        };
        (0..self.net.weights.len()).filter(sparse).collect()
    }

    /// Whether the epoch under way ends with a topology update. The last epoch never does: nothing would train the new weights.
    fn update_due(&self, config: &ExperimentConfig) -> bool {
        let dynamic = matches!(self.config.method, Method::Set | Method::RigL);
        dynamic && (self.epoch + 1).is_multiple_of(config.update_frequency) && self.epoch + 1 < config.epochs
    }

    async fn update_topology(&mut self, ring: &mut Ring<'_>, gradients: Option<Vec<Vec<f32>>>, index: usize) -> Result<Event> {
        let config = ring.config;
        let all_steps = u64::from(config.epochs) * self.steps(config) as u64;
        let rate = schedule::death_rate(config.death_rate, self.total_steps, all_steps);
        self.updates += 1;
        let mut layers = Vec::new();
        for (k, layer) in self.sparse_layers().into_iter().enumerate() {
            let gradient = gradients.as_ref().and_then(|g| g.get(k));
            let (prune, growth) = match (self.config.method, gradient) {
                (Method::RigL, Some(dense)) => (PruneRule::Magnitude, Growth::Gradient(dense)),
                (Method::RigL, None) => return Err(Error::Validation("a RigL update came without its dense gradients".into())),
                _ => (PruneRule::Set, Growth::Random),
            };
            let update = TopologyUpdate { prune, rate, growth, seed: config.seed, number: u64::from(self.updates), layer };
            let state = self.net.read_weight(ring.device, layer).await?;
            let slot = &self.net.weights[layer];
            let total = slot.info.shape.weights();
            let name = slot.info.name.clone();
            let (positions, state, change) = match &slot.placement {
                Placement::Dense => continue,
                Placement::Sparse(positions) => {
                    let moments = std::iter::once(state.first).chain(state.second).collect();
                    let before = SparseLayer { positions: positions.clone(), values: state.values, moments };
                    let (after, change) = update.apply(&before, total)?;
                    let mut moments = after.moments.into_iter();
                    let state = WeightState { values: after.values, first: moments.next().unwrap_or_default(), second: moments.next() };
                    (after.positions, state, change)
                }
                Placement::Masked(positions) => {
                    let (next, change) = update.next_positions(positions, &gather(&state.values, positions), total)?;
                    let mask = positions_mask(&next, total);
                    let values = state.values.iter().zip(&mask).map(|(v, m)| v * m).collect();
                    (next, WeightState { values, ..state }, change)
                }
            };
            self.explored[layer].mark(&positions);
            self.net.write_weight(ring.device, layer, positions, &state)?;
            layers.push(LayerChange { name, pruned: change.pruned, grown: change.grown, explored: self.explored[layer].rate() });
        }
        Ok(Event::TopologyChanged { learner: index, update: self.updates, step: self.total_steps, death_rate: rate, layers })
    }
}

/// Adds the gradients of one part of a batch to those of the parts before.
fn add_gradients(sum: &mut Option<Vec<Vec<f32>>>, part: Vec<Vec<f32>>) {
    match sum {
        None => *sum = Some(part),
        Some(sum) => {
            for (sum, part) in sum.iter_mut().flatten().zip(part.iter().flatten()) {
                *sum += part;
            }
        }
    }
}

/// The uniforms of a training step.
pub fn step_params(config: &ExperimentConfig, lr: f32, n_valid: usize) -> StepParams {
    StepParams {
        n_valid: n_valid as u32,
        lr,
        momentum: config.momentum,
        weight_decay: config.weight_decay,
        beta2: 0.999,
        epsilon: 1e-8,
        nesterov: u32::from(config.nesterov && config.optimizer == OptimizerName::Sgd),
        ..StepParams::default()
    }
}

/// Uploads a host batch.
pub fn upload(device: &mut Device, io: &Io, batch: &HostBatch) -> Result<()> {
    device.write_u32(io.bytes, 0, &batch.words)?;
    device.write_f32(io.augmentation, 0, &batch.params)?;
    device.write_u32(io.labels, 0, &batch.labels)
}

/// How each weight tensor of a learner is held at the start.
fn place(graph: &Graph, learner: &LearnerConfig, seed: u64) -> Result<Vec<Placement>> {
    let weights = graph.weights();
    if learner.method == Method::Dense {
        return Ok(vec![Placement::Dense; weights.len()]);
    }
    let shapes: Vec<Vec<usize>> = weights.iter().map(|w| w.extents.clone()).collect();
    let densities = density::allocate(learner.allocation, &shapes, learner.density)?;
    let place = |(i, (weight, density)): (usize, (&crate::net::graph::WeightInfo, f64))| {
        let positions = mask::initial(seed, i, weight.shape.weights(), density);
        match learner.semantics {
            // A layer that holds everything gains nothing from an index.
            Semantics::Sparse if positions.len() == weight.shape.weights() => Placement::Dense,
            Semantics::Sparse => Placement::Sparse(positions),
            Semantics::Masked => Placement::Masked(positions),
        }
    };
    Ok(weights.iter().zip(densities).enumerate().map(place).collect())
}
