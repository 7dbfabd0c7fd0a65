//! One bit for each node.

use crate::NodeIndex;

#[derive(Debug)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    /// Memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len() * 8
    }

    #[inline]
    pub(crate) fn get(&self, node: NodeIndex) -> bool {
        self.0.get((node.0 / 64) as usize).is_some_and(|word| word >> (node.0 % 64) & 1 == 1)
    }

    /// Sets the bit; returns whether it was clear.
    #[inline]
    pub(crate) fn set(&mut self, node: NodeIndex) -> bool {
        let Some(word) = self.0.get_mut((node.0 / 64) as usize) else { return false };
        let bit = 1 << (node.0 % 64);
        let clear = *word & bit == 0;
        *word |= bit;
        clear
    }
}

/// A set of numbers from 0, each member with its rank: a bit and a half for each number, in memory.
#[derive(Debug)]
pub struct Ranked {
    bits: Bits,
    /// How many are set before each word.
    before: Vec<u32>,
    count: usize,
}

impl Ranked {
    pub(crate) fn new(bits: Bits) -> Self {
        let mut count = 0;
        let before = bits
            .0
            .iter()
            .map(|word| {
                let before = count;
                count += word.count_ones();
                before
            })
            .collect();
        Self { bits, before, count: count as usize }
    }

    /// The set of those positions for which the iterator says so.
    pub fn of(members: impl Iterator<Item = bool>) -> Self {
        let mut words = Vec::new();
        for (number, is_member) in members.enumerate() {
            if number % 64 == 0 {
                words.push(0);
            }
            if is_member && let Some(word) = words.last_mut() {
                *word |= 1 << (number % 64);
            }
        }
        Self::new(Bits(words))
    }

    /// How many members there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many members come before this one; `None` for what is none. O(1).
    #[inline]
    pub fn rank(&self, node: u32) -> Option<usize> {
        let word = *self.bits.0.get((node / 64) as usize)?;
        let bit = 1_u64 << (node % 64);
        if word & bit == 0 {
            return None;
        }
        let before = *self.before.get((node / 64) as usize)?;
        Some((before + (word & (bit - 1)).count_ones()) as usize)
    }

    /// Those that are set, from the last to the first.
    pub(crate) fn back(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self.bits.0.iter().enumerate().rev();
        words.flat_map(|(at, word)| {
            let (first, mut word) = (u32::try_from(at * 64).unwrap_or(0), *word);
            std::iter::from_fn(move || {
                let bit = 63_u32.checked_sub(word.leading_zeros())?;
                word &= !(1 << bit);
                Some(first + bit)
            })
        })
    }

    /// Memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.bits.bytes() + self.before.len() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_those_before() {
        let mut bits = Bits::new(300);
        let set: Vec<u32> = (0..300).filter(|node| node % 7 == 3 || *node == 63 || *node == 64).collect();
        for node in &set {
            bits.set(NodeIndex(*node));
        }

        let ranked = Ranked::new(bits);

        assert_eq!(ranked.count(), set.len());
        for (rank, node) in set.iter().enumerate() {
            assert_eq!(ranked.rank(*node), Some(rank));
        }
        assert_eq!((ranked.rank(4), ranked.rank(300), ranked.rank(u32::MAX)), (None, None, None));
        assert_eq!(ranked.back().collect::<Vec<u32>>(), set.into_iter().rev().collect::<Vec<u32>>());
        assert_eq!(ranked.bytes(), 5 * 12);
    }

    #[test]
    fn members_are_numbered_in_order() {
        let ranked = Ranked::of((0..1000_u32).map(|number| number % 7 == 3));

        assert_eq!(ranked.count(), 143);
        for (rank, number) in (0..1000_u32).filter(|number| number % 7 == 3).enumerate() {
            assert_eq!(ranked.rank(number), Some(rank));
        }
        assert_eq!((ranked.rank(4), ranked.rank(1000)), (None, None));
    }
}
