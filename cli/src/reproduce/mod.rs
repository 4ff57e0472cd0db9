//! `reproduce`: the paper's claims asked again, each by a study, and answered by what its table says.
//!
//! The answer needs the study's file and its table alone. So what somebody else ran is judged here by the same rule, and a document of findings is
//! made again from committed data.

mod claims;
mod findings;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sparring_core::record::claim::{Answer, Bounds, Judged, MARGIN, Tested, judge};

use crate::args::Usage;
use crate::console::{Console, stopping};
use crate::estimates::{p, points};
use crate::output::{Outputs, no_stream};
use crate::sweep::{self, How, Planned, Study};
use claims::{Claim, Size};

/// Flags of `reproduce`.
#[derive(clap::Args)]
#[command(
    after_help = "Claims:\n  density      Sparse networks match or beat dense ones on hard samples at some density\n  little-data  ... the more so, the less data there are\n  layers       Networks that are sparse from the start need denser shallow layers\n  corruption   As density, on corrupted samples\n  attack       As density, under attack"
)]
pub struct ReproduceArgs {
    /// What to ask: density, little-data, layers, corruption, attack, or all
    #[arg(value_name = "CLAIM", required = true, num_args = 1.., value_parser = known)]
    claims: Vec<String>,
    /// How much time there is: tiny (minutes a claim on 2 cores), demo (hours for all) or paper (weeks on a fast GPU)
    #[arg(long, value_name = "NAME", default_value = "tiny", value_parser = size, conflicts_with = "from")]
    scale: Size,
    /// Run nothing, and judge what lies here: a folder for each claim with its study.toml and study.csv
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dry_run", "collect", "jobs", "gpus", "device"])]
    from: Option<PathBuf>,
    /// Write the answers as a document, its figures beside the tables of --from
    #[arg(long, value_name = "FILE.md", requires = "from")]
    write: Option<PathBuf>,
    /// Write each study as a file that the page shows, and their list
    #[arg(long, value_name = "DIR")]
    page: Option<PathBuf>,
    #[command(flatten)]
    how: How,
    /// Print the result as JSON
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
}

fn known(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    if name == ALL { Ok(name) } else { name.parse::<Claim>().map(|claim| claim.to_string()).map_err(|e| format!("{e}; or {ALL}")) }
}
fn size(text: &str) -> Result<Size, String> {
    text.to_ascii_lowercase().parse().map_err(|e: sparring_core::Error| e.to_string())
}

/// Every claim.
const ALL: &str = "all";

/// A claim with its study, and what that says.
pub struct Finding {
    claim: Claim,
    planned: Planned,
    judged: Judged,
    /// How many learners of its runs reached their end.
    results: usize,
}

/// Nothing that is read is written over.
fn outputs(args: &ReproduceArgs) -> Result<Console> {
    const READ: &[&str] = &["toml", "csv", "svg"];
    no_stream("--write", args.write.as_deref())?;
    let tables = Claim::ALL.iter().filter_map(|claim| Some(args.from.as_ref()?.join(claim.name())));
    let tables: Vec<PathBuf> = tables.collect();
    let outputs = tables.iter().fold(Outputs::new(args.json), |outputs, folder| outputs.folder("--from", Some(folder), READ));
    outputs.output("--write", args.write.as_deref()).check()
}

/// That every claim has its files.
fn check_tables(folder: &Path, claims: &[Claim]) -> Result<()> {
    let files = claims.iter().flat_map(|claim| [sweep::STUDY, sweep::TABLE].map(|file| folder.join(claim.name()).join(file)));
    let missing: Vec<String> = files.filter(|file| !file.is_file()).map(|file| file.display().to_string()).collect();
    ensure!(
        missing.is_empty(),
        "--from {}: expected a folder for each claim, with {} and {}; missing: {}. Name the claims that are there instead of {ALL}",
        folder.display(),
        sweep::STUDY,
        sweep::TABLE,
        missing.join(", ")
    );
    Ok(())
}

/// The study of a claim that somebody ran.
fn read(claim: Claim, folder: PathBuf, how: &How) -> Result<Planned> {
    let file = folder.join(sweep::STUDY);
    let planned = Planned::new(Study::read(&file)?, how.device, Some(folder))?;
    let (found, expected) = (planned.measure(), claim.measure());
    if found != expected {
        return Err(Usage(format!("{}: the claim {claim} is judged by {expected}, and this study by {found}", file.display())).into());
    }
    if !planned.has(|config| claim.is_about(config)) {
        return Err(Usage(format!("{}: the claim {claim} is about {}, and no run of this study is", file.display(), claim.about())).into());
    }
    Ok(planned)
}

