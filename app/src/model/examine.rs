//! What the test bench makes of a question and its answer: pixels, perturbations, outcomes. No browser is needed for any of it.
//!
//! Pictures are bytes `[c][h][w]`; a perturbation is the difference of two of them, so what is said of it is what is shown.

use sparring_core::argsort::{argsort, descending};
use sparring_core::attack::Norm;
use sparring_core::corrupt::Corruption;

use crate::protocol::AttackSettings;
use crate::words::bench as words;

/// Where the bench's controls stand. Radii of both norms are kept, so that a change of norm and back changes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    /// Kind of corruption.
    pub kind: Corruption,
    /// 0 (none) to 5.
    pub severity: u32,
    /// Norm of the attack; `None` is no attack.
    pub norm: Option<Norm>,
    /// Radius in the largest norm, of 255.
    pub eps_linf: u32,
    /// Radius in the Euclidean norm, in twentieths.
    pub eps_l2: u32,
    /// Gradient steps; one is FGSM.
    pub steps: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self { kind: Corruption::GaussianNoise, severity: 0, norm: None, eps_linf: 8, eps_l2: 10, steps: 10 }
    }
}

impl Setup {
    /// What happens to the picture first.
    pub fn corruption(&self) -> Option<(Corruption, u8)> {
        (self.severity > 0).then_some((self.kind, self.severity.min(5) as u8))
    }
    /// What each learner's gradient does to it then. A radius of 0 is asked for like any other: nothing may change by it.
    pub fn attack(&self) -> Option<AttackSettings> {
        let norm = self.norm?;
        let eps = match norm {
            Norm::Linf => self.eps_linf as f32 / 255.0,
            Norm::L2 => self.eps_l2 as f32 / 20.0,
        };
        Some(AttackSettings { norm, eps, steps: self.steps })
    }
}

/// How far one picture is from another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PixelChange {
    /// Largest change of a channel of a pixel, of 255.
    pub most: u8,
    /// Share of values that changed at all.
    pub share: f64,
    /// Euclidean length, pixels in 0..=1.
    pub length: f64,
}

impl PixelChange {
    /// From `before` to `after`.
    pub fn between(before: &[u8], after: &[u8]) -> Self {
        let (mut most, mut changed, mut squares) = (0, 0u32, 0.0);
        for (a, b) in before.iter().zip(after) {
            let d = a.abs_diff(*b);
            most = most.max(d);
            changed += u32::from(d > 0);
            squares += f64::from(d) * f64::from(d);
        }
        Self { most, share: f64::from(changed) / before.len().max(1) as f64, length: squares.sqrt() / 255.0 }
    }
    /// The round factor that makes it visible without clipping.
    pub fn factor(self) -> u8 {
        [100, 50, 20, 10, 5, 2].into_iter().find(|f| u32::from(*f) * u32::from(self.most) <= 127 && self.most > 0).unwrap_or(1)
    }
}

/// Bytes `[c][h][w]` as a canvas takes them; one channel is grey.
pub fn rgba(planes: &[u8], channels: usize) -> Vec<u8> {
    let n = planes.len() / channels.max(1);
    let plane = |c: usize| c.min(channels.saturating_sub(1)) * n;
    (0..n).flat_map(|i| [planes[plane(0) + i], planes[plane(1) + i], planes[plane(2) + i], 255]).collect()
}

/// What a canvas gives, as bytes `[c][h][w]`; one channel is the mean of the colours.
pub fn planes(rgba: &[u8], channels: usize) -> Vec<u8> {
    let grey = |p: &[u8]| ((u16::from(p[0]) + u16::from(p[1]) + u16::from(p[2])) / 3) as u8;
    let of = |c: usize| rgba.chunks_exact(4).map(move |p| if channels == 3 { p[c] } else { grey(p) });
    (0..channels).flat_map(of).collect()
}

/// The difference, magnified, around middle grey.
pub fn magnified(before: &[u8], after: &[u8], factor: u8) -> Vec<u8> {
    let value = |(a, b): (&u8, &u8)| (128 + (i32::from(*b) - i32::from(*a)) * i32::from(factor)).clamp(0, 255) as u8;
    before.iter().zip(after).map(value).collect()
}

