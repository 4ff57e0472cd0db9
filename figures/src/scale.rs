//! Axes: where values lie between two ends, and the round numbers that stand beside them.
//!
//! Every chart takes its ticks from here, so that the same data has the same axis in the page and in a report. Whatever range comes in
//! (none, one value, infinite, reversed), an axis with finite ends and a handful of ticks comes out.

use crate::number;

/// The most ticks an axis can have, whatever was asked for.
const MOST_TICKS: i64 = 50;
/// Values nearer to zero than this are zero, and none is drawn farther from it than its inverse: so no product here overflows.
const TINY: f64 = 1e-290;
/// Ends that are nearer to each other than this share of their size are one value.
const SAME: f64 = 1e-9;
/// Steps of a logarithmic axis: marks at 1, 2 and 5 up to so many powers of ten, then at the powers alone.
const DECADES_WITH_MARKS: f64 = 3.0;
/// Labelled powers of ten of a logarithmic axis; of more, only some are.
const MOST_DECADES: i32 = 8;

/// The distance of ticks: 1, 2 or 5 times a power of ten. Kept as whole numbers, so that the tick 0.6 is the number that is written 0.6.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    digit: f64,
    power: i32,
}

impl Step {
    /// The smallest that covers a span in at most about `count` steps.
    fn over(span: f64, count: usize) -> Self {
        let raw = (span / count.max(1) as f64).max(TINY);
        let power = raw.log10().floor() as i32;
        // A span that is a little too long by rounding must not double the step.
        let fits = |digit: &f64| Self { digit: *digit, power }.times(1.0) >= raw * 0.999;
        [1.0, 2.0, 5.0].into_iter().find(fits).map_or(Self { digit: 1.0, power: power + 1 }, |digit| Self { digit, power })
    }
    fn times(self, n: f64) -> f64 {
        let ten = 10f64.powi(self.power.abs());
        if self.power < 0 { n * self.digit / ten } else { n * self.digit * ten }
    }
    fn size(self) -> f64 {
        self.times(1.0)
    }
}

/// An axis from its low end to its high one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    /// Equal factors are equal distances.
    log: bool,
    /// Even ticks; a logarithmic axis over several powers of ten has its own.
    step: Option<Step>,
}

/// Two finite ends in order, apart from each other.
fn ends(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = match (low.is_finite(), high.is_finite()) {
        (true, true) => (low.min(high), low.max(high)),
        (true, false) => (low, low),
        (false, true) => (high, high),
        (false, false) => (0.0, 1.0),
    };
    let (low, high) = (low.clamp(-1.0 / TINY, 1.0 / TINY), high.clamp(-1.0 / TINY, 1.0 / TINY));
    let size = low.abs().max(high.abs());
    if size < TINY {
        (-0.5, 0.5)
    } else if high - low <= SAME * size {
        (low - 0.1 * size, high + 0.1 * size)
    } else {
        (low, high)
    }
}

