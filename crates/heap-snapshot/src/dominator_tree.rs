//! Dominators by numbers in preorder, whatever the graph is kept in.
//!
//! A node's immediate dominator is the last node that every path to it goes through. They are found by semidominators and nearest
//! common ancestors: Semi-NCA (Georgiadis, Tarjan and Werneck, "Finding Dominators in Practice", 2006), the variant of Lengauer
//! and Tarjan's algorithm without buckets. Its last step climbs the tree that is being built; where that turns out to be far, by
//! skew-binary jump pointers (Myers, "An applicative random-access stack", 1983), so a list of a million links that share a hidden
//! class takes no squared time. Semidominators by compressed paths take `O(m log n)` in any graph.
//!
//! Iterating to a fixed point (Cooper, Harvey and Kennedy, 2001) was used before: it needs no predecessors, but as many passes as a
//! doubly linked list has links that is entered at both ends, as Node's lists of timers are: 3 000 timers took 40 s.
//!
//! Most nodes of a heap are led to by one other only, which dominates them: semidominators are looked for, and kept, only of the others,
//! the joined ones. Edges from lower to higher numbers come from ancestors, so of those only the lowest source counts. The others are kept
//! by target, 4 bytes each, but fewer than there are: a source that only its parent leads to says no more than the parent does, so of a
//! thousand elements of an array that share a hidden class one source is left.
//!
//! Memory beside the sources: 8 bytes per node while edges are counted; 4 and 12 per joined node while semidominators are looked for; then 4, 9 with
//! jump pointers, and 4 per joined node. The search's tree is kept as two bits for each node.

use crate::NodeIndex;
use crate::bits::{Bits, Ranked};
use crate::search_tree::SearchTree;

/// Parents, one after the other, that are tried in the place of a source.
const STEPS_UP: u32 = 4;
/// Steps to the root, for each node of the graph, that are taken one by one before jump pointers are made.
const PATIENCE: u64 = 4;

/// A graph that is given edge by edge, twice: [`edge`](Self::edge) for each, [`seal`](Self::seal), then [`backward`](Self::backward)
/// for those of which the first said so, and [`dominators`](Self::dominators).
///
/// Numbers are those of a search depth first, in the order in which nodes were first seen; 0 is the root.
#[derive(Debug)]
pub struct DominatorTree {
    parents: SearchTree,
    /// By number, the lowest that an edge comes from; the parent, where that is the only one.
    lowest: Vec<u32>,
    /// By number, how many backward edges lead there; none once it is sealed.
    counts: Vec<u32>,
    /// What others than its parent lead to, too, once it is sealed.
    joined: Ranked,
    /// The same, before it is sealed.
    open: Bits,
    /// By rank among the joined, where their sources begin; before there are any, where they end.
    begins: Vec<u32>,
    /// Those of each, up to a 0. Room is asked for all; what is not written to takes no memory.
    sources: Vec<u32>,
}

