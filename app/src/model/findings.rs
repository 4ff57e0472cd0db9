//! A study as the page shows it: its points, its figure, and how one more seed of a point joins them.
//!
//! A visitor's run belongs to a point where all its settings are the point's but the seed and the device; so a run that was made for another
//! reason counts too, and one that differs in anything does not.

use std::collections::HashMap;

use sparring_core::ExperimentConfig;
use sparring_core::device::info::DeviceChoice;
use sparring_core::record::comparison::Estimate;
use sparring_core::record::study::{Average, Findings, Row};
use sparring_core::record::{History, RunFile, StudyFile};
use sparring_figures::forest::{self, Forest};
use sparring_figures::{Tone, number};

use crate::model::names::called;
use crate::words::findings as words;

/// A learner under a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Whose it is, in words.
    pub learner: String,
    /// Where.
    pub condition: usize,
    /// Which learner of the findings.
    racer: usize,
    /// Its runs with the next seed.
    pub next: ExperimentConfig,
    /// Mean and interval.
    pub estimate: Estimate,
    /// By seed.
    pub values: Vec<(u64, f64)>,
    /// Seeds that are the visitor's.
    pub own: Vec<u64>,
}

/// A study with the visitor's own runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its points, by condition and then by learner.
    pub points: Vec<Point>,
    tones: Vec<Tone>,
}

/// What all seeds of a point have in common.
fn without_seed(config: &ExperimentConfig) -> Option<String> {
    ExperimentConfig { seed: 0, device: DeviceChoice::Auto, ..config.clone() }.hash().ok()
}

impl Shown {
    /// A study, and the finished ones among these runs that belong to it.
    pub fn new<'a>(study: &StudyFile, runs: impl Iterator<Item = &'a RunFile>) -> Self {
        let mut findings = study.findings();
        let mut kinds: HashMap<String, (usize, ExperimentConfig)> = HashMap::new();
        let configs = study.runs.iter().filter_map(|run| Some((run.condition, study.config_of(run).ok()?)));
        for (condition, config) in configs {
            if let Some(kind) = without_seed(&config) {
                kinds.entry(kind).or_insert((condition, config));
            }
        }
        let seeds = findings.seeds();
        let mut own: Vec<(usize, String, u64)> = Vec::new();
        for run in runs {
            let Some((condition, _)) = without_seed(&run.config).and_then(|kind| kinds.get(&kind)) else { continue };
            // One that the study has already says the same again.
            if seeds.contains(&run.config.seed) {
                continue;
            }
            own.extend(join(study, &mut findings, *condition, run).into_iter().map(|learner| (*condition, learner, run.config.seed)));
        }
        let racers = findings.ordered();
        let families: Vec<(&str, bool)> = racers.iter().map(|(_, racer)| (racer.name.as_str(), racer.dense)).collect();
        let tones = Tone::by_family(families);
        let config_of = |condition: usize, learner: &str| {
            let is = |config: &&ExperimentConfig| config.learners.iter().any(|l| l.to_string() == learner);
            kinds.values().filter(|(at, _)| *at == condition).map(|(_, config)| config).find(is)
        };
        let mut points = Vec::new();
        for condition in 0..study.conditions.len() {
            for (place, (racer, known)) in racers.iter().enumerate() {
                let Some(Average { values, estimate }) = findings.mean(study.measure, *racer, &[condition]) else { continue };
                let Some(config) = config_of(condition, &known.name) else { continue };
                let own: Vec<u64> =
                    own.iter().filter(|(at, name, _)| *at == condition && *name == known.name).map(|(_, _, seed)| *seed).collect();
                // A seed that no run of the study and none of this point has.
                let taken = seeds.iter().chain(values.iter().map(|(seed, _)| seed)).max().map_or(0, |seed| seed + 1);
                let next = ExperimentConfig { seed: taken, device: DeviceChoice::Auto, ..config.clone() };
                points.push(Point { learner: called(&known.name), condition, racer: place, next, estimate, values, own });
            }
        }
        Self { points, tones }
    }

    /// The drawing: a line a point, by condition.
    pub fn figure(&self, study: &StudyFile) -> Option<String> {
        let estimate = |point: &Point| {
            let half = point.estimate.half_width.unwrap_or(point.estimate.test_set_noise);
            let (mean, share) = (100.0 * point.estimate.mean, |v: f64| (100.0 * v).clamp(0.0, 100.0));
            let whose = format!("{}, {}", point.learner, place(study, point.condition));
            let says = |seed: u64, value: f64| words::seed(&whose, seed, &number::fixed(100.0 * value, 2), point.own.contains(&seed));
            let dots = |own: bool| point.values.iter().filter(move |(seed, _)| point.own.contains(seed) == own);
            let dot = |(seed, value): &(u64, f64)| (100.0 * value, says(*seed, *value));
            forest::Estimate {
                mean,
                low: share(point.estimate.mean - half),
                high: share(point.estimate.mean + half),
                values: dots(false).map(dot).collect(),
                own: dots(true).map(dot).collect(),
                says: format!("{whose}: {}", number::fixed(mean, 2)),
            }
        };
        let row = |point: &Point| forest::Row {
            name: point.learner.clone(),
            classes: self.tones[point.racer].classes(false),
            estimate: estimate(point),
            word: number::percent(point.estimate.mean, 1),
        };
        let group = |condition: usize| {
            let rows = self.points.iter().filter(|point| point.condition == condition).map(row).collect();
            (if study.conditions.len() > 1 { place(study, condition) } else { String::new() }, rows)
        };
        let groups = (0..study.conditions.len()).map(group).filter(|(_, rows): &(_, Vec<_>)| !rows.is_empty()).collect();
        Forest { label: words::figure(study.measure.doc()), groups, differences: false }.svg()
    }
}

