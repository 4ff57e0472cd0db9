//! The service worker of a built page: which files it keeps, and the version that they are.
//!
//! Without the list a page could not open offline; without a version that follows from the files' bytes a browser would keep an old page
//! for ever, or mix two.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::server;

/// In the built page; it does not keep itself.
pub const WORKER: &str = "sw.js";
/// The trainer keeps datasets in the browser's private files, chunk by chunk.
const DATA: &str = "data/";
/// Shown with links to the page, never by it.
const PICTURE: &str = "og.png";
/// What is larger is no part of the page itself.
const LARGEST: u64 = 8 << 20;

/// Writes version and files into the service worker of the page in `dist`.
pub fn write(dist: &Path) -> Result<()> {
    let path = dist.join(WORKER);
    let script = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let files = files(dist)?;
    let script =
        fill(&script, &version(dist, &files)?, &files).with_context(|| format!("{} has no place for its files", path.display()))?;
    std::fs::write(&path, script).with_context(|| format!("{} cannot be written", path.display()))
}

/// Relative paths with '/' of what the page consists of, in order; not the compressed copies, which are the same once more.
pub fn files(dist: &Path) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let here = dist.join(&folder);
        for entry in std::fs::read_dir(&here).with_context(|| format!("{} cannot be read", here.display()))? {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().with_context(|| format!("{}: a name that is not text", here.display()))?;
            let path = format!("{folder}{name}");
            // A link leads to what it names, as it does for a server.
            let meta = std::fs::metadata(entry.path())?;
            if meta.is_dir() {
                folders.push(format!("{path}/"));
            } else if path != WORKER
                && path != PICTURE
                && !path.starts_with(DATA)
                && !name.starts_with('.')
                && meta.len() <= LARGEST
                && !server::is_copy(&entry.path())
            {
                out.push(path);
            }
        }
    }
    out.sort();
    Ok(out)
}

/// A name for these files with these contents.
fn version(dist: &Path, files: &[String]) -> Result<String> {
    let mut hash = Fnv::default();
    for file in files {
        hash.add(file.as_bytes());
        hash.add(&[0]);
        hash.add(&std::fs::read(dist.join(file)).with_context(|| format!("{file} cannot be read"))?);
    }
    Ok(format!("{:016x}", hash.0))
}

/// FNV-1a: tells versions of one's own page apart, which is all that is asked of it.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}
impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The script with its two lines written; it may have been written before.
fn fill(script: &str, version: &str, files: &[String]) -> Result<String> {
    let mut found = 0;
    let mut out = String::with_capacity(script.len() + 64 * files.len());
    for line in script.lines() {
        if line.starts_with("const VERSION = ") {
            found += 1;
            let _ = writeln!(out, "const VERSION = '{version}';");
        } else if line.starts_with("const FILES = ") {
            found += 1;
            // The folder itself is the page, as the address bar has it.
            let names = std::iter::once("./").chain(files.iter().map(String::as_str));
            let names: Vec<String> = names.map(|name| format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))).collect();
            let _ = writeln!(out, "const FILES = [{}];", names.join(", "));
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    if found != 2 {
        bail!("it needs one line 'const VERSION = ' and one 'const FILES = ', found {found} of them");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn page(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("sparring-offline-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("data")).unwrap();
        std::fs::create_dir_all(dir.join("scores")).unwrap();
        for (file, text) in [
            ("index.html", "<p>"),
            ("it's.css", "p {}"),
            ("data/train-0.bin", "images"),
            ("scores/a.bin", "scores"),
            ("index.html.br", "br"),
            ("og.png", "picture"),
            (".hidden", ""),
        ] {
            std::fs::write(dir.join(file), text).unwrap();
        }
        std::fs::write(dir.join(WORKER), include_str!("../../app/web/sw.js")).unwrap();
        dir
    }

    #[test]
    fn the_page_is_kept_and_datasets_are_not() {
        let dir = page("files");
        assert_eq!(files(&dir).unwrap(), ["index.html", "it's.css", "scores/a.bin"]);
        write(&dir).unwrap();
        let script = std::fs::read_to_string(dir.join(WORKER)).unwrap();
        assert!(script.contains("const FILES = ['./', 'index.html', 'it\\'s.css', 'scores/a.bin'];"), "{script}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_version_follows_the_files_and_nothing_else() {
        let dir = page("version");
        let first = version(&dir, &files(&dir).unwrap()).unwrap();
        write(&dir).unwrap();
        std::fs::write(dir.join("data/train-0.bin"), "other images").unwrap();
        assert_eq!(version(&dir, &files(&dir).unwrap()).unwrap(), first);
        std::fs::write(dir.join("index.html"), "<p>!").unwrap();
        assert_ne!(version(&dir, &files(&dir).unwrap()).unwrap(), first);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_script_without_its_lines_is_refused() {
        assert!(fill("const VERSION = '';\n", "1", &[]).is_err());
        let twice = fill("const VERSION = 'old';\nconst FILES = ['a'];\n", "new", &["b".into()]).unwrap();
        assert_eq!(twice, "const VERSION = 'new';\nconst FILES = ['./', 'b'];\n");
    }
}
