//! What learners are judged by, in one run and over a series: one rule says which measure decides.
//!
//! A run is about what makes its samples hard, and the hardest images that were evaluated say so: attacked ones, else corrupted
//! ones, else the hard half of the test set.

use crate::events::{Evaluation, Score};
use crate::names::named_enum;

named_enum! {
    /// What is compared, as fractions.
    pub enum Metric ("metric") {
        /// accuracy on all test samples
        Test = "test",
        /// accuracy on the hard half of the test set
        HardHalf = "hard-half",
        /// accuracy on the hardest bin of the test set
        HardestBin = "hardest-bin",
        /// accuracy on the corrupted test set
        Corrupted = "corrupted",
        /// robust accuracy on the test set
        RobustTest = "robust-test",
        /// generalisation gap (robust accuracy on train minus on test)
        RobustGap = "robust-gap",
    }
}

impl Metric {
    /// Its score in the last evaluation (of the gap that on the test set); `None` where there was none.
    pub fn score(self, scores: &Evaluation) -> Option<Score> {
        let hard = &scores.by_hardness;
        let score = match self {
            Self::Test => Some(scores.test),
            Self::HardHalf => scores.test_hard,
            Self::HardestBin => hard.bins.last().copied(),
            Self::Corrupted => hard.corrupted,
            Self::RobustTest | Self::RobustGap => hard.robust.map(|robust| robust.test),
        };
        score.filter(|score| score.samples > 0)
    }

    /// Whether more of it is better.
    pub fn higher_is_better(self) -> bool {
        self != Self::RobustGap
    }

    /// What decides: the hardest images on which anybody was evaluated.
    pub fn deciding<'a>(evaluations: impl Iterator<Item = &'a Evaluation> + Clone) -> Self {
        let evaluated = |metric: &Self| evaluations.clone().any(|scores| metric.score(scores).is_some());
        [Self::RobustTest, Self::Corrupted, Self::HardHalf].into_iter().find(evaluated).unwrap_or(Self::Test)
    }
}
