//! Everything but convolutions.

use super::{Data, bind_topology, compare, some_gpu, topology};
use crate::ops::{
    AdamUpdate, Add, Augment, AvgPool, AvgPoolGrad, BatchNormApply, BatchNormInputGrad, BatchNormReduceGrad, BatchNormSampleNorm,
    BatchNormStats, ConvSampleNorm, ConvShape, Fill, Gate, LaneNorm, MaxPool, MaxPoolGrad, NORM_ROWS, Normalize, Op, PoolShape, Probe,
    ProjectL2, Relu, ReluGrad, SgdUpdate, Shape, ShortcutA, ShortcutAGrad, SoftmaxCrossEntropy, StepL2, StepLinf, Weight,
};

#[test]
fn batchnorm_agrees_with_the_oracle() {
    let mut gpu = some_gpu();
    let shapes = [(Shape { c: 3, h: 5, w: 7, n: 4 }, 3), (Shape { c: 70, h: 2, w: 2, n: 8 }, 5), (Shape { c: 2, h: 33, w: 33, n: 12 }, 9)];
    for (shape, n_valid) in shapes {
        for (eval, relu, residual, accumulate, in_place) in [
            (false, true, true, false, false),
            (false, true, false, false, true),
            (false, false, true, true, true),
            (true, true, true, false, true),
            (true, false, false, false, false),
            (false, true, true, true, false),
        ] {
            let Data::F32(mut x) = Data::activation(shape, n_valid, 1) else { unreachable!() };
            for (i, v) in x.iter_mut().enumerate() {
                if i % shape.n < n_valid {
                    *v += 3.0 * (i / shape.plane()) as f32; // a mean well away from zero
                }
            }
            let data = [
                Data::F32(x),
                Data::zeros(2 * shape.c),
                Data::F32((0..2 * shape.c).map(|i| 0.5 + i as f32 * 0.1).collect()),
                Data::random(2 * shape.c, 2),
                Data::activation(shape, n_valid, 3),
                Data::zeros(shape.len()),
                Data::activation(shape, n_valid, 4),
                Data::zeros(2 * shape.c),
                Data::zeros(shape.len()),
                Data::activation(shape, n_valid, 5),
            ];
            let what = format!("{shape:?} eval {eval} relu {relu} residual {residual} accumulate {accumulate} in place {in_place}");
            compare(&mut gpu, &what, &data, n_valid, &|ids| {
                let [x, saved, running, affine, res, y, dy, daffine, dx, dres] = std::array::from_fn(|i| ids[i]);
                let (stats, eps) = (if eval { running } else { saved }, 1e-5);
                let dx = if in_place { dy } else { dx };
                let gate = if relu && !residual { Gate::Again } else { relu.then_some(y).into() };
                vec![
                    Op::BatchNormStats(BatchNormStats { shape, x, saved, running, momentum: 0.1, eps }),
                    Op::BatchNormApply(BatchNormApply { shape, x, stats, eval, eps, affine, residual: residual.then_some(res), relu, y }),
                    Op::BatchNormReduceGrad(BatchNormReduceGrad { shape, dy, gate, x, stats, eval, eps, affine, daffine }),
                    Op::BatchNormInputGrad(BatchNormInputGrad {
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
                        accumulate: accumulate && !in_place,
                        dresidual: residual.then_some((dres, accumulate)),
                    }),
                ]
            });
        }
    }
}

#[test]
fn pooling_agrees_with_the_oracle() {
    let mut gpu = some_gpu();
    for (h, w, k, stride, pad) in [(4, 6, 2, 2, 0), (7, 5, 3, 2, 1), (4, 4, 4, 4, 0), (5, 5, 3, 1, 1), (1, 1, 1, 1, 0)] {
        let out = |e: usize| (e + 2 * pad - k) / stride + 1;
        let input = Shape { c: 3, h, w, n: 8 };
        let output = Shape { c: 3, h: out(h), w: out(w), n: 8 };
        let shape = PoolShape { input, output, kh: k, kw: k, stride, pad };
        let Data::F32(mut x) = Data::activation(input, 7, 1) else { unreachable!() };
        x.iter_mut().for_each(|v| *v = (*v * 3.0).round()); // ties
        let data = [
            Data::F32(x),
            Data::zeros(output.len()),
            Data::activation(output, 7, 2),
            Data::zeros(input.len()),
            Data::activation(input, 7, 3),
            Data::zeros(output.len()),
            Data::zeros(input.len()),
            Data::activation(input, 7, 4),
        ];
        compare(&mut gpu, &format!("pool {shape:?}"), &data, 7, &|ids| {
            let [x, y, dy, dx, added, mean, dmean, madded] = std::array::from_fn(|i| ids[i]);
            vec![
                Op::MaxPool(MaxPool { shape, x, y }),
                Op::MaxPoolGrad(MaxPoolGrad { shape, x, y, dy, dx, accumulate: false }),
                Op::MaxPoolGrad(MaxPoolGrad { shape, x, y, dy, dx: added, accumulate: true }),
                Op::AvgPool(AvgPool { shape, x, y: mean }),
                Op::AvgPoolGrad(AvgPoolGrad { shape, dy, dx: dmean, accumulate: false }),
                Op::AvgPoolGrad(AvgPoolGrad { shape, dy, dx: madded, accumulate: true }),
            ]
        });
    }
}

