//! Everything but convolution: formulae, finite differences, agreement of f32 and float64, lanes beyond the batch.

use super::*;
use crate::ops::*;

const SHAPE: Shape = Shape { c: 5, h: 6, w: 7, n: 8 };

/// One BatchNorm layer with ReLU and a residual: output, running statistics, daffine, dx, dresidual.
fn batch_norm<T: Convolve>(x: &[f32], residual: &[f32], affine: &[f32], dy: &[f32], mode: [bool; 4], n_valid: usize) -> Vec<Vec<f64>> {
    let [eval, relu, in_place, accumulate] = mode;
    let (shape, pair, len) = (SHAPE, 2 * SHAPE.c, SHAPE.len());
    let mut bench = Bench::<T>::new(n_valid);
    let [x, residual, affine, dy] = [x, residual, affine, dy].map(|v| bench.put(v));
    let running = bench.put(&[[0.1; 5], [1.5; 5]].concat());
    let [saved, daffine] = [bench.zeros(pair), bench.zeros(pair)];
    let [y, dres] = [bench.put(&vec![f32::NAN; len]), bench.put(&vec![1.0; len])];
    let before: Vec<f32> = (0..len)
        .map(|i| {
            if !accumulate {
                f32::NAN
            } else if i % shape.n < n_valid {
                0.5
            } else {
                0.0
            }
        })
        .collect();
    let dx = if in_place { dy } else { bench.put(&before) };
    let eps = 1e-5;
    let stats = if eval { running } else { saved };
    if !eval {
        bench.run(Op::BatchNormStats(BatchNormStats { shape, x, saved, running, momentum: 0.1, eps }));
    }
    bench.run(Op::BatchNormApply(BatchNormApply { shape, x, stats, eval, eps, affine, residual: Some(residual), relu, y }));
    bench.run(Op::BatchNormReduceGrad(BatchNormReduceGrad {
        shape,
        dy,
        gate: relu.then_some(y).into(),
        x,
        stats,
        eval,
        eps,
        affine,
        daffine,
    }));
    let dresidual = Some((dres, true));
    bench.run(Op::BatchNormInputGrad(BatchNormInputGrad {
        shape,
        dy,
        gate: relu.then_some(y).into(),
        x,
        stats,
        eval,
        eps,
        affine,
        daffine,
        dx,
        accumulate,
        dresidual,
    }));
    [(y, len), (running, pair), (daffine, pair), (dx, len), (dres, len)].map(|(id, len)| bench.get(id, len)).to_vec()
}

