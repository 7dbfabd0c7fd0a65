//! A heap as a tree of folded paths: how many objects, and how many bytes, hang on each.
//!
//! Indices, keys of tables and of large dictionaries are left out of a path's steps, and repetitions go back to where they
//! began, so that the entries of a cache, the links of a list and the listeners of an event are one entry with a count. A
//! path's key comes from texts only: it is the same in every heap snapshot of a program, where V8's ids are not.
//!
//! Code that there is once has a key of its own, whatever leads to it: see [`crate::fixed_points`].
//!
//! **Invariant:** an entry's parent stands before it; entry 0 is the root's.

use crate::fixed_points::FixedPoints;
use crate::fold::{is_key, is_text};
use crate::names::{NameClass, Names};
use crate::script;
use crate::{Edge, EdgeIndex, EdgeKind, EdgeName, Graph, NodeIndex, NodeKind, Paths};
use foldhash::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Entries kept; what has no room is counted with its parent.
const MOST: usize = 1 << 20;
/// How far back a repetition is looked for.
const REPEATS: usize = 6;

/// Objects whose paths are the same but for what is folded.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Index of the entry that its path goes on from.
    pub parent: u32,
    /// Hash of the folded path.
    pub key: u64,
    label: u64,
    /// Objects.
    pub count: u64,
    /// Bytes of those objects alone.
    pub own_bytes: u64,
    /// Bytes of all that hangs on them.
    pub bytes: u64,
    /// Of that, outside the JavaScript heap.
    pub native_bytes: u64,
    /// One of the objects, the last in the file.
    pub example: NodeIndex,
}

/// The tree.
#[derive(Debug)]
pub struct Profile {
    entries: Vec<Entry>,
    /// Objects that had no entry of their own any more.
    pub crowded: u64,
}

impl Profile {
    /// Folds all paths. One pass over the edges; 4 bytes per node while it runs.
    pub fn new(graph: &Graph, paths: &Paths) -> Self {
        let mut builder = Builder {
            graph,
            names: Names::new(graph),
            scripts: HashMap::default(),
            fixed: FixedPoints::new(graph),
            files: vec![0],
            children: std::collections::HashMap::default(),
            profile: Self { entries: Vec::new(), crowded: 0 },
        };
        builder.profile.entries.push(Entry {
            parent: 0,
            key: 0,
            label: 0,
            count: 1,
            own_bytes: 0,
            bytes: 0,
            native_bytes: 0,
            example: graph.root(),
        });
        let mut entries = vec![0_u32; graph.node_count()];
        for from in paths.order() {
            let above = entries.get(from.0 as usize).copied().unwrap_or(0);
            for edge in graph.edges(from) {
                if paths.via(edge.to) == Some(EdgeIndex(edge.index.0)) {
                    let entry = builder.place(above, from, &edge);
                    if let Some(place) = entries.get_mut(edge.to.0 as usize) {
                        *place = entry;
                    }
                }
            }
        }
        let mut profile = builder.profile;
        profile.sum_up();
        profile
    }

    /// The entries; a parent before its children.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn sum_up(&mut self) {
        for index in (1..self.entries.len()).rev() {
            let Some(entry) = self.entries.get(index) else { continue };
            let (parent, bytes, native) = (entry.parent as usize, entry.bytes, entry.native_bytes);
            if let Some(parent) = self.entries.get_mut(parent) {
                parent.bytes += bytes;
                parent.native_bytes += native;
            }
        }
    }
}

struct Builder<'a> {
    graph: &'a Graph,
    names: Names,
    /// Hash of the file of a function's shared part.
    scripts: HashMap<NodeIndex, u64>,
    fixed: FixedPoints,
    /// By entry: hash of the file of the nearest function or module, 0 for none.
    files: Vec<u64>,
    children: std::collections::HashMap<(u32, u64), u32, BuildHasherDefault<Mixed>>,
    profile: Profile,
}

