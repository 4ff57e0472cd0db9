//! `subset`: which training samples a subset has and which its random control, in numbers and as files for other programs.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use sparring_core::ExperimentConfig;
use sparring_core::data::DatasetName;
use sparring_core::data::{Dataset, train_validation_split};
use sparring_core::hardness::Subset;
use sparring_core::hardness::{Column, Scores, data_fraction, select};

use crate::args::{DeviceFlag, Usage, as_asked, validate};
use crate::console::stop_on_interrupt;
use crate::npy::Npy;
use crate::output::Outputs;
use crate::score::{ScoringNetwork, number, range};
use crate::{data, rundir, source};

/// Flags of `subset`.
#[derive(clap::Args)]
pub struct SubsetArgs {
    /// Images, as --dataset of race names them
    #[arg(long, default_value = "cifar10")]
    dataset: DatasetName,
    /// Difficulty of the built-in set, 0 to 1
    #[arg(long, default_value_t = 0.5)]
    difficulty: f32,
    #[command(flatten)]
    own: data::OwnImages,
    /// Which samples, as --subset of race names them
    #[arg(long, default_value = "el2n-hard:0.5")]
    subset: Subset,
    /// As many samples of every class
    #[arg(long)]
    balanced: bool,
    /// Uniform random fraction of the training split that the subset is a part of
    #[arg(long, default_value_t = 1.0)]
    p_data: f64,
    /// Seed of random subsets
    #[arg(long, default_value_t = 15)]
    seed: u64,
    /// Hardness scores to use (.safetensors, .csv or .npy)
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Column of --scores, a table, that holds the score of the subset; without it the one of its name
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    column: String,
    #[command(flatten)]
    network: ScoringNetwork,
    /// Where to write the indices into the training file: .csv or .json (subset and control in one), .npy or .txt (the control beside
    /// it, as NAME.control.npy)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where to compute scores that have to be made first
    #[arg(long, default_value = "auto")]
    device: DeviceFlag,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// A selection by name: `subset` or `control`.
type Selection = (&'static str, Vec<u32>);

/// Selects, shows, writes.
pub fn subset(args: &SubsetArgs) -> Result<()> {
    let kind = args.out.as_deref().map(kind).transpose()?;
    let beside = args.out.as_deref().filter(|_| matches!(kind, Some(Kind::Npy | Kind::Txt)) && args.subset.needs_scores());
    let beside = beside.map(|out| control_place(out, kind));
    let console = Outputs::new(args.json)
        .input("--scores", args.scores.as_deref())
        .images(&args.own.folder)
        .output("--out", args.out.as_deref())
        .output("the control beside --out", beside.as_deref())
        .check()?;
    let config = ExperimentConfig {
        dataset: args.dataset,
        difficulty: args.difficulty,
        folder: args.own.folder.clone(),
        image_size: args.own.image_size,
        subset: args.subset,
        balanced: args.balanced,
        p_data: args.p_data,
        seed: args.seed,
        column: args.column.clone(),
        scores: args.scores.as_ref().map_or_else(String::new, |path| path.display().to_string()),
        device: args.device.into(),
        ..Default::default()
    };
    let config = args.network.apply(config);
    validate(&config)?;
    stop_on_interrupt()?;
    let dataset = Arc::new(source::exactly(console, args.dataset, args.difficulty, &args.own)?);
    let scores = source::scores(console, &config, &dataset, None)?;
    let selections = selections(&config, &dataset, scores.as_ref())?;
    let column = scores.as_ref().and_then(|s| s.ranking(config.subset).ok());

    let rows = rows(&selections, &dataset, column);
    let mut header = vec!["class"];
    header.extend(selections.iter().map(|(name, _)| *name));
    console.table(&header, &rows);
    let whose = |name: &str| if name == "control" { format!("the control of {}", config.subset) } else { config.subset.to_string() };
    let warnings: Vec<String> = selections.iter().filter_map(|(name, set)| dataset.missing_classes(&whose(name), set)).collect();
    for warning in &warnings {
        console.message(format_args!("warning   {warning}"));
    }
    if let (Some(out), Some(kind)) = (&args.out, kind) {
        for path in write(out, kind, &config, &selections, &dataset, column)? {
            console.tell(format_args!("output    {}", path.display()));
        }
    }
    let summary: serde_json::Map<String, Value> =
        selections.iter().map(|(name, set)| ((*name).to_owned(), describe(set, &dataset, column))).collect();
    console.result(&json!({ "dataset": dataset.name, "subset": config.subset.to_string(), "balanced": config.balanced,
        "p_data": config.p_data, "seed": config.seed, "out": args.out, "selections": summary, "warnings": warnings }));
    Ok(())
}

/// The subset, and a random one of the same size where it is chosen by hardness: what `race` trains on, and its control.
fn selections(config: &ExperimentConfig, data: &Dataset, scores: Option<&Scores>) -> Result<Vec<Selection>> {
    let train = data_fraction(&train_validation_split(data).0, config.p_data).map_err(as_asked)?;
    let labels = config.balanced.then_some(data.train.labels.as_slice());
    let mut out = vec![("subset", select(config.subset, &train, labels, scores, config.seed, 0).map_err(as_asked)?)];
    if let Subset::Ranked { fraction, .. } = config.subset {
        out.push(("control", select(Subset::Random(fraction), &train, labels, None, config.seed, 0)?));
    }
    Ok(out)
}

fn counts(set: &[u32], data: &Dataset) -> Vec<usize> {
    let mut out = vec![0; data.classes.len()];
    for i in set {
        if let Some(count) = out.get_mut(usize::from(data.train.labels[*i as usize])) {
            *count += 1;
        }
    }
    out
}

fn of(column: &Column, set: &[u32]) -> Vec<f32> {
    set.iter().filter_map(|i| column.train.get(*i as usize).copied()).collect()
}

/// A line a class, then all of them, then the range of the score.
fn rows(selections: &[Selection], data: &Dataset, column: Option<&Column>) -> Vec<Vec<String>> {
    let line = |name: String, cell: &dyn Fn(&[u32]) -> String| -> Vec<String> {
        std::iter::once(name).chain(selections.iter().map(|(_, set)| cell(set))).collect()
    };
    let mut out: Vec<Vec<String>> =
        data.classes.iter().enumerate().map(|(c, class)| line(class.clone(), &|set| counts(set, data)[c].to_string())).collect();
    out.push(line("all".into(), &|set| set.len().to_string()));
    if let Some(column) = column {
        out.push(line(format!("lowest {}", column.score), &|set| number(range(&of(column, set)).0)));
        out.push(line(format!("highest {}", column.score), &|set| number(range(&of(column, set)).1)));
    }
    out
}

fn describe(set: &[u32], data: &Dataset, column: Option<&Column>) -> Value {
    let range = column.map(|c| (c.score, range(&of(c, set))));
    json!({ "samples": set.len(), "classes": counts(set, data), "score": range.map(|(s, _)| s.name()),
        "lowest": range.map(|(_, r)| r.0), "highest": range.map(|(_, r)| r.1) })
}

/// A form of export.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Json,
    Npy,
    Txt,
}

fn kind(path: &Path) -> Result<Kind> {
    match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        // A stream is one table.
        None if path == Path::new("-") => Ok(Kind::Csv),
        Some("csv") => Ok(Kind::Csv),
        Some("json") => Ok(Kind::Json),
        Some("npy") => Ok(Kind::Npy),
        Some("txt") => Ok(Kind::Txt),
        _ => Err(Usage(format!(
            "--out {}: the ending says the form, .csv, .json, .npy or .txt (or - for a table on standard output)",
            path.display()
        ))
        .into()),
    }
}

