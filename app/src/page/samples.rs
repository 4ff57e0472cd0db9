//! The samples: a gallery of test images by hardness and by who is right, and one image through the epochs.
//!
//! Answers are asked for when the networks have changed, one question at a time; pictures once each.

use leptos::prelude::*;
use sparring_figures::bars::shares;
use sparring_figures::html::{escape, table};
use sparring_figures::number;
use wasm_bindgen::{JsCast, JsValue};

use super::canvas::{Stamp, learners, stamp};
use super::kit::{self, holds, never, told, words as fixed};
use super::lab::Lab;
use super::tag::tag;
use crate::gallery::{self, Filter, History, Order, Samples, Who, picture};
use crate::protocol::{Command, Message, Picture};
use crate::words::samples as words;

/// Pictures that one more press shows.
const PAGE: usize = 36;

/// What came back of the answers.
#[derive(Clone, PartialEq)]
struct Answered {
    samples: Samples,
    score: String,
    classes: Vec<String>,
    extent: [usize; 3],
    epoch: u32,
}

#[derive(Clone, Copy)]
struct Browsing {
    lab: Lab,
    stamp: Memo<Option<Stamp>>,
    learners: Memo<Vec<(&'static str, String)>>,
    /// The networks that were asked about last, while their answers are on their way.
    flight: StoredValue<Option<Stamp>>,
    known: StoredValue<Option<Stamp>>,
    answered: RwSignal<Option<Answered>>,
    filter: RwSignal<Filter>,
    most: RwSignal<usize>,
    /// Data URLs of the pictures that have come.
    pictures: RwSignal<Vec<(u32, String)>>,
    asked: StoredValue<Vec<u32>>,
    history: RwSignal<Option<History>>,
}

impl Browsing {
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
                        all.push((*index, picture(planes, extent)));
                    }
                });
            }
            Message::Examined { id: None, epoch, probabilities, .. } => {
                self.history.update(|h| h.iter_mut().for_each(|h| h.push(*epoch, probabilities.clone())));
            }
            _ => {}
        }
    }
    /// The images that are shown now, and how many there are.
    fn shown(self) -> (Vec<u32>, usize) {
        let all = self.answered.with(|a| a.as_ref().map(|a| self.filter.with(|f| a.samples.select(f))).unwrap_or_default());
        let count = all.len();
        (all.into_iter().take(self.most.get()).collect(), count)
    }
    /// Asks for the pictures that have not come.
    fn fetch(self, mut indices: Vec<u32>) {
        indices.retain(|i| self.asked.with_value(|asked| !asked.contains(i)));
        if !indices.is_empty() {
            self.asked.update_value(|asked| asked.extend(&indices));
            self.lab.ask(&Command::Pictures { indices }, JsValue::UNDEFINED);
        }
    }
    fn choose(self, index: u32) {
        self.history.set(Some(History { index, ..History::default() }));
        self.lab.bench.set(Picture::Test(index));
        self.lab.ask(&Command::Watch { picture: Some(index) }, JsValue::UNDEFINED);
    }
    /// How the learners are drawn, and called.
    fn names(self) -> (Vec<&'static str>, Vec<String>) {
        self.learners.get().into_iter().unzip()
    }
}

/// The picture's data URL; empty until it has come.
fn url(pictures: &[(u32, String)], index: u32) -> String {
    pictures.iter().find(|p| p.0 == index).map(|p| p.1.clone()).unwrap_or_default()
}

/// The dense learner and the first sparse one: the two that are told apart. Without one of a kind, the first two.
fn two(lab: Lab) -> (usize, usize) {
    lab.race.with(|r| {
        let of = |dense: bool| r.tracks.iter().position(|l| !l.info.control && (l.info.learner == "dense") == dense);
        let dense = of(true).unwrap_or(0);
        (dense, of(false).filter(|s| *s != dense).unwrap_or(1))
    })
}

