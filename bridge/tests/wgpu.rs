//! Sparse layers on Burn's GPU backend, here mostly a software Vulkan driver: outputs and gradients are those of Burn's own layers, by every
//! kernel of ours; models train. Shapes are tiny, since such a driver compiles each shader for a while.
#![cfg(feature = "wgpu")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Instant;

use burn::nn::BatchNormConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, DeviceKind, Tensor};
use common::{CASES, assert_close, check_conv, check_linear, floats, layer, normals, stream, tensor};
use sparring_burn::ops::use_kernel;
use sparring_burn::{Chwn, Dynamics, Kernel, SparseConv2dConfig, SparseTrainingConfig};
use sparring_core::gpu::GpuDevice;

/// A GPU, a software one if there is no other; `None` where there is none at all.
fn device() -> Option<Device> {
    match pollster::block_on(GpuDevice::open(true)) {
        Ok(gpu) if gpu.info().software => Some(Device::wgpu(DeviceKind::Cpu)),
        Ok(_) => Some(Device::wgpu(DeviceKind::DefaultDevice)),
        Err(e) => {
            println!("skipped: {e}");
            None
        }
    }
}

#[test]
fn layers_have_burns_outputs_and_gradients() {
    let Some(device) = device() else { return };
    let device = device.autodiff();
    for kernel in Kernel::ALL {
        use_kernel(*kernel);
        let start = Instant::now();
        CASES.iter().for_each(|case| check_conv(case, &device));
        check_linear(&device);
        println!("{kernel}: {:.1} s", start.elapsed().as_secs_f64());
    }
    use_kernel(Kernel::Rows);
}

#[test]
fn a_chain_with_fused_neighbours_is_the_chain_on_the_cpu() {
    let Some(device) = device() else { return };
    let run = |device: &Device| {
        let first = layer(&CASES[0], device);
        let second = SparseConv2dConfig::new([8, 5], [3, 3]).with_density(0.2).with_seed(Some(1)).with_bias(false).init(device);
        let same = |param: &burn::module::Param<Tensor<1>>, seed| {
            let dims = param.dims();
            burn::module::Param::from_tensor(tensor(normals(&mut stream(seed), dims[0]), dims, device))
        };
        let (mut first, mut second) = (first, second);
        first.values = same(&first.values, 1);
        first.bias = first.bias.as_ref().map(|bias| same(bias, 2));
        second.values = same(&second.values, 3);
        let norm = BatchNormConfig::new(8).init(device);
        let x = tensor(normals(&mut stream(4), 4 * 3 * 6 * 5), [4, 3, 6, 5], device).require_grad();
        let hidden = first.forward(x.clone());
        let outside = second.forward(relu(norm.forward(hidden.clone()) * 0.5) + 0.1);
        let grads = outside.clone().powf_scalar(2.0).sum().backward();
        let inside = first.forward_chwn(Chwn::from_nchw(x.clone())).batch_norm(&norm).unwrap().map(|t| relu(t * 0.5) + 0.1);
        let inside = second.forward_chwn(inside).into_nchw();
        let dx = x.grad(&grads).unwrap();
        let dv = first.values.val().grad(&grads).unwrap();
        [floats(outside), floats(inside), floats(dx), floats(dv)]
    };
    let (gpu, cpu) = (run(&device.autodiff()), run(&Device::flex().autodiff()));
    // Normalising divides by a spread that both sum in their own order.
    for (what, (gpu, cpu)) in ["outside", "inside", "dx", "dvalues"].into_iter().zip(gpu.iter().zip(&cpu)) {
        assert_close(gpu, cpu, 10.0 * common::TOLERANCE, what);
    }
}

#[test]
fn a_layer_learns() {
    let Some(device) = device() else { return };
    let device = device.autodiff();
    let teacher = layer(&CASES[1], &device);
    let mut student = layer(&CASES[1], &device);
    let mut optimizer = SgdConfig::new().init();
    let x = tensor(normals(&mut stream(1), 8 * 16 * 64), [8, 16, 8, 8], &device);
    let target = teacher.forward(x.clone()).detach();
    let mut losses = Vec::new();
    for _ in 0..20 {
        let loss = (student.forward(x.clone()) - target.clone()).powf_scalar(2.0).mean();
        losses.push(floats(loss.clone())[0]);
        let grads = GradientsParams::from_grads(loss.backward(), &student);
        student = optimizer.step(0.5, student, grads);
    }
    assert!(losses[19] < 0.2 * losses[0], "{losses:?}");
}

/// Topologies that change are read and written on the device: what goes and comes there is what goes and comes on the CPU.
#[test]
fn topologies_change_as_on_the_cpu() {
    let Some(device) = device() else { return };
    let run = |device: &Device, dynamics| {
        let training = SparseTrainingConfig::new(0.4, 1, 10).with_dynamics(dynamics).with_rate(0.3).init().unwrap();
        let mut conv = SparseConv2dConfig::new([4, 8], [3, 3]).with_bias(false).init(device);
        conv.values = burn::module::Param::from_tensor(tensor(normals(&mut stream(1), 288), [288], device));
        let mut net = training.begin(conv).unwrap();
        let mut optimizer = training.optimizer(SgdConfig::new().build(), &net).unwrap();
        let x = tensor(normals(&mut stream(2), 4 * 4 * 25), [4, 4, 5, 5], device);
        for _ in 0..3 {
            let grads = GradientsParams::from_grads(net.forward(x.clone()).powf_scalar(2.0).mean().backward(), &net);
            net = training.step(&mut optimizer, 0.1, net, grads).unwrap();
        }
        assert!(!training.changes().is_empty());
        (common::topology_of(&net.topology), floats(net.values.val()))
    };
    for dynamics in [Dynamics::Set, Dynamics::RigL] {
        let ((at, gpu), (expected, cpu)) = (run(&device.clone().autodiff(), dynamics), run(&Device::flex().autodiff(), dynamics));
        assert_eq!(at, expected, "{dynamics:?}");
        assert_close(&gpu, &cpu, common::TOLERANCE, "values");
    }
}
