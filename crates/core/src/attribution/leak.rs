//! A leak as the report tells it: which resource names it, its kind, its witnesses, the code behind it.

use super::details::{Details, Grown};
use super::{Attribution, Kind, Resource, Share, estimate};
use crate::event::RouteId;
use crate::number;
use crate::observation::{Frame, Holder, SiteInfo, SiteKind};
use crate::report::{Culprit, Estimate, Evidence, Growth, Leak};
use crate::route_table::RouteTable;

/// No regression is worth more confidence than this.
const MOST_CONFIDENCE: f64 = 0.99;
/// Doubt that no significance takes away, and the part of it that is left when another witness agrees.
const LEAST_DOUBT: f64 = 0.05;
const DOUBT_LEFT: f64 = 0.4;
/// What the process's private memory must exceed other memory by to count for more.
const OUTWEIGHS: f64 = 4.0;
/// A holder explains most of a route's bytes from this part on.
const MOSTLY: f64 = 0.5;
/// So many of them per request are what the leak is made of, not something that came along with it.
const MADE_OF: f64 = 0.3;

/// A resource that certainly grows with a group of routes.
pub(crate) struct Found {
    pub(crate) share: Share,
    pub(crate) resource: Resource,
    /// Reckoned from the objects that a walk counted, which are evidence by themselves.
    pub(crate) by_walk: bool,
}

impl Found {
    pub(crate) fn by_floors(share: Share, resource: Resource) -> Self {
        Self { share, resource, by_walk: false }
    }
}

pub(crate) fn leak(
    group: &[RouteId],
    found: &[Found],
    details: &Details<'_>,
    routes: &RouteTable,
    attribution: &Attribution,
    heap_limit: Option<u64>,
    when: impl Fn(u64) -> String,
) -> Option<Leak> {
    let by = |resource| found.iter().find(|found| found.resource == resource);
    let main = main(found)?;
    let holder = details.holder(group);
    let watched = watched(group, attribution);
    let kind = kind(&Signs {
        kept: &|resource| by(resource).map_or(0.0, |found| found.share.interval.value),
        holder: holder.map(|holder| (holder.what.kind, holder.bytes)),
        listeners_held: details.any(group, Kind::Listener),
        requests_held: watched.as_ref().is_some_and(|watched| watched.per_request.low >= MADE_OF),
    });
    let site = match kind {
        Kind::Listener => details.site(group, SiteKind::Listener),
        Kind::Timer => details.site(group, SiteKind::Timer),
        _ => None,
    };
    let samples = details.site(group, SiteKind::HeapSample);
    let mut names: Vec<String> = group.iter().map(|route| routes.name(*route).to_owned()).collect();
    names.sort();
    let (from_ns, span_ns) = main.share.span_ns;
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
    let mut evidence: Vec<Evidence> = found
        .iter()
        .filter(|found| !found.by_walk)
        .map(|found| {
            let (resource, share) = (found.resource, &found.share);
            said(resource.witness(), resource.name(), estimate(share, resource.unit()), share)
        })
        .collect();
    if let Some(grown) = holder {
        let objects = estimate(&grown.share, "objects");
        evidence.push(said("heap-walk", &grown.what.class, objects, &grown.share));
    }
    if let Some(grown) = samples {
        let bytes = estimate(&grown.share, "bytes");
        evidence.push(said("heap-samples", "heap", bytes, &grown.share));
    }
    evidence.extend(watched);
    Some(Leak {
        id: fingerprint(&names, kind),
        route: names.first()?.clone(),
        kind: kind.name().to_owned(),
        resource: main.resource.name().to_owned(),
        confidence: confidence(main, evidence.len()),
        since: when(from_ns),
        per_request: estimate(&main.share, main.resource.unit()),
        growth: Growth { per_hour, total, unit: main.resource.unit().to_owned() },
        time_to_limit_ms,
        culprit: culprit(site.or(samples), holder),
        evidence,
        known: None,
        routes: names,
    })
}

/// The resource that names the leak: the one with most bytes of those that are sure of any, or else the first that is counted,
/// or else the one with most bytes. Requests in flight and keys of `globalThis` are witnesses only. The process's private memory
/// is less sharp than V8's own numbers, and moves with them, so it comes first only when it is by far the most.
fn main(found: &[Found]) -> Option<&Found> {
    let weight = |found: &&Found| {
        let amount = found.share.amount();
        if found.resource == Resource::Native { amount / OUTWEIGHS } else { amount }
    };
    let most = |sure: bool| {
        let memory = found.iter().filter(|found| found.resource.is_memory());
        memory
            .filter(|found| !sure || found.share.interval.low > 0.0)
            .max_by(|one, other| weight(one).total_cmp(&weight(other)))
    };
    let counted = |found: &&Found| {
        !found.resource.is_memory() && !matches!(found.resource, Resource::InFlight | Resource::Globals)
    };
    most(true).or_else(|| found.iter().find(counted)).or_else(|| most(false))
}

