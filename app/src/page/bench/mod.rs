//! The test bench: one picture, corrupted and attacked, and what each learner makes of it.

mod answers;
mod controls;
mod examiner;

use leptos::prelude::*;

use self::answers::{Answers, Numbers, Sentence};
use self::controls::{Attacking, Chooser, Corrupting};
use self::examiner::{Answer, Examiner};
use super::canvas::{Nobody, Pixels, Raster, Whose, learners};
use super::kit::Says;
use super::lab::use_lab;
use crate::words::bench as words;

/// The place.
#[component]
pub fn Bench() -> impl IntoView {
    let examiner = Examiner::new(use_lab());
    view! {
        <div class="card bench">
            <h2>{words::TITLE}</h2>
            <Whose />
            <Show
                when=move || examiner.has_learners()
                fallback=|| view! { <Nobody nobody=words::NOBODY soon=words::SOON train=words::TRAIN /> }
            >
                <Chooser examiner />
                <div class="setup">
                    <Pictures examiner />
                    <Corrupting setup=examiner.setup />
                    <Attacking setup=examiner.setup />
                </div>
                <Sentence examiner />
                <Answers examiner />
                <Says class="quiet" text=words::TICK />
                <Took examiner />
                <Numbers examiner />
            </Show>
        </div>
    }
}

/// The picture as it is and after its corruption, and what it shows.
#[component]
fn Pictures(examiner: Examiner) -> impl IntoView {
    let truth = Signal::derive(move || {
        let truth = |a: &Answer| words::truth(a.truth.and_then(|class| a.classes.get(class)).map(String::as_str));
        examiner.untouched.with(|answer| answer.as_ref().map(truth).unwrap_or_default())
    });
    let before = Signal::derive(move || examiner.of_shown(Answer::before));
    let after = Signal::derive(move || examiner.of_shown(Answer::after));
    view! {
        <div class="pair">
            <Figure raster=before label=words::BEFORE testid="bench-before" caption=words::BEFORE />
            <Figure raster=after label=words::AFTER testid="bench-after" caption=words::AFTER />
            <Says class="quiet" text=truth />
        </div>
    }
}

/// A picture over its caption.
#[component]
fn Figure(
    /// The picture.
    raster: Signal<Option<Raster>>,
    /// What it shows, in words.
    #[prop(into)]
    label: Signal<String>,
    /// For tests.
    testid: &'static str,
    /// Its caption.
    #[prop(into)]
    caption: Signal<String>,
    /// For tests of the caption.
    #[prop(optional)]
    caption_testid: Option<&'static str>,
) -> impl IntoView {
    view! {
        <figure>
            <Pixels raster label testid />
            <figcaption data-testid=caption_testid>{caption}</figcaption>
        </figure>
    }
}

/// How long the last answer took.
#[component]
fn Took(examiner: Examiner) -> impl IntoView {
    let learners = learners(use_lab());
    let took = move || examiner.took.get().map(|ms| words::took(ms, learners.with(Vec::len))).unwrap_or_default();
    view! { <Says class="quiet" testid="bench-took" text=Signal::derive(took) /> }
}
