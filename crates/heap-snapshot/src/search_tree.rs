//! The tree of a search depth first in two bits for each node: who was first seen from whom, by numbers in preorder.
//!
//! Between a node and the next one the search goes up so many steps, told by as many zeros, and then one down, told by a one: balanced
//! parentheses (Jacobson, "Space-efficient Static Trees and Graphs", 1989). They are only read from the first to the last, so no index is needed.

/// Parents of nodes by number, 0 the root.
#[derive(Debug)]
pub(crate) enum SearchTree {
    /// A one for each node but the root, with the steps up before it.
    Bits { words: Vec<u64>, nodes: usize },
    /// Of a list that no search depth first makes.
    List(Vec<u32>),
}

impl SearchTree {
    /// `parents` has for each number the one it was first seen from, 0 for the root's own.
    pub(crate) fn new(parents: &[u32]) -> Self {
        let mut bits = Bits { words: Vec::with_capacity(parents.len() / 32 + 1), length: 0 };
        // From the root to the last node.
        let mut way = vec![0_u32];
        for (number, parent) in (0_u32..).zip(parents).skip(1) {
            while way.last().is_some_and(|last| last != parent) {
                way.pop();
                bits.push(false);
            }
            if way.is_empty() {
                return Self::List(parents.to_vec());
            }
            way.push(number);
            bits.push(true);
        }
        Self::Bits { words: bits.words, nodes: parents.len() }
    }

    /// Tells each node's number and parent, in order, the root's left out.
    pub(crate) fn each(&self, mut then: impl FnMut(u32, u32)) {
        let (words, nodes) = match self {
            Self::Bits { words, nodes } => (words, *nodes),
            Self::List(parents) => {
                return (0_u32..).zip(parents).skip(1).for_each(|(number, parent)| then(number, *parent));
            }
        };
        let mut way = vec![0_u32];
        let mut number = 1_u32;
        for word in words {
            let (mut word, mut left) = (*word, u64::BITS);
            while left > 0 {
                let up = word.trailing_zeros().min(left);
                way.truncate(way.len().saturating_sub(up as usize));
                if up == left {
                    break;
                }
                // Behind the last one there are zeros only.
                let Some(parent) = way.last().filter(|_| (number as usize) < nodes) else { return };
                then(number, *parent);
                way.push(number);
                number += 1;
                left -= up + 1;
                word = word.checked_shr(up + 1).unwrap_or(0);
            }
        }
    }

    /// The parents, the root's own 0.
    pub(crate) fn list(&self) -> Vec<u32> {
        let nodes = match self {
            Self::Bits { nodes, .. } => *nodes,
            Self::List(parents) => return parents.clone(),
        };
        let mut parents = Vec::with_capacity(nodes);
        parents.extend((nodes > 0).then_some(0));
        self.each(|_, parent| parents.push(parent));
        parents
    }

    /// Memory held, bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bits { words, .. } => words.len() * 8,
            Self::List(parents) => parents.len() * 4,
        }
    }
}

struct Bits {
    words: Vec<u64>,
    length: u32,
}

impl Bits {
    #[inline]
    fn push(&mut self, bit: bool) {
        if self.length == 0 {
            self.words.push(0);
        }
        if let Some(last) = self.words.last_mut() {
            *last |= u64::from(bit) << self.length;
        }
        self.length = (self.length + 1) % u64::BITS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_back() {
        let deep: Vec<u32> = std::iter::once(0).chain(0..1_000).collect();
        let wide = vec![0; 1_000];
        // A chain of 200, then everything hangs on its beginning: 200 steps up at once, over words.
        let back: Vec<u32> = std::iter::once(0).chain(0..200).chain(std::iter::repeat_n(1, 100)).collect();
        for parents in [vec![], vec![0], vec![0, 0], vec![0, 0, 1, 2, 1, 0, 5], deep, wide, back] {
            let tree = SearchTree::new(&parents);

            assert_eq!(tree.list(), parents);
            assert!(matches!(tree, SearchTree::Bits { .. }));
            assert!(tree.bytes() <= parents.len() / 4 + 8);
        }
    }

    #[test]
    fn what_no_search_makes_is_kept_as_it_is() {
        // 3 hangs on 1, which the way had left for 2.
        let parents = vec![0, 0, 0, 1];
        let tree = SearchTree::new(&parents);

        assert!(matches!(tree, SearchTree::List(_)));
        assert_eq!((tree.list(), tree.bytes()), (parents, 16));
    }
}
