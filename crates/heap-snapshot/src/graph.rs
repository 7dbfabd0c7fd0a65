//! The graph of a heap as columns: one entry per node or edge in each, no allocation of its own for any of them.
//!
//! **Invariant:** `first_edges` ascends, has one entry more than there are nodes, and its last is the number of edges;
//! every target is below the number of nodes; node 0 is the root.

use crate::ids::Ids;
use crate::{EdgeKind, StringId, Strings};
use foldhash::HashMap;
use std::borrow::Cow;

/// Bits of an edge's kind beside its name.
const KIND_SHIFT: u32 = 29;
/// Stands for a name that has no room; it is in `Edges::wide`.
const WIDE: u32 = (1 << KIND_SHIFT) - 1;
/// A weak edge without a name.
pub(crate) const WEAK_NAMELESS: u32 = (EdgeKind::Weak as u32) << KIND_SHIFT;
/// Kinds of edges in the order of their numbers.
const KINDS: [EdgeKind; 8] = [
    EdgeKind::Context,
    EdgeKind::Element,
    EdgeKind::Property,
    EdgeKind::Internal,
    EdgeKind::Hidden,
    EdgeKind::Shortcut,
    EdgeKind::Weak,
    EdgeKind::Other,
];

/// Index of a node in its graph; with another graph it means another node, or none.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeIndex(pub u32);

/// Index of an edge in its graph.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EdgeIndex(pub u32);

/// V8's kinds of nodes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "V8's own names")]
pub enum NodeKind {
    Hidden,
    Array,
    String,
    Object,
    Code,
    Closure,
    RegExp,
    Number,
    Native,
    Synthetic,
    ConcatenatedString,
    SlicedString,
    Symbol,
    BigInt,
    ObjectShape,
    Other,
}

/// What an edge's name is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EdgeName {
    /// A text.
    Text(StringId),
    /// A number: of an element, or of something hidden.
    Number(u32),
}

/// An edge.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Where it stands.
    pub index: EdgeIndex,
    /// Its kind.
    pub kind: EdgeKind,
    /// Its name.
    pub name: EdgeName,
    /// The node it leads to.
    pub to: NodeIndex,
}

/// The columns of nodes.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) kinds: Vec<u8>,
    pub(crate) names: Vec<u32>,
    pub(crate) ids: Ids,
    pub(crate) self_sizes: Vec<u32>,
    pub(crate) first_edges: Vec<u32>,
    /// Self sizes that need more than four bytes.
    pub(crate) large: HashMap<u32, u64>,
    /// Nodes of which something is known about being detached: 1 attached, 2 detached.
    pub(crate) detachedness: Vec<(u32, u8)>,
    /// Line and column from 1 of functions, ascending by node.
    pub(crate) locations: Vec<(u32, u32, u32)>,
}

/// The columns of edges.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// Kind and name.
    pub(crate) names: Vec<u32>,
    pub(crate) targets: Vec<u32>,
    /// Names that have no room beside their kind.
    pub(crate) wide: HashMap<u32, u32>,
}

impl Edges {
    pub(crate) fn push(&mut self, kind: EdgeKind, name: u32, target: u32) {
        let narrow = if name < WIDE {
            name
        } else {
            self.wide.insert(u32::try_from(self.names.len()).unwrap_or(u32::MAX), name);
            WIDE
        };
        self.names.push((kind as u32) << KIND_SHIFT | narrow);
        self.targets.push(target);
    }
}

/// A heap's graph.
#[derive(Debug)]
pub struct Graph {
    pub(crate) nodes: Nodes,
    pub(crate) edges: Edges,
    pub(crate) strings: Strings,
    pub(crate) kind_names: Vec<String>,
    kinds: Vec<NodeKind>,
}

impl Graph {
    /// The caller keeps the invariant of the columns.
    pub(crate) fn new(nodes: Nodes, edges: Edges, strings: Strings, kind_names: Vec<String>) -> Self {
        let kinds = kind_names.iter().map(|name| kind(name)).collect();
        Self { nodes, edges, strings, kind_names, kinds }
    }

    /// The node that everything hangs on.
    pub fn root(&self) -> NodeIndex {
        NodeIndex(0)
    }

