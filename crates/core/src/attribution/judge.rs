//! From shares to findings: what is certain, large enough, and still going on.

use super::counted;
use super::details::Details;
use super::leak::{Found, leak};
use super::regression::{Course, LEAST_ROWS, Observations, PATIENT, Regression};
use super::{Attribution, Kind, Resource, Share, estimate};
use crate::event::RouteId;
use crate::report::Leak;
use crate::route_table::RouteTable;
use std::collections::BTreeMap;

/// In the last part of the observations a leak keeps at least this part of what it keeps in all of them.
const STILL_GOING: f64 = 0.5;
/// What keeps less than this part of what it did earlier slows down, when the difference is clear.
const SLOWS_DOWN: f64 = 0.75;
/// At least this part of what a route is said to keep in all must be seen as growth from the first to the last reading.
const REALLY_THERE: f64 = 0.5;
/// Routes of a group that explain this part of what the group keeps are the ones that keep it.
const MOSTLY: f64 = 0.5;
/// Standard errors that make a difference clear.
const CLEAR: f64 = 2.0;
/// Beside a larger leak of the same memory, a route that explains less than this part of what that one does is not told
/// from it: that a request of the larger one keeps now more, now less, is not noise of the kind assumed.
const BESIDE_A_LARGER: f64 = 0.02;

/// So many times what matters is growth that wants an explanation.
const MUCH: f64 = 8.0;

/// Who asks for little chance waits for this age of the process: until then a store with a time to live of half as much looks like a
/// leak, and nothing has gone from it that would tell. What reaches the heap limit within the hour is told at once.
const PATIENCE_NS: u64 = 1_500_000_000_000;
const URGENT_MS: u64 = 3_600_000;

/// What one run concluded.
#[derive(Debug, Default)]
pub struct Findings {
    /// The leaks, largest first.
    pub leaks: Vec<Leak>,
    /// Estimates for every route with enough data, significant or not.
    pub kept: BTreeMap<RouteId, crate::stats::Kept>,
    /// Enough observations for a verdict.
    pub enough: bool,
    /// Something grows that no route explains.
    pub unexplained: bool,
    /// Something grows that matters, explained or not.
    pub growing: bool,
}

/// Judges all resources. What chance alone would do more often than `chance`, for any route in one look, is not certain;
/// `when` turns an instant of the monotonic clock into text.
pub fn judge(
    attribution: &Attribution,
    routes: &RouteTable,
    heap_limit: Option<u64>,
    chance: f64,
    when: impl Fn(u64) -> String,
) -> Findings {
    let mut findings = Findings::default();
    // Memory has grown much in fewer readings than can be judged.
    let mut waits = false;
    let mut found: BTreeMap<Vec<RouteId>, Vec<Found>> = BTreeMap::new();
    for resource in Resource::ALL {
        let observations = attribution.observations(resource);
        let Some(regression) = observations.regression(chance) else {
            waits |= resource.is_memory() && observations.growth() > MUCH * resource.least_total();
            continue;
        };
        findings.enough |= observations.rows() >= LEAST_ROWS;
        for share in &regression.routes {
            for route in &share.routes {
                let kept = findings.kept.entry(*route).or_default();
                if let Some(slot) = kept.of(resource) {
                    *slot = Some(estimate(share, resource.unit()));
                }
            }
        }
        let mut leaking = going_on(&observations, Some(regression), resource.least_total(), chance);
        leaking.retain(|share| matters(share, resource));
        let largest = leaking.iter().map(Share::amount).fold(0.0, f64::max);
        let least = if resource.is_memory() { BESIDE_A_LARGER * largest } else { 0.0 };
        leaking.retain(|share| share.amount() >= least);
        let explained: f64 = leaking.iter().map(Share::amount).sum();
        let growth = observations.growth();
        findings.growing |= resource != Resource::InFlight && growth > resource.least_total();
        findings.unexplained |= resource != Resource::InFlight
            && growth > MUCH * resource.least_total()
            && explained < 0.3 * growth;
        for share in leaking {
            let mut key = share.routes.clone();
            key.sort_unstable();
            found.entry(key).or_default().push(Found::by_floors(share, resource));
        }
    }
    findings.enough &= !waits;
    let details = Details::new(attribution, chance);
    for group in details.groups() {
        found.entry(group).or_default();
    }
    for (group, found) in &mut found {
        corroborate(attribution, &details, group, found);
    }
    tell_once(&mut found);
    leave_out_shared(&mut found, |group| details.holder(group).is_some());
    findings.leaks = found
        .iter()
        .filter_map(|(group, found)| leak(group, found, &details, routes, attribution, heap_limit, &when))
        .collect();
    let is_young = chance <= PATIENT && attribution.age_ns() < PATIENCE_NS;
    let found = findings.leaks.len();
    findings.leaks.retain(|leak| !is_young || leak.time_to_limit_ms.is_some_and(|ms| ms <= URGENT_MS));
    findings.unexplained |= findings.leaks.len() < found;
    findings.leaks.sort_by(|one, other| {
        let bytes = |leak: &Leak| if leak.per_request.unit == "bytes" { leak.growth.total } else { 0.0 };
        bytes(other).total_cmp(&bytes(one)).then_with(|| other.growth.total.total_cmp(&one.growth.total))
    });
    findings
}

