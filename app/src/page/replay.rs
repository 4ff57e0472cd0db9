//! The bar of a run that is shown again: what it is, play and place, and the way to a race of one's own.
//!
//! Its markup is text that changes with the run only; place and label are set on the elements, so that focus stays while it plays.

use std::sync::Arc;

use futures_channel::oneshot;
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use sparring_core::ExperimentConfig;
use sparring_core::record::run_file::RunFile;
use sparring_figures::html::escape;
use sparring_figures::number;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{Element, HtmlInputElement};

use super::entries::{self, day, recorded};
use super::kit::{acted, effect, memo};
use super::lab::{Lab, Phase};
use super::tag::tag;
use crate::replay::{LENGTH, Player, SPEEDS, Source, recording};
use crate::words::runs as words;

/// Between two looks at the clock, milliseconds: charts redraw no more often.
const TICK: u32 = 100;
/// How long the page waits for the recorded run that it begins with, milliseconds: it was asked for before the page was.
const PATIENCE: u32 = 500;

/// A recorded run that comes, or why it does not.
pub type Coming = oneshot::Receiver<Result<RunFile, String>>;

/// The run that a first visit sees: there already, or still coming after a while.
pub async fn first() -> Coming {
    let (sender, coming) = oneshot::channel();
    let came = future_to_promise(async {
        // Whoever waits for it is the page, which stays.
        let _ = sender.send(recorded(&format!("{}.json", recording(&ExperimentConfig::default()))).await);
        Ok(JsValue::UNDEFINED)
    });
    let late = future_to_promise(async {
        TimeoutFuture::new(PATIENCE).await;
        Ok(JsValue::UNDEFINED)
    });
    let _ = JsFuture::from(js_sys::Promise::race(&js_sys::Array::of2(&came, &late))).await;
    coming
}

fn play_words(player: &Player) -> &'static str {
    match (player.playing(), player.at() >= 1.0) {
        (true, _) => words::HOLD,
        (false, true) => words::AGAIN,
        (false, false) => words::PLAY,
    }
}

/// The bar's text; `train` is what its last button says.
pub fn markup(player: &Player, train: &str) -> String {
    let Some(run) = player.run() else { return String::new() };
    let pace = words::pace(&number::about(player.trained()), &number::about(LENGTH));
    let speeds: String = SPEEDS
        .iter()
        .map(|speed| {
            let chosen = if *speed == player.speed() { " selected" } else { "" };
            format!("<option value=\"{speed}\"{chosen}>{speed}\u{d7}</option>")
        })
        .collect();
    format!(
        "<p><b>{name}</b> <span>{origin}</span></p>\
         <div class=\"row\"><button type=\"button\" data-act=\"play\" data-testid=\"replay-play\">{play}</button>\
         <input type=\"range\" min=\"0\" max=\"1000\" value=\"{at:.0}\" aria-label=\"{place}\" data-act=\"place\" data-testid=\"replay-place\">\
         <select aria-label=\"{speed}\" data-act=\"speed\" data-testid=\"replay-speed\">{speeds}</select>\
         <span class=\"quiet\">{pace}</span>\
         <button type=\"button\" data-act=\"train\" data-testid=\"replay-train\">{train}</button></div>",
        name = escape(&run.name),
        origin = escape(&player.source().origin(&run.device.name, day(run))),
        play = play_words(player),
        at = player.at() * 1000.0,
        place = words::PLACE,
        speed = words::SPEED,
    )
}

impl Lab {
    /// Shows a run from its beginning; nothing of a race that trains is touched.
    pub fn show(self, run: RunFile, source: Source, play: bool) {
        if self.phase.with_untracked(Phase::busy) {
            return;
        }
        let mut player = Player::new(Arc::new(run), source);
        self.race.update(|race| {
            player.seek(if play { 0.0 } else { 1.0 }, race);
            if play {
                player.toggle(race);
            }
        });
        // What the trainer may still hold is another race.
        if self.phase.with_untracked(|p| !matches!(p, Phase::Starting | Phase::Failed(_))) {
            self.phase.set(Phase::Ready);
        }
        self.past.set(Vec::new());
        self.started.set(None);
        self.player.set(player);
    }

    /// The experiment of the shown run, on this device.
    fn train_shown(self) {
        let Some(run) = self.player.with_untracked(|p| p.run().cloned()) else { return };
        self.config.update(|config| *config = ExperimentConfig { device: config.device, ..run.config.clone() });
        self.train();
    }

    /// Moves the shown run, and the ring with it.
    pub fn play_on(self, change: impl Fn(&mut Player, &mut crate::race::Race)) {
        self.race.update(|race| self.player.update(|player| change(player, race)));
    }
}

async fn play(lab: Lab) {
    loop {
        TimeoutFuture::new(TICK).await;
        if lab.player.with_untracked(Player::playing) {
            lab.play_on(|player, race| player.tick(f64::from(TICK) / 1000.0, race));
        }
    }
}

