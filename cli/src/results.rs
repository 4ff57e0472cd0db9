//! Tables of results, from a summary (`summary.json`'s form): what is missing is a dash, so that the files of any version can be shown.

use serde_json::Value;
use sparring_figures::number;

/// Titles of [`rows`].
pub const HEADER: [&str; 10] =
    ["learner", "density", "parameters", "ms/step", "FLOPs/step", "FLOPs in all", "train", "test", "easy half", "hard half"];

/// The result table, one row a learner.
pub fn rows(summary: &Value) -> Vec<Vec<String>> {
    let of = |value: &Value, form: &dyn Fn(f64) -> String| value.as_f64().map_or_else(|| "-".into(), form);
    let row = |l: &Value| {
        let name = l["name"].as_str().unwrap_or("?");
        vec![
            if l["failed"].is_null() { name.to_owned() } else { format!("{name} (failed)") },
            of(&l["density"], &|d| format!("{d:.4}")),
            of(&l["active_parameters"], &|n| number::count(n as u64)),
            of(&l["ms_per_step"].as_f64().filter(|ms| *ms > 0.0).into(), &number::three),
            of(&l["flops_per_step"], &|n| number::si(n, "")),
            // Files of before do not have it, or have nothing.
            of(&l["flops"].as_f64().filter(|n| *n > 0.0).into(), &|n| number::si(n, "")),
            accuracy(&l["train"]),
            accuracy(&l["test"]),
            accuracy(&l["test_easy"]),
            accuracy(&l["test_hard"]),
        ]
    };
    learners(summary).iter().map(row).collect()
}

/// Test accuracy by difficulty bin: titles, and one row a learner. `None` where nobody was evaluated by bins.
pub fn bins(summary: &Value) -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let of = |l: &Value| l["by_hardness"]["bins"].as_array().cloned().unwrap_or_default();
    let learners = learners(summary);
    let most = learners.iter().map(|l| of(l).len()).max().filter(|n| *n > 0)?;
    let header = std::iter::once("learner".to_owned()).chain((1..=most).map(|bin| bin_title(bin, most))).collect();
    let row = |l: &Value| {
        let bins = of(l);
        let name = l["name"].as_str().unwrap_or("?").to_owned();
        std::iter::once(name).chain((0..most).map(|bin| accuracy(bins.get(bin).unwrap_or(&Value::Null)))).collect()
    };
    Some((header, learners.iter().map(row).collect()))
}

/// Something that a summary says of a learner: its title, where it stands, and how it is shown.
pub struct Measure {
    pub label: String,
    pointer: String,
    form: fn(&Value) -> String,
}

impl Measure {
    /// Its value for a learner; a dash where there is none.
    pub fn show(&self, learner: &Value) -> String {
        (self.form)(learner.pointer(&self.pointer).unwrap_or(&Value::Null))
    }
}

/// Every measure that a summary may have, with as many bins of difficulty as `learners` have.
pub fn measures<'a>(learners: impl Iterator<Item = &'a Value>) -> Vec<Measure> {
    fn counted(value: &Value) -> String {
        value.as_f64().map_or_else(|| "-".into(), |n| number::si(n, ""))
    }
    fn timed(value: &Value) -> String {
        value.as_f64().filter(|ms| *ms > 0.0).map_or_else(|| "-".into(), number::three)
    }
    let of = |label: &str, pointer: &str, form| Measure { label: label.to_owned(), pointer: pointer.to_owned(), form };
    let bins = learners.filter_map(|l| l["by_hardness"]["bins"].as_array()).map(Vec::len).max().unwrap_or(0);
    let mut all = vec![
        of("train", "/train", accuracy),
        of("validation", "/validation", accuracy),
        of("test", "/test", accuracy),
        of("easy half", "/test_easy", accuracy),
        of("hard half", "/test_hard", accuracy),
    ];
    all.extend((0..bins).map(|bin| of(&bin_title(bin + 1, bins), &format!("/by_hardness/bins/{bin}"), accuracy)));
    all.extend([
        of("corrupted test", "/by_hardness/corrupted", accuracy),
        of("robust validation", "/by_hardness/robust/validation", accuracy),
        of("robust test", "/by_hardness/robust/test", accuracy),
        of("robust train", "/by_hardness/robust/train", accuracy),
        of("parameters", "/active_parameters", counted),
        of("FLOPs/step", "/flops_per_step", counted),
        of("ms/step", "/ms_per_step", timed),
    ]);
    all
}