#[test]
fn steps_and_projections_of_attacks_agree_with_the_oracle() {
    let mut gpu = some_gpu();
    for (shape, n_valid) in [(Shape { c: 3, h: 5, w: 7, n: 8 }, 6), (Shape { c: 1, h: 33, w: 31, n: 4 }, 4)] {
        let pixels = |seed| {
            let Data::F32(mut x) = Data::activation(shape, n_valid, seed) else { unreachable!() };
            x.iter_mut().for_each(|v| *v = v.abs().min(1.0));
            Data::F32(x)
        };
        let data = [pixels(1), pixels(2), Data::activation(shape, n_valid, 3), Data::zeros(shape.n), pixels(4), Data::zeros(shape.n)];
        compare(&mut gpu, &format!("attack {shape:?}"), &data, n_valid, &|ids| {
            let [x, clean, grad, norms, other, lengths] = std::array::from_fn(|i| ids[i]);
            vec![
                Op::StepLinf(StepLinf { shape, x, clean, grad, step: 0.25, eps: 0.5 }),
                Op::LaneNorm(LaneNorm { shape, x: grad, minus: None, norms }),
                Op::StepL2(StepL2 { shape, x: other, grad, norms, step: -0.5 }),
                Op::LaneNorm(LaneNorm { shape, x: other, minus: Some(clean), norms: lengths }),
                Op::ProjectL2(ProjectL2 { shape, x: other, clean, norms: lengths, eps: 1.5 }),
            ]
        });
    }
}

#[test]
fn gradient_norms_by_sample_agree_with_the_oracle() {
    let mut gpu = some_gpu();
    // More weights than rows, fewer, a linear layer, and a stride that leaves pixels out.
    for (input, c_out, k, stride) in [
        (Shape { c: 5, h: 6, w: 5, n: 8 }, 12, 3, 1),
        (Shape { c: 3, h: 7, w: 7, n: 4 }, 4, 3, 2),
        (Shape { c: 70, h: 1, w: 1, n: 12 }, 10, 1, 1),
    ] {
        let shape = ConvShape::new(input, c_out, k, stride, k / 2).unwrap();
        for (density, bias) in [(None, false), (None, true), (Some(0.3), true), (Some(1.0), false), (Some(0.0), true), (Some(0.0), false)] {
            let (index, nnz) = topology(&shape, density.unwrap_or(0.5), 3);
            let mut data =
                vec![Data::activation(input, 3, 1), Data::activation(shape.output(), 3, 2), Data::random(NORM_ROWS * input.n, 4)];
            data.extend(index);
            compare(&mut gpu, &format!("norms {shape:?} {density:?} {bias}"), &data, 3, &|ids| {
                let weight = match density {
                    None => Weight::Dense { values: ids[0] },
                    Some(_) => Weight::Sparse { values: ids[0], topology: bind_topology(&ids[3..], nnz) },
                };
                vec![Op::ConvSampleNorm(ConvSampleNorm { shape, x: ids[0], dy: ids[1], topology: weight.topology(), bias, sums: ids[2] })]
            });
        }
    }
    for (c, relu) in [(5, true), (300, false)] {
        let shape = Shape { c, h: 3, w: 4, n: 8 };
        let Data::F32(stats) = Data::random(2 * c, 5) else { unreachable!() };
        let stats = Data::F32(stats.into_iter().map(|v| v.abs() + 0.1).collect());
        let data = [
            Data::activation(shape, 5, 1),
            Data::activation(shape, 5, 2),
            Data::activation(shape, 5, 3),
            stats,
            Data::random(NORM_ROWS * 8, 4),
        ];
        compare(&mut gpu, &format!("norms of BatchNorm {c}"), &data, 5, &|ids| {
            let [dy, y, x, stats, sums] = std::array::from_fn(|i| ids[i]);
            vec![Op::BatchNormSampleNorm(BatchNormSampleNorm { shape, dy, y: relu.then_some(y), x, stats, eps: 1e-5, sums })]
        });
    }
}

