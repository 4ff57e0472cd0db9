//! Runs as a person has them: stopped, killed, gone on with, skipped when finished, listed and compared.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, sparring, stderr, stdout};
use serde_json::Value;
use sparring_core::Event;
use sparring_core::record::run_file::RunFile;
use sparring_core::train::checkpoint::Checkpoint;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
}

/// The results of a run: the summary's, and every epoch's and topology update's by learner, all without times. Whose turn it
/// was is no result.
fn results(run: &Path) -> (Value, BTreeMap<u64, Vec<Value>>) {
    let mut summary = json(&run.join("summary.json"));
    assert_eq!(summary["stopped"], false);
    let mut summary = std::mem::take(&mut summary["summary"]);
    for learner in summary["learners"].as_array_mut().unwrap() {
        learner.as_object_mut().unwrap().remove("ms_per_step").unwrap();
    }
    let mut events: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for line in std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        if ["epoch_end", "topology_changed"].contains(&event["event"].as_str().unwrap()) {
            event.as_object_mut().unwrap().remove("seconds");
            events.entry(event["learner"].as_u64().unwrap()).or_default().push(event);
        }
    }
    (summary, events)
}

/// The weights in a run's folder, without their metadata (which holds a date).
fn weights(run: &Path) -> BTreeMap<String, sparring_core::formats::StateDict> {
    let files = std::fs::read_dir(run).unwrap().map(|e| e.unwrap().path());
    let files = files.filter(|p| p.extension().is_some_and(|e| e == "safetensors"));
    files
        .map(|path| {
            let mut state = sparring_core::formats::safetensors::read(&std::fs::read(&path).unwrap(), "weights").unwrap();
            assert!(!state.metadata["config_hash"].is_empty() && !state.metadata["commit"].is_empty());
            state.metadata.clear();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), state)
        })
        .collect()
}

#[test]
fn a_race_leaves_a_complete_run_and_is_not_run_again() {
    let folder = Folder::new("race");
    let run = |more: &str| folder.race(&format!("--epochs 2 --out run {more}")).output().unwrap();
    let output = run("");
    done(&output);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("settings  ") && lines[0].contains("model=tiny") && !lines[0].contains("lr="), "{text}");
    assert_eq!((lines[1], *lines.last().unwrap()), ("output    run", "output    run"));
    assert_eq!(lines.iter().filter(|l| l.starts_with("epoch ")).count(), 4, "one line an epoch and learner: {text}");
    let mut names: Vec<_> =
        std::fs::read_dir(folder.0.join("run")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            ".lock",
            "config.toml",
            "dense.best.safetensors",
            "dense.safetensors",
            "metrics.jsonl",
            "report.html",
            "set@0.2.best.safetensors",
            "set@0.2.safetensors",
            "summary.json"
        ]
    );
    let summary = json(&folder.0.join("run/summary.json"));

    // The same again: said, not run.
    let again = run("--json");
    done(&again);
    assert!(stderr(&again).contains("--again runs it again"));
    let said: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&said["date"], said["run"].as_str()), (&summary["date"], Some("run")));
    let again = stdout(&run(""));
    assert!(again.contains("set@0.2") && again.ends_with("output    run\n") && !again.lines().any(|l| l.starts_with("epoch ")), "{again}");

    // Another configuration does not touch it; asked to, it replaces it.
    let other = run("--lr 0.05");
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("holds another run: lr was 0.1 and is 0.05"), "{}", stderr(&other));
    assert_eq!(json(&folder.0.join("run/summary.json")), summary);
    let before = (results(&folder.0.join("run")), weights(&folder.0.join("run")));
    done(&run("--again"));
    assert!((results(&folder.0.join("run")), weights(&folder.0.join("run"))) == before, "the same configuration gives the same numbers");

    let output = sparring(&[
        "eval",
        "--checkpoint",
        &folder.file("run/dense.safetensors"),
        "--data",
        "builtin",
        "--limit",
        "40",
        "--device",
        "cpu",
        "--json",
    ]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let accuracy = summary["summary"]["learners"][0]["test"]["accuracy"].as_f64().unwrap();
    assert!((json["clean_accuracy"].as_f64().unwrap() - accuracy).abs() < 1e-12, "a checkpoint scores what its run said");
}

