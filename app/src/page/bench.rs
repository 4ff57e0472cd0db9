//! The test bench: one picture, corrupted and attacked, and what each learner makes of it.
//!
//! At most one question is under way; what the controls say when its answer comes is asked next, so a slider never builds a queue.

use leptos::prelude::*;
use sparring_core::attack::Norm;
use sparring_core::corrupt::Corruption;
use sparring_core::platform::parse_f64;
use sparring_figures::bars::bar;
use sparring_figures::html::{escape, table};
use sparring_figures::number;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{File, HtmlCanvasElement, ImageBitmap};

use super::canvas::{Raster, Stamp, context, learners, pixels, stamp};
use super::kit::{self, Input, holds, never, told, words as fixed};
use super::lab::Lab;
use super::tag::tag;
use crate::examine::{PixelChange, Said, Setup, answer, magnified, planes, rgba, sentence, worth_a_bar};
use crate::offers;
use crate::protocol::{AttackSettings, Command, Examination, Message, Picture};
use crate::words::bench as words;

/// More bars than this are a list, not a picture.
const MOST_BARS: usize = 10;

/// What was asked, and of which networks.
#[derive(Clone, PartialEq)]
struct Question {
    picture: Picture,
    /// Which of the visitor's own pictures.
    own: u32,
    corruption: Option<(Corruption, u8)>,
    attack: Option<AttackSettings>,
    stamp: Stamp,
}

impl Question {
    fn untouched(&self) -> Self {
        Self { corruption: None, attack: None, ..self.clone() }
    }
}

/// What came back.
#[derive(Clone)]
struct Answer {
    question: Question,
    bytes: Vec<u8>,
    extent: [usize; 3],
    probabilities: Vec<Vec<f32>>,
    truth: Option<usize>,
    classes: Vec<String>,
    count: usize,
}

impl Answer {
    /// The `i`th picture that came with it: the original, the corrupted one, then each learner's.
    fn picture(&self, i: usize) -> Option<&[u8]> {
        let size = self.extent.iter().product::<usize>();
        self.bytes.get(i * size..(i + 1) * size)
    }
    fn raster(&self, planes: &[u8]) -> Raster {
        let [channels, height, width] = self.extent;
        Raster { width, height, rgba: rgba(planes, channels) }
    }
    fn change(&self, learner: usize) -> Option<PixelChange> {
        Some(PixelChange::between(self.picture(1)?, self.picture(2 + learner)?))
    }
    /// One factor for all learners, so that their changes compare.
    fn factor(&self) -> u8 {
        let changes = (0..self.probabilities.len()).filter_map(|i| self.change(i));
        changes.max_by_key(|c| c.most).map_or(1, PixelChange::factor)
    }
}

#[derive(Clone, Copy)]
struct Bench {
    lab: Lab,
    setup: RwSignal<Setup>,
    stamp: Memo<Option<Stamp>>,
    /// How many own pictures there were.
    owns: RwSignal<u32>,
    unreadable: RwSignal<bool>,
    /// What is under way, and since when.
    flight: StoredValue<Option<(Question, f64)>>,
    asked: StoredValue<u32>,
    /// The answer to the picture as it is.
    untouched: RwSignal<Option<Answer>>,
    shown: RwSignal<Option<Answer>>,
    took: RwSignal<Option<f64>>,
}

fn now() -> f64 {
    window().performance().map_or(0.0, |p| p.now())
}

impl Bench {
    fn new(lab: Lab) -> Self {
        Self {
            lab,
            setup: lab.setup,
            stamp: stamp(lab),
            owns: RwSignal::new(0),
            unreadable: RwSignal::new(false),
            flight: StoredValue::new(None),
            asked: StoredValue::new(0),
            untouched: RwSignal::new(None),
            shown: RwSignal::new(None),
            took: RwSignal::new(None),
        }
    }

    fn wanted(self) -> Option<Question> {
        let stamp = self.stamp.get()?;
        let (corruption, attack) = self.setup.with(|s| (s.corruption(), s.attack()));
        let picture = self.lab.bench.get();
        let own = if picture == Picture::Own { self.owns.get() } else { 0 };
        Some(Question { picture, own, corruption, attack, stamp })
    }

