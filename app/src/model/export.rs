//! What is taken out of runs: every evaluation as CSV, a run card as text, final numbers and differing settings for a comparison.
//!
//! All of it comes from run files, so that a recorded, a kept and an imported run are told by the same rules.

use std::fmt::Write;

use sparring_core::Event;
use sparring_core::argsort::in_order;
use sparring_core::config::LearnerConfig;
use sparring_core::config::settings::{self, Differing, csv_cell, plain};
use sparring_core::events::{Evaluation, LearnerInfo, Score};
use sparring_core::record::{Epoch, History, RunFile, Track};
use sparring_figures::number;

use crate::model::names::{self, label};
use crate::model::replay::Recording;
use crate::words::settings as words;

/// Every evaluation of a run, in the order of epochs.
fn evaluations(history: &History) -> Vec<(&LearnerInfo, &Epoch)> {
    let all: Vec<_> = history.tracks.iter().flat_map(|t| t.epochs.iter().map(|e| (&t.info, e))).collect();
    in_order(&all, |(_, epoch)| u64::from(epoch.epoch))
}

/// "SET 0.2", and whether it is a control.
fn name(info: &LearnerInfo) -> String {
    let name = info.learner.parse::<LearnerConfig>().map_or_else(|_| info.name.clone(), |l| label(&l));
    if info.control { format!("{name}, random") } else { name }
}

/// Every evaluation of these runs, a row each.
pub fn csv<'a>(runs: impl Iterator<Item = &'a RunFile>) -> String {
    let mut out = String::from(
        "run,date,config_hash,dataset,model,seed,learner,control,subset,density,epoch,lr,flops,seconds,train_loss,train_accuracy,\
         validation_accuracy,test_loss,test_accuracy,easy_accuracy,hard_accuracy,corrupted_accuracy,robust_accuracy\n",
    );
    let optional = |score: Option<Score>| score.map_or_else(String::new, |s| s.accuracy.to_string());
    for run in runs {
        let c = &run.config;
        let first =
            format!("{},{},{},{},{},{}", csv_cell(&run.name), csv_cell(&run.date), csv_cell(&run.config_hash), c.dataset, c.model, c.seed);
        for (l, Epoch { epoch, lr, scores, flops, seconds, .. }) in evaluations(&History::of(&run.events)) {
            let robust = scores.by_hardness.robust.map(|robust| robust.test);
            let (learner, subset, control, density) = (csv_cell(&l.learner), csv_cell(&l.subset), l.control, l.density);
            let Evaluation { train, validation, test, test_easy, test_hard, by_hardness } = scores;
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "{first},{learner},{control},{subset},{density},{epoch},{lr},{flops},{seconds},{},{},{},{},{},{},{},{},{}",
                train.loss,
                train.accuracy,
                validation.accuracy,
                test.loss,
                test.accuracy,
                optional(*test_easy),
                optional(*test_hard),
                optional(by_hardness.corrupted),
                optional(robust)
            );
        }
    }
    out
}

const DASH: &str = "\u{2013}";

/// Heads of [`results`].
pub const RESULTS: [&str; 8] = ["Learner", "Epochs", "Density", "Test", "Easy half", "Hard half", "Corrupted", "Attacked"];

/// The first of them are no scores.
const FACTS: usize = 3;

/// The last evaluation of each learner; what was not evaluated is a dash.
pub fn results(run: &RunFile) -> Vec<Vec<String>> {
    let dash = |score: Option<Score>| score.map_or_else(|| DASH.to_owned(), |s| number::percent(s.accuracy, 1));
    let history = History::of(&run.events);
    let row = |track: &Track| {
        let mut cells = vec![name(&track.info), track.epochs_done().to_string(), format!("{:.3}", track.info.density)];
        let of = |s: &Evaluation| {
            [Some(s.test), s.test_easy, s.test_hard, s.by_hardness.corrupted, s.by_hardness.robust.map(|robust| robust.test)]
        };
        cells.extend(track.latest().map_or([None; 5], of).map(dash));
        cells
    };
    history.tracks.iter().map(row).collect()
}

