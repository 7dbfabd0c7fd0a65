//! What the redaction has to remember of a heap snapshot: one byte per node and one per string.

use crate::fold::DICTIONARY;
use crate::graph::NodeKind;
use foldhash::{HashMap, HashSet};

/// How far beyond twice the highest index so far an index may be to be kept with its neighbours.
const NEAR: usize = 1 << 16;

/// How many edges each node has, and what it is: six bits and two.
#[derive(Default)]
pub(super) struct Degrees {
    small: Vec<u8>,
    large: HashMap<usize, u64>,
    /// Objects that the root names: their properties are variables of the program.
    pub(super) globals: HashSet<usize>,
}

impl Degrees {
    const MANY: u8 = 0x3f;
    const OBJECT: u8 = 0x40;
    const CLOSURE: u8 = 0x80;

    pub(super) fn push(&mut self, degree: u64, kind: NodeKind) {
        let small = u8::try_from(degree).unwrap_or(Self::MANY).min(Self::MANY);
        if small == Self::MANY {
            self.large.insert(self.small.len(), degree);
        }
        let kind = match kind {
            NodeKind::Object => Self::OBJECT,
            NodeKind::Closure => Self::CLOSURE,
            _ => 0,
        };
        self.small.push(small | kind);
    }

    /// Edges of a node, and whether it is a dictionary.
    pub(super) fn of(&self, node: usize) -> Option<(u64, bool)> {
        let byte = *self.small.get(node)?;
        let small = byte & Self::MANY;
        let degree = if small == Self::MANY { self.large.get(&node).copied()? } else { u64::from(small) };
        let many = degree >= u64::from(DICTIONARY) && byte & Self::OBJECT != 0;
        Some((degree, many && !self.globals.contains(&node)))
    }

    pub(super) fn is_closure(&self, node: usize) -> bool {
        self.small.get(node).is_some_and(|byte| byte & Self::CLOSURE != 0)
    }
}

/// Which node an edge belongs to, edge by edge.
#[derive(Default)]
pub(super) struct Walk {
    after: usize,
    left: u64,
    dictionary: bool,
}

impl Walk {
    /// The node that the next edge leads on from, and whether it is a dictionary.
    pub(super) fn next(&mut self, degrees: &Degrees) -> (usize, bool) {
        while self.left == 0 {
            // Edges beyond what the nodes say belong to nobody: their names are not kept.
            let Some((degree, dictionary)) = degrees.of(self.after) else { return (usize::MAX, true) };
            (self.left, self.dictionary) = (degree, dictionary);
            self.after += 1;
        }
        self.left -= 1;
        (self.after - 1, self.dictionary)
    }
}

/// What each string is used as.
#[derive(Default)]
pub(super) struct Uses {
    near: Vec<u8>,
    /// Indices far beyond those seen before, which V8 does not write: they must not take memory for all in between.
    far: HashMap<u64, u8>,
}

impl Uses {
    pub(super) fn note(&mut self, string: u64, what: u8) {
        let Some(at) = usize::try_from(string).ok().filter(|_| what != 0) else { return };
        if at >= self.near.len() && at > self.near.len() * 2 + NEAR {
            *self.far.entry(string).or_default() |= what;
            return;
        }
        if at >= self.near.len() {
            self.near.resize(at + 1, 0);
        }
        if let Some(place) = self.near.get_mut(at) {
            *place |= what;
        }
    }

    pub(super) fn of(&self, string: u64) -> u8 {
        let near = usize::try_from(string).ok().and_then(|at| self.near.get(at)).copied().unwrap_or(0);
        if self.far.is_empty() { near } else { near | self.far.get(&string).copied().unwrap_or(0) }
    }
}
