//! The edges of one object with what they are called, as V8's own heap snapshots have them.

use super::dispatch::Dispatch;
use super::labels::{ELEMENTS, ENTRIES, Label, PROPERTIES, inner, own};
use crate::edges::{DICTIONARY_PREFIX, WEAK_CELL_TARGET, WEAK_REF_TARGET};
use crate::heap::{Heap, small_integer, strong};
use crate::layout::Known;
use crate::maps::Treatment;
use crate::objects::Place;
use crate::properties::Kept;
use crate::reached::Reached;
use std::collections::HashMap;

/// Where the variables of a scope begin.
const VARIABLES: u64 = 32;
/// Where a global variable has its name and its value.
const CELL_NAME: u64 = 8;
const CELL_VALUE: u64 = 24;
/// A value of a weak collection, from its table and from its key: one text for all that V8 tells apart by numbers.
const WEAK_VALUE: &str = "1 / part of key (object) -> value (object) pair in WeakMap (table)";

/// What is done with each edge as it is found. A list of them would be as long as the largest array of the heap, which can be a fifth of it.
pub(crate) type Sink<'s, 'a> = dyn FnMut(&mut Heap<'a>, Edge) + 's;

/// An edge of the object that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) label: Label,
    pub(crate) target: Place,
}

/// Names of properties by the word that keeps them, as addresses of strings or symbols.
#[derive(Default)]
struct Properties {
    /// In the object; 0 where none is.
    inner: Vec<u64>,
    /// In its property array.
    outer: Vec<(usize, u64)>,
    /// In the map: accessors and constants, by the word that has them.
    shared: Vec<(u64, u64)>,
}

impl Properties {
    fn of(heap: &mut Heap<'_>, map: u64) -> Self {
        let mut properties = Self::default();
        heap.each_property(map, &mut |_, name, kept| match kept {
            Kept::Inside(word) => {
                if properties.inner.len() <= word {
                    properties.inner.resize(word + 1, 0);
                }
                if let Some(slot) = properties.inner.get_mut(word) {
                    *slot = name;
                }
            }
            Kept::Outside(word) => properties.outer.push((word, name)),
            Kept::Map(value) => properties.shared.push((value, name)),
        });
        properties
    }

    fn inside(&self, offset: u64) -> Option<u64> {
        self.inner.get((offset / 8) as usize).copied().filter(|name| *name != 0)
    }
}

/// The names of properties by map, and the values that hang on keys of weak collections.
#[derive(Default)]
pub(crate) struct Edges {
    pub(crate) dispatch: Option<Dispatch>,
    properties: HashMap<u32, Properties>,
    by_key: HashMap<u32, Vec<Place>>,
}

impl Edges {
    /// Notes, where an object is the table of a weak collection, which values are reached through which keys: they are edges of the
    /// keys, too.
    pub(crate) fn note_ephemerons(&mut self, heap: &mut Heap<'_>, reached: &mut Reached, place: Place) {
        let table = heap.objects.address(place);
        let map = reached.maps.of(heap, table);
        if reached.maps.get(map).is_none_or(|info| info.treatment != Treatment::Ephemerons) {
            return;
        }
        heap.each_ephemeron(table, |heap, key, _, value| {
            if let (Some(key), Some(value)) = (essential(heap, key), heap.target(value)) {
                self.by_key.entry(key.0).or_default().push(value);
            }
        });
    }

