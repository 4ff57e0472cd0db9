//! Several seeds: means, differences paired by seed, and what may be said of them.
//!
//! A difference of two accuracies of one seed hides how much the seed matters. Over several seeds the differences themselves
//! are a sample, and Student's t says how far their mean may be trusted; what the interval does not carry is not said.

use serde::Serialize;

use super::history::History;
use super::verdict::is_dense;
use crate::argsort::{ascending, in_order};
pub use crate::events::Metric;
use crate::events::{LearnerSummary, Score};

/// The share of intervals that cover the truth.
const COVERAGE: f64 = 0.95;

/// A metric's value in one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) value: f64,
    /// Variance that the finite number of samples gives it (binomial).
    variance: f64,
    /// Variance of rounding to whole samples (uniform).
    rounding: f64,
}

impl Value {
    /// A learner's; `None` where the metric was not evaluated.
    pub(super) fn of(metric: Metric, learner: &LearnerSummary) -> Option<Self> {
        let test = metric.score(&learner.scores)?;
        if metric != Metric::RobustGap {
            return Some(Self::new(test.accuracy, &[test]));
        }
        let train = learner.scores.by_hardness.robust.map(|robust| robust.train).filter(|train| train.samples > 0)?;
        Some(Self::new(train.accuracy - test.accuracy, &[train, test]))
    }
    fn new(value: f64, scores: &[Score]) -> Self {
        let (mut variance, mut rounding) = (0.0, 0.0);
        for score in scores {
            let n = score.samples as f64;
            variance += score.accuracy * (1.0 - score.accuracy) / n;
            rounding += 1.0 / (12.0 * n * n);
        }
        Self { value, variance, rounding }
    }
    /// An accuracy over so many samples.
    pub(super) fn accuracy(value: f64, samples: usize) -> Self {
        Self::new(value, &[Score { loss: f64::NAN, accuracy: value, samples }])
    }
    pub(super) fn times(self, weight: f64) -> Self {
        let square = weight * weight;
        Self { value: self.value * weight, variance: self.variance * square, rounding: self.rounding * square }
    }
    pub(super) fn minus(self, other: Self) -> Self {
        Self { value: self.value - other.value, variance: self.variance + other.variance, rounding: self.rounding + other.rounding }
    }
    /// The mean of several.
    pub(super) fn mean(all: &[Self]) -> Self {
        let n = all.len() as f64;
        let sum = |f: &dyn Fn(&Self) -> f64| all.iter().map(f).sum::<f64>();
        Self { value: sum(&|v| v.value) / n, variance: sum(&|v| v.variance) / (n * n), rounding: sum(&|v| v.rounding) / (n * n) }
    }
}

impl Metric {
    /// Its value for a learner; `None` where it was not evaluated.
    pub fn value(self, learner: &LearnerSummary) -> Option<f64> {
        Value::of(self, learner).map(|value| value.value).filter(|value| value.is_finite())
    }
}

/// A mean over seeds and what is known of its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Number of seeds.
    pub seeds: usize,
    /// Mean over them.
    pub mean: f64,
    /// Half the width of the 95 % Student-t interval over seeds; `None` with fewer than two.
    pub half_width: Option<f64>,
    /// Half the width of the 95 % interval that the finite test set alone gives one run (binomial; an upper bound for a
    /// difference over the same images).
    pub test_set_noise: f64,
}

impl Estimate {
    fn new(values: &[Value]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().map(|v| v.value).sum::<f64>() / n;
        let over = |f: &dyn Fn(&Value) -> f64| values.iter().map(f).sum::<f64>() / n;
        let half_width = (values.len() > 1).then(|| {
            let variance = values.iter().map(|v| (v.value - mean) * (v.value - mean)).sum::<f64>() / (n - 1.0);
            // An accuracy is a whole number of samples: seeds that agree to the sample have a spread that is small, not zero.
            student_t(values.len() - 1) * (variance.max(over(&|v| v.rounding)) / n).sqrt()
        });
        Self { seeds: values.len(), mean, half_width, test_set_noise: 2.0 * over(&|v| v.variance).sqrt() }
    }

