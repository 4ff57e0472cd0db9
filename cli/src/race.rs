//! `race` and `train`: a session's events to the terminal and into a run folder, from the beginning or from a checkpoint.

mod parents;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sparring_core::config::{Allocation, LearnerConfig, Method};
use sparring_core::data::Dataset;
use sparring_core::data::limit::Limited;
use sparring_core::formats::StateDict;
use sparring_core::formats::{self, safetensors};
use sparring_core::hardness::Scores;
use sparring_core::record::{History, Track};
use sparring_core::train::checkpoint::Checkpoint;
use sparring_core::train::parent::Parents;
use sparring_core::train::session::Best;
use sparring_core::{Device, DeviceInfo, Event, ExperimentConfig, Session};
use sparring_figures::number;

use crate::args::{ExperimentArgs, Usage, as_asked, validate};
use crate::config_file::read_config;
use crate::console::{Console, Live, Outlook, Stopped, describe, open_device, stop_on_interrupt, stopping};
use crate::output::{no_stream, try_folder};
use crate::rundir::{self, Found, Note, RunDir};
use crate::tensorboard::{self, Board};
use crate::{clock, cost, report, source};
use crate::{kernels, results};

/// Flags of `race` and `train`.
#[derive(Clone, clap::Args)]
pub struct RaceArgs {
    #[command(flatten)]
    pub experiment: ExperimentArgs,
    /// Folder of the run; the same command goes on with a run that was stopped [default: runs/MODEL-METHODS-HASH]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Start over: replaces a finished or stopped run in the folder
    #[arg(long)]
    pub again: bool,
    /// Time the kernels before a new run on a software GPU too, and train with the fastest, as on a hardware GPU
    #[arg(long)]
    pub tune: bool,
    /// Write a checkpoint every K epochs (0: only when stopped)
    #[arg(long, value_name = "K", default_value_t = 1)]
    checkpoint_every: u32,
    /// Also write event files for TensorBoard, a TensorBoard run a learner, into the folder's `tensorboard`
    #[arg(long)]
    pub tensorboard: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

impl RaceArgs {
    /// Those of a run that another command asks for.
    pub fn of(checkpoint_every: u32) -> Self {
        let experiment = ExperimentArgs::default();
        Self { experiment, out: None, again: false, tune: false, checkpoint_every, tensorboard: false, json: false }
    }
}

/// Flags of `train`.
#[derive(clap::Args)]
pub struct TrainArgs {
    #[command(flatten)]
    race: RaceArgs,
    /// The method of the one learner, short for --learners METHOD@DENSITY
    #[arg(long, value_name = "NAME", conflicts_with = "learners")]
    method: Option<String>,
    /// Its density, the share of weights that exist
    #[arg(long, value_name = "D", conflicts_with = "learners")]
    density: Option<String>,
}

/// One learner, without a control unless one is asked for.
pub fn train(args: &TrainArgs) -> Result<()> {
    let learner = LearnerConfig::new(Method::Set, 0.2);
    let mut config = args.race.experiment.resolve(ExperimentConfig { learners: vec![learner], control: false, ..Default::default() })?;
    if args.method.is_some() || args.density.is_some() {
        let method = args.method.as_deref().unwrap_or("set");
        let text = args.density.as_ref().map_or_else(|| method.to_owned(), |density| format!("{method}@{density}"));
        config.learners = vec![text.parse().map_err(|e: sparring_core::Error| Usage(e.to_string()))?];
    }
    if config.learners.len() != 1 {
        return Err(Usage(format!("train takes one learner, found {}; race takes several", config.learners.len())).into());
    }
    run(&args.race, config)
}

/// What differs from the defaults, in words.
pub fn settings(config: &ExperimentConfig) -> Result<String> {
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let all: Vec<String> = config.non_defaults()?.into_iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    Ok(if all.is_empty() { "all at their defaults".into() } else { all.join(" ") })
}

/// One run in its folder.
pub fn run(args: &RaceArgs, mut config: ExperimentConfig) -> Result<()> {
    validate(&config)?;
    let console = Console::new(args.json);
    console.say(format_args!("settings  {}", settings(&config)?));
    let Some(mut path) = choose_place(console, args, &config)? else { return Ok(()) };
    stop_on_interrupt()?;
    let asked = config.dataset;
    let dataset = source::images(console, &mut config)?;
    if config.dataset != asked {
        match choose_place(console, args, &config)? {
            Some(other) => path = other,
            None => return Ok(()),
        }
    }
    source::tell_limit(console, &config, &dataset)?;
    if args.again || !path.join(rundir::CHECKPOINT).exists() {
        cost::tell(console, &[&config], &dataset, "");
    }
    let scores = source::scores(console, &config, &dataset, None)?.map(Arc::new);
    perform(console, args, config, &path, (dataset, scores), Role::Main)
}

/// The images of a run, and their hardness scores.
pub type Samples = (Arc<Dataset>, Option<Arc<Scores>>);

/// What a run is to the command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Its result is what was asked for.
    Main,
    /// The dense parent of the run that was asked for.
    Parent,
    /// One of a series.
    Member(Outlook),
}

