//! Whole small networks: five training steps of the planned network, and scores of weights and samples.

#[cfg(feature = "oracle")]
use super::check::CURVATURE_TOLERANCE;
use super::check::{Check, LAYER_TOLERANCE, STEPS_TOLERANCE};
use super::{Case, Finding, Tensors};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::StateDict;
use crate::layout::{chwn_from_nchw, nchw_from_chwn};
use crate::net::Graph;
use crate::net::Io;
use crate::net::NetConfig;
use crate::net::plan::{Net, Placement};
use crate::net::scratch::Scratch;
use crate::net::zoo::golden_net;
use crate::ops::OptimizerName;
use crate::ops::{Dtype, SAMPLE_WORDS, StepParams, padded_batch};
use crate::sparse::csr::mask_positions;
use crate::train::saliency;

/// The cases' networks normalise their pixels as CIFAR-10's do.
const MEAN: [f32; 4] = [0.4914, 0.4822, 0.4465, 0.0];
const STD: [f32; 4] = [0.2023, 0.1994, 0.2010, 1.0];

/// Runs a case of kind `net`.
///
/// # Errors
/// `UnknownName` for a case that is neither; what the device says.
pub async fn run(case: &Case, tensors: &Tensors, device: &mut Device) -> Result<Finding> {
    match case.text("name")? {
        "train" => train(case, tensors, device).await,
        "scores" => scores(case, tensors, device).await,
        name => Err(Error::unknown_name("net case", name, "scores, train")),
    }
}

/// Scores of connections (SNIP on the device, GraSP in float64 where this build has it), the logits and GraNd in eval mode.
async fn scores(case: &Case, tensors: &Tensors, device: &mut Device) -> Result<Finding> {
    let (pixels, [n, c, h, w]) = tensors.with_rank::<4>("x")?;
    let lanes = padded_batch(n);
    let mut io = Io::new(device, (c, h, w), lanes, n)?;
    io.pixels = Some(device.alloc("pixels", c * h * w * lanes, Dtype::F32)?);
    let mut scratch = Scratch::default();
    let state = start(tensors);
    let graph = network((c, h, w), tensors)?;
    let labels = tensors.values("y")?;
    if labels.len() != n {
        return Err(Error::format(case.file()?, format!("{n} labels"), labels.len()));
    }
    let load = |device: &mut Device, io: &Io, range: std::ops::Range<usize>| {
        let count = range.len();
        let part = &pixels[range.start * c * h * w..range.end * c * h * w];
        if let Some(buffer) = io.pixels {
            device.write_f32(buffer, 0, &chwn_from_nchw(part, count, c, h * w)?)?;
        }
        device.write_u32(io.labels, 0, &labels[range].iter().map(|y| *y as u32).collect::<Vec<_>>())?;
        Ok::<_, Error>(count)
    };
    let mut check = Check::default();
    let placements = vec![Placement::Dense; graph.weights().len()];
    let net = Net::plan(
        device,
        &mut scratch,
        io,
        &state,
        NetConfig { graph: graph.clone(), n: lanes, placements, training: OptimizerName::Sgd.into() },
    )?;
    let result = async {
        let count = load(device, &io, 0..n)?;
        let step = StepParams { n_valid: count as u32, ..StepParams::default() };
        let all: Vec<usize> = (0..net.weights.len()).collect();
        let gradients = net.dense_gradients(device, &mut scratch, &all, &step).await?;
        let names: Vec<String> = net.weights.iter().map(|slot| slot.info.name.trim_end_matches(".weight").to_owned()).collect();
        let weights = names.iter().map(|name| tensors.values(&format!("state.{name}.weight"))).collect::<Result<Vec<_>>>()?;
        for (name, got) in names.iter().zip(saliency::sensitivity(&weights, &gradients)) {
            check.close(&format!("snip.{name}"), &got, tensors.values(&format!("snip.{name}"))?, LAYER_TOLERANCE);
        }
        let (got, lanes) = net.logits(device, &mut scratch, &step).await?;
        let classes = graph.classes;
        check.close("logits_eval", &nchw_from_chwn(&got, n, classes, 1)?, tensors.values("logits_eval")?, LAYER_TOLERANCE);
        check.equal("lanes", &[lanes], &[padded_batch(n)]);
        let norms = net.sample_norms(device, &mut scratch)?;
        let grand = norms.run(device, &step).await;
        norms.free(device);
        check.close("grand", &grand?, tensors.values("grand")?, LAYER_TOLERANCE);
        #[cfg(feature = "oracle")]
        {
            let half = n / 2;
            let mut halves = |device: &mut Device, io: &Io, batch: usize| load(device, io, if batch == 0 { 0..half } else { half..n });
            let lanes = padded_batch(n - half);
            let scores = crate::train::grasp::scores(&graph, &state, lanes, true, &mut halves).await?;
            for (name, got) in names.iter().zip(scores) {
                check.close(&format!("grasp.{name}"), &got, tensors.values(&format!("grasp.{name}"))?, CURVATURE_TOLERANCE);
            }
        }
        Ok::<_, Error>(())
    }
    .await;
    net.free(device);
    scratch.free(device);
    io.free(device);
    result?;
    Ok(check.finding())
}

