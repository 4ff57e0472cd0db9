//! Weather and what it leaves on the lens.
//!
//! The published frost comes from photographs; ours is grown by a procedure. The published water drops use Canny's edge
//! detector; ours take the rim of each drop, which is where it finds its edges.

use super::filters::{self, Border};
use super::noise::Normals;
use super::{Picture, Severity};
use crate::rng::Stream;

pub fn fog(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let (weight, decay) = severity.of([(0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)]);
    let (h, w) = (image.h, image.w);
    let (cloud, side) = plasma(h.max(w), decay, stream);
    let most = image.data.iter().fold(0.0f32, |a, b| a.max(*b));
    let factor = most / (most + weight);
    for plane in image.planes() {
        for (i, v) in plane.iter_mut().enumerate() {
            *v = (*v + weight * cloud[i / w * side + i % w]) * factor;
        }
    }
}

/// A diamond-square cloud in 0..=1 on a torus of at least this side (a power of two), and its side. The wobble of a level is
/// uniform with the square of what `decay` divides from level to level, as in the original.
fn plasma(least: usize, decay: f32, stream: &mut Stream) -> (Vec<f32>, usize) {
    let side = least.next_power_of_two().max(2);
    let mut map = vec![0.0f32; side * side];
    let (mut step, mut wobble) = (side, 1.0f32);
    while step >= 2 {
        let half = step / 2;
        let mut place = |map: &mut [f32], y: usize, x: usize, from: [(usize, usize); 4]| {
            let sum: f32 = from.iter().map(|(y, x)| map[y % side * side + x % side]).sum();
            map[y * side + x] = 0.25 * sum + wobble * wobble * (2.0 * stream.uniform() - 1.0);
        };
        for y in (half..side).step_by(step) {
            for x in (half..side).step_by(step) {
                let (up, down, left, right) = (y - half, y + half, x - half, x + half);
                place(&mut map, y, x, [(up, left), (up, right), (down, left), (down, right)]);
            }
        }
        for y in (0..side).step_by(half) {
            let first = if (y / half).is_multiple_of(2) { half } else { 0 };
            for x in (first..side).step_by(step) {
                place(&mut map, y, x, [(y + side - half, x), (y + half, x), (y, x + side - half), (y, x + half)]);
            }
        }
        step = half;
        wobble /= decay;
    }
    let (low, high) = map.iter().fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let range = (high - low).max(1e-12);
    map.iter_mut().for_each(|v| *v = (*v - low) / range);
    (map, side)
}

pub fn frost(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let (of_image, of_frost) = severity.of([(1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)]);
    let ice = crystals(image.h, image.w, stream);
    // Ice is a little blue.
    let tints: &[f32] = if image.c == 3 { &[0.82, 0.93, 1.0] } else { &[0.92] };
    for (plane, tint) in image.planes().zip(tints.iter().cycle()) {
        plane.iter_mut().zip(&ice).for_each(|(v, ice)| *v = of_image * *v + of_frost * tint * ice);
    }
}

/// Feathers of ice over a cloudy film, 0..=1: stems that start anywhere, with branches at 60 degrees.
fn crystals(h: usize, w: usize, stream: &mut Stream) -> Vec<f32> {
    let (film, side) = plasma(h.max(w), 2.0, stream);
    let mut ice: Vec<f32> = (0..h * w).map(|i| 0.2 + 0.6 * film[i / w * side + i % w]).collect();
    let reach = h.max(w) as f32;
    let unit = reach / 32.0;
    for _ in 0..9 {
        let start = (stream.uniform() * h as f32, stream.uniform() * w as f32);
        let angle = stream.uniform() * std::f32::consts::TAU;
        let length = (0.35 + 0.5 * stream.uniform()) * reach;
        let light = 0.35 + 0.35 * stream.uniform();
        needle(&mut ice, (h, w), start, angle, length, light);
        let mut along = 2.0 * unit;
        while along < length {
            let (sin, cos) = libm::sincosf(angle);
            let from = (start.0 + along * sin, start.1 + along * cos);
            let branch = (0.15 + 0.2 * stream.uniform()) * (length - along);
            for turn in [-1.0, 1.0] {
                needle(&mut ice, (h, w), from, angle + turn * std::f32::consts::FRAC_PI_3, branch, 0.7 * light);
            }
            along += (1.5 + 1.5 * stream.uniform()) * unit;
        }
    }
    ice.iter_mut().for_each(|v| *v = v.min(1.0));
    ice
}

