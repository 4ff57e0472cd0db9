//! Attacks on small networks: what they cost, what they leave alone, and what no attack may ever do.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use pollster::block_on;
use sparring_core::attack::{AttackIo, Norm, Pgd, PgdConfig, Programs};
use sparring_core::config::{Adversarial, LearnerConfig, Method};
use sparring_core::data::Dataset;
use sparring_core::data::batch::HostBatch;
use sparring_core::data::builtin::builtin;
use sparring_core::device::Program;
use sparring_core::device::info::DeviceChoice;
use sparring_core::events::Evaluation;
use sparring_core::formats::StateDict;
use sparring_core::hardness::Subset;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::tape::Mode;
use sparring_core::net::zoo::{Input, Model};
use sparring_core::net::{Io, Net, NetConfig, Placement, SampleRecord, init};
use sparring_core::ops::{Op, Shape, StepParams, padded_batch};
use sparring_core::{Device, Event, ExperimentConfig, Session};

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.3, 400, 60, 1))
}

fn config() -> ExperimentConfig {
    ExperimentConfig {
        model: Model::Tiny,
        learners: vec![LearnerConfig::DENSE, LearnerConfig::new(Method::Set, 0.5)],
        subset: Subset::All,
        control: false,
        epochs: 2,
        batch_size: 40,
        lr: 0.05,
        update_frequency: 1,
        device: DeviceChoice::Cpu,
        ..Default::default()
    }
}

/// A network trained for a few epochs.
fn trained() -> StateDict {
    block_on(async {
        let config = ExperimentConfig { learners: vec![LearnerConfig::DENSE], epochs: 15, ..config() };
        let mut session = Session::new(config, data(), None, Device::cpu()).await.unwrap();
        while !session.finished() {
            session.advance().await.unwrap();
        }
        session.state(0).await.unwrap()
    })
}

/// One a lane.
type Images = Vec<Vec<f32>>;

/// A network with an attack's buffers, and a batch of test images in them.
struct Lab {
    device: Device,
    scratch: Scratch,
    io: Io,
    attack: AttackIo,
    net: Net,
    programs: Programs,
    n: usize,
    step: StepParams,
}

impl Lab {
    fn new(mut device: Device, state: Option<&StateDict>, placement: impl Fn(usize) -> Placement, n: usize) -> Self {
        let data = data();
        let (c, h, w) = data.extent;
        let lanes = padded_batch(n);
        let mut scratch = Scratch::default();
        let io = Io::new(&mut device, data.extent, lanes, n).unwrap();
        let attack = AttackIo::new(&mut device, Shape { c, h, w, n: lanes }).unwrap();
        let input = Input { extent: data.extent, classes: data.classes.len(), mean: data.mean, std: data.std };
        let graph = config().graph(input).unwrap();
        let fresh = init::initial_state(&graph, 3);
        let placements = graph.weights().iter().map(|weight| placement(weight.shape.weights())).collect();
        let training = config().training();
        let net =
            Net::plan(&mut device, &mut scratch, io, state.unwrap_or(&fresh), NetConfig { graph, n: lanes, placements, training }).unwrap();
        let programs = Programs::new(&mut device, &mut scratch, &net, &attack).unwrap();
        let mut batch = HostBatch::default();
        batch.fill(&data, &data.test, &(0..n as u32).collect::<Vec<_>>(), lanes, None).unwrap();
        io.upload(&mut device, &batch).unwrap();
        let step = StepParams { n_valid: n as u32, ..StepParams::default() };
        Self { device, scratch, io, attack, net, programs, n, step }
    }
    /// Runs an attack; clean and adversarial images, and the records after it.
    fn run(&mut self, config: PgdConfig, seed: u64) -> (Images, Images, Vec<SampleRecord>) {
        let pgd = Pgd::new(&mut self.device, &self.io, self.attack, config).unwrap();
        pgd.decode(&mut self.device, &self.step).unwrap();
        let samples: Vec<u32> = (0..self.n as u32).collect();
        pgd.attack(&mut self.device, self.programs.gradient(), &self.step, &samples, (seed, 0)).unwrap();
        self.device.run(self.programs.evaluate(), &self.step).unwrap();
        let words = self.attack.shape.len();
        let images = |buffer| {
            let values = block_on(self.device.read_f32(buffer, 0, words)).unwrap();
            let lanes = self.attack.shape.n;
            (0..lanes).map(|lane| values.iter().skip(lane).step_by(lanes).copied().collect()).collect::<Vec<Vec<f32>>>()
        };
        let (clean, adversarial) = (images(self.attack.clean.buffer()), images(self.attack.adversarial.buffer()));
        (clean, adversarial, self.records())
    }
    fn records(&self) -> Vec<SampleRecord> {
        block_on(self.io.records(&self.device, self.n)).unwrap()
    }
    fn right(&self) -> usize {
        let data = data();
        self.records().iter().zip(&data.test.labels).filter(|(r, y)| r.predicted == **y).count()
    }
}

