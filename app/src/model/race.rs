//! A race as the page shows it: what its events have said, and how its learners are drawn and called.
//!
//! Views read this; they never see a message. So the whole page can be tested by feeding events, without a browser.

use std::ops::Deref;

use sparring_core::config::{LearnerConfig, Method};
use sparring_core::events::{Evaluation, Event, LearnerInfo, Score};
use sparring_core::record::{History, Metric, Note, Track};
use sparring_figures::{Tone, number};

use super::names::{in_words, label};

/// The tones of a list of learners: dense is always blue, the others take what is left in order.
pub fn tones(learners: &[LearnerConfig]) -> Vec<Tone> {
    let mut dense_taken = false;
    let mut others = 0..;
    let tone = |l: &LearnerConfig| {
        if l.method == Method::Dense && !dense_taken {
            dense_taken = true;
            Tone::Dense
        } else {
            Tone::other(others.next().unwrap_or(0))
        }
    };
    learners.iter().map(tone).collect()
}

/// What is drawn against the epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// Accuracy on the attacked test set.
    Robust,
    /// Accuracy on the corrupted test set.
    Corrupted,
    /// Accuracy on the harder half of the test set.
    Hard,
    /// On the easier half.
    Easy,
    /// What decides, sparse minus dense.
    Gap,
    /// On all of it.
    Test,
    /// On the training batches, as they were seen.
    Train,
    /// Training loss.
    Loss,
}

impl Curve {
    /// In the order of their chips.
    pub const ALL: [Self; 8] = [Self::Robust, Self::Corrupted, Self::Hard, Self::Easy, Self::Test, Self::Gap, Self::Train, Self::Loss];
    /// In links and data attributes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Robust => "robust",
            Self::Corrupted => "corrupted",
            Self::Hard => "hard",
            Self::Easy => "easy",
            Self::Test => "test",
            Self::Gap => "gap",
            Self::Train => "train",
            Self::Loss => "loss",
        }
    }
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }
    /// What its chip says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Robust => "Attacked",
            Self::Corrupted => "Corrupted",
            Self::Hard => "Hard half",
            Self::Easy => "Easy half",
            Self::Test => "Test",
            Self::Gap => "Gap to dense",
            Self::Train => "Train",
            Self::Loss => "Loss",
        }
    }
    /// What its values are, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::Robust => "accuracy on the attacked test set",
            Self::Corrupted => "accuracy on the corrupted test set",
            Self::Hard => "accuracy on the harder half of the test set",
            Self::Easy => "accuracy on the easier half of the test set",
            Self::Test => "accuracy on the test set",
            Self::Gap => "accuracy on what decides, sparse minus dense, in points",
            Self::Train => "accuracy on the training batches",
            Self::Loss => "training loss",
        }
    }
    /// What has to be there for it to be drawn.
    fn judged(self, race: &Race) -> Self {
        if self == Self::Gap { race.deciding().into() } else { self }
    }
    /// The score behind it.
    pub fn score(self, scores: &Evaluation) -> Option<Score> {
        match self {
            Self::Robust => Metric::RobustTest.score(scores),
            Self::Corrupted => Metric::Corrupted.score(scores),
            Self::Hard => Metric::HardHalf.score(scores),
            Self::Easy => scores.test_easy,
            Self::Test => Metric::Test.score(scores),
            Self::Train | Self::Loss => Some(scores.train),
            Self::Gap => None,
        }
    }
    /// Its value in an evaluation.
    fn value(self, scores: &Evaluation) -> Option<f64> {
        self.score(scores).map(|s| if self == Self::Loss { s.loss } else { s.accuracy })
    }
    /// A value in its own form.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Loss => number::fixed(value, 3),
            Self::Gap => number::points(value, 1),
            _ => number::percent(value, 1),
        }
    }
}

impl From<Metric> for Curve {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Test => Self::Test,
            Metric::HardHalf | Metric::HardestBin => Self::Hard,
            Metric::Corrupted => Self::Corrupted,
            Metric::RobustTest | Metric::RobustGap => Self::Robust,
        }
    }
}

