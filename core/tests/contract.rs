//! What an op promises holds on every device: bad shapes and buffers that do not fit give the same typed error on the CPU and on a GPU.
//! Where no adapter is found the GPU's half says `skipped`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod all_ops;

use std::collections::{BTreeMap, BTreeSet};

use sparring_core::device::Device;
use sparring_core::device::info::DeviceChoice;
use sparring_core::device::info::Kernel;
use sparring_core::gpu::encode::encode;
use sparring_core::ops::*;
use sparring_core::{Error, ErrorKind};

const GOOD: Shape = Shape { c: 2, h: 4, w: 4, n: 4 };
/// Extents that no kernel can work on: lanes that fill no vector, nothing at all, more than memory has words.
const BAD: [Shape; 4] = [Shape { n: 6, ..GOOD }, Shape { c: 0, ..GOOD }, Shape { w: 0, ..GOOD }, Shape { h: usize::MAX / 2, ..GOOD }];

fn id(i: u32) -> BufferId {
    BufferId(i)
}

/// Ops with a geometry that cannot be, the tensor to be named, and a part of what is expected.
fn bad_shapes() -> Vec<(Op, &'static str, &'static str)> {
    let mut bad = Vec::new();
    convolutions(&mut bad);
    pools_and_shortcuts(&mut bad);
    let [a, b, c, d, e, f] = std::array::from_fn(|i| id(i as u32));
    bad.push((Op::Probe(Probe { len: 6, rounds: 1, x: a, y: b }), "x", "a multiple of 4"));
    let extent = "a non-empty extent with n a multiple of 4";
    for shape in BAD {
        bad.push((Op::Augment(Augment { shape, bytes: a, augmentation: b, out: c }), "out", extent));
        bad.push((Op::Normalize(Normalize { shape, x: a, y: b, mean: [0.0; 4], inv_std: [1.0; 4] }), "x", extent));
        bad.push((Op::BiasGrad(BiasGrad { shape, dy: a, dbias: b }), "dy", extent));
        bad.push((Op::BatchNormStats(BatchNormStats { shape, x: a, saved: b, running: c, momentum: 0.1, eps: 1e-5 }), "x", extent));
        let apply = BatchNormApply { shape, x: a, stats: b, eval: false, eps: 1e-5, affine: c, residual: None, relu: true, y: d };
        bad.push((Op::BatchNormApply(apply), "x", extent));
        let reduce = BatchNormReduceGrad { shape, dy: a, gate: Gate::Open, x: b, stats: c, eval: false, eps: 1e-5, affine: e, daffine: d };
        bad.push((Op::BatchNormReduceGrad(reduce), "x", extent));
        let grad = BatchNormInputGrad {
            shape,
            dy: a,
            gate: Gate::Open,
            x: b,
            stats: c,
            eval: false,
            eps: 1e-5,
            affine: d,
            daffine: e,
            dx: f,
            accumulate: false,
            dresidual: None,
        };
        bad.push((Op::BatchNormInputGrad(grad), "x", extent));
        let norm = BatchNormSampleNorm { shape, dy: a, y: None, x: b, stats: c, eps: 1e-5, sums: d };
        bad.push((Op::BatchNormSampleNorm(norm), "x", extent));
        bad.push((Op::LaneNorm(LaneNorm { shape, x: a, minus: None, norms: b }), "x", extent));
        bad.push((Op::StepLinf(StepLinf { shape, x: a, clean: b, grad: c, step: 0.1, eps: 0.1 }), "x", extent));
        bad.push((Op::StepL2(StepL2 { shape, x: a, grad: b, norms: c, step: 0.1 }), "x", extent));
        bad.push((Op::ProjectL2(ProjectL2 { shape, x: a, clean: b, norms: c, eps: 0.1 }), "x", extent));
    }
    for (classes, n) in [(0, 4), (10, 6), (10, 0)] {
        let loss = SoftmaxCrossEntropy { classes, n, logits: a, labels: b, dlogits: None, samples: c, totals: d };
        bad.push((Op::SoftmaxCrossEntropy(loss), "logits", extent));
    }
    let five = Normalize { shape: Shape { c: 5, ..GOOD }, x: a, y: b, mean: [0.0; 4], inv_std: [1.0; 4] };
    bad.push((Op::Normalize(five), "x", "at most 4 channels"));
    let (len, most) = (1 << 32, "at most 2^32 - 1 words");
    bad.push((Op::Relu(Relu { len, x: a, y: b }), "x", most));
    bad.push((Op::ReluGrad(ReluGrad { len, dy: a, y: b, dx: c, accumulate: false }), "dy", most));
    bad.push((Op::Add(Add { len, x: a, y: b }), "x", most));
    bad.push((Op::Fill(Fill { len, buffer: a, value: 0.0 }), "buffer", most));
    bad.push((Op::SgdUpdate(SgdUpdate { len, values: a, grad: b, momentum: c, mask: None, momentum_reset: false }), "values", most));
    bad.push((Op::AdamUpdate(AdamUpdate { len, values: a, grad: b, first: c, second: d, mask: None }), "values", most));
    #[cfg(feature = "autoattack")]
    lanes(&mut bad);
    bad
}

