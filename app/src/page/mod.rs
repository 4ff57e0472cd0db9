//! The page: the lab's state in signals, and the views that read them.
//!
//! A view changes the [`Lab`] and sends commands through it; everything else follows from messages of the worker.

mod bench;
mod canvas;
mod device;
mod drop;
mod entries;
mod findings;
mod inside;
mod keys;
pub mod kit;
mod lab;
mod lessons;
mod memory;
mod menu;
mod numbers;
pub(crate) mod place;
pub(crate) mod ring;
mod runs;
mod samples;
mod settings;
mod take;
mod theme;
mod trained;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;

use self::bench::Bench;
use self::device::{TakeAway, ThisDevice};
use self::findings::Findings;
use self::inside::Inside;
use self::keys::Keys;
use self::kit::{Announces, Button};
use self::lab::{Lab, Silent, use_lab};
use self::lessons::classroom::ClassroomBanner;
use self::lessons::{Class, LessonPanel, Lessons};
use self::menu::Menu;
use self::numbers::HonestNumbers;
use self::place::Place;
use self::ring::replay::Coming;
use self::ring::{Experiment, Ring};
use self::runs::Runs;
use self::samples::Samples;
use self::settings::{Corners, Hardness};
use self::theme::ThemeSelect;
use crate::words::{drop as drops, ring as words};

/// Mounts the page in place of the static shell, and starts its worker.
pub fn start() {
    console_error_panic_hook::set_once();
    spawn_local(async {
        // The shell is a picture of a first visit: with its recorded run the page looks alike, and nothing moves.
        let first = match lab::asked_run() {
            Some(run) => Some(ring::replay::first(run).await),
            None => None,
        };
        let shell = document().get_element_by_id("page").and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok());
        if let Some(place) = shell {
            place.set_inner_html("");
            place.set_class_name("");
            leptos::mount::mount_to(place, move || view! { <Page first /> }).forget();
        }
    });
}

/// The page; a first visit sees this recorded run.
#[component]
fn Page(first: Option<Coming>) -> impl IntoView {
    let lab = Lab::open();
    provide_context(lab);
    drop::listen(lab);
    provide_context(Class::new(lab));
    trained::open_where_wanted(lab);
    // What is shown in a place is made anew when the place changes.
    let place = move || match lab.place.get() {
        Place::Ring => ().into_any(),
        Place::Samples => view! { <Samples /> }.into_any(),
        Place::Inside => view! { <Inside /> }.into_any(),
        Place::Bench => view! { <Bench /> }.into_any(),
        Place::Lessons => view! { <Lessons /> }.into_any(),
        Place::Runs => view! { <Runs /> }.into_any(),
        Place::Findings => view! { <Findings /> }.into_any(),
    };
    // A tab, a bookmark and a history are told apart by it.
    Effect::new(move || document().set_title(&title(lab.place.get())));
    view! {
        <Skip to="experiment" label=words::SKIP />
        <Skip to="chart" label=words::SKIP_TO_CHART />
        <header class="top">
            <h1>"Sparr" <span class="ing">"ing"</span></h1>
            <p>{words::SLOGAN}</p>
            <Menu />
            <Keys />
            <ThemeSelect />
        </header>
        <ClassroomBanner />
        <main
            class="lab"
            class:with-lesson=move || lab.teacher.with(|teacher| teacher.lesson.is_some())
            data-place=move || lab.place.get().name()
            data-form=move || if lab.form.get() { "open" } else { "closed" }
        >
            <LessonPanel />
            <section class="experiment" id="experiment" tabindex="-1" aria-label=words::EXPERIMENT>
                <Experiment first />
            </section>
            <section class="ring" aria-label=words::RING>
                <Ring />
                {place}
            </section>
            <section class="before" aria-label=words::SETTINGS>
                <Hardness />
                <Corners />
                <ThisDevice />
            </section>
            <section class="after" aria-label=words::NUMBERS>
                <HonestNumbers />
                <TakeAway />
            </section>
        </main>
        <Said />
    }
}

/// The title of the document: that of the shell in the ring, and in other places the place before it.
fn title(place: Place) -> String {
    if place == Place::Ring { words::TITLE.to_owned() } else { format!("{}: {}", place.label(), words::TITLE) }
}

/// A way for keys past the menu and the controls, to a part of the ring.
#[component]
fn Skip(to: &'static str, label: &'static str) -> impl IntoView {
    let lab = use_lab();
    let go = move |event: web_sys::MouseEvent| {
        event.prevent_default();
        lab.visit(Place::Ring);
        // Once the ring is there.
        spawn_local(async move {
            let part = document().get_element_by_id(to).and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok());
            part.into_iter().for_each(|part| drop(part.focus()));
        });
    };
    view! { <a class="skip" href="#experiment" on:click=go>{label}</a> }
}

/// What is said in passing, over the page wherever one is; it stays until it is closed, or until something else happens. A trainer that does
/// not answer comes first: whoever closes that waits.
#[component]
fn Said() -> impl IntoView {
    let lab = use_lab();
    let silent = Memo::new(move |_| lab.unanswered());
    let text = Signal::derive(move || if silent.get() { words::TRAINER_QUIET.to_owned() } else { lab.remark.get().unwrap_or_default() });
    let new_trainer =
        move || view! { <Button class="small" testid="new-trainer" label=words::NEW_TRAINER on_press=move || lab.give_up() /> };
    let close = move || if silent.get_untracked() { lab.silent.set(Silent::default()) } else { lab.remark.set(None) };
    view! {
        <div class="said" class:silent=silent data-empty=move || text.with(String::is_empty).then_some("")>
            <Announces testid="remark" text />
            {move || silent.get().then(new_trainer)}
            <Button class="small" testid="remark-close" label=drops::CLOSE on_press=close />
        </div>
    }
}
