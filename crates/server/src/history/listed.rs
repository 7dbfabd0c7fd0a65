//! What is listed beside the windows: deployments, lives, findings, incidents. The newest of each.

use crate::limits::HISTORY_LISTED;
use leakprobe_history::{Deployment, Finding, Incident, LifeSpan, Told};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// As JSON, and how many older ones are left out. `all` is in order of time.
pub(super) fn newest<T>(all: &[T], value: impl Fn(&T) -> Value) -> (Vec<Value>, usize) {
    let omitted = all.len().saturating_sub(HISTORY_LISTED);
    (all.iter().skip(omitted).map(value).collect(), omitted)
}

pub(super) fn deployment(deployment: &Deployment) -> Value {
    json!({
        "version": deployment.version, "revision": deployment.revision,
        "firstAt": time(deployment.first_ms), "lastAt": time(deployment.last_ms),
    })
}

pub(super) fn life(life: &LifeSpan) -> Value {
    json!({
        "pid": life.pid, "startedAt": time(life.started_ms), "seenAt": time(life.seen_ms), "ended": life.ended,
    })
}

/// Without its evidence, which may be long.
pub(super) fn finding(found: &Told<Finding>) -> Value {
    let more: Value = serde_json::from_str(&found.what.json).unwrap_or_default();
    let is_leak = found.what.kind == "leak";
    let of = |name: &str, wanted: bool| more.get(name).filter(|_| wanted).cloned().unwrap_or_default();
    json!({
        "kind": found.what.kind, "id": found.what.fingerprint, "route": found.what.route,
        "firstAt": time(found.first_ms), "lastAt": time(found.last_ms),
        "version": found.deployment.version, "revision": found.deployment.revision,
        "leakKind": of("kind", is_leak), "perRequest": of("perRequest", is_leak), "because": of("because", true),
    })
}

pub(super) fn incident(incident: &Told<Incident>) -> Value {
    let what = &incident.what;
    json!({
        "id": what.id, "at": time(incident.first_ms), "reason": what.reason, "route": what.route,
        "because": what.because, "heapSnapshot": what.heap_snapshot, "leaks": what.leaks,
        "version": incident.deployment.version, "revision": incident.deployment.revision,
    })
}

fn time(ms: u64) -> String {
    // What is beyond the year 9999 has no text, and was written by nobody of ours.
    let ms = ms.min(253_402_300_799_000);
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_listed() {
        let all: Vec<usize> = (0..HISTORY_LISTED + 7).collect();
        let (listed, omitted) = newest(&all, |one| json!(one));
        assert_eq!((listed.len(), omitted, &listed[0]), (HISTORY_LISTED, 7, &json!(7)));
        assert_eq!(newest(&[1], |one| json!(one)), (vec![json!(1)], 0));
    }

    #[test]
    fn of_a_finding_the_numbers_are_told_and_not_the_evidence() {
        let found = |kind: &str, json: &str| {
            let what = Finding {
                kind: kind.to_owned(),
                fingerprint: "f".to_owned(),
                route: "GET /a".to_owned(),
                json: json.to_owned(),
            };
            finding(&Told { first_ms: 0, last_ms: 1_500, deployment: Deployment::default(), what })
        };
        let leak = found("leak", r#"{"kind":"timer","perRequest":{"value":1},"evidence":[1]}"#);
        assert_eq!((&leak["leakKind"], &leak["perRequest"]["value"]), (&json!("timer"), &json!(1)));
        assert_eq!((&leak["because"], &leak["evidence"]), (&Value::Null, &Value::Null));
        assert_eq!(leak["lastAt"], "1970-01-01T00:00:01.500Z");
        assert_eq!(found("slowdown", r#"{"because":"it is slower"}"#)["because"], "it is slower");
        assert_eq!(found("leak", "no JSON")["perRequest"], Value::Null);
    }
}
