//! A session that is stopped, written, dropped and resumed is the session that never stopped, bit for bit; whatever else is
//! brought to it is refused by name.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use sparring_core::data::DatasetName;
use sparring_core::device::info::DeviceChoice;
use sparring_core::error::ErrorKind;
use sparring_core::events::Evaluation;
use sparring_core::formats::StateDict;
use sparring_core::hardness::Subset;
use sparring_core::ops::{OptimizerName, Precision};
use std::collections::BTreeMap;
use std::sync::Arc;

use pollster::block_on;
use proptest::prelude::*;
use sparring_core::config::{Adversarial, LearnerConfig};
use sparring_core::data::Dataset;
use sparring_core::data::builtin::builtin;
use sparring_core::data::chunks::{ChunkedDataset, pack};
use sparring_core::error::Refusal;
use sparring_core::hardness::{Column, ScoreName, Scores};
use sparring_core::net::zoo::Model;
use sparring_core::train::checkpoint::parts::Part;
use sparring_core::train::checkpoint::{Array, Checkpoint, differences};
use sparring_core::{Device, Error, Event, ExperimentConfig, Session};

fn config(learners: &[&str]) -> ExperimentConfig {
    ExperimentConfig {
        dataset: DatasetName::BuiltIn,
        subset: Subset::el2n_hard(0.5),
        model: Model::Tiny,
        learners: learners.iter().map(|l| l.parse::<LearnerConfig>().unwrap()).collect(),
        epochs: 3,
        batch_size: 16,
        update_frequency: 1,
        lr: 0.05,
        limit_train: 60,
        limit_test: 40,
        ..ExperimentConfig::default()
    }
}

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.2, 200, 40, 1))
}

fn scores() -> Arc<Scores> {
    let score = |i: usize| ((i * 37) % 101) as f32;
    let column = Column { score: ScoreName::El2n, train: (0..200).map(score).collect(), test: (0..40).map(score).collect() };
    Arc::new(Scores { columns: vec![column], ..Scores::default() })
}

fn start(config: &ExperimentConfig, device: Device) -> Session {
    block_on(Session::new(config.clone(), data(), Some(scores()), device)).unwrap()
}

fn resume(config: &ExperimentConfig, device: Device, bytes: &[u8]) -> Result<Session, Error> {
    block_on(Session::resume(config.clone(), data(), Some(scores()), device, &Checkpoint::read(bytes)?))
}

fn checkpoint(session: &Session) -> Vec<u8> {
    block_on(session.checkpoint("note")).unwrap()
}

/// What must be the same: evaluations, updates, failures. Times and whose turn it was may differ.
fn numbers(events: &[Event]) -> BTreeMap<usize, Vec<String>> {
    let mut out: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for event in events {
        match event.clone() {
            Event::EpochEnd { learner, epoch, lr, flops, scores, .. } => {
                let Evaluation { train, validation, test, test_easy, test_hard, by_hardness } = *scores;
                let text =
                    format!("{epoch} {lr:?} {train:?} {validation:?} {test:?} {test_easy:?} {test_hard:?} {by_hardness:?} {flops:?}");
                out.entry(learner).or_default().push(text);
            }
            Event::TopologyChanged { learner, .. } | Event::Topology { learner, .. } => {
                out.entry(learner).or_default().push(format!("{event:?}"))
            }
            Event::LearnerFailed { learner, .. } => out.entry(learner).or_default().push("failed".into()),
            _ => {}
        }
    }
    out
}

/// Learner, what a best state is best by, its epoch, and its values as bits.
type BestBits = (usize, (bool, bool), u32, Vec<u32>);

/// Everything that a finished session holds but its times: the arrays of a checkpoint, and the best states.
fn final_state(session: &Session) -> (BTreeMap<String, Array>, Vec<BestBits>) {
    let arrays = Checkpoint::read(&checkpoint(session)).unwrap().arrays;
    let bits = |t: &sparring_core::formats::Tensor| t.data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let best = (0..8).flat_map(|i| session.best_states(i).iter().map(move |b| (i, b)));
    (arrays, best.map(|(i, b)| (i, (b.clean, b.robust), b.epoch, b.state.tensors.values().flat_map(bits).collect())).collect())
}

fn run_out(session: &mut Session, events: &mut Vec<Event>) {
    while !session.finished() {
        events.extend(block_on(session.advance()).unwrap());
    }
}

