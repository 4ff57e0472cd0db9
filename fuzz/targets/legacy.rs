//! Weights of any form, from PyTorch's oldest container on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::formats::open;

fuzz_target!(|bytes: &[u8]| {
    let _ = open(bytes, "fuzzed", None);
    let _ = open(bytes, "fuzzed", Some("model"));
});
