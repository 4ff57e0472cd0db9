//! `race` over seeds and fractions of the data: every run in its own folder as always, then what they say together.
//!
//! A member is a run like any other, so a finished one is not run again, a stopped one goes on, and series share members. The
//! series' own folder is written anew after every member and holds nothing that cannot be made again from theirs.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sparring_core::ExperimentConfig;
use sparring_core::config::{Scale, Scenario, settings};
use sparring_core::data::Dataset;
use sparring_core::events::Summary;
use sparring_core::record::comparison::{Comparison, Difference, Mean, Member, Metric};
use sparring_core::train::scoring::ScorePolicy;
use sparring_figures::number;

use crate::args::{DeviceFlag, validate};
use crate::console::{Console, Outlook, Stopped, stop_on_interrupt};
use crate::estimates::{plus_minus, points};
use crate::output::{no_stream, try_folder};
use crate::race::{self, RaceArgs, Role};
use crate::rundir::{self, Found};
use crate::{clock, cost, results, source, tensorboard};

mod report;

/// Flags of `race`.
#[derive(clap::Args)]
pub struct SeriesArgs {
    /// What makes the samples hard; sets everything that flags do not: nature (the EL2N-hard half, with a random control),
    /// corruption or attack
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "preset"])]
    scenario: Option<Scenario>,
    /// How much time a scenario may take: smoke (minutes on 2 cores), demo (minutes on a laptop's GPU) or paper (the full
    /// recipe) [default: smoke]
    #[arg(long, value_name = "NAME", requires = "scenario")]
    scale: Option<Scale>,
    /// Run with several seeds and compare over them: a number (from --seed on) or a list; a scenario has 3
    #[arg(long, value_name = "K|LIST")]
    seeds: Option<Seeds>,
    /// Run with several fractions of the training split (--p-data), e.g. 0.1,0.5,1; a scenario has its own
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "p_data")]
    fractions: Vec<f64>,
    #[command(flatten)]
    pub race: RaceArgs,
}

/// `--seeds`: how many, or which.
#[derive(Clone, Debug, PartialEq)]
enum Seeds {
    Count(usize),
    List(Vec<u64>),
}

/// A series has at most this many seeds.
const MOST_SEEDS: usize = 100;

impl FromStr for Seeds {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |s: &str| s.trim().parse::<u64>().map_err(|_| format!("'{s}' is no whole number"));
        if !text.contains(',') {
            return match number(text)? as usize {
                count @ 1..=MOST_SEEDS => Ok(Self::Count(count)),
                count => Err(format!("1 to {MOST_SEEDS} seeds are possible, found {count}")),
            };
        }
        let list = text.split(',').filter(|s| !s.is_empty()).map(number).collect::<Result<Vec<_>, _>>()?;
        let mut distinct = list.clone();
        distinct.sort_unstable();
        distinct.dedup();
        match list.len() {
            n if n != distinct.len() => Err("a seed is there twice".into()),
            1..=MOST_SEEDS => Ok(Self::List(list)),
            n => Err(format!("1 to {MOST_SEEDS} seeds are possible, found {n}")),
        }
    }
}

impl Seeds {
    fn from(&self, first: u64) -> Vec<u64> {
        match self {
            Self::Count(count) => (0..*count as u64).map(|i| first.wrapping_add(i)).collect(),
            Self::List(list) => list.clone(),
        }
    }
}

/// What `race` without any wish does on a processor alone: its full size takes hours there.
const SMALL: &str = "size      no GPU here, so this is a small race that ends within minutes. Larger ones:
          sparring race --epochs 20               the full race, hours on a CPU; stopped, the same command goes on
          sparring race --scenario nature         the small race over seeds and fractions, with intervals
          the same command where there is a GPU, or the page in a browser (cargo xtask serve)
";

/// What `race` with another wish does there: that was asked for, and takes hours.
const LARGE: &str =
    "size      no GPU here, and nothing makes this race smaller: it takes hours; stopped, the same command goes on. Other ways:
          sparring race                           a small race that ends within minutes
          sparring race --scenario nature         the small race over seeds and fractions, with intervals
          the same command where there is a GPU, or the page in a browser (cargo xtask serve)
";

/// Whether a real GPU would compute.
fn has_gpu(wanted: Option<DeviceFlag>) -> bool {
    cost::has_gpu(wanted.unwrap_or(DeviceFlag::Auto).into())
}

