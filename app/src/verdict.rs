//! The sentence under the scoreboard: who leads, and whether that is more than the noise of the test set.
//!
//! One seed is one draw: the sentence never claims more than a difference on these test images.

use crate::race::{Learner, Race};

/// Standard errors that a difference must exceed to be called more than noise.
const ERRORS: f64 = 2.0;

/// Binomial standard error of the difference of two accuracies (taken as independent, which overstates it for shared images).
pub fn standard_error(a: f64, b: f64, samples: usize) -> f64 {
    ((a * (1.0 - a) + b * (1.0 - b)) / samples.max(1) as f64).sqrt()
}

/// Who leads at the last epoch that all have completed.
pub fn sentence(race: &Race) -> String {
    let Some(epoch) = race.common_epoch() else {
        return match race.corners().find_map(|l| l.failed.as_ref()) {
            Some(reason) => format!("A learner had to stop: {reason}"),
            None => "The first score comes at the end of epoch 1.".to_owned(),
        };
    };
    let score = |l: &Learner| l.evaluations.iter().find(|e| e.epoch == epoch).map(|e| e.deciding());
    let mut scored: Vec<_> = race.corners().filter_map(|l| Some((l, score(l)?))).collect();
    scored.sort_by(|a, b| b.1.accuracy.total_cmp(&a.1.accuracy));
    let [(first, best), (_, next), ..] = scored.as_slice() else {
        return format!("One learner, after epoch {epoch}.");
    };
    let points = (best.accuracy - next.accuracy) * 100.0;
    let noise = ERRORS * standard_error(best.accuracy, next.accuracy, best.samples.min(next.samples)) * 100.0;
    let images = crate::figures::count(best.samples as u64);
    if points < 0.05 {
        format!("Level after epoch {epoch}.")
    } else if points <= noise {
        format!(
            "{} is ahead by {points:.1} points after epoch {epoch}, within the noise of {images} test images (±{noise:.1}).",
            first.label
        )
    } else {
        format!(
            "{} leads by {points:.1} points after epoch {epoch}, outside the noise of {images} test images (±{noise:.1}). One seed only.",
            first.label
        )
    }
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
            "SET 0.2 leads by 3.0 points after epoch 1, outside the noise of 5,000 test images (±2.0). One seed only."
        );
        assert_eq!(after(0.51, 0.50, 5000), "Dense is ahead by 1.0 points after epoch 1, within the noise of 5,000 test images (±2.0).");
        assert_eq!(after(0.5, 0.5, 5000), "Level after epoch 1.");
    }

    #[test]
    fn nothing_is_claimed_before_both_are_scored() {
        let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
        race.apply(epoch_end(0, 1, 0.9, 100));
        assert_eq!(sentence(&race), "The first score comes at the end of epoch 1.");
    }
}
