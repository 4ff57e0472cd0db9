//! A session of learners that were trained before, to be looked at.

use std::sync::Arc;

use super::{Opening, Session};
use crate::config::ExperimentConfig;
use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::StateDict;
use crate::hardness::Scores;

impl Session {
    /// Learners that were trained before, at the end of their race: looked at, not trained. `weights` has one state a learner, controls
    /// included, in the order of [`Session::introduction`]: dense, zeros where there are no weights, with BatchNorm statistics. A weight that
    /// is zero is taken for none. Nothing has been evaluated, and the latest topology update is not known.
    ///
    /// # Errors
    /// As [`Session::new`], but needs no dense parents; `Config` for another number of states, `Format` for one that does not fit the
    /// network.
    pub async fn trained(
        config: ExperimentConfig,
        data: Arc<Dataset>,
        scores: Option<Arc<Scores>>,
        device: Device,
        weights: &[StateDict],
    ) -> Result<Self> {
        let (expected, found) = (config.corners().len() * config.learners.len(), weights.len());
        if found != expected {
            return Err(Error::config(format!("weights of trained learners: expected {expected} states, one a learner, found {found}")));
        }
        let mut session = Self::plan(config, data, scores, device, Opening::Trained(weights)).await?;
        (session.started, session.finished) = (true, true);
        Ok(session)
    }
}
