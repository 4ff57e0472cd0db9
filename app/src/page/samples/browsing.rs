//! What the samples know: the learners' answers, the pictures that have come, what is shown of them, and the image that was chosen.
//!
//! Answers are asked for when the networks have changed, one question at a time; pictures once each.

use std::collections::BTreeMap;

use leptos::prelude::*;
use sparring_figures::bars::shares;
use sparring_figures::number;
use wasm_bindgen::JsValue;

use crate::model::bout::two;
use crate::model::gallery::{Filter, Guess, History, Order, Samples, Tile, Who, picture};
use crate::page::canvas::{Stamp, learners, stamp};
use crate::page::lab::Lab;
use crate::protocol::{Command, Message, Picture};
use crate::words::samples as words;

/// Pictures that one more press shows.
const PAGE: usize = 36;

/// What came back of the answers.
#[derive(Clone, PartialEq)]
pub struct Answered {
    /// The answers themselves.
    pub samples: Samples,
    /// What the hardness is called; empty where there is none.
    pub score: String,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// Channels, height and width of a picture.
    pub extent: [usize; 3],
    /// The epochs that were done.
    pub epoch: u32,
}

/// The images that are shown, and how many there are of those asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// Their indices, in order.
    pub images: Vec<u32>,
    /// How many there are.
    pub count: usize,
}

/// What is said of the image that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The image.
    pub index: u32,
    /// Its true class.
    pub truth: usize,
    /// The name of that class.
    pub class: String,
    /// Why it is hard; empty without a score.
    pub why: String,
}

/// What one learner takes the chosen image for.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The learner's name.
    pub learner: String,
    /// Its likeliest classes.
    pub guesses: Vec<Guess>,
    /// How probable it finds the true one.
    pub truth: String,
}

