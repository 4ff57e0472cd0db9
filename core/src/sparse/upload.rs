//! A sparse weight's index buffers on a device.
//!
//! Their size depends on the layer and its number of non-zeros. Most topology updates keep that number: buffers and programs stay, only
//! their contents are written again. Where it changes (gradual pruning, redistribution, another density), the weight gets new buffers and
//! the programs are compiled again.

use super::csr::{Csr, WeightShape};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::ops::{Dtype, SparseTopology};

/// Empty index buffers for `nnz` values of a weight.
///
/// # Errors
/// What [`Device::alloc`] returns.
pub fn allocate(device: &mut Device, label: &str, shape: WeightShape, nnz: usize) -> Result<SparseTopology> {
    let mut words = |what: &str, words| device.alloc(&format!("{label}.{what}"), words, Dtype::U32);
    Ok(SparseTopology {
        row_ptr: words("row_ptr", shape.c_out + 1)?,
        index: words("index", nnz)?,
        t_row_ptr: words("t_row_ptr", shape.c_in + 1)?,
        t_index: words("t_index", nnz)?,
        t_value: words("t_value", nnz)?,
        row: words("row", nnz)?,
        nnz,
    })
}

/// Writes the indices of `csr` (not its values).
///
/// # Errors
/// `Shape` where the number of non-zeros differs from what the buffers were made for.
pub fn write(device: &mut Device, topology: &SparseTopology, csr: &Csr) -> Result<()> {
    if csr.nnz() != topology.nnz {
        return Err(Error::shape("topology upload", "values", format!("{} non-zeros", topology.nnz), csr.nnz().to_string()));
    }
    for (buffer, words) in [
        (topology.row_ptr, &csr.row_ptr),
        (topology.index, &csr.index),
        (topology.t_row_ptr, &csr.t_row_ptr),
        (topology.t_index, &csr.t_index),
        (topology.t_value, &csr.t_value),
        (topology.row, &csr.row),
    ] {
        device.write_u32(buffer, 0, words)?;
    }
    Ok(())
}

/// Gives the index buffers back.
pub fn free(device: &mut Device, topology: &SparseTopology) {
    for buffer in [topology.row_ptr, topology.index, topology.t_row_ptr, topology.t_index, topology.t_value, topology.row] {
        device.free(buffer);
    }
}