/// Single steps of every learner, so that slices end everywhere: `step_once` stops between any two of them.
fn advance(session: &mut Session, slices: usize, events: &mut Vec<Event>) {
    for _ in 0..slices {
        events.extend(block_on(session.step_once()).unwrap());
    }
}

fn interrupted_equals_uninterrupted(config: &ExperimentConfig, stops: &[usize]) {
    let mut whole = start(config, Device::cpu());
    let mut events = Vec::new();
    run_out(&mut whole, &mut events);
    let expected = (numbers(&events), final_state(&whole));
    let Some(Event::Finished { summary }) = events.last() else { panic!("no end") };
    for &slices in stops {
        let mut session = start(config, Device::cpu());
        let mut events = Vec::new();
        advance(&mut session, slices, &mut events);
        let bytes = checkpoint(&session);
        assert!(bytes == checkpoint(&session), "a checkpoint changes nothing");
        drop(session);
        let mut session = resume(config, Device::cpu(), &bytes).unwrap();
        assert!(checkpoint(&session) == bytes, "what comes back is what was written, after {slices} steps");
        run_out(&mut session, &mut events);
        assert_eq!(numbers(&events), expected.0, "after {slices} steps");
        assert!(final_state(&session) == expected.1, "after {slices} steps");
        let Some(Event::Finished { summary: resumed }) = events.last() else { panic!("no end") };
        assert_eq!(resumed.verdict, summary.verdict);
        assert_eq!(events.iter().filter(|e| matches!(e, Event::Started { .. })).count(), 1);
    }
}

/// Four steps an epoch: 1 and 5 are within an epoch, 4 is before an evaluation, 0 before everything, 12 before the last one.
const STOPS: [usize; 6] = [0, 1, 4, 5, 9, 12];

#[test]
fn a_resumed_race_with_controls_is_the_uninterrupted_one() {
    let config = config(&["dense", "set@0.2", "rigl@0.3+uniform", "static@0.3+masked", "set@0.4+masked+grow=momentum"]);
    interrupted_equals_uninterrupted(&config, &STOPS);
}

#[test]
fn so_is_one_whose_layers_change_their_size() {
    let mut config = config(&["gmp@0.2", "gmp@0.2+masked", "set@0.3+redistribute=magnitude", "snip@0.2", "set@0.3+grow=random-unfired"]);
    config.control = false;
    interrupted_equals_uninterrupted(&config, &STOPS);
}

#[test]
fn so_is_one_with_adam() {
    let mut config = config(&["dense", "rigl@0.2", "set@0.2+masked"]);
    (config.optimizer, config.lr, config.control) = (OptimizerName::Adam, 0.002, false);
    interrupted_equals_uninterrupted(&config, &STOPS);
}

#[test]
fn so_is_one_in_16_bits() {
    let mut config = config(&["dense", "rigl@0.3", "set@0.2+masked"]);
    (config.precision, config.control) = (Precision::Bf16, false);
    interrupted_equals_uninterrupted(&config, &STOPS);
}

/// What a part's session says, by the learners' places in the race.
fn numbers_of(part: &Part, events: &[Event]) -> BTreeMap<usize, Vec<String>> {
    let text = |own: usize, line: String| line.replace(&format!("learner: {own},"), "learner: _,");
    numbers(events).into_iter().map(|(own, lines)| (part.places[own], lines.into_iter().map(|l| text(own, l)).collect())).collect()
}

#[test]
fn a_race_trained_in_parts_is_the_race() {
    let config = config(&["dense", "set@0.2", "rigl@0.3+uniform", "static@0.3+masked", "gmp@0.3"]);
    let places: Vec<usize> = (0..10).collect();
    let race = Part { config: config.clone(), places };
    let parts = [[3, 0].as_slice(), &[1], &[4, 2]].map(|learners| Part::new(&config, learners));
    assert_eq!(parts[0].places, [3, 0, 8, 5], "with their controls");
    let mut whole = start(&config, Device::cpu());
    let mut events = Vec::new();
    run_out(&mut whole, &mut events);
    let (expected, state) = (numbers_of(&race, &events), final_state(&whole));

    // Parts that stand at different places make one checkpoint; what is resumed from it, in other parts, is the race.
    let mut said = BTreeMap::new();
    let mut halves = Vec::new();
    for (part, slices) in parts.iter().zip([12, 1, 6]) {
        let mut session = start(&part.config, Device::cpu());
        let mut events = Vec::new();
        advance(&mut session, slices, &mut events);
        said.extend(numbers_of(part, &events));
        halves.push((part.clone(), Checkpoint::read(&checkpoint(&session)).unwrap()));
    }
    let joined = Checkpoint::whole(&config, &halves).unwrap();
    for (part, half) in &halves {
        assert!(joined.part(part).unwrap() == *half);
    }
    let mut finals = Vec::new();
    for learners in [&[0, 1][..], &[2, 3, 4]] {
        let part = Part::new(&config, learners);
        let mut session = resume(&part.config, Device::cpu(), &joined.part(&part).unwrap().to_bytes().unwrap()).unwrap();
        let mut events = Vec::new();
        run_out(&mut session, &mut events);
        for (place, lines) in numbers_of(&part, &events) {
            said.entry(place).or_default().extend(lines);
        }
        finals.push((part, Checkpoint::read(&checkpoint(&session)).unwrap()));
    }
    assert_eq!(said, expected);
    let end = Checkpoint::whole(&config, &finals).unwrap();
    assert!(end.record.finished && end.arrays == state.0);
    let again = resume(&config, Device::cpu(), &joined.to_bytes().unwrap()).unwrap();
    let mut session = again;
    run_out(&mut session, &mut Vec::new());
    assert!(final_state(&session) == state);
}

