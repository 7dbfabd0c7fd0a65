//! The strong edges of an object, read from its words.
//!
//! Every aligned word with a strong tag that is exactly the start of an object is an edge; raw words are hardly ever, and
//! what holds raw bytes is left out.

use crate::heap::Heap;
use crate::layout::Known;
use crate::maps::Treatment;
use std::ops::Range;

/// Bytes of the embedder's words in an array buffer.
const EMBEDDER: u64 = 16;
/// Bytes of the head of a hash table before its entries: map, length, and three numbers.
pub(crate) const TABLE_HEAD: u64 = 40;
/// Words of a dictionary by name before its entries, after map and length.
pub(crate) const DICTIONARY_PREFIX: u64 = 6;
/// Where a weak reference keeps its target: behind an object's head, and behind the registry of a weak cell.
pub(crate) const WEAK_REF_TARGET: u64 = 24;
pub(crate) const WEAK_CELL_TARGET: u64 = 16;

impl Heap<'_> {
    /// Calls `each` with the offset and the word of everything in an object that may be an edge, but for its map.
    #[inline]
    pub(crate) fn each_word(
        &mut self,
        object: u64,
        treatment: Treatment,
        mut each: impl FnMut(&mut Self, u64, u64),
    ) {
        let size = u64::from(self.size(object));
        let (from, skipped) = match treatment {
            Treatment::Leaf => return,
            Treatment::RopeString => (16, 0..0),
            Treatment::WeakRef => (8, WEAK_REF_TARGET..WEAK_REF_TARGET + 8),
            Treatment::WeakCell => (8, WEAK_CELL_TARGET..WEAK_CELL_TARGET + 8),
            Treatment::Ephemerons => (8, TABLE_HEAD..size),
            Treatment::Object => (8, self.raw_words(object)),
            _ => (8, 0..0),
        };
        for offset in (from..size).step_by(8).filter(|offset| !skipped.contains(offset)) {
            let word = self.memory.word(object + offset);
            if word & 7 == 1 {
                each(self, offset, word);
            }
        }
    }

    /// Where an array buffer keeps raw bytes: up to the embedder's words, two before its properties. V8 does not write all of them, so
    /// what lay there before would pass for an edge: a pointer to another object, exactly.
    #[inline]
    fn raw_words(&self, object: u64) -> Range<u64> {
        let map = self.map_of(object);
        if self.type_of_map(map) != self.layout.instance_type(Known::JsArrayBuffer) {
            return 0..0;
        }
        let properties = u64::from(self.memory.byte(map + self.layout.map_in_object_start)) * 8;
        self.layout.buffer_length..properties.saturating_sub(EMBEDDER)
    }

    /// Calls `each` with the key, and the offset and word of the value, of every entry of a weak table.
    pub(crate) fn each_ephemeron(&mut self, table: u64, mut each: impl FnMut(&mut Self, u64, u64, u64)) {
        let size = u64::from(self.size(table));
        let mut offset = TABLE_HEAD;
        while offset + 16 <= size {
            let key = self.memory.word(table + offset);
            let value = self.memory.word(table + offset + 8);
            if key & 7 == 1 && value & 7 == 1 {
                each(self, key, offset + 8, value);
            }
            offset += 16;
        }
    }

    /// Bytes outside the heap that an object holds: an array buffer's store, an external string's letters; with the address
    /// of the store, for two buffers may share it.
    pub(crate) fn off_heap(&self, object: u64, instance_type: u16) -> Option<(u64, u64)> {
        let layout = self.layout;
        if instance_type == layout.instance_type(Known::JsArrayBuffer) {
            let store = self.memory.word(object + layout.buffer_store);
            return (store != 0).then(|| (store, self.memory.word(object + layout.buffer_length)));
        }
        if instance_type < layout.first_nonstring && instance_type & 7 == 2 {
            let width = if instance_type & 8 != 0 { 1 } else { 2 };
            return Some((self.memory.word(object + 16), u64::from(self.length(object)) * width));
        }
        None
    }
}
