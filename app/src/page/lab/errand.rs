//! What the trainer is asked for beside a race: the networks that ship, and pictures of a run that is shown.
//!
//! Where it does not come nobody loses what is on screen.

use leptos::prelude::*;
use sparring_core::config::ExperimentConfig;

use super::{Lab, Phase};
use crate::model::names::in_words;
use crate::model::replay::{Player, Recording, Source};
use crate::page::entries;
use crate::protocol::{Command, Failure};
use crate::words::runs as words;

/// What is asked for.
#[derive(Clone)]
pub(super) enum Errand {
    /// The networks that ship with this run, and what was shown when they were asked for.
    Networks { of: Recording, before: Box<Player> },
    /// Pictures for a run that is shown.
    Pictures,
}

impl Lab {
    /// Opens the networks that ship with a run, as they were at its end.
    pub fn open_trained(self, run: Recording) {
        let config = ExperimentConfig { device: self.config.with_untracked(|form| form.device), ..run.config.clone() };
        let before = Box::new(self.player.get_untracked());
        self.past.set(Vec::new());
        self.enter(config.clone(), &Command::OpenTrained { config: Box::new(config) });
        self.errand.set_value(Some(Errand::Networks { of: run, before }));
    }
    /// Asks for test pictures of an experiment that is shown; `fetch`: also where its dataset is not at hand.
    pub fn ask_pictures(self, of: ExperimentConfig, samples: Vec<u32>, fetch: bool) {
        if fetch {
            self.errand.set_value(Some(Errand::Pictures));
        }
        self.send(&Command::WatchedPictures { of: Box::new(of), samples, fetch });
    }

    /// The networks that ship are open: their race is shown, at its end.
    pub(super) fn opened(self, of: Recording) {
        self.remark.set(Some(words::trained(&of.name, &of.device.name, entries::day(&of))));
        self.phase.set(Phase::Ready);
        self.show(of, Source::Recorded, false);
        self.phase.set(Phase::Finished);
    }

    /// What was asked for beside a race does not come; why, where nobody stopped it. What was shown before is shown again.
    pub(super) fn in_vain(self, why: Option<Failure>) {
        self.phase.set(Phase::Ready);
        if let Some(Errand::Networks { before, .. }) = self.errand.try_update_value(Option::take).flatten() {
            self.without_trained.set_value(true);
            self.started.set(None);
            before.recording().cloned().into_iter().for_each(|run| self.show(run, before.source(), false));
        }
        self.remark.set(why.map(|failure| in_words(&failure.words())));
    }
}
