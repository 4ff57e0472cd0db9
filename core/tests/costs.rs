//! What a run costs and what it is judged by, in whole races on the CPU: FLOPs that nobody sees, attacks that do nothing, lone samples.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;

use pollster::block_on;
use sparring_core::config::Adversarial;
use sparring_core::data::builtin::builtin;
use sparring_core::data::{Dataset, DatasetName};
use sparring_core::events::{LearnerInfo, Metric};
use sparring_core::formats::{StateDict, TRAINING_FLOPS};
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::{Input, Model};
use sparring_core::record::History;
use sparring_core::train::parent::{Parents, needed, parent_config};
use sparring_core::{Device, Event, ExperimentConfig, Session};

/// Of the 100 images 90 train: two steps of 32 samples and one of 26.
const SAMPLES: usize = 90;
const BATCH: usize = 32;

fn config(learners: &[&str]) -> ExperimentConfig {
    ExperimentConfig {
        dataset: DatasetName::BuiltIn,
        subset: Subset::All,
        model: Model::Tiny,
        learners: learners.iter().map(|l| l.parse().unwrap()).collect(),
        epochs: 3,
        batch_size: BATCH,
        update_frequency: 1,
        lr: 0.05,
        ..ExperimentConfig::default()
    }
}

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.2, 100, 20, 1))
}

fn race(config: &ExperimentConfig, parents: &Parents) -> Vec<Event> {
    block_on(async {
        let mut session = Session::with_parents(config.clone(), data(), None, parents, Device::cpu()).await.unwrap();
        let mut events = Vec::new();
        while !session.finished() {
            events.extend(session.advance().await.unwrap());
        }
        events
    })
}

/// The parent that a configuration asks for, trained.
fn parent(config: &ExperimentConfig) -> (StateDict, f64) {
    block_on(async {
        let parent = parent_config(config, needed(config)[0]);
        let mut session = Session::new(parent, data(), None, Device::cpu()).await.unwrap();
        while !session.finished() {
            session.advance().await.unwrap();
        }
        (session.state(0).await.unwrap(), session.summary().learners[0].flops)
    })
}

fn started(events: &[Event]) -> &[LearnerInfo] {
    let Some(Event::Started { learners, .. }) = events.first() else { panic!() };
    learners
}

