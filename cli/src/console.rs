//! What a person sees while a run goes: bars with an estimate on a terminal, plain lines in a pipe.
//!
//! With `--json`, standard output belongs to the result alone and everything else goes to standard error.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sparring_core::Device;
use sparring_core::device::info::{DeviceChoice, DeviceInfo};
use sparring_core::events::{Evaluation, Event, Score};
use sparring_figures::number;

use crate::{stdout, table, text};

/// Whether `--quiet` was given; said once, before anything else is.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From here on only results, warnings and errors are said.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

fn quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Where words go.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    /// Whether the result goes to standard output as JSON.
    json: bool,
    /// Whether words go to standard error.
    beside: bool,
}

impl Console {
    /// `json`: standard output is for the result alone.
    pub fn new(json: bool) -> Self {
        Self { json, beside: json }
    }
    /// Standard output is for a stream that the command writes.
    pub fn beside() -> Self {
        Self { json: false, beside: true }
    }
    /// A line on the way to the result, which `--quiet` leaves out.
    pub fn say(self, text: impl std::fmt::Display) {
        if !quiet() {
            self.tell(text);
        }
    }
    /// A line of the result, or a warning.
    pub fn tell(self, text: impl std::fmt::Display) {
        let text = text::block(&text.to_string());
        if !self.beside {
            stdout::line(text);
        } else if !(self.json && quiet()) {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
    /// Characters of a line, where a person sees it on a terminal.
    pub fn width(self) -> Option<u16> {
        terminal_size::terminal_size_of(std::io::stdout()).filter(|_| !self.beside).map(|(width, _)| width.0)
    }
    /// A table; on a terminal it is cut to its width.
    pub fn table(self, header: &[&str], rows: &[Vec<String>]) {
        self.tell(table::fit(header, rows, self.width()));
    }
    /// A warning or a note, whatever stands in it, as one line.
    pub fn message(self, text: impl std::fmt::Display) {
        self.tell(text::message(&text.to_string()));
    }
    /// A line with foreign names in it; on a terminal it is cut to its width.
    pub fn named(self, line: impl std::fmt::Display) {
        let line = text::line(&line.to_string());
        self.tell(self.width().map_or_else(|| line.clone(), |width| table::clipped(&line, width.into())));
    }
    /// Whether the result goes to standard output as JSON.
    pub fn is_json(self) -> bool {
        self.json
    }
    /// The result itself, where JSON was asked for.
    pub fn result(self, value: &serde_json::Value) {
        if self.json {
            stdout::line(format_args!("{value:#}"));
        }
    }
    /// Whether a person looks at a terminal on which lines can be drawn anew.
    pub fn terminal(self) -> bool {
        !quiet() && std::io::stderr().is_terminal() && (self.beside || std::io::stdout().is_terminal())
    }
}

/// Opens the device and says which it is and why.
pub fn open_device(console: Console, choice: DeviceChoice) -> sparring_core::error::Result<Device> {
    let (device, reason) = pollster::block_on(Device::open(choice))?;
    console.say(format_args!("device    {}", describe(&device.info())));
    if let Some(reason) = reason {
        console.say(format_args!("          {reason}"));
    }
    Ok(device)
}

/// A run that was stopped by a signal and can go on: exit code 130.
#[derive(Debug)]
pub struct Stopped(pub String);

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stopped {}

/// The exit code of [`Stopped`], what a shell gives for Ctrl-C.
pub const STOPPED: u8 = 130;

/// Whether a signal came that a command listens to.
static STOP: AtomicBool = AtomicBool::new(false);

/// Whether work is to end where it can.
pub fn stopping() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Asks for a clean stop, as the first Ctrl-C does.
pub fn stop() {
    STOP.store(true, Ordering::Relaxed);
}

/// The first Ctrl-C (or SIGTERM, or SIGHUP) asks for a clean stop, the second ends the program.
///
/// A program that listens already goes on listening: a command may do several things that can be stopped.
pub fn stop_on_interrupt() -> Result<()> {
    let listening = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(STOPPED.into());
        }
        // A closed terminal is no reason to fail.
        let _ = writeln!(std::io::stderr(), "\nstopping after this slice; Ctrl-C again ends at once");
    });
    match listening {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(()),
        Err(why) => Err(why).context("listening for Ctrl-C"),
    }
}

/// A device in one line.
pub fn describe(info: &DeviceInfo) -> String {
    let driver = if info.driver.is_empty() { String::new() } else { format!(", {}", info.driver) };
    let software = if info.software { ", software" } else { "" };
    format!("{} ({}{driver}{software})", info.name, info.backend)
}

