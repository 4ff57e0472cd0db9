//! Single entries of a plan in this process: what a sweep starts its processes with, and what a job of a cluster runs.
//!
//! Nothing is written but the run's own folder, so any number of these may work on one study at once.

use std::io::Read;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sparring_core::data::Dataset;

use super::plan::{Kind, PlannedRun};
use super::state::{self, State};
use crate::args::Usage;
use crate::console::{self, Console, Stopped, stop_on_interrupt, stopping};
use crate::data::{self, Wanted};
use crate::race::{self, RaceArgs, Role};
use crate::source;

/// The entries of a plan with these hashes, or with these beginnings of theirs, in the plan's order.
///
/// # Errors
/// `Usage` where there is none or more than one.
pub fn find<'a>(plan: &'a [PlannedRun], hashes: &[String]) -> Result<Vec<&'a PlannedRun>> {
    let mut places = Vec::new();
    for hash in hashes {
        let exact = plan.iter().position(|run| run.hash == *hash);
        let begins = || (0..plan.len()).filter(|i| plan[*i].hash.starts_with(hash.as_str()) && !hash.is_empty());
        match exact.map_or_else(|| begins().collect(), |place| vec![place]).as_slice() {
            [place] => places.push(*place),
            [] => return Err(Usage(format!("--only {hash}: the study has no such run; --dry-run lists all with their hashes")).into()),
            several => return Err(Usage(format!("--only {hash}: {} runs begin so; give more of the hash", several.len())).into()),
        }
    }
    places.sort_unstable();
    places.dedup();
    Ok(places.into_iter().map(|place| &plan[place]).collect())
}

/// Runs some entries one after the other; a failure does not keep the others from running.
///
/// # Errors
/// The first failure, or that a signal came.
pub fn run(console: Console, runs: &[&PlannedRun], checkpoint_every: u32, held: bool) -> Result<()> {
    stop_on_interrupt()?;
    if held {
        // Whoever started this process holds its standard input: when that ends, nobody waits for this run any more.
        std::thread::spawn(|| {
            let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
            console::stop();
        });
    }
    let mut first = None;
    for run in runs {
        if stopping() {
            bail!(Stopped("stopped; the same command goes on from there".into()));
        }
        if let Err(error) = one(console, run, checkpoint_every).with_context(|| format!("run {}", run.hash)) {
            if error.is::<Stopped>() || runs.len() == 1 {
                return Err(error);
            }
            console.message(format_args!("failed    {error:#}"));
            first.get_or_insert(error);
        }
    }
    first.map_or(Ok(()), Err)
}

fn one(console: Console, run: &PlannedRun, checkpoint_every: u32) -> Result<()> {
    let PlannedRun { config, folder, .. } = run;
    console.say(format_args!("settings  {}", race::settings(config)?));
    console.say(format_args!("output    {}", folder.display()));
    match state::read(run) {
        _ if run.kind == Kind::Scores => {}
        State::Finished(..) => {
            console.say("finished  this run was run to its end");
            return Ok(());
        }
        State::Failed(_, why) => bail!("every learner failed: {why}"),
        State::Foreign(why) => bail!(why),
        State::New | State::Stopped => {}
    }
    let dataset = images(run)?;
    source::tell_limit(console, config, &dataset)?;
    let scores = source::scores(console, config, &dataset, None)?.map(Arc::new);
    match run.kind {
        Kind::Scores => Ok(()),
        Kind::Run | Kind::Parent => {
            race::perform(console, &RaceArgs::of(checkpoint_every), config.clone(), folder, (dataset, scores), Role::Main)
        }
    }
}

/// The images of a run. No others take their place, as they do in a race: its hash, and so the study, would be another.
pub fn images(run: &PlannedRun) -> Result<Arc<Dataset>> {
    let name = run.config.dataset;
    let hint =
        || format!("loading {name}; a study trains on no other images in their place: fetch them, or say dataset = \"builtin\" in it");
    Ok(Arc::new(data::require_dataset(&Wanted::from(&run.config)).with_context(hint)?))
}
