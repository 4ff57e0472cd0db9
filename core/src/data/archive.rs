//! Reading archives that nobody vouches for: only named parts are read, each within its bound, all within a total.
//!
//! Nothing is ever written to a path that an archive names, so no entry can leave a folder. What is too large is refused by
//! its declared size before it is read, and what lies about its size when it passes its bound.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::RangeInclusive;

use flate2::bufread::GzDecoder;
use sha2::Digest;

use super::hex;
use crate::error::{Error, Result};

/// The most bytes of files that nobody wants.
const MAX_OTHER: u64 = 32 << 20;
/// What an archive of any of these must be.
const WHOLE: &str = "a complete gzip-compressed tar archive, or a plain one";

/// An archive's content: decompressed where it is compressed, in one member or in several.
///
/// # Errors
/// `Format` naming `file` where nothing can be read.
pub(super) fn decompressed<'r>(file: &str, mut reader: impl Read + 'r) -> Result<Box<dyn Read + 'r>> {
    let mut start = Vec::new();
    reader.by_ref().take(2).read_to_end(&mut start).map_err(|e| Error::format(file, WHOLE, e))?;
    let compressed = start == [0x1f, 0x8b];
    let whole = io::Cursor::new(start).chain(reader);
    Ok(if compressed { Box::new(Members { member: Some(GzDecoder::new(BufReader::new(whole))) }) } else { Box::new(whole) })
}

/// A gzip file: its members one after the other. Zeros after one are passed over, as gzip does: they fill a block of a tape or a disk.
struct Members<R> {
    /// `None` at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else { break };
            let more = loop {
                let ahead = rest.fill_buf()?;
                let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
                let (ended, more) = (ahead.is_empty(), zeros < ahead.len());
                rest.consume(zeros);
                if ended || more {
                    break more;
                }
            };
            if more {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// What a reader says is wrong. Of a damaged header the tar reader names a field or shows its bytes, which say nothing.
fn said(error: &io::Error) -> String {
    let text = error.to_string();
    if ["numeric field", "checksum mismatch"].iter().any(|of_a_header| text.contains(of_a_header)) {
        return "data of another kind, or damaged: a file in it begins as none does in such an archive".into();
    }
    let binary = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    match text.split_once(": ") {
        Some((what, bytes)) if bytes.contains(binary) => what.to_owned(),
        _ => text,
    }
}

/// The first files of an archive by name, to say what it has inside where it is not what it should be.
#[derive(Debug, Default)]
pub(super) struct Inside {
    names: Vec<String>,
    files: usize,
}

/// So many names of files are said, each in so many characters.
const SHOWN: (usize, usize) = (5, 80);

impl Inside {
    pub(super) fn add(&mut self, path: &str) {
        self.files += 1;
        if self.names.len() < SHOWN.0 {
            let cut = if path.chars().count() > SHOWN.1 { "…" } else { "" };
            self.names.push(path.chars().take(SHOWN.1).chain(cut.chars()).collect());
        }
    }
    /// What was not found, and what is there instead.
    pub(super) fn without(&self, missing: &str) -> String {
        let others = if self.files > self.names.len() { format!(" and {} more", self.files - self.names.len()) } else { String::new() };
        match self.names.as_slice() {
            [] => format!("no {missing}"),
            names => format!("no {missing}; inside are {}{others}", names.join(", ")),
        }
    }
}

/// A file of an archive or folder, compared with the sizes it may have.
fn check_size(name: &str, size: u64, sizes: &RangeInclusive<u64>) -> Result<()> {
    if sizes.contains(&size) {
        return Ok(());
    }
    let (low, high) = (sizes.start(), sizes.end());
    let expected = if low == high { format!("{low} bytes") } else { format!("{low} to {high} bytes") };
    Err(Error::format(name, expected, format!("{size} bytes")))
}

/// Gives a file of a folder by its name, which is at most so large; `None` where it is not there.
pub type ReadFile<'a> = &'a dyn Fn(&str, u64) -> Result<Option<Vec<u8>>>;

/// Visits those files of a folder (an unpacked archive) that are there. `paths`: as they were in the archive.
///
/// # Errors
/// `Format` as [`visit_tar`]; and what `read` and `take` say.
pub(super) fn visit_folder<P>(
    folder: &str,
    paths: impl IntoIterator<Item = String>,
    read: ReadFile<'_>,
    wanted: impl Fn(&str) -> Option<(P, RangeInclusive<u64>)>,
    mut take: impl FnMut(&str, P, &[u8]) -> Result<()>,
) -> Result<()> {
    for path in paths {
        let (Some((part, sizes)), Some((_, name))) = (wanted(&path), path.rsplit_once('/')) else { continue };
        if let Some(bytes) = read(name, *sizes.end())? {
            let shown = format!("{folder}: {name}");
            check_size(&shown, bytes.len() as u64, &sizes)?;
            take(&shown, part, &bytes)?;
        }
    }
    Ok(())
}

/// Visits the files of a tar archive (already decompressed) that `wanted` knows, with the sizes it allows them.
///
/// `total` bounds the whole content; `what` ("CIFAR-10") is what the archive should be. Gives what is inside, by name.
///
/// # Errors
/// `Format` naming `file` and the entry where the archive is damaged, too large, or an entry's size is not allowed; and what
/// `take` says.
pub(super) fn visit_tar<P>(
    file: &str,
    reader: impl Read,
    what: &'static str,
    total: u64,
    wanted: impl Fn(&str) -> Option<(P, RangeInclusive<u64>)>,
    mut take: impl FnMut(&str, P, &[u8]) -> Result<()>,
) -> Result<Inside> {
    let broken = |e: io::Error| Error::format(file, WHOLE, said(&e));
    let (mut other, mut inside) = (0u64, Inside::default());
    let mut archive = tar::Archive::new(Bounded { inner: reader, left: total, limit: total, what });
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // As `tar -C FOLDER .` has it.
        let path = path.trim_start_matches("./");
        let size = entry.size();
        inside.add(path);
        let Some((part, sizes)) = wanted(path) else {
            other = other.saturating_add(size);
            if other > MAX_OTHER {
                return Err(Error::format(file, WHOLE, format!("more than {MAX_OTHER} bytes of other files, which {what} never has")));
            }
            continue;
        };
        let name = format!("{file}: {path}");
        check_size(&name, size, &sizes)?;
        let mut bytes = Vec::with_capacity(size as usize);
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            return Err(Error::format(name, format!("{size} bytes"), format!("{} bytes, then the end of the archive", bytes.len())));
        }
        take(&name, part, &bytes)?;
    }
    // The checksum of the gzip stream stands at its end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
    Ok(inside)
}

/// A reader that fails beyond a known size: no archive can fill the memory.
struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
    what: &'static str,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("more than {} bytes of content, which {} never has", self.limit, self.what))
        })?;
        Ok(n)
    }
}

/// Checks an archive's published MD5 before anything is read from it.
///
/// # Errors
/// `Format` with both sums.
pub fn check_md5(file: &str, bytes: &[u8], expected: &str) -> Result<()> {
    let found = hex(&md5::Md5::digest(bytes));
    if found == expected { Ok(()) } else { Err(Error::format(file, format!("MD5 {expected}"), found)) }
}
