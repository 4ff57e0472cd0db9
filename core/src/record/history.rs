//! The fold of a run's events: what each learner has reached, where the run stands, what a person should know.
//!
//! Terminal, report and page read this and never an event, so no two of them can disagree about a run.

use crate::device::info::DeviceInfo;
use crate::events::{Evaluation, Event, LayerChange, LearnerInfo, LearnerSummary, Metric, Summary, Watched};

/// Points of the current training that a learner keeps; beyond this, neighbours are merged.
const LIVE_POINTS: usize = 600;

/// Some training steps, averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Live {
    /// Epochs done at their end, with a fraction.
    pub epoch: f64,
    /// Mean loss.
    pub loss: f64,
    /// Accuracy on the batches as they were seen.
    pub accuracy: f64,
    /// How many reports were merged into it.
    weight: f64,
}

/// One evaluated epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Epochs done, from 1.
    pub epoch: u32,
    /// Learning rate that was used.
    pub lr: f32,
    /// What the evaluation gave.
    pub scores: Evaluation,
    /// Training FLOPs so far.
    pub flops: f64,
    /// Seconds of training so far, without evaluation.
    pub seconds: f64,
    /// What was answered for each watched sample; empty in files of before.
    pub answers: Vec<u16>,
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

/// One learner's way through a run.
#[derive(Clone, Debug)]
pub struct Track {
    /// As it entered.
    pub info: LearnerInfo,
    /// As it is now: densities, parameters and costs follow its topology.
    pub now: LearnerInfo,
    /// Completed epochs.
    pub epochs: Vec<Epoch>,
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
    /// The training itself, in at most some hundred points.
    pub live: Vec<Live>,
    epoch: u32,
    step: usize,
    steps: usize,
}

impl Track {
    fn new(info: LearnerInfo) -> Self {
        Self {
            now: info.clone(),
            info,
            epochs: Vec::new(),
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
        }
    }
    /// What the evaluation after an epoch gave.
    pub fn at_epoch(&self, epoch: u32) -> Option<&Evaluation> {
        self.epochs.iter().find(|e| e.epoch == epoch).map(|e| &e.scores)
    }
    /// The latest evaluation.
    pub fn latest(&self) -> Option<&Evaluation> {
        self.epochs.last().map(|e| &e.scores)
    }
    /// Epochs that it has completed.
    pub fn epochs_done(&self) -> u32 {
        self.epochs.last().map_or(0, |e| e.epoch)
    }
    /// Its results as if the run had ended after an epoch; `None` where it was not evaluated then.
    pub fn summary_at(&self, epoch: u32) -> Option<LearnerSummary> {
        let scores = self.at_epoch(epoch)?.clone();
        let LearnerInfo { name, subset, control, density, active_parameters, flops_per_step, .. } = self.now.clone();
        let (flops, ms_per_step) = (self.flops_at(f64::from(epoch)), self.ms_per_step.unwrap_or(0.0));
        Some(LearnerSummary { name, subset, control, density, active_parameters, flops_per_step, flops, ms_per_step, scores, failed: None })
    }
    /// Training FLOPs at point `epoch`, from those of the dense parent on: as reported after each epoch, at today's cost of a sample beyond
    /// the last.
    pub fn flops_at(&self, epoch: f64) -> f64 {
        let next = self.epochs.partition_point(|e| f64::from(e.epoch) <= epoch);
        let (from, done) =
            next.checked_sub(1).map_or((0.0, self.info.parent_flops), |i| (f64::from(self.epochs[i].epoch), self.epochs[i].flops));
        let of_an_epoch = match self.epochs.get(next) {
            Some(e) => (e.flops - done) / (f64::from(e.epoch) - from),
            // The last step of an epoch may have fewer samples.
            None if self.info.batch > 0 => self.now.flops_per_step as f64 * self.info.samples as f64 / self.info.batch as f64,
            None => self.steps as f64 * self.now.flops_per_step as f64,
        };
        done + (epoch - from) * of_an_epoch
    }
    /// Steps of an epoch, once it trained.
    pub fn steps(&self) -> usize {
        self.steps
    }
    /// Steps done in all.
    fn steps_done(&self) -> f64 {
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

/// Something a person should know, in the order it was said.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// In the session's own words.
    Warning(String),
    /// A person changed a setting while the run was under way.
    Changed {
        /// Index of the learner; all of them where there is none.
        learner: Option<usize>,
        /// Epochs done then, with a fraction.
        epoch: f64,
        /// `lr` or `density`.
        setting: String,
        /// What it is from there on; `None`: as configured again.
        value: Option<f64>,
    },
}

/// Everything that a run has said.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// By learner, in the session's order.
    pub tracks: Vec<Track>,
    /// Where it runs.
    pub device: Option<DeviceInfo>,
    /// Device bytes allocated in all.
    pub device_bytes: u64,
    /// Epochs to go through.
    pub epochs: u32,
    /// Hash of the configuration.
    pub config_hash: String,
    /// What it said that it is judged by.
    judged_by: Option<Metric>,
    /// Test samples that are watched; none in files of before.
    pub watched: Vec<Watched>,
    /// Things a person should know.
    pub notes: Vec<Note>,
    /// The end of it.
    pub summary: Option<Summary>,
    /// Reports of progress and evaluations so far.
    pub reports: usize,
}