fn batch_norm_inputs(n_valid: usize) -> [Vec<f32>; 4] {
    let mut stream = stream(3);
    let mut x = activation(&mut stream, SHAPE, n_valid);
    x.chunks_mut(SHAPE.n).for_each(|run| run[..n_valid].iter_mut().for_each(|v| *v = 2.0 * *v + 3.0));
    let residual = activation(&mut stream, SHAPE, n_valid);
    [x, residual, normal(&mut stream, 2 * SHAPE.c), activation(&mut stream, SHAPE, n_valid)]
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

#[test]
fn batch_norm_is_its_formula() {
    for n_valid in [1, 5, 8] {
        let [x, residual, affine, dy] = batch_norm_inputs(n_valid);
        let found = batch_norm::<f64>(&x, &residual, &affine, &dy, [false, true, false, false], n_valid);
        for c in 0..SHAPE.c {
            let range = c * SHAPE.plane()..(c + 1) * SHAPE.plane();
            let valid: Vec<usize> = range.clone().filter(|i| i % SHAPE.n < n_valid).collect();
            let count = valid.len() as f64;
            let mean = valid.iter().map(|&i| f64::from(x[i])).sum::<f64>() / count;
            let variance = valid.iter().map(|&i| (f64::from(x[i]) - mean).powi(2)).sum::<f64>() / count;
            let inv = 1.0 / (variance + f64::from(1e-5f32)).sqrt();
            let m = f64::from(0.1f32);
            close("running mean", &found[1][c..=c], &[(1.0 - m) * m + m * mean], 1e-12);
            close("running variance", &found[1][c + 5..=c + 5], &[(1.0 - m) * 1.5 + m * variance * count / (count - 1.0)], 1e-12);
            for i in range {
                let pre = f64::from(affine[c]) * (f64::from(x[i]) - mean) * inv + f64::from(affine[c + 5]) + f64::from(residual[i]);
                let expected = if i % SHAPE.n < n_valid { pre.max(0.0) } else { 0.0 };
                assert!((found[0][i] - expected).abs() < 1e-9, "{i}");
                let dpre = if expected <= 0.0 { 0.0 } else { f64::from(dy[i]) };
                assert_eq!(found[4][i], 1.0 + dpre, "dresidual {i}");
                assert!(i % SHAPE.n < n_valid || found[3][i] == 0.0, "padded dx {i}");
            }
        }
    }
}

#[test]
fn batch_norm_gradients_match_finite_differences() {
    for (eval, relu) in [(false, true), (false, false), (true, true)] {
        let [x, residual, affine, dy] = batch_norm_inputs(5);
        let found = batch_norm::<f64>(&x, &residual, &affine, &dy, [eval, relu, false, false], 5);
        let mut bench = Bench::<f64>::new(5);
        let [bx, bres, baff] = [&x, &residual, &affine].map(|v| bench.put(v));
        let [saved, y] = [bench.zeros(2 * SHAPE.c), bench.zeros(SHAPE.len())];
        let dy = widen(&dy);
        let mut loss = |x: &[f64], affine: &[f64]| {
            bench.device.write(bx, 0, x).unwrap();
            bench.device.write(baff, 0, affine).unwrap();
            let running = bench.put(&[[0.1; 5], [1.5; 5]].concat());
            let (shape, eps) = (SHAPE, 1e-5);
            bench.run(Op::BatchNormStats(BatchNormStats { shape, x: bx, saved, running, momentum: if eval { 0.0 } else { 0.1 }, eps }));
            let stats = if eval { running } else { saved };
            let residual = Some(bres);
            bench.run(Op::BatchNormApply(BatchNormApply { shape, x: bx, stats, eval, eps, affine: baff, residual, relu, y }));
            bench.device.free(running);
            dot(&bench.get(y, SHAPE.len()), &dy)
        };
        let (x, affine) = (widen(&x), widen(&affine));
        let valid: Vec<usize> = (0..x.len()).filter(|i| i % SHAPE.n < 5).collect();
        let (at, gradient): (Vec<f64>, Vec<f64>) = valid.iter().map(|&i| (x[i], found[3][i])).unzip();
        finite_differences("dx", &at, &gradient, |at| {
            let mut x = x.clone();
            valid.iter().zip(at).for_each(|(&i, &v)| x[i] = v);
            loss(&x, &affine)
        });
        finite_differences("daffine", &affine, &found[2], |affine| loss(&x, affine));
    }
}

#[test]
fn batch_norm_f32_agrees_and_works_in_place() {
    for n_valid in [3, 8] {
        let [x, residual, affine, dy] = batch_norm_inputs(n_valid);
        for (eval, relu) in [(false, true), (false, false), (true, true), (true, false)] {
            let run = |in_place| batch_norm::<f32>(&x, &residual, &affine, &dy, [eval, relu, in_place, false], n_valid);
            let expected = batch_norm::<f64>(&x, &residual, &affine, &dy, [eval, relu, false, false], n_valid);
            assert!(run(false) == run(true));
            for (found, expected) in run(true).iter().zip(&expected) {
                close("batch norm", found, expected, F32_SUM);
            }
            let added = batch_norm::<f32>(&x, &residual, &affine, &dy, [eval, relu, false, true], n_valid);
            for (i, (added, dx)) in added[3].iter().zip(&run(false)[3]).enumerate() {
                let before = if i % SHAPE.n < n_valid { 0.5 } else { 0.0 };
                assert_eq!(*added, f64::from(before + *dx as f32), "dx {i}");
            }
            let threads = crate::platform::with_threads(3, || run(false));
            assert!(threads == run(false));
        }
    }
}

fn pool<T: Convolve>(shape: PoolShape, x: &[f32], dy: &[f32], average: bool) -> [Vec<f64>; 3] {
    let (mut bench, len) = (Bench::<T>::new(4), shape.input.len());
    let [x, dy] = [x, dy].map(|v| bench.put(v));
    let [y, dx] = [bench.put(&vec![9.0; shape.output.len()]), bench.put(&vec![9.0; len])];
    let grad = |accumulate| {
        if average {
            Op::AvgPoolGrad(AvgPoolGrad { shape, dy, dx, accumulate })
        } else {
            Op::MaxPoolGrad(MaxPoolGrad { shape, x, y, dy, dx, accumulate })
        }
    };
    bench.run(if average { Op::AvgPool(AvgPool { shape, x, y }) } else { Op::MaxPool(MaxPool { shape, x, y }) });
    bench.run(grad(false));
    let once = bench.get(dx, len);
    bench.run(grad(true));
    [bench.get(y, shape.output.len()), once, bench.get(dx, len)]
}

#[test]
fn pools_match_formulae_and_differences() {
    for (k, stride, pad) in [(2, 2, 0), (3, 2, 1), (3, 1, 0), (6, 1, 0)] {
        let input = Shape { c: 3, h: 6, w: 6, n: 4 };
        let extent = (6 + 2 * pad - k) / stride + 1;
        let shape = PoolShape { input, output: Shape { h: extent, w: extent, ..input }, kh: k, kw: k, stride, pad };
        let mut stream = stream(8);
        let (x, dy) = (normal(&mut stream, input.len()), normal(&mut stream, shape.output.len()));
        for average in [true, false] {
            let [y, dx, twice] = pool::<f64>(shape, &x, &dy, average);
            let at = |c: usize, y: usize, x_: usize, lane: usize| -> Option<f64> {
                let (y, x_) = (y.checked_sub(pad)?, x_.checked_sub(pad)?);
                (y < 6 && x_ < 6).then(|| f64::from(x[((c * 6 + y) * 6 + x_) * 4 + lane]))
            };
            for (i, &found) in y.iter().enumerate() {
                let (lane, ox, oy, c) = (i % 4, i / 4 % extent, i / 4 / extent % extent, i / 4 / extent / extent);
                let taps: Vec<f64> = (0..k * k).filter_map(|t| at(c, oy * stride + t / k, ox * stride + t % k, lane)).collect();
                let mean = taps.iter().sum::<f64>() / (k * k) as f64;
                let expected = if average { mean } else { taps.iter().copied().fold(f64::NEG_INFINITY, f64::max) };
                assert!((found - expected).abs() < 1e-12);
            }
            let dy64 = widen(&dy);
            let mut bench = Bench::<f64>::new(4);
            let [bx, by] = [bench.zeros(x.len()), bench.zeros(dy.len())];
            finite_differences("pool", &widen(&x), &dx, |point| {
                bench.device.write(bx, 0, point).unwrap();
                bench.run(if average {
                    Op::AvgPool(AvgPool { shape, x: bx, y: by })
                } else {
                    Op::MaxPool(MaxPool { shape, x: bx, y: by })
                });
                dot(&bench.get(by, dy.len()), &dy64)
            });
            close("accumulated", &twice, &dx.iter().map(|v| 2.0 * v).collect::<Vec<_>>(), 1e-12);
            for (found, expected) in pool::<f32>(shape, &x, &dy, average).iter().zip([y, dx, twice]) {
                close("pool f32", found, &expected, F32_SUM);
            }
        }
    }
}

#[test]
fn a_tie_goes_to_the_first_maximum() {
    let input = Shape { c: 1, h: 2, w: 2, n: 4 };
    let shape = PoolShape { input, output: Shape { h: 1, w: 1, ..input }, kh: 2, kw: 2, stride: 2, pad: 0 };
    let [_, dx, _] = pool::<f32>(shape, &[1.0; 16], &[5.0; 4], false);
    assert_eq!(dx, [[5.0; 4], [0.0; 4], [0.0; 4], [0.0; 4]].concat());
}

#[test]
fn cross_entropy_is_its_formula() {
    cross_entropy_to(0.0);
    cross_entropy_to(0.2);
}

fn cross_entropy_to(smoothing: f32) {
    let (classes, n, n_valid) = (7, 8, 5);
    let mut stream = stream(2);
    let shape = Shape { c: classes, h: 1, w: 1, n };
    let logits = activation(&mut stream, shape, n_valid);
    let labels = [0, 6, 3, 3, 1, 0, 0, 0];
    let mut bench = Bench::<f64>::new(n_valid);
    (bench.step.sample_offset, bench.step.label_smoothing) = (2, smoothing);
    let (z, l) = (bench.put(&logits), bench.put_u32(&labels));
    let (dlogits, samples, totals) = (bench.put(&vec![9.0; classes * n]), bench.put(&[9.0; 40]), bench.put(&[1.0; 4]));
    let op = SoftmaxCrossEntropy { classes, n, logits: z, labels: l, dlogits: Some(dlogits), samples, totals };
    bench.run(Op::SoftmaxCrossEntropy(op));
    let (d, s, t) = (bench.get(dlogits, classes * n), bench.get(samples, 40), bench.get(totals, 4));
    let mut mean_loss = |point: &[f64]| {
        bench.device.write(z, 0, point).unwrap();
        bench.device.write(totals, 0, &[0.0; 4]).unwrap();
        bench.run(Op::SoftmaxCrossEntropy(op));
        bench.get(totals, 4)[0] / n_valid as f64
    };
    finite_differences("dlogits", &widen(&logits), &d, &mut mean_loss);
    assert_eq!(s[..8], [9.0; 8], "records before the offset");
    assert_eq!(s[28..], [9.0; 12], "records of padded lanes");
    let (mut sum, mut correct) = (0.0, 0.0);
    for lane in 0..n_valid {
        let z: Vec<f64> = (0..classes).map(|c| logits[c * n + lane].into()).collect();
        let total: f64 = z.iter().map(|z| z.exp()).sum();
        let p: Vec<f64> = z.iter().map(|z| z.exp() / total).collect();
        let label = labels[lane] as usize;
        let el2n: f64 = p.iter().enumerate().map(|(c, p)| (p - f64::from(u8::from(c == label))).powi(2)).sum();
        let answer = (0..classes).max_by(|&a, &b| z[a].total_cmp(&z[b])).unwrap();
        let target = |c: usize| (1.0 - f64::from(smoothing)) * f64::from(u8::from(c == label)) + f64::from(smoothing) / classes as f64;
        let loss: f64 = p.iter().enumerate().map(|(c, p)| -target(c) * p.ln()).sum();
        close("record", &s[(lane + 2) * 4..][..4], &[loss, el2n, p[label], answer as f64], 1e-12);
        sum += loss;
        correct += f64::from(u8::from(answer == label));
    }
    close("totals", &t, &[1.0 + sum, 1.0 + correct, 1.0 + 5.0, 1.0], 1e-12);
}

#[test]
fn a_bad_loss_is_counted_and_not_added() {
    let mut bench = Bench::<f32>::new(4);
    let logits = bench.put(&[f32::NAN, 1.0, f32::INFINITY, 1000.0, 0.0, 1.0, 0.0, -1000.0]);
    let labels = bench.put_u32(&[0, 9, 0, 0]);
    let (samples, totals) = (bench.zeros(16), bench.zeros(4));
    bench.run(Op::SoftmaxCrossEntropy(SoftmaxCrossEntropy { classes: 2, n: 4, logits, labels, dlogits: None, samples, totals }));
    let totals = bench.get(totals, 4);
    assert_eq!((totals[0], totals[2], totals[3]), (0.0, 4.0, 3.0));
}

#[test]
fn augment_crops_flips_and_rotates() {
    let shape = Shape { c: 3, h: 4, w: 4, n: 4 };
    let pixel = |image: usize, c: usize, y: usize, x: usize| ((image * 48 + c * 16 + y * 4 + x) % 251) as u8;
    let bytes: Vec<u8> = (0..4 * 48).map(|i| pixel(i / 48, i / 16 % 3, i / 4 % 4, i % 4)).collect();
    let words: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    // Image 0 as it is; 1 shifted by (1, -2); 2 flipped; 3 padded (beyond n_valid).
    let params = [
        [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, -2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
    ];
    let mut bench = Bench::<f64>::new(3);
    let (bytes, params, out) = (bench.put_u32(&words), bench.put(&params.concat()), bench.put(&vec![9.0; shape.len()]));
    bench.run(Op::Augment(Augment { shape, bytes, augmentation: params, out }));
    for (i, found) in bench.get(out, shape.len()).into_iter().enumerate() {
        let (lane, x, y, c) = (i % 4, i / 4 % 4, i / 16 % 4, i / 64);
        let expected = match lane {
            0 => Some(pixel(0, c, y, x)),
            1 => (x + 1 < 4 && y >= 2).then(|| pixel(1, c, y - 2, x + 1)),
            // cos 0, sin 1: sx = y, sy = 3 - x, then flipped.
            2 => Some(pixel(2, c, 3 - x, 3 - y)),
            _ => None,
        };
        assert_eq!(found, f64::from(expected.unwrap_or(0)) / 255.0, "lane {lane}, c {c}, y {y}, x {x}");
    }
}

#[test]
fn normalize_relu_and_fill() {
    let shape = Shape { c: 3, h: 2, w: 2, n: 4 };
    let mut stream = stream(4);
    let x = activation(&mut stream, shape, 3);
    let mut bench = Bench::<f64>::new(3);
    let [a, b] = [bench.put(&x), bench.put(&vec![9.0; x.len()])];
    let (mean, inv_std) = ([0.5, 0.25, 0.75, 0.0], [2.0, 4.0, 8.0, 0.0]);
    for y in [b, a] {
        bench.run(Op::Normalize(Normalize { shape, x: a, y, mean, inv_std }));
        for (i, y) in bench.get(y, x.len()).into_iter().enumerate() {
            let c = i / shape.plane();
            let expected =
                f64::from((x[i] as f64 - f64::from(mean[c])) as f32 * 0.0) + (f64::from(x[i]) - f64::from(mean[c])) * f64::from(inv_std[c]);
            assert_eq!(y, if i % 4 < 3 { expected } else { 0.0 });
        }
    }
    let values = [-1.0, 0.0, 2.0, f32::NAN];
    let [x, y, dy, dx] = [&values, &[9.0; 4], &[1.0, 2.0, 3.0, 4.0], &[10.0; 4]].map(|v| bench.put(v));
    bench.run(Op::Relu(Relu { len: 4, x, y }));
    let out = bench.get(y, 4);
    assert!(out[..3] == [0.0, 0.0, 2.0] && out[3].is_nan());
    bench.run(Op::Relu(Relu { len: 4, x, y: x }));
    assert_eq!(bench.get(x, 3), [0.0, 0.0, 2.0]);
    bench.run(Op::ReluGrad(ReluGrad { len: 4, dy, y, dx, accumulate: true }));
    assert_eq!(bench.get(dx, 4), [10.0, 10.0, 13.0, 10.0]);
    bench.run(Op::ReluGrad(ReluGrad { len: 4, dy, y, dx, accumulate: false }));
    assert_eq!(bench.get(dx, 4), [0.0, 0.0, 3.0, 0.0]);
    bench.run(Op::ReluGrad(ReluGrad { len: 4, dy, y, dx: dy, accumulate: false }));
    assert_eq!(bench.get(dy, 4), [0.0, 0.0, 3.0, 0.0]);
    bench.run(Op::Add(Add { len: 4, x: dy, y: dx }));
    assert_eq!(bench.get(dx, 4), [0.0, 0.0, 6.0, 0.0]);
    // Whole vectors are written, so a part of one needs a buffer of its own.
    let part = [Op::Add(Add { len: 3, x: dy, y: dx })];
    assert!(bench.device.check("test", &part).unwrap_err().to_string().contains("exactly 3 floats"));
    bench.run(Op::Fill(Fill { len: 3, buffer: dy, value: 0.5 }));
    assert_eq!(bench.get(dy, 4), [0.5, 0.5, 0.5, 0.0]);
}

#[test]
fn the_shortcut_subsamples_and_its_gradient_is_its_adjoint() {
    for (h, stride, c_out) in [(6, 2, 10), (5, 2, 4), (5, 1, 6)] {
        let input = Shape { c: 4, h, w: h + 1, n: 4 };
        let output = Shape { c: c_out, h: h.div_ceil(stride), w: (h + 1).div_ceil(stride), n: 4 };
        let mut stream = stream(6);
        let (x, dy) = (normal(&mut stream, input.len()), normal(&mut stream, output.len()));
        let mut bench = Bench::<f64>::new(4);
        let [bx, by, bdy, bdx] = [&x, &vec![9.0; output.len()], &dy, &vec![9.0; input.len()]].map(|v| bench.put(v));
        bench.run(Op::ShortcutA(ShortcutA { input, output, stride, x: bx, y: by }));
        let y = bench.get(by, output.len());
        let pad = (c_out - 4) / 2;
        for (i, &y) in y.iter().enumerate() {
            let (lane, ox, oy, c) = (i % 4, i / 4 % output.w, i / 4 / output.w % output.h, i / output.plane());
            let source = c.checked_sub(pad).filter(|&c| c < 4);
            let at = source.map(|c| x[((c * h + oy * stride) * (h + 1) + ox * stride) * 4 + lane]);
            assert_eq!(y, f64::from(at.unwrap_or(0.0)));
        }
        let grad = |accumulate| Op::ShortcutAGrad(ShortcutAGrad { input, output, stride, dy: bdy, dx: bdx, accumulate });
        bench.run(grad(false));
        let dx = bench.get(bdx, input.len());
        assert!((dot(&y, &widen(&dy)) - dot(&widen(&x), &dx)).abs() < 1e-9);
        bench.run(grad(true));
        close("twice", &bench.get(bdx, input.len()), &dx.iter().map(|v| 2.0 * v).collect::<Vec<_>>(), 1e-12);
    }
}

#[test]
fn optimisers_follow_their_formulae() {
    let mut bench = Bench::<f64>::new(4);
    bench.step = StepParams { lr: 0.5, momentum: 0.75, weight_decay: 0.25, nesterov: 1, ..bench.step };
    let [v, g, m, mask] = [&[1.0, 2.0], &[0.5, -1.0], &[2.0, 4.0], &[1.0, 0.0]].map(|v: &[f32; 2]| bench.put(v));
    let sgd = |mask| Op::SgdUpdate(SgdUpdate { len: 2, values: v, grad: g, momentum: m, mask, momentum_reset: false });
    bench.run(sgd(None));
    // g = 0.75, -0.5; m = 2.25, 2.5; step 0.75 + 0.75 * 2.25, -0.5 + 0.75 * 2.5.
    assert_eq!(bench.get(m, 2), [2.25, 2.5]);
    assert_eq!(bench.get(v, 2), [1.0 - 0.5 * 2.4375, 2.0 - 0.5 * 1.375]);
    bench.step.nesterov = 0;
    bench.device.write_f32(v, 0, &[1.0, 2.0]).unwrap();
    bench.run(sgd(Some(mask)));
    assert_eq!(bench.get(m, 2), [0.75 * 2.25 + 0.75, 0.75 * 2.5 - 0.5]);
    assert_eq!(bench.get(v, 2), [1.0 - 0.5 * 2.4375, 0.0]);
    bench.step = StepParams { beta2: 0.5, epsilon: 0.125, correction1: 0.25, correction2: 0.5, ..bench.step };
    bench.device.write_f32(v, 0, &[1.0, 2.0]).unwrap();
    let [first, second] = [&[1.0, 1.0], &[2.0, 2.0]].map(|v: &[f32; 2]| bench.put(v));
    bench.run(Op::AdamUpdate(AdamUpdate { len: 2, values: v, grad: g, first, second, mask: Some(mask) }));
    // g = 0.75, -0.5.
    assert_eq!(bench.get(first, 2), [0.75 + 0.25 * 0.75, 0.75 - 0.25 * 0.5]);
    assert_eq!(bench.get(second, 2), [1.0 + 0.5 * 0.5625, 1.0 + 0.5 * 0.25]);
    close("adam", &bench.get(v, 2), &[1.0 - 0.5 * (0.9375 / 0.25) / ((1.28125f64 / 0.5).sqrt() + 0.125), 0.0], 1e-12);
}

/// Two lanes of two pixels, worked out by hand; the other two lanes are empty.
#[test]
fn attacks_step_and_project_by_hand() {
    let shape = Shape { c: 1, h: 1, w: 2, n: 4 };
    let mut bench = Bench::<f64>::new(2);
    let put =
        |bench: &mut Bench<f64>, lanes: [[f32; 2]; 2]| bench.put(&[lanes[0][0], lanes[1][0], 0.0, 0.0, lanes[0][1], lanes[1][1], 0.0, 0.0]);
    let lanes = |bench: &mut Bench<f64>, id| {
        let v = bench.get(id, 8);
        assert_eq!([v[2], v[3], v[6], v[7]], [0.0; 4]);
        [[v[0], v[4]], [v[1], v[5]]]
    };
    let clean = put(&mut bench, [[0.5, 0.25], [1.0, 0.0]]);
    let grad = put(&mut bench, [[3.0, -4.0], [1e-30, 0.0]]);
    let x = put(&mut bench, [[0.5, 0.25], [0.875, 0.0]]);
    bench.run(Op::StepLinf(StepLinf { shape, x, clean, grad, step: 0.5, eps: 0.375 }));
    // Up by 0.5, cut to 0.375; down by 0.5, cut at pixel 0; up to 1.375, cut at 1; a zero gradient stays.
    assert_eq!(lanes(&mut bench, x), [[0.875, 0.0], [1.0, 0.0]]);
    let norms = bench.put(&[0.0; 4]);
    bench.run(Op::LaneNorm(LaneNorm { shape, x: grad, minus: None, norms }));
    assert_eq!(bench.get(norms, 1), [5.0]);
    let y = put(&mut bench, [[0.5, 0.25], [0.75, 0.0]]);
    bench.run(Op::StepL2(StepL2 { shape, x: y, grad, norms, step: 0.625 }));
    // A gradient that is next to nothing does not blow up.
    assert_eq!(lanes(&mut bench, y)[0], [0.875, 0.0]);
    assert!((lanes(&mut bench, y)[1][0] - 0.75).abs() < 1e-12);
    let far = put(&mut bench, [[0.8, 0.65], [1.0, 0.25]]);
    bench.run(Op::LaneNorm(LaneNorm { shape, x: far, minus: Some(clean), norms }));
    bench.run(Op::ProjectL2(ProjectL2 { shape, x: far, clean, norms, eps: 0.25 }));
    // Length 0.5 becomes 0.25; length 0.25 stays.
    let [first, second] = lanes(&mut bench, far);
    assert!((first[0] - 0.65).abs() < 1e-6 && (first[1] - 0.45).abs() < 1e-6, "{first:?}");
    assert_eq!(second, [1.0, 0.25]);
}

#[test]
fn a_sign_found_again_gives_the_gradients_of_the_output() {
    let n_valid = 5;
    let [x, _, affine, dy] = batch_norm_inputs(n_valid);
    let gradients = |again: bool, eval: bool| {
        let (shape, pair, len, eps) = (SHAPE, 2 * SHAPE.c, SHAPE.len(), 1e-5);
        let mut bench = Bench::<f32>::new(n_valid);
        let [x, affine, dy] = [&x, &affine, &dy].map(|v| bench.put(v));
        let stats = bench.put(&[[2.9; 5], [0.5; 5]].concat());
        let [y, daffine, dx] = [len, pair, len].map(|len| bench.put(&vec![f32::NAN; len]));
        bench.run(Op::BatchNormApply(BatchNormApply { shape, x, stats, eval, eps, affine, residual: None, relu: true, y }));
        let gate = if again { Gate::Again } else { Gate::Output(y) };
        bench.run(Op::BatchNormReduceGrad(BatchNormReduceGrad { shape, dy, gate, x, stats, eval, eps, affine, daffine }));
        let (accumulate, dresidual) = (false, None);
        let op = BatchNormInputGrad { shape, dy, gate, x, stats, eval, eps, affine, daffine, dx, accumulate, dresidual };
        bench.run(Op::BatchNormInputGrad(op));
        [bench.get(daffine, pair), bench.get(dx, len)]
    };
    for eval in [false, true] {
        assert_eq!(gradients(true, eval), gradients(false, eval));
    }
}

#[test]
fn statistics_hold_far_from_zero_and_where_squares_overflow() {
    let shape = Shape { c: 1, h: 3, w: 3, n: 132 };
    for (n_valid, scale, shift) in [(132, 1.0, 0.0), (131, 1.0, 3000.0), (1, 1e-3, -50.0), (130, 1e25, 0.0), (132, 0.0, 7.0)] {
        let mut x = activation(&mut stream(4), shape, n_valid);
        x.chunks_mut(shape.n).for_each(|run| run[..n_valid].iter_mut().for_each(|v| *v = *v * scale + shift));
        let (mut bench, valid) = (Bench::<f32>::new(n_valid), x.chunks(shape.n).flat_map(|run| run[..n_valid].to_vec()));
        let valid: Vec<f64> = valid.map(f64::from).collect();
        let mean = valid.iter().sum::<f64>() / valid.len() as f64;
        let variance = valid.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / valid.len() as f64;
        let [x, saved, running] = [&x[..], &[0.0; 2], &[0.0; 2]].map(|v| bench.put(v));
        bench.run(Op::BatchNormStats(BatchNormStats { shape, x, saved, running, momentum: 0.1, eps: 1e-5 }));
        let found = bench.get(saved, 2);
        let expected = [mean, 1.0 / (variance + 1e-5).sqrt()];
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 2e-6 * expected.abs().max(f64::from(scale) * 1e-3),
                "{n_valid} {scale} {shift}: {found}, expected {expected}"
            );
        }
    }
}
