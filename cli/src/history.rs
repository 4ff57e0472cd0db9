//! What a session said so far, in the form that the table, the summary and the report read.

use sparring_core::device::DeviceInfo;
use sparring_core::events::{Event, LearnerInfo, Score, Summary};

use crate::table;

/// One evaluated epoch of one learner.
#[derive(Clone, Debug)]
pub struct Point {
    pub epoch: u32,
    pub flops: f64,
    pub train: Score,
    pub test: Score,
    pub test_easy: Option<Score>,
    pub test_hard: Option<Score>,
}

/// One learner and how it went.
#[derive(Clone, Debug)]
pub struct Learner {
    pub info: LearnerInfo,
    pub points: Vec<Point>,
    pub ms_per_step: f64,
    pub failed: Option<String>,
}

/// Everything, by learner.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub learners: Vec<Learner>,
    pub device: Option<DeviceInfo>,
    pub device_bytes: u64,
    pub epochs: u32,
    pub warnings: Vec<String>,
    pub summary: Option<Summary>,
}

impl History {
    /// Takes in one event.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Started { learners, device, epochs, device_bytes, .. } => {
                self.learners = learners
                    .iter()
                    .map(|info| Learner { info: info.clone(), points: Vec::new(), ms_per_step: 0.0, failed: None })
                    .collect();
                self.device = Some(device.clone());
                self.epochs = *epochs;
                self.device_bytes = *device_bytes;
            }
            Event::Progress { learner, ms_per_step, .. } => {
                if let Some(l) = self.learners.get_mut(*learner) {
                    l.ms_per_step = *ms_per_step;
                }
            }
            Event::EpochEnd { learner, epoch, train, test, test_easy, test_hard, flops, .. } => {
                if let Some(l) = self.learners.get_mut(*learner) {
                    l.points.push(Point {
                        epoch: *epoch,
                        flops: *flops,
                        train: *train,
                        test: *test,
                        test_easy: *test_easy,
                        test_hard: *test_hard,
                    });
                }
            }
            Event::LearnerFailed { learner, reason } => {
                if let Some(l) = self.learners.get_mut(*learner) {
                    l.failed = Some(reason.clone());
                }
            }
            Event::Warning { message } => self.warnings.push(message.clone()),
            Event::Finished { summary } => {
                for (learner, last) in self.learners.iter_mut().zip(&summary.learners) {
                    learner.ms_per_step = last.ms_per_step;
                    learner.failed.clone_from(&last.failed);
                }
                self.summary = Some(summary.clone());
            }
            Event::TopologyChanged { .. } | Event::Topology { .. } | Event::SamplesScored { .. } => {}
        }
    }

    /// Titles of [`Self::rows`].
    pub const HEADER: [&'static str; 9] =
        ["learner", "density", "parameters", "ms/step", "FLOPs/step", "train", "test", "easy half", "hard half"];

    /// The result table, one row a learner.
    pub fn rows(&self) -> Vec<Vec<String>> {
        self.learners
            .iter()
            .map(|l| {
                let last = l.points.last();
                let accuracy = |score: Option<Score>| score.map_or_else(|| "-".into(), |s| table::percent(s.accuracy));
                vec![
                    if l.failed.is_some() { format!("{} (failed)", l.info.name) } else { l.info.name.clone() },
                    format!("{:.4}", l.info.density),
                    table::si(l.info.active_parameters as f64),
                    format!("{:.2}", l.ms_per_step),
                    table::si(l.info.flops_per_step as f64),
                    accuracy(last.map(|p| p.train)),
                    accuracy(last.map(|p| p.test)),
                    accuracy(last.and_then(|p| p.test_easy)),
                    accuracy(last.and_then(|p| p.test_hard)),
                ]
            })
            .collect()
    }
}

#[cfg(test)]
pub mod samples {
    //! A made-up race for tests of what is shown and written.
    use super::*;
    use sparring_core::events::LearnerSummary;

    fn score(loss: f64, accuracy: f64) -> Score {
        Score { loss, accuracy, samples: 5000 }
    }

