//! Looking at a race: what is seen is true, and looking moves nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use pollster::block_on;
use sparring_core::attack::{Norm, PgdConfig};
use sparring_core::config::{Adversarial, LearnerConfig};
use sparring_core::data::Dataset;
use sparring_core::data::builtin::builtin;
use sparring_core::data::limit::Limited;
use sparring_core::events::Evaluation;
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Model;
use sparring_core::train::session::inspection::{Answer, HISTOGRAM_BINS};
use sparring_core::{Device, Event, ExperimentConfig, Session};

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.3, 400, 100, 1))
}

fn config(learners: &[&str]) -> ExperimentConfig {
    ExperimentConfig {
        model: Model::Tiny,
        learners: learners.iter().map(|l| l.parse::<LearnerConfig>().unwrap()).collect(),
        subset: Subset::All,
        control: false,
        epochs: 4,
        batch_size: 48,
        lr: 0.05,
        update_frequency: 1,
        ..ExperimentConfig::default()
    }
}

async fn session(config: &ExperimentConfig) -> Session {
    Session::new(config.clone(), data(), None, Device::cpu()).await.unwrap()
}

fn picture(data: &Dataset, index: usize) -> (&[u8], Option<u16>) {
    let size = data.image_bytes();
    (&data.test.bytes[index * size..][..size], Some(data.test.labels[index]))
}

fn pgd(norm: Norm, eps: f32, iterations: u32) -> Option<PgdConfig> {
    Some(PgdConfig { norm, eps, step: eps / 4.0, iterations, random_start: true, targeted: false })
}

async fn all_answers(session: &mut Session, learner: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !session.answers(learner, &mut answers).await.unwrap() {}
    answers
}

