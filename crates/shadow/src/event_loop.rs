//! libuv's own account of how long the event loop was idle.

use crate::symbols;
use std::ffi::c_void;
use std::ptr::NonNull;

type MetricsIdleTime = unsafe extern "C" fn(*mut c_void) -> u64;

/// An event loop with idle time switched on (Node does that for every environment).
#[derive(Clone, Copy, Debug)]
pub struct EventLoop {
    handle: NonNull<c_void>,
    idle_time: MetricsIdleTime,
}

impl EventLoop {
    /// The loop at `handle`; `None` where libuv's `uv_metrics_idle_time` is not exported.
    ///
    /// # Safety
    ///
    /// `handle` must be a `uv_loop_t` that outlives the value.
    pub unsafe fn new(handle: NonNull<c_void>) -> Option<Self> {
        let address = symbols::find(c"uv_metrics_idle_time")?;
        // SAFETY: libuv declares `uint64_t uv_metrics_idle_time(uv_loop_t*)`, since 1.39.
        let idle_time = unsafe { std::mem::transmute::<NonNull<c_void>, MetricsIdleTime>(address) };
        Some(Self { handle, idle_time })
    }

    /// Time spent waiting for events since the loop began, ns. About 20 ns.
    pub fn idle_ns(&self) -> u64 {
        // SAFETY: `new` was promised a loop that outlives this; libuv guards the number with a lock of its own.
        unsafe { (self.idle_time)(self.handle.as_ptr()) }
    }
}
