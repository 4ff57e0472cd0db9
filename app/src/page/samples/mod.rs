//! The samples: a gallery of test images by hardness and by who is right, and one image through the epochs.

mod browsing;

use leptos::prelude::*;

use self::browsing::{Browsing, Chosen, Shown, Taken};
use super::canvas::{Nobody, Whose};
use super::kit::{Announces, Button, Choices, Drawing, Field, Says, Select, Table};
use super::lab::use_lab;
use super::ring::scoreboard::EasyIsHarder;
use crate::model::gallery::{Guess, Order, Who};
use crate::words::samples as words;

/// A choice that leaves nothing out.
const ANY: &str = "any";

/// The place: whom to ask about which images, the images, and one of them closer.
#[component]
pub fn Samples() -> impl IntoView {
    let browsing = Browsing::begin(use_lab());
    let shown = Memo::new(move |_| browsing.shown());
    Effect::new(move |_| browsing.fetch(shown.with(|s| s.images.clone())));
    let found = Signal::derive(move || {
        browsing.answered.with(|a| match a {
            Some(a) => words::found(shown.with(|s| s.count), a.samples.labels.len(), a.epoch),
            None => words::ASKING.to_owned(),
        })
    });
    let no_score = Signal::derive(move || {
        let without = browsing.answered.with(|a| a.as_ref().is_some_and(|a| a.score.is_empty()));
        if without { words::NO_SCORE.to_owned() } else { String::new() }
    });
    let all_shown = Memo::new(move |_| shown.with(|s| s.count <= s.images.len()));
    let somebody = move || browsing.stamp.with(Option::is_some);
    view! {
        <div class="card samples">
            <h2>{words::TITLE}</h2>
            <Whose />
            <Show when=move || !somebody()>
                <Nobody nobody=words::NOBODY soon=words::SOON train=words::TRAIN />
            </Show>
            <Show when=somebody>
                <div>
                    <Filters browsing />
                    <Announces class="quiet" testid="samples-found" text=found />
                    <EasyIsHarder />
                    <Says class="quiet" text=no_score />
                    <Detail browsing />
                    <Gallery browsing shown />
                    <div class="row" hidden=all_shown>
                        <Button testid="samples-more" label=words::MORE on_press=move || browsing.show_more() />
                    </div>
                    <Says class="quiet" text=words::MARKS />
                    <Says class="quiet" text=words::OWN />
                </div>
            </Show>
        </div>
    }
}

/// What is shown first, and of which images.
#[component]
fn Filters(
    /// What is looked through.
    browsing: Browsing,
) -> impl IntoView {
    let filter = browsing.filter;
    // Choices are told again only when they are others: a list that is open stays open.
    let everybody = Memo::new(move |_| {
        let (sparse, dense) = browsing.names();
        Choices::new(words::who(&sparse, &dense))
    });
    let classes = Memo::new(move |_| {
        let names = browsing.answered.with(|a| a.as_ref().map(|a| a.classes.clone()).unwrap_or_default());
        let all = names.into_iter().enumerate().map(|(i, name)| (i.to_string(), name));
        Choices::new([(ANY.to_owned(), words::ANY_CLASS.to_owned())].into_iter().chain(all))
    });
    view! {
        <div class="row choice">
            <Field label=words::WHO>
                <Select
                    testid="samples-who"
                    choices=everybody
                    value=Signal::derive(move || filter.with(|f| f.who.name().to_owned()))
                    on_choose=move |name| browsing.change(|f| f.who = name.parse().unwrap_or(Who::All))
                />
            </Field>
            <Field label=words::BIN>
                <Select
                    testid="samples-bin"
                    choices=Choices::new(words::BINS)
                    value=Signal::derive(move || filter.with(|f| f.bin.map_or_else(|| ANY.to_owned(), |bin| bin.to_string())))
                    on_choose=move |name| browsing.change(|f| f.bin = name.parse().ok())
                />
            </Field>
            <Field label=words::CLASS>
                <Select
                    testid="samples-class"
                    choices=classes
                    value=Signal::derive(move || filter.with(|f| f.class.map_or_else(|| ANY.to_owned(), |class| class.to_string())))
                    on_choose=move |name| browsing.change(|f| f.class = name.parse().ok())
                />
            </Field>
            <Field label=words::ORDER>
                <Select
                    testid="samples-order"
                    choices=Choices::new(words::ORDERS)
                    value=Signal::derive(move || filter.with(|f| f.order.name().to_owned()))
                    on_choose=move |name| browsing.change(|f| f.order = name.parse().unwrap_or(Order::Hardest))
                />
            </Field>
        </div>
    }
}

