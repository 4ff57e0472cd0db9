//! The data folder: one packed file a dataset, memory-mapped when read, and replaced whole when written.
//!
//! A file is written beside its place, synced, mapped, compared with its own checksum and only then renamed, under a lock:
//! whatever is interrupted leaves nothing half-written behind. Where nothing can be written, images are used all the same, from memory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use memmap2::Mmap;
use sparring_core::data::cifar100::Groups;
use sparring_core::data::packed::{self, Header, Origin};
use sparring_core::data::{Dataset, Whole};

use super::say;
use crate::output::try_folder;
use crate::places::data_folder;

/// The packed datasets of a folder.
pub struct Store {
    pub folder: PathBuf,
}

/// A dataset of the store.
#[derive(Debug)]
pub struct Stored {
    /// Its file.
    pub path: PathBuf,
    /// What the file says of itself.
    pub header: Header,
    /// The images, still in the file.
    pub dataset: Dataset,
}

impl Stored {
    fn read(path: &Path, mapped: &Path) -> Result<Self> {
        let (header, dataset) = packed::read(&path.display().to_string(), map(mapped)?)?;
        Ok(Self { path: path.to_owned(), header, dataset })
    }

    /// Compares labels and pixels with the file's own checksum.
    pub fn verify(&self) -> Result<()> {
        Ok(packed::verify(&self.path.display().to_string(), &self.header, &self.dataset)?)
    }
}

impl Store {
    /// The one of this machine's user.
    pub fn open() -> Result<Self> {
        Ok(Self { folder: data_folder()? })
    }

    /// Where the dataset of this name lies.
    pub fn packed(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.packed"))
    }

    /// The stored dataset of this name; `None` where there is none.
    pub fn load(&self, name: &str) -> Result<Option<Stored>> {
        let path = self.packed(name);
        if path.exists() { Stored::read(&path, &path).map(Some) } else { Ok(None) }
    }

    /// Only what a stored dataset says of itself.
    pub fn header(&self, name: &str) -> Result<Option<Header>> {
        let path = self.packed(name);
        if !path.exists() {
            return Ok(None);
        }
        let whole = map(&path)?;
        Ok(Some(packed::read_header(&path.display().to_string(), (*whole).as_ref())?.0))
    }

    /// Stores a dataset and returns it as it lies there, checked. Where that fails it is returned all the same, and said.
    pub fn save(&self, name: &str, dataset: &Dataset, groups: Option<&Groups>, origin: Origin) -> Result<Stored> {
        self.write(name, dataset, groups, &origin).or_else(|error| {
            say(format_args!("warning: not kept, so these images will be read again next time: {error:#}"));
            let mut packed = Vec::new();
            packed::write(dataset, groups, origin, &mut packed)?;
            let path = self.packed(name);
            let (header, dataset) = packed::read(&path.display().to_string(), Arc::new(packed))?;
            Ok(Stored { path, header, dataset })
        })
    }

    /// Whether anything can be stored.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<()> {
        try_folder(&self.folder).context("the data folder; SPARRING_DATA names another")
    }

    fn write(&self, name: &str, dataset: &Dataset, groups: Option<&Groups>, origin: &Origin) -> Result<Stored> {
        let path = self.packed(name);
        say(format_args!("storing {} in {}", megabytes((dataset.train.bytes.len() + dataset.test.bytes.len()) as u64), path.display()));
        write_atomic(
            &path,
            |out| packed::write(dataset, groups, origin.clone(), out),
            |partial| {
                let stored = Stored::read(&path, partial)?;
                stored.verify().map(|()| stored)
            },
        )
    }

    /// One fetch at a time in this folder; the lock goes with the process. None where nothing can be written: nothing will be.
    pub fn lock(&self) -> Option<File> {
        let unwritable = |error: &anyhow::Error| say(format_args!("warning: nothing can be kept in the data folder: {error:#}"));
        self.locked().inspect_err(unwritable).ok()
    }

    fn locked(&self) -> Result<File> {
        fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let path = self.folder.join(".lock");
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        if file.try_lock().is_err() {
            say(format_args!("another process is fetching into {}; waiting for it", self.folder.display()));
            file.lock().with_context(|| path.display().to_string())?;
        }
        Ok(file)
    }

    /// A folder for what is fetched; the system's, where this one cannot be written.
    pub fn temporary(&self) -> Result<Temporary> {
        Temporary::new(self.folder.join(".partial"))
            .or_else(|_| Temporary::new(std::env::temp_dir().join(format!("sparring-fetch-{}", std::process::id()))))
    }
}

/// Maps a file of the store.
fn map(path: &Path) -> Result<Whole> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    // SAFETY: the store's files are replaced by renaming and never written in place, so the mapped one does not change.
    let map = unsafe { Mmap::map(&file) }.with_context(|| format!("mapping {}", path.display()))?;
    Ok(Arc::new(map))
}

/// A folder that is gone when its owner is; one left behind by a killed process is emptied first.
pub struct Temporary(pub PathBuf);

impl Temporary {
    pub fn new(path: PathBuf) -> Result<Self> {
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

/// Writes beside the target, syncs, lets `check` look at it, renames. A failure leaves the old file, or none.
pub fn write_atomic<T>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    check: impl FnOnce(&Path) -> Result<T>,
) -> Result<T> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let written = File::create(&partial).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()
    });
    let checked = written.map_err(anyhow::Error::from).and_then(|()| check(&partial));
    checked.and_then(|value| fs::rename(&partial, path).map(|()| value).map_err(anyhow::Error::from)).map_err(|e| {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
        e.context(path.display().to_string())
    })
}

/// Reads a regular file of at most so many bytes.
pub fn read_file(path: &Path, most: u64) -> Result<Vec<u8>> {
    let meta = fs::metadata(path).with_context(|| path.display().to_string())?;
    if !meta.is_file() || meta.len() > most {
        let found = if meta.is_file() { megabytes(meta.len()) } else { "something else".into() };
        bail!("{}: expected a file of at most {}, found {found}", path.display(), megabytes(most));
    }
    fs::read(path).map_err(|e| anyhow!(e).context(path.display().to_string()))
}

pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
