//! A directory or a process id, as a person names it, into service directories.
//!
//! A running process is found by its id: the recorder holds `<service directory>/processes/<pid>-<hexadecimal>.json` open, so
//! `/proc/PID/fd` leads to it, wherever the directory is, and into a container by `/proc/PID/root`. That takes the process's user, or
//! root. Where `/proc` does not tell, `.leakprobe` below the current directory is looked through.

use crate::{Unreadable, find};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder of the processes' files in a service's directory.
const FOLDER: &str = "processes";
/// Links of one process that are looked at, at most.
const LINKS: usize = 65_536;

/// What a person named.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Named {
    /// A directory.
    Directory(PathBuf),
    /// A running process.
    Process(Process),
}

/// A running process with a probe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Process {
    /// As it was asked for: of this system, not of its container.
    pub(crate) pid: u32,
    /// The service's directory, as it is reached from here.
    pub(crate) home: PathBuf,
    /// `<pid>-<hexadecimal>`, with which its files begin.
    pub(crate) key: String,
}

#[derive(Deserialize)]
struct File {
    schema: String,
    key: String,
}

/// The directory, or the process; digits that are no existing path are an id.
pub(crate) fn named(word: &Path) -> Result<Named, Unreadable> {
    let pid = word.to_str().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    match pid.and_then(|word| word.parse().ok()) {
        Some(pid) if !word.exists() => process(pid).map(Named::Process),
        _ => Ok(Named::Directory(word.to_path_buf())),
    }
}

fn process(pid: u32) -> Result<Process, Unreadable> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let told = match fs::read_dir(proc.join("fd")) {
        Ok(entries) => {
            let links = entries.flatten().take(LINKS).filter_map(|entry| fs::read_link(entry.path()).ok());
            let mut found = links.filter_map(|link| opened(&proc, &link));
            match found.next() {
                Some((home, key)) => return Ok(Process { pid, home, key }),
                None => format!("process {pid} runs, and has no probe with a directory"),
            }
        }
        Err(_) if Path::new("/proc/self").exists() && !proc.exists() => format!("there is no process {pid}"),
        Err(error) => format!("{}: {error}", proc.join("fd").display()),
    };
    beside(Path::new(".leakprobe"), pid).ok_or(Unreadable(told))
}

/// The service's directory and the key, where the link is a process's file.
fn opened(proc: &Path, link: &Path) -> Option<(PathBuf, String)> {
    let folder = link.parent().filter(|folder| folder.file_name().is_some_and(|name| name == FOLDER))?;
    let inside = proc.join("root").join(link.strip_prefix("/").ok()?);
    [link.to_path_buf(), inside].into_iter().find_map(|path| {
        let key = key_of(&path)?;
        // The container's own path, or the same below its root.
        let home = if path == link { folder.parent()? } else { path.parent()?.parent()? };
        Some((home.to_path_buf(), key))
    })
}

fn beside(directory: &Path, pid: u32) -> Option<Process> {
    let services = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    let mut files = services.filter_map(|home| {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut files = fs::read_dir(home.join(FOLDER)).ok()?.flatten().map(|entry| entry.path());
        let path = files.find(|path| name(path).is_some_and(|name| name.starts_with(&format!("{pid}-"))))?;
        Some(Process { pid, key: key_of(&path)?, home })
    });
    files.next()
}

/// The key in a process's file; `None` where it is something else's.
fn key_of(path: &Path) -> Option<String> {
    let file: File = find::read_json(path).ok()?;
    let named = path.file_stem().is_some_and(|stem| stem == file.key.as_str());
    (file.schema == "leakprobe.process/1" && named).then_some(file.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(pid: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("mail").join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{pid}-abc.json"));
        fs::write(&path, format!(r#"{{"schema":"leakprobe.process/1","pid":{pid},"key":"{pid}-abc"}}"#))
            .unwrap();
        (directory, path)
    }

    #[test]
    fn a_process_is_found_by_the_file_that_it_holds_open() {
        let pid = std::process::id();
        let (directory, path) = service(pid);
        let _held = fs::File::open(&path).unwrap();
        let Ok(Named::Process(found)) = named(Path::new(&pid.to_string())) else { panic!("not found") };
        let home = fs::canonicalize(directory.path()).unwrap().join("mail");
        assert_eq!((found.pid, found.home, found.key), (pid, home, format!("{pid}-abc")));
    }

    #[test]
    fn a_file_that_is_not_ours_leads_nowhere() {
        let (_directory, path) = service(7);
        assert!(opened(Path::new("/proc/7"), &path).is_some());
        fs::write(&path, r#"{"schema":"other/1","key":"7-abc"}"#).unwrap();
        assert_eq!(opened(Path::new("/proc/7"), &path), None);
        assert_eq!(opened(Path::new("/proc/7"), Path::new("/tmp/processes/7-x.json")), None);
        assert_eq!(opened(Path::new("/proc/7"), Path::new("socket:[7]")), None);
    }

    #[test]
    fn without_proc_the_directory_beside_is_looked_through() {
        let (directory, _) = service(7);
        assert_eq!(beside(directory.path(), 7).map(|process| process.key), Some("7-abc".to_owned()));
        assert_eq!(beside(directory.path(), 70), None);
    }

    #[test]
    fn what_cannot_be_found_is_told() {
        let told = |word: &str| named(Path::new(word)).err().map(|error| error.to_string());
        assert_eq!(told("4294967290"), Some("there is no process 4294967290".to_owned()));
        assert_eq!(named(Path::new("7x")).unwrap(), Named::Directory("7x".into()));
    }
}
