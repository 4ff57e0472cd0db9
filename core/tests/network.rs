//! Whole networks against finite differences, and what they hold in memory.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use sparring_core::Device;
use sparring_core::device::info::DeviceChoice;
use sparring_core::formats::StateDict;
use sparring_core::net::Io;
use sparring_core::net::NetConfig;
use sparring_core::net::graph::Init;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::zoo::{Architecture, Input, Model, golden_net};
use sparring_core::net::{Graph, Net, Placement, Training, init};
use sparring_core::ops::{OptimizerName, Precision};
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
    let pooled = g.max_pool2(d).unwrap();
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
    let io = Io::new(&mut device, EXTENT, n, n).unwrap();
    let mut stream = Stream::new(1, Purpose::Test, 0, 0);
    let words = EXTENT.0 * EXTENT.1 * EXTENT.2 / 4;
    let bytes: Vec<u32> = (0..n * words).map(|_| stream.next_u32()).collect();
    device.write_u32(io.bytes, 0, &bytes).unwrap();
    let identity = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    device.write_f32(io.augmentation, 0, &identity.repeat(n)).unwrap();
    device.write_u32(io.labels, 0, &(0..n as u32).map(|i| i % 4).collect::<Vec<_>>()).unwrap();
    let places = placements(graph, sparse);
    let mut net = Net::plan(
        &mut device,
        &mut scratch,
        io,
        state,
        NetConfig { graph: graph.clone(), n, placements: places, training: OptimizerName::Sgd.into() },
    )
    .unwrap();
    net.train_step(&mut device, &StepParams { n_valid: BATCH as u32, lr, ..StepParams::default() }).unwrap();
    let after = pollster::block_on(net.state(&device)).unwrap();
    let Device::Oracle(oracle) = &device else { unreachable!() };
    (oracle.read(io.totals, 0, 1).unwrap()[0] / BATCH as f64, after)
}

