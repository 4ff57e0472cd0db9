//! Cases that no device computes: schedules, density allocation and topology rules.

use super::check::{Check, HOST_TOLERANCE};
use super::{Case, Finding, Tensors};
use crate::config::LrSchedule;
use crate::error::{Error, Result};
use crate::hardness::Forgetting;
use crate::rng::{Purpose, Stream};

use crate::sparse::csr::{gather, mask_positions, positions_mask};
use crate::sparse::grow::choose;
use crate::sparse::prune::keep;
use crate::sparse::{Growth, PruneRule, density, magnitude, update};
use crate::train::schedule;

/// Every list of the case is a schedule that must be known; learning rates go by epoch, death rates by step.
pub fn schedules(case: &Case) -> Result<Finding> {
    let epochs = case.count("epochs")? as u32;
    let steps = u64::from(epochs) * case.count("steps_per_epoch")? as u64;
    let mut check = Check::default();
    for name in case.lists() {
        let want = case.numbers(name)?;
        let at = |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..want.len()).map(f).collect() };
        let got = match name {
            "lr_step" => {
                let lr = case.number("lr0")?;
                at(&|epoch| schedule::learning_rate(LrSchedule::Step, lr, epoch as u32, epochs))
            }
            "lr_cosine" => {
                let lr = case.number("lr0")?;
                at(&|epoch| schedule::learning_rate(LrSchedule::Cosine, lr, epoch as u32, epochs))
            }
            "death_rate_cosine" => {
                check.equal("death_rate_min", &[case.number_or("death_rate_min", schedule::DEATH_RATE_MIN)?], &[schedule::DEATH_RATE_MIN]);
                let rate = case.number("death_rate0")?;
                at(&|step| schedule::death_rate(rate, step as u64, steps))
            }
            "death_rate_linear" => {
                let rate = case.number("death_rate0")?;
                at(&|step| schedule::death_rate_linear(rate, step as u64, steps))
            }
            "gmp_prune_rate" => {
                let (sparsity, updates) = (case.number("gmp_final_sparsity")?, case.count("gmp_updates")? as u32);
                at(&|k| schedule::gradual_sparsity(sparsity, k as u32, updates))
            }
            _ => {
                return Err(Error::unknown_name(
                    "schedule",
                    name,
                    "death_rate_cosine, death_rate_linear, gmp_prune_rate, lr_cosine, lr_step",
                ));
            }
        };
        check.close(name, &got, &want, HOST_TOLERANCE);
    }
    Ok(check.finding())
}

/// Densities by layer.
pub fn erk(case: &Case) -> Result<Finding> {
    let mut check = Check::default();
    let got = density::erk(&case.shapes("shapes")?, case.number("density")?)?;
    check.close("densities", &got, &case.numbers("densities")?, HOST_TOLERANCE);
    Ok(check.finding())
}

/// One threshold over all layers: tensors `w0`, `w1`, ... under masks `m0`, `m1`, ...
pub fn global_magnitude(case: &Case, tensors: &Tensors) -> Result<Finding> {
    let names: Vec<&str> = tensors.all().keys().filter_map(|name| name.strip_prefix('w')).collect();
    let weights = names.iter().map(|name| tensors.values(&format!("w{name}"))).collect::<Result<Vec<_>>>()?;
    let mut check = Check::default();
    check.exactly("layers", !weights.is_empty(), "there are none");
    let kept = magnitude::global(&weights, case.number("density")?);
    for ((name, weight), kept) in names.iter().zip(&weights).zip(kept) {
        check.equal(&format!("m{name}"), &positions_mask(&kept, weight.len()), tensors.values(&format!("m{name}"))?);
    }
    Ok(check.finding())
}

/// Which weights each rule keeps; what grows after magnitude pruning; and both in one update, as RigL does it.
pub fn topology(case: &Case, tensors: &Tensors) -> Result<Finding> {
    let (weight, mask) = (tensors.values("weight")?, tensors.values("mask")?);
    let (gradient, momentum) = (tensors.values("grad")?, tensors.values("momentum")?);
    let (rate, n) = (case.number("death_rate")?, weight.len());
    if [mask, gradient, momentum].iter().any(|t| t.len() != n) {
        return Err(Error::format(case.file()?, "four tensors of one extent", "different extents"));
    }
    let positions = mask_positions(mask);
    let values = gather(weight, &positions);
    let sampled = gather(gradient, &positions);

    let mut check = Check::default();
    let rules = [
        ("keep_set", PruneRule::Set),
        ("keep_magnitude", PruneRule::Magnitude),
        ("keep_taylor", PruneRule::Taylor(&sampled)),
        ("keep_threshold", PruneRule::Threshold(case.number("threshold")?)),
    ];
    let mut after_magnitude = Vec::new();
    for (name, rule) in rules {
        let flags = keep(rule, &values, rate)?;
        let kept: Vec<u32> = positions.iter().zip(flags).filter(|(_, k)| *k).map(|(p, _)| *p).collect();
        check.equal(name, &positions_mask(&kept, n), tensors.values(name)?);
        if rule == PruneRule::Magnitude {
            after_magnitude = kept;
        }
    }
    let removed = case.count("removed")?;
    check.equal("removed", &[positions.len() - after_magnitude.len()], &[removed]);

    let stream = || Stream::new(0, Purpose::Growth, 1, 0);
    for (name, rule) in [("grow_gradient", Growth::Gradient(gradient)), ("grow_momentum", Growth::Momentum(momentum))] {
        let mut grown = choose(rule, &after_magnitude, n, removed, &mut stream())?;
        grown.extend(&after_magnitude);
        check.equal(name, &positions_mask(&grown, n), tensors.values(name)?);
    }
    let kept = update::prune(PruneRule::Magnitude, rate, &positions, &values, n)?;
    let removed = positions.len() - kept.len();
    let mut stream = update::growth_stream(0, 1, 0);
    let (next, _) = update::grow(Growth::Gradient(gradient), &positions, kept, n, removed, &mut stream)?;
    check.equal("magnitude pruning and gradient growth in one update", &positions_mask(&next, n), tensors.values("grow_gradient")?);
    Ok(check.finding())
}

/// Correct-to-wrong transitions of samples over epochs: `correct` is `[epoch, sample]`.
pub fn forgetting(tensors: &Tensors) -> Result<Finding> {
    let (correct, [_, samples]) = tensors.with_rank::<2>("correct")?;
    let mut forgetting = Forgetting::default();
    for epoch in correct.chunks(samples.max(1)) {
        forgetting.epoch(epoch.iter().map(|c| *c != 0.0));
    }
    let scores = forgetting.scores();
    let never: Vec<f32> = scores.iter().map(|s| f32::from(u8::from(s.is_infinite()))).collect();
    let mut check = Check::default();
    check.equal("never_learned", &never, tensors.values("never_learned")?);
    // What was never learned has no transitions; the case counts it as 0.
    let events: Vec<f32> = scores.into_iter().map(|s| if s.is_finite() { s } else { 0.0 }).collect();
    check.equal("forgetting_events", &events, tensors.values("forgetting_events")?);
    Ok(check.finding())
}
