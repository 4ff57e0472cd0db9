//! Fast f32 convolution: one scheme for dense and sparse weights, both strides, and all three directions.
//!
//! Strips of the output are worked through row by row; the input that a row needs is packed, zero-padded, into a block
//! that stays in the L2 cache, where every weight is a constant offset. Then a dense layer is a register-tiled matrix
//! product over those offsets, a sparse layer a list of (offset, value), and a weight gradient a list of dot products.

mod lattice;
mod product;
mod sampled;
mod scratch;
mod structure;

use std::sync::Arc;

use super::index::{Csr, Entry, Index};
use super::plain::add_bias;
use super::{Forward, InputGrad, Source, WeightGrad};
use crate::cpu::made::{Kept, Purpose};
use crate::ops::ConvShape;
use crate::platform::parallel::{Shared, chunks_mut};
use lattice::{Lattice, Tiling};
use product::{Bias, Product, Strides};
use scratch::with_whole;
use structure::Structure;

/// Share of the weights from which all of them are faster than those that exist: a dense product loads an input once for eight output
/// channels, a sparse one for one. Between densities of 0.5 and 0.2, at which `sparring bench` has timed 15 layers, where the sparse product
/// begins to lose: at 0.5 most layers still gain, kernels of one tap do not, which have little to skip. Nothing above 0.5 was timed.
/// It follows from geometry and number alone, so that a run that is resumed computes as before.
const DENSE_FROM: f64 = 0.55;
const DENSE_FROM_ONE_TAP: f64 = 0.25;

fn is_dense_enough(shape: &ConvShape, csr: Csr<'_>) -> bool {
    let from = if shape.kh * shape.kw == 1 { DENSE_FROM_ONE_TAP } else { DENSE_FROM };
    csr.len() as f64 > from * shape.weights() as f64
}

/// Where the values of an index stand in the dense tensor `[c_out][c_in][kh][kw]`, in their own order.
struct Whole(Vec<u32>);

impl Kept for Whole {
    fn bytes(&self) -> usize {
        4 * self.0.len()
    }
}

impl Whole {
    /// Rows are input channels where `transposed`.
    fn of(shape: &ConvShape, csr: Csr<'_>, transposed: bool) -> Arc<Self> {
        csr.kept(*shape, Purpose::Whole, || {
            let mut places = vec![0; csr.len()];
            for row in 0..if transposed { shape.c_in } else { shape.c_out } {
                for Entry { channel, ky, kx, position } in csr.row(row) {
                    let (co, ci) = if transposed { (channel, row) } else { (row, channel) };
                    places[position] = (((co * shape.c_in + ci) * shape.kh + ky) * shape.kw + kx) as u32;
                }
            }
            Self(places)
        })
    }
}

/// Hands `work` the dense tensor: `weight` itself, or the values of an index with zeros between where that is faster; and the index where
/// it is to be walked.
fn as_is_faster<'a>(shape: &ConvShape, index: Index<'a>, weight: &[f32], transposed: bool, work: impl FnOnce(Option<Csr<'a>>, &[f32])) {
    match index {
        Index::Dense => work(None, weight),
        Index::Sparse(csr) if !is_dense_enough(shape, csr) => work(Some(csr), weight),
        Index::Sparse(csr) => with_whole(shape.weights(), |whole| {
            whole.fill(0.0);
            Whole::of(shape, csr, transposed).0.iter().zip(weight).for_each(|(&place, &value)| whole[place as usize] = value);
            work(None, whole);
        }),
    }
}

/// `y = conv(x, w) (+ bias on the valid lanes)`.
pub fn forward(index: Index<'_>, args: Forward<'_, f32>) {
    let Forward { shape, x, weight, bias, n_valid, y } = args;
    let lattice = Lattice::forward(&shape);
    let taps = shape.kh * shape.kw;
    let strides = Strides { row: shape.c_in * taps, channel: taps };
    let bias = bias.map(|values| Bias { values, n_valid });
    let product = Product { lattice: &lattice, rows: shape.c_out, source: x, accumulate: false, bias };
    let y = y.share();
    as_is_faster(&shape, index, weight, false, |walked, weight| match walked {
        None => product::dense(&product, weight, strides, &y),
        Some(csr) => {
            let structure = csr.kept(shape, Purpose::Forward, || Structure::new(&lattice, csr, shape.c_out));
            product::sparse(&product, weight, &structure, &y);
        }
    });
}

/// `dx (+)= the transposed convolution of dy`: one product for each residue of the position by the stride.
pub fn input_grad(index: Index<'_>, args: InputGrad<'_, f32>) {
    let InputGrad { shape, dy, weight, accumulate, dx } = args;
    let taps = shape.kh * shape.kw;
    let strides = Strides { row: taps, channel: shape.c_in * taps };
    let dx = dx.share();
    as_is_faster(&shape, index, weight, true, |walked, weight| {
        for (class, lattice) in Lattice::input_grad(&shape).iter().enumerate() {
            let product = Product { lattice, rows: shape.c_in, source: Source::plain(dy), accumulate, bias: None };
            match walked {
                None => product::dense(&product, weight, strides, &dx),
                Some(csr) => {
                    let structure = csr.kept(shape, Purpose::InputGrad(class), || Structure::new(lattice, csr, shape.c_in));
                    product::sparse(&product, weight, &structure, &dx);
                }
            }
        }
    });
}

/// `dw = sum of dy * x` at every weight that exists.
pub fn weight_grad(index: Index<'_>, args: WeightGrad<'_, f32>) {
    let WeightGrad { shape, x, dy, dw } = args;
    let lattice = Lattice::forward(&shape);
    match index {
        Index::Dense => sampled::dense(&lattice, x, dy, shape.c_out, dw),
        Index::Sparse(csr) if is_dense_enough(&shape, csr) => with_whole(shape.weights(), |whole| {
            sampled::dense(&lattice, x, dy, shape.c_out, whole);
            Whole::of(&shape, csr, false).0.iter().zip(dw).for_each(|(&place, dw)| *dw = whole[place as usize]);
        }),
        Index::Sparse(csr) => {
            let structure = csr.kept(shape, Purpose::Forward, || Structure::new(&lattice, csr, shape.c_out));
            sampled::sparse(&lattice, x, dy, &structure, shape.c_out, dw);
        }
    }
}
