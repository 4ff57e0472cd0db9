//! Compressed sparse rows of a convolution's weight, and the transposed index into the same values.
//!
//! Row-major order of `[c_out][c_in][kh][kw]` is CSR order, so a sorted list of flat positions is the whole topology and
//! values, gradients and moments all follow it. A second order anywhere would silently pair values with wrong weights.

use crate::error::{Error, Result};
use crate::ops::ConvShape;

/// Extents of a weight tensor; a linear layer has `kh = kw = 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightShape {
    /// Output channels, the rows.
    pub c_out: usize,
    /// Input channels.
    pub c_in: usize,
    /// Kernel rows, at most 15.
    pub kh: usize,
    /// Kernel columns, at most 15.
    pub kw: usize,
}

impl WeightShape {
    /// From a tensor's extents: `[c_out, c_in]` or `[c_out, c_in, kh, kw]`.
    ///
    /// # Errors
    /// `Shape` for another rank, or where the packed index cannot hold it.
    pub fn from_dims(dims: &[usize]) -> Result<Self> {
        let (c_out, c_in, kh, kw) = match *dims {
            [c_out, c_in] => (c_out, c_in, 1, 1),
            [c_out, c_in, kh, kw] => (c_out, c_in, kh, kw),
            _ => return Err(shape_error("weight", "2 or 4 extents", format!("{dims:?}"))),
        };
        let shape = Self { c_out, c_in, kh, kw };
        shape.check()?;
        Ok(shape)
    }
    /// Number of weights of the dense tensor.
    pub fn len(&self) -> usize {
        self.c_out * self.c_in * self.kh * self.kw
    }
    /// True where the tensor holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn row_len(&self) -> usize {
        self.c_in * self.kh * self.kw
    }
    fn check(&self) -> Result<()> {
        let channels = self.c_out.max(self.c_in);
        let len = [self.c_in, self.kh, self.kw].iter().try_fold(self.c_out, |n, &d| n.checked_mul(d));
        if self.kh > 15 || self.kw > 15 || channels >= 1 << 24 || len.is_none_or(|n| n > u32::MAX as usize) {
            let expected = "kernel extents up to 15, fewer than 2^24 channels and 2^32 weights";
            return Err(shape_error("weight", expected, format!("{self:?}")));
        }
        Ok(())
    }
}

impl From<&ConvShape> for WeightShape {
    fn from(shape: &ConvShape) -> Self {
        Self { c_out: shape.c_out, c_in: shape.c_in, kh: shape.kh, kw: shape.kw }
    }
}

fn shape_error(tensor: &str, expected: impl ToString, found: impl ToString) -> Error {
    Error::shape("csr", tensor.to_owned(), expected.to_string(), found.to_string())
}

/// A tap as the kernels read it: `channel << 8 | ky << 4 | kx`.
pub fn pack(channel: u32, ky: u32, kx: u32) -> u32 {
    channel << 8 | ky << 4 | kx
}

/// Channel, ky and kx of a packed tap.
pub fn unpack(packed: u32) -> (u32, u32, u32) {
    (packed >> 8, packed >> 4 & 15, packed & 15)
}

/// A sparse weight in host memory; see [`crate::ops::SparseTopology`] for what each index means to a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    /// Extents of the dense tensor.
    pub shape: WeightShape,
    /// `[c_out + 1]` starts of the rows in `values`.
    pub row_ptr: Vec<u32>,
    /// `[nnz]` packed (input channel, ky, kx).
    pub index: Vec<u32>,
    /// `[nnz]` output channel of each value.
    pub row: Vec<u32>,
    /// `[c_in + 1]` starts of the transposed rows.
    pub t_row_ptr: Vec<u32>,
    /// `[nnz]` packed (output channel, ky, kx), transposed order.
    pub t_index: Vec<u32>,
    /// `[nnz]` position in `values`, transposed order.
    pub t_value: Vec<u32>,
    /// `[nnz]`.
    pub values: Vec<f32>,
}

