//! Asks the learners about the picture on the bench, and keeps what they answer.
//!
//! At most one question is under way; what the controls say when its answer comes is asked next, so a slider never builds a queue.

use leptos::prelude::*;
use sparring_core::corrupt::Corruption;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{File, HtmlCanvasElement, ImageBitmap};

use crate::model::examine::{PixelChange, Setup, magnified, planes, rgba};
use crate::page::canvas::{Raster, Stamp, context, stamp};
use crate::page::lab::Lab;
use crate::protocol::{AttackSettings, Command, Examination, Message, Picture};
use crate::words::bench as words;

/// So many pictures are looked at, at most, for one that all learners get right.
const MOST_SOUGHT: usize = 200;

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
    /// The same of the picture as it is.
    fn untouched(&self) -> Self {
        Self { corruption: None, attack: None, ..self.clone() }
    }
}

/// A question that is under way.
struct Flight {
    question: Question,
    /// The number that its answer has.
    id: u32,
    /// When it was asked, milliseconds.
    since: f64,
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    question: Question,
    bytes: Vec<u8>,
    extent: [usize; 3],
    /// Of every class, from each learner.
    pub probabilities: Vec<Vec<f32>>,
    /// The true class, where anybody knows it.
    pub truth: Option<usize>,
    /// What the classes are called.
    pub classes: Vec<String>,
    /// How many test images there are.
    count: usize,
}

impl Answer {
    /// The `i`th picture that came with it: the original, the corrupted one, then each learner's.
    fn picture(&self, i: usize) -> Option<&[u8]> {
        let size = self.extent.iter().product::<usize>();
        self.bytes.get(i * size..(i + 1) * size)
    }
    /// What a learner's own attack made of the picture; there is none without an attack.
    fn attacked(&self, learner: usize) -> Option<&[u8]> {
        self.picture(2 + learner)
    }
    fn raster(&self, planes: &[u8]) -> Raster {
        let [channels, height, width] = self.extent;
        Raster { width, height, rgba: rgba(planes, channels) }
    }
    /// Whether every learner finds the true class the likeliest.
    fn all_right(&self) -> bool {
        let likeliest = |of: &Vec<f32>| (0..of.len()).max_by(|a, b| of[*a].total_cmp(&of[*b]));
        self.truth.is_some() && self.probabilities.iter().all(|of| likeliest(of) == self.truth)
    }
    /// The picture as it was, for a canvas.
    pub fn before(&self) -> Option<Raster> {
        self.picture(0).map(|planes| self.raster(planes))
    }
    /// The picture after its corruption, for a canvas.
    pub fn after(&self) -> Option<Raster> {
        self.picture(1).map(|planes| self.raster(planes))
    }
    /// What a learner saw, for a canvas.
    pub fn saw(&self, learner: usize) -> Option<Raster> {
        self.attacked(learner).map(|planes| self.raster(planes))
    }
    /// What its attack changed, magnified, for a canvas.
    pub fn changes(&self, learner: usize) -> Option<Raster> {
        Some(self.raster(&magnified(self.picture(1)?, self.attacked(learner)?, self.factor())))
    }
    /// The size of what its attack changed.
    pub fn change(&self, learner: usize) -> Option<PixelChange> {
        Some(PixelChange::between(self.picture(1)?, self.attacked(learner)?))
    }
    /// By how much changes are magnified: one factor for all learners, so that theirs compare.
    pub fn factor(&self) -> u8 {
        let changes = (0..self.probabilities.len()).filter_map(|i| self.change(i));
        changes.max_by_key(|c| c.most).map_or(1, PixelChange::factor)
    }
    /// Whether it is one to an attacked picture.
    pub fn is_attacked(&self) -> bool {
        self.question.attack.is_some()
    }
    /// What a class is called in a list.
    pub fn label(&self, class: usize) -> String {
        let label = self.classes.get(class).map_or("?", String::as_str);
        if self.truth == Some(class) { words::true_class(label) } else { label.to_owned() }
    }
}

/// What is on the bench, what was asked of it and what was answered.
#[derive(Clone, Copy)]
pub struct Examiner {
    lab: Lab,
    /// How the controls stand.
    pub setup: RwSignal<Setup>,
    stamp: Memo<Option<Stamp>>,
    /// How many own pictures there were.
    owns: RwSignal<u32>,
    /// Whether the last file was no picture.
    pub unreadable: RwSignal<bool>,
    /// How many pictures may still be looked at for one that all learners get right; 0 where none is looked for.
    sought: StoredValue<usize>,
    /// What is under way.
    flight: StoredValue<Option<Flight>>,
    /// The answer to the picture as it is.
    pub untouched: RwSignal<Option<Answer>>,
    /// The answer that is shown.
    pub shown: RwSignal<Option<Answer>>,
    /// How long the last answer took, milliseconds.
    pub took: RwSignal<Option<f64>>,
}

fn now() -> f64 {
    window().performance().map_or(0.0, |p| p.now())
}

