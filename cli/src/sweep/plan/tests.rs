//! Expansion: what is counted, in which order, and what is refused.
#![allow(clippy::unwrap_used, reason = "tests")]
use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn study(text: &str) -> Result<Study, String> {
    Study::parse(Path::new("s.toml"), text.to_owned())
}

fn planned(text: &str) -> Result<Vec<PlannedRun>, String> {
    plan(&study(text)?, None).map_err(|e| e.to_string())
}

const BASE: &str = "[base]\ndataset = \"builtin\"\nmodel = \"tiny\"\nsubset = \"all\"\ncontrol = false\n";

fn runs(plan: &[PlannedRun]) -> Vec<&PlannedRun> {
    plan.iter().filter(|run| run.kind == Kind::Run).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_plan_is_the_product_less_what_is_excluded_each_run_once_and_always_in_one_order(
        seeds in 1usize..5, epochs in 1usize..4, rates in 1usize..4, learners in 1usize..5,
        cuts in prop::collection::vec((0usize..5, 0usize..4, 0usize..5), 0..4),
    ) {
        let names = ["dense", "set@0.2", "rigl@0.1", "lth@0.3", "omp@0.2"];
        let list = |n: usize, word: &dyn Fn(usize) -> String| (0..n).map(word).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "{BASE}[axes]\nseeds = {seeds}\nepochs = [{}]\nlr = [{}]\nlearners = [{}]\n",
            list(epochs, &|i| (i + 1).to_string()), list(rates, &|i| format!("0.{}", i + 1)), list(learners, &|i| format!("\"{}\"", names[i])),
        );
        // Counted by hand: a combination is excluded by seed, epochs and learner together.
        let cuts: BTreeSet<_> = cuts.into_iter().filter(|(s, e, l)| *s < seeds && *e < epochs && *l < learners).collect();
        for (s, e, l) in &cuts {
            text += &format!("[[exclude]]\nseeds = {}\nepochs = {}\nlearners = \"{}\"\n", 15 + s, e + 1, names[*l]);
        }
        let expected = (seeds * epochs * learners - cuts.len()) * rates;
        if expected == 0 {
            prop_assert!(planned(&text).unwrap_err().contains("leave none of its"));
            return Ok(());
        }
        let plan = planned(&text).unwrap();
        prop_assert_eq!(runs(&plan).len(), expected);
        let hashes: BTreeSet<&str> = plan.iter().map(|run| run.hash.as_str()).collect();
        prop_assert_eq!(hashes.len(), plan.len());
        prop_assert_eq!(&plan, &planned(&text).unwrap());
        // Whatever something depends on stands before it, and the seed changes last.
        for (i, run) in plan.iter().enumerate() {
            prop_assert!(run.depends_on.iter().all(|hash| plan[..i].iter().any(|before| before.hash == *hash)));
            prop_assert!(run.folder.to_string_lossy().ends_with(&run.config.hash().unwrap()));
        }
        let order: Vec<u64> = plan.iter().map(|run| run.config.seed).collect();
        prop_assert!(order.is_sorted(), "{order:?}");
    }
}

#[test]
fn parents_and_scores_are_made_once_and_first() {
    let text = "[base]\ndataset = \"builtin\"\nmodel = \"tiny\"\nsubset = \"el2n-hard:0.5\"\n[axes]\nseeds = 2\nlearners = [\"lth@0.1\", \"omp@0.2\", \"set@0.2\"]\n";
    let plan = planned(text).unwrap();
    let kinds: Vec<Kind> = plan.iter().map(|run| run.kind).collect();
    use Kind::{Parent, Run, Scores};
    // One scoring run for all seeds; a parent for the hard half and one for its control, each with every seed.
    assert_eq!(kinds, [Scores, Parent, Parent, Run, Run, Run, Parent, Parent, Run, Run, Run]);
    assert!(plan[0].hash.starts_with("scores-") && plan[0].hash.ends_with("-el2n") && plan[0].depends_on.is_empty(), "{:?}", plan[0].hash);
    let hashes = |places: &[usize]| places.iter().map(|i| plan[*i].hash.clone()).collect::<Vec<_>>();
    assert_eq!((&plan[1].depends_on, &plan[3].depends_on), (&hashes(&[0]), &hashes(&[0, 1, 2])));
    assert_eq!((&plan[2].depends_on, &plan[5].depends_on, &plan[8].depends_on), (&hashes(&[]), &hashes(&[0]), &hashes(&[0, 6, 7])));
}

