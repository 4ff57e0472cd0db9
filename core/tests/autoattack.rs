//! AutoAttack on small trained networks: what it may never do, what it must do, and that it goes on where it stopped.
#![cfg(feature = "autoattack")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, OnceLock};

use pollster::block_on;
use sparring_core::attack::autoattack::{Arena, Attack, AutoAttack, AutoAttackConfig, Broken, rises_with_eps};
use sparring_core::attack::{AttackIo, Norm, Pgd, PgdConfig, Programs};
use sparring_core::config::LearnerConfig;
use sparring_core::data::Dataset;
use sparring_core::data::batch::HostBatch;
use sparring_core::data::builtin::builtin;
use sparring_core::device::info::DeviceChoice;
use sparring_core::formats::StateDict;
use sparring_core::hardness::Subset;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::zoo::{Input, Model};
use sparring_core::net::{Graph, Io, Net, NetConfig, Placement};
use sparring_core::ops::{Shape, StepParams};
use sparring_core::{Device, ExperimentConfig, Session};

/// Images of a test; more than a batch.
const SAMPLES: u32 = 20;
const LANES: usize = 12;

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.2, 600, 60, 1))
}

fn config() -> ExperimentConfig {
    ExperimentConfig {
        model: Model::Tiny,
        learners: vec![LearnerConfig::DENSE],
        subset: Subset::All,
        epochs: 6,
        batch_size: 40,
        lr: 0.05,
        ..Default::default()
    }
}

fn graph(data: &Dataset) -> Graph {
    let input = Input { extent: data.extent, classes: data.classes.len(), mean: data.mean, std: data.std };
    config().graph(input).unwrap()
}

/// A network trained for a few epochs, once.
fn trained() -> &'static StateDict {
    static STATE: OnceLock<StateDict> = OnceLock::new();
    STATE.get_or_init(|| {
        block_on(async {
            let mut session = Session::new(config(), data(), None, Device::cpu()).await.unwrap();
            while !session.finished() {
                session.advance().await.unwrap();
            }
            session.state(0).await.unwrap()
        })
    })
}

struct Lab {
    device: Device,
    scratch: Scratch,
    data: Arc<Dataset>,
    io: Io,
    attack: AttackIo,
    net: Net,
    programs: Programs,
}

impl Lab {
    fn new(graph: Graph, state: &StateDict, lanes: usize) -> Self {
        Self::on(Device::cpu(), graph, state, lanes)
    }
    fn on(mut device: Device, graph: Graph, state: &StateDict, lanes: usize) -> Self {
        let (mut scratch, data) = (Scratch::default(), data());
        let (c, h, w) = data.extent;
        let io = Io::new(&mut device, data.extent, lanes, SAMPLES as usize).unwrap();
        let attack = AttackIo::new(&mut device, Shape { c, h, w, n: lanes }).unwrap();
        let training = config().training();
        let placements = graph.weights().iter().map(|_| Placement::Dense).collect();
        let net = Net::plan(&mut device, &mut scratch, io, state, NetConfig { graph, n: lanes, placements, training }).unwrap();
        let programs = Programs::new(&mut device, &mut scratch, &net, &attack).unwrap();
        Self { device, scratch, data, io, attack, net, programs }
    }
    fn trained() -> Self {
        Self::new(graph(&data()), trained(), LANES)
    }
    /// A whole run; broken samples in order.
    fn run(&mut self, config: AutoAttackConfig) -> (AutoAttack, Vec<Broken>) {
        self.run_parts(config, Attack::ALL)
    }
    fn run_parts(&mut self, config: AutoAttackConfig, parts: &[Attack]) -> (AutoAttack, Vec<Broken>) {
        let mut arena = Arena::new(&mut self.device, &mut self.scratch, &self.net, self.io, &config).unwrap();
        let mut run = AutoAttack::new(config, self.net.graph.classes, (0..SAMPLES).collect()).unwrap().only(parts);
        let mut broken = Vec::new();
        while !run.finished() {
            broken.extend(block_on(run.advance(&mut self.device, &mut arena, &self.data, &self.data.test)).unwrap());
        }
        arena.free(&mut self.device);
        (run, broken)
    }
    /// Samples that PGD with 20 steps leaves, of the same images.
    fn pgd_leaves(&mut self, norm: Norm, eps: f32) -> usize {
        let attack = PgdConfig { norm, eps, step: eps / 4.0, iterations: 20, random_start: true, targeted: false };
        let pgd = Pgd::new(&mut self.device, &self.io, self.attack, attack).unwrap();
        let mut right = 0;
        for samples in (0..SAMPLES).collect::<Vec<_>>().chunks(LANES) {
            let mut batch = HostBatch::default();
            batch.fill(&self.data, &self.data.test, samples, LANES, None).unwrap();
            self.io.upload(&mut self.device, &batch).unwrap();
            let step = StepParams { n_valid: samples.len() as u32, ..StepParams::default() };
            pgd.decode(&mut self.device, &step).unwrap();
            pgd.attack(&mut self.device, self.programs.gradient(), &step, samples, (1, 0)).unwrap();
            self.device.run(self.programs.evaluate(), &step).unwrap();
            let records = block_on(self.io.records(&self.device, samples.len())).unwrap();
            right += records.iter().zip(&batch.labels).filter(|(r, y)| u32::from(r.predicted) == **y).count();
        }
        right
    }
    fn clean(&self, sample: u32) -> Vec<f32> {
        let size = self.data.image_bytes();
        self.data.test.bytes[sample as usize * size..][..size].iter().map(|b| f32::from(*b) / 255.0).collect()
    }
}

