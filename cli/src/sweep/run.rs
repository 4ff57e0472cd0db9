//! Runs a plan on this machine: some processes at a time, each for one entry, in the plan's order, what others depend on first.
//!
//! A process of its own for each run: one that crashes takes nothing with it. Each holds this one's end of a pipe as its standard input;
//! when that is closed, by a signal's handler or because this process is gone, it writes a checkpoint and stops.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sparring_core::platform::threads;
use sparring_figures::number;

use super::collect;
use super::collected::{LOGS, Place, STUDY};
use super::live::Live;
use super::log::{Log, last_lines};
use super::plan::{Kind, PlannedRun};
use super::state::{self, Standing, State};
use crate::args::DeviceFlag;
use crate::console::{Console, STOPPED, stopping};
use crate::rundir;

/// Names the one GPU that a process takes, by its number as `doctor` lists them.
pub const GPU: &str = "SPARRING_GPU";
/// A run that crashed is tried so many times in all.
const TRIES: usize = 2;
/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(50);
/// Between two looks at a run that another process is at.
const ELSEWHERE: Duration = Duration::from_secs(1);
/// The study's folder is written anew no sooner than this, and than this many times what it took.
const AGAIN: (Duration, u32) = (Duration::from_secs(15), 20);
/// Lines of a log that are said where a run failed.
const LINES: usize = 5;
/// The exit code of what was asked for wrongly: the same again would be refused again.
const ASKED_WRONGLY: i32 = 2;

/// How a plan is run here.
pub struct Means {
    /// Processes at a time.
    pub jobs: usize,
    /// GPUs that they take turns on; those of the machine where there are none.
    pub gpus: Vec<usize>,
    /// The device in place of the study's.
    pub device: Option<DeviceFlag>,
    /// Epochs between checkpoints.
    pub checkpoint_every: u32,
}

/// How far an entry is.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    Waiting,
    Running,
    Over,
    Failed,
}

/// A run that could not be made.
pub struct Failure {
    /// Its place in the plan.
    pub run: usize,
    /// Why.
    pub why: String,
    /// The last lines of its log.
    pub last: Vec<String>,
}

/// A process at work.
struct Working {
    run: usize,
    child: Child,
    log: Log,
    share: f64,
    began: Instant,
}

/// A plan under way.
pub struct Sweep<'a> {
    place: &'a Place<'a>,
    means: &'a Means,
    work: &'a [f64],
    needs: Vec<Vec<usize>>,
    stages: Vec<Stage>,
    tries: Vec<usize>,
    slots: Vec<Option<Working>>,
    /// When a run was last seen with another process.
    elsewhere: HashMap<usize, Instant>,
    failures: Vec<Failure>,
    live: Live,
    began: Instant,
    /// Work of entries that ended here.
    done: f64,
    /// When the study's folder was last written, and what that took.
    written: (Instant, Duration),
}

impl<'a> Sweep<'a> {
    /// A plan of which this much stands already; `work`: of each entry.
    pub fn new(console: Console, place: &'a Place<'a>, means: &'a Means, standing: &[Standing], work: &'a [f64]) -> Self {
        let places: HashMap<&str, usize> = place.plan.iter().enumerate().map(|(i, run)| (run.hash.as_str(), i)).collect();
        let needs = place.plan.iter().map(|run| run.depends_on.iter().filter_map(|hash| places.get(hash.as_str()).copied()).collect());
        let stage = |standing: &Standing| match standing.state {
            "finished" => Stage::Over,
            "failed" => Stage::Failed,
            _ => Stage::Waiting,
        };
        Self {
            place,
            means,
            work,
            needs: needs.collect(),
            stages: standing.iter().map(stage).collect(),
            tries: vec![0; place.plan.len()],
            slots: (0..means.jobs).map(|_| None).collect(),
            elsewhere: HashMap::new(),
            failures: Vec::new(),
            live: Live::new(console, means.jobs),
            began: Instant::now(),
            done: 0.0,
            written: (Instant::now(), Duration::ZERO),
        }
    }

    /// Runs everything that can be run, or until a signal; gives what failed.
    ///
    /// # Errors
    /// Where no process can be started, or the study's folder cannot be written.
    pub fn run(mut self) -> Result<Vec<Failure>> {
        let result = self.work_through();
        // Also after an error: nobody is left behind. Without this end of their pipes they stop.
        for working in self.slots.iter_mut().flatten() {
            drop(working.child.stdin.take());
        }
        for mut working in self.slots.iter_mut().filter_map(Option::take) {
            let _ = working.child.wait();
        }
        self.live.close();
        result.map(|()| self.failures)
    }

