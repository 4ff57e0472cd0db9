//! Pictures, and what is cut out of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::data::pictures::{Fit, decode};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(picture) = decode(bytes) {
        let _ = Fit::Exactly(32).image(&picture);
        let _ = Fit::Centre(32).image(&picture);
    }
});
