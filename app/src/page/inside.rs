//! Inside the sparse network: densities, masks, what is pruned and grown, weights.

use leptos::prelude::*;

use crate::words::inside as words;

/// The place.
#[component]
pub fn Inside() -> impl IntoView {
    view! {
        <div class="card">
            <h2>{words::TITLE}</h2>
        </div>
    }
}
