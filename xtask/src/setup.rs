//! What the page and the tests need on a machine that has only Rust and Node, each installed only where it is missing.
//!
//! Versions are pinned: Trunk quietly downloads its own tools where the ones on the path are not the ones it wants.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::stages::Stages;
use crate::system;
use crate::workspace::Workspace;

/// Trunk bundles the page; 0.22 needs a newer compiler.
const TRUNK: &str = "0.21.14";
/// npm's build of wasm-opt; Debian's version 108 silently breaks the module.
const BINARYEN: &str = "132.0.0";
/// Looks at licences and sources of the dependencies.
const DENY: &str = "0.20.2";
const TARGET: &str = "wasm32-unknown-unknown";
/// Debian packages from which the wasm standard library is built where rustup cannot fetch it.
const DEBIAN_WASM: [&str; 5] = ["rustc-web", "rust-web-src", "rust-web-llvm", "rust-web-clippy", "lld-22"];
/// Debian packages with the daemons of a cluster; without a configuration of their own they do not start by themselves.
const SLURM: [&str; 2] = ["slurm-wlm", "munge"];
/// How long rustup may take before the other way is tried.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// The compiler that can build for the browser.
pub enum WasmCompiler {
    /// The ordinary one: it has the target's standard library.
    Ordinary,
    /// Debian's, with the standard library built from its sources.
    Debian {
        /// Its `rustc`.
        rustc: PathBuf,
    },
}

impl WasmCompiler {
    /// Sets what cargo (also one that Trunk starts) needs in its environment.
    pub fn apply(&self, command: &mut Command) {
        // Panics name the source they are in; which folder this machine keeps it in is nobody's business. Added to the configured flags.
        let flags: Vec<String> = registry_sources().iter().map(|folder| format!("--remap-path-prefix={folder}/=")).collect();
        if !flags.is_empty() {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags.join(" "));
        }
        if let Self::Debian { rustc } = self {
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
        }
    }
}

/// The folders that cargo unpacks crates in, one a registry, whose names can stand among flags; in order, so that flags are the same.
fn registry_sources() -> Vec<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let entries = home.and_then(|home| std::fs::read_dir(home.join("registry/src")).ok());
    let mut folders: Vec<String> =
        entries.into_iter().flatten().flatten().filter_map(|entry| entry.path().into_os_string().into_string().ok()).collect();
    folders.retain(|folder| !folder.contains(char::is_whitespace));
    folders.sort();
    folders
}

/// Everything to build the page.
pub fn page_tools(ws: &Workspace, stages: &mut Stages) -> Result<WasmCompiler> {
    let compiler = stages.need("wasm compiler", "up to 3 min where it must be fetched", || wasm_compiler(ws))?;
    stages.need("trunk", "up to 8 min where it must be compiled", || cargo_tool(ws, "trunk", "trunk", TRUNK, true))?;
    let bindgen = ws.locked_version("wasm-bindgen")?;
    stages.need("wasm-bindgen", "up to 5 min where it must be compiled", || {
        // With `--locked` the installed program differs from what Trunk expects, and Trunk downloads another one.
        cargo_tool(ws, "wasm-bindgen", "wasm-bindgen-cli", &bindgen, false)
    })?;
    stages.need("wasm-opt", "up to 1 min where it must be fetched", || wasm_opt(ws))?;
    Ok(compiler)
}

/// What looks at licences and sources of the dependencies.
pub fn deny(ws: &Workspace, stages: &mut Stages) -> Result<()> {
    stages.need("cargo-deny", "up to 8 min where it must be compiled", || cargo_tool(ws, "cargo-deny", "cargo-deny", DENY, true))
}

