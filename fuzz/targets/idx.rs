//! IDX: the bytes are cut into four files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sparring_core::data::idx;

fuzz_target!(|bytes: &[u8]| {
    // Two bytes a length; the last file takes what is left.
    let mut rest = bytes;
    let mut files = [&[][..]; 4];
    for file in &mut files {
        let Some((length, after)) = rest.split_first_chunk::<2>() else { break };
        (*file, rest) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
    }
    let _ = idx::dataset([("a", files[0]), ("b", files[1])], [("c", files[2]), ("d", files[3])]);
});
