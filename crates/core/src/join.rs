//! What an analysis of the heap says, joined with the leaks of a report: the retaining path, and the code behind it.
//!
//! A leak whose holder was seen to grow with its route has its path from there. Any other gets the path of what an analysis
//! found only where something connects the two, the surest first: the same place in the code, watched requests of its routes,
//! or that nothing else of its kind holds as much. Better none than a wrong one.
//!
//! Not here: where the analysis comes from (a walk, or the file of a heap snapshot).

use crate::attribution::Kind;
use crate::number;
use crate::observation::Frame;
use crate::report::{Culprit, Leak};

/// Share of a route's watched requests that is alive, from which on their path is the leak's: each connection keeps its last
/// request, and that is no leak.
const MOSTLY_ALIVE: f64 = 0.5;
/// What is found is as much as a leak explains when it is within this factor of it.
const AS_MUCH: f64 = 2.0;
/// A leak leaves at least one object in so many requests.
const OBJECTS_PER_REQUEST: f64 = 0.5;
/// With fewer requests anything is as much as the leak.
const LEAST_REQUESTS: f64 = 50.0;

/// What an analysis found: objects that gather in one place, or watched requests that are alive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// The route, of watched requests.
    pub route: Option<String>,
    /// Kind of leak that it would be.
    pub kind: Kind,
    /// Objects.
    pub count: u64,
    /// Bytes of all that hangs on them, also outside the heap.
    pub bytes: u64,
    /// The retaining path, as a person reads it.
    pub path: Vec<String>,
    /// The code that it belongs to.
    pub culprit: Option<Frame>,
}

/// Gives each leak that has no retaining path the one that was found for it. `requests` are those of a route since the start,
/// where they are known. Returns the leaks that got one.
pub fn join<'a>(
    leaks: &'a mut [Leak],
    requests: impl Fn(&str) -> Option<u64>,
    found: &[Kept],
) -> Vec<&'a Leak> {
    let mut joined = Vec::new();
    for leak in leaks {
        if leak.culprit.as_ref().is_some_and(|culprit| !culprit.retaining_path.is_empty()) {
            continue;
        }
        let told = by_place(leak, found)
            .map(|kept| (kept, "place"))
            .or_else(|| by_watched(leak, found).map(|kept| (kept, "watched-requests")))
            .or_else(|| by_amount(leak, &requests, found).map(|kept| (kept, "amount")));
        let Some((kept, path_by)) = told else { continue };
        let culprit = leak.culprit.get_or_insert_default();
        culprit.retaining_path.clone_from(&kept.path);
        culprit.path_by = Some(path_by.to_owned());
        if culprit.file.is_none()
            && let Some(frame) = &kept.culprit
        {
            name(culprit, frame);
        }
        joined.push(&*leak);
    }
    joined
}

fn name(culprit: &mut Culprit, frame: &Frame) {
    culprit.package.clone_from(&frame.package);
    culprit.file = Some(frame.file.clone()).filter(|file| !file.is_empty());
    culprit.line = Some(frame.line).filter(|line| *line > 0);
    culprit.function.clone_from(&frame.function);
}

fn of_kind<'a>(leak: &Leak, found: &'a [Kept]) -> impl Iterator<Item = &'a Kept> {
    let kind = leak.kind.clone();
    found.iter().filter(move |kept| {
        kept.route.is_none()
            && !kept.path.is_empty()
            && (kept.kind.name() == kind || kind == Kind::Unknown.name())
    })
}

/// What belongs to the code that the leak's sites named.
fn by_place<'a>(leak: &Leak, found: &'a [Kept]) -> Option<&'a Kept> {
    let culprit = leak.culprit.as_ref()?;
    let file = culprit.file.as_deref()?;
    let same = |kept: &&Kept| {
        kept.culprit.as_ref().is_some_and(|frame| {
            let line = culprit.line.is_some_and(|line| line == frame.line);
            let function = culprit.function.is_some() && culprit.function == frame.function;
            is_same_file(file, &frame.file) && (line || function)
        })
    };
    of_kind(leak, found).filter(same).max_by_key(|kept| kept.bytes)
}

fn is_same_file(one: &str, other: &str) -> bool {
    let plain = |file: &str| file.strip_prefix("file://").unwrap_or(file).to_owned();
    plain(one) == plain(other)
}

