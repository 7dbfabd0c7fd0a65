//! Which folded paths are told: those that fan out, for there are many objects where there is one holder, and those that
//! are large by themselves. What has grown since an earlier walk comes first.

use crate::answer::{Census, Count, Holder, Question, Step, StepKind};
use crate::code::is_program;
use crate::describe::Describer;
use crate::signatures::{Node, NodeId, Signatures};
use std::collections::{HashMap, HashSet};

/// Fewer objects are no collection.
const LEAST_COUNT: u32 = 8;
/// A path fans out where so many times more objects are than on the step before.
const FAN_OUT: u32 = 4;
/// From so many bytes of its own on, a single object is told too: a buffer, a table of numbers.
const LARGE: u64 = 64 << 10;
/// Entries hold parts of their own; a path below another belongs to it while it has at most so many times its objects.
const PARTS: u64 = 64;
const GROWN_PARTS: u64 = 256;
/// What fewer than one in so many of them lead to is not theirs alone.
const SHARED: u32 = 8;
/// Less growth may be chance.
const LEAST_GROWTH: u64 = 8;

/// How far below an object its code is looked for, and how much of it is told.
const CODE_DEPTH: usize = 3;
const MOST_CODE: usize = 4;

/// What counts for the choice.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    bytes: u64,
    off_heap: u64,
}

/// A path that may be told.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    node: NodeId,
    count: u64,
    grown: u64,
    sum: Sum,
}

/// Chooses and names the holders.
pub(crate) fn tell(describer: &mut Describer<'_, '_, '_>, question: &Question, census: &mut Census) {
    let candidates = candidates(&describer.reached.signatures, &question.before);
    census.counts = counts(&describer.reached.signatures, &candidates, question.counts);
    let children = children(describer.reached.signatures.nodes());
    let mut told = 0;
    for candidate in choose(&describer.reached.signatures, &candidates, question.holders) {
        if told == question.holders {
            break;
        }
        let path = describer.folded(candidate.node);
        if is_own(&path, question) {
            continue;
        }
        told += 1;
        let code = code_below(describer, &children, candidate.node);
        census.holders.push(Holder {
            signature: signature(&describer.reached.signatures, candidate.node),
            count: candidate.count,
            bytes: candidate.sum.bytes,
            off_heap: candidate.sum.off_heap,
            grown: candidate.grown,
            path,
            code,
        });
    }
}

/// Whether a path runs through the probe's own code.
pub(crate) fn is_own(path: &[Step], question: &Question) -> bool {
    !question.own.is_empty() && path.iter().any(|step| step.script.starts_with(&question.own))
}

/// The nodes below each node.
fn children(nodes: &[Node]) -> HashMap<NodeId, Vec<NodeId>> {
    let mut children: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let id = NodeId(index as u32);
        if node.parent != id {
            children.entry(node.parent).or_default().push(id);
        }
    }
    children
}

/// Functions and scopes that most objects of a node hold: the callback of a timer, the handler of a promise.
fn code_below(
    describer: &mut Describer<'_, '_, '_>,
    children: &HashMap<NodeId, Vec<NodeId>>,
    node: NodeId,
) -> Vec<Step> {
    let count = describer.reached.signatures.get(node).map_or(0, |node| node.count);
    let mut found = Vec::new();
    let mut level = vec![node];
    for _ in 0..CODE_DEPTH {
        let below: Vec<NodeId> =
            level.iter().filter_map(|node| children.get(node)).flatten().copied().collect();
        level = below
            .into_iter()
            .filter(|node| {
                describer.reached.signatures.get(*node).is_some_and(|node| node.count >= count / 4)
            })
            .take(MOST_CODE * 4)
            .collect();
        for node in &level {
            let step = describer.node(*node);
            if matches!(step.kind, StepKind::Function | StepKind::Scope) && is_program(&step.script) {
                found.push(step);
            }
        }
    }
    found.sort_by_key(|step| std::cmp::Reverse(step.count));
    found.truncate(MOST_CODE);
    found
}

