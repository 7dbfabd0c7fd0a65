//! Counts what a heap snapshot holds while it streams past, and compares it with the snapshot's own header.
//!
//! A small JSON scanner that keeps the path of keys it is in, at most [`DEEPEST`] levels. The layout comes from
//! `snapshot.meta` in the file, never from here. **Invariant:** memory is constant but for one key of at most
//! [`LONGEST_KEY`] bytes and one number.

use crate::Error;

const DEEPEST: usize = 32;
const LONGEST_KEY: usize = 32;

/// What a whole snapshot held.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Nodes.
    pub node_count: u64,
    /// Edges.
    pub edge_count: u64,
    /// Strings of the string table.
    pub string_count: u64,
    /// Length of the text, bytes.
    pub bytes: u64,
    /// The header says the same numbers of nodes and edges, and no node or edge is cut.
    pub counts_match: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Level {
    Object,
    Array,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Place {
    #[default]
    Elsewhere,
    NodeCount,
    EdgeCount,
    NodeFields,
    EdgeFields,
    Nodes,
    Edges,
    Strings,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

/// Fed with chunks of any size, it says at the end what they held.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a scanner's state: each answers one question about the last byte"
)]
#[derive(Debug, Default)]
pub struct Meter {
    offset: u64,
    levels: Vec<Level>,
    /// The key that each open level stands under.
    keys: Vec<String>,
    key: String,
    /// The string being read is a key.
    is_key: bool,
    expect_key: bool,
    text: Text,
    in_scalar: bool,
    number: u64,
    place: Place,
    began: bool,
    ended: bool,
    error: Option<Error>,
    node_fields: u64,
    edge_fields: u64,
    header_nodes: Option<u64>,
    header_edges: Option<u64>,
    nodes: u64,
    edges: u64,
    strings: u64,
}