/// Writes the selections; returns the files.
fn write(
    path: &Path,
    kind: Kind,
    config: &ExperimentConfig,
    selections: &[Selection],
    data: &Dataset,
    column: Option<&Column>,
) -> Result<Vec<PathBuf>> {
    let single = match kind {
        Kind::Csv => Some(csv(selections, data, column)),
        Kind::Json => {
            let sets: serde_json::Map<String, Value> = selections.iter().map(|(name, set)| ((*name).to_owned(), json!(set))).collect();
            Some(
                json!({ "dataset": data.name, "definition": config.subset.to_string(), "balanced": config.balanced,
                "p_data": config.p_data, "seed": config.seed, "indices": sets })
                .to_string(),
            )
        }
        Kind::Npy | Kind::Txt => None,
    };
    if let Some(text) = single {
        rundir::write(path, text.as_bytes())?;
        return Ok(vec![path.to_owned()]);
    }
    let mut out = Vec::new();
    for (name, set) in selections {
        let place = if *name == "subset" { path.to_owned() } else { control_place(path, Some(kind)) };
        let bytes = match kind {
            Kind::Npy => Npy::indices(set).to_file(),
            _ => set.iter().map(|i| format!("{i}\n")).collect::<String>().into_bytes(),
        };
        rundir::write(&place, &bytes)?;
        out.push(place);
    }
    Ok(out)
}

