//! Files below a directory that a person named.

use crate::Unreadable;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file read, bytes: reports take some tens of kilobytes.
const LONGEST: u64 = 64 << 20;

/// The folders in `directory` (itself, or one level below) that hold `name`; an error when there is none.
pub(crate) fn folders_with(directory: &Path, name: &str) -> Result<Vec<PathBuf>, Unreadable> {
    if directory.join(name).exists() {
        return Ok(vec![directory.to_path_buf()]);
    }
    let entries =
        fs::read_dir(directory).map_err(|error| Unreadable(format!("{}: {error}", directory.display())))?;
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join(name).exists()).collect();
    found.sort();
    if found.is_empty() {
        return Err(Unreadable(format!("no {name} in {} nor one level below", directory.display())));
    }
    Ok(found)
}

/// A file's text.
pub(crate) fn read(path: &Path) -> Result<String, Unreadable> {
    let failed = |error: &dyn std::fmt::Display| Unreadable(format!("{}: {error}", path.display()));
    let length = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if length > LONGEST {
        return Err(failed(&format_args!("{length} bytes are more than a report can have")));
    }
    fs::read_to_string(path).map_err(|error| failed(&error))
}

/// A file's JSON as `T`.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Unreadable> {
    serde_json::from_str(&read(path)?).map_err(|error| Unreadable(format!("{}: {error}", path.display())))
}
