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
mod entries;
mod estimate;
mod inside;
mod keys;
pub mod kit;
mod lab;
mod lessons;
mod menu;
mod numbers;
mod place;
mod replay;
mod ring;
mod runs;
mod samples;
mod scoreboard;
mod settings;
mod signals;
pub mod tag;
mod theme;

use leptos::prelude::*;

use self::lab::Lab;
use self::place::Place;
use self::tag::tag;
use crate::words::ring as say;

/// Mounts the page and starts its worker.
pub fn start() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(Page);
}

#[component]
fn Page() -> impl IntoView {
    let lab = Lab::open();
    let class = lessons::Class::new(lab);
    // It knows no other state than the place: what is shown there is made anew when the place changes.
    let place = kit::made(Box::new(move || match lab.place.get() {
        Place::Ring => ().into_any(),
        Place::Samples => samples::samples(lab),
        Place::Bench => bench::bench(lab),
        Place::Inside => inside::inside(lab),
        Place::Lessons => lessons::lessons(class),
        Place::Runs => runs::runs(lab),
    }));
    let title = tag("h1").text("Sparr").put(tag("span").is("class", "ing").text("ing").view()).view();
    let head = vec![title, tag("p").text(say::SLOGAN).view(), menu::menu(lab), keys::keys(lab), theme::theme()];
    let section = |class: &'static str, label: &'static str| tag("section").is("class", class).is("aria-label", label);
    let middle = section("ring", say::RING).is("id", "ring").is("tabindex", "-1").put(ring::ring(lab)).put(place).view();
    let before = vec![settings::hardness(lab), settings::corners(lab), device::this_device(lab)];
    let after = vec![numbers::honest_numbers(lab), device::take_away(lab)];
    let main = tag("main").is("class", "lab").says("data-place", kit::told(move || lab.place.get().name().into()));
    let main = main.put(lessons::panel(class)).put(middle);
    let main = main.put(section("before", say::SETTINGS).all(before).view()).put(section("after", say::NUMBERS).all(after).view());
    vec![
        tag("a").is("class", "skip").is("href", "#ring").text(say::SKIP).view(),
        tag("header").is("class", "top").all(head).view(),
        classroom::banner(lab),
        main.view(),
    ]
}
