//! Inside.

/// Heading.
pub const TITLE: &str = "Inside the sparse network";
