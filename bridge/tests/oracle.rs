//! The engine against Burn's autodiff: random small networks of every layer that both have, dense and sparse, give the same logits, the same
//! loss and the same gradient of every tensor. Burn computes them by its own operations on its CPU backend; nothing here is ours but the list
//! of layers. Seeds are printed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Int, Tensor};
use common::{floats, tensor};
use sparring_core::Device;
use sparring_core::formats::StateDict;
use sparring_core::net::graph::{Init, Layer, Node, NodeId};
use sparring_core::net::scratch::Scratch;
use sparring_core::net::{Graph, Io, Net, NetConfig, Placement, init};
use sparring_core::ops::{Dtype, OptimizerName, StepParams, padded_batch};
use sparring_core::rng::Stream;
use sparring_core::sparse::mask;

/// Of the largest number of a tensor: sums of thousands of products, divided by spreads, in another order.
const RELATIVE: f32 = 1e-4;
const CASES: u64 = 50;
const CLASSES: usize = 4;
const EPS: f64 = 1e-5;

fn pick<T: Copy>(stream: &mut Stream, of: &[T]) -> T {
    of[stream.below(of.len() as u32) as usize]
}

/// A network of a few random blocks.
fn network(stream: &mut Stream) -> Graph {
    let extent = (pick(stream, &[1, 3, 4]), pick(stream, &[6, 7, 9]), pick(stream, &[6, 8]));
    let mut g = Graph::new(extent, CLASSES, [0.5, 0.4, 0.3, 0.45], [0.2, 0.25, 0.3, 0.22]);
    let kind = Init::KaimingNormalFanIn;
    let width = pick(stream, &[3, 5, 8]);
    let stem = g.conv(0, "stem", width, [3, 1, 1], stream.below(2) == 0, kind).unwrap();
    let mut at = g.batchnorm(stem, "stem_bn", None, true);
    for block in 0..1 + stream.below(3) {
        let name = |part: &str| format!("block{block}.{part}");
        let (c, h, w) = g.extent(at);
        let kernel = pick(stream, &[[3, 1, 1], [1, 1, 0], [3, 2, 1], [5, 1, 2]]);
        at = match stream.below(6) {
            // The identity around two convolutions.
            0 => {
                let first = g.conv(at, &name("conv1"), c, [3, 1, 1], false, kind).unwrap();
                let norm = g.batchnorm(first, &name("bn1"), None, true);
                let second = g.conv(norm, &name("conv2"), c, [3, 1, 1], false, kind).unwrap();
                g.batchnorm(second, &name("bn2"), Some(at), true)
            }
            // A projection beside a strided one.
            1 => {
                let main = g.conv(at, &name("conv1"), c + 2, [3, 2, 1], false, kind).unwrap();
                let beside = g.conv(at, &name("shortcut"), c + 2, [1, 2, 0], false, kind).unwrap();
                let beside = g.batchnorm(beside, &name("bn_shortcut"), None, false);
                g.batchnorm(main, &name("bn1"), Some(beside), true)
            }
            // The shortcut without parameters.
            2 => {
                let main = g.conv(at, &name("conv1"), c + 4, [3, 2, 1], false, kind).unwrap();
                let beside = g.shortcut_a(at, c + 4, 2);
                g.batchnorm(main, &name("bn1"), Some(beside), true)
            }
            3 if h >= 4 && w >= 4 => g.max_pool2(at).unwrap(),
            // A sum that no BatchNorm follows.
            4 => {
                let first = g.conv(at, &name("conv1"), c + 1, [3, 1, 1], false, kind).unwrap();
                let norm = g.batchnorm(first, &name("bn1"), None, true);
                g.conv(norm, &name("conv2"), c, [3, 1, 1], false, kind).unwrap();
                g.add(at).unwrap()
            }
            _ => {
                let conv = g.conv(at, &name("conv1"), pick(stream, &[4, 6]), kernel, true, kind).unwrap();
                g.relu(conv)
            }
        };
    }
    if stream.below(2) == 0 {
        at = g.global_avg_pool(at);
    }
    if stream.below(3) == 0 {
        let hidden = g.linear(at, "hidden", 7, true);
        at = g.relu(hidden);
    }
    g.linear(at, "fc", CLASSES, stream.below(4) > 0);
    g
}

