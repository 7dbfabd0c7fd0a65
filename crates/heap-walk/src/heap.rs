//! The heap that is walked: where it is, its objects, and their sizes.

use crate::addresses::AddressMap;
use crate::functions::Functions;
use crate::layout::{Known, Layout};
use crate::memory::Memory;
use crate::objects::{Objects, Place};
use crate::refusal::Refusal;
use std::cell::Cell;

/// V8's `Heap` is a member of its isolate; its end lies below this, bytes.
const ISOLATE_REACH: u64 = 0x4_0000;
const PAGE: u64 = 1 << 18;
/// From this size on it is checked that an object can be read: V8 14's holes are 64 kB long and not mapped.
const LARGE: u32 = 1 << 16;
/// Room for V8's iterator; it has some hundred bytes.
const ITERATOR_BYTES: usize = 8192;

/// Where an object keeps its properties, its elements, and a collection its table.
const PROPERTIES: u64 = 8;
const ELEMENTS: u64 = 16;
const COLLECTION_TABLE: u64 = 24;

#[repr(C, align(16))]
struct IteratorRoom([u8; ITERATOR_BYTES]);

/// A heap whose objects have been enumerated.
pub(crate) struct Heap<'a> {
    pub(crate) memory: Memory,
    pub(crate) layout: &'a Layout,
    pub(crate) functions: &'a Functions,
    pub(crate) address: u64,
    pub(crate) objects: Objects,
    /// The large object whose size was asked last, and the size: finding out takes two system calls.
    last_large: Cell<(u64, u32)>,
    /// Bytes of all objects, garbage included.
    pub(crate) bytes: u64,
    /// Instance types of V8's inner tables, learned from the objects that own them.
    pub(crate) tables: Tables,
}

/// Instance types that V8 does not name; `None` where no object of the owner's class was found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) ordered_map: Option<u16>,
    pub(crate) ordered_set: Option<u16>,
    pub(crate) ephemeron: Option<u16>,
    pub(crate) name_dictionary: Option<u16>,
    pub(crate) global_dictionary: Option<u16>,
    pub(crate) number_dictionary: Option<u16>,
}

/// The untagged address in a strong tagged word; `None` for small integers, weak references, and anything that is no multiple of 8 without
/// its tag: raw bytes that happen to point into the middle of an object's first word.
#[inline]
pub(crate) fn strong(word: u64) -> Option<u64> {
    (word & 7 == 1).then(|| word - 1)
}

/// The value of a small integer.
#[inline]
pub(crate) fn small_integer(word: u64) -> Option<i32> {
    (word & 1 == 0).then_some((word >> 32) as u32 as i32)
}

impl<'a> Heap<'a> {
    /// Finds the heap of the current isolate and enumerates its objects.
    ///
    /// # Safety
    ///
    /// In a shadow on the isolate's thread; `sample` is the untagged address of a small object of that isolate.
    pub(crate) unsafe fn enumerate(
        functions: &'a Functions,
        layout: &'a Layout,
        sample: u64,
    ) -> Result<Self, Refusal> {
        // SAFETY: the caller promises a shadow, where this is the only thread.
        let memory = unsafe { Memory::new() };
        let isolate = functions.current_isolate();
        if isolate == 0 {
            return Err(Refusal::Heap("this thread has no isolate".to_owned()));
        }
        let address = find_heap(&memory, functions, isolate, sample)?;
        let mut heap = Self {
            memory,
            layout,
            functions,
            address,
            objects: Objects::new(),
            last_large: Cell::new((0, 0)),
            bytes: 0,
            tables: Tables::default(),
        };
        heap.add_all()?;
        Ok(heap)
    }

    fn add_all(&mut self) -> Result<(), Refusal> {
        let mut room = Box::new(IteratorRoom([0; ITERATOR_BYTES]));
        let iterator = room.0.as_mut_ptr().cast();
        let functions = self.functions;
        // SAFETY: `enumerate`'s caller promises the isolate's thread in a shadow; `room` is larger than V8's iterator.
        unsafe { functions.iterator_new(iterator, self.address) };
        let mut fits = true;
        let mut owners: AddressMap<u64> = AddressMap::default();
        let mut last = 0;
        // SAFETY: made above, dropped below.
        while let Some(object) = strong(unsafe { functions.iterator_next(iterator) }) {
            fits &= self.objects.add(object);
            self.bytes += u64::from(self.size(object));
            let map = self.map_of(object);
            if map != last {
                last = map;
                owners.entry(map).or_insert(object);
            }
        }
        // SAFETY: made above and not used afterwards.
        unsafe { functions.iterator_drop(iterator) };
        if !fits {
            return Err(Refusal::TooLarge(self.objects.pages() as u64));
        }
        self.objects.seal();
        self.learn_tables(&owners);
        Ok(())
    }

