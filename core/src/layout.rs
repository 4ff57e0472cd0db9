//! From the layout files use (N-C-H-W) to the layout kernels use (C-H-W-N, batch padded to a multiple of 4) and back.
//!
//! Everything outside a device speaks the first, everything on one the second; each conversion stands here once.

use crate::error::{Error, Result};
use crate::ops::padded_batch;

/// `[n][c][plane]` to `[c][plane][padded n]`, padded lanes zero. `plane` is height times width.
///
/// # Errors
/// `Shape` where `values` is not `n * c * plane` long.
pub fn chwn_from_nchw(values: &[f32], n: usize, c: usize, plane: usize) -> Result<Vec<f32>> {
    check(values.len(), n * c * plane)?;
    let lanes = padded_batch(n);
    let mut out = vec![0.0; c * plane * lanes];
    for (lane, image) in values.chunks_exact((c * plane).max(1)).enumerate() {
        for (row, &value) in out.chunks_exact_mut(lanes).zip(image) {
            row[lane] = value;
        }
    }
    Ok(out)
}

/// `[c][plane][padded n]` to `[n][c][plane]`, padded lanes dropped.
///
/// # Errors
/// `Shape` where `values` is not `c * plane * padded n` long.
pub fn nchw_from_chwn(values: &[f32], n: usize, c: usize, plane: usize) -> Result<Vec<f32>> {
    let lanes = padded_batch(n);
    check(values.len(), c * plane * lanes)?;
    Ok((0..n).flat_map(|lane| values.iter().skip(lane).step_by(lanes.max(1)).copied()).collect())
}

fn check(found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::shape("layout conversion", "activation", format!("{expected} values"), found.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn batch_becomes_innermost_and_padded() {
        // Two images of two channels and three pixels.
        let nchw: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let chwn = chwn_from_nchw(&nchw, 2, 2, 3).unwrap();
        assert_eq!(chwn.len(), 2 * 3 * 4);
        assert_eq!(chwn[..8], [0.0, 6.0, 0.0, 0.0, 1.0, 7.0, 0.0, 0.0]);
        assert_eq!(nchw_from_chwn(&chwn, 2, 2, 3).unwrap(), nchw);
    }

    #[test]
    fn round_trips_at_odd_sizes() {
        for (n, c, plane) in [(1, 1, 1), (4, 3, 5), (5, 2, 49), (0, 3, 4), (3, 0, 2)] {
            let nchw: Vec<f32> = (0..n * c * plane).map(|i| i as f32 + 1.0).collect();
            let chwn = chwn_from_nchw(&nchw, n, c, plane).unwrap();
            assert_eq!(nchw_from_chwn(&chwn, n, c, plane).unwrap(), nchw);
        }
        assert!(chwn_from_nchw(&[0.0; 5], 2, 1, 3).is_err());
        assert!(nchw_from_chwn(&[0.0; 6], 2, 1, 3).is_err());
    }
}
