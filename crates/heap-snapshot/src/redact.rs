//! A heap snapshot without the contents of its strings, while it streams past.
//!
//! What stays: the graph, sizes, names of classes, functions, variables, properties and files. What goes: contents of
//! strings of every make, source texts, patterns, keys of dictionaries, descriptions of symbols unless they look like
//! code, and what V8 writes of keys and values of a `WeakMap`. Of each, its length and what it looked like stay.
//!
//! **Invariant:** a text is written only when a node's class or an edge names something with it. Memory: one byte per node
//! and per string.

mod tables;

use crate::fold::looks_like_code;
use crate::graph::{NodeKind, kind as kind_of};
use crate::layout::Layout;
use crate::likeness::likeness;
use crate::source::{Progress, Source};
use crate::{EdgeKind, ReadError};
use std::io::{Read, Write};
use tables::{Degrees, Uses, Walk};

/// Longest key of a section, bytes.
const LONGEST_KEY: usize = 64;
/// Longest tree of allocations that is copied, bytes.
const LONGEST_TREE: usize = 256 << 20;
/// A string is a name.
const NAME: u8 = 1;
/// A string is a number's text, which may stay.
const NUMBER: u8 = 2;

/// What became of the strings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Redacted {
    /// Strings in all.
    pub strings: u64,
    /// Of them, those whose contents are gone.
    pub redacted: u64,
}

/// What goes besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redaction {
    /// The values of numbers too, where the heap snapshot has them.
    pub numbers: bool,
}

/// Copies a heap snapshot from `input` to `output` without its contents.
pub fn redact(
    input: &mut dyn Read,
    output: &mut dyn Write,
    redaction: Redaction,
    progress: Progress<'_>,
) -> Result<Redacted, ReadError> {
    let mut redactor = Redactor {
        source: Source::new(input, progress),
        output,
        redaction,
        layout: None,
        uses: Uses::default(),
        degrees: Degrees::default(),
        told: Redacted::default(),
    };
    redactor.run()?;
    redactor.output.flush().map_err(ReadError::Output)?;
    Ok(redactor.told)
}

struct Redactor<'a> {
    source: Source<'a>,
    output: &'a mut dyn Write,
    redaction: Redaction,
    layout: Option<Layout>,
    uses: Uses,
    degrees: Degrees,
    told: Redacted,
}

impl Redactor<'_> {
    fn run(&mut self) -> Result<(), ReadError> {
        self.source.take(b'{', "an object")?;
        self.write(b"{")?;
        let mut first = true;
        loop {
            let mut key = Vec::new();
            self.source.string(&mut key, LONGEST_KEY)?;
            self.source.take(b':', "`:` after a key")?;
            first &= !self.section(&key, first)?;
            if !self.source.goes_on(b'}', "`,` or `}` after a section")? {
                break;
            }
        }
        self.source.finish()?;
        if self.told.strings == 0 {
            return Err(self.source.wrong("`strings`"));
        }
        self.write(b"}\n")
    }

    /// Whether it was written: nobody knows what an unknown section would give away.
    fn section(&mut self, key: &[u8], first: bool) -> Result<bool, ReadError> {
        let known: &[&[u8]] = &[
            b"snapshot",
            b"nodes",
            b"edges",
            b"locations",
            b"samples",
            b"trace_function_infos",
            b"trace_tree",
            b"strings",
        ];
        if !known.contains(&key) {
            self.source.value(&mut Vec::new(), 0)?;
            return Ok(false);
        }
        self.write(if first { b"\"" } else { b",\n\"" })?;
        self.write(key)?;
        self.write(b"\":")?;
        match key {
            b"snapshot" => {
                let (layout, text) = Layout::read_text(&mut self.source)?;
                self.layout = Some(layout);
                self.write(&text)
            }
            b"strings" => self.strings(),
            b"trace_tree" => {
                let mut tree = Vec::new();
                self.source.value(&mut tree, LONGEST_TREE)?;
                if tree.contains(&b'"') || tree.len() == LONGEST_TREE {
                    tree = b"[]".to_vec();
                }
                self.write(&tree)
            }
            _ => self.rows(key),
        }?;
        Ok(true)
    }

    fn rows(&mut self, key: &[u8]) -> Result<(), ReadError> {
        let Some(layout) = self.layout.clone() else {
            return Err(self.source.wrong("`snapshot` before the arrays it describes"));
        };
        let Self { source, output, uses, degrees, .. } = self;
        let mut copy = Copy { output: &mut **output, line: Vec::with_capacity(256), begun: false };
        copy.output.write_all(b"[").map_err(ReadError::Output)?;
        let kinds: Vec<NodeKind> = layout.node_kinds.iter().map(|name| kind_of(name)).collect();
        let mut walk = Walk::default();
        let fields = match key {
            b"nodes" => layout.nodes.count,
            b"edges" => layout.edges.count,
            b"trace_function_infos" => layout.function_infos.map_or(1, |(count, _, _)| count),
            _ => layout.locations.map_or(1, |fields| fields.count),
        };
        let fields = if key == b"samples" { 1 } else { fields };
        let whole = source.rows(fields, |row| {
            let field = |at: usize| row.get(at).copied().unwrap_or(0);
            match key {
                b"nodes" => {
                    let kind =
                        usize::try_from(field(layout.nodes.kind)).ok().and_then(|kind| kinds.get(kind));
                    let kind = kind.copied().unwrap_or(NodeKind::Other);
                    degrees.push(field(layout.nodes.edge_count), kind);
                    uses.note(field(layout.nodes.name), use_of(kind));
                }
                b"edges" => {
                    let (node, dictionary) = walk.next(degrees);
                    let to =
                        usize::try_from(field(layout.edges.to)).unwrap_or(usize::MAX) / layout.nodes.count;
                    let kind = usize::try_from(field(layout.edges.kind)).ok();
                    let kind =
                        kind.and_then(|kind| layout.edge_kinds.get(kind)).copied().unwrap_or(EdgeKind::Other);
                    let numbered = matches!(kind, EdgeKind::Element | EdgeKind::Hidden);
                    if node == 0 && kind == EdgeKind::Shortcut {
                        degrees.globals.insert(to);
                    }
                    let is_key = dictionary && kind == EdgeKind::Property && !degrees.is_closure(to);
                    if !numbered && !is_key {
                        uses.note(field(layout.edges.name), NAME);
                    }
                }
                b"trace_function_infos" => {
                    if let Some((_, name, script)) = layout.function_infos {
                        uses.note(field(name), NAME);
                        uses.note(field(script), NAME);
                    }
                }
                _ => {}
            }
            copy.row(row)
        })?;
        if !whole {
            return Err(self.source.wrong("a whole last row"));
        }
        self.write(b"]")
    }

    fn strings(&mut self) -> Result<(), ReadError> {
        self.source.take(b'[', "an array of strings")?;
        self.write(b"[")?;
        if self.source.peek()? == Some(b']') {
            return Err(self.source.wrong("a string"));
        }
        // What uses a string is told by its place in one table.
        if self.told.strings > 0 {
            return Err(self.source.wrong("one table of strings"));
        }
        let (mut text, mut out) = (Vec::new(), Vec::new());
        loop {
            text.clear();
            self.source.string(&mut text, usize::MAX)?;
            let uses = self.uses.of(self.told.strings);
            out.clear();
            out.extend_from_slice(if self.told.strings == 0 { b"" } else { b",\n" });
            self.told.strings += 1;
            let known = String::from_utf8_lossy(&text);
            match kept(&known, uses, self.redaction) {
                Kept::Whole => quote(&known, &mut out),
                Kept::As(text) => quote(&text, &mut out),
                Kept::Likeness => {
                    self.told.redacted += 1;
                    quote(&likeness(&known), &mut out);
                }
            }
            self.output.write_all(&out).map_err(ReadError::Output)?;
            if !self.source.goes_on(b']', "`,` or `]` after a string")? {
                return self.write(b"]");
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.output.write_all(bytes).map_err(ReadError::Output)
    }
}

/// Numbers as V8 writes them: a row on a line.
struct Copy<'a> {
    output: &'a mut dyn Write,
    line: Vec<u8>,
    begun: bool,
}

