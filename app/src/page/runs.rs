//! What was kept: recorded and own runs, to look at, compare, rename, export and delete.

use leptos::prelude::*;

use crate::words::runs as words;

/// The place.
#[component]
pub fn Runs() -> impl IntoView {
    view! {
        <div class="card">
            <h2>{words::TITLE}</h2>
        </div>
    }
}
