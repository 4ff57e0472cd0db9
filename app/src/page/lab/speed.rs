//! What this device does in a second, and what an experiment would take on it.

use leptos::prelude::*;
use sparring_core::config::ExperimentConfig;

use super::Lab;
use crate::model::estimate::{self, Estimate, Speed, estimate};
use crate::model::presets::Preset;
use crate::model::race::{LearnerView, Race};
use crate::team;

/// What a race without a GPU may take that somebody is to wait for.
const WAIT_SECONDS: f64 = 120.0;

impl Lab {
    /// An experiment without a GPU, where learners train at the same time: the work of the worker that has most of it.
    pub fn shared_out(self, config: &ExperimentConfig) -> Option<Estimate> {
        let of_all = estimate(config)?;
        Some(Estimate { work: of_all.work.times(team::longest(config, self.workers)), ..of_all })
    }

    /// The speed of this device, and whether it was measured; `raced`: bytes that an image moves in the race that is shown.
    pub fn speed(self, raced: Option<f64>) -> Option<(Speed, bool)> {
        let device = self.device.get()?;
        let guess = Speed::guess(&device.info.backend, device.info.software);
        // What a recording took says nothing of this device.
        let here = |race: &Race| race.device.as_ref().is_some_and(|ran| team::ran_on(&device.info, ran));
        let of_race = |race: &Race, bytes: f64| -> Vec<_> {
            let step = |l: LearnerView| {
                Some((estimate::step(l.now.flops_per_step, l.info.batch, bytes, l.now.active_parameters), l.ms_per_step? / 1000.0))
            };
            if here(race) { race.corners().filter_map(step).collect() } else { Vec::new() }
        };
        // Who asks of no race is not asked again with every report of one.
        let mut steps = raced.map(|bytes| self.race.with(|race| of_race(race, bytes))).unwrap_or_default();
        // Until a race says more, what was timed when the CPU was opened.
        if steps.is_empty() && self.on_cpu() {
            steps.extend(self.timed.get());
        }
        let measured = Speed::measured(&steps, guess);
        Some((measured.unwrap_or(guess), measured.is_some()))
    }

    /// Whether the device that is open is the CPU.
    pub fn on_cpu(self) -> bool {
        self.device.with(|device| device.as_ref().is_some_and(|device| device.info.backend == "cpu"))
    }

    /// A race that any device can train: with as many of its epochs as end soon on this one.
    pub fn quick_look(self) -> Option<ExperimentConfig> {
        let mut config = Preset::named(Preset::QUICK)?.config(self.config.with(|form| form.device));
        if let Some((speed, true)) = self.speed(None)
            && let Some(estimate) = self.shared_out(&config).filter(|_| self.on_cpu())
        {
            let seconds = speed.seconds(estimate.work.times(f64::from(self.seeds())));
            config.epochs = estimate::epochs_within(WAIT_SECONDS, config.epochs, seconds);
        }
        Some(config)
    }
    /// Puts it into the form.
    pub fn choose_quick_look(self) {
        if let Some(config) = untrack(|| self.quick_look()) {
            self.config.set(config);
        }
    }
}