fn convolutions(bad: &mut Vec<(Op, &'static str, &'static str)>) {
    let [x, w, y, dx] = std::array::from_fn(|i| id(i as u32));
    let [row_ptr, index, t_row_ptr, t_index, t_value, row] = std::array::from_fn(|i| id(10 + i as u32));
    let topology = |nnz| SparseTopology { row_ptr, index, t_row_ptr, t_index, t_value, row, nnz };
    let good = ConvShape::new(GOOD, 3, 3, 1, 1).unwrap();
    let (extent, output) = ("a non-empty extent with n a multiple of 4", "an output of (input + 2 pad - kernel) / stride + 1");
    let cases = [
        (ConvShape { n: 3, ..good }, "input", extent),
        (ConvShape { c_in: 0, ..good }, "input", extent),
        (ConvShape { c_out: 0, ..good }, "output", extent),
        (ConvShape { w_in: usize::MAX, ..good }, "input", extent),
        (ConvShape { kh: 0, ..good }, "shape", "a kernel of 1 to 15"),
        (ConvShape { kw: 16, ..good }, "shape", "a kernel of 1 to 15"),
        (ConvShape { stride: 0, ..good }, "shape", "a stride of at least 1"),
        (ConvShape { pad: 1 << 16, ..good }, "shape", "below 65536"),
        (ConvShape { h_out: 5, ..good }, "shape", output),
        (ConvShape { w_out: 3, ..good }, "shape", output),
        (ConvShape { pad: 0, kh: 5, ..good }, "shape", output),
    ];
    for (shape, tensor, expected) in cases {
        for topology in [None, Some(topology(1))] {
            let weight = topology.map_or(Weight::Dense { values: w }, |topology| Weight::Sparse { values: w, topology });
            bad.push((Op::ConvForward(ConvForward { shape, x, norm: None, weight, bias: None, y }), tensor, expected));
            bad.push((Op::ConvInputGrad(ConvInputGrad { shape, dy: y, weight, dx, accumulate: false }), tensor, expected));
            bad.push((Op::ConvWeightGrad(ConvWeightGrad { shape, x, norm: None, dy: y, topology, dw: w }), tensor, expected));
            bad.push((Op::ConvSampleNorm(ConvSampleNorm { shape, x, dy: y, topology, bias: true, sums: w }), tensor, expected));
            if let Some(topology) = topology {
                bad.push((Op::Scatter(Scatter { shape, topology, values: w, whole: x }), tensor, expected));
                bad.push((Op::Gather(Gather { shape, topology, whole: x, values: w }), tensor, expected));
            }
        }
    }
    let weight = Weight::Sparse { values: w, topology: topology(good.weights() + 1) };
    bad.push((Op::ConvForward(ConvForward { shape: good, x, norm: None, weight, bias: None, y }), "index", "no more non-zeros than"));
    let wide = ConvShape::new(Shape { c: 1 << 24, h: 1, w: 1, n: 4 }, 1, 1, 1, 0).unwrap();
    let weight = Weight::Sparse { values: w, topology: topology(1) };
    bad.push((Op::ConvInputGrad(ConvInputGrad { shape: wide, dy: y, weight, dx, accumulate: false }), "index", "fewer than 2^24 channels"));
}

