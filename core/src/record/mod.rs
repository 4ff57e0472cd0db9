//! What is known of runs: everything that terminal, report and page say of one or of several is derived here, by one rule each.
//!
//! It reads events and configurations alone, so that a run that trains, one that was kept and one that somebody sent are told alike.

pub mod claim;
pub mod comparison;
pub mod history;
pub mod holm;
pub mod run_file;
pub mod study;
pub mod study_file;
pub mod verdict;

pub use crate::events::Metric;
pub use comparison::Comparison;
pub use history::{Epoch, History, Note, Track};
pub use run_file::RunFile;
pub use study_file::StudyFile;
pub use verdict::Lead;
