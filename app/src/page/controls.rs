//! Train, pause, step, stop, reset. One button trains, holds and goes on, so that focus stays where it is.

use leptos::prelude::*;
use sparring_figures::number;

use super::kit::{self, Input, holds, never, told, words};
use super::lab::{Lab, Phase};
use super::tag::tag;
use crate::words::ring as say;

/// The row of buttons.
pub fn controls(lab: Lab) -> AnyView {
    let is = move |phase: Phase| holds(move || lab.phase.with(|p| *p == phase));
    let (training, paused, starting) = (is(Phase::Training), is(Phase::Paused), is(Phase::Starting));
    let busy = holds(move || lab.phase.with(Phase::busy));
    let loading = holds(move || lab.phase.with(|p| matches!(p, Phase::Loading(_))));
    let label = move || match (training.get(), paused.get()) {
        (true, _) => say::PAUSE,
        (_, true) => say::GO_ON,
        _ => say::TRAIN,
    };
    let held = holds(move || training.get() || loading.get() || starting.get());
    let stride =
        kit::select(say::STRIDE, "stride-select", words(kit::options(say::STRIDES)), told(move || lab.stride.get()), never(), move |s| {
            lab.stride.set(s)
        });
    let slider = Input { kind: "range", label: say::LOAD, testid: "load-slider", min: "10", max: "100", step: "10" };
    let (at, shown) = (told(move || lab.load.get().to_string()), told(move || number::percent(f64::from(lab.load.get()) / 100.0, 0)));
    let load = kit::input(slider, at, shown, never(), move |text| {
        let load = text.parse().ok();
        load.into_iter().for_each(|load| lab.set_load(load));
        load.is_some()
    });
    let which = told(move || if training.get() { "pause-button".into() } else { "train-button".into() });
    let train = tag("button").is("type", "button").is("class", "primary").says("data-testid", which).flag("disabled", starting);
    let train = train.says("aria-disabled", told(move || loading.get().to_string()));
    let train =
        train.on("click", move |_| if training.get_untracked() { lab.pause() } else { lab.train() }).told(told(move || label().into()));
    let all = vec![
        train.view(),
        kit::button("", "step-button", words(say::STEP), held, move || lab.step()),
        stride,
        kit::button("", "stop-button", words(say::STOP), holds(move || !busy.get()), move || lab.stop()),
        kit::button("", "reset-button", words(say::RESET), holds(move || lab.started.with(Option::is_none)), move || lab.reset()),
        kit::field("field load", words(say::LOAD), shown, say::LOAD_WHY, load),
    ];
    tag("div").is("class", "controls").is("role", "group").is("aria-label", say::CONTROLS).all(all).view()
}
