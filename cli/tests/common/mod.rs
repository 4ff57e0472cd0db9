//! What tests of the binary share: a folder that goes away, and a race small enough to be over in a second.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "not every test uses all of it")]

use std::path::PathBuf;
use std::process::{Command, Output};

pub fn sparring(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sparring")).args(arguments).output().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A folder that goes away with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sparring-cli-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
    /// The program, in this folder, with its data folder here too.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sparring"));
        command.env("SPARRING_DATA", self.file("data")).current_dir(&self.0).args(arguments.split_whitespace());
        command
    }
    /// A race small enough for a test: a few images a learner and step, no scores needed.
    pub fn race(&self, more: &str) -> Command {
        self.command(&format!("race --dataset builtin --model tiny --subset random:0.5 --control false --limit-train 48 --limit-test 40 --batch-size 16 --device cpu {more}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
