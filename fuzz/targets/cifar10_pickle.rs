//! A batch of CIFAR-10 as Python pickles it, for every file of the set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::data::cifar::Form;

const SMALL: Form = Form { train_batches: 2, batch: 3, sha256: None };

fuzz_target!(|bytes: &[u8]| {
    let _ = SMALL.from_folder("fuzzed", &|name, _| Ok(if name.ends_with(".bin") { None } else { Some(bytes.to_vec()) }));
});