/// Where a run stands in its series, in a unit of work that runs share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outlook {
    /// Which run this is, from 1; 0 for the scoring run that comes before one.
    pub run: usize,
    /// Number of runs.
    pub runs: usize,
    /// Seconds that the finished runs took.
    pub seconds: f64,
    /// Their work.
    pub done: f64,
    /// This run's work.
    pub now: f64,
    /// That of those after it.
    pub later: f64,
}

impl Outlook {
    /// Before a run whose images have to be scored first, with this much work.
    pub fn scoring(self, work: f64) -> Self {
        Self { run: 0, now: work, later: self.now + self.later, ..self }
    }
    /// Which part of the series this is.
    fn part(&self) -> String {
        if self.run == 0 { "scoring".to_owned() } else { format!("run {} of {}", self.run, self.runs) }
    }
    /// Seconds left for the whole series, when `share` of this run was done in `seconds` and `ahead` of it is still to do; `None`
    /// where nothing is done yet.
    pub fn left(&self, share: f64, seconds: f64, ahead: f64) -> Option<f64> {
        let done = self.done + share * self.now;
        (done > 0.0).then(|| (self.seconds + seconds) / done * (ahead * self.now + self.later))
    }
    /// At the beginning of the run.
    pub fn words(&self) -> String {
        self.left(0.0, 0.0, 1.0).map_or_else(String::new, |left| format!("; about {} left in all", number::about(left)))
    }
}

/// A series' estimate while a run goes on.
struct Overall {
    outlook: Outlook,
    /// Epochs done by learner.
    epochs: Vec<f64>,
    /// Time and share of the run at the first report.
    first: Option<(Instant, f64)>,
    bar: Option<ProgressBar>,
    said: bool,
}

impl Overall {
    /// Takes in a learner's progress; gives the seconds left.
    fn left(&mut self, learner: usize, epochs: f64, all: u32) -> Option<f64> {
        *self.epochs.get_mut(learner)? = epochs;
        let share = self.epochs.iter().sum::<f64>() / self.epochs.len() as f64 / f64::from(all.max(1));
        let (start, before) = *self.first.get_or_insert_with(|| (Instant::now(), share));
        self.outlook.left(share - before, start.elapsed().as_secs_f64(), 1.0 - share)
    }
}

/// Shows events as they come.
pub struct Live {
    console: Console,
    names: Vec<String>,
    epochs: u32,
    ms: Vec<f64>,
    /// Steps of an epoch of every learner, once it has begun.
    steps: Vec<usize>,
    /// Who is past the slow first steps.
    settled: Vec<bool>,
    /// Whether it was said how long a run of its own takes.
    estimated: bool,
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    overall: Option<Overall>,
}

/// Steps after which the time of one is what it stays.
const SETTLED: usize = 200;
/// A run that takes less than this, in seconds, needs no estimate.
const SHORT: f64 = 20.0;
/// A run that takes longer than this, in seconds, is told what would be shorter.
pub const LONG: f64 = 900.0;
/// What would be shorter.
pub const SHORTER: &str = "with fewer --epochs, with --limit-train 5000, or with --model tiny";

