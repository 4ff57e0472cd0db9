//! The estimate of the form's experiment on this device.

use leptos::prelude::*;

use super::kit::{memo, told};
use super::lab::Lab;
use crate::estimate::{self, estimate};
use crate::team;

/// In words; empty where nothing is known. The work is counted when the form changes, not with every report of a race.
pub fn sentence(lab: Lab) -> Signal<String> {
    let work = memo(move || lab.config.with(|c| estimate(c).map(|work| (work, team::longest(c, lab.workers)))));
    told(move || {
        let Some((work, longest)) = work.get() else { return String::new() };
        // Where there is no GPU, learners train at the same time.
        let part = if lab.device.with(|d| d.as_ref().is_some_and(|d| d.info.backend == "cpu")) { longest } else { 1.0 };
        let measured = lab.race.with(|r| {
            let rates = r.corners().filter_map(|l| Some(l.now.flops_per_step as f64 / (l.ms_per_step? / 1000.0))).filter(|r| r.is_finite());
            rates.reduce(f64::min)
        });
        let guess = || lab.device.with(|d| d.as_ref().map(|d| estimate::guess(&d.info.backend, d.info.software)));
        let rate = measured.or_else(guess);
        rate.map(|rate| estimate::sentence(work, rate / part, measured.is_some())).unwrap_or_default()
    })
}
