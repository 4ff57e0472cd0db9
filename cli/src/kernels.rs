//! Which sparse kernels are the fastest on this machine's adapters, kept from run to run so that a repeated run computes alike.
//!
//! A file an adapter, driver and version of the shaders. It is only a memory: what cannot be read is measured again.

use std::path::PathBuf;

use sparring_core::device::info::{Kernels, SparseKernel};
use sparring_core::gpu::shaders;
use sparring_core::{Device, DeviceInfo};

use crate::console::Console;
use crate::{output, places};

/// Takes what was chosen before.
pub fn recall(device: &mut Device) {
    let read = file(&device.info()).and_then(|file| std::fs::read(file).ok());
    if let Some(kernels) = read.and_then(|bytes| serde_json::from_slice::<Kernels>(&bytes).ok()) {
        device.use_kernels(kernels);
    }
}

/// Keeps what was chosen.
pub fn keep(console: Console, device: &Device) {
    let info = device.info();
    let Some(file) = file(&info).filter(|_| !info.kernels.is_empty()) else { return };
    let Ok(bytes) = serde_json::to_vec_pretty(&info.kernels) else { return };
    if std::fs::read(&file).is_ok_and(|known| known == bytes) {
        return;
    }
    if let Err(e) = output::write(&file, &bytes) {
        console.say(format_args!("note      the choice of kernels is not kept: {e:#}"));
    }
}

/// Says in one line what was measured now, if anything.
pub fn tell(console: Console, device: &Device) {
    let Device::Gpu(gpu) = device else { return };
    let (timed, chosen) = (gpu.tuning().timings().len() / SparseKernel::ALL.len(), gpu.tuning().known());
    if timed > 0 {
        let tiled = chosen.values().filter(|kernel| **kernel != SparseKernel::Rows).count();
        console.say(format_args!("tuned     {timed} sparse products; {tiled} of {} are made in tiles", chosen.len()));
    }
}

/// `kernels/ADAPTER-BACKEND-DRIVER-SHADERS.json` in the cache folder.
fn file(info: &DeviceInfo) -> Option<PathBuf> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = [&info.name, &info.backend, &info.driver].map(|part| part.chars().map(plain).collect::<String>()).join("-");
    Some(places::cache_folder()?.join("kernels").join(format!("{name}-{}.json", shaders::fingerprint())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_file_belongs_to_one_adapter_and_driver() {
        let info =
            DeviceInfo { name: "Radeon (TM) RX/6600".into(), backend: "vulkan".into(), driver: "24.1".into(), ..DeviceInfo::default() };
        let other = DeviceInfo { driver: "24.2".into(), ..info.clone() };
        let name = |info| file(info).unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name(&info).starts_with("Radeon--TM--RX-6600-vulkan-24-1-"), "{}", name(&info));
        assert_ne!(name(&info), name(&other));
    }
}