/// Several learners side by side: once, or over seeds and fractions of the data.
pub fn race(args: &SeriesArgs) -> Result<()> {
    let default = ExperimentConfig::default();
    let scale = args.scale.unwrap_or(Scale::Smoke);
    let experiment = &args.race.experiment;
    let lone = args.scenario.is_none() && args.seeds.is_none() && args.fractions.is_empty();
    let base = match args.scenario {
        Some(scenario) => default.scenario(scenario, scale),
        None if lone && experiment.says_nothing() && !has_gpu(experiment.device) => {
            Console::new(args.race.json).say(SMALL);
            default.scenario(Scenario::Nature, Scale::Smoke)
        }
        None => default,
    };
    let is_small = base != ExperimentConfig::default();
    let config = experiment.resolve(base)?;
    validate(&config)?;
    if !is_small && experiment.is_full_size() && !has_gpu(experiment.device) {
        Console::new(args.race.json).say(LARGE);
    }
    if lone {
        return race::run(&args.race, config);
    }
    let seeds = match (&args.seeds, args.scenario) {
        (Some(seeds), _) => seeds.from(config.seed),
        (None, Some(_)) => Seeds::Count(scale.seeds()).from(config.seed),
        (None, None) => vec![config.seed],
    };
    let fractions = match args.scenario {
        _ if !args.fractions.is_empty() => args.fractions.clone(),
        Some(scenario) if args.race.experiment.p_data.is_none() => scenario.fractions(scale).to_vec(),
        _ => vec![config.p_data],
    };
    Series::new(args, config, seeds, fractions)?.run()
}

/// One run of a series and where it goes.
pub struct MemberRun {
    /// Its configuration.
    pub config: ExperimentConfig,
    /// Its folder.
    pub path: PathBuf,
    /// Its summary, once it is finished.
    pub summary: Option<Value>,
}

/// A series under way.
struct Series<'a> {
    console: Console,
    args: &'a SeriesArgs,
    config: ExperimentConfig,
    seeds: Vec<u64>,
    fractions: Vec<f64>,
    members: Vec<MemberRun>,
    hash: String,
    path: PathBuf,
}

impl<'a> Series<'a> {
    fn new(args: &'a SeriesArgs, config: ExperimentConfig, seeds: Vec<u64>, mut fractions: Vec<f64>) -> Result<Self> {
        fractions.sort_by(f64::total_cmp);
        fractions.dedup();
        let console = Console::new(args.race.json);
        let mut series = Self { console, args, config, seeds, fractions, members: Vec::new(), hash: String::new(), path: PathBuf::new() };
        series.find_members()?;
        Ok(series)
    }

