//! The images of an experiment, and the hardness scores where its subset or its halves need them.
//!
//! Scores come from what ships with the program, else from the cache, else from a short scoring run that fills the cache.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sparring_core::ExperimentConfig;
use sparring_core::data::Dataset;
use sparring_core::data::DatasetName;
use sparring_core::data::limit::{How, Limited};
use sparring_core::hardness::{ScoreName, Scores};
use sparring_core::train::scoring::{Extra, Made, SCORING_EPOCHS, ScorePolicy, Scoring, mean};

use crate::args::as_asked;
use crate::console::{Console, Live, Outlook, Stopped, open_device, stopping};
use crate::output::try_folder;
use crate::places::data_folder;
use crate::{data, rundir, score_file};

/// Scores by their names, those that the build found.
const SHIPPED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/scores.rs"));

/// Those of them that will do.
fn shipped(policy: &ScorePolicy) -> Option<&'static [u8]> {
    let wanted = policy.shipped()?;
    SHIPPED.iter().find(|(name, _)| *name == wanted).map(|(_, bytes)| *bytes)
}

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
pub fn exactly(console: Console, name: DatasetName, difficulty: f32, own: &data::OwnImages) -> Result<Dataset> {
    let dataset = data::require_dataset(&data::Wanted::new(name, difficulty, own)?).with_context(|| format!("loading {name}"))?;
    tell(console, &dataset);
    Ok(dataset)
}

/// Says which images an experiment evaluates on, where that is not all of them.
pub fn tell_limit(console: Console, config: &ExperimentConfig, dataset: &Dataset) -> Result<()> {
    let test = Limited::test(dataset, config.limit_test)?;
    if test.how != How::All {
        console.say(format_args!("images    evaluated on {test}; as many for validation"));
    }
    Ok(())
}

/// Which images a limit left, for programs: of what is drawn, the indices.
pub fn sample(chosen: &Limited) -> Value {
    let drawn = (chosen.how == How::Balanced).then_some(&chosen.samples);
    json!({ "how": chosen.how.name(), "count": chosen.samples.len(), "of": chosen.of, "indices": drawn })
}

fn tell(console: Console, dataset: &Dataset) {
    console.say(format_args!("data      {}: {} training and {} test images", dataset.name, dataset.train.len(), dataset.test.len()));
}

/// The scores of an experiment's images, made here where its subset cannot do without; `None` where nothing needs them and none
/// ship. Which there are follows from the configuration alone, not from what was made before. `outlook`: of the series that a scoring
/// run would be a part of.
pub fn scores(console: Console, config: &ExperimentConfig, dataset: &Arc<Dataset>, outlook: Option<Outlook>) -> Result<Option<Scores>> {
    let policy = ScorePolicy::of(config);
    if !config.scores.is_empty() {
        let path = Path::new(&config.scores);
        let scores = score_file::read(path, policy.needed.unwrap_or(ScoreName::El2n), &config.column, dataset)?;
        let ranking = scores.ranking(config.subset).with_context(|| format!("the scores {}", path.display()))?;
        console.say(format_args!("scores    {}, from {}", ranking.score, path.display()));
        return Ok(Some(scores));
    }
    if let Some(bytes) = shipped(&policy) {
        let scores = Scores::from_bytes("the scores that ship with this program", bytes)?;
        scores.check(dataset)?;
        console.say("scores    EL2N, as shipped with this program");
        return Ok(Some(scores));
    }
    // What lies in the cache by chance must not change what is reported.
    let Some(needed) = policy.needed else { return Ok(None) };
    let place = cached(&policy.run);
    let made = place.as_ref().ok().and_then(|path| kept(console, path, dataset));
    match policy.after(made.as_ref()) {
        Made::Without => Ok(None),
        Made::Enough => {
            let scores = made.unwrap_or_default();
            let from = place.map(|path| path.display().to_string()).unwrap_or_default();
            console.say(format_args!("scores    {}, from {from}", scores.ranking(config.subset)?.score));
            Ok(Some(scores))
        }
        Made::Make(extra) => {
            console.say(format_args!("scores    no {needed} yet for these images: a scoring run of {SCORING_EPOCHS} epochs comes first"));
            // Before the work, so that whoever wants them kept can stop here.
            let unkept = |error: &anyhow::Error| {
                console.message(format_args!("warning   these scores cannot be kept, and will be made again next time: {error:#}"));
            };
            let place = place.and_then(|path| try_folder(path.parent().unwrap_or(&path)).map(|()| path)).inspect_err(unkept);
            let scores = run(console, policy.run, dataset, extra, 1, outlook)?;
            if let Ok(path) = place {
                match rundir::write(&path, &scores.to_bytes()?) {
                    Ok(()) => console.say(format_args!("scores    kept in {}", path.display())),
                    Err(error) => unkept(&error),
                }
            }
            Ok(Some(scores))
        }
    }
}