/// Where most of the watched requests of its routes are still alive, what keeps most of those.
fn by_watched<'a>(leak: &Leak, found: &'a [Kept]) -> Option<&'a Kept> {
    let alive = |evidence: &crate::report::Evidence| {
        evidence.by == "watched-requests" && evidence.per_request.value >= MOSTLY_ALIVE
    };
    if !leak.evidence.iter().any(alive) {
        return None;
    }
    let of_leak = |kept: &&Kept| kept.route.as_ref().is_some_and(|route| leak.routes.contains(route));
    found.iter().filter(of_leak).filter(|kept| !kept.path.is_empty()).max_by_key(|kept| kept.count)
}

/// The only thing of its kind that is as much as the leak explains; of several, one that holds the others.
fn by_amount<'a>(
    leak: &Leak,
    requests: &impl Fn(&str) -> Option<u64>,
    found: &'a [Kept],
) -> Option<&'a Kept> {
    let each = leak.per_request.value;
    // What is found there has gathered since the start, and the leak was observed for a part of that time.
    let observed = if each > 0.0 { leak.growth.total / each } else { 0.0 };
    let since_start: u64 = leak.routes.iter().filter_map(|route| requests(route)).sum();
    let requests = observed.max(number(since_start));
    if requests < LEAST_REQUESTS {
        return None;
    }
    let expected = each * requests;
    let is_as_much = |amount: u64| (expected / AS_MUCH..=expected * AS_MUCH).contains(&number(amount));
    let fits = |kept: &&Kept| match leak.growth.unit.as_str() {
        "bytes" => is_as_much(kept.bytes) && number(kept.count) >= requests * OBJECTS_PER_REQUEST,
        "listeners" | "timers" => is_as_much(kept.count),
        _ => false,
    };
    let fitting: Vec<&Kept> = of_kind(leak, found).filter(fits).collect();
    let first = fitting.iter().copied().min_by_key(|kept| kept.path.len())?;
    let begins = |kept: &&Kept| {
        let shared = first.path.len().saturating_sub(1).max(1);
        kept.path.get(..shared) == first.path.get(..shared)
    };
    fitting.iter().all(begins).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Estimate, Evidence, Growth};

    fn leak(kind: Kind, unit: &str, each: f64, requests: f64) -> Leak {
        Leak {
            id: "1f".to_owned(),
            route: "GET /a".to_owned(),
            routes: vec!["GET /a".to_owned()],
            kind: kind.name().to_owned(),
            resource: "heap".to_owned(),
            confidence: 0.9,
            since: String::new(),
            per_request: estimate(each, unit),
            growth: Growth { per_hour: 1.0, total: each * requests, unit: unit.to_owned() },
            time_to_limit_ms: None,
            culprit: None,
            evidence: Vec::new(),
            known: None,
        }
    }

    fn estimate(value: f64, unit: &str) -> Estimate {
        Estimate { value, low: value, high: value, unit: unit.to_owned() }
    }

    fn kept(kind: Kind, count: u64, bytes: u64, path: &str) -> Kept {
        let path = path.split(' ').map(str::to_owned).collect();
        Kept { kind, count, bytes, path, ..Kept::default() }
    }

    fn frame(file: &str, line: u32) -> Frame {
        Frame { function: Some("render".to_owned()), file: file.to_owned(), line, package: None }
    }

    fn told(mut leak: Leak, found: &[Kept]) -> Option<(String, String)> {
        join(std::slice::from_mut(&mut leak), |_| None, found);
        let culprit = leak.culprit?;
        Some((culprit.retaining_path.join(" "), culprit.path_by?))
    }

    fn path(path: &str, by: &str) -> (String, String) {
        (path.to_owned(), by.to_owned())
    }

    #[test]
    fn what_holds_as_much_as_the_leak_is_it_when_nothing_else_does() {
        let leak = || leak(Kind::Collection, "bytes", 1_000.0, 400.0);
        let cache = kept(Kind::Collection, 410, 450_000, "a.js cache Map Entry");
        let small = kept(Kind::Collection, 410, 90_000, "b.js small Map");
        let few = kept(Kind::Collection, 3, 450_000, "c.js few Map");
        let listeners = kept(Kind::Listener, 410, 450_000, "d.js bus");

        let found = [cache.clone(), small, few, listeners];
        assert_eq!(told(leak(), &found), Some(path("a.js cache Map Entry", "amount")));
        let other = kept(Kind::Collection, 500, 300_000, "e.js other Map");
        assert_eq!(told(leak(), &[cache.clone(), other]), None, "two that fit are none");
        let inside = kept(Kind::Collection, 410, 400_000, "a.js cache Map Entry body");
        assert_eq!(told(leak(), &[inside, cache]), Some(path("a.js cache Map Entry", "amount")));
    }

    #[test]
    fn what_has_gathered_since_the_start_is_compared_with_all_requests_since_then() {
        let found = [kept(Kind::Collection, 4_000, 4_000_000, "a.js cache")];
        let with = |requests: Option<u64>| {
            let mut leak = leak(Kind::Collection, "bytes", 1_000.0, 400.0);
            !join(std::slice::from_mut(&mut leak), |_| requests, &found).is_empty()
        };
        assert!(with(Some(4_100)) && !with(None) && !with(Some(900)));
    }

    #[test]
    fn few_requests_prove_nothing() {
        let found = [kept(Kind::Collection, 30, 30_000, "a.js cache")];
        assert_eq!(told(leak(Kind::Collection, "bytes", 1_000.0, 30.0), &found), None);
    }

    #[test]
    fn counted_things_are_compared_by_their_number() {
        let found = [kept(Kind::Timer, 390, 9, "timers Timeout")];
        assert_eq!(
            told(leak(Kind::Timer, "timers", 1.0, 400.0), &found),
            Some(path("timers Timeout", "amount"))
        );
        assert_eq!(told(leak(Kind::Native, "handles", 1.0, 400.0), &found), None);
    }

    #[test]
    fn the_place_that_sites_named_comes_first() {
        let mut leak = leak(Kind::Listener, "listeners", 1.0, 400.0);
        leak.culprit = Some(Culprit {
            file: Some("file:///app/mail.mjs".to_owned()),
            line: Some(7),
            ..Culprit::default()
        });
        let at = |line, path: &str| Kept {
            culprit: Some(frame("/app/mail.mjs", line)),
            ..kept(Kind::Listener, 9_000, 5, path)
        };

        assert_eq!(told(leak, &[at(8, "other"), at(7, "bus _events")]), Some(path("bus _events", "place")));
    }

    #[test]
    fn watched_requests_of_the_route_lead_to_it_when_most_of_them_are_alive() {
        let alive = |share| {
            let mut leak = leak(Kind::Closure, "bytes", 1_000.0, 400.0);
            leak.evidence.push(Evidence {
                by: "watched-requests".to_owned(),
                of: "requests".to_owned(),
                per_request: estimate(share, "requests"),
                intervals: 1,
                requests: 16,
            });
            leak
        };
        let of = |route: &str, count, path: &str| Kept {
            route: Some(route.to_owned()),
            culprit: Some(frame("/app/race.js", 3)),
            ..kept(Kind::Closure, count, 0, path)
        };
        let found = [of("GET /b", 9, "b"), of("GET /a", 2, "socket"), of("GET /a", 7, "shutdown Promise")];

        assert_eq!(told(alive(0.9), &found), Some(path("shutdown Promise", "watched-requests")));
        assert_eq!(told(alive(0.1), &found), None, "a connection keeps its last request");
    }

    #[test]
    fn a_path_that_was_seen_to_grow_stays_and_a_place_is_filled_in_only_where_there_is_none() {
        let mut leak = leak(Kind::Collection, "bytes", 1_000.0, 400.0);
        let mut cache = kept(Kind::Collection, 400, 400_000, "a.js cache");
        cache.culprit = Some(frame("/app/a.js", 3));

        assert_eq!(join(std::slice::from_mut(&mut leak), |_| None, &[cache]).len(), 1);
        assert_eq!(leak.culprit.as_ref().unwrap().line, Some(3));
        let again = [kept(Kind::Collection, 400, 400_000, "z.js other")];
        assert_eq!(join(std::slice::from_mut(&mut leak), |_| None, &again).len(), 0);
        assert_eq!(leak.culprit.unwrap().retaining_path, ["a.js", "cache"]);
    }
}
