//! Every sparse method in whole races on the CPU: what it keeps, when, and that it repeats itself.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;

use pollster::block_on;
use sparring_core::config::{Allocation, LearnerConfig};
use sparring_core::data::Dataset;
use sparring_core::data::DatasetName;
use sparring_core::data::builtin::builtin;
use sparring_core::events::{Evaluation, LearnerInfo, TopologyReport};
use sparring_core::formats::StateDict;
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Model;
use sparring_core::sparse::{Grow, Prune, Redistribution};
use sparring_core::train::parent::{Parents, needed, parent_config};
use sparring_core::{Device, Event, ExperimentConfig, Session};

fn config(learners: &[&str]) -> ExperimentConfig {
    ExperimentConfig {
        dataset: DatasetName::BuiltIn,
        subset: Subset::All,
        model: Model::Tiny,
        learners: learners.iter().map(|l| l.parse::<LearnerConfig>().unwrap()).collect(),
        epochs: 4,
        batch_size: 32,
        limit_train: 96,
        limit_test: 32,
        update_frequency: 1,
        lr: 0.05,
        ..ExperimentConfig::default()
    }
}

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.2, 200, 40, 1))
}

struct Trained {
    events: Vec<Event>,
    session: Session,
}

fn race_with(config: &ExperimentConfig, parents: &Parents) -> Trained {
    block_on(async {
        let mut session = Session::with_parents(config.clone(), data(), None, parents, Device::cpu()).await.unwrap();
        let mut events = Vec::new();
        while !session.finished() {
            events.extend(session.advance().await.unwrap());
        }
        Trained { events, session }
    })
}

fn race(config: &ExperimentConfig) -> Trained {
    race_with(config, &Parents::new())
}

impl Trained {
    fn infos(&self) -> &[LearnerInfo] {
        let Event::Started { learners, .. } = &self.events[0] else { panic!("{:?}", self.events[0]) };
        learners
    }
    fn reports(&self, of: usize) -> Vec<&TopologyReport> {
        let report = |e| match e {
            &Event::Topology { learner, ref report, .. } if learner == of => Some(report),
            _ => None,
        };
        self.events.iter().filter_map(report).collect()
    }
    fn state(&self, learner: usize) -> StateDict {
        block_on(self.session.state(learner)).unwrap()
    }
    fn warnings(&self) -> Vec<&str> {
        fn text(event: &Event) -> Option<&str> {
            match event {
                Event::Warning { message } => Some(message),
                _ => None,
            }
        }
        self.events.iter().filter_map(text).collect()
    }
}

fn active(state: &StateDict) -> (usize, usize) {
    let weights = state.tensors.values().filter(|t| t.shape.len() > 1);
    weights.fold((0, 0), |(a, n), t| (a + t.data.iter().filter(|v| **v != 0.0).count(), n + t.data.len()))
}

fn losses(race: &Trained) -> Vec<String> {
    let of = |e: &Event| match e {
        Event::EpochEnd { learner, epoch, scores, .. } => {
            let Evaluation { train, test, .. } = scores.as_ref();
            Some(format!("{learner} {epoch} {train:?} {test:?}"))
        }
        Event::TopologyChanged { .. } => Some(format!("{e:?}")),
        _ => None,
    };
    let mut all: Vec<String> = race.events.iter().filter_map(of).collect();
    all.sort();
    all
}

#[test]
fn every_pairing_of_rules_keeps_the_number_of_weights_and_repeats_itself() {
    let mut learners = Vec::new();
    for prune in Prune::ALL {
        for grow in Grow::ALL {
            learners.push(format!("set@0.2+masked+prune={prune}+grow={grow}"));
        }
    }
    for redistribution in Redistribution::ALL {
        learners.push(format!("set@0.2+redistribute={redistribution}"));
        learners.push(format!("rigl@0.2+uniform+masked+redistribute={redistribution}"));
    }
    for chunk in learners.chunks(8) {
        let config = config(&chunk.iter().map(String::as_str).collect::<Vec<_>>());
        let first = race(&config);
        for (i, learner) in chunk.iter().enumerate() {
            let reports = first.reports(i);
            assert_eq!(reports.len(), 4);
            let density = first.infos()[i].density;
            assert!(reports.iter().all(|r| (r.density - density).abs() < 1e-12), "{learner}: {reports:?}");
            assert!(reports[3].explored > density, "{learner} explores nothing");
            assert!(reports[3].from_first > 0.0 && reports[3].from_first <= 1.0);
            assert_eq!(reports[0].semantics, if learner.contains("masked") { "masked" } else { "sparse" });
        }
        assert_eq!(losses(&first), losses(&race(&config)));
    }
}