    /// Of a value a seed; `None` without any.
    pub(super) fn of(values: &[(u64, Value)]) -> Option<Self> {
        let values: Vec<Value> = values.iter().map(|(_, v)| *v).collect();
        (!values.is_empty()).then(|| Self::new(&values))
    }

    /// The probability of a mean at least so far from 0, on either side, if the truth were 0 (Student's t test); `None` with fewer than two
    /// seeds.
    pub fn p_value(&self) -> Option<f64> {
        let half = self.half_width?;
        let df = self.seeds.saturating_sub(1).max(1);
        let t = student_t(df) * self.mean.abs() / half.max(f64::MIN_POSITIVE);
        Some((1.0 - within(df, libm::atan(t / (df as f64).sqrt()))).clamp(0.0, 1.0))
    }

    /// The probability of a mean at least so far above `bound` if the truth were `bound`; `None` with fewer than two seeds.
    pub fn p_above(&self, bound: f64) -> Option<f64> {
        let from = Self { mean: self.mean - bound, ..*self };
        let both = from.p_value()?;
        Some(if from.mean > 0.0 { 0.5 * both } else { 1.0 - 0.5 * both })
    }

    /// The interval over seeds, low and high.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.half_width.map(|half| (self.mean - half, self.mean + half))
    }
}

/// What a difference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The sparse learner is better, beyond the interval.
    Won,
    /// It is worse, beyond the interval.
    Lost,
    /// The interval contains no difference.
    CannotTell,
    /// There is one seed, which says nothing of how much the seed matters.
    OneSeed,
}

impl Outcome {
    /// Shortly, for a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Lost => "lost",
            Self::CannotTell => "cannot tell",
            Self::OneSeed => "one seed",
        }
    }
    /// In words, between the sparse learner's name and the dense one's.
    pub fn words(self) -> &'static str {
        match self {
            Self::Won => "won against",
            Self::Lost => "lost against",
            Self::CannotTell | Self::OneSeed => "cannot be told apart from",
        }
    }
}

/// One learner's metric at one fraction of the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// Fraction of the training split (`p_data`).
    pub fraction: f64,
    /// What.
    pub metric: Metric,
    /// The learner's display name.
    pub learner: String,
    /// Whether it is a random control.
    pub control: bool,
    /// Its density, mean over seeds.
    pub density: f64,
    /// Seed and value of every run that reached its end.
    pub values: Vec<(u64, f64)>,
    /// Mean and interval of the values.
    pub estimate: Estimate,
}

/// A sparse learner minus the dense one on the same samples, paired by seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Fraction of the training split (`p_data`).
    pub fraction: f64,
    /// What.
    pub metric: Metric,
    /// The sparse learner's display name.
    pub sparse: String,
    /// The dense learner's.
    pub dense: String,
    /// Whether these are random controls.
    pub control: bool,
    /// Seed and difference of every seed in which both reached their end.
    pub values: Vec<(u64, f64)>,
    /// Mean and interval of the differences.
    pub estimate: Estimate,
    /// What it says.
    pub outcome: Outcome,
}

/// One run of a series.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its seed.
    pub seed: u64,
    /// Its fraction of the training split (`p_data`).
    pub fraction: f64,
    /// Its results.
    pub learners: Vec<LearnerSummary>,
}

impl Member {
    /// A run as it stands at the last epoch that all its learners have completed; `None` before there is one.
    pub fn under_way(seed: u64, fraction: f64, history: &History) -> Option<Self> {
        let epoch = history.common_epoch()?;
        let learners = history.tracks.iter().filter_map(|track| track.summary_at(epoch)).collect();
        Some(Self { seed, fraction, learners })
    }
}

/// What a series says.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Fractions of the training split, increasing.
    pub fractions: Vec<f64>,
    /// Seeds, increasing.
    pub seeds: Vec<u64>,
    /// The metric that decides.
    pub deciding: Metric,
    /// Every learner, metric and fraction.
    pub means: Vec<Mean>,
    /// Every sparse learner, metric and fraction.
    pub differences: Vec<Difference>,
    /// Learners that stopped early, with seed and fraction; their runs count in no mean.
    pub failed: Vec<(String, u64, f64)>,
    /// Who won, lost, or cannot be told apart.
    pub verdict: String,
}