fn pgd(norm: Norm, eps: f32, iterations: u32) -> PgdConfig {
    PgdConfig { norm, eps, step: eps / 4.0, iterations, random_start: true, targeted: false }
}

fn ops(program: &Program) -> &[Op] {
    let Program::Cpu(ops) = program else { panic!("a program of the CPU") };
    ops
}

#[test]
fn the_gradient_of_the_input_computes_no_gradient_of_a_weight() {
    let lab = Lab::new(Device::cpu(), None, |total| Placement::Sparse((0..total as u32).step_by(3).collect()), 4);
    let count = |train_mode: bool, wanted: fn(&Op) -> bool| {
        let program = if train_mode { lab.programs.train_gradient() } else { lab.programs.gradient() };
        ops(program).iter().filter(|op| wanted(op)).count()
    };
    let weights = lab.net.weights.len();
    for train_mode in [false, true] {
        assert_eq!(count(train_mode, |op| matches!(op, Op::ConvWeightGrad(_) | Op::BiasGrad(_) | Op::SgdUpdate(_) | Op::Augment(_))), 0);
        assert_eq!(count(train_mode, |op| matches!(op, Op::ConvForward(_))), weights);
        assert_eq!(count(train_mode, |op| matches!(op, Op::ConvInputGrad(_))), weights, "down to the pixels");
    }
    // BatchNorm's sums are needed only where its statistics depend on the batch.
    let sums: fn(&Op) -> bool = |op| matches!(op, Op::BatchNormReduceGrad(_) | Op::BatchNormStats(_));
    assert!(count(false, sums) == 0 && count(true, sums) > 0);
}

/// The gradient against central differences of the loss, in float64.
#[test]
fn the_gradient_of_the_input_is_the_slope_of_the_loss() {
    for mode in [Mode::Eval, Mode::Probe] {
        let mut lab = Lab::new(Device::oracle(), Some(&trained()), |_| Placement::Dense, 3);
        let pgd = Pgd::new(&mut lab.device, &lab.io, lab.attack, pgd(Norm::Linf, 0.1, 0)).unwrap();
        pgd.decode(&mut lab.device, &lab.step).unwrap();
        let attack = lab.attack;
        let program = lab
            .net
            .on_pixels(&mut lab.device, &mut lab.scratch, "test", (attack.adversarial.buffer(), lab.net.n), mode, |tape, _| {
                tape.loss(true, lab.io.samples, lab.io.totals);
                tape.backward_to_pixels(attack.grad)
            })
            .unwrap();
        let x = attack.adversarial.buffer();
        let pixels = block_on(lab.device.read_f32(x, 0, attack.shape.len())).unwrap();
        let mut loss = |pixels: &[f32]| {
            lab.device.write_f32(x, 0, pixels).unwrap();
            lab.device.run(&program, &lab.step).unwrap();
            let records = block_on(lab.io.records(&lab.device, 3)).unwrap();
            let grad = block_on(lab.device.read_f32(attack.grad, 0, attack.shape.len())).unwrap();
            (records.iter().map(|r| f64::from(r.loss)).sum::<f64>() / 3.0, grad)
        };
        let (_, grad) = loss(&pixels);
        let largest = grad.iter().fold(0f32, |m, g| m.max(g.abs()));
        assert!(largest > 1e-4);
        // Along the gradient the slope is its squared length; records are f32, so the step is not tiny.
        let squared: f64 = grad.iter().map(|g| f64::from(*g).powi(2)).sum();
        let along = |t: f32| pixels.iter().zip(&grad).map(|(p, g)| p + t * g / largest).collect::<Vec<f32>>();
        let h = 2e-4f32;
        let slope = (loss(&along(h)).0 - loss(&along(-h)).0) / (2.0 * f64::from(h)) * f64::from(largest);
        assert!((slope / squared - 1.0).abs() < 0.01, "{mode:?}: slope {slope}, squared length {squared}");
        assert!(grad.iter().skip(3).step_by(4).all(|g| *g == 0.0), "a lane without a sample has no gradient");
    }
}

