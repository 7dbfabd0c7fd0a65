//! `leakprobe report`: a report as a page of text.

use crate::find;
use crate::render::{Paint, bytes, clean, digits, duration, estimate, shorten, table};
use crate::{Terminal, Unreadable};
use leakprobe_core::Report;
use leakprobe_core::hypothesis::State;
use leakprobe_core::report::{Culprit, Estimate, Leak, Verdict};
use leakprobe_core::stats::{Kept, RouteStats};
use std::fmt::Write;
use std::path::Path;

/// Routes shown.
const ROUTES: usize = 20;
/// Room for what stands beside a route's name.
const BESIDE: u16 = 74;

pub(crate) fn run(directory: &Path, json: bool, terminal: Terminal) -> Result<String, Unreadable> {
    let folders = find::folders_with(directory, "report.json")?;
    if json {
        let texts: Result<Vec<String>, _> =
            folders.iter().map(|folder| find::read(&folder.join("report.json"))).collect();
        let texts = texts?;
        return Ok(match texts.as_slice() {
            [one] => format!("{}\n", one.trim_end()),
            several => format!("[{}]\n", several.join(",")),
        });
    }
    let mut text = String::new();
    for folder in folders {
        let report: Report = find::read_json(&folder.join("report.json"))?;
        text.push_str(&render(&report, terminal));
        let incidents = crate::incidents::count(&folder);
        if incidents > 0 {
            let word = if incidents == 1 { "incident" } else { "incidents" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n{incidents} {word} in {}", folder.join("incidents").display());
        }
    }
    Ok(text)
}

pub(crate) fn render(report: &Report, terminal: Terminal) -> String {
    let paint = Paint::new(terminal);
    let mut text = format!("{}\n", paint.bold(&sentence(report)));
    let process = &report.process;
    let _ = writeln!(
        text,
        "{}",
        paint.dim(&format!(
            "{} · pid {} · node {} · since {} ({})",
            clean(&process.service),
            process.pid,
            clean(&process.node),
            process.started_at,
            duration(number(process.uptime_ms))
        ))
    );
    for leak in &report.leaks {
        text.push('\n');
        text.push_str(&leak_text(leak, &paint));
    }
    if !report.slowdowns.is_empty() {
        let _ = writeln!(text, "\n{}", paint.dim("slower with the age of the process"));
    }
    for slowdown in &report.slowdowns {
        let moves = match slowdown.moves_with.as_str() {
            "unknown" => String::new(),
            with => format!("; it moves with {}", clean(with)),
        };
        let _ = writeln!(text, "  {}{moves}", clean(&slowdown.because));
    }
    if !report.routes.is_empty() {
        text.push('\n');
        text.push_str(&routes_table(report, terminal, &paint));
    }
    text.push_str(&hypotheses(report, &paint));
    let missing: Vec<String> = process
        .capabilities
        .iter()
        .filter(|(_, capability)| capability.state != "native")
        .map(|(name, capability)| format!("  {name}: {}, {}\n", capability.state, clean(&capability.because)))
        .collect();
    if !missing.is_empty() {
        let _ = write!(
            text,
            "\n{}\n{}",
            paint.dim("not everything is measured natively here:"),
            missing.concat()
        );
    }
    text.push('\n');
    text.push_str(&paint.dim(&cost(report)));
    text.push('\n');
    text
}

/// What is so, what is not, and what cannot be said; those in a line, for there is nothing to read in them.
fn hypotheses(report: &Report, paint: &Paint) -> String {
    let of = |state: State| report.hypotheses.iter().filter(move |one| one.state == state);
    let mut text = String::new();
    for (title, state) in [("what the numbers support", State::Supported), ("ruled out", State::RuledOut)] {
        if of(state).next().is_some() {
            let _ = writeln!(text, "\n{}", paint.dim(title));
        }
        for one in of(state) {
            let name = format!("{:<20}", clean(&one.name));
            let name = if state == State::Supported { paint.red(&name) } else { name };
            let _ = writeln!(text, "  {name}  {}", clean(&one.because));
        }
    }
    let unknown: Vec<String> = of(State::NotEnoughData).map(|one| clean(&one.name)).collect();
    if !unknown.is_empty() && unknown.len() < report.hypotheses.len() {
        let _ = writeln!(text, "{}", paint.dim(&format!("  not enough data for {}", unknown.join(", "))));
    }
    text
}

pub(crate) fn sentence(report: &Report) -> String {
    match (report.verdict, report.leaks.as_slice()) {
        (Verdict::Leaking, [leak]) => format!("One leak: {} keeps {} per request.", routes(leak), kept(leak)),
        (Verdict::Leaking, leaks) => {
            format!("{} leaks; the largest: {}.", leaks.len(), leaks.first().map(routes).unwrap_or_default())
        }
        (Verdict::Suspect, _) => "Something grows, and no route can be named yet.".to_owned(),
        (Verdict::Clear, _) => "Nothing leaks, as far as the data tell.".to_owned(),
        (Verdict::Learning, _) => "Not enough data yet.".to_owned(),
    }
}

pub(crate) fn routes(leak: &Leak) -> String {
    clean(&leak.routes.join(" or "))
}

pub(crate) fn kept(leak: &Leak) -> String {
    match leak.per_request.unit.as_str() {
        "bytes" => bytes(leak.per_request.value),
        unit => format!("{} {unit}", digits(leak.per_request.value)),
    }
}

fn leak_text(leak: &Leak, paint: &Paint) -> String {
    let amount = match leak.growth.unit.as_str() {
        "bytes" => format!("{} so far, {} an hour", bytes(leak.growth.total), bytes(leak.growth.per_hour)),
        unit => {
            format!("{} {unit} so far, {} an hour", digits(leak.growth.total), digits(leak.growth.per_hour))
        }
    };
    let unit =
        if leak.per_request.unit == "bytes" { String::new() } else { format!(" {}", leak.per_request.unit) };
    let mut text = format!(
        "{} keeps {}{unit} per request\n  kind {}, confidence {}, since {}; {amount}\n",
        paint.red(&routes(leak)),
        estimate(&leak.per_request),
        leak.kind,
        digits(leak.confidence),
        leak.since
    );
    if let Some(ms) = leak.time_to_limit_ms {
        let _ = writeln!(text, "  at this rate the heap limit is reached in {}", duration(number(ms)));
    }
    if let Some(known) = &leak.known {
        let _ = writeln!(text, "  {}", clean(&known.because));
    }
    if let Some(culprit) = &leak.culprit {
        text.push_str(&culprit_text(culprit));
    }
    for evidence in &leak.evidence {
        let _ = writeln!(
            text,
            "  {}, {}: {} over {} observations, {} requests",
            evidence.by,
            clean(&evidence.of),
            estimate(&evidence.per_request),
            evidence.intervals,
            evidence.requests
        );
    }
    text
}

fn culprit_text(culprit: &Culprit) -> String {
    let place = culprit.file.as_ref().map(|file| match culprit.line {
        Some(line) => format!("{file}:{line}"),
        None => file.clone(),
    });
    let parts: Vec<String> =
        [&culprit.package, &culprit.function, &place].into_iter().flatten().map(|part| clean(part)).collect();
    let mut text = String::new();
    if !parts.is_empty() {
        let _ = writeln!(text, "  kept by {}", parts.join(", "));
    }
    if !culprit.retaining_path.is_empty() {
        let _ = writeln!(text, "    {}", clean(&culprit.retaining_path.join(" → ")));
    }
    text
}

fn routes_table(report: &Report, terminal: Terminal, paint: &Paint) -> String {
    let width = usize::from(terminal.width.saturating_sub(BESIDE).max(20));
    let head = ["route", "requests", "p50", "p95", "kept per request", "listeners", "timers"];
    let mut rows = vec![head.iter().map(|title| paint.dim(title)).collect::<Vec<_>>()];
    for route in report.routes.iter().take(ROUTES) {
        let leaks = report.leaks.iter().any(|leak| leak.routes.contains(&route.route));
        let name = shorten(&clean(&route.route), width);
        let name = if leaks { paint.red(&name) } else { name };
        rows.push(route_row(route, name));
    }
    let mut text = table(&rows);
    let legend = "· nothing that can be told from zero   – not enough data";
    let _ = writeln!(text, "  {}", paint.dim(legend));
    if report.routes.len() > ROUTES {
        let _ = writeln!(text, "  and {} more", report.routes.len() - ROUTES);
    }
    text
}

fn route_row(route: &RouteStats, name: String) -> Vec<String> {
    let ms = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), duration);
    let Kept { heap, listeners, timers, .. } = route.kept.clone().unwrap_or_default();
    // An interval that holds zero is no finding, and a table full of them hides the one that is.
    let cell = |value: Option<Estimate>| match value {
        None => "–".to_owned(),
        Some(value) if value.low > 0.0 => estimate(&value),
        Some(_) => "·".to_owned(),
    };
    vec![
        name,
        route.requests.to_string(),
        ms(route.duration_ms.map(|all| all.p50)),
        ms(route.duration_ms.map(|all| all.p95)),
        cell(heap),
        cell(listeners),
        cell(timers),
    ]
}

