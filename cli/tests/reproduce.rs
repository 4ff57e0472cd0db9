//! The paper's claims as a person asks them: judged by tables, whoever made these, and refused where a table is not the study's.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{Folder, stderr, stdout};
use serde_json::Value;

const BASE: &str = "dataset = \"builtin\"\nmodel = \"tiny\"\ncontrol = false\nepochs = 1\nlimit_train = 48\nlimit_test = 40\nbatch_size = 16\ndevice = \"cpu\"\n";
const HEADER: &str = "run,seed,p_data,learners,learner,control,density,training_flops,measure,value,samples\n";

/// What a claim is judged by, and what makes its images hard.
fn about(claim: &str) -> (&'static str, &'static str) {
    match claim {
        "corruption" => ("corrupted", "subset = \"all\"\ncorruption = \"gaussian-noise\"\n"),
        "attack" => ("robust-test", "subset = \"all\"\nnorm = \"linf\"\n"),
        _ => ("hard-half", "subset = \"el2n-hard:0.5\"\n"),
    }
}

/// The study of a claim, with its axes.
fn study(claim: &str, axes: &str) -> String {
    let (measure, hard) = about(claim);
    format!("measure = \"{measure}\"\n[base]\n{BASE}{hard}[axes]\nseeds = 3\n{axes}")
}

fn reproduce(folder: &Folder, arguments: &str) -> Output {
    folder.command(&format!("reproduce {arguments}")).output().unwrap()
}

fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

/// A claim's folder: learners, fractions, and of each condition a learner's accuracies, a seed each.
fn table(folder: &Folder, claim: &str, learners: &[&str], rows: &[(&str, &str, [f64; 3])]) {
    let at = folder.0.join("tables").join(claim);
    fs::create_dir_all(&at).unwrap();
    let quoted: Vec<String> = learners.iter().map(|learner| format!("\"{learner}\"")).collect();
    let axes = format!("fractions = [0.1, 1]\nlearners = [{}]\n", quoted.join(", "));
    fs::write(at.join("study.toml"), study(claim, &axes)).unwrap();
    let (measure, _) = about(claim);
    let mut text = HEADER.to_owned();
    for (fraction, learner, values) in rows {
        for (i, value) in values.iter().enumerate() {
            text += &format!("r,{},{fraction},{learner},{learner},false,0.2,1e9,{measure},{value},10000\n", 15 + i);
            text += &format!("r,{},{fraction},{learner},{learner},false,0.2,1e9,train,0.99,48\n", 15 + i);
        }
    }
    fs::write(at.join("study.csv"), text).unwrap();
}

fn answers(folder: &Folder, claims: &str) -> Vec<Value> {
    let output = reproduce(folder, &format!("{claims} --from tables --json"));
    serde_json::from_str::<Value>(&done(&output)).unwrap()["claims"].as_array().unwrap().clone()
}

