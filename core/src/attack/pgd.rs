//! Projected gradient descent (Madry et al. 2018), and FGSM (Goodfellow et al. 2015) as its one full step.

use std::cell::Cell;

use super::{AttackIo, Norm};
use crate::device::{Device, Program};
use crate::error::{Error, Result};
use crate::net::Io;
use crate::ops::{Add, LaneNorm, Op, ProjectL2, StepL2, StepLinf, StepParams};
use crate::rng::{Purpose, Stream};

/// What an attack does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PgdConfig {
    /// Norm of the ball.
    pub norm: Norm,
    /// Its radius.
    pub eps: f32,
    /// Length of a step.
    pub step: f32,
    /// Number of steps.
    pub iterations: u32,
    /// Whether to start at a random point of the ball, else at the clean image.
    pub random_start: bool,
    /// Whether to go towards the labels that are in the buffer instead of away from them.
    pub targeted: bool,
}

impl PgdConfig {
    /// One step of the full radius from the clean image.
    pub fn fgsm(norm: Norm, eps: f32) -> Self {
        Self { norm, eps, step: eps, iterations: 1, random_start: false, targeted: false }
    }
    /// Checks ranges.
    ///
    /// # Errors
    /// `Config` with what was expected.
    pub fn check(&self) -> Result<()> {
        let fail = |text: String| Err(Error::config(text));
        let largest = match self.norm {
            Norm::Linf => 1.0,
            Norm::L2 => 1000.0,
        };
        if !(0.0..=largest).contains(&self.eps) {
            return fail(format!(
                "eps must be from 0 to {largest} for {} (pixels are 0 to 1; 8/255 is usual for linf), found {}",
                self.norm, self.eps
            ));
        }
        if !(0.0..=largest).contains(&self.step) {
            return fail(format!("the step length of an attack must be from 0 to {largest}, found {}", self.step));
        }
        if self.iterations > 10_000 {
            return fail(format!("an attack has at most 10000 steps, found {}", self.iterations));
        }
        Ok(())
    }
    /// Why it looks for nothing, where it does not: all it can do then is to start at random.
    pub fn idle(&self) -> Option<&'static str> {
        if self.eps == 0.0 {
            Some("its radius is 0")
        } else if self.eps < NOTHING {
            Some("its radius is too short to change a picture")
        } else if self.iterations == 0 {
            Some("it has no steps")
        } else if self.step == 0.0 {
            Some("its steps have the length 0")
        } else if self.step * (self.iterations as f32) < NOTHING {
            Some("its steps are too short to change a picture")
        } else {
            None
        }
    }
    /// Why it is weaker than anybody is likely to mean, in words; nothing of one that is idle.
    pub fn weakness(&self) -> Option<String> {
        if self.idle().is_some() {
            return None;
        }
        let Self { norm, eps, step, iterations, .. } = *self;
        let usual = norm.usual();
        if norm == Norm::L2 && eps < LEAST_L2 {
            return Some(format!(
                "a radius of {eps} in l2 is the length of the whole image's change, which is next to nothing; {} is usual",
                usual.eps
            ));
        }
        if norm == Norm::Linf && eps < LEAST_LINF {
            return Some(format!("a radius of {eps} in linf is less than half a grey level of 255; 8/255 is usual"));
        }
        let reach = f64::from(step) * f64::from(iterations);
        (reach < 0.999 * f64::from(eps))
            .then(|| format!("{iterations} steps of {step} do not cross the radius of {eps}: take more of them, or longer ones"))
    }
}

/// A Euclidean radius below this is taken for one of the other norm: the smallest in use on small images is 0.25.
const LEAST_L2: f32 = 0.1;

/// Half a grey level.
const LEAST_LINF: f32 = 0.5 / 255.0;
/// What is shorter changes no picture in any norm: a two hundredth of a grey level.
const NOTHING: f32 = 2e-5;

