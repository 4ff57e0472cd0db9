//! Which weights a layer has, row by row: all of them, or those of a sparse index whose contents are checked first.

use std::sync::Arc;

use crate::cpu::lent::IndexBuffer;
use crate::cpu::made::{Checked, Kept, Key, Made, Purpose, Written};
use crate::error::{Error, Result};
use crate::ops::ConvShape;

/// Index of a sparse weight, its contents checked against a shape by [`Csr::forward`] or [`Csr::transposed`].
#[derive(Clone, Copy)]
pub struct Csr<'a> {
    row_ptr: &'a [u32],
    index: &'a [u32],
    /// Position in the values; `None` where entries are in the values' own order.
    position: Option<&'a [u32]>,
    /// When the arrays were written.
    written: [Option<Written>; 3],
    made: &'a Made,
}

fn broken(what: &str) -> Error {
    Error::validation(format!("sparse index: {what} does not fit the convolution"))
}

impl<'a> Csr<'a> {
    /// The index, checked once: it passes again until it is written again.
    fn checked(
        shape: &ConvShape,
        rows: usize,
        channels: usize,
        [starts, entries]: [IndexBuffer<'a>; 2],
        position: Option<IndexBuffer<'a>>,
    ) -> Result<Self> {
        let (row_ptr, index, made) = (starts.words, entries.words, entries.made);
        let row_ptr = row_ptr.get(..=rows).ok_or_else(|| broken("row_ptr"))?;
        let written = [Some(starts.written), Some(entries.written), position.map(|p| p.written)];
        let position = position.map(|p| p.words);
        made.get_or_try(Key { shape: *shape, purpose: Purpose::Check, written }, || {
            let ordered = row_ptr.windows(2).all(|pair| pair[0] <= pair[1]);
            if row_ptr[0] != 0 || !ordered || row_ptr[rows] as usize != index.len() {
                return Err(broken("row_ptr"));
            }
            let inside = |&packed: &u32| {
                let (channel, ky, kx) = unpack(packed);
                channel < channels && ky < shape.kh && kx < shape.kw
            };
            if !index.iter().all(inside) {
                return Err(broken("an entry"));
            }
            if position.is_some_and(|p| p.len() != index.len() || p.iter().any(|&p| p as usize >= index.len())) {
                return Err(broken("a position"));
            }
            Ok(Checked)
        })?;
        Ok(Self { row_ptr, index, position, written, made })
    }
    /// Rows are output channels, entries name input channels.
    ///
    /// # Errors
    /// `Validation` where an entry or a row start lies outside the shape.
    pub fn forward(shape: &ConvShape, row_ptr: IndexBuffer<'a>, index: IndexBuffer<'a>) -> Result<Self> {
        Self::checked(shape, shape.c_out, shape.c_in, [row_ptr, index], None)
    }
    /// Rows are input channels, entries name output channels and their position in the values.
    ///
    /// # Errors
    /// As [`Csr::forward`].
    pub fn transposed(shape: &ConvShape, row_ptr: IndexBuffer<'a>, index: IndexBuffer<'a>, position: IndexBuffer<'a>) -> Result<Self> {
        Self::checked(shape, shape.c_in, shape.c_out, [row_ptr, index], Some(position))
    }
    /// What is kept with the index for a product of this geometry, made where nothing is.
    pub fn kept<K: Kept>(&self, shape: ConvShape, purpose: Purpose, make: impl FnOnce() -> K) -> Arc<K> {
        self.made.get(Key { shape, purpose, written: self.written }, make)
    }
    /// Entries of a row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Entry> + 'a {
        let (csr, start) = (*self, self.row_ptr[row] as usize);
        csr.index[start..csr.row_ptr[row + 1] as usize].iter().enumerate().map(move |(i, &packed)| {
            let (channel, ky, kx) = unpack(packed);
            let place = start + i;
            Entry { channel, ky, kx, position: csr.position.map_or(place, |p| p[place] as usize) }
        })
    }
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.index.len()
    }
}

/// Channel, ky, kx of a packed index.
fn unpack(packed: u32) -> (usize, usize, usize) {
    ((packed >> 8) as usize, (packed >> 4 & 15) as usize, (packed & 15) as usize)
}

/// One weight of a row: the other side's channel, its tap, and where its value stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Input channel (forward rows) or output channel (transposed rows).
    pub channel: usize,
    /// Kernel row.
    pub ky: usize,
    /// Kernel column.
    pub kx: usize,
    /// Position of the value.
    pub position: usize,
}

/// Which weights a layer has: all of them, or those of an index.
#[derive(Clone, Copy)]
pub enum Index<'a> {
    /// `[c_out][c_in][kh][kw]`.
    Dense,
    /// Those listed.
    Sparse(Csr<'a>),
}

impl Index<'_> {
    /// Number of values.
    pub fn len(&self, shape: &ConvShape) -> usize {
        match self {
            Self::Dense => shape.weights(),
            Self::Sparse(csr) => csr.len(),
        }
    }
    /// Entries of an output channel's row.
    pub fn row(&self, shape: &ConvShape, co: usize) -> Vec<Entry> {
        match self {
            Self::Sparse(csr) => csr.row(co).collect(),
            Self::Dense => dense_entries(shape, shape.c_in, |ci| co * shape.c_in + ci),
        }
    }
    /// Entries of an input channel's transposed row.
    pub fn transposed_row(&self, shape: &ConvShape, ci: usize) -> Vec<Entry> {
        match self {
            Self::Sparse(csr) => csr.row(ci).collect(),
            Self::Dense => dense_entries(shape, shape.c_out, |co| co * shape.c_in + ci),
        }
    }
}

fn dense_entries(shape: &ConvShape, channels: usize, kernel: impl Fn(usize) -> usize) -> Vec<Entry> {
    let (kh, kw) = (shape.kh, shape.kw);
    let mut entries = Vec::with_capacity(channels * kh * kw);
    for channel in 0..channels {
        for ky in 0..kh {
            for kx in 0..kw {
                entries.push(Entry { channel, ky, kx, position: (kernel(channel) * kh + ky) * kw + kx });
            }
        }
    }
    entries
}
