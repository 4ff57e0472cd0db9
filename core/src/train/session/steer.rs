//! What a person may do to a session while it trains: hold it, change its learning rate, change a learner's density.
//!
//! Changes are said as events, so that a run tells that it is not the run of its configuration alone.

use super::Session;
use crate::config::Method;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::train::learner::Next;

/// What was asked for.
#[derive(Default)]
pub(super) struct Steering {
    /// A learning rate in place of the schedule's.
    pub lr: Option<f32>,
    /// Densities that learners are to be brought to before their next step.
    pub densities: Vec<(usize, f64)>,
    /// What was changed and has not been said.
    pub changed: Vec<Event>,
    /// Epochs that no learner goes beyond.
    pub hold: Option<u32>,
}

impl Steering {
    /// The density that a learner is to be brought to now.
    pub fn density_of(&mut self, index: usize) -> Option<f64> {
        let at = self.densities.iter().position(|(learner, _)| *learner == index)?;
        Some(self.densities.remove(at).1)
    }
}

impl Session {
    /// From here on no learner trains beyond so many epochs; `None` lets them go.
    pub fn hold_at(&mut self, epochs: Option<u32>) {
        self.steering.hold = epochs;
    }
    /// Whether `advance` has nothing to do until the hold is lifted: all learners have come to it, or are done.
    pub fn holds(&self) -> bool {
        self.started && self.steering.hold.is_some_and(|epochs| self.learners.iter().all(|l| l.next == Next::Done || l.epoch >= epochs))
    }
    /// Changes the learning rate from here on (`None` returns to the schedule).
    pub fn set_lr(&mut self, lr: Option<f32>) {
        self.steering.lr = lr;
        let step = self.learners.iter().map(|l| l.total_steps).min().unwrap_or(0);
        self.steering.changed.push(Event::Changed { learner: None, step, setting: "lr".into(), value: lr.map(f64::from) });
    }
    /// Brings a sparse learner to another density before its next step. Gradual pruning goes on towards it.
    ///
    /// # Errors
    /// `Config` where there is no such learner, it is dense, or the density is not above 0 and at most 1.
    pub fn set_density(&mut self, learner: usize, density: f64) -> Result<()> {
        let sparse = self.learners.get(learner).is_some_and(|l| l.config.method != Method::Dense);
        if !(sparse && density > 0.0 && density <= 1.0) {
            return Err(Error::config(format!("learner {learner} cannot be brought to density {density}")));
        }
        self.steering.densities.push((learner, density));
        Ok(())
    }
}