    /// Asks what is not known yet, unless an answer is on its way.
    fn ask(self, wanted: Option<Question>) {
        let Some(wanted) = wanted else {
            self.flight.set_value(None);
            return;
        };
        if self.flight.with_value(Option::is_some) {
            return;
        }
        let known =
            |answer: RwSignal<Option<Answer>>, q: &Question| answer.with_untracked(|a| a.as_ref().is_some_and(|a| a.question == *q));
        let untouched = wanted.untouched();
        let question = if !known(self.untouched, &untouched) {
            untouched
        } else if known(self.shown, &wanted) {
            return;
        } else if wanted == untouched {
            self.shown.set(self.untouched.get_untracked());
            return;
        } else {
            wanted
        };
        let id = self.asked.get_value().wrapping_add(1);
        self.asked.set_value(id);
        let attachment = match question.picture {
            Picture::Own => self.lab.own.with_untracked(|bytes| js_sys::Uint8Array::from(&bytes[..]).into()),
            Picture::Test(_) => JsValue::UNDEFINED,
        };
        let Question { picture, corruption, attack, .. } = question;
        self.flight.set_value(Some((question, now())));
        self.lab.ask(&Command::Examine(Examination { id, picture, corruption, attack }), attachment);
    }

    fn hear(self, message: &Message, attachment: &JsValue) {
        let Message::Examined { id, extent, probabilities, label, classes, count, .. } = message else { return };
        if *id != Some(self.asked.get_value()) {
            return;
        }
        let Some((question, since)) = self.flight.try_update_value(Option::take).flatten() else { return };
        if probabilities.is_empty() {
            // Another dataset's picture lay here.
            if self.lab.bench.get_untracked() != Picture::Test(0) {
                self.lab.bench.set(Picture::Test(0));
            }
            return;
        }
        let untouched = question == question.untouched();
        let answer = Answer {
            question,
            bytes: js_sys::Uint8Array::new(attachment).to_vec(),
            extent: *extent,
            probabilities: probabilities.clone(),
            truth: label.map(usize::from),
            classes: classes.clone(),
            count: *count,
        };
        self.took.set(Some(now() - since));
        if untouched {
            self.untouched.set(Some(answer));
        } else {
            self.shown.set(Some(answer));
        }
        self.ask(untrack(move || self.wanted()));
    }

    fn count(self) -> usize {
        self.untouched.with(|a| a.as_ref().map_or(0, |a| a.count))
    }
    fn index(self) -> u32 {
        match self.lab.bench.get() {
            Picture::Test(index) => index,
            Picture::Own => 0,
        }
    }
    fn go(self, index: f64) {
        let count = untrack(move || self.count()).max(1) as f64;
        self.lab.bench.set(Picture::Test(index.rem_euclid(count) as u32));
    }

    fn take(self, file: File) {
        let extent = self.untouched.with_untracked(|a| a.as_ref().map_or([3, 32, 32], |a| a.extent));
        spawn_local(async move {
            let bytes = small_picture(&file, extent).await;
            self.unreadable.set(bytes.is_none());
            if let Some(bytes) = bytes {
                self.lab.own.set(bytes);
                self.owns.update(|n| *n += 1);
                self.lab.bench.set(Picture::Own);
            }
        });
    }

    /// From the shown answer and the one to the untouched picture of the same networks, where that is another.
    fn told<T>(self, tell: impl Fn(&Answer, Option<&Answer>) -> T) -> Option<T> {
        self.shown.with(|shown| {
            let shown = shown.as_ref()?;
            self.untouched.with(|before| {
                let same = |b: &&Answer| b.question != shown.question && b.question == shown.question.untouched();
                Some(tell(shown, before.as_ref().filter(same)))
            })
        })
    }
}

/// Decodes a file in the browser: its centred square, at the extent of the learners' pictures.
async fn small_picture(file: &File, [channels, height, width]: [usize; 3]) -> Option<Vec<u8>> {
    let promise = window().create_image_bitmap_with_blob(file).ok()?;
    let bitmap: ImageBitmap = JsFuture::from(promise).await.ok()?.dyn_into().ok()?;
    let canvas: HtmlCanvasElement = document().create_element("canvas").ok()?.dyn_into().ok()?;
    canvas.set_width(width as u32);
    canvas.set_height(height as u32);
    let context = context(&canvas)?;
    let (w, h) = (f64::from(width as u32), f64::from(height as u32));
    let (across, down) = (f64::from(bitmap.width()), f64::from(bitmap.height()));
    let side = across.min(down);
    context.set_fill_style_str("#fff");
    context.fill_rect(0.0, 0.0, w, h);
    let (left, top) = ((across - side) / 2.0, (down - side) / 2.0);
    context.draw_image_with_image_bitmap_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(&bitmap, left, top, side, side, 0.0, 0.0, w, h).ok()?;
    Some(planes(&context.get_image_data(0.0, 0.0, w, h).ok()?.data().0, channels))
}

