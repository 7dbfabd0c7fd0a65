//! `leakprobe memory-map`: where a process's memory is, in bars and as a picture.

mod bars;
mod svg;

use crate::locate::{self, Named};
use crate::{Terminal, Unreadable, find, redact};
use leakprobe_core::memory_map::MemoryMap;
use leakprobe_core::memory_series::Columns;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folder of the maps in a service's directory.
const FOLDER: &str = "memory-maps";

/// A process's file.
#[derive(Clone, Debug, Deserialize)]
struct File {
    process: Process,
    last: MemoryMap,
    series: Columns,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    pid: u32,
    node: String,
    service: String,
    started_at: String,
}

pub(crate) fn run(
    word: &Path,
    json: bool,
    svg: Option<&Path>,
    terminal: Terminal,
) -> Result<String, Unreadable> {
    let path = match locate::named(word)? {
        Named::Process(process) => process.home.join(FOLDER).join(format!("{}.json", process.key)),
        Named::Directory(directory) => newest(&directory)?,
    };
    let text = find::read(&path)?;
    let failed = |error: &dyn std::fmt::Display| Unreadable(format!("{}: {error}", path.display()));
    let file: File = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    if file.series.parts.iter().any(|part| part.bytes.len() != file.series.times.len()) {
        return Err(failed(&"its columns differ in length"));
    }
    if let Some(picture) = svg {
        redact::put(picture, svg::draw(&file).as_bytes())
            .map_err(|error| Unreadable(format!("{}: {error}", picture.display())))?;
    }
    Ok(if json { format!("{}\n", text.trim_end()) } else { bars::text(&file, terminal) })
}

/// The newest map in the directory, one service's or all of them.
fn newest(directory: &Path) -> Result<PathBuf, Unreadable> {
    let age =
        |path: &Path| fs::metadata(path).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let maps = |folder: PathBuf| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder.join(FOLDER)).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect()
    };
    let found = find::folders_with(directory, FOLDER)?.into_iter().flat_map(maps);
    found
        .max_by_key(|path| age(path))
        .ok_or_else(|| Unreadable(format!("no memory map in {} yet", directory.display())))
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::{Output, Terminal, run};
    use std::fs;
    use std::path::Path;

    pub(crate) const MAP: &str = r#"{"schema":"leakprobe.memory-map/1","process":{"pid":7,"startedAt":"2026-01-01T00:00:00.000Z","uptimeMs":90000,"node":"v22.0.0","service":"mail"},
"last":{"at":"2026-01-01T02:00:00.000Z","parts":[{"name":"v8 old space","bytes":150000000},{"name":"v8 free","bytes":10000000},{"name":"malloc in use","bytes":30000000},{"name":"mapped files","bytes":40000000},{"name":"other","bytes":0}]},
"series":{"times":[1767225600000,1767229200000,1767232800000],"parts":[{"name":"v8 old space","bytes":[50000000,100000000,150000000]},{"name":"v8 free","bytes":[null,10000000,10000000]},{"name":"malloc in use","bytes":[30000000,30000000,30000000]},{"name":"mapped files","bytes":[40000000,40000000,40000000]},{"name":"other","bytes":[0,0,0]}]}}"#;

    pub(crate) fn written(text: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("mail").join("memory-maps");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("7-a.json"), text).unwrap();
        directory
    }

    fn command(directory: &Path, more: &[&str]) -> Output {
        let mut args = vec!["memory-map".to_owned(), directory.display().to_string()];
        args.extend(more.iter().map(|word| (*word).to_owned()));
        run(&args, Terminal { width: 80, color: false }, None)
    }

    #[test]
    fn a_map_is_bars_of_its_parts_and_json_is_the_file() {
        let directory = written(MAP);
        let output = command(directory.path(), &[]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert_eq!(lines[0], "230 MB are resident; v8 old space grew most, by 100 MB in 2.00 h.");
        assert_eq!(lines[1], "mail · pid 7 · node v22.0.0 · at 2026-01-01T02:00:00.000Z");
        assert!(
            lines[3].contains("v8 old space") && lines[3].contains("150 MB") && lines[3].ends_with("+100 MB"),
            "{}",
            lines[3]
        );
        assert!(lines[3].matches('█').count() > 3 * lines[5].matches('█').count(), "{}", output.stdout);
        assert_eq!(command(directory.path(), &["--json"]).stdout.trim_end(), MAP);
    }

    #[test]
    fn the_picture_is_written_whole() {
        let directory = written(MAP);
        let picture = directory.path().join("map.svg");
        let output = command(directory.path(), &["--svg", picture.to_str().unwrap()]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        let text = fs::read_to_string(&picture).unwrap();
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{text}");
        assert_eq!(text.matches("<path class=\"area\"").count(), 4, "one for each part that is not empty");
    }

    #[test]
    fn damage_and_emptiness_are_told() {
        let shorter = MAP.replace("[0,0,0]", "[0,0]");
        for (text, told) in [(&MAP[..200], "EOF while parsing"), (&shorter, "its columns differ in length")] {
            let directory = written(text);
            let output = command(directory.path(), &[]);
            assert!(output.code == 1 && output.stderr.contains(told), "{}", output.stderr);
        }
        let nothing = tempfile::tempdir().unwrap();
        assert!(command(nothing.path(), &[]).stderr.contains("no memory-maps in"));
    }
}
