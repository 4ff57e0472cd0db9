//! What this device is and can do, and how to take an experiment away from it.

use leptos::prelude::*;
use sparring_core::device::DeviceChoice;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::lab::{Lab, Opened, Phase, address};
use crate::figures;
use crate::link;
use crate::presets::Preset;

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
        return Some(format!("The CPU trains instead: {note}. It is exact but slow; the quick look suits it."));
    }
    if opened.info.software {
        return Some("This adapter is a software emulation of a GPU. Numbers are right, times say nothing about a GPU.".into());
    }
    (opened.info.backend == "cpu").then(|| "The CPU trains: exact but slow; the quick look suits it.".to_owned())
}

/// Adapter, back end, memory.
#[component]
pub fn ThisDevice() -> impl IntoView {
    let lab = Lab::get();
    let slow = Memo::new(move |_| lab.device.with(|d| d.as_ref().is_some_and(|d| remark(d).is_some())));
    let quick = Memo::new(move |_| lab.config.with(|c| Preset::of(c) == Some(Preset::QuickLook)));
    let busy = Memo::new(move |_| lab.phase.with(|p| p.busy() || *p == Phase::Starting));
    let memory = Memo::new(move |_| lab.race.with(|r| (r.device_bytes > 0).then(|| figures::bytes(r.device_bytes))));
    let row =
        |name: &'static str, value: String| (!value.is_empty()).then(|| view! { <tr><th scope="row">{name}</th><td>{value}</td></tr> });
    view! {
        <div class="card">
            <h2>"This device"</h2>
            {move || lab.device.get().map(|d| view! {
                <table class="facts" data-testid="device-line" data-backend=d.info.backend.clone() data-software=d.info.software.to_string()>
                    <tbody>
                        {row("Adapter", d.info.name.clone())}
                        {row("Computes with", backend_words(&d))}
                        {row("Driver", d.info.driver.clone())}
                        {move || memory.get().map(|m| row("Memory in use", m))}
                    </tbody>
                </table>
                {remark(&d).map(|text| view! { <p class="note">{text}</p> })}
            })}
            <Show when=move || lab.device.with(Option::is_none)>
                <p class="quiet">"Looking for one."</p>
            </Show>
            <Show when=move || slow.get() && !quick.get()>
                <button type="button" disabled=move || busy.get() on:click=move |_| lab.choose_preset(Preset::QuickLook)>"Choose the quick look"</button>
            </Show>
            <label class="field">
                <span>"Train with"</span>
                <select
                    disabled=move || busy.get()
                    prop:value=move || lab.config.with(|c| choice_name(c.device))
                    on:change:target=move |ev| lab.choose_device(choice(&ev.target().value()))
                >
                    <option value="auto">"A GPU if there is one"</option>
                    <option value="gpu">"A GPU, even an emulated one"</option>
                    <option value="cpu">"The CPU"</option>
                </select>
            </label>
        </div>
    }
}

fn choice_name(choice: DeviceChoice) -> &'static str {
    match choice {
        DeviceChoice::Auto => "auto",
        DeviceChoice::Gpu => "gpu",
        DeviceChoice::Cpu => "cpu",
    }
}

fn choice(name: &str) -> DeviceChoice {
    match name {
        "gpu" => DeviceChoice::Gpu,
        "cpu" => DeviceChoice::Cpu,
        _ => DeviceChoice::Auto,
    }
}

/// Link and command line of the form's experiment.
#[component]
pub fn TakeAway() -> impl IntoView {
    let lab = Lab::get();
    let copy = move |what: &'static str, text: Option<String>| {
        let Some(text) = text else { return };
        spawn_local(async move {
            let done = JsFuture::from(window().navigator().clipboard().write_text(&text)).await.is_ok();
            // A browser may refuse the clipboard; then the text itself is shown, to be copied by hand.
            lab.remark.set(Some(if done { format!("{what} copied.") } else { text }));
        });
    };
    let hash = Memo::new(move |_| lab.race.with(|r| r.config_hash.clone()));
    view! {
        <div class="card">
            <h2>"Take it with you"</h2>
            <div class="row">
                <button type="button" on:click=move |_| copy("Link", lab.config.with_untracked(address))>"Copy link"</button>
                <button type="button" on:click=move |_| copy("Command", lab.config.with_untracked(|c| link::command(c).ok()))>"Copy as command"</button>
            </div>
            <p class="remark" aria-live="polite">{move || lab.remark.get()}</p>
            <Show when=move || !hash.with(String::is_empty)>
                <p class="quiet">"This race: configuration " <code>{hash}</code></p>
            </Show>
        </div>
    }
}
