//! Train, pause, step, stop, reset. One button trains, holds and goes on, so that focus stays where it is.

use leptos::prelude::*;
use sparring_figures::number;

use crate::page::kit::{Button, Choices, Field, Select, Slider};
use crate::page::lab::{Phase, use_lab};
use crate::words::ring as words;

/// The row of buttons.
#[component]
pub fn Controls() -> impl IntoView {
    let lab = use_lab();
    let is = move |phase: Phase| Memo::new(move |_| lab.phase.with(|p| *p == phase));
    let (training, paused, starting) = (is(Phase::Training), is(Phase::Paused), is(Phase::Starting));
    let loading = Memo::new(move |_| lab.phase.with(|p| matches!(p, Phase::Loading(_))));
    let held = Signal::derive(move || training.get() || loading.get() || starting.get());
    let idle = Signal::derive(move || !lab.phase.with(Phase::busy));
    // Networks that ship are there though nobody started them.
    let untouched = Signal::derive(move || lab.started.with(Option::is_none) && lab.phase.with(|p| *p != Phase::Finished));
    let share = Signal::derive(move || number::percent(f64::from(lab.load.get()) / 100.0, 0));
    let set_load = move |text: String| {
        let load = text.parse().ok();
        load.into_iter().for_each(|load| lab.set_load(load));
        load.is_some()
    };
    view! {
        <div class="controls" role="group" aria-label=words::CONTROLS>
            <button
                type="button"
                class="primary"
                data-testid=move || if training.get() { "pause-button" } else { "train-button" }
                disabled=starting
                aria-disabled=move || loading.get().to_string()
                on:click=move |_| if training.get_untracked() { lab.pause() } else { lab.train() }
            >
                {move || match (training.get(), paused.get()) {
                    (true, _) => words::PAUSE,
                    (_, true) => words::GO_ON,
                    _ => words::TRAIN,
                }}
            </button>
            <Button label=words::STOP testid="stop-button" disabled=idle on_press=move || lab.stop() />
            <Button label=words::RESET testid="reset-button" disabled=untouched on_press=move || lab.reset() />
            <div class="finer">
                <Button label=words::STEP testid="step-button" disabled=held on_press=move || lab.step() />
                <Select
                    label=words::STRIDE
                    testid="stride-select"
                    choices=Choices::new(words::STRIDES)
                    value=lab.stride
                    on_choose=move |stride| lab.stride.set(stride)
                />
                <Field label=words::LOAD value=share why=words::LOAD_WHY class="field load">
                    <Slider
                        label=words::LOAD
                        testid="load-slider"
                        range=["10", "100", "10"]
                        value=Signal::derive(move || lab.load.get().to_string())
                        spoken=share
                        on_slide=set_load
                    />
                </Field>
            </div>
        </div>
    }
}
