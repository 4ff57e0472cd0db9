//! Chosen runs side by side: their lines in one drawing, their results and the settings in which they differ in tables.

use std::sync::Arc;

use leptos::prelude::*;
use sparring_core::record::run_file::RunFile;
use sparring_figures::html::{escape, table};

use super::entries::Entry;
use super::kit::{self, Holder, holds, measured_width, told, words as fixed};
use super::tag::tag;
use crate::chart::{Figure, View};
use crate::export;
use crate::race::{Curve, Race};
use crate::words::runs as words;

/// The letter of a run, by its place among those that are chosen.
fn letter(place: usize) -> char {
    ('A'..='Z').nth(place).unwrap_or('+')
}

/// The tables.
fn tables(files: &[Arc<RunFile>]) -> String {
    if files.is_empty() {
        return String::new();
    }
    let files: Vec<&RunFile> = files.iter().map(|file| &**file).collect();
    let names: Vec<String> = files.iter().enumerate().map(|(i, file)| format!("{} \u{b7} {}", letter(i), file.name)).collect();
    let mut heads = vec![words::RESULT];
    heads.extend(names.iter().map(String::as_str));
    let shown = |rows: Vec<Vec<String>>| rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect::<Vec<Vec<String>>>();
    let results = table(words::RESULTS, &heads, shown(export::side_by_side(&files)));
    heads[0] = words::SETTING;
    let settings = match shown(export::differing(&files)) {
        none if none.is_empty() => String::new(),
        rows => table(words::DIFFERING, &heads, rows),
    };
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\" data-testid=\"comparison\">{results}{settings}</div>",
        words::COMPARISON
    )
}

/// What is said of the runs that are chosen.
pub fn comparison(runs: RwSignal<Vec<Entry>>, chosen: RwSignal<Vec<String>>) -> AnyView {
    let races = RwSignal::new(Vec::<Race>::new());
    let said = RwSignal::new(String::new());
    kit::effect(move || {
        let of = |run: &String| runs.with(|runs| runs.iter().find(|e| e.run == *run).and_then(|e| e.file.clone().ok()));
        let files: Vec<Arc<RunFile>> = chosen.with(|chosen| chosen.iter().filter_map(of).collect());
        races.set(files.iter().map(|file| Race::of(&file.events)).collect());
        said.set(tables(&files));
    });
    let several = holds(move || races.with(|races| races.len() > 1));
    let drawn = kit::made_when(several, move || {
        let holder: Holder = RwSignal::new_local(None);
        let width = measured_width(holder);
        let picked = RwSignal::new(None::<Curve>);
        let series = move || {
            let natural = || races.with(|races| races.first().map_or(Curve::Train, Race::natural_series));
            picked.get().unwrap_or_else(natural)
        };
        let figure = kit::memo(move || races.with(|races| Figure::overlaid(races, View::at(series()))));
        let chip = |s: Curve| {
            let absent = holds(move || !matches!(s, Curve::Train | Curve::Loss) && !races.with(|r| r.iter().any(|r| r.shows(s))));
            let chip = kit::toggle("chip", s.name(), fixed(s.label()), holds(move || series() == s), move || picked.set(Some(s)));
            tag("span").flag("hidden", absent).put(chip).view()
        };
        let chips = Curve::ALL.into_iter().map(chip).collect();
        let drawing = tag("div").is("class", "drawing").is("role", "img").is("data-testid", "overlay");
        let drawing = drawing.says("aria-label", told(move || words::overlaid(series().about(), races.with(Vec::len))));
        let drawing = drawing.html(told(move || figure.with(|f| f.svg(width.get(), None)))).view();
        kit::part(
            "",
            vec![
                tag("div").is("class", "chips").is("role", "group").is("aria-label", words::OVERLAY).all(chips).view(),
                tag("ul").is("class", "key").html(told(move || figure.with(|f| f.key(None)))).view(),
                tag("div").is("class", "chart").made(move |element| holder.set(Some(element))).put(drawing).view(),
            ],
        )
    });
    kit::part("", vec![drawn, kit::html("", "", said.into())])
}
