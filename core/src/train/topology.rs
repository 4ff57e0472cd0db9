//! A learner's topology while it trains: when an update is due, what it does, and what is reported of it.
//!
//! Layers are read, changed on the host and written back in one go; the rules themselves stand in `sparse/`.

use super::learner::Learner;
use super::placing::emptied_note;
use super::schedule;
use super::workspace::{Ring, Workspace};
use crate::config::{DeathSchedule, Dynamics, ExperimentConfig, Method, Semantics};
use crate::error::{Error, Result};
use crate::events::{Event, LayerChange, LayerTopology, TopologyReport};
use crate::net::plan::{Placement, WeightState};
use crate::sparse::csr::{gather, positions_mask};
use crate::sparse::redistribute::{apportion, claim};
use crate::sparse::{Change, Growth, PositionSet, PruneRule, SparseLayer, density, magnitude, update};
use crate::sparse::{Grow, Prune, Redistribution};

/// What threshold pruning keeps is above this (the paper's code).
const THRESHOLD: f64 = 0.001;

/// A layer during an update.
struct Layer {
    index: usize,
    /// Dense extent.
    n: usize,
    positions: Vec<u32>,
    /// As the device holds it: at the positions where sparse, dense otherwise.
    state: WeightState,
    /// The active weights.
    values: Vec<f32>,
}

impl Learner {
    /// Whether the epoch under way ends with a topology update. The last epoch never does: nothing would train the new weights.
    pub(super) fn update_due(&self, config: &ExperimentConfig) -> bool {
        let on_time = (self.epoch + 1).is_multiple_of(config.update_frequency) && self.epoch + 1 < config.epochs;
        on_time
            && match self.config.recipe().dynamics {
                Dynamics::Static => false,
                Dynamics::PruneGrow { .. } => true,
                Dynamics::Gradual => self.updates < config.gradual_updates(),
            }
    }

    /// The dense gradients that the update at this step's end needs, of the batch in the buffers; taken before the step.
    pub(super) async fn update_gradients(&self, ring: &mut Ring<'_>, step: &crate::ops::StepParams) -> Result<Vec<Vec<f32>>> {
        self.net.dense_gradients(&mut ring.work.device, &mut ring.work.scratch, &self.changing_layers(), step).await
    }

    /// The layers that an update changes: those with room to grow; all of them where weights move between layers.
    pub(super) fn changing_layers(&self) -> Vec<usize> {
        let all = self.config.redistribution != Redistribution::None;
        let sparse = |i: &usize| match &self.net.weights[*i].placement {
            Placement::Dense => false,
            Placement::Sparse(p) | Placement::Masked(p) => p.len() < self.net.weights[*i].info.shape.weights(),
        };
        (0..self.net.weights.len()).filter(|i| all || sparse(i)).collect()
    }

    /// Makes the update that is due.
    pub(super) async fn update_topology(
        &mut self,
        ring: &mut Ring<'_>,
        gradients: Option<Vec<Vec<f32>>>,
        index: usize,
    ) -> Result<Vec<Event>> {
        self.begin_update();
        let (death_rate, changes) = match self.config.recipe().dynamics {
            Dynamics::Static => return Ok(Vec::new()),
            Dynamics::PruneGrow { prune, grow } => self.prune_and_grow(ring, prune, grow, gradients.as_deref()).await?,
            Dynamics::Gradual => self.prune_gradually(ring).await?,
        };
        self.make(ring, death_rate, changes, index)
    }

    /// Counts an update, and remembers the masks before it.
    fn begin_update(&mut self) {
        self.updates += 1;
        for (previous, slot) in self.previous.iter_mut().zip(&self.net.weights) {
            *previous = slot.active_set();
        }
    }

