//! The fields of each condition: names, ranges, defaults, and what goes together.

use super::read::{DAY_MS, MONTH_MS};
use super::reader::{Object, Reader, described};
use super::rule::{BytesLimit, Condition, CountLimit};

const MOST_BYTES: f64 = 9_007_199_254_740_992.0;
const MOST_COUNT: f64 = 4_294_967_295.0;
/// Younger requests are not looked for, ms.
const LEAST_RUNNING_MS: f64 = 100.0;
/// So many running requests are told by the app thread at most.
const MOST_RUNNING: u64 = 256;
const KINDS: [&str; 6] = ["collection", "listener", "timer", "closure", "native", "unknown"];

/// Each condition with its fields besides `type`.
const CONDITIONS: [(&str, &[&str]); 16] = [
    ("latency", &["quantile", "aboveMs", "timesBaseline", "minRequests", "running"]),
    ("slowdown", &["doublesWithinMs"]),
    ("running", &["aboveMs", "count"]),
    ("errors", &["aboveShare", "minRequests"]),
    ("leak", &["minConfidence", "kind", "limitWithinMs"]),
    ("floor", BYTES),
    ("rss", BYTES),
    ("heap", &["aboveShare"]),
    ("heap-limit", &[]),
    ("cgroup", &["aboveShare"]),
    ("stall", &["aboveMs"]),
    ("listeners", COUNT),
    ("timers", COUNT),
    ("handles", COUNT),
    ("descriptors", COUNT),
    ("in-flight", COUNT),
];
const BYTES: &[&str] = &["aboveBytes", "growsBytes", "withinMs"];
const COUNT: &[&str] = &["above", "grows", "withinMs"];

/// One condition; `depth` is how deep in `all` and `any` it stands.
pub(super) fn condition(reader: &mut Reader, object: &Object<'_>, depth: usize) -> Option<Condition> {
    let name = object.map.get("type");
    let known = CONDITIONS.iter().find(|(known, _)| name.and_then(|name| name.as_str()) == Some(known));
    let Some((name, fields)) = known else {
        let names = CONDITIONS.map(|(name, _)| format!("\"{name}\"")).join(", ");
        return reader.refuse(object.at("type"), format!("one of {names}"), described(name));
    };
    let mut all = vec!["type"];
    all.extend_from_slice(fields);
    reader.refuse_unknown(object, &all);
    if depth > 0 && *name == "heap-limit" {
        let expected = "a condition that goes with others: \"heap-limit\" stands alone";
        return reader.refuse(object.at("type"), expected, described(object.map.get("type")));
    }
    Some(match *name {
        "latency" => latency(reader, object)?,
        "slowdown" => Condition::Slowdown {
            doubles_within_ms: reader.number(object, "doublesWithinMs", (1_000.0, 365.0 * DAY_MS), None)?,
        },
        "running" => {
            let above_ms = reader.number(object, "aboveMs", (LEAST_RUNNING_MS, DAY_MS), None);
            let count = reader.whole(object, "count", (1, MOST_RUNNING), Some(1));
            Condition::Running { above_ms: above_ms?, count: u32::try_from(count?).ok()? }
        }
        "errors" => {
            let above_share = reader.number(object, "aboveShare", (0.0, 0.999), None);
            let min_requests = min_requests(reader, object);
            Condition::Errors { above_share: above_share?, min_requests: min_requests? }
        }
        "leak" => leak(reader, object)?,
        "floor" => Condition::Floor(bytes(reader, object)?),
        "rss" => Condition::Rss(bytes(reader, object)?),
        "heap" => Condition::Heap { above_share: share(reader, object)? },
        "cgroup" => Condition::Cgroup { above_share: share(reader, object)? },
        "stall" => Condition::Stall { above_ms: reader.number(object, "aboveMs", (50.0, DAY_MS), None)? },
        "listeners" => Condition::Listeners(count(reader, object)?),
        "timers" => Condition::Timers(count(reader, object)?),
        "handles" => Condition::Handles(count(reader, object)?),
        "descriptors" => Condition::Descriptors(count(reader, object)?),
        "in-flight" => Condition::InFlight(count(reader, object)?),
        _ => Condition::HeapLimit,
    })
}

