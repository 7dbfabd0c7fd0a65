//! Heap snapshots for tests, stated in a few lines.
//!
//! ```
//! use leakprobe_heap_snapshot::EdgeKind;
//! use leakprobe_heap_snapshot::testing::SnapshotBuilder;
//!
//! let mut heap = SnapshotBuilder::new();
//! let cache = heap.node("object", "Map", 32);
//! heap.edge(heap.root(), EdgeKind::Property, "cache", cache);
//! assert_eq!(heap.graph().node_count(), 2);
//! ```

use crate::{EdgeKind, Graph, NodeIndex};
use serde_json::{Value, json};

/// V8's kinds of nodes in Node 24, in its order.
const NODE_KINDS: [&str; 15] = [
    "hidden",
    "array",
    "string",
    "object",
    "code",
    "closure",
    "regexp",
    "number",
    "native",
    "synthetic",
    "concatenated string",
    "sliced string",
    "symbol",
    "bigint",
    "object shape",
];
const EDGE_KINDS: [&str; 7] = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"];

struct Node {
    kind: usize,
    name: usize,
    self_size: u64,
    edges: Vec<(EdgeKind, usize, u32)>,
    location: Option<(u32, u32)>,
}

/// A heap snapshot in the making. Node 0 is the root.
#[expect(missing_debug_implementations, reason = "for tests, which print the JSON")]
pub struct SnapshotBuilder {
    nodes: Vec<Node>,
    strings: Vec<String>,
}

impl Default for SnapshotBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl SnapshotBuilder {
    /// A root and nothing else.
    pub fn new() -> Self {
        let mut builder = Self { nodes: Vec::new(), strings: Vec::new() };
        builder.node("synthetic", "", 0);
        builder
    }

    /// The root.
    pub fn root(&self) -> NodeIndex {
        NodeIndex(0)
    }

    /// A node of V8's kind `kind` (an unknown one becomes `hidden`), named `name`, of `self_size` bytes.
    pub fn node(&mut self, kind: &str, name: &str, self_size: u64) -> NodeIndex {
        let kind = NODE_KINDS.iter().position(|known| *known == kind).unwrap_or(0);
        let name = self.string(name);
        self.nodes.push(Node { kind, name, self_size, edges: Vec::new(), location: None });
        NodeIndex(u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX))
    }

    /// An edge; the name of an element or hidden one is its number.
    pub fn edge(&mut self, from: NodeIndex, kind: EdgeKind, name: &str, to: NodeIndex) -> &mut Self {
        let name = match kind {
            EdgeKind::Element | EdgeKind::Hidden => name.parse().unwrap_or(0),
            _ => self.string(name),
        };
        if let Some(node) = self.nodes.get_mut(from.0 as usize) {
            node.edges.push((kind, name, to.0));
        }
        self
    }

    /// Where a function begins; line and column from 0, as V8 has them.
    pub fn location(&mut self, node: NodeIndex, line: u32, column: u32) -> &mut Self {
        if let Some(node) = self.nodes.get_mut(node.0 as usize) {
            node.location = Some((line, column));
        }
        self
    }

    /// A function of a script: its shared information and its script beside it, as V8 has them.
    pub fn function(&mut self, name: &str, file: &str, line: u32) -> NodeIndex {
        let closure = self.node("closure", name, 64);
        let shared = self.node("code", name, 56);
        let script = self.node("code", file, 96);
        let file = self.node("string", file, 40);
        self.edge(closure, EdgeKind::Internal, "shared", shared);
        self.edge(shared, EdgeKind::Internal, "script", script);
        self.edge(script, EdgeKind::Internal, "name", file);
        self.location(closure, line.saturating_sub(1), 0);
        closure
    }

    fn string(&mut self, text: &str) -> usize {
        if let Some(at) = self.strings.iter().position(|known| known == text) {
            return at;
        }
        self.strings.push(text.to_owned());
        self.strings.len() - 1
    }

    /// V8's text, in V8's layout of lines.
    pub fn json(&self) -> String {
        let header = json!({
            "meta": {
                "node_fields": ["type", "name", "id", "self_size", "edge_count", "detachedness"],
                "node_types": [NODE_KINDS, "string", "number", "number", "number", "number"],
                "edge_fields": ["type", "name_or_index", "to_node"],
                "edge_types": [EDGE_KINDS, "string_or_number", "node"],
                "location_fields": ["object_index", "script_id", "line", "column"],
            },
            "node_count": self.nodes.len(),
            "edge_count": self.nodes.iter().map(|node| node.edges.len()).sum::<usize>(),
        });
        let rows = |rows: Vec<String>| rows.join("\n,");
        let nodes = self.nodes.iter().enumerate().map(|(index, node)| {
            let Node { kind, name, self_size, edges, .. } = node;
            format!("{kind},{name},{},{self_size},{},0", 1 + 2 * index, edges.len())
        });
        let edges = self.nodes.iter().flat_map(|node| &node.edges);
        let edges = edges.map(|(kind, name, to)| format!("{},{name},{}", *kind as u8, to * 6));
        let locations = self.nodes.iter().enumerate().filter_map(|(index, node)| {
            node.location.map(|(line, column)| format!("{},1,{line},{column}", index * 6))
        });
        let strings: Vec<String> =
            self.strings.iter().map(|text| Value::from(text.as_str()).to_string()).collect();
        format!(
            "{{\"snapshot\":{header},\n\"nodes\":[{}\n],\n\"edges\":[{}\n],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[{}],\n\"strings\":[{}]}}\n",
            rows(nodes.collect()),
            rows(edges.collect()),
            rows(locations.collect()),
            strings.join(",\n")
        )
    }

    /// The graph that is read from the text.
    #[expect(clippy::missing_panics_doc, reason = "only where the builder itself is wrong")]
    #[expect(clippy::expect_used, reason = "for tests")]
    pub fn graph(&self) -> Graph {
        let (graph, warnings) =
            crate::read(&mut self.json().as_bytes(), &mut |_| true).expect("a built heap snapshot is whole");
        assert_eq!(warnings, [], "a built heap snapshot has nothing to warn of");
        graph
    }
}
