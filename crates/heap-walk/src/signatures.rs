//! Folded paths: how live objects are reached, with everything folded that only grows.
//!
//! A node stands for all objects that are reached by the same edges through the same classes. Entries of a collection share
//! an edge, and a path that repeats itself (a list, nested scopes, a chain of promises) folds into the node where it began.
//! **Invariant:** nodes are bounded; what does not fit counts for the node it hangs on.

use crate::addresses::AddressMap;
use crate::objects::Place;

/// Nodes in all: 6 MB.
const MOST_NODES: usize = 1 << 17;
/// Edges by name from one node; further ones are taken for entries.
const MOST_CHILDREN: u16 = 256;
/// A path is followed so deep.
const DEEPEST: u8 = 100;
/// A repetition is looked for in so many steps.
const LONGEST_CYCLE: usize = 6;
/// Ways into one node from elsewhere that are counted.
const MOST_WAYS: usize = 1 << 16;
/// Steps that were found lately: 24 kB. Objects of one class have the same fields one after the other.
const LATELY: usize = 1 << 10;

/// The number of a node. Belongs to the [`Signatures`] that gave it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

/// What leads from one object to the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Edge {
    /// A field or property, by a number that stays the same in every walk.
    Named(u64),
    /// One of many entries.
    Entry,
}

impl Edge {
    fn number(self) -> u64 {
        match self {
            Self::Named(number) => (number << 1) | 1,
            Self::Entry => 0,
        }
    }
}

/// All objects with one folded path.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The same in every walk of one process.
    pub(crate) hash: u64,
    /// Where it hangs; itself for a root.
    pub(crate) parent: NodeId,
    edge: u64,
    identity: u64,
    /// Objects.
    pub(crate) count: u32,
    children: u16,
    depth: u8,
    /// Its hash does not depend on the path to it.
    pub(crate) anchor: bool,
    /// What V8 keeps about code and shapes: nobody's holder.
    pub(crate) is_metadata: bool,
    /// One of its objects, chosen at random.
    pub(crate) sample: Place,
    /// Bytes of its objects and of the stores that belong to them.
    pub(crate) bytes: u64,
    /// Bytes outside the heap that its objects hold.
    pub(crate) off_heap: u64,
}

impl Node {
    /// Whether it stands for entries of a collection.
    pub(crate) fn is_entry(&self) -> bool {
        self.edge == 0
    }
}

/// The nodes.
pub(crate) struct Signatures {
    nodes: Vec<Node>,
    table: Vec<u32>,
    /// Objects of an anchor by the node that they hang on, as [`way`] says.
    ways: AddressMap<u32>,
    /// Node, edge and identity, and the node that they led to: a step once found leads to the same node for ever.
    lately: Vec<(NodeId, NodeId, u64, u64)>,
    random: u64,
}

/// An object on its way into a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    pub(crate) edge: Edge,
    /// Its class, or its place in the code, as a number.
    pub(crate) identity: u64,
    pub(crate) is_metadata: bool,
    pub(crate) place: Place,
}

impl Signatures {
    pub(crate) fn new() -> Self {
        let nowhere = NodeId(u32::MAX);
        Self {
            nodes: Vec::new(),
            table: vec![0; MOST_NODES * 2],
            ways: AddressMap::default(),
            lately: vec![(nowhere, nowhere, 0, 0); LATELY],
            random: 0x2545_f491_4f6c_dd1d,
        }
    }

