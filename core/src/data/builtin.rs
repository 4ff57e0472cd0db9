//! The built-in set: ten classes of 32x32 colour images (or 28x28 grey ones) made in code, for when no dataset can be had.
//!
//! Every image has a hardness of its own, spread around the difficulty asked for, that drives all its nuisances at once
//! (misleading colour, low contrast, clutter, occlusion, deformation, noise), so hard and easy subsets mean something.
//! Image i depends on (seed, split, i) and the difficulty alone. It is named "builtin" and never stands for CIFAR.

use super::{Dataset, Images, Normalization, Transforms, Validation};
use crate::rng::{Purpose, Stream};

/// Class names by label: the object's shape, which no nuisance changes.
pub const CLASSES: [&str; 10] =
    ["disc", "ring", "square", "frame", "triangle", "cross", "star", "crescent", "striped disc", "checkered square"];
/// Images of the training file.
pub const TRAIN: usize = 10_000;
/// Images of the test file.
pub const TEST: usize = 2_000;
/// Seed of the set that binaries and the page offer.
pub const SEED: u64 = 10;
/// A difficulty at which networks have something to disagree about; scores of these images ship.
pub const HARD: f32 = 0.7;
/// Side of a grey image.
pub const GREY_SIDE: usize = 28;

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const TAU: f32 = std::f32::consts::TAU;
/// A bar, used for clutter and occlusion only.
const BAR: usize = CLASSES.len();
/// Test images come from the same stream family, far from any training index.
const TEST_STREAM: u64 = 1 << 32;

/// The set of this difficulty (0 trivial to 1 hopeless; beyond is clamped) with `train` and `test` images.
pub fn builtin(difficulty: f32, train: usize, test: usize, seed: u64) -> Dataset {
    let (mean, std) = Normalization::BuiltIn.mean_std();
    Dataset {
        name: "builtin".into(),
        classes: CLASSES.map(String::from).to_vec(),
        extent: (3, SIDE, SIDE),
        mean,
        std,
        augmentation: Transforms::default(),
        validation: Validation::LastTenth,
        train: images(difficulty, train, seed, 0),
        test: images(difficulty, test, seed, TEST_STREAM),
    }
}

/// The same images in grey, `[1][28][28]`: what a network for MNIST takes. Named "builtin-grey". Every shape is its own mirror
/// image or is drawn at any angle anyway, so flips stay, which digits would forbid.
pub fn builtin_grey(difficulty: f32, train: usize, test: usize, seed: u64) -> Dataset {
    let (mean, std) = Normalization::BuiltInGrey.mean_std();
    let colour = builtin(difficulty, train, test, seed);
    let (train, test) = (grey(&colour.train), grey(&colour.test));
    Dataset { name: "builtin-grey".into(), extent: (1, GREY_SIDE, GREY_SIDE), mean, std, train, test, ..colour }
}

/// The middle of each image, each pixel its brightest channel (the value of HSV): the contrast of the ink is kept whatever
/// its hue, which a weighted sum would lose for blue.
fn grey(images: &Images) -> Images {
    const EDGE: usize = (SIDE - GREY_SIDE) / 2;
    let mut out = Vec::with_capacity(images.len() * GREY_SIDE * GREY_SIDE);
    for image in images.bytes.chunks_exact(3 * PLANE) {
        for row in EDGE..EDGE + GREY_SIDE {
            let at = row * SIDE + EDGE;
            out.extend((at..at + GREY_SIDE).map(|i| image[i].max(image[PLANE + i]).max(image[2 * PLANE + i])));
        }
    }
    Images { bytes: out.into(), labels: images.labels.clone() }
}

fn images(difficulty: f32, len: usize, seed: u64, first: u64) -> Images {
    let mut out = Images::zeroed(len, 3 * PLANE);
    let mut canvas = Canvas { pixels: [[0.0; 3]; PLANE] };
    for (i, (bytes, label)) in out.bytes.to_mut().chunks_exact_mut(3 * PLANE).zip(&mut out.labels).enumerate() {
        let mut stream = Stream::new(seed, Purpose::BuiltIn, 0, first + i as u64);
        *label = stream.below(CLASSES.len() as u32) as u16;
        let hardness = hardness(difficulty, stream.uniform());
        canvas.paint(usize::from(*label), hardness, &mut stream);
        canvas.develop(hardness, &mut stream, bytes);
    }
    out
}

/// One image's hardness: uniform over an interval around the difficulty, all 0 at 0 and all 1 at 1.
fn hardness(difficulty: f32, draw: f32) -> f32 {
    let d = if difficulty.is_nan() { 0.5 } else { difficulty.clamp(0.0, 1.0) };
    d + (2.0 * draw - 1.0) * d.min(1.0 - d)
}

