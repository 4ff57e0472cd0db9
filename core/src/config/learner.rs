//! Who stands in a corner: a method, a density, and how the method is varied.
//!
//! A method is a name for three choices: the weights it starts from, how density is shared among layers, and what happens to
//! the topology while it trains. Options replace single choices, so every published pairing can be written in one line.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::names::{bare, named_enum, serde_as_text};
use crate::platform::parse_f64;
use crate::sparse::{Grow, Prune, Redistribution};

named_enum! {
    /// How a learner's weights live.
    pub enum Method ("method") {
        /// All weights.
        Dense = "dense",
        /// A sparse mask that never changes.
        Static = "static",
        /// Prune by sign-wise magnitude, grow at random (Mocanu et al. 2018).
        Set = "set",
        /// Prune by magnitude, grow by gradient (Evci et al. 2020).
        RigL = "rigl",
        /// Density by layer from connection sensitivity at the start (Lee et al. 2019), as the paper's code has it: the mask is
        /// then drawn at random.
        Snip = "snip",
        /// The connections of the highest sensitivity themselves.
        SnipMask = "snip-mask",
        /// The connections whose removal hurts the gradient flow least (Wang et al. 2020).
        Grasp = "grasp",
        /// Gradual magnitude pruning from dense (Zhu and Gupta 2017).
        Gmp = "gmp",
        /// One-shot magnitude pruning of a trained dense network, then training on; the paper's `finetune`.
        Omp = "omp",
        /// Lottery ticket: the mask of a trained dense network on its initial weights (Frankle and Carbin 2019).
        Lth = "lth",
        /// A trained dense network under a random ERK mask.
        PreErk = "pre-erk",
    }
}
named_enum! {
    /// How density is shared among layers, and by what positions are chosen.
    pub enum Allocation ("allocation") {
        /// Erdos-Renyi kernel; positions at random.
        Erk = "erk",
        /// The same everywhere; positions at random.
        Uniform = "uniform",
        /// The largest magnitudes of all layers together.
        GlobalMagnitude = "global-magnitude",
        /// The largest magnitudes of each layer, the same share everywhere.
        UniformPre = "uniform-pre",
        /// The largest magnitudes of the first half of the layers together, and of the second half.
        HalfPre = "half-pre",
        /// Counts by SNIP's scores; positions at random.
        Snip = "snip",
        /// The highest SNIP scores of all layers together.
        SnipMask = "snip-mask",
        /// The lowest GraSP scores of all layers together.
        Grasp = "grasp",
    }
}
named_enum! {
    /// What inactive weights are.
    pub enum Semantics ("semantics") {
        /// Truly sparse: inactive weights and their momentum do not exist.
        Sparse = "sparse",
        /// Dense tensors times a mask, momentum never masked: exactly the paper's code.
        Masked = "masked",
    }
}
/// The weights a learner starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The initial weights.
    Scratch,
    /// The weights of a trained dense parent.
    Trained,
    /// The initial weights, under a mask made from a trained dense parent.
    Rewound,
}

/// What happens to the topology while it trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dynamics {
    /// Nothing.
    Static,
    /// Every update removes some weights and grows as many.
    PruneGrow {
        /// Who goes.
        prune: Prune,
        /// Who comes.
        grow: Grow,
    },
    /// Dense at first, sparser at every update.
    Gradual,
}

/// What a method is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The weights it starts from.
    pub start: Start,
    /// How density is shared.
    pub allocation: Allocation,
    /// What happens while it trains.
    pub dynamics: Dynamics,
}

