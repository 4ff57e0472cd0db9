//! Attacks on any Burn model: the worst image within a ball around a clean one, by the gradient of Burn's autodiff.
//!
//! Pixels are a type of their own, from 0 to 1: an attack on normalised images would use a ball of another size and call the result robust.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor, TensorData};
pub use sparring_core::attack::{Norm, PgdConfig};
use sparring_core::rng::{Purpose, Stream};

use crate::error::{Error, Result};
use crate::layer;

/// Where the streams of restarts begin, beside those of training.
const EVALUATION: u64 = 1 << 32;

/// Images as attacks take and give them, `[n, channels, height, width]`: every number is from 0 to 1.
#[derive(Clone, Debug)]
pub struct Pixels(Tensor<4>);

impl Pixels {
    /// Checks every number, which is read back.
    ///
    /// # Errors
    /// Where one is outside 0..=1 or not a number: images scaled to 0..=255, or normalised ones.
    pub fn new(images: Tensor<4>) -> Result<Self> {
        let images = if images.is_autodiff() { images.inner() } else { images };
        let numbers = layer::floats(images.clone(), || "the images of an attack".into())?;
        match numbers.iter().find(|v| !(0.0..=1.0).contains(*v)) {
            None => Ok(Self(images)),
            Some(v) => {
                let expected = "from 0 to 1 (divide bytes by 255, and leave normalisation to the model)";
                Err(Error::setting("the pixels of an attack", expected, v))
            }
        }
    }
    /// The images, without autodiff.
    pub fn tensor(&self) -> Tensor<4> {
        self.0.clone()
    }
    /// The largest distance of an image from its other version, in a norm.
    ///
    /// # Errors
    /// Where there are other images, or they cannot be read.
    pub fn distance(&self, other: &Self, norm: Norm) -> Result<f64> {
        let (dims, others) = (self.0.dims(), other.0.dims());
        if dims != others {
            return Err(Error::setting("the images that are compared", format!("{dims:?}"), format!("{others:?}")));
        }
        let read = |pixels: &Self| layer::floats(pixels.tensor(), || "the images of an attack".into());
        let (own, others, each) = (read(self)?, read(other)?, dims[1] * dims[2] * dims[3]);
        let lengths = own.chunks(each.max(1)).zip(others.chunks(each.max(1))).map(|(a, b)| norm.length(a, b));
        Ok(lengths.fold(0.0, f64::max))
    }
}

/// How [`pgd`] looks for an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Norm, radius, steps.
    pub config: PgdConfig,
    /// How many times, each from another start; the image with the highest loss counts.
    pub restarts: u32,
    /// Seed of the starts.
    pub seed: u64,
    /// Number of the first image among all that are attacked: each has starts of its own.
    pub first: u64,
}

impl Search {
    /// Once.
    pub fn once(config: PgdConfig) -> Self {
        Self { config, restarts: 1, seed: 0, first: 0 }
    }
}

/// FGSM (Goodfellow et al. 2015): one step of the full radius. `labels`: `[n]`.
///
/// # Errors
/// As [`pgd`].
pub fn fgsm(model: impl Fn(Tensor<4>) -> Tensor<2>, clean: &Pixels, labels: Tensor<1, Int>, norm: Norm, eps: f32) -> Result<Pixels> {
    pgd(model, clean, labels, &Search::once(PgdConfig::fgsm(norm, eps)))
}

/// PGD (Madry et al. 2018). `model` gives logits `[n, classes]` of images `[n, channels, height, width]` of 0 to 1, and should be in the state in
/// which it is judged (`model.valid()`: no dropout, statistics that are kept). `labels`: `[n]`. Every pixel of the result is in the ball and in
/// 0..=1.
///
/// # Errors
/// Where a setting is out of range, there are other labels than images, or the model's gradient is not a number.
pub fn pgd(model: impl Fn(Tensor<4>) -> Tensor<2>, clean: &Pixels, labels: Tensor<1, Int>, search: &Search) -> Result<Pixels> {
    let Search { config, restarts, .. } = *search;
    config.check()?;
    let n = clean.0.dims()[0];
    if labels.dims() != [n] || n == 0 {
        return Err(Error::setting(
            "the labels of an attack",
            format!("[{n}], one an image, and at least one"),
            format!("{:?}", labels.dims()),
        ));
    }
    if restarts == 0 || (restarts > 1 && !config.random_start) {
        let expected = "at least 1, and 1 where every start is the clean image";
        return Err(Error::setting("the restarts of an attack", expected, restarts));
    }
    let labels = labels.to_device(&clean.0.device());
    let mut best: Option<(Tensor<4>, Tensor<1>)> = None;
    let mut poisoned = Tensor::<1, Int>::zeros([1], &clean.0.device());
    for restart in 0..restarts {
        let (found, lost) = climb(&model, clean, &labels, search, restart)?;
        poisoned = poisoned + lost;
        let loss = losses(model(found.clone()), &labels);
        let loss = if loss.is_autodiff() { loss.inner() } else { loss };
        best = Some(match best {
            None => (found, loss),
            Some((kept, highest)) => {
                let better: Tensor<1, Bool> =
                    if config.targeted { loss.clone().lower(highest.clone()) } else { loss.clone().greater(highest.clone()) };
                let images = better.clone().reshape([n, 1, 1, 1]).expand(kept.dims());
                (kept.mask_where(images, found), highest.mask_where(better, loss))
            }
        });
    }
    let Some((found, loss)) = best else { return Ok(clean.clone()) };
    let wrong = |what: &str| Err(Error::Model(format!("the {what} of the attacked model is not a number; look for NaN in its layers")));
    if layer::floats(loss, || "the loss of an attack".into())?.iter().any(|loss| loss.is_nan()) {
        return wrong("loss");
    }
    if layer::integers(poisoned, || "the gradients of an attack".into())?.iter().any(|lost| *lost > 0) {
        return wrong("gradient");
    }
    Pixels::new(found)
}

