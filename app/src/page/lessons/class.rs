//! Where a visitor stands in a lesson, and what happens when they go on.
//!
//! The lesson and its step are part of the address (`Lab::teacher`), so a reload or a link comes back to the same step.

use leptos::prelude::*;
use sparring_core::config::ExperimentConfig;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, HtmlElement};

use crate::model::lesson::{self, Lesson, Step};
use crate::model::link;
use crate::model::replay::Source;
use crate::page::entries::recorded;
use crate::page::lab::{Lab, Phase};
use crate::page::place::Place;
use crate::trainer::fetch::{self, Missing};
use crate::words::runs as words;

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
    pub chosen: RwSignal<Option<usize>>,
    /// The heading of that step.
    pub heading: NodeRef<leptos::html::H2>,
    /// The control that it speaks of.
    framed: StoredValue<Option<Element>, LocalStorage>,
}

/// The lessons of the page that a component stands in.
pub fn use_class() -> Class {
    expect_context()
}

impl Class {
    /// No text yet; it is fetched when it is wanted.
    pub fn new(lab: Lab) -> Self {
        Self {
            lab,
            text: RwSignal::new(Text::Unasked),
            chosen: RwSignal::new(None),
            heading: NodeRef::new(),
            framed: StoredValue::new_local(None),
        }
    }

