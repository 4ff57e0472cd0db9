//! Networks that ship with the page: places that look at networks have some before anything was trained here.

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::entries::{recorded, unfinished};
use super::lab::{Lab, Phase};
use super::place::Place;
use crate::model::replay::{FIRST, Recording};

/// Whether nobody has trained, nor is about to.
fn nobody(lab: Lab) -> bool {
    lab.phase.with(|phase| *phase == Phase::Ready) && lab.started.with(Option::is_none)
}

/// The recorded run that is shown, where its networks ship and nobody has trained.
pub fn offered(lab: Lab) -> Option<Recording> {
    let nobody = nobody(lab);
    lab.player.with(|player| player.recording().filter(|run| nobody && run.networks().is_some()).cloned())
}

/// The networks that the place which is shown asks for where nobody has trained: those that the open lesson speaks of, else those of a first
/// visit, though not in place of another run that is shown, nor of one's own race that can be gone on with.
fn wanted(lab: Lab) -> Option<String> {
    if !lab.place.get().asks_networks() || lab.started.with(Option::is_some) {
        return None;
    }
    let (ready, open) = lab.phase.with(|phase| (*phase == Phase::Ready, *phase == Phase::Finished));
    let shown = |name: &str| lab.player.with(|player| player.recording().is_some_and(|run| run.file.as_deref() == Some(name)));
    match lab.lesson_networks.get() {
        Some(name) => (ready || open && !shown(&name)).then_some(name),
        None => {
            let another = lab.player.with(|player| player.run().is_some()) && !shown(FIRST);
            let can_be_had = ready && !another && lab.runs.with(|runs| unfinished(runs).is_none());
            can_be_had.then(|| FIRST.to_owned())
        }
    }
}

/// Opens networks whenever a place asks for some and nobody has trained.
pub fn open_where_wanted(lab: Lab) {
    let wanted = Memo::new(move |_| wanted(lab));
    Effect::new(move |_| {
        let Some(name) = wanted.get().filter(|_| !lab.without_trained.get_value()) else { return };
        // Mostly it is the run that is shown, and here already.
        let shown = lab.player.with_untracked(|player| player.recording().filter(|run| run.file.as_deref() == Some(&name)).cloned());
        spawn_local(async move {
            let run = match shown {
                Some(run) => Ok(run),
                None => recorded(&name).await,
            };
            match run {
                Ok(run) if wanted.get_untracked().as_deref() == Some(&name) => lab.open_trained(run),
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
