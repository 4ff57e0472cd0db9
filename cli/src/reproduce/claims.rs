//! The paper's claims: each with the study that asks for it, and the differences that answer.
//!
//! A study is a file as anybody writes one, so that what is asked can be read, changed and run again with `sweep`.

use std::fmt::Write;

use sparring_core::ExperimentConfig;
use sparring_core::config::{Allocation, LearnerConfig, Method, Scenario};
use sparring_core::hardness::{Part, Subset};
use sparring_core::named_enum;
use sparring_core::record::Metric;
use sparring_core::record::claim::{Bounds, Contrast};
use sparring_core::record::study::Findings;

use crate::sweep::{Conditions, Planned};

named_enum! {
    /// A claim of the paper.
    pub enum Claim ("claim") {
        /// Sparse networks match or beat dense ones on hard samples at some density.
        Density = "density",
        /// The less data there are, the better sparse networks do beside dense ones.
        LittleData = "little-data",
        /// How density is shared among layers matters to networks that are sparse from the start: shallow layers are better kept denser.
        Layers = "layers",
        /// Sparse networks match or beat dense ones on corrupted samples at some density.
        Corruption = "corruption",
        /// Sparse networks match or beat dense ones under attack at some density.
        Attack = "attack",
    }
}
named_enum! {
    /// How much time there is.
    pub enum Size ("scale") {
        /// A tiny network with five seeds: minutes a claim on two CPU cores.
        Tiny = "tiny",
        /// ResNet-20 of half its width on CIFAR-10: some three hours for all claims on two CPU cores.
        Demo = "demo",
        /// The paper's networks, densities and recipe: weeks on a fast GPU.
        Paper = "paper",
    }
}

/// Training below the paper's scale is short, so that the rate falls smoothly and masks change every epoch.
const DEMO: &str = "width = 0.5\nbatch_size = 64\nlr = 0.05\nlr_schedule = \"cosine\"\nupdate_frequency = 1\nprecision = \"f32\"\n";

/// A difference that a study plans: learners' means, each under a condition and with its weight, added up.
struct Asked {
    name: String,
    terms: Vec<(f64, String, usize)>,
}

impl Claim {
    /// The file of the study that asks for it.
    pub fn study(self, size: Size) -> String {
        let mut text = format!("name = \"{self}-{size}\"\nquestion = \"{}\"\n", self.doc());
        let scenario = match self {
            Self::Density | Self::LittleData | Self::Layers => "nature",
            Self::Corruption => "corruption",
            Self::Attack => "attack",
        };
        let measure = self.measure();
        let scale = match size {
            Size::Tiny => "smoke",
            Size::Demo => "demo",
            Size::Paper => "paper",
        };
        let _ = write!(text, "measure = \"{measure}\"\nscenario = \"{scenario}\"\nscale = \"{scale}\"\n\n[base]\ncontrol = false\n");
        match (size, self) {
            (Size::Demo, Self::Attack) => text += &format!("{DEMO}epochs = 10\nlimit_test = 1000\ntrain_step = 3\n"),
            (Size::Demo, _) => text += &format!("{DEMO}epochs = 16\nlimit_test = 5000\n"),
            (Size::Tiny | Size::Paper, _) => {}
        }
        let seeds = if size == Size::Tiny { 5 } else { 3 };
        let learners: Vec<String> = self.learners(size).iter().map(|learner| format!("\"{learner}\"")).collect();
        let fractions: Vec<String> = self.fractions(size).iter().map(f64::to_string).collect();
        let _ = write!(text, "\n[axes]\nseeds = {seeds}\nfractions = [{}]\n", fractions.join(", "));
        let controlled = self == Self::Density && size != Size::Tiny;
        if controlled {
            text += "subset = [\"el2n-hard:0.5\", \"random:0.5\"]\n";
        }
        let _ = writeln!(text, "learners = [{}]", learners.join(", "));
        if controlled {
            // As many random samples are the control of two.
            let others: Vec<&str> = learners.iter().map(String::as_str).filter(|l| !["\"dense\"", "\"set@0.2\""].contains(l)).collect();
            let _ = write!(text, "\n[[exclude]]\nsubset = \"random:0.5\"\nlearners = [{}]\n", others.join(", "));
        }
        text
    }

