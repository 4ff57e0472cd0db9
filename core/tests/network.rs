//! Whole networks against finite differences, and what they hold in memory.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use sparring_core::Device;
use sparring_core::config::OptimizerName;
use sparring_core::net::graph::Init;
use sparring_core::net::plan::allocate_io;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::zoo::{Input, Model, golden_net};
use sparring_core::net::{Graph, Net, Placement, StateDict, init};
use sparring_core::ops::{StepParams, padded_batch};
use sparring_core::rng::{Purpose, Stream};
use sparring_core::sparse::mask;

const EXTENT: (usize, usize, usize) = (3, 8, 8);
const BATCH: usize = 5;

fn empty() -> Graph {
    Graph::new(EXTENT, 4, [0.5, 0.4, 0.3, 0.0], [0.2, 0.25, 0.3, 1.0])
}

/// Every layer kind there is: residuals with identity, projection and option A, both poolings, biases, a lone ReLU.
fn everything() -> Graph {
    let mut g = empty();
    let k = Init::KaimingNormalFanIn;
    let stem = g.conv(0, "stem", 4, [3, 1, 1], true, k).unwrap();
    let a = g.batchnorm(stem, "bn0", None, true);
    let c1 = g.conv(a, "c1", 4, [3, 1, 1], false, k).unwrap();
    let b = g.batchnorm(c1, "bn1", Some(a), true);
    let c2 = g.conv(b, "c2", 6, [3, 2, 1], false, k).unwrap();
    let project = g.conv(b, "project", 6, [1, 2, 0], false, k).unwrap();
    let shortcut = g.batchnorm(project, "bn_project", None, false);
    let c = g.batchnorm(c2, "bn2", Some(shortcut), true);
    let c3 = g.conv(c, "c3", 8, [3, 1, 1], false, k).unwrap();
    let padded = g.shortcut_a(c, 8, 1);
    let d = g.batchnorm(c3, "bn3", Some(padded), true);
    let pooled = g.max_pool2(d);
    let l1 = g.linear(pooled, "l1", 7, true);
    let r = g.relu(l1);
    let n = g.batchnorm(r, "bn4", None, false);
    g.linear(n, "l2", 4, true);
    g
}

fn placements(graph: &Graph, sparse: bool) -> Vec<Placement> {
    let place = |(i, w): (usize, sparring_core::net::graph::WeightInfo)| match sparse && i % 2 == 1 {
        true => Placement::Sparse(mask::initial(3, i, w.shape.weights(), 0.4)),
        false => Placement::Dense,
    };
    graph.weights().into_iter().enumerate().map(place).collect()
}

/// The mean loss of a fixed batch in float64, and the state after one step of plain SGD at this rate.
fn step(graph: &Graph, state: &StateDict, sparse: bool, lr: f32) -> (f64, StateDict) {
    let mut device = Device::oracle();
    let (mut scratch, n) = (Scratch::default(), padded_batch(BATCH));
    let io = allocate_io(&mut device, EXTENT, n, n).unwrap();
    let mut stream = Stream::new(1, Purpose::Test, 0, 0);
    let words = EXTENT.0 * EXTENT.1 * EXTENT.2 / 4;
    let bytes: Vec<u32> = (0..n * words).map(|_| stream.next_u32()).collect();
    device.write_u32(io.bytes, 0, &bytes).unwrap();
    let identity = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    device.write_f32(io.augmentation, 0, &identity.repeat(n)).unwrap();
    device.write_u32(io.labels, 0, &(0..n as u32).map(|i| i % 4).collect::<Vec<_>>()).unwrap();
    let places = placements(graph, sparse);
    let mut net = Net::plan(&mut device, &mut scratch, io, graph.clone(), n, state, places, OptimizerName::Sgd, false).unwrap();
    net.train_step(&mut device, &StepParams { n_valid: BATCH as u32, lr, ..StepParams::default() }).unwrap();
    let after = pollster::block_on(net.state(&device)).unwrap();
    let Device::Oracle(oracle) = &device else { unreachable!() };
    (oracle.read(io.totals, 0, 1).unwrap()[0] / BATCH as f64, after)
}