/// The state that a case starts from.
pub(super) fn start(tensors: &Tensors) -> StateDict {
    let mut state = StateDict::default();
    for (name, tensor) in tensors.all() {
        if let Some(name) = name.strip_prefix("state.") {
            state.tensors.insert(name.to_owned(), tensor.clone());
        }
    }
    state
}

/// The cases' network.
pub(super) fn network(extent: (usize, usize, usize), tensors: &Tensors) -> Result<Graph> {
    let mut graph = Graph::new(extent, tensors.values("state.fc.bias")?.len(), MEAN, STD);
    golden_net(&mut graph)?;
    Ok(graph)
}

/// Masked steps of SGD: the losses, and the state after the last. With masks that do not change, truly sparse weights must
/// come to the same.
async fn train(case: &Case, tensors: &Tensors, device: &mut Device) -> Result<Finding> {
    let mut check = Check::default();
    for (kind, placement) in [("masked", Placement::Masked as fn(Vec<u32>) -> Placement), ("sparse", Placement::Sparse)] {
        let (_, [_, n, c, h, w]) = tensors.with_rank::<5>("xs")?;
        let lanes = padded_batch(n);
        let mut io = Io::new(device, (c, h, w), lanes, case.count("steps")? * n)?;
        io.pixels = Some(device.alloc("pixels", c * h * w * lanes, Dtype::F32)?);
        let mut scratch = Scratch::default();
        let result = steps(case, tensors, device, &mut scratch, io, kind, placement, &mut check).await;
        scratch.free(device);
        io.free(device);
        result?;
    }
    Ok(check.finding())
}

#[expect(clippy::too_many_arguments, reason = "one run of a case, with what its caller must give back")]
async fn steps(
    case: &Case,
    tensors: &Tensors,
    device: &mut Device,
    scratch: &mut Scratch,
    io: Io,
    kind: &str,
    placement: fn(Vec<u32>) -> Placement,
    check: &mut Check,
) -> Result<()> {
    let (_, [steps, n, c, h, w]) = tensors.with_rank::<5>("xs")?;
    let ys = tensors.values("ys")?;
    if case.count("steps")? != steps || ys.len() != steps * n {
        return Err(Error::format(case.file()?, format!("{steps} steps of {n} labels"), format!("{} labels", ys.len())));
    }
    let graph = network((c, h, w), tensors)?;
    let mut placements = Vec::new();
    for info in graph.weights() {
        let mask = format!("mask.{}", info.name.trim_end_matches(".weight"));
        placements.push(placement(mask_positions(tensors.values(&mask)?)));
    }
    let mut net = Net::plan(
        device,
        scratch,
        io,
        &start(tensors),
        NetConfig { graph, n: padded_batch(n), placements, training: OptimizerName::Sgd.into() },
    )?;
    let result = drive(case, tensors, device, &mut net, io, kind, check).await;
    net.free(device);
    result
}

/// Feeds the batches to a planned network and compares what comes out.
async fn drive(case: &Case, tensors: &Tensors, device: &mut Device, net: &mut Net, io: Io, kind: &str, check: &mut Check) -> Result<()> {
    let (xs, [steps, n, c, h, w]) = tensors.with_rank::<5>("xs")?;
    let ys = tensors.values("ys")?;
    let step = StepParams {
        n_valid: n as u32,
        lr: case.number("lr")? as f32,
        momentum: case.number("momentum")? as f32,
        weight_decay: case.number("weight_decay")? as f32,
        nesterov: u32::from(case.flag("nesterov")?),
        ..StepParams::default()
    };
    for t in 0..steps {
        let (pixels, labels) = (&xs[t * n * c * h * w..][..n * c * h * w], &ys[t * n..][..n]);
        if let Some(buffer) = io.pixels {
            device.write_f32(buffer, 0, &chwn_from_nchw(pixels, n, c, h * w)?)?;
        }
        device.write_u32(io.labels, 0, &labels.iter().map(|y| *y as u32).collect::<Vec<_>>())?;
        net.train_step(device, &StepParams { sample_offset: (t * n) as u32, ..step })?;
    }
    device.sync().await?;

    let records = device.read_f32(io.samples, 0, steps * n * SAMPLE_WORDS).await?;
    let mean_loss = |batch: &[f32]| batch.iter().step_by(SAMPLE_WORDS).sum::<f32>() / n as f32;
    let losses: Vec<f32> = records.chunks(n * SAMPLE_WORDS).map(mean_loss).collect();
    check.close(&format!("{kind} losses"), &losses, tensors.values("losses")?, STEPS_TOLERANCE);

    let state = net.state(device).await?;
    for (name, want) in tensors.all() {
        let Some(name) = name.strip_prefix("final.") else { continue };
        let got = state.tensors.get(name).map_or(&[][..], |t| &t.data);
        check.close(&format!("{kind} {name}"), got, &want.data, STEPS_TOLERANCE);
    }
    Ok(())
}