impl Csr {
    /// From strictly increasing flat positions and what stands there.
    ///
    /// # Errors
    /// `Shape` where positions are unsorted, repeated or outside the tensor, or `values` has another length.
    pub fn from_positions(shape: WeightShape, positions: &[u32], values: Vec<f32>) -> Result<Self> {
        shape.check()?;
        if values.len() != positions.len() {
            return Err(shape_error("values", positions.len(), values.len()));
        }
        check_positions(positions, shape.len())?;

        let (row_len, taps) = (shape.row_len(), shape.kh * shape.kw);
        let mut row_ptr = vec![0u32; shape.c_out + 1];
        let mut t_row_ptr = vec![0u32; shape.c_in + 1];
        let (mut index, mut row) = (Vec::with_capacity(positions.len()), Vec::with_capacity(positions.len()));
        for &position in positions {
            let (co, rest) = (position as usize / row_len, position as usize % row_len);
            let (ci, tap) = (rest / taps, rest % taps);
            row_ptr[co + 1] += 1;
            t_row_ptr[ci + 1] += 1;
            row.push(co as u32);
            index.push(pack(ci as u32, (tap / shape.kw) as u32, (tap % shape.kw) as u32));
        }
        for starts in [&mut row_ptr, &mut t_row_ptr] {
            for i in 1..starts.len() {
                starts[i] += starts[i - 1];
            }
        }
        // A stable counting sort: within an input channel the entries stay in CSR order, that is by (co, ky, kx).
        let mut next = t_row_ptr.clone();
        let (mut t_index, mut t_value) = (vec![0; index.len()], vec![0; index.len()]);
        for (i, (&packed, &co)) in index.iter().zip(&row).enumerate() {
            let (ci, ky, kx) = unpack(packed);
            let slot = &mut next[ci as usize];
            t_index[*slot as usize] = pack(co, ky, kx);
            t_value[*slot as usize] = i as u32;
            *slot += 1;
        }
        Ok(Self { shape, row_ptr, index, row, t_row_ptr, t_index, t_value, values })
    }

    /// From a dense mask (non-zero is active) and the dense values.
    ///
    /// # Errors
    /// `Shape` where either has another length than the tensor.
    pub fn from_mask(shape: WeightShape, mask: &[f32], dense: &[f32]) -> Result<Self> {
        for (tensor, found) in [("mask", mask.len()), ("dense values", dense.len())] {
            if found != shape.len() {
                return Err(shape_error(tensor, shape.len(), found));
            }
        }
        let positions = mask_positions(mask);
        let values = gather(dense, &positions);
        Self::from_positions(shape, &positions, values)
    }

    /// Number of values.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// Flat positions in the dense tensor, increasing.
    pub fn positions(&self) -> impl Iterator<Item = u32> + '_ {
        let (row_len, taps, kw) = (self.shape.row_len(), self.shape.kh * self.shape.kw, self.shape.kw);
        self.row.iter().zip(&self.index).map(move |(&co, &packed)| {
            let (ci, ky, kx) = unpack(packed);
            (co as usize * row_len + ci as usize * taps + ky as usize * kw + kx as usize) as u32
        })
    }

    /// The dense tensor, zero where inactive.
    pub fn to_dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.shape.len()];
        for (position, &value) in self.positions().zip(&self.values) {
            dense[position as usize] = value;
        }
        dense
    }
}

/// Checks that positions are strictly increasing and below `len`.
///
/// # Errors
/// `Shape`, naming the first offender.
pub fn check_positions(positions: &[u32], len: usize) -> Result<()> {
    if let Some(pair) = positions.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(shape_error("positions", "strictly increasing", format!("{} before {}", pair[0], pair[1])));
    }
    match positions.last() {
        Some(&last) if last as usize >= len => Err(shape_error("positions", format!("below {len}"), last)),
        _ => Ok(()),
    }
}

/// Positions of a mask's non-zeros.
pub fn mask_positions(mask: &[f32]) -> Vec<u32> {
    mask.iter().enumerate().filter(|(_, m)| **m != 0.0).map(|(i, _)| i as u32).collect()
}

/// A 0/1 mask of `len` with ones at the positions (those outside are ignored).
pub fn positions_mask(positions: &[u32], len: usize) -> Vec<f32> {
    let mut mask = vec![0.0; len];
    for &position in positions {
        if let Some(slot) = mask.get_mut(position as usize) {
            *slot = 1.0;
        }
    }
    mask
}

