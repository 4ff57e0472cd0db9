//! The test bench: one picture, corrupted and attacked, and what each learner makes of it.

use leptos::prelude::*;

use crate::words::bench as words;

/// The place.
#[component]
pub fn Bench() -> impl IntoView {
    view! {
        <div class="card">
            <h2>{words::TITLE}</h2>
        </div>
    }
}
