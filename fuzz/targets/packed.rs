//! Our own packed datasets, which anybody may hand on: whole files and chunks of them.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use sparring_core::data::chunks::Manifest;
use sparring_core::data::packed;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((header, dataset)) = packed::read("fuzzed", Arc::new(bytes.to_vec())) {
        let _ = packed::verify("fuzzed", &header, &dataset);
    }
    let _ = Manifest::parse("fuzzed", bytes);
});