#[test]
fn every_adversarial_pixel_is_inside_and_evaluation_moves_nothing() {
    let state = trained();
    for norm in [Norm::Linf, Norm::L2] {
        let mut lab = Lab::new(Device::cpu(), Some(&state), |_| Placement::Dense, 30);
        let before = block_on(lab.net.state(&lab.device)).unwrap();
        for eps in [0.0, 1e-7, 1.0 / 255.0, 8.0 / 255.0, 0.3, 1.0] {
            for config in [pgd(norm, eps, 4), PgdConfig::fgsm(norm, eps), PgdConfig { step: 10.0 * eps, ..pgd(norm, eps, 2) }] {
                let (clean, adversarial, _) = lab.run(PgdConfig { step: config.step.min(1.0), ..config }, 1);
                for (clean, adversarial) in clean.iter().zip(&adversarial) {
                    let length = norm.length(clean, adversarial);
                    assert!(length <= f64::from(eps), "{norm} {eps}: {length}");
                    assert!(adversarial.iter().all(|v| (0.0..=1.0).contains(v)));
                    assert!(eps > 0.0 || clean == adversarial, "eps 0 leaves every bit");
                }
                let moved = clean.iter().zip(&adversarial).any(|(a, b)| a != b);
                assert!(moved == (eps > 0.0) || (eps > 0.0 && eps < 1e-6), "{norm} {eps}: the image must move exactly where it may");
            }
        }
        assert_eq!(block_on(lab.net.state(&lab.device)).unwrap(), before, "weights and running statistics");
    }
}

#[test]
fn more_steps_and_a_larger_ball_break_more() {
    let mut lab = Lab::new(Device::cpu(), Some(&trained()), |_| Placement::Dense, 60);
    lab.net.eval_step(&mut lab.device, &lab.step).unwrap();
    let (clean, clean_records) = (lab.right(), lab.records());
    assert!(clean > 30, "the network was trained, and {clean} of 60 are right");
    let mut after = |config| {
        lab.run(config, 1);
        lab.right()
    };
    for norm in [Norm::Linf, Norm::L2] {
        let eps = if norm == Norm::Linf { 4.0 / 255.0 } else { 0.5 };
        let by_steps = [1, 3, 10, 30].map(|k| after(PgdConfig { step: eps / 3.0, ..pgd(norm, eps, k) }));
        // One sample of noise between neighbours: a step may pass a maximum.
        assert!(by_steps.windows(2).all(|w| w[1] <= w[0] + 1) && by_steps[3] < clean, "{norm}: {clean} {by_steps:?}");
        let by_radius = [0.25, 0.5, 1.0, 2.0, 4.0].map(|f| after(pgd(norm, f * eps, 10)));
        assert!(by_radius.windows(2).all(|w| w[1] <= w[0] + 1) && by_radius[4] < by_radius[0], "{norm}: {by_radius:?}");
    }
    assert_eq!(after(pgd(Norm::Linf, 0.0, 5)), clean);
    assert_eq!(lab.records(), clean_records, "eps 0 gives the clean records bit for bit");
}

#[test]
fn a_targeted_attack_goes_towards_its_label() {
    let mut lab = Lab::new(Device::cpu(), Some(&trained()), |_| Placement::Dense, 60);
    lab.device.write_u32(lab.io.labels, 0, &[3; 60]).unwrap();
    lab.net.eval_step(&mut lab.device, &lab.step).unwrap();
    let three = |lab: &Lab| lab.records().iter().filter(|r| r.predicted == 3).count();
    let before = three(&lab);
    lab.run(PgdConfig { targeted: true, ..pgd(Norm::Linf, 16.0 / 255.0, 10) }, 1);
    let towards = three(&lab);
    lab.run(pgd(Norm::Linf, 16.0 / 255.0, 10), 1);
    assert!(towards > before + 10 && three(&lab) <= before, "{before} were three, then {towards}, then {}", three(&lab));
}

#[test]
fn starts_are_named_by_sample_and_seed() {
    let mut lab = Lab::new(Device::cpu(), None, |_| Placement::Dense, 8);
    for norm in [Norm::Linf, Norm::L2] {
        let start = pgd(norm, 0.25, 0);
        let (clean, first, _) = lab.run(start, 1);
        assert_eq!(lab.run(start, 1).1, first);
        assert_ne!(lab.run(start, 2).1, first);
        let lengths: Vec<f64> = clean.iter().zip(&first).map(|(a, b)| norm.length(a, b)).collect();
        assert!(lengths.iter().all(|l| *l > 0.2), "{norm}: {lengths:?}");
    }
}

#[test]
fn pixels_outside_their_domain_are_refused() {
    let mut lab = Lab::new(Device::cpu(), None, |_| Placement::Dense, 4);
    for wrong in [255.0, -0.1, f32::NAN, 1.000_001] {
        let mut values = vec![0.5; lab.attack.shape.len()];
        values[7] = wrong;
        let message = lab.attack.clean.upload(&mut lab.device, &values).unwrap_err().to_string();
        assert!(message.contains("pixels from 0 to 1"), "{message}");
    }
    let mut wrong = |config| Pgd::new(&mut lab.device, &lab.io, lab.attack, config).err().unwrap().to_string();
    assert!(wrong(pgd(Norm::Linf, 8.0, 1)).contains("8/255 is usual"));
    assert!(wrong(pgd(Norm::Linf, f32::NAN, 1)).contains("eps must be"));
    assert!(wrong(PgdConfig { step: -1.0, ..pgd(Norm::Linf, 0.1, 1) }).contains("step length"));
}

