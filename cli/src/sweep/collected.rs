//! What the finished runs of a study say: read one by one, each written into the table at once, and compared at the end.
//!
//! Of a run the numbers that are compared stay, and nothing else: ten thousand runs take no more memory than their values.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use sparring_core::config::settings::csv_cell;
use sparring_core::events::{Evaluation, LearnerSummary, Score};
use sparring_core::record::Metric;
use sparring_core::record::study::{Findings, Paired, Row, verdict};

use super::axis::Axis;
use super::conditions::Conditions;
use super::plan::{Kind, PlannedRun};
use super::state::{self, Standing, State};
use super::study::Study;

/// The table, in long form.
pub const TABLE: &str = "study.csv";
/// Drawings, each a file of its own.
pub const FIGURES: &str = "figures";
/// What the processes said, a file a run.
pub const LOGS: &str = "logs";
/// The study as it was asked for, so that the folder can be gone on with.
pub const STUDY: &str = "study.toml";

/// The table's columns behind the axes and the seed.
const COLUMNS: [&str; 7] = ["learner", "control", "density", "training_flops", "measure", "value", "samples"];

/// How a score is taken from an evaluation, where it is there.
type Pick = fn(&Evaluation) -> Option<Score>;

/// Scores that are in the table beside those that a run can be judged by.
const MORE: [(&str, Pick); 3] =
    [("train", |scores| Some(scores.train)), ("validation", |scores| Some(scores.validation)), ("easy-half", |scores| scores.test_easy)];

/// A study with its plan, and where its results go.
pub struct Place<'a> {
    /// The study.
    pub study: &'a Study,
    /// Its plan.
    pub plan: &'a [PlannedRun],
    /// What decides.
    pub measure: Metric,
    /// Its hash.
    pub hash: &'a str,
    /// The study's folder.
    pub folder: &'a Path,
}

/// What is known of a study.
pub struct Collected {
    /// The numbers of its learners.
    pub findings: Findings,
    /// Its conditions.
    pub conditions: Conditions,
    /// What they say against dense.
    pub differences: Vec<Paired>,
    /// The sentence.
    pub verdict: String,
    /// Every entry of the plan.
    pub standing: Vec<Standing>,
    /// Learners or runs that did not reach their end: the run's place in the plan, and why.
    pub failed: Vec<(usize, String)>,
    /// The devices that computed.
    pub devices: BTreeSet<String>,
    /// Versions of the program that made the runs.
    pub commits: BTreeSet<String>,
    /// What all runs took.
    pub seconds: f64,
}

impl Collected {
    /// Runs of the study that are in this state, of all.
    pub fn count(&self, plan: &[PlannedRun], is: &str) -> (usize, usize) {
        let all = || plan.iter().zip(&self.standing).filter(|(run, _)| run.kind == Kind::Run);
        (all().filter(|(_, standing)| standing.state == is).count(), all().count())
    }
}

/// Reads all that is finished, and writes the table.
///
/// # Errors
/// Where it cannot be written. What is wrong with a run is told and counted.
pub fn read(place: &Place, table: &mut dyn Write) -> Result<Collected> {
    let Place { study, plan, measure, .. } = place;
    let conditions = Conditions::new(study, plan);
    let mut findings = Findings::default();
    let (mut standing, mut failed) = (Vec::with_capacity(plan.len()), Vec::new());
    let (mut devices, mut commits, mut seconds) = (BTreeSet::new(), BTreeSet::new(), 0.0);
    write_header(study, table)?;
    for (index, run) in plan.iter().enumerate() {
        if run.kind == Kind::Scores {
            standing.push(Standing::read(run));
            continue;
        }
        let state = state::read(run);
        let stands = Standing::of(&state);
        seconds += stands.seconds;
        standing.push(stands);
        if let Some(record) = state.record() {
            devices.insert(record.device.name.clone());
            commits.insert(record.commit.clone());
        }
        match state {
            State::Finished(_, summary) if run.kind == Kind::Run => {
                let condition = conditions.of(run).unwrap_or_default();
                for learner in &summary.learners {
                    findings.add(condition, run.config.seed, learner);
                    match &learner.failed {
                        Some(why) => failed.push((index, format!("{}: {why}", learner.name))),
                        None => write_rows(study, run, learner, table)?,
                    }
                }
            }
            State::Failed(_, why) | State::Foreign(why) => failed.push((index, why)),
            State::Finished(..) | State::New | State::Stopped => {}
        }
    }
    let differences = findings.differences(*measure);
    let at = |condition| {
        let words = conditions.words(study, condition);
        if words.is_empty() { words } else { format!(" at {words}") }
    };
    let verdict = if findings.racers().is_empty() || findings.metrics().any(|metric| metric == *measure) {
        verdict(*measure, &differences, at)
    } else {
        let others: Vec<&str> = findings.metrics().map(Metric::name).collect();
        format!("Nothing to compare: no run was evaluated by {}, but by {}.", measure.doc(), others.join(", "))
    };
    Ok(Collected { findings, conditions, differences, verdict, standing, failed, devices, commits, seconds })
}

