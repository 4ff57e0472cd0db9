//! Runs in one file, made up: what is kept, what is merged, what is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::events::{ByHardness, Evaluation, LayerTopology, LearnerInfo, Summary, TopologyReport};

fn device() -> DeviceInfo {
    DeviceInfo { name: "Test device".into(), backend: "cpu".into(), ..DeviceInfo::default() }
}

fn info(name: &str) -> LearnerInfo {
    LearnerInfo {
        name: name.into(),
        learner: name.into(),
        subset: "all".into(),
        control: false,
        parameters: 100,
        active_parameters: 20,
        density: 0.2,
        dense_macs: 1000,
        macs: 200,
        flops_per_step: 1_200_000,
        samples: 64,
        batch: 64,
        parent_flops: 0.0,
        weight_bytes: 800,
        layers: Vec::new(),
    }
}

fn score(accuracy: f64) -> Score {
    Score { loss: 1.234_567_89, accuracy, samples: 10_000 }
}

/// A run of three learners with this many reports of progress an epoch.
fn events(epochs: u32, reports: usize) -> Vec<Event> {
    let names = ["dense", "set@0.2", "rigl@0.2"];
    let mut out = vec![Event::Started {
        learners: names.map(info).to_vec(),
        device: device(),
        epochs,
        config_hash: "0123456789ab".into(),
        device_bytes: 1,
        judged_by: Some(crate::events::Metric::Test),
        watched: vec![crate::events::Watched { sample: 7, label: 3 }],
    }];
    for epoch in 0..epochs {
        for step in 1..=reports {
            for learner in 0..names.len() {
                let loss = 2.345_678_912 / (1.0 + f64::from(epoch) + step as f64 / reports as f64);
                out.push(Event::Progress {
                    learner,
                    epoch,
                    step,
                    steps: reports,
                    loss,
                    accuracy: step as f64 / reports as f64,
                    ms_per_step: 1.0,
                });
            }
        }
        for learner in 0..names.len() {
            let layer = LayerTopology { name: "conv1.weight".into(), density: 1.0 / 3.0, explored: 2.0 / 3.0 };
            let report = TopologyReport {
                semantics: "sparse".into(),
                density: 0.2,
                explored: 0.123_456_789,
                from_first: 0.5,
                from_previous: 0.25,
                active_parameters: 20,
                macs: 200,
                flops_per_step: 1_200_000,
                weight_bytes: 800,
                layers: vec![layer; 5],
            };
            out.push(Event::Topology { learner, epoch: epoch + 1, report });
            out.push(Event::EpochEnd {
                learner,
                epoch: epoch + 1,
                lr: 0.1,
                scores: Box::new(Evaluation {
                    train: score(0.123_456_789),
                    validation: score(0.5),
                    test: score(0.4999),
                    test_easy: Some(score(0.7)),
                    test_hard: Some(score(0.3)),
                    by_hardness: ByHardness { bins: vec![score(0.51); 5], ..Default::default() },
                }),
                flops: 1e12,
                seconds: 12.345_678,
                answers: vec![3],
            });
        }
    }
    out.push(Event::Finished { summary: Summary { learners: Vec::new(), verdict: "Nobody leads.".into() } });
    out
}

fn run(events: Vec<Event>) -> RunFile {
    let config = ExperimentConfig::default();
    RunFile {
        sparring_run: RUN_FILE_VERSION,
        name: "Three".into(),
        config_hash: config.hash().unwrap(),
        config,
        device: device(),
        version: "0.1.0".into(),
        commit: String::new(),
        system: "test".into(),
        date: "2026-05-04T13:02:01Z".into(),
        seconds: 12.5,
        events: thin(events),
    }
}

fn reports(events: &[Event], of: usize) -> Vec<(u32, usize, f64)> {
    let one = |e: &Event| match e {
        Event::Progress { learner, epoch, step, loss, .. } if *learner == of => Some((*epoch, *step, *loss)),
        _ => None,
    };
    events.iter().filter_map(one).collect()
}

