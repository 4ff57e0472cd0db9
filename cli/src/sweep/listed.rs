//! Studies as lists of runs show them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::rundir;

/// A study as a list shows it.
pub struct Listed {
    /// Its folder's name.
    pub name: String,
    /// Runs that are through, and runs in all.
    pub finished: usize,
    /// Runs in all.
    pub runs: usize,
    /// What it asks, or its name.
    pub question: String,
    /// What it says.
    pub verdict: String,
    /// When it was collected.
    pub date: String,
}

impl Listed {
    /// The same for a program.
    pub fn json(&self) -> Value {
        json!({ "study": self.name, "finished": self.finished, "runs": self.runs, "question": self.question, "verdict": self.verdict, "date": self.date })
    }
}

/// The studies beside a folder of runs, newest first; what cannot be read is none.
pub fn listed(runs: &Path) -> Vec<Listed> {
    let read = |path: PathBuf| {
        let summary = rundir::read_summary(&path).ok()??;
        let all = summary["runs"].as_array().filter(|_| summary["study_hash"].is_string())?;
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let question = if summary["question"] == "" { &summary["study"] } else { &summary["question"] };
        Some(Listed {
            name: path.file_name()?.to_string_lossy().into_owned(),
            finished: all.iter().filter(|run| run["finished"].as_bool() == Some(true)).count(),
            runs: all.len(),
            question: text(question),
            verdict: text(&summary["verdict"]),
            date: text(&summary["date"]).chars().take(10).collect(),
        })
    };
    let mut all: Vec<Listed> = std::fs::read_dir(beside(runs)).into_iter().flatten().flatten().filter_map(|e| read(e.path())).collect();
    all.sort_by(|a, b| b.date.cmp(&a.date).then_with(|| a.name.cmp(&b.name)));
    all
}

/// The folder of studies beside a folder of runs.
pub fn beside(runs: &Path) -> PathBuf {
    runs.with_file_name("studies")
}
