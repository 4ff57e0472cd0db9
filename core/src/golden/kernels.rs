//! Cases of one layer on a device: convolution and linear (dense and sparse), BatchNorm, loss with scores, optimisers.

use super::bench::Bench;
use super::check::{Check, LAYER_TOLERANCE};
use super::{Case, Finding, Tensors};
use crate::error::{Error, Result};
use crate::layout::{chwn_from_nchw, nchw_from_chwn};
use crate::ops::loss::{SAMPLE_WORDS, TOTAL_WORDS};
use crate::ops::*;
use crate::sparse::csr::{gather, mask_positions};
use crate::sparse::{Csr, WeightShape};

/// A batch of real samples in the kernels' layout.
#[derive(Clone, Copy)]
struct Batch {
    n: usize,
    c: usize,
    plane: usize,
}

impl Batch {
    fn len(self) -> usize {
        self.c * self.plane * padded_batch(self.n)
    }
    fn input(self, bench: &mut Bench<'_>, nchw: &[f32]) -> Result<BufferId> {
        bench.floats(&chwn_from_nchw(nchw, self.n, self.c, self.plane)?)
    }
    /// Reads an activation, compares its real lanes, and wants zeros in the padded ones.
    async fn compare(self, bench: &mut Bench<'_>, check: &mut Check, what: &str, id: BufferId, want: &[f32]) -> Result<()> {
        let got = bench.read(id, self.len()).await?;
        check.close(what, &nchw_from_chwn(&got, self.n, self.c, self.plane)?, want, LAYER_TOLERANCE);
        let padded = got.chunks(padded_batch(self.n)).flat_map(|row| &row[self.n..]);
        check.exactly(what, padded.into_iter().all(|v| *v == 0.0), "padded lanes are not zero");
        Ok(())
    }
}

fn shape_error(tensor: &str, expected: String, found: String) -> Error {
    Error::shape("golden case", tensor.to_owned(), expected, found)
}

/// `[n, c, h, w]`, or `[n, c]` for a linear layer.
fn extents(tensors: &Tensors, name: &str) -> Result<[usize; 4]> {
    match *tensors.get(name)?.shape {
        [n, c] => Ok([n, c, 1, 1]),
        [n, c, h, w] => Ok([n, c, h, w]),
        ref other => Err(shape_error(name, "2 or 4 extents".into(), format!("{other:?}"))),
    }
}

