//! Who dominates whom among what was reached, and how much goes when an object goes: without a table of all edges.
//!
//! The heap is gone through twice: depth first, for the order of the objects, then in that order for their edges. Those that lead
//! to an object further on in the order say nothing new but for the first of them; the others are kept, as differences of numbers,
//! some two bytes each. What hangs on a root is dominated by the root alone, so edges to it are left out: that is most of what
//! everything refers to. Letters and numbers that one object holds are a part of it and have no number of their own. The algorithm is
//! `heap-snapshot`'s ([`DominatorTree`]), so files and walks have the same answers.
//!
//! The edges are those that keep their target: strong fields, maps, and the values of a weak collection, which their table and their
//! keys keep together, as in `DevTools`.

use crate::addresses::AddressSet;
use crate::bits::Bits;
use crate::heap::Heap;
use crate::maps::Treatment;
use crate::objects::{Number, Place};
use crate::reached::{Parent, Reached};
use crate::stream::{Reader, Stream};
use leakprobe_heap_snapshot::{DominatorTree, Sums};
use std::collections::HashMap;

/// Memory for each object, garbage included, and for each that has a number, with the edges that are kept for it; bytes.
const NEEDED_OBJECT: u64 = 4;
const NEEDED_NUMBERED: u64 = 36;
/// And besides.
const NEEDED_LEAST: u64 = 4 << 20;

/// The dominator tree of what was reached. Numbers are in preorder; 0 is the root of all.
pub(crate) struct Retained {
    /// By number less 1.
    pub(crate) order: Vec<Place>,
    pub(crate) immediate: Vec<u32>,
    pub(crate) bytes: Sums,
    /// Memory at its peak, bytes.
    pub(crate) peak: u64,
}

/// Memory that [`Retained::of`] takes, unless objects have far more edges than usual; bytes.
pub(crate) fn needed(objects: u64, numbered: u64) -> u64 {
    objects * NEEDED_OBJECT + numbered * NEEDED_NUMBERED + NEEDED_LEAST
}

/// How many of the objects that were reached are no part of another one.
pub(crate) fn numbered(heap: &mut Heap<'_>, reached: &mut Reached) -> u64 {
    let mut parts = 0;
    for page in 0..heap.objects.pages() {
        let mut next = heap.objects.first_in(page);
        while let Some(place) = next {
            next = heap.objects.after(place);
            if let Some(number) = heap.objects.number(place)
                && reached.is_reached(number)
                && is_part(heap, reached, place, number)
            {
                parts += 1;
            }
        }
    }
    reached.count - parts
}

/// Whether an object is a part of the one object that holds it.
#[inline]
fn is_part(heap: &mut Heap<'_>, reached: &mut Reached, place: Place, number: Number) -> bool {
    if reached.shared.get(number.0) {
        return false;
    }
    let object = heap.objects.address(place);
    let map = reached.maps.of(heap, object);
    reached.maps.get(map).is_some_and(|info| info.treatment == Treatment::Leaf)
}

impl Retained {
    /// Finds dominators and retained sizes. Objects hold what they hold outside the heap, each store counted once.
    pub(crate) fn of(heap: &mut Heap<'_>, reached: &mut Reached, numbered: u64) -> Self {
        let mut edges = Edges::new(heap, reached);
        let (order, parents, search_bytes) = edges.depth_first(numbered as usize);
        let mut numbers = vec![0; edges.heap.objects.count() as usize];
        for (number, place) in (1..).zip(&order) {
            if let Some(slot) = edges.number(*place).and_then(|index| numbers.get_mut(index as usize)) {
                *slot = number;
            }
        }
        let mut tree = DominatorTree::new(parents);
        let stream = edges.streamed(&order, &numbers, &mut tree);
        let mut bytes = edges.sizes(&order, &numbers);
        drop(numbers);
        tree.seal();
        let mut reader = Reader::new(&stream);
        for from in 1..=order.len() as u32 {
            for to in reader.node(from) {
                tree.backward(from, to);
            }
        }
        let nodes = order.len() as u64;
        let peak = search_bytes.max(tree.bytes() + stream.bytes() + nodes * 8).max(tree.bytes() + nodes * 17);
        drop(stream);
        let immediate = tree.dominators();
        for number in (1..immediate.len() as u32).rev() {
            let above = immediate.get(number as usize).copied().unwrap_or(0);
            bytes.add(above, bytes.get(number));
        }
        Self { order, immediate, bytes, peak }
    }
}

