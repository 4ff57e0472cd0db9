//! Stages: each says what it does and how long it may take, and prints how long it took.
//!
//! Without this a first set-up of twenty silent minutes looks like a hang, and nobody knows what to make faster.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Passed and failed tests of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
}

impl Counts {
    /// A check that is one yes or no.
    pub const ONE: Self = Self { passed: 1, failed: 0 };
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

enum State {
    Done,
    Failed,
    Skipped(String),
}

/// The stages of one command, in the order they ran.
pub struct Stages {
    began: Instant,
    done: Vec<(String, Duration, State)>,
    counts: Counts,
}

impl Stages {
    pub fn start() -> Self {
        Self { began: Instant::now(), done: Vec::new(), counts: Counts::default() }
    }

    /// A step that the following ones need: an error ends the command. `note` says how long it may take.
    pub fn need<T>(&mut self, name: &str, note: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        println!("\n== {name}{note}");
        let began = Instant::now();
        let result = work();
        let took = began.elapsed();
        println!("== {name}: {} in {}", if result.is_ok() { "done" } else { "FAILED" }, seconds(took));
        self.done.push((name.to_owned(), took, if result.is_ok() { State::Done } else { State::Failed }));
        result
    }

    /// A check: its failure is counted, and the following ones still run. Returns whether it passed.
    pub fn check(&mut self, name: &str, note: &str, work: impl FnOnce() -> Result<Counts>) -> bool {
        match self.need(name, note, work) {
            Ok(counts) => {
                self.counts += counts;
                true
            }
            Err(error) => {
                eprintln!("{name}: {error:#}");
                self.counts += error.downcast_ref::<Failures>().map_or(Counts { passed: 0, failed: 1 }, |f| f.0);
                false
            }
        }
    }

    /// Something that was not done, and why.
    pub fn skip(&mut self, name: &str, reason: &str) {
        println!("\n== {name}: skipped: {reason}");
        self.done.push((name.to_owned(), Duration::ZERO, State::Skipped(reason.to_owned())));
    }

    /// Prints every stage with its duration.
    pub fn summary(&self) {
        println!("\n{:<44} {:>10}", "stage", "took");
        for (name, took, outcome) in &self.done {
            match outcome {
                State::Done => println!("{name:<44} {:>10}", seconds(*took)),
                State::Failed => println!("{name:<44} {:>10}  FAILED", seconds(*took)),
                State::Skipped(reason) => println!("{name:<44} {:>10}  skipped: {reason}", "-"),
            }
        }
        println!("{:<44} {:>10}", "total", seconds(self.began.elapsed()));
    }

    /// The summary, and an error where a check failed. The last line counts tests and checks.
    pub fn verdict(&self) -> Result<()> {
        self.summary();
        let failed: Vec<&str> = self.done.iter().filter(|(_, _, o)| matches!(o, State::Failed)).map(|(n, _, _)| n.as_str()).collect();
        println!("\n{} passed, {} failed", self.counts.passed, self.counts.failed);
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

/// The error of a test program that ran and found failures.
#[derive(Debug)]
pub struct Failures(pub Counts);

impl std::fmt::Display for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.0.passed, self.0.failed)
    }
}
impl std::error::Error for Failures {}

fn seconds(took: Duration) -> String {
    let s = took.as_secs_f64();
    if s < 60.0 { format!("{s:.1} s") } else { format!("{}:{:02} min", took.as_secs() / 60, took.as_secs() % 60) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_failed_check_is_counted_and_the_next_one_runs() {
        let mut stages = Stages::start();
        assert!(!stages.check("a", "", || bail!("no")));
        assert!(!stages.check("b", "", || bail!(Failures(Counts { passed: 4, failed: 2 }))));
        assert!(stages.check("c", "", || Ok(Counts { passed: 3, failed: 0 })));
        assert_eq!(stages.counts, Counts { passed: 7, failed: 3 });
        assert_eq!(stages.verdict().unwrap_err().to_string(), "failed: a, b");
    }

    #[test]
    fn a_skipped_stage_is_no_failure() {
        let mut stages = Stages::start();
        stages.skip("a", "not here");
        assert!(stages.verdict().is_ok());
    }
}
