//! Evaluating a learner: which passes an epoch's evaluation has, slice by slice, and what their records say.
//!
//! The samples, the hard half and the bins are fixed for the whole session, so that every epoch and every learner is judged alike.

use std::sync::Arc;

use super::{SLICE_MS, Session};
use crate::config::ExperimentConfig;
use crate::data::Dataset;
use crate::data::limit::{Limited, balanced};
use crate::error::{Error, Result};
use crate::events::{self, Event, Score};
use crate::hardness::{Column, Scores, difficulty_bins};
use crate::net::SampleRecord;
use crate::train::learner::{Learner, Next, Pending};
use crate::train::tally::Tally;

/// Images that are evaluated.
#[derive(Clone, Copy)]
pub(super) struct Images {
    /// Of the test file, else of the training file.
    pub test: bool,
    /// As they are trained on, which may be corrupted.
    pub seen: bool,
    /// As the attack leaves them.
    pub attacked: bool,
}

/// A split of the data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EvaluatedOn {
    Validation,
    Test,
    /// The test set, corrupted as the training samples are.
    CorruptedTest,
    /// What the learner trains on, no more of it than of the test set.
    Train,
}

/// One pass of an evaluation.
#[derive(Clone, Copy)]
struct Pass {
    on: EvaluatedOn,
    attacked: bool,
}

/// So many test samples are watched: what a strip of pictures shows.
const WATCHED: usize = 24;

/// What learners are evaluated on.
pub(super) struct Evaluation {
    /// Test and validation samples that are evaluated.
    pub test: Arc<Vec<u32>>,
    validation: Arc<Vec<u32>>,
    /// Which of the test samples are hard.
    pub hard: Option<Vec<bool>>,
    /// Whether the scores of test samples are all the same and so tell none apart.
    pub alike: bool,
    /// Difficulty bin of each test sample that is evaluated, and their number.
    bins: Option<(Vec<usize>, usize)>,
    /// Places among the test samples of those that are watched.
    watched: Vec<usize>,
}

impl Evaluation {
    /// The samples of an experiment, split by difficulty where there are scores.
    ///
    /// # Errors
    /// `Config` where there are no test images, or scores for too few of them.
    pub fn new(config: &ExperimentConfig, data: &Dataset, validation: &[u32], scores: Option<&Scores>) -> Result<Self> {
        let test = Limited::test(data, config.limit_test)?.samples;
        let (mut hard, mut bins, mut alike) = (None, None, false);
        if let Some(scores) = scores {
            let column = scores.ranking(config.subset)?;
            alike = column.test.len() > 1 && column.test.iter().all(|score| *score == column.test[0]);
            if !column.test.is_empty() && !alike {
                hard = Some(test_bins(column, &test, 2)?.into_iter().map(|bin| bin == 1).collect::<Vec<bool>>());
                // No more bins than samples: an empty one has no accuracy.
                let count = config.bins.min(test.len());
                bins = if count == 0 { None } else { Some((test_bins(column, &test, count)?, count)) };
            }
        }
        // Of the hard half where there is one, spread over it: what all find hopeless lies beside what one of them may learn.
        let all: Vec<usize> = (0..test.len()).filter(|i| hard.as_ref().is_none_or(|hard| hard[*i])).collect();
        let count = all.len().min(WATCHED);
        let watched = (0..count).map(|i| all[i * all.len() / count]).collect();
        let validation = Limited::of(data, &data.train.labels, validation.to_vec(), config.limit_test).samples;
        Ok(Self { test: test.into(), validation: validation.into(), hard, alike, bins, watched })
    }

    /// All samples whose images are needed, of the training file and of the test file.
    pub fn samples(&self) -> (&[u32], &[u32]) {
        (&self.validation, &self.test)
    }

    /// The test samples that are watched, with their classes.
    pub fn watched(&self, labels: &[u16]) -> Vec<events::Watched> {
        let of = |i: &usize| events::Watched { sample: self.test[*i], label: labels[self.test[*i] as usize] };
        self.watched.iter().map(of).collect()
    }

