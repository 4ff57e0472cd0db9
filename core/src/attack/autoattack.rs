//! AutoAttack, the standard version (Croce & Hein 2020): APGD on the cross-entropy, targeted APGD on the difference of logits ratio,
//! targeted FAB and Square, each on the samples that still stand. A sample is broken only where its final image, checked in
//! float64 to be in the ball and in the box, is classified wrong by one more pass.
//!
//! **APGD** (100 steps): starts on the surface of the ball, `x1 = P(x + size * direction)`,
//! `x <- P(x + 3/4 (x1 - x) + 1/4 (x - old))`; the size starts at twice the radius and is halved at checkpoints (intervals of 22 % of
//! the steps, each 3 % shorter, at least 6 %) where the loss rose in at most three quarters of the steps, or where the last check did
//! not halve and the best loss stands; then `x` goes back to the best point.
//! **FAB** (100 steps): projects `x` and the clean image on the linearised boundary to the target within the box, mixes them (the
//! clean one's share at most 1/10), goes 5 % beyond, and where that fools, 10 % back towards the clean image.
//! **Square** (5000 queries): random windows of shrinking size, kept where they lower the margin.
//! Targets are the 9 classes (or classes - 1) that score highest after the label on the clean image.
//!
//! All state is on the device ([`crate::ops::autoattack`]); nothing is read back inside an attack. Random numbers are drawn on the
//! host from streams named (seed, [`Purpose::AutoAttack`], attack and iteration, sample), so results depend neither on batches nor on
//! where a run was interrupted.
//!
//! Where this differs from the authors' code (fra31/auto-attack): the random numbers; projections use a radius that leaves room for
//! rounding ([`super::Norm::safe_radius`]); survivors are packed into full batches after every target, the last of them into a smaller plan;
//! APGD's first rise is counted
//! from the starting point, not from 0; FAB finds projections by Newton's method on the multiplier, not by sorting; Square draws
//! windows for each sample rather than for the batch, up to the last row and column (theirs never reach them), never wider than the
//! image, and uses norms by channel in L2 as its paper does; with fewer than four classes the smallest logit stands in for those that
//! are missing in DLR, and with two its denominator is 1.

mod apgd;
mod arena;
mod fab;
mod square;

pub use arena::Arena;

use serde::{Deserialize, Serialize};
use web_time::Instant;

use super::{Norm, PgdConfig};
use crate::data::{Dataset, Images};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// What is run. [`AutoAttackConfig::standard`] is the published version.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoAttackConfig {
    /// Norm of the ball.
    pub norm: Norm,
    /// Its radius.
    pub eps: f32,
    /// Seed of every stream.
    pub seed: u64,
    /// Most target classes of a targeted attack.
    pub targets: usize,
    /// Steps of APGD.
    pub apgd_steps: u32,
    /// Steps of FAB.
    pub fab_steps: u32,
    /// Queries of Square.
    pub queries: u32,
}

impl AutoAttackConfig {
    /// As published.
    pub fn standard(norm: Norm, eps: f32, seed: u64) -> Self {
        Self { norm, eps, seed, targets: 9, apgd_steps: 100, fab_steps: 100, queries: 5000 }
    }
    /// Checks ranges.
    ///
    /// # Errors
    /// `Config` with what was expected.
    pub fn check(&self) -> Result<()> {
        PgdConfig::fgsm(self.norm, self.eps).check()?;
        for (name, count, least) in
            [("steps of APGD", self.apgd_steps, 1), ("steps of FAB", self.fab_steps, 0), ("queries of Square", self.queries, 0)]
        {
            if !(least..=1_000_000).contains(&count) {
                return Err(Error::config(format!("the number of {name} must be from {least} to 1000000, found {count}")));
            }
        }
        Ok(())
    }
}