impl DominatorTree {
    /// `parents` has for each number the one it was first seen from, 0 for the root's own.
    pub fn new(parents: Vec<u32>) -> Self {
        Self {
            counts: vec![0; parents.len()],
            open: Bits::new(parents.len()),
            joined: Ranked::new(Bits::new(0)),
            parents: SearchTree::new(&parents),
            lowest: parents,
            begins: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// An edge; whether it has to be given again.
    #[inline]
    pub fn edge(&mut self, from: u32, to: u32) -> bool {
        let Some(lowest) = self.lowest.get_mut(to as usize) else { return false };
        if from < to {
            if from < *lowest {
                *lowest = from;
                self.open.set(NodeIndex(to));
            }
            return false;
        }
        let is_needed = from != to && to != 0;
        if is_needed && let Some(count) = self.counts.get_mut(to as usize) {
            *count = count.saturating_add(1);
            self.open.set(NodeIndex(to));
        }
        is_needed
    }

    /// Makes room for the backward edges.
    pub fn seal(&mut self) {
        self.joined = Ranked::new(std::mem::replace(&mut self.open, Bits::new(0)));
        let mut end = 0_u32;
        self.begins = Vec::with_capacity(self.joined.count());
        for (number, count) in (0_u32..).zip(&self.counts) {
            if self.joined.rank(number).is_some() {
                end = end.saturating_add(*count);
                self.begins.push(end);
                end = end.saturating_add(1);
            }
        }
        self.counts = Vec::new();
        self.sources = vec![0; end as usize];
    }

    /// An edge of which [`edge`](Self::edge) said that it has to be given again.
    #[inline]
    pub fn backward(&mut self, from: u32, to: u32) {
        let Some(source) = self.as_good(from, to) else { return };
        if let Some(begin) = self.joined.rank(to).and_then(|rank| self.begins.get_mut(rank))
            && self.sources.get(*begin as usize).is_some_and(|last| *last != source)
            && let Some(place) = begin.checked_sub(1)
            && let Some(slot) = self.sources.get_mut(place as usize)
        {
            *slot = source;
            *begin = place;
        }
    }

    /// What says the same of `to` as `from` does. Where only its parent leads to a node, its semidominator is the parent, and that
    /// of the parent is lower still. `None` for what hangs on `to` itself.
    #[inline]
    fn as_good(&self, from: u32, to: u32) -> Option<u32> {
        let mut source = from;
        for _ in 0..STEPS_UP {
            if self.joined.rank(source).is_some() {
                break;
            }
            match at(&self.lowest, source as usize) {
                parent if parent > to => source = parent,
                parent if parent == to => return None,
                _ => break,
            }
        }
        Some(source)
    }

    /// Memory held, bytes; [`dominators`](Self::dominators) takes 9 for each node besides at most.
    pub fn bytes(&self) -> u64 {
        let lists = self.lowest.len() + self.counts.len() + self.begins.len() + self.sources.len();
        (lists * 4 + self.open.bytes() + self.joined.bytes() + self.parents.bytes()) as u64
    }

    /// The immediate dominator of each node, by its number; the root's is the root.
    pub fn dominators(self) -> Vec<u32> {
        let Self { parents, lowest, joined, begins, sources, .. } = self;
        let semi = Forest::new(&parents, lowest, &joined).semidominators(begins, &sources);
        drop(sources);
        let immediate = parents.list();
        let patience = immediate.len() as u64 * PATIENCE;
        let mut tree = Tree { immediate, far: None, patience };
        for number in (0_u32..).take(tree.immediate.len()).skip(1) {
            let semi = joined.rank(number).map_or(u32::MAX, |rank| at(&semi, rank));
            tree.hang(number, semi);
        }
        tree.immediate
    }
}

/// The nodes that have gone, from the last one down, each on its parent once that has gone, too. Ways up get shorter as they are used.
struct Forest<'t> {
    joined: &'t Ranked,
    /// By number. Of what is not joined: its parent, or a node on the way up with nothing joined between. Of what is: its lowest source.
    up: Vec<u32>,
    /// By rank: the parent, or a node on the way up.
    ancestors: Vec<u32>,
    /// Ranks on the way.
    path: Vec<u32>,
}

impl<'t> Forest<'t> {
    fn new(parents: &SearchTree, lowest: Vec<u32>, joined: &'t Ranked) -> Self {
        let mut ancestors = Vec::with_capacity(joined.count());
        parents.each(|number, parent| {
            if joined.rank(number).is_some() {
                ancestors.push(parent);
            }
        });
        Self { joined, up: lowest, ancestors, path: Vec::new() }
    }

    /// Semidominators by rank. Of each node the beginning of its sources is read once: from then on its place in `begins` has the least
    /// semidominator on the way from it to its ancestor, the ancestor left out.
    fn semidominators(mut self, mut begins: Vec<u32>, sources: &[u32]) -> Vec<u32> {
        let mut semi = vec![0; self.joined.count()];
        let joined = self.joined;
        for (rank, number) in (0..semi.len()).rev().zip(joined.back()) {
            let mut least = at(&self.up, number as usize);
            for source in sources.get(at(&begins, rank) as usize..).unwrap_or(&[]) {
                if *source == 0 || least == 0 {
                    break;
                }
                least = least.min(self.least_above(&mut begins, *source, number));
            }
            set(&mut semi, rank, least);
            set(&mut begins, rank, least);
        }
        semi
    }

    /// The least semidominator on the way from `from` up to the last node above `number`.
    #[inline]
    fn least_above(&mut self, best: &mut [u32], from: u32, number: u32) -> u32 {
        let mut top = from;
        let of_top = loop {
            top = self.joined_or_last(top, number);
            let Some(rank) = self.joined.rank(top) else {
                // Its parent leads to it, and is not above `number`.
                break at(&self.up, top as usize);
            };
            match at(&self.ancestors, rank) {
                above if above > number => {
                    self.path.push(u32::try_from(rank).unwrap_or(0));
                    top = above;
                }
                _ => break at(best, rank),
            }
        };
        let mut below_top = u32::MAX;
        while let Some(rank) = self.path.pop() {
            below_top = below_top.min(at(best, rank as usize));
            set(best, rank as usize, below_top);
            set(&mut self.ancestors, rank as usize, top);
        }
        of_top.min(below_top)
    }

