//! Hand-computed series.
#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::events::{ByHardness, Evaluation, Robust};

fn score(accuracy: f64, samples: usize) -> Score {
    Score { loss: 1.0, accuracy, samples }
}

fn learner(name: &str, density: f64, test: f64) -> LearnerSummary {
    let control = name.ends_with("random");
    LearnerSummary {
        name: name.into(),
        subset: "all".into(),
        control,
        density,
        active_parameters: 1,
        flops_per_step: 1,
        flops: 1.0,
        ms_per_step: 1.0,
        scores: Evaluation {
            train: score(test, 1000),
            validation: score(test, 1000),
            test: score(test, 1000),
            test_hard: Some(score(test - 0.1, 500)),
            ..Evaluation::default()
        },
        failed: None,
    }
}

/// Dense and one sparse learner with these test accuracies, one pair a seed from 1.
fn members(fraction: f64, pairs: &[(f64, f64)]) -> Vec<Member> {
    let member = |(i, (dense, sparse)): (usize, &(f64, f64))| Member {
        seed: i as u64 + 1,
        fraction,
        learners: vec![learner("dense", 1.0, *dense), learner("set@0.2", 0.2, *sparse)],
    };
    pairs.iter().enumerate().map(member).collect()
}

#[test]
fn quantiles_are_those_of_the_tables() {
    for (df, expected) in
        [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (9, 2.2622), (10, 2.2281), (29, 2.0452), (120, 1.9799)]
    {
        assert!((student_t(df) - expected).abs() < 5e-5, "{df}: {}", student_t(df));
    }
}