    fn fractions(self, size: Size) -> &'static [f64] {
        match (size, self) {
            (Size::Paper, _) => &[0.1, 0.25, 0.5, 1.0],
            (Size::Demo, Self::Density | Self::LittleData) => &[0.1, 0.3],
            (Size::Demo, Self::Layers | Self::Corruption | Self::Attack) => &[0.1],
            (Size::Tiny, Self::LittleData) => &[0.1, 0.5],
            (Size::Tiny, Self::Density | Self::Layers) => &[0.5],
            (Size::Tiny, Self::Corruption) => &[0.2],
            (Size::Tiny, Self::Attack) => &[0.1],
        }
    }

    fn learners(self, size: Size) -> Vec<String> {
        let methods: &[&str] = match (size, self) {
            (_, Self::Layers) => &["static@0.2", "set@0.2"],
            (Size::Paper, Self::LittleData) => &["set@0.2", "snip@0.2", "gmp@0.2", "omp@0.2", "lth@0.2"],
            (Size::Paper, _) => &["set", "snip", "gmp", "omp", "lth"],
            (Size::Demo, Self::Density) => &["set@0.5", "set@0.2", "set@0.1", "set@0.05", "rigl@0.2", "snip@0.2", "gmp@0.2", "static@0.2"],
            (Size::Demo, Self::LittleData) => &["set@0.2", "rigl@0.2", "snip@0.2", "gmp@0.2", "static@0.2"],
            (Size::Demo, _) => &["set@0.5", "set@0.2", "rigl@0.2"],
            (Size::Tiny, Self::LittleData) => &["set@0.2", "static@0.2"],
            (Size::Tiny, _) => &["set@0.5", "set@0.2", "set@0.1"],
        };
        let mut all = vec!["dense".to_owned()];
        for method in methods {
            if self == Self::Layers {
                let kept = if size == Size::Tiny { 1 } else { 2 };
                all.extend(["", "+uniform", &format!("+uniform+keep-first={kept}")].map(|allocation| format!("{method}{allocation}")));
            } else if method.contains('@') {
                all.push((*method).to_owned());
            } else {
                all.extend(["0.5", "0.2", "0.1", "0.05"].map(|density| format!("{method}@{density}")));
            }
        }
        all
    }

    /// What its runs are judged by.
    pub fn measure(self) -> Metric {
        match self {
            Self::Density | Self::LittleData | Self::Layers => Metric::HardHalf,
            Self::Corruption => Metric::Corrupted,
            Self::Attack => Metric::RobustTest,
        }
    }

    /// Whether what was trained so is what it is about; what is not is a control of its study.
    pub fn is_about(self, config: &ExperimentConfig) -> bool {
        match self {
            Self::Density | Self::LittleData | Self::Layers => matches!(config.subset, Subset::Ranked { part: Part::Hard, .. }),
            Self::Corruption => config.hard_by() == Scenario::Corruption,
            Self::Attack => config.hard_by() == Scenario::Attack,
        }
    }

    /// The same in words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Density | Self::LittleData | Self::Layers => "training on the hard part of the images",
            Self::Corruption => "corrupted images",
            Self::Attack => "images under attack",
        }
    }

    /// Between which bounds it is decided.
    pub fn bounds(self) -> Bounds {
        match self {
            Self::Density | Self::Corruption | Self::Attack => Bounds::SOMEBODY_MATCHES,
            Self::LittleData | Self::Layers => Bounds::A_GAIN,
        }
    }

    /// How it is decided, in a sentence.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Density | Self::Corruption | Self::Attack => {
                "It holds where some sparse network is shown to be less than one point behind the dense one, and fails where each is shown to be more."
            }
            Self::LittleData => {
                "It holds where the lead over the dense network, as a mean over the sparse ones, is shown to be larger with the least data than with the most, and fails where it is shown to be larger by less than one point or not at all."
            }
            Self::Layers => {
                "It holds where some allocation that keeps shallow layers denser is shown to be better than the uniform one, and fails where each is shown to be better by less than one point or not at all."
            }
        }
    }

    /// The differences that answer it, those that are known and those that are not.
    pub fn contrasts(self, planned: &Planned, conditions: &Conditions, findings: &Findings) -> (Vec<Contrast>, Vec<String>) {
        let (mut known, mut missing) = (Vec::new(), Vec::new());
        for Asked { name, terms } in self.asked(planned, conditions) {
            let place = |learner: &str| findings.racers().iter().position(|racer| racer.name == learner);
            let terms = terms.iter().map(|(weight, learner, condition)| Some((*weight, place(learner)?, *condition)));
            let average = terms.collect::<Option<Vec<_>>>().and_then(|terms| findings.sum(planned.measure(), &terms));
            match average {
                Some(average) => known.push(Contrast { name, average }),
                None => missing.push(name),
            }
        }
        (known, missing)
    }

    /// All differences that its study plans.
    fn asked(self, planned: &Planned, conditions: &Conditions) -> Vec<Asked> {
        let study = planned.study();
        let ran = planned.learners(conditions, |config| self.is_about(config));
        let value = |condition: usize, field: &str| conditions.value(study, condition, field);
        let fraction = |at: usize| value(at, "p_data").and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0);
        // Where all are trained on the same part of the images, that is what the claim is about, and need not be said.
        let same = ran.iter().all(|(at, _)| value(*at, "subset") == ran.first().and_then(|(first, _)| value(*first, "subset")));
        let hidden = if same { "subset" } else { "" };
        let words = |at: usize, without: &[&str]| {
            let fields = conditions.axes.iter().map(|axis| study.axes[*axis].field.as_str()).filter(|field| !without.contains(field));
            let word = |field: &str| match (field, value(at, field).unwrap_or_default()) {
                ("p_data", share_of) => format!(", {} of the data", share(share_of)),
                (field, value) => format!(", {field} {value}"),
            };
            fields.map(word).collect::<String>()
        };
        let minus = |at: usize, learner: &LearnerConfig, from: &LearnerConfig| {
            let name = format!("{learner} minus {from}{}", words(at, &[hidden]));
            Asked { name, terms: vec![(1.0, learner.to_string(), at), (-1.0, from.to_string(), at)] }
        };
        let is_dense = |learner: &&LearnerConfig| learner.method == Method::Dense;
        let mut all = Vec::new();
        match self {
            Self::Density | Self::Corruption | Self::Attack => {
                for (at, learners) in &ran {
                    let Some(dense) = learners.iter().find(is_dense) else { continue };
                    all.extend(learners.iter().filter(|learner| !is_dense(learner)).map(|learner| minus(*at, learner, dense)));
                }
            }
            Self::LittleData => {
                // One difference for all conditions that differ in the fraction alone.
                let others = |at: usize| words(at, &["p_data"]);
                let mut groups: Vec<String> = ran.iter().map(|(at, _)| others(*at)).collect();
                groups.sort_unstable();
                groups.dedup();
                for group in groups {
                    let its = || ran.iter().filter(|(at, _)| others(*at) == group);
                    let by = |a: &&(usize, Vec<LearnerConfig>), b: &&(usize, Vec<LearnerConfig>)| fraction(a.0).total_cmp(&fraction(b.0));
                    let (Some((least, few)), Some((most, many))) = (its().min_by(by), its().max_by(by)) else { continue };
                    let sparse: Vec<&LearnerConfig> = few.iter().filter(|learner| !is_dense(learner) && many.contains(learner)).collect();
                    let Some(dense) = few.iter().find(|learner| is_dense(learner) && many.contains(learner)) else { continue };
                    if least == most || sparse.is_empty() {
                        continue;
                    }
                    let (dense, weight) = (dense.to_string(), 1.0 / sparse.len() as f64);
                    let mut terms = vec![(-1.0, dense.clone(), *least), (1.0, dense, *most)];
                    terms.extend(sparse.iter().flat_map(|l| [(weight, l.to_string(), *least), (-weight, l.to_string(), *most)]));
                    let networks =
                        if sparse.len() == 1 { format!(" of {}", sparse[0]) } else { format!(", mean of {} networks,", sparse.len()) };
                    let [few, many] = [least, most].map(|at| share(&fraction(*at).to_string()));
                    let rest = words(*least, &["p_data", hidden]);
                    let name = format!("lead over dense{networks} with {few} of the data minus that with {many}{rest}");
                    all.push(Asked { name, terms });
                }
            }
            Self::Layers => {
                let is_plain = |learner: &LearnerConfig| learner.allocation == Some(Allocation::Uniform) && learner.keep_first == 0;
                for (at, learners) in &ran {
                    for base in learners.iter().filter(|learner| is_plain(learner)) {
                        let same = |l: &&LearnerConfig| l.method == base.method && l.density == base.density && *l != base;
                        all.extend(learners.iter().filter(same).map(|learner| minus(*at, learner, base)));
                    }
                }
            }
        }
        all
    }
}

/// A fraction in per cent.
fn share(fraction: &str) -> String {
    fraction.parse::<f64>().map_or_else(|_| fraction.to_owned(), |share| format!("{}%", (share * 1e4).round() / 1e2))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;

    use super::*;
    use crate::sweep::Study;

    #[test]
    fn every_claim_is_a_study_at_every_scale() {
        for (claim, size) in Claim::ALL.iter().flat_map(|claim| Size::ALL.iter().map(move |size| (*claim, *size))) {
            let text = claim.study(size);
            let study = Study::parse(Path::new("study.toml"), text.clone()).unwrap();
            assert_eq!((study.name, study.question), (format!("{claim}-{size}"), claim.doc().to_owned()));
            let learners = claim.learners(size);
            assert!(learners[0] == "dense" && learners.len() > 2, "{text}");
            // What is asked of layers is asked of each method in three ways.
            assert!(claim != Claim::Layers || learners.len() == 7, "{learners:?}");
            assert!(claim != Claim::LittleData || claim.fractions(size).len() > 1);
        }
    }

    #[test]
    fn shares_are_per_cent() {
        assert_eq!(["0.1", "0.25", "1", "0.333333", "all"].map(share), ["10%", "25%", "100%", "33.33%", "all"]);
    }
}