    /// Finds out what stands in every member's folder; one that cannot be used is found before hours of training.
    fn find_members(&mut self) -> Result<()> {
        self.members.clear();
        // A whole round of fractions before the next seed: what there is after a stop can be read.
        for &seed in &self.seeds {
            for &p_data in &self.fractions {
                let config = ExperimentConfig { seed, p_data, ..self.config.clone() };
                validate(&config)?;
                let path = rundir::path(None, &config)?;
                let summary = match rundir::find(&path, &config, self.args.race.again)? {
                    Found::Finished(summary) => Some(summary),
                    Found::Nothing | Found::Unfinished => None,
                };
                self.members.push(MemberRun { config, path, summary });
            }
        }
        self.hash = self.hash()?;
        self.path = match &self.args.race.out {
            Some(path) => path.clone(),
            None => {
                let first = &self.members[0];
                let name = first.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name);
                let what = self.args.scenario.map_or_else(|| "series".to_owned(), |s| s.to_string());
                Path::new("series").join(format!("{what}-{name}-{}", self.hash))
            }
        };
        if self.path.join(rundir::CONFIG).exists() {
            bail!("{} holds a run; a series needs another --out", self.path.display());
        }
        let other = rundir::read_summary(&self.path)?.is_some_and(|s| s["series_hash"].as_str() != Some(&self.hash));
        if other && !self.args.race.again {
            bail!("{} holds another series; choose another --out, or --again to replace it", self.path.display());
        }
        Ok(())
    }

    /// Of the members' configurations, and of the scenario, which chooses what decides.
    fn hash(&self) -> Result<String> {
        let all = self.members.iter().map(|m| m.config.hash()).collect::<sparring_core::error::Result<Vec<_>>>()?;
        let name = self.args.scenario.map_or("", Scenario::name);
        Ok(sparring_core::config::digest(format!("{name} {}", all.join(" ")).as_bytes()))
    }

    fn run(mut self) -> Result<()> {
        let console = self.console;
        let list = |all: Vec<String>| all.join(", ");
        let seeds = list(self.seeds.iter().map(u64::to_string).collect());
        let fractions = list(self.fractions.iter().map(f64::to_string).collect());
        console.say(format_args!("settings  {}", race::settings(&self.config)?));
        let count = self.members.len();
        console.say(format_args!("series    {count} runs: seeds {seeds}; p_data {fractions}"));
        console.say(format_args!("output    {}", self.path.display()));
        no_stream("--out", self.args.race.out.as_deref())?;
        for folder in std::iter::once(&self.path).chain(self.members.iter().filter(|m| m.summary.is_none()).map(|m| &m.path)) {
            try_folder(folder)?;
        }
        if self.args.race.tensorboard {
            self.members.iter().filter(|m| m.summary.is_some()).try_for_each(|m| tensorboard::complete(console, &m.path))?;
        }
        let start = Instant::now();
        if self.members.iter().any(|m| m.summary.is_none()) {
            stop_on_interrupt()?;
            let asked = self.config.dataset;
            let dataset = source::images(console, &mut self.config)?;
            if self.config.dataset != asked {
                self.find_members()?;
                console.say(format_args!("output    {}", self.path.display()));
            }
            source::tell_limit(console, &self.config, &dataset)?;
            let ahead: Vec<&ExperimentConfig> = self.members.iter().filter(|m| m.summary.is_none()).map(|m| &m.config).collect();
            let smaller = if self.args.scale.is_some_and(|scale| scale != Scale::Smoke) { "with --scale smoke, " } else { "" };
            cost::tell(console, &ahead, &dataset, smaller);
            self.train(&dataset)?;
        }
        let (mut summary, comparison) = self.write(false)?;
        self.tell(&mut summary, &comparison, start.elapsed().as_secs_f64());
        if self.failed() {
            bail!("every learner failed in every run of the series; the reasons are in the runs' reports, below {}", self.path.display());
        }
        Ok(())
    }

    /// Whether every run was run, and none has a learner that did not fail.
    fn failed(&self) -> bool {
        self.members.iter().all(|m| m.summary.as_ref().is_some_and(results::all_failed))
    }

    /// Runs what is not finished.
    fn train(&mut self, dataset: &Arc<Dataset>) -> Result<()> {
        let (console, count) = (self.console, self.members.len());
        for i in 0..count {
            let outlook = self.outlook(i, dataset);
            let MemberRun { config, path, summary } = &self.members[i];
            let title = format!("run {} of {count}: seed {}, p_data {}", i + 1, config.seed, config.p_data);
            if summary.is_some() {
                let state =
                    if summary.as_ref().is_some_and(results::all_failed) { "every learner failed in it" } else { "finished already" };
                console.say(format_args!("series    {title}: {state}, {}", path.display()));
                continue;
            }
            console.say("");
            console.say(format_args!("series    {title}{}", outlook.words()));
            console.say(format_args!("output    {}", path.display()));
            let scoring = outlook.scoring(cost::work(&ScorePolicy::of(config).run, dataset.train.len(), dataset.test.len()));
            let member = source::scores(console, config, dataset, Some(scoring)).and_then(|scores| {
                let samples = (Arc::clone(dataset), scores.map(Arc::new));
                race::perform(console, &self.args.race, config.clone(), path, samples, Role::Member(outlook))
            });
            if member.as_ref().is_err_and(|error| error.is::<Stopped>()) {
                self.write(true)?;
                let finished = self.members.iter().filter(|m| m.summary.is_some()).count();
                let stopped = format!("stopped in run {} of {count}, {finished} are finished", i + 1);
                bail!(Stopped(format!("{stopped}; the same command goes on from there")));
            }
            match rundir::read_summary(path)? {
                Some(summary) if !rundir::is_stopped(&summary) => {
                    // All its learners failed: that is a result.
                    if let Err(error) = member {
                        console.message(format_args!("warning   {error:#}"));
                    }
                    self.members[i].summary = Some(summary);
                }
                _ => {
                    return Err(member
                        .err()
                        .unwrap_or_else(|| anyhow::anyhow!("{} holds no finished run", path.display()))
                        .context(format!("run {} of {count}", i + 1)));
                }
            }
            self.write(i + 1 < count)?;
        }
        Ok(())
    }

    /// How far the series is when member `next` begins.
    fn outlook(&self, next: usize, dataset: &Dataset) -> Outlook {
        let work = |m: &MemberRun| cost::work(&m.config, dataset.train.len(), dataset.test.len());
        let mut outlook = Outlook { run: next + 1, runs: self.members.len(), ..Outlook::default() };
        for (i, member) in self.members.iter().enumerate() {
            match &member.summary {
                Some(summary) => {
                    outlook.seconds += summary["seconds"].as_f64().unwrap_or(0.0);
                    outlook.done += work(member);
                }
                None if i == next => outlook.now = work(member),
                None => outlook.later += work(member),
            }
        }
        outlook
    }

    /// The series' folder as it stands; gives the summary and what it says.
    fn write(&self, stopped: bool) -> Result<(Value, Comparison)> {
        let finished = self.members.iter().filter_map(|m| Some((m, m.summary.as_ref()?)));
        let members = finished.map(|(m, summary)| {
            let learners = serde_json::from_value::<Summary>(summary["summary"].clone())
                .with_context(|| format!("the results in {}", m.path.join(rundir::SUMMARY).display()))?
                .learners;
            Ok(Member { seed: m.config.seed, fraction: m.config.p_data, learners })
        });
        let members = members.collect::<Result<Vec<Member>>>()?;
        let halves = members.is_empty() || members.iter().flat_map(|m| &m.learners).any(|l| l.scores.test_hard.is_some());
        let comparison = Comparison::new(Metric::deciding(&self.config, self.args.scenario, halves), &members);
        let runs: Vec<Value> = self
            .members
            .iter()
            .map(|m| {
                let summary = m.summary.as_ref().unwrap_or(&Value::Null);
                json!({ "run": m.path, "config_hash": m.config.hash().ok(), "seed": m.config.seed, "p_data": m.config.p_data,
                    "finished": m.summary.as_ref().is_some_and(|s| !results::all_failed(s)),
                    "failed": m.summary.as_ref().is_some_and(results::all_failed), "seconds": summary["seconds"], "device": summary["device"]["name"], "commit": summary["commit"], "date": summary["date"] })
            })
            .collect();
        let seconds: f64 = runs.iter().filter_map(|r| r["seconds"].as_f64()).sum();
        let summary = json!({
            "scenario": self.args.scenario, "scale": self.args.scenario.map(|_| self.args.scale.unwrap_or(Scale::Smoke)),
            "config": self.config, "series_hash": self.hash, "stopped": stopped, "failed": self.failed(), "comparison": comparison, "runs": runs, "seconds": seconds,
            "version": env!("CARGO_PKG_VERSION"), "commit": env!("SPARRING_COMMIT"), "system": clock::system(), "date": clock::now(),
        });
        rundir::write(&self.path.join("series.csv"), csv(&comparison, &members).as_bytes())?;
        let page = report::render(self.args.scenario, &self.config, &comparison, &self.members, &self.path, &summary);
        rundir::write(&self.path.join(rundir::REPORT), page.as_bytes())?;
        rundir::write(&self.path.join(rundir::SUMMARY), format!("{summary:#}\n").as_bytes())?;
        Ok((summary, comparison))
    }

    /// The table and the verdict; the JSON where it was asked for; and, last, the path.
    fn tell(&self, summary: &mut Value, comparison: &Comparison, seconds: f64) {
        let console = self.console;
        let (header, rows) = rows(comparison);
        console.tell("");
        console.table(&header, &rows);
        for (learner, seed, fraction) in &comparison.failed {
            console.tell(format_args!("{learner} failed with seed {seed} at p_data {fraction}: that run counts in no mean of it"));
        }
        console.tell(&comparison.verdict);
        summary["series"] = json!(self.path);
        console.result(summary);
        let total = number::duration(summary["seconds"].as_f64().unwrap_or(0.0));
        console.tell(format_args!("took      {} now, {total} in all runs", number::duration(seconds)));
        console.tell(format_args!("report    {}", self.path.join(rundir::REPORT).display()));
        console.tell(format_args!("output    {}", self.path.display()));
    }
}

