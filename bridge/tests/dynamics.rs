//! Sparse training: what goes and comes is the engine's choice, moments and gradients follow their weights, and networks learn.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLoss;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, Optimizer, SgdConfig};
use burn::store::ModuleRecord;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use common::{floats, topology_of};
use sparring_burn::{
    Allocation, Dynamics, RateSchedule, SparseConv2d, SparseConv2dConfig, SparseLinear, SparseLinearConfig, SparseTraining,
    SparseTrainingConfig,
};
use sparring_core::sparse::grow::Growth;
use sparring_core::sparse::prune::PruneRule;
use sparring_core::sparse::update::{grow, growth_stream, prune};
use sparring_core::train::schedule::death_rate;

#[derive(Module, Debug)]
struct Net {
    conv: SparseConv2d,
    head: SparseLinear,
}

impl Net {
    fn new(device: &Device) -> Self {
        Self { conv: SparseConv2dConfig::new([2, 12], [3, 3]).init(device), head: SparseLinearConfig::new(12, 4).init(device) }
    }
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv.forward(x)).mean_dims(&[2, 3]);
        self.head.forward(x.flatten::<2>(1, 3))
    }
}

/// Images whose class is where they are bright.
fn batch(seed: u64, device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
    let mut stream = common::stream(seed);
    let mut pixels = common::normals(&mut stream, 16 * 2 * 36);
    let labels: Vec<i32> = (0..16).map(|_| stream.below(4) as i32).collect();
    for (image, label) in labels.iter().enumerate() {
        for i in 0..36 {
            pixels[image * 72 + (*label as usize % 2) * 36 + i] += if *label < 2 { 1.0 } else { -1.0 };
        }
    }
    (common::tensor(pixels, [16, 2, 6, 6], device), Tensor::from_data(labels.as_slice(), device))
}

fn loss(net: &Net, seed: u64, device: &Device) -> Tensor<1> {
    let (x, labels) = batch(seed, device);
    CrossEntropyLoss::new(None, device).forward(net.forward(x), labels)
}

fn training(dynamics: Dynamics, every: u64, steps: u64) -> SparseTraining {
    let config = SparseTrainingConfig::new(0.3, every, steps).with_dynamics(dynamics).with_allocation(Allocation::Uniform);
    config.with_rate(0.4).with_seed(6).init().unwrap()
}

fn sgd() -> burn::optim::Sgd {
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0).with_nesterov(false);
    SgdConfig::new().with_momentum(Some(momentum)).build()
}

/// Values of a layer by their position in the dense tensor.
fn by_place(values: &Param<Tensor<1>>, topology: &Param<Tensor<1, Int>>) -> HashMap<u32, f32> {
    topology_of(topology).positions().iter().copied().zip(floats(values.val())).collect()
}

/// Ten steps; every layer's positions and values after each.
fn trained<O: Optimizer>(dynamics: Dynamics, base: O, device: &Device) -> (Vec<HashMap<u32, f32>>, Vec<f32>, Net) {
    let training = training(dynamics, 3, 10);
    let mut net = training.begin(Net::new(device)).unwrap();
    let mut optimizer = training.optimizer(base, &net).unwrap();
    let (mut seen, mut losses) = (Vec::new(), Vec::new());
    for step in 0..10 {
        let loss = loss(&net, step, device);
        losses.push(floats(loss.clone())[0]);
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        net = training.step(&mut optimizer, 0.05, net, grads).unwrap();
        seen.push(by_place(&net.conv.values, &net.conv.topology));
    }
    (seen, losses, net)
}

#[test]
fn set_prunes_and_grows_what_the_engine_would() {
    let device = Device::flex().autodiff();
    let (seen, _, net) = trained(Dynamics::Set, sgd(), &device);
    for step in 1..10u64 {
        let sorted = |at: &HashMap<u32, f32>| {
            let mut all: Vec<_> = at.iter().map(|(p, v)| (*p, *v)).collect();
            all.sort_by_key(|(p, _)| *p);
            all.into_iter().unzip::<u32, f32, Vec<_>, Vec<_>>()
        };
        let ((before, values), (after, _)) = (sorted(&seen[step as usize - 1]), sorted(&seen[step as usize]));
        let n = 216;
        // The last of ten steps is no place for weights that would not be trained.
        let due = step % 3 == 0 && step < 9;
        let expected = match due {
            true => {
                let kept = prune(PruneRule::Set, death_rate(0.4, step, 10), &before, &values, n).unwrap();
                let count = before.len() - kept.len();
                grow(Growth::Random, &before, kept, n, count, &mut growth_stream(6, step as u32 / 3, 0)).unwrap().0
            }
            false => before.clone(),
        };
        assert_eq!(after, expected, "step {step}");
        assert_eq!(due, before != after, "step {step}");
    }
    assert_eq!((net.conv.values.dims(), net.conv.probe.dims()), ([65], [1]));
}

