//! The gallery: every test image with its hardness score and what each learner says.

use leptos::prelude::*;

use crate::words::samples as words;

/// The place.
#[component]
pub fn Samples() -> impl IntoView {
    view! {
        <div class="card">
            <h2>{words::TITLE}</h2>
        </div>
    }
}
