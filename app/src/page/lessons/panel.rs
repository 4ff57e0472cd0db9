//! The panel of the lesson that is open: what its step says, what it asks, and the way on.

use leptos::prelude::*;

use super::Fetched;
use super::class::{later, use_class};
use crate::model::lesson::{Question, Reveal, Step, Wait};
use crate::model::teacher::Teacher;
use crate::page::kit::{Button, Says};
use crate::page::lab::{Phase, use_lab};
use crate::page::place::Place;
use crate::words::lessons as words;

/// The panel, where a lesson is open; and what follows from a teacher's link.
#[component]
pub fn LessonPanel() -> impl IntoView {
    let (lab, class) = (use_lab(), use_class());
    let open = Memo::new(move |_| lab.teacher.with(|t| t.lesson.is_some()));
    let hidden = Memo::new(move |_| lab.teacher.with(Teacher::hidden));
    Effect::new(move || {
        if let Some(root) = document().document_element() {
            // An attribute of our own root element: nothing that can be refused.
            let _ = root.set_attribute("data-hide", &hidden.get());
        }
    });
    Effect::new(move || {
        if open.get() || lab.place.get() == Place::Lessons {
            class.fetch();
        }
    });
    Effect::new(move || lab.lesson_networks.set(class.networks()));
    // The frame follows the step, and what appears in a place or a phase.
    Effect::new(move || {
        let _ = (lab.place.get(), lab.phase.with(Phase::name));
        if let Some(point) = class.step(|s| s.point.clone()) {
            class.point_at(point);
        }
    });
    view! { <Show when=move || open.get()><Open /></Show> }
}

/// The panel of the lesson that is open.
#[component]
fn Open() -> impl IntoView {
    let class = use_class();
    let number = move || class.with(|lesson, at| words::step(at + 1, lesson.steps.len(), &lesson.title)).unwrap_or_default();
    let reveal = Memo::new(move |_| {
        let finished = class.finished();
        class.step(|s| s.reveal(class.chosen.get(), finished)).flatten()
    });
    let waits = Memo::new(move |_| {
        let finished = class.finished();
        class.step(|s| s.waits(class.chosen.get(), finished)).flatten()
    });
    let (panel, said) = (NodeRef::<leptos::html::Aside>::new(), NodeRef::<leptos::html::Div>::new());
    // On a wide screen the panel scrolls by itself: what it now says has to be in sight.
    Effect::new(move || {
        if reveal.with(Option::is_some)
            && let (Some(panel), Some(said)) = (panel.get(), said.get())
        {
            later(move || panel.set_scroll_top(said.offset_top() - 40));
        }
    });
    let revealed = |Reveal { predicted, text }: Reveal| {
        view! {
            <p><b>{predicted}</b></p>
            <Paragraphs text />
        }
    };
    view! {
        <aside class="lesson card" aria-label=words::PANEL data-testid="lesson" node_ref=panel>
            <Says class="quiet" testid="lesson-step" text=Signal::derive(number) />
            <h2 id="lesson-title" tabindex="-1" node_ref=class.heading>
                {move || class.step(|s| s.title.clone())}
            </h2>
            <div data-testid="lesson-text">
                <Fetched>
                    <StepText />
                </Fetched>
            </div>
            <div aria-live="polite" data-testid="lesson-reveal" node_ref=said>
                {move || reveal.get().map(revealed)}
            </div>
            <Says
                class="quiet"
                testid="lesson-waits"
                text=Signal::derive(move || waits.get().map_or("", Wait::words).to_owned())
            />
            <Ways waits />
        </aside>
    }
}

/// What the step says and asks. What was answered is no part of it, so that an answer keeps its focus.
#[component]
fn StepText() -> impl IntoView {
    let (lab, class) = (use_lab(), use_class());
    let step = Memo::new(move |_| class.step(Step::clone));
    let busy = Signal::derive(move || lab.phase.with(Phase::busy));
    let load = move || {
        view! {
            <div class="row">
                <Button label=words::LOAD testid="lesson-load" on_press=move || class.load() />
                <Button label=words::WATCH testid="lesson-watch" disabled=busy on_press=move || class.watch() />
            </div>
        }
    };
    move || {
        step.get().map(|Step { text, load: experiment, question, .. }| {
            view! {
                <Paragraphs text />
                {(!experiment.is_empty()).then(load)}
                {question.map(|question| view! { <Prediction question /> })}
            }
        })
    }
}

/// Lines as paragraphs.
#[component]
fn Paragraphs(text: Vec<String>) -> impl IntoView {
    text.into_iter().map(|line| view! { <p>{line}</p> }).collect_view()
}

/// A question whose answer is predicted.
#[component]
fn Prediction(question: Question) -> impl IntoView {
    let class = use_class();
    let answer = move |(index, answer): (usize, String)| {
        view! {
            <label class="check">
                <input
                    type="radio"
                    name="predict"
                    value=index.to_string()
                    prop:checked=move || class.chosen.get() == Some(index)
                    on:change=move |_| class.chosen.set(Some(index))
                />
                <span>{answer}</span>
            </label>
        }
    };
    view! {
        <fieldset class="predict">
            <legend>{question.text}</legend>
            {question.answers.into_iter().enumerate().map(answer).collect_view()}
        </fieldset>
    }
}

/// The buttons below.
#[component]
fn Ways(
    /// What the step waits for.
    waits: Memo<Option<Wait>>,
) -> impl IntoView {
    let class = use_class();
    let first = Signal::derive(move || class.with(|_, at| at == 0).unwrap_or(true));
    let last = move || class.with(|lesson, at| at + 1 >= lesson.steps.len()).unwrap_or(false);
    let onwards = Signal::derive(move || if last() { words::DONE } else { words::NEXT }.to_owned());
    let waiting = Signal::derive(move || waits.with(Option::is_some));
    let pointless = Signal::derive(move || class.step(|s| s.point.is_empty()).unwrap_or(true));
    view! {
        <div class="row">
            <Button label=words::BACK testid="lesson-back" disabled=first on_press=move || class.go_back() />
            <Button label=onwards class="primary" testid="lesson-next" disabled=waiting on_press=move || class.go_on() />
            <div hidden=move || !waiting.get()>
                <Button label=words::SKIP testid="lesson-skip" on_press=move || class.go_on() />
            </div>
            <Button label=words::SHOW testid="lesson-show" disabled=pointless on_press=move || class.show() />
            <Button label=words::CLOSE class="small" testid="lesson-close" on_press=move || class.close() />
        </div>
    }
}
