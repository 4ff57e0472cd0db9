//! A session to and from a checkpoint, and the best state of each learner.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Best, Origin, Session};
use crate::config::ExperimentConfig;
use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::hardness::Scores;
use crate::net::plan::scatter;
use crate::net::{StateDict, Tensor};
use crate::sparse::csr::check_positions;
use crate::train::checkpoint::{Array, CHECKPOINT_VERSION, Checkpoint, DataIdentity, Exact, Record, damaged};
use crate::train::learner::Latest;

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
            let mut saved = learner.save(&self.device, &mut put).await?;
            if let Some(best) = self.best_state(index) {
                saved.best = Some((best.epoch, best.scores.clone().into()));
                best.state.tensors.iter().for_each(|(name, tensor)| put_tensor(name, &tensor.data, &mut put));
            }
            learners.push(saved);
        }
        let record = Record {
            format: CHECKPOINT_VERSION,
            config: self.config.canonical_json()?,
            config_hash: self.config.hash()?,
            data: DataIdentity::new(&self.data, self.hard.as_deref()),
            device: self.device.info(),
            lr: self.lr.map(|lr| Exact(f64::from(lr))),
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
        let mut session = Self::plan(config, data, scores, device, Origin::Saved(checkpoint)).await?;
        let Record { lr, started, finished, learners, .. } = &checkpoint.record;
        session.lr = lr.map(|lr| lr.0 as f32);
        (session.started, session.finished) = (*started, *finished);
        for (index, saved) in learners.iter().enumerate() {
            let Some(learner) = session.learners.get(index) else {
                return Err(damaged(format_args!("{} learners where {} belong", learners.len(), session.learners.len())));
            };
            session.best.push(match saved.best.clone() {
                None => None,
                Some((epoch, scores)) => {
                    let tensors = learner.net.graph.state_shapes().into_iter();
                    let tensors = tensors.map(|(name, shape)| Ok((name.clone(), get_tensor(checkpoint, index, &name, shape)?)));
                    let tensors = tensors.collect::<Result<_>>()?;
                    Some(Best { epoch, scores: scores.into(), state: StateDict { tensors, metadata: BTreeMap::new() } })
                }
            });
        }
        Ok(session)
    }

    /// Keeps a learner's state where its latest evaluation is its best by validation.
    pub(super) async fn keep_best(&mut self, index: usize) -> Result<()> {
        let learner = &self.learners[index];
        let (epoch, scores) = (learner.epoch, learner.latest.clone());
        self.best.resize_with(self.learners.len(), || None);
        // An adversarial run is at its best where it withstands most.
        let value = |scores: &Latest| scores.by_hardness.robust.map_or(scores.validation, |robust| robust.validation).accuracy;
        let better = |best: &Best| value(&scores) > value(&best.scores);
        if self.best[index].as_ref().is_none_or(better) {
            self.best[index] = Some(Best { epoch, scores, state: self.state(index).await? });
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
