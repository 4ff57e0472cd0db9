//! A study on a cluster: what it still has to do as job arrays of Slurm, each after those that make what it needs.
//!
//! Slurm queues, divides and repeats; nothing of that is built again here. A task is `sweep STUDY --only HASHES`, the command that runs an
//! entry by hand, so whatever is killed, requeued or submitted twice goes on from its checkpoint, and the folder of a study is all that is shared.

mod batch;
mod flags;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::collected::Place;
use super::log::last_lines;
use super::plan::PlannedRun;
use super::run::{Failure, title};
use super::state;
use crate::console::{Console, stopping};
use crate::output::write_shared;
use batch::{quoted, script};

pub use batch::Program;
pub use flags::SlurmArgs;

/// In the study's folder: scripts, lists of tasks, logs, and what was submitted.
const FOLDER: &str = "slurm";
const JOBS: &str = "jobs.json";
/// Lines of a log that are said where its task failed.
const LINES: usize = 5;
/// Tasks of an array that Slurm takes if nobody set another limit (MaxArraySize), about.
const SMALL: usize = 1000;
/// Between two looks at the queue: at first, and at most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));

/// What was handed to Slurm.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Submitted {
    jobs: Vec<Job>,
}

/// A job array.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    /// Slurm's number.
    id: String,
    /// Hashes of the plan's entries, by task from 1.
    tasks: Vec<Vec<String>>,
}

/// A task as `squeue` shows it.
#[derive(Clone, Debug, PartialEq)]
struct Queued {
    job: String,
    task: usize,
    state: String,
    time: String,
    reason: String,
}

/// Entries that are handed over together: none needs what another of them makes.
#[derive(Debug, PartialEq)]
struct Wave {
    /// Places in the plan.
    entries: Vec<usize>,
    /// Waves, by their number, that make what one of these needs.
    after: Vec<usize>,
    /// Jobs in the queue that do.
    after_jobs: Vec<String>,
}

/// What is neither done nor in the queue, in waves.
fn waves(plan: &[PlannedRun], done: impl Fn(&PlannedRun) -> bool, queued: &HashMap<String, String>) -> Vec<Wave> {
    let mut level: HashMap<&str, usize> = HashMap::new();
    let mut waves: Vec<Wave> = Vec::new();
    for (place, entry) in plan.iter().enumerate() {
        if done(entry) || queued.contains_key(&entry.hash) {
            continue;
        }
        let before: Vec<usize> = entry.depends_on.iter().filter_map(|hash| level.get(hash.as_str()).copied()).collect();
        let own = before.iter().max().map_or(0, |latest| latest + 1);
        level.insert(&entry.hash, own);
        if waves.len() <= own {
            waves.push(Wave { entries: Vec::new(), after: Vec::new(), after_jobs: Vec::new() });
        }
        let wave = &mut waves[own];
        wave.entries.push(place);
        wave.after.extend(before);
        wave.after_jobs.extend(entry.depends_on.iter().filter_map(|hash| queued.get(hash).cloned()));
    }
    for wave in &mut waves {
        wave.after.sort_unstable();
        wave.after.dedup();
        wave.after_jobs.sort_unstable();
        wave.after_jobs.dedup();
    }
    waves
}

/// What a program of Slurm prints.
fn ask(program: &str, arguments: &[String]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => anyhow::anyhow!(
            "there is no '{program}' here: run this on a machine from which Slurm takes jobs, or take --print for a list of commands"
        ),
        _ => anyhow::Error::from(e).context(format!("starting {program}")),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).replace(&format!("{program}: error: "), "");
        let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        bail!("{program} refused: {}", if said.is_empty() { output.status.to_string() } else { said.join("; ") });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The tasks of these jobs that are in the queue, waiting or running.
fn queue(jobs: &[Job]) -> Result<Vec<Queued>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    // All of the user's: of a job that is over Slurm knows no number any more, and refuses the question.
    let words = ["--me", "--noheader", "--array", "--format=%F|%K|%T|%M|%R"].map(str::to_owned);
    let ours: HashSet<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
    let line = |line: &str| {
        let mut parts = line.trim().splitn(5, '|').map(str::to_owned);
        let (job, task) = (parts.next()?, parts.next()?.parse().ok()?);
        Some(Queued { job, task, state: parts.next()?, time: parts.next()?, reason: parts.next()? })
    };
    let all = ask("squeue", &words)?;
    Ok(all.lines().filter_map(line).filter(|queued| ours.contains(queued.job.as_str())).collect())
}