fn adversarial(norm: Adversarial, eps: f32) -> ExperimentConfig {
    ExperimentConfig {
        norm,
        train_eps: eps,
        train_step: 3,
        train_gamma: eps / 2.0,
        test_eps: eps,
        test_step: 5,
        test_gamma: eps / 4.0,
        ..config()
    }
}

fn run(config: ExperimentConfig) -> (Vec<Event>, Vec<StateDict>) {
    block_on(async {
        let learners = config.learners.len();
        let mut session = Session::new(config, data(), None, Device::cpu()).await.unwrap();
        let mut events = Vec::new();
        while !session.finished() {
            events.extend(session.advance().await.unwrap());
        }
        let mut states = Vec::new();
        for i in 0..learners {
            states.push(session.state(i).await.unwrap());
        }
        assert_eq!(session.into_device().allocated_bytes(), 0, "nothing is left behind");
        (events, states)
    })
}

#[test]
fn adversarial_runs_report_clean_and_robust_accuracy_everywhere() {
    for (norm, eps) in [(Adversarial::Linf, 4.0 / 255.0), (Adversarial::L2, 0.3)] {
        let (events, _) = run(adversarial(norm, eps));
        let mut ends = 0;
        for event in &events {
            let Event::EpochEnd { epoch, scores, .. } = event else { continue };
            let Evaluation { validation, test, train, by_hardness, .. } = scores.as_ref();
            let robust = by_hardness.robust.unwrap();
            for (clean, attacked) in [(validation, robust.validation), (test, robust.test)] {
                assert_eq!(clean.samples, attacked.samples);
                assert!(attacked.accuracy <= clean.accuracy && attacked.loss > clean.loss, "{clean:?} {attacked:?}");
            }
            assert_eq!(robust.clean_train.is_some(), *epoch == 2, "the training samples are evaluated at the end");
            match robust.clean_train {
                Some(clean) => assert!(robust.train.accuracy <= clean.accuracy && clean.samples == 60),
                None => assert_eq!(robust.train, *train),
            }
            ends += 1;
        }
        assert_eq!(ends, 4);
        let Some(Event::Finished { summary }) = events.last() else { panic!() };
        assert!(summary.learners.iter().all(|l| l.scores.by_hardness.robust.is_some_and(|r| r.test.samples == 60)));
    }
}

#[test]
fn an_attack_of_no_radius_trains_as_if_there_were_none_but_for_running_statistics() {
    let (_, plain) = run(config());
    let none = ExperimentConfig { train_randinit: false, ..adversarial(Adversarial::Linf, 0.0) };
    let (_, attacked) = run(none);
    for (plain, attacked) in plain.iter().zip(&attacked) {
        for (name, tensor) in &plain.tensors {
            let same = *tensor == attacked.tensors[name];
            assert_eq!(same, !name.contains("running"), "{name}: forward passes of the attack move running statistics, and nothing else");
        }
    }
}

#[test]
fn an_adversarial_run_resumes_to_the_same_numbers() {
    use sparring_core::train::checkpoint::Checkpoint;
    let config = ExperimentConfig { learners: vec![LearnerConfig::new(Method::RigL, 0.3)], ..adversarial(Adversarial::Linf, 4.0 / 255.0) };
    let (events, states) = run(config.clone());
    let ends = |events: &[Event]| -> Vec<String> {
        let numbers = |event: &Event| match event {
            Event::EpochEnd { epoch, scores, .. } => {
                let Evaluation { train, validation, test, by_hardness, .. } = scores.as_ref();
                Some(format!("{epoch} {train:?} {validation:?} {test:?} {by_hardness:?}"))
            }
            _ => None,
        };
        events.iter().filter_map(numbers).collect()
    };
    // After some steps of training, and wherever a slice of an evaluation ends.
    for stop in [2, 5, 9] {
        block_on(async {
            let mut session = Session::new(config.clone(), data(), None, Device::cpu()).await.unwrap();
            let mut before = Vec::new();
            for _ in 0..stop {
                before.extend(session.advance().await.unwrap());
            }
            let checkpoint = Checkpoint::read(&session.checkpoint("").await.unwrap()).unwrap();
            let mut session = Session::resume(config.clone(), data(), None, Device::cpu(), &checkpoint).await.unwrap();
            while !session.finished() {
                before.extend(session.advance().await.unwrap());
            }
            assert_eq!(ends(&before), ends(&events), "stopped after {stop} slices");
            assert_eq!(session.state(0).await.unwrap(), states[0]);
        });
    }
}
