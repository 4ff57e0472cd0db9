//! What a race needs before it begins: images, their scores, and the dense networks that some methods start from.
//!
//! Scores that ship or were kept are taken; what has to be trained first is trained here, on the race's own device.

use std::sync::Arc;

use sparring_core::config::ExperimentConfig;
use sparring_core::corrupt::CorruptionSet;
use sparring_core::data::Dataset;
use sparring_core::device::Device;
use sparring_core::device::info::{DeviceChoice, DeviceInfo};
use sparring_core::error::Error;
use sparring_core::events::Event;
use sparring_core::hardness::Scores;
use sparring_core::net::zoo::Input;
use sparring_core::train::Session;
use sparring_core::train::parent::{self, Parents};
use sparring_core::train::scoring::{Extra, Made, ScorePolicy, Scoring};
use sparring_core::train::warm::warm;

use super::Trainer;
use super::outbox::{Halt, breathe};
use crate::model::mask::images;
use crate::protocol::Amount;

/// What a session's making is called. Its first step waits for the kernels, so a wait of seconds is said here.
pub(super) fn planning(config: &ExperimentConfig, device: &DeviceInfo, fresh: bool) -> String {
    let plans =
        if config.corruption == CorruptionSet::NONE { "Planning the networks" } else { "Corrupting the images and planning the networks" };
    let kernels = match (device.backend.as_str(), device.software) {
        ("cpu", _) => "",
        (_, software) if software || !fresh => ": the GPU compiles their kernels",
        _ => ": the GPU compiles their kernels and tries which are the fastest",
    };
    format!("{plans}{kernels}")
}

impl Trainer {
    /// What any race needs first: a device, the images, their scores.
    pub(super) async fn prepare(&mut self, config: &ExperimentConfig) -> Result<(Arc<Dataset>, Option<Arc<Scores>>), Halt> {
        config.validate()?;
        self.open(config.device).await?;
        if self.library.must_fetch(config) {
            self.warm(config).await?;
        }
        let data = self.library.dataset(config, &self.out).await?;
        let scores = self.scores(config, &data).await?;
        if self.out.cancelled() {
            return Err(Halt::Cancelled);
        }
        self.rank(config, scores.as_deref());
        Ok((data, scores))
    }

    /// Has a GPU compile a race's kernels while its images come.
    async fn warm(&mut self, config: &ExperimentConfig) -> Result<(), Halt> {
        let Some((extent, classes)) = images(config.dataset) else { return Ok(()) };
        let a_gpu = |(open, device): &mut (DeviceChoice, Device)| *open == config.device && matches!(device, Device::Gpu(_));
        if let Some((choice, device)) = self.device.take_if(a_gpu) {
            self.out.loading("Asking the GPU for the kernels of this race", None).await;
            let input = Input { extent, classes, mean: [0.0; 4], std: [1.0; 4] };
            self.device = Some((choice, warm(device, config, input)?));
        }
        Ok(())
    }

    /// Remembers which score ranks the test images.
    pub(super) fn rank(&mut self, config: &ExperimentConfig, scores: Option<&Scores>) {
        self.ranking = scores.and_then(|s| s.ranking(config.subset).ok()).cloned();
    }

    /// The scores of a race's images: those that ship, or were made in this browser; made now where its subset cannot do without.
    async fn scores(&mut self, config: &ExperimentConfig, data: &Arc<Dataset>) -> Result<Option<Arc<Scores>>, Halt> {
        let policy = ScorePolicy::of(config);
        if let Some(name) = policy.shipped()
            && let Some(shipped) = self.library.shipped_scores(name, config, data, &self.out).await?
        {
            return Ok(Some(shipped));
        }
        let kept = self.library.kept_scores(&policy.run, data).await?;
        match policy.after(kept.as_deref()) {
            Made::Enough => Ok(kept),
            Made::Without => Ok(None),
            Made::Make(extra) => Ok(Some(self.score(policy.run, data, extra).await?)),
        }
    }

    /// Scores images by a short run of the same network, and keeps the scores.
    async fn score(&mut self, config: ExperimentConfig, data: &Arc<Dataset>, extra: Extra) -> Result<Arc<Scores>, Halt> {
        let what = "Scoring the images by a short run";
        self.out.loading(what, None).await;
        let device = self.take_device(config.device).await?;
        let mut run = Scoring::with(config.clone(), data.clone(), device, extra).await?;
        let images = (data.train.len() + data.test.len()) as u64;
        while !run.finished() {
            for event in run.advance().await? {
                if let Event::Progress { epoch, step, steps, .. } = event {
                    let done = u64::from(epoch) * steps as u64 + step as u64;
                    self.out.loading_now(what, Amount::Steps(done, u64::from(config.epochs) * steps as u64));
                }
            }
            if let Some(done) = run.norms_done() {
                self.out.loading_now("Measuring the gradient of every image", Amount::Steps(done as u64, images));
            }
            breathe().await;
            if self.out.cancelled() {
                return Err(Halt::Cancelled);
            }
        }
        let (scores, _) = run.into_scores().await?;
        self.library.keep_scores(&config, scores).await.map_err(Halt::from)
    }

    /// Trains the dense networks that some methods start from.
    pub(super) async fn parents(
        &mut self,
        config: &ExperimentConfig,
        data: &Arc<Dataset>,
        scores: Option<&Arc<Scores>>,
    ) -> Result<Parents, Halt> {
        let what = "Training the dense network that a learner starts from";
        let mut parents = Parents::new();
        for subset in parent::needed(config) {
            let run = parent::parent_config(config, subset);
            let epochs = u64::from(run.epochs);
            self.out.loading(what, None).await;
            let device = self.take_device(config.device).await?;
            let mut session = Session::new(run, data.clone(), scores.cloned(), device).await?;
            while !session.finished() {
                for event in session.advance().await? {
                    if let Event::Progress { epoch, step, steps, .. } = event {
                        let done = u64::from(epoch) * steps as u64 + step as u64;
                        self.out.loading_now(what, Amount::Steps(done, epochs * steps as u64));
                    }
                }
                breathe().await;
                if self.out.cancelled() {
                    return Err(Halt::Cancelled);
                }
            }
            if let Some(reason) = session.summary().learners.into_iter().find_map(|l| l.failed) {
                return Err(Error::diverged(reason).into());
            }
            parents.insert(subset.to_string(), Arc::new(session.state(0).await?));
        }
        Ok(parents)
    }
}