#[test]
fn elementwise_ops_agree_with_the_oracle() {
    let mut gpu = some_gpu();
    let len = 1003;
    let data: Vec<Data> = (0..6).map(|i| Data::random(len, i)).collect();
    compare(&mut gpu, "elementwise", &data, 4, &|ids| {
        vec![
            Op::Relu(Relu { len, x: ids[0], y: ids[1] }),
            Op::ReluGrad(ReluGrad { len, dy: ids[2], y: ids[1], dx: ids[3], accumulate: true }),
            Op::ReluGrad(ReluGrad { len, dy: ids[2], y: ids[1], dx: ids[2], accumulate: false }),
            Op::Relu(Relu { len, x: ids[0], y: ids[0] }),
            Op::Add(Add { len, x: ids[5], y: ids[4] }),
            Op::Fill(Fill { len: 700, buffer: ids[4], value: -2.5 }),
        ]
    });
    let data = [Data::random(5004, 7), Data::zeros(5004)];
    compare(&mut gpu, "probe", &data, 4, &|ids| vec![Op::Probe(Probe { len: 5004, rounds: 3, x: ids[0], y: ids[1] })]);
    let shape = Shape { c: 3, h: 5, w: 3, n: 8 };
    let data = [Data::activation(shape, 5, 1), Data::zeros(shape.len())];
    compare(&mut gpu, "normalize", &data, 5, &|ids| {
        let op = |x, y| Op::Normalize(Normalize { shape, x, y, mean: [0.1, 0.2, 0.3, 0.0], inv_std: [2.0, 3.0, 4.0, 0.0] });
        vec![op(ids[0], ids[1]), op(ids[0], ids[0])]
    });
    let (input, output) = (Shape { c: 3, h: 5, w: 6, n: 4 }, Shape { c: 8, h: 3, w: 3, n: 4 });
    let data = [
        Data::random(input.len(), 1),
        Data::random(output.len(), 2),
        Data::random(output.len(), 3),
        Data::random(input.len(), 4),
        Data::random(input.len(), 5),
    ];
    compare(&mut gpu, "shortcut", &data, 4, &|ids| {
        let grad = |dx, accumulate| Op::ShortcutAGrad(ShortcutAGrad { input, output, stride: 2, dy: ids[2], dx, accumulate });
        vec![Op::ShortcutA(ShortcutA { input, output, stride: 2, x: ids[0], y: ids[1] }), grad(ids[3], false), grad(ids[4], true)]
    });
}

#[test]
fn augmentation_agrees_with_the_oracle() {
    let mut gpu = some_gpu();
    let shape = Shape { c: 3, h: 8, w: 8, n: 4 };
    let mut params = Vec::new();
    for i in 0..4 {
        let (sin, cos) = (i as f32 * 0.071).sin_cos();
        params.extend([i as f32 - 2.0, 1.0 - i as f32, (i % 2) as f32, cos, sin, 0.0, 0.0, 0.0]);
    }
    let bytes = (0..shape.len() as u32 / 4).map(|i| i.wrapping_mul(2_654_435_761)).collect();
    let data = [Data::U32(bytes), Data::F32(params), Data::zeros(shape.len())];
    compare(&mut gpu, "augment", &data, 3, &|ids| vec![Op::Augment(Augment { shape, bytes: ids[0], augmentation: ids[1], out: ids[2] })]);
}

#[test]
fn loss_agrees_with_the_oracle() {
    let mut gpu = some_gpu();
    for (classes, n, n_valid, grad) in [(10, 4, 1, true), (100, 12, 9, true), (3, 520, 517, false)] {
        let logits = Data::activation(Shape { c: classes, h: 1, w: 1, n }, n_valid, 1);
        let labels = (0..n).map(|i| (i * 7 % classes) as u32).collect();
        let data = [logits, Data::U32(labels), Data::random(classes * n, 2), Data::zeros(4 * (n + 3)), Data::F32(vec![1.0, 2.0, 3.0, 4.0])];
        compare(&mut gpu, &format!("loss {classes} {n}"), &data, n_valid, &|ids| {
            vec![Op::SoftmaxCrossEntropy(SoftmaxCrossEntropy {
                classes,
                n,
                logits: ids[0],
                labels: ids[1],
                dlogits: grad.then_some(ids[2]),
                samples: ids[3],
                totals: ids[4],
            })]
        });
    }
}

#[test]
fn optimisers_agree_with_the_oracle() {
    let mut gpu = some_gpu();
    let len = 517;
    let mask = Data::F32((0..len).map(|i| (i % 3 == 0) as u8 as f32).collect());
    for (masked, momentum_reset) in [(false, false), (true, false), (true, true)] {
        let data: Vec<Data> = (0..6).map(|i| Data::random(len, i)).chain([Data::F32(vec![0.5; len]), mask.clone()]).collect();
        compare(&mut gpu, "optimisers", &data, 4, &|ids| {
            let mask = masked.then_some(ids[7]);
            vec![
                Op::SgdUpdate(SgdUpdate { len, values: ids[0], grad: ids[1], momentum: ids[2], mask, momentum_reset }),
                Op::AdamUpdate(AdamUpdate { len, values: ids[3], grad: ids[4], first: ids[5], second: ids[6], mask }),
            ]
        });
    }
}
