//! Event files for TensorBoard in a run's folder, a TensorBoard run a learner, so that their curves lie over each other.
//!
//! What they say follows from the recorded events alone, times included, so they can be made of any run afterwards; only pictures of masks
//! come from learners as they train. A run that goes on begins a new file with what its checkpoint knows of the old one, which is emptied:
//! cut back in place, a file would mislead a TensorBoard that watches it; the start of a session in the new one makes it forget.

mod masks;
mod record;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use sparring_core::Event;
use sparring_core::events::{Evaluation, LayerChange, LearnerInfo, Score, TopologyReport};
use sparring_core::train::session::inspection::LayerView;

use crate::console::Console;
use crate::rundir;
use record::Values;

/// The event files of a run.
pub struct Board {
    folder: PathBuf,
    curves: Curves,
    /// By learner, once the run has said who they are.
    files: Vec<EventFile>,
}

impl Board {
    /// Of a run that begins.
    pub fn new(run: &Path) -> Result<Self> {
        Ok(Self { folder: run.join(rundir::TENSORBOARD), curves: Curves::of(run)?, files: Vec::new() })
    }

    /// Of a run that goes on after these events, with as many bytes of each learner's file as its checkpoint knows. Where it knows of none,
    /// or they are not there, they are made of the events.
    pub fn go_on(run: &Path, events: &[Event], lengths: &[u64]) -> Result<Self> {
        let mut board = Self::new(run)?;
        board.write(events, lengths)?;
        Ok(board)
    }

    fn write(&mut self, events: &[Event], lengths: &[u64]) -> Result<()> {
        let mut made: Vec<Vec<u8>> = Vec::new();
        for (learner, bytes) in events.iter().flat_map(|event| self.curves.records(event)) {
            made.resize(made.len().max(learner + 1), Vec::new());
            made[learner].extend(bytes);
        }
        for (learner, made) in made.into_iter().enumerate() {
            let kept = lengths.get(learner).and_then(|length| first_bytes(&self.place(learner), *length));
            self.begin(learner, &kept.unwrap_or(made))?;
        }
        Ok(())
    }

    /// Begins the file of the next learner.
    fn begin(&mut self, learner: usize, bytes: &[u8]) -> Result<()> {
        self.files.push(EventFile::create(&self.place(learner), self.curves.began as u64, bytes)?);
        Ok(())
    }

    /// Takes in an event.
    pub fn event(&mut self, event: &Event) -> Result<()> {
        for (learner, bytes) in self.curves.records(event) {
            if learner == self.files.len() {
                self.begin(learner, &[])?;
            }
            self.append(learner, &bytes)?;
        }
        Ok(())
    }

    /// Takes in the masks of a learner, layer by layer, as they are now.
    pub fn masks(&mut self, learner: usize, layers: &[LayerView]) -> Result<()> {
        let Some(curve) = self.curves.learners.get(learner) else { return Ok(()) };
        let mut values = Values::default();
        for (name, layer) in curve.layers.iter().zip(layers) {
            values.picture(&format!("mask/{name}"), &masks::draw(layer)?, masks::LEGEND);
        }
        self.append(learner, &values.record(curve.time, curve.step))
    }

    /// Makes the files last; gives how many bytes they have, by learner.
    pub fn sync(&self) -> Result<Vec<u64>> {
        let synced = |file: &EventFile| file.file.sync_data().map(|()| file.length);
        self.files.iter().map(synced).collect::<std::io::Result<_>>().with_context(|| format!("writing into {}", self.folder.display()))
    }

    fn place(&self, learner: usize) -> PathBuf {
        self.folder.join(self.curves.learners.get(learner).map_or("", |curve| &curve.folder))
    }

    fn append(&mut self, learner: usize, bytes: &[u8]) -> Result<()> {
        let Some(EventFile { file, length }) = self.files.get_mut(learner) else { return Ok(()) };
        *length += bytes.len() as u64;
        file.write_all(bytes).with_context(|| format!("writing into {}", self.folder.display()))
    }
}