/// Central differences of the loss against what one step of lr 1 subtracts, at coordinates of every tensor.
fn gradients_are_finite_differences(graph: &Graph, sparse: bool) {
    let start = init::initial_state(graph, 9);
    // Through one step of nothing, so that sparse tensors hold their zeros.
    let (_, state) = step(graph, &start, sparse, 0.0);
    let (_, after) = step(graph, &state, sparse, 1.0);
    let mut stream = Stream::new(2, Purpose::Test, 0, 0);
    let (mut checked, mut kinks) = (0, 0);
    for (name, tensor) in state.tensors.iter().filter(|(name, _)| !name.contains("running")) {
        let active: Vec<usize> = (0..tensor.data.len()).filter(|&i| tensor.shape.len() == 1 || tensor.data[i] != 0.0).collect();
        for _ in 0..4 {
            let i = active[stream.below(active.len() as u32) as usize];
            let gradient = f64::from(tensor.data[i]) - f64::from(after.tensors[name].data[i]);
            let slope = |h: f32| {
                let at = |h: f32| {
                    let mut moved = state.clone();
                    moved.tensors.get_mut(name).unwrap().data[i] += h;
                    let x = f64::from(moved.tensors[name].data[i]);
                    (x, step(graph, &moved, sparse, 0.0).0)
                };
                let ((x1, f1), (x0, f0)) = (at(h), at(-h));
                (f1 - f0) / (x1 - x0)
            };
            let (coarse, fine) = (slope(2e-5), slope(1e-5));
            // Where two steps disagree a ReLU or a maximum switches in between, and no difference is the gradient.
            if (coarse - fine).abs() > 1e-4 * (1e-2 + fine.abs()) {
                kinks += 1;
                continue;
            }
            // The step's result is rounded to f32 once, at values of order 1.
            assert!((fine - gradient).abs() < 2e-4 * gradient.abs() + 2e-6, "{name}[{i}]: {gradient} against {fine}");
            checked += 1;
        }
    }
    assert!(checked > 4 * kinks, "{checked} checked, {kinks} kinks");
}

#[test]
fn gradients_of_every_layer_dense() {
    gradients_are_finite_differences(&everything(), false);
}

#[test]
fn gradients_of_every_layer_sparse() {
    gradients_are_finite_differences(&everything(), true);
}

#[test]
fn gradients_of_the_golden_net() {
    let mut g = empty();
    golden_net(&mut g).unwrap();
    gradients_are_finite_differences(&g, true);
}

/// Device bytes of a planned network at this density (uniform), without and with what is only needed inside a step.
fn bytes(density: f64) -> (u64, u64, u64) {
    let input = Input { extent: (3, 32, 32), classes: 10, mean: [0.0; 4], std: [1.0; 4] };
    let graph = Model::ResNet18.graph(input).unwrap();
    let mut device = Device::cpu();
    let n = 4;
    let io = allocate_io(&mut device, (3, 32, 32), n, n).unwrap();
    let state = init::initial_state(&graph, 0);
    let place = |(i, w): (usize, sparring_core::net::graph::WeightInfo)| Placement::Sparse(mask::initial(0, i, w.shape.weights(), density));
    let places = graph.weights().into_iter().enumerate().map(place).collect();
    let mut scratch = Scratch::default();
    let before = device.allocated_bytes();
    let net = Net::plan(&mut device, &mut scratch, io, graph, n, &state, places, OptimizerName::Sgd, false).unwrap();
    (device.allocated_bytes() - before, 4 * scratch.words() as u64, net.weight_bytes())
}

#[test]
fn a_sparse_network_holds_nothing_of_the_dense_size() {
    let dense_weight = 4 * 11_164_352; // all weight tensors of ResNet18, bytes
    let (total, scratch, weights) = bytes(0.05);
    // Value, gradient, momentum and four index words for each of the 5 %; activations of 4 images; BatchNorm.
    assert!(weights < dense_weight * 7 / 20 + 200_000, "{weights}");
    assert!(total - scratch < dense_weight * 7 / 20 + 400_000, "{total} - {scratch}");
    // The largest dense tensor (512x512x3x3) is 9.4 MB: no buffer of its size is in the pool.
    let (_, more, _) = bytes(0.1);
    assert!(more - scratch < 4 * 512 * 512 * 9 / 10, "gradients grow with the non-zeros only: {scratch} to {more}");
}
