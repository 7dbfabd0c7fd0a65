//! Which objects are alive, and the number of each among them: a bit and a half for each object.

const BLOCK: usize = 64;

/// A set of numbers from 0, each with its rank.
#[derive(Debug, Default)]
pub(crate) struct Live {
    bits: Vec<u64>,
    /// How many come before each block.
    ranks: Vec<u32>,
    count: u32,
}

impl Live {
    /// The set of those positions for which the iterator says so.
    pub(crate) fn of(members: impl Iterator<Item = bool>) -> Self {
        let mut live = Self::default();
        for (number, is_member) in members.enumerate() {
            if number % BLOCK == 0 {
                live.bits.push(0);
                live.ranks.push(live.count);
            }
            if is_member && let Some(block) = live.bits.last_mut() {
                *block |= 1 << (number % BLOCK);
                live.count += 1;
            }
        }
        live
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        u64::from(self.count)
    }

    /// The rank of a member; `None` for what is none.
    #[inline]
    pub(crate) fn index(&self, number: u32) -> Option<u64> {
        let block = *self.bits.get(number as usize / BLOCK)?;
        let bit = number as usize % BLOCK;
        if block >> bit & 1 == 0 {
            return None;
        }
        let before = (block & ((1 << bit) - 1)).count_ones();
        Some(u64::from(*self.ranks.get(number as usize / BLOCK)? + before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_numbered_in_order() {
        let live = Live::of((0..1000_u32).map(|number| number % 7 == 3));

        assert_eq!(live.count(), 143);
        for (rank, number) in (0..1000_u32).filter(|number| number % 7 == 3).enumerate() {
            assert_eq!(live.index(number), Some(rank as u64));
        }
        assert_eq!((live.index(4), live.index(1000)), (None, None));
    }
}