    /// The first joined node on the way up from `from`, itself included, or the last node above `number`.
    #[inline]
    fn joined_or_last(&mut self, from: u32, number: u32) -> u32 {
        let mut last = from;
        while self.joined.rank(last).is_none() {
            match at(&self.up, last as usize) {
                above if above > number => last = above,
                _ => break,
            }
        }
        let mut node = from;
        while node != last {
            let above = at(&self.up, node as usize);
            set(&mut self.up, node as usize, last);
            node = above;
        }
        last
    }
}

#[inline]
fn at(numbers: &[u32], index: usize) -> u32 {
    numbers.get(index).copied().unwrap_or(0)
}

#[inline]
fn set(numbers: &mut [u32], index: usize, value: u32) {
    if let Some(place) = numbers.get_mut(index) {
        *place = value;
    }
}

/// The dominator tree while it is built, a node after all that have lower numbers.
struct Tree {
    /// Of nodes that do not hang yet, the parent.
    immediate: Vec<u32>,
    far: Option<Far>,
    /// Steps that may still be taken one by one.
    patience: u64,
}

impl Tree {
    /// A node's dominator is the first node on the way up from its parent that is not below its semidominator.
    fn hang(&mut self, number: u32, semi: u32) {
        let mut above = at(&self.immediate, number as usize);
        while above > semi {
            match &self.far {
                Some(far) if far.jump(above) > semi => above = far.jump(above),
                Some(_) => above = at(&self.immediate, above as usize),
                None => {
                    above = at(&self.immediate, above as usize);
                    self.patience = self.patience.saturating_sub(1);
                }
            }
        }
        set(&mut self.immediate, number as usize, above);
        if let Some(far) = &mut self.far {
            far.hang(number, above);
        } else if self.patience == 0 {
            let mut far = Far::new(self.immediate.len());
            for (known, above) in (0..=number).zip(&self.immediate).skip(1) {
                far.hang(known, *above);
            }
            self.far = Some(far);
        }
    }
}

/// Shortcuts towards the root: of rank `r` over `2^(r + 1) - 1` nodes.
struct Far {
    jumps: Vec<u32>,
    ranks: Vec<u8>,
}

impl Far {
    fn new(count: usize) -> Self {
        Self { jumps: vec![0; count], ranks: vec![0; count] }
    }

    #[inline]
    fn jump(&self, number: u32) -> u32 {
        at(&self.jumps, number as usize)
    }

    fn rank(&self, number: u32) -> u8 {
        self.ranks.get(number as usize).copied().unwrap_or(0)
    }

    /// As far as two jumps of the dominator when they are equally long, else to the dominator.
    #[inline]
    fn hang(&mut self, number: u32, dominator: u32) {
        let next = self.jump(dominator);
        let rank = self.rank(dominator);
        let is_equal = dominator != 0 && next != 0 && rank == self.rank(next);
        let jump = if is_equal { self.jump(next) } else { dominator };
        set(&mut self.jumps, number as usize, jump);
        if let Some(own) = self.ranks.get_mut(number as usize) {
            *own = if is_equal { rank + 1 } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_pointers_lead_where_single_steps_lead() {
        let mut random = 88_172_645_463_325_252_u64;
        let mut below = |limit: u32| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            u32::try_from(random % u64::from(limit.max(1))).unwrap()
        };
        for _ in 0..20 {
            let count = 2_000;
            // A parent is mostly the node before, so the tree is deep.
            let parents: Vec<u32> =
                (0..count).map(|number: u32| number.saturating_sub(1 + below(3))).collect();
            let semi: Vec<u32> =
                parents.iter().map(|parent| if below(4) == 0 { below(*parent) } else { *parent }).collect();
            let tree = |patience| {
                let mut tree = Tree { immediate: parents.clone(), far: None, patience };
                for (number, semi) in (0..).zip(&semi).skip(1) {
                    tree.hang(number, *semi);
                }
                assert_eq!(tree.far.is_some(), patience == 0);
                tree.immediate
            };
            assert_eq!(tree(0), tree(u64::MAX));
        }
    }

    #[test]
    fn edges_that_change_nothing_need_not_be_given_again() {
        let mut tree = DominatorTree::new(vec![0, 0, 1, 2]);
        assert_eq!(
            [(0, 3), (3, 1), (2, 2), (3, 0), (1, 2), (9, 9)].map(|(from, to)| tree.edge(from, to)),
            [false, true, false, false, false, false]
        );
        tree.seal();
        tree.backward(3, 1);
        // Four nodes, two joined ones, a source and two zeros, a word with its rank, a word of the search's tree.
        assert_eq!(tree.bytes(), (4 + 2 + 3) * 4 + 12 + 8);
        assert_eq!(tree.dominators(), [0, 0, 1, 0]);
        assert_eq!(DominatorTree::new(Vec::new()).dominators(), [0_u32; 0]);
    }
}
