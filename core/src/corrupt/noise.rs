//! Noise: what a sensor adds. Constants as CIFAR-C's; every value of every channel draws its own.

use super::{Picture, Severity};
use crate::rng::Stream;

/// Standard normals, two at a time (Box-Muller in float32): each call of the 30 million that a test set takes counts.
pub struct Normals<'a> {
    stream: &'a mut Stream,
    second: Option<f32>,
}

impl<'a> Normals<'a> {
    pub fn new(stream: &'a mut Stream) -> Self {
        Self { stream, second: None }
    }
    pub fn next(&mut self) -> f32 {
        if let Some(second) = self.second.take() {
            return second;
        }
        let radius = libm::sqrtf(-2.0 * libm::logf(1.0 - self.stream.uniform()));
        let (sin, cos) = libm::sincosf(std::f32::consts::TAU * self.stream.uniform());
        self.second = Some(radius * sin);
        radius * cos
    }
}

pub fn gaussian(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let sigma = severity.of([0.04, 0.06, 0.08, 0.09, 0.10]);
    let mut normals = Normals::new(stream);
    image.data.iter_mut().for_each(|v| *v += sigma * normals.next());
}

pub fn speckle(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let sigma = severity.of([0.06, 0.1, 0.12, 0.16, 0.2]);
    let mut normals = Normals::new(stream);
    image.data.iter_mut().for_each(|v| *v += *v * sigma * normals.next());
}

pub fn shot(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let photons: f32 = severity.of([500.0, 250.0, 100.0, 75.0, 50.0]);
    image.data.iter_mut().for_each(|v| *v = poisson(*v * photons, stream) as f32 / photons);
}

pub fn impulse(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let amount = severity.of([0.01, 0.02, 0.03, 0.05, 0.07]);
    for v in &mut image.data {
        let u = stream.uniform();
        if u < amount {
            *v = f32::from(u < 0.5 * amount);
        }
    }
}

/// A Poisson number: products of uniforms where few are expected, else transformed rejection (Hormann 1993, PTRS).
pub fn poisson(mean: f32, stream: &mut Stream) -> u32 {
    if mean < 10.0 {
        let (least, mut product, mut count) = (libm::expf(-mean.max(0.0)), stream.uniform(), 0);
        while product > least {
            product *= stream.uniform();
            count += 1;
        }
        return count;
    }
    let b = 0.931 + 2.53 * libm::sqrtf(mean);
    let a = -0.059 + 0.024_83 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let v_r = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = stream.uniform() - 0.5;
        let v = stream.uniform();
        let us = 0.5 - u.abs();
        let k = libm::floorf((2.0 * a / us + b) * u + mean + 0.43);
        if us >= 0.07 && v <= v_r {
            return k as u32;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let (k64, mean64) = (f64::from(k), f64::from(mean));
        let bound = k64 * libm::log(mean64) - mean64 - libm::lgamma(k64 + 1.0);
        if libm::log(f64::from(v * inverse_alpha / (a / (us * us) + b))) <= bound {
            return k as u32;
        }
    }
}