/// Prefers a page that does not move.
fn still() -> bool {
    window().match_media("(prefers-reduced-motion: reduce)").ok().flatten().is_some_and(|m| m.matches())
}

/// The bar; nothing where no run is shown, but the offer of a recorded one where nothing was trained. A first visit plays one at once.
pub fn replay(lab: Lab, first: Option<Coming>) -> AnyView {
    let trouble = RwSignal::new(String::new());
    spawn_local(play(lab));
    let came = move |run: Result<RunFile, String>, play: bool| match run {
        // Meanwhile a race may have begun.
        Ok(run) if lab.started.with_untracked(Option::is_none) => lab.show(run, Source::Recorded, play),
        Ok(_) => {}
        Err(why) => trouble.set(words::no_recording(&why)),
    };
    let fetch = move |play: bool| {
        let scenario = lab.config.with_untracked(recording);
        spawn_local(async move { came(recorded(&format!("{scenario}.json")).await, play) });
    };
    entries::refresh(lab.runs);
    // Who chooses another scenario sees that one.
    let scenario = memo(move || lab.config.with(recording));
    let shows_recorded = move || lab.player.with_untracked(|p| p.run().is_some() && p.source() == Source::Recorded);
    Effect::watch(
        move || scenario.get(),
        move |_, _, _| {
            if shows_recorded() {
                fetch(!still());
            }
        },
        false,
    );
    // Whoever brings an experiment sees it, and the offer.
    if let Some(first) = first {
        spawn_local(async move { first.await.into_iter().for_each(|run| came(run, !still())) });
    }
    let train = memo(move || {
        lab.device.with(|d| match d {
            None => words::TRAIN,
            Some(d) if d.info.backend == "cpu" => words::TRAIN_CPU,
            Some(_) => words::TRAIN_GPU,
        })
    });
    let shown = memo(move || lab.player.with(|p| p.run().map(Arc::as_ptr).map_or(0, |p| p as usize)));
    let content = move || {
        if shown.get() != 0 {
            return lab.player.with_untracked(|p| markup(p, train.get()));
        }
        match trouble.with(|t| escape(t)) {
            _ if lab.started.with(Option::is_some) => String::new(),
            why if !why.is_empty() => format!("<p class=\"quiet\" role=\"status\">{why}</p>"),
            _ => {
                format!("<button type=\"button\" class=\"small\" data-act=\"watch\" data-testid=\"replay-watch\">{}</button>", words::WATCH)
            }
        }
    };
    // Whatever ended a race before its time (a closed tab, a lost GPU, a stop): the way back to it.
    let resume = memo(move || {
        let idle = lab.phase.with(|p| !p.busy() && !matches!(p, Phase::Starting | Phase::Finished));
        let (run, _, epochs, name) = lab.unfinished().filter(|_| idle)?;
        let (about, act) = (escape(&words::unfinished(&name, epochs)), words::resume(epochs));
        let run = escape(&run);
        Some(format!("<p>{about} <button type=\"button\" data-act=\"resume\" data-run=\"{run}\" data-testid=\"resume\">{act}</button></p>"))
    });
    let content = memo(move || format!("{}{}", resume.get().unwrap_or_default(), content()));
    // After the markup is there: what moves.
    let move_parts = move |root: Element| {
        effect(move || {
            content.track();
            let at = lab.player.with(Player::at);
            let part = |act: &str| root.query_selector(&format!("[data-act={act}]")).ok().flatten();
            if let Some(button) = part("play") {
                button.set_text_content(Some(lab.player.with_untracked(play_words)));
            }
            if let Some(place) = part("place").and_then(|e| e.dyn_into::<HtmlInputElement>().ok()) {
                place.set_value(&format!("{:.0}", at * 1000.0));
            }
        });
    };
    let clicked = move |ev: web_sys::Event| {
        let Some((act, element)) = acted(&ev) else { return };
        match act.as_str() {
            "play" => lab.play_on(Player::toggle),
            "train" => lab.train_shown(),
            "watch" => fetch(true),
            "resume" => lab.go_on_with(&element.get_attribute("data-run").unwrap_or_default()),
            _ => {}
        }
    };
    let moved = move |ev: web_sys::Event| {
        let Some((act, element)) = acted(&ev) else { return };
        let value = js_sys::Reflect::get(&element, &"value".into()).ok().and_then(|v| v.as_string()).unwrap_or_default();
        let Some(value) = sparring_core::platform::parse_f64(&value) else { return };
        match act.as_str() {
            "place" => lab.play_on(move |player, race| player.seek(value / 1000.0, race)),
            "speed" => lab.player.update(|p| p.set_speed(value)),
            _ => {}
        }
    };
    let bar = tag("div").is("class", "replay").is("role", "group").is("aria-label", words::REPLAY).is("data-testid", "replay");
    bar.html(content.into()).made(move_parts).on("click", clicked).on("input", moved).view()
}
