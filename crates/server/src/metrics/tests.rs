//! The metrics of a made-up process.

use super::*;
use leakprobe_core::event::{Event, GcKind, GcRecord, Nanos, Outcome, RequestRecord, TickReading};
use leakprobe_core::memory_map::{MemoryMap, Part};
use leakprobe_core::report::Cost;
use leakprobe_core::stats::EventLoop;
use leakprobe_core::{Config, Monitor, ProcessIdentity};
use std::collections::{BTreeMap, BTreeSet};

fn exported() -> Exported {
    let config = Config {
        max_routes: 10,
        window_ms: 1_000,
        warm_up_ms: 0,
        tick_ms: 250,
        forced_floors: false,
        series: false,
        triggers: Vec::new(),
    };
    let mut monitor = Monitor::new(config, Nanos(0), 0);
    let route = monitor.intern("GET /mails/:customer");
    monitor.observe(&Event::Requests(Box::new([RequestRecord {
        route,
        outcome: Outcome::Finished,
        status: 200,
        ended: Nanos(0),
        duration_ns: 30_000_000,
        thread_ns: 0,
        overlap: 1.0,
        heap_delta: 0,
        allocated: 0,
        external_delta: 0,
    }])));
    monitor.observe(&Event::Tick(Box::new(TickReading { heap_used: 5_000_000, ..TickReading::default() })));
    monitor.observe(&Event::Gc(GcRecord {
        kind: GcKind::Major,
        ended: Nanos(1),
        pause_ns: 2_000_000,
        heap_before: None,
        heap_after: 4_000_000,
        external_after: 0,
    }));
    let process = serde_json::json!({ "rss": 90_000_000, "cpuMs": 1_500, "cgroup": { "memoryUsage": 7 } });
    let identity = ProcessIdentity {
        pid: 1,
        started_at: String::new(),
        uptime_ms: 1,
        node: "v24.0.0".to_owned(),
        service: "mails".to_owned(),
        capabilities: BTreeMap::new(),
    };
    let mut stats = monitor.stats(Nanos(2_000_000_000), Some(process), Cost::default());
    let part = Part { name: "stacks".to_owned(), bytes: 9 };
    stats.memory_map = Some(MemoryMap { at: String::new(), parts: vec![part] });
    stats.event_loop = Some(EventLoop { silent_ms: 1_250.0 });
    let (routes, more_routes) = monitor.counters();
    Exported { report: monitor.report(identity, Cost::default()), stats, routes, more_routes }
}

#[test]
fn every_number_is_in_base_units_and_families_come_once() {
    let text = write(&exported(), Format::Prometheus);

    for line in [
        "leakprobe_http_requests_total{route=\"GET /mails/:customer\",outcome=\"finished\"} 1",
        "leakprobe_http_request_duration_seconds_bucket{route=\"GET /mails/:customer\",le=\"0.05\"} 1",
        "leakprobe_http_request_duration_seconds_sum{route=\"GET /mails/:customer\"} 0.03",
        "leakprobe_verdict{verdict=\"learning\"} 1",
        "leakprobe_hypothesis{hypothesis=\"cpu\",state=\"not enough data\"} 1",
        "leakprobe_heap_used_bytes 5000000",
        "leakprobe_heap_floor_bytes 4000000",
        "leakprobe_gc_pause_seconds_total 0.002",
        "leakprobe_event_loop_silent_seconds 1.25",
        "leakprobe_memory_map_bytes{part=\"stacks\"} 9",
        "process_resident_memory_bytes 90000000",
        "process_cpu_seconds_total 1.5",
        "leakprobe_cgroup_memory_bytes{state=\"used\"} 7",
        "leakprobe_info{service=\"mails\",node=\"v24.0.0\",version=\"0.1.0\"} 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    let families: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    assert_eq!(families.iter().collect::<BTreeSet<_>>().len(), families.len(), "{families:?}");
}

#[test]
fn both_formats_have_the_same_samples() {
    let all = exported();
    let samples = |format| {
        let text = write(&all, format);
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(samples(Format::Prometheus), samples(Format::OpenMetrics));
}
