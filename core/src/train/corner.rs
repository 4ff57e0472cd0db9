//! Who stands in a corner of the ring, before its network is planned.

use std::sync::Arc;

use crate::config::LearnerConfig;
use crate::hardness::Subset;

/// Who stands in a corner, and what it trains on.
pub struct Corner {
    /// How its weights live.
    pub config: LearnerConfig,
    /// The subset, by name.
    pub subset: Subset,
    /// Whether it is the random control of another.
    pub control: bool,
    /// The subset, by index into the training file.
    pub indices: Arc<Vec<u32>>,
}

impl Corner {
    /// Display name.
    pub fn name(&self) -> String {
        if self.control { format!("{} on random", self.config) } else { self.config.to_string() }
    }
}
