//! Run files: one, several, and a run's folder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::record::RunFile;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(run) = RunFile::read(bytes) {
        let _ = (run.extent(), run.to_json());
    }
    let _ = RunFile::read_all(bytes);
    // A folder's two files, one after the other.
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let _ = RunFile::of_folder("fuzzed", &bytes[..end], bytes.get(end + 1..).unwrap_or_default());
});