impl Copy<'_> {
    fn row(&mut self, row: &[u64]) -> Result<(), ReadError> {
        self.line.clear();
        let mut digits = itoa::Buffer::new();
        for (index, value) in row.iter().enumerate() {
            if index > 0 || self.begun {
                self.line.push(b',');
            }
            self.line.extend_from_slice(digits.format(*value).as_bytes());
        }
        self.line.push(b'\n');
        self.begun = true;
        self.output.write_all(&self.line).map_err(ReadError::Output)
    }
}

fn use_of(kind: NodeKind) -> u8 {
    match kind {
        NodeKind::String
        | NodeKind::ConcatenatedString
        | NodeKind::SlicedString
        | NodeKind::Symbol
        | NodeKind::RegExp => 0,
        NodeKind::Number | NodeKind::BigInt => NUMBER,
        _ => NAME,
    }
}

enum Kept {
    Whole,
    As(String),
    Likeness,
}

fn kept(text: &str, uses: u8, redaction: Redaction) -> Kept {
    // V8's own words for strings without a text of their own.
    if matches!(text, "" | "<dummy>" | "(concatenated string)" | "(sliced string)" | "heap number" | "int") {
        return Kept::Whole;
    }
    if uses & NAME == 0 {
        let number = uses & NUMBER != 0 && !redaction.numbers;
        return if number { Kept::Whole } else { Kept::Likeness };
    }
    if let Some(pair) = ephemeron(text) {
        return Kept::As(pair);
    }
    match text.strip_prefix("<symbol ").and_then(|rest| rest.strip_suffix('>')) {
        Some(description) if !looks_like_code(description.as_bytes()) => {
            Kept::As(format!("<symbol {}>", likeness(description)))
        }
        _ => Kept::Whole,
    }
}

/// `N / part of key (NAME @ID) -> value (NAME @ID) pair in WeakMap (table @ID)`: a name can be a string's content.
fn ephemeron(text: &str) -> Option<String> {
    let (head, rest) = text.split_once(" part of key (")?;
    head.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'/')).then_some(())?;
    let (key, rest) = rest.split_once(" -> value (").unwrap_or((rest, ""));
    let (value, table) = rest.rsplit_once(" pair in WeakMap (").unwrap_or((rest, ""));
    let id = |part: &str| {
        let digits = part.rsplit_once('@').map_or("", |(_, id)| id.trim_end_matches(')'));
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.to_owned() } else { String::new() }
    };
    let (key, value, table) = (id(key), id(value), id(table));
    Some(format!(
        "{head} part of key (redacted @{key}) -> value (redacted @{value}) pair in WeakMap (table @{table})"
    ))
}

fn quote(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}
