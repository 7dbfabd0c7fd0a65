//! Text into columns, in one pass.
//!
//! **Invariant:** whatever the text says, the graph that comes out keeps its own invariants; what had to be bent for
//! that is in the warnings.

use crate::graph::{Edges, Nodes};
use crate::layout::{EdgeFields, Layout, NodeFields};
use crate::source::{Progress, Source};
use crate::strings::{LONGEST, Strings};
use crate::{EdgeKind, Error, Graph, ReadError, Warning};
use std::io::Read;

/// Longest key, bytes.
const LONGEST_KEY: usize = 64;
/// Entries for which room is asked before the first one: a header can say anything.
const MOST_AHEAD: u64 = 1 << 26;

const CUT: &str = "arrays whose last row is cut";
const COUNTS: &str = "numbers of nodes or edges that the header says otherwise";
const EDGE_COUNTS: &str = "edges more or fewer than the nodes say";
const TARGETS: &str = "edges that lead to no node, left out of every answer";
const NAMES: &str = "names that are not in the string table";

/// Reads a heap snapshot. `progress` is asked after each window with the bytes read so far; `false` cancels.
///
/// Memory: 17 bytes per node, 8 per edge, and the string table.
pub fn read(input: &mut dyn Read, progress: Progress<'_>) -> Result<(Graph, Vec<Warning>), ReadError> {
    let mut source = Source::new(input, progress);
    let mut parser = Parser::default();
    source.take(b'{', "an object")?;
    if source.peek()? == Some(b'}') {
        source.take(b'}', "the end of the object")?;
    } else {
        loop {
            let mut key = Vec::new();
            source.string(&mut key, LONGEST_KEY)?;
            source.take(b':', "`:` after a key")?;
            parser.section(&key, &mut source)?;
            if !source.goes_on(b'}', "`,` or `}` after a section")? {
                break;
            }
        }
    }
    source.finish()?;
    parser.finish(source.position())
}

#[derive(Default)]
struct Parser {
    layout: Option<Layout>,
    nodes: Option<Nodes>,
    edges: Option<Edges>,
    strings: Option<Strings>,
    warnings: Warnings,
}

#[derive(Default)]
struct Warnings(Vec<Warning>);

impl Warnings {
    fn count(&mut self, what: &'static str, count: u64) {
        if count == 0 {
            return;
        }
        match self.0.iter_mut().find(|warning| warning.what == what) {
            Some(warning) => warning.count += count,
            None => self.0.push(Warning { what, count }),
        }
    }
}

impl Parser {
    fn section(&mut self, key: &[u8], source: &mut Source<'_>) -> Result<(), ReadError> {
        match (key, &self.layout) {
            (b"snapshot", _) => self.layout = Some(Layout::read(source)?),
            (b"nodes" | b"edges" | b"locations", None) => {
                return Err(source.wrong("`snapshot` before the arrays it describes"));
            }
            (b"nodes", Some(layout)) => {
                let (nodes, whole) = nodes(source, layout)?;
                self.warnings.count(CUT, u64::from(!whole));
                self.nodes = Some(nodes);
            }
            (b"edges", Some(layout)) => {
                let (edges, whole) = edges(source, layout)?;
                self.warnings.count(CUT, u64::from(!whole));
                self.edges = Some(edges);
            }
            (b"locations", Some(layout)) => {
                let fields = layout.locations;
                match (fields, self.nodes.as_mut()) {
                    (Some(fields), Some(nodes)) => {
                        let divisor = layout.nodes.count as u64;
                        source.rows(fields.count, |row| {
                            let field = |at: usize| row.get(at).copied().unwrap_or(0);
                            let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
                            let node = narrow(field(fields.object) / divisor);
                            let from_one = |value: u64| narrow(value).saturating_add(1);
                            nodes.locations.push((
                                node,
                                from_one(field(fields.line)),
                                from_one(field(fields.column)),
                            ));
                            Ok(())
                        })?;
                    }
                    _ => source.value(&mut Vec::new(), 0)?,
                }
            }
            (b"strings", _) => self.strings = Some(strings(source)?),
            _ => source.value(&mut Vec::new(), 0)?,
        }
        Ok(())
    }

    fn finish(self, offset: u64) -> Result<(Graph, Vec<Warning>), ReadError> {
        let missing = |expected| Error { offset, expected, found: "the end".to_owned() };
        let layout = self.layout.ok_or_else(|| missing("`snapshot`"))?;
        let mut nodes = self.nodes.ok_or_else(|| missing("`nodes`"))?;
        let mut edges = self.edges.ok_or_else(|| missing("`edges`"))?;
        let strings = self.strings.ok_or_else(|| missing("`strings`"))?;
        let mut warnings = self.warnings;
        if nodes.names.is_empty() {
            return Err(missing("at least one node").into());
        }
        let (node_count, edge_count) = (nodes.names.len() as u64, edges.targets.len() as u64);
        let differs = u64::from(layout.node_count != node_count) + u64::from(layout.edge_count != edge_count);
        warnings.count(COUNTS, differs);
        warnings.count(EDGE_COUNTS, mend_first_edges(&mut nodes, edges.targets.len()));
        warnings.count(TARGETS, mend_targets(&mut edges, nodes.names.len()));
        let strange = nodes.names.iter().filter(|name| **name as usize >= strings.len()).count();
        warnings.count(NAMES, strange as u64);
        nodes.locations.sort_unstable();
        Ok((Graph::new(nodes, edges, strings, layout.node_kinds), warnings.0))
    }
}

