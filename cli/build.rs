//! Puts into the binary the commit, so that every result file can name it ("unknown" without git), and the scores that ship.

use std::path::Path;
use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn main() {
    let commit = git(&["describe", "--always", "--dirty", "--tags", "--abbrev=12"]).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=SPARRING_COMMIT={commit}");
    println!("cargo::rerun-if-changed=build.rs");
    for path in ["HEAD", "logs/HEAD"] {
        if let Some(file) = git(&["rev-parse", "--git-path", path]) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    // Asked for when it runs: clones that share a target folder share this program as well.
    println!("cargo::rerun-if-env-changed=CARGO_MANIFEST_DIR");
    let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../public/scores");
    let names = ["cifar10-el2n", "builtin-el2n"];
    let scores = names.map(|name| (name, folder.join(format!("{name}.safetensors"))));
    let scores: Vec<_> = scores.into_iter().filter(|(_, file)| file.exists()).collect();
    let list: String = scores.iter().map(|(name, file)| format!("({name:?}, include_bytes!({file:?})), ")).collect();
    let code = format!("&[{list}]");
    let out = std::env::var("OUT_DIR").map(|folder| Path::new(&folder).join("scores.rs"));
    if let Err(e) = out.map_err(|e| e.to_string()).and_then(|path| std::fs::write(path, code).map_err(|e| e.to_string())) {
        println!("cargo::error=writing scores.rs: {e}");
    }
    // A path that is not there would make every build run this again.
    for (_, file) in &scores {
        println!("cargo::rerun-if-changed={}", file.display());
    }
}
