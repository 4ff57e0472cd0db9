//! The hard test images between the corners: each lies with who is right about it, and moves when that changes.
//!
//! Who is right is known from the race's events, a recorded one's too. The pictures come from the trainer; those of CIFAR-10 only once a
//! person asks for them, or trains.

use leptos::prelude::*;
use sparring_core::data::DatasetName;

use super::quiz::WouldYou;
use crate::model::bout::{self, Right, Shot};
use crate::page::kit::Button;
use crate::page::lab::{Phase, use_lab};
use crate::protocol::images_of;
use crate::words::ring as words;

/// The images.
#[component]
pub fn Shots(
    /// Each image, with who is right about it.
    shots: Memo<Vec<Shot>>,
) -> impl IntoView {
    let lab = use_lab();
    // Which images: it changes with the race, not with every answer.
    let wanted = Memo::new(move |_| {
        let samples = shots.with(|shots| shots.iter().map(|shot| shot.sample).collect::<Vec<u32>>());
        lab.shown.get().filter(|_| !samples.is_empty()).map(|config| (images_of(&config), samples))
    });
    let ask = move |fetch: bool| {
        if let (Some((_, samples)), Some(config)) = (wanted.get_untracked(), lab.shown.get_untracked()) {
            lab.ask_pictures(config, samples, fetch);
        }
    };
    Effect::new(move |_| {
        let here =
            |(of, _): &(String, Vec<u32>)| shots.with_untracked(|shots| lab.shots.with_untracked(|pictures| pictures.have(of, shots)));
        if wanted.with(|wanted| wanted.as_ref().is_some_and(|wanted| !here(wanted))) {
            ask(false);
        }
    });
    let lacking = Memo::new(move |_| {
        let lack = |(of, _): &(String, Vec<u32>)| lab.shots.with(|pictures| pictures.lack(of));
        let fetched = lab.shown.with(|shown| shown.as_ref().is_some_and(|config| config.dataset == DatasetName::Cifar10));
        fetched && wanted.with(|wanted| wanted.as_ref().is_some_and(lack)) && !lab.phase.with(Phase::busy)
    });
    let order = Memo::new(move |_| lab.race.with(bout::order));
    let names = Memo::new(move |_| lab.race.with(bout::names));
    let images = Memo::new(move |_| wanted.with(|wanted| wanted.as_ref().map(|(of, _)| of.clone()).unwrap_or_default()));
    let group = move |right: Option<Right>| {
        let of = move || shots.with(|shots| shots.iter().filter(|shot| shot.right == right).copied().collect::<Vec<_>>());
        let count = move || shots.with(|shots| shots.iter().filter(|shot| shot.right == right).count());
        let title = move || match right {
            None => words::HARD_IMAGES.to_owned(),
            Some(Right::Sparse) => names.with(|[_, sparse]| words::alone(sparse)),
            Some(Right::Dense) => names.with(|[dense, _]| words::alone(dense)),
            Some(Right::Both) => words::BOTH.to_owned(),
            Some(Right::Neither) => words::NEITHER.to_owned(),
        };
        view! {
            <div class="shots" hidden=move || count() == 0 && (right.is_none() || shots.with(|shots| shots.iter().any(|s| s.right.is_none())))>
                <h3>{title} " " <b>{count}</b></h3>
                <ul>
                    <For each=of key=|shot| (shot.sample, shot.label) children=move |shot| view! { <Picture shot of=images /> } />
                </ul>
            </div>
        }
    };
    view! {
        <div class="watched" role="group" aria-label=words::WATCHED data-testid="watched">
            {move || std::iter::once(None).chain(order.get().map(Some)).map(group).collect_view()}
            <WouldYou shots images />
            <Show when=move || lacking.get()>
                <p class="quiet">
                    {words::PICTURES_ELSEWHERE} " "
                    <Button class="small" testid="watched-fetch" label=words::PICTURES_FETCH on_press=move || ask(true) />
                </p>
            </Show>
        </div>
    }
}

/// An image: its picture, or its class where that has not come.
#[component]
fn Picture(
    /// Which.
    shot: Shot,
    /// Of which set.
    of: Memo<String>,
) -> impl IntoView {
    let lab = use_lab();
    let class = move || lab.shots.with(|pictures| pictures.classes.get(usize::from(shot.label)).cloned().unwrap_or_default());
    let url = move || of.with(|of| lab.shots.with(|pictures| pictures.url(of, shot.sample).cloned()));
    view! {
        <li title=class>{move || url().map(|url| view! { <img src=url alt=class width="32" height="32" /> })}</li>
    }
}
