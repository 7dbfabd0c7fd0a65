//! V8's functions that the walk calls, by mangled name. All take integers and pointers only.

use crate::executable::Executable;
use crate::refusal::Refusal;
use std::ffi::{CStr, c_char, c_int, c_void};

/// The names of one function in all supported versions.
type Names = &'static [&'static str];

const ITERATOR_NEW: Names = &[
    "_ZN2v88internal26CombinedHeapObjectIteratorC1EPNS0_4HeapENS0_18HeapObjectIterator20HeapObjectsFilteringE",
];
const ITERATOR_NEXT: Names = &["_ZN2v88internal26CombinedHeapObjectIterator4NextEv"];
const ITERATOR_DROP: Names = &["_ZN2v88internal18HeapObjectIteratorD1Ev"];
const INNER_ITERATOR_NEW: Names =
    &["_ZN2v88internal18HeapObjectIteratorC1EPNS0_4HeapENS1_20HeapObjectsFilteringE"];
const SIZE: Names = &[
    "_ZNK2v88internal10HeapObject11SizeFromMapENS0_3MapE",
    "_ZNK2v88internal10HeapObject11SizeFromMapENS0_6TaggedINS0_3MapEEE",
];
const ROOTS: Names = &[
    "_ZN2v88internal4Heap12IterateRootsEPNS0_11RootVisitorENS_4base7EnumSetINS0_8SkipRootEiEE",
    "_ZN2v88internal4Heap12IterateRootsEPNS0_11RootVisitorENS_4base7EnumSetINS0_8SkipRootEiEENS1_16IterateRootsModeE",
];
const ROOT_NAME: Names = &["_ZN2v88internal11RootVisitor8RootNameENS0_4RootE"];
const CURRENT: Names = &["_ZN2v87Isolate10GetCurrentEv"];
const PROFILER: Names = &["_ZN2v87Isolate15GetHeapProfilerEv"];
const OBJECT_ID: Names = &["_ZN2v812HeapProfiler11GetObjectIdENS_5LocalINS_5ValueEEE"];
const DISPATCH_TABLE: Names = &[
    "_ZN2v88internal17ExternalReference25js_dispatch_table_addressEv",
    "_ZN2v88internal17ExternalReference25js_dispatch_table_addressEPNS0_7IsolateE",
];

const ALL: [Names; 11] = [
    ITERATOR_NEW,
    ITERATOR_NEXT,
    ITERATOR_DROP,
    INNER_ITERATOR_NEW,
    SIZE,
    ROOTS,
    ROOT_NAME,
    CURRENT,
    PROFILER,
    OBJECT_ID,
    DISPATCH_TABLE,
];

/// Every name that is looked for.
pub(crate) fn wanted() -> Vec<&'static str> {
    ALL.iter().flat_map(|names| names.iter().copied()).collect()
}

/// What V8's `RootVisitor` looks like from outside: the pointer to its virtual functions, and then our own.
pub(crate) type Visitor = c_void;

/// The functions' addresses, each taken from the running executable.
#[derive(Clone, Debug)]
pub(crate) struct Functions {
    iterator_new: u64,
    iterator_next: u64,
    iterator_drop: u64,
    /// Only its code is read.
    pub(crate) inner_iterator_new: u64,
    size: u64,
    roots: u64,
    root_name: u64,
    current: u64,
    /// The heap profiler's, which the walk can do without.
    object_id: Option<(u64, u64)>,
    /// Only from Node 24 on.
    dispatch_table: Option<u64>,
}

impl Functions {
    pub(crate) fn find(executable: &Executable) -> Result<Self, Refusal> {
        Ok(Self {
            iterator_new: executable.function(ITERATOR_NEW)?,
            iterator_next: executable.function(ITERATOR_NEXT)?,
            iterator_drop: executable.function(ITERATOR_DROP)?,
            inner_iterator_new: executable.function(INNER_ITERATOR_NEW)?,
            size: executable.function(SIZE)?,
            roots: executable.function(ROOTS)?,
            root_name: executable.function(ROOT_NAME)?,
            current: executable.function(CURRENT)?,
            object_id: executable.function(PROFILER).ok().zip(executable.function(OBJECT_ID).ok()),
            dispatch_table: executable.function(DISPATCH_TABLE).ok(),
        })
    }

    /// `static v8::Isolate* v8::Isolate::GetCurrent()`; 0 on a thread without one.
    pub(crate) fn current_isolate(&self) -> u64 {
        // SAFETY: the mangled name says: no arguments; the declaration's result is a pointer.
        let call = unsafe { std::mem::transmute::<usize, extern "C" fn() -> u64>(self.current as usize) };
        call()
    }

    /// `CombinedHeapObjectIterator(Heap*, HeapObjectsFiltering)` with no filtering, on memory of the caller's.
    ///
    /// # Safety
    ///
    /// `heap` is the heap of the current isolate, in a shadow, and `iterator` has room for V8's object.
    pub(crate) unsafe fn iterator_new(&self, iterator: *mut c_void, heap: u64) {
        type Call = unsafe extern "C" fn(*mut c_void, u64, c_int);
        // SAFETY: the mangled name says: a constructor with a pointer and an enumeration, `this` first.
        let call = unsafe { std::mem::transmute::<usize, Call>(self.iterator_new as usize) };
        // SAFETY: the caller's promise.
        unsafe { call(iterator, heap, 0) };
    }

