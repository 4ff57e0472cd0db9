//! One family, one name, three places: an op in `ops/F.rs` is encoded in `gpu/encode/F.rs` and computed in `cpu/F.rs`, and a stage in
//! `shaders/` has a CPU function of its name in the family that launches it. Without this a newcomer would have to search.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sparring_core::gpu::shaders;
use sparring_core::ops::Op;

/// The text of each family's file in a folder of the sources, a folder of the same name included.
fn families(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let mut texts = BTreeMap::new();
    for entry in std::fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "rs") {
            texts.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

fn names(text: &str, before: &str, after: &str) -> BTreeSet<String> {
    let parts = text.split(before).skip(1).filter_map(|rest| rest.split_once(after));
    let name = |n: &&str| n.chars().all(|c| c.is_alphanumeric() || c == '_');
    parts.map(|(name, _)| name).filter(name).map(str::to_owned).collect()
}

/// What stands where, in words, for everything that is not where it should be.
fn faults() -> Vec<String> {
    let (ops, encode, cpu) = (families("ops"), families("gpu/encode"), families("cpu"));
    let mut faults = Vec::new();
    let mut described = BTreeSet::new();
    let mut launched = BTreeSet::new();
    for (family, text) in &ops {
        let here = names(text, "impl Contract for ", " {");
        if here.is_empty() {
            continue;
        }
        described.extend(here.clone());
        let empty = String::new();
        let (encoded, computed) = (encode.get(family).unwrap_or(&empty), cpu.get(family).unwrap_or(&empty));
        for op in &here {
            for (what, place, text) in [("Encode for", "gpu/encode", encoded), ("Run<T> for", "cpu", computed)] {
                if !text.contains(&format!(" {what} {op} {{")) {
                    faults.push(format!("{op} is described in ops/{family}.rs; 'impl {what} {op}' is not in {place}/{family}.rs"));
                }
            }
        }
        for stage in shaders::names().filter(|stage| encoded.contains(&format!("\"{stage}\""))) {
            launched.insert(stage);
            // Variants of one kernel have one twin.
            let twin = stage.trim_end_matches("_tiled");
            let function = [format!("fn {twin}<"), format!("fn {twin}(")];
            if !function.iter().any(|f| computed.contains(f)) {
                faults.push(format!("stage {stage}.wgsl is launched in gpu/encode/{family}.rs; 'fn {stage}' is not in cpu/{family}.rs"));
            }
        }
    }
    let squeezed = |name: &str| name.replace('_', "").to_lowercase();
    for op in Op::NAMES {
        if !described.contains(*op) {
            faults.push(format!("{op} is in the list of ops; 'impl Contract for {op}' is in no file of ops/"));
        }
        if !shaders::names().any(|stage| squeezed(stage) == squeezed(op)) {
            faults.push(format!("{op} has no stage of its name in shaders/"));
        }
    }
    for stage in shaders::names().filter(|stage| !launched.contains(stage)) {
        faults.push(format!("stage {stage}.wgsl is launched by no family"));
    }
    faults
}

#[test]
fn a_kernel_stands_under_one_name_in_three_places() {
    let faults = faults();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(shaders::names().count() > 35 && Op::NAMES.len() > 30, "the folders were found");
}
