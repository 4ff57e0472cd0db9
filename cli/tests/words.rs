//! What the program says and how it ends: pipes, names that would harm a terminal, defaults beside a file, exit codes, warnings.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{Folder, stderr, stdout};
use serde_json::Value;
use sparring_core::formats::{StateDict, Tensor, safetensors};

/// Exit code 2, and these words on standard error.
fn refused(folder: &Folder, arguments: &str, words: &str) {
    let output = folder.command(arguments).output().unwrap();
    assert!(output.status.code() == Some(2) && stderr(&output).contains(words), "{arguments}: {:?} {}", output.status, stderr(&output));
}

fn done(output: &std::process::Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_failure_and_a_full_disk_is_one() {
    let folder = Folder::new("pipes");
    fs::create_dir(folder.file("runs")).unwrap();
    for arguments in [
        "catalog",
        "completions bash",
        "data list",
        "data list --json",
        "runs list",
        "runs list --json",
        "subset --dataset builtin --subset random:0.5 --out -",
        "--help",
        "--version",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = folder.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}: {}", stderr(&output));
        assert!(!stderr(&output).contains("error"), "{arguments}: {}", stderr(&output));
        if let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") {
            let output = folder.command(arguments).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{arguments}: {}", stderr(&output));
            assert!(stderr(&output).contains("error: writing to standard output: "), "{arguments}: {}", stderr(&output));
        }
    }
}

#[test]
fn what_files_hold_is_said_in_one_line_that_harms_no_terminal() {
    let folder = Folder::new("harmless");
    let evil = format!("a\u{1b}[31mred\nline{}", "x".repeat(5000));
    let mut state = StateDict::default();
    state.tensors.insert(evil.clone(), Tensor { shape: vec![1], data: vec![0.0] });
    fs::write(folder.file("evil.safetensors"), safetensors::write(&state).unwrap()).unwrap();
    fs::write(folder.file("evil.csv"), format!("\"{evil}\"\n1\n")).unwrap();
    fs::write(folder.file("cell.csv"), "loss\n\"\u{1b}[31m\n\"\n").unwrap();
    fs::write(folder.file("evil.toml"), "\"a\\u001b[31m\\nb\" = 1\n").unwrap();
    fs::write(folder.file("value.toml"), "model = \"\\u001b[31m\\nb\"\n").unwrap();
    for arguments in [
        "import evil.safetensors --model tiny --out x.safetensors",
        "score --dataset builtin --from evil.csv",
        "score --dataset builtin --from cell.csv",
        "race --config evil.toml",
        "race --config value.toml",
        "race --config a\u{1b}[31mb.toml",
    ] {
        let output = folder.command(arguments).output().unwrap();
        let said = stderr(&output);
        let line = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{arguments}: {said}"));
        assert!(said.ends_with(&format!("{line}\n")), "one line, and the last: {said}");
        assert!(!said.contains('\u{1b}') && said.contains('\u{fffd}'), "{arguments}: {said:?}");
        assert!(line.chars().count() < 1000, "{arguments}: {} characters", line.chars().count());
    }
}

#[test]
fn a_refused_state_dict_is_told_in_its_own_names() {
    let folder = Folder::new("capitals");
    let mut state = StateDict::default();
    for name in ["CONV1.WEIGHT", "BN1.WEIGHT", "BN1.BIAS", "FC.WEIGHT"] {
        state.tensors.insert(name.to_owned(), Tensor { shape: vec![1], data: vec![0.0] });
    }
    fs::write(folder.file("capitals.safetensors"), safetensors::write(&state).unwrap()).unwrap();
    let output = folder.command("import capitals.safetensors --model tiny --out x.safetensors").output().unwrap();
    let said = stderr(&output);
    assert!(output.status.code() == Some(1) && said.contains("BN1.BIAS, BN1.WEIGHT, CONV1.WEIGHT, FC.WEIGHT"), "{said}");
}

#[test]
fn train_keeps_its_own_defaults_beside_a_file() {
    let folder = Folder::new("beside");
    fs::write(folder.file("empty.toml"), "").unwrap();
    fs::write(folder.file("some.toml"), "dataset = \"Built-In\"\nmodel = \"tiny\"\ndevice = \"CPU\"\nsubset = \"ALL\"\nlimit_train = 48\n")
        .unwrap();
    let small = "--dataset builtin --model tiny --subset all --limit-train 48 --device cpu";
    for more in [format!("--config empty.toml {small} --out a"), "--config some.toml --out b".to_owned()] {
        let output = folder.command(&format!("train {more} --epochs 1 --limit-test 40 --json --quiet")).output().unwrap();
        done(&output);
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&summary["config"]["learners"], &summary["config"]["control"]), (&serde_json::json!(["set@0.2"]), &Value::from(false)));
    }
}

