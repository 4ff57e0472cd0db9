//! A reader of zip entries: stored ones, as PyTorch writes them, and deflated ones, as a file has them that was packed again.
//!
//! It follows the central directory, checks bounds and CRC-32, and hands out slices of the file: only what is deflated is copied, once
//! it is asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;

use super::budget::Budget;
use crate::error::{Error, Result};

const END: [u8; 4] = *b"PK\x05\x06";
const END_LEN: usize = 22;
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const CENTRAL_LEN: usize = 46;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LOCAL_LEN: usize = 30;

const STORED: usize = 0;
const DEFLATED: usize = 8;
/// What an entry takes in memory, its place in the tree included.
const ENTRY_BYTES: usize = 112;

/// An entry as it lies in the file.
struct Entry<'a> {
    deflated: bool,
    bytes: &'a [u8],
    size: usize,
    crc: u32,
}

/// Entries by their names below the archive's one top folder.
pub(super) struct Archive<'a> {
    entries: BTreeMap<&'a str, Entry<'a>>,
}

impl<'a> Archive<'a> {
    /// Whether bytes look like a zip file.
    pub(super) fn recognises(bytes: &[u8]) -> bool {
        bytes.starts_with(&LOCAL)
    }
    /// Reads and checks the whole directory.
    pub(super) fn open(bytes: &'a [u8], file: &str, budget: &mut Budget) -> Result<Self> {
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
            if ![STORED, DEFLATED].contains(&method) || (method == STORED && packed != size) {
                return Err(Error::format(name_of(name), "a stored or a deflated entry", format!("compression method {method}")));
            }
            let data = local_data(bytes, local, packed)
                .ok_or_else(|| Error::format(name_of(name), format!("{packed} bytes of data"), "less: the file is cut short"))?;
            let entry = Entry { deflated: method == DEFLATED, bytes: data, size, crc };
            if !entry.deflated {
                entry.check(data).map_err(|found| Error::format(name_of(name), format!("CRC-32 {crc:08x}"), found))?;
            }
            budget.take(ENTRY_BYTES, file)?;
            if let Some((_, name)) = name.split_once('/') {
                entries.entry(name).or_insert(entry);
            }
            at += CENTRAL_LEN + name_len + extra_len + comment_len;
        }
        Ok(Self { entries })
    }
    /// Whether there is an entry of this name, or a folder, below the archive's one top folder.
    pub(super) fn has(&self, name: &str) -> bool {
        let first = self
            .entries
            .range(name..)
            .find(|(path, _)| !path.starts_with(name) || path.len() == name.len() || path[name.len()..].starts_with('/'));
        first.is_some_and(|(path, _)| path.starts_with(name))
    }
    /// An entry by its name below the archive's one top folder, e.g. `data.pkl` for `archive/data.pkl`; `unfolding` pays for one that is
    /// deflated.
    pub(super) fn get(&self, name: &str, file: &str, unfolding: &mut Budget) -> Result<Option<Cow<'a, [u8]>>> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        if !entry.deflated {
            return Ok(Some(Cow::Borrowed(entry.bytes)));
        }
        unfolding.take(entry.size, file)?;
        let mut data = Vec::with_capacity(entry.size);
        let read = flate2::read::DeflateDecoder::new(entry.bytes).take(entry.size as u64 + 1).read_to_end(&mut data);
        let wrong =
            |found: String| Error::format(format_args!("{file}, zip entry {name}"), format_args!("{} bytes, deflated", entry.size), found);
        read.map_err(|e| wrong(e.to_string()))?;
        if data.len() != entry.size {
            return Err(wrong(if data.len() > entry.size { "more".into() } else { format!("{}", data.len()) }));
        }
        entry.check(&data).map_err(|found| wrong(format!("CRC-32 {found} for {:08x}", entry.crc)))?;
        Ok(Some(Cow::Owned(data)))
    }
}

impl Entry<'_> {
    /// The checksum, where it is another.
    fn check(&self, data: &[u8]) -> Result<(), String> {
        let mut sum = flate2::Crc::new();
        sum.update(data);
        if sum.sum() == self.crc { Ok(()) } else { Err(format!("{:08x}", sum.sum())) }
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