/// The last scores of several runs: what, and its value in each; what nobody has is left out.
pub fn side_by_side(runs: &[&RunFile]) -> Vec<Vec<String>> {
    let of: Vec<Vec<Vec<String>>> = runs.iter().map(|run| results(run)).collect();
    let mut names: Vec<&str> = Vec::new();
    for row in of.iter().flatten() {
        if !names.contains(&row[0].as_str()) {
            names.push(&row[0]);
        }
    }
    let mut out = Vec::new();
    for name in names {
        for (column, what) in RESULTS.iter().enumerate().skip(FACTS) {
            let value =
                |rows: &Vec<Vec<String>>| rows.iter().find(|row| row[0] == name).map_or(DASH, |row| row[column].as_str()).to_owned();
            let values: Vec<String> = of.iter().map(value).collect();
            if values.iter().any(|v| v != DASH) {
                out.push(std::iter::once(format!("{name}: {}", what.to_lowercase())).chain(values).collect());
            }
        }
    }
    out
}

/// The settings in which runs differ, in words: its name, and its value in each.
pub fn differing(runs: &[&RunFile]) -> Vec<Vec<String>> {
    let fields: Vec<_> = runs.iter().map(|run| run.config.fields().unwrap_or_default()).collect();
    let row = |(name, values): Differing| {
        let values = values.into_iter().map(|value| value.map_or_else(String::new, |value| names::value(name, &plain(value))));
        std::iter::once(words::label(name).to_owned()).chain(values).collect()
    };
    settings::differing(&fields.iter().collect::<Vec<_>>()).into_iter().map(row).collect()
}

