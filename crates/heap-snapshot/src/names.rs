//! Which names of edges are V8's bookkeeping, decided once per string instead of once per edge.

use crate::{Graph, StringId};

/// What a name of an internal edge says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum NameClass {
    /// Nothing special.
    Plain,
    /// A number, as V8 writes where something stands in a table.
    Number,
    /// V8's own: hidden classes, feedback, code, prototypes.
    Bookkeeping,
    /// A key with its value in a `WeakMap`.
    Ephemeron,
}

/// Names of edges that lead from what a program made to what V8 needs for it.
const BOOKKEEPING: [&str; 27] = [
    "__proto__",
    // A timer's function leads to everything that its module has: better by way of the module.
    "_onTimeout",
    "back_pointer",
    "boilerplate",
    "bytecode_array",
    "code",
    "constructor",
    "constructor_or_back_pointer",
    "dependent_code",
    "descriptors",
    "feedback_cell",
    "feedback_metadata",
    "feedback_vector",
    "function_data",
    "global_proxy_object",
    "initial_map",
    "instance_template",
    "map",
    "name_or_scope_info",
    "native_context",
    "outer_scope_info",
    "prototype_info",
    "raw_transitions",
    "scope_info",
    "script",
    "transitions",
    "validity_cell",
];
/// Part of every name of an edge for a pair in a `WeakMap`.
const EPHEMERON: &[u8] = b" part of key (";

#[derive(Debug)]
pub(crate) struct Names(Vec<NameClass>);

impl Names {
    pub(crate) fn new(graph: &Graph) -> Self {
        let count = u32::try_from(graph.strings().len()).unwrap_or(u32::MAX);
        let ephemeron = memchr::memmem::Finder::new(EPHEMERON);
        let classes = (0..count).map(|id| {
            let text = graph.strings().bytes(StringId(id));
            match text {
                [b'0'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => NameClass::Number,
                [b'0'..=b'9', ..] if ephemeron.find(text).is_some() => NameClass::Ephemeron,
                [b'_' | b'b'..=b'v', _, _, ..] if text.len() <= 27 && is_bookkeeping(text) => {
                    NameClass::Bookkeeping
                }
                _ => NameClass::Plain,
            }
        });
        Self(classes.collect())
    }

    #[inline]
    pub(crate) fn class(&self, id: StringId) -> NameClass {
        self.0.get(id.0 as usize).copied().unwrap_or(NameClass::Plain)
    }
}

fn is_bookkeeping(text: &[u8]) -> bool {
    BOOKKEEPING.binary_search_by(|name| name.as_bytes().cmp(text)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_found_in() {
        assert!(BOOKKEEPING.is_sorted());
        assert!(BOOKKEEPING.iter().all(|name| is_bookkeeping(name.as_bytes()) && name.len() <= 27));
        assert!(!is_bookkeeping(b"cache"));
    }
}
