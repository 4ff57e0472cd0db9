//! The attacks of an adversarial experiment: their defaults by norm, and what would be no attack.
//!
//! A radius means something else in each norm: 8/255 is usual in `linf`, and next to nothing as the length of a whole image's change. A
//! run that kept it would report clean accuracy as robust.

use super::{Adversarial, ExperimentConfig};
use crate::attack::{Norm, PgdConfig};
use crate::error::{Error, Result};

impl ExperimentConfig {
    /// The attack on training batches.
    pub fn train_attack(&self) -> Option<PgdConfig> {
        let norm = self.norm.norm()?;
        Some(PgdConfig {
            norm,
            eps: self.train_eps,
            step: self.train_gamma,
            iterations: self.train_step,
            random_start: self.train_randinit,
            targeted: false,
        })
    }
    /// The attack of evaluations.
    pub fn test_attack(&self) -> Option<PgdConfig> {
        let norm = self.norm.norm()?;
        Some(PgdConfig {
            norm,
            eps: self.test_eps,
            step: self.test_gamma,
            iterations: self.test_step,
            random_start: self.test_randinit,
            targeted: false,
        })
    }

    /// Radii and lengths of steps: name, value, and whether it is a radius.
    pub(super) fn lengths(&mut self) -> [(&'static str, &mut f32, bool); 4] {
        [
            ("train_eps", &mut self.train_eps, true),
            ("train_gamma", &mut self.train_gamma, false),
            ("test_eps", &mut self.test_eps, true),
            ("test_gamma", &mut self.test_gamma, false),
        ]
    }

    /// The same attacks in another norm: radii and steps keep their proportion to what is usual in it ([`Norm::usual`]), so that
    /// defaults become the other norm's defaults.
    pub fn attacked_in(mut self, norm: Adversarial) -> Self {
        let (from, to) = (usual(self.norm), usual(norm));
        self.norm = norm;
        for (_, value, radius) in self.lengths() {
            let (from, to) = if radius { (from.eps, to.eps) } else { (from.step, to.step) };
            *value = (f64::from(*value) / f64::from(from) * f64::from(to)) as f32;
        }
        self
    }

    /// Takes the radii and steps that were not given by name from the norm: for whoever reads a configuration in parts.
    pub fn complete_attacks(&mut self, given: impl Fn(&str) -> bool) {
        let usual = usual(self.norm);
        for (_, value, radius) in self.lengths().into_iter().filter(|(name, ..)| !given(name)) {
            *value = if radius { usual.eps } else { usual.step };
        }
    }

    /// Checks what a run that is to be made needs beyond [`Self::validate`]; one that was made before is read all the same.
    ///
    /// # Errors
    /// `Config` where the attack of evaluations looks for nothing, unless its radius says that this is meant.
    pub fn check_attacks(&self) -> Result<()> {
        match self.test_attack().and_then(|attack| attack.idle().filter(|_| attack.eps > 0.0)) {
            None => Ok(()),
            Some(why) => Err(Error::config(format!(
                "the attack of evaluations looks for nothing: {why}, so robust accuracy would be that of clean images or of random noise; \
                 give test_step and test_gamma more than 0, or norm none to train without attacks"
            ))),
        }
    }

    /// What a person should know of the attacks before anything is trained.
    pub fn attack_warnings(&self) -> Vec<String> {
        let mut out = Vec::new();
        if let Some(attack) = self.train_attack() {
            if let Some(why) = attack.idle() {
                let noise = if attack.random_start && attack.eps > 0.0 { " but for noise" } else { "" };
                out.push(format!(
                    "training is not adversarial: the attack on training batches leaves them as they are{noise}, since {why}"
                ));
            }
            out.extend(attack.weakness().map(|why| format!("the attack on training batches is weak: {why}")));
        }
        if let Some(attack) = self.test_attack() {
            if let Some(why) = attack.idle() {
                out.push(format!("robust accuracy is clean accuracy here and decides nothing: {why} in the attack of evaluations"));
            }
            out.extend(attack.weakness().map(|why| format!("the attack of evaluations is weak: {why}")));
        }
        out
    }
}

/// What is usual in a norm; without one that of `linf`, as it stands in a configuration until a norm is chosen.
fn usual(norm: Adversarial) -> crate::attack::Usual {
    norm.norm().unwrap_or(Norm::Linf).usual()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn lengths(config: &ExperimentConfig) -> [f32; 4] {
        [config.train_eps, config.train_gamma, config.test_eps, config.test_gamma]
    }

    #[test]
    fn a_norm_brings_its_own_radius_and_step_and_back() {
        let plain = ExperimentConfig::default();
        let linf = [8.0 / 255.0, 2.0 / 255.0, 8.0 / 255.0, 2.0 / 255.0];
        assert_eq!(lengths(&plain), linf);
        let l2 = plain.clone().attacked_in(Adversarial::L2);
        assert_eq!((l2.norm, lengths(&l2)), (Adversarial::L2, [0.5, 0.1, 0.5, 0.1]));
        assert_eq!(l2.clone().attacked_in(Adversarial::None), plain);
        assert!(l2.attack_warnings().is_empty() && l2.check_attacks().is_ok());
        // A scenario's longer steps stay twice as long.
        let longer = ExperimentConfig { train_gamma: 4.0 / 255.0, ..plain }.attacked_in(Adversarial::L2);
        assert_eq!(lengths(&longer), [0.5, 0.2, 0.5, 0.1]);
    }

    #[test]
    fn what_was_not_given_comes_from_the_norm_and_what_was_given_stays() {
        let mut config = ExperimentConfig { norm: Adversarial::L2, ..ExperimentConfig::default() };
        config.complete_attacks(|name| name == "train_eps");
        assert_eq!(lengths(&config), [8.0 / 255.0, 0.1, 0.5, 0.1]);
        assert!(config.attack_warnings().iter().any(|w| w.contains("training batches") && w.contains("0.5 is usual")));
        let before = config.clone();
        config.complete_attacks(|_| true);
        assert_eq!(config, before);
    }

    #[test]
    fn a_stored_configuration_is_what_it_was_and_a_short_one_says_what_differs() {
        // Written before l2 had defaults of its own: complete, so it keeps its radius and its hash.
        let old = ExperimentConfig { norm: Adversarial::L2, ..ExperimentConfig::default() };
        let read: ExperimentConfig = serde_json::from_str(&old.canonical_json().unwrap()).unwrap();
        assert_eq!((read.train_eps, read.hash().unwrap()), (8.0 / 255.0, old.hash().unwrap()));
        let names = |config: &ExperimentConfig| config.non_defaults().unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&old), ["norm", "test_eps", "test_gamma", "train_eps", "train_gamma"]);
        assert_eq!(names(&ExperimentConfig::default().attacked_in(Adversarial::L2)), ["norm"]);
        assert_eq!(names(&ExperimentConfig::default().attacked_in(Adversarial::Linf)), ["norm"]);
        assert_eq!(ExperimentConfig::default().hash().unwrap(), "6860a5cecb2d", "what it was before");
    }

    #[test]
    fn attacks_that_look_for_nothing_are_refused_or_said() {
        let base = ExperimentConfig::default().attacked_in(Adversarial::Linf);
        for (field, config) in [
            ("no steps", ExperimentConfig { test_step: 0, ..base.clone() }),
            ("length 0", ExperimentConfig { test_gamma: 0.0, ..base.clone() }),
            ("length 0", ExperimentConfig { test_gamma: 0.0, test_randinit: false, ..base.clone() }),
        ] {
            assert!(config.check_attacks().unwrap_err().to_string().contains(field), "{config:?}");
            config.validate().unwrap();
        }
        let none = ExperimentConfig { test_eps: 0.0, ..base.clone() };
        none.check_attacks().unwrap();
        assert!(none.attack_warnings()[0].contains("decides nothing"));
        for config in [
            ExperimentConfig { train_step: 0, ..base.clone() },
            ExperimentConfig { train_gamma: 0.0, ..base.clone() },
            ExperimentConfig { train_eps: 0.0, ..base.clone() },
        ] {
            config.check_attacks().unwrap();
            assert!(config.attack_warnings()[0].starts_with("training is not adversarial"), "{:?}", config.attack_warnings());
        }
        assert!(base.attack_warnings().is_empty() && ExperimentConfig { test_step: 0, ..Default::default() }.check_attacks().is_ok());
    }

    #[test]
    fn lengths_that_overflow_are_refused_with_and_without_a_norm() {
        for norm in [Adversarial::None, Adversarial::Linf] {
            let base = ExperimentConfig { norm, ..ExperimentConfig::default() };
            assert!(base.validate().is_ok());
            for value in [f32::INFINITY, f32::NAN] {
                for config in
                    [ExperimentConfig { test_eps: value, ..base.clone() }, ExperimentConfig { train_gamma: value, ..base.clone() }]
                {
                    assert!(config.validate().is_err(), "{norm}: {value}");
                }
            }
        }
    }
}
