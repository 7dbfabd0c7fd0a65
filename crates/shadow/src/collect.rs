//! Full collections in a shadow, without the `gc` function: that needs a context of its own, which would count in the
//! floor and stand in the heap snapshot.

use crate::{Isolate, symbols};
use std::ffi::{c_char, c_void};
use std::ptr::NonNull;

type SetFlags = unsafe extern "C" fn(*const c_char);
type Collect = unsafe extern "C" fn(*mut c_void, i32);

/// `v8::Isolate::kFullGarbageCollection`.
const FULL: i32 = 0;

/// Collects everything, twice: the first collection may end incremental marking, which keeps what was allocated meanwhile.
/// `false` where the running node lacks the functions.
///
/// # Safety
///
/// In a shadow, for V8's flag `--expose-gc` stays set; on its thread, where V8 may collect.
pub unsafe fn collect_garbage() -> bool {
    let Some(isolate) = Isolate::current() else { return false };
    let Some(set_flags) = symbols::find(c"_ZN2v82V818SetFlagsFromStringEPKc") else { return false };
    let Some(collect) =
        symbols::find(c"_ZN2v87Isolate34RequestGarbageCollectionForTestingENS0_21GarbageCollectionTypeE")
    else {
        return false;
    };
    // SAFETY: the mangled name says `static void v8::V8::SetFlagsFromString(const char*)`.
    let set_flags = unsafe { std::mem::transmute::<NonNull<c_void>, SetFlags>(set_flags) };
    // SAFETY: `void v8::Isolate::RequestGarbageCollectionForTesting(GarbageCollectionType)`, `this` first, an int's enum.
    let collect = unsafe { std::mem::transmute::<NonNull<c_void>, Collect>(collect) };
    // SAFETY: a NUL-terminated literal; V8 demands this flag of whoever asks for a collection.
    unsafe { set_flags(c"--expose-gc".as_ptr()) };
    for _ in 0..2 {
        // SAFETY: the caller promises the isolate's thread and a point where V8 may collect.
        unsafe { collect(isolate.as_ptr(), FULL) };
    }
    true
}

#[cfg(test)]
mod tests {
    #[test]
    fn outside_node_nothing_is_collected() {
        // SAFETY: there is no isolate on this thread, so nothing is called.
        assert!(!unsafe { super::collect_garbage() });
    }
}
