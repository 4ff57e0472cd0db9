//! Keys: train and hold, step, places, and the dialog that lists them.
//!
//! Keys of one character can be switched off, as people who speak to their computer or hit keys by accident need (WCAG 2.1.4).

use leptos::prelude::*;
use sparring_core::data::DatasetName;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlDialogElement, HtmlInputElement, KeyboardEvent};

use super::kit::{self, acted, heard, never};
use super::lab::{Lab, Phase};
use super::place::Place;
use super::tag::tag;
use crate::replay::Player;
use crate::words::keys as words;

const KEY: &str = "sparring-keys";
/// What takes keys itself.
const CONTROLS: &str = "a[href], button, input, select, textarea, summary, dialog, [role='slider'], [contenteditable]";
/// What takes letters and digits itself.
const WRITING: &str = "input:not([type='checkbox'], [type='radio'], [type='range']), select, textarea, dialog, [contenteditable]";

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}
fn is_on() -> bool {
    storage().and_then(|s| s.get_item(KEY).ok().flatten()).as_deref() != Some("off")
}
fn dialog() -> Option<HtmlDialogElement> {
    document().get_element_by_id("keys")?.dyn_into().ok()
}

fn show() {
    if let Some(dialog) = dialog() {
        // Only an open dialog refuses.
        let _ = dialog.show_modal();
    }
}

/// Whether the focus is in something of this kind.
fn inside(event: &KeyboardEvent, what: &str) -> bool {
    let target = event.target().and_then(|t| t.dyn_into::<Element>().ok());
    target.is_some_and(|t| t.closest(what).ok().flatten().is_some())
}

/// Plays and holds what is shown, trains and holds what trains. A race begins by it where it needs no download: a key is hit by accident.
fn space(lab: Lab) {
    let fetches = || lab.started.with_untracked(Option::is_none) && lab.config.with_untracked(|c| c.dataset == DatasetName::Cifar10);
    match lab.phase.get_untracked() {
        Phase::Training => lab.pause(),
        Phase::Paused => lab.train(),
        _ if lab.player.with_untracked(|p| p.run().is_some()) => lab.play_on(Player::toggle),
        Phase::Loading(_) | Phase::Starting => {}
        _ if fetches() => lab.remark.set(Some(words::FETCHES.into())),
        _ => lab.train(),
    }
}

fn press(lab: Lab, on: bool, event: &KeyboardEvent) {
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

fn html() -> String {
    let mut out = format!("<h2 id=\"keys-title\">{}</h2><table><tbody>", words::TITLE);
    let mut row = |key: &str, what: &str| out.push_str(&format!("<tr><th scope=\"row\"><kbd>{key}</kbd></th><td>{what}</td></tr>"));
    for (key, what) in words::KEYS {
        row(key, what);
    }
    for (i, place) in Place::ALL.iter().enumerate() {
        row(&(i + 1).to_string(), &words::place(place.label()));
    }
    out.push_str(&format!(
        "</tbody></table><label class=\"check\"><input type=\"checkbox\" data-testid=\"keys-on\"{}><span>{}</span></label>\
         <button type=\"button\" data-act=\"close\" data-testid=\"keys-close\">{}</button>",
        if is_on() { " checked" } else { "" },
        words::ON,
        words::CLOSE
    ));
    out
}

/// The button in the header, its dialog, and the keys themselves.
pub fn keys(lab: Lab) -> AnyView {
    let on = StoredValue::new(is_on());
    let listener = window_event_listener(leptos::ev::keydown, move |event| press(lab, on.get_value(), &event));
    on_cleanup(move || listener.remove());
    let hear = move |event: &web_sys::Event| {
        if acted(event).is_some()
            && let Some(dialog) = dialog()
        {
            dialog.close();
        }
        if let Some(input) = event.target().and_then(|t| t.dyn_into::<HtmlInputElement>().ok()) {
            on.set_value(input.checked());
            if let Some(storage) = storage() {
                // Refused in a private window: it then lasts until the page is closed.
                let _ = storage.set_item(KEY, if input.checked() { "on" } else { "off" });
            }
        }
    };
    let button = kit::button("small keys-button", "keys-button", kit::words(words::BUTTON), never(), show);
    let list = heard("", "", kit::words(html()), hear);
    let dialog = tag("dialog").is("id", "keys").is("aria-labelledby", "keys-title").put(list).view();
    tag("span").put(button).put(dialog).view()
}
