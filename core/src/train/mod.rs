//! Training: schedules, the session and its slices.
//!
//! A session is pulled: `advance` does about 100 ms of device work and returns what happened, so a page stays
//! responsive, a terminal can draw, and pausing is not calling.

pub mod checkpoint;
pub mod learner;
pub mod schedule;
pub mod session;
pub mod verdict;

pub use session::Session;