/// The images. An image that stays keeps its button, and with it the focus.
#[component]
fn Gallery(
    /// What is looked through.
    browsing: Browsing,
    /// The images that are shown.
    shown: Memo<Shown>,
) -> impl IntoView {
    let images = move || shown.with(|s| s.images.clone());
    view! {
        <div data-testid="gallery">
            <Show when=move || browsing.answered.with(Option::is_some)>
                <ul class="gallery">
                    <For each=images key=|index| *index children=move |index| view! { <Image browsing index /> } />
                </ul>
            </Show>
        </div>
    }
}

/// An image to choose: its picture, its class, and a mark for each learner, filled where it is right.
#[component]
fn Image(
    /// What is looked through.
    browsing: Browsing,
    /// Which image.
    index: u32,
) -> impl IntoView {
    let tile = Memo::new(move |_| browsing.tile(index));
    let mark = |(tone, right): (&str, bool)| view! { <i class=format!("mark {tone} {}", if right { "right" } else { "wrong" })></i> };
    view! {
        <li>
            <button type="button" aria-label=move || tile.with(|t| t.label.clone()) on:click=move |_| browsing.choose(index)>
                <img src=move || browsing.url(index) alt="" width="64" height="64" />
                <span>{move || tile.with(|t| t.class.clone())}</span>
                <span class="marks">{move || tile.with(|t| t.marks.iter().copied().map(mark).collect_view())}</span>
            </button>
        </li>
    }
}

/// One image, through the epochs.
#[component]
fn Detail(
    /// What is looked through.
    browsing: Browsing,
) -> impl IntoView {
    let chosen = Memo::new(move |_| browsing.chosen());
    let told = move |tell: fn(&Chosen) -> String| move || chosen.with(|c| c.as_ref().map(tell).unwrap_or_default());
    let picture = move || chosen.with(|c| c.as_ref().map(|c| browsing.url(c.index)).unwrap_or_default());
    let course = Signal::derive(move || chosen.with(|c| c.as_ref().map(|c| browsing.course(c)).unwrap_or_default()));
    view! {
        <div aria-live="polite" hidden=move || browsing.history.with(Option::is_none)>
            <div class="detail" data-testid="sample">
                <Show when=move || chosen.with(Option::is_some)>
                    <h3>{told(|c| words::image(c.index, &c.class))}</h3>
                    <div class="sample">
                        <img src=picture alt=told(|c| c.class.clone()) width="192" height="192" />
                        <div>
                            <p>{told(|c| c.why.clone())}</p>
                            <Takes browsing chosen />
                            <p class="quiet">{told(|c| words::probability(&c.class))}</p>
                            <Drawing svg=course />
                            <p>
                                <a href="#bench">{words::TO_BENCH}</a>
                            </p>
                        </div>
                    </div>
                </Show>
            </div>
        </div>
    }
}

/// What each learner takes the chosen image for.
#[component]
fn Takes(
    /// What is looked through.
    browsing: Browsing,
    /// The chosen image.
    chosen: Memo<Option<Chosen>>,
) -> impl IntoView {
    let taken = Memo::new(move |_| chosen.with(|c| c.as_ref().map(|c| browsing.taken(c.truth)).unwrap_or_default()));
    let guess = |(i, Guess { text, right }): (usize, Guess)| {
        let text = if right { view! { <b>{text}</b> }.into_any() } else { text.into_any() };
        view! { {(i > 0).then_some(", ")} {text} }
    };
    let row = move |Taken { learner, guesses, truth }: Taken| {
        let guesses = guesses.into_iter().enumerate().map(guess).collect_view();
        vec![learner.into_any(), guesses.into_any(), truth.into_any()]
    };
    move || {
        let rows: Vec<Vec<AnyView>> = taken.get().into_iter().map(row).collect();
        view! { <Table caption=words::NUMBERS columns=words::COLUMNS.map(String::from).to_vec() rows /> }
    }
}