/// How a learner is drawn, and called.
#[derive(Clone, Debug)]
struct Badge {
    tone: Tone,
    label: String,
}

/// One learner as the page shows it.
#[derive(Clone, Copy)]
pub struct LearnerView<'a> {
    track: &'a Track,
    /// How it is drawn.
    pub tone: Tone,
    /// How it is called.
    pub label: &'a str,
}

impl Deref for LearnerView<'_> {
    type Target = Track;
    fn deref(&self) -> &Track {
        self.track
    }
}

impl LearnerView<'_> {
    /// How it is called beside the others: a control says that it is one.
    pub fn name(&self) -> String {
        if self.info.control { format!("{}, random", self.label) } else { self.label.to_owned() }
    }
    /// Points of a series: (epochs, value).
    pub fn points(&self, series: Curve) -> Vec<(f64, f64)> {
        match series {
            Curve::Train => self.live.iter().map(|p| (p.epoch, p.accuracy)).collect(),
            Curve::Loss => self.live.iter().map(|p| (p.epoch, p.loss)).collect(),
            Curve::Robust | Curve::Corrupted | Curve::Hard | Curve::Easy | Curve::Gap | Curve::Test => {
                self.epochs.iter().filter_map(|e| Some((f64::from(e.epoch), series.value(&e.scores)?))).collect()
            }
        }
    }
    /// The value of a series after an epoch.
    pub fn value(&self, epoch: u32, series: Curve) -> Option<f64> {
        series.value(self.at_epoch(epoch)?)
    }
}

/// A race: what its events have said, and how its learners view.
#[derive(Clone, Debug, Default)]
pub struct Race {
    history: History,
    badges: Vec<Badge>,
}

impl Deref for Race {
    type Target = History;
    fn deref(&self) -> &History {
        &self.history
    }
}

impl Race {
    /// The race of these events.
    pub fn of(events: &[Event]) -> Self {
        let mut race = Self::default();
        events.iter().for_each(|event| race.apply(event));
        race
    }
    /// The race of these events as it stood when all had completed an epoch, and none the next one.
    pub fn until(events: &[Event], last: u32) -> Self {
        let later = |event: &Event| match event {
            Event::EpochEnd { epoch, .. } => *epoch > last,
            Event::Finished { .. } => true,
            _ => false,
        };
        let mut race = Self::default();
        events.iter().filter(|event| !later(event)).for_each(|event| race.apply(event));
        race
    }
    /// Takes in one event.
    pub fn apply(&mut self, event: &Event) {
        self.history.apply(event);
        if let Event::Started { learners, .. } = event {
            self.badges = badges(learners);
        }
    }
    /// Forgets what it takes on a device: it is shown, and ran elsewhere.
    pub fn forget_memory(&mut self) {
        self.history.device_bytes = 0;
    }
    /// Its learners, in the session's order.
    pub fn learners(&self) -> impl Iterator<Item = LearnerView<'_>> {
        self.history.tracks.iter().zip(&self.badges).map(|(track, Badge { tone, label })| LearnerView { track, tone: *tone, label })
    }
    /// One of them.
    pub fn learner(&self, index: usize) -> Option<LearnerView<'_>> {
        self.learners().nth(index)
    }
    /// The learners of the race itself, without their random controls.
    pub fn corners(&self) -> impl Iterator<Item = LearnerView<'_>> {
        self.learners().filter(|l| !l.info.control)
    }
    /// The random controls.
    pub fn controls(&self) -> impl Iterator<Item = LearnerView<'_>> {
        self.learners().filter(|l| l.info.control)
    }
    /// The learner that others are measured against: the first dense one.
    pub fn dense(&self) -> Option<LearnerView<'_>> {
        self.corners().find(|l| l.tone == Tone::Dense)
    }
    /// What a person should know, in words.
    pub fn said(&self) -> Vec<String> {
        let say = |note: &Note| match note {
            Note::Warning(message) => in_words(message),
            Note::Changed { learner, epoch, setting, value } => {
                let name = learner.and_then(|l| self.learner(l)).map(|l| l.name());
                crate::words::ring::changed(name.as_deref(), setting, *value, *epoch)
            }
        };
        self.notes.iter().map(say).collect()
    }
    /// Whether there is anything to draw of a series.
    pub fn shows(&self, series: Curve) -> bool {
        let series = series.judged(self);
        self.tracks.iter().filter_map(Track::latest).any(|scores| series.score(scores).is_some())
    }
    /// The series worth showing first: what decides where it is known, else what moves.
    pub fn natural_series(&self) -> Curve {
        if self.shows(Curve::Test) { self.deciding().into() } else { Curve::Train }
    }
}

