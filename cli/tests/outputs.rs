//! Where results go and where they cannot: devices, pipes, standard output, inputs, folders that cannot be written; runs that fail.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{Folder, stderr, stdout};
use serde_json::Value;
use sparring_core::hardness::{ScoreName, Scores};

/// A small trained network in the folder, and where its weights are.
fn checkpoint(folder: &Folder) -> String {
    let output = folder.race("--learners dense --epochs 1 --out trained").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    "trained/dense.safetensors".to_owned()
}

fn ok(folder: &Folder, arguments: &str) -> std::process::Output {
    let output = folder.command(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments}: {}", stderr(&output));
    output
}

fn refused(folder: &Folder, arguments: &str, words: &[&str]) {
    let output = folder.command(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {}", stderr(&output));
    for part in words {
        assert!(stderr(&output).contains(part), "{arguments}: {}", stderr(&output));
    }
}

#[test]
fn an_output_that_is_an_input_is_refused_and_untouched() {
    let folder = Folder::new("inputs");
    let weights = checkpoint(&folder);
    let before = fs::read(folder.file(&weights)).unwrap();
    let eval = format!("eval --checkpoint {weights} --data builtin --limit 20 --device cpu");
    refused(&folder, &format!("{eval} --corruptions --csv {weights}"), &["--csv", "is an input, --checkpoint"]);
    let attack = format!("attack --checkpoint {weights} --data builtin --limit 4 --attack fgsm --device cpu");
    refused(&folder, &format!("{attack} --export ./trained/../{weights}"), &["--export", "is an input"]);
    refused(&folder, &format!("{attack} --export x.npy --sheet x.npy"), &["the same place"]);
    refused(&folder, &format!("import {weights} --model tiny --out {weights}"), &["is an input"]);
    refused(&folder, "runs --in . export trained --out trained/summary.json", &["is an input, the run"]);
    fs::write(folder.file("mine.csv"), "loss\n1\n").unwrap();
    refused(&folder, "score --dataset builtin --from mine.csv --out mine.safetensors", &["the table beside --out", "is an input, --from"]);
    refused(&folder, "subset --dataset builtin --subset loss-hard:0.5 --scores mine.csv --out mine.csv", &["is an input, --scores"]);
    let child = "--learners omp@0.5 --epochs 1 --out trained --again --parent trained/dense.safetensors";
    let output = folder.race(child).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("--parent trained/dense.safetensors lies in the run's folder"), "{}", stderr(&output));
    assert_eq!((fs::read(folder.file(&weights)).unwrap(), fs::read(folder.file("mine.csv")).unwrap()), (before, b"loss\n1\n".to_vec()));
}

#[test]
fn one_stream_goes_to_standard_output_alone() {
    let folder = Folder::new("stream");
    let weights = checkpoint(&folder);
    for name in ["-", "/dev/stdout"] {
        let output = ok(&folder, &format!("eval --checkpoint {weights} --data builtin --limit 20 --device cpu --corruptions --csv {name}"));
        assert!(
            stdout(&output).starts_with("corruption,severity,") && stdout(&output).lines().count() == 1 + 19 * 5,
            "{}",
            stdout(&output)
        );
        assert!(stderr(&output).contains("accuracy"), "words go beside");
    }
    let output = ok(&folder, "subset --dataset builtin --subset random:0.01 --out -");
    assert!(stdout(&output).starts_with("set,index,label\nsubset,"));
    let output = ok(&folder, "runs --in . export trained --out -");
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
    refused(&folder, "runs --in . list --csv - --json", &["--csv and --json"]);
    refused(&folder, "score --dataset builtin --out -", &["--out -: more than one stream"]);
    refused(&folder, "corrupt --dataset builtin --out -", &["--out - is standard output"]);
    let output = folder.race("--learners dense --epochs 1 --out -").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(!folder.0.join("-").exists());
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_written_through() {
    use std::os::unix::fs::FileTypeExt;
    let folder = Folder::new("through");
    ok(&folder, "corrupt --dataset builtin --corruption fog --sheet /dev/null");
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let fifo = folder.file("fifo.csv");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::read_to_string(fifo).unwrap()
    });
    ok(&folder, "subset --dataset builtin --subset random:0.01 --out fifo.csv");
    assert!(reader.join().unwrap().starts_with("set,index,label\n"));
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    // A full disk is a failure, and names the output.
    if Path::new("/dev/full").exists() {
        let output = folder.command("corrupt --dataset builtin --corruption fog --sheet /dev/full").output().unwrap();
        assert!(output.status.code() == Some(1) && stderr(&output).contains("/dev/full"), "{}", stderr(&output));
    }
}

#[test]
fn a_place_that_cannot_be_written_is_found_before_the_work() {
    let folder = Folder::new("places");
    fs::write(folder.file("file"), "x").unwrap();
    for arguments in ["--learners dense --epochs 1 --out file/run", "--learners dense --epochs 1 --seeds 2 --out file/series"] {
        let output = folder.race(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("nothing can be written into the folder") && !stdout(&output).contains("epoch "),
            "{}",
            stderr(&output)
        );
    }
    assert!(!folder.0.join("runs").exists() && !folder.0.join("series").exists(), "nothing is left of trying");
    let output = folder.command("score --dataset builtin --model tiny --epochs 1 --device cpu --out file/s.safetensors").output().unwrap();
    assert!(output.status.code() == Some(1) && !stdout(&output).contains("device"), "{}", stdout(&output));
}

