//! Hand-computed studies.
#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::events::{Evaluation, Score};

fn learner(name: &str, test: f64) -> LearnerSummary {
    let score = |accuracy| Score { loss: 1.0, accuracy, samples: 10_000 };
    LearnerSummary {
        name: name.into(),
        subset: "all".into(),
        control: name.ends_with("random"),
        density: if name.starts_with("dense") { 1.0 } else { 0.2 },
        active_parameters: 1,
        flops_per_step: 1,
        flops: 100.0,
        ms_per_step: 1.0,
        scores: Evaluation { test: score(test), ..Evaluation::default() },
        failed: None,
    }
}

/// Differences of a study of these values: condition, learner, one value a seed from 1.
fn study(rows: &[(usize, &str, &[f64])]) -> Findings {
    let mut study = Findings::default();
    for (condition, name, values) in rows {
        for (i, value) in values.iter().enumerate() {
            study.add(*condition, i as u64 + 1, &learner(name, *value));
        }
    }
    study
}

#[test]
fn differences_are_paired_tested_and_corrected_over_the_whole_study() {
    // Condition 0: +0.01, +0.02, +0.03. Mean 0.02, standard deviation 0.01, t = 0.02 / (0.01 / sqrt 3) = 3.4641; with 2 degrees of freedom
    // p = 1 - t / sqrt(t^2 + 2) = 1 - 3.4641 / 3.7417 = 0.07418.
    // Condition 1: +0.09, +0.10, +0.11. t = 17.3205, p = 1 - 17.3205 / 17.3781 = 0.003317.
    let study = study(&[
        (0, "dense", &[0.50, 0.60, 0.55]),
        (0, "set@0.2", &[0.51, 0.62, 0.58]),
        (1, "dense", &[0.40, 0.50, 0.45]),
        (1, "set@0.2", &[0.49, 0.60, 0.56]),
        (1, "dense on random", &[0.40, 0.50, 0.45]),
        (1, "set@0.2 on random", &[0.49, 0.60, 0.56]),
    ]);
    let all = study.differences(Metric::Test);
    assert_eq!(all.len(), 3);
    let near = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1e-5;
    assert!(near(all[0].p, 0.074_180) && near(all[1].p, 0.003_317), "{all:?}");
    assert!(near(all[0].adjusted, 0.074_180) && near(all[1].adjusted, 2.0 * 0.003_317), "{all:?}");
    assert_eq!((all[0].outcome, all[1].outcome), (Outcome::CannotTell, Outcome::Won));
    assert!(all[2].control && all[2].adjusted.is_none() && near(all[2].p, 0.003_317), "controls are not corrected for");
    let text = verdict(Metric::Test, &all, |condition| format!(" at condition {condition}"));
    assert_eq!(
        text,
        "Judged by accuracy on all test samples, over 3 seeds: set@0.2 won against dense: +10.0 points (95% interval +7.5 to +12.5, adjusted \
         p 0.0066) at condition 1; set@0.2 cannot be told apart from dense: +2.0 points (95% interval -0.5 to +4.5, adjusted p 0.074) at \
         condition 0. Holm's correction allows for all 2 comparisons."
    );
}

#[test]
fn what_is_certain_alone_may_not_be_so_among_many() {
    // +0.014, +0.020, +0.026: t = 5.7735, p = 0.0287 alone; of four comparisons 0.115.
    let one: &[f64] = &[0.514, 0.62, 0.576];
    let rows: Vec<(usize, &str, &[f64])> = (0..4)
        .flat_map(|c| [(c, "dense", &[0.50, 0.60, 0.55][..]), (c, "set@0.2", if c == 0 { one } else { &[0.49, 0.61, 0.55] })])
        .collect();
    let all = study(&rows).differences(Metric::Test);
    assert!(all[0].p.unwrap() < LEVEL && all[0].adjusted.unwrap() > LEVEL, "{all:?}");
    assert!((all[0].adjusted.unwrap() - 4.0 * all[0].p.unwrap()).abs() < 1e-12);
    assert_eq!(all[0].outcome, Outcome::CannotTell);
    let alone = study(&rows[..2]).differences(Metric::Test);
    assert_eq!(alone[0].outcome, Outcome::Won);
}

