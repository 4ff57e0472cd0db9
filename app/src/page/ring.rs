//! The middle of the page: controls, where the race stands, the score, the curves.

use leptos::prelude::*;

use super::chart::Chart;
use super::controls::Controls;
use super::lab::{Lab, Phase};
use super::place::Place;
use super::scoreboard::{ControlsLine, Scoreboard};
use crate::figures;
use crate::protocol::{Amount, Failure, Loading};

/// The ring.
#[component]
pub fn Ring() -> impl IntoView {
    let lab = Lab::get();
    view! {
        <div class="card">
            <Controls/>
            <Standing/>
            <FailurePanel/>
            <Scoreboard/>
            <Show when=move || lab.place.get() == Place::Ring>
                <Chart/>
                <ControlsLine/>
                <Warnings/>
            </Show>
        </div>
    }
}

/// How far a bar is filled (`None` where nobody knows) and what it means.
fn standing(lab: Lab) -> (Option<f64>, String) {
    match lab.phase.get() {
        Phase::Starting => (Some(0.0), "Looking for a device".into()),
        Phase::Ready => (Some(0.0), ready_line(lab)),
        Phase::Loading(loading) => loading_line(&loading),
        Phase::Failed(failure) => (Some(lab.race.with(|r| r.progress())), failure.title),
        phase => lab.race.with(|race| {
            let epochs = race.epochs;
            let line = match phase {
                Phase::Finished => format!("The bell: all {epochs} epochs are done"),
                Phase::Stopped => format!("Ended early, in epoch {:.0} of {epochs}", race.epoch().ceil().max(1.0)),
                _ => {
                    let mut line = format!("Epoch {:.1} of {epochs}", race.epoch());
                    if race.updates() > 0 {
                        line.push_str(&format!(", mask update {}", race.updates()));
                    }
                    if phase == Phase::Paused {
                        line.push_str(", paused");
                    } else if let Some(left) = race.seconds_left() {
                        line.push_str(&format!(", about {} to go", figures::duration(left)));
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
        let corners: Vec<_> = c.learners.iter().map(crate::race::label).collect();
        let epochs = if c.epochs == 1 { "1 epoch".into() } else { format!("{} epochs", c.epochs) };
        format!("Ready: {}, {epochs}", corners.join(" against "))
    })
}

fn loading_line(loading: &Loading) -> (Option<f64>, String) {
    let line = match loading.amount {
        Some(Amount::Bytes(done, total)) => format!("{}: {} of {}", loading.what, figures::bytes(done), figures::bytes(total)),
        Some(amount @ Amount::Steps(..)) => format!("{}: {:.0}%", loading.what, amount.fraction() * 100.0),
        None => loading.what.clone(),
    };
    (loading.amount.map(Amount::fraction), line)
}

#[component]
fn Standing() -> impl IntoView {
    let lab = Lab::get();
    let now = Memo::new(move |_| standing(lab));
    // What a screen reader hears: the phase, not every tenth of an epoch.
    let said = Memo::new(move |_| {
        lab.phase.with(|p| match p {
            Phase::Training => "Training".to_owned(),
            Phase::Paused => "Paused".to_owned(),
            Phase::Loading(l) => l.what.clone(),
            Phase::Failed(f) => f.title.clone(),
            Phase::Starting | Phase::Ready | Phase::Stopped | Phase::Finished => now.with(|(_, line)| line.clone()),
        })
    });
    view! {
        <div class="standing">
            <p class="line" data-testid="status" data-phase=move || lab.phase.with(Phase::name)>
                {move || now.with(|(_, line)| line.clone())}
            </p>
            <p class="visually-hidden" aria-live="polite" role="status">{said}</p>
            <progress
                max="1"
                prop:value=move || now.with(|(done, _)| done.unwrap_or(0.0))
                class:waiting=move || now.with(|(done, _)| done.is_none())
                aria-label="Progress"
            ></progress>
        </div>
    }
}

#[component]
fn FailurePanel() -> impl IntoView {
    let lab = Lab::get();
    let failure = move || match lab.phase.get() {
        Phase::Failed(failure) => Some(failure),
        _ => None,
    };
    view! {
        {move || failure().map(|Failure { title, message, ways }| view! {
            <div class="failure" role="alert" data-testid="error-panel">
                <h2>{title}</h2>
                <p>{message}</p>
                <div class="row">
                    {ways.into_iter().map(|way| view! {
                        <button type="button" on:click=move |_| lab.follow(way)>{way.label()}</button>
                    }).collect_view()}
                </div>
            </div>
        })}
    }
}

#[component]
fn Warnings() -> impl IntoView {
    let lab = Lab::get();
    let lines = Memo::new(move |_| {
        lab.race.with(|r| {
            let failed = r.learners.iter().filter_map(|l| l.failed.as_ref().map(|why| format!("{} stopped: {why}", l.info.name)));
            r.warnings.iter().cloned().chain(failed).collect::<Vec<_>>()
        })
    });
    view! {
        <Show when=move || !lines.with(Vec::is_empty)>
            <ul class="warnings">
                {move || lines.get().into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}
            </ul>
        </Show>
    }
}
