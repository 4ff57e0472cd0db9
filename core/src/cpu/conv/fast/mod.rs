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

use super::index::{Csr, Entry, Index};
use super::plain::add_bias;
use super::{Forward, InputGrad, Source, WeightGrad};
use crate::ops::ConvShape;
use crate::platform::parallel::{Shared, chunks_mut};
use lattice::{Lattice, Tiling};
use product::{Product, Strides};
use scratch::with_whole;
use structure::Structure;

/// Numbers of products among the structures of an index: the gradient of the weights walks the same one as the forward product.
const FORWARD: usize = 0;
const INPUT_GRAD: usize = 1;

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

/// Where a weight of row `row` stands in the dense tensor `[c_out][c_in][kh][kw]`; rows are input channels where `transposed`.
fn place(shape: &ConvShape, transposed: bool, row: usize, entry: Entry) -> usize {
    let (co, ci) = if transposed { (entry.channel, row) } else { (row, entry.channel) };
    ((co * shape.c_in + ci) * shape.kh + entry.ky) * shape.kw + entry.kx
}

/// Hands `work` the dense tensor: `weight` itself, or the values of an index with zeros between where that is faster; and the index where
/// it is to be walked.
fn as_is_faster<'a>(
    shape: &ConvShape,
    index: Index<'a>,
    weight: &[f32],
    (rows, transposed): (usize, bool),
    work: impl FnOnce(Option<Csr<'a>>, &[f32]),
) {
    match index {
        Index::Dense => work(None, weight),
        Index::Sparse(csr) if !is_dense_enough(shape, csr) => work(Some(csr), weight),
        Index::Sparse(csr) => with_whole(shape.weights(), |whole| {
            whole.fill(0.0);
            for row in 0..rows {
                csr.row(row).for_each(|entry| whole[place(shape, transposed, row, entry)] = weight[entry.position]);
            }
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
    let product = Product { lattice: &lattice, rows: shape.c_out, source: x, accumulate: false };
    as_is_faster(&shape, index, weight, (shape.c_out, false), |walked, weight| match walked {
        None => product::dense(&product, weight, strides, &Shared::new(y)),
        Some(csr) => {
            let structure = csr.kept(shape, FORWARD, || Structure::new(&lattice, csr, shape.c_out));
            product::sparse(&product, weight, &structure, &Shared::new(y));
        }
    });
    if let Some(bias) = bias {
        let plane = shape.output().plane();
        chunks_mut(&mut y[..plane * shape.c_out], plane, |co, y| add_bias(bias[co], shape.n, n_valid, y));
    }
}

/// `dx (+)= the transposed convolution of dy`: one product for each residue of the position by the stride.
pub fn input_grad(index: Index<'_>, args: InputGrad<'_, f32>) {
    let InputGrad { shape, dy, weight, accumulate, dx } = args;
    let taps = shape.kh * shape.kw;
    let strides = Strides { row: taps, channel: shape.c_in * taps };
    let dx = Shared::new(dx);
    as_is_faster(&shape, index, weight, (shape.c_in, true), |walked, weight| {
        for (class, lattice) in Lattice::input_grad(&shape).iter().enumerate() {
            let product = Product { lattice, rows: shape.c_in, source: Source::plain(dy), accumulate };
            match walked {
                None => product::dense(&product, weight, strides, &dx),
                Some(csr) => {
                    let structure = csr.kept(shape, INPUT_GRAD + class, || Structure::new(lattice, csr, shape.c_in));
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
            for row in 0..shape.c_out {
                csr.row(row).for_each(|entry| dw[entry.position] = whole[place(&shape, false, row, entry)]);
            }
        }),
        Index::Sparse(csr) => {
            let structure = csr.kept(shape, FORWARD, || Structure::new(&lattice, csr, shape.c_out));
            sampled::sparse(&lattice, x, dy, &structure, shape.c_out, dw);
        }
    }
}
