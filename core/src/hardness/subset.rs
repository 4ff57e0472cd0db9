//! Which training samples a race is about: everything, the first ones, a random fraction, or a part of a ranking by hardness.
//!
//! A fraction P of n samples is always round(P * n), so a random control has exactly the size of what it controls.

use std::fmt;
use std::str::FromStr;

use super::{Column, Part, ScoreName, Scores};
use crate::argsort::{argsort, ascending};
use crate::error::{Error, Result};
use crate::names::{bare, serde_as_text};
use crate::platform::parse_f64;
use crate::rng::{Purpose, Stream};

/// Which part of the training split a race trains on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subset {
    /// Everything.
    All,
    /// So many from the beginning of the training file: what has arrived first can be trained on first.
    First(usize),
    /// A uniform random fraction.
    Random(f64),
    /// A part of the ranking by a hardness score.
    Ranked {
        /// Which score ranks.
        score: ScoreName,
        /// Which end of the ranking.
        part: Part,
        /// How much of it.
        fraction: f64,
    },
}

impl Subset {
    /// The fraction with the highest EL2N.
    pub fn el2n_hard(fraction: f64) -> Self {
        Self::Ranked { score: ScoreName::El2n, part: Part::Hard, fraction }
    }
    /// The fraction with the lowest EL2N.
    pub fn el2n_easy(fraction: f64) -> Self {
        Self::Ranked { score: ScoreName::El2n, part: Part::Easy, fraction }
    }
    /// How many of so many training samples it keeps; more than there are where it asks for more.
    pub fn count(self, of: usize) -> usize {
        match self {
            Self::All => of,
            Self::First(count) => count,
            Self::Random(p) | Self::Ranked { fraction: p, .. } => (p * of as f64).round() as usize,
        }
    }
    /// Whether hardness scores are needed to select it.
    pub fn needs_scores(self) -> bool {
        matches!(self, Self::Ranked { .. })
    }
}

impl Scores {
    /// The score that ranks the test samples of a race: that of its subset, else EL2N, else the first there is.
    ///
    /// # Errors
    /// `Config` where there is none.
    pub fn ranking(&self, subset: Subset) -> Result<&Column> {
        match subset {
            Subset::Ranked { score, .. } => self.get(score),
            _ => self.get(ScoreName::El2n).or_else(|e| self.columns.first().ok_or(e)),
        }
    }
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::First(count) => write!(f, "first:{count}"),
            Self::Random(p) => write!(f, "random:{p}"),
            Self::Ranked { score, part, fraction } => write!(f, "{score}-{part}:{fraction}"),
        }
    }
}

impl FromStr for Subset {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let (name, amount) = s.split_once(':').map_or((s, None), |(a, b)| (a, Some(b)));
        if bare(name) == "first" {
            let count = amount.and_then(|text| text.trim().parse().ok()).filter(|count| *count > 0);
            return count.map(Self::First).ok_or_else(|| {
                Error::config(format!("subset '{s}' needs how many images behind a colon, a whole number above 0, such as first:5000"))
            });
        }
        let fraction = match amount {
            None if bare(name) != "all" => {
                let example = format!("{name}:0.5");
                return match example.parse::<Self>() {
                    Ok(_) => Err(Error::config(format!(
                        "subset '{s}' needs its share of the training samples behind a colon, such as {example}"
                    ))),
                    Err(unknown) => Err(unknown),
                };
            }
            None => 1.0,
            Some(text) => parse_f64(text).filter(|p| *p > 0.0 && *p <= 1.0).ok_or_else(|| {
                Error::config(format!("subset '{s}': the part after ':' must be a fraction above 0 and at most 1, found '{text}'"))
            })?,
        };
        let ranked = || {
            let (score, part) = name.rsplit_once(['-', '_'])?;
            Some(Self::Ranked { score: score.parse().ok()?, part: part.parse().ok()?, fraction })
        };
        match bare(name).as_str() {
            "all" => Ok(Self::All),
            "random" => Ok(Self::Random(fraction)),
            _ => ranked().ok_or_else(|| {
                Error::unknown_name(
                    "subset",
                    name,
                    "all, first:N, random:P, el2n-hard:P, el2n-easy:P, el2n-middle:P, and so on with el2n-norm, grand, forgetting, \
                        uncertainty, loss or random",
                )
            }),
        }
    }
}

