//! Guided lessons beside the live lab.

use leptos::prelude::*;

use crate::words::lessons as words;

/// The place.
#[component]
pub fn Lessons() -> impl IntoView {
    view! {
        <div class="card">
            <h2>{words::TITLE}</h2>
        </div>
    }
}