/// Bytes for a leak that only counts or a walk of the heap have shown: what the floors say of its routes; where they are not
/// sure and a walk has shown it, what the walk does. Memory that objects hold outside the heap may be in no number of V8's.
fn corroborate(attribution: &Attribution, details: &Details<'_>, group: &[RouteId], found: &mut Vec<Found>) {
    let walked = details.holder(group).map(|walked| {
        let resource = if walked.what.kind == Kind::Native { Resource::External } else { Resource::Heap };
        Found { share: walked.in_bytes(), resource, by_walk: true }
    });
    let walked = walked.filter(|walked| matters(&walked.share, walked.resource));
    let is_outside = |found: &Found| found.resource.is_memory() && found.resource != Resource::Heap;
    if !found.iter().any(|found| found.resource.is_memory()) {
        for resource in [Resource::Heap, Resource::External] {
            let share = attribution.observations(resource).corroboration(group);
            let share = share.filter(|share| matters(share, resource));
            found.extend(share.map(|share| Found::by_floors(share, resource)));
        }
        let sure = |found: &Found| found.resource.is_memory() && found.share.interval.low > 0.0;
        if walked.is_some() && !found.iter().any(sure) {
            found.retain(|found| !found.resource.is_memory());
        }
    }
    let is_told = |is: &dyn Fn(&Found) -> bool| found.iter().any(is);
    let wanted = |walked: &Found| {
        !is_told(&|found| found.resource.is_memory()) || (is_outside(walked) && !is_told(&is_outside))
    };
    if let Some(walked) = walked.filter(wanted) {
        found.push(walked);
    }
    let sure = |found: &Found| found.resource.is_memory() && found.share.interval.low > 0.0;
    if !found.iter().any(sure) {
        let counted =
            found.iter().find_map(|found| counted::in_bytes(attribution, found.resource, &found.share));
        if let Some(share) = counted.filter(|share| matters(share, Resource::Heap)) {
            found.retain(|found| !found.resource.is_memory());
            found.push(Found { share, resource: Resource::Heap, by_walk: true });
        }
    }
}

/// Floors may know a leak of several routes only together, while listeners or a walk's objects tell which of them it is: then
/// that one is told, and the group is not told again.
fn tell_once(found: &mut BTreeMap<Vec<RouteId>, Vec<Found>>) {
    let memory = |found: &Found| found.resource.is_memory();
    let told: Vec<(Vec<RouteId>, Resource, f64)> = found
        .iter()
        .flat_map(|(group, found)| {
            found
                .iter()
                .filter(|one| memory(one))
                .map(|one| (group.clone(), one.resource, one.share.amount()))
        })
        .collect();
    for (group, found) in found.iter_mut() {
        let inside =
            |inner: &[RouteId]| inner.len() < group.len() && inner.iter().all(|one| group.contains(one));
        found.retain(|one| {
            let within: f64 = told
                .iter()
                .filter(|(inner, resource, _)| *resource == one.resource && inside(inner))
                .map(|(.., amount)| amount)
                .sum();
            !(memory(one) && within >= MOSTLY * one.share.amount())
        });
    }
    found.retain(|_, found| !found.is_empty());
}

/// Buffers share their memory: slices of Node's pool, of what a socket read. One that is kept keeps what others had of it, too, and the
/// routes of those others go with its growth. A route of which nothing but buffers grows (and the process's memory with them), and of
/// which no walk saw an object, is not accused beside one that keeps more of it and whose objects a walk saw.
fn leave_out_shared(found: &mut BTreeMap<Vec<RouteId>, Vec<Found>>, seen: impl Fn(&[RouteId]) -> bool) {
    let outside = |found: &Found| found.resource.is_memory() && found.resource != Resource::Heap;
    let amount = |found: &[Found]| {
        found.iter().filter(|one| outside(one)).map(|one| one.share.amount()).fold(0.0, f64::max)
    };
    let most =
        found.iter().filter(|(group, _)| seen(group)).map(|(_, found)| amount(found)).fold(0.0, f64::max);
    let buffers = |found: &Found| matches!(found.resource, Resource::External | Resource::ArrayBuffers);
    let shares = |found: &[Found]| found.iter().all(outside) && found.iter().any(buffers);
    found.retain(|group, found| seen(group) || !shares(found) || amount(found) >= most);
}

