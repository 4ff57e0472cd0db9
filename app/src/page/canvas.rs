//! What the places that look at learners share: whether there is anybody to look at, and pixels on a canvas.

use leptos::prelude::*;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, Element, HtmlCanvasElement, ImageData};

use super::kit::{self, holds, told};
use super::lab::{Lab, Phase};
use super::tag::tag;

/// The state of the networks: two that differ mean that answers may differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamp {
    race: String,
    evaluations: usize,
    updates: u32,
    reports: usize,
}

/// The networks as they are; `None` where there are none to ask. While they train it changes with epochs and topology updates only.
pub fn stamp(lab: Lab) -> Memo<Option<Stamp>> {
    let asleep = kit::memo(move || {
        lab.phase.with(|p| match p {
            Phase::Training => Some(false),
            Phase::Paused | Phase::Finished | Phase::Stopped => Some(true),
            _ => None,
        })
    });
    kit::memo(move || {
        let asleep = asleep.get()?;
        lab.race.with(|r| {
            let evaluations = r.tracks.iter().map(|track| track.epochs.len()).sum();
            let updates = r.tracks.iter().map(|track| track.updates).sum();
            let reports = if asleep { r.reports } else { 0 };
            (!r.tracks.is_empty()).then(|| Stamp { race: r.config_hash.clone(), evaluations, updates, reports })
        })
    })
}

/// How the learners are drawn and called, in the race's order.
pub fn learners(lab: Lab) -> Memo<Vec<(&'static str, String)>> {
    kit::memo(move || lab.race.with(|r| r.learners().map(|l| (l.tone.class(), l.name())).collect()))
}

/// Says why there is nothing to see, and trains where that helps.
pub fn nobody(lab: Lab, nobody: &'static str, soon: &'static str, train: &'static str) -> AnyView {
    let waiting = holds(move || lab.phase.with(|p| p.busy() || *p == Phase::Starting));
    let words = told(move || if lab.phase.with(Phase::busy) { soon.into() } else { nobody.into() });
    kit::part(
        "nobody",
        vec![kit::says("wide", "", words), kit::button("primary", "place-train", kit::words(train), waiting, move || lab.train())],
    )
}

/// What a canvas shows.
#[derive(Clone, PartialEq)]
pub struct Raster {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Four bytes a pixel.
    pub rgba: Vec<u8>,
}

/// The drawing side of a canvas.
pub fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}

fn paint(canvas: &HtmlCanvasElement, raster: &Raster) -> Option<()> {
    let (width, height) = (raster.width as u32, raster.height as u32);
    let data = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&raster.rgba), width, height).ok()?;
    canvas.set_width(width);
    canvas.set_height(height);
    context(canvas)?.put_image_data(&data, 0.0, 0.0).ok()
}

/// A picture of few pixels, drawn as squares.
pub fn pixels(raster: Signal<Option<Raster>>, label: Signal<String>, testid: &'static str) -> AnyView {
    let follow = move |canvas: Element| {
        let Ok(canvas) = canvas.dyn_into::<HtmlCanvasElement>() else { return };
        kit::effect(move || {
            // An extent of zero cannot be drawn, and a browser may refuse a canvas: the label still says what it would show.
            raster.with(|r| r.as_ref().and_then(|r| paint(&canvas, r)));
        });
    };
    let canvas = tag("canvas").is("class", "pixels").is("role", "img").is("width", "32").is("height", "32").is("data-testid", testid);
    canvas.says("aria-label", label).made(follow).view()
}
