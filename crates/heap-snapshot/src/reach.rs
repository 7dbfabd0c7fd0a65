//! Which edges keep their target, and the order in which dominators are found: the rules of Chrome's `DevTools`.
//!
//! Weak edges keep nothing, shortcuts only at the root, where they mark the user's global objects; and an edge from a node
//! that only V8's debugger reaches, into what the program owns, must not change who dominates it. (The rules are those
//! of `HeapSnapshot.ts` in its front end, which memlab follows.)
//!
//! **Invariant:** `order` holds each node once, the root first, and each node after the one it was first reached from.

use crate::bits::Bits;
use crate::graph::edge_kind;
use crate::{EdgeKind, Graph, NodeIndex};

/// Nodes in reverse postorder of a depth-first search.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) order: Vec<u32>,
    /// Nodes that belong to the program.
    pub(crate) owned: Bits,
    /// Whether every node does, so that nobody need ask.
    pub(crate) all_owned: bool,
    /// From here on in `order`, nodes that nothing essential leads to. They hang on the root.
    pub(crate) loose: usize,
}

const NONE: u32 = u32::MAX;

impl Reach {
    pub(crate) fn new(graph: &Graph) -> Self {
        let count = graph.node_count();
        let mut search = Search {
            graph,
            visited: Bits::new(count),
            owned: Bits::new(count),
            check_owned: false,
            parents: vec![NONE; count],
            cursors: vec![0; count],
            finished: Vec::with_capacity(count),
        };
        let root = graph.root();
        search.visited.set(root);
        search.enter_root(|kind| kind != EdgeKind::Shortcut);
        search.mark_owned();
        search.enter_root(|kind| kind == EdgeKind::Shortcut);
        let reached = search.finished.len();
        if reached + 1 < count {
            search.orphans();
        }
        let loose = search.finished.len() + 1;
        search.finished.push(root.0);
        search.finished.reverse();
        let Search { mut finished, visited, owned, .. } = search;
        if finished.len() < count {
            finished.extend(graph.nodes().filter(|node| !visited.get(*node)).map(|node| node.0));
        }
        let all_owned = reached + 1 == count && graph.nodes().skip(1).all(|node| owned.get(node));
        Self { order: finished, owned, all_owned, loose }
    }

    /// Whether an edge from `from` counts.
    #[inline]
    pub(crate) fn essential(&self, from: NodeIndex, kind: EdgeKind, to: NodeIndex) -> bool {
        let at_root = from.0 == 0;
        kind != EdgeKind::Weak
            && (kind != EdgeKind::Shortcut || at_root)
            && (self.all_owned || at_root || self.owned.get(from) || !self.owned.get(to))
    }
}

struct Search<'a> {
    graph: &'a Graph,
    visited: Bits,
    owned: Bits,
    check_owned: bool,
    parents: Vec<u32>,
    cursors: Vec<u32>,
    finished: Vec<u32>,
}

impl Search<'_> {
    fn enter_root(&mut self, wanted: impl Fn(EdgeKind) -> bool) {
        for edge in self.graph.edges(self.graph.root()) {
            if edge.kind != EdgeKind::Weak && wanted(edge.kind) {
                self.descend(edge.to);
            }
        }
    }

    /// Depth first from `start`; nodes are appended to `finished` when everything below them is.
    fn descend(&mut self, start: NodeIndex) {
        if !self.visited.set(start) {
            return;
        }
        let mut node = start;
        self.enter(node, NONE);
        loop {
            let to = self.graph.edge_range(node).1;
            let at = node.0 as usize;
            let from = self.cursors.get(at).copied().unwrap_or(to);
            let next = self.next_child(node, from, to);
            if let Some((child, cursor)) = next {
                if let Some(place) = self.cursors.get_mut(at) {
                    *place = cursor;
                }
                self.enter(child, node.0);
                node = child;
                continue;
            }
            self.finished.push(node.0);
            match self.parents.get(at) {
                Some(&NONE) | None => return,
                Some(parent) => node = NodeIndex(*parent),
            }
        }
    }

    fn enter(&mut self, node: NodeIndex, parent: u32) {
        let at = node.0 as usize;
        if let (Some(place), Some(cursor)) = (self.parents.get_mut(at), self.cursors.get_mut(at)) {
            *place = parent;
            *cursor = self.graph.edge_range(node).0;
        }
    }

    #[inline]
    fn next_child(&mut self, node: NodeIndex, from: u32, to: u32) -> Option<(NodeIndex, u32)> {
        let range = from as usize..to as usize;
        let names = self.graph.edges.names.get(range.clone())?;
        let targets = self.graph.edges.targets.get(range)?;
        for ((index, name), target) in (from..).zip(names).zip(targets) {
            let child = NodeIndex(*target);
            let kind = edge_kind(*name);
            if matches!(kind, EdgeKind::Weak | EdgeKind::Shortcut) {
                continue;
            }
            if self.check_owned && self.owned.get(child) && !self.owned.get(node) {
                continue;
            }
            if self.visited.set(child) {
                return Some((child, index + 1));
            }
        }
        None
    }

    /// The program owns what has been reached so far, and what that reaches by shortcuts.
    fn mark_owned(&mut self) {
        for node in &self.finished {
            self.owned.set(NodeIndex(*node));
        }
        let mut open: Vec<NodeIndex> = Vec::new();
        for (index, (name, target)) in
            self.graph.edges.names.iter().zip(&self.graph.edges.targets).enumerate()
        {
            if edge_kind(*name) == EdgeKind::Shortcut
                && !self.owned.get(NodeIndex(*target))
                && let Ok(index) = u32::try_from(index)
            {
                let from = self.graph.source(crate::EdgeIndex(index));
                if from.0 != 0 && self.owned.get(from) && self.owned.set(NodeIndex(*target)) {
                    open.push(NodeIndex(*target));
                }
            }
        }
        while let Some(node) = open.pop() {
            for edge in self.graph.edges(node) {
                if edge.kind != EdgeKind::Weak && self.owned.set(edge.to) {
                    open.push(edge.to);
                }
            }
        }
        self.check_owned = true;
    }

    /// Nodes that are held weakly only, and what hangs on them.
    fn orphans(&mut self) {
        let mut held = Bits::new(self.graph.node_count());
        for (name, target) in self.graph.edges.names.iter().zip(&self.graph.edges.targets) {
            if !matches!(edge_kind(*name), EdgeKind::Weak | EdgeKind::Shortcut) {
                held.set(NodeIndex(*target));
            }
        }
        for node in self.graph.nodes() {
            if !self.visited.get(node) && !held.get(node) {
                self.descend(node);
            }
        }
    }
}
