//! Maps with addresses for keys: they come from V8, not from an enemy, so a multiplication is hash enough.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

pub(crate) type AddressMap<V> = HashMap<u64, V, BuildHasherDefault<AddressHasher>>;

pub(crate) type AddressSet = HashSet<u64, BuildHasherDefault<AddressHasher>>;

#[derive(Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_follow_one_another_are_told_apart() {
        let map: AddressMap<u64> = (0..10_000).map(|index| (0x7f00_0000_0000 + index * 40, index)).collect();
        assert_eq!(map.len(), 10_000);
        assert!((0..10_000).all(|index| map.get(&(0x7f00_0000_0000 + index * 40)) == Some(&index)));
    }
}