fn pools_and_shortcuts(bad: &mut Vec<(Op, &'static str, &'static str)>) {
    let [x, y, dy, dx] = std::array::from_fn(|i| id(i as u32));
    let half = Shape { h: 2, w: 2, ..GOOD };
    let good = PoolShape { input: GOOD, output: half, kh: 2, kw: 2, stride: 2, pad: 0 };
    let fits = "with the input's channels and batch";
    let cases = [
        (PoolShape { input: Shape { n: 5, ..GOOD }, ..good }, "input", "n a multiple of 4"),
        (PoolShape { output: Shape { h: 0, ..half }, ..good }, "output", "a non-empty extent"),
        (PoolShape { kh: 0, ..good }, "shape", "a window of at least 1"),
        (PoolShape { pad: 1 << 20, ..good }, "shape", "below 65536"),
        (PoolShape { stride: 0, ..good }, "shape", fits),
        (PoolShape { kw: 3, ..good }, "shape", fits),
        (PoolShape { output: Shape { c: 3, ..half }, ..good }, "shape", fits),
        (PoolShape { output: Shape { n: 8, ..half }, ..good }, "shape", fits),
    ];
    for (shape, tensor, expected) in cases {
        bad.push((Op::MaxPool(MaxPool { shape, x, y }), tensor, expected));
        bad.push((Op::MaxPoolGrad(MaxPoolGrad { shape, x, y, dy, dx, accumulate: false }), tensor, expected));
        bad.push((Op::AvgPool(AvgPool { shape, x, y }), tensor, expected));
        bad.push((Op::AvgPoolGrad(AvgPoolGrad { shape, dy, dx, accumulate: true }), tensor, expected));
    }
    let subsampled = "the input subsampled, with no fewer channels";
    let cases = [
        (Shape { n: 2, ..GOOD }, half, 2, "input", "n a multiple of 4"),
        (GOOD, half, 0, "output", subsampled),
        (GOOD, Shape { h: 3, ..half }, 2, "output", subsampled),
        (GOOD, Shape { c: 1, ..half }, 2, "output", subsampled),
        (GOOD, Shape { n: 8, ..half }, 2, "output", subsampled),
    ];
    for (input, output, stride, tensor, expected) in cases {
        bad.push((Op::ShortcutA(ShortcutA { input, output, stride, x, y }), tensor, expected));
        bad.push((Op::ShortcutAGrad(ShortcutAGrad { input, output, stride, dy, dx, accumulate: false }), tensor, expected));
    }
}

