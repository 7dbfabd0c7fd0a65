//! V8's roots, with their names, through a visitor of our own.

use crate::functions::{Functions, Visitor};
use crate::heap::strong;
use std::collections::BTreeMap;
use std::ffi::{c_char, c_int, c_void};

/// V8 has some fifteen bits that leave out kinds of roots.
const SKIP_BITS: c_int = 10;

/// A root: what kind V8 says it is, and the object's address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    /// V8's number of the kind, -1 for running code.
    pub(crate) kind: i32,
    pub(crate) object: u64,
}

/// The strong roots, and what their kinds are called.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    pub(crate) all: Vec<Root>,
    pub(crate) names: BTreeMap<i32, String>,
}

impl Roots {
    /// Collects the strong roots.
    ///
    /// # Safety
    ///
    /// In a shadow on the isolate's thread; `heap` is its heap.
    pub(crate) unsafe fn collect(functions: &Functions, heap: u64) -> Self {
        // SAFETY: the caller's promise.
        let everything = unsafe { visit(functions, heap, 0) };
        let mut names = BTreeMap::new();
        for root in everything.iter().filter(|root| root.kind >= 0) {
            names.entry(root.kind).or_insert_with(|| {
                // SAFETY: V8 gave this number to the visitor.
                unsafe { functions.root_name(root.kind) }
            });
        }
        names.insert(-1, "(running code)".to_owned());
        let handles = names.iter().find(|(_, name)| name.contains("Global handles")).map(|(kind, _)| *kind);
        let among = |roots: &[Root]| roots.iter().filter(|root| Some(root.kind) == handles).count();
        let all_handles = among(&everything);
        // Which bit leaves out weak roots differs between versions: the one that lowers the global handles, but leaves some.
        let strong = (0..SKIP_BITS).rev().find_map(|bit| {
            // SAFETY: the caller's promise; every bit only leaves roots out.
            let some = unsafe { visit(functions, heap, 1 << bit) };
            let left = among(&some);
            (left > 0 && left < all_handles).then_some(some)
        });
        Self { all: strong.unwrap_or(everything), names }
    }

    /// Whether a kind of root is the stack's or a handle's: what hangs on it hangs there for a moment only.
    pub(crate) fn is_passing(&self, kind: i32) -> bool {
        kind < 0
            || self
                .names
                .get(&kind)
                .is_some_and(|name| name.contains("Stack") || name.contains("Handle scope"))
    }
}

/// A `v8::internal::RootVisitor`: the pointer to its virtual functions comes first.
#[repr(C)]
struct Collector {
    vtable: *const Vtable,
    roots: Vec<Root>,
}

/// The virtual functions in the order of the class's declaration, as the Itanium C++ ABI lays them out.
#[repr(C)]
struct Vtable {
    complete_destructor: unsafe extern "C" fn(*mut Collector),
    deleting_destructor: unsafe extern "C" fn(*mut Collector),
    visit_root_pointers: unsafe extern "C" fn(*mut Collector, c_int, *const c_char, *const u64, *const u64),
    visit_root_pointer: unsafe extern "C" fn(*mut Collector, c_int, *const c_char, *const u64),
    visit_compressed_pointers:
        unsafe extern "C" fn(*mut Collector, c_int, *const c_char, *const u64, *const u64),
    visit_running_code: unsafe extern "C" fn(*mut Collector, *const u64, *const u64),
    synchronize: unsafe extern "C" fn(*mut Collector),
    collector: unsafe extern "C" fn(*mut Collector) -> c_int,
    /// None today: for functions that a later V8 may add.
    spare: [unsafe extern "C" fn(*mut Collector); 2],
}

static VTABLE: Vtable = Vtable {
    complete_destructor: nothing,
    deleting_destructor: nothing,
    visit_root_pointers,
    visit_root_pointer,
    visit_compressed_pointers,
    visit_running_code,
    synchronize: nothing,
    collector,
    spare: [nothing; 2],
};

/// `v8::internal::GarbageCollector::MARK_COMPACTOR`.
const MARK_COMPACTOR: c_int = 1;

unsafe fn visit(functions: &Functions, heap: u64, skip: c_int) -> Vec<Root> {
    let mut collector = Collector { vtable: &raw const VTABLE, roots: Vec::new() };
    // SAFETY: the caller promises heap and thread; the collector lives past the call and begins with its table.
    unsafe { functions.roots(heap, (&raw mut collector).cast::<Visitor>(), skip) };
    collector.roots
}

unsafe extern "C" fn nothing(_: *mut Collector) {}

unsafe extern "C" fn visit_root_pointers(
    this: *mut Collector,
    kind: c_int,
    _: *const c_char,
    from: *const u64,
    to: *const u64,
) {
    // SAFETY: V8 hands over the visitor that it was given, which nothing else refers to during the call.
    let this = unsafe { &mut *this };
    let count = (to as usize).saturating_sub(from as usize) / size_of::<u64>();
    for index in 0..count {
        // SAFETY: V8 hands over a row of slots from `from` to `to`.
        let slot = unsafe { from.add(index) };
        // SAFETY: as above; each slot holds a word.
        if let Some(object) = strong(unsafe { slot.read() }) {
            this.roots.push(Root { kind, object });
        }
    }
}

unsafe extern "C" fn visit_root_pointer(
    this: *mut Collector,
    kind: c_int,
    name: *const c_char,
    slot: *const u64,
) {
    // SAFETY: one slot is a row of one.
    let end = unsafe { slot.add(1) };
    // SAFETY: V8's visitor and slot are handed on.
    unsafe { visit_root_pointers(this, kind, name, slot, end) };
}

unsafe extern "C" fn visit_compressed_pointers(
    _: *mut Collector,
    _: c_int,
    _: *const c_char,
    _: *const u64,
    _: *const u64,
) {
}

unsafe extern "C" fn visit_running_code(this: *mut Collector, code: *const u64, _: *const u64) {
    // SAFETY: V8's visitor and slot are handed on.
    unsafe { visit_root_pointer(this, -1, std::ptr::null(), code) };
}

unsafe extern "C" fn collector(_: *mut Collector) -> c_int {
    MARK_COMPACTOR
}

const _: () = assert!(size_of::<*const c_void>() == 8, "tagged words are pointers");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_single_slots_are_collected_without_small_integers_and_weak_words() {
        let mut collected = Collector { vtable: &raw const VTABLE, roots: Vec::new() };
        let slots = [0x1001_u64, 4 << 32, 0x2003, 0x3001];
        let [first, .., last] = &slots;
        // SAFETY: as V8 calls it: a visitor and the two ends of a row.
        unsafe {
            (VTABLE.visit_root_pointers)(
                &raw mut collected,
                3,
                std::ptr::null(),
                first,
                slots.as_ptr_range().end,
            );
        }
        // SAFETY: as V8 calls it: a visitor and one slot.
        unsafe { (VTABLE.visit_running_code)(&raw mut collected, last, last) };
        let found: Vec<_> = collected.roots.iter().map(|root| (root.kind, root.object)).collect();
        assert_eq!(found, [(3, 0x1000), (3, 0x3000), (-1, 0x3000)]);
    }
}
