//! The isolate of the calling thread.

use crate::symbols;
use std::ffi::c_void;
use std::ptr::NonNull;

/// V8's isolate that was current on the thread that asked.
///
/// It stays valid until its environment is torn down; whoever holds it has to let go in the environment's clean-up.
/// Not `Send`: every use must be on the thread that asked.
#[derive(Clone, Copy, Debug)]
pub struct Isolate(NonNull<c_void>);

impl Isolate {
    /// The current isolate; `None` outside V8 or where the symbol is missing.
    pub fn current() -> Option<Self> {
        let address = symbols::find(c"_ZN2v87Isolate10GetCurrentEv")?;
        // SAFETY: the mangled name says `static v8::Isolate* v8::Isolate::GetCurrent()`: no arguments, pointer result.
        let get_current =
            unsafe { std::mem::transmute::<NonNull<c_void>, unsafe extern "C" fn() -> *mut c_void>(address) };
        // SAFETY: GetCurrent reads a thread-local and returns null on a thread without an isolate.
        NonNull::new(unsafe { get_current() }).map(Self)
    }

    pub(crate) fn as_ptr(self) -> *mut c_void {
        self.0.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_node_there_is_no_isolate() {
        assert!(Isolate::current().is_none());
    }
}
