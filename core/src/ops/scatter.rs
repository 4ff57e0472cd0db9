//! Between a sparse weight and the dense tensor that it stands for: how a layer is computed as a dense one and stays sparse.
//!
//! Its values are put among zeros before a dense product, and of a dense gradient those at the non-zeros are taken out.

use super::contract::{Check, Contract, Slot};
use super::{BufferId, ConvShape, SparseTopology};

/// `whole[co,ci,ky,kx] = values[i]` where value `i` stands; the rest of `whole` stays as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scatter {
    /// Geometry of the convolution.
    pub shape: ConvShape,
    /// Where the values stand.
    pub topology: SparseTopology,
    /// `[nnz]` in CSR order.
    pub values: BufferId,
    /// `[c_out][c_in][kh][kw]`.
    pub whole: BufferId,
}

/// `values[i] = whole[co,ci,ky,kx]` where value `i` stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gather {
    /// Geometry of the convolution.
    pub shape: ConvShape,
    /// Where the values stand.
    pub topology: SparseTopology,
    /// `[c_out][c_in][kh][kw]`.
    pub whole: BufferId,
    /// `[nnz]` in CSR order.
    pub values: BufferId,
}

impl Contract for Scatter {
    fn check(&self) -> Check {
        self.shape.check_weights(Some(&self.topology))
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let mut slots = vec![Slot::read("values", &mut self.values, self.topology.nnz)];
        slots.extend(self.topology.slots(&self.shape));
        slots.push(Slot::update("whole", &mut self.whole, self.shape.weights()));
        slots
    }
}

impl Contract for Gather {
    fn check(&self) -> Check {
        self.shape.check_weights(Some(&self.topology))
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let nnz = self.topology.nnz;
        let mut slots = vec![Slot::read("whole", &mut self.whole, self.shape.weights())];
        slots.extend(self.topology.slots(&self.shape));
        slots.push(Slot::write("values", &mut self.values, nnz));
        slots
    }
}
