//! The place of runs: recorded ones, those kept in this browser, those brought as files. Open, go on, compare, rename, take away, delete.

mod brought;
mod compare;
mod list;
mod taken;

use std::sync::Arc;

use leptos::prelude::*;
use sparring_core::record::run_file::{self, RunFile};
use sparring_figures::number;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::StorageEstimate;

pub use self::brought::{bring, files_of};
use self::compare::Comparison;
use self::list::List;
use self::taken::{take_drawing, take_pixels};
use super::canvas::stamp;
use super::entries::{fetch_recorded, refresh};
use super::kit::{Button, Field, FileField, Says, Table};
use super::lab::use_lab;
use super::take::{download, file_name};
use crate::model::export;
use crate::model::race::LearnerView;
use crate::model::replay::Recording;
use crate::protocol::{Command, Message};
use crate::trainer::store::manager;
use crate::words::runs as words;

/// What the browser keeps for this page, and could.
async fn storage() -> Option<String> {
    let estimate: StorageEstimate = JsFuture::from(manager()?.estimate().ok()?).await.ok()?.unchecked_into();
    let (used, quota) = (estimate.get_usage()?, estimate.get_quota()?);
    Some(words::storage(&number::bytes(used as u64), &number::bytes(quota as u64)))
}

/// The place.
#[component]
pub fn Runs() -> impl IntoView {
    let lab = use_lab();
    refresh(lab.runs, lab.looks);
    fetch_recorded(lab.runs);
    let chosen = RwSignal::new(Vec::<String>::new());
    let used = RwSignal::new(String::new());
    Effect::new(move || {
        lab.runs.track();
        spawn_local(async move {
            let now = storage().await.unwrap_or_default();
            // The place may have been left in the meantime.
            used.try_set(now);
        });
    });
    lab.listen(move |message, attachment| {
        if let Message::Weights { file } = message {
            download(lab, &file_name(file), attachment);
        }
    });
    on_cleanup(move || lab.listen(|_, _| {}));
    view! {
        <div class="card runs">
            <h2>{words::TITLE}</h2>
            <List chosen />
            <TakeAway chosen />
            <Field label=words::BRING>
                <FileField
                    label=words::BRING
                    testid="runs-import"
                    accept=".json,.jsonl,.toml"
                    multiple=true
                    on_files=move |files| bring(lab, files)
                />
            </Field>
            <Held />
            <Says class="quiet" text=used />
            <Comparison chosen />
        </div>
    }
}

/// Whole lists of runs as files, and the chart.
#[component]
fn TakeAway(
    /// Ids of the runs that are ticked.
    chosen: RwSignal<Vec<String>>,
) -> impl IntoView {
    let lab = use_lab();
    // The chosen ones, or all. One that was ticked may be gone.
    let wanted = move || -> Vec<Arc<RunFile>> {
        lab.runs.with_untracked(|runs| {
            let mut chosen = chosen.get_untracked();
            chosen.retain(|run| runs.iter().any(|e| e.run == *run));
            runs.iter()
                .filter(|e| chosen.is_empty() || chosen.contains(&e.run))
                .filter_map(|e| e.file.as_ref().ok())
                .flat_map(Recording::runs)
                .cloned()
                .collect()
        })
    };
    let csv = move || download(lab, "sparring-runs.csv", &export::csv(wanted().iter().map(|file| &**file)).into());
    let json = move || {
        if let Ok(text) = run_file::all_to_json(wanted().iter().map(|file| &**file)) {
            download(lab, "sparring-runs.json", &text.into());
        }
    };
    view! {
        <div class="row">
            <Button testid="runs-csv" label=words::CSV on_press=csv />
            <Button testid="runs-json" label=words::JSON on_press=json />
            <div class="row" hidden=move || lab.race.with(|race| race.tracks.is_empty())>
                <Button testid="chart-svg" label=words::CHART_SVG on_press=move || take_drawing(lab) />
                <Button testid="chart-png" label=words::CHART_PNG on_press=move || take_pixels(lab) />
            </div>
        </div>
    }
}

/// Files of the learners that the trainer holds: nobody while a run is only shown again.
#[component]
fn Held() -> impl IntoView {
    let lab = use_lab();
    let stamp = stamp(lab);
    let files = move |learner: usize| {
        let take = move |masks: bool| move || lab.ask(&Command::Weights { learner, masks }, JsValue::UNDEFINED);
        view! {
            <div class="row">
                <Button class="small" label=words::WEIGHTS on_press=take(false) />
                <Button class="small" label=words::MASKS on_press=take(true) />
            </div>
        }
    };
    let row = move |(i, learner): (usize, LearnerView)| vec![learner.name().into_any(), files(i).into_any()];
    // While they are held they are the same.
    let rows = move || lab.race.with_untracked(|race| race.learners().enumerate().map(row).collect::<Vec<_>>());
    view! {
        <div data-testid="runs-held">
            <Show when=move || stamp.with(Option::is_some)>
                <Table caption=words::HELD columns=[words::LEARNER, words::FILES].map(str::to_owned) rows=rows() />
            </Show>
        </div>
    }
}