#[test]
fn train_takes_a_method_and_names_its_folder_by_it() {
    let folder = Folder::new("method");
    let small = "--dataset builtin --model tiny --preset paper --limit-train 16 --limit-test 20 --epochs 1 --device cpu";
    done(&folder.command(&format!("train --method rigl --density 0.3 {small}")).output().unwrap());
    let run = std::fs::read_dir(folder.0.join("runs")).unwrap().next().unwrap().unwrap();
    assert!(run.file_name().to_str().unwrap().starts_with("tiny-rigl-"), "{run:?}");
    let summary = json(&run.path().join("summary.json"));
    assert_eq!((summary["learners"][0]["name"].as_str(), summary["config"]["subset"].as_str()), (Some("rigl@0.3"), Some("all")));
}

#[cfg(unix)]
#[test]
fn a_signal_stops_cleanly_and_the_same_command_goes_on() {
    let folder = Folder::new("signal");
    let whole = folder.race("--epochs 40 --out whole").output().unwrap();
    done(&whole);
    let mut stops = 0;
    for signal in ["-INT", "-TERM"] {
        let mut child = folder.race("--epochs 40 --out run").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.by_ref().any(|l| l.starts_with("epoch ")));
        assert!(std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert!(lines.any(|l| l == "output    run"));
        let output = child.wait_with_output().unwrap();
        if output.status.code() == Some(0) {
            break; // It was through before the signal came.
        }
        stops += 1;
        assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
        assert!(stderr(&output).contains("the same command goes on from there"), "{}", stderr(&output));
        let summary = json(&folder.0.join("run/summary.json"));
        assert_eq!(summary["stopped"], true);
        for name in ["checkpoint.safetensors", "set@0.2.safetensors", "report.html"] {
            assert!(folder.0.join("run").join(name).exists(), "{name}");
        }
        let listed: Value = serde_json::from_slice(&folder.command("runs list --in . --json").output().unwrap().stdout).unwrap();
        let state = |name: &str| listed["runs"].as_array().unwrap().iter().find(|r| r["run"] == name).unwrap()["state"].clone();
        assert_eq!((state("run"), state("whole")), (Value::from("stopped"), Value::from("finished")));
    }
    assert!(stops > 0, "no signal came in time");
    let output = folder.race("--epochs 40 --out run").output().unwrap();
    done(&output);
    assert!(results(&folder.0.join("run")) == results(&folder.0.join("whole")));
    assert!(weights(&folder.0.join("run")) == weights(&folder.0.join("whole")));
    assert!(!folder.0.join("run/checkpoint.safetensors").exists());
}

/// A small generator of delays; the same every time, unlike what they hit.
struct Delays(u64);