/// So many of something.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The part of a plan that is handed over at once, as files in the study's folder.
struct Part {
    /// The batch script.
    file: PathBuf,
    tasks: Vec<Vec<String>>,
    /// Parts before it that make what it needs, by their place among these.
    after: Vec<usize>,
    after_jobs: Vec<String>,
}

/// A study on a cluster: what was submitted, and what of it is in the queue.
pub struct Cluster<'a> {
    place: &'a Place<'a>,
    args: &'a SlurmArgs,
    folder: PathBuf,
    submitted: Submitted,
    queue: Vec<Queued>,
}

impl<'a> Cluster<'a> {
    /// Reads what was submitted before; `--print` does not ask Slurm, which may not be here.
    ///
    /// # Errors
    /// Where the record is damaged or Slurm does not answer.
    pub fn open(place: &'a Place<'a>, args: &'a SlurmArgs) -> Result<Self> {
        let folder = std::path::absolute(place.folder).context("the study's folder")?.join(FOLDER);
        let file = folder.join(JOBS);
        let submitted: Submitted = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged; where squeue shows no job of the study, remove it", file.display()))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Submitted::default(),
            Err(e) => return Err(e).with_context(|| format!("reading {}", file.display())),
        };
        let queue = if args.print { Vec::new() } else { queue(&submitted.jobs)? };
        Ok(Self { place, args, folder, submitted, queue })
    }

    /// Writes scripts and lists, and says the commands as a script for a shell.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn print(&self, console: Console, program: &Program) -> Result<()> {
        let parts = self.parts(program)?;
        for (at, part) in parts.iter().enumerate() {
            let after = if part.after.is_empty() { "" } else { ", once all before it are over" };
            let (number, all, tasks) = (at + 1, parts.len(), count(part.tasks.len(), "command"));
            console
                .tell(format_args!("# Part {number} of {all}: {tasks}, in any order and on any machine that sees these folders{after}."));
            part.tasks.iter().for_each(|hashes| console.tell(program.of(hashes)));
            console.tell(format_args!("# The same for Slurm:\n# sbatch {}", quoted(&part.file.to_string_lossy())));
        }
        Ok(())
    }

    /// Says what failed before, submits what is neither done nor in the queue, shows the queue, and stays if that was asked for. Gives what
    /// failed.
    ///
    /// # Errors
    /// Where a file cannot be written or Slurm refuses.
    pub fn run(mut self, console: Console, program: &Program) -> Result<Vec<Failure>> {
        for failure in self.failures() {
            console.message(format_args!("warning   {}: {}; it is submitted again", title(self.place, failure.run), failure.why));
            failure.last.iter().for_each(|line| console.named(format_args!("          {line}")));
        }
        for (id, tasks, after) in self.submit(program)? {
            let after = if after.is_empty() { String::new() } else { format!(", after {}", after.join(" and ")) };
            console.say(format_args!("submitted job {id}: {}{after}", count(tasks, "task")));
        }
        let row = |q: &Queued| vec![format!("{}_{}", q.job, q.task), q.state.to_lowercase(), q.time.clone(), q.reason.clone()];
        let rows: Vec<Vec<String>> = self.queue.iter().map(row).collect();
        if !rows.is_empty() {
            console.tell("");
            console.table(&["task", "state", "time", "where or why"], &rows);
        }
        if !self.args.wait {
            return Ok(Vec::new());
        }
        let (mut pause, mut said) = (LOOKS.0, String::new());
        while !self.queue.is_empty() && !stopping() {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            self.queue.iter().for_each(|queued| *counts.entry(queued.state.to_lowercase()).or_default() += 1);
            let states: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
            let words = states.join(", ");
            if words != said {
                console.say(format_args!("queue     {words}"));
                (pause, said) = (LOOKS.0, words);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LOOKS.1);
            // A controller that starts again answers a little later.
            match queue(&self.submitted.jobs) {
                Ok(queue) => self.queue = queue,
                Err(error) => console.message(format_args!("warning   {error:#}; asked again in {} s", pause.as_secs().max(1))),
            }
        }
        Ok(if stopping() { Vec::new() } else { self.failures() })
    }

    /// The job in the queue that has an entry, by the entry's hash.
    fn queued(&self) -> HashMap<String, String> {
        let of = |queued: &Queued| self.entries(queued).iter().map(|hash| (hash.clone(), queued.job.clone())).collect::<Vec<_>>();
        self.queue.iter().flat_map(of).collect()
    }

    /// Hashes of a task's entries.
    fn entries(&self, queued: &Queued) -> &[String] {
        let job = self.submitted.jobs.iter().find(|job| job.id == queued.job);
        job.zip(queued.task.checked_sub(1)).and_then(|(job, at)| job.tasks.get(at)).map_or(&[], Vec::as_slice)
    }

    /// What waits in the queue for something that is now submitted again, by the last of the jobs, waits for that instead.
    fn hold_back(&self, jobs: usize) {
        let of = |job: &Job| job.tasks.iter().flatten().map(|hash| (hash.clone(), job.id.clone())).collect::<Vec<_>>();
        let again: HashMap<String, String> = self.submitted.jobs.iter().rev().take(jobs).flat_map(of).collect();
        let queued = self.queued();
        for task in self.queue.iter().filter(|task| task.state == "PENDING") {
            let entries = self.entries(task);
            let needed = self.place.plan.iter().filter(|entry| entries.contains(&entry.hash)).flat_map(|entry| &entry.depends_on);
            let needed: Vec<&String> = needed.collect();
            if needed.iter().any(|hash| again.contains_key(*hash)) {
                let jobs: BTreeSet<&str> =
                    needed.iter().filter_map(|hash| again.get(*hash).or(queued.get(*hash))).map(String::as_str).collect();
                let after = jobs.into_iter().collect::<Vec<_>>().join(":");
                // One that began meanwhile cannot wait any more, and makes what it needs by itself.
                let _ = ask(
                    "scontrol",
                    &["update".into(), format!("JobId={}_{}", task.job, task.task), format!("Dependency=afterany:{after}")],
                );
            }
        }
    }

    /// Entries that were submitted, are not in the queue any more, and did not come to their end.
    fn failures(&self) -> Vec<Failure> {
        let queued = self.queued();
        let failure = |(run, entry): (usize, &PlannedRun)| {
            if queued.contains_key(&entry.hash) || state::is_there(entry) {
                return None;
            }
            let (task, log) = self.latest(&entry.hash)?;
            let why = if log.exists() {
                format!("its task {task} ended without results; its log is {}", log.display())
            } else {
                format!("its task {task} ended before it began; 'sacct -j {task}' may say why")
            };
            Some(Failure { run, why, last: last_lines(&log, LINES) })
        };
        self.place.plan.iter().enumerate().filter_map(failure).collect()
    }

    /// The latest task that had an entry, as Slurm names it, and its log.
    fn latest(&self, hash: &str) -> Option<(String, PathBuf)> {
        let task = |job: &Job| job.tasks.iter().position(|hashes| hashes.iter().any(|h| h == hash)).map(|at| (job.id.clone(), at + 1));
        let (id, task) = self.submitted.jobs.iter().rev().find_map(task)?;
        let name = format!("{id}_{task}");
        let log = self.folder.join(format!("{name}.log"));
        Some((name, log))
    }

    /// What is neither done nor in the queue, written down for whoever runs it.
    fn parts(&self, program: &Program) -> Result<Vec<Part>> {
        let chunk = self.args.chunk.map_or(1, |chunk| chunk.get() as usize);
        let part = |(at, wave): (usize, Wave)| {
            let hashes = |places: &[usize]| places.iter().map(|place| self.place.plan[*place].hash.clone()).collect();
            let tasks: Vec<Vec<String>> = wave.entries.chunks(chunk).map(hashes).collect();
            // A number that no job has yet: the list of one that runs is still read.
            let number = self.submitted.jobs.len() + at + 1;
            let lines: String = tasks.iter().map(|hashes| hashes.join(",") + "\n").collect();
            // Named by what is in it: tasks that wait in a queue read their line of the list that they were submitted with.
            let number = format!("{number}-{:08x}", BuildHasherDefault::<DefaultHasher>::default().hash_one(&lines) as u32);
            let list = self.folder.join(format!("tasks-{number}.txt"));
            write_shared(&list, |out| Ok(out.write_all(lines.as_bytes())?))?;
            let file = self.folder.join(format!("job-{number}.sh"));
            let text = script(&self.place.study.name, tasks.len(), self.args, program, &list, &self.folder)?;
            write_shared(&file, |out| Ok(out.write_all(text.as_bytes())?))?;
            Ok(Part { file, tasks, after: wave.after, after_jobs: wave.after_jobs })
        };
        waves(self.place.plan, state::is_there, &self.queued()).into_iter().enumerate().map(part).collect()
    }

    /// Hands over what is to do: Slurm's numbers, how many tasks, and after which jobs.
    fn submit(&mut self, program: &Program) -> Result<Vec<(String, usize, Vec<String>)>> {
        let mut done: Vec<(String, usize, Vec<String>)> = Vec::new();
        for part in self.parts(program)? {
            let mut words = vec!["--parsable".to_owned()];
            // Said here too: over what a script says Slurm puts its own variables (SBATCH_PARTITION and others).
            words.extend(self.args.options());
            let before: Vec<String> = part.after.iter().map(|at| done[*at].0.clone()).chain(part.after_jobs).collect();
            if !before.is_empty() {
                // Also after a failure: a run whose parent is not there trains it by itself, and the others of its array go on.
                words.push(format!("--dependency=afterany:{}", before.join(":")));
            }
            words.push(part.file.to_string_lossy().into_owned());
            let submitting = || {
                let array = if part.tasks.len() > SMALL { "; it is a large array, which --chunk makes smaller" } else { "" };
                format!("submitting {} ({}{array})", part.file.display(), count(part.tasks.len(), "task"))
            };
            let answer = ask("sbatch", &words).with_context(submitting)?;
            let id = answer.trim().split(';').next().unwrap_or_default().to_owned();
            if id.is_empty() || !id.chars().all(|c| c.is_ascii_digit()) {
                bail!("sbatch answered '{}' where a job's number was expected", answer.trim());
            }
            done.push((id.clone(), part.tasks.len(), before));
            self.submitted.jobs.push(Job { id, tasks: part.tasks });
            // At once: a job that nobody remembers would be submitted a second time.
            let record = format!("{:#}\n", serde_json::to_value(&self.submitted)?);
            write_shared(&self.folder.join(JOBS), |out| Ok(out.write_all(record.as_bytes())?))?;
        }
        self.hold_back(done.len());
        self.queue = queue(&self.submitted.jobs)?;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use sparring_core::ExperimentConfig;

    use super::super::plan::Kind;
    use super::*;

    fn entry(hash: &str, depends_on: &[&str]) -> PlannedRun {
        PlannedRun {
            kind: Kind::Run,
            hash: hash.into(),
            config: ExperimentConfig::default(),
            folder: hash.into(),
            depends_on: depends_on.iter().map(|hash| (*hash).to_owned()).collect(),
            combination: Vec::new(),
        }
    }

    #[test]
    fn what_another_needs_is_handed_over_before_it() {
        let plan = [entry("scores", &[]), entry("parent", &["scores"]), entry("a", &[]), entry("b", &["parent"]), entry("c", &["scores"])];
        let of = |done: &[&str], queued: &[(&str, &str)]| {
            let queued = queued.iter().map(|(hash, job)| ((*hash).to_owned(), (*job).to_owned())).collect();
            let waves = waves(&plan, |entry| done.contains(&entry.hash.as_str()), &queued);
            waves.into_iter().map(|wave| (wave.entries, wave.after, wave.after_jobs)).collect::<Vec<_>>()
        };
        let no: Vec<String> = Vec::new();
        assert_eq!(of(&[], &[]), [(vec![0, 2], vec![], no.clone()), (vec![1, 4], vec![0], no.clone()), (vec![3], vec![1], no.clone())]);
        assert_eq!(of(&["scores", "a"], &[]), [(vec![1, 4], vec![], no.clone()), (vec![3], vec![0], no.clone())]);
        assert_eq!(of(&["scores"], &[("parent", "7"), ("a", "7")]), [(vec![3, 4], vec![], vec!["7".to_owned()])]);
        assert!(of(&["scores", "parent", "a", "b", "c"], &[]).is_empty());
    }
}
