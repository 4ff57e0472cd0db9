//! The study file: a base configuration, axes, exclusions, a measure. What is wrong in it is said before anything is trained.
//!
//! One text describes hundreds of runs, so a slip would cost days; each is refused with its place and what would mend it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use sparring_core::ExperimentConfig;
use sparring_core::config::{Preset, Scale, Scenario};
use sparring_core::record::Metric;
use toml::{Table, Value};

use super::axis::{Axis, complete, words};
use crate::args::Usage;
use crate::config_file;

/// What a study file may have.
const KEYS: [&str; 9] = ["name", "question", "measure", "scenario", "scale", "preset", "base", "axes", "exclude"];

/// A study as its file describes it.
#[derive(Clone, Debug)]
pub struct Study {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What the study's folder is called by.
    pub name: String,
    /// What it asks, in the words of whoever wrote it; may be empty.
    pub question: String,
    /// What its runs are judged by; `None`: as follows from their configurations.
    pub measure: Option<Metric>,
    /// What is varied, in the order of runs: the first changes last.
    pub axes: Vec<Axis>,
    /// What is left out.
    pub exclusions: Vec<Exclusion>,
    scenario: Option<Scenario>,
    scale: Scale,
    preset: Option<Preset>,
    base: Table,
}

/// Combinations that are left out: all that have one of these values on each of these axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Exclusion {
    /// Index of an axis, and of its values.
    pub values: Vec<(usize, Vec<usize>)>,
    /// As it was written.
    pub words: String,
}

impl Exclusion {
    /// Whether a combination, the index of a value of each axis, is left out.
    pub fn has(&self, combination: &[usize]) -> bool {
        self.values.iter().all(|(axis, values)| values.contains(&combination[*axis]))
    }
}

/// Only what is typed: a value of the base that does not fit is said with its line.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "base")]
    _base: Option<ExperimentConfig>,
}

