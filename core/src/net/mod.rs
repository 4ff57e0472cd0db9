//! Networks: the description (graph), the zoo, the plan that runs on a device, and named states.

pub mod graph;
pub mod init;
pub mod plan;
mod recompute;
pub mod scratch;
pub mod state;
pub mod tape;
pub mod zoo;

pub use graph::Graph;
pub use plan::{Net, Placement, Training};
pub use state::{StateDict, Tensor};
