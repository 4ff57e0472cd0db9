//! Reading archives that nobody vouches for: only named parts are read, each within its bound, all within a total.
//!
//! Nothing is ever written to a path that an archive names, so no entry can leave a folder. What is too large is refused by
//! its declared size before it is read, and what lies about its size when it passes its bound.

use std::io::{self, Read};
use std::ops::RangeInclusive;

use sha2::Digest;

use super::hex;
use crate::error::{Error, Result};

/// Visits the files of a tar archive (already decompressed) that `wanted` knows, with the sizes it allows them.
///
/// `total` bounds the whole content; `what` ("CIFAR-10") is what the archive should be.
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
) -> Result<()> {
    let broken = |e: io::Error| Error::format(file, "a complete gzip-compressed tar archive", e);
    let mut archive = tar::Archive::new(Bounded { inner: reader, left: total, limit: total, what });
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((part, sizes)) = wanted(&path) else { continue };
        let name = format!("{file}: {path}");
        let size = entry.size();
        if !sizes.contains(&size) {
            let (low, high) = (sizes.start(), sizes.end());
            let expected = if low == high { format!("{low} bytes") } else { format!("{low} to {high} bytes") };
            return Err(Error::format(name, expected, format!("{size} bytes")));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            return Err(Error::format(name, format!("{size} bytes"), format!("{} bytes, then the end of the archive", bytes.len())));
        }
        take(&name, part, &bytes)?;
    }
    // The checksum of the gzip stream stands at its end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
    Ok(())
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
