//! `doctor`: what this machine offers, whether every kernel of training computes rightly on it, and how fast.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use serde_json::json;
use sparring_core::data::DatasetName;
use sparring_core::data::builtin::builtin;
use sparring_core::device::info::{DeviceChoice, Kernel, Kernels};
use sparring_core::gpu;
use sparring_core::gpu::tuning::Timing;
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Model;
use sparring_core::ops::ConvShape;
use sparring_core::{Device, ExperimentConfig, Session};

use crate::args::DeviceFlag;
use crate::console::{Console, describe};
use crate::measure::{self, Direction, Effort, Roof};
use crate::{clock, kernels, selftest};

/// Flags of `doctor`.
#[derive(clap::Args)]
pub struct DoctorArgs {
    /// Where to compute; without it, the CPU and any GPU adapter, also a software one
    #[arg(long)]
    device: Option<DeviceFlag>,
    /// Also time the kernels of products on the GPU, layer by layer of ResNet-20 and ResNet18, and keep the fastest for later runs
    #[arg(long)]
    tune: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Looks, tests, measures; any kernel that computes wrongly fails the command.
pub fn doctor(args: &DoctorArgs) -> Result<()> {
    let console = Console::new(args.json);
    console.tell(format_args!("version   {} ({})", env!("CARGO_PKG_VERSION"), env!("SPARRING_COMMIT")));
    console.tell(format_args!("system    {}", clock::system()));
    let adapters = pollster::block_on(gpu::adapters());
    for adapter in &adapters {
        console.tell(format_args!("adapter   {}", describe(adapter)));
    }
    for (number, gpu) in pollster::block_on(gpu::hardware()).iter().enumerate() {
        console.tell(format_args!("gpu {number}     {}", describe(gpu)));
    }
    if adapters.is_empty() {
        console.tell("adapter   none; a GPU needs its Vulkan, Metal or Direct3D 12 driver");
    }
    let choices = args.device.map_or_else(|| vec![DeviceChoice::Cpu, DeviceChoice::Gpu], |flag| vec![flag.into()]);
    let (mut reports, mut wrong) = (Vec::new(), 0);
    for choice in choices {
        let mut device = match pollster::block_on(Device::open(choice)) {
            Ok((device, _)) => device,
            Err(e) if args.device.is_none() && choice == DeviceChoice::Gpu => {
                console.tell(format_args!("\n{e}"));
                reports.push(json!({ "device": null, "problem": e.to_string() }));
                continue;
            }
            Err(e) => return Err(e.into()),
        };
        let (mut report, problems) = examine(console, &mut device)?;
        wrong += problems;
        if args.tune && matches!(device, Device::Gpu(_)) {
            report["tuning"] = if problems > 0 {
                console.say("note      not tuned: a kernel is wrong");
                json!({ "problem": "a kernel is wrong" })
            } else {
                // What was examined is told all the same.
                pollster::block_on(tune(console, device)).unwrap_or_else(|e| {
                    console.say(format_args!("note      not tuned: {e:#}"));
                    json!({ "problem": format!("{e:#}") })
                })
            };
        }
        reports.push(report);
    }
    console.result(&json!({ "version": env!("CARGO_PKG_VERSION"), "commit": env!("SPARRING_COMMIT"), "system": clock::system(), "adapters": adapters, "devices": reports }));
    if wrong > 0 {
        bail!("{wrong} kernels are wrong on this machine; update the driver, or use --device cpu, and report it with this output");
    }
    Ok(())
}

/// A question's timings: those of these kernels, "-" where one failed, and the fastest's share of the peak.
fn timing_row(of: &[Timing], kernels: &[Kernel], chosen: &Kernels, roof: Roof) -> Vec<String> {
    let kernel = chosen.get(&of[0].question).copied().unwrap_or(of[0].kernel);
    let timing = |kernel: Kernel| of.iter().find(|timing| timing.kernel == kernel);
    let share = |best: &Timing| format!("{:.0}%", 2e5 * best.products / best.ms / roof.flops_per_second);
    let mut row = vec![of[0].question.clone()];
    row.extend(kernels.iter().map(|&kernel| timing(kernel).map_or_else(|| "-".into(), |timing| format!("{:.3}", timing.ms))));
    row.extend([kernel.to_string(), timing(kernel).map_or_else(|| "-".into(), share)]);
    row
}

/// Times every kernel of the products of two networks for which there are several, and says which is the fastest.
async fn tune(console: Console, mut device: Device) -> Result<serde_json::Value> {
    let effort = Effort { seconds: 0.3, repeats: (3, 50) };
    let roof = measure::roof(&mut device, effort).await?;
    device.want_tuning();
    for (model, batch_size) in [(Model::ResNet20, 128), (Model::ResNet18, 64)] {
        let learners = ["dense", "set@0.2+uniform", "set@0.1+uniform"].map(str::parse).into_iter().collect::<Result<_, _>>()?;
        let config = ExperimentConfig {
            dataset: DatasetName::BuiltIn,
            subset: Subset::All,
            model,
            batch_size,
            learners,
            ..ExperimentConfig::default()
        };
        let session = Session::new(config, Arc::new(builtin(0.2, 128, 128, 1)), None, device).await?;
        kernels::keep(console, session.device());
        device = session.into_device();
    }
    let timings = match &device {
        Device::Gpu(gpu) => gpu.tuning().timings(),
        _ => &[],
    };
    let chosen = device.measured();
    let (dense, sparse): (Vec<_>, Vec<_>) = Kernel::ALL.iter().partition(|kernel| kernel.dense());
    for (what, kernels) in [("sparse product", sparse), ("dense product", dense)] {
        let of_these = timings.chunk_by(|a, b| a.question == b.question).filter(|of| kernels.contains(&of[0].kernel));
        let rows: Vec<_> = of_these.map(|of| timing_row(of, &kernels, &chosen, roof)).collect();
        let mut heads = vec![what];
        heads.extend(kernels.iter().map(|kernel| kernel.name()));
        heads.extend(["fastest", "of peak"]);
        console.table(&heads, &rows);
    }
    console.tell("milliseconds of one dispatch; of peak: the share of what the device multiplies and adds at best");
    let timings: Vec<_> =
        timings.iter().map(|t| json!({ "product": t.question, "kernel": t.kernel, "ms": t.ms, "multiply_adds": t.products })).collect();
    Ok(json!({ "roof": roof, "timings": timings, "fastest": chosen }))
}

fn examine(console: Console, device: &mut Device) -> Result<(serde_json::Value, usize)> {
    let info = device.info();
    console.tell(format_args!("\ndevice    {}", describe(&info)));
    let limits: BTreeMap<&str, u64> = if let Device::Gpu(gpu) = &*device { gpu.limits().into() } else { BTreeMap::new() };
    for (name, amount) in &limits {
        console.tell(format_args!("limit     {amount} {name}"));
    }
    // A GPU is checked against the CPU, the CPU against plain loops in float64.
    let mut twin = if matches!(device, Device::Gpu(_)) { Device::cpu() } else { Device::oracle() };
    let outcomes = pollster::block_on(selftest::run(device, &mut twin));
    let row = |o: &selftest::Check| {
        let error = o.error.map_or_else(|| "-".into(), |e| format!("{e:.1e}"));
        vec![o.kernel.to_owned(), error, o.problem.clone().unwrap_or_else(|| "right".into())]
    };
    console.table(&["kernel", "error", "result"], &outcomes.iter().map(row).collect::<Vec<_>>());
    let shape = ConvShape { c_in: 64, h_in: 32, w_in: 32, c_out: 64, h_out: 32, w_out: 32, kh: 3, kw: 3, stride: 1, pad: 1, n: 16 };
    let effort = Effort { seconds: 0.3, repeats: (3, 50) };
    let mut speeds = Vec::new();
    for density in [None, Some(0.1)] {
        let (times, nnz) = pollster::block_on(measure::layer(device, shape, density, &Direction::ALL, effort))?;
        for (direction, ms) in Direction::ALL.iter().zip(times) {
            let gflops = 2.0 * (nnz * shape.h_out * shape.w_out * shape.n) as f64 / ms / 1e6;
            speeds.push((*direction, density, ms, gflops));
        }
    }
    let row = |(direction, density, ms, gflops): &(Direction, Option<f64>, f64, f64)| {
        vec![
            format!("{}, {}", direction.name(), density.map_or_else(|| "dense".into(), |d| format!("density {d}"))),
            format!("{ms:.2}"),
            format!("{gflops:.1}"),
        ]
    };
    console.table(&["64>64 3x3 at 32x32, batch 16", "ms", "GFLOP/s"], &speeds.iter().map(row).collect::<Vec<_>>());
    let problems = outcomes.iter().filter(|o| o.problem.is_some()).count();
    let speeds: Vec<_> = speeds.iter().map(|(direction, density, ms, gflops)| json!({ "direction": direction, "density": density.unwrap_or(1.0), "ms": ms, "gflops": gflops })).collect();
    Ok((json!({ "device": info, "limits": limits, "kernels": outcomes, "throughput": speeds }), problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_failed_moves_no_other_into_its_column() {
        let timing = |kernel, ms| Timing { question: "q".into(), kernel, ms, products: 1e6 };
        let roof = Roof { bytes_per_second: 1e9, flops_per_second: 1e10 };
        let chosen = Kernels::from([("q".into(), Kernel::Tiles16)]);
        let kernels = [Kernel::Rows, Kernel::Tiles8, Kernel::Tiles16];
        let row = timing_row(&[timing(Kernel::Rows, 2.0), timing(Kernel::Tiles16, 0.5)], &kernels, &chosen, roof);
        assert_eq!(row, ["q", "2.000", "-", "0.500", "tiles-16", "40%"]);
    }
}
