//! The places of the lab, and their names in the address.

use leptos::prelude::*;

use crate::words::places as words;

/// A place of the lab.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Who leads, curves, numbers.
    #[default]
    Ring,
    /// Test images by hardness and by who is right.
    Samples,
    /// One picture, corrupted and attacked.
    Bench,
    /// Masks and weights.
    Inside,
    /// Guided lessons.
    Lessons,
    /// Recorded, kept and brought runs.
    Runs,
    /// Studies, and one more seed of their points.
    Findings,
}

impl Place {
    /// Whether it looks at networks.
    pub fn asks_networks(self) -> bool {
        matches!(self, Self::Samples | Self::Bench | Self::Inside)
    }
    /// In the order of the menu.
    pub const ALL: [Self; 7] = [Self::Ring, Self::Samples, Self::Bench, Self::Inside, Self::Lessons, Self::Findings, Self::Runs];

    /// In the address, behind the hash.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Samples => "samples",
            Self::Bench => "bench",
            Self::Inside => "inside",
            Self::Lessons => "lessons",
            Self::Runs => "runs",
            Self::Findings => "findings",
        }
    }
    /// In the menu.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ring => words::RING,
            Self::Samples => words::SAMPLES,
            Self::Bench => words::BENCH,
            Self::Inside => words::INSIDE,
            Self::Lessons => words::LESSONS,
            Self::Runs => words::RUNS,
            Self::Findings => words::FINDINGS,
        }
    }
    /// The place of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
    /// The place that the address names; the ring where it names none.
    pub fn of_address() -> Self {
        let hash = window().location().hash().unwrap_or_default();
        hash.strip_prefix('#').and_then(Self::named).unwrap_or_default()
    }
}
