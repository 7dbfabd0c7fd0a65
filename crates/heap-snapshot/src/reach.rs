//! Which edges keep their target, and the order in which dominators are found: the rules of Chrome's `DevTools`.
//!
//! Weak edges keep nothing, shortcuts only at the root, where they mark the user's global objects; and an edge from a node
//! that only V8's debugger reaches, into what the program owns, must not change who dominates it. (The rules are those
//! of `HeapSnapshot.ts` in its front end, which memlab follows.)
//!
//! **Invariant:** `places` holds each place once, the root's first, in the order in which a search depth first sees the nodes.

use crate::bits::Bits;
use crate::graph::edge_kind;
use crate::{EdgeKind, Graph, NodeIndex};

/// A search depth first over a whole graph.
#[derive(Debug)]
pub(crate) struct Reach {
    /// By node, its place in preorder.
    pub(crate) places: Vec<u32>,
    /// By place, the place of the node that one was first seen from. What nothing essential leads to hangs on the root.
    pub(crate) parents: Vec<u32>,
    pub(crate) owned: Owned,
}

/// What belongs to the program.
#[derive(Debug)]
pub(crate) struct Owned {
    nodes: Bits,
    /// Whether every node does, so that nobody need ask.
    all: bool,
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
            places: vec![0; count],
            cursors: vec![0; count],
            order: Vec::with_capacity(count),
            parents: Vec::with_capacity(count),
        };
        let root = graph.root();
        search.visited.set(root);
        search.order.push(root.0);
        search.parents.push(0);
        search.enter_root(|kind| kind != EdgeKind::Shortcut);
        search.mark_owned();
        search.enter_root(|kind| kind == EdgeKind::Shortcut);
        let is_whole = search.order.len() == count;
        if !is_whole {
            search.orphans();
        }
        let Search { mut places, mut parents, visited, owned, .. } = search;
        if parents.len() < count {
            for node in graph.nodes().filter(|node| !visited.get(*node)) {
                if let (Some(place), Ok(last)) =
                    (places.get_mut(node.0 as usize), u32::try_from(parents.len()))
                {
                    *place = last;
                }
                parents.push(0);
            }
        }
        let all = is_whole && graph.nodes().skip(1).all(|node| owned.get(node));
        Self { places, parents, owned: Owned { nodes: owned, all } }
    }
}

impl Owned {
    /// Whether an edge from `from` counts.
    #[inline]
    pub(crate) fn essential(&self, from: NodeIndex, kind: EdgeKind, to: NodeIndex) -> bool {
        let at_root = from.0 == 0;
        kind != EdgeKind::Weak
            && (kind != EdgeKind::Shortcut || at_root)
            && (self.all || at_root || self.nodes.get(from) || !self.nodes.get(to))
    }
}

struct Search<'a> {
    graph: &'a Graph,
    visited: Bits,
    owned: Bits,
    check_owned: bool,
    /// By node, its place in `order`.
    places: Vec<u32>,
    cursors: Vec<u32>,
    order: Vec<u32>,
    parents: Vec<u32>,
}

impl Search<'_> {
    fn enter_root(&mut self, wanted: impl Fn(EdgeKind) -> bool) {
        for edge in self.graph.edges(self.graph.root()) {
            if edge.kind != EdgeKind::Weak && wanted(edge.kind) {
                self.descend(edge.to);
            }
        }
    }

    /// Depth first from `start`, which hangs on the root.
    fn descend(&mut self, start: NodeIndex) {
        if !self.visited.set(start) {
            return;
        }
        let mut node = start;
        self.enter(node, 0);
        loop {
            let to = self.graph.edge_range(node).1;
            let at = node.0 as usize;
            let from = self.cursors.get(at).copied().unwrap_or(to);
            let place = self.places.get(at).copied().unwrap_or(0);
            if let Some((child, cursor)) = self.next_child(node, from, to) {
                if let Some(own) = self.cursors.get_mut(at) {
                    *own = cursor;
                }
                self.enter(child, place);
                node = child;
                continue;
            }
            let parent = self.parents.get(place as usize).copied().unwrap_or(0);
            match self.order.get(parent as usize) {
                Some(above) if parent != 0 => node = NodeIndex(*above),
                _ => return,
            }
        }
    }

    fn enter(&mut self, node: NodeIndex, parent: u32) {
        let at = node.0 as usize;
        if let (Some(place), Some(cursor)) = (self.places.get_mut(at), self.cursors.get_mut(at)) {
            *place = u32::try_from(self.order.len()).unwrap_or(NONE);
            *cursor = self.graph.edge_range(node).0;
        }
        self.order.push(node.0);
        self.parents.push(parent);
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
        for node in self.order.iter().skip(1) {
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
