//! Run folders: what is written, found, kept and locked.
#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::results::samples;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sparring-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn device() -> DeviceInfo {
    DeviceInfo { name: "test".into(), backend: "cpu".into(), ..DeviceInfo::default() }
}

#[test]
fn a_run_folder_is_complete_and_its_configuration_reads_back() {
    let scratch = Scratch::new("complete");
    let config = ExperimentConfig { epochs: 3, lr: 0.05, ..Default::default() };
    let mut run = RunDir::open(&scratch.0).unwrap();
    run.begin(&config).unwrap();
    let mut history = History::default();
    for event in samples::events(3) {
        run.event(&event).unwrap();
        history.apply(&event);
    }
    assert_eq!(run.weights("set@0.2 on random", ".best", b"x").unwrap(), "set@0.2-on-random.best.safetensors");
    run.save(b"checkpoint", &summary(&config, &history, &device(), 1.0, true).unwrap()).unwrap();
    assert_eq!(find(&scratch.0, &config, false).unwrap(), Found::Unfinished);
    run.finish(&summary(&config, &history, &device(), 1.5, false).unwrap(), "<html>").unwrap();
    let mut names: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [LOCK, CONFIG, METRICS, REPORT, "set@0.2-on-random.best.safetensors", SUMMARY]);
    assert_eq!(read_config(&scratch.0.join(CONFIG)).unwrap(), config);
    let lines = fs::read_to_string(scratch.0.join(METRICS)).unwrap();
    let events: Vec<Event> = lines.lines().map(|l| Event::from_line(l).unwrap()).collect();
    // Reading a float back may be off in the last digit, so kinds are compared.
    let kinds = |events: &[Event]| events.iter().map(std::mem::discriminant).collect::<Vec<_>>();
    assert_eq!(kinds(&events), kinds(&samples::events(3)));
    assert_eq!(events[0], samples::events(3)[0]);
    let Found::Finished(value) = find(&scratch.0, &config, false).unwrap() else { panic!() };
    assert_eq!(value["config_hash"], json!(config.hash().unwrap()));
    assert_eq!(value["summary"]["learners"].as_array().unwrap().len(), 4);
    assert_eq!(value["epochs_done"], json!(3));
    for key in ["commit", "device", "system", "date", "version"] {
        assert!(!value[key].is_null(), "{key}");
    }
}

#[test]
fn a_folder_is_named_by_what_is_in_it() {
    let with =
        |learners: &str| ExperimentConfig { learners: learners.split(',').map(|l| l.parse().unwrap()).collect(), ..Default::default() };
    for (learners, methods) in [("set@0.2", "set"), ("dense,set@0.2,set@0.1", "dense-set"), ("dense,set@0.2,rigl@0.1,static@0.1", "race")] {
        let config = with(learners);
        let expected = Path::new("runs").join(format!("resnet20-{methods}-{}", config.hash().unwrap()));
        assert_eq!(path(None, &config).unwrap(), expected);
    }
    assert_eq!(path(Some(Path::new("x")), &with("dense")).unwrap(), Path::new("x"));
}

#[test]
fn what_stands_in_a_folder_is_never_taken_for_something_else() {
    let scratch = Scratch::new("find");
    let config = ExperimentConfig::default();
    assert_eq!(find(&scratch.0, &config, false).unwrap(), Found::Nothing);
    let mut run = RunDir::open(&scratch.0).unwrap();
    assert_eq!(find(&scratch.0, &config, false).unwrap(), Found::Nothing, "a lock is no run");
    run.begin(&config).unwrap();
    assert_eq!(find(&scratch.0, &config, false).unwrap(), Found::Unfinished);
    let other = ExperimentConfig { epochs: 7, ..config.clone() };
    let message = find(&scratch.0, &other, false).unwrap_err().to_string();
    assert!(message.contains("holds another run: epochs was 20 and is 7") && message.contains("--again"), "{message}");
    assert!(find(&scratch.0, &other, true).is_ok());
    write(&scratch.0.join(SUMMARY), b"{ broken").unwrap();
    assert!(format!("{:#}", find(&scratch.0, &config, false).unwrap_err()).contains("summary.json is damaged"));
    // Someone's folder.
    fs::remove_file(scratch.0.join(CONFIG)).unwrap();
    assert!(find(&scratch.0, &config, true).unwrap_err().to_string().contains("and no run"));
}

