//! What this device is and can do, and how to take an experiment away from it.

use leptos::prelude::*;
use sparring_core::config::ExperimentConfig;
use sparring_figures::number;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::kit::{Button, Choices, Field, Says, Select};
use super::lab::{Lab, Opened, Phase, use_lab};
use crate::model::link;
use crate::words::ring as words;

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

/// What is known of the device, by name; what is empty is not known.
fn facts(lab: Lab, opened: &Opened) -> Vec<(&'static str, String)> {
    let memory = lab.race.with(|r| if r.device_bytes > 0 { number::bytes(r.device_bytes) } else { String::new() });
    let workers = if opened.info.backend == "cpu" && lab.workers > 1 { words::workers(lab.workers) } else { String::new() };
    let all = [
        (words::ADAPTER, opened.info.name.clone()),
        (words::COMPUTES_WITH, backend_words(opened)),
        (words::WORKERS, workers),
        (words::DRIVER, opened.info.driver.clone()),
        (words::MEMORY, memory),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Adapter, back end, memory.
#[component]
pub fn ThisDevice() -> impl IntoView {
    let lab = use_lab();
    let remark = Memo::new(move |_| lab.device.with(|d| d.as_ref().and_then(remark)).unwrap_or_default());
    let quick = Memo::new(move |_| lab.quick_look().is_some_and(|quick| lab.config.with(|form| *form == quick)));
    let busy = Signal::derive(move || lab.phase.with(|p| p.busy() || *p == Phase::Starting));
    let facts = Memo::new(move |_| lab.device.with(|d| d.as_ref().map(|d| (d.info.clone(), facts(lab, d)))));
    let row = |(name, value)| view! { <tr><th scope="row">{name}</th><td>{value}</td></tr> };
    let table = move || {
        facts.get().map(|(info, facts)| {
            view! {
                <table class="facts" data-testid="device-line" data-backend=info.backend data-software=info.software.to_string()>
                    <tbody>{facts.into_iter().map(row).collect_view()}</tbody>
                </table>
            }
        })
    };
    view! {
        <div class="card" data-part="device">
            <h2>{words::DEVICE}</h2>
            <Says class="quiet" text=Signal::derive(move || if facts.with(Option::is_none) { words::LOOKING.into() } else { String::new() }) />
            {table}
            <Says class="note" text=remark />
            <div hidden=move || remark.with(String::is_empty) || quick.get()>
                <Button testid="quick-look" label=words::QUICK disabled=busy on_press=move || lab.choose_quick_look() />
            </div>
            <Field label=words::TRAIN_WITH>
                <Select
                    testid="device-select"
                    choices=Choices::new(words::DEVICES)
                    value=Signal::derive(move || lab.fields.with(|fields| link::value(fields, "device")))
                    disabled=busy
                    on_choose=move |name| lab.choose_device(&name)
                />
            </Field>
        </div>
    }
}

/// Puts text on the clipboard.
pub fn copy(lab: Lab, what: &'static str, text: Option<String>) {
    let Some(text) = text else { return };
    spawn_local(async move {
        let clipboard = window().navigator().clipboard();
        // A page that came without encryption has none, and a browser may refuse it; then the text itself is shown, to be copied by hand.
        let done = !clipboard.is_undefined() && JsFuture::from(clipboard.write_text(&text)).await.is_ok();
        lab.remark.set(Some(if done { words::copied(what) } else { text }));
    });
}

/// Link, command line and hash of what is on screen; where the form says something else, of that too.
#[component]
pub fn TakeAway() -> impl IntoView {
    let lab = use_lab();
    let differs = Memo::new(move |_| lab.shown.with(Option::is_some) && !lab.form_is_shown.get());
    let hash = Memo::new(move |_| lab.race.with(|r| if r.config_hash.is_empty() { String::new() } else { words::hash(&r.config_hash) }));
    view! {
        <div class="card" data-part="share">
            <h2>{words::TAKE}</h2>
            <Copies
                testids=["copy-link", "copy-command"]
                address=move || lab.shown_address()
                of=move || (lab.shown.get().unwrap_or_else(|| lab.config.get()), lab.shown_seeds())
            />
            <Says class="quiet" testid="race-hash" text=hash />
            <Show when=move || differs.get()>
                <p class="quiet">{words::TAKE_FORM}</p>
                <Copies
                    testids=["copy-form-link", "copy-form-command"]
                    address=move || lab.config.with_untracked(|form| lab.address_of(form))
                    of=move || (lab.config.get(), lab.seeds())
                />
            </Show>
        </div>
    }
}

/// Buttons that copy an experiment.
#[component]
fn Copies(
    /// Of its link and its command.
    testids: [&'static str; 2],
    /// Its address.
    address: impl Fn() -> Option<String> + 'static,
    /// What the command runs, and with how many seeds.
    of: impl Fn() -> (ExperimentConfig, u32) + 'static,
) -> impl IntoView {
    let lab = use_lab();
    let [link, command] = testids;
    let copy_link = move || {
        let address = address();
        copy(lab, words::link_to(address.as_deref().unwrap_or_default()), address);
    };
    let command_line = move || {
        let (config, seeds) = untrack(&of);
        link::command(&config, seeds).ok()
    };
    view! {
        <div class="row">
            <Button testid=link label=words::COPY_LINK on_press=copy_link />
            <Button
                testid=command
                label=words::COPY_COMMAND
                on_press=move || copy(lab, "Command", command_line())
            />
        </div>
    }
}
