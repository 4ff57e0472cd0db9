//! What the tests of both backends share: layers beside Burn's own convolution over the same weights, scattered among zeros.
#![allow(dead_code, clippy::unwrap_used, reason = "tests, each of which uses a part of it")]

use burn::module::{Param, ParamId};
use burn::nn::PaddingConfig2d;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Int, Tensor, TensorData};
use sparring_burn::{SparseConv2d, SparseConv2dConfig, SparseLinearConfig, Topology};
use sparring_core::rng::{Purpose, Stream};

/// Sums of some thousand products in another order than Burn's, in float32.
pub const TOLERANCE: f32 = 2e-5;

pub fn stream(seed: u64) -> Stream {
    Stream::new(seed, Purpose::Test, 0, 0)
}

pub fn normals(stream: &mut Stream, len: usize) -> Vec<f32> {
    (0..len).map(|_| stream.normal()).collect()
}

pub fn tensor<const D: usize>(floats: Vec<f32>, dims: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(floats, dims), device)
}

pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

pub fn topology_of(words: &Param<Tensor<1, Int>>) -> Topology {
    Topology::from_words(&words.val().into_data().convert::<i32>().try_into_vec::<i32>().unwrap()).unwrap()
}

/// Panics where two arrays differ by more than a share of the largest number.
pub fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: lengths");
    let largest = expected.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
    let worst = found.iter().zip(expected).map(|(f, e)| if f.is_finite() { (f - e).abs() } else { f32::INFINITY }).fold(0.0, f32::max);
    assert!(worst <= tolerance * largest, "{what}: {worst} off where the largest is {largest}");
}

/// A convolution's geometry.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub n: usize,
    pub c_in: usize,
    pub h: usize,
    pub w: usize,
    pub c_out: usize,
    pub kernel: [usize; 2],
    pub stride: usize,
    pub pad: usize,
    pub density: f64,
}

pub const CASES: [Case; 8] = [
    Case { n: 4, c_in: 3, h: 6, w: 5, c_out: 8, kernel: [3, 3], stride: 1, pad: 1, density: 0.3 },
    Case { n: 8, c_in: 16, h: 8, w: 8, c_out: 12, kernel: [3, 3], stride: 1, pad: 1, density: 0.1 },
    Case { n: 5, c_in: 7, h: 9, w: 7, c_out: 6, kernel: [3, 3], stride: 2, pad: 1, density: 0.2 },
    Case { n: 1, c_in: 5, h: 4, w: 4, c_out: 9, kernel: [1, 1], stride: 2, pad: 0, density: 0.5 },
    Case { n: 12, c_in: 4, h: 7, w: 9, c_out: 3, kernel: [5, 2], stride: 1, pad: 2, density: 0.4 },
    Case { n: 4, c_in: 2, h: 11, w: 11, c_out: 4, kernel: [7, 7], stride: 3, pad: 3, density: 0.05 },
    Case { n: 6, c_in: 10, h: 5, w: 5, c_out: 10, kernel: [3, 3], stride: 1, pad: 0, density: 0.8 },
    Case { n: 4, c_in: 6, h: 5, w: 5, c_out: 6, kernel: [3, 3], stride: 1, pad: 1, density: 1.0 },
];

pub fn layer(case: &Case, device: &Device) -> SparseConv2d {
    let pad = case.pad;
    SparseConv2dConfig::new([case.c_in, case.c_out], case.kernel)
        .with_stride([case.stride; 2])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_density(case.density)
        .with_seed(Some(5))
        .init(device)
}

/// The dense weight of a layer's values.
pub fn scattered(values: &[f32], topology: &Topology) -> Vec<f32> {
    let mut dense = vec![0.0; topology.shape().len()];
    topology.positions().iter().zip(values).for_each(|(p, v)| dense[*p as usize] = *v);
    dense
}

pub fn gathered(dense: &[f32], topology: &Topology) -> Vec<f32> {
    topology.positions().iter().map(|p| dense[*p as usize]).collect()
}

