//! The list of runs, and what can be done with each: open, go on, rename, save, tell, delete.
//!
//! A row stays while its run is the same, so that a list that is looked at again takes nobody's focus away. A run that cannot be read has its
//! own line and its own reason, and disturbs no other.

use std::sync::Arc;

use leptos::prelude::*;
use sparring_core::record::run_file::{RunFile, all_to_json};
use wasm_bindgen_futures::spawn_local;

use crate::model::export;
use crate::model::kept::{self, Shelf};
use crate::model::replay::Source;
use crate::page::device::copy;
use crate::page::entries::{Entry, day, refresh};
use crate::page::kit::{Button, Scroll, TableHead};
use crate::page::lab::{Lab, Phase, run_address, use_lab};
use crate::page::place::Place;
use crate::page::take::{download, file_name};
use crate::protocol::Command;
use crate::trainer::store::Store;
use crate::words::runs as words;

/// Most characters of a name that a person gives.
const LONGEST_NAME: usize = 120;

/// What a row shows of its run.
#[derive(Clone, Debug, Default, PartialEq)]
struct Line {
    name: String,
    /// What it is, or why it cannot be read.
    about: String,
    readable: bool,
    /// Whether it lies in this browser: it can be renamed and deleted.
    own: bool,
    resumes: bool,
}

impl Line {
    fn of(entry: &Entry) -> Self {
        let about = match &entry.file {
            Ok(file) => words::about(entry.source.label(), file.extent().0, file.config.epochs, &file.device.name, day(file)),
            Err(why) => words::unreadable(why),
        };
        Self {
            name: entry.name().to_owned(),
            about,
            readable: entry.file.is_ok(),
            own: entry.source != Source::Recorded,
            resumes: entry.resumes,
        }
    }
}

/// All runs.
#[component]
pub fn List(
    /// Ids of those that are ticked, in the order in which they were.
    chosen: RwSignal<Vec<String>>,
) -> impl IntoView {
    let lab = use_lab();
    let ids = move || lab.runs.with(|runs| runs.iter().map(|entry| entry.run.clone()).collect::<Vec<_>>());
    view! {
        <Scroll label=words::CAPTION testid="runs-list">
            <table>
                <TableHead caption=words::CAPTION columns=words::COLUMNS.map(str::to_owned) />
                <tbody>
                    <For each=ids key=String::clone children=move |run| view! { <Row run chosen /> } />
                </tbody>
            </table>
        </Scroll>
    }
}

/// A run.
#[component]
fn Row(
    /// Its id.
    run: String,
    /// Ids of those that are ticked.
    chosen: RwSignal<Vec<String>>,
) -> impl IntoView {
    let lab = use_lab();
    let run = StoredValue::new(run);
    let line = Memo::new(move |_| {
        let of = |runs: &Vec<Entry>| run.with_value(|run| runs.iter().find(|entry| entry.run == *run).map(Line::of));
        lab.runs.with(of).unwrap_or_default()
    });
    let name = move || line.with(|line| line.name.clone());
    let about = move || line.with(|line| line.about.clone());
    let choose = move |on: bool| {
        chosen.update(|chosen| {
            let run = run.get_value();
            chosen.retain(|other| *other != run);
            if on {
                chosen.push(run);
            }
        });
    };
    let unreadable = move || {
        view! {
            <th scope="row"></th>
            <td>
                <b>{name}</b>
                <small>{about}</small>
            </td>
            <td></td>
            <td>
                <Delete run line />
            </td>
        }
    };
    view! {
        <tr>
            <Show when=move || line.with(|line| line.readable) fallback=unreadable>
                <th scope="row">
                    <input
                        type="checkbox"
                        aria-label=move || line.with(|line| words::compare_this(&line.name))
                        prop:checked=move || chosen.with(|chosen| run.with_value(|run| chosen.contains(run)))
                        on:change:target=move |ev| choose(ev.target().checked())
                    />
                </th>
                <td>
                    <b>{name}</b>
                    <small>{about}</small>
                    <Acts run line />
                </td>
            </Show>
        </tr>
    }
}

