//! A scoring run: train a dense network for a few epochs, then score every sample by what it still gets wrong.
//!
//! EL2N early in training ranks samples nearly as a full run does (Paul, Ganguli and Dziugaite 2021), so a short run is
//! enough to choose a hard subset. The run card names everything that made the scores.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Scores;
use crate::config::{ExperimentConfig, LearnerConfig, LrSchedule, Subset};
use crate::data::Dataset;
use crate::device::{Device, DeviceInfo};
use crate::error::Result;
use crate::events::{Event, Summary};
use crate::train::Session;

/// Epochs of a scoring run unless told otherwise.
pub const SCORING_EPOCHS: u32 = 4;

/// What made a set of scores.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScoreCard {
    /// The scoring network's training.
    pub config: ExperimentConfig,
    /// Its hash.
    pub config_hash: String,
    /// Where it ran.
    pub device: DeviceInfo,
    /// How well the scoring network did.
    pub summary: Summary,
}

/// The configuration of the scoring run for an experiment: its dataset, model and seed; dense, all samples.
pub fn scoring_config(config: &ExperimentConfig, epochs: u32) -> ExperimentConfig {
    ExperimentConfig {
        dataset: config.dataset,
        difficulty: config.difficulty,
        folder: config.folder.clone(),
        image_size: config.image_size,
        model: config.model,
        seed: config.seed,
        batch_size: config.batch_size,
        device: config.device,
        subset: Subset::All,
        control: false,
        limit_train: 0,
        limit_test: 0,
        learners: vec![LearnerConfig::DENSE],
        epochs,
        lr_schedule: LrSchedule::Constant,
        lr: 0.05,
        ..ExperimentConfig::default()
    }
}

/// A scoring run under way.
pub struct Scoring {
    session: Session,
    config: ExperimentConfig,
    summary: Option<Summary>,
}

impl Scoring {
    /// Plans the scoring network.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub async fn new(config: ExperimentConfig, data: Arc<Dataset>, device: Device) -> Result<Self> {
        Ok(Self { session: Session::new(config.clone(), data, None, device).await?, config, summary: None })
    }
    /// As [`Session::advance`].
    ///
    /// # Errors
    /// As [`Session::advance`].
    pub async fn advance(&mut self) -> Result<Vec<Event>> {
        let events = self.session.advance().await?;
        if let Some(Event::Finished { summary }) = events.last() {
            self.summary = Some(summary.clone());
        }
        Ok(events)
    }
    /// Whether training is done.
    pub fn finished(&self) -> bool {
        self.session.finished()
    }
    /// Scores every sample and gives the device back.
    ///
    /// # Errors
    /// What the device says.
    pub async fn into_scores(mut self) -> Result<(Scores, Device)> {
        let (train, test) = self.session.sample_records(0).await?;
        let summary = self.summary.take().unwrap_or_else(|| self.session.summary());
        let device = self.session.into_device();
        let card = ScoreCard { config_hash: self.config.hash()?, config: self.config, device: device.info(), summary };
        let card = serde_json::to_string(&card).map_err(|e| crate::Error::Config(e.to_string()))?;
        let el2n = |records: &[crate::train::session::SampleRecord]| records.iter().map(|r| r.el2n).collect();
        Ok((Scores { name: "el2n".into(), train: el2n(&train), test: el2n(&test), card }, device))
    }
}
