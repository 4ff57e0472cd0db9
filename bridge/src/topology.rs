//! Where a layer's values stand, as one tensor of integers that goes wherever the model goes: to a device, into a record, into a clone.
//!
//! Kernels walk rows, transposed rows and values by six arrays; they are sections of this one tensor, each where any GPU can bind it. Six
//! parameters a layer would be six names in every record.

use std::ops::Range;

use sparring_core::ops::ConvShape;
use sparring_core::sparse::csr::{Csr, WeightShape, check_positions, unpack};

use crate::error::{Error, Result};

/// Words between the starts of two sections: 256 bytes, the strictest alignment that WebGPU lets a device ask for.
const ALIGNED: usize = 64;
/// The first word of a topology, which says how the rest is to be read.
const FORMAT: i32 = 0x5350_0001;
/// The words that say which layer it is of: format, four extents, number of values.
pub(crate) const HEAD: usize = 6;

/// Where a layer's values stand: extents of its dense tensor `[out, in, kernel, kernel]`, and increasing flat positions in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    shape: WeightShape,
    positions: Vec<u32>,
}

impl Topology {
    /// Of these positions (strictly increasing) of a dense tensor.
    ///
    /// # Errors
    /// Where they are not increasing or outside the tensor, or the tensor has a kernel of more than 15 or too many channels.
    pub fn new(shape: WeightShape, positions: Vec<u32>) -> Result<Self> {
        let shape = WeightShape::from_dims(&[shape.c_out, shape.c_in, shape.kh, shape.kw])?;
        check_positions(&positions, shape.len())?;
        Ok(Self { shape, positions })
    }
    /// Extents of the dense tensor.
    pub fn shape(&self) -> WeightShape {
        self.shape
    }
    /// Flat positions in the dense tensor, strictly increasing; the values stand in this order.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }
    /// The share of the dense tensor's weights that exist.
    pub fn density(&self) -> f64 {
        self.positions.len() as f64 / self.shape.len().max(1) as f64
    }
    /// The words of a layer's parameter `topology`.
    ///
    /// # Errors
    /// As [`Topology::new`].
    pub fn words(&self) -> Result<Vec<i32>> {
        let csr = Csr::from_positions(self.shape, &self.positions, vec![0.0; self.positions.len()])?;
        let sections = Sections::of(&self.shape, csr.nnz());
        let mut words = vec![0; sections.len];
        let s = &self.shape;
        let head = [FORMAT, s.c_out as i32, s.c_in as i32, s.kh as i32, s.kw as i32, csr.nnz() as i32];
        words[..head.len()].copy_from_slice(&head);
        let arrays = [&csr.row_ptr, &csr.index, &csr.row, &csr.t_row_ptr, &csr.t_index, &csr.t_value];
        for (range, array) in sections.all().into_iter().zip(arrays) {
            words[range].copy_from_slice(bytemuck::cast_slice(array));
        }
        Ok(words)
    }
    /// The extents that its first words name.
    ///
    /// # Errors
    /// Where they are no topology's.
    pub(crate) fn shape_of(words: &[i32]) -> Result<WeightShape> {
        let &[FORMAT, c_out, c_in, kh, kw, _, ..] = words else {
            let expected = "of a layer of the same extents as the model's, beginning with this format's number";
            let found =
                words.first().map_or_else(|| "none, or one of another layer".to_owned(), |word| format!("one that begins with {word}"));
            return Err(Error::setting("a topology", expected, found));
        };
        let extents = [c_out, c_in, kh, kw].map(|word| usize::try_from(word).unwrap_or(usize::MAX));
        Ok(WeightShape::from_dims(&extents)?)
    }
    /// From the words of a layer's parameter `topology`.
    ///
    /// # Errors
    /// Where they are not such words: a record of something else, or a damaged one.
    pub fn from_words(words: &[i32]) -> Result<Self> {
        let wrong = |expected: &str, found: String| Error::setting("a topology", expected, found);
        let shape = Self::shape_of(words)?;
        let nnz = usize::try_from(words[HEAD - 1]).unwrap_or(usize::MAX);
        if nnz > shape.len() || Sections::of(&shape, nnz).len != words.len() {
            return Err(wrong("as many words as its layer and values need", format!("{} words", words.len())));
        }
        let sections = Sections::of(&shape, nnz);
        let unsigned = |range: Range<usize>| words[range].iter().map(|word| *word as u32);
        let (row_len, taps) = (shape.c_in * shape.kh * shape.kw, shape.kh * shape.kw);
        let flat = |(row, packed): (u32, u32)| {
            let (channel, ky, kx) = unpack(packed);
            (row as usize * row_len + channel as usize * taps + ky as usize * shape.kw + kx as usize) as u32
        };
        let positions = unsigned(sections.row.clone()).zip(unsigned(sections.index.clone())).map(flat).collect();
        let topology = Self::new(shape, positions)?;
        match topology.words()? == words {
            true => Ok(topology),
            false => Err(wrong("six arrays that agree with one another", "others".into())),
        }
    }
}

