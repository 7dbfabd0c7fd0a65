//! From shares to leaks: what is certain, large enough, and still going on.

use super::series::LEAST_ROWS;
use super::{Attribution, Resource, Share, estimate};
use crate::event::RouteId;
use crate::number;
use crate::report::{Estimate, Evidence, Growth, Leak};
use crate::route_table::RouteTable;
use std::collections::BTreeMap;

/// A cache that fills and stops keeps less later; a leak goes on.
const STILL_GOING: f64 = 0.4;
/// The lower end of the interval must be at least this part of the estimate: an interval that all but touches zero is
/// what many routes, looked at many times, come to by chance.
const CLEAR_OF_ZERO: f64 = 0.25;
/// Beside a larger leak of the same memory, a route that explains less than this part of what that one does is not told
/// from it: requests that are in flight at a reading make noise in proportion to the larger leak.
const BESIDE_A_LARGER: f64 = 0.2;
/// No resampling is worth more confidence than this.
const MOST_CONFIDENCE: f64 = 0.99;

/// Kinds that these witnesses can tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Listeners grow.
    Listener,
    /// Timers grow.
    Timer,
    /// External memory grows and the heap does not.
    Native,
    /// The heap grows; what for is not known.
    Unknown,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Timer => "timer",
            Self::Native => "native",
            Self::Unknown => "unknown",
        }
    }
}

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
}

struct Significant {
    share: Share,
    resource: Resource,
    rows: usize,
    span_ns: (u64, u64),
}

/// Judges all resources. `when` turns an instant of the monotonic clock into text.
pub fn judge(
    attribution: &Attribution,
    routes: &RouteTable,
    heap_limit: Option<u64>,
    when: impl Fn(u64) -> String,
) -> Findings {
    let mut findings = Findings::default();
    let mut significant: BTreeMap<Vec<RouteId>, Vec<Significant>> = BTreeMap::new();
    for resource in Resource::ALL {
        let Some(series) = attribution.series(resource) else { continue };
        let Some(shares) = series.shares() else { continue };
        findings.enough |= series.len() >= LEAST_ROWS;
        let mut explained = 0.0;
        let amount = |share: &Share| share.interval.value * number(share.requests);
        let largest = shares.iter().filter(|share| is_leak(share, resource)).map(amount).fold(0.0, f64::max);
        let least = if resource.unit() == "bytes" { BESIDE_A_LARGER * largest } else { 0.0 };
        for share in shares {
            for route in &share.routes {
                let kept = findings.kept.entry(*route).or_default();
                let slot = match resource {
                    Resource::Heap => &mut kept.heap,
                    Resource::External => &mut kept.external,
                    Resource::Listeners => &mut kept.listeners,
                    Resource::Timers => &mut kept.timers,
                };
                *slot = Some(estimate(&share, resource));
            }
            if is_leak(&share, resource) && amount(&share) >= least {
                explained += amount(&share);
                let mut key = share.routes.clone();
                key.sort_unstable();
                let rows = series.len();
                let found = Significant { share, resource, rows, span_ns: series.span_ns() };
                significant.entry(key).or_default().push(found);
            }
        }
        let growth = series.growth();
        findings.unexplained |= growth > 8.0 * resource.least_total() && explained < 0.3 * growth;
    }
    findings.leaks = significant
        .iter()
        .filter_map(|(group, witnesses)| leak(group, witnesses, routes, attribution, heap_limit, &when))
        .collect();
    findings.leaks.sort_by(|one, other| {
        let bytes = |leak: &Leak| if leak.per_request.unit == "bytes" { leak.growth.total } else { 0.0 };
        bytes(other).total_cmp(&bytes(one)).then_with(|| other.growth.total.total_cmp(&one.growth.total))
    });
    findings
}

fn is_leak(share: &Share, resource: Resource) -> bool {
    let interval = &share.interval;
    !share.routes.is_empty()
        && interval.low > CLEAR_OF_ZERO * interval.value
        && interval.value >= resource.least_per_request()
        && interval.value * number(share.requests) >= resource.least_total()
        && share.earlier.min(share.later) >= STILL_GOING * interval.value
}