impl Method {
    /// What it is made of, before options.
    pub fn recipe(self) -> Recipe {
        use Dynamics::{Gradual, PruneGrow, Static};
        let of = |start, allocation, dynamics| Recipe { start, allocation, dynamics };
        match self {
            Self::Dense | Self::Static => of(Start::Scratch, Allocation::Erk, Static),
            Self::Set => of(Start::Scratch, Allocation::Erk, PruneGrow { prune: Prune::Set, grow: Grow::Random }),
            Self::RigL => of(Start::Scratch, Allocation::Erk, PruneGrow { prune: Prune::Magnitude, grow: Grow::Gradient }),
            Self::Snip => of(Start::Scratch, Allocation::Snip, Static),
            Self::SnipMask => of(Start::Scratch, Allocation::SnipMask, Static),
            Self::Grasp => of(Start::Scratch, Allocation::Grasp, Static),
            Self::Gmp => of(Start::Scratch, Allocation::GlobalMagnitude, Gradual),
            Self::Omp => of(Start::Trained, Allocation::GlobalMagnitude, Static),
            Self::Lth => of(Start::Rewound, Allocation::GlobalMagnitude, Static),
            Self::PreErk => of(Start::Trained, Allocation::Erk, Static),
        }
    }
    /// As its authors write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Dense => "Dense",
            Self::Static => "Static",
            Self::Set => "SET",
            Self::RigL => "RigL",
            Self::Snip => "SNIP",
            Self::SnipMask => "SNIP mask",
            Self::Grasp => "GraSP",
            Self::Gmp => "GMP",
            Self::Omp => "OMP",
            Self::Lth => "LTH",
            Self::PreErk => "Pre-ERK",
        }
    }
    /// One plain sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::Dense => "All weights.",
            Self::Static => "A random sparse mask that never changes.",
            Self::Set => "Now and then the weakest positive and negative weights go, and as many grow at random.",
            Self::RigL => "Now and then the weakest weights go, and as many grow where the dense gradient is largest.",
            Self::Snip => "Layers get their density from how much the loss feels each connection at the start; positions at random.",
            Self::SnipMask => "The connections that the loss feels most at the start.",
            Self::Grasp => "The connections whose removal at the start disturbs the flow of gradients least.",
            Self::Gmp => "Starts dense and loses its smallest weights step by step until 0.7 of the epochs.",
            Self::Omp => "A trained dense network loses its smallest weights at once and trains on.",
            Self::Lth => "Keeps the places of a trained dense network's largest weights, and starts again from its first weights.",
            Self::PreErk => "A trained dense network under a random ERK mask trains on.",
        }
    }
    /// Whether it needs the weights of a trained dense parent.
    pub fn needs_parent(self) -> bool {
        self.recipe().start != Start::Scratch
    }
}

/// One corner of the ring. Text form: `method[@density][+option]...`, e.g. `set@0.2`, `static@0.1+uniform`,
/// `set@0.2+masked+prune=taylor+grow=momentum+redistribute=magnitude`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnerConfig {
    /// How its weights live.
    pub method: Method,
    /// Fraction of the weights that exist, in 0..=1. 1 for dense; the last one for gmp.
    pub density: f64,
    /// How density is shared; `None`: as the method has it.
    pub allocation: Option<Allocation>,
    /// How many layers from the input on stay dense; the others are sparser by as much.
    pub keep_first: usize,
    /// What inactive weights are.
    pub semantics: Semantics,
    /// Who goes in an update; `None`: as the method has it.
    pub prune: Option<Prune>,
    /// Who comes.
    pub grow: Option<Grow>,
    /// Where they come.
    pub redistribution: Redistribution,
}

impl LearnerConfig {
    /// The dense learner.
    pub const DENSE: Self = Self::new(Method::Dense, 1.0);

    /// A method at a density, without options.
    pub const fn new(method: Method, density: f64) -> Self {
        Self {
            method,
            density,
            allocation: None,
            keep_first: 0,
            semantics: Semantics::Sparse,
            prune: None,
            grow: None,
            redistribution: Redistribution::None,
        }
    }

    /// What it is made of, options applied.
    pub fn recipe(&self) -> Recipe {
        let base = self.method.recipe();
        let dynamics = match base.dynamics {
            Dynamics::PruneGrow { prune, grow } => {
                Dynamics::PruneGrow { prune: self.prune.unwrap_or(prune), grow: self.grow.unwrap_or(grow) }
            }
            other => other,
        };
        Recipe { allocation: self.allocation.unwrap_or(base.allocation), dynamics, ..base }
    }

    /// Whether an update of it needs the dense gradient.
    pub fn needs_gradient(&self) -> bool {
        match self.recipe().dynamics {
            Dynamics::Static | Dynamics::Gradual => false,
            Dynamics::PruneGrow { prune, grow } => {
                let pruned = match prune {
                    Prune::Taylor => true,
                    Prune::Magnitude | Prune::Set | Prune::Threshold => false,
                };
                let grown = match grow {
                    Grow::Gradient => true,
                    Grow::Random | Grow::RandomUnfired | Grow::Momentum | Grow::MomentumNeuron => false,
                };
                pruned || grown
            }
        }
    }

