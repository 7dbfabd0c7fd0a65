//! Dominators and retained sizes against a reference that needs no theory: what a node dominates is what cannot be reached
//! any more without it.

use leakprobe_heap_snapshot::testing::SnapshotBuilder;
use leakprobe_heap_snapshot::{Dominators, EdgeKind, Graph, NodeIndex};

/// Numbers that look random and are the same in every run (Marsaglia, "Xorshift RNGs", 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).unwrap_or(0) % limit
    }
}

fn keeps(from: NodeIndex, kind: EdgeKind) -> bool {
    kind != EdgeKind::Weak && (kind != EdgeKind::Shortcut || from == NodeIndex(0))
}

/// Nodes that the root reaches without going through `without`.
fn reached(graph: &Graph, without: Option<NodeIndex>) -> Vec<bool> {
    let mut seen = vec![false; graph.node_count()];
    let mut open = vec![graph.root()];
    if without == Some(graph.root()) {
        return seen;
    }
    seen[0] = true;
    while let Some(node) = open.pop() {
        for edge in graph.edges(node).filter(|edge| keeps(node, edge.kind)) {
            let at = edge.to.0 as usize;
            if Some(edge.to) != without && !seen[at] {
                seen[at] = true;
                open.push(edge.to);
            }
        }
    }
    seen
}

/// Retained sizes by taking each node away in turn.
fn check(graph: &Graph) {
    let dominators = Dominators::new(graph);
    let all = reached(graph, None);
    for node in graph.nodes().filter(|node| all[node.0 as usize] && node.0 != 0) {
        let left = reached(graph, Some(node));
        let lost = graph.nodes().filter(|other| all[other.0 as usize] && !left[other.0 as usize]);
        let lost: Vec<NodeIndex> = lost.collect();

        let size: u64 = lost.iter().map(|other| graph.self_size(*other)).sum();
        assert_eq!(dominators.retained(node), size, "retained by {node:?}");
        for other in lost.iter().filter(|other| **other != node) {
            let mut above = dominators.immediate(*other);
            while above != node && above.0 != 0 {
                above = dominators.immediate(above);
            }
            assert_eq!(above, node, "{node:?} dominates {other:?}");
        }
    }
    assert_eq!(dominators.retained(graph.root()), graph.total_size());
}

fn random(numbers: &mut Numbers, nodes: usize, edges: usize, near: bool) -> Graph {
    let mut heap = SnapshotBuilder::new();
    let made: Vec<NodeIndex> =
        (1..nodes).map(|index| heap.node("object", "Object", 1 << (index % 50))).collect();
    let all: Vec<NodeIndex> = std::iter::once(heap.root()).chain(made).collect();
    heap.edge(all[0], EdgeKind::Element, "1", all[1]);
    for _ in 0..edges {
        let from = numbers.below(nodes);
        let to = if near { (from + nodes + numbers.below(5) - 2) % nodes } else { numbers.below(nodes) };
        let kind = match numbers.below(12) {
            0 => EdgeKind::Weak,
            1 if from != 0 => EdgeKind::Shortcut,
            2 => EdgeKind::Internal,
            _ => EdgeKind::Property,
        };
        heap.edge(all[from], kind, "p", all[to]);
        if kind == EdgeKind::Shortcut {
            // As V8 makes them: beside an edge that keeps.
            heap.edge(all[from], EdgeKind::Internal, "bound_this", all[to]);
        }
    }
    heap.graph()
}

#[test]
fn random_graphs_have_the_dominators_of_the_reference() {
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    for round in 0..400 {
        let nodes = 2 + numbers.below(40);
        let edges = nodes * (1 + round % 3) + numbers.below(10);
        check(&random(&mut numbers, nodes, edges, round % 2 == 0));
    }
}

#[test]
fn long_lists_whose_links_share_a_class_take_no_squared_time() {
    let links = 200_000;
    let mut text = SnapshotBuilder::new();
    let shape = text.node("object shape", "Link", 8);
    let mut last = text.root();
    let mut first = None;
    for _ in 0..links {
        let link = text.node("object", "Link", 16);
        text.edge(last, EdgeKind::Property, "next", link);
        text.edge(link, EdgeKind::Internal, "map", shape);
        first = first.or(Some(link));
        last = link;
    }
    text.edge(last, EdgeKind::Property, "back", first.unwrap());
    let graph = text.graph();

    let dominators = Dominators::new(&graph);

    assert_eq!(dominators.immediate(shape), first.unwrap());
    assert_eq!(dominators.retained(first.unwrap()), links * 16 + 8);
    assert_eq!(dominators.retained(last), 16);
}

#[test]
fn lists_linked_both_ways_and_entered_at_both_ends_take_no_squared_time() {
    let links = 100_000;
    let mut heap = SnapshotBuilder::new();
    let ends = heap.node("object", "TimersList", 32);
    heap.edge(heap.root(), EdgeKind::Element, "1", ends);
    let all: Vec<NodeIndex> = (0..links).map(|_| heap.node("object", "Timeout", 16)).collect();
    heap.edge(ends, EdgeKind::Property, "_idleNext", all[0]);
    heap.edge(ends, EdgeKind::Property, "_idlePrev", all[all.len() - 1]);
    for pair in all.windows(2) {
        heap.edge(pair[0], EdgeKind::Property, "_idleNext", pair[1]);
        heap.edge(pair[1], EdgeKind::Property, "_idlePrev", pair[0]);
    }
    let graph = heap.graph();

    let dominators = Dominators::new(&graph);

    assert!(all.iter().all(|link| dominators.immediate(*link) == ends && dominators.retained(*link) == 16));
    assert_eq!(dominators.retained(ends), links * 16 + 32);
}

#[test]
fn deep_random_graphs_agree_once_jump_pointers_are_used() {
    let mut numbers = Numbers(77);
    for _ in 0..6 {
        // Long chains with a few edges across make candidates lie far apart.
        let nodes = 260;
        let mut heap = SnapshotBuilder::new();
        let all: Vec<NodeIndex> = std::iter::once(heap.root())
            .chain((1..nodes).map(|_| heap.node("object", "Object", 8)).collect::<Vec<_>>())
            .collect();
        for pair in all.windows(2) {
            heap.edge(pair[0], EdgeKind::Property, "next", pair[1]);
        }
        for _ in 0..60 {
            let (from, to) = (numbers.below(nodes), numbers.below(nodes));
            heap.edge(all[from], EdgeKind::Property, "x", all[to]);
        }
        check(&heap.graph());
    }
}

#[test]
fn what_hangs_on_nothing_hangs_on_the_root() {
    let mut heap = SnapshotBuilder::new();
    let held = heap.node("object", "Held", 10);
    let weak = heap.node("object", "Weakly", 100);
    let below = heap.node("object", "Below", 1_000);
    let (one, other) = (heap.node("object", "One", 5), heap.node("object", "Other", 7));
    heap.edge(heap.root(), EdgeKind::Element, "1", held);
    heap.edge(held, EdgeKind::Weak, "w", weak);
    heap.edge(weak, EdgeKind::Property, "below", below);
    heap.edge(one, EdgeKind::Property, "other", other).edge(other, EdgeKind::Property, "one", one);

    let graph = heap.graph();
    let dominators = Dominators::new(&graph);

    assert_eq!((dominators.retained(held), dominators.retained(weak)), (10, 1_100));
    assert_eq!(dominators.immediate(below), weak);
    assert_eq!((dominators.immediate(one), dominators.immediate(other)), (graph.root(), graph.root()));
    assert_eq!((dominators.retained(one), dominators.retained(other)), (5, 7));
}