    /// Writes changed layers back and says what was done.
    fn make(&mut self, ring: &mut Ring<'_>, death_rate: f64, changes: Vec<(Layer, Vec<u32>, Change)>, index: usize) -> Result<Vec<Event>> {
        let mut report = Vec::new();
        let mut emptied = Vec::new();
        let mut replaced = Vec::new();
        for (layer, positions, change) in changes {
            self.explored[layer.index].mark(&positions);
            let slot = &self.net.weights[layer.index];
            let name = slot.info.name.clone();
            if positions.is_empty() && layer.n > 0 && !layer.positions.is_empty() {
                emptied.push(name.clone());
            }
            let explored = self.explored[layer.index].count() as f64 / layer.n.max(1) as f64;
            report.push(LayerChange { name, pruned: change.pruned, grown: change.grown, explored });
            let (placement, state) = moved(self.config.semantics, layer.state, layer.positions, positions, layer.n);
            replaced.push((layer.index, placement, state));
        }
        self.net.replace_weights(&mut ring.work.device, &mut ring.work.scratch, replaced)?;
        let mut events: Vec<Event> =
            emptied_note(&self.name, emptied.iter().map(String::as_str)).into_iter().map(|message| Event::Warning { message }).collect();
        events.push(Event::TopologyChanged { learner: index, update: self.updates, step: self.total_steps, death_rate, layers: report });
        Ok(events)
    }

    async fn read_layer(&self, ring: &Ring<'_>, index: usize) -> Result<Layer> {
        let slot = &self.net.weights[index];
        let n = slot.info.shape.weights();
        let state = self.net.read_weight(&ring.work.device, index).await?;
        let (positions, values) = match &slot.placement {
            Placement::Dense => ((0..n as u32).collect(), state.values.clone()),
            Placement::Sparse(positions) => (positions.clone(), state.values.clone()),
            Placement::Masked(positions) => (positions.clone(), gather(&state.values, positions)),
        };
        Ok(Layer { index, n, positions, state, values })
    }

    /// Removes weights and grows as many: in each layer, or in all layers together where they are redistributed.
    async fn prune_and_grow(
        &self,
        ring: &Ring<'_>,
        prune: Prune,
        grow: Grow,
        gradients: Option<&[Vec<f32>]>,
    ) -> Result<(f64, Vec<(Layer, Vec<u32>, Change)>)> {
        let config = ring.config;
        let all_steps = u64::from(config.epochs) * self.steps(config) as u64;
        let rate = match config.death_schedule {
            DeathSchedule::Cosine => schedule::death_rate(config.death_rate, self.total_steps, all_steps),
            DeathSchedule::Linear => schedule::death_rate_linear(config.death_rate, self.total_steps, all_steps),
        };
        let gradient = |k: usize| {
            let found = gradients.and_then(|g| g.get(k)).map(Vec::as_slice);
            found.ok_or_else(|| Error::validation("a topology update came without the dense gradients it needs"))
        };
        let kept = |layer: &Layer, rule: PruneRule<'_>| update::prune(rule, rate, &layer.positions, &layer.values, layer.n);
        let mut layers = Vec::new();
        for (k, index) in self.changing_layers().into_iter().enumerate() {
            let layer = self.read_layer(ring, index).await?;
            let kept = match prune {
                Prune::Set => kept(&layer, PruneRule::Set)?,
                Prune::Magnitude => kept(&layer, PruneRule::Magnitude)?,
                Prune::Threshold => kept(&layer, PruneRule::Threshold(THRESHOLD))?,
                Prune::Taylor => kept(&layer, PruneRule::Taylor(&gather(gradient(k)?, &layer.positions)))?,
            };
            layers.push((layer, kept));
        }
        let counts = self.regrowth(&layers);
        let mut out = Vec::new();
        for (k, ((layer, kept), count)) in layers.into_iter().zip(counts).enumerate() {
            let row = layer.n / self.net.weights[layer.index].info.shape.c_out.max(1);
            // Dense in masked semantics, which the configuration was checked for.
            let momentum = layer.state.first.as_slice();
            let growth = match grow {
                Grow::Random => Growth::Random,
                Grow::RandomUnfired => Growth::RandomUnfired(&self.explored[layer.index]),
                Grow::Gradient => Growth::Gradient(gradient(k)?),
                Grow::Momentum => Growth::Momentum(momentum),
                Grow::MomentumNeuron => Growth::MomentumNeuron { momentum, row },
            };
            let mut stream = update::growth_stream(config.seed, self.updates, layer.index);
            let (positions, change) = update::grow(growth, &layer.positions, kept, layer.n, count, &mut stream)?;
            out.push((layer, positions, change));
        }
        Ok((rate, out))
    }

