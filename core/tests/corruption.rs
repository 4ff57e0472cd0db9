//! Races on corrupted images: what is corrupted, what stays clean, and that a resumed race sees the same images.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;

use pollster::block_on;
use sparring_core::config::LearnerConfig;
use sparring_core::data::Dataset;
use sparring_core::data::DatasetName;
use sparring_core::data::builtin::builtin;
use sparring_core::events::Evaluation;
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Model;
use sparring_core::train::checkpoint::Checkpoint;
use sparring_core::{Device, Event, ExperimentConfig, Session};

fn config(corruption: &str, severity: &str) -> ExperimentConfig {
    ExperimentConfig {
        dataset: DatasetName::BuiltIn,
        subset: Subset::All,
        model: Model::Tiny,
        learners: vec![LearnerConfig::DENSE, "set@0.3".parse().unwrap()],
        epochs: 2,
        batch_size: 16,
        lr: 0.05,
        limit_train: 64,
        limit_test: 60,
        corruption: corruption.parse().unwrap(),
        severity: severity.parse().unwrap(),
        ..ExperimentConfig::default()
    }
}

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.1, 200, 80, 1))
}

fn start(config: &ExperimentConfig) -> Session {
    block_on(Session::new(config.clone(), data(), None, Device::cpu())).unwrap()
}

/// The evaluations, sorted, without times.
fn numbers(events: &[Event]) -> Vec<String> {
    let of = |e: &Event| match e {
        Event::EpochEnd { learner, epoch, scores, .. } => {
            let Evaluation { train, validation, test, by_hardness, .. } = scores.as_ref();
            Some(format!("{learner} {epoch} {train:?} {validation:?} {test:?} {by_hardness:?}"))
        }
        _ => None,
    };
    let mut out: Vec<String> = events.iter().filter_map(of).collect();
    out.sort();
    out
}

fn finish(session: &mut Session) -> Vec<Event> {
    let mut events = Vec::new();
    while !session.finished() {
        events.extend(block_on(session.advance()).unwrap());
    }
    events
}

#[test]
fn a_race_on_corrupted_images_reports_clean_and_corrupted() {
    let clean = finish(&mut start(&config("none", "mixed")));
    let corrupted = finish(&mut start(&config("contrast,gaussian-noise", "5")));
    assert_ne!(numbers(&clean), numbers(&corrupted));
    assert_eq!(numbers(&corrupted), numbers(&finish(&mut start(&config("contrast,gaussian-noise", "5")))), "it repeats itself");
    let mut ends = 0;
    for event in &corrupted {
        if let Event::EpochEnd { scores, .. } = event {
            let Evaluation { test, by_hardness, .. } = scores.as_ref();
            let score = by_hardness.corrupted.unwrap();
            assert_eq!((score.samples, test.samples), (60, 60));
            assert_ne!(score.loss, test.loss, "the test set is evaluated clean too");
            ends += 1;
        }
    }
    assert_eq!(ends, 4);
    let is_clean = |e: &Event| matches!(e, Event::EpochEnd { scores, .. } if scores.by_hardness.corrupted.is_none());
    assert_eq!(clean.iter().filter(|e| is_clean(e)).count(), 4);
}

/// A kind that changes nothing of grey levels around their mean must leave a race what it was: only the evaluation is added.
#[test]
fn images_that_no_corruption_changes_train_the_same() {
    // Grey images have no saturation to change.
    let grey = |corruption: &str| {
        let config = ExperimentConfig { dataset: DatasetName::BuiltInGrey, ..config(corruption, "4") };
        let data = Arc::new(sparring_core::data::builtin::builtin_grey(0.1, 200, 80, 1));
        let mut session = block_on(Session::new(config, data, None, Device::cpu())).unwrap();
        finish(&mut session)
    };
    let strip =
        |events: &[Event]| -> Vec<String> { numbers(events).iter().map(|n| n.split("ByHardness").next().unwrap().to_owned()).collect() };
    let (without, with) = (grey("none"), grey("saturate"));
    assert_eq!(strip(&without), strip(&with));
    for event in &with {
        if let Event::EpochEnd { scores, .. } = event {
            let Evaluation { test, by_hardness, .. } = scores.as_ref();
            assert_eq!(by_hardness.corrupted.unwrap(), *test);
        }
    }
}

#[test]
fn a_resumed_race_goes_on_with_the_same_images() {
    let config = config("standard", "mixed");
    let whole = numbers(&finish(&mut start(&config)));
    for stop in [1, 4, 9] {
        let mut session = start(&config);
        let mut events = Vec::new();
        for _ in 0..stop {
            events.extend(block_on(session.advance()).unwrap());
        }
        let bytes = block_on(session.checkpoint("")).unwrap();
        let checkpoint = Checkpoint::read(&bytes).unwrap();
        let mut resumed = block_on(Session::resume(config.clone(), data(), None, Device::cpu(), &checkpoint)).unwrap();
        events.extend(finish(&mut resumed));
        assert_eq!(numbers(&events), whole, "stopped after {stop}");
    }
}
