//! System packages: installed with apt as root on Debian; anywhere else the exact command is printed.

use anyhow::{Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Whether this process may install packages with apt.
fn can_apt(ws: &Workspace) -> bool {
    let root = process::output(ws.command("id").arg("-u")).is_ok_and(|id| id == "0");
    root && process::succeeds(ws.command("apt-get").arg("--version"))
}

/// The command that a person installs packages with.
fn by_hand(packages: &[&str]) -> String {
    format!("sudo apt-get install --yes --no-install-recommends {}", packages.join(" "))
}

/// Installs Debian packages without which only a part of the tests is skipped; where that cannot be, it says how a person does.
pub fn install_if_allowed(ws: &Workspace, packages: &[&str], purpose: &str) {
    if can_apt(ws) {
        match install(ws, packages, purpose) {
            Ok(()) => return,
            Err(error) => println!("{error:#}"),
        }
    }
    println!("{purpose} is missing, and what needs it will be skipped; on Debian: {}", by_hand(packages));
}

/// Installs Debian packages.
///
/// # Errors
/// Where this is not root on Debian: the command that a person can run.
pub fn install(ws: &Workspace, packages: &[&str], purpose: &str) -> Result<()> {
    if !can_apt(ws) {
        bail!(
            "{purpose} is missing. On Debian, run\n\n    {}\n\nand start again; elsewhere, install the same with the system's own package \
             manager",
            by_hand(packages)
        );
    }
    let apt = || {
        let mut command = ws.command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // An old list still serves where the mirror cannot be asked.
    if let Err(error) = process::run(apt().args(["update", "--quiet"])) {
        println!("{error:#}; going on with the package lists that are there");
    }
    process::run(apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages))
}

/// Whether a Vulkan driver is there (macOS and Windows bring their own graphics interface).
pub fn has_gpu_driver(ws: &Workspace) -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let library = ["/sbin/ldconfig", "ldconfig"]
        .iter()
        .any(|program| process::output(ws.command(program).arg("-p")).is_ok_and(|list| list.contains("libvulkan.so.1")));
    let driver = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"]
        .iter()
        .any(|dir| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()));
    library && (driver || std::env::var_os("VK_ICD_FILENAMES").is_some() || std::env::var_os("VK_DRIVER_FILES").is_some())
}

/// Whether Slurm's daemons are there, with which the tests make a cluster of this machine; it runs on Linux only.
pub fn has_slurm(ws: &Workspace) -> bool {
    !cfg!(target_os = "linux") || ["slurmctld", "slurmd", "munged"].iter().all(|program| process::succeeds(ws.command(program).arg("-V")))
}
