//! A retaining path as a person reads it: `module cache.js → closure render → context cache → Map → entry`.
//!
//! Roots, tables and hidden classes are left out unless the path ends there.

use crate::script::{self, Place};
use crate::{Edge, EdgeKind, EdgeName, Graph, NodeIndex, NodeKind, Paths, Step};

/// Steps shown of a longer path: its beginning and its end.
const LONGEST: usize = 24;
/// An object with so many properties is a dictionary, whose keys are not names.
pub(crate) const DICTIONARY: u32 = 32;
/// Longest description of a symbol that may be code, bytes.
const LONGEST_SYMBOL: usize = 48;
/// Stands for such a key.
const KEY: &str = "[key]";
/// Bytes of a name that are shown.
const LONGEST_NAME: usize = 80;

/// One step of a path, with what is known of it.
#[derive(Clone, Debug)]
pub struct PathStep {
    /// The edge.
    pub edge: Edge,
    /// The edge's name; empty for a number.
    pub name: String,
    /// The target's class or function.
    pub class: String,
    /// The target's V8 kind.
    pub kind: String,
    /// Where the target's code is.
    pub place: Option<Place>,
    /// Edges that lead on from the target.
    pub fan_out: u32,
}

impl PathStep {
    /// For [`crate::classify`].
    pub fn as_step(&self) -> Step<'_> {
        Step {
            edge: self.edge.kind,
            name: &self.name,
            node_type: &self.kind,
            class: &self.class,
            file: self.place.as_ref().map(|place| place.file.as_str()),
            line: self.place.as_ref().map_or(0, |place| place.line),
            fan_out: self.fan_out,
        }
    }
}

/// The path to a node, step by step.
pub fn path(graph: &Graph, paths: &Paths, node: NodeIndex) -> Vec<PathStep> {
    paths.to(graph, node).into_iter().map(|edge| step(graph, edge)).collect()
}

fn step(graph: &Graph, edge: Edge) -> PathStep {
    let name = match edge.name {
        EdgeName::Text(_) if is_key(graph, graph.source(edge.index), &edge) => KEY.to_owned(),
        EdgeName::Text(id) => graph.strings().text(id).into_owned(),
        EdgeName::Number(_) => String::new(),
    };
    PathStep {
        name,
        // A string's name is its content, which is nobody's business here.
        class: if is_text(graph.kind(edge.to)) { String::new() } else { graph.name(edge.to).into_owned() },
        kind: graph.kind_name(edge.to).to_owned(),
        place: script::place(graph, edge.to),
        fan_out: graph.out_degree(edge.to),
        edge,
    }
}

/// Whether an edge's name is a key of a dictionary, or a symbol made from data: no name that somebody wrote into a program.
pub(crate) fn is_key(graph: &Graph, from: NodeIndex, edge: &Edge) -> bool {
    let EdgeName::Text(name) = edge.name else { return false };
    if edge.kind != EdgeKind::Property || graph.kind(edge.to) == NodeKind::Closure {
        return false;
    }
    let dictionary = graph.out_degree(from) >= DICTIONARY
        && graph.kind(from) == NodeKind::Object
        && graph.strings().bytes(graph.name_id(from)) == b"Object";
    dictionary || symbol(graph.strings().bytes(name)).is_some_and(|description| !looks_like_code(description))
}

/// The description in `<symbol description>`.
fn symbol(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(b"<symbol ")?.strip_suffix(b">")
}

/// A symbol's description is a text like any other, but that of Node's own tells listeners and timers.
pub(crate) fn looks_like_code(description: &[u8]) -> bool {
    description.len() <= LONGEST_SYMBOL
        && description
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'$' | b':' | b'(' | b')'))
}

pub(crate) fn is_text(kind: NodeKind) -> bool {
    matches!(
        kind,
        NodeKind::String
            | NodeKind::ConcatenatedString
            | NodeKind::SlicedString
            | NodeKind::Number
            | NodeKind::RegExp
            | NodeKind::Symbol
            | NodeKind::BigInt
    )
}

