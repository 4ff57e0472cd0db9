//! Attacks: the worst image within a ball around a clean one, searched on the device that trains.
//!
//! Everything an attack keeps is in device buffers, and nothing is read back inside one. Pixels are in 0..=1 by type; every
//! adversarial pixel is in the ball and in 0..=1 exactly, because projections use a radius that leaves room for rounding.

mod adversary;
#[cfg(feature = "autoattack")]
pub mod autoattack;
mod pgd;

pub use adversary::{Adversary, Programs};
pub use pgd::{Pgd, PgdConfig, StartPoint};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::net::Io;
use crate::ops::{Augment, BufferId, Dtype, Op, Shape};

crate::names::named_enum! {
    /// The norm that a perturbation is bounded in.
    pub enum Norm ("norm") {
        /// Largest change of any pixel.
        Linf = "linf",
        /// Euclidean length of the change of the image.
        L2 = "l2",
    }
}

/// Radius and length of a step that the field takes in a norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// Radius.
    pub eps: f32,
    /// Length of a step.
    pub step: f32,
}

impl Norm {
    /// What is usual for small images. `linf`: 8/255 in steps of 2/255 (Madry et al. 2018, and the paper's code). `l2`: 0.5 in steps of
    /// 0.1, as the `robustness` library trains and tests CIFAR-10 (Engstrom et al. 2019: `--eps 0.5 --attack-lr 0.1`); 0.5 is also the
    /// radius of RobustBench.
    pub fn usual(self) -> Usual {
        match self {
            Self::Linf => Usual { eps: 8.0 / 255.0, step: 2.0 / 255.0 },
            Self::L2 => Usual { eps: 0.5, step: 0.1 },
        }
    }

    /// The radius to project with, so that what f32 makes of `clean + perturbation` is inside `eps` exactly. Rounding moves a pixel
    /// in 0..=1 by at most 2^-25; in the Euclidean norm the length itself is computed to a millionth.
    pub fn safe_radius(self, eps: f32, pixels: usize) -> f32 {
        let slack = match self {
            Self::Linf => libm::exp2(-24.0),
            Self::L2 => libm::sqrt(pixels as f64) * libm::exp2(-24.0) + 1e-6 * f64::from(eps),
        };
        (f64::from(eps) - slack).max(0.0) as f32
    }

    /// Length of a perturbation, in float64.
    pub fn length(self, clean: &[f32], adversarial: &[f32]) -> f64 {
        let differences = clean.iter().zip(adversarial).map(|(a, b)| f64::from(*b) - f64::from(*a));
        match self {
            Self::Linf => differences.fold(0.0, |largest: f64, d| largest.max(d.abs())),
            Self::L2 => libm::sqrt(differences.map(|d| d * d).sum()),
        }
    }
}

/// A buffer of pixels, `[c][h][w][n]`, all of them in 0..=1: what attacks take and give. It is made only by decoding bytes or by a
/// checked upload, and changed only by ops that clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels(BufferId);

impl Pixels {
    fn alloc(device: &mut Device, label: &str, shape: Shape) -> Result<Self> {
        Ok(Self(device.alloc(label, shape.len(), Dtype::F32)?))
    }
    /// Writes pixels in device layout.
    ///
    /// # Errors
    /// `Config` where one is outside 0..=1 or not a number: images scaled to 0..=255, or normalised ones.
    pub fn upload(self, device: &mut Device, values: &[f32]) -> Result<()> {
        if let Some(value) = values.iter().find(|v| !(0.0..=1.0).contains(*v)) {
            return Err(Error::config(format!(
                "attacks take pixels from 0 to 1, found {value}: divide bytes by 255, and leave normalisation to the model"
            )));
        }
        device.write_f32(self.0, 0, values)
    }
    /// The buffer, to be read.
    pub fn buffer(self) -> BufferId {
        self.0
    }
}

/// The buffers of an attack, shared by all networks of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttackIo {
    /// Extent of a batch.
    pub shape: Shape,
    /// The clean pixels.
    pub clean: Pixels,
    /// The adversarial pixels.
    pub adversarial: Pixels,
    /// Gradient with respect to the adversarial pixels.
    pub grad: BufferId,
    /// `[n]`, norms.
    pub norms: BufferId,
}

impl AttackIo {
    /// Allocates them.
    ///
    /// # Errors
    /// What [`Device::alloc`] says.
    pub fn new(device: &mut Device, shape: Shape) -> Result<Self> {
        Ok(Self {
            shape,
            clean: Pixels::alloc(device, "clean pixels", shape)?,
            adversarial: Pixels::alloc(device, "adversarial pixels", shape)?,
            grad: device.alloc("pixel gradient", shape.len(), Dtype::F32)?,
            norms: device.alloc("norms", shape.n, Dtype::F32)?,
        })
    }
    /// Gives them back.
    pub fn free(self, device: &mut Device) {
        for buffer in [self.clean.0, self.adversarial.0, self.grad, self.norms] {
            device.free(buffer);
        }
    }
    /// Ops that decode (and augment) the batch of bytes into both images.
    fn decode(&self, io: &Io) -> Vec<Op> {
        let into = |out: Pixels| Op::Augment(Augment { shape: self.shape, bytes: io.bytes, augmentation: io.augmentation, out: out.0 });
        vec![into(self.clean), into(self.adversarial)]
    }
}