fn cost(report: &Report) -> String {
    let cost = &report.cost;
    let mut parts = vec![format!("own cost: {}", bytes(number(cost.bytes)))];
    if let Some(ns) = cost.per_request_ns {
        parts.push(format!("{} µs per request", digits(ns / 1_000.0)));
    }
    if let Some(ms) = cost.cpu_ms {
        parts.push(format!("{} of CPU in the background", duration(ms)));
    }
    parts.push(format!(
        "pauses {} in all, {} at most",
        duration(cost.pause_ms.total),
        duration(cost.pause_ms.max)
    ));
    let lost: u64 = cost.dropped.values().sum();
    parts.push(if lost == 0 { "nothing dropped".to_owned() } else { format!("{lost} dropped") });
    parts.join(" · ")
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Output, run};
    use std::fs;

    pub(crate) const REPORT: &str = r#"{"schema":"leakprobe.report/1","process":{"pid":7,"startedAt":"2026-01-01T00:00:00.000Z","uptimeMs":90000,"node":"v20.0.0","service":"mail","capabilities":{"gc":{"state":"native","because":"x"},"freeze":{"state":"absent","because":"not built"}}},
"verdict":"leaking","leaks":[{"id":"1f","route":"GET /mails/:customer","routes":["GET /mails/:customer"],"kind":"unknown","resource":"heap","confidence":0.99,"since":"2026-01-01T00:00:10.000Z","perRequest":{"value":1034,"low":980,"high":1090,"unit":"bytes"},"growth":{"perHour":3600000,"total":80000,"unit":"bytes"},"timeToLimitMs":7200000,
"culprit":{"package":"handlebars","file":"node_modules/handlebars/lib/cache.js","line":12,"function":"remember","retainingPath":["module lib/cache.js","templates (Map)","Template"]},"evidence":[{"by":"floor-regression","of":"heap","perRequest":{"value":1034,"low":980,"high":1090,"unit":"bytes"},"intervals":30,"requests":800}],"known":{"firstAt":"2026-01-01T00:00:10Z","lives":1,"incidents":[],"because":"new since version 1.4.0"}}],"slowdowns":[{"route":"GET /mails/:customer","by":"latency","baselineMs":20,"nowMs":60,"doublingTimeMs":1,"doublingTimeRangeMs":[1,2],"movesWith":"leak:1f","lives":3,"because":"GET /mails/:customer: it doubles every 1.0 h"}],
"hypotheses":[{"name":"gc-pressure","state":"ruled out","because":"collections take 0.8 % of the time, 0.7 % at first","numbers":{"share":0.008}},{"name":"cpu","state":"not enough data","because":"-","numbers":{}},{"name":"js-heap-leak","state":"supported","because":"it rises","numbers":{}}],
"routes":[{"route":"GET /mails/:customer","requests":800,"aborted":0,"upgraded":0,"failed":0,"durationMs":{"count":800,"p50":12.5,"p95":40,"p99":50,"max":60,"mean":15},"threadMs":1,"overlap":1,"heapDelta":1,"allocated":1,"externalDelta":0,"kept":{"heap":{"value":1034,"low":980,"high":1090,"unit":"bytes"}}},
{"route":"GET /\u001b[2J","requests":5,"aborted":0,"upgraded":0,"failed":0,"threadMs":1,"overlap":1,"heapDelta":1,"allocated":1,"externalDelta":0}],
"cost":{"perRequestNs":1500,"cpuMs":120,"bytes":2500000,"freezes":0,"pauseMs":{"max":4,"total":44},"dropped":{"queue":0}}}"#;

    const TEXT: &str = "\
One leak: GET /mails/:customer keeps 1.03 kB per request.
mail · pid 7 · node v20.0.0 · since 2026-01-01T00:00:00.000Z (90.0 s)