#[test]
fn a_parent_that_is_a_run_of_the_study_is_one_entry() {
    let plan = planned(&format!("{BASE}[axes]\nseeds = 1\nlearners = [\"lth@0.1\", \"dense\"]\n")).unwrap();
    assert_eq!(
        plan.iter().map(|run| (run.kind, run.combination.clone())).collect::<Vec<_>>(),
        [(Kind::Run, vec![0, 1]), (Kind::Run, vec![0, 0])]
    );
    assert_eq!(plan[1].depends_on, [plan[0].hash.clone()]);
}

#[test]
fn scenarios_and_densities_are_axes() {
    let plan = planned("[base]\ndataset = \"builtin\"\n[axes]\nscenarios = [\"nature\", \"attack\"]\nseeds = [3]\nlearners = [\"set\"]\ndensities = [0.1, 0.5]\n").unwrap();
    let of: Vec<_> = runs(&plan).iter().map(|run| (run.config.hard_by(), run.config.learners[0].density, run.config.epochs)).collect();
    use Scenario::{Attack, Nature};
    assert_eq!(of, [(Nature, 0.1, 6), (Nature, 0.5, 6), (Attack, 0.1, 5), (Attack, 0.5, 5)]);
    let study = study("[axes]\nscenarios = [\"nature\", \"attack\"]\n").unwrap();
    let said = measure(&study, &super::plan(&study, None).unwrap()).unwrap_err().to_string();
    assert!(said.contains("different measures (hard-half, robust-test); say measure = \"test\""), "{said}");
}

#[test]
fn what_cannot_be_a_study_is_refused_by_its_combination() {
    for (text, expected) in [
        (
            "[axes]\nseeds = 2\nepochs = [0, 1]\n",
            "the study s.toml: the combination seeds = 15, epochs = 0 is refused: epochs must be at least 1; change a value",
        ),
        (
            "[axes]\nlearners = [\"dense\", \"set\"]\ndensities = [0.1, 0.2]\n",
            "densities = 0.1, learners = dense and densities = 0.2, learners = dense are one and the same run; a density changes only learners that",
        ),
        ("[axes]\ndevice = [\"cpu\", \"auto\"]\n", "device = cpu and device = auto are one and the same run; leave one of them out"),
        ("[axes]\nseeds = 2\n[[exclude]]\nseeds = [15, 16]\n", "its exclusions leave none of its 2 combinations; exclude less"),
        (
            "[axes]\nseeds = 2\n[[exclude]]\nseeds = 15\n[[exclude]]\nseeds = 15\n",
            "[[exclude]] seeds = 15 excludes nothing that those before it leave; take it out",
        ),
        (
            "[axes]\nseeds = 9000\nepochs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]\n",
            "more than 100000 combinations (9000 seeds x 12 epochs)",
        ),
        ("[axes]\nnorm = [\"linf\"]\ntest_step = [0]\n", "the attack of evaluations looks for nothing"),
    ] {
        let said = planned(text).unwrap_err();
        assert!(said.contains(expected) && said.lines().count() == 1, "{text}: {said}");
    }
}

#[test]
fn the_hash_of_a_study_follows_its_runs_and_measure() {
    let of = |text: &str| {
        let study = study(text).unwrap();
        let plan = plan(&study, None).unwrap();
        study_hash(&study, study.measure.unwrap_or(Metric::Test), &plan)
    };
    let one = of(&format!("{BASE}[axes]\nseeds = 2\n"));
    assert_eq!(one, of(&format!("name = \"other\"\nquestion = \"?\"\n{BASE}[axes]\nseeds = [15, 16]\n")));
    assert_ne!(one, of(&format!("{BASE}[axes]\nseeds = 3\n")));
    assert_ne!(one, of(&format!("measure = \"hard-half\"\n{BASE}[axes]\nseeds = 2\n")));
}
