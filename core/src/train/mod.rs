//! Training: schedules, the session and its slices.
//!
//! A session is pulled: `advance` does about 100 ms of device work and returns what happened, so a page stays
//! responsive, a terminal can draw, and pausing is not calling.

pub mod checkpoint;
pub mod corner;
#[cfg(feature = "oracle")]
pub mod grasp;
pub mod learner;
pub mod parent;
pub mod placing;
pub mod saliency;
pub mod schedule;
pub mod scoring;
pub mod session;
pub mod tally;
mod topology;
pub mod warm;
pub mod workspace;

pub use session::Session;
