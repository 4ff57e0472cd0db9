//! Networks that ship with the page: places that look at networks have some before anything was trained here.

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::entries::{day, recorded};
use super::lab::{Lab, Phase};
use crate::model::replay::FIRST;
use crate::words::runs as words;

/// Opens them whenever a place asks for networks and nobody has trained.
pub fn open_where_wanted(lab: Lab) {
    // A server that has none is asked once.
    let lacking = StoredValue::new(false);
    let wanted = Memo::new(move |_| {
        lab.place.get().asks_networks() && lab.phase.with(|phase| *phase == Phase::Ready) && lab.started.with(Option::is_none)
    });
    Effect::new(move |_| {
        if !wanted.get() || lacking.get_value() {
            return;
        }
        spawn_local(async move {
            match recorded(&format!("{FIRST}.json")).await {
                Ok(run) if wanted.get_untracked() => {
                    lab.open_trained(&run);
                    lab.remark.set(Some(words::trained(&run.name, &run.device.name, day(&run))));
                }
                Ok(_) => {}
                Err(_) => lacking.set_value(true),
            }
        });
    });
}