#[cfg(feature = "autoattack")]
fn lanes(bad: &mut Vec<(Op, &'static str, &'static str)>) {
    use sparring_core::ops::autoattack::{Ball, LaneLossKind};
    let [a, b, c, d, e, f, g, h] = std::array::from_fn(|i| id(i as u32));
    let (ball, kind, extent) = (Ball { l2: false, eps: 0.1 }, LaneLossKind::Dlr, "a non-empty extent with n a multiple of 4");
    for shape in BAD {
        let loss = LaneLoss { kind, classes: shape.c, n: 6, logits: a, labels: b, targets: c, values: d, dlogits: e };
        bad.push((Op::LaneLoss(loss), "logits", extent));
        bad.push((Op::ApgdStep(ApgdStep { shape, ball, clean: a, grad: b, lanes: c, control: d, x: e, old: f }), "x", extent));
        let keep = ApgdKeep { shape, values: a, control: b, x: c, grad: d, best: e, best_grad: f, adv: g, lanes: h };
        bad.push((Op::ApgdKeep(keep), "x", extent));
        bad.push((Op::FabStep(FabStep { shape, l2: true, clean: a, grad: b, values: c, x: d }), "x", extent));
        bad.push((Op::FabKeep(FabKeep { shape, l2: true, clean: a, values: b, x: c, adv: d, lanes: e }), "x", extent));
        bad.push((Op::SquareStep(SquareStep { shape, ball, clean: a, best: b, proposal: c, pyramids: d, x: e }), "x", extent));
        bad.push((Op::SquareKeep(SquareKeep { shape, x: a, values: b, best: c, lanes: d }), "x", extent));
    }
    let shape = Shape { c: 5, ..GOOD };
    bad.push((Op::SquareStep(SquareStep { shape, ball, clean: a, best: b, proposal: c, pyramids: d, x: e }), "x", "at most 4 channels"));
}

/// The devices at hand.
fn devices() -> Vec<Device> {
    let mut devices = vec![Device::cpu(), Device::oracle()];
    match pollster::block_on(Device::open(DeviceChoice::Gpu)) {
        Ok((gpu, _)) => devices.push(gpu),
        Err(why) => println!("skipped on the GPU: {why}"),
    }
    devices
}

/// Compiles and runs; what every device says, which must be one thing.
fn refusal(devices: &mut [Device], ops: &[Op]) -> Option<Error> {
    let mut said = devices.iter_mut().map(|device| {
        let ran = device.compile("test", ops).and_then(|program| device.run(&program, &StepParams { n_valid: 1, ..Default::default() }));
        ran.err()
    });
    let first = said.next().unwrap();
    for other in said {
        assert_eq!(first.as_ref().map(Error::to_string), other.as_ref().map(Error::to_string));
    }
    first
}

#[test]
fn a_geometry_that_cannot_be_is_the_same_error_everywhere() {
    let mut devices = devices();
    let mut seen = BTreeSet::new();
    for (op, tensor, expected) in bad_shapes() {
        seen.insert(op.name());
        let error = refusal(&mut devices, &[op]).unwrap_or_else(|| panic!("{op:?} was taken"));
        assert_eq!(error.to_string(), encode(&op, Kernel::Rows).unwrap_err().to_string(), "encoding checks too");
        let ErrorKind::Shape { op: name, tensor: found, expected: wanted, .. } = error.kind() else { panic!("{op:?}: {error}") };
        assert_eq!((*name, found.as_str()), (op.name(), tensor), "{error}");
        assert!(wanted.contains(expected), "{error}");
    }
    let missing: Vec<_> = Op::NAMES.iter().filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "no bad shape is tried for {missing:?}");
}

