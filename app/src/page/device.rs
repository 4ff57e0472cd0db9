//! What this device is and can do, and how to take an experiment away from it.

use leptos::prelude::*;
use sparring_figures::html::escape;
use sparring_figures::number;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::kit::{self, holds, never, told, words};
use super::lab::{Lab, Opened, Phase, address};
use crate::link;
use crate::presets::Preset;
use crate::words::ring as say;

fn backend_words(opened: &Opened) -> String {
    match opened.info.backend.as_str() {
        "cpu" => "CPU, in WebAssembly".into(),
        _ if opened.info.software => "WebGPU, emulated in software".into(),
        "webgpu" => "WebGPU".into(),
        other => other.to_owned(),
    }
}

/// The sentence under the device: why it is slow, where it is.
fn remark(opened: &Opened) -> Option<String> {
    if let Some(note) = &opened.note {
        // What follows the first reason lists what this program was not built for.
        let note = note.split(';').next().unwrap_or_default();
        return Some(format!("The CPU trains instead: {note}. It is exact but slow; the quick look suits it."));
    }
    if opened.info.software {
        return Some("This adapter is a software emulation of a GPU. Numbers are right, times say nothing about a GPU.".into());
    }
    (opened.info.backend == "cpu").then(|| "The CPU trains: exact but slow; the quick look suits it.".to_owned())
}

/// What is known of the device.
fn facts(lab: Lab, opened: &Opened) -> String {
    let memory = lab.race.with(|r| if r.device_bytes > 0 { number::bytes(r.device_bytes) } else { String::new() });
    let rows = [
        ("Adapter", opened.info.name.clone()),
        ("Computes with", backend_words(opened)),
        ("Workers", if opened.info.backend == "cpu" && lab.workers > 1 { say::workers(lab.workers) } else { String::new() }),
        ("Driver", opened.info.driver.clone()),
        ("Memory in use", memory),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    let rows: String = rows.map(|(name, value)| format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escape(&value))).collect();
    format!(
        "<table class=\"facts\" data-testid=\"device-line\" data-backend=\"{}\" data-software=\"{}\"><tbody>{rows}</tbody></table>",
        escape(&opened.info.backend),
        opened.info.software
    )
}

/// Adapter, back end, memory.
pub fn this_device(lab: Lab) -> AnyView {
    let remark = told(move || lab.device.with(|d| d.as_ref().and_then(remark)).unwrap_or_default());
    let quick = move || lab.config.with(|c| Preset::of(c).is_some_and(|p| p.name == Preset::QUICK));
    let busy = holds(move || lab.phase.with(|p| p.busy() || *p == Phase::Starting));
    let facts = told(move || {
        lab.device.with(|d| d.as_ref().map_or_else(|| format!("<p class=\"quiet\">{}.</p>", say::LOOKING), |d| facts(lab, d)))
    });
    let chosen = told(move || lab.fields.with(|f| link::value(f, "device")));
    let choice = kit::select("", "device-select", words(kit::options(say::DEVICES)), chosen, busy, move |name| lab.choose_device(&name));
    let quick = kit::when(
        holds(move || remark.with(|r| !r.is_empty()) && !quick()),
        "",
        vec![kit::button("", "quick-look", words(say::QUICK), busy, move || lab.choose_quick_look())],
    );
    let content = vec![
        kit::heading(say::DEVICE),
        kit::html("", "", facts),
        kit::says("note", "", remark),
        quick,
        kit::field("field", words(say::TRAIN_WITH), words(""), "", choice),
    ];
    kit::part("card", content)
}

/// Puts text on the clipboard.
pub fn copy(lab: Lab, what: &'static str, text: Option<String>) {
    let Some(text) = text else { return };
    spawn_local(async move {
        let done = JsFuture::from(window().navigator().clipboard().write_text(&text)).await.is_ok();
        // A browser may refuse the clipboard; then the text itself is shown, to be copied by hand.
        lab.remark.set(Some(if done { say::copied(what) } else { text }));
    });
}

/// Link and command line of the form's experiment.
pub fn take_away(lab: Lab) -> AnyView {
    let link = kit::button("", "copy-link", words(say::COPY_LINK), never(), move || {
        copy(lab, "Link", lab.config.with_untracked(|c| lab.teacher.with_untracked(|t| address(c, t))))
    });
    let command = kit::button("", "copy-command", words(say::COPY_COMMAND), never(), move || {
        copy(lab, "Command", lab.config.with_untracked(|c| link::command(c, untrack(|| lab.seeds())).ok()));
    });
    let hash = told(move || lab.race.with(|r| if r.config_hash.is_empty() { String::new() } else { say::hash(&r.config_hash) }));
    kit::part("card", vec![kit::heading(say::TAKE), kit::part("row", vec![link, command]), kit::says("quiet", "race-hash", hash)])
}
