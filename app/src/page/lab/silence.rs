//! A trainer that does not answer: the page says so, and the visitor decides whether to wait.
//!
//! Nothing but silence is heard of one that ended where the browser has no locks, of one that hangs, and of one that has much to do. So
//! words come soon where nothing is under way, and late where a piece of work may well be long; they go when it answers; and it is never
//! ended by itself.

use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::{Lab, Phase};
use crate::bridge::Bridge;
use crate::protocol::{Failure, Message, WayOn};
use crate::words::ring as words;

/// Seconds of silence of a trainer that has nothing to do.
const IDLE: u32 = 3;
/// The same while something may be under way: a step of a large network on a slow processor takes tens of seconds.
const BUSY: u32 = 30;

/// Who does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silent {
    /// The trainer.
    pub trainer: bool,
    /// Somebody who shares its race.
    pub members: bool,
}

impl Lab {
    /// Hears for how many seconds one of the two has not answered. Each of the two lengths is met once, so that words that were closed come
    /// again at most once.
    pub(super) fn heed(self, seconds: u32, whose: fn(&mut Silent) -> &mut bool) {
        // After a reset the last slice of the old race may still be under way.
        let idle = self.phase.with_untracked(|p| *p == Phase::Ready) && !self.resetting.get_value();
        if seconds == 0 || seconds == BUSY || idle && seconds == IDLE {
            self.silent.update(|silent| *whose(silent) = seconds > 0);
        }
    }
    /// Whether that is to be said; what failed has its own words and ways on.
    pub fn unanswered(self) -> bool {
        self.silent.get() != Silent::default() && !self.phase.with(|p| matches!(p, Phase::Failed(_)))
    }
    /// Gives the trainer up. Where nothing was under way a new one comes at once, else what was lost is said.
    pub fn give_up(self) {
        self.bridge.with_value(Bridge::end);
        if self.phase.with_untracked(|p| matches!(p, Phase::Starting | Phase::Ready)) {
            self.connect(None);
        } else {
            let failure = Failure::new(words::TRAINER_STOPPED, words::TRAINER_GIVEN_UP, &[WayOn::Retry, WayOn::UseQuickLook]);
            self.hear(Message::Died(failure), &JsValue::UNDEFINED);
        }
    }
}
