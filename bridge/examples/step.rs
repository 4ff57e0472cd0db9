//! Milliseconds of a training step of four 3x3 convolutions of 64 channels, Burn's own and ours at a density, on each device.
//!
//! `cargo run --release -p sparring-burn --features wgpu --example step -- [BATCH [SIZE [DENSITY]]]`. Both take turns, the lowest of all
//! rounds counts; the first round, in which kernels are compiled and chosen, does not. It fails where a sparse step is not the shorter one.
#![allow(clippy::unwrap_used, reason = "an example")]

use std::process::ExitCode;
use std::time::Instant;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
use sparring_burn::{Chwn, SparseConv2d, SparseConv2dConfig};

const CHANNELS: usize = 64;
const LAYERS: usize = 4;

#[derive(Module, Debug)]
struct Dense {
    convs: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
}

#[derive(Module, Debug)]
struct Sparse {
    convs: Vec<SparseConv2d>,
    norms: Vec<BatchNorm>,
    inside: bool,
}

trait Forward: Module {
    fn forward(&self, x: Tensor<4>) -> Tensor<4>;
}

impl Forward for Dense {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.convs.iter().zip(&self.norms).fold(x, |x, (conv, norm)| relu(norm.forward(conv.forward(x))))
    }
}

impl Forward for Sparse {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let layers = self.convs.iter().zip(&self.norms);
        if !self.inside {
            return layers.fold(x, |x, (conv, norm)| relu(norm.forward(conv.forward(x))));
        }
        let run = |x: Chwn, (conv, norm): (&SparseConv2d, &BatchNorm)| conv.forward_chwn(x).batch_norm(norm).unwrap().map(relu);
        layers.fold(Chwn::from_nchw(x), run).into_nchw()
    }
}

fn norms(device: &Device) -> Vec<BatchNorm> {
    (0..LAYERS).map(|_| BatchNormConfig::new(CHANNELS).init(device)).collect()
}

fn optimizer() -> ModuleOptimizer {
    SgdConfig::new().with_momentum(Some(MomentumConfig::new().with_momentum(0.9).with_dampening(0.0))).init()
}

/// A step, in milliseconds.
fn step<M: Forward>(model: &mut Option<M>, optimizer: &mut ModuleOptimizer, x: &Tensor<4>, device: &Device) -> f64 {
    device.sync().unwrap();
    let start = Instant::now();
    let net = model.take().unwrap();
    let loss = net.forward(x.clone()).powf_scalar(2.0).mean();
    let grads = GradientsParams::from_grads(loss.backward(), &net);
    *model = Some(optimizer.step(0.01, net, grads));
    device.sync().unwrap();
    let _ = loss.into_data();
    start.elapsed().as_secs_f64() * 1e3
}

/// Prints what steps take; whether the sparse ones are shorter than the dense one.
fn compare(name: &str, device: &Device, [batch, size]: [usize; 2], density: f64, rounds: usize) -> bool {
    let device = device.clone().autodiff();
    let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
    let dense = || Conv2dConfig::new([CHANNELS; 2], [3, 3]).with_padding(padding.clone()).with_bias(false).init(&device);
    let sparse = |density| {
        let config = SparseConv2dConfig::new([CHANNELS; 2], [3, 3]).with_padding(padding.clone()).with_bias(false);
        config.with_density(density).init(&device)
    };
    let sparse_net = |inside| Sparse { convs: (0..LAYERS).map(|_| sparse(density)).collect(), norms: norms(&device), inside };
    let mut burns = Some(Dense { convs: (0..LAYERS).map(|_| dense()).collect(), norms: norms(&device) });
    let (mut outside, mut inside) = (Some(sparse_net(false)), Some(sparse_net(true)));
    let mut optimizers = [optimizer(), optimizer(), optimizer()];
    let x = Tensor::random([batch, CHANNELS, size, size], Distribution::Normal(0.0, 1.0), &device);
    let mut lowest = [f64::INFINITY; 3];
    for round in 0..=rounds {
        let [a, b, c] = &mut optimizers;
        let took = [step(&mut burns, a, &x, &device), step(&mut outside, b, &x, &device), step(&mut inside, c, &x, &device)];
        if round > 0 {
            lowest.iter_mut().zip(took).for_each(|(lowest, took)| *lowest = lowest.min(took));
        }
    }
    let [dense, outside, inside] = lowest;
    println!(
        "{name}: {LAYERS} x {CHANNELS}x{size}x{size}, batch {batch}: Burn dense {dense:.1} ms, at {density} {outside:.1} ms ({:.2} times as fast), \
         inside Chwn {inside:.1} ms ({:.2} times)",
        dense / outside,
        dense / inside
    );
    outside < dense && inside < dense
}

fn main() -> ExitCode {
    let arguments: Vec<f64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let or = |at: usize, default: f64| arguments.get(at).copied().unwrap_or(default);
    let (batch, size, density) = (or(0, 32.0) as usize, or(1, 16.0) as usize, or(2, 0.1));
    let mut shorter = vec![compare("Flex (CPU)", &Device::flex(), [batch, size], density, 5)];
    #[cfg(feature = "wgpu")]
    match pollster::block_on(sparring_core::gpu::GpuDevice::open(true)) {
        Ok(gpu) => {
            use burn::tensor::DeviceKind;
            let kind = if gpu.info().software { DeviceKind::Cpu } else { DeviceKind::DefaultDevice };
            shorter.push(compare(&gpu.info().name, &Device::wgpu(kind), [batch, size], density, 5));
        }
        Err(e) => println!("no GPU: {e}"),
    }
    if shorter.into_iter().all(|shorter| shorter) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