impl Live {
    /// Bars where there is a terminal.
    pub fn new(console: Console) -> Self {
        let bars = console.terminal().then(|| (MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), Vec::new()));
        Self {
            console,
            names: Vec::new(),
            epochs: 0,
            ms: Vec::new(),
            steps: Vec::new(),
            settled: Vec::new(),
            estimated: false,
            bars,
            overall: None,
        }
    }
    /// Also estimates when the series is through that this run belongs to.
    pub fn expect(&mut self, outlook: Outlook) {
        self.overall = Some(Overall { outlook, epochs: Vec::new(), first: None, bar: None, said: false });
        if !self.names.is_empty() {
            self.begin_overall();
        }
    }
    /// Once the learners are known: the estimate's line stands below their bars.
    fn begin_overall(&mut self) {
        let (Some(overall), learners) = (&mut self.overall, self.names.len()) else { return };
        overall.epochs = vec![0.0; learners];
        overall.bar = self.bars.as_ref().map(|(all, _)| {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_style(series_style());
            bar.set_message(overall.outlook.part());
            bar
        });
    }
    /// Says once how long all learners need from here, as soon as each has been measured.
    fn estimate(&mut self, learner: usize, epoch: u32) {
        if let Some(settled) = self.settled.get_mut(learner) {
            *settled = true;
        }
        if self.estimated || self.overall.is_some() || !self.settled.iter().all(|settled| *settled) {
            return;
        }
        self.estimated = true;
        let epochs = f64::from(self.epochs.saturating_sub(epoch));
        let seconds: f64 = self.ms.iter().zip(&self.steps).map(|(ms, steps)| ms / 1e3 * *steps as f64 * epochs).sum();
        if seconds < SHORT {
            return;
        }
        let shorter = if seconds > LONG { format!("; shorter {SHORTER}") } else { String::new() };
        self.line(&format!("estimate  about {} of training, by the first steps{shorter}", number::about(seconds)));
    }
    fn overall(&mut self, learner: usize, epochs: f64) {
        let Some(overall) = &mut self.overall else { return };
        let Some(left) = overall.left(learner, epochs, self.epochs) else { return };
        let text = format!("{}, about {} left in all", overall.outlook.part(), number::about(left));
        match &overall.bar {
            Some(bar) => bar.set_message(text),
            // In a pipe once, after enough of the first run to go by.
            None if !overall.said && overall.outlook.done == 0.0 && epochs >= 1.0 => {
                overall.said = true;
                self.console.say(format_args!("series    {text}"));
            }
            None => {}
        }
    }
    fn line(&self, text: &str) {
        match &self.bars {
            Some((all, _)) => {
                let _ = all.println(text::line(text));
            }
            None => self.console.say(text::line(text)),
        }
    }
    /// A line that `--quiet` leaves in.
    fn loud(&self, text: &str) {
        match &self.bars {
            Some(_) => self.line(text),
            None => self.console.tell(text::line(text)),
        }
    }
    /// Milliseconds of a step of every learner; those not measured yet count as the others' mean.
    fn round_ms(&self) -> f64 {
        let (sum, known) = self.ms.iter().filter(|ms| **ms > 0.0).fold((0.0, 0.0), |(sum, n), ms| (sum + ms, n + 1.0));
        if known > 0.0 { sum / known * self.ms.len() as f64 } else { 0.0 }
    }
    fn name(&self, learner: usize) -> &str {
        self.names.get(learner).map_or("?", String::as_str)
    }
    /// Shows one event.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Started { learners, epochs, device_bytes, .. } => {
                self.names = learners.iter().map(|l| l.name.clone()).collect();
                self.ms = vec![0.0; learners.len()];
                self.steps = vec![0; learners.len()];
                self.settled = vec![false; learners.len()];
                self.epochs = *epochs;
                let width = self.names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
                self.line(&format!("memory    {} on the device", number::bytes(*device_bytes)));
                if let Some((all, bars)) = &mut self.bars {
                    for name in &self.names {
                        let bar = all.add(ProgressBar::new(WAITING));
                        bar.set_style(waiting_style());
                        bar.set_prefix(format!("{name:<width$}"));
                        bars.push(bar);
                    }
                }
                self.begin_overall();
            }
            Event::Progress { learner, epoch, step, steps, loss, accuracy, ms_per_step } => {
                if let (Some(ms), Some(all)) = (self.ms.get_mut(*learner), self.steps.get_mut(*learner)) {
                    (*ms, *all) = (*ms_per_step, *steps);
                }
                // The first steps are slower than all others: memory is touched, caches are cold.
                if *ms_per_step > 0.0 && (*epoch > 0 || *step >= SETTLED.min(*steps / 2)) {
                    self.estimate(*learner, *epoch);
                }
                let round = self.round_ms();
                if let Some(bar) = self.bars.as_ref().and_then(|(_, bars)| bars.get(*learner)) {
                    let (length, done) = (u64::from(self.epochs) * *steps as u64, u64::from(*epoch) * *steps as u64 + *step as u64);
                    let first = bar.length() == Some(WAITING);
                    bar.set_length(length);
                    bar.set_position(done);
                    // The bar knows its speed from the second report on; until then the steps' own time has to do.
                    let left = if first {
                        bar.set_style(bar_style());
                        bar.reset_eta();
                        round / 1e3 * length.saturating_sub(done) as f64
                    } else {
                        bar.eta().as_secs_f64()
                    };
                    let left = if first && round == 0.0 { "-".to_owned() } else { number::about(left) };
                    bar.set_message(format!(
                        "epoch {}/{}  loss {}  train {}  {} ms/step  ETA {}",
                        epoch + 1,
                        self.epochs,
                        number::loss(*loss, 3),
                        number::percent(*accuracy, 2),
                        timed(*ms_per_step),
                        left
                    ));
                }
                self.overall(*learner, f64::from(*epoch) + *step as f64 / (*steps).max(1) as f64);
            }
            Event::EpochEnd { learner, epoch, lr, scores, seconds, .. } => {
                let Evaluation { train, test, test_easy, test_hard, by_hardness, .. } = &**scores;
                let half = |name: &str, score: &Option<Score>| {
                    score.map_or_else(String::new, |s| format!("  {name} {}", number::percent(s.accuracy, 2)))
                };
                let width = self.names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
                self.line(&format!(
                    "epoch {epoch:>3}/{}  {:<width$}  lr {lr:<7}  loss {}  train {}  test {}{}{}{}{}  {} ms/step  {}",
                    self.epochs,
                    self.name(*learner),
                    number::loss(train.loss, 4),
                    number::percent(train.accuracy, 2),
                    number::percent(test.accuracy, 2),
                    half("easy", test_easy),
                    half("hard", test_hard),
                    half("corrupted", &by_hardness.corrupted),
                    half("robust", &by_hardness.robust.map(|robust| robust.test)),
                    timed(self.ms.get(*learner).copied().unwrap_or(0.0)),
                    number::duration(*seconds),
                ));
                self.overall(*learner, f64::from(*epoch));
            }
            Event::Changed { setting, value, step, .. } => {
                let value = value.map_or("as configured".into(), |v| v.to_string());
                self.line(&format!("changed   {setting} to {value} by hand, at step {step}"));
            }
            Event::SamplesScored { score, samples } => self.line(&format!("scored    {samples} samples by {score}")),
            Event::Warning { message } => self.loud(&format!("warning   {message}")),
            Event::LearnerFailed { learner, reason } => self.loud(&format!("failed    {}: {reason}", self.name(*learner))),
            Event::Finished { .. } => self.close(),
            Event::TopologyChanged { learner, update, layers, .. } => {
                let (pruned, grown) = layers.iter().fold((0, 0), |(p, g), l| (p + l.pruned, g + l.grown));
                let width = self.names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
                self.line(&format!("mask  {update:>3}  {:<width$}  {pruned} weights went, {grown} came", self.name(*learner)));
            }
            Event::Topology { .. } => {}
        }
    }
    /// Takes the bars away, leaving the lines.
    pub fn close(&mut self) {
        if let Some((all, bars)) = self.bars.take() {
            bars.iter().for_each(ProgressBar::finish_and_clear);
            self.overall.iter().filter_map(|o| o.bar.as_ref()).for_each(ProgressBar::finish_and_clear);
            let _ = all.clear();
        }
    }
}

