//! One sentence on who leads, that claims no more than the numbers carry.
//!
//! With one seed the only noise that can be known is that of the test set: two accuracies over the same images differ by a
//! binomial standard error at most. A lead within two of them is called a tie.

use super::metric::Metric;
use crate::config::ExperimentConfig;
use crate::events::{LearnerSummary, Score};

/// One accuracy beside another, in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead {
    /// The first minus the second.
    pub points: f64,
    /// Two standard errors of the difference, as if the samples were independent (an upper bound for the same images).
    pub noise: f64,
}

impl Lead {
    /// Of `a` over `b`.
    pub fn between(a: &Score, b: &Score) -> Self {
        let variance = |s: &Score| s.accuracy * (1.0 - s.accuracy) / s.samples.max(1) as f64;
        Self { points: 100.0 * (a.accuracy - b.accuracy), noise: 200.0 * (variance(a) + variance(b)).sqrt() }
    }
    /// Whether it is more than the noise of the test set.
    pub fn is_clear(self) -> bool {
        self.points.abs() > self.noise
    }
}

/// Who leads among the learners that are not controls, by what the run is about.
pub fn verdict(config: &ExperimentConfig, learners: &[LearnerSummary]) -> String {
    let metric = Metric::deciding(learners.iter().map(|l| &l.scores));
    let judged = |control: bool| {
        let standing = learners.iter().filter(move |l| l.control == control && l.failed.is_none());
        standing.filter_map(|l| Some((l, metric.score(&l.scores)?))).collect::<Vec<_>>()
    };
    let racing = judged(false);
    let best = |sparse: Option<bool>| {
        let wanted = racing.iter().filter(|(l, _)| sparse.is_none_or(|sparse| sparse == (l.density < 1.0)));
        wanted.max_by(|a, b| a.1.accuracy.total_cmp(&b.1.accuracy))
    };
    let mut text = format!("Judged by {}, ", metric.doc());
    match (best(Some(false)), best(Some(true)), best(None)) {
        (Some((dense, d)), Some((sparse, s)), _) => {
            let lead = Lead::between(s, d);
            let (leader, other) = if lead.points >= 0.0 { (&sparse.name, &dense.name) } else { (&dense.name, &sparse.name) };
            let (size, noise) = (lead.points.abs(), lead.noise);
            text += &if !lead.is_clear() {
                format!("{leader} and {other} cannot be told apart: {size:.1} points lie within the noise of {noise:.1}.")
            } else {
                format!(
                    "{leader} leads {other} by {size:.1} points, more than the test set's noise of {noise:.1}; one seed does not say how much the seed matters."
                )
            };
        }
        (_, _, Some((l, score))) => text += &format!("{} reaches {:.1}%.", l.name, 100.0 * score.accuracy),
        _ if learners.iter().all(|l| l.control || l.failed.is_some()) => return "No learner reached the end.".into(),
        _ => return "Stopped before the first evaluation.".into(),
    }
    for (control, score) in judged(true) {
        if let Some((_, twin)) = racing.iter().find(|(l, _)| control.name.starts_with(&format!("{} on", l.name))) {
            let gap = Lead::between(&score, twin).points;
            let word = if gap >= 0.0 { "above" } else { "below" };
            text += &format!(" The control {} ends {:.1} points {word} training on {}.", control.name, gap.abs(), config.subset);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::events::{Evaluation, Robust};

    fn score(accuracy: f64) -> Score {
        Score { loss: 1.0, accuracy, samples: 1000 }
    }

    /// A learner with accuracy on all test images, and no more.
    fn learner(name: &str, density: f64, test: f64) -> LearnerSummary {
        LearnerSummary {
            name: name.into(),
            subset: "all".into(),
            control: name.ends_with("random"),
            density,
            active_parameters: 1,
            flops_per_step: 1,
            ms_per_step: 1.0,
            scores: Evaluation { train: score(test), validation: score(test), test: score(test), ..Evaluation::default() },
            failed: None,
        }
    }

    fn of(learners: &[LearnerSummary]) -> String {
        verdict(&ExperimentConfig::default(), learners)
    }

    #[test]
    fn a_run_is_judged_by_what_it_is_about() {
        let mut pair = [learner("dense", 1.0, 0.5), learner("set@0.2", 0.2, 0.5)];
        let mut judged = |change: &dyn Fn(&mut LearnerSummary, f64)| {
            pair.iter_mut().zip([0.3, 0.9]).for_each(|(l, accuracy)| change(l, accuracy));
            of(&pair)
        };
        assert_eq!(
            judged(&|_, _| {}),
            "Judged by accuracy on all test samples, set@0.2 and dense cannot be told apart: 0.0 points lie within the noise of 4.5."
        );
        // Each measure that is added decides over the ones before: sparse by 60 points, dense by 60, sparse by 60.
        let hard = judged(&|l, a| l.scores.test_hard = Some(score(a)));
        assert!(hard.starts_with("Judged by accuracy on the hard half of the test set, set@0.2 leads dense by 60.0 points"), "{hard}");
        let corrupted = judged(&|l, a| l.scores.by_hardness.corrupted = Some(score(1.2 - a)));
        assert!(corrupted.starts_with("Judged by accuracy on the corrupted test set, dense leads set@0.2 by 60.0 points"), "{corrupted}");
        let robust = judged(&|l, a| l.scores.by_hardness.robust = Some(Robust { test: score(a), ..Robust::default() }));
        assert!(robust.starts_with("Judged by robust accuracy on the test set, set@0.2 leads dense by 60.0 points"), "{robust}");
    }

    #[test]
    fn nothing_is_said_of_what_was_not_evaluated() {
        let nothing = |name: &str, density| LearnerSummary { scores: Evaluation::default(), ..learner(name, density, 0.0) };
        let mut learners = [nothing("dense", 1.0), nothing("set@0.2", 0.2), nothing("dense on random", 1.0)];
        assert_eq!(of(&learners), "Stopped before the first evaluation.");
        learners[0].failed = Some("diverged".into());
        learners[1].failed = Some("diverged".into());
        assert_eq!(of(&learners), "No learner reached the end.");
        // Stopped when only one of them was through its first epoch.
        let some = [learner("dense", 1.0, 0.25), nothing("set@0.2", 0.2)];
        assert_eq!(of(&some), "Judged by accuracy on all test samples, dense reaches 25.0%.");
    }

    #[test]
    fn a_control_is_told_by_the_same_measure() {
        let mut learners = [learner("dense", 1.0, 0.5), learner("dense on random", 1.0, 0.9)];
        learners[0].scores.test_hard = Some(score(0.4));
        learners[1].scores.test_hard = Some(score(0.35));
        let text = of(&learners);
        assert!(text.ends_with(" The control dense on random ends 5.0 points below training on el2n-hard:0.5."), "{text}");
    }
}