/// A series as a list shows it.
pub struct Listed {
    pub name: String,
    /// Runs that are through, and runs in all.
    pub finished: usize,
    pub runs: usize,
    pub model: String,
    pub learners: String,
    pub verdict: String,
    pub date: String,
}

impl Listed {
    /// The same for a program.
    pub fn json(&self) -> Value {
        json!({ "series": self.name, "finished": self.finished, "runs": self.runs, "model": self.model, "learners": self.learners,
            "verdict": self.verdict, "date": self.date })
    }
}

/// The series beside a folder of runs, newest first; what cannot be read is none.
pub fn listed(runs: &Path) -> Vec<Listed> {
    let read = |path: PathBuf| {
        let summary = rundir::read_summary(&path).ok()??;
        let all = summary["runs"].as_array().filter(|_| summary["series_hash"].is_string())?;
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        Some(Listed {
            name: path.file_name()?.to_string_lossy().into_owned(),
            finished: all.iter().filter(|run| run["finished"].as_bool() == Some(true)).count(),
            runs: all.len(),
            model: text(&summary["config"]["model"]),
            learners: settings::plain(&summary["config"]["learners"]).replace(", ", ","),
            verdict: text(&summary["comparison"]["verdict"]),
            date: text(&summary["date"]).chars().take(10).collect(),
        })
    };
    let mut all: Vec<Listed> = std::fs::read_dir(beside(runs)).into_iter().flatten().flatten().filter_map(|e| read(e.path())).collect();
    all.sort_by(|a, b| b.date.cmp(&a.date).then_with(|| a.name.cmp(&b.name)));
    all
}

