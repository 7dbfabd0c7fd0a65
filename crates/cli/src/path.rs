//! `leakprobe path`: what keeps an object.

use crate::analyze::{grouped, path as path_text};
use crate::args::Target;
use crate::heap_file;
use crate::progress::Progress;
use crate::render::{Paint, clean};
use crate::{Terminal, Unreadable};
use leakprobe_heap_snapshot::{Graph, NodeIndex, NodeKind, PathStep, Paths, Step, classify, path, words};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// Objects of a class whose paths are looked at; the others are counted.
const MOST_OBJECTS: usize = 20_000;

/// Objects that are kept alike.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    count: u64,
    class: String,
    kind: &'static str,
    /// V8's id of one of them.
    id: u64,
    retaining_path: Vec<String>,
}

pub(crate) fn run(
    file: &Path,
    json: bool,
    rows: usize,
    to: &Target,
    terminal: Terminal,
    mut progress: Progress<'_>,
) -> Result<String, Unreadable> {
    let (graph, _) = heap_file::graph(file, &mut |path, taken, size| {
        progress.at(path, taken, size);
        true
    })?;
    let nodes = nodes(&graph, to);
    if nodes.is_empty() {
        progress.done();
        return Err(Unreadable(match to {
            Target::Class(name) => format!("no object of class {name} in {}", file.display()),
            Target::Id(id) => format!("no object with the id {id} in {}", file.display()),
        }));
    }
    let kept = kept(&graph, &nodes, rows);
    progress.done();
    if json {
        return Ok(format!("{}\n", heap_file::json(&kept)));
    }
    let paint = Paint::new(terminal);
    let mut text = String::new();
    if nodes.len() > MOST_OBJECTS {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            text,
            "of {} objects the first {}:",
            grouped(nodes.len() as u64),
            grouped(MOST_OBJECTS as u64)
        );
    }
    for row in &kept {
        let (count, class) = (grouped(row.count), clean(&row.class));
        let _ =
            writeln!(text, "{} {class}, such as @{} (as a leak: {})", paint.bold(&count), row.id, row.kind);
        text.push_str(&path_text(&row.retaining_path, terminal, &paint));
    }
    Ok(text)
}

fn nodes(graph: &Graph, to: &Target) -> Vec<NodeIndex> {
    match to {
        Target::Id(id) => graph.find_id(*id).into_iter().collect(),
        Target::Class(name) => {
            let Some(id) = graph.strings().find(name) else { return Vec::new() };
            let named = |node: &NodeIndex| {
                graph.name_id(*node) == id
                    && matches!(graph.kind(*node), NodeKind::Object | NodeKind::Closure | NodeKind::Native)
            };
            graph.nodes().filter(named).collect()
        }
    }
}

fn kept(graph: &Graph, nodes: &[NodeIndex], rows: usize) -> Vec<Kept> {
    let paths = Paths::new(graph);
    let mut groups: HashMap<Vec<String>, Kept> = HashMap::new();
    for node in nodes.iter().take(MOST_OBJECTS) {
        let steps = path(graph, &paths, *node);
        let retaining_path = if steps.is_empty() {
            vec!["nothing but weak references".to_owned()]
        } else {
            words(graph, &steps)
        };
        let plain: Vec<Step<'_>> = steps.iter().map(PathStep::as_step).collect();
        let group = groups.entry(retaining_path.clone()).or_insert_with(|| Kept {
            count: 0,
            class: graph.name(*node).into_owned(),
            kind: classify(&plain, None).kind.as_str(),
            id: graph.id(*node),
            retaining_path,
        });
        group.count += 1;
    }
    let mut kept: Vec<Kept> = groups.into_values().collect();
    kept.sort_by(|one, other| {
        other.count.cmp(&one.count).then_with(|| one.retaining_path.cmp(&other.retaining_path))
    });
    kept.truncate(rows);
    kept
}
