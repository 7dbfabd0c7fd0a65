//! Growth between heap snapshots: what is found, of which kind, and what is not.

use leakprobe_heap_snapshot::testing::SnapshotBuilder;
use leakprobe_heap_snapshot::{Comparison, Diff, EdgeKind, Graph, NodeIndex};

/// A module with a cache, an emitter, an array of settings, and a list of timers.
fn heap(cached: usize, listeners: usize, timers: usize) -> Graph {
    let mut heap = SnapshotBuilder::new();
    let roots = heap.node("synthetic", "(GC roots)", 0);
    let handles = heap.node("synthetic", "(Global handles)", 0);
    let render = heap.function("render", "/app/node_modules/mailer/cache.js", 7);
    let context = heap.node("object", "system / Context", 40);
    heap.edge(heap.root(), EdgeKind::Element, "1", roots);
    heap.edge(roots, EdgeKind::Element, "1", handles);
    heap.edge(handles, EdgeKind::Internal, "1", render);
    heap.edge(render, EdgeKind::Internal, "context", context);
    let map = heap.node("object", "Map", 32);
    let table = heap.node("array", "", 16 * cached as u64);
    heap.edge(context, EdgeKind::Context, "cache", map).edge(map, EdgeKind::Internal, "table", table);
    for index in 0..cached {
        let entry = heap.node("object", "Template", 200);
        let part = heap.node("object", "Part", 300);
        heap.edge(table, EdgeKind::Internal, &index.to_string(), entry);
        heap.edge(entry, EdgeKind::Property, "part", part);
    }
    let bus = heap.node("object", "EventEmitter", 104);
    let events = heap.node("object", "Object", 24);
    let list = heap.node("object", "Array", 16);
    heap.edge(context, EdgeKind::Context, "bus", bus).edge(bus, EdgeKind::Property, "_events", events);
    heap.edge(events, EdgeKind::Property, "tick", list);
    for index in 0..listeners {
        let listener = heap.function("onTick", "/app/server.js", 40);
        heap.edge(list, EdgeKind::Element, &index.to_string(), listener);
    }
    let mut link = heap.node("object", "TimersList", 80);
    heap.edge(context, EdgeKind::Context, "timerLists", link);
    let mut previous: Option<NodeIndex> = None;
    for _ in 0..timers {
        let timer = heap.node("object", "Timeout", 400);
        let callback = heap.function("poll", "/app/poll.js", 3);
        heap.edge(link, EdgeKind::Property, "_idleNext", timer);
        heap.edge(timer, EdgeKind::Property, "_onTimeout", callback);
        if let Some(previous) = previous {
            heap.edge(timer, EdgeKind::Property, "_idlePrev", previous);
        }
        previous = Some(timer);
        link = timer;
    }
    for index in 0..300 {
        let setting = heap.node("object", "Setting", 100);
        heap.edge(context, EdgeKind::Context, &format!("setting{index}"), setting);
    }
    heap.graph()
}

fn diff(graphs: &[Graph]) -> Diff {
    let last = graphs.len() - 1;
    let mut comparison = Comparison::default();
    for graph in &graphs[..last] {
        comparison.before(graph, &[]);
    }
    comparison.last(&graphs[last], &[], 10)
}

#[test]
fn each_kind_of_growth_is_named_with_its_code() {
    let diff = diff(&[heap(50, 10, 20), heap(500, 110, 220)]);

    let rows: Vec<_> =
        diff.growth.iter().map(|row| (row.kind, row.class.as_str(), row.more.unwrap())).collect();
    assert_eq!(
        rows,
        [("collection", "Template", 450), ("timer", "Timeout", 200), ("listener", "onTick", 100)],
        "{:#?}",
        diff.growth
    );
    let template = &diff.growth[0];
    assert_eq!(template.package.as_deref(), Some("mailer"));
    assert_eq!(template.more_bytes, Some(450 * 500));
    assert_eq!(
        template.retaining_path.join(" → "),
        "closure render (mailer/cache.js:7) → context cache → Map → entry → Template"
    );
    assert_eq!(diff.growth[1].place().as_deref(), Some("app/poll.js:3 poll"));
    assert_eq!(diff.growth[2].place().as_deref(), Some("app/server.js:40 onTick"));
    assert_eq!(diff.classes[0].name, "Part");
}

#[test]
fn nothing_grows_between_equal_heaps() {
    let diff = diff(&[heap(500, 110, 220), heap(500, 110, 220)]);
    assert_eq!((diff.growth, diff.classes), (vec![], vec![]));
}

#[test]
fn what_shrinks_is_no_growth() {
    assert_eq!(diff(&[heap(500, 110, 220), heap(50, 10, 20)]).growth, []);
}

#[test]
fn of_several_heaps_a_row_says_how_often_it_grew() {
    let graphs = [heap(50, 10, 20), heap(100, 200, 20), heap(150, 200, 20), heap(200, 200, 20)];
    let diff = diff(&graphs);

    let steps: Vec<_> = diff.growth.iter().map(|row| (row.class.as_str(), row.steps_up)).collect();
    assert_eq!(steps, [("Template", Some(3)), ("onTick", Some(1))]);
    assert_eq!(diff.snapshots.len(), 4);
}

#[test]
fn one_snapshot_is_read_for_where_objects_gather() {
    let analysis = leakprobe_heap_snapshot::analyze(&heap(500, 110, 220), &[], 10);

    let rows: Vec<_> =
        analysis.gathering.iter().map(|row| (row.kind, row.class.as_str(), row.count)).collect();
    assert_eq!(
        rows,
        [("collection", "Template", 500), ("timer", "Timeout", 220), ("listener", "onTick", 110)]
    );
    let shapes: Vec<_> = analysis.shapes.iter().map(|shape| shape.because.as_str()).collect();
    assert!(
        shapes.contains(&"110 listeners for `tick` on one EventEmitter: onTick, app/server.js:40"),
        "{shapes:?}"
    );
    assert!(shapes.contains(&"220 timers call poll, app/poll.js:3"), "{shapes:?}");
    assert_eq!(analysis.owners[0].package.as_deref(), Some("mailer"));
}

/// An object whose timer is the first of a list of timers.
fn timers(count: usize) -> Graph {
    let mut heap = SnapshotBuilder::new();
    let owner = heap.node("object", "Status", 48);
    heap.edge(heap.root(), EdgeKind::Property, "status", owner);
    let (mut last, mut name) = (owner, "timer");
    for _ in 0..count {
        let timer = heap.node("object", "Timeout", 100);
        heap.edge(last, EdgeKind::Property, name, timer);
        (last, name) = (timer, "_idleNext");
    }
    heap.graph()
}

#[test]
fn of_a_list_that_an_object_s_own_timer_leads_to_all_links_count() {
    let diff = diff(&[timers(0), timers(301)]);

    let [row] = diff.growth.as_slice() else { panic!("{:?}", diff.growth) };
    assert_eq!((row.class.as_str(), row.kind, row.more), ("Timeout", "timer", Some(300)));
}
