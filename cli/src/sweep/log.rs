//! The log of a run that another process makes: how far it is, and its last lines where it failed.
//!
//! What the process says goes into a file and not through a pipe, so that it is there after any of the two was killed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Bytes of a log's end in which its last lines are looked for.
const END: u64 = 8192;
/// Characters of such a line.
const LONGEST: usize = 300;

/// A log that is being written.
pub struct Log {
    file: PathBuf,
    read: u64,
    /// A line that has not ended.
    rest: String,
    /// Epochs of all learners: done, and in all.
    done: f64,
    all: f64,
}

impl Log {
    /// The log of a run of so many learners, each of so many epochs, from what is in the file now.
    pub fn new(file: &Path, learners: usize, epochs: u32) -> Self {
        let read = std::fs::metadata(file).map_or(0, |meta| meta.len());
        Self { file: file.to_owned(), read, rest: String::new(), done: 0.0, all: learners as f64 * f64::from(epochs) }
    }

    /// The share of the run that is done.
    pub fn share(&mut self) -> f64 {
        let mut new = Vec::new();
        let mut more = || -> std::io::Result<()> {
            let mut file = File::open(&self.file)?;
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_end(&mut new)?;
            Ok(())
        };
        // A log that cannot be read says nothing of how far its run is.
        if more().is_ok() {
            self.read += new.len() as u64;
            self.take(&String::from_utf8_lossy(&new));
        }
        (self.done / self.all.max(1.0)).min(1.0)
    }

    fn take(&mut self, text: &str) {
        self.rest += text;
        let rest = std::mem::take(&mut self.rest);
        let (lines, rest) = rest.rsplit_once('\n').unwrap_or(("", &rest));
        for line in lines.lines() {
            let epoch =
                |after: &str| line.strip_prefix(after).and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<f64>().ok());
            let of = || line.split_once(" of ").and_then(|(_, all)| all.trim().parse::<f64>().ok());
            if line.starts_with("epoch ") {
                self.done += 1.0;
            } else if let (Some(before), Some(epochs)) = (epoch("resumed   after epoch "), of()) {
                self.done = self.all * before / epochs.max(1.0);
            }
        }
        self.rest = rest.to_owned();
    }
}

/// The last lines of a log that say anything.
pub fn last_lines(file: &Path, most: usize) -> Vec<String> {
    let end = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = end().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<String> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(|line| crate::text::cut(line, LONGEST)).collect();
    lines[lines.len().saturating_sub(most)..].to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::io::Write;

    #[test]
    fn a_log_is_read_as_it_grows_and_its_end_is_short() {
        let path = std::env::temp_dir().join(format!("sparring-{}-log", std::process::id()));
        std::fs::write(&path, "epoch   9/10  of an earlier try\n").unwrap();
        let mut log = Log::new(&path, 2, 10);
        assert_eq!(log.share(), 0.0);
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        write!(file, "device    CPU\nresumed   after epoch 5 of 10\nepoch   6/10  dense\nepo").unwrap();
        assert!((log.share() - 11.0 / 20.0).abs() < 1e-12);
        write!(file, "ch   6/10  set@0.2\n\nerror: \u{1b}[2J{}\n", "x".repeat(5000)).unwrap();
        assert!((log.share() - 12.0 / 20.0).abs() < 1e-12);
        let last = last_lines(&path, 2);
        assert!(last.len() == 2 && last[0] == "epoch   6/10  set@0.2" && last[1].chars().count() <= LONGEST, "{last:?}");
        std::fs::remove_file(&path).unwrap();
        assert!(last_lines(&path, 5).is_empty() && log.share() > 0.5);
    }
}
