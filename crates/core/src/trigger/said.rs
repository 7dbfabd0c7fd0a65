//! What conditions and their values are called in sentences.

use super::rule::Condition;
use super::verdict::Look;

/// What each condition says, in one sentence; `of` is the route's name, where there is one.
pub(super) fn because<'a>(of: Option<&str>, looks: impl Iterator<Item = (&'a Condition, Look)>) -> String {
    let looks: Vec<(&Condition, Look)> = looks.collect();
    let several = looks.len() > 1;
    let whose = |condition: &Condition| match of.filter(|_| condition.of_routes()) {
        Some(name) if several => format!("{name}: {} ", condition.name()),
        Some(name) => format!("{name}: "),
        None if several => format!("{} ", condition.name()),
        None => String::new(),
    };
    let said: Vec<String> = looks
        .iter()
        .map(|(condition, look)| format!("{}{}", whose(condition), compared(condition, *look)))
        .collect();
    said.join("; ")
}

/// That other routes hold, too.
pub(super) fn others(count: u32) -> String {
    match count {
        0 => String::new(),
        1 => "; so does 1 other route".to_owned(),
        count => format!("; so do {count} other routes"),
    }
}

fn compared(condition: &Condition, look: Look) -> String {
    match (look, condition) {
        (Look::NotEnough(why), _) => format!("not enough data: {why}"),
        (Look::Absent(why), _) => format!("no readings: {why}"),
        (Look::Value { value, threshold }, Condition::Slowdown { .. }) if value.is_infinite() => {
            format!("does not get slower, against doubling within {}", span(threshold))
        }
        (Look::Value { value, threshold }, Condition::Slowdown { .. }) => {
            format!("doubles every {}, against within {}", span(value), span(threshold))
        }
        (Look::Value { value, threshold }, Condition::Leak { .. }) => {
            if value > 0.0 {
                format!("a leak is reported with confidence {value:.2}, against {threshold:.2}")
            } else {
                "no such leak is reported".to_owned()
            }
        }
        (Look::Value { value, .. }, Condition::HeapLimit) => {
            if value > 0.0 {
                "the heap is at its limit".to_owned()
            } else {
                "the heap is not at its limit".to_owned()
            }
        }
        (Look::Value { value, threshold }, _) => {
            let grown =
                if matches!(condition.limit(), Some(super::Limit::Grows { .. })) { "grown by " } else { "" };
            let of_what = match condition {
                Condition::Latency { above_ms, times_baseline: Some(times), .. }
                    if *above_ms != Some(threshold) =>
                {
                    format!(", {} times its baseline", rounded(*times))
                }
                _ => String::new(),
            };
            format!("{grown}{} against {}{of_what}", amount(value, condition), amount(threshold, condition))
        }
    }
}

/// A value of a condition with its unit.
pub(super) fn amount(value: f64, condition: &Condition) -> String {
    match condition.unit() {
        "share" => format!("{} %", rounded(value * 100.0)),
        "bytes" => bytes(value),
        "ms" => format!("{} ms", rounded(value)),
        unit => format!("{value:.0} {unit}"),
    }
}

/// Bytes in steps of 1 000.
fn bytes(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{} GB", rounded(value / 1e9)),
        value if value >= 1e6 => format!("{} MB", rounded(value / 1e6)),
        value if value >= 1e3 => format!("{} kB", rounded(value / 1e3)),
        value => format!("{value:.0} B"),
    }
}

/// Milliseconds as a person says them.
pub(super) fn span(ms: f64) -> String {
    let (size, unit) = match ms {
        ms if ms >= 172_800_000.0 => (ms / 86_400_000.0, "days"),
        ms if ms >= 7_200_000.0 => (ms / 3_600_000.0, "h"),
        ms if ms >= 120_000.0 => (ms / 60_000.0, "min"),
        ms if ms >= 1_000.0 => (ms / 1_000.0, "s"),
        ms => (ms, "ms"),
    };
    let text = format!("{size:.1}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// Three digits are enough for a sentence.
fn rounded(value: f64) -> String {
    if value.abs() >= 100.0 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.2}");
    text.strip_suffix(".00").unwrap_or(&text).to_owned()
}