/// A picture over its caption.
fn figure(
    raster: Signal<Option<Raster>>,
    label: Signal<String>,
    testid: &'static str,
    caption: Signal<String>,
    caption_id: &'static str,
) -> AnyView {
    let pixels = pixels(raster, label, testid);
    tag("figure").put(pixels).put(tag("figcaption").is("data-testid", caption_id).told(caption).view()).view()
}

/// The place.
pub fn bench(lab: Lab) -> AnyView {
    let bench = Bench::new(lab);
    lab.listen(move |message, attachment| bench.hear(message, attachment));
    on_cleanup(move || lab.listen(|_, _| {}));
    kit::effect(move || bench.ask(bench.wanted()));
    let somebody = holds(move || bench.stamp.with(Option::is_some));
    let learners = learners(lab);
    let sentence = told(move || {
        let names = learners.get();
        bench
            .told(|shown, before| {
                let said: Vec<_> = names
                    .iter()
                    .zip(&shown.probabilities)
                    .enumerate()
                    .map(|(i, ((_, learner), p))| {
                        let now = answer(p);
                        let before = before.and_then(|b| b.probabilities.get(i)).map(|p| answer(p));
                        Said { learner, before, now, probability: p.get(now).copied().unwrap_or(0.0) }
                    })
                    .collect();
                sentence(&said, &shown.classes, shown.truth, shown.question.attack.is_some())
            })
            .unwrap_or_default()
    });
    let truth = told(move || {
        let truth = bench.untouched.with(|a| a.as_ref().map(|a| words::truth(a.truth.and_then(|t| a.classes.get(t)).map(String::as_str))));
        truth.unwrap_or_default()
    });
    let shared = move |i: usize| Signal::derive(move || bench.shown.with(|a| a.as_ref().and_then(|a| Some(a.raster(a.picture(i)?)))));
    let numbers = told(move || {
        let names = learners.get();
        bench.told(|shown, before| numbers(&names, shown, before)).unwrap_or_default()
    });
    let took = told(move || bench.took.get().map(|ms| words::took(ms, learners.with(Vec::len))).unwrap_or_default());
    let shown = move || {
        let pair = vec![
            figure(shared(0), fixed(words::BEFORE), "bench-before", fixed(words::BEFORE), ""),
            figure(shared(1), fixed(words::AFTER), "bench-after", fixed(words::AFTER), ""),
            kit::says("quiet", "", truth),
        ];
        let cards = move || learners.get().into_iter().enumerate().map(|(i, (tone, name))| card(bench, i, tone, name)).collect();
        let answers = kit::made(Box::new(move || kit::part("answers", cards())));
        kit::part(
            "",
            vec![
                chooser(bench),
                kit::part("setup", vec![kit::part("pair", pair), corrupting(bench), attacking(bench)]),
                kit::announces("verdict", "bench-sentence", sentence),
                answers,
                kit::says("quiet", "", fixed(words::TICK)),
                kit::says("quiet", "bench-took", took),
                kit::behind(words::NUMBERS, words::NUMBERS, "bench-numbers", numbers),
            ],
        )
    };
    let nobody = holds(move || !somebody.get());
    let waits = kit::made_when(nobody, move || super::canvas::nobody(lab, words::NOBODY, words::SOON, words::TRAIN));
    kit::part("card bench", vec![kit::heading(words::TITLE), waits, kit::made_when(somebody, shown)])
}

