//! What a listener or a timer holds, as walks saw it: for a leak that is counted, where no floor is sure of its bytes.

use super::timeline::Point;
use super::{Attribution, Resource, Share};
use crate::event::RouteId;
use crate::number;
use crate::observation::Kind;

/// Fewer that were added between two walks may be others'.
const LEAST_ADDED: f64 = 20.0;
/// The walks' count and the leak's may differ by this factor: not all of a kind are counted, and some are Node's own.
const ALIKE: f64 = 2.0;

/// The share of a counted resource in bytes: times what each that was added between the first walk and the last holds. `None` without
/// two walks, or where no holder of that kind grew as much as the routes' requests say. The interval is that of the count.
pub(crate) fn in_bytes(attribution: &Attribution, resource: Resource, share: &Share) -> Option<Share> {
    let kind = match resource {
        Resource::Listeners => Kind::Listener,
        Resource::Timers => Kind::Timer,
        _ => return None,
    };
    let mut walked = attribution.exact.points().filter(|point| point.holders.is_some());
    let (first, last) = (walked.next()?, walked.next_back()?);
    let expected = share.interval.value * requests(&share.routes, first, last);
    let grown = |signature: u64| {
        let level = |point: &Point| {
            point.holder(signature).map_or((0.0, 0.0), |held| (number(held.count), number(held.bytes)))
        };
        let (before, after) = (level(first), level(last));
        (after.0 - before.0, after.1 - before.1)
    };
    let of_kind = attribution.holders.all().filter(|holder| holder.kind == kind);
    let (count, bytes) = of_kind
        .map(|holder| grown(holder.signature))
        .filter(|(count, _)| *count >= LEAST_ADDED && (1.0 / ALIKE..=ALIKE).contains(&(count / expected)))
        .max_by(|one, other| one.1.total_cmp(&other.1))?;
    let each = bytes / count;
    let mut share = share.clone();
    for end in [&mut share.interval.value, &mut share.interval.low, &mut share.interval.high] {
        *end *= each;
    }
    (each > 0.0).then_some(share)
}

/// Requests of some routes that ended between two points.
fn requests(routes: &[RouteId], first: &Point, last: &Point) -> f64 {
    let at =
        |point: &Point, route: &RouteId| point.counts.ended.get(usize::from(route.0)).copied().unwrap_or(0);
    routes.iter().map(|route| f64::from(at(last, route).wrapping_sub(at(first, route)))).sum()
}
