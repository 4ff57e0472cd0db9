//! The chart of the race that is shown, as a file.

use leptos::prelude::*;

use crate::model::chart::Figure;
use crate::model::race::Race;
use crate::model::replay::Recording;
use crate::page::lab::{Lab, page_address};
use crate::page::ring::chart;
use crate::page::take::{download, file_name, take_picture};

/// Of a chart that is taken away, in pixels.
const CHART_WIDTH: f64 = 900.0;

/// What the race that is shown is called.
fn race_name(lab: Lab) -> String {
    let shown = lab.player.with(|player| player.run().map(|run| run.name.clone()));
    shown.unwrap_or_else(|| lab.started.with(|started| started.as_ref().map(crate::model::names::name)).unwrap_or_default())
}

/// The chart as it is set in the ring; of a run that is shown again all of it, wherever the replay is.
fn chart_document(lab: Lab) -> (String, String) {
    let (name, view) = (race_name(lab), chart::view(lab));
    let of = |recording: &Recording| {
        let races: Vec<Race> = recording.others.iter().chain([&recording.run]).map(|run| Race::of(&run.events)).collect();
        Figure::of(&races.iter().collect::<Vec<_>>(), view, recording.config.epochs)
    };
    let whole = lab.player.with(|player| player.recording().map(of));
    (whole.unwrap_or_else(|| chart::figure(lab, view)).document(CHART_WIDTH, &name, &page_address().unwrap_or_default()), name)
}

/// Hands the chart out as a drawing.
pub fn take_drawing(lab: Lab) {
    let (svg, name) = untrack(move || chart_document(lab));
    download(lab, &file_name(&format!("{name}.svg")), &svg.into());
}

/// Hands the chart out as pixels.
pub fn take_pixels(lab: Lab) {
    let (svg, name) = untrack(move || chart_document(lab));
    take_picture(lab, &name, svg);
}
