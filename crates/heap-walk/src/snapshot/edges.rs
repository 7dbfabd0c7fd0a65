//! The edges of one object with what they are called, as V8's own heap snapshots have them.

use crate::edges::{DICTIONARY_PREFIX, WEAK_CELL_TARGET, WEAK_REF_TARGET};
use crate::heap::{Heap, strong};
use crate::maps::Treatment;
use crate::objects::Place;
use crate::properties::Kept;
use crate::reached::Reached;
use std::collections::HashMap;

const PROPERTIES: u64 = 8;
const ELEMENTS: u64 = 16;
const COLLECTION_TABLE: u64 = 24;
/// Where arrays, dictionaries and tables begin: behind map and length.
const ENTRIES: u64 = 16;
/// Where a global variable has its name and its value.
const CELL_NAME: u64 = 8;
const CELL_VALUE: u64 = 24;
/// A value of a weak collection, from its table and from its key: one text for all that V8 tells apart by numbers.
const WEAK_VALUE: &str = "1 / part of key (object) -> value (object) pair in WeakMap (table)";

/// What an edge is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Label {
    /// A property with the name at this address: a string or symbol.
    Property(u64),
    /// A variable of the context at the first address, kept at an offset.
    Variable(u64, u64),
    /// A property that V8 keeps elsewhere: its prototype, a function's `prototype`.
    Named(&'static str),
    /// An element.
    Element(u64),
    /// A word of an array, from 0.
    Slot(u64),
    /// A field of V8's with a name.
    Internal(&'static str),
    /// Any other field of V8's, by its word.
    Hidden(u64),
    /// What does not keep its target alive.
    Weak(u64),
}

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
    /// Kept for its room.
    pub(crate) found: Vec<Edge>,
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

    /// Adds all edges of an object; their targets may be dead.
    pub(crate) fn of(
        &mut self,
        heap: &mut Heap<'_>,
        reached: &mut Reached,
        place: Place,
        found: &mut Vec<Edge>,
    ) {
        let object = heap.objects.address(place);
        let map = reached.maps.of(heap, object);
        let Some(info) = reached.maps.get(map) else { return };
        let (treatment, instance_type) = (info.treatment, info.instance_type);
        // Every array has the same map: an edge for each would say nothing.
        if treatment != Treatment::Entries
            && let Some(target) = heap.objects.find(heap.map_of(object))
        {
            found.push(Edge { label: Label::Internal("map"), target });
        }
        if treatment == Treatment::Object || treatment == Treatment::Function {
            self.object(heap, object, map, instance_type, treatment, found);
        } else {
            heap.each_word(object, treatment, |heap, offset, word| {
                let Some(target) = essential(heap, word) else { return };
                found.push(Edge {
                    label: inner(heap, object, treatment, instance_type, offset, target),
                    target,
                });
            });
        }
        weak(heap, object, treatment, found);
        if let Some(values) = self.by_key.get(&place.0) {
            found.extend(
                values.iter().map(|target| Edge { label: Label::Internal(WEAK_VALUE), target: *target }),
            );
        }
    }

    fn object(
        &mut self,
        heap: &mut Heap<'_>,
        object: u64,
        map: u32,
        instance_type: u16,
        treatment: Treatment,
        found: &mut Vec<Edge>,
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
            found.push(Edge { label, target });
        });
        let map = heap.map_of(object);
        if let Some(prototype) = heap.field(map, heap.layout.map_prototype)
            && heap.type_of(prototype) >= heap.layout.first_receiver
        {
            let target = heap.objects.find(prototype);
            found.extend(target.map(|target| Edge { label: Label::Named("__proto__"), target }));
        }
        if let Some(store) = heap.field(object, PROPERTIES) {
            let store_type = heap.type_of(store);
            if Some(store_type) == heap.tables.name_dictionary {
                dictionary(heap, store, found);
            } else if Some(store_type) == heap.tables.global_dictionary {
                globals(heap, store, found);
            } else if heap.layout.type_name(store_type) == Some("PropertyArray") {
                for (word, name) in &properties.outer {
                    let value = heap.field(store, ENTRIES + *word as u64 * 8);
                    let target = value.and_then(|value| heap.objects.find(value));
                    found.extend(target.map(|target| Edge { label: Label::Property(*name), target }));
                }
            }
        }
        if let Some(store) = heap.field(object, ELEMENTS)
            && heap.type_of(store) == heap.layout.instance_type("FixedArray")
            && properties.inside(ELEMENTS).is_none()
        {
            elements(heap, store, found);
        }
    }
}

/// Elements of an array that are objects; holes and `undefined` are left out.
fn elements(heap: &mut Heap<'_>, store: u64, found: &mut Vec<Edge>) {
    heap.each_word(store, Treatment::Entries, |heap, offset, word| {
        if let Some(target) = essential(heap, word)
            && let Some(index) = (offset / 8).checked_sub(2)
        {
            found.push(Edge { label: Label::Element(index), target });
        }
    });
}

/// Properties of an object that keeps them by name: key, value and details in a row.
fn dictionary(heap: &mut Heap<'_>, store: u64, found: &mut Vec<Edge>) {
    let words = u64::from(heap.size(store)) / 8;
    let mut word = 2 + DICTIONARY_PREFIX;
    while word + 1 < words {
        if let Some(key) = heap.field(store, word * 8)
            && heap.name_hash(key) != 0
            && let Some(value) = heap.field(store, word * 8 + 8)
            && let Some(target) = heap.objects.find(value)
        {
            found.push(Edge { label: Label::Property(key), target });
        }
        word += 3;
    }
}