/// The samples as a person looks through them.
#[derive(Clone, Copy)]
pub struct Browsing {
    lab: Lab,
    /// The networks as they are; `None` where there are none to ask.
    pub stamp: Memo<Option<Stamp>>,
    learners: Memo<Vec<(&'static str, String)>>,
    /// The networks that were asked about last, while their answers are on their way.
    flight: StoredValue<Option<Stamp>>,
    known: StoredValue<Option<Stamp>>,
    /// The answers, once they are there.
    pub answered: RwSignal<Option<Answered>>,
    /// Which images are wanted.
    pub filter: RwSignal<Filter>,
    most: RwSignal<usize>,
    /// Data URLs of the pictures that have come.
    pictures: RwSignal<BTreeMap<u32, String>>,
    asked: StoredValue<Vec<u32>>,
    /// The chosen image through the epochs.
    pub history: RwSignal<Option<History>>,
}

impl Browsing {
    /// Begins; it ends with the owner that it begins in.
    pub fn begin(lab: Lab) -> Self {
        let (dense, sparse) = untrack(move || lab.race.with(two));
        let browsing = Self {
            lab,
            stamp: stamp(lab),
            learners: learners(lab),
            flight: StoredValue::new(None),
            known: StoredValue::new(None),
            answered: RwSignal::new(None),
            filter: RwSignal::new(Filter { who: Who::All, sparse, dense, class: None, bin: None, order: Order::Hardest }),
            most: RwSignal::new(PAGE),
            pictures: RwSignal::new(BTreeMap::new()),
            asked: StoredValue::new(Vec::new()),
            history: RwSignal::new(None),
        };
        lab.listen(move |message, attachment| browsing.hear(message, attachment));
        on_cleanup(move || {
            lab.listen(|_, _| {});
            lab.ask(&Command::Watch { picture: None }, JsValue::UNDEFINED);
        });
        Effect::new(move |_| {
            let two = lab.race.with(two);
            browsing.filter.update_untracked(|f| (f.dense, f.sparse) = two);
            browsing.ask(browsing.stamp.get());
        });
        // Another race may have other images.
        let race = Memo::new(move |_| lab.race.with(|r| r.config_hash.clone()));
        Effect::watch(move || race.track(), move |(), _, _| browsing.forget(), false);
        browsing
    }
    fn forget(self) {
        self.answered.set(None);
        self.history.set(None);
        self.pictures.set(BTreeMap::new());
        self.asked.set_value(Vec::new());
    }
    fn ask(self, wanted: Option<Stamp>) {
        if wanted.is_none() {
            // Of a race that is gone no answer comes.
            self.flight.set_value(None);
        }
        let busy = self.flight.with_value(Option::is_some);
        if wanted.is_some() && !busy && self.known.with_value(|k| *k != wanted) {
            self.flight.set_value(wanted);
            self.lab.ask(&Command::Samples, JsValue::UNDEFINED);
        }
    }
    fn hear(self, message: &Message, attachment: &JsValue) {
        let bytes = || js_sys::Uint8Array::new(attachment).to_vec();
        match message {
            Message::Samples { count, score, classes, extent, epoch } => {
                let learners = self.lab.race.with_untracked(|r| r.tracks.len());
                if let Some(samples) = Samples::read(&bytes(), *count, learners) {
                    let answered = Answered { samples, score: score.clone(), classes: classes.clone(), extent: *extent, epoch: *epoch };
                    self.answered.set(Some(answered));
                }
                self.known.set_value(self.flight.try_update_value(Option::take).flatten());
                self.ask(untrack(move || self.stamp.get()));
            }
            Message::Pictures { indices } => {
                let Some(extent) = self.answered.with_untracked(|a| a.as_ref().map(|a| a.extent)) else { return };
                let (bytes, size) = (bytes(), extent.iter().product::<usize>());
                self.pictures.update(|all| {
                    for (index, planes) in indices.iter().zip(bytes.chunks_exact(size.max(1))) {
                        all.insert(*index, picture(planes, extent));
                    }
                });
            }
            Message::Examined { id: None, picture: Picture::Test(index), epoch, probabilities, .. } => {
                // Of the one before an answer may still come.
                self.history.update(|h| h.iter_mut().filter(|h| h.index == *index).for_each(|h| h.push(*epoch, probabilities.clone())));
            }
            _ => {}
        }
    }
    /// The images that are shown now.
    pub fn shown(self) -> Shown {
        let all = self.answered.with(|a| a.as_ref().map(|a| self.filter.with(|f| a.samples.select(f))).unwrap_or_default());
        let count = all.len();
        Shown { images: all.into_iter().take(self.most.get()).collect(), count }
    }
    /// Shows a page more of them.
    pub fn show_more(self) {
        self.most.update(|n| *n += PAGE);
    }
    /// Shows others.
    pub fn change(self, edit: impl FnOnce(&mut Filter)) {
        self.most.set(PAGE);
        self.filter.update(edit);
    }
    /// Asks for the pictures that have not come.
    pub fn fetch(self, mut indices: Vec<u32>) {
        indices.retain(|i| self.asked.with_value(|asked| !asked.contains(i)));
        if !indices.is_empty() {
            self.asked.update_value(|asked| asked.extend(&indices));
            self.lab.ask(&Command::Pictures { indices }, JsValue::UNDEFINED);
        }
    }
    /// Looks closer at an image.
    pub fn choose(self, index: u32) {
        self.history.set(Some(History { index, ..History::default() }));
        self.lab.bench.set(Picture::Test(index));
        self.lab.ask(&Command::Watch { picture: Some(index) }, JsValue::UNDEFINED);
    }
    /// The names of the sparse learner and of the dense one, which are told apart.
    pub fn names(self) -> (String, String) {
        let (dense, sparse) = self.lab.race.with(two);
        self.learners.with(|all| {
            let name = |i: usize| all.get(i).map_or_else(|| "?".to_owned(), |learner| learner.1.clone());
            (name(sparse), name(dense))
        })
    }
    /// A picture's data URL; empty until it has come.
    pub fn url(self, index: u32) -> String {
        self.pictures.with(|all| all.get(&index).cloned().unwrap_or_default())
    }
    /// How an image stands in the gallery.
    pub fn tile(self, index: u32) -> Tile {
        let of = |a: &Answered| self.learners.with(|learners| Tile::of(&a.samples, index, &a.classes, learners));
        self.answered.with(|a| a.as_ref().map(of)).unwrap_or_default()
    }
    /// The image that was chosen.
    pub fn chosen(self) -> Option<Chosen> {
        let index = self.history.with(|h| h.as_ref().map(|h| h.index))?;
        let of = |Answered { samples, score, classes, .. }: &Answered| {
            let i = index as usize;
            let truth = usize::from(samples.labels.get(i).copied().unwrap_or(0));
            let class = classes.get(truth).map_or("?", String::as_str).to_owned();
            let value = samples.scores.get(i).copied().unwrap_or(0.0);
            let below = samples.scores.iter().filter(|s| **s < value).count() as f64 / samples.scores.len().max(1) as f64;
            let why = if score.is_empty() { String::new() } else { words::hardness(score, value, below) };
            Chosen { index, truth, class, why }
        };
        self.answered.with(|a| a.as_ref().map(of))
    }
    /// What each learner takes the chosen image for.
    pub fn taken(self, truth: usize) -> Vec<Taken> {
        let guesses = self.answered.with(|a| {
            let classes = a.as_ref().map(|a| a.classes.as_slice()).unwrap_or_default();
            self.history.with(|h| h.as_ref().map(|h| h.confusions(classes, truth)).unwrap_or_default())
        });
        let probability = |l: usize| {
            let last = self.history.with(|h| h.as_ref().and_then(|h| h.of(l, truth).last().copied()));
            last.map(|p| number::percent(p.1, 1)).unwrap_or_default()
        };
        let taken =
            |((l, (_, name)), guesses): ((usize, &(&str, String)), _)| Taken { learner: name.clone(), guesses, truth: probability(l) };
        self.learners.with(|all| all.iter().enumerate().zip(guesses).map(taken).collect())
    }
    /// The chart of how probable each learner finds the chosen image's class, as SVG.
    pub fn course(self, chosen: &Chosen) -> String {
        let epochs = self.lab.race.with(|r| f64::from(r.epochs));
        let line = |learner| self.history.with(|h| h.as_ref().map(|h| h.of(learner, chosen.truth)).unwrap_or_default());
        let lines: Vec<_> = self.learners.with(|all| all.iter().enumerate().map(|(l, (tone, _))| (*tone, line(l))).collect());
        shares(&words::probability(&chosen.class), (0.0, epochs), &lines)
    }
}