/// The cross-entropy of each image, `[n]`.
fn losses(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    let [n, _] = logits.dims();
    -log_softmax(logits, 1).gather(1, labels.clone().reshape([n, 1])).reshape([n])
}

/// The length of each image, `[n, 1, 1, 1]`.
fn lengths(images: &Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = images.dims();
    images.clone().powf_scalar(2.0).reshape([n, c * h * w]).sum_dim(1).sqrt().reshape([n, 1, 1, 1])
}

/// One start and all steps, and in how many pixels of how many steps the gradient was not a number: `[1]`, which nobody waits for.
fn climb(
    model: &impl Fn(Tensor<4>) -> Tensor<2>,
    clean: &Pixels,
    labels: &Tensor<1, Int>,
    search: &Search,
    restart: u32,
) -> Result<(Tensor<4>, Tensor<1, Int>)> {
    let PgdConfig { norm, eps, step, iterations, random_start, targeted } = search.config;
    let [_, c, h, w] = clean.0.dims();
    let safe = norm.safe_radius(eps, c * h * w);
    let step = if targeted { -step } else { step };
    let project = |x: Tensor<4>| {
        let change = x - clean.tensor();
        let change = match norm {
            Norm::Linf => change.clamp(-safe, safe),
            Norm::L2 => {
                let length = lengths(&change);
                // 1 inside the ball.
                change * (length.clamp_min(safe.max(f32::MIN_POSITIVE)).recip() * safe)
            }
        };
        (clean.tensor() + change).clamp(0.0, 1.0)
    };
    let mut x = if random_start { project(start(clean, search, restart)) } else { clean.tensor() };
    let mut poisoned = Tensor::<1, Int>::zeros([1], &x.device());
    for _ in 0..iterations {
        let asked = x.clone().autodiff().require_grad();
        let loss = losses(model(asked.clone()), &labels.clone().autodiff()).sum();
        // Burn panics where there is no way back at all.
        let gradient = if loss.is_tracked() { asked.grad(&loss.backward()) } else { None };
        let Some(gradient) = gradient else {
            return Err(Error::Model("the loss of the attacked model does not depend on its images: look for `detach` in it".into()));
        };
        poisoned = poisoned + gradient.clone().is_nan().int().sum();
        let moved = match norm {
            Norm::Linf => x + gradient.sign() * step,
            Norm::L2 => (x + gradient.clone() / lengths(&gradient).clamp_min(1e-12) * step).clamp(0.0, 1.0),
        };
        x = project(moved);
    }
    Ok((x, poisoned))
}

/// A random start of each image, with the engine's streams: uniform in the box for `linf`, uniform in 0..=1 for `l2`.
fn start(clean: &Pixels, search: &Search, restart: u32) -> Tensor<4> {
    let dims @ [n, c, h, w] = clean.0.dims();
    let mut values = Vec::with_capacity(n * c * h * w);
    for image in 0..n as u64 {
        let mut stream = Stream::new(search.seed, Purpose::Attack, EVALUATION + u64::from(restart), search.first + image);
        values.extend((0..c * h * w).map(|_| match search.config.norm {
            Norm::Linf => (2.0 * stream.uniform() - 1.0) * search.config.eps,
            Norm::L2 => stream.uniform(),
        }));
    }
    let drawn = Tensor::from_data(TensorData::new(values, dims), &clean.0.device());
    match search.config.norm {
        Norm::Linf => clean.tensor() + drawn,
        Norm::L2 => drawn,
    }
}