#[test]
fn a_run_stands_for_its_best_weights() {
    let scratch = Scratch::new("checkpoint");
    fs::create_dir_all(&scratch.0).unwrap();
    let text = scratch.0.to_string_lossy().into_owned();
    assert_eq!(checkpoint("a.safetensors").unwrap(), PathBuf::from("a.safetensors"));
    assert!(checkpoint(&text).unwrap_err().to_string().contains("no summary.json"));
    let write = |best: Value| fs::write(scratch.0.join(SUMMARY), json!({ "best_weights": best }).to_string()).unwrap();
    write(json!(["set@0.2.best.safetensors", "set@0.2.best-robust.safetensors", "set@0.2-on-random.best.safetensors"]));
    assert_eq!(checkpoint(&text).unwrap(), scratch.0.join("set@0.2.best.safetensors"));
    write(json!(["dense.best.safetensors", "set@0.2.best.safetensors"]));
    assert!(checkpoint(&text).unwrap_err().to_string().contains("dense.best.safetensors, set@0.2.best.safetensors"));
    assert_eq!(parent(&text).unwrap(), scratch.0.join("dense.best.safetensors"));
    write(json!(["set@0.2.best.safetensors"]));
    assert!(parent(&text).unwrap_err().to_string().contains("no dense learner; it has set@0.2.best.safetensors"));
    write(json!([]));
    assert!(checkpoint(&text).unwrap_err().to_string().contains("no best weights yet"));
    fs::write(scratch.0.join(SUMMARY), json!({ "series_hash": "x", "runs": [{ "run": "runs/a" }, { "run": "runs/b" }] }).to_string())
        .unwrap();
    let series = checkpoint(&text).unwrap_err();
    assert!(series.to_string().contains("is a series") && series.to_string().ends_with("runs/a, runs/b") && !series.damaged, "{series}");
    fs::write(scratch.0.join(SUMMARY), "{ broken").unwrap();
    assert!(checkpoint(&text).unwrap_err().damaged);
}

#[test]
fn beginning_again_removes_what_the_summary_names_and_nothing_else() {
    let scratch = Scratch::new("again");
    let config = ExperimentConfig::default();
    let mut run = RunDir::open(&scratch.0).unwrap();
    for (name, text) in
        [("a.safetensors", "x"), ("mine.safetensors", "x"), ("a.best.safetensors", "x"), (METRICS, "{}\n"), (CHECKPOINT, "x")]
    {
        write(&scratch.0.join(name), text.as_bytes()).unwrap();
    }
    write(&scratch.0.join("below/b.safetensors"), b"x").unwrap();
    let summary = json!({ "weights": ["a.safetensors", "below/b.safetensors"], "best_weights": ["a.best.safetensors"] });
    write(&scratch.0.join(SUMMARY), summary.to_string().as_bytes()).unwrap();
    run.begin(&config).unwrap();
    let mut names: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [LOCK, "below", CONFIG, METRICS, "mine.safetensors"]);
    assert!(scratch.0.join("below/b.safetensors").exists());
}

#[test]
fn events_are_cut_back_to_those_of_the_checkpoint() {
    let scratch = Scratch::new("cut");
    let events = samples::events(3);
    let mut run = RunDir::open(&scratch.0).unwrap();
    run.begin(&ExperimentConfig::default()).unwrap();
    let (kept, lost) = events.split_at(10);
    kept.iter().for_each(|e| run.event(e).unwrap());
    let note = Note { metrics: run.sync().unwrap(), tensorboard: Vec::new(), seconds: 1.0 };
    let before = fs::read(scratch.0.join(METRICS)).unwrap();
    lost.iter().for_each(|e| run.event(e).unwrap());
    drop(run);
    let mut run = RunDir::open(&scratch.0).unwrap();
    let history = History::of(&run.go_on(&note).unwrap());
    assert_eq!(history.tracks.len(), 4);
    assert_eq!(fs::read(scratch.0.join(METRICS)).unwrap(), before);
    lost.iter().for_each(|e| run.event(e).unwrap());
    run.sync().unwrap();
    assert_eq!(fs::read_to_string(scratch.0.join(METRICS)).unwrap().lines().count(), events.len());
    drop(run);
    let mut run = RunDir::open(&scratch.0).unwrap();
    let message = run.go_on(&Note { metrics: 1 << 40, ..note }).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("--again starts over"), "{message}");
}

#[test]
fn one_process_at_a_time() {
    let scratch = Scratch::new("lock");
    assert!(!is_running(&scratch.0));
    let run = RunDir::open(&scratch.0).unwrap();
    assert!(is_running(&scratch.0));
    let message = RunDir::open(&scratch.0).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("another process") && message.contains(&std::process::id().to_string()), "{message}");
    drop(run);
    assert!(!is_running(&scratch.0));
    RunDir::open(&scratch.0).unwrap();
}