/// Index of the largest; the first of equals.
pub fn answer(probabilities: &[f32]) -> usize {
    let mut best = 0;
    for (i, p) in probabilities.iter().enumerate() {
        if *p > probabilities[best] {
            best = i;
        }
    }
    best
}

/// What became of a learner's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The true class, of an untouched picture.
    Right,
    /// Another, of an untouched picture.
    Wrong,
    /// An answer where nobody knows the truth.
    Says,
    /// The same answer as to the untouched picture, and not a wrong one.
    Still,
    /// Another answer than before.
    Changed,
    /// Wrong before and now.
    StillWrong,
    /// Wrong before, right now.
    Mended,
}

impl Reply {
    /// In words, between the learner's name and the class.
    fn words(self, attacked: bool) -> &'static str {
        match self {
            Self::Right => words::RIGHT,
            Self::Wrong => words::WRONG,
            Self::Says => words::SAYS,
            Self::Still => words::STILL,
            Self::Changed if attacked => words::FOOLED,
            Self::Changed => words::NOW,
            Self::StillWrong => words::STILL_WRONG,
            Self::Mended => words::MENDED,
        }
    }
    /// From the true class, the answer to the untouched picture where this one is not, and the answer to this one.
    pub fn of(truth: Option<usize>, before: Option<usize>, now: usize) -> Self {
        match (truth, before) {
            (None, None) => Self::Says,
            (Some(truth), None) => {
                if truth == now {
                    Self::Right
                } else {
                    Self::Wrong
                }
            }
            (Some(truth), Some(before)) if before != truth => {
                if now == truth {
                    Self::Mended
                } else {
                    Self::StillWrong
                }
            }
            (_, Some(before)) => {
                if before == now {
                    Self::Still
                } else {
                    Self::Changed
                }
            }
        }
    }
}

/// The classes worth a bar: all where there are few, else the likeliest and the true one. In the order of the dataset.
pub fn worth_a_bar(probabilities: &[f32], truth: Option<usize>, most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    if order.len() > most {
        let sorted = argsort(probabilities.iter().map(|p| descending(f64::from(*p))));
        order = sorted.into_iter().take(most).map(|class| class as usize).collect();
        let last = order[most - 1];
        if let Some(truth) = truth.filter(|t| *t < probabilities.len() && !order.contains(t)) {
            order.retain(|c| *c != last);
            order.push(truth);
        }
        order = (0..probabilities.len()).filter(|class| order.contains(class)).collect();
    }
    order
}

/// One learner in the sentence: its name, its answers before and now.
pub struct Said<'a> {
    /// The learner.
    pub learner: &'a str,
    /// The class that it gave the untouched picture; `None` where this is the untouched picture.
    pub before: Option<usize>,
    /// Its class now.
    pub now: usize,
    /// How likely it finds that.
    pub probability: f32,
}

