//! A heap snapshot in V8's file format, written from the walk: no graph is built, the heap itself is the graph.
//!
//! The heap is gone through three times: to count the edges, to write the nodes, to write the edges. What is kept meanwhile is
//! a bit and a half for each object, 21 bytes for each string that is told, and the names of properties.
//!
//! The format is the one that `v8.writeHeapSnapshot()` of Node 20 and later writes, as Chrome `DevTools` reads it; node types, the
//! names of V8's own things and the kinds of edges follow V8's, so that what reads those files reads these.

mod dispatch;
mod edges;
mod format;
mod ids;
mod labels;
mod naming;
mod nodes;
mod places;
mod strings;

use crate::addresses::AddressMap;
use crate::heap::Heap;
use crate::layout::Known;
use crate::maps::Treatment;
use crate::objects::Place;
use crate::reached::Reached;
use dispatch::{Dispatch, Sample};
use edges::{Edge, Edges};
use format::{EdgeType, Json, NODE_FIELDS, NodeType};
use ids::Ids;
use leakprobe_heap_snapshot::Ranked;
use places::Places;
use std::collections::HashMap;
use std::io::{self, Write};
use strings::{Strings, Text};

/// The nodes that are no objects: the root, the roots of the collector, and one for each kind of root.
struct Made {
    kinds: Vec<(i32, String)>,
}

impl Made {
    fn count(&self) -> u64 {
        2 + self.kinds.len() as u64
    }
}

/// Writes a heap snapshot of what the walk has reached.
pub(crate) fn write(heap: &mut Heap<'_>, reached: &mut Reached, out: &mut dyn Write) -> io::Result<()> {
    let kinds = reached.roots.names.iter().map(|(kind, name)| (*kind, name.clone())).collect();
    let made = Made { kinds };
    let live = Ranked::of(reached.reached_numbers());
    let mut writer = Writer {
        first_object: made.count(),
        first_store: made.count() + live.count() as u64,
        made,
        live,
        strings: Strings::default(),
        stores: AddressMap::default(),
        store_sizes: Vec::new(),
        globals: Vec::new(),
        class_names: HashMap::new(),
        edges: Edges::default(),
        ids: Ids::default(),
        places: Places::default(),
        heap,
        reached,
        json: Json::new(out),
    };
    writer.write()
}

struct Writer<'w, 'a, 'o> {
    heap: &'w mut Heap<'a>,
    reached: &'w mut Reached,
    made: Made,
    live: Ranked,
    first_object: u64,
    first_store: u64,
    strings: Strings,
    /// Array buffers' stores by address: their number.
    stores: AddressMap<u32>,
    store_sizes: Vec<u64>,
    /// The nodes of global objects, where `DevTools` begins to measure distances.
    globals: Vec<u64>,
    /// Numbers of the names of classes, by class.
    class_names: HashMap<u32, u64>,
    edges: Edges,
    ids: Ids,
    places: Places,
    json: Json<'o>,
}

