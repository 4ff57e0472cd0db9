//! The middle of the page: the experiment and how far it is; below it the score and the curves.

pub mod chart;
mod controls;
mod experiment;
mod quiz;
pub mod replay;
pub mod scoreboard;
mod shots;

use leptos::prelude::*;

use self::chart::Chart;
pub use self::experiment::Experiment;
use self::scoreboard::{ControlsLine, EasyIsHarder, Scoreboard};
use crate::model::names::in_words;
use crate::page::lab::use_lab;
use crate::page::place::Place;
use crate::words::ring as words;

/// The ring. Its score stays in sight in every place where there is room; its curves are in the ring alone.
#[component]
pub fn Ring() -> impl IntoView {
    let lab = use_lab();
    view! {
        <div class="card ringside">
            <h2 class="visually-hidden">{words::RING}</h2>
            <Scoreboard />
            <Show when=move || lab.place.get() == Place::Ring>
                <div data-part="chart">
                    <Chart />
                    <ControlsLine />
                    <EasyIsHarder />
                    <Warnings />
                </div>
            </Show>
        </div>
    }
}

/// What the race said on its way, and who stopped.
#[component]
fn Warnings() -> impl IntoView {
    let lab = use_lab();
    let lines = Memo::new(move |_| {
        lab.race.with(|race| {
            let failed = race.learners().filter_map(|l| l.failed.as_ref().map(|why| words::stopped(&l.name(), &in_words(why))));
            race.said().into_iter().chain(failed).collect::<Vec<String>>()
        })
    });
    view! {
        <ul class="warnings" data-testid="warnings" hidden=move || lines.with(Vec::is_empty)>
            {move || lines.get().into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}
        </ul>
    }
}
