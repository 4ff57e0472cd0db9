//! What a topology update costs: read back, prune, grow, rebuild the index, upload.
//!
//! Measured in a real session: the slice that ends with an update, less a slice that only makes the same step.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use sparring_core::data::DatasetName;
use sparring_core::data::builtin::builtin;
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Model;
use sparring_core::{Device, Event, ExperimentConfig, Session};

/// Learners whose updates are measured: without and with dense gradients, between layers, and with another number of weights.
pub const LEARNERS: [&str; 4] = ["set@0.1", "rigl@0.1", "set@0.1+redistribute=magnitude", "gmp@0.1"];
/// Samples of the step beside it: the update itself does not depend on them, but for the dense gradients of a batch.
const BATCH: usize = 4;
const UPDATES: u32 = 6;

/// Median milliseconds of an update.
pub async fn update(device: Device, model: Model, learner: &str) -> Result<f64> {
    let config = ExperimentConfig {
        dataset: DatasetName::BuiltIn,
        subset: Subset::All,
        control: false,
        model,
        learners: vec![learner.parse()?],
        epochs: 2 * UPDATES,
        // Every second epoch ends with an update; each has one step.
        update_frequency: 2,
        gmp_end: 1.0,
        batch_size: BATCH,
        limit_train: BATCH,
        limit_test: BATCH,
        ..ExperimentConfig::default()
    };
    let data = Arc::new(builtin(0.5, 10 * BATCH, BATCH, 1));
    let mut session = Session::new(config, data, None, device).await.context("planning")?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    while !session.finished() {
        let start = Instant::now();
        let events = session.advance().await?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        if events.iter().any(|e| matches!(e, Event::TopologyChanged { .. })) {
            with.push(ms);
        } else if events.iter().any(|e| matches!(e, Event::Progress { .. })) {
            without.push(ms);
        }
    }
    Ok((median(with)? - median(without)?).max(0.0))
}

fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("nothing was measured")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn updates_of_a_tiny_network_are_measured() {
        for learner in LEARNERS {
            assert!(pollster::block_on(update(Device::cpu(), Model::Tiny, learner)).unwrap() < 1000.0, "{learner}");
        }
    }
}
