//! A study in one file: its points with their values, and the configuration of every run, small enough to ship and to share.
//!
//! The program writes it from a study's folder; the page shows its figure, and trains one more seed of any point. A run is said by the settings in
//! which it differs from the first, so that ten thousand take a few megabytes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::run_file::{Unreadable, damaged, json, misread};
use super::study::{Findings, Row};
use crate::config::ExperimentConfig;
use crate::error::Error;
use crate::events::Metric;

/// Version of the file's form.
pub const STUDY_FILE_VERSION: u32 = 1;

/// A study: what it asks, and what each of its runs says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyFile {
    /// [`STUDY_FILE_VERSION`].
    pub sparring_study: u32,
    /// What a person calls it.
    pub name: String,
    /// What it asks.
    #[serde(default)]
    pub question: String,
    /// What it says, in words.
    #[serde(default)]
    pub verdict: String,
    /// What decides.
    pub measure: Metric,
    /// Settings that make its conditions.
    pub axes: Vec<String>,
    /// Of every condition its value on each of these, in words.
    pub conditions: Vec<Vec<String>>,
    /// The configuration of the first run, complete.
    pub config: ExperimentConfig,
    /// Its runs.
    pub runs: Vec<StudyRun>,
    /// Version of the program.
    #[serde(default)]
    pub version: String,
}

/// A run of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyRun {
    /// Which condition.
    pub condition: usize,
    /// Settings in which it differs from the first run.
    pub settings: Map<String, Value>,
    /// What its learners reached; empty where it is not finished.
    pub learners: Vec<StudyLearner>,
}

/// What a learner of a run reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyLearner {
    /// Its display name.
    pub name: String,
    /// Whether it is a random control.
    #[serde(default)]
    pub control: bool,
    /// Its density.
    pub density: f64,
    /// Its training FLOPs.
    pub flops: f64,
    /// How much of the measure, 0 to 1.
    pub value: f64,
    /// Over how many samples.
    pub samples: usize,
}

/// What is read first: whether the rest can be.
#[derive(Deserialize)]
struct Stamp {
    sparring_study: Option<u32>,
}

