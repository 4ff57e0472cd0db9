//! What the form's experiment would take on this device.

use leptos::prelude::*;

use crate::model::estimate::{self, Estimate, estimate};
use crate::page::lab::Lab;

/// In words; empty where nothing is known. Networks are counted when the form or the race changes, not with every report of a race.
pub fn sentence(lab: Lab) -> Signal<String> {
    let work = Memo::new(move |_| lab.config.with(|config| lab.shared_out(config).zip(estimate(config))));
    let raced = Memo::new(move |_| lab.started.with(|config| config.as_ref().and_then(estimate::bytes_an_image)));
    Signal::derive(move || match (work.get(), lab.speed(raced.get())) {
        (Some((on_the_cpu, on_a_gpu)), Some((speed, measured))) => {
            let one = if lab.on_cpu() { on_the_cpu } else { on_a_gpu };
            // Seeds race one after the other.
            let all = Estimate { work: one.work.times(f64::from(lab.seeds())), ..one };
            estimate::sentence(all, speed, measured)
        }
        _ => String::new(),
    })
}
