//! Fuzzing: every reader of foreign bytes, changed files by the million, the program's own branches as the guide.
//!
//! The marks that libFuzzer follows are flags of the ordinary compiler, so no nightly is needed; a C++ compiler is, for libFuzzer itself.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Where the compiler puts the counters that libFuzzer reads, and checks that ordinary release builds go without.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Names of all targets: the files of `fuzz/targets`.
fn targets(ws: &Workspace) -> Result<Vec<String>> {
    let folder = ws.root.join("fuzz").join("targets");
    let files = fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut names = Vec::new();
    for file in files {
        let path = file?.path();
        if let (Some("rs"), Some(name)) = (path.extension().and_then(|e| e.to_str()), path.file_stem().and_then(|n| n.to_str())) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Runs the targets of these names, or all, one after the other, each until so many inputs or seconds.
pub fn fuzz(ws: &Workspace, wanted: &[&str], runs: &str, seconds: &str) -> Result<()> {
    let all = targets(ws)?;
    if let Some(other) = wanted.iter().find(|name| !all.iter().any(|known| known == *name)) {
        bail!("no fuzz target '{other}' (possible: {})", all.join(", "));
    }
    let work = ws.target.join("fuzz");
    let seeds = work.join("seeds");
    process::run(ws.cargo().args(["run", "--release", "--package", "sparring-core", "--example", "fuzz_seeds", "--"]).arg(&seeds))?;
    // With a target named, build scripts and macros stay as they are.
    let host = host(ws)?;
    let mut build = ws.cargo();
    build.args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
    process::run(build.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &work))?;
    for name in all.iter().filter(|name| wanted.is_empty() || wanted.contains(&name.as_str())) {
        let folder = |kind: &str| -> Result<PathBuf> {
            let folder = work.join(kind).join(name);
            fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            Ok(folder)
        };
        let (corpus, found) = (folder("corpus")?, folder("found")?);
        println!("\n== {name}");
        let mut run = ws.command(work.join(&host).join("release").join(name));
        run.arg(corpus).arg(seeds.join(name));
        run.arg(format!("-artifact_prefix={}/", found.display()));
        run.arg(format!("-runs={runs}")).arg(format!("-max_total_time={seconds}"));
        run.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0", "-print_funcs=0", "-close_fd_mask=1"]);
        process::run(&mut run).with_context(|| format!("{name}: the input is in {}", found.display()))?;
    }
    Ok(())
}

/// The triple that this compiler builds for.
fn host(ws: &Workspace) -> Result<String> {
    let version = process::output(ws.command("rustc").arg("-vV"))?;
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV says no host")?.to_owned())
}
