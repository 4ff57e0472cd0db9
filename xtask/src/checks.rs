//! `test` and `validate`: every check, cheapest first, all of them run even where one fails.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::browser;
use crate::fuzz;
use crate::layers;
use crate::page;
use crate::process;
use crate::setup::{self, WasmCompiler};
use crate::stages::{Counts, Stages};
use crate::workspace::Workspace;

/// Everything but the bridge: Burn's features of wgpu would be built into the program too.
const NATIVE: [&str; 5] = ["--release", "--locked", "--workspace", "--exclude", "sparring-burn"];
const BRIDGE: [&str; 4] = ["--release", "--locked", "--package", "sparring-burn"];

/// Installs what the tests need, and runs all of them.
pub fn test(ws: &Workspace, stages: &mut Stages) -> Result<()> {
    all_tests(ws, stages)?;
    stages.verdict()
}

/// `test`, then what a release needs besides.
pub fn validate(ws: &Workspace, stages: &mut Stages) -> Result<()> {
    let compiler = all_tests(ws, stages)?;
    stages.check("clippy, wasm", "3 min from cold", || one(&mut wasm_clippy(ws, &compiler)));
    stages.check("documentation", "2 min from cold", || {
        let mut command = ws.cargo();
        command.args(["doc", "--no-deps", "--document-private-items"]).args(NATIVE).args(["--exclude", "sparring-app"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        one(&mut command)
    });
    stages.check("clippy, bridge to Burn", "15 min from cold", || {
        one(ws.cargo().arg("clippy").args(BRIDGE).args(["--features", "wgpu", "--all-targets", "--", "--deny", "warnings"]))
    });
    stages.check("documentation, bridge to Burn", "8 min from cold", || {
        let mut command = ws.cargo();
        command.args(["doc", "--no-deps"]).args(BRIDGE).args(["--features", "wgpu"]).env("RUSTDOCFLAGS", "-D warnings");
        one(&mut command)
    });
    stages.check("bridge to Burn without a GPU", "5 min from cold", || {
        one(ws.cargo().arg("clippy").args(BRIDGE).args(["--lib", "--", "--deny", "warnings"]))
    });
    stages.check("fuzz targets", "5 min from cold", || fuzz::fuzz(ws, &[], "1000", "60").map(|()| Counts::ONE));
    setup::deny(ws, stages)?;
    let deny = || ws.command(ws.tool("cargo-deny"));
    stages.check("licences, bans and sources", "", || one(deny().args(["check", "licenses", "bans", "sources"])));
    // The database of advisories lies on one host, which not every network reaches.
    if process::succeeds(deny().args(["fetch", "db"])) {
        stages.check("advisories", "", || one(deny().args(["check", "--disable-fetch", "advisories"])));
    } else {
        stages.skip("advisories", "their database cannot be fetched from here");
    }
    stages.verdict()
}

/// The golden cases of a folder on a native device.
pub fn golden_native(ws: &Workspace, dir: &Path, device: &str) -> Result<Counts> {
    let mut command = ws.cargo();
    command.args(["run", "--quiet", "--release", "--locked", "--package", "sparring", "--", "golden", "--device", device, "--dir"]);
    process::run_tests(command.arg(dir))
}

fn all_tests(ws: &Workspace, stages: &mut Stages) -> Result<WasmCompiler> {
    stages.check("format", "", || one(ws.cargo().args(["fmt", "--all", "--check"])));
    stages.check("layers", "", || layers::check(ws));
    let chromium = setup::test_tools(ws, stages)?;
    let compiler = setup::page_tools(ws, stages)?;

    stages.check("clippy, native", "6 min from cold", || {
        one(ws.cargo().arg("clippy").args(NATIVE).args(["--all-targets", "--", "--deny", "warnings"]))
    });
    stages.check("native tests", "14 min from cold", || {
        let mut command = ws.cargo();
        if process::succeeds(ws.cargo().args(["nextest", "--version"])) {
            command.args(["nextest", "run", "--no-fail-fast"]);
        } else {
            command.args(["test", "--no-fail-fast"]);
        }
        process::run_tests(command.args(NATIVE))
    });
    let cases = ws.root.join("tests").join("golden");
    stages.check("golden cases, CPU", "", || golden_native(ws, &cases, "cpu"));
    stages.check("golden cases, GPU", "", || golden_native(ws, &cases, "gpu"));
    if stages.check("build of the page", "", || page::build(ws, &mut Stages::start(), page::Finish::Release).map(|_| Counts::ONE)) {
        stages.check("size of the page", "", || page::weigh(ws));
        stages.check("page in Chromium", "2 min", || browser::end_to_end(ws, &chromium, &[]));
    } else {
        stages.skip("page in Chromium", "the page was not built");
    }
    stages.check("components in Chromium", "4 min from cold", || browser::components(ws, &compiler, &chromium));
    stages.check("golden cases, Chromium", "3 min from cold", || browser::golden_prepared(ws, &compiler, &chromium, &cases));
    // One process a file: a software GPU compiles its shaders once.
    stages.check("bridge to Burn", "30 min from cold", || {
        process::run_tests(ws.cargo().args(["test", "--no-fail-fast"]).args(BRIDGE).args(["--features", "wgpu"]))
    });
    let example = |name: &'static str, arguments: &'static [&'static str]| {
        one(ws.cargo().arg("run").args(BRIDGE).args(["--features", "wgpu", "--example", name, "--"]).args(arguments))
    };
    stages.check("bridge to Burn, a race in its learner", "", || example("race", &["short"]));
    stages.check("bridge to Burn, sparse steps are shorter", "", || example("step", &["8", "8"]));
    Ok(compiler)
}

/// The document of findings, from the tables that are committed alone: those of claims that were asked.
pub fn findings(ws: &Workspace) -> Result<()> {
    const FOLDER: &str = "docs/findings";
    let asked =
        ["density", "little-data", "layers", "corruption", "attack"].into_iter().filter(|claim| ws.root.join(FOLDER).join(claim).is_dir());
    let mut command = ws.cargo();
    command.args(["run", "--release", "--locked", "--quiet", "--package", "sparring", "--", "reproduce"]).args(asked);
    process::run(command.args(["--from", FOLDER, "--write", "docs/findings.md", "--page", "public/findings"]).current_dir(&ws.root))
}

fn one(command: &mut Command) -> Result<Counts> {
    process::run(command)?;
    Ok(Counts::ONE)
}

/// Clippy for the browser's half, with its own rules, from the compiler that has the target's standard library.
fn wasm_clippy(ws: &Workspace, compiler: &WasmCompiler) -> Command {
    let mut command = match compiler {
        WasmCompiler::Ordinary => ws.cargo(),
        WasmCompiler::Debian { rustc } => ws.command(rustc.with_file_name("cargo-clippy")),
    };
    compiler.apply(&mut command);
    command.env("CLIPPY_CONF_DIR", ws.root.join("xtask").join("clippy-wasm"));
    command.args(["clippy", "--locked", "--profile", "page", "--target", "wasm32-unknown-unknown"]);
    command.args([
        "--package",
        "sparring-core",
        "--package",
        "sparring-figures",
        "--package",
        "sparring-app",
        "--package",
        "sparring-worker",
        "--",
        "--deny",
        "warnings",
    ]);
    command
}
