//! Hardness: scores of samples, and the subsets chosen by them.
//!
//! Scores and selection are plain data and pure functions, so that anybody can check which samples a race was about.

mod scores;
pub mod scoring;
mod subset;

pub use scores::Scores;
pub use subset::{data_fraction, easy_hard_halves, select};