impl Meter {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let (Some((byte, after)), None) = (rest.split_first(), &self.error) {
            if self.text == Text::Inside && !self.is_key {
                // The long way through a file: skip to what can end the string.
                let skip = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
                if skip > 0 {
                    self.offset += skip as u64;
                    rest = rest.get(skip..).unwrap_or(&[]);
                    continue;
                }
            } else if self.text == Text::Outside && matches!(self.place, Place::Nodes | Place::Edges) {
                let taken = self.numbers(rest);
                if taken > 0 {
                    self.offset += taken as u64;
                    rest = rest.get(taken..).unwrap_or(&[]);
                    continue;
                }
            }
            self.byte(*byte);
            self.offset += 1;
            rest = after;
        }
    }

    /// What the whole text held; an error where it was no heap snapshot, or ended too early.
    pub fn finish(self) -> Result<Summary, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let missing = |expected| Error { offset: self.offset, expected, found: "the end".to_owned() };
        if !self.ended {
            return Err(missing("the rest of the heap snapshot"));
        }
        let nodes = self.header_nodes.ok_or_else(|| missing("snapshot.node_count"))?;
        let edges = self.header_edges.ok_or_else(|| missing("snapshot.edge_count"))?;
        if self.node_fields == 0 || self.edge_fields == 0 {
            return Err(missing("snapshot.meta.node_fields and edge_fields"));
        }
        let whole = |numbers: u64, fields: u64| numbers.is_multiple_of(fields);
        let node_count = self.nodes / self.node_fields;
        let edge_count = self.edges / self.edge_fields;
        Ok(Summary {
            node_count,
            edge_count,
            string_count: self.strings,
            bytes: self.offset,
            counts_match: node_count == nodes
                && edge_count == edges
                && whole(self.nodes, self.node_fields)
                && whole(self.edges, self.edge_fields),
        })
    }

    /// Digits, commas and white space of the two long arrays; returns how many bytes it took.
    fn numbers(&mut self, bytes: &[u8]) -> usize {
        let mut in_scalar = self.in_scalar;
        let mut count = 0;
        let mut taken = 0;
        for byte in bytes {
            match byte {
                b'0'..=b'9' => {
                    count += u64::from(!in_scalar);
                    in_scalar = true;
                }
                b',' | b'\n' | b' ' | b'\r' => in_scalar = false,
                _ => break,
            }
            taken += 1;
        }
        self.in_scalar = in_scalar;
        match self.place {
            Place::Nodes => self.nodes += count,
            _ => self.edges += count,
        }
        taken
    }

    fn byte(&mut self, byte: u8) {
        match self.text {
            Text::Escaped => self.text = Text::Inside,
            Text::Inside => match byte {
                b'\\' => self.text = Text::Escaped,
                b'"' => self.text = Text::Outside,
                _ if self.is_key && self.key.len() < LONGEST_KEY => self.key.push(char::from(byte)),
                _ => {}
            },
            Text::Outside => self.outside(byte),
        }
    }

    fn outside(&mut self, byte: u8) {
        let white = matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        if self.ended {
            if !white {
                self.fail("nothing after the heap snapshot", byte);
            }
            return;
        }
        if !self.began && !white && byte != b'{' {
            self.fail("an object", byte);
            return;
        }
        match byte {
            b'{' | b'[' => self.open(if byte == b'{' { Level::Object } else { Level::Array }, byte),
            b'}' | b']' => self.close(if byte == b'}' { Level::Object } else { Level::Array }, byte),
            b'"' => self.open_string(byte),
            b':' => self.expect_key = false,
            b',' => {
                self.end_scalar();
                self.expect_key = self.levels.last() == Some(&Level::Object);
            }
            b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'E' => self.scalar(byte),
            _ if white => self.end_scalar(),
            _ => self.fail("JSON", byte),
        }
        self.place = if self.error.is_none() { self.locate() } else { Place::Elsewhere };
    }

    fn open(&mut self, level: Level, byte: u8) {
        if self.levels.len() == DEEPEST || (self.expect_key && self.began) {
            self.fail("less nesting", byte);
            return;
        }
        self.began = true;
        self.levels.push(level);
        self.keys.push(std::mem::take(&mut self.key));
        self.expect_key = level == Level::Object;
    }

    fn close(&mut self, level: Level, byte: u8) {
        self.end_scalar();
        if self.levels.pop() != Some(level) {
            self.fail("the bracket that was opened", byte);
            return;
        }
        self.keys.pop();
        self.key.clear();
        self.expect_key = false;
        self.ended = self.levels.is_empty();
    }

    fn open_string(&mut self, byte: u8) {
        if self.levels.is_empty() {
            self.fail("an object", byte);
            return;
        }
        self.text = Text::Inside;
        self.is_key = self.expect_key;
        if self.is_key {
            self.key.clear();
        } else {
            match self.place {
                Place::Strings => self.strings += 1,
                Place::NodeFields => self.node_fields += 1,
                Place::EdgeFields => self.edge_fields += 1,
                _ => {}
            }
        }
    }

    fn scalar(&mut self, byte: u8) {
        if !self.in_scalar {
            self.in_scalar = true;
            self.number = 0;
            match self.place {
                Place::Nodes => self.nodes += 1,
                Place::Edges => self.edges += 1,
                _ => {}
            }
        }
        if byte.is_ascii_digit() {
            self.number = self.number.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
        }
    }

    fn end_scalar(&mut self) {
        if std::mem::take(&mut self.in_scalar) {
            match self.place {
                Place::NodeCount => self.header_nodes = Some(self.number),
                Place::EdgeCount => self.header_edges = Some(self.number),
                _ => {}
            }
        }
    }

    /// Where the next value stands: decided by the keys of the open levels.
    fn locate(&self) -> Place {
        let keys: [&str; 3] =
            std::array::from_fn(|index| self.keys.get(index + 1).map_or("", String::as_str));
        match (self.levels.len(), keys, self.key.as_str()) {
            (2, ["snapshot", ..], "node_count") => Place::NodeCount,
            (2, ["snapshot", ..], "edge_count") => Place::EdgeCount,
            (2, ["nodes", ..], _) => Place::Nodes,
            (2, ["edges", ..], _) => Place::Edges,
            (2, ["strings", ..], _) => Place::Strings,
            (4, ["snapshot", "meta", "node_fields"], _) => Place::NodeFields,
            (4, ["snapshot", "meta", "edge_fields"], _) => Place::EdgeFields,
            _ => Place::Elsewhere,
        }
    }

    fn fail(&mut self, expected: &'static str, found: u8) {
        let found = char::from(found).escape_default().to_string();
        self.error.get_or_insert(Error { offset: self.offset, expected, found });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"snapshot":{"meta":{"node_fields":["type","name","id"],"node_types":[["hidden","a"],"string"],"edge_fields":["type","to"],"edge_types":[["x"]]},
"node_count":2,"edge_count":3,"trace_function_count":0},
"nodes":[0,1,22
,3,4,5
],
"edges":[1,2,3,4,5,6],"trace_tree":[],"strings":["<dummy>","a \"nodes\":[1,2] \\","é\n,",""]}
"#;

    fn measure(text: &[u8], size: usize) -> Result<Summary, Error> {
        let mut meter = Meter::default();
        text.chunks(size.max(1)).for_each(|chunk| meter.push(chunk));
        meter.finish()
    }

    #[test]
    fn the_counts_are_right_however_the_text_is_cut() {
        for size in 1..TEXT.len() {
            let summary = measure(TEXT.as_bytes(), size).unwrap();

            assert_eq!(
                (summary.node_count, summary.edge_count, summary.string_count),
                (2, 3, 4),
                "chunks of {size}"
            );
            assert!(summary.counts_match);
            assert_eq!(summary.bytes, TEXT.len() as u64);
        }
    }

    #[test]
    fn truncated_anywhere_it_is_an_error() {
        for length in 0..TEXT.trim_end().len() {
            let error = measure(&TEXT.as_bytes()[..length], 7).unwrap_err();
            assert_eq!(error.offset, length as u64);
        }
    }

    #[test]
    fn a_header_that_says_otherwise_is_noticed() {
        for (from, to) in [("\"node_count\":2", "\"node_count\":3"), ("5,6]", "5]"), ("22\n,3", "22\n,3,3")] {
            let summary = measure(TEXT.replace(from, to).as_bytes(), 64).unwrap();
            assert!(!summary.counts_match, "{to}");
        }
    }

    #[test]
    fn what_is_no_heap_snapshot_is_an_error_with_its_place() {
        for (text, expected) in [
            ("hello", "at byte 0: expected an object, found h"),
            ("[1]", "at byte 0: expected an object, found ["),
            ("{}", "at byte 2: expected snapshot.node_count, found the end"),
            ("{\"a\":1]", "at byte 6: expected the bracket that was opened, found ]"),
            ("{} x", "at byte 3: expected nothing after the heap snapshot, found x"),
            ("{\"a\":#", "at byte 5: expected JSON, found #"),
        ] {
            assert_eq!(measure(text.as_bytes(), 3).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn deep_nesting_and_long_keys_do_not_grow_it() {
        let deep = format!("{{\"a\":{}", "[".repeat(1_000));
        assert_eq!(measure(deep.as_bytes(), 64).unwrap_err().expected, "less nesting");
        let mut meter = Meter::default();
        meter.push(format!("{{\"{}", "k".repeat(100_000)).as_bytes());
        assert!(meter.key.len() <= LONGEST_KEY);
    }
}
