//! `golden`: the cases of a folder on a device; the runner of tests calls it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::json;
use sparring_core::{Error, golden};

use crate::args::DeviceFlag;
use crate::console::{Console, open_device};

/// Flags of `golden`.
#[derive(clap::Args)]
pub struct GoldenArgs {
    /// Folder with golden.json
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where to compute
    #[arg(long, default_value = "cpu")]
    device: DeviceFlag,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs them; any failure fails the command.
pub fn golden(args: &GoldenArgs) -> Result<()> {
    let console = Console::new(args.json);
    let mut device = open_device(console, args.device.into())?;
    let read = |name: &str| {
        let path = args.dir.join(name);
        std::fs::read(&path).map_err(|e| Error::io(path.display(), e))
    };
    let report = pollster::block_on(golden::run(&read, &mut device))?;
    console.tell(&report);
    console.result(&json!({ "passed": report.passed(), "failed": report.failures().count(), "cases": report.cases }));
    if !report.succeeded() {
        bail!("{} golden cases failed", report.failures().count());
    }
    Ok(())
}
