//! The way between the places of the lab. The experiment and the score stay in sight everywhere, but on a phone.

use leptos::prelude::*;

use super::lab::use_lab;
use super::place::Place;
use crate::words::places as words;

/// The menu: links, so that a place can be opened in a tab and the way back works.
#[component]
pub fn Menu() -> impl IntoView {
    let lab = use_lab();
    // Not `hashchange`: a browser leaves that out where the address of before had other settings too.
    let follow = window_event_listener(leptos::ev::popstate, move |_| {
        lab.arrive(Place::of_address());
        // On the way back the address is that of before; what was edited since is not given up.
        lab.remember();
    });
    on_cleanup(move || follow.remove());
    let link = move |place: Place| {
        let here = move || if lab.place.get() == place { "page" } else { "false" };
        view! {
            <a href=format!("#{}", place.name()) data-testid=format!("place-{}", place.name()) aria-current=here>
                {place.label()}
            </a>
        }
    };
    view! {
        <nav class="places" data-part="places" aria-label=words::MENU>
            {Place::ALL.map(link).collect_view()}
        </nav>
    }
}
