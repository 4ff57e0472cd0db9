//! The sentence under the scoreboard: who leads, and whether that is more than the noise of the test set.
//!
//! One seed is one draw: the sentence never claims more than a difference on these test images.

use sparring_core::argsort::{argsort, descending};
use sparring_figures::number;

use crate::race::{Learner, Race, Series};

/// Standard errors that a difference must exceed to be called more than noise.
const ERRORS: f64 = 2.0;

/// Binomial standard error of the difference of two accuracies (taken as independent, which overstates it for shared images).
pub fn standard_error(a: f64, b: f64, samples: usize) -> f64 {
    ((a * (1.0 - a) + b * (1.0 - b)) / samples.max(1) as f64).sqrt()
}

/// Before "test images".
fn kind(series: Series) -> &'static str {
    match series {
        Series::Robust => "attacked ",
        Series::Corrupted => "corrupted ",
        Series::Hard => "hard ",
        _ => "",
    }
}

/// Who leads at the last epoch that all have completed.
pub fn sentence(race: &Race) -> String {
    let Some(epoch) = race.common_epoch() else {
        return match race.corners().find_map(|l| l.failed.as_ref()) {
            Some(reason) => format!("A learner had to stop: {reason}"),
            None => "The first score comes at the end of epoch 1.".to_owned(),
        };
    };
    let deciding = race.deciding();
    let score = |l: &Learner| l.evaluations.iter().find(|e| e.epoch == epoch).and_then(|e| e.score(deciding));
    let scored: Vec<_> = race.corners().filter_map(|l| Some((l, score(l)?))).collect();
    let order = argsort(scored.iter().map(|(_, s)| descending(s.accuracy)));
    let [first, next, ..] = order.as_slice() else {
        return format!("One learner, after epoch {epoch}.");
    };
    let ((first, best), (_, next)) = (scored[*first as usize], scored[*next as usize]);
    let points = (best.accuracy - next.accuracy) * 100.0;
    let noise = ERRORS * standard_error(best.accuracy, next.accuracy, best.samples.min(next.samples)) * 100.0;
    let images = format!("{} {}test images", number::count(best.samples as u64), kind(deciding));
    if points < 0.05 {
        format!("Level after epoch {epoch}.")
    } else if points <= noise {
        format!("{} is ahead by {points:.1} points after epoch {epoch}, within the noise of {images} (±{noise:.1}).", first.label)
    } else {
        format!(
            "{} leads by {points:.1} points after epoch {epoch}, outside the noise of {images} (±{noise:.1}). One seed only.",
            first.label
        )
    }
}

/// Sparse minus dense over the seeds so far, at the last epoch that each has completed; `None` for a single seed.
pub fn over_seeds(past: &[Race], race: &Race) -> Option<String> {
    let races: Vec<&Race> = past.iter().chain([race]).filter(|r| r.common_epoch().is_some()).collect();
    if races.len() < 2 {
        return None;
    }
    let score = |race: &Race, l: &Learner| {
        let epoch = race.common_epoch()?;
        l.evaluations.iter().find(|e| e.epoch == epoch)?.score(race.deciding()).map(|s| s.accuracy)
    };
    let mut parts = Vec::new();
    for learner in race.corners().filter(|l| race.dense().is_some_and(|d| d.label != l.label)) {
        let differences: Vec<f64> = races
            .iter()
            .filter_map(|r| {
                let own = r.corners().find(|l| l.label == learner.label)?;
                Some(score(r, own)? - score(r, r.dense()?)?)
            })
            .collect();
        let n = differences.len() as f64;
        if n >= 2.0 {
            let mean = differences.iter().sum::<f64>() / n;
            let (low, high) = differences.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), d| (a.min(*d), b.max(*d)));
            let [mean, low, high] = [mean, low, high].map(|v| number::points(v, 1));
            parts.push(format!("{} minus dense {mean} points ({low} to {high})", learner.label));
        }
    }
    (!parts.is_empty()).then(|| format!("Over {} seeds: {}.", races.len(), parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::tests::{epoch_end, info, started};

    fn after(dense: f64, sparse: f64, samples: usize) -> String {
        let mut race = started(vec![info("dense", false), info("set@0.2", false), info("dense", true)]);
        race.apply(epoch_end(0, 1, dense, samples));
        race.apply(epoch_end(1, 1, sparse, samples));
        race.apply(epoch_end(2, 1, 0.99, samples));
        sentence(&race)
    }

    #[test]
    fn a_lead_is_weighed_against_the_noise() {
        // Two standard errors at 0.5 of 5,000 images: 2.0 points.
        assert!((standard_error(0.5, 0.5, 5000) - 0.01).abs() < 1e-4);
        assert_eq!(
            after(0.50, 0.53, 5000),
            "SET 0.2 leads by 3.0 points after epoch 1, outside the noise of 5,000 hard test images (±2.0). One seed only."
        );
        assert_eq!(
            after(0.51, 0.50, 5000),
            "Dense is ahead by 1.0 points after epoch 1, within the noise of 5,000 hard test images (±2.0)."
        );
        assert_eq!(after(0.5, 0.5, 5000), "Level after epoch 1.");
    }

    #[test]
    fn an_adversarial_race_is_judged_under_attack() {
        let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
        for (learner, robust) in [(0, 0.2), (1, 0.4)] {
            // Clean, the other one leads.
            let mut end = epoch_end(learner, 1, 0.9 - robust, 1000);
            if let sparring_core::Event::EpochEnd { by_hardness, .. } = &mut end {
                let test = sparring_core::events::Score { loss: 1.0, accuracy: robust, samples: 1000 };
                by_hardness.robust = Some(sparring_core::events::Robust { test, ..Default::default() });
            }
            race.apply(end);
        }
        assert_eq!(
            sentence(&race),
            "SET 0.2 leads by 20.0 points after epoch 1, outside the noise of 1,000 attacked test images (±4.0). One seed only."
        );
    }

    #[test]
    fn seeds_are_paired() {
        let race = |dense: f64, sparse: f64| {
            let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
            race.apply(epoch_end(0, 1, dense, 100));
            race.apply(epoch_end(1, 1, sparse, 100));
            race
        };
        let (first, second) = (race(0.5, 0.52), race(0.6, 0.66));
        assert_eq!(over_seeds(&[], &first), None);
        assert_eq!(over_seeds(&[first], &second).as_deref(), Some("Over 2 seeds: SET 0.2 minus dense +4.0 points (+2.0 to +6.0)."));
    }

    #[test]
    fn nothing_is_claimed_before_both_are_scored() {
        let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
        race.apply(epoch_end(0, 1, 0.9, 100));
        assert_eq!(sentence(&race), "The first score comes at the end of epoch 1.");
    }
}
