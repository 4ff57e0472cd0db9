//! Keys: train and hold, step, places, and the dialog that lists them.
//!
//! Keys of one character can be switched off, as people who speak to their computer or hit keys by accident need (WCAG 2.1.4).

use leptos::prelude::*;
use sparring_core::config::ExperimentConfig;
use sparring_core::data::DatasetName;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent};

use super::kit::{Button, Check};
use super::lab::{Lab, Phase, use_lab};
use super::memory::{recall, remember};
use super::place::Place;
use crate::model::replay::Player;
use crate::words::keys as words;

const KEY: &str = "sparring-keys";
/// What takes keys itself.
const CONTROLS: &str = "a[href], button, input, select, textarea, summary, dialog, [role='slider'], [contenteditable]";
/// What takes letters and digits itself.
const WRITING: &str = "input:not([type='checkbox'], [type='radio'], [type='range']), select, textarea, dialog, [contenteditable]";

/// Whether the focus is in something of this kind.
fn inside(event: &KeyboardEvent, what: &str) -> bool {
    let target = event.target().and_then(|t| t.dyn_into::<Element>().ok());
    target.is_some_and(|t| t.closest(what).ok().flatten().is_some())
}

fn cifar10(config: &ExperimentConfig) -> bool {
    config.dataset == DatasetName::Cifar10
}

/// Plays and holds what is shown, trains and holds what trains. A race begins by it where it needs no download: a key is hit by accident.
fn space(lab: Lab) {
    // The images are here only where they were raced on.
    let raced =
        || lab.race.with_untracked(|race| !race.tracks.is_empty()) && lab.started.with_untracked(|c| c.as_ref().is_some_and(cifar10));
    let fetches = || lab.config.with_untracked(cifar10) && !raced();
    match lab.phase.get_untracked() {
        Phase::Training => lab.pause(),
        Phase::Paused => lab.train(),
        _ if lab.player.with_untracked(|p| p.run().is_some()) => lab.play_on(Player::toggle),
        Phase::Loading(_) | Phase::Starting => {}
        _ if fetches() => lab.remark.set(Some(words::FETCHES.into())),
        _ => lab.train(),
    }
}

fn press(lab: Lab, on: bool, show: impl Fn(), event: &KeyboardEvent) {
    if event.default_prevented() || event.ctrl_key() || event.alt_key() || event.meta_key() || event.is_composing() {
        return;
    }
    let key = event.key();
    if key == " " {
        if inside(event, CONTROLS) {
            return;
        }
        space(lab);
        event.prevent_default();
        return;
    }
    if !on || inside(event, WRITING) {
        return;
    }
    match key.as_str() {
        "?" => show(),
        "s" | "S" => {
            if !lab.phase.with_untracked(|p| matches!(p, Phase::Training | Phase::Loading(_) | Phase::Starting)) {
                lab.step();
            }
        }
        _ => {
            let number = key.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            match number.and_then(|n| Place::ALL.get(n)) {
                Some(place) => lab.visit(*place),
                None => return,
            }
        }
    }
    event.prevent_default();
}

/// The button in the header, its dialog, and the keys themselves.
#[component]
pub fn Keys() -> impl IntoView {
    let lab = use_lab();
    let on = RwSignal::new(recall(KEY).unwrap_or(true));
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    // Only a dialog that is open already refuses.
    let show = move || drop(dialog.get_untracked().map(|dialog| dialog.show_modal()));
    let close = move || dialog.get_untracked().into_iter().for_each(|dialog| dialog.close());
    let listener = window_event_listener(leptos::ev::keydown, move |event| press(lab, on.get_untracked(), show, &event));
    on_cleanup(move || listener.remove());
    let switch = move |now: bool| {
        on.set(now);
        remember(KEY, &now);
    };
    let row = |key: String, what: String| view! { <tr><th scope="row"><kbd>{key}</kbd></th><td>{what}</td></tr> };
    let places = Place::ALL.iter().zip(1..).map(|(place, number)| row(number.to_string(), words::place(place.label())));
    view! {
        <span>
            <Button label=words::BUTTON class="small keys-button" testid="keys-button" on_press=show />
            <dialog id="keys" aria-labelledby="keys-title" node_ref=dialog>
                <h2 id="keys-title">{words::TITLE}</h2>
                <table>
                    <tbody>
                        {words::KEYS.map(|(key, what)| row(key.into(), what.into())).collect_view()}
                        {places.collect_view()}
                    </tbody>
                </table>
                <Check label=words::ON testid="keys-on" on=on on_change=switch />
                <Button label=words::CLOSE testid="keys-close" on_press=close />
            </dialog>
        </span>
    }
}