/// What both are asked.
struct Question {
    graph: Graph,
    state: StateDict,
    placements: Vec<Placement>,
    /// `[n][c][h][w]`.
    pixels: Vec<f32>,
    labels: Vec<u32>,
}

fn question(seed: u64) -> Question {
    let mut stream = common::stream(1000 + seed);
    let graph = network(&mut stream);
    let batch = pick(&mut stream, &[3, 5, 8]);
    let (c, h, w) = graph.extent(0);
    let mut state = init::initial_state(&graph, seed);
    for (name, tensor) in state.tensors.iter_mut().filter(|(_, t)| t.shape.len() == 1) {
        // Variances stay positive.
        let about = if name.ends_with("running_var") { 0.5 } else { 0.0 };
        tensor.data.iter_mut().for_each(|v| *v = about + (*v + 0.2 * stream.normal()).abs().max(0.05));
    }
    let density = pick(&mut stream, &[0.2, 0.5, 1.0]);
    let place = |(i, weight): (usize, sparring_core::net::graph::WeightInfo)| {
        let positions = mask::initial(seed, i, weight.shape.weights(), density);
        let dense = &mut state.tensors.get_mut(&weight.name).unwrap().data;
        (0..dense.len() as u32).filter(|p| positions.binary_search(p).is_err()).for_each(|p| dense[p as usize] = 0.0);
        if density == 1.0 { Placement::Dense } else { Placement::Sparse(positions) }
    };
    let placements = graph.weights().into_iter().enumerate().map(place).collect();
    let pixels = (0..batch * c * h * w).map(|_| stream.uniform()).collect();
    let labels = (0..batch).map(|_| stream.below(CLASSES as u32)).collect();
    Question { graph, state, placements, pixels, labels }
}

/// Logits `[n][classes]`, the mean loss in training, and every gradient by name.
struct Answer {
    logits: Vec<f32>,
    loss: f32,
    gradients: BTreeMap<String, Vec<f32>>,
}

fn of_the_engine(q: &Question) -> Answer {
    let (mut device, mut scratch) = (Device::cpu(), Scratch::default());
    let (batch, extent) = (q.labels.len(), q.graph.extent(0));
    let (n, each) = (padded_batch(batch), extent.0 * extent.1 * extent.2);
    let mut io = Io::new(&mut device, extent, n, n).unwrap();
    let pixels = device.alloc("pixels", n * each, Dtype::F32).unwrap();
    io.pixels = Some(pixels);
    let mut lanes = vec![0.0; n * each];
    for (i, v) in q.pixels.iter().enumerate() {
        lanes[i % each * n + i / each] = *v;
    }
    device.write_f32(pixels, 0, &lanes).unwrap();
    device.write_u32(io.labels, 0, &q.labels).unwrap();
    let config = NetConfig { graph: q.graph.clone(), n, placements: q.placements.clone(), training: OptimizerName::Sgd.into() };
    let mut net = Net::plan(&mut device, &mut scratch, io, &q.state, config).unwrap();
    // A step of nothing leaves the gradients as momentum.
    let step = StepParams { n_valid: batch as u32, lr: 0.0, momentum: 0.9, ..StepParams::default() };
    let (logits, lanes) = pollster::block_on(net.logits(&mut device, &mut scratch, &step)).unwrap();
    net.train_step(&mut device, &step).unwrap();
    let totals = pollster::block_on(device.read_f32(io.totals, 0, 1)).unwrap();
    let arrays = pollster::block_on(net.read_arrays(&device)).unwrap();
    let mut gradients = BTreeMap::new();
    for (name, array) in arrays {
        let Some(name) = name.strip_prefix("first/") else { continue };
        // Of a BatchNorm, factors and summands lie in one array.
        match name.strip_suffix(".weight").filter(|module| q.state.tensors.contains_key(&format!("{module}.running_var"))) {
            Some(module) => {
                let (weight, bias) = array.split_at(array.len() / 2);
                gradients.insert(name.to_owned(), weight.to_vec());
                gradients.insert(format!("{module}.bias"), bias.to_vec());
            }
            None => drop(gradients.insert(name.to_owned(), array)),
        }
    }
    let logits = (0..batch).flat_map(|i| (0..CLASSES).map(move |k| (i, k))).map(|(i, k)| logits[k * lanes + i]).collect();
    Answer { logits, loss: totals[0] / batch as f32, gradients }
}

