//! The way between the places of the lab. The ring's controls and score stay in sight everywhere.

use leptos::prelude::*;

use super::kit::told;
use super::lab::Lab;
use super::place::Place;
use super::tag::tag;
use crate::words::places as words;

/// The menu: links, so that a place can be opened in a tab and the way back works.
pub fn menu(lab: Lab) -> AnyView {
    // Not `hashchange`: a browser leaves that out where the address of before had other settings too.
    let follow = window_event_listener(leptos::ev::popstate, move |_| {
        lab.arrive(Place::of_address());
        // On the way back the address is that of before; what was edited since is not given up.
        lab.remember();
    });
    on_cleanup(move || follow.remove());
    let link = |place: Place| {
        let here = told(move || if lab.place.get() == place { "page".into() } else { "false".into() });
        let link = tag("a").is("href", format!("#{}", place.name())).is("data-testid", format!("place-{}", place.name()));
        link.says("aria-current", here).text(place.label()).view()
    };
    tag("nav").is("class", "places").is("data-part", "places").is("aria-label", words::MENU).all(Place::ALL.map(link).into()).view()
}
