//! What the strong roots reach, breadth first, with its folded paths.
//!
//! Roots that hold the program's own objects come first, what V8 keeps about code and shapes comes when nothing else is
//! left, and the stack comes last: so paths run through the program's variables where they can.

use crate::addresses::AddressSet;
use crate::areas::Areas;
use crate::bits::Bits;
use crate::edges::DICTIONARY_PREFIX;
use crate::ephemerons::{Entry, Ephemerons};
use crate::heap::{Heap, strong};
use crate::layout::Known;
use crate::maps::{Maps, Treatment, hash_text, is_compiled_code};
use crate::objects::Place;
use crate::origin::Origins;
use crate::queue::Queue;
use crate::reached::{Parent, ROOT, Reached};
use crate::roots::{Root, Roots};
use crate::signatures::{Edge, NodeId, Signatures, Visit, mix};
use std::collections::HashMap;

/// Kinds of roots that are told apart.
const ROOT_KINDS: i32 = 0xf0;
/// Numbers of kinds of roots that V8 does not have, or does not tell a visitor.
const COMPILED_CODE: i32 = ROOT_KINDS - 2;
const READ_ONLY: i32 = ROOT_KINDS - 3;
/// A dictionary larger than this is a collection, and its keys are not told apart, bytes.
const LARGEST_RECORD: u32 = 16 + 8 * 3 * 512;
/// Objects of one class that refer to one another: a list, a tree, in whichever direction.
const LINK: Edge = Edge::Named(3);
/// Stores whose sharing is seen.
const MOST_STORES: usize = 1 << 20;

/// The object that is being looked at, as far as the names of its edges need it.
struct Via {
    object: u64,
    map: u32,
    /// The map of the object that a property array belongs to.
    owner: Option<u32>,
    treatment: Treatment,
    instance_type: u16,
    /// The object's class.
    identity: u64,
    /// A dictionary so small that its keys are told apart.
    is_record: bool,
}

impl Via {
    /// Something whose edges have no names.
    const OTHER: Self = Self {
        object: 0,
        map: u32::MAX,
        owner: None,
        treatment: Treatment::Ephemerons,
        instance_type: 0,
        identity: 0,
        is_record: false,
    };
}

struct Walk<'h, 'a> {
    heap: &'h mut Heap<'a>,
    reached: Reached,
    queue: Queue,
    deferred: Queue,
    ephemerons: Ephemerons,
    stores: AddressSet,
    wanted: u64,
    most_found: usize,
    /// Whether what is reached belongs to the node that it is reached from.
    is_flat: bool,
}

/// What is noted besides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'q> {
    /// Objects of this class, so many at most.
    pub(crate) class: &'q str,
    pub(crate) most: usize,
    /// What is reached more than once.
    pub(crate) shared: bool,
    /// Full collections came before, so what is there is alive.
    pub(crate) collected: bool,
    /// What nobody can write to is told, too, whether anything refers to it or not.
    pub(crate) read_only: bool,
}

/// Walks everything.
pub(crate) fn reach(heap: &mut Heap<'_>, roots: Roots, wanted: Wanted<'_>) -> Reached {
    let count = heap.objects.count() as usize;
    let reached = Reached {
        maps: Maps::new(heap),
        signatures: Signatures::new(),
        origins: Origins::default(),
        roots,
        root_kinds: HashMap::new(),
        parents: vec![0; count],
        count: 0,
        bytes: 0,
        edges: 0,
        off_heap: 0,
        peak: 0,
        found: Vec::new(),
        tables: Vec::new(),
        shared: Bits::new(if wanted.shared { count } else { 0 }),
    };
    let mut walk = Walk {
        heap,
        reached,
        queue: Queue::default(),
        deferred: Queue::default(),
        ephemerons: Ephemerons::new(count),
        stores: AddressSet::default(),
        wanted: hash_text(wanted.class),
        most_found: wanted.most,
        is_flat: false,
    };
    walk.run();
    if wanted.read_only {
        let areas = Areas::read_only();
        walk.left_over(READ_ONLY, "(Read-only roots)", |_, object| areas.contain(object));
    }
    if wanted.collected {
        // From Node.js 24 on functions refer to what has been compiled by a number in a table of V8's outside the heap.
        walk.left_over(COMPILED_CODE, "(compiled code)", |heap, object| {
            heap.layout.type_name(heap.type_of(object)).is_some_and(is_compiled_code)
        });
    }
    let own = walk.reached.parents.len() * 4 + walk.queue.peak_bytes() + walk.deferred.peak_bytes();
    walk.reached.peak = own as u64 + walk.heap.objects.bytes() + walk.reached.signatures.bytes();
    walk.reached.signatures.settle();
    walk.reached
}

