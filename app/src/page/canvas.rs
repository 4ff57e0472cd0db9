//! What the places that look at learners share: whether there is anybody to look at, and pixels on a canvas.

use leptos::prelude::*;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

use super::entries::day;
use super::kit::{Button, Says};
use super::lab::{Lab, Phase, use_lab};
use super::trained::offered;
use crate::model::replay::Player;
use crate::words::runs as words;

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
    let asleep = Memo::new(move |_| {
        lab.phase.with(|p| match p {
            Phase::Training => Some(false),
            Phase::Paused | Phase::Finished | Phase::Stopped => Some(true),
            _ => None,
        })
    });
    Memo::new(move |_| {
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
    Memo::new(move |_| lab.race.with(|r| r.learners().map(|l| (l.tone.class(), l.name())).collect()))
}

/// Says why there is nothing to see, and trains where that helps.
#[component]
pub fn Nobody(
    /// Where nobody has trained.
    nobody: &'static str,
    /// Where somebody is about to.
    soon: &'static str,
    /// The button that trains.
    train: &'static str,
) -> impl IntoView {
    let lab = use_lab();
    let waiting = Signal::derive(move || lab.phase.with(|p| p.busy() || *p == Phase::Starting));
    let why = Signal::derive(move || if lab.phase.with(Phase::busy) { soon } else { nobody }.to_owned());
    let ships = Memo::new(move |_| offered(lab).is_some());
    let open = move || untrack(move || offered(lab)).into_iter().for_each(|run| lab.open_trained(run));
    view! {
        <div class="nobody">
            <Says class="wide" text=why />
            <Button class="primary" testid="place-train" label=train disabled=waiting on_press=move || lab.train() />
            <Show when=move || ships.get()>
                <Says class="wide" text=words::NETWORKS_SHIP />
                <Button testid="place-open" label=words::OPEN_NETWORKS on_press=open />
            </Show>
        </div>
    }
}

/// Whose networks are looked at, where nobody trained them here.
#[component]
pub fn Whose() -> impl IntoView {
    let lab = use_lab();
    let whose = Memo::new(move |_| {
        let open = lab.phase.with(|phase| *phase == Phase::Finished) && lab.started.with(Option::is_none);
        let words = |player: &Player| player.run().map(|run| words::trained(&run.name, &run.device.name, day(run)));
        lab.player.with(words).filter(|_| open).unwrap_or_default()
    });
    view! { <Says class="quiet" testid="networks-whose" text=whose /> }
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
#[component]
pub fn Pixels(
    /// The picture.
    #[prop(into)]
    raster: Signal<Option<Raster>>,
    /// What it shows, in words.
    #[prop(into)]
    label: Signal<String>,
    /// For tests.
    testid: &'static str,
) -> impl IntoView {
    let canvas = NodeRef::<leptos::html::Canvas>::new();
    Effect::new(move || {
        let Some(canvas) = canvas.get() else { return };
        // An extent of zero cannot be drawn, and a browser may refuse a canvas: the label still says what it would show.
        raster.with(|raster| raster.as_ref().and_then(|raster| paint(&canvas, raster)));
    });
    view! { <canvas class="pixels" role="img" width="32" height="32" data-testid=testid aria-label=label node_ref=canvas></canvas> }
}