serde_as_text!(Subset);

/// Seed of [`data_fraction`] (reference: 12345). The stream is ours and not numpy's: the same fraction, other samples.
const FRACTION_SEED: u64 = 12345;

/// A uniform random fraction of the training split, without replacement, in increasing order. It is the same whatever an
/// experiment's own seed is, so that runs over seeds share their data.
///
/// # Errors
/// `Config` where nothing would be left.
pub fn data_fraction(train: &[u32], p_data: f64) -> Result<Vec<u32>> {
    let count = (p_data * train.len() as f64).round() as usize;
    if count == 0 || count > train.len() {
        let n = train.len();
        return Err(Error::config(format!("p_data {p_data} keeps {count} of {n} training samples; it needs 1 to {n}")));
    }
    let kept = Stream::new(FRACTION_SEED, Purpose::Subset, 2, 0).choose(train.len(), count);
    Ok(kept.into_iter().map(|i| train[i as usize]).collect())
}

/// The indices, increasing, of the samples of `train` (increasing indices into the training file) that belong to `subset`.
///
/// The first ones are the first of `train`, so of the training split and of the fraction that there is, and no others are looked at.
/// With `labels` (one a sample of the training file) the selection is balanced: as many of every class as its size allows, each
/// class by its own ranking, and the same number in all. Ties in hardness go to the lower index. `limit` (0 = none) then keeps that
/// many of them, drawn at random, so that a quick look sees the whole range of the subset.
///
/// # Errors
/// `Config` where scores are needed and missing, too few, or not numbers, or where nothing would be left.
pub fn select(subset: Subset, train: &[u32], labels: Option<&[u16]>, scores: Option<&Scores>, seed: u64, limit: usize) -> Result<Vec<u32>> {
    let n_train = train.len();
    let count = subset.count(n_train);
    if count == 0 || count > n_train {
        return Err(Error::config(format!("subset '{subset}' keeps {count} of {n_train} training samples; it needs 1 to {n_train}")));
    }
    let mut indices: Vec<u32> = match (subset, labels) {
        (Subset::All, _) => (0..n_train as u32).collect(),
        (Subset::First(_), None) => (0..count as u32).collect(),
        (Subset::First(_), Some(labels)) => {
            let order: Vec<u32> = (0..n_train as u32).collect();
            by_class(&order, train, labels, count, Part::Easy)?
        }
        (Subset::Random(_), None) => Stream::new(seed, Purpose::Subset, 0, 0).choose(n_train, count),
        (Subset::Random(_), Some(labels)) => {
            let mut order: Vec<u32> = (0..n_train as u32).collect();
            Stream::new(seed, Purpose::Subset, 0, 0).shuffle(&mut order);
            by_class(&order, train, labels, count, Part::Easy)?
        }
        (Subset::Ranked { score, part, .. }, labels) => {
            let order = ranked(subset, train, scores, score, part)?;
            match labels {
                None => window(&order, count, part).to_vec(),
                Some(labels) => by_class(&order, train, labels, count, part)?,
            }
        }
    };
    indices.sort_unstable();
    if limit > 0 && limit < indices.len() {
        let kept = Stream::new(seed, Purpose::Subset, 1, 0).choose(indices.len(), limit);
        indices = kept.into_iter().map(|i| indices[i as usize]).collect();
    }
    Ok(indices.into_iter().map(|i| train[i as usize]).collect())
}

