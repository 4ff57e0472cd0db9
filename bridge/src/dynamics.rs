//! Sparse training: now and then the weakest weights go and as many grow elsewhere, between backward pass and optimizer.
//!
//! Rules, rates and random numbers are the engine's own (SET, RigL), so a run here prunes and grows what the same run would there. Topologies
//! change before the optimizer steps: a checkpoint between two steps then has moments in the order of its weights.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::grad_clipping::GradientClipping;
use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, Optimizer};
use burn::tensor::{Tensor, TensorData};
use sparring_core::sparse::grow::Growth;
use sparring_core::sparse::prune::PruneRule;
use sparring_core::sparse::update::{Change, grow, growth_stream, prune, sources};
use sparring_core::train::schedule;

use crate::convert::Sparsity;
use crate::error::{Error, Result};
use crate::layer;
use crate::moving::{Move, Moving, Pending};
use crate::topology::Topology;
use crate::walk::{self, Found, New};

/// What happens to a topology while a network trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dynamics {
    /// Nothing.
    Static,
    /// The smallest positive and the largest negative weights go, as many grow at random (Mocanu et al. 2018).
    #[default]
    Set,
    /// The smallest magnitudes go, as many grow where the dense gradient is largest (Evci et al. 2020).
    RigL,
}

/// How the share that an update replaces falls over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateSchedule {
    /// Half a cosine, from the rate to 0.001.
    #[default]
    Cosine,
    /// A line, from the rate to 0.
    Linear,
}

/// Settings of a [`SparseTraining`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SparseTrainingConfig {
    dynamics: Dynamics,
    sparsity: Sparsity,
    every: u64,
    steps: u64,
    rate: f64,
    schedule: RateSchedule,
    seed: u64,
}

impl SparseTrainingConfig {
    /// Of this density; an update every `every` steps, never in the last of the run's `steps`.
    pub fn new(density: f64, every: u64, steps: u64) -> Self {
        let (dynamics, schedule) = (Dynamics::default(), RateSchedule::default());
        Self { dynamics, sparsity: Sparsity::new(density), every, steps, rate: 0.2, schedule, seed: 0 }
    }
    /// With these rules.
    pub fn with_dynamics(self, dynamics: Dynamics) -> Self {
        Self { dynamics, ..self }
    }
    /// With the density shared in this way.
    pub fn with_allocation(self, allocation: crate::Allocation) -> Self {
        Self { sparsity: self.sparsity.with_allocation(allocation), ..self }
    }
    /// With this share of a layer's weights replaced by the first update, 0 to 1; 0.2 if nobody says.
    pub fn with_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }
    /// With a rate that falls in this way.
    pub fn with_rate_schedule(self, schedule: RateSchedule) -> Self {
        Self { schedule, ..self }
    }
    /// With masks and growth of this seed.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, sparsity: self.sparsity.with_seed(seed), ..self }
    }
    /// # Errors
    /// Where a rate is not from 0 to 1, or there are no steps.
    pub fn init(self) -> Result<SparseTraining> {
        if !(0.0..=1.0).contains(&self.rate) {
            return Err(Error::setting("the rate of a sparse training", "from 0 to 1", self.rate));
        }
        if self.every == 0 || self.steps == 0 {
            return Err(Error::setting("steps, and steps between updates,", "at least 1", format!("{} and {}", self.steps, self.every)));
        }
        Ok(SparseTraining { config: self, state: Arc::default() })
    }
}

/// What an update did to a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerChange {
    /// Where the layer stands in the model, e.g. `stage1.0.conv1`.
    pub path: String,
    /// Weights that it has.
    pub weights: usize,
    /// What went and what came.
    pub change: Change,
}

/// What a training knows of where it stands.
#[derive(Debug, Default)]
struct State {
    steps: u64,
    /// By the paths of layers: a record brings other ids.
    pending: HashMap<String, Pending>,
    changes: Vec<LayerChange>,
}

/// A sparse training. Clones are the same one, so a model that is cloned at every step (as Burn's learner does) may carry it in a field marked
/// `#[module(skip)]`.
#[derive(Clone, Debug)]
pub struct SparseTraining {
    config: SparseTrainingConfig,
    state: Arc<Mutex<State>>,
}

impl SparseTraining {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A model made as sparse as the training wants it, before its optimizer is made.
    ///
    /// # Errors
    /// As [`Sparsity::convert`].
    pub fn begin<M: Module>(&self, model: M) -> Result<M> {
        self.config.sparsity.convert(model)
    }

