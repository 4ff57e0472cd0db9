//! Networks: the description (graph), the zoo, the plan that runs on a device, and named states.

pub mod graph;
pub mod init;
pub mod io;
pub mod plan;
mod recompute;
pub mod scratch;
pub mod tape;
pub mod zoo;

pub use graph::Graph;
pub use io::{Io, SampleRecord};
pub use plan::{Net, NetConfig, Placement, Training};