/// Where an attack starts.
#[derive(Clone, Copy, Debug)]
pub enum StartPoint<'a> {
    /// At the clean image.
    Clean,
    /// At the clean image plus this, `[c][h][w][n]`, projected.
    Perturbed(&'a [f32]),
    /// At these pixels in 0..=1, `[c][h][w][n]`, projected.
    At(&'a [f32]),
}

/// A planned attack. Its programs do not depend on the network; the gradient's program does, and is given to each run.
pub struct Pgd {
    /// What it does.
    pub config: PgdConfig,
    io: AttackIo,
    decode: Program,
    add: Program,
    project: Program,
    step: Program,
    /// Random starts, kept from batch to batch for its memory.
    starts: Cell<Vec<f32>>,
}

impl Pgd {
    /// Plans an attack on the batch buffers.
    ///
    /// # Errors
    /// `Config` for ranges; what the device says.
    pub fn new(device: &mut Device, batch: &Io, io: AttackIo, config: PgdConfig) -> Result<Self> {
        config.check()?;
        let AttackIo { shape, clean, adversarial, grad, norms } = io;
        let (x, clean) = (adversarial.buffer(), clean.buffer());
        let eps = config.norm.safe_radius(config.eps, shape.len() / shape.n.max(1));
        let step = if config.targeted { -config.step } else { config.step };
        let norm = |x, minus| Op::LaneNorm(LaneNorm { shape, x, minus, norms });
        let (step, project) = match config.norm {
            Norm::Linf => {
                let step_by = |step| vec![Op::StepLinf(StepLinf { shape, x, clean, grad, step, eps })];
                (step_by(step), step_by(0.0))
            }
            Norm::L2 => {
                let project = vec![norm(x, Some(clean)), Op::ProjectL2(ProjectL2 { shape, x, clean, norms, eps })];
                let mut ops = vec![norm(grad, None), Op::StepL2(StepL2 { shape, x, grad, norms, step })];
                ops.extend(project.clone());
                (ops, project)
            }
        };
        Ok(Self {
            config,
            io,
            decode: device.compile("decode", &io.decode(batch))?,
            add: device.compile("perturb", &[Op::Add(Add { len: shape.len(), x: clean, y: x })])?,
            project: device.compile("project", &project)?,
            step: device.compile("attack step", &step)?,
            starts: Cell::default(),
        })
    }

    /// Decodes the batch of bytes into the clean and the adversarial image.
    ///
    /// # Errors
    /// What the device says.
    pub fn decode(&self, device: &mut Device, step: &StepParams) -> Result<()> {
        device.run(&self.decode, step)
    }

    /// Attacks the batch whose clean image is in both buffers. `gradient` writes the gradient of the loss at the adversarial pixels
    /// ([`super::Programs::gradient`]). Nothing is read back.
    ///
    /// # Errors
    /// What the device says.
    pub fn run(&self, device: &mut Device, gradient: &Program, step: &StepParams, start: StartPoint) -> Result<()> {
        // An attack climbs the loss of the true class alone, however the network is trained.
        let step = StepParams { sample_offset: 0, label_smoothing: 0.0, ..*step };
        let x = self.io.adversarial.buffer();
        match start {
            StartPoint::Clean => {}
            StartPoint::Perturbed(values) => {
                device.write_f32(x, 0, values)?;
                device.run(&self.add, &step)?;
                device.run(&self.project, &step)?;
            }
            StartPoint::At(values) => {
                device.write_f32(x, 0, values)?;
                device.run(&self.project, &step)?;
            }
        }
        for _ in 0..self.config.iterations {
            device.run(gradient, &step)?;
            device.run(&self.step, &step)?;
        }
        Ok(())
    }

    /// [`Self::run`] from this attack's own kind of start: uniform in the box for `linf`; for `l2` uniform in 0..=1, projected, as the
    /// paper's code starts. `streams`: seed and epoch (or restart) of the random numbers, one stream a sample.
    ///
    /// # Errors
    /// What the device says.
    pub fn attack(&self, device: &mut Device, gradient: &Program, step: &StepParams, samples: &[u32], streams: (u64, u64)) -> Result<()> {
        if !self.config.random_start {
            return self.run(device, gradient, step, StartPoint::Clean);
        }
        let (lanes, eps) = (self.io.shape.n, self.config.eps);
        let mut values = self.starts.take();
        values.clear();
        values.resize(self.io.shape.len(), 0.0);
        for (lane, &sample) in samples.iter().enumerate().take(lanes) {
            let mut stream = Stream::new(streams.0, Purpose::Attack, streams.1, u64::from(sample));
            for value in values.iter_mut().skip(lane).step_by(lanes) {
                let u = stream.uniform();
                *value = match self.config.norm {
                    Norm::Linf => (2.0 * u - 1.0) * eps,
                    Norm::L2 => u,
                };
            }
        }
        let start = match self.config.norm {
            Norm::Linf => StartPoint::Perturbed(&values),
            Norm::L2 => StartPoint::At(&values),
        };
        self.run(device, gradient, step, start)?;
        self.starts.set(values);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::Usual;

    #[test]
    fn an_attack_that_does_nothing_or_little_is_known() {
        let usual = |norm: Norm| {
            let Usual { eps, step } = norm.usual();
            PgdConfig { norm, eps, step, iterations: 10, random_start: true, targeted: false }
        };
        for norm in [Norm::Linf, Norm::L2] {
            let attack = usual(norm);
            assert_eq!((attack.idle(), attack.weakness()), (None, None), "{norm}");
            assert_eq!(PgdConfig::fgsm(norm, attack.eps).weakness(), None);
            for (idle, why) in [
                (PgdConfig { eps: 0.0, ..attack }, "radius"),
                (PgdConfig { iterations: 0, ..attack }, "no steps"),
                (PgdConfig { step: 0.0, ..attack }, "length 0"),
                (PgdConfig { eps: 1e-9, ..attack }, "radius is too short"),
                (PgdConfig { step: 1e-30, ..attack }, "steps are too short"),
            ] {
                assert!(idle.idle().is_some_and(|words| words.contains(why)), "{idle:?}");
                assert_eq!(idle.weakness(), None);
            }
            let short = PgdConfig { iterations: 2, ..attack };
            assert!(short.weakness().is_some_and(|words| words.contains("do not cross")), "{norm}");
        }
        let tiny = PgdConfig { eps: 1e-3, step: 1e-3, ..usual(Norm::Linf) };
        assert!(tiny.weakness().is_some_and(|words| words.contains("half a grey level")));
        let tiny = PgdConfig { eps: 8.0 / 255.0, step: 2.0 / 255.0, ..usual(Norm::L2) };
        assert!(tiny.weakness().is_some_and(|words| words.contains("next to nothing; 0.5 is usual")));
    }
}
