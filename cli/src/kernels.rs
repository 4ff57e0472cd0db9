//! Which kernels are the fastest on this machine's adapters, kept from run to run so that a repeated run computes alike.
//!
//! A file an adapter, driver and version of program and shaders. It is only a memory: what cannot be read is measured again.

use std::path::{Path, PathBuf};

use sparring_core::device::info::Kernels;
use sparring_core::gpu::shaders;
use sparring_core::{Device, DeviceInfo};

use crate::console::Console;
use crate::{output, places};

/// Takes what was chosen before.
pub fn recall(device: &mut Device) {
    if let Some(file) = file(&device.info()) {
        device.know(read(&file));
    }
}

/// Keeps what was measured on this device since it was opened, beside what is kept already.
pub fn keep(console: Console, device: &Device) {
    let Some(file) = file(&device.info()) else { return };
    if let Err(e) = add(&file, device.measured()) {
        console.say(format_args!("note      the choice of kernels is not kept: {e:#}"));
    }
}

/// Says in one line what was measured now, if anything.
pub fn tell(console: Console, device: &Device) {
    let measured = device.measured();
    let others = measured.values().filter(|kernel| !kernel.usual()).count();
    if !measured.is_empty() {
        console.say(format_args!("tuned     {} products timed, {others} of them faster by another kernel than the usual", measured.len()));
    }
}

fn read(file: &Path) -> Kernels {
    std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn add(file: &Path, measured: Kernels) -> anyhow::Result<()> {
    let known = read(file);
    let mut all = known.clone();
    all.extend(measured);
    if all == known {
        return Ok(());
    }
    output::write(file, &serde_json::to_vec_pretty(&all)?)
}

/// `kernels/ADAPTER-BACKEND-DRIVER-VERSION-SHADERS.json` in the cache folder.
fn file(info: &DeviceInfo) -> Option<PathBuf> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: Vec<String> =
        [&info.name, &info.backend, &info.driver, env!("CARGO_PKG_VERSION")].map(|part| part.chars().map(plain).collect()).into();
    Some(places::cache_folder()?.join("kernels").join(format!("{}-{}.json", name.join("-"), shaders::fingerprint())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::device::info::Kernel;

    #[test]
    fn a_file_belongs_to_one_adapter_and_driver() {
        let info =
            DeviceInfo { name: "Radeon (TM) RX/6600".into(), backend: "vulkan".into(), driver: "24.1".into(), ..DeviceInfo::default() };
        let other = DeviceInfo { driver: "24.2".into(), ..info.clone() };
        let name = |info| file(info).unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name(&info).starts_with("Radeon--TM--RX-6600-vulkan-24-1-"), "{}", name(&info));
        assert_ne!(name(&info), name(&other));
    }

    #[test]
    fn what_is_measured_joins_what_is_kept_and_damage_is_measured_again() {
        let folder = std::env::temp_dir().join(format!("sparring-kernels-{}", std::process::id()));
        let file = folder.join("a.json");
        let of = |pairs: &[(&str, Kernel)]| pairs.iter().map(|(question, kernel)| ((*question).to_owned(), *kernel)).collect::<Kernels>();
        assert_eq!(read(&file), Kernels::new());
        add(&file, of(&[("a", Kernel::Tiles16), ("b", Kernel::Rows)])).unwrap();
        add(&file, of(&[("b", Kernel::Tiles8)])).unwrap();
        assert_eq!(read(&file), of(&[("a", Kernel::Tiles16), ("b", Kernel::Tiles8)]));
        std::fs::write(&file, "{\"a\": \"til").unwrap();
        assert_eq!(read(&file), Kernels::new());
        add(&file, of(&[("c", Kernel::Rows)])).unwrap();
        assert_eq!(read(&file), of(&[("c", Kernel::Rows)]));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
