//! What an experiment would take on this device.

use leptos::prelude::*;
use sparring_core::config::ExperimentConfig;

use crate::model::estimate::{self, Estimate, Speed, estimate};
use crate::model::presets::Preset;
use crate::model::race::{LearnerView, Race};
use crate::page::lab::Lab;
use crate::team;

/// What a race without a GPU may take that somebody is to wait for.
const WAIT_SECONDS: f64 = 120.0;

/// The form's experiment in words; empty where nothing is known. Networks are counted when the form or the race changes, not with every
/// report of a race.
pub fn sentence(lab: Lab) -> Signal<String> {
    let work = Memo::new(move |_| lab.config.with(|config| on_the_cpu(lab, config).zip(estimate(config))));
    let raced = Memo::new(move |_| lab.started.with(|config| config.as_ref().and_then(estimate::bytes_an_image)));
    Signal::derive(move || match (work.get(), speed(lab, raced.get())) {
        (Some((on_the_cpu, on_a_gpu)), Some((speed, measured))) => {
            estimate::sentence(if lab.on_cpu() { on_the_cpu } else { on_a_gpu }, speed, measured)
        }
        _ => String::new(),
    })
}

/// An experiment without a GPU, where learners train at the same time: the work of the worker that has most of it.
fn on_the_cpu(lab: Lab, config: &ExperimentConfig) -> Option<Estimate> {
    let mut of_all = estimate(config)?;
    let longest = team::longest(config, lab.workers);
    of_all.work.flops *= longest;
    of_all.work.moved *= longest;
    Some(of_all)
}

/// The speed of this device, and whether it was measured; `raced`: bytes that an image moves in the race that is shown.
fn speed(lab: Lab, raced: Option<f64>) -> Option<(Speed, bool)> {
    let device = lab.device.get()?;
    let guess = Speed::guess(&device.info.backend, device.info.software);
    // What a recording took says nothing of this device.
    let here = |race: &Race| race.device.as_ref().is_some_and(|ran| team::ran_on(&device.info, ran));
    let mut steps: Vec<_> = lab.race.with(|race| {
        let Some(bytes) = raced.filter(|_| here(race)) else { return Vec::new() };
        let step = |l: LearnerView| {
            Some((estimate::step(l.now.flops_per_step, l.info.batch, bytes, l.now.active_parameters), l.ms_per_step? / 1000.0))
        };
        race.corners().filter_map(step).collect()
    });
    // Until a race says more, what was timed when the CPU was opened.
    if steps.is_empty() && lab.on_cpu() {
        steps.extend(lab.timed.get());
    }
    let measured = Speed::measured(&steps, guess);
    Some((measured.unwrap_or(guess), measured.is_some()))
}

/// The preset that any device can train, with as many of its epochs as end soon on this one.
pub fn quick_look(lab: Lab) -> Option<ExperimentConfig> {
    let mut config = Preset::named(Preset::QUICK)?.config(lab.config.with_untracked(|form| form.device));
    if let Some((speed, true)) = untrack(|| speed(lab, None))
        && let Some(estimate) = on_the_cpu(lab, &config).filter(|_| untrack(|| lab.on_cpu()))
    {
        config.epochs = estimate::epochs_within(WAIT_SECONDS, config.epochs, speed.seconds(estimate.work));
    }
    Some(config)
}
