//! Train, pause, step, stop, reset. One button trains, holds and goes on, so that focus stays where it is.

use leptos::prelude::*;

use super::lab::{Lab, Phase};

/// The row of buttons.
#[component]
pub fn Controls() -> impl IntoView {
    let lab = Lab::get();
    let training = Memo::new(move |_| lab.phase.with(|p| *p == Phase::Training));
    let busy = Memo::new(move |_| lab.phase.with(Phase::busy));
    let loading = Memo::new(move |_| lab.phase.with(|p| matches!(p, Phase::Loading(_))));
    let starting = Memo::new(move |_| lab.phase.with(|p| *p == Phase::Starting));
    let untouched = Memo::new(move |_| lab.started.with(Option::is_none));
    let label = move || {
        if training.get() {
            "Pause"
        } else if lab.phase.with(|p| *p == Phase::Paused) {
            "Go on"
        } else {
            "Train"
        }
    };
    view! {
        <div class="controls" role="group" aria-label="Controls">
            <button
                type="button"
                class="primary"
                data-testid=move || if training.get() { "pause-button" } else { "train-button" }
                disabled=move || starting.get()
                aria-disabled=move || loading.get().then_some("true")
                on:click=move |_| if training.get_untracked() { lab.pause() } else { lab.train() }
            >
                {label}
            </button>
            <button
                type="button"
                data-testid="step-button"
                title="One training step of every learner"
                disabled=move || training.get() || loading.get() || starting.get()
                on:click=move |_| lab.step()
            >
                "Step"
            </button>
            <button type="button" data-testid="stop-button" title="End the race and keep its numbers" disabled=move || !busy.get() on:click=move |_| lab.stop()>
                "Stop"
            </button>
            <button type="button" data-testid="reset-button" title="Forget this race" disabled=move || untouched.get() on:click=move |_| lab.reset()>
                "Reset"
            </button>
        </div>
    }
}
