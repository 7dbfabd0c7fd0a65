//! Old incidents make room for new ones, by count, by bytes and by age; leftovers of processes that died are removed.

use crate::error::Error;
use crate::files;
use crate::registration;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Makes the service's directory, checks that it can be written to, and sweeps what a crash left there.
pub(crate) fn prepare(home: &Path) -> Result<(), Error> {
    let failed = |source| Error::Directory { path: home.to_path_buf(), source };
    files::make_directory(home).map_err(failed)?;
    // Under a name of this process: those of a cluster start at the same moment.
    let (_, probe) = files::create_temporary(&home.join("writable")).map_err(failed)?;
    fs::remove_file(&probe).map_err(failed)?;
    let alive = |pid: u32| pid == std::process::id() || Path::new(&format!("/proc/{pid}")).exists();
    sweep(home, alive);
    for folder in ["incidents", registration::FOLDER, registration::MAPS] {
        sweep(&home.join(folder), alive);
    }
    // An incident whose process was killed may hold the half of a heap snapshot.
    for entry in fs::read_dir(home.join("incidents")).into_iter().flatten().flatten() {
        sweep(&entry.path(), alive);
    }
    Ok(())
}

/// What may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    /// Incidents.
    pub(crate) count: u32,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Those whose name begins with an earlier time go; in the form of the names.
    pub(crate) since: &'a str,
}

/// Removes the oldest incidents until the limits hold. The newest and those in `keep` stay, whatever they weigh; the newest
/// also whatever its age.
pub(crate) fn enforce(incidents: &Path, limits: Limits<'_>, keep: &[PathBuf]) -> io::Result<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir(incidents)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.file_type()?.is_dir() {
            found.push((entry.path(), size(&entry.path())));
        }
    }
    // The name begins with the time.
    found.sort();
    let mut bytes: u64 = found.iter().map(|(_, bytes)| bytes).sum();
    let mut count = found.len();
    let mut removed = 0;
    let newest = found.pop().map(|(path, _)| path);
    for (path, size) in found {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let old = name.as_str() < limits.since;
        if !old && count <= limits.count as usize && bytes <= limits.bytes {
            break;
        }
        if keep.contains(&path) || newest.as_ref() == Some(&path) {
            continue;
        }
        match fs::remove_dir_all(&path) {
            // Another process of the service removes the same ones.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        bytes -= size;
        count -= 1;
        removed += 1;
    }
    Ok(removed)
}

/// Removes temporary entries whose process is gone. `alive` says whether a process id is in use.
pub(crate) fn sweep(directory: &Path, alive: impl Fn(u32) -> bool) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(".tmp-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !alive(pid)) {
            // What cannot be removed is tried again at the next start.
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
    }
}

fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incidents(sizes: &[usize]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (index, size) in sizes.iter().enumerate() {
            let path = directory.path().join(format!("2026010{index}T000000.000Z-x-{index}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("incident.json"), vec![b' '; *size]).unwrap();
        }
        directory
    }

    fn left(directory: &tempfile::TempDir) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.chars().last().map(String::from))
            .collect();
        names.sort();
        names
    }

    fn limits(count: u32, bytes: u64) -> Limits<'static> {
        Limits { count, bytes, since: "" }
    }

    #[test]
    fn what_is_too_old_goes_but_for_the_newest() {
        let directory = incidents(&[10, 10, 10]);
        let since = |since| Limits { since, ..limits(9, 1_000) };
        assert_eq!(enforce(directory.path(), since("20260101T"), &[]).unwrap(), 1);
        assert_eq!(left(&directory), ["1", "2"]);
        assert_eq!(enforce(directory.path(), since("2027"), &[]).unwrap(), 1);
        assert_eq!(left(&directory), ["2"]);
    }

    #[test]
    fn a_directory_that_is_prepared_is_left_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        // That of another process, at the same moment.
        fs::write(directory.path().join(".tmp-1-writable"), b"").unwrap();
        let incident = directory.path().join("incidents/20260100T000000.000Z-x-0");
        fs::create_dir_all(&incident).unwrap();
        for name in [".tmp-4294967295-heap.heapsnapshot.gz", ".tmp-1-heap.heapsnapshot.gz", "incident.json"] {
            fs::write(incident.join(name), b"").unwrap();
        }
        prepare(directory.path()).unwrap();
        let alive = usize::from(Path::new("/proc/1").exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1 + alive);
        assert_eq!(fs::read_dir(&incident).unwrap().count(), 1 + alive, "but for what a dead process left");
        fs::write(directory.path().join("file"), b"").unwrap();
        assert!(matches!(prepare(&directory.path().join("file")), Err(Error::Directory { .. })));
    }

    #[test]
    fn the_oldest_go_first_by_count_and_by_bytes() {
        let directory = incidents(&[10, 10, 10, 10]);
        assert_eq!(enforce(directory.path(), limits(3, 1_000), &[]).unwrap(), 1);
        assert_eq!(left(&directory), ["1", "2", "3"]);
        assert_eq!(enforce(directory.path(), limits(3, 20), &[]).unwrap(), 1);
        assert_eq!(left(&directory), ["2", "3"]);
    }

    #[test]
    fn the_newest_and_an_unfinished_one_stay() {
        let directory = incidents(&[10, 500, 900]);
        let unfinished = directory.path().join("20260100T000000.000Z-x-0");
        assert_eq!(enforce(directory.path(), limits(1, 1), &[unfinished]).unwrap(), 1);
        assert_eq!(left(&directory), ["0", "2"]);
    }

    #[test]
    fn leftovers_of_the_dead_are_swept() {
        let directory = tempfile::tempdir().unwrap();
        for name in [".tmp-1-a", ".tmp-2-b", "kept", ".tmp-x"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        fs::write(directory.path().join(".tmp-1-report.json"), b"").unwrap();

        sweep(directory.path(), |pid| pid == 2);

        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    }
}
