//! `sweep`: a study, from one file to its runs and what they say together.
//!
//! The plan follows from the file alone and results from the run folders alone. So a study is stopped, gone on with, shared among machines and
//! collected again without a record of its own that could be wrong.

mod axis;
mod collect;
mod collected;
mod conditions;
mod estimate;
mod export;
mod live;
mod log;
mod only;
mod plan;
mod report;
mod run;
mod slurm;
mod state;
mod study;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;
use sparring_core::ExperimentConfig;
use sparring_core::config::LearnerConfig;
use sparring_core::record::study::Findings;
use sparring_core::record::{Metric, StudyFile};
use sparring_figures::number;

use collected::{Collected, Place};
use estimate::Estimate;
use plan::{Kind, PlannedRun};
use run::{Failure, Means, Sweep};
use state::Standing;

use crate::args::{DeviceFlag, Usage};
use crate::console::{Console, Stopped, stop_on_interrupt, stopping};
use crate::estimates::{p, plus_minus, points};
use crate::output::{no_stream, try_folder};
use crate::rundir;

pub use collected::{STUDY, TABLE};
pub use conditions::Conditions;
pub use export::{find, of_folder};
pub use listed::{Listed, beside, listed};
pub use run::GPU;
pub use study::Study;

mod listed;

/// More processes than this are no wish but a slip.
const MOST_JOBS: usize = 256;

/// Values of an axis that are told one by one.
const TOLD: usize = 8;

/// Flags of `sweep`.
#[derive(clap::Args)]
pub struct SweepArgs {
    /// The study file, or the folder of a study
    #[arg(value_name = "STUDY.toml")]
    study: PathBuf,
    /// Folder of the study; the same command goes on with it [default: studies/NAME-HASH]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Run only these, in this process, and leave the study's folder alone: for the jobs of a cluster
    #[arg(long, value_name = "HASH", value_delimiter = ',', conflicts_with_all = ["dry_run", "collect", "jobs", "gpus", "json"])]
    only: Vec<String>,
    #[command(flatten)]
    how: How,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Stop when standard input ends: whoever started this process is gone
    #[arg(long, hide = true, requires = "only")]
    held: bool,
    #[command(flatten)]
    slurm: slurm::SlurmArgs,
}

/// How a study is run.
#[derive(clap::Args)]
pub struct How {
    /// Say which runs there would be and what they would take, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Make table, summary and report from what is finished, and run nothing
    #[arg(long, conflicts_with = "dry_run")]
    collect: bool,
    /// Processes at a time; they share the threads of this machine [default: 1, or one a GPU of --gpus]
    #[arg(long, value_name = "K")]
    jobs: Option<usize>,
    /// The GPUs that they take turns on, by their numbers as sparring doctor lists them, e.g. 0,1
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    gpus: Vec<usize>,
    /// Where to compute, in place of what the study says
    #[arg(long)]
    pub device: Option<DeviceFlag>,
    /// Write a checkpoint of a run every K epochs (0: only when stopped)
    #[arg(long, value_name = "K", default_value_t = 1)]
    checkpoint_every: u32,
}

/// Runs a study, or a part of it, or collects what there is.
pub fn sweep(args: &SweepArgs) -> Result<()> {
    no_stream("--out", args.out.as_deref())?;
    // A study's folder holds its file.
    let within = args.study.is_dir();
    let file = if within { args.study.join(STUDY) } else { args.study.clone() };
    let mut study = Study::read(&file)?;
    // There the file's own name is that of all studies.
    if let Some(stamp) = if within { collect::stamp(&args.study)? } else { None } {
        study.name = stamp.study;
    }
    // The list of commands has standard output for itself.
    let console = if args.slurm.print { Console::beside() } else { Console::new(args.json) };
    if !args.only.is_empty() {
        let plan = plan::plan(&study, args.how.device.map(Into::into))?;
        return only::run(console, &only::find(&plan, &args.only)?, args.how.checkpoint_every, args.held);
    }
    let out = args.out.clone().or_else(|| within.then(|| args.study.clone()));
    run_all(console, &Planned::new(study, args.how.device, out)?, &args.how, Some(&args.slurm))
}

/// A study with its plan.
pub struct Planned {
    study: Study,
    plan: Vec<PlannedRun>,
    measure: Metric,
    hash: String,
    /// Its folder.
    pub folder: PathBuf,
}

