//! Pixels in memory: bytes of one's own, or a part of something shared, such as a memory-mapped file.
//!
//! Readers see a slice either way. Without the second kind every process would hold its own copy of a large dataset.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::error::{Error, Result};

/// Anything that stays a slice of bytes for as long as it lives: a vector, a memory map.
pub type Whole = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Bytes to read; [`Self::to_mut`] to write.
#[derive(Clone, Default)]
pub struct Bytes {
    /// Empty where they are a part.
    own: Vec<u8>,
    part: Option<(Whole, Range<usize>)>,
}

impl Bytes {
    /// A part of something shared; nothing is copied.
    ///
    /// # Errors
    /// `Shape` where the range is not inside.
    pub fn part(whole: Whole, range: Range<usize>) -> Result<Self> {
        let len = (*whole).as_ref().len();
        if range.start > range.end || range.end > len {
            return Err(Error::shape("bytes", "range", format!("within {len}"), format!("{range:?}")));
        }
        Ok(Self { own: Vec::new(), part: Some((whole, range)) })
    }

    /// To be written: what is shared is copied first.
    pub fn to_mut(&mut self) -> &mut Vec<u8> {
        if self.part.is_some() {
            self.own = self.to_vec();
            self.part = None;
        }
        &mut self.own
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.part {
            None => &self.own,
            // It was within the whole when it was made.
            Some((whole, range)) => (**whole).as_ref().get(range.clone()).unwrap_or_default(),
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self { own: bytes, part: None }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<Vec<u8>> for Bytes {
    fn eq(&self, other: &Vec<u8>) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_part_is_shared_until_it_is_written() {
        let whole: Whole = Arc::new(vec![1u8, 2, 3, 4, 5]);
        let mut part = Bytes::part(whole.clone(), 1..4).unwrap();
        assert_eq!(part, vec![2, 3, 4]);
        assert_eq!(part.as_ptr(), (*whole).as_ref()[1..].as_ptr());
        part.to_mut()[0] = 9;
        assert_eq!((part.to_vec(), (*whole).as_ref().to_vec()), (vec![9, 3, 4], vec![1, 2, 3, 4, 5]));
    }

    #[test]
    fn a_part_beyond_the_whole_is_refused() {
        let whole: Whole = Arc::new(vec![0u8; 3]);
        assert!(Bytes::part(whole.clone(), 3..3).unwrap().is_empty());
        assert!(Bytes::part(whole, 1..4).unwrap_err().to_string().contains("within 3"));
    }
}