#[test]
fn many_comparisons_are_counted_and_one_seed_cannot_tell() {
    let rows: Vec<(usize, &str, &[f64])> = (0..8)
        .flat_map(|c| {
            [(c, "dense", &[0.50, 0.60, 0.55][..]), (c, "set@0.2", if c < 3 { &[0.30, 0.40, 0.351] } else { &[0.49, 0.61, 0.55] })]
        })
        .collect();
    let text = verdict(Metric::Test, &study(&rows).differences(Metric::Test), |_| String::new());
    assert!(text.contains("over 3 seeds, against dense: set@0.2 lost in 3 and cannot be told apart in 5 of 8 conditions. Holm"), "{text}");
    let one = study(&[(0, "dense", &[0.5]), (0, "set@0.2", &[0.7])]).differences(Metric::Test);
    assert_eq!((one[0].outcome, one[0].p), (Outcome::OneSeed, None));
    assert!(verdict(Metric::Test, &one, |_| String::new()).contains("One seed cannot tell"));
    assert!(verdict(Metric::Test, &[], |_| String::new()).starts_with("Nothing to compare"));
}

#[test]
fn a_mean_over_conditions_is_taken_within_a_seed_first_and_of_complete_seeds() {
    // Seeds 1 and 2 have both conditions: (0.5 + 0.7) / 2 and (0.6 + 0.9) / 2. Seed 3 has one alone.
    let study = study(&[(0, "dense", &[0.5, 0.6, 0.1]), (1, "dense", &[0.7, 0.9])]);
    let mean = study.mean(Metric::Test, 0, &[0, 1, 7]).unwrap();
    assert!(mean.values.iter().zip([(1, 0.6), (2, 0.75)]).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-12), "{mean:?}");
    assert_eq!(mean.estimate.seeds, 2);
    assert_eq!(study.mean(Metric::Test, 0, &[0]).unwrap().estimate.seeds, 3);
    assert!(study.mean(Metric::Test, 0, &[9]).is_none() && study.mean(Metric::HardHalf, 0, &[0]).is_none());
    assert_eq!((study.seeds(), study.metrics().collect::<Vec<_>>()), (vec![1, 2, 3], vec![Metric::Test]));
}

#[test]
fn the_same_training_in_two_runs_counts_once_and_what_failed_does_not() {
    let mut study = study(&[(0, "dense", &[0.5, 0.6])]);
    study.add(0, 1, &learner("dense", 0.5));
    study.add(0, 3, &LearnerSummary { failed: Some("diverged".into()), ..learner("dense", 0.1) });
    assert_eq!((study.racers()[0].runs, study.racers()[0].density), (2, 1.0));
    assert_eq!(study.mean(Metric::Test, 0, &[0]).unwrap().values, [(1, 0.5), (2, 0.6)]);
}

#[test]
fn p_values_are_those_of_the_tables() {
    // Quantiles of Student's t: two-sided 0.05 and 0.10 with 2 degrees of freedom, 0.05 with 9.
    let of = |seeds: usize, t: f64| {
        let estimate = Estimate { seeds, mean: t, half_width: Some(crate::record::comparison::student_t(seeds - 1)), test_set_noise: 0.0 };
        estimate.p_value().unwrap()
    };
    for (seeds, t, p) in [(3, 4.302_65, 0.05), (3, 2.919_99, 0.10), (10, 2.262_16, 0.05), (2, 12.706_2, 0.05), (5, 0.0, 1.0)] {
        assert!((of(seeds, t) - p).abs() < 1e-5 && (of(seeds, -t) - p).abs() < 1e-5, "{seeds} {t}: {}", of(seeds, t));
    }
    assert_eq!([0.000_01, 0.004_31, 0.043_1, 0.431].map(p_value), ["below 0.0001", "0.0043", "0.043", "0.43"]);
}

#[test]
fn means_that_are_compared_are_over_conditions_that_all_learners_have() {
    let study = study(&[
        (0, "dense", &[0.5, 0.6]),
        (1, "dense", &[0.3, 0.4]),
        (2, "dense", &[0.9, 0.9]),
        (0, "set@0.2", &[0.5, 0.7]),
        (1, "set@0.2", &[0.2, 0.4]),
        (0, "snip@0.2", &[0.4, 0.4]),
    ]);
    let shared = |conditions: &[usize]| study.shared(Metric::Test, conditions);
    assert_eq!((shared(&[0, 1, 2]), shared(&[1, 2]), shared(&[2]), shared(&[])), (vec![0], vec![1], vec![2], vec![]));
    assert_eq!(study.shared(Metric::HardHalf, &[0]), [0], "nobody ran: nobody is left out");
}
