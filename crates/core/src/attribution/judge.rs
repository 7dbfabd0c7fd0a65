//! From shares to leaks: what is certain, large enough, and still going on.

use super::regression::{LEAST_ROWS, Observations};
use super::{Attribution, Kind, Resource, Share, estimate};
use crate::event::RouteId;
use crate::number;
use crate::observation::{Frame, Holder, SiteInfo, SiteKind};
use crate::report::{Culprit, Estimate, Evidence, Growth, Leak};
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
/// No regression is worth more confidence than this.
const MOST_CONFIDENCE: f64 = 0.99;
/// So many of them per request are what the leak is made of, not something that came along with it.
const MADE_OF: f64 = 0.3;

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
        let observations = attribution.observations(resource);
        let Some(shares) = observations.shares() else { continue };
        findings.enough |= observations.rows() >= LEAST_ROWS;
        let mut explained = 0.0;
        let amount = |share: &Share| share.interval.value * number(share.requests);
        let largest = shares.iter().filter(|share| is_leak(share, resource)).map(amount).fold(0.0, f64::max);
        let least = if resource.is_memory() { BESIDE_A_LARGER * largest } else { 0.0 };
        for share in shares {
            for route in &share.routes {
                let kept = findings.kept.entry(*route).or_default();
                if let Some(slot) = kept.of(resource) {
                    *slot = Some(estimate(&share, resource.unit()));
                }
            }
            if is_leak(&share, resource) && amount(&share) >= least {
                explained += amount(&share);
                let mut key = share.routes.clone();
                key.sort_unstable();
                let (rows, span_ns) = (observations.rows(), observations.span_ns());
                significant.entry(key).or_default().push(Significant { share, resource, rows, span_ns });
            }
        }
        let growth = observations.growth();
        findings.unexplained |= resource != Resource::InFlight
            && growth > 8.0 * resource.least_total()
            && explained < 0.3 * growth;
    }
    let details = Details::new(attribution);
    findings.leaks = significant
        .iter()
        .filter_map(|(group, witnesses)| {
            leak(group, witnesses, &details, routes, attribution, heap_limit, &when)
        })
        .collect();
    findings.leaks.sort_by(|one, other| {
        let bytes = |leak: &Leak| if leak.per_request.unit == "bytes" { leak.growth.total } else { 0.0 };
        bytes(other).total_cmp(&bytes(one)).then_with(|| other.growth.total.total_cmp(&one.growth.total))
    });
    findings
}

fn is_leak(share: &Share, resource: Resource) -> bool {
    share.interval.value >= resource.least_per_request()
        && share.interval.value * number(share.requests) >= resource.least_total()
        && grows(share)
}

/// Whether a share is certain, and goes on.
fn grows(share: &Share) -> bool {
    let interval = &share.interval;
    !share.routes.is_empty()
        && interval.low > CLEAR_OF_ZERO * interval.value
        && interval.value > 0.0
        && share.earlier.min(share.later) >= STILL_GOING * interval.value
}

/// What says where a leak is: everything that grows with a route and has a place.
struct Details<'a> {
    holders: Vec<Grown<&'a Holder>>,
    sites: Vec<Grown<&'a SiteInfo>>,
}

/// Something that grows with a group of routes.
struct Grown<T> {
    what: T,
    share: Share,
    bytes: Option<Share>,
    rows: usize,
}

impl<'a> Details<'a> {
    fn new(attribution: &'a Attribution) -> Self {
        let grown = |observations: &Observations<'_>| -> Vec<Share> {
            observations.shares().unwrap_or_default().into_iter().filter(grows).collect()
        };
        let mut holders = Vec::new();
        for holder in attribution.holders.all() {
            let level = |field: fn(&super::timeline::Held) -> u64| {
                Observations::new(&attribution.exact, |point| {
                    point.holder(holder.signature).map(|held| number(field(held)))
                })
            };
            let counts = level(|held| held.count);
            let bytes = grown(&level(|held| held.bytes));
            for share in grown(&counts) {
                let bytes = bytes.iter().find(|bytes| bytes.routes == share.routes).cloned();
                holders.push(Grown { what: holder, share, bytes, rows: counts.rows() });
            }
        }
        let mut sites = Vec::new();
        for (id, info) in attribution.sites.all() {
            let counts = Observations::new(&attribution.counts, |point| point.site(id));
            for share in grown(&counts) {
                sites.push(Grown { what: info, share, bytes: None, rows: counts.rows() });
            }
        }
        Self { holders, sites }
    }

    /// The holder that explains most of a group's bytes.
    fn holder(&self, group: &[RouteId]) -> Option<&Grown<&'a Holder>> {
        let bytes = |grown: &&Grown<&Holder>| grown.bytes.as_ref().map_or(0.0, |share| share.interval.value);
        let of_group = self.holders.iter().filter(|grown| same(&grown.share.routes, group));
        of_group.max_by(|one, other| bytes(one).total_cmp(&bytes(other)))
    }

    /// The site of a kind that makes most of what a group keeps.
    fn site(&self, group: &[RouteId], what: SiteKind) -> Option<&Grown<&'a SiteInfo>> {
        let of_group =
            self.sites.iter().filter(|grown| grown.what.what == what && same(&grown.share.routes, group));
        of_group.max_by(|one, other| one.share.interval.value.total_cmp(&other.share.interval.value))
    }
}

fn same(routes: &[RouteId], group: &[RouteId]) -> bool {
    routes.len() == group.len() && routes.iter().all(|route| group.contains(route))
}

