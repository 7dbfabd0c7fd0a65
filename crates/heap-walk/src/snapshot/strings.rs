//! The table of strings, in the order in which they were first asked for: each text once, as readers of such files expect.
//! Letters of the heap's own strings are not copied.

use crate::addresses::AddressMap;
use std::collections::HashMap;

/// A string of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Text<'t> {
    /// One of ours.
    Own(&'t str),
    /// The digits of a number.
    Number(u64),
    /// A string of the heap, at this address.
    Heap(u64),
}

/// What an entry of the table is, by its last two bits: the address of a string, which is a multiple of eight, ...
const KIND: u64 = 3;
/// ... or the place of a text of ours ...
const OWN: u64 = 1;
/// ... or a number.
const NUMBER: u64 = 2;

/// Slots of arrays are told by their numbers up to here.
const HIGHEST_NUMBER: u64 = 1 << 16;
/// Places of a table that is still small.
const LEAST_PLACES: usize = 1024;

/// A text made into a number; two texts of a heap with the same number are all but impossible, and would be told as one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letters(u64);

impl Letters {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a UTF-16 code unit.
    #[inline]
    pub(crate) fn add(&mut self, unit: u16) {
        let mixed = (self.0 ^ u64::from(unit)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }

    fn of(text: &str) -> Self {
        let mut letters = Self::new();
        text.encode_utf16().for_each(|unit| letters.add(unit));
        letters
    }
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    entries: Vec<u64>,
    /// The letters of each entry.
    letters: Vec<u64>,
    /// Entries by their letters, each as its number and one more; 0 for none. At least a quarter is free.
    places: Vec<u32>,
    texts: Vec<Box<str>>,
    /// By the text itself, for those asked for most.
    made: HashMap<&'static str, u32>,
    /// Names of properties by their address.
    names: AddressMap<u32>,
    /// By number up to [`HIGHEST_NUMBER`], where it stands and one more; 0 for nowhere yet.
    numbers: Vec<u32>,
}

impl Strings {
    /// Makes room for so many strings at once: a heap's strings may be millions, and a table that grows is there twice for a moment.
    pub(crate) fn reserve(&mut self, strings: usize) {
        self.entries.reserve_exact(strings);
        self.letters.reserve_exact(strings);
        self.place_all(strings + strings / 3 + 1);
    }

    /// The number of a text of ours.
    pub(crate) fn made(&mut self, text: &'static str) -> u64 {
        if let Some(number) = self.made.get(text) {
            return u64::from(*number);
        }
        let number = self.own(text);
        self.made.insert(text, number as u32);
        number
    }

    /// The number of a text that was put together.
    pub(crate) fn own(&mut self, text: &str) -> u64 {
        let entry = (self.texts.len() as u64) << 2 | OWN;
        let (number, is_new) = self.enter(Letters::of(text), entry);
        if is_new {
            self.texts.push(text.into());
        }
        number
    }

    /// The number of a string of the heap with these letters.
    pub(crate) fn heap(&mut self, address: u64, letters: Letters) -> u64 {
        self.enter(letters, address).0
    }

    /// The number that was noted for a property's name.
    pub(crate) fn name(&self, address: u64) -> Option<u64> {
        self.names.get(&address).copied().map(u64::from)
    }

    /// Notes the number of a property's name.
    pub(crate) fn note(&mut self, address: u64, number: u64) -> u64 {
        self.names.insert(address, number as u32);
        number
    }

    /// The number of the digits of a number. Those above [`HIGHEST_NUMBER`] are told as this one: an array of millions would need
    /// as many strings for what nobody reads.
    pub(crate) fn number(&mut self, value: u64) -> u64 {
        let value = value.min(HIGHEST_NUMBER);
        let at = value as usize;
        match self.numbers.get(at) {
            Some(known) if *known != 0 => return u64::from(*known - 1),
            Some(_) => {}
            None => self.numbers.resize(at + 1, 0),
        }
        let (number, _) = self.enter(Letters::of(&value.to_string()), value << 2 | NUMBER);
        if let Some(slot) = self.numbers.get_mut(at) {
            *slot = number as u32 + 1;
        }
        number
    }

