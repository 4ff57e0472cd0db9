//! What the page knows of a race, built from the session's events and nothing else.
//!
//! Views read this; they never see a message. So the whole page can be tested by feeding events, without a browser.

use sparring_core::config::{ExperimentConfig, LearnerConfig, Method};
use sparring_core::events::{Event, LayerChange, LearnerInfo, Score, Summary};
use sparring_figures::{Tone, number};

/// Live points a learner keeps; beyond this, neighbours are merged.
const LIVE_POINTS: usize = 600;

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

/// "Dense", "SET 0.2", "RigL 0.1 (masked)".
pub fn label(learner: &LearnerConfig) -> String {
    let method = learner.method.title();
    if learner.method == Method::Dense {
        return method.to_owned();
    }
    let mut out = format!("{method} {}", learner.density);
    // The options as the text form has them: what stands behind the method and its density.
    let text = learner.to_string();
    let extras: Vec<&str> = text.split('+').skip(1).collect();
    if !extras.is_empty() {
        out.push_str(&format!(" ({})", extras.join(", ")));
    }
    out
}

/// What a run is called until a person names it: "Dense against SET 0.2 on cifar10".
pub fn name(config: &ExperimentConfig) -> String {
    format!("{} on {}", against(config), config.dataset)
}

/// "Dense against SET 0.2".
pub fn against(config: &ExperimentConfig) -> String {
    config.learners.iter().map(label).collect::<Vec<_>>().join(" against ")
}

/// What is drawn against the epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Series {
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

impl Series {
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
    pub fn judged(self, race: &Race) -> Self {
        if self == Self::Gap { race.deciding() } else { self }
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

/// Some steps, averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Live {
    epoch: f64,
    loss: f64,
    accuracy: f64,
    /// How many reports were merged into it.
    weight: f64,
}

/// One evaluated epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Epochs done, from 1.
    pub epoch: u32,
    /// Learning rate that was used.
    pub lr: f32,
    /// On the training batches as they were seen.
    pub train: Score,
    /// Test set.
    pub test: Score,
    /// Easier half.
    pub easy: Option<Score>,
    /// Harder half.
    pub hard: Option<Score>,
    /// Test set, corrupted as the training images are.
    pub corrupted: Option<Score>,
    /// Test set, attacked.
    pub robust: Option<Score>,
    /// Test set in bins by hardness, easiest first.
    pub bins: Vec<Score>,
    /// Training FLOPs so far.
    pub flops: f64,
}

impl Evaluation {
    /// The score behind a series.
    pub fn score(&self, series: Series) -> Option<Score> {
        match series {
            Series::Robust => self.robust,
            Series::Corrupted => self.corrupted,
            Series::Hard => self.hard,
            Series::Easy => self.easy,
            Series::Test => Some(self.test),
            Series::Train | Series::Loss => Some(self.train),
            Series::Gap => None,
        }
    }
    fn value(&self, series: Series) -> Option<f64> {
        self.score(series).map(|s| if series == Series::Loss { s.loss } else { s.accuracy })
    }
}

/// Fractions of positions that were ever active (ITOP rates) after an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Explored {
    /// Epochs done, from 1.
    pub epoch: u32,
    /// Of all layers together.
    pub all: f64,
    /// By layer.
    pub layers: Vec<f64>,
}

/// One learner as the page shows it.
#[derive(Clone, Debug)]
pub struct Learner {
    /// As it entered.
    pub info: LearnerInfo,
    /// How it is drawn.
    pub tone: Tone,
    /// How it is called.
    pub label: String,
    /// Completed epochs.
    pub evaluations: Vec<Evaluation>,
    /// Why it stopped.
    pub failed: Option<String>,
    /// Measured, once it trained.
    pub ms_per_step: Option<f64>,
    /// Topology updates so far.
    pub updates: u32,
    /// The last of them, by layer.
    pub changes: Vec<LayerChange>,
    /// The share of weights that it replaced.
    pub death_rate: f64,
    /// How much of the positions has been tried, epoch by epoch.
    pub explored: Vec<Explored>,
    live: Vec<Live>,
    epoch: u32,
    step: usize,
    steps: usize,
}

