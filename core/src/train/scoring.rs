//! A scoring run: train a dense network for a few epochs, then score every sample by what it still gets wrong.
//!
//! EL2N early in training ranks samples nearly as a full run does (Paul, Ganguli and Dziugaite 2021), so a short run is
//! enough to choose a hard subset; means over several runs rank better. The run card names everything that made the scores.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Session;
use crate::config::{ExperimentConfig, LearnerConfig, LrSchedule};
use crate::data::{Dataset, DatasetName, builtin};
use crate::device::Device;
use crate::device::info::DeviceInfo;
use crate::error::{Error, Result};
use crate::events::{Event, Summary};
use crate::hardness::{Answers, Column, Forgetting, ScoreName, Scores, Subset};
use crate::net::SampleRecord;
use crate::net::plan::SampleNorms;
use crate::rng::{Purpose, Stream};

/// Epochs of a scoring run unless told otherwise.
pub const SCORING_EPOCHS: u32 = 4;

/// What made a set of scores.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScoreCard {
    /// The scoring network's training.
    pub config: ExperimentConfig,
    /// Its hash.
    pub config_hash: String,
    /// Where it ran.
    pub device: DeviceInfo,
    /// How well the scoring network (the first of several) did.
    pub summary: Summary,
    /// Scoring runs that the scores are means over, with the seeds from the configuration's on.
    #[serde(default = "one")]
    pub runs: u32,
}

fn one() -> u32 {
    1
}

/// Scores that cost more than one evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// One backward pass over every sample.
    pub grand: bool,
    /// An evaluation of all samples after every epoch.
    pub forgetting: bool,
}

/// Seed of the scoring run that an experiment asks for, whatever its own seed is: how hard a sample is belongs to the images and the
/// scorer. A series then varies training over its seeds, and not what it is measured by.
pub const SCORING_SEED: u64 = 15;

/// The configuration of the scoring run for an experiment: its dataset, network and parts of a batch; dense, all samples, in f32 whatever the
/// experiment stores.
pub fn scoring_config(config: &ExperimentConfig, epochs: u32) -> ExperimentConfig {
    ExperimentConfig {
        dataset: config.dataset,
        difficulty: config.difficulty,
        folder: config.folder.clone(),
        image_size: config.image_size,
        model: config.model,
        width: config.width,
        stem: config.stem,
        classifier_bias: config.classifier_bias,
        projections: config.projections,
        seed: config.seed,
        batch_size: config.batch_size,
        micro_batch: config.micro_batch,
        recompute: config.recompute,
        device: config.device,
        subset: Subset::All,
        control: false,
        limit_train: 0,
        limit_test: 0,
        learners: vec![LearnerConfig::DENSE],
        epochs,
        lr_schedule: LrSchedule::Constant,
        lr: 0.05,
        ..ExperimentConfig::default()
    }
}

/// Where the scores of an experiment's images come from. The order is one everywhere: a file that the configuration names, what ships
/// with the program, what was made before, a scoring run.
#[derive(Clone, Debug)]
pub struct ScorePolicy {
    /// The score that the subset ranks by; none where it can do without.
    pub needed: Option<ScoreName>,
    /// The scoring run that would make them; its hash names what was made before.
    pub run: ExperimentConfig,
}

/// What to do once it is known what was made before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It has what is needed.
    Enough,
    /// Nothing is needed, and what happens to be there is not used: results must follow from the configuration alone.
    Without,
    /// A scoring run has to make these besides the cheap ones.
    Make(Extra),
}

impl ScorePolicy {
    /// That of an experiment.
    pub fn of(config: &ExperimentConfig) -> Self {
        let needed = match config.subset {
            Subset::Ranked { score, .. } => Some(score),
            Subset::All | Subset::First(_) | Subset::Random(_) => None,
        };
        let seed = SCORING_SEED;
        Self { needed, run: ExperimentConfig { seed, ..scoring_config(config, SCORING_EPOCHS) } }
    }
    /// Name of the scores that ship and will do: EL2N of CIFAR-10, and of the built-in set at the difficulty [`builtin::HARD`]. Where
    /// the experiment needs no score they are shown beside, and decide nothing.
    pub fn shipped(&self) -> Option<&'static str> {
        let will_do = self.needed.is_none_or(|needed| needed == ScoreName::El2n);
        match self.run.dataset {
            DatasetName::Cifar10 if will_do => Some("cifar10-el2n"),
            DatasetName::BuiltIn if will_do && self.run.difficulty == builtin::HARD => Some("builtin-el2n"),
            _ => None,
        }
    }
    /// What is left to do with what was made before.
    pub fn after(&self, made: Option<&Scores>) -> Made {
        let has = |score| made.is_some_and(|scores| scores.get(score).is_ok());
        match self.needed {
            None => Made::Without,
            Some(needed) if has(needed) => Made::Enough,
            // What it has is made again, with what it lacks.
            Some(needed) => Made::Make(Extra {
                grand: needed == ScoreName::Grand || has(ScoreName::Grand),
                forgetting: needed == ScoreName::Forgetting || has(ScoreName::Forgetting),
            }),
        }
    }
}

