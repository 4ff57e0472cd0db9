//! The controls of the page, each once, so that a view says what it asks for and not how a field is put together.
//!
//! All take closures and signals and give one type; a closure is boxed at the door. A view's own type, or a control's closure, would be
//! compiled again, with all that builds and updates it, wherever it differs, and the page has to stay small. What is only read is text
//! (`sparring_figures::html`), put in by [`html`].

use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use sparring_figures::html::escape;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::Element;

pub use super::signals::{effect, holds, memo, never, told, words};
use super::tag::{self, Hear, Tag, tag};

const WHY: &str = "Why?";

/// A button.
pub fn button(
    class: &'static str,
    testid: &'static str,
    label: Signal<String>,
    disabled: Signal<bool>,
    press: impl Fn() + 'static,
) -> AnyView {
    pressed(class, testid, label, Box::new(move |_| press())).flag("disabled", disabled).view()
}

fn pressed(class: &'static str, testid: &'static str, label: Signal<String>, press: Hear) -> Tag {
    tag("button").is("type", "button").is("class", class).is("data-testid", testid).hears("click", press).told(label)
}

/// A button that stays down: its label, whether it is down, what pressing does.
pub fn toggle(class: &'static str, testid: &'static str, label: Signal<String>, down: Signal<bool>, press: impl Fn() + 'static) -> AnyView {
    let says = told(move || down.get().to_string());
    pressed(class, testid, label, Box::new(move |_| press())).says("aria-pressed", says).view()
}

/// A control under its label, with its value in words and, behind "why?", a plain sentence.
pub fn field(class: &'static str, label: Signal<String>, value: Signal<String>, why: &'static str, control: AnyView) -> AnyView {
    let words = tag("span").told(label).put(tag("em").told(value).view()).view();
    let label = tag("label").is("class", class).put(words).put(control).view();
    tag("div").is("class", "setting").put(label).all(explained(why)).view()
}

