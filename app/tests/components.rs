//! The controls of the page, each alone in a browser: what it shows, what it hears, what it does when what it follows changes.
//! Run by `cargo xtask components`; natively there is nothing to run.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use leptos::mount::mount_to;
use leptos::prelude::*;
use sparring_app::page::kit::{Button, Check, Chips, Choices, Drawing, Field, NumberField, Says, Select, Slider, Table, Toggle};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Element, Event, HtmlElement, HtmlInputElement, HtmlSelectElement};

wasm_bindgen_test_configure!(run_in_browser);

/// Puts a view into the page; what its signals do is done when this returns.
async fn shown<V: IntoView + 'static>(view: impl FnOnce() -> V + 'static) -> Element {
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
    let press = move || heard.set(heard.get() + 1);
    let page = shown(move || view! { <Button class="primary" testid="go" label disabled=busy on_press=press /> }).await;
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
    let page =
        shown(move || view! { <Toggle class="chip" testid="log" label="Log" down on_press=move || down.update(|d| *d = !*d) /> }).await;
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
    let page = shown(move || view! { <NumberField label="Epochs" testid="epochs" range=["1", "9", "1"] value on_enter=take /> }).await;
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
    let spoken = Signal::derive(move || format!("{} percent", value.get()));
    let take = move |text: String| {
        value.set(text);
        true
    };
    let page = shown(move || view! { <Slider testid="share" range=["0", "100", "1"] value spoken on_slide=take /> }).await;
    let input: HtmlInputElement = find(&page, "input[type=range]");
    assert_eq!(input.value(), "50");
    input.set_value("20");
    tell(&input, "input");
    settled().await;
    assert_eq!((value.get_untracked().as_str(), input.get_attribute("aria-valuetext").as_deref()), ("20", Some("20 percent")));
}

#[wasm_bindgen_test]
async fn a_slider_stands_where_its_value_is_also_beyond_the_ends_of_a_bare_one() {
    let value = RwSignal::new("400".to_owned());
    let page = shown(move || view! { <Slider testid="s" range=["200", "500", "1"] value spoken=value on_slide=|_| true /> }).await;
    let input: HtmlInputElement = find(&page, "input");
    assert_eq!(input.value(), "400", "its ends are there before its value");
}

#[wasm_bindgen_test]
async fn a_select_keeps_its_choice_when_its_options_are_others() {
    let (choices, value) = (RwSignal::new(Choices::new([("a", "A"), ("b", "B")])), RwSignal::new("b".to_owned()));
    let page = shown(move || view! { <Select label="Which" testid="which" choices value on_choose=move |v| value.set(v) /> }).await;
    let select: HtmlSelectElement = find(&page, "select[aria-label=Which]");
    assert_eq!(select.value(), "b");
    let letters = [("b", "B"), ("c", "C & D")].map(|(value, label)| (value, label.to_owned())).to_vec();
    choices.set(Choices::new([("a", "A")]).groups([("Letters".to_owned(), letters)]));
    settled().await;
    assert_eq!((select.value().as_str(), select.length()), ("b", 3));
    assert_eq!(text(&find(&page, "optgroup[label=Letters] option[value=c]")), "C & D");
    select.set_value("c");
    tell(&select, "change");
    assert_eq!(value.get_untracked(), "c");
    value.set("a".into());
    settled().await;
    assert_eq!(select.value(), "a", "also after a person has chosen");
}

#[wasm_bindgen_test]
async fn chips_are_one_choice_and_stay_when_others_come() {
    let (choices, value) = (RwSignal::new(Choices::new([("a", "A"), ("b", "B")])), RwSignal::new("b".to_owned()));
    let page = shown(move || view! { <Chips label="Which" name="which" choices value on_choose=move |v| value.set(v) /> }).await;
    assert_eq!(text(&find(&page, "[role=radiogroup][aria-label=Which] [data-testid=b]")), "B");
    let (a, b): (HtmlInputElement, HtmlInputElement) = (find(&page, "input[value=a]"), find(&page, "input[value=b]"));
    assert!(b.checked() && !a.checked() && a.name() == b.name());
    a.click();
    settled().await;
    assert_eq!((value.get_untracked().as_str(), a.checked(), b.checked()), ("a", true, false));
    choices.set(Choices::new([("c", "C"), ("a", "A")]));
    settled().await;
    assert!(a.is_connected() && a.checked() && !b.is_connected(), "what is offered still is the same button, with the focus that it has");
    value.set("c".into());
    settled().await;
    assert!(find::<HtmlInputElement>(&page, "input[value=c]").checked());
}

#[wasm_bindgen_test]
async fn a_box_and_its_reason_are_together() {
    let on = RwSignal::new(true);
    let page = shown(move || view! { <Check label="Control" why="A fair race." testid="control" on on_change=move |c| on.set(c) /> }).await;
    let input: HtmlInputElement = find(&page, "label input[type=checkbox]");
    assert!(input.checked());
    input.click();
    assert!(!on.get_untracked());
    assert_eq!(find::<Element>(&page, "details.why > summary").get_attribute("aria-label").as_deref(), Some("Control: why?"));
    assert_eq!(text(&find(&page, "details.why p")), "A fair race.");
}

#[wasm_bindgen_test]
async fn a_field_has_its_control_in_its_label_and_no_question_mark_without_a_reason() {
    let value = RwSignal::new("20%".to_owned());
    let page = shown(move || view! { <Field label="Density" value><input type="range" /></Field> }).await;
    assert_eq!(text(&find(&page, "label.field:has(input) > span")), "Density 20%");
    assert!(page.query_selector("details").unwrap().is_none());
}

#[wasm_bindgen_test]
async fn a_drawing_is_drawn_anew_only_where_it_is_another() {
    let svg = RwSignal::new("<svg id=\"one\"></svg>".to_owned());
    let page = shown(move || view! { <Drawing testid="d" svg /> }).await;
    let one: Element = find(&page, "[data-testid=d] > svg#one");
    svg.notify();
    settled().await;
    assert!(one.is_connected(), "the same text leaves the elements alone");
    svg.set("<svg id=\"two\"></svg>".into());
    settled().await;
    assert!(!one.is_connected());
    find::<Element>(&page, "svg#two");
}

#[wasm_bindgen_test]
async fn a_table_has_heads_on_both_sides_and_foreign_text_stays_text() {
    let rows = vec![vec!["<b>dense</b>".to_owned(), "1".to_owned()]];
    let page = shown(move || view! { <Table caption="What" columns=vec!["Name".to_owned(), "n".to_owned()] rows /> }).await;
    assert_eq!(text(&find(&page, "table > caption")), "What");
    assert_eq!(text(&find(&page, "thead th[scope=col]:nth-child(2)")), "n");
    assert_eq!((text(&find(&page, "tbody th[scope=row]")).as_str(), text(&find(&page, "tbody td")).as_str()), ("<b>dense</b>", "1"));
}

#[wasm_bindgen_test]
async fn words_that_are_not_there_take_no_room() {
    let remark = RwSignal::new(String::new());
    let page = shown(move || view! { <Says class="note" testid="remark" text=remark /> }).await;
    let note: HtmlElement = find(&page, "p.note[data-testid=remark]");
    assert!(note.has_attribute("hidden"));
    remark.set("<b>5 < 6</b>".into());
    settled().await;
    assert_eq!((note.has_attribute("hidden"), text(&note).as_str()), (false, "<b>5 < 6</b>"));
}
