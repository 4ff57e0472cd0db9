//! The binary as a person runs it: exit codes, messages, JSON.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::path::PathBuf;
use std::process::Output;

use common::{Folder, sparring, stderr};

#[test]
fn unknown_names_list_the_valid_ones_and_exit_2() {
    for (flag, value, expected) in [
        ("--model", "resnet19", "resnet20, resnet32"),
        ("--dataset", "cifar11", "cifar10, cifar100, cifar100-coarse, tinyimagenet, mnist, folder, builtin, builtin-grey"),
        ("--learners", "sett@0.2", "dense, static, set, rigl"),
        ("--subset", "el2n-odd:0.5", "el2n-hard:P"),
        ("--optimizer", "lion", "sgd, adam"),
        ("--lr-schedule", "wave", "step, cosine, constant"),
        ("--device", "tpu", "auto, gpu, cpu"),
    ] {
        let output = sparring(&["race", flag, value]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
        assert!(stderr(&output).contains(expected), "{flag}: {}", stderr(&output));
    }
}

#[test]
fn usage_and_failure_have_different_exit_codes() {
    for arguments in [
        &["race", "--epochs", "0"][..],
        &["race", "--lr", "-1"],
        &["fight"],
        &["train", "--learners", "dense,set@0.2"],
        &["train", "--learners", "dense", "--method", "set"],
        &["train", "--method", "set", "--density", "1.5"],
        &["train", "--method", "sett"],
        &["race", "--preset", "papers"],
        &["race", "--preset", "paper", "--config", "c.toml"],
        &["runs", "compare", "one"],
        &["race", "--frobnicate"],
        &["race", "--p-data", "1.5"],
        &["race", "--image-size", "33"],
        &["race", "--dataset", "cifar100", "--folder", "x"],
        &["data", "fetch", "mnist", "--from", "x"],
        &["data", "bench", "--seconds", "nan"],
        &["data", "bench", "--seconds", "-1"],
        &["bench", "--batch", "0"],
        &["eval", "--checkpoint", "", "--data", "builtin"],
        &[],
    ] {
        assert_eq!(sparring(arguments).status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [
        &["race", "--config", "/nonexistent.toml"][..],
        &["eval", "--checkpoint", "/nonexistent", "--data", "builtin"],
        &["import", "/nonexistent", "--model", "tiny", "--out", "/nonexistent/x"],
    ] {
        let output = sparring(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let text = stderr(&output);
        assert!(text.starts_with("error: ") && text.contains("nonexistent") && text.lines().count() == 1, "one readable chain: {text}");
    }
    assert_eq!(sparring(&["--version"]).status.code(), Some(0));
    assert_eq!(sparring(&["race", "--help"]).status.code(), Some(0));
}

#[test]
fn a_configuration_file_with_a_wrong_field_says_so() {
    let folder = Folder::new("config");
    let path = folder.file("c.toml");
    std::fs::write(&path, "modle = \"tiny\"\n").unwrap();
    let output = sparring(&["race", "--config", &path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("modle") && stderr(&output).contains("model"), "{}", stderr(&output));
}

/// A legacy `.pth` of `{"state_dict": {name: float tensor}}` with the prefix `module.`.
fn pth(tensors: &[(&str, &[u32])]) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, s: &str) {
        out.push(b'X');
        out.extend((s.len() as u32).to_le_bytes());
        out.extend(s.as_bytes());
    }
    fn ints(out: &mut Vec<u8>, values: &[u32]) {
        out.push(b'(');
        for v in values {
            out.push(b'J');
            out.extend(v.to_le_bytes());
        }
        out.push(b't');
    }
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02}".to_vec();
    text(&mut out, "state_dict");
    out.extend(b"ccollections\nOrderedDict\n)R(");
    for (i, (name, shape)) in tensors.iter().enumerate() {
        let len: u32 = shape.iter().product();
        let strides: Vec<u32> = (0..shape.len()).map(|a| shape[a + 1..].iter().product()).collect();
        text(&mut out, &format!("module.{name}"));
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(b"ctorch\nFloatStorage\n");
        text(&mut out, &i.to_string());
        text(&mut out, "cpu");
        out.push(b'J');
        out.extend(len.to_le_bytes());
        out.extend(b"NtQK\x00");
        ints(&mut out, shape);
        ints(&mut out, &strides);
        out.extend(b"\x89N tR".iter().filter(|b| **b != b' '));
    }
    out.extend(b"us.\x80\x02](");
    for i in 0..tensors.len() {
        text(&mut out, &i.to_string());
    }
    out.extend(b"e.");
    for (i, (_, shape)) in tensors.iter().enumerate() {
        let len: u32 = shape.iter().product();
        out.extend(u64::from(len).to_le_bytes());
        for j in 0..len {
            out.extend((0.1 * ((i as u32 * 31 + j) as f32).sin()).abs().to_le_bytes());
        }
    }
    out
}

const TINY: [(&str, &[u32]); 17] = [
    ("conv1.weight", &[16, 3, 3, 3]),
    ("bn1.weight", &[16]),
    ("bn1.bias", &[16]),
    ("bn1.running_mean", &[16]),
    ("bn1.running_var", &[16]),
    ("conv2.weight", &[32, 16, 3, 3]),
    ("bn2.weight", &[32]),
    ("bn2.bias", &[32]),
    ("bn2.running_mean", &[32]),
    ("bn2.running_var", &[32]),
    ("conv3.weight", &[64, 32, 3, 3]),
    ("bn3.weight", &[64]),
    ("bn3.bias", &[64]),
    ("bn3.running_mean", &[64]),
    ("bn3.running_var", &[64]),
    ("fc.weight", &[10, 64]),
    ("fc.bias", &[10]),
];

#[test]
fn a_state_dict_is_imported_and_evaluated() {
    let folder = Folder::new("import");
    let (source, out) = (folder.file("tiny.pth"), folder.file("tiny.safetensors"));
    std::fs::write(&source, pth(&TINY)).unwrap();
    let output = sparring(&["import", &source, "--model", "tiny", "--normalization", "imagenet", "--out", &out, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (json["tensors"].as_u64(), json["classes"].as_u64(), json["normalization"].as_str()),
        (Some(17), Some(10), Some("imagenet"))
    );

    // Imported again, as with --sparse, it is what it says it is.
    let again = |more: &[&str]| {
        let copy = folder.file("again.safetensors");
        let output = sparring(&[&["import", &out, "--model", "tiny", "--out", &copy, "--json"], more].concat());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (json["normalization"].as_str().unwrap().to_owned(), json["notes"].to_string())
    };
    assert_eq!(again(&[]), ("imagenet".to_owned(), "[]".to_owned()));
    let (normalization, notes) = again(&["--normalization", "half"]);
    assert!(normalization == "half" && notes.contains("says imagenet normalisation; half is taken, as asked"), "{notes}");

    let output = sparring(&["eval", "--checkpoint", &out, "--data", "builtin", "--device", "cpu", "--limit", "130", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["samples"].as_u64(), Some(130));
    assert!((json["clean_accuracy"].as_f64().unwrap() - json["correct"].as_f64().unwrap() / 130.0).abs() < 1e-12);
    assert!(json["loss"].as_f64().unwrap().is_finite());
}

#[test]
fn a_normalisation_is_of_the_channels_of_its_network() {
    use sparring_core::net::zoo::{Input, Model};
    let folder = Folder::new("channels");
    let (source, out) = (folder.file("lenet.pth"), folder.file("lenet.safetensors"));
    let input = Input { extent: (1, 28, 28), classes: 10, mean: [0.0; 4], std: [1.0; 4] };
    let shapes = Model::LeNet5.graph(input).unwrap().state_shapes();
    let shapes: Vec<(String, Vec<u32>)> = shapes.into_iter().map(|(n, s)| (n, s.into_iter().map(|d| d as u32).collect())).collect();
    let tensors: Vec<(&str, &[u32])> = shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    std::fs::write(&source, pth(&tensors)).unwrap();
    let import = |more: &[&str]| {
        let arguments = [&["import", &source, "--model", "lenet-5", "--out", &out, "--json"], more].concat();
        let output = sparring(&arguments);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), json["normalization"].as_str().unwrap_or_default().to_owned(), stderr(&output))
    };
    assert_eq!(import(&[]).1, "mnist");
    assert_eq!(import(&["--normalization", "none"]).1, "none");
    assert_eq!(import(&["--mean", "0.5", "--std", "0.25"]).1, "mean:0.5;std:0.25");
    for (more, words) in [
        (&["--normalization", "cifar10"][..], "is of 3 channels, and the images have 1"),
        (&["--normalization", "sepia"], "mnist, none, half"),
        (&["--mean", "0.5,0.5,0.5", "--std", "0.2,0.2,0.2"], "is of 3 channels"),
        (&["--mean", "0.5", "--std", "0"], "above 0"),
        (&["--mean", "127", "--std", "60"], "divided by 255"),
        (&["--mean", "0.5"], "--std"),
        (&["--mean", "0.5", "--std", "0.2", "--normalization", "half"], "cannot be used with"),
    ] {
        let (code, _, said) = import(more);
        assert!(code == Some(2) && said.contains(words), "{more:?}: {said}");
    }
    let eval = |data: &str| sparring(&["eval", "--checkpoint", &out, "--data", data, "--device", "cpu", "--limit", "10"]);
    // One of our own in colour, over grey images.
    let grey = folder.file("tiny.safetensors");
    std::fs::write(folder.file("tiny.pth"), pth(&TINY)).unwrap();
    assert!(sparring(&["import", &folder.file("tiny.pth"), "--model", "tiny", "--normalization", "half", "--out", &grey]).status.success());
    let help = String::from_utf8(sparring(&["import", "--help"]).stdout).unwrap();
    for name in ["mnist", "builtin-grey", "none", "half", "--mean", "--std"] {
        assert!(help.contains(name), "{name}");
    }
    let refused = eval("builtin");
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
}

#[test]
fn a_state_dict_of_another_network_is_refused_by_name() {
    let folder = Folder::new("refuse");
    let (source, out) = (folder.file("tiny.pth"), folder.file("x.safetensors"));
    std::fs::write(&source, pth(&TINY)).unwrap();
    let output = sparring(&["import", &source, "--model", "resnet20", "--out", &out]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("it is a tiny: say --model tiny"), "{}", stderr(&output));
    let mut wrong = TINY;
    wrong[5].1 = &[32, 16, 5, 5];
    std::fs::write(&source, pth(&wrong)).unwrap();
    let output = sparring(&["import", &source, "--model", "tiny", "--out", &out]);
    assert!(stderr(&output).contains("'conv2.weight': expected shape [32, 16, 3, 3], found [32, 16, 5, 5]"), "{}", stderr(&output));
    // All that is wrong at once, but briefly.
    let mut several = wrong.to_vec();
    several.remove(0);
    several.push(("extra.weight", &[2]));
    several.push(("bn1.num_batches_tracked", &[]));
    std::fs::write(&source, pth(&several)).unwrap();
    let message = stderr(&sparring(&["import", &source, "--model", "tiny", "--out", &out]));
    for part in ["missing conv1.weight", "not in the network: module.extra.weight;", "misshapen 'conv2.weight'"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    std::fs::write(&source, &pth(&TINY)[..3000]).unwrap();
    assert!(stderr(&sparring(&["import", &source, "--model", "tiny", "--out", &out])).contains("cut short"));
    assert!(!std::path::Path::new(&out).exists(), "nothing half-written is left");
}

#[test]
fn golden_cases_and_the_self_test_pass_on_the_cpu() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
    let output = sparring(&["golden", "--dir", golden, "--device", "cpu", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["failed"].as_u64(), Some(0));
    assert_eq!(sparring(&["golden", "--dir", "/nonexistent"]).status.code(), Some(1));
    let output = sparring(&["doctor", "--device", "cpu", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["devices"][0]["kernels"].as_array().unwrap().iter().all(|k| k["problem"].is_null()));
}

/// The network of the reference, whose figure is published: not one image more or less.
#[test]
fn the_published_resnet20_scores_its_published_accuracy() {
    let shared = std::env::var("SPARRING_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
    let weights = PathBuf::from(shared).join("data/resnet20-cifar10.th");
    let have = |output: &Output| serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default();
    let listed = have(&sparring(&["data", "list", "--json"]));
    let present = listed.as_array().unwrap().iter().any(|d| d["dataset"] == "cifar10" && d["state"] == "present");
    if !weights.is_file() || !present {
        println!("skipped: not present: {} or CIFAR-10", weights.display());
        return;
    }
    let folder = Folder::new("published");
    let checkpoint = folder.file("resnet20.safetensors");
    let imported =
        sparring(&["import", weights.to_str().unwrap(), "--model", "resnet20", "--normalization", "imagenet", "--out", &checkpoint]);
    assert_eq!(imported.status.code(), Some(0), "{}", stderr(&imported));
    let evaluated = sparring(&["eval", "--checkpoint", &checkpoint, "--data", "cifar10", "--device", "cpu", "--json"]);
    assert_eq!(evaluated.status.code(), Some(0), "{}", stderr(&evaluated));
    let result = have(&evaluated);
    assert_eq!(result["correct"], 9173);
    assert_eq!(result["clean_accuracy"], 0.9173);
}