/// The dense tensor's values at the positions, which must lie inside it.
pub fn gather(dense: &[f32], positions: &[u32]) -> Vec<f32> {
    positions.iter().map(|&p| dense[p as usize]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn shapes() -> impl Strategy<Value = WeightShape> {
        (1usize..7, 1usize..7, 1usize..6, 1usize..6).prop_map(|(c_out, c_in, kh, kw)| WeightShape { c_out, c_in, kh, kw })
    }
    /// A shape, a mask over it (densities 0 and 1 included) and dense values.
    fn cases() -> impl Strategy<Value = (WeightShape, Vec<f32>, Vec<f32>)> {
        (shapes(), prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64]).prop_flat_map(|(shape, density)| {
            let mask = prop::collection::vec(prop::bool::weighted(density).prop_map(|b| f32::from(u8::from(b))), shape.len());
            let dense = prop::collection::vec(-1.0f32..1.0, shape.len());
            (Just(shape), mask, dense)
        })
    }

    proptest! {
        #[test]
        fn dense_round_trip((shape, mask, dense) in cases()) {
            let csr = Csr::from_mask(shape, &mask, &dense).unwrap();
            let expected: Vec<f32> = mask.iter().zip(&dense).map(|(m, d)| if *m == 0.0 { 0.0 } else { *d }).collect();
            prop_assert_eq!(csr.to_dense(), expected);
            prop_assert_eq!(csr.positions().collect::<Vec<_>>(), mask_positions(&mask));
            prop_assert_eq!(positions_mask(&mask_positions(&mask), shape.len()), mask);
        }

        #[test]
        fn rows_are_sorted_and_transposed_index_matches((shape, mask, dense) in cases()) {
            let csr = Csr::from_mask(shape, &mask, &dense).unwrap();
            prop_assert_eq!(csr.row_ptr.len(), shape.c_out + 1);
            prop_assert_eq!(csr.t_row_ptr.len(), shape.c_in + 1);
            prop_assert_eq!(csr.row_ptr[shape.c_out] as usize, csr.nnz());
            prop_assert_eq!(csr.t_row_ptr[shape.c_in] as usize, csr.nnz());
            for co in 0..shape.c_out {
                let range = csr.row_ptr[co] as usize..csr.row_ptr[co + 1] as usize;
                prop_assert!(csr.row[range.clone()].iter().all(|r| *r as usize == co));
                prop_assert!(csr.index[range].windows(2).all(|w| w[0] < w[1]));
            }
            let mut seen = vec![false; csr.nnz()];
            for ci in 0..shape.c_in {
                let range = csr.t_row_ptr[ci] as usize..csr.t_row_ptr[ci + 1] as usize;
                prop_assert!(csr.t_index[range.clone()].windows(2).all(|w| w[0] < w[1]));
                for t in range {
                    let value = csr.t_value[t] as usize;
                    prop_assert!(!std::mem::replace(&mut seen[value], true));
                    let (co, ky, kx) = unpack(csr.t_index[t]);
                    prop_assert_eq!(csr.row[value], co);
                    prop_assert_eq!(csr.index[value], pack(ci as u32, ky, kx));
                }
            }
            prop_assert!(seen.into_iter().all(|s| s));
        }
    }

    #[test]
    fn an_empty_row_has_no_entries() {
        let shape = WeightShape { c_out: 3, c_in: 2, kh: 1, kw: 2 };
        let csr = Csr::from_positions(shape, &[1, 8, 11], vec![1.0, 2.0, 3.0]).unwrap();
        assert_eq!(csr.row_ptr, [0, 1, 1, 3]);
        assert_eq!(csr.index, [pack(0, 0, 1), pack(0, 0, 0), pack(1, 0, 1)]);
        assert_eq!(csr.t_row_ptr, [0, 2, 3]);
        assert_eq!(csr.t_index, [pack(0, 0, 1), pack(2, 0, 0), pack(2, 0, 1)]);
        assert_eq!(csr.t_value, [0, 1, 2]);
    }

    #[test]
    fn bad_input_is_an_error() {
        let shape = WeightShape { c_out: 2, c_in: 2, kh: 1, kw: 1 };
        assert!(Csr::from_positions(shape, &[1, 1], vec![0.0; 2]).is_err(), "repeated");
        assert!(Csr::from_positions(shape, &[2, 1], vec![0.0; 2]).is_err(), "unsorted");
        assert!(Csr::from_positions(shape, &[4], vec![0.0]).is_err(), "outside");
        assert!(Csr::from_positions(shape, &[0], vec![]).is_err(), "too few values");
        assert!(Csr::from_mask(shape, &[1.0; 3], &[1.0; 4]).is_err(), "short mask");
        assert!(WeightShape::from_dims(&[4, 4, 16, 1]).is_err(), "kernel too large for the packed index");
        assert!(WeightShape::from_dims(&[4]).is_err(), "a bias is no weight");
    }
}
