//! How much memory reading may take: a small multiple of the file, whatever the file says of itself.
//!
//! A pickle's instructions are a byte or two each and what they make is dozens; a file of a hundred megabytes could ask for
//! gigabytes. Everything that grows while a file is read is paid for here before it grows.

use crate::error::{Error, Result};

/// What is left to spend, bytes.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    all: usize,
}

impl Budget {
    /// Small files may have long descriptions.
    pub(super) const ANYWAY: usize = 1 << 20;
    /// How many times what a file's compressed parts or sparse tensors take they may unfold to.
    pub(super) const UNFOLDED: usize = 32;

    /// For the descriptions and the tensors of a file of this many bytes: a little less than four times the file.
    pub(super) fn of_file(bytes: usize) -> Self {
        Self::new(bytes / 4 * 15)
    }
    /// For what is compressed in a file of this many bytes.
    pub(super) fn of_unfolding(bytes: usize) -> Self {
        Self::new(bytes.saturating_mul(Self::UNFOLDED))
    }
    fn new(bytes: usize) -> Self {
        let all = bytes.max(Self::ANYWAY);
        Self { left: all, all }
    }

    /// Pays for some bytes; where there are not as many left, nothing is spent.
    pub(super) fn take(&mut self, bytes: usize, file: &str) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.spent(file))?;
        Ok(())
    }
    /// Makes room for more items, which take more room while they move.
    pub(super) fn grow<T>(&mut self, list: &mut Vec<T>, more: usize, file: &str) -> Result<()> {
        let (len, capacity) = (list.len(), list.capacity());
        if capacity - len >= more {
            return Ok(());
        }
        let wanted = len.saturating_add(more).max(capacity + capacity / 2).max(4);
        let whole = wanted.saturating_mul(size_of::<T>());
        if whole > self.left {
            return Err(self.spent(file));
        }
        list.reserve_exact(wanted - len);
        self.left -= whole - capacity * size_of::<T>();
        Ok(())
    }
    #[cold]
    fn spent(&self, file: &str) -> Error {
        Error::format(file, format_args!("a description that takes at most {} bytes of memory", self.all), "one that takes more")
    }
}
