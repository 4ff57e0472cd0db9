//! Noise: what a sensor adds. Constants as CIFAR-C's; every value of every channel draws its own.

use std::sync::OnceLock;

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

/// Photons of a white pixel under the mildest shot noise.
const MOST_PHOTONS: usize = 500;
/// Parts of a photon that have a table of their own.
const PARTS: usize = 64;

/// The Poisson distribution of one mean, to be inverted.
struct Poisson {
    /// The smallest number that has a chance.
    first: u32,
    /// The chance of each number from there on, or a smaller one, in units of 2^-32 and less one.
    below: Vec<u32>,
    /// Where in it to begin to look, by the first eight bits of a draw.
    guide: [u16; 256],
}

impl Poisson {
    fn new(mean: f64) -> Self {
        let spread = libm::sqrt(mean);
        let first = (mean - 7.0 * spread) as u32;
        // Each number's weight follows from the one before; their sum makes them chances.
        let (mut weight, mut sum) = (1.0, 1.0);
        let mut sums = vec![sum];
        for k in first..(mean + 8.0 * spread) as u32 + 10 {
            weight *= mean / f64::from(k + 1);
            sum += weight;
            sums.push(sum);
        }
        let below: Vec<u32> = sums.iter().map(|s| (s / sum * 4_294_967_296.0 - 1.0) as u32).collect();
        let guide = std::array::from_fn(|bits| below.partition_point(|b| *b < (bits as u32) << 24) as u16);
        Self { first, below, guide }
    }
    fn draw(&self, stream: &mut Stream) -> u32 {
        let u = stream.next_u32();
        let mut at = usize::from(self.guide[(u >> 24) as usize]);
        while self.below.get(at).is_some_and(|below| *below < u) {
            at += 1;
        }
        self.first + at as u32
    }
}

/// A Poisson number of a mean up to [`MOST_PHOTONS`]. Sums of such numbers are Poisson numbers too: those of the mean's whole part and of
/// its 64ths come by inversion, that of the little that is left by products of uniforms.
pub fn poisson(mean: f32, stream: &mut Stream) -> u32 {
    static TABLES: OnceLock<[Vec<Poisson>; 2]> = OnceLock::new();
    let table = |tables: usize, unit: f64| (0..tables).map(|i| Poisson::new(i as f64 * unit)).collect();
    let [wholes, parts] = TABLES.get_or_init(|| [table(MOST_PHOTONS + 1, 1.0), table(PARTS, 1.0 / PARTS as f64)]);
    let units = (mean * PARTS as f32).clamp(0.0, (MOST_PHOTONS * PARTS) as f32);
    let whole = units as usize;
    let mut count = wholes[whole / PARTS].draw(stream) + parts[whole % PARTS].draw(stream);
    let rest = (units - whole as f32) / PARTS as f32;
    let (least, mut product) = (1.0 - rest * (1.0 - rest * (0.5 - rest / 6.0)), stream.uniform());
    while product > least {
        product *= stream.uniform();
        count += 1;
    }
    count
}
