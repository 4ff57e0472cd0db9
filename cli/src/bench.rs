//! `bench`: how fast the kernels and whole steps are here, dense and sparse, and PyTorch beside them where a Python has it.
//!
//! Ratios are to our own dense kernel in the same run: on a shared machine they mean more than milliseconds. On a GPU products are made by the
//! kernels that `doctor --tune` or a race chose there, else by the usual ones.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sparring_core::Device;
use sparring_core::data::Normalization;
use sparring_core::device::info::DeviceChoice;
use sparring_core::net::zoo::Model;
use sparring_core::ops::{ConvShape, Precision, padded_batch};
use sparring_figures::number;

use crate::args::{DeviceFlag, Usage};
use crate::console::{Console, describe};
use crate::measure::{self, Case, Direction, Effort};
use crate::output::Outputs;
use crate::paper::{self, Card};
use crate::{clock, import, kernels, rundir, topology};

const DENSITIES: [f64; 4] = [0.5, 0.2, 0.1, 0.05];
const PYTORCH: &str = include_str!("pytorch.py");

/// Flags of `bench`.
#[derive(clap::Args)]
pub struct BenchArgs {
    /// Where to measure; without it, every hardware GPU found and the CPU
    #[arg(long)]
    device: Option<DeviceFlag>,
    /// Measure nothing: say what steps of ResNet-20 and ResNet18 should take on this GPU, by the counts of their plans and its public figures:
    /// apple-m1, apple-m2, iris-xe, rtx-3060, rx-6600, h100 or adreno-740
    #[arg(long, value_name = "GPU", conflicts_with_all = ["device", "layers", "quick", "pytorch", "out"])]
    model: Option<String>,
    /// Samples of a batch [default: 64 for layers, 128 for steps]
    #[arg(long)]
    batch: Option<usize>,
    /// Only layers whose text (e.g. "resnet18 64x32x32>64 k3") contains one of these, comma separated; "none" for steps alone
    #[arg(long, value_delimiter = ',')]
    layers: Vec<String>,
    /// Few layers, few repeats, no whole steps of ResNet18
    #[arg(long)]
    quick: bool,
    /// A Python with torch, to measure it on this machine too
    #[arg(long, value_name = "PYTHON")]
    pytorch: Option<PathBuf>,
    /// A folder in which that Python finds a built copy of SparseProp (the package and its module `backend`), to measure its layers too
    #[arg(long, value_name = "DIR", requires = "pytorch")]
    sparseprop: Option<PathBuf>,
    /// Where to write the numbers [default: docs/benchmarks/DATE-DEVICE.json]
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// A distinct layer of the two networks.
struct Layer {
    text: String,
    shape: ConvShape,
}

/// Measures, prints, writes.
pub fn bench(args: &BenchArgs) -> Result<()> {
    let console = Outputs::new(args.json).output("--out", args.out.as_deref()).check()?;
    if args.batch == Some(0) {
        return Err(Usage("--batch must be at least 1, found 0".into()).into());
    }
    if let Some(name) = &args.model {
        console.result(&paper::predict(console, Card::find(name)?, args.batch.unwrap_or(128))?);
        return Ok(());
    }
    let layers = select(args)?;
    let devices = devices(args.device)?;
    if args.out.is_some() && devices.len() > 1 {
        bail!("--out names one file, but there are {} devices; choose one with --device", devices.len());
    }
    let pytorch = match &args.pytorch {
        Some(python) => {
            console.say(format_args!("pytorch   {} on {} layers and whole steps", python.display(), layers.len()));
            Some(pytorch(python, args, &layers)?)
        }
        None => None,
    };
    let mut results = Vec::new();
    for choice in devices {
        let mut result = measure_device(console, args, choice, &layers)?;
        if let Some(pytorch) = &pytorch {
            compare(console, args, &layers, &mut result, pytorch);
        }
        let name = result["device"]["name"].as_str().unwrap_or("device");
        let path = args.out.clone().unwrap_or_else(|| format!("docs/benchmarks/{}-{}.json", clock::today(), slug(name)).into());
        rundir::write(&path, format!("{result:#}\n").as_bytes())?;
        console.say(format_args!("output    {}", path.display()));
        results.push(result);
    }
    console.result(&Value::Array(results));
    Ok(())
}

/// The distinct convolutions of ResNet18 and VGG16 on 32x32 images.
fn select(args: &BenchArgs) -> Result<Vec<Layer>> {
    let n = padded_batch(args.batch.unwrap_or(64));
    let mut layers: Vec<Layer> = Vec::new();
    for model in [Model::ResNet18, Model::Vgg16] {
        for weight in import::graph(model.into(), Normalization::Cifar10, 10, (3, 32, 32))?.weights() {
            let shape = ConvShape { n, ..weight.shape };
            if layers.iter().any(|l| l.shape == shape) || shape.h_out == 1 && shape.kh == 1 {
                continue;
            }
            let stride = if shape.stride > 1 { format!("/{}", shape.stride) } else { String::new() };
            layers.push(Layer {
                text: format!("{model} {}x{}x{}>{} k{}{stride}", shape.c_in, shape.h_in, shape.w_in, shape.c_out, shape.kh),
                shape,
            });
        }
    }
    if args.quick {
        layers.retain(|l| l.shape.c_in == l.shape.c_out && l.text.starts_with("resnet18"));
    }
    if !args.layers.is_empty() {
        let all: Vec<String> = layers.iter().map(|l| l.text.clone()).collect();
        layers.retain(|l| args.layers.iter().any(|part| l.text.contains(part.as_str())));
        if layers.is_empty() && args.layers.iter().all(|part| part != "none") {
            bail!("no layer's text contains {}; there are: {}", args.layers.join(" or "), all.join(", "));
        }
    }
    Ok(layers)
}

fn devices(flag: Option<DeviceFlag>) -> Result<Vec<DeviceChoice>> {
    if let Some(flag) = flag {
        return Ok(vec![flag.into()]);
    }
    let (device, _) = pollster::block_on(Device::open(DeviceChoice::Auto))?;
    Ok(if matches!(device, Device::Gpu(_)) { vec![DeviceChoice::Auto, DeviceChoice::Cpu] } else { vec![DeviceChoice::Cpu] })
}

fn open(choice: DeviceChoice) -> Result<Device> {
    let (mut device, _) = pollster::block_on(Device::open(choice))?;
    kernels::recall(&mut device);
    Ok(device)
}

fn measure_device(console: Console, args: &BenchArgs, choice: DeviceChoice, layers: &[Layer]) -> Result<Value> {
    let effort = if args.quick { Effort { seconds: 0.2, repeats: (3, 50) } } else { Effort { seconds: 0.5, repeats: (5, 100) } };
    let mut device = open(choice)?;
    let info = device.info();
    console.say(format_args!("device    {}", describe(&info)));
    let mut header = vec!["layer".to_owned(), "direction".into(), "dense ms".into(), "GFLOP/s".into()];
    header.extend(DENSITIES.iter().map(|d| format!("x at {d}")));
    let (mut rows, mut measured) = (Vec::new(), Vec::new());
    for layer in layers {
        let mut by_density = Vec::new();
        for density in std::iter::once(None).chain(DENSITIES.map(Some)) {
            let times = pollster::block_on(measure::layer(&mut device, layer.shape, density, &Direction::ALL, effort));
            by_density.push((density, times.with_context(|| layer.text.clone())?));
        }
        let dense = by_density.first().map(|(_, (times, _))| times.clone()).unwrap_or_default();
        for (i, direction) in Direction::ALL.iter().enumerate() {
            let mut row = vec![layer.text.clone(), direction.name().to_owned()];
            for (density, (times, nnz)) in &by_density {
                let flops = 2.0 * (nnz * layer.shape.h_out * layer.shape.w_out * layer.shape.n) as f64;
                let (gflops, ratio) = (flops / times[i] / 1e6, dense[i] / times[i]);
                match density {
                    None => row.extend([format!("{:.2}", times[i]), format!("{gflops:.0}")]),
                    Some(_) => row.push(format!("{ratio:.2}")),
                }
                measured.push(json!({
                    "layer": layer.text, "direction": direction, "density": density.unwrap_or(1.0), "sparse": density.is_some(),
                    "batch": layer.shape.n, "ms": times[i], "gflops": gflops, "speedup_over_dense": ratio,
                }));
            }
            rows.push(row);
        }
    }
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    if !rows.is_empty() {
        console.table(&header, &rows);
    }
    drop(device);
    let steps = steps(console, args, choice, effort)?;
    let floors = floors(console, args, choice, effort)?;
    let updates = updates(console, args, choice)?;
    Ok(json!({
        "date": clock::now(), "commit": env!("SPARRING_COMMIT"), "version": env!("CARGO_PKG_VERSION"), "system": clock::system(),
        "device": info, "layers": measured, "steps": steps, "floor": floors, "topology_updates": updates,
    }))
}

/// What a row says of how activations are stored.
fn stored(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "",
        Precision::Bf16 => ", bf16",
    }
}

