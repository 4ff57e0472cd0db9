//! Light, dark, or as the system has it; remembered in this browser.

use leptos::prelude::*;
use sparring_core::names::named_enum;

use super::kit::{Choices, Select};
use super::memory::{recall, remember};
use crate::words::ring as words;

const KEY: &str = "sparring-theme";

named_enum! {
    /// Which colours.
    enum Theme ("theme") {
        /// As the system has them.
        System = "system",
        /// Dark on light.
        Light = "light",
        /// Light on dark.
        Dark = "dark",
    }
}

/// A select in the header.
#[component]
pub fn ThemeSelect() -> impl IntoView {
    let theme = RwSignal::new(recall(KEY).unwrap_or(Theme::System));
    Effect::new(move || {
        let theme = theme.get();
        if let Some(root) = document().document_element() {
            // An attribute of our own root element: nothing that can be refused.
            let _ = root.set_attribute("data-theme", theme.name());
        }
        remember(KEY, &theme);
    });
    view! {
        <label class="theme">
            <span>{words::COLOURS}</span>
            <Select
                testid="theme-select"
                choices=Choices::new(words::THEMES)
                value=Signal::derive(move || theme.get().name().to_owned())
                on_choose=move |name| theme.set(name.parse().unwrap_or(Theme::System))
            />
        </label>
    }
}