    fn info(name: &str, density: f64, control: bool) -> LearnerInfo {
        let active = (269_722.0 * density) as u64;
        LearnerInfo {
            name: name.into(),
            learner: name.split(' ').next().unwrap_or(name).into(),
            subset: if control { "random:0.5" } else { "el2n-hard:0.5" }.into(),
            control,
            parameters: 269_722,
            active_parameters: active,
            density,
            dense_macs: 40_551_424,
            macs: (40_551_424.0 * density) as u64,
            flops_per_step: (31e9 * density) as u64,
            samples: 22_500,
            weight_bytes: active * 8,
            layers: Vec::new(),
        }
    }

    /// Two learners and their controls over `epochs` epochs.
    pub fn events(epochs: u32) -> Vec<Event> {
        let learners = [("dense", 1.0, false), ("set@0.2", 0.2, false), ("dense on random", 1.0, true), ("set@0.2 on random", 0.2, true)]
            .map(|(n, d, c)| info(n, d, c));
        let device = DeviceInfo { name: "Test device, 2 threads".into(), backend: "cpu".into(), driver: "none".into(), software: false };
        let mut out = vec![Event::Started {
            learners: learners.to_vec(),
            device,
            epochs,
            config_hash: "0123456789ab".into(),
            device_bytes: 123_456_789,
        }];
        let mut last = vec![(Score::default(), Score::default()); learners.len()];
        for epoch in 1..=epochs {
            for (i, l) in learners.iter().enumerate() {
                let t = f64::from(epoch) / f64::from(epochs);
                let wobble = 0.01 * (f64::from(epoch) * 2.1 + i as f64).sin();
                let base = if l.control { 0.82 } else { 0.70 } + if l.density < 1.0 { 0.02 } else { 0.0 };
                let accuracy = base * (1.0 - (-4.0 * t).exp()) + 0.1 * (-4.0 * t).exp() + wobble;
                let (train, test) = (score(2.3 * (-2.0 * t).exp(), accuracy + 0.03 * t), score(2.3 * (-1.7 * t).exp() + 0.1, accuracy));
                last[i] = (train, test);
                out.push(Event::Progress {
                    learner: i,
                    epoch: epoch - 1,
                    step: 176,
                    steps: 176,
                    loss: train.loss,
                    accuracy: train.accuracy,
                    ms_per_step: 90.0 * (0.4 + 0.6 * l.density),
                });
                out.push(Event::EpochEnd {
                    learner: i,
                    epoch,
                    lr: 0.1,
                    train,
                    validation: test,
                    test,
                    test_easy: Some(score(test.loss * 0.5, (accuracy + 0.15).min(0.99))),
                    test_hard: Some(score(test.loss * 1.5, accuracy - 0.15)),
                    flops: f64::from(epoch) * 176.0 * l.flops_per_step as f64,
                    seconds: f64::from(epoch) * 20.0,
                });
            }
        }
        out.push(Event::Warning { message: "a <b>warning</b> & more".into() });
        let summaries = learners.iter().zip(&last).map(|(l, (train, test))| LearnerSummary {
            name: l.name.clone(),
            subset: l.subset.clone(),
            control: l.control,
            density: l.density,
            active_parameters: l.active_parameters,
            flops_per_step: l.flops_per_step,
            ms_per_step: 90.0 * (0.4 + 0.6 * l.density),
            train: *train,
            validation: *test,
            test: *test,
            test_easy: None,
            test_hard: None,
            failed: None,
        });
        let verdict =
            "set@0.2 leads dense by 2.0 points on the hard half (one seed; 95 % interval of the difference about 1.9 points).".into();
        out.push(Event::Finished { summary: Summary { learners: summaries.collect(), verdict } });
        out
    }

    /// Their history.
    pub fn history(epochs: u32) -> History {
        let mut history = History::default();
        events(epochs).iter().for_each(|e| history.push(e));
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_carry_the_last_epoch() {
        let history = samples::history(5);
        let rows = history.rows();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[0].len(), History::HEADER.len());
        assert_eq!(rows[1][0], "set@0.2");
        assert_eq!(rows[1][6], table::percent(history.learners[1].points[4].test.accuracy));
    }
}