fn signature(signatures: &Signatures, node: NodeId) -> String {
    format!("{:016x}", signatures.get(node).map_or(0, |node| node.hash))
}

fn candidates(signatures: &Signatures, before: &[Count]) -> Vec<Candidate> {
    let sums = sums(signatures.nodes());
    let parse = |count: &Count| Some((u64::from_str_radix(&count.signature, 16).ok()?, count.count));
    let known: HashMap<u64, u64> = before.iter().filter_map(parse).collect();
    let nodes = signatures.nodes().iter().zip(&sums).enumerate();
    nodes
        .filter_map(|(index, (node, sum))| {
            let parent = signatures.get(node.parent);
            let above = parent.map_or(1, |parent| parent.count.max(1));
            // The way through a shape or code is none that the program knows of.
            if parent.is_some_and(|parent| parent.is_metadata) {
                return None;
            }
            let is_root = node.parent.0 as usize == index && !node.anchor;
            let fans_out = node.count >= LEAST_COUNT && node.count >= above.saturating_mul(FAN_OUT);
            let is_large = node.bytes + node.off_heap >= LARGE;
            if is_root || node.is_metadata || !(fans_out || is_large) {
                return None;
            }
            let count = u64::from(node.count);
            let grown = if known.is_empty() {
                0
            } else {
                count.saturating_sub(known.get(&node.hash).copied().unwrap_or(0))
            };
            Some(Candidate { node: NodeId(index as u32), count, grown, sum: *sum })
        })
        .collect()
}

/// Bytes of every node with everything below it. What many objects share, or what was only reached through one of them, is
/// not theirs.
fn sums(nodes: &[Node]) -> Vec<Sum> {
    let mut sums: Vec<Sum> =
        nodes.iter().map(|node| Sum { bytes: node.bytes, off_heap: node.off_heap }).collect();
    for node in by_depth(nodes).into_iter().rev() {
        let (Some(this), Some(sum)) = (nodes.get(node), sums.get(node).copied()) else { continue };
        let Sum { bytes, off_heap } = sum;
        let parent = this.parent.0 as usize;
        let above = nodes.get(parent).map_or(0, |parent| parent.count);
        let is_shared = above >= LEAST_COUNT && this.count < above / SHARED;
        if parent == node || is_shared {
            continue;
        }
        if let Some(sum) = sums.get_mut(parent) {
            sum.bytes += bytes;
            sum.off_heap += off_heap;
        }
    }
    sums
}

/// The nodes' indices, each parent before its children.
fn by_depth(nodes: &[Node]) -> Vec<usize> {
    let mut depths = vec![0_u32; nodes.len()];
    let mut chain = Vec::new();
    for index in 0..nodes.len() {
        let mut at = index;
        while depths.get(at) == Some(&0) {
            chain.push(at);
            let parent = nodes.get(at).map_or(at, |node| node.parent.0 as usize);
            if parent == at || chain.len() > nodes.len() {
                break;
            }
            at = parent;
        }
        let mut depth = depths.get(at).copied().unwrap_or(0);
        while let Some(at) = chain.pop() {
            depth += 1;
            if let Some(known) = depths.get_mut(at) {
                *known = depth;
            }
        }
    }
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|index| depths.get(*index).copied());
    order
}

