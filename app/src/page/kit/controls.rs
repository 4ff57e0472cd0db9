//! Buttons and fields.

use leptos::ev::Targeted;
use leptos::prelude::*;

use crate::words::kit as words;

/// A button.
#[component]
pub fn Button(
    /// What it says.
    #[prop(into)]
    label: Signal<String>,
    /// What pressing it does.
    on_press: impl Fn() + 'static,
    /// How it looks.
    #[prop(optional)]
    class: Option<&'static str>,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// While pressing it would do nothing.
    #[prop(optional, into)]
    disabled: Signal<bool>,
) -> impl IntoView {
    view! {
        <button type="button" class=class data-testid=testid disabled=disabled on:click=move |_| on_press()>
            {label}
        </button>
    }
}

/// A button that stays down.
#[component]
pub fn Toggle(
    /// What it says.
    #[prop(into)]
    label: Signal<String>,
    /// Whether it is down.
    #[prop(into)]
    down: Signal<bool>,
    /// What pressing it does.
    on_press: impl Fn() + 'static,
    /// How it looks.
    #[prop(optional)]
    class: Option<&'static str>,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class=class
            data-testid=testid
            aria-pressed=move || down.get().to_string()
            on:click=move |_| on_press()
        >
            {label}
        </button>
    }
}

/// A control under its name, with its value in words and, for those who ask, why it is there.
#[component]
pub fn Field(
    /// Its name.
    #[prop(into)]
    label: Signal<String>,
    /// Its value in words.
    #[prop(optional, into)]
    value: Signal<String>,
    /// A plain sentence.
    #[prop(optional)]
    why: &'static str,
    /// How it lies in its row.
    #[prop(default = "field")]
    class: &'static str,
    /// The control.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="setting">
            <label class=class>
                <span>{label} " " <em>{value}</em></span>
                {children()}
            </label>
            <Why label=label text=why />
        </div>
    }
}

/// A sentence about a setting, folded away under a question mark.
#[component]
fn Why(#[prop(into)] label: Signal<String>, text: &'static str) -> impl IntoView {
    let asks = move || words::why(&label.get());
    let folded = move || {
        view! {
            <details class="why">
                <summary aria-label=asks title=asks>"?"</summary>
                <p>{text}</p>
            </details>
        }
    };
    (!text.is_empty()).then(folded)
}

/// Hands on what stands in a field; what is not taken is put back.
fn or_put_back(
    value: Signal<String>,
    take: impl Fn(String) -> bool + 'static,
) -> impl Fn(Targeted<web_sys::Event, web_sys::HtmlInputElement>) + 'static {
    move |ev| {
        if !take(ev.target().value()) {
            ev.target().set_value(&value.get_untracked());
        }
    }
}

/// A number along a line. It is heard while it moves.
#[component]
pub fn Slider(
    /// Its lowest value, its highest, and how far apart values lie.
    range: [&'static str; 3],
    /// Where it stands.
    #[prop(into)]
    value: Signal<String>,
    /// The same in words.
    #[prop(into)]
    spoken: Signal<String>,
    /// Takes what a person moved it to; says whether it was taken.
    on_slide: impl Fn(String) -> bool + 'static,
    /// For tests.
    testid: &'static str,
    /// Its name, where no label says it.
    #[prop(optional)]
    label: Option<&'static str>,
    /// While it cannot be moved.
    #[prop(optional, into)]
    disabled: Signal<bool>,
) -> impl IntoView {
    let [min, max, step] = range;
    let slid = or_put_back(value, on_slide);
    view! {
        <input
            type="range"
            min=min
            max=max
            step=step
            aria-label=label
            data-testid=testid
            aria-valuetext=spoken
            disabled=disabled
            prop:value=value
            on:input:target=slid
        />
    }
}

/// A number that is written. It is heard once it is done; what is not taken is put back.
#[component]
pub fn NumberField(
    /// Its lowest value, its highest, and how far apart values lie; empty where there is no such end.
    range: [&'static str; 3],
    /// What stands in it.
    #[prop(into)]
    value: Signal<String>,
    /// Takes what a person wrote; says whether it was taken.
    on_enter: impl Fn(String) -> bool + 'static,
    /// For tests.
    testid: &'static str,
    /// Its name, where no label says it.
    #[prop(optional)]
    label: Option<&'static str>,
) -> impl IntoView {
    let [min, max, step] = range.map(|end| (!end.is_empty()).then_some(end));
    let entered = or_put_back(value, on_enter);
    view! {
        <input
            type="number"
            inputmode="decimal"
            min=min
            max=max
            step=step
            aria-label=label
            data-testid=testid
            prop:value=value
            on:change:target=entered
        />
    }
}

/// A box to tick.
#[component]
pub fn Check(
    /// What it is for.
    label: &'static str,
    /// Whether it is ticked.
    #[prop(into)]
    on: Signal<bool>,
    /// Takes what it is now.
    on_change: impl Fn(bool) + 'static,
    /// For tests.
    testid: &'static str,
    /// A plain sentence.
    #[prop(optional)]
    why: &'static str,
) -> impl IntoView {
    view! {
        <div class="setting">
            <label class="check">
                <input
                    type="checkbox"
                    data-testid=testid
                    prop:checked=on
                    on:change:target=move |ev| on_change(ev.target().checked())
                />
                <span>{label}</span>
            </label>
            <Why label=label text=why />
        </div>
    }
}

/// A file to choose; its field is emptied again, so that the same file can be chosen twice.
#[component]
pub fn FileField(
    /// Its name.
    label: &'static str,
    /// Endings and types, with commas.
    accept: &'static str,
    /// Takes the files.
    on_files: impl Fn(Vec<web_sys::File>) + 'static,
    /// For tests.
    testid: &'static str,
    /// Whether several can be chosen at once.
    #[prop(optional)]
    multiple: bool,
    /// While none can be chosen.
    #[prop(optional, into)]
    disabled: Signal<bool>,
) -> impl IntoView {
    let chosen = move |ev: Targeted<web_sys::Event, web_sys::HtmlInputElement>| {
        let files = ev.target().files();
        on_files(files.iter().flat_map(|files| (0..files.length()).filter_map(|i| files.get(i))).collect());
        ev.target().set_value("");
    };
    view! {
        <input
            type="file"
            accept=accept
            multiple=multiple
            aria-label=label
            data-testid=testid
            disabled=disabled
            on:change:target=chosen
        />
    }
}
