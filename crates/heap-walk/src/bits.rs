//! One bit for each number.

#[derive(Debug, Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// So many clear ones.
    pub(crate) fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    /// Those that the iterator gives.
    pub(crate) fn of(bits: impl Iterator<Item = bool>) -> Self {
        let mut words = Vec::new();
        for (number, is_set) in bits.enumerate() {
            if number % 64 == 0 {
                words.push(0_u64);
            }
            if let Some(word) = words.last_mut() {
                *word |= u64::from(is_set) << (number % 64);
            }
        }
        Self(words)
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Sets a bit; returns whether it was clear.
    #[inline]
    pub(crate) fn set(&mut self, number: u32) -> bool {
        let Some(word) = self.0.get_mut(number as usize / 64) else { return false };
        let bit = 1 << (number % 64);
        let was_clear = *word & bit == 0;
        *word |= bit;
        was_clear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_set_once() {
        let mut bits = Bits::of((0..130).map(|number| number % 3 == 0));
        assert_eq!((bits.get(129), bits.get(128), bits.get(130)), (true, false, false));
        assert_eq!((bits.set(128), bits.set(128), bits.set(4000)), (true, false, false));
        assert_eq!((Bits::new(3).get(2), Bits::new(3).set(2)), (false, true));
    }
}