/// The networks whose steps are measured.
fn models(args: &BenchArgs) -> &'static [Model] {
    if args.quick { &[Model::ResNet20] } else { &[Model::ResNet20, Model::ResNet18] }
}

/// Whole steps at uniform density, and with activations computed twice: milliseconds, how much of the possible speed-up was
/// reached, and memory.
fn steps(console: Console, args: &BenchArgs, choice: DeviceChoice, effort: Effort) -> Result<Vec<Value>> {
    let batch = args.batch.unwrap_or(128);
    let effort = Effort { repeats: (3, 30), ..effort };
    let (mut rows, mut out) = (Vec::new(), Vec::new());
    for &model in models(args) {
        let mut dense: Option<measure::Step> = None;
        let densities = || std::iter::once(None).chain(DENSITIES.map(Some));
        let plain = densities().map(|density| (density, false, Precision::F32));
        let twice = [None, Some(0.1)].map(|density| (density, true, Precision::F32));
        let halves = densities().map(|density| (density, false, Precision::Bf16));
        for (density, recompute, precision) in plain.chain(twice).chain(halves) {
            let case = Case { model, batch, density, recompute, precision };
            let step = pollster::block_on(measure::step(open(choice)?, case, effort)).with_context(|| format!("a step of {model}"))?;
            let first = *dense.get_or_insert(step);
            let (achieved, ideal) = (first.ms / step.ms, first.flops as f64 / step.flops as f64);
            rows.push(vec![
                format!("{model} step, batch {batch}{}{}", if recompute { ", recompute" } else { "" }, stored(precision)),
                density.map_or_else(|| "dense".into(), |d| d.to_string()),
                format!("{:.1}", step.ms),
                format!("{:.0}", step.flops as f64 / step.ms / 1e6),
                format!("{achieved:.2}"),
                format!("{ideal:.2}"),
                number::percent(achieved / ideal, 0),
                format!("{:.0}", step.bytes as f64 / 1e6),
                format!("{:.0}", step.step_bytes as f64 / 1e6),
            ]);
            out.push(json!({
                "model": model, "batch": batch, "density": density.unwrap_or(1.0), "sparse": density.is_some(), "ms": step.ms, "flops": step.flops,
                "speedup": achieved, "ideal_speedup": ideal, "device_bytes": step.bytes, "step_bytes": step.step_bytes, "recompute": recompute,
                "precision": precision,
            }));
        }
    }
    console.table(&["step", "density", "ms", "GFLOP/s", "speed-up", "ideal", "reached", "MB", "in a step"], &rows);
    Ok(out)
}