fn badges(infos: &[LearnerInfo]) -> Vec<Badge> {
    let parsed: Vec<LearnerConfig> = infos.iter().map(|i| i.learner.parse().unwrap_or(LearnerConfig::DENSE)).collect();
    // A control badges like the learner it belongs to.
    let corners: Vec<LearnerConfig> = infos.iter().zip(&parsed).filter(|(i, _)| !i.control).map(|(_, p)| *p).collect();
    let tones = tones(&corners);
    let mut next = tones.iter().copied();
    infos
        .iter()
        .zip(parsed)
        .map(|(info, config)| {
            let own = if info.control { corners.iter().position(|c| *c == config).map(|i| tones[i]) } else { next.next() };
            Badge { tone: own.unwrap_or(Tone::Fourth), label: label(&config) }
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::device::info::DeviceInfo;

    pub(crate) fn info(learner: &str, control: bool) -> LearnerInfo {
        LearnerInfo {
            name: learner.into(),
            learner: learner.into(),
            subset: "el2n-hard:0.5".into(),
            control,
            parameters: 1000,
            active_parameters: if learner == "dense" { 1000 } else { 200 },
            density: if learner == "dense" { 1.0 } else { 0.2 },
            dense_macs: 100,
            macs: 20,
            flops_per_step: 600,
            samples: 640,
            batch: 64,
            parent_flops: 0.0,
            weight_bytes: 4000,
            layers: Vec::new(),
        }
    }

    pub(crate) fn started(learners: Vec<LearnerInfo>) -> Race {
        let device = DeviceInfo { name: "d".into(), backend: "cpu".into(), ..DeviceInfo::default() };
        let mut race = Race::default();
        race.apply(&Event::Started {
            learners,
            device,
            epochs: 2,
            config_hash: "0".into(),
            device_bytes: 9,
            judged_by: None,
            watched: Vec::new(),
        });
        race
    }

    pub(crate) fn epoch_end(learner: usize, epoch: u32, hard: f64, samples: usize) -> Event {
        let score = |accuracy| Score { loss: 1.0, accuracy, samples };
        Event::EpochEnd {
            learner,
            epoch,
            lr: 0.1,
            scores: Box::new(Evaluation {
                train: score(0.5),
                validation: score(0.5),
                test: score(0.6),
                test_easy: Some(score(0.9)),
                test_hard: Some(score(hard)),
                by_hardness: Default::default(),
            }),
            flops: 1.0,
            seconds: 1.0,
            answers: Vec::new(),
        }
    }

    fn progress(learner: usize, epoch: u32, step: usize) -> Event {
        Event::Progress { learner, epoch, step, steps: 10, loss: 2.0, accuracy: 0.25, ms_per_step: 100.0 }
    }

    #[test]
    fn controls_share_the_tone_of_their_learner() {
        let race = started(vec![info("dense", false), info("set@0.2", false), info("dense", true), info("set@0.2", true)]);
        let tones: Vec<Tone> = race.learners().map(|l| l.tone).collect();
        assert_eq!(tones, [Tone::Dense, Tone::Sparse, Tone::Dense, Tone::Sparse]);
        assert_eq!(race.corners().count(), 2);
    }

    #[test]
    fn progress_and_time_left_count_every_learner() {
        let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
        assert_eq!(race.seconds_left(), None);
        race.apply(&progress(0, 0, 10));
        race.apply(&progress(1, 0, 5));
        assert!((race.progress() - 15.0 / 40.0).abs() < 1e-12);
        assert!((race.epoch() - 0.5).abs() < 1e-12);
        assert!((race.seconds_left().unwrap() - 2.5).abs() < 1e-9);
        race.apply(&Event::LearnerFailed { learner: 1, reason: "NaN".into() });
        assert!((race.progress() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_natural_series_is_what_decides() {
        let mut race = started(vec![info("dense", false)]);
        assert_eq!(race.natural_series(), Curve::Train);
        race.apply(&epoch_end(0, 1, 0.4, 100));
        assert_eq!(race.natural_series(), Curve::Hard);
        let robust = sparring_core::events::Robust { test: Score { loss: 1.0, accuracy: 0.2, samples: 50 }, ..Default::default() };
        for (corrupted, robust, series) in
            [(Some(robust.test), None, Curve::Corrupted), (Some(robust.test), Some(robust), Curve::Robust), (None, None, Curve::Hard)]
        {
            let mut race = started(vec![info("dense", false)]);
            let mut end = epoch_end(0, 1, 0.4, 100);
            if let Event::EpochEnd { scores, .. } = &mut end {
                (scores.by_hardness.corrupted, scores.by_hardness.robust) = (corrupted, robust);
            }
            race.apply(&end);
            assert_eq!((Curve::from(race.deciding()), race.natural_series()), (series, series));
        }
        assert_eq!(race.learner(0).unwrap().points(Curve::Hard), [(1.0, 0.4)]);
        assert_eq!(race.learner(0).unwrap().value(1, Curve::Easy), Some(0.9));
    }

    #[test]
    fn a_learner_that_is_pruned_shows_what_is_left_and_what_was_spent() {
        let mut entered = info("gmp@0.2", false);
        entered.layers = vec![sparring_core::events::LayerDensity { name: "conv".into(), total: 100, active: 100 }];
        let mut race = started(vec![entered]);
        race.apply(&progress(0, 0, 10));
        // The first epoch cost 8000, what comes after costs 100 a step.
        let mut end = epoch_end(0, 1, 0.4, 9);
        if let Event::EpochEnd { flops, .. } = &mut end {
            *flops = 8000.0;
        }
        race.apply(&end);
        race.apply(&Event::Topology {
            learner: 0,
            epoch: 1,
            report: sparring_core::events::TopologyReport {
                semantics: "sparse".into(),
                density: 0.3,
                explored: 1.0,
                from_first: 0.5,
                from_previous: 0.5,
                active_parameters: 60,
                macs: 6,
                flops_per_step: 100,
                weight_bytes: 480,
                layers: vec![sparring_core::events::LayerTopology { name: "conv".into(), density: 0.3, explored: 1.0 }],
            },
        });
        let l = race.learner(0).unwrap();
        assert_eq!((l.now.density, l.now.active_parameters, l.now.layers[0].active), (0.3, 60, 30));
        assert_eq!([0.5, 1.0, 1.5].map(|epoch| l.flops_at(epoch)), [4000.0, 8000.0, 8500.0]);
        assert_eq!(l.explored, [sparring_core::record::history::Explored { epoch: 1, all: 1.0, layers: vec![1.0] }]);
    }

    #[test]
    fn long_runs_keep_few_points_and_their_mean() {
        let mut race = started(vec![info("dense", false)]);
        for step in 0..100_000 {
            race.apply(&progress(0, step / 10, step as usize % 10));
        }
        assert_eq!(race.reports, 100_000);
        let points = race.learner(0).unwrap().points(Curve::Loss);
        assert!(points.len() <= 600 && points.len() > 150, "{}", points.len());
        assert!(points.iter().all(|(_, y)| (y - 2.0).abs() < 1e-9));
        assert!(points.windows(2).all(|w| w[0].0 < w[1].0));
        // What is drawn ten times a second stays small.
        let svg = crate::model::chart::Figure::of(&[&race], crate::model::chart::View::at(Curve::Loss), 10_000).svg(1200.0, None);
        assert!(svg.len() < 12_000, "{}", svg.len());
    }

    #[test]
    fn events_of_unknown_learners_are_harmless() {
        let mut race = started(vec![]);
        race.apply(&progress(3, 0, 1));
        race.apply(&epoch_end(3, 1, 0.1, 10));
        assert!(race.tracks.is_empty() && race.seconds_left().is_none());
    }
}
