//! What a heap holds of the things that leaks are made of: listeners, timers, promises, functions, equal strings.

use crate::fold::short_file;
use crate::script::{self, Place};
use crate::{EdgeKind, EdgeName, Graph, NodeIndex, NodeKind, StringId};
use foldhash::HashMap;
use serde::Serialize;

/// V8's number for it.
const DETACHED: u8 = 2;
/// Links of a list of listeners that are followed.
const LONGEST_LIST: usize = 1 << 20;
/// Characters of a string's beginning that are shown.
const SHOWN: usize = 48;
/// Node's key for the listeners of an `EventTarget`, by major version.
const TARGET_LISTENERS: [&str; 2] = ["<symbol kEvents>", "kEvents"];

/// Listeners of one emitter for one event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listeners {
    /// The emitter's class.
    pub emitter: String,
    /// The event.
    pub event: String,
    /// Listeners.
    pub count: u64,
    /// The first listener's function.
    pub function: String,
    /// Where that is, `file:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// V8's id of the emitter.
    pub id: u64,
}

/// A group of like things with the code they belong to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The function's name.
    pub function: String,
    /// Where that is, `file:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How many.
    pub count: u64,
}

/// A string that is there more than once.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repeated {
    /// Its beginning.
    pub text: String,
    /// Copies.
    pub count: u64,
    /// Bytes that one copy instead would save.
    pub wasted: u64,
}

/// Promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Promises {
    /// All of them.
    pub count: u64,
    /// Those that somebody waits for: pending, with at least one reaction.
    pub awaited: u64,
}

/// The census.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Census {
    /// Emitters with the most listeners for one event.
    pub listeners: Vec<Listeners>,
    /// Timers, by the function they call.
    pub timers: Vec<Group>,
    /// Timers in all.
    pub timer_count: u64,
    /// Functions that exist most often.
    pub closures: Vec<Group>,
    /// Promises.
    pub promises: Promises,
    /// Strings that waste most.
    pub strings: Vec<Repeated>,
    /// Realms: more than one, and one of them may be kept for nothing.
    pub realms: u64,
    /// Objects that V8 says are detached: in Chrome nodes of a document that are in no page any more, in Node handles of its
    /// native side whose end is near. A few are always there.
    pub detached: u64,
    /// Bytes of array buffers.
    pub array_buffer_bytes: u64,
}

/// Takes the census, with lists of at most `most` entries. Two passes over the edges; 4 bytes per string while it runs.
pub fn census(graph: &Graph, most: usize) -> Census {
    let detached = graph.nodes.detachedness.iter().filter(|(_, state)| *state == DETACHED).count() as u64;
    let mut census = Census { detached, ..Census::default() };
    let mut timers: HashMap<NodeIndex, u64> = HashMap::default();
    let mut closures: HashMap<NodeIndex, (NodeIndex, u64)> = HashMap::default();
    let events = graph.strings().find("_events");
    let targets = TARGET_LISTENERS.map(|name| graph.strings().find(name));
    let class = |name: &str| graph.strings().find(name);
    let (timeout, promise, realm) = (class("Timeout"), class("Promise"), class("system / NativeContext"));
    let data = class("system / JSArrayBufferData");
    for node in graph.nodes() {
        let name = Some(graph.name_id(node));
        match graph.kind(node) {
            NodeKind::Closure => {
                if let Some(shared) = graph.follow(node, "shared") {
                    closures.entry(shared).or_insert((node, 0)).1 += 1;
                }
            }
            NodeKind::Native if name == data => census.array_buffer_bytes += graph.self_size(node),
            NodeKind::Object | NodeKind::Hidden if name == realm => census.realms += 1,
            NodeKind::Object => {
                if name == timeout
                    && let Some(callback) = graph.follow(node, "_onTimeout")
                    && graph.kind(callback) == NodeKind::Closure
                {
                    *timers.entry(script::unbound(graph, callback)).or_default() += 1;
                    census.timer_count += 1;
                } else if name == promise
                    && let Some(result) = graph.follow(node, "reactions_or_result")
                {
                    census.promises.count += 1;
                    let waits = graph.name(result) == "system / PromiseReaction";
                    census.promises.awaited += u64::from(waits);
                }
                listeners(graph, node, events, &targets, &mut census.listeners);
            }
            _ => {}
        }
    }
    census.listeners.sort_by(|one, other| other.count.cmp(&one.count).then(one.id.cmp(&other.id)));
    census.listeners.truncate(most);
    census.timers = groups(graph, timers.into_iter(), most);
    census.closures = groups(graph, closures.into_values(), most);
    census.strings = repeated(graph, most);
    census
}

