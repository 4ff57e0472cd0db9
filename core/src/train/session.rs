//! The session: learners in turn, in slices of about 100 ms, as a stream of events.
//!
//! It is pulled, never pushes: pausing is not calling `advance`. Whoever is behind gets the next slice, so all learners
//! stay abreast and their curves grow together.

pub mod look;
mod resume;
mod samples;
mod steer;

use std::sync::Arc;

use super::checkpoint::{Checkpoint, DataIdentity};
use super::learner::{Corner, Latest, Learner, Pending, Phase, Ring, Tally, upload};
use super::parent::Parents;
use super::verdict::verdict;
use crate::attack::Adversary;
use crate::config::{ExperimentConfig, Subset};
use crate::corrupt::Plan;
use crate::data::batch::HostBatch;
use crate::data::{Dataset, train_validation_split};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::events::{Event, LearnerSummary, Score, Summary};
use crate::hardness::{Column, Scores, data_fraction, difficulty_bins, select};
use crate::net::plan::{allocate_io, free_io};
use crate::net::scratch::Scratch;
use crate::net::tape::Io;
use crate::net::zoo::Input;
use crate::net::{StateDict, init};
use crate::ops::{SAMPLE_WORDS, StepParams, padded_batch};

/// Device work aimed at in one call of `advance`, milliseconds.
const SLICE_MS: f64 = 100.0;

/// What one sample's evaluation gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRecord {
    /// Cross-entropy.
    pub loss: f32,
    /// Squared norm of softmax minus one-hot.
    pub el2n: f32,
    /// Softmax probability of the true class.
    pub true_probability: f32,
    /// The answer.
    pub predicted: u16,
}

/// A learner at its best.
#[derive(Clone, Debug)]
pub struct Best {
    /// Whether it is the best by validation accuracy, ...
    pub clean: bool,
    /// ... and by robust validation accuracy, which only adversarial runs have.
    pub robust: bool,
    /// Epochs it had completed.
    pub epoch: u32,
    /// The evaluation after them.
    pub scores: Latest,
    /// Its weights then, as [`Session::state`] gives them.
    pub state: StateDict,
}

/// Images that are evaluated.
#[derive(Clone, Copy)]
struct Images {
    /// Of the test file, else of the training file.
    test: bool,
    /// As they are trained on, which may be corrupted.
    seen: bool,
    /// As the attack leaves them.
    attacked: bool,
}

/// A split of the data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Split {
    Validation,
    Test,
    /// The test set, corrupted as the training samples are.
    CorruptedTest,
    /// What the learner trains on, no more of it than of the test set.
    Train,
}

/// One part of an evaluation.
#[derive(Clone, Copy)]
struct Part {
    on: Split,
    attacked: bool,
}