impl Planned {
    /// The plan of a study; without `out` its folder is named after it.
    ///
    /// # Errors
    /// Where a combination is no configuration, or no one measure judges all.
    pub fn new(study: Study, device: Option<DeviceFlag>, out: Option<PathBuf>) -> Result<Self> {
        let plan = plan::plan(&study, device.map(Into::into))?;
        let measure = plan::measure(&study, &plan)?;
        let hash = plan::study_hash(&study, measure, &plan);
        let folder = out.unwrap_or_else(|| beside(Path::new("runs")).join(format!("{}-{hash}", study.name)));
        Ok(Self { study, plan, measure, hash, folder })
    }
    /// What decides.
    pub fn measure(&self) -> Metric {
        self.measure
    }
    /// The study.
    pub fn study(&self) -> &Study {
        &self.study
    }
    /// What its table says: conditions and findings.
    ///
    /// # Errors
    /// Where the table cannot be read, or is another study's.
    pub fn table(&self) -> Result<(Conditions, Findings)> {
        let mut findings = Findings::default();
        collected::rows(&self.place())?.into_iter().for_each(|(_, row)| findings.add_row(row));
        Ok((Conditions::new(&self.study, &self.plan), findings))
    }
    /// The study as one file, from its table: what the page shows.
    ///
    /// # Errors
    /// As [`Self::table`]; `Usage` where it has more runs than such a file holds.
    pub fn file(&self, name: &str, verdict: &str) -> Result<StudyFile> {
        export::file(&self.place(), name, verdict)
    }
    /// Conditions of runs that pass, and the learners that run under each.
    pub fn learners(&self, conditions: &Conditions, is: impl Fn(&ExperimentConfig) -> bool) -> Vec<(usize, Vec<LearnerConfig>)> {
        let mut all: Vec<(usize, Vec<LearnerConfig>)> = conditions.all().into_iter().map(|condition| (condition, Vec::new())).collect();
        for run in self.plan.iter().filter(|run| run.kind == Kind::Run && is(&run.config)) {
            let Some((_, learners)) = conditions.of(run).and_then(|condition| all.get_mut(condition)) else { continue };
            for learner in &run.config.learners {
                if !learners.contains(learner) {
                    learners.push(*learner);
                }
            }
        }
        all.retain(|(_, learners)| !learners.is_empty());
        all
    }
    /// Whether it has a run of this kind.
    pub fn has(&self, is: impl Fn(&ExperimentConfig) -> bool) -> bool {
        self.plan.iter().any(|run| run.kind == Kind::Run && is(&run.config))
    }
    /// The configuration of its first run.
    pub fn first(&self) -> Option<&ExperimentConfig> {
        self.plan.iter().find(|run| run.kind == Kind::Run).map(|run| &run.config)
    }
    /// How many results it plans: one for each learner of a run.
    pub fn results(&self) -> usize {
        self.plan.iter().filter(|run| run.kind == Kind::Run).map(|run| run.config.learners.len()).sum()
    }
    fn place(&self) -> Place<'_> {
        Place { study: &self.study, plan: &self.plan, measure: self.measure, hash: &self.hash, folder: &self.folder }
    }
}

/// Runs what of a study is not finished, here or on a cluster, or says what that would take, or collects what there is.
///
/// # Errors
/// Where runs failed, or it was stopped.
pub fn run_all(console: Console, planned: &Planned, how: &How, slurm: Option<&slurm::SlurmArgs>) -> Result<()> {
    let place = planned.place();
    collect::check_folder(&place)?;
    let standing: Vec<Standing> = place.plan.iter().map(Standing::read).collect();
    introduce(console, &place, &standing);
    if let Some(lost) = collect::lost(&place, &standing)? {
        if how.collect {
            bail!(
                "{lost}; say the command in the folder that holds them, or remove {} if they are gone",
                place.folder.join(rundir::SUMMARY).display()
            );
        }
        console.message(format_args!("note      {lost}; the others are made again here"));
    }
    if how.dry_run {
        return dry_run(console, &place, &standing);
    }
    let folder = place.folder;
    try_folder(folder)?;
    console.say(format_args!("output    {}", folder.display()));
    let ahead = standing.iter().any(|standing| !["finished", "failed"].contains(&standing.state));
    let mut failures = Vec::new();
    if ahead && !how.collect {
        let means = means(how)?;
        stop_on_interrupt()?;
        let seconds: Vec<f64> = standing.iter().map(|standing| standing.seconds).collect();
        let estimate = estimate::estimate(place.plan, &seconds, true)?;
        tell_estimate(console, &standing, &estimate, means.jobs);
        // The processes read the study from here: it may be changed meanwhile.
        crate::output::write_shared(&folder.join(STUDY), |out| Ok(std::io::Write::write_all(out, place.study.text.as_bytes())?))?;
        let program = || slurm::Program::new(folder, how.device, how.checkpoint_every);
        failures = match slurm {
            Some(slurm) if slurm.print => return slurm::Cluster::open(&place, slurm)?.print(Console::new(false), &program()?),
            Some(slurm) if slurm.slurm => slurm::Cluster::open(&place, slurm)?.run(console, &program()?)?,
            _ => Sweep::new(console, &place, &means, &standing, &estimate.work).run()?,
        };
    }
    let collected = collect::collect(&place)?;
    conclude(console, how, &place, &collected, &failures)
}