/// Length of a bar whose learner has not begun; no run has as many steps.
const WAITING: u64 = u64::MAX;

/// Milliseconds; a dash before any were measured.
fn timed(ms: f64) -> String {
    if ms > 0.0 { number::three(ms) } else { "-".into() }
}

fn waiting_style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}  waiting").unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn series_style() -> ProgressStyle {
    ProgressStyle::with_template("series    {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}  {bar:24}  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_study_of_one_command_can_be_stopped_as_the_first() {
        stop_on_interrupt().unwrap();
        stop_on_interrupt().unwrap();
    }

    #[test]
    fn a_series_is_estimated_by_the_work_that_is_done() {
        let outlook = Outlook { run: 2, runs: 4, seconds: 10.0, done: 5.0, now: 5.0, later: 10.0 };
        assert_eq!(outlook.words(), "; about 30 s left in all");
        // Half of this run in 8 s: 18 s for a work of 7.5, and 12.5 to go.
        assert_eq!(outlook.left(0.5, 8.0, 0.5), Some(30.0));
        // A first run knows nothing until something is done; resumed at half, what was done before counts for nothing.
        let first = Outlook { seconds: 0.0, done: 0.0, ..outlook };
        assert_eq!((first.words().as_str(), first.left(0.0, 1.0, 1.0)), ("", None));
        assert_eq!(first.left(0.25, 2.0, 0.25), Some(2.0 / 1.25 * 11.25));
        // Scoring first: its own work, then everything.
        let scoring = first.scoring(2.5);
        assert_eq!((scoring.part().as_str(), first.part().as_str()), ("scoring", "run 2 of 4"));
        assert_eq!(scoring.left(0.5, 2.0, 0.5), Some(2.0 / 1.25 * (1.25 + 15.0)));
        let mut overall = Overall { outlook: first, epochs: vec![0.0; 2], first: None, bar: None, said: false };
        assert_eq!(overall.left(0, 1.0, 2), None, "the first report is where the clock starts");
        assert!(overall.left(1, 1.0, 2).is_some() && overall.left(7, 1.0, 2).is_none());
    }
}
