//! Optimiser updates over flat value arrays: the same kernel serves dense tensors and CSR values.
//!
//! Semantics are PyTorch's. Weight decay is added to the gradient. With a mask, the value is multiplied by it after the
//! update while momentum keeps moving (`Masked` semantics, the paper's code).

use super::BufferId;
use super::contract::{Check, Contract, Slot, check_len};
use crate::names::named_enum;

named_enum! {
    /// Optimiser.
    pub enum OptimizerName ("optimizer") {
        /// SGD with momentum.
        Sgd = "sgd",
        /// Adam.
        Adam = "adam",
    }
}

/// `g = grad + weight_decay * v; m = momentum * m + g; v -= lr * (nesterov ? g + momentum * m : m); v *= mask`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdUpdate {
    /// Number of values.
    pub len: usize,
    /// Values, updated.
    pub values: BufferId,
    /// Gradient.
    pub grad: BufferId,
    /// Momentum, updated. Starts at zero, which equals PyTorch's first step.
    pub momentum: BufferId,
    /// f32 0/1, if masked.
    pub mask: Option<BufferId>,
    /// With a mask: also multiply the momentum by it after the update.
    pub momentum_reset: bool,
}

/// `g = grad + weight_decay * v; m = b1 m + (1-b1) g; s = b2 s + (1-b2) g^2; v -= lr * (m / correction1) / (sqrt(s / correction2) + eps); v *= mask`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamUpdate {
    /// Number of values.
    pub len: usize,
    /// Values, updated.
    pub values: BufferId,
    /// Gradient.
    pub grad: BufferId,
    /// First moment, updated.
    pub first: BufferId,
    /// Second moment, updated.
    pub second: BufferId,
    /// f32 0/1, if masked.
    pub mask: Option<BufferId>,
}

impl Contract for SgdUpdate {
    fn check(&self) -> Check {
        check_len("values", self.len)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![
            Slot::update("values", &mut self.values, self.len),
            Slot::read("grad", &mut self.grad, self.len),
            Slot::update("momentum", &mut self.momentum, self.len),
            Slot::read("mask", self.mask.as_mut(), self.len),
        ]
    }
}

impl Contract for AdamUpdate {
    fn check(&self) -> Check {
        check_len("values", self.len)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        vec![
            Slot::update("values", &mut self.values, self.len),
            Slot::read("grad", &mut self.grad, self.len),
            Slot::update("first", &mut self.first, self.len),
            Slot::update("second", &mut self.second, self.len),
            Slot::read("mask", self.mask.as_mut(), self.len),
        ]
    }
}
