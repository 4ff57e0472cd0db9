//! `attack`: accuracy of a checkpoint on the test images that an attack makes of the clean ones.
//!
//! Robust is what is right before the attack and after every restart of it, as a share of all samples. An attack towards a class is told
//! by its own number, the share of images of other classes that are taken for that class after it.

mod auto;
mod sheet;
mod victim;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;
use sparring_core::attack::autoattack::{Attack, AttackReport, AutoAttackConfig};
use sparring_core::attack::{Norm, PgdConfig};
use sparring_core::data::DatasetName;
use sparring_core::data::limit::Limited;
use sparring_core::names::bare;
use sparring_figures::number;

use crate::args::{DeviceFlag, Usage, fraction};
use crate::console::{Console, open_device, stop_on_interrupt};
use crate::npy::Npy;
use crate::output::Outputs;
use crate::{data, import, rundir, source};
use victim::Victim;

/// Which attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Fgsm,
    Pgd(u32),
    Auto,
    /// One part of AutoAttack, on the images that are right.
    Part(Attack),
}

impl Kind {
    fn is_of_autoattack(self) -> bool {
        matches!(self, Self::Auto | Self::Part(_))
    }
}

impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let name = bare(text);
        let part = text.parse().ok().filter(|part| *part != Attack::Clean);
        let steps = name.strip_prefix("pgd").and_then(|steps| steps.parse::<u32>().ok()).filter(|steps| *steps > 0);
        match (name.as_str(), steps) {
            ("fgsm", _) => Ok(Self::Fgsm),
            ("autoattack" | "aa", _) => Ok(Self::Auto),
            ("pgd", _) => Ok(Self::Pgd(20)),
            (_, Some(steps)) => Ok(Self::Pgd(steps)),
            _ => part.map(Self::Part).ok_or_else(|| {
                format!("expected fgsm, pgdN with N steps, like pgd20, autoattack, or one of its parts apgd-ce, apgd-t, fab-t and square, found '{text}'")
            }),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fgsm => f.write_str("FGSM"),
            Self::Pgd(steps) => write!(f, "PGD-{steps}"),
            Self::Auto => f.write_str("AutoAttack"),
            Self::Part(part) => write!(f, "{part} of AutoAttack"),
        }
    }
}

