//! The golden cases inside a browser. Only tests load this; it is no part of the page.

use js_sys::{Function, Uint8Array};
use sparring_core::device::Device;
use sparring_core::device::info::DeviceChoice;
use sparring_core::error::{Error, Result};
use sparring_core::golden;
use wasm_bindgen::prelude::*;

fn main() {}

/// Runs every case on "cpu", "gpu", or "gpu" with some kernels for all products that they can make: "gpu:tiles-16,dense-4x1". `read` gives the
/// bytes of a file of the folder, or nothing where there is none.
///
/// # Errors
/// The engine's words, where there is no such device or no index.
#[wasm_bindgen]
pub async fn run_golden(device: String, read: Function) -> std::result::Result<String, JsError> {
    let (choice, kernels) = device.split_once(':').unwrap_or((&device, ""));
    let (mut device, _) = Device::open(choice.parse::<DeviceChoice>()?).await?;
    let kernels = kernels.split(',').filter(|name| !name.is_empty()).map(str::parse).collect::<Result<Vec<_>>>()?;
    device.force(&kernels);
    let bytes = |name: &str| -> Result<Vec<u8>> {
        let value = read.call1(&JsValue::NULL, &name.into()).ok().and_then(|value| value.dyn_into::<Uint8Array>().ok());
        value.map(|array| array.to_vec()).ok_or_else(|| Error::io(name, std::io::ErrorKind::NotFound.into()))
    };
    let report = golden::run(&bytes, &mut device).await?;
    let summary = serde_json::json!({
        "device": device.info().name,
        "passed": report.passed(),
        "failed": report.failures().count(),
        "text": report.to_string(),
    });
    Ok(summary.to_string())
}
