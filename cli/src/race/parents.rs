//! The trained dense networks that OMP, LTH and pre-ERK start from: given, found among finished runs, or trained first.
//!
//! A parent is a run like any other, in a folder beside its child's: it is resumed where it was stopped and never trained twice.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Error, Result};
use sparring_core::ExperimentConfig;
use sparring_core::config::{Method, Start};
use sparring_core::formats::{self, StateDict};
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Architecture;
use sparring_core::train::parent::{Parents, needed, parent_config};

use super::{RaceArgs, Role, Samples, perform};
use crate::args::Usage;
use crate::console::Console;
use crate::import::read_checkpoint;
use crate::rundir::{self, Found};

/// The parents that an experiment needs; `folder` is the experiment's own.
///
/// # Errors
/// Where a given checkpoint is of another network; where a parent's run fails or is stopped.
pub fn find(console: Console, args: &RaceArgs, config: &ExperimentConfig, folder: &Path, samples: &Samples) -> Result<Parents> {
    let mut parents = Parents::new();
    for subset in needed(config) {
        let state =
            if config.parent.is_empty() { trained(console, args, config, subset, folder, samples)? } else { given(console, config)? };
        parents.insert(subset.to_string(), Arc::new(state));
    }
    Ok(parents)
}

fn given(console: Console, config: &ExperimentConfig) -> Result<StateDict> {
    let path =
        &rundir::parent(&config.parent).map_err(|no| if no.damaged { Error::new(no) } else { Usage(format!("--parent: {no}")).into() })?;
    let (state, architecture, theirs) = read_checkpoint(path).context("the parent")?;
    if architecture != config.architecture() {
        let words = |architecture: Architecture| {
            let said = architecture.metadata().into_iter().map(|(key, value)| format!("{key} {value}"));
            said.collect::<Vec<_>>().join(", ")
        };
        let (theirs, ours) = (words(architecture), words(config.architecture()));
        return Err(Usage(format!("the parent {} is of {theirs}; the experiment trains {ours}", path.display())).into());
    }
    if let Some(how) = sparse(&state) {
        let learners = children(config);
        return Err(Usage(format!("the parent {} is sparse ({how}); {learners} start from a trained dense network", path.display())).into());
    }
    console.say(format_args!("parent    {}", path.display()));
    let normalization = config.dataset.normalization();
    if theirs != normalization {
        console
            .tell(format_args!("warning   the parent was trained on images in {theirs} normalisation, and these are in {normalization}"));
    }
    if let Some(warning) = other_start(&state, config) {
        console.tell(format_args!("warning   {warning}"));
    }
    Ok(state)
}

/// What is to be said where learners are rewound to other first weights than the parent's: they are those of the run's seed.
fn other_start(state: &StateDict, config: &ExperimentConfig) -> Option<String> {
    let rewound = config.learners.iter().find(|l| l.recipe().start == Start::Rewound)?;
    let trained_as = state.metadata.get("config").and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
    let seed = trained_as.and_then(|trained_as| trained_as["seed"].as_u64());
    let whose = match seed {
        Some(seed) if seed == config.seed => return None,
        Some(seed) => format!("the parent was trained from those of seed {seed}: --seed {seed} is its own"),
        None => "the parent does not say which were its own".to_owned(),
    };
    Some(format!("{rewound} starts again from the first weights of seed {}; {whose}", config.seed))
}

/// How a checkpoint says that weights of it are missing; `None` of a dense one.
fn sparse(state: &StateDict) -> Option<String> {
    let said = |key: &str| state.metadata.get(key).map(String::as_str);
    let placed = said(formats::PLACEMENT).filter(|placement| *placement == formats::SPARSE).map(|_| "by its masks or zeros".to_owned());
    said("learner").filter(|learner| *learner != Method::Dense.name()).map(|learner| format!("trained as {learner}")).or(placed)
}

/// The learners of an experiment that start from a parent.
fn children(config: &ExperimentConfig) -> String {
    let children = config.learners.iter().filter(|l| l.method.needs_parent()).map(ToString::to_string);
    children.collect::<Vec<_>>().join(", ")
}

fn trained(
    console: Console,
    args: &RaceArgs,
    config: &ExperimentConfig,
    subset: Subset,
    folder: &Path,
    samples: &Samples,
) -> Result<StateDict> {
    let parent = parent_config(config, subset);
    let name = rundir::path(None, &parent)?;
    let path = name.file_name().map_or_else(|| name.clone(), |name| folder.with_file_name(name));
    match rundir::find(&path, &parent, false)? {
        Found::Finished(_) => console.say(format_args!("parent    trained already: {}", path.display())),
        Found::Nothing | Found::Unfinished => {
            console.say(format_args!("parent    a trained dense network ({subset}) comes first, for {}", children(config)));
            console.say(format_args!("output    {}", path.display()));
            let mut args = args.clone();
            args.again = false;
            perform(console, &args, parent, &path, samples.clone(), Role::Parent).context("training the dense parent")?;
            console.say("parent    trained; now the run itself");
        }
    }
    let summary = rundir::read_summary(&path)?.with_context(|| format!("{} holds no finished run", path.display()))?;
    let weights = summary["weights"][0].as_str().with_context(|| format!("{} names no weights", path.join(rundir::SUMMARY).display()))?;
    Ok(read_checkpoint(&path.join(weights))?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_rewound_to_other_weights_than_its_parents_is_told() {
        let learners = |name: &str| name.parse().map(|learner| vec![learner]).unwrap_or_default();
        let config = |name| ExperimentConfig { seed: 7, learners: learners(name), ..ExperimentConfig::default() };
        let parent = |json: &str| StateDict { metadata: [("config".to_owned(), json.to_owned())].into(), ..StateDict::default() };
        assert_eq!(other_start(&parent(r#"{"seed":7}"#), &config("lth@0.2")), None);
        assert!(other_start(&parent(r#"{"seed":8}"#), &config("lth@0.2")).is_some_and(|w| w.contains("--seed 8 is its own")));
        assert!(other_start(&StateDict::default(), &config("lth@0.2")).is_some_and(|w| w.contains("does not say")));
        assert_eq!(other_start(&StateDict::default(), &config("omp@0.2")), None);
    }

    #[test]
    fn a_sparse_parent_is_known_by_what_its_file_says() {
        let of = |key: &str, value: &str| StateDict { metadata: [(key.to_owned(), value.to_owned())].into(), ..StateDict::default() };
        assert_eq!(sparse(&of("learner", "dense")), None);
        assert_eq!(sparse(&StateDict::default()), None);
        assert_eq!(sparse(&of("learner", "set@0.2")).as_deref(), Some("trained as set@0.2"));
        assert!(sparse(&of(formats::PLACEMENT, formats::SPARSE)).is_some());
    }
}
