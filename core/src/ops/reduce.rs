//! Sums over positions and lanes, in two stages so that few channels still fill a GPU and the order of additions never changes.

use super::contract::{Check, Contract, Slot};
use super::{BufferId, Shape};

/// `dbias[c] = sum over h,w,n of dy[c,h,w,n]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BiasGrad {
    /// Extent of `dy`.
    pub shape: Shape,
    /// Gradient of the output.
    pub dy: BufferId,
    /// `[c]`.
    pub dbias: BufferId,
}

impl Contract for BiasGrad {
    fn check(&self) -> Check {
        self.shape.check("dy")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![Slot::read("dy", &mut self.dy, self.shape.len()).activation(), Slot::write("dbias", &mut self.dbias, self.shape.c)]
    }
}
