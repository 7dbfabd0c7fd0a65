//! The incidents on disk, for those who look at them from elsewhere.
//!
//! **Invariant:** an id or a file's name from outside is only ever compared with the entries of a listing; paths are made from
//! those. Symbolic links are no entries.

use crate::incident::SNAPSHOT;
use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs::{self, DirEntry, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Incidents in a list.
const LISTED: usize = 200;
/// The longest text that is read, bytes.
const LONGEST: u64 = 8 << 20;
/// What holds no contents of the heap: names of classes, functions and properties at most.
const OPEN: [&str; 6] = ["json", "txt", "heapprofile", "cpuprofile", "html", "md"];

/// What is known of incidents that were read before, by their directories' names; those that are gone are forgotten.
#[derive(Debug, Default)]
pub(crate) struct KnownIncidents(Mutex<HashMap<String, Known>>);

/// What was read of one; good for as long as its `incident.json` is the same.
#[derive(Clone, Debug)]
struct Known {
    changed: Option<SystemTime>,
    bytes: u64,
    summary: Map<String, Value>,
    redacted: bool,
}

/// The incidents below a directory.
pub(crate) struct IncidentFiles {
    directory: PathBuf,
    heap_snapshots: bool,
    known: Arc<KnownIncidents>,
}

/// A file to be sent.
#[derive(Debug)]
pub struct OpenFile {
    /// Its name in the listing.
    pub name: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// The file; `None` where it may not be had, because it holds what was in the heap.
    pub file: Option<File>,
}

impl IncidentFiles {
    pub(crate) fn new(directory: PathBuf, heap_snapshots: bool, known: Arc<KnownIncidents>) -> Self {
        Self { directory, heap_snapshots, known }
    }

    /// All, newest first.
    pub(crate) fn list(&self) -> Vec<Value> {
        let there: Vec<_> = self.newest_first().take(LISTED).collect();
        self.known.0.lock().retain(|known, _| there.iter().any(|(name, _)| name == known));
        there.into_iter().filter_map(|(name, path)| self.summary(&name, &path)).collect()
    }

    /// One: what `incident.json` says, with `analysis`, `stack` and `files`.
    pub(crate) fn one(&self, id: &str) -> Option<Value> {
        let (name, path) = self.find(id)?;
        let mut incident = read_json(&path.join("incident.json"))?;
        let files = self.files(&name, &path, is_redacted(&incident));
        let map = incident.as_object_mut()?;
        map.insert("analysis".to_owned(), read_json(&path.join("analysis.json")).unwrap_or(Value::Null));
        map.insert("stack".to_owned(), read(&path.join("stack.txt")).map_or(Value::Null, Value::from));
        map.insert("files".to_owned(), files);
        Some(incident)
    }

    /// A file of one.
    pub(crate) fn open(&self, id: &str, wanted: &str) -> Option<OpenFile> {
        let (_, path) = self.find(id)?;
        let (name, entry) = files_of(&path).into_iter().find(|(name, _)| name == wanted)?;
        let incident = read_json(&path.join("incident.json"))?;
        let file = open_file(&entry.path())?;
        let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
        let file = self.allowed(&name, is_redacted(&incident)).then_some(file);
        Some(OpenFile { name, bytes: metadata.len(), file })
    }

    /// Names and paths. The name begins with the time.
    fn newest_first(&self) -> impl Iterator<Item = (String, PathBuf)> + use<> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut found: Vec<(String, PathBuf)> = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
            .filter(|(name, _)| !name.starts_with('.'))
            .collect();
        found.sort_by(|one, other| other.cmp(one));
        found.into_iter()
    }

    fn find(&self, id: &str) -> Option<(String, PathBuf)> {
        self.newest_first().find(|(name, _)| id_of(name) == Some(id))
    }

    fn summary(&self, name: &str, path: &Path) -> Option<Value> {
        let Known { mut summary, redacted, .. } = self.know(name, path)?;
        summary.insert("files".to_owned(), self.files(name, path, redacted));
        Some(Value::Object(summary))
    }

    /// What `incident.json` says, read again only where it was written again.
    fn know(&self, name: &str, path: &Path) -> Option<Known> {
        let path = path.join("incident.json");
        let metadata = fs::symlink_metadata(&path).ok()?;
        let (changed, bytes) = (metadata.modified().ok(), metadata.len());
        let known = self.known.0.lock().get(name).cloned();
        if let Some(known) = known.filter(|known| known.changed == changed && known.bytes == bytes) {
            return Some(known);
        }
        let incident = read_json(&path)?;
        let mut summary = Map::new();
        for field in ["reason", "at", "heapSnapshot", "shadow"] {
            summary.insert(field.to_owned(), incident.get(field).cloned().unwrap_or(Value::Null));
        }
        let trip = |field: &str| incident.pointer(&format!("/trip/{field}")).cloned().unwrap_or(Value::Null);
        summary.insert("id".to_owned(), json!(id_of(name)?));
        summary.insert("route".to_owned(), trip("route"));
        summary.insert("because".to_owned(), trip("because"));
        let known = Known { changed, bytes, summary, redacted: is_redacted(&incident) };
        self.known.0.lock().insert(name.to_owned(), known.clone());
        Some(known)
    }

    fn files(&self, name: &str, path: &Path, redacted: bool) -> Value {
        let id = id_of(name).unwrap_or_default();
        let file = |(file, entry): (String, DirEntry)| {
            let bytes = entry.metadata().ok()?.len();
            let allowed = self.allowed(&file, redacted);
            let href = format!("/api/incidents/{id}/files/{file}");
            Some(json!({ "name": file, "bytes": bytes, "allowed": allowed, "href": href }))
        };
        files_of(path).into_iter().filter_map(file).collect()
    }

    fn allowed(&self, name: &str, redacted: bool) -> bool {
        let open = name.rsplit_once('.').is_some_and(|(_, extension)| OPEN.contains(&extension));
        self.heap_snapshots || open || (name == SNAPSHOT && redacted)
    }
}