fn leak(
    group: &[RouteId],
    witnesses: &[Significant],
    routes: &RouteTable,
    attribution: &Attribution,
    heap_limit: Option<u64>,
    when: impl Fn(u64) -> String,
) -> Option<Leak> {
    let by = |resource| witnesses.iter().find(|witness| witness.resource == resource);
    let count = |resource| by(resource).map_or(0.0, |witness| witness.share.interval.value);
    let (listeners, timers) = (count(Resource::Listeners), count(Resource::Timers));
    let kind = if listeners > 0.0 && listeners >= timers {
        Kind::Listener
    } else if timers > 0.0 {
        Kind::Timer
    } else if by(Resource::Heap).is_some() {
        Kind::Unknown
    } else {
        Kind::Native
    };
    let main = Resource::ALL.into_iter().find_map(by)?;
    let mut names: Vec<String> = group.iter().map(|route| routes.name(*route).to_owned()).collect();
    names.sort();
    let (from_ns, span_ns) = main.span_ns;
    let total = main.share.interval.value * number(main.share.requests);
    let hours = number(span_ns) / 3.6e12;
    let per_hour = if hours > 0.0 { total / hours } else { 0.0 };
    let floor = attribution.series(Resource::Heap).and_then(super::Series::last);
    let time_to_limit_ms = match (main.resource, heap_limit, floor) {
        (Resource::Heap, Some(limit), Some(floor)) if per_hour > 0.0 => {
            whole(number(limit.saturating_sub(floor)) / per_hour * 3.6e6)
        }
        _ => None,
    };
    Some(Leak {
        id: fingerprint(&names, kind),
        route: names.first()?.clone(),
        kind: kind.name().to_owned(),
        resource: main.resource.name().to_owned(),
        confidence: main.share.interval.positive.min(MOST_CONFIDENCE),
        since: when(from_ns),
        per_request: estimate(&main.share, main.resource),
        growth: Growth { per_hour, total, unit: main.resource.unit().to_owned() },
        time_to_limit_ms,
        evidence: witnesses.iter().map(evidence).collect(),
        routes: names,
    })
}

fn evidence(witness: &Significant) -> Evidence {
    let per_request: Estimate = estimate(&witness.share, witness.resource);
    Evidence {
        by: witness.resource.witness().to_owned(),
        per_request,
        intervals: u32::try_from(witness.rows).unwrap_or(u32::MAX),
        requests: witness.share.requests,
    }
}

/// FNV-1a of routes and kind: the same in every process.
fn fingerprint(routes: &[String], kind: Kind) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in routes.iter().flat_map(|route| route.bytes().chain([0])).chain(kind.name().bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a whole number of ms"
)]
fn whole(ms: f64) -> Option<u64> {
    (ms.is_finite() && (0.0..9e15).contains(&ms)).then_some(ms as u64)
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small made-up numbers"
)]
mod tests {
    use super::*;
    use crate::estimate::Random;

    const SECOND: u64 = 1_000_000_000;

