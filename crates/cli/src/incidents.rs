//! `leakprobe incidents`: what was captured, oldest first.

use crate::find;
use crate::render::{Paint, bytes, clean, digits, duration, table};
use crate::{Terminal, Unreadable};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn run(directory: &Path, json: bool, terminal: Terminal) -> Result<String, Unreadable> {
    let mut found = Vec::new();
    for folder in find::folders_with(directory, "incidents")? {
        for path in list(&folder) {
            found.push((path.clone(), find::read_json::<Value>(&path.join("incident.json"))?));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.file_name().cmp(&other.file_name()));
    if json {
        let values: Vec<Value> = found.into_iter().map(|(_, value)| value).collect();
        return Ok(format!("{}\n", Value::Array(values)));
    }
    if found.is_empty() {
        return Ok("no incidents\n".to_owned());
    }
    let paint = Paint::new(terminal);
    let head = ["incident", "reason", "because", "heap snapshot"];
    let mut rows = vec![head.iter().map(|title| paint.dim(title)).collect::<Vec<_>>()];
    rows.extend(found.iter().map(|(path, value)| row(path, value)));
    Ok(table(&rows))
}

/// How many incidents are in a service's folder.
pub(crate) fn count(folder: &Path) -> usize {
    list(folder).len()
}

/// The same, with the folder of the newest; `None` without any.
pub(crate) fn newest(folder: &Path) -> Option<(usize, PathBuf)> {
    let all = list(folder);
    // The name begins with the time.
    Some((all.len(), all.into_iter().max()?))
}

/// The folders of a service's incidents, in no order.
pub(crate) fn list(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join("incidents")) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.join("incident.json").exists()).collect()
}

fn row(path: &Path, incident: &Value) -> Vec<String> {
    let text = |pointer: &str| clean(incident.pointer(pointer).and_then(Value::as_str).unwrap_or("–"));
    let number = |pointer: &str| incident.pointer(pointer).and_then(Value::as_f64);
    let snapshot = match text("/heapSnapshot/state").as_str() {
        "written" => format!(
            "{}, {} nodes, pause {}",
            bytes(number("/heapSnapshot/compressedBytes").unwrap_or(0.0)),
            digits(number("/heapSnapshot/nodeCount").unwrap_or(0.0)),
            duration(number("/heapSnapshot/pauseMs").unwrap_or(0.0))
        ),
        state => state.to_owned(),
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    vec![clean(&name), text("/reason"), text("/trip/because"), snapshot]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incidents_are_listed_by_time() {
        let directory = tempfile::tempdir().unwrap();
        for (name, json) in [
            (
                "20260102T000000.000Z-slow-2",
                r#"{"reason":"slow","trip":{"because":"GET /a: 80 ms against 60 ms"},"heapSnapshot":{"state":"written","compressedBytes":2500000,"nodeCount":90000,"pauseMs":1200}}"#,
            ),
            ("20260101T000000.000Z-manual-1", r#"{"reason":"manual","heapSnapshot":{"state":"not-asked"}}"#),
        ] {
            let path = directory.path().join("mail/incidents").join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("incident.json"), json).unwrap();
        }
        fs::create_dir(directory.path().join("mail/incidents/.tmp-1-x")).unwrap();

        let text = run(directory.path(), false, Terminal { width: 100, color: false }).unwrap();

        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("manual-1") && lines[1].ends_with("not-asked"), "{text}");
        assert!(lines[2].ends_with("2.50 MB, 90000 nodes, pause 1.20 s"), "{text}");
        let json = run(directory.path(), true, Terminal { width: 100, color: false }).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Value>>(&json).unwrap().len(), 2);
    }
}