/// Momentum without a gradient: what a weight does next is its moment.
#[test]
fn moments_move_with_their_weights() {
    let device = Device::flex().autodiff();
    let training = training(Dynamics::Set, 1, 10);
    let mut net = training.begin(Net::new(&device)).unwrap();
    let mut optimizer = training.optimizer(sgd(), &net).unwrap();
    let (rate, momentum) = (0.05f32, 0.9f32);
    let mut moments: HashMap<u32, f32> = HashMap::new();
    for step in 0..4 {
        let grads = GradientsParams::from_grads(loss(&net, step, &device).backward(), &net);
        let gradient = grads.get::<1>(net.conv.values.id).unwrap();
        let gradients: HashMap<u32, f32> = topology_of(&net.conv.topology).positions().iter().copied().zip(floats(gradient)).collect();
        let before = by_place(&net.conv.values, &net.conv.topology);
        net = training.step(&mut optimizer, f64::from(rate), net, grads).unwrap();
        let after = by_place(&net.conv.values, &net.conv.topology);
        let next: HashMap<u32, f32> = after
            .keys()
            .map(|p| {
                let (old, gradient) = (moments.get(p).copied().unwrap_or(0.0), gradients.get(p).copied().unwrap_or(0.0));
                (*p, momentum * old + gradient)
            })
            .collect();
        for (p, value) in &after {
            let expected = before.get(p).copied().unwrap_or(0.0) - rate * next[p];
            assert!((value - expected).abs() < 1e-6, "step {step}, place {p}: {value}, expected {expected}");
        }
        if step > 0 {
            assert!(after.keys().any(|p| !before.contains_key(p)), "an update in every step");
        }
        moments = next;
    }
}

#[test]
fn rigl_grows_where_the_dense_gradient_is_largest() {
    let device = Device::flex().autodiff();
    let training = training(Dynamics::RigL, 2, 10);
    let mut net = training.begin(Net::new(&device)).unwrap();
    let mut optimizer = training.optimizer(sgd(), &net).unwrap();
    let mut opened = Vec::new();
    for step in 0..5u64 {
        let probe = net.conv.probe.dims()[0];
        opened.push(probe);
        let grads = GradientsParams::from_grads(loss(&net, step, &device).backward(), &net);
        let dense = grads.get::<1>(net.conv.probe.id).map(floats);
        let before = topology_of(&net.conv.topology).positions().to_vec();
        let values = floats(net.conv.values.val());
        net = training.step(&mut optimizer, 0.05, net, grads).unwrap();
        let after = topology_of(&net.conv.topology).positions().to_vec();
        let Some(dense) = dense else {
            assert_eq!(before, after, "step {step}");
            continue;
        };
        let kept = prune(PruneRule::Magnitude, death_rate(0.4, step, 10), &before, &values, 216).unwrap();
        let count = before.len() - kept.len();
        let expected = grow(Growth::Gradient(&dense), &before, kept, 216, count, &mut growth_stream(6, 0, 0)).unwrap().0;
        assert_eq!(after, expected, "step {step}");
        assert_eq!(training.changes()[0].path, "conv");
    }
    assert_eq!(opened, [1, 1, 216, 1, 216], "the dense gradient is computed in steps that need it");
}

#[test]
fn networks_learn_while_they_change() {
    let device = Device::flex().autodiff();
    for dynamics in [Dynamics::Static, Dynamics::Set, Dynamics::RigL] {
        let config = SparseTrainingConfig::new(0.3, 10, 120).with_dynamics(dynamics).with_rate_schedule(RateSchedule::Linear);
        let training = config.init().unwrap();
        let mut net = training.begin(Net::new(&device)).unwrap();
        let mut optimizer = training.optimizer(AdamConfig::new().build(), &net).unwrap();
        let mut losses = Vec::new();
        for step in 0..120 {
            let loss = loss(&net, step, &device);
            losses.push(floats(loss.clone())[0]);
            let grads = GradientsParams::from_grads(loss.backward(), &net);
            net = training.step(&mut optimizer, 0.02, net, grads).unwrap();
        }
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
        let (first, last) = (mean(&losses[..10]), mean(&losses[110..]));
        assert!(last < 0.5 * first, "{dynamics:?}: {first} to {last}");
        assert_eq!(training.changes().is_empty(), dynamics == Dynamics::Static);
    }
}

