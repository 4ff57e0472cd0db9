//! Every shader, in every permutation the ops produce, parses and validates with naga and keeps to WebGPU's default limits.
//! Needs no GPU. `SPARRING_SHADERS_JSON=FILE` also writes them all out, for a browser to compile: naga is not Tint.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess};
use sparring_core::gpu::{launch, shaders};
use sparring_core::ops::*;

/// Distinct buffers, so that nothing is in place unless a case says so.
fn id(i: u32) -> BufferId {
    BufferId(i)
}

fn conv_ops(out: &mut Vec<Op>) {
    let inputs = [(3, 32, 128), (16, 16, 128), (64, 16, 64), (70, 1, 4), (20, 9, 8), (512, 4, 128)];
    for (c, h, n) in inputs {
        for (c_out, k, stride) in [(10, 1, 1), (24, 3, 1), (64, 3, 2), (100, 1, 2), (5, 5, 1), (64, 7, 2), (3, 11, 1), (9, 11, 4)] {
            let Some(shape) = ConvShape::new(Shape { c, h, w: h, n }, c_out, k, stride, k / 2) else { continue };
            let [row_ptr, index, t_row_ptr, t_index, t_value, row] = std::array::from_fn(|i| id(20 + i as u32));
            let sparse =
                |nnz| Weight::Sparse { values: id(1), topology: SparseTopology { row_ptr, index, t_row_ptr, t_index, t_value, row, nnz } };
            for weight in [Weight::Dense { values: id(1) }, sparse(0), sparse(9), sparse(shape.weights())] {
                for flag in [false, true] {
                    out.push(Op::ConvForward(ConvForward { shape, x: id(0), weight, bias: flag.then_some(id(2)), y: id(3) }));
                    out.push(Op::ConvInputGrad(ConvInputGrad { shape, dy: id(3), weight, dx: id(0), accumulate: flag }));
                }
                out.push(Op::ConvWeightGrad(ConvWeightGrad { shape, x: id(0), dy: id(3), weight, dw: id(4) }));
                for bias in [false, true] {
                    out.push(Op::ConvSampleNorm(ConvSampleNorm { shape, x: id(0), dy: id(3), weight, bias, sums: id(4) }));
                }
            }
            out.push(Op::BiasGrad(BiasGrad { shape: shape.output(), dy: id(3), dbias: id(4) }));
        }
    }
}

fn norm_ops(out: &mut Vec<Op>) {
    let (x, stats, running, affine, res, y, dy, daffine, eps) = (id(0), id(1), id(2), id(3), id(4), id(5), id(6), id(7), 1e-5);
    for shape in [Shape { c: 16, h: 32, w: 32, n: 128 }, Shape { c: 512, h: 1, w: 1, n: 4 }] {
        out.push(Op::BatchNormStats(BatchNormStats { shape, x, saved: stats, running, momentum: 0.1, eps }));
        for bits in 0..16 {
            let [eval, relu, residual, in_place] = std::array::from_fn(|b| bits >> b & 1 == 1);
            let residual_of = residual.then_some(if in_place { y } else { res });
            let input = if in_place && !residual { y } else { x };
            out.push(Op::BatchNormApply(BatchNormApply { shape, x: input, stats, eval, eps, affine, residual: residual_of, relu, y }));
            out.push(Op::BatchNormReduceGrad(BatchNormReduceGrad { shape, dy, y, x, stats, eval, eps, relu, daffine }));
            out.push(Op::BatchNormSampleNorm(BatchNormSampleNorm { shape, dy, y, x, stats, eps, relu, sums: daffine }));
            let (dx, dresidual) = (if in_place { dy } else { id(8) }, residual.then_some((id(9), eval)));
            out.push(Op::BatchNormInputGrad(BatchNormInputGrad {
                shape,
                dy,
                y,
                x,
                stats,
                eval,
                eps,
                affine,
                daffine,
                relu,
                dx,
                accumulate: eval && !in_place,
                dresidual,
            }));
        }
    }
}

