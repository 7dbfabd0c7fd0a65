//! What a walk has reached.

use crate::bits::Bits;
use crate::heap::Heap;
use crate::maps::Maps;
use crate::objects::{Number, Place};
use crate::origin::Origins;
use crate::roots::Roots;
use crate::signatures::{NodeId, Signatures};
use std::collections::HashMap;

/// Parents from here on are kinds of roots.
pub(crate) const ROOT: u32 = 0xffff_ff00;
/// A finished walk.
pub(crate) struct Reached {
    pub(crate) maps: Maps,
    pub(crate) signatures: Signatures,
    pub(crate) origins: Origins,
    pub(crate) roots: Roots,
    /// The kinds of roots by their nodes.
    pub(crate) root_kinds: HashMap<NodeId, i32>,
    /// By number of the object, the place of the one it was reached from, plus 1; 0 for what was not reached.
    pub(crate) parents: Vec<u32>,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    pub(crate) edges: u64,
    pub(crate) off_heap: u64,
    /// Memory at its peak, as far as it grows with the heap, bytes.
    pub(crate) peak: u64,
    /// The first objects of the classes that were looked for.
    pub(crate) found: Vec<Place>,
    /// The tables of weak collections.
    pub(crate) tables: Vec<Place>,
    /// By number of the object: reached more than once. Empty where nobody asked.
    pub(crate) shared: Bits,
}

/// What an object was reached from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parent {
    Object(Place),
    /// V8's number of a kind of root.
    Root(i32),
}

impl Reached {
    /// For every object by its number whether it was reached.
    pub(crate) fn reached_numbers(&self) -> impl Iterator<Item = bool> {
        self.parents.iter().map(|parent| *parent != 0)
    }

    pub(crate) fn is_reached(&self, number: Number) -> bool {
        self.parents.get(number.0 as usize).is_some_and(|parent| *parent != 0)
    }

    /// What an object was reached from; `None` for one that was not.
    pub(crate) fn parent(&self, heap: &Heap<'_>, place: Place) -> Option<Parent> {
        let number = heap.objects.number(place)?;
        match self.parents.get(number.0 as usize).copied()? {
            0 => None,
            root if root >= ROOT => Some(Parent::Root((root - ROOT) as i32 - 1)),
            parent => Some(Parent::Object(Place(parent - 1))),
        }
    }
}