/// A run in its folder, once its samples are at hand.
pub fn perform(console: Console, args: &RaceArgs, config: ExperimentConfig, path: &Path, samples: Samples, role: Role) -> Result<()> {
    let resumes = !args.again && path.join(rundir::CHECKPOINT).exists();
    let parents = if resumes { Parents::new() } else { parents::find(console, args, &config, path, &samples)? };
    let mut device = open_device(console, config.device)?;
    kernels::recall(&mut device);
    if args.tune {
        device.want_tuning();
        if matches!(device, Device::Cpu(_)) {
            console.say("note      --tune has nothing to time on the CPU");
        } else if resumes {
            console.say("note      a run that goes on keeps its kernels; --tune times those of a new one");
        }
    }
    let run = RunDir::open(path)?;
    // Another process may have finished it since it was looked at.
    if let Found::Finished(summary) = rundir::find(path, &config, args.again)? {
        return skip(console, args, path, summary);
    }
    if !resumes && config.learners.iter().any(|l| l.recipe().allocation == Allocation::Grasp) {
        console
            .say("planning  GraSP scores connections in double precision on the CPU: seconds for a small network, minutes for a large one");
    }
    let mut race = pollster::block_on(Running::open(console, args, config, samples, &parents, device, run))?;
    if let Role::Member(outlook) = role {
        race.live.expect(outlook);
    }
    let result = pollster::block_on(race.run());
    race.live.close();
    result.context("training")?;
    race.conclude(path, role == Role::Main)
}

/// The run's folder; `None` where it holds the finished run already, whose results are then said.
fn choose_place(console: Console, args: &RaceArgs, config: &ExperimentConfig) -> Result<Option<PathBuf>> {
    no_stream("--out", args.out.as_deref())?;
    let path = rundir::path(args.out.as_deref(), config)?;
    if let Found::Finished(summary) = rundir::find(&path, config, args.again)? {
        skip(console, args, &path, summary)?;
        return Ok(None);
    }
    keep_inputs(args, config, &path)?;
    try_folder(&path)?;
    console.say(format_args!("output    {}", path.display()));
    Ok(Some(path))
}

/// A run that starts over removes what its folder has of the last one: not what it is to start from.
fn keep_inputs(args: &RaceArgs, config: &ExperimentConfig, path: &Path) -> Result<()> {
    let Ok(folder) = path.canonicalize() else { return Ok(()) };
    let within = |file: &Path| file.canonicalize().is_ok_and(|file| file.starts_with(&folder));
    let same = |file: &Path| read_config(file).and_then(|c| Ok(c.canonical_json()? == config.canonical_json()?)).unwrap_or(false);
    let own = args.experiment.config.as_deref().filter(|file| within(file) && !same(file));
    let inputs = [("--parent", Some(Path::new(&config.parent))), ("--scores", Some(Path::new(&config.scores))), ("--config", own)];
    match inputs.into_iter().find(|(_, file)| file.is_some_and(|file| !file.as_os_str().is_empty() && within(file))) {
        Some((flag, Some(file))) => Err(Usage(format!(
            "{flag} {} lies in the run's folder {}, which this run would write over; copy it elsewhere, or choose another --out",
            file.display(),
            path.display()
        ))
        .into()),
        _ => Ok(()),
    }
}

/// Says the results of a run that is finished already.
fn skip(console: Console, args: &RaceArgs, path: &Path, mut summary: Value) -> Result<()> {
    let date = summary["date"].as_str().unwrap_or("an unknown date").to_owned();
    let state = if results::all_failed(&summary) {
        "failed    every learner of this configuration failed"
    } else {
        "finished  this configuration was run to its end"
    };
    console.say(format_args!("{state} on {date}; --again runs it again"));
    if args.tensorboard {
        tensorboard::complete(console, path)?;
    }
    say_results(console, &mut summary, path, true);
    if results::all_failed(&summary) {
        bail!(every_learner_failed(path));
    }
    Ok(())
}

fn every_learner_failed(path: &Path) -> String {
    format!("every learner failed; the reasons are above and in {}", path.display())
}

