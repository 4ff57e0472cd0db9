//! Where things are: the checkout, the caches that outlive it, and the programs that child processes see.
//!
//! Tools and build products live outside the clone, so that a second clean clone neither installs nor builds from cold.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The checkout and its caches.
pub struct Workspace {
    /// Folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Installed tools: `bin` from cargo, `npm/node_modules/.bin` from npm.
    pub tools: PathBuf,
    /// Build products of every cargo that is started here.
    pub target: PathBuf,
    cargo: OsString,
}

impl Workspace {
    /// Finds the checkout from where cargo found this package.
    pub fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = match manifest.as_deref().and_then(Path::parent) {
            Some(root) => root.to_owned(),
            None => std::env::current_dir().context("the current folder cannot be read")?,
        };
        let cache = cache_dir().context("no cache folder: neither XDG_CACHE_HOME nor HOME is set")?.join("sparring");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache.join("target"), |dir| root.join(dir));
        Ok(Self { root, tools: cache.join("tools"), target, cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()) })
    }

    /// A program of ours or of the system, started in the checkout.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        if let Ok(path) = std::env::join_paths(self.search_path()) {
            command.env("PATH", path);
        }
        command
    }

    /// The cargo that runs this.
    pub fn cargo(&self) -> Command {
        self.command(&self.cargo)
    }

    /// An installed tool by name, where it is in our tools folder.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.tools.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// Folder of the npm tools.
    pub fn npm_tools(&self) -> PathBuf {
        self.tools.join("npm")
    }

    /// Our tools first, then this cargo's own folder, then the caller's path.
    fn search_path(&self) -> Vec<PathBuf> {
        let mut path = vec![self.tools.join("bin"), self.npm_tools().join("node_modules").join(".bin")];
        path.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        path
    }

    /// The version of a package in the lock file.
    pub fn locked_version(&self, package: &str) -> Result<String> {
        let lock = std::fs::read_to_string(self.root.join("Cargo.lock")).context("Cargo.lock cannot be read")?;
        locked_version(&lock, package).with_context(|| format!("Cargo.lock has no package '{package}'"))
    }

    /// A path as the caller means it: relative to the folder the command was started in; the default is in the checkout.
    pub fn caller_path(&self, given: Option<&str>, default: &str) -> Result<PathBuf> {
        match given {
            Some(path) => Ok(std::env::current_dir().context("the current folder cannot be read")?.join(path)),
            None => Ok(self.root.join(default)),
        }
    }
}

fn locked_version(lock: &str, package: &str) -> Option<String> {
    let mut lines = lock.lines();
    lines.find(|line| *line == format!("name = \"{package}\""))?;
    Some(lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?.to_owned())
}

fn cache_dir() -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    from("XDG_CACHE_HOME").filter(|dir| dir.is_absolute()).or_else(|| {
        if cfg!(windows) {
            from("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            from("HOME").map(|home| home.join("Library/Caches"))
        } else {
            from("HOME").map(|home| home.join(".cache"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::locked_version;

    #[test]
    fn locked_version_takes_the_package_of_exactly_that_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.5\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.1\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen").as_deref(), Some("0.2.1"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }
}
