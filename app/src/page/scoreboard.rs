//! Two big numbers and one sentence that says whether their difference means anything.

use std::fmt::Write;

use leptos::prelude::*;
use sparring_core::record::Metric;
use sparring_figures::html::escape;
use sparring_figures::{Tone, number};

use super::kit::{self, told};
use super::lab::Lab;
use super::tag::tag;
use crate::race::{self, LearnerView, Race};
use crate::verdict;
use crate::words::ring as say;

fn corner(out: &mut String, tone: Tone, score: Option<String>, caption: &str) {
    let (class, score) = score.map_or((" class=\"none\"", "\u{2013}".into()), |score| ("", score));
    // Writing to a String cannot fail.
    let _ = write!(out, "<div class=\"score {}\"><strong{class}>{score}</strong><span>{}</span></div>", tone.class(), escape(caption));
}

/// All at the same epoch, like the sentence below; one that stopped keeps its last.
fn score(race: &Race, learner: LearnerView) -> Option<String> {
    let shown = match race.common_epoch().filter(|_| learner.failed.is_none()) {
        Some(epoch) => learner.at_epoch(epoch),
        None => learner.latest().filter(|_| learner.failed.is_some()),
    };
    race.deciding().score(shown?).map(|s| number::percent(s.accuracy, 1))
}

/// What decides, behind a learner's name.
fn decided_by(metric: Metric) -> &'static str {
    match metric {
        Metric::RobustTest | Metric::RobustGap => say::DECIDED_ATTACKED,
        Metric::Corrupted => say::DECIDED_CORRUPTED,
        Metric::HardHalf | Metric::HardestBin => say::DECIDED_HARD,
        Metric::Test => say::DECIDED_TEST,
    }
}

/// Those of a race.
pub fn scores(race: &Race) -> String {
    let mut out = String::new();
    let decides = if race.common_epoch().is_some() { decided_by(race.deciding()) } else { "" };
    for learner in race.corners() {
        corner(&mut out, learner.tone, score(race, learner), &format!("{}{decides}", learner.label));
    }
    out
}

fn corners(lab: Lab) -> String {
    lab.race.with(|race| {
        let mut out = scores(race);
        if race.tracks.is_empty() {
            let learners = lab.learners();
            for (learner, tone) in learners.iter().zip(race::tones(&learners)) {
                corner(&mut out, tone, None, &race::label(learner));
            }
        }
        out
    })
}

fn sentence(lab: Lab) -> String {
    lab.race.with(|race| match &race.summary {
        _ if race.tracks.is_empty() => say::SAME_START.to_owned(),
        Some(summary) if !summary.verdict.is_empty() => summary.verdict.clone(),
        _ => verdict::sentence(race),
    })
}

/// The score.
pub fn scoreboard(lab: Lab) -> AnyView {
    let seeds = told(move || lab.past.with(|past| lab.race.with(|race| verdict::over_seeds(past, race).unwrap_or_default())));
    let verdict = told(move || sentence(lab));
    kit::part(
        "scoring",
        vec![
            kit::html("scoreboard", "scoreboard", told(move || corners(lab))),
            tag("p").is("class", "verdict").is("data-testid", "verdict").told(verdict).view(),
            kit::announces("visually-hidden", "", kit::calm(verdict)),
            kit::says("verdict", "over-seeds", seeds),
        ],
    )
}

/// The random controls in one line.
pub fn controls_line(lab: Lab) -> AnyView {
    let line = told(move || {
        lab.race.with(|race| {
            let score =
                |l: LearnerView| race.deciding().score(l.latest()?).map(|s| format!("{} {}", l.label, number::percent(s.accuracy, 1)));
            let parts: Vec<_> = race.controls().filter_map(score).collect();
            if parts.is_empty() { String::new() } else { say::controls_line(&parts.join(", ")) }
        })
    });
    kit::says("quiet", "controls-line", line)
}