impl Learner {
    /// How it is called beside the others: a control says that it is one.
    pub fn name(&self) -> String {
        if self.info.control { format!("{}, random", self.label) } else { self.label.clone() }
    }
    /// Points of a series: (epochs, value).
    pub fn points(&self, series: Series) -> Vec<(f64, f64)> {
        match series {
            Series::Train => self.live.iter().map(|p| (p.epoch, p.accuracy)).collect(),
            Series::Loss => self.live.iter().map(|p| (p.epoch, p.loss)).collect(),
            _ => self.evaluations.iter().filter_map(|e| Some((f64::from(e.epoch), e.value(series)?))).collect(),
        }
    }
    /// The value of a series after an epoch.
    pub fn at_epoch(&self, epoch: u32, series: Series) -> Option<f64> {
        self.evaluations.iter().find(|e| e.epoch == epoch)?.value(series)
    }
    /// Floating-point operations made at point `epoch`, the x axis by work: as reported after each epoch, at today's cost of a step
    /// beyond the last.
    pub fn flops_at(&self, epoch: f64) -> f64 {
        let next = self.evaluations.partition_point(|e| f64::from(e.epoch) <= epoch);
        let (from, done) = next.checked_sub(1).map_or((0.0, 0.0), |i| (f64::from(self.evaluations[i].epoch), self.evaluations[i].flops));
        let of_an_epoch = match self.evaluations.get(next) {
            Some(e) => (e.flops - done) / (f64::from(e.epoch) - from),
            None => self.steps as f64 * self.info.flops_per_step as f64,
        };
        done + (epoch - from) * of_an_epoch
    }
    fn done(&self) -> f64 {
        f64::from(self.epoch) * self.steps as f64 + self.step as f64
    }
    fn observe(&mut self, point: Live) {
        self.live.push(point);
        if self.live.len() > LIVE_POINTS {
            self.live = self
                .live
                .chunks(2)
                .map(|pair| {
                    let weight: f64 = pair.iter().map(|p| p.weight).sum();
                    let mean = |f: fn(&Live) -> f64| pair.iter().map(|p| f(p) * p.weight).sum::<f64>() / weight;
                    Live { epoch: pair[pair.len() - 1].epoch, loss: mean(|p| p.loss), accuracy: mean(|p| p.accuracy), weight }
                })
                .collect();
        }
    }
}

/// Everything reported since the start.
#[derive(Clone, Debug, Default)]
pub struct Race {
    /// In the session's order.
    pub learners: Vec<Learner>,
    /// Epochs to go.
    pub epochs: u32,
    /// Device bytes allocated in all.
    pub device_bytes: u64,
    /// Hash of the configuration.
    pub config_hash: String,
    /// Things a person should know.
    pub warnings: Vec<String>,
    /// The end of it.
    pub summary: Option<Summary>,
    /// Reports of progress and evaluations so far: what the chart has been given, over all its series.
    pub reports: usize,
}

