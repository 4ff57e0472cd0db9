//! `record`: the recorded races that ship with the page, made by the native program, and the networks that two of them trained.
//!
//! A first visit shows these before anything was trained; made by hand or from memory they would be claims, not measurements. A race that was
//! trained before, or begun, is not trained again: `target/recordings` holds them, and who deletes it trains anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::stages::Stages;
use crate::workspace::Workspace;

/// What all recorded runs may weigh together, in bytes: they ship with the page.
const RUNS_LIMIT: u64 = 1_000_000;
/// What the trained networks may, as files: a sparse one is mostly zeros, which go over the line at a quarter.
const TRAINED_LIMIT: u64 = 1_250_000;

/// A recorded race.
struct Recording {
    /// Of its file, and what it is asked for by.
    name: &'static str,
    /// What the page calls it.
    title: &'static str,
    /// Its images.
    dataset: &'static str,
    /// All else.
    settings: &'static str,
    /// How often it is run, with seeds in a row: curves of several have bands.
    seeds: u64,
    /// Whether the networks of its first seed ship too.
    networks: bool,
    /// How long it takes, in words.
    takes: &'static str,
}

/// Who meets in each of them. Their networks are numbered as they stand here.
const LEARNERS: [&str; 2] = ["dense", "set@0.2"];
/// The first seed of each.
const SEED: u64 = 15;

/// The first one is what a first visit sees. It is the preset `hardest-built-in` of the page.
const RECORDINGS: [Recording; 5] = [
    Recording {
        name: "builtin",
        title: "Hardest of the built-in set",
        dataset: "builtin",
        settings: "--difficulty 0.7 --model resnet20 --width 0.25 --subset el2n-hard:0.5 --balanced true --control false --lr-schedule cosine --batch-size 64 --epochs 10 --limit-test 500",
        seeds: 3,
        networks: true,
        takes: "minutes on two cores",
    },
    Recording {
        name: "nature",
        title: "Hard by nature",
        dataset: "cifar10",
        settings: "--model resnet20 --width 0.5 --p-data 0.2 --subset el2n-hard:0.5 --control true --batch-size 64 --epochs 10 --limit-test 2000",
        seeds: 3,
        networks: false,
        takes: "minutes on two cores",
    },
    Recording {
        name: "corruption",
        title: "Hard by corruption",
        dataset: "cifar10",
        settings: "--model resnet20 --width 0.5 --p-data 0.2 --subset all --control false --corruption standard --severity mixed --batch-size 64 --epochs 10 --limit-test 2000",
        seeds: 3,
        networks: false,
        takes: "minutes on two cores",
    },
    Recording {
        name: "attack",
        title: "Hard by attack",
        dataset: "cifar10",
        settings: "--model tiny --p-data 0.1 --subset all --control false --norm linf --train-step 3 --test-step 5 --train-gamma 4/255 --test-gamma 4/255 --batch-size 64 --epochs 10 --limit-test 500",
        seeds: 3,
        networks: false,
        takes: "minutes on two cores",
    },
    Recording {
        name: "cifar10",
        title: "All of CIFAR-10",
        dataset: "cifar10",
        settings: "--model resnet20 --subset all --control false --lr-schedule cosine --batch-size 128 --epochs 30",
        seeds: 1,
        networks: true,
        takes: "more than an hour on two idle cores; what was begun is gone on with",
    },
];

/// Trains and writes all of them, or the named ones: races into `public/runs`, networks into `public/trained`.
pub fn record(ws: &Workspace, stages: &mut Stages, only: &[String]) -> Result<()> {
    let names = RECORDINGS.map(|recording| recording.name);
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!(crate::Usage(format!("no recording is called '{unknown}' (possible: {})", names.join(", "))));
    }
    let folder = ws.root.join("public").join("runs");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for recording in &RECORDINGS {
        if only.is_empty() || only.iter().any(|name| name == recording.name) {
            stages.need(recording.name, recording.takes, || record_one(ws, recording, &folder))?;
        }
    }
    let files = names.map(|name| folder.join(format!("{name}.json")));
    weigh(&folder, files.iter().map(|file| file.as_path()), RUNS_LIMIT)?;
    let index = names.map(|name| format!("\"{name}.json\""));
    fs::write(folder.join("index.json"), format!("[{}]\n", index.join(", ")))?;
    Ok(())
}

/// The native program.
fn sparring(ws: &Workspace) -> Command {
    let mut command = ws.cargo();
    command.args(["run", "--quiet", "--release", "--locked", "--package", "sparring", "--"]);
    command
}

/// Trains one with each of its seeds, and takes it away, with its networks as they are after the last epoch where these ship.
fn record_one(ws: &Workspace, recording: &Recording, folder: &Path) -> Result<()> {
    let Recording { name, title, dataset, networks, .. } = recording;
    let file = folder.join(format!("{name}.json"));
    let weights = ws.target.join("recordings").join("weights");
    let runs = (SEED..SEED + recording.seeds).map(|seed| race(ws, recording, seed)).collect::<Result<Vec<_>>>()?;
    let mut export = sparring(ws);
    export.args(["runs", "export"]).arg(&runs[0]).arg("--out").arg(&file).args(["--name", title]);
    for other in &runs[1..] {
        export.arg("--beside").arg(other);
    }
    if *networks {
        export.arg("--weights").arg(&weights);
    }
    process::run(&mut export)?;
    // Without CIFAR-10 the program trains on the built-in set, and says so; that is not what is recorded.
    let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    if !text.contains(&format!("\"dataset\":\"{dataset}\"")) {
        let _ = fs::remove_file(&file);
        runs.iter().for_each(|run| drop(fs::remove_dir_all(run)));
        bail!("{name} was not recorded: CIFAR-10 is not here; `cargo xtask setup` fetches it");
    }
    if *networks { trained(ws, name, &weights) } else { Ok(()) }
}

/// Trains one with a seed, or goes on where that was stopped; its folder.
fn race(ws: &Workspace, recording: &Recording, seed: u64) -> Result<PathBuf> {
    let run = ws.target.join("recordings").join(format!("{}-{seed}", recording.name));
    let mut race = sparring(ws);
    race.args(["race", "--dataset", recording.dataset, "--learners", &LEARNERS.join(",")]).args(recording.settings.split(' '));
    race.args("--lr 0.1 --update-frequency 1".split(' '));
    race.args(["--seed", &seed.to_string()]).arg("--out").arg(&run);
    process::run(&mut race)?;
    Ok(run)
}

/// Puts a race's networks where the page finds them.
fn trained(ws: &Workspace, name: &str, weights: &Path) -> Result<()> {
    let folder = ws.root.join("public").join("trained");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for (place, learner) in LEARNERS.iter().enumerate() {
        let (from, to) = (weights.join(format!("{learner}.safetensors")), folder.join(format!("{name}-{place}.safetensors")));
        fs::copy(&from, &to).with_context(|| format!("{} cannot become {}", from.display(), to.display()))?;
    }
    let files = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    weigh(&folder, files.iter().map(|file| file.as_path()), TRAINED_LIMIT)
}

/// Holds files of a folder to what they may weigh together.
fn weigh<'a>(folder: &Path, files: impl Iterator<Item = &'a Path>, limit: u64) -> Result<()> {
    let mut total = 0;
    for file in files {
        total += fs::metadata(file).map(|m| m.len()).with_context(|| format!("{}; record all of them first", file.display()))?;
    }
    println!("{} holds {total} bytes of {limit} allowed", folder.display());
    if total > limit {
        bail!("{} weighs {total} bytes; {limit} are allowed: record fewer epochs, learners or weights", folder.display());
    }
    Ok(())
}