/// The run card: everything a result must carry, as text.
pub fn card(run: &Recording) -> String {
    let (epochs, finished) = run.extent();
    let state = if finished { "finished" } else { "not finished" };
    let d = &run.device;
    let mut out = format!("{}\n{}\n\n", run.name, "=".repeat(run.name.chars().count()));
    let mut line = |what: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(out, "{what:<14}{text}");
        }
    };
    line("Date", &run.date);
    line("State", &format!("{state}, {epochs} of {} epochs, {}", run.config.epochs, number::duration(run.seconds)));
    line("Device", &format!("{}, {}{}", d.name, d.backend, if d.software { ", a software emulation" } else { "" }));
    line("Driver", &d.driver);
    line("System", &run.system);
    let commit = if run.commit.is_empty() { String::new() } else { format!(" ({})", run.commit) };
    line("Program", &format!("sparring {}{commit}", run.version));
    line("Configuration", &run.config_hash);
    if !run.others.is_empty() {
        let seeds: Vec<String> = run.runs().map(|run| run.config.seed.to_string()).collect();
        line("Seeds", &format!("{}; what follows is of seed {} alone", seeds.join(", "), run.config.seed));
    }
    for Track { info, .. } in &History::of(&run.events).tracks {
        let text = format!(
            "{}: {} of {} parameters, {} images",
            names::in_words(&info.name),
            number::count(info.active_parameters),
            number::count(info.parameters),
            info.samples
        );
        line("Learner", &text);
    }
    out.push_str("\nSettings (all of them)\n");
    for (name, value) in run.config.fields().unwrap_or_default() {
        let _ = writeln!(out, "  {name} = {}", plain(&value));
    }
    out.push_str("\nResults\n");
    for row in std::iter::once(RESULTS.map(str::to_owned).to_vec()).chain(results(run)) {
        let cells: Vec<String> = row.iter().enumerate().map(|(i, cell)| format!("{cell:<0$}", if i == 0 { 24 } else { 11 })).collect();
        let _ = writeln!(out, "  {}", cells.concat().trim_end());
    }
    if let Some(Event::Finished { summary }) = run.events.last() {
        let _ = writeln!(out, "\n{}", names::in_words(&summary.verdict));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::model::race::tests::{epoch_end, info};
    use sparring_core::ExperimentConfig;
    use sparring_core::device::info::DeviceInfo;
    use sparring_core::events::Summary;

    fn run(name: &str, epochs: u32) -> RunFile {
        let device = DeviceInfo { name: "d".into(), backend: "cpu".into(), ..DeviceInfo::default() };
        let config = ExperimentConfig { epochs, ..ExperimentConfig::default() };
        let learners = vec![info("dense", false), info("set@0.2", true)];
        let config_hash = "0".into();
        let mut events = vec![Event::Started {
            learners,
            device: device.clone(),
            epochs,
            config_hash,
            device_bytes: 0,
            judged_by: None,
            watched: Vec::new(),
        }];
        for epoch in 1..=epochs {
            events.extend([epoch_end(0, epoch, 0.25 * f64::from(epoch), 100), epoch_end(1, epoch, 0.125, 100)]);
        }
        events.push(Event::Finished { summary: Summary { learners: Vec::new(), verdict: "Nobody leads.".into() } });
        RunFile {
            sparring_run: 1,
            name: name.into(),
            config_hash: config.hash().unwrap(),
            config,
            device,
            version: "1".into(),
            commit: "abc".into(),
            system: "test".into(),
            date: "2026-05-04T13:02:01Z".into(),
            seconds: 61.0,
            events,
        }
    }

    #[test]
    fn every_evaluation_is_a_row_and_no_name_breaks_the_table() {
        let (a, b) = (run("one, \"two\"", 2), run("=1+1", 1));
        let text = csv([&a, &b].into_iter());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + 4 + 2);
        assert!(lines[1].starts_with("\"one, \"\"two\"\"\",2026-05-04T13:02:01Z,"), "{}", lines[1]);
        assert!(lines[5].starts_with("'=1+1,"), "{}", lines[5]);
        let columns = lines[0].split(',').count();
        assert!(lines[5..].iter().all(|l| l.split(',').count() == columns), "{text}");
        assert!(lines[3].contains(",dense,false,el2n-hard:0.5,1,2,0.1,") && lines[3].ends_with(",0.6,0.9,0.5,,"), "{}", lines[3]);
    }

    #[test]
    fn a_comparison_has_last_numbers_and_differing_settings() {
        let (a, b) = (run("a", 2), run("b", 1));
        assert_eq!(results(&a)[0], ["Dense", "2", "1.000", "60.0%", "90.0%", "50.0%", "\u{2013}", "\u{2013}"]);
        assert_eq!(results(&b)[1][..2], ["SET 0.2, random", "1"]);
        assert!(results(&a).iter().all(|row| row.len() == RESULTS.len()));
        let both = side_by_side(&[&a, &b]);
        assert_eq!(both[0], ["Dense: test", "60.0%", "60.0%"]);
        assert!(both.contains(&["Dense: hard half", "50.0%", "25.0%"].map(str::to_owned).to_vec()), "{both:?}");
        assert!(both.iter().all(|row| row.len() == 3 && !row[0].contains("attacked")), "{both:?}");
        assert_eq!(differing(&[&a, &b]), [["Epochs", "2", "1"]]);
        assert!(differing(&[&a, &a]).is_empty() && differing(&[]).is_empty());
    }

    #[test]
    fn a_card_says_where_when_and_by_what() {
        let card = card(&Recording::from(run("A run", 2)));
        for part in
            ["A run\n=====\n", "finished, 2 of 2 epochs, 1 min 1 s", "sparring 1 (abc)", "d, cpu", "  lr = 0.1\n", "Nobody leads.", "50.0%"]
        {
            assert!(card.contains(part), "{part}: {card}");
        }
        assert!(!card.contains("Driver"), "what is not known is left out");
    }
}