/// Steps op by op beside their floor: what the device needs at least to move their bytes and do their arithmetic.
fn floors(console: Console, args: &BenchArgs, choice: DeviceChoice, effort: Effort) -> Result<Value> {
    let batch = args.batch.unwrap_or(128);
    let roof = pollster::block_on(measure::roof(&mut open(choice)?, effort)).context("the probes of bandwidth and arithmetic")?;
    console.tell(format_args!(
        "roof      {:.1} GB/s moved, {:.0} GFLOP/s computed, by probes of this device\n",
        roof.bytes_per_second / 1e9,
        roof.flops_per_second / 1e9
    ));
    let effort = Effort { seconds: 0.0, repeats: (3, 3) };
    let mut steps = Vec::new();
    for &model in models(args) {
        let cases = [None, Some(0.1)].map(|density| Precision::ALL.iter().map(move |&precision| (density, precision)));
        for (density, precision) in cases.into_iter().flatten() {
            let case = Case { model, batch, density, recompute: false, precision };
            let ops = pollster::block_on(measure::ops(open(choice)?, case, roof, effort))
                .with_context(|| format!("the ops of a step of {model}"))?;
            let total = |of: fn(&measure::OpTime) -> f64| ops.iter().map(of).sum::<f64>();
            let row = |name: &str, count: usize, [bytes, flops, floor, ms]: [f64; 4]| {
                vec![
                    name.to_owned(),
                    count.to_string(),
                    format!("{:.0}", bytes / 1e6),
                    format!("{:.0}", flops / 1e6),
                    format!("{floor:.2}"),
                    format!("{ms:.2}"),
                    number::percent(floor / ms, 0),
                ]
            };
            let mut rows: Vec<_> =
                ops.iter().map(|op| row(op.op, op.count, [op.bytes as f64, op.flops as f64, op.floor_ms, op.ms])).collect();
            let sums = [total(|op| op.bytes as f64), total(|op| op.flops as f64), total(|op| op.floor_ms), total(|op| op.ms)];
            rows.push(row("all", ops.iter().map(|op| op.count).sum(), sums));
            let what = density.map_or_else(|| "dense".into(), |d| d.to_string());
            let title = format!("{model} {what}, batch {batch}{}", stored(precision));
            console.table(&[&title, "ops", "MB", "MFLOP", "floor ms", "ms", "reached"], &rows);
            steps.push(json!({
                "model": model, "density": density.unwrap_or(1.0), "sparse": density.is_some(), "batch": batch, "precision": precision, "ops": ops,
            }));
        }
    }
    Ok(json!({ "roof": roof, "steps": steps }))
}

