//! The menu.

/// Its name for screen readers.
pub const MENU: &str = "Places of the lab";
/// The ring.
pub const RING: &str = "Ring";
/// The samples.
pub const SAMPLES: &str = "Samples";
/// The test bench.
pub const BENCH: &str = "Test bench";
/// Studies and what they say.
pub const FINDINGS: &str = "Findings";
/// Runs.
pub const RUNS: &str = "Runs";
/// Masks and weights.
pub const INSIDE: &str = "Inside";
/// Guided lessons.
pub const LESSONS: &str = "Lessons";
