//! Whole races on the CPU: events in order, learning, determinism, semantics, RigL, scoring.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use pollster::block_on;
use sparring_core::config::{Adversarial, LearnerConfig};
use sparring_core::data::DatasetName;
use sparring_core::data::builtin::builtin;
use sparring_core::data::{Dataset, Transforms};
use sparring_core::device::info::{DeviceChoice, Kernel, Kernels};
use sparring_core::events::{Evaluation, Metric};
use sparring_core::hardness::Subset;
use sparring_core::hardness::{Column, ScoreName, Scores};
use sparring_core::net::zoo::{Input, Model};
use sparring_core::train::checkpoint::Checkpoint;
use sparring_core::train::scoring::{Extra, Scoring, mean, scoring_config};
use sparring_core::train::warm::warm;
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

#[test]
fn a_slice_that_compiles_says_nothing_of_what_a_step_takes() {
    block_on(async {
        let mut session = Session::new(config(&["dense", "set@0.2"]), data(), None, Device::cpu()).await.unwrap();
        let mut times = async || -> Vec<bool> {
            let events = session.step_once().await.unwrap();
            events
                .iter()
                .filter_map(|e| if let Event::Progress { ms_per_step, .. } = e { Some(*ms_per_step > 0.0) } else { None })
                .collect()
        };
        assert_eq!(times().await, [false, false], "the first step of each learner compiles");
        assert_eq!(times().await, [true, true]);
    });
}