#[test]
fn a_long_race_of_three_is_a_small_file_that_reads_back_the_same() {
    let run = run(events(10, 2000));
    for learner in 0..3 {
        let count = reports(&run.events, learner).len();
        assert!((170..=210).contains(&count), "{count}");
    }
    assert_eq!(run.events.iter().filter(|e| matches!(e, Event::EpochEnd { .. } | Event::Topology { .. })).count(), 60);
    let json = run.to_json().unwrap();
    assert!(json.len() < 150_000, "{}", json.len());
    assert_eq!(RunFile::read(json.as_bytes()).unwrap(), run);
    assert_eq!(run.extent(), (10, true));
}

#[test]
fn merged_reports_are_means_at_the_place_of_their_last_and_no_epoch_loses_its_end() {
    let all = events(3, 1000);
    let (before, after) = (reports(&all, 1), reports(&thin(all), 1));
    assert!(after.len() <= 303, "{}", after.len());
    for epoch in 0..3 {
        assert!(after.contains(after.iter().find(|r| (r.0, r.1) == (epoch, 1000)).unwrap()));
    }
    // A mean over all steps stays what it was.
    let mean = |list: &[(u32, usize, f64)]| {
        let mut last = (0, 0);
        let weighted = list.iter().map(|(epoch, step, loss)| {
            let weight = step - if last.0 == *epoch { last.1 } else { 0 };
            last = (*epoch, *step);
            loss * weight as f64
        });
        weighted.sum::<f64>() / 3000.0
    };
    assert!((mean(&before) - mean(&after)).abs() < 1e-4, "{} {}", mean(&before), mean(&after));
}

#[test]
fn a_short_run_keeps_every_report_and_thinning_twice_changes_nothing() {
    let once = thin(events(2, 20));
    assert_eq!(reports(&once, 2).len(), 40);
    assert_eq!(thin(once.clone()), once);
}

#[test]
fn order_is_kept_where_it_means_something() {
    let thinned = thin(events(4, 700));
    let mut epoch_now = [0; 3];
    for event in &thinned {
        match event {
            Event::Progress { learner, epoch, .. } => assert_eq!(epoch_now[*learner], *epoch),
            Event::EpochEnd { learner, epoch, .. } => epoch_now[*learner] = *epoch,
            _ => {}
        }
    }
    assert!(matches!(thinned.last(), Some(Event::Finished { .. })));
}

#[test]
fn a_diverged_loss_survives() {
    let mut all = events(1, 3);
    all.insert(1, Event::Progress { learner: 0, epoch: 0, step: 1, steps: 3, loss: f64::NAN, accuracy: 0.0, ms_per_step: 1.0 });
    let back = RunFile::read(run(all).to_json().unwrap().as_bytes()).unwrap();
    assert!(reports(&back.events, 0)[0].2.is_nan());
}

#[test]
fn several_runs_make_one_file_and_come_back() {
    let (one, two) = (run(events(1, 3)), RunFile { name: "two, \"2\"".into(), ..run(events(2, 3)) });
    let text = all_to_json([&one, &two].into_iter()).unwrap();
    assert_eq!(RunFile::read_all(text.as_bytes()).unwrap(), [one.clone(), two]);
    assert_eq!(RunFile::read_all(one.to_json().unwrap().as_bytes()).unwrap(), [one]);
    for other in ["[]", "[1]", "[[]]", "[{\"a\":1}]"] {
        assert_eq!(RunFile::read_all(other.as_bytes()).unwrap_err(), Unreadable::NotARun("JSON of another kind".into()), "{other}");
    }
    assert!(RunFile::read(text.as_bytes()).is_err() && RunFile::read_all(&text.as_bytes()[..text.len() - 9]).is_err());
}