    fn work_through(&mut self) -> Result<()> {
        loop {
            if stopping() {
                return Ok(());
            }
            self.fill()?;
            let busy = self.slots.iter().any(Option::is_some);
            if !busy && self.elsewhere.is_empty() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
            self.look()?;
            self.tell();
        }
    }

    /// Starts what can be started.
    fn fill(&mut self) -> Result<()> {
        while let Some(slot) = self.slots.iter().position(Option::is_none) {
            let Some(run) = self.next() else { return Ok(()) };
            self.slots[slot] = Some(self.start(slot, run)?);
        }
        Ok(())
    }

    /// The first entry that waits for nothing but a process.
    fn next(&mut self) -> Option<usize> {
        for run in 0..self.place.plan.len() {
            if self.stages[run] != Stage::Waiting {
                continue;
            }
            if let Some(failed) = self.needs[run].iter().find(|need| self.stages[**need] == Stage::Failed) {
                let why = format!("it was not run, since what it starts from failed: {}", self.title(*failed));
                self.fail(run, why, Vec::new());
                continue;
            }
            if self.needs[run].iter().any(|need| self.stages[*need] != Stage::Over) {
                continue;
            }
            if self.elsewhere.get(&run).is_some_and(|seen| seen.elapsed() < ELSEWHERE) {
                continue;
            }
            let planned = &self.place.plan[run];
            if planned.kind != Kind::Scores && rundir::is_running(&planned.folder) {
                if self.elsewhere.insert(run, Instant::now()).is_none() {
                    let line = format!("waiting   another process is at {}: {}", planned.folder.display(), self.title(run));
                    self.live.line(&line);
                }
                continue;
            }
            // Another sweep may have made it since.
            if self.elsewhere.remove(&run).is_some() && state::is_there(planned) {
                self.stages[run] = Stage::Over;
                continue;
            }
            return Some(run);
        }
        None
    }