    /// An optimizer for a model of this training: `base` for every parameter, and moments that move with their weights.
    ///
    /// # Errors
    /// Where a topology of the model cannot be read.
    pub fn optimizer<O: Optimizer>(&self, base: O, model: &impl Module) -> Result<ModuleOptimizer> {
        self.clipped_optimizer(base, None, model)
    }

    /// The same with gradients clipped.
    ///
    /// # Errors
    /// As [`Self::optimizer`].
    pub fn clipped_optimizer<O: Optimizer>(&self, base: O, clip: Option<GradientClipping>, model: &impl Module) -> Result<ModuleOptimizer> {
        let mut optimizer = ModuleOptimizer::from(base.clone());
        if let Some(clip) = &clip {
            optimizer = optimizer.with_grad_clipping(clip.clone());
        }
        for layer in walk::layers(model)? {
            let values = walk::joined(&layer.path, "values");
            let pending = self.state().pending.entry(layer.path).or_default().clone();
            let moving = Moving { inner: base.clone(), pending };
            optimizer = optimizer.with_group(ParamGroup::from_path(values), moving, clip.clone());
        }
        Ok(optimizer)
    }

    /// Goes on after this many steps with a model that was loaded from a checkpoint.
    ///
    /// # Errors
    /// Where a topology of the model cannot be read.
    pub fn resume<M: Module>(&self, model: M, steps: u64) -> Result<M> {
        self.state().steps = steps;
        if self.config.dynamics != Dynamics::RigL {
            return Ok(model);
        }
        let layers = walk::layers(&model)?;
        Ok(walk::replaced(model, probes(&layers, self.is_due(steps))))
    }

    /// Calls of [`Self::update`] so far, those before a resume included.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// What the latest update did; empty before the first.
    pub fn changes(&self) -> Vec<LayerChange> {
        self.state().changes.clone()
    }

    /// Between a backward pass and the step of the optimizer, in every step: changes the topology where an update is due, and gives back the
    /// model and the gradients to step with.
    ///
    /// # Errors
    /// Where the model is not the one of this training, its optimizer is not that of [`Self::optimizer`], or a tensor cannot be read.
    pub fn update<M: Module>(&self, model: M, mut grads: GradientsParams) -> Result<(M, GradientsParams)> {
        let step = self.state().steps;
        let (now, next) = (self.is_due(step), self.is_due(step + 1));
        let asks = self.config.dynamics == Dynamics::RigL;
        let mut model = model;
        if now || (asks && next) {
            let layers = walk::layers(&model)?;
            let mut new = HashMap::new();
            if now {
                self.check_optimizer(&layers)?;
                new = self.changed(&model, &layers, &mut grads, step)?;
            }
            if asks {
                new.extend(probes(&layers, next));
            }
            model = walk::replaced(model, new);
        }
        self.state().steps = step + 1;
        Ok((model, grads))
    }

