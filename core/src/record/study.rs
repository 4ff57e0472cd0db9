//! A study: learners under many conditions, over seeds. Which differences hold, with all of them looked at at once.
//!
//! A series has one condition, the fraction of the data, and is small; a study may have thousands of runs. They are added one by one, and
//! of each only the numbers that are compared stay. A seed is what is repeated: means over conditions are taken within a seed first.

use std::collections::BTreeMap;

use serde::Serialize;

use super::comparison::{Estimate, Outcome, Value};
use super::holm::holm;
use super::verdict::is_dense;
use crate::argsort::in_order;
use crate::events::{LearnerSummary, Metric};

/// What is taken for a difference: an adjusted p value of at most this.
pub const LEVEL: f64 = 0.05;
/// So many comparisons are told one by one; more are counted.
const TOLD: usize = 6;

/// A learner of a study.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Racer {
    /// Its display name.
    pub name: String,
    /// Whether it is a random control.
    pub control: bool,
    /// Whether it is the dense one.
    pub dense: bool,
    /// Runs that it reached the end of.
    pub runs: usize,
    /// Its density, mean over these.
    pub density: f64,
    /// Its training FLOPs, mean over these.
    pub flops: f64,
}

/// A mean over seeds, and the seeds' values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Average {
    /// Seed and value.
    pub values: Vec<(u64, f64)>,
    /// Mean and interval of the values.
    pub estimate: Estimate,
}

/// A sparse learner minus the dense one under one condition, paired by seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// Which condition.
    pub condition: usize,
    /// The sparse learner's display name.
    pub sparse: String,
    /// The dense learner's.
    pub dense: String,
    /// Whether these are random controls, which are no part of what is corrected for.
    pub control: bool,
    /// Seed and difference of every seed in which both reached their end.
    pub values: Vec<(u64, f64)>,
    /// Mean and interval of the differences.
    pub estimate: Estimate,
    /// The probability of so large a mean if there were no difference (t test); `None` of one seed.
    pub p: Option<f64>,
    /// The same after Holm's correction over all comparisons of the study; `None` of a control too.
    pub adjusted: Option<f64>,
    /// What it says: by the adjusted value; of a control by its own.
    pub outcome: Outcome,
}

/// What is known of the runs of a study.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    racers: Vec<Racer>,
    /// By metric, learner, condition and seed.
    values: BTreeMap<(usize, usize, usize, u64), Value>,
}

/// An accuracy of a learner, as a row of a study's table has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which condition.
    pub condition: usize,
    /// Of which seed.
    pub seed: u64,
    /// The learner's display name.
    pub learner: String,
    /// Whether it is a random control.
    pub control: bool,
    /// Its density.
    pub density: f64,
    /// Its training FLOPs.
    pub flops: f64,
    /// What.
    pub metric: Metric,
    /// How much, 0 to 1.
    pub value: f64,
    /// Over how many samples.
    pub samples: usize,
}

impl Findings {
    /// Takes in what a learner reached with a seed under a condition; one that stopped early is left out, and one that is there already (the
    /// same training in another run) counts once.
    pub fn add(&mut self, condition: usize, seed: u64, learner: &LearnerSummary) {
        if learner.failed.is_some() {
            return;
        }
        let values = Metric::ALL.iter().filter_map(|metric| Some((*metric, Value::of(*metric, learner)?))).collect::<Vec<_>>();
        let racer = Racer {
            name: learner.name.clone(),
            control: learner.control,
            dense: is_dense(&learner.name),
            runs: 0,
            density: learner.density,
            flops: learner.flops,
        };
        self.put(condition, seed, racer, &values);
    }

    /// Takes in a row of a table.
    pub fn add_row(&mut self, row: Row) {
        let Row { condition, seed, learner, control, density, flops, metric, value, samples } = row;
        let racer = Racer { dense: is_dense(&learner), name: learner, control, runs: 0, density, flops };
        self.put(condition, seed, racer, &[(metric, Value::accuracy(value, samples))]);
    }

    fn put(&mut self, condition: usize, seed: u64, racer: Racer, values: &[(Metric, Value)]) {
        let index = self.racers.iter().position(|known| known.name == racer.name).unwrap_or_else(|| {
            self.racers.push(Racer { density: 0.0, flops: 0.0, ..racer.clone() });
            self.racers.len() - 1
        });
        let known = (0..Metric::ALL.len()).any(|m| self.values.contains_key(&(m, index, condition, seed)));
        let mut new = false;
        for (metric, value) in values.iter().filter(|(_, value)| value.value.is_finite()) {
            new |= self.values.insert((*metric as usize, index, condition, seed), *value).is_none();
        }
        if new && !known {
            let known = &mut self.racers[index];
            known.runs += 1;
            let share = 1.0 / known.runs as f64;
            known.density += (racer.density - known.density) * share;
            known.flops += (racer.flops - known.flops) * share;
        }
    }

