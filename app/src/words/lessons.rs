//! Lessons.

/// Heading.
pub const TITLE: &str = "Lessons";
