//! The sentence under the scoreboard: who leads, and whether that is more than the noise of the test set.
//!
//! One seed is one draw: the sentence never claims more than a difference on these test images.

use sparring_core::hardness::{Part, Subset};
use sparring_core::record::comparison::Member;
use sparring_core::record::verdict::Standing;
use sparring_core::record::{Comparison, Lead, Metric};
use sparring_figures::{Tone, number};

use crate::model::names::in_words;
use crate::model::race::{LearnerView, Race};

/// Before "test images".
fn kind(metric: Metric) -> &'static str {
    match metric {
        Metric::RobustTest | Metric::RobustGap => "attacked ",
        Metric::Corrupted => "corrupted ",
        Metric::HardHalf | Metric::HardestBin => "hard ",
        Metric::Test => "",
    }
}

/// The races of a series that are as far as the furthest of them: what its numbers, the ends of its curves and its sentence are of. One that
/// has just begun would pull every mean down.
pub fn furthest<'a>(past: &'a [Race], race: &'a Race) -> Vec<&'a Race> {
    let all = || past.iter().chain([race]);
    let far = all().filter_map(|race| race.common_epoch()).max();
    match far {
        Some(_) => all().filter(|race| race.common_epoch() == far).collect(),
        None => vec![race],
    }
}

/// What one race says, or several seeds of it together.
pub fn sentence(races: &[&Race]) -> String {
    match races {
        [] => String::new(),
        [race] => match &race.summary {
            Some(summary) if !summary.verdict.is_empty() => in_words(&summary.verdict),
            _ => in_words(&so_far(race)),
        },
        [race, ..] => over_seeds(race.deciding(), races),
    }
}

/// Who leads at the last epoch that all have completed.
fn so_far(race: &Race) -> String {
    let Some(epoch) = race.common_epoch() else {
        return match race.corners().find_map(|l| l.failed.clone()) {
            Some(reason) => format!("A learner had to stop: {reason}"),
            None => "The first score comes at the end of epoch 1.".to_owned(),
        };
    };
    let deciding = race.deciding();
    let score = |l: LearnerView| deciding.score(l.at_epoch(epoch)?);
    let scored: Vec<_> = race.corners().filter_map(|l| Some((l, score(l)?))).collect();
    let scores: Vec<_> = scored.iter().map(|(l, score)| (*score, l.tone == Tone::Dense)).collect();
    let Some(Standing { reference, others, comparisons }) = Standing::of(&scores) else {
        return format!("One learner, after epoch {epoch}.");
    };
    let (first, best) = scored[reference];
    let images = format!("{} {}test images", number::count(best.samples as u64), kind(deciding));
    match others.as_slice() {
        [] => format!("One learner, after epoch {epoch}."),
        [(other, lead)] => {
            let ahead = if lead.points > 0.0 { scored[*other].0.label } else { first.label };
            let (points, noise) = (lead.points.abs(), lead.noise);
            if lead.is_tie() {
                format!("Level after epoch {epoch}.")
            } else if !lead.is_clear() {
                format!("{ahead} is ahead by {points:.1} points after epoch {epoch}, within the noise of {images} (±{noise:.1}).")
            } else {
                format!(
                    "{ahead} leads by {points:.1} points after epoch {epoch}, outside the noise of {images} (±{noise:.1}). One seed only."
                )
            }
        }
        several => {
            let noise = several.iter().map(|(_, lead)| lead.noise).fold(0.0, f64::max);
            let one = |(i, lead): &(usize, Lead)| {
                let name = scored[*i].0.label;
                if lead.is_tie() {
                    format!("{name} level")
                } else {
                    format!("{name} {:+.1}{}", lead.points, if lead.is_clear() { "" } else { " (within the noise)" })
                }
            };
            let parts: Vec<String> = several.iter().map(one).collect();
            format!(
                "Against {} after epoch {epoch}: {}. Noise of {images}, for {comparisons} comparisons: ±{noise:.1}. One seed only.",
                first.label,
                parts.join(", ")
            )
        }
    }
}