    fn start(&mut self, slot: usize, run: usize) -> Result<Working> {
        let planned = &self.place.plan[run];
        let file = self.log(planned);
        let starting = || format!("starting a process for {}", planned.hash);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
        }
        let again = self.tries[run] > 0;
        let log = OpenOptions::new().create(true).append(again).write(true).truncate(!again).open(&file);
        let log = log.with_context(|| format!("writing the log {}", file.display()))?;
        let mut command = Command::new(std::env::current_exe().with_context(starting)?);
        command.arg("sweep").arg(self.place.folder.join(STUDY)).arg("--out").arg(self.place.folder);
        command.args(["--only", &planned.hash, "--held", "--checkpoint-every", &self.means.checkpoint_every.to_string()]);
        if let Some(device) = self.means.device {
            command.args(["--device", sparring_core::device::info::DeviceChoice::from(device).name()]);
        }
        if self.means.jobs > 1 {
            command.env("RAYON_NUM_THREADS", (threads() / self.means.jobs).max(1).to_string());
        }
        if !self.means.gpus.is_empty() {
            command.env(GPU, self.means.gpus[slot % self.means.gpus.len()].to_string());
        }
        let both = log.try_clone().with_context(starting)?;
        let child = command.stdin(Stdio::piped()).stdout(log).stderr(both).spawn().with_context(starting)?;
        self.tries[run] += 1;
        self.stages[run] = Stage::Running;
        let line = format!("started   {}", self.title(run));
        self.live.line(&line);
        let (learners, epochs) = match planned.kind {
            Kind::Scores => (1, sparring_core::train::scoring::SCORING_EPOCHS),
            Kind::Run | Kind::Parent => (planned.config.learners.len() * planned.config.corners().len(), planned.config.epochs),
        };
        Ok(Working { run, child, log: Log::new(&file, learners, epochs), share: 0.0, began: Instant::now() })
    }

    fn log(&self, run: &PlannedRun) -> PathBuf {
        self.place.folder.join(LOGS).join(format!("{}.log", run.hash))
    }

    /// Takes in processes that ended.
    fn look(&mut self) -> Result<()> {
        for slot in 0..self.slots.len() {
            let Some(working) = &mut self.slots[slot] else { continue };
            let Some(status) = working.child.try_wait().context("waiting for a process")? else {
                working.share = working.log.share();
                continue;
            };
            let (run, began) = (working.run, working.began);
            self.slots[slot] = None;
            self.live.process(slot, String::new());
            if stopping() {
                self.stages[run] = Stage::Waiting;
                continue;
            }
            let planned = &self.place.plan[run];
            let standing = state::read(planned);
            match standing {
                State::Failed(_, why) if planned.kind != Kind::Scores => self.fail(run, format!("every learner failed: {why}"), Vec::new()),
                _ if state::is_there(planned) => self.finish(run, began)?,
                _ => {
                    let how = match status.code() {
                        Some(code) if code == i32::from(STOPPED) => "it was stopped by a signal".to_owned(),
                        Some(0) => "it ended without results".to_owned(),
                        Some(code) => format!("exit code {code}"),
                        None => format!("{status}"),
                    };
                    let last = last_lines(&self.log(planned), LINES);
                    if self.tries[run] < TRIES && status.code() != Some(ASKED_WRONGLY) {
                        self.stages[run] = Stage::Waiting;
                        let line = format!("warning   {} crashed ({how}); it is tried once more", self.title(run));
                        self.live.warn(&line);
                    } else {
                        let tries = if self.tries[run] > 1 { format!(", {} tries", self.tries[run]) } else { String::new() };
                        self.fail(run, format!("{how}{tries}; its log is {}", self.log(planned).display()), last);
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, run: usize, began: Instant) -> Result<()> {
        self.stages[run] = Stage::Over;
        self.done += self.work[run];
        let took = number::duration(began.elapsed().as_secs_f64());
        let left = self.left().map_or_else(String::new, |left| format!("; about {} left in all", number::about(left)));
        let line = format!("finished  {}, in {took}{left}", self.title(run));
        self.live.line(&line);
        let (last, took) = self.written;
        if self.place.plan[run].kind == Kind::Run && last.elapsed() > AGAIN.0.max(took * AGAIN.1) {
            let start = Instant::now();
            collect::collect(self.place)?;
            self.written = (Instant::now(), start.elapsed());
        }
        Ok(())
    }

    fn fail(&mut self, run: usize, why: String, last: Vec<String>) {
        self.stages[run] = Stage::Failed;
        self.elsewhere.remove(&run);
        let line = format!("failed    {}: {why}", self.title(run));
        self.live.warn(&line);
        self.failures.push(Failure { run, why, last });
    }

    /// Seconds that are left, at the pace so far.
    fn left(&self) -> Option<f64> {
        let under_way: f64 = self.slots.iter().flatten().map(|working| working.share * self.work[working.run]).sum();
        let ahead = |run: &usize| matches!(self.stages[*run], Stage::Waiting | Stage::Running);
        let left: f64 = (0..self.stages.len()).filter(ahead).map(|run| self.work[run]).sum::<f64>() - under_way;
        let done = self.done + under_way;
        (done > 0.0).then(|| self.began.elapsed().as_secs_f64() / done * left.max(0.0))
    }

    fn tell(&mut self) {
        for (slot, working) in self.slots.iter().enumerate().filter_map(|(slot, working)| Some((slot, working.as_ref()?))) {
            let took = number::duration(working.began.elapsed().as_secs_f64());
            self.live.process(slot, format!("  {:>3.0}%  {}  {took}", 100.0 * working.share, self.title(working.run)));
        }
        let runs = || (0..self.stages.len()).filter(|run| self.place.plan[*run].kind == Kind::Run);
        let count = |stage: Stage| runs().filter(|run| self.stages[*run] == stage).count();
        let failed = count(Stage::Failed);
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        let left = self.left().map_or_else(String::new, |left| format!(", about {} left", number::about(left)));
        let text = format!("sweep     {} of {} runs are finished{failed}{left}", count(Stage::Over), runs().count());
        self.live.all(text);
    }

    /// An entry in words.
    fn title(&self, run: usize) -> String {
        title(self.place, run)
    }
}

/// An entry of a plan in words.
pub fn title(place: &Place, run: usize) -> String {
    let planned = &place.plan[run];
    match planned.kind {
        Kind::Run => {
            let runs = || place.plan.iter().filter(|run| run.kind == Kind::Run);
            let number = place.plan[..=run].iter().filter(|run| run.kind == Kind::Run).count();
            format!("run {number} of {}: {}", runs().count(), place.study.words(&planned.combination))
        }
        Kind::Parent => format!("dense parent: seed {}, {} {}", planned.config.seed, planned.config.dataset, planned.config.subset),
        Kind::Scores => format!("hardness scores of {} by {}", planned.config.dataset, planned.config.model),
    }
}
