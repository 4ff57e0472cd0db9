//! CIFAR-100's pickles: the names of the classes come first, then the file that is both training and test set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::data::cifar100;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (meta, images) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let read = |name: &str, _| {
        Ok(match name {
            "meta" => Some(meta.to_vec()),
            "train" | "test" => Some(images.to_vec()),
            _ => None,
        })
    };
    let _ = cifar100::from_folder("fuzzed", &read);
});
