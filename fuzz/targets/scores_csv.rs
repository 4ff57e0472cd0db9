//! Tables of scores, for a dataset of six and three images.
#![no_main]

#[path = "../../cli/src/npy.rs"]
#[allow(dead_code, reason = "a module of the program")]
mod npy;
#[path = "../../cli/src/score_file.rs"]
#[allow(dead_code, reason = "a module of the program")]
mod score_file;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sparring_core::data::{Dataset, builtin};
use sparring_core::hardness::ScoreName;

static DATA: LazyLock<Dataset> = LazyLock::new(|| builtin::builtin(0.5, 6, 3, 1));

fuzz_target!(|bytes: &[u8]| {
    for column in ["", "loss"] {
        let _ = score_file::parse("fuzzed.csv", bytes.to_vec(), ScoreName::El2n, column, &DATA);
    }
});
