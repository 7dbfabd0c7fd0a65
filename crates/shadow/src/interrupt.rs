//! Reaching JavaScript that does not yield: V8 runs a function of ours at its next stack check.

use crate::{Isolate, symbols};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

type Callback = unsafe extern "C" fn(*mut c_void, *mut c_void);
type RequestInterrupt = unsafe extern "C" fn(*mut c_void, Callback, *mut c_void);

/// What runs on the isolate's thread, in the midst of JavaScript: it may freeze, and must not call JavaScript in the app.
pub type Interrupt = fn(token: usize);

/// Interrupts one isolate, from any thread, until it is closed.
#[derive(Debug)]
pub struct Interrupter {
    open: Mutex<Option<Open>>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    isolate: *mut c_void,
    request: RequestInterrupt,
    token: usize,
}

// SAFETY: the isolate's address is only handed to `RequestInterrupt`, which V8 documents as callable from any thread, and
// only under the lock, before `close`.
unsafe impl Send for Open {}

impl Interrupter {
    /// For the isolate; `token` is passed to `interrupt`. `None` where the running node lacks the function.
    ///
    /// # Safety
    ///
    /// The interrupter must be closed before the isolate is disposed of.
    pub unsafe fn new(isolate: Isolate, token: usize) -> Option<Self> {
        let address = symbols::find(c"_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_")?;
        // SAFETY: the mangled name says `void v8::Isolate::RequestInterrupt(callback, void* data)`, `this` first.
        let request = unsafe { std::mem::transmute::<NonNull<c_void>, RequestInterrupt>(address) };
        Some(Self { open: Mutex::new(Some(Open { isolate: isolate.as_ptr(), request, token })) })
    }

    /// Asks for `interrupt` to be run soon; it may run after [`Interrupter::close`], and never runs when no JavaScript
    /// does. Does nothing once closed.
    pub fn request(&self, interrupt: Interrupt) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Open { isolate, request, token }) = *open {
            HANDLER.store(interrupt as *mut c_void, std::sync::atomic::Ordering::Release);
            // SAFETY: not closed, so the isolate lives, and V8 allows this on any thread; the token is a plain number.
            unsafe { request(isolate, run, std::ptr::without_provenance_mut(token)) };
        }
    }

    /// No interrupt is asked for any more.
    pub fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The one function that interrupts run; every probe of the process has the same.
static HANDLER: std::sync::atomic::AtomicPtr<c_void> =
    std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());

unsafe extern "C" fn run(_: *mut c_void, token: *mut c_void) {
    let Some(handler) = NonNull::new(HANDLER.load(std::sync::atomic::Ordering::Acquire)) else { return };
    // SAFETY: `request` stored a function of exactly this type.
    let handler = unsafe { std::mem::transmute::<NonNull<c_void>, Interrupt>(handler) };
    // A panic must not unwind into V8.
    let _ = std::panic::catch_unwind(|| handler(token.addr()));
}