/// Writes the event files of a run into a folder, from what it has recorded; says by how many learners.
pub fn export(run: &Path, folder: &Path) -> Result<usize> {
    let mut board = Board { folder: folder.to_owned(), ..Board::new(run)? };
    board.write(&rundir::events(run)?, &[])?;
    Ok(board.files.len())
}

/// A run that was finished without event files gets them.
pub fn complete(console: Console, run: &Path) -> Result<()> {
    let folder = run.join(rundir::TENSORBOARD);
    if !folder.exists() {
        export(run, &folder)?;
        console.say(format_args!("note      {} is made of what the run has recorded, without pictures of masks", folder.display()));
    }
    Ok(())
}

/// A learner's file. It is written to directly: whoever watches sees each record at once.
struct EventFile {
    file: File,
    length: u64,
}

impl EventFile {
    /// A file with these bytes takes the place of those that a learner's folder has. They are numbered in the order in which TensorBoard
    /// reads them, from the second on in which the run began.
    fn create(folder: &Path, first: u64, bytes: &[u8]) -> Result<Self> {
        let mut old = files(folder);
        let next = old.last().and_then(|last| number(last)).map_or(first, |last| last + 1);
        let path = folder.join(format!("events.out.tfevents.{next:010}.sparring"));
        rundir::write(&path, bytes)?;
        // One of TensorBoard's readers comes to the next file only by way of the one it was in: that is emptied, not removed. Where neither
        // can be done, as with a file that Windows holds open, what it says counts no more.
        let _ = old.pop().map(File::create);
        for file in old {
            let _ = fs::remove_file(file);
        }
        let file = OpenOptions::new().append(true).open(&path).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { file, length: bytes.len() as u64 })
    }
}

/// The event files of this program in a learner's folder, the latest last.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| number(path).is_some()).collect();
    files.sort_by_key(|path| number(path));
    files
}

fn number(file: &Path) -> Option<u64> {
    file.file_name()?.to_str()?.strip_prefix("events.out.tfevents.")?.strip_suffix(".sparring")?.parse().ok()
}

/// The first bytes of a folder's latest event file, if they are whole records.
fn first_bytes(folder: &Path, length: u64) -> Option<Vec<u8>> {
    let mut bytes = fs::read(files(folder).last()?).ok()?;
    bytes.truncate(usize::try_from(length).ok()?);
    (bytes.len() as u64 == length && record::are_whole(&bytes)).then_some(bytes)
}

/// What events say, learner by learner, as records.
struct Curves {
    /// Seconds since 1970.
    began: f64,
    /// `config.toml`.
    config: String,
    learners: Vec<Curve>,
}

/// Where a learner is.
struct Curve {
    /// Its folder's name.
    folder: String,
    layers: Vec<String>,
    density: f64,
    /// Training steps done.
    step: u64,
    /// Seconds of training, as last reported.
    seconds: f64,
    /// Of its latest record; the next one is not earlier.
    time: f64,
}

impl Curves {
    /// A run begins when its configuration is written.
    fn of(run: &Path) -> Result<Self> {
        let file = run.join(rundir::CONFIG);
        let reading = || format!("reading {}", file.display());
        let config = fs::read_to_string(&file).with_context(reading)?;
        let began = fs::metadata(&file).and_then(|meta| meta.modified()).with_context(reading)?;
        let began = began.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Ok(Self { began, config, learners: Vec::new() })
    }