#[test]
fn an_estimate_is_what_one_computes_by_hand() {
    // 0.50, 0.52, 0.57: mean 0.53, deviations -0.03, -0.01, 0.04, variance 0.0013, standard error sqrt(0.0013 / 3).
    let series = members(1.0, &[(0.50, 0.5), (0.52, 0.5), (0.57, 0.5)]);
    let comparison = Comparison::new(Metric::HardHalf, &series);
    let mean = comparison.means.iter().find(|m| m.metric == Metric::Test && m.learner == "dense").unwrap();
    assert!((mean.estimate.mean - 0.53).abs() < 1e-12);
    assert!((mean.estimate.half_width.unwrap() - 4.302_652_7 * (0.0013f64 / 3.0).sqrt()).abs() < 1e-7);
    assert_eq!(mean.values.iter().map(|v| v.0).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn pairing_sees_what_separate_means_hide() {
    // Seeds differ by twenty points, the learners by two in each: the intervals of the means overlap, the difference's
    // does not contain 0.
    let series = members(1.0, &[(0.40, 0.42), (0.50, 0.521), (0.60, 0.619)]);
    let comparison = Comparison::new(Metric::HardHalf, &series);
    let of = |name: &str| comparison.means.iter().find(|m| m.metric == Metric::Test && m.learner == name).unwrap().estimate;
    assert!(of("dense").interval().unwrap().1 > of("set@0.2").interval().unwrap().0);
    let test = comparison.differences.iter().find(|d| d.metric == Metric::Test).unwrap();
    assert_eq!((test.outcome, test.sparse.as_str(), test.dense.as_str()), (Outcome::Won, "set@0.2", "dense"));
    let text = &comparison.verdict;
    assert!(
        text.starts_with("Judged by accuracy on the hard half of the test set, over 3 seeds: set@0.2 won against dense: +2.0 points"),
        "{text}"
    );
    let lost = Comparison::new(Metric::HardHalf, &members(1.0, &[(0.42, 0.40), (0.521, 0.50), (0.619, 0.60)]));
    assert!(lost.verdict.contains("set@0.2 lost against dense: -2.0 points (95% interval -2.2 to -1.8)"), "{}", lost.verdict);
}

#[test]
fn what_the_interval_does_not_carry_is_not_said() {
    let comparison = Comparison::new(Metric::HardHalf, &members(0.5, &[(0.40, 0.45), (0.50, 0.49)]));
    assert_eq!(comparison.deciding().map(|d| d.outcome).collect::<Vec<_>>(), [Outcome::CannotTell]);
    assert!(comparison.verdict.contains("set@0.2 cannot be told apart from dense: +2.0 points (95% interval"), "{}", comparison.verdict);
    // One seed, however large the lead.
    let one = Comparison::new(Metric::HardHalf, &members(1.0, &[(0.2, 0.9)]));
    let difference = one.deciding().next().unwrap();
    assert_eq!((difference.outcome, difference.estimate.half_width), (Outcome::OneSeed, None));
    // Binomial: 2 sqrt(0.1 * 0.9 / 500 + 0.8 * 0.2 / 500).
    assert!((difference.estimate.test_set_noise - 2.0 * (0.25f64 / 500.0).sqrt()).abs() < 1e-12);
    assert!(one.verdict.contains("One seed cannot tell"), "{}", one.verdict);
    // Two seeds that agree to the sample: their spread is unknown, not zero.
    let same = Comparison::new(Metric::HardHalf, &members(1.0, &[(0.5, 0.504), (0.5, 0.504)]));
    assert_eq!(same.deciding().next().unwrap().outcome, Outcome::CannotTell);
    assert!(Comparison::new(Metric::HardHalf, &[]).verdict.starts_with("Nothing to compare"));
}

#[test]
fn fractions_are_judged_one_by_one_and_only_what_reached_the_end_is_paired() {
    let mut series = members(1.0, &[(0.40, 0.45), (0.50, 0.55), (0.60, 0.652)]);
    series.extend(members(0.1, &[(0.40, 0.45), (0.50, 0.45), (0.3, 0.3)]));
    series[1].learners[1].failed = Some("diverged".into());
    let comparison = Comparison::new(Metric::HardHalf, &series);
    assert_eq!((comparison.fractions.as_slice(), comparison.seeds.as_slice()), ([0.1, 1.0].as_slice(), [1, 2, 3].as_slice()));
    let seeds: Vec<(f64, usize)> = comparison.deciding().map(|d| (d.fraction, d.estimate.seeds)).collect();
    assert_eq!(seeds, [(0.1, 3), (1.0, 2)]);
    assert_eq!(comparison.failed, [("set@0.2".to_owned(), 2, 1.0)]);
    let dense = comparison.means.iter().find(|m| m.fraction == 1.0 && m.learner == "dense" && m.metric == Metric::Test).unwrap();
    assert_eq!(dense.values.len(), 3, "the dense learner's own mean keeps all its seeds");
    assert!(comparison.verdict.contains("at p_data 0.1") && comparison.verdict.contains("over 2 to 3 seeds"), "{}", comparison.verdict);
    assert!(comparison.verdict.contains("each of the 2 comparisons by itself"), "{}", comparison.verdict);
}

#[test]
fn what_decides_is_given_and_a_small_gap_wins() {
    let mut series = members(1.0, &[(0.40, 0.45), (0.50, 0.55)]);
    let none = Comparison::new(Metric::RobustTest, &series);
    assert!(none.verdict.starts_with("Nothing to compare") && none.deciding().count() == 0, "{}", none.verdict);
    for (i, member) in series.iter_mut().enumerate() {
        for (l, learner) in member.learners.iter_mut().enumerate() {
            let robust = |accuracy| score(accuracy, 1000);
            let train = robust([0.5, 0.35][l] + 0.001 * i as f64);
            learner.scores.by_hardness = ByHardness {
                bins: vec![robust(0.9), robust(0.1)],
                corrupted: Some(robust(0.4)),
                robust: Some(Robust { train, clean_train: None, validation: train, test: robust(0.3) }),
            };
        }
    }
    for deciding in [Metric::HardHalf, Metric::Corrupted, Metric::RobustTest] {
        let comparison = Comparison::new(deciding, &series);
        assert!(comparison.deciding == deciding && comparison.deciding().all(|d| d.metric == deciding));
    }
    let comparison = Comparison::new(Metric::HardHalf, &series);
    let gap = comparison.differences.iter().find(|d| d.metric == Metric::RobustGap).unwrap();
    assert!((gap.estimate.mean + 0.15).abs() < 1e-12 && gap.outcome == Outcome::Won, "{gap:?}");
    let bin = comparison.means.iter().find(|m| m.metric == Metric::HardestBin).unwrap();
    assert!((bin.estimate.mean - 0.1).abs() < 1e-12, "bins are easiest first");
}

#[test]
fn controls_are_compared_with_controls_and_never_decide() {
    let mut series = members(1.0, &[(0.40, 0.45), (0.50, 0.55)]);
    for member in &mut series {
        member.learners.extend([learner("dense on random", 1.0, 0.7), learner("set@0.2 on random", 0.2, 0.6)]);
    }
    let comparison = Comparison::new(Metric::HardHalf, &series);
    let control = comparison.differences.iter().find(|d| d.control && d.metric == Metric::Test).unwrap();
    assert_eq!(control.dense, "dense on random");
    assert!((control.estimate.mean + 0.1).abs() < 1e-12);
    assert!(comparison.deciding().all(|d| d.dense == "dense") && !comparison.verdict.contains("random"));
}