/// The folder of series beside a folder of runs.
pub fn beside(runs: &Path) -> PathBuf {
    runs.with_file_name("series")
}

/// One table: a row a learner and fraction, a column a metric, and what decides.
fn rows(comparison: &Comparison) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let mut metrics = vec![comparison.deciding];
    metrics.extend(Metric::ALL.iter().filter(|m| **m != comparison.deciding && comparison.means.iter().any(|mean| mean.metric == **m)));
    let mut header = vec!["learner", "p_data", "seeds"];
    header.extend(metrics.iter().map(|m| m.name()));
    header.extend(["minus dense", "outcome"]);
    let row = |first: &Mean| {
        let mut cells = vec![first.learner.clone(), first.fraction.to_string(), first.estimate.seeds.to_string()];
        for metric in &metrics {
            let mean = comparison.means.iter().find(|m| m.metric == *metric && m.learner == first.learner && m.fraction == first.fraction);
            cells.push(mean.map_or_else(|| "-".into(), |m| plus_minus(&m.estimate)));
        }
        let is = |d: &&Difference| d.metric == comparison.deciding && d.sparse == first.learner && d.fraction == first.fraction;
        let difference = comparison.differences.iter().find(is);
        cells.push(difference.map_or_else(|| "-".into(), |d| points(&d.estimate)));
        cells.push(difference.map_or("", |d| d.outcome.name()).into());
        cells
    };
    let decisive = comparison.means.iter().filter(|m| m.metric == comparison.deciding);
    (header, decisive.map(row).collect())
}

/// Every value of every run, a row each.
fn csv(comparison: &Comparison, members: &[Member]) -> String {
    let flops = |fraction: f64, seed: u64, name: &str| {
        let member = members.iter().find(|m| m.seed == seed && m.fraction == fraction);
        let learner = member.and_then(|m| m.learners.iter().find(|l| l.name == name));
        learner.filter(|l| l.flops > 0.0).map_or_else(String::new, |l| l.flops.to_string())
    };
    let mut out = "metric,p_data,seed,learner,control,density,value,training_flops\n".to_owned();
    for mean in &comparison.means {
        for (seed, value) in &mean.values {
            let Mean { metric, fraction, learner, control, density, .. } = mean;
            let flops = flops(*fraction, *seed, learner);
            out += &format!("{metric},{fraction},{seed},{learner},{control},{density},{value},{flops}\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn seeds_are_a_number_or_a_list() {
        assert_eq!("3".parse::<Seeds>().unwrap().from(15), [15, 16, 17]);
        assert_eq!("7,3".parse::<Seeds>().unwrap().from(15), [7, 3]);
        assert_eq!("7,".parse::<Seeds>().unwrap().from(15), [7]);
        for (wrong, why) in
            [("0", "1 to 100"), ("101", "1 to 100"), ("x", "whole number"), ("3,3", "twice"), (",", "1 to 100"), ("1,-2", "whole number")]
        {
            assert!(wrong.parse::<Seeds>().unwrap_err().contains(why), "{wrong}");
        }
    }
}