impl Comparison {
    /// Compares the runs of a series by what decides in it ([`Metric::deciding`]); without any, the verdict says so.
    pub fn new(deciding: Metric, members: &[Member]) -> Self {
        let mut fractions: Vec<f64> = in_order(members, |m| ascending(m.fraction)).iter().map(|m| m.fraction).collect();
        fractions.dedup();
        let mut seeds: Vec<u64> = members.iter().map(|m| m.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let learners = members.first().map_or(&[][..], |m| &m.learners);
        let present = |metric: &Metric| members.iter().flat_map(|m| &m.learners).any(|l| Value::of(*metric, l).is_some());
        let present: Vec<Metric> = Metric::ALL.iter().copied().filter(present).collect();
        let (mut means, mut differences) = (Vec::new(), Vec::new());
        for &fraction in &fractions {
            let here: Vec<&Member> = members.iter().filter(|m| m.fraction == fraction).collect();
            let here = in_order(&here, |m| m.seed);
            for &metric in &present {
                for learner in learners {
                    means.extend(mean(fraction, metric, learner, &here));
                    differences.extend(difference(fraction, metric, learner, learners, &here));
                }
            }
        }
        let stopped = |m: &Member| {
            let (seed, fraction) = (m.seed, m.fraction);
            let early = m.learners.iter().filter(|l| l.failed.is_some());
            early.map(|l| (l.name.clone(), seed, fraction)).collect::<Vec<_>>()
        };
        let failed = members.iter().flat_map(stopped).collect();
        let mut comparison = Self { fractions, seeds, deciding, means, differences, failed, verdict: String::new() };
        comparison.verdict = comparison.sentence();
        comparison
    }

    /// The differences that decide: of the deciding metric, between learners that are no controls.
    pub fn deciding(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|d| d.metric == self.deciding && !d.control)
    }

