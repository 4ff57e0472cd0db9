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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use burn::backend::Flex;
    use burn::backend::ops::{FloatTensorOps, IntTensorOps};
    use burn::tensor::TensorData;
    use sparring_core::rng::{Purpose, Stream};
    use sparring_core::sparse::csr::WeightShape;
    use sparring_core::sparse::mask;

    use super::*;
    use crate::ops::SparseOps;
    use crate::topology::Topology;

    /// Where this is used no kernel of ours runs; here both do.
    #[test]
    fn products_are_those_of_the_kernels() {
        for (kernel, stride, pad) in [((3, 3), 1, 1), ((5, 2), 1, 2), ((3, 3), 2, 1), ((1, 1), 2, 0)] {
            let (h_out, w_out) = ((9 + 2 * pad - kernel.0) / stride + 1, (7 + 2 * pad - kernel.1) / stride + 1);
            let s = ConvShape { c_in: 5, h_in: 9, w_in: 7, c_out: 6, h_out, w_out, kh: kernel.0, kw: kernel.1, stride, pad, n: 4 };
            let positions = mask::initial(1, 0, s.weights(), 0.4);
            let nnz = positions.len();
            let words = Topology::new(WeightShape::from(&s), positions).unwrap().words().unwrap();
            let device = Default::default();
            let mut stream = Stream::new(1, Purpose::Test, 0, 0);
            let mut floats = |dims: [usize; 4], rank: usize| {
                let len = dims.iter().product();
                let data: Vec<f32> = (0..len).map(|_| stream.normal()).collect();
                let shape = if rank == 1 { vec![len] } else { dims.to_vec() };
                Flex::float_from_data(TensorData::new(data, shape), &device)
            };
            let x = floats([s.c_in, s.h_in, s.w_in, s.n], 4);
            let dy = floats([s.c_out, s.h_out, s.w_out, s.n], 4);
            let values = floats([nnz, 1, 1, 1], 1);
            let words_len = words.len();
            let topology = Flex::int_from_data(TensorData::new(words, [words_len]), &device);
            let same = |found: FloatTensor<Flex>, expected: FloatTensor<Flex>, what: &str| {
                let numbers = |t: FloatTensor<Flex>| t.into_data().iter::<f32>().collect::<Vec<_>>();
                let (found, expected) = (numbers(found), numbers(expected));
                assert_eq!(found.len(), expected.len());
                // Sums of some hundred products in another order.
                assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4), "{what} of {s:?}");
            };
            let (t, v) = (|| topology.clone(), || values.clone());
            same(conv::<Flex>(x.clone(), v(), t(), &s), Flex::sparse_conv(x.clone(), v(), t(), s), "y");
            same(input_grad::<Flex>(dy.clone(), v(), t(), &s), Flex::sparse_conv_input_grad(dy.clone(), v(), t(), s), "dx");
            let dv = Flex::sparse_conv_value_grad(x.clone(), dy.clone(), t(), nnz, s);
            same(value_grad::<Flex>(x.clone(), dy.clone(), t(), nnz, &s), dv, "dvalues");
            same(weight_grad::<Flex>(x.clone(), dy.clone(), &s), Flex::conv_weight_grad(x, dy, s), "dw");
        }
    }
}