/// FLOPs after each epoch of a learner.
fn flops(events: &[Event], who: usize) -> Vec<f64> {
    let of = |event: &Event| match event {
        Event::EpochEnd { learner, flops, .. } if *learner == who => Some(*flops),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn warnings(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|e| if let Event::Warning { message } = e { Some(message.as_str()) } else { None }).collect()
}

/// An epoch's samples, the last step's few included.
fn epoch(info: &LearnerInfo) -> f64 {
    info.flops_per_step as f64 * SAMPLES as f64 / BATCH as f64
}

#[test]
fn a_dense_parents_training_is_part_of_what_its_children_cost() {
    let plain = config(&["dense", "static@0.2", "lth@0.2", "omp@0.2", "pre-erk@0.2"]);
    for config in [plain.clone(), ExperimentConfig { train_step: 2, test_step: 1, epochs: 2, ..plain.attacked_in(Adversarial::Linf) }] {
        let (state, spent) = parent(&config);
        let parents = Parents::from([(Subset::All.to_string(), Arc::new(state))]);
        let events = race(&config, &parents);
        let infos = started(&events);
        let history = History::of(&events);
        assert_eq!(flops(&events, 0).last(), Some(&spent), "the dense learner is trained as the parent was");
        for (i, info) in infos.iter().enumerate() {
            let before = if i < 2 { 0.0 } else { spent };
            assert_eq!(info.parent_flops, before, "{}", info.name);
            for (e, flops) in flops(&events, i).into_iter().enumerate() {
                let expected = before + (e + 1) as f64 * epoch(info);
                assert!((flops - expected).abs() < 1e-9 * expected, "{}, epoch {e}: {flops}, not {expected}", info.name);
            }
            assert_eq!((history.tracks[i].flops_at(0.0), info.batch), (before, BATCH));
        }
        let Some(Event::Finished { summary }) = events.last() else { panic!() };
        assert!(summary.learners.iter().enumerate().all(|(i, l)| Some(&l.flops) == flops(&events, i).last()));
    }
}

#[test]
fn a_parent_that_was_given_says_what_it_took_or_a_warning_says_that_it_does_not() {
    let config = ExperimentConfig { parent: "mine.safetensors".into(), epochs: 1, ..config(&["omp@0.2"]) };
    let (mut state, _) = parent(&ExperimentConfig { parent: String::new(), ..config.clone() });
    let of = |state: &StateDict| race(&config, &Parents::from([(Subset::All.to_string(), Arc::new(state.clone()))]));
    let unknown = of(&state);
    assert_eq!(started(&unknown)[0].parent_flops, 0.0);
    assert!(warnings(&unknown).iter().any(|w| w.contains("mine.safetensors does not say what its training took")), "{unknown:?}");
    state.metadata.insert(TRAINING_FLOPS.into(), "12500".into());
    let known = of(&state);
    assert_eq!(started(&known)[0].parent_flops, 12500.0);
    assert!(!warnings(&known).iter().any(|w| w.contains("mine.safetensors")));
}

#[test]
fn dense_gradients_of_updates_are_counted() {
    let config = config(&["rigl@0.2", "set@0.2", "set@0.2+prune=taylor"]);
    let events = race(&config, &Parents::new());
    let data = data();
    let graph = config.graph(Input { extent: data.extent, classes: 10, mean: data.mean, std: data.std }).unwrap();
    for (i, info) in started(&events).iter().enumerate() {
        let layers = || info.layers.iter().zip(graph.weights());
        let first = layers().next().map_or(0, |(l, w)| l.active as u64 * w.positions());
        let dense: u64 = layers().filter(|(l, _)| l.active < l.total).map(|(l, w)| l.total as u64 * w.positions()).sum();
        assert!(dense > info.macs, "the dense gradient costs more than a sparse pass");
        // Two updates in three epochs, each over the last step's 26 samples.
        let update = if i == 1 { 0 } else { 2 * 26 * (2 * info.macs - first + dense) };
        let expected = 3.0 * epoch(info) + 2.0 * update as f64;
        let found = *flops(&events, i).last().unwrap();
        assert!((found - expected).abs() < 1e-9 * expected, "{}: {found}, not {expected}", info.name);
    }
}

#[test]
fn a_step_that_cannot_be_full_counts_the_samples_there_are() {
    let config = ExperimentConfig { batch_size: 128, epochs: 1, ..config(&["dense"]) };
    let events = race(&config, &Parents::new());
    let info = &started(&events)[0];
    assert_eq!((info.batch, flops(&events, 0)), (SAMPLES, vec![info.flops_per_step as f64]));
    // Before its first evaluation a track counts the same.
    let begun: Vec<Event> = events.iter().take_while(|e| !matches!(e, Event::EpochEnd { .. })).cloned().collect();
    assert_eq!(History::of(&begun).tracks[0].flops_at(1.0), info.flops_per_step as f64);
}

#[test]
fn a_lone_sample_under_batchnorm_is_warned_of_before_training() {
    let lone = |model: Model, batch_size: usize, micro_batch: usize| {
        let config = ExperimentConfig { model, width: 0.05, batch_size, micro_batch, ..config(&["dense", "set@0.5"]) };
        let mut session = block_on(Session::new(config, data(), None, Device::cpu())).unwrap();
        let events = block_on(session.advance()).unwrap();
        warnings(&events).iter().filter(|w| w.contains("variance of a single value")).count()
    };
    // AlexNet-s halves 32 pixels five times, so its last BatchNorms see one value an image.
    for (batch, micro, warned) in [(89, 0, 1), (1, 0, 1), (45, 44, 1), (32, 1, 1), (30, 0, 0), (32, 0, 0), (45, 30, 0)] {
        assert_eq!(lone(Model::AlexNetS, batch, micro), warned, "batch {batch}, micro {micro}");
    }
    assert_eq!(lone(Model::Tiny, 89, 0), 0, "several pixels an image are several values");
}

#[test]
fn an_attack_that_does_nothing_is_refused_or_said_and_decides_nothing() {
    let base = config(&["dense", "set@0.5"]).attacked_in(Adversarial::Linf);
    let small = ExperimentConfig { epochs: 1, train_step: 1, train_gamma: 0.05, test_step: 1, test_gamma: 0.05, ..base };
    let judged = |config: &ExperimentConfig| {
        let events = race(config, &Parents::new());
        let Some(Event::Started { judged_by, .. }) = events.first() else { panic!() };
        let Some(Event::Finished { summary }) = events.last() else { panic!() };
        (judged_by.unwrap(), summary.verdict.clone(), warnings(&events).join("\n"))
    };
    let (metric, verdict, said) = judged(&small);
    assert_eq!(metric, Metric::RobustTest);
    assert!(verdict.starts_with("Judged by robust accuracy") && !said.contains("attack"), "{verdict} {said}");
    let (metric, verdict, said) = judged(&ExperimentConfig { test_eps: 0.0, ..small.clone() });
    assert_eq!(metric, Metric::Test);
    assert!(verdict.starts_with("Judged by accuracy on all test samples") && said.contains("decides nothing"), "{verdict} {said}");
    let (metric, _, said) = judged(&ExperimentConfig { train_step: 0, ..small.clone() });
    assert!(metric == Metric::RobustTest && said.contains("training is not adversarial"), "{said}");
    for idle in [ExperimentConfig { test_step: 0, ..small.clone() }, ExperimentConfig { test_gamma: 0.0, ..small }] {
        let error = block_on(Session::new(idle, data(), None, Device::cpu())).err().unwrap().to_string();
        assert!(error.contains("looks for nothing") && error.contains("test_step and test_gamma"), "{error}");
    }
}