    /// Its learners, as they came.
    pub fn racers(&self) -> &[Racer] {
        &self.racers
    }
    /// The same with their places, the dense one first and controls last.
    pub fn ordered(&self) -> Vec<(usize, &Racer)> {
        let all: Vec<(usize, &Racer)> = self.racers.iter().enumerate().collect();
        in_order(&all, |(_, racer)| 2 * u64::from(racer.control) + u64::from(!racer.dense))
    }
    /// The metrics that some run was evaluated by.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        let has = |m: &usize| self.values.range((*m, 0, 0, 0)..(m + 1, 0, 0, 0)).next().is_some();
        (0..Metric::ALL.len()).filter(has).map(|m| Metric::ALL[m])
    }
    /// Its seeds, increasing.
    pub fn seeds(&self) -> Vec<u64> {
        let mut seeds: Vec<u64> = self.values.keys().map(|key| key.3).collect();
        seeds.sort_unstable();
        seeds.dedup();
        seeds
    }

    fn of(&self, metric: Metric, racer: usize, condition: usize) -> impl Iterator<Item = (u64, Value)> {
        let at = |seed| (metric as usize, racer, condition, seed);
        self.values.range(at(0)..=at(u64::MAX)).map(|(key, value)| (key.3, *value))
    }

    /// A learner's mean over seeds. Under several conditions a seed's value is its mean over those under which the learner ran at all; a seed
    /// that lacks one of them is left out, so that all seeds are of the same.
    pub fn mean(&self, metric: Metric, racer: usize, conditions: &[usize]) -> Option<Average> {
        let mut seeds: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        let mut ran = 0;
        for condition in conditions {
            let before = seeds.values().map(Vec::len).sum::<usize>();
            self.of(metric, racer, *condition).for_each(|(seed, value)| seeds.entry(seed).or_default().push(value));
            ran += usize::from(seeds.values().map(Vec::len).sum::<usize>() > before);
        }
        let complete = seeds.into_iter().filter(|(_, values)| values.len() == ran);
        average(&complete.map(|(seed, values)| (seed, Value::mean(&values))).collect::<Vec<_>>())
    }

    /// Those of these conditions under which every learner ran that ran under any of them: over others, means of learners would be of
    /// different things.
    pub fn shared(&self, metric: Metric, conditions: &[usize]) -> Vec<usize> {
        let ran = |racer: usize, condition: usize| self.of(metric, racer, condition).next().is_some();
        let racers: Vec<usize> = (0..self.racers.len()).filter(|racer| conditions.iter().any(|c| ran(*racer, *c))).collect();
        conditions.iter().copied().filter(|condition| racers.iter().all(|racer| ran(*racer, *condition))).collect()
    }

    /// The sum of several means, each of a learner under a condition and with its weight, within every seed that has them all.
    pub fn sum(&self, metric: Metric, terms: &[(f64, usize, usize)]) -> Option<Average> {
        let mut seeds: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        for (weight, racer, condition) in terms {
            self.of(metric, *racer, *condition).for_each(|(seed, value)| seeds.entry(seed).or_default().push(value.times(*weight)));
        }
        let complete = seeds.into_iter().filter(|(_, values)| values.len() == terms.len());
        average(&complete.map(|(seed, values)| (seed, Value::mean(&values).times(terms.len() as f64))).collect::<Vec<_>>())
    }

    /// Every sparse learner minus the dense one, by condition, with Holm's correction over all that are no controls.
    pub fn differences(&self, metric: Metric) -> Vec<Paired> {
        let mut conditions: Vec<usize> = self.values.keys().filter(|key| key.0 == metric as usize).map(|key| key.2).collect();
        conditions.sort_unstable();
        conditions.dedup();
        let mut all: Vec<Paired> = Vec::new();
        for condition in conditions {
            for (s, sparse) in self.racers.iter().enumerate().filter(|(_, racer)| !racer.dense) {
                let Some(d) = self.racers.iter().position(|r| r.dense && r.control == sparse.control) else { continue };
                let dense: BTreeMap<u64, Value> = self.of(metric, d, condition).collect();
                let pairs = self.of(metric, s, condition).filter_map(|(seed, value)| Some((seed, value.minus(*dense.get(&seed)?))));
                let Some(Average { values, estimate }) = average(&pairs.collect::<Vec<_>>()) else { continue };
                let (sparse, control, dense) = (sparse.name.clone(), sparse.control, self.racers[d].name.clone());
                let (p, outcome) = (estimate.p_value(), Outcome::OneSeed);
                all.push(Paired { condition, sparse, dense, control, values, estimate, p, adjusted: None, outcome });
            }
        }
        let tested: Vec<usize> = (0..all.len()).filter(|i| !all[*i].control && all[*i].p.is_some()).collect();
        let adjusted = holm(&tested.iter().filter_map(|i| all[*i].p).collect::<Vec<_>>());
        for (i, adjusted) in tested.into_iter().zip(adjusted) {
            all[i].adjusted = Some(adjusted);
        }
        for difference in &mut all {
            difference.outcome = match difference.adjusted.or(difference.p) {
                None => Outcome::OneSeed,
                Some(p) if p > LEVEL => Outcome::CannotTell,
                Some(_) if (difference.estimate.mean > 0.0) == metric.higher_is_better() => Outcome::Won,
                Some(_) => Outcome::Lost,
            };
        }
        all
    }
}

