//! What the worker says, as it changes the lab's state.

use leptos::prelude::*;
use sparring_figures::number;
use wasm_bindgen::JsValue;

use super::{Errand, Lab, Opened, Phase};
use crate::model::bout::Pictures;
use crate::model::estimate::Work;
use crate::page::entries;
use crate::page::place::Place;
use crate::protocol::{Message, SMALL_BATCH, WayOn};
use crate::words::runs as words;

impl Lab {
    /// Takes in what the worker says.
    pub(super) fn hear(self, message: Message, attachment: &JsValue) {
        if self.resetting.get_value() {
            match message {
                Message::Stopped => self.resetting.set_value(false),
                Message::Ready { device, note } => self.ready(Opened { info: device, note }),
                Message::Timed { flops, moved, seconds } => self.timed.set(Some((Work { flops, moved }, seconds))),
                Message::Died(failure) => self.phase.set(Phase::Failed(failure)),
                Message::Silent { seconds } => self.heed(seconds, |silent| &mut silent.trainer),
                _ => {}
            }
            return;
        }
        match message {
            Message::Booted | Message::Here | Message::Checkpoint => {}
            Message::Silent { seconds } => self.heed(seconds, |silent| &mut silent.trainer),
            Message::MembersSilent { seconds } => self.heed(seconds, |silent| &mut silent.members),
            Message::Ready { device, note } => self.ready(Opened { info: device, note }),
            Message::Timed { flops, moved, seconds } => self.timed.set(Some((Work { flops, moved }, seconds))),
            Message::Loading(loading) => self.phase.set(Phase::Loading(loading)),
            Message::Events(events) => {
                let mut finished = false;
                self.race.update(|race| {
                    for event in events {
                        finished |= matches!(event, sparring_core::Event::Finished { .. });
                        race.apply(&event);
                    }
                });
                if finished {
                    self.phase.set(Phase::Finished);
                    self.next_seed();
                }
            }
            Message::Trained => {
                if let Some(Errand::Networks { of, .. }) = self.errand.try_update_value(Option::take).flatten() {
                    self.opened(of);
                }
            }
            Message::Resumed => self.phase.set(Phase::Training),
            Message::Paused => self.phase.set(Phase::Paused),
            Message::Stopped if self.errand.with_value(Option::is_some) => self.in_vain(None),
            Message::Failed(failure) if self.errand.with_value(Option::is_some) => self.in_vain(Some(failure)),
            Message::Stopped => {
                // Where a run is shown again it was not a race that was stopped.
                let own = self.started.with_untracked(Option::is_some) && self.race.with_untracked(|r| !r.tracks.is_empty());
                self.phase.set(if own { Phase::Stopped } else { Phase::Ready });
            }
            Message::ArchiveKept { train, test, refused } => {
                self.remark.set(Some(refused.unwrap_or_else(|| {
                    format!(
                        "CIFAR-10 kept in this browser: {} training and {} test images.",
                        number::count(train as u64),
                        number::count(test as u64)
                    )
                })));
                self.back();
            }
            // A long run is a long text, which is read where it is looked at, and else once the race is over.
            Message::Kept { .. } if self.place.get_untracked() == Place::Runs || !self.phase.with_untracked(Phase::busy) => {
                entries::refresh(self.runs, self.looks);
            }
            Message::Kept { .. } => {}
            Message::NotKept { why } => self.remark.set(Some(words::not_kept(&why))),
            Message::WatchedPictures { of, samples, extent, classes } => {
                let bytes = js_sys::Uint8Array::new(attachment).to_vec();
                self.shots.set(Pictures::read(of, &samples, extent, classes, &bytes));
                // They were fetched for a run that is shown.
                if self.phase.with_untracked(|p| matches!(p, Phase::Loading(_))) && self.started.with_untracked(Option::is_none) {
                    self.back();
                }
            }
            // The places of the lab that asked hear of it.
            Message::Samples { .. }
            | Message::Pictures { .. }
            | Message::Examined { .. }
            | Message::Inside(_)
            | Message::Weights { .. } => {
                self.heard.with_value(|hear| hear(&message, attachment));
            }
            Message::Failed(mut failure) | Message::Died(mut failure) => {
                // A batch that is small already is no way on.
                let small = self.config.with_untracked(|c| c.batch_size <= SMALL_BATCH);
                failure.ways.retain(|way| !small || *way != WayOn::UseSmallBatch);
                // It died over something that was asked for beside a race: what was shown stays.
                if self.errand.with_value(Option::is_some) {
                    self.back();
                }
                self.phase.set(Phase::Failed(failure));
                // What can be gone on with.
                entries::refresh(self.runs, self.looks);
            }
        }
    }

    fn ready(self, opened: Opened) {
        self.device.set(Some(opened));
        // For app/web/offline.js, which waits for the first one. An event of our own: nobody refuses it.
        let _ = web_sys::Event::new("sparring-ready").and_then(|event| window().dispatch_event(&event));
        if self.phase.with_untracked(|p| *p == Phase::Starting) {
            self.phase.set(Phase::Ready);
        }
    }
}