    /// Checks that the options fit the method and each other.
    ///
    /// # Errors
    /// `Config`, saying what to change.
    pub fn check(&self) -> Result<()> {
        let fail = |text: &str| Err(Error::config(format!("learner '{self}': {text}")));
        if !(0.0..=1.0).contains(&self.density) {
            return fail("the density must be a number from 0 to 1");
        }
        let varied = self.prune.is_some() || self.grow.is_some() || self.redistribution != Redistribution::None;
        if self.method == Method::Dense {
            if self.density != 1.0 {
                return fail("dense has density 1; take a sparse method for less");
            }
            if varied || self.allocation.is_some() || self.keep_first > 0 || self.semantics != Semantics::Sparse {
                return fail("dense has no options");
            }
        }
        let Recipe { dynamics, allocation, .. } = self.recipe();
        if varied && !matches!(dynamics, Dynamics::PruneGrow { .. }) {
            return fail("prune, grow and redistribute belong to methods that change their topology: set or rigl");
        }
        let fixed = match self.method {
            Method::Snip | Method::SnipMask | Method::Grasp | Method::Gmp => true,
            Method::Dense | Method::Static | Method::Set | Method::RigL | Method::Omp | Method::Lth | Method::PreErk => false,
        };
        if fixed && self.allocation.is_some() {
            return fail("this method is an allocation of its own; with another one it is static");
        }
        if self.keep_first > 0 && !matches!(allocation, Allocation::Erk | Allocation::Uniform) {
            return fail("layers are kept dense by keep-first where density is shared by erk or uniform");
        }
        if let Dynamics::PruneGrow { grow: Grow::Momentum | Grow::MomentumNeuron, .. } = dynamics
            && self.semantics != Semantics::Masked
        {
            return fail("growth by momentum needs the momentum of weights that do not exist in sparse semantics; add +masked");
        }
        Ok(())
    }
}

impl fmt::Display for LearnerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        if self.method != Method::Dense || self.density != 1.0 {
            write!(f, "@{}", self.density)?;
        }
        if let Some(allocation) = self.allocation {
            write!(f, "+{allocation}")?;
        }
        if self.keep_first > 0 {
            write!(f, "+keep-first={}", self.keep_first)?;
        }
        if self.semantics != Semantics::Sparse {
            write!(f, "+{}", self.semantics)?;
        }
        if let Some(prune) = self.prune {
            write!(f, "+prune={prune}")?;
        }
        if let Some(grow) = self.grow {
            write!(f, "+grow={grow}")?;
        }
        if self.redistribution != Redistribution::None {
            write!(f, "+redistribute={}", self.redistribution)?;
        }
        Ok(())
    }
}

/// What the method itself would have is not said again, so that one learner has one text.
fn unless_default<T: PartialEq>(value: T, default: Option<T>) -> Option<T> {
    (default.as_ref() != Some(&value)).then_some(value)
}