fn leak(
    group: &[RouteId],
    witnesses: &[Significant],
    details: &Details<'_>,
    routes: &RouteTable,
    attribution: &Attribution,
    heap_limit: Option<u64>,
    when: impl Fn(u64) -> String,
) -> Option<Leak> {
    let by = |resource| witnesses.iter().find(|witness| witness.resource == resource);
    let main = [Resource::InFlight, Resource::Globals];
    let main = Resource::ALL.into_iter().filter(|resource| !main.contains(resource)).find_map(by)?;
    let holder = details.holder(group);
    let kind = kind(&|resource| by(resource).map(|witness| witness.share.interval.value), holder);
    let site = match kind {
        Kind::Listener => details.site(group, SiteKind::Listener),
        Kind::Timer => details.site(group, SiteKind::Timer),
        _ => None,
    };
    let samples = details.site(group, SiteKind::HeapSample);
    let mut names: Vec<String> = group.iter().map(|route| routes.name(*route).to_owned()).collect();
    names.sort();
    let (from_ns, span_ns) = main.span_ns;
    let total = main.share.interval.value * number(main.share.requests);
    let hours = number(span_ns) / 3.6e12;
    let per_hour = if hours > 0.0 { total / hours } else { 0.0 };
    let floor = attribution.last(Resource::Heap);
    let time_to_limit_ms = match (main.resource, heap_limit, floor) {
        (Resource::Heap, Some(limit), Some(floor)) if per_hour > 0.0 => {
            whole((number(limit) - floor).max(0.0) / per_hour * 3.6e6)
        }
        _ => None,
    };
    let mut evidence: Vec<Evidence> = witnesses
        .iter()
        .map(|witness| {
            let (resource, share) = (witness.resource, &witness.share);
            said(resource.witness(), resource.name(), estimate(share, resource.unit()), share, witness.rows)
        })
        .collect();
    if let Some(grown) = holder {
        let objects = estimate(&grown.share, "objects");
        evidence.push(said("heap-walk", &grown.what.class, objects, &grown.share, grown.rows));
    }
    if let Some(grown) = samples {
        let bytes = estimate(&grown.share, "bytes");
        evidence.push(said("heap-samples", "heap", bytes, &grown.share, grown.rows));
    }
    evidence.extend(watched(group, attribution));
    Some(Leak {
        id: fingerprint(&names, kind),
        route: names.first()?.clone(),
        kind: kind.name().to_owned(),
        resource: main.resource.name().to_owned(),
        confidence: main.share.interval.positive.min(MOST_CONFIDENCE),
        since: when(from_ns),
        per_request: estimate(&main.share, main.resource.unit()),
        growth: Growth { per_hour, total, unit: main.resource.unit().to_owned() },
        time_to_limit_ms,
        culprit: culprit(site.or(samples), holder),
        evidence,
        routes: names,
    })
}

/// What the witnesses make of it.
fn kind(kept: &dyn Fn(Resource) -> Option<f64>, holder: Option<&Grown<&Holder>>) -> Kind {
    let count = |resource| kept(resource).unwrap_or(0.0);
    let (listeners, timers) = (count(Resource::Listeners), count(Resource::Timers));
    let off_heap = count(Resource::External).max(count(Resource::ArrayBuffers)).max(count(Resource::Native));
    if listeners >= MADE_OF && listeners >= timers {
        Kind::Listener
    } else if timers >= MADE_OF {
        Kind::Timer
    } else if off_heap > 3.0 * count(Resource::Heap) {
        Kind::Native
    } else {
        holder.map_or(Kind::Unknown, |holder| holder.what.kind)
    }
}

fn culprit(site: Option<&Grown<&SiteInfo>>, holder: Option<&Grown<&Holder>>) -> Option<Culprit> {
    let frame = site.and_then(|site| place(&site.what.stack));
    let frame = frame.or_else(|| holder.and_then(|holder| holder.what.culprit.as_ref()));
    let retaining_path = holder.map(|holder| holder.what.path.clone()).unwrap_or_default();
    if frame.is_none() && retaining_path.is_empty() {
        return None;
    }
    Some(Culprit {
        package: frame.and_then(|frame| frame.package.clone()),
        file: frame.map(|frame| frame.file.clone()).filter(|file| !file.is_empty()),
        line: frame.map(|frame| frame.line).filter(|line| *line > 0),
        function: frame.and_then(|frame| frame.function.clone()),
        retaining_path,
    })
}

/// Where a stack points to: its innermost frame that is not Node's own.
fn place(stack: &[Frame]) -> Option<&Frame> {
    stack.iter().find(|frame| !frame.file.starts_with("node:")).or(stack.first())
}

fn watched(group: &[RouteId], attribution: &Attribution) -> Option<Evidence> {
    let [route] = group else { return None };
    let seen = attribution.watched.of(*route)?;
    let share = f64::from(seen.alive) / f64::from(seen.watched);
    // Wilson's interval of a share (1927).
    let (n, z) = (f64::from(seen.watched), 1.96);
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    (seen.alive > 0).then(|| Evidence {
        by: "watched-requests".to_owned(),
        of: "requests".to_owned(),
        per_request: Estimate {
            value: share,
            low: (centre - half).max(0.0),
            high: (centre + half).min(1.0),
            unit: "requests".to_owned(),
        },
        intervals: 1,
        requests: u64::from(seen.watched),
    })
}

fn said(by: &str, of: &str, per_request: Estimate, share: &Share, rows: usize) -> Evidence {
    Evidence {
        by: by.to_owned(),
        of: of.to_owned(),
        per_request,
        intervals: u32::try_from(rows).unwrap_or(u32::MAX),
        requests: share.requests,
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
