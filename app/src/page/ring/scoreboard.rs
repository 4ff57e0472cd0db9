//! Two big numbers and one sentence that says whether their difference means anything.

use leptos::prelude::*;
use sparring_core::record::Metric;
use sparring_figures::network::{Side, network};
use sparring_figures::{Tone, number};

use super::shots::Shots;
use crate::model::bout;
use crate::model::names;
use crate::model::race::{self, LearnerView, Race};
use crate::model::verdict;
use crate::page::kit::{Drawing, Says, calm};
use crate::page::lab::{Lab, use_lab};
use crate::page::place::Place;
use crate::words::ring as words;

/// One learner's number.
#[derive(Clone, PartialEq)]
pub struct Score {
    /// Its colour.
    pub tone: Tone,
    /// The number; none before there is one.
    pub score: Option<String>,
    /// Whose, and of what.
    pub caption: String,
    /// The network as its layers; empty before it is there.
    pub network: String,
}

/// What a learner reached in a race: all at the same epoch, like the sentence below; one that stopped keeps its last.
fn accuracy(race: &Race, learner: &str) -> Option<f64> {
    let learner = race.corners().find(|l| l.label == learner)?;
    let shown = match race.common_epoch().filter(|_| learner.failed.is_none()) {
        Some(epoch) => learner.at_epoch(epoch),
        None => learner.latest().filter(|_| learner.failed.is_some()),
    };
    race.deciding().score(shown?).map(|score| score.accuracy)
}

/// A learner's number over the seeds that count, and how far they lie apart where they are several.
fn score(counted: &[&Race], learner: &str) -> (Option<String>, String) {
    // One that failed counts in no mean, and has its own number where it is alone.
    let failed = |race: &&&Race| race.corners().any(|l| l.label == learner && l.failed.is_some());
    let whole: Vec<&Race> = counted.iter().filter(|race| !failed(race)).copied().collect();
    let races = if whole.is_empty() { counted } else { &whole };
    let each: Vec<f64> = races.iter().filter_map(|race| accuracy(race, learner)).collect();
    let mean = (!each.is_empty()).then(|| number::percent(each.iter().sum::<f64>() / each.len() as f64, 1));
    let (low, high) = each.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), a| (low.min(*a), high.max(*a)));
    (mean, if each.len() > 1 { words::mean_of(each.len(), low, high) } else { String::new() })
}

/// What decides, behind a learner's name.
fn decided_by(metric: Metric) -> &'static str {
    match metric {
        Metric::RobustTest | Metric::RobustGap => words::DECIDED_ATTACKED,
        Metric::Corrupted => words::DECIDED_CORRUPTED,
        Metric::HardHalf | Metric::HardestBin => words::DECIDED_HARD,
        Metric::Test => words::DECIDED_TEST,
    }
}

/// Those of a race, over the seeds that count; the networks are those of the race itself.
pub fn scores(counted: &[&Race], race: &Race) -> Vec<Score> {
    let decides = if counted.iter().any(|race| race.common_epoch().is_some()) { decided_by(race.deciding()) } else { "" };
    let corner = |(place, learner): (usize, LearnerView)| {
        let (score, apart) = score(counted, learner.label);
        // While the next seed is on its way, what is shown is of the one before.
        let apart = if counted.iter().any(|of| std::ptr::eq(*of, race)) || !apart.is_empty() { apart } else { words::SEED_BEFORE.into() };
        Score {
            tone: learner.tone,
            score,
            caption: format!("{}{decides}{apart}", learner.label),
            network: network(&bout::layers(&learner), if place == 0 { Side::Left } else { Side::Right }, &words::layers(learner.label)),
        }
    };
    race.corners().enumerate().map(corner).collect()
}

/// Those of the race that is shown; before there is one, who would be in it.
fn corners(lab: Lab) -> Vec<Score> {
    lab.with_counted(|counted, race| {
        if !race.tracks.is_empty() {
            return scores(counted, race);
        }
        let learners = lab.learners();
        let tones = race::tones(&learners);
        learners
            .iter()
            .zip(tones)
            .map(|(learner, tone)| Score { tone, score: None, caption: names::label(learner), network: String::new() })
            .collect()
    })
}