impl Examiner {
    /// Asks at once, and whenever controls, picture or networks have changed.
    pub fn new(lab: Lab) -> Self {
        let examiner = Self {
            lab,
            setup: lab.setup,
            stamp: stamp(lab),
            owns: RwSignal::new(0),
            unreadable: RwSignal::new(false),
            sought: StoredValue::new(0),
            flight: StoredValue::new(None),
            untouched: RwSignal::new(None),
            shown: RwSignal::new(None),
            took: RwSignal::new(None),
        };
        lab.listen(move |message, attachment| examiner.hear(message, attachment));
        on_cleanup(move || lab.listen(|_, _| {}));
        Effect::new(move || examiner.ask(examiner.wanted()));
        examiner
    }

    /// Whether there is a learner to ask.
    pub fn has_learners(self) -> bool {
        self.stamp.with(Option::is_some)
    }

    /// What the controls ask for.
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
        let id = self.lab.next_question();
        let attachment = match question.picture {
            Picture::Own => self.lab.own.with_untracked(|bytes| js_sys::Uint8Array::from(&bytes[..]).into()),
            Picture::Test(_) => JsValue::UNDEFINED,
        };
        let Question { picture, corruption, attack, .. } = question;
        self.flight.set_value(Some(Flight { question, id, since: now() }));
        self.lab.ask(&Command::Examine(Examination { id, picture, corruption, attack }), attachment);
    }

    /// Takes an answer in.
    fn hear(self, message: &Message, attachment: &JsValue) {
        let Message::Examined { id, extent, probabilities, label, classes, count, .. } = message else { return };
        // Of a question that nobody waits for any more an answer may still come.
        let of_flight = |flight: &mut Option<Flight>| flight.take_if(|flight| Some(flight.id) == *id);
        let Some(Flight { question, since, .. }) = self.flight.try_update_value(of_flight).flatten() else { return };
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
            let here = answer.question.picture == self.lab.bench.get_untracked();
            self.untouched.set(Some(answer));
            if here {
                self.seek_on();
            }
        } else {
            self.shown.set(Some(answer));
        }
        self.ask(untrack(move || self.wanted()));
    }

    /// How many test images there are.
    pub fn count(self) -> usize {
        self.untouched.with(|a| a.as_ref().map_or(0, |a| a.count))
    }
    /// Which of them lies on the bench.
    pub fn index(self) -> u32 {
        match self.lab.bench.get() {
            Picture::Test(index) => index,
            Picture::Own => 0,
        }
    }
    /// To another of them; behind the last comes the first.
    pub fn go(self, index: f64) {
        self.sought.set_value(0);
        self.lay(index);
    }
    /// To the next one that all learners get right.
    pub fn seek(self) {
        let count = untrack(move || self.count());
        if count > 1 {
            self.sought.set_value((count - 1).min(MOST_SOUGHT));
            self.lay(f64::from(untrack(move || self.index())) + 1.0);
        }
    }
    /// Looks further where the picture that was just answered is not the one that is looked for.
    fn seek_on(self) {
        let left = self.sought.get_value();
        if left == 0 {
            return;
        }
        let known = self.untouched.with_untracked(|answer| answer.as_ref().is_none_or(Answer::all_right));
        self.sought.set_value(if known { 0 } else { left - 1 });
        if !known && left > 1 {
            self.lay(f64::from(untrack(move || self.index())) + 1.0);
        } else if !known {
            self.lab.remark.set(Some(words::none_known(untrack(move || self.count()).saturating_sub(1).min(MOST_SOUGHT))));
        }
    }
    fn lay(self, index: f64) {
        let count = untrack(move || self.count()).max(1) as f64;
        self.lab.bench.set(Picture::Test(index.rem_euclid(count) as u32));
    }

    /// Puts a visitor's own picture on the bench.
    pub fn take(self, file: File) {
        let extent = self.untouched.with_untracked(|a| a.as_ref().map_or([3, 32, 32], |a| a.extent));
        spawn_local(async move {
            let bytes = small_picture(&file, extent).await;
            self.sought.set_value(0);
            self.unreadable.set(bytes.is_none());
            if let Some(bytes) = bytes {
                self.lab.own.set(bytes);
                self.owns.update(|n| *n += 1);
                self.lab.bench.set(Picture::Own);
            }
        });
    }

    /// From the shown answer and the one to the untouched picture of the same networks, where that is another.
    pub fn told<T>(self, tell: impl Fn(&Answer, Option<&Answer>) -> T) -> Option<T> {
        self.shown.with(|shown| {
            let shown = shown.as_ref()?;
            self.untouched.with(|before| {
                let same = |b: &&Answer| b.question != shown.question && b.question == shown.question.untouched();
                Some(tell(shown, before.as_ref().filter(same)))
            })
        })
    }
    /// From the shown answer.
    pub fn of_shown<T>(self, tell: impl Fn(&Answer) -> Option<T>) -> Option<T> {
        self.shown.with(|shown| shown.as_ref().and_then(tell))
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