#[test]
fn claims_hold_fail_or_are_open_by_their_tables() {
    let folder = Folder::new("reproduce-tables");
    let dense = [("0.1", "dense", [0.50, 0.51, 0.52]), ("1", "dense", [0.80, 0.81, 0.82])];
    // Even with little data, ten points behind with much.
    let sparse = [("0.1", "set@0.2", [0.501, 0.51, 0.519]), ("1", "set@0.2", [0.70, 0.711, 0.719])];
    table(&folder, "density", &["dense", "set@0.2"], &[&dense[..], &sparse].concat());
    table(&folder, "little-data", &["dense", "set@0.2"], &[&dense[..], &sparse].concat());
    // Far behind under attack; and corrupted so different from seed to seed that nothing can be said.
    let behind = [("0.1", "set@0.2", [0.30, 0.31, 0.321]), ("1", "set@0.2", [0.60, 0.61, 0.621])];
    table(&folder, "attack", &["dense", "set@0.2"], &[&dense[..], &behind].concat());
    let wild = [("0.1", "set@0.2", [0.30, 0.51, 0.72]), ("1", "set@0.2", [0.60, 0.81, 0.99])];
    table(&folder, "corruption", &["dense", "set@0.2"], &[&dense[..], &wild].concat());
    let layers = ["dense", "set@0.2", "set@0.2+uniform", "set@0.2+uniform+keep-first=2", "rigl@0.2"];
    // RigL has no uniform twin, and what ran with a tenth alone is missing with all.
    let uniform = [("0.1", layers[2], [0.40, 0.41, 0.42]), ("0.1", layers[3], [0.45, 0.46, 0.471]), ("0.1", layers[4], [0.9, 0.9, 0.9])];
    table(&folder, "layers", &layers, &[&dense[..], &sparse, &uniform].concat());

    let all = answers(&folder, "all");
    let said: Vec<(&str, &str)> = all.iter().map(|c| (c["claim"].as_str().unwrap(), c["answer"].as_str().unwrap())).collect();
    let expected =
        [("density", "holds"), ("little-data", "holds"), ("layers", "holds"), ("corruption", "cannot-tell"), ("attack", "fails")];
    assert_eq!(said, expected);
    let difference =
        |claim: usize, i: usize| (all[claim]["differences"][i]["name"].as_str().unwrap(), &all[claim]["differences"][i]["values"]);
    // By hand: the lead is 0.001, 0, -0.001 with a tenth and -0.10, -0.099, -0.101 with all.
    let (name, values) = difference(1, 0);
    assert_eq!(name, "lead over dense of set@0.2 with 10% of the data minus that with 100%");
    for (i, expected) in [0.101, 0.099, 0.100].into_iter().enumerate() {
        assert!((values[i][1].as_f64().unwrap() - expected).abs() < 1e-9 && values[i][0] == 15 + i, "{values}");
    }
    // Only allocations of the same method at the same density are compared, and only where both ran.
    let names: Vec<&str> = (0..all[2]["differences"].as_array().unwrap().len()).map(|i| difference(2, i).0).collect();
    assert_eq!(
        names,
        ["set@0.2 minus set@0.2+uniform, 10% of the data", "set@0.2+uniform+keep-first=2 minus set@0.2+uniform, 10% of the data"]
    );

    // A person reads the same, and so does whoever opens the document.
    let text = done(&reproduce(&folder, "attack --from tables --write findings.md"));
    assert!(
        text.contains("answer    attack does not hold: each of 2 differences is below -1 point.")
            && text.contains("set@0.2 minus dense, 10% of the data"),
        "{text}"
    );
    let document = fs::read_to_string(folder.file("findings.md")).unwrap();
    assert!(
        document.contains("**It does not hold**") && document.contains("![Differences with intervals](tables/attack/differences.svg)"),
        "{document}"
    );
    // An interval has the colour of a class; without one it would not be seen.
    let figure = fs::read_to_string(folder.0.join("tables/attack/differences.svg")).unwrap();
    assert!(figure.starts_with("<svg") && figure.matches("<g class=\"sparse\">").count() == 2, "{figure}");
}

#[test]
fn a_study_that_ran_is_judged_by_the_numbers_of_its_runs() {
    let folder = Folder::new("reproduce-runs");
    fs::write(folder.file("s.toml"), study("corruption", "learners = [\"dense\", \"set@0.2\"]\n")).unwrap();
    done(&folder.command("sweep s.toml --out tables/corruption").output().unwrap());
    let summary: Value = serde_json::from_slice(&fs::read(folder.0.join("tables/corruption/summary.json")).unwrap()).unwrap();
    let all = answers(&folder, "corruption");
    assert_eq!((&all[0]["results"], &all[0]["planned"], &all[0]["missing"]), (&6.into(), &6.into(), &serde_json::json!([])));
    let (judged, ran) = (&all[0]["differences"][0], &summary["differences"][0]);
    assert_eq!((&judged["values"], &judged["estimate"]), (&ran["values"], &ran["estimate"]), "test set noise and all");
}