/// Where the six arrays lie in a topology's words.
#[derive(Clone, Debug)]
pub(crate) struct Sections {
    /// `[c_out + 1]`.
    pub row_ptr: Range<usize>,
    /// `[nnz]`.
    pub index: Range<usize>,
    /// `[nnz]`.
    pub row: Range<usize>,
    /// `[c_in + 1]`.
    pub t_row_ptr: Range<usize>,
    /// `[nnz]`.
    pub t_index: Range<usize>,
    /// `[nnz]`.
    pub t_value: Range<usize>,
    /// Words in all.
    pub len: usize,
}

impl Sections {
    pub fn of(shape: &WeightShape, nnz: usize) -> Self {
        let mut len = ALIGNED;
        let mut section = |words: usize| {
            let range = len..len + words;
            // At least one word, so that there is something to bind.
            len = (len + words.max(1)).next_multiple_of(ALIGNED);
            range
        };
        let [row_ptr, index, row] = [shape.c_out + 1, nnz, nnz].map(&mut section);
        let [t_row_ptr, t_index, t_value] = [shape.c_in + 1, nnz, nnz].map(&mut section);
        Self { row_ptr, index, row, t_row_ptr, t_index, t_value, len }
    }
    pub fn of_conv(shape: &ConvShape, nnz: usize) -> Self {
        Self::of(&shape.into(), nnz)
    }
    /// In the order in which they lie.
    pub fn all(&self) -> [Range<usize>; 6] {
        [&self.row_ptr, &self.index, &self.row, &self.t_row_ptr, &self.t_index, &self.t_value].map(Clone::clone)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn topology() -> Topology {
        let shape = WeightShape { c_out: 3, c_in: 70, kh: 3, kw: 2 };
        Topology::new(shape, vec![0, 7, 419, 420, 1000, 1259]).unwrap()
    }

    #[test]
    fn words_come_back_and_sections_are_aligned() {
        let words = topology().words().unwrap();
        assert_eq!(Topology::from_words(&words).unwrap(), topology());
        let sections = Sections::of(&topology().shape, 6);
        assert!(sections.all().iter().all(|range| range.start % ALIGNED == 0) && words.len() == sections.len);
        let empty = Topology::new(topology().shape, Vec::new()).unwrap();
        assert_eq!(Topology::from_words(&empty.words().unwrap()).unwrap(), empty);
    }

    #[test]
    fn other_words_are_refused() {
        let words = topology().words().unwrap();
        assert!(Topology::from_words(&[]).is_err() && Topology::from_words(&words[1..]).is_err());
        assert!(Topology::from_words(&words[..words.len() - ALIGNED]).is_err());
        for (at, value) in [(0, 1), (1, -1), (5, 7), (5, -6), (ALIGNED, 1), (2 * ALIGNED, 1 << 20)] {
            let mut damaged = words.clone();
            damaged[at] = value;
            assert!(Topology::from_words(&damaged).is_err(), "word {at}");
        }
        assert!(Topology::new(topology().shape, vec![2, 1]).is_err());
    }
}
