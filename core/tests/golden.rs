//! The golden cases on every device there is. `SPARRING_GOLDEN=DIR` points at another folder of the same form.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use safetensors::SafeTensors;
use sparring_core::Error;
use sparring_core::device::Device;
use sparring_core::device::info::{DeviceChoice, Kernel};
use sparring_core::error::Result;
use sparring_core::golden::{INDEX, run};

fn folder() -> PathBuf {
    std::env::var_os("SPARRING_GOLDEN")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")), PathBuf::from)
}

fn read(name: &str) -> Result<Vec<u8>> {
    let path = folder().join(name);
    std::fs::read(&path).map_err(|e| Error::io(path.display(), e))
}

fn passes(mut device: Device) {
    let before = device.allocated_bytes();
    let report = pollster::block_on(run(&read, &mut device)).unwrap();
    println!("{:?}", device.info());
    for case in &report.cases {
        println!("{}: {:?}", case.name, case.finding);
    }
    println!("{report}");
    assert!(report.succeeded(), "{report}");
    assert_eq!(device.allocated_bytes(), before, "cases leave nothing behind");
}

#[test]
fn on_the_cpu() {
    passes(Device::cpu());
}

#[test]
fn on_the_oracle() {
    passes(Device::oracle());
}

/// Whether a tensor of a case of this kind is an expected output.
fn expected(kind: &str, tensor: &str) -> bool {
    match kind {
        "conv2d" | "linear" => ["y", "dx", "dweight", "dbias"].contains(&tensor),
        "batchnorm" => ["y", "y_eval", "dx", "dgamma", "dbeta", "running_mean", "running_var"].contains(&tensor),
        "scores" => ["dlogits", "loss", "el2n", "el2n_norm", "true_probability", "mean_loss"].contains(&tensor),
        // One pixel of JPEG's mean difference is nothing: it has a test of its own.
        "corruption" => tensor.starts_with("severity"),
        "optimizer" => tensor == "ps",
        "topology" => tensor.starts_with("keep_") || tensor.starts_with("grow_"),
        "global-magnitude" => tensor.starts_with('m'),
        "net" => {
            ["losses", "logits_eval", "grand"].contains(&tensor) || ["final.", "snip.", "grasp."].iter().any(|p| tensor.starts_with(p))
        }
        "forgetting" => ["forgetting_events", "never_learned"].contains(&tensor),
        _ => false,
    }
}

/// The runner must notice one wrong value in any expected output of any case.
#[test]
fn one_wrong_value_fails() {
    let mut device = Device::cpu();
    let index: Vec<serde_json::Value> = serde_json::from_slice(&read(INDEX).unwrap()).unwrap();
    let mut tried = 0;
    for case in index {
        let (Some(kind), Some(file)) = (case["kind"].as_str(), case["file"].as_str()) else { continue };
        if case["name"] == "jpeg_compression" {
            continue;
        }
        let bytes = read(file).unwrap();
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter().filter(|(name, _)| expected(kind, name)) {
            let values: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            let Some(largest) = (0..values.len()).max_by(|a, b| values[*a].abs().total_cmp(&values[*b].abs())) else { continue };
            let changed = match values[largest] {
                0.0 => 1e-6,
                1.0 if kind == "topology" || kind == "global-magnitude" => 0.0,
                value => value * 1.1,
            };
            let at = view.data().as_ptr() as usize - bytes.as_ptr() as usize + 4 * largest;
            let mut wrong = bytes.clone();
            wrong[at..at + 4].copy_from_slice(&changed.to_le_bytes());
            let read = |asked: &str| Ok(if asked == INDEX { serde_json::to_vec(&[&case]).unwrap() } else { wrong.clone() });
            let report = pollster::block_on(run(&read, &mut device)).unwrap();
            assert_eq!(report.failures().count(), 1, "{file}, {name}: a wrong value passed");
            tried += 1;
        }
    }
    assert!(tried > 100, "only {tried} wrong values tried");
}

/// JPEG is compared by its mean difference: every pixel a little too bright must be noticed, in each severity.
#[test]
fn a_brighter_jpeg_fails() {
    let index: Vec<serde_json::Value> = serde_json::from_slice(&read(INDEX).unwrap()).unwrap();
    for case in index.iter().filter(|case| case["kind"] == "corruption" && case["name"] == "jpeg_compression") {
        let bytes = read(case["file"].as_str().unwrap()).unwrap();
        for severity in 1..=5 {
            let mut wrong = bytes.clone();
            let parsed = SafeTensors::deserialize(&bytes).unwrap();
            let data = parsed.tensor(&format!("severity{severity}")).unwrap().data();
            let at = data.as_ptr() as usize - bytes.as_ptr() as usize;
            for value in wrong[at..at + data.len()].chunks_exact_mut(4) {
                let brighter = f32::from_le_bytes(value.try_into().unwrap()) + 0.04;
                value.copy_from_slice(&brighter.to_le_bytes());
            }
            let read = |asked: &str| Ok(if asked == INDEX { serde_json::to_vec(&[case]).unwrap() } else { wrong.clone() });
            let report = pollster::block_on(run(&read, &mut Device::cpu())).unwrap();
            assert_eq!(report.failures().count(), 1, "severity {severity}");
        }
    }
}

/// Whichever kernels make the products.
#[test]
fn on_a_gpu_where_there_is_one() {
    let (sparse, dense): (Vec<_>, Vec<_>) = Kernel::ALL.iter().partition(|kernel| !kernel.dense());
    for kernels in sparse.into_iter().zip(dense) {
        match pollster::block_on(Device::open(DeviceChoice::Gpu)) {
            Ok((mut device, _)) => {
                device.force(&[kernels.0, kernels.1]);
                passes(device);
            }
            Err(why) => println!("skipped: {why}"),
        }
    }
}

/// A hundredth of an attack's pixels may be off: two hundredths must be noticed, in each attack.
#[test]
fn attacks_with_too_many_wrong_pixels_fail() {
    let index: Vec<serde_json::Value> = serde_json::from_slice(&read(INDEX).unwrap()).unwrap();
    let case = index.iter().find(|case| case["kind"] == "attack").unwrap();
    let bytes = read(case["file"].as_str().unwrap()).unwrap();
    for name in ["fgsm", "linf_zero_start", "linf_random_start", "l2_zero_start", "l2_random_start"] {
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let view = tensors.tensor(name).unwrap();
        let at = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        let mut wrong = bytes.clone();
        for pixel in wrong[at..at + view.data().len()].chunks_exact_mut(4).step_by(50) {
            let value = f32::from_le_bytes(pixel.try_into().unwrap());
            pixel.copy_from_slice(&(value + 2e-4).to_le_bytes());
        }
        let read = |asked: &str| Ok(if asked == INDEX { serde_json::to_vec(&[case]).unwrap() } else { wrong.clone() });
        let report = pollster::block_on(run(&read, &mut Device::cpu())).unwrap();
        assert_eq!(report.failures().count(), 1, "{name}: wrong pixels passed");
    }
}
