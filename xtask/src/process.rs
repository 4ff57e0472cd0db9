//! Child processes: shown before they run, with a time limit or a count of tests where that is wanted.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::stages::{Counts, Failures};

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let args = command.get_args().map(|a| a.to_string_lossy());
    std::iter::once(program.to_string_lossy()).chain(args).collect::<Vec<_>>().join(" ")
}

fn spawn(command: &mut Command) -> Result<Child> {
    println!("$ {}", shown(command));
    command.spawn().with_context(|| format!("'{}' cannot be started", command.get_program().to_string_lossy()))
}

/// Runs it; an error where it does not exit with 0.
pub fn run(command: &mut Command) -> Result<()> {
    let status = spawn(command)?.wait()?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs it for at most `limit`, then ends it.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = spawn(command)?;
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("`{}` ended with {status}", shown(command));
            }
            return Ok(());
        }
        if began.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("`{}` did not end within {} s", shown(command), limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What it prints, without showing it; an error where it cannot be started or fails.
pub fn output(command: &mut Command) -> Result<String> {
    let out = command.stderr(Stdio::null()).output().with_context(|| format!("'{}' cannot be started", shown(command)))?;
    if !out.status.success() {
        bail!("`{}` ended with {}", shown(command), out.status);
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// Whether it can be started and succeeds.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a test program, passing its output on and counting its tests.
///
/// # Errors
/// [`Failures`] where tests failed; any other error where it failed without saying so, or ran no test at all.
pub fn run_tests(command: &mut Command) -> Result<Counts> {
    let (reader, writer) = std::io::pipe()?;
    let mut child = spawn(command.stdout(writer.try_clone()?).stderr(writer))?;
    // The command holds the pipe's writing end until it is given another one.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut counts = Counts::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        std::io::stdout().write_all(&line)?;
        println!();
        counts += tests_in(&String::from_utf8_lossy(&line));
    }
    let status = child.wait()?;
    if counts.failed > 0 {
        bail!(Failures(counts));
    }
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    if counts.passed == 0 {
        bail!("`{}` ran no test", shown(command));
    }
    Ok(counts)
}

/// The totals that a line of `cargo test`, `cargo nextest`, `node --test` or our own programs reports.
fn tests_in(line: &str) -> Counts {
    let line = line.trim();
    let number_before = |word: &str| -> usize {
        let words: Vec<&str> = line.split([' ', ',', ';']).filter(|w| !w.is_empty()).collect();
        words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
    };
    if let Some(total) = line.strip_prefix("# ").or_else(|| line.strip_prefix("\u{2139} ")) {
        let number = |word| total.strip_prefix(word).and_then(|n| n.trim().parse().ok()).unwrap_or(0);
        return Counts { passed: number("pass "), failed: number("fail ") };
    }
    let own = line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(" passed, ");
    if line.starts_with("test result: ") || (line.contains("Summary [") && line.contains(" run: ")) || own {
        return Counts { passed: number_before("passed"), failed: number_before("failed") };
    }
    Counts::default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn totals_are_read_from_every_test_program() {
        let of = |passed, failed| Counts { passed, failed };
        assert_eq!(tests_in("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out"), of(12, 0));
        assert_eq!(tests_in("test result: FAILED. 3 passed; 2 failed; 0 ignored"), of(3, 2));
        assert_eq!(tests_in("     Summary [   1.2s] 40 tests run: 39 passed (1 slow), 1 failed, 0 skipped"), of(39, 1));
        assert_eq!(tests_in("# pass 5"), of(5, 0));
        assert_eq!(tests_in("\u{2139} fail 1"), of(0, 1));
        assert_eq!(tests_in("43 passed, 0 failed, 13 not yet"), of(43, 0));
        assert_eq!(tests_in("test a::b ... ok"), of(0, 0));
    }

    #[test]
    fn a_program_without_tests_is_an_error() {
        assert!(run_tests(Command::new("cargo").arg("--version")).is_err());
    }

    #[test]
    fn a_time_limit_ends_the_program() {
        if cfg!(unix) {
            let error = run_within(Command::new("sleep").arg("20"), Duration::from_millis(150)).unwrap_err();
            assert!(error.to_string().contains("did not end within"), "{error}");
        }
    }
}
