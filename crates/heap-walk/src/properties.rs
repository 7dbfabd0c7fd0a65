//! Which property lies where in the objects of a map, from the map's descriptors.

use crate::heap::{Heap, small_integer};
use crate::maps::Special;

/// Which word keeps a property.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kept {
    /// A word of the object.
    Inside(usize),
    /// A word of its property array, from 0.
    Outside(usize),
    /// None: the map has the value, a tagged word.
    Map(u64),
}

impl Heap<'_> {
    /// Hashes of the names of properties by the word that keeps them: in the object, and in its property array; and the
    /// field that says what an object of one of Node's own classes is.
    pub(crate) fn property_words(&mut self, map: u64, class: &str) -> (Vec<u64>, Vec<u64>, Option<Special>) {
        let (mut inner, mut outer, mut special) = (Vec::new(), Vec::new(), None);
        let (wanted, make): (_, fn(u64) -> Special) = match class {
            "Module" => ("filename", Special::File),
            "Timeout" => ("_onTimeout", Special::Callback),
            _ => ("", Special::File),
        };
        self.each_property(map, &mut |heap, name, kept| {
            let (words, word, is_inner) = match kept {
                Kept::Inside(word) => (&mut inner, word, true),
                Kept::Outside(word) => (&mut outer, word, false),
                Kept::Map(_) => return,
            };
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            if let Some(hash) = words.get_mut(word) {
                *hash = heap.name_hash(name);
            }
            if !wanted.is_empty() && is_inner && heap.name(name) == wanted {
                special = Some(make(word as u64 * 8));
            }
        });
        (inner, outer, special)
    }

    /// Calls `each` with the name of every property of this map's objects, and with where it is kept: in a word of the object or of
    /// the object's property array, or in the map.
    pub(crate) fn each_property(&mut self, map: u64, each: &mut dyn FnMut(&mut Self, u64, Kept)) {
        let layout = self.layout;
        let bits = self.memory.half(map + layout.map_bit_field3);
        if bits >> layout.dictionary_map_bit & 1 == 1 {
            return;
        }
        let count = (bits & layout.own_descriptors_mask) >> layout.own_descriptors_shift;
        let Some(descriptors) = self.field(map, layout.map_descriptors) else { return };
        let size = u64::from(self.size(descriptors));
        let first = usize::from(self.memory.byte(map + layout.map_in_object_start));
        let end = usize::from(self.memory.byte(map + 8));
        for index in 0..u64::from(count) {
            let at = layout.descriptors_start + index * 24;
            if at + 24 > size {
                return;
            }
            let Some(details) = small_integer(self.memory.word(descriptors + at + 8)) else { continue };
            let details = u64::from(details as u32);
            if details & layout.details.location_mask != 0 {
                if let Some(name) = self.field(descriptors, at) {
                    let value = self.memory.word(descriptors + at + 16);
                    each(self, name, Kept::Map(value));
                }
                continue;
            }
            let field = ((details & layout.details.index_mask) >> layout.details.index_shift) as usize;
            let Some(name) = self.field(descriptors, at) else { continue };
            // An index counts through the object's own words first.
            let inside = end.saturating_sub(first);
            if field < inside {
                each(self, name, Kept::Inside(first + field));
            } else {
                each(self, name, Kept::Outside(field - inside));
            }
        }
    }
}