/// All three directions, with the dense weight and with the same weight as CSR.
pub async fn convolution(case: &Case, tensors: &Tensors, bench: &mut Bench<'_>) -> Result<Finding> {
    let (stride, pad) = (case.number_or("stride", 1.0)? as usize, case.number_or("padding", 0.0)? as usize);
    let [n, c_in, h_in, w_in] = extents(tensors, "x")?;
    let [_, c_out, h_out, w_out] = extents(tensors, "y")?;
    let weight_shape = WeightShape::from_dims(&tensors.get("weight")?.shape)?;
    let WeightShape { kh, kw, .. } = weight_shape;
    let shape = ConvShape { c_in, h_in, w_in, c_out, h_out, w_out, kh, kw, stride, pad, n: padded_batch(n) };
    let (weight, mask) = (tensors.values("weight")?, tensors.values("mask")?);
    let csr = Csr::from_mask(weight_shape, mask, weight)?;
    let mut check = Check::default();
    check.equal("weight times mask", &csr.to_dense(), weight);

    let (input, output) = (Batch { n, c: c_in, plane: h_in * w_in }, Batch { n, c: c_out, plane: h_out * w_out });
    let x = input.input(bench, tensors.values("x")?)?;
    let dy = output.input(bench, tensors.values("dy")?)?;
    let bias = bench.floats(tensors.values("bias")?)?;
    let dense_values = bench.floats(weight)?;
    let sparse_values = bench.floats(&csr.values)?;
    let topology = bench.topology(&csr)?;

    let want_dw = tensors.values("dweight")?;
    let sampled_dw = gather(want_dw, &csr.positions().collect::<Vec<_>>());
    let kinds = [
        ("dense", Weight::Dense { values: dense_values }, want_dw),
        ("sparse", Weight::Sparse { values: sparse_values, topology }, sampled_dw.as_slice()),
    ];
    for (kind, weight, want_dw) in kinds {
        let y = bench.output(output.len())?;
        let dx = bench.output(input.len())?;
        let twice = input.input(bench, tensors.values("dx")?)?;
        let dw = bench.output(want_dw.len())?;
        let dbias = bench.output(c_out)?;
        let ops = [
            Op::ConvForward(ConvForward { shape, x, norm: None, weight, bias: Some(bias), y }),
            Op::ConvInputGrad(ConvInputGrad { shape, dy, weight, dx, accumulate: false }),
            Op::ConvInputGrad(ConvInputGrad { shape, dy, weight, dx: twice, accumulate: true }),
            Op::ConvWeightGrad(ConvWeightGrad { shape, x, norm: None, dy, topology: weight.topology(), dw }),
            Op::BiasGrad(BiasGrad { shape: shape.output(), dy, dbias }),
        ];
        bench.run(&ops, &StepParams { n_valid: n as u32, ..StepParams::default() }).await?;
        output.compare(bench, &mut check, &format!("{kind} y"), y, tensors.values("y")?).await?;
        input.compare(bench, &mut check, &format!("{kind} dx"), dx, tensors.values("dx")?).await?;
        let doubled: Vec<f32> = tensors.values("dx")?.iter().map(|v| 2.0 * v).collect();
        input.compare(bench, &mut check, &format!("{kind} dx added to dx"), twice, &doubled).await?;
        check.close(&format!("{kind} dweight"), &bench.read(dw, want_dw.len()).await?, want_dw, LAYER_TOLERANCE);
        check.close(&format!("{kind} dbias"), &bench.read(dbias, c_out).await?, tensors.values("dbias")?, LAYER_TOLERANCE);
    }
    Ok(check.finding())
}

/// Train mode in both directions with running statistics, and eval mode with the statistics from before.
pub async fn batchnorm(case: &Case, tensors: &Tensors, bench: &mut Bench<'_>) -> Result<Finding> {
    let (eps, momentum) = (case.number("eps")? as f32, case.number("momentum")? as f32);
    let [n, c, h, w] = extents(tensors, "x")?;
    let (shape, batch) = (Shape { c, h, w, n: padded_batch(n) }, Batch { n, c, plane: h * w });
    let pair = |first: &str, second: &str| Ok::<_, Error>([tensors.values(first)?, tensors.values(second)?].concat());

    let x = batch.input(bench, tensors.values("x")?)?;
    let dy = batch.input(bench, tensors.values("dy")?)?;
    let affine = bench.floats(&pair("gamma", "beta")?)?;
    let before = pair("running_mean_before", "running_var_before")?;
    let (running, running_before) = (bench.floats(&before)?, bench.floats(&before)?);
    let (saved, daffine) = (bench.output(2 * c)?, bench.output(2 * c)?);
    let (y, y_eval, dx) = (bench.output(batch.len())?, bench.output(batch.len())?, bench.output(batch.len())?);

    let train = BatchNormApply { shape, x, stats: saved, eval: false, eps, affine, residual: None, relu: false, y };
    let ops = [
        Op::BatchNormStats(BatchNormStats { shape, x, saved, running, momentum, eps }),
        Op::BatchNormApply(train),
        Op::BatchNormApply(BatchNormApply { stats: running_before, eval: true, y: y_eval, ..train }),
        Op::BatchNormReduceGrad(BatchNormReduceGrad { shape, dy, gate: Gate::Open, x, stats: saved, eval: false, eps, affine, daffine }),
        Op::BatchNormInputGrad(BatchNormInputGrad {
            shape,
            dy,
            gate: Gate::Open,
            x,
            stats: saved,
            eval: false,
            eps,
            affine,
            daffine,
            dx,
            accumulate: false,
            dresidual: None,
        }),
    ];
    bench.run(&ops, &StepParams { n_valid: n as u32, ..StepParams::default() }).await?;

    let mut check = Check::default();
    for (name, id) in [("y", y), ("y_eval", y_eval), ("dx", dx)] {
        batch.compare(bench, &mut check, name, id, tensors.values(name)?).await?;
    }
    for (first, second, id) in [("running_mean", "running_var", running), ("dgamma", "dbeta", daffine)] {
        let got = bench.read(id, 2 * c).await?;
        check.close(first, &got[..c], tensors.values(first)?, LAYER_TOLERANCE);
        check.close(second, &got[c..], tensors.values(second)?, LAYER_TOLERANCE);
    }
    Ok(check.finding())
}