/// What a session's learners are made from.
#[derive(Clone, Copy)]
enum Origin<'a> {
    /// Their beginning, and the dense parents of those that have one.
    Start(&'a Parents),
    /// A checkpoint.
    Saved(&'a Checkpoint),
}

/// A running experiment.
pub struct Session {
    config: ExperimentConfig,
    data: Arc<Dataset>,
    /// The images as they are trained on: corrupted where the configuration says so, else `data` itself.
    seen: Arc<Dataset>,
    device: Device,
    scratch: Scratch,
    io: Io,
    batch: HostBatch,
    adversary: Option<Adversary>,
    learners: Vec<Learner>,
    /// Test and validation samples that are evaluated.
    test: Arc<Vec<u32>>,
    validation: Arc<Vec<u32>>,
    /// Which of the test samples are hard.
    hard: Option<Vec<bool>>,
    /// Difficulty bin of each test sample that is evaluated.
    bins: Option<Vec<usize>>,
    lr: Option<f32>,
    /// Densities that learners are to be brought to before their next step.
    densities: Vec<(usize, f64)>,
    /// What was changed and has not been said.
    changed: Vec<Event>,
    /// Epochs that no learner goes beyond.
    hold: Option<u32>,
    started: bool,
    finished: bool,
    /// By learner.
    best: Vec<Vec<Best>>,
    look: Option<look::Look>,
}

impl Session {
    /// Plans every learner on the device. `scores` are needed where the subset asks for them, and split the test set
    /// wherever they are given.
    ///
    /// # Errors
    /// `Config` for what cannot be run as written; `Limit` and `OutOfMemory` from the device.
    pub async fn new(config: ExperimentConfig, data: Arc<Dataset>, scores: Option<Arc<Scores>>, device: Device) -> Result<Self> {
        Self::with_parents(config, data, scores, &Parents::new(), device).await
    }

    /// [`Self::new`], with the trained dense networks that some methods start from ([`super::parent::needed`]).
    ///
    /// # Errors
    /// As [`Self::new`]; `Config` where a parent is missing, `Format` where one does not fit the network.
    pub async fn with_parents(
        config: ExperimentConfig,
        data: Arc<Dataset>,
        scores: Option<Arc<Scores>>,
        parents: &Parents,
        device: Device,
    ) -> Result<Self> {
        Self::plan(config, data, scores, device, Origin::Start(parents)).await
    }

    /// Plans every learner, as it starts or as it was saved.
    async fn plan(
        config: ExperimentConfig,
        data: Arc<Dataset>,
        scores: Option<Arc<Scores>>,
        mut device: Device,
        origin: Origin<'_>,
    ) -> Result<Self> {
        config.validate()?;
        let (train, validation) = train_validation_split(&data);
        let train = data_fraction(&train, config.p_data)?;
        let limit = |limit: usize, n: usize| if limit == 0 { n } else { limit.min(n) };
        let test_count = limit(config.limit_test, data.test.len());
        let validation: Vec<u32> = validation.into_iter().take(limit(config.limit_test, usize::MAX)).collect();
        let test: Vec<u32> = (0..test_count as u32).collect();
        if train.is_empty() || test.is_empty() {
            return Err(Error::config(format!("the dataset '{}' has no training or no test images", data.name)));
        }
        let (mut hard, mut bins) = (None, None);
        if let Some(scores) = &scores {
            let column = scores.ranking(config.subset)?;
            if !column.test.is_empty() {
                hard = Some(test_bins(column, test_count, 2)?.into_iter().map(|bin| bin == 1).collect::<Vec<bool>>());
                bins = if config.bins == 0 { None } else { Some(test_bins(column, test_count, config.bins)?) };
            }
        }
        if let Origin::Saved(saved) = origin {
            saved.check_data(&DataIdentity::new(&data, hard.as_deref()))?;
        }
        let mut corners = Vec::new();
        let labels = config.balanced.then_some(data.train.labels.as_slice());
        for (subset, control) in self::corners(&config) {
            let indices = select(subset, &train, labels, scores.as_deref(), config.seed, config.limit_train)?;
            corners.push((subset, control, Arc::new(indices)));
        }
        let seen = if config.corruption.is_empty() {
            data.clone()
        } else {
            let plan = Plan { kinds: config.corruption, severities: config.severity, seed: config.seed };
            let mut used = validation.clone();
            corners.iter().for_each(|(_, _, indices)| used.extend(indices.iter()));
            used.sort_unstable();
            Arc::new(plan.apply(&data, &used, &test)?)
        };
        let n = padded_batch(config.samples_a_pass());
        let io = allocate_io(&mut device, data.extent, n, data.train.len().max(data.test.len()))?;
        let input = Input { extent: data.extent, classes: data.classes.len(), mean: data.mean, std: data.std };
        let graph = config.graph(input)?;
        let start = init::initial_state(&graph, config.seed);
        let (mut scratch, mut batch) = (Scratch::default(), HostBatch::default());
        let adversary = Adversary::new(&mut device, &io, data.extent, n, &config)?;
        let mut ring = Ring {
            config: &config,
            data: &seen,
            device: &mut device,
            scratch: &mut scratch,
            io,
            batch: &mut batch,
            adversary: adversary.as_ref(),
        };
        let mut learners = Vec::new();
        for (subset, control, indices) in corners {
            let parent = match origin {
                Origin::Start(parents) => parents.get(&subset.to_string()).map(Arc::as_ref),
                Origin::Saved(_) => None,
            };
            for &learner in &config.learners {
                let corner = Corner { config: learner, subset, control, indices: indices.clone() };
                learners.push(match origin {
                    Origin::Start(_) => Learner::new(&mut ring, corner, graph.clone(), n, &start, parent).await?,
                    Origin::Saved(saved) => Learner::restore(&mut ring, corner, graph.clone(), n, &start, saved, learners.len())?,
                });
            }
        }
        Ok(Self {
            config,
            data,
            seen,
            device,
            scratch,
            io,
            batch,
            adversary,
            best: vec![Vec::new(); learners.len()],
            learners,
            test: test.into(),
            validation: validation.into(),
            hard,
            bins,
            lr: None,
            densities: Vec::new(),
            changed: Vec::new(),
            hold: None,
            started: false,
            finished: false,
            look: None,
        })
    }

    /// Does about 100 ms of device work and says what happened. Returns `Finished` once as the last event, then nothing.
    ///
    /// # Errors
    /// What the device says; the session cannot go on after that.
    pub async fn advance(&mut self) -> Result<Vec<Event>> {
        if !self.started {
            return Ok(self.start());
        }
        if self.finished {
            return Ok(Vec::new());
        }
        let behind = |(_, a): &(usize, &Learner), (_, b): &(usize, &Learner)| a.progress(&self.config).total_cmp(&b.progress(&self.config));
        let goes = |l: &Learner| l.phase != Phase::Done && self.hold.is_none_or(|epochs| l.epoch < epochs);
        let next = self.learners.iter().enumerate().filter(|(_, l)| goes(l)).min_by(behind).map(|(i, _)| i);
        let mut events = std::mem::take(&mut self.changed);
        if let Some(learner) = next {
            events.extend(self.slice(learner, usize::MAX).await?);
        }
        self.finish_if_done(&mut events);
        Ok(events)
    }

    /// Runs exactly one training step of every learner (the page's "step" button); an evaluation that is due comes first.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub async fn step_once(&mut self) -> Result<Vec<Event>> {
        let mut events = if self.started { Vec::new() } else { self.start() };
        events.append(&mut self.changed);
        for i in 0..self.learners.len() {
            while matches!(self.learners[i].phase, Phase::Evaluate(..)) {
                events.extend(self.slice(i, 1).await?);
            }
            while self.learners[i].phase == Phase::Train {
                let changes = self.densities.iter().any(|(learner, _)| *learner == i);
                events.extend(self.slice(i, 1).await?);
                if !changes {
                    break;
                }
            }
        }
        self.finish_if_done(&mut events);
        Ok(events)
    }

    /// What is run.
    pub fn config(&self) -> &ExperimentConfig {
        &self.config
    }
    /// The images.
    pub fn dataset(&self) -> &Dataset {
        &self.data
    }
    /// True after `Finished`.
    pub fn finished(&self) -> bool {
        self.finished
    }
    /// The weights of a learner, dense (zeros where inactive), with BatchNorm statistics.
    ///
    /// # Errors
    /// What the device says.
    pub async fn state(&self, learner: usize) -> Result<StateDict> {
        match self.learners.get(learner) {
            Some(l) => l.net.state(&self.device).await,
            None => Err(Error::config(format!("there is no learner {learner}; there are {}", self.learners.len()))),
        }
    }
    /// Gives the device back, with nothing of this session left on it.
    pub fn into_device(mut self) -> Device {
        for learner in self.learners {
            learner.net.free(&mut self.device);
        }
        self.scratch.free(&mut self.device);
        if let Some(adversary) = self.adversary {
            adversary.io.free(&mut self.device);
        }
        if let Some(look) = self.look {
            look.free(&mut self.device);
        }
        free_io(&mut self.device, self.io);
        self.device
    }
    /// The summary as it stands.
    pub fn summary(&self) -> Summary {
        let learners: Vec<LearnerSummary> = self.learners.iter().map(|l| self.learner_summary(l)).collect();
        let verdict = verdict(&self.config, &learners);
        Summary { learners, verdict }
    }

    /// `Started`, as the session would say it now: a resumed session does not say it again by itself.
    pub fn introduction(&self) -> Event {
        Event::Started {
            learners: self.learners.iter().map(|l| l.info(self.config.batch_size)).collect(),
            device: self.device.info(),
            epochs: self.config.epochs,
            config_hash: self.config.hash().unwrap_or_default(),
            device_bytes: self.device.allocated_bytes(),
        }
    }

    fn start(&mut self) -> Vec<Event> {
        self.started = true;
        let mut events = vec![self.introduction()];
        if self.hard.is_none() {
            let message = "there are no hardness scores for these images, so test accuracy is not split into easy and hard".into();
            events.push(Event::Warning { message });
        }
        let notes = self.learners.iter().flat_map(|l| &l.notes);
        events.extend(notes.map(|note| Event::Warning { message: note.clone() }));
        events
    }

    fn finish_if_done(&mut self, events: &mut Vec<Event>) {
        if !self.finished && self.learners.iter().all(|l| l.phase == Phase::Done) {
            self.finished = true;
            events.push(Event::Finished { summary: self.summary() });
        }
    }

    /// The states that are the best so far, the first on ties, each once: by validation accuracy, and in an adversarial run by robust
    /// validation accuracy. None before the first evaluation.
    pub fn best_states(&self, learner: usize) -> &[Best] {
        self.best.get(learner).map_or(&[], Vec::as_slice)
    }

    async fn slice(&mut self, index: usize, max_steps: usize) -> Result<Vec<Event>> {
        match self.learners[index].phase {
            Phase::Done => Ok(Vec::new()),
            Phase::Train => {
                let Self { config, seen, device, scratch, io, batch, learners, lr, adversary, densities, .. } = self;
                let adversary = adversary.as_ref();
                let mut ring = Ring { config, data: seen, device, scratch, io: *io, batch, adversary };
                if let Some(at) = densities.iter().position(|(learner, _)| *learner == index) {
                    let (_, density) = densities.remove(at);
                    return learners[index].change_density(&mut ring, density, index).await;
                }
                learners[index].train_slice(&mut ring, *lr, SLICE_MS, max_steps, index).await
            }
            Phase::Evaluate(part, at) => self.evaluate_part(index, part, at).await,
        }
    }

    /// The parts of a learner's evaluation, in order. An adversarial one ends the run with the training samples, for the
    /// generalisation gap.
    fn parts(&self, learner: &Learner) -> Vec<Part> {
        let (on, attacked) = (|on| Part { on, attacked: false }, |on| Part { on, attacked: true });
        let mut splits = vec![Split::Validation, Split::Test];
        if self.adversary.is_some() && learner.epoch + 1 == self.config.epochs {
            splits.push(Split::Train);
        }
        let mut parts: Vec<Part> = match self.adversary {
            None => splits.into_iter().map(on).collect(),
            Some(_) => splits.into_iter().flat_map(|split| [on(split), attacked(split)]).collect(),
        };
        if !self.config.corruption.is_empty() {
            parts.push(on(Split::CorruptedTest));
        }
        parts
    }

    /// A slice of one part; after the last part the epoch ends.
    async fn evaluate_part(&mut self, index: usize, part: usize, at: usize) -> Result<Vec<Event>> {
        let parts = self.parts(&self.learners[index]);
        let Some(Part { on, attacked }) = parts.get(part).copied() else { return Ok(Vec::new()) };
        let (samples, most) = match on {
            Split::Validation => (self.validation.clone(), usize::MAX),
            Split::Test | Split::CorruptedTest => (self.test.clone(), usize::MAX),
            Split::Train => (self.learners[index].training_samples(), self.test.len()),
        };
        let samples = &samples[..samples.len().min(most)];
        let test = matches!(on, Split::Test | Split::CorruptedTest);
        let at = self.evaluate(index, samples, Images { test, seen: on != Split::Test, attacked }, at).await?;
        if at < samples.len() {
            self.learners[index].phase = Phase::Evaluate(part, at);
            return Ok(Vec::new());
        }
        let records = self.records(samples.len()).await?;
        let images = if test { &self.data.test } else { &self.data.train };
        let labels = samples.iter().map(|&i| images.labels[i as usize]);
        let bins = if attacked || on != Split::Test { Vec::new() } else { self.by_bin(&records) };
        let learner = &mut self.learners[index];
        let Pending { scores, right } = &mut learner.pending;
        if attacked {
            // What was wrong before the attack is not robust, whatever the attack made of it.
            let score = score(&records, labels, |_| true, |i| right[i]);
            let robust = scores.by_hardness.robust.get_or_insert_default();
            match on {
                Split::Validation => robust.validation = score,
                Split::Test => robust.test = score,
                Split::Train => robust.train = score,
                Split::CorruptedTest => {}
            }
        } else {
            *right = records.iter().zip(labels.clone()).map(|(record, label)| record.predicted == label).collect();
            let all = score(&records, labels.clone(), |_| true, |_| true);
            match on {
                Split::Validation => scores.validation = all,
                Split::CorruptedTest => scores.by_hardness.corrupted = Some(all),
                Split::Train => scores.by_hardness.robust.get_or_insert_default().clean_train = Some(all),
                Split::Test => {
                    let hard = self.hard.as_ref();
                    let half = |wanted: bool| hard.map(|hard| score(&records, labels.clone(), |i| hard[i] == wanted, |_| true));
                    (scores.test, scores.test_easy, scores.test_hard) = (all, half(false), half(true));
                    scores.by_hardness.bins = bins;
                }
            }
        }
        if part + 1 < parts.len() {
            learner.phase = Phase::Evaluate(part + 1, 0);
            return Ok(Vec::new());
        }
        let mut latest = std::mem::take(&mut learner.pending).scores;
        if let Some(robust) = latest.by_hardness.robust.as_mut().filter(|robust| robust.clean_train.is_none()) {
            robust.train = learner.latest.train;
        }
        let events = self.end_epoch(index, latest);
        self.keep_best(index).await?;
        Ok(events)
    }

    fn end_epoch(&mut self, index: usize, latest: Latest) -> Vec<Event> {
        let learner = &mut self.learners[index];
        learner.latest = Latest { train: learner.latest.train, ..latest };
        let lr = self.lr.unwrap_or_else(|| learner.lr(&self.config));
        learner.next_epoch(&self.config);
        let Latest { train, validation, test, test_easy, test_hard, by_hardness } = learner.latest.clone();
        let (epoch, flops, seconds) = (learner.epoch, learner.flops, learner.seconds);
        let report = learner.topology_report(&self.config);
        let mut events: Vec<Event> = report.map(|report| Event::Topology { learner: index, epoch, report }).into_iter().collect();
        events.push(Event::EpochEnd {
            learner: index,
            epoch,
            lr,
            train,
            validation,
            test,
            test_easy,
            test_hard,
            by_hardness,
            flops,
            seconds,
        });
        events
    }

    /// Evaluates samples from `at` on for about a slice; returns where it stopped.
    async fn evaluate(&mut self, learner: usize, samples: &[u32], which: Images, mut at: usize) -> Result<usize> {
        let start = web_time::Instant::now();
        let mut queued = 0;
        while at < samples.len() {
            let end = (at + self.config.samples_a_pass()).min(samples.len());
            let file = if which.seen { &self.seen } else { &self.data };
            let images = if which.test { &file.test } else { &file.train };
            let net = &self.learners[learner].net;
            self.batch.fill(&self.data, images, &samples[at..end], net.n, None)?;
            upload(&mut self.device, &self.io, &self.batch)?;
            let step = StepParams { n_valid: (end - at) as u32, sample_offset: at as u32, ..StepParams::default() };
            match self.adversary.as_ref().filter(|_| which.attacked) {
                Some(adversary) => adversary.evaluate(&mut self.device, net, &step, &samples[at..end])?,
                None => net.eval_step(&mut self.device, &step)?,
            }
            at = end;
            queued += 1;
            // A GPU only queues: wait now and then, to keep to the slice.
            if queued % 4 == 0 {
                self.device.sync().await?;
            }
            if start.elapsed().as_secs_f64() * 1e3 > SLICE_MS {
                break;
            }
        }
        self.device.sync().await?;
        Ok(at)
    }

    async fn records(&self, count: usize) -> Result<Vec<SampleRecord>> {
        let words = self.device.read_f32(self.io.samples, 0, count * SAMPLE_WORDS).await?;
        let record = |w: &[f32]| SampleRecord { loss: w[0], el2n: w[1], true_probability: w[2], predicted: w[3] as u16 };
        Ok(words.chunks_exact(SAMPLE_WORDS).map(record).collect())
    }

    fn learner_summary(&self, l: &Learner) -> LearnerSummary {
        let info = l.info(self.config.batch_size);
        let Latest { train, validation, test, test_easy, test_hard, by_hardness } = l.latest.clone();
        LearnerSummary {
            name: info.name,
            subset: info.subset,
            control: l.control,
            density: info.density,
            active_parameters: info.active_parameters,
            flops_per_step: info.flops_per_step,
            ms_per_step: l.ms_per_step(),
            train,
            validation,
            test,
            test_easy,
            test_hard,
            by_hardness,
            failed: l.failed.clone(),
        }
    }
}

