//! A run that is played again: when each of its events is due, and what the ring knows at any place of it.
//!
//! Time is the training time that was measured, drawn out or shortened to a length; so a dense learner that was slower is slower here.
//! Without this in one place a replay and a race of one's own would be drawn by different rules.

use std::ops::Deref;
use std::sync::Arc;

use sparring_core::Event;
use sparring_core::config::{Adversarial, ExperimentConfig};
use sparring_core::data::DatasetName;
use sparring_core::hardness::Subset;
use sparring_core::record::run_file::{RunFile, Unreadable};

use crate::model::race::Race;
use crate::words::runs as words;

/// How long a replay lasts at speed 1, seconds.
pub const LENGTH: f64 = 30.0;
/// Speeds that can be chosen.
pub const SPEEDS: [f64; 4] = [0.5, 1.0, 2.0, 5.0];

/// Where a shown run comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// It ships with the page.
    #[default]
    Recorded,
    /// It was trained and kept in this browser.
    Kept,
    /// A file that was brought.
    Imported,
}

impl Source {
    /// In a word.
    pub fn label(self) -> &'static str {
        match self {
            Self::Recorded => words::RECORDED,
            Self::Kept => words::KEPT,
            Self::Imported => words::IMPORTED,
        }
    }
    /// Whose numbers these are, in a sentence.
    pub fn origin(self, device: &str, date: &str) -> String {
        match self {
            Self::Recorded => words::recorded_on(device, date),
            Self::Kept => words::kept_from(device, date),
            Self::Imported => words::brought_from(device, date),
        }
    }
}

/// A run that can be shown, and the same experiment with other seeds where these were recorded too.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The run that is shown.
    pub run: Arc<RunFile>,
    /// The other seeds: the bands of its curves.
    pub others: Vec<Arc<RunFile>>,
    /// What its file is called, where it ships with the page.
    pub file: Option<String>,
}

impl Recording {
    /// Reads a file of a run, or of a list of its seeds.
    ///
    /// # Errors
    /// As [`RunFile::read_all`].
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut runs = RunFile::read_all(bytes)?.into_iter().map(Arc::new);
        match runs.next() {
            Some(run) => Ok(Self { run, others: runs.collect(), file: None }),
            None => Err(Unreadable::NotARun("an empty list".into())),
        }
    }
    /// The same as a file of this name, which ships with the page.
    pub fn shipped_as(self, name: &str) -> Self {
        Self { file: Some(name.to_owned()), ..self }
    }
    /// The name under which its networks ship too, where they do.
    pub fn networks(&self) -> Option<&str> {
        self.file.as_deref().filter(|name| WITH_NETWORKS.contains(name))
    }
    /// All of its runs, the one that is shown first.
    pub fn runs(&self) -> impl Iterator<Item = &Arc<RunFile>> {
        std::iter::once(&self.run).chain(&self.others)
    }
}

impl From<RunFile> for Recording {
    fn from(run: RunFile) -> Self {
        Self { run: Arc::new(run), others: Vec::new(), file: None }
    }
}

impl Deref for Recording {
    type Target = RunFile;
    fn deref(&self) -> &RunFile {
        &self.run
    }
}

/// A run on the way through its events, or none.
#[derive(Clone, Debug, Default)]
pub struct Player {
    recording: Option<Recording>,
    source: Source,
    /// When each event is due, as a share of the whole; never falls.
    due: Vec<f64>,
    /// Seconds of training that the run took.
    trained: f64,
    /// The place, as a share.
    at: f64,
    /// Events the ring has heard.
    heard: usize,
    playing: bool,
    speed: f64,
}

/// When each event is due, in seconds of training: progress takes what its steps took, everything else comes with it. Learners shared
/// one device, so their times add up.
fn times(events: &[Event]) -> Vec<f64> {
    let mut places: Vec<(u32, usize)> = Vec::new();
    let mut now = 0.0;
    let each = events.iter().map(|event| {
        if let Event::Started { learners, .. } = event {
            places = vec![(0, 0); learners.len()];
        }
        if let Event::Progress { learner, epoch, step, ms_per_step, .. } = event
            && let Some(place) = places.get_mut(*learner)
        {
            let steps = step.saturating_sub(if place.0 == *epoch { place.1 } else { 0 });
            *place = (*epoch, *step);
            now += steps as f64 * ms_per_step.max(0.0) / 1000.0;
        }
        now
    });
    each.collect()
}