#[test]
fn parts_that_are_not_all_of_one_race_are_refused() {
    let race = config(&["dense", "set@0.2"]);
    let of = |learners: &[usize], config: &ExperimentConfig| {
        let part = Part::new(config, learners);
        let saved = Checkpoint::read(&checkpoint(&start(&part.config, Device::cpu()))).unwrap();
        (part, saved)
    };
    let (first, second) = (of(&[0], &race), of(&[1], &race));
    assert!(Checkpoint::whole(&race, &[second.clone(), first.clone()]).is_ok(), "in any order");
    let refused = |parts: &[(Part, Checkpoint)]| Checkpoint::whole(&race, parts).unwrap_err().to_string();
    assert!(refused(&[]).contains("no parts"));
    assert!(refused(std::slice::from_ref(&first)).contains("of 4"));
    assert!(refused(&[first.clone(), second.clone(), second.clone()]).contains("of 4"));
    let other = of(&[1], &ExperimentConfig { seed: 9, ..race.clone() });
    assert!(refused(&[first.clone(), (second.0, other.1)]).contains("seed"));
    assert!(first.1.part(&Part::new(&race, &[1])).unwrap_err().to_string().contains("lacks learner"));
}

#[test]
fn an_evaluation_that_was_under_way_starts_again() {
    let mut config = config(&["set@0.2"]);
    (config.control, config.limit_train, config.epochs) = (false, 16, 2);
    let mut events = Vec::new();
    let mut whole = start(&config, Device::cpu());
    run_out(&mut whole, &mut events);
    let expected = (numbers(&events), final_state(&whole));
    // One step an epoch; each `advance` is then one slice: start, train, validate, test, train, validate, test.
    for slices in 0..8 {
        let (mut session, mut events) = (start(&config, Device::cpu()), Vec::new());
        for _ in 0..slices {
            events.extend(block_on(session.advance()).unwrap());
        }
        let bytes = checkpoint(&session);
        let mut session = resume(&config, Device::cpu(), &bytes).unwrap();
        run_out(&mut session, &mut events);
        assert!((numbers(&events), final_state(&session)) == expected, "after {slices} slices");
    }
}

#[test]
fn a_failed_learner_stays_failed_and_a_changed_learning_rate_stays_changed() {
    let mut config = config(&["dense"]);
    (config.control, config.lr, config.momentum) = (false, 1000.0, 1.0);
    let (mut session, mut events) = (start(&config, Device::cpu()), Vec::new());
    advance(&mut session, 4, &mut events);
    let mut session = resume(&config, Device::cpu(), &checkpoint(&session)).unwrap();
    run_out(&mut session, &mut events);
    assert!(session.summary().learners[0].failed.is_some());
    let again = resume(&config, Device::cpu(), &checkpoint(&session)).unwrap();
    assert!(again.finished() && again.summary() == session.summary());

    config.lr = 0.05;
    let lr_of = |stop: bool| {
        let (mut session, mut events) = (start(&config, Device::cpu()), Vec::new());
        session.set_lr(Some(0.012_345));
        advance(&mut session, 2, &mut events);
        if stop {
            session = resume(&config, Device::cpu(), &checkpoint(&session)).unwrap();
        }
        run_out(&mut session, &mut events);
        numbers(&events)
    };
    assert_eq!(lr_of(true), lr_of(false));
}

