//! The right column: measured time beside its ideal.

use leptos::prelude::*;

use super::lab::Lab;
use crate::figures;
use crate::race::{Learner, Race, Tone};

struct Row {
    name: String,
    title: &'static str,
    cells: Vec<String>,
}

const DASH: &str = "\u{2013}";

/// Measured speed over dense, and what the FLOPs alone would allow.
fn against_dense(learner: &Learner, dense: Option<&Learner>) -> String {
    let Some(dense) = dense else { return DASH.into() };
    if learner.tone == Tone::Dense {
        return "1".into();
    }
    let ideal = dense.info.flops_per_step as f64 / learner.info.flops_per_step.max(1) as f64;
    match (dense.ms_per_step, learner.ms_per_step) {
        (Some(d), Some(l)) if l > 0.0 => format!("{:.1} of {ideal:.1}", d / l),
        _ => format!("{DASH} of {ideal:.1}"),
    }
}

/// What follows from the measured time; a dash before there is one.
fn measured(learner: &Learner, show: impl Fn(f64) -> String) -> String {
    learner.ms_per_step.filter(|ms| *ms > 0.0).map_or_else(|| DASH.to_owned(), show)
}

fn rows(race: &Race, batch: usize) -> Vec<Row> {
    let row = |name: &str, title: &'static str, f: &dyn Fn(&Learner) -> String| Row {
        name: name.to_owned(),
        title,
        cells: race.corners().map(f).collect(),
    };
    // One unit for the whole row, so that the numbers compare at a glance and fit a phone.
    let most = race.corners().map(|l| l.info.flops_per_step).max().unwrap_or(0);
    let (unit, size) = if most >= 10_000_000_000 { ("GFLOP", 1e9) } else { ("MFLOP", 1e6) };
    vec![
        row("Parameters", "Parameters that exist", &|l| figures::count(l.info.active_parameters)),
        row("True density", "Weights that exist over all weights", &|l| format!("{:.3}", l.info.density)),
        row("ms a step", "Measured here, median of recent slices", &|l| measured(l, figures::three)),
        row("Times faster, of ideal", "Measured speed-up over dense, and the one that the FLOPs alone would give", &|l| {
            against_dense(l, race.dense())
        }),
        row(&format!("{unit} a step"), "Forward and both gradients at full batch, 2 a multiply-accumulate", &|l| {
            figures::three(l.info.flops_per_step as f64 / size)
        }),
        row("GFLOP/s", "Work a step over measured time", &|l| measured(l, |ms| figures::three(l.info.flops_per_step as f64 / ms / 1e6))),
        row("Images a second", "Batch size over measured time", &|l| {
            measured(l, |ms| figures::count((batch as f64 / ms * 1e3).round() as u64))
        }),
        row("Weights in memory", "Weights, gradients, moments and indices on the device", &|l| figures::bytes(l.info.weight_bytes)),
    ]
}

/// The table of measured numbers.
#[component]
pub fn HonestNumbers() -> impl IntoView {
    let lab = Lab::get();
    let heads = Memo::new(move |_| lab.race.with(|r| r.corners().map(|l| (l.tone.class(), l.label.clone())).collect::<Vec<_>>()));
    let batch = Memo::new(move |_| lab.started.with(|s| s.as_ref().map_or(0, |c| c.batch_size)));
    view! {
        <div class="card">
            <h2>"Honest numbers"</h2>
            <Show
                when=move || !heads.with(Vec::is_empty)
                fallback=|| view! { <p class="quiet">"Measured on this device, beside what the FLOPs alone would allow. They appear when a race starts."</p> }
            >
                <div class="scroll" tabindex="0" role="region" aria-label="Honest numbers">
                    <table class="numbers" data-testid="learners-table">
                        <tbody>
                            <tr>
                                <td></td>
                                {move || heads.get().into_iter().map(|(class, label)| view! { <th scope="col" class=class>{label}</th> }).collect_view()}
                            </tr>
                            {move || lab.race.with(|r| rows(r, batch.get())).into_iter().map(|row| view! {
                                <tr>
                                    <th scope="row" title=row.title>{row.name}</th>
                                    {row.cells.into_iter().map(|c| view! { <td>{c}</td> }).collect_view()}
                                </tr>
                            }).collect_view()}
                        </tbody>
                    </table>
                </div>
            </Show>
        </div>
    }
}
