//! Sparse layers for [Burn](https://burn.dev): weights that are not there are neither stored nor computed, in all three directions.
//!
//! A Burn program keeps its tensors, its autodiff and its optimizers; the products of these layers are made by Sparring's kernels, on
//! Burn's own GPU device or on its CPU. Masks over dense tensors would leave every product as long as it was.
//!
//! | | Shape | |
//! | --- | --- | --- |
//! | images, activations | `[batch, channels, height, width]` | as Burn has them |
//! | values of a layer | `[nnz]` | in the order of the dense tensor `[out, in, kernel, kernel]` |
//! | topology of a layer | `[words]` | where the values stand ([`Topology`]) |

pub mod attack;
mod chwn;
mod conv;
mod convert;
mod dynamics;
mod error;
mod layer;
mod linear;
mod moving;
pub mod ops;
mod topology;
mod walk;
pub mod weights;

pub use chwn::Chwn;
pub use conv::{SparseConv2d, SparseConv2dConfig};
pub use convert::{Allocation, Sparsity, convert};
pub use dynamics::{Dynamics, LayerChange, RateSchedule, SparseTraining, SparseTrainingConfig};
pub use error::{Error, Result};
pub use linear::{SparseLinear, SparseLinearConfig};
pub use sparring_core::device::info::Kernel;
pub use topology::Topology;