/// A point in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Whose it is.
    pub learner: String,
    /// Where.
    pub condition: String,
    /// Its mean, and half of its interval where it has one.
    pub mean: String,
    /// How many seeds it has.
    pub seeds: String,
}

impl Point {
    /// Condition and learner: no other point of the study has both.
    pub fn place(&self) -> (usize, usize) {
        (self.condition, self.racer)
    }
    /// In words.
    pub fn said(&self, study: &StudyFile) -> Said {
        let mean = number::percent(self.estimate.mean, 1);
        let half = self.estimate.half_width.map_or_else(String::new, |half| format!(" \u{b1} {}", number::fixed(100.0 * half, 1)));
        Said {
            learner: self.learner.clone(),
            condition: place(study, self.condition),
            mean: format!("{mean}{half}"),
            seeds: words::seeds(self.values.len(), self.own.len()),
        }
    }
}

/// Adds what the learners of a finished run reached; their names.
fn join(study: &StudyFile, findings: &mut Findings, condition: usize, run: &RunFile) -> Vec<String> {
    let Some(summary) = History::of(&run.events).summary else { return Vec::new() };
    let mut joined = Vec::new();
    for learner in summary.learners.iter().filter(|learner| learner.failed.is_none()) {
        let (Some(value), Some(score)) = (study.measure.value(learner), study.measure.score(&learner.scores)) else { continue };
        findings.add_row(Row {
            condition,
            seed: run.config.seed,
            learner: learner.name.clone(),
            control: learner.control,
            density: learner.density,
            flops: learner.flops,
            metric: study.measure,
            value,
            samples: score.samples,
        });
        joined.push(learner.name.clone());
    }
    joined
}

