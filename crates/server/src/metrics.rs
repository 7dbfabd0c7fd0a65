//! `/metrics`: the text formats of Prometheus and OpenMetrics.
//!
//! **Invariant:** the label sets are bounded: routes by [`leakprobe_core::counters::COUNTED_ROUTES`], everything else by what the
//! configuration names or by a fixed list. No label has a value that a client chose, but for a route's name where the app makes it
//! of one.

mod judged;
mod negotiate;
mod own;
mod process;
mod routes;
mod text;

use crate::limits::WAIT;
use hyper::body::Bytes;
use leakprobe_recorder::{Exported, Reader};

pub(crate) use negotiate::negotiate;
pub(crate) use text::Format;
use text::Text;

/// All metrics as of now; `None` when the recorder is busy.
pub(crate) fn metrics(reader: &Reader, format: Format) -> Option<Bytes> {
    Some(Bytes::from(write(&reader.exported(WAIT)?, format)))
}

fn write(all: &Exported, format: Format) -> String {
    let mut text = Text::new(format);
    routes::write(&mut text, &all.routes, all.more_routes);
    judged::write(&mut text, &all.report);
    process::write(&mut text, &all.stats);
    own::write(&mut text, &all.stats);
    text.end()
}

/// A count as a value.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes stay below 2^53")]
fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests;