impl Writer<'_, '_, '_> {
    fn write(&mut self) -> io::Result<()> {
        let edges = self.count()?;
        let nodes = self.first_store + self.store_sizes.len() as u64;
        self.json.head(nodes, edges)?;
        self.nodes()?;
        self.json.next_section("edges")?;
        self.all_edges(true)?;
        self.json.locations()?;
        self.locations()?;
        self.json.next_section("strings")?;
        self.all_strings()?;
        self.json.end()
    }

    /// Counts edges, after it has found the stores of array buffers, the global objects, and what hangs on keys of weak collections.
    fn count(&mut self) -> io::Result<u64> {
        let (mut strings, first_nonstring) = (0, self.heap.layout.first_nonstring);
        let mut functions = Sample::default();
        self.each_object(|writer, place, index| {
            let object = writer.heap.objects.address(place);
            let instance_type = writer.heap.type_of(object);
            if instance_type == writer.heap.layout.instance_type(Known::JsGlobalObject) {
                writer.globals.push(writer.first_object + index);
            }
            strings += usize::from(instance_type < first_nonstring);
            writer.ids.note(index, || writer.heap.object_id(object));
            if instance_type == writer.heap.layout.instance_type(Known::JsFunction) {
                functions.add(writer.heap, object);
            }
            writer.edges.note_ephemerons(writer.heap, writer.reached, place);
            if instance_type == writer.heap.layout.instance_type(Known::JsArrayBuffer)
                && let Some((address, bytes)) = writer.heap.off_heap(object, instance_type)
                && !writer.stores.contains_key(&address)
            {
                writer.stores.insert(address, writer.store_sizes.len() as u32);
                writer.store_sizes.push(bytes);
            }
            Ok(())
        })?;
        self.edges.dispatch = Dispatch::learn(self.heap, &functions);
        // Names and numbers come on top.
        self.strings.reserve(strings + strings / 16 + 4096);
        self.all_edges(false)
    }

    /// All edges in the order of their nodes, written or only counted.
    fn all_edges(&mut self, written: bool) -> io::Result<u64> {
        let mut edges = 0;
        let globals = self.globals.clone();
        edges += 1 + globals.len() as u64 + self.made.kinds.len() as u64;
        if written {
            self.json.edge(EdgeType::Element, 1, 1)?;
            for global in &globals {
                let name = self.strings.made("");
                self.json.edge(EdgeType::Shortcut, name, *global)?;
            }
            for index in 0..self.made.kinds.len() as u64 {
                self.json.edge(EdgeType::Element, index + 1, 2 + index)?;
            }
        }
        for index in 0..self.made.kinds.len() {
            let kind = self.made.kinds.get(index).map_or(0, |(kind, _)| *kind);
            let mut number = 0;
            for root in 0..self.reached.roots.all.len() {
                let Some(root) = self.reached.roots.all.get(root).copied().filter(|root| root.kind == kind)
                else {
                    continue;
                };
                let Some(target) = self.node_of(root.object) else { continue };
                number += 1;
                if written {
                    let name = self.strings.number(number);
                    self.json.edge(EdgeType::Internal, name, target)?;
                }
            }
            edges += number;
        }
        self.each_object(|writer, place, _| {
            edges += writer.edges_of(place, written)?;
            Ok(())
        })?;
        Ok(edges)
    }

    /// The edges of one object.
    fn edges_of(&mut self, place: Place, written: bool) -> io::Result<u64> {
        let Self { heap, reached, live, edges, strings, json, first_object, .. } = self;
        let (mut count, mut done) = (0, Ok(()));
        edges.of(heap, reached, place, &mut |heap, Edge { label, target }| {
            let index = heap.objects.number(target).and_then(|number| live.rank(number.0));
            let Some(index) = index else { return };
            count += 1;
            if written && done.is_ok() {
                let (edge_type, name) = strings.labelled(heap, label);
                done = json.edge(edge_type, name, *first_object + index as u64);
            }
        });
        done?;
        let object = self.heap.objects.address(place);
        if self.heap.type_of(object) == self.heap.layout.instance_type(Known::JsArrayBuffer) {
            let store = self.heap.memory.word(object + self.heap.layout.buffer_store);
            if let Some(store) = self.stores.get(&store).copied() {
                count += 1;
                if written {
                    let name = self.strings.made("backing_store");
                    self.json.edge(EdgeType::Internal, name, self.first_store + u64::from(store))?;
                }
            }
        }
        Ok(count)
    }

    fn nodes(&mut self) -> io::Result<()> {
        let globals = self.globals.len() as u64;
        let kinds = self.made.kinds.clone();
        let root = self.strings.made("");
        self.json.node(NodeType::Synthetic, root, 1, 0, 1 + globals)?;
        let roots = self.strings.made("(GC roots)");
        self.json.node(NodeType::Synthetic, roots, 3, 0, kinds.len() as u64)?;
        for (id, (kind, name)) in (0_u64..).zip(kinds) {
            let mut count = 0;
            for root in 0..self.reached.roots.all.len() {
                let root = self.reached.roots.all.get(root).copied().filter(|root| root.kind == kind);
                count += u64::from(root.is_some_and(|root| self.node_of(root.object).is_some()));
            }
            let name = if name.starts_with('(') { name } else { format!("({name})") };
            let name = self.strings.own(&name);
            self.json.node(NodeType::Synthetic, name, 5 + id * 2, 0, count)?;
        }
        self.each_object(|writer, place, index| {
            let (node_type, name) = writer.described(place);
            let count = writer.edges_of(place, false)?;
            let object = writer.heap.objects.address(place);
            let size = u64::from(writer.heap.size(object));
            let id = writer.ids.of(writer.first_object, index, || writer.heap.object_id(object));
            writer.json.node(node_type, name, id, size, count)
        })?;
        let sizes = std::mem::take(&mut self.store_sizes);
        let name = self.strings.made("system / JSArrayBufferData");
        // As V8's, ids of native memory are even.
        let first = (self.first_store + 1) * 2;
        for (index, size) in (0_u64..).zip(&sizes) {
            self.json.node(NodeType::Native, name, first + index * 2, *size, 0)?;
        }
        self.store_sizes = sizes;
        Ok(())
    }

    /// Where functions stand in their scripts.
    fn locations(&mut self) -> io::Result<()> {
        self.each_object(|writer, place, index| {
            let object = writer.heap.objects.address(place);
            let map = writer.reached.maps.of(writer.heap, object);
            if writer.reached.maps.get(map).is_some_and(|info| info.treatment == Treatment::Function)
                && let Some(found) = writer.places.of(writer.heap, object)
            {
                writer.json.location(writer.first_object + index, found)?;
            }
            Ok(())
        })
    }

    fn all_strings(&mut self) -> io::Result<()> {
        for index in 0..self.strings.count() {
            match self.strings.get(index) {
                Text::Own(text) => self.json.text(text)?,
                Text::Number(number) => self.json.text(&number.to_string())?,
                Text::Heap(address) => {
                    let text = naming::letters(self.heap, address);
                    self.json.text(&text)?;
                }
            }
        }
        Ok(())
    }

    /// Calls `each` with every object that was reached, and its number among them.
    fn each_object(
        &mut self,
        mut each: impl FnMut(&mut Self, Place, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        for page in 0..self.heap.objects.pages() {
            let mut next = self.heap.objects.first_in(page);
            while let Some(place) = next {
                next = self.heap.objects.after(place);
                if let Some(number) = self.heap.objects.number(place)
                    && let Some(index) = self.live.rank(number.0)
                {
                    each(self, place, index as u64)?;
                }
            }
        }
        Ok(())
    }

    fn node_of(&mut self, object: u64) -> Option<u64> {
        let place = self.heap.objects.find(object)?;
        self.node_at(place)
    }

    fn node_at(&self, place: Place) -> Option<u64> {
        let number = self.heap.objects.number(place)?;
        Some(self.first_object + self.live.rank(number.0)? as u64)
    }
}

const _: () =
    assert!(NODE_FIELDS.len() == 7, "an edge's target is the place of its node in the row of all fields");
