//! `leakprobe report DIR --html`: a report and its incidents as one file that needs neither a server nor a network.

use crate::find;
use crate::redact::put;
use crate::render::{bytes, clean};
use crate::{Output, Unreadable, answer};
use leakprobe_core::Report;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Incidents in one page, the newest ones.
const INCIDENTS: usize = 20;
/// Places where objects gather, of each walk and analysis.
const PLACES: usize = 8;
/// Longest stack that is taken over, bytes.
const STACK: u64 = 1 << 20;
/// What is said of a place.
const OF_PLACE: [&str; 8] = ["class", "count", "bytes", "path", "retainingPath", "culprit", "file", "line"];
/// The form of the data in the page.
const SCHEMA: &str = "leakprobe.page/1";

/// Runs the command, when it is this one.
pub(crate) fn run(args: &[String]) -> Option<Output> {
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let options: Vec<&str> = args.iter().map(String::as_str).filter(|arg| arg.starts_with("--")).collect();
    if words.first() != Some(&"report") || !options.contains(&"--html") || options.contains(&"--help") {
        return None;
    }
    let wrong = |why: String| Output {
        code: 2,
        stderr: format!("leakprobe: {why}; see leakprobe report --help\n"),
        ..Output::default()
    };
    if let Some(other) = options.iter().find(|option| **option != "--html") {
        return Some(wrong(format!("{} does not go with --html", clean(other))));
    }
    Some(match words.as_slice() {
        [_, directory] => answer(write(Path::new(directory), None)),
        [_, directory, "-"] => answer(page(Path::new(directory)).map(|(text, _)| text)),
        [_, directory, file] => answer(write(Path::new(directory), Some(Path::new(file)))),
        rest => wrong(format!("report --html takes a directory and a file, received {}", rest.len() - 1)),
    })
}

fn write(directory: &Path, to: Option<&Path>) -> Result<String, Unreadable> {
    let (text, name) = page(directory)?;
    let to = to.map_or_else(|| PathBuf::from(name), Path::to_path_buf);
    put(&to, text.as_bytes()).map_err(|error| Unreadable(format!("{}: {error}", to.display())))?;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let size = bytes(text.len() as f64);
    Ok(format!("{}: {size}, opens in any browser\n", to.display()))
}

