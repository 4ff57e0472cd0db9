//! The experiment as a link and as a command line: only what differs from the defaults, under the configuration's own names.
//!
//! Values are JSON with the quotes left off, lists are joined by commas: `?version=1&epochs=2&learners=dense,set@0.2`.

use serde_json::{Map, Value};
use sparring_core::config::{ExperimentConfig, FORMAT_VERSION};
use sparring_core::error::{Error, Result};

/// A value as text: shortest form of a number, bare strings, lists by commas.
fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// The query without its question mark. Empty for the defaults.
pub fn query(config: &ExperimentConfig) -> Result<String> {
    let pairs = config.non_defaults()?;
    if pairs.is_empty() {
        return Ok(String::new());
    }
    let mut out = format!("version={FORMAT_VERSION}");
    for (name, value) in pairs.iter().filter(|(name, _)| name != "version") {
        out.push('&');
        out.push_str(name);
        out.push('=');
        out.push_str(&text(value));
    }
    Ok(out)
}

/// The native command that runs the same experiment with so many seeds.
pub fn command(config: &ExperimentConfig, seeds: u32) -> Result<String> {
    let mut out = "sparring race".to_owned();
    for (name, value) in config.non_defaults()?.iter().filter(|(name, _)| name != "version") {
        out.push_str(&format!(" --{} {}", name.replace('_', "-"), text(value)));
    }
    if seeds > 1 {
        out.push_str(&format!(" --seeds {seeds}"));
    }
    Ok(out)
}

/// The value of a field as it stands in a link.
pub fn value(fields: &Map<String, Value>, name: &str) -> String {
    fields.get(name).map(text).unwrap_or_default()
}

/// Puts text into a field.
///
/// # Errors
/// `UnknownName` lists the valid names; `Config` says which value is wrong.
fn put(fields: &mut Map<String, Value>, name: &str, given: &str) -> Result<()> {
    let Some(slot) = fields.get_mut(name) else {
        let valid = fields.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(Error::unknown_name("setting in the link", name, valid));
    };
    *slot = match slot {
        Value::String(_) => Value::String(given.to_owned()),
        // A plus that was not encoded comes as a space; no learner has one.
        Value::Array(_) => given.split(',').map(|item| Value::String(item.trim().replace(' ', "+"))).collect(),
        _ => serde_json::from_str(given).map_err(|_| Error::config(format!("{name}: '{given}' is not a number or true/false")))?,
    };
    Ok(())
}

fn read(fields: Map<String, Value>) -> Result<ExperimentConfig> {
    ExperimentConfig::of_fields(&fields)
}

/// The experiment with one field changed, which need not make sense with the others. Another norm brings its own radii and steps.
///
/// # Errors
/// As [`parse`], for the field.
pub fn with(config: &ExperimentConfig, name: &str, given: &str) -> Result<ExperimentConfig> {
    if name == NORM {
        return Ok(config.clone().attacked_in(given.parse()?));
    }
    let mut fields = config.fields()?;
    put(&mut fields, name, given)?;
    read(fields)
}

/// The field that says in what unit those of attacks are.
const NORM: &str = "norm";

/// The experiment of (already percent-decoded) name and value pairs.
///
/// # Errors
/// `UnknownName` lists the valid names; `Config` says which value is wrong.
pub fn parse(pairs: impl IntoIterator<Item = (String, String)>) -> Result<ExperimentConfig> {
    over(ExperimentConfig::default(), pairs)
}

/// The same, over an experiment to start from.
///
/// # Errors
/// As [`parse`].
pub fn over(config: ExperimentConfig, pairs: impl IntoIterator<Item = (String, String)>) -> Result<ExperimentConfig> {
    let pairs: Vec<(String, String)> = pairs.into_iter().collect();
    // First of all, wherever it stands: what a link gives of an attack is meant in its norm, and what it leaves out is the norm's.
    let mut config = config;
    for (_, norm) in pairs.iter().filter(|(name, _)| name == NORM) {
        config = config.attacked_in(norm.parse()?);
    }
    let mut fields = config.fields()?;
    for (name, given) in pairs {
        put(&mut fields, &name, &given)?;
    }
    let config = read(fields)?;
    config.validate()?;
    Ok(config)
}

