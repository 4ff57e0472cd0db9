//! Bench.

/// Heading.
pub const TITLE: &str = "The test bench";
