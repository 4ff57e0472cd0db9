//! Where results go: a file is replaced whole, anything else is written through, and nothing that a command reads is overwritten.
//!
//! Without this a result sent to `/dev/null` or a pipe would take its place, and hours of work would end at a folder that cannot be
//! written; so places are compared with the inputs, and tried, before the work begins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::args::Usage;
use crate::console::Console;
use crate::places::data_folder;
use crate::stdout;

/// The name of standard output, where one stream is written, and of standard input.
pub const DASH: &str = "-";
/// Links followed at most.
const MAX_LINKS: usize = 40;

/// What stands where an output is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The program's standard output.
    Stdout,
    /// Its standard error.
    Stderr,
    /// Something that is no regular file: a device, a pipe.
    Through(PathBuf),
    /// A regular file, or none yet; links are followed.
    File(PathBuf),
}

impl Place {
    fn of(path: &Path) -> Result<Self> {
        if path == Path::new(DASH) {
            return Ok(Self::Stdout);
        }
        let mut at = path.to_owned();
        if path.as_os_str().to_string_lossy().ends_with(std::path::is_separator) {
            bail!("the output {} names a folder; name a file in it", path.display());
        }
        for _ in 0..MAX_LINKS {
            if let Some(stream) = Self::stream(&at) {
                return Ok(stream);
            }
            let kind = match fs::symlink_metadata(&at) {
                Ok(meta) => meta.file_type(),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::File(at)),
                Err(e) => return Err(e).with_context(|| format!("the output {}", path.display())),
            };
            if kind.is_symlink() {
                let target = fs::read_link(&at).with_context(|| format!("the link {}", at.display()))?;
                at = at.parent().unwrap_or(Path::new("")).join(target);
            } else if kind.is_dir() {
                bail!(Usage(format!("the output {} is a folder; name a file in it", path.display())));
            } else if kind.is_file() {
                return Ok(Self::File(at));
            } else {
                return Ok(Self::Through(at));
            }
        }
        bail!("the output {} is a link that leads in a circle", path.display())
    }

    /// The process's own streams by their names in the file system. Opened anew, one that is a file would be written from its beginning.
    fn stream(path: &Path) -> Option<Self> {
        let number = match path.to_str()? {
            "/dev/stdout" => "1",
            "/dev/stderr" => "2",
            text => ["/dev/fd/", "/proc/self/fd/"].iter().find_map(|folder| text.strip_prefix(folder))?,
        };
        Some(match number {
            "1" => Self::Stdout,
            "2" => Self::Stderr,
            _ => Self::Through(path.to_owned()),
        })
    }

    /// The file's place in the file system, whether or not it is there yet; `None` for what is no file.
    fn whole(&self) -> Option<PathBuf> {
        let Self::File(path) = self else { return None };
        if let Ok(whole) = path.canonicalize() {
            return Some(whole);
        }
        Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?))
    }
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a result. A regular file is written beside its place, synced and renamed, so that it is never half there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let writing = || format!("writing {}", path.display());
    let through = |stream: &mut dyn Write| stream.write_all(bytes).and_then(|()| stream.flush()).with_context(writing);
    match Place::of(path)? {
        Place::Stdout => {
            stdout::write(bytes);
            Ok(())
        }
        Place::Stderr => through(&mut io::stderr().lock()),
        Place::Through(place) => through(&mut OpenOptions::new().append(true).open(place).with_context(writing)?),
        Place::File(place) => replace(&place, bytes).with_context(writing),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    // The longest names that file systems take leave no room for more.
    let name: String = path.file_name().map(|n| n.to_string_lossy().chars().take(50).collect()).unwrap_or_default();
    replace_by(path, &format!(".{name}.partial"), |file| Ok(file.write_all(bytes)?))
}

/// Writes a regular file as it comes, beside its place, and then renames it. Several processes, also of several machines that share a file
/// system, may do so at once: one of their files is there at the end, and whole.
pub fn write_shared(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    use std::hash::{BuildHasher, RandomState};
    let name: String = path.file_name().map(|n| n.to_string_lossy().chars().take(50).collect()).unwrap_or_default();
    // Every process has keys of its own.
    let own = RandomState::new().hash_one(std::process::id());
    let buffered = |file: &mut File| {
        let mut file = io::BufWriter::new(file);
        fill(&mut file)?;
        Ok(file.flush()?)
    };
    replace_by(path, &format!(".{name}.{own:x}.partial"), buffered).with_context(|| format!("writing {}", path.display()))
}