fn other_ops(out: &mut Vec<Op>) {
    let [x, y, dy, dx, m, s] = std::array::from_fn(|i| id(i as u32));
    let (input, output) = (Shape { c: 16, h: 8, w: 8, n: 12 }, Shape { c: 16, h: 4, w: 4, n: 12 });
    let shape = PoolShape { input, output, kh: 3, kw: 3, stride: 2, pad: 1 };
    let wide = Shape { c: 32, ..output };
    out.push(Op::MaxPool(MaxPool { shape, x, y }));
    out.push(Op::AvgPool(AvgPool { shape, x, y }));
    out.push(Op::ShortcutA(ShortcutA { input, output: wide, stride: 2, x, y }));
    out.push(Op::Augment(Augment { shape: input, bytes: x, params: y, out: dx }));
    out.push(Op::Add(Add { len: 5, x, y }));
    out.push(Op::Fill(Fill { len: 5, buffer: x, value: f32::MIN_POSITIVE }));
    for minus in [None, Some(y)] {
        out.push(Op::LaneNorm(LaneNorm { shape: input, x, minus, norms: dx }));
    }
    out.push(Op::StepLinf(StepLinf { shape: input, x, clean: y, grad: dy, step: -0.5, eps: 0.25 }));
    out.push(Op::StepL2(StepL2 { shape: input, x, grad: y, norms: dy, step: 0.5 }));
    out.push(Op::ProjectL2(ProjectL2 { shape: input, x, clean: y, norms: dy, eps: 0.25 }));
    for flag in [false, true] {
        let target = if flag { x } else { y };
        out.push(Op::MaxPoolGrad(MaxPoolGrad { shape, x, y, dy, dx, accumulate: flag }));
        out.push(Op::AvgPoolGrad(AvgPoolGrad { shape, dy, dx, accumulate: flag }));
        out.push(Op::ShortcutAGrad(ShortcutAGrad { input, output: wide, stride: 2, dy, dx, accumulate: flag }));
        out.push(Op::Normalize(Normalize { shape: Shape { c: 3, ..input }, x, y: target, mean: [0.5; 4], inv_std: [4.0; 4] }));
        out.push(Op::Relu(Relu { len: 5, x, y: target }));
        out.push(Op::ReluGrad(ReluGrad { len: 5, dy, y, dx: if flag { dy } else { dx }, accumulate: false }));
        out.push(Op::ReluGrad(ReluGrad { len: 5, dy, y, dx, accumulate: true }));
        let dlogits = flag.then_some(dx);
        out.push(Op::SoftmaxCrossEntropy(SoftmaxCrossEntropy {
            classes: 10,
            n: 128,
            logits: x,
            labels: y,
            dlogits,
            samples: m,
            totals: s,
        }));
        let mask = flag.then_some(m);
        out.push(Op::SgdUpdate(SgdUpdate { len: 5, values: x, grad: y, momentum: dx, mask, momentum_reset: false }));
        out.push(Op::SgdUpdate(SgdUpdate { len: 5, values: x, grad: y, momentum: dx, mask, momentum_reset: flag }));
        out.push(Op::AdamUpdate(AdamUpdate { len: 5, values: x, grad: y, first: dx, second: s, mask }));
    }
}

/// Panics with the expanded source where naga finds fault with it.
fn validated(name: &str, source: &str) -> (naga::Module, naga::valid::ModuleInfo) {
    let numbered = || source.lines().zip(1..).map(|(l, n)| format!("{n:4} {l}\n")).collect::<String>();
    let module = naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{name}: {}\n{}", e.emit_to_string(source), numbered()));
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{name}: {}\n{}", e.emit_to_string(source), numbered()));
    (module, info)
}

#[cfg(feature = "autoattack")]
fn lane_ops(out: &mut Vec<Op>) {
    use sparring_core::ops::autoattack::*;
    let [a, b, c, d, e, f, g, h] = std::array::from_fn(|i| id(i as u32));
    let shape = Shape { c: 3, h: 6, w: 5, n: 12 };
    use LaneLossKind::{CrossEntropy, Difference, Dlr, DlrTargeted, Margin};
    for kind in [CrossEntropy, Dlr, DlrTargeted, Difference, Margin] {
        for classes in [2, 10] {
            out.push(Op::Lane(LaneOp::Loss(LaneLoss { kind, classes, n: 12, logits: a, labels: b, targets: c, values: d, dlogits: e })));
        }
    }
    for l2 in [false, true] {
        let ball = Ball { l2, eps: 0.25 };
        out.push(Op::Lane(LaneOp::ApgdStep(ApgdStep { shape, ball, clean: a, grad: b, lanes: c, control: d, x: e, old: f })));
        out.push(Op::Lane(LaneOp::FabStep(FabStep { shape, l2, clean: a, grad: b, values: c, x: d })));
        out.push(Op::Lane(LaneOp::FabKeep(FabKeep { shape, l2, clean: a, values: b, x: c, adv: d, lanes: e })));
        out.push(Op::Lane(LaneOp::SquareStep(SquareStep { shape, ball, clean: a, best: b, proposal: c, pyramids: d, x: e })));
    }
    let keep = ApgdKeep { shape, values: a, control: b, x: c, grad: d, best: e, best_grad: f, adv: g, lanes: h };
    out.push(Op::Lane(LaneOp::ApgdKeep(keep)));
    out.push(Op::Lane(LaneOp::SquareKeep(SquareKeep { shape, x: a, values: b, best: c, lanes: d })));
}

