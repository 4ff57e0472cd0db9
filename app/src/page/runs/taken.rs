//! The chart of the race that is shown, as a file.

use leptos::prelude::*;

use crate::page::lab::Lab;
use crate::page::ring::chart;
use crate::page::take::{download, file_name, take_picture};

/// Of a chart that is taken away, in pixels.
const CHART_WIDTH: f64 = 900.0;

/// What the race that is shown is called.
fn race_name(lab: Lab) -> String {
    let shown = lab.player.with(|player| player.run().map(|run| run.name.clone()));
    shown.unwrap_or_else(|| lab.started.with(|started| started.as_ref().map(crate::model::names::name)).unwrap_or_default())
}

/// The chart as it is set in the ring.
fn chart_document(lab: Lab) -> (String, String) {
    let name = race_name(lab);
    (chart::figure(lab, chart::view(lab)).document(CHART_WIDTH, &name), name)
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
