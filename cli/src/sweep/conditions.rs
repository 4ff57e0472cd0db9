//! The conditions of a study: everything that its axes vary but seeds and learners.
//!
//! Learners are compared under one condition at a time, with seeds as repetitions; a density is part of who a learner is.

use super::plan::{Kind, PlannedRun};
use super::study::Study;

/// The conditions that occur in a plan, in its order.
#[derive(Debug)]
pub struct Conditions {
    /// Indices of the axes that make them.
    pub axes: Vec<usize>,
    /// Of every condition the index of its value on each of these.
    pub places: Vec<Vec<usize>>,
}

impl Conditions {
    /// Those of a plan.
    pub fn new(study: &Study, plan: &[PlannedRun]) -> Self {
        let axes = study.axes.iter().enumerate().filter(|(_, axis)| !axis.is_seeds() && !axis.is_learners() && axis.values.len() > 1);
        let mut conditions = Self { axes: axes.map(|(i, _)| i).collect(), places: Vec::new() };
        let mut known = std::collections::HashSet::new();
        for run in plan.iter().filter(|run| run.kind == Kind::Run) {
            let places = conditions.places_of(run);
            if known.insert(places.clone()) {
                conditions.places.push(places);
            }
        }
        conditions.places.sort_unstable();
        conditions
    }

    fn places_of(&self, run: &PlannedRun) -> Vec<usize> {
        self.axes.iter().map(|axis| run.combination[*axis]).collect()
    }

    /// That of a run of the study.
    pub fn of(&self, run: &PlannedRun) -> Option<usize> {
        self.places.binary_search(&self.places_of(run)).ok()
    }

    /// The value of a condition on the axis of a field, in words; `None` where the field is not varied.
    pub fn value<'a>(&self, study: &'a Study, condition: usize, field: &str) -> Option<&'a str> {
        let column = self.axes.iter().position(|axis| study.axes[*axis].field == field)?;
        Some(&study.axes[self.axes[column]].words[self.places[condition][column]])
    }

    /// A condition in words, as `p_data 0.1, model tiny`; empty where there is one alone.
    pub fn words(&self, study: &Study, condition: usize) -> String {
        let places = self.axes.iter().zip(&self.places[condition]);
        let words: Vec<String> =
            places.map(|(axis, place)| format!("{} {}", study.axes[*axis].field, study.axes[*axis].words[*place])).collect();
        words.join(", ")
    }

    /// The conditions that have this value of an axis.
    pub fn with(&self, axis: usize, place: usize) -> Vec<usize> {
        let Some(column) = self.axes.iter().position(|own| *own == axis) else { return Vec::new() };
        (0..self.places.len()).filter(|condition| self.places[*condition][column] == place).collect()
    }

    /// All of them.
    pub fn all(&self) -> Vec<usize> {
        (0..self.places.len()).collect()
    }
}