    fn enter(&mut self, letters: Letters, entry: u64) -> (u64, bool) {
        if self.entries.len() * 4 >= self.places.len() * 3 {
            self.place_all((self.places.len() * 2).max(LEAST_PLACES));
        }
        let mut at = self.first_place(letters.0);
        loop {
            match self.places.get(at).copied() {
                Some(known) if known != 0 => {
                    if self.letters.get(known as usize - 1) == Some(&letters.0) {
                        return (u64::from(known - 1), false);
                    }
                    at = self.next_place(at);
                }
                _ => break,
            }
        }
        self.entries.push(entry);
        self.letters.push(letters.0);
        if let Some(place) = self.places.get_mut(at) {
            *place = self.entries.len() as u32;
        }
        (self.entries.len() as u64 - 1, true)
    }

    fn first_place(&self, letters: u64) -> usize {
        // The product's upper half is below the number of places.
        ((u128::from(letters) * self.places.len() as u128) >> 64) as usize
    }

    fn next_place(&self, at: usize) -> usize {
        if at + 1 < self.places.len() { at + 1 } else { 0 }
    }

    /// Gives every entry its place among so many.
    fn place_all(&mut self, places: usize) {
        self.places = Vec::new();
        self.places.resize(places.max(LEAST_PLACES), 0);
        for (number, letters) in (1_u32..).zip(&self.letters) {
            let mut at = self.first_place(*letters);
            while self.places.get(at).is_some_and(|place| *place != 0) {
                at = self.next_place(at);
            }
            if let Some(place) = self.places.get_mut(at) {
                *place = number;
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// An entry; empty beyond the last.
    pub(crate) fn get(&self, number: usize) -> Text<'_> {
        match self.entries.get(number) {
            Some(entry) if entry & KIND == NUMBER => Text::Number(entry >> 2),
            Some(entry) if entry & KIND == OWN => {
                Text::Own(self.texts.get((entry >> 2) as usize).map_or("", |text| text))
            }
            Some(address) => Text::Heap(*address),
            None => Text::Own(""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_grows_keeps_its_numbers() {
        let (mut grown, mut reserved) = (Strings::default(), Strings::default());
        reserved.reserve(10_000);
        for table in [&mut grown, &mut reserved] {
            for value in (0..10_000).chain(0..10_000) {
                assert_eq!(table.own(&format!("text {value}")), value);
            }
            assert_eq!(table.count(), 10_000);
        }
        assert_eq!(reserved.entries.capacity(), 10_000);
        assert_eq!(reserved.places.len(), 13_334);
    }

    #[test]
    fn numbers_beyond_the_highest_are_one() {
        let mut strings = Strings::default();

        let numbers =
            [5, HIGHEST_NUMBER, HIGHEST_NUMBER + 1, u64::MAX >> 8].map(|value| strings.number(value));

        assert_eq!(numbers, [0, 1, 1, 1]);
        assert_eq!(strings.get(1), Text::Number(HIGHEST_NUMBER));
        assert!(strings.numbers.len() <= 1 << 17);
    }

    #[test]
    fn each_text_has_one_number_wherever_it_comes_from() {
        let mut strings = Strings::default();

        let numbers = [
            strings.made("map"),
            strings.own("a"),
            strings.heap(0x1000, Letters::of("b")),
            strings.number(7),
            strings.made("map"),
        ];
        let again = [
            strings.own("map"),
            strings.heap(0x1008, Letters::of("a")),
            strings.own("b"),
            strings.own("7"),
            strings.number(7),
            strings.heap(0x2000, Letters::of("c")),
        ];

        assert_eq!((numbers, again), ([0, 1, 2, 3, 0], [0, 1, 2, 3, 3, 4]));
        let all: Vec<Text<'_>> = (0..strings.count()).map(|number| strings.get(number)).collect();
        let expected =
            [Text::Own("map"), Text::Own("a"), Text::Heap(0x1000), Text::Number(7), Text::Heap(0x2000)];
        assert_eq!(all, expected);
        assert_eq!(strings.get(9), Text::Own(""));
        assert_eq!((strings.name(0x1000), strings.note(0x1000, 2), strings.name(0x1000)), (None, 2, Some(2)));
    }
}
