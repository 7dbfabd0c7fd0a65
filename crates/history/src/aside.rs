//! A damaged file is renamed, with its log beside it, and never deleted at once; at most [`MOST`] are kept.

use crate::Error;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Damaged files kept.
const MOST: usize = 2;
/// What belongs to an SQLite file.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// A file, whatever it is called: device and inode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity(u64, u64);

/// What is at `path` now.
pub(crate) fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|found| Identity(found.dev(), found.ino()))
}

/// Held while a file is made or set aside, so that two processes do not do it at once.
pub(crate) fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(".history.lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy),
        // A file system without locks: a race is better than no history.
        Ok(()) | Err(_) => Ok(file),
    }
}

/// Renames the damaged file at `path`, when it is still `damaged`; its new name. The caller holds the lock.
pub(crate) fn set_aside(path: &Path, damaged: Option<Identity>, now_ms: u64) -> io::Result<Option<PathBuf>> {
    if identity(path) != damaged {
        return Ok(None);
    }
    let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms);
    let time: String = humantime::format_rfc3339_millis(wall)
        .to_string()
        .chars()
        .filter(|letter| !matches!(letter, '-' | ':'))
        .collect();
    let aside = with(path, &format!(".damaged-{time}"));
    for beside in BESIDE {
        match fs::rename(with(path, beside), with(&aside, beside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    forget_old(path);
    Ok(Some(aside))
}

fn forget_old(path: &Path) {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return };
    let prefix = format!("{name}.damaged-");
    let Some(entries) = path.parent().and_then(|directory| fs::read_dir(directory).ok()) else { return };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(&prefix) && !name.ends_with("-wal") && !name.ends_with("-shm")
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    let old = found.len().saturating_sub(MOST);
    for path in found.into_iter().take(old) {
        for beside in BESIDE {
            // What cannot be removed is tried again when the next one is set aside.
            let _ = fs::remove_file(with(&path, beside));
        }
    }
}

/// `path` with `suffix` at its end.
pub(crate) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
