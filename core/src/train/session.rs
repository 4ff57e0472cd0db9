//! The session: learners, their programs, and the slices they run in.

use std::sync::Arc;

use crate::config::ExperimentConfig;
use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::hardness::Scores;
use crate::net::StateDict;

/// A running experiment.
pub struct Session {}

impl Session {
    /// Plans every learner on the device. `scores` are needed where the subset asks for them.
    pub async fn new(config: ExperimentConfig, data: Arc<Dataset>, scores: Option<Arc<Scores>>, device: Device) -> Result<Self> {
        let _ = (config, data, scores, device);
        Err(Error::Validation("not built yet".into()))
    }
    /// Does about 100 ms of device work and says what happened. Returns `Finished` once as the last event, then nothing.
    pub async fn advance(&mut self) -> Result<Vec<Event>> {
        Ok(Vec::new())
    }
    /// Runs exactly one training step of every learner (the page's "step" button).
    pub async fn step_once(&mut self) -> Result<Vec<Event>> {
        Ok(Vec::new())
    }
    /// True after `Finished`.
    pub fn finished(&self) -> bool {
        true
    }
    /// The weights of a learner, dense (zeros where inactive), with BatchNorm statistics.
    pub async fn state(&self, learner: usize) -> Result<StateDict> {
        let _ = learner;
        Ok(StateDict::default())
    }
    /// Changes the learning rate from here on (`None` returns to the schedule).
    pub fn set_lr(&mut self, lr: Option<f32>) {
        let _ = lr;
    }
    /// Gives the device back, for another session.
    pub fn into_device(self) -> Option<Device> {
        None
    }
}
