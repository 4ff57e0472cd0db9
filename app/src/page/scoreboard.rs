//! Two big numbers and one sentence that says whether their difference means anything.

use leptos::prelude::*;

use super::lab::Lab;
use crate::figures::percent;
use crate::race::{self, Learner, Race, Series, Tone};
use crate::verdict;

struct Corner {
    tone: Tone,
    /// Before the first evaluation there is none.
    score: Option<String>,
    caption: String,
}

/// What decides, in words: the half or the whole test set.
fn what_decides(race: &Race) -> &'static str {
    match race.natural_series() {
        Series::Hard => ", hard half of the test set",
        Series::Test => ", test set",
        _ => "",
    }
}

fn corner(race: &Race, learner: &Learner) -> Corner {
    // All at the same epoch, like the sentence below; one that stopped keeps its last.
    let common = race.common_epoch().filter(|_| learner.failed.is_none());
    let shown = match common {
        Some(epoch) => learner.evaluations.iter().find(|e| e.epoch == epoch),
        None => learner.evaluations.last().filter(|_| learner.failed.is_some()),
    };
    let score = shown.map(|e| percent(e.deciding().accuracy));
    Corner { tone: learner.tone, score, caption: format!("{}{}", learner.label, what_decides(race)) }
}

fn corners(lab: Lab) -> Vec<Corner> {
    lab.race.with(|race| {
        if race.learners.is_empty() {
            let learners = lab.learners();
            let tones = Tone::assign(&learners);
            let waiting = |(l, tone)| Corner { tone, score: None, caption: race::label(l) };
            learners.iter().zip(tones).map(waiting).collect()
        } else {
            race.corners().map(|l| corner(race, l)).collect()
        }
    })
}

/// The score.
#[component]
pub fn Scoreboard() -> impl IntoView {
    let lab = Lab::get();
    let sentence = Memo::new(move |_| {
        lab.race.with(|race| match &race.summary {
            _ if race.learners.is_empty() => "They start from the same weights and see the same images in the same order.".to_owned(),
            Some(summary) if !summary.verdict.is_empty() => summary.verdict.clone(),
            _ => verdict::sentence(race),
        })
    });
    view! {
        <div class="scoreboard">
            {move || corners(lab).into_iter().map(|c| view! {
                <div class=format!("score {}", c.tone.class())>
                    <strong class:none=c.score.is_none()>{c.score.clone().unwrap_or_else(|| "\u{2013}".into())}</strong>
                    <span>{c.caption}</span>
                </div>
            }).collect_view()}
            <p class="verdict" aria-live="polite">{sentence}</p>
        </div>
    }
}

/// The random controls in one line.
#[component]
pub fn ControlsLine() -> impl IntoView {
    let lab = Lab::get();
    let line = Memo::new(move |_| {
        lab.race.with(|race| {
            let parts: Vec<_> = race
                .controls()
                .filter_map(|l| Some(format!("{} {}", l.label, percent(l.evaluations.last()?.deciding().accuracy))))
                .collect();
            (!parts.is_empty()).then(|| format!("On a random subset of the same size instead: {}.", parts.join(", ")))
        })
    });
    view! { {move || line.get().map(|text| view! { <p class="quiet">{text}</p> })} }
}
