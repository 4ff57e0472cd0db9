//! An axis of a study: a field of the configuration and the values that it takes.
//!
//! Two axes are more than a field: `densities` completes learners that name none, and `scenarios` chooses what all others stand on. Each
//! value has one form in words, by which exclusions, columns and charts name it.

use sparring_core::ExperimentConfig;
use sparring_core::config::{LearnerConfig, Method, Scenario};
use toml::{Table, Value};

use crate::config_file;

/// A study has at most this many values on an axis.
const MOST_VALUES: usize = 10_000;
/// Names of axes that are those of fields in the plural, as the command line has some.
const PLURALS: [(&str, &str); 4] = [("seeds", "seed"), ("fractions", "p_data"), ("models", "model"), ("datasets", "dataset")];
const LEARNERS: &str = "learners";
const DENSITIES: &str = "densities";
const SCENARIOS: &str = "scenarios";

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its name in the study.
    pub name: String,
    /// What it varies: a field's name, `densities` or `scenario`. A column of `study.csv` has this name.
    pub field: String,
    /// Its values.
    pub values: Vec<Value>,
    /// The same in words.
    pub words: Vec<String>,
}

/// What an axis of this name varies.
fn field(name: &str) -> String {
    match name {
        SCENARIOS => "scenario".to_owned(),
        name => PLURALS.iter().find(|(plural, _)| *plural == name).map_or(name, |(_, field)| field).to_owned(),
    }
}

/// All names that an axis can have.
fn names(complete: &Table) -> Vec<&str> {
    let fields = complete.keys().map(String::as_str).filter(|name| *name != "version");
    PLURALS.iter().map(|(plural, _)| *plural).chain([DENSITIES, SCENARIOS]).chain(fields).collect()
}