/// Positions in `train` by hardness, those that `part` wants first in front.
fn ranked(subset: Subset, train: &[u32], scores: Option<&Scores>, score: ScoreName, part: Part) -> Result<Vec<u32>> {
    let Some(scores) = scores else {
        return Err(Error::config(format!("subset '{subset}' needs hardness scores, and there are none for this dataset")));
    };
    let column = scores.get(score)?;
    let of = |i: &u32| column.train.get(*i as usize).copied();
    let Some(values) = train.iter().map(of).collect::<Option<Vec<f32>>>() else {
        return Err(Error::config(format!(
            "subset '{subset}': training samples up to {}, but scores '{score}' for only {}",
            train.last().copied().unwrap_or(0),
            column.train.len()
        )));
    };
    by_score(&values, if part == Part::Hard { -score.sign() } else { score.sign() })
}

/// The first `count` of a ranking, or those around its middle.
fn window(order: &[u32], count: usize, part: Part) -> &[u32] {
    let start = if part == Part::Middle { (order.len() - count) / 2 } else { 0 };
    &order[start..start + count]
}

/// `count` of a ranking (positions in `train`), from every class as many as it has, but no more than needed.
fn by_class(order: &[u32], train: &[u32], labels: &[u16], count: usize, part: Part) -> Result<Vec<u32>> {
    let mut classes: Vec<Vec<u32>> = Vec::new();
    for &at in order {
        let index = train[at as usize];
        let Some(&label) = labels.get(index as usize) else {
            return Err(Error::config(format!("sample {index} has no label; there are {}", labels.len())));
        };
        classes.resize_with(classes.len().max(usize::from(label) + 1), Vec::new);
        classes[usize::from(label)].push(at);
    }
    // The smallest classes first, so that what they lack is shared by those that have it.
    let present: Vec<&Vec<u32>> = classes.iter().filter(|c| !c.is_empty()).collect();
    let by_size: Vec<&Vec<u32>> =
        argsort(present.iter().map(|c| c.len() as u64)).into_iter().map(|place| present[place as usize]).collect();
    let (mut left, mut out) = (count, Vec::with_capacity(count));
    for (done, class) in by_size.iter().enumerate() {
        let share = (left / (by_size.len() - done)).min(class.len());
        out.extend_from_slice(window(class, share, part));
        left -= share;
    }
    Ok(out)
}

/// The bin of every sample where they are cut into `bins` of equal size (within one) by hardness, 0 the easiest; ties by index.
///
/// # Errors
/// `Config` where a score is not a number.
pub fn difficulty_bins(scores: &[f32], sign: f32, bins: usize) -> Result<Vec<usize>> {
    let mut out = vec![0; scores.len()];
    for (rank, i) in by_score(scores, sign)?.into_iter().enumerate() {
        // Bin b has the ranks from floor(b len / bins) on.
        out[i as usize] = ((rank + 1) * bins.max(1) - 1) / scores.len();
    }
    Ok(out)
}

