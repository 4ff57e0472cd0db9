//! Where the program keeps what it fetched and made for itself.
//!
//! Below everything that reads or writes there.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The data folder: `SPARRING_DATA`, else `data` in the platform's cache folder.
pub fn data_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("SPARRING_DATA").filter(|f| !f.is_empty()) {
        return Ok(folder.into());
    }
    let platform =
        directories::ProjectDirs::from("", "", "sparring").context("no home folder; set SPARRING_DATA to a folder for the datasets")?;
    Ok(platform.cache_dir().join("data"))
}