/// Text as part of an address. What a browser reads as itself stays readable; a plus would be read as a space.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,:@/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The pairs of a query, as it stands in this program (nothing in it is escaped).
pub fn pairs(query: &str) -> Vec<(String, String)> {
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::config::LearnerConfig;
    use sparring_core::data::DatasetName;
    use sparring_core::device::info::DeviceChoice;
    use sparring_core::hardness::Subset;
    use sparring_core::net::zoo::Model;

    fn small() -> ExperimentConfig {
        ExperimentConfig {
            dataset: DatasetName::BuiltIn,
            model: Model::Tiny,
            subset: Subset::Random(0.25),
            limit_train: 64,
            lr: 0.05,
            death_rate: 0.3,
            control: false,
            learners: vec!["rigl@0.1+uniform".parse::<LearnerConfig>().unwrap()],
            device: DeviceChoice::Cpu,
            ..ExperimentConfig::default()
        }
    }

    #[test]
    fn defaults_need_no_query() {
        assert_eq!(query(&ExperimentConfig::default()).unwrap(), "");
        assert_eq!(parse([]).unwrap(), ExperimentConfig::default());
    }

    #[test]
    fn a_link_brings_back_the_same_experiment() {
        let link = query(&small()).unwrap();
        assert!(link.starts_with("version=1&"), "{link}");
        assert!(link.contains("&lr=0.05&"), "{link}");
        assert!(!link.contains("momentum"), "{link}");
        assert_eq!(parse(pairs(&link)).unwrap(), small());
        assert_eq!(parse(pairs(&link.replace('+', " "))).unwrap(), small(), "as browsers read a plus");
        let first = ExperimentConfig { subset: Subset::First(5000), ..small() };
        let link = query(&first).unwrap();
        assert!(link.ends_with("&subset=first:5000"), "{link}");
        assert_eq!(parse(pairs(&link)).unwrap(), first);
    }

    #[test]
    fn lists_are_written_with_commas() {
        let config = parse(pairs("learners=dense,set@0.2&epochs=2&limit_train=64")).unwrap();
        assert_eq!(config, ExperimentConfig { epochs: 2, limit_train: 64, ..ExperimentConfig::default() });
    }

    #[test]
    fn a_command_uses_the_same_names() {
        let line = command(&small(), 1).unwrap();
        assert!(line.starts_with("sparring race --"), "{line}");
        assert!(line.contains(" --limit-train 64"), "{line}");
        assert!(line.contains(" --learners rigl@0.1+uniform") && !line.contains("--seeds"), "{line}");
        assert!(command(&small(), 3).unwrap().ends_with(" --seeds 3"));
    }

    #[test]
    fn mistakes_are_named() {
        let error = parse(pairs("epoch=2")).unwrap_err().to_string();
        assert!(error.contains("'epoch'") && error.contains("epochs"), "{error}");
        let error = parse(pairs("model=resnet21")).unwrap_err().to_string();
        assert!(error.contains("model") && error.contains("resnet20") && !error.contains("at line"), "{error}");
        let error = parse(pairs("epochs=many")).unwrap_err().to_string();
        assert!(error.contains("epochs") && error.contains("many"), "{error}");
        assert!(parse(pairs("epochs=0")).is_err());
        let config = ExperimentConfig::default();
        assert_eq!(with(&config, "norm", "linf").unwrap().norm.name(), "linf");
        assert!(with(&config, "norm", "l3").unwrap_err().to_string().contains("norm"));
        assert!(parse(pairs("version=99")).is_err());
    }

    #[test]
    fn a_norm_brings_its_radii_and_a_link_keeps_others() {
        let lengths = |c: &ExperimentConfig| [c.train_eps, c.train_gamma, c.test_eps, c.test_gamma];
        let l2 = parse(pairs("norm=l2")).unwrap();
        assert_eq!((lengths(&l2), query(&l2).unwrap().as_str()), ([0.5, 0.1, 0.5, 0.1], "version=1&norm=l2"));
        assert_eq!(with(&ExperimentConfig::default(), "norm", "l2").unwrap(), l2);
        assert_eq!(with(&l2, "norm", "none").unwrap(), ExperimentConfig::default());
        assert_eq!(lengths(&parse(pairs("test_eps=0.25&norm=l2")).unwrap()), [0.5, 0.1, 0.25, 0.1]);
        // An experiment of before, with the radius of the other norm.
        let old = ExperimentConfig { norm: l2.norm, ..ExperimentConfig::default() };
        assert_eq!(parse(pairs(&query(&old).unwrap())).unwrap(), old);
        let line = command(&old, 1).unwrap();
        assert!(line.contains(" --norm l2") && line.contains(" --train-eps 0.03") && line.contains(" --test-eps 0.03"), "{line}");
    }
}