impl Builder<'_> {
    fn place(&mut self, above: u32, from: NodeIndex, edge: &Edge) -> u32 {
        let kind = self.graph.kind(edge.to);
        let file = self.file(edge.to, kind);
        let around = if file == 0 { self.files.get(above as usize).copied().unwrap_or(0) } else { file };
        let at = if let Some(label) = self.fixed.label(self.graph, from, edge, around) {
            self.child(0, label, around)
        } else {
            let label = mix(self.label(from, edge, kind), file);
            self.repeated(above, label, kind).unwrap_or_else(|| self.child(above, label, around))
        };
        let size = self.graph.self_size(edge.to);
        if let Some(entry) = self.profile.entries.get_mut(at as usize) {
            entry.count += 1;
            entry.own_bytes += size;
            entry.bytes += size;
            entry.native_bytes += if kind == NodeKind::Native { size } else { 0 };
            entry.example = edge.to;
        }
        at
    }

    fn child(&mut self, above: u32, label: u64, around: u64) -> u32 {
        let next = u32::try_from(self.profile.entries.len()).unwrap_or(u32::MAX);
        if let Some(known) = self.children.get(&(above, label)) {
            return *known;
        }
        if self.profile.entries.len() >= MOST {
            self.profile.crowded += 1;
            return above;
        }
        self.children.insert((above, label), next);
        let key = self.profile.entries.get(above as usize).map_or(0, |entry| mix(entry.key, label));
        self.files.push(around);
        self.profile.entries.push(Entry {
            parent: above,
            key,
            label,
            count: 0,
            own_bytes: 0,
            bytes: 0,
            native_bytes: 0,
            example: NodeIndex(0),
        });
        next
    }

    /// The entry, not far above, whose objects are of the same make.
    fn repeated(&self, above: u32, label: u64, kind: NodeKind) -> Option<u32> {
        if !matches!(
            kind,
            NodeKind::Object
                | NodeKind::Closure
                | NodeKind::Native
                | NodeKind::ConcatenatedString
                | NodeKind::Hidden
                | NodeKind::Code
        ) {
            return None;
        }
        let entry = |at: u32| self.profile.entries.get(at as usize).filter(|_| at != 0);
        let above_label = entry(above)?.label;
        if above_label == label {
            return Some(above);
        }
        // Further up, two steps in a row must be the same: every function has a context.
        let mut at = entry(above)?.parent;
        for _ in 1..REPEATS {
            let (candidate, parent) = (entry(at)?, entry(entry(at)?.parent)?);
            if candidate.label == label && parent.label == above_label {
                return Some(at);
            }
            at = candidate.parent;
        }
        None
    }

    fn label(&self, from: NodeIndex, edge: &Edge, kind: NodeKind) -> u64 {
        let name = match edge.name {
            EdgeName::Number(_) => 1,
            EdgeName::Text(id) => match self.names.class(id) {
                NameClass::Number => 2,
                NameClass::Ephemeron => 3,
                _ if is_key(self.graph, from, edge) => 4,
                _ => text(one_way(edge.kind, self.graph.strings().bytes(id))),
            },
        };
        let class =
            if is_text(kind) { 0 } else { text(self.graph.strings().bytes(self.graph.name_id(edge.to))) };
        mix(mix(edge.kind as u64 + 1, name), mix(kind as u64 + 1, class))
    }

    /// The script of a function and the file of a module are part of what they are.
    fn file(&mut self, node: NodeIndex, kind: NodeKind) -> u64 {
        match kind {
            NodeKind::Closure => {
                let Some(shared) = self.graph.follow(node, "shared") else { return 0 };
                if let Some(known) = self.scripts.get(&shared) {
                    return *known;
                }
                let place = script::place(self.graph, node).filter(|place| !place.is_internal());
                let file = place.map_or(0, |place| text(place.file.as_bytes()));
                self.scripts.insert(shared, file);
                file
            }
            NodeKind::Object if self.graph.strings().bytes(self.graph.name_id(node)) == b"Module" => {
                script::place(self.graph, node).map_or(0, |place| text(place.file.as_bytes()))
            }
            _ => 0,
        }
    }
}

/// A list that is linked both ways is entered from both ends.
fn one_way(kind: EdgeKind, name: &[u8]) -> &[u8] {
    match name {
        b"_idlePrev" if kind == EdgeKind::Property => b"_idleNext",
        b"prev" | b"previous" if kind == EdgeKind::Property => b"next",
        _ => name,
    }
}

/// Two hashes into one (the finisher of `SplitMix64`, Steele, Lea and Flood, 2014).
pub(crate) fn mix(one: u64, other: u64) -> u64 {
    let mut value = one.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ other;
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

pub(crate) fn text(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64 + 16, |hash, chunk| {
        let word = chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        mix(hash, word)
    })
}