/// What must not depend on the clock: everything but progress, times, and whose turn it was.
fn numbers(events: &[Event]) -> Vec<(usize, String)> {
    let of = |e: &Event| match e {
        Event::EpochEnd { learner, epoch, scores, .. } => {
            let Evaluation { train, validation, test, .. } = scores.as_ref();
            Some((*learner, format!("{epoch} {train:?} {validation:?} {test:?}")))
        }
        Event::TopologyChanged { learner, .. } => Some((*learner, format!("{e:?}"))),
        _ => None,
    };
    let mut numbers: Vec<_> = events.iter().filter_map(of).collect();
    numbers.sort_by_key(|(learner, _)| *learner);
    numbers
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
        assert!(l.scores.test.accuracy > 0.2, "{} has {}", l.name, l.scores.test.accuracy);
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
    let (active, total) = state
        .tensors
        .values()
        .filter(|t| t.shape.len() > 1)
        .fold((0, 0), |(a, n), t| (a + t.data.iter().filter(|v| **v != 0.0).count(), n + t.data.len()));
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
        if let Event::EpochEnd { learner, scores, .. } = e {
            let Evaluation { train, .. } = scores.as_ref();
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
fn scores_that_are_all_alike_decide_nothing_and_updates_that_never_come_are_told() {
    let config = ExperimentConfig { epochs: 2, update_frequency: 2, ..config(&["dense", "set@0.2"]) };
    let n = data();
    let alike = Column { score: ScoreName::El2n, train: vec![0.5; n.train.len()], test: vec![0.5; n.test.len()] };
    let scores = Scores { columns: vec![alike], ..Scores::default() };
    let mut session = block_on(Session::new(config, data(), Some(Arc::new(scores)), Device::cpu())).unwrap();
    assert_eq!(session.judged_by(), Metric::Test);
    let events = block_on(session.advance()).unwrap();
    let told = |words: &str| events.iter().any(|e| matches!(e, Event::Warning { message } if message.contains(words)));
    assert!(told("the same hardness score"), "{events:?}");
    assert!(told("set@0.2: no update of the topology comes within 2 epochs"), "{events:?}");
}

#[test]
fn scores_made_by_a_run_choose_subsets_with_a_control() {
    let mut config = config(&["dense", "set@0.2"]);
    config.subset = Subset::el2n_hard(0.5);
    block_on(async {
        assert!(Session::new(config.clone(), data(), None, Device::cpu()).await.is_err());
        let extra = Extra { grand: true, forgetting: true };
        let mut scoring = Scoring::with(scoring_config(&config, 2), data(), Device::cpu(), extra).await.unwrap();
        while !scoring.finished() {
            scoring.advance().await.unwrap();
        }
        let (scores, device) = scoring.into_scores().await.unwrap();
        assert_eq!(scores.columns.len(), ScoreName::ALL.len());
        assert!(scores.columns.iter().all(|c| (c.train.len(), c.test.len()) == (400, 100)));
        let of = |score| &scores.get(score).unwrap().train;
        assert!(of(ScoreName::El2n).iter().zip(of(ScoreName::El2nNorm)).all(|(a, b)| (0.0..=2.0).contains(a) && (b * b - a).abs() < 1e-5));
        let pairs = of(ScoreName::Uncertainty).iter().zip(of(ScoreName::Loss));
        assert!(pairs.clone().all(|(p, loss)| (-p.ln() - loss).abs() < 1e-3 * loss.max(0.1)));
        // The last layer's bias alone has a gradient of softmax minus one-hot.
        assert!(of(ScoreName::Grand).iter().zip(of(ScoreName::El2nNorm)).all(|(grand, el2n)| grand >= el2n));
        assert!(of(ScoreName::Forgetting).iter().all(|f| *f == 0.0 || *f == 1.0 || f.is_infinite()), "two epochs");
        let answers = scores.answers.as_ref().unwrap();
        let images = data();
        let wrong = |i: &usize| answers.train[*i] != images.train.labels[*i];
        assert!((0..400).filter(|i| of(ScoreName::Forgetting)[*i].is_infinite()).all(|i| wrong(&i)), "never learned is wrong");
        let twice = mean(&[scores.clone(), scores.clone()]).unwrap();
        assert_eq!((&twice.columns, twice.card.contains("\"runs\":2")), (&scores.columns, true));
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
            let (easy, hard) = (l.scores.test_easy.unwrap(), l.scores.test_hard.unwrap());
            assert_eq!((easy.samples, hard.samples), (50, 50));
            let bins = &l.scores.by_hardness.bins;
            assert!(bins.len() == 5 && bins.iter().all(|b| b.samples == 20));
            let right: f64 = bins.iter().map(|b| b.accuracy * b.samples as f64).sum();
            assert!((right - l.scores.test.accuracy * 100.0).abs() < 1e-6, "every test sample is in one bin");
        }
        assert!(summary.verdict.contains("control"), "{}", summary.verdict);
    });
}

#[test]
fn a_batch_in_parts_is_the_same_race_without_batchnorm() {
    let mut whole = config(&["dense", "set@0.3", "rigl@0.3", "rigl@0.3+masked"]);
    (whole.model, whole.width, whole.lr, whole.batch_size) = (Model::Mlp, 0.05, 0.01, 50);
    let parts = ExperimentConfig { micro_batch: 16, recompute: true, ..whole.clone() };
    // RigL too: its dense gradients add up over the parts, or it would grow other weights.
    let losses = |config: &ExperimentConfig| -> Vec<f64> {
        let (events, session) = run(config);
        assert_eq!(session.into_device().allocated_bytes(), 0);
        let mut all: Vec<_> = events
            .iter()
            .filter_map(|e| match e {
                Event::EpochEnd { learner, epoch, scores, .. } => {
                    let Evaluation { train, test, .. } = scores.as_ref();
                    Some((*learner, *epoch, train.loss, test.loss, train.samples))
                }
                _ => None,
            })
            .collect();
        all.sort_by_key(|l| (l.0, l.1));
        assert!(all.iter().all(|l| l.4 == 360), "every sample counts once");
        all.into_iter().flat_map(|l| [l.2, l.3]).collect()
    };
    let (whole, parts) = (losses(&whole), losses(&parts));
    assert_eq!((whole.len(), parts.len()), (24, 24));
    for (a, b) in whole.iter().zip(&parts) {
        assert!((a - b).abs() < 1e-4 * a, "{a} {b}");
    }
}

#[test]
fn a_gpu_runs_the_same_race() {
    let Ok((gpu, _)) = block_on(Device::open(DeviceChoice::Gpu)) else {
        println!("skipped: no Vulkan adapter");
        return;
    };
    let mut config = config(&["dense", "set@0.3", "rigl@0.3+uniform"]);
    (config.epochs, config.batch_size, config.limit_train, config.limit_test) = (2, 24, 60, 20);
    let race = |device: Device| {
        block_on(async {
            let mut session = Session::new(config.clone(), data(), None, device).await.unwrap();
            let mut events = Vec::new();
            while !session.finished() {
                events.extend(session.advance().await.unwrap());
            }
            events
        })
    };
    let (on_gpu, on_cpu) = (race(gpu), race(Device::cpu()));
    let (Event::Started { learners: a, .. }, Event::Started { learners: b, .. }) = (&on_gpu[0], &on_cpu[0]) else { panic!() };
    assert_eq!(a, b, "masks, counts and costs do not depend on the device");
    let losses = |events: &[Event]| -> Vec<(usize, u32, f64, f64)> {
        let of = |e: &Event| match e {
            Event::EpochEnd { learner, epoch, scores, .. } => {
                let Evaluation { train, test, .. } = scores.as_ref();
                Some((*learner, *epoch, train.loss, test.loss))
            }
            _ => None,
        };
        let mut all: Vec<_> = events.iter().filter_map(of).collect();
        all.sort_by_key(|x| (x.0, x.1));
        all
    };
    let (a, b) = (losses(&on_gpu), losses(&on_cpu));
    assert_eq!((a.len(), b.len()), (6, 6));
    for ((learner, epoch, train, test), (_, _, train_cpu, test_cpu)) in a.iter().zip(&b) {
        // Three steps of f32 apart in the order of sums; data order, augmentation and masks being the same, they stay close.
        assert!((train - train_cpu).abs() < 1e-3 * train_cpu, "learner {learner} epoch {epoch}: {train} {train_cpu}");
        assert!((test - test_cpu).abs() < 1e-2 * test_cpu, "learner {learner} epoch {epoch}: {test} {test_cpu}");
    }
}

#[test]
fn what_was_chosen_by_timing_goes_with_the_run() {
    let Ok((mut device, _)) = block_on(Device::open(DeviceChoice::Gpu)) else {
        println!("skipped: no Vulkan adapter");
        return;
    };
    let mut config = config(&["set@0.2+uniform"]);
    (config.model, config.epochs, config.batch_size, config.limit_train, config.limit_test) = (Model::ResNet20, 2, 8, 24, 8);
    let open = || block_on(Device::open(DeviceChoice::Gpu)).unwrap().0;
    let start = |device: Device| block_on(Session::new(config.clone(), data(), None, device)).unwrap();
    let finish = |mut session: Session| {
        let mut events = Vec::new();
        while !session.finished() {
            events.extend(block_on(session.advance()).unwrap());
        }
        numbers(&events)
    };

    if open().info().software {
        let untuned = start(open());
        let Device::Gpu(gpu) = untuned.device() else { panic!("no GPU") };
        assert!(gpu.tuning().timings().is_empty(), "a software adapter is tuned only where somebody asks");
        assert!(untuned.device().info().kernels.values().all(|kernel| kernel.usual()));
    }
    device.want_tuning();
    let tuned = start(device);
    let chosen = tuned.device().info().kernels;
    let Device::Gpu(gpu) = tuned.device() else { panic!("no GPU") };
    assert_eq!(gpu.tuning().timings().len(), 3 * chosen.len(), "three kernels of every question were timed once");
    assert_eq!(gpu.tuning().measured(), chosen, "what is used is what was measured");
    assert!(chosen.len() >= 4 && gpu.tuning().timings().iter().all(|t| t.ms > 0.0 && t.products > 0.0), "{chosen:?}");

    // As a faster device might have chosen: known before, so nothing is timed, and every product is made so.
    let other = |question: &String| if question.contains("dense") { Kernel::Dense4x1 } else { Kernel::Tiles16 };
    let known: Kernels = chosen.keys().map(|question| (question.clone(), other(question))).collect();
    let knowing = || {
        let mut device = open();
        device.know(known.clone());
        device
    };
    let mut session = start(knowing());
    let Device::Gpu(gpu) = session.device() else { panic!("no GPU") };
    let pipelines = gpu.pipelines();
    for direction in ["forward", "input_grad", "weight_grad"] {
        let kernel = format!("sparse_conv_{direction}_tiled");
        assert!(pipelines.iter().any(|p| p.starts_with(&kernel)), "{kernel}: {pipelines:#?}");
    }
    assert!(gpu.tuning().timings().is_empty());
    let whole = finish(start(knowing()));
    for _ in 0..3 {
        block_on(session.advance()).unwrap();
    }
    let bytes = block_on(session.checkpoint("")).unwrap();
    let checkpoint = Checkpoint::read(&bytes).unwrap();
    assert_eq!(checkpoint.record.device.kernels, known);
    let resumed = block_on(Session::resume(config.clone(), data(), None, open(), &checkpoint)).unwrap();
    assert_eq!(resumed.device().info().kernels, known);
    let rest = finish(resumed);
    assert!(!rest.is_empty() && whole.ends_with(&rest), "{whole:?}\n{rest:?}");
}

/// Making a pipeline takes a driver 20 to 300 ms, so their number is how long a visitor waits for the first step.
#[test]
fn few_pipelines_stand_before_a_race() {
    let compiled = |model: Model, batch_size: usize, tuned: bool| {
        let (device, _) = block_on(Device::open(DeviceChoice::Gpu)).ok()?;
        // Tuning compiles the kernels that it compares.
        let mut device = Some(device).filter(|device| device.info().software)?;
        if tuned {
            device.want_tuning();
        }
        let config = ExperimentConfig { model, batch_size, ..config(&["dense", "set@0.1"]) };
        let data = data();
        let input = Input { extent: data.extent, classes: data.classes.len(), mean: data.mean, std: data.std };
        let device = warm(device, &config, input).unwrap();
        let Device::Gpu(gpu) = &device else { panic!("no GPU") };
        let warmed = gpu.pipelines();
        if tuned {
            return Some(warmed);
        }
        let session = block_on(Session::new(config, data, None, device)).unwrap();
        let Device::Gpu(gpu) = session.device() else { panic!("no GPU") };
        assert_eq!(gpu.pipelines(), warmed, "all of them were made before the images were there");
        Some(warmed)
    };
    let (Some(resnet20), Some(choices), Some(small), Some(resnet18), Some(vgg16)) = (
        compiled(Model::ResNet20, 128, false),
        compiled(Model::ResNet20, 128, true),
        compiled(Model::ResNet20, 32, false),
        compiled(Model::ResNet18, 32, false),
        compiled(Model::Vgg16, 32, false),
    ) else {
        println!("skipped: no software adapter");
        return;
    };
    assert!((20..=32).contains(&resnet20.len()), "{}: {resnet20:#?}", resnet20.len());
    println!("{} pipelines, {} with those that are timed against each other", resnet20.len(), choices.len());
    assert!((40..=64).contains(&choices.len()), "{}: {choices:#?}", choices.len());
    // Fewer columns a thread where there are few.
    assert!((20..=36).contains(&small.len()), "{}: {small:#?}", small.len());
    let both: BTreeSet<_> = resnet18.union(&vgg16).collect();
    assert!((20..=45).contains(&both.len()), "{}: {both:#?}", both.len());
}

/// Whoever attacks, masks, prunes late or starts from a dense parent.
#[test]
fn a_race_asks_for_no_kernel_that_was_not_warmed() {
    let robust = ExperimentConfig { norm: Adversarial::Linf, ..config(&["dense", "set@0.3"]) };
    for config in [config(&["gmp@0.3+masked", "static@0.2+masked", "rigl@0.3+uniform"]), robust] {
        let config = ExperimentConfig { limit_train: 64, limit_test: 16, ..config };
        let Ok((device, _)) = block_on(Device::open(DeviceChoice::Gpu)) else {
            println!("skipped: no Vulkan adapter");
            return;
        };
        let data = data();
        let input = Input { extent: data.extent, classes: data.classes.len(), mean: data.mean, std: data.std };
        let device = warm(device, &config, input).unwrap();
        let held = device.allocated_bytes();
        let Device::Gpu(gpu) = &device else { panic!("no GPU") };
        let warmed = gpu.pipelines();
        assert_eq!((held, device.info().kernels), (0, Kernels::new()), "nothing is left of it");
        let session = block_on(Session::new(config, data, None, device)).unwrap();
        let Device::Gpu(gpu) = session.device() else { panic!("no GPU") };
        let later: Vec<_> = gpu.pipelines().difference(&warmed).cloned().collect();
        assert!(later.is_empty(), "{later:#?}");
    }
}

#[test]
fn a_fraction_of_the_data_is_the_same_for_every_seed_and_the_subset_a_part_of_it() {
    let samples = |p_data: f64, subset: Subset| {
        let config = ExperimentConfig { p_data, subset, ..config(&["dense"]) };
        let mut session = block_on(Session::new(config, data(), None, Device::cpu())).unwrap();
        match block_on(session.advance()).unwrap().first() {
            Some(Event::Started { learners, .. }) => learners[0].samples,
            other => panic!("{other:?}"),
        }
    };
    // 360 of the 400 train.
    assert_eq!((samples(1.0, Subset::All), samples(0.25, Subset::All), samples(0.25, Subset::Random(0.5))), (360, 90, 45));
    let tiny = ExperimentConfig { p_data: 0.001, ..config(&["dense"]) };
    let error = block_on(Session::new(tiny, data(), None, Device::cpu())).err().unwrap().to_string();
    assert!(error.contains("p_data 0.001 keeps 0 of 360"), "{error}");
}

#[test]
fn what_a_dataset_allows_is_what_augmentation_does() {
    let trained = |flip: bool, rotate: bool| {
        let mut data = builtin(0.2, 100, 10, 1);
        data.augmentation = Transforms { flip, rotate };
        let config = ExperimentConfig { epochs: 1, ..config(&["dense"]) };
        block_on(async {
            let mut session = Session::new(config, Arc::new(data), None, Device::cpu()).await.unwrap();
            while !session.finished() {
                session.advance().await.unwrap();
            }
            session.summary().learners[0].scores.train.loss
        })
    };
    let (plain, flipped, rotated) = (trained(false, false), trained(true, false), trained(true, true));
    assert!(plain != flipped && flipped != rotated, "{plain} {flipped} {rotated}");
    assert_eq!(rotated, trained(true, true));
}

#[test]
fn a_class_that_a_subset_lacks_is_warned_of() {
    let said = |config: &ExperimentConfig, data: Dataset| {
        block_on(async {
            let mut session = Session::new(config.clone(), Arc::new(data), None, Device::cpu()).await.unwrap();
            let events = session.advance().await.unwrap();
            events.iter().filter(|e| matches!(e, Event::Warning { message } if message.contains("have no image of"))).count()
        })
    };
    let whole = ExperimentConfig { subset: Subset::All, control: false, ..config(&["dense", "set@0.5"]) };
    assert_eq!(said(&whole, builtin(0.2, 200, 20, 1)), 0);
    // One class is gone from the training file: one sentence for all learners.
    let mut data = builtin(0.2, 200, 20, 1);
    data.train.labels.iter_mut().filter(|label| **label == 3).for_each(|label| *label = 4);
    assert_eq!(said(&whole, data), 1);
}

/// Watched samples, and of every evaluation the share of right answers to them and what it says itself.
fn answers(events: &[Event], judged: impl Fn(&Evaluation) -> f64) -> (Vec<u32>, Vec<(f64, f64)>) {
    let Some(Event::Started { watched, .. }) = events.first() else { panic!("{:?}", events.first()) };
    let right = |answers: &[u16]| answers.iter().zip(watched).filter(|(answer, watched)| **answer == watched.label).count() as f64;
    let share = |e: &Event| match e {
        Event::EpochEnd { answers, scores, .. } => {
            assert_eq!(answers.len(), watched.len());
            Some((right(answers) / answers.len() as f64, judged(scores)))
        }
        _ => None,
    };
    (watched.iter().map(|w| w.sample).collect(), events.iter().filter_map(share).collect())
}

#[test]
fn answers_to_watched_samples_are_those_that_the_run_is_judged_by() {
    // So few samples that all are watched: then the share of right answers is the accuracy.
    let few = ExperimentConfig { limit_test: 20, epochs: 2, ..config(&["dense", "set@0.3"]) };
    let (watched, shares) = answers(&run(&few).0, |scores| scores.test.accuracy);
    assert_eq!((watched.len(), shares.len()), (20, 4));
    assert!(shares.iter().all(|(right, accuracy)| right == accuracy), "{shares:?}");

    let corrupted = ExperimentConfig { corruption: "gaussian-noise".parse().unwrap(), severity: "5".parse().unwrap(), ..few.clone() };
    let (_, shares) = answers(&run(&corrupted).0, |scores| scores.by_hardness.corrupted.unwrap().accuracy);
    assert!(shares.iter().all(|(right, accuracy)| right == accuracy), "{shares:?}");

    // What is right under attack though it was wrong without is not robust.
    let attacked = ExperimentConfig { norm: Adversarial::Linf, train_step: 1, test_step: 2, ..few };
    let (_, shares) = answers(&run(&attacked).0, |scores| scores.by_hardness.robust.unwrap().test.accuracy);
    assert!(shares.iter().all(|(right, accuracy)| right >= accuracy), "{shares:?}");
}

#[test]
fn watched_samples_are_spread_over_the_hard_half() {
    let data = data();
    let columns = |n: usize| (0..n).map(|i| (i * 7919 % 1000) as f32).collect::<Vec<_>>();
    let column = Column { score: ScoreName::El2n, train: columns(data.train.labels.len()), test: columns(data.test.labels.len()) };
    let hardness: Vec<f32> = column.test.clone();
    let config = ExperimentConfig { subset: "el2n-hard:0.5".parse().unwrap(), epochs: 1, ..config(&["dense"]) };
    let events = block_on(async {
        let mut session =
            Session::new(config, data, Some(Arc::new(Scores { columns: vec![column], ..Scores::default() })), Device::cpu()).await.unwrap();
        let mut events = Vec::new();
        while !session.finished() {
            events.extend(session.advance().await.unwrap());
        }
        events
    });
    let (watched, _) = answers(&events, |scores| scores.test.accuracy);
    assert_eq!(watched.len(), 24);
    let mut sorted = hardness.clone();
    sorted.sort_by(f32::total_cmp);
    let median = sorted[sorted.len() / 2];
    assert!(watched.iter().all(|i| hardness[*i as usize] >= median), "{watched:?}");
    assert!(watched.windows(2).all(|pair| pair[0] < pair[1]) && watched[23] as usize > hardness.len() * 3 / 4, "{watched:?}");
}
