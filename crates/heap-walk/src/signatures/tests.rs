use super::*;

fn visit(edge: Edge, identity: u64, place: u32) -> Visit {
    Visit { edge, identity, is_metadata: false, place: Place(place) }
}

const MAP: u64 = 100;
const ITEM: u64 = 200;

#[test]
fn entries_of_one_collection_share_a_node_whose_hash_does_not_depend_on_their_number() {
    let walk = |entries: u32| {
        let mut signatures = Signatures::new();
        let root = signatures.root(1);
        let map = signatures.child(root, visit(Edge::Named(8), MAP, 1));
        let mut node = map;
        for entry in 0..entries {
            node = signatures.child(map, visit(Edge::Entry, ITEM, entry));
        }
        let node = signatures.get(node).unwrap().clone();
        (node.hash, node.count)
    };
    let ((one, count), (many, counts)) = (walk(1), walk(1_000));
    assert_eq!((one, count, counts), (many, 1, 1_000));
}

#[test]
fn a_list_folds_into_one_node_and_so_does_a_longer_cycle() {
    let mut signatures = Signatures::new();
    let root = signatures.root(1);
    let mut at = signatures.child(root, visit(Edge::Named(2), ITEM, 1));
    for place in 0..100 {
        at = signatures.child(at, visit(Edge::Named(6), ITEM, place));
    }
    assert_eq!(signatures.get(at).unwrap().count, 100);

    let mut promise = signatures.child(root, visit(Edge::Named(4), 300, 1));
    for place in 0..100 {
        let reaction = signatures.child(promise, visit(Edge::Named(10), 400, place));
        promise = signatures.child(reaction, visit(Edge::Named(12), 300, place));
    }
    assert!(signatures.nodes().len() < 10, "{}", signatures.nodes().len());
    assert!(signatures.get(promise).unwrap().count > 90);
}

#[test]
fn an_anchor_has_one_hash_by_every_path_and_hangs_where_most_of_it_hangs() {
    let mut signatures = Signatures::new();
    let (a, b) = (signatures.root(1), signatures.root(2));
    let mut anchor = NodeId(0);
    for (from, times) in [(a, 2), (b, 5)] {
        for place in 0..times {
            anchor = signatures.anchored(from, visit(Edge::Named(2), ITEM, place));
        }
    }
    signatures.settle();
    let node = signatures.get(anchor).unwrap();
    assert_eq!((node.count, node.parent), (7, b));
}

#[test]
fn anchors_that_hang_on_one_another_do_not_go_round_for_ever() {
    let mut signatures = Signatures::new();
    let root = signatures.root(1);
    let first = signatures.anchored(root, visit(Edge::Named(2), 1, 1));
    let second = signatures.anchored(first, visit(Edge::Named(2), 2, 2));
    for place in 0..9 {
        signatures.anchored(second, visit(Edge::Named(2), 1, place));
    }
    signatures.settle();
    assert!(signatures.up(first).count() <= 3);
    assert!(signatures.up(second).count() <= 3);
}

#[test]
fn names_without_end_become_entries_and_nodes_are_bounded() {
    let mut signatures = Signatures::new();
    let root = signatures.root(1);
    for name in 0..10_000 {
        signatures.child(root, visit(Edge::Named(name * 2), ITEM, 1));
    }
    assert!(signatures.nodes().len() <= usize::from(MOST_CHILDREN) + 2);
    for identity in 0..200_000 {
        signatures.child(root, visit(Edge::Entry, identity, 1));
    }
    assert_eq!(signatures.nodes().len(), MOST_NODES);
}
