//! Where the program keeps what it fetched and made for itself.
//!
//! Below everything that reads or writes there.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The platform's cache folder for this program; `None` without a home folder.
pub fn cache_folder() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "sparring")?.cache_dir().to_owned())
}

/// The data folder: `SPARRING_DATA`, else `data` in the platform's cache folder.
pub fn data_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("SPARRING_DATA").filter(|f| !f.is_empty()) {
        return Ok(folder.into());
    }
    Ok(cache_folder().context("no home folder; set SPARRING_DATA to a folder for the datasets")?.join("data"))
}
