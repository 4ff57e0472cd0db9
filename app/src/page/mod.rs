//! The page: the lab's state in signals, and the views that read them.
//!
//! A view changes the [`Lab`] and sends commands through it; everything else follows from messages of the worker.

mod bench;
mod bridge;
mod chart;
mod classroom;
mod controls;
mod device;
mod estimate;
mod inside;
mod keys;
mod kit;
mod lab;
mod lessons;
mod look;
mod numbers;
mod place;
mod ring;
mod samples;
mod scoreboard;
mod settings;
mod theme;

use leptos::prelude::*;

use self::lab::Lab;
use self::place::Place;
use self::theme::ThemeToggle;
use crate::words::ring as say;

/// Mounts the page and starts its worker.
pub fn start() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(Page);
}

#[component]
fn Page() -> impl IntoView {
    let lab = Lab::open();
    provide_context(lab);
    let class = lessons::Class::new(lab);
    // A closure that knows no other state than the place: what is shown there is made anew when the place changes.
    let place = move || match lab.place.get() {
        Place::Ring => None,
        Place::Samples => Some(samples::samples(lab)),
        Place::Bench => Some(bench::bench(lab)),
        Place::Inside => Some(inside::inside(lab)),
        Place::Lessons => Some(lessons::lessons(class)),
    };
    view! {
        <a class="skip" href="#ring">{say::SKIP}</a>
        <header class="top">
            <h1>"Sparr"<span class="ing">"ing"</span></h1>
            <p>{say::SLOGAN}</p>
            <place::Menu/>
            {keys::keys(lab)}
            <ThemeToggle/>
        </header>
        {classroom::banner(lab)}
        <main class="lab" data-place=move || lab.place.get().name()>
            {lessons::panel(class)}
            <section id="ring" class="ring" aria-label=say::RING tabindex="-1">
                {ring::ring(lab)}
                {place}
            </section>
            <section class="before" aria-label=say::SETTINGS>
                <settings::Hardness/>
                <settings::Corners/>
                {device::this_device(lab)}
            </section>
            <section class="after" aria-label=say::NUMBERS>
                {numbers::honest_numbers(lab)}
                {device::take_away(lab)}
            </section>
        </main>
    }
}
