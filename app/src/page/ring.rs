//! The middle of the page: controls, where the race stands, the score, the curves.

use leptos::prelude::*;
use sparring_figures::html::escape;
use sparring_figures::number;

use super::kit::{self, holds, never, told, words};
use super::lab::{Lab, Phase};
use super::place::Place;
use super::tag::tag;
use super::{chart, controls, replay, scoreboard};
use crate::protocol::{Amount, Failure, Loading};
use crate::words::ring as say;

/// The ring.
pub fn ring(lab: Lab, first: Option<replay::Coming>) -> AnyView {
    let here = holds(move || lab.place.get() == Place::Ring);
    let shown = kit::made_when(here, move || {
        kit::part("", vec![chart::chart(lab), scoreboard::controls_line(lab), kit::html("", "warnings", told(move || warnings(lab)))])
    });
    let heading = tag("h2").is("class", "visually-hidden").text(say::RING).view();
    kit::part(
        "card",
        vec![heading, controls::controls(lab), bar(lab), replay::replay(lab, first), failure(lab), scoreboard::scoreboard(lab), shown],
    )
}

/// How far a bar is filled (`None` where nobody knows) and what it means.
fn standing(lab: Lab) -> (Option<f64>, String) {
    match lab.phase.get() {
        Phase::Starting => (Some(0.0), say::LOOKING.into()),
        Phase::Ready => (Some(0.0), ready_line(lab)),
        Phase::Loading(loading) => loading_line(&loading),
        Phase::Failed(failure) => (Some(lab.race.with(|r| r.progress())), failure.title),
        phase => lab.race.with(|race| {
            let epochs = race.epochs;
            let line = match phase {
                Phase::Finished => format!("The bell: all {epochs} epochs are done"),
                Phase::Stopped => format!("Ended early, in epoch {:.0} of {epochs}", race.epoch().ceil().max(1.0)),
                _ => {
                    let mut line = lab.seed_words();
                    line.push_str(&format!("Epoch {:.1} of {epochs}", race.epoch()));
                    if race.updates() > 0 {
                        line.push_str(&format!(", mask update {}", race.updates()));
                    }
                    if phase == Phase::Paused {
                        line.push_str(", paused");
                    } else if let Some(left) = race.seconds_left() {
                        line.push_str(&format!(", about {} to go", number::about(left)));
                    }
                    line
                }
            };
            (Some(race.progress()), line)
        }),
    }
}

fn ready_line(lab: Lab) -> String {
    lab.config.with(|c| {
        let epochs = if c.epochs == 1 { "1 epoch".into() } else { format!("{} epochs", c.epochs) };
        format!("Ready: {}, {epochs}", crate::race::against(c))
    })
}

fn loading_line(loading: &Loading) -> (Option<f64>, String) {
    let line = match loading.amount {
        Some(Amount::Bytes(done, total)) => format!("{}: {} of {}", loading.what, number::bytes(done), number::bytes(total)),
        Some(amount @ Amount::Steps(..)) => format!("{}: {}", loading.what, number::percent(amount.fraction(), 0)),
        None => loading.what.clone(),
    };
    (loading.amount.map(Amount::fraction), line)
}

fn bar(lab: Lab) -> AnyView {
    let now = kit::memo(move || standing(lab));
    let line = told(move || now.with(|(_, line)| line.clone()));
    // What a screen reader hears: the phase, not every tenth of an epoch.
    let said = told(move || {
        lab.phase.with(|p| match p {
            Phase::Training => say::TRAINING.to_owned(),
            Phase::Paused => say::PAUSED.to_owned(),
            Phase::Loading(l) => l.what.clone(),
            Phase::Failed(f) => f.title.clone(),
            Phase::Starting | Phase::Ready | Phase::Stopped | Phase::Finished => line.get(),
        })
    });
    let status =
        tag("p").is("class", "line").is("data-testid", "status").says("data-phase", told(move || lab.phase.with(Phase::name).into()));
    let said = kit::calm(said);
    let heard = tag("p").is("class", "visually-hidden").is("aria-live", "polite").is("role", "status").told(said).view();
    let progress = tag("progress").is("max", "1").is("aria-label", say::PROGRESS);
    let progress = progress.value(told(move || now.with(|(done, _)| done.unwrap_or(0.0).to_string())));
    let progress =
        progress.says("class", told(move || if now.with(|(done, _)| done.is_none()) { "waiting".into() } else { String::new() }));
    kit::part("standing", vec![status.told(line).view(), heard, progress.view()])
}

fn failure(lab: Lab) -> AnyView {
    let shown = move |Failure { title, message, ways }: Failure| {
        let ways: Vec<AnyView> =
            ways.into_iter().map(|way| kit::button("", "", words(way.label()), never(), move || lab.follow(way))).collect();
        let panel = tag("div").is("class", "failure").is("role", "alert").is("data-testid", "error-panel");
        panel.put(tag("h2").text(title).view()).put(tag("p").text(message).view()).put(kit::part("row", ways)).view()
    };
    kit::made(Box::new(move || match lab.phase.get() {
        Phase::Failed(failure) => shown(failure),
        _ => ().into_any(),
    }))
}

fn warnings(lab: Lab) -> String {
    let mut out = String::new();
    lab.race.with(|r| {
        let failed = r.tracks.iter().filter_map(|l| l.failed.as_ref().map(|why| format!("{} stopped: {why}", l.info.name)));
        for line in r.said().into_iter().chain(failed) {
            out.push_str(&format!("<li>{}</li>", escape(&line)));
        }
    });
    if out.is_empty() { out } else { format!("<ul class=\"warnings\">{out}</ul>") }
}
