//! One sentence on who leads, that claims no more than the numbers carry.
//!
//! With one seed the only noise that can be known is that of the test set: two accuracies over the same images differ by a
//! binomial standard error at most. A lead within two of them is called a tie.

use crate::config::ExperimentConfig;
use crate::events::{LearnerSummary, Score};

/// Standard error of the difference of two accuracies, as if their samples were independent (an upper bound for the same images).
pub fn standard_error(a: &Score, b: &Score) -> f64 {
    let variance = |s: &Score| s.accuracy * (1.0 - s.accuracy) / s.samples.max(1) as f64;
    (variance(a) + variance(b)).sqrt()
}

/// Who leads among the learners that are not controls.
pub fn verdict(config: &ExperimentConfig, learners: &[LearnerSummary]) -> String {
    let judged = |l: &LearnerSummary| l.test_hard.unwrap_or(l.test);
    let where_ = if learners.iter().any(|l| l.test_hard.is_some()) { "the hard half of the test set" } else { "the test set" };
    let racing: Vec<&LearnerSummary> = learners.iter().filter(|l| !l.control && l.failed.is_none()).collect();
    let dense = racing.iter().find(|l| l.density >= 1.0);
    let best = racing.iter().filter(|l| l.density < 1.0).max_by(|a, b| judged(a).accuracy.total_cmp(&judged(b).accuracy));
    let mut text = match (dense, best) {
        (Some(dense), Some(sparse)) => {
            let (d, s) = (judged(dense), judged(sparse));
            let (lead, noise) = (100.0 * (s.accuracy - d.accuracy), 200.0 * standard_error(&s, &d));
            let (leader, other) = if lead >= 0.0 { (&sparse.name, &dense.name) } else { (&dense.name, &sparse.name) };
            let size = lead.abs();
            if size <= noise {
                format!("On {where_} {leader} and {other} cannot be told apart: {size:.1} points lie within the noise of {noise:.1}.")
            } else {
                format!(
                    "On {where_} {leader} leads {other} by {size:.1} points, more than the test set's noise of {noise:.1}; one seed does not say how much the seed matters."
                )
            }
        }
        _ => match racing.iter().max_by(|a, b| judged(a).accuracy.total_cmp(&judged(b).accuracy)) {
            Some(l) => format!("On {where_} {} reaches {:.1} %.", l.name, 100.0 * judged(l).accuracy),
            None => "No learner reached the end.".into(),
        },
    };
    for control in learners.iter().filter(|l| l.control && l.failed.is_none()) {
        let twin = racing.iter().find(|l| control.name.starts_with(&format!("{} on", l.name)));
        if let Some(twin) = twin {
            let gap = 100.0 * (judged(control).accuracy - judged(twin).accuracy);
            let word = if gap >= 0.0 { "above" } else { "below" };
            text += &format!(" The control {} ends {:.1} points {word} training on {}.", control.name, gap.abs(), config.subset);
        }
    }
    text
}
