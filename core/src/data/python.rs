//! CIFAR's files in the form that Python reads: pickled dictionaries with one array of pixels and lists of labels.
//!
//! It is what most people have. Pixels and order are those of the binary form, so the same checks hold for what comes out of it.

use std::borrow::Cow;

use super::IMAGE_BYTES;
use crate::error::{Error, Result};
use crate::formats::numpy::Record;

/// A file of images.
pub(super) struct Pickled<'a> {
    file: &'a str,
    record: Record<'a>,
}

impl<'a> Pickled<'a> {
    /// Reads one; `file` names it in errors.
    ///
    /// # Errors
    /// `Format` as [`Record::read`].
    pub(super) fn read(file: &'a str, bytes: &'a [u8]) -> Result<Self> {
        Ok(Self { file, record: Record::read(bytes, file)? })
    }

    /// The pixels, image after image.
    ///
    /// # Errors
    /// `Format` where they are not of CIFAR's extent.
    pub(super) fn pixels(&self) -> Result<Cow<'_, [u8]>> {
        let (shape, pixels) = self.record.bytes("data")?;
        // Rows and columns before channels would be as many bytes, in another order.
        if shape.get(1..) != Some(&[IMAGE_BYTES]) && shape.get(1..) != Some(&[3, 32, 32]) {
            let expected = format!("an array of the shape (n, {IMAGE_BYTES}) or (n, 3, 32, 32)");
            return Err(Error::format(format!("{}, 'data'", self.file), expected, format!("{shape:?}")));
        }
        Ok(pixels)
    }

    /// The labels under this key, each below `classes`, as many as there are images.
    ///
    /// # Errors
    /// `Format` where they are not.
    pub(super) fn labels(&self, key: &str, classes: usize, images: usize) -> Result<Vec<u8>> {
        let found = self.record.numbers(key)?;
        let place = || format!("{}, '{key}'", self.file);
        if found.len() != images {
            return Err(Error::format(place(), format!("{images} labels, one for each image"), found.len()));
        }
        let label = |(i, label): (usize, i64)| {
            let fits = u8::try_from(label).ok().filter(|label| usize::from(*label) < classes);
            fits.ok_or_else(|| Error::format(format!("{}: label of image {i}", place()), format!("0 to {}", classes - 1), label))
        };
        found.into_iter().enumerate().map(label).collect()
    }

    /// Names of classes under this key.
    ///
    /// # Errors
    /// `Format` where there are not as many.
    pub(super) fn names(&self, key: &str, count: usize) -> Result<Vec<String>> {
        let names = self.record.texts(key)?;
        if names.len() == count {
            Ok(names)
        } else {
            Err(Error::format(format!("{}, '{key}'", self.file), format!("{count} names"), names.len()))
        }
    }
}