fn of_burn(q: &Question) -> Answer {
    let device = burn::tensor::Device::flex().autodiff();
    let weights: BTreeMap<&str, Tensor<1>> =
        q.state.tensors.iter().map(|(name, t)| (name.as_str(), tensor(t.data.clone(), [t.data.len()], &device).require_grad())).collect();
    let logits = evaluate(q, &weights, false);
    let trained = evaluate(q, &weights, true);
    let labels: Vec<i32> = q.labels.iter().map(|l| *l as i32).collect();
    let labels = Tensor::<1, Int>::from_data(labels.as_slice(), &device).reshape([q.labels.len(), 1]);
    let loss = -log_softmax(trained, 1).gather(1, labels).mean();
    let grads = loss.backward();
    let mut gradients: BTreeMap<String, Vec<f32>> =
        weights.iter().filter_map(|(name, w)| Some(((*name).to_owned(), floats(w.grad(&grads)?)))).collect();
    for (weight, placement) in q.graph.weights().iter().zip(&q.placements) {
        if let Placement::Sparse(positions) = placement {
            let dense = gradients.get_mut(&weight.name).unwrap();
            *dense = positions.iter().map(|p| dense[*p as usize]).collect();
        }
    }
    Answer { logits: floats(logits), loss: floats(loss)[0], gradients }
}

/// The logits by Burn's operations, `[n, classes]`.
fn evaluate(q: &Question, weights: &BTreeMap<&str, Tensor<1>>, training: bool) -> Tensor<2> {
    let n = q.labels.len();
    let device = weights.values().next().unwrap().device();
    let channels = |values: Tensor<1>| {
        let c = values.dims()[0];
        values.reshape([1, c, 1, 1])
    };
    let constant = |values: &[f32], c: usize| channels(tensor(values[..c].to_vec(), [c], &device));
    let mut made: Vec<Tensor<4>> = Vec::new();
    let of = |name: &str, part: &str| weights.get(format!("{name}.{part}").as_str()).cloned();
    for node in &q.graph.nodes {
        let shape = node.shape;
        let read = |id: NodeId| made[id].clone();
        let next = match &node.layer {
            Layer::Input => {
                let pixels = tensor(q.pixels.clone(), [n, shape.c, shape.h, shape.w], &device);
                (pixels - constant(&q.graph.mean, shape.c)) / constant(&q.graph.std, shape.c)
            }
            Layer::Conv { name, shape: s, bias, linear, .. } => {
                let x = if *linear { read(node.input).reshape([n, s.c_in, 1, 1]) } else { read(node.input) };
                let weight = of(name, "weight").unwrap().reshape([s.c_out, s.c_in, s.kh, s.kw]);
                let bias = bias.then(|| of(name, "bias").unwrap());
                conv2d(x, weight, bias, ConvOptions::new([s.stride; 2], [s.pad; 2], [1, 1], 1))
            }
            Layer::BatchNorm { name, residual, relu: gate } => {
                let x = read(node.input);
                let (mean, variance) = if training {
                    let mean = x.clone().mean_dims(&[0, 2, 3]);
                    (mean.clone(), (x.clone() - mean).powf_scalar(2.0).mean_dims(&[0, 2, 3]))
                } else {
                    (channels(of(name, "running_mean").unwrap()), channels(of(name, "running_var").unwrap()))
                };
                let y = (x - mean) / (variance + EPS).sqrt() * channels(of(name, "weight").unwrap()) + channels(of(name, "bias").unwrap());
                let y = residual.map_or(y.clone(), |id| y + read(id));
                if *gate { relu(y) } else { y }
            }
            Layer::Relu => relu(read(node.input)),
            Layer::Add { other } => read(node.input) + read(*other),
            Layer::MaxPool(_) => max_pool2d(read(node.input), MaxPoolOptions::new([2, 2])),
            Layer::AvgPool(_) => read(node.input).mean_dims(&[2, 3]),
            Layer::ShortcutA { stride } => {
                let x = read(node.input);
                let [_, c, h, w] = x.dims();
                let rows = Tensor::<1, Int>::arange_step(0..h as i64, *stride, &device);
                let columns = Tensor::<1, Int>::arange_step(0..w as i64, *stride, &device);
                let x = x.select(2, rows).select(3, columns);
                let before = (shape.c - c) / 2;
                let zeros = |c| Tensor::zeros([n, c, shape.h, shape.w], &device);
                Tensor::cat(vec![zeros(before), x, zeros(shape.c - c - before)], 1)
            }
        };
        assert_eq!(next.dims(), [n, shape.c, shape.h, shape.w], "{:?}", node.layer);
        made.push(next);
    }
    made.pop().unwrap().reshape([n, CLASSES])
}