/// Which picture.
fn chooser(bench: Bench) -> AnyView {
    let button = move |label: &'static str, testid: &'static str, to: fn(f64, f64) -> f64| {
        kit::button("", testid, fixed(label), never(), move || {
            bench.go(to(f64::from(untrack(|| bench.index())), untrack(|| bench.count()) as f64))
        })
    };
    let number = Input { kind: "number", label: words::TEST_IMAGE, testid: "bench-index", min: "0", max: "", step: "1" };
    let number = kit::input(number, told(move || bench.index().to_string()), fixed(""), never(), move |text| {
        let index = parse_f64(&text);
        index.into_iter().for_each(|index| bench.go(index.max(0.0)));
        index.is_some()
    });
    let unreadable = told(move || if bench.unreadable.get() { words::NOT_A_PICTURE.into() } else { String::new() });
    let own = vec![
        kit::says("quiet", "", fixed(words::OWN_ABOUT)),
        kit::file(words::OWN, "bench-file", "image/*", never(), move |file| bench.take(file)),
        kit::says("note", "", unreadable),
    ];
    let content = vec![
        kit::field("row", fixed(words::TEST_IMAGE), told(move || words::of(bench.count())), "", number),
        button(words::PREVIOUS, "bench-previous", |at, _| at - 1.0),
        button(words::NEXT, "bench-next", |at, _| at + 1.0),
        // Any other, never the same again: 1 to count - 1 further.
        button(words::RANDOM, "bench-random", |at, count| at + 1.0 + (js_sys::Math::random() * (count - 1.0)).floor().max(0.0)),
        kit::folded("", words::OWN, own),
    ];
    tag("div").is("class", "row chooser").is("role", "group").is("aria-label", words::PICTURE).all(content).view()
}

/// A slider of the setup.
fn slider(
    setup: RwSignal<Setup>,
    label: &'static str,
    of: Input,
    disabled: Signal<bool>,
    value: fn(&mut Setup) -> &mut u32,
    show: fn(&Setup) -> String,
) -> AnyView {
    let read = told(move || setup.with(|s| value(&mut s.clone()).to_string()));
    let text = told(move || setup.with(show));
    let input = kit::input(of, read, text, disabled, move |text| {
        let number = text.parse().ok();
        number.into_iter().for_each(|n| setup.update(|s| *value(s) = n));
        number.is_some()
    });
    kit::field("field", fixed(label), text, "", input)
}

fn range(testid: &'static str, min: &'static str, max: &'static str) -> Input {
    Input { kind: "range", label: "", testid, min, max, step: "1" }
}

fn doing(legend: &'static str, content: Vec<AnyView>) -> AnyView {
    tag("fieldset").is("class", "doing").put(tag("legend").text(legend).view()).all(content).view()
}

fn corrupting(bench: Bench) -> AnyView {
    let setup = bench.setup;
    let kinds = kit::choices(&offers::corruptions());
    let kind = kit::select("", "bench-kind", fixed(kinds), told(move || setup.with(|s| s.kind.name().into())), never(), move |name| {
        if let Ok(kind) = name.parse() {
            // A kind at no severity would show nothing of it.
            setup.update(|s| (s.kind, s.severity) = (kind, if s.severity == 0 { 3 } else { s.severity }));
        }
    });
    let severity =
        slider(setup, words::SEVERITY, range("bench-severity", "0", "5"), never(), |s| &mut s.severity, |s| words::severity(s.severity));
    doing(words::CORRUPT, vec![kit::field("field", fixed(words::KIND), fixed(""), "", kind), severity])
}

fn attacking(bench: Bench) -> AnyView {
    let setup = bench.setup;
    const NORMS: [Option<Norm>; 3] = [None, Some(Norm::Linf), Some(Norm::L2)];
    let name = |norm: Option<Norm>| norm.map_or("none", Norm::name);
    let norms = kit::options(NORMS.map(|n| (name(n), words::norm(n))));
    let norm = kit::select("", "bench-norm", fixed(norms), told(move || setup.with(|s| name(s.norm).into())), never(), move |name| {
        setup.update(|s| s.norm = name.parse().ok());
    });
    let idle = holds(move || setup.with(|s| s.norm.is_none()));
    let epsilon: fn(&mut Setup) -> &mut u32 = |s| if s.norm == Some(Norm::L2) { &mut s.eps_l2 } else { &mut s.eps_linf };
    let content = vec![
        kit::field("field", fixed(words::NORM), fixed(""), "", norm),
        slider(setup, words::EPSILON, range("bench-epsilon", "0", "64"), idle, epsilon, |s| words::epsilon(s.norm, s.eps_linf, s.eps_l2)),
        slider(setup, words::STEPS, range("bench-steps", "1", "50"), idle, |s| &mut s.steps, |s| words::steps(s.steps)),
        kit::says("quiet", "", told(move || setup.with(|s| words::allowed(s.norm, s.eps_linf, s.eps_l2)))),
    ];
    doing(words::ATTACK, content)
}

