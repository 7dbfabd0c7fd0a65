//! The history as a page of text.

use super::{Found, Route, spark};
use crate::Terminal;
use crate::render::{Paint, bytes, clean, digits, duration, shorten, table};
use leakprobe_core::history::Durations;
use leakprobe_history::{Deployment, Point, ProcessPoint, Resolution};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// Findings and incidents shown, the last ones.
const MOST: usize = 20;
/// Letters of a revision.
const REVISION: usize = 12;

pub(super) fn page(found: &Found, terminal: Terminal) -> String {
    let paint = Paint::new(terminal);
    let (from, to) = found.span;
    let step = if found.resolution == Resolution::Minute { "minutes" } else { "hours" };
    let mut text = format!("{}\n", paint.bold(&clean(&found.service)));
    let processes = match found.lives.len() {
        1 => "1 process".to_owned(),
        many => format!("{many} processes"),
    };
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        text,
        "{}",
        paint.dim(&format!("{} to {} UTC, by {step} · {processes}", minute(from), minute(to - 1)))
    );
    if found.routes.is_empty() {
        text.push_str("no requests in this span\n");
    } else {
        text.push('\n');
        text.push_str(&routes(found, terminal, &paint));
    }
    text.push_str(&process(found, terminal, &paint));
    text.push_str(&deployments(found, &paint));
    text.push_str(&findings(found, &paint));
    text.push_str(&incidents(found, &paint));
    for (name, tripped, throttled) in &found.trips {
        let _ = writeln!(
            text,
            "{}",
            paint.dim(&format!(
                "trigger {}: {tripped} trips, {throttled} more that another process had captured",
                clean(name)
            ))
        );
    }
    text
}

fn width(terminal: Terminal) -> usize {
    usize::from(terminal.width.saturating_sub(80)).clamp(16, 60)
}

fn routes(found: &Found, terminal: Terminal, paint: &Paint) -> String {
    let head = ["route", "requests", "failed", "p50", "p95", "p95 over time", "lowest–highest"];
    let mut rows = vec![head.iter().map(|title| paint.dim(title)).collect::<Vec<_>>()];
    rows.extend(found.routes.iter().map(|route| row(route, found, terminal)));
    let mut text = table(&rows);
    if found.others > 0 {
        let _ = writeln!(text, "  {}", paint.dim(&format!("and {} other routes: see --json", found.others)));
    }
    text
}

fn row(route: &Route, found: &Found, terminal: Terminal) -> Vec<String> {
    let cells = spark::cells(
        &route.points,
        |point: &Point| point.at,
        found.span,
        width(terminal),
        |cell| {
            let mut all = Durations::default();
            for point in cell {
                all.add(&point.slice.durations);
            }
            all.quantile_us(0.95).map(ms)
        },
    );
    let (line, scale) = spark::line(&cells);
    let quantile =
        |share| route.sum.durations.quantile_us(share).map_or("–".to_owned(), |us| duration(ms(us)));
    vec![
        clean(&shorten(&route.name, 40)),
        route.sum.requests.to_string(),
        route.sum.failed.to_string(),
        quantile(0.5),
        quantile(0.95),
        line,
        scale.map_or(String::new(), |(low, high)| format!("{}–{}", duration(low), duration(high))),
    ]
}

fn process(found: &Found, terminal: Terminal, paint: &Paint) -> String {
    let of = |number: fn(&ProcessPoint) -> Option<u64>| {
        spark::cells(
            &found.process,
            |point: &ProcessPoint| point.at,
            found.span,
            width(terminal),
            |cell| cell.iter().filter_map(|point| number(point)).max().map(float),
        )
    };
    let series = [
        ("resident memory", of(|point| point.slice.rss)),
        ("heap floor", of(|point| point.slice.floor)),
        ("used heap", of(|point| point.slice.heap_used)),
    ];
    let mut rows = Vec::new();
    for (name, values) in series {
        if let (line, Some((low, high))) = spark::line(&values) {
            rows.push(vec![name.to_owned(), line, format!("{}–{}", bytes(low), bytes(high))]);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    rows.insert(
        0,
        ["process, the largest", "over time", "lowest–highest"].map(|title| paint.dim(title)).to_vec(),
    );
    format!("\n{}", table(&rows))
}

fn deployments(found: &Found, paint: &Paint) -> String {
    if found.deployments.is_empty() {
        return String::new();
    }
    let mut rows = vec![["deployment", "from", "until"].map(|title| paint.dim(title)).to_vec()];
    rows.extend(
        found.deployments.iter().map(|one| vec![name(one), minute_ms(one.first_ms), minute_ms(one.last_ms)]),
    );
    format!("\n{}", table(&rows))
}

fn findings(found: &Found, paint: &Paint) -> String {
    if found.findings.is_empty() {
        return String::new();
    }
    let mut text = format!("\n  {}\n", paint.dim("findings"));
    for one in last(&found.findings) {
        let json: serde_json::Value = serde_json::from_str(&one.what.json).unwrap_or_default();
        let because = match one.what.kind.as_str() {
            "leak" => format!(
                "{} {} per request, {}",
                digits(json.pointer("/perRequest/value").and_then(serde_json::Value::as_f64).unwrap_or(0.0)),
                json.pointer("/perRequest/unit").and_then(serde_json::Value::as_str).unwrap_or("?"),
                json.pointer("/kind").and_then(serde_json::Value::as_str).unwrap_or("?")
            ),
            _ => json.pointer("/because").and_then(serde_json::Value::as_str).unwrap_or("").to_owned(),
        };
        let _ = writeln!(
            text,
            "  {}  {}  {}  {}  {}",
            minute_ms(one.first_ms),
            paint.red(&clean(&one.what.kind)),
            clean(&one.what.route),
            clean(&because),
            paint.dim(&format!("version {}, id {}", name(&one.deployment), clean(&one.what.fingerprint)))
        );
    }
    text
}

fn incidents(found: &Found, paint: &Paint) -> String {
    if found.incidents.is_empty() {
        return String::new();
    }
    let mut text = format!("\n  {}\n", paint.dim("incidents"));
    for one in last(&found.incidents) {
        let same = found.incidents.iter().find(|earlier| {
            earlier.first_ms < one.first_ms
                && earlier.what.leaks.iter().any(|leak| one.what.leaks.contains(leak))
        });
        let same =
            same.map_or(String::new(), |earlier| format!(" (the same as {})", clean(&earlier.what.id)));
        let _ = writeln!(
            text,
            "  {}  {}  {}  {}{same}",
            minute_ms(one.first_ms),
            clean(&one.what.id),
            clean(&one.what.reason),
            clean(one.what.because.as_deref().unwrap_or("–"))
        );
    }
    text
}

fn last<T>(all: &[T]) -> &[T] {
    all.get(all.len().saturating_sub(MOST)..).unwrap_or(&[])
}

/// A deployment as people call it.
fn name(deployment: &Deployment) -> String {
    let revision: String = deployment.revision.chars().take(REVISION).collect();
    clean(&match (deployment.version.as_str(), revision.as_str()) {
        ("", "") => "unknown".to_owned(),
        (version, "") => version.to_owned(),
        ("", revision) => revision.to_owned(),
        (version, revision) => format!("{version} ({revision})"),
    })
}

fn minute_ms(ms: u64) -> String {
    minute(i64::try_from(ms / 1_000).unwrap_or(0))
}

fn minute(second: i64) -> String {
    let since = Duration::from_secs(u64::try_from(second).unwrap_or(0));
    let text = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

fn ms(us: u64) -> f64 {
    float(us) / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "bytes and microseconds below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}