impl Delays {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn killed_at_any_moment_a_run_loses_at_most_its_current_epoch() {
    const KILLS: usize = 50;
    let folder = Folder::new("kill");
    let command = "--epochs 60 --learners dense,set@0.2,rigl@0.3+masked";
    let began = Instant::now();
    done(&folder.race(&format!("{command} --checkpoint-every 0 --out whole")).output().unwrap());
    // Within the first epochs, however long they take on this machine.
    let longest = (began.elapsed().as_millis() as u64 / 8).max(250);
    let whole = (results(&folder.0.join("whole")), weights(&folder.0.join("whole")));
    let mut delays = Delays(3);
    let (mut kills, mut resumed, mut finished, mut kept) = (0, 0, 0, 0);
    let run = folder.0.join("run");
    let began = Instant::now();
    loop {
        let mut child = folder.race(&format!("{command} --out run")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let text = child.stdout.take().unwrap();
        let (ready, begun) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(text).lines().map_while(Result::ok);
            // The device is opened when everything else is at hand: from here on a run is in its folder.
            let told = lines.inspect(|line| {
                if line.starts_with("device ") {
                    let _ = ready.send(());
                }
            });
            told.collect::<Vec<_>>()
        });
        let last = kills == KILLS;
        if !last {
            if kills % 10 != 0 {
                begun.recv().unwrap();
            }
            std::thread::sleep(Duration::from_millis(delays.next(longest)));
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        let lines = reader.join().unwrap();
        resumed += usize::from(lines.iter().any(|l| l.starts_with("resumed ")));
        kills += usize::from(!last);
        assert!(!last || status.success());
        // A kill may come between the summary and the end of the process: finished is what the summary says.
        if run.join("summary.json").exists() && json(&run.join("summary.json"))["stopped"] == false {
            assert!((results(&run), weights(&run)) == whole);
            if last {
                break;
            }
            finished += 1;
            std::fs::remove_dir_all(&run).unwrap();
            kept = 0;
            continue;
        }
        // Every epoch that all three learners had said is in the checkpoint, but for the last one said.
        let said = |name: &str| lines.iter().filter(|l| l.starts_with("epoch ") && l.contains(&format!("  {name} "))).count();
        let said = ["dense", "set@0.2", "rigl@0.3+masked"].map(said).into_iter().min().unwrap();
        match std::fs::read(run.join("checkpoint.safetensors")) {
            Ok(bytes) => {
                let record = Checkpoint::read(&bytes).unwrap().record;
                let epochs = record.learners.iter().map(|l| l.epoch).min().unwrap() as usize;
                assert!(epochs + 1 >= kept + said, "{epochs} kept, {kept} + {said} said");
                kept = epochs;
                // The first summary follows the first checkpoint.
                if run.join("summary.json").exists() {
                    assert_eq!(json(&run.join("summary.json"))["config_hash"].as_str(), Some(record.config_hash.as_str()));
                }
            }
            Err(_) => assert!(said <= 1, "{said} epochs said, and no checkpoint"),
        }
    }
    println!("{kills} kills in {:?}: {resumed} resumed, {finished} finished in between", began.elapsed());
    assert!(resumed > KILLS / 4, "only {resumed} of {KILLS} were resumed");
}

#[test]
fn what_cannot_be_gone_on_with_is_refused_and_again_starts_over() {
    let folder = Folder::new("refuse");
    let run = folder.0.join("run");
    let race = |more: &str| folder.race(&format!("--epochs 30 --out run {more}")).output().unwrap();
    let mut child = folder.race("--epochs 30 --out run").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|l| l.starts_with("epoch   4")));
    // Two at a time would write over each other.
    let second = race("");
    let running: Value = serde_json::from_slice(&folder.command("runs show run --in . --json").output().unwrap().stdout).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("is training into run"), "{}", stderr(&second));
    assert_eq!(running["state"], "running");

    let checkpoint = run.join("checkpoint.safetensors");
    let bytes = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    let output = race("");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("damaged") && stderr(&output).contains("--again"), "{}", stderr(&output));
    std::fs::write(&checkpoint, &bytes).unwrap();
    let metrics = std::fs::read(run.join("metrics.jsonl")).unwrap();
    std::fs::write(run.join("metrics.jsonl"), &metrics[..100]).unwrap();
    let output = race("");
    assert!(stderr(&output).contains("metrics.jsonl") && stderr(&output).contains("--again"), "{}", stderr(&output));
    done(&race("--again"));
    done(&folder.race("--epochs 30 --out whole --checkpoint-every 0").output().unwrap());
    assert!(results(&run) == results(&folder.0.join("whole")));
    // Someone's folder of other things is left alone.
    std::fs::create_dir(folder.0.join("home")).unwrap();
    std::fs::write(folder.0.join("home/thesis.txt"), "x").unwrap();
    let output = folder.race("--epochs 1 --again --out home").output().unwrap();
    assert!(output.status.code() == Some(1) && stderr(&output).contains("thesis.txt"), "{}", stderr(&output));
}

