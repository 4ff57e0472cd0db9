//! The paper's claims: each with the study that asks for it, and the differences that answer.
//!
//! A study is a file as anybody writes one, so that what is asked can be read, changed and run again with `sweep`.

use std::fmt::Write;

use sparring_core::config::{Allocation, LearnerConfig};
use sparring_core::named_enum;
use sparring_core::record::Metric;
use sparring_core::record::claim::{Bounds, Contrast};
use sparring_core::record::study::Findings;

use crate::sweep::{Conditions, Study};

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
const DEMO: &str =
    "width = 0.5\nepochs = 16\nbatch_size = 64\nlr = 0.05\nlr_schedule = \"cosine\"\nupdate_frequency = 1\nprecision = \"f32\"\n";

impl Claim {
    /// The file of the study that asks for it.
    pub fn study(self, size: Size) -> String {
        let mut text = format!("name = \"{self}-{size}\"\nquestion = \"{}\"\n", self.doc());
        let scenario = match self {
            Self::Density | Self::LittleData | Self::Layers => "nature",
            Self::Corruption => "corruption",
            Self::Attack => "attack",
        };
        let measure = match self {
            Self::Density | Self::LittleData | Self::Layers => Metric::HardHalf,
            Self::Corruption => Metric::Corrupted,
            Self::Attack => Metric::RobustTest,
        };
        let scale = match size {
            Size::Tiny => "smoke",
            Size::Demo => "demo",
            Size::Paper => "paper",
        };
        let _ = write!(text, "measure = \"{measure}\"\nscenario = \"{scenario}\"\nscale = \"{scale}\"\n\n[base]\ncontrol = false\n");
        match (size, self) {
            (Size::Demo, Self::Attack) => text += &format!("{}limit_test = 1000\ntrain_step = 3\n", DEMO.replace("16", "10")),
            (Size::Demo, _) => text += &format!("{DEMO}limit_test = 5000\n"),
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

    /// The differences that answer it.
    pub fn contrasts(self, study: &Study, conditions: &Conditions, findings: &Findings, metric: Metric) -> Vec<Contrast> {
        let asked: Vec<usize> = conditions
            .all()
            .into_iter()
            .filter(|at| conditions.value(study, *at, "subset").is_none_or(|subset| !subset.starts_with("random")))
            .collect();
        let racers = findings.racers();
        let dense = racers.iter().position(|racer| racer.dense && !racer.control);
        let sparse = || (0..racers.len()).filter(|i| !racers[*i].dense && !racers[*i].control);
        let at = |condition: usize| match conditions.value(study, condition, "p_data") {
            Some(fraction) => format!(", {} of the data", share(fraction)),
            None => String::new(),
        };
        let minus = |racer: usize, from: usize, condition: usize| {
            let average = findings.sum(metric, &[(1.0, racer, condition), (-1.0, from, condition)])?;
            Some(Contrast { name: format!("{} minus {}{}", racers[racer].name, racers[from].name, at(condition)), average })
        };
        match self {
            Self::Density | Self::Corruption | Self::Attack => {
                let Some(dense) = dense else { return Vec::new() };
                asked.iter().flat_map(|condition| sparse().filter_map(move |racer| minus(racer, dense, *condition))).collect()
            }
            Self::LittleData => {
                let fraction = |at: &usize| conditions.value(study, *at, "p_data").and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0);
                let by = |a: &&usize, b: &&usize| fraction(a).total_cmp(&fraction(b));
                let (Some(dense), Some(least), Some(most)) = (dense, asked.iter().min_by(by), asked.iter().max_by(by)) else {
                    return Vec::new();
                };
                let ran = |racer: &usize| [least, most].iter().all(|at| findings.mean(metric, *racer, &[**at]).is_some());
                let racing: Vec<usize> = sparse().filter(ran).collect();
                if least == most || racing.is_empty() {
                    return Vec::new();
                }
                let weight = 1.0 / racing.len() as f64;
                let mut terms = vec![(-1.0, dense, *least), (1.0, dense, *most)];
                terms.extend(racing.iter().flat_map(|racer| [(weight, *racer, *least), (-weight, *racer, *most)]));
                let name = format!(
                    "lead over dense with {} of the data minus that with {}, mean of {} networks",
                    share(&fraction(least).to_string()),
                    share(&fraction(most).to_string()),
                    racing.len()
                );
                findings.sum(metric, &terms).map(|average| Contrast { name, average }).into_iter().collect()
            }
            Self::Layers => {
                let learners: Vec<Option<LearnerConfig>> = racers.iter().map(|racer| racer.name.parse().ok()).collect();
                let plain = |i: usize| learners[i].as_ref().filter(|l| l.allocation == Some(Allocation::Uniform) && l.keep_first == 0);
                let base = |racer: usize| {
                    let own = learners[racer].as_ref()?;
                    sparse().find(|i| plain(*i).is_some_and(|l| l.method == own.method && l.density == own.density))
                };
                let pairs = sparse().filter_map(|racer| Some((racer, base(racer)?))).filter(|(racer, base)| racer != base);
                let pairs: Vec<(usize, usize)> = pairs.collect();
                asked.iter().flat_map(|condition| pairs.iter().filter_map(move |(racer, base)| minus(*racer, *base, *condition))).collect()
            }
        }
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
