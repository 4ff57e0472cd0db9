//! A session to and from a checkpoint, and the best state of each learner.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Best, Opening, Session};
use crate::config::ExperimentConfig;
use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::events::Evaluation;
use crate::formats::{StateDict, Tensor};
use crate::hardness::Scores;
use crate::net::plan::scatter;
use crate::sparse::csr::check_positions;
use crate::train::checkpoint::{Array, CHECKPOINT_VERSION, Checkpoint, DataIdentity, Exact, Record, SavedBest, damaged};

impl Session {
    /// The session as it stands between two calls of `advance`. `note` is the caller's own and comes back in the record: for
    /// example how much of a log belongs to this state.
    ///
    /// # Errors
    /// What the device says.
    pub async fn checkpoint(&self, note: &str) -> Result<Vec<u8>> {
        let mut arrays = BTreeMap::new();
        let mut learners = Vec::new();
        for (index, learner) in self.learners.iter().enumerate() {
            let mut put = |name: String, array: Array| {
                arrays.insert(format!("{index}/{name}"), array);
            };
            let mut saved = learner.save(&self.work.device, &mut put).await?;
            for (place, Best { clean, robust, epoch, scores, state }) in self.best_states(index).iter().enumerate() {
                saved.best.push(SavedBest { clean: *clean, robust: *robust, epoch: *epoch, scores: scores.clone().into() });
                state.tensors.iter().for_each(|(name, tensor)| put_tensor(&format!("{place}/{name}"), &tensor.data, &mut put));
            }
            learners.push(saved);
        }
        let record = Record {
            format: CHECKPOINT_VERSION,
            config: self.config.canonical_json()?,
            config_hash: self.config.hash()?,
            data: DataIdentity::new(&self.data, &self.config.reads(&self.data)?, self.evaluation.hard.as_deref()),
            device: self.work.device.info(),
            lr: self.steering.lr.map(|lr| Exact(f64::from(lr))),
            started: self.started,
            finished: self.finished,
            learners,
            note: note.to_owned(),
        };
        Checkpoint { record, arrays }.to_bytes()
    }

    /// Goes on from a checkpoint, on the same device bit for bit as if it had never stopped. `Started` is not said again
    /// ([`Session::introduction`] gives it); an evaluation that was under way starts again.
    ///
    /// # Errors
    /// `Checkpoint` where it is of another configuration or other data; else as [`Session::new`].
    pub async fn resume(
        config: ExperimentConfig,
        data: Arc<Dataset>,
        scores: Option<Arc<Scores>>,
        device: Device,
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        checkpoint.check_config(&config)?;
        let mut session = Self::plan(config, data, scores, device, Opening::Saved(checkpoint)).await?;
        let Record { lr, started, finished, learners, .. } = &checkpoint.record;
        session.steering.lr = lr.map(|lr| lr.0 as f32);
        (session.started, session.finished) = (*started, *finished);
        for (index, saved) in learners.iter().enumerate() {
            let Some(learner) = session.learners.get(index) else {
                return Err(damaged(format_args!("{} learners where {} belong", learners.len(), session.learners.len())));
            };
            for (place, SavedBest { clean, robust, epoch, scores }) in saved.best.iter().cloned().enumerate() {
                let tensor = |(name, shape)| Ok((String::clone(&name), get_tensor(checkpoint, index, &format!("{place}/{name}"), shape)?));
                let tensors = learner.net.graph.state_shapes().into_iter().map(tensor).collect::<Result<_>>()?;
                let state = StateDict { tensors, metadata: BTreeMap::new() };
                session.best[index].push(Best { clean, robust, epoch, scores: scores.into(), state });
            }
        }
        Ok(session)
    }

    /// Keeps a learner's state where its latest evaluation is its best, and lets go of what no longer is.
    pub(super) async fn keep_best(&mut self, index: usize) -> Result<()> {
        let (learner, kept) = (&self.learners[index], &mut self.best[index]);
        let (epoch, scores) = (learner.epoch, learner.latest.clone());
        let clean_of = |scores: &Evaluation| scores.validation.accuracy;
        let robust_of = |scores: &Evaluation| scores.by_hardness.robust.map_or(-1.0, |robust| robust.validation.accuracy);
        let clean = kept.iter().all(|b| !b.clean || clean_of(&scores) > clean_of(&b.scores));
        let robust = robust_of(&scores) >= 0.0 && kept.iter().all(|b| !b.robust || robust_of(&scores) > robust_of(&b.scores));
        if clean || robust {
            kept.retain_mut(|best| {
                (best.clean, best.robust) = (best.clean && !clean, best.robust && !robust);
                best.clean || best.robust
            });
            let state = self.state(index).await?;
            self.best[index].push(Best { clean, robust, epoch, scores, state });
        }
        Ok(())
    }
}

/// A tensor of a best state; one that is mostly zeros as positions and values.
fn put_tensor(name: &str, data: &[f32], put: &mut impl FnMut(String, Array)) {
    // Compared by bits, so that -0 is kept.
    let positions: Vec<u32> = (0..data.len() as u32).filter(|i| data[*i as usize].to_bits() != 0).collect();
    if 2 * positions.len() < data.len() {
        put(format!("best/{name}"), Array::F32(positions.iter().map(|i| data[*i as usize]).collect()));
        put(format!("best-at/{name}"), Array::U32(positions));
    } else {
        put(format!("best/{name}"), Array::F32(data.to_vec()));
    }
}

fn get_tensor(checkpoint: &Checkpoint, learner: usize, name: &str, shape: Vec<usize>) -> Result<Tensor> {
    let total: usize = shape.iter().product();
    let values = checkpoint.floats(&format!("{learner}/best/{name}"))?;
    let fits =
        |expected: usize| if values.len() == expected { Ok(()) } else { Err(damaged(format_args!("best '{name}' of another length"))) };
    let at = format!("{learner}/best-at/{name}");
    let data = if checkpoint.arrays.contains_key(&at) {
        let positions = checkpoint.positions(&at)?;
        check_positions(positions, total).map_err(damaged)?;
        fits(positions.len())?;
        scatter(positions, values, total)
    } else {
        fits(total)?;
        values.to_vec()
    };
    Ok::<_, Error>(Tensor { shape, data })
}