/// One learner: its answer, what it saw, what its own attack changed.
fn card(bench: Bench, index: usize, tone: &'static str, name: String) -> AnyView {
    let attacked = holds(move || bench.shown.with(|a| a.as_ref().is_some_and(|a| a.picture(2 + index).is_some())));
    let factor = move || bench.shown.with(|a| a.as_ref().map_or(1, Answer::factor));
    let saw = Signal::derive(move || bench.shown.with(|a| a.as_ref().and_then(|a| Some(a.raster(a.picture(2 + index)?)))));
    let change = Signal::derive(move || {
        bench.shown.with(|a| {
            let a = a.as_ref()?;
            Some(a.raster(&magnified(a.picture(1)?, a.picture(2 + index)?, a.factor())))
        })
    });
    let changed = told(move || {
        bench
            .shown
            .with(|a| a.as_ref().and_then(|a| a.change(index)).map(|c| words::changed(c.most, c.share, c.length)))
            .unwrap_or_default()
    });
    let (of, of_change) = (name.clone(), name.clone());
    let bars = told(move || bench.told(|shown, before| bars(&of, index, shown, before)).unwrap_or_default());
    let label = fixed(words::saw(&name));
    let pair = vec![
        figure(saw, label, "bench-saw", label, ""),
        figure(
            change,
            told(move || words::change_for(&of_change, factor())),
            "bench-change",
            told(move || words::magnified(factor())),
            "bench-factor",
        ),
        kit::says("quiet", "bench-changed", changed),
    ];
    let content = vec![kit::when(attacked, "pair", pair), kit::html("", "bench-bars", bars)];
    let heading = name.clone();
    let section = tag("section").is("class", format!("answer {tone}")).is("aria-label", name).is("data-testid", "bench-learner");
    section.put(tag("h3").text(heading).view()).all(content).view()
}

/// The answer of a learner as a table whose cells are bars.
fn bars(name: &str, learner: usize, shown: &Answer, before: Option<&Answer>) -> String {
    let Some(p) = shown.probabilities.get(learner) else { return String::new() };
    let before = before.and_then(|b| b.probabilities.get(learner));
    let mut out = format!("<table class=\"bars\"><caption class=\"visually-hidden\">{}</caption><tbody>", escape(name));
    let given = answer(p);
    for class in worth_a_bar(p, shown.truth, MOST_BARS) {
        let label = shown.classes.get(class).map_or("?", String::as_str);
        let label = if shown.truth == Some(class) { words::true_class(label) } else { label.to_owned() };
        let ticks: Vec<_> = before.and_then(|b| b.get(class)).map(|b| (f64::from(*b), "tick")).into_iter().collect();
        let share = f64::from(p[class]);
        let row = if class == given { "<tr class=\"given\">" } else { "<tr>" };
        out.push_str(&format!(
            "{row}<th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
            escape(&label),
            bar(share, &ticks),
            number::percent(share, 0)
        ));
    }
    out.push_str("</tbody></table>");
    out
}

/// Every probability, before and now.
fn numbers(names: &[(&'static str, String)], shown: &Answer, before: Option<&Answer>) -> String {
    let untouched: Vec<String> = names.iter().map(|(_, name)| words::untouched(name)).collect();
    let mut heads = vec![words::CLASS];
    for ((_, name), untouched) in names.iter().zip(&untouched) {
        heads.extend([untouched.as_str(), name]);
    }
    let cell = |answer: &Answer, learner: usize, class: usize| {
        let p = answer.probabilities.get(learner).and_then(|p| p.get(class)).copied().unwrap_or(0.0);
        number::percent(p.into(), 1)
    };
    let row = |(class, label): (usize, &String)| {
        let label = if shown.truth == Some(class) { words::true_class(label) } else { label.clone() };
        let mut cells = vec![escape(&label)];
        for learner in 0..names.len() {
            cells.extend([cell(before.unwrap_or(shown), learner, class), cell(shown, learner, class)]);
        }
        cells
    };
    table(words::TABLE, &heads, shown.classes.iter().enumerate().map(row))
}