/// The browsing.
pub fn samples(lab: Lab) -> AnyView {
    let (dense, sparse) = untrack(move || two(lab));
    let browsing = Browsing {
        lab,
        stamp: stamp(lab),
        learners: learners(lab),
        flight: StoredValue::new(None),
        known: StoredValue::new(None),
        answered: RwSignal::new(None),
        filter: RwSignal::new(Filter { who: Who::All, sparse, dense, class: None, bin: None, order: Order::Hardest }),
        most: RwSignal::new(PAGE),
        pictures: RwSignal::new(Vec::new()),
        asked: StoredValue::new(Vec::new()),
        history: RwSignal::new(None),
    };
    lab.listen(move |message, attachment| browsing.hear(message, attachment));
    on_cleanup(move || {
        lab.listen(|_, _| {});
        lab.ask(&Command::Watch { picture: None }, JsValue::UNDEFINED);
    });
    kit::effect(move || {
        let two = two(lab);
        browsing.filter.update_untracked(|f| (f.dense, f.sparse) = two);
        browsing.ask(browsing.stamp.get());
    });
    // Another race may have other images.
    let race = kit::memo(move || lab.race.with(|r| r.config_hash.clone()));
    Effect::watch(
        move || race.track(),
        move |(), _, _| {
            browsing.answered.set(None);
            browsing.history.set(None);
            browsing.pictures.set(Vec::new());
            browsing.asked.set_value(Vec::new());
        },
        false,
    );
    let shown = kit::memo(move || browsing.shown());
    kit::effect(move || browsing.fetch(shown.with(|s| s.0.clone())));
    let somebody = holds(move || browsing.stamp.with(Option::is_some));
    let nobody = holds(move || !somebody.get());
    let waits = kit::made_when(nobody, move || super::canvas::nobody(lab, words::NOBODY, words::SOON, words::TRAIN));
    let gallery = told(move || {
        let (tones, names) = browsing.names();
        let of = |a: &Answered| {
            browsing.pictures.with(|p| {
                let images: Vec<_> = shown.with(|s| s.0.iter().map(|i| (*i, url(p, *i))).collect());
                gallery::page(&a.samples, &images, &a.classes, &tones, &names)
            })
        };
        browsing.answered.with(|a| a.as_ref().map(of)).unwrap_or_default()
    });
    let found = told(move || {
        let of = |a: &Answered| words::found(shown.with(|s| s.1), a.samples.labels.len(), a.epoch);
        browsing.answered.with(|a| a.as_ref().map(of)).unwrap_or_else(|| words::ASKING.into())
    });
    let no_score = told(move || {
        let without = browsing.answered.with(|a| a.as_ref().is_some_and(|a| a.score.is_empty()));
        if without { words::NO_SCORE.into() } else { String::new() }
    });
    let chosen = move |ev: web_sys::Event| {
        let button = ev.target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()).and_then(|e| e.closest("[data-image]").ok().flatten());
        if let Some(index) = button.and_then(|b| b.get_attribute("data-image")).and_then(|i| i.parse().ok()) {
            browsing.choose(index);
        }
    };
    let body = move || {
        let pictures = kit::html("", "gallery", gallery);
        let more = kit::button("", "samples-more", fixed(words::MORE), never(), move || browsing.most.update(|n| *n += PAGE));
        kit::part(
            "",
            vec![
                filters(browsing),
                kit::announces("quiet", "samples-found", found),
                kit::says("quiet", "", no_score),
                detail(browsing),
                tag("div").on("click", chosen).put(pictures).view(),
                kit::when(holds(move || shown.with(|s| s.1 > s.0.len())), "row", vec![more]),
                kit::says("quiet", "", fixed(words::MARKS)),
                kit::says("quiet", "", fixed(words::OWN)),
            ],
        )
    };
    kit::part("card samples", vec![kit::heading(words::TITLE), waits, kit::made_when(somebody, body)])
}

