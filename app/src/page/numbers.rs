//! The right column: measured time beside its ideal.

use leptos::prelude::*;
use sparring_figures::{Tone, number};

use super::kit::{Says, Scroll};
use super::lab::use_lab;
use crate::model::race::{LearnerView, Race};
use crate::words::{ring as words, runs};

/// A row of the table.
#[derive(Clone, PartialEq)]
struct Row {
    name: String,
    title: &'static str,
    cells: Vec<String>,
}

const DASH: &str = "\u{2013}";

/// Measured speed over dense, and what the FLOPs alone would allow.
fn against_dense(learner: &LearnerView, dense: Option<&LearnerView>) -> String {
    let Some(dense) = dense else { return DASH.into() };
    if learner.tone == Tone::Dense {
        return "1".into();
    }
    let ideal = dense.now.flops_per_step as f64 / learner.now.flops_per_step.max(1) as f64;
    match (dense.ms_per_step, learner.ms_per_step) {
        (Some(d), Some(l)) if l > 0.0 => format!("{:.1} of {ideal:.1}", d / l),
        _ => format!("{DASH} of {ideal:.1}"),
    }
}

/// What follows from the measured time; a dash before there is one.
fn measured(learner: &LearnerView, show: impl Fn(f64) -> String) -> String {
    learner.ms_per_step.filter(|ms| *ms > 0.0).map_or_else(|| DASH.to_owned(), show)
}

fn rows(race: &Race, batch: usize) -> Vec<Row> {
    let row = |name: &str, title: &'static str, f: &dyn Fn(&LearnerView) -> String| Row {
        name: name.to_owned(),
        title,
        cells: race.corners().map(|l| f(&l)).collect(),
    };
    // One unit for the whole row, so that the numbers compare at a glance and fit a phone.
    let most = race.corners().map(|l| l.now.flops_per_step).max().unwrap_or(0);
    let (unit, size) = if most >= 10_000_000_000 { ("GFLOP", 1e9) } else { ("MFLOP", 1e6) };
    let so_far = |l: &LearnerView| l.epochs.last().map_or(l.info.parent_flops, |e| e.flops);
    let most = race.corners().map(|l| so_far(&l)).fold(0.0, f64::max);
    let (all_unit, all_size) = if most >= 1e13 { ("TFLOP", 1e12) } else { ("GFLOP", 1e9) };
    vec![
        row("Parameters", "Parameters that exist", &|l| number::count(l.now.active_parameters)),
        row("True density", "Weights that exist over all weights", &|l| format!("{:.3}", l.now.density)),
        row("ms a step", "Measured here, median of recent slices", &|l| measured(l, number::three)),
        row("Times faster, of ideal", "Measured speed-up over dense, and the one that the FLOPs alone would give", &|l| {
            against_dense(l, race.dense().as_ref())
        }),
        row(&format!("{unit} a step"), "Forward and both gradients of a full step, 2 a multiply-accumulate", &|l| {
            number::three(l.now.flops_per_step as f64 / size)
        }),
        row(
            &format!("{all_unit} so far"),
            "All training, with the dense parent's and dense gradients, at the end of the last epoch",
            &|l| number::three(so_far(l) / all_size),
        ),
        row("GFLOP/s", "Work a step over measured time", &|l| measured(l, |ms| number::three(l.now.flops_per_step as f64 / ms / 1e6))),
        row("Images a second", "Images a step over measured time", &|l| {
            measured(l, |ms| number::count((batch.min(l.info.samples) as f64 / ms * 1e3).round() as u64))
        }),
        row("Weights in memory", "Weights, moments, masks and indices on the device", &|l| number::bytes(l.now.weight_bytes)),
    ]
}

/// The card.
#[component]
pub fn HonestNumbers() -> impl IntoView {
    let lab = use_lab();
    let there = Memo::new(move |_| lab.race.with(|r| !r.tracks.is_empty()));
    // A run that is shown again was measured elsewhere.
    let batch = move || {
        let shown = lab.player.with(|p| p.run().map(|run| run.config.batch_size));
        shown.unwrap_or_else(|| lab.started.with(|s| s.as_ref().map_or(0, |c| c.batch_size)))
    };
    let elsewhere = Signal::derive(move || {
        let device = lab.player.with(|p| p.run().map(|run| run.device.name.clone()));
        device.map(|device| runs::measured_on(&device)).unwrap_or_default()
    });
    let soon = Signal::derive(move || if there.get() { String::new() } else { words::HONEST_SOON.into() });
    let table = Memo::new(move |_| there.get().then(|| lab.race.with(|race| (heads(race), rows(race, batch())))));
    view! {
        <div class="card" data-part="numbers">
            <h2>{words::HONEST}</h2>
            <Says class="quiet" text=soon />
            <div hidden=move || !there.get()>
                <Scroll label=words::HONEST testid="honest-numbers">
                    {move || table.get().map(|(heads, rows)| view! { <Measured heads rows /> })}
                </Scroll>
            </div>
            <Says class="quiet" text=elsewhere />
        </div>
    }
}

/// Whose column is whose.
fn heads(race: &Race) -> Vec<(&'static str, String)> {
    race.corners().map(|learner| (learner.tone.class(), learner.label.to_owned())).collect()
}

/// The table of measured numbers.
#[component]
fn Measured(
    /// Class and name of each learner.
    heads: Vec<(&'static str, String)>,
    /// A cell for each of them in every row.
    rows: Vec<Row>,
) -> impl IntoView {
    let many = heads.len() > 2;
    let head = |(class, label)| view! { <th scope="col" class=class>{label}</th> };
    let row = |Row { name, title, cells }: Row| {
        view! {
            <tr>
                <th scope="row" title=title>{name}</th>
                {cells.into_iter().map(|cell| view! { <td>{cell}</td> }).collect_view()}
            </tr>
        }
    };
    view! {
        <table class="numbers" class:many=many data-testid="learners-table">
            <tbody>
                <tr><td></td>{heads.into_iter().map(head).collect_view()}</tr>
                {rows.into_iter().map(row).collect_view()}
            </tbody>
        </table>
    }
}
