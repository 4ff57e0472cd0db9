//! Sums over a channel in two stages, as on a GPU: pieces in parallel, then the pieces in order. In float64, which costs nothing
//! beside the memory traffic and makes the result independent of the number of threads.

use super::activation::{Activation, Room, blocks};
use super::lent::Lent;
use super::pieces::Pieces;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{BiasGrad, Shape, StepParams};
use crate::platform::parallel;

/// Adds the partial sums of each channel's pieces, in order.
pub fn sum_partials<const K: usize>(pieces: Pieces, partials: &[[f64; K]]) -> Vec<[f64; K]> {
    let add = |sum: [f64; K], part: &[f64; K]| std::array::from_fn(|k| sum[k] + part[k]);
    partials.chunks(pieces.per_channel().max(1)).map(|parts| parts.iter().fold([0.0; K], add)).collect()
}

/// The sum of `dy` over each piece of a channel.
fn bias_grad<T: Real>(shape: Shape, dy: Activation<'_, T>) -> Vec<[f64; 1]> {
    let pieces = Pieces::new(shape);
    parallel::map(pieces.count(), |i| {
        let (_, start, len) = pieces.get(i);
        [sum_f64(dy.part(start, len))]
    })
}

fn sum_f64<T: Real>(values: Activation<'_, T>) -> f64 {
    let (mut lanes, mut total, mut room) = ([0.0; 16], 0.0, Room::new());
    for (start, len) in blocks(values.len()) {
        let (vectors, rest) = values.block(start, len, &mut room).as_chunks::<16>();
        for vector in vectors {
            for (lane, value) in lanes.iter_mut().zip(vector) {
                *lane += value.to_f64();
            }
        }
        total += rest.iter().map(|value| value.to_f64()).sum::<f64>();
    }
    lanes.iter().sum::<f64>() + total
}

impl<T: Real> Run<T> for BiasGrad {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        let partials = bias_grad(self.shape, lent.activation("dy")?);
        let sums = sum_partials(Pieces::new(self.shape), &partials);
        for (dbias, [sum]) in lent.write("dbias")?.iter_mut().zip(sums) {
            *dbias = T::from_f64(sum);
        }
        Ok(())
    }
}
