//! What results are called and judged by, as a person gets them: attacks towards a class, attacks that do nothing, scores by chance.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use common::{Folder, stderr, stdout};
use serde_json::Value;
use sparring_core::ExperimentConfig;
use sparring_core::data::{DatasetName, builtin};
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Model;
use sparring_core::train::scoring::ScorePolicy;

/// A folder with a checkpoint `r/dense.safetensors` of the tiny network.
fn trained(name: &str) -> Folder {
    let folder = Folder::new(name);
    let output = folder.race("--learners dense --epochs 1 --out r").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    folder
}

fn attack(folder: &Folder, more: &str) -> (Option<i32>, Value, String) {
    let base = "attack --checkpoint r/dense.safetensors --data builtin --device cpu --json";
    let output = folder.command(&format!("{base} {more}")).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), stderr(&output))
}

#[test]
fn an_attack_towards_a_class_leaves_its_images_out_and_has_a_number_of_its_own() {
    let folder = trained("target");
    let labels = builtin::builtin(0.5, builtin::TRAIN, builtin::TEST, builtin::SEED).test.labels;
    let of_class = labels.iter().filter(|l| **l == 3).count() as u64;
    let (code, json, said) = attack(&folder, "--attack pgd4 --eps 64/255 --target 3");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((json["left_out"].as_u64(), json["samples"].as_u64()), (Some(of_class), Some(labels.len() as u64 - of_class)));
    let rate = json["targeted_success_rate"].as_f64().unwrap();
    assert!(rate > 0.0 && rate <= 1.0 && json["robust_accuracy"].is_null(), "{json}");
    assert!(said.contains("targeted success") && said.contains("are taken for class 3") && !said.contains("robust"), "{said}");
    // Without room to move it is the share of other images that are taken for the class anyway; a large ball adds to it.
    let (_, still, said) = attack(&folder, "--attack pgd1 --eps 0 --target 3");
    assert!(still["targeted_success_rate"].as_f64().unwrap() <= rate && said.contains("this is no attack"), "{said}");
    let (_, away, said) = attack(&folder, "--attack pgd1 --eps 8/255");
    assert!(away["targeted_success_rate"].is_null() && away["robust_accuracy"].is_number() && away["left_out"] == 0, "{away} {said}");
}

#[test]
fn attacks_that_look_for_nothing_are_refused_and_weak_ones_said() {
    let folder = trained("nothing");
    let (code, _, said) = attack(&folder, "--attack pgd5 --step 0");
    assert!(code == Some(2) && said.contains("looks for nothing") && said.contains("--step"), "{said}");
    let (code, json, said) = attack(&folder, "--attack pgd5 --eps 0");
    assert!(code == Some(0) && said.contains("its radius is 0: this is no attack"), "{said}");
    assert_eq!(json["robust_accuracy"], json["clean_accuracy"]);
    let (_, json, said) = attack(&folder, "--attack pgd5 --norm l2 --eps 8/255");
    assert!(said.contains("next to nothing; 0.5 is usual") && json["warnings"][0].as_str().unwrap().contains("0.5"), "{said}");
    for idle in ["--test-step 0", "--test-gamma 0", "--test-gamma 0 --test-randinit false"] {
        let output = folder.race(&format!("--norm linf {idle} --epochs 1")).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{idle}");
        assert!(stderr(&output).contains("the attack of evaluations looks for nothing"), "{}", stderr(&output));
    }
}

#[test]
fn an_attack_states_the_settings_it_has() {
    let folder = trained("settings");
    let all = ["iterations", "step", "random_start", "restarts", "seed", "parts"];
    for (attack_by, stated) in [
        ("fgsm", &[][..]),
        ("pgd2", &["iterations", "step", "random_start", "restarts", "seed"]),
        ("pgd2 --no-random-start", &["iterations", "step", "random_start"]),
        ("apgd-ce --eps 0", &["seed", "parts"]),
    ] {
        let (code, json, said) = attack(&folder, &format!("--limit 10 --attack {attack_by}"));
        assert_eq!(code, Some(0), "{said}");
        let found: Vec<&str> = all.into_iter().filter(|name| json.get(name).is_some()).collect();
        assert_eq!(found, stated, "{attack_by}");
    }
}

#[test]
fn a_norm_has_its_own_radius_and_a_small_one_is_taken_with_a_warning() {
    let folder = Folder::new("norms");
    let race = |more: &str, out: &str| {
        let small = "--learners dense --epochs 1 --train-step 1 --test-step 1";
        let output = folder.race(&format!("{small} --norm l2 {more} --out {out}")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let summary: Value = serde_json::from_slice(&std::fs::read(folder.0.join(out).join("summary.json")).unwrap()).unwrap();
        (summary["config"].clone(), stdout(&output))
    };
    let near = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-6;
    let (config, said) = race("", "usual");
    assert!(near(&config["train_eps"], 0.5) && near(&config["test_eps"], 0.5) && near(&config["test_gamma"], 0.1), "{config}");
    assert!(!said.contains("next to nothing"), "{said}");
    let (config, said) = race("--train-eps 8/255 --test-eps 8/255", "tiny");
    assert!(near(&config["train_eps"], 8.0 / 255.0) && said.matches("next to nothing").count() == 2, "{said}");
    // Its folder says what it is, and so it is found again.
    let finished = folder.command("race --config tiny/config.toml --out tiny").output().unwrap();
    assert!(stdout(&finished).contains("finished  this configuration was run to its end"), "{}{}", stdout(&finished), stderr(&finished));
}

#[test]
fn scores_that_happen_to_be_there_change_nothing() {
    let folder = Folder::new("chance");
    let config =
        ExperimentConfig { dataset: DatasetName::BuiltIn, model: Model::Tiny, subset: Subset::All, batch_size: 16, ..Default::default() };
    let run = ScorePolicy::of(&config).run;
    let place = folder.0.join("data/scores").join(format!("{}-{}-{}.safetensors", run.dataset, run.model, run.hash().unwrap()));
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, "no scores").unwrap();
    let race = "race --dataset builtin --model tiny --subset all --control false --limit-train 48 --limit-test 40 --batch-size 16 --device cpu --epochs 1 --seeds 2";
    let output = folder.command(&format!("{race} --out s")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&std::fs::read(folder.0.join("s/summary.json")).unwrap()).unwrap();
    let verdict = summary["comparison"]["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("Judged by accuracy on all test samples, over 2 seeds"), "{verdict}");
    let table = std::fs::read_to_string(folder.0.join("s/series.csv")).unwrap();
    assert!(table.lines().next().unwrap().ends_with(",value,training_flops"));
    assert!(table.lines().skip(1).all(|l| l.rsplit(',').next().unwrap().parse::<f64>().unwrap() > 0.0), "{table}");
}
