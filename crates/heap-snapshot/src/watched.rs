//! Requests that leakprobe watches: held weakly by it, and still in the heap, so somebody else keeps them.

use crate::census::in_words;
use crate::fold::{self, PathStep};
use crate::leak_kind::classify;
use crate::{EdgeKind, Graph, NodeIndex, NodeKind, Paths, Step};
use serde::Serialize;
use std::collections::HashMap;

/// The class in `lib/watched.js` that holds the references.
const HOLDER: &str = "WatchedRequests";
/// The class of the tags that they carry.
const TAG: &str = "LeakprobeWatched";
/// From it to a reference: rings, their Map and its table, a ring, its array and that one's elements.
const FAR: usize = 8;
/// Letters of a route's name.
const LONGEST_ROUTE: usize = 200;

/// Kept requests of one route with the same retaining path.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// Requests.
    pub count: u64,
    /// Their route, as their tag says it; absent in a redacted heap snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Kind of leak that the path shows.
    pub kind: &'static str,
    /// The npm package whose code keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// V8's id of one of them.
    pub id: u64,
    /// The path, as a person reads it.
    pub retaining_path: Vec<String>,
}

impl Watched {
    /// `package file:line function` of what keeps them, as far as known.
    pub fn place(&self) -> Option<String> {
        let file = self.file.clone()?;
        let place = crate::Place { file, line: self.line.unwrap_or(0), function: String::new() };
        let function = self.function.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        Some(format!("{}{function}", in_words(&place)))
    }
}

/// Watched requests that are alive.
fn watched_requests(graph: &Graph) -> Vec<NodeIndex> {
    let Some(class) = graph.strings().find(HOLDER) else { return Vec::new() };
    let holders =
        graph.nodes().filter(|node| graph.kind(*node) == NodeKind::Object && graph.name_id(*node) == class);
    let mut found = Vec::new();
    for holder in holders {
        let mut seen = std::collections::HashSet::from([holder]);
        let mut open = vec![holder];
        for _ in 0..FAR {
            let mut next = Vec::new();
            for node in open {
                for edge in graph.edges(node) {
                    if edge.kind == EdgeKind::Weak {
                        if graph.name(node) == "WeakRef" && graph.kind(edge.to) == NodeKind::Object {
                            found.push(edge.to);
                        }
                    } else if is_inside(graph, edge.to) && seen.insert(edge.to) {
                        next.push(edge.to);
                    }
                }
            }
            open = next;
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Not by way of a prototype or hidden class to the rest of the heap.
fn is_inside(graph: &Graph, node: NodeIndex) -> bool {
    let name = graph.name(node);
    graph.kind(node) == NodeKind::Array
        || (graph.kind(node) == NodeKind::Object && matches!(&*name, "Map" | "Object" | "Array" | "WeakRef"))
}

/// The route of a watched request: its tag has it in `route`.
fn route(graph: &Graph, request: NodeIndex) -> Option<String> {
    let is_tag = |edge: &crate::Edge| edge.kind == EdgeKind::Property && &*graph.name(edge.to) == TAG;
    let tag = graph.edges(request).find(is_tag)?.to;
    let text = graph.follow(tag, "route").filter(|text| graph.kind(*text) == NodeKind::String)?;
    let text: String = graph.name(text).chars().take(LONGEST_ROUTE).collect();
    // What a redaction left of it is no route.
    (!text.starts_with('[')).then_some(text)
}

/// Watched requests that are alive, by route and path.
pub fn watched(graph: &Graph, paths: &Paths, most: usize) -> Vec<Watched> {
    let mut groups: HashMap<(Option<String>, Vec<String>), Watched> = HashMap::new();
    for node in watched_requests(graph) {
        let steps = fold::path(graph, paths, node);
        if steps.is_empty() {
            continue;
        }
        let (route, words) = (route(graph, node), fold::words(graph, &steps));
        let group = groups.entry((route.clone(), words.clone())).or_insert_with(|| {
            let plain: Vec<Step<'_>> = steps.iter().map(PathStep::as_step).collect();
            let place = steps.iter().rev().filter_map(|step| step.place.as_ref());
            let place = place.into_iter().find(|place| !place.is_internal());
            Watched {
                count: 0,
                route,
                kind: classify(&plain, None).kind.as_str(),
                package: place.and_then(|place| place.package().map(str::to_owned)),
                file: place.map(|place| place.file.clone()),
                line: place.map(|place| place.line).filter(|line| *line > 0),
                function: place.map(|place| place.function.clone()).filter(|name| !name.is_empty()),
                id: graph.id(node),
                retaining_path: words,
            }
        });
        group.count += 1;
    }
    let mut rows: Vec<Watched> = groups.into_values().collect();
    rows.sort_by(|one, other| {
        let key = |row: &Watched| (row.route.clone(), row.retaining_path.clone());
        other.count.cmp(&one.count).then_with(|| key(one).cmp(&key(other)))
    });
    rows.truncate(most);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SnapshotBuilder;

    /// `rings` → ring → `WeakRef` → request, which a Set of the program keeps, and the request's tag.
    fn heap(route: &str) -> Graph {
        let mut heap = SnapshotBuilder::new();
        let holder = heap.node("object", HOLDER, 40);
        let ring = heap.node("object", "Map", 32);
        let elements = heap.node("array", "", 64);
        let module = heap.function("open", "/srv/node_modules/hub/open.js", 4);
        let set = heap.node("object", "Set", 32);
        heap.edge(heap.root(), EdgeKind::Property, "watched", holder);
        heap.edge(holder, EdgeKind::Property, "rings", ring).edge(
            ring,
            EdgeKind::Internal,
            "table",
            elements,
        );
        heap.edge(heap.root(), EdgeKind::Property, "open", module).edge(
            module,
            EdgeKind::Context,
            "seen",
            set,
        );
        for index in ["1", "2"] {
            let reference = heap.node("object", "WeakRef", 16);
            let request = heap.node("object", "IncomingMessage", 200);
            let tag = heap.node("object", TAG, 24);
            let text = heap.node("string", route, 32);
            heap.edge(elements, EdgeKind::Internal, index, reference);
            heap.edge(reference, EdgeKind::Weak, "target", request);
            heap.edge(request, EdgeKind::Property, "<symbol leakprobe.tag>", tag);
            heap.edge(tag, EdgeKind::Property, "route", text);
            heap.edge(set, EdgeKind::Internal, index, request);
        }
        heap.graph()
    }

    #[test]
    fn requests_that_are_kept_are_told_by_route_with_the_code_that_keeps_them() {
        let graph = heap("GET /mails/:customer");

        let rows = watched(&graph, &Paths::new(&graph), 10);

        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.count, row.route.as_deref()), (2, Some("GET /mails/:customer")));
        assert_eq!((row.package.as_deref(), row.line), (Some("hub"), Some(4)));
        assert!(row.retaining_path.contains(&"context seen".to_owned()), "{:?}", row.retaining_path);
    }

    #[test]
    fn what_a_redaction_left_is_no_route() {
        let graph = heap("[20 text]");
        let rows = watched(&graph, &Paths::new(&graph), 10);
        assert_eq!((rows.len(), rows[0].route.as_deref()), (1, None));
    }
}
