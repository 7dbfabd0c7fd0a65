//! The dominator tree and retained sizes.
//!
//! A node's immediate dominator is the last node that every path to it goes through. Candidates only ever move towards the
//! root until they agree with every edge (Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm", 2001), here
//! forward along edges, so that no table of predecessors is needed; two nodes meet by skew-binary jump pointers (Myers,
//! "An applicative random-access stack", 1983) where they are far apart, so that a list of a million links, each of which
//! points to the same hidden class, does not take a million squared steps.
//!
//! The jump pointers are made only once nodes turn out to lie far apart.
//!
//! Memory beside the graph: 12 bytes per node while it runs (17 with jump pointers), 8 after.

use crate::graph::edge_kind;
use crate::reach::Reach;
use crate::{Graph, NodeIndex};
use std::collections::HashMap;

/// Steps to the root that are taken one by one in any case.
const NEAR: u32 = 24;
/// Further steps, for each node of the graph, that all meetings together may take before jump pointers are made.
const PATIENCE: u64 = 4;
const NONE: u32 = u32::MAX;

/// Who dominates whom, and how much goes when a node goes.
#[derive(Debug)]
pub struct Dominators {
    immediate: Vec<u32>,
    retained: Vec<u32>,
    /// Retained sizes that need more than four bytes.
    large: HashMap<u32, u64>,
    rounds: u32,
}

impl Dominators {
    /// Finds them. Some 3 passes over the edges.
    pub fn new(graph: &Graph) -> Self {
        let reach = Reach::new(graph);
        let mut numbers = vec![NONE; graph.node_count()];
        for (number, node) in (0..).zip(&reach.order) {
            if let Some(place) = numbers.get_mut(*node as usize) {
                *place = number;
            }
        }
        let mut tree = Tree::new(reach.order.len());
        let mut rounds = 1;
        while tree.round(graph, &reach, &numbers) {
            rounds += 1;
        }
        let by_number = tree.immediate;
        let order = reach.order;
        let node_at = |number: u32| order.get(number as usize).copied().unwrap_or(0);
        for number in &mut numbers {
            let dominator = by_number.get(*number as usize).copied().unwrap_or(0);
            *number = node_at(dominator);
        }
        drop(by_number);
        let mut sums =
            Self { immediate: numbers, retained: vec![0; order.len()], large: HashMap::new(), rounds };
        for node in graph.nodes() {
            sums.add(node.0, graph.self_size(node));
        }
        for node in order.iter().skip(1).rev() {
            let node = NodeIndex(*node);
            sums.add(sums.immediate(node).0, sums.retained(node));
        }
        sums
    }

    fn add(&mut self, node: u32, size: u64) {
        let Some(place) = self.retained.get_mut(node as usize) else { return };
        let sum = match *place {
            u32::MAX => self.large.get(&node).copied().unwrap_or(0),
            small => u64::from(small),
        };
        let sum = sum.saturating_add(size);
        *place = u32::try_from(sum).unwrap_or(u32::MAX);
        if *place == u32::MAX {
            self.large.insert(node, sum);
        }
    }

    /// The node's immediate dominator; the root's is the root.
    pub fn immediate(&self, node: NodeIndex) -> NodeIndex {
        NodeIndex(self.immediate.get(node.0 as usize).copied().unwrap_or(0))
    }

    /// Bytes that would go with the node.
    pub fn retained(&self, node: NodeIndex) -> u64 {
        match self.retained.get(node.0 as usize) {
            Some(&u32::MAX) => self.large.get(&node.0).copied().unwrap_or(0),
            Some(size) => u64::from(*size),
            None => 0,
        }
    }

    /// Passes over the edges that were needed.
    pub fn rounds(&self) -> u32 {
        self.rounds
    }
}

/// The tree so far, by numbers in reverse postorder: a dominator's number is below that of what it dominates.
struct Tree {
    immediate: Vec<u32>,
    far: Option<Far>,
    /// Steps beyond [`NEAR`] that may still be taken one by one.
    patience: u64,
}

impl Tree {
    fn new(count: usize) -> Self {
        Self { immediate: vec![NONE; count], far: None, patience: count as u64 * PATIENCE }
    }

