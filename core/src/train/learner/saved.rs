//! A learner to and from a checkpoint.
//!
//! The struct is written out in full here: a new field of [`Learner`] does not compile until it is said how it survives.

use std::sync::Arc;

use super::{Learner, Next};
use crate::data::batch::order;
use crate::data::sha256;
use crate::device::Device;
use crate::error::{Error, Refusal, Result};
use crate::formats::StateDict;
use crate::net::Graph;
use crate::net::NetConfig;
use crate::net::graph::WeightInfo;
use crate::net::plan::{Net, Placement};
use crate::ops::TOTAL_WORDS;
use crate::sparse::PositionSet;
use crate::sparse::csr::check_positions;
use crate::train::checkpoint::{Array, Checkpoint, Exact, SavedLearner, SavedPhase, SavedPlacement, damaged};
use crate::train::corner::Corner;
use crate::train::workspace::Ring;

impl Learner {
    /// Its place in the run, and its arrays through `put`.
    ///
    /// # Errors
    /// What the device says.
    pub async fn save(&self, device: &Device, mut put: impl FnMut(String, Array)) -> Result<SavedLearner> {
        let mut placements = Vec::new();
        for (i, slot) in self.net.weights.iter().enumerate() {
            let (kind, positions) = match &slot.placement {
                Placement::Dense => (SavedPlacement::Dense, None),
                Placement::Sparse(positions) => (SavedPlacement::Sparse, Some(positions)),
                Placement::Masked(positions) => (SavedPlacement::Masked, Some(positions)),
            };
            placements.push(kind);
            if let Some(positions) = positions {
                put(format!("positions/{}", slot.info.name), Array::U32(positions.clone()));
            }
            for (what, sets) in [("mask-ever", &self.explored), ("mask-first", &self.first), ("mask-previous", &self.previous)] {
                put(format!("{what}/{}", slot.info.name), Array::U64(sets[i].words().to_vec()));
            }
        }
        for (name, values) in self.net.read_arrays(device).await? {
            put(name, Array::F32(values));
        }
        put("totals".into(), Array::F32(self.totals.to_vec()));
        Ok(SavedLearner {
            name: self.name.clone(),
            samples: identity(&self.indices),
            phase: match self.next {
                Next::Train => SavedPhase::Train,
                Next::Evaluate(..) => SavedPhase::Evaluate,
                Next::Done => SavedPhase::Done,
            },
            epoch: self.epoch,
            step: self.step,
            total_steps: self.total_steps,
            optimizer_steps: self.net.steps(),
            updates: self.updates,
            flops: Exact(self.flops),
            parent_flops: Exact(self.parent_flops),
            seconds: Exact(self.seconds),
            recent_ms: self.recent_ms.iter().copied().map(Exact).collect(),
            latest: self.latest.clone().into(),
            failed: self.failed.clone(),
            placements,
            best: Vec::new(),
        })
    }

    /// Plans learner `index` of a checkpoint, with the placements it had. `start` is any state of the network: all of it is
    /// replaced.
    ///
    /// # Errors
    /// `Checkpoint` where it trained on other samples, or parts do not fit together; what the plan says.
    pub fn restore(
        ring: &mut Ring,
        corner: Corner,
        graph: Graph,
        start: &StateDict,
        checkpoint: &Checkpoint,
        index: usize,
    ) -> Result<Self> {
        let name = corner.name();
        let Corner { config, subset, control, indices } = corner;
        let saved = checkpoint.record.learners.get(index).ok_or_else(|| damaged(format_args!("it lacks learner {index}")))?;
        if saved.name != name {
            return Err(damaged(format_args!("learner {index} is '{}' where '{name}' belongs", saved.name)));
        }
        if saved.samples != identity(&indices) {
            return Err(Error::checkpoint(Refusal::Data(format!(
                "'{name}' was trained on other samples; the hardness scores are not the same"
            ))));
        }
        let array = |name: &str| format!("{index}/{name}");
        let weights = graph.weights();
        if saved.placements.len() != weights.len() {
            return Err(damaged(format_args!("{} weight tensors where {} belong", saved.placements.len(), weights.len())));
        }
        let mut placements = Vec::new();
        let sets = |what: &str| {
            let set = |weight: &WeightInfo| {
                let words = checkpoint.bits(&array(&format!("{what}/{}", weight.name)))?;
                let set = PositionSet::from_words(weight.shape.weights(), words);
                set.ok_or_else(|| damaged(format_args!("{what} positions of '{}'", weight.name)))
            };
            weights.iter().map(set).collect::<Result<Vec<_>>>()
        };
        for (kind, weight) in saved.placements.iter().zip(&weights) {
            let total = weight.shape.weights();
            let positions = || {
                let positions = checkpoint.positions(&array(&format!("positions/{}", weight.name)))?;
                check_positions(positions, total).map_err(damaged)?;
                Ok::<_, Error>(positions.to_vec())
            };
            placements.push(match kind {
                SavedPlacement::Dense => Placement::Dense,
                SavedPlacement::Sparse => Placement::Sparse(positions()?),
                SavedPlacement::Masked => Placement::Masked(positions()?),
            });
        }
        let totals: [f32; TOTAL_WORDS] =
            checkpoint.floats(&array("totals"))?.try_into().map_err(|_| damaged("running sums of another length"))?;
        let work = &mut *ring.work;
        let (n, training) = (work.lanes, work.training(ring.config));
        let net = Net::plan(&mut work.device, &mut work.scratch, work.io, start, NetConfig { graph, n, placements, training })?;
        let mut learner = Self {
            config,
            name,
            subset,
            control,
            net,
            under_attack: None,
            next: match saved.phase {
                SavedPhase::Train => Next::Train,
                SavedPhase::Evaluate => Next::Evaluate(0, 0),
                SavedPhase::Done => Next::Done,
            },
            latest: saved.latest.clone().into(),
            pending: super::Pending::default(),
            failed: saved.failed.clone(),
            epoch: saved.epoch,
            step: saved.step,
            flops: saved.flops.0,
            parent_flops: saved.parent_flops.0,
            seconds: saved.seconds.0,
            order: order(ring.config.seed, u64::from(saved.epoch), &indices),
            indices,
            total_steps: saved.total_steps,
            updates: saved.updates,
            explored: sets("mask-ever")?,
            first: sets("mask-first")?,
            previous: sets("mask-previous")?,
            notes: Vec::new(),
            totals,
            recent_ms: saved.recent_ms.iter().map(|ms| ms.0).collect(),
            cold: true,
        };
        if learner.next == Next::Train && (learner.step >= learner.steps(ring.config) || learner.epoch >= ring.config.epochs) {
            return Err(damaged(format_args!("epoch {}, step {} where there is none", learner.epoch, learner.step)));
        }
        learner.prepare_attack(work)?;
        learner.net.write_arrays(&mut work.device, saved.optimizer_steps, |name| checkpoint.floats(&array(name)))?;
        Ok(learner)
    }
}

/// SHA-256 over the indices of the training samples.
fn identity(indices: &Arc<Vec<u32>>) -> String {
    sha256(&indices.iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<_>>())
}