#[test]
fn a_cache_that_cannot_be_written_is_a_warning() {
    let folder = Folder::new("cache");
    fs::write(folder.file("data"), "a file where the data folder should be").unwrap();
    let output = folder.race("--learners dense --epochs 1 --subset loss-hard:0.5 --out run").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    let (warned, scored) = (said.find("warning   these scores cannot be kept").unwrap(), said.find("epoch ").unwrap());
    assert!(warned < scored, "before the work: {said}");
    // Pictures are read into memory instead.
    for i in 0..40u8 {
        let path = folder.0.join(format!("pictures/{}/{i}.png", ["dark", "light"][usize::from(i % 2)]));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), 16, 16);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[i + 150 * (i % 2); 256]).unwrap();
    }
    let output = ok(&folder, "corrupt --dataset folder --folder pictures --image-size 16 --corruption fog --out out");
    assert!(stderr(&output).contains("warning: not kept"), "{}", stderr(&output));
    let output = folder.command("data fetch folder --folder pictures --image-size 16").output().unwrap();
    assert!(output.status.code() == Some(1) && stderr(&output).contains("SPARRING_DATA names another"), "{}", stderr(&output));
    assert_eq!(fs::read(folder.file("data")).unwrap(), b"a file where the data folder should be");
}

#[test]
fn scores_that_ship_rank_the_images_that_they_are_of_and_no_others() {
    let folder = Folder::new("shipped");
    let race = |difficulty: &str| {
        let output = folder
            .race(&format!("--learners dense --epochs 1 --subset el2n-hard:0.5 --difficulty {difficulty} --out at-{difficulty}"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(race("0.7").contains("scores    EL2N, as shipped with this program"));
    assert!(race("0.6").contains("a scoring run of"));
}

#[test]
fn kept_scores_that_cannot_be_used_are_made_again() {
    let folder = Folder::new("kept");
    let race = |out: &str| {
        let output = folder
            .race(&format!("--learners dense --epochs 1 --subset loss-hard:0.5 --width 0.5 --micro-batch 64 --out {out}"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(race("first").contains("a scoring run of"));
    let kept: Vec<_> = fs::read_dir(folder.0.join("data/scores")).unwrap().map(|f| f.unwrap().path()).collect();
    // The scoring network is the experiment's.
    let card = String::from_utf8_lossy(&fs::read(&kept[0]).unwrap()).into_owned();
    for part in ["\\\"width\\\":0.5", "\\\"micro_batch\\\":64", "\\\"model\\\":\\\"tiny\\\""] {
        assert!(card.contains(part) || card.contains(&part.replace('\\', "")) || card.contains(&part.replace('\\', "\\\\\\")), "{part}");
    }
    assert!(race("second").contains("scores    loss, from "));
    fs::write(&kept[0], b"damaged").unwrap();
    let said = race("third");
    assert!(said.contains("warning   kept scores cannot be used") && said.contains("a scoring run of"), "{said}");
    assert!(race("fourth").contains("scores    loss, from "), "and are kept again");
    // With the weights goes what the subset was drawn by, so that who opens them elsewhere has the same images.
    let exported = folder.command("runs export fourth --in . --weights taken").output().unwrap();
    assert_eq!(exported.status.code(), Some(0), "{}", stderr(&exported));
    let read = |path: &Path| Scores::from_bytes("scores", &fs::read(path).unwrap()).unwrap();
    let (all, taken) = (read(&kept[0]), read(&folder.0.join("taken/scores.safetensors")));
    assert!(all.columns.len() > 1 && all.columns.contains(&taken.columns[0]));
    assert_eq!((taken.columns.len(), taken.columns[0].score), (1, ScoreName::Loss));
}

#[test]
fn where_every_learner_failed_nothing_is_finished() {
    let folder = Folder::new("failed");
    let failing = "--learners dense,set@0.5 --epochs 12 --lr 1000 --weight-decay 1";
    let one = || folder.race(&format!("{failing} --out run")).output().unwrap();
    for _ in 0..2 {
        let output = one();
        assert_eq!(output.status.code(), Some(1), "{}\n{}", stdout(&output), stderr(&output));
        assert!(stderr(&output).contains("every learner failed") && !stdout(&output).contains("finished  "), "{}", stdout(&output));
    }
    let series = || folder.race(&format!("{failing} --seeds 2 --out series")).output().unwrap();
    for _ in 0..2 {
        let output = series();
        assert_eq!(output.status.code(), Some(1), "{}\n{}", stdout(&output), stderr(&output));
        assert!(
            stderr(&output).contains("every learner failed in every run") && !stdout(&output).contains("finished already"),
            "{}",
            stdout(&output)
        );
        let summary: Value = serde_json::from_slice(&fs::read(folder.file("series/summary.json")).unwrap()).unwrap();
        assert_eq!(summary["failed"], true);
        for run in summary["runs"].as_array().unwrap() {
            assert_eq!((&run["finished"], &run["failed"]), (&Value::Bool(false), &Value::Bool(true)));
        }
    }
    let listed = stdout(&ok(&folder, "runs list"));
    assert!(listed.contains("failed") && !listed.contains("finished"), "{listed}");
}
