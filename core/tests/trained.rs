//! Trained weights opened again: the learners look and answer as they did, and nothing trains.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use pollster::block_on;
use sparring_core::config::LearnerConfig;
use sparring_core::data::Dataset;
use sparring_core::data::builtin::builtin;
use sparring_core::error::{Error, ErrorKind};
use sparring_core::formats::{StateDict, TRAINING_FLOPS, safetensors};
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Model;
use sparring_core::train::checkpoint::Checkpoint;
use sparring_core::train::session::inspection::Answer;
use sparring_core::{Device, Event, ExperimentConfig, Session};

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.3, 200, 80, 1))
}

fn config(learners: &[&str]) -> ExperimentConfig {
    ExperimentConfig {
        model: Model::Tiny,
        learners: learners.iter().map(|l| l.parse::<LearnerConfig>().unwrap()).collect(),
        subset: Subset::All,
        control: false,
        epochs: 2,
        batch_size: 16,
        lr: 0.05,
        update_frequency: 1,
        limit_train: 64,
        limit_test: 32,
        ..ExperimentConfig::default()
    }
}

/// A race to its end, and its learners' weights.
async fn race(config: &ExperimentConfig) -> (Session, Vec<StateDict>) {
    let mut session = Session::new(config.clone(), data(), None, Device::cpu()).await.unwrap();
    while !session.finished() {
        session.advance().await.unwrap();
    }
    let mut states = Vec::new();
    for learner in 0..session.learner_count() {
        states.push(session.state(learner).await.unwrap());
    }
    (session, states)
}

async fn open(config: &ExperimentConfig, states: &[StateDict]) -> Result<Session, Error> {
    Session::trained(config.clone(), data(), None, Device::cpu(), states).await
}

async fn answers(session: &mut Session, learner: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !session.answers(learner, &mut answers).await.unwrap() {}
    answers
}

/// What `Started` says, but for the device.
fn introduced(session: &Session) -> String {
    let Event::Started { learners, epochs, config_hash, judged_by, watched, .. } = session.introduction() else { panic!() };
    format!("{learners:?} {epochs} {config_hash} {judged_by:?} {watched:?}")
}

#[test]
fn a_race_opened_with_its_weights_looks_and_answers_as_it_did() {
    let config = config(&["dense", "set@0.2", "rigl@0.3+masked", "gmp@0.4"]);
    block_on(async {
        let (mut raced, states) = race(&config).await;
        let mut opened = open(&config, &states).await.unwrap();
        assert!(opened.finished() && opened.advance().await.unwrap().is_empty() && opened.step_once().await.unwrap().is_empty());
        assert_eq!((opened.epochs_done(), opened.learner_count(), opened.test_count()), (2, 4, 32));
        assert_eq!(introduced(&opened), introduced(&raced));
        for learner in 0..4 {
            assert!(opened.state(learner).await.unwrap().tensors == states[learner].tensors);
            let (theirs, own) = (answers(&mut raced, learner).await, answers(&mut opened, learner).await);
            let bits = |answers: &[Answer]| answers.iter().map(|a| (a.class, a.confidence.to_bits())).collect::<Vec<_>>();
            assert_eq!((own.len(), bits(&own)), (32, bits(&theirs)), "learner {learner}");
            let picture = &data().test.bytes[..data().image_bytes()];
            let seen = opened.examine(learner, picture, None, None).await.unwrap();
            assert_eq!(seen, raced.examine(learner, picture, None, None).await.unwrap());
            let Event::Started { learners, .. } = opened.introduction() else { panic!() };
            for layer in 0..learners[learner].layers.len() {
                let (theirs, own) = (raced.inside(learner, layer).await.unwrap(), opened.inside(learner, layer).await.unwrap());
                assert_eq!((own.rows, own.columns, &own.active), (theirs.rows, theirs.columns, &theirs.active));
                assert_eq!((own.histogram, own.limit), (theirs.histogram, theirs.limit));
                assert!(own.grown.is_empty() && own.pruned.is_empty());
            }
        }
        assert_eq!(opened.into_device().allocated_bytes(), 0);
    });
}