    fn sentence(&self) -> String {
        let all: Vec<&Difference> = self.deciding().collect();
        let Some(first) = all.first() else {
            return "Nothing to compare: it takes a dense and a sparse learner that reached the end with the same seed.".into();
        };
        let seeds = all.iter().map(|d| d.estimate.seeds).fold((usize::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
        let seeds = match seeds {
            (1, 1) => "one seed".to_owned(),
            (low, high) if low == high => format!("{low} seeds"),
            (low, high) => format!("{low} to {high} seeds"),
        };
        let mut text = format!("Judged by {}, over {seeds}: ", self.deciding.doc());
        let mut parts = Vec::new();
        for outcome in [Outcome::Won, Outcome::Lost, Outcome::CannotTell, Outcome::OneSeed] {
            let mut seen: Vec<&str> = Vec::new();
            let of_it = || all.iter().filter(|d| d.outcome == outcome);
            for name in of_it().map(|d| d.sparse.as_str()) {
                if seen.contains(&name) {
                    continue;
                }
                seen.push(name);
                let at: Vec<String> = of_it().filter(|d| d.sparse == name).map(|d| self.at(d)).collect();
                parts.push(format!("{name} {} {}: {}", outcome.words(), first.dense, at.join(", ")));
            }
        }
        text += &parts.join("; ");
        text.push('.');
        if all.iter().any(|d| d.outcome == Outcome::OneSeed) {
            text += " One seed cannot tell: its interval is the test set's noise alone and does not say how much the seed matters; --seeds runs more.";
        }
        let intervals = all.iter().filter(|d| d.estimate.seeds > 1).count();
        if intervals > 1 {
            text += &format!(" The intervals hold for each of the {intervals} comparisons by itself, not for all of them at once.");
        }
        text
    }

    /// `+2.1 points (95% interval +0.5 to +3.7) at p_data 0.5`.
    fn at(&self, d: &Difference) -> String {
        let (mean, half) = (100.0 * d.estimate.mean, 100.0 * d.estimate.half_width.unwrap_or(d.estimate.test_set_noise));
        let of = if d.outcome == Outcome::OneSeed { "test set alone" } else { "95% interval" };
        let fraction = if self.fractions.len() > 1 { format!(" at p_data {}", d.fraction) } else { String::new() };
        format!("{mean:+.1} points ({of} {:+.1} to {:+.1}){fraction}", mean - half, mean + half)
    }
}

/// The learner of a member by name, where it reached its end, and the metric's value.
fn value(member: &Member, learner: &str, metric: Metric) -> Option<Value> {
    let found = member.learners.iter().find(|l| l.name == learner && l.failed.is_none())?;
    Value::of(metric, found).filter(|v| v.value.is_finite())
}

fn mean(fraction: f64, metric: Metric, learner: &LearnerSummary, members: &[&Member]) -> Option<Mean> {
    let values: Vec<(u64, Value)> = members.iter().filter_map(|m| Some((m.seed, value(m, &learner.name, metric)?))).collect();
    let estimate = Estimate::of(&values)?;
    let densities = members.iter().flat_map(|m| &m.learners).filter(|l| l.name == learner.name).map(|l| l.density);
    let (sum, count) = densities.fold((0.0, 0.0), |(sum, count), d| (sum + d, count + 1.0));
    let values = values.into_iter().map(|(seed, v)| (seed, v.value)).collect();
    Some(Mean { fraction, metric, learner: learner.name.clone(), control: learner.control, density: sum / count, values, estimate })
}

fn difference(
    fraction: f64,
    metric: Metric,
    sparse: &LearnerSummary,
    learners: &[LearnerSummary],
    members: &[&Member],
) -> Option<Difference> {
    if is_dense(&sparse.name) {
        return None;
    }
    let dense = learners.iter().find(|l| is_dense(&l.name) && l.control == sparse.control)?;
    let pair = |m: &&Member| Some((m.seed, value(m, &sparse.name, metric)?.minus(value(m, &dense.name, metric)?)));
    let values: Vec<(u64, Value)> = members.iter().filter_map(pair).collect();
    let estimate = Estimate::of(&values)?;
    let outcome = match estimate.interval() {
        None => Outcome::OneSeed,
        Some((low, high)) if low <= 0.0 && high >= 0.0 => Outcome::CannotTell,
        Some(_) if (estimate.mean > 0.0) == metric.higher_is_better() => Outcome::Won,
        Some(_) => Outcome::Lost,
    };
    let values = values.into_iter().map(|(seed, v)| (seed, v.value)).collect();
    let (sparse, control, dense) = (sparse.name.clone(), sparse.control, dense.name.clone());
    Some(Difference { fraction, metric, sparse, dense, control, values, estimate, outcome })
}

/// The two-sided 95 % quantile of Student's t with `df` degrees of freedom (at least 1).
///
/// With t = sqrt(df) tan(a), the probability of |T| <= t is a finite sum of powers of cos(a) (Abramowitz and Stegun 26.7.3
/// and 26.7.4); the angle is found by halving.
pub fn student_t(df: usize) -> f64 {
    let df = df.max(1);
    let (mut low, mut high) = (0.0, core::f64::consts::FRAC_PI_2);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if within(df, middle) < COVERAGE { low = middle } else { high = middle }
    }
    (df as f64).sqrt() * libm::tan(0.5 * (low + high))
}

/// The probability of |T| <= sqrt(df) tan(angle).
fn within(df: usize, angle: f64) -> f64 {
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    // Powers of the cosine from df's parity up to df - 2, each with its ratio to the one before.
    let odd = df % 2 == 1;
    let (mut term, mut sum, mut power) = (if odd { cos } else { 1.0 }, 0.0, usize::from(odd));
    while power + 2 <= df {
        sum += term;
        power += 2;
        term *= cos * cos * (power as f64 - 1.0) / power as f64;
    }
    if odd { core::f64::consts::FRAC_2_PI * (angle + sin * sum) } else { sin * sum }
}

#[cfg(test)]
mod tests;
