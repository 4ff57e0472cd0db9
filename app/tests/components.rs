//! The controls of the page, each alone in a browser: what it shows, what it hears, what it does when what it follows changes.
//! Run by `cargo xtask components`; natively there is nothing to run.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use leptos::mount::mount_to;
use leptos::prelude::*;
use sparring_app::page::kit::{self, Input, never, words};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Element, Event, HtmlElement, HtmlInputElement, HtmlSelectElement};

wasm_bindgen_test_configure!(run_in_browser);

/// Puts a view into the page; what its signals do is done when this returns.
async fn shown(view: impl FnOnce() -> AnyView + 'static) -> Element {
    let holder: HtmlElement = document().create_element("div").unwrap().unchecked_into();
    document().body().unwrap().append_child(&holder).unwrap();
    mount_to(holder.clone(), view).forget();
    settled().await;
    holder.into()
}

async fn settled() {
    TimeoutFuture::new(5).await;
}

fn find<T: JsCast>(within: &Element, selector: &str) -> T {
    within.query_selector(selector).unwrap().unwrap_or_else(|| panic!("no {selector} in {}", within.inner_html())).unchecked_into()
}

fn tell(element: &HtmlElement, event: &str) {
    element.dispatch_event(&Event::new(event).unwrap()).unwrap();
}

fn text(element: &Element) -> String {
    element.text_content().unwrap_or_default()
}

#[wasm_bindgen_test]
async fn a_button_is_heard_unless_it_is_disabled() {
    let (count, busy, label) = (Rc::new(Cell::new(0)), RwSignal::new(false), RwSignal::new("Train".to_owned()));
    let heard = count.clone();
    let page = shown(move || kit::button("primary", "go", label.into(), busy.into(), move || heard.set(heard.get() + 1))).await;
    let button: HtmlElement = find(&page, "button.primary[data-testid=go][type=button]");
    button.click();
    assert_eq!((count.get(), text(&button).as_str()), (1, "Train"));
    busy.set(true);
    label.set("Hold".into());
    settled().await;
    button.click();
    assert_eq!((count.get(), text(&button).as_str()), (1, "Hold"));
}

#[wasm_bindgen_test]
async fn a_toggle_says_whether_it_is_down() {
    let down = RwSignal::new(false);
    let page = shown(move || kit::toggle("chip", "log", words("Log"), down.into(), move || down.update(|d| *d = !*d))).await;
    let button: HtmlElement = find(&page, "button");
    for expected in ["false", "true", "false"] {
        assert_eq!(button.get_attribute("aria-pressed").as_deref(), Some(expected));
        button.click();
        settled().await;
    }
}

#[wasm_bindgen_test]
async fn what_is_not_taken_is_put_back() {
    let value = RwSignal::new("3".to_owned());
    let take = move |text: String| text.parse::<u32>().map(|n| value.set(n.to_string())).is_ok();
    let of = Input { kind: "number", label: "Epochs", min: "1", ..Input::default() };
    let page = shown(move || kit::input(of, value.into(), words(""), never(), take)).await;
    let input: HtmlInputElement = find(&page, "input[type=number][aria-label=Epochs][min='1']");
    input.set_value("");
    tell(&input, "change");
    assert_eq!((input.value().as_str(), value.get_untracked().as_str()), ("3", "3"));
    input.set_value("07");
    tell(&input, "change");
    settled().await;
    assert_eq!((input.value().as_str(), value.get_untracked().as_str()), ("7", "7"), "as it was understood");
}

#[wasm_bindgen_test]
async fn a_slider_is_heard_while_it_moves_and_says_its_value_in_words() {
    let value = RwSignal::new("50".to_owned());
    let of = Input { kind: "range", min: "0", max: "100", step: "1", ..Input::default() };
    let spoken = kit::told(move || format!("{} percent", value.get()));
    let take = move |text: String| {
        value.set(text);
        true
    };
    let page = shown(move || kit::input(of, value.into(), spoken, never(), take)).await;
    let input: HtmlInputElement = find(&page, "input[type=range]");
    input.set_value("20");
    tell(&input, "input");
    settled().await;
    assert_eq!((value.get_untracked().as_str(), input.get_attribute("aria-valuetext").as_deref()), ("20", Some("20 percent")));
}

