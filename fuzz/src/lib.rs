//! What is fuzzed, shared by the libFuzzer targets in `fuzz_targets/` and the program that runs on the stable compiler.

mod mutate;

pub use mutate::{Random, made, mutated};

use leakprobe_heap_snapshot::testing::SnapshotBuilder;
use leakprobe_heap_snapshot::{
    Comparison, Dominators, EdgeKind, Graph, NodeIndex, Paths, Redaction, analyze, path, read, redact, words,
};

/// Whether the input was read to its end; an error for a broken invariant.
pub fn check(name: &str, input: &[u8], before: &[u8]) -> Result<bool, String> {
    match name {
        "redact" => {
            let mut out = Vec::new();
            let Ok(told) = redact(&mut &*input, &mut out, Redaction::default(), &mut |_| true) else { return Ok(false) };
            if told.redacted > told.strings {
                return Err("more strings redacted than there are".to_owned());
            }
            let (one, other) = (graph(input), graph(&out));
            match (one, other) {
                (Some(one), Some(other)) if one.node_count() == other.node_count() && one.edge_count() == other.edge_count() => Ok(true),
                (None, _) => Ok(false),
                _ => Err("what was redacted is another graph".to_owned()),
            }
        }
        "diff" => {
            let (Some(one), Some(other)) = (graph(before), graph(input)) else { return Ok(false) };
            let mut comparison = Comparison::default();
            comparison.before(&one, &[]);
            comparison.before(&other, &[]);
            let diff = comparison.last(&one, &[], 20);
            if diff.snapshots.len() == 3 { Ok(true) } else { Err("a comparison lost a heap snapshot".to_owned()) }
        }
        _ => {
            let Some(graph) = graph(input) else { return Ok(false) };
            let dominators = Dominators::new(&graph);
            if dominators.retained(graph.root()) != graph.nodes().fold(0, |sum: u64, node| sum.saturating_add(graph.self_size(node))) {
                return Err("the root does not retain everything".to_owned());
            }
            let paths = Paths::new(&graph);
            for node in graph.nodes().step_by(7).chain([NodeIndex(u32::MAX)]) {
                words(&graph, &path(&graph, &paths, node));
                graph.retainers(node);
            }
            let analysis = analyze(&graph, &[], 10);
            if analysis.totals.nodes == graph.node_count() as u64 { Ok(true) } else { Err("nodes were lost".to_owned()) }
        }
    }
}

/// Changes what stands in the first `size` bytes of `data` by what knows the format, into at most `max_size` bytes; returns how many it is now.
pub fn changed(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed) << 20 | 1);
    let text = mutated(&[data[..size].to_vec()], &mut random);
    let length = text.len().min(max_size);
    data[..length].copy_from_slice(&text[..length]);
    length
}

fn graph(text: &[u8]) -> Option<Graph> {
    read(&mut &*text, &mut |_| true).ok().map(|(graph, _)| graph)
}

/// A small heap snapshot that is whole; the older one of a comparison.
pub fn small() -> Vec<u8> {
    let mut heap = SnapshotBuilder::new();
    let cache = heap.node("object", "Map", 32);
    let entry = heap.node("object", "Entry", 48);
    heap.edge(heap.root(), EdgeKind::Property, "cache", cache).edge(cache, EdgeKind::Internal, "table", entry);
    heap.json().into_bytes()
}