impl Race {
    /// Takes in one event.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Started { learners, epochs, config_hash, device_bytes, .. } => {
                *self = Self { learners: enter(learners), epochs, device_bytes, config_hash, ..Self::default() };
            }
            Event::Progress { learner, epoch, step, steps, loss, accuracy, ms_per_step } => {
                let Some(l) = self.learners.get_mut(learner) else { return };
                self.reports += 1;
                (l.epoch, l.step, l.steps) = (epoch, step, steps);
                l.ms_per_step = Some(ms_per_step);
                if loss.is_finite() {
                    let epoch = f64::from(epoch) + step as f64 / steps.max(1) as f64;
                    l.observe(Live { epoch, loss, accuracy, weight: 1.0 });
                }
            }
            Event::EpochEnd { learner, epoch, lr, train, test, test_easy, test_hard, by_hardness, flops, .. } => {
                let Some(l) = self.learners.get_mut(learner) else { return };
                self.reports += 1;
                (l.epoch, l.step) = (epoch, 0);
                let (robust, corrupted) = (by_hardness.robust.map(|r| r.test), by_hardness.corrupted);
                let (easy, hard, bins) = (test_easy, test_hard, by_hardness.bins);
                l.evaluations.push(Evaluation { epoch, lr, train, test, easy, hard, corrupted, robust, bins, flops });
            }
            Event::TopologyChanged { learner, update, death_rate, layers, .. } => {
                let Some(l) = self.learners.get_mut(learner) else { return };
                (l.updates, l.changes, l.death_rate) = (update, layers, death_rate);
            }
            Event::Topology { learner, epoch, report } => {
                let Some(l) = self.learners.get_mut(learner) else { return };
                let layers = report.layers.iter().map(|layer| layer.explored).collect();
                l.explored.push(Explored { epoch, all: report.explored, layers });
                let info = &mut l.info;
                (info.density, info.active_parameters, info.macs) = (report.density, report.active_parameters, report.macs);
                (info.flops_per_step, info.weight_bytes) = (report.flops_per_step, report.weight_bytes);
                for (layer, now) in info.layers.iter_mut().zip(&report.layers) {
                    layer.active = (now.density * layer.total as f64).round() as usize;
                }
            }
            Event::SamplesScored { .. } => {}
            Event::Changed { learner, step, setting, value } => {
                let who = learner.and_then(|l| self.learners.get(l)).or(self.learners.first());
                let epoch = who.map_or(0.0, |l| step as f64 / l.steps.max(1) as f64);
                let name = who.filter(|_| learner.is_some()).map(Learner::name);
                self.warnings.push(crate::words::ring::changed(name.as_deref(), &setting, value, epoch));
            }
            Event::Warning { message } => self.warnings.push(message),
            Event::LearnerFailed { learner, reason } => {
                let Some(l) = self.learners.get_mut(learner) else { return };
                l.failed = Some(reason);
            }
            Event::Finished { summary } => self.summary = Some(summary),
        }
    }
    /// The learners of the race itself, without their random controls.
    pub fn corners(&self) -> impl Iterator<Item = &Learner> {
        self.learners.iter().filter(|l| !l.info.control)
    }
    /// The random controls.
    pub fn controls(&self) -> impl Iterator<Item = &Learner> {
        self.learners.iter().filter(|l| l.info.control)
    }
    /// The learner that others are measured against: the first dense one.
    pub fn dense(&self) -> Option<&Learner> {
        self.corners().find(|l| l.tone == Tone::Dense)
    }
    fn going(&self) -> impl Iterator<Item = &Learner> {
        self.learners.iter().filter(|l| l.failed.is_none())
    }
    /// Fraction of all steps that are done.
    pub fn progress(&self) -> f64 {
        if self.summary.is_some() {
            return 1.0;
        }
        let (done, all) = self.going().fold((0.0, 0.0), |(d, a), l| (d + l.done(), a + f64::from(self.epochs) * l.steps as f64));
        if all > 0.0 { (done / all).clamp(0.0, 1.0) } else { 0.0 }
    }
    /// Epochs done by the slowest learner, with its fraction.
    pub fn epoch(&self) -> f64 {
        self.going().map(|l| l.done() / l.steps.max(1) as f64).reduce(f64::min).unwrap_or(0.0)
    }
    /// Seconds still to train, by the measured steps; `None` before there are any.
    pub fn seconds_left(&self) -> Option<f64> {
        self.going()
            .map(|l| Some((f64::from(self.epochs) * l.steps as f64 - l.done()).max(0.0) * l.ms_per_step? / 1000.0))
            .try_fold(0.0, |sum, s| Some(sum + s?))
            .filter(|_| !self.learners.is_empty())
    }
    /// Topology updates of the first learner that makes any.
    pub fn updates(&self) -> u32 {
        self.corners().map(|l| l.updates).max().unwrap_or(0)
    }
    /// Last epoch that every corner has completed.
    pub fn common_epoch(&self) -> Option<u32> {
        self.corners().filter(|l| l.failed.is_none()).map(|l| l.evaluations.last().map_or(0, |e| e.epoch)).min().filter(|e| *e > 0)
    }
    /// What the race is judged by: the hardest images that were evaluated, as the engine has it
    /// ([`sparring_core::train::metric::Metric::deciding`]).
    pub fn deciding(&self) -> Series {
        [Series::Robust, Series::Corrupted, Series::Hard].into_iter().find(|s| self.has(*s)).unwrap_or(Series::Test)
    }
    /// Whether any learner was evaluated so.
    pub fn has(&self, series: Series) -> bool {
        self.learners.iter().any(|l| l.evaluations.last().is_some_and(|e| e.score(series).is_some()))
    }
    /// The series worth showing first: what decides where it is known, else what moves.
    pub fn natural_series(&self) -> Series {
        if self.has(Series::Test) { self.deciding() } else { Series::Train }
    }
}

