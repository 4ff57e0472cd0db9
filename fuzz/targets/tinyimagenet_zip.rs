//! Tiny ImageNet's archive; damaged pictures are skipped, so that what follows them is met.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::data::{pictures::Damaged, tinyimagenet};

fuzz_target!(|bytes: &[u8]| {
    let _ = tinyimagenet::from_zip("fuzzed", bytes, Damaged::Skip, &|_, _| {});
});