impl Scale {
    /// Even, with these ends and ticks at about `count` round numbers between them.
    pub fn linear(low: f64, high: f64, count: usize) -> Self {
        let (low, high) = ends(low, high);
        Self { low, high, log: false, step: Some(Step::over(high - low, count)) }
    }
    /// Even, with the ends moved out to round numbers.
    pub fn rounded(low: f64, high: f64, count: usize) -> Self {
        let (low, high) = ends(low, high);
        let step = Step::over(high - low, count);
        let (first, last) = ((low / step.size() + 1e-6).floor(), (high / step.size() - 1e-6).ceil());
        Self { low: step.times(first), high: step.times(last), log: false, step: Some(step) }
    }
    /// Logarithmic. What is not above zero cannot lie on it: such an end is replaced, a low one by a thousandth of the high one.
    pub fn log(low: f64, high: f64) -> Self {
        let possible = |v: f64| v.is_finite() && v >= TINY;
        let high = if possible(high) { high.min(1.0 / TINY) } else { 1.0 };
        let low = if possible(low) && low <= high { low } else { high / 1000.0 };
        let (low, high) = if high - low <= SAME * high { (low * 0.9, high * 1.1) } else { (low, high) };
        let decades = Self { low, high, log: true, step: None };
        // Within less than a power of ten there may be no such mark: then ticks are even.
        let step = (decades.ticks().len() < 3).then(|| Step::over(high - low, 5));
        Self { step, ..decades }
    }
    /// The same with its ends within these limits; an axis that lies outside of them is left as it is.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        let (low, high) = (self.low.max(low), self.high.min(high));
        if low < high { Self { low, high, ..self } } else { self }
    }
    /// The same with ticks at whole numbers only.
    #[must_use]
    pub fn whole(self) -> Self {
        let at_least_one = |step: Step| if step.power < 0 { Step { digit: 1.0, power: 0 } } else { step };
        Self { step: self.step.map(at_least_one), ..self }
    }
    /// The low end.
    pub fn low(&self) -> f64 {
        self.low
    }
    /// The high end.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Where a value lies: 0 is the low end, 1 the high one; outside of them beyond. On a logarithmic axis zero and less are at the low end.
    pub fn share(&self, value: f64) -> f64 {
        if !self.log {
            return (value - self.low) / (self.high - self.low);
        }
        if value < TINY { 0.0 } else { (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln()) }
    }
    /// What lies at a share of the way.
    pub fn value(&self, share: f64) -> f64 {
        if self.log { self.low * (self.high / self.low).powf(share) } else { self.low + share * (self.high - self.low) }
    }

    /// The round numbers from the low end to the high one.
    pub fn ticks(&self) -> Vec<f64> {
        let Some(step) = self.step else { return self.marks() };
        let (first, last) = ((self.low / step.size() - 1e-6).ceil(), (self.high / step.size() + 1e-6).floor());
        let count = ((last - first) as i64 + 1).clamp(0, MOST_TICKS);
        (0..count).map(|i| step.times(first + i as f64)).collect()
    }
    /// 1, 2 and 5 times the powers of ten, or of a long axis every so many powers alone.
    fn marks(&self) -> Vec<f64> {
        let (from, to) = (self.low.log10(), self.high.log10());
        let digits: &[f64] = if to - from <= DECADES_WITH_MARKS { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let (first, last) = (from.floor() as i32, to.floor() as i32);
        let every = ((last - first) / MOST_DECADES + 1) as usize;
        let (least, most) = (self.low * (1.0 - SAME), self.high * (1.0 + SAME));
        let all = (first..=last).step_by(every).flat_map(|power| digits.iter().map(move |digit| Step { digit: *digit, power }.size()));
        all.filter(|tick| (least..=most).contains(tick)).collect()
    }

    /// How many decimals tell neighbouring ticks apart.
    pub fn decimals(&self) -> usize {
        self.step.map_or(0, |step| usize::try_from(-step.power).unwrap_or(0))
    }
    /// A tick as a number: all of an even axis with as many decimals, very large and very small ones with an exponent.
    pub fn label(&self, tick: f64) -> String {
        let size = self.low.abs().max(self.high.abs());
        let least = self.step.map_or(self.low, Step::size);
        if tick == 0.0 {
            "0".into()
        } else if size >= 1e7 || least < 1e-6 {
            format!("{tick:e}")
        } else {
            let own = if self.step.is_none() { -tick.log10().floor() as i32 } else { 0 };
            number::fixed(tick, self.decimals().max(usize::try_from(own).unwrap_or(0)))
        }
    }
    /// A tick that is a share of one, in per cent.
    pub fn percent(&self, tick: f64) -> String {
        number::percent(tick, self.decimals().saturating_sub(2))
    }
    /// A tick with the prefix that its whole axis has: "0", "0.5 G", "1.0 G".
    pub fn si(&self, tick: f64, unit: &str) -> String {
        let (size, prefix) = number::prefix(self.low.abs().max(self.high.abs()));
        let own = self.step.map_or(0, |step| size.log10().round() as i32 - step.power);
        match tick {
            0.0 => "0".into(),
            _ => format!("{} {prefix}{unit}", number::fixed(tick / size, usize::try_from(own).unwrap_or(0))).trim_end().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|tick| scale.label(tick)).collect()
    }

    #[test]
    fn ticks_are_round_and_exactly_the_numbers_that_are_written() {
        assert_eq!(Scale::rounded(0.0, 1.0, 5).ticks(), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(Scale::linear(0.0, 20.0, 5).ticks(), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(Scale::linear(0.07, 0.55, 5).ticks(), [0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!(labels(Scale::rounded(1.96, 2.31, 5)), ["1.9", "2.0", "2.1", "2.2", "2.3", "2.4"]);
        assert_eq!(labels(Scale::rounded(-12.0, 31.0, 4)), ["-20", "0", "20", "40"]);
        let odd = Scale::rounded(0.412, 0.688, 5);
        assert_eq!((odd.low(), odd.high(), odd.ticks().len()), (0.4, 0.7, 4));
    }

    #[test]
    fn every_range_has_finite_ends_and_few_different_ticks() {
        let values = [0.0, -0.0, 1.0, 0.1 + 0.2, -7.5, 1e-12, 3e-12, 5e-324, 1e-300, 1e300, -1e300, f64::MAX, f64::MIN];
        let broken = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        for low in values.into_iter().chain(broken) {
            for high in values.into_iter().chain(broken) {
                for count in [0, 1, 5, 6, 1000] {
                    for scale in [
                        Scale::linear(low, high, count),
                        Scale::rounded(low, high, count),
                        Scale::log(low, high),
                        Scale::linear(low, high, count).whole(),
                        Scale::rounded(low, high, count).within(0.0, 1.0),
                    ] {
                        let about = format!("{low} to {high}, {count}: {scale:?}");
                        assert!(scale.low().is_finite() && scale.high().is_finite() && scale.low() < scale.high(), "{about}");
                        let ticks = scale.ticks();
                        assert!(ticks.len() <= MOST_TICKS as usize && ticks.iter().all(|t| t.is_finite()), "{about}: {ticks:?}");
                        assert!(ticks.windows(2).all(|t| t[0] < t[1]), "{about}: {ticks:?}");
                        let mut labels = labels(scale);
                        assert!(labels.iter().all(|l| l.len() <= 24), "{about}: {labels:?}");
                        labels.dedup();
                        assert_eq!(labels.len(), ticks.len(), "{about}: {labels:?}");
                        for share in [scale.low(), scale.high(), 0.0].map(|v| scale.share(v)) {
                            assert!(share.is_finite(), "{about}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn one_value_lies_in_the_middle() {
        for value in [0.5, -3.0, 0.0, 1e-7] {
            let scale = Scale::linear(value, value, 5);
            assert!((scale.share(value) - 0.5).abs() < 1e-9, "{scale:?}");
        }
    }

    #[test]
    fn what_is_asked_of_an_axis_is_kept() {
        assert_eq!(Scale::linear(0.0, 4.0, 6).whole().ticks(), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(Scale::linear(0.0, 200.0, 6).whole().ticks(), [0.0, 50.0, 100.0, 150.0, 200.0]);
        let share = Scale::rounded(-0.02, 0.98, 5).within(0.0, 1.0);
        assert_eq!((share.low(), share.high()), (0.0, 1.0));
        assert_eq!(Scale::linear(2.0, 4.0, 4).value(0.25), 2.5);
        assert!((Scale::log(1.0, 100.0).value(0.5) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn equal_factors_are_equal_distances_on_a_log_axis_and_zero_is_its_bottom() {
        let scale = Scale::log(0.09, 2.75);
        assert_eq!(scale.ticks(), [0.1, 0.2, 0.5, 1.0, 2.0]);
        assert!((scale.share(0.4) - scale.share(0.2) - scale.share(2.0) + scale.share(1.0)).abs() < 1e-12);
        assert_eq!([0.0, -1.0, f64::NEG_INFINITY].map(|v| scale.share(v)), [0.0; 3]);
        assert_eq!(labels(scale), ["0.1", "0.2", "0.5", "1", "2"]);
        assert_eq!(Scale::log(0.0, 5.0).low(), 0.005);
    }

    #[test]
    fn a_short_log_axis_has_even_ticks_and_a_long_one_few() {
        assert_eq!(labels(Scale::log(2.02, 2.44)), ["2.1", "2.2", "2.3", "2.4"]);
        assert_eq!(labels(Scale::log(1e-4, 10.0)), ["0.0001", "0.001", "0.01", "0.1", "1", "10"]);
        assert_eq!(labels(Scale::log(1e-9, 1e3)), ["1e-9", "1e-7", "1e-5", "1e-3", "1e-1", "1e1", "1e3"]);
        assert!(Scale::log(1e-200, 1e200).ticks().len() < 12);
    }

    #[test]
    fn ticks_have_their_units() {
        let share = Scale::rounded(0.401, 0.419, 5);
        assert_eq!(share.percent(0.405), "40.5%");
        assert_eq!(Scale::rounded(0.0, 1.0, 5).percent(0.2), "20%");
        let work = Scale::linear(0.0, 3.4e9, 6);
        assert_eq!(work.ticks().iter().map(|t| work.si(*t, "FLOP")).collect::<Vec<_>>()[..3], ["0", "1 GFLOP", "2 GFLOP"]);
        let work = Scale::linear(0.0, 1.2e12, 6);
        assert_eq!(work.si(0.2e12, ""), "0.2 T");
    }
}