/// A scoring run under way.
pub struct Scoring {
    session: Session,
    config: ExperimentConfig,
    extra: Extra,
    summary: Option<Summary>,
    /// Of the training file, and of the test file.
    forgetting: [Forgetting; 2],
    program: Option<SampleNorms>,
    /// Likewise.
    norms: [Vec<f32>; 2],
    done: bool,
}

impl Scoring {
    /// Plans the scoring network; the scores that one evaluation gives.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub async fn new(config: ExperimentConfig, data: Arc<Dataset>, device: Device) -> Result<Self> {
        Self::with(config, data, device, Extra::default()).await
    }
    /// Plans the scoring network, for more scores.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub async fn with(config: ExperimentConfig, data: Arc<Dataset>, device: Device, extra: Extra) -> Result<Self> {
        let session = Session::new(config.clone(), data, None, device).await?;
        let (forgetting, norms) = Default::default();
        Ok(Self { session, config, extra, summary: None, forgetting, program: None, norms, done: false })
    }
    /// As [`Session::advance`]; after training come the gradient norms, without events.
    ///
    /// # Errors
    /// As [`Session::advance`].
    pub async fn advance(&mut self) -> Result<Vec<Event>> {
        if self.session.finished() {
            self.gradient_norms().await?;
            return Ok(Vec::new());
        }
        let events = self.session.advance().await?;
        for event in &events {
            match event {
                Event::EpochEnd { .. } if self.extra.forgetting => {
                    for (forgetting, test) in self.forgetting.iter_mut().zip([false, true]) {
                        let records = self.session.sample_records(0, test).await?;
                        let data = self.session.dataset();
                        let labels = if test { &data.test.labels } else { &data.train.labels };
                        forgetting.epoch(records.iter().zip(labels).map(|(r, label)| r.predicted == *label));
                    }
                }
                Event::LearnerFailed { reason, .. } => return Err(Error::config(format!("the scoring network failed: {reason}"))),
                Event::Finished { summary } => {
                    self.summary = Some(summary.clone());
                    self.done = !self.extra.grand;
                }
                _ => {}
            }
        }
        Ok(events)
    }
    async fn gradient_norms(&mut self) -> Result<()> {
        let program = match self.program.take() {
            Some(program) => program,
            None if self.done => return Ok(()),
            None => self.session.begin_norms(0)?,
        };
        let [train, test] = &mut self.norms;
        let result = match self.session.norms(&program, 0, false, train).await {
            Ok(true) => self.session.norms(&program, 0, true, test).await,
            other => other,
        };
        match result {
            Ok(false) => self.program = Some(program),
            _ => self.session.end_norms(program),
        }
        self.done = result?;
        Ok(())
    }
    /// Whether all is done but the evaluation.
    pub fn finished(&self) -> bool {
        self.done
    }
    /// How many samples have their gradient norm, while these are computed.
    pub fn norms_done(&self) -> Option<usize> {
        self.program.as_ref().map(|_| self.norms.iter().map(Vec::len).sum())
    }
    /// Scores every sample and gives the device back.
    ///
    /// # Errors
    /// What the device says.
    pub async fn into_scores(mut self) -> Result<(Scores, Device)> {
        let train = self.session.sample_records(0, false).await?;
        let test = self.session.sample_records(0, true).await?;
        let summary = self.summary.take().unwrap_or_else(|| self.session.summary());
        if let Some(program) = self.program.take() {
            self.session.end_norms(program);
        }
        let device = self.session.into_device();
        let seed = self.config.seed;
        let card = ScoreCard { config_hash: self.config.hash()?, config: self.config, device: device.info(), summary, runs: 1 };
        let card = serde_json::to_string(&card).map_err(|e| Error::config(e.to_string()))?;
        type Value = fn(&SampleRecord) -> f32;
        let mut columns = Vec::new();
        let mut put = |score, train, test| columns.push(Column { score, train, test });
        let of = |records: &[SampleRecord], value: Value| records.iter().map(value).collect::<Vec<f32>>();
        let evaluated: [(ScoreName, Value); 4] = [
            (ScoreName::El2n, |r| r.el2n),
            (ScoreName::El2nNorm, |r| libm::sqrtf(r.el2n)),
            (ScoreName::Uncertainty, |r| r.true_probability),
            (ScoreName::Loss, |r| r.loss),
        ];
        for (score, value) in evaluated {
            put(score, of(&train, value), of(&test, value));
        }
        if self.extra.grand {
            let [train, test] = self.norms;
            put(ScoreName::Grand, train, test);
        }
        if self.extra.forgetting {
            let [train, test] = self.forgetting.map(|f| f.scores());
            put(ScoreName::Forgetting, train, test);
        }
        let random = |part, n| {
            let mut stream = Stream::new(seed, Purpose::Subset, 5, part);
            (0..n).map(|_| stream.uniform()).collect()
        };
        put(ScoreName::Random, random(0, train.len()), random(1, test.len()));
        let answers = |records: &[SampleRecord]| records.iter().map(|r| r.predicted).collect();
        let answers = Some(Answers { train: answers(&train), test: answers(&test) });
        Ok((Scores { columns, answers, card }, device))
    }
}