/// What the kind is judged by.
struct Signs<'a> {
    /// Kept per request of each resource, 0 where nothing certainly is.
    kept: &'a dyn Fn(Resource) -> f64,
    /// Kind of the holder that explains most bytes, and bytes per request.
    holder: Option<(Kind, f64)>,
    /// A walk saw listeners that grow with the route.
    listeners_held: bool,
    /// Watched requests are still alive.
    requests_held: bool,
}

/// What the signs make of it; better [`Kind::Unknown`] than wrong.
///
/// Sockets and files come with listeners and timers of their own, so handles say `native` before those are asked. Listeners
/// and timers say what they are when there are enough of them, unless a walk saw most of the bytes elsewhere: what is
/// kept may have listeners itself. Memory outside the heap is `native` when there is more of it than heap. Then the walk
/// decides, and at last that requests themselves are kept.
fn kind(signs: &Signs<'_>) -> Kind {
    let kept = signs.kept;
    let (listeners, timers) = (kept(Resource::Listeners), kept(Resource::Timers));
    let handles = kept(Resource::Handles).max(kept(Resource::Descriptors));
    let heap = kept(Resource::Heap);
    let off_heap =
        kept(Resource::External).max(kept(Resource::ArrayBuffers)).max(kept(Resource::Native) / OUTWEIGHS);
    let (walked, bytes) = signs.holder.unwrap_or_default();
    let elsewhere =
        matches!(walked, Kind::Collection | Kind::Closure) && bytes >= MOSTLY * heap && heap > 0.0;
    if handles >= MADE_OF {
        Kind::Native
    } else if listeners >= MADE_OF && listeners >= timers && (signs.listeners_held || !elsewhere) {
        Kind::Listener
    } else if timers >= MADE_OF && !elsewhere {
        Kind::Timer
    } else if off_heap > heap {
        Kind::Native
    } else if walked != Kind::Unknown {
        walked
    } else if signs.requests_held {
        Kind::Closure
    } else {
        Kind::Unknown
    }
}

/// One less the doubt: that chance did it, but never less than what the model itself may have wrong; each further
/// witness that agrees leaves a part of the doubt.
fn confidence(main: &Found, witnesses: usize) -> f64 {
    let others = i32::try_from(witnesses.saturating_sub(1)).unwrap_or(0);
    let doubt = main.share.chance.sqrt().max(LEAST_DOUBT) * DOUBT_LEFT.powi(others);
    (1.0 - doubt).min(MOST_CONFIDENCE)
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
        path_by: (!retaining_path.is_empty()).then(|| "growth".to_owned()),
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

fn said(by: &str, of: &str, per_request: Estimate, share: &Share) -> Evidence {
    Evidence {
        by: by.to_owned(),
        of: of.to_owned(),
        per_request,
        intervals: u32::try_from(share.rows).unwrap_or(u32::MAX),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::regression::Course;
    use crate::estimate::Interval;

    fn found(resource: Resource, value: f64, low: f64) -> Found {
        let interval = Interval { value, low, high: value * 2.0, agrees: true };
        let share = Share {
            routes: vec![RouteId(1)],
            interval,
            chance: 0.0,
            course: Course::default(),
            requests: 100,
            rows: 20,
            span_ns: (0, 1),
        };
        Found::by_floors(share, resource)
    }

    fn named(found: &[Found]) -> Option<Resource> {
        main(found).map(|found| found.resource)
    }

    #[test]
    fn bytes_name_a_leak_before_counts_when_they_are_sure_and_after_them_when_not() {
        let timers = || found(Resource::Timers, 1.0, 0.9);
        let requests = || found(Resource::InFlight, 1.0, 0.9);

        assert_eq!(named(&[timers(), found(Resource::Heap, 4_000.0, 3_000.0)]), Some(Resource::Heap));
        assert_eq!(named(&[timers(), found(Resource::Heap, 4_000.0, 0.0)]), Some(Resource::Timers));
        assert_eq!(named(&[requests(), found(Resource::Heap, 4_000.0, 0.0)]), Some(Resource::Heap));
        let sure_of_less = [found(Resource::Heap, 4_000.0, 0.0), found(Resource::External, 900.0, 800.0)];
        assert_eq!(named(&sure_of_less), Some(Resource::External));
        assert_eq!(named(&[requests()]), None);
    }
}