/// Output and gradients of a sparse convolution and of Burn's, on a device with autodiff.
pub fn check_conv(case: &Case, device: &Device) {
    let mut stream = stream(11);
    let mut conv = layer(case, device);
    // The dense gradient is wanted too.
    let probe = Tensor::<1>::zeros([conv.channels.iter().chain(&case.kernel).product::<usize>()], device).require_grad();
    conv.probe = Param::initialized(ParamId::new(), probe);
    let topology = topology_of(&conv.topology);
    let dims = [case.n, case.c_in, case.h, case.w];
    let x = normals(&mut stream, dims.iter().product());

    let own = tensor(x.clone(), dims, device).require_grad();
    let y = conv.forward(own.clone());
    let out = y.dims();
    let slope = normals(&mut stream, out.iter().product());
    let grads = (y.clone() * tensor(slope.clone(), out, device)).sum().backward();

    let weight = scattered(&floats(conv.values.val()), &topology);
    let weight = tensor(weight, [case.c_out, case.c_in, case.kernel[0], case.kernel[1]], device).require_grad();
    let bias = conv.bias.as_ref().unwrap().val();
    let burns_bias = tensor(floats(bias.clone()), [case.c_out], device).require_grad();
    let burns = tensor(x, dims, device).require_grad();
    let options = ConvOptions::new([case.stride; 2], [case.pad; 2], [1, 1], 1);
    let burns_y = conv2d(burns.clone(), weight.clone(), Some(burns_bias.clone()), options);
    let burns_grads = (burns_y.clone() * tensor(slope, out, device)).sum().backward();

    let what = |tensor: &str| format!("{tensor} of {case:?}");
    assert_close(&floats(y), &floats(burns_y), TOLERANCE, &what("y"));
    let (dx, burns_dx) = (own.grad(&grads).unwrap(), burns.grad(&burns_grads).unwrap());
    assert_close(&floats(dx), &floats(burns_dx), TOLERANCE, &what("dx"));
    let (db, burns_db) = (bias.grad(&grads).unwrap(), burns_bias.grad(&burns_grads).unwrap());
    assert_close(&floats(db), &floats(burns_db), TOLERANCE, &what("dbias"));
    let dw = floats(weight.grad(&burns_grads).unwrap());
    assert_close(&floats(conv.values.val().grad(&grads).unwrap()), &gathered(&dw, &topology), TOLERANCE, &what("dvalues"));
    assert_close(&floats(conv.probe.val().grad(&grads).unwrap()), &dw, TOLERANCE, &what("the dense gradient"));
}

/// The same for a linear layer over `[2, 3, in]`.
pub fn check_linear(device: &Device) {
    let mut stream = stream(12);
    let (d_in, d_out) = (13, 7);
    let linear = SparseLinearConfig::new(d_in, d_out).with_density(0.4).with_seed(Some(3)).init(device);
    let topology = topology_of(&linear.topology);
    let x = tensor(normals(&mut stream, 6 * d_in), [2, 3, d_in], device).require_grad();
    let slope = tensor(normals(&mut stream, 6 * d_out), [2, 3, d_out], device);
    let y = linear.forward(x.clone());
    let grads = (y.clone() * slope.clone()).sum().backward();

    let weight = tensor(scattered(&floats(linear.values.val()), &topology), [d_out, d_in], device).require_grad();
    let bias = tensor(floats(linear.bias.as_ref().unwrap().val()), [1, 1, d_out], device);
    let burns = tensor(floats(x.clone()), [6, d_in], device).require_grad();
    let burns_y = burns.clone().matmul(weight.clone().transpose()).reshape([2, 3, d_out]) + bias;
    let burns_grads = (burns_y.clone() * slope).sum().backward();

    assert_close(&floats(y), &floats(burns_y), TOLERANCE, "y");
    assert_close(&floats(x.grad(&grads).unwrap()), &floats(burns.grad(&burns_grads).unwrap()), TOLERANCE, "dx");
    let dw = floats(weight.grad(&burns_grads).unwrap());
    assert_close(&floats(linear.values.val().grad(&grads).unwrap()), &gathered(&dw, &topology), TOLERANCE, "dvalues");
}
