//! Where objects begin: one bit per word of every page, and a number for each object.
//!
//! A [`Place`] says in four bytes where an object lies: the number of its page and the word in it. That is what the walk
//! keeps per object, half of an address. **Invariant:** after [`Objects::seal`] nothing is added, so numbers stay.

/// V8's pages are aligned to this, bytes; large objects begin such a page too.
const PAGE_BITS: u32 = 18;
/// A page's words, 8 bytes each.
const WORD_BITS: u32 = PAGE_BITS - 3;
const BLOCKS: usize = 1 << (WORD_BITS - 6);
/// More pages than this would need places of more than 32 bits; the top ones are kept free for marks.
const MOST_PAGES: usize = (1 << (32 - WORD_BITS)) - 2;

/// Where an object lies, in four bytes. Belongs to the [`Objects`] that gave it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u32);

/// The number of an object, from 0 to their count. Belongs to the [`Objects`] that gave it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Number(pub(crate) u32);

struct Page {
    key: u64,
    base: u32,
    bits: [u64; BLOCKS],
    ranks: [u16; BLOCKS],
}

/// The starts of all objects of a heap.
pub(crate) struct Objects {
    pages: Vec<Box<Page>>,
    /// Open addressing: a page's key, and its number plus 1.
    table: Vec<(u64, u32)>,
    /// The page that was asked for last, and its key.
    last: (u64, usize),
    count: u32,
}

impl Objects {
    pub(crate) fn new() -> Self {
        Self { pages: Vec::new(), table: vec![(0, 0); 1024], last: (u64::MAX, 0), count: 0 }
    }

    /// Adds the object at `address`; `false` when there are too many pages.
    pub(crate) fn add(&mut self, address: u64) -> bool {
        let key = address >> PAGE_BITS;
        let page = match self.page(key) {
            Some(page) => page,
            None if self.pages.len() >= MOST_PAGES => return false,
            None => self.new_page(key),
        };
        self.last = (key, page);
        let word = word_of(address);
        if let Some(block) = self.pages.get_mut(page).and_then(|page| page.bits.get_mut(word >> 6)) {
            *block |= 1 << (word & 63);
        }
        true
    }

    /// Numbers the objects.
    pub(crate) fn seal(&mut self) {
        let mut count = 0_u32;
        for page in &mut self.pages {
            page.base = count;
            let mut rank = 0_u16;
            for (bits, known) in page.bits.iter().zip(&mut page.ranks) {
                *known = rank;
                rank += ones(*bits);
            }
            count += u32::from(rank);
        }
        self.count = count;
    }