/// Whether learners that were trained on hard images alone know these better than the easy ones, as a mean over seeds: what they have not
/// seen they do not know.
pub fn easy_is_harder(races: &[&Race]) -> bool {
    let ahead = |label: &str| {
        let of = |race: &&Race| {
            let learner = race.corners().find(|learner| learner.label == label)?;
            let scores = learner.at_epoch(race.common_epoch()?)?;
            Some(scores.test_hard?.accuracy - scores.test_easy?.accuracy)
        };
        let ahead: Vec<f64> = races.iter().filter_map(of).collect();
        !ahead.is_empty() && ahead.iter().sum::<f64>() / ahead.len() as f64 > 0.02
    };
    let on_hard = |learner: &LearnerView| {
        matches!(learner.info.subset.parse::<Subset>(), Ok(Subset::Ranked { part: Part::Hard, .. })) && ahead(learner.label)
    };
    races.first().is_some_and(|race| race.corners().next().is_some() && race.corners().all(|learner| on_hard(&learner)))
}

/// What seeds say together, each at the last epoch that all its learners have completed.
fn over_seeds(deciding: Metric, races: &[&Race]) -> String {
    let member = |(seed, race): (usize, &&Race)| {
        let mut member = Member::under_way(seed as u64, 1.0, race)?;
        for learner in &mut member.learners {
            let shown = race.learners().find(|shown| shown.info.name == learner.name && shown.info.control == learner.control);
            learner.name = shown.map_or_else(|| in_words(&learner.name), |shown| shown.name());
        }
        Some(member)
    };
    let members: Vec<Member> = races.iter().enumerate().filter_map(member).collect();
    Comparison::new(deciding, &members).verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::race::tests::{epoch_end, info, started};

    fn after(dense: f64, sparse: f64, samples: usize) -> String {
        let mut race = started(vec![info("dense", false), info("set@0.2", false), info("dense", true)]);
        race.apply(&epoch_end(0, 1, dense, samples));
        race.apply(&epoch_end(1, 1, sparse, samples));
        race.apply(&epoch_end(2, 1, 0.99, samples));
        sentence(&[&race])
    }

    #[test]
    fn a_lead_is_weighed_against_the_noise() {
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
    fn every_learner_is_named_and_their_number_allowed_for() {
        let mut race = started(["dense", "set@0.2", "rigl@0.2", "snip@0.2"].map(|name| info(name, false)).to_vec());
        for (learner, hard) in [0.5, 0.55, 0.5, 0.49].into_iter().enumerate() {
            race.apply(&epoch_end(learner, 1, hard, 5000));
        }
        assert_eq!(
            sentence(&[&race]),
            "Against Dense after epoch 1: SET 0.2 +5.0, RigL 0.2 level, SNIP 0.2 -1.0 (within the noise). Noise of 5,000 hard test \
             images, for 3 comparisons: ±2.4. One seed only."
        );
    }

    #[test]
    fn an_adversarial_race_is_judged_under_attack() {
        let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
        for (learner, robust) in [(0, 0.2), (1, 0.4)] {
            // Clean, the other one leads.
            let mut end = epoch_end(learner, 1, 0.9 - robust, 1000);
            if let sparring_core::Event::EpochEnd { scores, .. } = &mut end {
                let test = sparring_core::events::Score { loss: 1.0, accuracy: robust, samples: 1000 };
                scores.by_hardness.robust = Some(sparring_core::events::Robust { test, ..Default::default() });
            }
            race.apply(&end);
        }
        assert_eq!(
            sentence(&[&race]),
            "SET 0.2 leads by 20.0 points after epoch 1, outside the noise of 1,000 attacked test images (±4.0). One seed only."
        );
    }

    #[test]
    fn seeds_are_paired() {
        let race = |dense: f64, sparse: f64| {
            let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
            race.apply(&epoch_end(0, 1, dense, 100));
            race.apply(&epoch_end(1, 1, sparse, 100));
            race
        };
        let (first, second) = (race(0.5, 0.52), race(0.6, 0.66));
        assert_eq!(
            sentence(&[&first, &second]),
            "Judged by accuracy on the hard half of the test set, over 2 seeds: SET 0.2 cannot be told apart from Dense: +4.0 points (95% \
             interval -21.4 to +29.4)."
        );
        // A race that has just begun is not counted before it is as far as the others.
        let begun = started(vec![info("dense", false), info("set@0.2", false)]);
        let past = [first, second];
        let counted = furthest(&past, &begun);
        assert!(counted.len() == 2 && counted.iter().zip(&past).all(|(a, b)| std::ptr::eq(*a, b)));
        let mut further = begun;
        further.apply(&epoch_end(0, 1, 0.5, 100));
        assert_eq!(furthest(&past, &further).len(), 2, "one of its learners is behind");
        further.apply(&epoch_end(1, 1, 0.5, 100));
        assert_eq!(furthest(&past, &further).len(), 3);
        assert_eq!(furthest(&[], &further).len(), 1);
    }

    #[test]
    fn who_failed_in_a_seed_lends_its_name_to_nobody() {
        let race = |scores: [Option<f64>; 3]| {
            let mut race = started(["dense", "set@0.2", "rigl@0.2"].map(|name| info(name, false)).to_vec());
            for (learner, score) in scores.into_iter().enumerate() {
                match score {
                    Some(score) => race.apply(&epoch_end(learner, 1, score, 100)),
                    None => race.apply(&sparring_core::Event::LearnerFailed { learner, reason: "NaN".into() }),
                }
            }
            race
        };
        let (a, b) = (race([Some(0.5), Some(0.6), Some(0.4)]), race([Some(0.5), None, Some(0.4)]));
        let said = sentence(&[&a, &b]);
        assert!(
            said.contains("RigL 0.2 lost against Dense: -10.0") || said.contains("RigL 0.2 cannot be told apart from Dense: -10.0"),
            "{said}"
        );
        assert!(said.contains("SET 0.2") && said.contains("+10.0 points"), "{said}");
    }

    #[test]
    fn why_a_learner_stopped_is_said_in_words() {
        let mut race = started(vec![info("set@0.2", false)]);
        race.apply(&sparring_core::Event::LearnerFailed { learner: 0, reason: "set@0.2: the loss became NaN".into() });
        assert_eq!(sentence(&[&race]), "A learner had to stop: SET 0.2: the loss became NaN");
    }

    #[test]
    fn who_saw_hard_images_alone_may_not_know_the_easy_ones() {
        let race = |subset: &str, easy: f64| {
            let mut dense = info("dense", false);
            dense.subset = subset.into();
            let mut race = started(vec![dense]);
            let mut end = epoch_end(0, 1, 0.5, 100);
            if let sparring_core::Event::EpochEnd { scores, .. } = &mut end {
                scores.test_easy = Some(sparring_core::events::Score { loss: 1.0, accuracy: easy, samples: 100 });
            }
            race.apply(&end);
            race
        };
        assert!(easy_is_harder(&[&race("el2n-hard:0.5", 0.3)]));
        assert!(!easy_is_harder(&[&race("el2n-hard:0.5", 0.6)]), "easy ones are easier");
        assert!(!easy_is_harder(&[&race("all", 0.3)]), "it saw them");
        assert!(!easy_is_harder(&[]) && !easy_is_harder(&[&Race::default()]));
    }

    #[test]
    fn nothing_is_claimed_before_both_are_scored() {
        let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
        race.apply(&epoch_end(0, 1, 0.9, 100));
        assert_eq!(sentence(&[&race]), "The first score comes at the end of epoch 1.");
    }
}
