//! The page: the lab's state in signals, and the views that read them.
//!
//! A view changes the [`Lab`] and sends commands through it; everything else follows from messages of the worker.

mod bench;
mod bridge;
mod chart;
mod controls;
mod device;
mod inside;
mod lab;
mod look;
mod numbers;
mod place;
mod ring;
mod scoreboard;
mod settings;
mod theme;

use leptos::prelude::*;

use self::lab::Lab;
use self::place::Place;
use self::theme::ThemeToggle;

/// Mounts the page and starts its worker.
pub fn start() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(Page);
}

#[component]
fn Page() -> impl IntoView {
    let lab = Lab::open();
    provide_context(lab);
    view! {
        <a class="skip" href="#ring">"Skip to the ring"</a>
        <header class="top">
            <h1>"Sparr"<span class="ing">"ing"</span></h1>
            <p>"Who learns the hard ones better?"</p>
            <place::Menu/>
            <ThemeToggle/>
        </header>
        <main class="lab" data-place=move || lab.place.get().name()>
            <section id="ring" class="ring" aria-label="The ring" tabindex="-1">
                <ring::Ring/>
                {move || match lab.place.get() {
                    Place::Ring => ().into_any(),
                    Place::Bench => bench::Bench().into_any(),
                    Place::Inside => inside::Inside().into_any(),
                }}
            </section>
            <section class="before" aria-label="Settings">
                <settings::Hardness/>
                <settings::Corners/>
                <device::ThisDevice/>
            </section>
            <section class="after" aria-label="Numbers">
                <numbers::HonestNumbers/>
                <device::TakeAway/>
            </section>
        </main>
    }
}
