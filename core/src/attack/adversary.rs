//! The attacks of an adversarial run: one to train on, one to evaluate with.
//!
//! Training attacks the network in train mode, so its running statistics move once a step of the attack, as the paper's code does;
//! evaluation attacks it in eval mode and moves nothing.

use super::{AttackIo, Pgd, PgdConfig};
use crate::config::ExperimentConfig;
use crate::device::Device;
use crate::error::Result;
use crate::net::Net;
use crate::net::tape::Io;
use crate::ops::{Shape, StepParams};

/// Streams of evaluation are apart from those of every epoch.
const EVALUATION: u64 = 1 << 32;

/// Both attacks, and their buffers.
pub struct Adversary {
    /// The buffers.
    pub io: AttackIo,
    train: Pgd,
    test: Pgd,
    seed: u64,
}

impl Adversary {
    /// Plans the attacks of an experiment; `None` where it has none.
    ///
    /// # Errors
    /// What the device says.
    pub fn new(
        device: &mut Device,
        batch: &Io,
        extent: (usize, usize, usize),
        n: usize,
        config: &ExperimentConfig,
    ) -> Result<Option<Self>> {
        let (Some(train), Some(test)) = (config.train_attack(), config.test_attack()) else { return Ok(None) };
        let (c, h, w) = extent;
        let io = AttackIo::new(device, Shape { c, h, w, n })?;
        Ok(Some(Self { io, train: Pgd::new(device, batch, io, train)?, test: Pgd::new(device, batch, io, test)?, seed: config.seed }))
    }

    /// What a network's programs must know of it.
    pub fn plan(&self) -> (AttackIo, PgdConfig) {
        (self.io, self.train.config)
    }

    /// Makes the batch in the io buffers adversarial, with the network in train mode.
    ///
    /// # Errors
    /// What the device says.
    pub fn attack_training(&self, device: &mut Device, net: &Net, step: &StepParams, samples: &[u32], epoch: u32) -> Result<()> {
        self.train.decode(device, step)?;
        self.train.attack(device, net.attack_gradient(true)?, step, samples, (self.seed, u64::from(epoch)))
    }

    /// Attacks the batch in the io buffers, with the network in eval mode, and evaluates what comes out. `samples` name the streams.
    ///
    /// # Errors
    /// What the device says.
    pub fn evaluate(&self, device: &mut Device, net: &Net, step: &StepParams, samples: &[u32]) -> Result<()> {
        self.test.decode(device, step)?;
        self.test.attack(device, net.attack_gradient(false)?, step, samples, (self.seed, EVALUATION))?;
        net.eval_attacked(device, step)
    }
}

/// Parameters of the attacks that an experiment trains on and evaluates with.
impl ExperimentConfig {
    /// The attack on training batches.
    pub fn train_attack(&self) -> Option<PgdConfig> {
        let norm = self.norm.norm()?;
        Some(PgdConfig {
            norm,
            eps: self.train_eps,
            step: self.train_gamma,
            iterations: self.train_step,
            random_start: self.train_randinit,
            targeted: false,
        })
    }
    /// The attack of evaluations.
    pub fn test_attack(&self) -> Option<PgdConfig> {
        let norm = self.norm.norm()?;
        Some(PgdConfig {
            norm,
            eps: self.test_eps,
            step: self.test_gamma,
            iterations: self.test_step,
            random_start: self.test_randinit,
            targeted: false,
        })
    }
}
