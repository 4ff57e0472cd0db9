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
        other => other.to_string(),
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

/// The native command that runs the same experiment.
pub fn command(config: &ExperimentConfig) -> Result<String> {
    let mut out = "sparring race".to_owned();
    for (name, value) in config.non_defaults()?.iter().filter(|(name, _)| name != "version") {
        out.push_str(&format!(" --{} {}", name.replace('_', "-"), text(value)));
    }
    Ok(out)
}

/// The experiment of (already percent-decoded) name and value pairs.
///
/// # Errors
/// `UnknownName` lists the valid names; `Config` says which value is wrong.
pub fn parse(pairs: impl IntoIterator<Item = (String, String)>) -> Result<ExperimentConfig> {
    let json = |e: serde_json::Error| Error::Config(e.to_string());
    // Through text, as everything else in the page: to read out of a tree needs a second copy of every reader.
    let read = |fields: &Map<String, Value>| serde_json::from_str::<ExperimentConfig>(&serde_json::to_string(fields)?);
    let mut fields = ExperimentConfig::default().fields()?;
    for (name, given) in pairs {
        let Some(slot) = fields.get_mut(&name) else {
            let valid = fields.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(Error::UnknownName { kind: "setting in the link", name, valid });
        };
        *slot = match slot {
            Value::String(_) => Value::String(given),
            Value::Array(_) => given.split(',').map(|item| Value::String(item.trim().to_owned())).collect(),
            _ => serde_json::from_str(&given).map_err(|_| Error::Config(format!("{name}: '{given}' is not a number or true/false")))?,
        };
        // One at a time, so that the message names the setting.
        read(&fields).map_err(|e| Error::Config(format!("{name}: {e}")))?;
    }
    let config = read(&fields).map_err(json)?;
    config.validate()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::config::{DatasetName, LearnerConfig, Subset};
    use sparring_core::device::DeviceChoice;
    use sparring_core::net::zoo::Model;

    fn split(query: &str) -> Vec<(String, String)> {
        query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
    }

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
        assert_eq!(parse(split(&link)).unwrap(), small());
    }

    #[test]
    fn lists_are_written_with_commas() {
        let config = parse(split("learners=dense,set@0.2&epochs=2&limit_train=64")).unwrap();
        assert_eq!(config, ExperimentConfig { epochs: 2, limit_train: 64, ..ExperimentConfig::default() });
    }

    #[test]
    fn a_command_uses_the_same_names() {
        let line = command(&small()).unwrap();
        assert!(line.starts_with("sparring race --"), "{line}");
        assert!(line.contains(" --limit-train 64"), "{line}");
        assert!(line.contains(" --learners rigl@0.1+uniform"), "{line}");
    }

    #[test]
    fn mistakes_are_named() {
        let error = parse(split("epoch=2")).unwrap_err().to_string();
        assert!(error.contains("'epoch'") && error.contains("epochs"), "{error}");
        let error = parse(split("model=resnet21")).unwrap_err().to_string();
        assert!(error.contains("model") && error.contains("resnet20"), "{error}");
        let error = parse(split("epochs=many")).unwrap_err().to_string();
        assert!(error.contains("epochs") && error.contains("many"), "{error}");
        assert!(parse(split("epochs=0")).is_err());
        assert!(parse(split("version=99")).is_err());
    }
}