#[test]
fn what_is_asked_wrongly_is_told_from_what_is_damaged() {
    let folder = Folder::new("codes");
    done(&folder.race("--learners set@0.3 --epochs 1 --out sparse").output().unwrap());
    done(&folder.race("--learners dense --epochs 1 --seeds 2 --out sweep").output().unwrap());
    done(&folder.race("--learners dense --epochs 1 --seeds 2").output().unwrap());
    let tiny = "--dataset builtin --model tiny --device cpu --epochs 1 --limit-train 48 --limit-test 40";
    fs::create_dir(folder.file("folder.csv")).unwrap();
    let weights = "sparse/set@0.3.best.safetensors";
    done(&folder.command(&format!("import {weights} --model tiny --out imported.safetensors")).output().unwrap());
    let child = format!("train {tiny} --subset all --method lth --density 0.3 --out x");
    for (arguments, words) in [
        (format!("{child} --parent {weights}"), "trained as set@0.3"),
        (format!("{child} --parent imported.safetensors"), "trained as set@0.3"),
        (format!("race {tiny} --subset all --p-data 1e-9 --out x"), "p_data"),
        ("race --model lenet-5 --dataset builtin --subset all --device cpu --out x".into(), "lenet-5 takes 28x28"),
        ("race --model lenet-5 --dataset builtin --device cpu --out x".into(), "lenet-5 takes 28x28"),
        ("subset --dataset builtin --subset random:0.000001".into(), "keeps 0 of 9000"),
        (format!("import {weights} --model tiny --width nan --out new"), "width must be from 0.01 to 8, found NaN"),
        (format!("import {weights} --model tiny --mean -.5,.5,.5 --std .2,.2,.2 --out new"), "found mean -0.5,0.5,0.5"),
        (format!("attack --checkpoint {weights} --data builtin --device cpu --eps -8/255"), "eps must be from 0 to 1"),
        ("subset --dataset builtin --subset random:0.1 --out folder.csv".into(), "is a folder; name a file in it"),
        (format!("race {tiny} --column loss"), "--column loss names a column of --scores"),
        (format!("train {tiny} --subset all --method lth --density 0.3 --parent sparse --out x"), "has no dense learner; it has set@0.3"),
        (format!("train {tiny} --subset all --method lth --density 0.3 --parent sweep --out x"), "sweep is a series"),
        ("eval --checkpoint sweep --data builtin".into(), "sweep is a series"),
        ("runs show sweep".into(), "name one of its runs: runs/tiny-dense-"),
        ("runs compare sweep sparse".into(), "sweep is a series"),
        ("runs show series-tiny".into(), "series/series-tiny-dense-"),
    ] {
        refused(&folder, &arguments, words);
    }
    assert!(!folder.0.join("x").exists(), "a run that is refused leaves no folder");
    fs::create_dir(folder.file("damaged")).unwrap();
    fs::write(folder.file("damaged/summary.json"), "{ broken").unwrap();
    let output = folder.command("eval --checkpoint damaged --data builtin").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error: damaged/summary.json is damaged") && stderr(&output).lines().count() == 1);
    // A run's folder stands for its dense weights.
    let parent = fs::read_dir(folder.file("runs")).unwrap().flatten().next().unwrap().file_name().into_string().unwrap();
    let output = folder.race(&format!("--learners lth@0.3 --epochs 1 --parent runs/{parent} --out child")).output().unwrap();
    done(&output);
    assert!(stdout(&output).contains(&format!("parent    runs/{parent}/dense.best.safetensors")), "{}", stdout(&output));

    // What programs read of a run is the same in a list and alone, but for its files.
    let json = |arguments: &str| -> Value { serde_json::from_slice(&folder.command(arguments).output().unwrap().stdout).unwrap() };
    let listed = json("runs list --in . --json");
    let listed = listed["runs"].as_array().unwrap().iter().find(|run| run["run"] == "sparse").unwrap();
    let mut shown = json("runs show sparse --json");
    assert!(shown["files"].is_array() && listed["settings"]["model"] == "tiny" && listed["summary"]["commit"].is_string());
    shown["files"] = Value::Null;
    let (mut listed, mut alone) = (listed.clone(), shown);
    (listed["path"], alone["path"], listed["files"]) = (Value::Null, Value::Null, Value::Null);
    assert_eq!(listed, alone);

    // A run that a process is at work in is running, in whatever words.
    let lock = fs::OpenOptions::new().write(true).open(folder.file("sparse/.lock")).unwrap();
    lock.lock().unwrap();
    let output = folder.command("runs export sparse --out sparse.json").output().unwrap();
    done(&output);
    assert!(stdout(&output).contains("(running, 1 of 1 epochs)"), "{}", stdout(&output));
}

#[test]
fn a_subset_without_some_classes_says_so() {
    let folder = Folder::new("missing");
    let of = |more: &str| folder.command(&format!("subset --dataset builtin --subset random:0.0004 {more}")).output().unwrap();
    let output = of("");
    done(&output);
    assert!(stdout(&output).contains("warning   the training samples of random:0.0004 have no image of "), "{}", stdout(&output));
    let summary: Value = serde_json::from_slice(&of("--json").stdout).unwrap();
    assert_eq!(summary["warnings"].as_array().unwrap().len(), 1);
    let output = folder.command("subset --dataset builtin --subset random:0.5 --out HALF.NPY --json").output().unwrap();
    done(&output);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(summary["warnings"].as_array().unwrap().is_empty() && fs::read(folder.file("HALF.NPY")).unwrap().starts_with(b"\x93NUMPY"));
}

