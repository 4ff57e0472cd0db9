//! Attacks on a fixed network in eval mode: FGSM, and PGD from given starts.

use super::check::Check;
use super::net::{network, start};
use super::{Case, Finding, Tensors};
use crate::attack::{AttackIo, Norm, Pgd, PgdConfig, Programs, StartPoint};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::layout::{chwn_from_nchw, nchw_from_chwn};
use crate::net::scratch::Scratch;
use crate::net::{Io, Net, NetConfig, Placement};
use crate::ops::{OptimizerName, Shape, StepParams, padded_batch};

/// A pixel is off where it differs by more than this.
const PIXEL_TOLERANCE: f32 = 1e-4;
/// Share of pixels that may be off: a sign may flip on a gradient of rounding size.
const MAY_BE_OFF: f64 = 0.01;

/// Runs a case of kind `attack`.
///
/// # Errors
/// What the device says; `Format` where tensors are missing.
pub async fn run(case: &Case, tensors: &Tensors, device: &mut Device) -> Result<Finding> {
    let (_, [n, c, h, w]) = tensors.with_rank::<4>("x")?;
    let shape = Shape { c, h, w, n: padded_batch(n) };
    let mut scratch = Scratch::default();
    let batch = Io::new(device, (c, h, w), shape.n, n)?;
    let io = AttackIo::new(device, shape)?;
    let graph = network((c, h, w), tensors)?;
    let placements = vec![Placement::Dense; graph.weights().len()];
    let net = Net::plan(
        device,
        &mut scratch,
        batch,
        &start(tensors),
        NetConfig { graph, n: shape.n, placements, training: OptimizerName::Sgd.into() },
    )?;
    let programs = Programs::new(device, &mut scratch, &net, &io)?;
    let result = attacks(case, tensors, device, &programs, (&batch, io)).await;
    net.free(device);
    scratch.free(device);
    io.free(device);
    batch.free(device);
    result
}

async fn attacks(
    case: &Case,
    tensors: &Tensors,
    device: &mut Device,
    programs: &Programs,
    (batch, io): (&Io, AttackIo),
) -> Result<Finding> {
    let (pixels, [n, c, h, w]) = tensors.with_rank::<4>("x")?;
    let labels = tensors.values("y")?;
    if labels.len() != n {
        return Err(Error::format(case.file()?, format!("{n} labels"), labels.len()));
    }
    device.write_u32(batch.labels, 0, &labels.iter().map(|y| *y as u32).collect::<Vec<_>>())?;
    let layout = |name: &str| chwn_from_nchw(tensors.values(name)?, n, c, h * w);
    let clean = chwn_from_nchw(pixels, n, c, h * w)?;
    io.clean.upload(device, &clean)?;
    let number = |name: &str| case.number(name).map(|v| v as f32);
    let pgd = |norm, eps, step| PgdConfig { norm, eps, step, iterations: 0, random_start: false, targeted: false };
    let (linf, l2) = (pgd(Norm::Linf, number("eps_linf")?, number("step_linf")?), pgd(Norm::L2, number("eps_l2")?, number("step_l2")?));
    let iterations = case.count("iterations")? as u32;
    let mut check = Check::default();
    for (name, config, perturbation) in [
        ("fgsm", PgdConfig::fgsm(Norm::Linf, linf.eps), None),
        ("linf_zero_start", PgdConfig { iterations, ..linf }, None),
        ("linf_random_start", PgdConfig { iterations, ..linf }, Some("linf_start")),
        ("l2_zero_start", PgdConfig { iterations, ..l2 }, None),
        ("l2_random_start", PgdConfig { iterations, ..l2 }, Some("l2_start")),
    ] {
        let attack = Pgd::new(device, batch, io, config)?;
        io.adversarial.upload(device, &clean)?;
        let perturbation = perturbation.map(layout).transpose()?;
        let start = perturbation.as_ref().map_or(StartPoint::Clean, |values| StartPoint::Perturbed(values));
        let step = StepParams { n_valid: n as u32, ..StepParams::default() };
        attack.run(device, programs.gradient(), &step, start)?;
        let got = nchw_from_chwn(&device.read_f32(io.adversarial.buffer(), 0, io.shape.len()).await?, n, c, h * w)?;
        let want = tensors.values(name)?;
        // Written so that NaN is off.
        let near = got.iter().zip(want).filter(|(a, b)| (*a - *b).abs() <= PIXEL_TOLERANCE).count();
        let off = (want.len() - near) as f64 / want.len().max(1) as f64;
        check.exactly(name, got.len() == want.len() && off <= MAY_BE_OFF, &format!("{:.2} % of the pixels are off", 100.0 * off));
        for (image, clean) in got.chunks(c * h * w).zip(pixels.chunks(c * h * w)) {
            let length = config.norm.length(clean, image);
            check.exactly(name, length <= f64::from(config.eps), &format!("a perturbation of length {length} leaves the ball"));
            check.exactly(name, image.iter().all(|v| (0.0..=1.0).contains(v)), "a pixel is outside 0..=1");
        }
    }
    Ok(check.finding())
}
