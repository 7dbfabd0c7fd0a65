//! The process: memory, collections, event loop, and what `/proc` and the cgroup say.

use super::number;
use super::text::Text;
use leakprobe_core::Stats;
use serde_json::Value;

pub(super) fn write(text: &mut Text, stats: &Stats) {
    heap(text, stats);
    loop_and_requests(text, stats);
    let process = stats.process.as_ref().unwrap_or(&Value::Null);
    let read = |path: &str| process.pointer(path).and_then(Value::as_f64);
    text.gauge("process_resident_memory_bytes", "Resident memory.").known(&[], read("/rss"));
    text.counter("process_cpu_seconds", "CPU time of the process.")
        .known(&[], read("/cpuMs").map(|ms| ms / 1e3));
    text.gauge("process_open_fds", "Open file descriptors.").known(&[], read("/descriptors"));
    text.gauge("leakprobe_process_threads", "Threads.").known(&[], read("/threads"));
    text.gauge("leakprobe_process_swap_bytes", "Memory that is swapped out.").known(&[], read("/swap"));
    text.gauge(
        "leakprobe_process_private_native_bytes",
        "Anonymous memory that neither V8's heap nor external memory takes.",
    )
    .known(&[], read("/privateNative"));
    let mut family = text
        .gauge("leakprobe_memory_map_bytes", "What resident memory consists of, by part; the parts add up.");
    for part in stats.memory_map.iter().flat_map(|map| &map.parts) {
        family.sample(&[("part", &part.name)], number(part.bytes));
    }
    let mut family =
        text.counter("leakprobe_process_page_faults", "Page faults, without and with reading a disk.");
    family.known(&[("kind", "minor")], read("/minorFaults"));
    family.known(&[("kind", "major")], read("/majorFaults"));
    let mut family = text.gauge(
        "leakprobe_process_malloc_bytes",
        "Memory that malloc has given out, and that it holds besides.",
    );
    family.known(&[("state", "used")], read("/mallocUsed"));
    family.known(&[("state", "free")], read("/mallocFree"));
    text.counter("leakprobe_app_thread_cpu_seconds", "CPU time of the app thread.")
        .known(&[], read("/appThreadCpuMs").map(|ms| ms / 1e3));
    text.counter("leakprobe_app_thread_queued_seconds", "Time the app thread was ready, but had no CPU.")
        .known(&[], read("/appThreadQueuedMs").map(|ms| ms / 1e3));
    let mut family =
        text.gauge("leakprobe_cgroup_memory_bytes", "Memory of the cgroup, and its limit where it has one.");
    family.known(&[("state", "used")], read("/cgroup/memoryUsage"));
    family.known(&[("state", "limit")], read("/cgroup/memoryLimit"));
    text.counter("leakprobe_cgroup_throttled_seconds", "Time in which the cgroup was kept from the CPU.")
        .known(&[], read("/cgroup/throttledMs").map(|ms| ms / 1e3));
}

fn heap(text: &mut Text, stats: &Stats) {
    if let Some(heap) = &stats.heap {
        text.gauge("leakprobe_heap_used_bytes", "V8's used heap, garbage included.")
            .sample(&[], number(heap.used));
        text.gauge("leakprobe_heap_size_bytes", "V8's heap with what is free in it.")
            .sample(&[], number(heap.total));
        text.gauge("leakprobe_heap_limit_bytes", "V8's heap limit.").sample(&[], number(heap.limit));
        let help =
            "What may be live: V8's heap limit without the young generation's room, once that is measured.";
        text.gauge("leakprobe_heap_live_limit_bytes", help).sample(&[], number(heap.live_limit));
        text.gauge("leakprobe_external_bytes", "Memory outside V8's heap that its objects hold.")
            .sample(&[], number(heap.external));
        text.gauge("leakprobe_array_buffers_bytes", "Of it, that of ArrayBuffers and Buffers.")
            .known(&[], heap.array_buffers.map(number));
        let mut count =
            |name, help, value: Option<u32>| text.gauge(name, help).known(&[], value.map(f64::from));
        count("leakprobe_listeners", "Listeners on shared emitters and on process.", heap.listeners);
        count("leakprobe_timers", "Live timers.", heap.timers);
        count("leakprobe_handles", "Open handles.", heap.handles);
        count("leakprobe_global_keys", "Own keys of globalThis.", heap.global_keys);
    }
    text.gauge("leakprobe_heap_floor_bytes", "Used heap after the app's last major collection.")
        .known(&[], stats.gc.floor.map(number));
    let mut family = text.counter("leakprobe_gc_collections", "Collections.");
    family.sample(&[("kind", "minor")], number(stats.gc.minor));
    family.sample(&[("kind", "major")], number(stats.gc.major));
    text.counter("leakprobe_gc_pause_seconds", "Time the app stood still for collections.")
        .sample(&[], stats.gc.pause_ms / 1e3);
    text.gauge("leakprobe_gc_pause_max_seconds", "The longest of these pauses since the start.")
        .sample(&[], stats.gc.max_pause_ms / 1e3);
}

fn loop_and_requests(text: &mut Text, stats: &Stats) {
    text.gauge(
        "leakprobe_event_loop_silent_seconds",
        "Time since the event loop last turned; below 0.25 in a healthy process.",
    )
    .known(&[], stats.event_loop.map(|turn| turn.silent_ms / 1e3));
    text.gauge("leakprobe_requests_in_flight", "Requests that run.")
        .sample(&[], f64::from(stats.in_flight.count));
    text.gauge("leakprobe_oldest_request_seconds", "Age of the oldest of them.")
        .sample(&[], stats.in_flight.oldest_ms / 1e3);
    text.gauge("leakprobe_uptime_seconds", "Time since the probe's start.")
        .sample(&[], number(stats.uptime_ms) / 1e3);
}
