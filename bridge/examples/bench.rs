//! Milliseconds of a training step of ResNet-20 and ResNet18: Burn's own convolutions, ours in Burn, and Sparring's engine, on the same devices.
//!
//! `cargo xtask bench --burn` builds and runs it. A step is a forward pass, a backward pass and SGD with momentum, with images already in place for
//! Burn and uploaded for the engine. All take turns, so that whatever else the machine does meets all; the medians of the rounds count.

use std::error::Error;
use std::time::Instant;

use burn::nn::conv::Conv2d;
use burn::nn::loss::CrossEntropyLoss;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::{Value, json};
use sparring_burn::{Allocation, SparseConv2d, Sparsity};
use sparring_core::data::Normalization;
use sparring_core::data::batch::HostBatch;
use sparring_core::data::builtin::builtin;
use sparring_core::device::info::DeviceChoice;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::zoo::{Input, Model};
use sparring_core::net::{Io, Net, NetConfig, Placement, Training, init};
use sparring_core::ops::{OptimizerName, StepParams};
use sparring_core::sparse::mask;

#[path = "zoo/mod.rs"]
mod zoo;
use zoo::{Convolution, ResNet};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "cargo xtask bench --burn [--device cpu|gpu] [--model resnet20|resnet18] [--batch N] [--rounds N] [--out FILE.json]";
const DENSITY: f64 = 0.1;
const RATE: f64 = 0.01;
const MOMENTUM: f64 = 0.9;
const DECAY: f32 = 5e-4;

/// Who trains, and how.
struct Contestant {
    name: &'static str,
    density: f64,
    /// One step, awaited.
    step: Box<dyn FnMut() -> Result<()>>,
    ms: Vec<f64>,
}

impl Contestant {
    fn new(name: &'static str, density: f64, step: Box<dyn FnMut() -> Result<()>>) -> Self {
        Self { name, density, step, ms: Vec::new() }
    }
    fn median(&self) -> f64 {
        let mut sorted = self.ms.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

/// Images of 32x32, and their labels.
fn images(batch: usize, device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
    let data = builtin(0.5, batch, 4, 1);
    let pixels: Vec<f32> = data.train.bytes.iter().map(|byte| f32::from(*byte) / 255.0 - 0.5).collect();
    let labels: Vec<i32> = data.train.labels.iter().map(|label| i32::from(*label)).collect();
    (Tensor::from_data(TensorData::new(pixels, [batch, 3, 32, 32]), device), Tensor::from_data(labels.as_slice(), device))
}

fn network<C: Convolution>(model: Model, device: &Device) -> Result<ResNet<C>> {
    match model {
        Model::ResNet20 => Ok(ResNet::resnet20(10, device)),
        Model::ResNet18 => Ok(ResNet::resnet18(10, device)),
        other => Err(format!("resnet20 or resnet18 is measured, found {other}").into()),
    }
}

/// A step of a Burn module.
fn burns<C: Convolution + 'static>(model: ResNet<C>, batch: usize, device: &Device) -> Box<dyn FnMut() -> Result<()>> {
    let (x, labels) = images(batch, device);
    let momentum = MomentumConfig::new().with_momentum(MOMENTUM).with_dampening(0.0).with_nesterov(true);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).with_weight_decay(Some(WeightDecayConfig::new(DECAY))).init();
    let (mut model, device) = (Some(model), device.clone());
    Box::new(move || {
        let net = model.take().ok_or("the step before failed")?;
        let loss = CrossEntropyLoss::new(None, &device).forward(net.forward(x.clone()), labels.clone());
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        model = Some(optimizer.step(RATE, net, grads));
        device.sync().map_err(|e| format!("{e:?}"))?;
        let loss = loss.into_data().iter::<f32>().next();
        loss.filter(|loss| loss.is_finite()).map(|_| ()).ok_or_else(|| "the loss is not a number".into())
    })
}

/// A step of the engine; dense without a density.
fn engines(model: Model, choice: DeviceChoice, batch: usize, density: Option<f64>) -> Result<Box<dyn FnMut() -> Result<()>>> {
    let (mut device, _) = pollster::block_on(sparring_core::Device::open(choice))?;
    let data = builtin(0.5, batch, 4, 1);
    let (mean, std) = Normalization::BuiltIn.mean_std();
    let graph = model.graph(Input { extent: data.extent, classes: 10, mean, std })?;
    let place = |(layer, weight): (usize, sparring_core::net::graph::WeightInfo)| match density {
        None => Placement::Dense,
        Some(density) => Placement::Sparse(mask::initial(1, layer, weight.shape.weights(), density)),
    };
    let placements = graph.weights().into_iter().enumerate().map(place).collect();
    let state = init::initial_state(&graph, 1);
    let n = batch.next_multiple_of(4);
    let io = Io::new(&mut device, data.extent, n, n)?;
    let mut scratch = Scratch::default();
    let config = NetConfig { graph, n, placements, training: Training::from(OptimizerName::Sgd) };
    let mut net = Net::plan(&mut device, &mut scratch, io, &state, config)?;
    let (samples, mut host) = ((0..batch as u32).collect::<Vec<_>>(), HostBatch::default());
    let params = StepParams {
        n_valid: batch as u32,
        lr: RATE as f32,
        momentum: MOMENTUM as f32,
        weight_decay: DECAY,
        nesterov: 1,
        ..StepParams::default()
    };
    Ok(Box::new(move || {
        host.fill(&data, &data.train, &samples, n, None)?;
        io.upload(&mut device, &host)?;
        net.train_step(&mut device, &params)?;
        Ok(pollster::block_on(device.sync())?)
    }))
}