    /// Makes the tree agree with every edge that leads forward, and says whether one that leads back still moved something.
    fn round(&mut self, graph: &Graph, reach: &Reach, numbers: &[u32]) -> bool {
        let mut moved = false;
        let mut later: Vec<(u32, u32)> = Vec::new();
        for (number, node) in (0_u32..).zip(&reach.order) {
            let node = NodeIndex(*node);
            let at = number as usize;
            if number == 0 {
                self.set(0, 0);
            } else {
                if self.at(number) == NONE || at >= reach.loose {
                    self.set(number, 0);
                }
                if let Some(far) = &mut self.far {
                    far.hang(number, self.immediate.get(at).copied().unwrap_or(0));
                }
            }
            let (from, to) = graph.edge_range(node);
            let range = from as usize..to as usize;
            let names = graph.edges.names.get(range.clone()).unwrap_or(&[]);
            let targets = graph.edges.targets.get(range).unwrap_or(&[]);
            for (name, target) in names.iter().zip(targets) {
                if !reach.essential(node, edge_kind(*name), NodeIndex(*target)) {
                    continue;
                }
                let to = numbers.get(*target as usize).copied().unwrap_or(0);
                let now = self.at(to);
                if to > number {
                    let next = if now == NONE { number } else { self.meet(now, number, number) };
                    if next != now {
                        self.set(to, next);
                    }
                } else if now != 0 && to != number {
                    let next = self.meet(now, number, number);
                    if next != now && self.far.is_some() {
                        // Jumps must agree with the tree until the round is over.
                        later.push((to, next));
                    } else if next != now {
                        self.set(to, next);
                        moved = true;
                    }
                }
            }
        }
        for (number, next) in &later {
            self.set(*number, self.at(*number).min(*next));
        }
        moved || !later.is_empty()
    }

    #[inline]
    fn at(&self, number: u32) -> u32 {
        self.immediate.get(number as usize).copied().unwrap_or(0)
    }

    #[inline]
    fn set(&mut self, number: u32, dominator: u32) {
        if let Some(place) = self.immediate.get_mut(number as usize) {
            *place = dominator;
        }
    }

    /// The last node above both; `current` is the last number whose dominator is known.
    #[inline]
    fn meet(&mut self, one: u32, other: u32, current: u32) -> u32 {
        let (mut one, mut other) = (one, other);
        for _ in 0..NEAR {
            if one == other {
                return one;
            }
            (one, other) = if one > other { (self.at(one), other) } else { (one, self.at(other)) };
        }
        self.meet_far(one, other, current)
    }

    fn meet_far(&mut self, one: u32, other: u32, current: u32) -> u32 {
        let (mut one, mut other) = (one, other);
        while one != other && self.far.is_none() {
            (one, other) = if one > other { (self.at(one), other) } else { (one, self.at(other)) };
            self.patience = self.patience.saturating_sub(1);
            if self.patience == 0 {
                let mut far = Far::new(self.immediate.len());
                for number in 1..=current {
                    far.hang(number, self.at(number));
                }
                self.far = Some(far);
            }
        }
        match &self.far {
            Some(far) => far.meet(&self.immediate, one, other),
            None => one,
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
    fn rank(&self, number: u32) -> u8 {
        self.ranks.get(number as usize).copied().unwrap_or(0)
    }

    #[inline]
    fn jump(&self, number: u32) -> u32 {
        self.jumps.get(number as usize).copied().unwrap_or(0)
    }

    fn length(&self, number: u32) -> u64 {
        (2_u64 << self.rank(number).min(62)) - 1
    }

    /// As far as two jumps of the dominator when they are equally long, else to the dominator.
    #[inline]
    fn hang(&mut self, number: u32, dominator: u32) {
        let next = self.jump(dominator);
        let rank = self.rank(dominator);
        let equal = dominator != 0 && next != 0 && rank == self.rank(next);
        let at = number as usize;
        if let (Some(place), Some(own)) = (self.jumps.get_mut(at), self.ranks.get_mut(at)) {
            *own = if equal { rank + 1 } else { 0 };
            *place = dominator;
        }
        if equal {
            let further = self.jump(next);
            if let Some(place) = self.jumps.get_mut(at) {
                *place = further;
            }
        }
    }

    fn depth(&self, number: u32) -> u64 {
        let (mut at, mut depth) = (number, 0);
        while at != 0 {
            depth += self.length(at);
            at = self.jump(at);
        }
        depth
    }

    fn meet(&self, immediate: &[u32], one: u32, other: u32) -> u32 {
        let up = |number: u32| immediate.get(number as usize).copied().unwrap_or(0);
        let (mut low, mut high) = (one, other);
        let (mut depth, mut level) = (self.depth(low), self.depth(high));
        if depth < level {
            (low, high, depth, level) = (high, low, level, depth);
        }
        while depth > level {
            let length = self.length(low);
            if depth - level >= length {
                (low, depth) = (self.jump(low), depth - length);
            } else {
                (low, depth) = (up(low), depth - 1);
            }
        }
        while low != high {
            let (one, other) = (self.jump(low), self.jump(high));
            (low, high) = if one == other { (up(low), up(high)) } else { (one, other) };
        }
        low
    }
}