/// Topology updates: what one costs beside the step that it follows.
fn updates(console: Console, args: &BenchArgs, choice: DeviceChoice) -> Result<Vec<Value>> {
    let model = if args.quick { Model::ResNet20 } else { Model::ResNet18 };
    let (mut rows, mut out) = (Vec::new(), Vec::new());
    for learner in topology::LEARNERS {
        let ms = pollster::block_on(topology::update(open(choice)?, model, learner)).with_context(|| format!("an update of {learner}"))?;
        rows.push(vec![format!("{model} {learner}"), format!("{ms:.0}")]);
        out.push(json!({ "model": model, "learner": learner, "ms": ms }));
    }
    console.table(&["topology update", "ms"], &rows);
    Ok(out)
}

/// Runs the embedded script.
fn pytorch(python: &PathBuf, args: &BenchArgs, layers: &[Layer]) -> Result<Value> {
    let shape = |s: &ConvShape| json!({ "n": s.n, "c_in": s.c_in, "h_in": s.h_in, "w_in": s.w_in, "c_out": s.c_out, "kh": s.kh, "kw": s.kw, "stride": s.stride, "pad": s.pad });
    let job = json!({
        "models": models(args).iter().map(ToString::to_string).collect::<Vec<_>>(),
        "layers": layers.iter().map(|l| shape(&l.shape)).collect::<Vec<_>>(),
        "batch": args.batch.unwrap_or(128), "density": 0.1, "seconds": if args.quick { 0.2 } else { 0.5 }, "threads": 0,
        "sparseprop": args.sparseprop,
    });
    let mut child = Command::new(python)
        .args(["-c", PYTORCH])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", python.display()))?;
    if let Some(mut input) = child.stdin.take() {
        // A script that ended early says why on standard error.
        let _ = input.write_all(job.to_string().as_bytes());
    }
    let output = child.wait_with_output().context("waiting for PyTorch")?;
    if !output.status.success() {
        bail!("{} failed ({}); does it have torch?", python.display(), output.status);
    }
    serde_json::from_slice(&output.stdout).context("the PyTorch script's JSON")
}

