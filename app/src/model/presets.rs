//! Ready-made experiments, each a link: what a first visit starts from, named after what it shows.

use sparring_core::config::ExperimentConfig;
use sparring_core::device::info::DeviceChoice;

use crate::model::link;
pub use crate::words::presets::{PRESETS, Preset};

impl Preset {
    /// That of the recorded run which a first visit sees.
    pub const FIRST: &'static str = "hardest-built-in";
    /// What suits a device without a GPU.
    pub const QUICK: &'static str = "quick-look";

    /// The preset of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|p| p.name == name)
    }
    /// The experiment, on the given device.
    pub fn config(&self, device: DeviceChoice) -> ExperimentConfig {
        // A test reads every preset.
        let config = link::parse(link::pairs(self.query)).unwrap_or_default();
        ExperimentConfig { device, ..config }
    }
    /// The preset that a configuration is, if it is one.
    pub fn of(config: &ExperimentConfig) -> Option<&'static Self> {
        let query = link::query(&ExperimentConfig { device: DeviceChoice::Auto, ..config.clone() }).ok()?;
        PRESETS.iter().find(|p| p.query == query)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_preset_is_a_link_in_its_shortest_form() {
        for preset in PRESETS {
            let config = link::parse(link::pairs(preset.query)).unwrap();
            assert_eq!(link::query(&config).unwrap(), preset.query, "{}", preset.name);
            assert_eq!(Preset::of(&ExperimentConfig { device: DeviceChoice::Cpu, ..config }), Some(preset));
        }
        assert_eq!(Preset::named(Preset::QUICK).unwrap().config(DeviceChoice::Cpu).device, DeviceChoice::Cpu);
    }

    #[test]
    fn names_are_unique_and_what_they_show_is_said() {
        let names: BTreeSet<_> = PRESETS.iter().map(|p| p.name).collect();
        assert_eq!(names.len(), PRESETS.len());
        assert!(PRESETS.iter().all(|p| p.about.ends_with(['.', '?']) && p.about.len() < 160));
    }
}