/// Global variables: a row of cells, each with its name and its value.
fn globals(heap: &mut Heap<'_>, store: u64, found: &mut Vec<Edge>) {
    heap.each_word(store, Treatment::Entries, |heap, _, word| {
        let Some(cell) = heap.object(word) else { return };
        if heap.type_of(cell) == heap.layout.instance_type("PropertyCell")
            && let Some(name) = heap.field(cell, CELL_NAME).filter(|name| heap.name_hash(*name) != 0)
            && let Some(value) = heap.field(cell, CELL_VALUE)
            && let Some(target) = heap.objects.find(value)
        {
            found.push(Edge { label: Label::Property(name), target });
        }
    });
}

/// What does not keep its target alive: keys of weak collections, and what weak references refer to; and the values behind
/// the keys, which the table holds, too.
fn weak(heap: &mut Heap<'_>, object: u64, treatment: Treatment, found: &mut Vec<Edge>) {
    match treatment {
        Treatment::Ephemerons => {
            heap.each_ephemeron(object, |heap, key, offset, value| {
                let Some(key) = essential(heap, key) else { return };
                found.push(Edge { label: Label::Weak(offset / 8 - 3), target: key });
                if let Some(target) = heap.target(value) {
                    found.push(Edge { label: Label::Internal(WEAK_VALUE), target });
                }
            });
        }
        Treatment::WeakRef | Treatment::WeakCell => {
            let is_reference = treatment == Treatment::WeakRef;
            let offset = if is_reference { WEAK_REF_TARGET } else { WEAK_CELL_TARGET };
            let target = heap.field(object, offset).and_then(|target| heap.objects.find(target));
            found.extend(target.map(|target| Edge { label: Label::Weak(offset / 8), target }));
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

/// A field of an object that is no property.
fn own(heap: &Heap<'_>, treatment: Treatment, instance_type: u16, offset: u64, target: Place) -> Label {
    let target = || {
        let target_type = heap.type_of(heap.objects.address(target));
        (target_type >= heap.layout.first_receiver, heap.layout.type_name(target_type))
    };
    let name = match (offset, heap.layout.type_name(instance_type)) {
        (PROPERTIES, _) => "properties",
        (ELEMENTS, _) => "elements",
        (COLLECTION_TABLE, Some("JSMap" | "JSSet" | "JSWeakMap" | "JSWeakSet")) => "table",
        (24, Some("JSPromise")) => "reactions_or_result",
        (24, Some("JSBoundFunction")) => "bound_function",
        (32, Some("JSBoundFunction")) => "bound_this",
        (40, Some("JSBoundFunction")) => "bound_arguments",
        _ if treatment == Treatment::Function && offset == heap.layout.function_context => "context",
        _ if treatment == Treatment::Function && offset == heap.layout.function_shared => "shared",
        (_, Some("JSGeneratorObject" | "JSAsyncFunctionObject" | "JSAsyncGeneratorObject")) => match offset {
            24 => "function",
            32 => "context",
            40 => "receiver",
            _ => return Label::Hidden(offset / 8),
        },
        _ if treatment == Treatment::Function => match target() {
            (true, _) => return Label::Named("prototype"),
            (_, Some("Map")) => "initial_map",
            (_, Some("FeedbackCell")) => "feedback_cell",
            (_, Some("Code")) => "code",
            _ => return Label::Hidden(offset / 8),
        },
        _ => return Label::Hidden(offset / 8),
    };
    Label::Internal(name)
}

/// A field of something that is no JavaScript object.
fn inner(
    heap: &mut Heap<'_>,
    object: u64,
    treatment: Treatment,
    instance_type: u16,
    offset: u64,
    target: Place,
) -> Label {
    let name = match (treatment, offset) {
        (Treatment::Context, 16) => "scope_info",
        (Treatment::Context, 24) => "previous",
        (Treatment::Context, _) => return Label::Variable(object, offset),
        (Treatment::RopeString, 16) if instance_type & 7 == 1 => "first",
        (Treatment::RopeString, 24) if instance_type & 7 == 1 => "second",
        (Treatment::RopeString, 16) if instance_type & 7 == 3 => "parent",
        (Treatment::RopeString, 16) => "actual",
        (Treatment::Entries | Treatment::NameDictionary, _) if offset >= ENTRIES => {
            return Label::Slot((offset - ENTRIES) / 8);
        }
        _ => match heap.layout.type_name(instance_type) {
            Some("SharedFunctionInfo") if offset == heap.layout.shared_script => "script",
            Some("SharedFunctionInfo") if offset == heap.layout.shared_name => "name_or_scope_info",
            Some("Script") if offset == heap.layout.script_name => "name",
            Some("Script") if offset == heap.layout.script_source => "source",
            Some("Map") if offset == heap.layout.map_prototype => "prototype",
            Some("Map") if offset == heap.layout.map_constructor => {
                let target_type = heap.type_of(heap.objects.address(target));
                if target_type == instance_type { "back_pointer" } else { "constructor" }
            }
            Some("Map") if offset == heap.layout.map_descriptors => "descriptors",
            Some("Symbol") if offset == heap.layout.symbol_name => "name",
            Some("AccessorPair") if offset == 8 => "getter",
            Some("AccessorPair") if offset == 16 => "setter",
            _ => return Label::Hidden(offset / 8),
        },
    };
    Label::Internal(name)
}