/// The scoring run that an experiment waits for, unless its scores were made before.
pub struct Needed {
    /// What its subset ranks by.
    pub score: ScoreName,
    /// The hash of the scoring run's configuration.
    pub hash: String,
    /// Where its scores are kept.
    pub file: PathBuf,
}

/// The scoring run of an experiment; `None` where it needs none, where its scores ship or are a file's, and where none can be kept.
pub fn scoring(config: &ExperimentConfig) -> Result<Option<Needed>> {
    let policy = ScorePolicy::of(config);
    let Some(score) = policy.needed.filter(|_| config.scores.is_empty() && shipped(&policy).is_none()) else {
        return Ok(None);
    };
    let Ok(file) = cached(&policy.run) else { return Ok(None) };
    Ok(Some(Needed { score, hash: policy.run.hash()?, file }))
}

/// Whether a file of kept scores has one of them.
pub fn has_score(file: &Path, score: ScoreName) -> bool {
    let scores = std::fs::read(file).ok().and_then(|bytes| Scores::from_bytes(&file.display().to_string(), &bytes).ok());
    scores.is_some_and(|scores| scores.get(score).is_ok())
}

/// Scores that were made before; what cannot be used is said, and made again.
fn kept(console: Console, path: &Path, dataset: &Dataset) -> Option<Scores> {
    let read = || -> Result<Option<Scores>> {
        let bytes = match std::fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("reading {}", path.display()))?,
        };
        let scores = Scores::from_bytes(&path.display().to_string(), &bytes)?;
        scores.check(dataset)?;
        Ok(Some(scores))
    };
    read().unwrap_or_else(|error| {
        console.message(format_args!("warning   kept scores cannot be used: {error:#}"));
        None
    })
}

/// Scoring runs, one after the other, and the mean of their scores.
pub fn run(
    console: Console,
    config: ExperimentConfig,
    dataset: &Arc<Dataset>,
    extra: Extra,
    runs: u32,
    outlook: Option<Outlook>,
) -> Result<Scores> {
    let mut device = open_device(console, config.device)?;
    let mut all = Vec::new();
    for r in 0..runs {
        let config = ExperimentConfig { seed: config.seed + u64::from(r), ..config.clone() };
        if runs > 1 {
            console.say(format_args!("scoring   run {} of {runs}, seed {}", r + 1, config.seed));
        }
        let mut live = Live::new(console);
        if let Some(outlook) = outlook {
            live.expect(outlook);
        }
        let result = pollster::block_on(async {
            let mut scoring = Scoring::with(config, Arc::clone(dataset), device, extra).await.map_err(as_asked)?;
            let mut told = false;
            while !scoring.finished() {
                if stopping() {
                    bail!(Stopped("stopped; a scoring run leaves nothing half-done".into()));
                }
                // That there are no scores yet is no news here.
                let events = scoring.advance().await?;
                events.iter().filter(|e| !matches!(e, sparring_core::Event::Warning { .. })).for_each(|e| live.event(e));
                if !told && scoring.norms_done().is_some() {
                    told = true;
                    console.say(format_args!("scoring   gradient norms of {} samples", dataset.train.len() + dataset.test.len()));
                }
            }
            Ok(scoring.into_scores().await?)
        });
        live.close();
        let (scores, back) = result.context("the scoring run")?;
        device = back;
        all.push(scores);
    }
    Ok(if all.len() == 1 { all.swap_remove(0) } else { mean(&all)? })
}

/// Where the scores of this scoring run are kept.
fn cached(config: &ExperimentConfig) -> Result<PathBuf> {
    Ok(data_folder()?.join("scores").join(format!("{}-{}-{}.safetensors", config.dataset, config.model, config.hash()?)))
}
