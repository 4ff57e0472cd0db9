//! What the learners answered: in a sentence, as bars with what each of them saw, and as numbers.

use leptos::prelude::*;
use sparring_figures::bars::bar;
use sparring_figures::number;

use super::Figure;
use super::examiner::{Answer, Examiner};
use crate::model::chart;
use crate::model::examine::{Said, answer, sentence, worth_a_bar};
use crate::page::canvas::learners;
use crate::page::kit::{Announces, Drawing, Folded, Says, Scroll, Table};
use crate::page::lab::use_lab;
use crate::words::bench as words;

/// More bars than this are a list, not a picture.
const MOST_BARS: usize = 10;

/// A learner's colour and name.
type Learner = (&'static str, String);

/// What happened, in one sentence.
#[component]
pub fn Sentence(
    /// Who asked.
    examiner: Examiner,
) -> impl IntoView {
    let learners = learners(use_lab());
    let said = move || learners.with(|learners| examiner.told(|shown, before| said(learners, shown, before))).unwrap_or_default();
    view! { <Announces class="verdict" testid="bench-sentence" text=Signal::derive(said) /> }
}

fn said(learners: &[Learner], shown: &Answer, before: Option<&Answer>) -> String {
    let each = learners.iter().zip(&shown.probabilities).enumerate().map(|(i, ((_, learner), p))| {
        let now = answer(p);
        let before = before.and_then(|b| b.probabilities.get(i)).map(|p| answer(p));
        Said { learner, before, now, probability: p.get(now).copied().unwrap_or(0.0) }
    });
    sentence(&each.collect::<Vec<_>>(), &shown.classes, shown.truth, shown.is_attacked())
}

/// The learners side by side.
#[component]
pub fn Answers(
    /// Who asked.
    examiner: Examiner,
) -> impl IntoView {
    let learners = learners(use_lab());
    view! {
        <div class="answers">
            <For
                each=move || learners.get().into_iter().enumerate()
                key=Clone::clone
                children=move |(index, (tone, name))| view! { <LearnerCard examiner index tone name /> }
            />
        </div>
    }
}

/// One learner: its answer, what it saw, what its own attack changed.
#[component]
fn LearnerCard(
    examiner: Examiner,
    /// Which of the learners.
    index: usize,
    /// The class of its colour.
    tone: &'static str,
    name: String,
) -> impl IntoView {
    let saw = Signal::derive(move || examiner.of_shown(|shown| shown.saw(index)));
    let changes = Signal::derive(move || examiner.of_shown(|shown| shown.changes(index)));
    let change = Memo::new(move |_| examiner.of_shown(|shown| shown.change(index)));
    let changed = Signal::derive(move || change.get().map(|c| words::changed(c.most, c.share, c.length)).unwrap_or_default());
    let factor = Memo::new(move |_| examiner.of_shown(|shown| Some(shown.factor())).unwrap_or(1));
    let saw_label = words::saw(&name);
    let (heading, label, against) = (name.clone(), name.clone(), name.clone());
    view! {
        <section class=format!("answer {tone}") aria-label=label data-testid="bench-learner">
            <h3>{heading}</h3>
            <div class="pair" hidden=move || change.with(Option::is_none)>
                <Figure raster=saw label=saw_label.clone() testid="bench-saw" caption=saw_label />
                <Figure
                    raster=changes
                    label=Signal::derive(move || words::change_for(&against, factor.get()))
                    testid="bench-change"
                    caption=Signal::derive(move || words::magnified(factor.get()))
                    caption_testid="bench-factor"
                />
                <Says class="quiet" testid="bench-changed" text=changed />
            </div>
            <div data-testid="bench-bars">
                <Bars examiner index name />
            </div>
        </section>
    }
}

/// A class, and how likely a learner finds it.
#[derive(Clone, PartialEq)]
struct Bar {
    label: String,
    share: f64,
    /// How likely it found it for the untouched picture, where this is another.
    before: Option<f64>,
    /// Whether it is the learner's answer.
    given: bool,
}

/// Those of a learner.
fn bars(learner: usize, shown: &Answer, before: Option<&Answer>) -> Option<Vec<Bar>> {
    let probabilities = shown.probabilities.get(learner)?;
    let before = before.and_then(|b| b.probabilities.get(learner));
    let given = answer(probabilities);
    let bar = |class: usize| Bar {
        label: shown.label(class),
        share: f64::from(probabilities[class]),
        before: before.and_then(|b| b.get(class)).map(|b| f64::from(*b)),
        given: class == given,
    };
    Some(worth_a_bar(probabilities, shown.truth, MOST_BARS).into_iter().map(bar).collect())
}

/// The answer of a learner as a table whose cells are bars.
#[component]
fn Bars(
    examiner: Examiner,
    /// Which of the learners.
    index: usize,
    name: String,
) -> impl IntoView {
    let bars = Memo::new(move |_| examiner.told(|shown, before| bars(index, shown, before)).flatten());
    let row = |Bar { label, share, before, given }: Bar| {
        let ticks: Vec<_> = before.into_iter().map(|before| (before, "tick")).collect();
        view! {
            <tr class=given.then_some("given")>
                <th scope="row">{label}</th>
                <td><Drawing svg=bar(share, &ticks) /></td>
                <td>{number::percent(share, 0)}</td>
            </tr>
        }
    };
    move || {
        let rows = bars.get()?.into_iter().map(row).collect_view();
        Some(view! {
            <table class="bars">
                <caption class="visually-hidden">{name.clone()}</caption>
                <tbody>{rows}</tbody>
            </table>
        })
    }
}

/// The numbers behind the bars.
#[component]
pub fn Numbers(
    /// Who asked.
    examiner: Examiner,
) -> impl IntoView {
    let learners = learners(use_lab());
    let numbers = Memo::new(move |_| learners.with(|learners| examiner.told(|shown, before| numbers(learners, shown, before))));
    let table = move || numbers.get().map(|n| view! { <Table caption=words::TABLE columns=n.columns rows=n.rows /> });
    view! {
        <Folded class="table" summary=words::NUMBERS>
            <Scroll label=words::NUMBERS testid="bench-numbers">{table}</Scroll>
        </Folded>
    }
}

/// Every probability, before and now.
fn numbers(learners: &[Learner], shown: &Answer, before: Option<&Answer>) -> chart::Numbers {
    let heads = learners.iter().flat_map(|(_, name)| [words::untouched(name), name.clone()]);
    let cell = |answer: &Answer, learner: usize, class: usize| {
        let p = answer.probabilities.get(learner).and_then(|p| p.get(class)).copied().unwrap_or(0.0);
        number::percent(p.into(), 1)
    };
    let row = |class| {
        let cells = (0..learners.len()).flat_map(|learner| [cell(before.unwrap_or(shown), learner, class), cell(shown, learner, class)]);
        [shown.label(class)].into_iter().chain(cells).collect()
    };
    chart::Numbers {
        columns: [words::CLASS.to_owned()].into_iter().chain(heads).collect(),
        rows: (0..shown.classes.len()).map(row).collect(),
    }
}
