//! Square: random search over windows (Andriushchenko et al. 2020), which asks for no gradient.

use super::arena::{Run, scale_to};
use super::{Attack, stream};
use crate::device::Device;
use crate::error::Result;
use crate::ops::autoattack::SQUARE_WORDS;
use crate::ops::{BufferId, Shape};
use crate::rng::Stream;

/// Share of the pixels in the first windows.
const P_INIT: f64 = 0.8;
/// A margin that every image is below.
const FAR: f32 = 1e30;

/// Share of the pixels in the window of a query, out of so many: halved on the authors' schedule of 10,000.
fn share(query: u32, queries: u32) -> f64 {
    let at = u64::from(query) * 10_000 / u64::from(queries.max(1));
    let halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000].iter().filter(|from| at > **from).count();
    P_INIT / f64::from(1u32 << halvings)
}

/// Rows and columns of that window; odd and at least 3 in L2, where it holds pyramids, but never more than the image has.
fn side(shape: Shape, l2: bool, share: f64) -> usize {
    let (most, side) = (shape.h.min(shape.w), libm::sqrt(share * (shape.h * shape.w) as f64).round_ties_even() as usize);
    if !l2 {
        return side.clamp(1, most);
    }
    let side = side.max(3);
    (side + usize::from(side % 2 == 0)).min(most - usize::from(most % 2 == 0 && most > 1))
}

/// A pyramid on `rows` by `columns`, of norm 1: rectangles about the middle, each weighed by 1 / k^2.
fn pyramid(rows: usize, columns: usize) -> Vec<f64> {
    let mut out = vec![0.0; rows * columns];
    let (middle_row, middle_column) = (rows / 2, columns / 2);
    for k in 0..middle_row.max(middle_column) + 1 {
        let span = |middle: usize, limit: usize| middle.saturating_sub(k)..(middle + k + 1).min(limit);
        for row in span(middle_row, rows) {
            for column in span(middle_column, columns) {
                out[row * columns + column] += 1.0 / ((k + 1) * (k + 1)) as f64;
            }
        }
    }
    let norm = libm::sqrt(out.iter().map(|v| v * v).sum());
    out.iter().map(|v| v / norm.max(1e-12)).collect()
}

/// Two pyramids of opposite sign, one above the other, `[side][side]`, of norm 1.
fn pyramids(side: usize) -> Vec<f32> {
    let upper = pyramid(side / 2, side);
    let lower = pyramid(side - side / 2, side);
    let both = upper.iter().copied().chain(lower.iter().map(|v| -v));
    let norm = libm::sqrt(both.clone().map(|v| v * v).sum());
    both.map(|v| (v / norm) as f32).collect()
}

fn sign(stream: &mut Stream) -> f32 {
    if stream.below(2) == 0 { -1.0 } else { 1.0 }
}

/// The first image: vertical stripes, or in L2 tiles of pyramids, of the whole radius.
fn first(shape: Shape, l2: bool, stream: &mut Stream, values: &mut [f32]) {
    let Shape { c, h, w, .. } = shape;
    if !l2 {
        for channel in values.chunks_exact_mut(h * w) {
            let stripes: Vec<f32> = (0..w).map(|_| sign(stream)).collect();
            channel.chunks_exact_mut(w).for_each(|row| row.copy_from_slice(&stripes));
        }
        return;
    }
    let side = (h / 5).max(1).min(w);
    let table = pyramids(side);
    let margin = h.saturating_sub(5 * side) / 2;
    let starts = |limit: usize| (margin..limit).step_by(side).filter(move |at| at + side <= limit);
    for row in starts(h) {
        for column in starts(w) {
            let transposed = stream.below(2) == 1;
            for channel in 0..c {
                let sign = sign(stream);
                for (i, _) in table.iter().enumerate() {
                    let (y, x) = (i / side, i % side);
                    let value = if transposed { table[x * side + y] } else { table[i] };
                    values[(channel * h + row + y) * w + column + x] = sign * value;
                }
            }
        }
    }
}

