//! A reader of stored (uncompressed) zip entries, which is all that PyTorch writes.
//!
//! It follows the central directory, checks bounds and CRC-32, and hands out slices of the file: nothing is copied.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

const END: [u8; 4] = *b"PK\x05\x06";
const END_LEN: usize = 22;
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const CENTRAL_LEN: usize = 46;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LOCAL_LEN: usize = 30;

/// Entries by name.
pub(super) struct Archive<'a> {
    entries: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> Archive<'a> {
    /// Whether bytes look like a zip file.
    pub(super) fn recognises(bytes: &[u8]) -> bool {
        bytes.starts_with(&LOCAL)
    }
    /// Reads and checks the whole directory.
    pub(super) fn open(bytes: &'a [u8], file: &str) -> Result<Self> {
        let fail = |expected: &str, found: String| Error::format(file, expected, found);
        let last = bytes.len().checked_sub(END_LEN).ok_or_else(|| fail("a zip archive", format!("{} bytes", bytes.len())))?;
        let first = last.saturating_sub(usize::from(u16::MAX));
        let end = (first..=last)
            .rev()
            .find(|&at| bytes[at..].starts_with(&END))
            .ok_or_else(|| fail("a zip archive's end record", "none: the file is cut short".into()))?;
        let count = usize::from(u16_at(bytes, end + 10).unwrap_or(0));
        let mut at = u32_at(bytes, end + 16).unwrap_or(u32::MAX) as usize;
        let mut entries = BTreeMap::new();
        for index in 0..count {
            let name_of = |what: &str| format!("{file}: zip entry {index}: {what}");
            let damaged = || Error::format(file, format!("a zip directory entry {index} of {count}"), "damaged bytes");
            let header = bytes.get(at..).filter(|b| b.starts_with(&CENTRAL) && b.len() >= CENTRAL_LEN).ok_or_else(damaged)?;
            let field = |offset| u32_at(header, offset).map(|v| v as usize).ok_or_else(damaged);
            let short = |offset| u16_at(header, offset).map(usize::from).ok_or_else(damaged);
            let (method, crc, packed, size) = (short(10)?, field(16)? as u32, field(20)?, field(24)?);
            let (name_len, extra_len, comment_len, local) = (short(28)?, short(30)?, short(32)?, field(42)?);
            let name = header.get(CENTRAL_LEN..CENTRAL_LEN + name_len).and_then(|n| std::str::from_utf8(n).ok()).ok_or_else(damaged)?;
            if method != 0 || packed != size {
                return Err(Error::format(name_of(name), "a stored entry", format!("compression method {method}")));
            }
            let data = local_data(bytes, local, size)
                .ok_or_else(|| Error::format(name_of(name), format!("{size} bytes of data"), "less: the file is cut short"))?;
            let mut sum = flate2::Crc::new();
            sum.update(data);
            if sum.sum() != crc {
                return Err(Error::format(name_of(name), format!("CRC-32 {crc:08x}"), format!("{:08x}", sum.sum())));
            }
            entries.insert(name, data);
            at += CENTRAL_LEN + name_len + extra_len + comment_len;
        }
        Ok(Self { entries })
    }
    /// An entry by its name below the archive's one top folder, e.g. `data.pkl` for `archive/data.pkl`.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.entries.iter().find(|(path, _)| path.split_once('/').is_some_and(|(_, rest)| rest == name)).map(|(_, data)| *data)
    }
}

fn local_data(bytes: &[u8], at: usize, size: usize) -> Option<&[u8]> {
    let header = bytes.get(at..)?;
    if !header.starts_with(&LOCAL) {
        return None;
    }
    let start = LOCAL_LEN + usize::from(u16_at(header, 26)?) + usize::from(u16_at(header, 28)?);
    header.get(start..start.checked_add(size)?)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
