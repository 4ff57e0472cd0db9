//! Topology: CSR, density allocation, prune and grow. Plain Rust on the CPU, exact and seeded.
//!
//! A sparse weight is a sorted list of flat positions and what stands there; every rule maps such lists to such lists, so
//! native and page share every mask. A topology rule that lived on a device instead would differ from device to device.

pub mod csr;
pub mod density;
pub mod grow;
pub mod magnitude;
pub mod mask;
pub mod positions;
pub mod prune;
pub mod redistribute;
pub mod update;
pub mod upload;

pub use csr::{Csr, WeightShape};
pub use grow::{Grow, Growth};
pub use positions::PositionSet;
pub use prune::{Prune, PruneRule};
pub use redistribute::Redistribution;
pub use update::{Change, SparseLayer};