    /// `CombinedHeapObjectIterator::Next()`: a tagged object, 0 at the end.
    ///
    /// # Safety
    ///
    /// `iterator` was made by [`Self::iterator_new`] and not dropped.
    pub(crate) unsafe fn iterator_next(&self, iterator: *mut c_void) -> u64 {
        type Call = unsafe extern "C" fn(*mut c_void) -> u64;
        // SAFETY: the mangled name says: no arguments but `this`; a tagged word comes back in a register.
        let call = unsafe { std::mem::transmute::<usize, Call>(self.iterator_next as usize) };
        // SAFETY: the caller's promise.
        unsafe { call(iterator) }
    }

    /// `~HeapObjectIterator()`, of the inner iterator, with which the outer one begins.
    ///
    /// # Safety
    ///
    /// As for [`Self::iterator_next`]; the iterator is not used afterwards.
    pub(crate) unsafe fn iterator_drop(&self, iterator: *mut c_void) {
        type Call = unsafe extern "C" fn(*mut c_void);
        // SAFETY: the mangled name says: a destructor, which takes `this` only.
        let call = unsafe { std::mem::transmute::<usize, Call>(self.iterator_drop as usize) };
        // SAFETY: the caller's promise.
        unsafe { call(iterator) };
    }

    /// `HeapObject::SizeFromMap(Map) const`: bytes of the object.
    ///
    /// # Safety
    ///
    /// `object` and `map` are addresses of an object that the iterator reported and of its map.
    #[inline]
    pub(crate) unsafe fn size(&self, object: u64, map: u64) -> u32 {
        type Call = unsafe extern "C" fn(*const u64, u64) -> c_int;
        let tagged = object + 1;
        // SAFETY: the mangled name says: a tagged map by value, which is one word; `this` points to the tagged object.
        let call = unsafe { std::mem::transmute::<usize, Call>(self.size as usize) };
        // SAFETY: the caller's promise.
        let size = unsafe { call(&raw const tagged, map + 1) };
        u32::try_from(size).unwrap_or(0)
    }

    /// `Heap::IterateRoots(RootVisitor*, EnumSet<SkipRoot>[, IterateRootsMode])`. Versions without the mode ignore it.
    ///
    /// # Safety
    ///
    /// `heap` as above; `visitor` begins with the address of a table of virtual functions that fit.
    pub(crate) unsafe fn roots(&self, heap: u64, visitor: *mut Visitor, skip: c_int) {
        type Call = unsafe extern "C" fn(u64, *mut Visitor, c_int, c_int);
        // SAFETY: the mangled name says so; an EnumSet over an int is an int.
        let call = unsafe { std::mem::transmute::<usize, Call>(self.roots as usize) };
        // SAFETY: the caller's promise.
        unsafe { call(heap, visitor, skip, 0) };
    }

    /// `static const char* RootVisitor::RootName(Root)`.
    ///
    /// # Safety
    ///
    /// `root` is a number that V8 gave to a visitor.
    pub(crate) unsafe fn root_name(&self, root: c_int) -> String {
        type Call = unsafe extern "C" fn(c_int) -> *const c_char;
        // SAFETY: the mangled name says: an enumeration by value; the declaration's result is a string literal.
        let call = unsafe { std::mem::transmute::<usize, Call>(self.root_name as usize) };
        // SAFETY: the caller's promise.
        let name = unsafe { call(root) };
        if name.is_null() {
            return String::new();
        }
        // SAFETY: V8 returns a literal, which ends with NUL and lives for ever.
        let name = unsafe { CStr::from_ptr(name) };
        name.to_string_lossy().into_owned()
    }

    /// `HeapProfiler::GetObjectId(Local<Value>)`: the number that V8 has given to an object, 0 for none; a look into a table.
    ///
    /// # Safety
    ///
    /// In a shadow, on the thread of the current isolate; `object` is the address of an object that the iterator reported.
    pub(crate) unsafe fn object_id(&self, object: u64) -> u32 {
        type Profiler = unsafe extern "C" fn(u64) -> u64;
        type Call = unsafe extern "C" fn(u64, *const u64) -> u32;
        let Some((profiler, object_id)) = self.object_id else { return 0 };
        // SAFETY: the mangled name says: no arguments but `this`; the declaration's result is a pointer.
        let profiler = unsafe { std::mem::transmute::<usize, Profiler>(profiler as usize) };
        // SAFETY: the isolate of this very thread, by the caller's promise.
        let profiler = unsafe { profiler(self.current_isolate()) };
        // SAFETY: the mangled name says: a `Local` by value, which is the address of a slot with a tagged word; `this` first.
        let call = unsafe { std::mem::transmute::<usize, Call>(object_id as usize) };
        let slot = object + 1;
        // SAFETY: the slot holds the tagged word of an object until the call returns, and the function only compares its address.
        unsafe { call(profiler, &raw const slot) }
    }

    /// `static ExternalReference ExternalReference::js_dispatch_table_address([Isolate*])`: where the table begins that functions
    /// refer to for their code. Versions without the argument ignore it.
    pub(crate) fn dispatch_table(&self) -> Option<u64> {
        // SAFETY: the mangled names say so; the result is a class of one address, which comes back in a register.
        let call =
            unsafe { std::mem::transmute::<usize, extern "C" fn(u64) -> u64>(self.dispatch_table? as usize) };
        Some(call(self.current_isolate()))
    }
}
