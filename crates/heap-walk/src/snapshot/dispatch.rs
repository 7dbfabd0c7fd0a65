//! The code of functions from Node 24 on: they have a number in a table of V8's outside the heap, which refers to the code.
//!
//! Where the number lies in a function, and how it counts, no constant of V8's says: the bits that are 0 in the numbers of all functions
//! count for nothing, and that is believed where it leads from functions to code. Without it the edges `code` are missing.

use crate::heap::Heap;
use crate::objects::Place;

/// Behind map, properties and elements.
const NUMBER: u64 = 24;
/// An entry is the code's address for calls, and its object's behind this many bits.
const ENTRY_BYTES: u64 = 16;
const OBJECT_SHIFT: u32 = 16;
/// The lowest bit behind them is the collector's.
const MARK: u64 = 1;
/// Functions that are looked at. Most of them must have code.
const LOOKED_AT: usize = 200;

/// The table.
#[derive(Debug)]
pub(crate) struct Dispatch {
    base: u64,
    shift: u32,
}

/// Functions that tell how the table counts.
#[derive(Debug, Default)]
pub(crate) struct Sample(Vec<u64>);

impl Sample {
    /// Takes a function's address, if there are not enough yet.
    pub(crate) fn add(&mut self, function: u64) {
        if self.0.len() < LOOKED_AT {
            self.0.push(function);
        }
    }
}

impl Dispatch {
    /// The table of the running V8; `None` where functions refer to their code themselves, or it is not understood.
    pub(crate) fn learn(heap: &mut Heap<'_>, Sample(functions): &Sample) -> Option<Self> {
        let base = heap.functions.dispatch_table()?;
        let shift = shift(functions.iter().map(|function| heap.memory.half(function + NUMBER)));
        let dispatch = Self { base, shift };
        let with = functions.iter().filter(|function| dispatch.code(heap, **function).is_some()).count();
        (with * 2 > functions.len()).then_some(dispatch)
    }

    /// The code of a function.
    pub(crate) fn code(&self, heap: &mut Heap<'_>, function: u64) -> Option<Place> {
        let number = u64::from(heap.memory.half(function + NUMBER)) >> self.shift;
        let mut entry = [0; ENTRY_BYTES as usize];
        if number == 0 || !heap.memory.readable(self.base + number * ENTRY_BYTES, &mut entry) {
            return None;
        }
        let (_, word) = entry.split_last_chunk()?;
        let object = u64::from_le_bytes(*word) >> OBJECT_SHIFT & !MARK;
        let place = heap.objects.find(object)?;
        (heap.layout.type_name(heap.type_of(object)) == Some("Code")).then_some(place)
    }
}

/// How many of the lowest bits are 0 in all numbers.
fn shift(numbers: impl Iterator<Item = u32>) -> u32 {
    numbers.fold(0, |all, number| all | number).trailing_zeros().min(u32::BITS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_0_in_all_numbers_does_not_count() {
        assert_eq!(shift([0x100, 0x2300, 0x40_0000].into_iter()), 8);
        assert_eq!(shift([6, 7].into_iter()), 0);
        assert_eq!(shift([].into_iter()), 31);
    }
}