fn groups(graph: &Graph, counts: impl Iterator<Item = (NodeIndex, u64)>, most: usize) -> Vec<Group> {
    let mut groups: HashMap<(String, Option<String>), u64> = HashMap::default();
    for (closure, count) in counts {
        *groups.entry(described(graph, closure)).or_default() += count;
    }
    let mut groups: Vec<Group> =
        groups.into_iter().map(|((function, place), count)| Group { function, place, count }).collect();
    groups.sort_by(|one, other| {
        other
            .count
            .cmp(&one.count)
            .then_with(|| (&one.place, &one.function).cmp(&(&other.place, &other.function)))
    });
    groups.truncate(most);
    groups
}

fn described(graph: &Graph, closure: NodeIndex) -> (String, Option<String>) {
    let place = script::place(graph, closure).map(|place| in_words(&place));
    (graph.name(closure).into_owned(), place)
}

/// `file:line`, from the package on.
pub(crate) fn in_words(place: &Place) -> String {
    let file = short_file(&place.file);
    if place.line > 0 { format!("{file}:{}", place.line) } else { file }
}

fn listeners(
    graph: &Graph,
    node: NodeIndex,
    events: Option<StringId>,
    targets: &[Option<StringId>],
    found: &mut Vec<Listeners>,
) {
    for edge in graph.edges(node) {
        let EdgeName::Text(name) = edge.name else { continue };
        if edge.kind != EdgeKind::Property || graph.kind(edge.to) != NodeKind::Object {
            continue;
        }
        if Some(name) == events {
            emitter(graph, node, edge.to, found);
        } else if targets.contains(&Some(name)) {
            event_target(graph, node, edge.to, found);
        }
    }
}

/// `_events`: an event's name leads to a function or to an array of them.
fn emitter(graph: &Graph, node: NodeIndex, events: NodeIndex, found: &mut Vec<Listeners>) {
    for edge in graph.edges(events).filter(|edge| edge.kind == EdgeKind::Property) {
        let EdgeName::Text(event) = edge.name else { continue };
        if graph.kind(edge.to) != NodeKind::Object || graph.strings().bytes(event) == b"__proto__" {
            continue;
        }
        let functions =
            || graph.edges(edge.to).filter(|edge| edge.kind == EdgeKind::Element).map(|edge| edge.to);
        let count = functions().filter(|listener| is_listener(graph, *listener)).count();
        if let (true, Some(first)) = (count > 1, functions().find(|listener| is_listener(graph, *listener))) {
            found.push(row(graph, node, event, count, first));
        }
    }
}

fn is_listener(graph: &Graph, node: NodeIndex) -> bool {
    matches!(graph.kind(node), NodeKind::Closure)
}

/// `kEvents`: a Map whose entries begin a list of `Listener`s.
fn event_target(graph: &Graph, node: NodeIndex, map: NodeIndex, found: &mut Vec<Listeners>) {
    let Some(table) = graph.follow(map, "table") else { return };
    for edge in graph.edges(table).filter(|edge| graph.kind(edge.to) == NodeKind::Object) {
        let mut count = 0;
        let mut first = None;
        let mut link = graph.follow(edge.to, "next");
        while let Some(listener) = link.filter(|node| graph.kind(*node) == NodeKind::Object) {
            count += 1;
            first = first.or_else(|| {
                graph.follow(listener, "listener").or_else(|| graph.follow(listener, "callback"))
            });
            link = graph.follow(listener, "next");
            if count >= LONGEST_LIST {
                break;
            }
        }
        if count > 1 {
            // The event's name is the string beside the list in the table.
            let event =
                graph.edges(table).map(|edge| edge.to).find(|key| graph.kind(*key) == NodeKind::String);
            let event = event.map_or(StringId(u32::MAX), |key| graph.name_id(key));
            found.push(row(graph, node, event, count, first.unwrap_or(edge.to)));
        }
    }
}