/// Where and how a shape is drawn.
struct Placement {
    x: f32,
    y: f32,
    /// Pixels of one shape unit.
    scale: f32,
    angle: f32,
    /// Horizontal over vertical stretch.
    stretch: f32,
}

struct Canvas {
    pixels: [[f32; 3]; PLANE],
}

impl Canvas {
    /// Background, clutter, the object, occlusion.
    fn paint(&mut self, label: usize, hardness: f32, stream: &mut Stream) {
        let e = hardness;
        let mut draw = |low: f32, high: f32| low + (high - low) * stream.uniform();
        // A colour gradient across the image.
        let ground = colour(draw(0.0, 1.0), 0.15 + 0.5 * e * draw(0.0, 1.0), 0.25 + e * draw(-0.1, 0.5));
        let (sin, cos) = libm::sincosf(draw(0.0, TAU));
        let slope = e * draw(0.0, 0.02);
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            let (x, y) = ((i % SIDE) as f32 - 15.5, (i / SIDE) as f32 - 15.5);
            let shift = slope * (cos * x + sin * y);
            *pixel = ground.map(|c| c + shift);
        }
        for _ in 0..(6.0 * e * draw(0.5, 1.0)) as usize {
            let kind = draw(0.0, BAR as f32 + 0.999) as usize;
            let place =
                Placement { x: draw(0.0, 32.0), y: draw(0.0, 32.0), scale: draw(2.0, 4.5), angle: draw(0.0, TAU), stretch: draw(0.7, 1.4) };
            let ink = colour(draw(0.0, 1.0), draw(0.2, 1.0), draw(0.2, 1.0));
            self.stamp(kind, &place, ink, 0.3 + 0.5 * e);
        }
        // Easy images have their class's hue, hard ones often another's.
        let own = label as f32 / CLASSES.len() as f32 + draw(-0.04, 0.04);
        let other = draw(0.0, 1.0);
        let hue = if draw(0.0, 1.0) < 0.9 * e { other } else { own };
        let ink = colour(hue, 0.9 - 0.5 * e * draw(0.0, 1.0), 0.95 - 0.3 * e * draw(0.0, 1.0));
        let place = Placement {
            x: 16.0 + 7.0 * e * draw(-1.0, 1.0),
            y: 16.0 + 7.0 * e * draw(-1.0, 1.0),
            scale: 11.5 * (1.0 - 0.45 * e * draw(0.0, 1.0)),
            angle: e * draw(-0.5, 0.5) * TAU,
            stretch: 1.0 + 0.3 * e * draw(-1.0, 1.0),
        };
        self.stamp(label, &place, ink, 1.0 - 0.9 * e * e);
        if draw(0.0, 1.0) < e {
            let (sin, cos) = libm::sincosf(draw(0.0, TAU));
            let away = draw(2.0, 9.0);
            let bar =
                Placement { x: place.x + away * cos, y: place.y + away * sin, scale: 6.0 + 8.0 * e, angle: draw(0.0, TAU), stretch: 1.0 };
            let ink = colour(draw(0.0, 1.0), draw(0.0, 1.0), draw(0.1, 0.9));
            self.stamp(BAR, &bar, ink, 1.0);
        }
    }

    /// Draws a shape, its edge one pixel soft.
    fn stamp(&mut self, kind: usize, place: &Placement, ink: [f32; 3], opacity: f32) {
        let (sin, cos) = libm::sincosf(place.angle);
        // No shape reaches further than 1.5 units.
        let reach = 1.5 * place.scale * place.stretch.max(1.0) + 1.0;
        let span = |centre: f32| ((centre - reach).max(0.0) as usize)..((centre + reach).clamp(0.0, SIDE as f32) as usize);
        for row in span(place.y) {
            for column in span(place.x) {
                let (x, y) = (column as f32 + 0.5 - place.x, row as f32 + 0.5 - place.y);
                let u = (cos * x + sin * y) / (place.scale * place.stretch);
                let v = (cos * y - sin * x) / place.scale;
                let (distance, shade) = shape(kind, u, v);
                let cover = (0.5 - distance * place.scale).clamp(0.0, 1.0) * opacity;
                for (c, i) in self.pixels[row * SIDE + column].iter_mut().zip(ink) {
                    *c += cover * (i * shade - *c);
                }
            }
        }
    }

    /// Adds noise and writes bytes `[c][h][w]`.
    fn develop(&self, hardness: f32, stream: &mut Stream, out: &mut [u8]) {
        let amplitude = 0.02 + 0.2 * hardness;
        let (red, rest) = out.split_at_mut(PLANE);
        let (green, blue) = rest.split_at_mut(PLANE);
        for (i, pixel) in self.pixels.iter().enumerate() {
            let noise = stream.next_u32().to_le_bytes();
            let byte = |c: usize| {
                let value = pixel[c] + amplitude * (f32::from(noise[c]) * (2.0 / 255.0) - 1.0);
                (value * 255.0 + 0.5) as u8
            };
            (red[i], green[i], blue[i]) = (byte(0), byte(1), byte(2));
        }
    }
}