#[wasm_bindgen_test]
async fn a_select_keeps_its_choice_when_its_options_are_others() {
    let (options, value) = (RwSignal::new(kit::options([("a", "A"), ("b", "B")])), RwSignal::new("b".to_owned()));
    let page = shown(move || kit::select("Which", "which", options.into(), value.into(), never(), move |v| value.set(v))).await;
    let select: HtmlSelectElement = find(&page, "select[aria-label=Which]");
    assert_eq!(select.value(), "b");
    options.set(kit::options([("", "Letters"), ("a", "A"), ("b", "B"), ("c", "C & D")]));
    settled().await;
    assert_eq!((select.value().as_str(), select.length()), ("b", 3));
    assert_eq!(text(&find(&page, "optgroup[label=Letters] option[value=c]")), "C & D");
    select.set_value("c");
    tell(&select, "change");
    assert_eq!(value.get_untracked(), "c");
}

#[wasm_bindgen_test]
async fn a_box_and_its_reason_are_together() {
    let on = RwSignal::new(true);
    let page = shown(move || kit::check("Control", "A fair race.", "control", on.into(), move |c| on.set(c))).await;
    let input: HtmlInputElement = find(&page, "label input[type=checkbox]");
    assert!(input.checked());
    input.click();
    assert!(!on.get_untracked());
    assert_eq!(find::<Element>(&page, "details.why > summary").get_attribute("aria-label").as_deref(), Some("Why?"));
    assert_eq!(text(&find(&page, "details.why p")), "A fair race.");
}

#[wasm_bindgen_test]
async fn text_is_drawn_anew_only_where_it_is_another_and_the_focus_stays_with_its_name() {
    let button = |run: &str, words: &str| format!("<button data-act=\"open\" data-run=\"{run}\">{words}</button>");
    let list = RwSignal::new(button("one", "Open") + &button("two", "Open"));
    let page = shown(move || kit::html("list", "", list.into())).await;
    let two: HtmlElement = find(&page, "[data-run=two]");
    two.focus().unwrap();
    list.notify();
    settled().await;
    assert!(two.is_connected(), "the same text leaves the elements alone");
    list.set(button("new", "Open") + &button("one", "Open") + &button("two", "Open it"));
    settled().await;
    let focused = document().active_element().unwrap();
    assert!(!two.is_connected() && text(&focused) == "Open it", "{}", focused.outer_html());
}

#[wasm_bindgen_test]
async fn what_a_condition_makes_is_made_anew_and_cleaned_up() {
    let (there, log) = (RwSignal::new(false), RwSignal::new(String::new()));
    let make = move || {
        log.update_untracked(|log| log.push_str("made "));
        on_cleanup(move || log.update_untracked(|log| log.push_str("gone ")));
        kit::heading("Here")
    };
    let page = shown(move || kit::made_when(there.into(), make)).await;
    for (is, expected) in [(true, "made "), (false, "made gone "), (true, "made gone made ")] {
        there.set(is);
        settled().await;
        assert_eq!((page.query_selector("h2").unwrap().is_some(), log.get_untracked().as_str()), (is, expected));
    }
}

#[wasm_bindgen_test]
async fn words_that_are_not_there_take_no_room() {
    let remark = RwSignal::new(String::new());
    let page = shown(move || kit::says("note", "remark", remark.into())).await;
    let note: HtmlElement = find(&page, "p.note[data-testid=remark]");
    assert!(note.has_attribute("hidden"));
    remark.set("<b>5 < 6</b>".into());
    settled().await;
    assert_eq!((note.has_attribute("hidden"), text(&note).as_str()), (false, "<b>5 < 6</b>"));
}

#[wasm_bindgen_test]
async fn a_value_that_is_the_same_tells_nobody() {
    let (number, seen) = (RwSignal::new(1), Rc::new(RefCell::new(Vec::new())));
    let told = seen.clone();
    let page = shown(move || {
        let even = kit::memo(move || number.get() % 2 == 0);
        kit::effect(move || told.borrow_mut().push(even.get()));
        kit::heading("")
    });
    page.await;
    for next in [3, 4, 6] {
        number.set(next);
        settled().await;
    }
    assert_eq!(*seen.borrow(), [false, true]);
}