fn means(args: &How) -> Result<Means> {
    let jobs = args.jobs.unwrap_or(args.gpus.len().max(1));
    if jobs == 0 || jobs > MOST_JOBS {
        return Err(Usage(format!("--jobs: expected 1 to {MOST_JOBS} processes at a time, found {jobs}")).into());
    }
    if !args.gpus.is_empty() {
        let there = pollster::block_on(sparring_core::gpu::hardware()).len();
        if let Some(missing) = args.gpus.iter().find(|number| **number >= there) {
            return Err(Usage(format!(
                "--gpus: there is no GPU {missing} here; {there} were found, counted from 0 (sparring doctor lists them)"
            ))
            .into());
        }
    }
    Ok(Means { jobs, gpus: args.gpus.clone(), device: args.device, checkpoint_every: args.checkpoint_every })
}

/// How many runs there are, and how far they are.
fn introduce(console: Console, place: &Place, standing: &[Standing]) {
    let Place { study, plan, measure, .. } = place;
    let values = |axis: &axis::Axis| match axis.words.as_slice() {
        [first, .., last] if axis.words.len() > TOLD => format!("{} values from {first} to {last}", axis.words.len()),
        words => words.join(", "),
    };
    let axes: Vec<String> = study.axes.iter().map(|axis| format!("{} {}", axis.name, values(axis))).collect();
    let count = |kind: Kind| plan.iter().filter(|run| run.kind == kind).count();
    let (runs, parents, scores) = (count(Kind::Run), count(Kind::Parent), count(Kind::Scores));
    console.say(format_args!("study     {}: {runs} runs ({}), judged by {}", study.name, axes.join("; "), measure.doc()));
    if parents + scores > 0 {
        let of = |count: usize, one: &str, more: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {more}")),
        };
        let first = [of(scores, "scoring run", "scoring runs"), of(parents, "dense parent", "dense parents")];
        console
            .say(format_args!("          {} before those that need them", first.into_iter().flatten().collect::<Vec<_>>().join(" and ")));
    }
    let states = ["finished", "failed", "stopped", "foreign"];
    let of = |state: &&str| {
        let count = plan.iter().zip(standing).filter(|(run, standing)| run.kind == Kind::Run && standing.state == *state).count();
        (count > 0).then(|| format!("{count} {state}"))
    };
    let there: Vec<String> = states.iter().filter_map(of).collect();
    if !there.is_empty() {
        console.say(format_args!("there     {}", there.join(", ")));
    }
}

/// The work of all that is not finished.
fn ahead(standing: &[Standing], estimate: &Estimate) -> f64 {
    let of = |(standing, work): (&Standing, &f64)| if ["finished", "failed"].contains(&standing.state) { 0.0 } else { *work };
    standing.iter().zip(&estimate.work).map(of).sum()
}

fn tell_estimate(console: Console, standing: &[Standing], estimate: &Estimate, jobs: usize) {
    let work = ahead(standing, estimate);
    let mut parts = Vec::new();
    if let Some(seconds) = estimate.seconds {
        parts.push(format!("about {} on this machine", number::about(seconds * work)));
    }
    if let Some(memory) = estimate.memory {
        let processes = if jobs > 1 { format!(" for each of {jobs} processes") } else { String::new() };
        parts.push(format!("{} of memory{processes}", number::bytes(memory as u64)));
    }
    if estimate.disk > 0.0 {
        parts.push(format!("up to {} of disk", number::bytes(estimate.disk as u64)));
    }
    if !parts.is_empty() {
        console.say(format_args!("estimate  {}", parts.join(", ")));
    }
}