impl FromStr for LearnerConfig {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let mut parts = s.split('+');
        let head = parts.next().unwrap_or_default();
        let (method, density) = head.split_once('@').map_or((head, None), |(m, d)| (m, Some(d)));
        // Names of the paper's code.
        let method: Method = match bare(method).as_str() {
            "finetune" => Method::Omp,
            "fix" => Method::Static,
            _ => method.parse()?,
        };
        let mut learner = Self::new(method, if method == Method::Dense { 1.0 } else { 0.2 });
        if let Some(text) = density {
            learner.density = parse_f64(text).filter(|d| (0.0..=1.0).contains(d)).ok_or_else(|| {
                Error::config(format!("learner '{s}': the density after '@' must be a number from 0 to 1, found '{text}'"))
            })?;
        }
        let base = method.recipe();
        let (prune, grow) = match base.dynamics {
            Dynamics::PruneGrow { prune, grow } => (Some(prune), Some(grow)),
            Dynamics::Static | Dynamics::Gradual => (None, None),
        };
        for part in parts {
            let choice = part.split_once('=').map(|(what, name)| (bare(what), name));
            match choice.as_ref().map(|(what, name)| (what.as_str(), *name)) {
                Some(("prune", name)) => learner.prune = unless_default(name.parse()?, prune),
                Some(("grow", name)) => learner.grow = unless_default(name.parse()?, grow),
                Some(("keepfirst", count)) => {
                    learner.keep_first = count
                        .parse()
                        .map_err(|_| Error::config(format!("learner '{s}': keep-first should be a number of layers, found '{count}'")))?;
                }
                Some(("redistribute", name)) => learner.redistribution = name.parse()?,
                _ => {
                    if let Ok(allocation) = part.parse() {
                        learner.allocation = unless_default(allocation, Some(base.allocation));
                    } else if let Ok(semantics) = part.parse() {
                        learner.semantics = semantics;
                    } else {
                        let names = Allocation::ALL.iter().map(|a| a.name()).chain(Semantics::ALL.iter().map(|s| s.name()));
                        let valid = format!(
                            "{}, keep-first=LAYERS, prune=RULE, grow=RULE, redistribute=RULE",
                            names.collect::<Vec<_>>().join(", ")
                        );
                        return Err(Error::unknown_name("learner option", part, valid));
                    }
                }
            }
        }
        learner.check()?;
        Ok(learner)
    }
}

serde_as_text!(LearnerConfig);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parsed(text: &str) -> LearnerConfig {
        text.parse().unwrap()
    }
    fn refused(text: &str) -> String {
        text.parse::<LearnerConfig>().unwrap_err().to_string()
    }

    #[test]
    fn text_comes_back_and_defaults_are_not_said() {
        for text in [
            "dense",
            "set@0.2",
            "rigl@0.1+uniform",
            "snip@0.05",
            "gmp@0.2",
            "lth@0.1+half-pre",
            "set@0.2+masked+prune=taylor+grow=momentum-neuron+redistribute=magnitude",
            "set@0.2+snip-mask+grow=random-unfired",
            "set@0.2+uniform+keep-first=2",
        ] {
            assert_eq!(parsed(text).to_string(), text);
        }
        assert_eq!(parsed("set@0.2+erk+sparse+prune=set+grow=random+redistribute=none"), LearnerConfig::new(Method::Set, 0.2));
        assert_eq!(parsed("rigl"), LearnerConfig::new(Method::RigL, 0.2));
        assert_eq!(parsed("Fine-Tune@0.3").method, Method::Omp);
        assert_eq!(parsed("SET@0.2+Prune=Taylor+GROW=Random_Unfired"), parsed("set@0.2+prune=taylor+grow=random-unfired"));
        assert_eq!(parsed("pre_erk@0.3").method, Method::PreErk);
        assert_eq!(parsed("omp@0.3+half_pre").allocation, Some(Allocation::HalfPre));
    }

    #[test]
    fn options_replace_single_choices() {
        let learner = parsed("set@0.2+prune=threshold");
        assert_eq!(learner.recipe().dynamics, Dynamics::PruneGrow { prune: Prune::Threshold, grow: Grow::Random });
        assert!(!learner.needs_gradient() && parsed("set+prune=taylor").needs_gradient() && parsed("rigl").needs_gradient());
        assert!(!parsed("rigl+grow=random").needs_gradient());
        assert_eq!(parsed("set+uniform").recipe().allocation, Allocation::Uniform);
    }

    #[test]
    fn what_does_not_fit_says_what_to_change() {
        assert!(refused("dense@0.5").contains("density 1"));
        assert!(refused("dense+masked").contains("no options"));
        assert!(refused("static+grow=random").contains("set or rigl"));
        assert!(refused("snip@0.2+erk").contains("static"));
        assert!(refused("set+grow=momentum").contains("+masked"));
        assert!(refused("set+telepathy").contains("half-pre") && refused("set+telepathy").contains("grow=RULE"));
        assert!(refused("set+grow=telepathy").contains("random-unfired"));
        assert!(refused("snip+keep-first=2").contains("erk or uniform") && refused("dense+keep-first=1").contains("no options"));
        assert!(refused("set+keep-first=few").contains("number of layers"));
        assert!(refused("set@1.5").contains("0 to 1"));
        assert!(LearnerConfig { density: f64::NAN, ..parsed("set") }.check().is_err());
    }
}