    /// [`Self::update`] and the optimizer's step: what `TrainStep::optimize` of a model for Burn's learner returns.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn step<M: Module>(
        &self,
        optimizer: &mut ModuleOptimizer,
        lr: impl Into<burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate>,
        model: M,
        grads: GradientsParams,
    ) -> Result<M> {
        let (model, grads) = self.update(model, grads)?;
        Ok(optimizer.step(lr, model, grads))
    }

    /// Whether topologies change before the optimizer's step number `step` (from 0).
    fn is_due(&self, step: u64) -> bool {
        let c = &self.config;
        c.dynamics != Dynamics::Static && step > 0 && step + 1 < c.steps && step.is_multiple_of(c.every)
    }

    /// # Errors
    /// Where moments were told to move and did not.
    fn check_optimizer(&self, layers: &[Found]) -> Result<()> {
        let state = self.state();
        let lost = layers.iter().find(|layer| state.pending.get(&layer.path).is_none_or(Pending::is_open));
        match lost {
            None => Ok(()),
            Some(layer) => Err(Error::Model(format!(
                "the moments of {} did not move with its weights at the update before: make the optimizer by SparseTraining::optimizer, with \
                 this model, and step it after every update",
                layer.path
            ))),
        }
    }

    /// Prunes and grows every layer: new values and topologies. Gradients are put in the new order too.
    fn changed<M: Module>(&self, model: &M, layers: &[Found], grads: &mut GradientsParams, step: u64) -> Result<HashMap<ParamId, New>> {
        let config = &self.config;
        let rate = match config.schedule {
            RateSchedule::Cosine => schedule::death_rate(config.rate, step, config.steps),
            RateSchedule::Linear => schedule::death_rate_linear(config.rate, step, config.steps),
        };
        let number = (step / config.every) as u32;
        let values = walk::read(model, &layers.iter().map(|layer| layer.values).collect::<HashSet<_>>())?;
        let (mut new, mut done, mut moves) = (HashMap::new(), Vec::new(), Vec::new());
        // A layer without a gradient took no part in this step, and its optimizer will not be asked.
        let used: Vec<bool> = layers.iter().map(|layer| grads.get::<1>(layer.values).is_some()).collect();
        for (place, layer) in layers.iter().enumerate().filter(|(place, layer)| used[*place] && changes(layer)) {
            let (shape, before) = (layer.at.shape(), layer.at.positions());
            let floats = values.get(&layer.values).map_or(&[][..], Vec::as_slice);
            let dense = self.dense_gradient(layer, grads)?;
            let (pruning, growth) = match &dense {
                Some(dense) => (PruneRule::Magnitude, Growth::Gradient(dense)),
                None => (PruneRule::Set, Growth::Random),
            };
            let kept = prune(pruning, rate, before, floats, shape.len())?;
            let count = before.len() - kept.len();
            let (positions, change) = grow(growth, before, kept, shape.len(), count, &mut growth_stream(config.seed, number, place))?;
            let sources = sources(&positions, before);
            new.insert(layer.values, New::Floats(carried(floats, &sources, |_| 0.0)));
            self.carry_gradient(layer, grads, &sources, |i| dense.as_ref().map_or(0.0, |dense| dense[positions[i] as usize]))?;
            moves.push((layer.path.clone(), Move { before: before.len(), sources }));
            new.insert(layer.topology, New::Words(Topology::new(shape, positions)?.words()?));
            done.push(LayerChange { path: layer.path.clone(), weights: before.len(), change });
        }
        // Only once all of it went well: an update that failed has moved nothing.
        let mut state = self.state();
        moves.into_iter().for_each(|(path, moved)| state.pending.entry(path).or_default().set(moved));
        state.changes = done;
        drop(state);
        Ok(new)
    }

    /// The gradient of the whole dense tensor, where these rules ask for it.
    fn dense_gradient(&self, layer: &Found, grads: &mut GradientsParams) -> Result<Option<Vec<f32>>> {
        if self.config.dynamics != Dynamics::RigL {
            return Ok(None);
        }
        let missing = || {
            let path = &layer.path;
            Error::Model(format!(
                "{path} has no gradient of its dense tensor: RigL needs the backward pass of the model that the step before gave back, and every \
                 layer in use"
            ))
        };
        let gradient = grads.remove::<1>(layer.probe).ok_or_else(missing)?;
        layer::floats(gradient, || format!("the dense gradient of {}", layer.path)).map(Some)
    }

    /// Puts the gradient of a layer's values in their new order; `grown` gives that of a new one.
    fn carry_gradient(
        &self,
        layer: &Found,
        grads: &mut GradientsParams,
        sources: &[Option<usize>],
        grown: impl Fn(usize) -> f32,
    ) -> Result<()> {
        let Some(gradient) = grads.remove::<1>(layer.values) else { return Ok(()) };
        let device = gradient.device();
        let old = layer::floats(gradient, || format!("the gradient of {}", layer.path))?;
        let new = carried(&old, sources, grown);
        let len = new.len();
        grads.register(layer.values, Tensor::<1>::from_data(TensorData::new(new, [len]), &device));
        Ok(())
    }
}

/// Whether a layer has somewhere to grow.
fn changes(layer: &Found) -> bool {
    layer.at.positions().len() < layer.at.shape().len()
}

/// Probes that ask for the dense gradient, or rest.
fn probes(layers: &[Found], open: bool) -> HashMap<ParamId, New> {
    let zeros = |layer: &Found| New::Zeros(if open { layer.at.shape().len() } else { 1 });
    layers.iter().filter(|layer| changes(layer)).map(|layer| (layer.probe, zeros(layer))).collect()
}

/// An array in a new order; `grown` gives what stands at a place that is new.
fn carried(old: &[f32], sources: &[Option<usize>], grown: impl Fn(usize) -> f32) -> Vec<f32> {
    sources.iter().enumerate().map(|(i, source)| source.and_then(|at| old.get(at).copied()).unwrap_or_else(|| grown(i))).collect()
}