/// The page, and the name of a file for it.
fn page(directory: &Path) -> Result<(String, String), Unreadable> {
    let folders = find::folders_with(directory, "report.json")?;
    let [folder] = folders.as_slice() else {
        let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        return Err(Unreadable(format!("several services are kept there; name one of {}", names.join(", "))));
    };
    // Read as a report first: a page of something else would show nothing and not say why.
    let known: Report = find::read_json(&folder.join("report.json"))?;
    let report: Value = find::read_json(&folder.join("report.json"))?;
    let own = folder.join("incident.json").exists();
    let (mut incidents, mut unread) = (Vec::new(), Vec::new());
    for path in if own { vec![folder.clone()] } else { newest(folder) } {
        match incident(&path) {
            Ok(incident) => incidents.push(incident),
            Err(why) if own => return Err(why),
            Err(why) => unread.push(why.to_string()),
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let name = match incidents.first().and_then(|incident| incident["id"].as_str()).filter(|_| own) {
        Some(id) => format!("leakprobe-{}-{}.html", plain(&known.process.service), plain(id)),
        None => format!("leakprobe-{}.html", plain(&known.process.service)),
    };
    let data = json!({
        "schema": SCHEMA, "madeAt": u64::try_from(now).unwrap_or(0), "report": report,
        "incidents": incidents, "unread": unread,
    });
    Ok((leakprobe_dashboard::page(&data.to_string()), name))
}

/// For the name of a file: what comes from a service's name may hold anything.
fn plain(text: &str) -> String {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    text.chars().map(|letter| if known(letter) { letter } else { '-' }).take(80).collect()
}

fn newest(folder: &Path) -> Vec<PathBuf> {
    let mut all = crate::incidents::list(folder);
    all.sort();
    all.into_iter().rev().take(INCIDENTS).collect()
}

/// What the page shows of an incident: its record without the stats, the places where objects gather, the stack, the
/// files by name and size.
fn incident(path: &Path) -> Result<Value, Unreadable> {
    let mut incident: Map<String, Value> = find::read_json(&path.join("incident.json"))?;
    for name in ["stats", "process", "directory"] {
        incident.remove(name);
    }
    let analysis = path.join("analysis.json");
    let analysis = if analysis.exists() { shortened(&find::read_json(&analysis)?) } else { Value::Null };
    incident.insert("analysis".to_owned(), analysis);
    incident.insert("stack".to_owned(), stack(&path.join("stack.txt")).map_or(Value::Null, Value::String));
    incident.insert("files".to_owned(), files(path));
    Ok(Value::Object(incident))
}

fn shortened(analysis: &Value) -> Value {
    let places = |pointer: &str| -> Vec<Value> {
        let all = analysis.pointer(pointer).and_then(Value::as_array);
        all.into_iter().flatten().take(PLACES).map(place).collect()
    };
    json!({
        "walk": { "holders": places("/walk/holders") },
        "heapSnapshot": { "gathering": places("/heapSnapshot/gathering") },
    })
}

fn place(whole: &Value) -> Value {
    let kept = OF_PLACE.iter().filter_map(|name| Some(((*name).to_owned(), whole.get(name)?.clone())));
    Value::Object(kept.collect())
}

fn stack(path: &Path) -> Option<String> {
    (fs::metadata(path).ok()?.len() <= STACK).then(|| find::read(path).ok()).flatten()
}

fn files(path: &Path) -> Value {
    let Ok(entries) = fs::read_dir(path) else { return json!([]) };
    let mut found: Vec<(String, u64)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let size = entry.metadata().ok().filter(fs::Metadata::is_file)?.len();
            (!name.starts_with('.')).then_some((name, size))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"schema":"leakprobe.report/1","process":{"pid":7,"startedAt":"2026-01-01T00:00:00.000Z","uptimeMs":90000,"node":"v20.0.0","service":"../mail","capabilities":{}},
"verdict":"clear","leaks":[],"slowdowns":[],"hypotheses":[],"routes":[],"cost":{"bytes":1,"freezes":0,"pauseMs":{"max":0,"total":0},"dropped":{}}}"#;

    fn ran(words: &[&str]) -> Option<Output> {
        run(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    fn data(page: &str) -> Value {
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
    }

    fn incident_in(service: &Path, name: &str, content: &str) -> PathBuf {
        let path = service.join("incidents").join(name);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("incident.json"), content).unwrap();
        path
    }

    #[test]
    fn a_service_and_an_incident_become_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let service = directory.path().join("mail");
        fs::create_dir(&service).unwrap();
        fs::write(service.join("report.json"), REPORT).unwrap();
        let path = incident_in(
            &service,
            "20260102T000000.000Z-slow-2",
            r#"{"id":"2","reason":"</script>","stats":{"big":1},"directory":"/secret"}"#,
        );
        fs::write(path.join("report.json"), REPORT).unwrap();
        fs::write(path.join("stack.txt"), "at f").unwrap();
        fs::write(path.join(".tmp-1-x"), "half").unwrap();
        let holders: Vec<Value> =
            (0..50).map(|i| json!({ "class": "A", "count": i, "steps": [1] })).collect();
        fs::write(path.join("analysis.json"), json!({ "walk": { "holders": holders } }).to_string()).unwrap();
        incident_in(&service, "20260101T000000.000Z-old-1", "{ damaged");

        let whole = ran(&["report", directory.path().to_str().unwrap(), "--html", "-"]).unwrap();
        assert_eq!((whole.code, whole.stderr.as_str()), (0, ""));
        let data = data(&whole.stdout);
        assert_eq!(data["incidents"].as_array().map(Vec::len), Some(1));
        let incident = &data["incidents"][0];
        assert_eq!(
            (incident["reason"].as_str(), incident["stack"].as_str()),
            (Some("</script>"), Some("at f"))
        );
        assert_eq!(incident["analysis"]["walk"]["holders"].as_array().map(Vec::len), Some(PLACES));
        assert_eq!(incident["analysis"]["walk"]["holders"][3], json!({ "class": "A", "count": 3 }));
        assert_eq!(incident["files"].as_array().map(Vec::len), Some(4));
        assert!(incident.get("stats").is_none() && !whole.stdout.contains("/secret"));
        assert!(data["unread"][0].as_str().is_some_and(|why| why.contains("old-1")));

        let file = directory.path().join("page.html");
        let said = ran(&["report", "--html", path.to_str().unwrap(), file.to_str().unwrap()]).unwrap();
        assert!(said.code == 0 && said.stdout.contains("page.html: "), "{said:?}");
        assert!(fs::read_to_string(&file).unwrap().starts_with("<!doctype html>"));
        assert_eq!(page(&path).unwrap().1, "leakprobe-..-mail-2.html");
    }

    #[test]
    fn what_cannot_be_shown_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().to_str().unwrap();
        assert_eq!(ran(&["report", place, "--html"]).unwrap().code, 1);
        for service in ["a", "b"] {
            fs::create_dir(directory.path().join(service)).unwrap();
            fs::write(directory.path().join(service).join("report.json"), REPORT).unwrap();
        }
        let several = ran(&["report", place, "--html", "-"]).unwrap();
        assert!(several.code == 1 && several.stderr.contains("name one of"), "{several:?}");
        fs::write(directory.path().join("a/report.json"), "{}").unwrap();
        let damaged = ran(&["report", directory.path().join("a").to_str().unwrap(), "--html", "-"]).unwrap();
        assert!(damaged.code == 1 && damaged.stderr.contains("report.json: missing field"), "{damaged:?}");
        for (words, expected) in [
            (vec!["report", "--html"], "takes a directory and a file, received 0"),
            (vec!["report", "a", "b", "c", "--html"], "takes a directory and a file, received 3"),
            (vec!["report", "a", "--html", "--json"], "--json does not go with --html"),
        ] {
            let output = ran(&words).unwrap();
            assert!(output.code == 2 && output.stderr.contains(expected), "{output:?}");
        }
        assert!(ran(&["report", "a"]).is_none() && ran(&["report", "--html", "--help"]).is_none());
    }
}
