//! The images of an experiment, and the hardness scores where its subset or its halves need them.
//!
//! Scores come from what ships with the program, else from the cache, else from a short scoring run that fills the cache.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use sparring_core::ExperimentConfig;
use sparring_core::config::DatasetName;
use sparring_core::data::Dataset;
use sparring_core::hardness::Scores;
use sparring_core::hardness::scoring::{SCORING_EPOCHS, Scoring, scoring_config};

use crate::console::{Console, Live, Stopped, open_device};
use crate::{data, rundir};

/// CIFAR-10's scores, where the build found them.
const SHIPPED: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/scores.rs"));

/// The images of an experiment. Where they cannot be had the built-in set takes their place and the configuration says so.
pub fn images(console: Console, config: &mut ExperimentConfig) -> Result<Arc<Dataset>> {
    let dataset = data::load_dataset(&data::Wanted::from(&*config)).with_context(|| format!("loading {}", config.dataset))?;
    if dataset.name != config.dataset.name() {
        config.dataset = DatasetName::BuiltIn;
    }
    tell(console, &dataset);
    Ok(Arc::new(dataset))
}

/// A dataset by name, and no other in its place.
pub fn exactly(console: Console, name: DatasetName, difficulty: f32, place: &data::Place) -> Result<Dataset> {
    let dataset = data::require_dataset(&data::Wanted::new(name, difficulty, place)?).with_context(|| format!("loading {name}"))?;
    tell(console, &dataset);
    Ok(dataset)
}

fn tell(console: Console, dataset: &Dataset) {
    console.say(format_args!("data      {}: {} training and {} test images", dataset.name, dataset.train.len(), dataset.test.len()));
}

/// The scores of an experiment's images, made here where its subset cannot do without; `None` where nothing needs them
/// and none are at hand.
pub fn scores(console: Console, config: &ExperimentConfig, dataset: &Arc<Dataset>, stop: &AtomicBool) -> Result<Option<Scores>> {
    if let Some(bytes) = SHIPPED.filter(|_| config.dataset == DatasetName::Cifar10) {
        let scores = Scores::from_bytes("the scores that ship with this program", bytes)?;
        scores.check(dataset)?;
        console.say("scores    EL2N, as shipped with this program");
        return Ok(Some(scores));
    }
    let scoring = scoring_config(config, SCORING_EPOCHS);
    let path = cached(&scoring)?;
    match std::fs::read(&path) {
        Ok(bytes) => {
            let scores = Scores::from_bytes(&path.display().to_string(), &bytes)?;
            scores.check(dataset)?;
            console.say(format_args!("scores    EL2N, from {}", path.display()));
            return Ok(Some(scores));
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
    }
    if !config.subset.needs_scores() {
        return Ok(None);
    }
    console.say(format_args!("scores    none yet for these images: a scoring run of {SCORING_EPOCHS} epochs comes first"));
    let scores = run(console, scoring, dataset, stop)?;
    rundir::write(&path, &scores.to_bytes()?)?;
    console.say(format_args!("scores    kept in {}", path.display()));
    Ok(Some(scores))
}

/// A scoring run.
pub fn run(console: Console, config: ExperimentConfig, dataset: &Arc<Dataset>, stop: &AtomicBool) -> Result<Scores> {
    let device = open_device(console, config.device)?;
    let mut live = Live::new(console);
    let result = pollster::block_on(async {
        let mut scoring = Scoring::new(config, Arc::clone(dataset), device).await?;
        while !scoring.finished() {
            if stop.load(Ordering::Relaxed) {
                bail!(Stopped("stopped; a scoring run leaves nothing half-done".into()));
            }
            // That there are no scores yet is no news here.
            scoring.advance().await?.iter().filter(|e| !matches!(e, sparring_core::Event::Warning { .. })).for_each(|e| live.event(e));
        }
        Ok(scoring.into_scores().await?.0)
    });
    live.close();
    result.context("the scoring run")
}

/// Where the scores of this scoring run are kept.
fn cached(config: &ExperimentConfig) -> Result<PathBuf> {
    Ok(data::data_folder()?.join("scores").join(format!("{}-{}-{}.safetensors", config.dataset, config.model, config.hash()?)))
}