/// A sentence that is there for those who ask.
fn explained(why: &'static str) -> Vec<AnyView> {
    if why.is_empty() {
        return Vec::new();
    }
    let summary = tag("summary").is("aria-label", WHY).is("title", WHY).text("?").view();
    vec![tag("details").is("class", "why").put(summary).put(tag("p").text(why).view()).view()]
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

/// The same of what the page offers.
pub fn choices(all: &[(&'static str, String)]) -> String {
    options(all.iter().map(|(value, label)| (*value, label.as_str())))
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
    let heard = move |event: web_sys::Event| {
        let select = event.current_target().and_then(|t| t.dyn_into::<web_sys::HtmlSelectElement>().ok());
        select.into_iter().for_each(|select| take(select.value()));
    };
    chosen(label, testid, options, value, disabled, Box::new(heard))
}

fn chosen(
    label: &'static str,
    testid: &'static str,
    options: Signal<String>,
    value: Signal<String>,
    disabled: Signal<bool>,
    heard: Hear,
) -> AnyView {
    // The value is chosen anew whenever the options are others.
    let value = told(move || {
        options.track();
        value.get()
    });
    let select = tag("select").is("data-testid", testid).is("aria-label", label).flag("disabled", disabled).html(options).value(value);
    select.hears("change", heard).view()
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
    entered(of, value, spoken, disabled, Box::new(take))
}

fn entered(of: Input, value: Signal<String>, spoken: Signal<String>, disabled: Signal<bool>, take: Box<dyn Fn(String) -> bool>) -> AnyView {
    let slides = of.kind == "range";
    let mut input = tag("input").is("type", of.kind).is("min", of.min).is("max", of.max).is("step", of.step);
    input = input.is("data-testid", of.testid).is("aria-label", of.label).is("inputmode", if of.kind == "number" { "decimal" } else { "" });
    if slides {
        input = input.says("aria-valuetext", spoken);
    }
    let heard = move |event: web_sys::Event| {
        let Some(input) = tag::field(&event) else { return };
        if !take(input.value()) {
            input.set_value(&value.get_untracked());
        }
    };
    input.flag("disabled", disabled).value(value).on(if slides { "input" } else { "change" }, heard).view()
}

/// A box to tick.
pub fn check(label: &'static str, why: &'static str, testid: &'static str, on: Signal<bool>, take: impl Fn(bool) + 'static) -> AnyView {
    let heard = move |event: web_sys::Event| tag::field(&event).into_iter().for_each(|input| take(input.checked()));
    let input = tag("input").is("type", "checkbox").is("data-testid", testid).checked(on).on("change", heard).view();
    let label = tag("label").is("class", "check").put(input).put(tag("span").text(label).view()).view();
    tag("div").is("class", "setting").put(label).all(explained(why)).view()
}

/// A file to choose; its field is emptied again, so that the same file can be chosen twice.
pub fn file(
    label: &'static str,
    testid: &'static str,
    accept: &'static str,
    disabled: Signal<bool>,
    take: impl Fn(web_sys::File) + 'static,
) -> AnyView {
    let heard = move |event: web_sys::Event| {
        let Some(input) = tag::field(&event) else { return };
        if let Some(file) = input.files().and_then(|f| f.get(0)) {
            take(file);
            input.set_value("");
        }
    };
    let input = tag("input").is("type", "file").is("accept", accept).is("aria-label", label).is("data-testid", testid);
    input.flag("disabled", disabled).on("change", heard).view()
}

/// A paragraph; without words there is none.
pub fn says(class: &'static str, testid: &'static str, text: Signal<String>) -> AnyView {
    tag("p").is("class", class).is("data-testid", testid).flag("hidden", told_empty(text)).told(text).view()
}

/// A paragraph that is read out when it changes.
pub fn announces(class: &'static str, testid: &'static str, text: Signal<String>) -> AnyView {
    tag("p").is("class", class).is("data-testid", testid).is("aria-live", "polite").told(text).view()
}

/// How long what is read out stays as it is, milliseconds.
const CALM: u32 = 5000;

/// The same text for a region that is read out: at most once in five seconds, so that it is heard to its end.
pub fn calm(text: Signal<String>) -> Signal<String> {
    let said = RwSignal::new(String::new());
    let speaking = StoredValue::new(false);
    effect(move || {
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

fn told_empty(text: Signal<String>) -> Signal<bool> {
    holds(move || text.with(String::is_empty))
}

/// A heading of a part.
pub fn heading(text: &'static str) -> AnyView {
    tag("h2").text(text).view()
}

/// Text of HTML, made by functions that escape what comes from outside.
pub fn html(class: &'static str, testid: &'static str, content: Signal<String>) -> AnyView {
    tag("div").is("class", class).is("data-testid", testid).html(content).view()
}

/// The same where it may be wider or higher than its place: it can be scrolled, by keys too.
pub fn scrolled(class: &'static str, label: &'static str, testid: &'static str, content: Signal<String>) -> AnyView {
    let scrolled = tag("div").is("class", format!("scroll {class}")).is("tabindex", "0").is("role", "region");
    scrolled.is("aria-label", label).is("data-testid", testid).html(content).view()
}

/// A table that is there for those who ask.
pub fn behind(summary: &'static str, label: &'static str, testid: &'static str, content: Signal<String>) -> AnyView {
    folded("table", summary, scrolled("", label, testid, content))
}

/// What is folded away under its summary.
pub fn folded(class: &'static str, summary: &'static str, content: impl IntoView + 'static) -> AnyView {
    tag("details").is("class", class).put(tag("summary").text(summary).view()).put(content.into_any()).view()
}

/// A box around parts.
pub fn part(class: &'static str, content: Vec<AnyView>) -> AnyView {
    tag("div").is("class", class).all(content).view()
}

/// A box that is there while a condition holds; what is in it stays as it is.
pub fn when(condition: Signal<bool>, class: &'static str, content: Vec<AnyView>) -> AnyView {
    tag("div").is("class", class).flag("hidden", holds(move || !condition.get())).all(content).view()
}

/// What is made anew whenever a condition begins to hold.
pub fn made_when(condition: Signal<bool>, make: impl Fn() -> AnyView + Send + 'static) -> AnyView {
    made(Box::new(move || if condition.get() { make() } else { ().into_any() }))
}

/// What is made anew whenever something that it reads has changed.
pub fn made(make: Box<dyn Fn() -> AnyView + Send>) -> AnyView {
    make.into_any()
}

/// HTML put in whole, whose clicks and entries are heard by delegation.
pub fn heard(class: &'static str, testid: &'static str, content: Signal<String>, hear: impl Fn(&web_sys::Event) + 'static) -> AnyView {
    let hear = Rc::new(hear);
    let entered = hear.clone();
    let part = tag("div").is("class", class).is("data-testid", testid).html(content);
    part.on("click", move |event| hear(&event)).on("input", move |event| entered(&event)).view()
}

/// What was pressed or moved among text: its act, and the element that has it.
pub fn acted(ev: &web_sys::Event) -> Option<(String, Element)> {
    let element = ev.target()?.dyn_into::<Element>().ok()?.closest("[data-act]").ok()??;
    Some((element.get_attribute("data-act")?, element))
}

/// Where the drawing lies, once it is there.
pub type Holder = RwSignal<Option<web_sys::Element>, LocalStorage>;

/// The width that the chart has on this screen, in CSS pixels.
pub fn measured_width(target: Holder) -> RwSignal<f64> {
    let width = RwSignal::new(640.0);
    let measure = move || {
        if let Some(element) = target.get_untracked() {
            let now = f64::from(element.client_width());
            if now > 0.0 && (now - width.get_untracked()).abs() > 0.5 {
                width.set(now);
            }
        }
    };
    effect(move || {
        target.track();
        measure();
    });
    let on_resize = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || on_resize.remove());
    width
}