    /// How many weights each layer grows back.
    fn regrowth(&self, layers: &[(Layer, Vec<u32>)]) -> Vec<usize> {
        let removed: Vec<usize> = layers.iter().map(|(layer, kept)| layer.positions.len() - kept.len()).collect();
        let rule = self.config.redistribution;
        if rule == Redistribution::None {
            return removed;
        }
        let claims = layers.iter().map(|(layer, _)| {
            let masked = layer.state.first.len() != layer.positions.len();
            let momentum = if masked { gather(&layer.state.first, &layer.positions) } else { layer.state.first.clone() };
            claim(rule, &layer.values, &momentum)
        });
        let room: Vec<usize> = layers.iter().map(|(layer, kept)| layer.n - kept.len()).collect();
        apportion(&claims.collect::<Vec<_>>(), &room, removed.iter().sum())
    }

    /// One threshold over all layers, at the density that gradual pruning has reached (Zhu and Gupta 2017).
    async fn prune_gradually(&self, ring: &Ring<'_>) -> Result<(f64, Vec<(Layer, Vec<u32>, Change)>)> {
        let sparsity = schedule::gradual_sparsity(1.0 - self.config.density, self.updates, ring.config.gradual_updates());
        let mut layers = Vec::new();
        for index in 0..self.net.weights.len() {
            layers.push(self.read_layer(ring, index).await?);
        }
        let all: usize = layers.iter().map(|l| l.n).sum();
        let before: usize = layers.iter().map(|l| l.positions.len()).sum();
        let changes = keep_largest(layers, density::count(1.0 - sparsity, all));
        let removed: usize = changes.iter().map(|(_, _, change)| change.pruned).sum();
        Ok((removed as f64 / before.max(1) as f64, changes))
    }

    /// Brings the learner to another density at once: the smallest magnitudes of all layers go, or weights of zero come, at random, in each
    /// layer as many as it has room for. Learner and density are checked by the session.
    pub(super) async fn change_density(&mut self, ring: &mut Ring<'_>, density: f64, index: usize) -> Result<Vec<Event>> {
        let mut layers = Vec::new();
        for i in 0..self.net.weights.len() {
            layers.push(self.read_layer(ring, i).await?);
        }
        let (all, before) = layers.iter().fold((0, 0), |(n, active), l| (n + l.n, active + l.positions.len()));
        let wanted = density::count(density, all);
        self.begin_update();
        self.config.density = density;
        self.cold = true;
        let changes = if wanted <= before {
            keep_largest(layers, wanted)
        } else {
            let room: Vec<usize> = layers.iter().map(|l| l.n - l.positions.len()).collect();
            let claims: Vec<f64> = room.iter().map(|r| *r as f64).collect();
            let counts = apportion(&claims, &room, wanted - before);
            let mut out = Vec::new();
            for (layer, count) in layers.into_iter().zip(counts) {
                let mut stream = update::growth_stream(ring.config.seed, self.updates, layer.index);
                let kept = layer.positions.clone();
                let (positions, change) = update::grow(Growth::Random, &layer.positions, kept, layer.n, count, &mut stream)?;
                out.push((layer, positions, change));
            }
            out
        };
        let share = before.saturating_sub(wanted) as f64 / before.max(1) as f64;
        let mut events =
            vec![Event::Changed { learner: Some(index), step: self.total_steps, setting: "density".into(), value: Some(density) }];
        events.extend(self.make(ring, share, changes, index)?);
        Ok(events)
    }