/// Adds a line that fades towards its end, spread over the four pixels around each of its points.
fn needle(ice: &mut [f32], (h, w): (usize, usize), (y, x): (f32, f32), angle: f32, length: f32, light: f32) {
    let (sin, cos) = libm::sincosf(angle);
    let points = (2.0 * length) as usize;
    for i in 0..points {
        let (y, x) = (y + 0.5 * i as f32 * sin, x + 0.5 * i as f32 * cos);
        let light = 0.5 * light * (1.0 - 0.7 * i as f32 / points as f32);
        let (top, left) = (libm::floorf(y), libm::floorf(x));
        for (dy, dx) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
            let (row, column) = (top + dy, left + dx);
            if row >= 0.0 && column >= 0.0 && row < h as f32 && column < w as f32 {
                let share = (1.0 - (y - row).abs()) * (1.0 - (x - column).abs());
                ice[row as usize * w + column as usize] += light * share;
            }
        }
    }
}

/// One normal number a pixel.
fn normal_layer(n: usize, mean: f32, sigma: f32, stream: &mut Stream) -> Vec<f32> {
    let mut normals = Normals::new(stream);
    (0..n).map(|_| mean + sigma * normals.next()).collect()
}

pub fn snow(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let (mean, sigma, zoom, threshold, radius, blur, mix) = severity.of([
        (0.1, 0.2, 1.0, 0.6, 8.0, 3.0, 0.95),
        (0.1, 0.2, 1.0, 0.5, 10.0, 4.0, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10.0, 4.0, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12.0, 6.0, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14.0, 12.0, 0.8),
    ]);
    let (h, w, n, scale) = (image.h, image.w, image.h * image.w, image.scale());
    let flakes = normal_layer(n, mean, sigma, stream);
    let mut flakes = filters::zoom(&flakes, w, f64::from(zoom * scale).max(1.0));
    flakes.iter_mut().for_each(|v| *v = if *v < threshold { 0.0 } else { v.min(1.0) });
    let angle = -135.0 + 90.0 * stream.uniform();
    filters::motion(&mut flakes, w, radius * scale, blur * scale, angle);
    let grey = grey(image);
    for plane in image.planes() {
        for (i, v) in plane.iter_mut().enumerate() {
            let pale = v.max(grey[i] * 1.5 + 0.5);
            *v = mix * *v + (1.0 - mix) * pale + flakes[i] + flakes[h * w - 1 - i];
        }
    }
}

/// Luma of a colour image (BT.601), the mean of any other.
fn grey(image: &Picture) -> Vec<f32> {
    let n = image.h * image.w;
    let weight = |c: usize| if image.c == 3 { [0.299, 0.587, 0.114][c] } else { 1.0 / image.c as f32 };
    (0..n).map(|i| (0..image.c).map(|c| weight(c) * image.data[c * n + i]).sum()).collect()
}

