//! CIFAR-100's archive in all its forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::data::cifar100;

fuzz_target!(|bytes: &[u8]| {
    let _ = cifar100::from_archive("fuzzed", bytes);
});
