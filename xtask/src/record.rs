//! `record`: the recorded races that ship with the page, made by the native program, and the networks that most of them trained.
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

/// What all recorded runs may weigh together, in bytes: they ship with the page, which fetches each where it is looked at.
const RUNS_LIMIT: u64 = 1_200_000;
/// What the trained networks may, as files: a sparse one is mostly zeros, which go over the line at a quarter.
const TRAINED_LIMIT: u64 = 2_700_000;

/// A recorded race.
struct Recording {
    /// Of its file, and what it is asked for by.
    name: String,
    /// What the page calls it.
    title: String,
    /// Its images.
    dataset: String,
    /// Who meets in it. Their networks are numbered as they stand here, controls after them.
    learners: String,
    /// All else, as options of the program.
    settings: Vec<String>,
    /// How often it is run, with seeds in a row: curves of several have bands.
    seeds: u64,
    /// Whether the networks of its first seed ship too.
    networks: bool,
    /// Whether the page lists it; one of a lesson is shown by the lesson.
    listed: bool,
    /// How long it takes, in words.
    takes: &'static str,
}

/// The first seed of each.
const SEED: u64 = 15;
/// The page's lessons, whose races are recorded as they are told there.
const LESSONS: &str = "public/lessons.txt";

/// All of them. The first one is what a first visit sees: the preset `hardest-built-in` of the page.
fn recordings(ws: &Workspace) -> Result<Vec<Recording>> {
    let listed = |name: &str, title: &str, dataset: &str, settings: &str, seeds: u64, networks: bool| Recording {
        name: name.into(),
        title: title.into(),
        dataset: dataset.into(),
        learners: "dense,set@0.2".into(),
        settings: format!("{settings} --lr 0.1 --update-frequency 1").split(' ').map(str::to_owned).collect(),
        seeds,
        networks,
        listed: true,
        takes: "minutes on two cores",
    };
    let mut all = vec![
        listed(
            "builtin",
            "Hardest of the built-in set",
            "builtin",
            "--difficulty 0.7 --model resnet20 --width 0.25 --subset el2n-hard:0.5 --balanced true --control false --lr-schedule cosine --batch-size 64 --epochs 10 --limit-test 500",
            3,
            true,
        ),
        listed(
            "nature",
            "Hard by nature",
            "cifar10",
            "--model resnet20 --width 0.5 --p-data 0.2 --subset el2n-hard:0.5 --control true --batch-size 64 --epochs 10 --limit-test 2000",
            3,
            false,
        ),
        listed(
            "corruption",
            "Hard by corruption",
            "cifar10",
            "--model resnet20 --width 0.5 --p-data 0.2 --subset all --control false --corruption standard --severity mixed --batch-size 64 --epochs 10 --limit-test 2000",
            3,
            false,
        ),
        listed(
            "attack",
            "Hard by attack",
            "cifar10",
            "--model tiny --p-data 0.1 --subset all --control false --norm linf --train-step 3 --test-step 5 --train-gamma 4/255 --test-gamma 4/255 --batch-size 64 --epochs 10 --limit-test 500",
            3,
            false,
        ),
        Recording {
            takes: "more than an hour on two idle cores; what was begun is gone on with",
            ..listed(
                "cifar10",
                "All of CIFAR-10",
                "cifar10",
                "--model resnet20 --subset all --control false --lr-schedule cosine --batch-size 128 --epochs 30",
                1,
                true,
            )
        },
    ];
    let path = ws.root.join(LESSONS);
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    all.extend(of_lessons(&text)?);
    Ok(all)
}

/// The races of the lessons: each `recorded NAME` belongs to the step and the experiment (`load`, a link's query) above it.
fn of_lessons(text: &str) -> Result<Vec<Recording>> {
    let (mut all, mut step, mut load) = (Vec::new(), "", "");
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("step", title)) => (step, load) = (title, ""),
            Some(("load", query)) => load = query,
            Some(("recorded", name)) => {
                let values: Vec<(&str, &str)> = load.split('&').filter_map(|pair| pair.split_once('=')).collect();
                let value = |wanted: &str| values.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
                let (Some(dataset), Some(learners)) = (value("dataset"), value("learners")) else {
                    bail!("{LESSONS}: '{name}' of the step '{step}' stands under no experiment that names its dataset and its learners");
                };
                let others = values.iter().filter(|(name, _)| !["dataset", "learners"].contains(name));
                all.push(Recording {
                    name: name.into(),
                    title: format!("Lesson: {step}"),
                    dataset,
                    learners,
                    settings: others.flat_map(|(name, value)| [format!("--{}", name.replace('_', "-")), (*value).to_owned()]).collect(),
                    seeds: 1,
                    networks: true,
                    listed: false,
                    takes: "seconds on two cores",
                });
            }
            _ => {}
        }
    }
    Ok(all)
}

