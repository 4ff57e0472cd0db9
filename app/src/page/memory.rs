//! What this browser remembers of a visitor's choices, where it lets the page.
//!
//! A browser that keeps no data of sites has no storage, or throws at whoever asks for it (which `gloo_storage` takes for a fault of the
//! page): the choice then lasts until the page is closed.

use leptos::prelude::window;
use serde::Serialize;
use serde::de::DeserializeOwned;
use web_sys::Storage;

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

/// What was remembered under this name, if it can still be read.
pub fn recall<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_str(&storage()?.get_item(name).ok()??).ok()
}

/// Remembers a choice under this name.
pub fn remember(name: &str, choice: &impl Serialize) {
    if let (Some(storage), Ok(text)) = (storage(), serde_json::to_string(choice)) {
        // Refused where there is no room: then as without storage.
        let _ = storage.set_item(name, &text);
    }
}
