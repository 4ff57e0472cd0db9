//! What JPEG loses: YCbCr with colour at half resolution, 8x8 cosine transforms, quantisation as libjpeg scales its tables.
//!
//! Only the lossy part; what an entropy coder does is undone exactly by its decoder. Source: ITU-T T.81, JFIF.

use super::Picture;

const LUMA: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62, 18, 22,
    37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
const CHROMA: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// A plane of values 0..=255 with the edge repeated up to whole blocks.
struct Plane {
    h: usize,
    w: usize,
    data: Vec<f32>,
}

impl Plane {
    /// `value(y, x)` within `h` by `w`, padded to multiples of `unit`.
    fn new((h, w): (usize, usize), unit: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let (ph, pw) = (h.next_multiple_of(unit), w.next_multiple_of(unit));
        let at = |i: usize| value((i / pw).min(h - 1), (i % pw).min(w - 1));
        Self { h: ph, w: pw, data: (0..ph * pw).map(at).collect() }
    }
    /// Means of 2x2 pixels.
    fn halved(&self) -> Self {
        let mean = |y: usize, x: usize| {
            let at = 2 * y * self.w + 2 * x;
            libm::rintf((self.data[at] + self.data[at + 1] + self.data[at + self.w] + self.data[at + self.w + 1]) * 0.25)
        };
        Self::new((self.h / 2, self.w / 2), 8, mean)
    }
    /// Back to full resolution: three quarters of the nearer and a quarter of the further pixel, each way (libjpeg's "fancy").
    fn doubled(&self, y: usize, x: usize) -> f32 {
        let near = |i: usize, n: usize| (i / 2, if i.is_multiple_of(2) { (i / 2).saturating_sub(1) } else { (i / 2 + 1).min(n - 1) });
        let ((y0, y1), (x0, x1)) = (near(y, self.h), near(x, self.w));
        let at = |y: usize, x: usize| self.data[y * self.w + x];
        (9.0 * at(y0, x0) + 3.0 * (at(y0, x1) + at(y1, x0)) + at(y1, x1)) / 16.0
    }
    /// Every block through the transform, quantised, and back.
    fn lose(&mut self, table: &[u8; 64], quality: u32, basis: &[f32; 64]) {
        let percent = if quality < 50 { 5000 / quality.max(1) } else { 200 - 2 * quality };
        let steps = table.map(|t| ((u32::from(t) * percent + 50) / 100).clamp(1, 255) as f32);
        for top in (0..self.h).step_by(8) {
            for left in (0..self.w).step_by(8) {
                let mut block = [0.0f32; 64];
                for (i, v) in block.iter_mut().enumerate() {
                    *v = self.data[(top + i / 8) * self.w + left + i % 8] - 128.0;
                }
                transform(&mut block, |k, n| basis[8 * k + n]);
                block.iter_mut().zip(steps).for_each(|(v, step)| *v = libm::rintf(*v / step) * step);
                transform(&mut block, |n, k| basis[8 * k + n]);
                for (i, v) in block.iter().enumerate() {
                    self.data[(top + i / 8) * self.w + left + i % 8] = libm::rintf(v + 128.0).clamp(0.0, 255.0);
                }
            }
        }
    }
}

/// `m b mᵀ` for an 8x8 block.
fn transform(block: &mut [f32; 64], m: impl Fn(usize, usize) -> f32) {
    for _ in 0..2 {
        let mut out = [0.0f32; 64];
        for i in 0..8 {
            for j in 0..8 {
                let a = m(i, j);
                // Transposed on the way, so that twice the same is both sides.
                (0..8).for_each(|x| out[8 * x + i] += a * block[8 * j + x]);
            }
        }
        *block = out;
    }
}

/// The orthonormal cosine basis, `[frequency][position]`.
fn basis() -> [f32; 64] {
    std::array::from_fn(|i| {
        let (k, n) = ((i / 8) as f64, (i % 8) as f64);
        let norm = if k == 0.0 { 0.125 } else { 0.25 };
        (libm::sqrt(norm) * libm::cos((2.0 * n + 1.0) * k * std::f64::consts::PI / 16.0)) as f32
    })
}

/// Compresses at a quality of 1 to 100 and decompresses; an image that is not of three channels as grey planes.
pub fn compress(image: &mut Picture, quality: u32) {
    let (h, w, basis) = (image.h, image.w, basis());
    let n = h * w;
    let byte = |v: f32| libm::rintf(v * 255.0);
    if image.c != 3 {
        for plane in image.planes() {
            let mut luma = Plane::new((h, w), 8, |y, x| byte(plane[y * w + x]));
            luma.lose(&LUMA, quality, &basis);
            (0..n).for_each(|i| plane[i] = luma.data[i / w * luma.w + i % w] / 255.0);
        }
        return;
    }
    let mix = |r: f32, g: f32, b: f32, plus: f32| {
        Plane::new((h, w), 16, |y, x| {
            let i = y * w + x;
            libm::rintf(r * byte(image.data[i]) + g * byte(image.data[n + i]) + b * byte(image.data[2 * n + i]) + plus)
        })
    };
    let mut luma = mix(0.299, 0.587, 0.114, 0.0);
    let mut blue = mix(-0.168_736, -0.331_264, 0.5, 128.0).halved();
    let mut red = mix(0.5, -0.418_688, -0.081_312, 128.0).halved();
    luma.lose(&LUMA, quality, &basis);
    blue.lose(&CHROMA, quality, &basis);
    red.lose(&CHROMA, quality, &basis);
    for i in 0..n {
        let (y, x) = (i / w, i % w);
        let (l, b, r) = (luma.data[y * luma.w + x], blue.doubled(y, x) - 128.0, red.doubled(y, x) - 128.0);
        let rgb = [l + 1.402 * r, l - 0.344_136 * b - 0.714_136 * r, l + 1.772 * b];
        for (channel, value) in rgb.into_iter().enumerate() {
            image.data[channel * n + i] = libm::rintf(value).clamp(0.0, 255.0) / 255.0;
        }
    }
}