fn latency(reader: &mut Reader, object: &Object<'_>) -> Option<Condition> {
    let given = |field: &str| object.map.contains_key(field);
    let quantile = reader.number(object, "quantile", (0.01, 0.999), Some(0.95));
    if !given("aboveMs") && !given("timesBaseline") {
        return reader.refuse(
            object.at("aboveMs"),
            format!("a number from 0.001 to {DAY_MS}, or timesBaseline"),
            described(None),
        );
    }
    let above_ms =
        if given("aboveMs") { Some(reader.number(object, "aboveMs", (0.001, DAY_MS), None)) } else { None };
    let times_baseline = if given("timesBaseline") {
        Some(reader.number(object, "timesBaseline", (1.05, 1_000.0), None))
    } else {
        None
    };
    let min_requests = min_requests(reader, object);
    let running = reader.yes_or_no(object, "running", true);
    Some(Condition::Latency {
        quantile: quantile?,
        above_ms: above_ms.map_or(Some(None), |read| read.map(Some))?,
        times_baseline: times_baseline.map_or(Some(None), |read| read.map(Some))?,
        min_requests: min_requests?,
        running: running?,
    })
}

fn leak(reader: &mut Reader, object: &Object<'_>) -> Option<Condition> {
    let min_confidence = reader.number(object, "minConfidence", (0.0, 0.99), Some(0.0));
    let kind = object.map.get("kind");
    let known = KINDS.into_iter().find(|known| kind.and_then(|kind| kind.as_str()) == Some(known));
    if kind.is_some() && known.is_none() {
        let names = KINDS.map(|kind| format!("\"{kind}\"")).join(", ");
        return reader.refuse(object.at("kind"), format!("one of {names}"), described(kind));
    }
    let limit_within_ms = match object.map.get("limitWithinMs") {
        None => None,
        Some(_) => Some(reader.number(object, "limitWithinMs", (1_000.0, MONTH_MS), None)?),
    };
    Some(Condition::Leak { min_confidence: min_confidence?, kind: known.map(str::to_owned), limit_within_ms })
}

fn min_requests(reader: &mut Reader, object: &Object<'_>) -> Option<u64> {
    reader.whole(object, "minRequests", (1, 1_000_000_000), Some(20))
}

fn share(reader: &mut Reader, object: &Object<'_>) -> Option<f64> {
    reader.number(object, "aboveShare", (0.01, 1.0), None)
}

fn bytes(reader: &mut Reader, object: &Object<'_>) -> Option<BytesLimit> {
    let CountLimit { above, grows, within_ms } =
        level(reader, object, ("aboveBytes", "growsBytes"), MOST_BYTES)?;
    Some(BytesLimit { above_bytes: above, grows_bytes: grows, within_ms })
}

fn count(reader: &mut Reader, object: &Object<'_>) -> Option<CountLimit> {
    level(reader, object, ("above", "grows"), MOST_COUNT)
}

/// The value itself, or its growth in a span: exactly one of them.
fn level(
    reader: &mut Reader,
    object: &Object<'_>,
    (above, grows): (&str, &str),
    most: f64,
) -> Option<CountLimit> {
    let given = |field: &str| object.map.contains_key(field);
    match (given(above), given(grows)) {
        (true, true) => reader.refuse(object.at(grows), format!("either {above} or {grows}"), "both"),
        (false, true) => {
            let by = reader.number(object, grows, (1.0, most), None);
            let within = reader.whole(object, "withinMs", (1_000, whole_ms(MONTH_MS)), None);
            Some(CountLimit { above: None, grows: Some(by?), within_ms: Some(within?) })
        }
        (true, false) if given("withinMs") => reader.refuse(
            object.at("withinMs"),
            format!("{grows} beside it"),
            described(object.map.get("withinMs")),
        ),
        (true, false) => {
            let above = reader.number(object, above, (0.0, most), None)?;
            Some(CountLimit { above: Some(above), ..CountLimit::default() })
        }
        (false, false) => reader.refuse(
            object.at(above),
            format!("a number from 0 to {most}, or {grows} and withinMs"),
            described(None),
        ),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a month in milliseconds")]
fn whole_ms(ms: f64) -> u64 {
    ms as u64
}
