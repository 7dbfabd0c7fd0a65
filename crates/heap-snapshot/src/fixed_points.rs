//! Code that there is once, as the place from which paths are told.
//!
//! The shortest way to a module's code changes from one moment to the next: a request that is under way leads to it sooner than
//! the module does. So a function that there is once, a module and a module's variables are **fixed points**: their key is
//! their place in the code, whatever the way to them, and what hangs on them has the same key at every moment.
//!
//! Not here: functions that there are many of. Where those gather is what a path has to tell.

use crate::profile::{mix, text};
use crate::script;
use crate::{Edge, EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};
use foldhash::HashMap;

/// V8's names for a function's variables, and for those that every script shares.
const CONTEXT: &[u8] = b"system / Context";
const REALM: &[u8] = b"system / NativeContext";

#[derive(Debug)]
pub(crate) struct FixedPoints {
    /// Shared parts of the program's functions that there is exactly one of, with their place in the code as a number.
    single: HashMap<NodeIndex, u64>,
}

impl FixedPoints {
    /// One pass over the functions.
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut closures: HashMap<NodeIndex, (NodeIndex, u32)> = HashMap::default();
        for node in graph.nodes().filter(|node| graph.kind(*node) == NodeKind::Closure) {
            if let Some(shared) = graph.follow(node, "shared") {
                closures.entry(shared).or_insert((node, 0)).1 += 1;
            }
        }
        // The same place has several shared parts where it was compiled several times.
        let mut places: HashMap<u64, (NodeIndex, u32)> = HashMap::default();
        for (shared, (closure, count)) in closures {
            let Some(place) = script::place(graph, closure).filter(|place| !place.is_internal()) else {
                continue;
            };
            let column = graph.location(closure).map_or(0, |(_, column)| column);
            let at = (u64::from(place.line) << 32) | u64::from(column);
            let label = mix(mix(text(place.file.as_bytes()), text(place.function.as_bytes())), at);
            places.entry(label).or_insert((shared, 0)).1 += count;
        }
        let single = places.into_iter().filter(|(_, (_, count))| *count == 1);
        Self { single: single.map(|(label, (shared, _))| (shared, label)).collect() }
    }

    /// The label of what an edge leads to, where that is a fixed point. `file`: hash of the file of the nearest function or
    /// module on the way, 0 for none.
    pub(crate) fn label(&self, graph: &Graph, from: NodeIndex, edge: &Edge, file: u64) -> Option<u64> {
        let class = graph.strings().bytes(graph.name_id(edge.to));
        match graph.kind(edge.to) {
            NodeKind::Closure => self.single.get(&graph.follow(edge.to, "shared")?).copied(),
            NodeKind::Object if class == b"Module" && file != 0 => {
                script::place(graph, edge.to).map(|_| mix(file, 1))
            }
            NodeKind::Object if class == CONTEXT && file != 0 => {
                let closure = graph.kind(from) == NodeKind::Closure;
                let around = graph.follow(edge.to, "previous")?;
                let is_module = graph.strings().bytes(graph.name_id(around)) == REALM;
                // Node's own functions keep their file to themselves.
                if !is_module
                    || (closure && script::place(graph, from).is_none_or(|place| place.is_internal()))
                {
                    return None;
                }
                let variables = graph.edges(edge.to).filter(|edge| edge.kind == EdgeKind::Context);
                let names = variables.filter_map(|edge| match edge.name {
                    EdgeName::Text(id) => Some(text(graph.strings().bytes(id))),
                    EdgeName::Number(_) => None,
                });
                Some(names.fold(mix(file, 2), mix))
            }
            _ => None,
        }
    }
}
