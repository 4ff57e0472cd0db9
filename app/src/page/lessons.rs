//! Lessons: the panel beside the controls it speaks of, the list of lessons, and what a teacher's link brings along.
//!
//! Where a visitor stands in a lesson is part of the address (`Lab::teacher`), so a reload or a link comes back to the same step. Texts
//! are HTML put in whole; their buttons and choices are heard by delegation.

use leptos::prelude::*;
use sparring_core::config::ExperimentConfig;
use sparring_figures::html::escape;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Element, HtmlElement, HtmlInputElement, Response};

use super::classroom::builder;
use super::kit::{self, acted, heard, holds, never, told};
use super::lab::{Lab, Phase};
use super::place::Place;
use super::tag::tag;
use crate::lesson::{self, Lesson, Step, Wait};
use crate::link;
use crate::teacher::Teacher;
use crate::words::lessons as words;

/// Marks the control that a step speaks of; the style sheet frames it.
const POINTED: &str = "data-pointed";

/// The lessons' text, once it is wanted.
#[derive(Clone, Default, PartialEq)]
enum Text {
    #[default]
    Unasked,
    Coming,
    Here(Vec<Lesson>),
    Missing(String),
}

/// The open lesson, and what was answered in it.
#[derive(Clone, Copy)]
pub struct Class {
    lab: Lab,
    text: RwSignal<Text>,
    /// The prediction at the step that is shown.
    chosen: RwSignal<Option<usize>>,
}

impl Class {
    /// No text yet; it is fetched when it is wanted.
    pub fn new(lab: Lab) -> Self {
        Self { lab, text: RwSignal::new(Text::Unasked), chosen: RwSignal::new(None) }
    }

    /// Fetches the text unless it is there or on its way.
    fn fetch(self) {
        if self.text.with_untracked(|t| matches!(t, Text::Coming | Text::Here(_))) {
            return;
        }
        self.text.set(Text::Coming);
        spawn_local(async move {
            match fetch_text().await.and_then(|text| lesson::parse(&text)) {
                Ok(lessons) => {
                    self.text.set(Text::Here(lessons));
                    self.arrive();
                }
                Err(why) => self.text.set(Text::Missing(why)),
            }
        });
    }

    /// A link that names a lesson and no experiment gets the one that the step stands on, and the step's place.
    fn arrive(self) {
        let Some(steps) = self.with(|lesson, at| lesson.steps.get(..=at).map(<[Step]>::to_vec)).flatten() else { return };
        let phase = self.lab.phase.with_untracked(|p| matches!(p, Phase::Starting | Phase::Ready));
        if self.lab.bare
            && phase
            && let Some(config) = steps.iter().rev().find_map(|s| self.config(s))
        {
            self.lab.config.set(config);
        }
        if let Some(step) = steps.last() {
            self.visit(step);
        }
    }

    /// From the open lesson and the index of its step.
    fn with<T>(self, tell: impl Fn(&Lesson, usize) -> T) -> Option<T> {
        let (open, step) = self.lab.teacher.with(|t| (t.lesson, t.step));
        self.text.with(|text| match text {
            Text::Here(lessons) => {
                let lesson = lessons.get(open?)?;
                Some(tell(lesson, step.min(lesson.steps.len().saturating_sub(1))))
            }
            _ => None,
        })
    }
    /// How lessons are called; by their names until the text is there.
    fn titles(self) -> Vec<String> {
        self.text.with(|text| match text {
            Text::Here(lessons) => lessons.iter().map(|l| l.title.clone()).collect(),
            _ => lesson::NAMES.map(String::from).to_vec(),
        })
    }
    fn step<T>(self, tell: impl Fn(&Step) -> T) -> Option<T> {
        self.with(|lesson, at| lesson.steps.get(at).map(&tell)).flatten()
    }

    /// The experiment of a step, on the chosen device.
    fn config(self, step: &Step) -> Option<ExperimentConfig> {
        let base = ExperimentConfig { device: self.lab.config.with_untracked(|c| c.device), ..ExperimentConfig::default() };
        if step.load.is_empty() { None } else { link::over(base, link::pairs(&step.load)).ok() }
    }

    /// Sets the step's experiment up. A race of another experiment is over then.
    fn load(self) {
        let Some(config) = untrack(|| self.step(|s| self.config(s))).flatten() else { return };
        if self.lab.started.with_untracked(|s| s.as_ref().is_some_and(|s| *s != config)) {
            self.lab.reset();
        }
        self.lab.config.set(config);
        self.show();
    }

