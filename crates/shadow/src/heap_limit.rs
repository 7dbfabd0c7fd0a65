//! The last moment before V8 gives up: it asks whether the heap's limit may be raised.

use crate::{Isolate, symbols};
use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

pub(crate) type Callback = unsafe extern "C" fn(*mut c_void, usize, usize) -> usize;
pub(crate) type Add = unsafe extern "C" fn(*mut c_void, Callback, *mut c_void);
pub(crate) type Remove = unsafe extern "C" fn(*mut c_void, Callback, usize);

const ADD: &CStr = c"_ZN2v87Isolate24AddNearHeapLimitCallbackEPFmPvmmES1_";
const REMOVE: &CStr = c"_ZN2v87Isolate27RemoveNearHeapLimitCallbackEPFmPvmmEm";

/// The mangled name says `void v8::Isolate::AddNearHeapLimitCallback(callback, void* data)`, `this` first.
pub(crate) fn find_add() -> Option<Add> {
    let add = symbols::find(ADD)?;
    // SAFETY: the type is the one that the name says.
    Some(unsafe { std::mem::transmute::<NonNull<c_void>, Add>(add) })
}

/// The mangled name says `void v8::Isolate::RemoveNearHeapLimitCallback(callback, size_t)`, `this` first.
pub(crate) fn find_remove() -> Option<Remove> {
    let remove = symbols::find(REMOVE)?;
    // SAFETY: the type is the one that the name says.
    Some(unsafe { std::mem::transmute::<NonNull<c_void>, Remove>(remove) })
}

/// Asked inside a collection, on the isolate's thread, when the heap is at its limit.
pub trait HeapLimitObserver {
    /// The new limit, bytes, given the present and the initial one. Not above the present one: no more room is given,
    /// and from then on V8 asks whoever registered before.
    fn reached(&self, limit: usize, initial: usize) -> usize;
}

/// The registration; dropped, it is undone. A limit that was raised stays raised.
pub struct HeapLimitCallback<O: HeapLimitObserver> {
    isolate: Isolate,
    state: NonNull<State<O>>,
}

struct State<O> {
    isolate: Isolate,
    remove: Remove,
    registered: Cell<bool>,
    observer: O,
}

impl<O: HeapLimitObserver> HeapLimitCallback<O> {
    /// Registers `observer`. V8 asks the last one that registered only, so an earlier one waits until this one gives no
    /// more room. `None` where the running node lacks one of the functions.
    pub fn register(isolate: Isolate, observer: O) -> Option<Self> {
        let add = find_add()?;
        let remove = find_remove()?;
        let state = NonNull::from(Box::leak(Box::new(State {
            isolate,
            remove,
            registered: Cell::new(true),
            observer,
        })));
        // SAFETY: `isolate` is current on this thread; `state` stays valid until `drop` has removed the callback.
        unsafe { add(isolate.as_ptr(), reached::<O>, state.as_ptr().cast()) };
        Some(Self { isolate, state })
    }
}

impl<O: HeapLimitObserver> State<O> {
    fn unregister(&self) {
        if self.registered.replace(false) {
            // SAFETY: registered with this isolate and this very function, and only once removed: V8 aborts otherwise.
            unsafe { (self.remove)(self.isolate.as_ptr(), reached::<O>, 0) };
        }
    }
}

impl<O: HeapLimitObserver> Drop for HeapLimitCallback<O> {
    fn drop(&mut self) {
        debug_assert!(!self.isolate.as_ptr().is_null(), "a registration has its isolate");
        // SAFETY: `register` made it with `Box::leak`, and only this frees it.
        let state = unsafe { Box::from_raw(self.state.as_ptr()) };
        state.unregister();
    }
}

unsafe extern "C" fn reached<O: HeapLimitObserver>(data: *mut c_void, limit: usize, initial: usize) -> usize {
    let Some(state) = NonNull::new(data.cast::<State<O>>()) else { return limit };
    // SAFETY: `data` is the box leaked by `register`, alive while the callback is registered.
    let state = unsafe { state.as_ref() };
    let asked = std::panic::AssertUnwindSafe(|| state.observer.reached(limit, initial));
    // A panic must not unwind into V8.
    let raised = std::panic::catch_unwind(asked).unwrap_or(limit);
    if raised <= limit {
        state.unregister();
    }
    raised.max(limit)
}
