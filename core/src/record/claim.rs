//! Whether a study supports a claim: it holds, it does not, or the study cannot tell.
//!
//! "Not told apart" is not "equal": few seeds tell nothing apart. So a claim names bounds, and holds or fails only where an interval lies beyond
//! one of them.

use serde::Serialize;

use super::holm::holm;
use super::study::{Average, LEVEL};

/// As little as this, in accuracy, counts for nothing: one point.
pub const MARGIN: f64 = 0.01;

/// What a study says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Some difference lies above the bound that the claim needs.
    Holds,
    /// All differences lie below the bound that the claim would need.
    Fails,
    /// Neither can be said.
    CannotTell,
}

impl Answer {
    /// In words, after the claim.
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "does not hold",
            Self::CannotTell => "cannot be told at this scale",
        }
    }
}

/// Between which bounds a claim is decided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    /// The claim holds where some difference is above this.
    pub holds_above: f64,
    /// It fails where all are below this.
    pub fails_below: f64,
}

impl Bounds {
    /// That somebody is not behind by more than counts.
    pub const SOMEBODY_MATCHES: Self = Self { holds_above: -MARGIN, fails_below: -MARGIN };
    /// That there is a gain; it fails where every gain is too small to count.
    pub const A_GAIN: Self = Self { holds_above: 0.0, fails_below: MARGIN };
}

/// A difference that a claim is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// Of what.
    pub name: String,
    /// Seed by seed, and over the seeds.
    #[serde(flatten)]
    pub average: Average,
}

/// A difference and what its seeds say of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tested {
    /// The difference.
    #[serde(flatten)]
    pub contrast: Contrast,
    /// The probability of so large a mean if the truth were the upper bound, adjusted for the number of differences (Holm); `None` of one seed.
    pub above: Option<f64>,
    /// The probability of so small a mean if the truth were the lower bound; `None` of one seed.
    pub below: Option<f64>,
}

/// A claim, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// What may be said.
    pub answer: Answer,
    /// By what.
    pub tested: Vec<Tested>,
    /// Differences that were asked for and are not known.
    pub missing: Vec<String>,
}

/// Judges a claim by its differences, with Student's t over seeds at the level [`LEVEL`].
///
/// That one of several is above a bound is looked for several times, and corrected for, those that are missing counted. That all are below
/// needs no correction: each has to be, and none may be missing.
pub fn judge(contrasts: Vec<Contrast>, missing: Vec<String>, bounds: Bounds) -> Judged {
    let known: Vec<(Contrast, Option<(f64, f64)>)> = contrasts
        .into_iter()
        .map(|contrast| {
            let at = |bound| contrast.average.estimate.p_above(bound);
            let both = at(bounds.holds_above).zip(at(bounds.fails_below).map(|above| 1.0 - above));
            (contrast, both)
        })
        .collect();
    let p = known.iter().filter_map(|(_, both)| both.map(|(above, _)| above)).chain(missing.iter().map(|_| 1.0));
    let mut adjusted = holm(&p.collect::<Vec<_>>()).into_iter();
    let tested: Vec<Tested> = known
        .into_iter()
        .map(|(contrast, both)| Tested { contrast, above: both.and_then(|_| adjusted.next()), below: both.map(|(_, below)| below) })
        .collect();
    let is = |p: Option<f64>| p.is_some_and(|p| p <= LEVEL);
    let answer = if tested.iter().any(|t| is(t.above)) {
        Answer::Holds
    } else if !tested.is_empty() && missing.is_empty() && tested.iter().all(|t| is(t.below)) {
        Answer::Fails
    } else {
        Answer::CannotTell
    };
    Judged { answer, tested, missing }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::study::{Findings, Row};
    use super::*;
    use crate::events::Metric;

    /// Differences of these values, seed by seed.
    fn contrast(name: &str, values: &[f64]) -> Contrast {
        let mut findings = Findings::default();
        for (seed, value) in values.iter().enumerate() {
            for (learner, value) in [("dense", 0.5), ("set@0.2", 0.5 + value)] {
                let (seed, learner) = (seed as u64, learner.to_owned());
                findings.add_row(Row {
                    condition: 0,
                    seed,
                    learner,
                    control: false,
                    density: 1.0,
                    flops: 1.0,
                    metric: Metric::Test,
                    value,
                    samples: 10_000,
                });
            }
        }
        Contrast { name: name.into(), average: findings.sum(Metric::Test, &[(1.0, 1, 0), (-1.0, 0, 0)]).unwrap() }
    }

    #[test]
    fn a_claim_holds_fails_or_is_open() {
        let of = |all: &[&[f64]], bounds| judge(all.iter().map(|values| contrast("x", values)).collect(), Vec::new(), bounds).answer;
        let (level, worse, better, wide): (&[f64], &[f64], &[f64], &[f64]) =
            (&[0.001, 0.0, -0.001], &[-0.05, -0.051, -0.049], &[0.05, 0.051, 0.049], &[-0.06, 0.0, 0.06]);
        for (all, matches, gains) in [
            (&[level][..], Answer::Holds, Answer::Fails),
            (&[worse], Answer::Fails, Answer::Fails),
            (&[better], Answer::Holds, Answer::Holds),
            (&[wide], Answer::CannotTell, Answer::CannotTell),
            // One that is open keeps a claim open, one that holds is enough.
            (&[worse, wide], Answer::CannotTell, Answer::CannotTell),
            (&[worse, better, wide], Answer::Holds, Answer::Holds),
            (&[worse, level], Answer::Holds, Answer::Fails),
            (&[&[0.3]], Answer::CannotTell, Answer::CannotTell),
            (&[], Answer::CannotTell, Answer::CannotTell),
        ] {
            assert_eq!(of(all, Bounds::SOMEBODY_MATCHES), matches, "{all:?}");
            assert_eq!(of(all, Bounds::A_GAIN), gains, "{all:?}");
        }
    }

    #[test]
    fn one_sided_values_are_those_computed_by_hand_and_corrected_for_how_many_there_are() {
        // +0.01, +0.02, +0.03: t = 3.4641 against 0, two degrees of freedom: 0.07418 on both sides, 0.03709 on one.
        let near = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-5, "{found:?} {expected}");
        let one = contrast("x", &[0.01, 0.02, 0.03]);
        near(one.average.estimate.p_above(0.0), 0.03709);
        // Against +0.02 as probable as not; against +0.03, t = -1.7321: 1 - 0.22540 / 2.
        near(one.average.estimate.p_above(0.02), 0.5);
        near(one.average.estimate.p_above(0.03), 0.88730);
        let alone = judge(vec![one.clone()], Vec::new(), Bounds::A_GAIN);
        near(alone.tested[0].above, 0.03709);
        assert_eq!(alone.answer, Answer::Holds);
        // Below +0.01: t = 1.7321, so that 1 - 0.11270.
        near(alone.tested[0].below, 0.88730);
        let among = judge(vec![one.clone(), contrast("y", &[-0.06, 0.0, 0.06])], Vec::new(), Bounds::A_GAIN);
        near(among.tested[0].above, 2.0 * 0.03709);
        assert_eq!(among.answer, Answer::CannotTell);
        // One that is not there counts as one that says nothing.
        let without = judge(vec![one], vec!["y".into()], Bounds::A_GAIN);
        near(without.tested[0].above, 2.0 * 0.03709);
        let worse = judge(vec![contrast("x", &[-0.05, -0.051, -0.049])], vec!["y".into()], Bounds::A_GAIN);
        assert_eq!((without.answer, worse.answer), (Answer::CannotTell, Answer::CannotTell));
    }
}