impl History {
    /// The history of these events.
    pub fn of(events: &[Event]) -> Self {
        let mut history = Self::default();
        events.iter().for_each(|event| history.apply(event));
        history
    }

    /// Takes in one event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Started { learners, device, epochs, config_hash, device_bytes, judged_by, watched } => {
                *self = Self {
                    tracks: learners.iter().cloned().map(Track::new).collect(),
                    device: Some(device.clone()),
                    epochs: *epochs,
                    device_bytes: *device_bytes,
                    config_hash: config_hash.clone(),
                    judged_by: *judged_by,
                    watched: watched.clone(),
                    ..Self::default()
                };
            }
            Event::Progress { learner, epoch, step, steps, loss, accuracy, ms_per_step } => {
                let Some(track) = self.tracks.get_mut(*learner) else { return };
                self.reports += 1;
                (track.epoch, track.step, track.steps) = (*epoch, *step, *steps);
                if *ms_per_step > 0.0 {
                    track.ms_per_step = Some(*ms_per_step);
                }
                if loss.is_finite() {
                    let epoch = f64::from(*epoch) + *step as f64 / (*steps).max(1) as f64;
                    track.observe(Live { epoch, loss: *loss, accuracy: *accuracy, weight: 1.0 });
                }
            }
            Event::EpochEnd { learner, epoch, lr, scores, flops, seconds, answers } => {
                let Some(track) = self.tracks.get_mut(*learner) else { return };
                self.reports += 1;
                (track.epoch, track.step) = (*epoch, 0);
                let (scores, answers) = ((**scores).clone(), answers.clone());
                track.epochs.push(Epoch { epoch: *epoch, lr: *lr, scores, flops: *flops, seconds: *seconds, answers });
            }
            Event::TopologyChanged { learner, update, death_rate, layers, .. } => {
                let Some(track) = self.tracks.get_mut(*learner) else { return };
                (track.updates, track.changes, track.death_rate) = (*update, layers.clone(), *death_rate);
            }
            Event::Topology { learner, epoch, report } => {
                let Some(track) = self.tracks.get_mut(*learner) else { return };
                let layers = report.layers.iter().map(|layer| layer.explored).collect();
                track.explored.push(Explored { epoch: *epoch, all: report.explored, layers });
                let info = &mut track.now;
                (info.density, info.active_parameters, info.macs) = (report.density, report.active_parameters, report.macs);
                (info.flops_per_step, info.weight_bytes) = (report.flops_per_step, report.weight_bytes);
                for (layer, now) in info.layers.iter_mut().zip(&report.layers) {
                    layer.active = (now.density * layer.total as f64).round() as usize;
                }
            }
            Event::SamplesScored { .. } => {}
            Event::Changed { learner, step, setting, value } => {
                let who = learner.and_then(|l| self.tracks.get(l)).or(self.tracks.first());
                let epoch = who.map_or(0.0, |track| *step as f64 / track.steps.max(1) as f64);
                let learner = learner.filter(|l| *l < self.tracks.len());
                self.notes.push(Note::Changed { learner, epoch, setting: setting.clone(), value: *value });
            }
            Event::Warning { message } => self.notes.push(Note::Warning(message.clone())),
            Event::LearnerFailed { learner, reason } => {
                let Some(track) = self.tracks.get_mut(*learner) else { return };
                track.failed = Some(reason.clone());
            }
            Event::Finished { summary } => {
                for (track, last) in self.tracks.iter_mut().zip(&summary.learners) {
                    track.ms_per_step = Some(last.ms_per_step).filter(|ms| *ms > 0.0);
                    track.failed.clone_from(&last.failed);
                }
                self.summary = Some(summary.clone());
            }
        }
    }

    /// The session's warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().filter_map(|note| match note {
            Note::Warning(message) => Some(message.as_str()),
            Note::Changed { .. } => None,
        })
    }
    /// The learners of the run itself, without their random controls.
    pub fn racing(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| !track.info.control)
    }
    fn going(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.failed.is_none())
    }
    /// Epochs that every learner has completed, but for those that failed.
    pub fn epochs_done(&self) -> u32 {
        self.going().map(Track::epochs_done).min().unwrap_or(0)
    }
    /// The last epoch that every learner has completed, without controls and those that failed.
    pub fn common_epoch(&self) -> Option<u32> {
        self.racing().filter(|track| track.failed.is_none()).map(Track::epochs_done).min().filter(|epoch| *epoch > 0)
    }
    /// Fraction of all steps that are done.
    pub fn progress(&self) -> f64 {
        if self.summary.is_some() {
            return 1.0;
        }
        let add = |(done, all), track: &Track| (done + track.steps_done(), all + f64::from(self.epochs) * track.steps as f64);
        let (done, all) = self.going().fold((0.0, 0.0), add);
        if all > 0.0 { (done / all).clamp(0.0, 1.0) } else { 0.0 }
    }
    /// Epochs done by the slowest learner, with its fraction.
    pub fn epoch(&self) -> f64 {
        self.going().map(|track| track.steps_done() / track.steps.max(1) as f64).reduce(f64::min).unwrap_or(0.0)
    }
    /// The same of the fastest one.
    pub fn furthest_epoch(&self) -> f64 {
        self.going().map(|track| track.steps_done() / track.steps.max(1) as f64).fold(0.0, f64::max)
    }
    /// Seconds still to train, by the measured steps; `None` before there are any.
    pub fn seconds_left(&self) -> Option<f64> {
        let left = |track: &Track| {
            let steps = (f64::from(self.epochs) * track.steps as f64 - track.steps_done()).max(0.0);
            Some(steps * track.ms_per_step? / 1000.0)
        };
        self.going().map(left).try_fold(0.0, |sum, seconds| Some(sum + seconds?)).filter(|_| !self.tracks.is_empty())
    }
    /// Most topology updates of any learner.
    pub fn updates(&self) -> u32 {
        self.racing().map(|track| track.updates).max().unwrap_or(0)
    }
    /// Whether any learner was evaluated so.
    pub fn has(&self, metric: Metric) -> bool {
        self.tracks.iter().filter_map(Track::latest).any(|scores| metric.score(scores).is_some())
    }
    /// What the run is judged by.
    pub fn deciding(&self) -> Metric {
        self.judged_by.unwrap_or_else(|| Metric::hardest(self.tracks.iter().filter_map(Track::latest)))
    }
}