    /// Nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.names.len()
    }

    /// Edges.
    pub fn edge_count(&self) -> usize {
        self.edges.targets.len()
    }

    /// The string table.
    pub fn strings(&self) -> &Strings {
        &self.strings
    }

    /// All nodes.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeIndex> + use<> {
        (0..u32::try_from(self.node_count()).unwrap_or(u32::MAX)).map(NodeIndex)
    }

    /// A node's kind.
    pub fn kind(&self, node: NodeIndex) -> NodeKind {
        self.kinds.get(self.kind_number(node)).copied().unwrap_or(NodeKind::Other)
    }

    fn kind_number(&self, node: NodeIndex) -> usize {
        usize::from(self.nodes.kinds.get(node.0 as usize).copied().unwrap_or(u8::MAX))
    }

    /// V8's name for a node's kind.
    pub fn kind_name(&self, node: NodeIndex) -> &str {
        self.kind_names.get(self.kind_number(node)).map_or("", String::as_str)
    }

    /// A node's name: an object's class, a function's name, a string's content.
    pub fn name(&self, node: NodeIndex) -> Cow<'_, str> {
        self.strings.text(self.name_id(node))
    }

    /// The id of that.
    pub fn name_id(&self, node: NodeIndex) -> StringId {
        StringId(self.nodes.names.get(node.0 as usize).copied().unwrap_or(u32::MAX))
    }

    /// V8's id of the object, the same in all heap snapshots that one process made itself.
    pub fn id(&self, node: NodeIndex) -> u64 {
        self.nodes.ids.get(node.0)
    }

    /// The node with V8's id.
    pub fn find_id(&self, id: u64) -> Option<NodeIndex> {
        self.nodes().find(|node| self.id(*node) == id)
    }

    /// Bytes of the object alone.
    pub fn self_size(&self, node: NodeIndex) -> u64 {
        match self.nodes.self_sizes.get(node.0 as usize) {
            Some(&u32::MAX) => self.nodes.large.get(&node.0).copied().unwrap_or(u64::from(u32::MAX)),
            Some(size) => u64::from(*size),
            None => 0,
        }
    }

    /// Bytes of all objects.
    pub fn total_size(&self) -> u64 {
        self.nodes().map(|node| self.self_size(node)).sum()
    }

    /// How many edges lead on from a node.
    pub fn out_degree(&self, node: NodeIndex) -> u32 {
        let (from, to) = self.edge_range(node);
        to - from
    }

    #[inline]
    pub(crate) fn edge_range(&self, node: NodeIndex) -> (u32, u32) {
        let at = node.0 as usize;
        match self.nodes.first_edges.get(at..at + 2) {
            Some(&[from, to]) => (from, to),
            _ => (0, 0),
        }
    }

    /// The edges that lead on from a node.
    #[inline]
    pub fn edges(&self, node: NodeIndex) -> impl ExactSizeIterator<Item = Edge> + '_ {
        let (from, to) = self.edge_range(node);
        let range = from as usize..to as usize;
        let names = self.edges.names.get(range.clone()).unwrap_or(&[]);
        let targets = self.edges.targets.get(range).unwrap_or(&[]);
        (from..to)
            .zip(names)
            .zip(targets)
            .map(|((index, name), target)| self.edge_from(index, *name, *target))
    }

    /// An edge by its index.
    pub fn edge(&self, index: EdgeIndex) -> Option<Edge> {
        let name = self.edges.names.get(index.0 as usize)?;
        Some(self.edge_from(index.0, *name, *self.edges.targets.get(index.0 as usize)?))
    }

    #[inline]
    fn edge_from(&self, index: u32, name: u32, target: u32) -> Edge {
        let kind = edge_kind(name);
        let number = match name & WIDE {
            WIDE => self.edges.wide.get(&index).copied().unwrap_or(WIDE),
            narrow => narrow,
        };
        let name = match kind {
            EdgeKind::Element | EdgeKind::Hidden => EdgeName::Number(number),
            _ => EdgeName::Text(StringId(number)),
        };
        Edge { index: EdgeIndex(index), kind, name, to: NodeIndex(target) }
    }

    /// The node that an edge leads from. `O(log nodes)`.
    pub fn source(&self, edge: EdgeIndex) -> NodeIndex {
        let after = self.nodes.first_edges.partition_point(|first| *first <= edge.0);
        NodeIndex(u32::try_from(after.saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// All edges to a node, with the nodes they come from. One pass over all edges.
    pub fn retainers(&self, node: NodeIndex) -> Vec<(NodeIndex, Edge)> {
        let found = self.edges.targets.iter().enumerate().filter(|(_, target)| **target == node.0);
        found
            .filter_map(|(index, _)| self.edge(EdgeIndex(u32::try_from(index).ok()?)))
            .map(|edge| (self.source(edge.index), edge))
            .collect()
    }

    /// Where a function begins: line and column, from 1.
    pub fn location(&self, node: NodeIndex) -> Option<(u32, u32)> {
        let at = self.nodes.locations.binary_search_by_key(&node.0, |location| location.0).ok()?;
        self.nodes.locations.get(at).map(|(_, line, column)| (*line, *column))
    }

    /// The target of a node's first edge of that name.
    pub fn follow(&self, node: NodeIndex, name: &str) -> Option<NodeIndex> {
        let named = |edge: &Edge| match edge.name {
            EdgeName::Text(id) => self.strings.bytes(id) == name.as_bytes(),
            EdgeName::Number(_) => false,
        };
        self.edges(node).find(named).map(|edge| edge.to)
    }
}

/// The kind in an edge's packed name.
#[inline]
pub(crate) fn edge_kind(name: u32) -> EdgeKind {
    KINDS.get((name >> KIND_SHIFT) as usize).copied().unwrap_or(EdgeKind::Other)
}

pub(crate) fn kind(name: &str) -> NodeKind {
    match name {
        "hidden" => NodeKind::Hidden,
        "array" => NodeKind::Array,
        "string" => NodeKind::String,
        "object" => NodeKind::Object,
        "code" => NodeKind::Code,
        "closure" => NodeKind::Closure,
        "regexp" => NodeKind::RegExp,
        "number" => NodeKind::Number,
        "native" => NodeKind::Native,
        "synthetic" => NodeKind::Synthetic,
        "concatenated string" => NodeKind::ConcatenatedString,
        "sliced string" => NodeKind::SlicedString,
        "symbol" => NodeKind::Symbol,
        "bigint" => NodeKind::BigInt,
        "object shape" => NodeKind::ObjectShape,
        _ => NodeKind::Other,
    }
}
