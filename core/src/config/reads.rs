//! What an experiment reads of its dataset, so that a page need not wait for the rest.
//!
//! It is chosen here by the same functions that a session chooses by; the session checks that all of it is here before it begins.

use super::ExperimentConfig;
use crate::data::limit::{How, Limited};
use crate::data::{Dataset, Reads, train_validation_split};
use crate::error::Result;
use crate::hardness::{Subset, data_fraction, select};

impl ExperimentConfig {
    /// The images that it trains and is evaluated on where it trains on the first ones; else all of them. Of the dataset only the name, the
    /// numbers of images and the rule of its validation split count.
    ///
    /// # Errors
    /// `Config` where the first ones are more than there are, or there are no test images.
    pub fn reads(&self, data: &Dataset) -> Result<Reads> {
        // What is chosen by class or by score is not known before all of them are.
        if !matches!(self.subset, Subset::First(_)) || self.balanced {
            return Ok(Reads::all(data));
        }
        let (train, validation) = train_validation_split(data);
        let test = Limited::test(data, self.limit_test)?;
        let validation = Limited::of(data, &data.train.labels, validation, self.limit_test);
        if [&test, &validation].iter().any(|limited| limited.how == How::Balanced) {
            return Ok(Reads::all(data));
        }
        let mut train = select(self.subset, &data_fraction(&train, self.p_data)?, None, None, self.seed, self.limit_train)?;
        train.extend(validation.samples);
        train.sort_unstable();
        Ok(Reads { train, test: test.samples })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::settings::plain;
    use crate::data::{Images, builtin};

    /// The outline of CIFAR-10: nothing of it is here.
    fn outline(name: &str) -> Dataset {
        let (train, test) = (Images::absent(50_000, 0), Images::absent(10_000, 0));
        Dataset { name: name.into(), train, test, ..builtin::builtin(0.0, 1, 1, 1) }
    }

    fn first(count: usize, limit_test: usize) -> ExperimentConfig {
        ExperimentConfig { subset: Subset::First(count), limit_test, ..ExperimentConfig::default() }
    }

    #[test]
    fn the_first_images_need_themselves_and_what_they_are_judged_by() {
        let data = outline("cifar10");
        let reads = first(5000, 1000).reads(&data).unwrap();
        assert!(reads.train.iter().copied().eq((0..5000).chain(45_000..46_000)), "validation is the last tenth");
        assert!(reads.test.iter().copied().eq(0..1000));
        let reads = first(5000, 0).reads(&data).unwrap();
        assert_eq!((reads.train.len(), reads.test.len()), (5000 + 5000, 10_000));
        // A control is of subsets by hardness, so there is none.
        assert!(first(5000, 1000).control && first(5000, 1000).corners() == [(Subset::First(5000), false)]);
        // The first of a tenth of the data lie among the first tenths of all.
        let reads = ExperimentConfig { p_data: 0.1, ..first(450, 10) }.reads(&data).unwrap();
        assert!((4000..5000).contains(&reads.train[449]) && reads.train.len() == 460, "{}", reads.train[449]);
        let some = ExperimentConfig { limit_train: 64, ..first(5000, 10) }.reads(&data).unwrap();
        assert!(some.train.len() == 74 && some.train[63] < 5000);
    }

    #[test]
    fn what_is_chosen_by_class_or_score_needs_all() {
        let data = outline("cifar10");
        for config in [
            ExperimentConfig { limit_test: 1000, ..ExperimentConfig::default() },
            ExperimentConfig { subset: Subset::All, ..first(1, 1000) },
            ExperimentConfig { subset: Subset::Random(0.1), ..first(1, 1000) },
            ExperimentConfig { balanced: true, ..first(5000, 1000) },
        ] {
            assert_eq!(config.reads(&data).unwrap(), Reads::all(&data), "{}", config.subset);
        }
        let built_in = outline("builtin");
        assert_eq!(first(5000, 1000).reads(&built_in).unwrap(), Reads::all(&built_in), "its test images are drawn by class");
        assert!(first(45_001, 0).reads(&data).unwrap_err().to_string().contains("keeps 45001 of 45000"));
    }

    #[test]
    fn the_first_images_are_an_experiment_of_their_own_in_every_form() {
        let config = first(5000, 1000);
        assert_ne!(config.hash().unwrap(), first(5001, 1000).hash().unwrap());
        assert_ne!(config.hash().unwrap(), ExperimentConfig { subset: Subset::All, ..first(1, 1000) }.hash().unwrap());
        assert_eq!(serde_json::from_str::<ExperimentConfig>(&config.canonical_json().unwrap()).unwrap(), config);
        let fields = config.fields().unwrap();
        assert_eq!(plain(&fields["subset"]), "first:5000");
    }
}