impl StudyFile {
    /// Whether a file is a study, of whatever version, and no run.
    pub fn is_study(bytes: &[u8]) -> bool {
        json(bytes).is_ok_and(|text| serde_json::from_str::<Stamp>(text).is_ok_and(|stamp| stamp.sparring_study.is_some()))
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Where it is something else, too large, of another version or damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = json(bytes)?;
        match serde_json::from_str::<Stamp>(text).ok().and_then(|stamp| stamp.sparring_study) {
            None => return Err(Unreadable::NotARun("JSON of another kind".into())),
            Some(STUDY_FILE_VERSION) => {}
            Some(found) => return Err(Unreadable::Version { found, read: STUDY_FILE_VERSION }),
        }
        let study: Self = serde_json::from_str(text).map_err(|e| misread("", &e))?;
        study.check()?;
        Ok(study)
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that can be provoked: a study is plain data.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    fn check(&self) -> Result<(), Unreadable> {
        self.config.validate().map_err(damaged)?;
        if let Some(place) = self.conditions.iter().position(|values| values.len() != self.axes.len()) {
            return Err(damaged(format_args!(
                "condition {place} has {} values for {} axes",
                self.conditions[place].len(),
                self.axes.len()
            )));
        }
        for (place, run) in self.runs.iter().enumerate() {
            let fault = |what: String| damaged(format_args!("run {place}: {what}"));
            if run.condition >= self.conditions.len() {
                return Err(fault(format!("it has condition {}, and there are {}", run.condition, self.conditions.len())));
            }
            self.config_of(run).map_err(|e| fault(e.to_string()))?;
            for learner in &run.learners {
                let shares = [
                    ("a density", learner.density, 0.0),
                    ("a value", learner.value, if self.measure.higher_is_better() { 0.0 } else { -1.0 }),
                ];
                if let Some((what, share, least)) = shares.into_iter().find(|(_, share, least)| !(*least..=1.0).contains(share)) {
                    return Err(fault(format!("{} has {what} of {share}; from {least} to 1 is possible", learner.name)));
                }
            }
        }
        Ok(())
    }

    /// The complete configuration of a run.
    ///
    /// # Errors
    /// `Config` where its settings are none.
    pub fn config_of(&self, run: &StudyRun) -> crate::error::Result<ExperimentConfig> {
        let mut config = self.config.fields()?;
        for (name, value) in &run.settings {
            match config.get_mut(name) {
                Some(setting) => *setting = value.clone(),
                None => return Err(Error::config(format!("unknown setting '{name}'"))),
            }
        }
        let config = ExperimentConfig::of_fields(&config)?;
        config.validate()?;
        Ok(config)
    }

    /// What its runs say together, by its measure.
    pub fn findings(&self) -> Findings {
        let mut findings = Findings::default();
        for run in &self.runs {
            let seed = run.settings.get("seed").and_then(Value::as_u64).unwrap_or(self.config.seed);
            for learner in &run.learners {
                let StudyLearner { name, control, density, flops, value, samples } = learner.clone();
                let (condition, metric) = (run.condition, self.measure);
                findings.add_row(Row { condition, seed, learner: name, control, density, flops, metric, value, samples });
            }
        }
        findings
    }

    /// The settings in which a configuration differs from the first run's.
    ///
    /// # Errors
    /// None that can be provoked: a configuration is plain data.
    pub fn settings(first: &ExperimentConfig, config: &ExperimentConfig) -> Result<Map<String, Value>, serde_json::Error> {
        let (first, config) = (serde_json::to_value(first)?, serde_json::to_value(config)?);
        let all = config.as_object().cloned().unwrap_or_default();
        Ok(all.into_iter().filter(|(name, value)| first.get(name) != Some(value)).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::LearnerConfig;

    fn study() -> StudyFile {
        let config = ExperimentConfig { learners: vec![LearnerConfig::DENSE], ..ExperimentConfig::default() };
        let run = |seed: u64, learner: &str, p_data: f64, value: f64| {
            let other = ExperimentConfig { seed, p_data, learners: vec![learner.parse().unwrap()], ..config.clone() };
            let learners = vec![StudyLearner { name: learner.into(), control: false, density: 0.2, flops: 1e9, value, samples: 5000 }];
            StudyRun { condition: usize::from(p_data != config.p_data), settings: StudyFile::settings(&config, &other).unwrap(), learners }
        };
        StudyFile {
            sparring_study: STUDY_FILE_VERSION,
            name: "s".into(),
            question: "Is it so?".into(),
            verdict: String::new(),
            measure: Metric::HardHalf,
            axes: vec!["p_data".into()],
            conditions: vec![vec!["1".into()], vec!["0.1".into()]],
            runs: vec![run(15, "dense", 1.0, 0.5), run(16, "dense", 1.0, 0.6), run(15, "set@0.2", 1.0, 0.4), run(15, "set@0.2", 0.1, 0.3)],
            config,
            version: "0.1.0".into(),
        }
    }

    #[test]
    fn a_study_reads_back_with_every_configuration_and_value() {
        let study = study();
        let text = study.to_json().unwrap();
        assert!(StudyFile::is_study(text.as_bytes()) && !StudyFile::is_study(b"{\"sparring_run\":1}") && !StudyFile::is_study(b"PK"));
        let read = StudyFile::read(text.as_bytes()).unwrap();
        assert_eq!(read, study);
        // Runs are said by what differs alone.
        let names = |run: &StudyRun| run.settings.keys().cloned().collect::<Vec<_>>();
        assert_eq!(read.runs.iter().map(names).collect::<Vec<_>>(), [vec![], vec!["seed"], vec!["learners"], vec!["learners", "p_data"]]);
        let last = read.config_of(&read.runs[3]).unwrap();
        assert_eq!((last.seed, last.p_data, last.learners[0].to_string()), (15, 0.1, "set@0.2".into()));
        let findings = read.findings();
        let mean = |learner: usize, condition: usize| findings.mean(Metric::HardHalf, learner, &[condition]).map(|mean| mean.values);
        assert_eq!((mean(0, 0), mean(1, 1)), (Some(vec![(15, 0.5), (16, 0.6)]), Some(vec![(15, 0.3)])));
    }

    #[test]
    fn what_is_damaged_is_said_by_its_run() {
        let refused = |change: &dyn Fn(&mut StudyFile), expected: &str| {
            let mut other = study();
            change(&mut other);
            let said = StudyFile::read(other.to_json().unwrap().as_bytes()).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        };
        refused(&|s| s.sparring_study = 9, "it has format 9");
        refused(&|s| s.runs[1].condition = 2, "run 1: it has condition 2, and there are 2");
        refused(&|s| s.runs[3].learners[0].value = 1.5, "run 3: set@0.2 has a value of 1.5; from 0 to 1 is possible");
        refused(&|s| s.conditions[1].clear(), "condition 1 has 0 values for 1 axes");
        refused(&|s| drop(s.runs[2].settings.insert("epoch".into(), 3.into())), "run 2: configuration: unknown setting 'epoch'");
        refused(&|s| drop(s.runs[2].settings.insert("epochs".into(), "x".into())), "run 2: ");
        refused(&|s| s.config.epochs = 0, "epochs");
        for (text, expected) in [("{}", "JSON of another kind"), ("[]", "JSON of another kind"), ("PK", "text in another form")] {
            let said = StudyFile::read(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
