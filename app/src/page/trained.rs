//! Networks that ship with the page: places that look at networks have some before anything was trained here.

use leptos::prelude::*;
use sparring_core::record::RunFile;
use wasm_bindgen_futures::spawn_local;

use super::entries::{recorded, unfinished};
use super::lab::{Lab, Phase};
use crate::model::replay::{FIRST, Player, Source, recording};

/// Opens them whenever a place asks for networks and nobody has trained; not in place of another run that is shown, nor of one's own race
/// that can be gone on with.
pub fn open_where_wanted(lab: Lab) {
    let wanted = Memo::new(move |_| {
        let nobody = lab.phase.with(|phase| *phase == Phase::Ready) && lab.started.with(Option::is_none);
        let first = |player: &Player, run: &RunFile| player.source() == Source::Recorded && recording(&run.config) == FIRST;
        let another = lab.player.with(|player| player.run().is_some_and(|run| !first(player, run)));
        lab.place.get().asks_networks() && nobody && !another && lab.runs.with(|runs| unfinished(runs).is_none())
    });
    Effect::new(move |_| {
        if !wanted.get() || lab.without_trained.get_value() {
            return;
        }
        spawn_local(async move {
            match recorded(&format!("{FIRST}.json")).await {
                Ok(run) if wanted.get_untracked() => lab.open_trained(run),
                Ok(_) => {}
                Err(_) => lab.without_trained.set_value(true),
            }
        });
    });
}
