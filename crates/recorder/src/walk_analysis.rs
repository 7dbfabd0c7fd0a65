//! What an incident says of a walk: its numbers in `incident.json`, the rest in `analysis.json`, and what the report's leaks are
//! joined with.

use crate::joining::{self, ANALYSIS};
use crate::walks::{culprit, observed, readable};
use leakprobe_core::join::Kept;
use leakprobe_core::observation::{Frame, Kind};
use leakprobe_heap_walk::{Census, Watched};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// What an incident says of the walk; the whole of it goes into a file beside. `None` where none was asked for.
pub(crate) fn incident(
    walk: Option<&Result<Box<Census>, String>>,
    fault: Option<&str>,
    directory: &Path,
    route: impl Fn(u16) -> String,
) -> Option<Value> {
    let census = match (walk, fault) {
        (Some(Ok(census)), _) => census,
        (Some(Err(because)), _) => return Some(json!({ "state": "failed", "because": because })),
        (None, because) => return Some(json!({ "state": "failed", "because": because? })),
    };
    if let Err(error) = joining::put(directory, "walk", analysis(census, route)) {
        return Some(json!({ "state": "failed", "because": error.to_string() }));
    }
    let ms = census.enumerate_ms + census.reach_ms + census.tell_ms + census.retained_ms;
    Some(json!({
        "state": "answered", "file": ANALYSIS, "objects": census.objects, "bytes": census.bytes,
        "liveObjects": census.live_objects, "liveBytes": census.live_bytes, "ms": ms,
        "watched": census.watched.len(),
    }))
}

/// `walk` in `analysis.json`: the census, the holders, and the paths to watched requests.
fn analysis(census: &Census, route: impl Fn(u16) -> String) -> Value {
    let observed = observed(census, 0);
    let holders = census.holders.iter().zip(&observed.holders).map(|(holder, seen)| {
        json!({
            "signature": holder.signature, "count": holder.count, "grown": holder.grown, "bytes": holder.bytes,
            "offHeap": holder.off_heap, "kind": seen.kind.name(), "class": seen.class, "path": seen.path,
            "culprit": seen.culprit.as_ref().map(frame), "steps": holder.path, "code": holder.code,
        })
    });
    let watched = census.watched.iter().map(|Watched { id, path }| {
        let culprit = culprit(path);
        json!({
            "route": id.parse().map(&route).ok(), "path": readable(path), "culprit": culprit.as_ref().map(frame), "steps": path,
        })
    });
    let retainers = census.retainers.iter().map(|retainer| {
        json!({
            "bytes": retainer.bytes, "retained": retainer.retained, "path": readable(&retainer.path),
            "class": retainer.path.last().map(|step| &step.class),
            "culprit": culprit(&retainer.path).as_ref().map(frame), "steps": retainer.path,
        })
    });
    json!({
        "objects": census.objects, "bytes": census.bytes,
        "liveObjects": census.live_objects, "liveBytes": census.live_bytes, "offHeap": census.off_heap,
        "edges": census.edges, "foldedPaths": census.paths, "memory": census.memory, "enumerateMs": census.enumerate_ms,
        "reachMs": census.reach_ms, "tellMs": census.tell_ms, "classes": census.classes,
        "holders": holders.collect::<Vec<_>>(), "watched": watched.collect::<Vec<_>>(),
        "retainers": retainers.collect::<Vec<_>>(), "noRetainers": census.no_retainers,
        "retainedMs": census.retained_ms, "retainedMemory": census.retained_memory,
    })
}

fn frame(frame: &Frame) -> Value {
    json!({ "function": frame.function, "file": frame.file, "line": frame.line, "package": frame.package })
}

/// What a walk found, for the leaks of the incident's report.
pub(crate) fn kept(census: &Census, route: impl Fn(u16) -> String) -> Vec<Kept> {
    let holders = observed(census, 0).holders.into_iter().map(|holder| Kept {
        route: None,
        kind: holder.kind,
        count: holder.count,
        bytes: holder.bytes,
        path: holder.path,
        culprit: holder.culprit,
    });
    let mut watched: BTreeMap<(String, Vec<String>), Kept> = BTreeMap::new();
    for Watched { id, path } in &census.watched {
        let Ok(id) = id.parse() else { continue };
        let (route, path, culprit) = (route(id), readable(path), culprit(path));
        let kept = watched.entry((route.clone(), path.clone())).or_insert_with(|| Kept {
            route: Some(route),
            kind: Kind::Unknown,
            path,
            culprit,
            ..Kept::default()
        });
        kept.count += 1;
    }
    holders.chain(watched.into_values()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakprobe_heap_walk::{Holder, Step, StepKind};

    fn step(edge: &str, class: &str, script: &str) -> Step {
        let kind = if script.is_empty() { StepKind::Object } else { StepKind::Scope };
        Step {
            edge: edge.to_owned(),
            class: class.to_owned(),
            script: script.to_owned(),
            kind,
            ..Step::default()
        }
    }

    fn census() -> Census {
        let scope = || step("(scope)", "(context)", "/app/open.js");
        let request = || vec![scope(), step("open", "Set", ""), step("[]", "IncomingMessage", "")];
        let watched = |id: &str| Watched { id: id.to_owned(), path: request() };
        let holder = Holder { count: 9, bytes: 900, off_heap: 100, path: request(), ..Holder::default() };
        Census {
            holders: vec![holder],
            watched: vec![watched("3"), watched("4"), watched("3"), watched("")],
            ..Census::default()
        }
    }

    #[test]
    fn holders_and_watched_requests_by_route_are_what_leaks_are_joined_with() {
        let kept = kept(&census(), |id| format!("GET /{id}"));

        let told: Vec<_> = kept.iter().map(|kept| (kept.route.as_deref(), kept.count, kept.bytes)).collect();
        assert_eq!(told, [(None, 9, 1_000), (Some("GET /3"), 2, 0), (Some("GET /4"), 1, 0)]);
        assert_eq!(kept[1].culprit.as_ref().unwrap().file, "/app/open.js");
    }

    #[test]
    fn the_walk_is_a_section_of_the_incident_s_analysis() {
        let directory = tempfile::tempdir().unwrap();
        let walk = Ok(Box::new(census()));

        let told = incident(Some(&walk), None, directory.path(), |id| format!("GET /{id}")).unwrap();

        assert_eq!((&told["state"], &told["file"]), (&json!("answered"), &json!(ANALYSIS)));
        let text = std::fs::read_to_string(directory.path().join(ANALYSIS)).unwrap();
        let analysis: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(analysis["schema"], "leakprobe.analysis/1");
        assert_eq!(analysis["walk"]["watched"][1]["route"], "GET /4");
    }
}