/// Signed distance to a shape's edge (negative inside), in shape units, and the shade of its ink there.
fn shape(kind: usize, u: f32, v: f32) -> (f32, f32) {
    let radius = (u * u + v * v).sqrt();
    let square = u.abs().max(v.abs());
    let triangle = |v: f32| (u.abs() * 0.866_025_4 + v * 0.5).max(-v) - 0.5;
    let rectangle = |a: f32, b: f32| (u.abs() - a).max(v.abs() - b);
    let stripe = |t: f32| ((t * 2.0).floor() as i32) & 1;
    match kind {
        0 => (radius - 0.85, 1.0),
        1 => ((radius - 0.65).abs() - 0.2, 1.0),
        2 => (square - 0.75, 1.0),
        3 => ((square - 0.62).abs() - 0.17, 1.0),
        4 => (triangle(v), 1.0),
        5 => (rectangle(0.9, 0.28).min(rectangle(0.28, 0.9)), 1.0),
        6 => (triangle(v).min(triangle(-v)), 1.0),
        7 => ((radius - 0.85).max(0.7 - ((u - 0.45) * (u - 0.45) + v * v).sqrt()), 1.0),
        8 => (radius - 0.85, if stripe(v) == 0 { 1.0 } else { 0.25 }),
        9 => (square - 0.75, if stripe(u) == stripe(v) { 1.0 } else { 0.25 }),
        _ => (rectangle(1.3, 0.22), 1.0),
    }
}

