//! Suspicious shapes: what a reader of an analysis should look at first, each in one sentence with its number.

use crate::analysis::{Gathering, Totals};
use crate::census::Census;
use crate::watched::Watched;
use serde::Serialize;

/// Listeners of one emitter for one event: ten times what makes Node itself warn.
const LISTENERS: u64 = 100;
/// Timers of one function.
const TIMERS: u64 = 100;
/// Promises that somebody waits for.
const PROMISES: u64 = 1_000;
/// Share of the heap that one place holds, or that array buffers or one string's copies take.
const SHARE: f64 = 0.2;
/// The same of copies of one string.
const STRING_SHARE: f64 = 0.1;

/// Something suspicious.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// `listeners`, `collection`, `timers`, `promises`, `array-buffers`, `strings`, `realms` or `watched-requests`.
    pub shape: &'static str,
    /// One sentence with the number.
    pub because: String,
    /// Objects.
    pub count: u64,
    /// Bytes, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

pub(crate) fn shapes(
    totals: &Totals,
    gathering: &[Gathering],
    census: &Census,
    watched: &[Watched],
) -> Vec<Shape> {
    let mut found = Vec::new();
    let mut push = |shape, because, count, bytes| found.push(Shape { shape, because, count, bytes });
    for row in watched {
        let of = row.route.as_ref().map(|route| format!(" of {route}")).unwrap_or_default();
        let because = format!(
            "{} watched requests{of} have ended and are kept: {}",
            row.count,
            row.retaining_path.join(" → ")
        );
        push("watched-requests", because, row.count, None);
    }
    for row in gathering.iter().filter(|row| share(row.bytes, totals.bytes) >= SHARE) {
        let place = row.place().map(|place| format!(", {place}")).unwrap_or_default();
        let percent = share(row.bytes, totals.bytes) * 100.0;
        let because =
            format!("one place holds {percent:.0} % of the heap: {} × {}{place}", row.count, row.class);
        push("collection", because, row.count, Some(row.bytes));
    }
    for row in census.listeners.iter().filter(|row| row.count >= LISTENERS) {
        let place = row.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
        let because = format!(
            "{} listeners for `{}` on one {}: {}{place}",
            row.count, row.event, row.emitter, row.function
        );
        push("listeners", because, row.count, None);
    }
    for row in census.timers.iter().filter(|row| row.count >= TIMERS) {
        let place = row.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
        push("timers", format!("{} timers call {}{place}", row.count, row.function), row.count, None);
    }
    if census.promises.awaited >= PROMISES {
        let because = format!("{} promises are pending and waited for", census.promises.awaited);
        push("promises", because, census.promises.awaited, None);
    }
    if share(census.array_buffer_bytes, totals.bytes) >= SHARE {
        let percent = share(census.array_buffer_bytes, totals.bytes) * 100.0;
        let because = format!("array buffers are {percent:.0} % of all bytes");
        push("array-buffers", because, 0, Some(census.array_buffer_bytes));
    }
    if let Some(row) = census.strings.first().filter(|row| share(row.wasted, totals.bytes) >= STRING_SHARE) {
        push("strings", format!("one string is there {} times", row.count), row.count, Some(row.wasted));
    }
    if census.realms > 1 {
        push(
            "realms",
            format!("{} realms: contexts of `vm` that are kept", census.realms),
            census.realms,
            None,
        );
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}