#[test]
fn what_is_no_run_is_refused_by_its_kind() {
    let json = run(events(1, 3)).to_json().unwrap();
    let read = |text: &str| RunFile::read(text.as_bytes()).unwrap_err();
    assert_eq!(RunFile::read(&[0xff, 0xfe]).unwrap_err(), Unreadable::NotARun("bytes that are no text".into()));
    for (other, found) in [("name,value\n1,2", "text in another form"), ("", "text in another form"), ("{\"a\":1}", "JSON of another kind")]
    {
        assert_eq!(read(other), Unreadable::NotARun(found.into()));
    }
    assert_eq!(read(&json.replace("\"sparring_run\":1", "\"sparring_run\":9")), Unreadable::Version { found: 9, read: 1 });
    let half = read(&json[..json.len() / 2]);
    assert!(matches!(&half, Unreadable::Damaged(why) if why.contains("EOF")), "{half}");
    for (from, to) in [
        ("\"epochs\":20", "\"epochs\":0"),
        ("\"started\"", "\"warning\""),
        ("\"accuracy\":0.", "\"accuracy\":1."),
        ("\"accuracy\":0.", "\"accuracy\":-0."),
        ("\"learner\":1", "\"learner\":7"),
        ("\"epochs\":20", "\"epochs\":\"twenty\""),
    ] {
        assert!(json.contains(from), "{from}");
        assert!(matches!(read(&json.replacen(from, to, 1)), Unreadable::Damaged(_)), "{from}");
    }
    // A later version has settings, methods and events that this one has not.
    for (from, to, name) in [
        ("\"config\":{", "\"config\":{\"no_such\":1,", "the setting 'no_such'"),
        ("\"dense\",\"", "\"telepathy@0.2\",\"", "the method 'telepathy'"),
        ("\"progress\"", "\"levitated\"", "'levitated'"),
    ] {
        assert!(json.contains(from), "{from}");
        let newer = read(&json.replacen(from, to, 1));
        assert_eq!(newer, Unreadable::Newer(name.into()));
        assert!(newer.to_string().contains("newer version") && newer.to_string().len() < 200, "{newer}");
    }
    let nothing = RunFile { events: Vec::new(), ..run(events(1, 3)) };
    assert!(read(&nothing.to_json().unwrap()).to_string().contains("nothing was reported"));
    let large = vec![b' '; MOST_BYTES + 1];
    assert_eq!(RunFile::read(&large).unwrap_err(), Unreadable::TooLarge { found: MOST_BYTES + 1 });
}

#[test]
fn a_folder_becomes_a_file_and_a_line_that_was_cut_off_is_left_out() {
    let all = events(2, 30);
    let file = run(all.clone());
    let summary = RunFile { sparring_run: 0, name: String::new(), events: Vec::new(), ..file.clone() };
    // A summary holds more than a card.
    let summary = summary.to_json().unwrap().replacen('{', "{\"stopped\":false,\"epochs_done\":2,", 1);
    let mut metrics: String = all.iter().map(|e| e.to_line().unwrap() + "\n").collect();
    metrics.push_str("{\"event\":\"progress\",\"lear");
    let of = |metrics: &str| RunFile::of_folder("Three", summary.as_bytes(), metrics.as_bytes());
    assert_eq!(of(&metrics).unwrap(), file);
    let broken = of(&metrics.replacen("\"event\":\"progress\"", "\"event\":\"progress\"\"", 1)).unwrap_err();
    assert!(matches!(&broken, Unreadable::Damaged(why) if why.contains("metrics.jsonl, line 2")), "{broken}");
    let newer = of(&metrics.replacen("\"event\":\"progress\"", "\"event\":\"levitated\"", 1)).unwrap_err();
    assert_eq!(newer, Unreadable::Newer("metrics.jsonl, line 2: 'levitated'".into()));
    assert!(RunFile::of_folder("x", b"{}", metrics.as_bytes()).unwrap_err().to_string().contains("summary.json"));
}

#[test]
fn a_run_that_was_stopped_says_how_far_it_came() {
    let mut all = events(3, 5);
    all.truncate(all.len() - 3);
    assert_eq!(run(all.clone()).extent(), (2, false));
    all.push(Event::LearnerFailed { learner: 2, reason: "diverged".into() });
    all.push(Event::LearnerFailed { learner: 1, reason: "diverged".into() });
    assert_eq!(run(all).extent(), (3, false));
}
