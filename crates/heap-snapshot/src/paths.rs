//! The way from the root to every node that a person would choose: by what the program wrote, and by V8's bookkeeping only
//! where nothing else leads there.
//!
//! A breadth-first search in levels: edges of a higher level wait until the lower ones lead nowhere new.
//!
//! **Invariant:** `order` holds every node that a path leads to once, after the node that its path comes from.

use crate::bits::Bits;
use crate::names::{NameClass, Names};
use crate::{Edge, EdgeIndex, EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

const NONE: u32 = u32::MAX;
/// Levels beside the first, which does not wait.
const LEVELS: usize = 3;

/// Shortest paths from the root.
#[derive(Debug)]
pub struct Paths {
    via: Vec<u32>,
    order: Vec<u32>,
}

impl Paths {
    /// Finds them: one pass over the edges. 8 bytes per node.
    pub fn new(graph: &Graph) -> Self {
        let names = Names::new(graph);
        let count = graph.node_count();
        let mut search = Search {
            seen: Bits::new(count),
            waits: std::array::from_fn(|_| (Bits::new(count), Vec::new())),
            paths: Self { via: vec![NONE; count], order: Vec::with_capacity(count) },
        };
        search.seen.set(graph.root());
        search.paths.order.push(graph.root().0);
        let mut next = 0;
        loop {
            while let Some(node) = search.paths.order.get(next).copied().map(NodeIndex) {
                next += 1;
                let kind = graph.kind(node);
                for edge in graph.edges(node) {
                    if search.seen.get(edge.to) {
                        continue;
                    }
                    match level(graph, &names, node, kind, &edge) {
                        Some(0) => search.reach(&edge),
                        Some(level) => search.wait(level, &edge),
                        None => {}
                    }
                }
            }
            if !search.wake(graph) {
                return search.paths;
            }
        }
    }

    /// The edge that a node's path ends with; `None` for the root and for what no path leads to.
    #[inline]
    pub fn via(&self, node: NodeIndex) -> Option<EdgeIndex> {
        self.via.get(node.0 as usize).copied().filter(|edge| *edge != NONE).map(EdgeIndex)
    }

    /// All nodes that a path leads to, the root first.
    pub fn order(&self) -> impl ExactSizeIterator<Item = NodeIndex> + '_ {
        self.order.iter().map(|node| NodeIndex(*node))
    }

    /// The edges from the root to a node; empty where no path leads to it.
    pub fn to(&self, graph: &Graph, node: NodeIndex) -> Vec<Edge> {
        let mut edges = Vec::new();
        let mut at = node;
        while let Some(edge) = self.via(at).and_then(|via| graph.edge(via)) {
            edges.push(edge);
            at = graph.source(edge.index);
            if edges.len() > self.order.len() {
                break;
            }
        }
        edges.reverse();
        edges
    }
}

struct Search {
    seen: Bits,
    /// By level less one: targets that wait already, and the edges to them.
    waits: [(Bits, Vec<u32>); LEVELS],
    paths: Paths,
}

impl Search {
    #[inline]
    fn reach(&mut self, edge: &Edge) {
        if self.seen.set(edge.to) {
            if let Some(place) = self.paths.via.get_mut(edge.to.0 as usize) {
                *place = edge.index.0;
            }
            self.paths.order.push(edge.to.0);
        }
    }

    fn wait(&mut self, level: usize, edge: &Edge) {
        if let Some((known, edges)) = self.waits.get_mut(level - 1)
            && known.set(edge.to)
        {
            edges.push(edge.index.0);
        }
    }

    /// Follows the edges of the lowest level that waits; `false` when none does.
    fn wake(&mut self, graph: &Graph) -> bool {
        let Some(edges) = self.waits.iter_mut().map(|(_, edges)| edges).find(|edges| !edges.is_empty())
        else {
            return false;
        };
        for edge in std::mem::take(edges) {
            if let Some(edge) = graph.edge(EdgeIndex(edge)) {
                self.reach(&edge);
            }
        }
        true
    }
}

/// How little an edge says to a person; `None`: it keeps nothing.
#[inline]
fn level(graph: &Graph, names: &Names, from: NodeIndex, kind: NodeKind, edge: &Edge) -> Option<usize> {
    if edge.kind == EdgeKind::Weak {
        return None;
    }
    if kind == NodeKind::Synthetic {
        return Some(root_level(graph, from, edge));
    }
    let target = match graph.kind(edge.to) {
        NodeKind::Hidden | NodeKind::Code | NodeKind::ObjectShape => 2,
        _ => 0,
    };
    let own = match (edge.kind, edge.name) {
        (EdgeKind::Shortcut | EdgeKind::Hidden, _) => 1,
        (_, EdgeName::Text(name)) => match names.class(name) {
            NameClass::Bookkeeping => 2,
            // A value in a WeakMap lives by its key, and V8 lets both the key and the table lead to it.
            NameClass::Ephemeron if edge.kind == EdgeKind::Internal && kind == NodeKind::Array => 3,
            NameClass::Ephemeron if edge.kind == EdgeKind::Internal => 1,
            _ => 0,
        },
        _ => 0,
    };
    let source = match kind {
        NodeKind::Hidden | NodeKind::Code | NodeKind::ObjectShape => 1,
        _ => 0,
    };
    Some(own.max(target).max(source))
}

/// The roots' own order: the program's handles and global object first, the stack and V8's own tables last.
fn root_level(graph: &Graph, from: NodeIndex, edge: &Edge) -> usize {
    if graph.kind(edge.to) != NodeKind::Synthetic {
        return match &*graph.name(from) {
            "(Stack roots)" | "(Handle scope)" => 2,
            "(Strong roots)" | "(Compilation cache)" | "(Builtins)" | "(Startup object cache)" => 3,
            _ => 0,
        };
    }
    match &*graph.name(edge.to) {
        "(GC roots)" | "(Global handles)" | "(Traced handles)" | "(Eternal handles)" | "(Micro tasks)" => 0,
        "(Stack roots)" | "(Handle scope)" => 2,
        name if name.starts_with('(') => 3,
        // Node's own C++ objects, with a wrapper in JavaScript each.
        _ => 1,
    }
}