#[test]
fn nothing_that_is_asked_of_a_race_trains_it() {
    let config = config(&["dense", "set@0.2"]);
    block_on(async {
        let (_, mut states) = race(&config).await;
        states[1].metadata.insert(TRAINING_FLOPS.into(), "1500".into());
        let mut opened = open(&config, &states).await.unwrap();
        let summary = opened.summary();
        assert_eq!((summary.learners[0].flops, summary.learners[1].flops), (0.0, 1500.0));
        assert_eq!((summary.verdict.as_str(), summary.learners[0].scores.test.samples), ("Stopped before the first evaluation.", 0));
        opened.set_lr(Some(0.5));
        opened.set_density(1, 0.5).unwrap();
        opened.hold_at(Some(1));
        assert!(opened.holds() && opened.best_states(0).is_empty());
        for _ in 0..3 {
            assert!(opened.advance().await.unwrap().is_empty() && opened.step_once().await.unwrap().is_empty());
        }
        assert!(opened.state(1).await.unwrap().tensors == states[1].tensors);
        // It is kept as any race is.
        let bytes = opened.checkpoint("").await.unwrap();
        let again = Session::resume(config.clone(), data(), None, Device::cpu(), &Checkpoint::read(&bytes).unwrap()).await.unwrap();
        assert!(again.finished() && again.state(0).await.unwrap().tensors == states[0].tensors);
    });
}

#[test]
fn weights_without_their_parent_and_in_half_the_space_are_enough() {
    // A lottery ticket starts from a trained parent, which is not needed to look at what came of it.
    let config = config(&["dense", "set@0.2"]);
    let ticket = ExperimentConfig { learners: vec!["dense".parse().unwrap(), "lth@0.2".parse().unwrap()], ..config.clone() };
    block_on(async {
        let (mut raced, states) = race(&config).await;
        let halved: Vec<StateDict> =
            states.iter().map(|s| safetensors::read(&safetensors::write_bf16(s).unwrap(), "half").unwrap()).collect();
        let mut opened = open(&ticket, &halved).await.unwrap();
        for learner in 0..2 {
            for layer in 0..4 {
                let (theirs, own) = (raced.inside(learner, layer).await.unwrap(), opened.inside(learner, layer).await.unwrap());
                assert_eq!(own.active, theirs.active);
            }
            let (theirs, own) = (answers(&mut raced, learner).await, answers(&mut opened, learner).await);
            assert!(own.iter().zip(&theirs).all(|(a, b)| (a.confidence - b.confidence).abs() < 0.05));
        }
    });
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let config = config(&["dense", "set@0.2"]);
    block_on(async {
        let (_, states) = race(&config).await;
        let refused = async |states: &[StateDict]| open(&config, states).await.err().unwrap();
        for (few, found) in [(&states[..1], "found 1"), (&[], "found 0"), (&[&states[..], &states[..1]].concat()[..], "found 3")] {
            let error = refused(few).await;
            assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
            assert!(error.to_string().contains("expected 2") && error.to_string().contains(found), "{error}");
        }
        let changed = async |change: &dyn Fn(&mut StateDict)| {
            let mut states = states.clone();
            change(&mut states[1]);
            let error = refused(&states).await;
            assert!(matches!(error.kind(), ErrorKind::Format { .. }), "{error}");
            error.to_string()
        };
        for (name, words) in [
            ("conv2.weight", "expected shape [32, 16, 3, 3], found no such tensor"),
            ("bn1.running_var", "expected shape [16], found no such tensor"),
        ] {
            let text = changed(&|state| drop(state.tensors.remove(name))).await;
            assert!(text.contains("'set@0.2'") && text.contains(name) && text.contains(words), "{text}");
        }
        // As many values in another shape, fewer values than the shape says, and a tensor of another network.
        let text = changed(&|state| state.tensors.get_mut("conv2.weight").unwrap().shape = vec![16, 32, 3, 3]).await;
        assert!(text.contains("conv2.weight") && text.contains("found [16, 32, 3, 3]"), "{text}");
        for name in ["conv2.weight", "bn2.bias"] {
            let text = changed(&|state| state.tensors.get_mut(name).unwrap().data.truncate(15)).await;
            assert!(text.contains(name), "{text}");
        }
        let text = changed(&|state| drop(state.tensors.insert("conv9.weight".into(), state.tensors["fc.bias"].clone()))).await;
        assert!(text.contains("conv9.weight"), "{text}");
    });
}
