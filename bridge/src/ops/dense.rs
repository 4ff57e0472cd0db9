//! Sparse products by Burn's own convolutions: values are put among zeros, and of a dense gradient those that exist are taken out.
//!
//! It is what a backend does that has no kernel of ours (CUDA, or a Vulkan device for which another crate chose SPIR-V): right, and as long as
//! the dense product. Without it such a model would not run at all.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::ops::{ConvOptions, IndexingUpdateOp};
use burn::tensor::{FloatDType, Shape, Slice};
use sparring_core::ops::ConvShape;

use crate::topology::Sections;

fn options(s: &ConvShape) -> ConvOptions<2> {
    ConvOptions::new([s.stride; 2], [s.pad; 2], [1, 1], 1)
}

fn weight_shape(s: &ConvShape) -> Shape {
    Shape::new([s.c_out, s.c_in, s.kh, s.kw])
}

/// `[c, h, w, n]` to `[n, c, h, w]`, and back.
fn outside<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_permute(x, &[3, 0, 1, 2])
}

fn inside<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_permute(x, &[1, 2, 3, 0])
}

/// Flat positions of the values, `[nnz]`.
fn positions<B: Backend>(topology: IntTensor<B>, nnz: usize, s: &ConvShape) -> IntTensor<B> {
    let sections = Sections::of_conv(s, nnz);
    let part = |range: std::ops::Range<usize>| B::int_slice(topology.clone(), &[Slice::from(range)]);
    let by = |x: IntTensor<B>, factor: usize| B::int_mul_scalar(x, (factor as i64).into());
    let (row, packed) = (part(sections.row), part(sections.index));
    let nibble = |shift: i64| B::bitwise_and_scalar(B::bitwise_right_shift_scalar(packed.clone(), shift.into()), 15i64.into());
    let channel = B::bitwise_right_shift_scalar(packed.clone(), 8i64.into());
    let taps = s.kh * s.kw;
    let of_row = B::int_add(by(row, s.c_in * taps), by(channel, taps));
    B::int_add(of_row, B::int_add(by(nibble(4), s.kw), nibble(0)))
}

/// The dense tensor `[c_out, c_in, kh, kw]`.
fn dense<B: Backend>(values: FloatTensor<B>, topology: IntTensor<B>, s: &ConvShape) -> FloatTensor<B> {
    let nnz = values.shape().num_elements();
    let zeros = B::float_zeros(Shape::new([s.weights()]), &values.device(), FloatDType::F32);
    let all = match nnz {
        0 => zeros,
        _ => B::float_select_assign(zeros, 0, positions::<B>(topology, nnz, s), values, IndexingUpdateOp::Add),
    };
    B::float_reshape(all, weight_shape(s))
}

pub fn conv<B: Backend>(x: FloatTensor<B>, values: FloatTensor<B>, topology: IntTensor<B>, s: &ConvShape) -> FloatTensor<B> {
    inside::<B>(B::conv2d(outside::<B>(x), dense::<B>(values, topology, s), None, options(s)))
}

pub fn input_grad<B: Backend>(dy: FloatTensor<B>, values: FloatTensor<B>, topology: IntTensor<B>, s: &ConvShape) -> FloatTensor<B> {
    let x = B::float_zeros(Shape::new([s.n, s.c_in, s.h_in, s.w_in]), &dy.device(), FloatDType::F32);
    inside::<B>(B::conv2d_x_backward(x, dense::<B>(values, topology, s), outside::<B>(dy), options(s)))
}

pub fn weight_grad<B: Backend>(x: FloatTensor<B>, dy: FloatTensor<B>, s: &ConvShape) -> FloatTensor<B> {
    let weight = B::float_zeros(weight_shape(s), &dy.device(), FloatDType::F32);
    let dw = B::conv2d_weight_backward(outside::<B>(x), weight, outside::<B>(dy), options(s));
    B::float_reshape(dw, Shape::new([s.weights()]))
}

pub fn value_grad<B: Backend>(x: FloatTensor<B>, dy: FloatTensor<B>, topology: IntTensor<B>, nnz: usize, s: &ConvShape) -> FloatTensor<B> {
    if nnz == 0 {
        return B::float_zeros(Shape::new([0]), &dy.device(), FloatDType::F32);
    }
    B::float_select(weight_grad::<B>(x, dy, s), 0, positions::<B>(topology, nnz, s))
}
