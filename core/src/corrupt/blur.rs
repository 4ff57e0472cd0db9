//! Blurs. Lengths are CIFAR-C's for a side of 32 and grow with the side.

use super::filters::{self, Border, gaussian_taps};
use super::{Picture, Severity};
use crate::rng::Stream;

/// Where scikit-image's normal filter ends, standard deviations.
const TRUNCATE: f32 = 4.0;

pub fn gaussian(image: &mut Picture, severity: Severity) {
    normal(image, severity.of([0.4, 0.6, 0.7, 0.8, 1.0]) * image.scale());
}

fn normal(image: &mut Picture, sigma: f32) {
    let w = image.w;
    image.planes().for_each(|plane| filters::gaussian(plane, w, sigma, TRUNCATE, Border::Nearest));
}

pub fn defocus(image: &mut Picture, severity: Severity) {
    let (radius, alias) = severity.of([(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)]);
    let (taps, side) = disk(radius * image.scale(), alias * image.scale(), libm::ceilf(image.scale()) as usize);
    let w = image.w;
    image.planes().for_each(|plane| filters::filter(plane, w, &taps, side, Border::Mirror));
}

/// A disk with softened edges (a normal filter of `soft` taps either way), as a square filter, and its side.
fn disk(radius: f32, alias: f32, soft: usize) -> (Vec<f32>, usize) {
    // One more, so that nothing reaches the mirror at the edge.
    let reach = (radius as usize + soft + 1) as isize;
    let side = 2 * reach as usize + 1;
    let pixels = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| (y * y + x * x) as f32));
    let mut taps: Vec<f32> = pixels.map(|square| f32::from(square <= radius * radius)).collect();
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|t| *t /= sum);
    filters::separable(&mut taps, side, &gaussian_taps(alias, soft), Border::Mirror);
    (taps, side)
}

pub fn glass(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let (sigma, iterations) = severity.of([(0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2)]);
    let sigma = sigma * image.scale();
    let (h, w) = (image.h, image.w);
    // One pixel at 32.
    let delta = libm::roundf(image.scale()).max(1.0) as usize;
    normal(image, sigma);
    for _ in 0..iterations {
        for y in (delta + 1..(h + 1).saturating_sub(delta)).rev() {
            for x in (delta + 1..(w + 1).saturating_sub(delta)).rev() {
                // Uniform in -delta..delta, as the original draws it.
                let mut other = |at: usize| at + stream.below(2 * delta as u32) as usize - delta;
                let (from, to) = (y * w + x, other(y) * w + other(x));
                image.planes().for_each(|plane| plane.swap(from, to));
            }
        }
    }
    normal(image, sigma);
}

pub fn motion(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let (radius, sigma) = severity.of([(6.0, 1.0), (6.0, 1.5), (6.0, 2.0), (8.0, 2.0), (9.0, 2.5)]);
    let (w, scale) = (image.w, image.scale());
    let angle = (stream.uniform() - 0.5) * 90.0;
    image.planes().for_each(|plane| filters::motion(plane, w, radius * scale, sigma * scale, angle));
}

pub fn zoom(image: &mut Picture, severity: Severity) {
    let count = severity.of([7, 12, 16, 21, 26]);
    let w = image.w;
    // As numpy's arange counts: 1.25 lies a last bit above itself, and rounds up.
    let step = 1.01f64 - 1.0;
    for plane in image.planes() {
        let mut sum = plane.to_vec();
        for i in 0..count {
            let zoomed = filters::zoom(plane, w, 1.0 + step * f64::from(i));
            sum.iter_mut().zip(zoomed).for_each(|(sum, value)| *sum += value);
        }
        plane.iter_mut().zip(sum).for_each(|(v, sum)| *v = sum / (count + 1) as f32);
    }
}
