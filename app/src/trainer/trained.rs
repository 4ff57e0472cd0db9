//! Networks that ship with the page, opened at the end of their race: there is something to look at before anything was trained here.

use sparring_core::config::ExperimentConfig;
use sparring_core::data::DatasetName;
use sparring_core::formats::safetensors;
use sparring_core::hardness::{Scores, Subset};
use sparring_core::train::Session;
use sparring_core::train::scoring::ScorePolicy;

use super::fetch::{self, Missing};
use super::{Halt, Trainer, planning, post};
use crate::protocol::{Failure, Message, WayOn};

/// Images of either split that are fetched of a dataset that does not ship.
const FEW: usize = 1000;

impl Trainer {
    /// Opens those of this name as `config`, which is their race on this device.
    pub(super) async fn open_trained(&mut self, name: &str, config: ExperimentConfig) -> Result<(), Halt> {
        self.drop_session();
        self.out.loading("Fetching trained networks", None).await;
        let mut weights = Vec::new();
        for learner in 0..config.corners().len() * config.learners.len() {
            let file = format!("trained/{name}-{learner}.safetensors");
            weights.push(safetensors::read(&self.shipped(&file).await?, &file)?);
        }
        let policy = ScorePolicy::of(&config);
        if policy.needed.is_some() && policy.shipped().is_none() {
            let file = format!("trained/{name}-scores.safetensors");
            // Without them the images are scored here.
            if let Ok(bytes) = fetch::get(&file, &mut |_| !self.out.cancelled()).await {
                self.library.take_scores(&policy.run, Scores::from_bytes(&file, &bytes)?)?;
            }
        }
        let trained = config.clone();
        let config = looked_at(config);
        let (data, scores) = self.prepare(&config).await?;
        let device = self.take_device(config.device).await?;
        self.out.loading(&planning(&config, &device.info(), true), None).await;
        let session = Session::trained(config, data, scores, device, &weights).await?;
        self.kernels.extend(session.device().measured());
        if self.out.cancelled() {
            return Err(Halt::Cancelled);
        }
        // They are of that race, whatever of it they are asked about.
        self.race = Some(trained);
        self.session = Some(session);
        post(&Message::Trained);
        Ok(())
    }

    /// A file that ships with the page.
    async fn shipped(&self, file: &str) -> Result<Vec<u8>, Halt> {
        match fetch::get(file, &mut |_| !self.out.cancelled()).await {
            Ok(bytes) => Ok(bytes),
            Err(Missing::GivenUp) => Err(Halt::Cancelled),
            Err(Missing::NotThere) => Err(lacking(format!("{file} is not on this server")).into()),
            Err(Missing::Broken(words)) => Err(lacking(words).into()),
        }
    }
}

/// The experiment that looks at trained networks: of CIFAR-10, which comes over the line, only the first images.
fn looked_at(config: ExperimentConfig) -> ExperimentConfig {
    match config.dataset {
        DatasetName::Cifar10 => ExperimentConfig { subset: Subset::First(FEW), limit_test: FEW, ..config },
        _ => config,
    }
}

fn lacking(why: String) -> Failure {
    Failure::new(
        "The trained networks did not come",
        format!("{why}. Networks that are trained here can be looked at all the same."),
        &[WayOn::ChangeSettings],
    )
}