/// A condition in words.
fn place(study: &StudyFile, condition: usize) -> String {
    let values = study.axes.iter().zip(&study.conditions[condition]);
    values.map(|(axis, value)| words::value(axis, value)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use sparring_core::Event;
    use sparring_core::device::info::DeviceInfo;
    use sparring_core::events::{Evaluation, LearnerSummary, Score, Summary};
    use sparring_core::record::Metric;
    use sparring_core::record::study_file::{STUDY_FILE_VERSION, StudyLearner, StudyRun};

    use super::*;

    fn config(seed: u64, learner: &str, p_data: f64) -> ExperimentConfig {
        ExperimentConfig { seed, p_data, learners: vec![learner.parse().unwrap()], ..ExperimentConfig::default() }
    }

    fn study() -> StudyFile {
        let first = config(15, "dense", 1.0);
        let run = |seed, learner: &str, p_data, value| {
            let settings = StudyFile::settings(&first, &config(seed, learner, p_data)).unwrap();
            let learners = vec![StudyLearner { name: learner.into(), control: false, density: 1.0, flops: 1.0, value, samples: 5000 }];
            StudyRun { condition: usize::from(p_data < 1.0), settings, learners }
        };
        let all = [("dense", 0.50), ("set@0.2", 0.45)].into_iter().flat_map(|(learner, value)| {
            [(15, 1.0, value), (16, 1.0, value + 0.02), (15, 0.1, value - 0.2), (16, 0.1, value - 0.22)]
                .map(|(seed, p_data, value)| run(seed, learner, p_data, value))
        });
        StudyFile {
            sparring_study: STUDY_FILE_VERSION,
            name: "density".into(),
            question: String::new(),
            verdict: String::new(),
            measure: Metric::Test,
            axes: vec!["p_data".into()],
            conditions: vec![vec!["1".into()], vec!["0.1".into()]],
            runs: all.collect(),
            config: first,
            version: String::new(),
        }
    }

    /// A run of the visitor's.
    fn own(config: ExperimentConfig, value: f64, finished: bool) -> RunFile {
        let score = Score { loss: 1.0, accuracy: value, samples: 5000 };
        let learner = LearnerSummary {
            name: config.learners[0].to_string(),
            subset: "all".into(),
            control: false,
            density: 0.2,
            active_parameters: 1,
            flops_per_step: 1,
            flops: 1.0,
            ms_per_step: 1.0,
            scores: Evaluation { test: score, ..Evaluation::default() },
            failed: None,
        };
        let summary = Summary { learners: vec![learner], verdict: String::new() };
        RunFile {
            sparring_run: 1,
            name: String::new(),
            config_hash: config.hash().unwrap(),
            config,
            device: DeviceInfo::default(),
            version: String::new(),
            commit: String::new(),
            system: String::new(),
            date: String::new(),
            seconds: 1.0,
            events: if finished { vec![Event::Finished { summary }] } else { Vec::new() },
        }
    }

    #[test]
    fn a_run_with_another_seed_joins_its_point_and_no_other_run_does() {
        let study = study();
        let plain = Shown::new(&study, [].into_iter());
        assert_eq!(
            plain.points.iter().map(|p| (p.learner.as_str(), p.condition, p.values.len())).collect::<Vec<_>>(),
            [("Dense", 0, 2), ("SET 0.2", 0, 2), ("Dense", 1, 2), ("SET 0.2", 1, 2)]
        );
        let next = &plain.points[3].next;
        assert_eq!((next.seed, next.p_data, next.learners[0].to_string()), (17, 0.1, "set@0.2".into()));

        let joins = own(ExperimentConfig { device: DeviceChoice::Cpu, ..next.clone() }, 0.30, true);
        let others = [
            own(ExperimentConfig { epochs: next.epochs + 1, ..next.clone() }, 0.9, true),
            own(next.clone(), 0.9, false),
            // A seed that the study has.
            own(ExperimentConfig { seed: 16, ..next.clone() }, 0.9, true),
        ];
        let shown = Shown::new(&study, others.iter().chain([&joins]));
        let point = &shown.points[3];
        assert_eq!((point.values.len(), point.own.clone(), point.next.seed), (3, vec![17], 18));
        assert!((point.estimate.mean - (0.25 + 0.23 + 0.30) / 3.0).abs() < 1e-12);
        assert_eq!(shown.points[..3], plain.points[..3]);
        let figure = shown.figure(&study).unwrap();
        assert_eq!(figure.matches("class=\"own\"").count(), 1);
        assert!(figure.contains("SET 0.2, 10% of the data, seed 17, trained here: 30.00"), "{figure}");
        let said = point.said(&study);
        assert_eq!((said.learner.as_str(), said.condition.as_str()), ("SET 0.2", "10% of the data"));
        assert_eq!(said.seeds, "3, 1 of them trained here");
        assert!(said.mean.starts_with("26.0% \u{b1} "), "{said:?}");
        // A heading for each condition, and a line for each learner under it.
        assert!(figure.contains(">100% of the data<") && figure.contains(">10% of the data<"), "{figure}");
        assert_eq!((figure.matches(">SET 0.2<").count(), figure.matches("<g class=\"dense\"").count()), (2, 2), "{figure}");
        let mut places: Vec<_> = shown.points.iter().map(Point::place).collect();
        places.dedup();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    }
}