    /// Tells all edges of an object; their targets may be dead.
    pub(crate) fn of<'a>(
        &mut self,
        heap: &mut Heap<'a>,
        reached: &mut Reached,
        place: Place,
        found: &mut Sink<'_, 'a>,
    ) {
        let object = heap.objects.address(place);
        let map = reached.maps.of(heap, object);
        let Some(info) = reached.maps.get(map) else { return };
        let (treatment, instance_type) = (info.treatment, info.instance_type);
        // Every array has the same map: an edge for each would say nothing.
        if instance_type != heap.layout.instance_type(Known::FixedArray)
            && let Some(target) = heap.objects.find(heap.map_of(object))
        {
            found(heap, Edge { label: Label::Internal("map"), target });
        }
        if matches!(treatment, Treatment::Object | Treatment::Function | Treatment::WeakRef) {
            self.object(heap, object, map, instance_type, treatment, found);
        } else {
            heap.each_word(object, treatment, |heap, offset, word| {
                let is_variable = treatment == Treatment::Context && offset >= VARIABLES;
                let target = if is_variable { heap.target(word) } else { essential(heap, word) };
                let Some(target) = target else { return };
                let label = inner(heap, object, treatment, instance_type, offset, target);
                found(heap, Edge { label, target });
            });
        }
        weak(heap, object, treatment, found);
        if let Some(values) = self.by_key.get(&place.0) {
            for target in values {
                found(heap, Edge { label: Label::Internal(WEAK_VALUE), target: *target });
            }
        }
    }

    fn object<'a>(
        &mut self,
        heap: &mut Heap<'a>,
        object: u64,
        map: u32,
        instance_type: u16,
        treatment: Treatment,
        found: &mut Sink<'_, 'a>,
    ) {
        let properties = self.properties.entry(map).or_insert_with(|| {
            let map = heap.map_of(object);
            Properties::of(heap, map)
        });
        heap.each_word(object, treatment, |heap, offset, word| {
            let property = properties.inside(offset).map(Label::Property);
            let target = if property.is_some() { heap.target(word) } else { essential(heap, word) };
            let Some(target) = target else { return };
            let label = property.unwrap_or_else(|| own(heap, treatment, instance_type, offset, target));
            if label == Label::Internal("initial_map") {
                let map = heap.objects.address(target);
                let prototype = heap.field(map, heap.layout.map_prototype);
                let target = prototype.and_then(|prototype| heap.objects.find(prototype));
                if let Some(target) = target {
                    found(heap, Edge { label: Label::Named("prototype"), target });
                }
            }
            value(heap, label, target, found);
        });
        if treatment == Treatment::Function
            && let Some(target) = self.dispatch.as_ref().and_then(|table| table.code(heap, object))
        {
            found(heap, Edge { label: Label::Internal("code"), target });
        }
        for (kept, name) in &properties.shared {
            let target = heap.target(*kept);
            if let Some(target) = target {
                value(heap, Label::Property(*name), target, found);
            }
        }
        let map = heap.map_of(object);
        if let Some(prototype) = heap.field(map, heap.layout.map_prototype)
            && let Some(target) = heap.objects.find(prototype)
        {
            found(heap, Edge { label: Label::Named("__proto__"), target });
        }
        if let Some(store) = heap.field(object, PROPERTIES) {
            let store_type = heap.type_of(store);
            if Some(store_type) == heap.tables.name_dictionary {
                dictionary(heap, store, found);
            } else if Some(store_type) == heap.tables.global_dictionary {
                globals(heap, store, found);
            } else if heap.layout.type_name(store_type) == Some("PropertyArray") {
                for (word, name) in &properties.outer {
                    let kept = heap.field(store, ENTRIES + *word as u64 * 8);
                    let target = kept.and_then(|kept| heap.objects.find(kept));
                    if let Some(target) = target {
                        value(heap, Label::Property(*name), target, found);
                    }
                }
            }
        }
        if let Some(store) = heap.field(object, ELEMENTS)
            && heap.type_of(store) == heap.layout.instance_type(Known::FixedArray)
            && properties.inside(ELEMENTS).is_none()
        {
            elements(heap, store, found);
        }
    }
}

/// A property, or a field, and where accessors are kept their functions too. V8's own accessors are none.
fn value<'a>(heap: &mut Heap<'a>, label: Label, target: Place, found: &mut Sink<'_, 'a>) {
    let Label::Property(name) = label else {
        found(heap, Edge { label, target });
        return;
    };
    let object = heap.objects.address(target);
    let kind = heap.layout.type_name(heap.type_of(object));
    if kind == Some("AccessorInfo") {
        return;
    }
    found(heap, Edge { label, target });
    if kind != Some("AccessorPair") {
        return;
    }
    for (which, offset) in [("get", 8), ("set", 16)] {
        if let Some(function) = heap.field(object, offset)
            && heap.layout.type_name(heap.type_of(function)) != Some("Oddball")
            && let Some(target) = heap.objects.find(function)
        {
            found(heap, Edge { label: Label::Accessor(which, name), target });
        }
    }
}

