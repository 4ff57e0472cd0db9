//! An element of the page: its name, what it always is, what follows signals, what it hears, what is in it.
//!
//! Leptos' own elements are a type each, by name, attributes and children, and everything that builds and updates one is compiled for each:
//! 32 kB of 611 when it was measured (docs/ARCHITECTURE.md). Here is one type for all of them, put into Leptos' tree like any other view.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::prelude::*;
use leptos::tachys::html::directive::directive;
use leptos::tachys::html::element::{ElementChild, custom};
use leptos::tachys::view::add_attr::AddAnyAttr;
use wasm_bindgen::prelude::*;
use web_sys::{Element, Event};

/// What follows a signal.
enum Wire {
    Attribute(&'static str, Signal<String>),
    Flag(&'static str, Signal<bool>),
    /// What a person sees in a field, which is not its attribute.
    Value(Signal<String>),
    Checked(Signal<bool>),
    /// Text of HTML in place of children, and what it was last: the same again would take the focus away and be drawn anew.
    Html(Signal<String>, RefCell<String>),
}

impl Wire {
    fn follow(&self, element: &Element) {
        // Names are ours and values are text: nothing that a browser refuses.
        match self {
            Self::Attribute(name, value) => value.with(|v| drop(element.set_attribute(name, v))),
            Self::Flag(name, on) => drop(if on.get() { element.set_attribute(name, "") } else { element.remove_attribute(name) }),
            Self::Value(value) => drop(js_sys::Reflect::set(element, &"value".into(), &value.get().into())),
            Self::Checked(on) => drop(js_sys::Reflect::set(element, &"checked".into(), &on.get().into())),
            Self::Html(text, last) => text.with(|text| {
                if *last.borrow() != *text {
                    put(element, text);
                    last.borrow_mut().clone_from(text);
                }
            }),
        }
    }
}

/// Puts text of HTML into an element; the focus stays with what is called the same as before.
fn put(element: &Element, text: &str) {
    let name = |of: &Element| ["data-act", "data-run"].map(|part| of.get_attribute(part));
    let had = document().active_element().filter(|active| element.contains(Some(active))).map(|active| name(&active));
    element.set_inner_html(text);
    if let Some([Some(act), Some(run)]) = had
        && let Ok(Some(same)) = element.query_selector(&format!("[data-act=\"{act}\"][data-run=\"{}\"]", run.replace('"', "\\\"")))
    {
        // What cannot take it leaves it where it is.
        let _ = same.unchecked_into::<web_sys::HtmlElement>().focus();
    }
}

/// What an element does about an event.
pub type Hear = Box<dyn Fn(Event)>;

#[derive(Default)]
struct Wiring {
    fixed: Vec<(&'static str, String)>,
    wires: Vec<Wire>,
    heard: Vec<(&'static str, Hear)>,
    made: Vec<Box<dyn FnOnce(Element)>>,
}

/// An element under construction: one pointer, which is all that its builders hand on.
pub struct Tag(Box<Parts>);

struct Parts {
    name: &'static str,
    wiring: Wiring,
    content: Vec<AnyView>,
}

/// An element of this name.
#[inline(never)]
pub fn tag(name: &'static str) -> Tag {
    Tag(Box::new(Parts { name, wiring: Wiring::default(), content: Vec::new() }))
}

impl Tag {
    /// An attribute that stays; one without a value is left out.
    pub fn is(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.0.wiring.fixed.push((name, value));
        }
        self
    }
    fn wire(mut self, wire: Wire) -> Self {
        self.0.wiring.wires.push(wire);
        self
    }
    /// An attribute that follows a text.
    pub fn says(self, name: &'static str, value: Signal<String>) -> Self {
        self.wire(Wire::Attribute(name, value))
    }
    /// An attribute that is there or not.
    pub fn flag(self, name: &'static str, on: Signal<bool>) -> Self {
        self.wire(Wire::Flag(name, on))
    }
    /// The text in a field.
    pub fn value(self, value: Signal<String>) -> Self {
        self.wire(Wire::Value(value))
    }
    /// Whether a box is ticked.
    pub fn checked(self, on: Signal<bool>) -> Self {
        self.wire(Wire::Checked(on))
    }
    /// Text of HTML in place of children.
    pub fn html(self, text: Signal<String>) -> Self {
        self.wire(Wire::Html(text, RefCell::default()))
    }
    /// What it does about an event.
    pub fn on(self, event: &'static str, hear: impl Fn(Event) + 'static) -> Self {
        self.hears(event, Box::new(hear))
    }
    /// The same, boxed already.
    pub fn hears(mut self, event: &'static str, hear: Hear) -> Self {
        self.0.wiring.heard.push((event, hear));
        self
    }
    /// Hands the element over once it is made.
    pub fn made(mut self, take: impl FnOnce(Element) + 'static) -> Self {
        self.0.wiring.made.push(Box::new(take));
        self
    }
    /// One more child.
    pub fn put(mut self, child: AnyView) -> Self {
        self.0.content.push(child);
        self
    }
    /// Fixed text.
    pub fn text(self, text: impl Into<String>) -> Self {
        let text: String = text.into();
        self.put(text.into_any())
    }
    /// Text that follows a signal.
    pub fn told(self, text: Signal<String>) -> Self {
        self.put(text.into_any())
    }
    /// More children.
    pub fn all(mut self, children: Vec<AnyView>) -> Self {
        self.0.content.extend(children);
        self
    }
    /// As a view.
    pub fn view(self) -> AnyView {
        let Parts { name, wiring, content } = *self.0;
        let wiring = Rc::new(RefCell::new(Some(wiring)));
        custom(name).add_any_attr(directive(connect as fn(Element, Rc<RefCell<Option<Wiring>>>), wiring)).child(content).into_any()
    }
}

/// Called by Leptos when the element is made.
fn connect(element: Element, wiring: Rc<RefCell<Option<Wiring>>>) {
    let Some(wiring) = wiring.borrow_mut().take() else { return };
    for (name, value) in wiring.fixed {
        // As above: nothing that a browser refuses.
        let _ = element.set_attribute(name, &value);
    }
    for wire in wiring.wires {
        let element = element.clone();
        super::signals::effect(move || wire.follow(&element));
    }
    for (event, hear) in wiring.heard {
        let closure = Closure::<dyn Fn(Event)>::wrap(hear).into_js_value();
        let _ = element.add_event_listener_with_callback(event, closure.unchecked_ref());
    }
    for take in wiring.made {
        take(element.clone());
    }
}

/// The element that heard an event, as a field.
pub fn field(event: &Event) -> Option<web_sys::HtmlInputElement> {
    event.current_target()?.dyn_into().ok()
}