fn contestants(model: Model, place: &Place, batch: usize) -> Result<Vec<Contestant>> {
    let device = &place.burn;
    let sparse = Sparsity::new(DENSITY).with_allocation(Allocation::Uniform).convert(network::<SparseConv2d>(model, device)?)?;
    Ok(vec![
        Contestant::new("Burn", 1.0, burns(network::<Conv2d>(model, device)?, batch, device)),
        Contestant::new("Burn with our layers", 1.0, burns(network::<SparseConv2d>(model, device)?, batch, device)),
        Contestant::new("Burn with our layers", DENSITY, burns(sparse, batch, device)),
        Contestant::new("Sparring", 1.0, engines(model, place.sparring, batch, None)?),
        Contestant::new("Sparring", DENSITY, engines(model, place.sparring, batch, Some(DENSITY))?),
    ])
}

/// One device, as both know it.
struct Place {
    name: String,
    burn: Device,
    sparring: DeviceChoice,
    /// Samples of a batch of ResNet-20; of ResNet18 half as many.
    batch: usize,
}

fn places(wanted: Option<&str>) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    if wanted != Some("gpu") {
        let name = sparring_core::Device::cpu().info().name;
        places.push(Place { name, burn: Device::flex().autodiff(), sparring: DeviceChoice::Cpu, batch: 64 });
    }
    #[cfg(feature = "wgpu")]
    if wanted != Some("cpu") {
        match pollster::block_on(sparring_core::gpu::GpuDevice::open(true)) {
            Ok(gpu) => {
                let info = gpu.info();
                let kind = if info.software { burn::tensor::DeviceKind::Cpu } else { burn::tensor::DeviceKind::DefaultDevice };
                let batch = if info.software { 8 } else { 128 };
                places.push(Place { name: info.name, burn: Device::wgpu(kind).autodiff(), sparring: DeviceChoice::Gpu, batch });
            }
            Err(e) if wanted.is_none() => println!("no GPU is measured: {e}"),
            Err(e) => return Err(e.into()),
        }
    }
    match places.is_empty() {
        true => Err(format!("--device should be cpu, or gpu with the feature wgpu\n{USAGE}").into()),
        false => Ok(places),
    }
}

/// Burn's version, from the lock file that this was built with.
fn burn_version() -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    lock.split_once("name = \"burn\"\nversion = \"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or("unknown")
}

/// All contestants of a network on a device, in turns.
fn measure(model: Model, place: &Place, batch: usize, rounds: usize) -> Result<Vec<Value>> {
    println!("\n{model}, batch {batch}, {}", place.name);
    let mut all = contestants(model, place, batch)?;
    // In the first round kernels are compiled and chosen.
    for round in 0..=rounds {
        for contestant in &mut all {
            let start = Instant::now();
            (contestant.step)().map_err(|e| format!("{} at {}: {e}", contestant.name, contestant.density))?;
            if round > 0 {
                contestant.ms.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let burn = all[0].median();
    println!("  {:<22} {:>8} {:>10} {:>18}", "who", "density", "ms a step", "times as fast");
    Ok(all
        .iter()
        .map(|contestant| {
            let Contestant { name, density, ms, .. } = contestant;
            let (median, times) = (contestant.median(), burn / contestant.median());
            println!("  {name:<22} {density:>8} {median:>10.1} {times:>18.2}");
            json!({
                "model": model.to_string(), "device": place.name, "batch": batch, "who": name, "density": density, "ms": median,
                "all_ms": ms, "times_as_fast_as_burn": times,
            })
        })
        .collect())
}

fn main() -> Result<()> {
    let mut options = std::collections::BTreeMap::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let known = ["--device", "--model", "--batch", "--rounds", "--out"].contains(&name.as_str());
        match arguments.next().filter(|_| known) {
            Some(value) => options.insert(name, value),
            None => return Err(format!("'{name}' is no option, or has no value\n{USAGE}").into()),
        };
    }
    let option = |name: &str| options.get(name).map(String::as_str);
    let number = |name: &str| match option(name) {
        None => Ok(None),
        Some(text) => match text.parse::<usize>() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(format!("{name} should be a number of at least 1, found {text}")),
        },
    };
    let (batch, rounds) = (number("--batch")?, number("--rounds")?.unwrap_or(5));
    let models = match option("--model") {
        Some(name) => vec![name.parse::<Model>()?],
        None => vec![Model::ResNet20, Model::ResNet18],
    };
    let settings = json!({ "burn": burn_version(), "autotune": cfg!(feature = "autotune"), "rounds": rounds });
    let mut rows = Vec::new();
    // After each network: a measurement that is stopped keeps what it has, and a place that cannot be written is found before the first.
    let keep = |rows: &[Value]| match option("--out") {
        Some(path) => {
            std::fs::write(path, format!("{:#}\n", json!({ "settings": settings, "steps": rows }))).map_err(|e| format!("{path}: {e}"))
        }
        None => Ok(()),
    };
    keep(&rows)?;
    for place in places(option("--device"))? {
        for &model in &models {
            let usual = if model == Model::ResNet18 { place.batch / 2 } else { place.batch };
            rows.extend(measure(model, &place, batch.unwrap_or(usual), rounds)?);
            keep(&rows)?;
        }
    }
    if let Some(path) = option("--out") {
        println!("\nwritten to {path}");
    }
    Ok(())
}