crate::names::named_enum! {
    /// One part of AutoAttack.
    pub enum Attack ("attack") {
        /// The clean image: what is wrong already needs no attack.
        Clean = "clean",
        /// APGD on the cross-entropy.
        ApgdCe = "apgd-ce",
        /// APGD on the targeted difference of logits ratio.
        ApgdT = "apgd-t",
        /// Targeted FAB.
        FabT = "fab-t",
        /// Square.
        Square = "square",
    }
}

/// What a part did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackReport {
    /// Which.
    pub part: Attack,
    /// Samples that stood before it.
    pub before: usize,
    /// Samples it broke.
    pub broken: usize,
    /// Time it took.
    pub seconds: f64,
}

/// A broken sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// Its index among the images.
    pub sample: u32,
    /// What broke it.
    pub part: Attack,
    /// The image that is classified wrong, `[c][h][w]`; the clean one for [`Attack::Clean`].
    pub image: Vec<f32>,
}

/// A run over a set of samples. It can be saved between two batches and goes on where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoAttack {
    /// What is run.
    pub config: AutoAttackConfig,
    /// Number of samples at the start.
    pub total: usize,
    /// What each part did so far, in order.
    pub reports: Vec<AttackReport>,
    /// Doubts about the result, for a person to read.
    pub warnings: Vec<String>,
    classes: usize,
    /// Parts that are run after the clean one.
    parts: Vec<Attack>,
    /// Which of [`Self::stages`] is under way.
    stage: usize,
    /// Samples that stood when it began.
    standing: Vec<u32>,
    /// How many of them are through.
    through: usize,
    /// Those of them that survived.
    survivors: Vec<u32>,
}

impl AutoAttack {
    /// A run over these images, by index.
    ///
    /// # Errors
    /// `Config` for ranges, and for fewer than two classes.
    pub fn new(config: AutoAttackConfig, classes: usize, samples: Vec<u32>) -> Result<Self> {
        config.check()?;
        if classes < 2 {
            return Err(Error::config(format!("an attack needs at least 2 classes, found {classes}")));
        }
        Ok(Self {
            config,
            total: samples.len(),
            reports: Vec::new(),
            warnings: Vec::new(),
            classes,
            parts: Attack::ALL.to_vec(),
            stage: 0,
            standing: samples,
            through: 0,
            survivors: Vec::new(),
        })
    }

    /// The same run with these parts alone, in the usual order; the clean image is always looked at. For a look at one of them: the
    /// result is not AutoAttack's.
    pub fn only(mut self, parts: &[Attack]) -> Self {
        self.parts = parts.to_vec();
        self
    }

    /// The parts that it consists of.
    pub fn parts(&self) -> &[Attack] {
        &self.parts
    }

    /// Parts, and the rank of the target class of targeted ones: each goes over the samples that still stand.
    fn stages(&self) -> Vec<(Attack, usize)> {
        let targets = self.config.targets.min(self.classes - 1);
        let mut stages = vec![(Attack::Clean, 0), (Attack::ApgdCe, 0)];
        stages.extend((0..targets).map(|rank| (Attack::ApgdT, rank)));
        stages.extend((0..targets).map(|rank| (Attack::FabT, rank)));
        stages.push((Attack::Square, 0));
        stages.retain(|(part, _)| *part == Attack::Clean || self.parts.contains(part));
        stages
    }

    /// Whether every part is through, or nothing stands any more.
    pub fn finished(&self) -> bool {
        self.stage >= self.stages().len() || (self.standing.is_empty() && self.stage > 0)
    }

    /// Samples that no part has broken so far.
    pub fn robust(&self) -> impl Iterator<Item = u32> {
        self.survivors.iter().chain(&self.standing[self.through..]).copied()
    }

    /// Share of all samples that are classified right without an attack; before the clean part is through, of those seen.
    pub fn clean_accuracy(&self) -> f64 {
        let wrong = self.reports.iter().find(|r| r.part == Attack::Clean).map_or(0, |r| r.broken);
        (self.total - wrong) as f64 / self.total.max(1) as f64
    }

