//! `sparring catalog`: methods, rules, models and datasets as Markdown, read off the code.
//!
//! The README carries this text and a test compares the two, so that no table can name what is not there or miss what is.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use sparring_core::config::{Allocation, Dynamics, Method, Start};
use sparring_core::data::DatasetName;
use sparring_core::net::zoo::{Input, Model};
use sparring_core::sparse::{Grow, Prune, Redistribution};
use sparring_figures::number;

use crate::{rundir, stdout};

const BEGIN: &str = "<!-- catalog: `cargo run --release -- catalog --write README.md` writes what stands from here on -->\n";
const END: &str = "<!-- end of the catalog -->\n";

/// Flags of `catalog`.
#[derive(clap::Args)]
pub struct CatalogArgs {
    /// Put it into this Markdown file, between its two marks
    #[arg(long, value_name = "FILE.md")]
    write: Option<PathBuf>,
}

/// Prints the catalog, or puts it where it belongs.
pub fn catalog(args: &CatalogArgs) -> Result<()> {
    let text = markdown()?;
    let Some(path) = &args.write else {
        stdout::write(text.as_bytes());
        return Ok(());
    };
    let old = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let parts = old.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.with_context(|| {
        format!("{}: expected the marks of the catalog, found none: {} and {}", path.display(), BEGIN.trim(), END.trim())
    })?;
    rundir::write(path, format!("{before}{BEGIN}{text}{END}{after}").as_bytes())
}

fn markdown() -> Result<String> {
    let mut out = String::new();
    section(
        &mut out,
        "Methods",
        &["`--learners`", "Method", "What it does", "Starts from", "Density by layer"],
        Method::ALL.iter().map(|m| {
            let recipe = m.recipe();
            let start = match recipe.start {
                Start::Scratch => "scratch",
                Start::Trained => "a trained dense network",
                Start::Rewound => "scratch, masked by a trained dense network",
            };
            let density = match (m, recipe.dynamics) {
                (Method::Dense, _) => String::new(),
                (_, Dynamics::Gradual) => "one threshold".to_owned(),
                _ => recipe.allocation.to_string(),
            };
            vec![format!("`{m}`"), m.title().to_owned(), m.about().to_owned(), start.to_owned(), density]
        }),
    )?;
    let rules = |kind: &str, all: Vec<(String, &str)>| -> Vec<Vec<String>> {
        all.into_iter().map(|(option, doc)| vec![kind.to_owned(), format!("`{option}`"), doc.to_owned()]).collect()
    };
    let mut rows = rules("who goes", Prune::ALL.iter().map(|r| (format!("+prune={r}"), r.doc())).collect());
    rows.extend(rules("who comes", Grow::ALL.iter().map(|r| (format!("+grow={r}"), r.doc())).collect()));
    rows.extend(rules("where they come", Redistribution::ALL.iter().map(|r| (format!("+redistribute={r}"), r.doc())).collect()));
    rows.extend(rules("first mask", Allocation::ALL.iter().map(|a| (format!("+{a}"), a.doc())).collect()));
    let kept = "The first LAYERS from the input stay dense, the others are sparser by as much; with `erk` or `uniform`.";
    rows.extend(rules("first mask", vec![("+keep-first=LAYERS".into(), kept)]));
    section(&mut out, "Options of a learner", &["Choice", "Option", "What it does"], rows.into_iter())?;
    let mut models = Vec::new();
    for model in Model::ALL {
        let (c, h, w) = model.usual_extent();
        let graph = model.graph(Input { extent: (c, h, w), classes: 10, mean: [0.0; 4], std: [1.0; 4] })?;
        models.push(vec![
            format!("`{model}`"),
            model.doc().to_owned(),
            format!("{h}x{w}x{c}"),
            number::count(graph.parameters()),
            graph.weights().len().to_string(),
            format!("{:.1} M", graph.macs() as f64 / 1e6),
        ]);
    }
    section(
        &mut out,
        "Models (counts for ten classes)",
        &["`--model`", "Network", "Image", "Parameters", "Weight tensors", "MACs"],
        models.into_iter(),
    )?;
    section(&mut out, "Datasets", &["`--dataset`", "Images"], DatasetName::ALL.iter().map(|d| vec![format!("`{d}`"), d.doc().to_owned()]))?;
    Ok(out)
}

fn section(out: &mut String, title: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<()> {
    writeln!(out, "\n### {title}\n\n| {} |\n|{}", header.join(" | "), " --- |".repeat(header.len()))?;
    for row in rows {
        writeln!(out, "| {} |", row.join(" | "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_readme_carries_the_catalog() {
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
        let carried = readme.split_once(BEGIN).unwrap().1.split_once(END).unwrap().0;
        assert!(carried == markdown().unwrap(), "run `cargo run --release -- catalog --write README.md`");
        assert!(carried.contains("| `resnet18` |") && carried.contains("11,173,952") && carried.contains("| `lth` |"));
    }
}