/// What a bin of difficulty is called, counted from 1.
fn bin_title(bin: usize, of: usize) -> String {
    match bin {
        1 => "easiest".to_owned(),
        _ if bin == of => "hardest".to_owned(),
        _ => format!("bin {bin}"),
    }
}

/// The table of accuracy on corrupted and attacked images, one row a learner; `None` where neither was evaluated.
pub fn corrupted_and_attacked(summary: &Value) -> Option<(Vec<&'static str>, Vec<Vec<String>>)> {
    type Cell = fn(&Value) -> String;
    fn gap(l: &Value) -> String {
        let robust = &l["by_hardness"]["robust"];
        let of = |what: &str| robust[what]["accuracy"].as_f64();
        let gap = of("train").zip(of("test")).filter(|_| !robust["clean_train"].is_null());
        gap.map_or_else(|| "-".into(), |(train, test)| format!("{:.2}", 100.0 * (train - test)))
    }
    let all: [(&'static str, Cell); 8] = [
        ("clean test", |l| accuracy(&l["test"])),
        ("corrupted test", |l| accuracy(&l["by_hardness"]["corrupted"])),
        ("robust test", |l| accuracy(&l["by_hardness"]["robust"]["test"])),
        ("clean validation", |l| accuracy(&l["validation"])),
        ("robust validation", |l| accuracy(&l["by_hardness"]["robust"]["validation"])),
        ("clean train", |l| accuracy(&l["by_hardness"]["robust"]["clean_train"])),
        ("robust train", |l| accuracy(&l["by_hardness"]["robust"]["train"])),
        ("gap", gap),
    ];
    let learners = learners(summary);
    let said = |cell: Cell| learners.iter().any(|l| cell(l) != "-");
    if !said(all[1].1) && !said(all[2].1) {
        return None;
    }
    let attacked = said(all[2].1);
    let shown: Vec<_> = all.into_iter().enumerate().filter(|(i, (_, cell))| said(*cell) && (attacked || *i < 2)).map(|(_, c)| c).collect();
    let header = std::iter::once("learner").chain(shown.iter().map(|(title, _)| *title)).collect();
    let row =
        |l: &Value| std::iter::once(l["name"].as_str().unwrap_or("?").to_owned()).chain(shown.iter().map(|(_, cell)| cell(l))).collect();
    Some((header, learners.iter().map(row).collect()))
}

/// What a best state is the best by: accuracy on the validation split as it is, and attacked.
pub const BEST_BY: [&str; 2] = ["validation", "robust validation"];

/// The table of best epochs, a row a learner and what it is best by; `None` where there are none.
pub fn best(summary: &Value) -> Option<(Vec<&'static str>, Vec<Vec<String>>)> {
    let best = summary["best"].as_array().filter(|best| !best.is_empty())?;
    let attacked = best.iter().any(|b| !b["by_hardness"]["robust"].is_null());
    let header = ["learner", "best by", "epoch", "validation", "test", "robust validation", "robust test"];
    let row = |b: &Value| {
        let robust = &b["by_hardness"]["robust"];
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let epoch = b["epoch"].as_u64().map(|epoch| epoch.to_string());
        let cells = [text(&b["name"]), text(&b["by"]), epoch].map(|cell| cell.unwrap_or_else(|| "-".into()));
        let scores = [&b["validation"], &b["test"], &robust["validation"], &robust["test"]].map(accuracy);
        cells.into_iter().chain(scores).take(if attacked { 7 } else { 5 }).collect()
    };
    Some((header[..if attacked { 7 } else { 5 }].to_vec(), best.iter().map(row).collect()))
}

/// The learners' results in a summary.
pub fn learners(summary: &Value) -> &[Value] {
    summary["summary"]["learners"].as_array().map_or(&[], Vec::as_slice)
}

/// Whether a run has learners, and every one of them failed.
pub fn all_failed(summary: &Value) -> bool {
    let learners = learners(summary);
    !learners.is_empty() && learners.iter().all(|l| !l["failed"].is_null())
}

/// A score's accuracy, a dash where nothing was evaluated.
pub fn accuracy(score: &Value) -> String {
    let evaluated = score["samples"].as_u64().is_some_and(|n| n > 0);
    score["accuracy"].as_f64().filter(|_| evaluated).map_or_else(|| "-".into(), |a| number::percent(a, 2))
}

#[cfg(test)]
pub mod samples {
    //! A made-up race for tests of what is shown and written.
    use sparring_core::device::info::DeviceInfo;
    use sparring_core::events::{Evaluation, Event, LearnerInfo, LearnerSummary, Score, Summary};
    use sparring_core::record::History;

    fn score(loss: f64, accuracy: f64) -> Score {
        Score { loss, accuracy, samples: 5000 }
    }

    fn info(name: &str, density: f64, control: bool) -> LearnerInfo {
        let active = (269_722.0 * density) as u64;
        LearnerInfo {
            name: name.into(),
            learner: name.split(' ').next().unwrap_or(name).into(),
            subset: if control { "random:0.5" } else { "el2n-hard:0.5" }.into(),
            control,
            parameters: 269_722,
            active_parameters: active,
            density,
            dense_macs: 40_551_424,
            macs: (40_551_424.0 * density) as u64,
            flops_per_step: (31e9 * density) as u64,
            samples: 22_500,
            batch: 128,
            parent_flops: 0.0,
            weight_bytes: active * 8,
            layers: Vec::new(),
        }
    }

    /// Two learners and their controls over `epochs` epochs.
    pub fn events(epochs: u32) -> Vec<Event> {
        let learners = [("dense", 1.0, false), ("set@0.2", 0.2, false), ("dense on random", 1.0, true), ("set@0.2 on random", 0.2, true)]
            .map(|(n, d, c)| info(n, d, c));
        let device = DeviceInfo {
            name: "Test device, 2 threads".into(),
            backend: "cpu".into(),
            driver: "none".into(),
            software: false,
            ..DeviceInfo::default()
        };
        let mut out = vec![Event::Started {
            learners: learners.to_vec(),
            device,
            epochs,
            config_hash: "0123456789ab".into(),
            device_bytes: 123_456_789,
            judged_by: None,
            watched: Vec::new(),
        }];
        let mut last = vec![(Score::default(), Score::default()); learners.len()];
        for epoch in 1..=epochs {
            for (i, l) in learners.iter().enumerate() {
                let t = f64::from(epoch) / f64::from(epochs);
                let wobble = 0.01 * (f64::from(epoch) * 2.1 + i as f64).sin();
                let base = if l.control { 0.82 } else { 0.70 } + if l.density < 1.0 { 0.02 } else { 0.0 };
                let accuracy = base * (1.0 - (-4.0 * t).exp()) + 0.1 * (-4.0 * t).exp() + wobble;
                let (train, test) = (score(2.3 * (-2.0 * t).exp(), accuracy + 0.03 * t), score(2.3 * (-1.7 * t).exp() + 0.1, accuracy));
                last[i] = (train, test);
                out.push(Event::Progress {
                    learner: i,
                    epoch: epoch - 1,
                    step: 176,
                    steps: 176,
                    loss: train.loss,
                    accuracy: train.accuracy,
                    ms_per_step: 90.0 * (0.4 + 0.6 * l.density),
                });
                out.push(Event::EpochEnd {
                    learner: i,
                    epoch,
                    lr: 0.1,
                    scores: Box::new(Evaluation {
                        train,
                        validation: test,
                        test,
                        test_easy: Some(score(test.loss * 0.5, (accuracy + 0.15).min(0.99))),
                        test_hard: Some(score(test.loss * 1.5, accuracy - 0.15)),
                        by_hardness: Default::default(),
                    }),
                    flops: f64::from(epoch) * 176.0 * l.flops_per_step as f64,
                    seconds: f64::from(epoch) * 20.0,
                    answers: Vec::new(),
                });
            }
        }
        out.push(Event::Warning { message: "a <b>warning</b> & more".into() });
        let summaries = learners.iter().zip(&last).map(|(l, (train, test))| LearnerSummary {
            name: l.name.clone(),
            subset: l.subset.clone(),
            control: l.control,
            density: l.density,
            active_parameters: l.active_parameters,
            flops_per_step: l.flops_per_step,
            flops: f64::from(epochs) * 176.0 * l.flops_per_step as f64,
            ms_per_step: 90.0 * (0.4 + 0.6 * l.density),
            scores: Evaluation { train: *train, validation: *test, test: *test, ..Evaluation::default() },
            failed: None,
        });
        let verdict =
            "set@0.2 leads dense by 2.0 points on the hard half (one seed; 95% interval of the difference about 1.9 points).".into();
        out.push(Event::Finished { summary: Summary { learners: summaries.collect(), verdict } });
        out
    }

    /// Their history.
    pub fn history(epochs: u32) -> History {
        History::of(&events(epochs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_carry_the_last_epoch_and_never_fail() {
        let history = samples::history(5);
        let summary = serde_json::json!({ "summary": history.summary });
        let rows = rows(&summary);
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[0].len(), HEADER.len());
        assert_eq!(rows[1][0], "set@0.2");
        assert_eq!(rows[1][5], "5.46 T", "6.2 GFLOPs a step, 176 steps, 5 epochs");
        assert_eq!(rows[1][7], number::percent(history.tracks[1].epochs[4].scores.test.accuracy, 2));
        assert_eq!(rows[1][8], "-");
        assert!(super::rows(&Value::Null).is_empty());
        assert_eq!(super::rows(&serde_json::json!({ "summary": { "learners": [1] } }))[0][0], "?");
    }

    #[test]
    fn bins_are_titled_by_their_ends_and_a_learner_without_them_has_dashes() {
        let bin = |accuracy: f64| serde_json::json!({ "loss": 1.0, "accuracy": accuracy, "samples": 20 });
        let learners = serde_json::json!([
            { "name": "dense", "by_hardness": { "bins": [bin(0.9), bin(0.5), bin(0.25)] } },
            { "name": "old" },
        ]);
        let (header, rows) = bins(&serde_json::json!({ "summary": { "learners": learners } })).unwrap_or_default();
        assert_eq!(header, ["learner", "easiest", "bin 2", "hardest"]);
        assert_eq!(rows, [["dense", "90.00%", "50.00%", "25.00%"], ["old", "-", "-", "-"]]);
        assert!(bins(&Value::Null).is_none());
        assert!(bins(&serde_json::json!({ "summary": { "learners": [{ "name": "x", "by_hardness": { "bins": [] } }] } })).is_none());
    }

    #[test]
    fn best_epochs_are_told_by_what_they_are_best_by() {
        let score = |accuracy: f64| serde_json::json!({ "loss": 1.0, "accuracy": accuracy, "samples": 10 });
        let clean = serde_json::json!({ "name": "dense", "by": "validation", "epoch": 3, "validation": score(0.8), "test": score(0.7) });
        let (header, rows) = best(&serde_json::json!({ "best": [clean] })).unwrap();
        assert_eq!(header, ["learner", "best by", "epoch", "validation", "test"]);
        assert_eq!(rows, [["dense", "validation", "3", "80.00%", "70.00%"]]);
        let mut robust = clean.clone();
        robust["by"] = "robust validation".into();
        robust["by_hardness"] = serde_json::json!({ "robust": { "validation": score(0.4), "test": score(0.3) } });
        let (header, rows) = best(&serde_json::json!({ "best": [clean, robust] })).unwrap();
        assert_eq!(header[5..], ["robust validation", "robust test"]);
        assert_eq!(rows[1], ["dense", "robust validation", "3", "80.00%", "70.00%", "40.00%", "30.00%"]);
        assert_eq!(rows[0][5..], ["-", "-"]);
        assert!(best(&Value::Null).is_none() && best(&serde_json::json!({ "best": [] })).is_none());
    }

    #[test]
    fn corrupted_and_attacked_accuracy_is_shown_where_there_is_some() {
        let score = |accuracy: f64| serde_json::json!({ "loss": 1.0, "accuracy": accuracy, "samples": 10 });
        let of = |by_hardness: Value| {
            let l = serde_json::json!({ "name": "dense", "test": score(0.9), "validation": score(0.8), "by_hardness": by_hardness });
            corrupted_and_attacked(&serde_json::json!({ "summary": { "learners": [l] } }))
        };
        assert!(of(serde_json::json!({ "corrupted": null, "robust": null })).is_none());
        let (header, rows) = of(serde_json::json!({ "corrupted": score(0.5) })).unwrap();
        assert_eq!((header, rows[0][2].as_str()), (vec!["learner", "clean test", "corrupted test"], "50.00%"));
        let robust = serde_json::json!({ "train": score(0.7), "clean_train": score(0.95), "validation": score(0.3), "test": score(0.25) });
        let (header, rows) = of(serde_json::json!({ "robust": robust })).unwrap();
        assert_eq!(
            header[1..],
            ["clean test", "robust test", "clean validation", "robust validation", "clean train", "robust train", "gap"]
        );
        assert_eq!(rows[0][1..], ["90.00%", "25.00%", "80.00%", "30.00%", "95.00%", "70.00%", "45.00"]);
    }
}
