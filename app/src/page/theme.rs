//! Light, dark, or as the system has it; remembered in this browser.

use leptos::prelude::*;

use super::kit::{self, never, told, words};
use super::tag::tag;
use crate::words::ring as say;

const KEY: &str = "sparring-theme";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
    fn from_name(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }
}

/// Storage may be refused (private windows); the choice then lasts until the page is closed.
fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// A select in the header.
pub fn theme() -> AnyView {
    let saved = storage().and_then(|s| s.get_item(KEY).ok().flatten()).unwrap_or_default();
    let theme = RwSignal::new(Theme::from_name(&saved));
    kit::effect(move || {
        let theme = theme.get();
        if let Some(root) = document().document_element() {
            // An attribute of our own root element: nothing that can be refused.
            let _ = root.set_attribute("data-theme", theme.name());
        }
        if let Some(storage) = storage() {
            let _ = storage.set_item(KEY, theme.name());
        }
    });
    let select =
        kit::select("", "theme-select", words(kit::options(say::THEMES)), told(move || theme.get().name().into()), never(), move |name| {
            theme.set(Theme::from_name(&name));
        });
    tag("label").is("class", "theme").put(tag("span").text(say::COLOURS).view()).put(select).view()
}
