//! Runs.

/// Heading.
pub const TITLE: &str = "Runs";