/// What has grown most, and then what holds most; parts of what is told already are left out.
fn choose(signatures: &Signatures, candidates: &[Candidate], most: usize) -> Vec<Candidate> {
    let by_node: HashMap<NodeId, Candidate> =
        candidates.iter().map(|candidate| (candidate.node, *candidate)).collect();
    // Through something that is there once only the way leads to a holder, not to a part of one.
    let above = |candidate: &Candidate, test: &dyn Fn(&Candidate) -> bool| {
        let many = |node: &NodeId| signatures.get(*node).is_some_and(|node| node.count >= LEAST_COUNT);
        let up = signatures.up(candidate.node).skip(1).take_while(many);
        up.filter_map(|node| by_node.get(&node)).any(test)
    };
    let mut grown: Vec<Candidate> = candidates
        .iter()
        .filter(|this| this.grown >= LEAST_GROWTH)
        .filter(|this| {
            !above(this, &|above| above.grown >= LEAST_GROWTH && above.grown * GROWN_PARTS >= this.grown)
        })
        .copied()
        .collect();
    grown.sort_by_key(|candidate| std::cmp::Reverse((candidate.grown, candidate.sum.bytes)));
    let mut large: Vec<Candidate> = candidates
        .iter()
        .filter(|this| {
            !above(this, &|above| above.count >= u64::from(LEAST_COUNT) && above.count * PARTS >= this.count)
        })
        .copied()
        .collect();
    large.sort_by_key(|candidate| std::cmp::Reverse(candidate.sum.bytes + candidate.sum.off_heap));

    // Half of the room for each; twice as many as are told, for some may be the probe's own.
    grown.truncate(most);
    let mut seen: HashSet<NodeId> = grown.iter().map(|candidate| candidate.node).collect();
    let mut chosen = Vec::new();
    let mut large = large.into_iter().filter(move |candidate| seen.insert(candidate.node));
    let mut grown = grown.into_iter();
    while chosen.len() < most * 2 {
        let (one, other) = (grown.next(), large.next());
        if one.is_none() && other.is_none() {
            break;
        }
        chosen.extend(one.into_iter().chain(other));
    }
    chosen
}

/// The counts of what fans out, the largest first.
fn counts(signatures: &Signatures, candidates: &[Candidate], most: usize) -> Vec<Count> {
    let mut by_count: Vec<&Candidate> = candidates.iter().collect();
    by_count.sort_by_key(|candidate| (std::cmp::Reverse(candidate.count), candidate.node));
    let counts = by_count.into_iter().take(most);
    counts
        .map(|candidate| Count { signature: signature(signatures, candidate.node), count: candidate.count })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Place;
    use crate::signatures::{Edge, Visit};

    fn visit(edge: Edge, identity: u64) -> Visit {
        Visit { edge, identity, is_metadata: false, place: Place(1) }
    }

    /// A map with so many entries of 100 bytes, each with three parts of 10.
    fn map(entries: u32) -> (Signatures, NodeId) {
        let mut signatures = Signatures::new();
        let root = signatures.root(1);
        let map = signatures.child(root, visit(Edge::Named(1), 10));
        signatures.add(map, 50, 0);
        let mut entry = map;
        for _ in 0..entries {
            entry = signatures.child(map, visit(Edge::Entry, 20));
            signatures.add(entry, 100, 0);
            for part in 0..3 {
                let part = signatures.child(entry, visit(Edge::Named(part), 30));
                signatures.add(part, 10, 1);
            }
        }
        signatures.settle();
        (signatures, entry)
    }

    #[test]
    fn entries_are_told_with_all_that_hangs_on_them_and_their_parts_are_not() {
        let (signatures, entry) = map(100);
        let candidates = candidates(&signatures, &[]);
        let chosen = choose(&signatures, &candidates, 10);

        let [one] = chosen.as_slice() else { panic!("{chosen:?}") };
        assert_eq!((one.node, one.count, one.sum.bytes, one.sum.off_heap), (entry, 100, 13_000, 300));
    }

    #[test]
    fn what_has_grown_comes_before_what_is_large() {
        let (mut signatures, entry) = map(100);
        let large = signatures.child(NodeId(0), visit(Edge::Named(9), 40));
        signatures.add(large, 1 << 20, 0);
        let before = [Count { signature: signature(&signatures, entry), count: 40 }];

        let chosen = choose(&signatures, &candidates(&signatures, &before), 10);

        assert_eq!((chosen[0].node, chosen[0].grown), (entry, 60));
        assert_eq!(chosen[1].node, large);
    }

    #[test]
    fn counts_are_bounded() {
        let (signatures, entry) = map(100);
        let candidates = candidates(&signatures, &[]);
        let [count] = counts(&signatures, &candidates, 1).try_into().unwrap();
        assert_eq!(count, Count { signature: signature(&signatures, entry), count: 100 });
    }
}