/// Short enough for a test.
fn short(norm: Norm, eps: f32) -> AutoAttackConfig {
    AutoAttackConfig { targets: 3, apgd_steps: 20, fab_steps: 15, queries: 100, ..AutoAttackConfig::standard(norm, eps, 5) }
}

/// Every adversarial image in the ball and the box, in float64, and different from the clean one.
fn inside(lab: &Lab, broken: &[Broken], norm: Norm, eps: f32) {
    for b in broken {
        let clean = lab.clean(b.sample);
        let length = norm.length(&clean, &b.image);
        assert!(length <= f64::from(eps), "{} moved sample {} by {length}, more than {eps}", b.part, b.sample);
        assert!(b.image.iter().all(|v| (0.0..=1.0).contains(v)), "{} left the box", b.part);
        assert_eq!(b.part == Attack::Clean, length == 0.0);
    }
}

#[test]
fn nothing_survives_that_pgd_breaks_and_a_radius_of_zero_is_clean() {
    let mut lab = Lab::trained();
    for (norm, eps) in [(Norm::Linf, 0.03), (Norm::L2, 0.5)] {
        let (run, broken) = lab.run(short(norm, eps));
        let right = lab.pgd_leaves(norm, 0.0);
        assert_eq!((run.clean_accuracy() * f64::from(SAMPLES)).round() as usize, right);
        let left = run.robust().count();
        assert!(left <= lab.pgd_leaves(norm, eps), "{norm}: {left} stand");
        assert!(left < right, "{norm}: nothing was broken: {:?}", run.reports);
        assert_eq!(broken.len() + left, SAMPLES as usize);
        inside(&lab, &broken, norm, eps);
        let (none, broken) = lab.run(short(norm, 0.0));
        assert_eq!(none.robust().count(), right);
        assert!(broken.iter().all(|b| b.part == Attack::Clean));
        assert_eq!(none.clean_accuracy(), none.robust_accuracy());
        assert!(run.warnings.iter().all(|w| !w.contains("two passes")), "{:?}", run.warnings);
    }
}

#[test]
fn each_part_breaks_samples_on_its_own_and_stays_inside() {
    let mut lab = Lab::trained();
    for (norm, eps) in [(Norm::Linf, 0.1), (Norm::L2, 3.0)] {
        for part in [Attack::ApgdCe, Attack::ApgdT, Attack::FabT, Attack::Square] {
            let (run, broken) = lab.run_parts(AutoAttackConfig { queries: 300, ..short(norm, eps) }, &[part]);
            inside(&lab, &broken, norm, eps);
            let report = run.reports.last().unwrap();
            assert_eq!((run.reports.len(), report.part), (2, part));
            // Random search over 300 windows is weaker than a gradient; the published version makes 5000.
            let share = if part == Attack::Square { 4 } else { 2 };
            assert!(share * report.broken >= report.before && report.before > 3, "{norm}: {:?}", run.reports);
            println!("{norm} {eps} {part}: {} of {}", report.broken, report.before);
        }
        let of_first_images = lab.run_parts(AutoAttackConfig { queries: 0, ..short(norm, eps) }, &[Attack::Square]).0.robust().count();
        let of_proposals = lab.run_parts(AutoAttackConfig { queries: 300, ..short(norm, eps) }, &[Attack::Square]).0.robust().count();
        assert!(of_proposals < of_first_images, "{norm}: proposals of Square leave {of_proposals}, its first images {of_first_images}");
    }
}

#[test]
fn more_steps_and_a_larger_radius_leave_fewer() {
    let mut lab = Lab::trained();
    let left = |lab: &mut Lab, config, parts: &[Attack]| lab.run_parts(config, parts).0.robust().count();
    let apgd = |steps| AutoAttackConfig { apgd_steps: steps, ..short(Norm::Linf, 0.02) };
    let found: Vec<usize> = [2, 10, 40].map(|steps| left(&mut lab, apgd(steps), &[Attack::ApgdCe])).into();
    // One sample of noise: another number of steps is another path.
    assert!(found[1] <= found[0] + 1 && found[2] <= found[1] + 1, "{found:?}");
    let square = |queries| AutoAttackConfig { queries, ..short(Norm::Linf, 0.05) };
    assert!(left(&mut lab, square(300), &[Attack::Square]) <= left(&mut lab, square(20), &[Attack::Square]) + 1);
    let results: Vec<(f32, f64)> = [0.0, 0.01, 0.03, 0.1].map(|eps| (eps, lab.run(short(Norm::Linf, eps)).0.robust_accuracy())).into();
    assert_eq!(rises_with_eps(&results), Vec::<String>::new());
    assert!(results[3].1 < 0.5 * results[0].1, "{results:?}");
    assert_eq!(rises_with_eps(&[(0.1, 0.5), (0.0, 0.9), (0.2, 0.6)]).len(), 1);
}