/// The loss op with its gradient and per-sample scores; AutoAttack's loss `dlr`, where that is built in.
pub async fn scores(tensors: &Tensors, bench: &mut Bench<'_>) -> Result<Finding> {
    /// Records start at this sample, so that the offset is tested too.
    const OFFSET: usize = 3;
    let (logits, [n, classes]) = tensors.with_rank::<2>("logits")?;
    let (labels, [_]) = tensors.with_rank::<1>("labels")?;
    if labels.len() != n || labels.iter().any(|l| *l < 0.0 || *l >= classes as f32) {
        return Err(shape_error("labels", format!("{n} classes below {classes}"), format!("{labels:?}")));
    }
    let batch = Batch { n, c: classes, plane: 1 };
    let mut padded: Vec<u32> = labels.iter().map(|l| *l as u32).collect();
    padded.resize(padded_batch(n), 0);

    let record_words = (OFFSET + n) * SAMPLE_WORDS;
    let logits_id = batch.input(bench, logits)?;
    let labels_id = bench.words(&padded)?;
    let (dlogits, samples) = (bench.output(batch.len())?, bench.output(record_words)?);
    let totals = bench.floats(&[0.0; TOTAL_WORDS])?;
    let op =
        SoftmaxCrossEntropy { classes, n: padded_batch(n), logits: logits_id, labels: labels_id, dlogits: Some(dlogits), samples, totals };
    let step = StepParams { n_valid: n as u32, sample_offset: OFFSET as u32, ..StepParams::default() };
    bench.run(&[Op::SoftmaxCrossEntropy(op)], &step).await?;

    let mut check = Check::default();
    batch.compare(bench, &mut check, "dlogits", dlogits, tensors.values("dlogits")?).await?;
    let records = bench.read(samples, record_words).await?;
    let records = &records[OFFSET * SAMPLE_WORDS..];
    let column = |word: usize| -> Vec<f32> { records.iter().skip(word).step_by(SAMPLE_WORDS).copied().collect() };
    for (name, word) in [("loss", 0), ("el2n", 1), ("true_probability", 2)] {
        check.close(name, &column(word), tensors.values(name)?, LAYER_TOLERANCE);
    }
    let norms: Vec<f32> = column(1).iter().map(|squared| squared.sqrt()).collect();
    check.close("el2n_norm", &norms, tensors.values("el2n_norm")?, LAYER_TOLERANCE);

    let first_maximum = |row: &[f32]| (0..classes).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    let predicted: Vec<f32> = logits.chunks(classes.max(1)).map(|row| first_maximum(row) as f32).collect();
    check.equal("predicted class", &column(3), &predicted);
    let correct = predicted.iter().zip(labels).filter(|(p, l)| p == l).count();
    let totals = bench.read(totals, TOTAL_WORDS).await?;
    check.close("mean_loss", &[totals[0] / n as f32], tensors.values("mean_loss")?, LAYER_TOLERANCE);
    check.equal("correct, samples, non-finite", &totals[1..], &[correct as f32, n as f32, 0.0]);
    #[cfg(feature = "autoattack")]
    {
        use crate::ops::autoattack::{LaneLoss, LaneLossKind, VALUE_ROWS};
        let (lanes, kind) = (padded_batch(n), LaneLossKind::Dlr);
        let (values, dlogits) = (bench.output(VALUE_ROWS * lanes)?, bench.output(batch.len())?);
        let op = LaneLoss { kind, classes, n: lanes, logits: logits_id, labels: labels_id, targets: labels_id, values, dlogits };
        bench.run(&[Op::LaneLoss(op)], &step).await?;
        let values = bench.read(values, VALUE_ROWS * lanes).await?;
        check.close("dlr", &values[..n], tensors.values("dlr")?, LAYER_TOLERANCE);
        let wrong: Vec<f32> = predicted.iter().zip(labels).map(|(p, l)| f32::from(u8::from(p != l))).collect();
        check.equal("fooled", &values[lanes..lanes + n], &wrong);
    }
    Ok(check.finding())
}