fn replace_by(path: &Path, partial: &str, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let (folder, partial) = (folder_of(path), path.with_file_name(partial));
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let kept = kept(path)?;
    let write = || -> Result<()> {
        let mut file = File::create(&partial)?;
        // Who may read what stood there may read what takes its place, and nobody else.
        if let Some(kept) = kept {
            file.set_permissions(kept)?;
        }
        fill(&mut file)?;
        file.sync_all()?;
        Ok(fs::rename(&partial, path)?)
    };
    let result: Result<()> = write();
    if result.is_err() {
        let _ = fs::remove_file(&partial);
    }
    result?;
    // Makes the rename last. Not every system can open a folder; there it is as lasting as the system makes it.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// The permissions of what stands at a place, if anything does.
///
/// # Errors
/// Where it is not to be written: its owner said so.
fn kept(path: &Path) -> Result<Option<fs::Permissions>> {
    match fs::metadata(path) {
        Ok(there) if there.permissions().readonly() => bail!("the file {} is read-only; name another file, or remove it", path.display()),
        Ok(there) => Ok(Some(there.permissions())),
        Err(_) => Ok(None),
    }
}

/// Whether a result sent there becomes a file, beside which others can lie.
///
/// # Errors
/// Where nothing can be written there.
pub fn is_file(path: &Path) -> Result<bool> {
    Ok(matches!(Place::of(path)?, Place::File(_)))
}

/// Those of a folder and the folders it lies in that are not there, the innermost first.
pub fn missing(folder: &Path) -> Vec<PathBuf> {
    folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !f.exists()).map(Path::to_owned).collect()
}

/// Files that are of use only together: at the end all of them come into their folder, before that none.
pub struct Together {
    folder: PathBuf,
    /// Where they wait, within the folder, so that they can be renamed.
    waiting: PathBuf,
    names: Vec<String>,
    /// Folders that were made for them.
    made: Vec<PathBuf>,
}

impl Together {
    /// # Errors
    /// Where nothing can be written there.
    pub fn new(folder: &Path) -> Result<Self> {
        let waiting = folder.join(".sparring.partial");
        let making = || format!("making the folder {}", waiting.display());
        // What a process that was killed has left.
        if waiting.exists() {
            fs::remove_dir_all(&waiting).with_context(making)?;
        }
        let made = missing(folder);
        fs::create_dir_all(&waiting).with_context(making)?;
        Ok(Self { folder: folder.to_owned(), waiting, names: Vec::new(), made })
    }

    /// Writes one, to wait.
    pub fn write(&mut self, name: String, bytes: &[u8]) -> Result<()> {
        let written = File::create(self.waiting.join(&name)).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.with_context(|| format!("writing {}", self.folder.join(&name).display()))?;
        self.names.push(name);
        Ok(())
    }

    /// Brings them to their places, in the order they were written.
    pub fn finish(self) -> Result<()> {
        for name in &self.names {
            let (from, to) = (self.waiting.join(name), self.folder.join(name));
            let writing = || format!("writing {}", to.display());
            match Place::of(&to)? {
                Place::File(place) if place == to => {
                    let permissions = kept(&to)?.map_or(Ok(()), |kept| fs::set_permissions(&from, kept));
                    permissions.and_then(|()| fs::rename(&from, &to)).with_context(writing)?;
                }
                // A link or a device.
                _ => write(&to, &fs::read(&from).with_context(writing)?)?,
            }
        }
        Ok(())
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.waiting);
        for made in &self.made {
            // One that holds something by now stays.
            let _ = fs::remove_dir(made);
        }
    }
}

/// Whether files can be made in a folder, which need not be there yet. Nothing is left behind.
///
/// # Errors
/// Why not.
pub fn try_folder(folder: &Path) -> Result<()> {
    let missing = missing(folder);
    let probe = folder.join(format!(".sparring-{}.partial", std::process::id()));
    let tried = fs::create_dir_all(folder).and_then(|()| File::create(&probe)).and_then(|file| file.sync_all());
    let _ = fs::remove_file(&probe);
    for made in missing {
        // One that another process filled meanwhile stays.
        let _ = fs::remove_dir(made);
    }
    tried.with_context(|| format!("nothing can be written into the folder {}", folder.display()))
}

/// Endings of pictures.
const PICTURES: &[&str] = &["png", "jpg", "jpeg"];
/// Endings of what the data folder keeps.
const STORED: &[&str] = &["packed", "safetensors", "gz", "tgz", "tar", "zip", "npz"];

/// Which files of a folder are read.
#[derive(Clone, Copy)]
enum Read {
    /// Those that are there, with these endings.
    Ending(&'static [&'static str]),
    /// All that are there.
    All,
    /// MNIST's files and pictures, of which a new one would be read the next time.
    Images,
}

impl Read {
    fn has(self, whole: &Path) -> bool {
        let ending = whole.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        match self {
            Self::Ending(endings) => whole.exists() && endings.contains(&ending.as_str()),
            Self::All => whole.exists(),
            Self::Images => {
                let idx = whole.file_name().is_some_and(|name| name.to_string_lossy().contains("-ubyte"));
                PICTURES.contains(&ending.as_str()) || idx && whole.exists()
            }
        }
    }
}

