//! Networks that ship with the page: places that look at networks have some before anything was trained here.

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::entries::{recorded, unfinished};
use super::lab::{Lab, Phase};
use super::place::Place;
use crate::model::replay::{FIRST, Recording, Source, shipped};

/// Whether nobody has trained, nor is about to.
fn nobody(lab: Lab) -> bool {
    lab.phase.with(|phase| *phase == Phase::Ready) && lab.started.with(Option::is_none)
}

/// The recorded run that is shown, where its networks ship and nobody has trained.
pub fn offered(lab: Lab) -> Option<Recording> {
    let nobody = nobody(lab);
    lab.player.with(|player| {
        let recorded = player.recording().filter(|_| nobody && player.source() == Source::Recorded);
        recorded.filter(|run| shipped(&run.config).is_some()).cloned()
    })
}

/// Opens those of a first visit whenever a place asks for networks and nobody has trained; not in place of another run that is shown, nor of
/// one's own race that can be gone on with.
pub fn open_where_wanted(lab: Lab) {
    let wanted = Memo::new(move |_| {
        let first = |run: &Recording| shipped(&run.config) == Some(FIRST);
        let another = lab.player.with(|player| player.run().is_some()) && !offered(lab).as_ref().is_some_and(first);
        lab.place.get().asks_networks() && nobody(lab) && !another && lab.runs.with(|runs| unfinished(runs).is_none())
    });
    Effect::new(move |_| {
        if !wanted.get() || lab.without_trained.get_value() {
            return;
        }
        // Mostly it is the run that is shown, and here already.
        let shown = untrack(move || offered(lab));
        spawn_local(async move {
            let run = match shown {
                Some(run) => Ok(run),
                None => recorded(&format!("{FIRST}.json")).await,
            };
            match run {
                Ok(run) if wanted.get_untracked() => lab.open_trained(run),
                Ok(_) => {}
                Err(_) => lab.without_trained.set_value(true),
            }
        });
    });
    // Networks are as they were at the end of their race: wherever they are looked at, so is it, and who plays it sees it in the ring.
    let on_the_way = Memo::new(move |_| lab.player.with(|player| player.run().is_some() && player.at() < 1.0));
    Effect::new(move |before: Option<Place>| {
        let place = lab.place.get();
        let looked_at = place.asks_networks() && lab.phase.with(|phase| *phase == Phase::Finished);
        match (looked_at && on_the_way.get(), before == Some(place)) {
            (true, true) => lab.visit(Place::Ring),
            (true, false) => lab.play_on(|player, race| player.seek(1.0, race)),
            (false, _) => {}
        }
        place
    });
}