    fn noise(random: &mut Random) -> f64 {
        (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
    }

    /// A service whose routes' traffic varies by itself; `grow` says what is kept for the requests of a second.
    struct Service {
        attribution: Attribution,
        routes: RouteTable,
        random: Random,
        heap: f64,
        counts: [f64; 2],
        /// Requests of the second come with every request of the first.
        twins: Option<(usize, usize)>,
    }

    impl Service {
        fn finish(&mut self, route: usize, count: f64) {
            let route = RouteId(u16::try_from(route).unwrap() + 1);
            (0..count as u32).for_each(|_| self.attribution.finished(route));
        }

        fn new(seed: u64, count: usize) -> Self {
            let mut routes = RouteTable::new(100);
            for index in 0..count {
                routes.intern(&format!("GET /{index}"));
            }
            Self {
                attribution: Attribution::new(0, false),
                routes,
                random: Random::new(seed),
                heap: 2e7,
                counts: [50.0, 20.0],
                twins: None,
            }
        }

        fn second(
            &mut self,
            index: u64,
            rate: f64,
            routes: u16,
            grow: impl Fn(&[f64]) -> [f64; 3],
            noisy: f64,
        ) {
            let requests: Vec<f64> =
                (0..routes).map(|_| (rate * (2.4 * (self.random.unit() - 0.5)).exp()).round()).collect();
            for (route, count) in requests.iter().enumerate() {
                self.finish(route, *count);
            }
            if let Some((route, twin)) = self.twins {
                self.finish(twin, requests[route]);
            }
            let [heap, listeners, timers] = grow(&requests);
            self.heap += heap;
            self.counts[0] += listeners;
            self.counts[1] += timers;
            let at = (index + 1) * SECOND;
            let wobble = noisy * noise(&mut self.random);
            self.attribution.read(Resource::Heap, at, Some((self.heap + wobble).max(0.0) as u64));
            self.attribution.read(Resource::Listeners, at, Some(self.counts[0] as u64));
            self.attribution.read(Resource::Timers, at, Some(self.counts[1] as u64));
        }

        fn judge(&self) -> Findings {
            judge(&self.attribution, &self.routes, Some(4 << 30), |ns| format!("{} s", ns / SECOND))
        }
    }

    #[test]
    fn one_route_of_six_that_keeps_300_bytes_is_found_beside_a_cache_that_fills() {
        let mut service = Service::new(7, 6);
        for second in 0..30 {
            let cache = if second < 8 { 40_000.0 } else { 0.0 };
            service.second(second, 300.0, 6, |requests| [300.0 * requests[2] + cache, 0.0, 0.0], 20_000.0);
        }

        let found = service.judge();

        let named: Vec<_> = found.leaks.iter().map(|leak| leak.route.as_str()).collect();
        assert_eq!(named, ["GET /2"]);
        let kept = &found.leaks[0].per_request;
        assert!(
            kept.low <= 300.0 && 300.0 <= kept.high && kept.value > 200.0 && kept.value < 400.0,
            "{kept:?}"
        );
        assert_eq!((found.leaks[0].kind.as_str(), found.leaks[0].resource.as_str()), ("unknown", "heap"));
        assert!(found.leaks[0].time_to_limit_ms.is_some());
    }

    #[test]
    fn listeners_with_heap_are_one_leak_of_kind_listener() {
        let mut service = Service::new(3, 4);
        for second in 0..20 {
            service.second(
                second,
                40.0,
                4,
                |requests| [900.0 * requests[1], requests[1], requests[3]],
                5_000.0,
            );
        }

        let found = service.judge();

        let kinds: Vec<_> = found
            .leaks
            .iter()
            .map(|leak| (leak.route.as_str(), leak.kind.as_str(), leak.evidence.len()))
            .collect();
        assert_eq!(kinds, [("GET /1", "listener", 2), ("GET /3", "timer", 1)]);
        let listeners = &found.leaks[0].evidence[1].per_request;
        assert!((listeners.value - 1.0).abs() < 0.1, "{listeners:?}");
        assert_eq!(found.leaks[1].per_request.unit, "timers");
    }

    #[test]
    fn routes_that_always_come_together_are_one_group() {
        let mut service = Service::new(9, 3);
        service.twins = Some((0, 2));
        for second in 0..20 {
            service.second(second, 100.0, 2, |requests| [800.0 * requests[0], 0.0, 0.0], 5_000.0);
        }

        let found = service.judge();

        assert_eq!(found.leaks.len(), 1, "{:?}", found.leaks);
        assert_eq!(found.leaks[0].routes, ["GET /0", "GET /2"]);
    }

    #[test]
    fn healthy_services_are_left_alone() {
        let mut alarms = Vec::new();
        for seed in 0..200 {
            let mut service = Service::new(seed, 8);
            let full = 5 + seed % 10;
            for second in 0..40 {
                let load = if seed % 3 == 0 && second > 20 { 200.0 } else { 100.0 };
                let cache = |requests: &[f64]| if second < full { 200.0 * requests[0] } else { 0.0 };
                let warm = 60_000.0 * (-(second as f64) / 4.0).exp();
                service.second(second, load, 8, |requests| [cache(requests) + warm, 0.0, 0.0], 25_000.0);
            }
            alarms.extend(service.judge().leaks.into_iter().map(|leak| (seed, leak.route, leak.per_request)));
        }
        assert!(alarms.is_empty(), "{alarms:?}");
    }

    /// The floors wobble by what five requests of the leaky route hold; without the rule one of these 200 services
    /// blames a second route.
    #[test]
    fn a_large_leak_blames_nobody_else() {
        let mut named = std::collections::BTreeMap::<String, u32>::new();
        for seed in 0..200 {
            let mut service = Service::new(seed, 8);
            for second in 0..35 {
                service.second(second, 18.0, 8, |requests| [40_000.0 * requests[3], 0.0, 0.0], 200_000.0);
            }
            service.judge().leaks.into_iter().for_each(|leak| *named.entry(leak.route).or_default() += 1);
        }
        assert_eq!(named.keys().collect::<Vec<_>>(), ["GET /3"], "{named:?}");
        assert!(named["GET /3"] >= 195, "{named:?}");
    }

    #[test]
    fn few_observations_are_not_enough() {
        let mut service = Service::new(1, 2);
        for second in 0..6 {
            service.second(second, 100.0, 2, |requests| [5_000.0 * requests[0], 0.0, 0.0], 0.0);
        }
        let found = service.judge();
        assert!(found.leaks.is_empty() && !found.enough && found.kept.is_empty());
    }

    #[test]
    fn memory_is_bounded_with_500_routes() {
        let mut service = Service::new(1, 0);
        for second in 0..1_000 {
            service.second(second, 3.0, 500, |_| [0.0; 3], 1_000.0);
        }
        assert!(service.attribution.bytes() < 3 << 20, "{}", service.attribution.bytes());
    }
}
