//! The dominator tree of a graph, and retained sizes.
//!
//! Memory beside the graph: 16 bytes per node, with 4 for each edge to a node that was seen before at most, while it runs; 8 per node after.

use crate::dominator_tree::DominatorTree;
use crate::graph::edge_kind;
use crate::reach::Reach;
use crate::sums::Sums;
use crate::{Graph, NodeIndex};

/// Who dominates whom, and how much goes when a node goes.
#[derive(Debug)]
pub struct Dominators {
    immediate: Vec<u32>,
    retained: Sums,
}

impl Dominators {
    /// Finds them. Three passes over the edges.
    pub fn new(graph: &Graph) -> Self {
        let Reach { mut places, parents, owned } = Reach::new(graph);
        let mut tree = DominatorTree::new(parents);
        let each = |then: &mut dyn FnMut(u32, u32)| {
            for node in graph.nodes() {
                let from = places.get(node.0 as usize).copied().unwrap_or(0);
                let (begin, end) = graph.edge_range(node);
                let range = begin as usize..end as usize;
                let names = graph.edges.names.get(range.clone()).unwrap_or(&[]);
                let targets = graph.edges.targets.get(range).unwrap_or(&[]);
                for (name, target) in names.iter().zip(targets) {
                    if owned.essential(node, edge_kind(*name), NodeIndex(*target)) {
                        then(from, places.get(*target as usize).copied().unwrap_or(0));
                    }
                }
            }
        };
        each(&mut |from, to| {
            tree.edge(from, to);
        });
        tree.seal();
        each(&mut |from, to| {
            if from > to && to != 0 {
                tree.backward(from, to);
            }
        });
        let by_place = tree.dominators();
        let mut order = vec![0; places.len()];
        for (node, place) in (0_u32..).zip(&places) {
            if let Some(slot) = order.get_mut(*place as usize) {
                *slot = node;
            }
        }
        for place in &mut places {
            let dominator = by_place.get(*place as usize).copied().unwrap_or(0);
            *place = order.get(dominator as usize).copied().unwrap_or(0);
        }
        drop(by_place);
        let mut sums = Self { immediate: places, retained: Sums::new(order.len()) };
        for node in graph.nodes() {
            sums.retained.add(node.0, graph.self_size(node));
        }
        // A dominator was seen before what it dominates.
        for node in order.iter().skip(1).rev() {
            let node = NodeIndex(*node);
            sums.retained.add(sums.immediate(node).0, sums.retained(node));
        }
        sums
    }

    /// The node's immediate dominator; the root's is the root.
    pub fn immediate(&self, node: NodeIndex) -> NodeIndex {
        NodeIndex(self.immediate.get(node.0 as usize).copied().unwrap_or(0))
    }

    /// Bytes that would go with the node.
    pub fn retained(&self, node: NodeIndex) -> u64 {
        self.retained.get(node.0)
    }
}