/// The rows of a study's table by its measure, each with its run's place in the plan: the runs may be elsewhere, or gone.
///
/// # Errors
/// Where the table cannot be read, or is not this study's.
pub fn rows(place: &Place) -> Result<Vec<(usize, Row)>> {
    let path = place.folder.join(TABLE);
    let at = |what: String| format!("{}: {what}", path.display());
    let mut table = csv::Reader::from_path(&path).with_context(|| at("cannot be opened".into()))?;
    let header = table.headers().with_context(|| at("it has no header".into()))?.clone();
    let column = |name: &str| header.iter().position(|known| known == name).with_context(|| at(format!("it has no column '{name}'")));
    let axes = place.study.axes.iter().map(|axis| Ok((axis, column(&axis.field)?))).collect::<Result<Vec<_>>>()?;
    let [learner, control, density, flops, measure, value, samples] = COLUMNS.map(column);
    let (learner, control, density, flops, measure) = (learner?, control?, density?, flops?, measure?);
    let (seed, value, samples) = (column("seed")?, value?, samples?);
    let conditions = Conditions::new(place.study, place.plan);
    let runs = place.plan.iter().enumerate().filter(|(_, run)| run.kind == Kind::Run);
    let runs: HashMap<&[usize], usize> = runs.map(|(index, run)| (run.combination.as_slice(), index)).collect();
    let mut lines: HashMap<(usize, String), usize> = HashMap::new();
    let mut rows = Vec::new();
    for (i, row) in table.records().enumerate() {
        let at = |what: &str| at(format!("line {}: {what}", i + 2));
        let row = row.with_context(|| at("it cannot be read"))?;
        if row[measure] != *place.measure.name() {
            continue;
        }
        let combination = axes.iter().map(|(axis, column)| {
            let place = axis.words.iter().position(|word| *word == row[*column]);
            place.with_context(|| at(&format!("'{}' is no value of the study's axis '{}'", &row[*column], axis.name)))
        });
        let combination = combination.collect::<Result<Vec<_>>>()?;
        let index = *runs.get(combination.as_slice()).with_context(|| at("the study leaves this combination out"))?;
        let run = &place.plan[index];
        let own = |name: &str| name == &row[learner] || row[learner].starts_with(&format!("{name} on "));
        if !run.config.learners.iter().any(|learner| own(&learner.to_string())) {
            let expected = run.config.learners.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            bail!(at(&format!("learner: expected {expected}, whom this run trains, found '{}'", &row[learner])));
        }
        if let Some(first) = lines.insert((index, row[learner].to_owned()), i + 2) {
            bail!(at(&format!("'{}' has a value already, in line {first}; one of them has to go", &row[learner])));
        }
        let least = if place.measure.higher_is_better() { 0.0 } else { -1.0 };
        let share = |column: usize, name: &str, least: f64| {
            let found: f64 = parsed(&row[column]).with_context(|| at(name))?;
            ensure!((least..=1.0).contains(&found), at(&format!("{name}: expected {least} to 1 (a share, not per cent), found {found}")));
            Ok(found)
        };
        let samples: usize = parsed(&row[samples]).with_context(|| at("samples"))?;
        ensure!(samples > 0, at("samples: expected at least 1, found 0"));
        let row = Row {
            condition: conditions.of(run).unwrap_or_default(),
            seed: parsed(&row[seed]).with_context(|| at("seed"))?,
            learner: row[learner].to_owned(),
            control: parsed(&row[control].to_lowercase()).with_context(|| at("control"))?,
            density: share(density, "density", 0.0)?,
            flops: parsed(&row[flops]).with_context(|| at("training_flops"))?,
            metric: place.measure,
            value: share(value, "value", least)?,
            samples,
        };
        rows.push((index, row));
    }
    Ok(rows)
}

fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<T> {
    text.parse().with_context(|| format!("'{text}' cannot be read"))
}

/// The names of a run's columns: its folder, its value on every axis, its seed.
fn write_header(study: &Study, table: &mut dyn Write) -> Result<()> {
    let axes: Vec<&str> = study.axes.iter().map(|axis| axis.field.as_str()).collect();
    let seed = if axes.contains(&"seed") { &[][..] } else { &["seed"] };
    let columns = ["run"].iter().chain(&axes).chain(seed).chain(&COLUMNS);
    writeln!(table, "{}", columns.copied().collect::<Vec<_>>().join(","))?;
    Ok(())
}

/// A row for every measure of a learner.
fn write_rows(study: &Study, run: &PlannedRun, learner: &LearnerSummary, table: &mut dyn Write) -> Result<()> {
    let folder = run.folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut first = vec![csv_cell(&folder)];
    first.extend(study.axes.iter().zip(&run.combination).map(|(axis, place)| csv_cell(&axis.words[*place])));
    if !study.axes.iter().any(Axis::is_seeds) {
        first.push(run.config.seed.to_string());
    }
    first.extend([csv_cell(&learner.name), learner.control.to_string(), learner.density.to_string(), learner.flops.to_string()]);
    let first = first.join(",");
    let samples = |metric: Metric| metric.score(&learner.scores).map_or(0, |score| score.samples);
    let judged = Metric::ALL.iter().filter_map(|metric| Some((metric.name(), metric.value(learner)?, samples(*metric))));
    let more = MORE.iter().filter_map(|(name, pick)| {
        let score = pick(&learner.scores).filter(|score| score.samples > 0)?;
        Some((*name, score.accuracy, score.samples))
    });
    for (measure, value, samples) in judged.chain(more) {
        writeln!(table, "{first},{measure},{value},{samples}")?;
    }
    Ok(())
}