#[test]
fn a_claim_says_what_it_would_take() {
    let folder = Folder::new("reproduce-plan");
    let text = done(&reproduce(&folder, "layers --dry-run --device cpu"));
    assert!(text.contains("claim     layers: How density is shared") && text.contains("study     layers-tiny: 35 runs"), "{text}");
    assert!(fs::read_dir(&folder.0).unwrap().next().is_none(), "nothing is written");
}

#[test]
fn what_is_wrong_is_said_by_file_and_line() {
    let folder = Folder::new("reproduce-wrong");
    let refused = |arguments: &str, code: i32, expected: &str| {
        let output = reproduce(&folder, arguments);
        let said = stderr(&output);
        assert!(output.status.code() == Some(code) && said.contains(expected), "{arguments}: {said}");
    };
    refused("densty", 2, "unknown claim 'densty'; valid: density, little-data, layers, corruption, attack; or all");
    refused("density --scale huge", 2, "unknown scale 'huge'; valid: tiny, demo, paper");
    refused("density --write x.md", 2, "--from <DIR>");
    refused("density --from x --scale demo", 2, "--scale");
    refused("density --from nowhere", 1, "missing: nowhere/density/study.toml, nowhere/density/study.csv. Name the claims that are there");
    table(&folder, "density", &["dense", "set@0.2"], &[("0.1", "dense", [0.5, 0.5, 0.5])]);
    refused("all --from tables", 1, "missing: tables/little-data/study.toml");
    let at = |name: &str| folder.0.join("tables/density").join(name);
    let (good, plan) = (fs::read_to_string(at("study.csv")).unwrap(), fs::read_to_string(at("study.toml")).unwrap());
    // A table that lacks everybody else is no fault: nothing can be told by it.
    let text = done(&reproduce(&folder, "density --from tables -q"));
    assert!(
        text.contains("note      3 of 12 results of the study are there; nothing is known of: set@0.2 minus dense, 10% of the data; "),
        "{text}"
    );
    assert!(text.contains("answer    density cannot be told at this scale: nothing to compare"), "{text}");
    // Nothing that is read is written over.
    for file in ["tables/density/study.csv", "tables/density/study.toml", "-"] {
        refused(&format!("density --from tables --write {file}"), 2, "--write");
    }
    assert_eq!(fs::read_to_string(at("study.csv")).unwrap(), good);
    let wrong = |text: String, expected: &str| {
        fs::write(at("study.csv"), text).unwrap();
        refused("density --from tables", 1, expected);
    };
    wrong(good.replace("samples", "sample"), "study.csv: it has no column 'samples'");
    wrong(good.replace(",0.5,10000", ",half,10000"), "study.csv: line 2: value: 'half' cannot be read");
    wrong(good.replace(",0.1,dense", ",0.2,dense"), "study.csv: line 2: '0.2' is no value of the study's axis 'fractions'");
    wrong(good.replace(",10000", ""), "study.csv: line 2: it cannot be read");
    wrong(good.replace(",0.5,10000", ",50,10000"), "study.csv: line 2: value: expected 0 to 1 (a share, not per cent), found 50");
    wrong(good.replace(",0.5,10000", ",NaN,10000"), "study.csv: line 2: value: expected 0 to 1 (a share, not per cent), found NaN");
    wrong(good.replace(",0.5,10000", ",0.5,0"), "study.csv: line 2: samples: expected at least 1, found 0");
    wrong(good.replace("dense,dense,", "dense,magic,"), "study.csv: line 2: learner: expected dense, whom this run trains, found 'magic'");
    let twice = good.lines().nth(1).unwrap().replace(",0.5,", ",0.9,");
    wrong(format!("{good}{twice}\n"), "study.csv: line 8: 'dense' has a value already, in line 2");
    wrong(String::new(), "study.csv: it has no column");
    fs::remove_file(at("study.csv")).unwrap();
    refused("density --from tables", 1, "missing: tables/density/study.csv");
    // A study of something else.
    fs::write(at("study.csv"), &good).unwrap();
    fs::write(at("study.toml"), plan.replace("hard-half", "test")).unwrap();
    refused("density --from tables", 2, "study.toml: the claim density is judged by hard-half, and this study by test");
    fs::write(at("study.toml"), plan.replace("el2n-hard", "el2n-easy")).unwrap();
    refused("density --from tables", 2, "the claim density is about training on the hard part of the images, and no run of this study is");
}