/// Whether its heap snapshot is without the contents of strings.
fn is_redacted(incident: &Value) -> bool {
    incident.pointer("/heapSnapshot/redacted").and_then(Value::as_bool) == Some(true)
}

/// The last part of a directory's name.
fn id_of(name: &str) -> Option<&str> {
    name.rsplit_once('-').map(|(_, id)| id).filter(|id| !id.is_empty())
}

/// Whole files with plain names, by name.
fn files_of(path: &Path) -> Vec<(String, DirEntry)> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let mut files: Vec<_> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry)))
        .filter(|(name, _)| !name.starts_with('.') && name.chars().all(plain))
        .collect();
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    files
}

/// Opens a regular file. What became a link or a pipe since it was listed is not followed and not waited for.
fn open_file(path: &Path) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).ok().map(File::from)
}

fn read(path: &Path) -> Option<String> {
    let file = open_file(path)?;
    let length = file.metadata().ok().filter(fs::Metadata::is_file)?.len();
    if length > LONGEST {
        return None;
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_str(&read(path)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn incidents(heap_snapshots: bool) -> (tempfile::TempDir, IncidentFiles) {
        let directory = tempfile::tempdir().unwrap();
        for (name, redacted) in
            [("20260101T000000.000Z-slow-00000a", false), ("20260102T000000.000Z-leak-00000b", true)]
        {
            let path = directory.path().join(name);
            fs::create_dir(&path).unwrap();
            let incident = json!({
                "id": "x", "reason": "slow", "at": "2026", "shadow": { "state": "not-asked" },
                "heapSnapshot": { "state": "written", "redacted": redacted },
                "trip": { "route": "GET /a", "because": "it is slow" },
            });
            fs::write(path.join("incident.json"), incident.to_string()).unwrap();
            fs::write(path.join(SNAPSHOT), b"12345").unwrap();
            fs::write(path.join(".tmp-1-half"), b"").unwrap();
            symlink("/etc/passwd", path.join("link.txt")).unwrap();
        }
        fs::create_dir(directory.path().join("20260103T000000.000Z-broken-00000c")).unwrap();
        fs::create_dir(directory.path().join(".tmp-1-20260104T000000.000Z-half-00000d")).unwrap();
        let files = IncidentFiles::new(directory.path().to_path_buf(), heap_snapshots, Arc::default());
        (directory, files)
    }

    #[test]
    fn incidents_are_listed_newest_first_without_what_is_not_whole() {
        let (_directory, files) = incidents(false);

        let list = files.list();

        let ids: Vec<_> = list.iter().map(|incident| incident["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["00000b", "00000a"]);
        assert_eq!((&list[0]["route"], &list[0]["because"]), (&json!("GET /a"), &json!("it is slow")));
        let expected = json!([
            { "name": SNAPSHOT, "bytes": 5, "allowed": false, "href": "/api/incidents/00000a/files/heap.heapsnapshot.gz" },
            { "name": "incident.json", "bytes": list[1]["files"][1]["bytes"], "allowed": true, "href": "/api/incidents/00000a/files/incident.json" },
        ]);
        assert_eq!(list[1]["files"], expected);
        assert!(IncidentFiles::new(PathBuf::from("/nowhere"), true, Arc::default()).list().is_empty());
    }

    #[test]
    fn an_incident_that_is_written_again_is_read_again_and_one_that_is_gone_is_forgotten() {
        let (directory, files) = incidents(false);
        assert_eq!(files.list().len(), 2);
        let path = directory.path().join("20260101T000000.000Z-slow-00000a");
        fs::write(path.join("incident.json"), b"{\"reason\":\"again\"}").unwrap();
        fs::remove_dir_all(directory.path().join("20260102T000000.000Z-leak-00000b")).unwrap();

        let list = files.list();

        assert_eq!((list.len(), &list[0]["reason"], &list[0]["at"]), (1, &json!("again"), &Value::Null));
        assert_eq!(files.known.0.lock().len(), 1);
    }

    #[test]
    fn one_incident_has_its_analysis_and_stack() {
        let (directory, files) = incidents(false);
        let path = directory.path().join("20260101T000000.000Z-slow-00000a");
        assert_eq!(files.one("00000a").unwrap()["analysis"], Value::Null);
        fs::write(path.join("analysis.json"), b"{\"a\":1}").unwrap();
        fs::write(path.join("stack.txt"), b"at x").unwrap();

        let incident = files.one("00000a").unwrap();

        assert_eq!((&incident["analysis"]["a"], &incident["stack"]), (&json!(1), &json!("at x")));
        assert!(files.one("00000c").is_none() && files.one("").is_none() && files.one("..").is_none());
    }

    #[test]
    fn only_listed_files_can_be_opened_and_heap_snapshots_only_when_redacted_or_allowed() {
        let (_directory, files) = incidents(false);
        for name in [
            "../00000b/incident.json",
            "link.txt",
            ".tmp-1-half",
            "",
            ".",
            "..",
            "/etc/passwd",
            "incident.json\0",
        ] {
            assert!(files.open("00000a", name).is_none(), "{name:?}");
        }
        assert!(files.open("00000a", "incident.json").unwrap().file.is_some());
        assert!(files.open("00000a", SNAPSHOT).unwrap().file.is_none());
        assert!(files.open("00000b", SNAPSHOT).unwrap().file.is_some());

        let (_directory, files) = incidents(true);
        let opened = files.open("00000a", SNAPSHOT).unwrap();
        assert!(opened.file.is_some());
        assert_eq!((opened.name.as_str(), opened.bytes), (SNAPSHOT, 5));
    }

    #[test]
    fn a_listed_file_that_turns_into_a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("a.txt");
        symlink("/etc/passwd", &link).unwrap();
        assert!(open_file(&link).is_none() && read(&link).is_none());
    }
}
