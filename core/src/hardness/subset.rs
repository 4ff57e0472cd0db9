//! Which training samples a race is about: everything, a random fraction, or the hardest or easiest by score.
//!
//! A fraction P of n samples is always round(P * n), so a random control has exactly the size of what it controls.

use super::Scores;
use crate::config::Subset;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

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
        return Err(Error::Config(format!("p_data {p_data} keeps {count} of {n} training samples; it needs 1 to {n}")));
    }
    let kept = Stream::new(FRACTION_SEED, Purpose::Subset, 2, 0).choose(train.len(), count);
    Ok(kept.into_iter().map(|i| train[i as usize]).collect())
}

/// The indices, increasing, of the samples of `train` (increasing indices into the training file) that belong to `subset`.
///
/// Ties in score go to the lower index. `limit` (0 = none) then keeps that many of them, drawn at random, so that a quick look
/// sees the whole range of the subset.
///
/// # Errors
/// `Config` where scores are needed and missing, too few, or not numbers, or where nothing would be left.
pub fn select(subset: Subset, train: &[u32], scores: Option<&Scores>, seed: u64, limit: usize) -> Result<Vec<u32>> {
    let n_train = train.len();
    let count = (subset.fraction() * n_train as f64).round() as usize;
    if count == 0 || count > n_train {
        return Err(Error::Config(format!("subset '{subset}' keeps {count} of {n_train} training samples; it needs 1 to {n_train}")));
    }
    let ranked = |sign: f32| {
        let Some(scores) = scores else {
            return Err(Error::Config(format!("subset '{subset}' needs hardness scores, and there are none for this dataset")));
        };
        let of = |i: &u32| scores.train.get(*i as usize).copied();
        let Some(values) = train.iter().map(of).collect::<Option<Vec<f32>>>() else {
            return Err(Error::Config(format!(
                "subset '{subset}': training samples up to {}, but scores '{}' for only {}",
                train.last().copied().unwrap_or(0),
                scores.name,
                scores.train.len()
            )));
        };
        Ok(by_score(&values, sign)?.into_iter().take(count).collect())
    };
    let mut indices: Vec<u32> = match subset {
        Subset::All => (0..n_train as u32).collect(),
        Subset::Random(_) => Stream::new(seed, Purpose::Subset, 0, 0).choose(n_train, count),
        Subset::El2nHard(_) => ranked(-1.0)?,
        Subset::El2nEasy(_) => ranked(1.0)?,
    };
    indices.sort_unstable();
    if limit > 0 && limit < indices.len() {
        let kept = Stream::new(seed, Purpose::Subset, 1, 0).choose(indices.len(), limit);
        indices = kept.into_iter().map(|i| indices[i as usize]).collect();
    }
    Ok(indices.into_iter().map(|i| train[i as usize]).collect())
}

/// The easier half of the samples and the harder half (with the middle one, where their number is odd), each increasing.
///
/// # Errors
/// `Config` where a score is not a number.
pub fn easy_hard_halves(scores: &[f32]) -> Result<(Vec<u32>, Vec<u32>)> {
    let mut easy = by_score(scores, 1.0)?;
    let mut hard = easy.split_off(scores.len() / 2);
    easy.sort_unstable();
    hard.sort_unstable();
    Ok((easy, hard))
}

