//! The controls of the page, each once, so that a view says what it asks for and not how a field is put together.
//!
//! All take boxed closures and signals and give one type: a view's own type would be compiled again, with all that builds and updates
//! it, wherever it differs, and the page has to stay small. What is only read is text ([`crate::plot`]), put in by [`html`].

use leptos::{html as tags, prelude::*};

use crate::plot::escape;

/// What a control does with what was chosen, typed or pressed.
pub type Take = Box<dyn Fn(String)>;

/// A condition that never changes.
pub fn never() -> Signal<bool> {
    Signal::stored(false)
}

/// Text that never changes.
pub fn words(text: impl Into<String>) -> Signal<String> {
    Signal::stored(text.into())
}

/// Text that follows what it reads.
pub fn told(text: impl Fn() -> String + Send + Sync + 'static) -> Signal<String> {
    Signal::derive(text)
}

/// A condition that follows what it reads.
pub fn holds(condition: impl Fn() -> bool + Send + Sync + 'static) -> Signal<bool> {
    Memo::new(move |_| condition()).into()
}

/// A button.
pub fn button(
    class: &'static str,
    testid: &'static str,
    label: Signal<String>,
    disabled: Signal<bool>,
    press: impl Fn() + 'static,
) -> AnyView {
    pressed(class, testid, label, disabled, Box::new(press))
}

fn pressed(class: &'static str, testid: &'static str, label: Signal<String>, disabled: Signal<bool>, press: Box<dyn Fn()>) -> AnyView {
    view! { <button type="button" class=class data-testid=testid disabled=disabled on:click=move |_| press()>{label}</button> }.into_any()
}

/// A button that stays down: its label, whether it is down, what pressing does.
pub fn toggle(class: &'static str, testid: &'static str, label: Signal<String>, down: Signal<bool>, press: impl Fn() + 'static) -> AnyView {
    toggled(class, testid, label, down, Box::new(press))
}

fn toggled(class: &'static str, testid: &'static str, label: Signal<String>, down: Signal<bool>, press: Box<dyn Fn()>) -> AnyView {
    view! {
        <button type="button" class=class data-testid=testid aria-pressed=told(move || down.get().to_string()) on:click=move |_| press()>
            {label}
        </button>
    }
    .into_any()
}

/// A control under its label, with its value in words and, behind "why?", a plain sentence.
pub fn field(class: &'static str, label: Signal<String>, value: Signal<String>, why: &'static str, control: AnyView) -> AnyView {
    let about = (!why.is_empty()).then(|| explained(why));
    view! {
        <div class="setting">
            <label class=class><span>{label}<em>{value}</em></span>{control}</label>
            {about}
        </div>
    }
    .into_any()
}

/// A sentence that is there for those who ask.
pub fn explained(why: &'static str) -> AnyView {
    view! { <details class="why"><summary>"why?"</summary><p>{why}</p></details> }.into_any()
}

/// The text of options: value and label each. A label without a value begins a group.
pub fn options<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    let mut group = false;
    for (value, label) in all {
        if value.is_empty() {
            out.push_str(if group { "</optgroup>" } else { "" });
            group = true;
            out.push_str(&format!("<optgroup label=\"{}\">", escape(label)));
        } else {
            out.push_str(&format!("<option value=\"{}\">{}</option>", escape(value), escape(label)));
        }
    }
    if group { out + "</optgroup>" } else { out }
}

/// A select over the text of its options.
pub fn select(
    label: &'static str,
    testid: &'static str,
    options: Signal<String>,
    value: Signal<String>,
    disabled: Signal<bool>,
    take: impl Fn(String) + 'static,
) -> AnyView {
    let take: Take = Box::new(take);
    selected(label, testid, options, value, disabled, take)
}

fn selected(
    label: &'static str,
    testid: &'static str,
    options: Signal<String>,
    value: Signal<String>,
    disabled: Signal<bool>,
    take: Take,
) -> AnyView {
    let node = NodeRef::<tags::Select>::new();
    let filled = StoredValue::new(String::new());
    Effect::new(move || {
        let (Some(select), value) = (node.get(), value.get()) else { return };
        options.with(|options| {
            if filled.with_value(|f| f != options) {
                select.set_inner_html(options);
                filled.set_value(options.clone());
            }
        });
        select.set_value(&value);
    });
    view! {
        <select
            node_ref=node data-testid=testid aria-label=(!label.is_empty()).then_some(label) disabled=disabled
            on:change:target=move |ev| take(ev.target().value())
        ></select>
    }
    .into_any()
}

/// How an `<input>` looks and what it may be.
#[derive(Clone, Copy, Default)]
pub struct Input {
    /// `number`, `range` or `text`.
    pub kind: &'static str,
    /// Its name where no label says it.
    pub label: &'static str,
    /// For tests.
    pub testid: &'static str,
    /// Lowest value.
    pub min: &'static str,
    /// Highest value.
    pub max: &'static str,
    /// Distance of values.
    pub step: &'static str,
}

