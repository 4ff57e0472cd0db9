//! The page: the lab's state in signals, and the views that read them.
//!
//! A view changes the [`Lab`] and sends commands through it; everything else follows from messages of the worker.

mod bridge;
mod chart;
mod controls;
mod device;
mod lab;
mod numbers;
mod ring;
mod scoreboard;
mod settings;
mod theme;

use leptos::prelude::*;

use self::lab::Lab;
use self::theme::ThemeToggle;

/// Mounts the page and starts its worker.
pub fn start() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(Page);
}

#[component]
fn Page() -> impl IntoView {
    provide_context(Lab::open());
    view! {
        <a class="skip" href="#ring">"Skip to the ring"</a>
        <header class="top">
            <h1>"Sparr"<span class="ing">"ing"</span></h1>
            <p>"Who learns the hard ones better?"</p>
            <ThemeToggle/>
        </header>
        <main class="lab">
            <section id="ring" class="ring" aria-label="The ring" tabindex="-1">
                <ring::Ring/>
            </section>
            <section class="before" aria-label="Settings">
                <settings::Hardness/>
                <settings::Corners/>
                <device::ThisDevice/>
            </section>
            <section class="after" aria-label="Numbers">
                <numbers::HonestNumbers/>
                <numbers::Densities/>
                <device::TakeAway/>
            </section>
        </main>
    }
}