impl Walk<'_, '_> {
    fn run(&mut self) {
        let mut groups: [Vec<(i32, u64)>; 3] = Default::default();
        for root in &self.reached.roots.all {
            let name = self.reached.roots.names.get(&root.kind).map_or("", String::as_str);
            let group = if self.reached.roots.is_passing(root.kind) {
                2
            } else {
                usize::from(!(name.contains("Global handles") || name.contains("Traced handles")))
            };
            if let Some(group) = groups.get_mut(group) {
                group.push((root.kind, root.object));
            }
        }
        for group in groups {
            for (kind, object) in group {
                self.root(kind, object);
            }
            self.drain();
        }
    }

    fn root(&mut self, kind: i32, object: u64) {
        let Some(place) = self.heap.objects.find(object) else { return };
        let name = self.reached.roots.names.get(&kind).map_or("", String::as_str);
        let node = self.reached.signatures.root(hash_text(name));
        self.reached.root_kinds.insert(node, kind);
        let mark = ROOT + (kind + 1).clamp(0, ROOT_KINDS) as u32;
        self.visit(place, object, mark, node, &Via::OTHER, 0);
    }

    /// What is alive although no root leads to it. It comes last, as a root of its own without paths; nothing of the program's hangs
    /// on it alone.
    fn left_over(&mut self, kind: i32, name: &str, is_alive: impl Fn(&Heap<'_>, u64) -> bool) {
        let mut alive = Vec::new();
        for page in 0..self.heap.objects.pages() {
            let mut next = self.heap.objects.first_in(page);
            while let Some(place) = next {
                next = self.heap.objects.after(place);
                if self.heap.objects.number(place).is_some_and(|number| !self.reached.is_reached(number)) {
                    let object = self.heap.objects.address(place);
                    if is_alive(self.heap, object) {
                        alive.push(object);
                    }
                }
            }
        }
        if alive.is_empty() {
            return;
        }
        self.reached.roots.names.insert(kind, name.to_owned());
        self.is_flat = true;
        for object in alive {
            self.reached.roots.all.push(Root { kind, object });
            self.root(kind, object);
            self.drain();
        }
        self.is_flat = false;
    }

    /// Until nothing is left: the queue, then ephemerons whose keys have come to life, then metadata.
    fn drain(&mut self) {
        loop {
            self.drain_queue();
            if self.revive() {
                continue;
            }
            if self.deferred.is_empty() {
                return;
            }
            while let Some((place, node)) = self.deferred.pop() {
                self.expand(place, node);
                self.drain_queue();
            }
        }
    }

    fn drain_queue(&mut self) {
        while let Some((place, node)) = self.queue.pop() {
            self.expand(place, node);
        }
    }

    /// Visits the values whose keys have come to life; whether there were any.
    fn revive(&mut self) -> bool {
        let mut progress = false;
        while let Some(Entry { value, table, node }) = self.ephemerons.next() {
            let object = self.heap.objects.address(value);
            progress |= self.visit(value, object, table.0 + 1, node, &Via::OTHER, 0);
        }
        progress
    }

    /// Looks at the entries of a weak collection. A key outside this heap, in another isolate's or in none, is not for us to judge: it
    /// lives.
    fn entries(&mut self, table: Place, node: NodeId) {
        let (reached, ephemerons) = (&self.reached, &mut self.ephemerons);
        let address = self.heap.objects.address(table);
        self.heap.each_ephemeron(address, |heap, key, _, value| {
            let Some(value) = heap.target(value) else { return };
            let entry = Entry { value, table, node };
            let waits = heap.target(key).and_then(|key| Some((key, heap.objects.number(key)?)));
            match waits.filter(|(_, number)| !reached.is_reached(*number)) {
                Some((key, number)) => ephemerons.wait(key, number, entry),
                None => ephemerons.ripe(entry),
            }
        });
        self.reached.tables.push(table);
    }

    /// Visits everything that hangs on an object.
    fn expand(&mut self, place: Place, node: NodeId) {
        let object = self.heap.objects.address(place);
        let map = self.reached.maps.of(self.heap, object);
        let Some(info) = self.reached.maps.get(map) else { return };
        let (treatment, instance_type, identity) = (info.treatment, info.instance_type, info.identity);
        if treatment == Treatment::Ephemerons {
            self.entries(place, node);
        }
        let owner = if treatment == Treatment::PropertyArray { self.owner(place) } else { None };
        if treatment == Treatment::Function || treatment == Treatment::Context {
            self.reached.origins.note(self.heap, object, treatment);
        }
        let is_record = treatment != Treatment::NameDictionary || self.heap.size(object) <= LARGEST_RECORD;
        let via = Via { object, map, owner, treatment, instance_type, identity, is_record };
        let mut words = std::mem::take(&mut self.queue.words);
        self.heap.each_word(object, treatment, |_, offset, word| words.push((offset as u32, word)));
        let mut edges = 0;
        for (offset, word) in words.drain(..) {
            let (Some(target), Some(address)) = (self.heap.target(word), strong(word)) else { continue };
            edges += 1;
            self.visit(target, address, place.0 + 1, node, &via, u64::from(offset));
        }
        self.reached.edges += edges;
        self.queue.words = words;
    }

    /// The map of the object whose properties these are.
    fn owner(&mut self, place: Place) -> Option<u32> {
        let Parent::Object(owner) = self.reached.parent(self.heap, place)? else { return None };
        let owner = self.heap.objects.address(owner);
        Some(self.reached.maps.of(self.heap, owner))
    }

    /// What leads from the object that is being looked at to `target`.
    fn edge(&mut self, via: &Via, offset: u64, target: u64) -> Edge {
        let word = (offset / 8) as usize;
        let by_offset = Edge::Named(mix(via.instance_type.into(), offset, 1));
        match via.treatment {
            Treatment::Entries | Treatment::Ephemerons => {
                let is_cell =
                    self.heap.type_of(target) == self.heap.layout.instance_type(Known::PropertyCell);
                match self.heap.field(target, 8).filter(|_| is_cell) {
                    Some(name) => Edge::Named(self.heap.name_hash(name)),
                    None => Edge::Entry,
                }
            }
            Treatment::NameDictionary if !via.is_record => Edge::Entry,
            Treatment::NameDictionary => {
                let is_value =
                    word > 2 + DICTIONARY_PREFIX as usize && (word - 2 - DICTIONARY_PREFIX as usize) % 3 == 1;
                let key = if is_value { self.heap.memory.word(via.object + offset - 8) } else { 0 };
                let key = self.heap.object(key);
                key.map_or(Edge::Entry, |key| Edge::Named(self.heap.name_hash(key)))
            }
            Treatment::PropertyArray => {
                let outer = via.owner.and_then(|owner| self.reached.maps.get(owner)).map(|info| &info.outer);
                let hash = outer.and_then(|outer| outer.get(word.checked_sub(2)?)).copied();
                hash.filter(|hash| *hash != 0).map_or(Edge::Entry, Edge::Named)
            }
            Treatment::Object | Treatment::Function => {
                let inner = self.reached.maps.get(via.map).and_then(|info| info.inner.get(word)).copied();
                inner.filter(|hash| *hash != 0).map_or(by_offset, Edge::Named)
            }
            _ => by_offset,
        }
    }

    /// Visits an object for the first time; `false` when it had been visited.
    #[inline]
    fn visit(&mut self, place: Place, object: u64, from: u32, node: NodeId, via: &Via, offset: u64) -> bool {
        let Some(number) = self.heap.objects.number(place) else { return false };
        match self.reached.parents.get_mut(number.0 as usize) {
            Some(parent) if *parent == 0 => *parent = from,
            _ => {
                self.reached.shared.set(number.0);
                return false;
            }
        }
        self.ephemerons.reached(place, number);
        let map = self.reached.maps.of(self.heap, object);
        let Some(info) = self.reached.maps.get(map) else { return false };
        let (kind, instance_type, is_receiver) = (info.treatment, info.instance_type, info.is_receiver);
        let (class, special) = (info.identity, info.special);
        let bytes = u64::from(self.heap.size(object));
        let off_heap = self.store(object, instance_type);
        self.reached.count += 1;
        self.reached.bytes += bytes;
        self.reached.off_heap += off_heap;
        let new_map = self.reached.maps.count(map, bytes);
        if is_receiver && class == self.wanted && self.reached.found.len() < self.most_found {
            self.reached.found.push(place);
        }

        let child = if self.is_flat || is_store(via.treatment, offset, kind) {
            node
        } else if kind == Treatment::Metadata || (!is_receiver && self.is_code(node, kind)) {
            let visit = Visit { edge: Edge::Entry, identity: class, is_metadata: true, place };
            self.reached.signatures.anchored(node, visit)
        } else {
            let origin = self.reached.origins.identity(self.heap, object, kind, instance_type, special);
            let identity = origin.map_or(class, |origin| mix(class, origin.hash, 2));
            if origin.is_some_and(|origin| origin.is_anchor) {
                let visit = Visit { edge: Edge::Entry, identity, is_metadata: false, place };
                self.reached.signatures.anchored(node, visit)
            } else {
                let is_link = kind == Treatment::Object && via.identity == class && self.is_own_class(map);
                let edge = if is_link { LINK } else { self.edge(via, offset, object) };
                self.reached.signatures.child(node, Visit { edge, identity, is_metadata: false, place })
            }
        };
        self.reached.signatures.add(child, bytes, off_heap);
        match kind {
            Treatment::Leaf => {}
            Treatment::Metadata => self.deferred.push(place, child),
            _ => self.queue.push(place, child),
        }
        if new_map {
            let map = self.heap.map_of(object);
            if let Some(target) = self.heap.objects.find(map) {
                self.visit(target, map, place.0 + 1, child, &Via::OTHER, 0);
            }
        }
        true
    }

    /// Whether a class is the program's or Node's: V8's plain objects link to one another in all sorts of ways.
    fn is_own_class(&self, map: u32) -> bool {
        !matches!(self.reached.maps.class(map), "Object" | "Array" | "Map" | "Set" | "Promise")
    }

    /// What hangs on code belongs to it, but for scopes.
    fn is_code(&self, from: NodeId, kind: Treatment) -> bool {
        kind != Treatment::Context && self.reached.signatures.get(from).is_some_and(|node| node.is_metadata)
    }

    fn store(&mut self, object: u64, instance_type: u16) -> u64 {
        let Some((address, bytes)) = self.heap.off_heap(object, instance_type) else { return 0 };
        let is_new = self.stores.len() >= MOST_STORES || self.stores.insert(address);
        if is_new { bytes } else { 0 }
    }
}

/// Whether an object is only where its owner keeps things: it counts as a part of the owner.
fn is_store(owner: Treatment, offset: u64, kind: Treatment) -> bool {
    match (owner, kind) {
        (Treatment::RopeString, _)
        | (_, Treatment::PropertyArray | Treatment::NameDictionary)
        | (Treatment::Object, Treatment::Ephemerons) => true,
        (Treatment::Object | Treatment::Function, Treatment::Entries | Treatment::Leaf) => {
            offset == 8 || offset == 16 || (offset == 24 && kind == Treatment::Entries)
        }
        _ => false,
    }
}