    /// Objects in all.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Pages in all.
    pub(crate) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Memory held, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.pages.len() * size_of::<Page>() + self.table.len() * size_of::<(u64, u32)>()) as u64
    }

    /// The object that begins exactly at `address`.
    #[inline]
    pub(crate) fn find(&mut self, address: u64) -> Option<Place> {
        let key = address >> PAGE_BITS;
        let page = self.page(key)?;
        self.last = (key, page);
        let word = word_of(address);
        let bits = *self.pages.get(page)?.bits.get(word >> 6)?;
        if bits >> (word & 63) & 1 == 0 {
            return None;
        }
        Some(Place(((page as u32) << WORD_BITS) | word as u32))
    }

    /// The object's number.
    #[inline]
    pub(crate) fn number(&self, place: Place) -> Option<Number> {
        let page = self.pages.get((place.0 >> WORD_BITS) as usize)?;
        let word = (place.0 & ((1 << WORD_BITS) - 1)) as usize;
        let (bits, rank) = (*page.bits.get(word >> 6)?, *page.ranks.get(word >> 6)?);
        let before = bits & ((1 << (word & 63)) - 1);
        Some(Number(page.base + u32::from(rank) + before.count_ones()))
    }

    /// The first object of a page, by the page's number.
    pub(crate) fn first_in(&self, page: usize) -> Option<Place> {
        self.next_in(page, 0)
    }

    /// The next object of the same page.
    pub(crate) fn after(&self, place: Place) -> Option<Place> {
        self.next_in((place.0 >> WORD_BITS) as usize, (place.0 & ((1 << WORD_BITS) - 1)) as usize + 1)
    }

    fn next_in(&self, page: usize, from: usize) -> Option<Place> {
        let bits = &self.pages.get(page)?.bits;
        let mut block = from >> 6;
        let mut rest = *bits.get(block)? & (u64::MAX << (from & 63));
        while rest == 0 {
            block += 1;
            rest = *bits.get(block)?;
        }
        let word = (block << 6) + rest.trailing_zeros() as usize;
        Some(Place(((page as u32) << WORD_BITS) | word as u32))
    }

    /// The object's address; 0 for a place that these objects did not give.
    #[inline]
    pub(crate) fn address(&self, place: Place) -> u64 {
        let word = u64::from(place.0 & ((1 << WORD_BITS) - 1));
        self.pages.get((place.0 >> WORD_BITS) as usize).map_or(0, |page| (page.key << PAGE_BITS) + word * 8)
    }

    #[inline]
    fn page(&self, key: u64) -> Option<usize> {
        if self.last.0 == key {
            return Some(self.last.1);
        }
        let mask = self.table.len() - 1;
        let mut slot = hash(key) & mask;
        loop {
            let (known, page) = *self.table.get(slot)?;
            let page = page.checked_sub(1)?;
            if known == key {
                return Some(page as usize);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn new_page(&mut self, key: u64) -> usize {
        self.pages.push(Box::new(Page { key, base: 0, bits: [0; BLOCKS], ranks: [0; BLOCKS] }));
        if self.pages.len() * 2 > self.table.len() {
            self.table = vec![(0, 0); self.table.len() * 2];
            for page in 0..self.pages.len() {
                self.enter(page);
            }
        } else {
            self.enter(self.pages.len() - 1);
        }
        self.pages.len() - 1
    }

    fn enter(&mut self, page: usize) {
        let Some(key) = self.pages.get(page).map(|page| page.key) else { return };
        let mask = self.table.len() - 1;
        let mut slot = hash(key) & mask;
        while self.table.get(slot).is_some_and(|(_, page)| *page != 0) {
            slot = (slot + 1) & mask;
        }
        if let Some(entry) = self.table.get_mut(slot) {
            *entry = (key, page as u32 + 1);
        }
    }
}

fn word_of(address: u64) -> usize {
    ((address >> 3) & ((1 << WORD_BITS) - 1)) as usize
}

fn ones(bits: u64) -> u16 {
    bits.count_ones() as u16
}

fn hash(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_exactly_where_they_begin_and_numbered_in_order() {
        let mut objects = Objects::new();
        let addresses = [0x4000_0100, 0x4000_0108, 0x4003_fff8, 0x7f00_0004_0000, 0x7f00_0004_0200];
        for address in addresses {
            assert!(objects.add(address));
        }
        objects.seal();

        assert_eq!((objects.count(), objects.pages()), (5, 2));
        for (number, address) in addresses.into_iter().enumerate() {
            let place = objects.find(address).unwrap();
            assert_eq!(objects.address(place), address);
            assert_eq!(objects.number(place), Some(Number(u32::try_from(number).unwrap())));
        }
        for address in [0x4000_0110, 0x4004_0000, 0, u64::MAX - 7] {
            assert_eq!(objects.find(address), None);
        }
    }

    #[test]
    fn the_objects_of_a_page_come_in_order() {
        let mut objects = Objects::new();
        let addresses = [0x4000_0000, 0x4000_0100, 0x4000_0108, 0x4000_2000, 0x4003_fff8];
        assert!(addresses.iter().all(|address| objects.add(*address)) && objects.add(0x4004_0000));
        objects.seal();

        let mut next = objects.first_in(0);
        for address in addresses {
            assert_eq!(next.map(|place| objects.address(place)), Some(address));
            next = objects.after(next.unwrap());
        }
        assert_eq!((next, objects.first_in(2)), (None, None));
    }

    #[test]
    fn many_pages_are_told_apart() {
        let mut objects = Objects::new();
        let addresses: Vec<u64> = (0..5_000_u64).map(|page| (page * 7 + 3) << 18 | 0x40).collect();
        assert!(addresses.iter().all(|address| objects.add(*address)));
        objects.seal();

        assert_eq!(objects.pages(), 5_000);
        assert!(addresses.iter().all(|address| objects.find(*address).is_some()));
        assert_eq!(objects.find(1 << 18 | 0x40), None);
    }
}
