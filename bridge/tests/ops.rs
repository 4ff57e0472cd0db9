//! Sparse layers on Burn's CPU backend: output and every gradient are those of Burn's own layers over the same weights among zeros.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use burn::nn::PaddingConfig2d;
use burn::tensor::{Device, Tensor};
use common::{CASES, assert_close, check_conv, check_linear, floats, layer, normals, stream, tensor};
use sparring_burn::{Chwn, Error, SparseConv2dConfig, SparseLinearConfig};

#[test]
fn convolutions_have_burns_outputs_and_gradients() {
    let device = Device::flex().autodiff();
    CASES.iter().for_each(|case| check_conv(case, &device));
}

#[test]
fn linear_layers_have_burns_outputs_and_gradients() {
    check_linear(&Device::flex().autodiff());
}

#[test]
fn a_chain_inside_is_the_chain_outside() {
    let device = Device::flex().autodiff();
    let first = layer(&CASES[0], &device);
    let second = SparseConv2dConfig::new([8, 5], [3, 3]).with_density(0.2).with_seed(Some(1)).init(&device);
    let norm = burn::nn::BatchNormConfig::new(8).init(&device);
    let x = tensor(normals(&mut stream(3), 4 * 3 * 6 * 5), [4, 3, 6, 5], &device);
    let outside = second.forward(burn::tensor::activation::relu(norm.clone().forward(first.forward(x.clone()))));
    let inside = first.forward_chwn(Chwn::from_nchw(x)).batch_norm(&norm).unwrap().map(burn::tensor::activation::relu);
    let inside = second.forward_chwn(inside).into_nchw();
    assert_close(&floats(inside), &floats(outside), common::TOLERANCE, "the chain");
    let odd = Chwn::from_nchw(Tensor::zeros([3, 8, 2, 2], &device)).batch_norm(&norm);
    assert!(odd.unwrap_err().to_string().contains("a multiple of 4"));
}

#[test]
fn without_autodiff_there_is_an_output_and_no_gradient() {
    let device = Device::flex();
    let conv = layer(&CASES[1], &device);
    let y = conv.forward(Tensor::ones([8, 16, 8, 8], &device));
    assert_eq!(y.dims(), [8, 12, 8, 8]);
    assert!(floats(y).iter().all(|v| v.is_finite()));
}

#[test]
fn what_does_not_fit_is_said_before_burn_panics() {
    let device = Device::flex();
    let conv = layer(&CASES[0], &device);
    let said = |x: Tensor<4>| conv.try_forward(x).unwrap_err().to_string();
    let channels = said(Tensor::zeros([4, 4, 6, 5], &device));
    assert!(channels.contains("SparseConv2d: the input's channels should be 3, found 4; give `channels[0]`"), "{channels}");
    assert!(said(Tensor::zeros([0, 3, 6, 5], &device)).contains("SparseConv2d"));
    let small = SparseConv2dConfig::new([3, 2], [5, 5]).init(&device).try_forward(Tensor::zeros([4, 3, 4, 9], &device)).unwrap_err();
    assert!(small.to_string().contains("at least 5x5") && small.to_string().contains("found 4x9"), "{small}");
    let flat = SparseLinearConfig::new(4, 2).init(&device).try_forward(Tensor::<2>::zeros([3, 5], &device)).unwrap_err();
    assert!(flat.to_string().contains("[..., 4]") && flat.to_string().contains("[3, 5]"), "{flat}");
    let config = || SparseConv2dConfig::new([3, 2], [3, 3]);
    for bad in [
        config().with_density(0.0),
        config().with_density(1.5),
        config().with_density(f64::NAN),
        config().with_stride([1, 2]),
        config().with_padding(PaddingConfig2d::Explicit(1, 0, 1, 0)),
        config().with_stride([2, 2]).with_padding(PaddingConfig2d::Same),
        SparseConv2dConfig::new([3, 2], [16, 16]),
        SparseConv2dConfig::new([0, 2], [3, 3]),
    ] {
        assert!(matches!(bad.try_init(&device), Err(Error::Setting { .. } | Error::Engine(_))), "{bad:?}");
    }
    let other = Device::flex().autodiff();
    assert!(conv.try_forward(Tensor::zeros([4, 3, 6, 5], &other)).is_ok(), "a model without gradients takes part in another's graph");
}

#[test]
fn masks_follow_the_devices_seed_unless_they_have_their_own() {
    let device = Device::flex();
    let config = SparseConv2dConfig::new([8, 8], [3, 3]).with_density(0.1);
    let drawn = |seed: Option<u64>| common::topology_of(&config.clone().with_seed(seed).init(&device).topology);
    assert_ne!(drawn(None), drawn(None));
    assert_eq!(drawn(Some(4)), drawn(Some(4)));
    assert_ne!(drawn(Some(4)), drawn(Some(5)));
    device.seed(7);
    let first = drawn(None);
    device.seed(7);
    assert_eq!(drawn(None), first);
}
