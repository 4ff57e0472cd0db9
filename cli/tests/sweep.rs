//! Studies as a person has them: planned, run by several processes, stopped, killed, gone on with, collected, and asked for wrongly.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, stderr, stdout};
use serde_json::Value;
use sparring_core::record::StudyFile;

const BASE: &str = "[base]\ndataset = \"builtin\"\nmodel = \"tiny\"\nsubset = \"random:0.5\"\ncontrol = false\nlimit_train = 48\nlimit_test = 40\nbatch_size = 16\ndevice = \"cpu\"\n";

/// Eight runs; the dense ones are the parents of those that need one.
fn study(folder: &Folder, epochs: u32) {
    let axes = "[axes]\nseeds = 2\nfractions = [1, 0.5]\nlearners = [\"lth@0.3\", \"dense\", \"set@0.2\"]\n[[exclude]]\nlearners = \"set@0.2\"\nfractions = 0.5\n";
    fs::write(folder.file("s.toml"), format!("question = \"Is it so?\"\n{BASE}epochs = {epochs}\n{axes}")).unwrap();
}

fn sweep(folder: &Folder, more: &str) -> Output {
    folder.command(&format!("sweep s.toml {more}")).output().unwrap()
}

fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
}

fn only_study(folder: &Folder) -> PathBuf {
    let all: Vec<PathBuf> = fs::read_dir(folder.file("studies")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

fn table(folder: &Folder) -> Vec<u8> {
    fs::read(only_study(folder).join("study.csv")).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What a study of these epochs says that nothing disturbed.
fn undisturbed(whose: &str, epochs: u32) -> Vec<u8> {
    let folder = Folder::new(&format!("undisturbed-{whose}"));
    study(&folder, epochs);
    done(&sweep(&folder, ""));
    table(&folder)
}

/// Starts a sweep; gives it once a line begins so.
fn until(folder: &Folder, more: &str, beginning: &str) -> (Child, impl Iterator<Item = String>) {
    let mut child = folder.command(&format!("sweep s.toml {more}")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with(beginning)), "{beginning}");
    (child, lines)
}

/// The process that trains in the one folder of runs that has a checkpoint.
fn trainer(folder: &Folder) -> String {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let runs = fs::read_dir(folder.file("runs")).into_iter().flatten().flatten().map(|e| e.path());
        if let Some(run) = runs.into_iter().find(|run| run.join("checkpoint.safetensors").exists()) {
            return fs::read_to_string(run.join(".lock")).unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no run has a checkpoint");
}

#[cfg(unix)]
fn signal(name: &str, process: &str) {
    assert!(std::process::Command::new("kill").args([name, process]).status().unwrap().success());
}

#[test]
fn a_study_is_planned_run_collected_and_listed() {
    let folder = Folder::new("study");
    study(&folder, 3);
    let planned = sweep(&folder, "--dry-run");
    done(&planned);
    let text = stdout(&planned);
    for part in [
        "study     s: 10 runs (seeds 15, 16; fractions 1, 0.5; learners lth@0.3, dense, set@0.2), judged by accuracy on all test samples",
        "estimate  about ",
        " of memory, up to ",
        "nothing was written",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!folder.0.join("runs").exists() && !folder.0.join("studies").exists(), "nothing was written");
    let plan: Value = serde_json::from_slice(&sweep(&folder, "--dry-run --json").stdout).unwrap();
    let runs = plan["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 10);
    // Parents are the dense runs, and stand before what needs them.
    let place = |hash: &Value| runs.iter().position(|run| run["hash"] == *hash).unwrap();
    assert_eq!(runs.iter().flat_map(|run| run["depends_on"].as_array().unwrap()).count(), 4);
    for (i, run) in runs.iter().enumerate() {
        assert!(run["depends_on"].as_array().unwrap().iter().all(|needed| place(needed) < i));
    }

    let output = sweep(&folder, "");
    done(&output);
    let text = stdout(&output);
    assert_eq!(text.lines().filter(|l| l.starts_with("started ")).count(), 10, "{text}");
    assert!(text.contains("finished  run 10 of 10: ") && text.contains("runs      10 of 10 are finished"), "{text}");
    let study_folder = only_study(&folder);
    let summary = json(&study_folder.join("summary.json"));
    let report = fs::read_to_string(study_folder.join("report.html")).unwrap();
    let verdict = summary["verdict"].as_str().unwrap();
    assert!(
        report.contains("<h1>Is it so?</h1>") && report.contains(&verdict.replace('\'', "&#39;")) && text.contains(verdict),
        "{verdict}"
    );
    // SET has no runs with half of the data, and is compared with others' runs on all of it alone.
    for part in
        ["By learner", "of the 1 of 2 conditions that all learners have", "Means are over the 1 of 2 conditions that all learners have"]
    {
        assert!(report.contains(part), "{part}");
    }
    for name in ["differences.svg", "by-learner.svg", "by-p_data.svg"] {
        let drawing = fs::read_to_string(study_folder.join("figures").join(name)).unwrap();
        assert!(drawing.starts_with("<svg xmlns=") && drawing.contains("<style>") && !drawing.contains("var("), "{name}");
    }
    for run in summary["runs"].as_array().unwrap() {
        let link = format!("../../{}/report.html", run["run"].as_str().unwrap());
        assert!(report.contains(&link) && study_folder.join(&link).exists(), "{link}");
    }

    // The table has the runs' own values, in full.
    let bytes = table(&folder);
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(
        header,
        ["run", "seed", "p_data", "learners", "learner", "control", "density", "training_flops", "measure", "value", "samples"]
    );
    let rows: Vec<BTreeMap<String, String>> =
        reader.records().map(|row| header.iter().cloned().zip(row.unwrap().iter().map(str::to_owned)).collect()).collect();
    // Of every run test, train and validation: nothing else was evaluated.
    assert_eq!(rows.len(), 10 * 3);
    for row in rows.iter().filter(|row| row["measure"] == "test") {
        let run = json(&folder.0.join("runs").join(&row["run"]).join("summary.json"));
        let learner = &run["summary"]["learners"][0];
        assert_eq!(row["value"].parse::<f64>().unwrap(), learner["test"]["accuracy"].as_f64().unwrap());
        assert_eq!(
            (row["learner"].as_str(), row["seed"].as_str()),
            (learner["name"].as_str().unwrap(), &*run["config"]["seed"].to_string())
        );
        assert_eq!(row["p_data"].parse::<f64>().unwrap(), run["config"]["p_data"].as_f64().unwrap());
    }
    // Differences are those of the runs' values, by seed.
    for difference in summary["differences"].as_array().unwrap() {
        for value in difference["values"].as_array().unwrap() {
            let of = |learner: &str| {
                let is = |row: &&BTreeMap<String, String>| {
                    row["measure"] == "test"
                        && row["learner"] == learner
                        && row["seed"].parse::<u64>().ok() == value[0].as_u64()
                        && row["p_data"] == difference["condition"]["p_data"].as_str().unwrap()
                };
                rows.iter().find(is).unwrap()["value"].parse::<f64>().unwrap()
            };
            let expected = of(difference["sparse"].as_str().unwrap()) - of("dense");
            assert!((value[1].as_f64().unwrap() - expected).abs() < 1e-12);
        }
    }
    assert_eq!(summary["differences"].as_array().unwrap().len(), 3);

    // Finished, nothing is run; and all of it is made again from the runs alone, also from the study's folder.
    let again = sweep(&folder, "");
    done(&again);
    assert!(!stdout(&again).contains("started ") && stdout(&again).contains("there     10 finished"), "{}", stdout(&again));
    let name = study_folder.strip_prefix(&folder.0).unwrap().display().to_string();
    let of = |arguments: &str| folder.command(arguments).output().unwrap();
    // As one file it has the same values, whoever names it.
    for named in [name.as_str(), "s-"] {
        done(&of(&format!("runs export {named} --out x.json")));
        let file = StudyFile::read(&fs::read(folder.file("x.json")).unwrap()).unwrap();
        assert_eq!((file.name.as_str(), file.question.as_str(), file.runs.len()), ("s", "Is it so?", 10));
        assert!(file.verdict == summary["verdict"].as_str().unwrap() && file.axes == ["p_data"]);
        let differences = file.findings().differences(file.measure);
        let all = summary["differences"].as_array().unwrap();
        assert_eq!(differences.len(), all.len());
        for (ours, told) in differences.iter().zip(all) {
            // Both were read from JSON, which keeps all but the last bit.
            let near = |told: &Value, ours: f64| (told.as_f64().unwrap() - ours).abs() < 1e-12;
            assert!(near(&told["estimate"]["mean"], ours.estimate.mean));
            for ((seed, value), told) in ours.values.iter().zip(told["values"].as_array().unwrap()) {
                assert!(told[0] == *seed && near(&told[1], *value), "{told} {value}");
            }
        }
        for run in &file.runs {
            let config = file.config_of(run).unwrap();
            let hash = summary["runs"].as_array().unwrap().iter().filter(|known| known["config_hash"] == config.hash().unwrap()).count();
            assert_eq!(hash, 1, "each is a run of the study");
        }
    }
    for file in ["study.csv", "report.html", "summary.json"] {
        fs::remove_file(study_folder.join(file)).unwrap();
    }
    done(&folder.command(&format!("sweep {name} --collect")).output().unwrap());
    assert!(table(&folder) == bytes && study_folder.join("report.html").exists());

    // From where its runs are not, nothing is collected and nothing is lost.
    fs::create_dir(folder.file("elsewhere")).unwrap();
    let away = folder.command(&format!("sweep ../{name} --collect")).current_dir(folder.file("elsewhere")).output().unwrap();
    assert_eq!(away.status.code(), Some(1), "{}", stdout(&away));
    assert!(
        stderr(&away).contains("10 runs are in the table of") && stderr(&away).contains("and 0 of them are found in"),
        "{}",
        stderr(&away)
    );
    assert!(table(&folder) == bytes);

    // Lists of runs know studies.
    let listed: Value = serde_json::from_slice(&of("runs list --json").stdout).unwrap();
    assert_eq!((&listed["studies"][0]["finished"], &listed["studies"][0]["question"]), (&Value::from(10), &Value::from("Is it so?")));
    let inside: Value = serde_json::from_slice(&of(&format!("runs list --json --in {name}")).stdout).unwrap();
    assert_eq!(inside["runs"].as_array().unwrap().len(), 10);
    for arguments in [format!("runs show {name}"), format!("runs export {name} --tensorboard"), "runs show s-".to_owned()] {
        let output = of(&arguments);
        assert!(
            output.status.code() == Some(2) && stderr(&output).contains("is a study, which has no weights or events of its own"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn two_processes_at_a_time_say_what_one_says() {
    let folder = Folder::new("jobs");
    study(&folder, 4);
    let output = sweep(&folder, "--jobs 2");
    done(&output);
    assert!(table(&folder) == undisturbed("jobs", 4));
    // No two trained the same parent: each run was started once, after what it needs.
    assert_eq!(stdout(&output).lines().filter(|l| l.starts_with("started ")).count(), 10);
    let logs = fs::read_dir(only_study(&folder).join("logs")).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap());
    for log in logs.filter(|log| log.contains("lth@0.3")) {
        assert!(log.contains("parent    trained already: ") && !log.contains("comes first"), "{log}");
    }
}

#[cfg(unix)]
#[test]
fn stopped_and_killed_a_study_goes_on_to_the_same_numbers() {
    let whole = undisturbed("stopped", 40);
    let folder = Folder::new("stopped");
    study(&folder, 40);
    // By Ctrl-C, in this process alone: the others are told by it.
    let (child, lines) = until(&folder, "--jobs 2", "finished ");
    signal("-INT", &child.id().to_string());
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("runs are finished; the same command goes on from there"), "{}", stderr(&output));
    let stopped = json(&only_study(&folder).join("summary.json"));
    let count = |state: &str| stopped["runs"].as_array().unwrap().iter().filter(|run| run["state"] == state).count();
    assert!(count("finished") > 0 && count("finished") < 10 && stopped["stopped"] == true, "{}", stopped["runs"]);
    // Nobody is left at work.
    let listed: Value = serde_json::from_slice(&folder.command("runs list --json").output().unwrap().stdout).unwrap();
    assert!(listed["runs"].as_array().unwrap().iter().all(|run| run["state"] != "running"), "{listed}");

    // By kill -9, with a run under way; what it started notices and stops, and is waited for.
    let (mut child, lines) = until(&folder, "", "started ");
    drop(trainer(&folder));
    child.kill().unwrap();
    child.wait().unwrap();
    lines.for_each(drop);

    let output = sweep(&folder, "");
    done(&output);
    assert!(table(&folder) == whole, "the same to the byte");
}

#[cfg(unix)]
#[test]
fn a_run_that_crashed_is_tried_once_more_and_one_that_cannot_be_made_keeps_no_other() {
    let folder = Folder::new("crash");
    study(&folder, 40);
    let (child, lines) = until(&folder, "", "started ");
    signal("-KILL", &trainer(&folder));
    let text: Vec<String> = lines.collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{text:?}{}", stderr(&output));
    assert!(text.iter().any(|l| l.starts_with("warning   run ") && l.ends_with("; it is tried once more")), "{text:?}");
    assert!(table(&folder) == undisturbed("crash", 40));

    // A dense parent whose folder is damaged: it, and the run that starts from it, are told; all others are made.
    let plan: Value = serde_json::from_slice(&sweep(&folder, "--dry-run --json").stdout).unwrap();
    let needed = plan["runs"].as_array().unwrap().iter().find_map(|run| run["depends_on"][0].as_str()).unwrap();
    let parent = plan["runs"].as_array().unwrap().iter().find(|run| run["hash"] == needed).unwrap();
    let parent = folder.0.join(parent["folder"].as_str().unwrap());
    fs::remove_dir_all(folder.file("runs")).unwrap();
    fs::create_dir_all(&parent).unwrap();
    fs::write(parent.join("thesis.txt"), "mine").unwrap();
    let output = sweep(&folder, "--jobs 2");
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let text = stdout(&output);
    assert!(text.contains("holds 'thesis.txt' and no run"), "the log's last lines: {text}");
    assert!(
        text.contains("exit code 1, 2 tries; its log is ") && text.contains("it was not run, since what it starts from failed"),
        "{text}"
    );
    assert!(
        text.contains("runs      8 of 10 are finished") && stderr(&output).contains("2 of 10 runs failed"),
        "{text}{}",
        stderr(&output)
    );
    assert_eq!(fs::read(parent.join("thesis.txt")).unwrap(), b"mine");
}

#[test]
fn a_run_whose_learners_all_failed_is_a_result_and_no_crash() {
    let folder = Folder::new("diverged");
    let axes = "[axes]\nlr = [0.05, 1000]\nseeds = 2\nlearners = [\"dense\", \"set@0.5\"]\n";
    fs::write(folder.file("s.toml"), format!("{BASE}epochs = 12\nweight_decay = 1\n{axes}")).unwrap();
    for _ in 0..2 {
        let output = sweep(&folder, "");
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
        let text = stdout(&output);
        assert!(
            !text.contains("tried once more") && text.contains("4 of 8 are finished") && stderr(&output).contains("4 of 8 runs failed"),
            "{text}"
        );
    }
    let summary = json(&only_study(&folder).join("summary.json"));
    assert_eq!(summary["failed"].as_array().unwrap().len(), 4);
    let report = fs::read_to_string(only_study(&folder).join("report.html")).unwrap();
    assert_eq!(report.matches("counts in no mean").count(), 4);
}

#[test]
fn one_run_of_a_study_is_made_by_its_hash() {
    let folder = Folder::new("only");
    study(&folder, 2);
    let plan: Value = serde_json::from_slice(&sweep(&folder, "--dry-run --json").stdout).unwrap();
    let hash = |i: usize| plan["runs"][i]["hash"].as_str().unwrap().to_owned();
    done(&sweep(&folder, &format!("--only {},{}", hash(0), &hash(1)[..8])));
    assert_eq!(fs::read_dir(folder.file("runs")).unwrap().count(), 2);
    assert!(!folder.0.join("studies").exists(), "a study's folder is left alone");
    let output = sweep(&folder, &format!("--only {}", hash(0)));
    done(&output);
    assert!(stdout(&output).contains("finished  this run was run to its end"), "{}", stdout(&output));
    let output = sweep(&folder, "--only 0123456789ab");
    assert!(output.status.code() == Some(2) && stderr(&output).contains("--dry-run lists all with their hashes"), "{}", stderr(&output));
    // What is there is collected, and told to be a part.
    done(&sweep(&folder, "--collect"));
    let report = fs::read_to_string(only_study(&folder).join("report.html")).unwrap();
    assert!(report.contains("2 of 10 runs are finished"), "{report}");
}

#[test]
fn scores_that_several_runs_need_are_made_once_and_first() {
    let folder = Folder::new("scores");
    let text = format!("{BASE}epochs = 1\nbins = 0\n[axes]\nseeds = 2\nlearners = [\"dense\", \"set@0.2\"]\n")
        .replace("random:0.5", "loss-hard:0.5");
    fs::write(folder.file("s.toml"), text).unwrap();
    let output = sweep(&folder, "--jobs 2");
    done(&output);
    let text = stdout(&output);
    assert!(text.contains("          1 scoring run before those that need them"), "{text}");
    let started: Vec<&str> = text.lines().filter(|l| l.starts_with("started ") || l.starts_with("finished ")).collect();
    assert!(
        started[0].starts_with("started   hardness scores of builtin by tiny") && started[1].starts_with("finished  hardness scores"),
        "{started:?}"
    );
    let logs = fs::read_dir(only_study(&folder).join("logs")).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap());
    assert_eq!(logs.filter(|log| log.contains("a scoring run of")).count(), 1);
    assert_eq!(json(&only_study(&folder).join("summary.json"))["measure"], "hard-half");
}

#[test]
fn what_is_wrong_is_found_before_anything_is_written() {
    let folder = Folder::new("wrong");
    let of = |text: &str, more: &str, code: i32, words: &str| {
        fs::write(folder.file("s.toml"), text).unwrap();
        let output = sweep(&folder, more);
        let said = stderr(&output);
        assert!(output.status.code() == Some(code) && said.contains(words), "{text}: {:?} {said}", output.status);
        assert!(said.starts_with("error: ") && said.lines().count() == 1, "{said}");
    };
    of("[axs]\nseeds = 2\n", "", 2, "the study s.toml: unknown key 'axs': nearest: axes");
    of("[axes]\nseeds = []\n", "", 2, "the axis 'seeds' has no value");
    of("[axes]\nseeds = 20000\n", "", 2, "the axis 'seeds': expected 1 to 10000 seeds, or a list of them, found 20000");
    of("measure = \"robust-test\"\n[axes]\nseeds = 2\n", "", 2, "with seeds = 15 there is no robust-test");
    of("[axes]\nepochs = [0, 1]\n", "", 2, "the combination epochs = 0 is refused: epochs must be at least 1");
    of("[axes]\nseeds = 2\n[[exclude]]\nseeds = [15, 16]\n", "", 2, "its exclusions leave none of its 2 combinations");
    of("[axes]\ndevice = [\"cpu\", \"auto\"]\n", "", 2, "are one and the same run");
    of("[axes]\nseeds = 2\n", "--jobs 0", 2, "--jobs: expected 1 to 256 processes at a time, found 0");
    of("[axes]\nseeds = 2\n", "--gpus 99", 2, "--gpus: there is no GPU 99 here");
    of("\u{0}\u{1b}[2J = ", "", 2, "the study s.toml, line 1");
    fs::remove_file(folder.file("s.toml")).unwrap();
    let output = sweep(&folder, "");
    assert!(output.status.code() == Some(1) && stderr(&output).contains("reading the study s.toml"), "{}", stderr(&output));
    assert!(!folder.0.join("studies").exists() && !folder.0.join("runs").exists());

    // A folder of another study, of a series, of a run, of a damaged study.
    let small = |epochs: u32, seeds: u32| format!("{BASE}epochs = {epochs}\n[axes]\nseeds = {seeds}\n");
    fs::write(folder.file("s.toml"), small(1, 1)).unwrap();
    done(&sweep(&folder, "--out mine"));
    of(&small(1, 2), "--out mine", 1, "mine belongs to another study, 's' (");
    let run = fs::read_dir(folder.file("runs")).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    of(&small(1, 2), &format!("--out runs/{run}"), 1, "is the folder of a run; a study needs another --out");
    fs::create_dir(folder.file("damaged")).unwrap();
    fs::write(folder.file("damaged/summary.json"), "{ broken").unwrap();
    of(&small(1, 2), "--out damaged", 1, "damaged cannot be the study's folder; choose another --out");
    fs::write(folder.file("file"), "x").unwrap();
    of(&small(1, 2), "--out file/x", 1, "nothing can be written into the folder file/x");
    assert_eq!(fs::read(folder.file("damaged/summary.json")).unwrap(), b"{ broken");
}

/// Thousands of made-up runs are collected in seconds.
#[test]
fn thousands_of_runs_are_collected_at_once() {
    const RUNS: usize = 3000;
    const LIMIT: Duration = Duration::from_secs(20);
    let folder = Folder::new("thousands");
    let epochs: Vec<String> = (1..=100).map(|epochs| epochs.to_string()).collect();
    let axes = format!("[axes]\nseeds = 10\nepochs = [{}]\nlearners = [\"dense\", \"set@0.2\", \"rigl@0.1\"]\n", epochs.join(", "));
    fs::write(folder.file("s.toml"), format!("{BASE}{axes}")).unwrap();
    let plan: Value = serde_json::from_slice(&sweep(&folder, "--dry-run --json").stdout).unwrap();
    let runs = plan["runs"].as_array().unwrap();
    assert_eq!(runs.len(), RUNS);
    // One real run is what all others look like.
    done(&sweep(&folder, &format!("--only {}", runs[0]["hash"].as_str().unwrap())));
    let real = json(&folder.0.join(runs[0]["folder"].as_str().unwrap()).join("summary.json"));
    for (i, run) in runs.iter().enumerate().skip(1) {
        let mut summary = real.clone();
        (summary["config_hash"], summary["config"]) = (run["hash"].clone(), run["config"].clone());
        let learner = &mut summary["summary"]["learners"][0];
        learner["name"] = run["config"]["learners"][0].clone();
        learner["test"]["accuracy"] = (0.5 + 0.1 * ((i * 7919) % 101) as f64 / 101.0).into();
        let path = folder.0.join(run["folder"].as_str().unwrap());
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("summary.json"), format!("{summary:#}\n")).unwrap();
    }
    let began = Instant::now();
    let output = sweep(&folder, "--collect");
    let took = began.elapsed();
    done(&output);
    println!("{RUNS} runs collected in {took:?}");
    assert!(took < LIMIT, "{took:?}");
    let mut text = String::new();
    fs::File::open(only_study(&folder).join("study.csv")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(",test,")).count(), RUNS);
    let summary = json(&only_study(&folder).join("summary.json"));
    // Two sparse learners under 100 conditions.
    assert_eq!(summary["differences"].as_array().unwrap().len(), 200);
    assert!(summary["verdict"].as_str().unwrap().contains("Holm's correction allows for all 200 comparisons"), "{}", summary["verdict"]);
}
