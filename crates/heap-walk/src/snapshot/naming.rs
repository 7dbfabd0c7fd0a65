//! What strings of the heap, properties and edges are called: their numbers in the table of strings.

use super::format::EdgeType;
use super::labels::Label;
use super::nodes;
use super::strings::{Letters, Strings};
use crate::heap::Heap;

/// Letters of a string that is told, as V8's default.
const LONGEST_STRING: u32 = 1024;

impl Strings {
    /// The type of an edge, and its name or index.
    pub(super) fn labelled(&mut self, heap: &mut Heap<'_>, label: Label) -> (EdgeType, u64) {
        match label {
            Label::Property(name) => (EdgeType::Property, self.property(heap, name)),
            Label::Variable(context, offset) => {
                let name = heap.variable(context, offset);
                if name.is_empty() {
                    (EdgeType::Hidden, offset / 8)
                } else {
                    (EdgeType::Context, self.own(&name))
                }
            }
            Label::Named(name) => (EdgeType::Property, self.made(name)),
            Label::Accessor(which, name) => (EdgeType::Property, self.accessor(heap, which, name)),
            Label::Element(index) => (EdgeType::Element, index),
            Label::Slot(index) => (EdgeType::Internal, self.number(index)),
            Label::Internal(name) => (EdgeType::Internal, self.made(name)),
            Label::Hidden(index) => (EdgeType::Hidden, index),
            Label::Weak(index) => (EdgeType::Weak, self.number(index)),
        }
    }

    /// The number of a string of the heap.
    pub(super) fn of_heap(&mut self, heap: &mut Heap<'_>, string: u64) -> u64 {
        let mut letters = Letters::new();
        heap.units(string, 0, LONGEST_STRING, &mut |unit| letters.add(unit));
        self.heap(string, letters)
    }

    /// The number of a property's name, a string or symbol.
    fn property(&mut self, heap: &mut Heap<'_>, name: u64) -> u64 {
        if let Some(known) = self.name(name) {
            return known;
        }
        let number = if heap.is_string(name) {
            self.of_heap(heap, name)
        } else {
            let symbol = nodes::symbol(&heap.name(name));
            self.own(&symbol)
        };
        self.note(name, number)
    }

    /// The number of the name of a property's getter or setter.
    fn accessor(&mut self, heap: &mut Heap<'_>, which: &str, property: u64) -> u64 {
        let name = if heap.is_string(property) {
            letters(heap, property)
        } else {
            nodes::symbol(&heap.name(property))
        };
        self.own(&format!("{which} {name}"))
    }
}

/// The first letters of a string of the heap.
pub(super) fn letters(heap: &mut Heap<'_>, string: u64) -> String {
    let mut units = Vec::new();
    heap.units(string, 0, LONGEST_STRING, &mut |unit| units.push(unit));
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
