//! What learners are judged by, in one run and over a series: one rule says which measure decides.
//!
//! It follows from the configuration alone. A run is about what makes its samples hard: an attack, else a corruption, else the score that
//! chose them. If what happens to lie in a cache could decide, the runs of a series would be judged by different measures.

use crate::config::{ExperimentConfig, Scenario};
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

    /// What decides in a run, or in a series of a scenario, which comes first where the run is evaluated so. `halves`: whether the scores
    /// that it asks for are of test images too; a file of scores may lack them.
    pub fn deciding(config: &ExperimentConfig, scenario: Option<Scenario>, halves: bool) -> Self {
        let of = |scenario: Scenario| match scenario {
            Scenario::Nature => Self::HardHalf,
            Scenario::Corruption => Self::Corrupted,
            Scenario::Attack => Self::RobustTest,
        };
        let evaluated = |metric: &Self| match metric {
            Self::Test => true,
            Self::HardHalf | Self::HardestBin => halves && config.asks_for_scores(),
            Self::Corrupted => !config.corruption.is_empty(),
            // Where the attack does nothing it is clean accuracy by another name.
            Self::RobustTest | Self::RobustGap => config.test_attack().is_some_and(|attack| attack.idle().is_none()),
        };
        let all = scenario.map(of).into_iter().chain([Self::RobustTest, Self::Corrupted, Self::HardHalf]);
        all.into_iter().find(evaluated).unwrap_or(Self::Test)
    }

    /// What decides in a run whose file does not say it, as files of before: the hardest images on which anybody was evaluated.
    pub fn hardest<'a>(evaluations: impl Iterator<Item = &'a Evaluation> + Clone) -> Self {
        let evaluated = |metric: &Self| evaluations.clone().any(|scores| metric.score(scores).is_some());
        [Self::RobustTest, Self::Corrupted, Self::HardHalf].into_iter().find(evaluated).unwrap_or(Self::Test)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Adversarial;
    use crate::hardness::Subset;

    #[test]
    fn the_configuration_alone_says_what_decides() {
        let all = ExperimentConfig { subset: Subset::All, ..ExperimentConfig::default() };
        let of = |config: &ExperimentConfig| Metric::deciding(config, None, true);
        assert_eq!((of(&ExperimentConfig::default()), of(&all)), (Metric::HardHalf, Metric::Test));
        assert_eq!(of(&ExperimentConfig { scores: "mine.csv".into(), ..all.clone() }), Metric::HardHalf);
        assert_eq!(of(&ExperimentConfig { subset: Subset::Random(0.5), ..all.clone() }), Metric::Test);
        assert_eq!(Metric::deciding(&ExperimentConfig::default(), None, false), Metric::Test, "a file without scores of test images");
        let corrupted = ExperimentConfig { corruption: "fog".parse().unwrap(), ..ExperimentConfig::default() };
        assert_eq!(of(&corrupted), Metric::Corrupted);
        let attacked = corrupted.attacked_in(Adversarial::Linf);
        assert_eq!(of(&attacked), Metric::RobustTest);
        for idle in [
            ExperimentConfig { test_step: 0, ..attacked.clone() },
            ExperimentConfig { test_eps: 0.0, ..attacked.clone() },
            ExperimentConfig { test_gamma: 0.0, ..attacked.clone() },
        ] {
            assert_eq!(of(&idle), Metric::Corrupted, "an attack that does nothing decides nothing");
        }
    }

    #[test]
    fn a_scenario_comes_first_where_it_is_evaluated() {
        let attacked = ExperimentConfig::default().attacked_in(Adversarial::Linf);
        let of = |scenario| Metric::deciding(&attacked, Some(scenario), true);
        assert_eq!(
            [Scenario::Nature, Scenario::Corruption, Scenario::Attack].map(of),
            [Metric::HardHalf, Metric::RobustTest, Metric::RobustTest]
        );
    }
}