#[test]
fn every_permutation_is_valid_and_within_the_default_limits() {
    let mut ops = Vec::new();
    conv_ops(&mut ops);
    norm_ops(&mut ops);
    other_ops(&mut ops);
    #[cfg(feature = "autoattack")]
    lane_ops(&mut ops);
    let modules: BTreeMap<_, _> = shaders::names().map(|name| (name, validated(name, &shaders::source(name).unwrap()))).collect();
    let mut seen = BTreeSet::new();
    let mut permutations = Vec::new();
    for launch in ops.iter().flat_map(launch::encode) {
        let key = format!("{} {:?}", launch.shader, launch.constants);
        let (module, info) = &modules[launch.shader];
        let storage: Vec<bool> = {
            let mut bindings: Vec<_> = module
                .global_variables
                .iter()
                .filter_map(|(_, v)| match (v.space, &v.binding) {
                    (AddressSpace::Storage { access }, Some(b)) if b.group == 0 => Some((b.binding, access.contains(StorageAccess::STORE))),
                    _ => None,
                })
                .collect();
            bindings.sort_unstable();
            bindings.into_iter().map(|(_, write)| write).collect()
        };
        assert_eq!(storage, launch.bindings.iter().map(|b| b.write).collect::<Vec<_>>(), "{key}: bindings");
        assert!(storage.len() <= 8, "{key}: at most 8 storage buffers a stage");
        if !seen.insert(key.clone()) {
            continue;
        }
        permutations.push(serde_json::json!({
            "shader": launch.shader,
            "source": shaders::source(launch.shader),
            "constants": launch.constants.iter().map(|&(name, value)| (name, value)).collect::<BTreeMap<_, _>>(),
            "writes": storage,
        }));
        let constants = launch.constants.iter().map(|&(name, value)| (name.to_string(), value)).collect();
        let entry = Some((naga::ShaderStage::Compute, "main"));
        let (module, _) =
            naga::back::pipeline_constants::process_overrides(module, info, entry, &constants).unwrap_or_else(|e| panic!("{key}: {e}"));
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let shared = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, v)| layouter[v.ty].size).sum();
        assert!(bytes <= 16_384, "{key}: {bytes} bytes of workgroup memory");
        assert!(module.entry_points[0].workgroup_size.iter().product::<u32>() <= 256, "{key}");
    }
    let used: BTreeSet<_> = seen.iter().filter_map(|key| key.split(' ').next()).collect();
    let all: BTreeSet<_> = shaders::names().collect();
    assert_eq!(used, all, "some shader is never launched by these ops");
    if let Some(file) = std::env::var_os("SPARRING_SHADERS_JSON") {
        std::fs::write(file, serde_json::to_vec(&permutations).unwrap()).unwrap();
    }
    println!("{} permutations of {} shaders", seen.len(), all.len());
}

#[test]
fn the_step_parameters_have_the_layout_the_shaders_expect() {
    let (module, _) = validated("sgd_update", &shaders::source("sgd_update").unwrap());
    let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("StepParams")).unwrap();
    let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("not a struct") };
    assert_eq!(*span as usize, size_of::<StepParams>());
    let offset = |name: &str| members.iter().find(|m| m.name.as_deref() == Some(name)).unwrap().offset as usize;
    assert_eq!(offset("n_valid"), std::mem::offset_of!(StepParams, n_valid));
    assert_eq!(offset("sample_offset"), std::mem::offset_of!(StepParams, sample_offset));
    assert_eq!(offset("lr"), std::mem::offset_of!(StepParams, lr));
    assert_eq!(offset("momentum"), std::mem::offset_of!(StepParams, momentum));
    assert_eq!(offset("weight_decay"), std::mem::offset_of!(StepParams, weight_decay));
    assert_eq!(offset("beta2"), std::mem::offset_of!(StepParams, beta2));
    assert_eq!(offset("epsilon"), std::mem::offset_of!(StepParams, epsilon));
    assert_eq!(offset("correction1"), std::mem::offset_of!(StepParams, correction1));
    assert_eq!(offset("correction2"), std::mem::offset_of!(StepParams, correction2));
    assert_eq!(offset("batch"), std::mem::offset_of!(StepParams, batch));
    assert_eq!(offset("nesterov"), std::mem::offset_of!(StepParams, nesterov));
}

#[test]
fn a_faulty_shader_would_be_noticed() {
    let source = shaders::source("relu").unwrap().replace("array<f32>", "array<bool>");
    assert!(std::panic::catch_unwind(|| validated("relu", &source)).is_err());
}