    /// Whether the race of this step has come to its end: the one that is shown, if it is about the same thing.
    fn finished(self) -> bool {
        if !self.lab.phase.with(|p| *p == Phase::Finished) {
            return false;
        }
        let about = |c: &ExperimentConfig| (c.dataset, c.subset, c.learners.clone(), c.norm);
        let wanted = self.step(|s| self.config(s)).flatten();
        self.lab.started.with(|s| match (s, &wanted) {
            (Some(started), Some(wanted)) => about(started) == about(wanted),
            _ => true,
        })
    }

    /// What is made of the text where it is there; else why it is not.
    fn told(self, here: impl Fn() -> String) -> String {
        self.text.with(|text| match text {
            Text::Here(_) => here(),
            Text::Missing(why) => {
                let why = escape(&words::missing(why));
                format!("<p>{why}</p><button type=\"button\" data-act=\"again\">{}</button>", words::AGAIN)
            }
            _ => format!("<p>{}</p>", words::FETCHING),
        })
    }

    fn go(self, step: usize) {
        let last = untrack(|| self.with(|lesson, _| lesson.steps.len())).unwrap_or(1);
        if step >= last {
            self.close();
            return;
        }
        self.chosen.set(None);
        self.lab.teacher.update(|t| t.step = step);
        if let Some(step) = untrack(|| self.step(Step::clone)) {
            self.visit(&step);
        }
        // What comes is read from its heading on, also by those who do not see it.
        later(|| focus("lesson-title"));
    }
    fn visit(self, step: &Step) {
        if let Some(place) = Place::named(&step.place) {
            self.lab.visit(place);
        }
    }
    fn open(self, lesson: usize) {
        self.chosen.set(None);
        self.lab.teacher.update(|t| (t.lesson, t.step) = (Some(lesson), 0));
        self.go(0);
    }
    fn close(self) {
        self.lab.teacher.update(|t| (t.lesson, t.step) = (None, 0));
        self.lab.visit(Place::Lessons);
        mark(None);
    }

    /// Brings the control that the step speaks of into sight, with the focus where it takes one.
    fn show(self) {
        if let Some(target) = untrack(|| self.step(|s| target(&s.point))).flatten() {
            mark(Some(&target));
            if let Some(target) = target.dyn_ref::<HtmlElement>() {
                // An element that takes no focus is shown all the same.
                let _ = target.focus();
            }
            target.scroll_into_view();
        }
    }
}

async fn fetch_text() -> Result<String, String> {
    let words =
        |e: JsValue| e.dyn_ref::<js_sys::Error>().map_or_else(|| "the browser does not say why".into(), |e| String::from(e.message()));
    let response: Response = JsFuture::from(window().fetch_with_str(lesson::FILE)).await.map_err(words)?.unchecked_into();
    if !response.ok() {
        return Err(format!("the server answered {}", response.status()));
    }
    let text = JsFuture::from(response.text().map_err(words)?).await.map_err(words)?;
    Ok(text.as_string().unwrap_or_default())
}

/// A control by its test id or its id. Names come from the lessons' file.
fn target(name: &str) -> Option<Element> {
    if name.is_empty() {
        return None;
    }
    let by_test = document().query_selector(&format!("[data-testid=\"{name}\"]")).ok().flatten();
    by_test.or_else(|| document().get_element_by_id(name))
}

/// Frames this element and no other.
fn mark(element: Option<&Element>) {
    while let Ok(Some(old)) = document().query_selector("[data-pointed]") {
        // Attributes of our own elements: nothing that can be refused.
        let _ = old.remove_attribute(POINTED);
    }
    if let Some(element) = element {
        let _ = element.set_attribute(POINTED, "");
    }
}

fn focus(id: &str) {
    if let Some(element) = document().get_element_by_id(id).and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
        let _ = element.focus();
    }
}

/// Once the page has drawn what was just set.
fn later(work: impl FnOnce() + 'static) {
    set_timeout(work, std::time::Duration::from_millis(60));
}

/// The panel, where a lesson is open; and what follows from a teacher's link.
pub fn panel(class: Class) -> AnyView {
    let lab = class.lab;
    let open = holds(move || lab.teacher.with(|t| t.lesson.is_some()));
    let hidden = kit::memo(move || lab.teacher.with(Teacher::hidden));
    kit::effect(move || {
        if let Some(root) = document().document_element() {
            // An attribute of our own root element: nothing that can be refused.
            let _ = root.set_attribute("data-hide", &hidden.get());
        }
    });
    kit::effect(move || {
        if open.get() || lab.place.get() == Place::Lessons {
            class.fetch();
        }
    });
    // The frame follows the step, and what appears in a place or a phase.
    kit::effect(move || {
        let _ = (lab.place.get(), lab.phase.with(Phase::name));
        if let Some(point) = class.step(|s| s.point.clone()) {
            later(move || mark(target(&point).as_ref()));
        }
    });
    kit::made_when(open, move || opened(class))
}

