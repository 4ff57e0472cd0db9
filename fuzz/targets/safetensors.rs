//! Safetensors, of weights, of scores and of checkpoints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::formats::safetensors;
use sparring_core::hardness::Scores;
use sparring_core::train::checkpoint::Checkpoint;

fuzz_target!(|bytes: &[u8]| {
    let _ = safetensors::open(bytes, "fuzzed");
    let _ = safetensors::read(bytes, "fuzzed");
    let _ = Scores::from_bytes("fuzzed", bytes);
    let _ = Checkpoint::read(bytes);
});
