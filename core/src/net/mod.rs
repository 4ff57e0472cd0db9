//! Networks: the description (graph), the zoo, the plan that runs on a device, and named states.

pub mod graph;
pub mod plan;
pub mod state;
pub mod zoo;

pub use graph::Graph;
pub use state::{StateDict, Tensor};