#[test]
fn runs_are_listed_shown_and_compared() {
    let folder = Folder::new("runs");
    done(&folder.race("--epochs 1").output().unwrap());
    done(&folder.race("--epochs 2 --lr 0.05").output().unwrap());
    let list = |more: &str| folder.command(&format!("runs list {more}")).output().unwrap();
    let listed: Value = serde_json::from_slice(&list("--json --csv runs.csv").stdout).unwrap();
    let runs = listed["runs"].as_array().unwrap();
    assert_eq!((runs.len(), listed["skipped"].as_array().unwrap().len()), (2, 0));
    assert!(runs[0]["date"].as_str() >= runs[1]["date"].as_str(), "newest first");
    let of = |epochs: u64| runs.iter().find(|r| r["config"]["epochs"] == epochs).unwrap();
    assert_eq!((&of(2)["state"], &of(2)["epochs_done"]), (&Value::from("finished"), &Value::from(2)));
    let csv = std::fs::read_to_string(folder.file("runs.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "a row a learner: {csv}");
    assert!(csv.lines().all(|l| l.split(',').count() == csv.lines().next().unwrap().split(',').count()), "{csv}");

    let name = |run: &Value| run["run"].as_str().unwrap().to_owned();
    let (one, two) = (name(of(1)), name(of(2)));
    let hash = two.rsplit('-').next().unwrap();
    let shown = stdout(&folder.command(&format!("runs show {hash}")).output().unwrap());
    for part in ["finished, 2 of 2 epochs", "lr=0.05", "set@0.2", "best by", "report.html"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown: Value = serde_json::from_slice(&folder.command(&format!("runs show runs/{two} --json")).output().unwrap().stdout).unwrap();
    assert_eq!(shown["settings"]["lr"], 0.05);
    assert!(shown["settings"]["momentum"].is_null() && shown["summary"]["commit"].is_string());

    let compared = folder.command(&format!("runs compare {one} {two} --csv both.csv")).output().unwrap();
    let text = stdout(&compared);
    let line = |start: &str| text.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}")).to_owned();
    assert_eq!(line("lr ").split_whitespace().collect::<Vec<_>>(), ["lr", "0.1", "0.05"]);
    assert_eq!(line("epochs ").split_whitespace().collect::<Vec<_>>(), ["epochs", "1", "2"]);
    assert!(!text.contains("momentum"));
    let accuracy = 100.0 * of(1)["learners"][1]["test"]["accuracy"].as_f64().unwrap();
    assert!(line("set@0.2, test").contains(&format!("{accuracy:.2}%")), "{text}");
    assert!(std::fs::read_to_string(folder.file("both.csv")).unwrap().lines().next().unwrap().contains(",lr,"));

    let nobody = folder.command("runs show nobody").output().unwrap();
    assert!(nobody.status.code() == Some(1) && stderr(&nobody).contains("no run in runs"), "{}", stderr(&nobody));
    let both = folder.command("runs show tiny").output().unwrap();
    assert!(stderr(&both).contains("could be"), "{}", stderr(&both));
    assert_eq!(folder.command("runs list --in nowhere").output().unwrap().status.code(), Some(1));

    // One file of a run, as the page opens it.
    let exported = folder.command(&format!("runs export {two} --out shared/two.json --json")).output().unwrap();
    done(&exported);
    let bytes = std::fs::read(folder.file("shared/two.json")).unwrap();
    let file = RunFile::read(&bytes).unwrap();
    assert_eq!((file.name.as_str(), file.config.epochs, file.extent()), (two.as_str(), 2, (2, true)));
    assert!(file.config_hash == hash && bytes.len() < 20_000, "{}", bytes.len());
    let lines = std::fs::read_to_string(folder.0.join("runs").join(&two).join("metrics.jsonl")).unwrap();
    let ends = lines.lines().filter(|l| l.starts_with("{\"event\":\"epoch_end\"")).count();
    assert_eq!(file.events.iter().filter(|e| matches!(e, Event::EpochEnd { .. })).count(), ends);
    let said: Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!((said["bytes"].as_u64(), said["weights"].as_array().map(Vec::len)), (Some(bytes.len() as u64), Some(0)));
    std::fs::remove_file(folder.0.join("runs").join(&one).join("summary.json")).unwrap();
    let early = folder.command(&format!("runs export {one} --out x.json")).output().unwrap();
    assert!(early.status.code() == Some(1) && stderr(&early).contains("first checkpoint"), "{}", stderr(&early));
    assert!(!folder.0.join("x.json").exists());

    // Damaged folders are named; hundreds are listed at once.
    for (name, file, text) in [
        ("no-config", "summary.json", "{}"),
        ("bad-config", "config.toml", "epochs = ["),
        ("bad-summary", "summary.json", "{\"stopped\": fal"),
        ("other-version", "config.toml", "version = 99\nsomething = \"new\"\n"),
    ] {
        let path = folder.0.join("runs").join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join(file), text).unwrap();
    }
    std::fs::write(folder.0.join("runs/bad-summary/config.toml"), "epochs = 3\n").unwrap();
    std::fs::write(folder.0.join("runs/notes.txt"), "not a run").unwrap();
    for i in 0..300 {
        let path = folder.0.join(format!("runs/copy-{i}"));
        std::fs::create_dir(&path).unwrap();
        for file in ["config.toml", "summary.json"] {
            std::fs::copy(folder.0.join("runs").join(&two).join(file), path.join(file)).unwrap();
        }
    }
    let began = Instant::now();
    let output = list("");
    let took = began.elapsed();
    done(&output);
    let text = stdout(&output);
    for name in ["no-config", "bad-config", "bad-summary"] {
        assert!(text.lines().any(|l| l.starts_with("skipped ") && l.contains(name)), "{name}: {text}");
    }
    assert!(text.contains("copy-299") && text.contains("other-version"));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn other_seeds_go_beside_a_run_in_brief_and_other_experiments_do_not() {
    let folder = Folder::new("beside");
    for (seed, epochs, out) in [(15, 2, "first"), (16, 2, "second"), (15, 1, "shorter")] {
        done(&folder.race(&format!("--epochs {epochs} --seed {seed} --out {out}")).output().unwrap());
    }
    let export = |more: &str| {
        let out = if more.contains("--out") { "" } else { "--out all.json" };
        folder.command(&format!("runs export first --in . {out} {more}")).output().unwrap()
    };
    done(&export("--beside second --name Both"));
    let runs = RunFile::read_all(&std::fs::read(folder.file("all.json")).unwrap()).unwrap();
    let said: Vec<_> = runs.iter().map(|run| (run.name.as_str(), run.config.seed, run.extent())).collect();
    assert_eq!(said, [("Both", 15, (2, true)), ("Both, seed 16", 16, (2, true))]);
    let steps = |run: &RunFile| run.events.iter().filter(|e| matches!(e, Event::Progress { .. } | Event::Topology { .. })).count();
    assert!(steps(&runs[0]) > 2 && steps(&runs[1]) == 0, "{} and {}", steps(&runs[0]), steps(&runs[1]));
    std::fs::remove_file(folder.file("all.json")).unwrap();
    for (others, why) in [
        ("--beside first", "seed 15 of"),
        ("--beside shorter", "is of another one"),
        ("--beside second --beside second", "seed 16 of"),
        ("--beside second --out second/summary.json", "is an input"),
    ] {
        let before = std::fs::read(folder.file("second/summary.json")).unwrap();
        let output = export(others);
        assert!(!output.status.success() && stderr(&output).contains(why), "{others}: {}", stderr(&output));
        assert!(!folder.0.join("all.json").exists() && std::fs::read(folder.file("second/summary.json")).unwrap() == before);
    }
}

#[test]
fn weights_are_exported_in_half_the_space() {
    let folder = Folder::new("halved");
    done(&folder.race("--epochs 2 --out run").output().unwrap());
    let export = |more: &str| folder.command(&format!("runs export run --in . {more}")).output().unwrap();
    let output = export("--out shared/run.json --weights shared/weights --json");
    done(&output);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["events"], RunFile::read(&std::fs::read(folder.file("shared/run.json")).unwrap()).unwrap().events.len());
    let read = |path: &str| std::fs::read(folder.0.join(path)).unwrap();
    let state = |bytes: &[u8]| sparring_core::formats::safetensors::read(bytes, "weights").unwrap();
    for (place, name) in ["dense", "set@0.2"].into_iter().enumerate() {
        let (full, half) = (read(&format!("run/{name}.safetensors")), read(&format!("shared/weights/{name}.safetensors")));
        println!("{name}: {} bytes of {}", half.len(), full.len());
        assert!(half.len() < full.len() * 6 / 10, "{} of {}", half.len(), full.len());
        let written = &said["weights"][place];
        assert_eq!((&written["file"], &written["bytes"]), (&format!("shared/weights/{name}.safetensors").into(), &half.len().into()));
        let (full, half) = (state(&full), state(&half));
        assert_eq!((&half.metadata, half.metadata["learner"].as_str()), (&full.metadata, name));
        for (tensor, full) in &full.tensors {
            let close = |(a, b): (&f32, &f32)| (a - b).abs() <= a.abs() / 256.0 && (*a == 0.0) == (*b == 0.0);
            assert!(full.data.iter().zip(&half.tensors[tensor].data).all(close), "{name}, {tensor}");
        }
    }
    let eval = |weights: &str| {
        let output =
            folder.command(&format!("eval --checkpoint {weights} --data builtin --limit 40 --device cpu --json")).output().unwrap();
        done(&output);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["loss"].as_f64().unwrap()
    };
    let (full, half) = (eval("run/set@0.2.safetensors"), eval("shared/weights/set@0.2.safetensors"));
    assert!((full - half).abs() < 0.05 * full, "{full} {half}");
    // The run's own weights are never written over; only weights may be asked for, of a run that has some.
    let before = read("run/dense.safetensors");
    let own = export("--weights run");
    assert!(own.status.code() == Some(2) && stderr(&own).contains("--weights run/dense.safetensors is an input"), "{}", stderr(&own));
    assert!(read("run/dense.safetensors") == before);
    done(&export("--weights only"));
    assert!(read("only/dense.safetensors") == read("shared/weights/dense.safetensors"));
    for (more, words) in
        [("--weights -", "several files"), ("--weights x --tensorboard", "cannot be used"), ("--name x --weights x", "--out")]
    {
        let refused = export(more);
        assert!(refused.status.code() == Some(2) && stderr(&refused).contains(words), "{more}: {}", stderr(&refused));
    }
    let mut summary = json(&folder.0.join("run/summary.json"));
    summary.as_object_mut().unwrap().remove("weights");
    std::fs::write(folder.0.join("run/summary.json"), summary.to_string()).unwrap();
    let none = export("--out none.json --weights none");
    assert!(none.status.code() == Some(1) && stderr(&none).contains("has no weights"), "{}", stderr(&none));
    assert!(!folder.0.join("none.json").exists() && !folder.0.join("none").exists());
}