impl Study {
    /// Reads a study file.
    ///
    /// # Errors
    /// Where it cannot be read; `Usage` where something in it is wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading the study {}", path.display()))?;
        Self::parse(path, text).map_err(|why| Usage(why).into())
    }

    /// The study in a text.
    pub fn parse(path: &Path, text: String) -> Result<Self, String> {
        let file = format!("the study {}", path.display());
        let fault = |e: toml::de::Error| format!("{file}{}", config_file::fault(&e, &text));
        let given: Table = toml::from_str(&text).map_err(fault)?;
        let study = Self::of(path, &text, &given).map_err(|why| format!("{file}: {why}"))?;
        // Names first: of a name that is not known the nearest are said.
        toml::from_str::<Typed>(&text).map_err(fault)?;
        Ok(study)
    }

    fn of(path: &Path, text: &str, given: &Table) -> Result<Self, String> {
        if let Some(name) = given.keys().find(|name| !KEYS.contains(&name.as_str())) {
            return Err(unknown(name));
        }
        let said = |key: &str| match given.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(format!("{key}: expected a text in quotation marks, found {other}")),
        };
        fn named<T: std::str::FromStr<Err = sparring_core::Error>>(key: &str, text: Option<&str>) -> Result<Option<T>, String> {
            text.map(|text| text.parse().map_err(|e| format!("{key}: {e}"))).transpose()
        }
        let scenario = named::<Scenario>("scenario", said("scenario")?)?;
        let scale = named::<Scale>("scale", said("scale")?)?;
        let preset = named::<Preset>("preset", said("preset")?)?;
        let base = match given.get("base") {
            None => Table::new(),
            Some(Value::Table(base)) => base.clone(),
            Some(other) => return Err(format!("base: expected a table, [base], found {other}")),
        };
        let defaults = complete(&ExperimentConfig::default())?;
        config_file::known(&base, &defaults).map_err(|why| format!("[base]: {why}"))?;
        let stem = path.file_stem().map_or_else(|| "study".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let name = said("name")?.unwrap_or(&stem);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Err(format!("name: expected letters, digits, hyphens and underscores, as a folder's name, found '{name}'"));
        }
        let mut study = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            name: name.to_owned(),
            question: said("question")?.unwrap_or_default().to_owned(),
            measure: named("measure", said("measure")?)?,
            axes: Vec::new(),
            exclusions: Vec::new(),
            scenario,
            scale: scale.unwrap_or(Scale::Smoke),
            preset,
            base,
        };
        study.axes(given.get("axes"), &defaults)?;
        let has = |field: &str| study.axes.iter().find(|axis| axis.field == field);
        if let (Some(_), Some(axis)) = (scenario, has("scenario")) {
            return Err(format!("scenario and the axis '{}' both say what is hard; leave one out", axis.name));
        }
        let hardened = scenario.is_some() || has("scenario").is_some();
        if scale.is_some() && !hardened {
            return Err("scale is the size of a scenario, and there is none; say scenario = \"nature\", or leave scale out".into());
        }
        if preset.is_some() && hardened {
            return Err("a scenario and a preset are both complete configurations; leave one out".into());
        }
        if let Some((key, axis)) = study.base.keys().find_map(|key| Some((key, has(key)?))) {
            return Err(format!("'{key}' stands in [base] and is varied by the axis '{}'; leave one out", axis.name));
        }
        study.exclude(given.get("exclude"))?;
        Ok(study)
    }

    fn axes(&mut self, given: Option<&Value>, defaults: &Table) -> Result<(), String> {
        let given = match given {
            Some(Value::Table(axes)) if !axes.is_empty() => axes,
            Some(Value::Table(_)) | None => {
                return Err("there is no axis: [axes] with at least one, as seeds = [15, 16, 17], makes a study of a run".into());
            }
            Some(other) => return Err(format!("axes: expected a table, [axes], found {other}")),
        };
        let first = self.base.get("seed").and_then(Value::as_integer).and_then(|seed| u64::try_from(seed).ok());
        let first = first.unwrap_or(ExperimentConfig::default().seed);
        for (name, values) in given {
            let axis = Axis::read(name, values, first, defaults)?;
            if let Some(other) = self.axes.iter().find(|other| other.field == axis.field) {
                return Err(format!("the axes '{}' and '{name}' vary the same setting, {}; leave one out", other.name, axis.field));
            }
            self.axes.push(axis);
        }
        self.axes.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| a.name.cmp(&b.name)));
        Ok(())
    }

    fn exclude(&mut self, given: Option<&Value>) -> Result<(), String> {
        let given = match given {
            None => return Ok(()),
            Some(Value::Array(all)) => all,
            Some(other) => return Err(format!("exclude: expected tables, each [[exclude]], found {other}")),
        };
        let mut exclusions = Vec::new();
        for exclusion in given {
            let table = exclusion.as_table().filter(|table| !table.is_empty());
            let table =
                table.ok_or_else(|| format!("exclude: expected axes and their values, as learners = \"dense\", found {exclusion}"))?;
            let text: Vec<String> = table.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            let text = text.join(", ");
            let mut values = Vec::new();
            for (name, value) in table {
                let known: Vec<&str> = self.axes.iter().map(|axis| axis.name.as_str()).collect();
                let axis = self.axes.iter().position(|axis| axis.name == *name || axis.field == *name);
                let axis = axis.ok_or_else(|| {
                    let near = config_file::nearest(name, &known);
                    let near = near.first().map_or_else(String::new, |near| format!("nearest: {near}; "));
                    format!("[[exclude]] {text}: '{name}' is no axis of this study; {near}its axes are {}", known.join(", "))
                })?;
                let wanted: Vec<String> = match value {
                    Value::Array(all) => all.iter().map(words).collect(),
                    one => vec![words(one)],
                };
                let place = |word: &String| {
                    self.axes[axis].words.iter().position(|known| known == word).ok_or_else(|| {
                        let known = self.axes[axis].words.join(", ");
                        format!("[[exclude]] {text}: it excludes nothing, {word} is no value of the axis '{name}'; its values are {known}")
                    })
                };
                values.push((axis, wanted.iter().map(place).collect::<Result<Vec<_>, _>>()?));
            }
            exclusions.push(Exclusion { values, words: text });
        }
        self.exclusions = exclusions;
        Ok(())
    }

    /// The scenario of a combination, where there is one, and all that is given on top of its configuration.
    pub fn given(&self, combination: &[usize]) -> Result<(Option<Scenario>, Table), String> {
        let mut scenario = self.scenario;
        let mut given = self.base.clone();
        let places = || self.axes.iter().zip(combination);
        for (axis, place) in places().filter(|(axis, _)| !axis.is_densities()).chain(places().filter(|(axis, _)| axis.is_densities())) {
            if axis.is_scenarios() {
                scenario = Some(axis.scenario(*place)?);
            }
            axis.apply(*place, &mut given);
        }
        Ok((scenario, given))
    }

    /// The configuration that all of a scenario's stand on.
    pub fn stands_on(&self, scenario: Option<Scenario>) -> ExperimentConfig {
        match (scenario, self.preset) {
            (Some(scenario), _) => ExperimentConfig::default().scenario(scenario, self.scale),
            (None, Some(preset)) => ExperimentConfig::default().preset(preset),
            (None, None) => ExperimentConfig::default(),
        }
    }

    /// A combination in words.
    pub fn words(&self, combination: &[usize]) -> String {
        let words: Vec<String> = self.axes.iter().zip(combination).map(|(axis, i)| format!("{} = {}", axis.name, axis.words[*i])).collect();
        words.join(", ")
    }
}

