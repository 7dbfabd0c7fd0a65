//! What kind of leak a retaining path shows: plain values in, a kind out.
//!
//! It knows names of V8 and of Node's own modules, and no package. **Invariant:** nothing here depends on where a path
//! comes from, a heap snapshot file or a walk over the heap.

use std::fmt;

/// Edges that lead on from a node, from which on it counts as the thing that grows, when nobody says which one does.
pub const MANY: u32 = 16;
/// Steps of the same make in a row that are a chain: promises, contexts, list entries.
const CHAIN: usize = 6;
/// A chain's links may be of so many steps each.
const LONGEST_LINK: usize = 4;
/// How far before a growing array the name of the list of listeners can stand: `_events`, the event's name, its table.
const LISTENER_REACH: usize = 5;

/// V8's kinds of edges.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum EdgeKind {
    /// A variable of a function, from its context.
    Context,
    /// An array's element.
    Element,
    /// A named property.
    Property,
    /// Something that JavaScript cannot name: a table, a map, a function's context.
    Internal,
    /// The same, numbered.
    Hidden,
    /// Made by V8 so that a path is easy to read.
    Shortcut,
    /// Does not keep its target.
    Weak,
    /// One that this version does not know.
    Other,
}

/// One step of a retaining path: an edge, and the node that it leads to.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The edge's kind.
    pub edge: EdgeKind,
    /// Its name; empty for a number.
    pub name: &'a str,
    /// V8's type of the node: `object`, `closure`, `array`, `native` …
    pub node_type: &'a str,
    /// The class of an object, the name of a function.
    pub class: &'a str,
    /// The script of a function, a module's file.
    pub file: Option<&'a str>,
    /// The line in it, from 1; 0: not known.
    pub line: u32,
    /// Edges that lead on from the node; 0 when not known.
    pub fan_out: u32,
}

/// The kinds of leaks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LeakKind {
    /// A global, cache, map, array or list that only grows; sessions too.
    Collection,
    /// Listeners on something that outlives them.
    Listener,
    /// Timers that are never cleared.
    Timer,
    /// A request, context or promise that stays reachable.
    Closure,
    /// Memory outside the JavaScript heap.
    Native,
    /// None of them can be told.
    Unknown,
}