/// Flags of `attack`.
#[derive(clap::Args)]
pub struct AttackArgs {
    /// A checkpoint that race, train or import wrote, or the folder of a run of one learner, for its best weights
    #[arg(long, value_name = "F.safetensors", value_parser = rundir::checkpoint)]
    checkpoint: PathBuf,
    /// Test set, as --dataset of race names it
    #[arg(long)]
    data: DatasetName,
    /// Difficulty of the built-in set, 0 to 1
    #[arg(long, default_value_t = 0.5)]
    difficulty: f32,
    #[command(flatten)]
    own: data::OwnImages,
    /// fgsm (one step from the clean image), pgdN (N steps), autoattack (APGD-CE, targeted APGD-DLR and FAB, Square), or one part of it: apgd-ce, apgd-t, fab-t or square
    #[arg(long, default_value = "pgd20", value_name = "NAME")]
    attack: Kind,
    /// Norm that bounds the perturbation: linf or l2
    #[arg(long, default_value = "linf")]
    norm: Norm,
    /// Radius of the ball, pixels being 0 to 1 [default: 8/255 for linf, 0.5 for l2]
    #[arg(long, value_parser = fraction)]
    eps: Option<f32>,
    /// Length of a step of PGD [default: a quarter of eps for linf, 2.5 eps over the number of steps for l2]
    #[arg(long, value_parser = fraction, value_name = "LENGTH")]
    step: Option<f32>,
    /// Start PGD at the clean image instead of at random
    #[arg(long)]
    no_random_start: bool,
    /// Random starts of PGD; a sample counts as robust if it survives all of them
    #[arg(long, default_value_t = 1, value_name = "R")]
    restarts: u32,
    /// Attack towards this class (its number) instead of away from the true one; its own images are left out, and the result is the targeted success rate
    #[arg(long, value_name = "CLASS")]
    target: Option<u32>,
    /// Seed of the random starts
    #[arg(long, default_value_t = 15)]
    seed: u64,
    /// Only N test images (0 = all): of CIFAR the first, of others as many of every class, always the same ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// Images of a batch
    #[arg(long, default_value_t = 100, value_name = "N")]
    batch_size: usize,
    /// Write the adversarial images, float32 of 0 to 1, (samples, channels, rows, columns)
    #[arg(long, value_name = "F.npy")]
    export: Option<PathBuf>,
    /// Draw clean image, perturbation times ten, adversarial image, with the answers
    #[arg(long, value_name = "F.png")]
    sheet: Option<PathBuf>,
    /// autoattack: keep its state in this file after every batch, and go on from it
    #[arg(long, value_name = "F.json")]
    state: Option<PathBuf>,
    /// Where to compute
    #[arg(long, default_value = "auto")]
    device: DeviceFlag,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl AttackArgs {
    fn config(&self, classes: usize) -> Result<PgdConfig> {
        let eps = self.eps.unwrap_or(self.norm.usual().eps);
        let config = match self.attack {
            Kind::Fgsm => PgdConfig { targeted: self.target.is_some(), ..PgdConfig::fgsm(self.norm, eps) },
            // AutoAttack has settings of its own; this checks the radius.
            Kind::Auto | Kind::Part(_) => PgdConfig::fgsm(self.norm, eps),
            Kind::Pgd(iterations) => PgdConfig {
                norm: self.norm,
                eps,
                step: self.step.unwrap_or(match self.norm {
                    Norm::Linf => eps / 4.0,
                    Norm::L2 => 2.5 * eps / iterations as f32,
                }),
                iterations,
                random_start: !self.no_random_start,
                targeted: self.target.is_some(),
            },
        };
        config.check().map_err(|e| Usage(e.to_string()))?;
        // A radius of 0 is meant: it gives clean accuracy.
        if let Some(why) = config.idle().filter(|_| config.eps > 0.0) {
            return Err(Usage(format!("this attack looks for nothing: {why}; --step takes a length above 0, like 2/255")).into());
        }
        if let Some(target) = self.target.filter(|t| *t as usize >= classes) {
            return Err(Usage(format!("--target {target}: the classes are 0 to {}", classes - 1)).into());
        }
        if self.attack.is_of_autoattack() && (self.target.is_some() || self.restarts != 1 || self.step.is_some() || self.no_random_start) {
            return Err(Usage(
                "autoattack takes no --target, --restarts, --step or --no-random-start: its settings are the published ones".into(),
            )
            .into());
        }
        if self.restarts > 1 && !config.random_start {
            return Err(Usage(
                "--restarts repeats the attack from other starts, and this one has no random start: leave one of them out".into(),
            )
            .into());
        }
        if matches!(self.attack, Kind::Fgsm) && self.step.is_some() {
            return Err(Usage("fgsm has one step as long as its radius: --step is for pgd".into()).into());
        }
        if !self.attack.is_of_autoattack() && self.state.is_some() {
            return Err(Usage("--state is for autoattack; the others are quick".into()).into());
        }
        if self.restarts == 0 || self.batch_size == 0 {
            return Err(Usage("--restarts and --batch-size must be at least 1".into()).into());
        }
        Ok(config)
    }
}

/// Loads, attacks, prints.
pub fn attack(args: &AttackArgs) -> Result<()> {
    let console = Outputs::new(args.json)
        .checkpoint(&args.checkpoint, rundir::run_of(&args.checkpoint))
        .images(&args.own.folder)
        .output("--export", args.export.as_deref())
        .output("--sheet", args.sheet.as_deref())
        .file("--state", args.state.as_deref())?
        .check()?;
    let (mut state, architecture, normalization) = import::read_checkpoint(&args.checkpoint)?;
    stop_on_interrupt()?;
    let data = source::exactly(console, args.data, args.difficulty, &args.own)?;
    let classes = import::classes(architecture, data.extent, &state)?;
    if classes != data.classes.len() {
        bail!("{} has {classes} classes, but {} has {}", args.checkpoint.display(), data.name, data.classes.len());
    }
    let config = args.config(classes)?;
    let mut device = open_device(console, args.device.into())?;
    let graph = import::graph(architecture, normalization, classes, data.extent)?;
    import::check(&graph, &mut state)?;
    let mut chosen = Limited::test(&data, args.limit)?;
    console.say(format_args!("images    {chosen}"));
    let all = chosen.samples.len();
    if let Some(target) = args.target {
        // They are what the attack wants already.
        chosen.samples.retain(|i| u32::from(data.test.labels[*i as usize]) != target);
        if chosen.samples.is_empty() {
            bail!("all {all} test images are of class {target}, which is the target: there is nothing to attack");
        }
    }
    let count = chosen.samples.len();
    let left_out = all - count;
    let mut warnings: Vec<String> = config.weakness().into_iter().collect();
    if let Some(why) = config.idle() {
        warnings.push(format!("{why}: this is no attack, and what follows is clean accuracy"));
    }
    warnings.iter().for_each(|warning| console.message(format_args!("warning   {warning}")));
    let start = Instant::now();
    // Images are kept only where somebody wants to see them.
    let keep = args.export.is_some() || args.sheet.is_some();
    let batch = args.batch_size.min(count);
    let (result, parts) = if args.attack.is_of_autoattack() {
        let bytes = std::fs::read(&args.checkpoint).with_context(|| format!("reading {}", args.checkpoint.display()))?;
        let target = auto::Target { graph, state: &state, data: &data, identity: sparring_core::data::sha256(&bytes) };
        let standard = AutoAttackConfig::standard(args.norm, config.eps, args.seed);
        let only = if let Kind::Part(part) = args.attack { Some(part) } else { None };
        let plan = auto::Plan { config: standard, only, chosen: &chosen, batch, save: args.state.as_deref(), keep };
        let (result, run) = auto::run(console, &mut device, target, &plan)?;
        (result, Some(run))
    } else {
        let mut victim = Victim::new(&mut device, graph, &state, &data, batch, config)?;
        let how = (args.seed, args.restarts, args.target);
        (pollster::block_on(victim.attack(console, &data, &chosen.samples, how, keep))?, None)
    };
    let seconds = start.elapsed().as_secs_f64();
    let share = |n: usize| n as f64 / count as f64;
    let (clean, robust) = match &parts {
        Some(run) => (run.clean_accuracy(), run.robust_accuracy()),
        None => (share(result.clean()), share(result.robust())),
    };
    if let Some(run) = &parts {
        let row = |r: &AttackReport| vec![r.part.to_string(), r.before.to_string(), r.broken.to_string(), number::duration(r.seconds)];
        console.table(&["part", "standing", "broken", "took"], &run.reports.iter().map(row).collect::<Vec<_>>());
    }
    let eps255 = if args.norm == Norm::Linf { format!(" ({:.3}/255)", config.eps * 255.0) } else { String::new() };
    let hits = args.target.map(|_| share(result.hits()));
    let header = ["attack", "norm", "eps", "samples", "clean", if hits.is_some() { "targeted success" } else { "robust" }, "took"];
    let row = vec![
        args.attack.to_string(),
        args.norm.to_string(),
        format!("{:.4}{eps255}", config.eps),
        count.to_string(),
        number::percent(clean, 2),
        number::percent(hits.unwrap_or(robust), 2),
        number::duration(seconds),
    ];
    console.table(&header, &[row]);
    if let Some(target) = args.target {
        let name = data.classes.get(target as usize).map_or("?", String::as_str);
        console.say(format_args!(
            "targeted  {} of {count} images are taken for class {target} ({name}) after the attack; {left_out} images of that class are left out",
            result.hits()
        ));
    }
    if let Some(path) = &args.export {
        let (c, h, w) = data.extent;
        rundir::write(path, &Npy::f32(vec![count, c, h, w], &result.adversarial).to_file())
            .with_context(|| format!("writing {}", path.display()))?;
        console.tell(format_args!("output    {}", path.display()));
    }
    if let Some(path) = &args.sheet {
        write_sheet(console, path, &result, &data)?;
    }
    let mut summary = json!({
        "checkpoint": args.checkpoint,
        "model": architecture.model,
        "data": args.data,
        "attack": args.attack.to_string(),
        "norm": args.norm,
        "eps": config.eps,
        "warnings": parts.as_ref().map_or(&[][..], |run| run.warnings.as_slice()).iter().chain(&warnings).collect::<Vec<_>>(),
        "target": args.target,
        "samples": count,
        "left_out": left_out,
        "sample": source::sample(&chosen),
        "clean_accuracy": clean,
        "robust_accuracy": hits.is_none().then_some(robust),
        "targeted_success_rate": hits,
        "seconds": seconds,
        "device": device.info(),
        "commit": env!("SPARRING_COMMIT"),
    });
    // Only what the attack has: AutoAttack's settings are the published ones, and FGSM's one step is as long as its radius.
    if let Kind::Pgd(iterations) = args.attack {
        summary["iterations"] = json!(iterations);
        summary["step"] = json!(config.step);
        summary["random_start"] = json!(config.random_start);
    }
    if config.random_start {
        summary["restarts"] = json!(args.restarts);
    }
    if config.random_start || parts.is_some() {
        summary["seed"] = json!(args.seed);
    }
    if let Some(run) = &parts {
        summary["parts"] = json!(run.reports);
    }
    console.result(&summary);
    Ok(())
}

fn write_sheet(console: Console, path: &Path, result: &victim::Attacked, data: &sparring_core::data::Dataset) -> Result<()> {
    let drawn = sheet::draw(result, data)?;
    rundir::write(path, &drawn.png).with_context(|| format!("writing {}", path.display()))?;
    for (i, line) in drawn.lines.iter().enumerate() {
        console.say(format_args!("row {:>2}    {line}", i + 1));
    }
    console.tell(format_args!("output    {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn attacks_by_name() {
        assert_eq!("pgd20".parse::<Kind>().unwrap(), Kind::Pgd(20));
        assert_eq!("fgsm".parse::<Kind>().unwrap(), Kind::Fgsm);
        for text in ["autoattack", "aa", "AA", "Auto-Attack"] {
            assert_eq!(text.parse::<Kind>().unwrap(), Kind::Auto, "{text}");
        }
        for (text, steps) in [("pgd", 20), ("PGD-20", 20), ("pgd_7", 7), ("PGD100", 100)] {
            assert_eq!(text.parse::<Kind>().unwrap(), Kind::Pgd(steps), "{text}");
        }
        for (text, part) in [("apgd-ce", Attack::ApgdCe), ("APGD-T", Attack::ApgdT), ("fab-t", Attack::FabT), ("square", Attack::Square)] {
            assert_eq!(text.parse::<Kind>().unwrap(), Kind::Part(part), "{text}");
        }
        assert!("clean".parse::<Kind>().is_err());
        for wrong in ["pgd0", "pgd-x", "cw", ""] {
            assert!(wrong.parse::<Kind>().unwrap_err().contains("like pgd20"), "{wrong}");
        }
    }
}
