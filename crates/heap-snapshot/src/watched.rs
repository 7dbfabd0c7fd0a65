//! Requests that leakprobe watches: held weakly by it, and still in the heap, so somebody else keeps them.

use crate::fold::{self, PathStep};
use crate::leak_kind::{LeakKind, classify};
use crate::{EdgeKind, Graph, NodeIndex, NodeKind, Paths, Step};
use serde::Serialize;
use std::collections::HashMap;

/// The class in `lib/watched.js` that holds the references.
const HOLDER: &str = "WatchedRequests";
/// From it to a reference: rings, their Map and its table, a ring, its array and that one's elements.
const FAR: usize = 8;

/// Kept requests with the same retaining path.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// Requests.
    pub count: u64,
    /// Kind of leak that the path shows.
    pub kind: &'static str,
    /// The path, as a person reads it.
    pub retaining_path: Vec<String>,
}

/// Watched requests that are alive.
pub fn watched_requests(graph: &Graph) -> Vec<NodeIndex> {
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

/// Watched requests that are alive, by path.
pub(crate) fn watched(graph: &Graph, paths: &Paths, most: usize) -> Vec<Watched> {
    let mut groups: HashMap<Vec<String>, (u64, LeakKind)> = HashMap::new();
    for node in watched_requests(graph) {
        let steps = fold::path(graph, paths, node);
        if steps.is_empty() {
            continue;
        }
        let plain: Vec<Step<'_>> = steps.iter().map(PathStep::as_step).collect();
        let kind = classify(&plain, None).kind;
        groups.entry(fold::words(graph, &steps)).or_insert((0, kind)).0 += 1;
    }
    let mut rows: Vec<Watched> = groups
        .into_iter()
        .map(|(retaining_path, (count, kind))| Watched { count, kind: kind.as_str(), retaining_path })
        .collect();
    rows.sort_by(|one, other| {
        other.count.cmp(&one.count).then_with(|| one.retaining_path.cmp(&other.retaining_path))
    });
    rows.truncate(most);
    rows
}
