//! Objects by class: how many, how large, and how much they retain.

use crate::{Dominators, Graph, NodeIndex, NodeKind};
use foldhash::HashMap;

/// A class of objects, as `DevTools` groups them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Class {
    /// The class's name; in parentheses what has none, such as `(string)`.
    pub name: String,
    /// Objects.
    pub count: u64,
    /// Bytes of the objects alone.
    pub self_size: u64,
    /// Bytes that would go with all of them; 0 in a plain histogram.
    pub retained: u64,
}

/// What decides a node's class: V8's kind, or the name of an object of this kind.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Group {
    Kind(NodeKind),
    Name(u32),
}

fn group(graph: &Graph, node: NodeIndex) -> Group {
    match graph.kind(node) {
        NodeKind::Object | NodeKind::Native => Group::Name(graph.name_id(node).0),
        kind => Group::Kind(kind),
    }
}

fn name(graph: &Graph, group: Group) -> String {
    let word = match group {
        Group::Name(id) => return graph.strings().text(crate::StringId(id)).into_owned(),
        Group::Kind(kind) => match kind {
            NodeKind::Hidden => "(system)",
            NodeKind::Array => "(array)",
            NodeKind::String => "(string)",
            NodeKind::Code => "(compiled code)",
            NodeKind::Closure => "Function",
            NodeKind::RegExp => "RegExp",
            NodeKind::Number => "(number)",
            NodeKind::ConcatenatedString => "(concatenated string)",
            NodeKind::SlicedString => "(sliced string)",
            NodeKind::Symbol => "symbol",
            NodeKind::BigInt => "bigint",
            NodeKind::ObjectShape => "(object shape)",
            NodeKind::Synthetic => "(roots)",
            NodeKind::Object | NodeKind::Native | NodeKind::Other => "(other)",
        },
    };
    word.to_owned()
}

/// Numbers and bytes of all classes, largest first.
pub fn histogram(graph: &Graph) -> Vec<Class> {
    let mut groups: HashMap<Group, (u64, u64, u64)> = HashMap::default();
    for node in graph.nodes() {
        let (count, size, _) = groups.entry(group(graph, node)).or_default();
        *count += 1;
        *size += graph.self_size(node);
    }
    listed(graph, groups, |class| class.self_size)
}

/// The same with what each class retains, most first: an object that hangs on another of its class is not counted twice.
pub fn retained_by_class(graph: &Graph, dominators: &Dominators) -> Vec<Class> {
    /// A class while its objects are gone through, and how many of them this is below.
    #[derive(Default)]
    struct Open {
        sums: (u64, u64, u64),
        depth: u32,
    }
    let mut groups: HashMap<Group, Open> = HashMap::default();
    let tree = Children::new(graph, dominators);
    // Depth first over the dominator tree; on the way up, a node leaves its class.
    let mut open: Vec<(NodeIndex, bool)> = vec![(graph.root(), false)];
    while let Some((node, leaving)) = open.pop() {
        let Open { sums: (count, size, retained), depth } = groups.entry(group(graph, node)).or_default();
        if leaving {
            *depth -= 1;
            continue;
        }
        *count += 1;
        *size += graph.self_size(node);
        if *depth == 0 {
            *retained += dominators.retained(node);
        }
        let children = tree.of(node);
        if !children.is_empty() {
            *depth += 1;
            open.push((node, true));
            open.extend(children.iter().map(|child| (NodeIndex(*child), false)));
        }
    }
    let groups = groups.into_iter().map(|(group, open)| (group, open.sums)).collect();
    listed(graph, groups, |class| class.retained)
}

fn listed(graph: &Graph, groups: HashMap<Group, (u64, u64, u64)>, by: fn(&Class) -> u64) -> Vec<Class> {
    let mut classes: HashMap<String, Class> = HashMap::default();
    for (group, (count, self_size, retained)) in groups {
        let name = name(graph, group);
        let class =
            classes.entry(name.clone()).or_insert(Class { name, count: 0, self_size: 0, retained: 0 });
        class.count += count;
        class.self_size += self_size;
        class.retained += retained;
    }
    let mut classes: Vec<Class> = classes.into_values().collect();
    classes.sort_by(|one, other| by(other).cmp(&by(one)).then_with(|| one.name.cmp(&other.name)));
    classes
}

/// The dominator tree downwards: 8 bytes per node.
struct Children {
    first: Vec<u32>,
    children: Vec<u32>,
}

impl Children {
    fn new(graph: &Graph, dominators: &Dominators) -> Self {
        let mut first = vec![0_u32; graph.node_count() + 1];
        let below_root = || graph.nodes().skip(1);
        for node in below_root() {
            if let Some(count) = first.get_mut(dominators.immediate(node).0 as usize) {
                *count += 1;
            }
        }
        // Each becomes the end of its range, and the filling below moves it to the beginning.
        let mut sum = 0;
        for count in &mut first {
            sum += *count;
            *count = sum;
        }
        let mut children = vec![0; graph.node_count().saturating_sub(1)];
        for node in below_root() {
            if let Some(end) = first.get_mut(dominators.immediate(node).0 as usize) {
                *end -= 1;
                if let Some(place) = children.get_mut(*end as usize) {
                    *place = node.0;
                }
            }
        }
        Self { first, children }
    }

    fn of(&self, node: NodeIndex) -> &[u32] {
        let at = node.0 as usize;
        match self.first.get(at..at + 2) {
            Some(&[from, to]) => self.children.get(from as usize..to as usize).unwrap_or(&[]),
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EdgeKind;
    use crate::testing::SnapshotBuilder;

    #[test]
    fn a_class_retains_what_hangs_on_its_outermost_objects() {
        let mut heap = SnapshotBuilder::new();
        let outer = heap.node("object", "Tree", 10);
        let inner = heap.node("object", "Tree", 10);
        let leaf = heap.node("string", "leaf", 100);
        let other = heap.node("object", "Tree", 10);
        heap.edge(NodeIndex(0), EdgeKind::Property, "a", outer).edge(
            NodeIndex(0),
            EdgeKind::Property,
            "b",
            other,
        );
        heap.edge(outer, EdgeKind::Property, "child", inner).edge(inner, EdgeKind::Property, "leaf", leaf);
        let graph = heap.graph();

        let classes = retained_by_class(&graph, &Dominators::new(&graph));

        let tree = classes.iter().find(|class| class.name == "Tree").unwrap();
        assert_eq!((tree.count, tree.self_size, tree.retained), (3, 30, 130));
        let plain = histogram(&graph);
        assert_eq!((plain[0].name.as_str(), plain[0].self_size), ("(string)", 100));
        assert_eq!(plain.iter().map(|class| class.self_size).sum::<u64>(), graph.total_size());
    }
}