#[test]
fn redistribution_moves_weights_between_layers() {
    let race = race(&config(&["set@0.2", "set@0.2+redistribute=magnitude", "set@0.2+masked+redistribute=nonzeros"]));
    let layers = |i: usize, epoch: usize| race.reports(i)[epoch].layers.iter().map(|l| l.density).collect::<Vec<_>>();
    assert_eq!(layers(0, 0), layers(0, 3));
    assert_ne!(layers(1, 0), layers(1, 3));
    assert_ne!(layers(2, 0), layers(2, 3));
}

#[test]
fn gradual_pruning_starts_dense_and_reaches_its_density_in_both_semantics() {
    let mut config = config(&["gmp@0.1", "gmp@0.1+masked"]);
    config.epochs = 10;
    config.momentum_reset = true;
    let race = race(&config);
    for i in 0..2 {
        assert_eq!(race.infos()[i].density, 1.0);
        let densities: Vec<f64> = race.reports(i).iter().map(|r| r.density).collect();
        assert!(densities.windows(2).all(|w| w[1] <= w[0]), "{densities:?}");
        let (active, total) = active(&race.state(i));
        let expected = (0.1 * total as f64).round() as usize;
        assert_eq!((densities[6] * total as f64).round() as usize, expected, "7 updates in 0.7 of 10 epochs: {densities:?}");
        // A weight that exists may be exactly zero, none may be beyond the mask.
        assert!(active <= expected && active + 5 > expected, "{active} {expected}");
        // s (1 - (1 - 1/7)^3) after the first of seven.
        assert!((densities[0] - (1.0 - 0.9 * (1.0 - (6.0f64 / 7.0).powi(3)))).abs() < 1e-3, "{densities:?}");
    }
    // The same arithmetic, in another order of sums: no update may fall differently by much.
    let last = |i: usize| race.reports(i)[9].layers.iter().map(|l| l.density).collect::<Vec<_>>();
    assert!(last(0).iter().zip(last(1)).all(|(a, b)| (a - b).abs() < 0.02), "{:?} {:?}", last(0), last(1));
}