/// The mean of each score over several runs; answers and card are the first's, which says how many there were. A sample that was
/// never learned in one run is infinitely hard to forget in the mean.
///
/// # Errors
/// `Config` where the runs are of different samples or scores, or there is none.
pub fn mean(runs: &[Scores]) -> Result<Scores> {
    let different = || Error::config("scoring runs of different samples have no mean");
    let first = runs.first().ok_or_else(different)?;
    let average = |score: ScoreName, pick: fn(&Column) -> &Vec<f32>| {
        let all = runs.iter().map(|run| run.get(score).map(pick)).collect::<Result<Vec<_>>>()?;
        let len = all.first().map_or(0, |values| values.len());
        if all.iter().any(|values| values.len() != len) {
            return Err(different());
        }
        let sum = |i: usize| all.iter().map(|values| f64::from(values[i])).sum::<f64>();
        Ok((0..len).map(|i| (sum(i) / runs.len() as f64) as f32).collect())
    };
    let mut columns = Vec::new();
    for Column { score, .. } in &first.columns {
        columns.push(Column { score: *score, train: average(*score, |c| &c.train)?, test: average(*score, |c| &c.test)? });
    }
    let mut card: ScoreCard = serde_json::from_str(&first.card).map_err(|e| Error::config(e.to_string()))?;
    card.runs = runs.len() as u32;
    let card = serde_json::to_string(&card).map_err(|e| Error::config(e.to_string()))?;
    Ok(Scores { columns, answers: first.answers.clone(), card })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn scores(names: &[ScoreName]) -> Scores {
        let column = |score: &ScoreName| Column { score: *score, train: vec![0.0], test: vec![0.0] };
        Scores { columns: names.iter().map(column).collect(), ..Scores::default() }
    }

    #[test]
    fn difficulty_is_scored_once_for_all_seeds() {
        let of = |seed: u64, subset: &str| {
            let config = ExperimentConfig {
                seed,
                subset: subset.parse().unwrap(),
                p_data: 0.5,
                dataset: DatasetName::BuiltIn,
                ..Default::default()
            };
            ScorePolicy::of(&config).run.hash().unwrap()
        };
        assert_eq!(of(15, "el2n-hard:0.5"), of(16, "loss-easy:0.1"));
        let default = ExperimentConfig::default();
        assert_eq!(ScorePolicy::of(&default).run, scoring_config(&default, SCORING_EPOCHS), "the default's scores are what they were");
    }

    #[test]
    fn what_ships_is_el2n_of_two_sets() {
        let shipped = |dataset, difficulty, subset: &str| {
            let subset = subset.parse().unwrap();
            ScorePolicy::of(&ExperimentConfig { dataset, difficulty, subset, ..Default::default() }).shipped()
        };
        assert_eq!(shipped(DatasetName::Cifar10, 0.5, "el2n-hard:0.5"), Some("cifar10-el2n"));
        assert_eq!(shipped(DatasetName::Cifar10, 0.5, "all"), Some("cifar10-el2n"), "shown beside");
        assert_eq!(shipped(DatasetName::BuiltIn, builtin::HARD, "el2n-easy:0.2"), Some("builtin-el2n"));
        for (dataset, difficulty, subset) in [
            (DatasetName::Cifar10, 0.5, "loss-hard:0.5"),
            (DatasetName::BuiltIn, 0.5, "el2n-hard:0.5"),
            (DatasetName::BuiltInGrey, builtin::HARD, "el2n-hard:0.5"),
        ] {
            assert_eq!(shipped(dataset, difficulty, subset), None, "{dataset} {difficulty} {subset}");
        }
    }

    #[test]
    fn what_lies_in_a_cache_is_used_where_it_is_needed_and_nowhere_else() {
        let policy = |subset: &str| {
            ScorePolicy::of(&ExperimentConfig { subset: subset.parse().unwrap(), dataset: DatasetName::BuiltIn, ..Default::default() })
        };
        let made = scores(&[ScoreName::El2n, ScoreName::Forgetting]);
        for subset in ["all", "random:0.5"] {
            assert_eq!((policy(subset).after(Some(&made)), policy(subset).after(None)), (Made::Without, Made::Without));
        }
        assert_eq!(policy("el2n-hard:0.5").after(Some(&made)), Made::Enough);
        assert_eq!(policy("el2n-hard:0.5").after(None), Made::Make(Extra::default()));
        let both = Extra { grand: true, forgetting: true };
        assert_eq!(policy("grand-easy:0.5").after(Some(&made)), Made::Make(both), "what there is is made again with it");
    }
}