/// The shares that are certain and go on, in the longest of three spans of observations in which they do: all, the last
/// three quarters, the later half. So a warm-up, or a time before a leak began, ends by itself.
///
/// A span in which less than `least` has grown has none. The regression of all observations is `whole`, when it is known.
pub(crate) fn going_on(
    observations: &Observations<'_>,
    mut whole: Option<Regression>,
    least: f64,
    chance: f64,
) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    let rows = observations.rows();
    for skipped in [0, rows / 4, rows / 2] {
        let since = observations.since(skipped);
        if since.growth() < least {
            continue;
        }
        let known = whole.take().filter(|_| skipped == 0);
        let Some(regression) = known.or_else(|| since.regression(chance)) else { continue };
        let certain = regression
            .routes
            .into_iter()
            .filter(|share| share.chance <= regression.certain)
            .chain(regression.groups);
        // Memory that is kept for a while grows while its traffic rises, and shrinks again: the leak must really be there.
        let there = since.growth();
        for share in certain.filter(|share| goes_on(share) && share.amount() * REALLY_THERE <= there) {
            let known =
                shares.iter().any(|known| known.routes.iter().any(|route| share.routes.contains(route)));
            if !known {
                shares.push(share);
            }
        }
    }
    shares
}

fn matters(share: &Share, resource: Resource) -> bool {
    share.interval.value >= resource.least_per_request() && share.amount() >= resource.least_total()
}

fn goes_on(share: &Share) -> bool {
    let Course { earlier, later, last } = share.course;
    let value = share.interval.value;
    let slower = (earlier.0 - later.0) > CLEAR * (earlier.1 * earlier.1 + later.1 * later.1).sqrt()
        && later.0 < SLOWS_DOWN * earlier.0;
    share.interval.low > 0.0
        && share.interval.agrees
        && later.0.min(last.0) >= STILL_GOING * value
        && earlier.0 >= STILL_GOING * value
        && !slower
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Interval;

    fn share(routes: &[u16], kept: f64) -> Share {
        Share {
            routes: routes.iter().map(|route| RouteId(*route)).collect(),
            interval: Interval { value: kept, low: kept / 2.0, high: kept * 2.0, agrees: true },
            chance: 0.0,
            course: Course::default(),
            requests: 100 * routes.len() as u64,
            rows: 20,
            span_ns: (0, 1),
        }
    }

    fn told(all: &[(&[u16], Resource, f64)]) -> Vec<Vec<u16>> {
        let mut found: BTreeMap<Vec<RouteId>, Vec<Found>> = BTreeMap::new();
        for (routes, resource, kept) in all {
            let share = share(routes, *kept);
            found.entry(share.routes.clone()).or_default().push(Found::by_floors(share, *resource));
        }
        tell_once(&mut found);
        found.keys().map(|group| group.iter().map(|route| route.0).collect()).collect()
    }

    #[test]
    fn what_buffers_share_is_told_of_the_route_that_keeps_them() {
        let told = |kept: f64, resource: Resource, seen: &[u16]| {
            let mut found: BTreeMap<Vec<RouteId>, Vec<Found>> = BTreeMap::new();
            for (route, resource, kept) in [(1, Resource::External, 37_000.0), (2, resource, kept)] {
                let share = share(&[route], kept);
                found.entry(share.routes.clone()).or_default().push(Found::by_floors(share, resource));
            }
            leave_out_shared(&mut found, |group| group.iter().all(|route| seen.contains(&route.0)));
            found.len()
        };

        assert_eq!(told(8_000.0, Resource::ArrayBuffers, &[1]), 1);
        assert_eq!(told(8_000.0, Resource::ArrayBuffers, &[1, 2]), 2, "a walk saw its objects");
        assert_eq!(told(8_000.0, Resource::ArrayBuffers, &[]), 2, "there are no walks");
        assert_eq!(told(8_000.0, Resource::Heap, &[1]), 2, "its heap grows");
        assert_eq!(told(8_000.0, Resource::Native, &[1]), 2, "what malloc gave is no buffer");
        assert_eq!(told(40_000.0, Resource::ArrayBuffers, &[1]), 2, "it keeps more");
    }

    #[test]
    fn a_group_is_not_told_again_when_one_of_its_routes_keeps_it() {
        let heap = Resource::Heap;

        assert_eq!(told(&[(&[1], heap, 400.0), (&[1, 2], heap, 200.0)]), [vec![1]]);
        assert_eq!(told(&[(&[1], heap, 100.0), (&[1, 2], heap, 200.0)]), [vec![1], vec![1, 2]]);
        assert_eq!(told(&[(&[3], heap, 400.0), (&[1, 2], heap, 200.0)]), [vec![1, 2], vec![3]]);
        let other = [(&[1][..], Resource::External, 400.0), (&[1, 2], heap, 200.0)];
        assert_eq!(told(&other), [vec![1], vec![1, 2]]);
        assert_eq!(told(&[(&[1, 2], Resource::Listeners, 1.0), (&[1], heap, 400.0)]), [vec![1], vec![1, 2]]);
    }
}
