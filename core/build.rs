//! Writes the table of shaders from the folder: every stage and every shared piece, without comments and indentation.
#![allow(clippy::disallowed_methods, reason = "a build script runs where the page is built, not in it")]

mod bare;

use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

use bare::bare;

fn main() -> io::Result<()> {
    // Asked for when it runs: clones that share a target folder share this program as well.
    println!("cargo:rerun-if-env-changed=CARGO_MANIFEST_DIR");
    let shaders = Path::new(&env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?).join("../shaders");
    println!("cargo:rerun-if-changed={}", shaders.display());
    let mut table = String::new();
    for (name, folder) in [("STAGES", ""), ("SHARED", "shared")] {
        let mut sources = Vec::new();
        for entry in fs::read_dir(shaders.join(folder))? {
            let path = entry?.path();
            let (Some(stem), Some("wgsl")) = (path.file_stem().and_then(|s| s.to_str()), path.extension().and_then(|e| e.to_str())) else {
                continue;
            };
            sources.push((stem.to_owned(), bare(&fs::read_to_string(&path)?)));
        }
        sources.sort();
        writeln!(table, "const {name}: &[(&str, &str)] = &{sources:?};").map_err(io::Error::other)?;
    }
    fs::write(Path::new(&env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?).join("shaders.rs"), table)
}
