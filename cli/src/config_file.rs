//! A configuration as a TOML file: what it leaves out, and what is said where it is wrong.
//!
//! The parser's own message has several lines and, for a name it does not know, all that there are; whoever reads it wants the line and
//! the nearest name.

use std::path::Path;

use anyhow::{Context, Result};
use sparring_core::ExperimentConfig;
use sparring_core::names::bare;

/// Names near an unknown one that are said.
const NEAREST: usize = 3;
/// Flags of `race` and `train` that are no settings.
const FLAGS: [&str; 12] =
    ["out", "again", "json", "quiet", "config", "preset", "checkpoint-every", "scenario", "scale", "seeds", "fractions", "in"];

/// Reads a complete configuration, such as a run's own; what it leaves out is at its default, which for attacks is that of the norm.
pub fn read_config(path: &Path) -> Result<ExperimentConfig> {
    on_top(path, &text(path)?, ExperimentConfig::default()).map_err(anyhow::Error::msg)
}

/// Reads what is asked for; what the file leaves out is as in `base`. Or what is wrong in it, which was asked for as a flag is.
///
/// # Errors
/// Where it cannot be read.
pub fn asked(path: &Path, base: ExperimentConfig) -> Result<Result<ExperimentConfig, String>> {
    Ok(on_top(path, &text(path)?, base))
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading the configuration {}", path.display()))
}

/// The configuration in a text; what it leaves out is as in `base`.
pub fn on_top(path: &Path, text: &str, base: ExperimentConfig) -> Result<ExperimentConfig, String> {
    let file = format!("the configuration {}", path.display());
    let wrong = |error: toml::de::Error| format!("{file}{}", fault(&error, text));
    let given: toml::Table = toml::from_str(text).map_err(wrong)?;
    let base = table(&base).map_err(|e| format!("{file}: {e}"))?;
    known(&given, &base).map_err(|e| format!("{file}: {e}"))?;
    // By itself first: a value that does not fit is then said with its line.
    toml::from_str::<ExperimentConfig>(text).map_err(wrong)?;
    over(base, &given).map_err(|e| format!("{file}: {e}"))
}

/// A configuration as the table that a file of it is.
pub fn table(config: &ExperimentConfig) -> Result<toml::Table, String> {
    toml::Table::try_from(config).map_err(|e| e.to_string())
}

/// That every name of a table is one of a complete configuration's.
pub fn known(given: &toml::Table, complete: &toml::Table) -> Result<(), String> {
    match given.iter().find(|(name, _)| !complete.contains_key(*name)) {
        Some((name, value)) => Err(unknown(name, value, &complete.keys().map(String::as_str).collect::<Vec<_>>())),
        None => Ok(()),
    }
}

/// What is given on top of a complete table; what of attacks is not given is that of the norm.
pub fn over(mut complete: toml::Table, given: &toml::Table) -> Result<ExperimentConfig, String> {
    complete.extend(given.clone());
    let mut config: ExperimentConfig = complete.try_into().map_err(|e: toml::de::Error| e.message().trim().replace('\n', "; "))?;
    config.complete_attacks(|field| given.contains_key(field));
    Ok(config)
}

