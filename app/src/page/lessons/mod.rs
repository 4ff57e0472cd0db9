//! Lessons: the panel beside the controls it speaks of, and their list, with the builder of a teacher's links.

mod class;
pub mod classroom;
mod panel;

use leptos::prelude::*;

pub use self::class::{Class, use_class};
use self::classroom::LinkBuilder;
pub use self::panel::LessonPanel;
use super::kit::{Button, Says};
use crate::model::lesson::Lesson;
use crate::words::lessons as words;

/// The place: the lessons, and the teacher's builder.
#[component]
pub fn Lessons() -> impl IntoView {
    let class = use_class();
    view! {
        <div class="cards">
            <div class="card">
                <h2>{words::TITLE}</h2>
                <Says class="wide" text=words::ABOUT />
                <div data-testid="lesson-list">
                    <Fetched>
                        <LessonList />
                    </Fetched>
                </div>
            </div>
            <LinkBuilder titles=Signal::derive(move || class.titles()) />
        </div>
    }
}

/// What is there with the lessons' text; without it, why it is not.
#[component]
fn Fetched(children: TypedChildrenFn<impl IntoView + 'static>) -> impl IntoView {
    let class = use_class();
    let waits = move || match class.missing() {
        None => view! { <p>{words::FETCHING}</p> }.into_any(),
        Some(why) => view! {
            <p>{words::missing(&why)}</p>
            <Button label=words::AGAIN on_press=move || class.fetch() />
        }
        .into_any(),
    };
    view! { <Show when=move || class.is_here() fallback=waits children=children /> }
}

/// The lessons to choose from.
#[component]
fn LessonList() -> impl IntoView {
    let class = use_class();
    let entry = move |(index, Lesson { title, about, .. }): (usize, Lesson)| {
        let label = format!("{}: {title}", words::START);
        view! {
            <li>
                <h3>{title}</h3>
                <p>{about}</p>
                <button type="button" aria-label=label on:click=move |_| class.open(index)>{words::START}</button>
            </li>
        }
    };
    view! { <ol class="lesson-list">{move || class.lessons().into_iter().enumerate().map(entry).collect_view()}</ol> }
}