/// What a command reads and writes, by the flags that name it.
pub struct Outputs<'a> {
    json: bool,
    inputs: Vec<(&'static str, &'a Path)>,
    folders: Vec<(&'static str, PathBuf, Read)>,
    outputs: Vec<(&'static str, PathBuf)>,
}

impl<'a> Outputs<'a> {
    /// `json`: the result goes to standard output as JSON.
    pub fn new(json: bool) -> Self {
        // Every command may read what it keeps.
        let store = data_folder().ok().map(|folder| ("the data folder", folder, Read::Ending(STORED)));
        Self { json, inputs: Vec::new(), folders: store.into_iter().collect(), outputs: Vec::new() }
    }
    /// A file that is read.
    pub fn input(mut self, flag: &'static str, path: Option<&'a Path>) -> Self {
        self.inputs.extend(path.map(|path| (flag, path)));
        self
    }
    /// A folder from which files with these endings are read.
    pub fn folder(mut self, flag: &'static str, path: Option<&'a Path>, endings: &'static [&'static str]) -> Self {
        self.folders.extend(path.map(|path| (flag, path.to_owned(), Read::Ending(endings))));
        self
    }
    /// The folder of a dataset of one's own.
    pub fn images(mut self, folder: &str) -> Self {
        self.folders.extend(Some(folder).filter(|folder| !folder.is_empty()).map(|folder| ("--folder", folder.into(), Read::Images)));
        self
    }
    /// A checkpoint; where it lies in the folder of its run, what else lies there describes it.
    pub fn checkpoint(mut self, path: &'a Path, run: Option<&Path>) -> Self {
        self.folders.extend(run.map(|folder| ("the run of --checkpoint", folder.to_owned(), Read::All)));
        self.input("--checkpoint", Some(path))
    }
    /// A file that is written.
    pub fn output(mut self, flag: &'static str, path: Option<&Path>) -> Self {
        self.outputs.extend(path.map(|path| (flag, path.to_owned())));
        self
    }
    /// A file that is written beside others, and so cannot be standard output.
    ///
    /// # Errors
    /// `Usage` where it is.
    pub fn file(self, flag: &'static str, path: Option<&Path>) -> Result<Self> {
        if path == Some(Path::new(DASH)) {
            return Err(Usage(format!("{flag} -: more than one stream is written, and standard output is one; name a file")).into());
        }
        Ok(self.output(flag, path))
    }

    /// Compares and tries all of it; gives the console, which leaves standard output to an output that is `-`.
    ///
    /// # Errors
    /// `Usage` where an output is an input, or two outputs are one; why a place cannot be written.
    pub fn check(self) -> Result<Console> {
        let mut places: Vec<(&str, Place)> = Vec::new();
        for (flag, path) in &self.outputs {
            let place = Place::of(path)?;
            if let Place::File(file) = &place {
                self.compare(flag, path, &place)?;
                kept(file).with_context(|| (*flag).to_owned())?;
                try_folder(folder_of(file)).with_context(|| format!("{flag} {}", path.display()))?;
            }
            let same = |other: &Place| match (place.whole(), other.whole()) {
                (Some(a), Some(b)) => a == b,
                _ => place == Place::Stdout && *other == Place::Stdout,
            };
            if let Some((other, _)) = places.iter().find(|(_, other)| same(other)) {
                return Err(
                    Usage(format!("{other} and {flag} are the same place, {}: one would overwrite the other", path.display())).into()
                );
            }
            places.push((flag, place));
        }
        let taken = places.iter().find(|(_, place)| *place == Place::Stdout).map(|(flag, _)| *flag);
        match taken {
            Some(flag) if self.json => {
                Err(Usage(format!("{flag} and --json would both write to standard output; name a file for one")).into())
            }
            Some(_) => Ok(Console::beside()),
            None => Ok(Console::new(self.json)),
        }
    }

    fn compare(&self, flag: &str, path: &Path, place: &Place) -> Result<()> {
        let Some(whole) = place.whole() else { return Ok(()) };
        let refuse = |input: &str, what: &Path| {
            let harm = if whole.exists() { "it would be overwritten" } else { "it would be read as one the next time" };
            Err(anyhow!(Usage(format!("{flag} {} is an input, {input} {}: {harm}; name another file", path.display(), what.display()))))
        };
        for (input, what) in &self.inputs {
            if what.canonicalize().is_ok_and(|what| what == whole) {
                return refuse(input, what);
            }
        }
        for (input, what, read) in &self.folders {
            if what.canonicalize().is_ok_and(|what| whole.starts_with(what)) && read.has(&whole) {
                return refuse(input, what);
            }
        }
        Ok(())
    }
}

/// Whether an output that is a folder was named as standard output.
///
/// # Errors
/// `Usage` where it was.
pub fn no_stream(flag: &str, path: Option<&Path>) -> Result<()> {
    if path == Some(Path::new(DASH)) {
        return Err(
            Usage(format!("{flag} - is standard output, and several files are written: name a folder (./- for one of that name)")).into()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
