//! Where code is: the script of a function, the file of a module, the package that a file belongs to.

use crate::{EdgeKind, EdgeName, Graph, NodeIndex, NodeKind};

/// A place in a program.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The file, as V8 names it: a path, a `file:` address, or `node:…` for Node's own.
    pub file: String,
    /// Line from 1; 0: not known.
    pub line: u32,
    /// The function's name; empty for none.
    pub function: String,
}

impl Place {
    /// Whether it is Node's own code, or V8's.
    pub fn is_internal(&self) -> bool {
        is_internal(&self.file)
    }

    /// The npm package that the file is in.
    pub fn package(&self) -> Option<&str> {
        package(&self.file)
    }
}

pub(crate) fn is_internal(file: &str) -> bool {
    file.is_empty()
        || file.starts_with("node:")
        || file.starts_with("native ")
        || file.starts_with("internal/")
}

/// The package of a file: what follows the last `node_modules/`.
pub(crate) fn package(file: &str) -> Option<&str> {
    const FOLDER: &str = "node_modules/";
    let start = file.rfind(FOLDER)? + FOLDER.len();
    let rest = file.get(start..)?;
    let mut ends = rest.match_indices('/').map(|(at, _)| at);
    let end = if rest.starts_with('@') { ends.nth(1) } else { ends.next() };
    rest.get(..end?).filter(|name| !name.is_empty())
}

/// The place of a function, of a module object of Node's loader, or of the code of a function.
pub fn place(graph: &Graph, node: NodeIndex) -> Option<Place> {
    match graph.kind(node) {
        NodeKind::Closure => function(graph, node, graph.follow(node, "shared")?),
        NodeKind::Object if &*graph.name(node) == "Module" => {
            let file = graph.follow(node, "filename")?;
            let file = (graph.kind(file) == NodeKind::String).then(|| graph.name(file).into_owned())?;
            Some(Place { file, line: 0, function: String::new() })
        }
        _ => None,
    }
}

fn function(graph: &Graph, closure: NodeIndex, shared: NodeIndex) -> Option<Place> {
    let script = graph.follow(shared, "script").or_else(|| graph.follow(shared, "script_or_debug_info"))?;
    let named = graph.follow(script, "name").filter(|name| graph.kind(*name) == NodeKind::String);
    let file = named.map_or_else(|| graph.name(script), |name| graph.name(name)).into_owned();
    let line = graph.location(closure).map_or(0, |(line, _)| line);
    // A script without a name has V8's word for its class.
    let known = !file.is_empty() && !file.starts_with("system /");
    known.then(|| Place { file, line, function: graph.name(closure).into_owned() })
}

/// The function behind one that `bind()` returned, which has no code of its own; itself for all others.
pub(crate) fn unbound(graph: &Graph, function: NodeIndex) -> NodeIndex {
    let bound =
        graph.follow(function, "bound_function").filter(|_| graph.kind(function) == NodeKind::Closure);
    bound.unwrap_or(function)
}

/// The constructor of an object's class, where V8's file leads to it.
pub fn constructor(graph: &Graph, object: NodeIndex) -> Option<NodeIndex> {
    let prototype = graph.follow(object, "__proto__")?;
    let is_function = |node: &NodeIndex| graph.kind(*node) == NodeKind::Closure;
    graph
        .edges(prototype)
        .find(|edge| {
            edge.kind == EdgeKind::Property
                && matches!(edge.name, EdgeName::Text(id) if graph.strings().bytes(id) == b"constructor")
        })
        .map(|edge| edge.to)
        .filter(is_function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SnapshotBuilder;

    #[test]
    fn a_package_is_what_follows_the_last_node_modules() {
        for (file, expected) in [
            ("/app/node_modules/express/lib/router.js", Some("express")),
            ("/app/node_modules/a/node_modules/@scope/b/index.js", Some("@scope/b")),
            ("file:///app/node_modules/koa/lib/application.js", Some("koa")),
            ("/app/lib/cache.js", None),
            ("/app/node_modules/", None),
        ] {
            assert_eq!(package(file), expected, "{file}");
        }
    }

    #[test]
    fn a_function_knows_its_file_and_line() {
        let mut heap = SnapshotBuilder::new();
        let render = heap.function("render", "/app/cache.js", 7);
        let place = place(&heap.graph(), render).unwrap();

        assert_eq!(
            (place.file.as_str(), place.line, place.function.as_str()),
            ("/app/cache.js", 7, "render")
        );
        assert!(!place.is_internal());
    }
}
