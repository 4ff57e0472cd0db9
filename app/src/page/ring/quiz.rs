//! "Would you have known it?": ten hard images, a person against the two networks that meet in the ring.

use leptos::prelude::*;

use crate::model::bout::{self, Shot};
use crate::model::quiz::{Question, Quiz, card};
use crate::page::kit::Button;
use crate::page::lab::{page_address, use_lab};
use crate::page::take::{address, take_picture};
use crate::words::quiz as words;

/// The button, and the dialog of a round.
#[component]
pub fn WouldYou(
    /// The images that can be asked about.
    shots: Memo<Vec<Shot>>,
    /// Which set they are of.
    images: Memo<String>,
) -> impl IntoView {
    let lab = use_lab();
    // The round keeps what the networks said when it began.
    let round = RwSignal::new(Quiz::default());
    let called = StoredValue::new([String::new(), String::new()]);
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    let possible = Memo::new(move |_| {
        let answered = |shots: &Vec<Shot>| shots.iter().any(|shot| shot.right.is_some());
        let here = |shots: &Vec<Shot>| images.with(|of| lab.shots.with(|pictures| pictures.have(of, shots)));
        shots.with(|shots| answered(shots) && here(shots))
    });
    let asked = StoredValue::new(Vec::<u32>::new());
    let begin = move || {
        round.set(lab.race.with_untracked(|race| asked.with_value(|asked| Quiz::of(race, asked))));
        asked.update_value(|asked| round.with_untracked(|round| asked.extend(round.samples())));
        called.set_value(lab.race.with_untracked(bout::names));
        // Once the question is in it, so that the focus is on its answers. Only a dialog that is open already refuses.
        request_animation_frame(move || drop(dialog.get_untracked().map(|dialog| dialog.show_modal())));
    };
    let close = move || dialog.get_untracked().into_iter().for_each(|dialog| dialog.close());
    let over = move || round.with(|round| !round.is_empty() && round.asked().is_none());
    view! {
        <Show when=move || possible.get()>
            <Button class="small" testid="quiz-open" label=words::BEGIN on_press=begin />
        </Show>
        <dialog class="quiz" aria-labelledby="quiz-title" data-testid="quiz" node_ref=dialog>
            <h2 id="quiz-title">{words::TITLE}</h2>
            <Show when=move || round.with(|round| round.asked().is_some())>
                <Asked round called />
            </Show>
            <Show when=over>
                <Outcome round called on_again=begin />
            </Show>
            <Button class="small" testid="quiz-close" label=words::CLOSE on_press=close />
        </dialog>
    }
}

/// A question: its picture, the classes to choose from, and what the last one was.
#[component]
fn Asked(
    /// The round.
    round: RwSignal<Quiz>,
    /// What the two networks are called.
    called: StoredValue<[String; 2]>,
) -> impl IntoView {
    let lab = use_lab();
    let number = move || round.with(|round| words::question(round.result().of + 1, round.len()));
    let picture = move || {
        let sample = round.with(|round| round.asked().map(|question| question.shot.sample));
        lab.shots.with(|pictures| sample.and_then(|sample| pictures.url(&pictures.of, sample).cloned()))
    };
    let choice = move |(number, name): (u16, String)| {
        view! { <Button class="chip" label=name on_press=move || round.update(|round| round.say(number)) /> }
    };
    view! {
        <p aria-live="polite">{number}</p>
        <img src=picture alt=words::PICTURE width="192" height="192" />
        <div class="chips" role="group" aria-label=words::TITLE>
            {move || lab.shots.with(|pictures| (0..).zip(pictures.classes.clone()).map(choice).collect_view())}
        </div>
        <Was round called />
    }
}

/// What the last picture was.
#[component]
fn Was(
    /// The round.
    round: RwSignal<Quiz>,
    /// What the two networks are called.
    called: StoredValue<[String; 2]>,
) -> impl IntoView {
    let lab = use_lab();
    let class = move |class: u16| lab.shots.with(|pictures| pictures.classes.get(usize::from(class)).cloned().unwrap_or_default());
    let was = move || {
        let last = round.with(|round| round.answered().last().map(|(question, said)| (round.result().of, *question, said)));
        let told = |(number, Question { shot, dense, sparse }, said): (usize, Question, u16)| {
            called.with_value(|[d, s]| words::was(number, &class(shot.label), &class(said), [d, &class(dense)], [s, &class(sparse)]))
        };
        last.map(told).unwrap_or_default()
    };
    view! {
        <p class="quiet" aria-live="polite" data-testid="quiz-was">
            {was}
        </p>
    }
}

/// The end of a round: everybody's number, and a picture to take away.
#[component]
fn Outcome(
    /// The round.
    round: RwSignal<Quiz>,
    /// What the two networks are called.
    called: StoredValue<[String; 2]>,
    /// Begins another one.
    on_again: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let lab = use_lab();
    let svg = move || {
        let place = page_address().unwrap_or_default();
        let draw =
            |round: &Quiz| lab.shots.with(|pictures| called.with_value(|[dense, sparse]| card(round, pictures, [dense, sparse], &place)));
        round.with(draw)
    };
    let sentence = move || {
        round.with(|round| {
            let result = round.result();
            called.with_value(|[dense, sparse]| {
                words::result(result.person, [dense, &result.dense.to_string()], [sparse, &result.sparse.to_string()], result.of)
            })
        })
    };
    view! {
        <Was round called />
        <p data-testid="quiz-result" role="status">{sentence}</p>
        // As it is taken away: with colours of its own.
        <img class="card-picture" src=move || address(&svg()) alt=sentence />
        <div class="row">
            <Button testid="quiz-save" label=words::SAVE on_press=move || take_picture(lab, words::TITLE, untrack(svg)) />
            <Button testid="quiz-again" label=words::AGAIN on_press=on_again />
        </div>
    }
}