/// Central differences of the loss against what one step of lr 1 subtracts, at coordinates of every tensor.
fn gradients_are_finite_differences(graph: &Graph, sparse: bool) {
    let mut start = init::initial_state(graph, 9);
    // A channel without weights is zero before BatchNorm; with a bias of zero it would stand at the kink of ReLU.
    let mut stream = Stream::new(3, Purpose::Test, 0, 0);
    let vectors = start.tensors.iter_mut().filter(|(name, t)| t.shape.len() == 1 && !name.contains("running"));
    vectors.flat_map(|(_, t)| &mut t.data).for_each(|v| *v += 0.2 + 0.3 * stream.uniform());
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

/// A bottleneck with a projection, then one with the identity.
fn bottlenecks() -> Graph {
    let mut g = empty();
    let k = Init::KaimingNormalFanIn;
    let stem = g.conv(0, "stem", 4, [3, 1, 1], false, k).unwrap();
    let mut at = g.batchnorm(stem, "bn", None, true);
    for (name, stride) in [("a", 2), ("b", 1)] {
        let conv = g.conv(at, &format!("{name}.conv1"), 3, [1, 1, 0], false, k).unwrap();
        let bn = g.batchnorm(conv, &format!("{name}.bn1"), None, true);
        let conv = g.conv(bn, &format!("{name}.conv2"), 3, [3, stride, 1], false, k).unwrap();
        let bn = g.batchnorm(conv, &format!("{name}.bn2"), None, true);
        let last = g.conv(bn, &format!("{name}.conv3"), 12, [1, 1, 0], false, k).unwrap();
        let shortcut = match stride {
            1 => at,
            _ => {
                let conv = g.conv(at, "project", 12, [1, stride, 0], false, k).unwrap();
                g.batchnorm(conv, "bn_project", None, false)
            }
        };
        at = g.batchnorm(last, &format!("{name}.bn3"), Some(shortcut), true);
    }
    let pooled = g.global_avg_pool(at);
    g.linear(pooled, "fc", 4, false);
    g
}

/// Pre-activation blocks: identity (whose BatchNorm is not the only reader of its input), projection, identity.
fn pre_activation() -> Graph {
    let mut g = empty();
    let k = Init::KaimingNormalFanOut;
    let mut at = g.conv(0, "stem", 4, [3, 1, 1], false, k).unwrap();
    for (name, channels, stride) in [("a", 4, 1), ("b", 6, 2), ("c", 6, 1)] {
        let active = g.batchnorm(at, &format!("{name}.bn1"), None, true);
        let conv = g.conv(active, &format!("{name}.conv1"), channels, [3, stride, 1], false, k).unwrap();
        let bn = g.batchnorm(conv, &format!("{name}.bn2"), None, true);
        let conv2 = g.conv(bn, &format!("{name}.conv2"), channels, [3, 1, 1], false, k).unwrap();
        at = match stride {
            1 => g.add(at).unwrap(),
            _ => {
                g.conv(active, &format!("{name}.convShortcut"), channels, [1, stride, 0], false, k).unwrap();
                g.add(conv2).unwrap()
            }
        };
    }
    let active = g.batchnorm(at, "bn", None, true);
    let pooled = g.global_avg_pool(active);
    g.linear(pooled, "fc", 4, true);
    g
}

/// A large kernel with a stride of 4 (also not in the first layer), biases before BatchNorm, linear layers with BatchNorm and ReLU.
fn alexnet_like() -> Graph {
    let mut g = empty();
    let t = Init::TorchDefault;
    let first = g.conv(0, "c1", 6, [11, 2, 5], true, t).unwrap();
    let bn = g.batchnorm(first, "bn1", None, true);
    let second = g.conv(bn, "c2", 8, [5, 4, 2], true, t).unwrap();
    let bn = g.batchnorm(second, "bn2", None, true);
    let l1 = g.linear(bn, "l1", 9, true);
    let bn = g.batchnorm(l1, "bn3", None, true);
    g.linear(bn, "l2", 4, true);
    g
}

/// Padded 1x1 convolutions, max pooling, then ReLU before BatchNorm in the classifier.
fn vgg_like() -> Graph {
    let mut g = empty();
    let t = Init::TorchDefault;
    let mut at = 0;
    for (i, k) in [3, 1, 3].into_iter().enumerate() {
        at = g.conv(at, &format!("c{i}"), 6, [k, 1, 1], true, t).unwrap();
        at = g.batchnorm(at, &format!("bn{i}"), None, true);
        at = g.max_pool2(at).unwrap();
    }
    for i in 0..2 {
        at = g.linear(at, &format!("l{i}"), 7, true);
        at = g.relu(at);
        at = g.batchnorm(at, &format!("bnl{i}"), None, false);
    }
    g.linear(at, "out", 4, true);
    g
}

#[test]
fn gradients_of_the_families_of_the_zoo() {
    for (name, graph) in
        [("bottlenecks", bottlenecks()), ("pre-activation", pre_activation()), ("alexnet-like", alexnet_like()), ("vgg-like", vgg_like())]
    {
        for sparse in [false, true] {
            println!("{name}, sparse {sparse}");
            gradients_are_finite_differences(&graph, sparse);
        }
    }
}

#[test]
fn a_sum_takes_only_a_fresh_convolution() {
    let mut g = empty();
    let conv = g.conv(0, "c", 4, [3, 1, 1], false, Init::TorchDefault).unwrap();
    assert!(g.add(conv).is_err());
    let other = g.conv(conv, "d", 5, [3, 1, 1], false, Init::TorchDefault).unwrap();
    assert!(g.add(conv).unwrap_err().to_string().contains("add"));
    g.relu(other);
    assert!(g.add(conv).is_err());
}

/// The image itself as a summand.
fn image_added() -> Graph {
    let mut graph = empty();
    graph.conv(0, "a", EXTENT.0, [3, 1, 1], false, Init::KaimingNormalFanOut).unwrap();
    let sum = graph.add(0).unwrap();
    let relu = graph.relu(sum);
    let second = graph.conv(relu, "b", 3, [3, 1, 1], false, Init::KaimingNormalFanOut).unwrap();
    let pooled = graph.global_avg_pool(second);
    graph.linear(pooled, "c", 4, true);
    graph
}

#[test]
fn gradients_of_a_sum_with_the_image() {
    gradients_are_finite_differences(&image_added(), false);
    gradients_are_finite_differences(&image_added(), true);
    let half = Training { precision: Precision::Bf16, ..OptimizerName::Sgd.into() };
    let (state, _) = train(Device::cpu(), &image_added(), true, half, 5, 5, 2);
    assert!(state.tensors.values().all(|tensor| tensor.data.iter().all(|v| v.is_finite())));
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
    let io = Io::new(&mut device, (3, 32, 32), n, n).unwrap();
    let state = init::initial_state(&graph, 0);
    let place = |(i, w): (usize, sparring_core::net::graph::WeightInfo)| Placement::Sparse(mask::initial(0, i, w.shape.weights(), density));
    let places = graph.weights().into_iter().enumerate().map(place).collect();
    let mut scratch = Scratch::default();
    let before = device.allocated_bytes();
    let net =
        Net::plan(&mut device, &mut scratch, io, &state, NetConfig { graph, n, placements: places, training: OptimizerName::Sgd.into() })
            .unwrap();
    (device.allocated_bytes() - before, scratch.bytes() as u64, net.weight_bytes())
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

/// Steps of training on a device: `batch` samples in parts of `part`. Gives the state after them and the words of scratch.
fn train(
    mut device: Device,
    graph: &Graph,
    sparse: bool,
    training: Training,
    batch: usize,
    part: usize,
    steps: usize,
) -> (StateDict, usize) {
    let (mut scratch, n, extent) = (Scratch::default(), padded_batch(part), graph.extent(0));
    let io = Io::new(&mut device, extent, n, n).unwrap();
    let state = init::initial_state(graph, 7);
    let places = placements(graph, sparse);
    let mut net =
        Net::plan(&mut device, &mut scratch, io, &state, NetConfig { graph: graph.clone(), n, placements: places, training }).unwrap();
    let words = (extent.0 * extent.1 * extent.2).div_ceil(4);
    let identity = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    device.write_f32(io.augmentation, 0, &identity.repeat(n)).unwrap();
    let mut stream = Stream::new(5, Purpose::Test, 0, 0);
    for _ in 0..steps {
        let bytes: Vec<u32> = (0..batch * words).map(|_| stream.next_u32()).collect();
        let labels: Vec<u32> = (0..batch).map(|_| stream.below(graph.classes as u32)).collect();
        for from in (0..batch).step_by(part) {
            let end = (from + part).min(batch);
            device.write_u32(io.bytes, 0, &bytes[from * words..end * words]).unwrap();
            device.write_u32(io.labels, 0, &labels[from..end]).unwrap();
            let step = StepParams {
                n_valid: (end - from) as u32,
                batch: batch as u32,
                lr: 0.01,
                momentum: 0.9,
                weight_decay: 5e-4,
                beta2: 0.999,
                epsilon: 1e-8,
                nesterov: 1,
                ..StepParams::default()
            };
            net.train_part(&mut device, &step, end == batch).unwrap();
        }
    }
    (pollster::block_on(net.state(&device)).unwrap(), scratch.bytes() / 4)
}

fn zoo(model: &str, width: f32) -> Graph {
    let model: Model = model.parse().unwrap();
    let input = Input { extent: model.usual_extent(), classes: 10, mean: [0.5; 4], std: [0.25; 4] };
    Architecture { width, ..model.into() }.graph(input).unwrap()
}

#[test]
fn recomputation_saves_memory_and_changes_no_bit() {
    let plain = Training::from(OptimizerName::Sgd);
    let twice = Training { recompute: true, ..plain };
    // The graph, the words of a step that keeps everything and writes every BatchNorm's output, and the most of them that may be left.
    for (graph, written, most) in [
        (zoo("resnet20", 0.5), 1_664_000, 0.5),
        (zoo("vgg16", 0.25), 1_379_984, 0.7),
        (zoo("resnet50", 0.05), 3_261_864, 0.5),
        (zoo("wrn-16-4", 0.1), 975_672, 0.65),
        (zoo("alexnet-s", 0.1), 110_848, 1.0),
        // At 0.4 its sparse layers, of one tap, are computed as dense ones, whose whole tensor lies in the scratch too.
        (zoo("mlp", 0.1), 346_224, 1.01),
        (everything(), 18_618, 1.0),
        (pre_activation(), 22_192, 1.0),
        (vgg_like(), 16_668, 1.0),
    ] {
        for sparse in [false, true] {
            let (kept, all) = train(Device::cpu(), &graph, sparse, plain, 6, 6, 3);
            let (computed, fewer) = train(Device::cpu(), &graph, sparse, twice, 6, 6, 3);
            let name = graph.weights().into_iter().map(|w| w.name).next_back().unwrap();
            println!("{} layers to {name}, sparse {sparse}: {fewer} of {all} words", graph.nodes.len());
            assert!(kept == computed, "{name}: states differ");
            assert!(fewer as f64 <= most * f64::from(written), "{name}: {fewer} of {written} words");
        }
    }
}

#[test]
fn outputs_that_convolutions_normalise_as_they_load_take_no_memory() {
    // Words of the scratch where every BatchNorm writes its output, and the part that is left.
    for (graph, written, most) in [(zoo("resnet20", 0.5), 1_664_000, 0.8), (zoo("resnet50", 0.05), 3_261_864, 0.85)] {
        let (_, words) = train(Device::cpu(), &graph, false, Training::from(OptimizerName::Sgd), 6, 6, 1);
        assert!(words as f64 <= most * f64::from(written), "{words} of {written}");
    }
}

/// The largest difference between two states, relative to the largest value of each tensor.
fn difference(a: &StateDict, b: &StateDict) -> f32 {
    let mut worst = 0.0f32;
    for (name, tensor) in &a.tensors {
        let scale = tensor.data.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
        for (x, y) in tensor.data.iter().zip(&b.tensors[name].data) {
            worst = worst.max((x - y).abs() / scale);
        }
    }
    worst
}

/// How far apart two updates of the convolutions' and linear layers' weights are, in parts of the first one's length.
fn update_difference(before: &StateDict, a: &StateDict, b: &StateDict) -> f64 {
    let (mut apart, mut length) = (0.0, 0.0);
    // Running statistics move far more than weights, and would hide them.
    for (name, before) in before.tensors.iter().filter(|(_, tensor)| tensor.shape.len() > 1) {
        for ((v, a), b) in before.data.iter().zip(&a.tensors[name].data).zip(&b.tensors[name].data) {
            apart += f64::from(a - b).powi(2);
            length += f64::from(a - v).powi(2);
        }
    }
    (apart / length).sqrt()
}

#[test]
fn a_batch_in_parts_is_the_batch_without_batchnorm() {
    for (model, width) in [("lenet-5", 0.3), ("lenet-300-100", 0.3), ("mlp", 0.05)] {
        let graph = zoo(model, width);
        for sparse in [false, true] {
            for optimizer in [OptimizerName::Sgd, OptimizerName::Adam] {
                // Adam divides by the gradient's size, so that rounding of f32 would show where a gradient is nearly zero.
                let device = || if optimizer == OptimizerName::Sgd { Device::cpu() } else { Device::oracle() };
                let whole = train(device(), &graph, sparse, optimizer.into(), 11, 11, 4).0;
                for recompute in [false, true] {
                    let training = Training { recompute, in_parts: true, ..optimizer.into() };
                    // Parts of 4, 4 and 3; parts of 3, 3, 3 and 2, each with lanes to spare; everything at once.
                    for part in [4, 3, 11] {
                        let parts = train(device(), &graph, sparse, training, 11, part, 4).0;
                        let worst = difference(&whole, &parts);
                        assert!(worst < 1e-5, "{model}, sparse {sparse}, {optimizer}, parts of {part}: {worst}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_part_needs_a_plan_for_parts() {
    let mut device = Device::cpu();
    let (graph, mut scratch) = (zoo("tiny", 0.25), Scratch::default());
    let io = Io::new(&mut device, graph.extent(0), 4, 4).unwrap();
    let state = init::initial_state(&graph, 0);
    let places = placements(&graph, false);
    let mut net = Net::plan(
        &mut device,
        &mut scratch,
        io,
        &state,
        NetConfig { graph, n: 4, placements: places, training: OptimizerName::Sgd.into() },
    )
    .unwrap();
    let step = StepParams { n_valid: 4, ..StepParams::default() };
    assert!(net.train_part(&mut device, &step, false).unwrap_err().to_string().contains("part"));
}

#[test]
fn memory_counts_every_buffer() {
    let sgd = Training::from(OptimizerName::Sgd);
    for training in [
        sgd,
        OptimizerName::Adam.into(),
        Training { recompute: true, in_parts: true, ..sgd },
        Training { precision: Precision::Bf16, ..sgd },
    ] {
        for sparse in [false, true] {
            let mut device = Device::cpu();
            let (graph, mut scratch) = (zoo("resnet20", 0.5), Scratch::default());
            let io = Io::new(&mut device, graph.extent(0), 4, 4).unwrap();
            let before = device.allocated_bytes();
            let state = init::initial_state(&graph, 0);
            let places = placements(&graph, sparse);
            let net = Net::plan(&mut device, &mut scratch, io, &state, NetConfig { graph, n: 4, placements: places, training }).unwrap();
            assert_eq!(net.memory(&scratch).total(), device.allocated_bytes() - before, "{training:?}, sparse {sparse}");
            net.free(&mut device);
            scratch.free(&mut device);
            assert_eq!(device.allocated_bytes(), before);
        }
    }
}

#[test]
fn a_gpu_trains_the_new_kinds_alike() {
    let gpu = || pollster::block_on(Device::open(DeviceChoice::Gpu)).map(|(device, _)| device);
    if gpu().is_err() {
        println!("skipped: no Vulkan adapter");
        return;
    }
    for precision in [Precision::F32, Precision::Bf16] {
        let training = Training { precision, recompute: true, in_parts: true, ..OptimizerName::Sgd.into() };
        for (name, graph) in [("pre-activation", pre_activation()), ("alexnet-like", alexnet_like()), ("bottlenecks", bottlenecks())] {
            let on = |device| train(device, &graph, true, training, 5, 3, 2).0;
            let (found, expected) = (on(gpu().unwrap()), on(Device::cpu()));
            // Two steps of f32 apart in the order of sums. In 16 bits the GPU rounds what BatchNorm writes, which the CPU does not store.
            let (apart, most) = match precision {
                Precision::F32 => (f64::from(difference(&found, &expected)), 1e-4),
                Precision::Bf16 => (update_difference(&init::initial_state(&graph, 7), &expected, &found), 0.05),
            };
            println!("{name}, {precision}: {apart}");
            assert!(apart < most, "{name}, {precision}: {apart}");
        }
    }
}

#[test]
fn activations_of_16_bits_take_half_the_memory_and_train_alike() {
    let at = |precision| Training { precision, ..OptimizerName::Sgd.into() };
    for (graph, most) in [
        (zoo("resnet20", 0.5), 0.53),
        (zoo("vgg16", 0.25), 0.75),
        (zoo("wrn-16-4", 0.1), 0.55),
        (zoo("resnet50", 0.05), 0.55),
        (pre_activation(), 0.7),
        (bottlenecks(), 0.7),
    ] {
        for sparse in [false, true] {
            let name = graph.weights().into_iter().map(|w| w.name).next_back().unwrap();
            let (full, words) = train(Device::cpu(), &graph, sparse, at(Precision::F32), 6, 6, 1);
            let (half, fewer) = train(Device::cpu(), &graph, sparse, at(Precision::Bf16), 6, 6, 1);
            assert!(fewer as f64 <= most * words as f64, "{name}: {fewer} of {words} words");
            // A network makes rounding larger by what it is, so f32's own distance from float64 is the measure: 16 bits round 2^16 times as
            // coarsely. Twice that, since one step is one sample of either distance.
            let before = init::initial_state(&graph, 7);
            let (exact, _) = train(Device::oracle(), &graph, sparse, at(Precision::F32), 6, 6, 1);
            let [half_apart, full_apart] = [&half, &full].map(|state| update_difference(&before, &exact, state));
            let times = half_apart / full_apart;
            println!("{} layers to {name}, sparse {sparse}: {half_apart:.1e} apart, {times:.0} times as far as f32", graph.nodes.len());
            assert!(half_apart > 0.0 && times < 131_072.0, "{name}: {half_apart} and {full_apart}");
            // The same values are computed again.
            let twice = Training { recompute: true, ..at(Precision::Bf16) };
            assert!(train(Device::cpu(), &graph, sparse, twice, 6, 6, 1).0 == half, "{name}");
        }
    }
}