/// Where a TOML file is wrong and how, in one line: `, line 3 (epochs = "x"): ...`.
pub fn fault(error: &toml::de::Error, text: &str) -> String {
    let what = error.message().trim().replace('\n', "; ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return format!(": {what}") };
    let line = before.matches('\n').count();
    let found = text.lines().nth(line).unwrap_or_default().trim();
    let found = if found.is_empty() { String::new() } else { format!(" ({found})") };
    format!(", line {}{found}: {what}", line + 1)
}

fn unknown(name: &str, value: &toml::Value, known: &[&str]) -> String {
    let wanted = bare(name);
    let help = match wanted.as_str() {
        "sparsity" => instead_of_sparsity(&value.to_string()),
        "density" | "method" | "learner" => "a learner is METHOD@DENSITY, as in learners = [\"set@0.2\"]".to_owned(),
        _ if FLAGS.iter().any(|flag| bare(flag) == wanted) => {
            format!("--{} is a flag of the command line, and no setting of an experiment", name.replace('_', "-"))
        }
        _ => {
            let near = nearest(name, known);
            let near = if near.is_empty() { String::new() } else { format!("nearest: {}; ", near.join(", ")) };
            format!("{near}sparring race --help lists all, with hyphens")
        }
    };
    format!("unknown setting '{name}': {help}")
}

/// Others count the weights that are gone; here a learner is named by those that are there.
pub fn instead_of_sparsity(text: &str) -> String {
    let density = text.parse::<f64>().ok().filter(|s| (0.0..=1.0).contains(s)).map(|s| ((1.0 - s) * 1e6).round() / 1e6);
    match density {
        Some(density) => {
            format!("weights are counted that exist: a sparsity of {text} is --density {density} of train, or set@{density} in --learners")
        }
        None => {
            "weights are counted that exist: take --density of train, or METHOD@DENSITY in --learners, which is 1 minus the sparsity".into()
        }
    }
}

/// The names that are meant most likely, likeliest first.
pub fn nearest<'a>(given: &str, known: &[&'a str]) -> Vec<&'a str> {
    let given = bare(given);
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .filter_map(|name| {
            let own = bare(name);
            let within = given.chars().count() > 2 && (own.contains(&given) || given.contains(&own));
            let edits = edits(&given, &own);
            (within || edits <= 2.max(given.chars().count() / 3)).then_some((edits, *name))
        })
        .collect();
    near.sort_by_key(|(edits, _)| *edits);
    near.into_iter().take(NEAREST).map(|(_, name)| name).collect()
}

/// Characters to insert, leave out or replace to make one text the other (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::config::{Adversarial, LearnerConfig, Method};
    use sparring_core::device::info::DeviceChoice;

    fn read(text: &str, base: ExperimentConfig) -> Result<ExperimentConfig, String> {
        on_top(Path::new("c.toml"), text, base)
    }

    #[test]
    fn what_a_file_leaves_out_is_as_in_the_commands_base() {
        let learners = vec![LearnerConfig::new(Method::Set, 0.2)];
        let base = ExperimentConfig { learners, control: false, lr: 0.3, ..Default::default() };
        assert_eq!(read("", base.clone()).unwrap(), base);
        let config = read("epochs = 3\ncontrol = true\ndevice = \"CPU\"\n", base.clone()).unwrap();
        assert_eq!(config, ExperimentConfig { epochs: 3, control: true, device: DeviceChoice::Cpu, ..base });
    }

    #[test]
    fn a_norm_brings_its_radii_and_a_complete_file_stays_what_it_was() {
        let config = read("norm = \"l2\"\ntest_eps = 0.25\n", ExperimentConfig::default()).unwrap();
        assert_eq!((config.train_eps, config.train_gamma, config.test_eps, config.test_gamma), (0.5, 0.1, 0.25, 0.1));
        let old = ExperimentConfig { norm: Adversarial::L2, ..ExperimentConfig::default() };
        let same = read(&toml::to_string_pretty(&old).unwrap(), ExperimentConfig::default()).unwrap();
        assert_eq!((&same, same.hash().unwrap()), (&old, old.hash().unwrap()));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_its_place() {
        for (text, words) in [
            ("seed = 1\nepochs = \"x\"\n", &["c.toml, line 2 (epochs = \"x\"): ", "expected u32"][..]),
            ("seed = 1\n\nlearners = [\n", &["c.toml, line 3"]),
            ("model = \"resnet19\"\n", &["line 1", "unknown model 'resnet19'; valid: tiny"]),
            ("epoch = 3\n", &["unknown setting 'epoch': nearest: epochs; "]),
            ("modle = 3\n", &["nearest: model"]),
            ("batch-size = 3\n", &["nearest: batch_size"]),
            ("data = \"x\"\n", &["nearest: p_data, dataset"]),
            ("sparsity = 0.9\n", &["--density 0.1", "set@0.1"]),
            ("density = 0.9\n", &["learners = [\"set@0.2\"]"]),
            ("out = \"x\"\n", &["--out is a flag of the command line"]),
            ("zzzzzzzz = 1\n", &["unknown setting 'zzzzzzzz': sparring race --help"]),
        ] {
            let said = read(text, ExperimentConfig::default()).unwrap_err();
            assert!(said.lines().count() == 1 && said.chars().count() < 400, "{said}");
            assert!(words.iter().all(|word| said.contains(word)), "{text}: {said}");
        }
    }
}
