//! How fast this machine trains without a GPU: a few steps of a small network, timed once, before anybody decides to wait for a race.
//!
//! Processors differ by more than ten times, so that a guess for all of them would turn away who has a fast one. A GPU is not timed: it
//! would have to compile kernels that nobody asked for yet.

use std::sync::Arc;

use sparring_core::config::{ExperimentConfig, LearnerConfig};
use sparring_core::data::{DatasetName, builtin};
use sparring_core::device::info::DeviceChoice;
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Model;
use sparring_core::train::Session;
use sparring_core::{Device, Event};

use super::{Halt, Trainer, breathe, post};
use crate::model::estimate::{Work, estimate};
use crate::protocol::Message;

/// Steps, of which the first is not timed; the median of the others counts.
const STEPS: usize = 4;

impl Trainer {
    /// Times the CPU, where it is what trains, and tells the page; without an answer the page goes on guessing.
    pub(super) async fn probe(&mut self) {
        if self.on_cpu
            && !std::mem::replace(&mut self.probed, true)
            && let Ok(Some((Work { flops, moved }, seconds))) = timed().await
        {
            post(&Message::Timed { flops, moved, seconds });
        }
    }
}

/// Work, and the seconds that it takes here.
async fn timed() -> Result<Option<(Work, f64)>, Halt> {
    let batch_size = 32;
    let config = ExperimentConfig {
        dataset: DatasetName::BuiltIn,
        model: Model::ResNet20,
        width: 0.25,
        learners: vec![LearnerConfig::DENSE],
        subset: Subset::All,
        control: false,
        batch_size,
        limit_train: batch_size,
        epochs: 1,
        ..ExperimentConfig::default()
    };
    // One epoch of one step is what is measured; more images, so that no epoch ends in between.
    let Some(of_a_step) = estimate(&config).map(|estimate| estimate.work) else { return Ok(None) };
    let images = 2 * STEPS * batch_size;
    let data = Arc::new(builtin::builtin(config.difficulty, images, batch_size, builtin::SEED));
    let (device, _) = Device::open(DeviceChoice::Cpu).await?;
    let mut session = Session::new(ExperimentConfig { limit_train: 0, ..config }, data, None, device).await?;
    let mut ms = 0.0;
    for _ in 0..STEPS {
        breathe().await;
        for event in session.step_once().await? {
            if let Event::Progress { ms_per_step, .. } = event {
                ms = ms_per_step;
            }
        }
    }
    Ok((ms > 0.0).then_some((of_a_step, ms / 1000.0)))
}
