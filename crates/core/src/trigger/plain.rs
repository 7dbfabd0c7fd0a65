//! A rule in plain words, for `leakprobe rules check`: whoever wrote it sees what it will do.

use super::rule::{Action, Condition, Limit, Trigger, When};
use super::said::{amount, span};
use crate::number;

/// Rows of a heading and a text: `when`, `routes`, `for`, `then`, `limits`.
pub fn plain_words(rule: &Trigger) -> Vec<(&'static str, String)> {
    let mut rows = vec![("when", when(&rule.when, rule, false))];
    if rule.when.conditions().into_iter().any(Condition::of_routes) {
        rows.push(("routes", routes(rule)));
    }
    let lasting = if rule.for_ms == 0 {
        "at once".to_owned()
    } else {
        format!("{} without a break", span(number(rule.for_ms)))
    };
    let young = if rule.warm_up_ms == 0 {
        String::new()
    } else {
        format!("; not in the first {} of the process", span(number(rule.warm_up_ms)))
    };
    rows.push(("for", format!("{lasting}{young}")));
    rows.push(("then", then(rule)));
    rows.push(("limits", limits(rule)));
    rows
}

fn when(when: &When, rule: &Trigger, nested: bool) -> String {
    let (word, several) = match when {
        When::One(condition) => return one(condition, rule),
        When::All { all } => (" and ", all),
        When::Any { any } => (" or ", any),
    };
    let parts: Vec<String> = several.iter().map(|part| self::when(part, rule, true)).collect();
    let text = parts.join(word);
    if nested { format!("({text})") } else { text }
}

fn one(condition: &Condition, rule: &Trigger) -> String {
    let span_of =
        |min: u64| format!("{min} requests or more in the last {}", span(number(rule.for_ms.max(1_000))));
    match condition {
        Condition::Latency { quantile, above_ms, times_baseline, min_requests, running } => {
            let number_of = above_ms.map(|above| format!("{} ms", trimmed(above)));
            let baseline = times_baseline.map(|times| format!("{} times its own baseline", trimmed(times)));
            let against: Vec<String> = number_of.into_iter().chain(baseline).collect();
            let alive = if *running { ", those that still run included" } else { "" };
            let which = trimmed(quantile * 100.0);
            format!(
                "a route's p{which} is above {} ({}{alive})",
                against.join(" and above "),
                span_of(*min_requests)
            )
        }
        Condition::Slowdown { doubles_within_ms } => {
            format!("a route is reported as a slowdown that doubles within {}", span(*doubles_within_ms))
        }
        Condition::Running { above_ms, count: 1 } => {
            format!("a request of a route has run for {} without a response", span(*above_ms))
        }
        Condition::Running { above_ms, count } => {
            format!("{count} requests of a route have run for {} without a response", span(*above_ms))
        }
        Condition::Errors { above_share, min_requests } => {
            let share = trimmed(above_share * 100.0);
            format!("more than {share} % of a route's requests fail ({})", span_of(*min_requests))
        }
        Condition::Leak { min_confidence, kind, limit_within_ms } => {
            let kind = kind.as_ref().map_or(String::new(), |kind| format!(" of kind {kind}"));
            let sure = if *min_confidence > 0.0 {
                format!(" with a confidence of {} or more", trimmed(*min_confidence))
            } else {
                String::new()
            };
            let soon = limit_within_ms.map_or_else(String::new, |ms| {
                format!(" and reaches the heap limit within {} at its rate", span(ms))
            });
            format!("a leak{kind} of a route is reported{sure}{soon}")
        }
        Condition::HeapLimit => "V8 is about to give up at its heap limit".to_owned(),
        Condition::Stall { above_ms } => format!("the event loop has not turned for {}", span(*above_ms)),
        Condition::Heap { .. } => {
            of_process("used heap, as a share of V8's or the cgroup's limit,", condition)
        }
        Condition::Cgroup { .. } => of_process("memory of the cgroup, as a share of its limit,", condition),
        Condition::Floor(_) => of_process("the heap after a full collection", condition),
        Condition::Rss(_) => of_process("resident memory", condition),
        Condition::Listeners(_) => of_process("the number of listeners on shared emitters", condition),
        Condition::Timers(_) => of_process("the number of live timers", condition),
        Condition::Handles(_) => of_process("the number of open handles", condition),
        Condition::Descriptors(_) => of_process("the number of open descriptors", condition),
        Condition::InFlight(_) => of_process("the number of requests in flight", condition),
    }
}

fn of_process(what: &str, condition: &Condition) -> String {
    let size = |value: f64| match condition.unit() {
        "bytes" | "share" => amount(value, condition),
        _ => trimmed(value),
    };
    match condition.limit() {
        Some(Limit::Grows { by, within_ms }) => {
            format!("{what} has grown by more than {} within {}", size(by), span(number(within_ms)))
        }
        Some(Limit::Above(threshold)) => format!("{what} is above {}", size(threshold)),
        None => what.to_owned(),
    }
}

fn routes(rule: &Trigger) -> String {
    let which = if rule.routes.is_empty() { "every route".to_owned() } else { rule.routes.join(", ") };
    if rule.except_routes.is_empty() {
        which
    } else {
        format!("{which}; not {}", rule.except_routes.join(", "))
    }
}

fn then(rule: &Trigger) -> String {
    let alarms = rule
        .alarms
        .as_ref()
        .map_or_else(|| "every alarm is told".to_owned(), |names| format!("told is {}", names.join(" and ")));
    let said = |action: &Action| match action {
        Action::Record => "an incident is written",
        Action::ShadowCollection => "a shadow is asked for stack, floor and walk",
        Action::HeapSnapshot => "a heap snapshot is taken",
        Action::HeapSamples => "the sampling heap profiler runs for ten minutes",
        Action::CpuProfile => "the CPU profiler runs for some seconds",
        Action::Webhook => alarms.as_str(),
        Action::AdviseRestart => "a restart is advised",
    };
    if rule.actions.is_empty() {
        return "nothing: it is counted in the stats".to_owned();
    }
    rule.actions.iter().map(said).collect::<Vec<_>>().join(", ")
}

fn limits(rule: &Trigger) -> String {
    let times = |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times") };
    let mut text = format!("{} in an hour", times(rule.max_per_hour));
    if let Some(limit) = rule.max_trips {
        text = format!("{text}, {} in {}", times(limit.count), span(number(limit.per_ms)));
    }
    if rule.cooldown_ms > 0 {
        text = format!("{text}, {} apart", span(number(rule.cooldown_ms)));
    }
    format!("at most {text}; armed again at {} % of the threshold", trimmed(rule.clear_ratio * 100.0))
}

/// A number as short as it is exact to three places.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