/// The lower of what both layouts of PyTorch's tensors give.
fn best(of: &Value, key: &str) -> f64 {
    ["nchw", "channels_last"].iter().filter_map(|form| of[*form][key].as_f64()).fold(f64::INFINITY, f64::min)
}

/// Our milliseconds by layer, direction and density.
type Ours = BTreeMap<(String, String, String), f64>;

/// Our times and memory beside PyTorch's best layout, and beside SparseProp's layers.
fn compare(console: Console, args: &BenchArgs, layers: &[Layer], result: &mut Value, pytorch: &Value) {
    let mut ours = Ours::new();
    for m in result["layers"].as_array().into_iter().flatten() {
        let key = |k: &str| m[k].as_str().unwrap_or_default().to_owned();
        ours.insert((key("layer"), key("direction"), m["density"].to_string()), m["ms"].as_f64().unwrap_or(f64::NAN));
    }
    beside_sparseprop(console, layers, &ours, pytorch);
    let mut rows = Vec::new();
    for (layer, times) in layers.iter().zip(pytorch["layers"].as_array().into_iter().flatten()) {
        for direction in Direction::ALL {
            let torch = best(times, &direction.key());
            let our = |density: &str| ours.get(&(layer.text.clone(), direction.key(), density.to_owned())).copied().unwrap_or(f64::NAN);
            rows.push(vec![
                layer.text.clone(),
                direction.name().to_owned(),
                format!("{torch:.2}"),
                format!("{:.2}", our("1.0")),
                format!("{:.2}", our("0.1")),
                format!("{:.2}", torch / our("1.0")),
                format!("{:.2}", torch / our("0.1")),
            ]);
        }
    }
    console.table(&["layer", "direction", "PyTorch ms", "dense ms", "0.1 ms", "PyTorch/dense", "PyTorch/0.1"], &rows);
    let mut rows = Vec::new();
    let mut memory = Vec::new();
    for model in models(args) {
        let name = model.to_string();
        let (step, growth) = (&pytorch["steps"][&name], &pytorch["memory"][&name]);
        let (dense, masked) = (best(step, "dense"), best(step, "masked"));
        for ours in result["steps"].as_array().into_iter().flatten() {
            if let Some(ms) = ours["ms"].as_f64().filter(|_| ours["model"] == name.as_str() && ours["recompute"] == false) {
                let sparse = ours["sparse"] == true;
                let (theirs, beside) = if sparse { ("masked", masked) } else { ("dense", dense) };
                let density = if sparse { ours["density"].to_string() } else { "dense".into() };
                let precision = ours["precision"].as_str().and_then(|name| name.parse().ok()).unwrap_or(Precision::F32);
                let cells = [
                    format!("{model} step{}", stored(precision)),
                    density,
                    format!("{ms:.1}"),
                    theirs.into(),
                    format!("{beside:.1}"),
                    format!("{:.2}", ms / beside),
                ];
                rows.push(cells.to_vec());
                let (bytes, grown) = (ours["device_bytes"].as_f64().unwrap_or(f64::NAN), best(growth, theirs));
                if grown.is_finite() {
                    let [model, density, _, theirs, ..] = cells;
                    let [bytes, grown, ratio] =
                        [format!("{:.0}", bytes / 1e6), format!("{:.0}", grown / 1e6), format!("{:.2}", bytes / grown)];
                    memory.push(vec![model, density, bytes, theirs, grown, ratio]);
                }
            }
        }
    }
    console.table(&["step", "density", "ms", "PyTorch", "ms", "ours/PyTorch"], &rows);
    console.table(&["memory of a", "density", "buffers MB", "PyTorch", "grows by MB", "ours/PyTorch"], &memory);
    result["pytorch"] = pytorch.clone();
}

