//! V8's sampling heap profiler, started and stopped by symbol. Its samples are read through the inspector.
//!
//! The inspector's own `HeapProfiler.startSampling` is not used: the profiler that it starts collects the whole heap each
//! time its samples are read, and it succeeds also where another agent's profiler runs already. V8's function says so.

use crate::{Isolate, symbols};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

type GetProfiler = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type Start = unsafe extern "C" fn(*mut c_void, u64, c_int, c_int) -> bool;
type Stop = unsafe extern "C" fn(*mut c_void);

/// `v8::HeapProfiler::kSamplingNoFlags`: samples of what was collected are dropped, and reading does not collect.
const NO_FLAGS: c_int = 0;

/// The sampling heap profiler of one isolate. An isolate has one at most, whoever started it.
#[derive(Debug)]
pub struct HeapSampler {
    isolate: Isolate,
    get_profiler: GetProfiler,
    start: Start,
    stop: Stop,
    /// Started here and not stopped here since.
    started: Cell<bool>,
}

impl HeapSampler {
    /// For an isolate; `None` where the running node lacks the functions.
    ///
    /// # Safety
    ///
    /// It is used and dropped on the isolate's thread, before the isolate goes.
    pub unsafe fn find(isolate: Isolate) -> Option<Self> {
        let get_profiler = symbols::find(c"_ZN2v87Isolate15GetHeapProfilerEv")?;
        let start = symbols::find(c"_ZN2v812HeapProfiler25StartSamplingHeapProfilerEmiNS0_13SamplingFlagsE")?;
        let stop = symbols::find(c"_ZN2v812HeapProfiler24StopSamplingHeapProfilerEv")?;
        Some(Self {
            isolate,
            // SAFETY: the mangled name says `v8::HeapProfiler* v8::Isolate::GetHeapProfiler()`, `this` first.
            get_profiler: unsafe { std::mem::transmute::<NonNull<c_void>, GetProfiler>(get_profiler) },
            // SAFETY: `bool v8::HeapProfiler::StartSamplingHeapProfiler(uint64_t, int, SamplingFlags)`, an `int` enum.
            start: unsafe { std::mem::transmute::<NonNull<c_void>, Start>(start) },
            // SAFETY: the mangled name says `void v8::HeapProfiler::StopSamplingHeapProfiler()`, `this` first.
            stop: unsafe { std::mem::transmute::<NonNull<c_void>, Stop>(stop) },
            started: Cell::new(false),
        })
    }

    /// Starts it with one sample about every `interval` bytes and stacks of at most `depth` frames; `false` where one
    /// runs already, which is then somebody else's.
    pub fn start(&self, interval: u64, depth: u16) -> bool {
        // SAFETY: `find`'s contract: the isolate lives, and this is its thread.
        let profiler = unsafe { (self.get_profiler)(self.isolate.as_ptr()) };
        // SAFETY: the isolate's own profiler, on its thread. An interval of 0 would divide by zero.
        let started = unsafe { (self.start)(profiler, interval.max(1), c_int::from(depth), NO_FLAGS) };
        self.started.set(started || self.started.get());
        started
    }

    /// Stops what [`HeapSampler::start`] started and frees its samples; otherwise does nothing.
    pub fn stop(&self) {
        if !self.started.replace(false) {
            return;
        }
        // SAFETY: `find`'s contract: the isolate lives, and this is its thread.
        let profiler = unsafe { (self.get_profiler)(self.isolate.as_ptr()) };
        // SAFETY: the isolate's own profiler, on its thread; stopping one that was stopped meanwhile does nothing.
        unsafe { (self.stop)(profiler) };
    }

    /// Whoever runs it now, it is no longer ours: [`HeapSampler::stop`] does nothing.
    pub fn disown(&self) {
        self.started.set(false);
    }
}

impl Drop for HeapSampler {
    fn drop(&mut self) {
        self.stop();
    }
}
