//! The file format: a JSON object whose rows of numbers are described by its head.

use super::places::Place;
use std::io::{self, Write};

/// The fields of a node, in their order.
pub(crate) const NODE_FIELDS: [&str; 7] =
    ["type", "name", "id", "self_size", "edge_count", "trace_node_id", "detachedness"];
/// The types of nodes, in V8's order.
const NODE_TYPES: [&str; 15] = [
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
/// The types of edges, in V8's order.
const EDGE_TYPES: [&str; 7] = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"];

/// The type of a node: its place in [`NODE_TYPES`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum NodeType {
    Hidden = 0,
    Array = 1,
    String = 2,
    Object = 3,
    Code = 4,
    Closure = 5,
    RegExp = 6,
    Number = 7,
    Native = 8,
    Synthetic = 9,
    ConcatenatedString = 10,
    SlicedString = 11,
    Symbol = 12,
    BigInt = 13,
    ObjectShape = 14,
}

/// The type of an edge: its place in [`EDGE_TYPES`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum EdgeType {
    Context = 0,
    Element = 1,
    Property = 2,
    Internal = 3,
    Hidden = 4,
    Shortcut = 5,
    Weak = 6,
}

/// Writes the file from its beginning to its end.
pub(crate) struct Json<'o> {
    out: &'o mut dyn Write,
    buffer: Vec<u8>,
    is_first: bool,
}

/// Bytes that are written at once.
const BUFFER: usize = 1 << 16;

impl<'o> Json<'o> {
    pub(crate) fn new(out: &'o mut dyn Write) -> Self {
        Self { out, buffer: Vec::with_capacity(BUFFER + 4096), is_first: true }
    }

    /// The head, up to the first node.
    pub(crate) fn head(&mut self, nodes: u64, edges: u64) -> io::Result<()> {
        let row =
            |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
        let head = format!(
            concat!(
                "{{\"snapshot\":{{\"meta\":{{\"node_fields\":[{}],",
                "\"node_types\":[[{}],\"string\",\"number\",\"number\",\"number\",\"number\",\"number\"],",
                "\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],",
                "\"edge_types\":[[{}],\"string_or_number\",\"node\"],",
                "\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\",\"script_id\",\"line\",\"column\"],",
                "\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\"size\",\"children\"],",
                "\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],",
                "\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]}},",
                "\"node_count\":{},\"edge_count\":{},\"trace_function_count\":0}},\n\"nodes\":["
            ),
            row(&NODE_FIELDS),
            row(&NODE_TYPES),
            row(&EDGE_TYPES),
            nodes,
            edges
        );
        self.put(head.as_bytes())
    }

    /// A node without its edges.
    pub(crate) fn node(
        &mut self,
        node_type: NodeType,
        name: u64,
        id: u64,
        size: u64,
        edges: u64,
    ) -> io::Result<()> {
        self.row(&[node_type as u64, name, id, size, edges, 0, 0])
    }

    /// An edge to the node with this number.
    pub(crate) fn edge(&mut self, edge_type: EdgeType, name_or_index: u64, node: u64) -> io::Result<()> {
        self.row(&[edge_type as u64, name_or_index, node * NODE_FIELDS.len() as u64])
    }

    fn row(&mut self, numbers: &[u64]) -> io::Result<()> {
        for (place, number) in numbers.iter().enumerate() {
            if place > 0 || !self.is_first {
                self.buffer.push(b',');
            }
            let mut digits = [0_u8; 20];
            let mut at = digits.len();
            let mut rest = *number;
            loop {
                at -= 1;
                if let Some(digit) = digits.get_mut(at) {
                    *digit = b'0' + (rest % 10) as u8;
                }
                rest /= 10;
                if rest == 0 {
                    break;
                }
            }
            self.buffer.extend_from_slice(digits.get(at..).unwrap_or(&[]));
        }
        self.buffer.push(b'\n');
        self.is_first = false;
        self.flush_if_full()
    }

    /// Ends one row of numbers and begins another.
    pub(crate) fn next_section(&mut self, name: &str) -> io::Result<()> {
        self.is_first = true;
        self.put(format!("],\n\"{name}\":[").as_bytes())
    }

    /// Ends the edges and begins the places of functions; what traces would be kept is empty.
    pub(crate) fn locations(&mut self) -> io::Result<()> {
        self.is_first = true;
        self.put(b"],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[")
    }

    /// Where the function that is the node with this number begins.
    pub(crate) fn location(&mut self, node: u64, place: Place) -> io::Result<()> {
        let Place { script, line, column } = place;
        self.row(&[node * NODE_FIELDS.len() as u64, u64::from(script), u64::from(line), u64::from(column)])
    }

    /// A string.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        if !self.is_first {
            self.buffer.extend_from_slice(b",\n");
        }
        self.is_first = false;
        self.buffer.push(b'"');
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.buffer.extend_from_slice(&[b'\\', byte]),
                0..0x20 => self.buffer.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.buffer.push(byte),
            }
        }
        self.buffer.push(b'"');
        self.flush_if_full()
    }

    /// The end of the file.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.put(b"]}\n")?;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.flush_if_full()
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() >= BUFFER {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_json_with_what_its_head_says() {
        let mut file = Vec::new();
        let mut json = Json::new(&mut file);
        json.head(2, 1).unwrap();
        json.node(NodeType::Synthetic, 0, 1, 0, 1).unwrap();
        json.node(NodeType::ObjectShape, 1, 4_294_967_299, 80, 0).unwrap();
        json.next_section("edges").unwrap();
        json.edge(EdgeType::Weak, 1, 1).unwrap();
        json.locations().unwrap();
        json.location(1, Place { script: 3, line: 11, column: 4 }).unwrap();
        json.next_section("strings").unwrap();
        json.text("").unwrap();
        json.text("a \"quoted\" \\ text\u{7}, ä").unwrap();
        json.end().unwrap();

        let value: serde_json::Value = serde_json::from_slice(&file).unwrap();
        assert_eq!(value["snapshot"]["node_count"], 2);
        assert_eq!(
            value["nodes"],
            serde_json::json!([9, 0, 1, 0, 1, 0, 0, 14, 1, 4_294_967_299_u64, 80, 0, 0, 0])
        );
        assert_eq!(value["edges"], serde_json::json!([6, 1, 7]));
        assert_eq!(value["locations"], serde_json::json!([7, 3, 11, 4]));
        assert_eq!(value["strings"], serde_json::json!(["", "a \"quoted\" \\ text\u{7}, ä"]));
        assert_eq!(value["snapshot"]["meta"]["node_types"][0][8], "native");
        assert_eq!(value["snapshot"]["meta"]["edge_types"][0][6], "weak");
    }
}