fn row(graph: &Graph, node: NodeIndex, event: StringId, count: usize, first: NodeIndex) -> Listeners {
    let target = graph.follow(first, "listener").filter(|node| graph.kind(*node) == NodeKind::Closure);
    let (function, place) = described(graph, target.unwrap_or(first));
    Listeners {
        emitter: graph.name(node).into_owned(),
        event: graph.strings().text(event).into_owned(),
        count: count as u64,
        function,
        place,
        id: graph.id(node),
    }
}

/// V8 writes equal strings with the same name.
fn repeated(graph: &Graph, most: usize) -> Vec<Repeated> {
    let mut counts = vec![0_u32; graph.strings().len()];
    let strings = || graph.nodes().filter(|node| graph.kind(*node) == NodeKind::String);
    for node in strings() {
        if let Some(count) = counts.get_mut(graph.name_id(node).0 as usize) {
            *count = count.saturating_add(1);
        }
    }
    let mut sizes: HashMap<StringId, u64> = HashMap::default();
    for node in strings() {
        let id = graph.name_id(node);
        if counts.get(id.0 as usize).is_some_and(|count| *count > 1) {
            *sizes.entry(id).or_default() += graph.self_size(node);
        }
    }
    let mut found: Vec<(StringId, u64, u64)> = sizes
        .into_iter()
        .map(|(id, bytes)| {
            let count = u64::from(counts.get(id.0 as usize).copied().unwrap_or(1));
            (id, count, bytes - bytes / count.max(1))
        })
        .collect();
    found.sort_by_key(|(id, _, wasted)| (std::cmp::Reverse(*wasted), *id));
    found.truncate(most);
    found
        .into_iter()
        .map(|(id, count, wasted)| Repeated { text: beginning(&graph.strings().text(id)), count, wasted })
        .collect()
}

fn beginning(text: &str) -> String {
    let mut short: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SnapshotBuilder;

    #[test]
    fn listeners_timers_promises_and_strings_are_counted() {
        let mut heap = SnapshotBuilder::new();
        let root = heap.root();
        let bus = heap.node("object", "EventEmitter", 104);
        let events = heap.node("object", "Object", 24);
        let list = heap.node("object", "Array", 16);
        heap.edge(root, EdgeKind::Property, "bus", bus).edge(bus, EdgeKind::Property, "_events", events);
        heap.edge(events, EdgeKind::Property, "tick", list);
        for index in 0..5 {
            let listener = heap.function("done", "/app/a.js", 3);
            heap.edge(list, EdgeKind::Element, &index.to_string(), listener);
            let timer = heap.node("object", "Timeout", 80);
            let callback = heap.function("poll", "/app/b.js", 9);
            heap.edge(root, EdgeKind::Element, &index.to_string(), timer);
            heap.edge(timer, EdgeKind::Property, "_onTimeout", callback);
            let text = heap.node("string", "the same", 24);
            heap.edge(list, EdgeKind::Property, "text", text);
        }
        let promise = heap.node("object", "Promise", 40);
        let reaction = heap.node("hidden", "system / PromiseReaction", 40);
        heap.edge(promise, EdgeKind::Internal, "reactions_or_result", reaction);

        let census = census(&heap.graph(), 10);

        assert_eq!(census.listeners.len(), 1);
        let row = &census.listeners[0];
        assert_eq!((row.event.as_str(), row.count, row.function.as_str()), ("tick", 5, "done"));
        assert_eq!(row.place.as_deref(), Some("app/a.js:3"));
        assert_eq!(
            (census.timer_count, census.timers[0].count, census.timers[0].function.as_str()),
            (5, 5, "poll")
        );
        assert_eq!((census.promises.count, census.promises.awaited), (1, 1));
        let strings: Vec<_> = census.strings.iter().map(|s| (s.text.as_str(), s.count, s.wasted)).collect();
        assert!(strings.contains(&("the same", 5, 96)), "{strings:?}");
    }
}
