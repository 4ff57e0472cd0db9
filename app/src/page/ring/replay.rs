//! The bar of a run that is shown again: what it is, play and place, and the way to a race of one's own.
//!
//! Its parts stay while it plays and while runs are kept, so that the focus stays too.

use futures_channel::oneshot;
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use sparring_core::platform::parse_f64;
use sparring_figures::number;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};

use crate::model::race::Race;
use crate::model::replay::{FIRST, LENGTH, Player, Recording, SPEEDS, Source, recording};
use crate::page::entries::{self, Unfinished, day, recorded, unfinished};
use crate::page::kit::{Button, Choices, Select};
use crate::page::lab::{Lab, Phase, use_lab};
use crate::page::lessons::use_class;
use crate::words::runs as words;

/// Between two looks at the clock, milliseconds: charts redraw no more often.
const TICK: u32 = 100;
/// A replay goes on by at most so much at a time, milliseconds, where the machine slept.
const LONGEST: f64 = 2000.0;
/// How long the page waits for the recorded run that it begins with, milliseconds: it was asked for before the page was.
const PATIENCE: u32 = 500;
/// Places of the slider.
const STEPS: f64 = 1000.0;

/// A recorded run that comes, with its name.
pub struct Coming {
    name: String,
    /// The run, or why it does not come.
    run: oneshot::Receiver<Result<Recording, String>>,
}

/// The recorded run that the page begins with: there already, or still coming after a while.
pub async fn first(name: String) -> Coming {
    let (sender, run) = oneshot::channel();
    let asked = name.clone();
    let came = future_to_promise(async move {
        // Whoever waits for it is the page, which stays.
        let _ = sender.send(recorded(&asked).await);
        Ok(JsValue::UNDEFINED)
    });
    let late = future_to_promise(async {
        TimeoutFuture::new(PATIENCE).await;
        Ok(JsValue::UNDEFINED)
    });
    let _ = JsFuture::from(js_sys::Promise::race(&js_sys::Array::of2(&came, &late))).await;
    Coming { name, run }
}

/// What the button that plays says.
pub fn play_words(player: &Player) -> &'static str {
    match (player.playing(), player.at() >= 1.0) {
        (true, _) => words::HOLD,
        (false, true) => words::AGAIN,
        (false, false) => words::PLAY,
    }
}

/// A shown run in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// What it is called.
    pub name: String,
    /// Whose numbers these are.
    pub origin: String,
    /// How long it took, and how long it plays.
    pub pace: String,
}

impl About {
    /// Where a run is shown.
    pub fn of(player: &Player) -> Option<Self> {
        let run = player.run()?;
        Some(Self {
            name: run.name.clone(),
            origin: player.source().origin(&run.device.name, day(run)),
            pace: words::pace(&number::about(player.trained()), &number::about(LENGTH)),
        })
    }
}

impl Lab {
    /// Shows a run from its beginning; nothing of a race that trains is touched.
    pub fn show(self, recording: Recording, source: Source, play: bool) {
        if self.phase.with_untracked(Phase::busy) {
            return;
        }
        let mut player = Player::new(recording, source);
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
        self.past.set(self.race.with_untracked(|race| player.others(race)));
        self.started.set(None);
        self.player.set(player);
    }

    /// The experiment of the shown run, on this device.
    fn train_shown(self) {
        let Some(run) = self.player.with_untracked(|p| p.run().cloned()) else { return };
        self.take(run.config.clone());
        self.train();
    }

    /// Moves the shown run, and the ring with it; its other seeds keep step from epoch to epoch.
    pub fn play_on(self, change: impl Fn(&mut Player, &mut Race)) {
        let stand = move || self.race.with_untracked(|race| (race.common_epoch(), race.summary.is_some()));
        let before = stand();
        self.race.update(|race| self.player.update(|player| change(player, race)));
        if stand() != before {
            self.past.set(self.race.with_untracked(|race| self.player.with_untracked(|player| player.others(race))));
        }
    }
}

async fn play(lab: Lab) {
    let mut before = js_sys::Date::now();
    loop {
        TimeoutFuture::new(TICK).await;
        // A busy page and a tab in the background look at the clock less often.
        let now = js_sys::Date::now();
        let passed = (now - std::mem::replace(&mut before, now)).clamp(0.0, LONGEST) / 1000.0;
        if lab.player.with_untracked(Player::playing) {
            lab.play_on(|player, race| player.tick(passed, race));
        }
    }
}

/// Prefers a page that does not move.
fn still() -> bool {
    window().match_media("(prefers-reduced-motion: reduce)").ok().flatten().is_some_and(|m| m.matches())
}

