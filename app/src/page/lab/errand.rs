//! What the trainer is asked for beside a race: the networks that ship, pictures of a run that is shown, an archive that is brought.
//!
//! Where it does not come nobody loses what is on screen.

use leptos::prelude::*;
use sparring_core::config::ExperimentConfig;
use sparring_core::data::DatasetName;

use super::{Lab, Phase};
use crate::model::names::in_words;
use crate::model::replay::{Recording, Source};
use crate::protocol::{Command, Failure};

/// What is asked for.
#[derive(Clone)]
pub(super) enum Errand {
    /// The networks that ship with this run, and the run that was shown when they were asked for.
    Networks { of: Recording, before: Option<(Recording, Source)> },
    /// Pictures for a run that is shown; whether its networks are open.
    Pictures { opened: bool },
    /// CIFAR-10 as a file of the visitor's own; where the lab was before.
    Archive { before: Phase },
}

impl Lab {
    /// Opens the networks that ship with a run, as they were at its end.
    pub fn open_trained(self, run: Recording) {
        let Some(name) = run.networks().map(str::to_owned) else { return };
        let config = ExperimentConfig { device: self.config.with_untracked(|form| form.device), ..run.config.clone() };
        let before = self.player.with_untracked(|player| player.recording().cloned().map(|run| (run, player.source())));
        self.past.set(Vec::new());
        self.enter(config.clone(), &Command::OpenTrained { name, config: Box::new(config) });
        self.errand.set_value(Some(Errand::Networks { of: run, before }));
    }
    /// Asks for test pictures of an experiment that is shown; `fetch`: also where its dataset is not at hand.
    pub fn ask_pictures(self, of: ExperimentConfig, samples: Vec<u32>, fetch: bool) {
        if fetch {
            let opened = self.phase.with_untracked(|phase| *phase == Phase::Finished);
            self.errand.set_value(Some(Errand::Pictures { opened }));
        }
        self.send(&Command::WatchedPictures { of: Box::new(of), samples, fetch });
    }

    /// The networks that ship are open: their race is shown, at its end.
    pub(super) fn opened(self, of: Recording) {
        self.phase.set(Phase::Ready);
        self.show(of, Source::Recorded, false);
        self.phase.set(Phase::Finished);
    }

    /// What was asked for has come, or will not: nothing is waited for any more, and what was shown before is shown again.
    pub(super) fn back(self) {
        let errand = self.errand.try_update_value(Option::take).flatten();
        self.phase.set(match &errand {
            Some(Errand::Pictures { opened: true }) => Phase::Finished,
            Some(Errand::Archive { before: before @ (Phase::Finished | Phase::Stopped) }) => before.clone(),
            _ => Phase::Ready,
        });
        if let Some(Errand::Networks { of, before }) = errand {
            // Those that are opened without being asked for are not fetched again and again.
            self.without_trained.update_value(|without| *without |= of.config.dataset != DatasetName::Cifar10);
            self.started.set(None);
            before.into_iter().for_each(|(run, source)| self.show(run, source, false));
        }
    }

    /// What was asked for does not come; why, where nobody stopped it.
    pub(super) fn in_vain(self, why: Option<Failure>) {
        let archive = self.errand.with_value(|errand| matches!(errand, Some(Errand::Archive { .. })));
        self.back();
        if why.is_some() && !archive {
            // The trainer has let go of what it had.
            self.phase.set(Phase::Ready);
        }
        self.remark.set(why.map(|failure| in_words(&failure.words())));
    }
}