#[test]
fn a_run_goes_on_from_a_record_as_if_it_had_not_stopped() {
    let device = Device::flex().autodiff();
    for (dynamics, stop) in [(Dynamics::Set, 5), (Dynamics::RigL, 6), (Dynamics::RigL, 4)] {
        // Other tests draw from the same device.
        let start = Net::new(&device);
        let run = |from: Option<(Vec<u8>, burn::optim::OptimizerRecord)>, stop: Option<u64>| {
            let training = training(dynamics, 3, 12);
            let mut net = training.begin(if from.is_some() { Net::new(&device) } else { start.clone() }).unwrap();
            let mut at = 0;
            let mut record = None;
            if let Some((bytes, optimizer)) = from {
                at = stop.unwrap();
                net = training.resume(net, at).unwrap();
                net = net.load_record(ModuleRecord::from_bytes(burn::tensor::Bytes::from_bytes_vec(bytes)).unwrap());
                record = Some(optimizer);
            }
            let mut optimizer = training.optimizer(sgd(), &net).unwrap();
            if let Some(record) = record {
                optimizer = optimizer.load_record(record);
            }
            let until = if at == 0 { stop.unwrap_or(12) } else { 12 };
            for step in at..until {
                let grads = GradientsParams::from_grads(loss(&net, step, &device).backward(), &net);
                net = training.step(&mut optimizer, 0.05, net, grads).unwrap();
            }
            (net, optimizer)
        };
        let (whole, _) = run(None, None);
        let (half, optimizer) = run(None, Some(stop));
        let saved = (half.into_record().into_bytes().unwrap().to_vec(), optimizer.to_record());
        let (resumed, _) = run(Some(saved), Some(stop));
        let all = |net: &Net| by_place(&net.conv.values, &net.conv.topology);
        assert_eq!(all(&whole), all(&resumed), "{dynamics:?} at {stop}");
    }
}

#[test]
fn an_optimizer_that_keeps_moments_in_their_old_places_is_noticed() {
    let device = Device::flex().autodiff();
    let training = training(Dynamics::Set, 1, 10);
    let mut net = training.begin(Net::new(&device)).unwrap();
    let mut optimizer = burn::optim::ModuleOptimizer::from(sgd());
    let step = |net: Net, seed| {
        let grads = GradientsParams::from_grads(loss(&net, seed, &device).backward(), &net);
        training.update(net, grads)
    };
    let (model, grads) = step(net, 0).unwrap();
    net = optimizer.step(0.1, model, grads);
    let e = step(net, 1).unwrap_err().to_string();
    assert!(e.contains("conv") && e.contains("SparseTraining::optimizer"), "{e}");
    assert!(SparseTrainingConfig::new(0.1, 0, 10).init().is_err());
    assert!(SparseTrainingConfig::new(0.1, 1, 10).with_rate(1.5).init().is_err());
}

/// Whatever a module has beside our layers stays as it is.
#[test]
fn other_parameters_are_left_alone() {
    struct Ids(Vec<(burn::module::ParamId, usize)>);
    impl ModuleVisitor for Ids {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push((param.id, param.val().shape().num_elements()));
        }
    }
    let device = Device::flex().autodiff();
    let ids = |net: &Net| {
        let mut ids = Ids(Vec::new());
        net.visit(&mut ids);
        ids.0
    };
    let training = training(Dynamics::RigL, 1, 10);
    let net = training.begin(Net::new(&device)).unwrap();
    let before = ids(&net);
    let grads = GradientsParams::from_grads(loss(&net, 0, &device).backward(), &net);
    let (net, _) = training.update(net, grads).unwrap();
    let after = ids(&net);
    assert_eq!(before.iter().map(|(id, _)| *id).collect::<Vec<_>>(), after.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    assert_eq!(before.iter().filter(|(_, len)| *len == 1).count(), 2, "probes rest");
    assert!(after.iter().all(|(_, len)| *len > 1), "and are open before an update");
}