    /// Share of all samples that still stand: robust accuracy once it is finished, else a bound from above.
    pub fn robust_accuracy(&self) -> f64 {
        self.robust().count() as f64 / self.total.max(1) as f64
    }

    /// Runs the next batch of samples through the stage under way, and returns those that broke.
    ///
    /// # Errors
    /// What the device says; after an error the run stands where it stood before the batch.
    pub async fn advance(&mut self, device: &mut Device, arena: &mut Arena<'_>, data: &Dataset, images: &Images) -> Result<Vec<Broken>> {
        if self.finished() {
            return Ok(Vec::new());
        }
        let stages = self.stages();
        let (part, rank) = stages[self.stage];
        let to = (self.through + arena.lanes()).min(self.standing.len());
        let samples = self.standing[self.through..to].to_vec();
        let court = arena.court(device, samples.len())?;
        let begun = Instant::now();
        let run = court.begin(device, &self.config, (part, rank), (data, images), &samples).await?;
        let answer = match part {
            Attack::Clean => court.clean(),
            Attack::ApgdCe | Attack::ApgdT => apgd::run(&run, device, part, rank).await?,
            Attack::FabT => fab::run(&run, device).await?,
            Attack::Square => square::run(&run, device).await?,
        };
        let broken = run.verify(device, part, answer).await?;
        if part == Attack::Clean && self.through == 0 {
            self.warnings.extend(court.doubts(device, data, images, &samples).await?);
        }
        self.survivors.extend(samples.iter().filter(|sample| broken.iter().all(|b| b.sample != **sample)));
        self.through = to;
        self.record(part, broken.len(), begun.elapsed().as_secs_f64());
        if self.through == self.standing.len() {
            self.standing = std::mem::take(&mut self.survivors);
            (self.through, self.stage) = (0, self.stage + 1);
            if part == Attack::Square {
                self.doubt_gradients();
            }
        }
        Ok(broken)
    }

    fn record(&mut self, part: Attack, broken: usize, seconds: f64) {
        if self.reports.last().is_none_or(|r| r.part != part) {
            self.reports.push(AttackReport { part, before: self.standing.len(), broken: 0, seconds: 0.0 });
        }
        if let Some(report) = self.reports.last_mut() {
            report.broken += broken;
            report.seconds += seconds;
        }
    }

    /// Square uses no gradient; where it breaks what the others could not, gradients may be masked.
    fn doubt_gradients(&mut self) {
        let broken = self.reports.last().filter(|r| r.part == Attack::Square).map_or(0, |r| r.broken);
        if broken as f64 > 0.002 * self.total as f64 {
            self.warnings.push(format!(
                "Square, which uses no gradient, broke {broken} of {} samples that the gradient attacks left: gradients may be masked, \
                 and true robustness lower",
                self.total
            ));
        }
    }
}

/// Radii at which robust accuracy is higher than at a smaller one: attacks that search too little, or masked gradients.
/// `results`: (radius, robust accuracy).
pub fn rises_with_eps(results: &[(f32, f64)]) -> Vec<String> {
    let mut sorted = results.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rising = sorted.windows(2).filter(|pair| pair[1].1 > pair[0].1 && pair[1].0 > pair[0].0);
    rising
        .map(|pair| {
            format!(
                "robust accuracy is {:.2}% at eps {} but {:.2}% at the larger {}: a larger ball holds the smaller one, so the attack \
                 searched too little there",
                100.0 * pair[0].1,
                pair[0].0,
                100.0 * pair[1].1,
                pair[1].0
            )
        })
        .collect()
}

/// The stream of a sample in an iteration of a part.
fn stream(seed: u64, part: Attack, iteration: u32, sample: u32) -> Stream {
    Stream::new(seed, Purpose::AutoAttack, (part as u64) << 32 | u64::from(iteration), u64::from(sample))
}
