//! Which training samples a race is about: everything, a random fraction, or the hardest or easiest by score.
//!
//! A fraction P of n samples is always round(P * n), so a random control has exactly the size of what it controls.

use super::Scores;
use crate::config::Subset;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// The indices, increasing, of the samples of the training split (0..n_train) that belong to `subset`.
///
/// Ties in score go to the lower index. `limit` (0 = none) then keeps that many of them, drawn at random, so that a quick look
/// sees the whole range of the subset.
///
/// # Errors
/// `Config` where scores are needed and missing, too few, or not numbers, or where nothing would be left.
pub fn select(subset: Subset, n_train: usize, scores: Option<&Scores>, seed: u64, limit: usize) -> Result<Vec<u32>> {
    let count = (subset.fraction() * n_train as f64).round() as usize;
    if count == 0 || count > n_train {
        return Err(Error::Config(format!("subset '{subset}' keeps {count} of {n_train} training samples; it needs 1 to {n_train}")));
    }
    let ranked = |sign: f32| {
        let Some(scores) = scores else {
            return Err(Error::Config(format!("subset '{subset}' needs hardness scores, and there are none for this dataset")));
        };
        let Some(train) = scores.train.get(..n_train) else {
            return Err(Error::Config(format!(
                "subset '{subset}': {n_train} training samples, but scores '{}' for only {}",
                scores.name,
                scores.train.len()
            )));
        };
        Ok(by_score(train, sign)?.into_iter().take(count).collect())
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
    Ok(indices)
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

    #[test]
    fn hard_and_easy_by_score_ties_by_index() {
        // The last two belong to validation and must not be chosen.
        let s = scores(&[0.5, 0.9, 0.5, 0.1, 0.5, -0.0, 9.0, -9.0]);
        assert_eq!(select(Subset::El2nHard(0.5), 6, Some(&s), 1, 0).unwrap(), [0, 1, 2]);
        assert_eq!(select(Subset::El2nEasy(0.5), 6, Some(&s), 1, 0).unwrap(), [0, 3, 5]);
        assert_eq!(select(Subset::El2nHard(0.3), 6, Some(&s), 1, 0).unwrap(), [0, 1]);
        assert_eq!(select(Subset::El2nEasy(0.5), 2, Some(&scores(&[0.0, -0.0])), 1, 0).unwrap(), [0]);
        assert_eq!(select(Subset::El2nHard(0.5), 2, Some(&scores(&[f32::INFINITY, 1.0])), 1, 0).unwrap(), [0]);
    }

    #[test]
    fn random_has_the_size_of_what_it_controls() {
        let s = scores(&(0..45_000).map(|i| i as f32).collect::<Vec<_>>());
        for p in [0.5, 0.333, 0.1, 1.0, 0.00003] {
            let hard = select(Subset::El2nHard(p), 45_000, Some(&s), 7, 0).unwrap();
            let random = select(Subset::Random(p), 45_000, None, 7, 0).unwrap();
            assert_eq!(hard.len(), random.len());
            assert!(random.windows(2).all(|w| w[0] < w[1]) && random.iter().all(|i| *i < 45_000));
        }
        let draw = |seed| select(Subset::Random(0.5), 1000, None, seed, 0).unwrap();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(select(Subset::Random(1.0), 100, None, 1, 0).unwrap(), select(Subset::All, 100, None, 1, 0).unwrap());
    }

    #[test]
    fn limit_draws_from_the_subset() {
        let s = scores(&(0..100).map(|i| i as f32).collect::<Vec<_>>());
        let some = select(Subset::El2nHard(0.5), 100, Some(&s), 3, 20).unwrap();
        assert!(some.len() == 20 && some[0] >= 50 && some.windows(2).all(|w| w[0] < w[1]));
        assert!(some[19] - some[0] > 20, "the first ones were taken");
        assert_eq!(select(Subset::All, 10, None, 3, 99).unwrap().len(), 10);
    }

    #[test]
    fn what_cannot_be_selected_says_why() {
        let text = |r: Result<Vec<u32>>| r.unwrap_err().to_string();
        assert!(text(select(Subset::El2nHard(0.5), 10, None, 1, 0)).contains("needs hardness scores"));
        assert!(text(select(Subset::El2nHard(0.5), 10, Some(&scores(&[1.0; 9])), 1, 0)).contains("for only 9"));
        assert!(text(select(Subset::El2nEasy(0.5), 2, Some(&scores(&[1.0, f32::NAN])), 1, 0)).contains("sample 1 is not a number"));
        assert!(text(select(Subset::Random(0.001), 10, None, 1, 0)).contains("keeps 0 of 10"));
        assert!(text(select(Subset::Random(f64::NAN), 10, None, 1, 0)).contains("keeps 0"));
        assert!(text(select(Subset::Random(2.0), 10, None, 1, 0)).contains("keeps 20 of 10"));
    }

    #[test]
    fn halves_split_every_sample_once() {
        assert_eq!(easy_hard_halves(&[3.0, 1.0, 2.0, 2.0, 0.0]).unwrap(), (vec![1, 4], vec![0, 2, 3]));
        assert_eq!(easy_hard_halves(&[1.0; 4]).unwrap(), (vec![0, 1], vec![2, 3]));
        assert_eq!(easy_hard_halves(&[]).unwrap(), (vec![], vec![]));
        assert!(easy_hard_halves(&[f32::NAN]).is_err());
    }
}