/// The words of a path, first to last.
pub fn words(graph: &Graph, steps: &[PathStep]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let last = steps.len().saturating_sub(1);
    let mut in_table = false;
    // How Node comes to a module says nothing; the last one on the way is where a person begins to look.
    let is_module = |step: &PathStep| step.class == "Module" && step.place.is_some();
    let from = steps.iter().take(last).rposition(is_module).unwrap_or(0);
    for (index, step) in steps.iter().enumerate().skip(from) {
        let kind = graph.kind(step.edge.to);
        let hidden = matches!(
            kind,
            NodeKind::Synthetic | NodeKind::Array | NodeKind::Hidden | NodeKind::Code | NodeKind::ObjectShape
        ) || matches!(
            step.class.as_str(),
            "system / Context" | "system / NativeContext" | "global"
        );
        let edge_word = edge_word(step, in_table);
        in_table = kind == NodeKind::Array || (hidden && in_table && kind != NodeKind::Synthetic);
        if hidden && index != last {
            // `context cache` is worth its word also when what it leads to is not.
            if step.edge.kind == EdgeKind::Context {
                words.extend(edge_word);
            }
            continue;
        }
        let node_word = node_word(graph, step, kind);
        match (edge_word, node_word) {
            (Some(edge), Some(node)) if same_name(step) => {
                drop(edge);
                words.push(node);
            }
            (Some(edge), Some(node)) => {
                words.push(edge);
                words.push(node);
            }
            (Some(word), None) | (None, Some(word)) => words.push(word),
            (None, None) => {}
        }
    }
    shorten(&mut words);
    words
}

/// A function in a property or variable of its own name is one word.
fn same_name(step: &PathStep) -> bool {
    step.kind == "closure" && (step.class == step.name || step.name.is_empty())
        || step.class == "Module" && step.place.is_some()
}

fn edge_word(step: &PathStep, in_table: bool) -> Option<String> {
    let name = clean(&step.name);
    match step.edge.kind {
        EdgeKind::Context => Some(format!("context {name}")),
        EdgeKind::Property if name == KEY => Some(name),
        EdgeKind::Property => Some(format!(".{name}")),
        EdgeKind::Element => Some("[…]".to_owned()),
        EdgeKind::Internal if in_table => Some("entry".to_owned()),
        EdgeKind::Internal if !is_plumbing(&step.name) => Some(name),
        _ => None,
    }
}

/// Internal edges that only say how V8 stores something.
fn is_plumbing(name: &str) -> bool {
    name.is_empty()
        || name.bytes().all(|byte| byte.is_ascii_digit())
        || matches!(
            name,
            "context" | "previous" | "table" | "elements" | "properties" | "shared" | "map" | "extension"
        )
}

fn node_word(graph: &Graph, step: &PathStep, kind: NodeKind) -> Option<String> {
    let class = clean(&step.class);
    let at = |place: &Place| {
        let file = short_file(&place.file);
        if place.line > 0 { format!("{file}:{}", place.line) } else { file }
    };
    match (kind, &step.place) {
        (NodeKind::Closure, Some(place)) if class.is_empty() => Some(format!("closure ({})", at(place))),
        (NodeKind::Closure, Some(place)) => Some(format!("closure {class} ({})", at(place))),
        (NodeKind::Closure, None) => Some(format!("closure {class}").trim_end().to_owned()),
        (_, Some(place)) => Some(format!("module {}", short_file(&place.file))),
        (NodeKind::Object, _) if matches!(class.as_str(), "Object" | "system / Context" | "") => None,
        (kind, _) if is_text(kind) => Some(graph.kind_name(step.edge.to).to_owned()),
        (NodeKind::Array, _) => Some("table".to_owned()),
        _ if class.is_empty() => Some(step.kind.clone()),
        _ => Some(class),
    }
}

/// A file from its package on; of the program's own the last two names.
pub(crate) fn short_file(file: &str) -> String {
    const FOLDER: &str = "node_modules/";
    if let Some(at) = file.rfind(FOLDER) {
        return clean(file.get(at + FOLDER.len()..).unwrap_or(file));
    }
    if script::is_internal(file) {
        return clean(file);
    }
    let cut = file.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    clean(file.get(cut..).unwrap_or(file))
}

fn clean(name: &str) -> String {
    let mut text: String = name
        .chars()
        .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
        .take(LONGEST_NAME)
        .collect();
    if text.len() < name.len() && text.chars().count() == LONGEST_NAME {
        text.push('…');
    }
    text
}