fn sentence(lab: Lab) -> String {
    lab.with_counted(|counted, race| match race.tracks.is_empty() {
        true if lab.learners().len() > 1 => words::SAME_START.to_owned(),
        true => String::new(),
        false => verdict::sentence(counted),
    })
}

/// The score: a corner for each learner, and between the first two the images that they are asked about.
#[component]
pub fn Scoreboard() -> impl IntoView {
    let lab = use_lab();
    let corners = Memo::new(move |_| corners(lab));
    let verdict = Signal::derive(move || sentence(lab));
    let count = Memo::new(move |_| corners.with(Vec::len));
    let shots = Memo::new(move |_| lab.race.with(bout::shots));
    let with_images = Memo::new(move |_| lab.place.get() == Place::Ring && shots.with(|shots| !shots.is_empty()));
    view! {
        <div class="scoring">
            <div
                class="scoreboard"
                class:many=move || { count.get() > 2 }
                class:with-images=with_images
                data-testid="scoreboard"
            >
                <For each=move || 0..count.get() key=|place| *place children=move |place| view! { <Corner corners place /> } />
                <Show when=move || with_images.get()>
                    <Shots shots />
                </Show>
            </div>
            <p class="verdict" data-testid="verdict">{verdict}</p>
            <p class="visually-hidden" aria-live="polite">{calm(verdict)}</p>
        </div>
    }
}

/// A learner's number and its network, each drawn anew when it is another one.
#[component]
fn Corner(
    /// All of them.
    corners: Memo<Vec<Score>>,
    /// Which.
    place: usize,
) -> impl IntoView {
    let of = move |part: fn(&Score) -> String| Memo::new(move |_| corners.with(|all| all.get(place).map(part).unwrap_or_default()));
    let class = of(|score| format!("score {}", score.tone.class()));
    let score = of(|score| score.score.clone().unwrap_or_default());
    let caption = of(|score| score.caption.clone());
    let network = of(|score| score.network.clone());
    let none = move || score.with(String::is_empty);
    view! {
        <div class=class>
            <strong class:none=none>{move || if none() { words::NO_SCORE.to_owned() } else { score.get() }}</strong>
            <span>{caption}</span>
            <Drawing class="in-ring" svg=network />
        </div>
    }
}

/// The random controls in one line.
#[component]
pub fn ControlsLine() -> impl IntoView {
    let lab = use_lab();
    let line = Signal::derive(move || {
        lab.with_counted(|counted, race| {
            let score = |control: LearnerView| {
                // At the epoch of the score that they are compared with.
                let scored = |race: &&Race| {
                    let epoch = race.common_epoch()?;
                    let same = race.controls().find(|l| l.label == control.label)?;
                    Some(race.deciding().score(same.at_epoch(epoch)?)?.accuracy)
                };
                let each: Vec<f64> = counted.iter().filter_map(scored).collect();
                let mean = each.iter().sum::<f64>() / each.len() as f64;
                (!each.is_empty()).then(|| format!("{} {}", control.label, number::percent(mean, 1)))
            };
            let parts: Vec<_> = race.controls().filter_map(score).collect();
            if parts.is_empty() { String::new() } else { words::controls_line(&parts.join(", ")) }
        })
    });
    view! { <Says class="quiet" testid="controls-line" text=line /> }
}

/// What a reader of the two halves wonders about.
#[component]
pub fn EasyIsHarder() -> impl IntoView {
    let lab = use_lab();
    let line = Signal::derive(move || {
        if lab.with_counted(|counted, _| verdict::easy_is_harder(counted)) { words::EASY_IS_HARDER.to_owned() } else { String::new() }
    });
    view! { <Says class="quiet" testid="easy-is-harder" text=line /> }
}