/// The bias of the convolution that this BatchNorm normalises.
fn normalised_bias(graph: &Graph, node: &Node) -> Option<String> {
    match (&node.layer, &graph.nodes[node.input].layer) {
        (Layer::BatchNorm { .. }, Layer::Conv { name, bias: true, .. }) => Some(format!("{name}.bias")),
        _ => None,
    }
}

#[test]
fn random_networks_have_one_gradient_in_the_engine_and_in_burn() {
    let (mut tensors, mut layers) = (0, BTreeMap::new());
    for seed in 0..CASES {
        let q = question(seed);
        let (engine, burn) = (of_the_engine(&q), of_burn(&q));
        println!("seed {seed}: {} layers, batch {}, loss {:.6} and {:.6}", q.graph.nodes.len() - 1, q.labels.len(), engine.loss, burn.loss);
        common::assert_close(&engine.logits, &burn.logits, RELATIVE, &format!("logits of seed {seed}"));
        common::assert_close(&[engine.loss], &[burn.loss], RELATIVE, &format!("loss of seed {seed}"));
        let names: Vec<_> = engine.gradients.keys().collect();
        assert_eq!(names, burn.gradients.keys().collect::<Vec<_>>(), "seed {seed}");
        let largest = burn.gradients.values().flatten().fold(0.0f32, |m, g| m.max(g.abs()));
        let normalised: Vec<String> = q.graph.nodes.iter().filter_map(|node| normalised_bias(&q.graph, node)).collect();
        for (name, gradient) in &engine.gradients {
            let expected = &burn.gradients[name];
            // Where a BatchNorm follows, the gradient of a bias is nothing but the rounding of others.
            let least = if normalised.contains(name) { 1.0 } else { 1e-3 };
            let scale = expected.iter().fold(least * largest, |m, g| m.max(g.abs()));
            let worst = gradient.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(gradient.len() == expected.len() && worst <= RELATIVE * scale, "{name} of seed {seed}: {worst} off of {scale}");
            tensors += 1;
        }
        for node in &q.graph.nodes {
            let kind = format!("{:?}", node.layer);
            *layers.entry(kind.split([' ', '(']).next().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    println!("{CASES} networks, {tensors} gradients, layers {layers:?}");
    assert_eq!(layers.len(), 8, "every kind of layer");
}