/// Repetitions of up to four words become one with a count; of what is still too long, the middle goes.
fn shorten(words: &mut Vec<String>) {
    let mut short: Vec<String> = Vec::with_capacity(words.len().min(LONGEST));
    let mut at = 0;
    while at < words.len() {
        let repeated = (1..=4).find_map(|length| {
            let link = words.get(at..at + length)?;
            let times = words.get(at..)?.chunks_exact(length).take_while(|chunk| *chunk == link).count();
            (times > 2).then_some((length, times))
        });
        let (length, times) = repeated.unwrap_or((1, 1));
        short.extend(words.get(at..at + length).unwrap_or(&[]).iter().cloned());
        if times > 1 {
            short.push(format!("… {times} times"));
        }
        at += length * times;
    }
    if short.len() > LONGEST {
        let cut = short.len() - LONGEST;
        short.splice(LONGEST / 2..LONGEST / 2 + cut, [format!("… {cut} more …")]);
    }
    *words = short;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SnapshotBuilder;
    use crate::{LeakKind, classify};

    #[test]
    fn a_path_reads_as_a_person_would_say_it() {
        let mut heap = SnapshotBuilder::new();
        let roots = heap.node("synthetic", "(GC roots)", 0);
        let handles = heap.node("synthetic", "(Global handles)", 0);
        let module = heap.node("object", "Module", 80);
        let filename = heap.node("string", "/srv/app/cache.js", 32);
        let exports = heap.node("object", "Object", 24);
        let render = heap.function("render", "/srv/app/cache.js", 12);
        let context = heap.node("object", "system / Context", 40);
        let map = heap.node("object", "Map", 32);
        let table = heap.node("array", "", 400);
        let entry = heap.node("object", "Customer", 48);
        heap.edge(heap.root(), EdgeKind::Element, "1", roots);
        heap.edge(roots, EdgeKind::Element, "1", handles);
        heap.edge(handles, EdgeKind::Internal, "4", module);
        heap.edge(module, EdgeKind::Property, "filename", filename);
        heap.edge(module, EdgeKind::Property, "exports", exports);
        heap.edge(exports, EdgeKind::Property, "render", render);
        heap.edge(render, EdgeKind::Internal, "context", context);
        heap.edge(context, EdgeKind::Context, "cache", map);
        heap.edge(map, EdgeKind::Internal, "table", table);
        heap.edge(table, EdgeKind::Internal, "17", entry);
        let graph = heap.graph();

        let steps = path(&graph, &Paths::new(&graph), entry);

        let expected = "module app/cache.js → .exports → closure render (app/cache.js:12) → context cache → Map → entry → Customer";
        assert_eq!(words(&graph, &steps).join(" → "), expected);
        let plain: Vec<Step<'_>> = steps.iter().map(PathStep::as_step).collect();
        assert_eq!(classify(&plain, None).kind, LeakKind::Collection);
    }

    #[test]
    fn a_path_begins_at_the_last_module() {
        let mut heap = SnapshotBuilder::new();
        let mut last = heap.root();
        for file in ["/srv/app/main.js", "/srv/node_modules/cache/index.js"] {
            let module = heap.node("object", "Module", 80);
            let filename = heap.node("string", file, 32);
            heap.edge(last, EdgeKind::Property, "child", module);
            heap.edge(module, EdgeKind::Property, "filename", filename);
            last = module;
        }
        let exports = heap.node("object", "Cache", 24);
        heap.edge(last, EdgeKind::Property, "exports", exports);
        let graph = heap.graph();

        let steps = path(&graph, &Paths::new(&graph), exports);

        assert_eq!(words(&graph, &steps).join(" → "), "module cache/index.js → .exports → Cache");
    }

    #[test]
    fn bookkeeping_is_taken_only_where_nothing_else_leads() {
        let mut heap = SnapshotBuilder::new();
        let object = heap.node("object", "Object", 16);
        let shape = heap.node("object shape", "system / Map", 80);
        let (near, far) = (heap.node("object", "Near", 8), heap.node("object", "Far", 8));
        let (a, b) = (heap.node("object", "A", 8), heap.node("object", "B", 8));
        heap.edge(heap.root(), EdgeKind::Property, "o", object);
        heap.edge(object, EdgeKind::Internal, "map", shape);
        heap.edge(shape, EdgeKind::Internal, "prototype", near).edge(shape, EdgeKind::Internal, "x", far);
        heap.edge(object, EdgeKind::Property, "a", a).edge(a, EdgeKind::Property, "b", b);
        heap.edge(b, EdgeKind::Property, "near", near);
        let graph = heap.graph();
        let paths = Paths::new(&graph);

        assert_eq!(paths.to(&graph, near).len(), 4, "the longer way, by names");
        assert_eq!(paths.to(&graph, far).len(), 3, "by the hidden class, for want of another");
    }

    #[test]
    fn long_and_repeated_paths_are_shortened() {
        let mut words: Vec<String> = vec!["a".into()];
        words.extend(std::iter::repeat_n([".next".to_owned(), "Link".to_owned()], 50).flatten());
        words.push("end".into());
        shorten(&mut words);
        assert_eq!(words.join(" "), "a .next Link … 50 times end");

        let mut words: Vec<String> = (0..100).map(|index| index.to_string()).collect();
        shorten(&mut words);
        assert_eq!(words.len(), LONGEST + 1);
        assert!(words.contains(&"… 76 more …".to_owned()));
    }
}