/// An `<input>`. A slider is heard while it moves, anything else once it is done; `take` says whether the text was taken, and what is not
/// taken is put back. `spoken` is the value in words.
pub fn input(
    of: Input,
    value: Signal<String>,
    spoken: Signal<String>,
    disabled: Signal<bool>,
    take: impl Fn(String) -> bool + 'static,
) -> AnyView {
    put(of, value, spoken, disabled, Box::new(take))
}

fn put(of: Input, value: Signal<String>, spoken: Signal<String>, disabled: Signal<bool>, take: Box<dyn Fn(String) -> bool>) -> AnyView {
    let slides = of.kind == "range";
    let heard = std::rc::Rc::new(move |input: web_sys::HtmlInputElement| {
        if !take(input.value()) {
            input.set_value(&value.get_untracked());
        }
    });
    let (moving, done) = (heard.clone(), heard);
    let text = |text: &'static str| (!text.is_empty()).then_some(text);
    view! {
        <input
            type=of.kind min=text(of.min) max=text(of.max) step=text(of.step) data-testid=of.testid aria-label=text(of.label)
            inputmode=(of.kind == "number").then_some("decimal") disabled=disabled
            prop:value=value aria-valuetext=told(move || if slides { spoken.get() } else { String::new() })
            on:input:target=move |ev| if slides { moving(ev.target()) }
            on:change:target=move |ev| if !slides { done(ev.target()) }
        />
    }
    .into_any()
}

/// A box to tick.
pub fn check(label: &'static str, why: &'static str, testid: &'static str, on: Signal<bool>, take: impl Fn(bool) + 'static) -> AnyView {
    let take: Box<dyn Fn(bool)> = Box::new(take);
    ticked(label, why, testid, on, take)
}

fn ticked(label: &'static str, why: &'static str, testid: &'static str, on: Signal<bool>, take: Box<dyn Fn(bool)>) -> AnyView {
    let about = (!why.is_empty()).then(|| explained(why));
    view! {
        <div class="setting">
            <label class="check">
                <input type="checkbox" data-testid=testid prop:checked=on on:change:target=move |ev| take(ev.target().checked())/>
                <span>{label}</span>
            </label>
            {about}
        </div>
    }
    .into_any()
}

/// A file to choose; its field is emptied again, so that the same file can be chosen twice.
pub fn file(
    label: &'static str,
    testid: &'static str,
    accept: &'static str,
    disabled: Signal<bool>,
    take: impl Fn(web_sys::File) + 'static,
) -> AnyView {
    view! {
        <input
            type="file" accept=accept aria-label=label data-testid=testid disabled=disabled
            on:change:target=move |ev| {
                if let Some(file) = ev.target().files().and_then(|f| f.get(0)) {
                    take(file);
                    ev.target().set_value("");
                }
            }
        />
    }
    .into_any()
}

/// A paragraph; without words there is none.
pub fn says(class: &'static str, testid: &'static str, text: Signal<String>) -> AnyView {
    view! { <p class=class data-testid=testid hidden=told_empty(text)>{text}</p> }.into_any()
}

/// A paragraph that is read out when it changes.
pub fn announces(class: &'static str, testid: &'static str, text: Signal<String>) -> AnyView {
    view! { <p class=class data-testid=testid aria-live="polite">{text}</p> }.into_any()
}

fn told_empty(text: Signal<String>) -> Signal<bool> {
    holds(move || text.with(String::is_empty))
}

/// A heading of a part.
pub fn heading(text: &'static str) -> AnyView {
    view! { <h2>{text}</h2> }.into_any()
}

/// Text of HTML, made by functions that escape what comes from outside.
pub fn html(class: &'static str, testid: &'static str, content: Signal<String>) -> AnyView {
    view! { <div class=class data-testid=testid inner_html=content></div> }.into_any()
}

/// The same where it may be wider or higher than its place: it can be scrolled, by keys too.
pub fn scrolled(class: &'static str, label: &'static str, testid: &'static str, content: Signal<String>) -> AnyView {
    view! { <div class=format!("scroll {class}") tabindex="0" role="region" aria-label=label data-testid=testid inner_html=content></div> }
        .into_any()
}

/// A table that is there for those who ask.
pub fn behind(summary: &'static str, label: &'static str, testid: &'static str, content: Signal<String>) -> AnyView {
    folded("table", summary, scrolled("", label, testid, content))
}

/// What is folded away under its summary.
pub fn folded(class: &'static str, summary: &'static str, content: impl IntoView + 'static) -> AnyView {
    let content = content.into_any();
    view! { <details class=class><summary>{summary}</summary>{content}</details> }.into_any()
}

/// A box around parts.
pub fn part(class: &'static str, content: Vec<AnyView>) -> AnyView {
    view! { <div class=class>{content}</div> }.into_any()
}

/// A box that is there while a condition holds; what is in it stays as it is.
pub fn when(condition: Signal<bool>, class: &'static str, content: Vec<AnyView>) -> AnyView {
    view! { <div class=class hidden=holds(move || !condition.get())>{content}</div> }.into_any()
}

/// What is made anew whenever a condition begins to hold.
pub fn made_when(condition: Signal<bool>, make: impl Fn() -> AnyView + Send + 'static) -> AnyView {
    (move || condition.get().then(&make)).into_any()
}
