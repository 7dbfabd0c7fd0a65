//! What was concluded: verdict, leaks, slowdowns, hypotheses.

use super::number;
use super::text::Text;
use leakprobe_core::hypothesis::State;
use leakprobe_core::report::{Report, Verdict};
use std::collections::BTreeSet;

const VERDICTS: [(Verdict, &str); 4] = [
    (Verdict::Leaking, "leaking"),
    (Verdict::Suspect, "suspect"),
    (Verdict::Clear, "clear"),
    (Verdict::Learning, "learning"),
];
const STATES: [(State, &str); 3] = [
    (State::RuledOut, "ruled out"),
    (State::Supported, "supported"),
    (State::NotEnoughData, "not enough data"),
];

pub(super) fn write(text: &mut Text, report: &Report) {
    let process = &report.process;
    text.gauge("leakprobe_info", "What is watched, by what: always 1.").sample(
        &[("service", &process.service), ("node", &process.node), ("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
    let mut family = text.gauge("leakprobe_verdict", "The conclusion: 1 for the one that holds.");
    for (verdict, name) in VERDICTS {
        family.sample(&[("verdict", name)], f64::from(u8::from(report.verdict == verdict)));
    }
    leaks(text, report);
    let mut family = text.gauge(
        "leakprobe_slowdown_ratio",
        "How many times slower a route is than at low age of the process; only those that get slower.",
    );
    for slow in &report.slowdowns {
        family.sample(&[("route", &slow.route)], slow.now_ms / slow.baseline_ms);
    }
    let mut family =
        text.gauge("leakprobe_slowdown_doubling_seconds", "In what time that doubles at the present trend.");
    for slow in &report.slowdowns {
        family.sample(&[("route", &slow.route)], slow.doubling_time_ms / 1e3);
    }
    let mut family = text.gauge(
        "leakprobe_hypothesis",
        "What the usual suspects were judged to be: 1 for the state that holds.",
    );
    for judged in &report.hypotheses {
        for (state, name) in STATES {
            family.sample(
                &[("hypothesis", &judged.name), ("state", name)],
                f64::from(u8::from(judged.state == state)),
            );
        }
    }
}

fn leaks(text: &mut Text, report: &Report) {
    // A group of routes that cannot be told apart is one leak: named by its first.
    let mut seen = BTreeSet::new();
    let leaks: Vec<_> = report
        .leaks
        .iter()
        .filter(|leak| seen.insert((leak.route.as_str(), leak.kind.as_str(), leak.resource.as_str())))
        .map(|leak| {
            (leak, [("route", leak.route.as_str()), ("kind", &leak.kind), ("resource", &leak.resource)])
        })
        .collect();
    let mut family = text
        .gauge("leakprobe_leak_confidence", "Leaks that are reported, with their confidence from 0 to 0.99.");
    for (leak, labels) in &leaks {
        family.sample(labels, leak.confidence);
    }
    let mut family = text.gauge(
        "leakprobe_leak_kept_per_request",
        "What a request of the leaking route keeps: bytes, or what `resource` counts.",
    );
    for (leak, labels) in &leaks {
        family.sample(labels, leak.per_request.value);
    }
    let mut family = text.gauge(
        "leakprobe_leak_growth_per_hour",
        "What the leak grows by in an hour at the observed traffic; in the same unit.",
    );
    for (leak, labels) in &leaks {
        family.sample(labels, leak.growth.per_hour);
    }
    let mut family =
        text.gauge("leakprobe_leak_time_to_limit_seconds", "Time until the heap limit at that rate.");
    for (leak, labels) in &leaks {
        family.known(labels, leak.time_to_limit_ms.map(|ms| number(ms) / 1e3));
    }
}
