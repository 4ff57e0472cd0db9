//! What is known of the inside: which learner and layer are looked at, and what the worker said of their mask and weights.
//!
//! The numbers of the layers are those of the events; only mask and histogram are asked for, one question at a time, again at each
//! topology update.

use leptos::prelude::*;
use wasm_bindgen::JsValue;

use crate::model::race::LearnerView;
use crate::page::canvas::{Stamp, stamp};
use crate::page::lab::Lab;
use crate::protocol::{Command, Inside, Message};

/// A look into one layer of one learner.
#[derive(Clone, Copy)]
pub struct Looking {
    /// The lab.
    pub lab: Lab,
    /// The networks as they are; `None` where there are none to ask.
    pub stamp: Memo<Option<Stamp>>,
    /// What a person chose; the first sparse learner otherwise.
    pub chosen: RwSignal<Option<usize>>,
    /// What a person chose; the first layer that is not full otherwise.
    pub chosen_layer: RwSignal<Option<usize>>,
    /// What was asked last, while its answer is on its way.
    flight: StoredValue<Option<(usize, usize, Stamp)>>,
    /// The answer and what it was asked for.
    seen: RwSignal<Option<(Inside, Stamp)>>,
}

/// "layer1.0.conv1.weight" without what every name has.
pub fn short(name: &str) -> &str {
    name.strip_suffix(".weight").unwrap_or(name)
}

/// Whether a learner has a mask.
pub fn is_sparse(learner: LearnerView) -> bool {
    learner.info.learner != "dense"
}

impl Looking {
    /// Begins; it ends with the owner that it begins in.
    pub fn begin(lab: Lab) -> Self {
        let looking = Self {
            lab,
            stamp: stamp(lab),
            chosen: RwSignal::new(None),
            chosen_layer: RwSignal::new(None),
            flight: StoredValue::new(None),
            seen: RwSignal::new(None),
        };
        lab.listen(move |message, _| looking.hear(message));
        on_cleanup(move || lab.listen(|_, _| {}));
        Effect::new(move |_| looking.ask(looking.wanted()));
        looking
    }
    /// The learner, by its place in the race.
    pub fn learner(self) -> usize {
        let count = self.lab.race.with(|r| r.tracks.len());
        let chosen = self.chosen.get().filter(|i| *i < count);
        chosen.unwrap_or_else(|| self.lab.race.with(|r| r.learners().position(is_sparse).unwrap_or(0)))
    }
    /// The layer, by its place in the network.
    pub fn layer(self) -> usize {
        let chosen = self.chosen_layer.get();
        let of = |l: LearnerView| {
            let layers = &l.now.layers;
            chosen.filter(|i| *i < layers.len()).or_else(|| layers.iter().position(|l| l.active < l.total))
        };
        self.with(of).flatten().unwrap_or(0)
    }
    /// Tells of the learner.
    pub fn with<T>(self, tell: impl Fn(LearnerView) -> T) -> Option<T> {
        let learner = self.learner();
        self.lab.race.with(|r| r.learner(learner).map(tell))
    }
    /// What the layer is called.
    pub fn layer_name(self) -> String {
        let layer = self.layer();
        self.with(|l| l.now.layers.get(layer).map(|l| short(&l.name).to_owned())).flatten().unwrap_or_default()
    }
    /// What the learner is called.
    pub fn label(self) -> String {
        self.with(|l| l.name()).unwrap_or_default()
    }
    fn wanted(self) -> Option<(usize, usize, Stamp)> {
        Some((self.learner(), self.layer(), self.stamp.get()?))
    }
    fn ask(self, wanted: Option<(usize, usize, Stamp)>) {
        let Some(wanted) = wanted else {
            self.flight.set_value(None);
            return;
        };
        let known = self.seen.with_untracked(|seen| {
            seen.as_ref().is_some_and(|(inside, stamp)| (inside.learner, inside.layer, stamp) == (wanted.0, wanted.1, &wanted.2))
        });
        if known || self.flight.with_value(Option::is_some) {
            return;
        }
        let (learner, layer) = (wanted.0, wanted.1);
        self.flight.set_value(Some(wanted));
        self.lab.ask(&Command::Inside { learner, layer }, JsValue::UNDEFINED);
    }
    fn hear(self, message: &Message) {
        let Message::Inside(inside) = message else { return };
        let Some((learner, layer, stamp)) = self.flight.try_update_value(Option::take).flatten() else { return };
        if (inside.learner, inside.layer) == (learner, layer) {
            self.seen.set(Some((inside.clone(), stamp)));
        }
        self.ask(untrack(move || self.wanted()));
    }
    /// Tells of the mask and the weights of the layer, once they are there.
    pub fn seen<T>(self, tell: impl Fn(&Inside) -> T) -> Option<T> {
        let (learner, layer) = (self.learner(), self.layer());
        self.seen.with(|s| s.as_ref().map(|s| &s.0).filter(|i| (i.learner, i.layer) == (learner, layer)).map(tell))
    }
}
