//! One sentence on who leads, that claims no more than the numbers carry.
//!
//! With one seed the only noise that can be known is that of the test set: two accuracies over the same images differ by a
//! binomial standard error at most. A lead within two of them cannot be told from chance. Of several learners one is ahead by
//! chance more often, so the noise allows for their number (Bonferroni).

use crate::config::ExperimentConfig;
use crate::events::{LearnerSummary, Metric, Score};

/// One accuracy beside another, in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead {
    /// The first minus the second.
    pub points: f64,
    /// Two standard errors of the difference, as if the samples were independent (an upper bound for the same images); more where it is
    /// one of several comparisons ([`errors_for`]).
    pub noise: f64,
}

impl Lead {
    /// Of `a` over `b`.
    pub fn between(a: &Score, b: &Score) -> Self {
        Self::among(a, b, 1)
    }
    /// Of `a` over `b`, as one of so many comparisons.
    pub fn among(a: &Score, b: &Score, comparisons: usize) -> Self {
        let variance = |s: &Score| s.accuracy * (1.0 - s.accuracy) / s.samples.max(1) as f64;
        Self { points: 100.0 * (a.accuracy - b.accuracy), noise: 100.0 * errors_for(comparisons) * (variance(a) + variance(b)).sqrt() }
    }
    /// Whether it is more than the noise of the test set.
    pub fn is_clear(self) -> bool {
        self.points.abs() > self.noise
    }
    /// Whether there is none: as many samples right.
    pub fn is_tie(self) -> bool {
        self.points == 0.0
    }
}

