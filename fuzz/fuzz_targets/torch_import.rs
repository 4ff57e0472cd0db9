//! Whatever the bytes, the readers of weights give a state or an error: no panic, no memory out of proportion.
#![no_main]

use sparring_core::error::ErrorKind;
use libfuzzer_sys::fuzz_target;
use sparring_core::Error;
use sparring_core::formats::{safetensors, torch};
use sparring_core::train::checkpoint::Checkpoint;

fuzz_target!(|bytes: &[u8]| {
    for result in [torch::read(bytes, "fuzzed"), safetensors::read(bytes, "fuzzed")] {
        assert!(matches!(result.as_ref().map_err(Error::kind), Ok(_) | Err(ErrorKind::Format { .. })));
    }
    let _ = Checkpoint::read(bytes);
});
