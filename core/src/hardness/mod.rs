//! Hardness: scores of samples, and the subsets chosen by them.
//!
//! Scores and selection are plain data and pure functions, so that anybody can check which samples a race was about.

mod forgetting;
mod name;
mod scores;
mod subset;

pub use forgetting::Forgetting;
pub use name::{Part, ScoreName};
pub use scores::{Answers, Column, Scores};
pub use subset::{Subset, data_fraction, difficulty_bins, select};