/// Every slot's buffer as a device may have it.
fn allocate(device: &mut Device, op: &Op, change: impl Fn(&Slot<'_>) -> Option<(usize, Dtype)>) -> (Op, Vec<BufferId>) {
    let mut op = *op;
    let (mut placed, mut all) = (BTreeMap::new(), Vec::new());
    for slot in op.slots() {
        let made = change(&slot).map(|(words, dtype)| device.alloc(slot.tensor, words, dtype).unwrap());
        let Some(id) = slot.id else { continue };
        // Two slots with one name for a buffer work in place.
        *id = *placed.entry(*id).or_insert_with(|| made.unwrap_or(BufferId(u32::MAX)));
        all.extend(made);
    }
    (op, all)
}

/// One op of each kind over tensors that are small.
fn small_ops() -> Vec<Op> {
    let small = |op: &Op| { *op }.slots().iter().map(|slot| slot.words).sum::<usize>();
    let mut ops: BTreeMap<(&str, bool), Op> = BTreeMap::new();
    for op in all_ops::all() {
        if { op }.slots().iter().any(|slot| slot.words == 0) {
            continue;
        }
        // With and without what it can go without.
        let all = { op }.slots().iter().all(|slot| slot.id.is_some());
        let best = ops.entry((op.name(), all)).or_insert(op);
        if small(&op) < small(best) {
            *best = op;
        }
    }
    ops.into_values().collect()
}

#[test]
fn buffers_that_do_not_fit_are_the_same_error_everywhere() {
    let mut devices = devices();
    for op in small_ops() {
        let slots: Vec<_> = { op }.slots().iter().filter(|s| s.id.is_some()).map(|s| (s.tensor, s.words, s.dtype)).collect();
        for (tensor, words, dtype) in slots {
            let kind = |dtype| if dtype == Dtype::F32 { "floats" } else { "integers" };
            let other = if dtype == Dtype::F32 { Dtype::U32 } else { Dtype::F32 };
            let wrong = [
                (Some((words - 1, dtype)), format!("{} {}", words - 1, kind(dtype))),
                (Some((words, other)), format!("{words} {}", kind(other))),
                (None, "no buffer".to_owned()),
            ];
            for (held, found) in wrong.into_iter().filter(|(held, _)| held.is_none_or(|(words, _)| words > 0)) {
                let mut texts = BTreeSet::new();
                for device in &mut devices {
                    let (op, buffers) =
                        allocate(device, &op, |slot| if slot.tensor == tensor { held } else { Some((slot.words, slot.dtype)) });
                    let error = device.compile("test", &[op]).err().unwrap_or_else(|| panic!("{op:?} was taken with {tensor} of {found}"));
                    texts.insert(error.to_string());
                    buffers.into_iter().for_each(|buffer| device.free(buffer));
                }
                let expected = format!("{}: {tensor} should be at least {words} {}, found {found}", op.name(), kind(dtype));
                assert_eq!(texts, BTreeSet::from([expected]));
            }
        }
    }
}

#[test]
fn a_buffer_that_is_written_is_nobody_elses() {
    let mut devices = devices();
    for op in small_ops() {
        let count = { op }.slots().len();
        for (i, j) in (0..count).flat_map(|j| (0..j).map(move |i| (i, j))) {
            let mut same = op;
            let mut slots = same.slots();
            let (a, b) = (&slots[i], &slots[j]);
            let may = (!a.written && !b.written) || a.over == Some(b.tensor) || b.over == Some(a.tensor);
            let (Some(from), name) = (a.id.as_deref().copied(), b.tensor) else { continue };
            let Some(id) = slots[j].id.as_deref_mut() else { continue };
            *id = from;
            drop(slots);
            if may {
                continue;
            }
            let error = refusal(&mut devices, &[same]).unwrap_or_else(|| panic!("{same:?} was taken"));
            assert!(error.to_string().starts_with(&format!("{}: {name} should be another buffer than", op.name())), "{error}");
        }
    }
}

#[test]
fn a_step_beyond_the_samples_is_the_same_error_everywhere() {
    let mut texts = BTreeSet::new();
    for device in &mut devices() {
        let op = SoftmaxCrossEntropy { classes: 2, n: 4, logits: id(0), labels: id(1), dlogits: None, samples: id(2), totals: id(3) };
        let (op, _) = allocate(device, &Op::SoftmaxCrossEntropy(op), |s| Some((if s.tensor == "samples" { 16 } else { s.words }, s.dtype)));
        let program = device.compile("test", &[op]).unwrap();
        device.run(&program, &StepParams { n_valid: 3, sample_offset: 1, ..Default::default() }).unwrap();
        let step = StepParams { n_valid: 4, sample_offset: 1, ..Default::default() };
        texts.insert(device.run(&program, &step).unwrap_err().to_string());
    }
    let expected = "SoftmaxCrossEntropy: samples should be at least 20 floats for 4 samples from 1, found 16";
    assert_eq!(texts, BTreeSet::from([expected.to_owned()]));
}
