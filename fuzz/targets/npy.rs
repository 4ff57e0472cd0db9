//! NumPy's arrays, as labels and as numbers.
#![no_main]
#![allow(dead_code, reason = "a module of the program")]

#[path = "../../cli/src/npy.rs"]
mod npy;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(array) = npy::Npy::read("fuzzed", &mut &bytes[..], 1 << 20) {
        let _ = array.labels("fuzzed");
        let _ = array.floats("fuzzed");
    }
});
