//! What grows between heap snapshots, or holds much in one: the places where one object leads to very many.
//!
//! Object ids do not survive between shadows, so identity is structural: the folded path and the class.

use crate::fold::{self, PathStep};
use crate::leak_kind::{self, LeakKind};
use crate::script::Place;
use crate::{Entry, Graph, NodeKind, Paths, Profile, Step};
use foldhash::{HashMap, HashSet};

/// In one heap snapshot, a place with less to show is not shown: objects for each one they hang on.
const FAN_OUT: u64 = 16;
/// Bytes from which on growth is worth a row.
const LEAST_BYTES: i64 = 512;
/// Share of native memory from which on it is what matters, where the path says nothing else.
const NATIVE_SHARE: f64 = 0.7;
/// A place that grew by half may explain that its bytes doubled, but not that they are ten times as many.
const EXPLAINS: f64 = 0.3;
/// So many objects more are few.
const FEW: i64 = 16;
/// Part of each of the objects that gather is what at least one in so many has.
const PART_OF_EACH: i64 = 4;
/// Share of the heap from which on what only Node's own code holds is shown.
const OWN_SHARE: f64 = 0.05;
/// V8's name for it.
const REACTION: &[u8] = b"system / PromiseReaction";
/// Steps of a path that are looked at; of a longer one its beginning and its end.
const LONGEST: usize = 400;

/// Counts of one heap snapshot by folded path and by class; small, and free of the heap snapshot it is of.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    paths: HashMap<u64, (u64, u64)>,
    classes: HashMap<String, (u64, u64)>,
}

impl Footprint {
    /// Of a heap snapshot.
    pub fn new(graph: &Graph, profile: &Profile) -> Self {
        Self {
            paths: profile.entries().iter().map(|entry| (entry.key, (entry.count, entry.bytes))).collect(),
            classes: crate::classes::histogram(graph)
                .into_iter()
                .map(|class| (class.name, (class.count, class.self_size)))
                .collect(),
        }
    }
}

/// A place where objects gather.
#[derive(Clone, Debug)]
pub struct Row {
    /// Class of the objects.
    pub class: String,
    /// V8's kind of them.
    pub node_kind: String,
    /// Kind of leak that this would be.
    pub kind: LeakKind,
    /// What that was told by.
    pub because: &'static str,
    /// Objects there are.
    pub count: u64,
    /// Objects more than in the first heap snapshot.
    pub more: i64,
    /// Bytes of all that hangs on them.
    pub bytes: u64,
    /// Bytes more than in the first heap snapshot.
    pub more_bytes: i64,
    /// From how many heap snapshots to the next the number went up.
    pub steps_up: u32,
    /// The code that it belongs to.
    pub place: Option<Place>,
    /// Node's own code is on the way.
    pub internal: bool,
    /// The folded retaining path.
    pub path: Vec<String>,
}

/// Growth of a class as a whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClassGrowth {
    /// The class.
    pub name: String,
    /// Objects more than in the first heap snapshot.
    pub more: i64,
    /// Bytes of the objects alone, more than in the first one.
    pub more_bytes: i64,
    /// Objects there are.
    pub count: u64,
}

