//! Redaction: what goes, what stays, and that the answers are the same.

use leakprobe_heap_snapshot::testing::SnapshotBuilder;
use leakprobe_heap_snapshot::{EdgeKind, ReadError, Redacted, Redaction, analyze, histogram, read, redact};

fn redacted(json: &str) -> (String, Redacted) {
    let mut out = Vec::new();
    let told = redact(&mut json.as_bytes(), &mut out, Redaction::default(), &mut |_| true)
        .expect("a whole heap snapshot");
    (String::from_utf8(out).expect("UTF-8"), told)
}

fn heap() -> SnapshotBuilder {
    let mut heap = SnapshotBuilder::new();
    let roots = heap.node("synthetic", "(GC roots)", 0);
    let render = heap.function("render", "/app/cache.js", 7);
    let context = heap.node("object", "system / Context", 40);
    let sessions = heap.node("object", "Object", 40);
    heap.edge(heap.root(), EdgeKind::Element, "1", roots);
    heap.edge(roots, EdgeKind::Internal, "1", render);
    heap.edge(render, EdgeKind::Internal, "context", context);
    heap.edge(context, EdgeKind::Context, "sessions", sessions);
    for index in 0..40 {
        let session = heap.node("object", "Session", 32);
        heap.edge(sessions, EdgeKind::Property, &format!("secret-key-{index}"), session);
        for (kind, name) in [
            ("string", "secret-value"),
            ("concatenated string", "secret-joined"),
            ("sliced string", "secret-slice"),
            ("symbol", "secret-symbol"),
            ("regexp", "secret-pattern"),
        ] {
            let value = heap.node(kind, &format!("{name}-{index}"), 24);
            heap.edge(session, EdgeKind::Property, kind, value);
        }
        let by_symbol = heap.node("number", "3.5", 12);
        heap.edge(session, EdgeKind::Property, "<symbol secret-17>", by_symbol);
        let kept = heap.node("object", "Object", 8);
        let pair = format!(
            "{index} / part of key (secret @{index}) -> value (secret) @1 @77) pair in WeakMap (table @9)"
        );
        heap.edge(session, EdgeKind::Internal, &pair, kept);
    }
    let events = heap.node("object", "Object", 8);
    heap.edge(context, EdgeKind::Property, "<symbol kEvents>", events);
    heap
}

#[test]
fn contents_go_and_names_stay() {
    let json = heap().json();
    let (text, told) = redacted(&json);

    assert!(json.matches("secret").count() > 300);
    assert!(!text.contains("secret"), "{}", &text[text.find("secret").unwrap_or(0)..][..80]);
    for name in
        ["render", "/app/cache.js", "sessions", "Session", "<symbol kEvents>", "concatenated string", "3.5"]
    {
        assert!(text.contains(name), "{name}");
    }
    assert!(
        text.contains("[14 word]")
            && text.contains("part of key (redacted @3) -> value (redacted @77) pair in WeakMap (table @9)"),
        "{text}"
    );
    assert!(told.redacted > 200 && told.redacted < told.strings);
}

#[test]
fn the_answers_are_the_same() {
    let json = heap().json();
    let graph = |text: &str| read(&mut text.as_bytes(), &mut |_| true).unwrap();
    let (before, after) = (graph(&json), graph(&redacted(&json).0));

    assert_eq!(after.1, []);
    assert_eq!(histogram(&before.0), histogram(&after.0));
    let (before, after) = (analyze(&before.0, &[], 50), analyze(&after.0, &[], 50));
    assert!(!before.gathering.is_empty());
    assert_eq!(before.gathering, after.gathering);
    assert_eq!(before.owners, after.owners);
    assert_eq!(before.census.listeners, after.census.listeners);
}

#[test]
fn numbers_go_when_asked() {
    let json = heap().json();
    let mut out = Vec::new();
    redact(&mut json.as_bytes(), &mut out, Redaction { numbers: true }, &mut |_| true).unwrap();
    assert!(!String::from_utf8(out).unwrap().contains("3.5"));
}

#[test]
fn sections_that_nobody_knows_are_left_out() {
    let json =
        heap().json().replace("\"trace_tree\":[]", "\"trace_tree\":[\"secret\"],\"notes\":[\"secret\"]");
    let first = json.replacen('{', "{\"notes\":[\"secret\"],", 1);
    for json in [json, first] {
        let (text, _) = redacted(&json);
        assert!(!text.contains("secret") && !text.contains("notes"));
        assert!(read(&mut text.as_bytes(), &mut |_| true).is_ok());
    }
}

#[test]
fn truncated_anywhere_it_is_an_error() {
    let json = heap().json();
    let whole = json.trim_end().len();
    for length in (0..whole).step_by(31).chain(whole - 40..whole) {
        let mut out = Vec::new();
        let result = redact(&mut &json.as_bytes()[..length], &mut out, Redaction::default(), &mut |_| true);
        assert!(matches!(result, Err(ReadError::Damaged(_))), "{length} bytes");
        assert!(!String::from_utf8_lossy(&out).contains("secret"));
    }
}

#[test]
fn a_second_table_of_strings_is_an_error() {
    let json = heap().json();
    let (begin, strings) = json.split_at(json.find("\"strings\"").unwrap());
    let twice = format!("{begin}{},\n{strings}", strings.trim_end().trim_end_matches('}'));
    let result = redact(&mut twice.as_bytes(), &mut Vec::new(), Redaction::default(), &mut |_| true);
    assert!(result.unwrap_err().to_string().contains("one table of strings"));
}