/// The edges of what was reached, read from the heap.
struct Edges<'w, 'a> {
    heap: &'w mut Heap<'a>,
    reached: &'w mut Reached,
    /// Values of weak collections by their keys.
    by_key: HashMap<u32, Vec<Place>>,
    /// The keys, by number of the object.
    keys: Bits,
    /// What hangs on a root, by number of the object.
    rooted: Bits,
    /// Of one object; kept for its room.
    targets: Vec<Place>,
}

impl<'w, 'a> Edges<'w, 'a> {
    fn new(heap: &'w mut Heap<'a>, reached: &'w mut Reached) -> Self {
        let count = heap.objects.count() as usize;
        let mut edges = Self {
            heap,
            reached,
            by_key: HashMap::new(),
            keys: Bits::new(count),
            rooted: Bits::new(count),
            targets: Vec::new(),
        };
        for index in 0..edges.reached.tables.len() {
            edges.note_keys(index);
        }
        edges
    }

    fn note_keys(&mut self, index: usize) {
        let Some(table) = self.reached.tables.get(index).map(|table| self.heap.objects.address(*table))
        else {
            return;
        };
        let (by_key, keys) = (&mut self.by_key, &mut self.keys);
        self.heap.each_ephemeron(table, |heap, key, _, value| {
            if let (Some(key), Some(value)) = (heap.target(key), heap.target(value))
                && let Some(number) = heap.objects.number(key)
            {
                keys.set(number.0);
                by_key.entry(key.0).or_default().push(value);
            }
        });
    }

    #[inline]
    fn number(&self, place: Place) -> Option<u32> {
        self.heap.objects.number(place).map(|number| number.0)
    }

    /// Puts the targets of an object into `targets`.
    fn read(&mut self, place: Place) {
        self.targets.clear();
        let object = self.heap.objects.address(place);
        let map = self.reached.maps.of(self.heap, object);
        let Some(treatment) = self.reached.maps.get(map).map(|info| info.treatment) else { return };
        let targets = &mut self.targets;
        targets.extend(self.heap.objects.find(self.heap.map_of(object)));
        self.heap.each_word(object, treatment, |heap, _, word| targets.extend(heap.target(word)));
        if treatment == Treatment::Ephemerons {
            self.heap.each_ephemeron(object, |heap, _, _, value| targets.extend(heap.target(value)));
        }
        if let Some(number) = self.heap.objects.number(place)
            && self.keys.get(number.0)
            && let Some(values) = self.by_key.get(&place.0)
        {
            targets.extend(values);
        }
    }

    /// What was reached and is no part, in preorder of a search depth first; the number that each was first seen from; and the
    /// memory that took at its peak, bytes.
    fn depth_first(&mut self, room: usize) -> (Vec<Place>, Vec<u32>, u64) {
        let mut search = Search {
            seen: Bits::of(self.reached.reached_numbers().map(|is_reached| !is_reached)),
            open: Vec::new(),
            order: Vec::with_capacity(room),
            parents: Vec::with_capacity(room + 1),
            deepest: 0,
        };
        search.parents.push(0);
        for index in 0..self.reached.roots.all.len() {
            if let Some(object) = self.reached.roots.all.get(index).map(|root| root.object)
                && let Some(number) = self.heap.objects.find(object).and_then(|place| self.number(place))
            {
                self.rooted.set(number);
            }
        }
        for index in 0..self.reached.roots.all.len() {
            let Some(object) = self.reached.roots.all.get(index).map(|root| root.object) else { break };
            if let Some(place) = self.heap.objects.find(object) {
                search.from(self, place);
            }
        }
        let peak = search.deepest + search.order.capacity() * 4 + search.parents.capacity() * 4;
        (search.order, search.parents, peak as u64)
    }