/// Asks claims, one after the other, and answers each.
pub fn reproduce(args: &ReproduceArgs) -> Result<()> {
    let asked = |claim: &&Claim| args.claims.iter().any(|name| name == ALL || name == claim.name());
    let claims: Vec<Claim> = Claim::ALL.iter().filter(asked).copied().collect();
    let console = outputs(args)?;
    if let Some(folder) = &args.from {
        check_tables(folder, &claims)?;
    }
    let (mut all, mut failed) = (Vec::new(), None);
    for claim in claims {
        let planned = match &args.from {
            Some(folder) => read(claim, folder.join(claim.name()), &args.how)?,
            None => {
                let text = claim.study(args.scale);
                let study = Study::parse(Path::new(sweep::STUDY), text).map_err(Usage)?;
                Planned::new(study, args.how.device, None)?
            }
        };
        console.say(format_args!("claim     {claim}: {}", claim.doc()));
        if args.from.is_none() {
            // What the studies say on their way goes beside the result.
            let words = if args.json { Console::beside() } else { console };
            let ran = sweep::run_all(words, &planned, &args.how, None);
            if args.how.dry_run || stopping() {
                ran?;
                continue;
            }
            // Runs that failed keep no claim from being judged by the others.
            failed = failed.or(ran.err());
        }
        let (conditions, findings) = match planned.table() {
            Ok(table) => table,
            // A table that no run wrote is not what went wrong.
            Err(unread) => return Err(failed.unwrap_or(unread)),
        };
        let (contrasts, missing) = claim.contrasts(&planned, &conditions, &findings);
        let judged = judge(contrasts, missing, claim.bounds());
        let results = findings.racers().iter().filter(|racer| !racer.control).map(|racer| racer.runs).sum();
        let finding = Finding { claim, planned, judged, results };
        tell(console, &finding);
        all.push(finding);
    }
    if let Some(file) = &args.write {
        findings::write(file, &all)?;
        console.tell(format_args!("output    {}", file.display()));
    }
    if let Some(folder) = &args.page {
        findings::write_page(folder, &all).with_context(|| format!("writing studies into {}", folder.display()))?;
        console.tell(format_args!("output    {}", folder.display()));
    }
    if !args.how.dry_run {
        console.result(&json!({ "scale": args.from.is_none().then_some(args.scale), "margin": MARGIN, "claims": all.iter().map(in_json).collect::<Vec<_>>() }));
    }
    failed.map_or(Ok(()), Err)
}

/// The differences that decide, and the answer.
fn tell(console: Console, finding: &Finding) {
    let Finding { claim, planned, judged, .. } = finding;
    console.tell("");
    let header = ["difference", "points", "p above", "p below", "seeds"];
    let row = |t: &Tested| {
        let estimate = &t.contrast.average.estimate;
        vec![t.contrast.name.clone(), points(estimate), p(t.above), p(t.below), estimate.seeds.to_string()]
    };
    console.table(&header, &judged.tested.iter().map(row).collect::<Vec<_>>());
    let bounds = claim.bounds();
    console.say(format_args!(
        "rule      judged by {}. {} p above: of so much, if the truth were {} (Holm's correction); p below: of so little, if it were {}.",
        planned.measure().doc(),
        claim.rule(),
        bound(bounds.holds_above),
        bound(bounds.fails_below)
    ));
    if let Some(note) = incomplete(finding) {
        console.tell(format_args!("note      {note}"));
    }
    console.tell(format_args!("answer    {claim} {}: {}", judged.answer.words(), because(judged, bounds)));
    console.tell("");
}

/// What of the study is not there, in a sentence.
fn incomplete(finding: &Finding) -> Option<String> {
    let Finding { planned, judged, results, .. } = finding;
    let all = planned.results();
    if *results == all {
        return None;
    }
    let missing = if judged.missing.is_empty() { String::new() } else { format!("; nothing is known of: {}", judged.missing.join("; ")) };
    Some(format!("{results} of {all} results of the study are there{missing}"))
}

/// A bound of a claim, in words.
fn bound(bound: f64) -> String {
    if bound == 0.0 { "0".to_owned() } else { format!("{:+} point", 100.0 * bound) }
}

/// Why, in a sentence. An interval has two sides and a claim asks about one: what was asked is said with its probability.
fn because(judged: &Judged, bounds: Bounds) -> String {
    let told = |t: &Tested| format!("{} is {} points", t.contrast.name, points(&t.contrast.average.estimate));
    let probability = |value| match p(value) {
        little if little.starts_with("below") => format!("p {little}"),
        value => format!("p = {value}"),
    };
    let above = |t: &Tested| format!("above {} ({})", bound(bounds.holds_above), probability(t.above));
    let below = |t: &Tested| format!("below {} ({})", bound(bounds.fails_below), probability(t.below));
    // Adjusted, many a probability is 1: how many half intervals it lies above the bound tells them apart.
    let apart = |t: &Tested| {
        let estimate = &t.contrast.average.estimate;
        estimate.half_width.map(|half| (estimate.mean - bounds.holds_above) / half)
    };
    let likeliest = || {
        let known = judged.tested.iter().filter_map(|t| Some((apart(t)?, t)));
        known.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, t)| t)
    };
    match (judged.answer, judged.tested.len()) {
        (_, 0) => "nothing to compare: of no difference both sides are there with the same seed.".into(),
        (Answer::Holds, _) => likeliest().map_or_else(String::new, |t| format!("{}, and {}.", told(t), above(t))),
        (Answer::Fails, 1) => format!("{}, and {}.", told(&judged.tested[0]), below(&judged.tested[0])),
        (Answer::Fails, n) => format!("each of {n} differences is below {}.", bound(bounds.fails_below)),
        (Answer::CannotTell, _) if judged.tested.iter().all(|t| t.above.is_none()) => {
            "one seed does not say how much the seed matters.".into()
        }
        (Answer::CannotTell, n) => likeliest().map_or_else(String::new, |t| {
            let which = if n == 1 {
                String::new()
            } else {
                format!("of {n} differences the likeliest to be above {}: ", bound(bounds.holds_above))
            };
            format!("{which}{}, shown to be neither {} nor {}.", told(t), above(t), below(t))
        }),
    }
}

fn in_json(finding: &Finding) -> Value {
    let Finding { claim, planned, judged, results } = finding;
    json!({ "claim": claim, "says": claim.doc(), "rule": claim.rule(), "bounds": claim.bounds(), "measure": planned.measure(), "folder": planned.folder,
        "answer": judged.answer, "differences": judged.tested, "missing": judged.missing, "results": results, "planned": planned.results() })
}