fn average(values: &[(u64, Value)]) -> Option<Average> {
    let estimate = Estimate::of(values)?;
    Some(Average { values: values.iter().map(|(seed, value)| (*seed, value.value)).collect(), estimate })
}

/// What the differences of a metric say, in a sentence or two; `at` names a condition, and is empty where there is one alone.
pub fn verdict(metric: Metric, differences: &[Paired], at: impl Fn(usize) -> String) -> String {
    let all: Vec<&Paired> = differences.iter().filter(|d| !d.control).collect();
    let Some(first) = all.first() else {
        return "Nothing to compare: it takes a dense and a sparse learner that reached the end with the same seed.".into();
    };
    let (fewest, most) = all.iter().fold((usize::MAX, 0), |(low, high), d| (low.min(d.estimate.seeds), high.max(d.estimate.seeds)));
    let seeds = match (fewest, most) {
        (1, 1) => "one seed".to_owned(),
        (low, high) if low == high => format!("{low} seeds"),
        (low, high) => format!("{low} to {high} seeds"),
    };
    let mut parts = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for name in all.iter().map(|d| d.sparse.as_str()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let its: Vec<&&Paired> = all.iter().filter(|d| d.sparse == name).collect();
        let mut counts = Vec::new();
        for outcome in [Outcome::Won, Outcome::Lost, Outcome::CannotTell, Outcome::OneSeed] {
            let those: Vec<&Paired> = its.iter().filter(|d| d.outcome == outcome).map(|d| **d).collect();
            if those.is_empty() {
                continue;
            }
            if all.len() <= TOLD {
                let told: Vec<String> = those.iter().map(|d| points(d) + &at(d.condition)).collect();
                parts.push(format!("{name} {} {}: {}", outcome.words(), first.dense, told.join(", ")));
            } else {
                let what = match outcome {
                    Outcome::Won | Outcome::Lost => outcome.name(),
                    Outcome::CannotTell | Outcome::OneSeed => "cannot be told apart",
                };
                counts.push(format!("{what} in {}", those.len()));
            }
        }
        if !counts.is_empty() {
            parts.push(format!("{name} {} of {} conditions", counts.join(" and "), its.len()));
        }
    }
    let against = if all.len() <= TOLD { String::new() } else { format!(", against {}", first.dense) };
    let mut text = format!("Judged by {}, over {seeds}{against}: {}.", metric.doc(), parts.join("; "));
    let corrected = all.iter().filter(|d| d.adjusted.is_some()).count();
    if corrected > 1 {
        text += &format!(" Holm's correction allows for all {corrected} comparisons.");
    }
    if all.iter().any(|d| d.outcome == Outcome::OneSeed) {
        text += " One seed cannot tell: its interval is the test set's noise alone and does not say how much the seed matters.";
    }
    text
}

/// `+2.1 points (95% interval +0.5 to +3.7, adjusted p 0.012)`.
fn points(d: &Paired) -> String {
    let (mean, half) = (100.0 * d.estimate.mean, 100.0 * d.estimate.half_width.unwrap_or(d.estimate.test_set_noise));
    let of = if d.outcome == Outcome::OneSeed { "test set alone" } else { "95% interval" };
    let p = d.adjusted.map_or_else(String::new, |p| format!(", adjusted p {}", p_value(p)));
    format!("{mean:+.1} points ({of} {:+.1} to {:+.1}{p})", mean - half, mean + half)
}

/// A p value as a person reads it: two digits, and no more zeros than are of use.
pub fn p_value(p: f64) -> String {
    match p {
        p if p < 0.0001 => "below 0.0001".into(),
        p if p < 0.01 => format!("{p:.4}"),
        p if p < 0.1 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

#[cfg(test)]
mod tests;