/// What is said of a key that no study has.
fn unknown(name: &str) -> String {
    let near = config_file::nearest(name, &KEYS);
    let help = match near.first() {
        Some(near) => format!("nearest: {near}"),
        None => format!("a study has {}", KEYS.join(", ")),
    };
    let setting = complete(&ExperimentConfig::default()).is_ok_and(|all| all.contains_key(name));
    let setting = if setting { "; settings of the runs stand under [base]" } else { "" };
    format!("unknown key '{name}': {help}{setting}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parse(text: &str) -> Result<Study, String> {
        Study::parse(Path::new("s.toml"), text.to_owned())
    }

    #[test]
    fn a_study_is_read_in_the_order_of_its_runs() {
        let text = "scenario = \"nature\"\nmeasure = \"hard-half\"\n[base]\nepochs = 2\n[axes]\nlearners = [\"dense\", \"set@0.2\"]\nfractions = [0.1, 0.2]\nseeds = 3\n[[exclude]]\nlearners = \"dense\"\nseeds = [16, 17]\n";
        let study = parse(text).unwrap();
        assert_eq!((study.name.as_str(), study.measure), ("s", Some(Metric::HardHalf)));
        assert_eq!(study.axes.iter().map(|axis| axis.name.as_str()).collect::<Vec<_>>(), ["seeds", "fractions", "learners"]);
        assert_eq!(study.exclusions[0].values, [(2, vec![0]), (0, vec![1, 2])]);
        assert!(study.exclusions[0].has(&[1, 0, 0]) && !study.exclusions[0].has(&[1, 0, 1]) && !study.exclusions[0].has(&[0, 0, 0]));
        let (scenario, given) = study.given(&[0, 1, 1]).unwrap();
        assert_eq!((study.stands_on(scenario).epochs, given["epochs"].as_integer(), given["p_data"].as_float()), (6, Some(2), Some(0.2)));
        assert_eq!(study.words(&[0, 1, 1]), "seeds = 15, fractions = 0.2, learners = set@0.2");
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_what_to_do() {
        for (text, expected) in [
            ("[axs]\nseeds = 3\n", "the study s.toml: unknown key 'axs': nearest: axes"),
            ("epochs = 3\n[axes]\nseeds = 3\n", "settings of the runs stand under [base]"),
            ("zzzzzzzz = 3\n", "unknown key 'zzzzzzzz': a study has name, question"),
            ("[base]\nepoch = 3\n[axes]\nseeds = 3\n", "[base]: unknown setting 'epoch': nearest: epochs"),
            ("[base]\nlr = 0.1\nepochs = \"x\"\n[axes]\nseeds = 3\n", "the study s.toml, line 3 (epochs = \"x\"): invalid type"),
            ("[axes]\nseeds = [\n", "the study s.toml, line"),
            ("[axes]\n", "there is no axis: [axes] with at least one"),
            ("", "there is no axis"),
            ("axes = 3\n", "axes: expected a table, [axes], found 3"),
            ("[axes]\nseeds = 3\nseed = [1]\n", "the axes 'seed' and 'seeds' vary the same setting, seed; leave one out"),
            ("[base]\np_data = 0.5\n[axes]\nfractions = [1]\n", "'p_data' stands in [base] and is varied by the axis 'fractions'"),
            ("measure = \"hardhalves\"\n[axes]\nseeds = 3\n", "measure: unknown metric 'hardhalves'; valid: test, hard-half"),
            ("scale = \"smoke\"\n[axes]\nseeds = 3\n", "scale is the size of a scenario, and there is none"),
            ("scenario = \"nature\"\npreset = \"paper\"\n[axes]\nseeds = 3\n", "leave one out"),
            ("scenario = \"nature\"\n[axes]\nscenarios = [\"attack\"]\n", "scenario and the axis 'scenarios' both say what is hard"),
            ("name = \"a/b\"\n[axes]\nseeds = 3\n", "as a folder's name, found 'a/b'"),
            ("name = 3\n[axes]\nseeds = 3\n", "name: expected a text in quotation marks, found 3"),
            (
                "[axes]\nseeds = 3\n[[exclude]]\nseed = 99\n",
                "it excludes nothing, 99 is no value of the axis 'seed'; its values are 15, 16, 17",
            ),
            ("[axes]\nseeds = 3\n[[exclude]]\nlearner = \"dense\"\n", "'learner' is no axis of this study; its axes are seeds"),
            ("[axes]\nseeds = 3\n[[exclude]]\n", "exclude: expected axes and their values"),
            ("exclude = 3\n[axes]\nseeds = 3\n", "exclude: expected tables, each [[exclude]], found 3"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(expected) && said.lines().count() == 1, "{text}: {said}");
        }
    }
}
