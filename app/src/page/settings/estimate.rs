//! The estimate of the form's experiment on this device.

use leptos::prelude::*;

use crate::model::estimate::{self, Speed, estimate};
use crate::model::race::{LearnerView, Race};
use crate::page::lab::Lab;
use crate::team;

/// In words; empty where nothing is known. Networks are counted when the form or the race changes, not with every report of a race.
pub fn sentence(lab: Lab) -> Signal<String> {
    let work = Memo::new(move |_| lab.config.with(|c| estimate(c).map(|work| (work, team::longest(c, lab.workers)))));
    let raced = Memo::new(move |_| lab.started.with(|config| config.as_ref().and_then(estimate::bytes_an_image)));
    Signal::derive(move || {
        let (Some((mut estimate, longest)), Some(device)) = (work.get(), lab.device.get()) else { return String::new() };
        // Where there is no GPU, learners train at the same time.
        if device.info.backend == "cpu" {
            estimate.work.flops *= longest;
            estimate.work.moved *= longest;
        }
        let guess = Speed::guess(&device.info.backend, device.info.software);
        // What a recording took says nothing of this device.
        let here = |race: &Race| race.device.as_ref().is_some_and(|ran| team::ran_on(&device.info, ran));
        let steps: Vec<_> = lab.race.with(|race| {
            let Some(bytes) = raced.get().filter(|_| here(race)) else { return Vec::new() };
            let step = |l: LearnerView| {
                Some((estimate::step(l.now.flops_per_step, l.info.batch, bytes, l.now.active_parameters), l.ms_per_step? / 1000.0))
            };
            race.corners().filter_map(step).collect()
        });
        let measured = Speed::measured(&steps, guess);
        estimate::sentence(estimate, measured.unwrap_or(guess), measured.is_some())
    })
}