/// The bar; nothing where no run is shown, but the offer of a recorded one where nothing was trained. A first visit plays one at once.
#[component]
pub fn Replay(
    /// The recorded run of a first visit.
    first: Option<Coming>,
) -> impl IntoView {
    let (lab, class) = (use_lab(), use_class());
    let trouble = RwSignal::new(String::new());
    spawn_local(play(lab));
    let came = move |run: Result<Recording, String>, play: bool| match run {
        // Meanwhile a race may have begun.
        Ok(run) => {
            trouble.set(String::new());
            if lab.started.with_untracked(Option::is_none) {
                lab.show(run, Source::Recorded, play);
            }
        }
        Err(why) => trouble.set(words::no_recording(&why)),
    };
    // A lesson has runs of its own, and shows them itself.
    let asked = move || match untrack(|| class.stands_on()) {
        Some(of_lesson) => of_lesson,
        None => lab.config.with_untracked(recording).to_owned(),
    };
    let fetch = move |play: bool| {
        let name = asked();
        trouble.set(String::new());
        spawn_local(async move {
            let run = recorded(&name).await;
            // Meanwhile another one may have been chosen, whose run comes by itself.
            if asked() == name {
                came(run, play);
            }
        });
    };
    entries::refresh(lab.runs, lab.looks);
    // Who chooses another scenario sees that one.
    let scenario = Memo::new(move |_| lab.config.with(recording));
    let shows_another = move |scenario: &str| {
        let another = |player: &Player| player.run().is_some_and(|run| recording(&run.config) != scenario);
        let lesson = lab.teacher.with_untracked(|teacher| teacher.lesson.is_some());
        !lesson && lab.player.with_untracked(|player| player.source() == Source::Recorded && another(player))
    };
    Effect::watch(
        move || scenario.get(),
        move |scenario, _, _| {
            if shows_another(scenario) {
                fetch(!still());
            }
        },
        false,
    );
    // Whoever brings an experiment sees it, and the offer; whoever brings none sees a run, and may train just that.
    if let Some(Coming { name, run }) = first {
        spawn_local(async move {
            let Ok(mut run) = run.await else { return };
            let mut shown = name.as_str();
            if let (Err(why), true) = (&run, name != FIRST) {
                lab.remark.set(Some(words::no_such_recording(&name, why)));
                (shown, run) = (FIRST, recorded(FIRST).await);
            }
            // Whoever has opened another one meanwhile goes on looking at that.
            if lab.player.with_untracked(|player| player.run().is_none()) {
                run.iter().for_each(|run| lab.begin_with(shown, &run.config));
                came(run, !still());
            }
        });
    }
    let offer = move || view! { <Offer trouble on_watch=move || fetch(true) /> };
    view! {
        <div class="replay" role="group" aria-label=words::REPLAY data-testid="replay">
            <Resume />
            <Show when=move || lab.player.with(|player| player.run().is_some()) fallback=offer>
                <Bar />
            </Show>
        </div>
    }
}

/// Whatever ended a race before its time (a closed tab, a lost GPU, a stop): the way back to it.
#[component]
fn Resume() -> impl IntoView {
    let lab = use_lab();
    let kept = Memo::new(move |_| {
        // Networks that ship are there without a race of one's own.
        let ended = lab.started.with(Option::is_some) && lab.phase.with(|p| *p == Phase::Finished);
        let idle = !ended && lab.phase.with(|p| !p.busy() && *p != Phase::Starting);
        lab.runs.with(|runs| unfinished(runs)).filter(|_| idle)
    });
    let of = move |words: fn(&Unfinished) -> String| move || kept.with(|kept| kept.as_ref().map(words).unwrap_or_default());
    let go_on = move || kept.get_untracked().into_iter().for_each(|kept| lab.go_on(&kept.run));
    view! {
        <Show when=move || kept.with(Option::is_some)>
            <p>
                {of(|kept| words::unfinished(&kept.name, kept.epochs))} " "
                <Button testid="resume" label=Signal::derive(of(|kept| words::resume(kept.epochs))) on_press=go_on />
            </p>
        </Show>
    }
}

/// A recorded run, where nothing was trained; or why it does not come.
#[component]
fn Offer(
    /// Why it does not come; empty where nothing is known against it.
    trouble: RwSignal<String>,
    /// Fetches it and plays it.
    on_watch: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let lab = use_lab();
    let why = move || view! { <p class="quiet" role="status">{trouble}</p> };
    view! {
        <Show when=move || lab.started.with(Option::is_none)>
            <Show when=move || trouble.with(String::is_empty) fallback=why>
                <Button class="small" testid="replay-watch" label=words::WATCH on_press=on_watch />
            </Show>
        </Show>
    }
}

/// What is shown, play and place, and the way to a race of one's own.
#[component]
fn Bar() -> impl IntoView {
    let lab = use_lab();
    // While it plays only place and label change.
    let about = Memo::new(move |_| lab.player.with(About::of).unwrap_or_default());
    let at = Memo::new(move |_| lab.player.with(|player| format!("{:.0}", player.at() * STEPS)));
    let play = Memo::new(move |_| lab.player.with(play_words).to_owned());
    let speed = Memo::new(move |_| lab.player.with(|player| player.speed().to_string()));
    let train = Signal::derive(move || {
        lab.device.with(|device| match device {
            None => words::TRAIN.to_owned(),
            Some(_) if !lab.form_is_shown.get() => words::TRAIN_RECORDED.to_owned(),
            Some(device) if device.info.backend == "cpu" => words::TRAIN_CPU.to_owned(),
            Some(_) => words::TRAIN_GPU.to_owned(),
        })
    });
    let moved = move |text: String| {
        if let Some(place) = parse_f64(&text) {
            lab.play_on(move |player, race| player.seek(place / STEPS, race));
        }
    };
    let set_speed = move |text: String| parse_f64(&text).into_iter().for_each(|speed| lab.player.update(|p| p.set_speed(speed)));
    view! {
        <p>
            <b>{move || about.with(|about| about.name.clone())}</b> " " <span>{move || about.with(|about| about.origin.clone())}</span>
        </p>
        <div class="row">
            <Button testid="replay-play" label=play on_press=move || lab.play_on(Player::toggle) />
            <input
                type="range"
                min="0"
                max=STEPS.to_string()
                aria-label=words::PLACE
                data-testid="replay-place"
                prop:value=at
                on:input:target=move |ev| moved(ev.target().value())
            />
            <Select
                label=words::SPEED
                testid="replay-speed"
                choices=Choices::new(SPEEDS.map(|speed| (speed.to_string(), format!("{speed}\u{d7}"))))
                value=speed
                on_choose=set_speed
            />
            <span class="quiet">{move || about.with(|about| about.pace.clone())}</span>
            <Button testid="replay-train" label=train on_press=move || lab.train_shown() />
        </div>
    }
}
