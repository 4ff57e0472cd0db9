//! What all learners of a session work with: one device, one pool of memory, one set of batch buffers, one attack.

use crate::attack::Adversary;
use crate::config::ExperimentConfig;
use crate::data::Dataset;
use crate::data::batch::{Augmentation, HostBatch};
use crate::device::Device;
use crate::error::Result;
use crate::net::scratch::Scratch;
use crate::net::{Io, Training};
use crate::ops::padded_batch;

/// A device and everything on it that is no learner's own.
pub struct Workspace {
    /// Where to compute.
    pub device: Device,
    /// Memory inside a step.
    pub scratch: Scratch,
    /// Batch buffers.
    pub io: Io,
    /// Lanes of a batch.
    pub lanes: usize,
    /// The batch on the host.
    pub batch: HostBatch,
    /// The attacks of an adversarial experiment.
    pub adversary: Option<Adversary>,
}

impl Workspace {
    /// Allocates the batch buffers for images of (channels, height, width), at most `images` of which are evaluated at a time, and those of
    /// the attack where there is one.
    ///
    /// # Errors
    /// What the device says.
    pub fn new(mut device: Device, config: &ExperimentConfig, extent: (usize, usize, usize), images: usize) -> Result<Self> {
        let lanes = padded_batch(config.samples_a_pass());
        let io = Io::new(&mut device, extent, lanes, images)?;
        let adversary = match (config.train_attack(), config.test_attack()) {
            (Some(train), Some(test)) => Some(Adversary::new(&mut device, &io, extent, lanes, (train, test), config.seed)?),
            _ => None,
        };
        Ok(Self { device, scratch: Scratch::default(), io, lanes, batch: HostBatch::default(), adversary })
    }

    /// How an experiment's networks are trained here.
    pub fn training(&self, config: &ExperimentConfig) -> Training {
        Training { pixels: self.adversary.as_ref().map(Adversary::pixels), ..config.training() }
    }

    /// Puts training samples into the batch buffers, augmented as in this epoch.
    ///
    /// # Errors
    /// As [`HostBatch::fill`]; what the device says.
    pub fn upload(&mut self, config: &ExperimentConfig, data: &Dataset, samples: &[u32], epoch: u32) -> Result<()> {
        fill(&mut self.batch, config, data, self.lanes, samples, epoch)?;
        self.io.upload(&mut self.device, &self.batch)
    }

    /// Gives the device back, with nothing of this workspace left on it.
    pub fn into_device(self) -> Device {
        let Self { mut device, scratch, io, adversary, .. } = self;
        scratch.free(&mut device);
        if let Some(adversary) = adversary {
            adversary.io.free(&mut device);
        }
        io.free(&mut device);
        device
    }
}

/// Packs training samples, augmented as in this epoch.
///
/// # Errors
/// As [`HostBatch::fill`].
pub fn fill(batch: &mut HostBatch, config: &ExperimentConfig, data: &Dataset, lanes: usize, samples: &[u32], epoch: u32) -> Result<()> {
    let augmentation = Augmentation { seed: config.seed, epoch: u64::from(epoch), transforms: data.augmentation };
    batch.fill(data, &data.train, samples, lanes, config.augment.then_some(&augmentation))
}

/// What a learner is handed for a turn.
pub struct Ring<'a> {
    /// The experiment.
    pub config: &'a ExperimentConfig,
    /// The images as they are trained on.
    pub data: &'a Dataset,
    /// Where it works.
    pub work: &'a mut Workspace,
}

/// Adds the gradients of one part of a batch to those of the parts before.
pub fn add_gradients(sum: &mut Option<Vec<Vec<f32>>>, part: Vec<Vec<f32>>) {
    match sum {
        None => *sum = Some(part),
        Some(sum) => {
            for (sum, part) in sum.iter_mut().flatten().zip(part.iter().flatten()) {
                *sum += part;
            }
        }
    }
}
