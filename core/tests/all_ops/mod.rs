//! Every op in every permutation that a network, an attack or a score can ask for. Buffers are names here; nothing is run.

use sparring_core::ops::*;

/// All of them.
pub fn all() -> Vec<Op> {
    let mut ops = Vec::new();
    conv_ops(&mut ops);
    norm_ops(&mut ops);
    other_ops(&mut ops);
    #[cfg(feature = "autoattack")]
    lane_ops(&mut ops);
    ops
}

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
                    out.push(Op::ConvForward(ConvForward { shape, x: id(0), norm: None, weight, bias: flag.then_some(id(2)), y: id(3) }));
                    out.push(Op::ConvInputGrad(ConvInputGrad { shape, dy: id(3), weight, dx: id(0), accumulate: flag }));
                }
                out.push(Op::ConvWeightGrad(ConvWeightGrad {
                    shape,
                    x: id(0),
                    norm: None,
                    dy: id(3),
                    topology: weight.topology(),
                    dw: id(4),
                }));
                for (eval, relu) in [(false, true), (true, false)] {
                    let norm = Some(NormOnLoad { stats: id(5), eval, eps: 1e-5, affine: id(6), relu });
                    out.push(Op::ConvForward(ConvForward { shape, x: id(0), norm, weight, bias: None, y: id(3) }));
                    let topology = weight.topology();
                    out.push(Op::ConvWeightGrad(ConvWeightGrad { shape, x: id(0), norm, dy: id(3), topology, dw: id(4) }));
                }
                if let Some(topology) = weight.topology() {
                    out.push(Op::Scatter(Scatter { shape, topology, values: id(1), whole: id(4) }));
                    out.push(Op::Gather(Gather { shape, topology, whole: id(4), values: id(1) }));
                }
                for bias in [false, true] {
                    out.push(Op::ConvSampleNorm(ConvSampleNorm {
                        shape,
                        x: id(0),
                        dy: id(3),
                        topology: weight.topology(),
                        bias,
                        sums: id(4),
                    }));
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
            let residual_of = residual.then_some(res);
            out.push(Op::BatchNormApply(BatchNormApply { shape, x, stats, eval, eps, affine, residual: residual_of, relu, y }));
            let gate = if relu && !residual { Gate::Again } else { relu.then_some(y).into() };
            out.push(Op::BatchNormReduceGrad(BatchNormReduceGrad { shape, dy, gate, x, stats, eval, eps, affine, daffine }));
            out.push(Op::BatchNormSampleNorm(BatchNormSampleNorm { shape, dy, y: relu.then_some(y), x, stats, eps, sums: daffine }));
            let (dx, dresidual) = (if in_place { dy } else { id(8) }, residual.then_some((id(9), eval)));
            out.push(Op::BatchNormInputGrad(BatchNormInputGrad {
                shape,
                dy,
                gate,
                x,
                stats,
                eval,
                eps,
                affine,
                daffine,
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
    out.push(Op::Augment(Augment { shape: input, bytes: x, augmentation: y, out: dx }));
    out.push(Op::Add(Add { len: 5, x, y }));
    out.push(Op::Probe(Probe { len: 4, rounds: 3, x, y }));
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

#[cfg(feature = "autoattack")]
fn lane_ops(out: &mut Vec<Op>) {
    use sparring_core::ops::autoattack::*;
    let [a, b, c, d, e, f, g, h] = std::array::from_fn(|i| id(i as u32));
    let shape = Shape { c: 3, h: 6, w: 5, n: 12 };
    use LaneLossKind::{CrossEntropy, Difference, Dlr, DlrTargeted, Margin};
    for kind in [CrossEntropy, Dlr, DlrTargeted, Difference, Margin] {
        for classes in [2, 10] {
            out.push(Op::LaneLoss(LaneLoss { kind, classes, n: 12, logits: a, labels: b, targets: c, values: d, dlogits: e }));
        }
    }
    for l2 in [false, true] {
        let ball = Ball { l2, eps: 0.25 };
        out.push(Op::ApgdStep(ApgdStep { shape, ball, clean: a, grad: b, lanes: c, control: d, x: e, old: f }));
        out.push(Op::FabStep(FabStep { shape, l2, clean: a, grad: b, values: c, x: d }));
        out.push(Op::FabKeep(FabKeep { shape, l2, clean: a, values: b, x: c, adv: d, lanes: e }));
        out.push(Op::SquareStep(SquareStep { shape, ball, clean: a, best: b, proposal: c, pyramids: d, x: e }));
    }
    let keep = ApgdKeep { shape, values: a, control: b, x: c, grad: d, best: e, best_grad: f, adv: g, lanes: h };
    out.push(Op::ApgdKeep(keep));
    out.push(Op::SquareKeep(SquareKeep { shape, x: a, values: b, best: c, lanes: d }));
}