GET /mails/:customer keeps 1.03 kB (0.98–1.09) per request
  kind unknown, confidence 0.99, since 2026-01-01T00:00:10.000Z; 80.0 kB so far, 3.60 MB an hour
  at this rate the heap limit is reached in 2.00 h
  new since version 1.4.0
  kept by handlebars, remember, node_modules/handlebars/lib/cache.js:12
    module lib/cache.js → templates (Map) → Template
  floor-regression, heap: 1.03 kB (0.98–1.09) over 30 observations, 800 requests

slower with the age of the process
  GET /mails/:customer: it doubles every 1.0 h; it moves with leak:1f

  route                 requests      p50      p95     kept per request  listeners  timers
  GET /mails/:customer       800  12.5 ms  40.0 ms  1.03 kB (0.98–1.09)          –       –
  GET /\u{fffd}[2J                    5        –        –                    –          –       –
  · nothing that can be told from zero   – not enough data

what the numbers support
  js-heap-leak          it rises

ruled out
  gc-pressure           collections take 0.8 % of the time, 0.7 % at first
  not enough data for cpu

not everything is measured natively here:
  freeze: absent, not built

own cost: 2.50 MB · 1.50 µs per request · 120 ms of CPU in the background · pauses 44.0 ms in all, 4.00 ms at most · nothing dropped
";

    fn command(words: &[&str]) -> Output {
        let args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        run(&args, Terminal { width: 120, color: false }, None)
    }

    #[test]
    fn a_report_is_a_page_of_text() {
        let directory = tempfile::tempdir().unwrap();
        let service = directory.path().join("mail");
        fs::create_dir(&service).unwrap();
        fs::write(service.join("report.json"), REPORT).unwrap();
        for place in [directory.path(), service.as_path()] {
            let output = command(&["report", place.to_str().unwrap()]);
            assert_eq!(output.stderr, "");
            assert_eq!((output.code, output.stdout.as_str()), (0, TEXT));
        }
        let json = command(&["report", service.to_str().unwrap(), "--json"]);
        assert_eq!(json.stdout.trim_end(), REPORT);
    }

    #[test]
    fn nothing_there_and_damage_are_told_with_the_place() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().to_str().unwrap();
        assert_eq!(
            command(&["report", place]).stderr,
            format!("leakprobe: no report.json in {place} nor one level below\n")
        );
        fs::write(directory.path().join("report.json"), &REPORT[..500]).unwrap();
        let damaged = command(&["report", place]);
        assert_eq!(damaged.code, 1);
        assert!(
            damaged.stderr.contains("report.json: EOF while parsing") && damaged.stderr.contains("line 2"),
            "{}",
            damaged.stderr
        );
        assert_eq!(command(&["report", "/nowhere/at/all"]).code, 1);
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let report: Report = serde_json::from_str(REPORT).unwrap();
        let text = render(&report, Terminal { width: 120, color: true });
        assert!(text.contains("\u{1b}[1;31mGET /mails/:customer\u{1b}[0m"));
        assert!(!text.contains("\u{1b}[2J"), "a name must not reach the terminal as a command");
    }
}
