//! Series as a person has them: over seeds and fractions, stopped and gone on with, compared in a report.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use common::{Folder, sparring, stderr, stdout};
use serde_json::Value;

const SERIES: &str = "--epochs 12 --seeds 2 --fractions 1,0.5";

/// The one series of a folder, and its summary.
fn series(folder: &Folder) -> (PathBuf, Value) {
    let mut all = std::fs::read_dir(folder.0.join("series")).unwrap().map(|e| e.unwrap().path());
    let path = all.next().unwrap();
    assert!(all.next().is_none(), "one series");
    let summary = serde_json::from_slice(&std::fs::read(path.join("summary.json")).unwrap()).unwrap();
    (path, summary)
}

#[cfg(unix)]
#[test]
fn a_series_stops_cleanly_goes_on_and_says_who_won() {
    let folder = Folder::new("series");
    let mut child = folder.race(SERIES).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let second = lines.by_ref().find(|l| l.starts_with("series    run 2 of 4")).unwrap();
    assert!(second.contains("seed 15, p_data 1; about ") && second.ends_with(" left in all"), "{second}");
    assert!(lines.by_ref().any(|l| l.starts_with("epoch ")));
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("stopped in run 2 of 4, 1 are finished; the same command goes on from there"), "{said}");
    let (_, stopped) = series(&folder);
    assert_eq!((stopped["stopped"].as_bool(), stopped["comparison"]["seeds"].as_array().unwrap().len()), (Some(true), 1));

    let output = folder.race(SERIES).output().unwrap();
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("run 1 of 4: seed 15, p_data 0.5: finished already, runs/") && text.contains("resumed   after epoch "), "{text}");
    let (path, summary) = series(&folder);
    assert_eq!((summary["stopped"].as_bool(), summary["runs"].as_array().unwrap().len()), (Some(false), 4));
    let comparison = &summary["comparison"];
    assert_eq!((comparison["fractions"].to_string(), comparison["seeds"].to_string()), ("[0.5,1.0]".into(), "[15,16]".into()));
    let verdict = comparison["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("Judged by accuracy on all test samples, over 2 seeds: set@0.2 "), "{verdict}");
    assert!(text.contains(verdict));
    let report = std::fs::read_to_string(path.join("report.html")).unwrap();
    assert!(report.contains(verdict));
    // Every difference is that of its two values, by seed.
    let values =
        |learner: &str| comparison["means"].as_array().unwrap().iter().find(|m| m["learner"] == learner).unwrap()["values"].clone();
    let (dense, sparse, difference) = (values("dense"), values("set@0.2"), &comparison["differences"][0]["values"]);
    for seed in 0..2 {
        let expected = sparse[seed][1].as_f64().unwrap() - dense[seed][1].as_f64().unwrap();
        assert!((difference[seed][1].as_f64().unwrap() - expected).abs() < 1e-12);
    }
    assert_eq!(std::fs::read_to_string(path.join("series.csv")).unwrap().lines().count(), 1 + 2 * 2 * 2);
    for run in summary["runs"].as_array().unwrap() {
        let link = format!("../../{}/report.html", run["run"].as_str().unwrap());
        assert!(report.contains(&link) && path.join(&link).exists(), "{link}");
    }

    // Finished, nothing is run: not the series, and none of its members by itself.
    let again = folder.race(&format!("{SERIES} --json")).output().unwrap();
    let said: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(said["comparison"], summary["comparison"]);
    assert!(!stderr(&again).contains("epoch "), "{}", stderr(&again));
    let alone = stdout(&folder.race("--epochs 12 --seed 16 --p-data 0.5").output().unwrap());
    assert!(alone.contains("finished  this configuration was run to its end"), "{alone}");
}

#[test]
fn a_scenario_is_a_base_that_flags_change() {
    let folder = Folder::new("scenario");
    let small =
        "--dataset builtin --subset random:0.5 --control false --limit-train 32 --limit-test 20 --epochs 1 --batch-size 16 --device cpu";
    let output = folder.command(&format!("race --scenario nature {small} --p-data 1 --seeds 1 --out where")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&std::fs::read(folder.0.join("where/summary.json")).unwrap()).unwrap();
    assert_eq!((summary["scenario"].as_str(), summary["scale"].as_str()), (Some("nature"), Some("smoke")));
    let config = &summary["config"];
    assert_eq!(
        (config["model"].as_str(), config["epochs"].as_u64(), config["learners"].as_array().unwrap().len()),
        (Some("tiny"), Some(1), 3)
    );
    assert!(summary["comparison"]["verdict"].as_str().unwrap().contains("One seed cannot tell"));
    assert!(stdout(&output).ends_with("output    where\n"));
}

#[test]
fn a_series_that_is_asked_for_wrongly_says_so() {
    for (arguments, expected) in [
        ("--scenario natur", "nature, corruption, attack"),
        ("--scenario nature --scale tiny", "smoke, demo, paper"),
        ("--scale demo", "--scenario"),
        ("--scenario nature --preset paper", "--preset"),
        ("--seeds 0", "1 to 100 seeds"),
        ("--seeds 3,3", "twice"),
        ("--fractions 0.5 --p-data 0.5", "--p-data"),
        ("--fractions 0.5,1.5", "p_data must be above 0 and at most 1"),
    ] {
        let arguments: Vec<&str> = std::iter::once("race").chain(arguments.split(' ')).collect();
        let output = sparring(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}