fn enter(infos: Vec<LearnerInfo>) -> Vec<Learner> {
    let parsed: Vec<LearnerConfig> = infos.iter().map(|i| i.learner.parse().unwrap_or(LearnerConfig::DENSE)).collect();
    // A control looks like the learner it belongs to.
    let corners: Vec<LearnerConfig> = infos.iter().zip(&parsed).filter(|(i, _)| !i.control).map(|(_, p)| *p).collect();
    let tones = tones(&corners);
    let mut next = tones.iter().copied();
    infos
        .into_iter()
        .zip(parsed)
        .map(|(info, config)| {
            let own = if info.control { corners.iter().position(|c| *c == config).map(|i| tones[i]) } else { next.next() };
            Learner {
                tone: own.unwrap_or(Tone::Fourth),
                label: label(&config),
                evaluations: Vec::new(),
                failed: None,
                ms_per_step: None,
                updates: 0,
                changes: Vec::new(),
                death_rate: 0.0,
                explored: Vec::new(),
                live: Vec::new(),
                epoch: 0,
                step: 0,
                steps: 0,
                info,
            }
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
            active_parameters: 200,
            density: 0.2,
            dense_macs: 100,
            macs: 20,
            flops_per_step: 600,
            samples: 640,
            weight_bytes: 4000,
            layers: Vec::new(),
        }
    }

    pub(crate) fn started(learners: Vec<LearnerInfo>) -> Race {
        let device = DeviceInfo { name: "d".into(), backend: "cpu".into(), driver: String::new(), software: false };
        let mut race = Race::default();
        race.apply(Event::Started { learners, device, epochs: 2, config_hash: "0".into(), device_bytes: 9 });
        race
    }

    pub(crate) fn epoch_end(learner: usize, epoch: u32, hard: f64, samples: usize) -> Event {
        let score = |accuracy| Score { loss: 1.0, accuracy, samples };
        Event::EpochEnd {
            learner,
            epoch,
            lr: 0.1,
            train: score(0.5),
            validation: score(0.5),
            test: score(0.6),
            test_easy: Some(score(0.9)),
            test_hard: Some(score(hard)),
            by_hardness: Default::default(),
            flops: 1.0,
            seconds: 1.0,
        }
    }

    fn progress(learner: usize, epoch: u32, step: usize) -> Event {
        Event::Progress { learner, epoch, step, steps: 10, loss: 2.0, accuracy: 0.25, ms_per_step: 100.0 }
    }

    #[test]
    fn controls_share_the_tone_of_their_learner() {
        let race = started(vec![info("dense", false), info("set@0.2", false), info("dense", true), info("set@0.2", true)]);
        let tones: Vec<Tone> = race.learners.iter().map(|l| l.tone).collect();
        assert_eq!(tones, [Tone::Dense, Tone::Sparse, Tone::Dense, Tone::Sparse]);
        assert_eq!(race.corners().count(), 2);
    }

    #[test]
    fn progress_and_time_left_count_every_learner() {
        let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
        assert_eq!(race.seconds_left(), None);
        race.apply(progress(0, 0, 10));
        race.apply(progress(1, 0, 5));
        assert!((race.progress() - 15.0 / 40.0).abs() < 1e-12);
        assert!((race.epoch() - 0.5).abs() < 1e-12);
        assert!((race.seconds_left().unwrap() - 2.5).abs() < 1e-9);
        race.apply(Event::LearnerFailed { learner: 1, reason: "NaN".into() });
        assert!((race.progress() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_natural_series_is_what_decides() {
        let mut race = started(vec![info("dense", false)]);
        assert_eq!(race.natural_series(), Series::Train);
        race.apply(epoch_end(0, 1, 0.4, 100));
        assert_eq!(race.natural_series(), Series::Hard);
        let robust = sparring_core::events::Robust { test: Score { loss: 1.0, accuracy: 0.2, samples: 50 }, ..Default::default() };
        for (corrupted, robust, series) in
            [(Some(robust.test), None, Series::Corrupted), (Some(robust.test), Some(robust), Series::Robust), (None, None, Series::Hard)]
        {
            let mut race = started(vec![info("dense", false)]);
            let mut end = epoch_end(0, 1, 0.4, 100);
            if let Event::EpochEnd { by_hardness, .. } = &mut end {
                (by_hardness.corrupted, by_hardness.robust) = (corrupted, robust);
            }
            race.apply(end);
            assert_eq!((race.deciding(), race.natural_series()), (series, series));
        }
        assert_eq!(race.learners[0].points(Series::Hard), [(1.0, 0.4)]);
        assert_eq!(race.learners[0].at_epoch(1, Series::Easy), Some(0.9));
    }

    #[test]
    fn a_learner_that_is_pruned_shows_what_is_left_and_what_was_spent() {
        let mut entered = info("gmp@0.2", false);
        entered.layers = vec![sparring_core::events::LayerDensity { name: "conv".into(), total: 100, active: 100 }];
        let mut race = started(vec![entered]);
        race.apply(progress(0, 0, 10));
        // The first epoch cost 8000, what comes after costs 100 a step.
        let mut end = epoch_end(0, 1, 0.4, 9);
        if let Event::EpochEnd { flops, .. } = &mut end {
            *flops = 8000.0;
        }
        race.apply(end);
        race.apply(Event::Topology {
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
        let l = &race.learners[0];
        assert_eq!((l.info.density, l.info.active_parameters, l.info.layers[0].active), (0.3, 60, 30));
        assert_eq!([0.5, 1.0, 1.5].map(|epoch| l.flops_at(epoch)), [4000.0, 8000.0, 8500.0]);
        assert_eq!(l.explored, [Explored { epoch: 1, all: 1.0, layers: vec![1.0] }]);
    }

    #[test]
    fn long_runs_keep_few_points_and_their_mean() {
        let mut race = started(vec![info("dense", false)]);
        for step in 0..100_000 {
            race.apply(progress(0, step / 10, step as usize % 10));
        }
        assert_eq!(race.reports, 100_000);
        let points = race.learners[0].points(Series::Loss);
        assert!(points.len() <= LIVE_POINTS && points.len() > LIVE_POINTS / 4, "{}", points.len());
        assert!(points.iter().all(|(_, y)| (y - 2.0).abs() < 1e-9));
        assert!(points.windows(2).all(|w| w[0].0 < w[1].0));
        // What is drawn ten times a second stays small.
        let svg = crate::chart::Figure::of(&[&race], crate::chart::Look::at(Series::Loss), 10_000).svg(1200.0, None);
        assert!(svg.len() < 12_000, "{}", svg.len());
    }

    #[test]
    fn events_of_unknown_learners_are_harmless() {
        let mut race = started(vec![]);
        race.apply(progress(3, 0, 1));
        race.apply(epoch_end(3, 1, 0.1, 10));
        assert!(race.learners.is_empty() && race.seconds_left().is_none());
    }
}