fn wasm_compiler(ws: &Workspace) -> Result<WasmCompiler> {
    if std::env::var("SPARRING_WASM").as_deref() != Ok("debian") {
        if has_wasm_std(ws) {
            println!("{TARGET} is there");
            return Ok(WasmCompiler::Ordinary);
        }
        let toolchain = process::output(ws.command("rustc").args(["--print", "sysroot"])).unwrap_or_default();
        if process::succeeds(ws.command("rustup").arg("--version")) && toolchain.contains("toolchains") {
            match process::run_within(ws.command("rustup").args(["target", "add", TARGET]), RUSTUP_LIMIT) {
                Ok(()) if has_wasm_std(ws) => return Ok(WasmCompiler::Ordinary),
                Ok(()) => println!("rustup added {TARGET} to another toolchain than the one in use; trying Debian's packages"),
                Err(error) => println!("{error:#}; trying Debian's packages"),
            }
        }
    }
    if debian_rustc(ws).is_none() {
        system::install(ws, &DEBIAN_WASM, "a compiler for wasm (`rustup target add wasm32-unknown-unknown` did not help)")?;
    }
    let rustc = debian_rustc(ws).context("Debian's rustc-web was installed but has no rustc")?;
    println!("using {} with the standard library built from source (30 s once)", rustc.display());
    Ok(WasmCompiler::Debian { rustc })
}