    /// Gives all edges to the tree, and keeps those that it wants to have again.
    fn streamed(&mut self, order: &[Place], numbers: &[u32], tree: &mut DominatorTree) -> Stream {
        let mut stream = Stream::default();
        let mut row: Vec<u32> = Vec::new();
        for (from, place) in (1_u32..).zip(order) {
            if self.number(*place).is_some_and(|number| self.rooted.get(number)) {
                tree.edge(0, from);
            }
            self.read(*place);
            row.clear();
            for target in &self.targets {
                let Some(number) = self.heap.objects.number(*target).map(|number| number.0) else { continue };
                // What has no number was not reached, or is a part.
                let to = numbers.get(number as usize).copied().unwrap_or(0);
                if !self.rooted.get(number) && tree.edge(from, to) {
                    row.push(to);
                }
            }
            stream.push(from, &row);
        }
        stream
    }

    /// The bytes of each object with its parts, by number; parts of roots are the root's.
    fn sizes(&mut self, order: &[Place], numbers: &[u32]) -> Sums {
        let mut sums = Sums::new(order.len() + 1);
        let mut stores = AddressSet::default();
        for page in 0..self.heap.objects.pages() {
            let mut next = self.heap.objects.first_in(page);
            while let Some(place) = next {
                next = self.heap.objects.after(place);
                if let Some(number) = self.holder(place, numbers) {
                    let object = self.heap.objects.address(place);
                    sums.add(number, u64::from(self.heap.size(object)));
                    let instance_type = self.heap.type_of(object);
                    if let Some((store, bytes)) = self.heap.off_heap(object, instance_type)
                        && stores.insert(store)
                    {
                        sums.add(number, bytes);
                    }
                }
            }
        }
        sums
    }

    /// The number under which an object's bytes count; `None` for what was not reached.
    fn holder(&self, place: Place, numbers: &[u32]) -> Option<u32> {
        let own =
            |place: Place| numbers.get(self.number(place)? as usize).copied().filter(|number| *number != 0);
        if let Some(number) = own(place) {
            return Some(number);
        }
        match self.reached.parent(self.heap, place)? {
            Parent::Object(parent) => own(parent),
            Parent::Root(_) => Some(0),
        }
    }
}

/// A search depth first, without recursion.
struct Search {
    /// By number of the object: seen, or not to be.
    seen: Bits,
    /// What is still to be looked at, with the number of what led there; a search enters the last that it found.
    open: Vec<(Place, u32)>,
    order: Vec<Place>,
    parents: Vec<u32>,
    /// Memory of what was open at its peak, bytes.
    deepest: usize,
}

impl Search {
    fn from(&mut self, edges: &mut Edges<'_, '_>, root: Place) {
        self.open.push((root, 0));
        while let Some((place, parent)) = self.open.pop() {
            let Some(number) = edges.number(place) else { continue };
            if self.seen.set(number) && !is_part(edges.heap, edges.reached, place, Number(number)) {
                self.enter(edges, place, parent);
            }
        }
    }

    fn enter(&mut self, edges: &mut Edges<'_, '_>, place: Place, parent: u32) {
        self.order.push(place);
        self.parents.push(parent);
        let own = self.order.len() as u32;
        edges.read(place);
        for target in &edges.targets {
            if edges.heap.objects.number(*target).is_some_and(|number| !self.seen.get(number.0)) {
                self.open.push((*target, own));
            }
        }
        self.deepest = self.deepest.max(self.open.capacity() * size_of::<(Place, u32)>());
    }
}
