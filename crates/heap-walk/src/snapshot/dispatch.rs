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
/// Functions whose code is looked for. Most of them must have some.
const LOOKED_AT: usize = 200;

/// The table.
#[derive(Debug)]
pub(crate) struct Dispatch {
    base: u64,
    shift: u32,
}

/// Functions that tell how the table counts.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// The bits that are not 0 in all numbers.
    bits: u32,
    /// Functions of different numbers. Closures of one function share theirs, and can lie beside each other by the thousand.
    functions: Vec<(u64, u32)>,
}

impl Sample {
    /// Takes the function at an address.
    pub(crate) fn add(&mut self, heap: &Heap<'_>, function: u64) {
        self.note(function, heap.memory.half(function + NUMBER));
    }

    fn note(&mut self, function: u64, number: u32) {
        self.bits |= number;
        if self.functions.len() < LOOKED_AT && self.functions.iter().all(|(_, other)| *other != number) {
            self.functions.push((function, number));
        }
    }

    /// How many of the lowest bits are 0 in all numbers.
    fn shift(&self) -> u32 {
        self.bits.trailing_zeros().min(u32::BITS - 1)
    }
}

impl Dispatch {
    /// The table of the running V8; `None` where functions refer to their code themselves, or it is not understood.
    pub(crate) fn learn(heap: &mut Heap<'_>, sample: &Sample) -> Option<Self> {
        let dispatch = Self { base: heap.functions.dispatch_table()?, shift: sample.shift() };
        let with =
            sample.functions.iter().filter(|(function, _)| dispatch.code(heap, *function).is_some()).count();
        (with * 2 > sample.functions.len()).then_some(dispatch)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(numbers: impl IntoIterator<Item = u32>) -> Sample {
        let mut sample = Sample::default();
        numbers.into_iter().zip(0..).for_each(|(number, function)| sample.note(function, number));
        sample
    }

    #[test]
    fn what_is_0_in_all_numbers_does_not_count() {
        assert_eq!(sample([0x100, 0x2300, 0x40_0000]).shift(), 8);
        assert_eq!(sample([6, 7]).shift(), 0);
        assert_eq!(sample([]).shift(), 31);
    }

    #[test]
    fn closures_that_share_a_number_do_not_hide_how_numbers_count() {
        let closures = std::iter::repeat_n(0x1200, 10_000);
        let sample = sample(closures.chain((1..1000).map(|number| number << 8)));
        assert_eq!(sample.shift(), 8);
        assert_eq!(sample.functions.len(), LOOKED_AT);
    }
}