#[test]
fn a_race_of_full_size_without_a_gpu_says_what_is_smaller() {
    let folder = Folder::new("large");
    fs::write(folder.file("file"), "x").unwrap();
    for more in ["--learners dense", "--preset paper", "--seeds 2"] {
        let output = folder.command(&format!("race --device cpu {more} --out file/run")).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stdout(&output).contains("no GPU here, and nothing makes this race smaller"), "{more}: {}", stdout(&output));
    }
    let output = folder.race("--learners dense --epochs 1 --out file/run").output().unwrap();
    assert!(!stdout(&output).contains("no GPU here"), "{}", stdout(&output));
}

#[cfg(unix)]
#[test]
fn what_takes_long_says_how_long_before_it_begins() {
    let folder = Folder::new("long");
    let race = "race --dataset builtin --model resnet20 --subset all --control false --batch-size 16 --epochs 5000 --device cpu";
    for (more, what) in [("--out run", "for the run without a GPU"), ("--seeds 2", "for the 2 runs that are left without a GPU")] {
        let mut child = folder.command(&format!("{race} {more}")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let said = lines.by_ref().find(|line| line.starts_with("estimate") || line.starts_with("device")).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(said.starts_with("estimate  about ") && said.contains(what), "{said}");
        assert!(said.contains("shorter with fewer --epochs"), "{said}");
    }
    let output = folder.race("--learners dense --epochs 1 --out short").output().unwrap();
    assert!(!stdout(&output).contains("estimate"), "{}", stdout(&output));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_whatever_takes_long_and_leaves_nothing_by_halves() {
    let folder = Folder::new("signals");
    done(&folder.race("--learners dense --epochs 1 --out run").output().unwrap());
    fs::create_dir(folder.file("there")).unwrap();
    fs::write(folder.file("there/fog.npy"), "of an earlier time").unwrap();
    let eval = "eval --checkpoint run --data builtin --device cpu --corruptions --csv x.csv";
    for (signal, command, begun) in [
        ("-TERM", "corrupt --dataset builtin --out new/deep", "gaussian-noise"),
        ("-INT", "corrupt --dataset builtin --out there", "gaussian-noise"),
        ("-TERM", eval, "gaussian-noise"),
    ] {
        let mut child = folder.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.by_ref().any(|line| line.starts_with(begun)), "{command}");
        assert!(std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        lines.for_each(drop);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{command}: {}", stderr(&output));
        assert!(stderr(&output).contains("\nstopped; "), "{command}: {}", stderr(&output));
    }
    assert!(!folder.0.join("new").exists() && !folder.0.join("x.csv").exists());
    let left: Vec<_> = fs::read_dir(folder.file("there")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!((left, fs::read_to_string(folder.file("there/fog.npy")).unwrap().as_str()), (vec!["fog.npy".into()], "of an earlier time"));
    // To the end it replaces what was there, and what a killed process left goes.
    fs::create_dir(folder.file("there/.sparring.partial")).unwrap();
    done(&folder.command("corrupt --dataset builtin --limit 10 --corruption fog --out there").output().unwrap());
    let mut left: Vec<_> = fs::read_dir(folder.file("there")).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["fog.npy", "labels.npy"]);
    assert!(fs::read(folder.file("there/fog.npy")).unwrap().starts_with(b"\x93NUMPY"));
}

/// `script` gives a program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn tables_fit_the_terminal() {
    let folder = Folder::new("narrow");
    done(&folder.race("--learners dense --epochs 1 --out run").output().unwrap());
    let of = "--checkpoint run --data builtin --device cpu --limit 10";
    for (command, table) in [
        (format!("attack {of} --attack fgsm"), "attack "),
        (format!("attack {of} --attack apgd-ce --eps 0"), "part "),
        (format!("eval {of} --corruptions"), "error "),
        ("score --dataset builtin --model tiny --epochs 1 --skip grand,forgetting --device cpu".to_owned(), "score "),
    ] {
        let program = format!("stty cols 44 rows 30; {} {command} --quiet", env!("CARGO_BIN_EXE_sparring"));
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &program, "/dev/null"]).current_dir(&folder.0).env("SPARRING_DATA", folder.file("data")).stdin(Stdio::null());
        let Ok(output) = script.output() else {
            println!("skipped: not present: script");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        let (_, rows) =
            text.split_once(&format!("\n{table}")).or_else(|| text.split_once(table)).unwrap_or_else(|| panic!("{command}: {text}"));
        let rule = rows.lines().nth(1).unwrap();
        assert!(rule.starts_with("--") && rule.chars().count() <= 44, "{command}: {text}");
        assert!(rows.lines().take_while(|line| !line.trim().is_empty()).all(|line| line.chars().count() <= 44), "{command}: {text}");
    }
}
