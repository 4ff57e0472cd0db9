//! Samples.

/// Heading.
pub const TITLE: &str = "The samples";