#[test]
fn methods_that_start_from_a_parent_take_its_weights_or_its_mask() {
    let config = config(&["omp@0.2", "lth@0.2", "pre-erk@0.2", "omp@0.2+half-pre", "omp@0.2+uniform-pre"]);
    let error = block_on(Session::new(config.clone(), data(), None, Device::cpu())).err().unwrap().to_string();
    assert!(error.contains("omp@0.2") && error.contains("trained dense"), "{error}");
    assert_eq!(needed(&config), [Subset::All]);
    let parent = race(&parent_config(&config, Subset::All)).state(0);
    let parents: Parents = [(Subset::All.to_string(), Arc::new(parent.clone()))].into();
    // Nothing has trained yet: the state is what the learner starts from.
    let session = block_on(Session::with_parents(config.clone(), data(), None, &parents, Device::cpu())).unwrap();
    let start = |i| block_on(session.state(i)).unwrap();
    let dense_start = block_on(async {
        let dense = ExperimentConfig { learners: vec![LearnerConfig::DENSE], ..config.clone() };
        Session::new(dense, data(), None, Device::cpu()).await.unwrap().state(0).await.unwrap()
    });
    for (i, weights) in [(0, &parent), (1, &dense_start), (2, &parent), (3, &parent), (4, &parent)] {
        for (name, tensor) in &start(i).tensors {
            let want = &weights.tensors[name].data;
            let same = tensor.data.iter().zip(want).all(|(a, b)| a == b || (tensor.shape.len() > 1 && *a == 0.0));
            assert!(same, "learner {i}, {name}");
        }
        let (active, total) = active(&start(i));
        assert!((active as f64 / total as f64 - 0.2).abs() < 0.01, "{active} of {total}");
    }
    let mask = |s: &StateDict| {
        s.tensors
            .iter()
            .filter(|(_, t)| t.shape.len() > 1)
            .map(|(_, t)| t.data.iter().map(|v| *v != 0.0).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    assert_eq!(mask(&start(0)), mask(&start(1)), "a lottery ticket has the mask of one-shot pruning");
    assert_ne!(mask(&start(0)), mask(&start(2)));
    // And all of them train.
    let race = race_with(&config, &parents);
    assert!(matches!(race.events.last(), Some(Event::Finished { .. })));
}

#[test]
fn saliency_decides_counts_or_positions() {
    let race = race(&ExperimentConfig { epochs: 1, ..config(&["snip@0.2", "snip-mask@0.2", "grasp@0.2", "set@0.2+snip", "static@0.2"]) });
    let counts = |i: usize| race.infos()[i].layers.iter().map(|l| l.active).collect::<Vec<_>>();
    assert_eq!(counts(0), counts(1), "the same scores give the same counts");
    assert_eq!(counts(0), counts(3));
    assert_ne!(counts(0), counts(4));
    assert_ne!(counts(1), counts(2));
    for info in race.infos() {
        assert!((info.density - 0.2).abs() < 2e-3, "{}: {}", info.name, info.density);
    }
}

#[test]
fn an_emptied_layer_is_a_warning() {
    // Among 20 of 24,000 weights, one threshold leaves some layer without any.
    let few = race(&ExperimentConfig { epochs: 1, ..config(&["snip-mask@0.0008"]) });
    let empty: Vec<&str> = few.infos()[0].layers.iter().filter(|l| l.active == 0).map(|l| l.name.as_str()).collect();
    assert!(!empty.is_empty(), "{:?}", few.infos()[0].layers);
    assert!(empty.iter().all(|name| few.warnings().iter().any(|w| w.contains(name))), "{:?}", few.warnings());
    let gradual = race(&ExperimentConfig { epochs: 3, ..config(&["gmp@0.0004"]) });
    assert!(gradual.warnings().iter().any(|w| w.contains("no weights left")), "{:?}", gradual.warnings());
    assert!(!race(&ExperimentConfig { epochs: 1, ..config(&["set@0.2"]) }).warnings().iter().any(|w| w.contains("no weights")));
}

#[test]
fn extremes_of_density_and_death_rate_run() {
    let edges = ["set@0", "set@1", "rigl@0", "rigl@1", "static@0", "gmp@0", "gmp@1", "snip@1"];
    for rate in [0.0, 1.0] {
        let mut config = config(&edges);
        config.death_rate = rate;
        let race = race(&config);
        let Some(Event::Finished { summary }) = race.events.last() else { panic!() };
        assert!(summary.learners.iter().all(|l| l.failed.is_none()), "{summary:?}");
        assert_eq!(active(&race.state(0)).0, 0);
    }
}

#[test]
fn allocations_by_magnitude_also_work_from_scratch_and_masks_by_coins_vary() {
    let learners: Vec<String> = Allocation::ALL.iter().map(|a| format!("set@0.3+{a}")).collect();
    let config = ExperimentConfig { epochs: 2, bernoulli: true, ..config(&learners.iter().map(String::as_str).collect::<Vec<_>>()) };
    let race = race(&config);
    for info in race.infos() {
        assert!((info.density - 0.3).abs() < 0.02, "{}: {}", info.name, info.density);
    }
    let uniform = &race.infos()[1].layers;
    assert!(uniform.iter().any(|l| l.active != (0.3 * l.total as f64).round() as usize), "{uniform:?}");
}

#[test]
fn sparse_and_masked_with_momentum_reset_agree_over_fifty_steps() {
    // 5 epochs of 10 steps, a topology update after each but the last. SET at random: both semantics draw the same positions, as long as
    // they prune the same ones, which they do while their weights differ by rounding only.
    let mut config = config(&["set@0.3", "set@0.3+masked"]);
    (config.epochs, config.limit_train, config.batch_size, config.momentum_reset) = (5, 160, 16, true);
    let race = race(&config);
    let (a, b) = (race.state(0), race.state(1));
    for (name, tensor) in &a.tensors {
        let other = &b.tensors[name].data;
        let distance: f64 = tensor.data.iter().zip(other).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt();
        let length: f64 = other.iter().map(|y| f64::from(*y).powi(2)).sum::<f64>().sqrt();
        assert!(distance <= AGREEMENT * length, "{name}: {distance:.2e} of {length:.2e}");
    }
}

/// Relative distance after fifty steps of float32 in two orders of summation: what BatchNorm and the learning rate make of rounding
/// errors of 1e-7. Weights differ by 3e-4 at most; a bias of BatchNorm near zero by 9e-4.
const AGREEMENT: f64 = 2e-3;

/// Trains to the end of the first epoch and holds there.
fn held(config: &ExperimentConfig) -> (Session, Vec<Event>) {
    block_on(async {
        let mut session = Session::new(config.clone(), data(), None, Device::cpu()).await.unwrap();
        session.hold_at(Some(1));
        let mut events = Vec::new();
        while !session.holds() {
            events.extend(session.advance().await.unwrap());
        }
        (session, events)
    })
}

#[test]
fn a_held_session_stops_every_learner_at_the_epochs_end_and_goes_on_to_the_same_numbers() {
    let config = config(&["dense", "set@0.2"]);
    let (mut session, mut events) = held(&config);
    let ends = |events: &[Event]| events.iter().filter(|e| matches!(e, Event::EpochEnd { epoch: 1, .. })).count();
    assert_eq!((ends(&events), session.epochs_done()), (2, 1));
    assert!(block_on(session.advance()).unwrap().is_empty(), "nothing trains while it holds");
    session.hold_at(None);
    block_on(async {
        while !session.finished() {
            events.extend(session.advance().await.unwrap());
        }
    });
    let scores = |events: &[Event]| -> Vec<(usize, u32, u64)> {
        let of = |e: &Event| match e {
            Event::EpochEnd { learner, epoch, scores, .. } => Some((*learner, *epoch, scores.test.loss.to_bits())),
            _ => None,
        };
        let mut scores: Vec<_> = events.iter().filter_map(of).collect();
        scores.sort_unstable();
        scores
    };
    assert_eq!(scores(&events), scores(&race(&config).events));
}

#[test]
fn density_can_be_changed_while_training_and_the_run_says_so() {
    for (learner, changed) in [("set@0.2", 0.05), ("set@0.2", 0.6), ("rigl@0.3+masked", 0.1), ("static@0.1", 1.0)] {
        let (mut session, _) = held(&config(&["dense", learner]));
        session.set_density(1, changed).unwrap();
        session.hold_at(Some(2));
        let mut events = Vec::new();
        block_on(async {
            while !session.holds() {
                events.extend(session.advance().await.unwrap());
            }
        });
        let said = events.iter().any(
            |e| matches!(e, Event::Changed { learner: Some(1), setting, value: Some(v), .. } if setting == "density" && *v == changed),
        );
        assert!(said, "{learner}");
        let reached = events.iter().rev().find_map(|e| match e {
            Event::Topology { learner: 1, report, .. } => Some(report.density),
            _ => None,
        });
        assert!((reached.unwrap() - changed).abs() < 0.002, "{learner}: {reached:?} is not {changed}");
        let failed = events.iter().find(|e| matches!(e, Event::LearnerFailed { .. }));
        assert!(failed.is_none(), "{failed:?}");
    }
    let (mut session, _) = held(&config(&["dense", "set@0.2"]));
    assert!(session.set_density(0, 0.5).is_err() && session.set_density(2, 0.5).is_err() && session.set_density(1, 0.0).is_err());
    session.set_lr(Some(0.01));
    session.hold_at(None);
    let events = block_on(session.advance()).unwrap();
    assert!(matches!(&events[0], Event::Changed { learner: None, setting, .. } if setting == "lr"), "{events:?}");
}
