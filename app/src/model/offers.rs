//! What the page offers of the engine's named things: everything but what is left out here by name.
//!
//! So a new method, score, allocation or kind of corruption stands in the page's lists by itself. Labels are words of the page where a
//! name says too little, else what the engine says of it.

use sparring_core::config::{Allocation, Method};
use sparring_core::corrupt::{Corruption, Family};
use sparring_core::hardness::ScoreName;

use crate::words::offers as words;

/// GraSP needs double precision, which only the native program carries.
pub const METHODS_LEFT_OUT: [Method; 1] = [Method::Grasp];
/// Each is one method's own way and comes with that method.
pub const ALLOCATIONS_LEFT_OUT: [Allocation; 5] =
    [Allocation::UniformPre, Allocation::HalfPre, Allocation::Snip, Allocation::SnipMask, Allocation::Grasp];

/// Values with labels.
pub type Options = Vec<(&'static str, String)>;

fn label(name: &str, labels: &[(&str, &str)], otherwise: &str) -> String {
    labels.iter().find(|(known, _)| *known == name).map_or(otherwise, |(_, label)| label).trim_end_matches('.').to_owned()
}

/// Methods.
pub fn methods() -> Options {
    Method::ALL.iter().filter(|m| !METHODS_LEFT_OUT.contains(m)).map(|m| (m.name(), m.title().to_owned())).collect()
}

/// Ways to share the density among layers.
pub fn allocations() -> Options {
    let offered = Allocation::ALL.iter().filter(|a| !ALLOCATIONS_LEFT_OUT.contains(a));
    offered.map(|a| (a.name(), label(a.name(), &words::ALLOCATIONS, a.doc()))).collect()
}

/// Scores of hardness.
pub fn scores() -> Options {
    ScoreName::ALL.iter().map(|s| (s.name(), label(s.name(), &words::SCORES, s.doc()))).collect()
}

/// Kinds of corruption by family, under its name.
pub fn corruptions() -> Vec<(String, Options)> {
    let of =
        |family: Family| Corruption::ALL.iter().filter(move |kind| kind.family() == family).map(|kind| (kind.name(), corruption(*kind)));
    Family::ALL.iter().map(|family| (title(family.name()), of(*family).collect())).collect()
}

/// A corruption's label, e.g. "Gaussian noise".
pub fn corruption(kind: Corruption) -> String {
    let label = title(kind.name()).replace("Jpeg", "JPEG");
    if kind.is_extra() { words::extra(&label) } else { label }
}

/// "gaussian-noise" as "Gaussian noise".
fn title(name: &str) -> String {
    let mut out = name.replace('-', " ");
    if let Some(first) = out.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::words::settings::{ADVANCED, ATTACK, DATASET, Kind, SEVERITY, Setting};
    use sparring_core::attack::Norm;
    use sparring_core::data::DatasetName;
    use sparring_core::ops::OptimizerName;
    use std::collections::BTreeSet;

    /// Every name but those left out is offered, once, under a label of its own; nothing else is.
    fn whole<'a>(all: impl Iterator<Item = &'a str>, left_out: &[&str], options: &[(&str, String)]) {
        let offered: Vec<&str> = options.iter().map(|(value, _)| *value).collect();
        let expected: BTreeSet<&str> = all.filter(|name| !left_out.contains(name)).collect();
        assert_eq!(offered.iter().copied().collect::<BTreeSet<_>>(), expected);
        assert_eq!(offered.len(), expected.len(), "{offered:?}");
        let labels: BTreeSet<&str> = options.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels.len(), options.len(), "{options:?}");
        assert!(!labels.contains(""), "{options:?}");
    }

    #[test]
    fn what_the_engine_has_is_offered_but_for_what_is_left_out_by_name() {
        whole(Method::ALL.iter().map(|m| m.name()), &METHODS_LEFT_OUT.map(Method::name), &methods());
        whole(Allocation::ALL.iter().map(|a| a.name()), &ALLOCATIONS_LEFT_OUT.map(Allocation::name), &allocations());
        whole(ScoreName::ALL.iter().map(|s| s.name()), &[], &scores());
        let kinds: Vec<_> = corruptions().into_iter().flat_map(|(_, kinds)| kinds).collect();
        whole(Corruption::ALL.iter().map(|c| c.name()), &[], &kinds);
        assert_eq!(corruption(Corruption::JpegCompression), "JPEG compression");
        assert_eq!(corruption(Corruption::SpeckleNoise), "Speckle noise (extra)");
    }

    /// Choices that are written out because their labels are words.
    fn written(setting: &Setting) -> Vec<(&'static str, String)> {
        let Kind::Choice(all) = setting.kind else { panic!("{} is no choice", setting.name) };
        all.iter().map(|(value, label)| (*value, (*label).to_owned())).collect()
    }

    #[test]
    fn choices_that_are_written_out_are_whole_too() {
        let named = |name: &str| ADVANCED.iter().chain(ATTACK).find(|s| s.name == name).unwrap();
        let bulky = ["cifar100", "cifar100-coarse", "tinyimagenet", "mnist", "folder"];
        whole(DatasetName::ALL.iter().map(|d| d.name()), &bulky, &written(&DATASET));
        whole(Norm::ALL.iter().map(|n| n.name()), &[], &written(named("norm")));
        whole(OptimizerName::ALL.iter().map(|o| o.name()), &[], &written(named("optimizer")));
        for (value, _) in written(&SEVERITY) {
            assert!(value.parse::<sparring_core::corrupt::Severities>().is_ok(), "{value}");
        }
    }
}