/// What happened, in one sentence.
pub fn sentence(said: &[Said<'_>], classes: &[String], truth: Option<usize>, attacked: bool) -> String {
    let mut out = String::new();
    for (i, s) in said.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { "; " });
        let class = classes.get(s.now).map_or("?", String::as_str);
        let how = Reply::of(truth, s.before, s.now).words(attacked);
        out.push_str(&words::says(s.learner, how, class, s.probability));
    }
    out.push('.');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_setup_asks_for_what_its_controls_say() {
        let mut setup = Setup::default();
        assert_eq!((setup.corruption(), setup.attack()), (None, None));
        (setup.severity, setup.norm, setup.eps_linf) = (3, Some(Norm::Linf), 4);
        assert_eq!(setup.corruption(), Some((Corruption::GaussianNoise, 3)));
        assert_eq!(setup.attack(), Some(AttackSettings { norm: Norm::Linf, eps: 4.0 / 255.0, steps: 10 }));
        setup.norm = Some(Norm::L2);
        assert_eq!(setup.attack().unwrap().eps, 0.5);
        setup.eps_l2 = 0;
        assert_eq!(setup.attack().unwrap().eps, 0.0);
    }

    #[test]
    fn a_change_is_measured_and_magnified_around_grey() {
        let (before, after) = ([10, 20, 30, 40], [10, 28, 26, 40]);
        let change = PixelChange::between(&before, &after);
        assert_eq!((change.most, change.share), (8, 0.5));
        assert!((change.length - 80f64.sqrt() / 255.0).abs() < 1e-12);
        assert_eq!(change.factor(), 10, "8 x 10 fits, 8 x 20 does not");
        assert_eq!(magnified(&before, &after, 10), [128, 208, 88, 128]);
        assert_eq!(magnified(&[0, 255], &[255, 0], 1), [255, 0], "the largest changes clip");
        assert_eq!([0, 1, 127, 255].map(|most| PixelChange { most, ..PixelChange::default() }.factor()), [1, 100, 1, 1]);
    }

    #[test]
    fn no_factor_clips_a_change_that_fits() {
        for most in 1..=127u8 {
            let factor = PixelChange { most, ..PixelChange::default() }.factor();
            assert_eq!(magnified(&[100], &[100 + most], factor), [(128 + u32::from(most) * u32::from(factor)) as u8]);
        }
    }

    #[test]
    fn planes_and_canvas_pixels_are_the_same_picture() {
        let picture: Vec<u8> = (0..12).collect();
        assert_eq!(rgba(&picture, 3), [0, 4, 8, 255, 1, 5, 9, 255, 2, 6, 10, 255, 3, 7, 11, 255]);
        assert_eq!(planes(&rgba(&picture, 3), 3), picture);
        assert_eq!(rgba(&[7, 9], 1), [7, 7, 7, 255, 9, 9, 9, 255]);
        assert_eq!(planes(&[10, 20, 30, 255], 1), [20]);
    }

    #[test]
    fn outcomes_compare_with_the_untouched_picture() {
        use Reply::*;
        let cases = [
            (Some(1), None, 1, Right),
            (Some(1), None, 2, Wrong),
            (None, None, 2, Says),
            (Some(1), Some(1), 1, Still),
            (Some(1), Some(1), 2, Changed),
            (Some(1), Some(2), 2, StillWrong),
            (Some(1), Some(2), 3, StillWrong),
            (Some(1), Some(2), 1, Mended),
            (None, Some(2), 2, Still),
            (None, Some(2), 1, Changed),
        ];
        for (truth, before, now, outcome) in cases {
            assert_eq!(Reply::of(truth, before, now), outcome, "{truth:?} {before:?} {now}");
        }
    }

    #[test]
    fn few_classes_are_all_shown_and_many_are_cut_to_the_likeliest_and_the_true_one() {
        assert_eq!(worth_a_bar(&[0.1, 0.9], None, 10), [0, 1]);
        let many: Vec<f32> = (0..100).map(|i| i as f32).collect();
        assert_eq!(worth_a_bar(&many, None, 3), [97, 98, 99]);
        assert_eq!(worth_a_bar(&many, Some(5), 3), [5, 98, 99]);
        assert_eq!(worth_a_bar(&many, Some(98), 3), [97, 98, 99]);
        assert_eq!(answer(&[0.2, 0.5, 0.5]), 1);
    }

    #[test]
    fn one_sentence_tells_every_learner() {
        let classes = ["frog", "cat"].map(String::from);
        let said = [
            Said { learner: "SET 0.2", before: Some(0), now: 0, probability: 0.71 },
            Said { learner: "Dense", before: Some(0), now: 1, probability: 0.9 },
        ];
        assert_eq!(sentence(&said, &classes, Some(0), true), "SET 0.2 still says frog (71%); Dense was fooled into cat (90%).");
        let plain = [Said { learner: "Dense", before: None, now: 1, probability: 0.9 }];
        assert_eq!(sentence(&plain, &classes, Some(0), false), "Dense wrongly says cat (90%).");
        assert_eq!(sentence(&plain, &classes, None, false), "Dense says cat (90%).");
    }
}