#[test]
fn the_best_state_is_the_first_of_the_highest_validation_accuracy() {
    let config = config(&["dense", "set@0.2"]);
    let (mut session, mut events) = (start(&config, Device::cpu()), Vec::new());
    assert!(session.best_states(0).is_empty() && session.best_states(99).is_empty());
    run_out(&mut session, &mut events);
    for index in 0..4 {
        let mut best: Option<(u32, f64)> = None;
        for event in &events {
            if let Event::EpochEnd { learner, epoch, scores, .. } = event
                && *learner == index
                && best.is_none_or(|(_, accuracy)| scores.validation.accuracy > accuracy)
            {
                best = Some((*epoch, scores.validation.accuracy));
            }
        }
        let [kept] = session.best_states(index) else { panic!("one state") };
        assert!(kept.clean && !kept.robust);
        assert_eq!(Some((kept.epoch, kept.scores.validation.accuracy)), best);
        let last = block_on(session.state(index)).unwrap();
        assert_eq!(kept.epoch == config.epochs, kept.state == last, "learner {index}");
    }
}

fn adversarial() -> ExperimentConfig {
    let mut config = config(&["dense", "set@0.2"]);
    (config.norm, config.train_step, config.test_step) = (Adversarial::Linf, 1, 2);
    (config.train_eps, config.train_gamma, config.test_eps, config.test_gamma) = (0.02, 0.02, 0.02, 0.01);
    (config.control, config.epochs) = (false, 5);
    config
}

#[test]
fn so_is_an_adversarial_one() {
    interrupted_equals_uninterrupted(&adversarial(), &[3, 5, 9, 17]);
}

#[test]
fn an_adversarial_run_keeps_its_best_states_by_clean_and_by_robust_validation_accuracy() {
    let config = adversarial();
    let mut session = start(&config, Device::cpu());
    // By learner and measure: epoch, accuracy and state of the best.
    let mut expected: BTreeMap<(usize, bool), (u32, f64, StateDict)> = BTreeMap::new();
    while !session.finished() {
        for event in block_on(session.advance()).unwrap() {
            let Event::EpochEnd { learner, epoch, scores, .. } = event else { continue };
            for (robust, score) in [(false, scores.validation), (true, scores.by_hardness.robust.unwrap().validation)] {
                let state = block_on(session.state(learner)).unwrap();
                let best = expected.entry((learner, robust)).or_insert((epoch, -1.0, state.clone()));
                if score.accuracy > best.1 {
                    *best = (epoch, score.accuracy, state);
                }
            }
        }
        assert!((0..2).all(|i| session.best_states(i).len() <= 2), "no state is kept that is not the best");
    }
    for ((learner, robust), (epoch, accuracy, state)) in &expected {
        let mut kept = session.best_states(*learner).iter().filter(|b| if *robust { b.robust } else { b.clean });
        let best = kept.next().unwrap();
        assert!(kept.next().is_none(), "one state a measure");
        let found = if *robust { best.scores.by_hardness.robust.unwrap().validation } else { best.scores.validation };
        assert_eq!((best.epoch, found.accuracy), (*epoch, *accuracy), "learner {learner}, robust {robust}");
        assert!(best.state == *state, "learner {learner}, robust {robust}");
    }
    let epochs = |learner| [false, true].map(|robust| expected[&(learner, robust)].0);
    assert!((0..2).any(|learner| epochs(learner)[0] != epochs(learner)[1]), "the two measures must disagree for this test to say anything");
    for learner in 0..2 {
        let [clean, robust] = epochs(learner);
        assert_eq!(session.best_states(learner).len(), if clean == robust { 1 } else { 2 }, "a state that is both is kept once");
    }
}