#[test]
fn a_saved_run_goes_on_to_the_same_end_and_batches_do_not_matter() {
    let config = short(Norm::Linf, 0.02);
    let mut lab = Lab::trained();
    let (whole, mut broken) = lab.run(config);
    let mut arena = Arena::new(&mut lab.device, &mut lab.scratch, &lab.net, lab.io, &config).unwrap();
    let mut run = AutoAttack::new(config, lab.net.graph.classes, (0..SAMPLES).collect()).unwrap();
    let (mut again, mut robust) = (Vec::new(), 1.0);
    while !run.finished() {
        again.extend(block_on(run.advance(&mut lab.device, &mut arena, &lab.data, &lab.data.test)).unwrap());
        run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
        assert!(run.robust_accuracy() <= robust, "robust accuracy only falls");
        robust = run.robust_accuracy();
    }
    assert_eq!(again, broken);
    let counts = |run: &AutoAttack| run.reports.iter().map(|r| (r.part, r.before, r.broken)).collect::<Vec<_>>();
    assert_eq!(counts(&run), counts(&whole));
    assert!(whole.reports.iter().zip(whole.reports.iter().skip(1)).all(|(a, b)| a.before - a.broken == b.before));
    // In batches of another size.
    let (other, mut in_fours) = Lab::new(graph(&lab.data), trained(), 4).run(config);
    for list in [&mut broken, &mut in_fours] {
        list.sort_by_key(|b| (b.sample, b.part as u32));
    }
    assert_eq!(counts(&other), counts(&whole));
    assert_eq!(in_fours, broken);
}

#[test]
fn two_and_three_classes_are_attacked_too() {
    for classes in [2, 3] {
        let data = data();
        let mut graph = Graph::new(data.extent, classes, data.mean, data.std);
        sparring_core::net::zoo::golden_net(&mut graph).unwrap();
        let state = sparring_core::net::init::initial_state(&graph, 3);
        let mut lab = Lab::new(graph, &state, LANES);
        let mut few = (*data).clone();
        few.test.labels.iter_mut().for_each(|label| *label %= classes as u16);
        lab.data = Arc::new(few);
        let (run, broken) = lab.run(short(Norm::Linf, 0.2));
        inside(&lab, &broken, Norm::Linf, 0.2);
        assert!(run.robust_accuracy() < run.clean_accuracy(), "{:?}", run.reports);
    }
}

#[test]
fn a_gpu_and_the_cpu_break_the_same_samples() {
    let Ok((gpu, _)) = block_on(Device::open(DeviceChoice::Gpu)) else {
        println!("skipped: no GPU");
        return;
    };
    let mut lab = Lab::on(gpu, graph(&data()), trained(), LANES);
    for (norm, eps) in [(Norm::Linf, 0.03), (Norm::L2, 1.0)] {
        let config = AutoAttackConfig { targets: 1, apgd_steps: 8, fab_steps: 5, queries: 30, ..short(norm, eps) };
        let (run, broken) = lab.run(config);
        inside(&lab, &broken, norm, eps);
        let (on_cpu, _) = Lab::trained().run(config);
        assert_eq!(run.clean_accuracy(), on_cpu.clean_accuracy());
        // The signs of gradients near 0 differ between devices, and with them paths: a sample in ten may.
        let apart = run.robust().count().abs_diff(on_cpu.robust().count());
        assert!(apart <= 2, "{norm}: {:?} and {:?}", run.reports, on_cpu.reports);
        let (none, _) = lab.run(AutoAttackConfig { eps: 0.0, ..config });
        assert_eq!(none.robust_accuracy(), none.clean_accuracy());
    }
}

#[test]
fn a_dead_network_is_doubted_and_bad_settings_are_refused() {
    let data = data();
    let graph = graph(&data);
    let mut state = trained().clone();
    state.tensors.values_mut().filter(|t| t.shape.len() > 1).for_each(|t| t.data.fill(0.0));
    let (run, _) = Lab::new(graph, &state, LANES).run(short(Norm::Linf, 0.03));
    assert!(run.warnings.iter().any(|w| w.contains("is zero on 12 of 12")), "{:?}", run.warnings);
    let refused = |config: AutoAttackConfig, classes| AutoAttack::new(config, classes, vec![0]).unwrap_err().to_string();
    assert!(refused(AutoAttackConfig::standard(Norm::Linf, 8.0, 0), 10).contains("eps"));
    assert!(refused(AutoAttackConfig { apgd_steps: 0, ..short(Norm::L2, 0.5) }, 10).contains("steps of APGD"));
    assert!(refused(short(Norm::L2, 0.5), 1).contains("2 classes"));
}
