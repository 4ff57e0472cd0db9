//! Scores of one's own, from a table to a subset's files, as a person runs it.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::fmt::Write;
use std::fs;

use common::{Folder, sparring, stderr};

#[test]
fn a_table_of_scores_becomes_ours_and_chooses_a_subset_with_its_control() {
    let folder = Folder::new("hardness");
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    let mut table = String::from("index,loss,uncertainty\n");
    // Sample 0 is the hardest by loss, and the easiest by uncertainty, which points the other way.
    (0..10_000).for_each(|i| writeln!(table, "{i},{},{}", 10_000 - i, f64::from(10_000 - i) / 1e4).unwrap());
    fs::write(path("mine.csv"), &table).unwrap();
    let output = sparring(&["score", "--dataset", "builtin", "--from", &path("mine.csv"), "--out", &path("ours.safetensors"), "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["scores"], serde_json::json!(["loss", "uncertainty"]));
    assert!(fs::read_to_string(path("ours.csv")).unwrap().starts_with("file,index,label,loss,uncertainty,scored_by\ntrain,0,"));

    let indices = |subset: &str, out: &str| -> Vec<u32> {
        let output =
            sparring(&["subset", "--dataset", "builtin", "--subset", subset, "--scores", &path("ours.safetensors"), "--out", &path(out)]);
        assert!(output.status.success(), "{}", stderr(&output));
        fs::read_to_string(path(out)).unwrap().lines().map(|l| l.parse().unwrap()).collect()
    };
    assert_eq!(indices("loss-hard:0.1", "hard.txt"), (0..900).collect::<Vec<_>>(), "of the 9,000 that are not validation");
    assert_eq!(indices("uncertainty-easy:0.1", "easy.txt"), (0..900).collect::<Vec<_>>());
    assert_eq!(indices("loss-middle:0.1", "middle.txt"), (4050..4950).collect::<Vec<_>>());
    let control = fs::read_to_string(path("hard.control.txt")).unwrap();
    assert_eq!(control.lines().count(), 900);
    assert!(control.lines().any(|l| l.parse::<u32>().unwrap() > 900));
}

#[test]
fn scores_that_do_not_fit_are_refused_and_leave_nothing() {
    let folder = Folder::new("misfit");
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    fs::write(path("short.csv"), "loss\n1\n2\n").unwrap();
    let out = path("ours.safetensors");
    let output = sparring(&["score", "--dataset", "builtin", "--from", &path("short.csv"), "--out", &out]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("expected a row for each of the 10000 training samples"), "{}", stderr(&output));
    let usage = |arguments: &[&str], words: &str| {
        let output = sparring(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    };
    usage(&["score", "--dataset", "builtin", "--out", &path("ours.csv")], "written beside it");
    usage(&["score", "--dataset", "builtin", "--runs", "0"], "--runs must be 1 to 100");
    usage(&["score", "--dataset", "builtin", "--skip", "loss"], "only grand and forgetting");
    usage(&["subset", "--dataset", "builtin", "--out", &path("x.parquet")], "the ending says the form");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "only the file that was there");
}
