//! Values of weak collections that wait for their keys.
//!
//! A value lives while its table and its key do. Each entry is looked at once, when its table is reached: either the key is alive by
//! then, or the entry waits under it until the key is reached (Hayes, "Ephemerons: A New Finalization Mechanism", 1997, with a table
//! of waiting keys as V8 has one). Going through all tables again until nothing changes takes squared time where many weak
//! collections hang on one another: 19 000 of jsdom's took 4 s.

use crate::addresses::AddressMap;
use crate::bits::Bits;
use crate::objects::{Number, Place};
use crate::signatures::NodeId;

const NONE: u32 = u32::MAX;

/// A value, and the table that it is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) value: Place,
    pub(crate) table: Place,
    /// The table's folded path.
    pub(crate) node: NodeId,
}

/// Entries of weak collections: 16 bytes for each that waits, and some for its key.
#[derive(Debug)]
pub(crate) struct Ephemerons {
    entries: Vec<(Entry, u32)>,
    /// The last entry that waits for a key, by the key's place.
    last: AddressMap<u32>,
    /// Keys that are waited for, by number of the object.
    keys: Bits,
    /// Entries whose keys are alive.
    ripe: Vec<Entry>,
}

impl Ephemerons {
    /// For so many objects.
    pub(crate) fn new(count: usize) -> Self {
        Self { entries: Vec::new(), last: AddressMap::default(), keys: Bits::new(count), ripe: Vec::new() }
    }

    /// An entry whose key is alive, or not for us to judge.
    pub(crate) fn ripe(&mut self, entry: Entry) {
        self.ripe.push(entry);
    }

    /// An entry whose key has not been reached.
    pub(crate) fn wait(&mut self, key: Place, number: Number, entry: Entry) {
        self.keys.set(number.0);
        let own = self.entries.len() as u32;
        let before = self.last.insert(key.0.into(), own).unwrap_or(NONE);
        self.entries.push((entry, before));
    }

    /// An object was reached: what waits for it is ripe.
    #[inline]
    pub(crate) fn reached(&mut self, place: Place, number: Number) {
        if self.keys.get(number.0) {
            self.ripen(place);
        }
    }

    fn ripen(&mut self, place: Place) {
        let mut at = self.last.remove(&place.0.into()).unwrap_or(NONE);
        while let Some((entry, before)) = self.entries.get(at as usize) {
            self.ripe.push(*entry);
            at = *before;
        }
    }

    /// The next entry whose value lives.
    pub(crate) fn next(&mut self) -> Option<Entry> {
        self.ripe.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_wait_until_their_key_is_reached() {
        let mut ephemerons = Ephemerons::new(100);
        let entry = |value| Entry { value: Place(value), table: Place(7), node: NodeId(1) };
        ephemerons.ripe(entry(1));
        ephemerons.wait(Place(500), Number(50), entry(2));
        ephemerons.wait(Place(500), Number(50), entry(3));
        ephemerons.wait(Place(600), Number(60), entry(4));

        assert_eq!((ephemerons.next(), ephemerons.next()), (Some(entry(1)), None));
        ephemerons.reached(Place(510), Number(51));
        assert_eq!(ephemerons.next(), None);
        ephemerons.reached(Place(500), Number(50));
        assert_eq!(
            [ephemerons.next(), ephemerons.next(), ephemerons.next()],
            [Some(entry(2)), Some(entry(3)), None]
        );
        ephemerons.reached(Place(500), Number(50));
        assert_eq!(ephemerons.next(), None);
    }
}