/// The words of a proposal; see [`SQUARE_WORDS`].
fn proposal(shape: Shape, l2: bool, side: usize, stream: &mut Stream) -> [f32; SQUARE_WORDS] {
    let mut words = [0.0; SQUARE_WORDS];
    let at = |stream: &mut Stream, limit: usize| stream.below((limit - side + 1) as u32) as f32;
    (words[0], words[1], words[2]) = (at(stream, shape.h), at(stream, shape.w), side as f32);
    words[4..4 + shape.c].iter_mut().for_each(|word| *word = sign(stream));
    if l2 {
        words[3] = stream.below(2) as f32;
        (words[8], words[9]) = (at(stream, shape.h), at(stream, shape.w));
    }
    words
}

/// Runs it; where the answer is.
pub(super) async fn run(run: &Run<'_>, device: &mut Device) -> Result<BufferId> {
    let (court, queries, seed) = (run.court, run.config.queries, run.config.seed);
    let (shape, ball, buffers) = (court.shape, court.ball, court.buffers);
    run.start(device, |sample, values| {
        first(shape, ball.l2, &mut stream(seed, Attack::Square, 0, sample), values);
        scale_to(ball, values);
    })?;
    device.write_f32(buffers.lanes, 0, &vec![FAR; shape.n])?;
    let (mut words, mut last) = (vec![0.0; SQUARE_WORDS * shape.n], 0);
    // Pass i looks at proposal i (0: the first image) and makes the next one; what the last one makes is not looked at.
    for i in 0..=queries {
        let side = side(shape, ball.l2, share(i, queries));
        for (&sample, words) in run.samples.iter().zip(words.chunks_exact_mut(SQUARE_WORDS)) {
            words.copy_from_slice(&proposal(shape, ball.l2, side, &mut stream(seed, Attack::Square, i + 1, sample)));
        }
        device.write_f32(buffers.proposal, 0, &words)?;
        if ball.l2 && side != last {
            device.write_f32(buffers.pyramids, 0, &pyramids(side))?;
            last = side;
        }
        run.pass(device, &court.programs.square, i).await?;
    }
    Ok(buffers.best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_shrink_on_the_schedule() {
        let at = |query| (P_INIT / share(query, 10_000)).round() as u32;
        let found = [0, 10, 11, 50, 51, 200, 201, 501, 1001, 2001, 4001, 6001, 8001].map(at);
        assert_eq!(found, [1, 1, 2, 2, 4, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(share(100, 5000), share(200, 10_000));
        let shape = Shape { c: 3, h: 32, w: 32, n: 4 };
        assert_eq!(
            [(false, 0.8), (true, 0.8), (false, 1e-9), (true, 1e-9), (true, 0.0156)].map(|(l2, p)| side(shape, l2, p)),
            [29, 29, 1, 3, 5]
        );
        assert_eq!(side(Shape { h: 2, ..shape }, true, 0.8), 1);
    }

    #[test]
    fn pyramids_have_norm_one_and_opposite_halves() {
        for side in [1, 3, 5, 6, 29] {
            let table = pyramids(side);
            let norm: f32 = table.iter().map(|v| v * v).sum();
            assert!((norm - 1.0).abs() < 1e-5, "{side}: {norm}");
            assert!(table[..side / 2 * side].iter().all(|v| *v > 0.0) && table[side / 2 * side..].iter().all(|v| *v < 0.0));
        }
        // The middle of one of three rows: 1 + 1/4 against 1/4 beside it.
        let three = pyramid(1, 3);
        assert!((three[1] / three[0] - 5.0).abs() < 1e-12 && three[0] == three[2]);
    }

    #[test]
    fn first_images_have_the_form() {
        let shape = Shape { c: 2, h: 10, w: 10, n: 4 };
        let mut stream = Stream::new(1, crate::rng::Purpose::Test, 0, 0);
        let mut stripes = vec![0.0; 200];
        first(shape, false, &mut stream, &mut stripes);
        assert!((0..200).all(|i| stripes[i] == stripes[i / 100 * 100 + i % 10] && stripes[i].abs() == 1.0));
        assert!(stripes.contains(&1.0) && stripes.contains(&-1.0));
        let mut tiles = vec![0.0; 200];
        first(shape, true, &mut stream, &mut tiles);
        assert!(tiles.iter().all(|v| *v != 0.0), "25 tiles of 2 by 2 cover it");
    }
}