pub fn spatter(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let (mean, sigma, blur, threshold, mix, mud) = severity.of([
        (0.62, 0.1, 0.7, 0.7, 0.5, false),
        (0.65, 0.1, 0.8, 0.7, 0.5, false),
        (0.65, 0.3, 1.0, 0.69, 0.5, false),
        (0.65, 0.1, 0.7, 0.69, 0.6, true),
        (0.65, 0.1, 0.5, 0.68, 0.6, true),
    ]);
    let (w, n, scale) = (image.w, image.h * image.w, image.scale());
    // Smoothing over more pixels leaves less of the variance.
    let mut liquid = normal_layer(n, mean, sigma * scale, stream);
    filters::gaussian(&mut liquid, w, blur * scale, 4.0, Border::Nearest);
    liquid.iter_mut().for_each(|v| *v = if *v < threshold { 0.0 } else { *v });
    let colour: [f32; 3] = if mud { [63.0, 42.0, 20.0] } else { [175.0, 238.0, 238.0] };
    let colour = colour.map(|v| v / 255.0);
    let grey = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
    let colours: &[f32] = if image.c == 3 { &colour } else { &[grey] };
    if mud {
        let mut cover: Vec<f32> = liquid.iter().map(|v| f32::from(*v > threshold)).collect();
        filters::gaussian(&mut cover, w, mix * scale, 4.0, Border::Nearest);
        cover.iter_mut().for_each(|v| *v = if *v < 0.8 { 0.0 } else { *v });
        for (plane, colour) in image.planes().zip(colours.iter().cycle()) {
            plane.iter_mut().zip(&cover).for_each(|(v, m)| *v = *v * (1.0 - m) + colour * m);
        }
    } else {
        let shine = relief(&liquid, w);
        let mut water: Vec<f32> = liquid.iter().zip(&shine).map(|(l, s)| l * s).collect();
        let most = water.iter().fold(0.0f32, |a, b| a.max(*b));
        water.iter_mut().for_each(|v| *v *= if most > 0.0 { mix / most } else { 0.0 });
        for (plane, colour) in image.planes().zip(colours.iter().cycle()) {
            plane.iter_mut().zip(&water).for_each(|(v, m)| *v += colour * m);
        }
    }
}

/// How light falls on drops: distance from their rims, its histogram flattened, embossed along the diagonal, smoothed. 0..=255.
fn relief(liquid: &[f32], w: usize) -> Vec<f32> {
    let h = liquid.len() / w;
    let wet = |y: isize, x: isize| liquid[Border::Nearest.index(y, h) * w + Border::Nearest.index(x, w)] > 0.0;
    let rim = |i: usize| {
        let (y, x) = ((i / w) as isize, (i % w) as isize);
        wet(y, x) && !(wet(y - 1, x) && wet(y + 1, x) && wet(y, x - 1) && wet(y, x + 1))
    };
    let mut distance: Vec<f32> = (0..h * w).map(|i| if rim(i) { 0.0 } else { 20.0 }).collect();
    // Two passes of a chamfer with steps 1 and 1.4.
    for sign in [-1, 1] {
        for i in 0..h * w {
            let i = if sign < 0 { i } else { h * w - 1 - i };
            let (y, x) = ((i / w) as isize, (i % w) as isize);
            for (dy, dx, cost) in [(0, sign, 1.0), (sign, 0, 1.0), (sign, -1, 1.4), (sign, 1, 1.4)] {
                let (ny, nx) = (y + dy, x + dx);
                if (0..h as isize).contains(&ny) && (0..w as isize).contains(&nx) {
                    distance[i] = distance[i].min(distance[ny as usize * w + nx as usize] + cost);
                }
            }
        }
    }
    let average = |plane: &mut Vec<f32>| {
        filters::separable(plane, w, &[1.0 / 3.0; 3], Border::Mirror);
    };
    average(&mut distance);
    // Histogram equalisation over whole numbers.
    let mut histogram = [0usize; 256];
    distance.iter().for_each(|v| histogram[*v as usize] += 1);
    let least = histogram.iter().copied().find(|n| *n > 0).unwrap_or(0);
    let spread = (liquid.len() - least).max(1) as f32;
    let mut below = 0;
    let levels = histogram.map(|n| {
        below += n;
        libm::rintf(below.saturating_sub(least) as f32 / spread * 255.0)
    });
    distance.iter_mut().for_each(|v| *v = levels[*v as usize]);
    filters::filter(&mut distance, w, &[-2.0, -1.0, 0.0, -1.0, 0.0, 1.0, 0.0, 1.0, 2.0], 3, Border::Mirror);
    distance.iter_mut().for_each(|v| *v = v.clamp(0.0, 255.0));
    average(&mut distance);
    distance
}
