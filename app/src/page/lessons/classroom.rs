//! What a teacher gives a class: the words at the top of the page, and the builder of links.

use std::iter::once;

use leptos::prelude::*;

use super::use_class;
use crate::model::qr;
use crate::model::teacher::{MOST_TEXT, PARTS, Teacher};
use crate::page::kit::{Button, Choices, Drawing, Folded, Says, Select};
use crate::page::lab::{address, bare_address, use_lab};
use crate::words::teacher as words;

/// The teacher's own words, and what of the link was not understood. Empty where there is neither.
#[component]
pub fn ClassroomBanner() -> impl IntoView {
    let lab = use_lab();
    let text = Memo::new(move |_| lab.teacher.with(|t| t.text.clone()));
    let line = |(number, line): (usize, &str)| ((number > 0).then(|| view! { <br /> }), line.to_owned());
    let own = move || {
        text.with(|text| {
            (!text.is_empty()).then(|| {
                let lines = text.split('\n').enumerate().map(line).collect_view();
                view! { <section aria-label=words::FROM_TEACHER data-testid="teacher-text"><p>{lines}</p></section> }
            })
        })
    };
    let remark = |remark: String| view! { <p role="alert" data-testid="link-remark">{remark}</p> };
    view! {
        <div class="from-teacher">
            {own}
            {move || lab.remarks.get().into_iter().map(remark).collect_view()}
        </div>
    }
}

/// A form that says what a link brings along, and the link that it makes.
#[component]
pub fn LinkBuilder(
    /// How the lessons are called.
    titles: Signal<Vec<String>>,
) -> impl IntoView {
    let lab = use_lab();
    let class = use_class();
    let built = RwSignal::new(lab.teacher.with_untracked(|teacher| Teacher { step: 0, ..teacher.clone() }));
    // Whoever makes a link in a lesson means that lesson.
    Effect::watch(move || lab.teacher.with(|t| t.lesson), move |lesson, _, _| built.update(|b| b.lesson = *lesson), false);
    let link = Memo::new(move |_| {
        let teacher = Teacher { more_seeds: lab.seeds() - 1, ..built.get() };
        // A lesson brings its own experiment, at its first step already.
        let of_lesson = lab.config.with(|form| teacher.lesson.is_some_and(|lesson| class.brings(lesson, form) || lab.is_of_run(form)));
        if of_lesson { bare_address(&teacher) } else { lab.config.with(|form| address(form, &teacher)) }.unwrap_or_default()
    });
    let code = Memo::new(move |_| link.with(|link| qr::code(link, words::CODE)));
    let too_long = Signal::derive(move || if code.with(Option::is_none) { words::NO_CODE.to_owned() } else { String::new() });
    view! {
        <div class="card builder">
            <h2>{words::BUILDER}</h2>
            <Says class="wide" text=words::ABOUT />
            <div class="form">
                <LessonChoice titles built />
                <fieldset>
                    <legend>{words::HIDE}</legend>
                    {(0..).zip(PARTS).map(|(bit, (_, label))| view! { <Part bit label built /> }).collect_view()}
                </fieldset>
                <label class="field">
                    <span>{words::OWN}</span>
                    <textarea
                        rows="3"
                        maxlength=MOST_TEXT.to_string()
                        prop:value=move || built.with(|b| b.text.clone())
                        on:input:target=move |ev| built.update(|b| b.text = ev.target().value())
                    />
                </label>
            </div>
            <div class="remark">
                <a data-testid="teacher-link" href=link>{link}</a>
            </div>
            <div class="row">
                <Button
                    label=words::COPY
                    testid="teacher-copy"
                    on_press=move || crate::page::device::copy(lab, words::LINK, Some(link.get_untracked()))
                />
            </div>
            <Folded summary=words::AS_CODE>
                <Says class="quiet" text=too_long />
                <Drawing class="code" testid="teacher-code" svg=Signal::derive(move || code.get().unwrap_or_default()) />
            </Folded>
        </div>
    }
}

/// Which lesson the link opens.
#[component]
fn LessonChoice(titles: Signal<Vec<String>>, built: RwSignal<Teacher>) -> impl IntoView {
    // Titles arrive late: a list of the same ones is not made anew.
    let choices = Memo::new(move |_| {
        let lessons = titles.get().into_iter().enumerate().map(|(i, title)| (i.to_string(), title));
        Choices::new(once((String::new(), words::NO_LESSON.to_owned())).chain(lessons))
    });
    view! {
        <label class="field">
            <span>{words::WHICH}</span>
            <Select
                testid="teacher-lesson"
                choices
                value=Signal::derive(move || built.with(|b| b.lesson.map(|lesson| lesson.to_string()).unwrap_or_default()))
                on_choose=move |lesson| built.update(|b| b.lesson = lesson.parse().ok())
            />
        </label>
    }
}

/// A part of the page that the link can leave out.
#[component]
fn Part(
    /// Its place in what the link says.
    bit: u32,
    label: &'static str,
    built: RwSignal<Teacher>,
) -> impl IntoView {
    let hide = move |on: bool| built.update(|b| b.hide = if on { b.hide | 1 << bit } else { b.hide & !(1 << bit) });
    view! {
        <label class="check">
            <input
                type="checkbox"
                value=bit.to_string()
                prop:checked=move || built.with(|b| b.hide >> bit & 1 == 1)
                on:change:target=move |ev| hide(ev.target().checked())
            />
            <span>{label}</span>
        </label>
    }
}
