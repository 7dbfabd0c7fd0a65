//! The class of a JavaScript object as V8 names it, from the heap's words alone.
//!
//! An object's map names the function that made it, unless the object is a prototype or was made by a derived class: then the
//! prototypes are asked for a `Symbol.toStringTag` or a `constructor`, one after the other.

use crate::heap::Heap;
use crate::layout::Known;
use crate::properties::Kept;
use crate::text::LONGEST_NAME;

/// How far the chain of a map's earlier maps, and of prototypes, is followed.
const LONGEST_CHAIN: u32 = 4096;
const MOST_PROTOTYPES: u32 = 16;
/// The bit of a map's second bit field that says that its objects' class is the one that `new` was called with.
const NEW_TARGET_IS_BASE: u8 = 1;
/// Words of a dictionary's head, and of one entry.
const DICTIONARY_HEAD: u64 = 2 + crate::edges::DICTIONARY_PREFIX;
const DICTIONARY_ENTRY: u64 = 3;

const CONSTRUCTOR: &str = "constructor";
const TAG: &str = "Symbol(Symbol.toStringTag)";

impl Heap<'_> {
    /// The name of an object's class; `None` or empty where nothing tells.
    pub(crate) fn class_by_constructor(&mut self, map: u64, object: u64) -> Option<String> {
        let bits = self.memory.half(map + self.layout.map_bit_field3);
        // The bit before the one for dictionaries.
        let is_prototype = (bits >> (self.layout.dictionary_map_bit - 1)) & 1 == 1;
        let is_base = self.memory.byte(map + self.layout.map_bit_field2) & NEW_TARGET_IS_BASE != 0;
        let made_by = self.made_by(map).filter(|name| !name.is_empty());
        if !is_prototype && is_base && made_by.is_some() {
            return made_by;
        }
        self.class_by_prototypes(object).or(made_by)
    }

    fn made_by(&mut self, map: u64) -> Option<String> {
        let map_type = self.layout.instance_type(Known::Map);
        let mut constructor = map;
        for _ in 0..LONGEST_CHAIN {
            let word = self.memory.word(constructor + self.layout.map_constructor);
            constructor = self.object(word)?;
            if self.type_of(constructor) != map_type {
                break;
            }
        }
        let shared = self.shared(constructor)?;
        Some(self.shared_name(shared))
    }

    fn class_by_prototypes(&mut self, object: u64) -> Option<String> {
        let mut current = object;
        for level in 0..MOST_PROTOTYPES {
            if let Some(tag) = self.own_property(current, TAG).filter(|tag| self.is_string(*tag)) {
                return Some(self.text(tag, LONGEST_NAME));
            }
            if level > 0
                && let Some(constructor) = self.own_property(current, CONSTRUCTOR)
                && let Some(shared) = self.shared(constructor)
            {
                let name = self.shared_name(shared);
                if !name.is_empty() {
                    return Some(name);
                }
            }
            let map = self.map_of(current);
            current = self.field(map, self.layout.map_prototype)?;
            if self.type_of(current) < self.layout.first_receiver {
                return None;
            }
        }
        None
    }

    /// The object that a property of an object itself refers to.
    fn own_property(&mut self, object: u64, wanted: &str) -> Option<u64> {
        let map = self.map_of(object);
        let mut found = None;
        self.each_property(map, &mut |heap, name, kept| {
            if found.is_none() && heap.is_named(name, wanted) {
                found = Some(kept);
            }
        });
        match found {
            Some(Kept::Inside(word)) => self.field(object, word as u64 * 8),
            Some(Kept::Outside(word)) => {
                let properties = self.field(object, 8)?;
                self.field(properties, 16 + word as u64 * 8)
            }
            Some(Kept::Map(word)) => self.object(word),
            None => self.dictionary_entry(object, wanted),
        }
    }

    fn dictionary_entry(&mut self, object: u64, wanted: &str) -> Option<u64> {
        let dictionary = self.field(object, 8)?;
        if Some(self.type_of(dictionary)) != self.tables.name_dictionary {
            return None;
        }
        let words = u64::from(self.size(dictionary)) / 8;
        let mut word = DICTIONARY_HEAD;
        while word + 1 < words {
            let key = self.memory.word(dictionary + word * 8);
            if let Some(key) = self.object(key)
                && self.is_named(key, wanted)
            {
                return self.field(dictionary, (word + 1) * 8);
            }
            word += DICTIONARY_ENTRY;
        }
        None
    }

    fn is_named(&mut self, name: u64, wanted: &str) -> bool {
        // Most names differ in length already, or are no symbols.
        let fits = if self.is_string(name) {
            self.length(name) as usize == wanted.len()
        } else {
            wanted.starts_with("Symbol(")
        };
        fits && self.name(name) == wanted
    }
}
