//! Placeholder.

/// A network's description.
#[derive(Clone, Debug, Default)]
pub struct Graph {}
