//! A checkpoint in parts: one race at rest, taken apart by learners and put together again.
//!
//! Learners know nothing of each other, so where several trainers share a race each holds a checkpoint of its own, and what is kept is
//! one. Random streams are not named by a learner's number: in a part it may have another one.

use std::collections::BTreeMap;

use super::{Array, Checkpoint, Record, damaged};
use crate::config::ExperimentConfig;
use crate::error::Result;

/// A part of a race: some of its learners, as a race of these alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The race's configuration with some of its learners.
    pub config: ExperimentConfig,
    /// The places of its sessions' learners in the race, in the part's own order.
    pub places: Vec<usize>,
}

impl Part {
    /// The part with these of the configuration's learners, each with its random control where the race has one.
    pub fn new(race: &ExperimentConfig, learners: &[usize]) -> Self {
        let corner = race.learners.len();
        let places = (0..race.corners().len()).flat_map(|c| learners.iter().map(move |l| c * corner + l)).collect();
        let learners = learners.iter().filter_map(|l| race.learners.get(*l).copied()).collect();
        Self { config: ExperimentConfig { learners, ..race.clone() }, places }
    }
}

impl Checkpoint {
    /// What it says of a part of its race.
    ///
    /// # Errors
    /// `Checkpoint` where it lacks a learner of the part.
    pub fn part(&self, part: &Part) -> Result<Self> {
        let mut arrays = BTreeMap::new();
        let mut learners = Vec::new();
        for (own, place) in part.places.iter().enumerate() {
            learners.push(self.record.learners.get(*place).cloned().ok_or_else(|| damaged(format_args!("it lacks learner {place}")))?);
            arrays.extend(self.arrays_of(*place).map(|(name, array)| (format!("{own}/{name}"), array.clone())));
        }
        let (config, config_hash) = (part.config.canonical_json()?, part.config.hash()?);
        // Of a race that is not over every part says its last word again.
        Ok(Self { record: Record { config, config_hash, learners, ..self.record.clone() }, arrays })
    }

    /// The whole race from what its parts say.
    ///
    /// # Errors
    /// `Checkpoint` where parts are not of the same race, or are not all of it.
    pub fn whole(race: &ExperimentConfig, parts: &[(Part, Self)]) -> Result<Self> {
        let (_, first) = parts.first().ok_or_else(|| damaged("it has no parts"))?;
        let mut found = BTreeMap::new();
        let mut arrays = BTreeMap::new();
        let record = |f: fn(&Record) -> bool| parts.iter().all(|(_, part)| f(&part.record));
        for (Part { config, places }, part) in parts {
            part.check_config(config)?;
            part.check_data(&first.record.data)?;
            if places.len() != part.record.learners.len() {
                return Err(damaged(format_args!("a part has {} learners where {} belong", part.record.learners.len(), places.len())));
            }
            for (own, (place, learner)) in places.iter().zip(&part.record.learners).enumerate() {
                found.insert(*place, learner.clone());
                arrays.extend(part.arrays_of(own).map(|(name, array)| (format!("{place}/{name}"), array.clone())));
            }
        }
        let all = race.corners().len() * race.learners.len();
        if !found.keys().copied().eq(0..all) || parts.iter().map(|(part, _)| part.places.len()).sum::<usize>() != all {
            return Err(damaged(format_args!("its parts are the learners {:?} of {all}", found.keys())));
        }
        let record = Record {
            config: race.canonical_json()?,
            config_hash: race.hash()?,
            started: record(|r| r.started),
            finished: record(|r| r.finished),
            learners: found.into_values().collect(),
            ..first.record.clone()
        };
        Ok(Self { record, arrays })
    }

    /// A learner's arrays, by the name that each has within it.
    fn arrays_of(&self, learner: usize) -> impl Iterator<Item = (&str, &Array)> {
        let prefix = format!("{learner}/");
        self.arrays.iter().filter_map(move |(name, array)| Some((name.strip_prefix(prefix.as_str())?, array)))
    }
}
