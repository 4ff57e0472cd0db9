//! Every method on every published dataset that is at hand, on the CPU, with small networks and few samples.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sparring_core::config::Method;

/// Runs in a folder of its own; `data` is where its images are, `None` the usual scratch.
struct Scratch {
    path: PathBuf,
    data: Option<PathBuf>,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sparring-matrix-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self { path, data: None }
    }
    fn json(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sparring"));
        command.args(arguments).arg("--json").current_dir(&self.path);
        if let Some(data) = &self.data {
            command.env("SPARRING_DATA", data);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
    /// Trains every method, the dense parents included, and looks at what each ended with.
    fn train_everything(&self, dataset: &str) {
        let (mut trained, mut parents) = (0, 0);
        for methods in Method::ALL.chunks(6) {
            let text = |m: &Method| if *m == Method::Dense { "dense".to_owned() } else { format!("{m}@0.3") };
            let learners = methods.iter().map(text).collect::<Vec<_>>().join(",");
            let small = ["--model", "resnet20", "--width", "0.25", "--limit-train", "64", "--limit-test", "40", "--batch-size", "32"];
            let short = [
                "--epochs",
                "2",
                "--update-frequency",
                "1",
                "--gmp-end",
                "0.5",
                "--subset",
                "all",
                "--control",
                "false",
                "--device",
                "cpu",
            ];
            let summary = self.json(&[&["race", "--dataset", dataset, "--learners", &learners], &small[..], &short[..]].concat());
            for (method, learner) in methods.iter().zip(summary["summary"]["learners"].as_array().unwrap()) {
                let density = learner["density"].as_f64().unwrap();
                let expected = if *method == Method::Dense { 1.0 } else { 0.3 };
                assert!((density - expected).abs() < 0.01, "{method} on {dataset} ends at density {density}");
                assert!(learner["failed"].is_null() && learner["test"]["samples"] == 40, "{method} on {dataset}: {learner}");
                trained += 1;
            }
            let runs = self.json(&["runs", "list"]);
            parents = runs.as_array().map_or_else(|| runs["runs"].as_array().unwrap().len(), Vec::len);
        }
        assert_eq!(trained, Method::ALL.len());
        assert_eq!(parents, Method::ALL.chunks(6).len() + 1, "one dense parent serves all methods that need one");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn with_archive(dataset: &str, archive: &str) {
    let shared = std::env::var("SPARRING_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
    let archive = Path::new(&shared).join("data").join(archive);
    if !archive.is_file() {
        println!("skipped: not present: {}", archive.display());
        return;
    }
    let mut scratch = Scratch::new(dataset);
    scratch.data = Some(scratch.path.join("data"));
    scratch.json(&["data", "fetch", dataset, "--from", archive.to_str().unwrap()]);
    scratch.train_everything(dataset);
}

#[test]
fn every_method_trains_on_cifar10() {
    let scratch = Scratch::new("cifar10");
    let here = scratch.json(&["data", "list"]);
    if !here.as_array().unwrap().iter().any(|d| d["dataset"] == "cifar10" && d["state"] == "present") {
        println!("skipped: not present: CIFAR-10");
        return;
    }
    scratch.train_everything("cifar10");
}

#[test]
fn every_method_trains_on_the_cifar100_part() {
    with_archive("cifar100", "cifar-100-binary-part.tar.gz");
}

#[test]
fn every_method_trains_on_the_tiny_imagenet_part() {
    with_archive("tinyimagenet", "tiny-imagenet-200-part.zip");
}
