//! Collections as V8 announces them: a call before and a call after each.

use crate::{Isolate, symbols};
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

/// `v8::GCCallbackFlags` and `v8::GCType` are enums of int size.
type Callback = unsafe extern "C" fn(*mut c_void, c_int, c_int, *mut c_void);
type Add = unsafe extern "C" fn(*mut c_void, Callback, *mut c_void, c_int);
type Remove = unsafe extern "C" fn(*mut c_void, Callback, *mut c_void);

/// `v8::kGCTypeAll` of every version: all bits below 32.
const ALL: c_int = 31;

/// Told about each collection, on the isolate's thread, while the heap must not be touched.
pub trait GcObserver {
    /// A collection begins. `kind` has V8's bits: 1 scavenge, 2 minor mark-sweep, 4 mark-sweep-compact, 8 incremental
    /// marking, 16 weak callbacks.
    fn before(&self, kind: i32);
    /// It has ended.
    fn after(&self, kind: i32);
}

/// The registration; dropped, it is undone.
pub struct GcCallbacks<O: GcObserver> {
    isolate: Isolate,
    remove: [Remove; 2],
    observer: NonNull<O>,
}

impl<O: GcObserver> GcCallbacks<O> {
    /// Registers `observer`. `None` where the running node lacks one of the four functions.
    pub fn register(isolate: Isolate, observer: O) -> Option<Self> {
        let add = [
            symbols::find(
                c"_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
            )?,
            symbols::find(
                c"_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_",
            )?,
        ];
        let remove = [
            symbols::find(
                c"_ZN2v87Isolate24RemoveGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
            )?,
            symbols::find(
                c"_ZN2v87Isolate24RemoveGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_",
            )?,
        ];
        // SAFETY: the mangled names say `void v8::Isolate::AddGC…Callback(callback, void* data, GCType)`, `this` first.
        let add = add.map(|address| unsafe { std::mem::transmute::<NonNull<c_void>, Add>(address) });
        // SAFETY: the mangled names say `void v8::Isolate::RemoveGC…Callback(callback, void* data)`, `this` first.
        let remove = remove.map(|address| unsafe { std::mem::transmute::<NonNull<c_void>, Remove>(address) });

        let observer = NonNull::from(Box::leak(Box::new(observer)));
        let data = observer.as_ptr().cast::<c_void>();
        for (add, callback) in add.into_iter().zip([before::<O> as Callback, after::<O> as Callback]) {
            // SAFETY: `isolate` is current on this thread; `data` stays valid until `drop` has removed the callback.
            unsafe { add(isolate.as_ptr(), callback, data, ALL) };
        }
        Some(Self { isolate, remove, observer })
    }

    /// The observer.
    pub fn observer(&self) -> &O {
        // SAFETY: `register` leaked a valid box, and only `drop` frees it; nobody takes it mutably.
        unsafe { self.observer.as_ref() }
    }
}

impl<O: GcObserver> Drop for GcCallbacks<O> {
    fn drop(&mut self) {
        let data = self.observer.as_ptr().cast::<c_void>();
        for (remove, callback) in
            self.remove.into_iter().zip([before::<O> as Callback, after::<O> as Callback])
        {
            // SAFETY: the same isolate, callback and data as in `register`, on the same thread (not `Send`).
            unsafe { remove(self.isolate.as_ptr(), callback, data) };
        }
        // SAFETY: `register` made it with `Box::leak`, and V8 has just forgotten it.
        drop(unsafe { Box::from_raw(self.observer.as_ptr()) });
    }
}

unsafe extern "C" fn before<O: GcObserver>(_: *mut c_void, kind: c_int, _: c_int, data: *mut c_void) {
    guarded(data, |observer: &O| observer.before(kind));
}

unsafe extern "C" fn after<O: GcObserver>(_: *mut c_void, kind: c_int, _: c_int, data: *mut c_void) {
    guarded(data, |observer: &O| observer.after(kind));
}

/// Calls the observer; a panic ends here, for it must not unwind into V8.
fn guarded<O: GcObserver>(data: *mut c_void, tell: impl FnOnce(&O)) {
    let Some(observer) = NonNull::new(data.cast::<O>()) else { return };
    // SAFETY: `data` is the box leaked by `register`, alive while the callback is registered.
    let observer = unsafe { observer.as_ref() };
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tell(observer)));
}