/// All directions of each layer at 0.1 beside SparseProp: its module, which also turns its tensors, and its kernels alone.
fn beside_sparseprop(console: Console, layers: &[Layer], ours: &Ours, pytorch: &Value) {
    let mut rows = Vec::new();
    for (layer, times) in layers.iter().zip(pytorch["sparseprop"].as_array().into_iter().flatten()) {
        let at = |d: &Direction| ours.get(&(layer.text.clone(), d.key(), "0.1".to_owned())).copied().unwrap_or(f64::NAN);
        let our: f64 = Direction::ALL.iter().map(at).sum();
        let [module, kernels] = ["module", "kernels"].map(|what| times[what]["all"].as_f64());
        if let (Some(module), Some(kernels)) = (module, kernels) {
            let [ms, module_ms, kernels_ms] = [our, module, kernels].map(|ms| format!("{ms:.2}"));
            rows.push(vec![layer.text.clone(), ms, module_ms, format!("{:.2}", module / our), kernels_ms, format!("{:.2}", kernels / our)]);
        }
    }
    if !rows.is_empty() {
        console.table(&["three directions at 0.1", "ms", "SparseProp ms", "times ours", "its kernels ms", "times ours"], &rows);
    }
}

fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_distinct_and_can_be_chosen() {
        let args = |layers: &[&str], quick| BenchArgs {
            device: None,
            model: None,
            batch: None,
            layers: layers.iter().map(|s| (*s).to_owned()).collect(),
            quick,
            pytorch: None,
            sparseprop: None,
            out: None,
            json: false,
        };
        let all = select(&args(&[], false)).unwrap_or_default();
        assert!(all.len() == 15 && all.iter().all(|l| l.shape.n == 64), "{}", all.len());
        assert_eq!(select(&args(&["64x32x32>64 k3"], false)).unwrap_or_default().len(), 1);
        assert_eq!(select(&args(&["none"], false)).map(|l| l.len()).ok(), Some(0));
        assert!(select(&args(&["nonsense"], false)).is_err_and(|e| e.to_string().contains("resnet18 64x32x32>64 k3")));
        assert!(select(&args(&[], true)).unwrap_or_default().len() < 6);
        assert_eq!(slug("AMD EPYC, 2 threads"), "amd-epyc-2-threads");
    }

    #[test]
    fn a_tiny_layer_and_step_are_measured() {
        let effort = Effort { seconds: 0.0, repeats: (1, 2) };
        let shape = ConvShape { c_in: 4, h_in: 8, w_in: 8, c_out: 8, h_out: 8, w_out: 8, kh: 3, kw: 3, stride: 1, pad: 1, n: 4 };
        let mut device = Device::cpu();
        for density in [None, Some(0.1)] {
            let measured = pollster::block_on(measure::layer(&mut device, shape, density, &Direction::ALL, effort));
            assert!(
                measured
                    .is_ok_and(|(t, nnz)| t.len() == 3 && t.iter().all(|ms| *ms > 0.0) && nnz == if density.is_some() { 29 } else { 288 })
            );
        }
        assert_eq!(device.allocated_bytes(), 0, "everything was given back");
        for precision in [Precision::F32, Precision::Bf16] {
            let case = Case { model: Model::Tiny, batch: 5, density: Some(0.2), recompute: true, precision };
            let step = pollster::block_on(measure::step(Device::cpu(), case, effort));
            assert!(step.is_ok_and(|s| s.ms > 0.0 && s.flops > 0));
        }
    }
}
