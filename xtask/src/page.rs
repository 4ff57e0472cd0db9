//! The page: built by Trunk with pinned tools, weighed, and served.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::bare::bare;
use crate::compress;
use crate::document;
use crate::offline;
use crate::process;
use crate::server::{Mount, Server};
use crate::setup::{self, WasmCompiler};
use crate::stages::{Counts, Stages};
use crate::workspace::Workspace;

/// What a module of the page may weigh, gzip-compressed, in bytes: a visitor on a phone waits for the page, and the trainer arrives while it is read.
const LIMITS: [(&str, usize); 2] = [("page", 635_000), ("trainer", 775_000)];

/// Where the built page lies.
pub fn dist(ws: &Workspace) -> PathBuf {
    ws.root.join("dist")
}

/// How a page is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// As visitors get it: small.
    Release,
    /// As its authors try it: soon.
    Draft,
}

impl Finish {
    /// What the first argument asks for, and the others.
    pub fn taken(arguments: &[String]) -> (Self, &[String]) {
        match arguments {
            [draft, rest @ ..] if draft == "--draft" => (Self::Draft, rest),
            _ => (Self::Release, arguments),
        }
    }
}

/// Sets up what is missing and builds the page.
pub fn build(ws: &Workspace, stages: &mut Stages, finish: Finish) -> Result<WasmCompiler> {
    let compiler = setup::page_tools(ws, stages)?;
    stages.need("page", "up to 8 min from cold", || {
        let mut trunk = ws.command(ws.tool("trunk"));
        compiler.apply(&mut trunk);
        if finish == Finish::Draft {
            // wasm-opt is left out of what is no release.
            trunk.env("TRUNK_BUILD_RELEASE", "false");
        }
        process::run(trunk.args(["build", "--skip-version-check"]).env_remove("NO_COLOR"))?;
        write_shaders(ws)?;
        write_licences(ws)?;
        document::write(ws, &dist(ws))?;
        offline::write(&dist(ws))?;
        // A draft is sent as it is.
        if finish == Finish::Release { compress::write(ws, &dist(ws)) } else { Ok(()) }
    })?;
    Ok(compiler)
}

/// The page's shaders as one text, without comments; a visitor without a GPU does not fetch it (`sparring_core::gpu::shaders`).
fn write_shaders(ws: &Workspace) -> Result<()> {
    let mut text = String::new();
    for folder in ["shaders", "shaders/shared"] {
        let folder = ws.root.join(folder);
        let entries = std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "wgsl")).collect();
        files.sort();
        for file in files {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let source = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            text.push_str(&format!("@shader {name}\n{}", bare(&source)));
        }
    }
    let path = dist(ws).join("shaders.txt");
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// The licences as files that a browser shows.
fn write_licences(ws: &Workspace) -> Result<()> {
    for (licence, name) in [("LICENSE-MIT", "licence-mit.txt"), ("LICENSE-APACHE", "licence-apache.txt")] {
        std::fs::copy(ws.root.join(licence), dist(ws).join(name)).with_context(|| format!("{licence} cannot be copied to {name}"))?;
    }
    Ok(())
}

/// Sets up, builds, and serves until interrupted.
pub fn serve(ws: &Workspace, stages: &mut Stages, finish: Finish, port: u16) -> Result<()> {
    // A port in use is said now, not after twenty minutes of building.
    let server = Server::bind(port, vec![Mount { prefix: "/", dir: dist(ws) }])?;
    setup::data(ws, stages)?;
    build(ws, stages, finish)?;
    stages.summary();
    println!("\nThe page is at {} (Ctrl-C ends it)", server.url()?);
    server.run();
    Ok(())
}

/// The size gate over the modules of the built page: those it names, and no other.
pub fn weigh(ws: &Workspace) -> Result<Counts> {
    let modules = wasm_files(&dist(ws))?;
    let mut heavy = Vec::new();
    for (name, limit) in LIMITS {
        let module = modules
            .iter()
            .find(|m| module_name(m) == name)
            .with_context(|| format!("dist/ has no module '{name}'; build the page first"))?;
        let size = gzip_size(ws, module)?;
        println!("{name:<10} {:>9} bytes, {size:>8} gzip of {limit} allowed", std::fs::metadata(module)?.len());
        if size > limit {
            heavy.push(format!("'{name}' weighs {size} bytes gzip where {limit} are allowed"));
        }
    }
    if let Some(other) = modules.iter().find(|m| !LIMITS.iter().any(|(name, _)| module_name(m) == *name)) {
        bail!("{} has no limit of weight; give it one", other.display());
    }
    if !heavy.is_empty() {
        bail!("{}", heavy.join("; "));
    }
    Ok(Counts::ONE)
}

/// The name of the binary a module was built from: `page` of `page-0123_bg.wasm` or `page_bg.wasm`.
fn module_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    stem.trim_end_matches("_bg").split('-').next().unwrap_or_default().to_string()
}

fn wasm_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("{} cannot be read; build the page first", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "wasm")).collect();
    files.sort();
    Ok(files)
}

/// Compressed by Node, which every machine that builds the page has.
fn gzip_size(ws: &Workspace, file: &Path) -> Result<usize> {
    let script = "process.stdout.write(String(require('zlib').gzipSync(require('fs').readFileSync(process.argv[1]), {level: 9}).length))";
    let text = process::output(ws.command("node").args(["-e", script]).arg(file))?;
    text.parse().with_context(|| format!("node printed '{text}' for the compressed size of {}", file.display()))
}
