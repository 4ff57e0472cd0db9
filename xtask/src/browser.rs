//! The page and the engine in a real headless Chromium: end-to-end tests, golden kernel cases, pictures.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::page;
use crate::process;
use crate::server::{Mount, Server};
use crate::setup::{self, WasmCompiler};
use crate::stages::{Counts, Failures, Stages};
use crate::workspace::Workspace;

/// Starts a server over these folders and prepares a Node program that knows where it is.
fn node(ws: &Workspace, chromium: &Path, mounts: Vec<Mount>) -> Result<Command> {
    let server = Server::bind(0, mounts)?;
    let url = server.url()?;
    std::thread::spawn(move || server.run());
    let mut command = ws.command("node");
    command.current_dir(ws.root.join("tests").join("e2e")).env("SPARRING_URL", url).env("CHROMIUM", chromium);
    Ok(command)
}

/// The end-to-end tests on the built page: all, or the files whose names begin like one of `only`.
pub fn end_to_end(ws: &Workspace, chromium: &Path, only: &[String]) -> Result<Counts> {
    let mut tests: Vec<PathBuf> = std::fs::read_dir(ws.root.join("tests").join("e2e"))?.flatten().map(|e| e.path()).collect();
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    tests.retain(|path| name(path).ends_with(".test.mjs") && (only.is_empty() || only.iter().any(|o| name(path).starts_with(o))));
    tests.sort();
    if tests.is_empty() {
        bail!("no file of tests/e2e begins with {} and ends with .test.mjs", only.join(" or "));
    }
    let shaders = ws.target.join("shaders.json");
    if tests.iter().any(|path| name(path).starts_with("shaders")) {
        let mut write = ws.cargo();
        write.args(["test", "--quiet", "--release", "--locked", "--package", "sparring-core", "--test", "shaders"]);
        process::run(write.env("SPARRING_SHADERS_JSON", &shaders))?;
    }
    // Two files at a time; by itself what measures time, and would measure the other file.
    let (alone, beside): (Vec<_>, Vec<_>) = tests.into_iter().partition(|path| name(path).starts_with("pace"));
    let mut counts = Counts::default();
    for (files, at_a_time) in [(beside, 2), (alone, 1)] {
        if files.is_empty() {
            continue;
        }
        // Once more under a path, as a static host may show it.
        let mounts = ["/", "/some/path/"].map(|prefix| Mount { prefix, dir: page::dist(ws) });
        let mut command = node(ws, chromium, mounts.into())?;
        command.env("SPARRING_SHADERS_JSON", &shaders);
        command.args(["--test", &format!("--test-concurrency={at_a_time}"), "--test-reporter=spec"]).args(&files);
        match process::run_tests(&mut command) {
            Ok(passed) => counts += passed,
            Err(error) => counts += error.downcast::<Failures>()?.0,
        }
    }
    if counts.failed > 0 {
        bail!(Failures(counts));
    }
    Ok(counts)
}

/// Builds the tests of the page's controls as wasm and runs them. Not with the page's profile: optimising takes longer than they do.
pub fn components(ws: &Workspace, compiler: &WasmCompiler, chromium: &Path) -> Result<Counts> {
    let mut build = ws.cargo();
    compiler.apply(&mut build);
    build.args(["test", "--no-run", "--locked", "--package", "sparring-app", "--test", "components", "--message-format", "json"]);
    let messages = process::output(build.args(["--profile", "draft", "--target", "wasm32-unknown-unknown"]))?;
    let of_tests = messages.lines().filter(|line| line.contains("\"name\":\"components\""));
    let module = of_tests.filter_map(|line| line.split_once("\"executable\":\"")?.1.split('"').next()).next_back();
    let module = module.context("cargo named no module of the tests")?;
    let mut node = node(ws, chromium, Vec::new())?;
    process::run_tests(node.arg("components.mjs").arg(ws.tool("wasm-bindgen-test-runner")).arg(module))
}

/// Half an hour of training, and what becomes of the memory.
pub fn soak(ws: &Workspace, chromium: &Path, minutes: &str) -> Result<()> {
    process::run(node(ws, chromium, vec![Mount { prefix: "/", dir: page::dist(ws) }])?.args(["soak.mjs", minutes]))
}

/// Pictures of the page.
pub fn screenshots(ws: &Workspace, stages: &mut Stages, out: &Path) -> Result<()> {
    let chromium = setup::browser_tools(ws, stages)?;
    page::build(ws, stages, page::Finish::Release)?;
    std::fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    stages.need("screenshots", "1 min", || {
        process::run(node(ws, &chromium, vec![Mount { prefix: "/", dir: page::dist(ws) }])?.arg("screenshots.mjs").arg(out))
    })
}

/// Sets up and runs the golden kernel cases of a folder in the browser.
pub fn golden(ws: &Workspace, stages: &mut Stages, dir: &Path) -> Result<Counts> {
    let chromium = setup::browser_tools(ws, stages)?;
    let compiler = setup::page_tools(ws, stages)?;
    golden_prepared(ws, &compiler, &chromium, dir)
}

/// Builds the golden runner as wasm and runs the cases on the CPU backend and on WebGPU.
pub fn golden_prepared(ws: &Workspace, compiler: &WasmCompiler, chromium: &Path, dir: &Path) -> Result<Counts> {
    if !dir.join("golden.json").is_file() {
        bail!("{} has no golden.json", dir.display());
    }
    let mut build = ws.cargo();
    compiler.apply(&mut build);
    build.args([
        "build",
        "--locked",
        "--package",
        "sparring-app",
        "--bin",
        "golden",
        "--features",
        "embedded-shaders",
        "--profile",
        "page",
        "--target",
        "wasm32-unknown-unknown",
    ]);
    process::run(&mut build)?;
    let module = ws.target.join("wasm32-unknown-unknown").join("page").join("golden.wasm");
    let runner = ws.target.join("golden-runner");
    let mut bindgen = ws.command(ws.tool("wasm-bindgen"));
    process::run(bindgen.args(["--target", "web", "--no-typescript", "--out-dir"]).arg(&runner).arg(&module))?;
    let page = ws.root.join("tests").join("e2e").join("golden");
    let mounts =
        vec![Mount { prefix: "/", dir: page }, Mount { prefix: "/runner/", dir: runner }, Mount { prefix: "/cases/", dir: dir.to_owned() }];
    process::run_tests(node(ws, chromium, mounts)?.arg("golden.mjs"))
}