/// For keys that are hashes already.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix(self.0, text(bytes));
    }
    fn write_u32(&mut self, value: u32) {
        self.0 = mix(self.0, u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SnapshotBuilder;

    fn list(links: usize) -> Graph {
        let mut heap = SnapshotBuilder::new();
        let mut last = heap.node("object", "List", 16);
        heap.edge(heap.root(), EdgeKind::Property, "list", last);
        for _ in 0..links {
            let link = heap.node("object", "Link", 24);
            let value = heap.node("object", "Value", 8);
            heap.edge(last, EdgeKind::Property, "next", link).edge(link, EdgeKind::Property, "value", value);
            last = link;
        }
        heap.graph()
    }

    fn keys(graph: &Graph) -> Vec<(u64, u64, u64)> {
        let profile = Profile::new(graph, &Paths::new(graph));
        profile.entries().iter().map(|entry| (entry.key, entry.count, entry.bytes)).collect()
    }

    #[test]
    fn a_list_s_links_are_one_entry_however_many() {
        let (short, long) = (keys(&list(3)), keys(&list(50)));

        let counts = |keys: &[(u64, u64, u64)]| keys.iter().map(|(_, count, _)| *count).collect::<Vec<_>>();
        assert_eq!((counts(&short), counts(&long)), (vec![1, 1, 3, 3], vec![1, 1, 50, 50]));
        assert!(short.iter().zip(&long).all(|(one, other)| one.0 == other.0), "the same keys");
        assert_eq!(long[1].2, 16 + 50 * 32);
    }

    /// A module's function, one of its variables in a Map, and a way to the function that is there at some moments only.
    fn module(sooner: bool) -> Graph {
        let mut heap = SnapshotBuilder::new();
        let far = heap.node("object", "Far", 8);
        let render = heap.function("render", "/app/render.js", 7);
        let context = heap.node("object", "system / Context", 32);
        let around = heap.node("object", "system / NativeContext", 32);
        let cache = heap.node("object", "Map", 32);
        heap.edge(heap.root(), EdgeKind::Property, "far", far).edge(
            far,
            EdgeKind::Property,
            "render",
            render,
        );
        heap.edge(render, EdgeKind::Internal, "context", context);
        heap.edge(context, EdgeKind::Internal, "previous", around).edge(
            context,
            EdgeKind::Context,
            "cache",
            cache,
        );
        for index in ["1", "2", "3"] {
            let entry = heap.node("object", "Entry", 48);
            heap.edge(cache, EdgeKind::Internal, index, entry);
        }
        if sooner {
            heap.edge(heap.root(), EdgeKind::Element, "1", render);
        }
        heap.graph()
    }

    #[test]
    fn what_waits_for_a_promise_is_one_entry_however_v8_calls_its_kind() {
        for kind in ["object", "hidden", "code"] {
            let mut heap = SnapshotBuilder::new();
            let promise = heap.node("object", "Promise", 32);
            heap.edge(heap.root(), EdgeKind::Property, "shutdown", promise);
            let (mut last, mut name) = (promise, "reactions_or_result");
            for _ in 0..100 {
                let reaction = heap.node(kind, "system / PromiseReaction", 40);
                heap.edge(last, EdgeKind::Internal, name, reaction);
                (last, name) = (reaction, "next");
            }
            assert_eq!(keys(&heap.graph()).iter().map(|(_, count, _)| *count).max(), Some(99), "{kind}");
        }
    }

    #[test]
    fn what_hangs_on_a_module_s_code_has_the_same_key_whatever_leads_to_the_code() {
        let entries = |graph: &Graph| {
            let profile = Profile::new(graph, &Paths::new(graph));
            profile.entries().iter().find(|entry| entry.count == 3).map(|entry| entry.key).unwrap()
        };
        assert_eq!(entries(&module(false)), entries(&module(true)));
    }

    #[test]
    fn keys_of_a_dictionary_are_one_entry_and_names_of_an_object_are_not() {
        for (count, entries) in [(5_u32, 5), (100, 1)] {
            let mut heap = SnapshotBuilder::new();
            let object = heap.node("object", "Object", 16);
            heap.edge(heap.root(), EdgeKind::Property, "o", object);
            for index in 0..count {
                let value = heap.node("object", "Session", 8);
                heap.edge(object, EdgeKind::Property, &format!("key{index}"), value);
            }
            assert_eq!(keys(&heap.graph()).len(), 2 + entries);
        }
    }
}