    /// The address of an object's map.
    #[inline]
    pub(crate) fn map_of(&self, object: u64) -> u64 {
        self.memory.word(object).wrapping_sub(1)
    }

    /// The instance type that a map gives.
    #[inline]
    pub(crate) fn type_of_map(&self, map: u64) -> u16 {
        self.memory.short(map + self.layout.map_type)
    }

    /// An object's instance type.
    #[inline]
    pub(crate) fn type_of(&self, object: u64) -> u16 {
        self.type_of_map(self.map_of(object))
    }

    /// The number that V8 gave to an object for heap snapshots of this process, or 0.
    pub(crate) fn object_id(&self, object: u64) -> u32 {
        // SAFETY: an object that the iterator reported, on the thread that `enumerate` was promised.
        unsafe { self.functions.object_id(object) }
    }

    /// An object's size, bytes.
    #[inline]
    pub(crate) fn size(&self, object: u64) -> u32 {
        let map = self.map_of(object);
        let words = self.memory.byte(map + 8);
        if words != 0 {
            return u32::from(words) * 8;
        }
        // SAFETY: an object that the iterator reported, and its map.
        let size = unsafe { self.functions.size(object, map) };
        if size >= LARGE { self.size_of_large(object, size) } else { size }
    }

    fn size_of_large(&self, object: u64, size: u32) -> u32 {
        let (known, known_size) = self.last_large.get();
        if known == object {
            return known_size;
        }
        let end = object + u64::from(size) - 8;
        let mut word = [0; 8];
        let whole = self.memory.readable(object + 8, &mut word) && self.memory.readable(end, &mut word);
        let size = if whole { size } else { 8 };
        self.last_large.set((object, size));
        size
    }

    /// The object to which a strong tagged word points, when it is one of this heap.
    #[inline]
    pub(crate) fn target(&mut self, word: u64) -> Option<Place> {
        self.objects.find(strong(word)?)
    }

    /// The same with the object's address.
    #[inline]
    pub(crate) fn object(&mut self, word: u64) -> Option<u64> {
        let address = strong(word)?;
        self.objects.find(address).map(|_| address)
    }

    /// The object in the field at `offset`, when the object has that field and it is of this heap.
    pub(crate) fn field(&mut self, object: u64, offset: u64) -> Option<u64> {
        if offset + 8 > u64::from(self.size(object)) {
            return None;
        }
        let word = self.memory.word(object + offset);
        self.object(word)
    }

    fn learn_tables(&mut self, owners: &AddressMap<u64>) {
        let layout = self.layout;
        let first_receiver = layout.first_receiver;
        let known = [Known::JsMap, Known::JsSet, Known::JsWeakMap, Known::JsGlobalObject]
            .map(|class| layout.instance_type(class));
        for (map, object) in owners {
            let instance_type = self.type_of_map(*map);
            if instance_type < first_receiver {
                continue;
            }
            let is_dictionary =
                self.memory.half(map + layout.map_bit_field3) >> layout.dictionary_map_bit & 1 == 1;
            let elements = self.memory.byte(map + layout.map_bit_field2) >> layout.elements_shift;
            let found =
                |heap: &mut Self, offset| heap.field(*object, offset).map(|table| heap.type_of(table));
            match known.iter().position(|class| *class == instance_type) {
                Some(0) => self.tables.ordered_map = found(self, COLLECTION_TABLE),
                Some(1) => self.tables.ordered_set = found(self, COLLECTION_TABLE),
                Some(2) => self.tables.ephemeron = found(self, COLLECTION_TABLE),
                Some(_) => self.tables.global_dictionary = found(self, PROPERTIES),
                None => {
                    if is_dictionary && layout.type_name(instance_type) == Some("JSObject") {
                        self.tables.name_dictionary = found(self, PROPERTIES);
                    }
                    if elements == layout.dictionary_elements {
                        self.tables.number_dictionary = found(self, ELEMENTS);
                    }
                }
            }
        }
        // An empty set or map may own a table of another kind; plain arrays are no tables.
        let array = self.layout.instance_type(Known::FixedArray);
        let tables = &mut self.tables;
        for table in [
            &mut tables.ordered_map,
            &mut tables.ordered_set,
            &mut tables.ephemeron,
            &mut tables.name_dictionary,
            &mut tables.global_dictionary,
            &mut tables.number_dictionary,
        ] {
            *table = table.filter(|table| *table != array && *table < first_receiver);
        }
    }
}