/// A value in words: a number as short as it can be, a list with commas.
pub fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Float(number) => number.to_string(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

impl Axis {
    /// Reads an axis. `first` is the seed that a number of seeds is counted from, `complete` a complete configuration.
    ///
    /// # Errors
    /// Where there is no such field, no value, one value twice, or one that the field does not take.
    pub fn read(name: &str, given: &Value, first: u64, complete: &Table) -> Result<Self, String> {
        let known = names(complete);
        if !known.contains(&name) {
            let near = config_file::nearest(name, &known);
            let near = if near.is_empty() { String::new() } else { format!("nearest: {}; ", near.join(", ")) };
            return Err(format!(
                "unknown axis '{name}': {near}an axis is learners, densities, fractions, seeds, models, scenarios or any setting that sparring \
                 race --help lists, with underscores"
            ));
        }
        let field = field(name);
        let values = match given {
            Value::Array(values) => values.clone(),
            Value::Integer(count) if field == "seed" => {
                let most = MOST_VALUES as i64;
                if !(1..=most).contains(count) {
                    return Err(format!("the axis '{name}': expected 1 to {most} seeds, or a list of them, found {count}"));
                }
                let count = usize::try_from(*count).unwrap_or(MOST_VALUES);
                (0..count as u64).map(|i| Value::Integer(first.wrapping_add(i).min(i64::MAX as u64) as i64)).collect()
            }
            other => return Err(format!("the axis '{name}' is a list of values, as {name} = [{other}]; found {other}")),
        };
        if values.is_empty() {
            return Err(format!("the axis '{name}' has no value, so the study would have no run; give it one, or leave the axis out"));
        }
        if values.len() > MOST_VALUES {
            return Err(format!("the axis '{name}' has {} values; at most {MOST_VALUES} are possible", values.len()));
        }
        let values: Vec<Value> = values.into_iter().map(|value| if field == LEARNERS { list(value) } else { value }).collect();
        let words: Vec<String> = values.iter().map(words).collect();
        for (i, word) in words.iter().enumerate() {
            if words[..i].contains(word) {
                return Err(format!("the axis '{name}' has the value {word} twice; once is enough"));
            }
        }
        let axis = Self { name: name.to_owned(), field, values, words };
        for place in 0..axis.values.len() {
            axis.check(place, complete).map_err(|why| format!("the axis '{name}', value {}: {why}", axis.words[place]))?;
        }
        Ok(axis)
    }

    /// That a value is one of its field's.
    fn check(&self, place: usize, complete: &Table) -> Result<(), String> {
        match self.field.as_str() {
            DENSITIES => self.density(place).map(drop),
            "scenario" => self.scenario(place).map(drop),
            field => config_file::over(complete.clone(), &Table::from_iter([(field.to_owned(), self.values[place].clone())])).map(drop),
        }
    }

    /// The scenario that a value names.
    pub fn scenario(&self, place: usize) -> Result<Scenario, String> {
        self.words[place].parse().map_err(|e: sparring_core::Error| e.to_string())
    }
    fn density(&self, place: usize) -> Result<f64, String> {
        let density = match &self.values[place] {
            Value::Float(density) => Some(*density),
            Value::Integer(density) => Some(*density as f64),
            _ => None,
        };
        density.filter(|density| (0.0..=1.0).contains(density)).ok_or_else(|| "a density is a number from 0 to 1".to_owned())
    }

    /// Whether it is of seeds, over which means are taken.
    pub fn is_seeds(&self) -> bool {
        self.field == "seed"
    }
    /// Whether it says who trains. What is compared stands on these axes, and under what conditions on all others.
    pub fn is_learners(&self) -> bool {
        [LEARNERS, DENSITIES].contains(&self.field.as_str())
    }
    /// Whether it is of densities.
    pub fn is_densities(&self) -> bool {
        self.field == DENSITIES
    }
    /// Whether it is of scenarios.
    pub fn is_scenarios(&self) -> bool {
        self.name == SCENARIOS
    }
    /// Where it stands in the order of runs: seeds change last, so that what there is after a stop can be read; then axes by name, and
    /// learners first of all.
    pub fn rank(&self) -> usize {
        match self.field.as_str() {
            "seed" => 0,
            DENSITIES => 2,
            LEARNERS => 3,
            _ => 1,
        }
    }

    /// Puts a value into a configuration's table; densities come after learners.
    pub fn apply(&self, place: usize, into: &mut Table) {
        match self.field.as_str() {
            "scenario" => {}
            DENSITIES => {
                let density = &self.words[place];
                if let Some(Value::Array(learners)) = into.get_mut(LEARNERS) {
                    learners.iter_mut().for_each(|learner| *learner = Value::String(at_density(&words(learner), density)));
                }
            }
            field => {
                into.insert(field.to_owned(), self.values[place].clone());
            }
        }
    }
}

/// One learner, or several with commas, as a list.
fn list(value: Value) -> Value {
    match value {
        Value::String(text) => Value::Array(text.split(',').map(|learner| Value::String(learner.trim().to_owned())).collect()),
        other => other,
    }
}

/// A learner at a density, where it names none and is not dense: `set+masked` at 0.1 is `set@0.1+masked`.
fn at_density(learner: &str, density: &str) -> String {
    let dense = learner.parse::<LearnerConfig>().is_ok_and(|l| l.method == Method::Dense);
    if dense || learner.contains('@') {
        return learner.to_owned();
    }
    let (method, options) = learner.split_at(learner.find('+').unwrap_or(learner.len()));
    format!("{method}@{density}{options}")
}

/// The table of a complete configuration.
pub fn complete(config: &ExperimentConfig) -> Result<Table, String> {
    config_file::table(config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(name: &str, values: &str) -> Result<Axis, String> {
        let table: Table = toml::from_str(&format!("x = {values}")).unwrap();
        Axis::read(name, &table["x"], 15, &complete(&ExperimentConfig::default()).unwrap())
    }

    #[test]
    fn axes_are_fields_and_their_plurals() {
        let axis = read("fractions", "[0.10, 1, 1e-2]").unwrap();
        assert_eq!((axis.field.as_str(), axis.words.join(" ")), ("p_data", "0.1 1 0.01".into()));
        assert_eq!(read("seeds", "3").unwrap().words, ["15", "16", "17"]);
        assert_eq!(read("learners", "[\"dense\", \"dense, set@0.2\", [\"set\"]]").unwrap().words, ["dense", "dense,set@0.2", "set"]);
        assert!(read("lr", "[0.1]").unwrap().rank() > read("seed", "[1]").unwrap().rank());
    }

    #[test]
    fn a_density_completes_learners_that_name_none() {
        for (learner, expected) in
            [("set", "set@0.1"), ("set+masked", "set@0.1+masked"), ("rigl@0.3", "rigl@0.3"), ("dense", "dense"), ("Dense", "Dense")]
        {
            assert_eq!(at_density(learner, "0.1"), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said_by_axis_and_value() {
        for (name, values, expected) in [
            ("learnrs", "[\"dense\"]", "unknown axis 'learnrs': nearest: learners"),
            ("zzzzzzzz", "[1]", "unknown axis 'zzzzzzzz': an axis is"),
            ("version", "[1]", "unknown axis 'version'"),
            ("seeds", "[]", "the axis 'seeds' has no value"),
            ("seeds", "0", "the axis 'seeds': expected 1 to 10000 seeds, or a list of them, found 0"),
            ("seeds", "-3", "found -3"),
            ("seeds", "100000000", "found 100000000"),
            ("seeds", "[1, 2, 1]", "the value 1 twice"),
            ("fractions", "0.5", "is a list of values, as fractions = [0.5]"),
            ("models", "[\"tiny\", \"resnet19\"]", "value resnet19: unknown model 'resnet19'; valid: tiny"),
            ("learners", "[\"sett@0.2\"]", "value sett@0.2: unknown method 'sett'"),
            ("densities", "[1.5]", "value 1.5: a density is a number from 0 to 1"),
            ("scenarios", "[\"natur\"]", "value natur: unknown scenario 'natur'; valid: nature"),
            ("epochs", "[\"x\"]", "value x: invalid type"),
        ] {
            let said = read(name, values).unwrap_err();
            assert!(said.contains(expected), "{name} = {values}: {said}");
        }
    }
}