    /// Fetches the text unless it is there or on its way.
    pub fn fetch(self) {
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

    /// A link that names a lesson and no experiment gets the one that the step stands on, else the lesson's first, and the step's place.
    fn arrive(self) {
        let of = |lesson: &Lesson, at: usize| {
            let (before, after) = lesson.steps.split_at_checked(at + 1)?;
            let config = before.iter().rev().chain(after).find_map(|step| self.config(step));
            Some((config, before.last()?.clone()))
        };
        let Some((config, step)) = self.with(of).flatten() else { return };
        let phase = self.lab.phase.with_untracked(|p| matches!(p, Phase::Starting | Phase::Ready));
        if let Some(config) = config.filter(|_| self.lab.bare && phase) {
            self.lab.config.set(config);
        }
        self.visit(&step);
        self.stand();
    }

    /// Who comes to a step without a race or an experiment of their own sees the recorded race that it speaks of, at its end.
    fn stand(self) {
        let speaks = untrack(|| self.step(|step| !step.race && step.place == Place::Ring.name())) == Some(true);
        let lesson = self.lab.teacher.with_untracked(|t| t.lesson).unwrap_or(usize::MAX);
        let nobodys = self.lab.config.with_untracked(|form| self.brings(lesson, form) || self.lab.is_of_run(form));
        if speaks && nobodys && self.lab.started.with_untracked(Option::is_none) {
            self.play(false);
        }
    }
    /// Shows the recorded run that the step stands on: from its beginning, and a race of one's own is over then; or at its end, where there is
    /// no such race.
    fn play(self, play: bool) {
        let Some(name) = untrack(|| self.stands_on()) else { return };
        if !play && self.lab.player.with_untracked(|player| player.recording().is_some_and(|run| run.file.as_ref() == Some(&name))) {
            return;
        }
        spawn_local(async move {
            let run = recorded(&name).await;
            // Meanwhile a race may have begun, and even ended, or another step be there.
            let raced = self.lab.phase.with_untracked(Phase::busy) || !play && self.lab.started.with_untracked(Option::is_some);
            if raced || untrack(|| self.stands_on()).as_ref() != Some(&name) {
                return;
            }
            match run {
                Ok(run) => {
                    if self.lab.started.with_untracked(Option::is_some) {
                        self.lab.reset();
                    }
                    self.lab.without_trained.set_value(false);
                    self.lab.take(run.config.clone());
                    self.lab.show(run, Source::Recorded, play);
                }
                Err(why) => self.lab.remark.set(Some(words::no_recording(&why))),
            }
        });
    }
    /// Plays the recorded run of the step, in the ring.
    pub fn watch(self) {
        self.lab.visit(Place::Ring);
        self.play(true);
    }
    /// The name of the recorded run whose networks are looked at in this step. What a race comes to is not told before it has.
    pub fn networks(self) -> Option<String> {
        let before = usize::from(self.step(|step| step.race) == Some(true) && !self.finished());
        self.with(|lesson, at| lesson.stands_on(at.checked_sub(before)?).map(str::to_owned)).flatten()
    }
    /// The name of the recorded run that the step stands on.
    pub fn stands_on(self) -> Option<String> {
        self.with(|lesson, at| lesson.stands_on(at).map(str::to_owned)).flatten()
    }

    /// Whether the text is there.
    pub fn is_here(self) -> bool {
        self.text.with(|text| matches!(text, Text::Here(_)))
    }
    /// Why it could not be fetched.
    pub fn missing(self) -> Option<String> {
        self.text.with(|text| if let Text::Missing(why) = text { Some(why.clone()) } else { None })
    }
    /// The lessons, once their text is there.
    pub fn lessons(self) -> Vec<Lesson> {
        self.text.with(|text| if let Text::Here(lessons) = text { lessons.clone() } else { Vec::new() })
    }

    /// From the open lesson and the index of its step.
    pub fn with<T>(self, tell: impl Fn(&Lesson, usize) -> T) -> Option<T> {
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
    pub fn titles(self) -> Vec<String> {
        self.text.with(|text| match text {
            Text::Here(lessons) => lessons.iter().map(|l| l.title.clone()).collect(),
            _ => lesson::NAMES.map(String::from).to_vec(),
        })
    }
    /// From the step that is shown.
    pub fn step<T>(self, tell: impl Fn(&Step) -> T) -> Option<T> {
        self.with(|lesson, at| lesson.steps.get(at).map(&tell)).flatten()
    }

    /// The experiment of a step, on the chosen device.
    fn config(self, step: &Step) -> Option<ExperimentConfig> {
        let base = ExperimentConfig { device: self.lab.config.with_untracked(|c| c.device), ..ExperimentConfig::default() };
        if step.load.is_empty() { None } else { link::over(base, link::pairs(&step.load)).ok() }
    }

    /// Whether a lesson has this experiment, on whatever device.
    pub fn brings(self, lesson: usize, form: &ExperimentConfig) -> bool {
        let of = |step: &Step| self.config(step).is_some_and(|config| ExperimentConfig { device: form.device, ..config } == *form);
        self.text.with(|text| matches!(text, Text::Here(lessons) if lessons.get(lesson).is_some_and(|lesson| lesson.steps.iter().any(of))))
    }

    /// Sets the step's experiment up. A race of another experiment is over then.
    pub fn load(self) {
        let Some(config) = untrack(|| self.step(|s| self.config(s))).flatten() else { return };
        if self.lab.started.with_untracked(|s| s.as_ref().is_some_and(|s| *s != config)) {
            self.lab.reset();
            // Who skips it looks at the networks that ship.
            self.lab.without_trained.set_value(false);
        }
        self.lab.config.set(config);
        self.show();
    }

    /// Whether the race of this step has come to its end: the one that is shown, trained here or recorded, if it is about the same thing.
    pub fn finished(self) -> bool {
        let about = |c: &ExperimentConfig| (c.dataset, c.subset, c.learners.clone(), c.norm);
        let ended = self.lab.race.with(|race| race.summary.is_some());
        let wanted = self.step(|s| self.config(s)).flatten();
        ended
            && self.lab.shown.with(|shown| shown.as_ref().zip(wanted.as_ref()).is_some_and(|(shown, wanted)| about(shown) == about(wanted)))
    }

    /// To a step; behind the last, out of the lesson.
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
        self.stand();
        // What comes is read from its heading on, also by those who do not see it.
        later(move || {
            if let Some(heading) = self.heading.get_untracked() {
                // It has a tab index: nothing that can be refused.
                let _ = heading.focus();
            }
        });
    }
    /// One step further.
    pub fn go_on(self) {
        self.go(untrack(|| self.with(|_, at| at)).unwrap_or(0) + 1);
    }
    /// One step back.
    pub fn go_back(self) {
        self.go(untrack(|| self.with(|_, at| at)).unwrap_or(0).saturating_sub(1));
    }
    fn visit(self, step: &Step) {
        if let Some(place) = Place::named(&step.place) {
            self.lab.visit(place);
        }
    }
    /// Opens a lesson at its beginning.
    pub fn open(self, lesson: usize) {
        self.chosen.set(None);
        self.lab.teacher.update(|t| (t.lesson, t.step) = (Some(lesson), 0));
        self.go(0);
    }
    /// Out of the lesson.
    pub fn close(self) {
        self.lab.teacher.update(|t| (t.lesson, t.step) = (None, 0));
        self.lab.visit(Place::Lessons);
        self.frame(None);
    }

    /// Brings the control that the step speaks of into sight, with the focus where it takes one.
    pub fn show(self) {
        if let Some(control) = untrack(|| self.step(|s| control(&s.point))).flatten() {
            self.frame(Some(control.clone()));
            // The form that it is in may just be opening.
            later(move || {
                if let Some(control) = control.dyn_ref::<HtmlElement>() {
                    // An element that takes no focus is shown all the same.
                    let _ = control.focus();
                }
                control.scroll_into_view();
            });
        }
    }

    /// Frames the control of this name, once the page has drawn it.
    pub fn point_at(self, name: String) {
        later(move || self.frame(control(&name)));
    }

    /// Frames this control and no other; the form is opened where the control is in it.
    fn frame(self, control: Option<Element>) {
        if control.as_ref().is_some_and(|control| control.closest(".before").is_ok_and(|form| form.is_some())) {
            self.lab.form.set(true);
        }
        self.framed.update_value(|framed| {
            // Attributes of our own elements: nothing that can be refused.
            if let Some(old) = framed.take() {
                let _ = old.remove_attribute(POINTED);
            }
            if let Some(control) = &control {
                let _ = control.set_attribute(POINTED, "");
            }
            *framed = control;
        });
    }
}

async fn fetch_text() -> Result<String, String> {
    match fetch::get(lesson::FILE, &mut |_| true).await {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not text".into()),
        Err(Missing::Broken(words)) => Err(words),
        Err(_) => Err("it is not on this server".into()),
    }
}

/// A control by its test id or its id. Names come from the lessons' file, which may speak of any control of the page, whoever has drawn it.
fn control(name: &str) -> Option<Element> {
    if name.is_empty() {
        return None;
    }
    let by_test = document().query_selector(&format!("[data-testid=\"{name}\"]")).ok().flatten();
    by_test.or_else(|| document().get_element_by_id(name))
}

/// Once the page has drawn what was just set.
pub fn later(work: impl FnOnce() + 'static) {
    set_timeout(work, std::time::Duration::from_millis(60));
}
