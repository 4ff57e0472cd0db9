//! The document of findings: each claim with its answer, its figure and its numbers, from tables alone.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use sparring_core::ExperimentConfig;
use sparring_core::record::claim::{MARGIN, Tested};
use sparring_figures::forest::{Forest, Row};
use sparring_figures::{Tone, number};

use super::{Finding, because, incomplete};
use crate::estimates::{capital, drawn, p, points, relative};
use crate::output::{self, write_shared};
use crate::sweep::Planned;

/// The figure beside a claim's table.
const FIGURE: &str = "differences.svg";
/// The page's list of its studies.
const INDEX: &str = "index.json";

/// Writes the document, and the figures beside the tables.
pub fn write(file: &Path, all: &[Finding]) -> Result<()> {
    for finding in all {
        let beside = |name: &str, text: &str| write_shared(&finding.planned.folder.join(name), |out| Ok(out.write_all(text.as_bytes())?));
        if let Some(drawing) = figure(finding) {
            beside(FIGURE, &drawing)?;
        }
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    output::write(file, document(folder, all).as_bytes())
}

/// Writes what the page shows: a study a file, and their list.
pub fn write_page(folder: &Path, all: &[Finding]) -> Result<()> {
    let write = |name: &str, text: &str| write_shared(&folder.join(name), |out| Ok(out.write_all(text.as_bytes())?));
    let mut names = Vec::new();
    for Finding { claim, planned, judged, .. } in all {
        let verdict = format!("It {}: {}", judged.answer.words(), because(judged, claim.bounds()));
        let name = format!("{claim}.json");
        write(&name, &planned.file(claim.name(), &verdict)?.to_json()?)?;
        names.push(name);
    }
    write(INDEX, &serde_json::to_string(&names)?)
}

/// All differences with their intervals.
fn figure(finding: &Finding) -> Option<String> {
    let row = |t: &Tested| {
        let average = &t.contrast.average;
        Row {
            name: t.contrast.name.clone(),
            classes: Tone::Sparse.classes(false),
            estimate: drawn(&average.estimate, &average.values, "", false),
            word: number::points(average.estimate.mean, 1),
        }
    };
    let rows = finding.judged.tested.iter().map(row).collect();
    let title = format!("{} ({}): differences in points", capital(finding.claim.name()), finding.planned.measure().doc());
    Forest { label: title.clone(), groups: vec![(String::new(), rows)], differences: true }.document(&title)
}

fn document(folder: &Path, all: &[Finding]) -> String {
    let mut out = format!(
        "<!-- Written by `sparring reproduce --from TABLES --write FILE`. -->\n\n# Findings: the paper's claims, asked again\n\n\
         \"Are Sparse Neural Networks Better Hard Sample Learners?\" (BMVC 2024) makes these claims. Each was asked again by a study, which its\n\
         file repeats on any machine (`sparring sweep`). A difference is taken within a seed, of networks with the same first weights,\n\
         data and order; its interval is Student's t over the seeds, 95%. A difference of less than {} point counts for nothing.\n\
         \"Cannot be told\" is an answer: these seeds, of this network, trained for so long, show neither.\n\n\
         | Claim | It |\n| --- | --- |\n",
        100.0 * MARGIN
    );
    for Finding { claim, judged, .. } in all {
        let _ =
            writeln!(out, "| [{}](#{claim}) {} | **{}** |", capital(&claim.name().replace('-', " ")), claim.doc(), judged.answer.words());
    }
    for finding in all {
        section(&mut out, folder, finding);
    }
    out += LIMITS;
    out
}

fn section(out: &mut String, folder: &Path, finding: &Finding) {
    let Finding { claim, planned, judged, .. } = finding;
    let _ = write!(
        out,
        "\n## {claim}\n\n{}\n\n**It {}**: {}\n\n{}\n\n",
        claim.doc(),
        judged.answer.words(),
        because(judged, claim.bounds()),
        claim.rule()
    );
    let _ = writeln!(out, "{}\n", trained(planned));
    if let Some(note) = incomplete(finding) {
        let _ = writeln!(out, "Not complete: {note}.\n");
    }
    let at = relative(folder, &planned.folder).unwrap_or_default();
    let _ = write!(
        out,
        "Judged by {}. [Study]({at}/study.toml), [table of all runs]({at}/study.csv).\n\n![Differences with intervals]({at}/{FIGURE})\n\n\
         | Difference | Points (95% interval) | p above | p below | Seeds |\n| --- | ---: | ---: | ---: | ---: |\n",
        planned.measure().doc()
    );
    for t in &judged.tested {
        let estimate = &t.contrast.average.estimate;
        let _ = writeln!(out, "| {} | {} | {} | {} | {} |", t.contrast.name, points(estimate), p(t.above), p(t.below), estimate.seeds);
    }
}

/// What the study trains, in a sentence.
fn trained(planned: &Planned) -> String {
    let Some(config) = planned.first() else { return String::new() };
    let ExperimentConfig { model, width, epochs, dataset, limit_train, .. } = config;
    let width = if *width == 1.0 { String::new() } else { format!(" of {width} times its width") };
    let limit = if *limit_train == 0 { String::new() } else { format!(", {limit_train} images of it") };
    let axes = planned.study().axes.iter().map(|axis| format!("{} {}", axis.name, axis.words.join(", "))).collect::<Vec<_>>().join("; ");
    format!("Trained: {model}{width} for {epochs} epochs on {dataset}{limit}. Varied: {axes}.")
}

/// What no number above says.
const LIMITS: &str = "\n## What this forbids to say\n\n\
- The paper trains ResNet18, ResNet34 and VGG16 for 200 epochs. Where networks are smaller, data fewer or training shorter, a claim that fails may\n  \
  hold there, and the other way about.\n\
- Few seeds tell only large differences: an interval of three is 2.5 standard deviations wide on either side.\n\
- The hard half of the training images is chosen by scores of a network that saw all of them. That much is known beforehand in the paper too.\n\
- \"p above\" is the probability of so large a difference if the truth were the bound that the claim needs, corrected for all differences of the claim\n  \
  (Holm); \"p below\" of so small a one, if it were the bound below which the claim fails. At 0.05 and below it counts.\n";
