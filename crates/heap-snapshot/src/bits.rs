//! One bit for each node.

use crate::NodeIndex;

#[derive(Debug)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
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