fn opened(class: Class) -> AnyView {
    let number = told(move || class.with(|lesson, at| words::step(at + 1, lesson.steps.len(), &lesson.title)).unwrap_or_default());
    let title = told(move || class.step(|s| s.title.clone()).unwrap_or_default());
    let waits = kit::memo(move || {
        let finished = class.finished();
        class.step(|s| s.waits(class.chosen.get(), finished)).flatten()
    });
    let reveal = kit::memo(move || {
        let finished = class.finished();
        class.step(|s| s.reveal(class.chosen.get(), finished)).unwrap_or_default()
    });
    // On a wide screen the panel scrolls by itself: what it now says has to be in sight.
    kit::effect(move || {
        if reveal.with(|r| !r.is_empty()) {
            later(|| {
                let find = |selector| document().query_selector(selector).ok().flatten().and_then(|e| e.dyn_into::<HtmlElement>().ok());
                if let (Some(panel), Some(said)) = (find(".lesson"), find("[data-testid='lesson-reveal']")) {
                    panel.set_scroll_top(said.offset_top() - 40);
                }
            });
        }
    });
    // A memo: what was answered must not put the step's text in anew.
    let body = kit::memo(move || class.told(|| class.step(Step::html).unwrap_or_default()));
    let hear = move |event: &web_sys::Event| {
        let input = event.target().and_then(|t| t.dyn_into::<HtmlInputElement>().ok());
        if let Some(input) = input.filter(|i| i.name() == "predict") {
            class.chosen.set(input.value().parse().ok());
        }
        match acted(event).as_ref().map(|(act, _)| act.as_str()) {
            Some("load") => class.load(),
            Some("again") => class.fetch(),
            _ => {}
        }
    };
    let step = move || untrack(|| class.with(|_, at| at)).unwrap_or(0);
    let last = move || class.with(|lesson, at| at + 1 >= lesson.steps.len()).unwrap_or(false);
    let onwards = told(move || if last() { words::DONE } else { words::NEXT }.into());
    let waiting = holds(move || waits.get().is_some());
    let pointless = holds(move || class.step(|s| s.point.is_empty()).unwrap_or(true));
    let first = holds(move || class.with(|_, at| at == 0).unwrap_or(true));
    let row = vec![
        kit::button("", "lesson-back", kit::words(words::BACK), first, move || class.go(step().saturating_sub(1))),
        kit::button("primary", "lesson-next", onwards, waiting, move || class.go(step() + 1)),
        kit::when(waiting, "", vec![kit::button("", "lesson-skip", kit::words(words::SKIP), never(), move || class.go(step() + 1))]),
        kit::button("", "lesson-show", kit::words(words::SHOW), pointless, move || class.show()),
        kit::button("small", "lesson-close", kit::words(words::CLOSE), never(), move || class.close()),
    ];
    let content = vec![
        kit::says("quiet", "lesson-step", number),
        tag("h2").is("id", "lesson-title").is("tabindex", "-1").told(told(move || title.get())).view(),
        heard("", "lesson-text", body.into(), hear),
        tag("div").is("aria-live", "polite").is("data-testid", "lesson-reveal").html(told(move || reveal.get())).view(),
        kit::says("quiet", "lesson-waits", told(move || waits.get().map_or("", Wait::words).into())),
        kit::part("row", row),
    ];
    tag("aside").is("class", "lesson card").is("aria-label", words::PANEL).is("data-testid", "lesson").all(content).view()
}

/// The place: the lessons, and the teacher's builder.
pub fn lessons(class: Class) -> AnyView {
    let list =
        told(move || class.told(|| class.text.with(|text| if let Text::Here(lessons) = text { list(lessons) } else { String::new() })));
    let hear = move |event: &web_sys::Event| match acted(event) {
        Some((act, button)) if act == "open" => class.open(button.get_attribute("data-lesson").and_then(|i| i.parse().ok()).unwrap_or(0)),
        Some((act, _)) if act == "again" => class.fetch(),
        _ => {}
    };
    let card = vec![kit::heading(words::TITLE), kit::says("wide", "", kit::words(words::ABOUT)), heard("", "lesson-list", list, hear)];
    kit::part("cards", vec![kit::part("card", card), builder(class.lab, move || class.titles())])
}

fn list(lessons: &[Lesson]) -> String {
    let mut out = String::from("<ol class=\"lesson-list\">");
    for (i, lesson) in lessons.iter().enumerate() {
        out.push_str(&format!(
            "<li><h3>{}</h3><p>{}</p><button type=\"button\" data-act=\"open\" data-lesson=\"{i}\" aria-label=\"{}: {}\">{}</button></li>",
            escape(&lesson.title),
            escape(&lesson.about),
            words::START,
            escape(&lesson.title),
            words::START
        ));
    }
    out.push_str("</ol>");
    out
}
