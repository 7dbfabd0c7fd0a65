//! Which processes of a service run: one small file for each, held open and locked while it lives.
//!
//! By the open file a process is found from its id alone: `/proc/PID/fd` leads to it, and it lies in the service's directory. By the
//! lock the living are told from the dead, also where ids mean nothing because containers share a volume.

use crate::files;
use crate::state::Shared;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folder of these files in the service's directory.
pub(crate) const FOLDER: &str = "processes";
/// Folder of the memory maps beside it.
pub(crate) const MAPS: &str = "memory-maps";
/// Memory maps that are kept, those of processes that have ended included.
const MOST_MAPS: usize = 16;

/// This process's file; it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Holds the lock, and the link in `/proc/PID/fd`.
    _file: File,
    path: PathBuf,
}

/// Who registers.
struct Registrant<'a> {
    /// `<pid>-<hexadecimal>`, unique for this start.
    key: &'a str,
    service: &'a str,
    node: &'a str,
    started_at: &'a str,
}

impl Registration {
    /// Leaves word that this process runs; without it, it is not found by its id.
    pub(crate) fn of(shared: &Shared) -> Option<Self> {
        let home = shared.config.home()?;
        let of = Registrant {
            key: &shared.key,
            service: &shared.config.service,
            node: &shared.config.node,
            started_at: &shared.started_at,
        };
        let made = Self::new(&home, &of);
        if let Err(error) = &made {
            let because = format!("the process is not found by its id, its file cannot be locked: {error}");
            shared.set_capability("processFile", "off", &because);
        }
        made.ok()
    }

    /// Writes and locks the file, and sweeps those that nobody holds any more.
    fn new(home: &Path, of: &Registrant<'_>) -> io::Result<Self> {
        let folder = home.join(FOLDER);
        files::make_directory(&folder)?;
        sweep(&folder);
        let path = folder.join(format!("{}.json", of.key));
        let (mut file, temporary) = files::create_temporary(&path)?;
        let text = json!({
            "schema": "leakprobe.process/1", "pid": std::process::id(), "key": of.key, "service": of.service,
            "node": of.node, "startedAt": of.started_at, "memoryMap": format!("{MAPS}/{}.json", of.key),
        });
        let made = flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(text.to_string().as_bytes()))
            .and_then(|()| fs::rename(&temporary, &path));
        match made {
            Ok(()) => Ok(Self { _file: file, path }),
            Err(error) => {
                // The error that matters is the one above.
                let _ = fs::remove_file(&temporary);
                Err(error)
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // What cannot be removed is swept by the next process that starts: its lock is gone.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes files that nobody has locked.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
        let abandoned = File::open(entry.path())
            .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok());
        if abandoned {
            // Tried again at the next start.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Removes the oldest files of `folder` until it holds as many as are kept.
pub(crate) fn keep_newest(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let age = |entry: &fs::DirEntry| {
        entry.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut found: Vec<(SystemTime, PathBuf)> =
        entries.flatten().map(|entry| (age(&entry), entry.path())).collect();
    found.sort();
    let surplus = found.len().saturating_sub(MOST_MAPS);
    for (_, path) in found.into_iter().take(surplus) {
        // Tried again when the next process writes its first map.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(home: &Path, key: &str) -> Registration {
        let of = Registrant { key, service: "mail", node: "v22", started_at: "2026-01-01T00:00:00.000Z" };
        Registration::new(home, &of).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_process_is_there_while_it_lives() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(FOLDER);
        let one = register(home.path(), "7-a");
        let other = register(home.path(), "8-b");
        assert_eq!(names(&folder), ["7-a.json", "8-b.json"]);
        drop(one);
        assert_eq!(names(&folder), ["8-b.json"]);
        // Whoever died without a word has no lock any more.
        fs::write(folder.join("9-c.json"), b"{}").unwrap();
        drop(register(home.path(), "7-d"));
        assert_eq!(names(&folder), ["8-b.json"]);
        drop(other);
    }

    #[test]
    fn an_open_file_leads_to_it() {
        let home = tempfile::tempdir().unwrap();
        let _registered = register(home.path(), "7-a");
        let path = fs::canonicalize(home.path().join(FOLDER).join("7-a.json")).unwrap();
        let links = fs::read_dir("/proc/self/fd").unwrap();
        assert!(links.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link == path)));
    }

    #[test]
    fn the_oldest_maps_go_first() {
        let folder = tempfile::tempdir().unwrap();
        for index in 0..MOST_MAPS + 3 {
            let file = File::create(folder.path().join(format!("{index:02}"))).unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(index as u64);
            file.set_modified(at).unwrap();
        }
        keep_newest(folder.path());
        let left = names(folder.path());
        assert_eq!((left.len(), left.first().map(String::as_str)), (MOST_MAPS, Some("03")));
    }
}