/// Where `graph`, the last one, has grown since `before`, oldest first; without any, where it holds most.
pub fn rows(graph: &Graph, paths: &Paths, profile: &Profile, before: &[Footprint], most: usize) -> Vec<Row> {
    let entries = profile.entries();
    let changes: Vec<(i64, i64)> =
        entries.iter().map(|entry| change(entry.key, entry.count, entry.bytes, before)).collect();
    let of = |at: usize| changes.get(at).copied().unwrap_or((0, 0));
    let outgrown = outgrown(entries, of);
    let mut covered: Vec<Option<usize>> = vec![None; entries.len()];
    let mut elsewhere = vec![0_i64; entries.len()];
    let mut found: Vec<usize> = Vec::new();
    for (at, entry) in entries.iter().enumerate().skip(1) {
        let above = entry.parent as usize;
        let ((more, bytes), (parent_more, _)) = (of(at), of(above));
        if let Some(by) = covered.get(above).copied().flatten() {
            if more.saturating_mul(PART_OF_EACH) >= of(by).0 {
                set(&mut covered, at, Some(by));
                continue;
            }
            // What hangs on a few of them only is not part of what gathers.
            if let Some(sum) = elsewhere.get_mut(by) {
                *sum += bytes;
            }
        }
        let gathers = if before.is_empty() {
            entry.count >= FAN_OUT * entries.get(above).map_or(1, |parent| parent.count.max(1))
        } else {
            more >= 2
                && more >= 2 * parent_more.max(0)
                && explains(entry, more, bytes)
                && !outgrown.contains(&at)
        };
        if gathers && bytes >= LEAST_BYTES && may_gather(graph, entry.example) {
            found.push(at);
            set(&mut covered, at, Some(at));
        }
    }
    let of = |at: usize| {
        let (more, bytes) = of(at);
        (more, bytes - elsewhere.get(at).copied().unwrap_or(0))
    };
    found.sort_by_key(|at| std::cmp::Reverse(of(*at).1));
    let mut holders = HashSet::default();
    // The keys of a table beside its values say nothing new.
    found.retain(|at| holders.insert(holder(graph, profile, *at)) || !is_text(graph, profile, *at));
    let rows = found.into_iter().filter_map(|at| row(graph, paths, profile, at, of(at), before));
    let total = graph.total_size();
    rows.filter(|row| {
        !before.is_empty() || row.place.is_some() || !row.internal || share(row.bytes, total) >= OWN_SHARE
    })
    .take(most)
    .collect()
}

/// Places where a few objects were added, and most of the growth is in many more that hang on them: a list's first links.
fn outgrown(entries: &[Entry], of: impl Fn(usize) -> (i64, i64)) -> HashSet<usize> {
    let below = entries.iter().enumerate().skip(1).filter(|(at, entry)| {
        let ((more, bytes), (few, all)) = (of(*at), of(entry.parent as usize));
        few < FEW && more >= FEW.max(few.saturating_mul(PART_OF_EACH)) && bytes.saturating_mul(2) >= all
    });
    below.map(|(_, entry)| entry.parent as usize).collect()
}

fn set(covered: &mut [Option<usize>], at: usize, by: Option<usize>) {
    if let Some(place) = covered.get_mut(at) {
        *place = by;
    }
}

/// Growth of every class that grew, largest first.
pub fn classes(graph: &Graph, before: &Footprint, most: usize) -> Vec<ClassGrowth> {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let mut grown: Vec<ClassGrowth> = crate::classes::histogram(graph)
        .into_iter()
        .map(|class| {
            let (count, size) = before.classes.get(&class.name).copied().unwrap_or((0, 0));
            ClassGrowth {
                more: signed(class.count) - signed(count),
                more_bytes: signed(class.self_size) - signed(size),
                count: class.count,
                name: class.name,
            }
        })
        .filter(|class| class.more > 0)
        .collect();
    grown.sort_by(|one, other| other.more_bytes.cmp(&one.more_bytes).then_with(|| one.name.cmp(&other.name)));
    grown.truncate(most);
    grown
}

/// Bytes that grow much faster than the objects they hang on grow somewhere below.
#[expect(clippy::cast_precision_loss, reason = "shares")]
fn explains(entry: &Entry, more: i64, more_bytes: i64) -> bool {
    let before = |now: u64, more: i64| (i64::try_from(now).unwrap_or(i64::MAX) - more) as f64;
    let (count, bytes) = (before(entry.count, more), before(entry.bytes, more_bytes));
    count <= 0.0 || bytes <= 0.0 || more as f64 / count >= EXPLAINS * more_bytes as f64 / bytes
}

fn change(key: u64, count: u64, bytes: u64, before: &[Footprint]) -> (i64, i64) {
    let (then, bytes_then) =
        before.first().and_then(|first| first.paths.get(&key)).copied().unwrap_or((0, 0));
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    (signed(count) - signed(then), signed(bytes) - signed(bytes_then))
}

/// The nearest entry above that is no table.
fn holder(graph: &Graph, profile: &Profile, at: usize) -> usize {
    let parent = |at: usize| profile.entries().get(at).map_or(0, |entry| entry.parent as usize);
    let is_table = |at: usize| {
        let example = profile.entries().get(at).map(|entry| graph.kind(entry.example));
        matches!(example, Some(NodeKind::Array | NodeKind::Hidden))
    };
    let mut at = parent(at);
    while at != 0 && is_table(at) {
        at = parent(at);
    }
    at
}

