//! What the edges of objects are called.

use crate::heap::Heap;
use crate::maps::Treatment;
use crate::objects::Place;

pub(super) const PROPERTIES: u64 = 8;
pub(super) const ELEMENTS: u64 = 16;
const COLLECTION_TABLE: u64 = 24;
/// Where arrays, dictionaries and tables begin: behind map and length.
pub(super) const ENTRIES: u64 = 16;

/// What an edge is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Label {
    /// A property with the name at this address: a string or symbol.
    Property(u64),
    /// A variable of the context at the first address, kept at an offset.
    Variable(u64, u64),
    /// A property that V8 keeps elsewhere: its prototype, a function's `prototype`.
    Named(&'static str),
    /// `get` or `set` of the property with the name at this address.
    Accessor(&'static str, u64),
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

/// A field of an object that is no property.
pub(super) fn own(
    heap: &Heap<'_>,
    treatment: Treatment,
    instance_type: u16,
    offset: u64,
    target: Place,
) -> Label {
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
pub(super) fn inner(
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