fn nodes(source: &mut Source<'_>, layout: &Layout) -> Result<(Nodes, bool), ReadError> {
    let NodeFields { count, kind, name, id, self_size, edge_count, detachedness } = layout.nodes;
    let mut nodes = Nodes::default();
    let ahead = usize::try_from(layout.node_count.min(MOST_AHEAD)).unwrap_or(0);
    let room = nodes.kinds.try_reserve_exact(ahead).and_then(|()| nodes.names.try_reserve_exact(ahead));
    let room = room.and_then(|()| nodes.self_sizes.try_reserve_exact(ahead));
    let room = room.and_then(|()| nodes.first_edges.try_reserve_exact(ahead + 1));
    room.map_err(|_| ReadError::OutOfMemory)?;
    let mut first: u64 = 0;
    let mut too_many = false;
    let whole = source.rows(count, |row| {
        let field = |at: usize| row.get(at).copied().unwrap_or(0);
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let index = nodes.names.len();
        if index >= u32::MAX as usize - 1 {
            return Err(ReadError::OutOfMemory);
        }
        nodes.kinds.push(u8::try_from(field(kind)).unwrap_or(u8::MAX));
        nodes.names.push(narrow(field(name)));
        let (id, size) = (field(id), field(self_size));
        nodes.ids.push(id);
        nodes.self_sizes.push(narrow(size));
        if size >= u64::from(u32::MAX) {
            nodes.large.insert(narrow(index as u64), size);
        }
        nodes.first_edges.push(narrow(first));
        first = first.saturating_add(field(edge_count));
        too_many |= first >= u64::from(u32::MAX);
        match detachedness.map(field) {
            None | Some(0) => {}
            Some(state) => nodes.detachedness.push((narrow(index as u64), u8::try_from(state).unwrap_or(0))),
        }
        Ok(())
    })?;
    nodes.first_edges.push(u32::try_from(first).unwrap_or(u32::MAX));
    Ok((nodes, whole))
}

fn edges(source: &mut Source<'_>, layout: &Layout) -> Result<(Edges, bool), ReadError> {
    let EdgeFields { count, kind, name, to } = layout.edges;
    let mut edges = Edges::default();
    let ahead = usize::try_from(layout.edge_count.min(MOST_AHEAD)).unwrap_or(0);
    let room = edges.names.try_reserve_exact(ahead).and_then(|()| edges.targets.try_reserve_exact(ahead));
    room.map_err(|_| ReadError::OutOfMemory)?;
    // A division by a number that is known only now, as a multiplication: exact for targets below 2^60 / 16.
    let divisor = layout.nodes.count as u64;
    let reciprocal = u128::from(u64::MAX / divisor + 1);
    let whole = source.rows(count, |row| {
        let field = |at: usize| row.get(at).copied().unwrap_or(0);
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        if edges.targets.len() >= u32::MAX as usize - 1 {
            return Err(ReadError::OutOfMemory);
        }
        let kind = usize::try_from(field(kind)).ok().and_then(|kind| layout.edge_kinds.get(kind).copied());
        let to = field(to);
        let quotient = if divisor == 1 { to } else { narrow64((u128::from(to) * reciprocal) >> 64) };
        let target = if quotient.wrapping_mul(divisor) == to { narrow(quotient) } else { u32::MAX };
        edges.push(kind.unwrap_or(EdgeKind::Other), narrow(field(name)), target);
        Ok(())
    })?;
    Ok((edges, whole))
}

fn narrow64(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn strings(source: &mut Source<'_>) -> Result<Strings, ReadError> {
    let mut strings = Strings::default();
    source.take(b'[', "an array of strings")?;
    if source.peek()? == Some(b']') {
        source.take(b']', "the end of the strings")?;
        return Ok(strings);
    }
    loop {
        strings.push(|bytes| source.string(bytes, LONGEST))?;
        if !source.goes_on(b']', "`,` or `]` after a string")? {
            return Ok(strings);
        }
    }
}

/// Makes the nodes' edges end where the edges end. Returns by how many they differed.
fn mend_first_edges(nodes: &mut Nodes, edge_count: usize) -> u64 {
    let edge_count = u32::try_from(edge_count).unwrap_or(u32::MAX);
    let said = nodes.first_edges.last().copied().unwrap_or(0);
    if said != edge_count {
        for first in &mut nodes.first_edges {
            *first = (*first).min(edge_count);
        }
        // What belongs to no node is given to the last one.
        if let Some(last) = nodes.first_edges.last_mut() {
            *last = edge_count;
        }
    }
    u64::from(said.abs_diff(edge_count))
}

/// An edge to nowhere becomes a weak one to the root, which keeps nothing.
fn mend_targets(edges: &mut Edges, node_count: usize) -> u64 {
    let mut wrong = 0;
    for (name, target) in edges.names.iter_mut().zip(&mut edges.targets) {
        if *target as usize >= node_count {
            *target = 0;
            *name = crate::graph::WEAK_NAMELESS;
            wrong += 1;
        }
    }
    wrong
}
