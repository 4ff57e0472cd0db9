//! Weights of any form: PyTorch's oldest container, its zip archives, and whatever the first bytes say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::formats::open;

fuzz_target!(|bytes: &[u8]| {
    let _ = open(bytes, "fuzzed", None);
    let _ = open(bytes, "fuzzed", Some("model"));
});
