//! The estimate of the form's experiment on this device.

use leptos::prelude::*;

use super::kit::{memo, told};
use super::lab::Lab;
use crate::estimate::{self, Speed, estimate};
use crate::race::Race;
use crate::team;

/// In words; empty where nothing is known. The work is counted when the form changes, not with every report of a race.
pub fn sentence(lab: Lab) -> Signal<String> {
    let work = memo(move || lab.config.with(|c| estimate(c).map(|work| (work, team::longest(c, lab.workers)))));
    told(move || {
        let (Some((mut estimate, longest)), Some(device)) = (work.get(), lab.device.get()) else { return String::new() };
        // Where there is no GPU, learners train at the same time.
        if device.info.backend == "cpu" {
            estimate.work.flops *= longest;
            estimate.work.moved *= longest;
        }
        let guess = Speed::guess(&device.info.backend, device.info.software);
        // What a recording took says nothing of this device.
        let here = |race: &Race| race.device.as_ref().is_some_and(|ran| ran.is(&device.info));
        let steps = lab.race.with(|race| match lab.started.get() {
            Some(config) if here(race) => {
                let corners = || race.corners().filter(|l| l.ms_per_step.is_some());
                let work = estimate::steps(&config, corners().map(|l| (l.now.flops_per_step, l.now.active_parameters)));
                work.into_iter().zip(corners().map(|l| l.ms_per_step.unwrap_or(0.0) / 1000.0)).collect()
            }
            _ => Vec::new(),
        });
        let measured = Speed::measured(&steps, guess);
        estimate::sentence(estimate, measured.unwrap_or(guess), measured.is_some())
    })
}