/// Indices by `sign * score`, lowest first, ties by index.
fn by_score(scores: &[f32], sign: f32) -> Result<Vec<u32>> {
    if let Some(i) = scores.iter().position(|s| s.is_nan()) {
        return Err(Error::config(format!("the hardness score of sample {i} is not a number")));
    }
    // Adding 0 makes -0 equal to 0, which the total order would tell apart.
    Ok(argsort(scores.iter().map(|score| ascending(f64::from(sign * score + 0.0)))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::hardness::Column;

    fn scores(train: &[f32]) -> Scores {
        Scores { columns: vec![Column { score: ScoreName::El2n, train: train.to_vec(), test: Vec::new() }], ..Scores::default() }
    }

    fn select(subset: Subset, train: &[u32], scores: Option<&Scores>, seed: u64, limit: usize) -> Result<Vec<u32>> {
        super::select(subset, train, None, scores, seed, limit)
    }

    fn first(n: u32) -> Vec<u32> {
        (0..n).collect()
    }

    #[test]
    fn a_fraction_never_follows_the_seed_and_comes_before_the_subset() {
        let train: Vec<u32> = (0..1000).map(|i| 3 * i).collect();
        let kept = data_fraction(&train, 0.25).unwrap();
        assert_eq!((kept.len(), kept.clone()), (250, data_fraction(&train, 0.25).unwrap()));
        assert!(kept.windows(2).all(|w| w[0] < w[1]) && kept.iter().all(|i| i % 3 == 0));
        assert!(kept[0] < 60 && kept[249] > 2940, "drawn from everywhere");
        assert_eq!(data_fraction(&train, 1.0).unwrap(), train);
        // The hardest of what is kept, by scores of the whole training file.
        let s = scores(&first(3000).iter().map(|i| *i as f32).collect::<Vec<_>>());
        assert_eq!(select(Subset::el2n_hard(0.2), &kept, Some(&s), 1, 0).unwrap(), kept[200..]);
        let random = |seed| select(Subset::Random(0.2), &kept, None, seed, 0).unwrap();
        assert!(random(1).iter().all(|i| kept.contains(i)) && random(1) != random(2));
        assert!(data_fraction(&train, 0.0001).unwrap_err().to_string().contains("p_data 0.0001 keeps 0 of 1000"));
        assert!(data_fraction(&train, f64::NAN).is_err() && data_fraction(&train, 1.5).is_err());
    }

    #[test]
    fn subsets_are_understood_as_people_write_them() {
        for (text, subset) in [
            ("ALL", "all"),
            ("First:05000", "first:5000"),
            ("Random:0.5", "random:0.5"),
            ("el2n_hard:0.5", "el2n-hard:0.5"),
            ("EL2N_Norm_Easy:0.1", "el2n-norm-easy:0.1"),
        ] {
            assert_eq!(text.parse::<Subset>().unwrap().to_string(), subset, "{text}");
        }
        assert!("Random".parse::<Subset>().unwrap_err().to_string().contains("such as Random:0.5"));
    }

    #[test]
    fn the_first_ones_are_those_of_the_split_and_nothing_else_is_looked_at() {
        // Of a split with gaps, as a random validation tenth or a fraction of the data leaves it.
        let train: Vec<u32> = (0..100).map(|i| 3 * i).collect();
        assert_eq!(select(Subset::First(4), &train, None, 1, 0).unwrap(), [0, 3, 6, 9]);
        assert_eq!(select(Subset::First(4), &train, None, 2, 0).unwrap(), [0, 3, 6, 9], "whatever the seed");
        assert_eq!(select(Subset::First(100), &train, None, 1, 0).unwrap(), train);
        let kept = data_fraction(&train, 0.5).unwrap();
        assert_eq!(select(Subset::First(5), &kept, None, 1, 0).unwrap(), kept[..5]);
        let some = select(Subset::First(20), &train, None, 1, 7).unwrap();
        assert!(some.len() == 7 && some.iter().all(|i| *i < 60), "a limit draws among them");
        let message = select(Subset::First(101), &train, None, 1, 0).unwrap_err().to_string();
        assert!(message.contains("'first:101' keeps 101 of 100 training samples; it needs 1 to 100"), "{message}");
        for wrong in ["first", "first:", "first:0", "first:0.5", "first:-3", "first:many", "first:99999999999999999999999"] {
            let message = wrong.parse::<Subset>().unwrap_err().to_string();
            assert!(message.contains(&format!("'{wrong}' needs how many images")) && message.contains("such as first:5000"), "{message}");
        }
        for count in [1, 2, 4999, 5000, usize::MAX] {
            assert_eq!(Subset::First(count).to_string().parse::<Subset>().unwrap(), Subset::First(count));
        }
    }

    #[test]
    fn hard_and_easy_by_score_ties_by_index() {
        // The last two belong to validation and must not be chosen.
        let s = scores(&[0.5, 0.9, 0.5, 0.1, 0.5, -0.0, 9.0, -9.0]);
        assert_eq!(select(Subset::el2n_hard(0.5), &first(6), Some(&s), 1, 0).unwrap(), [0, 1, 2]);
        assert_eq!(select(Subset::el2n_easy(0.5), &first(6), Some(&s), 1, 0).unwrap(), [0, 3, 5]);
        assert_eq!(select(Subset::el2n_hard(0.3), &first(6), Some(&s), 1, 0).unwrap(), [0, 1]);
        assert_eq!(select(Subset::el2n_easy(0.5), &first(2), Some(&scores(&[0.0, -0.0])), 1, 0).unwrap(), [0]);
        assert_eq!(select(Subset::el2n_hard(0.5), &first(2), Some(&scores(&[f32::INFINITY, 1.0])), 1, 0).unwrap(), [0]);
    }

    #[test]
    fn random_has_the_size_of_what_it_controls() {
        let s = scores(&(0..45_000).map(|i| i as f32).collect::<Vec<_>>());
        for p in [0.5, 0.333, 0.1, 1.0, 0.00003] {
            let hard = select(Subset::el2n_hard(p), &first(45_000), Some(&s), 7, 0).unwrap();
            let random = select(Subset::Random(p), &first(45_000), None, 7, 0).unwrap();
            assert_eq!(hard.len(), random.len());
            assert!(random.windows(2).all(|w| w[0] < w[1]) && random.iter().all(|i| *i < 45_000));
        }
        let draw = |seed| select(Subset::Random(0.5), &first(1000), None, seed, 0).unwrap();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(select(Subset::Random(1.0), &first(100), None, 1, 0).unwrap(), select(Subset::All, &first(100), None, 1, 0).unwrap());
    }

    #[test]
    fn limit_draws_from_the_subset() {
        let s = scores(&(0..100).map(|i| i as f32).collect::<Vec<_>>());
        let some = select(Subset::el2n_hard(0.5), &first(100), Some(&s), 3, 20).unwrap();
        assert!(some.len() == 20 && some[0] >= 50 && some.windows(2).all(|w| w[0] < w[1]));
        assert!(some[19] - some[0] > 20, "the first ones were taken");
        assert_eq!(select(Subset::All, &first(10), None, 3, 99).unwrap().len(), 10);
    }

    #[test]
    fn what_cannot_be_selected_says_why() {
        let text = |r: Result<Vec<u32>>| r.unwrap_err().to_string();
        assert!(text(select(Subset::el2n_hard(0.5), &first(10), None, 1, 0)).contains("needs hardness scores"));
        assert!(
            text(select(Subset::el2n_hard(0.5), &first(10), Some(&scores(&[1.0; 9])), 1, 0))
                .contains("up to 9, but scores 'el2n' for only 9")
        );
        assert!(
            text(select(Subset::el2n_easy(0.5), &first(2), Some(&scores(&[1.0, f32::NAN])), 1, 0)).contains("sample 1 is not a number")
        );
        assert!(text(select(Subset::Random(0.001), &first(10), None, 1, 0)).contains("keeps 0 of 10"));
        assert!(text(select(Subset::Random(f64::NAN), &first(10), None, 1, 0)).contains("keeps 0"));
        assert!(text(select(Subset::Random(2.0), &first(10), None, 1, 0)).contains("keeps 20 of 10"));
    }

    #[test]
    fn bins_split_every_sample_once_and_their_easy_and_hard_halves_too() {
        assert_eq!(difficulty_bins(&[3.0, 1.0, 2.0, 2.0, 0.0], 1.0, 2).unwrap(), [1, 0, 1, 1, 0]);
        assert_eq!(difficulty_bins(&[3.0, 1.0, 2.0, 2.0, 0.0], -1.0, 2).unwrap(), [0, 1, 0, 1, 1]);
        assert_eq!(difficulty_bins(&[1.0; 4], 1.0, 2).unwrap(), [0, 0, 1, 1]);
        assert!(difficulty_bins(&[], 1.0, 3).unwrap().is_empty() && difficulty_bins(&[f32::NAN], 1.0, 2).is_err());
        let scores: Vec<f32> = (0..103).map(|i| ((i * 37) % 103) as f32).collect();
        let bins = difficulty_bins(&scores, 1.0, 5).unwrap();
        let sizes: Vec<usize> = (0..5).map(|b| bins.iter().filter(|x| **x == b).count()).collect();
        assert!(sizes.iter().all(|s| (20..=21).contains(s)) && sizes.iter().sum::<usize>() == 103, "{sizes:?}");
        assert!(scores.iter().zip(&bins).all(|(s, b)| *b == ((*s as usize + 1) * 5 - 1) / 103), "easiest first");
    }

    #[test]
    fn middle_is_around_the_median_and_uncertainty_points_the_other_way() {
        let column = |score| Column { score, train: (0..10).map(|i| i as f32).collect(), test: Vec::new() };
        let s = Scores { columns: vec![column(ScoreName::Loss), column(ScoreName::Uncertainty)], ..Scores::default() };
        let of = |text: &str| select(text.parse().unwrap(), &first(10), Some(&s), 1, 0).unwrap();
        assert_eq!(of("loss-middle:0.4"), [3, 4, 5, 6]);
        assert_eq!(of("uncertainty-middle:0.4"), [3, 4, 5, 6]);
        assert_eq!((of("loss-hard:0.2"), of("loss-easy:0.2")), (vec![8, 9], vec![0, 1]));
        assert_eq!((of("uncertainty-hard:0.2"), of("uncertainty-easy:0.2")), (vec![0, 1], vec![8, 9]));
    }

    #[test]
    fn balanced_takes_as_many_of_every_class_and_keeps_the_size() {
        // Class 0 is the hardest; class 2 has two samples only.
        let labels: Vec<u16> = (0..20)
            .map(|i| {
                if i < 9 {
                    0
                } else if i < 18 {
                    1
                } else {
                    2
                }
            })
            .collect();
        let s = scores(&(0..20).map(|i| 20.0 - i as f32).collect::<Vec<_>>());
        let of = |subset: Subset| super::super::select(subset, &first(20), Some(&labels), Some(&s), 1, 0).unwrap();
        assert_eq!(of(Subset::el2n_hard(0.5)), [0, 1, 2, 3, 9, 10, 11, 12, 18, 19]);
        assert_eq!(of(Subset::el2n_easy(0.15)), [8, 17, 19]);
        assert_eq!(of("el2n-middle:0.15".parse().unwrap()), [4, 13, 19]);
        assert_eq!(of(Subset::el2n_hard(0.9)).len(), 18);
        assert_eq!(of(Subset::First(7)), [0, 1, 9, 10, 11, 18, 19], "the first ones of every class");
        for p in [0.15, 0.5, 0.9] {
            let random = of(Subset::Random(p));
            let per_class = |set: &[u32]| [0, 1, 2].map(|c| set.iter().filter(|i| labels[**i as usize] == c).count());
            assert_eq!(per_class(&random), per_class(&of(Subset::el2n_hard(p))), "the control has the same classes");
        }
        assert_ne!(of(Subset::Random(0.5)), of(Subset::el2n_hard(0.5)));
        let short = super::super::select(Subset::Random(0.5), &first(20), Some(&labels[..5]), None, 1, 0);
        assert!(short.unwrap_err().to_string().contains("has no label"));
    }

    #[test]
    fn the_subset_says_which_score_ranks() {
        let column = |score| Column { score, train: Vec::new(), test: Vec::new() };
        let both = Scores { columns: vec![column(ScoreName::El2n), column(ScoreName::Loss)], ..Scores::default() };
        let loss: Subset = "loss-hard:0.5".parse().unwrap();
        assert_eq!(both.ranking(loss).unwrap().score, ScoreName::Loss);
        assert_eq!(both.ranking(Subset::All).unwrap().score, ScoreName::El2n);
        let only_loss = Scores { columns: vec![column(ScoreName::Loss)], ..Scores::default() };
        assert_eq!(only_loss.ranking(Subset::All).unwrap().score, ScoreName::Loss);
        let message = only_loss.ranking("grand-easy:0.5".parse().unwrap()).unwrap_err().to_string();
        assert!(message.contains("no score 'grand'") && message.contains("only: loss"), "{message}");
        assert!(Scores::default().ranking(Subset::All).is_err());
    }
}