/// The subsets that are trained on: the one asked for, and a random one of the same size as its control.
pub(super) fn corners(config: &ExperimentConfig) -> Vec<(Subset, bool)> {
    let mut out = vec![(config.subset, false)];
    if config.control && config.subset.needs_scores() {
        out.push((Subset::Random(config.subset.fraction()), true));
    }
    out
}

/// The difficulty bin of each of the first `count` test samples.
fn test_bins(column: &Column, count: usize, bins: usize) -> Result<Vec<usize>> {
    let Column { score, test, .. } = column;
    let Some(first) = test.get(..count) else {
        return Err(Error::config(format!("{count} test samples, but scores '{score}' for only {}", test.len())));
    };
    difficulty_bins(first, score.sign(), bins)
}

/// Mean loss and accuracy of the records that `keep` names by index; right are only those that may be.
fn score(
    records: &[SampleRecord],
    labels: impl Iterator<Item = u16>,
    keep: impl Fn(usize) -> bool,
    may_be_right: impl Fn(usize) -> bool,
) -> Score {
    let mut tally = Tally::default();
    for (i, (record, label)) in records.iter().zip(labels).enumerate() {
        if keep(i) {
            tally.add_sample(record.loss, record.predicted == label && may_be_right(i));
        }
    }
    tally.score()
}
