//! The estimate of the form's experiment on this device.

use leptos::prelude::*;

use super::lab::Lab;
use crate::estimate::{self, estimate};

/// In words; empty where nothing is known.
pub fn sentence(lab: Lab) -> String {
    let Some(work) = lab.config.with(estimate) else { return String::new() };
    let measured = lab.race.with(|r| {
        let rates = r.corners().filter_map(|l| Some(l.info.flops_per_step as f64 / (l.ms_per_step? / 1000.0))).filter(|r| r.is_finite());
        rates.reduce(f64::min)
    });
    let guess = || lab.device.with(|d| d.as_ref().map(|d| estimate::guess(&d.info.backend, d.info.software)));
    match (measured, guess()) {
        (Some(rate), _) => estimate::sentence(work, rate, true),
        (None, Some(rate)) => estimate::sentence(work, rate, false),
        (None, None) => String::new(),
    }
}
