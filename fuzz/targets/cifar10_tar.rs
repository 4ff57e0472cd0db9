//! CIFAR-10's archive in all its forms, with three images a batch.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::data::cifar::Form;

const SMALL: Form = Form { train_batches: 2, batch: 3, sha256: None };

fuzz_target!(|bytes: &[u8]| {
    let _ = SMALL.from_archive("fuzzed", bytes);
});
