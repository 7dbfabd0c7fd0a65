//! What an incident says of a walk, and `analysis.json`.

use crate::files;
use crate::walks::{culprit, observed, readable};
use leakprobe_core::observation::Frame;
use leakprobe_heap_walk::Census;
use serde_json::{Value, json};
use std::path::Path;

/// The file beside an incident with all that a walk found.
const ANALYSIS: &str = "analysis.json";

/// What an incident says of the walk; the whole of it goes into a file beside. `None` where none was asked for.
pub(crate) fn incident(
    walk: Option<&Result<Box<Census>, String>>,
    fault: Option<&str>,
    directory: &Path,
) -> Option<Value> {
    let census = match (walk, fault) {
        (Some(Ok(census)), _) => census,
        (Some(Err(because)), _) => return Some(json!({ "state": "failed", "because": because })),
        (None, because) => return Some(json!({ "state": "failed", "because": because? })),
    };
    if let Err(error) = files::write(&directory.join(ANALYSIS), analysis(census).to_string().as_bytes()) {
        return Some(json!({ "state": "failed", "because": error.to_string() }));
    }
    let ms = census.enumerate_ms + census.reach_ms + census.tell_ms + census.retained_ms;
    Some(json!({
        "state": "answered", "file": ANALYSIS, "objects": census.objects, "bytes": census.bytes,
        "liveObjects": census.live_objects, "liveBytes": census.live_bytes, "ms": ms,
        "watched": census.watched.len(),
    }))
}

/// `analysis.json`: the census, the holders, and the paths to watched requests.
fn analysis(census: &Census) -> Value {
    let observed = observed(census, 0);
    let holders = census.holders.iter().zip(&observed.holders).map(|(holder, seen)| {
        json!({
            "signature": holder.signature, "count": holder.count, "grown": holder.grown, "bytes": holder.bytes,
            "offHeap": holder.off_heap, "kind": seen.kind.name(), "class": seen.class, "path": seen.path,
            "culprit": seen.culprit.as_ref().map(frame), "steps": holder.path, "code": holder.code,
        })
    });
    let watched = census.watched.iter().map(
        |path| json!({ "path": readable(path), "culprit": culprit(path).as_ref().map(frame), "steps": path }),
    );
    let retainers = census.retainers.iter().map(|retainer| {
        json!({
            "bytes": retainer.bytes, "retained": retainer.retained, "path": readable(&retainer.path),
            "class": retainer.path.last().map(|step| &step.class),
            "culprit": culprit(&retainer.path).as_ref().map(frame), "steps": retainer.path,
        })
    });
    json!({
        "schema": "leakprobe.analysis/1", "by": "walk", "objects": census.objects, "bytes": census.bytes,
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