fn is_text(graph: &Graph, profile: &Profile, at: usize) -> bool {
    profile.entries().get(at).is_some_and(|entry| fold::is_text(graph.kind(entry.example)))
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// V8's own objects come and go with compilation, and nobody can do anything about them; but what waits for a promise is there
/// because a program asked for it.
fn may_gather(graph: &Graph, node: crate::NodeIndex) -> bool {
    match graph.kind(node) {
        NodeKind::Code | NodeKind::Hidden => graph.strings().bytes(graph.name_id(node)) == REACTION,
        NodeKind::ObjectShape | NodeKind::Synthetic | NodeKind::Other => false,
        _ => true,
    }
}

fn row(
    graph: &Graph,
    paths: &Paths,
    profile: &Profile,
    at: usize,
    (more, more_bytes): (i64, i64),
    before: &[Footprint],
) -> Option<Row> {
    let entry = profile.entries().get(at)?;
    let steps = bounded(fold::path(graph, paths, entry.example));
    let plain: Vec<Step<'_>> = steps.iter().map(PathStep::as_step).collect();
    let told = leak_kind::classify(&plain, plain.len().checked_sub(2));
    let native = share(entry.native_bytes, entry.bytes) > NATIVE_SHARE;
    let weak_word = matches!(told.kind, LeakKind::Unknown | LeakKind::Closure);
    let (kind, because) = if native && weak_word {
        (LeakKind::Native, "memory outside the heap")
    } else {
        (told.kind, told.because)
    };
    let example = entry.example;
    Some(Row {
        class: if fold::is_text(graph.kind(example)) {
            format!("({})", graph.kind_name(example))
        } else {
            graph.name(example).into_owned()
        },
        node_kind: graph.kind_name(example).to_owned(),
        kind,
        because,
        count: entry.count,
        more,
        // Less what hangs on a few of them only, which is part of `more_bytes` neither.
        bytes: if before.is_empty() { u64::try_from(more_bytes).unwrap_or(0) } else { entry.bytes },
        more_bytes,
        steps_up: steps_up(entry.key, entry.count, before),
        place: culprit(graph, &steps, kind, example),
        internal: steps.iter().filter_map(|step| step.place.as_ref()).any(Place::is_internal),
        path: fold::words(graph, &steps),
    })
}

fn steps_up(key: u64, now: u64, before: &[Footprint]) -> u32 {
    let counts = before.iter().map(|footprint| footprint.paths.get(&key).map_or(0, |(count, _)| *count));
    let counts: Vec<u64> = counts.chain([now]).collect();
    counts.windows(2).map(|pair| u32::from(matches!(pair, [one, other] if other > one))).sum()
}

/// Of a listener, timer or closure, the code of what is kept says most; of a collection, the code that owns it.
fn culprit(graph: &Graph, steps: &[PathStep], kind: LeakKind, example: crate::NodeIndex) -> Option<Place> {
    let outside = |place: &Place| !place.is_internal();
    // What hangs on a variable of Node's own code is Node's, though a program's module may lead there.
    let owner = || steps.iter().rev().skip(1).find_map(|step| step.place.clone()).filter(outside);
    let kept = || kept_code(graph, example).filter(outside);
    match kind {
        LeakKind::Collection => owner().or_else(kept),
        _ => kept().or_else(owner),
    }
}

/// The code of a function, of a timer's or listener's callback, of an object's class.
fn kept_code(graph: &Graph, node: crate::NodeIndex) -> Option<Place> {
    let callback = ["_onTimeout", "listener", "callback"].iter().find_map(|name| graph.follow(node, name));
    let candidates = [Some(node), callback, crate::script::constructor(graph, node)];
    let places = candidates.into_iter().flatten();
    places.map(|node| crate::script::unbound(graph, node)).find_map(|node| crate::script::place(graph, node))
}

fn bounded(mut steps: Vec<PathStep>) -> Vec<PathStep> {
    if steps.len() > LONGEST {
        let cut = steps.len() - LONGEST;
        steps.drain(LONGEST / 2..LONGEST / 2 + cut);
    }
    steps
}
