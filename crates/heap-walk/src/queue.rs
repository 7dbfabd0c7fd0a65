//! What has been reached and not yet looked at, in the order it was reached. Memory is given back as it is used up.

use crate::objects::Place;
use crate::signatures::NodeId;
use std::collections::VecDeque;

/// Entries of a block: 512 kB.
const BLOCK: usize = 1 << 16;

#[derive(Default)]
pub(crate) struct Queue {
    blocks: VecDeque<Vec<(Place, NodeId)>>,
    /// Entries of the first block that are used up.
    used: usize,
    most: usize,
    /// Room for the words of one object.
    pub(crate) words: Vec<(u32, u64)>,
}

impl Queue {
    pub(crate) fn push(&mut self, place: Place, node: NodeId) {
        if self.blocks.back().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push_back(Vec::with_capacity(BLOCK));
            self.most = self.most.max(self.blocks.len());
        }
        if let Some(block) = self.blocks.back_mut() {
            block.push((place, node));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.front().is_none_or(|block| block.len() == self.used)
    }

    /// Memory of the most blocks there were at one time, bytes.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.most * BLOCK * size_of::<(Place, NodeId)>()
    }

    pub(crate) fn pop(&mut self) -> Option<(Place, NodeId)> {
        let block = self.blocks.front()?;
        let next = block.get(self.used).copied();
        if next.is_some() {
            self.used += 1;
        }
        if self.used == block.len() {
            self.used = 0;
            if block.len() == BLOCK || self.blocks.len() > 1 {
                self.blocks.pop_front();
            } else if let Some(block) = self.blocks.front_mut() {
                block.clear();
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_first_comes_out_first_however_much_it_is() {
        let mut queue = Queue::default();
        let (mut pushed, mut popped) = (0, 0);
        for round in 0..50 {
            for _ in 0..(round % 7) * 10_000 {
                queue.push(Place(pushed), NodeId(pushed + 1));
                pushed += 1;
            }
            for _ in 0..(round % 5) * 10_000 {
                if let Some((place, node)) = queue.pop() {
                    assert_eq!((place, node), (Place(popped), NodeId(popped + 1)));
                    popped += 1;
                }
            }
        }
        while queue.pop().is_some() {
            popped += 1;
        }
        assert_eq!(popped, pushed);
        assert!(queue.blocks.len() <= 1);
    }
}
