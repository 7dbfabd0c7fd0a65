//! Recorded floors, judged as they came: one JSON object a line with `at` (ns), `heap`, `ext` and `counts` by route.

use leakprobe_core::attribution::{Attribution, judge};
use leakprobe_core::event::Mark;
use leakprobe_core::observation::Floor;
use leakprobe_core::route_table::RouteTable;
use leakprobe_core::{Nanos, RouteId};

/// Prints each verdict over the recorded floors, and what every route keeps at the end.
pub(crate) fn replay(file: &str) {
    let Ok(text) = std::fs::read_to_string(file) else {
        println!("{file} cannot be read");
        return;
    };
    let mut routes = RouteTable::new(500);
    for route in 1..100 {
        routes.intern(&route.to_string());
    }
    let mut attribution = Attribution::new(0, 0, false);
    let mut ended: Vec<u64> = Vec::new();
    let mut begin = None;
    let rows = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    for (id, row) in (0..).zip(rows) {
        let whole = |name: &str| row.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let empty = Vec::new();
        let counts = row.get("counts").and_then(serde_json::Value::as_array).unwrap_or(&empty);
        for (route, count) in counts.iter().enumerate() {
            ended.resize(ended.len().max(route + 1), 0);
            let count = count.as_u64().unwrap_or(0);
            for _ in ended[route]..count {
                attribution.finished(
                    RouteId(u16::try_from(route).unwrap_or(0)),
                    Nanos(row.get("at").and_then(serde_json::Value::as_u64).unwrap_or(0)),
                );
            }
            ended[route] = count;
        }
        let at = whole("at");
        let since = (at - *begin.get_or_insert(at)) / 1_000_000;
        attribution.marked(Mark { id, at: Nanos(at), in_flight: 0 });
        attribution.floor(&Floor {
            mark: id,
            heap_used: whole("heap"),
            external: whole("ext"),
            ..Floor::default()
        });
        let findings = judge(&attribution, &routes, None, 4e-3, |_| String::new());
        let kept: Vec<String> = findings
            .kept
            .iter()
            .filter_map(|(route, kept)| {
                let heap = kept.heap.as_ref()?;
                Some(format!("{}: {:.0} ({:.0}-{:.0})", routes.name(*route), heap.value, heap.low, heap.high))
            })
            .collect();
        let leaks: Vec<String> = findings
            .leaks
            .iter()
            .map(|leak| {
                let kept = &leak.per_request;
                let rows = leak.evidence.first().map_or(0, |evidence| evidence.intervals);
                format!(
                    "{:?} {} {:.0} ({:.0}-{:.0}) rows {rows}",
                    leak.routes, leak.resource, kept.value, kept.low, kept.high
                )
            })
            .collect();
        println!("{since:>6} ms {:>10} | {} | {}", whole("heap"), leaks.join("; "), kept.join(", "));
    }
}