/// Elements of an array that are objects; holes are left out.
fn elements<'a>(heap: &mut Heap<'a>, store: u64, found: &mut Sink<'_, 'a>) {
    heap.each_word(store, Treatment::Entries, |heap, offset, word| {
        if let Some(target) = heap.target(word).filter(|target| !is_hole(heap, *target))
            && let Some(index) = (offset / 8).checked_sub(2)
        {
            found(heap, Edge { label: Label::Element(index), target });
        }
    });
}

/// Properties of an object that keeps them by name: key, value and details in a row.
fn dictionary<'a>(heap: &mut Heap<'a>, store: u64, found: &mut Sink<'_, 'a>) {
    let words = u64::from(heap.size(store)) / 8;
    let mut word = 2 + DICTIONARY_PREFIX;
    while word + 1 < words {
        if let Some(key) = heap.field(store, word * 8)
            && heap.name_hash(key) != 0
            && let Some(kept) = heap.field(store, word * 8 + 8)
            && let Some(target) = heap.objects.find(kept)
        {
            value(heap, Label::Property(key), target, found);
        }
        word += 3;
    }
}

/// Global variables: a row of cells, each with its name and its value.
fn globals<'a>(heap: &mut Heap<'a>, store: u64, found: &mut Sink<'_, 'a>) {
    heap.each_word(store, Treatment::Entries, |heap, _, word| {
        let Some(cell) = heap.object(word) else { return };
        if heap.type_of(cell) == heap.layout.instance_type(Known::PropertyCell)
            && let Some(name) = heap.field(cell, CELL_NAME).filter(|name| heap.name_hash(*name) != 0)
            && let Some(kept) = heap.field(cell, CELL_VALUE)
            && let Some(target) = heap.objects.find(kept)
        {
            value(heap, Label::Property(name), target, found);
        }
    });
}

/// What does not keep its target alive: keys of weak collections, and what weak references refer to; and the values behind
/// the keys, which the table holds, too.
fn weak<'a>(heap: &mut Heap<'a>, object: u64, treatment: Treatment, found: &mut Sink<'_, 'a>) {
    match treatment {
        Treatment::Ephemerons => {
            heap.each_ephemeron(object, |heap, key, offset, value| {
                let Some(key) = essential(heap, key) else { return };
                found(heap, Edge { label: Label::Weak(offset / 8 - 3), target: key });
                if let Some(target) = heap.target(value) {
                    found(heap, Edge { label: Label::Internal(WEAK_VALUE), target });
                }
            });
        }
        Treatment::WeakRef | Treatment::WeakCell => {
            let is_reference = treatment == Treatment::WeakRef;
            let offset = if is_reference { WEAK_REF_TARGET } else { WEAK_CELL_TARGET };
            let target = heap.field(object, offset).and_then(|target| heap.objects.find(target));
            if let Some(target) = target {
                found(heap, Edge { label: Label::Weak(offset / 8), target });
            }
        }
        _ => {}
    }
}

/// The target of a word, unless it is one of the few things that everything refers to: `undefined`, holes, empty arrays.
fn essential(heap: &mut Heap<'_>, word: u64) -> Option<Place> {
    let object = strong(word)?;
    let place = heap.objects.find(object)?;
    let is_shared = match heap.layout.type_name(heap.type_of(object)) {
        Some("Hole" | "Oddball") => true,
        Some("FixedArray" | "PropertyArray" | "ByteArray" | "WeakFixedArray" | "WeakArrayList") => {
            u64::from(heap.size(object)) <= ENTRIES
        }
        _ => false,
    };
    (!is_shared).then_some(place)
}

/// Whether something says that there is nothing: a type of its own from Node 24 on, before that one of several oddballs.
fn is_hole(heap: &Heap<'_>, target: Place) -> bool {
    let object = heap.objects.address(target);
    match heap.layout.type_name(heap.type_of(object)) {
        Some("Hole") => true,
        Some("Oddball") => heap.layout.hole.is_some_and(|(offset, kind)| {
            small_integer(heap.memory.word(object + offset)).is_some_and(|found| found == kind)
        }),
        _ => false,
    }
}
