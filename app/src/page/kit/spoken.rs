//! Sentences, and which of them are read out.

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// A paragraph; without words there is none.
#[component]
pub fn Says(
    /// Its words.
    #[prop(into)]
    text: Signal<String>,
    /// How it looks.
    #[prop(optional)]
    class: Option<&'static str>,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    view! {
        <p class=class data-testid=testid hidden=move || text.with(String::is_empty)>
            {text}
        </p>
    }
}

/// A paragraph that is read out when it changes, but not more often than can be listened to.
#[component]
pub fn Announces(
    /// Its words.
    #[prop(into)]
    text: Signal<String>,
    /// How it looks.
    #[prop(optional)]
    class: Option<&'static str>,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    view! {
        <p class=class data-testid=testid>
            {text}
        </p>
        <p class="visually-hidden" aria-live="polite">
            {calm(text)}
        </p>
    }
}

/// How long what is read out stays as it is, milliseconds.
const CALM: u32 = 5000;

/// The same text for a region that is read out: at most once in five seconds, so that it is heard to its end.
pub fn calm(text: Signal<String>) -> Signal<String> {
    let said = RwSignal::new(String::new());
    let speaking = StoredValue::new(false);
    Effect::new(move || {
        text.track();
        if speaking.get_value() {
            return;
        }
        speaking.set_value(true);
        spawn_local(async move {
            // Until it is as it was five seconds ago, or the region is gone.
            while let Some(now) = text.try_get_untracked().filter(|now| said.try_with_untracked(|said| said != now) == Some(true)) {
                said.set(now);
                TimeoutFuture::new(CALM).await;
            }
            speaking.try_set_value(false);
        });
    });
    said.into()
}
