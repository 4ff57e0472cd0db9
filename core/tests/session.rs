//! Whole races on the CPU: events in order, learning, determinism, semantics, RigL, scoring.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;

use pollster::block_on;
use sparring_core::config::{DatasetName, LearnerConfig, Subset};
use sparring_core::data::Dataset;
use sparring_core::data::builtin::builtin;
use sparring_core::hardness::scoring::{Scoring, scoring_config};
use sparring_core::net::zoo::Model;
use sparring_core::{Device, Event, ExperimentConfig, Session};

fn config(learners: &[&str]) -> ExperimentConfig {
    ExperimentConfig {
        dataset: DatasetName::BuiltIn,
        subset: Subset::All,
        model: Model::Tiny,
        learners: learners.iter().map(|l| l.parse::<LearnerConfig>().unwrap()).collect(),
        epochs: 3,
        batch_size: 32,
        update_frequency: 1,
        lr: 0.05,
        ..ExperimentConfig::default()
    }
}

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.2, 400, 100, 1))
}

fn run(config: &ExperimentConfig) -> (Vec<Event>, Session) {
    block_on(async {
        let mut session = Session::new(config.clone(), data(), None, Device::cpu()).await.unwrap();
        let mut events = Vec::new();
        while !session.finished() {
            events.extend(session.advance().await.unwrap());
        }
        (events, session)
    })
}

/// What must not depend on the clock: everything but progress and times.
fn numbers(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::EpochEnd { learner, epoch, train, validation, test, .. } => Some(format!("{learner} {epoch} {train:?} {validation:?} {test:?}")),
            Event::TopologyChanged { .. } => Some(format!("{e:?}")),
            _ => None,
        })
        .collect()
}

#[test]
fn a_race_learns_and_repeats_itself() {
    let config = config(&["dense", "set@0.2", "rigl@0.2", "static@0.3+uniform", "set@0.2+masked"]);
    let (events, session) = run(&config);
    let Event::Started { learners, .. } = &events[0] else { panic!("{:?}", events[0]) };
    assert_eq!(learners.len(), 5);
    assert_eq!(learners[0].density, 1.0);
    for l in &learners[1..3] {
        assert!((l.density - 0.2).abs() < 1e-3, "{}", l.density);
        assert!(l.macs < l.dense_macs / 2);
    }
    assert!(learners[1].weight_bytes < learners[0].weight_bytes);
    let Some(Event::Finished { summary }) = events.last() else { panic!() };
    for l in &summary.learners {
        assert!(l.test.accuracy > 0.2, "{} has {}", l.name, l.test.accuracy);
        assert!(l.failed.is_none());
    }
    // Two updates in three epochs for each of three dynamic learners, none after the last epoch.
    let updates: Vec<_> = events.iter().filter(|e| matches!(e, Event::TopologyChanged { .. })).collect();
    assert_eq!(updates.len(), 6);
    for update in updates {
        let Event::TopologyChanged { layers, .. } = update else { unreachable!() };
        assert!(layers.iter().all(|l| l.pruned == l.grown && l.explored <= 1.0));
        assert!(layers.iter().any(|l| l.grown > 0));
    }
    let state = block_on(session.state(1)).unwrap();
    let (active, total) = state.tensors.values().filter(|t| t.shape.len() > 1).fold((0, 0), |(a, n), t| (a + t.data.iter().filter(|v| **v != 0.0).count(), n + t.data.len()));
    assert!(active as f64 <= 0.2005 * total as f64, "{active} of {total}");
    let (again, _) = run(&config);
    assert_eq!(numbers(&events), numbers(&again));
}

#[test]
fn sparse_and_masked_with_reset_agree_until_the_first_update() {
    let mut config = config(&["static@0.3", "static@0.3+masked"]);
    config.momentum_reset = true;
    let (events, _) = run(&config);
    let mut losses = [Vec::new(), Vec::new()];
    for e in &events {
        if let Event::EpochEnd { learner, train, .. } = e {
            losses[*learner].push(train.loss);
        }
    }
    for (a, b) in losses[0].iter().zip(&losses[1]) {
        assert!((a - b).abs() < 2e-3 * a, "{a} {b}");
    }
}

#[test]
fn divergence_stops_one_learner_and_says_where() {
    let mut config = config(&["dense"]);
    config.lr = 1000.0;
    config.momentum = 1.0;
    let (events, _) = run(&config);
    let failed = events.iter().any(|e| matches!(e, Event::LearnerFailed { reason, .. } if reason.contains("epoch")));
    assert!(failed);
    assert!(matches!(events.last(), Some(Event::Finished { .. })));
}

#[test]
fn scores_made_by_a_run_choose_subsets_with_a_control() {
    let mut config = config(&["dense", "set@0.2"]);
    config.subset = Subset::El2nHard(0.5);
    block_on(async {
        assert!(Session::new(config.clone(), data(), None, Device::cpu()).await.is_err());
        let mut scoring = Scoring::new(scoring_config(&config, 1), data(), Device::cpu()).await.unwrap();
        while !scoring.finished() {
            scoring.advance().await.unwrap();
        }
        let (scores, device) = scoring.into_scores().await.unwrap();
        assert_eq!((scores.train.len(), scores.test.len()), (400, 100));
        assert!(scores.train.iter().all(|s| (0.0..=2.0).contains(s)));
        let mut session = Session::new(config, data(), Some(Arc::new(scores)), device).await.unwrap();
        let mut events = Vec::new();
        while !session.finished() {
            events.extend(session.advance().await.unwrap());
        }
        assert_eq!(session.into_device().allocated_bytes(), 0);
        let Event::Started { learners, .. } = &events[0] else { panic!() };
        assert_eq!(learners.iter().filter(|l| l.control).count(), 2);
        assert!(learners.iter().all(|l| l.samples == 180));
        let Some(Event::Finished { summary }) = events.last() else { panic!() };
        for l in &summary.learners {
            let (easy, hard) = (l.test_easy.unwrap(), l.test_hard.unwrap());
            assert_eq!((easy.samples, hard.samples), (50, 50));
        }
        assert!(summary.verdict.contains("control"), "{}", summary.verdict);
    });
}
