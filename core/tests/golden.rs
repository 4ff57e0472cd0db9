//! The golden cases on every device there is. `SPARRING_GOLDEN=DIR` points at another folder of the same form.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use sparring_core::device::{Device, DeviceChoice};
use sparring_core::golden::{Report, run};
use sparring_core::Error;
use sparring_core::error::Result;

fn folder() -> PathBuf {
    std::env::var_os("SPARRING_GOLDEN")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")), PathBuf::from)
}

fn report(device: &mut Device) -> Report {
    let folder = folder();
    let read = |name: &str| -> Result<Vec<u8>> {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|e| Error::io(path.display(), e))
    };
    pollster::block_on(run(&read, device)).unwrap()
}

fn passes(mut device: Device) {
    let before = device.allocated_bytes();
    let report = report(&mut device);
    println!("{:?}\n{report}", device.info());
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

#[test]
fn on_a_gpu_where_there_is_one() {
    match pollster::block_on(Device::open(DeviceChoice::Gpu)) {
        Ok((device, _)) => passes(device),
        Err(why) => println!("skipped: {why}"),
    }
}
