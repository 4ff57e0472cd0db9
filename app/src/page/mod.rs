//! The page: the lab's state in signals, and the views that read them.
//!
//! A view changes the [`Lab`] and sends commands through it; everything else follows from messages of the worker.

mod bench;
mod canvas;
mod chart;
mod classroom;
mod compare;
mod controls;
mod device;
mod drop;
mod entries;
mod estimate;
mod findings;
mod inside;
mod keys;
pub mod kit;
mod lab;
mod lessons;
mod menu;
mod numbers;
pub(crate) mod place;
pub(crate) mod replay;
mod ring;
mod runs;
mod samples;
pub(crate) mod scoreboard;
mod settings;
mod signals;
pub mod tag;
mod theme;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;

use self::lab::Lab;
use self::place::Place;
use self::replay::Coming;
use self::tag::tag;
use crate::words::{drop as drops, ring as say};

/// Mounts the page in place of the static shell, and starts its worker.
pub fn start() {
    console_error_panic_hook::set_once();
    spawn_local(async {
        // The shell is a picture of a first visit: with its recorded run the page looks alike, and nothing moves.
        let first = if lab::names_nothing() { Some(replay::first().await) } else { None };
        let shell = document().get_element_by_id("page").and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok());
        if let Some(place) = shell {
            place.set_inner_html("");
            place.set_class_name("");
            leptos::mount::mount_to(place, move || page(first)).forget();
        }
    });
}

/// The page; a first visit sees this recorded run.
fn page(first: Option<Coming>) -> impl IntoView {
    let lab = Lab::open();
    drop::listen(lab);
    let class = lessons::Class::new(lab);
    // It knows no other state than the place: what is shown there is made anew when the place changes.
    let place = kit::made(Box::new(move || match lab.place.get() {
        Place::Ring => ().into_any(),
        Place::Samples => samples::samples(lab),
        Place::Bench => bench::bench(lab),
        Place::Inside => inside::inside(lab),
        Place::Lessons => lessons::lessons(class),
        Place::Runs => runs::runs(lab),
        Place::Findings => findings::findings(lab),
    }));
    // A tab, a bookmark and a history are told apart by it.
    kit::effect(move || document().set_title(&title(lab.place.get())));
    let name = tag("h1").text("Sparr").put(tag("span").is("class", "ing").text("ing").view()).view();
    let head = vec![name, tag("p").text(say::SLOGAN).view(), menu::menu(lab), keys::keys(lab), theme::theme()];
    let section = |class: &'static str, label: &'static str| tag("section").is("class", class).is("aria-label", label);
    let middle = section("ring", say::RING).is("id", "ring").is("tabindex", "-1").put(ring::ring(lab, first)).put(place).view();
    let before = vec![settings::hardness(lab), settings::corners(lab), device::this_device(lab)];
    let after = vec![numbers::honest_numbers(lab), device::take_away(lab)];
    let main = tag("main").is("class", "lab").says("data-place", kit::told(move || lab.place.get().name().into()));
    let main = main.put(lessons::panel(class)).put(middle);
    let main = main.put(section("before", say::SETTINGS).all(before).view()).put(section("after", say::NUMBERS).all(after).view());
    vec![
        skip(lab, "ring", say::SKIP),
        skip(lab, "chart", say::SKIP_TO_CHART),
        tag("header").is("class", "top").all(head).view(),
        classroom::banner(lab),
        main.view(),
        said(lab),
    ]
}

/// The title of the document: that of the shell in the ring, and in other places the place before it.
fn title(place: Place) -> String {
    if place == Place::Ring { say::TITLE.to_owned() } else { format!("{}: {}", place.label(), say::TITLE) }
}

/// A way for keys past the menu and the controls, to a part of the ring.
fn skip(lab: Lab, part: &'static str, words: &'static str) -> AnyView {
    let go = move |event: web_sys::Event| {
        event.prevent_default();
        lab.visit(Place::Ring);
        // Once the ring is there.
        spawn_local(async move {
            let part = document().get_element_by_id(part).and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok());
            part.into_iter().for_each(|part| drop(part.focus()));
        });
    };
    tag("a").is("class", "skip").is("href", "#ring").text(words).on("click", go).view()
}

/// What is said in passing, over the page wherever one is; it stays until it is closed, or until something else happens.
fn said(lab: Lab) -> AnyView {
    let text = kit::announces("", "remark", kit::told(move || lab.remark.get().unwrap_or_default()));
    let close = kit::button("small", "remark-close", kit::words(drops::CLOSE), kit::never(), move || lab.remark.set(None));
    tag("div").is("class", "said").flag("data-empty", kit::holds(move || lab.remark.with(Option::is_none))).put(text).put(close).view()
}