/// What can be done with a run that can be read.
#[component]
fn Acts(
    /// Its id.
    run: StoredValue<String>,
    /// What its row shows.
    line: Memo<Line>,
) -> impl IntoView {
    let lab = use_lab();
    let busy = Memo::new(move |_| lab.phase.with(Phase::busy));
    let act = move |act: fn(Lab, &str)| move || act(lab, &run.get_value());
    view! {
        <div class="row">
            <Button class="small" label=words::OPEN disabled=busy on_press=act(open) />
            <Show when=move || line.with(|line| line.resumes)>
                <Button class="small" label=words::GO_ON disabled=busy on_press=act(go_on) />
            </Show>
            <Show when=move || line.with(|line| line.own)>
                <Button class="small" label=words::RENAME on_press=act(rename) />
            </Show>
            <Button class="small" label=words::SAVE on_press=act(save) />
            <Button class="small" label=words::CARD on_press=act(tell) />
            <Show when=move || line.with(|line| !line.own)>
                <Button class="small" label=words::LINK on_press=act(link) />
            </Show>
            <Delete run line />
        </div>
    }
}

/// Away with a run, where it lies in this browser.
#[component]
fn Delete(
    /// Its id.
    run: StoredValue<String>,
    /// What its row shows.
    line: Memo<Line>,
) -> impl IntoView {
    let lab = use_lab();
    view! {
        <Show when=move || line.with(|line| line.own)>
            <Button class="small" label=words::DELETE on_press=move || delete(lab, &run.get_value()) />
        </Show>
    }
}

fn link(lab: Lab, run: &str) {
    copy(lab, words::LINK_COPIED, run.strip_suffix(".json").and_then(run_address));
}

fn open(lab: Lab, run: &str) {
    if let Some((source, file)) = lab.find(run) {
        lab.show(file, source, true);
        lab.visit(Place::Ring);
    }
}

fn go_on(lab: Lab, run: &str) {
    lab.go_on(run);
    lab.visit(Place::Ring);
}

fn rename(lab: Lab, run: &str) {
    let Some((_, file)) = lab.find(run) else { return };
    let asked = window().prompt_with_message_and_default(words::NEW_NAME, &file.name);
    let name = asked.ok().flatten().map(|name| name.trim().chars().take(LONGEST_NAME).collect::<String>());
    let renamed = name.filter(|name| !name.is_empty()).map(|name| RunFile { name, ..(*file.run).clone() }.to_json());
    if let Some(Ok(text)) = renamed {
        lab.ask(&Command::Keep { run: run.to_owned() }, text.into());
    }
}

fn save(lab: Lab, run: &str) {
    if let Some((_, file)) = lab.find(run)
        && let Ok(text) = if file.others.is_empty() { file.to_json() } else { all_to_json(file.runs().map(Arc::as_ref)) }
    {
        download(lab, &file_name(&format!("{}.json", file.name)), &text.into());
    }
}

fn tell(lab: Lab, run: &str) {
    if let Some((_, file)) = lab.find(run) {
        download(lab, &file_name(&format!("{}.txt", file.name)), &export::card(&file).into());
    }
}

fn delete(lab: Lab, run: &str) {
    let named = |runs: &Vec<Entry>| runs.iter().find(|entry| entry.run == run).map(|entry| entry.name().to_owned());
    let name = lab.runs.with_untracked(named).unwrap_or_default();
    if !window().confirm_with_message(&words::really_delete(&name)).unwrap_or(false) {
        return;
    }
    let run = run.to_owned();
    spawn_local(async move {
        let store = Store::open().await;
        for file in kept::shelves(&store.names().await).iter().filter(|shelf| shelf.run == run).flat_map(Shelf::files) {
            store.remove(&file).await;
        }
        lab.remark.set(Some(words::deleted(&name)));
        refresh(lab.runs, lab.looks);
    });
}