/// Red, green, blue of a hue (any number, turns), saturation and value.
fn colour(hue: f32, saturation: f32, value: f32) -> [f32; 3] {
    let turn = 6.0 * (hue - hue.floor());
    [0.0f32, 4.0, 2.0].map(|offset| {
        let t = (turn + offset) % 6.0;
        let ramp = ((t - 3.0).abs() - 1.0).clamp(0.0, 1.0);
        value * (1.0 - saturation * (1.0 - ramp))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Accuracy of the nearest class mean in pixel space.
    fn probe(data: &Dataset) -> f64 {
        let size = data.image_bytes();
        let mut means = vec![vec![0f64; size]; CLASSES.len()];
        let mut counts = [0f64; CLASSES.len()];
        for (image, label) in data.train.bytes.chunks_exact(size).zip(&data.train.labels) {
            counts[usize::from(*label)] += 1.0;
            for (sum, byte) in means[usize::from(*label)].iter_mut().zip(image) {
                *sum += f64::from(*byte);
            }
        }
        for (mean, count) in means.iter_mut().zip(counts) {
            mean.iter_mut().for_each(|m| *m /= count);
        }
        let right = data.test.bytes.chunks_exact(size).zip(&data.test.labels).filter(|(image, label)| {
            let distance = |mean: &[f64]| mean.iter().zip(*image).map(|(m, b)| (m - f64::from(*b)).powi(2)).sum::<f64>();
            let nearest = (0..CLASSES.len()).min_by(|a, b| distance(&means[*a]).total_cmp(&distance(&means[*b]))).unwrap();
            nearest == usize::from(**label)
        });
        right.count() as f64 / data.test.len() as f64
    }

    #[test]
    fn difficulty_is_monotone_and_the_default_is_neither_trivial_nor_hopeless() {
        let accuracy = [0.0, 0.25, 0.5, 0.75, 1.0].map(|d| probe(&builtin(d, 2000, 1000, 1)));
        println!("nearest mean at difficulty 0, 1/4, 1/2, 3/4, 1: {accuracy:?}");
        assert!(accuracy.windows(2).all(|w| w[0] > w[1]), "{accuracy:?}");
        assert!(accuracy[0] > 0.95, "{accuracy:?}");
        assert!((0.3..0.8).contains(&accuracy[2]), "{accuracy:?}");
        assert!(accuracy[4] < 0.2, "{accuracy:?}");
    }

    #[test]
    fn grey_images_are_the_same_scenes() {
        let (colour, grey) = (builtin(0.5, 2000, 1000, 1), builtin_grey(0.5, 2000, 1000, 1));
        assert_eq!((grey.name.as_str(), grey.extent, grey.image_bytes()), ("builtin-grey", (1, 28, 28), 784));
        assert_eq!((&grey.train.labels, grey.train.bytes.len()), (&colour.train.labels, 2000 * 784));
        // Pixel (row 3, column 5) of image 7 is the brightest channel of pixel (5, 7) of the colour image.
        let pixel = |c: usize| colour.train.bytes[7 * 3072 + c * PLANE + 5 * SIDE + 7];
        assert_eq!(grey.train.bytes[7 * 784 + 3 * 28 + 5], pixel(0).max(pixel(1)).max(pixel(2)));
        // Without the hue it is harder, and still neither trivial nor hopeless.
        let accuracy = [0.0, 0.5, 1.0].map(|d| probe(&builtin_grey(d, 2000, 1000, 1)));
        println!("nearest mean in grey at difficulty 0, 1/2, 1: {accuracy:?}");
        assert!(accuracy[0] > 0.95 && (0.2..0.8).contains(&accuracy[1]) && accuracy[2] < 0.2, "{accuracy:?}");
    }

    #[test]
    fn grey_normalization_is_that_of_the_default() {
        let data = builtin_grey(0.5, TRAIN, 0, SEED);
        let pixels = || data.train.bytes.iter().map(|b| f64::from(*b) / 255.0);
        let n = data.train.bytes.len() as f64;
        let mean = pixels().sum::<f64>() / n;
        let std = (pixels().map(|p| (p - mean).powi(2)).sum::<f64>() / n).sqrt();
        println!("mean and standard deviation in grey: {mean:.4} {std:.4}");
        let (stated_mean, stated_std) = Normalization::BuiltInGrey.mean_std();
        let near = |found: f64, stated: f32| (found - f64::from(stated)).abs() < 1e-3;
        assert!(near(mean, stated_mean[0]) && near(std, stated_std[0]), "{mean:.4} {std:.4}");
    }

    #[test]
    fn an_image_depends_on_seed_and_index_alone() {
        let (long, short) = (builtin(0.5, 20, 10, 7), builtin(0.5, 5, 3, 7));
        assert_eq!(long.train.bytes[..5 * 3072], *short.train.bytes);
        assert_eq!(long.test.labels[..3], short.test.labels);
        assert_ne!(long.train.bytes[..3072], long.test.bytes[..3072]);
        assert_ne!(builtin(0.5, 5, 0, 8).train, short.train);
        assert_eq!(long.name, "builtin");
        assert!(builtin(f32::NAN, 1, 0, 1).train == builtin(0.5, 1, 0, 1).train);
    }

    #[test]
    fn bytes_are_the_same_on_every_machine() {
        let sum = crate::data::sha256(&builtin(0.5, 100, 0, SEED).train.bytes);
        assert_eq!(sum, "eb992ff106b861f009adcd3db382f5d48af22173ad6db15888c5b3065041b20e");
    }

    #[test]
    fn normalization_constants_are_those_of_the_default() {
        let data = builtin(0.5, TRAIN, 0, SEED);
        let mut found = [(0.0, 0.0); 3];
        for c in 0..3 {
            let pixels = || {
                data.train
                    .bytes
                    .chunks_exact(3072)
                    .flat_map(|image| image[c * PLANE..(c + 1) * PLANE].iter().map(|b| f64::from(*b) / 255.0))
            };
            let n = (TRAIN * PLANE) as f64;
            let mean = pixels().sum::<f64>() / n;
            let std = (pixels().map(|p| (p - mean).powi(2)).sum::<f64>() / n).sqrt();
            found[c] = (mean, std);
        }
        println!("mean and standard deviation by channel: {found:.4?}");
        let (mean, std) = Normalization::BuiltIn.mean_std();
        let near = |found: f64, stated: f32| (found - f64::from(stated)).abs() < 1e-3;
        assert!((0..3).all(|c| near(found[c].0, mean[c]) && near(found[c].1, std[c])));
    }

    #[test]
    fn classes_are_balanced_and_hardness_varies() {
        let data = builtin(0.5, 5000, 0, SEED);
        let mut counts = [0; 10];
        data.train.labels.iter().for_each(|l| counts[usize::from(*l)] += 1);
        assert!(counts.iter().all(|n| (400..600).contains(n)), "{counts:?}");
        assert_eq!((hardness(0.0, 0.9), hardness(1.0, 0.1), hardness(0.5, 0.0), hardness(0.25, 1.0)), (0.0, 1.0, 0.0, 0.5));
    }
}
