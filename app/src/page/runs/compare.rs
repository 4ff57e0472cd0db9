//! Chosen runs side by side: their lines in one drawing, their results and the settings in which they differ in tables.

use std::sync::Arc;

use leptos::prelude::*;
use sparring_core::record::run_file::RunFile;

use crate::model::chart::{Figure, View};
use crate::model::export;
use crate::model::race::{Curve, Race};
use crate::page::kit::{Chips, Drawing, Key, Says, Scroll, Table, width_of};
use crate::page::lab::use_lab;
use crate::page::ring::chart::curves;
use crate::words::runs as words;

type Files = Vec<Arc<RunFile>>;

/// The letter of a run, by its place among those that are chosen.
fn letter(place: usize) -> char {
    ('A'..='Z').nth(place).unwrap_or('+')
}

/// Whether these are other files: a file that was read is never changed.
fn others(before: Option<&Files>, now: Option<&Files>) -> bool {
    let same = |before: &Files, now: &Files| before.len() == now.len() && before.iter().zip(now).all(|(a, b)| Arc::ptr_eq(a, b));
    !before.zip(now).is_some_and(|(before, now)| same(before, now))
}

/// What is said of the runs that are chosen.
#[component]
pub fn Comparison(
    /// Their ids, in the order of their letters.
    #[prop(into)]
    chosen: Signal<Vec<String>>,
) -> impl IntoView {
    let lab = use_lab();
    let read = move |_: Option<&Files>| {
        let of = |run: &String| {
            lab.runs.with(|runs| {
                runs.iter().find(|entry| entry.run == *run).and_then(|entry| entry.file.as_ref().ok().map(|file| file.run.clone()))
            })
        };
        chosen.with(|chosen| chosen.iter().filter_map(of).collect())
    };
    let several = move || {
        let of_several = lab.runs.with(|runs| {
            let seeds =
                |run: &String| runs.iter().any(|entry| entry.run == *run && entry.file.as_ref().is_ok_and(|file| !file.others.is_empty()));
            chosen.with(|chosen| chosen.iter().any(seeds))
        });
        if of_several { words::FIRST_SEED.to_owned() } else { String::new() }
    };
    // A list that is looked at again draws nothing anew.
    let files = Memo::new_with_compare(read, others);
    view! {
        <div>
            <Says class="quiet" text=Signal::derive(several) />
            <Show when=move || files.with(|files| files.len() > 1)>
                <Overlay files />
            </Show>
            <div>
                <Show when=move || files.with(|files| !files.is_empty())>
                    <Scroll label=words::COMPARISON testid="comparison">
                        <Tables files />
                    </Scroll>
                </Show>
            </div>
        </div>
    }
}

/// All lines in one drawing.
#[component]
fn Overlay(
    /// The runs, in the order of their letters.
    files: Memo<Files>,
) -> impl IntoView {
    let holder = NodeRef::new();
    let width = width_of(holder);
    let races = move |_: Option<&Vec<Race>>| files.with(|files| files.iter().map(|file| Race::of(&file.events)).collect());
    let races = Memo::new_with_compare(races, |_, _| true);
    let picked = RwSignal::new(None::<Curve>);
    let natural = move || races.with(|races: &Vec<Race>| races.first().map_or(Curve::Train, Race::natural_series));
    let series = Memo::new(move |_| picked.get().unwrap_or_else(natural));
    let figure = Memo::new(move |_| races.with(|races| Figure::overlaid(races, View::at(series.get()))));
    let offered = move |of: Curve| matches!(of, Curve::Train | Curve::Loss) || races.with(|races| races.iter().any(|race| race.shows(of)));
    let choices = Memo::new(move |_| curves(offered));
    view! {
        <div>
            <div class="chips">
                <Chips
                    name="compared"
                    label=words::OVERLAY
                    choices
                    value=Signal::derive(move || series.get().name().to_owned())
                    on_choose=move |name| picked.set(Curve::named(&name))
                />
            </div>
            <Key items=Signal::derive(move || figure.with(|figure| figure.key(None))) />
            <div class="chart" node_ref=holder>
                <div
                    class="drawing"
                    role="img"
                    data-testid="overlay"
                    aria-label=move || words::overlaid(series.get().about(), races.with(Vec::len))
                >
                    <Drawing svg=Signal::derive(move || figure.with(|figure| figure.svg(width.get(), None))) />
                </div>
            </div>
        </div>
    }
}

/// Last results, and the settings in which the runs differ.
#[component]
fn Tables(
    /// The runs, in the order of their letters.
    files: Memo<Files>,
) -> impl IntoView {
    move || {
        files.with(|files| {
            let files: Vec<&RunFile> = files.iter().map(|file| &**file).collect();
            let heads = |first: &str| {
                let names = files.iter().enumerate().map(|(i, file)| format!("{} \u{b7} {}", letter(i), file.name));
                std::iter::once(first.to_owned()).chain(names).collect::<Vec<_>>()
            };
            let differing = export::differing(&files);
            let settings =
                (!differing.is_empty()).then(|| view! { <Table caption=words::DIFFERING columns=heads(words::SETTING) rows=differing /> });
            view! {
                <Table caption=words::RESULTS columns=heads(words::RESULT) rows=export::side_by_side(&files) />
                {settings}
            }
        })
    }
}
