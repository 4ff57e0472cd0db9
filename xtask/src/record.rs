//! `record`: the recorded runs that ship with the page, made by the native program on CIFAR-10.
//!
//! A first visit shows these before anything was trained; made by hand or from memory they would be claims, not measurements.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::stages::Stages;
use crate::workspace::Workspace;

/// What all recorded runs may weigh together, in bytes: they ship with the page.
const LIMIT: u64 = 1_000_000;

/// A recorded race: the scenario's name, what the page calls it, its settings.
struct Recording {
    scenario: &'static str,
    name: &'static str,
    settings: &'static str,
}

/// What every one of them has: minutes on two cores, few images, a small network.
const COMMON: &str = "--dataset cifar10 --learners dense,set@0.2,rigl@0.2 --update-frequency 1 --batch-size 64 --lr 0.1 --seed 15";

const RECORDINGS: [Recording; 3] = [
    Recording {
        scenario: "nature",
        name: "Hard by nature",
        settings: "--model resnet20 --width 0.5 --p-data 0.2 --subset el2n-hard:0.5 --control true --epochs 10 --limit-test 2000",
    },
    Recording {
        scenario: "corruption",
        name: "Hard by corruption",
        settings: "--model resnet20 --width 0.5 --p-data 0.2 --subset all --control false --corruption standard --severity mixed --epochs 10 --limit-test 2000",
    },
    Recording {
        scenario: "attack",
        name: "Hard by attack",
        settings: "--model tiny --p-data 0.1 --subset all --control false --norm linf --train-step 3 --test-step 5 --train-gamma 4/255 --test-gamma 4/255 --epochs 10 --limit-test 500",
    },
];

/// Trains and writes all of them, or the named ones, into `public/runs`.
pub fn record(ws: &Workspace, stages: &mut Stages, only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| RECORDINGS.iter().all(|r| r.scenario != **name)) {
        bail!(crate::Usage(format!("no recording is called '{unknown}' (possible: nature, corruption, attack)")));
    }
    let folder = ws.root.join("public").join("runs");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut total = 0;
    for recording in &RECORDINGS {
        let file = folder.join(format!("{}.json", recording.scenario));
        if only.is_empty() || only.iter().any(|name| name == recording.scenario) {
            stages.need(recording.scenario, "minutes on two cores", || one(ws, recording, &file))?;
        }
        total += std::fs::metadata(&file).map(|m| m.len()).with_context(|| format!("{}; record all of them first", file.display()))?;
    }
    let names: Vec<String> = RECORDINGS.iter().map(|r| format!("\"{}.json\"", r.scenario)).collect();
    std::fs::write(folder.join("index.json"), format!("[{}]\n", names.join(", ")))?;
    println!("{} holds {total} bytes of {LIMIT} allowed", folder.display());
    if total > LIMIT {
        bail!("the recorded runs weigh {total} bytes; {LIMIT} are allowed: record fewer epochs or learners");
    }
    Ok(())
}

fn one(ws: &Workspace, recording: &Recording, file: &Path) -> Result<()> {
    let run = ws.target.join("recordings").join(recording.scenario);
    let sparring = || {
        let mut command = ws.cargo();
        command.args(["run", "--quiet", "--release", "--locked", "--package", "sparring", "--"]);
        command
    };
    let mut race = sparring();
    race.arg("race").args(COMMON.split(' ')).args(recording.settings.split(' ')).arg("--again").arg("--out").arg(&run);
    process::run(&mut race)?;
    process::run(sparring().args(["runs", "export"]).arg(&run).arg("--out").arg(file).args(["--name", recording.name]))?;
    // Without CIFAR-10 the program trains on the built-in set, and says so; that is not what is recorded.
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    if !text.contains("\"dataset\":\"cifar10\"") {
        let _ = std::fs::remove_file(file);
        bail!("{} was not recorded: CIFAR-10 is not here; `cargo xtask setup` fetches it", recording.scenario);
    }
    Ok(())
}