/// V8's heap by two ways that must agree: what pages say of their owner, and what the iterator's code computes.
fn find_heap(memory: &Memory, functions: &Functions, isolate: u64, sample: u64) -> Result<u64, Refusal> {
    let by_page = heaps_by_page(memory, isolate, sample)
        .ok_or_else(|| Refusal::Heap("the page of an object cannot be read".to_owned()))?;
    let by_code = heap_by_code(memory, functions.inner_iterator_new, isolate)
        .ok_or_else(|| Refusal::Heap("the iterator's code is not understood".to_owned()))?;
    if by_page.contains(&by_code) {
        return Ok(by_code);
    }
    let by_page: Vec<String> = by_page.iter().map(|heap| format!("{:#x}", heap - isolate)).collect();
    Err(Refusal::Heap(format!(
        "isolate + {} by a page, isolate + {:#x} by code",
        by_page.join(" or + "),
        by_code - isolate
    )))
}

/// A page's header, or the metadata it points to, names the heap: the words into the isolate that most votes go to. The
/// header of a young page names a part of the heap besides it.
fn heaps_by_page(memory: &Memory, isolate: u64, sample: u64) -> Option<Vec<u64>> {
    let inside = |word: u64| word > isolate && word < isolate + ISOLATE_REACH;
    let page = sample & !(PAGE - 1);
    let mut votes: Vec<(u64, u32)> = Vec::new();
    let mut vote = |heap: u64, weight: u32| match votes.iter_mut().find(|(known, _)| *known == heap) {
        Some((_, votes)) => *votes += weight,
        None => votes.push((heap, weight)),
    };
    for (index, word) in memory.words::<64>(page)?.into_iter().enumerate() {
        if inside(word) {
            vote(word, 100);
        } else if index <= 8 && word.is_multiple_of(8) && word >= 0x1_0000 && word & !(PAGE - 1) != page {
            let metadata = memory.words::<24>(word).unwrap_or([0; 24]);
            metadata.into_iter().filter(|word| inside(*word)).for_each(|word| vote(word, 1));
        }
    }
    let most = votes.iter().map(|(_, votes)| *votes).max().unwrap_or(0);
    Some(votes.into_iter().filter(|(_, votes)| *votes == most).map(|(heap, _)| heap).collect())
}

/// The iterator's constructor turns the heap's address into the isolate's: `lea -offset(heap), register`.
fn heap_by_code(memory: &Memory, code: u64, isolate: u64) -> Option<u64> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let mut bytes = [0; 128];
    memory.readable(code, &mut bytes).then_some(())?;
    let offset = bytes.windows(7).find_map(|window| match window {
        [0x48 | 0x49 | 0x4c | 0x4d, 0x8d, mode, a, b, c, d] if mode & 0xc0 == 0x80 && mode & 7 != 4 => {
            let offset = i32::from_le_bytes([*a, *b, *c, *d]);
            (-(ISOLATE_REACH as i32)..-0x1000).contains(&offset).then_some(offset)
        }
        _ => None,
    })?;
    Some(isolate.wrapping_add_signed(-i64::from(offset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_by_their_tags() {
        assert_eq!((strong(0x1001), strong(0x1003), strong(0x1000)), (Some(0x1000), None, None));
        assert_eq!(strong(0x1005), None, "objects lie at multiples of 8");
        assert_eq!((small_integer(7 << 32), small_integer((-2_i64 as u64) << 32)), (Some(7), Some(-2)));
        assert_eq!(small_integer(0x1001), None);
    }

    #[test]
    fn the_offset_of_the_heap_is_read_from_code() {
        // SAFETY: only this test's own bytes are read.
        let memory = unsafe { Memory::new() };
        let mut code = [0x90_u8; 128];
        code[20..27].copy_from_slice(&[0x48, 0x8d, 0x86, 0x40, 0x2d, 0xff, 0xff]);
        let expected = cfg!(target_arch = "x86_64").then_some(0x10_d2c0);
        assert_eq!(heap_by_code(&memory, code.as_ptr() as u64, 0x10_0000), expected);
        assert_eq!(heap_by_code(&memory, [0x90_u8; 128].as_ptr() as u64, 0x10_0000), None);
    }
}