/// The table, failures, the verdict; the JSON where it was asked for; and, last, the path.
fn say_results(console: Console, summary: &mut Value, path: &Path, main: bool) {
    console.say("");
    console.table(&results::HEADER, &results::rows(summary));
    if let Some((header, rows)) = results::bins(summary) {
        console.tell("test accuracy by difficulty:");
        console.table(&header.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
    }
    if let Some((header, rows)) = results::corrupted_and_attacked(summary) {
        console.tell("test images as they are, and made hard:");
        console.table(&header, &rows);
    }
    if let Some((header, rows)) = results::best(summary) {
        console.tell("best epochs:");
        console.table(&header, &rows);
    }
    for learner in results::learners(summary) {
        if let (Some(name), Some(reason)) = (learner["name"].as_str(), learner["failed"].as_str()) {
            console.tell(format_args!("{name} failed: {reason}"));
        }
    }
    if let Some(verdict) = summary["summary"]["verdict"].as_str() {
        console.tell(verdict);
    }
    summary["run"] = json!(path);
    if main {
        console.result(summary);
    }
    console.tell(format_args!("took      {}", number::duration(summary["seconds"].as_f64().unwrap_or(0.0))));
    console.tell(format_args!("output    {}", path.display()));
}

/// A race under way.
struct Running {
    console: Console,
    config: ExperimentConfig,
    /// The images' normalisation, by name.
    normalization: String,
    device: DeviceInfo,
    session: Session,
    history: History,
    live: Live,
    run: RunDir,
    board: Option<Board>,
    every: u32,
    start: Instant,
    /// Seconds before this process.
    before: f64,
}

impl Running {
    /// From the checkpoint in the folder, else from the beginning.
    async fn open(
        console: Console,
        args: &RaceArgs,
        config: ExperimentConfig,
        (data, scores): Samples,
        parents: &Parents,
        device: Device,
        mut run: RunDir,
    ) -> Result<Self> {
        let start = Instant::now();
        let (normalization, info) = (config.dataset.normalization().to_string(), device.info());
        let mut live = Live::new(console);
        let saved = if args.again { None } else { run.checkpoint()? };
        let (session, history, board, before) = match saved {
            Some(bytes) => {
                let going_on = || format!("{}: --again starts over", run.path().join(rundir::CHECKPOINT).display());
                let checkpoint = Checkpoint::read(&bytes).with_context(going_on)?;
                let note: Note = serde_json::from_str(&checkpoint.record.note).with_context(going_on)?;
                let session = Session::resume(config.clone(), data, scores, device, &checkpoint).await.with_context(going_on)?;
                let events = run.go_on(&note)?;
                let mut history = History::of(&events);
                let wanted = args.tensorboard || run.path().join(rundir::TENSORBOARD).exists();
                let board = if wanted { Some(Board::go_on(run.path(), &events, &note.tensorboard)?) } else { None };
                console.say(format_args!("resumed   after epoch {} of {}", history.epochs_done(), config.epochs));
                live.event(&session.introduction());
                if !checkpoint.record.device.is(&info) {
                    let began = describe(&checkpoint.record.device);
                    let message = format!("the run began on {began}: on another device numbers repeat within rounding only");
                    let event = Event::Warning { message };
                    live.event(&event);
                    history.apply(&event);
                    run.event(&event)?;
                }
                (session, history, board, note.seconds)
            }
            None => {
                let session = Session::with_parents(config.clone(), data, scores, parents, device).await;
                let session = session.map_err(as_asked).context("planning")?;
                run.begin(&config)?;
                let board = if args.tensorboard { Some(Board::new(run.path())?) } else { None };
                (session, History::default(), board, 0.0)
            }
        };
        kernels::tell(console, session.device());
        kernels::keep(console, session.device());
        let (every, info) = (args.checkpoint_every, session.device().info());
        Ok(Self { console, config, normalization, device: info, session, history, live, run, board, every, start, before })
    }

    /// To the end, or until a signal; a checkpoint is written on the way and at a signal.
    async fn run(&mut self) -> Result<()> {
        let mut saved = self.history.epochs_done();
        while !self.session.finished() {
            if stopping() {
                return self.save().await;
            }
            for event in self.session.advance().await? {
                self.live.event(&event);
                self.history.apply(&event);
                self.run.event(&event)?;
                self.draw(&event).await?;
            }
            let done = self.history.epochs_done();
            if self.every > 0 && done >= saved.saturating_add(self.every) && !self.session.finished() {
                self.save().await?;
                saved = done;
            }
        }
        Ok(())
    }

    /// For TensorBoard; at the end of an epoch with the masks as they are now.
    async fn draw(&mut self, event: &Event) -> Result<()> {
        let Some(board) = &mut self.board else { return Ok(()) };
        board.event(event)?;
        if let Event::Topology { learner, report, .. } = event {
            let mut layers = Vec::new();
            for layer in 0..report.layers.len() {
                layers.push(self.session.inside(*learner, layer).await?);
            }
            board.masks(*learner, &layers)?;
        }
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    async fn save(&mut self) -> Result<()> {
        let tensorboard = self.board.as_ref().map_or(Ok(Vec::new()), Board::sync)?;
        let note = Note { metrics: self.run.sync()?, tensorboard, seconds: self.seconds() };
        let bytes = self.session.checkpoint(&serde_json::to_string(&note)?).await?;
        self.history.summary = Some(self.session.summary());
        self.run.save(&bytes, &self.summary()?)
    }

    fn summary(&self) -> Result<Value> {
        let best = self.best().map(|(learner, by, best)| {
            let scores = &best.scores;
            json!({ "name": learner.info.name, "by": by, "epoch": best.epoch, "validation": scores.validation, "test": scores.test,
                "test_easy": scores.test_easy, "test_hard": scores.test_hard, "by_hardness": scores.by_hardness })
        });
        let best: Vec<Value> = best.collect();
        let mut summary = rundir::summary(&self.config, &self.history, &self.device, self.seconds(), !self.session.finished())?;
        summary["best"] = json!(best);
        summary["test_sample"] = source::sample(&Limited::test(self.session.dataset(), self.config.limit_test)?);
        Ok(summary)
    }

    /// Weights, report, summary; says the results. A stopped race is an error of its own kind.
    fn conclude(mut self, path: &Path, main: bool) -> Result<()> {
        let stopped = !self.session.finished();
        self.board.as_ref().map_or(Ok(Vec::new()), Board::sync)?;
        if stopped {
            self.history.summary = Some(self.session.summary());
        }
        let (mut last, mut best) = (Vec::new(), Vec::new());
        for (i, learner) in self.history.tracks.iter().enumerate() {
            let name = &learner.info.name;
            let state = pollster::block_on(self.session.state(i)).with_context(|| format!("reading the weights of {name}"))?;
            last.push(self.run.weights(name, "", &self.weights(learner, state, learner.epochs_done())?)?);
        }
        for (learner, by, kept) in self.best() {
            let suffix = if by == results::BEST_BY[0] { ".best" } else { ".best-robust" };
            best.push(self.run.weights(&learner.info.name, suffix, &self.weights(learner, kept.state.clone(), kept.epoch)?)?);
        }
        let mut summary = self.summary()?;
        (summary["weights"], summary["best_weights"]) = (json!(last), json!(best));
        let report = report::render(&self.config, &self.history, &summary);
        self.run.finish(&summary, &report)?;
        say_results(self.console, &mut summary, path, main);
        if stopped {
            let done = format!("stopped after epoch {} of {}", self.history.epochs_done(), self.config.epochs);
            bail!(Stopped(format!("{done}; the same command goes on from there")));
        }
        if self.history.tracks.iter().all(|l| l.failed.is_some()) {
            bail!(every_learner_failed(path));
        }
        Ok(())
    }

    /// The best states, each with its learner and what it is best by; one that is best by both comes twice.
    fn best(&self) -> impl Iterator<Item = (&Track, &'static str, &Best)> {
        let of = |(i, learner)| self.session.best_states(i).iter().map(move |best| (learner, best));
        self.history.tracks.iter().enumerate().flat_map(of).flat_map(|(learner, best)| {
            let by = results::BEST_BY.into_iter().zip([best.clean, best.robust]);
            by.filter_map(move |(by, is_best)| is_best.then_some((learner, by, best)))
        })
    }

    /// The bytes of a file of weights after `epochs` epochs.
    fn weights(&self, learner: &Track, mut state: StateDict, epochs: u32) -> Result<Vec<u8>> {
        let own = [
            (formats::FORMAT, formats::CHECKPOINT_FORMAT.to_owned()),
            (formats::NORMALIZATION, self.normalization.clone()),
            ("dataset", self.config.dataset.to_string()),
            ("learner", learner.info.learner.clone()),
            ("subset", learner.info.subset.clone()),
            ("epochs", epochs.to_string()),
            (formats::TRAINING_FLOPS, learner.flops_at(f64::from(epochs)).to_string()),
            ("config", self.config.canonical_json()?),
            ("config_hash", self.config.hash()?),
            ("commit", env!("SPARRING_COMMIT").to_owned()),
            ("device", describe(&self.device)),
            ("date", clock::now()),
        ];
        for (key, value) in own.into_iter().chain(self.config.architecture().metadata()) {
            state.metadata.insert(key.to_owned(), value);
        }
        Ok(safetensors::write(&state)?)
    }
}