    /// The samples of a pass.
    fn of(&self, pass: Pass, learner: &Learner, labels: &[u16]) -> (Arc<Vec<u32>>, usize) {
        let all = |samples: &Arc<Vec<u32>>| (samples.clone(), samples.len());
        match pass.on {
            EvaluatedOn::Validation => all(&self.validation),
            EvaluatedOn::Test | EvaluatedOn::CorruptedTest => all(&self.test),
            EvaluatedOn::Train => {
                let samples = learner.training_samples();
                let count = samples.len().min(self.test.len());
                let by_class = samples.iter().map(|i| labels.get(*i as usize)).is_sorted();
                // The first ones of a file that lists one class after the other are of one class.
                if by_class && count < samples.len() { all(&balanced(labels, samples.to_vec(), count).into()) } else { (samples, count) }
            }
        }
    }

    /// Test accuracy by difficulty, easiest first; nothing where there are no bins.
    fn by_bin(&self, records: &[SampleRecord], labels: &[u16]) -> Vec<Score> {
        let Some((bins, count)) = &self.bins else { return Vec::new() };
        (0..*count).map(|bin| score(records, labels, |i| bins[i] == bin, |_| true)).collect()
    }

    /// Enters what the records of a pass say.
    fn enter(&self, pass: Pass, records: &[SampleRecord], labels: &[u16], pending: &mut Pending) {
        let Pending { scores, right, answers } = pending;
        // The last of these passes is on the images that the run is judged by: attacked ones, else corrupted ones, else clean ones.
        let judged = match pass.on {
            EvaluatedOn::Test => true,
            EvaluatedOn::CorruptedTest => scores.by_hardness.robust.is_none(),
            EvaluatedOn::Validation | EvaluatedOn::Train => false,
        };
        if judged {
            *answers = self.watched.iter().map(|i| records[*i].predicted).collect();
        }
        if pass.attacked {
            // What was wrong before the attack is not robust, whatever the attack made of it.
            let score = score(records, labels, |_| true, |i| right[i]);
            let robust = scores.by_hardness.robust.get_or_insert_default();
            match pass.on {
                EvaluatedOn::Validation => robust.validation = score,
                EvaluatedOn::Test => robust.test = score,
                EvaluatedOn::Train => robust.train = score,
                EvaluatedOn::CorruptedTest => {}
            }
            return;
        }
        *right = records.iter().zip(labels).map(|(record, label)| record.predicted == *label).collect();
        let all = score(records, labels, |_| true, |_| true);
        match pass.on {
            EvaluatedOn::Validation => scores.validation = all,
            EvaluatedOn::CorruptedTest => scores.by_hardness.corrupted = Some(all),
            EvaluatedOn::Train => scores.by_hardness.robust.get_or_insert_default().clean_train = Some(all),
            EvaluatedOn::Test => {
                let half = |wanted: bool| {
                    let half = self.hard.as_ref().map(|hard| score(records, labels, |i| hard[i] == wanted, |_| true));
                    half.filter(|half| half.samples > 0)
                };
                (scores.test, scores.test_easy, scores.test_hard) = (all, half(false), half(true));
                scores.by_hardness.bins = self.by_bin(records, labels);
            }
        }
    }
}

impl Session {
    /// The passes of a learner's evaluation, in order. An adversarial one ends the run with the training samples, for the
    /// generalisation gap.
    fn passes(&self, learner: &Learner) -> Vec<Pass> {
        let (on, attacked) = (|on| Pass { on, attacked: false }, |on| Pass { on, attacked: true });
        let mut sets = vec![EvaluatedOn::Validation, EvaluatedOn::Test];
        if self.work.adversary.is_some() && learner.epoch + 1 == self.config.epochs {
            sets.push(EvaluatedOn::Train);
        }
        let mut passes: Vec<Pass> = match self.work.adversary {
            None => sets.into_iter().map(on).collect(),
            Some(_) => sets.into_iter().flat_map(|split| [on(split), attacked(split)]).collect(),
        };
        if !self.config.corruption.is_empty() {
            passes.push(on(EvaluatedOn::CorruptedTest));
        }
        passes
    }

