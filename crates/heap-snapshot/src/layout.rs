//! The header of a heap snapshot: which field of a row stands where, and what its numbers mean.
//!
//! **Invariant:** nothing about the layout is known from anywhere else; every offset is below the number of fields.

use crate::source::{MOST_FIELDS, Source};
use crate::{EdgeKind, Error, ReadError};
use serde_json::Value;

/// Longest header, bytes: V8's has two thousand.
const LONGEST: usize = 1 << 20;
/// Kinds of nodes: they are kept in a byte.
const MOST_KINDS: usize = 255;

/// Fields of a node's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeFields {
    pub(crate) count: usize,
    pub(crate) kind: usize,
    pub(crate) name: usize,
    pub(crate) id: usize,
    pub(crate) self_size: usize,
    pub(crate) edge_count: usize,
    pub(crate) detachedness: Option<usize>,
}

/// Fields of an edge's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EdgeFields {
    pub(crate) count: usize,
    pub(crate) kind: usize,
    pub(crate) name: usize,
    pub(crate) to: usize,
}

/// Fields of a location's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocationFields {
    pub(crate) count: usize,
    pub(crate) object: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What `snapshot` says.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) nodes: NodeFields,
    pub(crate) edges: EdgeFields,
    pub(crate) locations: Option<LocationFields>,
    /// Fields of a row of `trace_function_infos`, and where its two names stand.
    pub(crate) function_infos: Option<(usize, usize, usize)>,
    pub(crate) node_kinds: Vec<String>,
    pub(crate) edge_kinds: Vec<EdgeKind>,
    pub(crate) node_count: u64,
    pub(crate) edge_count: u64,
}

impl Layout {
    /// Takes the value of `snapshot`.
    pub(crate) fn read(source: &mut Source<'_>) -> Result<Self, ReadError> {
        Ok(Self::read_text(source)?.0)
    }

    /// The same with its text.
    pub(crate) fn read_text(source: &mut Source<'_>) -> Result<(Self, Vec<u8>), ReadError> {
        let start = source.position();
        let mut text = Vec::new();
        source.value(&mut text, LONGEST)?;
        let wrong = |expected, found: &str| Error { offset: start, expected, found: found.to_owned() };
        let header: Value = serde_json::from_slice(&text)
            .map_err(|error| wrong("an object of at most 1 MB under `snapshot`", &error.to_string()))?;
        let layout = Self::from_header(&header).map_err(|expected| wrong(expected, "another header"))?;
        Ok((layout, text))
    }

    fn from_header(header: &Value) -> Result<Self, &'static str> {
        let meta = |name: &str| strings(header.pointer(&format!("/meta/{name}")));
        let node_fields = meta("node_fields").ok_or("snapshot.meta.node_fields")?;
        let edge_fields = meta("edge_fields").ok_or("snapshot.meta.edge_fields")?;
        if node_fields.len() > MOST_FIELDS || edge_fields.len() > MOST_FIELDS {
            return Err("at most 16 fields of nodes and edges");
        }
        let node = |name: &str| node_fields.iter().position(|field| field == name);
        let edge = |name: &str| edge_fields.iter().position(|field| field == name);
        let nodes = NodeFields {
            count: node_fields.len(),
            kind: node("type").ok_or("`type` in snapshot.meta.node_fields")?,
            name: node("name").ok_or("`name` in snapshot.meta.node_fields")?,
            id: node("id").ok_or("`id` in snapshot.meta.node_fields")?,
            self_size: node("self_size").ok_or("`self_size` in snapshot.meta.node_fields")?,
            edge_count: node("edge_count").ok_or("`edge_count` in snapshot.meta.node_fields")?,
            detachedness: node("detachedness"),
        };
        let edges = EdgeFields {
            count: edge_fields.len(),
            kind: edge("type").ok_or("`type` in snapshot.meta.edge_fields")?,
            name: edge("name_or_index").ok_or("`name_or_index` in snapshot.meta.edge_fields")?,
            to: edge("to_node").ok_or("`to_node` in snapshot.meta.edge_fields")?,
        };
        let kinds = |list: &str, at: usize| strings(header.pointer(&format!("/meta/{list}/{at}")));
        let node_kinds =
            kinds("node_types", nodes.kind).ok_or("the kinds of nodes in snapshot.meta.node_types")?;
        let edge_kinds =
            kinds("edge_types", edges.kind).ok_or("the kinds of edges in snapshot.meta.edge_types")?;
        if node_kinds.len() > MOST_KINDS {
            return Err("at most 255 kinds of nodes");
        }
        let count = |name: &str| header.get(name).and_then(Value::as_u64);
        Ok(Self {
            nodes,
            edges,
            locations: meta("location_fields").and_then(|fields| locations(&fields)),
            function_infos: meta("trace_function_info_fields").and_then(|fields| function_infos(&fields)),
            edge_kinds: edge_kinds.iter().map(|kind| edge_kind(kind)).collect(),
            node_kinds,
            node_count: count("node_count").ok_or("snapshot.node_count")?,
            edge_count: count("edge_count").ok_or("snapshot.edge_count")?,
        })
    }
}

fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    value?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn locations(fields: &[String]) -> Option<LocationFields> {
    let at = |name: &str| fields.iter().position(|field| field == name);
    (fields.len() <= MOST_FIELDS).then_some(())?;
    Some(LocationFields {
        count: fields.len(),
        object: at("object_index")?,
        line: at("line")?,
        column: at("column")?,
    })
}

fn function_infos(fields: &[String]) -> Option<(usize, usize, usize)> {
    let at = |name: &str| fields.iter().position(|field| field == name);
    (fields.len() <= MOST_FIELDS).then_some((fields.len(), at("name")?, at("script_name")?))
}

fn edge_kind(name: &str) -> EdgeKind {
    match name {
        "context" => EdgeKind::Context,
        "element" => EdgeKind::Element,
        "property" => EdgeKind::Property,
        "internal" => EdgeKind::Internal,
        "hidden" => EdgeKind::Hidden,
        "shortcut" => EdgeKind::Shortcut,
        "weak" => EdgeKind::Weak,
        _ => EdgeKind::Other,
    }
}
