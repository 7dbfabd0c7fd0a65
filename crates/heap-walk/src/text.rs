//! Text out of the heap: strings however they are represented, symbols, and where lines begin.

use crate::heap::{Heap, small_integer};
use crate::layout::{ONE_BYTE, STRING_REPRESENTATION};

/// Strings made of strings are followed so deep.
const DEEPEST: u32 = 32;
/// Letters of a name that is shown.
pub(crate) const LONGEST_NAME: u32 = 200;
/// Letters of a script in which lines are counted.
pub(crate) const LONGEST_SCRIPT: u32 = 64 << 20;

const CONS: u16 = 1;
const EXTERNAL: u16 = 2;
const SLICED: u16 = 3;
const THIN: u16 = 5;
/// An external string whose address of its letters is not kept in the object.
const UNCACHED: u16 = 16;

impl Heap<'_> {
    /// Whether an object is a string.
    pub(crate) fn is_string(&self, object: u64) -> bool {
        self.type_of(object) < self.layout.first_nonstring
    }

    /// A string's length in letters.
    pub(crate) fn length(&self, string: u64) -> u32 {
        self.memory.half(string + self.layout.string_length)
    }

    /// Calls `each` with the code units from `from` up to `to`; what cannot be read is left out.
    pub(crate) fn units(&mut self, string: u64, from: u32, to: u32, each: &mut dyn FnMut(u16)) {
        self.units_within(string, from, to, each, 0);
    }

    fn units_within(&mut self, string: u64, from: u32, to: u32, each: &mut dyn FnMut(u16), depth: u32) {
        let to = to.min(self.length(string));
        let instance_type = self.type_of(string);
        if from >= to || depth > DEEPEST || instance_type >= self.layout.first_nonstring {
            return;
        }
        let one_byte = instance_type & ONE_BYTE != 0;
        match instance_type & STRING_REPRESENTATION {
            CONS => {
                let (Some(first), Some(second)) = (self.field(string, 16), self.field(string, 24)) else {
                    return;
                };
                let middle = self.length(first);
                self.units_within(first, from, to, each, depth + 1);
                self.units_within(
                    second,
                    from.saturating_sub(middle),
                    to.saturating_sub(middle),
                    each,
                    depth + 1,
                );
            }
            SLICED => {
                let Some(parent) = self.field(string, 16) else { return };
                let skip =
                    small_integer(self.memory.word(string + 24)).and_then(|skip| u32::try_from(skip).ok());
                let skip = skip.unwrap_or(0);
                self.units_within(parent, from + skip, to.saturating_add(skip), each, depth + 1);
            }
            THIN => {
                if let Some(actual) = self.field(string, 16) {
                    self.units_within(actual, from, to, each, depth + 1);
                }
            }
            EXTERNAL if instance_type & UNCACHED != 0 => {}
            EXTERNAL => {
                let letters = self.memory.word(string + 24);
                self.outside(letters, from, to, one_byte, each);
            }
            _ => self.inside(string + 16, from, to, one_byte, each),
        }
    }

    /// Letters in the heap, within an object.
    fn inside(&self, letters: u64, from: u32, to: u32, one_byte: bool, each: &mut dyn FnMut(u16)) {
        for index in u64::from(from)..u64::from(to) {
            each(if one_byte {
                u16::from(self.memory.byte(letters + index))
            } else {
                self.memory.short(letters + index * 2)
            });
        }
    }

    /// Letters outside the heap: the resource may be gone.
    fn outside(&self, letters: u64, from: u32, to: u32, one_byte: bool, each: &mut dyn FnMut(u16)) {
        let width = if one_byte { 1 } else { 2 };
        let mut buffer = vec![0_u8; (to - from) as usize * width];
        if self.memory.readable(letters + u64::from(from) * width as u64, &mut buffer) {
            let copied = buffer.as_ptr() as u64;
            self.inside(copied, 0, to - from, one_byte, each);
        }
    }

    /// The beginning of a string, without control characters.
    pub(crate) fn text(&mut self, string: u64, limit: u32) -> String {
        let mut units = Vec::new();
        self.units(string, 0, limit, &mut |unit| units.push(unit));
        let letters = char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER));
        letters.map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
    }

    /// A property's name: a string, or a symbol with its description. Empty for what is neither.
    pub(crate) fn name(&mut self, name: u64) -> String {
        if self.is_string(name) {
            return self.text(name, LONGEST_NAME);
        }
        if self.layout.type_name(self.type_of(name)) != Some("Symbol") {
            return String::new();
        }
        let description = self.field(name, self.layout.symbol_name).filter(|name| self.is_string(*name));
        let description = description.map(|text| self.text(text, LONGEST_NAME)).unwrap_or_default();
        format!("Symbol({description})")
    }

    /// V8's hash of a name, which stays the same for the life of a process; 0 for what is no name.
    pub(crate) fn name_hash(&self, name: u64) -> u64 {
        if self.is_string(name) || self.layout.type_name(self.type_of(name)) == Some("Symbol") {
            u64::from(self.memory.half(name + 8)) | 1 << 40
        } else {
            0
        }
    }

    /// A number made of a string's letters, the same in every process.
    pub(crate) fn content_hash(&mut self, string: u64) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        self.units(string, 0, 4096, &mut |unit| {
            hash = (hash ^ u64::from(unit)).wrapping_mul(0x0100_0000_01b3);
        });
        hash
    }

    /// The line, from 1, of a position in a script's source.
    pub(crate) fn line(&mut self, source: u64, position: u32) -> u32 {
        let mut line = 1;
        if self.is_string(source) && position < LONGEST_SCRIPT {
            self.units(source, 0, position, &mut |unit| line += u32::from(unit == u16::from(b'\n')));
        }
        line
    }
}