/// Trains and writes all of them, or the named ones: races into `public/runs`, networks into `public/trained`.
pub fn record(ws: &Workspace, stages: &mut Stages, only: &[String]) -> Result<()> {
    let all = recordings(ws)?;
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|recording| recording.name != **name)) {
        let names: Vec<&str> = all.iter().map(|recording| recording.name.as_str()).collect();
        bail!(crate::Usage(format!("no recording is called '{unknown}' (possible: {})", names.join(", "))));
    }
    let folder = ws.root.join("public").join("runs");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for recording in &all {
        if only.is_empty() || only.contains(&recording.name) {
            stages.need(&recording.name, recording.takes, || record_one(ws, recording, &folder))?;
        }
    }
    let files: Vec<PathBuf> = all.iter().map(|Recording { name, .. }| folder.join(format!("{name}.json"))).collect();
    weigh(&folder, files.iter().map(|file| file.as_path()), RUNS_LIMIT)?;
    let index: Vec<String> = all.iter().filter(|r| r.listed).map(|Recording { name, .. }| format!("\"{name}.json\"")).collect();
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
    let weights = ws.target.join("recordings").join("weights").join(name);
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
    if *networks { trained(ws, recording, &weights) } else { Ok(()) }
}

/// Trains one with a seed, or goes on where that was stopped; its folder.
fn race(ws: &Workspace, recording: &Recording, seed: u64) -> Result<PathBuf> {
    let run = ws.target.join("recordings").join(format!("{}-{seed}", recording.name));
    let mut race = sparring(ws);
    race.args(["race", "--dataset", &recording.dataset, "--learners", &recording.learners]).args(&recording.settings);
    race.args(["--seed", &seed.to_string()]).arg("--out").arg(&run);
    process::run(&mut race)?;
    Ok(run)
}

/// Puts a race's networks where the page finds them: its learners, then their controls.
fn trained(ws: &Workspace, Recording { name, learners, .. }: &Recording, weights: &Path) -> Result<()> {
    let folder = ws.root.join("public").join("trained");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let of = |control: &'static str| learners.split(',').map(move |learner| weights.join(format!("{learner}{control}.safetensors")));
    let ran = of("").chain(of("-on-random").filter(|file| file.exists()));
    for (place, from) in ran.enumerate() {
        let to = folder.join(format!("{name}-{place}.safetensors"));
        fs::copy(&from, &to).with_context(|| format!("{} cannot become {}", from.display(), to.display()))?;
    }
    // Who opens them does not score the images again.
    let scores = weights.join("scores.safetensors");
    if scores.exists() {
        let to = folder.join(format!("{name}-scores.safetensors"));
        fs::copy(&scores, &to).with_context(|| format!("{} cannot become {}", scores.display(), to.display()))?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_lesson_is_recorded_as_it_is_told() {
        let text = "lesson a\nstep One\nload dataset=builtin&learners=dense,set@0.1&limit_train=64\nrecorded lesson-a\nstep Two\ntext x\n";
        let [of] = of_lessons(text).unwrap().try_into().ok().unwrap();
        assert_eq!((of.name.as_str(), of.title.as_str(), of.listed), ("lesson-a", "Lesson: One", false));
        assert_eq!(
            (of.dataset.as_str(), of.learners.as_str(), of.settings),
            ("builtin", "dense,set@0.1", vec!["--limit-train".to_owned(), "64".into()])
        );
        let why = of_lessons("step One\nrecorded lesson-b").err().unwrap().to_string();
        assert!(why.contains("lesson-b") && why.contains("'One'"), "{why}");
    }
}