#[test]
fn answers_and_probabilities_are_those_of_the_evaluation() {
    let config = ExperimentConfig { limit_test: 90, ..config(&["dense", "set@0.3", "rigl@0.3+masked"]) };
    block_on(async {
        let (mut session, data) = (session(&config).await, data());
        while !session.finished() {
            session.advance().await.unwrap();
        }
        assert_eq!((session.epochs_done(), session.learner_count(), session.test_count()), (4, 3, 90));
        for learner in 0..3 {
            let answers = all_answers(&mut session, learner).await;
            let chosen = Limited::test(&data, 90).unwrap().samples;
            let right = answers.iter().zip(&chosen).filter(|(a, i)| a.class == data.test.labels[**i as usize]).count();
            assert_eq!((answers.len(), right as f64 / 90.0), (90, session.summary().learners[learner].scores.test.accuracy));
            let records = session.sample_records(learner, true).await.unwrap();
            for (answer, &i) in answers.iter().zip(&chosen).step_by(9) {
                let ((bytes, label), record) = (picture(&data, i as usize), &records[i as usize]);
                let seen = session.examine(learner, bytes, label, None).await.unwrap();
                assert_eq!(answer.class, record.predicted);
                assert!((seen.probabilities[usize::from(record.predicted)] - answer.confidence).abs() < 1e-5);
                assert!((seen.probabilities[usize::from(label.unwrap())] - record.true_probability).abs() < 1e-5);
                assert!((seen.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                assert!(seen.pixels.iter().zip(bytes).all(|(pixel, byte)| *pixel == f32::from(*byte) / 255.0));
            }
        }
        assert_eq!(session.into_device().allocated_bytes(), 0);
    });
}

#[test]
fn a_race_that_is_looked_at_gives_the_same_bits() {
    // Gradual pruning moves buffers while inspections hold programs over them; a limit splits evaluations into slices.
    let plain = config(&["dense", "set@0.3", "gmp@0.3", "set@0.3+masked"]);
    let attacked = ExperimentConfig { norm: Adversarial::Linf, train_step: 2, test_step: 2, epochs: 2, ..config(&["dense", "set@0.3"]) };
    for config in [plain, attacked] {
        let run = |inspected: bool| {
            block_on(async {
                let (mut session, data) = (session(&config).await, data());
                let (mut log, mut turn) = (Vec::new(), 0);
                while !session.finished() {
                    // One step at a time: inspections then fall between the batches of an evaluation as well.
                    let events = session.step_once().await.unwrap();
                    log.extend(events.into_iter().filter_map(|event| match event {
                        Event::EpochEnd { learner, epoch, scores, .. } => {
                            let Evaluation { train, validation, test, by_hardness, .. } = scores.as_ref();
                            Some(format!("{learner} {epoch} {train:?} {validation:?} {test:?} {:?}", by_hardness.robust))
                        }
                        Event::TopologyChanged { learner, layers, .. } => Some(format!("{learner} {layers:?}")),
                        _ => None,
                    }));
                    turn += 1;
                    if inspected && turn % 3 == 0 {
                        let learner = turn % config.learners.len();
                        let (bytes, label) = picture(&data, turn % 100);
                        session.examine(learner, bytes, label, pgd(Norm::L2, 0.5, 2)).await.unwrap();
                        session.examine(learner, bytes, None, None).await.unwrap();
                        session.answers(learner, &mut Vec::new()).await.unwrap();
                        session.inside(learner, 1).await.unwrap();
                    }
                }
                let mut states = Vec::new();
                for learner in 0..config.learners.len() {
                    let state = session.state(learner).await.unwrap();
                    states.push(state.tensors.into_values().flat_map(|t| t.data).map(f32::to_bits).collect::<Vec<u32>>());
                }
                (log, states)
            })
        };
        assert!(run(false) == run(true), "{}", config.norm);
    }
}

#[test]
fn inspections_between_the_slices_of_an_evaluation_leave_its_records_alone() {
    let config = config(&["dense"]);
    let last = |inspected: bool| {
        block_on(async {
            let (mut session, data) = (session(&config).await, data());
            let mut last = String::new();
            while !session.finished() {
                for event in session.advance().await.unwrap() {
                    if let Event::EpochEnd { scores, .. } = event {
                        let Evaluation { validation, test, .. } = scores.as_ref();
                        last = format!("{validation:?} {test:?}");
                    }
                }
                if inspected {
                    let (bytes, label) = picture(&data, 3);
                    session.examine(0, bytes, label, pgd(Norm::Linf, 0.03, 3)).await.unwrap();
                    session.answers(0, &mut Vec::new()).await.unwrap();
                }
            }
            last
        })
    };
    assert_eq!(last(false), last(true));
}

#[test]
fn an_attack_lowers_the_right_class_and_stays_in_ball_and_box() {
    // An ordinary run and an adversarial one.
    let ordinary = ExperimentConfig { epochs: 8, ..config(&["dense", "set@0.5"]) };
    let adversarial = ExperimentConfig { norm: Adversarial::Linf, train_step: 2, test_step: 2, epochs: 2, ..ordinary.clone() };
    for config in [ordinary, adversarial] {
        block_on(async {
            let (mut session, data) = (session(&config).await, data());
            while !session.finished() {
                session.advance().await.unwrap();
            }
            for learner in 0..2 {
                let mut fell = 0;
                for i in 0..20 {
                    let (bytes, label) = picture(&data, i);
                    let truth = usize::from(label.unwrap());
                    let clean = session.examine(learner, bytes, label, None).await.unwrap();
                    for (norm, eps) in [(Norm::Linf, 8.0 / 255.0), (Norm::L2, 0.5)] {
                        let seen = session.examine(learner, bytes, label, pgd(norm, eps, 10)).await.unwrap();
                        assert!(norm.length(&clean.pixels, &seen.pixels) <= f64::from(eps), "{norm}");
                        assert!(seen.pixels.iter().all(|p| (0.0..=1.0).contains(p)) && seen.pixels != clean.pixels);
                        fell += usize::from(seen.probabilities[truth] < clean.probabilities[truth]);
                        assert_eq!(seen, session.examine(learner, bytes, label, pgd(norm, eps, 10)).await.unwrap(), "the same again");
                        // A ball of no size, and no step at all, are no attack, bit for bit.
                        assert_eq!(clean, session.examine(learner, bytes, label, pgd(norm, 0.0, 10)).await.unwrap());
                        let still = PgdConfig { random_start: false, iterations: 0, ..pgd(norm, eps, 0).unwrap() };
                        assert_eq!(clean, session.examine(learner, bytes, label, Some(still)).await.unwrap());
                    }
                }
                assert_eq!(fell, 40, "{} learner {learner}", config.norm);
            }
            // A picture without a label is led away from the learner's own answer.
            let (bytes, _) = picture(&data, 0);
            let clean = session.examine(0, bytes, None, None).await.unwrap();
            let own = (0..clean.probabilities.len()).max_by(|a, b| clean.probabilities[*a].total_cmp(&clean.probabilities[*b])).unwrap();
            let seen = session.examine(0, bytes, None, pgd(Norm::Linf, 8.0 / 255.0, 5)).await.unwrap();
            assert!(seen.probabilities[own] < clean.probabilities[own]);
            assert_eq!(session.into_device().allocated_bytes(), 0);
        });
    }
}

#[test]
fn inside_agrees_with_what_updates_reported() {
    for method in ["set@0.3", "rigl@0.3+masked", "gmp@0.3"] {
        block_on(async {
            let mut session = session(&config(&["dense", method])).await;
            let (mut updates, mut infos) = (0, Vec::new());
            while !session.finished() {
                for event in session.advance().await.unwrap() {
                    match event {
                        Event::Started { learners, .. } => infos = learners,
                        Event::TopologyChanged { learner, layers, .. } => {
                            updates += 1;
                            for change in layers {
                                let layer = infos[learner].layers.iter().position(|l| l.name == change.name).unwrap();
                                let inside = session.inside(learner, layer).await.unwrap();
                                assert_eq!((inside.grown.len(), inside.pruned.len()), (change.grown, change.pruned), "{}", change.name);
                                assert!(inside.grown.iter().all(|p| inside.active.binary_search(p).is_ok()));
                                assert!(inside.pruned.iter().all(|p| inside.active.binary_search(p).is_err()));
                            }
                        }
                        _ => {}
                    }
                }
            }
            assert!(updates > 0, "{method}");
            for (learner, entered) in infos.iter().enumerate() {
                let state = session.state(learner).await.unwrap();
                for (layer, info) in entered.layers.iter().enumerate() {
                    let inside = session.inside(learner, layer).await.unwrap();
                    let tensor = &state.tensors[&info.name];
                    assert_eq!((inside.rows * inside.columns, inside.rows), (info.total, tensor.shape[0]));
                    let largest = tensor.data.iter().fold(0f32, |a, v| a.max(v.abs()));
                    assert_eq!((inside.limit, inside.histogram.len()), (largest, HISTOGRAM_BINS));
                    assert_eq!(inside.histogram.iter().sum::<u32>() as usize, inside.active.len());
                    let outside = (0..info.total as u32).filter(|p| inside.active.binary_search(p).is_err());
                    assert!(outside.into_iter().all(|p| tensor.data[p as usize] == 0.0));
                    if learner == 0 {
                        assert_eq!((inside.active.len(), inside.grown.len() + inside.pruned.len()), (info.total, 0));
                    }
                }
            }
        });
    }
}

#[test]
fn what_is_not_there_is_said() {
    block_on(async {
        let (mut session, data) = (session(&config(&["dense"])).await, data());
        let (bytes, label) = picture(&data, 0);
        let text = |e: sparring_core::Error| e.to_string();
        assert!(text(session.examine(1, bytes, label, None).await.unwrap_err()).contains("no learner 1; there are 1"));
        assert!(text(session.examine(0, &bytes[1..], label, None).await.unwrap_err()).contains("3x32x32"));
        assert!(text(session.examine(0, bytes, Some(10), None).await.unwrap_err()).contains("no class 10; there are 10"));
        assert!(text(session.examine(0, bytes, label, pgd(Norm::Linf, 2.0, 1)).await.unwrap_err()).contains("eps"));
        assert!(text(session.inside(0, 99).await.unwrap_err()).contains("no layer 99"));
        assert!(session.answers(5, &mut Vec::new()).await.is_err());
        // None of it broke the session.
        assert!(session.examine(0, bytes, label, None).await.is_ok());
        session.advance().await.unwrap();
    });
}