/// Every step of an optimiser on the dense tensor (times its mask) and, where there is a mask, on the active values alone:
/// the two must agree at the active places.
pub async fn optimizer(case: &Case, tensors: &Tensors, bench: &mut Bench<'_>) -> Result<Finding> {
    let adam = case.text("name")?.starts_with("adam");
    let (masked, reset) = (case.flag("masked")?, case.flag("momentum_reset")?);
    let (gradients, [steps, len]) = tensors.with_rank::<2>("grads")?;
    let (expected, start) = (tensors.values("ps")?, tensors.values("p0")?);
    let mask = tensors.values("mask")?;
    if start.len() != len || mask.len() != len || expected.len() != steps * len {
        return Err(shape_error("p0, mask and ps", format!("{len}, {len} and {steps}x{len}"), "others".into()));
    }
    let all: Vec<u32> = (0..len as u32).collect();
    let mut runs = vec![("dense", all, masked)];
    if masked {
        runs.push(("sparse", mask_positions(mask), false));
    }
    let mut check = Check::default();
    for (kind, positions, with_mask) in runs {
        let len_run = positions.len();
        let mask = gather(mask, &positions);
        let values = bench.floats(&gather(start, &positions))?;
        let first = bench.floats(&vec![0.0; len_run])?;
        let second = bench.floats(&vec![0.0; len_run])?;
        let grad = bench.output(len_run)?;
        let mask_id = if with_mask { Some(bench.floats(&mask)?) } else { None };
        let op = if adam {
            Op::AdamUpdate(AdamUpdate { len: len_run, values, grad, first, second, mask: mask_id })
        } else {
            Op::SgdUpdate(SgdUpdate { len: len_run, values, grad, momentum: first, mask: mask_id, momentum_reset: reset && with_mask })
        };
        for t in 0..steps {
            bench.write(grad, &gather(&gradients[t * len..][..len], &positions))?;
            bench.run(std::slice::from_ref(&op), &hyperparameters(case, adam, t)?).await?;
            let got = bench.read(values, len_run).await?;
            let want = gather(&expected[t * len..][..len], &positions);
            check.close(&format!("{kind} values after step {}", t + 1), &got, &want, LAYER_TOLERANCE);
            if reset && with_mask && !adam {
                let momentum = bench.read(first, len_run).await?;
                let still = momentum.iter().zip(&mask).all(|(m, k)| *k != 0.0 || *m == 0.0);
                check.exactly("momentum of inactive values", still, "is not zero");
            }
        }
    }
    Ok(check.finding())
}

/// What the cases were made with, unless one says otherwise: the paper's SGD, and PyTorch's Adam with the paper's decay.
fn hyperparameters(case: &Case, adam: bool, t: usize) -> Result<StepParams> {
    let (beta1, beta2) = (case.number_or("beta1", 0.9)?, case.number_or("beta2", 0.999)?);
    let power = t as f64 + 1.0;
    Ok(StepParams {
        lr: case.number_or("lr", if adam { 0.001 } else { 0.1 })? as f32,
        momentum: if adam { beta1 as f32 } else { case.number_or("momentum", 0.9)? as f32 },
        weight_decay: case.number_or("weight_decay", 5e-4)? as f32,
        beta2: beta2 as f32,
        epsilon: case.number_or("eps", 1e-8)? as f32,
        correction1: (1.0 - libm::pow(beta1, power)) as f32,
        correction2: (1.0 - libm::pow(beta2, power)) as f32,
        nesterov: u32::from(!adam),
        ..StepParams::default()
    })
}