fn has_wasm_std(ws: &Workspace) -> bool {
    let libraries = process::output(ws.command("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    libraries.is_ok_and(|dir| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()))
}

/// `rustc` of the package rustc-web, where it and its companions are installed.
fn debian_rustc(ws: &Workspace) -> Option<PathBuf> {
    let files = |package| process::output(ws.command("dpkg").args(["--listfiles", package])).ok();
    for package in ["rust-web-src", "rust-web-llvm", "lld-22"] {
        files(package)?;
    }
    files("rustc-web")?.lines().find(|line| line.ends_with("bin/rustc")).map(PathBuf::from)
}

/// Installs a cargo tool of exactly this version into the tools folder.
fn cargo_tool(ws: &Workspace, program: &str, package: &str, version: &str, locked: bool) -> Result<()> {
    let installed = || process::output(ws.command(ws.tool(program)).arg("--version")).unwrap_or_default();
    let is_it = |text: &str| text.split_whitespace().nth(1) == Some(version);
    if is_it(&installed()) {
        println!("{program} {version} is there");
        return Ok(());
    }
    let mut command = ws.cargo();
    command.args(["install", "--force", "--version", version, "--root"]).arg(&ws.tools).arg(package);
    if locked {
        command.arg("--locked");
    }
    // Built once and run a few times: a quick build matters more than a quick program. Its own folder is thrown away.
    command.env_remove("CARGO_TARGET_DIR").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    process::run(&mut command)?;
    let found = installed();
    if !is_it(&found) {
        bail!("{program} {version} was installed, but it says '{found}'");
    }
    Ok(())
}

fn wasm_opt(ws: &Workspace) -> Result<()> {
    let prefix = ws.npm_tools();
    let program = prefix.join("node_modules").join(".bin").join("wasm-opt");
    let wanted = BINARYEN.split('.').next().unwrap_or(BINARYEN);
    let is_there = || {
        let text = process::output(ws.command(&program).arg("--version")).unwrap_or_default();
        text.split_whitespace().nth(2) == Some(wanted)
    };
    if is_there() {
        println!("wasm-opt {wanted} is there");
        return Ok(());
    }
    std::fs::create_dir_all(&prefix).with_context(|| format!("{} cannot be made", prefix.display()))?;
    npm_install(ws, &prefix, &[&format!("binaryen@{BINARYEN}")])?;
    if !is_there() {
        bail!("binaryen {BINARYEN} was installed, but {} does not run", program.display());
    }
    Ok(())
}

/// `npm install` into a folder: the named packages, or what its package.json lists. Exact versions, hence no lock file.
fn npm_install(ws: &Workspace, dir: &Path, packages: &[&str]) -> Result<()> {
    if !process::succeeds(ws.command("npm").arg("--version")) {
        bail!("npm is missing: install Node 20 or newer, which brings it");
    }
    let mut command = ws.command("npm");
    command.args(["install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(dir).args(packages);
    process::run(command.current_dir(dir))
}

/// CIFAR-10 for the native program and, packed, for the page. Without a network both use the built-in set, and say so.
pub fn data(ws: &Workspace, stages: &mut Stages) -> Result<()> {
    stages.need("native program", "up to 6 min where it must be compiled", || {
        process::run(ws.cargo().args(["build", "--release", "--locked", "--package", "sparring"]))
    })?;
    stages.need("CIFAR-10", "170 MB where it must be fetched", || {
        let sparring = || {
            let mut command = ws.cargo();
            command.args(["run", "--quiet", "--release", "--locked", "--package", "sparring", "--", "data"]);
            command
        };
        let packed = ws.root.join("public").join("data");
        let done = process::run(sparring().args(["fetch", "cifar10"]))
            .and_then(|()| process::run(sparring().arg("pack").arg("--out").arg(&packed)));
        if let Err(error) = done {
            println!("{error:#}; the page will offer the built-in set only");
        }
        Ok(())
    })
}

/// A browser, a software GPU and a cluster for the native tests, and the npm packages of the browser tests.
pub fn test_tools(ws: &Workspace, stages: &mut Stages) -> Result<PathBuf> {
    stages.need("system packages", "up to 3 min where they must be fetched", || {
        let mut missing = Vec::new();
        if !system::has_gpu_driver(ws) {
            missing.extend(["libvulkan1", "mesa-vulkan-drivers"]);
        }
        if chromium(ws).is_none() {
            missing.push("chromium");
        }
        if missing.is_empty() {
            println!("Vulkan and Chromium are there");
        } else {
            system::install(ws, &missing, "what the tests need")?;
        }
        if !system::has_slurm(ws) {
            system::install_if_allowed(ws, &SLURM, "Slurm, for a cluster on this machine,");
        }
        Ok(())
    })?;
    browser_tools(ws, stages)
}

/// A browser and the npm package that drives it.
pub fn browser_tools(ws: &Workspace, stages: &mut Stages) -> Result<PathBuf> {
    stages.need("browser", "up to 3 min where it must be fetched", || {
        if chromium(ws).is_none() {
            system::install(ws, &["chromium"], "Chromium (or its path in CHROMIUM)")?;
        }
        let dir = ws.root.join("tests").join("e2e");
        let wanted = pinned(&std::fs::read_to_string(dir.join("package.json"))?, "playwright-core");
        let installed = std::fs::read_to_string(dir.join("node_modules/playwright-core/package.json"));
        if wanted.is_none() || installed.ok().and_then(|text| pinned(&text, "version")) != wanted {
            npm_install(ws, &dir, &[])?;
        }
        chromium(ws).context("no Chromium was found: name one in CHROMIUM")
    })
}

/// The text value of a key in a JSON text, for the two flat files read here.
fn pinned(json: &str, key: &str) -> Option<String> {
    let rest = json.split_once(&format!("\"{key}\""))?.1;
    rest.split('"').nth(1).map(str::to_owned)
}

fn chromium(ws: &Workspace) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM") {
        return Some(PathBuf::from(path));
    }
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    let folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    let on_path = names.iter().flat_map(|name| folders.iter().map(move |dir| dir.join(name)));
    let mac = ["Chromium", "Google Chrome"].map(|app| PathBuf::from(format!("/Applications/{app}.app/Contents/MacOS/{app}")));
    on_path.chain(mac).find(|path| process::succeeds(ws.command(path).arg("--version")))
}

#[cfg(test)]
mod tests {
    use super::pinned;

    #[test]
    fn pinned_versions_are_read() {
        let json = "{\n  \"name\": \"x\",\n  \"dependencies\": { \"playwright-core\": \"1.65.1\" }\n}";
        assert_eq!(pinned(json, "playwright-core").as_deref(), Some("1.65.1"));
        assert_eq!(pinned(json, "other"), None);
    }
}
