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

use super::index::Index;
use super::plain::add_bias;
use super::{Forward, InputGrad, Source, WeightGrad};
use crate::cpu::made::Purpose;
use crate::platform::parallel::{Shared, chunks_mut};
use lattice::{Lattice, Tiling};
use product::{Bias, Product, Strides};
use structure::Structure;

/// `y = conv(x, w) (+ bias on the valid lanes)`.
pub fn forward(index: Index<'_>, args: Forward<'_, f32>) {
    let Forward { shape, x, weight, bias, n_valid, y } = args;
    let lattice = Lattice::forward(&shape);
    let taps = shape.kh * shape.kw;
    let strides = Strides { row: shape.c_in * taps, channel: taps };
    let bias = bias.map(|values| Bias { values, n_valid });
    let product = Product { lattice: &lattice, rows: shape.c_out, source: x, accumulate: false, bias };
    let y = y.share();
    match index {
        Index::Dense => product::dense(&product, weight, strides, &y),
        Index::Sparse(csr) => {
            let structure = csr.kept(shape, Purpose::Forward, || Structure::new(&lattice, csr, shape.c_out));
            product::sparse(&product, weight, &structure, &y);
        }
    }
}

/// `dx (+)= the transposed convolution of dy`: one product for each residue of the position by the stride.
pub fn input_grad(index: Index<'_>, args: InputGrad<'_, f32>) {
    let InputGrad { shape, dy, weight, accumulate, dx } = args;
    let taps = shape.kh * shape.kw;
    let strides = Strides { row: taps, channel: shape.c_in * taps };
    let dx = dx.share();
    for (class, lattice) in Lattice::input_grad(&shape).iter().enumerate() {
        let product = Product { lattice, rows: shape.c_in, source: Source::plain(dy), accumulate, bias: None };
        match index {
            Index::Dense => product::dense(&product, weight, strides, &dx),
            Index::Sparse(csr) => {
                let structure = csr.kept(shape, Purpose::InputGrad(class), || Structure::new(lattice, csr, shape.c_in));
                product::sparse(&product, weight, &structure, &dx);
            }
        }
    }
}

/// `dw = sum of dy * x` at every weight that exists.
pub fn weight_grad(index: Index<'_>, args: WeightGrad<'_, f32>) {
    let WeightGrad { shape, x, dy, dw } = args;
    let lattice = Lattice::forward(&shape);
    match index {
        Index::Dense => sampled::dense(&lattice, x, dy, shape.c_out, dw),
        Index::Sparse(csr) => {
            let structure = csr.kept(shape, Purpose::Forward, || Structure::new(&lattice, csr, shape.c_out));
            sampled::sparse(&lattice, x, dy, &structure, shape.c_out, dw);
        }
    }
}
