//! What several corruptions are made of: borders, separable and small filters, zooms, bilinear samples.
//!
//! Planes are `[h][w]`. Sums run tap by tap over whole rows, so that they vectorise and their order is fixed.

/// What lies beyond the edge of a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// The edge pixel again: aaa|abc.
    Nearest,
    /// Mirrored about the edge pixel: cb|abc (OpenCV's reflect-101).
    Mirror,
    /// Mirrored about the edge: ba|abc (SciPy's reflect).
    Symmetric,
}

impl Border {
    /// The pixel of `0..n` that stands at `i`.
    pub fn index(self, i: isize, n: usize) -> usize {
        let n = n as isize;
        let at = match self {
            Self::Nearest => i.clamp(0, n - 1),
            Self::Mirror => {
                let period = (2 * (n - 1)).max(1);
                let i = i.rem_euclid(period);
                i.min(period - i)
            }
            Self::Symmetric => {
                let i = i.rem_euclid(2 * n);
                i.min(2 * n - 1 - i)
            }
        };
        at as usize
    }
}

/// Taps of a normal filter over -radius..=radius; their sum is 1.
pub fn gaussian_taps(sigma: f32, radius: usize) -> Vec<f32> {
    let (sigma, r) = (f64::from(sigma.max(1e-6)), radius as isize);
    let taps: Vec<f64> = (-r..=r).map(|i| libm::exp(-((i * i) as f64) / (2.0 * sigma * sigma))).collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|t| (t / sum) as f32).collect()
}

/// Normal blur of a plane, cut at `truncate` standard deviations.
pub fn gaussian(plane: &mut [f32], w: usize, sigma: f32, truncate: f32, border: Border) {
    separable(plane, w, &gaussian_taps(sigma, (truncate * sigma + 0.5) as usize), border);
}

/// The same odd number of taps along rows and columns.
pub fn separable(plane: &mut [f32], w: usize, taps: &[f32], border: Border) {
    let (h, r) = (plane.len() / w, taps.len() / 2);
    if r == 0 {
        return;
    }
    let mut padded = vec![0.0; w + 2 * r];
    for row in plane.chunks_exact_mut(w) {
        for (i, value) in padded.iter_mut().enumerate() {
            *value = row[border.index(i as isize - r as isize, w)];
        }
        row.fill(0.0);
        for (k, tap) in taps.iter().enumerate() {
            row.iter_mut().zip(&padded[k..]).for_each(|(y, x)| *y += tap * x);
        }
    }
    let before = plane.to_vec();
    for (y, row) in plane.chunks_exact_mut(w).enumerate() {
        row.fill(0.0);
        for (k, tap) in taps.iter().enumerate() {
            let from = w * border.index((y + k) as isize - r as isize, h);
            row.iter_mut().zip(&before[from..from + w]).for_each(|(y, x)| *y += tap * x);
        }
    }
}

/// Adds `tap` times the plane shifted: pixel (y, x) takes the one at (y + dy, x + dx).
pub fn add_shifted(sum: &mut [f32], plane: &[f32], w: usize, (dy, dx): (isize, isize), tap: f32, border: Border) {
    let h = plane.len() / w;
    for (y, row) in sum.chunks_exact_mut(w).enumerate() {
        let from = &plane[w * border.index(y as isize + dy, h)..][..w];
        // Inside, whole runs; beyond the edge, pixel by pixel.
        let inside = (-dx).clamp(0, w as isize) as usize..(w as isize - dx).clamp(0, w as isize) as usize;
        for x in (0..w).filter(|x| !inside.contains(x)) {
            row[x] += tap * from[border.index(x as isize + dx, w)];
        }
        if !inside.is_empty() {
            let source = &from[(inside.start as isize + dx) as usize..];
            row[inside].iter_mut().zip(source).for_each(|(y, x)| *y += tap * x);
        }
    }
}

/// A square filter of odd side.
pub fn filter(plane: &mut [f32], w: usize, taps: &[f32], side: usize, border: Border) {
    let before = plane.to_vec();
    plane.fill(0.0);
    let r = (side / 2) as isize;
    for (i, tap) in taps.iter().enumerate().filter(|(_, tap)| **tap != 0.0) {
        let offset = ((i / side) as isize - r, (i % side) as isize - r);
        add_shifted(plane, &before, w, offset, *tap, border);
    }
}

/// The value between four pixels.
pub fn bilinear(plane: &[f32], w: usize, y: f32, x: f32, border: Border) -> f32 {
    let h = plane.len() / w;
    let (top, left) = (libm::floorf(y), libm::floorf(x));
    let (fy, fx) = (y - top, x - left);
    let at = |dy: isize, dx: isize| plane[w * border.index(top as isize + dy, h) + border.index(left as isize + dx, w)];
    let upper = at(0, 0) * (1.0 - fx) + at(0, 1) * fx;
    let lower = at(1, 0) * (1.0 - fx) + at(1, 1) * fx;
    upper * (1.0 - fy) + lower * fy
}

/// Where the pixels of one side come from when its middle is enlarged by `factor`: left pixel, and how far on to the next.
fn zoom_positions(n: usize, factor: f64) -> Vec<(usize, f32)> {
    let crop = (libm::ceil(n as f64 / factor) as usize).clamp(1, n);
    let large = (libm::rint(crop as f64 * factor) as usize).max(n);
    let (start, trim) = ((n - crop) / 2, (large - n) / 2);
    let step = (crop - 1) as f64 / (large.max(2) - 1) as f64;
    let position = |i: usize| {
        let at = (i + trim) as f64 * step;
        let left = (at as usize).min(crop.saturating_sub(2));
        (start + left, (at - left as f64) as f32)
    };
    (0..n).map(position).collect()
}

/// The middle of a plane, enlarged by `factor` (at least 1) to the plane's size; bilinear, edge pixels on edge pixels.
pub fn zoom(plane: &[f32], w: usize, factor: f64) -> Vec<f32> {
    let h = plane.len() / w;
    let (rows, columns) = (zoom_positions(h, factor), zoom_positions(w, factor));
    let mut out = Vec::with_capacity(plane.len());
    let mut row = vec![0.0f32; w];
    for (y, fy) in rows {
        let (upper, lower) = (&plane[y * w..][..w], &plane[(y + 1).min(h - 1) * w..][..w]);
        for ((value, a), b) in row.iter_mut().zip(upper).zip(lower) {
            *value = a + (b - a) * fy;
        }
        out.extend(columns.iter().map(|(x, fx)| row[*x] + (row[(x + 1).min(w - 1)] - row[*x]) * fx));
    }
    out
}

/// One-sided normal motion blur along an angle in degrees, as ImageMagick's with a radius; edge pixels are repeated.
pub fn motion(plane: &mut [f32], w: usize, radius: f32, sigma: f32, angle: f32) {
    let width = 2 * libm::ceilf(radius) as usize + 1;
    let taps: Vec<f32> = (0..width).map(|i| libm::expf(-((i * i) as f32) / (2.0 * sigma * sigma))).collect();
    let sum: f32 = taps.iter().sum();
    let (sin, cos) = libm::sincosf(angle.to_radians());
    let before = plane.to_vec();
    plane.fill(0.0);
    for (i, tap) in taps.iter().enumerate() {
        let offset = |along: f32| libm::ceilf(i as f32 * along - 0.5) as isize;
        add_shifted(plane, &before, w, (offset(sin), offset(cos)), tap / sum, Border::Nearest);
    }
}
