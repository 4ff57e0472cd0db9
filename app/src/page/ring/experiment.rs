//! The experiment: what it is in a sentence, its controls, how far it is, and the run that is shown again in its place.

use leptos::prelude::*;
use sparring_figures::number;

use super::controls::Controls;
use super::replay::{Coming, Replay};
use crate::model::estimate;
use crate::model::names::in_words;
use crate::page::kit::{Button, calm};
use crate::page::lab::{Lab, Phase, use_lab};
use crate::page::settings::{Estimate, Remarks, Sentence};
use crate::protocol::{Amount, Failure, Loading, WayOn};
use crate::words::ring as words;

/// The experiment, in sight in every place where there is room.
#[component]
pub fn Experiment(
    /// The recorded run of a first visit.
    first: Option<Coming>,
) -> impl IntoView {
    view! {
        <div class="card">
            <h2 class="visually-hidden">{words::EXPERIMENT}</h2>
            <Sentence />
            <div class="going">
                <Controls />
                <Standing />
            </div>
            <Remarks />
            <Replay first />
            <FailurePanel />
        </div>
    }
}

/// How far a bar is filled (`None` where nobody knows) and what it means.
fn standing(lab: Lab) -> (Option<f64>, String) {
    match lab.phase.get() {
        Phase::Starting => (Some(0.0), words::LOOKING.into()),
        Phase::Ready => (Some(0.0), ready_line(lab)),
        Phase::Loading(loading) => loading_line(&loading),
        Phase::Failed(failure) => (Some(lab.race.with(|r| r.progress())), failure.title),
        phase => lab.race.with(|race| {
            let (epochs, replays) = (race.epochs, lab.player.with(|player| player.run().is_some()));
            let line = match phase {
                // Its learners are still planned, or their first step is.
                _ if epochs == 0 => words::BEGINNING.into(),
                // What was trained elsewhere did not end here.
                Phase::Finished if replays => return (Some(0.0), ready_line(lab)),
                Phase::Finished => format!("The bell: all {epochs} epochs are done"),
                Phase::Stopped => format!("Ended early, in epoch {:.0} of {epochs}", race.epoch().ceil().max(1.0)),
                _ => {
                    let mut line = lab.seed_words();
                    let (slowest, fastest) = (race.epoch(), race.furthest_epoch());
                    // Learners that train at the same time are not held abreast.
                    let apart = if fastest - slowest >= 0.5 { format!(" to {fastest:.1}") } else { String::new() };
                    line.push_str(&format!("Epoch {slowest:.1}{apart} of {epochs}"));
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
        if estimate::misfit(c).is_some() {
            return words::NOT_READY.into();
        }
        let epochs = if c.epochs == 1 { "1 epoch".into() } else { format!("{} epochs", c.epochs) };
        format!("Ready: {}, {epochs}", crate::model::names::against(c))
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

/// A bar and its line.
#[component]
fn Standing() -> impl IntoView {
    let lab = use_lab();
    let now = Memo::new(move |_| standing(lab));
    let line = Signal::derive(move || now.with(|(_, line)| line.clone()));
    // What a screen reader hears: the phase, not every tenth of an epoch.
    let said = Signal::derive(move || {
        lab.phase.with(|p| match p {
            Phase::Training => words::TRAINING.to_owned(),
            Phase::Paused => words::PAUSED.to_owned(),
            Phase::Loading(l) => l.what.clone(),
            Phase::Failed(f) => f.title.clone(),
            Phase::Starting | Phase::Ready | Phase::Stopped | Phase::Finished => line.get(),
        })
    });
    view! {
        <div class="standing">
            <p class="line" data-testid="status" data-phase=move || lab.phase.with(Phase::name)>{line}</p>
            <p class="visually-hidden" aria-live="polite" role="status">{calm(said)}</p>
            <progress
                max="1"
                aria-label=words::PROGRESS
                class:waiting=move || now.with(|(done, _)| done.is_none())
                prop:value=move || now.with(|(done, _)| done.unwrap_or(0.0))
            />
            <Estimate />
        </div>
    }
}

/// What went wrong, and the ways on.
#[component]
fn FailurePanel() -> impl IntoView {
    let lab = use_lab();
    let panel = move |Failure { title, message, ways }: Failure| {
        let way = |way: WayOn| view! { <Button label=way.label() on_press=move || lab.follow(way) /> };
        view! {
            <div class="failure" role="alert" data-testid="error-panel">
                <h2>{title}</h2>
                <p>{in_words(&message)}</p>
                <div class="row">{ways.into_iter().map(way).collect_view()}</div>
            </div>
        }
    };
    move || match lab.phase.get() {
        Phase::Failed(failure) => Some(panel(failure)),
        _ => None,
    }
}