    /// How the topology stands; `None` for the dense learner.
    pub fn topology_report(&self, config: &ExperimentConfig, work: &Workspace) -> Option<TopologyReport> {
        if self.config.method == Method::Dense {
            return None;
        }
        let (mut active, mut total, mut explored) = (0, 0, 0);
        let (mut from_first, mut from_previous) = (Distance::default(), Distance::default());
        let mut layers = Vec::new();
        for (i, slot) in self.net.weights.iter().enumerate() {
            let n = slot.info.shape.weights();
            let now = slot.active_set();
            from_first.add(&now, &self.first[i]);
            from_previous.add(&now, &self.previous[i]);
            let ever = self.explored[i].count();
            (active, total, explored) = (active + now.count(), total + n, explored + ever);
            let rate = |count: usize| count as f64 / n.max(1) as f64;
            layers.push(LayerTopology { name: slot.info.name.clone(), density: rate(now.count()), explored: rate(ever) });
        }
        let share = |count: usize| count as f64 / total.max(1) as f64;
        let semantics = match self.config.semantics {
            Semantics::Masked if config.momentum_reset => "masked, momentum reset".to_owned(),
            other => other.to_string(),
        };
        Some(TopologyReport {
            semantics,
            density: share(active),
            explored: share(explored),
            from_first: from_first.ratio(),
            from_previous: from_previous.ratio(),
            active_parameters: self.net.active_parameters(),
            macs: self.net.active_macs(),
            flops_per_step: self.flops_per_step(self.full_step(config.batch_size), work),
            weight_bytes: self.net.weight_bytes(),
            layers,
        })
    }
}

/// The `count` largest magnitudes of all layers together stay.
fn keep_largest(layers: Vec<Layer>, count: usize) -> Vec<(Layer, Vec<u32>, Change)> {
    let magnitudes: Vec<Vec<f32>> = layers.iter().map(|l| l.values.iter().map(|v| v.abs()).collect()).collect();
    let views: Vec<&[f32]> = magnitudes.iter().map(Vec::as_slice).collect();
    let kept = magnitude::top(&views, count);
    layers
        .into_iter()
        .zip(kept)
        .map(|(layer, kept)| {
            let positions: Vec<u32> = kept.iter().map(|k| layer.positions[*k as usize]).collect();
            let change = Change { pruned: layer.positions.len() - positions.len(), ..Change::default() };
            (layer, positions, change)
        })
        .collect()
}

/// How far two masks are apart: the weights that only one of them has, over the weights of both. Where the number of weights
/// stays, that is the share that was replaced.
#[derive(Default)]
struct Distance {
    differing: usize,
    both: usize,
}

impl Distance {
    fn add(&mut self, a: &PositionSet, b: &PositionSet) {
        self.differing += a.differences(b);
        self.both += a.count() + b.count();
    }
    fn ratio(&self) -> f64 {
        self.differing as f64 / self.both.max(1) as f64
    }
}

/// A layer's placement and state after its positions changed. Where sparse, what stays keeps value and moments and what is new
/// starts at zero; where masked, weights outside the mask become zero and momentum is left alone.
fn moved(semantics: Semantics, state: WeightState, before: Vec<u32>, after: Vec<u32>, n: usize) -> (Placement, WeightState) {
    match semantics {
        Semantics::Sparse => {
            let moments = std::iter::once(state.first).chain(state.second).collect();
            let layer = SparseLayer { positions: before, values: state.values, moments }.moved_to(after);
            let mut moments = layer.moments.into_iter();
            let state = WeightState { values: layer.values, first: moments.next().unwrap_or_default(), second: moments.next() };
            let placement = if layer.positions.len() == n { Placement::Dense } else { Placement::Sparse(layer.positions) };
            (placement, state)
        }
        Semantics::Masked => {
            let values = state.values.iter().zip(positions_mask(&after, n)).map(|(v, m)| v * m).collect();
            (Placement::Masked(after), WeightState { values, ..state })
        }
    }
}