/// Name of the recorded run of a first visit, which anybody can train: its images are drawn by code.
pub const FIRST: &str = "builtin";
/// Recorded runs whose networks ship too.
const WITH_NETWORKS: [&str; 7] =
    [FIRST, "cifar10", "lesson-hard-samples", "lesson-sparse", "lesson-who-wins", "lesson-clean", "lesson-attacked"];

/// Name of the recorded run that belongs to an experiment.
pub fn recording(config: &ExperimentConfig) -> &'static str {
    if config.norm != Adversarial::None {
        "attack"
    } else if !config.corruption.is_empty() {
        "corruption"
    } else if config.dataset == DatasetName::BuiltIn {
        FIRST
    } else if config.dataset == DatasetName::Cifar10 && config.subset == Subset::All {
        "cifar10"
    } else {
        "nature"
    }
}

impl Player {
    /// A run at its beginning.
    pub fn new(recording: Recording, source: Source) -> Self {
        let mut due = times(&recording.events);
        let trained = due.last().copied().unwrap_or(0.0);
        let count = due.len().max(1) as f64;
        for (i, time) in due.iter_mut().enumerate() {
            // Where no time was measured, events come evenly.
            *time = if trained > 0.0 && trained.is_finite() { *time / trained } else { i as f64 / count };
        }
        Self { recording: Some(recording), source, due, trained, speed: 1.0, ..Self::default() }
    }
    /// The run that is shown.
    pub fn run(&self) -> Option<&Arc<RunFile>> {
        self.recording.as_ref().map(|recording| &recording.run)
    }
    /// The run with its other seeds.
    pub fn recording(&self) -> Option<&Recording> {
        self.recording.as_ref()
    }
    /// Its other seeds, each as far as the shown race is: after the same epoch, or at its end.
    pub fn others(&self, race: &Race) -> Vec<Race> {
        let others = self.recording.iter().flat_map(|recording| &recording.others);
        match race.common_epoch() {
            Some(_) if race.summary.is_some() => others.map(|run| Race::of(&run.events)).collect(),
            Some(epoch) => others.map(|run| Race::until(&run.events, epoch)).collect(),
            None => Vec::new(),
        }
    }
    /// Where it comes from.
    pub fn source(&self) -> Source {
        self.source
    }
    /// Seconds of training that it took.
    pub fn trained(&self) -> f64 {
        self.trained
    }
    /// The place, 0 to 1.
    pub fn at(&self) -> f64 {
        self.at
    }
    /// Whether it goes on by itself.
    pub fn playing(&self) -> bool {
        self.playing
    }
    /// How fast.
    pub fn speed(&self) -> f64 {
        self.speed
    }
    /// Another speed.
    pub fn set_speed(&mut self, speed: f64) {
        self.speed = speed.clamp(SPEEDS[0], SPEEDS[SPEEDS.len() - 1]);
    }
    /// Play or hold; at the end, from the beginning.
    pub fn toggle(&mut self, race: &mut Race) {
        if !self.playing && self.at >= 1.0 {
            self.seek(0.0, race);
        }
        self.playing = !self.playing && self.recording.is_some();
    }
    /// Time goes by, in seconds.
    pub fn tick(&mut self, seconds: f64, race: &mut Race) {
        if self.playing {
            self.seek(self.at + seconds * self.speed / LENGTH, race);
            self.playing = self.at < 1.0;
        }
    }
    /// Brings the ring to a place: forward by what is due until there, back from the beginning.
    pub fn seek(&mut self, at: f64, race: &mut Race) {
        let Some(recording) = &self.recording else { return };
        self.at = at.clamp(0.0, 1.0);
        let end = if self.at >= 1.0 { self.due.len() } else { self.due.partition_point(|due| *due <= self.at) };
        if end < self.heard || self.heard == 0 {
            *race = Race::default();
            self.heard = 0;
        }
        recording.events[self.heard..end].iter().for_each(|event| race.apply(event));
        self.heard = end;
        // It is not this device's memory that is taken.
        race.forget_memory();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::model::presets::Preset;
    use crate::model::race::Curve;
    use crate::model::race::tests::{epoch_end, info};
    use sparring_core::device::info::DeviceInfo;
    use sparring_core::events::Summary;

    fn progress(learner: usize, epoch: u32, step: usize, ms_per_step: f64) -> Event {
        Event::Progress { learner, epoch, step, steps: 10, loss: 2.0, accuracy: 0.25, ms_per_step }
    }

    /// Two learners, the first three times as slow; two epochs.
    fn run(slow: f64) -> Recording {
        let device = DeviceInfo { name: "d".into(), backend: "cpu".into(), ..DeviceInfo::default() };
        let learners = vec![info("dense", false), info("set@0.2", false)];
        let config_hash = "0".into();
        let mut events = vec![Event::Started {
            learners,
            device: device.clone(),
            epochs: 2,
            config_hash,
            device_bytes: 9_000,
            judged_by: None,
            watched: Vec::new(),
        }];
        for epoch in 0..2 {
            for step in [5, 10] {
                events.extend([progress(0, epoch, step, 3.0 * slow), progress(1, epoch, step, slow)]);
            }
            events.extend([epoch_end(0, epoch + 1, 0.4, 100), epoch_end(1, epoch + 1, 0.5, 100)]);
        }
        events.push(Event::Finished { summary: Summary { learners: Vec::new(), verdict: "v".into() } });
        Recording::from(RunFile {
            sparring_run: 1,
            name: "n".into(),
            config: ExperimentConfig::default(),
            config_hash: "0".into(),
            device,
            version: String::new(),
            commit: String::new(),
            system: String::new(),
            date: String::new(),
            seconds: 1.0,
            events,
        })
    }

    #[test]
    fn events_are_due_when_training_had_come_to_them() {
        let run = run(100.0);
        let times = times(&run.events);
        assert_eq!(times[0], 0.0);
        assert!((times[1] - 1.5).abs() < 1e-9 && (times[2] - 2.0).abs() < 1e-9, "{times:?}");
        assert!(times.is_sorted() && (times.last().unwrap() - 8.0).abs() < 1e-9, "{times:?}");
        let player = Player::new(run, Source::Recorded);
        assert!((player.trained() - 8.0).abs() < 1e-9 && (player.due[1] - 1.5 / 8.0).abs() < 1e-9);
    }

    #[test]
    fn half_of_the_time_is_the_first_epoch_and_the_end_is_all_of_it() {
        let (mut player, mut race) = (Player::new(run(100.0), Source::Recorded), Race::default());
        player.seek(0.0, &mut race);
        assert_eq!((race.tracks.len(), race.reports, race.device_bytes), (2, 0, 0));
        player.seek(0.5, &mut race);
        assert_eq!((race.common_epoch(), race.summary.is_some()), (Some(1), false));
        player.seek(1.0, &mut race);
        assert_eq!((race.common_epoch(), race.progress()), (Some(2), 1.0));
        let all = race.learner(1).unwrap().points(Curve::Hard);
        // Back and forth leads to the same place.
        player.seek(0.3, &mut race);
        assert_eq!(race.common_epoch(), None);
        player.seek(1.0, &mut race);
        assert_eq!(race.learner(1).unwrap().points(Curve::Hard), all);
    }

    #[test]
    fn other_seeds_stand_after_the_same_epoch_their_controls_too() {
        let mut events = vec![Event::Started {
            learners: vec![info("dense", false), info("set@0.2", false), info("dense", true)],
            device: DeviceInfo::default(),
            epochs: 3,
            config_hash: "0".into(),
            device_bytes: 0,
            judged_by: None,
            watched: Vec::new(),
        }];
        for epoch in 1..=3 {
            events.extend((0..3).map(|learner| epoch_end(learner, epoch, 0.1 * f64::from(epoch), 100)));
        }
        events.push(Event::Finished { summary: Summary { learners: Vec::new(), verdict: "v".into() } });
        let shown = run(1.0);
        let other = RunFile { events, ..(*shown.run).clone() };
        let recording = Recording { others: vec![Arc::new(other)], ..shown };
        let (mut player, mut race) = (Player::new(recording, Source::Recorded), Race::default());
        player.seek(0.0, &mut race);
        assert!(player.others(&race).is_empty(), "nothing is to be compared yet");
        player.seek(0.6, &mut race);
        assert_eq!(race.common_epoch(), Some(1));
        let [other] = player.others(&race).try_into().unwrap();
        let done: Vec<u32> = other.tracks.iter().map(|track| track.epochs_done()).collect();
        assert_eq!((done, other.summary.is_some()), (vec![1, 1, 1], false));
        player.seek(1.0, &mut race);
        assert!(player.others(&race)[0].summary.is_some());
    }

    #[test]
    fn it_plays_at_its_speed_to_its_end_and_again() {
        let (mut player, mut race) = (Player::new(run(1.0), Source::Kept), Race::default());
        player.tick(1.0, &mut race);
        assert!(race.tracks.is_empty(), "nothing plays before it is asked to");
        player.toggle(&mut race);
        player.tick(LENGTH / 4.0, &mut race);
        assert!((player.at() - 0.25).abs() < 1e-9 && player.playing());
        player.set_speed(2.0);
        player.tick(LENGTH / 4.0, &mut race);
        assert!((player.at() - 0.75).abs() < 1e-9);
        player.toggle(&mut race);
        player.tick(LENGTH, &mut race);
        assert!((player.at() - 0.75).abs() < 1e-9, "held");
        player.toggle(&mut race);
        player.tick(LENGTH, &mut race);
        assert!(player.at() == 1.0 && !player.playing() && race.summary.is_some());
        player.toggle(&mut race);
        assert!(player.at() == 0.0 && player.playing() && race.summary.is_none());
    }

    #[test]
    fn a_run_without_times_is_played_evenly_and_no_run_plays_not_at_all() {
        let (mut player, mut race) = (Player::new(run(0.0), Source::Imported), Race::default());
        player.seek(0.5, &mut race);
        assert!(race.reports > 2 && race.reports < 10, "{}", race.reports);
        let mut none = Player::default();
        none.toggle(&mut race);
        none.seek(1.0, &mut race);
        assert!(!none.playing() && none.run().is_none());
    }

    #[test]
    fn the_runs_that_ship_are_whole_of_their_scenario_and_light() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/runs");
        let index: Vec<String> = serde_json::from_str(&std::fs::read_to_string(folder.join("index.json")).unwrap()).unwrap();
        let mut total = 0;
        for name in &index {
            let bytes = std::fs::read(folder.join(name)).unwrap();
            total += bytes.len();
            let run = Recording::read(&bytes).unwrap();
            let seeds: Vec<u64> = run.runs().map(|run| run.config.seed).collect();
            assert!(seeds.windows(2).all(|pair| pair[0] < pair[1]), "{name}: {seeds:?}");
            for other in run.runs() {
                assert_eq!((other.extent(), &other.commit), ((run.config.epochs, true), &run.commit), "{name}");
                assert_eq!(ExperimentConfig { seed: run.config.seed, ..other.config.clone() }, run.config, "{name}");
            }
            assert_eq!(run.extent(), (run.config.epochs, true), "{name}");
            assert_eq!(format!("{}.json", recording(&run.config)), *name);
            assert!(!run.device.name.is_empty() && !run.commit.is_empty() && run.config_hash == run.config.hash().unwrap(), "{name}");
            let (mut player, mut race) = (Player::new(run, Source::Recorded), Race::default());
            player.seek(1.0, &mut race);
            assert!(race.summary.is_some() && race.corners().count() == 2 && !race.watched.is_empty() && player.trained() > 10.0, "{name}");
        }
        assert!(index.len() == 5 && total < 1_000_000, "{total}");
        // The first is a preset, so that whoever sees it finds it in the form.
        let first = Recording::read(&std::fs::read(folder.join(format!("{FIRST}.json"))).unwrap()).unwrap();
        assert_eq!(Preset::of(&first.config).map(|preset| preset.name), Some(Preset::FIRST));
    }
}
