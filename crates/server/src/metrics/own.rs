//! The probe itself: what it is, what it costs, what its triggers do.

use super::number;
use super::text::Text;
use leakprobe_core::Stats;

const TRIGGER_STATES: [&str; 8] = [
    "warming up",
    "armed",
    "waiting",
    "tripped",
    "cooling down",
    "throttled",
    "out of budget",
    "unavailable",
];

pub(super) fn write(text: &mut Text, stats: &Stats) {
    let cost = &stats.cost;
    text.gauge(
        "leakprobe_own_request_seconds",
        "Time of the probe on the app thread per request, as measured lately.",
    )
    .known(&[], cost.per_request_ns.map(|ns| ns / 1e9));
    text.counter("leakprobe_own_cpu_seconds", "CPU time of the probe's threads.")
        .known(&[], cost.cpu_ms.map(|ms| ms / 1e3));
    text.gauge("leakprobe_own_memory_bytes", "Memory of the probe, by its own accounting.")
        .sample(&[], number(cost.bytes));
    text.counter("leakprobe_freezes", "Shadows made.").sample(&[], number(cost.freezes));
    text.counter("leakprobe_pause_seconds", "Time the app stood still for the probe.")
        .sample(&[], cost.pause_ms.total / 1e3);
    text.gauge("leakprobe_pause_max_seconds", "The longest of these pauses.")
        .sample(&[], cost.pause_ms.max / 1e3);
    if let Some(budget) = &cost.budget {
        text.counter("leakprobe_shadow_cpu_seconds", "CPU time of all shadows.")
            .sample(&[], budget.shadow_cpu_ms / 1e3);
        let mut family = text.gauge(
            "leakprobe_budget_freezes",
            "Shadows in the last hour, and how many triggers may ask for.",
        );
        family.sample(&[("state", "used")], budget.freezes_per_hour.used);
        family.sample(&[("state", "limit")], budget.freezes_per_hour.limit);
        let mut family = text
            .gauge("leakprobe_budget_pause_seconds", "Pauses for shadows in the last hour, and their limit.");
        family.sample(&[("state", "used")], budget.pause_ms_per_hour.used / 1e3);
        family.sample(&[("state", "limit")], budget.pause_ms_per_hour.limit / 1e3);
    }
    let mut family = text.counter(
        "leakprobe_dropped",
        "What was lost, by queue, and failures of the probe's own, by what was done.",
    );
    for (what, count) in &cost.dropped {
        family.sample(&[("what", what)], number(*count));
    }
    let mut family =
        text.gauge("leakprobe_trigger_state", "What a trigger does: 1 for the state that holds.");
    for trigger in &stats.triggers {
        for state in TRIGGER_STATES {
            let holds = f64::from(u8::from(trigger.state == state));
            family.sample(&[("trigger", &trigger.name), ("state", state)], holds);
        }
    }
    let mut family = text.counter("leakprobe_trigger_trips", "Trips of a trigger.");
    for trigger in &stats.triggers {
        family.sample(&[("trigger", &trigger.name)], number(trigger.trips));
    }
}
