//! Colour, resolution and geometry.
//!
//! Grey images have neither hue nor saturation: their brightness is their value, and saturation leaves them as they are.

use super::filters::{Border, bilinear, gaussian};
use super::{Picture, Severity};
use crate::rng::Stream;

pub fn contrast(image: &mut Picture, severity: Severity) {
    let amount = severity.of([0.75, 0.5, 0.4, 0.3, 0.15]);
    for plane in image.planes() {
        let mean = plane.iter().sum::<f32>() / plane.len() as f32;
        plane.iter_mut().for_each(|v| *v = (*v - mean) * amount + mean);
    }
}

pub fn brightness(image: &mut Picture, severity: Severity) {
    let amount = severity.of([0.05, 0.1, 0.15, 0.2, 0.3]);
    if image.c == 3 {
        hsv(image, |[h, s, v]| [h, s, (v + amount).min(1.0)]);
    } else {
        image.data.iter_mut().for_each(|v| *v += amount);
    }
}

pub fn saturate(image: &mut Picture, severity: Severity) {
    let (factor, plus) = severity.of([(0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)]);
    if image.c == 3 {
        hsv(image, |[h, s, v]| [h, (s * factor + plus).clamp(0.0, 1.0), v]);
    }
}

/// Changes every pixel in HSV (hue in sixths of the circle).
fn hsv(image: &mut Picture, change: impl Fn([f32; 3]) -> [f32; 3]) {
    let n = image.h * image.w;
    let (red, rest) = image.data.split_at_mut(n);
    let (green, blue) = rest.split_at_mut(n);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let value = r.max(*g).max(*b);
        let range = value - r.min(*g).min(*b);
        let hue = if range == 0.0 {
            0.0
        } else if *r == value {
            (*g - *b) / range
        } else if *g == value {
            2.0 + (*b - *r) / range
        } else {
            4.0 + (*r - *g) / range
        };
        let saturation = if value == 0.0 { 0.0 } else { range / value };
        let [hue, saturation, value] = change([if hue < 0.0 { hue + 6.0 } else { hue }, saturation, value]);
        // How much of the hue's complement is left, by the channel's distance from the hue.
        let channel = |shift: f32| {
            let k = hue + shift;
            let k = if k >= 6.0 { k - 6.0 } else { k };
            value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
        };
        (*r, *g, *b) = (channel(5.0), channel(3.0), channel(1.0));
    }
}

pub fn pixelate(image: &mut Picture, severity: Severity) {
    let factor = severity.of([0.95, 0.9, 0.85, 0.75, 0.65]);
    let (h, w) = (image.h, image.w);
    let small = |n: usize| ((n as f64 * factor) as usize).max(1);
    for plane in image.planes() {
        let narrow = box_resize(plane, (h, w), (small(h), small(w)));
        plane.copy_from_slice(&box_resize(&narrow, (small(h), small(w)), (h, w)));
    }
}

/// Pixels of `n` that one of `m` averages, as Pillow's box filter counts them: those whose centre lies within.
fn box_spans(n: usize, m: usize) -> Vec<(usize, usize)> {
    let scale = n as f64 / m as f64;
    let support = 0.5 * scale.max(1.0);
    let span = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        let from = ((centre - support + 0.5).max(0.0) as usize).min(n - 1);
        (from, ((centre + support + 0.5) as usize).clamp(from + 1, n))
    };
    (0..m).map(span).collect()
}

/// Columns, then rows; whole numbers of 255 after each, as Pillow keeps bytes.
fn box_resize(plane: &[f32], (h, w): (usize, usize), (to_h, to_w): (usize, usize)) -> Vec<f32> {
    let (rows, columns) = (box_spans(h, to_h), box_spans(w, to_w));
    let byte = |sum: f32, count: usize| libm::floorf(sum / count as f32 * 255.0 + 0.5) / 255.0;
    let narrow = plane.chunks_exact(w).flat_map(|row| columns.iter().map(|(a, b)| byte(row[*a..*b].iter().sum(), b - a)));
    let narrow: Vec<f32> = narrow.collect();
    let pixel = |(top, bottom): (usize, usize), x: usize| byte((top..bottom).map(|y| narrow[y * to_w + x]).sum(), bottom - top);
    rows.iter().flat_map(|row| (0..to_w).map(|x| pixel(*row, x))).collect()
}

pub fn elastic(image: &mut Picture, severity: Severity, stream: &mut Stream) {
    let (h, w, side) = (image.h, image.w, image.h.min(image.w) as f32);
    let (displacement, sigma, affine) =
        severity.of([(0.0, 0.0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)]);
    let (displacement, sigma, affine) = (displacement * side, sigma * side, affine * side);
    // Three points of a square and where they go.
    let (middle, third) = ((side as usize / 2) as f32, (side as usize / 3) as f32);
    let (low, high) = (middle - third, middle + third);
    let from = [[high, high], [high, low], [low, low]];
    let to = from.map(|point| point.map(|v| v + (2.0 * stream.uniform() - 1.0) * affine));
    let back = affine_from(to, from);
    let field = |stream: &mut Stream| {
        let mut field: Vec<f32> = (0..h * w).map(|_| 2.0 * stream.uniform() - 1.0).collect();
        gaussian(&mut field, w, sigma, 3.0, Border::Symmetric);
        field.iter_mut().for_each(|v| *v *= displacement);
        field
    };
    let fields = (displacement > 0.0).then(|| (field(stream), field(stream)));
    for plane in image.planes() {
        if let Some([[xx, xy, x0], [yx, yy, y0]]) = back {
            let before = plane.to_vec();
            for (i, value) in plane.iter_mut().enumerate() {
                let (y, x) = ((i / w) as f32, (i % w) as f32);
                *value = bilinear(&before, w, yx * x + yy * y + y0, xx * x + xy * y + x0, Border::Mirror);
            }
        }
        if let Some((dx, dy)) = &fields {
            let before = plane.to_vec();
            for (i, value) in plane.iter_mut().enumerate() {
                *value = bilinear(&before, w, (i / w) as f32 + dy[i], (i % w) as f32 + dx[i], Border::Symmetric);
            }
        }
    }
}

/// The affine map that takes three points (x, y) to three others; `None` where they lie on a line.
fn affine_from(from: [[f32; 2]; 3], to: [[f32; 2]; 3]) -> Option<[[f32; 3]; 2]> {
    let [[x0, y0], [x1, y1], [x2, y2]] = from;
    let det = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0);
    let row = |axis: usize| {
        let (d1, d2) = (to[1][axis] - to[0][axis], to[2][axis] - to[0][axis]);
        let a = (d1 * (y2 - y0) - d2 * (y1 - y0)) / det;
        let b = (d2 * (x1 - x0) - d1 * (x2 - x0)) / det;
        [a, b, to[0][axis] - a * x0 - b * y0]
    };
    (det.abs() > 1e-6).then(|| [row(0), row(1)])
}