fn dry_run(console: Console, place: &Place, standing: &[Standing]) -> Result<()> {
    let Place { study, plan, folder, .. } = place;
    let seconds: Vec<f64> = standing.iter().map(|standing| standing.seconds).collect();
    let estimate = estimate::estimate(plan, &seconds, false)?;
    tell_estimate(console, standing, &estimate, 1);
    for name in &estimate.missing {
        console.tell(format_args!("note      {name} is not here and will be fetched; what its runs take is not known before"));
    }
    let mut header = vec!["hash"];
    header.extend(study.axes.iter().map(|axis| axis.name.as_str()));
    header.extend(["what", "state", "folder"]);
    let row = |(run, standing): (&PlannedRun, &Standing)| {
        let mut cells = vec![run.hash.clone()];
        match run.kind {
            Kind::Run => cells.extend(study.axes.iter().zip(&run.combination).map(|(axis, place)| axis.words[*place].clone())),
            Kind::Parent | Kind::Scores => cells.extend(
                study
                    .axes
                    .iter()
                    .map(|axis| if axis.is_seeds() && run.kind == Kind::Parent { run.config.seed.to_string() } else { "-".into() }),
            ),
        }
        let what = match run.kind {
            Kind::Run => "run",
            Kind::Parent => "parent",
            Kind::Scores => "scores",
        };
        cells.extend([what.to_owned(), standing.state.to_owned(), run.folder.display().to_string()]);
        cells
    };
    console.tell("");
    console.table(&header, &plan.iter().zip(standing).map(row).collect::<Vec<_>>());
    console.tell(format_args!("output    {} (nothing was written)", folder.display()));
    let runs = plan.iter().zip(standing).map(|(run, standing)| {
        json!({ "hash": run.hash, "kind": match run.kind { Kind::Run => "run", Kind::Parent => "parent", Kind::Scores => "scores" },
            "folder": run.folder, "depends_on": run.depends_on, "state": standing.state, "config": run.config })
    });
    console.result(&json!({ "study": study.name, "study_hash": place.hash, "folder": folder, "measure": place.measure, "runs": runs.collect::<Vec<_>>(),
        "seconds": estimate.seconds.map(|seconds| seconds * ahead(standing, &estimate)), "memory_bytes": estimate.memory, "disk_bytes": estimate.disk }));
    Ok(())
}

/// Table, verdict, failures; the JSON where it was asked for; and, last, the path.
fn conclude(console: Console, how: &How, place: &Place, collected: &Collected, failures: &[Failure]) -> Result<()> {
    let Place { plan, folder, .. } = place;
    console.tell("");
    let (header, rows) = rows(place, collected);
    console.table(&header, &rows);
    console.tell(&collected.verdict);
    for (run, why) in &collected.failed {
        console.message(format_args!("failed    {}: {why}", plan[*run].folder.display()));
    }
    for failure in failures {
        let known = collected.failed.iter().any(|(run, _)| *run == failure.run);
        if !known {
            console.message(format_args!("failed    {}: {}", run::title(place, failure.run), failure.why));
        }
        for line in &failure.last {
            console.named(format_args!("          {line}"));
        }
    }
    if console.is_json() {
        let file = folder.join(rundir::SUMMARY);
        let mut summary = rundir::read_summary(folder)?.with_context(|| format!("{} was not written", file.display()))?;
        summary["folder"] = json!(folder);
        console.result(&summary);
    }
    let (finished, all) = collected.count(plan, "finished");
    console.tell(format_args!("runs      {finished} of {all} are finished, {} in all of them", number::duration(collected.seconds)));
    console.tell(format_args!("report    {}", folder.join(rundir::REPORT).display()));
    console.tell(format_args!("output    {}", folder.display()));
    if stopping() {
        bail!(Stopped(format!("stopped, {finished} of {all} runs are finished; the same command goes on from there")));
    }
    let failed = plan.iter().zip(&collected.standing).filter(|(_, standing)| ["failed", "foreign"].contains(&standing.state)).count();
    let crashed = failures.iter().filter(|failure| !["failed", "foreign"].contains(&collected.standing[failure.run].state)).count();
    if failed + crashed > 0 && !how.collect {
        bail!("{} of {all} runs failed; the reasons are above, and the same command tries again what crashed", failed + crashed);
    }
    Ok(())
}

/// One table: a row a learner and condition, with what decides.
fn rows<'a>(place: &'a Place, collected: &Collected) -> (Vec<&'a str>, Vec<Vec<String>>) {
    let Place { study, measure, .. } = place;
    let Collected { findings, conditions, differences, .. } = collected;
    let mut header = vec!["learner"];
    header.extend(conditions.axes.iter().map(|axis| study.axes[*axis].field.as_str()));
    header.extend(["seeds", measure.name(), "minus dense", "adjusted p", "outcome"]);
    let mut rows = Vec::new();
    for condition in 0..conditions.places.len() {
        for (racer, known) in findings.ordered() {
            let Some(mean) = findings.mean(*measure, racer, &[condition]) else { continue };
            let mut cells = vec![known.name.clone()];
            cells.extend(
                conditions.axes.iter().zip(&conditions.places[condition]).map(|(axis, place)| study.axes[*axis].words[*place].clone()),
            );
            cells.extend([mean.estimate.seeds.to_string(), plus_minus(&mean.estimate)]);
            let difference = differences.iter().find(|d| d.condition == condition && d.sparse == known.name);
            cells.push(difference.map_or_else(|| "-".into(), |d| points(&d.estimate)));
            cells.push(difference.map_or_else(|| "-".into(), |d| p(d.adjusted)));
            cells.push(difference.map_or("", |d| d.outcome.name()).into());
            rows.push(cells);
        }
    }
    (header, rows)
}