    /// The records of an event, each with its learner.
    fn records(&mut self, event: &Event) -> Vec<(usize, Vec<u8>)> {
        let mut values = Values::default();
        let learner = match event {
            Event::Started { learners, .. } => return self.begin(learners),
            Event::Progress { learner, epoch, step, steps, loss, accuracy, ms_per_step } => {
                let Some(curve) = self.learners.get_mut(*learner) else { return Vec::new() };
                let before = curve.step;
                curve.step = u64::from(*epoch) * *steps as u64 + *step as u64;
                curve.seconds += curve.step.saturating_sub(before) as f64 * ms_per_step / 1000.0;
                values.scalar("training/loss", *loss);
                values.scalar("training/accuracy", *accuracy);
                if *ms_per_step > 0.0 {
                    values.scalar("training/ms_per_step", *ms_per_step);
                }
                *learner
            }
            Event::EpochEnd { learner, epoch, lr, scores, flops, seconds, .. } => {
                let Some(curve) = self.learners.get_mut(*learner) else { return Vec::new() };
                curve.seconds = *seconds;
                for (name, score) in named(scores) {
                    values.scalar(&format!("accuracy/{name}"), score.accuracy);
                    values.scalar(&format!("loss/{name}"), score.loss);
                }
                values.scalar("training/epoch", f64::from(*epoch));
                values.scalar("training/lr", f64::from(*lr));
                values.scalar("training/flops", *flops);
                values.scalar("training/seconds", *seconds);
                values.scalar("topology/density", curve.density);
                *learner
            }
            Event::TopologyChanged { learner, death_rate, layers, .. } => {
                let sum = |of: fn(&LayerChange) -> usize| layers.iter().map(of).sum::<usize>() as f64;
                values.scalar("topology/death_rate", *death_rate);
                values.scalar("topology/pruned", sum(|layer| layer.pruned));
                values.scalar("topology/grown", sum(|layer| layer.grown));
                *learner
            }
            Event::Topology { learner, report, .. } => {
                let Some(curve) = self.learners.get_mut(*learner) else { return Vec::new() };
                curve.density = report.density;
                add_topology(&mut values, report);
                *learner
            }
            Event::LearnerFailed { learner, reason } => {
                values.text("failed", reason);
                *learner
            }
            Event::Changed { .. } | Event::SamplesScored { .. } | Event::Warning { .. } | Event::Finished { .. } => return Vec::new(),
        };
        let Some(curve) = self.learners.get_mut(learner) else { return Vec::new() };
        curve.time = curve.time.max(self.began + curve.seconds);
        vec![(learner, values.record(curve.time, curve.step))]
    }

    /// What every file begins with.
    fn begin(&mut self, learners: &[LearnerInfo]) -> Vec<(usize, Vec<u8>)> {
        let curve = |info: &LearnerInfo| Curve {
            folder: rundir::file_name(&info.name),
            layers: info.layers.iter().map(|layer| layer.name.clone()).collect(),
            density: info.density,
            step: 0,
            seconds: 0.0,
            time: self.began,
        };
        self.learners = learners.iter().map(curve).collect();
        let first = |info: &LearnerInfo| {
            let mut values = Values::default();
            values.text("config", &format!("```toml\n{}\n```", self.config.trim_end()));
            values.scalar("topology/density", info.density);
            [record::opening(self.began), values.record(self.began, 0)].concat()
        };
        learners.iter().map(first).enumerate().collect()
    }
}

/// The scores of an evaluation, by the names that JSON has for them.
fn named(scores: &Evaluation) -> Vec<(String, &Score)> {
    let Evaluation { train, validation, test, test_easy, test_hard, by_hardness } = scores;
    let mut all = vec![("train".to_owned(), train), ("validation".to_owned(), validation), ("test".to_owned(), test)];
    let mut add = |name: &str, score: Option<_>| all.extend(score.map(|score| (name.to_owned(), score)));
    add("test_easy", test_easy.as_ref());
    add("test_hard", test_hard.as_ref());
    add("corrupted", by_hardness.corrupted.as_ref());
    if let Some(robust) = &by_hardness.robust {
        add("robust_train", Some(&robust.train));
        add("robust_clean_train", robust.clean_train.as_ref());
        add("robust_validation", Some(&robust.validation));
        add("robust_test", Some(&robust.test));
    }
    all.extend(by_hardness.bins.iter().enumerate().map(|(i, score)| (format!("bin_{}", i + 1), score)));
    all
}

fn add_topology(values: &mut Values, report: &TopologyReport) {
    values.scalar("topology/itop_rate", report.explored);
    values.scalar("topology/from_first", report.from_first);
    values.scalar("topology/from_previous", report.from_previous);
    values.scalar("topology/active_parameters", report.active_parameters as f64);
    for layer in &report.layers {
        values.scalar(&format!("density/{}", layer.name), layer.density);
        values.scalar(&format!("itop_rate/{}", layer.name), layer.explored);
    }
}