/// How many standard errors are the noise of one of `comparisons`: two for one alone. By chance that much is exceeded in 4.55 of a hundred
/// comparisons; of several each gets an equal share of that (Bonferroni), so that it holds for all of them at once.
pub fn errors_for(comparisons: usize) -> f64 {
    let beyond = |errors: f64| libm::erfc(errors / core::f64::consts::SQRT_2);
    if comparisons < 2 {
        return 2.0;
    }
    let share = beyond(2.0) / comparisons as f64;
    let (mut low, mut high) = (2.0, 40.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if beyond(middle) > share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Everybody beside one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Index of whom the others are compared with: the dense learner, else the best.
    pub reference: usize,
    /// Index and lead of each of the others, in their order.
    pub others: Vec<(usize, Lead)>,
    /// How many comparisons the noise allows for: all others with the dense learner; where the best was picked afterwards, every pair.
    pub comparisons: usize,
}

impl Standing {
    /// Of learners by their scores, each with whether it is the dense one; `None` where there is nobody.
    pub fn of(racers: &[(Score, bool)]) -> Option<Self> {
        let dense = racers.iter().position(|(_, dense)| *dense);
        let first_best = |best: usize, i: usize| if racers[i].0.accuracy > racers[best].0.accuracy { i } else { best };
        let reference = dense.or_else(|| (0..racers.len()).reduce(first_best))?;
        let n = racers.len();
        let comparisons = if dense.is_some() { n - 1 } else { n * (n - 1) / 2 };
        let lead = |i: usize| (i, Lead::among(&racers[i].0, &racers[reference].0, comparisons));
        Some(Self { reference, others: (0..n).filter(|i| *i != reference).map(lead).collect(), comparisons })
    }
}

/// Whether this is the dense learner's name. A density of 1 does not make one: gradual pruning begins with it.
pub fn is_dense(name: &str) -> bool {
    name.get(..5).is_some_and(|method| method.eq_ignore_ascii_case("dense"))
}

/// Who leads among the learners that are not controls, by what the run is judged by.
pub fn verdict(config: &ExperimentConfig, metric: Metric, learners: &[LearnerSummary]) -> String {
    let judged = |control: bool| {
        let standing = learners.iter().filter(move |l| l.control == control && l.failed.is_none());
        standing.filter_map(|l| Some((l, metric.score(&l.scores)?))).collect::<Vec<_>>()
    };
    let racing = judged(false);
    let scores: Vec<(Score, bool)> = racing.iter().map(|(l, score)| (*score, is_dense(&l.name))).collect();
    let Some(standing) = Standing::of(&scores) else {
        let nobody = learners.iter().all(|l| l.control || l.failed.is_some());
        return if nobody { "No learner reached the end." } else { "Stopped before the first evaluation." }.into();
    };
    let percent = |i: usize| format!("{:.1}%", 100.0 * scores[i].0.accuracy);
    let name = |i: usize| racing[i].0.name.as_str();
    let Standing { reference, others, comparisons } = standing;
    let mut text = format!("Judged by {}, ", metric.doc());
    text += &match others.as_slice() {
        [] => format!("{} reaches {}.", name(reference), percent(reference)),
        [(other, lead)] => pair(name(*other), name(reference), &percent(reference), *lead),
        several => {
            let best = if scores[reference].1 { "" } else { "the best, " };
            let parts: Vec<String> = several.iter().map(|(i, lead)| beside(name(*i), *lead)).collect();
            format!(
                "against {best}{} at {}: {}. The noise is the test set's and allows for {comparisons} comparisons at once (Bonferroni); one seed does not say how much the seed matters.",
                name(reference),
                percent(reference),
                parts.join("; ")
            )
        }
    };
    for (control, score) in judged(true) {
        if let Some((_, twin)) = racing.iter().find(|(l, _)| control.name.starts_with(&format!("{} on", l.name))) {
            let gap = Lead::between(&score, twin).points;
            let word = if gap >= 0.0 { "above" } else { "below" };
            text += &format!(" The control {} ends {:.1} points {word} training on {}.", control.name, gap.abs(), config.subset);
        }
    }
    text
}

/// Two learners.
fn pair(a: &str, b: &str, at: &str, lead: Lead) -> String {
    let (leader, other) = if lead.points >= 0.0 { (a, b) } else { (b, a) };
    let Lead { points, noise } = lead;
    let size = points.abs();
    if lead.is_tie() {
        format!("{a} and {b} tie at {at}.")
    } else if !lead.is_clear() {
        format!("{leader} and {other} cannot be told apart: {size:.1} points lie within the noise of {noise:.1}.")
    } else {
        format!(
            "{leader} leads {other} by {size:.1} points, more than the test set's noise of {noise:.1}; one seed does not say how much the seed matters."
        )
    }
}

/// One of several beside whom they are compared with.
fn beside(name: &str, lead: Lead) -> String {
    let Lead { points, noise } = lead;
    let size = points.abs();
    if lead.is_tie() {
        format!("{name} ties")
    } else if !lead.is_clear() {
        format!("{name} cannot be told apart ({points:+.1} points, noise {noise:.1})")
    } else {
        format!("{name} {} by {size:.1} points (noise {noise:.1})", if points > 0.0 { "leads" } else { "trails" })
    }
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
            flops: 1.0,
            ms_per_step: 1.0,
            scores: Evaluation { train: score(test), validation: score(test), test: score(test), ..Evaluation::default() },
            failed: None,
        }
    }

    fn of(learners: &[LearnerSummary]) -> String {
        let metric = Metric::hardest(learners.iter().map(|l| &l.scores));
        verdict(&ExperimentConfig::default(), metric, learners)
    }

    #[test]
    fn a_run_is_judged_by_what_it_is_about() {
        let mut pair = [learner("dense", 1.0, 0.5), learner("set@0.2", 0.2, 0.5)];
        let mut judged = |change: &dyn Fn(&mut LearnerSummary, f64)| {
            pair.iter_mut().zip([0.3, 0.9]).for_each(|(l, accuracy)| change(l, accuracy));
            of(&pair)
        };
        assert_eq!(judged(&|_, _| {}), "Judged by accuracy on all test samples, set@0.2 and dense tie at 50.0%.");
        // Each measure that is added decides over the ones before: sparse by 60 points, dense by 60, sparse by 60.
        let hard = judged(&|l, a| l.scores.test_hard = Some(score(a)));
        assert!(hard.starts_with("Judged by accuracy on the hard half of the test set, set@0.2 leads dense by 60.0 points"), "{hard}");
        let corrupted = judged(&|l, a| l.scores.by_hardness.corrupted = Some(score(1.2 - a)));
        assert!(corrupted.starts_with("Judged by accuracy on the corrupted test set, dense leads set@0.2 by 60.0 points"), "{corrupted}");
        let robust = judged(&|l, a| l.scores.by_hardness.robust = Some(Robust { test: score(a), ..Robust::default() }));
        assert!(robust.starts_with("Judged by robust accuracy on the test set, set@0.2 leads dense by 60.0 points"), "{robust}");
    }

    #[test]
    fn every_learner_is_named_and_their_number_allowed_for() {
        // Two standard errors of 0.5 against 0.5 over 1000 samples are 4.5 points; four comparisons make it 5.65.
        let mut learners = vec![learner("dense", 1.0, 0.5), learner("set@0.2", 0.2, 0.55)];
        let one = of(&learners);
        assert!(one.contains("set@0.2 leads dense by 5.0 points, more than the test set's noise of 4.5"), "{one}");
        learners.extend([learner("rigl@0.2", 0.2, 0.5), learner("snip@0.2", 0.2, 0.49), learner("gmp@0.2", 1.0, 0.4)]);
        let text = of(&learners);
        assert_eq!(
            text,
            "Judged by accuracy on all test samples, against dense at 50.0%: set@0.2 cannot be told apart (+5.0 points, noise 5.6); \
             rigl@0.2 ties; snip@0.2 cannot be told apart (-1.0 points, noise 5.7); gmp@0.2 trails by 10.0 points (noise 5.6). The noise \
             is the test set's and allows for 4 comparisons at once (Bonferroni); one seed does not say how much the seed matters."
        );
        // Without a dense learner the best is picked afterwards: every pair counts.
        let text = of(&learners[1..4]);
        assert!(text.contains("against the best, set@0.2 at 55.0%: rigl@0.2 cannot be told apart (-5.0 points"), "{text}");
        assert!(text.contains("allows for 3 comparisons"), "{text}");
        let tie = of(&[learner("set@0.2", 0.2, 0.5), learner("rigl@0.2", 0.2, 0.5)]);
        assert!(tie.ends_with("rigl@0.2 and set@0.2 tie at 50.0%."), "{tie}");
    }

    #[test]
    fn bonferroni_shares_what_two_errors_leave() {
        assert_eq!((errors_for(0), errors_for(1)), (2.0, 2.0));
        // Standard normal quantiles: 1 - 0.0455 / (2 k).
        for (comparisons, errors) in [(2, 2.2776), (4, 2.5310), (10, 2.8373)] {
            assert!((errors_for(comparisons) - errors).abs() < 1e-4, "{comparisons}: {}", errors_for(comparisons));
        }
        assert!(errors_for(1000).is_finite());
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