/// Where the control of a form that holds one selection goes.
fn control_place(path: &Path, kind: Option<Kind>) -> PathBuf {
    path.with_extension(if kind == Some(Kind::Npy) { "control.npy" } else { "control.txt" })
}

fn csv(selections: &[Selection], data: &Dataset, column: Option<&Column>) -> String {
    let mut out = format!("set,index,label{}\n", column.map_or_else(String::new, |c| format!(",{}", c.score)));
    for (name, set) in selections {
        for &i in set {
            let _ = write!(out, "{name},{i},{}", data.train.labels[i as usize]);
            if let Some(score) = column.and_then(|c| c.train.get(i as usize)) {
                let _ = write!(out, ",{score}");
            }
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::data::builtin::builtin;
    use sparring_core::hardness::ScoreName;

    #[test]
    fn a_subset_comes_with_a_control_of_its_size_and_its_classes() {
        let data = builtin(0.5, 200, 10, 1);
        let train: Vec<f32> = (0..200).map(|i| ((i * 37) % 200) as f32).collect();
        let columns = vec![Column { score: ScoreName::Loss, train, test: Vec::new() }];
        let scores = Scores { columns, ..Scores::default() };
        let config = |subset: &str, balanced| ExperimentConfig { subset: subset.parse().unwrap(), balanced, ..Default::default() };
        let sets = selections(&config("loss-hard:0.5", true), &data, Some(&scores)).unwrap();
        assert_eq!(sets.iter().map(|(name, set)| (*name, set.len())).collect::<Vec<_>>(), [("subset", 90), ("control", 90)]);
        assert_eq!(counts(&sets[0].1, &data), counts(&sets[1].1, &data));
        assert_eq!(selections(&config("random:0.5", false), &data, None).unwrap().len(), 1, "a random part is its own control");
        let column = &scores.columns[0];
        let text = csv(&sets, &data, Some(column));
        assert!(text.starts_with("set,index,label,loss\nsubset,"));
        assert_eq!((text.lines().count(), text.matches("control,").count()), (181, 90));
        let rows = rows(&sets, &data, Some(column));
        assert_eq!(rows[10], ["all", "90", "90"]);
        assert_eq!((rows[11][0].as_str(), rows[12][0].as_str()), ("lowest loss", "highest loss"));
        let hard = selections(&config("loss-hard:0.5", false), &data, Some(&scores)).unwrap();
        let lowest = range(&of(column, &hard[0].1)).0;
        let others = (0..180).filter(|i| !hard[0].1.contains(i)).map(|i| column.train[i as usize]).fold(f32::MIN, f32::max);
        assert!(lowest > f64::from(others), "the hard half begins where the easy one ends");
    }
}