    /// All nodes in the order they were made: parents come before children, but for anchors.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Memory held, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.nodes.capacity() * size_of::<Node>()
            + self.table.len() * 4
            + self.ways.capacity() * 16
            + LATELY * 24) as u64
    }

    /// One node.
    pub(crate) fn get(&self, node: NodeId) -> Option<&Node> {
        self.nodes.get(node.0 as usize)
    }

    /// A node for a kind of root.
    pub(crate) fn root(&mut self, identity: u64) -> NodeId {
        let visit = Visit { edge: Edge::Named(1), identity, is_metadata: false, place: Place(u32::MAX) };
        let hash = mix(0x726f_6f74, visit.edge.number(), identity);
        let node = self.find_or_add(hash, NodeId(u32::MAX), visit, false);
        node.unwrap_or(NodeId(0))
    }

    /// The node of an object that hangs on `from`, which counts it.
    pub(crate) fn child(&mut self, from: NodeId, visit: Visit) -> NodeId {
        let edge = visit.edge.number();
        let slot = mix(from.0.into(), edge, visit.identity) as usize & (LATELY - 1);
        let known = self
            .lately
            .get(slot)
            .filter(|(above, _, by, identity)| *above == from && *by == edge && *identity == visit.identity);
        let node = if let Some((_, node, _, _)) = known {
            *node
        } else {
            let node = self.find_child(from, visit);
            if let Some(slot) = self.lately.get_mut(slot) {
                *slot = (from, node, edge, visit.identity);
            }
            node
        };
        self.count(node, visit.place);
        node
    }

    /// The node of an object that is one and the same whatever the path to it: a scope of the program's code, a module.
    pub(crate) fn anchored(&mut self, from: NodeId, visit: Visit) -> NodeId {
        let hash = mix(0x616e_6368, 0, visit.identity);
        let node = self.find_or_add(hash, from, visit, true).unwrap_or(from);
        if node != from {
            let key = way(node, from);
            if let Some(count) = self.ways.get_mut(&key) {
                *count += 1;
            } else if self.ways.len() < MOST_WAYS {
                self.ways.insert(key, 1);
            }
        }
        self.count(node, visit.place);
        node
    }

    /// Adds bytes to a node.
    pub(crate) fn add(&mut self, node: NodeId, bytes: u64, off_heap: u64) {
        if let Some(node) = self.nodes.get_mut(node.0 as usize) {
            node.bytes += bytes;
            node.off_heap += off_heap;
        }
    }

    /// Lets every anchor hang where most of its objects hang, so that their bytes go there.
    pub(crate) fn settle(&mut self) {
        let mut most: AddressMap<(u32, NodeId)> = AddressMap::default();
        for (way, count) in &self.ways {
            let from = NodeId(*way as u32);
            let best = most.entry(way >> 32).or_insert((0, from));
            if *count > best.0 || (*count == best.0 && from.0 < best.1.0) {
                *best = (*count, from);
            }
        }
        for (anchor, (_, from)) in most {
            let anchor = NodeId(anchor as u32);
            let fits = !self.hangs_on(from, anchor);
            if let Some(node) = self.nodes.get_mut(anchor.0 as usize).filter(|_| fits) {
                node.parent = from;
            }
        }
        self.ways = AddressMap::default();
        // What is left of cycles is cut: two anchors may have been met through one another.
        for index in 0..self.nodes.len() {
            let node = NodeId(index as u32);
            let parent = self.nodes.get(index).map_or(node, |node| node.parent);
            let is_cycle = parent != node && self.hangs_on(parent, node);
            if let Some(cut) = self.nodes.get_mut(index).filter(|_| is_cycle) {
                cut.parent = node;
            }
        }
    }

    /// The nodes from `node` up to its root.
    pub(crate) fn up(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let mut next = self.get(node).map(|_| node);
        std::iter::from_fn(move || {
            let this = next?;
            next = self.get(this).map(|node| node.parent).filter(|parent| *parent != this);
            next = next.filter(|parent| self.get(*parent).is_some());
            Some(this)
        })
        .take(usize::from(DEEPEST) * 40)
    }

    fn hangs_on(&self, node: NodeId, on: NodeId) -> bool {
        self.up(node).any(|above| above == on)
    }

    fn count(&mut self, node: NodeId, place: Place) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let random = self.random;
        if let Some(node) = self.nodes.get_mut(node.0 as usize) {
            node.count = node.count.saturating_add(1);
            // Each of its objects is the sample with the same chance.
            if ((random >> 32) * u64::from(node.count)) >> 32 == 0 {
                node.sample = place;
            }
        }
    }

    fn find_child(&mut self, from: NodeId, mut visit: Visit) -> NodeId {
        if let Some(folded) = self.repetition(from, visit) {
            return folded;
        }
        let Some(parent) = self.get(from) else { return from };
        if parent.depth >= DEEPEST {
            return from;
        }
        let (parent_hash, children) = (parent.hash, parent.children);
        let mut hash = mix(parent_hash, visit.edge.number(), visit.identity);
        if visit.edge != Edge::Entry && children >= MOST_CHILDREN && self.lookup(hash).is_none() {
            visit.edge = Edge::Entry;
            hash = mix(parent_hash, 0, visit.identity);
        }
        self.find_or_add(hash, from, visit, false).unwrap_or(from)
    }

    /// The node where a repetition began: the last steps to `from`, this one with them, are those before them again.
    fn repetition(&self, from: NodeId, visit: Visit) -> Option<NodeId> {
        let edge = visit.edge.number();
        let mut chain = [from; LONGEST_CYCLE + 2];
        let mut known = 0;
        for (slot, node) in chain.iter_mut().zip(self.up(from)) {
            *slot = node;
            known += 1;
        }
        let step = |index: usize| {
            (index < known).then(|| chain.get(index).and_then(|node| self.get(*node))).flatten()
        };
        (1..=LONGEST_CYCLE).find_map(|length| {
            // A cycle of one is seen at once; a longer one when its last two steps come again.
            let node = step(length - 1)?;
            if node.edge != edge || node.identity != visit.identity || node.anchor {
                return None;
            }
            let (last, before) = (step(0)?, step(length));
            let again = length == 1
                || before.is_some_and(|before| before.edge == last.edge && before.identity == last.identity);
            again.then(|| chain.get(length - 1).copied()).flatten()
        })
    }

    fn lookup(&self, hash: u64) -> Option<NodeId> {
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let node = self.table.get(slot)?.checked_sub(1)?;
            if self.nodes.get(node as usize)?.hash == hash {
                return Some(NodeId(node));
            }
            slot = (slot + 1) & mask;
        }
    }

    fn find_or_add(&mut self, hash: u64, parent: NodeId, visit: Visit, anchor: bool) -> Option<NodeId> {
        if let Some(node) = self.lookup(hash) {
            return Some(node);
        }
        if self.nodes.len() >= MOST_NODES {
            return None;
        }
        let id = NodeId(self.nodes.len() as u32);
        let depth = match self.nodes.get_mut(parent.0 as usize) {
            Some(above) => {
                above.children = above.children.saturating_add(1);
                if anchor { 0 } else { above.depth + 1 }
            }
            None => 0,
        };
        let is_root = parent.0 == u32::MAX;
        self.nodes.push(Node {
            hash,
            parent: if is_root { id } else { parent },
            edge: visit.edge.number(),
            identity: visit.identity,
            count: 0,
            children: 0,
            depth,
            anchor,
            is_metadata: visit.is_metadata,
            sample: visit.place,
            bytes: 0,
            off_heap: 0,
        });
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        while self.table.get(slot).is_some_and(|entry| *entry != 0) {
            slot = (slot + 1) & mask;
        }
        if let Some(entry) = self.table.get_mut(slot) {
            *entry = id.0 + 1;
        }
        Some(id)
    }
}

/// An anchor and the node that it hangs on as one number.
fn way(anchor: NodeId, from: NodeId) -> u64 {
    u64::from(anchor.0) << 32 | u64::from(from.0)
}

/// Three numbers as one.
#[inline]
pub(crate) fn mix(a: u64, b: u64, c: u64) -> u64 {
    let mut hash =
        a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(23);
    hash = (hash ^ c.wrapping_mul(0x94d0_49bb_1331_11eb).rotate_left(41)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests;