    /// A slice of one pass; after the last pass the epoch ends.
    pub(super) async fn evaluate_part(&mut self, index: usize, number: usize, at: usize) -> Result<Vec<Event>> {
        let passes = self.passes(&self.learners[index]);
        let Some(pass) = passes.get(number).copied() else { return Ok(Vec::new()) };
        let (samples, count) = self.evaluation.of(pass, &self.learners[index], &self.data.train.labels);
        let samples = &samples[..count];
        let test = matches!(pass.on, EvaluatedOn::Test | EvaluatedOn::CorruptedTest);
        let images = Images { test, seen: pass.on != EvaluatedOn::Test, attacked: pass.attacked };
        let at = self.evaluate(index, samples, images, at).await?;
        if at < samples.len() {
            self.learners[index].next = Next::Evaluate(number, at);
            return Ok(Vec::new());
        }
        let records = self.work.io.records(&self.work.device, samples.len()).await?;
        let images = if test { &self.data.test } else { &self.data.train };
        let labels: Vec<u16> = samples.iter().map(|&i| images.labels[i as usize]).collect();
        let learner = &mut self.learners[index];
        self.evaluation.enter(pass, &records, &labels, &mut learner.pending);
        if number + 1 < passes.len() {
            learner.next = Next::Evaluate(number + 1, 0);
            return Ok(Vec::new());
        }
        let Pending { scores: mut latest, answers, .. } = std::mem::take(&mut learner.pending);
        if let Some(robust) = latest.by_hardness.robust.as_mut().filter(|robust| robust.clean_train.is_none()) {
            robust.train = learner.latest.train;
        }
        let events = self.end_epoch(index, latest, answers);
        self.keep_best(index).await?;
        Ok(events)
    }

    fn end_epoch(&mut self, index: usize, scores: events::Evaluation, answers: Vec<u16>) -> Vec<Event> {
        let learner = &mut self.learners[index];
        learner.latest = events::Evaluation { train: learner.latest.train, ..scores };
        let lr = self.steering.lr.unwrap_or_else(|| learner.lr(&self.config));
        learner.next_epoch(&self.config);
        let (epoch, flops, seconds) = (learner.epoch, learner.flops, learner.seconds);
        let report = learner.topology_report(&self.config, &self.work);
        let mut events: Vec<Event> = report.map(|report| Event::Topology { learner: index, epoch, report }).into_iter().collect();
        events.push(Event::EpochEnd { learner: index, epoch, lr, scores: Box::new(learner.latest.clone()), flops, seconds, answers });
        events
    }

    /// Evaluates samples from `at` on for about a slice; returns where it stopped.
    pub(super) async fn evaluate(&mut self, learner: usize, samples: &[u32], which: Images, at: usize) -> Result<usize> {
        let file = if which.seen { &self.seen } else { &self.data };
        let images = if which.test { &file.test } else { &file.train };
        let learner = &mut self.learners[learner];
        if which.attacked {
            learner.prepare_attack(&mut self.work)?;
        }
        let (io, adversary) = (self.work.io, self.work.adversary.as_ref().filter(|_| which.attacked));
        let queue = (samples, self.work.lanes, self.config.samples_a_pass());
        io.each_batch(&mut self.work.device, &mut self.work.batch, (&self.data, images), queue, (at, SLICE_MS), |device, step, samples| {
            match (adversary, &learner.under_attack) {
                (Some(adversary), Some(programs)) => adversary.evaluate(device, programs, step, samples),
                _ => learner.net.eval_step(device, step),
            }
        })
        .await
    }
}

/// The difficulty bin of each of these test samples, among themselves.
fn test_bins(column: &Column, samples: &[u32], bins: usize) -> Result<Vec<usize>> {
    let Column { score, test, .. } = column;
    let Some(values) = samples.iter().map(|i| test.get(*i as usize).copied()).collect::<Option<Vec<f32>>>() else {
        let needed = samples.last().map_or(0, |last| *last + 1);
        return Err(Error::config(format!("{needed} test samples, but scores '{score}' for only {}", test.len())));
    };
    difficulty_bins(&values, score.sign(), bins)
}

/// Mean loss and accuracy of the records that `keep` names by index; right are only those that may be.
fn score(records: &[SampleRecord], labels: &[u16], keep: impl Fn(usize) -> bool, may_be_right: impl Fn(usize) -> bool) -> Score {
    let mut tally = Tally::default();
    for (i, (record, label)) in records.iter().zip(labels).enumerate() {
        if keep(i) {
            tally.add_sample(record, *label, may_be_right(i));
        }
    }
    tally.score()
}