fn refusal(result: Result<Session, Error>) -> Refusal {
    match result.map_err(Error::into_kind) {
        Err(ErrorKind::Checkpoint(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn what_does_not_belong_together_is_refused_by_what_differs() {
    let saved = config(&["dense", "set@0.2"]);
    let (mut session, mut events) = (start(&saved, Device::cpu()), Vec::new());
    advance(&mut session, 2, &mut events);
    let bytes = checkpoint(&session);

    let now = ExperimentConfig { epochs: 5, lr: 0.07, ..config(&["dense", "set@0.1"]) };
    let Refusal::Config(found) = refusal(resume(&now, Device::cpu(), &bytes)) else { panic!() };
    let fields: Vec<&str> = found.iter().map(|d| d.field.as_str()).collect();
    assert_eq!(fields, ["epochs", "learners", "lr"]);
    assert_eq!(found[0].to_string(), "epochs was 3 and is 5");
    assert_eq!(found[1].to_string(), r#"learners was ["dense","set@0.2"] and is ["dense","set@0.1"]"#);
    assert!(differences(&now.canonical_json().unwrap(), &now.canonical_json().unwrap()).is_empty());
    let elsewhere = ExperimentConfig { device: DeviceChoice::Cpu, ..saved.clone() };
    assert!(resume(&elsewhere, Device::cpu(), &bytes).is_ok(), "the device is no part of the configuration");

    let with = |data: Dataset, scores: Scores| {
        let checkpoint = Checkpoint::read(&bytes).unwrap();
        let session = Session::resume(saved.clone(), Arc::new(data), Some(Arc::new(scores)), Device::cpu(), &checkpoint);
        let Refusal::Data(what) = refusal(block_on(session)) else { panic!() };
        what
    };
    let (data, scores) = ((*data()).clone(), (*scores()).clone());
    let mut other = data.clone();
    other.train.labels[3] ^= 1;
    assert!(with(other, scores.clone()).contains("other images or labels"));
    let mut other = data.clone();
    other.classes.pop();
    assert!(with(other, scores.clone()).contains("10 classes"));
    let mut other = scores.clone();
    other.columns[0].test.swap(0, 1);
    other.columns[0].test.reverse();
    assert!(with(data.clone(), other).contains("scores of the test set"));
    let mut other = scores;
    other.columns[0].train.reverse();
    assert!(with(data, other).contains("hardness scores"));

    let mut checkpoint = Checkpoint::read(&bytes).unwrap();
    checkpoint.record.format += 1;
    let next = checkpoint.record.format;
    let newer = Checkpoint::read(&checkpoint.to_bytes().unwrap());
    assert!(matches!(newer.as_ref().map_err(Error::kind), Err(ErrorKind::Checkpoint(Refusal::Version { found, .. })) if *found == next));
}

#[test]
fn damage_is_noticed_and_never_panics() {
    let config = ExperimentConfig { control: false, ..config(&["set@0.02"]) };
    let (mut session, mut events) = (start(&config, Device::cpu()), Vec::new());
    advance(&mut session, 5, &mut events);
    let bytes = checkpoint(&session);
    assert_eq!(Checkpoint::read(&bytes).unwrap().record.note, "note");
    let refused =
        |bytes: &[u8]| matches!(Checkpoint::read(bytes).as_ref().map_err(Error::kind), Err(ErrorKind::Checkpoint(Refusal::Damaged(_))));
    for len in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        assert!(refused(&bytes[..len]), "cut at {len}");
    }
    for at in (0..bytes.len()).step_by(89).chain(0..600) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(refused(&flipped), "byte {at}");
    }
    assert!(refused(&[&bytes[..], b"x"].concat()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Even one whose digest is right: arrays dropped, cut, or of another type; positions out of order; places beyond the end.
    #[test]
    fn a_forged_checkpoint_is_an_error(pick in any::<prop::sample::Index>(), what in 0..7, word in any::<u32>()) {
        let config = ExperimentConfig { control: false, ..config(&["set@0.02"]) };
        let (mut session, mut events) = (start(&config, Device::cpu()), Vec::new());
        advance(&mut session, 5, &mut events);
        let mut forged = Checkpoint::read(&checkpoint(&session)).unwrap();
        let names: Vec<String> = forged.arrays.keys().cloned().collect();
        let name = pick.get(&names);
        match (what, forged.arrays.get_mut(name).unwrap()) {
            (0, _) => drop(forged.arrays.remove(name)),
            (1, Array::F32(v)) => drop(v.pop()),
            (1, Array::U32(v)) => drop(v.pop()),
            (1, Array::U64(v)) => drop(v.pop()),
            (2, array) => *array = if matches!(array, Array::U32(_)) { Array::U64(vec![]) } else { Array::U32(vec![0]) },
            (3, Array::U32(v)) => v[0] = word | 1 << 31,
            (3, _) => forged.record.learners[0].step = 4 + word as usize,
            (4, _) => forged.record.learners[0].epoch = 3 + (word >> 1),
            (5, _) => drop(forged.record.learners.pop()),
            (_, _) => drop(forged.record.learners[0].placements.pop()),
        }
        prop_assert!(resume(&config, Device::cpu(), &forged.to_bytes().unwrap()).is_err());
    }
}

/// Whatever a GPU's own repeatability is, resuming must not add to it: the same program runs over the same buffers.
#[test]
fn a_gpu_resumes_exactly() {
    let Ok((_, _)) = block_on(Device::open(DeviceChoice::Gpu)) else {
        println!("skipped: no Vulkan adapter");
        return;
    };
    let open = || block_on(Device::open(DeviceChoice::Gpu)).unwrap().0;
    let mut config = config(&["dense", "rigl@0.3", "set@0.3+masked"]);
    (config.control, config.epochs, config.limit_train, config.limit_test) = (false, 2, 32, 16);
    for precision in [Precision::F32, Precision::Bf16] {
        config.precision = precision;
        resumes_exactly(&config, open);
    }
}

fn resumes_exactly(config: &ExperimentConfig, open: impl Fn() -> Device) {
    let (mut whole, mut events) = (start(config, open()), Vec::new());
    run_out(&mut whole, &mut events);
    let expected = (numbers(&events), final_state(&whole));
    let (mut session, mut events) = (start(config, open()), Vec::new());
    advance(&mut session, 3, &mut events);
    let bytes = checkpoint(&session);
    drop(session);
    let mut session = resume(config, open(), &bytes).unwrap();
    run_out(&mut session, &mut events);
    assert_eq!(numbers(&events), expected.0);
    assert!(final_state(&session) == expected.1);
}

#[test]
fn a_race_over_the_first_images_needs_no_others_and_is_the_same() {
    let whole = Arc::new(Dataset { name: "cifar10".into(), ..builtin(0.2, 200, 40, 1) });
    let (manifest, chunks) = pack(&whole, 10).unwrap();
    let config = ExperimentConfig {
        dataset: DatasetName::Cifar10,
        subset: Subset::First(50),
        limit_train: 0,
        limit_test: 10,
        corruption: "gaussian-noise".parse().unwrap(),
        ..config(&["dense", "set@0.2", "snip@0.3"])
    };
    let start = |data: &Arc<Dataset>| block_on(Session::new(config.clone(), data.clone(), Some(scores()), Device::cpu()));
    let resume = |data: &Arc<Dataset>, bytes: &[u8]| {
        block_on(Session::resume(config.clone(), data.clone(), Some(scores()), Device::cpu(), &Checkpoint::read(bytes).unwrap()))
    };

    // Itself, the first validation images and the first test images, in seven chunks of 24; before they are here nothing begins.
    let mut part = ChunkedDataset::new(manifest.clone()).unwrap();
    let reads = config.reads(part.dataset()).unwrap();
    let wanted: Vec<String> = part.missing(&reads).map(|chunk| chunk.file.clone()).collect();
    assert_eq!((wanted.len(), chunks.len()), (7, 24));
    for (chunk, bytes) in manifest.chunks.iter().zip(&chunks).filter(|(chunk, _)| wanted.contains(&chunk.file)) {
        assert!(start(part.dataset()).err().unwrap().to_string().contains("is needed, and has not been loaded"));
        part.accept(&chunk.file, bytes).unwrap();
    }
    let part = part.holding(&reads).unwrap();

    let race = |data: &Arc<Dataset>| {
        let mut session = start(data).unwrap();
        let mut events = Vec::new();
        advance(&mut session, 5, &mut events);
        let bytes = checkpoint(&session);
        run_out(&mut session, &mut events);
        (format!("{:?}", session.introduction()), numbers(&events), final_state(&session), bytes)
    };
    let (expected, found) = (race(&whole), race(&part));
    assert_eq!((&found.0, &found.1), (&expected.0, &expected.1));
    assert!(found.2 == expected.2);

    // Either goes on from where the other was saved.
    for (data, bytes) in [(&whole, &found.3), (&part, &expected.3)] {
        let mut session = resume(data, bytes).unwrap();
        run_out(&mut session, &mut Vec::new());
        assert!(final_state(&session) == expected.2);
    }
    let other = |sample: usize| {
        let mut other = Dataset::clone(&whole);
        other.train.labels[sample] = (other.train.labels[sample] + 1) % 10;
        resume(&Arc::new(other), &found.3).err().map(|e| e.to_string())
    };
    assert!(other(185).unwrap().contains("other images or labels"), "a validation image");
    assert_eq!(other(50), None, "an image that is not read");

    // Nobody gets an image that is not here.
    let mut session = start(&part).unwrap();
    assert!(block_on(session.sample_records(0, false)).unwrap_err().to_string().contains("an image that was loaded, found 50"));
}