impl LeakKind {
    /// As it stands in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Listener => "listener",
            Self::Timer => "timer",
            Self::Closure => "closure",
            Self::Native => "native",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for LeakKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind, and what it was told by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Classified {
    /// The kind.
    pub kind: LeakKind,
    /// Index of the step that decided; 0 of an empty path.
    pub at: usize,
    /// Half a sentence on why.
    pub because: &'static str,
}

/// The kind of leak whose objects are kept by `path`, from the root to one of them.
///
/// `grows` is the index of the node that grows (the container, not what is in it), where a comparison of two heap
/// snapshots knows it. Without it, a chain counts, then the node with the most edges, then the names on the way.
pub fn classify(path: &[Step<'_>], grows: Option<usize>) -> Classified {
    if let Some(at) = grows.filter(|at| *at < path.len()) {
        return container(path, at);
    }
    if let Some(at) = chain(path) {
        return container(path, at);
    }
    let widest = path.iter().enumerate().filter(|(_, step)| step.fan_out >= MANY && may_grow(step));
    if let Some((at, _)) = widest.max_by_key(|(_, step)| step.fan_out) {
        return container(path, at);
    }
    by_names(path)
}

/// The kind of a container by itself and the steps around it.
fn container(path: &[Step<'_>], at: usize) -> Classified {
    let from = at.saturating_sub(LISTENER_REACH);
    let Some(near) = path.get(from..=at) else { return by_names(path) };
    let Some(step) = near.last() else { return by_names(path) };
    let say = |kind, because| Classified { kind, at, because };
    let after = path.get(at + 1..).unwrap_or(&[]);
    // A closure between the list of listeners and the container means that the container is the listener's own.
    let unbroken =
        |index: usize| near.get(index + 1..).unwrap_or(&[]).iter().all(|step| step.node_type != "closure");
    if let Some(index) = near.iter().rposition(names_listeners).filter(|index| unbroken(*index)) {
        return Classified { kind: LeakKind::Listener, at: from + index, because: "a list of listeners" };
    }
    if after.first().is_some_and(|next| names_listeners(next) || is_listener(next)) {
        return say(LeakKind::Listener, "a list of listeners");
    }
    let here_or_next = near.iter().rev().take(2).chain(after.iter().take(2));
    if here_or_next.clone().any(|step| is_timer(step)) {
        return say(LeakKind::Timer, "a list of timers");
    }
    if step.node_type == "synthetic" && after.first().is_some_and(|next| next.node_type == "object") {
        return say(LeakKind::Native, "held by Node's native side");
    }
    if is_promise(step) {
        return say(LeakKind::Closure, "promises that never settle");
    }
    if step.class == "system / Context" || step.node_type == "closure" {
        return say(LeakKind::Closure, "contexts that stay reachable");
    }
    if is_native(step) {
        return say(LeakKind::Native, "memory outside the heap");
    }
    say(LeakKind::Collection, "a collection")
}

type Rule = (fn(&Step<'_>) -> bool, LeakKind, &'static str);

/// Without a container that could be told: the most telling names.
fn by_names(path: &[Step<'_>]) -> Classified {
    let last = |test: fn(&Step<'_>) -> bool| path.iter().rposition(test);
    let rules: [Rule; 5] = [
        (names_listeners, LeakKind::Listener, "a listener"),
        (is_timer, LeakKind::Timer, "a timer"),
        (is_promise, LeakKind::Closure, "a promise"),
        (is_entry, LeakKind::Collection, "an entry of a collection"),
        (is_context, LeakKind::Closure, "a context"),
    ];
    if let Some(at) = path.len().checked_sub(1)
        && path.get(at).is_some_and(is_native)
    {
        return Classified { kind: LeakKind::Native, at, because: "memory outside the heap" };
    }
    for (test, kind, because) in rules {
        if let Some(at) = last(test) {
            return Classified { kind, at, because };
        }
    }
    Classified { kind: LeakKind::Unknown, at: 0, because: "nothing on the way tells" }
}

/// The first step of a chain: links of the same make, each of up to [`LONGEST_LINK`] steps, [`CHAIN`] times in a row.
fn chain(path: &[Step<'_>]) -> Option<usize> {
    let same = |one: &Step<'_>, other: &Step<'_>| {
        one.edge == other.edge
            && one.name == other.name
            && one.class == other.class
            && one.node_type == other.node_type
    };
    for link in 1..=LONGEST_LINK {
        let mut run = 0;
        for (index, (one, other)) in path.iter().zip(path.get(link..).unwrap_or(&[])).enumerate() {
            run = if same(one, other) { run + 1 } else { 0 };
            if run >= CHAIN * link {
                let start = index + 1 - run;
                // The link's most telling step stands for it.
                let steps = path.get(start..start + link).unwrap_or(&[]);
                let telling = steps.iter().position(|step| {
                    is_promise(step) || is_timer(step) || is_context(step) || is_listener(step)
                });
                return Some(start + telling.unwrap_or(0));
            }
        }
    }
    None
}

/// Nodes with many edges that are no collection: roots, global objects, hidden classes, functions' code.
fn may_grow(step: &Step<'_>) -> bool {
    let bookkeeping = matches!(step.node_type, "synthetic" | "hidden" | "code" | "object shape")
        || (step.edge == EdgeKind::Internal && matches!(step.name, "map" | "descriptors" | "transitions"));
    let global = step.class.starts_with("global") || step.class.starts_with("system / NativeContext");
    !bookkeeping && !global && step.edge != EdgeKind::Weak
}

/// The properties and variables under which Node's `EventEmitter`, `EventTarget` and `AbortSignal` keep listeners, and the
/// words that everybody else uses for them.
fn names_listeners(step: &Step<'_>) -> bool {
    const NODE: [&str; 8] = [
        "_events",
        "kEvents",
        "Symbol(kEvents)",
        "<symbol kEvents>",
        "Symbol(events.events)",
        "<symbol kDependantSignals>",
        "<symbol kSourceSignals>",
        "gcPersistentSignals",
    ];
    const WORDS: [&str; 4] = ["listeners", "observers", "subscribers", "subscriptions"];
    let ends_with = |word: &&str| {
        let start = step.name.len().checked_sub(word.len());
        start.and_then(|start| step.name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    matches!(step.edge, EdgeKind::Property | EdgeKind::Internal | EdgeKind::Context)
        && (NODE.contains(&step.name) || WORDS.iter().any(ends_with))
}

/// `Listener` of Node's `EventTarget`: it has its class name from Node's own script.
fn is_listener(step: &Step<'_>) -> bool {
    step.node_type == "object" && step.class == "Listener" && step.edge != EdgeKind::Context
}

fn is_timer(step: &Step<'_>) -> bool {
    step.node_type == "object"
        && matches!(step.class, "Timeout" | "TimersList" | "Immediate" | "ImmediateList")
}

fn is_promise(step: &Step<'_>) -> bool {
    step.class == "Promise"
        || matches!(step.class, "system / PromiseReaction" | "system / PromiseCapability")
        || (step.edge == EdgeKind::Internal && step.name == "reactions_or_result")
}

fn is_context(step: &Step<'_>) -> bool {
    step.class == "system / Context" || step.edge == EdgeKind::Context
}

fn is_native(step: &Step<'_>) -> bool {
    step.node_type == "native"
        || matches!(step.class, "ArrayBuffer" | "SharedArrayBuffer" | "system / JSArrayBufferData")
}

fn is_entry(step: &Step<'_>) -> bool {
    step.edge == EdgeKind::Element
        || matches!(step.class, "Map" | "Set" | "Array")
        || (step.edge == EdgeKind::Internal && step.name == "table")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step<'a>(edge: EdgeKind, name: &'a str, node_type: &'a str, class: &'a str, fan_out: u32) -> Step<'a> {
        Step { edge, name, node_type, class, file: None, line: 0, fan_out }
    }

    const CLOSURE: Step<'static> = Step {
        edge: EdgeKind::Property,
        name: "render",
        node_type: "closure",
        class: "render",
        file: Some("/app/cache.js"),
        line: 3,
        fan_out: 6,
    };

    fn kind(path: &[Step<'_>]) -> LeakKind {
        classify(path, None).kind
    }

    #[test]
    fn a_map_in_a_modules_context_is_a_collection() {
        let path = [
            CLOSURE,
            step(EdgeKind::Internal, "context", "object", "system / Context", 5),
            step(EdgeKind::Context, "cache", "object", "Map", 4),
            step(EdgeKind::Internal, "table", "array", "", 4_000),
            step(EdgeKind::Internal, "17", "object", "Object", 5),
        ];
        assert_eq!(kind(&path), LeakKind::Collection);
        assert_eq!(classify(&path, Some(3)).at, 3);
    }

    #[test]
    fn listeners_are_told_by_node_s_own_property() {
        let path = [
            CLOSURE,
            step(EdgeKind::Context, "bus", "object", "EventEmitter", 5),
            step(EdgeKind::Property, "_events", "object", "Object", 5),
            step(EdgeKind::Property, "tick", "object", "Array", 4),
            step(EdgeKind::Internal, "elements", "array", "(object elements)", 900),
            step(EdgeKind::Element, "", "closure", "done", 6),
            step(EdgeKind::Internal, "context", "object", "system / Context", 5),
            step(EdgeKind::Context, "request", "object", "IncomingMessage", 60),
        ];
        assert_eq!(classify(&path, Some(4)).kind, LeakKind::Listener);
        assert_eq!(kind(&path), LeakKind::Listener);
        assert_eq!(kind(&path[..4]), LeakKind::Listener);
    }

    #[test]
    fn a_collection_behind_one_listener_is_a_collection() {
        let path = [
            step(EdgeKind::Property, "_events", "object", "Object", 5),
            step(EdgeKind::Property, "data", "closure", "onData", 6),
            step(EdgeKind::Context, "seen", "object", "Set", 4),
            step(EdgeKind::Internal, "table", "array", "", 5_000),
        ];
        assert_eq!(kind(&path), LeakKind::Collection);
    }

    #[test]
    fn a_list_of_timers_is_a_chain_or_a_class() {
        let mut path = vec![step(EdgeKind::Context, "timerListMap", "object", "Object", 5)];
        path.push(step(EdgeKind::Property, "1000", "object", "TimersList", 8));
        for _ in 0..9 {
            path.push(step(EdgeKind::Property, "_idleNext", "object", "Timeout", 10));
        }
        assert_eq!(kind(&path), LeakKind::Timer);
        assert_eq!(kind(&path[..3]), LeakKind::Timer);
    }

    #[test]
    fn a_chain_of_promises_is_a_closure() {
        let mut path = vec![CLOSURE, step(EdgeKind::Context, "shutdown", "object", "Promise", 4)];
        for _ in 0..8 {
            path.push(step(
                EdgeKind::Internal,
                "reactions_or_result",
                "object",
                "system / PromiseReaction",
                4,
            ));
            path.push(step(EdgeKind::Internal, "next", "object", "system / PromiseReaction", 4));
        }
        assert_eq!(kind(&path), LeakKind::Closure);
    }

    #[test]
    fn a_linked_list_is_a_collection() {
        let mut path = vec![CLOSURE];
        path.extend((0..10).map(|_| step(EdgeKind::Property, "next", "object", "Object", 4)));
        assert_eq!(kind(&path), LeakKind::Collection);
    }

    #[test]
    fn what_holds_nothing_telling_is_unknown() {
        let path = [step(EdgeKind::Property, "config", "object", "Object", 3)];
        assert_eq!(kind(&path), LeakKind::Unknown);
        assert_eq!(kind(&[]), LeakKind::Unknown);
        assert_eq!(classify(&path, Some(7)).kind, LeakKind::Unknown, "an index beyond the path is not used");
    }

    #[test]
    fn a_request_in_a_context_is_a_closure_and_a_buffer_is_native() {
        let context = [
            step(EdgeKind::Internal, "context", "object", "system / Context", 4),
            step(EdgeKind::Context, "request", "object", "IncomingMessage", 12),
        ];
        assert_eq!(kind(&context), LeakKind::Closure);
        assert_eq!(
            kind(&[step(EdgeKind::Internal, "backing_store", "native", "system / JSArrayBufferData", 0)]),
            LeakKind::Native
        );
    }

    #[test]
    fn many_edges_of_the_global_object_are_no_collection() {
        let path = [
            step(EdgeKind::Shortcut, "", "object", "global", 101),
            step(EdgeKind::Property, "sessions", "object", "Object", 20),
            step(EdgeKind::Property, "a1", "object", "Session", 4),
        ];
        assert_eq!(
            classify(&path, None),
            Classified { kind: LeakKind::Collection, at: 1, because: "a collection" }
        );
    }
}