/// What is shown first, and of which images.
fn filters(browsing: Browsing) -> AnyView {
    let filter = browsing.filter;
    let change = move |edit: &dyn Fn(&mut Filter)| {
        browsing.most.set(PAGE);
        filter.update(|f| edit(f));
    };
    let who = told(move || {
        let (dense, sparse) = two(browsing.lab);
        let (_, names) = browsing.names();
        let name = |i: usize| names.get(i).map_or("?", String::as_str);
        let all = words::who(name(sparse), name(dense));
        kit::options(all.iter().map(|(value, label)| (*value, label.as_str())))
    });
    let who = kit::select("", "samples-who", who, told(move || filter.with(|f| f.who.name().into())), never(), move |name| {
        change(&|f| f.who = name.parse().unwrap_or(Who::All));
    });
    let classes = told(move || {
        let names = browsing.answered.with(|a| a.as_ref().map(|a| a.classes.clone()).unwrap_or_default());
        let all: Vec<_> = names.iter().enumerate().map(|(i, name)| (i.to_string(), name)).collect();
        kit::options([("any", words::ANY_CLASS)].into_iter().chain(all.iter().map(|(i, name)| (i.as_str(), name.as_str()))))
    });
    let class = told(move || filter.with(|f| f.class.map_or("any".into(), |c| c.to_string())));
    let class = kit::select("", "samples-class", classes, class, never(), move |name| change(&|f| f.class = name.parse().ok()));
    let bin = told(move || filter.with(|f| f.bin.map_or("any".into(), |b| b.to_string())));
    let bin =
        kit::select("", "samples-bin", fixed(kit::options(words::BINS)), bin, never(), move |name| change(&|f| f.bin = name.parse().ok()));
    let order = told(move || filter.with(|f| f.order.name().into()));
    let order = kit::select("", "samples-order", fixed(kit::options(words::ORDERS)), order, never(), move |name| {
        change(&|f| f.order = name.parse().unwrap_or(Order::Hardest));
    });
    let field = |label, control| kit::field("field", fixed(label), fixed(""), "", control);
    kit::part("row choice", vec![field(words::WHO, who), field(words::BIN, bin), field(words::CLASS, class), field(words::ORDER, order)])
}

/// One image, through the epochs.
fn detail(browsing: Browsing) -> AnyView {
    let text = told(move || {
        let (tones, names) = browsing.names();
        let epochs = browsing.lab.race.with(|r| f64::from(r.epochs));
        let of = |a: &Answered, h: &History| {
            let i = h.index as usize;
            let truth = usize::from(a.samples.labels.get(i).copied().unwrap_or(0));
            let class = a.classes.get(truth).map_or("?", String::as_str);
            let score = a.samples.scores.get(i).copied().unwrap_or(0.0);
            let below = a.samples.scores.iter().filter(|s| **s < score).count() as f64 / a.samples.scores.len().max(1) as f64;
            let why = if a.score.is_empty() { String::new() } else { words::hardness(&a.score, score, below) };
            let lines: Vec<_> = tones.iter().enumerate().map(|(l, tone)| (*tone, h.of(l, truth))).collect();
            let confusions = h.confusions(&a.classes, truth);
            let probability = |l: usize| h.of(l, truth).last().map(|p| number::percent(p.1, 1)).unwrap_or_default();
            let rows: Vec<_> =
                names.iter().enumerate().zip(&confusions).map(|((l, name), c)| vec![escape(name), c.clone(), probability(l)]).collect();
            let chart = shares(&words::probability(class), (0.0, epochs), &lines);
            let numbers = table(words::NUMBERS, &words::COLUMNS, rows);
            format!(
                "<h3>{}</h3><div class=\"sample\"><img src=\"{}\" alt=\"{}\" width=\"192\" height=\"192\"/><div><p>{}</p>{numbers}<p class=\"quiet\">{}</p>{chart}<p><a href=\"#bench\">{}</a></p></div></div>",
                escape(&words::image(h.index, class)),
                browsing.pictures.with(|p| url(p, h.index)),
                escape(class),
                escape(&why),
                escape(&words::probability(class)),
                words::TO_BENCH
            )
        };
        browsing.answered.with(|a| browsing.history.with(|h| Some(of(a.as_ref()?, h.as_ref()?)))).unwrap_or_default()
    });
    let text = kit::html("detail", "sample", text);
    let is_open = holds(move || browsing.history.with(Option::is_some));
    tag("div").is("aria-live", "polite").flag("hidden", holds(move || !is_open.get())).put(text).view()
}
