//! A pickle inside containers that are sound, so that no checksum keeps the fuzzer out.
#![no_main]

#[path = "../../core/tests/torch_files/mod.rs"]
mod torch_files;

use libfuzzer_sys::fuzz_target;
use sparring_core::formats::open;
use torch_files::{legacy_with, zip_with};

fuzz_target!(|pickle: &[u8]| {
    let _ = open(&legacy_with(pickle), "fuzzed", None);
    let storage = [7u8; 24];
    let _ = open(&zip_with(&[("net/data.pkl", pickle), ("net/data/0", &storage), ("net/data/1", &storage)]), "fuzzed", None);
});