/// Indices by `sign * score`, lowest first, ties by index.
fn by_score(scores: &[f32], sign: f32) -> Result<Vec<u32>> {
    if let Some(i) = scores.iter().position(|s| s.is_nan()) {
        return Err(Error::Config(format!("the hardness score of sample {i} is not a number")));
    }
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    // Adding 0 makes -0 equal to 0, which the total order would tell apart.
    let key = |i: u32| sign * scores[i as usize] + 0.0;
    order.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
    Ok(order)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn scores(train: &[f32]) -> Scores {
        Scores { name: "el2n".into(), train: train.to_vec(), ..Scores::default() }
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
        assert_eq!(select(Subset::El2nHard(0.2), &kept, Some(&s), 1, 0).unwrap(), kept[200..]);
        let random = |seed| select(Subset::Random(0.2), &kept, None, seed, 0).unwrap();
        assert!(random(1).iter().all(|i| kept.contains(i)) && random(1) != random(2));
        assert!(data_fraction(&train, 0.0001).unwrap_err().to_string().contains("p_data 0.0001 keeps 0 of 1000"));
        assert!(data_fraction(&train, f64::NAN).is_err() && data_fraction(&train, 1.5).is_err());
    }

    #[test]
    fn hard_and_easy_by_score_ties_by_index() {
        // The last two belong to validation and must not be chosen.
        let s = scores(&[0.5, 0.9, 0.5, 0.1, 0.5, -0.0, 9.0, -9.0]);
        assert_eq!(select(Subset::El2nHard(0.5), &first(6), Some(&s), 1, 0).unwrap(), [0, 1, 2]);
        assert_eq!(select(Subset::El2nEasy(0.5), &first(6), Some(&s), 1, 0).unwrap(), [0, 3, 5]);
        assert_eq!(select(Subset::El2nHard(0.3), &first(6), Some(&s), 1, 0).unwrap(), [0, 1]);
        assert_eq!(select(Subset::El2nEasy(0.5), &first(2), Some(&scores(&[0.0, -0.0])), 1, 0).unwrap(), [0]);
        assert_eq!(select(Subset::El2nHard(0.5), &first(2), Some(&scores(&[f32::INFINITY, 1.0])), 1, 0).unwrap(), [0]);
    }

    #[test]
    fn random_has_the_size_of_what_it_controls() {
        let s = scores(&(0..45_000).map(|i| i as f32).collect::<Vec<_>>());
        for p in [0.5, 0.333, 0.1, 1.0, 0.00003] {
            let hard = select(Subset::El2nHard(p), &first(45_000), Some(&s), 7, 0).unwrap();
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
        let some = select(Subset::El2nHard(0.5), &first(100), Some(&s), 3, 20).unwrap();
        assert!(some.len() == 20 && some[0] >= 50 && some.windows(2).all(|w| w[0] < w[1]));
        assert!(some[19] - some[0] > 20, "the first ones were taken");
        assert_eq!(select(Subset::All, &first(10), None, 3, 99).unwrap().len(), 10);
    }

    #[test]
    fn what_cannot_be_selected_says_why() {
        let text = |r: Result<Vec<u32>>| r.unwrap_err().to_string();
        assert!(text(select(Subset::El2nHard(0.5), &first(10), None, 1, 0)).contains("needs hardness scores"));
        assert!(
            text(select(Subset::El2nHard(0.5), &first(10), Some(&scores(&[1.0; 9])), 1, 0))
                .contains("up to 9, but scores 'el2n' for only 9")
        );
        assert!(text(select(Subset::El2nEasy(0.5), &first(2), Some(&scores(&[1.0, f32::NAN])), 1, 0)).contains("sample 1 is not a number"));
        assert!(text(select(Subset::Random(0.001), &first(10), None, 1, 0)).contains("keeps 0 of 10"));
        assert!(text(select(Subset::Random(f64::NAN), &first(10), None, 1, 0)).contains("keeps 0"));
        assert!(text(select(Subset::Random(2.0), &first(10), None, 1, 0)).contains("keeps 20 of 10"));
    }

    #[test]
    fn halves_split_every_sample_once() {
        assert_eq!(easy_hard_halves(&[3.0, 1.0, 2.0, 2.0, 0.0]).unwrap(), (vec![1, 4], vec![0, 2, 3]));
        assert_eq!(easy_hard_halves(&[1.0; 4]).unwrap(), (vec![0, 1], vec![2, 3]));
        assert_eq!(easy_hard_halves(&[]).unwrap(), (vec![], vec![]));
        assert!(easy_hard_halves(&[f32::NAN]).is_err());
    }
}
