//! Reading: however the text comes, and however it is damaged.

use leakprobe_heap_snapshot::testing::SnapshotBuilder;
use leakprobe_heap_snapshot::{EdgeKind, EdgeName, NodeIndex, NodeKind, ReadError, read};
use std::io::{self, Read};

/// Gives at most so many bytes at a time, as a pipe may.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

fn small() -> SnapshotBuilder {
    let mut heap = SnapshotBuilder::new();
    let map = heap.node("object", "Map", 32);
    let text = heap.node("string", "é \"quoted\" \u{1f600} \\ \n end", 48);
    let render = heap.function("render", "/app/cache.js", 7);
    heap.edge(heap.root(), EdgeKind::Property, "cache", map);
    heap.edge(map, EdgeKind::Element, "4294967294", text);
    heap.edge(map, EdgeKind::Weak, "w", render);
    heap
}

fn error(text: &[u8]) -> String {
    match read(&mut &text[..], &mut |_| true) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn columns_hold_what_the_text_says_however_it_is_cut() {
    let json = small().json();
    for size in [1, 2, 3, 7, 64, 65, 1_000, json.len()] {
        let (graph, warnings) = read(&mut Drops(json.as_bytes(), size), &mut |_| true).unwrap();

        assert_eq!(warnings, []);
        let map = NodeIndex(1);
        assert_eq!((graph.kind(map), &*graph.name(map), graph.self_size(map)), (NodeKind::Object, "Map", 32));
        assert_eq!(graph.name(NodeIndex(2)), "é \"quoted\" \u{1f600} \\ \n end");
        assert_eq!(graph.id(NodeIndex(2)), 5);
        let edges: Vec<_> = graph.edges(map).map(|edge| (edge.kind, edge.name, edge.to)).collect();
        assert_eq!(edges[0], (EdgeKind::Element, EdgeName::Number(4_294_967_294), NodeIndex(2)));
        assert_eq!((edges.len(), edges[1].0, edges[1].2), (2, EdgeKind::Weak, NodeIndex(3)));
        assert_eq!(graph.location(NodeIndex(3)), Some((7, 1)));
        assert_eq!(graph.retainers(NodeIndex(2)).len(), 1);
        assert_eq!(graph.retainers(NodeIndex(2))[0].0, map);
    }
}

#[test]
fn truncated_anywhere_it_is_an_error_that_says_where() {
    let json = small().json();
    let whole = json.trim_end().len();
    for length in 0..whole {
        let text = &json.as_bytes()[..length];
        match read(&mut &text[..], &mut |_| true) {
            Err(ReadError::Damaged(error)) => {
                assert!(error.offset <= length as u64, "{error}");
                assert!(!error.expected.is_empty() && !error.found.is_empty());
            }
            other => panic!("{length} bytes: {:?}", other.map(|(_, warnings)| warnings)),
        }
    }
}

#[test]
fn any_byte_changed_is_an_error_or_a_graph_that_holds_together() {
    let json = small().json();
    for at in 0..json.len() {
        for byte in [b'0', b'9', b',', b']', b'}', b'"', b'-', b'\\', b' ', 0xff] {
            let mut text = json.clone().into_bytes();
            text[at] = byte;
            if let Ok((graph, _)) = read(&mut &text[..], &mut |_| true) {
                let reached: usize = graph.nodes().map(|node| graph.edges(node).count()).sum();
                assert_eq!(reached, graph.edge_count(), "byte {at}");
                assert!(
                    graph
                        .nodes()
                        .flat_map(|node| graph.edges(node))
                        .all(|edge| (edge.to.0 as usize) < graph.node_count())
                );
            }
        }
    }
}

#[test]
fn what_is_no_heap_snapshot_is_told_with_its_place() {
    for (text, expected) in [
        ("hello", "at byte 0: expected an object, found h"),
        ("{}", "at byte 2: expected `snapshot`, found the end"),
        ("{\"nodes\":[1]}", "at byte 9: expected `snapshot` before the arrays it describes, found ["),
        ("{\"snapshot\":{}}", "at byte 12: expected snapshot.meta.node_fields, found another header"),
        ("{\"x\":[1,{\"y\":null}],\"z\" 1}", "at byte 24: expected `:` after a key, found 1"),
    ] {
        assert_eq!(error(text.as_bytes()), expected);
    }
    let json = small().json();
    let long = json.replace("4294967294", "12345678901234567890123");
    assert!(
        error(long.as_bytes()).contains("expected a number of at most 19 digits, found 1"),
        "{}",
        error(long.as_bytes())
    );
}

#[test]
fn damage_that_can_be_worked_around_is_a_warning() {
    let json = small().json();
    for (from, to, warning) in [
        (
            "\"node_count\":7",
            "\"node_count\":8",
            "numbers of nodes or edges that the header says otherwise (1)",
        ),
        ("\n,3,1,3,32,2,0", "\n,3,1,3,32,1,0", "edges more or fewer than the nodes say (1)"),
        ("1,4294967294,12", "1,4294967294,13", "edges that lead to no node, left out of every answer (1)"),
        ("\n,3,1,3,32,2,0", "\n,3,99,3,32,2,0", "names that are not in the string table (1)"),
    ] {
        assert!(json.contains(from), "{from} is not in {json}");
        let (graph, warnings) = read(&mut json.replace(from, to).as_bytes(), &mut |_| true).unwrap();

        assert_eq!(graph.node_count(), 7);
        assert_eq!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [warning]);
    }
}

#[test]
fn sizes_and_counts_beyond_four_bytes_are_kept() {
    let mut heap = SnapshotBuilder::new();
    let large = heap.node("native", "buffer", 5_000_000_000);
    heap.edge(heap.root(), EdgeKind::Element, "1", large);
    let graph = heap.graph();

    assert_eq!(graph.self_size(large), 5_000_000_000);
    assert_eq!(leakprobe_heap_snapshot::Dominators::new(&graph).retained(graph.root()), 5_000_000_000);
}

#[test]
fn a_header_that_promises_too_much_takes_no_memory() {
    let json = small().json().replace("\"node_count\":7", "\"node_count\":9000000000000000000");
    assert_eq!(read(&mut json.as_bytes(), &mut |_| true).unwrap().0.node_count(), 7);
}

#[test]
fn the_one_who_watches_can_cancel() {
    let json = small().json();
    let mut seen = 0;
    let result = read(&mut json.as_bytes(), &mut |bytes| {
        seen = bytes;
        false
    });
    assert!(matches!(result, Err(ReadError::Cancelled)));
    assert_eq!(seen, json.len() as u64);
}

#[test]
fn an_input_that_fails_says_so() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    assert_eq!(read(&mut Fails, &mut |_| true).unwrap_err().to_string(), "the disk is gone");
}