#[test]
fn who_is_missing_keeps_a_claim_from_failing_and_other_axes_are_not_mixed() {
    let folder = Folder::new("reproduce-missing");
    let dense = ("0.1", "dense", [0.50, 0.51, 0.52]);
    let behind = ("0.1", "set@0.2", [0.30, 0.31, 0.321]);
    table(&folder, "density", &["dense", "set@0.2", "set@0.5"], &[dense, behind]);
    let all = answers(&folder, "density");
    assert_eq!((all[0]["answer"].as_str(), all[0]["missing"].as_array().unwrap().len()), (Some("cannot-tell"), 3));

    // The lead is the same with little data and with much, in each of two networks; a difference of networks is none of data.
    let mut text = HEADER.replace("p_data", "model,p_data");
    for (model, lead) in [("tiny", 0.1), ("resnet20", 0.3)] {
        for (fraction, seed) in [("0.1", 15), ("0.1", 16), ("0.1", 17), ("1", 15), ("1", 16), ("1", 17)] {
            let base = 0.4 + 0.001 * f64::from(seed);
            for (learner, value) in [("dense", base), ("set@0.2", base + lead)] {
                text += &format!("r,{seed},{model},{fraction},{learner},{learner},false,0.2,1e9,hard-half,{value},10000\n");
            }
        }
    }
    let at = folder.0.join("tables/little-data");
    fs::create_dir_all(&at).unwrap();
    fs::write(at.join("study.csv"), text).unwrap();
    for models in ["\"tiny\", \"resnet20\"", "\"resnet20\", \"tiny\""] {
        let axes = format!("models = [{models}]\nfractions = [0.1, 1]\nlearners = [\"dense\", \"set@0.2\"]\n");
        let base = study("little-data", &axes).replace("model = \"tiny\"\n", "");
        fs::write(at.join("study.toml"), base).unwrap();
        let all = answers(&folder, "little-data");
        let differences = all[0]["differences"].as_array().unwrap();
        assert_eq!((all[0]["answer"].as_str(), differences.len()), (Some("fails"), 2));
        assert!(differences.iter().all(|d| d["estimate"]["mean"].as_f64().unwrap().abs() < 1e-9), "{differences:?}");
    }
}

#[test]
fn the_committed_findings_are_what_the_committed_tables_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = Folder::new("reproduce-committed");
    let mut asked = Vec::new();
    for claim in ["density", "little-data", "layers", "corruption", "attack"] {
        let Ok(files) = fs::read_dir(root.join("docs/findings").join(claim)) else { continue };
        asked.push(claim);
        fs::create_dir_all(folder.0.join("docs/findings").join(claim)).unwrap();
        for file in files.map(Result::unwrap).filter(|file| file.file_name().to_string_lossy().starts_with("study.")) {
            fs::copy(file.path(), folder.0.join("docs/findings").join(claim).join(file.file_name())).unwrap();
        }
    }
    assert!(asked.contains(&"density"), "{asked:?}");
    done(&reproduce(&folder, &format!("{} --from docs/findings --write docs/findings.md --page public/findings", asked.join(" "))));
    let mut files = vec!["docs/findings.md".to_owned(), "public/findings/index.json".to_owned()];
    for claim in &asked {
        files.extend([format!("docs/findings/{claim}/differences.svg"), format!("public/findings/{claim}.json")]);
    }
    for file in files {
        let [made, committed] = [folder.0.join(&file), root.join(&file)].map(|path| fs::read_to_string(path).unwrap());
        assert!(made == committed, "{file} is not what the tables say: `cargo xtask findings`");
    }
}
